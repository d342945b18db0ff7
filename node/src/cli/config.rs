//! `lathe.toml`: what flags say, in a file.
//!
//! A table is a command, a key in it one of the command's flags without its dashes: `[node]`, `port = 9545`. Flags on the
//! command line win over environment variables, and these over the file, whose values take the place of the defaults.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use clap::{Arg, ArgAction, Command, builder::BoolishValueParser};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::error::CliError;

/// The file that is read if none is named.
const DEFAULT_FILE: &str = "lathe.toml";
/// The flag that names one.
const FLAG: &str = "--config";
/// The variable that names one.
const VARIABLE: &str = "LATHE_CONFIG";
/// What the variables of `lathe node`'s flags begin with.
const PREFIX: &str = "LATHE_";
/// Bytes of a file: far more than all flags take.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Returns the command line, with what the environment and the file say, if there is one.
pub(super) fn apply(command: Command, arguments: &[OsString]) -> Result<Command, CliError> {
    let command = command.mut_subcommand("node", |node| node.mut_args(with_variable));
    let named = named(arguments).or_else(|| std::env::var_os(VARIABLE).map(PathBuf::from));
    let (path, is_named) = match named {
        Some(path) => (path, true),
        None => (PathBuf::from(DEFAULT_FILE), false),
    };
    match read(&path) {
        Ok(text) => File { path: &path, text: &text }.apply(command),
        Err(CliError::File { source, .. }) if !is_named && source.kind() == std::io::ErrorKind::NotFound => {
            Ok(command)
        }
        Err(error) => Err(error),
    }
}

/// Returns the file that the command line names. It is looked for before anything else is understood.
fn named(arguments: &[OsString]) -> Option<PathBuf> {
    let mut arguments =
        arguments.iter().skip(1).map_while(|argument| argument.to_str().filter(|text| *text != "--"));
    let mut found = None;
    while let Some(argument) = arguments.next() {
        if argument == FLAG {
            found = arguments.next();
        } else if let Some(path) = argument.strip_prefix(FLAG).and_then(|rest| rest.strip_prefix('=')) {
            found = Some(path);
        }
    }
    found.map(PathBuf::from)
}

fn read(path: &Path) -> Result<String, CliError> {
    let failed = |error| CliError::file(path, error);
    let bytes = fs::metadata(path).map_err(failed)?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(CliError::Usage(format!(
            "{}: a configuration has at most {FILE_BYTES_MAX} bytes, not {bytes}",
            path.display()
        )));
    }
    fs::read_to_string(path).map_err(failed)
}

/// Lets a variable give a flag's value.
fn with_variable(argument: Arg) -> Arg {
    let Some(long) = argument.get_long().filter(|_| argument.get_env().is_none()) else { return argument };
    let variable = format!("{PREFIX}{}", long.replace('-', "_").to_uppercase());
    let is_switch = matches!(argument.get_action(), ArgAction::SetTrue);
    let argument = argument.env(variable).hide_env(true);
    if is_switch { argument.value_parser(BoolishValueParser::new()) } else { argument }
}

/// A file with its text.
struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl File<'_> {
    /// Makes the file's values the defaults of the commands' flags.
    fn apply(&self, mut command: Command) -> Result<Command, CliError> {
        let table = DeTable::parse(self.text)
            .map_err(|error| CliError::Usage(format!("{}: {error}", self.path.display())))?;
        for (name, value) in table.get_ref() {
            let Some(subcommand) = command.find_subcommand(name.get_ref().as_ref()) else {
                let known = command.get_subcommands().map(Command::get_name);
                return Err(self.unknown(name, "command", known));
            };
            let Some(flags) = value.get_ref().as_table() else {
                return Err(self.wrong(value, format!("[{}] must be a table of flags", name.get_ref())));
            };
            let mut defaults = Vec::new();
            for (key, value) in flags {
                let flag =
                    subcommand.get_arguments().find(|flag| flag.get_long() == Some(key.get_ref().as_ref()));
                let Some(flag) = flag.filter(|flag| is_known(flag)) else {
                    let known =
                        subcommand.get_arguments().filter(|flag| is_known(flag)).filter_map(Arg::get_long);
                    return Err(self.unknown(key, "key", known));
                };
                let values = self.values(value)?;
                self.check(subcommand, flag, key, &values)?;
                defaults.push((flag.get_id().clone(), values));
            }
            command = command.mut_subcommand(name.get_ref(), |mut subcommand| {
                for (id, values) in defaults {
                    subcommand = subcommand.mut_arg(id, |flag| {
                        // A switch has no value whose default help could show.
                        let hidden = flag.get_action().takes_values();
                        flag.default_values(values).hide_default_value(hidden)
                    });
                }
                subcommand
            });
        }
        Ok(command)
    }

    /// Refuses a value that the flag would refuse, so that the error names the file.
    fn check(
        &self,
        subcommand: &Command,
        flag: &Arg,
        key: &Spanned<std::borrow::Cow<'_, str>>,
        values: &[String],
    ) -> Result<(), CliError> {
        let long = flag.get_long().unwrap_or_default();
        let arguments = values.iter().map(|value| format!("--{long}={value}"));
        let names = flag.get_value_names().unwrap_or_default().to_vec();
        let alone = Arg::new("value")
            .long(long.to_owned())
            .value_names(if names.is_empty() { vec!["VALUE".into()] } else { names })
            .value_parser(flag.get_value_parser().clone())
            .action(match flag.get_action() {
                ArgAction::Append => ArgAction::Append,
                _ => ArgAction::Set,
            });
        let parser = Command::new(subcommand.get_name().to_owned()).no_binary_name(true).arg(alone);
        match parser.try_get_matches_from(arguments) {
            Ok(_) => Ok(()),
            Err(error) => {
                let text = error.render().to_string();
                let why = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
                Err(self.wrong(key, why))
            }
        }
    }

    /// Returns the values that a flag gets.
    fn values(&self, value: &Spanned<DeValue<'_>>) -> Result<Vec<String>, CliError> {
        match value.get_ref() {
            DeValue::String(text) => Ok(vec![text.to_string()]),
            DeValue::Integer(number) => Ok(vec![number.to_string()]),
            DeValue::Float(number) => Ok(vec![number.to_string()]),
            DeValue::Boolean(value) => Ok(vec![value.to_string()]),
            DeValue::Array(items) => {
                let all: Result<Vec<_>, _> = items.iter().map(|item| self.values(item)).collect();
                Ok(all?.concat())
            }
            DeValue::Datetime(_) | DeValue::Table(_) => {
                Err(self.wrong(value, "expected text, a number, true or false, or an array of them".into()))
            }
        }
    }

    fn unknown<'k>(
        &self,
        key: &Spanned<std::borrow::Cow<'_, str>>,
        what: &str,
        known: impl Iterator<Item = &'k str>,
    ) -> CliError {
        let name = key.get_ref();
        let closest =
            closest(name, known).map(|known| format!("; did you mean `{known}`?")).unwrap_or_default();
        self.wrong(key, format!("unknown {what} `{name}`{closest}"))
    }

    /// Returns the error of something in the file, with its line.
    fn wrong<T>(&self, at: &Spanned<T>, why: String) -> CliError {
        let before = self.text.get(..at.span().start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        CliError::Usage(format!("{}:{line}: {why}", self.path.display()))
    }
}

/// Returns whether the file can say what a flag says.
fn is_known(flag: &Arg) -> bool {
    flag.get_long().is_some_and(|long| long != "config")
        && matches!(
            flag.get_action(),
            ArgAction::Set | ArgAction::Append | ArgAction::SetTrue | ArgAction::Count
        )
}

/// Returns the name that is most like a mistyped one.
fn closest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    known.min_by_key(|known| strsim::damerau_levenshtein(name, known))
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, FromArgMatches};

    use super::*;
    use crate::cli::Cli;

    fn apply(text: &str) -> Result<Command, String> {
        let file = File { path: Path::new("lathe.toml"), text };
        file.apply(Cli::command()).map_err(|error| error.to_string())
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let text =
            "[node]\nport = 9545\nallow-host = [\"a.test\", \"b.test\"]\nquiet = true\nbalance = \"7\"\n";
        let matches = |arguments: &[&str]| {
            let matches = apply(text).unwrap().try_get_matches_from(arguments).unwrap();
            Cli::from_arg_matches(&matches).expect("the command line");
            let (_, node) = matches.subcommand().expect("a command");
            let hosts: Vec<String> = node.get_many("allow_host").into_iter().flatten().cloned().collect();
            (*node.get_one::<u16>("port").unwrap(), hosts, node.get_flag("quiet"))
        };
        let both = vec!["a.test".to_owned(), "b.test".to_owned()];
        assert_eq!(matches(&["lathe", "node"]), (9545, both, true));
        let arguments = ["lathe", "node", "--port", "1", "--allow-host", "c.test"];
        assert_eq!(matches(&arguments), (1, vec!["c.test".to_owned()], true));
    }

    #[test]
    fn mistakes_are_told_with_their_line_and_the_name_that_was_meant() {
        for (text, error) in [
            ("[nod]\nport = 1", "lathe.toml:1: unknown command `nod`; did you mean `node`?"),
            ("[node]\n\nprot = 1", "lathe.toml:3: unknown key `prot`; did you mean `port`?"),
            ("[node]\nhelp = true", "lathe.toml:2: unknown key `help`; did you mean"),
            ("node = 1", "lathe.toml:1: [node] must be a table of flags"),
            ("[node]\nport = 1979-05-27", "lathe.toml:2: expected text"),
            ("[node]\nport = 65536", "lathe.toml:2: invalid value '65536' for '--port <PORT>'"),
            (
                "[node]\nport = [1, 2]",
                "lathe.toml:2: the argument '--port <PORT>' cannot be used multiple times",
            ),
            ("[node]\nport = 1\nport = 2", "duplicate key"),
        ] {
            let told = apply(text).map(|_| ()).expect_err(text);
            assert!(told.contains(error), "{text:?}: {told}");
        }
    }

    #[test]
    fn the_command_line_names_the_file_before_its_end() {
        let named = |arguments: &[&str]| {
            let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
            named(&arguments).map(|path| path.display().to_string())
        };
        assert_eq!(named(&["lathe", "node", "--config", "a.toml"]).as_deref(), Some("a.toml"));
        assert_eq!(named(&["lathe", "--config=b.toml", "node"]).as_deref(), Some("b.toml"));
        assert_eq!(named(&["lathe", "run", "--", "--config", "a.toml"]), None);
    }
}
