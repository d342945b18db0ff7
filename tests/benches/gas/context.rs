//! Instructions whose type their surroundings decide: control, variables, references, tables.

use crate::program::{repeat, turning};
use crate::{Group, Row};
use lathe_gas::Instruction;

/// What every module here has around its function.
const AROUND: &str = r#"
    (type $nothing (func)) (type $unary (func (param i32) (result i32)))
    (table $t 1000 2000 funcref) (elem (table $t) (i32.const 0) func $empty $identity)
    (global $g (mut i32) (i32.const 1)) (global $v (mut v128) (v128.const i64x2 1 2))
    (func $empty (type $nothing))
    (func $identity (type $unary) (local.get 0))
    (func $returning (type $unary) (return (local.get 0)))
    (func $countdown (type $unary)
        (if (i32.eqz (local.get 0)) (then (return (i32.const 7))))
        (return_call $countdown (i32.sub (local.get 0) (i32.const 1))))
    (func $indirect (type $unary)
        (if (i32.eqz (local.get 0)) (then (return (i32.const 7))))
        (return_call_indirect (type $unary) (i32.sub (local.get 0) (i32.const 1)) (i32.const 2)))
    (elem (table $t) (i32.const 2) func $indirect)
"#;

const LOCALS: &str = "(local $x i32) (local $one i32) (local $l i64) (local $v v128) (local $r funcref)";
const BEGIN: &str = "(local.set $one (i32.const 1))";

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for &instruction in Instruction::ALL.iter().filter(|instruction| instruction.signature().is_none()) {
        let units = units(instruction);
        if units.is_empty() {
            let missing = || Err("there is no program with it".to_owned());
            rows.push(Row::new(Group::Instruction, instruction.name(), missing));
        }
        for &(how, unit) in units {
            let wat = format!("(module {AROUND} {})", repeat(LOCALS, BEGIN, "", unit, ""));
            rows.push(Row::new(Group::Instruction, format!("{instruction}, {how}"), move || turning(&wat)));
        }
    }
    rows
}

/// Returns what repeats an instruction, in one way or several.
fn units(instruction: Instruction) -> &'static [(&'static str, &'static str)] {
    use Instruction::*;
    match instruction {
        // It ends the program, so it can only be passed by; `frames` has what a trap takes.
        Unreachable => &[("passed by", "(block (br_if 0 (local.get $one)) unreachable)")],
        Block => &[("empty", "(block)"), ("with a result", "(block (result i32) local.get $x) local.set $x")],
        Loop => &[("empty", "(loop)"), ("with a result", "(loop (result i32) local.get $x) local.set $x")],
        End => &[("of nested blocks", "(block (block (block (block))))")],
        If => {
            &[("taken", "(if (local.get $one) (then nop))"), ("not taken", "(if (local.get $x) (then nop))")]
        }
        Else => &[
            ("jumped over", "(if (local.get $one) (then nop) (else nop))"),
            ("run", "(if (local.get $x) (then nop) (else nop))"),
        ],
        Br => &[
            ("forwards", "(block br 0)"),
            ("carrying", "(local.set $x (block (result i32) (br 0 (local.get $x))))"),
        ],
        BrIf => &[
            ("taken", "(block (br_if 0 (local.get $one)))"),
            ("not taken", "(block (br_if 0 (local.get $x)))"),
        ],
        BrTable => &[
            ("first", "(block (block (block (br_table 0 1 2 (local.get $x)))))"),
            ("default", "(block (block (block (br_table 0 1 2 (i32.const -1)))))"),
        ],
        Return => &[("of a call", "(local.set $x (call $returning (local.get $x)))")],
        Call => &[
            ("of nothing", "(call $empty)"),
            ("of a function", "(local.set $x (call $identity (local.get $x)))"),
        ],
        CallIndirect => &[
            ("of nothing", "(call_indirect (type $nothing) (i32.const 0))"),
            ("of a function", "(local.set $x (call_indirect (type $unary) (local.get $x) (i32.const 1)))"),
        ],
        ReturnCall => &[("64 in a row", "(drop (call $countdown (i32.const 64)))")],
        ReturnCallIndirect => &[("64 in a row", "(drop (call $indirect (i32.const 64)))")],
        Drop => &[("of a local", "local.get $x drop"), ("of a vector", "local.get $v drop")],
        Select => &[
            ("of integers", "(local.set $x (select (local.get $x) (local.get $one) (local.get $x)))"),
            ("of vectors", "(local.set $v (select (local.get $v) (local.get $v) (local.get $x)))"),
        ],
        TypedSelect => &[
            (
                "of integers",
                "(local.set $x (select (result i32) (local.get $x) (local.get $one) (local.get $x)))",
            ),
            (
                "of references",
                "(local.set $r (select (result funcref) (local.get $r) (local.get $r) (local.get $x)))",
            ),
        ],
        LocalGet => {
            &[("of an integer", "local.get $one local.set $x"), ("of a vector", "local.get $v local.set $v")]
        }
        LocalSet => {
            &[("to a constant", "(local.set $x (i32.const 0))"), ("to zero", "(local.set $l (i64.const 0))")]
        }
        LocalTee => &[("of an integer", "(local.set $x (local.tee $x (local.get $x)))")],
        GlobalGet => {
            &[("of an integer", "global.get $g local.set $x"), ("of a vector", "global.get $v local.set $v")]
        }
        GlobalSet => &[
            ("of an integer", "(global.set $g (i32.add (global.get $g) (i32.const 1)))"),
            ("of a vector", "(global.set $v (global.get $v))"),
        ],
        RefNull => &[("of a function", "ref.null func local.set $r")],
        RefIsNull => &[("of a local", "local.get $r ref.is_null local.set $x")],
        TableGet => &[
            ("the same", "(local.set $r (table.get $t (i32.const 7)))"),
            (
                "dependent",
                "(local.set $x (i32.and (ref.is_null (table.get $t (local.get $x))) (i32.const 0)))",
            ),
        ],
        TableSet => &[("the same", "(table.set $t (i32.const 7) (local.get $r))")],
        TableGrow => &[("by nothing", "(drop (table.grow $t (ref.null func) (i32.const 0)))")],
        TableFill => &[("of nothing", "(table.fill $t (i32.const 0) (ref.null func) (i32.const 0))")],
        _ => &[],
    }
}
