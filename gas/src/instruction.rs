//! Every instruction of WebAssembly that the VM can run, once.
//!
//! A row is the name that `wasmparser` gives the operator, the name of the text format, the prefix byte (0 for
//! none) and the number, the type (or `context`, where immediates or the stack decide it), and the cost class.

use crate::{CostClass, ValueType};

/// Calls the macro `$apply` with every row of the instruction table.
///
/// A row is `/// doc` then `Variant "text name" prefix number type Class;`, where the type is
/// `[Param... => Result...]` or `context`.
#[macro_export]
macro_rules! for_each_instruction {
    ($apply:ident) => {
        $apply! {
            // Wasm 1.0
            /// Traps unconditionally.
            Unreachable "unreachable" 0x00 0x00 context Structure;
            /// Does nothing.
            Nop "nop" 0x00 0x01 [ => ] Structure;
            /// Opens a block whose label is its end.
            Block "block" 0x00 0x02 context Structure;
            /// Opens a block whose label is its beginning.
            Loop "loop" 0x00 0x03 context Structure;
            /// Opens a block that runs one of two arms, chosen by a 32-bit condition.
            If "if" 0x00 0x04 context Branch;
            /// Ends the first arm of an `if`; falling into it jumps behind the matching `end`.
            Else "else" 0x00 0x05 context Branch;
            /// Closes a block. The last one of a function returns, and costs what `return` does.
            End "end" 0x00 0x0b context Structure;
            /// Branches to an enclosing label.
            Br "br" 0x00 0x0c context Branch;
            /// Branches to an enclosing label if the condition is not zero.
            BrIf "br_if" 0x00 0x0d context Branch;
            /// Branches to a label chosen by an index.
            BrTable "br_table" 0x00 0x0e context BranchTable;
            /// Returns from the function.
            Return "return" 0x00 0x0f context Return;
            /// Calls a function.
            Call "call" 0x00 0x10 context Call;
            /// Calls a function through a table, after checking its type.
            CallIndirect "call_indirect" 0x00 0x11 context CallIndirect;
            /// Discards a value.
            Drop "drop" 0x00 0x1a context Move;
            /// Chooses one of two values of a number or vector type by a condition.
            Select "select" 0x00 0x1b context Select;
            /// Reads a local.
            LocalGet "local.get" 0x00 0x20 context Move;
            /// Writes a local.
            LocalSet "local.set" 0x00 0x21 context Move;
            /// Writes a local and keeps the value on the stack.
            LocalTee "local.tee" 0x00 0x22 context Move;
            /// Reads a global.
            GlobalGet "global.get" 0x00 0x23 context Global;
            /// Writes a global.
            GlobalSet "global.set" 0x00 0x24 context Global;
            /// Reads a 32-bit integer from memory.
            I32Load "i32.load" 0x00 0x28 [I32 => I32] Load;
            /// Reads a 64-bit integer from memory.
            I64Load "i64.load" 0x00 0x29 [I32 => I64] Load;
            /// Reads a 32-bit float from memory.
            F32Load "f32.load" 0x00 0x2a [I32 => F32] Load;
            /// Reads a 64-bit float from memory.
            F64Load "f64.load" 0x00 0x2b [I32 => F64] Load;
            /// Reads 8 signed bits of memory, widened to 32.
            I32Load8S "i32.load8_s" 0x00 0x2c [I32 => I32] Load;
            /// Reads 8 unsigned bits of memory, widened to 32.
            I32Load8U "i32.load8_u" 0x00 0x2d [I32 => I32] Load;
            /// Reads 16 signed bits of memory, widened to 32.
            I32Load16S "i32.load16_s" 0x00 0x2e [I32 => I32] Load;
            /// Reads 16 unsigned bits of memory, widened to 32.
            I32Load16U "i32.load16_u" 0x00 0x2f [I32 => I32] Load;
            /// Reads 8 signed bits of memory, widened to 64.
            I64Load8S "i64.load8_s" 0x00 0x30 [I32 => I64] Load;
            /// Reads 8 unsigned bits of memory, widened to 64.
            I64Load8U "i64.load8_u" 0x00 0x31 [I32 => I64] Load;
            /// Reads 16 signed bits of memory, widened to 64.
            I64Load16S "i64.load16_s" 0x00 0x32 [I32 => I64] Load;
            /// Reads 16 unsigned bits of memory, widened to 64.
            I64Load16U "i64.load16_u" 0x00 0x33 [I32 => I64] Load;
            /// Reads 32 signed bits of memory, widened to 64.
            I64Load32S "i64.load32_s" 0x00 0x34 [I32 => I64] Load;
            /// Reads 32 unsigned bits of memory, widened to 64.
            I64Load32U "i64.load32_u" 0x00 0x35 [I32 => I64] Load;
            /// Writes a 32-bit integer to memory.
            I32Store "i32.store" 0x00 0x36 [I32 I32 => ] Store;
            /// Writes a 64-bit integer to memory.
            I64Store "i64.store" 0x00 0x37 [I32 I64 => ] Store;
            /// Writes a 32-bit float to memory.
            F32Store "f32.store" 0x00 0x38 [I32 F32 => ] Store;
            /// Writes a 64-bit float to memory.
            F64Store "f64.store" 0x00 0x39 [I32 F64 => ] Store;
            /// Writes the low 8 bits to memory.
            I32Store8 "i32.store8" 0x00 0x3a [I32 I32 => ] Store;
            /// Writes the low 16 bits to memory.
            I32Store16 "i32.store16" 0x00 0x3b [I32 I32 => ] Store;
            /// Writes the low 8 bits to memory.
            I64Store8 "i64.store8" 0x00 0x3c [I32 I64 => ] Store;
            /// Writes the low 16 bits to memory.
            I64Store16 "i64.store16" 0x00 0x3d [I32 I64 => ] Store;
            /// Writes the low 32 bits to memory.
            I64Store32 "i64.store32" 0x00 0x3e [I32 I64 => ] Store;
            /// Returns the size of memory in pages.
            MemorySize "memory.size" 0x00 0x3f [ => I32] Size;
            /// Grows memory by a number of pages; returns the old size, or -1 where a limit would be passed.
            MemoryGrow "memory.grow" 0x00 0x40 [I32 => I32] Grow;
            /// Returns a constant 32-bit integer.
            I32Const "i32.const" 0x00 0x41 [ => I32] Move;
            /// Returns a constant 64-bit integer.
            I64Const "i64.const" 0x00 0x42 [ => I64] Move;
            /// Returns a constant 32-bit float.
            F32Const "f32.const" 0x00 0x43 [ => F32] Move;
            /// Returns a constant 64-bit float.
            F64Const "f64.const" 0x00 0x44 [ => F64] Move;
            /// Returns 1 if the 32-bit integer is zero, else 0.
            I32Eqz "i32.eqz" 0x00 0x45 [I32 => I32] Arithmetic;
            /// Returns 1 if the first 32-bit integer is equal to the second, else 0.
            I32Eq "i32.eq" 0x00 0x46 [I32 I32 => I32] Arithmetic;
            /// Returns 1 if the first 32-bit integer is different from the second, else 0.
            I32Ne "i32.ne" 0x00 0x47 [I32 I32 => I32] Arithmetic;
            /// Returns 1 if the first 32-bit integer is less than the second (signed), else 0.
            I32LtS "i32.lt_s" 0x00 0x48 [I32 I32 => I32] Arithmetic;
            /// Returns 1 if the first 32-bit integer is less than the second (unsigned), else 0.
            I32LtU "i32.lt_u" 0x00 0x49 [I32 I32 => I32] Arithmetic;
            /// Returns 1 if the first 32-bit integer is greater than the second (signed), else 0.
            I32GtS "i32.gt_s" 0x00 0x4a [I32 I32 => I32] Arithmetic;
            /// Returns 1 if the first 32-bit integer is greater than the second (unsigned), else 0.
            I32GtU "i32.gt_u" 0x00 0x4b [I32 I32 => I32] Arithmetic;
            /// Returns 1 if the first 32-bit integer is at most the second (signed), else 0.
            I32LeS "i32.le_s" 0x00 0x4c [I32 I32 => I32] Arithmetic;
            /// Returns 1 if the first 32-bit integer is at most the second (unsigned), else 0.
            I32LeU "i32.le_u" 0x00 0x4d [I32 I32 => I32] Arithmetic;
            /// Returns 1 if the first 32-bit integer is at least the second (signed), else 0.
            I32GeS "i32.ge_s" 0x00 0x4e [I32 I32 => I32] Arithmetic;
            /// Returns 1 if the first 32-bit integer is at least the second (unsigned), else 0.
            I32GeU "i32.ge_u" 0x00 0x4f [I32 I32 => I32] Arithmetic;
            /// Returns 1 if the 64-bit integer is zero, else 0.
            I64Eqz "i64.eqz" 0x00 0x50 [I64 => I32] Arithmetic;
            /// Returns 1 if the first 64-bit integer is equal to the second, else 0.
            I64Eq "i64.eq" 0x00 0x51 [I64 I64 => I32] Arithmetic;
            /// Returns 1 if the first 64-bit integer is different from the second, else 0.
            I64Ne "i64.ne" 0x00 0x52 [I64 I64 => I32] Arithmetic;
            /// Returns 1 if the first 64-bit integer is less than the second (signed), else 0.
            I64LtS "i64.lt_s" 0x00 0x53 [I64 I64 => I32] Arithmetic;
            /// Returns 1 if the first 64-bit integer is less than the second (unsigned), else 0.
            I64LtU "i64.lt_u" 0x00 0x54 [I64 I64 => I32] Arithmetic;
            /// Returns 1 if the first 64-bit integer is greater than the second (signed), else 0.
            I64GtS "i64.gt_s" 0x00 0x55 [I64 I64 => I32] Arithmetic;
            /// Returns 1 if the first 64-bit integer is greater than the second (unsigned), else 0.
            I64GtU "i64.gt_u" 0x00 0x56 [I64 I64 => I32] Arithmetic;
            /// Returns 1 if the first 64-bit integer is at most the second (signed), else 0.
            I64LeS "i64.le_s" 0x00 0x57 [I64 I64 => I32] Arithmetic;
            /// Returns 1 if the first 64-bit integer is at most the second (unsigned), else 0.
            I64LeU "i64.le_u" 0x00 0x58 [I64 I64 => I32] Arithmetic;
            /// Returns 1 if the first 64-bit integer is at least the second (signed), else 0.
            I64GeS "i64.ge_s" 0x00 0x59 [I64 I64 => I32] Arithmetic;
            /// Returns 1 if the first 64-bit integer is at least the second (unsigned), else 0.
            I64GeU "i64.ge_u" 0x00 0x5a [I64 I64 => I32] Arithmetic;
            /// Returns 1 if the first 32-bit float is equal to the second, else 0.
            F32Eq "f32.eq" 0x00 0x5b [F32 F32 => I32] FloatCompare;
            /// Returns 1 if the first 32-bit float is different from the second, else 0.
            F32Ne "f32.ne" 0x00 0x5c [F32 F32 => I32] FloatCompare;
            /// Returns 1 if the first 32-bit float is less than the second, else 0.
            F32Lt "f32.lt" 0x00 0x5d [F32 F32 => I32] FloatCompare;
            /// Returns 1 if the first 32-bit float is greater than the second, else 0.
            F32Gt "f32.gt" 0x00 0x5e [F32 F32 => I32] FloatCompare;
            /// Returns 1 if the first 32-bit float is at most the second, else 0.
            F32Le "f32.le" 0x00 0x5f [F32 F32 => I32] FloatCompare;
            /// Returns 1 if the first 32-bit float is at least the second, else 0.
            F32Ge "f32.ge" 0x00 0x60 [F32 F32 => I32] FloatCompare;
            /// Returns 1 if the first 64-bit float is equal to the second, else 0.
            F64Eq "f64.eq" 0x00 0x61 [F64 F64 => I32] FloatCompare;
            /// Returns 1 if the first 64-bit float is different from the second, else 0.
            F64Ne "f64.ne" 0x00 0x62 [F64 F64 => I32] FloatCompare;
            /// Returns 1 if the first 64-bit float is less than the second, else 0.
            F64Lt "f64.lt" 0x00 0x63 [F64 F64 => I32] FloatCompare;
            /// Returns 1 if the first 64-bit float is greater than the second, else 0.
            F64Gt "f64.gt" 0x00 0x64 [F64 F64 => I32] FloatCompare;
            /// Returns 1 if the first 64-bit float is at most the second, else 0.
            F64Le "f64.le" 0x00 0x65 [F64 F64 => I32] FloatCompare;
            /// Returns 1 if the first 64-bit float is at least the second, else 0.
            F64Ge "f64.ge" 0x00 0x66 [F64 F64 => I32] FloatCompare;
            /// Counts leading zeros.
            I32Clz "i32.clz" 0x00 0x67 [I32 => I32] BitCount;
            /// Counts trailing zeros.
            I32Ctz "i32.ctz" 0x00 0x68 [I32 => I32] BitCount;
            /// Counts one bits.
            I32Popcnt "i32.popcnt" 0x00 0x69 [I32 => I32] BitCount;
            /// Adds two 32-bit integers, wrapping around.
            I32Add "i32.add" 0x00 0x6a [I32 I32 => I32] Arithmetic;
            /// Subtracts two 32-bit integers, wrapping around.
            I32Sub "i32.sub" 0x00 0x6b [I32 I32 => I32] Arithmetic;
            /// Multiplies two 32-bit integers, wrapping around.
            I32Mul "i32.mul" 0x00 0x6c [I32 I32 => I32] Multiply;
            /// Signed quotient of two 32-bit integers; traps on division by zero and on overflow.
            I32DivS "i32.div_s" 0x00 0x6d [I32 I32 => I32] Divide32;
            /// Unsigned quotient of two 32-bit integers; traps on division by zero.
            I32DivU "i32.div_u" 0x00 0x6e [I32 I32 => I32] Divide32;
            /// Signed remainder of two 32-bit integers; traps on division by zero.
            I32RemS "i32.rem_s" 0x00 0x6f [I32 I32 => I32] Divide32;
            /// Unsigned remainder of two 32-bit integers; traps on division by zero.
            I32RemU "i32.rem_u" 0x00 0x70 [I32 I32 => I32] Divide32;
            /// Bitwise and of two 32-bit integers.
            I32And "i32.and" 0x00 0x71 [I32 I32 => I32] Arithmetic;
            /// Bitwise or of two 32-bit integers.
            I32Or "i32.or" 0x00 0x72 [I32 I32 => I32] Arithmetic;
            /// Bitwise exclusive or of two 32-bit integers.
            I32Xor "i32.xor" 0x00 0x73 [I32 I32 => I32] Arithmetic;
            /// Shifts left a 32-bit integer by a distance taken modulo 32.
            I32Shl "i32.shl" 0x00 0x74 [I32 I32 => I32] Arithmetic;
            /// Shifts right, copying the sign, a 32-bit integer by a distance taken modulo 32.
            I32ShrS "i32.shr_s" 0x00 0x75 [I32 I32 => I32] Arithmetic;
            /// Shifts right, filling with zeros, a 32-bit integer by a distance taken modulo 32.
            I32ShrU "i32.shr_u" 0x00 0x76 [I32 I32 => I32] Arithmetic;
            /// Rotates left a 32-bit integer by a distance taken modulo 32.
            I32Rotl "i32.rotl" 0x00 0x77 [I32 I32 => I32] Arithmetic;
            /// Rotates right a 32-bit integer by a distance taken modulo 32.
            I32Rotr "i32.rotr" 0x00 0x78 [I32 I32 => I32] Arithmetic;
            /// Counts leading zeros.
            I64Clz "i64.clz" 0x00 0x79 [I64 => I64] BitCount;
            /// Counts trailing zeros.
            I64Ctz "i64.ctz" 0x00 0x7a [I64 => I64] BitCount;
            /// Counts one bits.
            I64Popcnt "i64.popcnt" 0x00 0x7b [I64 => I64] BitCount;
            /// Adds two 64-bit integers, wrapping around.
            I64Add "i64.add" 0x00 0x7c [I64 I64 => I64] Arithmetic;
            /// Subtracts two 64-bit integers, wrapping around.
            I64Sub "i64.sub" 0x00 0x7d [I64 I64 => I64] Arithmetic;
            /// Multiplies two 64-bit integers, wrapping around.
            I64Mul "i64.mul" 0x00 0x7e [I64 I64 => I64] Multiply;
            /// Signed quotient of two 64-bit integers; traps on division by zero and on overflow.
            I64DivS "i64.div_s" 0x00 0x7f [I64 I64 => I64] Divide64;
            /// Unsigned quotient of two 64-bit integers; traps on division by zero.
            I64DivU "i64.div_u" 0x00 0x80 [I64 I64 => I64] Divide64;
            /// Signed remainder of two 64-bit integers; traps on division by zero.
            I64RemS "i64.rem_s" 0x00 0x81 [I64 I64 => I64] Divide64;
            /// Unsigned remainder of two 64-bit integers; traps on division by zero.
            I64RemU "i64.rem_u" 0x00 0x82 [I64 I64 => I64] Divide64;
            /// Bitwise and of two 64-bit integers.
            I64And "i64.and" 0x00 0x83 [I64 I64 => I64] Arithmetic;
            /// Bitwise or of two 64-bit integers.
            I64Or "i64.or" 0x00 0x84 [I64 I64 => I64] Arithmetic;
            /// Bitwise exclusive or of two 64-bit integers.
            I64Xor "i64.xor" 0x00 0x85 [I64 I64 => I64] Arithmetic;
            /// Shifts left a 64-bit integer by a distance taken modulo 64.
            I64Shl "i64.shl" 0x00 0x86 [I64 I64 => I64] Arithmetic;
            /// Shifts right, copying the sign, a 64-bit integer by a distance taken modulo 64.
            I64ShrS "i64.shr_s" 0x00 0x87 [I64 I64 => I64] Arithmetic;
            /// Shifts right, filling with zeros, a 64-bit integer by a distance taken modulo 64.
            I64ShrU "i64.shr_u" 0x00 0x88 [I64 I64 => I64] Arithmetic;
            /// Rotates left a 64-bit integer by a distance taken modulo 64.
            I64Rotl "i64.rotl" 0x00 0x89 [I64 I64 => I64] Arithmetic;
            /// Rotates right a 64-bit integer by a distance taken modulo 64.
            I64Rotr "i64.rotr" 0x00 0x8a [I64 I64 => I64] Arithmetic;
            /// Clears the sign bit; keeps NaN bits.
            F32Abs "f32.abs" 0x00 0x8b [F32 => F32] Arithmetic;
            /// Flips the sign bit; keeps NaN bits.
            F32Neg "f32.neg" 0x00 0x8c [F32 => F32] Arithmetic;
            /// Rounds up to an integral value.
            F32Ceil "f32.ceil" 0x00 0x8d [F32 => F32] FloatRound;
            /// Rounds down to an integral value.
            F32Floor "f32.floor" 0x00 0x8e [F32 => F32] FloatRound;
            /// Rounds towards zero to an integral value.
            F32Trunc "f32.trunc" 0x00 0x8f [F32 => F32] FloatRound;
            /// Rounds to the nearest integral value, ties to even.
            F32Nearest "f32.nearest" 0x00 0x90 [F32 => F32] FloatRound;
            /// Square root.
            F32Sqrt "f32.sqrt" 0x00 0x91 [F32 => F32] FloatSqrt;
            /// Adds two 32-bit floats.
            F32Add "f32.add" 0x00 0x92 [F32 F32 => F32] FloatArithmetic;
            /// Subtracts two 32-bit floats.
            F32Sub "f32.sub" 0x00 0x93 [F32 F32 => F32] FloatArithmetic;
            /// Multiplies two 32-bit floats.
            F32Mul "f32.mul" 0x00 0x94 [F32 F32 => F32] FloatArithmetic;
            /// Divides two 32-bit floats.
            F32Div "f32.div" 0x00 0x95 [F32 F32 => F32] FloatDivide;
            /// Smaller of two 32-bit floats; NaN if either is, and -0 is below +0.
            F32Min "f32.min" 0x00 0x96 [F32 F32 => F32] FloatMinMax;
            /// Greater of two 32-bit floats; NaN if either is, and -0 is below +0.
            F32Max "f32.max" 0x00 0x97 [F32 F32 => F32] FloatMinMax;
            /// Takes the magnitude of the first and the sign bit of the second; keeps NaN bits.
            F32Copysign "f32.copysign" 0x00 0x98 [F32 F32 => F32] Arithmetic;
            /// Clears the sign bit; keeps NaN bits.
            F64Abs "f64.abs" 0x00 0x99 [F64 => F64] Arithmetic;
            /// Flips the sign bit; keeps NaN bits.
            F64Neg "f64.neg" 0x00 0x9a [F64 => F64] Arithmetic;
            /// Rounds up to an integral value.
            F64Ceil "f64.ceil" 0x00 0x9b [F64 => F64] FloatRound;
            /// Rounds down to an integral value.
            F64Floor "f64.floor" 0x00 0x9c [F64 => F64] FloatRound;
            /// Rounds towards zero to an integral value.
            F64Trunc "f64.trunc" 0x00 0x9d [F64 => F64] FloatRound;
            /// Rounds to the nearest integral value, ties to even.
            F64Nearest "f64.nearest" 0x00 0x9e [F64 => F64] FloatRound;
            /// Square root.
            F64Sqrt "f64.sqrt" 0x00 0x9f [F64 => F64] FloatSqrt;
            /// Adds two 64-bit floats.
            F64Add "f64.add" 0x00 0xa0 [F64 F64 => F64] FloatArithmetic;
            /// Subtracts two 64-bit floats.
            F64Sub "f64.sub" 0x00 0xa1 [F64 F64 => F64] FloatArithmetic;
            /// Multiplies two 64-bit floats.
            F64Mul "f64.mul" 0x00 0xa2 [F64 F64 => F64] FloatArithmetic;
            /// Divides two 64-bit floats.
            F64Div "f64.div" 0x00 0xa3 [F64 F64 => F64] FloatDivide;
            /// Smaller of two 64-bit floats; NaN if either is, and -0 is below +0.
            F64Min "f64.min" 0x00 0xa4 [F64 F64 => F64] FloatMinMax;
            /// Greater of two 64-bit floats; NaN if either is, and -0 is below +0.
            F64Max "f64.max" 0x00 0xa5 [F64 F64 => F64] FloatMinMax;
            /// Takes the magnitude of the first and the sign bit of the second; keeps NaN bits.
            F64Copysign "f64.copysign" 0x00 0xa6 [F64 F64 => F64] Arithmetic;
            /// Keeps the low 32 bits of a 64-bit integer.
            I32WrapI64 "i32.wrap_i64" 0x00 0xa7 [I64 => I32] Arithmetic;
            /// Rounds a 32-bit float towards zero to a signed 32-bit integer; traps on NaN and out of range.
            I32TruncF32S "i32.trunc_f32_s" 0x00 0xa8 [F32 => I32] FloatConvert;
            /// Rounds a 32-bit float towards zero to an unsigned 32-bit integer; traps if it is none.
            I32TruncF32U "i32.trunc_f32_u" 0x00 0xa9 [F32 => I32] FloatConvert;
            /// Rounds a 64-bit float towards zero to a signed 32-bit integer; traps on NaN and out of range.
            I32TruncF64S "i32.trunc_f64_s" 0x00 0xaa [F64 => I32] FloatConvert;
            /// Rounds a 64-bit float towards zero to an unsigned 32-bit integer; traps if it is none.
            I32TruncF64U "i32.trunc_f64_u" 0x00 0xab [F64 => I32] FloatConvert;
            /// Widens a signed 32-bit integer.
            I64ExtendI32S "i64.extend_i32_s" 0x00 0xac [I32 => I64] Arithmetic;
            /// Widens an unsigned 32-bit integer.
            I64ExtendI32U "i64.extend_i32_u" 0x00 0xad [I32 => I64] Arithmetic;
            /// Rounds a 32-bit float towards zero to a signed 64-bit integer; traps on NaN and out of range.
            I64TruncF32S "i64.trunc_f32_s" 0x00 0xae [F32 => I64] FloatConvert;
            /// Rounds a 32-bit float towards zero to an unsigned 64-bit integer; traps if it is none.
            I64TruncF32U "i64.trunc_f32_u" 0x00 0xaf [F32 => I64] FloatConvert;
            /// Rounds a 64-bit float towards zero to a signed 64-bit integer; traps on NaN and out of range.
            I64TruncF64S "i64.trunc_f64_s" 0x00 0xb0 [F64 => I64] FloatConvert;
            /// Rounds a 64-bit float towards zero to an unsigned 64-bit integer; traps if it is none.
            I64TruncF64U "i64.trunc_f64_u" 0x00 0xb1 [F64 => I64] FloatConvert;
            /// Converts a signed 32-bit integer, rounding to nearest.
            F32ConvertI32S "f32.convert_i32_s" 0x00 0xb2 [I32 => F32] FloatConvert;
            /// Converts an unsigned 32-bit integer, rounding to nearest.
            F32ConvertI32U "f32.convert_i32_u" 0x00 0xb3 [I32 => F32] FloatConvert;
            /// Converts a signed 64-bit integer, rounding to nearest.
            F32ConvertI64S "f32.convert_i64_s" 0x00 0xb4 [I64 => F32] FloatConvert;
            /// Converts an unsigned 64-bit integer, rounding to nearest.
            F32ConvertI64U "f32.convert_i64_u" 0x00 0xb5 [I64 => F32] FloatConvert;
            /// Rounds a 64-bit float to 32 bits.
            F32DemoteF64 "f32.demote_f64" 0x00 0xb6 [F64 => F32] FloatConvert;
            /// Converts a signed 32-bit integer, rounding to nearest.
            F64ConvertI32S "f64.convert_i32_s" 0x00 0xb7 [I32 => F64] FloatConvert;
            /// Converts an unsigned 32-bit integer, rounding to nearest.
            F64ConvertI32U "f64.convert_i32_u" 0x00 0xb8 [I32 => F64] FloatConvert;
            /// Converts a signed 64-bit integer, rounding to nearest.
            F64ConvertI64S "f64.convert_i64_s" 0x00 0xb9 [I64 => F64] FloatConvert;
            /// Converts an unsigned 64-bit integer, rounding to nearest.
            F64ConvertI64U "f64.convert_i64_u" 0x00 0xba [I64 => F64] FloatConvert;
            /// Widens a 32-bit float.
            F64PromoteF32 "f64.promote_f32" 0x00 0xbb [F32 => F64] FloatConvert;
            /// Takes the bits of a 32-bit float as an integer.
            I32ReinterpretF32 "i32.reinterpret_f32" 0x00 0xbc [F32 => I32] Arithmetic;
            /// Takes the bits of a 64-bit float as an integer.
            I64ReinterpretF64 "i64.reinterpret_f64" 0x00 0xbd [F64 => I64] Arithmetic;
            /// Takes the bits of a 32-bit integer as a float.
            F32ReinterpretI32 "f32.reinterpret_i32" 0x00 0xbe [I32 => F32] Arithmetic;
            /// Takes the bits of a 64-bit integer as a float.
            F64ReinterpretI64 "f64.reinterpret_i64" 0x00 0xbf [I64 => F64] Arithmetic;
            // Sign extension
            /// Copies the sign of the low 8 bits into the higher ones.
            I32Extend8S "i32.extend8_s" 0x00 0xc0 [I32 => I32] Arithmetic;
            /// Copies the sign of the low 16 bits into the higher ones.
            I32Extend16S "i32.extend16_s" 0x00 0xc1 [I32 => I32] Arithmetic;
            /// Copies the sign of the low 8 bits into the higher ones.
            I64Extend8S "i64.extend8_s" 0x00 0xc2 [I64 => I64] Arithmetic;
            /// Copies the sign of the low 16 bits into the higher ones.
            I64Extend16S "i64.extend16_s" 0x00 0xc3 [I64 => I64] Arithmetic;
            /// Copies the sign of the low 32 bits into the higher ones.
            I64Extend32S "i64.extend32_s" 0x00 0xc4 [I64 => I64] Arithmetic;
            // Saturating conversions
            /// Rounds a 32-bit float towards zero to a signed 32-bit integer; clamping, NaN gives 0.
            I32TruncSatF32S "i32.trunc_sat_f32_s" 0xfc 0x00 [F32 => I32] FloatConvert;
            /// Rounds a 32-bit float towards zero to an unsigned 32-bit integer; clamping, NaN gives 0.
            I32TruncSatF32U "i32.trunc_sat_f32_u" 0xfc 0x01 [F32 => I32] FloatConvert;
            /// Rounds a 64-bit float towards zero to a signed 32-bit integer; clamping, NaN gives 0.
            I32TruncSatF64S "i32.trunc_sat_f64_s" 0xfc 0x02 [F64 => I32] FloatConvert;
            /// Rounds a 64-bit float towards zero to an unsigned 32-bit integer; clamping, NaN gives 0.
            I32TruncSatF64U "i32.trunc_sat_f64_u" 0xfc 0x03 [F64 => I32] FloatConvert;
            /// Rounds a 32-bit float towards zero to a signed 64-bit integer; clamping, NaN gives 0.
            I64TruncSatF32S "i64.trunc_sat_f32_s" 0xfc 0x04 [F32 => I64] FloatConvert;
            /// Rounds a 32-bit float towards zero to an unsigned 64-bit integer; clamping, NaN gives 0.
            I64TruncSatF32U "i64.trunc_sat_f32_u" 0xfc 0x05 [F32 => I64] FloatConvert;
            /// Rounds a 64-bit float towards zero to a signed 64-bit integer; clamping, NaN gives 0.
            I64TruncSatF64S "i64.trunc_sat_f64_s" 0xfc 0x06 [F64 => I64] FloatConvert;
            /// Rounds a 64-bit float towards zero to an unsigned 64-bit integer; clamping, NaN gives 0.
            I64TruncSatF64U "i64.trunc_sat_f64_u" 0xfc 0x07 [F64 => I64] FloatConvert;
            // Bulk memory
            /// Copies part of a data segment into memory.
            MemoryInit "memory.init" 0xfc 0x08 [I32 I32 I32 => ] BulkMemory;
            /// Discards a data segment.
            DataDrop "data.drop" 0xfc 0x09 [ => ] Drop;
            /// Copies a range of memory to another, also where they overlap.
            MemoryCopy "memory.copy" 0xfc 0x0a [I32 I32 I32 => ] BulkMemory;
            /// Sets a range of memory to one byte.
            MemoryFill "memory.fill" 0xfc 0x0b [I32 I32 I32 => ] BulkMemory;
            /// Copies part of an element segment into a table.
            TableInit "table.init" 0xfc 0x0c [I32 I32 I32 => ] BulkTable;
            /// Discards an element segment.
            ElemDrop "elem.drop" 0xfc 0x0d [ => ] Drop;
            /// Copies a range of a table to a range of another or of the same.
            TableCopy "table.copy" 0xfc 0x0e [I32 I32 I32 => ] BulkTable;
            // Reference types
            /// Chooses one of two values of a stated type by a condition.
            TypedSelect "select" 0x00 0x1c context Select;
            /// Returns the null reference of a type.
            RefNull "ref.null" 0x00 0xd0 context Move;
            /// Returns 1 if the reference is null, else 0.
            RefIsNull "ref.is_null" 0x00 0xd1 context Arithmetic;
            /// Returns a reference to a function.
            RefFunc "ref.func" 0x00 0xd2 [ => FuncRef] Table;
            /// Sets a range of a table to one reference.
            TableFill "table.fill" 0xfc 0x11 context BulkTable;
            /// Reads an element of a table.
            TableGet "table.get" 0x00 0x25 context Table;
            /// Writes an element of a table.
            TableSet "table.set" 0x00 0x26 context Table;
            /// Grows a table; returns the old size, or -1 where a limit would be passed.
            TableGrow "table.grow" 0xfc 0x0f context Grow;
            /// Returns the number of elements of a table.
            TableSize "table.size" 0xfc 0x10 [ => I32] Size;
            // Tail calls
            /// Calls a function in place of the current one.
            ReturnCall "return_call" 0x00 0x12 context Call;
            /// Calls a function through a table, in place of the current one.
            ReturnCallIndirect "return_call_indirect" 0x00 0x13 context CallIndirect;
            // Fixed-width SIMD
            /// Reads 128 bits from memory.
            V128Load "v128.load" 0xfd 0x00 [I32 => V128] VectorLoad;
            /// Reads 8 signed 8-bit lanes from memory and widens each to twice its width.
            V128Load8x8S "v128.load8x8_s" 0xfd 0x01 [I32 => V128] VectorLoad;
            /// Reads 8 unsigned 8-bit lanes from memory and widens each to twice its width.
            V128Load8x8U "v128.load8x8_u" 0xfd 0x02 [I32 => V128] VectorLoad;
            /// Reads 4 signed 16-bit lanes from memory and widens each to twice its width.
            V128Load16x4S "v128.load16x4_s" 0xfd 0x03 [I32 => V128] VectorLoad;
            /// Reads 4 unsigned 16-bit lanes from memory and widens each to twice its width.
            V128Load16x4U "v128.load16x4_u" 0xfd 0x04 [I32 => V128] VectorLoad;
            /// Reads 2 signed 32-bit lanes from memory and widens each to twice its width.
            V128Load32x2S "v128.load32x2_s" 0xfd 0x05 [I32 => V128] VectorLoad;
            /// Reads 2 unsigned 32-bit lanes from memory and widens each to twice its width.
            V128Load32x2U "v128.load32x2_u" 0xfd 0x06 [I32 => V128] VectorLoad;
            /// Reads 8 bits from memory into every lane.
            V128Load8Splat "v128.load8_splat" 0xfd 0x07 [I32 => V128] VectorLoad;
            /// Reads 16 bits from memory into every lane.
            V128Load16Splat "v128.load16_splat" 0xfd 0x08 [I32 => V128] VectorLoad;
            /// Reads 32 bits from memory into every lane.
            V128Load32Splat "v128.load32_splat" 0xfd 0x09 [I32 => V128] VectorLoad;
            /// Reads 64 bits from memory into every lane.
            V128Load64Splat "v128.load64_splat" 0xfd 0x0a [I32 => V128] VectorLoad;
            /// Reads 32 bits from memory into the first lane and clears the rest.
            V128Load32Zero "v128.load32_zero" 0xfd 0x5c [I32 => V128] VectorLoad;
            /// Reads 64 bits from memory into the first lane and clears the rest.
            V128Load64Zero "v128.load64_zero" 0xfd 0x5d [I32 => V128] VectorLoad;
            /// Writes 128 bits to memory.
            V128Store "v128.store" 0xfd 0x0b [I32 V128 => ] VectorStore;
            /// Reads 8 bits from memory into one lane.
            V128Load8Lane "v128.load8_lane" 0xfd 0x54 [I32 V128 => V128] VectorLoad;
            /// Reads 16 bits from memory into one lane.
            V128Load16Lane "v128.load16_lane" 0xfd 0x55 [I32 V128 => V128] VectorLoad;
            /// Reads 32 bits from memory into one lane.
            V128Load32Lane "v128.load32_lane" 0xfd 0x56 [I32 V128 => V128] VectorLoad;
            /// Reads 64 bits from memory into one lane.
            V128Load64Lane "v128.load64_lane" 0xfd 0x57 [I32 V128 => V128] VectorLoad;
            /// Writes one 8-bit lane to memory.
            V128Store8Lane "v128.store8_lane" 0xfd 0x58 [I32 V128 => ] VectorStore;
            /// Writes one 16-bit lane to memory.
            V128Store16Lane "v128.store16_lane" 0xfd 0x59 [I32 V128 => ] VectorStore;
            /// Writes one 32-bit lane to memory.
            V128Store32Lane "v128.store32_lane" 0xfd 0x5a [I32 V128 => ] VectorStore;
            /// Writes one 64-bit lane to memory.
            V128Store64Lane "v128.store64_lane" 0xfd 0x5b [I32 V128 => ] VectorStore;
            /// Returns a constant vector.
            V128Const "v128.const" 0xfd 0x0c [ => V128] VectorMove;
            /// Picks 16 bytes of two vectors by constant indices.
            I8x16Shuffle "i8x16.shuffle" 0xfd 0x0d [V128 V128 => V128] VectorShuffle;
            /// Returns one lane, signed.
            I8x16ExtractLaneS "i8x16.extract_lane_s" 0xfd 0x15 [V128 => I32] VectorMove;
            /// Returns one lane, unsigned.
            I8x16ExtractLaneU "i8x16.extract_lane_u" 0xfd 0x16 [V128 => I32] VectorMove;
            /// Replaces one lane.
            I8x16ReplaceLane "i8x16.replace_lane" 0xfd 0x17 [V128 I32 => V128] VectorMove;
            /// Returns one lane, signed.
            I16x8ExtractLaneS "i16x8.extract_lane_s" 0xfd 0x18 [V128 => I32] VectorMove;
            /// Returns one lane, unsigned.
            I16x8ExtractLaneU "i16x8.extract_lane_u" 0xfd 0x19 [V128 => I32] VectorMove;
            /// Replaces one lane.
            I16x8ReplaceLane "i16x8.replace_lane" 0xfd 0x1a [V128 I32 => V128] VectorMove;
            /// Returns one lane.
            I32x4ExtractLane "i32x4.extract_lane" 0xfd 0x1b [V128 => I32] VectorMove;
            /// Replaces one lane.
            I32x4ReplaceLane "i32x4.replace_lane" 0xfd 0x1c [V128 I32 => V128] VectorMove;
            /// Returns one lane.
            I64x2ExtractLane "i64x2.extract_lane" 0xfd 0x1d [V128 => I64] VectorMove;
            /// Replaces one lane.
            I64x2ReplaceLane "i64x2.replace_lane" 0xfd 0x1e [V128 I64 => V128] VectorMove;
            /// Returns one lane.
            F32x4ExtractLane "f32x4.extract_lane" 0xfd 0x1f [V128 => F32] VectorMove;
            /// Replaces one lane.
            F32x4ReplaceLane "f32x4.replace_lane" 0xfd 0x20 [V128 F32 => V128] VectorMove;
            /// Returns one lane.
            F64x2ExtractLane "f64x2.extract_lane" 0xfd 0x21 [V128 => F64] VectorMove;
            /// Replaces one lane.
            F64x2ReplaceLane "f64x2.replace_lane" 0xfd 0x22 [V128 F64 => V128] VectorMove;
            /// Picks 16 bytes of the first vector by the indices in the second; an index past 15 gives 0.
            I8x16Swizzle "i8x16.swizzle" 0xfd 0x0e [V128 V128 => V128] VectorShuffle;
            /// Copies a number into every lane.
            I8x16Splat "i8x16.splat" 0xfd 0x0f [I32 => V128] VectorMove;
            /// Copies a number into every lane.
            I16x8Splat "i16x8.splat" 0xfd 0x10 [I32 => V128] VectorMove;
            /// Copies a number into every lane.
            I32x4Splat "i32x4.splat" 0xfd 0x11 [I32 => V128] VectorMove;
            /// Copies a number into every lane.
            I64x2Splat "i64x2.splat" 0xfd 0x12 [I64 => V128] VectorMove;
            /// Copies a number into every lane.
            F32x4Splat "f32x4.splat" 0xfd 0x13 [F32 => V128] VectorMove;
            /// Copies a number into every lane.
            F64x2Splat "f64x2.splat" 0xfd 0x14 [F64 => V128] VectorMove;
            /// Compares 8-bit lanes: all ones where equal to the second, else zero.
            I8x16Eq "i8x16.eq" 0xfd 0x23 [V128 V128 => V128] VectorArithmetic;
            /// Compares 8-bit lanes: all ones where different from the second, else zero.
            I8x16Ne "i8x16.ne" 0xfd 0x24 [V128 V128 => V128] VectorArithmetic;
            /// Compares 8-bit lanes (signed): all ones where less than the second, else zero.
            I8x16LtS "i8x16.lt_s" 0xfd 0x25 [V128 V128 => V128] VectorArithmetic;
            /// Compares 8-bit lanes (unsigned): all ones where less than the second, else zero.
            I8x16LtU "i8x16.lt_u" 0xfd 0x26 [V128 V128 => V128] VectorArithmetic;
            /// Compares 8-bit lanes (signed): all ones where greater than the second, else zero.
            I8x16GtS "i8x16.gt_s" 0xfd 0x27 [V128 V128 => V128] VectorArithmetic;
            /// Compares 8-bit lanes (unsigned): all ones where greater than the second, else zero.
            I8x16GtU "i8x16.gt_u" 0xfd 0x28 [V128 V128 => V128] VectorArithmetic;
            /// Compares 8-bit lanes (signed): all ones where at most the second, else zero.
            I8x16LeS "i8x16.le_s" 0xfd 0x29 [V128 V128 => V128] VectorArithmetic;
            /// Compares 8-bit lanes (unsigned): all ones where at most the second, else zero.
            I8x16LeU "i8x16.le_u" 0xfd 0x2a [V128 V128 => V128] VectorArithmetic;
            /// Compares 8-bit lanes (signed): all ones where at least the second, else zero.
            I8x16GeS "i8x16.ge_s" 0xfd 0x2b [V128 V128 => V128] VectorArithmetic;
            /// Compares 8-bit lanes (unsigned): all ones where at least the second, else zero.
            I8x16GeU "i8x16.ge_u" 0xfd 0x2c [V128 V128 => V128] VectorArithmetic;
            /// Compares 16-bit lanes: all ones where equal to the second, else zero.
            I16x8Eq "i16x8.eq" 0xfd 0x2d [V128 V128 => V128] VectorArithmetic;
            /// Compares 16-bit lanes: all ones where different from the second, else zero.
            I16x8Ne "i16x8.ne" 0xfd 0x2e [V128 V128 => V128] VectorArithmetic;
            /// Compares 16-bit lanes (signed): all ones where less than the second, else zero.
            I16x8LtS "i16x8.lt_s" 0xfd 0x2f [V128 V128 => V128] VectorArithmetic;
            /// Compares 16-bit lanes (unsigned): all ones where less than the second, else zero.
            I16x8LtU "i16x8.lt_u" 0xfd 0x30 [V128 V128 => V128] VectorArithmetic;
            /// Compares 16-bit lanes (signed): all ones where greater than the second, else zero.
            I16x8GtS "i16x8.gt_s" 0xfd 0x31 [V128 V128 => V128] VectorArithmetic;
            /// Compares 16-bit lanes (unsigned): all ones where greater than the second, else zero.
            I16x8GtU "i16x8.gt_u" 0xfd 0x32 [V128 V128 => V128] VectorArithmetic;
            /// Compares 16-bit lanes (signed): all ones where at most the second, else zero.
            I16x8LeS "i16x8.le_s" 0xfd 0x33 [V128 V128 => V128] VectorArithmetic;
            /// Compares 16-bit lanes (unsigned): all ones where at most the second, else zero.
            I16x8LeU "i16x8.le_u" 0xfd 0x34 [V128 V128 => V128] VectorArithmetic;
            /// Compares 16-bit lanes (signed): all ones where at least the second, else zero.
            I16x8GeS "i16x8.ge_s" 0xfd 0x35 [V128 V128 => V128] VectorArithmetic;
            /// Compares 16-bit lanes (unsigned): all ones where at least the second, else zero.
            I16x8GeU "i16x8.ge_u" 0xfd 0x36 [V128 V128 => V128] VectorArithmetic;
            /// Compares 32-bit lanes: all ones where equal to the second, else zero.
            I32x4Eq "i32x4.eq" 0xfd 0x37 [V128 V128 => V128] VectorArithmetic;
            /// Compares 32-bit lanes: all ones where different from the second, else zero.
            I32x4Ne "i32x4.ne" 0xfd 0x38 [V128 V128 => V128] VectorArithmetic;
            /// Compares 32-bit lanes (signed): all ones where less than the second, else zero.
            I32x4LtS "i32x4.lt_s" 0xfd 0x39 [V128 V128 => V128] VectorArithmetic;
            /// Compares 32-bit lanes (unsigned): all ones where less than the second, else zero.
            I32x4LtU "i32x4.lt_u" 0xfd 0x3a [V128 V128 => V128] VectorArithmetic;
            /// Compares 32-bit lanes (signed): all ones where greater than the second, else zero.
            I32x4GtS "i32x4.gt_s" 0xfd 0x3b [V128 V128 => V128] VectorArithmetic;
            /// Compares 32-bit lanes (unsigned): all ones where greater than the second, else zero.
            I32x4GtU "i32x4.gt_u" 0xfd 0x3c [V128 V128 => V128] VectorArithmetic;
            /// Compares 32-bit lanes (signed): all ones where at most the second, else zero.
            I32x4LeS "i32x4.le_s" 0xfd 0x3d [V128 V128 => V128] VectorArithmetic;
            /// Compares 32-bit lanes (unsigned): all ones where at most the second, else zero.
            I32x4LeU "i32x4.le_u" 0xfd 0x3e [V128 V128 => V128] VectorArithmetic;
            /// Compares 32-bit lanes (signed): all ones where at least the second, else zero.
            I32x4GeS "i32x4.ge_s" 0xfd 0x3f [V128 V128 => V128] VectorArithmetic;
            /// Compares 32-bit lanes (unsigned): all ones where at least the second, else zero.
            I32x4GeU "i32x4.ge_u" 0xfd 0x40 [V128 V128 => V128] VectorArithmetic;
            /// Compares 64-bit lanes: all ones where equal to the second, else zero.
            I64x2Eq "i64x2.eq" 0xfd 0xd6 [V128 V128 => V128] VectorArithmetic;
            /// Compares 64-bit lanes: all ones where different from the second, else zero.
            I64x2Ne "i64x2.ne" 0xfd 0xd7 [V128 V128 => V128] VectorArithmetic;
            /// Compares 64-bit lanes (signed): all ones where less than the second, else zero.
            I64x2LtS "i64x2.lt_s" 0xfd 0xd8 [V128 V128 => V128] VectorArithmetic;
            /// Compares 64-bit lanes (signed): all ones where greater than the second, else zero.
            I64x2GtS "i64x2.gt_s" 0xfd 0xd9 [V128 V128 => V128] VectorArithmetic;
            /// Compares 64-bit lanes (signed): all ones where at most the second, else zero.
            I64x2LeS "i64x2.le_s" 0xfd 0xda [V128 V128 => V128] VectorArithmetic;
            /// Compares 64-bit lanes (signed): all ones where at least the second, else zero.
            I64x2GeS "i64x2.ge_s" 0xfd 0xdb [V128 V128 => V128] VectorArithmetic;
            /// Compares 32-bit float lanes: all ones where equal to the second, else zero.
            F32x4Eq "f32x4.eq" 0xfd 0x41 [V128 V128 => V128] VectorFloat;
            /// Compares 32-bit float lanes: all ones where different from the second, else zero.
            F32x4Ne "f32x4.ne" 0xfd 0x42 [V128 V128 => V128] VectorFloat;
            /// Compares 32-bit float lanes: all ones where less than the second, else zero.
            F32x4Lt "f32x4.lt" 0xfd 0x43 [V128 V128 => V128] VectorFloat;
            /// Compares 32-bit float lanes: all ones where greater than the second, else zero.
            F32x4Gt "f32x4.gt" 0xfd 0x44 [V128 V128 => V128] VectorFloat;
            /// Compares 32-bit float lanes: all ones where at most the second, else zero.
            F32x4Le "f32x4.le" 0xfd 0x45 [V128 V128 => V128] VectorFloat;
            /// Compares 32-bit float lanes: all ones where at least the second, else zero.
            F32x4Ge "f32x4.ge" 0xfd 0x46 [V128 V128 => V128] VectorFloat;
            /// Compares 64-bit float lanes: all ones where equal to the second, else zero.
            F64x2Eq "f64x2.eq" 0xfd 0x47 [V128 V128 => V128] VectorFloat;
            /// Compares 64-bit float lanes: all ones where different from the second, else zero.
            F64x2Ne "f64x2.ne" 0xfd 0x48 [V128 V128 => V128] VectorFloat;
            /// Compares 64-bit float lanes: all ones where less than the second, else zero.
            F64x2Lt "f64x2.lt" 0xfd 0x49 [V128 V128 => V128] VectorFloat;
            /// Compares 64-bit float lanes: all ones where greater than the second, else zero.
            F64x2Gt "f64x2.gt" 0xfd 0x4a [V128 V128 => V128] VectorFloat;
            /// Compares 64-bit float lanes: all ones where at most the second, else zero.
            F64x2Le "f64x2.le" 0xfd 0x4b [V128 V128 => V128] VectorFloat;
            /// Compares 64-bit float lanes: all ones where at least the second, else zero.
            F64x2Ge "f64x2.ge" 0xfd 0x4c [V128 V128 => V128] VectorFloat;
            /// Inverts every bit.
            V128Not "v128.not" 0xfd 0x4d [V128 => V128] VectorArithmetic;
            /// Bitwise and.
            V128And "v128.and" 0xfd 0x4e [V128 V128 => V128] VectorArithmetic;
            /// Bitwise and of the first and the inverse of the second.
            V128AndNot "v128.andnot" 0xfd 0x4f [V128 V128 => V128] VectorArithmetic;
            /// Bitwise or.
            V128Or "v128.or" 0xfd 0x50 [V128 V128 => V128] VectorArithmetic;
            /// Bitwise exclusive or.
            V128Xor "v128.xor" 0xfd 0x51 [V128 V128 => V128] VectorArithmetic;
            /// Takes each bit from the first vector where the third has a one, else from the second.
            V128Bitselect "v128.bitselect" 0xfd 0x52 [V128 V128 V128 => V128] VectorArithmetic;
            /// Returns 1 if any bit is set, else 0.
            V128AnyTrue "v128.any_true" 0xfd 0x53 [V128 => I32] VectorReduce;
            /// Absolute value of each 8-bit lane, wrapping around.
            I8x16Abs "i8x16.abs" 0xfd 0x60 [V128 => V128] VectorArithmetic;
            /// Negates each 8-bit lane, wrapping around.
            I8x16Neg "i8x16.neg" 0xfd 0x61 [V128 => V128] VectorArithmetic;
            /// Counts the one bits of each lane.
            I8x16Popcnt "i8x16.popcnt" 0xfd 0x62 [V128 => V128] VectorShuffle;
            /// Returns 1 if no lane is zero, else 0.
            I8x16AllTrue "i8x16.all_true" 0xfd 0x63 [V128 => I32] VectorReduce;
            /// Gathers the sign bit of every lane.
            I8x16Bitmask "i8x16.bitmask" 0xfd 0x64 [V128 => I32] VectorReduce;
            /// Narrows the 16-bit lanes of two vectors to signed 8-bit lanes, clamping.
            I8x16NarrowI16x8S "i8x16.narrow_i16x8_s" 0xfd 0x65 [V128 V128 => V128] VectorConvert;
            /// Narrows the 16-bit lanes of two vectors to unsigned 8-bit lanes, clamping.
            I8x16NarrowI16x8U "i8x16.narrow_i16x8_u" 0xfd 0x66 [V128 V128 => V128] VectorConvert;
            /// Shifts every lane left by a distance taken modulo the lane width.
            I8x16Shl "i8x16.shl" 0xfd 0x6b [V128 I32 => V128] VectorArithmetic;
            /// Shifts every lane right, copying the sign, by a distance taken modulo the lane width.
            I8x16ShrS "i8x16.shr_s" 0xfd 0x6c [V128 I32 => V128] VectorArithmetic;
            /// Shifts every lane right, filling with zeros, by a distance taken modulo the lane width.
            I8x16ShrU "i8x16.shr_u" 0xfd 0x6d [V128 I32 => V128] VectorArithmetic;
            /// Adds 8-bit lanes, wrapping around.
            I8x16Add "i8x16.add" 0xfd 0x6e [V128 V128 => V128] VectorArithmetic;
            /// Adds signed 8-bit lanes, clamping.
            I8x16AddSatS "i8x16.add_sat_s" 0xfd 0x6f [V128 V128 => V128] VectorArithmetic;
            /// Adds unsigned 8-bit lanes, clamping.
            I8x16AddSatU "i8x16.add_sat_u" 0xfd 0x70 [V128 V128 => V128] VectorArithmetic;
            /// Subtracts 8-bit lanes, wrapping around.
            I8x16Sub "i8x16.sub" 0xfd 0x71 [V128 V128 => V128] VectorArithmetic;
            /// Subtracts signed 8-bit lanes, clamping.
            I8x16SubSatS "i8x16.sub_sat_s" 0xfd 0x72 [V128 V128 => V128] VectorArithmetic;
            /// Subtracts unsigned 8-bit lanes, clamping.
            I8x16SubSatU "i8x16.sub_sat_u" 0xfd 0x73 [V128 V128 => V128] VectorArithmetic;
            /// Smaller of two signed lanes.
            I8x16MinS "i8x16.min_s" 0xfd 0x76 [V128 V128 => V128] VectorArithmetic;
            /// Smaller of two unsigned lanes.
            I8x16MinU "i8x16.min_u" 0xfd 0x77 [V128 V128 => V128] VectorArithmetic;
            /// Greater of two signed lanes.
            I8x16MaxS "i8x16.max_s" 0xfd 0x78 [V128 V128 => V128] VectorArithmetic;
            /// Greater of two unsigned lanes.
            I8x16MaxU "i8x16.max_u" 0xfd 0x79 [V128 V128 => V128] VectorArithmetic;
            /// Average of two unsigned lanes, rounded up.
            I8x16AvgrU "i8x16.avgr_u" 0xfd 0x7b [V128 V128 => V128] VectorArithmetic;
            /// Adds neighbouring signed 8-bit lanes into lanes of twice the width.
            I16x8ExtAddPairwiseI8x16S "i16x8.extadd_pairwise_i8x16_s" 0xfd 0x7c [V128 => V128] VectorMultiply;
            /// Adds neighbouring unsigned 8-bit lanes into lanes of twice the width.
            I16x8ExtAddPairwiseI8x16U "i16x8.extadd_pairwise_i8x16_u" 0xfd 0x7d [V128 => V128] VectorMultiply;
            /// Absolute value of each 16-bit lane, wrapping around.
            I16x8Abs "i16x8.abs" 0xfd 0x80 [V128 => V128] VectorArithmetic;
            /// Negates each 16-bit lane, wrapping around.
            I16x8Neg "i16x8.neg" 0xfd 0x81 [V128 => V128] VectorArithmetic;
            /// Multiplies Q15 fixed-point lanes, rounding and clamping.
            I16x8Q15MulrSatS "i16x8.q15mulr_sat_s" 0xfd 0x82 [V128 V128 => V128] VectorMultiply;
            /// Returns 1 if no lane is zero, else 0.
            I16x8AllTrue "i16x8.all_true" 0xfd 0x83 [V128 => I32] VectorReduce;
            /// Gathers the sign bit of every lane.
            I16x8Bitmask "i16x8.bitmask" 0xfd 0x84 [V128 => I32] VectorReduce;
            /// Narrows the 32-bit lanes of two vectors to signed 16-bit lanes, clamping.
            I16x8NarrowI32x4S "i16x8.narrow_i32x4_s" 0xfd 0x85 [V128 V128 => V128] VectorConvert;
            /// Narrows the 32-bit lanes of two vectors to unsigned 16-bit lanes, clamping.
            I16x8NarrowI32x4U "i16x8.narrow_i32x4_u" 0xfd 0x86 [V128 V128 => V128] VectorConvert;
            /// Widens the low half of signed 8-bit lanes.
            I16x8ExtendLowI8x16S "i16x8.extend_low_i8x16_s" 0xfd 0x87 [V128 => V128] VectorConvert;
            /// Widens the high half of signed 8-bit lanes.
            I16x8ExtendHighI8x16S "i16x8.extend_high_i8x16_s" 0xfd 0x88 [V128 => V128] VectorConvert;
            /// Widens the low half of unsigned 8-bit lanes.
            I16x8ExtendLowI8x16U "i16x8.extend_low_i8x16_u" 0xfd 0x89 [V128 => V128] VectorConvert;
            /// Widens the high half of unsigned 8-bit lanes.
            I16x8ExtendHighI8x16U "i16x8.extend_high_i8x16_u" 0xfd 0x8a [V128 => V128] VectorConvert;
            /// Shifts every lane left by a distance taken modulo the lane width.
            I16x8Shl "i16x8.shl" 0xfd 0x8b [V128 I32 => V128] VectorArithmetic;
            /// Shifts every lane right, copying the sign, by a distance taken modulo the lane width.
            I16x8ShrS "i16x8.shr_s" 0xfd 0x8c [V128 I32 => V128] VectorArithmetic;
            /// Shifts every lane right, filling with zeros, by a distance taken modulo the lane width.
            I16x8ShrU "i16x8.shr_u" 0xfd 0x8d [V128 I32 => V128] VectorArithmetic;
            /// Adds 16-bit lanes, wrapping around.
            I16x8Add "i16x8.add" 0xfd 0x8e [V128 V128 => V128] VectorArithmetic;
            /// Adds signed 16-bit lanes, clamping.
            I16x8AddSatS "i16x8.add_sat_s" 0xfd 0x8f [V128 V128 => V128] VectorArithmetic;
            /// Adds unsigned 16-bit lanes, clamping.
            I16x8AddSatU "i16x8.add_sat_u" 0xfd 0x90 [V128 V128 => V128] VectorArithmetic;
            /// Subtracts 16-bit lanes, wrapping around.
            I16x8Sub "i16x8.sub" 0xfd 0x91 [V128 V128 => V128] VectorArithmetic;
            /// Subtracts signed 16-bit lanes, clamping.
            I16x8SubSatS "i16x8.sub_sat_s" 0xfd 0x92 [V128 V128 => V128] VectorArithmetic;
            /// Subtracts unsigned 16-bit lanes, clamping.
            I16x8SubSatU "i16x8.sub_sat_u" 0xfd 0x93 [V128 V128 => V128] VectorArithmetic;
            /// Multiplies 16-bit lanes, wrapping around.
            I16x8Mul "i16x8.mul" 0xfd 0x95 [V128 V128 => V128] VectorMultiply;
            /// Smaller of two signed lanes.
            I16x8MinS "i16x8.min_s" 0xfd 0x96 [V128 V128 => V128] VectorArithmetic;
            /// Smaller of two unsigned lanes.
            I16x8MinU "i16x8.min_u" 0xfd 0x97 [V128 V128 => V128] VectorArithmetic;
            /// Greater of two signed lanes.
            I16x8MaxS "i16x8.max_s" 0xfd 0x98 [V128 V128 => V128] VectorArithmetic;
            /// Greater of two unsigned lanes.
            I16x8MaxU "i16x8.max_u" 0xfd 0x99 [V128 V128 => V128] VectorArithmetic;
            /// Average of two unsigned lanes, rounded up.
            I16x8AvgrU "i16x8.avgr_u" 0xfd 0x9b [V128 V128 => V128] VectorArithmetic;
            /// Multiplies the low halves of signed 8-bit lanes into lanes of twice the width.
            I16x8ExtMulLowI8x16S "i16x8.extmul_low_i8x16_s" 0xfd 0x9c [V128 V128 => V128] VectorMultiply;
            /// Multiplies the high halves of signed 8-bit lanes into lanes of twice the width.
            I16x8ExtMulHighI8x16S "i16x8.extmul_high_i8x16_s" 0xfd 0x9d [V128 V128 => V128] VectorMultiply;
            /// Multiplies the low halves of unsigned 8-bit lanes into lanes of twice the width.
            I16x8ExtMulLowI8x16U "i16x8.extmul_low_i8x16_u" 0xfd 0x9e [V128 V128 => V128] VectorMultiply;
            /// Multiplies the high halves of unsigned 8-bit lanes into lanes of twice the width.
            I16x8ExtMulHighI8x16U "i16x8.extmul_high_i8x16_u" 0xfd 0x9f [V128 V128 => V128] VectorMultiply;
            /// Adds neighbouring signed 16-bit lanes into lanes of twice the width.
            I32x4ExtAddPairwiseI16x8S "i32x4.extadd_pairwise_i16x8_s" 0xfd 0x7e [V128 => V128] VectorMultiply;
            /// Adds neighbouring unsigned 16-bit lanes into lanes of twice the width.
            I32x4ExtAddPairwiseI16x8U "i32x4.extadd_pairwise_i16x8_u" 0xfd 0x7f [V128 => V128] VectorMultiply;
            /// Absolute value of each 32-bit lane, wrapping around.
            I32x4Abs "i32x4.abs" 0xfd 0xa0 [V128 => V128] VectorArithmetic;
            /// Negates each 32-bit lane, wrapping around.
            I32x4Neg "i32x4.neg" 0xfd 0xa1 [V128 => V128] VectorArithmetic;
            /// Returns 1 if no lane is zero, else 0.
            I32x4AllTrue "i32x4.all_true" 0xfd 0xa3 [V128 => I32] VectorReduce;
            /// Gathers the sign bit of every lane.
            I32x4Bitmask "i32x4.bitmask" 0xfd 0xa4 [V128 => I32] VectorReduce;
            /// Widens the low half of signed 16-bit lanes.
            I32x4ExtendLowI16x8S "i32x4.extend_low_i16x8_s" 0xfd 0xa7 [V128 => V128] VectorConvert;
            /// Widens the high half of signed 16-bit lanes.
            I32x4ExtendHighI16x8S "i32x4.extend_high_i16x8_s" 0xfd 0xa8 [V128 => V128] VectorConvert;
            /// Widens the low half of unsigned 16-bit lanes.
            I32x4ExtendLowI16x8U "i32x4.extend_low_i16x8_u" 0xfd 0xa9 [V128 => V128] VectorConvert;
            /// Widens the high half of unsigned 16-bit lanes.
            I32x4ExtendHighI16x8U "i32x4.extend_high_i16x8_u" 0xfd 0xaa [V128 => V128] VectorConvert;
            /// Shifts every lane left by a distance taken modulo the lane width.
            I32x4Shl "i32x4.shl" 0xfd 0xab [V128 I32 => V128] VectorArithmetic;
            /// Shifts every lane right, copying the sign, by a distance taken modulo the lane width.
            I32x4ShrS "i32x4.shr_s" 0xfd 0xac [V128 I32 => V128] VectorArithmetic;
            /// Shifts every lane right, filling with zeros, by a distance taken modulo the lane width.
            I32x4ShrU "i32x4.shr_u" 0xfd 0xad [V128 I32 => V128] VectorArithmetic;
            /// Adds 32-bit lanes, wrapping around.
            I32x4Add "i32x4.add" 0xfd 0xae [V128 V128 => V128] VectorArithmetic;
            /// Subtracts 32-bit lanes, wrapping around.
            I32x4Sub "i32x4.sub" 0xfd 0xb1 [V128 V128 => V128] VectorArithmetic;
            /// Multiplies 32-bit lanes, wrapping around.
            I32x4Mul "i32x4.mul" 0xfd 0xb5 [V128 V128 => V128] VectorMultiply;
            /// Smaller of two signed lanes.
            I32x4MinS "i32x4.min_s" 0xfd 0xb6 [V128 V128 => V128] VectorArithmetic;
            /// Smaller of two unsigned lanes.
            I32x4MinU "i32x4.min_u" 0xfd 0xb7 [V128 V128 => V128] VectorArithmetic;
            /// Greater of two signed lanes.
            I32x4MaxS "i32x4.max_s" 0xfd 0xb8 [V128 V128 => V128] VectorArithmetic;
            /// Greater of two unsigned lanes.
            I32x4MaxU "i32x4.max_u" 0xfd 0xb9 [V128 V128 => V128] VectorArithmetic;
            /// Multiplies signed 16-bit lanes and adds neighbouring products.
            I32x4DotI16x8S "i32x4.dot_i16x8_s" 0xfd 0xba [V128 V128 => V128] VectorMultiply;
            /// Multiplies the low halves of signed 16-bit lanes into lanes of twice the width.
            I32x4ExtMulLowI16x8S "i32x4.extmul_low_i16x8_s" 0xfd 0xbc [V128 V128 => V128] VectorMultiply;
            /// Multiplies the high halves of signed 16-bit lanes into lanes of twice the width.
            I32x4ExtMulHighI16x8S "i32x4.extmul_high_i16x8_s" 0xfd 0xbd [V128 V128 => V128] VectorMultiply;
            /// Multiplies the low halves of unsigned 16-bit lanes into lanes of twice the width.
            I32x4ExtMulLowI16x8U "i32x4.extmul_low_i16x8_u" 0xfd 0xbe [V128 V128 => V128] VectorMultiply;
            /// Multiplies the high halves of unsigned 16-bit lanes into lanes of twice the width.
            I32x4ExtMulHighI16x8U "i32x4.extmul_high_i16x8_u" 0xfd 0xbf [V128 V128 => V128] VectorMultiply;
            /// Absolute value of each 64-bit lane, wrapping around.
            I64x2Abs "i64x2.abs" 0xfd 0xc0 [V128 => V128] VectorArithmetic;
            /// Negates each 64-bit lane, wrapping around.
            I64x2Neg "i64x2.neg" 0xfd 0xc1 [V128 => V128] VectorArithmetic;
            /// Returns 1 if no lane is zero, else 0.
            I64x2AllTrue "i64x2.all_true" 0xfd 0xc3 [V128 => I32] VectorReduce;
            /// Gathers the sign bit of every lane.
            I64x2Bitmask "i64x2.bitmask" 0xfd 0xc4 [V128 => I32] VectorReduce;
            /// Widens the low half of signed 32-bit lanes.
            I64x2ExtendLowI32x4S "i64x2.extend_low_i32x4_s" 0xfd 0xc7 [V128 => V128] VectorConvert;
            /// Widens the high half of signed 32-bit lanes.
            I64x2ExtendHighI32x4S "i64x2.extend_high_i32x4_s" 0xfd 0xc8 [V128 => V128] VectorConvert;
            /// Widens the low half of unsigned 32-bit lanes.
            I64x2ExtendLowI32x4U "i64x2.extend_low_i32x4_u" 0xfd 0xc9 [V128 => V128] VectorConvert;
            /// Widens the high half of unsigned 32-bit lanes.
            I64x2ExtendHighI32x4U "i64x2.extend_high_i32x4_u" 0xfd 0xca [V128 => V128] VectorConvert;
            /// Shifts every lane left by a distance taken modulo the lane width.
            I64x2Shl "i64x2.shl" 0xfd 0xcb [V128 I32 => V128] VectorArithmetic;
            /// Shifts every lane right, copying the sign, by a distance taken modulo the lane width.
            I64x2ShrS "i64x2.shr_s" 0xfd 0xcc [V128 I32 => V128] VectorArithmetic;
            /// Shifts every lane right, filling with zeros, by a distance taken modulo the lane width.
            I64x2ShrU "i64x2.shr_u" 0xfd 0xcd [V128 I32 => V128] VectorArithmetic;
            /// Adds 64-bit lanes, wrapping around.
            I64x2Add "i64x2.add" 0xfd 0xce [V128 V128 => V128] VectorArithmetic;
            /// Subtracts 64-bit lanes, wrapping around.
            I64x2Sub "i64x2.sub" 0xfd 0xd1 [V128 V128 => V128] VectorArithmetic;
            /// Multiplies 64-bit lanes, wrapping around.
            I64x2Mul "i64x2.mul" 0xfd 0xd5 [V128 V128 => V128] VectorMultiply;
            /// Multiplies the low halves of signed 32-bit lanes into lanes of twice the width.
            I64x2ExtMulLowI32x4S "i64x2.extmul_low_i32x4_s" 0xfd 0xdc [V128 V128 => V128] VectorMultiply;
            /// Multiplies the high halves of signed 32-bit lanes into lanes of twice the width.
            I64x2ExtMulHighI32x4S "i64x2.extmul_high_i32x4_s" 0xfd 0xdd [V128 V128 => V128] VectorMultiply;
            /// Multiplies the low halves of unsigned 32-bit lanes into lanes of twice the width.
            I64x2ExtMulLowI32x4U "i64x2.extmul_low_i32x4_u" 0xfd 0xde [V128 V128 => V128] VectorMultiply;
            /// Multiplies the high halves of unsigned 32-bit lanes into lanes of twice the width.
            I64x2ExtMulHighI32x4U "i64x2.extmul_high_i32x4_u" 0xfd 0xdf [V128 V128 => V128] VectorMultiply;
            /// Rounds lanes up to integral values.
            F32x4Ceil "f32x4.ceil" 0xfd 0x67 [V128 => V128] VectorRound;
            /// Rounds lanes down to integral values.
            F32x4Floor "f32x4.floor" 0xfd 0x68 [V128 => V128] VectorRound;
            /// Rounds lanes towards zero to integral values.
            F32x4Trunc "f32x4.trunc" 0xfd 0x69 [V128 => V128] VectorRound;
            /// Rounds lanes to the nearest integral values, ties to even.
            F32x4Nearest "f32x4.nearest" 0xfd 0x6a [V128 => V128] VectorRound;
            /// Clears the sign bit of each 32-bit float lane; keeps NaN bits.
            F32x4Abs "f32x4.abs" 0xfd 0xe0 [V128 => V128] VectorArithmetic;
            /// Flips the sign bit of each 32-bit float lane; keeps NaN bits.
            F32x4Neg "f32x4.neg" 0xfd 0xe1 [V128 => V128] VectorArithmetic;
            /// Square root of 32-bit float lanes.
            F32x4Sqrt "f32x4.sqrt" 0xfd 0xe3 [V128 => V128] VectorSqrt;
            /// Adds 32-bit float lanes.
            F32x4Add "f32x4.add" 0xfd 0xe4 [V128 V128 => V128] VectorFloat;
            /// Subtracts 32-bit float lanes.
            F32x4Sub "f32x4.sub" 0xfd 0xe5 [V128 V128 => V128] VectorFloat;
            /// Multiplies 32-bit float lanes.
            F32x4Mul "f32x4.mul" 0xfd 0xe6 [V128 V128 => V128] VectorFloat;
            /// Divides 32-bit float lanes.
            F32x4Div "f32x4.div" 0xfd 0xe7 [V128 V128 => V128] VectorDivide;
            /// Smaller of two lanes; NaN if either is, and -0 is below +0.
            F32x4Min "f32x4.min" 0xfd 0xe8 [V128 V128 => V128] VectorFloat;
            /// Greater of two lanes; NaN if either is, and -0 is below +0.
            F32x4Max "f32x4.max" 0xfd 0xe9 [V128 V128 => V128] VectorFloat;
            /// The second lane if it is less than the first, else the first; keeps NaN bits.
            F32x4PMin "f32x4.pmin" 0xfd 0xea [V128 V128 => V128] VectorFloat;
            /// The second lane if the first is less than it, else the first; keeps NaN bits.
            F32x4PMax "f32x4.pmax" 0xfd 0xeb [V128 V128 => V128] VectorFloat;
            /// Rounds lanes up to integral values.
            F64x2Ceil "f64x2.ceil" 0xfd 0x74 [V128 => V128] VectorRound;
            /// Rounds lanes down to integral values.
            F64x2Floor "f64x2.floor" 0xfd 0x75 [V128 => V128] VectorRound;
            /// Rounds lanes towards zero to integral values.
            F64x2Trunc "f64x2.trunc" 0xfd 0x7a [V128 => V128] VectorRound;
            /// Rounds lanes to the nearest integral values, ties to even.
            F64x2Nearest "f64x2.nearest" 0xfd 0x94 [V128 => V128] VectorRound;
            /// Clears the sign bit of each 64-bit float lane; keeps NaN bits.
            F64x2Abs "f64x2.abs" 0xfd 0xec [V128 => V128] VectorArithmetic;
            /// Flips the sign bit of each 64-bit float lane; keeps NaN bits.
            F64x2Neg "f64x2.neg" 0xfd 0xed [V128 => V128] VectorArithmetic;
            /// Square root of 64-bit float lanes.
            F64x2Sqrt "f64x2.sqrt" 0xfd 0xef [V128 => V128] VectorSqrt;
            /// Adds 64-bit float lanes.
            F64x2Add "f64x2.add" 0xfd 0xf0 [V128 V128 => V128] VectorFloat;
            /// Subtracts 64-bit float lanes.
            F64x2Sub "f64x2.sub" 0xfd 0xf1 [V128 V128 => V128] VectorFloat;
            /// Multiplies 64-bit float lanes.
            F64x2Mul "f64x2.mul" 0xfd 0xf2 [V128 V128 => V128] VectorFloat;
            /// Divides 64-bit float lanes.
            F64x2Div "f64x2.div" 0xfd 0xf3 [V128 V128 => V128] VectorDivide;
            /// Smaller of two lanes; NaN if either is, and -0 is below +0.
            F64x2Min "f64x2.min" 0xfd 0xf4 [V128 V128 => V128] VectorFloat;
            /// Greater of two lanes; NaN if either is, and -0 is below +0.
            F64x2Max "f64x2.max" 0xfd 0xf5 [V128 V128 => V128] VectorFloat;
            /// The second lane if it is less than the first, else the first; keeps NaN bits.
            F64x2PMin "f64x2.pmin" 0xfd 0xf6 [V128 V128 => V128] VectorFloat;
            /// The second lane if the first is less than it, else the first; keeps NaN bits.
            F64x2PMax "f64x2.pmax" 0xfd 0xf7 [V128 V128 => V128] VectorFloat;
            /// Rounds 32-bit float lanes towards zero to signed integers, clamping; NaN gives 0.
            I32x4TruncSatF32x4S "i32x4.trunc_sat_f32x4_s" 0xfd 0xf8 [V128 => V128] VectorConvert;
            /// Rounds 32-bit float lanes towards zero to unsigned integers, clamping; NaN gives 0.
            I32x4TruncSatF32x4U "i32x4.trunc_sat_f32x4_u" 0xfd 0xf9 [V128 => V128] VectorConvert;
            /// Converts signed 32-bit lanes to 32-bit float lanes.
            F32x4ConvertI32x4S "f32x4.convert_i32x4_s" 0xfd 0xfa [V128 => V128] VectorConvert;
            /// Converts unsigned 32-bit lanes to 32-bit float lanes.
            F32x4ConvertI32x4U "f32x4.convert_i32x4_u" 0xfd 0xfb [V128 => V128] VectorConvert;
            /// Rounds 64-bit float lanes towards zero to signed integers, clamping; the upper half is 0.
            I32x4TruncSatF64x2SZero "i32x4.trunc_sat_f64x2_s_zero" 0xfd 0xfc [V128 => V128] VectorConvert;
            /// Rounds 64-bit float lanes towards zero to unsigned integers, clamping; the upper half is 0.
            I32x4TruncSatF64x2UZero "i32x4.trunc_sat_f64x2_u_zero" 0xfd 0xfd [V128 => V128] VectorConvert;
            /// Converts the low signed 32-bit lanes to 64-bit float lanes.
            F64x2ConvertLowI32x4S "f64x2.convert_low_i32x4_s" 0xfd 0xfe [V128 => V128] VectorConvert;
            /// Converts the low unsigned 32-bit lanes to 64-bit float lanes.
            F64x2ConvertLowI32x4U "f64x2.convert_low_i32x4_u" 0xfd 0xff [V128 => V128] VectorConvert;
            /// Rounds 64-bit float lanes to 32 bits and clears the upper half.
            F32x4DemoteF64x2Zero "f32x4.demote_f64x2_zero" 0xfd 0x5e [V128 => V128] VectorConvert;
            /// Widens the low two 32-bit float lanes.
            F64x2PromoteLowF32x4 "f64x2.promote_low_f32x4" 0xfd 0x5f [V128 => V128] VectorConvert;
        }
    };
}

/// The bytes that begin an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Opcode {
    /// The prefix byte, or 0 for none.
    pub prefix: u8,
    /// The opcode byte, or behind a prefix the number that follows it as LEB128.
    pub number: u8,
}

/// The operands and results of an instruction whose type is fixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The types it pops, the topmost last.
    pub params: &'static [ValueType],
    /// The types it pushes.
    pub results: &'static [ValueType],
}

macro_rules! signature {
    (context) => {
        None
    };
    ([$($param:ident)* => $($result:ident)*]) => {
        Some(Signature { params: &[$(ValueType::$param),*], results: &[$(ValueType::$result),*] })
    };
}

macro_rules! define_instructions {
    ($( #[doc = $doc:literal] $name:ident $text:literal $prefix:literal $number:literal $signature:tt $class:ident; )*) => {
        /// An instruction, without its immediates.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum Instruction {
            $( #[doc = $doc] $name, )*
        }

        impl Instruction {
            /// Every instruction, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Returns the name that the text format gives the instruction.
            pub const fn name(self) -> &'static str {
                match self { $( Self::$name => $text, )* }
            }

            /// Returns the bytes that begin the instruction.
            pub const fn opcode(self) -> Opcode {
                match self { $( Self::$name => Opcode { prefix: $prefix, number: $number }, )* }
            }

            /// Returns the class that decides the price.
            pub const fn class(self) -> CostClass {
                match self { $( Self::$name => CostClass::$class, )* }
            }

            /// Returns one sentence on what the instruction does.
            pub const fn doc(self) -> &'static str {
                match self { $( Self::$name => $doc.trim_ascii(), )* }
            }

            /// Returns the type of the instruction, or `None` where immediates or the stack decide it.
            pub const fn signature(self) -> Option<Signature> {
                match self { $( Self::$name => signature!($signature), )* }
            }
        }
    };
}

for_each_instruction!(define_instructions);

impl core::fmt::Display for Instruction {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    #[test]
    fn no_opcode_is_declared_twice() {
        let opcodes: BTreeSet<Opcode> = Instruction::ALL.iter().map(|i| i.opcode()).collect();
        assert_eq!(opcodes.len(), Instruction::ALL.len());
        assert_eq!(Instruction::ALL.len(), 439);
    }

    #[test]
    fn names_are_unique_but_for_select() {
        let names: BTreeSet<&str> = Instruction::ALL.iter().map(|i| i.name()).collect();
        assert_eq!(names.len(), Instruction::ALL.len() - 1);
        assert_eq!(Instruction::Select.name(), Instruction::TypedSelect.name());
    }
}
