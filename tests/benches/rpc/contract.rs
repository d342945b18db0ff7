//! The contract that is called: a number in slot 0 and a view of it, as Wasm and as EVM bytecode; and transfers.

use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, TxKind, U256, hex, keccak256};
use alloy_signer::SignerSync;
use alloy_signer_local::{MnemonicBuilder, PrivateKeySigner, coins_bip39::English};
use lathe_tests::root;
use serde_json::{Value, json};

use crate::{
    load::{Result, Transfer, body, request},
    peer::{Kind, Peer},
};

/// The phrase that both devnets derive their accounts from.
const MNEMONIC: &str = "test test test test test test test test test test test junk";
/// Chain id of both.
const CHAIN_ID: u64 = 31337;
/// What the contract's number is set to, in the transaction after its deployment.
const NUMBER: u64 = 0x2a17;

/// Returns the data of a call without arguments.
fn selector(signature: &str) -> String {
    hex::encode_prefixed(&keccak256(signature)[..4])
}

/// Returns the creation code of an EVM contract that answers `number()` with slot 0 and takes `setNumber(uint256)`: what a
/// compiler would make of it, without its checks of value and calldata.
fn evm_creation() -> String {
    let (number, set_number) = (&selector("number()")[2..], &selector("setNumber(uint256)")[2..]);
    // The selector to the stack; number() jumps to byte 0x1b, setNumber() to 0x24, anything else reverts.
    let dispatch = format!("5f3560e01c8063{number}14601b5763{set_number}146024575f5ffd");
    let runtime = format!("{dispatch}5b5f545f5260205ff35b6004355f5500");
    // Copies what follows these nine bytes to memory and returns it.
    format!("0x60{:02x}8060095f395ff3{runtime}", runtime.len() / 2)
}

/// The contract on a devnet, its number set.
pub(crate) struct Contract {
    pub(crate) address: String,
}

impl Contract {
    /// Deploys the contract, as Wasm on ours and as EVM bytecode on anvil, and sets its number.
    pub(crate) fn deploy(peer: &Peer) -> Result<Self> {
        let data = match peer.kind {
            Kind::Lathe => {
                hex::encode_prefixed(std::fs::read(root().join("contracts/counter/counter.wasm"))?)
            }
            Kind::Anvil => evm_creation(),
        };
        let receipt = send(peer, json!({ "data": data }))?;
        let address = receipt["contractAddress"].as_str().ok_or("a deployment has no address")?.to_owned();
        let contract = Self { address };
        contract.set_number(peer, NUMBER)?;
        Ok(contract)
    }

    /// Sets the number in a transaction.
    pub(crate) fn set_number(&self, peer: &Peer, number: u64) -> Result<()> {
        let data = format!("{}{number:064x}", selector("setNumber(uint256)"));
        send(peer, json!({ "to": self.address, "data": data })).map(drop)
    }

    /// Returns the parameters of a call of the view at a block.
    pub(crate) fn view(&self, block: &str) -> Value {
        json!([{ "to": self.address, "data": selector("number()") }, block])
    }

    /// Fails if the view does not answer with this number.
    pub(crate) fn check(&self, peer: &Peer, block: &str, number: u64) -> Result<()> {
        let answer = peer.rpc("eth_call", self.view(block))?;
        let expected = format!("0x{number:064x}");
        if answer == expected {
            Ok(())
        } else {
            Err(format!("number() at {block} is {answer}, not {expected}").into())
        }
    }
}

/// The number that a deployed contract answers with.
pub(crate) const DEPLOYED_NUMBER: u64 = NUMBER;

/// Sends a transaction from the first account and returns its receipt. Fails unless it succeeds.
fn send(peer: &Peer, mut transaction: Value) -> Result<Value> {
    let accounts = peer.rpc("eth_accounts", json!([]))?;
    transaction["from"] = accounts[0].clone();
    let hash = peer.rpc("eth_sendTransaction", json!([transaction]))?;
    loop {
        let receipt = peer.rpc("eth_getTransactionReceipt", json!([hash]))?;
        if receipt.is_null() {
            continue;
        }
        if receipt["status"] == "0x1" {
            return Ok(receipt);
        }
        return Err(format!("the transaction failed: {receipt}").into());
    }
}

/// Accounts of a devnet that send transfers, each with its next nonce.
pub(crate) struct Senders(Vec<(PrivateKeySigner, u64)>);

impl Senders {
    /// Derives the devnets' accounts from the `first` on.
    pub(crate) fn derive(first: usize, count: usize) -> Result<Self> {
        let derive = |index: usize| {
            let signer =
                MnemonicBuilder::<English>::default().phrase(MNEMONIC).index(u32::try_from(index)?)?;
            Ok((signer.build()?, 0))
        };
        Ok(Self((first..first + count).map(derive).collect::<Result<_>>()?))
    }

    /// Signs the next transfers of each account, to accounts that nobody has seen.
    pub(crate) fn sign(&mut self, count: usize) -> Result<Vec<Vec<Transfer>>> {
        self.0.iter_mut().map(|(signer, nonce)| (0..count).map(|_| sign(signer, nonce)).collect()).collect()
    }
}

fn sign(signer: &PrivateKeySigner, nonce: &mut u64) -> Result<Transfer> {
    let recipient = keccak256([signer.address().as_slice(), &nonce.to_be_bytes()].concat());
    let tx = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce: *nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 10_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        to: TxKind::Call(Address::from_slice(&recipient[12..])),
        value: U256::from(1),
        ..Default::default()
    };
    *nonce += 1;
    let signature = signer.sign_hash_sync(&tx.signature_hash())?;
    let tx: TxEnvelope = tx.into_signed(signature).into();
    Ok(Transfer {
        send: request(&body("eth_sendRawTransaction", json!([hex::encode_prefixed(tx.encoded_2718())]))),
        receipt: request(&body("eth_getTransactionReceipt", json!([tx.tx_hash()]))),
    })
}
