//! Every float operation makes the positive canonical NaN, whatever NaNs it is given; what only moves bits keeps them.

mod support;

use lathe_vm::{Meter, Outcome, Value};
use support::{PLENTY, Run};

const F32_CANONICAL: u32 = 0x7fc0_0000;
const F64_CANONICAL: u64 = 0x7ff8_0000_0000_0000;
/// Quiet and signalling, of both signs, with payloads.
const F32_NANS: [u32; 6] = [0x7fc0_0000, 0xffc0_0000, 0x7f80_0001, 0xff80_0001, 0x7fff_ffff, 0xffbf_ffff];
const F64_NANS: [u64; 6] = [
    0x7ff8_0000_0000_0000,
    0xfff8_0000_0000_0000,
    0x7ff0_0000_0000_0001,
    0xfff0_0000_0000_0001,
    0x7fff_ffff_ffff_ffff,
    0xfff7_ffff_ffff_ffff,
];

const UNARY: [&str; 5] = ["sqrt", "ceil", "floor", "trunc", "nearest"];
const BINARY: [&str; 6] = ["add", "sub", "mul", "div", "min", "max"];

/// Calls the exported "f" and returns its only result.
fn call(wat: &str, arguments: &[Value]) -> Value {
    match Run::new(wat).invoke("f", arguments, &mut Meter::from_gas(PLENTY)) {
        Outcome::Returned(values) if values.len() == 1 => values[0],
        other => panic!("{other:?}"),
    }
}

fn unary(operator: &str, param: &str, result: &str) -> String {
    format!("(module (func (export \"f\") (param {param}) (result {result}) ({operator} (local.get 0))))")
}

fn binary(operator: &str, ty: &str) -> String {
    format!(
        "(module (func (export \"f\") (param {ty} {ty}) (result {ty}) ({operator} (local.get 0) (local.get 1))))"
    )
}

#[test]
fn scalar_arithmetic_makes_canonical_nans() {
    for operator in UNARY {
        for nan in F32_NANS {
            let wat = unary(&format!("f32.{operator}"), "f32", "f32");
            assert_eq!(call(&wat, &[Value::F32(nan)]), Value::F32(F32_CANONICAL), "{operator} {nan:x}");
        }
        for nan in F64_NANS {
            let wat = unary(&format!("f64.{operator}"), "f64", "f64");
            assert_eq!(call(&wat, &[Value::F64(nan)]), Value::F64(F64_CANONICAL), "{operator} {nan:x}");
        }
    }
    for operator in BINARY {
        for nan in F32_NANS {
            let wat = binary(&format!("f32.{operator}"), "f32");
            for other in [1.5f32.to_bits(), F32_NANS[5]] {
                for arguments in [[nan, other], [other, nan]] {
                    let result = call(&wat, &arguments.map(Value::F32));
                    assert_eq!(result, Value::F32(F32_CANONICAL), "{operator} {arguments:x?}");
                }
            }
        }
        for nan in F64_NANS {
            let wat = binary(&format!("f64.{operator}"), "f64");
            for other in [1.5f64.to_bits(), F64_NANS[5]] {
                for arguments in [[nan, other], [other, nan]] {
                    let result = call(&wat, &arguments.map(Value::F64));
                    assert_eq!(result, Value::F64(F64_CANONICAL), "{operator} {arguments:x?}");
                }
            }
        }
    }
    for nan in F64_NANS {
        let wat = unary("f32.demote_f64", "f64", "f32");
        assert_eq!(call(&wat, &[Value::F64(nan)]), Value::F32(F32_CANONICAL), "{nan:x}");
    }
    for nan in F32_NANS {
        let wat = unary("f64.promote_f32", "f32", "f64");
        assert_eq!(call(&wat, &[Value::F32(nan)]), Value::F64(F64_CANONICAL), "{nan:x}");
    }
}

#[test]
fn numbers_that_give_nan_give_the_canonical_one() {
    let zero = Value::F64(0);
    let infinity = Value::F64(f64::INFINITY.to_bits());
    for (operator, arguments) in [
        ("div", [zero, zero]),
        ("mul", [zero, infinity]),
        ("sub", [infinity, infinity]),
        ("div", [infinity, infinity]),
    ] {
        let result = call(&binary(&format!("f64.{operator}"), "f64"), &arguments);
        assert_eq!(result, Value::F64(F64_CANONICAL), "{operator}");
    }
    let minus_one = Value::F64((-1.0f64).to_bits());
    assert_eq!(call(&unary("f64.sqrt", "f64", "f64"), &[minus_one]), Value::F64(F64_CANONICAL));
}

#[test]
fn moves_keep_the_bits_of_nans() {
    for nan in F32_NANS {
        let sign = 1 << 31;
        assert_eq!(call(&unary("f32.neg", "f32", "f32"), &[Value::F32(nan)]), Value::F32(nan ^ sign));
        assert_eq!(call(&unary("f32.abs", "f32", "f32"), &[Value::F32(nan)]), Value::F32(nan & !sign));
        let copysign = binary("f32.copysign", "f32");
        assert_eq!(
            call(&copysign, &[Value::F32(nan), Value::F32((-1.0f32).to_bits())]),
            Value::F32(nan | sign)
        );
        let through_memory = r#"(module (memory 1) (func (export "f") (param f32) (result f32)
            (f32.store (i32.const 0) (local.get 0)) (f32.load (i32.const 0))))"#;
        assert_eq!(call(through_memory, &[Value::F32(nan)]), Value::F32(nan));
        let reinterpreted = unary("i32.reinterpret_f32", "f32", "i32");
        assert_eq!(call(&reinterpreted, &[Value::F32(nan)]), Value::I32(nan.cast_signed()));
        let select = r#"(module (global $g (mut f32) (f32.const 0)) (func (export "f") (param f32) (result f32)
            (global.set $g (local.get 0)) (select (global.get $g) (f32.const 1) (i32.const 1))))"#;
        assert_eq!(call(select, &[Value::F32(nan)]), Value::F32(nan));
        let constant =
            format!("(module (func (export \"f\") (result f32) (f32.reinterpret_i32 (i32.const {nan}))))");
        assert_eq!(call(&constant, &[]), Value::F32(nan));
    }
    for nan in F64_NANS {
        let sign = 1 << 63;
        assert_eq!(call(&unary("f64.neg", "f64", "f64"), &[Value::F64(nan)]), Value::F64(nan ^ sign));
        assert_eq!(call(&unary("f64.abs", "f64", "f64"), &[Value::F64(nan)]), Value::F64(nan & !sign));
    }
}

#[test]
fn vector_arithmetic_makes_canonical_nans_in_every_lane() {
    let pair =
        |a: u32, b: u32| u128::from(a) | u128::from(b) << 32 | u128::from(b) << 64 | u128::from(a) << 96;
    let canonical32 = pair(F32_CANONICAL, F32_CANONICAL);
    let canonical64 = u128::from(F64_CANONICAL) | u128::from(F64_CANONICAL) << 64;
    for operator in UNARY {
        for (a, b) in F32_NANS.into_iter().zip(F32_NANS.into_iter().rev()) {
            let wat = unary(&format!("f32x4.{operator}"), "v128", "v128");
            assert_eq!(call(&wat, &[Value::V128(pair(a, b))]), Value::V128(canonical32), "{operator}");
        }
    }
    for operator in BINARY {
        for (a, b) in F64_NANS.into_iter().zip(F64_NANS.into_iter().rev()) {
            let wat = binary(&format!("f64x2.{operator}"), "v128");
            let left = Value::V128(u128::from(a) | u128::from(1.0f64.to_bits()) << 64);
            let right = Value::V128(u128::from(1.0f64.to_bits()) | u128::from(b) << 64);
            assert_eq!(call(&wat, &[left, right]), Value::V128(canonical64), "{operator}");
        }
    }
    for (a, b) in F32_NANS.into_iter().zip(F32_NANS.into_iter().rev()) {
        let wat = binary("f32x4.pmin", "v128");
        let arguments = [Value::V128(pair(a, b)), Value::V128(pair(b, a))];
        assert_eq!(call(&wat, &arguments), arguments[0], "pmin passes its first operand through");
    }
}
