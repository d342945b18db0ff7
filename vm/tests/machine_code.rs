//! The machine code of the tail backend: every handler must go to the next by a jump. Where the compiler makes a call
//! of it, the stack of the host grows with every instruction of the guest.
//!
//! The test reads the program that it is part of, so it says something about the profile it was built with. `make test`
//! runs it in the development and the release profile.
#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};
use lathe_vm::{Engine, Machine, Meter, Module, NoHost, Outcome, Rules};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _};

/// The symbol of every handler has this in it, between the parts that the compiler puts around a path.
const HANDLER: &str = "handler4tail4tail";

/// There are more handlers than this, or the test has not found them.
const HANDLERS_MIN: usize = 1_000;

#[test]
fn handlers_jump_to_the_next_and_never_call_it() {
    if !Engine::ALL.iter().any(|engine| engine.name() == "tail") {
        // A build without the tail backend, as with debug assertions.
        return;
    }
    run_something();
    let program =
        std::fs::read(std::env::current_exe().expect("the test has a file")).expect("it can be read");
    let file = object::File::parse(&*program).expect("the test is an object file");
    let text = file.section_by_name(".text").expect("there is code");
    let (start, code) = (text.address(), text.data().expect("it is in the file"));
    let mut handlers = 0;
    let mut without_jump = Vec::new();
    for symbol in file.symbols() {
        let Ok(name) = symbol.name() else { continue };
        if !name.contains(HANDLER) || symbol.size() == 0 {
            continue;
        }
        handlers += 1;
        let from = usize::try_from(symbol.address() - start).expect("the symbol lies in the section");
        let body = &code[from..from + usize::try_from(symbol.size()).expect("it fits")];
        let mut decoder = Decoder::with_ip(64, body, symbol.address(), DecoderOptions::NONE);
        let mut jumps = 0;
        while decoder.can_decode() {
            let instruction = decoder.decode();
            assert!(!calls_unknown(&instruction), "{name} calls what it must jump to: {instruction}");
            jumps += usize::from(instruction.mnemonic() == Mnemonic::Jmp && is_unknown(&instruction));
        }
        if jumps == 0 {
            without_jump.push(name.to_owned());
        }
    }
    assert!(handlers >= HANDLERS_MIN, "only {handlers} handlers");
    // Those that only stop: `unreachable` and the return of the first function.
    assert!(without_jump.len() <= 2, "these go nowhere: {without_jump:?}");
}

/// What the test does not use, the linker leaves out.
fn run_something() {
    let rules = Rules::DEVNET;
    let wasm = wat::parse_str(r#"(module (func (export "f")))"#).expect("the text is right");
    let module = Module::new(&wasm, &rules).expect("the module is valid");
    let mut machine = Machine::new(&rules, 0);
    let mut meter = Meter::from_gas(1_000);
    let instance = machine.instantiate(&module, &[], &mut meter).expect("there is nothing to import");
    let function = machine.exported_function(instance, "f").expect("it is exported");
    assert_eq!(machine.invoke(function, &[], &mut meter, &mut NoHost), Outcome::Returned(Vec::new()));
}

fn calls_unknown(instruction: &Instruction) -> bool {
    instruction.mnemonic() == Mnemonic::Call && is_unknown(instruction)
}

/// Returns whether the target is computed: a function that the linker knows is reached directly, or through a table at
/// a place relative to the instruction.
fn is_unknown(instruction: &Instruction) -> bool {
    match instruction.op0_kind() {
        OpKind::Register => true,
        OpKind::Memory => instruction.memory_base() != Register::RIP,
        _ => false,
    }
}
