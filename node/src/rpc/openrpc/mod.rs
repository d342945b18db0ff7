//! The OpenRPC document: what `rpc.discover` answers and `RPC.md` shows, made from the tables of methods.

mod markdown;
mod schema;

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

pub use markdown::markdown;
pub use schema::{Schema, component};

use super::{
    method::{Method, Parameter},
    methods,
};

/// The schemas that those of methods refer to, by name.
const COMPONENTS: &str = include_str!("components.json");

/// The version of the specification that the document keeps to (<https://spec.open-rpc.org>).
const OPENRPC_VERSION: &str = "1.3.2";

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let components: Map<String, Value> =
        serde_json::from_str(COMPONENTS).expect("a file of the source, which a test reads");
    let methods: Vec<Value> = methods::ALL.iter().copied().flatten().flat_map(describe).collect();
    json!({
        "openrpc": OPENRPC_VERSION,
        "info": {
            "title": "Lathe",
            "description": "JSON-RPC of a devnet for Wasm and EVM contracts, over HTTP and WebSocket.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0 OR MIT"},
        },
        "methods": methods,
        "components": {"schemas": components},
    })
});

/// Returns the OpenRPC document of all methods.
pub fn document() -> &'static Value {
    &DOCUMENT
}

/// Returns the schema of a method's result, complete in itself; `None` for an unknown method.
pub fn result_schema(name: &str) -> Option<Value> {
    let is_it = |method: &&Method| method.name == name || method.aliases.contains(&name);
    let method = methods::ALL.iter().copied().flatten().find(is_it)?;
    Some(json!({"allOf": [(method.result)()], "components": DOCUMENT["components"]}))
}

/// Returns a method object for each name of a method.
fn describe(method: &Method) -> Vec<Value> {
    let doc = method.doc.trim();
    let params: Vec<Value> = method.params.iter().map(describe_parameter).collect();
    let result = json!({"name": "result", "schema": (method.result)()});
    let describe = |name: &str, summary: &str, description: &str| {
        json!({
            "name": name,
            "summary": summary,
            "description": description,
            "paramStructure": "by-position",
            "params": params,
            "result": result,
        })
    };
    let mut all = vec![describe(method.name, first_sentence(doc), doc)];
    for alias in method.aliases {
        let summary = format!("Another name of {}.", method.name);
        all.push(describe(alias, &summary, &format!("{summary} {doc}")));
    }
    all
}

fn describe_parameter(parameter: &Parameter) -> Value {
    json!({
        "name": parameter.name,
        "summary": parameter.expected,
        "required": parameter.required,
        "schema": (parameter.schema)(),
    })
}

/// Returns a text up to its first full stop.
fn first_sentence(doc: &str) -> &str {
    doc.find(". ").map_or(doc, |end| &doc[..=end])
}
