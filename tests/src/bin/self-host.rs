//! `make self-host`: runs kernels natively and in Lathe inside Lathe, and compares results and ink. Ends its output with
//! one line of JSON; exits 1 if anything differs.
//!
//!     self-host GUEST.wasm

use std::{path::Path, process::ExitCode, time::Instant};

use lathe_tests::kernels::Kernel;
use lathe_vm::{Engine, InstanceId, Machine, Meter, Module, NoHost, Outcome, Rules, Value};
use serde::Serialize;

/// What a kernel may spend, inside and outside; the guest has the same number.
const GAS: u64 = 1 << 40;
/// What the outer machine may spend: about a hundred times as much, since the guest interprets.
const OUTER_GAS: u64 = 1 << 48;
/// The engines that the guest has: the loop backend and the plain engine.
const INNER_ENGINES: i32 = 2;

/// Kernels that import nothing, with sizes that take a millisecond natively.
const KERNELS: &[(&str, i32)] = &[
    ("fib", 16),
    ("sha256", 20),
    ("keccak", 10),
    ("counter", 20_000),
    ("brtable", 1),
    ("indirect", 5_000),
    ("nbody", 200),
    ("u256", 200),
    ("sort", 500),
    ("token", 100),
];

#[derive(Serialize)]
struct Report {
    harness: &'static str,
    kernels: usize,
    runs: usize,
    equal: bool,
    differences: usize,
    guest_bytes: usize,
    outer_ink: u64,
    seconds: u64,
}

/// What a kernel returned, and the ink it used with its instantiation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Answer {
    value: u64,
    ink_used: u64,
}

fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(1) else {
        eprintln!("usage: self-host GUEST.wasm");
        return ExitCode::from(2);
    };
    match compare(Path::new(&path)) {
        Ok(report) => {
            println!("{}", serde_json::to_string(&report).expect("a report is numbers and strings"));
            if report.equal { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn compare(guest: &Path) -> Result<Report, String> {
    let begin = Instant::now();
    let bytes = std::fs::read(guest).map_err(|error| format!("{}: {error}", guest.display()))?;
    let (mut runs, mut differences, mut outer_ink) = (0, 0, 0);
    for &(name, size) in KERNELS {
        let kernel = Kernel::named(name).ok_or_else(|| format!("there is no kernel `{name}`"))?;
        let native = native(kernel.wasm, size)?;
        let mut outer_inks = Vec::new();
        for inner in 0..INNER_ENGINES {
            let mut inks = Vec::new();
            for &outer in Engine::ALL {
                let (nested, ink) = nested(&bytes, outer, kernel.wasm, inner, size)?;
                let equal = nested == native;
                let verdict = if equal { "equal" } else { "DIFFERENT" };
                eprintln!(
                    "{name}({size}), inner engine {inner} on {outer}: {verdict} {nested:x?}, outer ink {ink}"
                );
                runs += 1;
                differences += usize::from(!equal);
                inks.push(ink);
            }
            // The guest is a program like any other: what it costs must not depend on the engine.
            if inks.windows(2).any(|pair| pair[0] != pair[1]) {
                eprintln!("{name}({size}), inner engine {inner}: the outer engines charge {inks:?}");
                differences += 1;
            }
            outer_inks.extend(inks.first());
        }
        outer_ink += outer_inks.iter().sum::<u64>();
    }
    Ok(Report {
        harness: "self-host",
        kernels: KERNELS.len(),
        runs,
        equal: differences == 0,
        differences,
        guest_bytes: bytes.len(),
        outer_ink: outer_ink,
        seconds: begin.elapsed().as_secs(),
    })
}

/// Runs a kernel on the fastest engine of this build.
fn native(wasm: &[u8], size: i32) -> Result<Answer, String> {
    let rules = Rules::DEVNET;
    let mut meter = Meter::from_gas(GAS);
    let before = meter.ink_left();
    let module = Module::new(wasm, &rules).map_err(|error| error.to_string())?;
    let mut machine = Machine::new(&rules, rules.limits.memory_pages);
    let instance = machine.instantiate(&module, &[], &mut meter).map_err(|error| error.to_string())?;
    let value = call(&mut machine, instance, "run", &[Value::I32(size)], &mut meter)?;
    Ok(Answer { value, ink_used: before - meter.ink_left() })
}

/// Runs a kernel on the guest's engine `inner` while the guest runs on `outer`. Returns the outer ink, too.
fn nested(guest: &[u8], outer: Engine, wasm: &[u8], inner: i32, size: i32) -> Result<(Answer, u64), String> {
    let rules = Rules::UNBOUNDED;
    let mut meter = Meter::from_gas(OUTER_GAS);
    let before = meter.ink_left();
    let module = Module::with_engine(guest, &rules, outer).map_err(|error| error.to_string())?;
    let mut machine = Machine::new(&rules, rules.limits.memory_pages);
    let instance = machine.instantiate(&module, &[], &mut meter).map_err(|error| error.to_string())?;
    let len = i32::try_from(wasm.len()).map_err(|error| error.to_string())?;
    let address = call(&mut machine, instance, "reserve", &[Value::I32(len)], &mut meter)?;
    let address = usize::try_from(address).map_err(|error| error.to_string())?;
    let place = machine.memory_mut(instance).get_mut(address..address + wasm.len());
    place.ok_or("the guest reserved memory that it does not have")?.copy_from_slice(wasm);
    let pointer = i32::try_from(address).map_err(|error| error.to_string())?;
    let arguments = [pointer, len, inner, size].map(Value::I32);
    let answer = call(&mut machine, instance, "run", &arguments, &mut meter)?;
    if answer == 0 {
        return Err(format!("the guest does not take the module, or has no engine {inner}"));
    }
    let answer = usize::try_from(answer).map_err(|error| error.to_string())?;
    let memory = machine.memory(instance);
    let word = |index: usize| {
        let bytes = memory.get(answer + 8 * index..)?.first_chunk::<8>()?;
        Some(u64::from_le_bytes(*bytes))
    };
    match (word(0), word(1), word(2)) {
        (Some(1), Some(value), Some(ink_used)) => Ok((Answer { value, ink_used }, before - meter.ink_left())),
        (Some(_), ..) => Err("the kernel did not return a number".into()),
        _ => Err("the guest's answer lies outside its memory".into()),
    }
}

/// Calls a function that returns one integer.
fn call(
    machine: &mut Machine,
    instance: InstanceId,
    name: &str,
    arguments: &[Value],
    meter: &mut Meter,
) -> Result<u64, String> {
    let function =
        machine.exported_function(instance, name).ok_or_else(|| format!("nothing exports `{name}`"))?;
    match machine.invoke(function, arguments, meter, &mut NoHost) {
        Outcome::Returned(values) => match values[..] {
            [Value::I32(value)] => Ok(value.cast_unsigned().into()),
            [Value::I64(value)] => Ok(value.cast_unsigned()),
            _ => Err(format!("`{name}` returned {values:?}")),
        },
        other => Err(format!("`{name}`: {other:?}")),
    }
}
