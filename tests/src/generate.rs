//! Makes valid modules at random, shaped so that engines that fuse, forward and skip have much to get wrong.
//!
//! Values live across blocks and calls, blocks take and give several values, conditions are comparisons that a
//! translator would merge into branches, addresses mostly fit the memory, loops mostly end. The same seed and size
//! make the same module everywhere.

mod body;
pub mod encode;
mod random;

pub use random::Random;

use body::Body;
use encode::{Section, name, signed, unsigned, vector};
use lathe_vm::ValueType;
use std::ops::Range;

/// The type of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signature {
    pub(crate) params: Vec<ValueType>,
    pub(crate) results: Vec<ValueType>,
}

/// What a module declares, which the bodies refer to.
#[derive(Debug)]
pub(crate) struct Declarations {
    pub(crate) types: Vec<Signature>,
    /// The type index of each function, imported ones first.
    pub(crate) functions: Vec<usize>,
    pub(crate) imported: usize,
    /// Each global, and whether it can change.
    pub(crate) globals: Vec<(ValueType, bool)>,
    pub(crate) data_segments: usize,
    pub(crate) element_segments: usize,
}

const NUMBERS: [ValueType; 5] =
    [ValueType::I32, ValueType::I64, ValueType::F32, ValueType::F64, ValueType::V128];

/// The initial pages of the memory, and the most it may grow to.
const PAGES: Range<u8> = 1..3;
/// The initial elements of the table, and the most it may grow to.
const ELEMENTS: Range<u8> = 8..20;
/// The bytes of a data segment.
const DATA_BYTES: usize = 24;

/// Returns the bytes of a module. `size` is about how many instructions a function gets.
///
/// Exports are the memory, globals `g0`..., and functions `f0`...; imports are functions with at most one result.
pub fn module(seed: u64, size: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    let declarations = declarations(&mut random);
    let defined = declarations.functions.len() - declarations.imported;
    let bodies: Vec<Vec<u8>> = (0..defined)
        .map(|place| {
            let ty = &declarations.types[declarations.functions[declarations.imported + place]];
            Body::generate(&mut random, &declarations, ty, size)
        })
        .collect();
    encode(&mut random, &declarations, &bodies)
}

fn value_type(random: &mut Random) -> ValueType {
    match random.below(20) {
        0 => ValueType::FuncRef,
        1 => ValueType::ExternRef,
        2..=8 => ValueType::I32,
        9..=12 => ValueType::I64,
        _ => *random.pick(&NUMBERS),
    }
}

fn declarations(random: &mut Random) -> Declarations {
    let imports = 3;
    let mut types = Vec::new();
    for place in 0..9 {
        // One in a while takes more than fits the registers of a machine.
        let params_max = if random.one_in(6) { 14 } else { 5 };
        let params = (0..random.below(params_max)).map(|_| value_type(random)).collect();
        let results_max = if place < imports { 2 } else { 4 };
        let results = (0..random.below(results_max)).map(|_| value_type(random)).collect();
        types.push(Signature { params, results });
    }
    // A host can neither make nor keep a reference to a function.
    for ty in &mut types[..imports] {
        ty.params.retain(|&param| NUMBERS.contains(&param));
        ty.results.retain(|&result| NUMBERS.contains(&result));
    }
    // Blocks take and give several values only through a declared type; these are for them.
    for _ in 0..4 {
        let params = (0..random.below(3)).map(|_| value_type(random)).collect();
        let results = (0..random.below(4)).map(|_| value_type(random)).collect();
        types.push(Signature { params, results });
    }
    let mut functions: Vec<usize> = (0..imports).collect();
    functions.extend((0..2 + random.below(4)).map(|_| random.below(types.len())));
    let globals = (0..2 + random.below(5)).map(|_| (*random.pick(&NUMBERS), !random.one_in(5))).collect();
    Declarations { types, functions, imported: imports, globals, data_segments: 2, element_segments: 3 }
}

fn encode(random: &mut Random, declarations: &Declarations, bodies: &[Vec<u8>]) -> Vec<u8> {
    let mut out = b"\0asm\x01\0\0\0".to_vec();
    let types = declarations.types.iter().map(|ty| {
        let types = |types: &[ValueType]| vector(types.iter().map(|&ty| vec![encode::value_type(ty)]));
        [vec![0x60], types(&ty.params), types(&ty.results)].concat()
    });
    Section::Type.write(&mut out, &vector(types));
    let imported = &declarations.functions[..declarations.imported];
    let imports = imported.iter().enumerate().map(|(place, &ty)| {
        [name("host"), name(&format!("h{place}")), vec![0x00], unsigned(ty as u64)].concat()
    });
    Section::Import.write(&mut out, &vector(imports));
    let defined = &declarations.functions[declarations.imported..];
    Section::Function.write(&mut out, &vector(defined.iter().map(|&ty| unsigned(ty as u64))));
    Section::Table.write(&mut out, &[1, 0x70, 0x01, ELEMENTS.start, ELEMENTS.end]);
    Section::Memory.write(&mut out, &[1, 0x01, PAGES.start, PAGES.end]);
    let globals = declarations.globals.iter().map(|&(ty, mutable)| {
        let mut global = vec![encode::value_type(ty), u8::from(mutable)];
        body::constant(random, ty, &mut global);
        global.push(body::END);
        global
    });
    Section::Global.write(&mut out, &vector(globals));
    let mut exports = vec![[name("memory"), vec![0x02, 0x00]].concat()];
    exports.extend(
        (0..declarations.globals.len())
            .map(|place| [name(&format!("g{place}")), vec![0x03], unsigned(place as u64)].concat()),
    );
    exports.extend((0..defined.len()).map(|place| {
        let index = unsigned((declarations.imported + place) as u64);
        [name(&format!("f{place}")), vec![0x00], index].concat()
    }));
    Section::Export.write(&mut out, &vector(exports));
    // The first segment fills the beginning of the table, the second is passive, the third allows all references.
    let mut functions = |count| {
        let all = declarations.functions.len();
        vector((0..count).map(|_| unsigned(random.below(all) as u64)))
    };
    let active = [vec![0x00, 0x41, 0x00, body::END], functions(6)].concat();
    let passive = [vec![0x01, 0x00], functions(4)].concat();
    let all = vector((0..declarations.functions.len()).map(|function| unsigned(function as u64)));
    let declared = [vec![0x03, 0x00], all].concat();
    Section::Element.write(&mut out, &vector([active, passive, declared]));
    Section::DataCount.write(&mut out, &unsigned(declarations.data_segments as u64));
    let code = bodies.iter().map(|body| [unsigned(body.len() as u64), body.clone()].concat());
    Section::Code.write(&mut out, &vector(code));
    let mut bytes = || vector((0..DATA_BYTES).map(|_| vec![random.byte()]));
    let active = [vec![0x00, 0x41], signed(64), vec![body::END], bytes()].concat();
    let passive = [vec![0x01], bytes()].concat();
    Section::Data.write(&mut out, &vector([active, passive]));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use lathe_vm::{Module, Rules};

    #[test]
    fn every_module_is_valid_and_the_same_again() {
        for seed in 0..300 {
            let size = usize::try_from(seed).expect("small");
            let wasm = module(seed, size);
            if let Err(error) = Module::new(&wasm, &Rules::DEVNET) {
                panic!("seed {seed}: {error}");
            }
            assert_eq!(wasm, module(seed, size));
        }
    }

    #[test]
    fn modules_use_nearly_every_instruction() {
        let mut used = std::collections::BTreeSet::new();
        for seed in 0..400 {
            let wasm = module(seed, 200);
            for payload in wasmparser::Parser::new(0).parse_all(&wasm) {
                let Ok(wasmparser::Payload::CodeSectionEntry(body)) = payload else { continue };
                let reader = body.get_operators_reader().expect("the body is valid");
                for operator in reader {
                    let text = format!("{:?}", operator.expect("the body is valid"));
                    let end = text.find([' ', '(', '{']).unwrap_or(text.len());
                    used.insert(text[..end].to_owned());
                }
            }
        }
        let all = lathe_gas::Instruction::ALL.len();
        assert!(used.len() + 5 >= all, "{} of {all} instructions", used.len());
    }
}
