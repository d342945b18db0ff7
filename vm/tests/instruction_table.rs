//! The instruction table of `lathe-gas` against the decoder and the validator.

mod support;

use lathe_gas::{Instruction, ValueType};
use lathe_vm::{Module, Rules};
use support::{binary, leb};
use wasmparser::{BinaryReader, OperatorsReader, WasmFeatures};

/// Returns an encoding of the instruction with its opcode only.
fn opcode(instruction: Instruction) -> Vec<u8> {
    let opcode = instruction.opcode();
    match opcode.prefix {
        0 => vec![opcode.number],
        prefix => [vec![prefix], leb(opcode.number.into())].concat(),
    }
}

#[test]
fn opcodes_are_those_of_the_decoder() {
    for &instruction in Instruction::ALL {
        let before: &[u8] = if instruction == Instruction::Else { &[0x04, 0x40] } else { &[] };
        // A typed select states one type; zeros do for the immediates of all others.
        let after: &[u8] = if instruction == Instruction::TypedSelect { &[1, 0x7f] } else { &[0; 32] };
        let bytes = [before, &opcode(instruction), after].concat();
        let reader = BinaryReader::new_features(&bytes, 0, WasmFeatures::all());
        let mut reader = OperatorsReader::new(reader);
        if !before.is_empty() {
            assert!(reader.read().is_ok());
        }
        let operator = reader.read().unwrap_or_else(|error| panic!("{instruction}: {error}"));
        let found = format!("{operator:?}");
        let name = found.split([' ', '{']).next().unwrap_or_default();
        assert_eq!(name, format!("{instruction:?}"));
    }
}

fn code(ty: ValueType) -> u8 {
    match ty {
        ValueType::I32 => 0x7f,
        ValueType::I64 => 0x7e,
        ValueType::F32 => 0x7d,
        ValueType::F64 => 0x7c,
        ValueType::V128 => 0x7b,
        ValueType::FuncRef => 0x70,
        ValueType::ExternRef => 0x6f,
    }
}

/// How many bytes of zeros the immediates of an instruction with a fixed type take.
fn immediates(instruction: Instruction) -> usize {
    let name = instruction.name();
    let lane = name.ends_with("_lane") || name.contains("_lane_");
    let access = name.contains(".load") || name.contains(".store");
    match instruction {
        Instruction::MemoryInit
        | Instruction::MemoryCopy
        | Instruction::TableInit
        | Instruction::TableCopy => 2,
        Instruction::MemorySize
        | Instruction::MemoryGrow
        | Instruction::MemoryFill
        | Instruction::TableSize => 1,
        Instruction::DataDrop | Instruction::ElemDrop | Instruction::RefFunc => 1,
        Instruction::I32Const | Instruction::I64Const => 1,
        Instruction::F32Const => 4,
        Instruction::F64Const => 8,
        Instruction::V128Const | Instruction::I8x16Shuffle => 16,
        _ => usize::from(access) * 2 + usize::from(lane),
    }
}

#[test]
fn types_are_those_of_the_validator() {
    for &instruction in Instruction::ALL {
        let Some(signature) = instruction.signature() else { continue };
        let mut ty = vec![1, 0x60];
        for types in [signature.params, signature.results] {
            ty.extend(leb(types.len()));
            ty.extend(types.iter().map(|&ty| code(ty)));
        }
        let mut body = vec![0];
        for local in 0..signature.params.len() {
            body.push(0x20);
            body.extend(leb(local));
        }
        body.extend(opcode(instruction));
        body.extend(vec![0; immediates(instruction)]);
        body.push(0x0b);
        let mut section = vec![1];
        section.extend(leb(body.len()));
        section.extend(body);
        let bytes = binary(&[
            (1, ty),
            (3, vec![1, 0]),
            (4, vec![1, 0x70, 0, 1]),
            (5, vec![1, 0, 1]),
            // A declared segment, which allows ref.func 0.
            (9, vec![1, 3, 0, 1, 0]),
            (12, vec![1]),
            (10, section),
            (11, vec![1, 1, 0]),
        ]);
        if let Err(error) = Module::new(&bytes, &Rules::DEVNET) {
            panic!("{instruction}: {error}");
        }
    }
}
