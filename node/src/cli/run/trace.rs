//! What a run does, instruction by instruction: written as it happens, and counted.

use std::{
    collections::HashMap,
    io::{self, BufWriter, Stderr, Write},
};

use lathe_gas::CostClass;
use lathe_vm::{Module, Observer, Step, demangle};
use serde::Serialize;

/// Writes and counts instructions.
pub(super) struct Watcher<'a> {
    module: &'a Module,
    out: BufWriter<Stderr>,
    json: bool,
    /// Instructions that are still to be written; none if none is.
    left: Option<u64>,
    /// Instructions that were not written for the limit.
    hidden: u64,
    /// Names of functions already shown.
    names: HashMap<u32, String>,
    instructions: u64,
    /// Ink by class, in the order of [`CostClass::ALL`].
    ink: Vec<u64>,
    /// The instruction whose charge is not known yet: its class, and the ink before it.
    last: Option<(CostClass, u64)>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    depth: u32,
    function: u32,
    name: &'a str,
    offset: u32,
    instruction: &'static str,
    ink_left: u64,
}

impl<'a> Watcher<'a> {
    /// Returns a watcher that writes up to `limit` instructions, if any, and counts all.
    pub(super) fn new(module: &'a Module, limit: Option<u64>, json: bool) -> Self {
        Self {
            module,
            out: BufWriter::new(io::stderr()),
            json,
            left: limit,
            hidden: 0,
            names: HashMap::new(),
            instructions: 0,
            ink: vec![0; CostClass::ALL.len()],
            last: None,
        }
    }

    /// Ends the watch of one call. What the last instruction was charged is what is missing now.
    pub(super) fn finish(&mut self, ink_left: u64) {
        self.charge(ink_left);
        if self.hidden > 0 && !self.json {
            let _ = writeln!(self.out, "and {} more instructions; --trace-limit shows more", self.hidden);
            self.hidden = 0;
        }
        // Nobody may listen any more, which changes nothing about the run.
        let _ = self.out.flush();
    }

    pub(super) fn instructions(&self) -> u64 {
        self.instructions
    }

    /// Returns the classes that were charged, the dearest first. Work that a run sizes and entering a function count with
    /// the instruction that asked for them; entering the function that was invoked is no instruction's.
    pub(super) fn ink_by_class(&self) -> Vec<(CostClass, u64)> {
        let classes = CostClass::ALL.iter().copied().zip(self.ink.iter().copied());
        let mut charged: Vec<_> = classes.filter(|&(_, ink)| ink > 0).collect();
        charged.sort_by_key(|&(class, ink)| (std::cmp::Reverse(ink), class));
        charged
    }

    fn charge(&mut self, ink_left: u64) {
        if let Some((class, before)) = self.last.take() {
            self.ink[class as usize] += before - ink_left;
        }
    }

    fn write(&mut self, step: &Step) {
        match &mut self.left {
            None => return,
            Some(0) => {
                self.hidden += 1;
                return;
            }
            Some(left) => *left -= 1,
        }
        let name = self.names.entry(step.function).or_insert_with(|| {
            self.module
                .function_name(step.function)
                .map_or_else(String::new, |name| demangle(name).escape_debug().to_string())
        });
        let Step { function, offset, instruction, depth, ink_left, .. } = *step;
        let instruction = instruction.name();
        let _ = if self.json {
            let line = Line { depth, function, name, offset, instruction, ink_left };
            serde_json::to_writer(&mut self.out, &line)
                .map_err(io::Error::from)
                .and_then(|()| self.out.write_all(b"\n"))
        } else {
            writeln!(
                self.out,
                "{depth:>4}  {function:>5} {name:<24}  {offset:#08x}  {instruction:<20}  {ink_left:>16}"
            )
        };
    }
}

impl Observer for Watcher<'_> {
    fn instruction(&mut self, step: &Step) {
        self.charge(step.ink_left);
        self.instructions += 1;
        self.last = Some((step.instruction.class(), step.ink_left));
        self.write(step);
    }
}
