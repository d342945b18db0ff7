//! What the block explorer Otterscan asks for, beside what every node has.
//!
//! Lists of transactions are cut into pages at block borders, newest first, as Erigon cuts them. What a transaction did
//! inside is not kept: it is run again.

use std::{collections::BTreeMap, sync::Arc};

use alloy_consensus::{Transaction as _, TxEnvelope, transaction::Recovered};
use alloy_eips::BlockId;
use alloy_primitives::{Address, B256, Bytes, U64, U256};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    chain::{Block, CallError, ChainError, MinedTransaction, Receipt},
    methods,
    rpc::{RpcError, method::Api, shapes},
    runtime::{
        TimeLimit,
        trace::{Capture, FlatAction, FlatResult, FlatTrace, FrameKind},
    },
    schemas,
};

type Result<T> = std::result::Result<T, RpcError>;

methods! {
    /// Returns 8, the version of these methods.
    "ots_getApiLevel", api_level();
    /// Returns whether an account has code.
    "ots_hasCode", has_code(address: Address, block: BlockId);
    /// Returns transfers of ether, creations and self-destructions inside a transaction; null if there is none.
    "ots_getInternalOperations", internal_operations(hash: B256);
    /// Returns what a failed transaction reverted with; 0x if it did not.
    "ots_getTransactionError", transaction_error(hash: B256);
    /// Returns the calls of a transaction as a list, each with its depth; null if there is no such transaction.
    "ots_traceTransaction", trace_transaction(hash: B256);
    /// Returns a block without its transactions, with the fees that they paid; null if there is none.
    "ots_getBlockDetails", block_details(block: BlockId);
    /// Returns a block without its transactions, with the fees that they paid; null if there is none.
    "ots_getBlockDetailsByHash", block_details_by_hash(hash: B256);
    /// Returns a page of a block's transactions, page 0 the last ones, with their receipts; null if there is no such block.
    "ots_getBlockTransactions", block_transactions(block: BlockId, page: u64, size: u64);
    /// Returns transactions that have to do with an account, of blocks before one (0 stands for all), newest first.
    "ots_searchTransactionsBefore", search_before(address: Address, block: u64, size: u64);
    /// Returns transactions that have to do with an account, of blocks after one (0 stands for all), newest first.
    "ots_searchTransactionsAfter", search_after(address: Address, block: u64, size: u64);
    /// Returns the hash of a sender's transaction with a nonce; null if there is none.
    "ots_getTransactionBySenderAndNonce", by_sender_and_nonce(sender: Address, nonce: u64);
    /// Returns which transaction and account created a contract; null if it is none, or was there from the beginning.
    "ots_getContractCreator", contract_creator(address: Address);
}

/// The version of Otterscan's methods that these are.
const API_LEVEL: u64 = 8;
/// Transactions that one page may be asked to hold.
const PAGE_MAX: u64 = 1_000;
/// Blocks that one search looks at: running them again takes some seconds.
const SEARCH_BLOCKS_MAX: u64 = 100_000;
/// Bytes of calldata that a list shows: the selector.
const SHOWN_INPUT_BYTES: usize = 4;

fn api_level(_: &Api) -> Result<u64> {
    Ok(API_LEVEL)
}

fn has_code(api: &Api, address: Address, block: BlockId) -> Result<bool> {
    Ok(!api.chain.code(address, block)?.is_empty())
}

/// A transfer, a creation or a self-destruction inside a transaction.
#[derive(Serialize)]
struct Operation {
    /// 0 for a transfer, 1 for a self-destruction, 2 for CREATE and 3 for CREATE2.
    r#type: u8,
    from: Address,
    to: Address,
    value: U256,
}

schemas! {
    Operation => "InternalOperation";
    TracedCall => "TracedCall";
    BlockDetails => "BlockDetails";
    BlockPage => "BlockPage";
    Found => "FoundTransactions";
    Creator => "ContractCreator";
}

fn internal_operations(api: &Api, hash: B256) -> Result<Option<Vec<Operation>>> {
    if api.chain.transaction(hash)?.is_none() {
        return Ok(None);
    }
    let recording = api.chain.trace_transaction(hash, &Capture::default())?;
    // The first frame is the transaction's own.
    let operations = recording.frames().skip(1).filter_map(|frame| {
        let value = frame.value.unwrap_or_default();
        let r#type = match frame.kind {
            FrameKind::Call if !value.is_zero() => 0,
            FrameKind::SelfDestruct => 1,
            FrameKind::Create => 2,
            FrameKind::Create2 => 3,
            _ => return None,
        };
        Some(Operation { r#type, from: frame.caller, to: frame.address, value })
    });
    Ok(Some(operations.collect()))
}

fn transaction_error(api: &Api, hash: B256) -> Result<Bytes> {
    let Some(MinedTransaction { block, index }) = api.chain.transaction(hash)? else {
        return Ok(Bytes::new());
    };
    if block.receipts.get(index).is_none_or(|receipt| receipt.success) {
        return Ok(Bytes::new());
    }
    Ok(api.chain.trace_transaction(hash, &Capture::default())?.outline().output.clone())
}

/// A call inside a transaction.
#[derive(Serialize)]
struct TracedCall {
    r#type: String,
    depth: usize,
    from: Address,
    to: Address,
    value: Option<U256>,
    input: Bytes,
    output: Bytes,
}

fn trace_transaction(api: &Api, hash: B256) -> Result<Option<Vec<TracedCall>>> {
    if api.chain.transaction(hash)?.is_none() {
        return Ok(None);
    }
    let recording = api.chain.trace_transaction(hash, &Capture::FRAMES)?;
    Ok(Some(recording.to_flat().into_iter().map(traced).collect()))
}

fn traced(trace: FlatTrace) -> TracedCall {
    let depth = trace.trace_address.len();
    let (to_created, output) = match trace.result {
        Some(FlatResult::Call { output, .. }) => (Address::ZERO, output),
        Some(FlatResult::Create { address, code, .. }) => (address, code),
        None => (Address::ZERO, Bytes::new()),
    };
    match trace.action {
        FlatAction::Call { from, call_type, input, to, value, .. } => {
            let value = (call_type == "call" || call_type == "callcode").then_some(value);
            TracedCall { r#type: call_type.to_uppercase(), depth, from, to, value, input, output }
        }
        FlatAction::Create { from, creation_method, init: input, value, .. } => {
            let r#type = creation_method.to_uppercase();
            TracedCall { r#type, depth, from, to: to_created, value: Some(value), input, output }
        }
        FlatAction::SelfDestruct { address: from, balance, refund_address: to } => TracedCall {
            r#type: "SELFDESTRUCT".into(),
            depth,
            from,
            to,
            value: Some(balance),
            input: Bytes::new(),
            output: Bytes::new(),
        },
    }
}

/// A block without its transactions, and what came of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BlockDetails {
    block: Value,
    issuance: Issuance,
    total_fees: U256,
}

/// What a block brought into the world: nothing.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct Issuance {
    block_reward: U64,
    uncle_reward: U64,
    issuance: U64,
}

fn block_details(api: &Api, id: BlockId) -> Result<Option<BlockDetails>> {
    let Some(block) = api.chain.block(id)? else { return Ok(None) };
    let fee = |receipt: &Receipt| U256::from(receipt.gas_used) * U256::from(receipt.effective_gas_price);
    let total_fees = block.receipts.iter().map(fee).sum();
    let mut shown = slim(&block)?;
    shown.as_object_mut().map(|fields| fields.remove("transactions"));
    Ok(Some(BlockDetails { block: shown, issuance: Issuance::default(), total_fees }))
}

fn block_details_by_hash(api: &Api, hash: B256) -> Result<Option<BlockDetails>> {
    block_details(api, hash.into())
}

/// Returns a block as JSON with how many transactions it has, and without its bloom filter.
fn slim(block: &Block) -> Result<Value> {
    let mut shown = to_value(&shapes::block(block, false))?;
    shown["transactionCount"] = to_value(&U64::from(block.transactions.len()))?;
    shown["logsBloom"] = Value::Null;
    Ok(shown)
}

fn to_value(shown: &impl Serialize) -> Result<Value> {
    serde_json::to_value(shown).map_err(|error| RpcError::internal(format!("the result is no JSON: {error}")))
}

/// Some transactions of a block and their receipts.
#[derive(Serialize)]
struct BlockPage {
    fullblock: Value,
    receipts: Vec<Value>,
}

fn block_transactions(api: &Api, id: BlockId, page: u64, size: u64) -> Result<Option<BlockPage>> {
    check_size("ots_getBlockTransactions", size)?;
    let Some(block) = api.chain.block(id)? else { return Ok(None) };
    let count = block.transactions.len() as u64;
    let end = count.saturating_sub(page.saturating_mul(size));
    let places = end.saturating_sub(size)..end;
    let (mut transactions, mut receipts) = (Vec::new(), Vec::new());
    for index in places.filter_map(|index| usize::try_from(index).ok()) {
        let (transaction, receipt) = shown(&block, index)?;
        transactions.push(transaction);
        receipts.push(receipt);
    }
    let mut fullblock = slim(&block)?;
    fullblock["transactions"] = Value::Array(transactions);
    Ok(Some(BlockPage { fullblock, receipts }))
}

fn check_size(method: &str, size: u64) -> Result<()> {
    if (1..=PAGE_MAX).contains(&size) {
        return Ok(());
    }
    Err(RpcError::invalid_params(format!(
        "{method}: parameter 3 (size): a page holds 1 to {PAGE_MAX} transactions, not {size}"
    )))
}

/// Returns a transaction with the beginning of its calldata, and its receipt without logs.
fn shown(block: &Block, index: usize) -> Result<(Value, Value)> {
    let mut transaction = to_value(&shapes::transaction(block, index))?;
    if let Some(tx) = block.transactions.get(index) {
        let input = tx.input();
        transaction["input"] = to_value(&input.slice(..input.len().min(SHOWN_INPUT_BYTES)))?;
    }
    let mut receipt = to_value(&shapes::receipt(block, index))?;
    receipt["logs"] = Value::Null;
    receipt["logsBloom"] = Value::Null;
    Ok((transaction, receipt))
}

/// Transactions that a search found, and whether there are none before or after them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    txs: Vec<Value>,
    receipts: Vec<Value>,
    first_page: bool,
    last_page: bool,
}

fn search_before(api: &Api, address: Address, before: u64, size: u64) -> Result<Found> {
    check_size("ots_searchTransactionsBefore", size)?;
    let head = api.chain.head().header.number;
    let first_page = before == 0 || before > head;
    let newest = if first_page { head } else { before - 1 };
    let mut search = Search::new(api, address);
    let mut last_page = true;
    // As with anvil, what was before a fork is not searched.
    let first = api.chain.first_block();
    for number in (first..=newest).rev() {
        search.look_at(number)?;
        if search.found.len() as u64 >= size {
            last_page = number == first;
            break;
        }
    }
    search.show(first_page, last_page)
}

fn search_after(api: &Api, address: Address, after: u64, size: u64) -> Result<Found> {
    check_size("ots_searchTransactionsAfter", size)?;
    let head = api.chain.head().header.number;
    let last_page = after == 0;
    let oldest = if last_page { 0 } else { after.saturating_add(1) }.max(api.chain.first_block());
    let mut search = Search::new(api, address);
    let mut first_page = true;
    for number in oldest..=head {
        search.look_at(number)?;
        if search.found.len() as u64 >= size {
            first_page = number == head;
            break;
        }
    }
    search.show(first_page, last_page)
}

/// A search for the transactions of an account.
struct Search<'a> {
    api: &'a Api,
    address: Address,
    /// Number of the block and index of each transaction, with what is shown of it.
    found: BTreeMap<(u64, usize), (Value, Value)>,
    blocks: u64,
    /// How long running blocks again may take.
    limit: Arc<TimeLimit>,
}

impl<'a> Search<'a> {
    fn new(api: &'a Api, address: Address) -> Self {
        Self { api, address, found: BTreeMap::new(), blocks: 0, limit: api.chain.time_limit() }
    }

    /// Adds the transactions of a block that have to do with the account.
    fn look_at(&mut self, number: u64) -> Result<()> {
        self.blocks += 1;
        if self.blocks > SEARCH_BLOCKS_MAX {
            return Err(RpcError::refused(format!(
                "the search looks at more than {SEARCH_BLOCKS_MAX} blocks: ask for smaller pages, or begin at a block"
            )));
        }
        let Some(block) = self.api.chain.block(number.into())? else { return Ok(()) };
        let mut is_found: Vec<bool> = block
            .transactions
            .iter()
            .zip(&block.receipts)
            .map(|(tx, receipt)| self.shows(tx, receipt))
            .collect();
        if is_found.iter().any(|is_found| !is_found) {
            self.look_inside(number, &mut is_found)?;
        }
        for index in (0..is_found.len()).filter(|index| is_found[*index]) {
            let (transaction, mut receipt) = shown(&block, index)?;
            receipt["timestamp"] = json!(block.header.timestamp);
            self.found.insert((number, index), (transaction, receipt));
        }
        Ok(())
    }

    /// Returns whether a transaction has to do with the account, as far as it and its receipt show.
    fn shows(&self, tx: &Recovered<TxEnvelope>, receipt: &Receipt) -> bool {
        tx.signer() == self.address
            || tx.to() == Some(self.address)
            || receipt.contract_address == Some(self.address)
            || receipt.logs.iter().any(|log| log.address == self.address)
    }

    /// Runs a block again and marks the transactions that call the account inside.
    fn look_inside(&self, number: u64, is_found: &mut [bool]) -> Result<()> {
        let mut marks = is_found.iter_mut();
        let outcome =
            self.api.chain.trace_block(number.into(), &Capture::default(), &self.limit, |_, recording| {
                if let (Some(mark), Ok(recording)) = (marks.next(), recording) {
                    *mark |= recording
                        .frames()
                        .any(|frame| frame.address == self.address || frame.caller == self.address);
                }
                Ok::<_, CallError>(())
            });
        match outcome {
            // What is too old to be run again is searched by what its receipts show.
            Ok(_) | Err(CallError::Chain(ChainError::StateNotKept { .. })) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn show(self, first_page: bool, last_page: bool) -> Result<Found> {
        let (txs, receipts) = self.found.into_values().rev().unzip();
        Ok(Found { txs, receipts, first_page, last_page })
    }
}

fn by_sender_and_nonce(api: &Api, sender: Address, nonce: u64) -> Result<Option<B256>> {
    let mined = api.chain.transaction_of(sender, nonce)?;
    Ok(mined
        .and_then(|MinedTransaction { block, index }| block.transactions.get(index).map(|tx| *tx.tx_hash())))
}

/// Who created a contract.
#[derive(Serialize)]
struct Creator {
    hash: B256,
    creator: Address,
}

fn contract_creator(api: &Api, address: Address) -> Result<Option<Creator>> {
    let has_code = |number: u64| Ok::<_, RpcError>(!api.chain.code(address, number.into())?.is_empty());
    let (mut before, mut after) = (api.chain.oldest_state(), api.chain.head().header.number);
    if !has_code(after)? || has_code(before)? {
        return Ok(None);
    }
    while before + 1 < after {
        let middle = before + (after - before) / 2;
        if has_code(middle)? {
            after = middle;
        } else {
            before = middle;
        }
    }
    let mut creator = None;
    api.chain.trace_block(after.into(), &Capture::default(), &api.chain.time_limit(), |tx, recording| {
        if let Ok(recording) = recording
            && let Some(frame) = recording.frames().find(|frame| frame.created() == Some(address))
        {
            creator = Some(Creator { hash: *tx.tx_hash(), creator: frame.caller });
        }
        Ok::<_, CallError>(())
    })?;
    Ok(creator)
}
