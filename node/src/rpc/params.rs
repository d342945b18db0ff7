//! Parameters of a request: JSON values turned into the types that handlers take.
//!
//! What does not fit is refused with the method, the parameter's place and name, what was expected and what came.

use std::collections::BTreeMap;

use alloy_eips::BlockId;
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rpc_types_eth::{
    BlockOverrides, Filter, TransactionRequest, simulate::SimulatePayload, state::StateOverride,
};
use alloy_serde::JsonStorageKey;
use serde::{
    Deserialize, Deserializer as _,
    de::{IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    error::RpcError,
    method::Method,
    openrpc::Schema,
    quick::Given,
    request,
    tracer::{TraceFilter, TraceOptions},
};
use crate::schemas;

/// A type that a parameter can have.
pub trait FromParam: Schema + Sized {
    /// What the parameter must be; completes "expected ".
    const EXPECTED: &'static str;
    /// Whether the parameter may not be left out.
    const REQUIRED: bool = true;

    /// Reads the parameter. Fails with what is wrong with it.
    fn from_param(raw: &RawValue) -> Result<Self, String>;

    /// Returns the value of a parameter that was left out or is `null`, if it may be.
    fn absent() -> Option<Self> {
        None
    }
}

/// The parameters of one request, read in order.
#[derive(Debug)]
pub struct Params<'a> {
    method: &'static Method,
    values: Vec<&'a RawValue>,
    position: usize,
}

impl<'a> Params<'a> {
    /// Returns the parameters of a request to `method`. None, `null` and `[]` are no parameters; anything else must be
    /// an array with no more values than the method has parameters.
    pub(super) fn parse(method: &'static Method, given: Option<Given<'a>>) -> Result<Self, RpcError> {
        let max = method.params.len();
        let values = match given {
            None => Vec::new(),
            Some(Given::Values(values)) if values.len() > max => {
                return Err(too_many(method, values.len()));
            }
            Some(Given::Values(values)) => values,
            Some(Given::Text(text)) if text.get() == "null" => Vec::new(),
            Some(Given::Text(text)) => {
                let text = text.get();
                let values = bounded_array(text, max).ok_or_else(|| {
                    RpcError::invalid_params(format!(
                        "{}: expected an array of parameters, got {}",
                        method.name,
                        excerpt(text)
                    ))
                })?;
                if values.total > max {
                    return Err(too_many(method, values.total));
                }
                values.items
            }
        };
        Ok(Self { method, values, position: 0 })
    }

    /// Returns all parameters as they came.
    pub(super) fn values(&self) -> &[&'a RawValue] {
        &self.values
    }

    /// Reads the next parameter.
    #[expect(clippy::should_implement_trait, reason = "each parameter has a type of its own")]
    pub fn next<T: FromParam>(&mut self) -> Result<T, RpcError> {
        let position = self.position;
        self.position += 1;
        let value = self.values.get(position).filter(|raw| raw.get() != "null");
        let name = self.method.params.get(position).map_or("?", |parameter| parameter.name);
        let place = || format!("{}: parameter {} ({name})", self.method.name, position + 1);
        match value {
            Some(raw) => T::from_param(raw).map_err(|why| {
                RpcError::invalid_params(format!(
                    "{}: expected {}, got {}: {why}",
                    place(),
                    T::EXPECTED,
                    excerpt(raw.get())
                ))
            }),
            None => T::absent().ok_or_else(|| {
                RpcError::invalid_params(format!("{} is missing: expected {}", place(), T::EXPECTED))
            }),
        }
    }
}

fn too_many(method: &Method, given: usize) -> RpcError {
    let max = method.params.len();
    RpcError::invalid_params(format!("{}: too many parameters: it takes {max}, got {given}", method.name))
}

/// The first values of a JSON array, and how many it has.
#[derive(Debug)]
pub(super) struct BoundedArray<'a> {
    /// At most as many values as were asked for.
    pub(super) items: Vec<&'a RawValue>,
    /// How many values the array has.
    pub(super) total: usize,
}

/// Reads at most `max` values of a JSON array, so that a body of commas costs no memory; `None` if it is no array.
pub(super) fn bounded_array(text: &str, max: usize) -> Option<BoundedArray<'_>> {
    struct Bounded(usize);
    impl<'de> Visitor<'de> for Bounded {
        type Value = BoundedArray<'de>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an array")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut items = Vec::new();
            while items.len() < self.0 {
                let Some(item) = seq.next_element::<&RawValue>()? else {
                    return Ok(BoundedArray { total: items.len(), items });
                };
                items.push(item);
            }
            let mut total = items.len();
            while seq.next_element::<IgnoredAny>()?.is_some() {
                total += 1;
            }
            Ok(BoundedArray { items, total })
        }
    }
    serde_json::Deserializer::from_str(text).deserialize_seq(Bounded(max)).ok()
}

/// Returns the beginning of what a client sent, short enough for an error.
fn excerpt(text: &str) -> String {
    const CHARS_MAX: usize = 72;
    let mut chars = text.chars();
    let head: String = chars.by_ref().take(CHARS_MAX).collect();
    if chars.next().is_some() { format!("{head}… ({} bytes)", text.len()) } else { head }
}

/// Reads a value with serde; the error leaves out the line and column, which mean nothing inside one parameter.
fn deserialize<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, String> {
    serde_json::from_str(raw.get()).map_err(|error| words(&error))
}

fn words(error: &serde_json::Error) -> String {
    error.to_string().split(" at line ").next().unwrap_or_default().to_owned()
}

schemas! {
    BlockAt => "BlockId";
    WatchId => "Number";
    SubscriptionKind => "SubscriptionKind";
    SubscriptionOptions => "SubscriptionOptions";
    MineOptions => "MineOptions";
    Slot => "Slot";
    AccountSlots => "AccountSlots";
    TraceFilter => "TraceFilter";
    TraceOptions => "TraceOptions";
}

macro_rules! from_param_by_serde {
    ($($type:ty: $expected:literal;)*) => {
        $(impl FromParam for $type {
            const EXPECTED: &'static str = $expected;
            fn from_param(raw: &RawValue) -> Result<Self, String> {
                deserialize(raw)
            }
        })*
    };
}

from_param_by_serde! {
    Address: "a 20-byte address in hex";
    B256: "a 32-byte hash in hex";
    Bytes: "0x-prefixed hex data";
    bool: "true or false";
    Filter: "a log filter object (fromBlock, toBlock or blockHash; address; topics)";
    SimulatePayload: "blocks to simulate, an object (blockStateCalls, validation, traceTransfers, \
                      returnFullTransactions)";
    StateOverride: "state overrides, an object of accounts (balance, nonce, code, state, stateDiff)";
    SubscriptionKind: "\"newHeads\", \"logs\" or \"newPendingTransactions\"";
    TraceFilter: "a filter of calls (fromBlock, toBlock, fromAddress, toAddress, after, count)";
    TraceOptions: "trace options, an object (tracer, tracerConfig, limit, enableMemory, disableStack, disableStorage, \
                   enableReturnData; stateOverrides and blockOverrides of a call)";
    Vec<String>: "an array of types of traces";
    Vec<f64>: "an array of percentiles from 0 to 100";
}

impl FromParam for TransactionRequest {
    const EXPECTED: &'static str = "a transaction object (from, to, gas, value, data, …)";
    fn from_param(raw: &RawValue) -> Result<Self, String> {
        let request = request::read(raw.get()).map_err(|error| words(&error))?;
        match (&request.input.input, &request.input.data) {
            (Some(input), Some(data)) if input != data => {
                Err(r#"both "data" and "input" are set and not equal. Please use "input" to pass transaction call data"#
                    .into())
            }
            _ => Ok(request),
        }
    }
}

impl FromParam for Box<BlockOverrides> {
    const EXPECTED: &'static str =
        "block overrides (number, time, gasLimit, feeRecipient, prevRandao, baseFeePerGas)";
    fn from_param(raw: &RawValue) -> Result<Self, String> {
        deserialize::<BlockOverrides>(raw).map(Self::new)
    }
}

/// The block at which state is read: the latest if it is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockAt(pub BlockId);

impl FromParam for BlockAt {
    const EXPECTED: &'static str = BlockId::EXPECTED;
    const REQUIRED: bool = false;
    fn from_param(raw: &RawValue) -> Result<Self, String> {
        BlockId::from_param(raw).map(Self)
    }
    fn absent() -> Option<Self> {
        Some(Self(BlockId::latest()))
    }
}

impl<T: FromParam> FromParam for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;
    const REQUIRED: bool = false;
    fn from_param(raw: &RawValue) -> Result<Self, String> {
        T::from_param(raw).map(Some)
    }
    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl FromParam for U256 {
    const EXPECTED: &'static str = "a quantity in hex";
    /// Reads hex with or without leading zeros; also a JSON integer, which some scripts send.
    fn from_param(raw: &RawValue) -> Result<Self, String> {
        let text = raw.get();
        if text.bytes().all(|b| b.is_ascii_digit()) {
            return Self::from_str_radix(text, 10).map_err(|_| "it is larger than 32 bytes".into());
        }
        hex_quantity(&deserialize::<String>(raw)?)
    }
}

impl FromParam for Vec<u64> {
    const EXPECTED: &'static str = "an array of quantities in hex";
    fn from_param(raw: &RawValue) -> Result<Self, String> {
        let items: Vec<&RawValue> = deserialize(raw)?;
        items.into_iter().map(u64::from_param).collect()
    }
}

impl FromParam for BlockId {
    const EXPECTED: &'static str = "a block number in hex, a tag (latest, earliest, pending, safe, finalized), a block \
                                    hash, or {\"blockHash\": …} or {\"blockNumber\": …}";
    /// Reads a number also as a JSON integer, as Otterscan sends it.
    fn from_param(raw: &RawValue) -> Result<Self, String> {
        if raw.get().bytes().all(|b| b.is_ascii_digit()) {
            return u64::from_param(raw).map(Self::number);
        }
        // What nearly every request says.
        if raw.get() == "\"latest\"" {
            return Ok(Self::latest());
        }
        deserialize(raw)
    }
}

impl FromParam for u64 {
    const EXPECTED: &'static str = "a quantity in hex that fits 64 bits";
    fn from_param(raw: &RawValue) -> Result<Self, String> {
        U256::from_param(raw)?.try_into().map_err(|_| "it is larger than 8 bytes".into())
    }
}

/// The id of a filter or a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WatchId(pub(super) u64);

impl FromParam for WatchId {
    const EXPECTED: &'static str = "the id of a filter or a subscription";
    /// Reads a quantity; one beyond 64 bits, as other nodes give, was never an id here.
    fn from_param(raw: &RawValue) -> Result<Self, String> {
        Ok(Self(U256::from_param(raw)?.saturating_to()))
    }
}

/// What a subscription sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum SubscriptionKind {
    NewHeads,
    Logs,
    NewPendingTransactions,
}

impl SubscriptionKind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::NewHeads => "newHeads",
            Self::Logs => "logs",
            Self::NewPendingTransactions => "newPendingTransactions",
        }
    }
}

/// Which logs, or whether transactions are sent in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SubscriptionOptions {
    Logs(Box<Filter>),
    Full(bool),
}

impl FromParam for SubscriptionOptions {
    const EXPECTED: &'static str = "a log filter object, or true or false for transactions in full";
    fn from_param(raw: &RawValue) -> Result<Self, String> {
        match raw.get() {
            "true" => Ok(Self::Full(true)),
            "false" => Ok(Self::Full(false)),
            _ => Filter::from_param(raw).map(|filter| Self::Logs(Box::new(filter))),
        }
    }
}

/// How `evm_mine` mines: a timestamp, or an object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct MineOptions {
    /// The timestamp of the first block.
    pub(super) timestamp: Option<u64>,
    /// How many blocks.
    pub(super) blocks: Option<u64>,
}

impl FromParam for MineOptions {
    const EXPECTED: &'static str = "a timestamp, or {\"timestamp\": …, \"blocks\": …}";
    fn from_param(raw: &RawValue) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Options<'a> {
            #[serde(borrow)]
            timestamp: Option<&'a RawValue>,
            #[serde(borrow)]
            blocks: Option<&'a RawValue>,
        }
        if !raw.get().starts_with('{') {
            return Ok(Self { timestamp: Some(u64::from_param(raw)?), blocks: None });
        }
        let Options { timestamp, blocks } = deserialize(raw)?;
        let read = |raw: Option<&RawValue>| raw.map(u64::from_param).transpose();
        Ok(Self { timestamp: read(timestamp)?, blocks: read(blocks)? })
    }
}

/// A storage slot, in the form in which answers repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot(pub JsonStorageKey);

impl Slot {
    /// Returns the slot's number.
    pub fn number(self) -> U256 {
        self.0.as_b256().into()
    }
}

impl FromParam for Slot {
    const EXPECTED: &'static str = "a storage slot, at most 32 bytes in hex";
    /// Reads hex of any length up to 32 bytes, as geth does: clients send `0x0` as well as 64 digits.
    fn from_param(raw: &RawValue) -> Result<Self, String> {
        let text: String = deserialize(raw)?;
        let number = hex_quantity(&text)?;
        let full_width = text.trim_start_matches("0x").len() == 2 * B256::len_bytes();
        Ok(Self(if full_width {
            JsonStorageKey::Hash(number.into())
        } else {
            JsonStorageKey::Number(number)
        }))
    }
}

impl FromParam for Vec<Slot> {
    const EXPECTED: &'static str = "an array of storage slots";
    fn from_param(raw: &RawValue) -> Result<Self, String> {
        let slots = bounded_array(raw.get(), SLOTS_MAX).ok_or("it is no array")?;
        if slots.total > SLOTS_MAX {
            return Err(format!("{} slots are more than the limit of {SLOTS_MAX}", slots.total));
        }
        let read = |(index, raw): (usize, &&RawValue)| {
            Slot::from_param(raw).map_err(|why| format!("slot {}: {why}", index + 1))
        };
        slots.items.iter().enumerate().map(read).collect()
    }
}

/// Slots of several accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AccountSlots(pub(super) BTreeMap<Address, Vec<Slot>>);

impl FromParam for AccountSlots {
    const EXPECTED: &'static str = "an object of accounts with arrays of storage slots";
    fn from_param(raw: &RawValue) -> Result<Self, String> {
        let given: BTreeMap<Address, &RawValue> = deserialize(raw)?;
        let (mut accounts, mut total) = (BTreeMap::new(), 0);
        for (address, slots) in given {
            let slots = Vec::<Slot>::from_param(slots).map_err(|why| format!("account {address}: {why}"))?;
            total += slots.len();
            if total > SLOTS_MAX {
                return Err(format!("more slots than the limit of {SLOTS_MAX}"));
            }
            accounts.insert(address, slots);
        }
        Ok(Self(accounts))
    }
}

/// Storage slots in one request for proofs or values (geth's limit, `internal/ethapi/api.go`).
const SLOTS_MAX: usize = 1024;

fn hex_quantity(text: &str) -> Result<U256, String> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).ok_or("it has no 0x prefix")?;
    if digits.is_empty() {
        return Err("it has no digits".into());
    }
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err("it has a character that is no hex digit".into());
    }
    U256::from_str_radix(digits, 16).map_err(|_| "it is larger than 32 bytes".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: FromParam>(json: &str) -> Result<T, String> {
        let raw: Box<RawValue> = serde_json::from_str(json).expect("JSON");
        T::from_param(&raw)
    }

    #[test]
    fn quantities_are_read_leniently() {
        for (json, expected) in [
            (r#""0x0""#, Ok(0)),
            (r#""0x00ff""#, Ok(255)),
            (r#""0XFF""#, Ok(255)),
            (r#""0xffffffffffffffff""#, Ok(u64::MAX)),
            ("7", Ok(7)),
            (r#""0x10000000000000000""#, Err("larger than 8 bytes")),
            (r#""0x""#, Err("no digits")),
            (r#""12""#, Err("no 0x prefix")),
            (r#""0xg""#, Err("no hex digit")),
            (r#""0x+1""#, Err("no hex digit")),
            (r#""0x1_0""#, Err("no hex digit")),
            ("-1", Err("invalid type")),
            ("1.5", Err("invalid type")),
            ("true", Err("invalid type")),
            ("{}", Err("invalid type")),
        ] {
            match (read::<u64>(json), expected) {
                (Ok(number), Ok(expected)) => assert_eq!(number, expected, "{json}"),
                (Err(why), Err(expected)) => assert!(why.contains(expected), "{json}: {why}"),
                (outcome, _) => panic!("{json}: {outcome:?}"),
            }
        }
        let digits = "9".repeat(100);
        assert!(read::<U256>(&digits).is_err());
        assert!(read::<U256>(&format!("\"0x{}\"", "f".repeat(64))).is_ok());
        assert!(read::<U256>(&format!("\"0x1{}\"", "f".repeat(64))).is_err());
    }

    #[test]
    fn slots_are_read_leniently_and_repeated_in_their_form() {
        let full = format!("0x{}1", "0".repeat(63));
        for (sent, repeated) in [("0x0", "0x0"), ("0x00ff", "0xff"), (full.as_str(), full.as_str())] {
            let slot: Slot = read(&format!("\"{sent}\"")).expect(sent);
            assert_eq!(slot.0.to_string(), repeated);
        }
        assert!(read::<Slot>(&format!("\"0x{}\"", "1".repeat(65))).is_err());
        assert_eq!(read::<Vec<Slot>>(r#"["0x1","0x2"]"#).map(|slots| slots.len()), Ok(2));
        assert!(read::<Vec<Slot>>(r#"["0x1","x"]"#).expect_err("no slot").starts_with("slot 2: "));
        let many = format!("[{}]", vec!["\"0x1\""; SLOTS_MAX + 1].join(","));
        assert!(read::<Vec<Slot>>(&many).expect_err("too many").contains("limit"));
    }

    #[test]
    fn blocks_are_read_by_number_tag_and_hash() {
        let hash = B256::repeat_byte(7);
        for (json, expected) in [
            (r#""latest""#.to_owned(), BlockId::latest()),
            (r#""pending""#.to_owned(), BlockId::pending()),
            (r#""earliest""#.to_owned(), BlockId::earliest()),
            (r#""0x10""#.to_owned(), BlockId::number(16)),
            ("16".to_owned(), BlockId::number(16)),
            (format!("\"{hash}\""), hash.into()),
            (format!(r#"{{"blockHash":"{hash}"}}"#), hash.into()),
            (r#"{"blockNumber":"0x10"}"#.to_owned(), BlockId::number(16)),
        ] {
            assert_eq!(read::<BlockId>(&json), Ok(expected), "{json}");
        }
        for json in [r#""newest""#, r#""0x""#, "{}", "[]", r#""0xfffffffffffffffff""#] {
            assert!(read::<BlockId>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn requests_that_contradict_themselves_are_refused() {
        assert!(read::<TransactionRequest>(r#"{"data":"0x01","input":"0x01"}"#).is_ok());
        let why = read::<TransactionRequest>(r#"{"data":"0x01","input":"0x02"}"#).expect_err("two inputs");
        assert!(why.contains(r#"both "data" and "input" are set and not equal"#), "{why}");
    }

    #[test]
    fn what_came_is_cut_in_errors() {
        let text = format!("\"{}\"", "é".repeat(10_000));
        assert!(excerpt(&text).len() < 200);
        assert!(excerpt(&text).ends_with("… (20002 bytes)"));
    }

    #[test]
    fn an_array_of_many_values_is_counted_but_not_kept() {
        let array = bounded_array("[1,2,3,4,5]", 2).expect("an array");
        assert_eq!((array.items.len(), array.total), (2, 5));
        assert!(bounded_array("{}", 2).is_none());
        assert!(bounded_array("[1,", 2).is_none());
    }
}
