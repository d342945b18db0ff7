//! The chain spec.

/// What a chain's rules are.
#[derive(Debug, Clone)]
pub struct ChainSpec {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Gas limit of each block.
    pub gas_limit: u64,
}
