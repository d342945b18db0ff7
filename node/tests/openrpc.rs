//! The OpenRPC document and the page made from the same tables.

mod schema;

use std::{collections::BTreeSet, fs, path::Path};

use lathe_node::rpc::{methods, openrpc};
use serde_json::{Value, json};

/// Adds the names of the components that a schema refers to.
fn references(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(members) => {
            for (name, value) in members {
                match (name.as_str(), value.as_str()) {
                    ("$ref", Some(reference)) => {
                        let name = reference.strip_prefix("#/components/schemas/");
                        found
                            .insert(name.unwrap_or_else(|| panic!("{reference} is no component")).to_owned());
                    }
                    _ => references(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn every_component_is_a_schema_that_something_refers_to() {
    let document = openrpc::document();
    let components = document["components"]["schemas"].as_object().expect("components");
    let mut referred = BTreeSet::new();
    references(&document["methods"], &mut referred);
    for (name, component) in components {
        jsonschema::meta::validate(component).unwrap_or_else(|error| panic!("{name}: {error}"));
        references(component, &mut referred);
    }
    let there: BTreeSet<String> = components.keys().cloned().collect();
    assert_eq!(there, referred, "left: components, right: what is referred to");
}

#[test]
fn the_document_has_each_name_of_each_method_once() {
    let rows = methods::ALL.iter().copied().flatten();
    let names: BTreeSet<&str> =
        rows.flat_map(|method| std::iter::once(&method.name).chain(method.aliases).copied()).collect();
    let described = openrpc::document()["methods"].as_array().expect("methods");
    let found: Vec<&str> = described.iter().filter_map(|method| method["name"].as_str()).collect();
    assert_eq!(found.len(), names.len());
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), names);
    for method in described {
        for schema in method["params"].as_array().into_iter().flatten().chain([&method["result"]]) {
            jsonschema::meta::validate(&schema["schema"]).unwrap_or_else(|error| panic!("{method}: {error}"));
        }
    }
}

#[test]
fn a_result_of_another_form_is_noticed() {
    schema::check("eth_blockNumber", &json!("0x7"));
    for (method, wrong) in [
        ("eth_blockNumber", json!("0x07")),
        ("eth_blockNumber", json!(7)),
        ("hardhat_mine", json!("0x0")),
        ("eth_getBlockReceipts", json!([{"status": "0x1"}])),
        ("txpool_status", json!({"pending": "0x0"})),
        ("eth_getTransactionReceipt", json!({})),
    ] {
        assert!(schema::validate(method, &wrong).is_err(), "{method} {wrong}");
    }
}

#[test]
fn the_page_of_methods_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("RPC.md");
    let page = openrpc::markdown();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, &page).expect("the source can be written");
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    let differs = there.lines().zip(page.lines()).find(|(there, made)| there != made);
    assert!(
        there == page,
        "{} is not what the tables of methods say: {differs:?}; run UPDATE_EXPECT=1 cargo test -p lathe-node \
         --no-default-features --features server --test openrpc",
        path.display()
    );
}
