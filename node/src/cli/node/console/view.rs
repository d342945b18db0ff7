//! What is shown of events: names in the place of selectors, values in the place of bytes, and no more than fits.
//!
//! A *view* is one thing that happened, as the JSON console writes it: its members are always there, in this order. The text
//! console writes the same.

use std::{collections::HashMap, sync::Weak};

use alloy_consensus::Transaction;
use alloy_primitives::{Address, B256, Bytes, Log, U256};
use serde::{Serialize, Serializer};

use super::{Detail, Form};
use crate::{
    chain::{Aside, Block, CallError, Chain, Event, MinedBlock, Purpose, Receipt, UnminedCall},
    cli::{
        shown::beginning,
        trace::{
            artifacts::{Artifacts, Decoded},
            json, text,
        },
    },
    runtime::{
        Console, ConsoleLine,
        code::Creation,
        trace::{Capture, ShownEntry},
    },
};

/// Characters of a reason that are shown: a long one is a list of what is wrong with a module.
const REASON_CHARS_MAX: usize = 4_000;
/// Logs of one transaction that are shown.
const LOGS_MAX: usize = 200;
/// Bytes of what is not decoded that are shown.
const DATA_BYTES_MAX: usize = 1_024;
/// What the words of a revert begin with, where there is more to say.
const REVERTED: &str = "execution reverted";

/// One thing that happened.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum View {
    /// A transaction is in a block.
    Transaction(Box<TransactionView>),
    /// A block was mined; its transactions came before.
    Block {
        number: u64,
        hash: B256,
        timestamp: u64,
        transactions: usize,
        gas_used: u64,
        gas_limit: u64,
        base_fee: u64,
    },
    /// Blocks without transactions were mined.
    EmptyBlocks { first: u64, last: u64, hash: B256, timestamp: u64, base_fee: u64 },
    /// The blocks after this one were taken back.
    WentBack { number: u64 },
    /// A call without a transaction failed, or contracts printed something in it.
    Call(Box<CallView>),
    /// What a transaction did, or a call, which has no hash.
    Trace {
        hash: Option<B256>,
        entries: serde_json::Value,
        /// The same for people.
        #[serde(skip)]
        tree: String,
    },
    /// A transaction was refused.
    Refused { hash: Option<B256>, error: String },
    /// A client asks for something.
    Request { method: String },
    /// A client got no result.
    RequestFailed { method: String, error: String },
    /// So many events found no room.
    Missed { count: u64 },
}

/// What a transaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Kind {
    /// It creates a contract of an EVM.
    DeployEvm,
    /// It creates a contract of Wasm.
    DeployWasm,
    /// It calls.
    Call,
    /// It has value and no data.
    Transfer,
}

/// An account, and its name if there is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Party {
    pub(super) address: Address,
    pub(super) name: Option<String>,
}

/// A transaction in a block.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TransactionView {
    pub(super) hash: B256,
    pub(super) block: u64,
    pub(super) index: usize,
    pub(super) kind: Kind,
    pub(super) from: Party,
    pub(super) to: Option<Party>,
    pub(super) created: Option<Party>,
    /// In wei.
    #[serde(serialize_with = "decimal")]
    pub(super) value: U256,
    pub(super) call: Option<Named>,
    pub(super) input: Data,
    pub(super) success: bool,
    pub(super) gas_used: u64,
    pub(super) gas_limit: u64,
    pub(super) error: Option<String>,
    pub(super) revert: Option<Named>,
    pub(super) logs: Vec<LogView>,
    pub(super) logs_omitted: usize,
    pub(super) printed: Vec<ConsoleLine>,
    pub(super) printed_omitted: u64,
}

/// A call without a transaction.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CallView {
    pub(super) method: &'static str,
    pub(super) from: Party,
    pub(super) to: Option<Party>,
    #[serde(serialize_with = "decimal")]
    pub(super) value: U256,
    pub(super) call: Option<Named>,
    pub(super) input: Data,
    pub(super) error: Option<String>,
    pub(super) revert: Option<Named>,
    pub(super) printed: Vec<ConsoleLine>,
    pub(super) printed_omitted: u64,
}

/// A log.
#[derive(Debug, Serialize)]
pub(super) struct LogView {
    pub(super) contract: Party,
    pub(super) decoded: Option<Named>,
    pub(super) topics: Vec<B256>,
    pub(super) data: Data,
}

/// Bytes, of which the beginning is shown.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Data {
    pub(super) bytes: usize,
    pub(super) hex: Bytes,
}

/// A function, event or error with its values.
#[derive(Debug)]
pub(super) struct Named(pub(super) Decoded);

impl Serialize for Named {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown<'a> {
            contract: Option<&'a str>,
            name: &'a str,
            values: Vec<ShownValue<'a>>,
        }
        #[derive(Serialize)]
        struct ShownValue<'a> {
            name: &'a str,
            value: serde_json::Value,
        }
        let Decoded { contract, name, values, .. } = &self.0;
        let values = values.iter().map(|(name, value)| ShownValue { name, value: value.to_json() }).collect();
        Shown { contract: contract.as_deref(), name, values }.serialize(serializer)
    }
}

fn decimal<S: Serializer>(value: &U256, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

impl From<&Bytes> for Data {
    fn from(data: &Bytes) -> Self {
        Self { bytes: data.len(), hex: data.slice(..data.len().min(DATA_BYTES_MAX)) }
    }
}

/// Where names come from.
#[derive(Debug)]
pub(super) struct Names {
    artifacts: Artifacts,
    accounts: HashMap<Address, String>,
    form: Form,
    prints: bool,
    /// The chain, if it is to be asked what transactions did.
    traced: Option<Weak<Chain>>,
}

impl Names {
    /// Returns the names in artifacts, and those of development accounts in their order.
    pub(super) fn new(
        artifacts: Artifacts,
        accounts: &[Address],
        form: Form,
        detail: Detail,
        traced: Option<Weak<Chain>>,
    ) -> Self {
        let name = |(index, address): (usize, &Address)| (*address, format!("account {index}"));
        let accounts = accounts.iter().enumerate().map(name).collect();
        Self { artifacts, accounts, form, prints: detail.prints, traced }
    }

    /// Returns what is shown of an event.
    pub(super) fn views(&mut self, event: Event) -> Vec<View> {
        let limited = |text: String| beginning(&text, REASON_CHARS_MAX).into_owned();
        let view = match event {
            Event::Block(mined) => return self.block(&mined),
            Event::EmptyBlocks(blocks) => View::EmptyBlocks {
                first: blocks.first,
                last: blocks.last,
                hash: blocks.hash,
                timestamp: blocks.timestamp,
                base_fee: blocks.base_fee,
            },
            Event::WentBack { number } => View::WentBack { number },
            Event::Call(call) if !self.prints && call.error.is_none() => return Vec::new(),
            Event::Trace(entries) => self.trace(None, &entries),
            Event::Call(call) => View::Call(Box::new(self.call(*call))),
            Event::Refused { hash, reason } => View::Refused { hash, error: limited(reason) },
            Event::Request { method } => View::Request { method: limited(method) },
            Event::RequestFailed { method, error } => {
                View::RequestFailed { method: limited(method), error: limited(error) }
            }
        };
        vec![view]
    }

    fn block(&mut self, MinedBlock { block, asides }: &MinedBlock) -> Vec<View> {
        let mut views = Vec::new();
        for index in 0..block.transactions.len() {
            let aside = asides.get(index).cloned().unwrap_or_default();
            views.push(View::Transaction(Box::new(self.transaction(block, index, aside))));
            views.extend(self.trace_of(*block.transactions[index].tx_hash()));
        }
        let header = &block.header;
        views.push(View::Block {
            number: header.number,
            hash: block.hash,
            timestamp: header.timestamp,
            transactions: block.transactions.len(),
            gas_used: header.gas_used,
            gas_limit: header.gas_limit,
            base_fee: header.base_fee_per_gas.unwrap_or_default(),
        });
        views
    }

    /// Returns what a transaction did, if that is to be shown. One that was taken back meanwhile is not.
    fn trace_of(&self, hash: B256) -> Option<View> {
        let chain = self.traced.as_ref()?.upgrade()?;
        let recording = chain.trace_transaction(hash, &Capture::FRAMES).ok()?;
        Some(self.trace(Some(hash), &recording.to_entries()))
    }

    fn trace(&self, hash: Option<B256>, entries: &[ShownEntry]) -> View {
        match self.form {
            Form::Text(paint) => {
                let tree = text::tree(entries, &self.artifacts, paint);
                View::Trace { hash, entries: serde_json::Value::Null, tree }
            }
            Form::Json => {
                View::Trace { hash, entries: json::entries(entries, &self.artifacts), tree: String::new() }
            }
        }
    }

    /// Returns what contracts printed, if that is to be shown, and how many lines are left out.
    fn printed(&self, console: Console) -> (Vec<ConsoleLine>, u64) {
        if self.prints { (console.lines, console.omitted) } else { (Vec::new(), 0) }
    }

    fn transaction(&mut self, block: &Block, index: usize, aside: Aside) -> TransactionView {
        let (tx, receipt) = (&block.transactions[index], &block.receipts[index]);
        let Receipt { success, gas_used, contract_address, logs, failure, .. } = receipt;
        if let Some(created) = contract_address {
            self.artifacts.learn(*created, tx.input());
        }
        let kind = match tx.to() {
            None if Creation::is_evm(tx.input()) => Kind::DeployEvm,
            None => Kind::DeployWasm,
            Some(_) if tx.input().is_empty() => Kind::Transfer,
            Some(_) => Kind::Call,
        };
        let (error, revert) = match failure {
            Some(words) => self.reason(words, &aside.revert),
            None => (None, None),
        };
        let (printed, printed_omitted) = self.printed(aside.console);
        TransactionView {
            hash: *tx.tx_hash(),
            block: block.header.number,
            index,
            kind,
            from: self.party(tx.signer()),
            to: tx.to().map(|to| self.party(to)),
            created: contract_address.map(|created| self.party(created)),
            value: tx.value(),
            call: tx.to().and_then(|to| self.artifacts.call(to, tx.input())).map(Named),
            input: tx.input().into(),
            success: *success,
            gas_used: *gas_used,
            gas_limit: tx.gas_limit(),
            error,
            revert,
            logs: logs.iter().take(LOGS_MAX).map(|log| self.log(log)).collect(),
            logs_omitted: logs.len().saturating_sub(LOGS_MAX),
            printed,
            printed_omitted,
        }
    }

    fn call(&self, call: UnminedCall) -> CallView {
        let UnminedCall { purpose, from, to, value, data, error, console } = call;
        let (error, revert) = match &error {
            Some(error) => {
                let output = if let CallError::Reverted { output, .. } = error { &output[..] } else { &[] };
                self.reason(&error.to_string(), output)
            }
            None => (None, None),
        };
        let (printed, printed_omitted) = self.printed(console);
        CallView {
            method: match purpose {
                Purpose::Result => "eth_call",
                Purpose::Estimate => "eth_estimateGas",
                Purpose::AccessList => "eth_createAccessList",
                Purpose::Trace => "debug_traceCall",
                Purpose::Simulation => "eth_simulateV1",
            },
            from: self.party(from),
            to: to.map(|to| self.party(to)),
            value,
            call: to.and_then(|to| self.artifacts.call(to, &data)).map(Named),
            input: (&data).into(),
            error,
            revert,
            printed,
            printed_omitted,
        }
    }

    fn log(&self, log: &Log) -> LogView {
        LogView {
            contract: self.party(log.address),
            decoded: self.artifacts.event(log.topics(), &log.data.data).map(Named),
            topics: log.topics().to_vec(),
            data: (&log.data.data).into(),
        }
    }

    /// Returns why something failed: in words, and the error that the output of its revert is.
    fn reason(&self, words: &str, output: &[u8]) -> (Option<String>, Option<Named>) {
        let revert = self.artifacts.error(output).map(Named);
        let words = match words.strip_prefix(REVERTED) {
            Some("") if output.is_empty() => "reverted without a reason".into(),
            Some("") => format!("reverted with {} bytes that no known ABI explains", output.len()),
            Some(reason) => beginning(reason.trim_start_matches([':', ' ']), REASON_CHARS_MAX).into_owned(),
            None => beginning(words, REASON_CHARS_MAX).into_owned(),
        };
        (Some(words), revert)
    }

    fn party(&self, address: Address) -> Party {
        let name =
            self.artifacts.contract(address).or_else(|| self.accounts.get(&address).map(String::as_str));
        Party { address, name: name.map(str::to_owned) }
    }
}
