//! What handlers reach through one pointer.

use super::Function;
use super::control::Errand;
use super::handler::Registers;
use super::ink;
use crate::machine::{ImportedFunction, Store};
use crate::plain::Exit;
use crate::{FuncType, Host, TrapKind, Value};
use alloc::vec::Vec;
use lathe_gas::Meter;

/// Why the handlers stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The function that was invoked has returned.
    Returned,
    /// A host call says so; `ip` is at its call site.
    Called(Exit),
    /// The instruction at `ip` trapped.
    Trap(TrapKind),
    /// The block at `ip` could not be paid for.
    Charge,
    /// A function was called, has a header, but no room for the rest of its frame.
    Overflow,
}

/// A table, as `call_indirect` reads it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct TableView {
    pub(super) elements: *const u64,
    pub(super) len: u64,
}

/// Where a call into another instance came from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crossing {
    /// The return address of the callee.
    pub(super) ip: usize,
    /// The instance that called.
    pub(super) instance: u32,
}

/// The most arguments that have a place in [`Context`].
pub(super) const FEW_ARGUMENTS: usize = 4;

/// What belongs to a computation while it runs. The fields that handlers read come first.
#[repr(C)]
pub(super) struct Context {
    /// Bytes of memory in use.
    pub(super) memory_len: u64,
    /// Where the part of memory begins that counts as written; see [`Self::is_written`].
    pub(super) written_start: u64,
    /// How many bytes it has.
    pub(super) written_len: u64,
    /// Which half of an [`Ink`](super::ink::Ink) blocks cost, by the size of memory.
    pub(super) ink_half: usize,
    /// Where the value stack ends.
    pub(super) stack_end: *mut u64,
    /// How many more frames there can be.
    pub(super) depth_left: i64,
    /// Globals that the instance defines, 16 bytes each.
    pub(super) globals: *mut u128,
    /// Functions of the instance's module.
    pub(super) functions: *const Function,
    /// What stands behind the imported functions of the instance.
    pub(super) imports: *const ImportedFunction,
    /// Tables of the instance.
    pub(super) tables: *const TableView,
    /// The instance whose code runs, plus 1, as in the upper half of a reference.
    pub(super) instance_tag: u64,
    /// The handler of [`Self::errand`], for [`super::handler::Next::Aside`].
    pub(super) aside: u64,
    /// Why the handlers stopped.
    pub(super) stop: Stop,
    /// What the block costs that could not be paid for.
    pub(super) charged: u32,
    /// The registers of a run that has stopped.
    pub(super) saved: Option<Registers>,
    pub(super) memory: *mut u8,
    pub(super) store: *mut Store,
    pub(super) meter: *mut Meter,
    pub(super) host: *mut (dyn Host + 'static),
    /// The arguments of a host call: addresses and lengths, as those of most host functions.
    pub(super) few_arguments: [Value; FEW_ARGUMENTS],
    /// The same, if they are more or others.
    pub(super) arguments: Vec<Value>,
    /// Where it goes on after the last call of an import that did not just return.
    pub(super) detour: Detour,
    /// The host call that suspended: its type, and the instance that called.
    pub(super) pending: Option<(FuncType, u32)>,
    pub(super) crossings: *mut Vec<Crossing>,
    pub(super) views: Vec<TableView>,
    /// The return address of a function that another instance called.
    pub(super) crossing_ip: *const u64,
    pub(super) errand: Errand,
}

/// The largest number of bytes that a handler stores.
const STORED_BYTES_MAX: u64 = 8;

/// How many bytes count as written at least around a store that is the first there: such stores take longer, and zeros
/// are set fast.
const WRITTEN_AROUND: u64 = 2_048;

/// What came of calling an import that did not just return.
#[derive(Clone, Copy)]
pub(super) enum Detour {
    /// It is another instance's and begins here.
    Entered(*const u64),
    /// The run ends; the arguments begin here.
    Stopped(*mut u64),
}

impl Context {
    /// Returns the instance whose code runs.
    #[expect(clippy::cast_possible_truncation, reason = "the tag was made of 32 bits")]
    pub(super) fn instance(&self) -> u32 {
        (self.instance_tag - 1) as u32
    }

    /// Returns whether a store that ends here lies in the part of memory that counts as written. So does one that
    /// begins a few bytes before: one comparison is to do.
    #[inline(always)]
    pub(super) fn is_written(&self, end: u64) -> bool {
        end.wrapping_sub(self.written_start) <= self.written_len
    }

    /// Counts these bytes as written, and some around them, the more the longer the part is: so that a part that grows byte by
    /// byte seldom does. Returns false if memory does not have them.
    pub(super) fn will_write(&mut self, start: u64, end: u64) -> bool {
        if end > self.memory_len {
            return false;
        }
        let mut part = self.written_start..self.written_start + self.written_len;
        if part.is_empty() {
            part = start..start;
        }
        let around = (part.end - part.start).max(WRITTEN_AROUND);
        if start < part.start {
            part.start = start.saturating_sub(around);
        }
        if end > part.end {
            part.end = end.saturating_add(around).min(self.memory_len);
        }
        (self.written_start, self.written_len) = (part.start, part.end - part.start);
        true
    }

    /// Returns the memory of the instance whose code runs. Who writes to it says so.
    ///
    /// # Safety
    /// Nothing else may refer to the memory while the slice lives.
    pub(super) unsafe fn memory_mut<'a>(&mut self) -> &'a mut [u8] {
        let len = usize::try_from(self.memory_len).expect("a memory fits the address space");
        // SAFETY: the caller's, and both fields come from `view_memory`.
        unsafe { core::slice::from_raw_parts_mut(self.memory, len) }
    }

    /// Makes the instance the one whose code runs.
    pub(super) fn switch(&mut self, store: &mut Store, instance: u32) {
        self.return_memory(store);
        self.instance_tag = u64::from(instance) + 1;
        let definition = store.definition(instance);
        self.functions = definition.threaded.as_ptr();
        self.imports = store.instances[instance as usize].functions.as_ptr();
        let imported = definition.imported_globals as usize;
        let first = store.instances[instance as usize].globals.get(imported).copied();
        // Those that an instance defines lie together, in their order.
        self.globals = match first {
            // SAFETY: it is an index into the globals.
            Some(first) => unsafe { store.globals.as_mut_ptr().add(first as usize) },
            None => core::ptr::dangling_mut(),
        };
        self.view_memory(store);
        self.view_tables(store);
    }

    /// Takes up where memory is, how long, and where it was written.
    pub(super) fn view_memory(&mut self, store: &mut Store) {
        let instance = self.instance();
        let (memory, len, written) = match store.instances[instance as usize].memories.first() {
            Some(&memory) => store.memories[memory as usize].lend(),
            None => (core::ptr::dangling_mut(), 0, 0..0),
        };
        (self.memory, self.memory_len) = (memory, len as u64);
        // Stores that begin before it may end in it.
        let start = written.start as u64 + STORED_BYTES_MAX;
        let part = if start < written.end as u64 { start..written.end as u64 } else { 0..0 };
        (self.written_start, self.written_len) = (part.start, part.end - part.start);
        self.ink_half = ink::half(store.is_large(instance));
    }

    /// Gives memory back, if there is one, with account of what was written; it must not be used until it is viewed again.
    #[expect(clippy::cast_possible_truncation, reason = "they lie in memory")]
    pub(super) fn return_memory(&mut self, store: &mut Store) {
        if self.instance_tag == 0 {
            return;
        }
        let written = match self.written_len {
            0 => 0..0,
            len => {
                self.written_start.saturating_sub(STORED_BYTES_MAX) as usize
                    ..(self.written_start + len) as usize
            }
        };
        if let Some(&memory) = store.instances[self.instance() as usize].memories.first() {
            store.memories[memory as usize].take_back(&written);
        }
    }

    /// Takes up where tables are and how long.
    pub(super) fn view_tables(&mut self, store: &Store) {
        let instance = &store.instances[self.instance() as usize];
        self.views.clear();
        self.views.extend(instance.tables.iter().map(|&table| {
            let elements = &store.tables[table as usize].elements;
            TableView { elements: elements.as_ptr(), len: elements.len() as u64 }
        }));
        self.tables = self.views.as_ptr();
    }
}
