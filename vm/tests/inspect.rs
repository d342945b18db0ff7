//! Reports on modules: sizes, use of limits and proposals, all violations at once, and prices.

mod support;

use lathe_vm::{Features, Limit, Meter, Observer, Outcome, Proposal, Report, Rules, Step, inspect, prices};
use support::{PLENTY, Run, binary, binary_function, leb, on_small_stack};

fn bytes(wat: &str) -> Vec<u8> {
    wat::parse_str(wat).unwrap_or_else(|error| panic!("{error}\n{wat}"))
}

fn report(wat: &str) -> Report {
    inspect(&bytes(wat), &Rules::DEVNET)
}

fn violations(report: &Report) -> Vec<String> {
    report.violations.iter().map(ToString::to_string).collect()
}

#[test]
fn all_violations_are_listed_at_once() {
    let report = report(&format!(
        r#"(module (type (func (param {})))
            (memory 300) (table 20000 funcref)
            (func $fine (result i32) (i32.const 1))
            (func $wrong (result i32) (i64.const 1))
            (func $vector (param v128) (drop (f32x4.relaxed_min (local.get 0) (local.get 0))) (drop (i64.const 1)))
            (func $atomic (drop (i32.atomic.load (i32.const 0))) (memory.atomic.notify (i32.const 0) (i32.const 1)) drop)
            (func $also_wrong (drop (f32.add (i32.const 1) (f32.const 2))))
            (func $locals (local {}))
            (start $also_wrong))"#,
        "i32 ".repeat(33),
        "i64 ".repeat(4_097)
    ));
    assert!(!report.is_accepted());
    assert_eq!(
        violations(&report),
        [
            "at 0xb: 33 parameters, the limit is 32; pass values through memory",
            "at 0x46: 20000 elements of a table, the limit is 10000; take fewer functions' addresses",
            "at 0x4e: 300 pages of memory, the limit is 256; declare less memory or a smaller stack",
            "at 0x53: start functions are not allowed; call it from the entry point instead",
            "f32x4.relaxed_min at 0x67 in function 2 `vector`: the relaxed SIMD proposal is not enabled; compile without it",
            "i32.atomic.load at 0x73 in function 3 `atomic`: the threads proposal is not enabled; compile without it",
            "memory.atomic.notify at 0x7c in function 3 `atomic`: the threads proposal is not enabled; compile without it",
            "at 0x90 in function 5 `locals`: 4097 slots of locals, the limit is 4096; split the function",
        ],
        "types too wide keep code from being checked"
    );
}

#[test]
fn invalid_code_of_one_function_does_not_hide_that_of_the_next() {
    let report = report(
        r#"(module (func $fine (result i32) (i32.const 1)) (func $wrong (result i32) (i64.const 1))
            (func $also_wrong (drop (f32.add (i32.const 1) (f32.const 2))) unreachable) (func (local.get 7)))"#,
    );
    assert_eq!(
        violations(&report),
        [
            "end at 0x25 in function 1 `wrong`: invalid module: type mismatch: expected i32, found i64",
            "f32.add at 0x2f in function 2 `also_wrong`: invalid module: type mismatch: expected f32, found i32",
            "local.get at 0x35 in function 3: invalid module: unknown local 7: local index out of bounds",
        ]
    );
    assert_eq!(report.functions.iter().map(|f| f.checked).collect::<Vec<_>>(), [true, false, false, false]);
}

#[test]
fn a_refused_declaration_does_not_hide_what_comes_behind() {
    let report = report(
        r#"(module (memory 1 1 shared) (memory i64 1) (func (drop (i64.load 1 (i64.const 0))))
            (func $wrong (result i32)))"#,
    );
    assert_eq!(
        violations(&report),
        [
            "second memory at 0x19: the multi-memory proposal is not enabled; compile without it",
            "shared memory at 0x1a: the threads proposal is not enabled; compile without it",
            "64-bit memory at 0x1d: the memory64 proposal is not enabled; compile without it",
            "end at 0x2e in function 1 `wrong`: invalid module: type mismatch: expected i32 but nothing on stack",
        ]
    );
}

#[test]
fn sections_and_functions_add_up_to_the_module() {
    let bytes = bytes(
        r#"(module (import "env" "log" (func (param i32))) (memory (export "memory") 2 10)
            (func $double (export "double") (param i32) (result i32) (local i64 v128)
                (block (block)) (i32.add (local.get 0) (local.get 0)))
            (global (export "limit") i64 (i64.const 5)))"#,
    );
    let report = inspect(&bytes, &Rules::DEVNET);
    assert!(report.is_accepted(), "{:?}", violations(&report));
    let sections: Vec<_> =
        report.sections.iter().map(|section| (section.name.as_str(), section.items)).collect();
    assert_eq!(
        sections,
        [
            ("type", Some(2)),
            ("import", Some(1)),
            ("function", Some(1)),
            ("memory", Some(1)),
            ("global", Some(1)),
            ("export", Some(3)),
            ("code", Some(1)),
            ("name", None)
        ]
    );
    // Each section has a number and a length of one byte here, the module a head of eight.
    let contents: u64 = report.sections.iter().map(|section| section.bytes).sum();
    assert_eq!(contents + 2 * report.sections.len() as u64 + 8, bytes.len() as u64);
    let [function] = &report.functions[..] else { panic!("{:?}", report.functions) };
    assert_eq!((function.index, function.name.as_deref()), (1, Some("double")));
    assert_eq!((function.instructions, function.local_slots), (8, 3));
    assert_eq!((function.operands, function.nesting, function.checked), (2, 3, true));
    assert_eq!(bytes[usize::try_from(function.offset + function.bytes).unwrap_or(0) - 1], 0x0b);
    let items: Vec<_> =
        report.imports.iter().chain(&report.exports).map(|item| (&*item.name, &*item.ty)).collect();
    assert_eq!(
        items,
        [
            ("log", "function [i32] -> []"),
            ("memory", "memory, 2 pages, at most 10"),
            ("double", "function [i32] -> [i32]"),
            ("limit", "immutable global of i64"),
        ]
    );
}

#[test]
fn uses_of_limits_and_proposals_are_told_with_their_place() {
    let report = report(
        r#"(module (func) (func $deep (param v128) (result i32 i32) (block (loop (block)))
            (i32.extend8_s (i32.const 1)) (i32.extend16_s (i32.const 1))) (memory 7))"#,
    );
    assert!(report.is_accepted());
    let used = |limit: Limit| {
        let entry = report.limits[limit as usize];
        assert_eq!((entry.limit, entry.allowed), (limit, Rules::DEVNET.limits.get(limit)));
        entry.used
    };
    assert_eq!(used(Limit::Nesting), Some(4));
    assert_eq!(used(Limit::MemoryPages), Some(7));
    assert_eq!(used(Limit::Params), Some(1));
    assert_eq!(used(Limit::Results), Some(2));
    assert_eq!(used(Limit::Operands), Some(2));
    assert_eq!(used(Limit::ValueSlots), None);
    assert_eq!(used(Limit::CallDepth), None);
    assert_eq!(report.limits[Limit::Nesting as usize].function, Some(1));
    let proposals: Vec<_> = report
        .proposals
        .iter()
        .map(|use_of| (use_of.proposal, use_of.uses, &*use_of.item, use_of.function))
        .collect();
    assert_eq!(
        proposals,
        [
            (Proposal::SignExtension, 2, "i32.extend8_s", Some(1)),
            (Proposal::MultiValue, 1, "type", None),
            (Proposal::Simd, 1, "v128", None)
        ]
    );
    assert!(report.proposals.iter().all(|use_of| use_of.allowed));
    let old = Rules { features: Features::WASM_1, ..Rules::DEVNET };
    let bytes = bytes("(module (func (drop (i32.extend8_s (i32.const 1)))))");
    assert!(!inspect(&bytes, &old).proposals[0].allowed);
}

#[test]
fn a_report_is_bounded_whatever_the_module() {
    on_small_stack(|| {
        // A thousand functions, each invalid; nesting far beyond the limit; names without end.
        let mut code = leb(1_000);
        (0..1_000).for_each(|_| code.extend([3, 0, 0x1a, 0x0b]));
        let mut functions = leb(1_000);
        functions.extend(vec![0; 1_000]);
        let bad = binary(&[(1, vec![1, 0x60, 0, 0]), (3, functions), (10, code)]);
        let report = inspect(&bad, &Rules::DEVNET);
        assert_eq!((report.violations.len(), report.violations_omitted), (256, 744));

        let mut body = vec![0];
        (0..40_000).for_each(|_| body.extend([0x02, 0x40]));
        body.extend(vec![0x0b; 40_001]);
        let report = inspect(&binary_function(&body), &Rules::DEVNET);
        assert_eq!(report.violations.len(), 1, "{:?}", violations(&report));
        assert_eq!(report.functions[0].nesting, 40_001);
        assert_eq!(report.limits[Limit::Nesting as usize].used, Some(40_001));

        let mut export = leb(1);
        export.extend(leb(100_000));
        export.extend(vec![b'n'; 100_000]);
        export.extend([0, 0]);
        let report = inspect(&binary(&[(7, export)]), &Rules::DEVNET);
        assert_eq!(report.exports[0].name.len(), 256 + 3);
    });
}

#[test]
fn what_is_no_module_has_one_violation() {
    let report = inspect(b"#!/bin/sh", &Rules::DEVNET);
    assert_eq!(
        violations(&report),
        ["at 0x0: invalid module: it begins with `23212f62`, WebAssembly with `0061736d`"]
    );
    assert_eq!(inspect(b"", &Rules::DEVNET).violations.len(), 1);
}

/// Charges seen, by the instruction that made them.
#[derive(Default)]
struct Charges(Vec<(Step, u64)>);

impl Observer for Charges {
    fn instruction(&mut self, step: &Step) {
        if let Some((before, charge)) = self.0.last_mut() {
            *charge = before.ink_left - step.ink_left;
        }
        self.0.push((*step, 0));
    }
}

#[test]
fn prices_are_those_that_the_machine_charges() {
    let wat = r#"(module (memory 1) (table 1 funcref) (elem (i32.const 0) $pair) (type $pair (func (param i32 i64) (result i32 v128)))
        (func $pair (type $pair) (local v128 i32) (local.get 0) (v128.const i64x2 1 2))
        (func $swap (param i32 i64) (result i32 v128) (return_call $pair (local.get 0) (local.get 1)))
        (func (export "f") (param i32) (result i32)
            (loop $again (param) (block $out (result i32 i64)
                (i32.const 1) (i64.const 2) (br_if $out (local.get 0)) (br_table $out $out (i32.const 0)))
                (drop) (drop) (br_if $again (i32.eqz (local.tee 0 (i32.const 1)))))
            (call $swap (i32.const 1) (i64.const 2)) drop drop
            (call_indirect (type $pair) (i32.const 1) (i64.const 2) (i32.const 0)) drop drop
            (if (i32.const 1) (then nop) (else nop))
            (memory.fill (i32.const 0) (i32.const 1) (i32.const 100))
            (return (f32.gt (f32.sqrt (f32.const 2)) (f32.const 1)))))"#;
    let priced = prices(&bytes(wat), &Rules::DEVNET);
    let mut run = Run::new(wat);
    let function =
        run.machine.exported_function(run.instance, "f").unwrap_or_else(|| panic!("f is exported"));
    let (mut charges, mut meter) = (Charges::default(), Meter::from_gas(PLENTY));
    let outcome = run.machine.invoke_traced(
        function,
        &[lathe_vm::Value::I32(0)],
        &mut meter,
        &mut lathe_vm::NoHost,
        &mut charges,
    );
    assert!(matches!(outcome, Outcome::Returned(_)), "{outcome:?}");
    charges.0.last_mut().unwrap_or_else(|| panic!("nothing ran")).1 =
        charges.0.last().map_or(0, |(step, _)| step.ink_left) - meter.ink_left();
    let entry_of =
        |function: u32| priced.iter().find(|price| price.function == function).map_or(0, |price| price.ink);
    for (i, &(step, charge)) in charges.0.iter().enumerate() {
        let price = priced.iter().rfind(|price| price.offset == step.offset.into());
        let price = price.unwrap_or_else(|| panic!("no price for {step:?}"));
        // A function entered is charged with the call, bytes with the fill.
        let entered = charges.0.get(i + 1).filter(|(next, _)| {
            next.depth > step.depth || (next.function != step.function && next.depth == step.depth)
        });
        let entry = entered.map_or(0, |(next, _)| entry_of(next.function));
        let bytes = price.per.map_or(0, |(ink, unit)| if unit == "byte" { 100 * u64::from(ink) } else { 0 });
        assert_eq!(charge, price.ink + entry + bytes, "{step:?}");
    }
    assert!(charges.0.len() > 40);
}

#[test]
fn every_instruction_of_a_module_has_a_price() {
    let wat = "(module (func (block (br 0)) unreachable (if (i32.const 0) (then))) (func (result i32) (i32.const 3)))";
    let (report, priced) = (report(wat), prices(&bytes(wat), &Rules::DEVNET));
    let instructions: u64 = report.functions.iter().map(|function| function.instructions).sum();
    // And each function one for being entered.
    assert_eq!(priced.len() as u64, instructions + report.functions.len() as u64);
}
