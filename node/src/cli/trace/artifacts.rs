//! ABIs of contracts, and what calldata, logs and errors mean by them.
//!
//! A function is looked for in the ABI of its contract if that is known, then in all, and is the first whose types the
//! data fits. What fits nothing stays bytes.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::{Path, PathBuf},
};

use alloy_dyn_abi::{DynSolValue, EventExt, FunctionExt, JsonAbiExt};
use alloy_json_abi::{Error, Event, Function, JsonAbi, Param};
use alloy_primitives::{Address, B256, Bytes, keccak256};
use serde_json::Value as Json;

use super::{
    super::{abi::value_of, error::CliError, value::Value},
    known::{CONTRACTS, INTERFACES},
};
use crate::runtime::code::{Creation, module_of};

/// Files of a directory that are looked at. A project of thousands of contracts has fewer.
const FILES_MAX: usize = 20_000;
/// How deep directories nest.
const DEPTH_MAX: usize = 16;
/// Contracts that are known by address: each is a word and a name.
const CONTRACTS_MAX: usize = 65_536;
/// Bytes of calldata, a log or an error that are decoded. Values may overlap in an encoding, so that what is decoded of nested
/// lists grows by powers of this.
const DECODED_BYTES_MAX: usize = 8 << 10;
/// Bytes of a file that is read. Artifacts with their sources take less.
const FILE_BYTES_MAX: u64 = 32 << 20;

/// Bytes of a module that is looked at: the limit of the devnet.
const MODULE_BYTES_MAX: usize = 512 << 10;

/// The ABIs that are known.
#[derive(Debug, Default)]
pub(in crate::cli) struct Artifacts {
    /// By name.
    abis: BTreeMap<String, JsonAbi>,
    functions: HashMap<[u8; 4], Vec<(String, Function)>>,
    events: HashMap<B256, Vec<Event>>,
    errors: HashMap<[u8; 4], Vec<Error>>,
    /// Names of contracts.
    contracts: HashMap<Address, String>,
    /// Creation data of EVM contracts without constructor arguments, and their names.
    codes: Vec<(Bytes, String)>,
    /// Hashes of modules of Wasm contracts, and their names.
    modules: HashMap<B256, String>,
}

/// Something with a name and values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Decoded {
    /// The contract whose ABI says so.
    pub(in crate::cli) contract: Option<String>,
    /// The name of the function, event or error.
    pub(in crate::cli) name: String,
    /// The values, with their names if they have any.
    pub(in crate::cli) values: Vec<(String, Value)>,
    /// The function, if it is one.
    function: Option<Function>,
}

impl Artifacts {
    /// Returns the ABIs that everybody has.
    pub(in crate::cli) fn built_in() -> Self {
        let mut artifacts = Self::default();
        for (name, items) in INTERFACES {
            let abi = JsonAbi::parse(items.iter().copied());
            artifacts.add(name, abi.expect("what is built in parses, as a test checks"));
        }
        artifacts.contracts =
            CONTRACTS.iter().map(|(address, name)| (*address, (*name).to_owned())).collect();
        artifacts
    }

    /// Adds the ABIs in the JSON files of a directory and those inside it. Files that hold none are passed over.
    pub(in crate::cli) fn add_directory(&mut self, directory: &Path) -> Result<(), CliError> {
        let mut directories = vec![(directory.to_owned(), 0)];
        let mut files: Vec<PathBuf> = Vec::new();
        while let Some((directory, depth)) = directories.pop() {
            let failed = |error| CliError::file(&directory, error);
            for entry in fs::read_dir(&directory).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let kind = entry.file_type().map_err(failed)?;
                let path = entry.path();
                if kind.is_dir() && depth < DEPTH_MAX {
                    directories.push((path, depth + 1));
                } else if kind.is_file() && path.extension().is_some_and(|extension| extension == "json") {
                    files.push(path);
                }
                if files.len() > FILES_MAX {
                    return Err(CliError::Usage(format!(
                        "--artifacts {}: there are more than {FILES_MAX} JSON files; name the directory of the artifacts",
                        directory.display()
                    )));
                }
            }
        }
        // The order of a directory is nobody's.
        files.sort();
        let known = self.abis.len();
        for file in files {
            let failed = |error| CliError::file(&file, error);
            if fs::metadata(&file).map_err(failed)?.len() > FILE_BYTES_MAX {
                continue;
            }
            let text = fs::read_to_string(&file).map_err(failed)?;
            if let Some((name, abi, code)) = artifact(&file, &text) {
                self.add(&name, abi);
                if let Some(module) = module_beside(&file, &name) {
                    self.modules.insert(keccak256(module), name.clone());
                }
                self.codes.extend(code.map(|code| (code, name)));
            }
        }
        if self.abis.len() == known {
            return Err(CliError::Usage(format!(
                "--artifacts {}: no JSON file there holds an ABI",
                directory.display()
            )));
        }
        Ok(())
    }

    /// Says which ABI a contract has.
    pub(in crate::cli) fn name_contract(&mut self, address: Address, name: &str) -> Result<(), CliError> {
        if !self.abis.contains_key(name) {
            let known: Vec<_> = self.abis.keys().map(String::as_str).collect();
            let why =
                format!("--contract {address}={name}: there is no such ABI; there are {}", known.join(", "));
            return Err(CliError::Usage(why));
        }
        self.contracts.insert(address, name.to_owned());
        Ok(())
    }

    /// Names a contract that is seen to be one of those whose creation data is known; returns the name.
    pub(in crate::cli) fn learn(&mut self, address: Address, creation: &[u8]) -> Option<&str> {
        let codes = self.codes.iter();
        let name = codes.filter(|(code, _)| creation.starts_with(code)).max_by_key(|(code, _)| code.len());
        let name = name.map(|(_, name)| name.clone()).or_else(|| self.name_of_module(creation))?;
        if self.contracts.len() < CONTRACTS_MAX {
            self.contracts.insert(address, name);
        }
        self.contract(address)
    }

    /// Returns the name of the Wasm contract that creation data carries.
    fn name_of_module(&self, creation: &[u8]) -> Option<String> {
        if self.modules.is_empty() {
            return None;
        }
        let Ok(Creation::Program { code, .. }) = Creation::parse(creation) else { return None };
        let module = module_of(&code, MODULE_BYTES_MAX).ok()?;
        self.modules.get(&keccak256(module)).cloned()
    }

    fn add(&mut self, name: &str, abi: JsonAbi) {
        // Artifacts come before what is built in: they know names of arguments.
        for function in abi.functions() {
            let same = self.functions.entry(function.selector().0).or_default();
            same.insert(0, (name.to_owned(), function.clone()));
        }
        for event in abi.events() {
            self.events.entry(event.selector()).or_default().insert(0, event.clone());
        }
        for error in abi.errors() {
            self.errors.entry(error.selector().0).or_default().insert(0, error.clone());
        }
        self.abis.insert(name.to_owned(), abi);
    }

    /// Returns the name of a contract.
    pub(in crate::cli) fn contract(&self, address: Address) -> Option<&str> {
        self.contracts.get(&address).map(String::as_str)
    }

    /// Returns the names of the functions with this selector: in the ABI of the contract if it is known, else in all.
    pub(in crate::cli) fn function_name(&self, contract: Address, selector: [u8; 4]) -> Option<String> {
        let functions = self.functions.get(&selector)?;
        let own = self.contract(contract);
        let (name, function) =
            functions.iter().find(|(name, _)| Some(name.as_str()) == own).or_else(|| functions.first())?;
        Some(format!("{name}::{}", function.name))
    }

    /// Returns the function that a call of a contract means, and its arguments.
    pub(in crate::cli) fn call(&self, contract: Address, calldata: &[u8]) -> Option<Decoded> {
        let (selector, data) = split_selector(calldata)?;
        let own = self.contract(contract);
        let functions = self.functions.get(selector)?;
        let first = functions.iter().filter(|(name, _)| Some(name.as_str()) == own);
        let others = functions.iter().filter(|(name, _)| Some(name.as_str()) != own);
        first.chain(others).find_map(|(name, function)| {
            let values = function.abi_decode_input(data).ok()?;
            let values = with_names(&function.inputs, values);
            let (contract, function) = (Some(name.clone()), Some(function.clone()));
            let name = function.as_ref().map(|function| function.name.clone())?;
            Some(Decoded { contract, name, values, function })
        })
    }

    /// Returns the event that a log means.
    pub(in crate::cli) fn event(&self, topics: &[B256], data: &[u8]) -> Option<Decoded> {
        if data.len() > DECODED_BYTES_MAX {
            return None;
        }
        self.events.get(topics.first()?)?.iter().find_map(|event| {
            let decoded = event.decode_log_parts(topics.iter().copied(), data).ok()?;
            let (mut indexed, mut body) = (decoded.indexed.into_iter(), decoded.body.into_iter());
            let values = event.inputs.iter().map(|input| {
                let value = if input.indexed { indexed.next() } else { body.next() };
                Some((input.name.clone(), value_of(value?)))
            });
            let values = values.collect::<Option<_>>()?;
            Some(Decoded { contract: None, name: event.name.clone(), values, function: None })
        })
    }

    /// Returns the error that the output of a revert means.
    pub(in crate::cli) fn error(&self, output: &[u8]) -> Option<Decoded> {
        let (selector, data) = split_selector(output)?;
        self.errors.get(selector)?.iter().find_map(|error| {
            let values = error.abi_decode_input(data).ok()?;
            let values = with_names(&error.inputs, values);
            Some(Decoded { contract: None, name: error.name.clone(), values, function: None })
        })
    }
}

impl Decoded {
    /// Returns what the function returned with this output.
    pub(in crate::cli) fn output(&self, output: &[u8]) -> Option<Vec<(String, Value)>> {
        let function = self.function.as_ref()?;
        let values = function.abi_decode_output(output).ok()?;
        Some(with_names(&function.outputs, values))
    }
}

/// Splits a selector off data that is not too long to be decoded.
fn split_selector(data: &[u8]) -> Option<(&[u8; 4], &[u8])> {
    data.split_first_chunk::<4>().filter(|(_, data)| data.len() <= DECODED_BYTES_MAX)
}

fn with_names(params: &[Param], values: Vec<DynSolValue>) -> Vec<(String, Value)> {
    let names = params.iter().map(|param| param.name.clone());
    names.zip(values.into_iter().map(value_of)).collect()
}

/// Returns the Wasm module that stands beside a file and has the name of its contract.
fn module_beside(file: &Path, name: &str) -> Option<Vec<u8>> {
    let path = file.with_file_name(name).with_extension("wasm");
    let length = fs::metadata(&path).ok()?.len();
    if length > MODULE_BYTES_MAX as u64 { None } else { fs::read(path).ok() }
}

/// Returns the ABI that a file holds, the name of its contract, and its creation data if that is there.
fn artifact(path: &Path, text: &str) -> Option<(String, JsonAbi, Option<Bytes>)> {
    let json: Json = serde_json::from_str(text).ok()?;
    let (name, abi) = match &json {
        Json::Array(_) => (None, &json),
        Json::Object(members) => (members.get("contractName").and_then(Json::as_str), members.get("abi")?),
        _ => return None,
    };
    let abi: JsonAbi = serde_json::from_value(abi.clone()).ok()?;
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    // A file that is called what it is has the name of its directory.
    let directory = path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    let file_name = if stem.eq_ignore_ascii_case("abi") { directory.unwrap_or(stem) } else { stem };
    // Foundry's is an object. One that waits to be linked is not hex.
    let code = json.get("bytecode").and_then(|code| code.get("object").unwrap_or(code).as_str());
    let code = code.and_then(|code| code.parse().ok()).filter(|code: &Bytes| !code.is_empty());
    Some((name.unwrap_or(file_name).to_owned(), abi, code))
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{U256, address, hex};

    use super::*;

    const ABI: &str = r#"[{"type": "function", "name": "mint", "inputs": [{"name": "to", "type": "address"}, {"name": "lots",
        "type": "tuple[]", "components": [{"name": "id", "type": "uint256"}, {"name": "name", "type": "string"}]}],
        "outputs": [], "stateMutability": "nonpayable"}]"#;

    #[test]
    fn abis_are_found_in_the_artifacts_of_every_tool() {
        let files = tempfile::tempdir().expect("a directory");
        let write = |path: &str, text: &str| {
            let path = files.path().join(path);
            fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
            fs::write(path, text).expect("a file");
        };
        write(
            "out/Token.sol/Token.json",
            &format!(r#"{{"abi": {ABI}, "bytecode": {{"object": "0x60016002"}}}}"#),
        );
        write("artifacts/Lots.sol/Lots.json", &format!(r#"{{"contractName": "LotsToken", "abi": {ABI}}}"#));
        write("artifacts/Lots.sol/Lots.dbg.json", r#"{"buildInfo": "x"}"#);
        write("plain/abi.json", ABI);
        let module = b"\0asm\x01\0\0\0";
        fs::write(files.path().join("plain/plain.wasm"), module).expect("a file");
        write("plain/notes.json", r#"["text"]"#);
        let mut artifacts = Artifacts::built_in();
        artifacts.add_directory(files.path()).expect("artifacts");
        for name in ["Token", "LotsToken", "plain", "ERC20", "ArbWasm"] {
            assert!(artifacts.abis.contains_key(name), "{name}: {:?}", artifacts.abis.keys());
        }
        assert!(!artifacts.abis.contains_key("notes"));
        let party = Address::repeat_byte(7);
        assert_eq!(
            artifacts.learn(party, &hex!("600160020399")),
            Some("Token"),
            "with arguments behind its code"
        );
        assert_eq!(artifacts.contract(party), Some("Token"));
        assert_eq!(artifacts.learn(Address::ZERO, &hex!("60")), None);
        // A module has the name of the ABI beside it, raw or in an envelope with arguments.
        assert_eq!(artifacts.learn(Address::with_last_byte(1), module), Some("plain"));
        let envelope = [&hex!("ef4c010200000008")[..], module, &[7; 32]].concat();
        assert_eq!(artifacts.learn(Address::with_last_byte(2), &envelope), Some("plain"));
        assert_eq!(artifacts.learn(Address::with_last_byte(3), b"\0asm\x01\0\0\0\0"), None);
        let empty = tempfile::tempdir().expect("a directory");
        assert!(artifacts.add_directory(empty.path()).is_err());
    }

    #[test]
    fn events_of_one_topic_are_told_apart_by_what_is_indexed() {
        let artifacts = Artifacts::built_in();
        let topic = keccak256("Transfer(address,address,uint256)");
        let party = address!("00000000000000000000000000000000000000aa").into_word();
        let amount = B256::from(U256::from(7));
        let coins = artifacts.event(&[topic, party, party], amount.as_slice()).expect("an ERC-20 transfer");
        let thing = artifacts.event(&[topic, party, party, amount], &[]).expect("an ERC-721 transfer");
        assert_eq!((coins.values[2].0.as_str(), thing.values[2].0.as_str()), ("value", "tokenId"));
        assert!(artifacts.event(&[topic], &[]).is_none());
    }

    #[test]
    fn data_that_does_not_fit_stays_bytes() {
        let artifacts = Artifacts::built_in();
        let transfer = hex!("a9059cbb");
        assert!(artifacts.call(Address::ZERO, &transfer).is_none());
        assert!(artifacts.call(Address::ZERO, &[0xA9]).is_none());
        let whole = [&transfer[..], &[0; 64]].concat();
        let call = artifacts.call(Address::ZERO, &whole).expect("a transfer");
        assert_eq!((call.name.as_str(), call.contract.as_deref()), ("transfer", Some("ERC20")));
        assert!(call.output(&[]).is_none());
        let long = [&transfer[..], &vec![0; DECODED_BYTES_MAX + 1]].concat();
        assert!(artifacts.call(Address::ZERO, &long).is_none());
    }
}
