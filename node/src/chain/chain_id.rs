//! The chain id of EIP-155, and another in its place.
//!
//! A chain's id is one of its rules, which its first block names. A developer may set another for the blocks to come: then
//! transactions are signed for that one and contracts see it. Each such block says so in its extra data, so that it runs again
//! as it ran; the chain keeps the first block that it has, and goes back to its own id when the node starts again.

use alloy_consensus::Header;
use alloy_primitives::Bytes;

use super::{Chain, ChainError, Result, spec::CHAIN_ID_MAX};

/// What the extra data of a block begins with whose chain id is not the chain's. The id follows, big-endian.
const MARK: [u8; 8] = *b"chain id";

/// Returns the extra data of a block with this chain id in the place of the chain's.
pub(super) fn extra_data(chain_id: Option<u64>) -> Bytes {
    chain_id.map_or_else(Bytes::new, |id| [MARK, id.to_be_bytes()].concat().into())
}

/// Returns the chain id that a block has in the place of the chain's.
pub(super) fn chain_id_of(header: &Header) -> Option<u64> {
    let id = header.extra_data.strip_prefix(&MARK)?;
    Some(u64::from_be_bytes(id.try_into().ok()?))
}

impl Chain {
    /// Returns the chain id that transactions to come are signed for.
    pub fn chain_id(&self) -> u64 {
        self.foreign_chain_id().unwrap_or_else(|| self.spec().chain_id)
    }

    /// Sets it, for the blocks to come and until the node ends.
    pub fn set_chain_id(&self, id: u64) -> Result<()> {
        if !(1..=CHAIN_ID_MAX).contains(&id) {
            return Err(ChainError::ChainId(id));
        }
        // A block that is being made keeps the id that its transactions were checked against.
        let _writer = self.writer.lock();
        let own = self.spec().chain_id;
        self.controls.lock().chain_id = Some(id).filter(|id| *id != own);
        Ok(())
    }

    /// Returns the chain id that was set in the place of the chain's.
    pub(super) fn foreign_chain_id(&self) -> Option<u64> {
        self.controls.lock().chain_id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_tells_its_chain_id_only_if_it_is_not_the_chains() {
        let header = |extra_data| Header { extra_data, ..Header::default() };
        for id in [None, Some(1), Some(CHAIN_ID_MAX)] {
            assert_eq!(chain_id_of(&header(extra_data(id))), id);
        }
        for other in [&b"chain id"[..], b"chain id 12345678", b"another extra da"] {
            assert_eq!(chain_id_of(&header(Bytes::from_static(other))), None);
        }
    }
}
