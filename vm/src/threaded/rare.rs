//! Instructions that work on slots through the same functions as the plain engine: vectors, tables, bulk operations.

use super::context::Context;
use super::value::Rare;
use crate::plain::{Operands, bulk, halves, vector};
use crate::{FunctionId, TrapKind};
use lathe_gas::Instruction;

/// An instruction in the words, with its operands.
struct Decoded<'a> {
    instruction: Instruction,
    lane: usize,
    immediate: u64,
    /// The fourth word.
    more: u64,
    operands: Operands<'a>,
}

/// # Safety
/// `ip` must point to an instruction with [`Rare`] in word 1, `sp` to its frame.
unsafe fn decode<'a>(ip: *const u64, sp: *mut u64) -> Decoded<'a> {
    // SAFETY: the caller's; the translator made room for operands and results.
    unsafe {
        let rare = *ip.add(1).cast::<Rare>();
        let slots = core::slice::from_raw_parts_mut(sp.offset(rare.a.into()), rare.slots.into());
        Decoded {
            instruction: Instruction::ALL[usize::from(rare.instruction)],
            lane: rare.lane.into(),
            immediate: *ip.add(2),
            more: *ip.add(3),
            operands: Operands::new(slots, rare.operands.into()),
        }
    }
}

/// Executes an instruction within a block.
///
/// # Safety
/// As for a handler.
#[inline(never)]
#[expect(clippy::cast_possible_truncation, reason = "an index fills the low half of an immediate")]
pub(super) unsafe fn within(context: *mut Context, ip: *const u64, sp: *mut u64) -> Option<TrapKind> {
    use Instruction::*;
    // SAFETY: the caller's; the store is not touched otherwise while this runs.
    let (context, store, decoded) = unsafe {
        let context = &mut *context;
        let store = &mut *context.store;
        (context, store, decode(ip, sp))
    };
    let Decoded { instruction, lane, immediate, more, mut operands } = decoded;
    let instance = context.instance();
    let index = immediate as u32;
    let global = |globals: &[u32]| globals[index as usize] as usize;
    match instruction {
        GlobalGet => {
            let slot = store.globals[global(&store.instances[instance as usize].globals)];
            if lane == 2 { operands.push(slot) } else { operands.push(slot as u64) }
        }
        GlobalSet => {
            let global = global(&store.instances[instance as usize].globals);
            store.globals[global] = if lane == 2 { operands.pop() } else { operands.pop::<u64>().into() };
        }
        RefFunc => {
            operands.push(crate::machine::function_slot(FunctionId { instance, function: index }));
        }
        TableGet => {
            let element: u32 = operands.pop();
            let table = bulk::table_index(store, instance, index);
            match store.tables[table].elements.get(element as usize) {
                Some(&element) => operands.push(element),
                None => return Some(TrapKind::TableOutOfBounds),
            }
        }
        TableSet => {
            let (value, element): (u64, u32) = (operands.pop(), operands.pop());
            let table = bulk::table_index(store, instance, index);
            match store.tables[table].elements.get_mut(element as usize) {
                Some(element) => *element = value,
                None => return Some(TrapKind::TableOutOfBounds),
            }
        }
        TableSize => {
            let table = bulk::table_index(store, instance, index);
            operands.push(store.tables[table].len());
        }
        DataDrop => store.dropped[instance as usize].data[index as usize] = true,
        ElemDrop => store.dropped[instance as usize].elements[index as usize] = true,
        _ => {
            if is_store(instruction) {
                context.will_write(0, context.memory_len);
            }
            // SAFETY: the context describes the memory of the instance.
            let memory = unsafe { context.memory_mut() };
            let pattern = u128::from(more) << 64 | u128::from(immediate);
            return vector::execute(instruction, lane, immediate, pattern, &mut operands, memory).err();
        }
    }
    None
}

/// Executes an instruction that charges by size and ends a block.
///
/// # Safety
/// As for a handler.
#[inline(never)]
#[expect(clippy::cast_possible_truncation, reason = "an index fills the low half of an immediate")]
pub(super) unsafe fn ending(context: *mut Context, ip: *const u64, sp: *mut u64) -> Option<TrapKind> {
    use Instruction::*;
    // SAFETY: the caller's; store and meter are not touched otherwise while this runs.
    let (context, store, meter, decoded) = unsafe {
        let context = &mut *context;
        let (store, meter) = (&mut *context.store, &mut *context.meter);
        (context, store, meter, decode(ip, sp))
    };
    let Decoded { instruction, immediate, mut operands, .. } = decoded;
    let instance = context.instance();
    let index = immediate as u32;
    let schedule = store.schedule;
    let ended: Result<(), TrapKind> = (|| {
        let mut charge = |count: u32, unit: u32| meter.charge(u64::from(count) * u64::from(unit));
        match instruction {
            MemoryGrow => {
                let pages: u32 = operands.pop();
                // One page after the other, each dearer than the one before.
                let ink = store.pages_ink(pages);
                meter.charge(ink)?;
                let memory = store.instances[instance as usize].memories[0] as usize;
                context.return_memory(store);
                operands.push(store.memories[memory].grow(pages).unwrap_or(u32::MAX));
                context.view_memory(store);
                meter.hold_pages(store.open_pages())?;
            }
            MemoryFill => {
                let (len, byte, start): (u32, u32, u32) = (operands.pop(), operands.pop(), operands.pop());
                charge(len, schedule.memory_byte)?;
                bulk::memory_fill(store, instance, start, byte as u8, len)?;
            }
            MemoryCopy => {
                let (len, from, to): (u32, u32, u32) = (operands.pop(), operands.pop(), operands.pop());
                charge(len, schedule.memory_byte)?;
                bulk::memory_copy(store, instance, to, from, len)?;
            }
            MemoryInit => {
                let (len, from, to): (u32, u32, u32) = (operands.pop(), operands.pop(), operands.pop());
                charge(len, schedule.memory_byte)?;
                bulk::memory_init(store, instance, index, to, from, len)?;
            }
            TableGrow => {
                let (count, value): (u32, u64) = (operands.pop(), operands.pop());
                charge(count, schedule.table_element)?;
                let table = bulk::table_index(store, instance, index);
                operands.push(store.tables[table].grow(count, value).unwrap_or(u32::MAX));
                context.view_tables(store);
            }
            TableFill => {
                let (len, value, start): (u32, u64, u32) = (operands.pop(), operands.pop(), operands.pop());
                charge(len, schedule.table_element)?;
                let table = bulk::table_index(store, instance, index);
                bulk::table_fill(store, table, start, value, len)?;
            }
            TableCopy => {
                let (len, from, to): (u32, u32, u32) = (operands.pop(), operands.pop(), operands.pop());
                charge(len, schedule.table_element)?;
                let (to_table, from_table) = halves(immediate);
                let to_table = bulk::table_index(store, instance, to_table);
                let from_table = bulk::table_index(store, instance, from_table);
                bulk::table_copy(store, to_table, from_table, to, from, len)?;
            }
            TableInit => {
                let (len, from, to): (u32, u32, u32) = (operands.pop(), operands.pop(), operands.pop());
                charge(len, schedule.table_element)?;
                let (segment, table) = halves(immediate);
                bulk::table_init(store, instance, segment, table, to, from, len)?;
            }
            other => unreachable!("{other} does not charge by size"),
        }
        Ok(())
    })();
    ended.err()
}

/// Returns whether an instruction stores a vector or a part of one.
fn is_store(instruction: Instruction) -> bool {
    use Instruction::*;
    matches!(instruction, V128Store | V128Store8Lane | V128Store16Lane | V128Store32Lane | V128Store64Lane)
}

/// Returns an index from an immediate.
pub(super) fn index(immediate: u64) -> usize {
    halves(immediate).0 as usize
}
