//! What the programs of an execution did: instructions, ink by class, host calls, frames and pages.
//!
//! It is counted by whoever asks, in an execution whose effects are not kept: programs then run with an observer, which
//! changes nothing about them but their speed. Other executions count nothing.

use std::{cell::Cell, collections::BTreeMap};

use lathe_gas::{CostClass, HostFunction};
use lathe_vm::{Host, HostMemory, HostOutcome, Meter, Observer, Outcome, Step, Value};

/// What the programs of an execution did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statistics {
    /// Frames of programs and EEI contracts that reached their entry.
    pub frames: u64,
    /// Instructions executed.
    pub instructions: u64,
    /// Ink of the instructions by class, in the order of [`CostClass::ALL`]. Work that a run sizes and entering a function
    /// count with the instruction that asked for them, host functions do not.
    pub ink_by_class: Vec<u64>,
    /// How often each host function was called, by name.
    pub host_calls: BTreeMap<&'static str, u64>,
    /// The most pages of memory that open frames held at once.
    pub pages: u32,
}

impl Default for Statistics {
    fn default() -> Self {
        Self {
            frames: 0,
            instructions: 0,
            ink_by_class: vec![0; CostClass::ALL.len()],
            host_calls: BTreeMap::new(),
            pages: 0,
        }
    }
}

impl Statistics {
    /// Counts one run of a machine, which `run` starts with the host and the observer that it is given.
    pub(super) fn count(
        &mut self,
        functions: &[HostFunction],
        meter: &mut Meter,
        host: &mut dyn Host,
        run: impl FnOnce(&mut Meter, &mut dyn Host, &mut dyn Observer) -> Outcome,
    ) -> Outcome {
        let host_ink = Cell::new(0);
        let mut host = Counted { host, functions, calls: &mut self.host_calls, ink: &host_ink };
        let mut counter = Counter {
            instructions: &mut self.instructions,
            ink: &mut self.ink_by_class,
            host_ink: &host_ink,
            last: None,
        };
        let outcome = run(meter, &mut host, &mut counter);
        counter.charge(meter.ink_left());
        outcome
    }
}

/// Counts instructions and their ink.
struct Counter<'a> {
    instructions: &'a mut u64,
    ink: &'a mut [u64],
    /// What the host charged since the last instruction.
    host_ink: &'a Cell<u64>,
    /// The instruction whose charge is not known yet: its class, and the ink before it.
    last: Option<(CostClass, u64)>,
}

impl Counter<'_> {
    fn charge(&mut self, ink_left: u64) {
        let host_ink = self.host_ink.take();
        if let Some((class, before)) = self.last.take() {
            self.ink[class as usize] += before.saturating_sub(ink_left).saturating_sub(host_ink);
        }
    }
}

impl Observer for Counter<'_> {
    fn instruction(&mut self, step: &Step) {
        self.charge(step.ink_left);
        *self.instructions += 1;
        self.last = Some((step.instruction.class(), step.ink_left));
    }
}

/// A host whose calls are counted.
struct Counted<'a> {
    host: &'a mut dyn Host,
    /// The host functions by their import index.
    functions: &'a [HostFunction],
    calls: &'a mut BTreeMap<&'static str, u64>,
    ink: &'a Cell<u64>,
}

impl Host for Counted<'_> {
    fn call(
        &mut self,
        function: u32,
        arguments: &[Value],
        memory: &mut HostMemory<'_>,
        meter: &mut Meter,
    ) -> HostOutcome {
        *self.calls.entry(self.functions[function as usize].name()).or_default() += 1;
        let before = meter.ink_left();
        let outcome = self.host.call(function, arguments, memory, meter);
        self.ink.set(before.saturating_sub(meter.ink_left()));
        outcome
    }
}
