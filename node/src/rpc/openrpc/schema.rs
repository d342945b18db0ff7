//! JSON schemas of the types that parameters and results have.
//!
//! A type names a *component* of the document (`components.json`) or is made of types that do, so that a row of a
//! method table says by its handler's types what goes in and what comes out, and says it nowhere else.

use std::collections::BTreeMap;

use alloy_eips::BlockId;
use alloy_primitives::{Address, B256, Bytes, U64, U256};
use alloy_rpc_types_eth::{
    AccountInfo, Block, BlockOverrides, EIP1186AccountProofResponse, FeeHistory, Filter, Header, Log,
    Transaction, TransactionReceipt, TransactionRequest, state::StateOverride,
};
use serde_json::{Value, json, value::RawValue};

/// A type whose JSON has a schema.
pub trait Schema {
    /// Returns the schema, which may refer to components of the document.
    fn schema() -> Value;
}

/// Returns the schema that refers to a component.
pub fn component(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// Gives types the schema of a component: `Type => "Component";`.
#[macro_export]
macro_rules! schemas {
    ($($type:ty => $component:literal;)*) => {
        $(impl $crate::rpc::Schema for $type {
            fn schema() -> ::serde_json::Value {
                $crate::rpc::component($component)
            }
        })*
    };
}

schemas! {
    Address => "Address";
    B256 => "Hash";
    Bytes => "Bytes";
    U64 => "Quantity";
    U256 => "Quantity";
    // Only parameters have this type.
    u64 => "Number";
    BlockId => "BlockId";
    TransactionRequest => "TransactionRequest";
    StateOverride => "StateOverrides";
    Box<BlockOverrides> => "BlockOverrides";
    Filter => "Filter";
    Block => "Block";
    Header => "Header";
    Transaction => "Transaction";
    TransactionReceipt => "Receipt";
    Log => "Log";
    FeeHistory => "FeeHistory";
    EIP1186AccountProofResponse => "AccountProof";
    AccountInfo => "AccountInfo";
}

impl Schema for () {
    fn schema() -> Value {
        json!({"type": "null"})
    }
}

impl Schema for bool {
    fn schema() -> Value {
        json!({"type": "boolean"})
    }
}

impl Schema for i64 {
    fn schema() -> Value {
        json!({"type": "integer"})
    }
}

impl Schema for f64 {
    fn schema() -> Value {
        json!({"type": "number"})
    }
}

impl Schema for String {
    fn schema() -> Value {
        json!({"type": "string"})
    }
}

impl Schema for &'static str {
    fn schema() -> Value {
        String::schema()
    }
}

/// JSON whose form depends on what was asked for.
impl Schema for Box<RawValue> {
    fn schema() -> Value {
        json!({"description": "Its form depends on the request."})
    }
}

impl<T: Schema> Schema for Option<T> {
    fn schema() -> Value {
        json!({"oneOf": [T::schema(), {"type": "null"}]})
    }
}

impl<T: Schema> Schema for Vec<T> {
    fn schema() -> Value {
        json!({"type": "array", "items": T::schema()})
    }
}

impl<K, V: Schema> Schema for BTreeMap<K, V> {
    fn schema() -> Value {
        json!({"type": "object", "additionalProperties": V::schema()})
    }
}
