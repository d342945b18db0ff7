//! Code that is not paid for in whole: long blocks that end for want of gas, which an engine cannot charge at once and must
//! take apart.

use crate::program::GAS;
use crate::{Group, Row, Run, Sample};
use lathe_gas::INK_PER_GAS;
use lathe_tests::measure::timed;
use lathe_vm::{Machine, Meter, Module, NoHost, Outcome, Rules, TrapKind, Value};

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for count in [1_000, 2_500, 10_000, 80_000] {
        for (name, unit, instructions) in [
            ("nops", "nop ", 1),
            ("moves", "local.get 0 drop ", 2),
            ("sums", "local.get 0 local.get 0 i32.add drop ", 4),
        ] {
            let repeated = unit.repeat(count / instructions);
            let wat = format!("(module (func (export \"run\") (param i32) {repeated}))");
            let name = format!("a block that cannot be paid for, of {count} instructions: {name}");
            rows.push(Row::new(Group::Hostile, name, move || starved(&wat)));
        }
    }
    rows
}

/// Returns a run that has one ink less than the program takes. It makes an instance, for nobody gets so far twice in one.
fn starved(wat: &str) -> Result<Run, String> {
    let rules = Rules::DEVNET;
    let wasm = wat::parse_str(wat).map_err(|error| error.to_string())?;
    let module = Module::new(&wasm, &rules).map_err(|error| error.to_string())?;
    let run = move |ink: u64| {
        let mut meter = Meter::from_gas(ink.div_ceil(INK_PER_GAS));
        let surplus = meter.ink_left() - ink;
        meter.charge(surplus).map_err(|error| error.to_string())?;
        let (time, outcome) = timed(|| {
            let mut machine = Machine::new(&rules, rules.limits.memory_pages);
            let instance =
                machine.instantiate(&module, &[], &mut meter).map_err(|error| error.to_string())?;
            let run = machine.exported_function(instance, "run").ok_or("there is no function `run`")?;
            Ok::<_, String>(machine.invoke(run, &[Value::I32(0)], &mut meter, &mut NoHost))
        });
        Ok::<_, String>((outcome?, Sample { time, ink: ink - meter.ink_left() }))
    };
    let ink = match run(GAS * INK_PER_GAS)? {
        (Outcome::Returned(_), sample) => sample.ink - 1,
        (other, _) => return Err(format!("with plenty of gas it ended as {other:?}")),
    };
    Ok(Box::new(move || match run(ink)? {
        (Outcome::Trapped(trap), sample) if trap.kind == TrapKind::OutOfGas => Ok(sample),
        (other, _) => Err(format!("it ended as {other:?}")),
    }))
}
