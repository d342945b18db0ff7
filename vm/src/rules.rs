//! What a chain decides about the machine: features, limits and prices.
//!
//! Every limit counts something in the module's bytes or in a running computation, never something an engine made,
//! so all engines refuse and trap alike.

use crate::Features;
use lathe_gas::Schedule;

/// Everything about the machine that is part of the chain specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Which proposals a module may use.
    pub features: Features,
    /// How large modules and computations may be.
    pub limits: Limits,
    /// Whether a module may have a start function.
    pub start_function: bool,
    /// What instructions cost.
    pub schedule: &'static Schedule,
}

impl Rules {
    /// The rules of the devnet chain.
    pub const DEVNET: Self = Self {
        features: Features::V1,
        limits: Limits::DEVNET,
        start_function: false,
        schedule: &Schedule::V1,
    };

    /// The features of the devnet with hardly any limit, for running modules without a chain.
    pub const UNBOUNDED: Self = Self {
        features: Features::V1,
        limits: Limits::UNBOUNDED,
        start_function: true,
        schedule: &Schedule::V1,
    };
}

macro_rules! define_limits {
    ($( #[doc = $doc:literal] $field:ident $variant:ident = $devnet:literal, $unbounded:expr, $noun:literal, $advice:literal; )*) => {
        /// How large modules and computations may be.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Limits {
            $( #[doc = $doc] pub $field: u32, )*
        }

        /// One of the [`Limits`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Limit {
            $( #[doc = $doc] $variant, )*
        }

        impl Limits {
            /// The limits of the devnet chain.
            pub const DEVNET: Self = Self { $( $field: $devnet, )* };

            /// Limits that only keep a computation inside the machine it runs on.
            pub const UNBOUNDED: Self = Self { $( $field: $unbounded, )* };

            /// Returns the value of one limit.
            pub const fn get(&self, limit: Limit) -> u32 {
                match limit { $( Limit::$variant => self.$field, )* }
            }
        }

        impl Limit {
            /// Every limit, in the order of the fields of [`Limits`].
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Returns the name of the field of [`Limits`].
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => stringify!($field), )* }
            }

            /// Returns what is counted, in the plural.
            pub const fn noun(self) -> &'static str {
                match self { $( Self::$variant => $noun, )* }
            }

            /// Returns what the author of a module can do about it.
            pub const fn advice(self) -> &'static str {
                match self { $( Self::$variant => $advice, )* }
            }
        }
    };
}

define_limits! {
    /// Bytes of a module.
    module_bytes ModuleBytes = 524_288, u32::MAX, "bytes of module", "optimise for size and strip debug sections";
    /// Types declared by a module.
    types Types = 1_024, u32::MAX, "types", "use fewer function signatures";
    /// Imports of a module.
    imports Imports = 128, u32::MAX, "imports", "import fewer functions";
    /// Exports of a module.
    exports Exports = 128, u32::MAX, "exports", "export only the entry point and memory";
    /// Bytes of the name of an import or export.
    name_bytes NameBytes = 256, u32::MAX, "bytes of name", "use a shorter name";
    /// Functions a module defines.
    functions Functions = 10_000, u32::MAX, "functions", "enable link-time optimisation";
    /// Globals a module defines.
    globals Globals = 1_024, u32::MAX, "globals", "keep values in memory";
    /// Tables of a module, imported ones included.
    tables Tables = 1, 65_535, "tables", "use one table";
    /// Element and data segments of a module, counted apart.
    segments Segments = 1_024, u32::MAX, "segments", "merge segments";
    /// Instructions of a constant expression, its end included.
    const_instructions ConstInstructions = 16, u32::MAX, "instructions in a constant expression", "compute it at run time";
    /// Parameters of a function or block.
    params Params = 32, 1_000, "parameters", "pass values through memory";
    /// Results of a function or block.
    results Results = 16, 1_000, "results", "pass values through memory";
    /// Value slots of locals that a function declares, its parameters apart.
    locals Locals = 4_096, 16_384, "slots of locals", "split the function";
    /// Bytes of a function body.
    body_bytes BodyBytes = 131_072, u32::MAX, "bytes of function body", "split the function or inline less";
    /// Blocks open at once in a function, the function itself included.
    nesting Nesting = 256, u32::MAX, "nested blocks", "split the function";
    /// Values on the operand stack of a function.
    operands Operands = 1_024, 4_096, "operands", "split the function";
    /// Targets of a `br_table`, the default apart.
    branch_targets BranchTargets = 4_096, u32::MAX, "branch targets", "split the match";
    /// Sum over all `br_table` of a module of targets times values carried.
    branch_values BranchValues = 65_536, u32::MAX, "values carried by branch tables", "carry values in locals";
    /// Pages of a memory.
    memory_pages MemoryPages = 256, 65_536, "pages of memory", "declare less memory or a smaller stack";
    /// Elements of a table.
    table_elements TableElements = 10_000, 10_000_000, "elements of a table", "take fewer functions' addresses";
    /// Frames of a computation.
    call_depth CallDepth = 4_096, 65_536, "frames", "recurse less deep";
    /// Value slots of all frames of a computation.
    value_slots ValueSlots = 65_536, 1_048_576, "value slots", "recurse less deep or use fewer locals";
}
