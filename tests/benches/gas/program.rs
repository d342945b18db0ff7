//! Programs on the engine that nodes run, with what a run of them takes and costs.

use crate::{Run, Sample};
use lathe_tests::measure::timed;
use lathe_vm::{
    Engine, Extern, ExternType, FunctionId, Host, HostMemory, HostOutcome, InstanceId, Machine, Meter,
    Module, Outcome, Rules, Value,
};
use std::time::Duration;

/// Gas that no program uses up.
pub(crate) const GAS: u64 = 1 << 40;
/// How long a run of a program takes at least, so that the clock and the way into the program do not count.
const RUN_MIN: Duration = Duration::from_micros(150);
/// The most turns of a program: none is so quick that it needs more.
const TURNS_MAX: i32 = 1 << 28;

/// An instance of a module that exports `run`.
pub(crate) struct Program {
    machine: Machine,
    instance: InstanceId,
    run: FunctionId,
}

/// A host whose functions return their argument, or nothing.
struct Echo;

impl Host for Echo {
    fn call(&mut self, _: u32, arguments: &[Value], _: &mut HostMemory<'_>, _: &mut Meter) -> HostOutcome {
        HostOutcome::Return(arguments.first().copied())
    }
}

impl Program {
    /// Instantiates a module that is written as text.
    pub(crate) fn text(wat: &str) -> Result<Self, String> {
        Self::bytes(&wat::parse_str(wat).map_err(|error| format!("{error}\n{wat}"))?)
    }

    /// Instantiates a module.
    pub(crate) fn bytes(wasm: &[u8]) -> Result<Self, String> {
        let rules = Rules::DEVNET;
        let module =
            Module::with_engine(wasm, &rules, Engine::default()).map_err(|error| error.to_string())?;
        let imports = (0..)
            .zip(module.imports())
            .map(|(number, import)| match &import.ty {
                ExternType::Function(ty) => Ok(Extern::Host(number, ty.clone())),
                other => Err(format!("a bench imports functions only, not {other:?}")),
            })
            .collect::<Result<Vec<_>, _>>()?;
        let mut machine = Machine::new(&rules, rules.limits.memory_pages);
        let instance = machine
            .instantiate(&module, &imports, &mut Meter::from_gas(GAS))
            .map_err(|error| error.to_string())?;
        let run = machine.exported_function(instance, "run").ok_or("it exports no function `run`")?;
        Ok(Self { machine, instance, run })
    }

    /// Returns the memory, to prepare it.
    pub(crate) fn memory(&mut self) -> &mut [u8] {
        self.machine.memory_mut(self.instance)
    }

    /// Calls `run` once.
    pub(crate) fn once(&mut self, argument: i32) -> Result<(Sample, Vec<Value>), String> {
        let mut meter = Meter::from_gas(GAS);
        let before = meter.ink_left();
        let arguments = [Value::I32(argument)];
        let (time, outcome) = timed(|| self.machine.invoke(self.run, &arguments, &mut meter, &mut Echo));
        match outcome {
            Outcome::Returned(values) => Ok((Sample { time, ink: before - meter.ink_left() }, values)),
            other => Err(format!("it ended as {other:?}")),
        }
    }

    /// Returns a run with as many turns as take a while.
    pub(crate) fn turning(self) -> Result<Run, String> {
        self.turning_for(RUN_MIN)
    }

    /// Returns a run with as many turns as take so long.
    pub(crate) fn turning_for(mut self, time: Duration) -> Result<Run, String> {
        let mut turns = 8;
        while turns < TURNS_MAX && self.least_time(turns)? < time {
            turns *= 2;
        }
        Ok(Box::new(move || Ok(self.once(turns)?.0)))
    }

    /// Returns what the quickest of a few runs takes: others may have been held up.
    fn least_time(&mut self, turns: i32) -> Result<Duration, String> {
        let mut least = Duration::MAX;
        for _ in 0..crate::RUNS {
            least = least.min(self.once(turns)?.0.time);
        }
        Ok(least)
    }
}

/// Returns a run of a module, written as text, whose function `run` takes how often to do what it does.
pub(crate) fn turning(wat: &str) -> Result<Run, String> {
    Program::text(wat)?.turning()
}

/// Returns a function `run` that does `unit` as often as its argument says, many times a turn. `locals` are declared,
/// `begin` stands before the loop, `turn` at the beginning of each turn and `end` at its end.
pub(crate) fn repeat(locals: &str, begin: &str, turn: &str, unit: &str, end: &str) -> String {
    /// Of the loop itself, nothing should be seen.
    const UNITS: usize = 64;
    format!(
        "(func (export \"run\") (param $n i32) {locals}\n {begin}\n (loop $turn\n {turn}\n {}\n {end}\n \
         (br_if $turn (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))",
        format!("{unit}\n").repeat(UNITS)
    )
}
