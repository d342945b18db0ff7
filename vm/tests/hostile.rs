//! Modules made to hurt: to be refused or run with bounded work, memory and stack. Everything runs on a small stack.

#[path = "support/allocations.rs"]
mod allocations;
mod support;

use allocations::counted;
use lathe_vm::{Limit, Meter, Module, ModuleErrorKind, Rules};
use support::{Run, binary, binary_function, brief, leb, on_small_stack};

/// Bytes that any module may ask of the allocator to be refused or accepted, for each of its own and besides. What a
/// module of these tests claims would be thousands of times that.
const BYTES_PER_BYTE: u64 = 32;
const BYTES_BESIDES: u64 = 64 * 1024;
/// Requests for each byte of a module and besides: one for a group of locals is the most.
const REQUESTS_PER_BYTE: u64 = 1;
const REQUESTS_BESIDES: u64 = 256;

/// Compiles bytes on a small stack, and returns the limit they pass, if they pass one.
fn refused_for(bytes: &[u8]) -> Option<Limit> {
    let (result, asked) = counted(|| Module::new(bytes, &Rules::DEVNET));
    let length = bytes.len() as u64;
    assert!(asked.total <= BYTES_PER_BYTE * length + BYTES_BESIDES, "{asked:?} for {length} bytes");
    assert!(asked.count <= REQUESTS_PER_BYTE * length + REQUESTS_BESIDES, "{asked:?} for {length} bytes");
    match result.as_ref().map_err(|error| error.kind()) {
        Err(ModuleErrorKind::Limit { limit, .. }) => Some(*limit),
        Err(other) => panic!("{other:?}"),
        Ok(_) => None,
    }
}

fn nested(opcode: &[u8], depth: usize) -> Vec<u8> {
    let mut body = vec![0];
    for _ in 0..depth {
        body.extend(opcode);
    }
    body.extend(vec![0x0b; depth + 1]);
    binary_function(&body)
}

#[test]
fn deep_nesting_is_refused() {
    on_small_stack(|| {
        // The function is the first block.
        assert_eq!(refused_for(&nested(&[0x02, 0x40], 255)), None);
        assert_eq!(refused_for(&nested(&[0x02, 0x40], 256)), Some(Limit::Nesting));
        assert_eq!(refused_for(&nested(&[0x02, 0x40], 40_000)), Some(Limit::Nesting));
        assert_eq!(refused_for(&nested(&[0x03, 0x40], 30_000)), Some(Limit::Nesting));
        assert_eq!(refused_for(&nested(&[0x41, 0, 0x04, 0x40], 20_000)), Some(Limit::Nesting));
    });
}

#[test]
fn deep_nesting_without_limits_does_not_recurse() {
    on_small_stack(|| {
        let bytes = nested(&[0x41, 1, 0x04, 0x40], 100_000);
        let module = Module::new(&bytes, &Rules::UNBOUNDED).unwrap_or_else(|error| panic!("{error}"));
        let outcome = Run::of(&module, &Rules::UNBOUNDED).invoke("f", &[], &mut Meter::from_gas(1 << 40));
        assert_eq!(brief(&outcome), "");
    });
}

#[test]
fn sections_that_claim_too_much_are_refused_before_room_is_made() {
    let claim = vec![0xff, 0xff, 0xff, 0xff, 0x0f];
    for (id, limit) in [
        (1, Limit::Types),
        (2, Limit::Imports),
        (3, Limit::Functions),
        (4, Limit::Tables),
        (6, Limit::Globals),
        (7, Limit::Exports),
        (9, Limit::Segments),
        (12, Limit::Segments),
    ] {
        assert_eq!(refused_for(&binary(&[(id, claim.clone())])), Some(limit), "section {id}");
    }
}

#[test]
fn locals_are_counted_before_room_is_made() {
    let group = |count: &[u8], ty: u8| [&[1][..], count, &[ty, 0x0b]].concat();
    assert_eq!(refused_for(&binary_function(&group(&leb(4_096), 0x7f))), None);
    assert_eq!(refused_for(&binary_function(&group(&leb(4_097), 0x7f))), Some(Limit::Locals));
    assert_eq!(refused_for(&binary_function(&group(&leb(2_049), 0x7b))), Some(Limit::Locals));
    assert_eq!(
        refused_for(&binary_function(&group(&[0xff, 0xff, 0xff, 0xff, 0x0f], 0x7e))),
        Some(Limit::Locals)
    );
}

#[test]
fn wide_signatures_are_refused() {
    let ty = |params: usize, results: usize| {
        let mut section = vec![1, 0x60];
        section.extend(leb(params));
        section.extend(vec![0x7f; params]);
        section.extend(leb(results));
        section.extend(vec![0x7f; results]);
        binary(&[(1, section)])
    };
    assert_eq!(refused_for(&ty(32, 16)), None);
    assert_eq!(refused_for(&ty(33, 0)), Some(Limit::Params));
    assert_eq!(refused_for(&ty(0, 17)), Some(Limit::Results));
}

#[test]
fn branch_tables_are_bounded_by_targets_times_values() {
    // A block of type 0 around a br_table to it, values made by unreachable.
    let table = |targets: usize, results: usize| {
        let mut types = vec![2, 0x60, 0, 0, 0x60, 0];
        types.extend(leb(results));
        types.extend(vec![0x7f; results]);
        let mut body = vec![0, 0x02, 0x01, 0x00, 0x0e];
        body.extend(leb(targets));
        body.extend(vec![0; targets + 1]);
        body.extend([0x0b, 0x00, 0x0b]);
        let mut code = vec![1];
        code.extend(leb(body.len()));
        code.extend(body);
        binary(&[(1, types), (3, vec![1, 0]), (10, code)])
    };
    assert_eq!(refused_for(&table(4_096, 0)), None);
    assert_eq!(refused_for(&table(4_097, 0)), Some(Limit::BranchTargets));
    assert_eq!(refused_for(&table(4_095, 16)), None);
    assert_eq!(refused_for(&table(4_096, 16)), Some(Limit::BranchValues));
}

#[test]
fn operands_are_bounded() {
    let pushes = |count: usize| {
        let mut body = vec![0];
        body.extend([0x41, 0].repeat(count));
        body.extend(vec![0x1a; count]);
        body.push(0x0b);
        binary_function(&body)
    };
    assert_eq!(refused_for(&pushes(1_024)), None);
    assert_eq!(refused_for(&pushes(1_025)), Some(Limit::Operands));
}

#[test]
fn minima_are_refused_before_room_is_made() {
    assert_eq!(refused_for(&binary(&[(5, vec![1, 0, 0x80, 2])])), None);
    assert_eq!(refused_for(&binary(&[(5, vec![1, 0, 0x81, 2])])), Some(Limit::MemoryPages));
    assert_eq!(refused_for(&binary(&[(4, vec![1, 0x70, 0, 0x91, 0x4e])])), Some(Limit::TableElements));
}

#[test]
fn modules_and_bodies_are_bounded() {
    let body = |nops: usize| {
        let mut body = vec![0];
        body.extend(vec![0x01; nops]);
        body.push(0x0b);
        binary_function(&body)
    };
    assert_eq!(refused_for(&body(131_070)), None);
    assert_eq!(refused_for(&body(131_071)), Some(Limit::BodyBytes));
    assert_eq!(refused_for(&body(524_288)), Some(Limit::ModuleBytes));
}

#[test]
fn many_locals_in_many_groups_are_declared_once() {
    let mut body = leb(4_096);
    for i in 0..4_096 {
        body.extend([1, if i % 2 == 0 { 0x7f } else { 0x7e }]);
    }
    for i in 0..30_000usize {
        body.push(0x20);
        body.extend(leb(i % 4_096));
        body.push(0x1a);
    }
    body.push(0x0b);
    assert_eq!(refused_for(&binary_function(&body)), None);
}

#[test]
fn dead_code_is_validated() {
    for body in [
        "unreachable i32.const 0 i64.eqz drop",
        "return local.get 7 drop",
        "br 0 call 99",
        "br 0 f32.const 0 i32.load drop",
    ] {
        let wat = format!("(module (memory 1) (func {body}))");
        let bytes = wat::parse_str(&wat).unwrap_or_else(|error| panic!("{error}"));
        let error = Module::new(&bytes, &Rules::DEVNET).err();
        assert!(
            matches!(error.as_ref().map(|e| e.kind()), Some(ModuleErrorKind::Invalid(_))),
            "{body}: {error:?}"
        );
    }
}

#[test]
fn recursion_ends_on_a_small_stack() {
    on_small_stack(|| {
        let mut run = Run::new(
            r#"(module (table 1 funcref) (elem (i32.const 0) $indirect)
                (func $direct (export "direct") (result i32) (i32.add (call $direct) (i32.const 1)))
                (func $indirect (export "indirect") (call_indirect (i32.const 0)))
                (func $wide (export "wide") (local i64 i64 v128 v128) (call $wide))
                (func $large (export "large") (param i64) (local v128)
                    (call $large (local.get 0)))
                (func $tail (export "tail") (param i32) (result i32)
                    (if (result i32) (local.get 0)
                        (then (return_call $tail (i32.sub (local.get 0) (i32.const 1))))
                        (else (i32.const 7)))))"#,
        );
        let mut meter = Meter::from_gas(1 << 40);
        for name in ["direct", "indirect", "wide"] {
            assert_eq!(brief(&run.invoke(name, &[], &mut meter)), "call stack exhausted", "{name}");
        }
        let arguments = [lathe_vm::Value::I32(1_000_000)];
        assert_eq!(brief(&run.invoke("tail", &arguments, &mut meter)), "7");
    });
}

#[test]
fn frames_with_many_locals_end_by_slots() {
    // 4,096 locals and one operand: 15 frames fit in 65,536 slots.
    let mut run = Run::new(&format!(
        r#"(module (global $depth (export "depth") (mut i32) (i32.const 0))
            (func $f (export "f") (local {}) (global.set $depth (i32.add (global.get $depth) (i32.const 1))) (call $f)))"#,
        "i32 ".repeat(4_096)
    ));
    let outcome = run.invoke("f", &[], &mut Meter::from_gas(1 << 40));
    assert_eq!(brief(&outcome), "call stack exhausted");
    let Some(lathe_vm::Extern::Global(depth)) = run.machine.export(run.instance, "depth") else {
        panic!("depth is exported")
    };
    assert_eq!(run.machine.global(depth), lathe_vm::Value::I32(15));
}

#[test]
fn straight_line_code_runs_out_of_gas_before_its_effects() {
    let mut body = vec![0];
    body.extend(vec![0x01; 100_000]);
    body.extend([0x00, 0x0b]);
    let module =
        Module::new(&binary_function(&body), &Rules::DEVNET).unwrap_or_else(|error| panic!("{error}"));
    let outcome = Run::of(&module, &Rules::DEVNET).invoke("f", &[], &mut Meter::from_gas(1));
    assert_eq!(brief(&outcome), "out of gas");
}

#[test]
fn a_failed_computation_leaves_the_machine_usable() {
    let mut run = Run::new(
        r#"(module (func $f (export "f") (call $f)) (func (export "g") (param i32) (result i32) (local i32)
            (i32.add (local.get 0) (local.get 1))))"#,
    );
    for _ in 0..3 {
        run.invoke("f", &[], &mut Meter::from_gas(1 << 30));
        let outcome = run.invoke("g", &[lathe_vm::Value::I32(5)], &mut Meter::from_gas(1 << 30));
        assert_eq!(brief(&outcome), "5");
    }
}

#[test]
fn locals_are_zero_whatever_lay_on_the_stack() {
    let mut run = Run::new(
        r#"(module
            (func $dirty (param i64 i64 i64 i64) (result i64)
                (i64.add (i64.add (local.get 0) (local.get 1)) (i64.add (local.get 2) (local.get 3))))
            (func $clean (result i64) (local i64 i64 i64 i64)
                (i64.add (i64.add (local.get 0) (local.get 1)) (i64.add (local.get 2) (local.get 3))))
            (func (export "f") (result i64)
                (drop (call $dirty (i64.const 1) (i64.const 2) (i64.const 4) (i64.const 8)))
                (call $clean)))"#,
    );
    assert_eq!(brief(&run.invoke("f", &[], &mut Meter::from_gas(1 << 30))), "0");
}

#[test]
fn truncated_and_flipped_modules_do_not_panic() {
    let bytes = wat::parse_str(
        r#"(module (import "h" "f" (func (param i32))) (memory 1) (table 1 funcref) (global (mut i64) (i64.const 1))
            (elem (i32.const 0) 1) (data (i32.const 3) "abc")
            (func (export "f") (param i32) (result i32) (local f64 v128)
                (block (loop (br_table 0 1 (local.get 0)))) (call 0 (local.get 0))
                (if (result i32) (local.get 0) (then (i32.const 1)) (else (i32.load offset=4 (local.get 0))))))"#,
    )
    .unwrap_or_else(|error| panic!("{error}"));
    for len in 0..bytes.len() {
        // Some prefixes end behind a section and are modules.
        let _ = Module::new(&bytes[..len], &Rules::DEVNET);
    }
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            if let Err(error) = Module::new(&flipped, &Rules::DEVNET) {
                assert!(!error.to_string().is_empty());
            }
        }
    }
}
