//! Instructions whose type is fixed: rows made from the table, so that none is forgotten.
//!
//! A **dependent** chain hands the result of each to the next; an **independent** one takes operands from locals and
//! leaves results in a local. What stands around an instruction is charged and counts: nobody can have one without.

use crate::program::{repeat, turning};
use crate::{Group, Row};
use lathe_gas::{CostClass, Instruction, Signature};
use lathe_vm::ValueType;
use std::fmt::Write as _;

const TYPES: [ValueType; 6] =
    [ValueType::I32, ValueType::I64, ValueType::F32, ValueType::F64, ValueType::V128, ValueType::FuncRef];

/// What every module here has around its function.
const AROUND: &str = r#"
    (memory 1) (table $t 16 funcref) (elem declare func $f) (func $f)
    (data $d "0123456789abcdef") (elem $e func $f $f)
"#;

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for &instruction in Instruction::ALL {
        let Some(signature) = instruction.signature() else { continue };
        // These have rows by size.
        if matches!(instruction.class(), CostClass::BulkMemory | CostClass::BulkTable | CostClass::Grow) {
            continue;
        }
        for (kind, wat) in [
            ("dependent", dependent(instruction, signature)),
            ("independent", independent(instruction, signature)),
        ] {
            rows.push(Row::new(Group::Instruction, format!("{instruction}, {kind}"), move || turning(&wat)));
        }
    }
    rows
}

/// Returns the instruction as text, with immediates.
fn text(instruction: Instruction) -> String {
    use Instruction::*;
    let name = instruction.name();
    match instruction {
        I32Const | I64Const => format!("{name} 7"),
        F32Const | F64Const => format!("{name} 1.5"),
        V128Const => format!("{name} i64x2 1 2"),
        I8x16Shuffle => format!("{name} 0 17 2 19 4 21 6 23 8 25 10 27 12 29 14 31"),
        RefFunc => format!("{name} $f"),
        DataDrop => format!("{name} $d"),
        ElemDrop => format!("{name} $e"),
        _ if name.contains("_lane") => format!("{name} 0"),
        _ => name.to_owned(),
    }
}

/// Returns a constant that makes work for most instructions and traps in none.
fn constant(ty: ValueType) -> &'static str {
    match ty {
        ValueType::I32 => "(i32.const 0x7ffffff1)",
        ValueType::I64 => "(i64.const 0x7ffffffffffffff1)",
        ValueType::F32 => "(f32.const 1.7)",
        ValueType::F64 => "(f64.const 1.7)",
        ValueType::V128 => "(v128.const f64x2 1.7 2.3)",
        ValueType::FuncRef => "(ref.func $f)",
        ValueType::ExternRef => "(ref.null extern)",
    }
}

/// Returns another constant, which divides the first.
fn small(ty: ValueType) -> &'static str {
    match ty {
        ValueType::I32 => "(i32.const 3)",
        ValueType::I64 => "(i64.const 3)",
        ValueType::F32 => "(f32.const 1.0625)",
        ValueType::F64 => "(f64.const 1.0625)",
        ValueType::V128 => "(v128.const f64x2 1.0625 1.1)",
        ValueType::FuncRef | ValueType::ExternRef => constant(ty),
    }
}

/// Declares `$x`, `$y` and the address `$a`, and one local of each type named after it.
fn locals(x: ValueType, y: ValueType) -> String {
    let mut text = format!("(local $x {x}) (local $y {y}) (local $a i32)");
    for ty in TYPES {
        write!(text, " (local ${ty} {ty}) (local ${ty}_ {ty})").expect("a String takes everything");
    }
    text
}

/// Sets the locals named after types.
fn begin() -> String {
    TYPES
        .iter()
        .map(|&ty| format!("(local.set ${ty} {}) (local.set ${ty}_ {})", constant(ty), small(ty)))
        .collect()
}

fn is_access(instruction: Instruction) -> bool {
    matches!(
        instruction.class(),
        CostClass::Load | CostClass::Store | CostClass::VectorLoad | CostClass::VectorStore
    )
}

fn independent(instruction: Instruction, signature: Signature) -> String {
    let mut unit = String::new();
    for (place, ty) in signature.params.iter().enumerate() {
        let local = match (is_access(instruction), place) {
            (true, 0) => "$a".to_owned(),
            // What divides is small.
            (_, 1) => format!("${ty}_"),
            _ => format!("${ty}"),
        };
        write!(unit, "local.get {local} ").expect("a String takes everything");
    }
    unit += &text(instruction);
    let result = signature.results.first().copied().unwrap_or(ValueType::I32);
    if !signature.results.is_empty() {
        unit += " local.set $x";
    }
    let function = repeat(&locals(result, ValueType::I32), &begin(), "", &unit, "");
    format!("(module {AROUND} {function})")
}

fn dependent(instruction: Instruction, signature: Signature) -> String {
    use CostClass::*;
    let text = text(instruction);
    let (params, result) = (signature.params, signature.results.first().copied());
    let module = |x, begin_more: &str, turn: &str, unit: &str, end: &str| {
        let begin = begin() + begin_more;
        let function = repeat(&locals(x, ValueType::I32), &begin, turn, unit, end);
        format!("(module {AROUND} {function})")
    };
    match (params, result) {
        // Nothing comes in: what comes out is folded into a sum.
        ([], Some(ty)) => {
            let fold = match ty {
                ValueType::I32 => "i32.add",
                ValueType::I64 => "i64.add",
                ValueType::F32 => "f32.add",
                ValueType::F64 => "f64.add",
                ValueType::V128 => "v128.xor",
                _ => "drop",
            };
            module(ty, "", "local.get $x", &format!("{text} {fold}"), "local.set $x")
        }
        ([], None) => module(ValueType::I32, "", "", &text, ""),
        // What was written is read again, wider than it may have been written.
        ([_, value], None) => {
            let load = format!("{value}.load");
            module(ValueType::I32, "", "", &format!("local.get $a local.get $a {load} {text}"), "")
        }
        // The result divides the next dividend, and never becomes zero.
        ([ty, _], Some(_)) if matches!(instruction.class(), Divide32 | Divide64) => {
            let unit = format!("local.get ${ty} local.get $x {text} {ty}.const 0x10001 {ty}.or local.set $x");
            module(*ty, &format!("(local.set $x ({ty}.const 0x10001))"), "", &unit, "")
        }
        ([ty, _], Some(_)) if matches!(instruction.class(), FloatDivide | VectorDivide) => {
            let unit = format!("local.get ${ty} local.get $x {text} local.set $x");
            module(*ty, &format!("(local.set $x {})", small(*ty)), "", &unit, "")
        }
        // The result is the next address.
        ([_, rest @ ..], Some(ty)) if is_access(instruction) => {
            let more: String = rest.iter().map(|ty| format!("local.get ${ty}_ ")).collect();
            let unit = format!("{more}{text} {}", convert(ty, ValueType::I32));
            module(ValueType::I32, "", "i32.const 0", &unit, "drop")
        }
        ([ty, rest @ ..], Some(result)) => {
            let more: String = rest.iter().map(|ty| format!("local.get ${ty}_ ")).collect();
            let unit = format!("{more}{text} {}", convert(result, *ty));
            module(*ty, &format!("(local.set $x {})", constant(*ty)), "local.get $x", &unit, "local.set $x")
        }
        ([_, ..], None) => unreachable!("{instruction} pops something, pushes nothing and is no store"),
    }
}

/// Returns instructions that make a value of one type one of another.
fn convert(from: ValueType, to: ValueType) -> &'static str {
    use ValueType::*;
    match (from, to) {
        (I64, I32) => "i32.wrap_i64",
        (F32, I32) => "i32.reinterpret_f32",
        (F64, I32) => "i64.reinterpret_f64 i32.wrap_i64",
        (V128, I32) => "i32x4.extract_lane 0",
        (I32, I64) => "i64.extend_i32_u",
        (F32, I64) => "i32.reinterpret_f32 i64.extend_i32_u",
        (F64, I64) => "i64.reinterpret_f64",
        (V128, I64) => "i64x2.extract_lane 0",
        (I32, F32) => "f32.reinterpret_i32",
        (I64, F32) => "i32.wrap_i64 f32.reinterpret_i32",
        (F64, F32) => "f32.demote_f64",
        (V128, F32) => "f32x4.extract_lane 0",
        (I32, F64) => "i64.extend_i32_u f64.reinterpret_i64",
        (I64, F64) => "f64.reinterpret_i64",
        (F32, F64) => "f64.promote_f32",
        (V128, F64) => "f64x2.extract_lane 0",
        (I32, V128) => "i32x4.splat",
        (I64, V128) => "i64x2.splat",
        (F32, V128) => "f32x4.splat",
        (F64, V128) => "f64x2.splat",
        _ => "",
    }
}
