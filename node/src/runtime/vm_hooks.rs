//! The `vm_hooks` host functions: what a program can ask of the world. Beside them `console`, which prints for people.
//!
//! Pointers are `i32` into the memory of the calling instance; U256 and hashes are 32 big-endian bytes, addresses
//! 20 bytes. A pointer outside memory traps before anything is done. Each function charges the crossing (its row
//! in `lathe_gas`) and then what the EVM charges for the same work ([`super::gas`]).
//!
//! Storage is write-back: loads and stores go to a cache of the frame, which [`HostFunction::StorageFlushCache`]
//! writes to the journal; what is not flushed is lost.

use lathe_gas::{HostFunction, INK_PER_GAS, Meter};
use lathe_vm::Value;
use revm::{
    context_interface::CreateScheme,
    interpreter::{CallInput, CallInputs, CallScheme, CallValue, CreateInputs, FrameInput},
    primitives::{Address, B256, Bytes, U256, keccak256},
};

use super::{
    frame_host::FrameHost,
    gas,
    guest::{Arguments, Failure, Memory, Outcome, clamp, i32_value, i64_value, length_u32},
    program_state::Reply,
};

/// Ink that one gas buys, as `tx_ink_price` gives it.
const INK_PRICE: i32 = {
    assert!(INK_PER_GAS <= i32::MAX as u64, "the interface has 31 bits for it");
    #[expect(clippy::cast_possible_truncation, reason = "checked above")]
    let price = INK_PER_GAS as i32;
    price
};
/// Topics a log can have.
const LOG_TOPICS_MAX: u32 = 4;

impl FrameHost<'_> {
    /// Does what a function of `vm_hooks`, `console` or `debug` does.
    pub(super) fn vm_hook(
        &mut self,
        function: HostFunction,
        a: Arguments<'_>,
        memory: &mut Memory<'_, '_>,
        meter: &mut Meter,
    ) -> Outcome {
        use HostFunction as F;
        let address = self.input.target_address;
        match function {
            F::ReadArgs => {
                memory.check(a.u32(0), self.calldata.len())?;
                gas::copy(self.host, meter, length_u32(self.calldata.len()))?;
                memory.write(a.u32(0), self.calldata)?;
            }
            F::WriteResult => {
                let result = memory.read(a.u32(0), a.u32(1))?;
                gas::copy(self.host, meter, a.u32(1))?;
                self.state.result = Bytes::copy_from_slice(result);
            }
            F::ExitEarly => self.state.exit_status = Some(a.u32(0)),

            F::StorageLoadBytes32 => {
                let key = memory.word(a.u32(0))?;
                memory.check(a.u32(1), 32)?;
                let value = match self.state.storage.get(key) {
                    Some(value) => value,
                    None => {
                        let value = gas::sload(self.host, meter, address, key)?;
                        self.state.storage.keep(key, value);
                        value
                    }
                };
                memory.write(a.u32(1), &value.to_be_bytes::<32>())?;
            }
            F::StorageCacheBytes32 => {
                let (key, value) = (memory.word(a.u32(0))?, memory.word(a.u32(1))?);
                if self.state.storage.get(key).is_none() {
                    // Each new entry occupies the node's memory until the frame ends.
                    meter.charge_gas(self.host.gas_params().warm_storage_read_cost())?;
                }
                self.state.storage.write(key, value);
            }
            F::StorageFlushCache => self.flush(a.u32(0) != 0, meter)?,
            F::TransientLoadBytes32 => {
                let key = memory.word(a.u32(0))?;
                memory.check(a.u32(1), 32)?;
                let value = gas::tload(self.host, meter, address, key)?;
                memory.write(a.u32(1), &value.to_be_bytes::<32>())?;
            }
            F::TransientStoreBytes32 => {
                let (key, value) = (memory.word(a.u32(0))?, memory.word(a.u32(1))?);
                self.refuse_static()?;
                gas::tstore(self.host, meter, address, key, value)?;
            }

            F::CallContract => {
                let value = memory.word(a.u32(3))?;
                self.call_contract(
                    CallScheme::Call,
                    [a.u32(0), a.u32(1), a.u32(2), a.u32(5)],
                    value,
                    a.u64(4),
                    memory,
                    meter,
                )?;
            }
            F::DelegateCallContract => {
                let pointers = [a.u32(0), a.u32(1), a.u32(2), a.u32(4)];
                self.call_contract(CallScheme::DelegateCall, pointers, U256::ZERO, a.u64(3), memory, meter)?;
            }
            F::StaticCallContract => {
                let pointers = [a.u32(0), a.u32(1), a.u32(2), a.u32(4)];
                self.call_contract(CallScheme::StaticCall, pointers, U256::ZERO, a.u64(3), memory, meter)?;
            }
            F::Create1 => {
                let endowment = memory.word(a.u32(2))?;
                self.create([a.u32(0), a.u32(1), a.u32(3), a.u32(4)], endowment, None, memory, meter)?;
            }
            F::Create2 => {
                let (endowment, salt) = (memory.word(a.u32(2))?, memory.word(a.u32(3))?);
                self.create([a.u32(0), a.u32(1), a.u32(4), a.u32(5)], endowment, Some(salt), memory, meter)?;
            }
            F::ReadReturnData => {
                let part = clamp(self.return_data, a.u32(1), a.u32(2));
                memory.check(a.u32(0), part.len())?;
                gas::copy(self.host, meter, length_u32(part.len()))?;
                memory.write(a.u32(0), part)?;
                return Ok(Some(i32_value(length_u32(part.len()))));
            }
            F::ReturnDataSize => return Ok(Some(i32_value(length_u32(self.return_data.len())))),
            F::EmitLog => self.emit_log(a.u32(0), a.u32(1), a.u32(2), memory, meter)?,

            F::AccountBalance => {
                let of = memory.address(a.u32(0))?;
                memory.check(a.u32(1), 32)?;
                let balance = gas::account(self.host, meter, of, false)?.data.balance;
                memory.write(a.u32(1), &balance.to_be_bytes::<32>())?;
            }
            F::AccountCodehash => {
                let of = memory.address(a.u32(0))?;
                memory.check(a.u32(1), 32)?;
                let account = gas::account(self.host, meter, of, false)?.data;
                let hash = if account.is_empty { B256::ZERO } else { account.code_hash };
                memory.write(a.u32(1), hash.as_slice())?;
            }
            F::AccountCode => {
                let of = memory.address(a.u32(0))?;
                let code = self.account_code(of, meter)?;
                let part = clamp(&code, a.u32(1), a.u32(2));
                // How much is written is known only now.
                memory.check(a.u32(3), part.len())?;
                gas::copy(self.host, meter, length_u32(part.len()))?;
                memory.write(a.u32(3), part)?;
                return Ok(Some(i32_value(length_u32(part.len()))));
            }
            F::AccountCodeSize => {
                let of = memory.address(a.u32(0))?;
                let code = self.account_code(of, meter)?;
                return Ok(Some(i32_value(length_u32(code.len()))));
            }

            F::EvmGasLeft => {
                self.state.gas_was_read = true;
                return Ok(Some(i64_value(meter.gas_left())));
            }
            F::EvmInkLeft => {
                self.state.gas_was_read = true;
                return Ok(Some(i64_value(meter.ink_left())));
            }
            F::TxInkPrice => return Ok(Some(Value::I32(INK_PRICE))),

            F::BlockBasefee => memory.write_word(a.u32(0), self.host.basefee())?,
            F::TxGasPrice => memory.write_word(a.u32(0), self.host.effective_gas_price())?,
            F::MsgValue => memory.write_word(a.u32(0), self.input.call_value)?,
            F::BlockCoinbase => memory.write(a.u32(0), self.host.beneficiary().as_slice())?,
            F::ContractAddress => memory.write(a.u32(0), address.as_slice())?,
            F::MsgSender => memory.write(a.u32(0), self.input.caller_address.as_slice())?,
            F::TxOrigin => memory.write(a.u32(0), self.host.caller().as_slice())?,
            F::BlockGasLimit => return Ok(Some(i64_value(self.host.gas_limit().saturating_to()))),
            F::BlockNumber => return Ok(Some(i64_value(self.host.block_number().saturating_to()))),
            F::BlockTimestamp => return Ok(Some(i64_value(self.host.timestamp().saturating_to()))),
            F::Chainid => return Ok(Some(i64_value(self.host.chain_id().saturating_to()))),
            F::MsgReentrant => return Ok(Some(Value::I32(i32::from(self.state.reentrant)))),

            F::MathDiv => memory.update_word(a.u32(0), [a.u32(1)], |x, [y]| x.checked_div(y))?,
            F::MathMod => memory.update_word(a.u32(0), [a.u32(1)], |x, [y]| x.checked_rem(y))?,
            F::MathPow => {
                let exponent = memory.word(a.u32(1))?;
                memory.check(a.u32(0), 32)?;
                meter.charge_gas(self.host.gas_params().exp_cost(exponent))?;
                memory.update_word(a.u32(0), [a.u32(1)], |x, [y]| Some(x.wrapping_pow(y)))?;
            }
            F::MathAddMod => {
                memory.update_word(a.u32(0), [a.u32(1), a.u32(2)], |x, [y, m]| Some(x.add_mod(y, m)))?;
            }
            F::MathMulMod => {
                memory.update_word(a.u32(0), [a.u32(1), a.u32(2)], |x, [y, m]| Some(x.mul_mod(y, m)))?;
            }

            F::NativeKeccak256 => {
                let bytes = memory.read(a.u32(0), a.u32(1))?;
                memory.check(a.u32(2), 32)?;
                gas::keccak(self.host, meter, a.u32(1))?;
                let hash = keccak256(bytes);
                memory.write(a.u32(2), hash.as_slice())?;
            }
            // `memory.grow` pays for its pages itself; contracts import this so that the import exists.
            F::PayForMemoryGrow => {}
            F::LogTxt => {
                let text = memory.read(a.u32(0), a.u32(1))?;
                gas::copy(self.host, meter, a.u32(1))?;
                self.console.print(address, text);
            }
            F::LogI32 | F::LogI64 | F::LogF32 | F::LogF64 => self.console.print_number(address, a.value(0)),
            F::TeeI32 | F::TeeI64 | F::TeeF32 | F::TeeF64 => {
                self.console.print_number(address, a.value(0));
                return Ok(Some(a.value(0)));
            }
            F::NullHost => {}
            F::StartBenchmark | F::EndBenchmark => {
                let text = format!("{}: {} ink left", function.name(), meter.ink_left());
                self.console.print(address, text.as_bytes());
            }
            other => unreachable!("linking gives programs no {other}"),
        }
        Ok(None)
    }

    /// Writes dirty slots in the order of their keys.
    fn flush(&mut self, clear: bool, meter: &mut Meter) -> Outcome<()> {
        let address = self.input.target_address;
        while let Some((key, value)) = self.state.storage.first_dirty() {
            self.refuse_static()?;
            let refund = gas::sstore(self.host, meter, address, key, value)?;
            self.gas.record_refund(refund);
            self.state.storage.first_flushed();
        }
        if clear {
            self.state.storage.clear();
        }
        Ok(())
    }

    /// Pays for a call and leaves it pending. `pointers`: address, data, length of data, return length.
    fn call_contract(
        &mut self,
        scheme: CallScheme,
        pointers: [u32; 4],
        value: U256,
        gas_requested: u64,
        memory: &mut Memory<'_, '_>,
        meter: &mut Meter,
    ) -> Outcome<()> {
        let [to, data, data_bytes, return_length] = pointers;
        let to = memory.address(to)?;
        let data = memory.read(data, data_bytes)?;
        memory.check(return_length, 4)?;
        let transfers_value = !value.is_zero();
        if transfers_value {
            self.refuse_static()?;
        }
        gas::copy(self.host, meter, data_bytes)?;
        let is_call = scheme == CallScheme::Call;
        let paid = gas::call(self.host, meter, to, transfers_value, is_call, gas_requested)?;
        let is_delegate = scheme == CallScheme::DelegateCall;
        let inputs = CallInputs {
            input: CallInput::Bytes(Bytes::copy_from_slice(data)),
            return_memory_offset: 0..0,
            gas_limit: paid.gas_limit,
            reservoir: self.gas.reservoir(),
            bytecode_address: to,
            known_bytecode: (paid.code_hash, paid.code),
            target_address: if is_delegate { self.input.target_address } else { to },
            caller: if is_delegate { self.input.caller_address } else { self.input.target_address },
            value: if is_delegate {
                CallValue::Apparent(self.input.call_value)
            } else {
                CallValue::Transfer(value)
            },
            scheme,
            is_static: self.is_static || scheme == CallScheme::StaticCall,
            charged_new_account_state_gas: false,
        };
        self.state.pending = Some((FrameInput::Call(Box::new(inputs)), Reply::Call { return_length }));
        Ok(())
    }

    /// Pays for a creation and leaves it pending. `pointers`: code, length of code, address, revert length.
    fn create(
        &mut self,
        pointers: [u32; 4],
        endowment: U256,
        salt: Option<U256>,
        memory: &mut Memory<'_, '_>,
        meter: &mut Meter,
    ) -> Outcome<()> {
        let [code, code_bytes, address, revert_length] = pointers;
        let code = memory.read(code, code_bytes)?;
        memory.check(address, 20)?;
        memory.check(revert_length, 4)?;
        self.refuse_static()?;
        let limit = self.host.max_initcode_size();
        if code.len() > limit {
            return Err(Failure::Refused(format!(
                "creation data of {} bytes is over the limit of {limit} bytes",
                code.len()
            )));
        }
        gas::copy(self.host, meter, code_bytes)?;
        let gas_limit = gas::create(self.host, meter, code_bytes, salt.is_some())?;
        let inputs = CreateInputs::new(
            self.input.target_address,
            salt.map_or(CreateScheme::Create, |salt| CreateScheme::Create2 { salt }),
            endowment,
            Bytes::copy_from_slice(code),
            gas_limit,
            self.gas.reservoir(),
        );
        let reply = Reply::Create { address, revert_length };
        self.state.pending = Some((FrameInput::Create(Box::new(inputs)), reply));
        Ok(())
    }

    fn emit_log(
        &mut self,
        data: u32,
        bytes: u32,
        topics: u32,
        memory: &Memory<'_, '_>,
        meter: &mut Meter,
    ) -> Outcome<()> {
        let payload = memory.read(data, bytes)?;
        if topics > LOG_TOPICS_MAX || bytes < topics * 32 {
            return Err(Failure::Refused(format!(
                "{topics} topics in {bytes} bytes: a log has at most {LOG_TOPICS_MAX} topics of 32 bytes each"
            )));
        }
        self.refuse_static()?;
        let (topic_bytes, data) = payload.split_at(topics as usize * 32);
        let topics = topic_bytes.chunks_exact(32).map(B256::from_slice).collect();
        Ok(gas::log(self.host, meter, self.input.target_address, topics, data)?)
    }

    fn account_code(&mut self, of: Address, meter: &mut Meter) -> Outcome<Bytes> {
        let account = gas::account(self.host, meter, of, true)?.data;
        Ok(account.code.as_ref().map(|code| code.original_bytes()).unwrap_or_default())
    }
}
