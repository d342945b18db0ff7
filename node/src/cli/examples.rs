//! Examples that end the help of each command.

use clap::Command;

/// Commands with lines that do something useful as they stand.
const EXAMPLES: &[(&str, &[&str])] = &[
    (
        "node",
        &[
            "lathe node",
            "lathe node --data-dir chain --block-time 2 --mixed-mining",
            "lathe node --state chain.gz --deterministic",
            "lathe node --init genesis.json --ipc /tmp/lathe.ipc",
            "lathe node --artifacts out -v",
        ],
    ),
    (
        "deploy",
        &["lathe deploy contract.wasm", "lathe deploy contract.wasm --constructor 'init(uint256)' 42"],
    ),
    (
        "call",
        &[
            "lathe call 0x5FbDB2315678afecb367f032d93F642f64180aa3 'number()(uint256)'",
            "lathe call --scale 0x5FbDB2315678afecb367f032d93F642f64180aa3 'get(str)->str' alice",
        ],
    ),
    (
        "send",
        &["lathe send 0x5FbDB2315678afecb367f032d93F642f64180aa3 'setNumber(uint256)' 7 --from-account 1"],
    ),
    ("encode", &["lathe encode 'setNumber(uint256)' 7"]),
    ("decode", &["lathe decode uint256 0x0000000000000000000000000000000000000000000000000000000000000007"]),
    ("envelope", &["lathe envelope contract.wasm"]),
    ("inspect", &["lathe inspect contract.wasm", "lathe inspect contract.wasm --wat"]),
    ("run", &["lathe run fib.wasm --invoke run --args 20 --stats"]),
    (
        "trace",
        &[
            "lathe trace 0x1f9ed0c3a4b5968778695a4b3c2d1e0f1f9ed0c3a4b5968778695a4b3c2d1e0f --artifacts contracts",
        ],
    ),
    (
        "gas",
        &[
            "lathe gas 0x1f9ed0c3a4b5968778695a4b3c2d1e0f1f9ed0c3a4b5968778695a4b3c2d1e0f --artifacts contracts",
            "lathe gas fib.wasm --invoke run --args 20 --svg > gas.svg",
        ],
    ),
    ("chain", &["lathe chain show devnet > mine.toml"]),
    ("statetest", &["lathe statetest GeneralStateTests/stEWASMTests --quiet"]),
    (
        "db",
        &[
            "lathe db verify --data-dir chain",
            "lathe db dump --data-dir chain --output chain.jsonl",
            "lathe db prune --data-dir chain --keep 1000",
        ],
    ),
    (
        "completions",
        &[
            "lathe completions bash > ~/.local/share/bash-completion/completions/lathe",
            "lathe completions zsh > ~/.zfunc/_lathe",
            "lathe completions fish > ~/.config/fish/completions/lathe.fish",
        ],
    ),
];

/// Returns the command line with its examples.
pub(super) fn apply(mut command: Command) -> Command {
    for (name, lines) in EXAMPLES {
        command = command.mut_subcommand(name, |subcommand| {
            let mut help = format!("Examples:\n  {}", lines.join("\n  "));
            if let Some(more) = subcommand.get_after_help() {
                help += &format!("\n\n{more}");
            }
            subcommand.after_help(help)
        });
    }
    command
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn every_command_has_examples_that_it_understands() {
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            let lines = EXAMPLES.iter().find(|(command, _)| *command == name).map(|(_, lines)| *lines);
            for line in lines.unwrap_or_else(|| panic!("{name} has no example")) {
                let line = line.split(" > ").next().unwrap_or_default();
                let words = line.split(' ').map(|word| word.trim_matches('\''));
                let parsed = Cli::command().try_get_matches_from(words);
                assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
            }
        }
    }
}
