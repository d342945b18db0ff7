//! Every engine against the plain one, over generated modules, gas limits and step limits.
//!
//! `LATHE_ORACLE_MODULES` says how many modules, `LATHE_ORACLE_SEED` where to begin. A failure names its seed and
//! size and leaves the module in the temporary directory; `LATHE_ORACLE_MODULES=1` with that seed repeats it. Beside them,
//! small programs that are written for what they do, and functions of nested expressions.

#[path = "oracle/expressions.rs"]
mod expressions;
#[path = "oracle/small.rs"]
mod small;

use lathe_tests::generate::{self, Random};
use lathe_tests::measure::print_json;
use lathe_vm::{
    Engine, Extern, ExternType, FuncType, Host, HostMemory, HostOutcome, Machine, Meter, Module, Observer,
    Outcome, Rules, Schedule, Step, TrapKind, Value, ValueType,
};
use serde::Serialize;
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// How many modules a test run looks at.
const MODULES: u64 = 200;
/// The seed of the first module.
const SEED: u64 = 1;
/// How much a function may use up in the run that tells how much it uses.
const GAS: u64 = 400;
const INK_PER_GAS: u64 = 10_000;
/// The most limits that one function is run with. Longer functions get that many of theirs at random.
const LIMITS_MAX: usize = 400;
/// How many steps a function may take, where they are counted, in the run that tells how many it takes.
const STEPS: u64 = 10_000;
/// The most step limits that one function is run with.
const STEP_LIMITS_MAX: u64 = 60;
/// The beginning of memory that the host reads at each call and writes to. Most addresses are there.
const WATCHED_BYTES: usize = 512;
/// The most pages of a memory.
const PAGES_MAX: u32 = 3;
/// The most ink of a function that is run with every limit, whether something is charged there or not.
const EVERY_LIMIT_INK_MAX: u64 = 8_000;

/// Prices under which a memory of two pages is large, and one page more costs little: memory becomes large while code runs
/// on it.
static NARROW: LazyLock<Schedule> = LazyLock::new(|| {
    let mut schedule = Schedule::V4;
    schedule.small_memory_pages = 1;
    schedule.memory_page = 3_000;
    schedule.memory_page_rise = 10;
    schedule
});

/// The last line of the harness.
#[derive(Debug, Serialize)]
struct Report {
    harness: &'static str,
    modules: u64,
    runs: u64,
    gas_limits: u64,
    step_limits: u64,
    mismatches: u64,
    seed: u64,
}

/// Everything that a run may not differ in.
#[derive(Debug, PartialEq)]
struct Record {
    calls: Vec<(Outcome, Left)>,
    /// Each call of the host: which function, with what, what is left, and a sum over the memory.
    host: Vec<(u32, Vec<Value>, Left, u64)>,
    memory: Vec<u8>,
    globals: Vec<Value>,
}

/// The ink that a run has used at each charge: limits in between end it as the one below does.
struct Charges {
    schedule: &'static Schedule,
    ink: u64,
    used: BTreeSet<u64>,
}

impl Observer for Charges {
    fn instruction(&mut self, step: &Step) {
        let used = self.ink - step.ink_left;
        self.used.insert(used);
        // What its operands decide, and the function that it enters, are charged behind its own price.
        let price = self.schedule.instruction(step.instruction);
        self.used.extend([price.small, price.large].map(|ink| used + u64::from(ink)));
    }
}

/// What a meter has left: ink, and steps where they are counted.
type Left = (u64, Option<u64>);

fn left(meter: &Meter) -> Left {
    (meter.ink_left(), meter.steps_left())
}

/// What a function may use up.
#[derive(Debug, Clone, Copy)]
enum Budget {
    Ink(u64),
    /// And plenty of ink, which only the host takes from.
    Steps(u64),
}

impl Budget {
    fn meter(self) -> Meter {
        match self {
            Self::Ink(ink) => ink_meter(ink),
            Self::Steps(steps) => Meter::from_gas(GAS).counting_steps(steps),
        }
    }
}

/// A host whose answers follow from what it was asked. It writes to memory, charges, suspends and traps.
struct Recorder {
    results: Vec<Option<ValueType>>,
    calls: Vec<(u32, Vec<Value>, Left, u64)>,
    pending: Option<Value>,
}

impl Host for Recorder {
    fn call(
        &mut self,
        function: u32,
        arguments: &[Value],
        memory: &mut HostMemory<'_>,
        meter: &mut Meter,
    ) -> HostOutcome {
        let watched = memory.len().min(WATCHED_BYTES);
        let sum = memory[..watched].iter().fold(0u64, |sum, &byte| sum.rotate_left(5) ^ u64::from(byte));
        self.calls.push((function, arguments.to_vec(), left(meter), sum));
        let mut random = Random::new(sum ^ u64::from(function) << 40 ^ self.calls.len() as u64);
        if let Err(error) = meter.charge(random.number() % 3_000) {
            return error.into();
        }
        let place = random.below(watched.max(1));
        if let Some(byte) = memory.get_mut(place) {
            *byte = byte.wrapping_add(1);
        }
        self.pending = self.results[function as usize].map(|ty| value(&mut random, ty));
        match random.below(40) {
            0 => HostOutcome::Trap(TrapKind::Host),
            1 => HostOutcome::Exit,
            2..=9 => HostOutcome::Suspend,
            _ => HostOutcome::Return(self.pending),
        }
    }
}

fn value(random: &mut Random, ty: ValueType) -> Value {
    let bits = if random.one_in(2) { random.number() } else { random.number() % 5 };
    match ty {
        ValueType::I32 => {
            Value::I32(i32::from_le_bytes(bits.to_le_bytes()[..4].try_into().expect("four bytes")))
        }
        ValueType::I64 => Value::I64(bits.cast_signed()),
        ValueType::F32 => Value::F32(f32::to_bits(bits.to_le_bytes()[0].into())),
        ValueType::F64 => Value::F64(f64::to_bits(bits.to_le_bytes()[1].into())),
        ValueType::V128 => Value::V128(u128::from(bits) << 64 | u128::from(random.number())),
        ValueType::FuncRef => Value::FuncRef(None),
        ValueType::ExternRef => Value::ExternRef((bits & 1 == 1).then_some(7)),
    }
}

/// A module on one engine, and how to run it.
struct Subject {
    module: Module,
    rules: Rules,
    functions: Vec<(String, FuncType)>,
    seed: u64,
}

impl Subject {
    fn new(wasm: &[u8], engine: Engine, rules: Rules, seed: u64) -> Self {
        let module = match Module::with_engine(wasm, &rules, engine) {
            Ok(module) => module,
            Err(error) => panic!("seed {seed}: {engine} refuses the module: {error}"),
        };
        let functions = module
            .exports()
            .iter()
            .filter_map(|export| match &export.ty {
                ExternType::Function(ty) => Some((export.name.to_string(), ty.clone())),
                _ => None,
            })
            .collect();
        Self { module, rules, functions, seed }
    }

    /// Calls these functions one after the other, each with this budget.
    fn run(&self, functions: &[(String, FuncType)], budget: Budget) -> Record {
        self.run_watched(functions, budget, None)
    }

    /// Does what [`Subject::run`] does, and notes the charges, if the engine is the plain one.
    fn run_watched(
        &self,
        functions: &[(String, FuncType)],
        budget: Budget,
        mut charges: Option<&mut Charges>,
    ) -> Record {
        let imports: Vec<Extern> = (0..)
            .zip(self.module.imports())
            .filter_map(|(number, import)| match &import.ty {
                ExternType::Function(ty) => Some(Extern::Host(number, ty.clone())),
                _ => None,
            })
            .collect();
        let results = imports.iter().map(|import| match import {
            Extern::Host(_, ty) => ty.results().first().copied(),
            _ => None,
        });
        let mut host = Recorder { results: results.collect(), calls: Vec::new(), pending: None };
        let mut machine = Machine::new(&self.rules, PAGES_MAX);
        let instance = machine
            .instantiate(&self.module, &imports, &mut self.rules.schedule.meter(1 << 40))
            .expect("the segments of generated modules fit");
        let mut calls = Vec::new();
        for (place, (name, ty)) in functions.iter().enumerate() {
            let function = machine.exported_function(instance, name).expect("the module exports it");
            let mut random = Random::new(self.seed ^ (place as u64) << 32);
            let arguments: Vec<Value> = ty.params().iter().map(|&ty| value(&mut random, ty)).collect();
            let mut meter = budget.meter();
            let mut outcome = match charges.as_deref_mut() {
                None => machine.invoke(function, &arguments, &mut meter, &mut host),
                Some(charges) => machine.invoke_traced(function, &arguments, &mut meter, &mut host, charges),
            };
            while outcome == Outcome::Suspended {
                outcome = if random.one_in(50) {
                    machine.abort(TrapKind::Host)
                } else {
                    let result = host.pending;
                    match charges.as_deref_mut() {
                        None => machine.resume(result, &mut meter, &mut host),
                        Some(charges) => machine.resume_traced(result, &mut meter, &mut host, charges),
                    }
                };
            }
            calls.push((outcome, left(&meter)));
        }
        let names = self.module.exports().iter().map(|export| &*export.name);
        let globals = names.filter_map(|name| match machine.export(instance, name)? {
            Extern::Global(global) => Some(machine.global(global)),
            _ => None,
        });
        Record {
            calls,
            host: host.calls,
            globals: globals.collect(),
            memory: machine.memory(instance).to_vec(),
        }
    }
}

/// Returns a meter with exactly this much ink.
fn ink_meter(ink: u64) -> Meter {
    let mut meter = Meter::from_gas(ink.div_ceil(INK_PER_GAS));
    let surplus = meter.ink_left() - ink;
    meter.charge(surplus).expect("the meter was made with at least this");
    meter
}

/// Where an engine differed.
struct Mismatch {
    engine: Engine,
    budget: Budget,
    expected: Record,
    found: Record,
}

/// A module on all engines.
struct Subjects {
    plain: Subject,
    others: Vec<(Engine, Subject)>,
}

impl Subjects {
    fn new(wasm: &[u8], rules: Rules, seed: u64) -> Self {
        let others = Engine::ALL
            .iter()
            // Where there is no other engine, the plain one must at least agree with itself.
            .filter(|&&engine| engine != Engine::Plain || Engine::ALL.len() == 1)
            .map(|&engine| (engine, Subject::new(wasm, engine, rules, seed)));
        Self { others: others.collect(), plain: Subject::new(wasm, Engine::Plain, rules, seed) }
    }

    /// Runs functions on all engines. Returns what they agree on.
    fn check(
        &self,
        functions: &[(String, FuncType)],
        budget: Budget,
        report: &mut Report,
    ) -> Result<Record, Box<Mismatch>> {
        let expected = self.plain.run(functions, budget);
        for (engine, subject) in &self.others {
            report.runs += 1;
            let found = subject.run(functions, budget);
            if found != expected {
                return Err(Box::new(Mismatch { engine: *engine, budget, expected, found }));
            }
        }
        Ok(expected)
    }
}

/// Compares all engines on one module. Returns the first difference.
fn compare(wasm: &[u8], seed: u64, report: &mut Report) -> Result<(), Box<Mismatch>> {
    let mut random = Random::new(!seed);
    let mut rules = Rules::DEVNET;
    rules.limits.call_depth = *random.pick(&[4_096, 4_096, 50, 7]);
    rules.limits.value_slots = *random.pick(&[65_536, 65_536, 1_500, 400]);
    if random.one_in(2) {
        rules.schedule = &NARROW;
    }
    compare_priced(&Subjects::new(wasm, rules, seed), seed, &mut random, report)?;
    rules.schedule = &Schedule::ZERO_INSTRUCTION;
    compare_counted(&Subjects::new(wasm, rules, seed), &mut random, report)
}

/// Compares under many limits of gas.
fn compare_priced(
    subjects: &Subjects,
    seed: u64,
    random: &mut Random,
    report: &mut Report,
) -> Result<(), Box<Mismatch>> {
    let functions = &subjects.plain.functions;
    // All functions in a row on one instance, with plenty and with less.
    for ink in [GAS * INK_PER_GAS, 20 * INK_PER_GAS, 20_000 * INK_PER_GAS] {
        // Growing memory costs a thousand gas a page, so one module in eight gets to see it.
        if ink > GAS * INK_PER_GAS && !seed.is_multiple_of(8) {
            continue;
        }
        subjects.check(functions, Budget::Ink(ink), report)?;
    }
    // Each function alone, with every limit that matters.
    for function in functions {
        let function = std::slice::from_ref(function);
        let most = GAS * INK_PER_GAS;
        let used = most - subjects.check(function, Budget::Ink(most), report)?.calls[0].1.0;
        let schedule = subjects.plain.rules.schedule;
        let mut charges = Charges { schedule, ink: most, used: BTreeSet::from([0, 1, used, used + 1]) };
        subjects.plain.run_watched(function, Budget::Ink(most), Some(&mut charges));
        let limits: BTreeSet<u64> =
            charges.used.iter().flat_map(|&ink| [ink.saturating_sub(1), ink]).chain([used + 1]).collect();
        let part = limits.len().div_ceil(LIMITS_MAX);
        if used <= EVERY_LIMIT_INK_MAX && seed.is_multiple_of(8) {
            for ink in 0..=used + 1 {
                report.gas_limits += 1;
                subjects.check(function, Budget::Ink(ink), report)?;
            }
            continue;
        }
        for ink in limits {
            // All of a short function's limits, some of a long one's.
            if !random.one_in(part) {
                continue;
            }
            report.gas_limits += 1;
            subjects.check(function, Budget::Ink(ink), report)?;
        }
    }
    Ok(())
}

/// Compares under many limits of steps.
fn compare_counted(
    subjects: &Subjects,
    random: &mut Random,
    report: &mut Report,
) -> Result<(), Box<Mismatch>> {
    let functions = &subjects.plain.functions;
    subjects.check(functions, Budget::Steps(STEPS), report)?;
    for function in functions {
        let function = std::slice::from_ref(function);
        let record = subjects.check(function, Budget::Steps(STEPS), report)?;
        let left = record.calls[0].1.1.expect("steps are counted");
        let limits = STEPS - left + 2;
        for limit in 0..limits.min(STEP_LIMITS_MAX) {
            let steps = if limits <= STEP_LIMITS_MAX { limit } else { random.number() % limits };
            report.step_limits += 1;
            subjects.check(function, Budget::Steps(steps), report)?;
        }
    }
    Ok(())
}

/// Says where two records differ, the first difference of each kind.
fn difference(expected: &Record, found: &Record) -> String {
    let mut text = String::new();
    if let Some((place, (expected, found))) =
        expected.calls.iter().zip(&found.calls).enumerate().find(|(_, (a, b))| a != b)
    {
        text += &format!("\n  call {place}: expected {expected:x?}\n          found    {found:x?}");
    }
    let host = expected.host.iter().map(Some).chain(std::iter::repeat(None));
    let other = found.host.iter().map(Some).chain(std::iter::repeat(None));
    let most = expected.host.len().max(found.host.len());
    if let Some((place, (expected, found))) =
        host.zip(other).take(most).enumerate().find(|(_, (a, b))| a != b)
    {
        text += &format!("\n  host call {place}: expected {expected:x?}\n          found    {found:x?}");
    }
    if expected.memory.len() != found.memory.len() {
        text += &format!("\n  memory of {} bytes, expected {}", found.memory.len(), expected.memory.len());
    }
    if let Some(place) = expected.memory.iter().zip(&found.memory).position(|(a, b)| a != b) {
        let (a, b) = (expected.memory[place], found.memory[place]);
        text += &format!("\n  memory at {place:#x}: expected {a:#x}, found {b:#x}");
    }
    if let Some((place, (a, b))) =
        expected.globals.iter().zip(&found.globals).enumerate().find(|(_, (a, b))| a != b)
    {
        text += &format!("\n  global {place}: expected {a:x?}, found {b:x?}");
    }
    text
}

fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")),
        Err(_) => default,
    }
}

#[test]
fn every_engine_does_what_the_plain_one_does() {
    let (modules, seed) = (setting("LATHE_ORACLE_MODULES", MODULES), setting("LATHE_ORACLE_SEED", SEED));
    let mut report =
        Report { harness: "oracle", modules, runs: 0, gas_limits: 0, step_limits: 0, mismatches: 0, seed };
    for seed in seed..seed + modules {
        let wasm = generate::module(seed, size(seed));
        let Err(mismatch) = compare(&wasm, seed, &mut report) else { continue };
        report.mismatches += 1;
        let path = std::env::temp_dir().join(format!("lathe-oracle-{seed}.wasm"));
        std::fs::write(&path, &wasm).expect("the temporary directory can be written");
        eprintln!(
            "seed {seed}, {} bytes, {} with {:?} differs from plain: {}{}",
            wasm.len(),
            mismatch.engine,
            mismatch.budget,
            path.display(),
            difference(&mismatch.expected, &mismatch.found)
        );
    }
    print_json(&report);
    assert_eq!(report.mismatches, 0, "the engines differ");
}

/// How large the functions of the module of a seed are: most are small, so that failures are.
fn size(seed: u64) -> usize {
    match seed % 10 {
        0 => 300,
        1..=3 => 80,
        _ => 20,
    }
}

#[test]
fn generated_modules_do_all_kinds_of_things() {
    let (mut returned, mut host_calls, mut grown) = (0, 0, 0);
    let mut traps = BTreeSet::new();
    for seed in 0..400 {
        let wasm = generate::module(seed, size(seed));
        let mut rules = Rules::DEVNET;
        rules.limits.call_depth = 100;
        let subject = Subject::new(&wasm, Engine::default(), rules, seed);
        let record = subject.run(&subject.functions, Budget::Ink(4_000 * INK_PER_GAS));
        host_calls += record.host.len();
        grown += usize::from(record.memory.len() > 65_536);
        for (outcome, _) in record.calls {
            match outcome {
                Outcome::Returned(_) => returned += 1,
                Outcome::Trapped(trap) => drop(traps.insert(trap.kind)),
                _ => {}
            }
        }
    }
    assert!(returned > 400, "{returned} calls returned");
    assert!(host_calls > 300, "{host_calls} host calls");
    assert!(grown > 3, "{grown} memories grew");
    // Steps are not counted here.
    traps.insert(TrapKind::StepLimit);
    assert_eq!(traps.len(), TrapKind::ALL.len(), "only {traps:?}");
}
