//! An independent root: the yellow paper's definition, recursive and slow, over a plain map.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_rlp::Encodable;
use lathe_state::AccountInfo;

/// What the state should be.
pub(crate) type Model = BTreeMap<Address, ModelAccount>;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ModelAccount {
    pub(crate) info: AccountInfo,
    pub(crate) storage: BTreeMap<U256, U256>,
}

pub(crate) fn state_root(model: &Model) -> B256 {
    trie_root(model.iter().map(|(address, account)| {
        let AccountInfo { nonce, balance, code_hash } = account.info;
        let fields = [rlp(&nonce), rlp(&balance), rlp(&storage_root(account)), rlp(&code_hash)];
        (keccak256(address), list(fields))
    }))
}

pub(crate) fn storage_root(account: &ModelAccount) -> B256 {
    trie_root(account.storage.iter().map(|(slot, value)| (keccak256(slot.to_be_bytes::<32>()), rlp(value))))
}

/// The root of a trie of hashed keys.
pub(crate) fn trie_root(leaves: impl IntoIterator<Item = (B256, Vec<u8>)>) -> B256 {
    let sorted: BTreeMap<Vec<u8>, Vec<u8>> = leaves
        .into_iter()
        .map(|(key, value)| (key.iter().flat_map(|byte| [byte >> 4, byte & 15]).collect(), value))
        .collect();
    let leaves: Vec<(&[u8], &[u8])> =
        sorted.iter().map(|(key, value)| (key.as_slice(), value.as_slice())).collect();
    keccak256(node(&leaves, 0))
}

/// The RLP of the node over leaves that share their first `depth` nibbles.
fn node(leaves: &[(&[u8], &[u8])], depth: usize) -> Vec<u8> {
    match leaves {
        [] => vec![0x80],
        [(key, value)] => list([rlp(&hex_prefix(&key[depth..], true).as_slice()), rlp(value)]),
        [(first, _), .., (last, _)] => {
            let shared = first[depth..].iter().zip(&last[depth..]).take_while(|(a, b)| a == b).count();
            if shared > 0 {
                let path = hex_prefix(&first[depth..depth + shared], false);
                return list([rlp(&path.as_slice()), reference(node(leaves, depth + shared))]);
            }
            let child = |nibble: u8| {
                let under: Vec<_> = leaves.iter().filter(|(key, _)| key[depth] == nibble).copied().collect();
                if under.is_empty() { vec![0x80] } else { reference(node(&under, depth + 1)) }
            };
            list((0..16).map(child).chain([vec![0x80]]))
        }
    }
}

/// How a parent refers to a child: by hash, or whole if it is short.
fn reference(node: Vec<u8>) -> Vec<u8> {
    if node.len() < 32 { node } else { rlp(&keccak256(node)) }
}

fn hex_prefix(nibbles: &[u8], leaf: bool) -> Vec<u8> {
    let flag = if leaf { 2 } else { 0 };
    let (first, rest) = match nibbles.len() % 2 {
        0 => (flag << 4, nibbles),
        _ => ((flag + 1) << 4 | nibbles[0], &nibbles[1..]),
    };
    std::iter::once(first).chain(rest.chunks(2).map(|pair| pair[0] << 4 | pair[1])).collect()
}

fn rlp(value: &dyn Encodable) -> Vec<u8> {
    let mut out = Vec::new();
    value.encode(&mut out);
    out
}

fn list(items: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let payload: Vec<u8> = items.into_iter().flatten().collect();
    let mut out = Vec::new();
    alloy_rlp::Header { list: true, payload_length: payload.len() }.encode(&mut out);
    out.extend(payload);
    out
}
