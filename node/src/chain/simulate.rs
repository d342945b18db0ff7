//! Blocks that are simulated: calls that build on each other, in blocks that nobody mines (`eth_simulateV1`).

use std::collections::{BTreeMap, BTreeSet};

use alloy_consensus::{SignableTransaction, Transaction as _, TxEnvelope, transaction::Recovered};
use alloy_eips::{BlockId, Typed2718};
use alloy_primitives::{Address, Signature, TxKind, U256, keccak256};
use alloy_rpc_types_eth::{
    BlockOverrides, TransactionRequest,
    simulate::{SimBlock, SimulatePayload},
    state::StateOverride,
};
use lathe_state::Receipt;

use crate::runtime::{
    AccountOverride, BlockContext, ExecuteError, MoveError, Refusal, Simulated, Simulation, SimulationError,
    SimulationRules, Status, TRANSFERS,
};

use super::{
    Block, CallError, Chain, ChainError, Purpose, Result,
    call::{account_overrides, override_block},
    chain_id::extra_data,
    mine::next_base_fee,
    spec::empty_header,
};

/// Blocks that one request may simulate, those between its own included: as far as BLOCKHASH reaches.
pub const SIMULATED_BLOCKS_MAX: u64 = 256;
/// Calls in all blocks of one request.
pub const SIMULATED_CALLS_MAX: usize = 5_000;

/// A block that was simulated.
#[derive(Debug)]
pub struct SimulatedBlock {
    /// The block, with its calls as unsigned transactions.
    pub block: Block,
    /// What they did.
    pub calls: Vec<Simulated>,
}

/// Why a simulation has no result. The codes are those of the specification of `eth_simulateV1`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SimulateError {
    /// A block's number is not above that of the one before.
    #[error("block numbers must be in order: {number} <= {before}")]
    BlockNumber {
        /// Its number.
        number: u64,
        /// The number of the block before.
        before: u64,
    },
    /// A block's time is before that of the one before.
    #[error("block timestamps must be in order: {timestamp} < {before}")]
    BlockTime {
        /// Its time.
        timestamp: u64,
        /// The time of the block before.
        before: u64,
    },
    /// There are too many blocks.
    #[error("too many blocks: {blocks} are to be simulated, the limit is {SIMULATED_BLOCKS_MAX}")]
    TooManyBlocks {
        /// How many.
        blocks: u64,
    },
    /// There are too many calls.
    #[error("too many calls: there are {calls}, the limit is {SIMULATED_CALLS_MAX}")]
    TooManyCalls {
        /// How many.
        calls: usize,
    },
    /// A call asks for more gas than its block has left.
    #[error("block gas limit reached: {gas} >= {left}")]
    BlockGas {
        /// What it asks for.
        gas: u64,
        /// What is left.
        left: u64,
    },
    /// A call is none that the block could hold.
    #[error("call {index} of block {number}: {words}")]
    Refused {
        /// The block.
        number: u64,
        /// Which call.
        index: usize,
        /// What is wrong with it.
        refusal: Refusal,
        /// The same in geth's words.
        words: String,
    },
    /// A precompiled contract cannot move.
    #[error(transparent)]
    Move(#[from] MoveError),
    /// The request makes no sense, or it could not be run.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl From<ChainError> for SimulateError {
    fn from(error: ChainError) -> Self {
        Self::Call(error.into())
    }
}

impl From<ExecuteError> for SimulateError {
    fn from(error: ExecuteError) -> Self {
        Self::Call(error.into())
    }
}

/// A block before it is run.
struct Plan {
    context: BlockContext,
    overrides: BTreeMap<Address, AccountOverride>,
    calls: Vec<TransactionRequest>,
}

impl Chain {
    /// Simulates blocks on top of a block. Where that is not the latest, their state root is the one that it has: the
    /// trie of an earlier block cannot be built on.
    pub fn simulate(
        &self,
        payload: SimulatePayload,
        at: BlockId,
    ) -> Result<Vec<SimulatedBlock>, SimulateError> {
        let calls = payload.block_state_calls.iter().map(|block| block.calls.len()).sum();
        if calls > SIMULATED_CALLS_MAX {
            return Err(SimulateError::TooManyCalls { calls });
        }
        let view = self.state_at(at)?;
        let base = self.block(view.head().number.into())?.ok_or(ChainError::UnknownBlock)?;
        let rules =
            SimulationRules { validates: payload.validation, shows_transfers: payload.trace_transfers };
        let mut simulation = self.runtime().simulate(view, rules, &self.time_limit());
        let mut blocks: Vec<SimulatedBlock> = Vec::new();
        let chain_id = self.foreign_chain_id();
        for wanted in payload.block_state_calls {
            let parent = blocks.last().map_or(&*base, |simulated| &simulated.block);
            let number =
                wanted.block_number_override().map_or(parent.header.number + 1, |n| n.saturating_to());
            if number <= parent.header.number {
                return Err(SimulateError::BlockNumber { number, before: parent.header.number });
            }
            let ahead = number - base.header.number;
            if ahead > SIMULATED_BLOCKS_MAX {
                return Err(SimulateError::TooManyBlocks { blocks: ahead });
            }
            // Blocks between are there, too, and empty.
            for empty in parent.header.number + 1..number {
                let parent = blocks.last().map_or(&*base, |simulated| &simulated.block);
                let plan = plan(parent, empty, SimBlock::default(), rules, chain_id)?;
                blocks.push(self.simulate_block(&mut simulation, &base, parent, plan)?);
            }
            let parent = blocks.last().map_or(&*base, |simulated| &simulated.block);
            let plan = plan(parent, number, wanted, rules, chain_id)?;
            blocks.push(self.simulate_block(&mut simulation, &base, parent, plan)?);
        }
        Ok(blocks)
    }

    fn simulate_block(
        &self,
        simulation: &mut Simulation,
        base: &Block,
        parent: &Block,
        plan: Plan,
    ) -> Result<SimulatedBlock, SimulateError> {
        let Plan { context, overrides, calls } = plan;
        simulation.begin_block(&context, &overrides).map_err(|error| broken(error, context.number, 0))?;
        let (mut transactions, mut receipts, mut results) = (Vec::new(), Vec::new(), Vec::new());
        let mut gas_used = 0u64;
        for (index, mut call) in calls.into_iter().enumerate() {
            let left = context.gas_limit.saturating_sub(gas_used);
            let gas = *call.gas.get_or_insert(left);
            if gas > left {
                return Err(SimulateError::BlockGas { gas, left });
            }
            let mut request = self.request(&call)?;
            request.gas = gas;
            if call.max_fee_per_gas.is_some() {
                // As the transaction has it that the call is shown as.
                request.priority_fee.get_or_insert(0);
            }
            let simulated =
                simulation.execute(&request).map_err(|error| broken(error, context.number, index))?;
            let tx = unsigned(call, simulated.nonce, self.chain_id())?;
            gas_used += simulated.executed.gas_used;
            if self.feed.is_wanted() {
                // The block's results are the result, whatever became of the call.
                let _ = self.tell_call(Purpose::Simulation, &request, Ok(simulated.executed.clone()));
            }
            receipts.push(receipt(&tx, &simulated, gas_used, context.base_fee));
            transactions.push(tx);
            results.push(simulated);
        }
        let header = alloy_consensus::Header {
            parent_hash: parent.hash,
            beneficiary: context.beneficiary,
            state_root: self.simulated_root(simulation, base)?,
            number: context.number,
            gas_limit: context.gas_limit,
            timestamp: context.timestamp,
            mix_hash: context.prevrandao,
            extra_data: extra_data(context.chain_id),
            base_fee_per_gas: Some(context.base_fee),
            ..empty_header()
        };
        let block = Block::seal(header, transactions, receipts);
        simulation.end_block(block.header.number, block.hash);
        Ok(SimulatedBlock { block, calls: results })
    }

    /// Returns the root of the state that a simulation has come to.
    fn simulated_root(
        &self,
        simulation: &mut Simulation,
        base: &Block,
    ) -> Result<alloy_primitives::B256, SimulateError> {
        if self.head().hash != base.hash {
            return Ok(base.header.state_root);
        }
        let prepared = self.ground().database.prepare(&simulation.changes()).map_err(ChainError::from)?;
        // A block that was mined meanwhile is what the changes were prepared on.
        Ok(if self.head().hash == base.hash { prepared.state_root() } else { base.header.state_root })
    }
}

/// Decides what a block will be like before it is run.
fn plan(
    parent: &Block,
    number: u64,
    wanted: SimBlock,
    rules: SimulationRules,
    chain_id: Option<u64>,
) -> Result<Plan, SimulateError> {
    let SimBlock { block_overrides, state_overrides, calls } = wanted;
    let mut context = BlockContext {
        number,
        timestamp: parent.header.timestamp + 1,
        beneficiary: parent.header.beneficiary,
        gas_limit: parent.header.gas_limit,
        base_fee: if rules.validates { next_base_fee(&parent.header) } else { 0 },
        prevrandao: keccak256(parent.hash),
        chain_id,
    };
    override_block(&mut context, &block_overrides.unwrap_or_else(BlockOverrides::default));
    let before = parent.header.timestamp;
    if context.timestamp < before {
        return Err(SimulateError::BlockTime { timestamp: context.timestamp, before });
    }
    check_moves(state_overrides.as_ref())?;
    Ok(Plan { context, overrides: account_overrides(state_overrides)?, calls })
}

/// Refuses precompiled contracts that move to themselves, or two to one place.
fn check_moves(overrides: Option<&StateOverride>) -> Result<(), MoveError> {
    let mut targets = BTreeSet::new();
    for (address, account) in overrides.into_iter().flatten() {
        let Some(target) = account.move_precompile_to else { continue };
        if target == *address {
            return Err(MoveError::ToItself(target));
        }
        if !targets.insert(target) {
            return Err(MoveError::Twice(target));
        }
    }
    Ok(())
}

fn broken(error: SimulationError, number: u64, index: usize) -> SimulateError {
    match error {
        SimulationError::Refused { refusal, words } => {
            SimulateError::Refused { number, index, refusal, words }
        }
        SimulationError::Move(error) => error.into(),
        SimulationError::Execute(error) => error.into(),
    }
}

/// Returns a call as the transaction that it would be, with zeros in the place of a signature.
fn unsigned(
    mut call: TransactionRequest,
    nonce: u64,
    chain_id: u64,
) -> Result<Recovered<TxEnvelope>, SimulateError> {
    let from = call.from.unwrap_or_default();
    call.nonce = Some(nonce);
    call.chain_id = Some(chain_id);
    call.to.get_or_insert(TxKind::Create);
    if call.gas_price.is_none() {
        call.max_fee_per_gas.get_or_insert(0);
        call.max_priority_fee_per_gas.get_or_insert(0);
    }
    let tx = call
        .build_typed_tx()
        .map_err(|call| CallError::Rejected(format!("the call is no transaction of one type: {call:?}")))?;
    let signature = Signature::new(U256::ZERO, U256::ZERO, false);
    Ok(Recovered::new_unchecked(tx.into_signed(signature).into(), from))
}

fn receipt(
    tx: &Recovered<TxEnvelope>,
    simulated: &Simulated,
    cumulative_gas_used: u64,
    base_fee: u64,
) -> Receipt {
    let executed = &simulated.executed;
    let (success, contract_address) = match executed.status {
        Status::Success { created } => (true, created),
        _ => (false, None),
    };
    Receipt {
        tx_type: tx.ty(),
        success,
        cumulative_gas_used,
        gas_used: executed.gas_used,
        effective_gas_price: tx.effective_gas_price(Some(base_fee)),
        contract_address,
        // Transfers that show as logs are none of the block's.
        logs: executed.logs.iter().filter(|log| log.address != TRANSFERS).cloned().collect(),
        failure: None,
    }
}
