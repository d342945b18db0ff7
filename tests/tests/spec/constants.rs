//! Copies of functions with constants for operands.
//!
//! An engine has other code for `i32.add` of two locals than for a local and a constant, or for a value that the
//! instruction before left somewhere. The suite calls functions with parameters only; so each function that computes
//! with numbers alone is copied into a module of its own, once for each form its operands can have.

use lathe_tests::generate::encode::{Section, name, signed, unsigned, value_type, vector};
use lathe_vm::{Engine, Value, ValueType};
use std::collections::BTreeMap;
use std::ops::Range;
use wasmparser::{CompositeInnerType, ExternalKind, FunctionBody, Operator, Parser, Payload, ValType};

const LOCAL_GET: u8 = 0x20;
const LOCAL_SET: u8 = 0x21;
const LOCAL_TEE: u8 = 0x22;

/// How a copy has an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As a parameter, as the original does.
    Param,
    Constant,
    /// As the result of an instruction right before.
    Computed,
}

/// The forms of one operand, and of two. More operands are all constants, or all computed.
const ONE: [&[Form]; 2] = [&[Form::Constant], &[Form::Computed]];
const TWO: [&[Form]; 8] = [
    &[Form::Constant, Form::Constant],
    &[Form::Constant, Form::Param],
    &[Form::Param, Form::Constant],
    &[Form::Computed, Form::Constant],
    &[Form::Constant, Form::Computed],
    &[Form::Computed, Form::Param],
    &[Form::Param, Form::Computed],
    &[Form::Computed, Form::Computed],
];

/// The functions of a module that can be copied, by the names they are exported under.
#[derive(Debug)]
pub(crate) struct Functions {
    functions: BTreeMap<String, Function>,
}

/// A function that touches nothing but its operands and locals, and does not write to its parameters.
#[derive(Debug)]
pub(crate) struct Function {
    /// The types of the module, without their number.
    types: Vec<u8>,
    type_count: u32,
    params: Vec<ValueType>,
    results: Vec<ValueType>,
    /// The declarations of locals, encoded.
    locals: Vec<u8>,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
enum Piece {
    /// Instructions as they are.
    Bytes(Vec<u8>),
    /// A `local.get`, `set` or `tee`, by its opcode.
    Local(u8, u32),
}

/// A copy, and what to call it with.
#[derive(Debug)]
pub(crate) struct Variant {
    pub(crate) wasm: Vec<u8>,
    pub(crate) arguments: Vec<Value>,
    pub(crate) forms: Vec<Form>,
}

impl Functions {
    /// Finds the functions of a valid module.
    pub(crate) fn of(wasm: Vec<u8>) -> Result<Self, String> {
        Self::parse(&wasm).map_err(|error| error.to_string())
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Function> {
        self.functions.get(name)
    }

    fn parse(wasm: &[u8]) -> wasmparser::Result<Self> {
        let (mut types, mut type_bytes) = (Vec::new(), Vec::new());
        let (mut imported, mut declared, mut exports) = (0, Vec::new(), Vec::new());
        let (mut place, mut functions) = (0, BTreeMap::new());
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::TypeSection(reader) => {
                    let count_len = unsigned(reader.count().into()).len();
                    type_bytes = range(wasm, reader.range())[count_len..].to_vec();
                    for group in reader {
                        types.extend(group?.into_types());
                    }
                }
                Payload::ImportSection(reader) => {
                    for import in reader.into_imports() {
                        imported += u32::from(matches!(import?.ty, wasmparser::TypeRef::Func(_)));
                    }
                }
                Payload::FunctionSection(reader) => {
                    declared = reader.into_iter().collect::<Result<_, _>>()?
                }
                Payload::ExportSection(reader) => {
                    for export in reader {
                        let export = export?;
                        if export.kind == ExternalKind::Func {
                            exports.push((export.name.to_owned(), export.index));
                        }
                    }
                }
                Payload::CodeSectionEntry(body) => {
                    let ty: u32 = declared[place as usize];
                    place += 1;
                    let named = exports.iter().filter(|(_, index)| *index == imported + place - 1);
                    let CompositeInnerType::Func(ty) = &types[ty as usize].composite_type.inner else {
                        continue;
                    };
                    let (Some(params), Some(results)) = (numbers(ty.params()), numbers(ty.results())) else {
                        continue;
                    };
                    let first = body.get_operators_reader()?.original_position();
                    let locals = range(wasm, body.range().start..first).to_vec();
                    let Some(pieces) = pieces(&body, wasm, params.len())? else { continue };
                    if params.is_empty() {
                        continue;
                    }
                    for (name, _) in named {
                        let function = Function {
                            types: type_bytes.clone(),
                            type_count: u32::try_from(types.len()).expect("a module is shorter than 4 GiB"),
                            params: params.clone(),
                            results: results.clone(),
                            locals: locals.clone(),
                            pieces: pieces.clone(),
                        };
                        functions.insert(name.clone(), function);
                    }
                }
                _ => {}
            }
        }
        Ok(Self { functions })
    }
}

/// Returns the bytes in a range that the parser gave.
fn range(wasm: &[u8], range: Range<u64>) -> &[u8] {
    let index = |at: u64| usize::try_from(at).expect("the module is in memory");
    &wasm[index(range.start)..index(range.end)]
}

/// Returns the types, if all are numbers or vectors.
fn numbers(types: &[ValType]) -> Option<Vec<ValueType>> {
    let number = |ty: &ValType| match ty {
        ValType::I32 => Some(ValueType::I32),
        ValType::I64 => Some(ValueType::I64),
        ValType::F32 => Some(ValueType::F32),
        ValType::F64 => Some(ValueType::F64),
        ValType::V128 => Some(ValueType::V128),
        ValType::Ref(_) => None,
    };
    types.iter().map(number).collect()
}

/// Takes a body apart, unless it reaches beyond operands and locals, or writes to a parameter.
fn pieces(body: &FunctionBody<'_>, wasm: &[u8], params: usize) -> wasmparser::Result<Option<Vec<Piece>>> {
    let mut pieces = Vec::new();
    let mut reader = body.get_operators_reader()?;
    while !reader.eof() {
        let start = reader.original_position();
        let operator = reader.read()?;
        let bytes = range(wasm, start..reader.original_position());
        let piece = match operator {
            Operator::LocalGet { local_index } => Piece::Local(LOCAL_GET, local_index),
            Operator::LocalSet { local_index } if local_index as usize >= params => {
                Piece::Local(LOCAL_SET, local_index)
            }
            Operator::LocalTee { local_index } if local_index as usize >= params => {
                Piece::Local(LOCAL_TEE, local_index)
            }
            Operator::LocalSet { .. } | Operator::LocalTee { .. } => return Ok(None),
            _ if reaches_out(bytes) => return Ok(None),
            _ => Piece::Bytes(bytes.to_vec()),
        };
        pieces.push(piece);
    }
    Ok(Some(pieces))
}

/// Returns whether an instruction concerns more than operands: calls, globals, tables, memory, references.
fn reaches_out(instruction: &[u8]) -> bool {
    match *instruction {
        [0x10..=0x13 | 0x23..=0x26 | 0x28..=0x40 | 0xd0..=0xd2, ..] => true,
        [0xfc, number, ..] => number >= 8,
        // A number of two bytes is 128 and more; all vector accesses are below.
        [0xfd, number, ..] => matches!(number, 0..=11 | 0x54..=0x5d),
        _ => false,
    }
}

impl Function {
    /// Returns the copies to run on this engine. The plain one has one code for all operands.
    pub(crate) fn variants(&self, engine: Engine, arguments: &[Value]) -> Vec<Variant> {
        let all = |form| vec![form; arguments.len()];
        let forms: Vec<Vec<Form>> = match arguments.len() {
            _ if engine == Engine::Plain => vec![all(Form::Constant)],
            1 => ONE.iter().map(|forms| forms.to_vec()).collect(),
            2 => TWO.iter().map(|forms| forms.to_vec()).collect(),
            _ => vec![all(Form::Constant), all(Form::Computed)],
        };
        forms.into_iter().map(|forms| self.variant(forms, arguments)).collect()
    }

    fn variant(&self, forms: Vec<Form>, arguments: &[Value]) -> Variant {
        let (mut params, mut values, mut operands) = (Vec::new(), Vec::new(), Vec::new());
        for (form, &argument) in forms.iter().zip(arguments) {
            operands.push(match form {
                Form::Constant => constant(argument),
                Form::Param => {
                    values.push(argument);
                    params.push(argument.ty());
                    local(LOCAL_GET, params.len() - 1)
                }
                Form::Computed => {
                    let (carrier, instruction) = computed(argument);
                    values.push(carrier);
                    params.push(carrier.ty());
                    [local(LOCAL_GET, params.len() - 1), instruction.to_vec()].concat()
                }
            });
        }
        let mut code = self.locals.clone();
        for piece in &self.pieces {
            match piece {
                Piece::Bytes(bytes) => code.extend(bytes),
                Piece::Local(opcode, index) => match operands.get(*index as usize) {
                    Some(operand) => code.extend(operand),
                    None => code.extend(local(*opcode, *index as usize - self.params.len() + params.len())),
                },
            }
        }
        Variant { wasm: self.module(&params, &code), arguments: values, forms }
    }

    /// Returns a module that exports a function `f` with these parameters and this code.
    fn module(&self, params: &[ValueType], code: &[u8]) -> Vec<u8> {
        let list = |types: &[ValueType]| vector(types.iter().map(|&ty| vec![value_type(ty)]));
        // Blocks of the body name types by their index, so the old ones come first.
        let count = unsigned(u64::from(self.type_count) + 1);
        let types = [count, self.types.clone(), vec![0x60], list(params), list(&self.results)].concat();
        let mut wasm = b"\0asm\x01\0\0\0".to_vec();
        Section::Type.write(&mut wasm, &types);
        Section::Function.write(&mut wasm, &vector([unsigned(self.type_count.into())]));
        Section::Export.write(&mut wasm, &vector([[name("f"), vec![0x00, 0x00]].concat()]));
        Section::Code.write(&mut wasm, &vector([[unsigned(code.len() as u64), code.to_vec()].concat()]));
        wasm
    }
}

fn local(opcode: u8, index: usize) -> Vec<u8> {
    [vec![opcode], unsigned(index as u64)].concat()
}

/// Returns the instruction that makes a constant.
fn constant(value: Value) -> Vec<u8> {
    match value {
        Value::I32(value) => [vec![0x41], signed(value.into())].concat(),
        Value::I64(value) => [vec![0x42], signed(value)].concat(),
        Value::F32(bits) => [&[0x43][..], &bits.to_le_bytes()].concat(),
        Value::F64(bits) => [&[0x44][..], &bits.to_le_bytes()].concat(),
        Value::V128(bits) => [&[0xfd, 0x0c][..], &bits.to_le_bytes()].concat(),
        Value::FuncRef(_) | Value::ExternRef(_) => unreachable!("only functions of numbers are copied"),
    }
}

/// Returns a value and the instruction that makes `value` of it, bit for bit.
fn computed(value: Value) -> (Value, &'static [u8]) {
    match value {
        // i32.wrap_i64, with bits to be cut off
        Value::I32(value) => (Value::I64(i64::from(value) ^ (0x5a << 40)), &[0xa7]),
        // i64.reinterpret_f64
        Value::I64(value) => (Value::F64(value.cast_unsigned()), &[0xbd]),
        // f32.reinterpret_i32
        Value::F32(bits) => (Value::I32(bits.cast_signed()), &[0xbe]),
        // f64.reinterpret_i64
        Value::F64(bits) => (Value::I64(bits.cast_signed()), &[0xbf]),
        // v128.not
        Value::V128(bits) => (Value::V128(!bits), &[0xfd, 0x4d]),
        Value::FuncRef(_) | Value::ExternRef(_) => unreachable!("only functions of numbers are copied"),
    }
}
