//! The Merkle tree of RFC 6962, section 2.1, grown at its right edge and cut into tiles.
//!
//! What is kept to go on is the right edge alone: at most one hash for each bit of the size, and of each level of tiles the
//! hashes of the last tile. An append hashes as many inner nodes as it completes, two on average.

use kobling_model::Hash;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How many hashes a whole tile holds, and how many leaves a whole bundle.
pub const TILE_WIDTH: usize = 256;

/// Levels of the tree that a tile spans: 2⁸ is [`TILE_WIDTH`].
pub(crate) const TILE_HEIGHT: usize = 8;

/// Hash of a leaf: SHA-256 of the byte 0x00 followed by its bytes.
///
/// The prefix keeps a leaf from being replayed as an inner node, whose prefix is 0x01.
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    Hash::of(&[&[0x00], leaf].concat())
}

pub(crate) fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut bytes = [0x01; 65];
    bytes[1..33].copy_from_slice(&left.0);
    bytes[33..].copy_from_slice(&right.0);
    Hash::of(&bytes)
}

/// How far a log reaches: what an auditor notes down to recognise the log later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// How many leaves there are.
    pub count: u64,
    /// Root of the tree over them.
    pub hash: Hash,
}

impl Head {
    /// Head of a log without entries.
    pub fn empty() -> Self {
        Self { count: 0, hash: Hash::of(b"") }
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.count, self.hash)
    }
}

/// The text is not a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a log's head: the number of entries, a blank, 64 hexadecimal digits")]
pub struct NotAHead;

impl FromStr for Head {
    type Err = NotAHead;

    fn from_str(text: &str) -> Result<Self, NotAHead> {
        let (count, hash) = text.trim().split_once(' ').ok_or(NotAHead)?;
        let plain = count.bytes().all(|byte| byte.is_ascii_digit());
        let count = plain.then(|| count.parse().ok()).flatten().ok_or(NotAHead)?;
        Ok(Self { count, hash: Hash::parse(hash).map_err(|_| NotAHead)? })
    }
}

/// A hash of a tile: at this level of tiles, from 0 at the leaves, the `index`th from the left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TileHash {
    /// Level of tiles.
    pub level: usize,
    /// Place in the level, over all its tiles.
    pub index: u64,
    /// Root of the whole subtree of 256^`level` leaves.
    pub hash: Hash,
}

impl TileHash {
    /// The first leaf under it.
    pub fn first_leaf(&self) -> u64 {
        self.index << (TILE_HEIGHT * self.level)
    }
}

/// The right edge of a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    /// Roots of the whole subtrees that the size falls into, the largest first.
    peaks: Vec<Hash>,
    /// Of each level the hashes of the last tile, whole or not. Never empty tiles in between.
    edge: Vec<Vec<Hash>>,
}

impl Tree {
    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf, and tells the hashes that tiles gain by it, the leaf's own first.
    pub fn push(&mut self, leaf: Hash) -> Vec<TileHash> {
        let (index, mut hash, mut gained) = (self.size, leaf, Vec::new());
        let completed = index.trailing_ones() as usize;
        for height in 0..=completed {
            if height > 0 {
                let left = self.peaks.pop().expect("a bit of the size that is set has its peak");
                hash = node_hash(&left, &hash);
            }
            if height % TILE_HEIGHT == 0 {
                let level = height / TILE_HEIGHT;
                self.gain(level, hash);
                gained.push(TileHash { level, index: index >> height, hash });
            }
        }
        self.peaks.push(hash);
        self.size += 1;
        gained
    }

    fn gain(&mut self, level: usize, hash: Hash) {
        if self.edge.len() == level {
            self.edge.push(Vec::with_capacity(TILE_WIDTH));
        }
        let tile = &mut self.edge[level];
        if tile.len() == TILE_WIDTH {
            tile.clear();
        }
        tile.push(hash);
    }

    /// The hashes of the last tile of a level, whole or not; none where the level has none.
    pub fn last_tile(&self, level: usize) -> &[Hash] {
        self.edge.get(level).map_or(&[], Vec::as_slice)
    }

    /// How many levels of tiles there are.
    pub fn levels(&self) -> usize {
        self.edge.len()
    }

    /// Size and root.
    pub fn head(&self) -> Head {
        let root = self.peaks.iter().rev().copied().reduce(|right, left| node_hash(&left, &right));
        Head { count: self.size, hash: root.unwrap_or_else(|| Head::empty().hash) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Leaves and roots of the reference implementation of RFC 6962 (`certificate-transparency`, `merkle_tree_test`).
    const KNOWN: [(&str, &str); 8] = [
        ("", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
        ("00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
        ("10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
        ("2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
        ("3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
        ("40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
        ("5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
        (
            "606162636465666768696a6b6c6d6e6f",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ),
    ];

    /// MTH of RFC 6962, section 2.1, as it is written there.
    fn defined(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Hash::of(b""),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                node_hash(&defined(left), &defined(right))
            }
        }
    }

    #[test]
    fn the_roots_are_those_of_the_reference_implementation() {
        let mut tree = Tree::default();
        assert_eq!(
            tree.head().hash.to_string(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        for ((leaf, root), count) in KNOWN.into_iter().zip(1..) {
            tree.push(leaf_hash(&hex::decode(leaf).expect("hexadecimal")));
            assert_eq!(tree.head(), Head { count, hash: Hash::parse(root).expect("a hash") });
        }
    }

    #[test]
    fn roots_and_tiles_are_as_defined_at_every_size_over_several_tiles() {
        let leaves: Vec<Hash> = (0..1300_u32).map(|at| leaf_hash(&at.to_be_bytes())).collect();
        let mut tree = Tree::default();
        for (at, leaf) in leaves.iter().enumerate() {
            let gained = tree.push(*leaf);
            assert_eq!(gained[0], TileHash { level: 0, index: at as u64, hash: *leaf });
            if at % 97 == 0 || (at + 1) % TILE_WIDTH < 2 {
                assert_eq!(tree.head().hash, defined(&leaves[..=at]), "of {at} leaves");
            }
            let whole = (at + 1) % TILE_WIDTH == 0;
            assert_eq!(gained.len(), if whole { 2 } else { 1 });
            if whole {
                let hash = defined(&leaves[at + 1 - TILE_WIDTH..=at]);
                assert_eq!(gained[1], TileHash { level: 1, index: (at / TILE_WIDTH) as u64, hash });
                assert_eq!(gained[1].first_leaf() as usize, at + 1 - TILE_WIDTH);
            }
        }
        assert_eq!((tree.levels(), tree.last_tile(1).len(), tree.last_tile(0)), (2, 5, &leaves[1280..]));
    }

    #[test]
    fn a_head_is_read_as_it_is_written() {
        let head = Head { count: 17, hash: Hash::of(b"x") };
        assert_eq!(head.to_string().parse(), Ok(head));
        for bad in ["", "17", "+17 00", "x 00", &format!("+1 {}", head.hash), &format!("1  {}", head.hash)] {
            assert_eq!(bad.parse::<Head>(), Err(NotAHead));
        }
    }
}
