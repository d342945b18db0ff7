//! The largest modules that the chain takes, shaped so that decoding, validation, translation or instantiation is slow,
//! against what loading them costs a transaction that finds no cache warm.
//!
//! A run does all of it once and translates every function, though each would have to be called for that.

use crate::{Group, Row, Run, Sample};
use lathe_tests::generate::encode::{Section, name, unsigned, vector};
use lathe_tests::measure::timed;
use lathe_vm::{Limits, Machine, Meter, Module, Rules};

const LIMITS: Limits = Limits::DEVNET;
/// Gas that no instantiation uses up.
const GAS: u64 = 1 << 40;

const I32: u8 = 0x7f;
const END: u8 = 0x0b;
/// Types that bodies may refer to: nothing to nothing, and the widest there is.
const NOTHING: u64 = 0;
const WIDE: u64 = 1;

pub(crate) fn rows() -> Vec<Row> {
    let row = |(name, wasm): (&str, Vec<u8>)| {
        let label = format!("{name}, {} KiB", wasm.len() / 1_024);
        Row::new(Group::Load, label, move || Ok(load(wasm)))
    };
    modules().into_iter().map(row).collect()
}

fn load(wasm: Vec<u8>) -> Run {
    let load_ink = Rules::DEVNET.schedule.load_ink(wasm.len() as u64);
    Box::new(move || {
        let mut meter = Meter::from_gas(GAS);
        let before = meter.ink_left();
        let (time, result) = timed(|| {
            let module = Module::new(&wasm, &Rules::DEVNET).map_err(|error| error.to_string())?;
            module.translate();
            let mut machine = Machine::new(&Rules::DEVNET, LIMITS.memory_pages);
            machine.instantiate(&module, &[], &mut meter).map_err(|error| error.to_string())
        });
        result?;
        Ok(Sample { time, ink: load_ink + before - meter.ink_left() })
    })
}

/// A module in the making.
#[derive(Default)]
struct Shape {
    types: Vec<Vec<u8>>,
    /// The type and body of each function.
    functions: Vec<(u64, Vec<u8>)>,
    table: bool,
    globals: Vec<Vec<u8>>,
    elements: Vec<Vec<u8>>,
    data: Vec<Vec<u8>>,
    /// A custom section: its name and contents.
    custom: Option<(&'static str, Vec<u8>)>,
}

impl Shape {
    fn new() -> Self {
        let wide = signature(LIMITS.params.min(LIMITS.results) as usize, LIMITS.results as usize);
        Self { types: vec![signature(0, 0), wide], ..Self::default() }
    }

    /// A module of as many functions as fit, each with the largest body that `body` makes.
    fn of_bodies(body: impl Fn(usize) -> Vec<u8>) -> Vec<u8> {
        let largest = LIMITS.body_bytes as usize;
        let step = body(1_000).len().saturating_sub(body(0).len()).max(1);
        let fitting = largest.saturating_sub(body(0).len()) * 1_000 / step;
        let body = body(fitting.saturating_sub(16));
        let count = (LIMITS.module_bytes as usize - 2_000) / body.len().max(1);
        let mut shape = Self::new();
        shape.functions = vec![(NOTHING, body); count.clamp(1, LIMITS.functions as usize)];
        shape.encode()
    }

    fn encode(self) -> Vec<u8> {
        let mut out = b"\0asm\x01\0\0\0".to_vec();
        Section::Type.write(&mut out, &vector(self.types));
        Section::Function.write(&mut out, &vector(self.functions.iter().map(|(ty, _)| unsigned(*ty))));
        if self.table {
            Section::Table.write(
                &mut out,
                &[&[1, 0x70, 0x00][..], &unsigned(u64::from(LIMITS.table_elements))].concat(),
            );
        }
        Section::Memory.write(&mut out, &[1, 0x00, 0x00]);
        if !self.globals.is_empty() {
            Section::Global.write(&mut out, &vector(self.globals));
        }
        if !self.elements.is_empty() {
            Section::Element.write(&mut out, &vector(self.elements));
        }
        let code = self.functions.into_iter().map(|(_, body)| [unsigned(body.len() as u64), body].concat());
        Section::Code.write(&mut out, &vector(code));
        if !self.data.is_empty() {
            Section::Data.write(&mut out, &vector(self.data));
        }
        if let Some((title, contents)) = self.custom {
            let section = [name(title), contents].concat();
            out.extend([&[0][..], &unsigned(section.len() as u64), &section].concat());
        }
        out
    }
}

fn signature(params: usize, results: usize) -> Vec<u8> {
    let types = |count| vector(vec![vec![I32]; count]);
    [vec![0x60], types(params), types(results)].concat()
}

/// A body without locals.
fn body(code: &[u8]) -> Vec<u8> {
    [&[0][..], code, &[END]].concat()
}

/// A body that stands between sixteen operands and their end.
fn around(inside: &[u8]) -> Vec<u8> {
    body(&[&[0x41, 0].repeat(16)[..], inside, &[0x1a; 16]].concat())
}

/// A body over as many operands as there may be, all of them the first local.
fn over_operands(inside: &[u8]) -> Vec<u8> {
    let height = LIMITS.operands as usize - 24;
    [&[1, 2, I32][..], &[0x20, 0].repeat(height), inside, &vec![0x1a; height], &[END]].concat()
}

fn modules() -> Vec<(&'static str, Vec<u8>)> {
    let wide = WIDE.to_le_bytes()[0];
    let mut modules = vec![
        ("nops", Shape::of_bodies(|n| body(&vec![0x01; n]))),
        ("constants", Shape::of_bodies(|n| body(&[0x41, 0, 0x1a].repeat(n)))),
        ("sums", Shape::of_bodies(|n| body(&[0x41, 1, 0x41, 1, 0x6a, 0x1a].repeat(n)))),
        ("empty blocks", Shape::of_bodies(|n| body(&[0x02, 0x40, END].repeat(n)))),
        ("empty loops", Shape::of_bodies(|n| body(&[0x03, 0x40, END].repeat(n)))),
        ("wide blocks", Shape::of_bodies(|n| around(&[0x02, wide, END].repeat(n)))),
        ("wide loops", Shape::of_bodies(|n| around(&[0x03, wide, END].repeat(n)))),
        ("wide ifs", Shape::of_bodies(|n| around(&[0x41, 1, 0x04, wide, 0x05, END].repeat(n)))),
        (
            "wide blocks in each other",
            Shape::of_bodies(|n| {
                around(&[&[0x02, wide].repeat(200)[..], &[END; 200]].concat().repeat(n / 200))
            }),
        ),
        (
            "wide branches",
            Shape::of_bodies(|n| {
                around(&[&[0x02, wide][..], &[0x41, 0, 0x0d, 0].repeat(n), &[END]].concat())
            }),
        ),
        ("wide branches that end", Shape::of_bodies(|n| around(&[0x02, wide, 0x0c, 0, END].repeat(n)))),
        (
            "writes of a local below operands",
            Shape::of_bodies(|n| over_operands(&[0x41, 1, 0x21, 0].repeat(n))),
        ),
        ("writes of another local", Shape::of_bodies(|n| over_operands(&[0x41, 1, 0x21, 1].repeat(n)))),
        ("blocks over operands", Shape::of_bodies(|n| over_operands(&[0x02, 0x40, END].repeat(n)))),
        ("loops over operands", Shape::of_bodies(|n| over_operands(&[0x03, 0x40, END].repeat(n)))),
        ("ifs over operands", Shape::of_bodies(|n| over_operands(&[0x41, 0, 0x04, 0x40, END].repeat(n)))),
        ("calls over operands", Shape::of_bodies(|n| over_operands(&[0x10, 0].repeat(n)))),
        (
            "a stack that fills again",
            Shape::of_bodies(|n| {
                let fill = [&[0x20, 0].repeat(1_000)[..], &[0x41, 1, 0x21, 0], &[0x1a; 1_000]].concat();
                [&[1, 1, I32][..], &fill.repeat(n / 1_000), &[END]].concat()
            }),
        ),
        (
            "sums that nothing reaches",
            Shape::of_bodies(|n| body(&[&[0x00][..], &vec![0x6a; n], &[0x1a]].concat())),
        ),
        (
            "blocks that nothing reaches",
            Shape::of_bodies(|n| body(&[&[0x00][..], &[0x02, 0x40, END].repeat(n)].concat())),
        ),
        ("calls", Shape::of_bodies(|n| body(&[0x10, 0].repeat(n)))),
        ("returns", Shape::of_bodies(|n| body(&[0x02, 0x40, 0x0f, END].repeat(n)))),
        (
            "vector constants",
            Shape::of_bodies(|n| {
                let unit = [&[0xfd, 12][..], &[7; 16], &[0x1a]].concat();
                body(&unit.repeat(n))
            }),
        ),
        (
            "groups of no locals",
            Shape::of_bodies(|n| [unsigned(n as u64), [0, I32].repeat(n), vec![END]].concat()),
        ),
        (
            "groups of one local",
            Shape::of_bodies(|n| {
                let n = n.min(LIMITS.locals as usize);
                let mut body = unsigned(n as u64);
                (0..n).for_each(|place| body.extend([1, if place % 2 == 0 { I32 } else { 0x7e }]));
                (0..3 * n).for_each(|place| {
                    body.extend([&[0x20][..], &unsigned((place * 7 % n.max(1)) as u64), &[0x1a]].concat());
                });
                body.push(END);
                body
            }),
        ),
    ];
    let targets = LIMITS.branch_targets as usize;
    let table =
        [&[0x02, 0x40, 0x41, 0, 0x0e][..], &unsigned(targets as u64), &vec![0; targets + 1], &[END]].concat();
    let mut shape = Shape::new();
    let count = (LIMITS.body_bytes as usize - 2) / table.len();
    shape.functions = vec![(NOTHING, body(&table.repeat(count))); 3];
    modules.push(("branch tables", shape.encode()));
    let tables = |count: usize, targets: usize| {
        let block =
            [&[0x02, wide, 0x41, 0, 0x0e][..], &unsigned(targets as u64), &vec![0; targets + 1], &[END]]
                .concat();
        let mut shape = Shape::new();
        shape.functions = vec![(NOTHING, around(&block.repeat(count)))];
        shape.encode()
    };
    modules.push(("wide branch tables", tables(64, 63)));
    modules.push(("one wide branch table", tables(1, 4_095)));
    for (name, ty, code) in
        [("many functions", NOTHING, body(&[])), ("many wide functions", WIDE, body(&[0x00]))]
    {
        let mut shape = Shape::new();
        shape.functions = vec![(ty, code); LIMITS.functions as usize];
        modules.push((name, shape.encode()));
    }
    let mut shape = Shape::new();
    shape.types = vec![signature(LIMITS.params as usize, LIMITS.results as usize); LIMITS.types as usize];
    shape.functions = vec![(0, body(&[0x00])); LIMITS.functions as usize];
    modules.push(("many types", shape.encode()));
    modules.extend(segments());
    modules
}

/// Modules with many elements, much data, many names.
fn segments() -> Vec<(&'static str, Vec<u8>)> {
    let bytes = LIMITS.module_bytes as usize - 2_000;
    let with = |change: &dyn Fn(&mut Shape)| {
        let mut shape = Shape::new();
        shape.functions = vec![(NOTHING, body(&[]))];
        shape.table = true;
        change(&mut shape);
        shape.encode()
    };
    let items = LIMITS.element_items as usize;
    let functions = [&[0x01, 0x00][..], &vector(vec![unsigned(0); items])].concat();
    let expressions = [&[0x05, 0x70][..], &vector(vec![vec![0xd2, 0x00, END]; items])].concat();
    let active = [&[0x00, 0x41, 0x00, END][..], &vector(vec![unsigned(0); items])].concat();
    let global = vec![I32, 0x00, 0x41, 0x00, END];
    let segment = [&[0x01][..], &vector(vec![vec![b'x']; bytes / 2])].concat();
    let names = |len: usize| {
        let count = bytes / (4 + len) - 2_000;
        let each =
            (0..count as u64).map(|index| [unsigned(index), unsigned(len as u64), vec![b'n'; len]].concat());
        let contents = vector(each);
        [vec![1], unsigned(contents.len() as u64), contents].concat()
    };
    vec![
        ("element indices", with(&|shape| shape.elements = vec![functions.clone()])),
        ("element expressions", with(&|shape| shape.elements = vec![expressions.clone()])),
        ("active elements", with(&|shape| shape.elements = vec![active.clone()])),
        ("globals", with(&|shape| shape.globals = vec![global.clone(); LIMITS.globals as usize])),
        ("data", with(&|shape| shape.data = vec![segment.clone()])),
        ("data segments", with(&|shape| shape.data = vec![vec![0x01, 0x01, b'x']; LIMITS.segments as usize])),
        ("short names", with(&|shape| shape.custom = Some(("name", names(1))))),
        ("longer names", with(&|shape| shape.custom = Some(("name", names(12))))),
        ("a custom section", with(&|shape| shape.custom = Some(("x", vec![0; bytes])))),
    ]
}
