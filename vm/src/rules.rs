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
        schedule: &Schedule::V4,
    };

    /// The features of the devnet with hardly any limit, for running modules without a chain.
    pub const UNBOUNDED: Self = Self {
        features: Features::V1,
        limits: Limits::UNBOUNDED,
        start_function: true,
        schedule: &Schedule::V4,
    };
}

macro_rules! define_limits {
    ($( #[doc = $doc:literal] #[doc = $why:literal] $field:ident $variant:ident = $devnet:literal, $unbounded:expr, $noun:literal, $advice:literal; )*) => {
        /// How large modules and computations may be.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Limits {
            $( #[doc = $doc] #[doc = $why] pub $field: u32, )*
        }

        /// One of the [`Limits`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Limit {
            $( #[doc = $doc] #[doc = $why] $variant, )*
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

            /// Sets the value of one limit.
            pub const fn set(&mut self, limit: Limit, value: u32) {
                match limit { $( Limit::$variant => self.$field = value, )* }
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

// Of each limit: what it counts, then why there is one.
define_limits! {
    /// Bytes of a module.
    /// Decoding and validating take time and memory by it, loading is priced by it, and data and bodies are kept as they are.
    module_bytes ModuleBytes = 524_288, u32::MAX, "bytes of module", "optimise for size and strip debug sections";
    /// Types declared by a module.
    /// Each is kept, and compared with the others so that equal ones count as one.
    types Types = 1_024, u32::MAX, "types", "use fewer function signatures";
    /// Imports of a module.
    /// Each is looked up when a module is linked.
    imports Imports = 128, u32::MAX, "imports", "import fewer functions";
    /// Exports of a module.
    /// A program needs two; each name is kept and looked up.
    exports Exports = 128, u32::MAX, "exports", "export only the entry point and memory";
    /// Bytes of the name of an import or export.
    /// Names are kept, and shown in errors.
    name_bytes NameBytes = 256, u32::MAX, "bytes of name", "use a shorter name";
    /// Functions a module defines.
    /// Each takes a record of fixed size, however short its body.
    functions Functions = 10_000, u32::MAX, "functions", "enable link-time optimisation";
    /// Globals a module defines.
    /// Each instance sets each of them up.
    globals Globals = 1_024, u32::MAX, "globals", "keep values in memory";
    /// Tables of a module, imported ones included.
    /// Each may hold as many elements as the limit of those says.
    tables Tables = 1, 65_535, "tables", "use one table";
    /// Element and data segments of a module, counted apart.
    /// Each takes a record of fixed size, and instantiation walks all of them.
    segments Segments = 1_024, u32::MAX, "segments", "merge segments";
    /// Elements of all element segments of a module together.
    /// Each takes a record of fixed size, for a byte of the module; more than a table holds are of no use.
    element_items ElementItems = 10_000, u32::MAX, "elements of segments", "take fewer functions' addresses";
    /// Instructions of a constant expression, its end included.
    /// Instantiation evaluates the whole expression at one price.
    const_instructions ConstInstructions = 16, u32::MAX, "instructions in a constant expression", "compute it at run time";
    /// Parameters of a function or block.
    /// Validating a block, and translating a call or branch, takes time by it, for two bytes of code.
    params Params = 32, 1_000, "parameters", "pass values through memory";
    /// Results of a function or block.
    /// Validating a block, and translating a call or branch, takes time by it, for two bytes of code.
    results Results = 16, 1_000, "results", "pass values through memory";
    /// Value slots of locals that a function declares, its parameters apart.
    /// Four bytes declare any number, and a frame has room for all of them.
    locals Locals = 4_096, 16_384, "slots of locals", "split the function";
    /// Bytes of a function body.
    /// A function is translated as a whole when it is first called.
    body_bytes BodyBytes = 131_072, u32::MAX, "bytes of function body", "split the function or inline less";
    /// Blocks open at once in a function, the function itself included.
    /// Each open block is kept, and generated code nests far less.
    nesting Nesting = 256, u32::MAX, "nested blocks", "split the function";
    /// Values on the operand stack of a function.
    /// A frame has room for all of them, and instructions name their places in few bits.
    operands Operands = 1_024, 4_096, "operands", "split the function";
    /// Targets of a `br_table`, the default apart.
    /// All are translated, whichever is taken.
    branch_targets BranchTargets = 4_096, u32::MAX, "branch targets", "split the match";
    /// Sum over all `br_table` of a module of targets times values carried.
    /// Each value is validated for each target: nothing else takes more than linear time.
    branch_values BranchValues = 65_536, u32::MAX, "values carried by branch tables", "carry values in locals";
    /// Pages of a memory.
    /// A page is 64 KiB of the host's memory, and a declaration of four bytes asks for all.
    memory_pages MemoryPages = 256, 65_536, "pages of memory", "declare less memory or a smaller stack";
    /// Elements of a table.
    /// An element is host memory, and a declaration of four bytes asks for all.
    table_elements TableElements = 10_000, 10_000_000, "elements of a table", "take fewer functions' addresses";
    /// Frames of a computation.
    /// A stated depth, where what the host's stack holds would differ between machines.
    call_depth CallDepth = 4_096, 65_536, "frames", "recurse less deep";
    /// Value slots of all frames of a computation.
    /// A slot is 8 bytes of the host's memory, and few instructions ask for thousands.
    value_slots ValueSlots = 65_536, 1_048_576, "value slots", "recurse less deep or use fewer locals";
    /// Pages of memory that the computations of a transaction hold together.
    /// Contracts that call each other are all there until the innermost ends: 256 MiB.
    open_pages OpenPages = 4_096, u32::MAX, "pages of memory in a transaction", "declare less memory or nest fewer calls";
    /// Value slots that the computations of a transaction hold together.
    /// As for pages: 8 MiB, as much as sixteen computations of the largest size.
    open_slots OpenSlots = 1_048_576, u32::MAX, "value slots in a transaction", "recurse less deep or nest fewer calls";
}
