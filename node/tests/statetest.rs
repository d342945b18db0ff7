//! What `lathe statetest` makes of each field of a state test. The tests are made here; the roots they name are computed by
//! another trie.

#![expect(clippy::unwrap_used, reason = "a failed step fails the test: its line says enough")]

mod support;

use std::collections::BTreeMap;

use alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_primitives::{Address, B256, Bytes, U256, address, hex, keccak256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use alloy_trie::{
    TrieAccount,
    root::{state_root_unhashed, storage_root_unhashed},
};
use lathe_node::{
    chain::ChainSpec,
    runtime::Fork,
    statetest::{Runner, TestFile, Verdict},
};
use serde_json::{Value, json};
use support::ewasm::{COINBASE, CONTRACT, SENDER, with_constants};

/// The key of [`SENDER`].
const SECRET_KEY: &str = "0x45a915e4d060149eb4365960e6a7a45f334393093061116b197e3240065ff2d8";
/// Whom transactions pay.
const RECEIVER: Address = address!("00000000000000000000000000000000000000f0");
/// What the sender has at first.
const FUNDS: u64 = 1_000_000_000;
/// What it sends.
const VALUE: u64 = 5;
/// What a transaction uses that does nothing else.
const TRANSFER_GAS: u64 = 21_000;

/// The state, as it should be.
type Model = BTreeMap<Address, TrieAccount>;

/// A test with one case, and the state that it must lead to.
struct Fixture {
    test: Value,
    model: Model,
    network: String,
    exception: Option<&'static str>,
}

fn account(nonce: u64, balance: u64) -> TrieAccount {
    TrieAccount { nonce, balance: U256::from(balance), ..Default::default() }
}

impl Fixture {
    /// Returns a transfer without a fee at a fork, so that what it uses shows nowhere.
    fn free(network: &str) -> Self {
        let test = json!({
            "env": {
                "currentCoinbase": COINBASE, "currentDifficulty": "0x020000", "currentGasLimit": "0x05500000",
                "currentNumber": "0x01", "currentTimestamp": "0x03e8", "currentBaseFee": "0x00",
            },
            "pre": {
                SENDER.to_string(): {"balance": "0x3b9aca00", "code": "", "nonce": "0x00", "storage": {}},
            },
            "transaction": {
                "data": ["0x"], "gasLimit": ["0x0f4240"], "gasPrice": "0x00", "nonce": "0x00",
                "secretKey": SECRET_KEY, "to": RECEIVER, "value": ["0x05"],
            },
        });
        let model = [(SENDER, account(1, FUNDS - VALUE)), (RECEIVER, account(0, VALUE))].into();
        Self { test, model, network: network.into(), exception: None }
    }

    /// Returns the same, paying one wei for each gas, where there is no base fee.
    fn paid(network: &str, gas: u64) -> Self {
        let mut fixture = Self::free(network);
        fixture.test["transaction"]["gasPrice"] = "0x01".into();
        fixture.model.insert(SENDER, account(1, FUNDS - VALUE - gas));
        fixture.model.insert(COINBASE, account(0, gas));
        fixture
    }

    /// Changes the transaction.
    fn sending(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.test["transaction"][key] = value.into();
        self
    }

    /// Takes a field out of the transaction.
    fn without(mut self, key: &str) -> Self {
        self.test["transaction"].as_object_mut().unwrap().remove(key).unwrap();
        self
    }

    /// Changes the block.
    fn at(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.test["env"][key] = value.into();
        self
    }

    /// Adds an account before the transaction.
    fn with(mut self, address: Address, account: Value) -> Self {
        self.test["pre"][address.to_string()] = account;
        self
    }

    /// Says what an account must be afterwards; none is not there.
    fn expecting(mut self, address: Address, account: impl Into<Option<TrieAccount>>) -> Self {
        match account.into() {
            Some(account) => self.model.insert(address, account),
            None => self.model.remove(&address),
        };
        self
    }

    /// Says that the transaction changes nothing.
    fn changing_nothing(mut self) -> Self {
        self.model.clear();
        self.expecting(SENDER, account(0, FUNDS))
    }

    fn excepting(mut self, exception: &'static str) -> Self {
        self.exception = Some(exception);
        self
    }

    fn json(&self) -> Value {
        let root = state_root_unhashed(self.model.clone());
        let mut case =
            json!({"hash": root, "logs": keccak256([0xc0]), "indexes": {"data": 0, "gas": 0, "value": 0}});
        if let Some(exception) = self.exception {
            case["expectException"] = exception.into();
        }
        let mut test = self.test.clone();
        test["post"] = json!({ self.network.clone(): [case] });
        test
    }

    fn verdict(&self) -> Verdict {
        verdict(&self.json())
    }

    #[track_caller]
    fn passes(&self) {
        assert_eq!(self.verdict(), Verdict::Passed, "{:#}", self.test);
    }

    /// Returns why the case failed.
    #[track_caller]
    fn failure(&self) -> String {
        match self.verdict() {
            Verdict::Failed(difference) => difference.note,
            other => panic!("{other:?}"),
        }
    }
}

/// Returns what comes of the first case of a test.
fn verdict(test: &Value) -> Verdict {
    let file = TestFile::parse(json!({"one": test}).to_string().as_bytes()).unwrap();
    Runner::new(ChainSpec::EWASM).run(&file).remove(0).verdict
}

fn empty() -> Value {
    json!({"balance": "0x00", "code": "0x", "nonce": "0x00", "storage": {}})
}

#[test]
fn an_empty_account_stays_until_it_is_touched() {
    let [first, second] = [address!("00000000000000000000000000000000000000a1"), Address::ZERO];
    for network in ["Byzantium", "Berlin", "Prague"] {
        let untouched = Fixture::free(network).with(first, empty()).with(second, empty());
        untouched.expecting(first, account(0, 0)).expecting(second, account(0, 0)).passes();
        // With slots, which only a pre-state can have.
        let slots = json!({"balance": "0x00", "code": "0x", "nonce": "0x00", "storage": {"0x01": "0x07"}});
        let storage_root = storage_root_unhashed([(B256::from(U256::from(1)), U256::from(7))]);
        let hidden = TrieAccount { storage_root, ..account(0, 0) };
        Fixture::free(network).with(first, slots.clone()).expecting(first, hidden).passes();
        // Called without a value.
        let touched = Fixture::free(network).with(RECEIVER, slots).sending("value", json!(["0x00"]));
        touched.expecting(SENDER, account(1, FUNDS)).expecting(RECEIVER, None).passes();
        // Paid, it is there.
        Fixture::free(network).with(RECEIVER, empty()).passes();
    }
}

#[test]
fn the_beneficiary_is_touched_by_every_block() {
    // By a fee of nothing, and by a block without transactions.
    Fixture::free("Byzantium").with(COINBASE, empty()).passes();
    let invalid = || Fixture::free("Byzantium").sending("nonce", "0x07").changing_nothing();
    invalid().with(COINBASE, empty()).passes();
    // One that is not empty is as it was.
    let rich = json!({"balance": "0x07", "code": "0x", "nonce": "0x00", "storage": {}});
    invalid().with(COINBASE, rich).expecting(COINBASE, account(0, 7)).passes();
    // Another that is empty, too.
    invalid().with(RECEIVER, empty()).expecting(RECEIVER, account(0, 0)).passes();
}

#[test]
fn a_case_runs_at_its_own_fork() {
    let names = Fork::ALL.iter().map(|fork| fork.name());
    for network in names.chain(["ConstantinopleFix", "Merge", "London"]) {
        Fixture::free(network).passes();
    }
    // A base fee of 10 that nobody named: from London on.
    let ten = |network| {
        let mut fixture = Fixture::paid(network, 0).sending("gasPrice", "0x0a").expecting(COINBASE, None);
        fixture.test["env"].as_object_mut().unwrap().remove("currentBaseFee");
        fixture.expecting(SENDER, account(1, FUNDS - VALUE - 10 * TRANSFER_GAS))
    };
    ten("London").passes();
    ten("Berlin").expecting(COINBASE, account(0, 10 * TRANSFER_GAS)).passes();
    // Before London nobody looks at it.
    Fixture::paid("Berlin", TRANSFER_GAS).at("currentBaseFee", "0x64").passes();
    for network in ["Frontier", "Homestead", "EIP150", "EIP158", "Constantinople", "Amsterdam", ""] {
        let Verdict::Skipped(why) = Fixture::free(network).verdict() else { panic!("{network}") };
        assert!(why.ends_with(network), "{why}");
    }
}

#[test]
fn difficulty_gives_way_to_randomness_at_the_merge() {
    let code = with_constants(
        "(call $getBlockDifficulty (i32.const 0)) (call $storageStore (i32.const 32) (i32.const 0))",
    );
    for (network, seen) in [("Byzantium", 0x0002_0000_u64), ("London", 0x0002_0000), ("Merge", 0x1234)] {
        // EEI has it little-endian.
        let word = U256::from_be_bytes(U256::from(seen).to_le_bytes::<32>());
        let contract = TrieAccount {
            storage_root: storage_root_unhashed([(B256::ZERO, word)]),
            code_hash: keccak256(&code),
            ..account(0, VALUE)
        };
        let pre =
            json!({"balance": "0x00", "code": Bytes::from(code.clone()), "nonce": "0x00", "storage": {}});
        let fixture = Fixture::free(network).at("currentRandom", "0x1234").with(CONTRACT, pre);
        fixture
            .sending("to", json!(CONTRACT))
            .expecting(RECEIVER, None)
            .expecting(CONTRACT, contract)
            .passes();
    }
}

#[test]
fn each_index_picks_from_its_own_list() {
    let mut fixture = Fixture::free("Byzantium")
        .sending("data", json!(["0x", "0x00", "0xff"]))
        .sending("gasLimit", json!(["0x5208", "0x0186a0"]))
        .sending("value", json!(["0x05", "0x07"]));
    fixture.test["transaction"]["gasPrice"] = "0x01".into();
    // Bytes of calldata cost 4 or 68.
    let mut cases = Vec::new();
    for (data, data_gas) in [(0, 0), (1, 4), (2, 68)] {
        for (gas, limit) in [(0, TRANSFER_GAS), (1, 100_000)] {
            for (value, sent) in [(0, 5), (1, 7)] {
                let used = TRANSFER_GAS + data_gas;
                let model: Model = if used <= limit {
                    [
                        (SENDER, account(1, FUNDS - sent - used)),
                        (RECEIVER, account(0, sent)),
                        (COINBASE, account(0, used)),
                    ]
                    .into()
                } else {
                    [(SENDER, account(0, FUNDS))].into()
                };
                let indexes = json!({"data": data, "gas": gas, "value": value});
                cases.push(json!({"hash": state_root_unhashed(model), "logs": keccak256([0xc0]), "indexes": indexes}));
            }
        }
    }
    fixture.test["post"] = json!({ "Byzantium": cases });
    let file = TestFile::parse(json!({"one": fixture.test}).to_string().as_bytes()).unwrap();
    let reports = Runner::new(ChainSpec::EWASM).run(&file);
    assert_eq!(reports.len(), 12);
    for report in reports {
        assert_eq!(report.verdict, Verdict::Passed, "{}", report.name);
    }
    // An index that names nothing is a mistake of the test.
    let mut beyond = Fixture::free("Byzantium").json();
    beyond["post"]["Byzantium"][0]["indexes"]["value"] = 1.into();
    let Verdict::Failed(difference) = verdict(&beyond) else { panic!("it ran") };
    assert_eq!(difference.note, "index 1 of value: there are 1");
}

#[test]
fn what_must_be_invalid_has_to_be() {
    let nonce = "TransactionException.NONCE_MISMATCH_TOO_HIGH";
    let invalid = || Fixture::free("Byzantium").sending("nonce", "0x09").changing_nothing();
    invalid().excepting(nonce).passes();
    // Older tests say it by the root alone.
    invalid().passes();
    let failure = Fixture::free("Byzantium").excepting(nonce).failure();
    assert!(failure.contains("it was taken") && failure.contains(nonce), "{failure}");
}

#[test]
fn a_transaction_that_cannot_be_written_down_is_invalid() {
    let too_long = format!("0x01{}", "00".repeat(32));
    let cases = [
        ("gasLimit", json!(["0x010000000000000000"])),
        ("gasPrice", json!(format!("0x01{}", "00".repeat(16)))),
        ("nonce", json!("0x010000000000000000")),
        ("value", json!([too_long])),
        ("value", json!([format!("0x:bigint {too_long}")])),
        // Types without what makes them.
        ("authorizationList", json!([])),
        ("blobVersionedHashes", json!([])),
    ];
    for (key, value) in cases {
        let fixture = Fixture::free("Prague").sending(key, value).changing_nothing();
        fixture.excepting("TransactionException.ANY").passes();
    }
    // Neither blobs nor delegations can create.
    for key in ["authorizationList", "blobVersionedHashes"] {
        let fixture = Fixture::free("Prague").sending("to", "").sending(key, json!([]));
        let failure = fixture.failure();
        assert!(failure.contains("a transaction with blobs or delegations that creates"), "{failure}");
    }
}

#[test]
fn numbers_and_bytes_may_be_written_in_any_form() {
    let free = || Fixture::free("Byzantium");
    for five in [json!("0x5"), json!("0x05"), json!("0x00000005"), json!("5"), json!("05"), json!(5)] {
        free().sending("value", json!([five])).passes();
    }
    for nothing in ["0x", "0x0", "0", "0x0000"] {
        free().sending("nonce", nothing).passes();
    }
    free().at("currentNumber", "1").at("currentGasLimit", 89_128_960).passes();
    // Four zeros and a byte that is none.
    let gas = TRANSFER_GAS + 4 * 4 + 68;
    for data in ["0x0000000001", "0000000001", "0x000000001", ":raw 0x0000000001"] {
        Fixture::paid("Byzantium", gas).sending("data", json!([data])).passes();
    }
    // Accounts may be named without 0x, and lack what they have none of.
    let mut bare = free().expecting(CONTRACT, account(0, 7));
    bare.test["pre"][hex::encode(CONTRACT)] = json!({"balance": "0x07"});
    bare.passes();
    let mut without_logs = free().json();
    without_logs["post"]["Byzantium"][0].as_object_mut().unwrap().remove("logs").unwrap();
    without_logs["post"]["Byzantium"][0].as_object_mut().unwrap().remove("indexes").unwrap();
    without_logs["_info"] = json!({"comment": "", "filledwith": "hand"});
    assert_eq!(verdict(&without_logs), Verdict::Passed);
    for (key, value) in [
        ("value", json!(["five"])),
        ("value", json!(["0xg"])),
        ("value", json!([""])),
        ("value", json!([-1])),
        ("data", json!(["0xzz"])),
        ("to", json!("0x1234")),
    ] {
        let test = json!({"one": free().sending(key, value.clone()).json()}).to_string();
        assert!(TestFile::parse(test.as_bytes()).is_err(), "{key} {value}");
    }
}

#[test]
fn a_transaction_without_a_callee_creates() {
    let created = SENDER.create(0);
    let contract = account(1, VALUE);
    let creation = || Fixture::free("Byzantium").expecting(RECEIVER, None).expecting(created, contract);
    creation().sending("to", "").passes();
    creation().sending("to", "0x").passes();
    creation().sending("to", Value::Null).passes();
    creation().without("to").passes();
    // What init code finishes is the code.
    let code = with_constants("");
    let init = {
        let data = support::ewasm::data(0, &code);
        let bytes = code.len();
        support::ewasm::contract_with(&format!("(call $finish (i32.const 0) (i32.const {bytes}))"), &data)
    };
    let contract = TrieAccount { code_hash: keccak256(code), ..contract };
    let creation = creation().sending("to", "").sending("data", json!([Bytes::from(init)]));
    creation.expecting(created, contract).passes();
}

#[test]
fn a_sender_is_named_or_has_a_key() {
    Fixture::free("Byzantium").without("secretKey").sending("sender", json!(SENDER)).passes();
    Fixture::free("Byzantium").sending("sender", json!(SENDER)).passes();
    assert_eq!(
        Fixture::free("Byzantium").without("secretKey").failure(),
        "the transaction has neither a sender nor a secret key"
    );
    assert_eq!(
        Fixture::free("Byzantium").sending("secretKey", "0x00").failure(),
        "secretKey is no key of secp256k1"
    );
}

#[test]
fn an_access_list_belongs_to_its_data() {
    let list = json!([{"address": RECEIVER, "storageKeys": ["0x00", B256::ZERO]}]);
    let with = |lists: Value, gas| Fixture::paid("Berlin", gas).sending("accessLists", lists);
    // An address costs 2,400, a slot 1,900.
    with(json!([list]), TRANSFER_GAS + 2_400 + 2 * 1_900).passes();
    with(json!([null]), TRANSFER_GAS).passes();
    with(json!([[]]), TRANSFER_GAS).passes();
    with(json!([[{"address": RECEIVER}]]), TRANSFER_GAS + 2_400).passes();
    assert_eq!(with(json!([]), TRANSFER_GAS).failure(), "index 0 of accessLists: there are 0");
    // Before Berlin there is no such transaction, however short its list.
    Fixture::free("Byzantium").sending("accessLists", json!([[]])).changing_nothing().passes();
}

#[test]
fn a_fee_is_shared_between_block_and_beneficiary() {
    let fees = |max: &str, tip: Option<&str>| {
        let mut fixture = Fixture::free("London").without("gasPrice").at("currentBaseFee", "0x0a");
        fixture.test["transaction"]["maxFeePerGas"] = max.into();
        if let Some(tip) = tip {
            fixture.test["transaction"]["maxPriorityFeePerGas"] = tip.into();
        }
        fixture
    };
    let paying = |fixture: Fixture, price, tip| {
        let coinbase = (tip > 0).then(|| account(0, tip * TRANSFER_GAS));
        fixture
            .expecting(SENDER, account(1, FUNDS - VALUE - price * TRANSFER_GAS))
            .expecting(COINBASE, coinbase)
    };
    paying(fees("0x10", Some("0x02")), 12, 2).passes();
    paying(fees("0x0b", Some("0x02")), 11, 1).passes();
    paying(fees("0x10", None), 10, 0).passes();
    fees("0x10", Some("0x11")).changing_nothing().passes();
    fees("0x09", Some("0x01")).changing_nothing().passes();
}

#[test]
fn blobs_are_paid_for_by_what_there_were_before() {
    const BLOB_GAS: u64 = 131_072;
    // By EIP-4844 the price is e to the power of this over 3,338,477, rounded down: 2.
    const TWO_WEI: &str = "0x240000";
    let hash = |first: u8| B256::with_last_byte(7) | B256::from(U256::from(first) << 248);
    let blobs = |count: usize, fee: &str| {
        let fixture = Fixture::free("Cancun").without("gasPrice").sending("maxFeePerGas", "0x00");
        fixture.sending("blobVersionedHashes", json!(vec![hash(1); count])).sending("maxFeePerBlobGas", fee)
    };
    let paying = |fixture: Fixture, wei| fixture.expecting(SENDER, account(1, FUNDS - VALUE - wei));
    paying(blobs(1, "0x01"), BLOB_GAS).passes();
    paying(blobs(3, "0x09"), 3 * BLOB_GAS).passes();
    paying(blobs(2, "0x02").at("currentExcessBlobGas", TWO_WEI), 4 * BLOB_GAS).passes();
    blobs(2, "0x01").at("currentExcessBlobGas", TWO_WEI).changing_nothing().passes();
    let version = blobs(1, "0x01").sending("blobVersionedHashes", json!([hash(2)]));
    version.changing_nothing().passes();
    let mut early = blobs(1, "0x01").changing_nothing();
    early.network = "Shanghai".into();
    early.passes();
}

#[test]
fn a_signed_delegation_gives_an_account_code() {
    let signer = PrivateKeySigner::from_bytes(&B256::repeat_byte(0x11)).unwrap();
    let delegation = |chain_id: u64, nonce: u64| {
        let authorization = Authorization { chain_id: U256::from(chain_id), address: CONTRACT, nonce };
        let signature = signer.sign_hash_sync(&authorization.signature_hash()).unwrap();
        authorization.into_signed(signature)
    };
    let written = |signed: &SignedAuthorization, parity: &str| {
        json!({
            "chainId": signed.chain_id, "address": signed.address, "nonce": format!("{:#x}", signed.nonce),
            parity: format!("{:#x}", signed.y_parity()), "r": signed.r(), "s": signed.s(), "signer": signer.address(),
        })
    };
    let code_hash = keccak256([&[0xef, 0x01, 0x00], CONTRACT.as_slice()].concat());
    let delegated = TrieAccount { nonce: 1, code_hash, ..Default::default() };
    let fixture = |list: Value| {
        let fixture = Fixture::free("Prague").without("gasPrice").sending("maxFeePerGas", "0x01");
        let gas = TRANSFER_GAS + 25_000;
        let fixture = fixture.sending("maxPriorityFeePerGas", "0x01").sending("authorizationList", list);
        fixture.expecting(SENDER, account(1, FUNDS - VALUE - gas)).expecting(COINBASE, account(0, gas))
    };
    for (chain_id, parity) in [(1, "v"), (0, "yParity")] {
        let list = json!([written(&delegation(chain_id, 0), parity)]);
        fixture(list).expecting(signer.address(), delegated).passes();
    }
    // Of another chain, or with another nonce: paid for, but nothing comes of it.
    for (chain_id, nonce) in [(2, 0), (1, 7)] {
        fixture(json!([written(&delegation(chain_id, nonce), "v")])).passes();
    }
    let mut early = fixture(json!([written(&delegation(1, 0), "v")])).changing_nothing();
    early.network = "Cancun".into();
    early.passes();
}

#[test]
fn logs_are_hashed_in_order() {
    let code = with_constants(
        "(call $log (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
         (call $log (i32.const 224) (i32.const 32) (i32.const 1) (i32.const 224) (i32.const 0) (i32.const 0) (i32.const 0))",
    );
    let address = [&[0x94], CONTRACT.as_slice()].concat();
    let one = U256::from(1).to_be_bytes::<32>();
    let first = [&[0xd7][..], &address, &[0xc0, 0x80]].concat();
    // Topics and data of 32 bytes each.
    let second = [&[0xf8, 88][..], &address, &[0xe1, 0xa0], &one, &[0xa0], &one].concat();
    let logs = [&[0xf8, 24 + 90][..], &first, &second].concat();
    let contract = TrieAccount { code_hash: keccak256(&code), ..account(0, VALUE) };
    let pre = json!({"balance": "0x00", "code": Bytes::from(code), "nonce": "0x00", "storage": {}});
    let fixture = Fixture::free("Byzantium").with(CONTRACT, pre).sending("to", json!(CONTRACT));
    let mut test = fixture.expecting(RECEIVER, None).expecting(CONTRACT, contract).json();
    test["post"]["Byzantium"][0]["logs"] = json!(keccak256(&logs));
    assert_eq!(verdict(&test), Verdict::Passed);
}
