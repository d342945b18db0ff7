//! What should be in the chain: what was acknowledged, and what was in flight and turned out to be there.

use std::collections::BTreeMap;

use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex, keccak256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use alloy_trie::{Nibbles, TrieAccount, proof::verify_proof};
use lathe_tests::{Node, RpcFailure, quantity};
use serde_json::{Value, json};

use crate::{Summary, check::Fault, random::Random};

/// Keys of the development accounts that send.
const KEYS: [&str; 3] = [
    "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
];
/// Slots of each sender: few, so that they are cleared and set again and again.
const SLOTS: u64 = 24;
/// Creation data of EVM code that stores word 1 of its calldata in the slot that word 0 names.
const STORE: [u8; 20] = hex!("6008600c60003960086000f36020356000355500");
/// Blocks of the past that are compared after each start.
const PAST_BLOCKS: u64 = 4;
/// Blocks that a revert takes back at most.
const REVERT_MAX: u64 = 12;

/// What a transaction does.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// Sends one wei.
    Pay(Address),
    /// Sets a slot of the contract.
    Store(u64, u64),
}

/// A transaction that was sent. Its nonce is its place in the list.
#[derive(Debug, Clone)]
struct Sent {
    act: Act,
    hash: B256,
    /// Where it was mined, once a receipt said so.
    block: u64,
}

/// One account that sends transactions, one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    index: u64,
    signer: PrivateKeySigner,
    /// Nonce of the first transaction in `sent`.
    first_nonce: u64,
    sent: Vec<Sent>,
    /// How many of them were acknowledged.
    acknowledged: usize,
}

/// Everything that should be in the chain.
#[derive(Debug)]
pub(crate) struct Model {
    history: Option<u64>,
    pub(crate) senders: Vec<Sender>,
    contract: Address,
    is_new: bool,
    /// The first block whose state the node must tell, once there was a restart.
    first_kept: u64,
}

/// A revert that was not answered: it happened or it did not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenRevert {
    from: u64,
    to: u64,
}

impl Sender {
    /// Makes the next transaction and returns its bytes.
    pub(crate) fn next(&mut self, contract: Address, random: &mut Random) -> Vec<u8> {
        let nonce = self.first_nonce + self.sent.len() as u64;
        let act = if random.below(3) == 0 {
            Act::Pay(Address::left_padding_from(
                &(0x1_0000 + random.below(200) + 1_000 * self.index).to_be_bytes(),
            ))
        } else {
            let value = if random.below(5) < 2 { 0 } else { 1 + random.below(3) };
            Act::Store(self.index * SLOTS + random.below(SLOTS), value)
        };
        let (to, input, value) = match act {
            Act::Pay(to) => (to, Vec::new(), 1_u64),
            Act::Store(slot, value) => {
                let words = [slot, value].map(|word| U256::from(word).to_be_bytes::<32>());
                (contract, words.concat(), 0)
            }
        };
        let raw = sign(&self.signer, nonce, TxKind::Call(to), input, value);
        self.sent.push(Sent { act, hash: keccak256(&raw), block: 0 });
        raw
    }

    pub(crate) fn acknowledge(&mut self) {
        self.acknowledged = self.sent.len();
    }
}

fn sign(signer: &PrivateKeySigner, nonce: u64, to: TxKind, input: Vec<u8>, value: u64) -> Vec<u8> {
    let tx = TxEip1559 {
        chain_id: 31_337,
        nonce,
        gas_limit: 200_000,
        max_fee_per_gas: 10_000_000_000,
        max_priority_fee_per_gas: 0,
        to,
        value: U256::from(value),
        access_list: Default::default(),
        input: input.into(),
    };
    let signature = signer.sign_hash_sync(&tx.signature_hash()).expect("a local key signs");
    TxEnvelope::from(tx.into_signed(signature)).encoded_2718()
}

/// The state that the model expects after a block.
#[derive(Debug, Default)]
struct Expected {
    nonces: Vec<u64>,
    balances: BTreeMap<Address, u64>,
    slots: BTreeMap<u64, u64>,
}

impl Model {
    pub(crate) fn new(history: Option<u64>) -> Self {
        let sender = |(index, key): (u64, &str)| {
            let signer: PrivateKeySigner = key.parse().expect("a key");
            Sender { index, signer, first_nonce: 0, sent: Vec::new(), acknowledged: 0 }
        };
        let senders: Vec<_> = (0..).zip(KEYS).map(sender).collect();
        let contract = senders[0].signer.address().create(0);
        Self { history, senders, contract, is_new: true, first_kept: 0 }
    }

    pub(crate) fn history(&self) -> Option<u64> {
        self.history
    }

    pub(crate) fn contract(&self) -> Address {
        self.contract
    }

    pub(crate) fn is_new(&self) -> bool {
        self.is_new
    }

    /// Returns whether there are blocks that a revert could take back.
    pub(crate) fn has_blocks(&self) -> bool {
        self.senders.iter().flat_map(|sender| &sender.sent).any(|sent| sent.block > self.first_kept.max(1))
    }

    /// Deploys the contract in block 1.
    pub(crate) fn set_up(&mut self, node: &Node) -> Result<(), Fault> {
        let sender = &mut self.senders[0];
        let raw = sign(&sender.signer, 0, TxKind::Create, STORE.to_vec(), 0);
        node.try_rpc("eth_sendRawTransaction", json!([format!("0x{}", hex::encode(raw))]))?;
        sender.first_nonce = 1;
        self.is_new = false;
        Ok(())
    }

    /// Compares the nonces of a restarted node with what was acknowledged and what was in flight, and takes over what it has.
    pub(crate) fn recover(&mut self, node: &Node, revert: Option<OpenRevert>) -> Result<(), Fault> {
        let head = quantity(&node.try_rpc("eth_blockNumber", json!([]))?);
        if let Some(OpenRevert { from, to }) = revert {
            if head == to {
                self.forget_after(to);
            } else if head != from {
                let what = format!("a revert from block {from} to {to} was killed, the head is {head}");
                return Err(Fault::Lost(what));
            }
        }
        self.first_kept = self.first_kept.max(head.saturating_sub(self.history.unwrap_or(head)));
        let mut mined = 0;
        for sender in &mut self.senders {
            let address = sender.signer.address();
            let nonce = quantity(&node.try_rpc("eth_getTransactionCount", json!([address, "latest"]))?);
            let least = sender.first_nonce + sender.acknowledged as u64;
            let most = sender.first_nonce + sender.sent.len() as u64;
            if nonce < least || nonce > most {
                return Err(Fault::Lost(format!(
                    "nonce of {address} is {nonce}; {least} were acknowledged, {most} sent"
                )));
            }
            sender.sent.truncate(usize::try_from(nonce - sender.first_nonce).expect("as many as were sent"));
            sender.acknowledge();
            mined += sender.sent.len() as u64;
            for sent in sender.sent.iter_mut().filter(|sent| sent.block == 0) {
                let receipt = node.try_rpc("eth_getTransactionReceipt", json!([sent.hash]))?;
                if receipt["status"] != "0x1" || receipt["from"] != json!(address) {
                    return Err(Fault::Lost(format!("receipt of {}: {receipt}", sent.hash)));
                }
                sent.block = quantity(&receipt["blockNumber"]);
                let block = node.try_rpc("eth_getBlockByNumber", json!([receipt["blockNumber"], false]))?;
                let listed =
                    block["transactions"].as_array().is_some_and(|txs| txs.contains(&json!(sent.hash)));
                if !listed || block["hash"] != receipt["blockHash"] {
                    return Err(Fault::Lost(format!("{} is not in its block {block}", sent.hash)));
                }
            }
        }
        // A block for the contract, and at most one for each transaction.
        if head > mined + 1 {
            return Err(Fault::Lost(format!("head is {head}, there are {mined} transactions")));
        }
        Ok(())
    }

    /// Compares blocks of the past, the head among them.
    pub(crate) fn check_running(
        &self,
        node: &Node,
        random: &mut Random,
        summary: &mut Summary,
    ) -> Result<(), Fault> {
        let head = quantity(&node.try_rpc("eth_blockNumber", json!([]))?);
        let first = self.first_kept.max(1);
        for round in 0..PAST_BLOCKS {
            let number = if round == 0 { head } else { first + random.below(head - first + 1) };
            self.check_block(node, number, random)?;
            summary.blocks_checked += 1;
        }
        if self.first_kept > 0 {
            let number = format!("{:#x}", random.below(self.first_kept));
            let before = node.try_rpc("eth_getBalance", json!([self.contract, number]));
            if !matches!(&before, Err(RpcFailure::Error { message, .. }) if message.contains("not kept")) {
                return Err(Fault::Root(format!(
                    "block {number} is outside the window, its state is {before:?}"
                )));
            }
        }
        Ok(())
    }

    fn expected(&self, number: u64) -> Expected {
        let mut expected = Expected::default();
        for sender in &self.senders {
            let mined: Vec<_> = sender.sent.iter().take_while(|sent| sent.block <= number).collect();
            expected.nonces.push(sender.first_nonce + mined.len() as u64);
            for sent in mined {
                match sent.act {
                    Act::Pay(to) => *expected.balances.entry(to).or_default() += 1,
                    Act::Store(slot, value) => drop(expected.slots.insert(slot, value)),
                }
            }
        }
        expected
    }

    /// Compares the state after one block, and verifies proofs of it.
    fn check_block(&self, node: &Node, number: u64, random: &mut Random) -> Result<(), Fault> {
        let at = format!("{number:#x}");
        let expected = self.expected(number);
        let wrong = |what: String| Fault::Root(format!("block {number}: {what}"));
        let block = node.try_rpc("eth_getBlockByNumber", json!([at, false]))?;
        let root: B256 = serde_json::from_value(block["stateRoot"].clone())
            .map_err(|error| wrong(format!("no state root: {error}")))?;
        for (sender, nonce) in self.senders.iter().zip(&expected.nonces) {
            let address = sender.signer.address();
            let proof = node.try_rpc("eth_getProof", json!([address, [], at]))?;
            let account = check_account(root, address, &proof).map_err(wrong)?;
            if account.nonce != *nonce {
                return Err(wrong(format!("nonce of {address} is {}, not {nonce}", account.nonce)));
            }
        }
        for _ in 0..3 {
            let to = Address::left_padding_from(
                &(0x1_0000 + random.below(200) + 1_000 * random.below(3)).to_be_bytes(),
            );
            let balance = quantity(&node.try_rpc("eth_getBalance", json!([to, at]))?);
            let due = expected.balances.get(&to).copied().unwrap_or_default();
            if balance != due {
                return Err(wrong(format!("balance of {to} is {balance}, not {due}")));
            }
        }
        let slots: Vec<u64> = (0..3).map(|_| random.below(SLOTS * self.senders.len() as u64)).collect();
        let keys: Vec<String> = slots.iter().map(|slot| format!("{slot:#x}")).collect();
        let proof = node.try_rpc("eth_getProof", json!([self.contract, keys, at]))?;
        let account = check_account(root, self.contract, &proof).map_err(wrong)?;
        for (index, &slot) in slots.iter().enumerate() {
            let due = expected.slots.get(&slot).copied().unwrap_or_default();
            let value = node.try_rpc("eth_getStorageAt", json!([self.contract, keys[index], at]))?;
            if value != json!(format!("0x{due:064x}")) {
                return Err(wrong(format!("slot {slot} is {value}, not {due}")));
            }
            let leaf = (due != 0).then(|| alloy_rlp::encode(due));
            let nodes = nodes(&proof["storageProof"][index]["proof"]).map_err(wrong)?;
            let key = Nibbles::unpack(keccak256(U256::from(slot).to_be_bytes::<32>()));
            let no_storage = nodes.is_empty() && due == 0;
            if !no_storage {
                verify_proof(account.storage_root, key, leaf, &nodes)
                    .map_err(|error| wrong(format!("proof of slot {slot}: {error}")))?;
            }
        }
        Ok(())
    }

    /// Takes back some blocks. Returns what is open if the node died over it.
    pub(crate) fn revert(&mut self, node: &Node, random: &mut Random) -> Result<Option<OpenRevert>, Fault> {
        let from = quantity(&node.try_rpc("eth_blockNumber", json!([]))?);
        let most = REVERT_MAX.min(from - self.first_kept.max(1));
        if most == 0 {
            return Ok(None);
        }
        let blocks = 1 + random.below(most);
        let to = from - blocks;
        match node.try_rpc("anvil_rollback", json!([format!("{blocks:#x}")])) {
            Ok(_) => {
                self.forget_after(to);
                Ok(None)
            }
            Err(RpcFailure::Transport(_)) => Ok(Some(OpenRevert { from, to })),
            Err(error) => Err(Fault::Other(format!("revert from block {from} to {to}: {error:?}"))),
        }
    }

    /// Forgets what a revert took back, and what was sent to a node that had died over it.
    fn forget_after(&mut self, number: u64) {
        for sender in &mut self.senders {
            sender.sent.retain(|sent| (1..=number).contains(&sent.block));
            sender.acknowledge();
        }
    }
}

fn nodes(list: &Value) -> Result<Vec<Bytes>, String> {
    serde_json::from_value(list.clone()).map_err(|error| format!("a proof is no list of nodes: {error}"))
}

/// Verifies the proof of an account that must exist, and returns what it proves.
fn check_account(root: B256, address: Address, proof: &Value) -> Result<TrieAccount, String> {
    let read = |field: &str| proof[field].clone();
    let json = |error: serde_json::Error| format!("proof of {address}: {error}");
    let nonce: U256 = serde_json::from_value(read("nonce")).map_err(json)?;
    let account = TrieAccount::new(
        nonce.saturating_to(),
        serde_json::from_value(read("balance")).map_err(json)?,
        serde_json::from_value(read("storageHash")).map_err(json)?,
        serde_json::from_value(read("codeHash")).map_err(json)?,
    );
    let key = Nibbles::unpack(keccak256(address));
    verify_proof(root, key, Some(alloy_rlp::encode(account)), &nodes(&proof["accountProof"])?)
        .map_err(|error| format!("proof of {address}: {error}"))?;
    Ok(account)
}
