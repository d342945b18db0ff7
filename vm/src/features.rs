//! Which parts of WebAssembly a module may use.
//!
//! A **proposal** is a part of the standard, finished or not, that came after 1.0. What a feature set leaves out is
//! refused when a module is made, by the proposal's name.

use alloc::string::{String, ToString};
use wasmparser::{Operator, WasmFeatures};

macro_rules! define_proposals {
    ($( #[doc = $doc:literal] $variant:ident $name:literal $flag:ident; )*) => {
        /// A part of WebAssembly that came after 1.0.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Proposal {
            $( #[doc = $doc] $variant, )*
        }

        impl Proposal {
            /// Every proposal that is known by name.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Returns the name of the proposal.
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => $name, )* }
            }

            const fn flag(self) -> WasmFeatures {
                match self { $( Self::$variant => WasmFeatures::$flag, )* }
            }
        }
    };
}

define_proposals! {
    /// Import and export of mutable globals.
    MutableGlobals "mutable globals" MUTABLE_GLOBAL;
    /// `i32.extend8_s` and its kin.
    SignExtension "sign extension" SIGN_EXTENSION;
    /// `i32.trunc_sat_f32_s` and its kin.
    SaturatingConversions "non-trapping float-to-int conversions" SATURATING_FLOAT_TO_INT;
    /// More than one result of functions and blocks, parameters of blocks.
    MultiValue "multi-value" MULTI_VALUE;
    /// `memory.copy` and its kin, passive segments.
    BulkMemory "bulk memory" BULK_MEMORY;
    /// References as values, several tables.
    ReferenceTypes "reference types" REFERENCE_TYPES;
    /// 128-bit vectors.
    Simd "fixed-width SIMD" SIMD;
    /// `return_call`.
    TailCalls "tail calls" TAIL_CALL;
    /// Arithmetic in constant expressions.
    ExtendedConst "extended constant expressions" EXTENDED_CONST;
    /// Vector instructions whose results differ between machines.
    RelaxedSimd "relaxed SIMD" RELAXED_SIMD;
    /// Shared memories and atomic instructions.
    Threads "threads" THREADS;
    /// Shared globals, tables and references.
    SharedEverythingThreads "shared-everything threads" SHARED_EVERYTHING_THREADS;
    /// Weaker orderings of atomic instructions.
    AcquireReleaseAtomics "acquire-release atomics" ACQUIRE_RELEASE_ATOMICS;
    /// More than one memory.
    MultiMemory "multi-memory" MULTI_MEMORY;
    /// Memories and tables with 64-bit addresses.
    Memory64 "memory64" MEMORY64;
    /// Pages of other sizes than 64 KiB.
    CustomPageSizes "custom page sizes" CUSTOM_PAGE_SIZES;
    /// `memory.discard`.
    MemoryControl "memory control" MEMORY_CONTROL;
    /// Tags, `throw`, `try_table`.
    Exceptions "exception handling" EXCEPTIONS;
    /// The exception instructions that the standard dropped.
    LegacyExceptions "legacy exception handling" LEGACY_EXCEPTIONS;
    /// `call_ref` and references to functions of one type.
    FunctionReferences "typed function references" FUNCTION_REFERENCES;
    /// Structures and arrays.
    Gc "garbage collection" GC;
    /// Run-time types of structures.
    CustomDescriptors "custom descriptors" CUSTOM_DESCRIPTORS;
    /// Continuations.
    StackSwitching "stack switching" STACK_SWITCHING;
    /// 128-bit sums and products of 64-bit integers.
    WideArithmetic "wide arithmetic" WIDE_ARITHMETIC;
    /// A shorter encoding of imports.
    CompactImports "compact imports" COMPACT_IMPORTS;
    /// Components instead of modules.
    ComponentModel "component model" COMPONENT_MODEL;
}

/// A set of proposals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features(WasmFeatures);

impl Features {
    /// WebAssembly 1.0, and nothing else.
    pub const WASM_1: Self = Self(WasmFeatures::MVP.union(WasmFeatures::MUTABLE_GLOBAL));

    /// WebAssembly 2.0.
    pub const WASM_2: Self = Self::WASM_1
        .with(Proposal::SignExtension)
        .with(Proposal::SaturatingConversions)
        .with(Proposal::MultiValue)
        .with(Proposal::BulkMemory)
        .with(Proposal::ReferenceTypes)
        .with(Proposal::Simd);

    /// The first feature set of the devnet: WebAssembly 2.0, tail calls, extended constant expressions.
    pub const V1: Self = Self::WASM_2.with(Proposal::TailCalls).with(Proposal::ExtendedConst);

    /// The named sets, the smallest first.
    pub const VERSIONS: &'static [(&'static str, Self)] =
        &[("wasm-1", Self::WASM_1), ("wasm-2", Self::WASM_2), ("v1", Self::V1)];

    /// Returns the set with one more proposal. The machine runs nothing beyond those of [`Features::V1`].
    const fn with(self, proposal: Proposal) -> Self {
        Self(self.0.union(proposal.flag()))
    }

    /// Returns whether the set holds `proposal`.
    pub const fn contains(self, proposal: Proposal) -> bool {
        self.0.contains(proposal.flag())
    }

    pub(crate) const fn flags(self) -> WasmFeatures {
        self.0
    }
}

/// Returns the proposal of a group of operators, as the parser names it; `None` for WebAssembly 1.0.
macro_rules! proposal_of_group {
    (mvp) => {
        None
    };
    (sign_extension) => {
        Some($crate::Proposal::SignExtension)
    };
    (saturating_float_to_int) => {
        Some($crate::Proposal::SaturatingConversions)
    };
    (bulk_memory) => {
        Some($crate::Proposal::BulkMemory)
    };
    (reference_types) => {
        Some($crate::Proposal::ReferenceTypes)
    };
    (simd) => {
        Some($crate::Proposal::Simd)
    };
    (tail_call) => {
        Some($crate::Proposal::TailCalls)
    };
    (relaxed_simd) => {
        Some($crate::Proposal::RelaxedSimd)
    };
    (threads) => {
        Some($crate::Proposal::Threads)
    };
    (shared_everything_threads) => {
        Some($crate::Proposal::SharedEverythingThreads)
    };
    (acquire_release_atomics) => {
        Some($crate::Proposal::AcquireReleaseAtomics)
    };
    (memory_control) => {
        Some($crate::Proposal::MemoryControl)
    };
    (exceptions) => {
        Some($crate::Proposal::Exceptions)
    };
    (legacy_exceptions) => {
        Some($crate::Proposal::LegacyExceptions)
    };
    (function_references) => {
        Some($crate::Proposal::FunctionReferences)
    };
    (gc) => {
        Some($crate::Proposal::Gc)
    };
    (custom_descriptors) => {
        Some($crate::Proposal::CustomDescriptors)
    };
    (stack_switching) => {
        Some($crate::Proposal::StackSwitching)
    };
    (wide_arithmetic) => {
        Some($crate::Proposal::WideArithmetic)
    };
}
pub(crate) use proposal_of_group;

/// Returns the proposal that brought an operator, or `None` for one of WebAssembly 1.0.
pub(crate) fn proposal_of(operator: &Operator<'_>) -> Option<Proposal> {
    macro_rules! of_operator {
        ($( @$group:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
            match operator {
                $( Operator::$op { .. } => proposal_of_group!($group), )*
                // A variant newer than the macro's list cannot be decoded by the version that is pinned.
                _ => None,
            }
        };
    }
    wasmparser::for_each_operator!(of_operator)
}

/// Returns the name that the text format gives an operator.
pub(crate) fn operator_name(operator: &Operator<'_>) -> String {
    macro_rules! known {
        ($( #[doc = $doc:literal] $name:ident $text:literal $prefix:literal $number:literal $signature:tt $class:ident; )*) => {
            match operator {
                $( Operator::$name { .. } => Some($text), )*
                _ => None,
            }
        };
    }
    macro_rules! visitor {
        ($( @$group:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
            match operator {
                $( Operator::$op { .. } => stringify!($visit), )*
                _ => "instruction",
            }
        };
    }
    if let Some(name) = lathe_gas::for_each_instruction!(known) {
        return name.to_string();
    }
    // The parser names its visitor's methods after the text, with the first dot as an underscore too.
    let name = wasmparser::for_each_operator!(visitor).trim_start_matches("visit_");
    let spaces = [
        "i32", "i64", "i8x16", "i16x8", "i32x4", "i64x2", "f32x4", "f64x2", "memory", "ref", "struct",
        "array", "i31",
    ];
    let name = match name.split_once('_') {
        Some((space, rest)) if spaces.contains(&space) => alloc::format!("{space}.{rest}"),
        _ => name.to_string(),
    };
    // Atomic instructions have more dots: i32.atomic.rmw8.add_u.
    ["atomic_", "rmw_", "rmw8_", "rmw16_", "rmw32_"].iter().fold(name, |name, part| {
        match part.strip_suffix('_') {
            Some(space) => name.replacen(part, &alloc::format!("{space}."), 1),
            None => name,
        }
    })
}
