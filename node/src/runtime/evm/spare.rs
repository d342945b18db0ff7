//! What an EVM leaves behind for the next one: rooms, without their contents.
//!
//! Calls come by the thousand. Most take less time than it takes to make the tables, maps and stacks for them, and to get all
//! that fresh memory into the processor's caches. So an EVM that has run a call leaves what it has allocated to the next call
//! on the same thread. All of it is empty by then: nothing of a call, its state or its block can be seen by another, and
//! what has grown large is given up.

use std::{
    cell::Cell,
    mem,
    sync::{Arc, Weak},
};

use alloy_primitives::map::B256HashSet;
use lathe_vm::Machine;
use revm::{
    Context, MainContext,
    context::{Evm, FrameStack, Journal, JournalEntry, LocalContext, journal::JournalInner},
    context_interface::LocalContextTr,
    database::{Cache, CacheDB},
    handler::FrameResult,
    interpreter::interpreter_action::FrameInput,
    primitives::{Address, B256, KECCAK_EMPTY},
};

use super::{
    super::{
        env::{BlockContext, Mode, block_env, config},
        gas_reading::GasReading,
        precompiles::Precompiles,
        program::CodeCache,
        world::World,
    },
    Frame, Instructions, WasmEvm,
    run::WasmFrame,
};

/// Frames that are kept: as deep as calls nest that are made often. Each has a stack of 32 KiB.
const FRAMES_MAX: usize = 8;
/// Bytes of data that a kept frame may still refer to, and of EVM memory that are kept.
const BYTES_MAX: usize = 64 << 10;
/// Entries that kept lists and maps have room for.
const ENTRIES_MAX: usize = 256;

/// The database of a call.
type CallDb = CacheDB<World>;

/// How far the frames of an EVM have come.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reach {
    /// How many there were at once.
    frames: usize,
    /// Bytes of the longest input or output.
    bytes: usize,
}

impl Reach {
    /// Takes note of a frame that begins at an index.
    pub(super) fn begin_frame(&mut self, index: usize, input: &FrameInput) {
        let bytes = match input {
            FrameInput::Call(call) => call.input.len(),
            FrameInput::Create(create) => create.init_code().len(),
            FrameInput::Empty => 0,
        };
        *self = Self { frames: self.frames.max(index + 1), bytes: self.bytes.max(bytes) };
    }

    /// Takes note of what a frame returns.
    pub(super) fn end_frame(&mut self, result: &FrameResult) {
        self.bytes = self.bytes.max(result.interpreter_result().output.len());
    }

    fn is_short(self) -> bool {
        self.frames <= FRAMES_MAX && self.bytes <= BYTES_MAX
    }
}

/// The rooms of an EVM that has run a call.
struct Spare {
    /// Whose precompiled contracts the journal knows, and whose fork the instructions are of. Nobody else may have them.
    of: Weak<CodeCache>,
    instruction: Instructions<CallDb>,
    frame_stack: FrameStack<Frame>,
    local: LocalContext,
    journal: JournalInner<JournalEntry>,
    cache: Cache,
    wasm: Vec<WasmFrame>,
    accounts: Vec<Option<Address>>,
    loaded: B256HashSet,
    idle: Option<Machine>,
}

thread_local! {
    /// What the last call of this thread left.
    static SPARE: Cell<Option<Box<Spare>>> = const { Cell::new(None) };
}

impl WasmEvm<CallDb> {
    /// Makes an EVM for a call in a block of a world.
    pub(in super::super) fn for_call(world: World, block: &BlockContext) -> Self {
        let code = Arc::clone(&world.code);
        let protocol = code.protocol();
        let cfg = config(protocol, Mode::Call).with_chain_id(block.chain_id(protocol));
        let spare = SPARE.take().filter(|spare| spare.of.as_ptr() == Arc::as_ptr(&code));
        let Some(spare) = spare else {
            let ctx = Context::mainnet()
                .with_db(CacheDB::new(world))
                .with_chain(GasReading::default())
                .with_cfg(cfg)
                .with_block(block_env(block));
            return Self::new(ctx, code);
        };
        let Spare { of: _, instruction, frame_stack, local, journal, cache, wasm, accounts, loaded, idle } =
            *spare;
        debug_assert!(journal.cfg.spec == cfg.spec && journal.state.is_empty());
        let database = CacheDB { cache, db: world };
        let ctx = Context {
            block: block_env(block),
            tx: Default::default(),
            cfg,
            journaled_state: Journal::new_with_inner(database, journal),
            chain: GasReading::default(),
            local,
            error: Ok(()),
        };
        let precompiles = Precompiles::new(Arc::clone(&code));
        let inner = Evm { ctx, inspector: (), instruction, precompiles, frame_stack };
        Self { wasm, accounts, loaded, idle, ..Self::with_frames(inner, code) }
    }

    /// Leaves what it has allocated to the next call of this thread, after a call that was run to its end.
    pub(in super::super) fn leave(self) {
        let Self { inner, mut wasm, mut accounts, code, mut loaded, idle, reach, .. } = self;
        let Evm { ctx, instruction, precompiles, mut frame_stack, .. } = inner;
        let Context { journaled_state, mut local, tx, .. } = ctx;
        let Journal { database, inner: mut journal } = journaled_state;
        let CacheDB { mut cache, .. } = database;
        local.clear();
        let evm_memory = local.shared_memory_buffer().borrow().capacity();
        // The journal keeps room for an access list as long as the longest.
        let is_plain = reach.is_short()
            && precompiles.are_in_place()
            && tx.access_list.0.is_empty()
            && evm_memory <= BYTES_MAX;
        if !is_plain {
            return;
        }
        frame_stack.clear();
        empty_journal(&mut journal);
        empty_cache(&mut cache);
        wasm.clear();
        accounts.clear();
        loaded.clear();
        let is_small = [
            journal.state.capacity(),
            journal.journal.capacity(),
            journal.transient_storage.capacity(),
            journal.selfdestructed_addresses.capacity(),
            cache.accounts.capacity(),
            cache.contracts.capacity(),
            cache.block_hashes.capacity(),
            wasm.capacity(),
            accounts.capacity(),
            loaded.capacity(),
        ]
        .iter()
        .all(|&capacity| capacity <= ENTRIES_MAX);
        if is_small {
            let of = Arc::downgrade(&code);
            let spare =
                Spare { of, instruction, frame_stack, local, journal, cache, wasm, accounts, loaded, idle };
            SPARE.set(Some(Box::new(spare)));
        }
    }
}

/// Empties a journal, but for the addresses of precompiled contracts and the fork, which are the chain's.
fn empty_journal(journal: &mut JournalInner<JournalEntry>) {
    let mut state = journal.finalize();
    state.clear();
    // All that a journal has, so that nothing is left out that a later one may have.
    let JournalInner {
        state: room,
        transient_storage,
        logs,
        depth,
        journal,
        transaction_id: _,
        cfg: _,
        warm_addresses: _,
        selfdestructed_addresses,
    } = journal;
    *room = state;
    transient_storage.clear();
    logs.clear();
    journal.clear();
    selfdestructed_addresses.clear();
    *depth = 0;
}

/// Brings a cache to what a new one is.
fn empty_cache(cache: &mut Cache) {
    let Cache { accounts, contracts, logs, block_hashes } = cache;
    accounts.clear();
    block_hashes.clear();
    drop(mem::take(logs));
    contracts.retain(|hash, _| [KECCAK_EMPTY, B256::ZERO].contains(hash));
}
