//! `lathe db` on the data directory of a real node: dumps that come back, genesis files, repairs, pruning, copies.

#![cfg(feature = "rocksdb")]

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Output},
};

use lathe_state::{Batch, Column, RocksOptions, RocksStore, Store};
use lathe_tests::{FIRST_ADDRESS, Node, lathe_binary, quantity};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Runs `lathe db`.
fn db(arguments: &[&str], data_dir: &Path) -> Output {
    let mut command = Command::new(lathe_binary());
    command.arg("db").args(arguments).arg("--data-dir").arg(data_dir).output().expect("lathe runs")
}

/// Runs `lathe db` with `--json`; it must succeed.
fn db_json(arguments: &[&str], data_dir: &Path) -> Value {
    let output = db(&[arguments, &["--json"]].concat(), data_dir);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"))
}

/// Runs `lathe db`; it must fail. Returns what it says.
fn db_error(arguments: &[&str], data_dir: &Path) -> String {
    let output = db(arguments, data_dir);
    assert!(!output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a UTF-8 path")
}

/// Makes a chain of a contract with storage and some transfers; returns its directory.
fn chain(files: &TempDir) -> PathBuf {
    let dir = files.path().join("chain");
    let node = Node::start(&["--data-dir", text(&dir)]);
    // Init code that stores 1 to 3 in slots 1 to 3, and leaves the code 00.
    let init = "0x600160015560026002556003600355600160005360016000f3";
    let send = |mut transaction: Value| {
        transaction["from"] = json!(FIRST_ADDRESS);
        let hash = node.rpc("eth_sendTransaction", json!([transaction]));
        assert_eq!(node.rpc("eth_getTransactionReceipt", json!([hash]))["status"], "0x1");
    };
    send(json!({"data": init}));
    for n in 1..=8 {
        send(json!({"to": format!("0x{:040x}", 0x1000 + n), "value": "0x1"}));
    }
    node.kill();
    dir
}

#[test]
fn a_dump_comes_back_with_its_blocks_and_root() {
    let files = tempfile::tempdir().expect("a temporary directory");
    let dir = chain(&files);
    let dump = files.path().join("dump.jsonl");
    let report = db_json(&["dump", "--output", text(&dump)], &dir);
    assert_eq!(report["counts"]["blocks"], 10);
    let copy = files.path().join("copy");
    let loaded = db_json(&["load", text(&dump)], &copy);
    let (before, after) = (db_json(&["verify"], &dir), db_json(&["verify"], &copy));
    for field in ["block", "hash", "stateRoot", "accounts", "slots", "trieRecords", "blocks"] {
        assert_eq!(before[field], after[field], "{field}");
    }
    assert_eq!(loaded["stateRoot"], before["stateRoot"]);
    assert_eq!((&after["ok"], &after["historyRows"]), (&json!(true), &json!(0)));
    // The dump of the copy is the dump.
    let again = files.path().join("again.jsonl");
    db_json(&["dump", "--output", text(&again)], &copy);
    assert!(fs::read(&dump).expect("is there") == fs::read(&again).expect("is there"));

    // A node goes on where the dump ended: with receipts, without the state of older blocks.
    let node = Node::start(&["--data-dir", text(&copy)]);
    assert_eq!(quantity(&node.rpc("eth_blockNumber", json!([]))), 9);
    let block = node.rpc("eth_getBlockByNumber", json!(["0x1", false]));
    let receipt = node.rpc("eth_getTransactionReceipt", json!([block["transactions"][0]]));
    let contract = &receipt["contractAddress"];
    assert_eq!(node.rpc("eth_getStorageAt", json!([contract, "0x3", "latest"])), format!("0x{:064x}", 3));
    let (_, message, _) = node.rpc_error("eth_getStorageAt", json!([contract, "0x3", "0x8"]));
    assert!(message.contains("state of block 8 is not kept"), "{message}");
    let transfer = json!([{"from": FIRST_ADDRESS, "to": FIRST_ADDRESS, "value": "0x1"}]);
    node.rpc("eth_sendTransaction", transfer);
    assert_eq!(node.rpc("eth_getStorageAt", json!([contract, "0x3", "0x9"])), format!("0x{:064x}", 3));
    node.kill();
    assert_eq!(db_json(&["verify"], &copy)["ok"], true);
}

#[test]
fn a_dump_that_was_tampered_with_is_refused() {
    let files = tempfile::tempdir().expect("a temporary directory");
    let dir = chain(&files);
    let dump = files.path().join("dump.jsonl");
    db_json(&["dump", "--output", text(&dump)], &dir);
    let whole = fs::read_to_string(&dump).expect("is there");
    let lines: Vec<&str> = whole.lines().collect();
    let without = |kind: &str| {
        let start = format!("{{\"{kind}\"");
        let gone = lines.iter().position(|line| line.starts_with(&start)).expect("there is such a line");
        let mut rest = lines.clone();
        rest.remove(gone);
        rest.join("\n")
    };
    let counted = |text: &str, field: &str| {
        let at = text.rfind(field).expect("is counted") + field.len() + 2;
        let end = at + text[at..].find([',', '}']).expect("a number ends");
        let number: u64 = text[at..end].parse().expect("a number");
        format!("{}{}{}", &text[..at], number - 1, &text[end..])
    };
    let cases = [
        (lines[..lines.len() - 1].join("\n"), "without its last line"),
        (without("account"), "its last line says"),
        (counted(&without("account"), "\"accounts\""), "promises"),
        (whole.replacen("\"balance\":\"0x1\"", "\"balance\":\"0x2\"", 1), "promises"),
        (whole.replacen("\"hash\":\"0x", "\"hash\":\"0xff", 1).replacen("0xff", "0xf", 1), "line 2"),
        (whole.replacen("\"version\":1", "\"version\":9", 1), "version 9"),
        ("{}".to_owned(), "neither a dump nor a genesis file"),
    ];
    for (index, (tampered, expected)) in cases.into_iter().enumerate() {
        assert_ne!(tampered, whole, "{expected}");
        let (file, to) = (files.path().join("tampered"), files.path().join(format!("to-{index}")));
        fs::write(&file, tampered).expect("writes");
        let error = db_error(&["load", text(&file)], &to);
        assert!(error.contains(expected), "{expected}: {error}");
        // What is left of it opens as nothing.
        if to.exists() {
            let error = db_error(&["verify"], &to);
            assert!(error.contains("cut short") || error.contains("no chain"), "{error}");
        }
    }
    let error = db_error(&["load", text(&dump)], &dir);
    assert!(error.contains("not empty"), "{error}");
}

#[test]
fn a_genesis_file_of_thousands_of_accounts_starts_a_node() {
    const ACCOUNTS: u64 = 5_000;
    let files = tempfile::tempdir().expect("a temporary directory");
    let (file, dir) = (files.path().join("genesis.json"), files.path().join("chain"));
    let mut alloc: serde_json::Map<String, Value> = (0..ACCOUNTS)
        .map(|n| (format!("{:040x}", 0x10_0000 + n), json!({"balance": (n + 1).to_string()})))
        .collect();
    let storage = json!({"0x00": "0x2a", "0x01": "0x00"});
    alloc.insert(format!("0x{:040x}", 0xc0de), json!({"code": "0x00", "nonce": "0x1", "storage": storage}));
    // An account of nothing is in the state, too, as geth has it.
    alloc.insert(format!("{:040x}", 0xe0), json!({"balance": "0x0"}));
    alloc.insert(FIRST_ADDRESS.to_lowercase(), json!({"balance": "0x56bc75e2d63100000"}));
    let genesis =
        json!({"config": {"chainId": 4242, "londonBlock": 0}, "gasLimit": "0x1c9c380", "alloc": alloc});
    fs::write(&file, genesis.to_string()).expect("writes");
    let loaded = db_json(&["load", text(&file)], &dir);
    assert_eq!((&loaded["chainId"], &loaded["gasLimit"]), (&json!(4242), &json!(30_000_000)));
    let report = db_json(&["verify"], &dir);
    assert_eq!((&report["ok"], &report["accounts"]), (&json!(true), &json!(ACCOUNTS + 3)));

    let arguments = ["--data-dir", text(&dir), "--chain-id", "4242", "--block-gas-limit", "30000000"];
    let node = Node::start(&arguments);
    let balance = |n: u64| node.rpc("eth_getBalance", json!([format!("0x{:040x}", 0x10_0000 + n), "0x0"]));
    for n in [0, 1, 777, ACCOUNTS - 1] {
        assert_eq!(quantity(&balance(n)), n + 1);
    }
    let slot = node.rpc("eth_getStorageAt", json!([format!("0x{:040x}", 0xc0de), "0x0", "latest"]));
    assert_eq!(slot, format!("0x{:064x}", 42));
    node.rpc("eth_sendTransaction", json!([{"from": FIRST_ADDRESS, "to": FIRST_ADDRESS, "value": "0x1"}]));
    node.kill();
    assert_eq!(db_json(&["verify"], &dir)["block"], 1);
    // Other rules than those it was loaded with are refused.
    let output = Command::new(lathe_binary())
        .args(["node", "--port", "0", "--data-dir", text(&dir), "--chain-id", "4242"])
        .output()
        .expect("lathe runs");
    assert!(!output.status.success());

    let bad = json!({"config": {"chainId": 1}, "alloc": {(FIRST_ADDRESS): {"code": "0xef"}}});
    fs::write(&file, bad.to_string()).expect("writes");
    let error = db_error(&["load", text(&file)], &files.path().join("bad"));
    assert!(error.contains("code of account") && error.contains("ef"), "{error}");
}

#[test]
fn a_directory_is_counted_pruned_copied_and_repaired() {
    let files = tempfile::tempdir().expect("a temporary directory");
    let dir = chain(&files);
    let stats = db_json(&["stats"], &dir);
    let entries = |stats: &Value, name: &str| {
        let columns = stats["columns"].as_array().expect("a list").clone();
        let column = columns.iter().find(|column| column["name"] == name).expect("the column");
        column["entries"].as_u64().expect("a number")
    };
    assert_eq!((&stats["block"], &stats["historyStart"]), (&json!(9), &json!(0)));
    // Three of the contract, and that the program of the StylusDeployer is active.
    assert_eq!((entries(&stats, "slot"), entries(&stats, "changes"), entries(&stats, "canon")), (4, 9, 10));

    let copy = files.path().join("copy");
    assert_eq!(db_json(&["checkpoint", text(&copy)], &dir)["block"], 9);
    assert_eq!(db_json(&["verify"], &copy)["ok"], true);
    let error = db_error(&["checkpoint", text(&copy)], &dir);
    assert!(error.contains("there already"), "{error}");

    assert_eq!(db_json(&["prune", "--keep", "2"], &dir)["historyStart"], 7);
    let stats = db_json(&["stats"], &dir);
    assert_eq!((entries(&stats, "changes"), entries(&stats, "canon")), (2, 10));
    assert_eq!(db_json(&["verify"], &dir)["ok"], true);
    assert!(db_json(&["verify"], &copy)["historyRows"].as_u64() > Some(20));

    let repair = db_json(&["repair-trie"], &dir);
    assert_eq!((&repair["written"], &repair["deleted"]), (&json!(0), &json!(0)));
    for command in ["verify", "stats", "repair-trie", "cut-log"] {
        let output = db(&[command], &dir);
        assert!(output.status.success() && !output.stdout.is_empty(), "{command} prints for people");
        let error = db_error(&[command], &files.path().join("nowhere"));
        assert!(error.contains("no such directory"), "{error}");
    }
}

/// Flips a bit of the directory's newest log; returns which file it is.
fn damage_log(dir: &Path, at: usize) -> PathBuf {
    let logs = fs::read_dir(dir).expect("lists").map(|entry| entry.expect("lists").path());
    let log = logs.filter(|path| path.extension().is_some_and(|found| found == "log")).max();
    let log = log.expect("there is a log");
    let mut bytes = fs::read(&log).expect("reads");
    bytes[at] ^= 1;
    fs::write(&log, bytes).expect("writes");
    log
}

#[test]
fn a_damaged_log_is_refused_until_it_is_cut() {
    let files = tempfile::tempdir().expect("a temporary directory");
    let dir = chain(&files);
    assert_eq!(
        db_json(&["cut-log"], &dir),
        json!({"block": 9, "damage": null, "hash": db_json(&["stats"], &dir)["hash"]})
    );
    // Opening the directory has moved the blocks into tables, so that the log has only new ones.
    let node = Node::start(&["--data-dir", text(&dir)]);
    for _ in 0..4 {
        let transfer = json!([{"from": FIRST_ADDRESS, "to": FIRST_ADDRESS, "value": "0x1"}]);
        node.rpc("eth_sendTransaction", transfer);
    }
    node.kill();
    let len = fs::metadata(damage_log(&dir, 0)).expect("is there").len();
    let log = damage_log(&dir, 0);
    damage_log(&dir, usize::try_from(len / 2).expect("small"));

    let refused = |error: String| {
        assert!(error.contains(text(&log)) && error.contains("is damaged at byte"), "{error}");
        assert!(error.contains("`lathe db cut-log`"), "{error}");
    };
    refused(db_error(&["verify"], &dir));
    let node = Command::new(lathe_binary()).args(["node", "--port", "0", "--data-dir", text(&dir)]).output();
    refused(String::from_utf8_lossy(&node.expect("lathe runs").stderr).into_owned());
    let cut = db_json(&["cut-log"], &dir);
    refused(cut["damage"].as_str().expect("there is damage").to_owned());
    let block = cut["block"].as_u64().expect("a number");
    assert!((9..13).contains(&block), "{cut}");
    let report = db_json(&["verify"], &dir);
    assert_eq!((&report["ok"], &report["block"]), (&json!(true), &json!(block)));
}

/// Directories that nobody should give, and what a node says to each.
#[test]
fn a_node_refuses_a_directory_that_is_not_a_whole_database_of_its_own() {
    let files = tempfile::tempdir().expect("a temporary directory");
    let start = |dir: &Path| {
        let output = Command::new(lathe_binary())
            .args(["node", "--port", "0", "--data-dir", text(dir)])
            .output()
            .expect("lathe runs");
        assert_eq!(output.status.code(), Some(1), "{}", dir.display());
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.contains(text(dir)), "the directory is named: {error}");
        error
    };
    let file = files.path().join("file");
    fs::write(&file, "text").expect("writes");
    assert!(start(&file).contains("Not a directory"));
    assert_eq!(fs::read_to_string(&file).expect("is there"), "text");

    let below = file.join("below");
    assert!(start(&below).contains("Not a directory"));

    let dir = chain(&files);
    for (name, what) in [("CURRENT", "CURRENT is not"), ("MANIFEST", "MANIFEST")] {
        let copy = files.path().join(format!("without-{name}"));
        fs::create_dir(&copy).expect("makes");
        for entry in fs::read_dir(&dir).expect("lists") {
            let entry = entry.expect("lists");
            if !entry.file_name().to_string_lossy().starts_with(name) {
                fs::copy(entry.path(), copy.join(entry.file_name())).expect("copies");
            }
        }
        let count = || fs::read_dir(&copy).expect("lists").count();
        let before = count();
        let error = start(&copy);
        assert!(error.contains(what), "{error}");
        assert!(count() >= before, "nothing was deleted");
    }
    // The one they were copied from is whole.
    assert_eq!(db_json(&["verify"], &dir)["ok"], true);
}

/// Runs `lathe db` from a copy of the binary as a user who is not root, whom permissions would not stop.
fn db_as_nobody(arguments: &[&str], data_dir: &Path, files: &Path) -> Output {
    /// `nobody`, on Debian and elsewhere.
    const NOBODY: u32 = 65_534;
    let binary = files.join("lathe");
    if !binary.exists() {
        fs::copy(lathe_binary(), &binary).expect("copies");
    }
    let mut command = Command::new(binary);
    command.arg("db").args(arguments).arg("--data-dir").arg(data_dir);
    let am_root = fs::metadata("/proc/self").expect("there is a process").uid() == 0;
    if am_root {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.output().expect("lathe runs")
}

#[test]
fn whoever_cannot_open_a_directory_is_told_why_and_what_to_do() {
    let files = tempfile::tempdir().expect("a temporary directory");
    fs::set_permissions(files.path(), fs::Permissions::from_mode(0o755)).expect("is ours");
    let dir = chain(&files);
    let refused = |output: Output, words: [&str; 2]| {
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(output.stdout.is_empty(), "{error}");
        for word in words {
            assert!(error.contains(word), "{word}: {error}");
        }
    };

    let node = Node::start(&["--data-dir", text(&dir)]);
    for command in
        [&["verify"][..], &["stats"], &["prune", "--keep", "1"], &["repair-trie"], &["dump"], &["cut-log"]]
    {
        refused(db(command, &dir), [text(&dir), "a node or another command has it open: stop that first"]);
    }
    node.kill();

    let advice = "must be able to read and write the directory";
    for mode in [0o000, 0o555] {
        fs::set_permissions(&dir, fs::Permissions::from_mode(mode)).expect("is ours");
        refused(db_as_nobody(&["verify"], &dir, files.path()), ["Permission denied", advice]);
    }
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).expect("is ours");

    // Of a later build.
    let later = files.path().join("later");
    assert_eq!(db_json(&["checkpoint", text(&later)], &dir)["block"], 9);
    let store = RocksStore::open(&later, RocksOptions::default()).expect("opens");
    let mut batch = Batch::new();
    // The version of the record, then the schema's as a SCALE compact integer.
    batch.put(Column::Meta, "schema_version", [1, 0x8d, 0x01]);
    store.write(batch).expect("writes");
    drop(store);
    refused(db(&["verify"], &later), ["schema version 99", "use the build that made it"]);

    // Nothing of ours, and nothing is made there.
    let notes = files.path().join("notes");
    fs::create_dir(&notes).expect("makes");
    fs::write(notes.join("notes.txt"), "text").expect("writes");
    for command in [&["verify"][..], &["stats"], &["cut-log"]] {
        refused(db(command, &notes), [text(&notes), "there is no chain in this directory"]);
    }
    assert_eq!(fs::read_dir(&notes).expect("lists").count(), 1);
    refused(db(&["verify"], &notes.join("notes.txt")), ["notes.txt", "Not a directory"]);
    // The chain is as it was.
    assert_eq!(db_json(&["verify"], &dir)["ok"], true);
}
