//! Host functions of EEI contracts, on the chain whose work is paid for: a crossing, and what the opcode of the EVM costs
//! at the chain's fork.

use crate::contract::{
    A_CONTRACT_THAT_DESTROYS_ITSELF, A_CONTRACT_WITH_OUTPUT, A_FINISHING_CONTRACT, A_LARGE_PROGRAM,
    A_PROGRAM, A_REVERTING_CONTRACT, Case, EVM_CODE, EVM_ZEROS, Interface, NEXT, NEXT_SALT, NEXT_VALUE,
    POINTERS, call,
};
use crate::{Group, Row};
use lathe_gas::HostFunction;

/// Bytes of a large copy of the contract's own code, which has them in a segment.
const CODE_BYTES: usize = 32_768;

pub(crate) fn rows() -> Vec<Row> {
    let is_of_eei = |function: &HostFunction| match function.module() {
        "debug" => function.name().starts_with("print"),
        module => module == "ethereum",
    };
    let functions = HostFunction::ALL.iter().filter(|function| is_of_eei(function));
    let row = |case: Case| Row::new(Group::Host, case.name.clone(), move || case.run());
    functions.flat_map(|&function| cases(function)).map(row).collect()
}

/// Returns the ways in which a function is measured.
fn cases(function: HostFunction) -> Vec<Case> {
    use HostFunction::*;
    let with = |how: &str, changes: &[(usize, &str)]| Case::new(Interface::Eei, function, how, changes);
    let zero = "(i32.const 0)";
    match function {
        EeiCallDataCopy => vec![
            with("nothing", &[(1, zero), (2, zero)]),
            with("4 bytes", &[(1, zero), (2, "(i32.const 4)")]),
        ],
        EeiFinish => vec![
            ended(function, "in a call", A_FINISHING_CONTRACT),
            ended(function, "in a call, with 64 KiB", A_CONTRACT_WITH_OUTPUT),
        ],
        EeiRevert => vec![ended(function, "in a call", A_REVERTING_CONTRACT)],
        EeiSelfDestruct => vec![ended(function, "in a call", A_CONTRACT_THAT_DESTROYS_ITSELF)],
        EeiGetExternalBalance | EeiGetExternalCodeSize => {
            vec![with("the same account", &[]), with("new accounts", &[]).then(NEXT)]
        }
        EeiCodeCopy => {
            let large = format!("(i32.const {CODE_BYTES})");
            vec![
                with("64 bytes", &[(1, zero), (2, "(i32.const 64)")]),
                with("32 KiB", &[(0, "(i32.const 4096)"), (1, zero), (2, &large)])
                    .declaring(&format!("(data (i32.const 65536) \"{}\")", "x".repeat(CODE_BYTES))),
            ]
        }
        EeiExternalCodeCopy => {
            let a_program = format!("(i32.const {A_PROGRAM})");
            vec![
                with("of a program", &[(0, &a_program), (2, zero), (3, "(i32.const 32)")]),
                with("of new accounts", &[(2, zero), (3, zero)]).then(NEXT),
            ]
        }
        EeiStorageLoad => vec![with("the same slot", &[]), with("new slots", &[]).then(NEXT)],
        EeiStorageStore => vec![
            with("the same slot", &[]),
            with("a slot that changes", &[]).then(NEXT_VALUE),
            with("new slots", &[]).then(NEXT),
        ],
        EeiLog => vec![
            with("nothing", &[(1, zero), (2, zero)]),
            with("4 topics", &[(1, zero), (2, "(i32.const 4)")]),
            with("128 KiB", &[(0, zero), (1, "(i32.const 0x20000)"), (2, zero)]),
        ],
        EeiCall | EeiCallCode | EeiCallDelegate | EeiCallStatic => calls(function),
        EeiCreate | EeiCreate2 => {
            let next = if function == EeiCreate2 { NEXT_SALT } else { "" };
            // Init code: STOP, which leaves an account without code.
            let create = |how: &str, code: &str, len: &str| {
                with(how, &[(0, "(i32.const 2048)"), (1, code), (2, len)]).then(next)
            };
            vec![
                create("of nothing", "(i32.const 2048)", "(i32.const 1)"),
                create("with 48 KiB of zeros", "(i32.const 4096)", "(i32.const 49152)"),
            ]
        }
        EeiReturnDataCopy => {
            let both: &'static [HostFunction] = &[EeiReturnDataCopy, EeiCallStatic];
            let zeros = call(EeiCallStatic, &to(EeiCallStatic, EVM_ZEROS, zero));
            vec![
                with("nothing", &[(1, zero), (2, zero)]),
                with("64 KiB", &[(0, "(i32.const 4096)"), (1, zero), (2, "(i32.const 0x10000)")])
                    .before(&zeros)
                    .importing(both),
            ]
        }
        EeiGetBlockHash => vec![with("of a block", &[]), with("of none", &[(0, "(i64.const 5)")])],
        EeiPrintMem | EeiPrintMemHex => vec![
            with("32 bytes", &[(1, "(i32.const 32)")]),
            with("64 KiB", &[(0, zero), (1, "(i32.const 0x10000)")]),
        ],
        _ => vec![with("", &[])],
    }
}

/// Returns how a function is measured that ends a frame: in a contract that does nothing else, by a call of it.
fn ended(function: HostFunction, how: &str, place: u32) -> Case {
    let caller = HostFunction::EeiCall;
    let mut case = Case::with(Interface::Eei, caller, "", &to(caller, place, "(i32.const 0)"));
    case.name = format!("{function}, {how}");
    case
}

/// Returns the ways in which a function that calls contracts is measured.
fn calls(function: HostFunction) -> Vec<Case> {
    let case = |how: &str, place: u32, bytes: &str| {
        Case::with(Interface::Eei, function, how, &to(function, place, bytes))
    };
    vec![
        case("a program", A_PROGRAM, "(i32.const 0)"),
        case("a program with 17 pages", A_LARGE_PROGRAM, "(i32.const 0)"),
        case("EVM code", EVM_CODE, "(i32.const 0)"),
        case("EVM code that returns 64 KiB", EVM_ZEROS, "(i32.const 0)"),
        case("new accounts, 128 KiB of data", POINTERS, "(i32.const 0x20000)").then(NEXT),
    ]
}

/// Returns the arguments of a call of the address at a place with so many bytes of data: gas, address, the value of calls
/// that send one, which is none, data, its length.
fn to(function: HostFunction, place: u32, bytes: &str) -> Vec<String> {
    let address = format!("(i32.const {place})");
    let mut arguments = vec!["(i64.const 100000000)".to_owned(), address];
    if matches!(function, HostFunction::EeiCall | HostFunction::EeiCallCode) {
        arguments.push("(i32.const 2048)".to_owned());
    }
    arguments.extend(["(i32.const 0)".to_owned(), bytes.to_owned()]);
    arguments
}
