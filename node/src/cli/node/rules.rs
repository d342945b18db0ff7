//! Which chain `lathe node` runs, and how it begins.

use alloy_primitives::Address;

use crate::{
    chain::{ChainSpec, Manner, TIMESTAMP_MAX},
    cli::{chain_file, error::CliError},
    runtime::Fork,
};

/// The chain's rules and its first block.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Chain")]
pub(super) struct RuleOptions {
    /// The chain: devnet, a file with its rules (`lathe chain show devnet` prints one), or a genesis file as geth reads it
    #[arg(long, visible_alias = "init", default_value = "devnet", value_name = "NAME|FILE")]
    chain: String,
    /// EIP-155 chain id, in the place of the chain's (31337 on the devnet)
    #[arg(long, value_name = "ID")]
    pub(super) chain_id: Option<u64>,
    /// Gas limit of each block, in the place of the chain's (100,000,000 on the devnet)
    #[arg(long, visible_alias = "gas-limit", value_name = "GAS")]
    pub(super) block_gas_limit: Option<u64>,
    /// Let blocks, and thereby transactions and calls, take as much gas as a header can say
    #[arg(long, conflicts_with = "block_gas_limit")]
    disable_block_gas_limit: bool,
    /// Bytes of EVM code that a contract may have, in the place of EIP-170's 24,576; creation data may have twice as many
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=i64::from(CODE_SIZE_MAX)), value_name = "BYTES")]
    code_size_limit: Option<u32>,
    /// Let EVM contracts be as large as blocks have gas for
    #[arg(long, conflicts_with = "code_size_limit")]
    disable_code_size_limit: bool,
    /// Begin without the CREATE2 factory at 0x4e59b44847b379578588920cA78FbF26c0B4956C
    #[arg(long, visible_alias = "no-create2")]
    disable_default_create2_deployer: bool,
    /// Fork of Ethereum, in the place of the chain's (osaka on the devnet, which `latest` is, too)
    #[arg(long, value_parser = parse_fork, value_name = "NAME")]
    hardfork: Option<Fork>,
    /// Base fee of the first blocks in wei (1 gwei on the devnet)
    #[arg(long, visible_alias = "block-base-fee-per-gas", value_name = "WEI")]
    base_fee: Option<u64>,
    /// Refuse transactions that offer less for a gas, in wei
    #[arg(
        long,
        visible_alias = "gas-price",
        default_value_t = 0,
        hide_default_value = true,
        value_name = "WEI"
    )]
    min_gas_price: u128,
    /// The account that fees go to
    #[arg(long, default_value_t, hide_default_value = true, value_name = "ADDRESS")]
    coinbase: Address,
    /// Timestamp of the first block, from which the clock goes on, in seconds since 1970
    #[arg(long, value_parser = clap::value_parser!(u64).range(..=TIMESTAMP_MAX), value_name = "SECONDS")]
    timestamp: Option<u64>,
    /// Let only blocks move the clock, one second each, so that equal requests make equal chains
    #[arg(long)]
    deterministic: bool,
}

/// The largest gas limit that a block can have (geth, `params/protocol_params.go`: `MaxGasLimit`).
const GAS_LIMIT_MAX: u64 = (1 << 63) - 1;

/// Bytes of EVM code that no limit can be above: more than a request can carry.
const CODE_SIZE_MAX: u32 = 1 << 28;

/// The first fork whose headers have all the fields that a node's do.
const FORK_MIN: Fork = Fork::Prague;

fn parse_fork(name: &str) -> Result<Fork, String> {
    let fork = if name == "latest" { Some(ChainSpec::DEVNET.fork) } else { Fork::find(name) };
    fork.filter(|fork| *fork >= FORK_MIN).ok_or_else(|| {
        let known = Fork::ALL.iter().filter(|fork| **fork >= FORK_MIN).map(|fork| fork.name());
        format!("a node makes blocks of these forks: {}, latest", known.collect::<Vec<_>>().join(", "))
    })
}

impl RuleOptions {
    /// Returns the rules of the chain. Fails for those of chains that are not made for blocks.
    pub(super) fn spec(&self) -> Result<ChainSpec, CliError> {
        let mut spec = chain_file::load(&self.chain)?;
        spec.chain_id = self.chain_id.unwrap_or(spec.chain_id);
        spec.gas_limit = self.block_gas_limit.unwrap_or(spec.gas_limit);
        if self.disable_block_gas_limit {
            spec.gas_limit = GAS_LIMIT_MAX;
        }
        spec.evm_code_bytes_max = match self.disable_code_size_limit {
            true => CODE_SIZE_MAX,
            false => self.code_size_limit.unwrap_or(spec.evm_code_bytes_max),
        };
        spec.create2_factory &= !self.disable_default_create2_deployer;
        spec.fork = self.hardfork.unwrap_or(spec.fork);
        spec.first.base_fee = self.base_fee.unwrap_or(spec.first.base_fee);
        spec.first.timestamp = self.timestamp.unwrap_or(spec.first.timestamp);
        let refused = |why: String| Err(CliError::Usage(format!("--chain {}: {why}", self.chain)));
        if spec.rules.schedule.steps_max.is_some() {
            return refused(
                "a node runs no chain whose instructions cost nothing (profile zero-instruction): only `lathe statetest` \
                 and `lathe run` do"
                    .into(),
            );
        }
        if spec.fork < FORK_MIN {
            let (fork, first) = (spec.fork.name(), FORK_MIN.name());
            return refused(format!("fork is {fork}: a node makes blocks of {first} or later"));
        }
        Ok(spec)
    }

    /// Adds what is asked for of the blocks after the first.
    pub(super) fn apply(&self, manner: Manner) -> Manner {
        Manner {
            deterministic: self.deterministic,
            start: self.timestamp,
            base_fee: self.base_fee,
            min_gas_price: self.min_gas_price,
            beneficiary: self.coinbase,
            ..manner
        }
    }
}
