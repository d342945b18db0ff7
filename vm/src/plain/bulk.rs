//! Operations on ranges of memories and tables. Each checks all of its ranges before it writes anything.

use crate::FunctionId;
use crate::TrapKind;
use crate::machine::{Store, function_slot};
use core::ops::Range;

/// Returns the range of `len` from `start` if it lies within `size`.
fn range(start: u32, len: u32, size: usize) -> Option<Range<usize>> {
    let (start, len) = (start as usize, len as usize);
    let end = start.checked_add(len)?;
    (end <= size).then_some(start..end)
}

fn memory_index(store: &Store, instance: u32) -> usize {
    store.instances[instance as usize].memories[0] as usize
}

pub(crate) fn table_index(store: &Store, instance: u32, table: u32) -> usize {
    store.instances[instance as usize].tables[table as usize] as usize
}

pub(crate) fn memory_fill(
    store: &mut Store,
    instance: u32,
    start: u32,
    byte: u8,
    len: u32,
) -> Result<(), TrapKind> {
    let memory = memory_index(store, instance);
    let bytes = store.memories[memory].range_mut(start, len as usize).ok_or(TrapKind::MemoryOutOfBounds)?;
    bytes.fill(byte);
    Ok(())
}

pub(crate) fn memory_copy(
    store: &mut Store,
    instance: u32,
    to: u32,
    from: u32,
    len: u32,
) -> Result<(), TrapKind> {
    let memory = memory_index(store, instance);
    store.memories[memory].copy_within(from, to, len as usize).ok_or(TrapKind::MemoryOutOfBounds)
}

pub(crate) fn memory_init(
    store: &mut Store,
    instance: u32,
    segment: u32,
    to: u32,
    from: u32,
    len: u32,
) -> Result<(), TrapKind> {
    let memory = memory_index(store, instance);
    let definition = store.instances[instance as usize].module.definition();
    let source = match store.dropped[instance as usize].data[segment as usize] {
        true => &[][..],
        false => &definition.data_bytes[definition.data[segment as usize].range.clone()],
    };
    let from = range(from, len, source.len()).ok_or(TrapKind::MemoryOutOfBounds)?;
    store.memories[memory].write(to, &source[from]).ok_or(TrapKind::MemoryOutOfBounds)
}

pub(crate) fn table_fill(
    store: &mut Store,
    table: usize,
    start: u32,
    element: u64,
    len: u32,
) -> Result<(), TrapKind> {
    let elements = &mut store.tables[table].elements;
    let range = range(start, len, elements.len()).ok_or(TrapKind::TableOutOfBounds)?;
    elements[range].fill(element);
    Ok(())
}

pub(crate) fn table_copy(
    store: &mut Store,
    to_table: usize,
    from_table: usize,
    to: u32,
    from: u32,
    len: u32,
) -> Result<(), TrapKind> {
    let from = range(from, len, store.tables[from_table].elements.len()).ok_or(TrapKind::TableOutOfBounds)?;
    let to = range(to, len, store.tables[to_table].elements.len()).ok_or(TrapKind::TableOutOfBounds)?;
    if to_table == from_table {
        store.tables[to_table].elements.copy_within(from, to.start);
    } else if let Ok([to_table, from_table]) = store.tables.get_disjoint_mut([to_table, from_table]) {
        to_table.elements[to].copy_from_slice(&from_table.elements[from]);
    }
    Ok(())
}

#[expect(clippy::cast_possible_truncation, reason = "references take the low 64 bits of a slot")]
pub(crate) fn table_init(
    store: &mut Store,
    instance: u32,
    segment: u32,
    table: u32,
    to: u32,
    from: u32,
    len: u32,
) -> Result<(), TrapKind> {
    let table = table_index(store, instance, table);
    let owner = &store.instances[instance as usize];
    let items = match store.dropped[instance as usize].elements[segment as usize] {
        true => &[][..],
        false => &owner.module.definition().elements[segment as usize].items,
    };
    let from = range(from, len, items.len()).ok_or(TrapKind::TableOutOfBounds)?;
    let elements = &mut store.tables[table].elements;
    let to = range(to, len, elements.len()).ok_or(TrapKind::TableOutOfBounds)?;
    for (element, item) in elements[to].iter_mut().zip(&items[from]) {
        *element = item.evaluate(
            |index| store.globals[owner.globals[index as usize] as usize],
            |function| function_slot(FunctionId { instance, function }).into(),
        ) as u64;
    }
    Ok(())
}
