//! Functions of nested expressions, which engines may fuse in every way they know: each must compute what the plain engine
//! does, with the same ink left, and trap where it does.
//!
//! Generated modules seldom put two of the few instructions side by side that an engine makes one of, and a third that makes
//! use of both. Here, everything is made of those.

use super::{Left, ink_meter, left, setting};
use lathe_tests::generate::Random;
use lathe_vm::{Engine, Machine, Module, NoHost, Outcome, Rules, Value};

/// How many modules of [`FUNCTIONS`] are made, unless `LATHE_ORACLE_EXPRESSIONS` says another number.
const MODULES: u64 = if cfg!(debug_assertions) { 40 } else { 200 };
const FUNCTIONS: usize = 60;
/// How often each runs, with other arguments.
const RUNS: usize = 6;
/// Ink for a run: enough for any that ends.
const INK: u64 = 100_000_000;
/// How deep expressions nest.
const DEPTH: u32 = 4;

const I32_OPERATIONS: &[&str] = &[
    "i32.add",
    "i32.add",
    "i32.add",
    "i32.sub",
    "i32.mul",
    "i32.and",
    "i32.and",
    "i32.or",
    "i32.xor",
    "i32.shl",
    "i32.shl",
    "i32.shr_u",
    "i32.shr_s",
    "i32.rotl",
    "i32.rotr",
];
const I64_OPERATIONS: &[&str] = &[
    "i64.add",
    "i64.add",
    "i64.add",
    "i64.sub",
    "i64.mul",
    "i64.and",
    "i64.and",
    "i64.or",
    "i64.xor",
    "i64.shl",
    "i64.shl",
    "i64.shr_u",
    "i64.shr_s",
    "i64.rotl",
    "i64.rotr",
];
const COMPARISONS: &[&str] = &["eq", "ne", "lt_s", "lt_u", "gt_s", "gt_u", "le_s", "le_u", "ge_s", "ge_u"];
const FLOAT_COMPARISONS: &[&str] = &["eq", "ne", "lt", "gt", "le", "ge"];
const LOADS: &[&str] =
    &["i32.load", "i32.load8_u", "i32.load8_s", "i32.load16_u", "i32.load16_s", "i32.load", "i32.load8_u"];
const CONSTANTS: &[&str] =
    &["0", "1", "2", "3", "7", "8", "31", "255", "-1", "-4", "32768", "-40000", "0x7fffffff"];

/// Writes the text of functions.
struct Writer {
    random: Random,
    text: String,
}

impl Writer {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn pick(&mut self, items: &[&str]) {
        let item = *self.random.pick(items);
        self.push(item);
    }

    /// `(operation` and what `operands` writes, and `)`.
    fn call(&mut self, operation: &str, operands: impl FnOnce(&mut Self)) {
        self.push("(");
        self.push(operation);
        self.push(" ");
        operands(self);
        self.push(")");
    }

    fn const_of(&mut self, ty: &str) {
        self.push("(");
        self.push(ty);
        self.push(".const ");
        self.pick(CONSTANTS);
        self.push(")");
    }

    /// A value of a type.
    fn value(&mut self, ty: &str, depth: u32) {
        match ty {
            "i32" => self.i32(depth),
            "i64" => self.i64(depth),
            _ => self.float(ty, depth),
        }
    }

    /// `(operation` and values of these types, and `)`.
    fn of(&mut self, operation: &str, types: &[&str], depth: u32) {
        self.call(operation, |w| {
            for ty in types {
                w.value(ty, depth);
            }
        });
    }

    /// What is made the same way for each type.
    fn any(&mut self, ty: &str, depth: u32) {
        match self.random.below(6) {
            0 => self.of("select", &[ty, ty, "i32"], depth),
            1 => self.of(&format!("local.tee {}", local(ty)), &[ty], depth),
            2 => self.of(&format!("call ${ty}"), &[ty, "i32"], depth),
            3 => self.call(&format!("if (result {ty})"), |w| {
                w.i32(depth);
                w.of("then", &[ty], depth);
                w.of("else", &[ty], depth);
            }),
            4 => self.call(&format!("block (result {ty})"), |w| {
                w.call("drop", |w| w.of("br_if 0", &[ty, "i32"], depth));
                w.value(ty, depth);
            }),
            _ => self.call(&format!("block (result {ty})"), |w| {
                w.call(&format!("call ${ty}"), |w| {
                    w.call(&format!("block (result {ty})"), |w| w.of("br_table 1 0 1", &[ty, "i32"], depth));
                    w.const_of("i32");
                });
            }),
        }
    }

    fn i32(&mut self, depth: u32) {
        if depth == 0 || self.random.one_in(4) {
            return match self.random.below(4) {
                0 => self.const_of("i32"),
                _ => self.pick(&["(local.get $a)", "(local.get $b)", "(local.get $x)", "(global.get $g)"]),
            };
        }
        let below = depth - 1;
        match self.random.below(20) {
            0..=6 => {
                let operation = *self.random.pick(I32_OPERATIONS);
                self.of(operation, &["i32", "i32"], below);
            }
            7 => self.comparison(below),
            8 => self.of("i32.eqz", &["i32"], below),
            9 => self.call("i32.and", |w| {
                w.i32(below);
                w.const_of("i32");
            }),
            10 | 11 => self.load(below),
            12 if self.random.one_in(4) => self.of("i32.div_s", &["i32", "i32"], below),
            12 => self.of("i32.wrap_i64", &["i64"], below),
            13 => self.of("i64.eqz", &["i64"], below),
            14 => {
                let operation = *self.random.pick(&[
                    "i32.clz",
                    "i32.ctz",
                    "i32.popcnt",
                    "i32.extend8_s",
                    "i32.extend16_s",
                ]);
                self.of(operation, &["i32"], below);
            }
            15 => {
                let (operation, ty) = *self.random.pick(&[
                    ("i32.trunc_sat_f64_s", "f64"),
                    ("i32.trunc_sat_f32_u", "f32"),
                    ("i32.reinterpret_f32", "f32"),
                ]);
                self.of(operation, &[ty], below);
            }
            16 => self.call("i32x4.extract_lane 2", |w| {
                w.call("i32x4.add", |w| {
                    w.of("i32x4.splat", &["i32"], below);
                    w.call("v128.load offset=3", |w| w.address(below));
                });
            }),
            17 => self.push("(memory.size)"),
            _ => self.any("i32", below),
        }
    }

    fn comparison(&mut self, depth: u32) {
        let ty = *self.random.pick(&["i32", "i32", "i64", "f64", "f32"]);
        let comparison = *self.random.pick(if ty.starts_with('i') { COMPARISONS } else { FLOAT_COMPARISONS });
        self.of(&format!("{ty}.{comparison}"), &[ty, ty], depth);
    }

    /// An element of an array, most often.
    fn load(&mut self, depth: u32) {
        let load = *self.random.pick(LOADS);
        let offset = *self.random.pick(&["", "offset=4", "offset=64", "offset=65530"]);
        self.call(&format!("{load} {offset}"), |w| w.address(depth));
    }

    fn address(&mut self, depth: u32) {
        if self.random.one_in(4) {
            let load = *self.random.pick(&["(local.get $b)", "(i32.load8_u offset=2 (local.get $b))"]);
            return self.push(&format!("(i32.add {load} (local.get $a))"));
        }
        if self.random.one_in(4) {
            return self.call("i32.and", |w| {
                w.i32(depth);
                let mask = if w.random.one_in(30) { "(i32.const -1)" } else { "(i32.const 1023)" };
                w.push(mask);
            });
        }
        // Small enough to lie in memory, if the base is.
        let (base, index) =
            (self.random.one_in(2), *self.random.pick(&["1", "2", "3", "33", "2", "3", "-31"]));
        self.call("i32.add", |w| {
            if base {
                w.push("(local.get $a)");
            }
            w.call("i32.shl", |w| {
                match w.random.below(3) {
                    0 => w.push("(local.get $b)"),
                    1 => {
                        let load =
                            *w.random.pick(&["i32.load8_u offset=1", "i32.load8_u", "i32.load offset=9"]);
                        w.call(load, |w| w.i32(0));
                    }
                    _ => w.call("i32.and", |w| {
                        w.i32(depth);
                        w.push("(i32.const 15)");
                    }),
                }
                w.push("(i32.const ");
                w.push(index);
                w.push(")");
            });
            if !base {
                w.pick(&[
                    "(local.get $a)",
                    "(local.get $a)",
                    "(i32.const 1024)",
                    "(i32.load8_u (i32.const 8))",
                ]);
            }
        });
    }

    fn i64(&mut self, depth: u32) {
        if depth == 0 || self.random.one_in(4) {
            return match self.random.below(3) {
                0 => self.const_of("i64"),
                _ => self.pick(&["(local.get $l)", "(local.get $m)"]),
            };
        }
        let below = depth - 1;
        match self.random.below(14) {
            0..=5 => {
                let operation = *self.random.pick(I64_OPERATIONS);
                self.of(operation, &["i64", "i64"], below);
            }
            6 => self.of("i64.extend_i32_u", &["i32"], below),
            7 => self.of("i64.extend_i32_s", &["i32"], below),
            8 => {
                let operation = *self.random.pick(&[
                    "i64.clz",
                    "i64.ctz",
                    "i64.popcnt",
                    "i64.extend8_s",
                    "i64.extend32_s",
                ]);
                self.of(operation, &["i64"], below);
            }
            9 => {
                let (operation, ty) =
                    *self.random.pick(&[("i64.trunc_sat_f32_s", "f32"), ("i64.reinterpret_f64", "f64")]);
                self.of(operation, &[ty], below);
            }
            10 | 11 => {
                let load = *self.random.pick(&["i64.load", "i64.load32_u", "i64.load32_s", "i64.load8_u"]);
                self.call(load, |w| w.address(below));
            }
            _ => self.any("i64", below),
        }
    }

    /// Numbers of `f32` or `f64`.
    fn float(&mut self, ty: &str, depth: u32) {
        if depth == 0 || self.random.one_in(3) {
            return match self.random.below(3) {
                0 => {
                    let constant = *self.random.pick(&["0", "1.5", "-3", "nan", "-inf", "1e30"]);
                    self.push(&format!("({ty}.const {constant})"));
                }
                _ => self.push(&format!("(local.get {})", local(ty))),
            };
        }
        let below = depth - 1;
        match self.random.below(10) {
            0..=3 => {
                let operation = *self.random.pick(&["add", "mul", "sub", "div", "min", "max", "copysign"]);
                self.of(&format!("{ty}.{operation}"), &[ty, ty], below);
            }
            4 => {
                let operation = *self.random.pick(&["neg", "abs", "sqrt", "ceil", "nearest"]);
                self.of(&format!("{ty}.{operation}"), &[ty], below);
            }
            5 => self.call(&format!("{ty}.load"), |w| w.address(below)),
            6 => {
                let from = *self.random.pick(&["i32", "i64"]);
                self.of(&format!("{ty}.convert_{from}_s"), &[from], below);
            }
            7 if ty == "f64" => self.of("f64.promote_f32", &["f32"], below),
            7 => self.of("f32.demote_f64", &["f64"], below),
            _ => self.any(ty, below),
        }
    }

    fn statement(&mut self, nesting: u32) {
        match self.random.below(12) {
            0 | 1 => self.call("local.set $x", |w| w.i32(DEPTH)),
            2 => self.call("local.set $l", |w| w.i64(DEPTH)),
            3 => {
                let ty = *self.random.pick(&["f64", "f32", "i64"]);
                self.of(&format!("local.set {}", local(ty)), &[ty], DEPTH);
            }
            4 => self.of("global.set $g", &["i32"], DEPTH),
            5 => {
                let (store, ty) = *self.random.pick(&[
                    ("i32.store", "i32"),
                    ("i64.store8 offset=9", "i64"),
                    ("i32.store16", "i32"),
                    ("i64.store", "i64"),
                    ("f64.store", "f64"),
                    ("f32.store", "f32"),
                ]);
                self.call(store, |w| {
                    w.address(2);
                    w.value(ty, DEPTH);
                });
            }
            6 | 7 => self.call("br_if 0", |w| w.i32(DEPTH)),
            8 if nesting > 0 => {
                self.call("if", |w| {
                    w.i32(DEPTH);
                    w.call("then", |w| w.statements(nesting - 1));
                    w.call("else", |w| w.statements(nesting - 1));
                });
            }
            9 if nesting > 0 => {
                // Ends, because what counts is changed by nothing else.
                self.push("(local.set $n (i32.const -6)) (block (loop $again ");
                self.call("block", |w| w.statement(0));
                self.pick(&[
                    "(br_if $again (local.tee $n (i32.add (local.get $n) (i32.const 1))))",
                    "(local.set $n (i32.add (local.get $n) (i32.const 2))) (br_if $again (i32.lt_s (local.get $n) (i32.const 3)))",
                    "(br_if $again (i32.ne (local.tee $n (i32.add (local.get $n) (i32.const 3))) (i32.const 0)))",
                ]);
                self.push("))");
            }
            10 if nesting > 0 => {
                // Which target it was shows in a local.
                let bias = *self.random.pick(&["", "(i32.add (i32.const -1))", "(i32.add (i32.const 5))"]);
                self.push("(block $c (block $b (block $a ");
                self.call("br_table $a $b $c $a", |w| {
                    match w.random.below(3) {
                        0 => w.load(0),
                        1 => w.call("i32.load8_u offset=3", |w| w.i32(1)),
                        _ => w.i32(3),
                    }
                    w.push(bias);
                });
                self.push(") (local.set $l (i64.const 77))) (local.set $x (i32.const 99)))");
            }
            _ => self.call("drop", |w| w.i32(DEPTH)),
        }
        self.push("\n");
    }

    fn statements(&mut self, nesting: u32) {
        for _ in 0..=self.random.below(3) {
            self.statement(nesting);
        }
    }

    fn function(&mut self, index: usize) {
        self.push(&format!(
            "(func (export \"f{index}\") (param $a i32) (param $b i32) (param $l i64) (result i64)\n\
             (local $x i32) (local $n i32) (local $m i64) (local $f f64) (local $e f32)\n(block "
        ));
        self.statements(2);
        self.push(") (block ");
        self.statements(1);
        self.push(
            ") (i64.xor (i64.add (local.get $l) (i64.mul (local.get $m) (i64.const 31))) (i64.add \
             (i64.extend_i32_u (i32.xor (i32.add (local.get $x) (global.get $g)) (i32.reinterpret_f32 (local.get $e)))) \
             (i64.reinterpret_f64 (local.get $f)))))\n",
        );
    }
}

/// The local of a type that is written to.
fn local(ty: &str) -> &'static str {
    match ty {
        "i32" => "$x",
        "i64" => "$m",
        "f64" => "$f",
        _ => "$e",
    }
}

fn module(seed: u64) -> String {
    let mut writer = Writer { random: Random::new(seed), text: String::new() };
    writer.push("(module (memory (export \"memory\") 1) (data (i32.const 0) \"\\01\\09\\02\\10\\00\\ff\\03\\07\\05\\80\\04\")\n");
    for index in 0..FUNCTIONS {
        writer.function(index);
    }
    writer.push(
        "(global $g (mut i32) (i32.const 12))
         (func $i32 (param i32 i32) (result i32) (i32.sub (local.get 0) (local.get 1)))
         (func $i64 (param i64 i32) (result i64) (i64.shl (local.get 0) (i64.extend_i32_u (local.get 1))))
         (func $f32 (param f32 i32) (result f32) (select (local.get 0) (f32.const 2.5) (local.get 1)))
         (func $f64 (param f64 i32) (result f64) (f64.add (local.get 0) (f64.convert_i32_s (local.get 1)))))",
    );
    writer.text
}

/// What a run may not differ in: how it ends, what is left, and the beginning of memory.
type Record = (Outcome, Left, Vec<u8>);

fn run(module: &Module, rules: &Rules, function: usize, arguments: &[Value]) -> Record {
    let mut machine = Machine::new(rules, rules.limits.memory_pages);
    let instance = machine.instantiate(module, &[], &mut ink_meter(INK)).expect("the segment fits");
    let function = machine.exported_function(instance, &format!("f{function}")).expect("it is exported");
    let mut meter = ink_meter(INK);
    let outcome = machine.invoke(function, arguments, &mut meter, &mut NoHost);
    (outcome, left(&meter), machine.memory(instance)[..2_048].to_vec())
}

#[test]
fn every_engine_computes_what_the_plain_one_does() {
    let rules = Rules::DEVNET;
    let (mut returned, mut trapped) = (0, 0);
    for seed in 0..setting("LATHE_ORACLE_EXPRESSIONS", MODULES) {
        let text = module(seed);
        let wasm = wat::parse_str(&text).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let on = |engine| {
            Module::with_engine(&wasm, &rules, engine).unwrap_or_else(|error| panic!("seed {seed}: {error}"))
        };
        let plain = on(Engine::Plain);
        let others: Vec<(Engine, Module)> = Engine::ALL
            .iter()
            .filter(|&&engine| engine != Engine::Plain)
            .map(|&engine| (engine, on(engine)))
            .collect();
        let mut random = Random::new(seed ^ 1 << 40);
        for function in 0..FUNCTIONS {
            for _ in 0..RUNS {
                let mut small = || i32::from(random.byte() % 24) - i32::from(random.one_in(20));
                let arguments = [
                    Value::I32(small()),
                    Value::I32(small()),
                    Value::I64(i64::from(small()) << (small() & 31)),
                ];
                let expected = run(&plain, &rules, function, &arguments);
                match expected.0 {
                    Outcome::Returned(_) => returned += 1,
                    _ => trapped += 1,
                }
                for (engine, module) in &others {
                    let found = run(module, &rules, function, &arguments);
                    assert!(
                        found == expected,
                        "seed {seed}, f{function} of {arguments:?} on {engine}: {:?} became {:?}\n{}",
                        (&expected.0, expected.1),
                        (&found.0, found.1),
                        text.split("(func ").nth(function + 1).unwrap_or_default()
                    );
                }
            }
        }
    }
    eprintln!("{returned} runs returned, {trapped} trapped");
    assert!(returned > trapped, "{returned} runs returned, {trapped} trapped");
    assert!(trapped > 100, "only {trapped} runs trapped");
}
