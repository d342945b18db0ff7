//! Floats whose operands processors are slow with: subnormal, tiny, infinite, not numbers, and kinds that change as nobody
//! foresees, so that whatever branches on them is mispredicted.

use crate::program::{repeat, turning};
use crate::{Group, Row};
use std::fmt::Write as _;

/// A kind of operands: its name, then two of 32 bits, then two of 64 bits.
const KINDS: [(&str, [&str; 2], [&str; 2]); 4] = [
    ("subnormal", ["0x1p-140", "0x1.8p-140"], ["0x1p-1060", "0x1.5p-1060"]),
    ("tiny", ["0x1p-80", "0x1.8p-80"], ["0x1p-600", "0x1.5p-600"]),
    ("not a number", ["nan", "nan:0x200001"], ["nan", "nan:0x4000000000001"]),
    ("infinite", ["inf", "-inf"], ["inf", "-inf"]),
];

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (kind, narrow, wide) in KINDS {
        for (scalar, vector, [x, y]) in [("f32", "f32x4", narrow), ("f64", "f64x2", wide)] {
            rows.extend(of_kind(kind, scalar, vector, x, y));
        }
        let [x, _] = wide;
        let begin = format!("(local.set $x (f64.const {x}))");
        let unit = "(local.set $r (f32.demote_f64 (local.get $x)))";
        rows.push(row(
            &format!("f32.demote_f64 of operands that are {kind}"),
            "(local $x f64) (local $r f32)",
            &begin,
            unit,
        ));
    }
    rows.extend(unforeseen());
    rows
}

fn row(name: &str, locals: &str, begin: &str, unit: &str) -> Row {
    let wat = format!("(module (memory 1) {})", repeat(locals, begin, "", unit, ""));
    Row::new(Group::Hostile, name, move || turning(&wat))
}

/// Operators whose operands are all of one kind.
fn of_kind(kind: &str, scalar: &str, vector: &str, x: &str, y: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let lanes = |value: &str| format!("{value} ").repeat(if scalar == "f32" { 4 } else { 2 });
    for (ty, prefix, constants) in [
        (scalar, scalar, [format!("({scalar}.const {x})"), format!("({scalar}.const {y})")]),
        ("v128", vector, [x, y].map(|value| format!("(v128.const {vector} {})", lanes(value)))),
    ] {
        let locals = format!("(local $x {ty}) (local $y {ty}) (local $r {ty})");
        let begin = format!("(local.set $x {}) (local.set $y {})", constants[0], constants[1]);
        for operator in ["add", "sub", "mul", "div", "min"] {
            let name = format!("{prefix}.{operator} of operands that are {kind}");
            let unit = format!("(local.set $r ({prefix}.{operator} (local.get $x) (local.get $y)))");
            rows.push(row(&name, &locals, &begin, &unit));
        }
        for operator in ["sqrt", "nearest", "floor", "ceil", "trunc"] {
            let name = format!("{prefix}.{operator} of operands that are {kind}");
            let unit = format!("(local.set $r ({prefix}.{operator} (local.get $x)))");
            rows.push(row(&name, &locals, &begin, &unit));
        }
    }
    rows
}

/// Sixteen numbers of which each makes something else of most operators.
const NUMBERS: [f64; 16] = [
    1.5,
    f64::NAN,
    -0.0,
    f64::INFINITY,
    1e300,
    -1e300,
    5e-324,
    0.5,
    -2.5,
    -f64::NAN,
    3.5,
    f64::NEG_INFINITY,
    1e-300,
    0.0,
    7.0,
    4.5e15,
];

/// Operators on one of those numbers, taken at random. `$v` is the number, `$w` the one before.
fn unforeseen() -> Vec<Row> {
    let data = NUMBERS.iter().flat_map(|number| number.to_bits().to_le_bytes()).fold(
        String::new(),
        |mut text, byte| {
            write!(text, "\\{byte:02x}").expect("a String takes everything");
            text
        },
    );
    let operators = [
        ("f64.add", "(local.set $r (f64.add (local.get $v) (local.get $w)))"),
        ("f64.mul", "(local.set $r (f64.mul (local.get $v) (local.get $w)))"),
        ("f64.div", "(local.set $r (f64.div (local.get $v) (local.get $w)))"),
        ("f64.sqrt", "(local.set $r (f64.sqrt (local.get $v)))"),
        ("f64.min", "(local.set $r (f64.min (local.get $v) (local.get $w)))"),
        ("f64.max", "(local.set $r (f64.max (local.get $v) (local.get $w)))"),
        ("f64.nearest", "(local.set $r (f64.nearest (local.get $v)))"),
        ("f64.trunc", "(local.set $r (f64.trunc (local.get $v)))"),
        ("f64.lt", "(local.set $i (i64.extend_i32_u (f64.lt (local.get $v) (local.get $w))))"),
        ("f64.copysign", "(local.set $r (f64.copysign (local.get $v) (local.get $w)))"),
        ("f32.demote_f64", "(local.set $r (f64.promote_f32 (f32.demote_f64 (local.get $v))))"),
        ("i64.trunc_sat_f64_s", "(local.set $i (i64.trunc_sat_f64_s (local.get $v)))"),
        ("i64.trunc_sat_f64_u", "(local.set $i (i64.trunc_sat_f64_u (local.get $v)))"),
        ("i32.trunc_sat_f64_u", "(local.set $i (i64.extend_i32_u (i32.trunc_sat_f64_u (local.get $v))))"),
        ("f64.convert_i64_u", "(local.set $r (f64.convert_i64_u (i64.reinterpret_f64 (local.get $v))))"),
        (
            "f32.convert_i64_u",
            "(local.set $r (f64.promote_f32 (f32.convert_i64_u (i64.reinterpret_f64 (local.get $v)))))",
        ),
        (
            "i64.div_u",
            "(local.set $i (i64.div_u (i64.const -1) (i64.or (i64.reinterpret_f64 (local.get $v)) (i64.const 1))))",
        ),
        (
            "i64.rem_s",
            "(local.set $i (i64.rem_s (i64.const -7) (i64.or (i64.reinterpret_f64 (local.get $v)) (i64.const 1))))",
        ),
        ("i64.clz", "(local.set $i (i64.clz (i64.reinterpret_f64 (local.get $v))))"),
        ("i64.ctz", "(local.set $i (i64.ctz (i64.reinterpret_f64 (local.get $v))))"),
        (
            "select",
            "(local.set $r (select (local.get $v) (local.get $w) (i32.and (local.get $x) (i32.const 0x8000000))))",
        ),
        ("f64x2.min", "(local.set $q (f64x2.min (f64x2.splat (local.get $v)) (f64x2.splat (local.get $w))))"),
        ("f64x2.div", "(local.set $q (f64x2.div (f64x2.splat (local.get $v)) (f64x2.splat (local.get $w))))"),
        ("f64x2.sqrt", "(local.set $q (f64x2.sqrt (f64x2.splat (local.get $v))))"),
        ("f64x2.nearest", "(local.set $q (f64x2.nearest (f64x2.splat (local.get $v))))"),
        (
            "i32x4.trunc_sat_f64x2_s_zero",
            "(local.set $q (i32x4.trunc_sat_f64x2_s_zero (f64x2.splat (local.get $v))))",
        ),
        (
            "select of vectors",
            "(local.set $q (select (local.get $q) (f64x2.splat (local.get $v)) (i32.and (local.get $x) (i32.const 0x8000000))))",
        ),
    ];
    let program = |(name, unit): (&str, &str)| {
        // The bits above are the most random ones.
        let unit = format!(
            "(local.set $x (i32.add (i32.mul (local.get $x) (i32.const 1664525)) (i32.const 1013904223)))
             (local.set $w (local.get $v)) (local.set $v (f64.load (i32.and (i32.shr_u (local.get $x) (i32.const 22)) (i32.const 0x78))))
             {unit}"
        );
        let locals =
            "(local $x i32) (local $v f64) (local $w f64) (local $r f64) (local $i i64) (local $q v128)";
        let wat = format!(
            "(module (memory 1) (data (i32.const 0) \"{data}\") {})",
            repeat(locals, "", "", &unit, "")
        );
        Row::new(Group::Hostile, format!("{name} of what nobody foresees"), move || turning(&wat))
    };
    operators.into_iter().map(program).collect()
}
