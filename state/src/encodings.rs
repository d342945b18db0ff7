//! The encoding of every record, pinned: the length and keccak256 of a few samples each, in `ENCODINGS.txt`.
//!
//! A changed line there is a changed database format: raise the record's version and
//! [`SCHEMA_VERSION`](crate::SCHEMA_VERSION) with it. `UPDATE_EXPECT=1` rewrites the file.

use std::{fmt::Write, fs, path::Path};

use alloy_primitives::{Address, B64, B256, Bloom, Bytes, Log, U256, hex, keccak256};
use alloy_trie::{Nibbles, nodes::RlpNode};
use proptest::prelude::*;

use crate::{
    codec::{Record, RecordError},
    record::{Account, BlockChanges, BodyTx, Head, Header, LeafKey, Receipt, SlotValue, TxPosition},
    trie::Node,
};

fn header() -> Header {
    Header {
        parent_hash: B256::repeat_byte(1),
        ommers_hash: B256::repeat_byte(2),
        beneficiary: Address::repeat_byte(3),
        state_root: B256::repeat_byte(4),
        transactions_root: B256::repeat_byte(5),
        receipts_root: B256::repeat_byte(6),
        logs_bloom: Bloom::repeat_byte(7),
        difficulty: U256::from(8),
        number: 9,
        gas_limit: 100_000_000,
        gas_used: 11,
        timestamp: 1_700_000_012,
        extra_data: Bytes::from_static(b"lathe"),
        mix_hash: B256::repeat_byte(14),
        nonce: B64::repeat_byte(15),
        base_fee_per_gas: 16,
        withdrawals_root: B256::repeat_byte(17),
        blob_gas_used: 18,
        excess_blob_gas: 19,
        parent_beacon_block_root: B256::repeat_byte(20),
        requests_hash: B256::repeat_byte(21),
        size_bytes: 22,
    }
}

fn receipts() -> Vec<Receipt> {
    let log = |topics: u8| {
        let topics = (0..topics).map(B256::repeat_byte).collect();
        Log::new_unchecked(Address::repeat_byte(1), topics, Bytes::from_static(b"data"))
    };
    let created = Receipt {
        tx_type: 2,
        success: true,
        cumulative_gas_used: 21_000,
        gas_used: 21_000,
        effective_gas_price: u128::MAX,
        contract_address: Some(Address::repeat_byte(9)),
        logs: vec![log(0), log(4)],
        failure: None,
    };
    let failed = Receipt { failure: Some("unreachable".to_owned()), ..Receipt::default() };
    vec![created, failed]
}

fn account(nonce: u64, balance: U256) -> Account {
    Account { nonce, balance, ..Account::default() }
}

/// Writes a record's line, and checks that it reads back and that every other length is refused.
fn line<R: Record + PartialEq + std::fmt::Debug>(out: &mut String, name: &str, record: R) {
    let bytes = record.to_bytes();
    assert_eq!(R::from_bytes(&bytes).as_ref(), Ok(&record), "{name}");
    assert_eq!(bytes[0], R::VERSION, "{name}");
    let shorter = R::from_bytes(&bytes[..bytes.len() - 1]);
    assert_ne!(shorter.as_ref(), Ok(&record), "{name}");
    let longer = R::from_bytes(&[bytes.as_slice(), &[0]].concat());
    assert_ne!(longer.as_ref(), Ok(&record), "{name}");
    let shown = if bytes.len() <= 32 { hex::encode(&bytes) } else { keccak256(&bytes).to_string() };
    writeln!(out, "{name:<28} {:>5}  {shown}", bytes.len()).expect("writing to a string");
}

#[test]
fn encodings_are_those_of_the_checked_in_file() {
    let mut out = String::from(
        "# record, length in bytes, the bytes themselves (up to 32) or 0x and their keccak256\n",
    );
    let wei = U256::from(10).pow(U256::from(18));
    line(&mut out, "account, rich", account(1, U256::from(10_000) * wei));
    line(&mut out, "account, richest", account(u64::MAX, U256::MAX));
    let contract = Account {
        code_hash: B256::repeat_byte(1),
        storage_root: B256::repeat_byte(2),
        ..account(1, U256::ZERO)
    };
    line(&mut out, "account, contract", contract);
    line(&mut out, "slot, one", SlotValue(U256::from(1)));
    line(&mut out, "slot, 0x100", SlotValue(U256::from(0x100)));
    line(&mut out, "slot, largest", SlotValue(U256::MAX));
    line(&mut out, "header, default", Header::default());
    line(&mut out, "header", header());
    line(&mut out, "body, empty", Vec::<BodyTx>::new());
    let tx = BodyTx { sender: Address::repeat_byte(1), raw: Bytes::from_static(b"\x02tx") };
    line(&mut out, "body", vec![tx.clone(), BodyTx { raw: vec![7; 300].into(), ..tx }]);
    line(&mut out, "receipts", receipts());
    line(&mut out, "tx position", TxPosition { number: 70_000, index: 64 });
    let head = Head { number: 1, hash: B256::repeat_byte(1), state_root: B256::repeat_byte(2) };
    line(&mut out, "head", head);
    let mut node = Node { extension: Nibbles::from_nibbles([1, 2, 3]), ..Node::default() };
    node.push(0, RlpNode::word_rlp(&B256::repeat_byte(1)), false);
    node.push(7, RlpNode::from_rlp(&[0xc2, 0x20, 0x05]), true);
    line(&mut out, "trie node, short", node.clone());
    node.extension = Nibbles::new();
    for nibble in 8..16 {
        node.push(nibble, RlpNode::word_rlp(&B256::repeat_byte(nibble)), nibble % 2 == 0);
    }
    line(&mut out, "trie node", node);
    let keys = |len| vec![Bytes::from(vec![len; usize::from(len)])];
    let changes = BlockChanges {
        accounts: keys(32),
        slots: keys(64),
        account_nodes: vec![Bytes::new(), Bytes::from_static(&[1])],
        storage_nodes: keys(33),
    };
    line(&mut out, "block changes", changes);
    line(&mut out, "leaf key", LeafKey { key: B256::repeat_byte(1) });
    line(&mut out, "hash", B256::repeat_byte(1));
    line(&mut out, "number", 31_337_u64);

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("ENCODINGS.txt");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, &out).expect("writes the file");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(out, expected, "encodings changed; UPDATE_EXPECT=1 rewrites {}", path.display());
}

#[test]
fn a_slot_value_has_one_encoding() {
    for bytes in [&[1_u8][..], &[1, 0], &[1, 0, 5], &[&[1][..], &[9; 33]].concat()] {
        assert!(matches!(SlotValue::from_bytes(bytes), Err(RecordError::Scale(_))), "{bytes:02x?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_record_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let framed = [&[1], bytes.as_slice()].concat();
        let _ = Header::from_bytes(&framed);
        let _ = Vec::<BodyTx>::from_bytes(&framed);
        let _ = Vec::<Receipt>::from_bytes(&framed);
        if let Ok(node) = Node::from_bytes(&framed) {
            prop_assert_eq!(node.to_bytes(), framed.clone());
        }
        if let Ok(account) = Account::from_bytes(&framed) {
            prop_assert_eq!(Account::from_bytes(&account.to_bytes()), Ok(account));
        }
        if let Ok(slot) = SlotValue::from_bytes(&framed) {
            prop_assert_eq!(slot.to_bytes(), framed);
        }
    }
}
