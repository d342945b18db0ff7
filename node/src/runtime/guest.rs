//! The guest's side of a host call: its arguments, and its memory with checked access.

use lathe_vm::{HostMemory, TrapKind, Value};
use revm::primitives::{Address, U256};

use super::gas::Stop;

/// Why a host function gave no result.
pub(super) enum Failure {
    /// The guest did what traps.
    Trap(TrapKind),
    /// The interface forbids it; the text says why.
    Refused(String),
    /// The world could not be touched.
    Stop(Stop),
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<lathe_gas::OutOfGas> for Failure {
    fn from(_: lathe_gas::OutOfGas) -> Self {
        Self::Stop(Stop::OutOfGas)
    }
}

/// What a host function ends with.
pub(super) type Outcome<T = Option<Value>> = Result<T, Failure>;

/// The arguments of a host call; their types were checked when the module was linked.
pub(super) struct Arguments<'a>(pub(super) &'a [Value]);

impl Arguments<'_> {
    pub(super) fn u32(&self, index: usize) -> u32 {
        match self.0[index] {
            Value::I32(value) => value.cast_unsigned(),
            ref other => unreachable!("linking checked that argument {index} is an i32, not {other:?}"),
        }
    }

    pub(super) fn u64(&self, index: usize) -> u64 {
        match self.0[index] {
            Value::I64(value) => value.cast_unsigned(),
            ref other => unreachable!("linking checked that argument {index} is an i64, not {other:?}"),
        }
    }

    /// Returns an argument of any type.
    pub(super) fn value(&self, index: usize) -> Value {
        self.0[index]
    }
}

/// Guest memory with checked access.
pub(super) struct Memory<'a, 'b>(pub(super) &'a mut HostMemory<'b>);

impl Memory<'_, '_> {
    fn range(&self, pointer: u32, bytes: usize) -> Outcome<std::ops::Range<usize>> {
        let start = pointer as usize;
        match start.checked_add(bytes) {
            Some(end) if end <= self.0.len() => Ok(start..end),
            _ => Err(Failure::Trap(TrapKind::MemoryOutOfBounds)),
        }
    }

    pub(super) fn check(&self, pointer: u32, bytes: usize) -> Outcome<()> {
        self.range(pointer, bytes).map(drop)
    }

    pub(super) fn read(&self, pointer: u32, bytes: u32) -> Outcome<&[u8]> {
        Ok(&self.0[self.range(pointer, bytes as usize)?])
    }

    pub(super) fn write(&mut self, pointer: u32, bytes: &[u8]) -> Outcome<()> {
        self.0.write(pointer, bytes).ok_or(Failure::Trap(TrapKind::MemoryOutOfBounds))
    }

    pub(super) fn word(&self, pointer: u32) -> Outcome<U256> {
        Ok(U256::from_be_slice(self.read(pointer, 32)?))
    }

    pub(super) fn write_word(&mut self, pointer: u32, word: U256) -> Outcome<()> {
        self.write(pointer, &word.to_be_bytes::<32>())
    }

    pub(super) fn address(&self, pointer: u32) -> Outcome<Address> {
        Ok(Address::from_slice(self.read(pointer, 20)?))
    }

    /// Replaces the word at `target` by a function of itself and other words; `None` (division by zero) is zero.
    pub(super) fn update_word<const N: usize>(
        &mut self,
        target: u32,
        others: [u32; N],
        function: impl FnOnce(U256, [U256; N]) -> Option<U256>,
    ) -> Outcome<()> {
        let word = self.word(target)?;
        let mut operands = [U256::ZERO; N];
        for (operand, pointer) in operands.iter_mut().zip(others) {
            *operand = self.word(pointer)?;
        }
        self.write_word(target, function(word, operands).unwrap_or_default())
    }
}

/// Returns the part of `data` that `offset` and `length` name, as far as it exists.
pub(super) fn clamp(data: &[u8], offset: u32, length: u32) -> &[u8] {
    let start = (offset as usize).min(data.len());
    let end = start.saturating_add(length as usize).min(data.len());
    &data[start..end]
}

/// Lengths of calldata, code and return data are bounded by gas far below 4 GiB.
pub(super) fn length_u32(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("gas bounds data far below 4 GiB")
}

pub(super) fn i32_value(value: u32) -> Value {
    Value::I32(value.cast_signed())
}

pub(super) fn i64_value(value: u64) -> Value {
    Value::I64(value.cast_signed())
}
