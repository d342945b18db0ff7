//! Results of RPC methods, held to the schemas that the node's OpenRPC document has of them.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex},
};

use jsonschema::Validator;
use lathe_node::rpc::openrpc;
use serde_json::Value;

/// Schemas that were compiled before.
static COMPILED: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

/// Fails when a result is not what the document says of the method. Methods that no document names are test doubles.
pub(crate) fn check(method: &str, result: &Value) {
    if let Err(why) = validate(method, result) {
        panic!("{why}");
    }
}

/// Returns why a result is not what the document says of the method.
pub(crate) fn validate(method: &str, result: &Value) -> Result<(), String> {
    let mut compiled = COMPILED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let validator = match compiled.get(method) {
        Some(validator) => Arc::clone(validator),
        None => {
            let Some(schema) = openrpc::result_schema(method) else { return Ok(()) };
            let validator = Arc::new(jsonschema::validator_for(&schema).expect("a schema"));
            compiled.insert(method.to_owned(), Arc::clone(&validator));
            validator
        }
    };
    drop(compiled);
    validator.validate(result).map_err(|error| {
        format!(
            "{method}: the result is not what its schema says: {error} at {}: {result}",
            error.instance_path()
        )
    })
}
