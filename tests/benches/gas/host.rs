//! Host functions of programs, and calls of programs, as the node's runtime gives them, over a state in memory.

use crate::contract::{
    A_LARGE_PROGRAM, A_PROGRAM, AN_EXITING_PROGRAM, CALL_GAS, Case, EVM_CODE, EVM_ZEROS, Interface, NEXT,
    NEXT_SALT, NEXT_VALUE, POINTERS, PROGRAM, World, call, import, pointers, program,
};
use crate::{Group, Row, Run, Sample};
use lathe_gas::{HostFunction, INK_PER_GAS};
use std::collections::BTreeMap;

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let is_of_programs = |function: &HostFunction| match function.module() {
        "debug" => !function.name().starts_with("print"),
        module => module != "ethereum",
    };
    for &function in HostFunction::ALL.iter().filter(|function| is_of_programs(function)) {
        rows.extend(
            cases(function)
                .into_iter()
                .map(|case| Row::new(Group::Host, case.name.clone(), move || case.run())),
        );
    }
    for pages in [1, 17] {
        let name = format!("calls of itself to a depth of 200, pages each: {pages}");
        rows.push(Row::new(Group::Frame, name, move || nested(pages)));
    }
    rows
}

/// Returns the ways in which a function is measured.
fn cases(function: HostFunction) -> Vec<Case> {
    use HostFunction::*;
    let with = |how: &str, changes: &[(usize, &str)]| Case::new(Interface::Program, function, how, changes);
    let same_and_new = || vec![with("the same slot", &[]), with("new slots", &[]).then(NEXT)];
    let fill = "(i64.store (i32.const 1024) (i64.const -1))";
    match function {
        ReadArgs => vec![with("4 bytes", &[])],
        WriteResult => vec![
            with("32 bytes", &[(1, "(i32.const 32)")]),
            with("128 KiB", &[(0, "(i32.const 0)"), (1, "(i32.const 0x20000)")]),
        ],
        LogTxt => vec![
            with("32 bytes", &[(1, "(i32.const 32)")]),
            with("4 KiB", &[(0, "(i32.const 0)"), (1, "(i32.const 4096)")]),
            with("128 KiB", &[(0, "(i32.const 0)"), (1, "(i32.const 0x20000)")]),
        ],
        ExitEarly => {
            let mut case = Case::with(Interface::Program, StaticCallContract, "", &to(AN_EXITING_PROGRAM));
            case.name = format!("{function}, in a call");
            vec![case]
        }
        StorageLoadBytes32 | TransientLoadBytes32 | StorageCacheBytes32 | TransientStoreBytes32 => {
            same_and_new()
        }
        StorageFlushCache => {
            let cache = call(StorageCacheBytes32, &pointers(StorageCacheBytes32));
            let both: &'static [HostFunction] = &[StorageCacheBytes32, StorageFlushCache];
            let flush = |how: &str, clear: &str| with(how, &[(0, clear)]).importing(both);
            vec![
                flush("of nothing", "(i32.const 0)"),
                flush("of a slot that changes", "(i32.const 0)").then(&cache).then(NEXT_VALUE),
                flush("of new slots", "(i32.const 0)").then(&cache).then(NEXT),
                flush("of new slots, then cleared", "(i32.const 1)").then(&cache).then(NEXT),
            ]
        }
        CallContract | DelegateCallContract | StaticCallContract => calls(function),
        Create1 | Create2 => {
            let next = if function == Create2 { NEXT_SALT } else { "" };
            // Init code: STOP, which leaves an account without code.
            let create = |how: &str, code: &str, len: &str| {
                with(how, &[(0, code), (1, len), (2, "(i32.const 2048)")]).then(next)
            };
            vec![
                create("of nothing", "(i32.const 2048)", "(i32.const 1)"),
                create("with 48 KiB of zeros", "(i32.const 4096)", "(i32.const 49152)"),
            ]
        }
        ReadReturnData => {
            let zeros = call(StaticCallContract, &to(EVM_ZEROS));
            let both: &'static [HostFunction] = &[ReadReturnData, StaticCallContract];
            vec![
                with("nothing", &[(1, "(i32.const 0)"), (2, "(i32.const 32)")]),
                with("64 KiB", &[(1, "(i32.const 0)"), (2, "(i32.const 0x10000)")])
                    .before(&zeros)
                    .importing(both),
            ]
        }
        EmitLog => vec![
            with("nothing", &[(1, "(i32.const 0)"), (2, "(i32.const 0)")]),
            with("4 topics", &[(1, "(i32.const 128)"), (2, "(i32.const 4)")]),
            with("128 KiB", &[(0, "(i32.const 0)"), (1, "(i32.const 0x20000)"), (2, "(i32.const 0)")]),
        ],
        AccountBalance | AccountCodehash | AccountCodeSize => {
            vec![with("the same account", &[]), with("new accounts", &[]).then(NEXT)]
        }
        AccountCode => {
            let a_program = format!("(i32.const {A_PROGRAM})");
            vec![
                with("of a program", &[(0, &a_program), (1, "(i32.const 0)"), (2, "(i32.const 64)")]),
                with("of new accounts", &[(1, "(i32.const 0)"), (2, "(i32.const 64)")]).then(NEXT),
            ]
        }
        NativeKeccak256 => vec![
            with("nothing", &[(1, "(i32.const 0)")]),
            with("32 bytes", &[(1, "(i32.const 32)")]),
            with("128 KiB", &[(0, "(i32.const 0)"), (1, "(i32.const 0x20000)"), (2, "(i32.const 4096)")]),
        ],
        MathDiv | MathMod => {
            // Divisors of one to four limbs.
            let divisor = |limbs: u32| {
                (0..4 - limbs).fold(String::new(), |text, limb| {
                    text + &format!("(i64.store (i32.const {}) (i64.const 0))", 1_088 + 8 * limb)
                })
            };
            let by = |limbs: u32| with(&format!("by {limbs} limbs"), &[]).before(&divisor(limbs)).then(fill);
            (1..=4).map(by).collect()
        }
        MathPow | MathAddMod | MathMulMod => vec![with("of large numbers", &[]).then(fill)],
        PayForMemoryGrow => vec![with("", &[(0, "(i32.const 0)")])],
        _ => vec![with("", &[])],
    }
}

/// Returns the ways in which a function that calls contracts is measured.
fn calls(function: HostFunction) -> Vec<Case> {
    let case = |how: &str, mut arguments: Vec<String>| {
        if function == HostFunction::CallContract {
            // The value: none.
            arguments.insert(3, "(i32.const 2048)".to_owned());
        }
        Case::with(Interface::Program, function, how, &arguments)
    };
    let mut data = to(POINTERS);
    data[2] = "(i32.const 0x20000)".to_owned();
    vec![
        case("a program", to(A_PROGRAM)),
        case("a program with 17 pages", to(A_LARGE_PROGRAM)),
        case("EVM code", to(EVM_CODE)),
        case("EVM code that returns 64 KiB", to(EVM_ZEROS)),
        case("new accounts, 128 KiB of data", data).then(NEXT),
    ]
}

/// Returns the arguments of a call of the address at a place, without value: the address, the data, its length, the gas,
/// and where the length of what is returned goes.
fn to(place: u32) -> Vec<String> {
    let address = format!("(i32.const {place})");
    [&*address, "(i32.const 0)", "(i32.const 0)", "(i64.const 100000000)", "(i32.const 4000)"]
        .map(str::to_owned)
        .to_vec()
}

/// A program that calls itself, so that all its frames are open at once.
fn nested(pages: u32) -> Result<Run, String> {
    const DEPTH: u32 = 200;
    let address: String = PROGRAM.iter().map(|byte| format!("\\{byte:02x}")).collect();
    let text = format!(
        "(module {} {} (memory (export \"memory\") {pages}) (data (i32.const 64) \"{address}\")
            (func (export \"user_entrypoint\") (param $length i32) (result i32)
                (call $read_args (i32.const 0))
                (if (i32.load (i32.const 0)) (then
                    (i32.store (i32.const 0) (i32.sub (i32.load (i32.const 0)) (i32.const 1)))
                    (return (call $static_call_contract (i32.const 64) (i32.const 0) (i32.const 4) (i64.const -1)
                        (i32.const 128)))))
                (i32.const 0)))",
        import(HostFunction::ReadArgs),
        import(HostFunction::StaticCallContract),
    );
    let codes = BTreeMap::from([(PROGRAM, program(&text)?)]);
    let world = World::new()?;
    Ok(Box::new(move || {
        let (time, executed) = world.call(DEPTH.to_le_bytes().to_vec().into(), &codes)?;
        Ok(Sample { time, ink: executed.gas_used.saturating_sub(CALL_GAS) * INK_PER_GAS })
    }))
}
