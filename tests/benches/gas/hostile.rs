//! Programs that make cheap instructions slow: they miss predictions, stall the processor, or make the engine do what its
//! fast path avoids. Those that miss caches are in `caches`, those with odd floats in `floats`, those that do not pay in `unpaid`.

use crate::program::{repeat, turning};
use crate::{Group, Row};
use std::fmt::Write as _;

/// Steps of a random walk.
const RANDOM: &str =
    "(local.set $x (i32.add (i32.mul (local.get $x) (i32.const 1664525)) (i32.const 1013904223)))";

pub(crate) fn rows() -> Vec<Row> {
    texts().into_iter().map(|(name, wat)| Row::new(Group::Hostile, name, move || turning(&wat))).collect()
}

/// The programs: name and module.
fn texts() -> Vec<(String, String)> {
    let mut texts = Vec::new();
    let mut push = |name: &str, around: &str, locals: &str, begin: &str, unit: &str| {
        let wat = format!("(module (memory 1) {around} {})", repeat(locals, begin, "", unit, ""));
        texts.push((name.to_owned(), wat));
    };
    push(
        "unaligned reads across lines",
        "",
        "(local $x i64) (local $a i32)",
        "(local.set $a (i32.const 61))",
        "(local.set $x (i64.load (local.get $a)))",
    );
    push(
        "unaligned writes across pages",
        "",
        "(local $x i64) (local $a i32)",
        "(local.set $a (i32.const 4093))",
        "(i64.store (local.get $a) (local.get $x))",
    );
    push(
        "vectors across pages",
        "",
        "(local $x v128) (local $a i32)",
        "(local.set $a (i32.const 4089))",
        "(v128.store (local.get $a) (local.get $x)) (local.set $x (v128.load (local.get $a)))",
    );
    push(
        "reads of what was just written in pieces",
        "",
        "(local $x i64) (local $a i32)",
        "",
        "(i32.store8 (local.get $a) (i32.const 1)) (local.set $x (i64.load (local.get $a)))",
    );
    push(
        "reads across pages of what was just written in pieces",
        "",
        "(local $x i64) (local $a i32)",
        "(local.set $a (i32.const 4092))",
        "(i32.store16 offset=3 (local.get $a) (i32.const 1)) (local.set $x (i64.load (local.get $a)))",
    );
    push(
        "reads that seem to be of what was just written",
        "",
        "(local $x i64) (local $a i32)",
        "",
        "(i64.store (local.get $a) (local.get $x)) (local.set $x (i64.load offset=4096 (local.get $a)))",
    );
    push(
        "growth by nothing, short fills and copies in turn",
        "",
        "(local $x i32)",
        "",
        "(drop (memory.grow (i32.const 0))) (memory.fill (i32.const 4095) (i32.const 1) (i32.const 3)) (memory.copy (i32.const 8190) (i32.const 4095) (i32.const 3)) (local.set $x (i32.load (i32.const 8189)))",
    );
    push(
        "tables that are filled, copied and read in turn",
        "(table $t 1000 funcref) (func $f) (elem declare func $f)",
        "(local $r funcref)",
        "",
        "(table.fill $t (i32.const 3) (ref.func $f) (i32.const 1)) (table.copy $t $t (i32.const 4) (i32.const 3) (i32.const 2)) (local.set $r (table.get $t (i32.const 5)))",
    );
    push(
        "shuffles one after the other",
        "",
        "(local $v v128)",
        "(local.set $v (v128.const i64x2 0x0f0e0d0c0b0a0908 0x0706050403020100))",
        "(local.set $v (i8x16.swizzle (i8x16.shuffle 31 1 30 2 29 3 28 4 27 5 26 6 25 7 24 8 (local.get $v) (local.get $v)) (local.get $v)))",
    );
    push(
        "branches that nobody foresees",
        "",
        "(local $x i32) (local $y i32)",
        "",
        &format!(
            "{RANDOM} (if (i32.and (local.get $x) (i32.const 0x10000)) (then nop) (else (local.set $y (local.get $x))))"
        ),
    );
    push(
        "br_if that nobody foresees",
        "",
        "(local $x i32)",
        "(local.set $x (i32.const 1))",
        "(block (br_if 0 (i32.and (local.tee $x (i32.mul (local.get $x) (i32.const 1664525))) (i32.const 0x40000000))) nop)",
    );
    // A branch table over many targets, each of which is another place in the code.
    let mut table = String::from("(func $table (param $x i32) (result i32) ");
    write!(table, "{} (br_table {} (i32.and (local.get $x) (i32.const 127)))", "(block ".repeat(128), {
        (0..128).map(|target| format!("{target} ")).collect::<String>()
    })
    .expect("a String takes everything");
    for target in 0..128 {
        write!(table, ") (return (i32.const {target}))").expect("a String takes everything");
    }
    table.push(')');
    push(
        "br_table that nobody foresees",
        &table,
        "(local $x i32) (local $y i32)",
        "",
        &format!("{RANDOM} (local.set $y (call $table (i32.shr_u (local.get $x) (i32.const 16))))"),
    );
    let functions: String = (0..256)
        .map(|place| format!("(func $f{place} (type $u) (i32.add (local.get 0) (i32.const {place})))"))
        .collect();
    let names: String = (0..256).map(|place| format!("$f{place} ")).collect();
    push(
        "call_indirect that nobody foresees",
        &format!(
            "(type $u (func (param i32) (result i32))) (table 256 funcref) (elem (i32.const 0) func {names}) {functions}"
        ),
        "(local $x i32)",
        "",
        "(local.set $x (i32.mul (call_indirect (type $u) (local.get $x) (i32.shr_u (local.get $x) (i32.const 24))) (i32.const 1664525)))",
    );
    push(
        "random indices of a table",
        "(table $t 10000 funcref)",
        "(local $x i32) (local $r funcref)",
        "",
        &format!("{RANDOM} (local.set $r (table.get $t (i32.shr_u (local.get $x) (i32.const 19))))"),
    );
    push("many empty blocks", "", "", "", &"(block) ".repeat(64));
    push("many loops", "", "", "", &"(loop) ".repeat(64));
    push("many nops", "", "", "", &"nop ".repeat(64));
    push(
        "locals that are shuffled",
        "",
        "(local $a i64) (local $b i64) (local $c i64) (local $d i64)",
        "",
        "local.get $a local.get $b local.get $c local.get $d local.set $a local.set $b local.set $c local.set $d",
    );
    push(
        "vectors that are shuffled",
        "",
        "(local $a v128) (local $b v128) (local $c v128) (local $d v128)",
        "",
        "local.get $a local.get $b local.get $c local.get $d local.set $a local.set $b local.set $c local.set $d",
    );
    // Locals too many to be near, read while they change.
    let many = (0..4_000).map(|place| format!("(local $l{place} i64)")).collect::<String>();
    let walk: String = (0..512)
        .map(|place| {
            format!("(local.set $l{} (local.get $l{}))", place * 7 % 4_000, (place * 3_001 + 17) % 4_000)
        })
        .collect();
    push("thousands of locals", "", &many, "", &walk.split_inclusive("))").take(64).collect::<String>());
    // Operands that must be saved because the local they came from changes.
    push(
        "locals that change below operands",
        "",
        "(local $a i64)",
        "",
        &format!("{} (local.set $a (i64.const 1)) {}", "local.get $a ".repeat(64), "drop ".repeat(64)),
    );
    push(
        "many tiny functions",
        "(func $a (call $b)) (func $b (call $c)) (func $c (call $d)) (func $d (call $e)) (func $e)",
        "",
        "",
        "(call $a)",
    );
    push(
        "recursion to a depth of 4,000",
        "(func $f (param i32) (if (local.get 0) (then (call $f (i32.sub (local.get 0) (i32.const 1))))))",
        "",
        "",
        "(call $f (i32.const 4000))",
    );
    push(
        "recursion with wide frames",
        &format!(
            "(func $f (param i32) (local {}) (if (local.get 0) (then (call $f (i32.sub (local.get 0) (i32.const 1))))))",
            "i64 ".repeat(4_000)
        ),
        "",
        "",
        "(call $f (i32.const 14))",
    );
    push(
        "divisions that nobody foresees",
        "",
        "(local $x i64) (local $y i64)",
        "(local.set $x (i64.const 0x7fffffffffffffff))",
        "(local.set $y (i64.div_u (local.get $x) (i64.or (local.get $y) (i64.const 1)))) (local.set $x (i64.mul (local.get $x) (i64.const 6364136223846793005)))",
    );
    texts
}
