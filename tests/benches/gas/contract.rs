//! A contract that does one thing with host functions again and again, and the world in which it does.
//!
//! It takes from its calldata how often; what a call with one turn costs and takes is not subtracted, so there are many.

use crate::{Run, Sample};
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
pub(crate) const CALL_GAS: u64 = 21_000 + 4 * 16;

pub(crate) const PROGRAM: Address = Address::repeat_byte(0x51);
/// A program that returns at once, one that ends by `exit_early`, one with a larger memory; EVM code that stops.
const NOTHING: Address = Address::repeat_byte(0x52);
const EXITING: Address = Address::repeat_byte(0x53);
const LARGE: Address = Address::repeat_byte(0x54);
const EVM: Address = Address::repeat_byte(0x55);
/// EVM code that returns 64 KiB of zeros.
const ZEROS: Address = Address::repeat_byte(0x56);
/// EEI contracts that end with nothing, with 64 KiB, with a reversal, with themselves.
const FINISHING: Address = Address::repeat_byte(0x57);
const FINISHING_MUCH: Address = Address::repeat_byte(0x58);
const REVERTING: Address = Address::repeat_byte(0x59);
const DESTROYED: Address = Address::repeat_byte(0x5a);

/// Accounts around the contract, in the order in which their addresses lie in its memory.
const NEIGHBOURS: [Address; 10] =
    [NOTHING, EXITING, LARGE, EVM, ZEROS, PROGRAM, FINISHING, FINISHING_MUCH, REVERTING, DESTROYED];
/// Where the first of those addresses lies, and how far apart they are.
const NEIGHBOURS_AT: u32 = 64;
const NEIGHBOUR_STEP: u32 = 32;

/// Places of neighbours' addresses.
pub(crate) const A_PROGRAM: u32 = place_of(0);
pub(crate) const AN_EXITING_PROGRAM: u32 = place_of(1);
pub(crate) const A_LARGE_PROGRAM: u32 = place_of(2);
pub(crate) const EVM_CODE: u32 = place_of(3);
pub(crate) const EVM_ZEROS: u32 = place_of(4);
pub(crate) const A_FINISHING_CONTRACT: u32 = place_of(6);
pub(crate) const A_CONTRACT_WITH_OUTPUT: u32 = place_of(7);
pub(crate) const A_REVERTING_CONTRACT: u32 = place_of(8);
pub(crate) const A_CONTRACT_THAT_DESTROYS_ITSELF: u32 = place_of(9);

const fn place_of(neighbour: u32) -> u32 {
    NEIGHBOURS_AT + NEIGHBOUR_STEP * neighbour
}

/// What makes the word at the first pointer another one: a new key, a new address, other operands.
pub(crate) const NEXT: &str =
    "(i32.store (i32.const 1024) (i32.add (i32.load (i32.const 1024)) (i32.const 1)))";
/// The same of the second word: another value.
pub(crate) const NEXT_VALUE: &str =
    "(i32.store (i32.const 1088) (i32.add (i32.load (i32.const 1088)) (i32.const 1)))";
/// The same of the fourth: another salt.
pub(crate) const NEXT_SALT: &str =
    "(i32.store (i32.const 1216) (i32.add (i32.load (i32.const 1216)) (i32.const 1)))";

/// Where pointers of arguments point, and how far apart they are.
pub(crate) const POINTERS: u32 = 1_024;
const POINTER_STEP: u32 = 64;

/// A world to call programs in.
pub(crate) struct World {
    runtime: Runtime,
    view: Arc<View>,
    block: BlockContext,
}

impl World {
    pub(crate) fn new() -> Result<Self, String> {
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
    pub(crate) fn call(
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

/// Returns a module as the code of a program.
pub(crate) fn stored(wasm: &[u8]) -> Bytes {
    [&[0xef, 0x4c, 0x00][..], wasm].concat().into()
}

/// Returns an account with this code.
pub(crate) fn code(code: Bytes) -> AccountOverride {
    AccountOverride { code: Some(code), ..Default::default() }
}

/// Returns an account with this program.
pub(crate) fn program(text: &str) -> Result<AccountOverride, String> {
    wat::parse_str(text).map(|wasm| code(stored(&wasm))).map_err(|error| format!("{error}\n{text}"))
}

/// What the host functions of a contract belong to, which decides how it is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interface {
    /// A program, with `vm_hooks`.
    Program,
    /// An EEI contract, with `ethereum`.
    Eei,
}

/// A contract, and its unit of work.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) interface: Interface,
    /// Imports besides the one that reads calldata.
    pub(crate) imports: &'static [HostFunction],
    /// What the module declares besides.
    pub(crate) declarations: String,
    /// Done once, before the unit of work.
    pub(crate) before: String,
    pub(crate) unit: String,
}

/// Pages of the contract's memory.
const PAGES: u32 = 4;

impl Case {
    /// Returns a contract that calls a function with its [`pointers`], of which some are changed.
    pub(crate) fn new(
        interface: Interface,
        function: HostFunction,
        how: &str,
        changes: &[(usize, &str)],
    ) -> Self {
        let mut arguments = pointers(function);
        for &(place, text) in changes {
            arguments[place] = text.to_owned();
        }
        Self::with(interface, function, how, &arguments)
    }

    /// Returns a contract that calls a function with these arguments.
    pub(crate) fn with(
        interface: Interface,
        function: HostFunction,
        how: &str,
        arguments: &[String],
    ) -> Self {
        let name = if how.is_empty() { function.to_string() } else { format!("{function}, {how}") };
        // The function itself, by its place in the table.
        let number = function.number() as usize;
        let imports = &HostFunction::ALL[number..=number];
        Self {
            name,
            interface,
            imports,
            declarations: String::new(),
            before: String::new(),
            unit: call(function, arguments),
        }
    }

    /// Does something before the first turn.
    pub(crate) fn before(mut self, text: &str) -> Self {
        self.before += text;
        self
    }

    /// Does something more in each turn, behind the call.
    pub(crate) fn then(mut self, text: &str) -> Self {
        self.unit = format!("{} {text}", self.unit);
        self
    }

    /// Declares something more.
    pub(crate) fn declaring(mut self, text: &str) -> Self {
        self.declarations += text;
        self
    }

    /// Imports these functions.
    pub(crate) fn importing(mut self, imports: &'static [HostFunction]) -> Self {
        self.imports = imports;
        self
    }

    /// Returns the contract as text.
    fn text(&self) -> String {
        let (own, main, read, end) = match self.interface {
            Interface::Program => (
                HostFunction::ReadArgs,
                r#"(func (export "user_entrypoint") (param $length i32) (result i32) (local $n i32)"#,
                "(call $read_args (i32.const 0))",
                "(i32.const 0)",
            ),
            Interface::Eei => (
                HostFunction::EeiCallDataCopy,
                r#"(func (export "main") (local $n i32)"#,
                "(call $callDataCopy (i32.const 0) (i32.const 0) (i32.const 4))",
                "",
            ),
        };
        let mut imports = import(own);
        for &function in self.imports.iter().filter(|&&function| function != own) {
            imports += &import(function);
        }
        let mut data = String::new();
        for (place, address) in NEIGHBOURS.iter().enumerate() {
            let bytes: String = address.iter().map(|byte| format!("\\{byte:02x}")).collect();
            let place = NEIGHBOURS_AT as usize + NEIGHBOUR_STEP as usize * place;
            write!(data, "(data (i32.const {place}) \"{bytes}\")").expect("a String takes everything");
        }
        // Operands that make work: words of ones.
        write!(data, "(data (i32.const {POINTERS}) \"{}\")", "\\ff".repeat(512))
            .expect("a String takes everything");
        format!(
            "(module {imports} (memory (export \"memory\") {PAGES}) {data} {}
                {main}
                    {read} (local.set $n (i32.load (i32.const 0)))
                    {}
                    (loop $turn {} (br_if $turn (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
                    {end}))",
            self.declarations, self.before, self.unit,
        )
    }

    /// Returns a run that calls the contract with as many turns as take a while.
    pub(crate) fn run(&self) -> Result<Run, String> {
        let text = self.text();
        let contract = match self.interface {
            Interface::Program => program(&text)?,
            Interface::Eei => eei(&text)?,
        };
        let mut codes = neighbours()?;
        codes.insert(PROGRAM, contract);
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
}

/// Returns the accounts around the contract.
fn neighbours() -> Result<BTreeMap<Address, AccountOverride>, String> {
    let empty = r#"(memory (export "memory") 0) (func (export "user_entrypoint") (param i32) (result i32)"#;
    let exit = r#"(import "vm_hooks" "exit_early" (func $exit (param i32)))"#;
    let ending = |function: HostFunction, arguments: &str| {
        eei(&format!(
            "(module {} (memory (export \"memory\") 1) (func (export \"main\") (call ${} {arguments})))",
            import(function),
            function.name()
        ))
    };
    Ok(BTreeMap::from([
        (NOTHING, program(&format!("(module {empty} (i32.const 0)))"))?),
        (EXITING, program(&format!("(module {exit} {empty} (call $exit (i32.const 0)) unreachable))"))?),
        (LARGE, program(&format!("(module {} (i32.const 0)))", empty.replace(" 0)", " 17)")))?),
        (EVM, code(Bytes::from_static(&[0x00]))),
        (ZEROS, code(Bytes::from_static(&[0x62, 0x01, 0x00, 0x00, 0x5f, 0xf3]))),
        (FINISHING, ending(HostFunction::EeiFinish, "(i32.const 0) (i32.const 0)")?),
        (FINISHING_MUCH, ending(HostFunction::EeiFinish, "(i32.const 0) (i32.const 0x10000)")?),
        (REVERTING, ending(HostFunction::EeiRevert, "(i32.const 0) (i32.const 0)")?),
        (DESTROYED, ending(HostFunction::EeiSelfDestruct, "(i32.const 0)")?),
    ]))
}

/// Returns an account with this EEI contract.
fn eei(text: &str) -> Result<AccountOverride, String> {
    wat::parse_str(text).map(|wasm| code(wasm.into())).map_err(|error| format!("{error}\n{text}"))
}

/// Returns the import of a function, by its own name.
pub(crate) fn import(function: HostFunction) -> String {
    let params: String = function.params().iter().map(|ty| format!(" {ty}")).collect();
    let result = function.result().map_or_else(String::new, |ty| format!(" (result {ty})"));
    let (module, name) = (function.module(), function.name());
    format!("(import \"{module}\" \"{name}\" (func ${name} (param{params}){result}))")
}

/// Returns a call of a function with these arguments as text.
pub(crate) fn call(function: HostFunction, arguments: &[String]) -> String {
    let drop = if function.result().is_some() { "drop" } else { "" };
    format!("{} (call ${}) {drop}", arguments.join(" "), function.name())
}

/// Returns the arguments that a function has when nothing else is said: pointers to words, no gas, numbers that are long
/// when printed.
pub(crate) fn pointers(function: HostFunction) -> Vec<String> {
    let argument = |(place, ty): (u32, &ValueType)| match ty {
        ValueType::F32 => "(f32.const 0x1.fffffep-126)".to_owned(),
        ValueType::F64 => "(f64.const 0x1.fffffffffffffp-1022)".to_owned(),
        ValueType::I64 => "(i64.const 0)".to_owned(),
        _ => format!("(i32.const {})", POINTERS + POINTER_STEP * place),
    };
    (0..).zip(function.params()).map(argument).collect()
}
