//! What is refused, and what the refusal says.

mod support;

use lathe_vm::{Module, ModuleError, ModuleErrorKind, Proposal, Rules};

fn refusal(wat: &str) -> ModuleError {
    support::try_module(wat).err().unwrap_or_else(|| panic!("accepted: {wat}"))
}

/// Modules by the proposal they need.
const PROPOSALS: &[(Proposal, &str)] = &[
    (
        Proposal::RelaxedSimd,
        "(func (param v128) (drop (f32x4.relaxed_madd (local.get 0) (local.get 0) (local.get 0))))",
    ),
    (Proposal::Threads, "(memory 1 1 shared)"),
    (Proposal::Threads, "(memory 1) (func (drop (i32.atomic.load (i32.const 0))))"),
    (Proposal::MultiMemory, "(memory 1) (memory 1)"),
    (Proposal::Memory64, "(memory i64 1)"),
    (Proposal::Memory64, "(table i64 1 funcref)"),
    (Proposal::CustomPageSizes, "(memory 1 (pagesize 1))"),
    (Proposal::Exceptions, "(tag)"),
    (Proposal::Exceptions, "(func throw_ref)"),
    (Proposal::LegacyExceptions, "(func try end)"),
    (Proposal::Gc, "(type (struct))"),
    (Proposal::Gc, "(func (drop (ref.i31 (i32.const 0))))"),
    (Proposal::FunctionReferences, "(type $t (func)) (func (param (ref null $t)))"),
    (Proposal::FunctionReferences, "(type $t (func)) (func (call_ref $t (ref.null $t)))"),
    (Proposal::WideArithmetic, "(func (param i64) (local.get 0) (local.get 0) i64.mul_wide_u drop drop)"),
];

#[test]
fn proposals_are_refused_by_name() {
    for (proposal, wat) in PROPOSALS {
        let error = refusal(&format!("(module {wat})"));
        assert!(
            matches!(error.kind(), ModuleErrorKind::Proposal { proposal: found, .. } if found == proposal),
            "{wat}: {error}"
        );
        assert!(error.to_string().contains(proposal.name()), "{error}");
    }
}

#[test]
fn refusals_tell_what_where_and_what_to_do() {
    for (wat, expected) in [
        (
            r#"(module (func $ok) (func $mul_add (param v128) (result v128)
                (f32x4.relaxed_madd (local.get 0) (local.get 0) (local.get 0))))"#,
            "f32x4.relaxed_madd at 0x26 in function 1 `mul_add`: the relaxed SIMD proposal is not enabled; compile without it",
        ),
        (
            "(module (func) (start 0))",
            "at 0x14: start functions are not allowed; call it from the entry point instead",
        ),
        (
            r#"(module (func $f (local i32) (local v128) (drop (i64.add (i32.const 0) (i64.const 0)))))"#,
            "at 0x1f in function 0 `f`: invalid module: type mismatch: expected i64, found i32",
        ),
        (
            "(module (memory 257))",
            "at 0xb: 257 pages of memory, the limit is 256; declare less memory or a smaller stack",
        ),
    ] {
        assert_eq!(refusal(wat).to_string(), expected);
    }
}

#[test]
fn names_in_refusals_cannot_control_a_terminal() {
    let error = refusal("(module (func $f (@name \"\\1b[31m\\n\") unreachable i32.add))");
    assert!(error.to_string().contains(r"`\u{1b}[31m\n`"), "{error}");
}

#[test]
fn names_in_refusals_are_demangled() {
    for (symbol, name) in [
        ("_ZN3erc5token4mint17h0123456789abcdefE", "erc::token::mint"),
        ("_ZN5token4mintEm", "token::mint(unsigned long)"),
    ] {
        let error = refusal(&format!("(module (func $f (@name \"{symbol}\") unreachable i32.add))"));
        assert!(error.to_string().contains(&format!("in function 0 `{name}`: ")), "{error}");
    }
}

#[test]
fn a_component_is_refused_by_name() {
    let error = Module::new(b"\0asm\x0d\0\x01\0", &Rules::DEVNET).err();
    assert!(
        matches!(
            error.as_ref().map(ModuleError::kind),
            Some(ModuleErrorKind::Proposal { proposal: Proposal::ComponentModel, .. })
        ),
        "{error:?}"
    );
}

#[test]
fn refused_instructions_are_named_as_the_text_format_names_them() {
    for (function, name) in [
        ("(drop (i32.atomic.rmw8.add_u (i32.const 0) (i32.const 1)))", "i32.atomic.rmw8.add_u"),
        ("atomic.fence", "atomic.fence"),
        ("(drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 0)))", "memory.atomic.wait32"),
        ("(drop (ref.i31 (i32.const 0)))", "ref.i31"),
    ] {
        let error = refusal(&format!("(module (memory 1) (func {function}))"));
        assert!(error.to_string().starts_with(&format!("{name} at ")), "{error}");
    }
}

#[test]
fn errors_are_one_pointer_wide() {
    assert_eq!(size_of::<ModuleError>(), size_of::<usize>());
    assert_eq!(size_of::<Result<(), ModuleError>>(), size_of::<usize>());
}
