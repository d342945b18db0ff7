//! EVMs that are used again: their rooms, without the contents.
//!
//! Calls come by the thousand. Most take less time than it takes to make the tables, maps and stacks for them, and to get all
//! that fresh memory into the processor's caches. So an EVM that has run a call waits for the next call on the same thread.
//! It is empty by then: nothing of a call, its state or its block can be seen by another, and one that has grown large is
//! given up.

use std::{cell::Cell, mem, sync::Arc};

use revm::{
    Context, MainContext,
    context::{Evm, Journal, JournalEntry, TxEnv, journal::JournalInner},
    context_interface::LocalContextTr,
    database::{Cache, CacheDB},
    handler::FrameResult,
    interpreter::interpreter_action::FrameInput,
    primitives::{B256, KECCAK_EMPTY},
};

use super::{
    super::{
        env::{BlockContext, Mode, block_env, config},
        gas_reading::GasReading,
        world::World,
    },
    Notes, WasmEvm,
};

/// Frames that are kept: as deep as calls nest that are made often. Each has a stack of 32 KiB.
const FRAMES_MAX: usize = 8;
/// Bytes of data that a kept frame may still refer to, and of EVM memory that are kept.
const BYTES_MAX: usize = 64 << 10;
/// Entries that kept lists and maps have room for.
const ENTRIES_MAX: usize = 256;

/// The database of a call.
type CallDb = CacheDB<World>;
/// The EVM of a call.
pub(in super::super) type CallEvm = WasmEvm<CallDb>;

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

thread_local! {
    /// The EVM that has run the last call of this thread, on no state. Its chain's code cache stays with it until a call on
    /// another chain.
    static SPARE: Cell<Option<Box<WasmEvm<CallDb>>>> = const { Cell::new(None) };
}

impl WasmEvm<CallDb> {
    /// Returns an EVM for a call in a block of a world.
    pub(in super::super) fn for_call(world: World, block: &BlockContext) -> Box<Self> {
        let code = Arc::clone(&world.code);
        let protocol = code.protocol();
        let cfg = config(protocol, Mode::Call).with_chain_id(block.chain_id(protocol));
        // Another chain has other precompiled contracts, and perhaps another fork.
        match SPARE.take().filter(|spare| Arc::ptr_eq(&spare.code, &code)) {
            Some(mut evm) => {
                let ctx = evm.ctx();
                ctx.cfg = cfg;
                ctx.block = block_env(block);
                ctx.journaled_state.database.db = world;
                evm
            }
            None => {
                let ctx = Context::mainnet()
                    .with_db(CacheDB::new(world))
                    .with_chain(GasReading::default())
                    .with_cfg(cfg)
                    .with_block(block_env(block));
                Box::new(Self::new(ctx, code))
            }
        }
    }

    /// Leaves the EVM to the next call of this thread, after a call that was run to its end.
    pub(in super::super) fn leave(mut self: Box<Self>) {
        if self.empty() {
            SPARE.set(Some(self));
        }
    }

    /// Takes everything out of the EVM that is the call's. Returns whether it is empty then, and small.
    fn empty(&mut self) -> bool {
        // All that there is, so that nothing is left out that there may be later.
        let Self {
            inner,
            wasm,
            accounts,
            code: _,
            prices: _,
            loaded,
            idle: _,
            last: _,
            reach,
            steps_left,
            notes,
            limit,
            shows_transfers,
            recorder,
            statistics,
        } = self;
        let Evm { ctx, inspector: (), instruction: _, precompiles, frame_stack } = inner;
        let Context { block: _, tx, cfg: _, journaled_state, chain, local, error } = ctx;
        let Journal { database: CacheDB { cache, db }, inner: journal } = journaled_state;
        local.clear();
        let evm_memory = local.shared_memory_buffer().borrow().capacity();
        // The journal keeps room for an access list as long as the longest.
        let is_plain = mem::take(reach).is_short()
            && precompiles.are_in_place()
            && tx.access_list.0.is_empty()
            && evm_memory <= BYTES_MAX
            && error.is_ok()
            && !*shows_transfers;
        if !is_plain {
            return false;
        }
        db.view = None;
        *tx = TxEnv::default();
        *chain = GasReading::default();
        *notes = Notes::default();
        (*steps_left, *limit, *recorder, *statistics) = (None, None, None, None);
        frame_stack.clear();
        empty_journal(journal);
        empty_cache(cache);
        wasm.clear();
        accounts.clear();
        loaded.clear();
        [
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
        .all(|&capacity| capacity <= ENTRIES_MAX)
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

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use lathe_state::{Block, Database, DatabaseOptions, Genesis, Header, MemoryStore};
    use lathe_vm::Rules;
    use revm::primitives::{Address, Bytes, U256};

    use super::{
        super::super::{AccountOverride, BlockContext, Request, Runtime, Status, time_limit::Turns},
        *,
    };

    /// EVM code that stores 1 where 0 is, and costs 20,000 gas less where 1 is.
    const STORES: [u8; 5] = [0x60, 0x01, 0x5f, 0x55, 0x00];

    fn block() -> BlockContext {
        BlockContext {
            number: 1,
            timestamp: 1,
            beneficiary: Address::ZERO,
            gas_limit: 30_000_000,
            base_fee: 0,
            prevrandao: B256::ZERO,
            chain_id: None,
        }
    }

    #[test]
    fn an_evm_that_waits_holds_neither_a_state_nor_a_time_limit_and_no_large_one_waits() {
        let header = |state_root| Header { state_root, ..Header::default() };
        let first = |root| Block { header: header(root), ..Block::default() };
        let store = Arc::new(MemoryStore::new());
        let database = Database::open(store, DatabaseOptions::default(), &Genesis::default(), first);
        let view = Arc::new(database.and_then(|database| database.view()).expect("a state in memory"));
        let runtime = Runtime::new(1, Rules::DEVNET);
        let to = Address::repeat_byte(0x11);
        let code = AccountOverride { code: Some(Bytes::from_static(&STORES)), ..Default::default() };
        let overrides = BTreeMap::from([(to, code)]);
        let limit = Turns::new().limit(Duration::from_secs(60));
        let call = |data: Vec<u8>| {
            let request = Request { to: Some(to), gas: 10_000_000, data: data.into(), ..Request::default() };
            runtime.call_within(view.clone(), &block(), &request, &overrides, &limit).expect("a call")
        };
        let gas = call(Vec::new()).gas_used;
        assert!(matches!(call(Vec::new()).status, Status::Success { .. }));
        assert_eq!(call(Vec::new()).gas_used, gas, "the slot is as it was");
        assert_eq!((Arc::strong_count(&view), Arc::strong_count(&limit)), (1, 1));
        let spare = SPARE.take().expect("the EVM waits");
        assert_eq!(spare.inner.ctx.tx.data, Bytes::new());
        assert_eq!(spare.inner.ctx.tx.value, U256::ZERO);
        SPARE.set(Some(spare));
        call(vec![0; BYTES_MAX + 1]);
        assert!(SPARE.take().is_none(), "one that refers to so much data is given up");
    }
}
