//! What an EEI function pays: the price of the EVM's opcode for the same work at the chain's fork, on the meter of the
//! frame.
//!
//! EEI was made at [`Fork::Byzantium`], and its contracts' tests fix every price there: they are the opcodes' but for
//! three: [`BYZANTIUM_BLOCKHASH_GAS`], the account that `selfDestruct` brings to life, and the stipend of delegate calls.

use lathe_gas::Meter;
use revm::{
    bytecode::{Bytecode, opcode},
    context_interface::{Host, context::StateLoad, journaled_state::AccountInfoLoad},
    interpreter::instructions::{GasTable, contract::load_account_delegated, gas_table_spec},
    primitives::{Address, B256, Bytes, Log, U256, hardfork::SpecId},
};

use super::super::{gas::Stop, protocol::Fork};

/// What `getBlockHash` costs at Byzantium: reading a block was priced like reading state.
const BYZANTIUM_BLOCKHASH_GAS: u64 = 800;

/// The prices of a fork.
#[derive(Debug)]
pub(in super::super) struct Prices {
    fork: Fork,
    opcodes: GasTable,
}

/// A call that was paid for.
pub(super) struct PaidCall {
    /// Gas the callee gets, stipend included.
    pub(super) gas_limit: u64,
    /// Code the callee runs.
    pub(super) code: Bytecode,
    /// Its hash.
    pub(super) code_hash: B256,
}

impl Prices {
    /// Returns the prices of a fork.
    pub(in super::super) const fn new(fork: Fork) -> Self {
        Self { fork, opcodes: gas_table_spec(fork.spec()) }
    }

    fn from(&self, spec: SpecId) -> bool {
        self.fork.spec().is_enabled_in(spec)
    }

    /// Pays for an opcode, besides what its operands decide.
    pub(super) fn opcode(&self, meter: &mut Meter, opcode: u8) -> Result<(), Stop> {
        Ok(meter.charge_gas(self.opcodes[usize::from(opcode)].into())?)
    }

    /// Pays for reading the hash of a block.
    pub(super) fn block_hash(&self, meter: &mut Meter) -> Result<(), Stop> {
        if self.fork == Fork::Byzantium {
            return Ok(meter.charge_gas(BYZANTIUM_BLOCKHASH_GAS)?);
        }
        self.opcode(meter, opcode::BLOCKHASH)
    }

    /// Pays for copying `bytes` bytes; `opcode` does the same.
    pub(super) fn copy(
        &self,
        host: &dyn Host,
        meter: &mut Meter,
        opcode: u8,
        bytes: u32,
    ) -> Result<(), Stop> {
        self.opcode(meter, opcode)?;
        Ok(meter.charge_gas(host.gas_params().copy_cost(bytes as usize))?)
    }

    /// Reads an account: the price of `opcode`, and of cold state.
    pub(super) fn account<'a>(
        &self,
        host: &'a mut dyn Host,
        meter: &mut Meter,
        opcode: u8,
        address: Address,
        load_code: bool,
    ) -> Result<StateLoad<AccountInfoLoad<'a>>, Stop> {
        self.opcode(meter, opcode)?;
        let cold = host.gas_params().cold_account_additional_cost();
        let load = host.load_account_info_skip_cold_load(address, load_code, meter.gas_left() < cold)?;
        if load.is_cold {
            meter.charge_gas(cold)?;
        }
        let is_cold = load.is_cold;
        Ok(StateLoad::new(load, is_cold))
    }

    /// Reads a slot.
    pub(super) fn sload(
        &self,
        host: &mut dyn Host,
        meter: &mut Meter,
        address: Address,
        key: U256,
    ) -> Result<U256, Stop> {
        self.opcode(meter, opcode::SLOAD)?;
        let cold = host.gas_params().cold_storage_additional_cost();
        let load = host.sload_skip_cold_load(address, key, meter.gas_left() < cold)?;
        if load.is_cold {
            meter.charge_gas(cold)?;
        }
        Ok(load.data)
    }

    /// Writes a slot. Returns the refund, which may be negative.
    pub(super) fn sstore(
        &self,
        host: &mut dyn Host,
        meter: &mut Meter,
        address: Address,
        key: U256,
        value: U256,
    ) -> Result<i64, Stop> {
        let istanbul = self.from(SpecId::ISTANBUL);
        if istanbul && meter.gas_left() <= host.gas_params().call_stipend() {
            // A call with nothing but the stipend changes no state (EIP-2200).
            return Err(Stop::OutOfGas);
        }
        meter.charge_gas(host.gas_params().sstore_static_gas())?;
        let skip_cold = meter.gas_left() < host.gas_params().cold_storage_cost();
        let load = host.sstore_skip_cold_load(address, key, value, skip_cold)?;
        meter.charge_gas(host.gas_params().sstore_dynamic_gas(istanbul, &load.data, load.is_cold))?;
        Ok(host.gas_params().sstore_refund(istanbul, &load.data))
    }

    /// Pays for a log.
    pub(super) fn log(&self, host: &dyn Host, meter: &mut Meter, topics: u8, bytes: u32) -> Result<(), Stop> {
        self.opcode(meter, opcode::LOG0)?;
        Ok(meter.charge_gas(host.gas_params().log_cost(topics, bytes.into()))?)
    }

    /// Pays for a call and takes the gas of the callee, 63/64 of what is left or less. `opcode` calls likewise and has
    /// been paid for, as has the transfer of the value. `value` is what the callee sees.
    pub(super) fn call(
        &self,
        host: &mut dyn Host,
        meter: &mut Meter,
        opcode: u8,
        to: Address,
        value: U256,
        gas_requested: u64,
    ) -> Result<PaidCall, Stop> {
        let may_create = opcode == opcode::CALL;
        let transfers_value = !value.is_zero() && matches!(opcode, opcode::CALL | opcode::CALLCODE);
        let (cost, _state_gas, code, code_hash) = load_account_delegated(
            host,
            self.fork.spec(),
            meter.gas_left(),
            to,
            transfers_value,
            may_create,
        )?;
        meter.charge_gas(cost)?;
        let gas_limit = self.forward(host, meter, gas_requested)?;
        let stipend =
            if self.has_stipend(transfers_value, value) { host.gas_params().call_stipend() } else { 0 };
        Ok(PaidCall { gas_limit: gas_limit.saturating_add(stipend), code, code_hash })
    }

    /// Returns whether the callee gets gas beside what its caller gives it. At Byzantium, EEI looks at the value that the
    /// callee sees, so a delegate call in a frame that came with a value adds a stipend that nobody paid for.
    fn has_stipend(&self, transfers_value: bool, value: U256) -> bool {
        transfers_value || (self.fork == Fork::Byzantium && !value.is_zero())
    }

    /// Takes the gas of a callee: 63/64 of what is left or less (EIP-150).
    pub(super) fn forward(
        &self,
        host: &dyn Host,
        meter: &mut Meter,
        gas_requested: u64,
    ) -> Result<u64, Stop> {
        let gas = host.gas_params().call_stipend_reduction(meter.gas_left()).min(gas_requested);
        meter.charge_gas(gas)?;
        Ok(gas)
    }

    /// Pays for a creation, but not for the gas of the init code.
    pub(super) fn create(
        &self,
        host: &dyn Host,
        meter: &mut Meter,
        bytes: u32,
        salted: bool,
    ) -> Result<(), Stop> {
        let (params, bytes) = (host.gas_params(), bytes as usize);
        if self.from(SpecId::SHANGHAI) {
            meter.charge_gas(params.initcode_cost(bytes))?;
        }
        Ok(meter.charge_gas(if salted { params.create2_cost(bytes) } else { params.create_cost() })?)
    }

    /// Returns whether creation data has a limit (EIP-3860).
    pub(super) fn limits_creation_data(&self) -> bool {
        self.from(SpecId::SHANGHAI)
    }

    /// Destroys an account, which pays for bringing `heir` to life. Returns the refund.
    pub(super) fn self_destruct(
        &self,
        host: &mut dyn Host,
        meter: &mut Meter,
        address: Address,
        heir: Address,
    ) -> Result<i64, Stop> {
        self.opcode(meter, opcode::SELFDESTRUCT)?;
        let skip_cold = meter.gas_left() < host.gas_params().selfdestruct_cold_cost();
        let done = host.selfdestruct(address, heir, skip_cold)?;
        // At Byzantium, EEI charges for the account also where there is nothing to inherit.
        let creates = !done.target_exists && (done.had_value || self.fork == Fork::Byzantium);
        meter.charge_gas(host.gas_params().selfdestruct_cost(creates, done.is_cold))?;
        Ok(if done.previously_destroyed { 0 } else { host.gas_params().selfdestruct_refund() })
    }

    /// Returns what the block has for its difficulty: from Paris on, randomness (EIP-4399).
    pub(super) fn difficulty(&self, host: &dyn Host) -> U256 {
        if self.from(SpecId::MERGE) { host.prevrandao().unwrap_or_default() } else { host.difficulty() }
    }
}

/// Emits a log that was paid for.
pub(super) fn emit(host: &mut dyn Host, address: Address, topics: Vec<B256>, data: &[u8]) {
    host.log(Log::new_unchecked(address, topics, Bytes::copy_from_slice(data)));
}
