//! Values that cross the boundary of the machine.
//!
//! Floats are carried as bits: nothing outside the numeric instructions may touch the payload of a NaN.

use alloc::sync::Arc;
use lathe_gas::ValueType;

/// A function of an instance of one [`Machine`](crate::Machine).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionId {
    pub(crate) instance: u32,
    pub(crate) function: u32,
}

/// A value of WebAssembly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// A 32-bit integer.
    I32(i32),
    /// A 64-bit integer.
    I64(i64),
    /// The bits of a 32-bit float.
    F32(u32),
    /// The bits of a 64-bit float.
    F64(u64),
    /// A vector; lane 0 is in the lowest bits.
    V128(u128),
    /// A function, or null.
    FuncRef(Option<FunctionId>),
    /// A number by which the host knows something, or null.
    ExternRef(Option<u32>),
}

impl Value {
    /// Returns the type of the value.
    pub const fn ty(self) -> ValueType {
        match self {
            Self::I32(_) => ValueType::I32,
            Self::I64(_) => ValueType::I64,
            Self::F32(_) => ValueType::F32,
            Self::F64(_) => ValueType::F64,
            Self::V128(_) => ValueType::V128,
            Self::FuncRef(_) => ValueType::FuncRef,
            Self::ExternRef(_) => ValueType::ExternRef,
        }
    }

    /// Returns zero, or null for a reference.
    pub const fn zero(ty: ValueType) -> Self {
        match ty {
            ValueType::I32 => Self::I32(0),
            ValueType::I64 => Self::I64(0),
            ValueType::F32 => Self::F32(0),
            ValueType::F64 => Self::F64(0),
            ValueType::V128 => Self::V128(0),
            ValueType::FuncRef => Self::FuncRef(None),
            ValueType::ExternRef => Self::ExternRef(None),
        }
    }
}

/// The type of a function. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FuncType {
    /// Parameters, then results.
    types: Arc<[ValueType]>,
    params: usize,
}

impl FuncType {
    /// Returns the type with these parameters and results.
    pub fn new(params: &[ValueType], results: &[ValueType]) -> Self {
        Self { types: params.iter().chain(results).copied().collect(), params: params.len() }
    }

    /// Returns the types of the parameters.
    #[inline]
    pub fn params(&self) -> &[ValueType] {
        &self.types[..self.params]
    }

    /// Returns the types of the results.
    #[inline]
    pub fn results(&self) -> &[ValueType] {
        &self.types[self.params..]
    }
}

impl core::fmt::Display for FuncType {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let list = |f: &mut core::fmt::Formatter<'_>, types: &[ValueType]| {
            f.write_str("[")?;
            for (i, ty) in types.iter().enumerate() {
                write!(f, "{}{ty}", if i == 0 { "" } else { " " })?;
            }
            f.write_str("]")
        };
        list(f, self.params())?;
        f.write_str(" -> ")?;
        list(f, self.results())
    }
}
