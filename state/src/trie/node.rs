//! A node of the trie as the database keeps it, and the RLP that Ethereum hashes.
//!
//! A **record** is one branch together with the extension above it, if there is one. It stands under the path at which its
//! parent refers to it, and holds the references to all of its children, so that a changed child needs no sibling to be
//! read. **Leaves have no records**: they follow from the flat state. So a trie of no or one leaf has no record at all.
//!
//! A **reference** is what a parent holds of a child: the hash of the child's RLP, or that RLP itself if it is shorter than
//! a hash.

use alloy_primitives::{B256, keccak256};
use alloy_rlp::{EMPTY_STRING_CODE, Encodable, Header};
use alloy_trie::{
    Nibbles,
    nodes::{ExtensionNodeRef, LeafNodeRef, RlpNode},
};
use parity_scale_codec::{Decode, Encode, Error as ScaleError};

use crate::{
    codec::Field,
    leaf::{HASH_LEN, TrieLeaf},
};

/// Nibbles of a key, and so the longest path.
pub(crate) const PATH_LEN: usize = 2 * HASH_LEN;

/// RLP of a branch with sixteen hashes, which is the longest node: payload and the header before it.
const NODE_RLP_MAX: usize = 16 * (HASH_LEN + 1) + 1 + 3;

/// A branch with the extension above it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Node {
    /// The nibbles between the record's path and the branch. Empty without an extension.
    pub(crate) extension: Nibbles,
    /// Bit n is set if the branch has a child at nibble n.
    pub(crate) children: u16,
    /// Those of the children that are leaves.
    pub(crate) leaves: u16,
    /// References to the children, ascending by nibble.
    pub(crate) references: Vec<RlpNode>,
}

impl Node {
    /// Returns the child at a nibble: its reference, and whether it is a leaf.
    pub(crate) fn child(&self, nibble: u8) -> Option<(&RlpNode, bool)> {
        let bit = 1_u16 << nibble;
        if self.children & bit == 0 {
            return None;
        }
        let index = (self.children & (bit - 1)).count_ones() as usize;
        Some((&self.references[index], self.leaves & bit != 0))
    }

    /// Adds a child at a nibble higher than all others.
    pub(crate) fn push(&mut self, nibble: u8, reference: RlpNode, is_leaf: bool) {
        let bit = 1_u16 << nibble;
        debug_assert!(self.children < bit, "children are added in order");
        self.children |= bit;
        if is_leaf {
            self.leaves |= bit;
        }
        self.references.push(reference);
    }

    /// Returns the only child's nibble, reference and whether it is a leaf, if there is just one.
    pub(crate) fn only_child(&self) -> Option<(u8, &RlpNode, bool)> {
        let [reference] = &self.references[..] else { return None };
        let nibble = u8::try_from(self.children.trailing_zeros()).expect("a child is among sixteen");
        Some((nibble, reference, self.leaves != 0))
    }

    /// Writes the branch's RLP.
    pub(crate) fn encode_branch(&self, out: &mut Vec<u8>) {
        let absent = 16 - self.references.len();
        let present: usize = self.references.iter().map(|reference| reference.len()).sum();
        let payload_length = present + absent + 1;
        Header { list: true, payload_length }.encode(out);
        let mut references = self.references.iter();
        for nibble in 0..16 {
            match self.children >> nibble & 1 {
                0 => out.push(EMPTY_STRING_CODE),
                _ => out.extend_from_slice(references.next().expect("one reference for each child")),
            }
        }
        // A key is never the beginning of another, so no branch has a value.
        out.push(EMPTY_STRING_CODE);
    }
}

/// Hashes nodes, in one buffer.
#[derive(Debug, Default)]
pub(crate) struct Hasher {
    rlp: Vec<u8>,
    value: Vec<u8>,
    /// The RLP of everything hashed, if asked for.
    pub(crate) kept: Option<Vec<Vec<u8>>>,
}

impl Hasher {
    /// Returns a hasher that keeps the RLP of what it hashes if `keep` is set.
    pub(crate) fn new(keep: bool) -> Self {
        Self { rlp: Vec::with_capacity(NODE_RLP_MAX), kept: keep.then(Vec::new), ..Self::default() }
    }

    /// Returns the reference to a record's node: to its extension, or to its branch if there is none.
    pub(crate) fn node(&mut self, node: &Node) -> RlpNode {
        self.rlp.clear();
        node.encode_branch(&mut self.rlp);
        let branch = self.reference();
        if node.extension.is_empty() {
            return branch;
        }
        self.rlp.clear();
        ExtensionNodeRef::new(&node.extension, branch.as_slice()).encode(&mut self.rlp);
        self.reference()
    }

    /// Returns the reference to the leaf of a key whose parent ends at `depth`.
    pub(crate) fn leaf<T: TrieLeaf>(&mut self, path: &Nibbles, depth: usize, value: &T) -> RlpNode {
        self.value.clear();
        value.encode_leaf(&mut self.value);
        self.rlp.clear();
        LeafNodeRef::new(&path.slice(depth..), &self.value).encode(&mut self.rlp);
        self.reference()
    }

    fn reference(&mut self) -> RlpNode {
        if let Some(kept) = &mut self.kept {
            kept.push(self.rlp.clone());
        }
        RlpNode::from_rlp(&self.rlp)
    }

    /// Returns the root of a trie whose topmost node has this reference. The root is a hash however short the node is.
    pub(crate) fn root(reference: &RlpNode) -> B256 {
        reference.as_hash().unwrap_or_else(|| keccak256(reference))
    }
}

/// Extension (one byte a nibble), children, leaves, which of the references are shorter than a hash (masks of two bytes),
/// then the references: 32 bytes each, or for the short ones a length and as many bytes.
impl Field for Node {
    fn put(&self, out: &mut Vec<u8>) {
        self.extension.to_vec().encode_to(out);
        self.children.encode_to(out);
        self.leaves.encode_to(out);
        let is_short = |nibble: &u8| self.child(*nibble).is_some_and(|(reference, _)| !reference.is_hash());
        (0..16).filter(is_short).fold(0_u16, |mask, nibble| mask | 1 << nibble).encode_to(out);
        for reference in &self.references {
            match reference.as_hash() {
                Some(hash) => out.extend_from_slice(hash.as_slice()),
                None => reference.as_slice().encode_to(out),
            }
        }
    }

    fn len_hint(&self) -> usize {
        // A length of two bytes at most, and three masks.
        2 + self.extension.len() + 3 * size_of::<u16>() + HASH_LEN * self.references.len()
    }

    fn take(input: &mut &[u8]) -> Result<Self, ScaleError> {
        let extension = Vec::<u8>::decode(input)?;
        if extension.len() >= PATH_LEN || extension.iter().any(|&nibble| nibble > 0xf) {
            return Err("an extension is no path of nibbles".into());
        }
        let (children, leaves, short) = (u16::decode(input)?, u16::decode(input)?, u16::decode(input)?);
        if children.count_ones() < 2 {
            return Err("a branch has fewer than two children".into());
        }
        if leaves & !children != 0 || short & !children != 0 {
            return Err("a mask of a branch names a child that is not there".into());
        }
        let mut references = Vec::with_capacity(children.count_ones() as usize);
        for nibble in (0..16).filter(|nibble| children >> nibble & 1 == 1) {
            references.push(if short >> nibble & 1 == 1 {
                let rlp = Vec::<u8>::decode(input)?;
                if rlp.is_empty() || rlp.len() >= HASH_LEN {
                    return Err("a short reference is empty or not shorter than a hash".into());
                }
                RlpNode::from_raw(&rlp).ok_or("a short reference is too long")?
            } else {
                RlpNode::word_rlp(&B256::take(input)?)
            });
        }
        let extension = Nibbles::from_nibbles(extension);
        Ok(Self { extension, children, leaves, references })
    }
}
