//! Host functions, calls and cold loads as the node's runtime gives them, over a state in memory.
//!
//! A program takes from its calldata how often to do what it does; what a call of it with one turn costs and takes less
//! is not subtracted, so there are many turns.

use crate::{Group, Row, Run, Sample};
use alloy_primitives::{Address, B256, Bytes, U256};
use lathe_gas::{HostFunction, INK_PER_GAS, ValueType};
use lathe_node::chain::ChainSpec;
use lathe_node::runtime::{AccountOverride, BlockContext, Executed, Request, Runtime, Status};
use lathe_state::{Database, MemoryStore, View};
use lathe_tests::measure::timed;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

/// Gas of a call: as much as anything here needs.
const GAS: u64 = 1 << 36;
/// How long a run takes at least.
const RUN_MIN: Duration = Duration::from_millis(2);
const TURNS_MAX: u32 = 1 << 22;
/// What a call costs before it runs, calldata of four bytes included (EIP-2028, EIP-7623 does not reach it).
const CALL_GAS: u64 = 21_000 + 4 * 16;

const PROGRAM: Address = Address::repeat_byte(0x51);
/// A program that returns at once, one that ends by `exit_early`, one with a larger memory; EVM code that stops.
const NOTHING: Address = Address::repeat_byte(0x52);
const EXITING: Address = Address::repeat_byte(0x53);
const LARGE: Address = Address::repeat_byte(0x54);
const EVM: Address = Address::repeat_byte(0x55);
/// EVM code that returns 64 KiB of zeros.
const ZEROS: Address = Address::repeat_byte(0x56);

/// Where pointers of arguments point, and how far apart they are.
const POINTERS: u32 = 1_024;
const POINTER_STEP: u32 = 64;

/// A world to call programs in.
struct World {
    runtime: Runtime,
    view: Arc<View>,
    block: BlockContext,
}

impl World {
    fn new() -> Result<Self, String> {
        let spec = ChainSpec::default();
        let store = Arc::new(MemoryStore::new());
        let genesis = spec.genesis(&[], U256::ZERO);
        let block = |state_root| lathe_state::Block {
            header: lathe_state::Header { state_root, ..Default::default() },
            ..Default::default()
        };
        let database =
            Database::open(store, Default::default(), &genesis, block).map_err(|error| error.to_string())?;
        let view = Arc::new(database.view().map_err(|error| error.to_string())?);
        let block = BlockContext {
            number: 1,
            timestamp: 1,
            beneficiary: Address::ZERO,
            gas_limit: spec.gas_limit,
            base_fee: 0,
            prevrandao: B256::ZERO,
            chain_id: None,
        };
        Ok(Self { runtime: Runtime::new(spec.chain_id, spec.rules), view, block })
    }

    /// Calls the program. Fails if it does not succeed.
    fn call(
        &self,
        data: Bytes,
        codes: &BTreeMap<Address, AccountOverride>,
    ) -> Result<(Duration, Executed), String> {
        let request = Request { to: Some(PROGRAM), gas: GAS, data, ..Request::default() };
        let (time, executed) = timed(|| self.runtime.call(self.view.clone(), &self.block, &request, codes));
        match executed {
            Ok(executed) if matches!(executed.status, Status::Success { .. }) => Ok((time, executed)),
            other => Err(format!("{other:?}")),
        }
    }
}

fn stored(wasm: &[u8]) -> Bytes {
    [&[0xef, 0x4c, 0x00][..], wasm].concat().into()
}

fn code(code: Bytes) -> AccountOverride {
    AccountOverride { code: Some(code), ..Default::default() }
}

fn program(text: &str) -> Result<AccountOverride, String> {
    wat::parse_str(text).map(|wasm| code(stored(&wasm))).map_err(|error| format!("{error}\n{text}"))
}

/// A program, what is around it, and its unit of work.
struct Case {
    name: String,
    /// Imports besides `read_args`.
    imports: &'static [HostFunction],
    pages: u32,
    before: String,
    unit: String,
}

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for &function in HostFunction::ALL.iter().filter(|function| function.module() == "vm_hooks") {
        rows.extend(
            cases(function).into_iter().map(|case| Row::new(Group::Host, case.name.clone(), repeated(&case))),
        );
    }
    rows.push(Row::new(Group::Frame, "calls of itself to a depth of 200, a page each", nested(1)));
    rows.push(Row::new(Group::Frame, "calls of itself to a depth of 200, 17 pages each", nested(17)));
    rows.extend(loads());
    rows
}

fn import(function: HostFunction) -> String {
    let params: String = function.params().iter().map(|ty| format!(" {ty}")).collect();
    let result = function.result().map_or_else(String::new, |ty| format!(" (result {ty})"));
    let name = function.name();
    format!("(import \"vm_hooks\" \"{name}\" (func ${name} (param{params}){result}))")
}

fn repeated(case: &Case) -> Result<Run, String> {
    let mut imports = import(HostFunction::ReadArgs);
    for &function in case.imports.iter().filter(|&&function| function != HostFunction::ReadArgs) {
        imports += &import(function);
    }
    let mut data = String::new();
    for (place, address) in [NOTHING, EXITING, LARGE, EVM, ZEROS, PROGRAM].iter().enumerate() {
        let bytes: String = address.iter().map(|byte| format!("\\{byte:02x}")).collect();
        write!(data, "(data (i32.const {}) \"{bytes}\")", 64 + 32 * place)
            .expect("a String takes everything");
    }
    // Operands that make work: words of ones.
    write!(data, "(data (i32.const {POINTERS}) \"{}\")", "\\ff".repeat(512))
        .expect("a String takes everything");
    let text = format!(
        "(module {imports} (memory (export \"memory\") {}) {data}
            (func (export \"user_entrypoint\") (param $length i32) (result i32) (local $n i32)
                (call $read_args (i32.const 0)) (local.set $n (i32.load (i32.const 0)))
                {}
                (loop $turn {} (br_if $turn (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
                (i32.const 0)))",
        case.pages, case.before, case.unit,
    );
    let empty = r#"(memory (export "memory") 0) (func (export "user_entrypoint") (param i32) (result i32)"#;
    let exit = r#"(import "vm_hooks" "exit_early" (func $exit (param i32)))"#;
    let codes = BTreeMap::from([
        (PROGRAM, program(&text)?),
        (NOTHING, program(&format!("(module {empty} (i32.const 0)))"))?),
        (EXITING, program(&format!("(module {exit} {empty} (call $exit (i32.const 0)) unreachable))"))?),
        (LARGE, program(&format!("(module {} (i32.const 0)))", empty.replace(" 0)", " 17)")))?),
        (EVM, code(Bytes::from_static(&[0x00]))),
        (ZEROS, code(Bytes::from_static(&[0x62, 0x01, 0x00, 0x00, 0x5f, 0xf3]))),
    ]);
    let world = World::new()?;
    let run = move |turns: u32| -> Result<Sample, String> {
        let (time, executed) = world.call(turns.to_le_bytes().to_vec().into(), &codes)?;
        Ok(Sample { time, ink: executed.gas_used.saturating_sub(CALL_GAS) * INK_PER_GAS })
    };
    let mut turns = 16;
    while turns < TURNS_MAX && run(turns)?.time < RUN_MIN {
        turns *= 2;
    }
    Ok(Box::new(move || run(turns)))
}

/// Returns a call of a function with these arguments as text.
fn call(function: HostFunction, arguments: &[String]) -> String {
    let drop = if function.result().is_some() { "drop" } else { "" };
    format!("{} (call ${}) {drop}", arguments.join(" "), function.name())
}

/// Returns the arguments that a function has when nothing else is said: pointers to words, and no gas.
fn pointers(function: HostFunction) -> Vec<String> {
    let argument = |(place, ty): (u32, &ValueType)| match ty {
        ValueType::I32 => format!("(i32.const {})", POINTERS + POINTER_STEP * place),
        _ => "(i64.const 0)".to_owned(),
    };
    (0..).zip(function.params()).map(argument).collect()
}

/// Returns the ways in which a function is measured.
fn cases(function: HostFunction) -> Vec<Case> {
    use HostFunction::*;
    let with = |how: &str,
                changes: &[(usize, &str)],
                before: &str,
                more: &str,
                imports: &'static [HostFunction]| {
        let mut arguments = pointers(function);
        for &(place, text) in changes {
            arguments[place] = text.to_owned();
        }
        let name =
            if how.is_empty() { function.name().to_owned() } else { format!("{}, {how}", function.name()) };
        let unit = format!("{} {more}", call(function, &arguments));
        Case { name, imports, pages: 4, before: before.to_owned(), unit }
    };
    // What imports there are besides is known here only by the function itself, so each has a list of its own.
    let own: &'static [HostFunction] =
        HostFunction::ALL.get(function.number() as usize..=function.number() as usize).unwrap_or(&[]);
    // The word at the first pointer becomes another one: a new key, a new address, other operands.
    let next = "(i32.store (i32.const 1024) (i32.add (i32.load (i32.const 1024)) (i32.const 1)))";
    let fill = "(i64.store (i32.const 1024) (i64.const -1))";
    match function {
        ReadArgs => vec![with("4 bytes", &[], "", "", own)],
        WriteResult => vec![
            with("32 bytes", &[(1, "(i32.const 32)")], "", "", own),
            with("128 KiB", &[(1, "(i32.const 0x20000)")], "", "", own),
        ],
        ExitEarly => {
            let unit = call(StaticCallContract, &to(96));
            vec![Case {
                name: "exit_early, in a call".to_owned(),
                imports: &[StaticCallContract],
                pages: 4,
                before: String::new(),
                unit,
            }]
        }
        StorageLoadBytes32 | TransientLoadBytes32 => {
            vec![with("the same slot", &[], "", "", own), with("new slots", &[], "", next, own)]
        }
        StorageCacheBytes32 | TransientStoreBytes32 => {
            vec![with("the same slot", &[], "", "", own), with("new slots", &[], "", next, own)]
        }
        StorageFlushCache => {
            let cache = call(StorageCacheBytes32, &pointers(StorageCacheBytes32));
            let write = "(i32.store (i32.const 1088) (i32.add (i32.load (i32.const 1088)) (i32.const 1)))";
            let both: &'static [HostFunction] = &[StorageCacheBytes32, StorageFlushCache];
            vec![
                with("of nothing", &[(0, "(i32.const 0)")], "", "", own),
                with(
                    "of a slot that changes",
                    &[(0, "(i32.const 0)")],
                    "",
                    &format!("{cache} {write}"),
                    both,
                ),
                with("of new slots", &[(0, "(i32.const 0)")], "", &format!("{cache} {next}"), both),
                with(
                    "of new slots, then cleared",
                    &[(0, "(i32.const 1)")],
                    "",
                    &format!("{cache} {next}"),
                    both,
                ),
            ]
        }
        CallContract | DelegateCallContract | StaticCallContract => {
            let targets = [
                ("a program", 64),
                ("a program with 17 pages", 128),
                ("EVM code", 160),
                ("EVM code that returns 64 KiB", 192),
            ];
            let mut cases: Vec<Case> = targets
                .iter()
                .map(|&(how, place)| {
                    let mut arguments = to(place);
                    if function == CallContract {
                        // The value: none.
                        arguments.insert(3, "(i32.const 2048)".to_owned());
                    }
                    Case {
                        name: format!("{}, {how}", function.name()),
                        imports: own,
                        pages: 4,
                        before: String::new(),
                        unit: call(function, &arguments),
                    }
                })
                .collect();
            let mut arguments = to(POINTERS);
            arguments[2] = "(i32.const 0x20000)".to_owned();
            if function == CallContract {
                arguments.insert(3, "(i32.const 2048)".to_owned());
            }
            cases.push(Case {
                name: format!("{}, new accounts, 128 KiB of data", function.name()),
                imports: own,
                pages: 4,
                before: String::new(),
                unit: format!("{} {next}", call(function, &arguments)),
            });
            cases
        }
        Create1 | Create2 => {
            // Init code: STOP, which leaves an account without code.
            let endowment = "(i32.const 2048)";
            vec![
                with(
                    "of nothing",
                    &[(0, "(i32.const 2048)"), (1, "(i32.const 1)"), (2, endowment)],
                    "",
                    next_salt(function),
                    own,
                ),
                with(
                    "with 48 KiB of zeros",
                    &[(0, "(i32.const 4096)"), (1, "(i32.const 49152)"), (2, endowment)],
                    "",
                    next_salt(function),
                    own,
                ),
            ]
        }
        ReadReturnData => {
            let zeros = format!("{} ", call(StaticCallContract, &to(192)));
            let both: &'static [HostFunction] = &[ReadReturnData, StaticCallContract];
            vec![
                with("nothing", &[(1, "(i32.const 0)"), (2, "(i32.const 32)")], "", "", own),
                with("64 KiB", &[(1, "(i32.const 0)"), (2, "(i32.const 0x10000)")], &zeros, "", both),
            ]
        }
        EmitLog => vec![
            with("nothing", &[(1, "(i32.const 0)"), (2, "(i32.const 0)")], "", "", own),
            with("4 topics", &[(1, "(i32.const 128)"), (2, "(i32.const 4)")], "", "", own),
            with("128 KiB", &[(1, "(i32.const 0x20000)"), (2, "(i32.const 0)")], "", "", own),
        ],
        AccountBalance | AccountCodehash | AccountCodeSize => {
            vec![with("the same account", &[], "", "", own), with("new accounts", &[], "", next, own)]
        }
        AccountCode => vec![
            with(
                "of a program",
                &[(0, "(i32.const 64)"), (1, "(i32.const 0)"), (2, "(i32.const 64)")],
                "",
                "",
                own,
            ),
            with("of new accounts", &[(1, "(i32.const 0)"), (2, "(i32.const 64)")], "", next, own),
        ],
        NativeKeccak256 => vec![
            with("nothing", &[(1, "(i32.const 0)")], "", "", own),
            with("32 bytes", &[(1, "(i32.const 32)")], "", "", own),
            with(
                "128 KiB",
                &[(0, "(i32.const 0)"), (1, "(i32.const 0x20000)"), (2, "(i32.const 4096)")],
                "",
                "",
                own,
            ),
        ],
        MathDiv | MathMod => {
            // Divisors of one to four limbs.
            let divisor = |limbs: u32| {
                (0..4 - limbs).fold(String::new(), |text, limb| {
                    text + &format!("(i64.store (i32.const {}) (i64.const 0))", 1_088 + 8 * limb)
                })
            };
            let limbs: Vec<u32> = (1..=4).collect();
            limbs
                .iter()
                .map(|&limbs| with(&format!("by {limbs} limbs"), &[], &divisor(limbs), fill, own))
                .collect()
        }
        MathPow | MathAddMod | MathMulMod => vec![with("of large numbers", &[], "", fill, own)],
        PayForMemoryGrow => vec![with("", &[(0, "(i32.const 0)")], "", "", own)],
        _ => vec![with("", &[], "", "", own)],
    }
}

/// Returns the arguments of a call of the address at a place, without value: the address, the data, its length, the gas,
/// and where the length of what is returned goes.
fn to(place: u32) -> Vec<String> {
    let address = format!("(i32.const {place})");
    [&*address, "(i32.const 0)", "(i32.const 0)", "(i64.const 100000000)", "(i32.const 4000)"]
        .map(str::to_owned)
        .to_vec()
}

/// Returns what makes the salt another one.
fn next_salt(function: HostFunction) -> &'static str {
    match function {
        HostFunction::Create2 => {
            "(i32.store (i32.const 1216) (i32.add (i32.load (i32.const 1216)) (i32.const 1)))"
        }
        _ => "",
    }
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

/// Programs that no cache knows, as they are stored.
fn loads() -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, contents) in
        [("zeros", vec![0; 500_000]), ("noise", noise(250_000)), ("words", words(500_000))]
    {
        for compressed in [false, true] {
            let run = cold(&contents, compressed);
            let how = if compressed { "compressed" } else { "as it is" };
            rows.push(Row::new(Group::Load, format!("a program with much of {name}, {how}"), run));
        }
    }
    rows
}

/// Returns a run that calls a program with a custom section of these contents in a new runtime.
fn cold(contents: &[u8], compressed: bool) -> Result<Run, String> {
    let text = r#"(module (memory (export "memory") 0) (func (export "user_entrypoint") (param i32) (result i32)
        (i32.const 0)))"#;
    let mut wasm = wat::parse_str(text).map_err(|error| error.to_string())?;
    let section = [&[1, b'x'][..], contents].concat();
    wasm.push(0);
    wasm.extend(lathe_tests::generate::encode::unsigned(section.len() as u64));
    wasm.extend(section);
    let stored = if compressed {
        let mut out = vec![0xef, 0xf0, 0x00, 0x00];
        let params = brotli::enc::BrotliEncoderParams { lgwin: 22, quality: 9, ..Default::default() };
        brotli::BrotliCompress(&mut wasm.as_slice(), &mut out, &params).map_err(|error| error.to_string())?;
        out.into()
    } else {
        stored(&wasm)
    };
    let codes = BTreeMap::from([(PROGRAM, code(stored))]);
    Ok(Box::new(move || {
        let (time, executed) = World::new()?.call(Bytes::new(), &codes)?;
        Ok(Sample { time, ink: (executed.gas_used - 21_000) * INK_PER_GAS })
    }))
}

/// Bytes that do not compress.
fn noise(len: usize) -> Vec<u8> {
    let mut random = lathe_tests::generate::Random::new(7);
    (0..len).map(|_| random.byte()).collect()
}

/// Bytes that compress into many small copies.
fn words(len: usize) -> Vec<u8> {
    let mut random = lathe_tests::generate::Random::new(7);
    let dictionary: Vec<Vec<u8>> =
        (0..2_000).map(|_| (0..2 + random.below(6)).map(|_| random.byte()).collect()).collect();
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend(random.pick(&dictionary));
    }
    bytes.truncate(len);
    bytes
}
