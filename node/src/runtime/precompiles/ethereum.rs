//! Which precompiles a chain has: those of its fork, and on the test networks of ewasm Keccak-256.

use std::sync::OnceLock;

use alloy_primitives::keccak256;
use revm::{
    precompile::{
        EthPrecompileOutput, EthPrecompileResult, Precompile, PrecompileHalt, PrecompileId, PrecompileSpecId,
        Precompiles, calc_linear_cost, eth_precompile_fn, u64_to_address,
    },
    primitives::Bytes,
};

use super::super::protocol::{Fork, Protocol};

/// Where the test networks of ewasm have Keccak-256, which Wasm has no opcode for.
const KECCAK_ADDRESS: u64 = 9;
/// What hashing costs besides words: the price of KECCAK256.
const KECCAK_BASE_GAS: u64 = 30;
/// What hashing a word of 32 bytes costs: the price of KECCAK256.
const KECCAK_WORD_GAS: u64 = 6;

eth_precompile_fn!(keccak_precompile, keccak_run);

fn keccak_run(input: &[u8], gas_limit: u64) -> EthPrecompileResult {
    let gas_used = calc_linear_cost(input.len(), KECCAK_BASE_GAS, KECCAK_WORD_GAS);
    if gas_used > gas_limit {
        return Err(PrecompileHalt::OutOfGas);
    }
    Ok(EthPrecompileOutput::new(gas_used, Bytes::from(keccak256(input).0)))
}

/// Returns the precompiles of a chain.
pub(in super::super) fn precompiles(protocol: &Protocol) -> &'static Precompiles {
    static WITH_KECCAK: [OnceLock<Precompiles>; Fork::ALL.len()] =
        [const { OnceLock::new() }; Fork::ALL.len()];
    let of_fork = Precompiles::new(PrecompileSpecId::from_spec_id(protocol.fork.spec()));
    if !protocol.keccak_precompile {
        return of_fork;
    }
    WITH_KECCAK[protocol.fork as usize].get_or_init(|| {
        let id = PrecompileId::custom("keccak256");
        let mut precompiles = of_fork.clone();
        precompiles.extend([Precompile::new(id, u64_to_address(KECCAK_ADDRESS), keccak_precompile)]);
        precompiles
    })
}
