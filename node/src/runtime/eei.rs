//! The `ethereum` host functions (EEI, the Ethereum environment interface of ewasm): what an EEI contract can ask of the
//! world.
//!
//! Pointers are `i32` into the memory of the contract. Addresses are 20 bytes and hashes, slots and storage values 32
//! bytes as they stand; numbers of 128 and 256 bits are little-endian. Everything that an opcode of the EVM does costs what
//! the opcode costs ([`price`]); on chains that price instructions the crossing is charged, too (its row in `lathe_gas`).
//! Any trap is an exceptional halt: it burns the frame's gas and undoes what the frame did.

pub(super) mod link;
pub(super) mod price;

use lathe_gas::{HostFunction, Meter};
use lathe_vm::{TrapKind, Value};
use revm::{
    bytecode::opcode,
    context_interface::CreateScheme,
    interpreter::{CallInput, CallInputs, CallScheme, CallValue, CreateInputs, FrameInput},
    primitives::{Address, B256, BLOCK_HASH_HISTORY, Bytes, CALL_STACK_LIMIT, U256},
};

use super::{
    frame_host::FrameHost,
    gas::Stop,
    guest::{Arguments, Failure, Memory, Outcome, i32_value, i64_value, length_u32},
    program_state::{ChildStatus, Reply},
};

/// Topics a log can have.
const LOG_TOPICS_MAX: u32 = 4;
/// Bytes of memory that a message to the log shows.
const PRINTED_BYTES_MAX: usize = 1_024;

/// What a call returns where the callee did what it was asked.
const SUCCESS: i32 = 0;
/// What a call returns where it was not made or its gas is burned.
const FAILURE: i32 = 1;
/// What a call returns where the callee reverted.
const REVERT: i32 = 2;

/// How a contract ended by its own will.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// `finish`.
    Finished,
    /// `revert`.
    Reverted,
    /// `selfDestruct`.
    Destroyed,
}

impl FrameHost<'_> {
    /// Does what a function of `ethereum` or `debug` does.
    pub(super) fn eei(
        &mut self,
        function: HostFunction,
        a: Arguments<'_>,
        memory: &mut Memory<'_, '_>,
        meter: &mut Meter,
    ) -> Outcome {
        use HostFunction as F;
        let prices = self.prices;
        let address = self.input.target_address;
        match function {
            F::EeiUseGas => meter.charge_gas(unsigned(a.u64(0), "gas")?)?,
            F::EeiGetGasLeft => {
                prices.opcode(meter, opcode::GAS)?;
                self.state.gas_was_read = true;
                return Ok(Some(i64_value(meter.gas_left())));
            }
            F::EeiGetCallDataSize => {
                prices.opcode(meter, opcode::CALLDATASIZE)?;
                return Ok(Some(i32_value(length_u32(self.calldata.len()))));
            }
            F::EeiCallDataCopy => {
                prices.copy(self.host, meter, opcode::CALLDATACOPY, a.u32(2))?;
                memory.write(a.u32(0), part(self.calldata, a.u32(1), a.u32(2), "calldata")?)?;
            }
            F::EeiFinish => self.end(Ending::Finished, a.u32(0), a.u32(1), memory, meter)?,
            F::EeiRevert => self.end(Ending::Reverted, a.u32(0), a.u32(1), memory, meter)?,
            F::EeiSelfDestruct => {
                self.refuse_static()?;
                let heir = memory.address(a.u32(0))?;
                let refund = prices.self_destruct(self.host, meter, address, heir)?;
                self.gas.record_refund(refund);
                self.state.ending = Some(Ending::Destroyed);
            }

            F::EeiGetAddress => self.write_address(opcode::ADDRESS, a.u32(0), address, memory, meter)?,
            F::EeiGetExternalBalance => {
                let of = memory.address(a.u32(0))?;
                memory.check(a.u32(1), 16)?;
                let balance = prices.account(self.host, meter, opcode::BALANCE, of, false)?.data.balance;
                memory.write(a.u32(1), &u128_bytes(balance, "balance")?)?;
            }
            F::EeiGetCodeSize => {
                prices.opcode(meter, opcode::CODESIZE)?;
                return Ok(Some(i32_value(length_u32(self.code.len()))));
            }
            F::EeiCodeCopy => {
                prices.copy(self.host, meter, opcode::CODECOPY, a.u32(2))?;
                memory.write(a.u32(0), part(self.code, a.u32(1), a.u32(2), "code")?)?;
            }
            F::EeiGetExternalCodeSize => {
                let of = memory.address(a.u32(0))?;
                let code = self.eei_account_code(opcode::EXTCODESIZE, of, meter)?;
                return Ok(Some(i32_value(length_u32(code.len()))));
            }
            F::EeiExternalCodeCopy => {
                let of = memory.address(a.u32(0))?;
                let (result, offset, length) = (a.u32(1), a.u32(2), a.u32(3));
                memory.check(result, length as usize)?;
                meter.charge_gas(self.host.gas_params().extcodecopy(length as usize))?;
                let code = self.eei_account_code(opcode::EXTCODECOPY, of, meter)?;
                // Nothing can be copied from anywhere.
                let offset = if length == 0 { 0 } else { offset };
                memory.write(result, part(&code, offset, length, "code")?)?;
            }
            F::EeiStorageLoad => {
                let key = memory.word(a.u32(0))?;
                memory.check(a.u32(1), 32)?;
                let value = prices.sload(self.host, meter, address, key)?;
                memory.write_word(a.u32(1), value)?;
            }
            F::EeiStorageStore => {
                self.refuse_static()?;
                let (key, value) = (memory.word(a.u32(0))?, memory.word(a.u32(1))?);
                let refund = prices.sstore(self.host, meter, address, key, value)?;
                self.gas.record_refund(refund);
            }
            F::EeiLog => self.log(&a, memory, meter)?,

            F::EeiCall => return self.eei_call(CallScheme::Call, &a, memory, meter),
            F::EeiCallCode => return self.eei_call(CallScheme::CallCode, &a, memory, meter),
            F::EeiCallDelegate => return self.eei_call(CallScheme::DelegateCall, &a, memory, meter),
            F::EeiCallStatic => return self.eei_call(CallScheme::StaticCall, &a, memory, meter),
            F::EeiCreate => {
                return self.eei_create([a.u32(0), a.u32(1), a.u32(2), a.u32(3)], None, memory, meter);
            }
            F::EeiCreate2 => {
                let salt = U256::from_le_slice(memory.read(a.u32(3), 32)?);
                return self.eei_create([a.u32(0), a.u32(1), a.u32(2), a.u32(4)], Some(salt), memory, meter);
            }
            F::EeiGetReturnDataSize => {
                prices.opcode(meter, opcode::RETURNDATASIZE)?;
                return Ok(Some(i32_value(length_u32(self.return_data.len()))));
            }
            F::EeiReturnDataCopy => {
                prices.copy(self.host, meter, opcode::RETURNDATACOPY, a.u32(2))?;
                memory.write(a.u32(0), part(self.return_data, a.u32(1), a.u32(2), "return data")?)?;
            }

            F::EeiGetCaller => {
                let caller = self.input.caller_address;
                self.write_address(opcode::CALLER, a.u32(0), caller, memory, meter)?;
            }
            F::EeiGetCallValue => {
                prices.opcode(meter, opcode::CALLVALUE)?;
                memory.write(a.u32(0), &u128_bytes(self.input.call_value, "value")?)?;
            }
            F::EeiGetTxOrigin => {
                let origin = self.host.caller();
                self.write_address(opcode::ORIGIN, a.u32(0), origin, memory, meter)?;
            }
            F::EeiGetTxGasPrice => {
                prices.opcode(meter, opcode::GASPRICE)?;
                memory.write(a.u32(0), &u128_bytes(self.host.effective_gas_price(), "gas price")?)?;
            }
            F::EeiGetBlockCoinbase => {
                let coinbase = self.host.beneficiary();
                self.write_address(opcode::COINBASE, a.u32(0), coinbase, memory, meter)?;
            }
            F::EeiGetBlockDifficulty => {
                prices.opcode(meter, opcode::DIFFICULTY)?;
                memory.write(a.u32(0), &prices.difficulty(self.host).to_le_bytes::<32>())?;
            }
            F::EeiGetBlockGasLimit => {
                prices.opcode(meter, opcode::GASLIMIT)?;
                return Ok(Some(i64_value(self.host.gas_limit().saturating_to())));
            }
            F::EeiGetBlockHash => return self.block_hash(a.u64(0), a.u32(1), memory, meter),
            F::EeiGetBlockNumber => {
                prices.opcode(meter, opcode::NUMBER)?;
                return Ok(Some(i64_value(self.host.block_number().saturating_to())));
            }
            F::EeiGetBlockTimestamp => {
                prices.opcode(meter, opcode::TIMESTAMP)?;
                return Ok(Some(i64_value(self.host.timestamp().saturating_to())));
            }
            F::EeiGetChainId => {
                prices.opcode(meter, opcode::CHAINID)?;
                memory.write(a.u32(0), &u128_bytes(self.host.chain_id(), "chain id")?)?;
            }

            F::EeiPrint32 => self.print(format_args!("{0} ({0:#x})", a.u32(0))),
            F::EeiPrint64 => self.print(format_args!("{0} ({0:#x})", a.u64(0))),
            F::EeiPrintMem => {
                let bytes = shown(memory.read(a.u32(0), a.u32(1))?);
                self.pay_for_copy(length_u32(bytes.len()), meter)?;
                self.print(format_args!("{}", bytes.escape_ascii()));
            }
            F::EeiPrintMemHex => {
                let bytes = shown(memory.read(a.u32(0), a.u32(1))?);
                self.pay_for_copy(length_u32(bytes.len()), meter)?;
                self.print(format_args!("0x{}", hex::encode(bytes)));
            }
            F::EeiPrintStorage | F::EeiPrintStorageHex => {
                let key = memory.word(a.u32(0))?;
                // Looking at a slot costs what reading it does; where only opcodes cost anything, nothing.
                let value = if self.prices_work {
                    prices.sload(self.host, meter, address, key)?
                } else {
                    self.host.sload(address, key).ok_or(Stop::Fatal)?.data
                };
                let value = value.to_be_bytes::<32>();
                match function {
                    F::EeiPrintStorage => self.print(format_args!("{key:#x}: {}", value.escape_ascii())),
                    _ => self.print(format_args!("{key:#x}: 0x{}", hex::encode(value))),
                }
            }
            other => unreachable!("linking gives EEI contracts no {other}"),
        }
        Ok(None)
    }

    fn print(&mut self, message: std::fmt::Arguments<'_>) {
        self.console.print(self.input.target_address, message.to_string().as_bytes());
    }

    /// Pays for moving bytes that no opcode pays for, where such work is paid for.
    fn pay_for_copy(&self, bytes: u32, meter: &mut Meter) -> Outcome<()> {
        if self.prices_work {
            super::gas::copy(self.host, meter, bytes)?;
        }
        Ok(())
    }

    fn end(
        &mut self,
        ending: Ending,
        data: u32,
        bytes: u32,
        memory: &Memory<'_, '_>,
        meter: &mut Meter,
    ) -> Outcome<()> {
        let output = memory.read(data, bytes)?;
        self.pay_for_copy(bytes, meter)?;
        self.state.result = Bytes::copy_from_slice(output);
        self.state.ending = Some(ending);
        Ok(())
    }

    fn write_address(
        &self,
        opcode: u8,
        pointer: u32,
        address: Address,
        memory: &mut Memory<'_, '_>,
        meter: &mut Meter,
    ) -> Outcome<()> {
        self.prices.opcode(meter, opcode)?;
        memory.write(pointer, address.as_slice())
    }

    fn eei_account_code(&mut self, opcode: u8, of: Address, meter: &mut Meter) -> Outcome<Bytes> {
        let account = self.prices.account(self.host, meter, opcode, of, true)?.data;
        Ok(account.code.as_ref().map(|code| code.original_bytes()).unwrap_or_default())
    }

    fn block_hash(
        &mut self,
        number: u64,
        result: u32,
        memory: &mut Memory<'_, '_>,
        meter: &mut Meter,
    ) -> Outcome {
        self.prices.block_hash(meter)?;
        let current: u64 = self.host.block_number().saturating_to();
        if number >= current || current - number > BLOCK_HASH_HISTORY {
            return Ok(Some(Value::I32(FAILURE)));
        }
        let hash = self.host.block_hash(number).ok_or(Stop::Fatal)?;
        if hash.is_zero() {
            return Ok(Some(Value::I32(FAILURE)));
        }
        memory.write(result, hash.as_slice())?;
        Ok(Some(Value::I32(SUCCESS)))
    }

    /// Arguments: data, its length, the number of topics, four pointers to topics.
    fn log(&mut self, a: &Arguments<'_>, memory: &Memory<'_, '_>, meter: &mut Meter) -> Outcome<()> {
        let (data, bytes, count) = (a.u32(0), a.u32(1), a.u32(2));
        self.refuse_static()?;
        let topics = u8::try_from(count)
            .ok()
            .filter(|_| count <= LOG_TOPICS_MAX)
            .ok_or_else(|| Failure::Refused(format!("{count} topics: a log has at most {LOG_TOPICS_MAX}")))?;
        self.prices.log(self.host, meter, topics, bytes)?;
        let data = memory.read(data, bytes)?;
        let topics = (3..3 + usize::from(topics))
            .map(|index| Ok(B256::from_slice(memory.read(a.u32(index), 32)?)))
            .collect::<Outcome<_>>()?;
        price::emit(self.host, self.input.target_address, topics, data);
        Ok(())
    }

    /// Returns whether this account has so much. Fails where its balance does not fit 128 bits: EEI knows no such number.
    fn can_send(&mut self, value: u128) -> Outcome<bool> {
        let address = self.input.target_address;
        let balance = self.host.balance(address).ok_or(Stop::Fatal)?.data;
        Ok(u128::from_le_bytes(u128_bytes(balance, "balance")?) >= value)
    }

    /// Returns whether the frame is as deep as frames can be.
    fn is_deepest(&self) -> bool {
        self.input.depth as u64 >= CALL_STACK_LIMIT
    }

    /// Pays for a call and leaves it pending, or returns why it is not made. Arguments: gas, address, then the value of
    /// calls that send one, data, its length.
    fn eei_call(
        &mut self,
        scheme: CallScheme,
        a: &Arguments<'_>,
        memory: &Memory<'_, '_>,
        meter: &mut Meter,
    ) -> Outcome {
        let gas_requested = unsigned(a.u64(0), "gas")?;
        let to = memory.address(a.u32(1))?;
        let (opcode, value, data) = match scheme {
            CallScheme::Call => (opcode::CALL, read_u128(memory, a.u32(2))?, 3),
            CallScheme::CallCode => (opcode::CALLCODE, read_u128(memory, a.u32(2))?, 3),
            CallScheme::DelegateCall => (opcode::DELEGATECALL, 0, 2),
            CallScheme::StaticCall => (opcode::STATICCALL, 0, 2),
        };
        if scheme == CallScheme::Call && value != 0 {
            self.refuse_static()?;
        }
        let (data, bytes) = (a.u32(data), a.u32(data + 1));
        let data = read_some(memory, data, bytes)?;
        self.prices.opcode(meter, opcode)?;
        self.pay_for_copy(bytes, meter)?;
        if self.is_deepest() {
            return Ok(Some(Value::I32(FAILURE)));
        }
        if value != 0 {
            meter.charge_gas(self.host.gas_params().transfer_value_cost())?;
            if !self.can_send(value)? {
                return Ok(Some(Value::I32(FAILURE)));
            }
        }
        let me = self.input.target_address;
        let is_delegate = scheme == CallScheme::DelegateCall;
        let seen = if is_delegate { self.input.call_value } else { U256::from(value) };
        let paid = self.prices.call(self.host, meter, opcode, to, seen, gas_requested)?;
        let in_own_account = is_delegate || scheme == CallScheme::CallCode;
        let inputs = CallInputs {
            input: CallInput::Bytes(Bytes::copy_from_slice(data)),
            return_memory_offset: 0..0,
            gas_limit: paid.gas_limit,
            reservoir: self.gas.reservoir(),
            bytecode_address: to,
            known_bytecode: (paid.code_hash, paid.code),
            target_address: if in_own_account { me } else { to },
            caller: if is_delegate { self.input.caller_address } else { me },
            value: if is_delegate {
                CallValue::Apparent(self.input.call_value)
            } else {
                CallValue::Transfer(U256::from(value))
            },
            scheme,
            is_static: self.is_static || scheme == CallScheme::StaticCall,
            charged_new_account_state_gas: false,
        };
        self.state.pending = Some((FrameInput::Call(Box::new(inputs)), Reply::Eei(EeiReply::Call)));
        Ok(None)
    }

    /// Pays for a creation and leaves it pending, or returns why it is not made. `pointers`: value, data, its length,
    /// address.
    fn eei_create(
        &mut self,
        pointers: [u32; 4],
        salt: Option<U256>,
        memory: &Memory<'_, '_>,
        meter: &mut Meter,
    ) -> Outcome {
        let [value, data, bytes, address] = pointers;
        self.refuse_static()?;
        let value = read_u128(memory, value)?;
        self.prices.create(self.host, meter, bytes, salt.is_some())?;
        if self.is_deepest() || !self.can_send(value)? {
            return Ok(Some(Value::I32(FAILURE)));
        }
        let data = read_some(memory, data, bytes)?;
        let limit = self.host.max_initcode_size();
        if self.prices.limits_creation_data() && data.len() > limit {
            return Err(Failure::Refused(format!(
                "creation data of {bytes} bytes is over the limit of {limit} bytes"
            )));
        }
        self.pay_for_copy(bytes, meter)?;
        let gas_limit = self.prices.forward(self.host, meter, u64::MAX)?;
        let inputs = CreateInputs::new(
            self.input.target_address,
            salt.map_or(CreateScheme::Create, |salt| CreateScheme::Create2 { salt }),
            U256::from(value),
            Bytes::copy_from_slice(data),
            gas_limit,
            self.gas.reservoir(),
        );
        let reply = Reply::Eei(EeiReply::Create { address });
        self.state.pending = Some((FrameInput::Create(Box::new(inputs)), reply));
        Ok(None)
    }
}

/// Where a finished child frame is reported to, besides the result of the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EeiReply {
    /// A call: nowhere.
    Call,
    /// A creation: if it succeeded, the address at `address`, which nobody has looked at before.
    Create {
        /// Pointer to 20 bytes.
        address: u32,
    },
}

impl EeiReply {
    /// Writes a finished child's outcome to memory, through `write`, and returns the result of the host call that waited for it.
    pub(super) fn deliver(
        self,
        status: ChildStatus,
        write: impl FnOnce(u32, &[u8]) -> Result<(), TrapKind>,
    ) -> Result<Value, TrapKind> {
        if let (ChildStatus::Ok(created), Self::Create { address }) = (status, self) {
            write(address, created.unwrap_or_default().as_slice())?;
        }
        Ok(Value::I32(self.code(status)))
    }

    /// Returns the result of the host call that waited for such an outcome.
    pub(super) fn code(self, status: ChildStatus) -> i32 {
        match status {
            ChildStatus::Ok(_) => SUCCESS,
            ChildStatus::Reverted => REVERT,
            ChildStatus::Failed => FAILURE,
        }
    }
}

/// Returns a number that the interface has as signed but takes only if it is not negative.
fn unsigned(number: u64, what: &str) -> Outcome<u64> {
    match number.cast_signed() {
        0.. => Ok(number),
        negative => Err(Failure::Refused(format!("{what} of {negative} is negative"))),
    }
}

/// Returns `length` bytes of `data` from `offset`. Fails where there are fewer.
fn part<'a>(data: &'a [u8], offset: u32, length: u32, what: &str) -> Outcome<&'a [u8]> {
    let part = data.get(offset as usize..).and_then(|data| data.get(..length as usize));
    part.ok_or_else(|| {
        Failure::Refused(format!(
            "{length} bytes from {offset} are beyond the {} bytes of {what}",
            data.len()
        ))
    })
}

/// Reads bytes. Where there are none, the pointer may be anything.
fn read_some<'a>(memory: &'a Memory<'_, '_>, pointer: u32, bytes: u32) -> Outcome<&'a [u8]> {
    if bytes == 0 { Ok(&[]) } else { memory.read(pointer, bytes) }
}

fn read_u128(memory: &Memory<'_, '_>, pointer: u32) -> Outcome<u128> {
    let bytes = memory.read(pointer, 16)?;
    Ok(u128::from_le_bytes(bytes.try_into().expect("16 bytes were read")))
}

/// Returns a number in the 128 bits that the interface has for it.
fn u128_bytes(number: U256, what: &str) -> Outcome<[u8; 16]> {
    match u128::try_from(number) {
        Ok(number) => Ok(number.to_le_bytes()),
        Err(_) => Err(Failure::Refused(format!("a {what} of {number} does not fit 128 bits"))),
    }
}

/// Returns as much of `bytes` as a message shows.
fn shown(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(PRINTED_BYTES_MAX)]
}
