//! Typed data (EIP-712) as a parameter.
//!
//! Types refer to each other and nest, and whoever hashes them walks that tree on the stack. So what a client may
//! send is bounded before it is read as types.

use std::collections::BTreeMap;

use alloy_dyn_abi::TypedData;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::params::FromParam;
use crate::schemas;

/// Types that one request may define: they may nest as deep as there are of them.
const TYPES_MAX: usize = 64;
/// Members that one type may have.
const MEMBERS_MAX: usize = 256;
/// Characters of a name or a type.
const NAME_MAX: usize = 128;
/// Dimensions of an array type.
const DIMENSIONS_MAX: usize = 8;

/// Typed data that can be hashed.
#[derive(Debug)]
pub(super) struct TypedDataParam(pub(super) TypedData);

schemas! {
    TypedDataParam => "TypedData";
}

impl FromParam for TypedDataParam {
    const EXPECTED: &'static str =
        "typed data (EIP-712), an object (types, primaryType, domain, message) or its JSON in a string";
    /// Reads the object; most clients send its JSON in a string.
    fn from_param(raw: &RawValue) -> Result<Self, String> {
        let text: String;
        let json = if raw.get().starts_with('"') {
            text = serde_json::from_str(raw.get()).map_err(|error| error.to_string())?;
            &text
        } else {
            raw.get()
        };
        check(json)?;
        serde_json::from_str(json).map(Self).map_err(|error| error.to_string())
    }
}

/// Refuses types that are too many, too long, or nest too deep.
fn check(json: &str) -> Result<(), String> {
    #[derive(Deserialize)]
    struct Types {
        types: BTreeMap<String, Vec<Member>>,
    }
    #[derive(Deserialize)]
    struct Member {
        name: String,
        r#type: String,
    }
    let Types { types } = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let limit = |what: &str, there: usize, max: usize| {
        if there > max { Err(format!("{there} {what} are more than the limit of {max}")) } else { Ok(()) }
    };
    limit("types", types.len(), TYPES_MAX)?;
    for (name, members) in &types {
        limit("members of one type", members.len(), MEMBERS_MAX)?;
        limit("characters of a type's name", name.len(), NAME_MAX)?;
        for member in members {
            limit("characters of a member's name", member.name.len(), NAME_MAX)?;
            limit("characters of a member's type", member.r#type.len(), NAME_MAX)?;
            limit("dimensions of an array", member.r#type.matches('[').count(), DIMENSIONS_MAX)?;
            if member.r#type.contains('(') {
                return Err(format!("member {:?}: a tuple is no type of EIP-712", member.name));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: &Value) -> Result<TypedDataParam, String> {
        let raw: Box<RawValue> = serde_json::from_str(&value.to_string()).expect("JSON");
        TypedDataParam::from_param(&raw)
    }

    fn with_types(types: Value) -> Value {
        json!({"types": types, "primaryType": "T0", "domain": {}, "message": {}})
    }

    #[test]
    fn typed_data_is_an_object_or_its_json_in_a_string() {
        let data = with_types(json!({"T0": [{"name": "a", "type": "uint256[2][]"}]}));
        assert!(read(&data).is_ok());
        assert!(read(&json!(data.to_string())).is_ok());
        for wrong in [json!("{"), json!(7), json!({}), json!("\"{}\"")] {
            assert!(read(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn types_that_would_nest_without_end_are_refused() {
        let chain = |n: usize| {
            let types = (0..n).map(|i| {
                let next = if i + 1 < n { format!("T{}", i + 1) } else { "bool".into() };
                (format!("T{i}"), json!([{"name": "next", "type": next}]))
            });
            with_types(Value::Object(types.collect()))
        };
        let message = (0..TYPES_MAX).fold(json!(true), |inner, _| json!({"next": inner}));
        let mut deepest = chain(TYPES_MAX);
        deepest["message"] = message;
        let TypedDataParam(data) = read(&deepest).expect("as deep as may be");
        assert!(data.eip712_signing_hash().is_ok());
        let cycle = with_types(json!({"T0": [{"name": "self", "type": "T0"}]}));
        if let Ok(TypedDataParam(data)) = read(&cycle) {
            assert!(data.eip712_signing_hash().is_err());
        }
        let member = |of: &str| with_types(json!({"T0": [{"name": "a", "type": of}]}));
        for (data, why) in [
            (chain(TYPES_MAX + 1), "65 types"),
            (member(&format!("uint8{}", "[]".repeat(DIMENSIONS_MAX + 1))), "dimensions"),
            (member(&"(".repeat(100)), "tuple"),
            (member(&"x".repeat(100_000)), "characters"),
        ] {
            let error = read(&data).expect_err(why);
            assert!(error.contains(why), "{error}");
        }
    }
}
