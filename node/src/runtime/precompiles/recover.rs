//! ECRECOVER where a signature is said to be somebody's, whatever was signed.
//!
//! The account of the precompiled contract has a slot for each such signature. On chains where there is none, which its nonce
//! tells, nothing is read and nothing differs.

use alloy_primitives::{Address, U256, address, keccak256};
use revm::{
    Database,
    context_interface::ContextTr,
    interpreter::{CallInputs, Gas, InstructionResult, InterpreterResult},
    primitives::Bytes,
};

use super::super::evm::Ctx;

/// The contract, and the account that says which signatures recover whom.
pub const KEEPER: Address = address!("0000000000000000000000000000000000000001");

/// What recovering costs (Yellow Paper, appendix E.1).
const RECOVER_GAS: u64 = 3_000;
/// Set in a value, so that the zero address is told from nobody.
const IS_SET: U256 = U256::from_limbs([0, 0, 1 << 32, 0]);
/// Where r, s follow the hash and v in the contract's input.
const SIGNATURE_START: usize = 64;
const INPUT_BYTES: usize = 128;

/// Returns the slot of a signature: r, s, and 27 or 28.
pub fn slot(signature: &[u8; 65]) -> U256 {
    keccak256(signature).into()
}

/// Returns what its slot holds if it recovers an account.
pub fn value(address: Address) -> U256 {
    U256::from_be_slice(address.as_slice()) | IS_SET
}

/// Returns the signature in the contract's input, if it has the form of one.
fn signature(input: &[u8]) -> Option<[u8; 65]> {
    let mut padded = [0; INPUT_BYTES];
    let length = input.len().min(INPUT_BYTES);
    padded[..length].copy_from_slice(&input[..length]);
    let v = padded[SIGNATURE_START - 1];
    let is_one = padded[32..SIGNATURE_START - 1].iter().all(|byte| *byte == 0) && matches!(v, 27 | 28);
    let mut signature = [0; 65];
    signature[..64].copy_from_slice(&padded[SIGNATURE_START..]);
    signature[64] = v;
    is_one.then_some(signature)
}

/// Returns what the contract answers where the signature is said to be somebody's; none where it is to be recovered. Too little
/// gas is the contract's own affair.
pub(super) fn run<DB: Database>(ctx: &mut Ctx<DB>, inputs: &CallInputs) -> Option<InterpreterResult> {
    let mut gas = Gas::new_with_regular_gas_and_reservoir(inputs.gas_limit, inputs.reservoir);
    match recovered(ctx, inputs) {
        Ok(value) => {
            let value = value.filter(|_| gas.record_regular_cost(RECOVER_GAS))?;
            let output = Bytes::from(value.to_be_bytes::<32>());
            Some(InterpreterResult::new(InstructionResult::Return, output, gas))
        }
        Err(error) => {
            *ctx.error() = Err(error.into());
            Some(InterpreterResult::new(InstructionResult::FatalExternalError, Bytes::new(), gas))
        }
    }
}

/// Returns whom the signature is said to be of.
fn recovered<DB: Database>(ctx: &mut Ctx<DB>, inputs: &CallInputs) -> Result<Option<U256>, DB::Error> {
    if ctx.db_mut().basic(KEEPER)?.is_none_or(|account| account.nonce == 0) {
        return Ok(None);
    }
    let signature = signature(&inputs.input.as_bytes(ctx));
    let Some(signature) = signature else { return Ok(None) };
    let value = ctx.db_mut().storage(KEEPER, slot(&signature))?;
    Ok((value & IS_SET != U256::ZERO).then_some(value ^ IS_SET))
}
