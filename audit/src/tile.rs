//! Names and bytes of the files that hold the tree: <https://c2sp.org/tlog-tiles>.
//!
//! A *tile* is up to 256 hashes of a level, 32 bytes each. A *bundle* is up to 256 leaves, each after its length in two bytes,
//! the most significant first. Tiles and bundles that are not whole have another name for each width.

use kobling_model::Hash;

use crate::tree::TILE_WIDTH;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Hashes of a level.
    Hashes(usize),
    /// Leaves.
    Leaves,
}

/// A tile or bundle: which, the `index`th of its kind, of how many hashes or leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tile {
    pub kind: Kind,
    pub index: u64,
    pub width: usize,
}

impl Tile {
    /// Its place in the log's folder.
    pub fn path(&self) -> String {
        match self.width {
            TILE_WIDTH => self.whole_path(),
            width => format!("{}/{width}", self.partial_folder()),
        }
    }

    /// Its place once it is whole.
    pub fn whole_path(&self) -> String {
        let number = number_path(self.index);
        match self.kind {
            Kind::Hashes(level) => format!("tile/{level}/{number}"),
            Kind::Leaves => format!("tile/entries/{number}"),
        }
    }

    /// The folder of its states that are not whole.
    pub fn partial_folder(&self) -> String {
        format!("{}.p", self.whole_path())
    }
}

/// Where the records of a bundle's leaves lie.
pub(crate) fn records_path(bundle: u64) -> String {
    format!("records/{}.jsonl", number_path(bundle))
}

/// Groups of three digits, all but the last after an `x`, so that no folder has more than a thousand of them: `x001/x234/067`.
fn number_path(number: u64) -> String {
    let rest = number / 1000;
    let last = format!("{:03}", number % 1000);
    if rest == 0 {
        return last;
    }
    let above: Vec<String> =
        number_path(rest).split('/').map(|part| format!("x{}", part.trim_start_matches('x'))).collect();
    format!("{}/{last}", above.join("/"))
}

/// A tile's bytes.
pub(crate) fn hash_bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// A leaf as it stands in a bundle.
pub(crate) fn bundled(leaf: &[u8]) -> Vec<u8> {
    let length = u16::try_from(leaf.len()).expect("a leaf has few fields, each of bounded length");
    [&length.to_be_bytes(), leaf].concat()
}

/// The first leaf of what is left of a bundle, and the rest; none where no whole leaf follows.
pub(crate) fn next_leaf(bundle: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bundle.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_are_named_as_in_the_standard() {
        let tile = |index, width| Tile { kind: Kind::Hashes(1), index, width };
        assert_eq!(tile(1_234_067, 256).path(), "tile/1/x001/x234/067");
        assert_eq!(tile(0, 1).path(), "tile/1/000.p/1");
        assert_eq!(tile(1000, 255).path(), "tile/1/x001/000.p/255");
        assert_eq!(Tile { kind: Kind::Leaves, ..tile(999, 256) }.path(), "tile/entries/999");
        assert_eq!(records_path(5), "records/005.jsonl");
    }

    #[test]
    fn leaves_are_read_as_they_are_bundled_and_a_torn_one_is_none() {
        let bundle = [bundled(b"first"), bundled(b""), bundled(&[7; 300])].concat();
        let (first, rest) = next_leaf(&bundle).expect("a leaf");
        let (second, rest) = next_leaf(rest).expect("a leaf");
        let (third, rest) = next_leaf(rest).expect("a leaf");
        assert_eq!((first, second, third, rest), (&b"first"[..], &b""[..], &[7; 300][..], &b""[..]));
        for torn in [&b""[..], b"\x00", b"\x00\x01", b"\xff\xff1234"] {
            assert_eq!(next_leaf(torn), None);
        }
    }
}
