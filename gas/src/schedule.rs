//! What each class of instruction, and each unit of work whose size only the run tells, costs in ink.
//!
//! Scale: 10 ns are a gas, 1 ns is 1,000 ink, in the geometric mean over the CPU-bound kernels of the engine bench on the
//! machine that set the prices: one core of an AMD EPYC of family 25, model 1 (Zen 3) under KVM, shared with others.
//! `CALIBRATION.md` has what everything took there, written by `make gas`. A change of a price is a new
//! [`Schedule::version`].
//!
//! A class is priced by its worst instruction, so that no program gets much more time for its gas than another. Most
//! prices are a few times what the instruction takes where everything goes well: the rest is for misses of caches and
//! predictions, which nobody can charge when they happen.
//!
//! What reads and writes memory has two prices. A **large** memory, one of more than [`Schedule::small_memory_pages`]
//! pages, does not fit the caches: a program can make each access wait for the memory of the machine. In a small one,
//! where nearly all contracts stay, it cannot.

use crate::{Instruction, Meter};
use alloc::vec::Vec;

/// The bytes that code is priced by: a word of the EVM, as in the price of its creation.
const WORD_BYTES: u64 = 32;
/// Instructions that a transaction may execute where they cost no gas: it ends within seconds on a fast engine.
pub const STEPS_MAX: u64 = 1 << 32;

/// Pages of a small memory at most: 2 MiB, of which any part is answered by caches within 20 ns, other programs running
/// beside. It holds the stack of 1 MiB that compilers give a program, and as much again.
const SMALL_MEMORY_PAGES: u32 = 32;

/// What something costs, in ink, by the memory that it runs on. In a large one it never costs less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// Where memory is small, or there is none.
    pub small: u32,
    /// Where memory is large.
    pub large: u32,
}

impl Price {
    /// Returns the price of what costs the same on any memory.
    const fn flat(ink: u32) -> Self {
        Self { small: ink, large: ink }
    }

    const fn in_large(self, large: u32) -> Self {
        assert!(large >= self.small, "code that pays for a large memory has paid for a small one");
        Self { large, ..self }
    }

    /// Returns what it costs more where memory is large.
    pub const fn surcharge(self) -> u32 {
        self.large - self.small
    }
}

macro_rules! define_schedule {
    (
        classes { $( #[doc = $class_doc:literal] $class:ident = $class_ink:literal $(, large $large_ink:literal)?; )* }
        units { $( #[doc = $unit_doc:literal] $unit:ident = $unit_ink:literal; )* }
    ) => {
        /// Instructions that cost the same.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum CostClass {
            $( #[doc = $class_doc] $class, )*
        }

        impl CostClass {
            /// Every class, in the order of [`Schedule::encode`].
            pub const ALL: &'static [Self] = &[$(Self::$class),*];

            /// Returns the name of the class.
            pub const fn name(self) -> &'static str {
                match self { $( Self::$class => stringify!($class), )* }
            }

            /// Returns what the class holds and why it costs what it costs.
            pub const fn doc(self) -> &'static str {
                match self { $( Self::$class => $class_doc.trim_ascii(), )* }
            }
        }

        /// Prices in ink. Part of the chain specification, through the hash of [`Schedule::encode`].
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Schedule {
            /// The number of the schedule. Every change of a price takes a new one.
            pub version: u32,
            /// Instructions that a transaction may execute, if they are counted and cost no gas: each class is 1 step
            /// then, and units are nothing.
            pub steps_max: Option<u64>,
            /// The most pages of a small memory. In a larger one, accesses cost [`Price::large`].
            pub small_memory_pages: u32,
            classes: [Price; CostClass::ALL.len()],
            $( #[doc = $unit_doc] pub $unit: u32, )*
        }

        impl Schedule {
            /// The schedule of the devnet.
            pub const V4: Self = Self {
                version: 4,
                steps_max: None,
                small_memory_pages: SMALL_MEMORY_PAGES,
                classes: [$( Price::flat($class_ink)$( .in_large($large_ink) )? ),*],
                $( $unit: $unit_ink, )*
            };

            /// Only host functions cost gas; instructions are counted, and a transaction has [`STEPS_MAX`] of them.
            pub const ZERO_INSTRUCTION: Self = Self {
                version: 0,
                steps_max: Some(STEPS_MAX),
                small_memory_pages: SMALL_MEMORY_PAGES,
                classes: [Price::flat(1); CostClass::ALL.len()],
                $( $unit: 0, )*
            };

            /// Returns the prices that are not an instruction's: name, ink, and what they buy.
            pub fn units(&self) -> Vec<(&'static str, u32, &'static str)> {
                Vec::from([$( (stringify!($unit), self.$unit, $unit_doc.trim_ascii()), )*])
            }
        }
    };
}

define_schedule! {
    classes {
        /// Markers of structure: a fast engine erases most, a plain one still steps over them.
        Structure = 100;
        /// Constants, locals, `drop`: moves of one value.
        Move = 200;
        /// One-cycle integer work, comparisons, bit moves between types.
        Arithmetic = 300;
        /// Bit counts, which have no single instruction on a baseline x86-64.
        BitCount = 1_000;
        /// Integer products.
        Multiply = 400;
        /// 32-bit quotients and remainders.
        Divide32 = 2_500;
        /// 64-bit quotients and remainders.
        Divide64 = 4_000;
        /// `select`, which reads three values.
        Select = 400;
        /// Globals, one indirection away; those of vectors take a slow path.
        Global = 1_000;
        /// Reads of memory, with their bounds check. Ten times an addition: a chain of pointers misses near caches, if not all.
        Load = 3_000, large 20_000;
        /// Writes of memory, with their bounds check; nothing waits for them.
        Store = 1_000, large 3_000;
        /// Sizes of memories and tables.
        Size = 1_000;
        /// Branches, taken or not; values carried are charged on top, taken or not.
        Branch = 500;
        /// `br_table`: one bounded look-up and a jump that the processor predicts badly.
        BranchTable = 3_000;
        /// `return`: leaves a frame; values carried are charged on top.
        Return = 1_000;
        /// Direct calls; entering the function is charged on top.
        Call = 2_500;
        /// Calls through a table, with type check; entering the function is charged on top.
        CallIndirect = 5_000;
        /// Float sums, differences and products, with canonical NaN.
        FloatArithmetic = 1_000;
        /// Float comparisons.
        FloatCompare = 600;
        /// Float minima and maxima, which order zeros and NaN.
        FloatMinMax = 1_000;
        /// Float quotients.
        FloatDivide = 2_500;
        /// Float square roots.
        FloatSqrt = 3_000;
        /// Rounding to integral floats, in software on a baseline x86-64.
        FloatRound = 2_000;
        /// Conversions that round or check a range.
        FloatConvert = 1_500;
        /// Elements of tables, read or written, and references made of functions.
        Table = 1_500;
        /// `memory.grow` and `table.grow`, besides pages and elements.
        Grow = 10_000;
        /// Bulk operations on memory, besides bytes.
        BulkMemory = 2_500, large 20_000;
        /// Bulk operations on tables, besides elements.
        BulkTable = 2_500;
        /// `data.drop` and `elem.drop`.
        Drop = 1_500;
        /// Vector constants and single lanes; most of what a vector takes is its own path through the engine.
        VectorMove = 5_000;
        /// Vector loads.
        VectorLoad = 8_000, large 25_000;
        /// Vector stores.
        VectorStore = 6_000, large 20_000;
        /// Integer vector work without products.
        VectorArithmetic = 8_000;
        /// Integer vector products and pairwise sums.
        VectorMultiply = 8_000;
        /// Float vector sums, products, comparisons, minima and maxima.
        VectorFloat = 8_000;
        /// Float vector quotients.
        VectorDivide = 8_000;
        /// Float vector square roots.
        VectorSqrt = 8_000;
        /// Float vector rounding.
        VectorRound = 8_000;
        /// Vector conversions, widening and narrowing.
        VectorConvert = 8_000;
        /// Byte shuffles and lane bit counts.
        VectorShuffle = 10_000;
        /// Vectors folded to one number.
        VectorReduce = 6_000;
    }
    units {
        /// A frame made for a function, whoever calls it.
        function_entry = 1_500;
        /// A value slot of declared locals that entry sets to zero.
        local_zeroed = 200;
        /// A value slot carried by a call, a branch, a return or the last `end` of a function.
        value_moved = 250;
        /// A byte written by `memory.fill`, `memory.copy`, `memory.init` or an active data segment.
        memory_byte = 200;
        /// A page of 65,536 bytes, initial or asked of `memory.grow`: zeroing and page faults.
        memory_page = 10_000_000;
        /// A page, for each that the open frames of the transaction hold before it: the price rises with what is held.
        memory_page_rise = 20_000;
        /// An element written by `table.fill`, `table.copy`, `table.init`, `table.grow` or instantiation.
        table_element = 1_000;
        /// An instance, besides its pages, table elements and active segments.
        instance = 1_000_000;
        /// A global initialised by instantiation.
        global_initialised = 1_000;
        /// An active segment applied by instantiation, besides its bytes or elements.
        segment_applied = 2_000;
        /// 32 bytes of a module, or a part of them, when a transaction first loads it: decoding, validation, translation.
        module_word = 640_000;
        /// 32 bytes of a program's code as it is stored, or a part of them, when a transaction first loads it: decompression.
        code_word = 80_000;
        /// A code that the transaction has loaded before: a look-up, as for a warm account.
        load_again = 1_000_000;
    }
}

impl Schedule {
    /// Returns the meter of a transaction with this much gas.
    pub fn meter(&self, gas: u64) -> Meter {
        match self.steps_max {
            None => Meter::from_gas(gas),
            Some(steps) => Meter::from_gas(gas).counting_steps(steps),
        }
    }

    /// Returns what executing `instruction` costs, besides units; 1 where instructions are counted.
    pub const fn instruction(&self, instruction: Instruction) -> Price {
        self.class(instruction.class())
    }

    /// Returns what an instruction of `class` costs, besides units; 1 where instructions are counted.
    pub const fn class(&self, class: CostClass) -> Price {
        self.classes[class as usize]
    }

    /// Returns whether a memory of so many pages is large.
    pub const fn is_large(&self, pages: u32) -> bool {
        pages > self.small_memory_pages
    }

    /// Returns the ink of reading a program's code, stored in so many bytes, for the first time in a transaction.
    pub const fn code_ink(&self, code_bytes: u64) -> u64 {
        code_bytes.div_ceil(WORD_BYTES).saturating_mul(self.code_word as u64)
    }

    /// Returns the ink of loading a module of so many bytes for the first time in a transaction, besides reading its code.
    pub const fn load_ink(&self, module_bytes: u64) -> u64 {
        module_bytes.div_ceil(WORD_BYTES).saturating_mul(self.module_word as u64)
    }

    /// Returns the ink of so many more pages, where the open frames of the transaction hold `open` pages before. It
    /// saturates at `u64::MAX`.
    #[expect(clippy::cast_possible_truncation, reason = "what is more than 64 bits saturates")]
    pub const fn pages_ink(&self, open: u32, pages: u32) -> u64 {
        let (open, pages) = (open as u128, pages as u128);
        // Each page pays for those before it: open, open + 1, and so on.
        let before = pages * open + pages * pages.saturating_sub(1) / 2;
        let ink = pages * self.memory_page as u128 + before * self.memory_page_rise as u128;
        if ink > u64::MAX as u128 { u64::MAX } else { ink as u64 }
    }

    /// Returns the canonical bytes of the schedule, for hashing.
    ///
    /// They are `u32` little-endian: the version, the number of instructions, for each in the order of
    /// [`Instruction::ALL`] its prefix times 256 plus its number, its ink where memory is small and where it is large, the
    /// most pages of a small memory, the number of units, the ink of each. Where instructions are counted, the most of them follows, `u64` little-endian.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut put = |word: u32| bytes.extend_from_slice(&word.to_le_bytes());
        put(self.version);
        put(u32::try_from(Instruction::ALL.len()).unwrap_or(u32::MAX));
        for &instruction in Instruction::ALL {
            let opcode = instruction.opcode();
            put(u32::from(opcode.prefix) << 8 | u32::from(opcode.number));
            let price = self.instruction(instruction);
            put(price.small);
            put(price.large);
        }
        put(self.small_memory_pages);
        let units = self.units();
        put(u32::try_from(units.len()).unwrap_or(u32::MAX));
        for (_, ink, _) in units {
            put(ink);
        }
        bytes.extend(self.steps_max.iter().flat_map(|steps| steps.to_le_bytes()));
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_of_different_schedules_differ() {
        let mut dearer = Schedule::V4;
        dearer.segment_applied += 1;
        assert_ne!(Schedule::V4.encode(), dearer.encode());
        assert_ne!(Schedule::V4.encode(), Schedule::ZERO_INSTRUCTION.encode());
        let fewer = Schedule { steps_max: Some(STEPS_MAX - 1), ..Schedule::ZERO_INSTRUCTION };
        assert_ne!(fewer.encode(), Schedule::ZERO_INSTRUCTION.encode());
    }

    #[test]
    fn counted_instructions_are_one_step_each_and_units_none() {
        let schedule = Schedule::ZERO_INSTRUCTION;
        assert!(
            Instruction::ALL.iter().all(|&instruction| schedule.instruction(instruction) == Price::flat(1))
        );
        assert!(schedule.units().iter().all(|&(_, ink, _)| ink == 0));
        assert_eq!(schedule.meter(7).steps_left(), Some(STEPS_MAX));
        assert_eq!(Schedule::V4.meter(7).steps_left(), None);
    }

    #[test]
    fn no_instruction_of_v4_is_free() {
        for &instruction in Instruction::ALL {
            assert!(Schedule::V4.instruction(instruction).small >= 100, "{instruction}");
        }
    }

    #[test]
    fn what_reads_or_writes_memory_costs_more_in_a_large_one_and_nothing_else_does() {
        for &instruction in Instruction::ALL {
            let Price { small, large } = Schedule::V4.instruction(instruction);
            let name = instruction.name();
            let accesses = ["load", "store", "memory.fill", "memory.copy", "memory.init"];
            assert_eq!(large > small, accesses.iter().any(|part| name.contains(part)), "{instruction}");
        }
    }

    #[test]
    fn encodings_tell_the_two_prices_and_their_border() {
        let mut other = Schedule::V4;
        other.small_memory_pages += 1;
        assert_ne!(Schedule::V4.encode(), other.encode());
        let mut other = Schedule::V4;
        other.classes[CostClass::Load as usize].large += 1;
        assert_ne!(Schedule::V4.encode(), other.encode());
    }
}
