//! The command line as a process: a node is started, a contract deployed and called, and mistakes are reported.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

/// Returns its calldata after the selector, so that SCALE results equal SCALE arguments; traps without calldata.
const ECHO: &str = r#"(module
    (import "vm_hooks" "read_args" (func $read_args (param i32)))
    (import "vm_hooks" "write_result" (func $write_result (param i32 i32)))
    (memory (export "memory") 1)
    (func (export "user_entrypoint") (param $length i32) (result i32)
        (if (i32.lt_u (local.get $length) (i32.const 4)) (then unreachable))
        (call $read_args (i32.const 0))
        (call $write_result (i32.const 4) (i32.sub (local.get $length) (i32.const 4)))
        (i32.const 0)))"#;

struct Node {
    process: Child,
    banner: Value,
    files: tempfile::TempDir,
}

impl Node {
    fn start() -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_lathe"))
            .args(["node", "--port", "0", "--json", "--accounts", "2"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a start-up message");
        let banner = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        Self { process, banner, files: tempfile::tempdir().expect("a temporary directory") }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let url = self.banner["rpcUrl"].as_str().expect("a URL");
        lathe(arguments, url)
    }

    /// Returns what a command that must succeed prints.
    fn prints(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).expect("text").trim_end().to_owned()
    }

    fn module(&self, text: &str) -> PathBuf {
        let path = self.files.path().join("contract.wasm");
        std::fs::write(&path, wat::parse_str(text).expect("a module")).expect("a file");
        path
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn lathe(arguments: &[&str], url: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lathe"));
    command.args(arguments).env("ETH_RPC_URL", url).output().expect("the binary starts")
}

#[test]
fn a_contract_is_deployed_called_and_sent_to() {
    let node = Node::start();
    assert_eq!(node.banner["chainId"], 31337);
    assert_eq!(node.banner["accounts"].as_array().map(Vec::len), Some(2));
    let path = node.module(ECHO);
    let path = path.to_str().expect("a path");
    let deployed: Value = serde_json::from_str(&node.prints(&["deploy", path, "--json"])).expect("JSON");
    let address = deployed["address"].as_str().expect("an address");
    assert!(
        node.prints(&["deploy", path, "--from-account", "1", "--no-compress"]).starts_with("address      0x")
    );

    for (arguments, printed) in [
        (&["f(str)->str", "hello", "--scale"][..], "hello"),
        (&["f(u8,Option<str>)->(u8,Option<str>)", "7", r#"some("x")"#, "--scale"], r#"(7, some("x"))"#),
        (&["f(i32)->i32", "-5", "--scale"], "-5"),
        (&["f(u8)", "255", "--scale"], "0xff"),
        (&["f(uint256,string)->(uint256,string)", "1", "a"], r#"(1, "a")"#),
        (&["f(uint256)(uint256)", "1"], "1"),
        (
            &["f(Vec<u64>)->Vec<u64>", "[1, 18446744073709551615]", "--json", "--scale"],
            r#"[1,"18446744073709551615"]"#,
        ),
    ] {
        assert_eq!(node.prints(&[&["call", address], arguments].concat()), printed, "{arguments:?}");
    }
    assert!(
        node.prints(&["send", address, "f(string)", "x", "--value", "1gwei"]).starts_with("transaction  0x")
    );
    let calldata = node.prints(&["encode", "f(str)", "x", "--scale"]);
    assert_eq!(node.prints(&["decode", "str", &format!("0x{}", &calldata[10..]), "--scale"]), "x");
    assert!(node.prints(&["envelope", path]).starts_with("0xef4c01"));
}

/// Keeps the first word of its constructor's arguments, and returns it.
const KEEPER: &str = r#"(module
    (import "vm_hooks" "read_args" (func $read_args (param i32)))
    (import "vm_hooks" "write_result" (func $write_result (param i32 i32)))
    (import "vm_hooks" "storage_load_bytes32" (func $load (param i32 i32)))
    (import "vm_hooks" "storage_cache_bytes32" (func $cache (param i32 i32)))
    (import "vm_hooks" "storage_flush_cache" (func $flush (param i32)))
    (memory (export "memory") 1)
    (func (export "user_entrypoint") (param $length i32) (result i32)
        (call $read_args (i32.const 124))
        (if (i32.eq (i32.load (i32.const 124)) (i32.const 0x8D258555)) (then
            (call $cache (i32.const 0) (i32.const 128))
            (call $flush (i32.const 0))
            (return (i32.const 0))))
        (call $load (i32.const 0) (i32.const 64))
        (call $write_result (i32.const 64) (i32.const 32))
        (i32.const 0)))"#;

#[test]
fn a_constructor_is_given_its_arguments_by_signature() {
    let node = Node::start();
    let path = node.module(KEEPER);
    let path = path.to_str().expect("a path");
    for (arguments, kept) in [
        (&["--constructor", "init(uint256)", "42"][..], "42"),
        (&["--constructor", "init(uint256,int8)", "--compress", "43", "-1"], "43"),
        // Thirty-two bytes are one word, in either encoding.
        (&["--constructor", "init([u8; 32])", "--scale", &format!("0x{}07", "00".repeat(31))], "7"),
    ] {
        let output = node.run(&[&["deploy", path, "--json"], arguments].concat());
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        let estimate = String::from_utf8_lossy(&output.stderr);
        assert!(estimate.starts_with("estimate     ") && estimate.contains(" ether at "), "{estimate}");
        let deployed: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let address = deployed["address"].as_str().expect("an address");
        assert_eq!(node.prints(&["call", address, "get()(uint256)"]), kept, "{arguments:?}");
    }
    for (arguments, message) in [
        (&["deploy", path, "--constructor", "init(uint256)"][..], "init takes 1 arguments, got 0"),
        (&["deploy", path, "7"], "--constructor"),
    ] {
        let output = node.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(message), "{output:?}");
    }
    // Whoever sends an envelope may append the arguments.
    let creation = node.prints(&["envelope", path, "--constructor", "init(uint256)", "--no-compress"]);
    assert!(creation.starts_with("0xef4c0102"), "{creation}");
}

#[test]
fn a_module_beyond_a_command_line_s_limit_is_deployed() {
    let node = Node::start();
    let mut state = 1u64;
    // Noise does not compress: the transaction is as long as the module.
    let noise: String = (0..200_000)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            format!("\\{:02x}", state >> 56)
        })
        .collect();
    let path = node.module(&ECHO.replace(
        "(memory (export \"memory\") 1)",
        &format!("(memory (export \"memory\") 4) (data (i32.const 0) \"{noise}\")"),
    ));
    let deployed = node.prints(&["deploy", path.to_str().expect("a path"), "--json"]);
    let deployed: Value = serde_json::from_str(&deployed).expect("JSON");
    assert!(deployed["codeSize"].as_u64() > Some(200_000), "{deployed}");
    let address = deployed["address"].as_str().expect("an address");
    assert_eq!(node.prints(&["call", address, "f(uint256)(uint256)", "9"]), "9");
}

#[test]
fn mistakes_are_reported_on_standard_error() {
    let node = Node::start();
    let path = node.module(ECHO);
    let path = path.to_str().expect("a path");
    let nobody = "0x00000000000000000000000000000000000000ff";
    let address = node.prints(&["deploy", path, "--json"]);
    let address: Value = serde_json::from_str(&address).expect("JSON");
    let address = address["address"].as_str().expect("an address");
    let table: [(&[&str], i32, &str); 13] = [
        (&["deploy", "/nowhere.wasm"], 1, "/nowhere.wasm: No such file"),
        (&["deploy", "/dev/null"], 2, "not a Wasm module"),
        (&["deploy", path, "--private-key", "0x12"], 2, "--private-key: expected 32 bytes of hex"),
        (&["deploy", path, "--value", "1000000ether"], 1, "insufficient funds"),
        (&["deploy", path, "--gas-limit", "30000"], 1, "intrinsic gas too low"),
        (&["call", nobody, "f()"], 1, "there is no contract at 0x0000"),
        (&["call", address, "f(str)->u8", "hello", "--scale"], 1, "bytes of 6 are left over"),
        (&["call", address, "f(u8)", "--scale"], 2, "f takes 1 arguments, got 0"),
        (&["call", address, "f(u8)", "256", "--scale"], 2, "needs more than 8 bits"),
        (&["call", address, "f(u7)", "1", "--scale"], 2, "unknown type \"u7\""),
        (&["call", address, "f", "1"], 2, "no ("),
        (&["call", address, "f()", "--rpc-url", "https://example.test"], 2, "https is not supported"),
        (&["call", address, "f()", "--rpc-url", "http://127.0.0.1:1"], 1, "cannot connect"),
    ];
    for (arguments, status, message) in table {
        let output = node.run(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {error}");
        assert!(error.contains(message), "{arguments:?}: {error}");
        assert!(output.stdout.is_empty(), "{arguments:?}: {output:?}");
    }
}

#[test]
fn a_node_that_would_give_its_keys_to_the_network_does_not_start() {
    let output = lathe(&["node", "--host", "0.0.0.0", "--port", "0"], "");
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("--allow-dev-keys-on-network"), "{error}");
}

#[test]
fn a_node_ends_when_it_is_asked_to() {
    let mut node = Node::start();
    let id = node.process.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill runs").success());
    assert!(node.process.wait().expect("the process ends").success());
}

/// Doubles the number it is sent, as Solidity's ABI has it.
const DOUBLE: &str = r#"(module
    (import "ethereum" "callDataCopy" (func $callDataCopy (param i32 i32 i32)))
    (import "ethereum" "finish" (func $finish (param i32 i32)))
    (memory (export "memory") 1)
    (func (export "main")
        (call $callDataCopy (i32.const 0) (i32.const 4) (i32.const 32))
        (i32.store8 (i32.const 31) (i32.shl (i32.load8_u (i32.const 31)) (i32.const 1)))
        (call $finish (i32.const 0) (i32.const 32))))"#;

#[test]
fn an_eei_contract_is_deployed_itself_or_by_its_init_code() {
    let node = Node::start();
    let double = wat::parse_str(DOUBLE).expect("a module");
    let escaped: String = double.iter().map(|byte| format!("\\{byte:02x}")).collect();
    let init = format!(
        r#"(module
            (import "ethereum" "finish" (func $finish (param i32 i32)))
            (memory (export "memory") 1)
            (data (i32.const 64) "{escaped}")
            (func (export "main") (call $finish (i32.const 64) (i32.const {}))))"#,
        double.len()
    );
    for (text, flag) in [(DOUBLE, None), (&init, Some("--init"))] {
        let path = node.module(text);
        let path = path.to_str().expect("a path");
        let arguments: Vec<&str> = ["deploy", path, "--json"].into_iter().chain(flag).collect();
        let deployed: Value = serde_json::from_str(&node.prints(&arguments)).expect("JSON");
        let address = deployed["address"].as_str().expect("an address");
        assert_eq!(deployed["codeSize"], double.len(), "{deployed}");
        assert_eq!(node.prints(&["call", address, "double(uint8)(uint8)", "21"]), "42");
    }
    let program = node.module(ECHO);
    let program = program.to_str().expect("a path").to_owned();
    for (arguments, error) in [
        (vec!["deploy", &program, "--init"], "--init takes an EEI contract's init code"),
        (vec!["deploy", &program, "--init", "--constructor", "f()"], "cannot be used with"),
    ] {
        let output = node.run(&arguments);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(error), "{output:?}");
    }
    let double = node.module(DOUBLE);
    let output = node.run(&["deploy", double.to_str().expect("a path"), "--constructor", "f()"]);
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("has no constructor but its init code"),
        "{output:?}"
    );
}
