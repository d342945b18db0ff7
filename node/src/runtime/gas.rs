//! What a host function pays for touching the world: the EVM's prices of the chain's fork, on the meter of the
//! Wasm frame. This is the only place with such formulas.
//!
//! Each function charges before it acts. A database error is left in revm's context and reported as
//! [`Stop::Fatal`].

use lathe_gas::{Meter, OutOfGas};
use revm::{
    bytecode::Bytecode,
    context_interface::{Host, context::StateLoad, host::LoadError, journaled_state::AccountInfoLoad},
    interpreter::instructions::contract::load_account_delegated,
    primitives::{Address, B256, Bytes, Log, U256, hardfork::SpecId},
};

/// Base cost of a CALL-like operation; the EVM keeps it in its opcode table (EIP-2929).
const CALL_GAS: u64 = 100;
/// Cost of TLOAD and TSTORE (EIP-1153).
const TRANSIENT_GAS: u64 = 100;
/// Base cost of BALANCE, EXTCODESIZE, EXTCODECOPY and EXTCODEHASH on a warm account (EIP-2929).
const WARM_ACCOUNT_GAS: u64 = 100;
/// Base cost of KECCAK256 (yellow paper, G_keccak256).
const KECCAK_GAS: u64 = 30;
/// Base cost of LOG0 to LOG4 (yellow paper, G_log).
const LOG_GAS: u64 = 375;

/// Why an operation on the world did not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The meter could not pay.
    OutOfGas,
    /// The database failed; the context holds the error.
    Fatal,
}

impl From<OutOfGas> for Stop {
    fn from(_: OutOfGas) -> Self {
        Self::OutOfGas
    }
}

impl From<LoadError> for Stop {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::ColdLoadSkipped => Self::OutOfGas,
            LoadError::DBError => Self::Fatal,
        }
    }
}

/// Reads a slot: SLOAD's price.
pub(super) fn sload(
    host: &mut dyn Host,
    meter: &mut Meter,
    address: Address,
    key: U256,
) -> Result<U256, Stop> {
    meter.charge_gas(host.gas_params().warm_storage_read_cost())?;
    let cold = host.gas_params().cold_storage_additional_cost();
    let load = host.sload_skip_cold_load(address, key, meter.gas_left() < cold)?;
    if load.is_cold {
        meter.charge_gas(cold)?;
    }
    Ok(load.data)
}

/// Writes a slot: SSTORE's price and sentry (EIP-2200, 2929, 3529). Returns the refund, which may be negative.
pub(super) fn sstore(
    host: &mut dyn Host,
    meter: &mut Meter,
    address: Address,
    key: U256,
    value: U256,
) -> Result<i64, Stop> {
    if meter.gas_left() <= host.gas_params().call_stipend() {
        return Err(Stop::OutOfGas);
    }
    meter.charge_gas(host.gas_params().sstore_static_gas())?;
    let skip_cold = meter.gas_left() < host.gas_params().cold_storage_cost();
    let load = host.sstore_skip_cold_load(address, key, value, skip_cold)?;
    meter.charge_gas(host.gas_params().sstore_dynamic_gas(true, &load.data, load.is_cold))?;
    Ok(host.gas_params().sstore_refund(true, &load.data))
}

/// Reads a transient slot (EIP-1153).
pub(super) fn tload(
    host: &mut dyn Host,
    meter: &mut Meter,
    address: Address,
    key: U256,
) -> Result<U256, Stop> {
    meter.charge_gas(TRANSIENT_GAS)?;
    Ok(host.tload(address, key))
}

/// Writes a transient slot (EIP-1153).
pub(super) fn tstore(
    host: &mut dyn Host,
    meter: &mut Meter,
    address: Address,
    key: U256,
    value: U256,
) -> Result<(), Stop> {
    meter.charge_gas(TRANSIENT_GAS)?;
    host.tstore(address, key, value);
    Ok(())
}

/// Emits a log: LOG's price.
pub(super) fn log(
    host: &mut dyn Host,
    meter: &mut Meter,
    address: Address,
    topics: Vec<B256>,
    data: &[u8],
) -> Result<(), Stop> {
    let topic_count = u8::try_from(topics.len()).unwrap_or(u8::MAX);
    meter.charge_gas(LOG_GAS + host.gas_params().log_cost(topic_count, data.len() as u64))?;
    host.log(Log::new_unchecked(address, topics, Bytes::copy_from_slice(data)));
    Ok(())
}

/// Pays for hashing `bytes` bytes: KECCAK256's price.
pub(super) fn keccak(host: &dyn Host, meter: &mut Meter, bytes: u32) -> Result<(), Stop> {
    Ok(meter.charge_gas(KECCAK_GAS + host.gas_params().keccak256_cost(bytes as usize))?)
}

/// Pays for copying `bytes` bytes between guest and world: the EVM's price of a copy (3 gas a word).
pub(super) fn copy(host: &dyn Host, meter: &mut Meter, bytes: u32) -> Result<(), Stop> {
    Ok(meter.charge_gas(host.gas_params().copy_cost(bytes as usize))?)
}

/// Reads an account: BALANCE's and EXTCODE*'s price.
pub(super) fn account<'a>(
    host: &'a mut dyn Host,
    meter: &mut Meter,
    address: Address,
    load_code: bool,
) -> Result<StateLoad<AccountInfoLoad<'a>>, Stop> {
    meter.charge_gas(WARM_ACCOUNT_GAS)?;
    let cold = host.gas_params().cold_account_additional_cost();
    let skip_cold = meter.gas_left() < cold;
    let load = host.load_account_info_skip_cold_load(address, load_code, skip_cold)?;
    if load.is_cold {
        meter.charge_gas(cold)?;
    }
    let is_cold = load.is_cold;
    Ok(StateLoad::new(load, is_cold))
}

/// A call that was paid for.
#[derive(Debug)]
pub(super) struct PaidCall {
    /// Gas the callee gets, stipend included.
    pub gas_limit: u64,
    /// Code the callee runs (through an EIP-7702 delegation).
    pub code: Bytecode,
    /// Its hash.
    pub code_hash: B256,
}

/// Pays for a call: CALL's price, 63/64 (EIP-150) and the stipend. `may_create` is true for plain calls, which
/// may bring an account to life.
pub(super) fn call(
    host: &mut dyn Host,
    meter: &mut Meter,
    to: Address,
    transfers_value: bool,
    may_create: bool,
    gas_requested: u64,
) -> Result<PaidCall, Stop> {
    meter.charge_gas(CALL_GAS)?;
    if transfers_value {
        meter.charge_gas(host.gas_params().transfer_value_cost())?;
    }
    let (cost, _state_gas, code, code_hash) =
        load_account_delegated(host, SpecId::OSAKA, meter.gas_left(), to, transfers_value, may_create)?;
    meter.charge_gas(cost)?;
    let mut gas_limit = host.gas_params().call_stipend_reduction(meter.gas_left()).min(gas_requested);
    meter.charge_gas(gas_limit)?;
    if transfers_value {
        gas_limit = gas_limit.saturating_add(host.gas_params().call_stipend());
    }
    Ok(PaidCall { gas_limit, code, code_hash })
}

/// Pays for a creation: CREATE's or CREATE2's price and 63/64. Returns the gas the init code gets.
pub(super) fn create(host: &mut dyn Host, meter: &mut Meter, bytes: u32, salted: bool) -> Result<u64, Stop> {
    let bytes = bytes as usize;
    meter.charge_gas(host.gas_params().initcode_cost(bytes))?;
    let cost = if salted { host.gas_params().create2_cost(bytes) } else { host.gas_params().create_cost() };
    meter.charge_gas(cost)?;
    let gas_limit = host.gas_params().call_stipend_reduction(meter.gas_left());
    meter.charge_gas(gas_limit)?;
    Ok(gas_limit)
}
