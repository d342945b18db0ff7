//! A chain's rules as a file: TOML, of which every key has a default, that of the devnet.
//!
//! [`print()`] writes a specification with what each key means; [`parse`] reads it back. Mistakes name the key, its value,
//! and what it may be.

use std::{collections::BTreeMap, fmt::Write as _};

use lathe_vm::{Features, Limit, Limits, Rules, Schedule};
use serde::Deserialize;

use super::{CHAIN_ID_MAX, ChainSpec, FirstBlock};
use crate::runtime::{Fork, Interfaces};

/// The least gas that a block can have: a transfer.
const BLOCK_GAS_LIMIT_MIN: u64 = 21_000;
/// The most gas that a block can have: what Ethereum's clients agree on (EIP-1985).
const BLOCK_GAS_LIMIT_MAX: u64 = i64::MAX.cast_unsigned();
/// The name of the profile whose instructions have prices.
const METERED: &str = "metered";
/// The name of the profile whose instructions are counted.
const ZERO_INSTRUCTION: &str = "zero-instruction";

/// Why a file is no specification of a chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// It is no TOML, or has keys that mean nothing, or values of the wrong type.
    #[error("{0}")]
    Toml(String),
    /// A value is not what it may be.
    #[error("{key} is {value}: {expected}")]
    Value {
        /// The key, with its table.
        key: String,
        /// Its value.
        value: String,
        /// What it may be.
        expected: String,
    },
}

impl SpecError {
    fn value(key: impl Into<String>, value: impl ToString, expected: impl Into<String>) -> Self {
        Self::Value { key: key.into(), value: value.to_string(), expected: expected.into() }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    chain_id: Option<u64>,
    block_gas_limit: Option<u64>,
    fork: Option<String>,
    keccak_precompile: Option<bool>,
    profile: Option<String>,
    gas_schedule: Option<u32>,
    features: Option<String>,
    start_function: Option<bool>,
    #[serde(default)]
    interfaces: InterfacesTable,
    #[serde(default)]
    limits: BTreeMap<String, u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct InterfacesTable {
    evm: Option<bool>,
    vm_hooks: Option<bool>,
    ethereum: Option<bool>,
    debug: Option<bool>,
}

/// Reads a specification.
pub fn parse(text: &str) -> Result<ChainSpec, SpecError> {
    let file: File = toml::from_str(text).map_err(|error| SpecError::Toml(error.to_string()))?;
    let devnet = ChainSpec::DEVNET;
    let rules = Rules {
        features: features(file.features)?,
        limits: limits(&file.limits)?,
        start_function: file.start_function.unwrap_or(devnet.rules.start_function),
        schedule: schedule(file.profile, file.gas_schedule)?,
    };
    let fork = fork(file.fork)?;
    let table = file.interfaces;
    let interfaces = Interfaces {
        evm: table.evm.unwrap_or(devnet.interfaces.evm),
        vm_hooks: table.vm_hooks.unwrap_or(devnet.interfaces.vm_hooks),
        ethereum: table.ethereum.unwrap_or(devnet.interfaces.ethereum),
        debug: table.debug.unwrap_or(devnet.interfaces.debug),
    };
    if interfaces.vm_hooks && fork < Fork::Cancun {
        return Err(SpecError::value(
            "interfaces.vm_hooks",
            true,
            format!(
                "programs have transient storage, so fork must be cancun or later, and it is {}",
                fork.name()
            ),
        ));
    }
    let gas_limit = file.block_gas_limit.unwrap_or(devnet.gas_limit);
    if !(BLOCK_GAS_LIMIT_MIN..=BLOCK_GAS_LIMIT_MAX).contains(&gas_limit) {
        let expected = format!("it must be from {BLOCK_GAS_LIMIT_MIN} to {BLOCK_GAS_LIMIT_MAX}");
        return Err(SpecError::value("block_gas_limit", gas_limit, expected));
    }
    Ok(ChainSpec {
        chain_id: chain_id(file.chain_id.unwrap_or(devnet.chain_id))?,
        gas_limit,
        fork,
        interfaces,
        keccak_precompile: file.keccak_precompile.unwrap_or(devnet.keccak_precompile),
        evm_code_bytes_max: devnet.evm_code_bytes_max,
        create2_factory: devnet.create2_factory,
        rules,
        accounts: Vec::new(),
        first: FirstBlock::DEVNET,
    })
}

fn chain_id(id: u64) -> Result<u64, SpecError> {
    match id {
        1..=CHAIN_ID_MAX => Ok(id),
        _ => Err(SpecError::value("chain_id", id, format!("it must be from 1 to {CHAIN_ID_MAX}"))),
    }
}

fn fork(name: Option<String>) -> Result<Fork, SpecError> {
    let Some(name) = name else { return Ok(ChainSpec::DEVNET.fork) };
    Fork::find(&name).ok_or_else(|| {
        let known: Vec<_> = Fork::ALL.iter().map(|fork| fork.name()).collect();
        SpecError::value("fork", format!("{name:?}"), format!("it must be one of {}", known.join(", ")))
    })
}

fn features(name: Option<String>) -> Result<Features, SpecError> {
    let Some(name) = name else { return Ok(ChainSpec::DEVNET.rules.features) };
    let found = Features::VERSIONS.iter().find(|(version, _)| *version == name);
    found.map(|&(_, features)| features).ok_or_else(|| {
        let known: Vec<_> = Features::VERSIONS.iter().map(|(version, _)| *version).collect();
        SpecError::value("features", format!("{name:?}"), format!("it must be one of {}", known.join(", ")))
    })
}

fn schedule(profile: Option<String>, version: Option<u32>) -> Result<&'static Schedule, SpecError> {
    let schedule = match profile.as_deref() {
        None | Some(METERED) => ChainSpec::DEVNET.rules.schedule,
        Some(ZERO_INSTRUCTION) => &Schedule::ZERO_INSTRUCTION,
        Some(other) => {
            let expected = format!("it must be {METERED} or {ZERO_INSTRUCTION}");
            return Err(SpecError::value("profile", format!("{other:?}"), expected));
        }
    };
    match version {
        Some(version) if version != schedule.version => {
            let expected = format!("this build has version {} for this profile", schedule.version);
            Err(SpecError::value("gas_schedule", version, expected))
        }
        _ => Ok(schedule),
    }
}

fn limits(given: &BTreeMap<String, u64>) -> Result<Limits, SpecError> {
    let mut limits = ChainSpec::DEVNET.rules.limits;
    for (name, &value) in given {
        let key = format!("limits.{name}");
        let Some(&limit) = Limit::ALL.iter().find(|limit| limit.name() == name) else {
            let known: Vec<_> = Limit::ALL.iter().map(|limit| limit.name()).collect();
            return Err(SpecError::value(key, value, format!("the limits are {}", known.join(", "))));
        };
        let most = Limits::UNBOUNDED.get(limit);
        match u32::try_from(value) {
            Ok(value) if value <= most => limits.set(limit, value),
            _ => return Err(SpecError::value(key, value, format!("it must be at most {most}"))),
        }
    }
    Ok(limits)
}

/// Writes a specification, with what each key means.
pub fn print(spec: &ChainSpec) -> String {
    let ChainSpec { chain_id, gas_limit, fork, interfaces, keccak_precompile, rules, .. } = spec;
    let Rules { features, limits, start_function, schedule } = rules;
    let forks: Vec<_> = Fork::ALL.iter().map(|fork| fork.name()).collect();
    let version = Features::VERSIONS.iter().find(|(_, set)| set == features);
    let version = version.map_or("v1", |(version, _)| *version);
    let profile = if schedule.steps_max.is_none() { METERED } else { ZERO_INSTRUCTION };
    let Interfaces { evm, vm_hooks, ethereum, debug } = interfaces;
    let mut text = format!(
        "# The rules of a chain. A key that is left out has the devnet's value.\n\
         \n\
         # Stands in signatures (EIP-155).\n\
         chain_id = {chain_id}\n\
         # Gas that all transactions of a block together may use.\n\
         block_gas_limit = {gas_limit}\n\
         # Ethereum's rules of transactions, prices of state and calls, precompiles, opcodes:\n\
         # {forks}.\n\
         fork = \"{fork}\"\n\
         # Whether address 9 hashes with Keccak-256, as on the test networks of ewasm, in the place of BLAKE2b.\n\
         keccak_precompile = {keccak_precompile}\n\
         \n\
         # metered: each Wasm instruction has its price. zero-instruction: instructions cost nothing and a transaction stops\n\
         # after 2^32 of them; for `lathe statetest` and `lathe run`.\n\
         profile = \"{profile}\"\n\
         # The version of the profile's gas schedule; a build has one of each.\n\
         gas_schedule = {schedule}\n\
         # The set of Wasm proposals: wasm-1, wasm-2, or v1, which is wasm-2, tail calls and extended constants.\n\
         features = \"{version}\"\n\
         # Whether modules may have a start function.\n\
         start_function = {start_function}\n\
         \n\
         # What contracts the chain runs.\n\
         [interfaces]\n\
         # EVM bytecode.\n\
         evm = {evm}\n\
         # Stylus programs: `user_entrypoint`, imports from `vm_hooks`.\n\
         vm_hooks = {vm_hooks}\n\
         # EEI contracts: `main`, imports from `ethereum`.\n\
         ethereum = {ethereum}\n\
         # Imports from `debug`, which write to the node's log.\n\
         debug = {debug}\n\
         \n\
         # What modules and computations may have at most.\n\
         [limits]\n",
        forks = forks.join(", "),
        fork = fork.name(),
        schedule = schedule.version,
    );
    for &limit in Limit::ALL {
        let (name, value, noun) = (limit.name(), limits.get(limit), limit.noun());
        writeln!(text, "{name} = {value}  # {noun}").expect("a String takes everything");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_reads_as_the_same_chain() {
        for spec in [ChainSpec::DEVNET, ChainSpec::EWASM] {
            let text = print(&spec);
            assert_eq!(parse(&text), Ok(spec), "{text}");
        }
    }

    #[test]
    fn what_is_left_out_is_the_devnets() {
        assert_eq!(parse(""), Ok(ChainSpec::DEVNET));
        let spec = parse("chain_id = 5\n[limits]\nlocals = 100\n").expect("a chain");
        assert_eq!((spec.chain_id, spec.rules.limits.locals), (5, 100));
        assert_ne!(spec.hash(), ChainSpec { chain_id: 5, ..ChainSpec::DEVNET }.hash());
    }

    #[test]
    fn a_mistake_names_key_value_and_limit() {
        let cases = [
            ("chain_id = 0", "chain_id is 0: it must be from 1 to 9223372036854775789"),
            (
                "block_gas_limit = 20_999",
                "block_gas_limit is 20999: it must be from 21000 to 9223372036854775807",
            ),
            ("fork = \"homestead\"", "fork is \"homestead\": it must be one of byzantium, petersburg"),
            ("profile = \"free\"", "profile is \"free\": it must be metered or zero-instruction"),
            ("gas_schedule = 99", "gas_schedule is 99: this build has version"),
            ("features = \"wasm-9\"", "features is \"wasm-9\": it must be one of wasm-1, wasm-2, v1"),
            ("[limits]\nlocals = 16385", "limits.locals is 16385: it must be at most 16384"),
            ("[limits]\nlocal = 1", "limits.local is 1: the limits are module_bytes, "),
            ("[limits]\ntypes = 4294967296", "limits.types is 4294967296: it must be at most 4294967295"),
            ("fork = \"london\"", "interfaces.vm_hooks is true: programs have transient storage"),
            ("gaslimit = 1", "unknown field `gaslimit`"),
            ("[interfaces]\neei = true", "unknown field `eei`"),
            ("chain_id = \"1\"", "invalid type: string"),
            ("chain_id = ", "line 1"),
        ];
        for (text, message) in cases {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
    }
}
