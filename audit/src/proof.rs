//! Proofs from a tree's hashes: that a log continues an earlier state of it, and that an entry is in it.
//! RFC 6962, sections 2.1.1 and 2.1.2; checked as in RFC 9162, sections 2.1.3.2 and 2.1.4.2.
//!
//! A proof has about a hash for each bit of the size. It says nothing about what entries are.

use std::io;

use kobling_model::Hash;

use crate::files::{Source, read_tile};
use crate::tile::{Kind, Tile};
use crate::tree::{Head, TILE_HEIGHT, TILE_WIDTH, node_hash};

/// Most hashes that a proof has: one for each bit of a size.
pub const PROOF_HASHES_MAX: usize = 63;

/// The proof that the tree of `size` leaves continues that of its first `old`, from the tiles of a log. None for an empty one
/// and for the same, which need none.
///
/// The log may be written to meanwhile: its tiles only grow.
///
/// # Errors
/// Where tiles are missing or end too early. `old` beyond `size` is [`io::ErrorKind::InvalidInput`].
pub(crate) fn prove_continuation(
    source: &(impl Source + ?Sized),
    old: u64,
    size: u64,
) -> io::Result<Vec<Hash>> {
    if old > size {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    if old == 0 || old == size {
        return Ok(Vec::new());
    }
    let tiles = Tiles { source, size };
    let mut proof = Vec::new();
    // SUBPROOF(old − first, leaves[first..end], whole), which asks for hashes from the inside out.
    let (mut first, mut end, mut whole, mut outer) = (0, size, true, Vec::new());
    while old != end {
        let middle = first + split(end - first);
        if old <= middle {
            outer.push(middle..end);
            end = middle;
        } else {
            outer.push(first..middle);
            first = middle;
            whole = false;
        }
    }
    if !whole {
        proof.push(tiles.root(first, end)?);
    }
    for range in outer.into_iter().rev() {
        proof.push(tiles.root(range.start, range.end)?);
    }
    Ok(proof)
}

/// Whether a proof shows that a log with head `new` continues the one with head `old`.
pub(crate) fn is_continuation(old: &Head, new: &Head, proof: &[Hash]) -> bool {
    if old.count == 0 {
        return proof.is_empty() && *old == Head::empty() && (new.count > 0 || new == old);
    }
    if old.count >= new.count {
        return proof.is_empty() && old == new;
    }
    let mut hashes = proof.iter().copied();
    let begun = if old.count.is_power_of_two() { Some(old.hash) } else { hashes.next() };
    let Some(begun) = begun else { return false };
    let (mut left, mut last) = (old.count - 1, new.count - 1);
    let aligned = left.trailing_ones();
    (left, last) = (left >> aligned, last >> aligned);
    let (mut of_old, mut of_new) = (begun, begun);
    for hash in hashes {
        if last == 0 {
            return false;
        }
        if left & 1 == 1 || left == last {
            of_old = node_hash(&hash, &of_old);
            of_new = node_hash(&hash, &of_new);
            while left & 1 == 0 && left != 0 {
                (left, last) = (left >> 1, last >> 1);
            }
        } else {
            of_new = node_hash(&of_new, &hash);
        }
        (left, last) = (left >> 1, last >> 1);
    }
    last == 0 && of_old == old.hash && of_new == new.hash
}

/// Whether a proof shows that the leaf with this hash is entry `index` of the log with this head.
pub fn is_included(leaf: &Hash, index: u64, head: &Head, proof: &[Hash]) -> bool {
    if index >= head.count {
        return false;
    }
    let (mut at, mut last, mut root) = (index, head.count - 1, *leaf);
    for hash in proof {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            root = node_hash(hash, &root);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            root = node_hash(&root, hash);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && root == head.hash
}

/// The largest power of two below `size`, which is at least 2.
fn split(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}

/// The tiles of a log, up to a size of it.
struct Tiles<'a, S: ?Sized> {
    source: &'a S,
    size: u64,
}

impl<S: Source + ?Sized> Tiles<'_, S> {
    /// Root over the leaves `first..end`, which are a subtree of the tree: whole, or at its right edge.
    fn root(&self, first: u64, end: u64) -> io::Result<Hash> {
        let size = end - first;
        if size.is_power_of_two() && first.is_multiple_of(size) {
            return self.whole(first, size.trailing_zeros() as usize);
        }
        let middle = first + split(size);
        Ok(node_hash(&self.root(first, middle)?, &self.root(middle, end)?))
    }

    /// Root of the whole subtree of 2^`height` leaves that begins with the leaf `first`.
    fn whole(&self, first: u64, height: usize) -> io::Result<Hash> {
        let (level, within) = (height / TILE_HEIGHT, height % TILE_HEIGHT);
        let place = first >> (TILE_HEIGHT * level);
        let number = place / TILE_WIDTH as u64;
        let in_level = self.size >> (TILE_HEIGHT * level);
        let width = (in_level - number * TILE_WIDTH as u64).min(TILE_WIDTH as u64) as usize;
        let (bytes, _) = read_tile(self.source, Tile { kind: Kind::Hashes(level), index: number, width })?;
        let at = (place % TILE_WIDTH as u64) as usize;
        let hashes = bytes.get(32 * at..32 * (at + (1 << within))).ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut hashes: Vec<Hash> =
            hashes.chunks_exact(32).map(|hash| Hash::from_bytes(hash).expect("32 bytes")).collect();
        while hashes.len() > 1 {
            hashes = hashes.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
        }
        Ok(hashes[0])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::tile::hash_bytes;
    use crate::tree::{Tree, leaf_hash};

    /// The tiles of a log of these leaves, whole ones and the last states of others, and its tree.
    fn log_of(leaves: &[Hash]) -> (BTreeMap<String, Vec<u8>>, Tree) {
        let (mut tiles, mut tree) = (BTreeMap::new(), Tree::default());
        for leaf in leaves {
            for gained in tree.push(*leaf) {
                let hashes = tree.last_tile(gained.level);
                let index = gained.index / TILE_WIDTH as u64;
                let tile = Tile { kind: Kind::Hashes(gained.level), index, width: hashes.len() };
                tiles.insert(tile.path(), hash_bytes(hashes));
            }
        }
        (tiles, tree)
    }

    fn leaves(count: u32) -> Vec<Hash> {
        (0..count).map(|at| leaf_hash(&at.to_be_bytes())).collect()
    }

    fn head_of(leaves: &[Hash]) -> Head {
        let mut tree = Tree::default();
        leaves.iter().for_each(|leaf| drop(tree.push(*leaf)));
        tree.head()
    }

    /// Proofs of the reference implementation of RFC 6962 (`certificate-transparency`, `merkle_tree_test`), over its eight leaves.
    #[test]
    fn the_proofs_are_those_of_the_reference_implementation() {
        let inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657"];
        let last = "606162636465666768696a6b6c6d6e6f";
        let leaves: Vec<Hash> = inputs
            .into_iter()
            .chain([last])
            .map(|input| leaf_hash(&hex::decode(input).expect("hexadecimal")))
            .collect();
        let (tiles, _) = log_of(&leaves);
        let known: [(u64, u64, &[&str]); 4] = [
            (1, 1, &[]),
            (
                1,
                8,
                &[
                    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
                ],
            ),
            (
                6,
                8,
                &[
                    "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                ],
            ),
            (
                2,
                5,
                &[
                    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                ],
            ),
        ];
        for (old, new, expected) in known {
            let proof = prove_continuation(&tiles, old, new).expect("proven");
            let told: Vec<String> = proof.iter().map(ToString::to_string).collect();
            assert_eq!(told, expected, "{old} to {new}");
        }
    }

    #[test]
    fn every_pair_of_small_sizes_is_proven_and_no_other_tree_is() {
        let leaves = leaves(70);
        let other = leaf_hash(b"another");
        for new in 0..=70 {
            let head = head_of(&leaves[..new]);
            let (tiles, _) = log_of(&leaves[..new]);
            for old in 0..=new {
                let earlier = head_of(&leaves[..old]);
                let proof = prove_continuation(&tiles, old as u64, new as u64).expect("proven");
                assert!(is_continuation(&earlier, &head, &proof), "{old} to {new}");
                let forged = Head { hash: other, ..earlier };
                assert!(!is_continuation(&forged, &head, &proof), "{old} to {new}");
                if old > 0 {
                    let forged = Head { hash: other, ..head };
                    assert!(!is_continuation(&earlier, &forged, &proof), "{old} to {new}");
                }
                let longer = [&proof[..], &[other]].concat();
                assert!(!is_continuation(&earlier, &head, &longer), "{old} to {new}");
                if let Some((_, shorter)) = proof.split_last() {
                    assert!(!is_continuation(&earlier, &head, shorter), "{old} to {new}");
                }
            }
            assert!(prove_continuation(&tiles, new as u64 + 1, new as u64).is_err());
        }
    }

    /// PATH of RFC 6962, section 2.1.1, as it is written there.
    fn path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
        if leaves.len() == 1 {
            return Vec::new();
        }
        let (left, right) = leaves.split_at(split(leaves.len() as u64) as usize);
        let (mut path, other) = match index.checked_sub(left.len()) {
            None => (path(index, left), right),
            Some(index) => (path(index, right), left),
        };
        path.push(head_of(other).hash);
        path
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Over several tiles, of a log that has grown since, with a hash of the proof changed.
        #[test]
        fn states_of_a_log_that_goes_on_are_proven(old in 1_u32..1300, more in 0_u32..700, after in 0_u32..300, flip in 0_usize..64) {
            let leaves = leaves(old + more + after);
            let (size, old) = ((old + more) as usize, old as usize);
            let (tiles, _) = log_of(&leaves);
            let heads = [head_of(&leaves[..old]), head_of(&leaves[..size])];
            let mut proof = prove_continuation(&tiles, old as u64, size as u64).expect("proven");
            prop_assert!(is_continuation(&heads[0], &heads[1], &proof));
            prop_assert!(proof.len() <= PROOF_HASHES_MAX);
            if !proof.is_empty() {
                let at = flip % proof.len();
                proof[at].0[0] ^= 1;
                prop_assert!(!is_continuation(&heads[0], &heads[1], &proof));
            }
        }

        #[test]
        fn an_entry_is_included_where_it_is_and_nowhere_else(size in 1_u32..200, at in 0_u32..200, other in 0_u32..200) {
            let leaves = leaves(size);
            let (at, other) = ((at % size) as usize, (other % size) as usize);
            let head = head_of(&leaves);
            let proof = path(at, &leaves);
            prop_assert!(is_included(&leaves[at], at as u64, &head, &proof));
            prop_assert_eq!(is_included(&leaves[at], other as u64, &head, &proof), at == other);
            prop_assert_eq!(is_included(&leaves[other], at as u64, &head, &proof), at == other);
        }
    }
}
