//! The RPC methods, each declared once in the table of the module that handles it.

pub mod blocks;
pub mod bygone;
pub mod calls;
pub mod chain_config;
pub mod cheats;
pub mod debug;
pub mod devnet;
pub mod discover;
pub mod fees;
pub mod filters;
pub mod gas;
pub mod impersonate;
pub mod mining;
pub mod node;
pub mod otterscan;
pub mod raw;
pub mod sign;
pub mod simulate;
pub mod state;
pub mod statistics;
pub mod subscribe;
pub mod trace;
pub mod transactions;
pub mod txpool;

use super::method::Method;

/// All methods of the node.
pub const ALL: &[&[Method]] = &[
    node::METHODS,
    blocks::METHODS,
    state::METHODS,
    transactions::METHODS,
    calls::METHODS,
    simulate::METHODS,
    chain_config::METHODS,
    debug::METHODS,
    trace::METHODS,
    gas::METHODS,
    statistics::METHODS,
    fees::METHODS,
    filters::METHODS,
    subscribe::METHODS,
    sign::METHODS,
    raw::METHODS,
    otterscan::METHODS,
    txpool::METHODS,
    cheats::METHODS,
    impersonate::METHODS,
    mining::METHODS,
    devnet::METHODS,
    bygone::METHODS,
    discover::METHODS,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_row_is_documented_and_has_names_of_its_own() {
        let mut names = BTreeSet::new();
        for method in ALL.iter().copied().flatten() {
            for name in std::iter::once(&method.name).chain(method.aliases) {
                assert!(names.insert(*name), "two rows claim {name}");
                assert!(name.contains(['_', '.']), "{name} has no namespace");
            }
            let doc = method.doc.trim();
            assert!(doc.ends_with('.') && doc.starts_with(char::is_uppercase), "{}: {doc:?}", method.name);
            let optional = method.params.iter().position(|parameter| !parameter.required);
            let required = method.params.iter().rposition(|parameter| parameter.required);
            assert!(
                optional.is_none() || required < optional,
                "{}: a required parameter follows an optional one",
                method.name
            );
        }
    }
}
