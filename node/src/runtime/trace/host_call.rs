//! Arguments and results of host calls as `stylusTracer` shows them: without pointers, with what stands behind them.
//!
//! Integers that are passed by value are big-endian, memory is shown as it stands. What each function of `vm_hooks` shows, and
//! in which order, is what cargo-stylus reads; those of EEI show the same of the same things.

use lathe_gas::HostFunction;
use lathe_vm::Value;
use revm::primitives::{Address, Bytes};

use super::{
    super::{
        console,
        eei::EeiReply,
        guest::Arguments,
        program_state::{ChildStatus, Reply},
    },
    HostCallName,
};

/// Bytes of a 256-bit word.
const WORD: u32 = 32;
/// Bytes of an address.
const ADDRESS: u32 = 20;
/// Bytes of what EEI has for amounts.
const AMOUNT: u32 = 16;
/// Topics of a log at most; a log with more traps.
const TOPICS_MAX: u32 = 4;

/// Bytes shown of a call, up to a limit.
struct Shown<'a> {
    bytes: Vec<u8>,
    room: usize,
    memory: &'a [u8],
    is_whole: bool,
}

impl<'a> Shown<'a> {
    fn new(memory: &'a [u8], room: usize) -> Self {
        Self { bytes: Vec::new(), room, memory, is_whole: true }
    }

    fn raw(mut self, bytes: &[u8]) -> Self {
        self.is_whole &= bytes.len() <= self.room - self.bytes.len();
        if self.is_whole {
            self.bytes.extend_from_slice(bytes);
        }
        self
    }

    /// Shows memory; nothing of what lies outside, which the call traps for.
    fn memory(self, pointer: u32, length: u32) -> Self {
        let start = pointer as usize;
        let range = start..start.saturating_add(length as usize);
        let bytes = self.memory.get(range).unwrap_or_default();
        self.raw(bytes)
    }

    fn u32(self, value: u32) -> Self {
        self.raw(&value.to_be_bytes())
    }

    fn u64(self, value: u64) -> Self {
        self.raw(&value.to_be_bytes())
    }

    /// Returns what is shown; `None` if there was no room for all of it.
    fn finish(self) -> Option<Bytes> {
        self.is_whole.then(|| self.bytes.into())
    }
}

/// Returns the name under which a call is shown: the one it is imported by, but for what cargo-stylus calls otherwise.
pub(in super::super) fn name(function: HostFunction) -> HostCallName {
    use HostFunction as F;
    match function.module() {
        "vm_hooks" => function.name().into(),
        "console" if function == F::LogTxt => "console_log_text".into(),
        "console" => "console_log".into(),
        // cargo-stylus panics at names that it does not know.
        _ => HostCallName::of_eei(function.name()),
    }
}

/// Returns what is shown of a call's arguments before it runs; `None` if that is longer than `room`.
pub(in super::super) fn arguments(
    function: HostFunction,
    values: &[Value],
    memory: &[u8],
    room: usize,
) -> Option<Bytes> {
    use HostFunction as F;
    let a = Arguments(values);
    let shown = Shown::new(memory, room);
    match function {
        F::WriteResult => shown.memory(a.u32(0), a.u32(1)),
        F::ExitEarly => shown.u32(a.u32(0)),
        F::StorageLoadBytes32 | F::TransientLoadBytes32 => shown.memory(a.u32(0), WORD),
        F::StorageCacheBytes32 | F::TransientStoreBytes32 => {
            shown.memory(a.u32(0), WORD).memory(a.u32(1), WORD)
        }
        F::StorageFlushCache => shown.raw(&[u8::from(a.u32(0) != 0)]),
        F::CallContract => {
            let head = shown.memory(a.u32(0), ADDRESS).u64(a.u64(4)).memory(a.u32(3), WORD);
            head.memory(a.u32(1), a.u32(2))
        }
        F::DelegateCallContract | F::StaticCallContract => {
            shown.memory(a.u32(0), ADDRESS).u64(a.u64(3)).memory(a.u32(1), a.u32(2))
        }
        F::Create1 => shown.memory(a.u32(2), WORD).memory(a.u32(0), a.u32(1)),
        F::Create2 => shown.memory(a.u32(2), WORD).memory(a.u32(3), WORD).memory(a.u32(0), a.u32(1)),
        F::ReadReturnData => shown.u32(a.u32(1)).u32(a.u32(2)),
        F::EmitLog => shown.u32(a.u32(2)).memory(a.u32(0), a.u32(1)),
        F::AccountBalance | F::AccountCodehash | F::AccountCodeSize => shown.memory(a.u32(0), ADDRESS),
        F::AccountCode => shown.memory(a.u32(0), ADDRESS).u32(a.u32(1)).u32(a.u32(2)),
        F::MathDiv | F::MathMod | F::MathPow => shown.memory(a.u32(0), WORD).memory(a.u32(1), WORD),
        F::MathAddMod | F::MathMulMod => {
            shown.memory(a.u32(0), WORD).memory(a.u32(1), WORD).memory(a.u32(2), WORD)
        }
        F::NativeKeccak256 => shown.memory(a.u32(0), a.u32(1)),
        F::LogTxt => shown.memory(a.u32(0), a.u32(1)),
        F::LogI32 | F::LogI64 | F::LogF32 | F::LogF64 | F::TeeI32 | F::TeeI64 | F::TeeF32 | F::TeeF64 => {
            shown.raw(console::number_text(a.value(0)).as_bytes())
        }
        // The interface has 16 bits of pages.
        F::PayForMemoryGrow => shown.raw(&u16::try_from(a.u32(0)).unwrap_or(u16::MAX).to_be_bytes()),
        _ => eei_arguments(function, &a, shown),
    }
    .finish()
}

/// Shows the arguments of a function of EEI.
fn eei_arguments<'a>(function: HostFunction, a: &Arguments<'_>, shown: Shown<'a>) -> Shown<'a> {
    use HostFunction as F;
    match function {
        F::EeiUseGas | F::EeiGetBlockHash | F::EeiPrint64 => shown.u64(a.u64(0)),
        F::EeiCallDataCopy | F::EeiCodeCopy | F::EeiReturnDataCopy => shown.u32(a.u32(1)).u32(a.u32(2)),
        F::EeiFinish | F::EeiRevert | F::EeiPrintMem | F::EeiPrintMemHex => shown.memory(a.u32(0), a.u32(1)),
        F::EeiSelfDestruct | F::EeiGetExternalBalance | F::EeiGetExternalCodeSize => {
            shown.memory(a.u32(0), ADDRESS)
        }
        F::EeiExternalCodeCopy => shown.memory(a.u32(0), ADDRESS).u32(a.u32(2)).u32(a.u32(3)),
        F::EeiStorageLoad | F::EeiPrintStorage | F::EeiPrintStorageHex => shown.memory(a.u32(0), WORD),
        F::EeiStorageStore => shown.memory(a.u32(0), WORD).memory(a.u32(1), WORD),
        F::EeiLog => {
            let count = a.u32(2);
            let topics = (0..count.min(TOPICS_MAX)).map(|topic| a.u32(3 + topic as usize));
            let shown = topics.fold(shown.u32(count), |shown, topic| shown.memory(topic, WORD));
            shown.memory(a.u32(0), a.u32(1))
        }
        F::EeiCall | F::EeiCallCode => {
            let head = shown.memory(a.u32(1), ADDRESS).u64(a.u64(0)).memory(a.u32(2), AMOUNT);
            head.memory(a.u32(3), a.u32(4))
        }
        F::EeiCallDelegate | F::EeiCallStatic => {
            shown.memory(a.u32(1), ADDRESS).u64(a.u64(0)).memory(a.u32(2), a.u32(3))
        }
        F::EeiCreate => shown.memory(a.u32(0), AMOUNT).memory(a.u32(1), a.u32(2)),
        F::EeiCreate2 => shown.memory(a.u32(0), AMOUNT).memory(a.u32(3), WORD).memory(a.u32(1), a.u32(2)),
        F::EeiPrint32 => shown.u32(a.u32(0)),
        _ => shown,
    }
}

/// Returns what is shown of a call's results after it ran; `None` if that is longer than `room`.
pub(in super::super) fn results(
    function: HostFunction,
    values: &[Value],
    result: Option<Value>,
    memory: &[u8],
    calldata: &[u8],
    room: usize,
) -> Option<Bytes> {
    use HostFunction as F;
    let a = Arguments(values);
    let shown = Shown::new(memory, room);
    let length = match result {
        Some(Value::I32(length)) => length.cast_unsigned(),
        _ => 0,
    };
    match function {
        F::ReadArgs => shown.raw(calldata),
        F::StorageLoadBytes32 | F::TransientLoadBytes32 | F::AccountBalance | F::AccountCodehash => {
            shown.memory(a.u32(1), WORD)
        }
        F::AccountCode => shown.memory(a.u32(3), length),
        F::ReadReturnData => shown.memory(a.u32(0), length),
        F::BlockBasefee | F::TxGasPrice | F::MsgValue => shown.memory(a.u32(0), WORD),
        F::MathDiv | F::MathMod | F::MathPow | F::MathAddMod | F::MathMulMod => shown.memory(a.u32(0), WORD),
        F::BlockCoinbase | F::ContractAddress | F::MsgSender | F::TxOrigin => shown.memory(a.u32(0), ADDRESS),
        F::NativeKeccak256 => shown.memory(a.u32(2), WORD),
        // What is printed is told once.
        F::TeeI32 | F::TeeI64 | F::TeeF32 | F::TeeF64 => shown,
        F::EeiCallDataCopy | F::EeiCodeCopy | F::EeiReturnDataCopy => shown.memory(a.u32(0), a.u32(2)),
        F::EeiExternalCodeCopy => shown.memory(a.u32(1), a.u32(3)),
        F::EeiGetExternalBalance => shown.memory(a.u32(1), AMOUNT),
        F::EeiStorageLoad => shown.memory(a.u32(1), WORD),
        F::EeiGetAddress | F::EeiGetCaller | F::EeiGetTxOrigin | F::EeiGetBlockCoinbase => {
            shown.memory(a.u32(0), ADDRESS)
        }
        F::EeiGetCallValue | F::EeiGetTxGasPrice | F::EeiGetChainId => shown.memory(a.u32(0), AMOUNT),
        F::EeiGetBlockDifficulty => shown.memory(a.u32(0), WORD),
        // It returns zero if there is such a hash.
        F::EeiGetBlockHash if length == 0 => shown.u32(0).memory(a.u32(1), WORD),
        _ => match result {
            Some(Value::I32(value)) => shown.u32(value.cast_unsigned()),
            Some(Value::I64(value)) => shown.u64(value.cast_unsigned()),
            _ => shown,
        },
    }
    .finish()
}

/// Returns what is shown of the results of a call or creation once its frame has ended.
pub(in super::super) fn child_results(reply: Reply, status: ChildStatus, return_data_bytes: u32) -> Bytes {
    let length = return_data_bytes.to_be_bytes();
    match reply {
        Reply::Call { .. } => [&length[..], &[status.code()]].concat(),
        Reply::Create { .. } => {
            let created = match status {
                ChildStatus::Ok(created) => created.unwrap_or_default(),
                _ => Address::ZERO,
            };
            [created.as_slice(), &length].concat()
        }
        Reply::Eei(reply) => {
            let code = reply.code(status).to_be_bytes();
            match (reply, status) {
                (EeiReply::Create { .. }, ChildStatus::Ok(Some(created))) => {
                    [&code[..], created.as_slice()].concat()
                }
                _ => code.to_vec(),
            }
        }
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What cargo-stylus 0.10.10 reads besides the functions of `vm_hooks`.
    const CONSOLE_NAMES: [&str; 2] = ["console_log", "console_log_text"];

    #[test]
    fn what_is_said_to_be_known_by_cargo_stylus_is() {
        for &function in HostFunction::ALL {
            let HostCallName { text, is_stylus } = name(function);
            match function.module() {
                "vm_hooks" => assert_eq!((text, is_stylus), (function.name(), true)),
                "console" => assert!(is_stylus && CONSOLE_NAMES.contains(&text), "{function}"),
                _ => assert_eq!((text, is_stylus), (function.name(), false)),
            }
        }
    }

    #[test]
    fn memory_that_is_not_there_is_not_shown() {
        let values = [Value::I32(60), Value::I32(8)];
        assert_eq!(arguments(HostFunction::WriteResult, &values, &[7; 64], 100), Some(Bytes::new()));
        let values = [Value::I32(-1), Value::I32(-1)];
        assert_eq!(arguments(HostFunction::WriteResult, &values, &[7; 64], 100), Some(Bytes::new()));
        let values = [Value::I32(56), Value::I32(8)];
        assert_eq!(arguments(HostFunction::WriteResult, &values, &[7; 64], 100), Some(vec![7; 8].into()));
        assert_eq!(arguments(HostFunction::WriteResult, &values, &[7; 64], 7), None);
    }
}
