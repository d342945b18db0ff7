//! `node/CONSOLE.md` says what the console writes as JSON: which events there are, and their members in order.

mod support;

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::{Value, json};
use support::{
    console::Node,
    envelope,
    node::{ALICE, BOB},
    wasm,
};

/// The page.
const PAGE: &str = include_str!("../CONSOLE.md");

/// Prints a line of 4,096 bytes a thousand times.
const FLOOD: &str = r#"(module
    (import "console" "log_txt" (func $log (param i32 i32)))
    (memory (export "memory") 1)
    (func (export "user_entrypoint") (param i32) (result i32)
        (local $count i32)
        (loop $again
            (call $log (i32.const 0) (i32.const 4096))
            (local.set $count (i32.add (local.get $count) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $count) (i32.const 1000))))
        (i32.const 0)))"#;

/// Returns the members of each event, in order, as the page has them.
fn page() -> BTreeMap<String, Vec<String>> {
    let rows = PAGE.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let mut words = row.split('`').skip(1).step_by(2).map(str::to_owned);
        (words.next().expect("an event"), words.collect())
    })
    .collect()
}

/// The names of an object's members, in the order in which they are written.
struct Members(Vec<String>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut names = Vec::new();
                while let Some((name, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
                    names.push(name);
                }
                Ok(Members(names))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

#[test]
fn the_page_has_every_event_with_its_members_in_order() {
    let mut node = Node::start(&["--json", "-v", "--print-traces"]);
    let hash = node.send(None, &envelope(0, &wasm(FLOOD), &[]), 30_000_000);
    let receipt = node.call("eth_getTransactionReceipt", json!([hash]));
    let flood = receipt["contractAddress"].as_str().expect("a contract").to_owned();
    node.call("eth_sendTransaction", json!([{"from": ALICE, "to": BOB, "value": "0x7"}]));
    node.answer("eth_sendTransaction", json!([{"from": ALICE, "to": BOB, "nonce": "0x0", "gas": "0x5208"}]));
    node.call("anvil_mine", json!(["0x3"]));
    node.call("anvil_rollback", json!(["0x1"]));
    // More than waits for a reader who does not read.
    for _ in 0..12 {
        node.call("eth_call", json!([{"to": flood}, "latest"]));
    }
    let mut first = Vec::new();
    let mut seen = BTreeMap::new();
    while !seen.contains_key("missed") {
        let line = node.line();
        let told: Value = serde_json::from_str(&line).expect("JSON");
        let Members(mut members) = serde_json::from_str(&line).expect("an object");
        assert_eq!(members.remove(0), "event", "{line}");
        let event = told["event"].as_str().expect("a name").to_owned();
        let before = seen.insert(event.clone(), members.clone());
        assert!(before.is_none_or(|before| before == members), "{event} has always the same members");
        first.push(event);
    }
    assert_eq!(seen, page());
    let place = |event: &str| first.iter().position(|seen| seen == event);
    assert!(place("transaction") < place("trace") && place("trace") < place("block"), "{first:?}");
    node.end();
}
