//! What chain `lathe node` forks, if it forks one. The flags are anvil's.

use std::time::Duration;

use crate::chain::ForkOptions as Fork;

/// Another chain to stand on.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Fork")]
pub(super) struct ForkOptions {
    /// Fork the chain of the node at this URL: what this one has not written is read from there, lazily. URL@BLOCK is a URL
    /// and a block
    #[arg(long, short = 'f', visible_alias = "rpc-url", value_name = "URL")]
    fork_url: Option<String>,
    /// Stand on this block, in the place of the latest
    #[arg(long, requires = "fork_url", value_name = "BLOCK")]
    fork_block_number: Option<u64>,
    /// The chain id, in the place of asking for the other chain's
    #[arg(long, requires = "fork_url", value_name = "ID")]
    fork_chain_id: Option<u64>,
    /// How many milliseconds to wait before a request is tried again; each time twice as long
    #[arg(long, requires = "fork_url", default_value_t = 1_000, value_name = "MILLISECONDS")]
    fork_retry_backoff: u64,
    /// How often a request is tried again
    #[arg(long, requires = "fork_url", default_value_t = 5, value_parser = clap::value_parser!(u32).range(..=RETRIES_MAX), value_name = "N")]
    retries: u32,
    /// How many milliseconds the other node may take for an answer
    #[arg(long, requires = "fork_url", default_value_t = 45_000, value_parser = clap::value_parser!(u64).range(1..), value_name = "MILLISECONDS")]
    timeout: u64,
    /// Keep nothing of what was read in the data directory
    #[arg(long, requires = "fork_url")]
    no_storage_caching: bool,
}

/// Each attempt may take the whole timeout, and whoever mines waits for it.
const RETRIES_MAX: i64 = 100;

impl ForkOptions {
    /// Returns what is to be forked, if anything. A chain id and a gas limit can be given for the chain, too.
    pub(super) fn fork(&self, chain_id: Option<u64>, gas_limit: Option<u64>) -> Option<Fork> {
        let given = self.fork_url.as_deref()?;
        let (url, block) = match given.rsplit_once('@').map(|(url, block)| (url, block.parse())) {
            Some((url, Ok(block))) => (url, Some(block)),
            _ => (given, None),
        };
        let block = self.fork_block_number.or(block);
        Some(Fork { url: url.into(), block, ..self.any_fork(chain_id, gas_limit) })
    }

    /// Returns how to fork a chain that the node is told of later.
    pub(super) fn any_fork(&self, chain_id: Option<u64>, gas_limit: Option<u64>) -> Fork {
        Fork {
            chain_id: chain_id.or(self.fork_chain_id),
            gas_limit,
            timeout: Duration::from_millis(self.timeout),
            retries: self.retries,
            backoff: Duration::from_millis(self.fork_retry_backoff),
            keeps_what_it_reads: !self.no_storage_caching,
            ..Fork::new("")
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        options: ForkOptions,
    }

    #[test]
    fn a_url_can_end_with_a_block() {
        let fork = |arguments: &[&str]| {
            let arguments = ["node"].iter().chain(arguments);
            let Command { options } = Command::try_parse_from(arguments).expect("parses");
            options.fork(None, None).map(|fork| (fork.url, fork.block))
        };
        assert_eq!(fork(&[]), None);
        assert_eq!(fork(&["--fork-url", "http://a:1"]), Some(("http://a:1".into(), None)));
        assert_eq!(fork(&["-f", "http://a:1@77"]), Some(("http://a:1".into(), Some(77))));
        assert_eq!(fork(&["-f", "https://user:key@a/v2/x"]), Some(("https://user:key@a/v2/x".into(), None)));
        assert_eq!(
            fork(&["-f", "http://a@5", "--fork-block-number", "6"]),
            Some(("http://a".into(), Some(6)))
        );
    }
}
