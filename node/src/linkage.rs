//! Giving people row numbers that say nothing (design §3).
//!
//! 1. The linking nodes draw a salt together, directly ([`crate::session`]). The broker never sees it.
//! 2. This node hashes all units of its identity map under the salt, mixes in decoys and canaries, sorts
//!    everything, and gives the broker the tokens. *The broker learns* how many tokens there are, and, between
//!    owners, how many are equal: the overlap blurred by decoys.
//! 3. The broker gives each distinct token a random row. *The node learns* rows of its own tokens and the
//!    number of rows, rounded up: nothing about which rows others have too.
//! 4. The linking nodes compare the rows of their canaries, directly: if salt or canonical form differed
//!    anywhere, no canary would match, and the session ends instead of answering from an empty join.

use kobling_crypto::decoys::DecoyLaw;
use kobling_crypto::pseudonym::{Pseudonym, SessionSalt};
use kobling_model::identity::{Identity, canary_persons};
use kobling_model::unit::Naming;
use kobling_model::{OwnerId, UnitType};

use crate::error::NodeError;
use crate::identity_map::IdentityMap;
use crate::processors::on_all_processors;

/// Number of canaries of an alignment.
pub const CANARIES: usize = 3;

/// Rows are rounded up to a multiple of this, so that their number says little.
pub const ROWS_MULTIPLE: u64 = 65_536;

/// Most rows of an alignment: a row number is a `u32`, and products are exact far beyond.
pub const ROWS_MAX: u64 = 64 << 20;

/// The unit of a row that this owner has nobody in.
pub const NO_UNIT: u32 = u32::MAX;

/// What a token stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Unit(u32),
    Canary(u8),
    Decoy,
}

/// A meaning in four bytes, since a nation has millions of them: unit numbers stay far below the last words.
#[derive(Clone, Copy)]
struct Packed(u32);

impl Packed {
    const DECOY: u32 = u32::MAX;
    const FIRST_CANARY: u32 = u32::MAX - CANARIES as u32;

    fn of(meaning: Meaning) -> Self {
        Self(match meaning {
            Meaning::Unit(unit) => unit,
            Meaning::Canary(at) => Self::FIRST_CANARY + u32::from(at),
            Meaning::Decoy => Self::DECOY,
        })
    }

    fn meaning(self) -> Meaning {
        match self.0 {
            Self::DECOY => Meaning::Decoy,
            word if word >= Self::FIRST_CANARY => Meaning::Canary((word - Self::FIRST_CANARY) as u8),
            unit => Meaning::Unit(unit),
        }
    }
}

/// Tokens as given to the broker, with what they stand for kept here.
pub struct Tokens {
    meanings: Vec<Packed>,
}

/// Row numbers of this node's units and canaries. Holds no token any more.
#[derive(Clone)]
pub struct Alignment {
    /// Number of rows, with empty ones.
    pub rows: u64,
    /// Unit of each row, or [`NO_UNIT`]: a column is then read at random and written in order, which is the faster way.
    pub unit_of_row: Vec<u32>,
    /// Rows of the canaries.
    pub canary_rows: [u32; CANARIES],
}

/// How many decoys stand in for whom: numbers that depend on the state of identity maps only.
pub struct Decoys {
    /// For each set of two or more linking owners that this node belongs to: the set, and the number.
    pub matching: Vec<(Vec<OwnerId>, u32)>,
    /// Decoys of this owner that match nobody.
    pub lone: u32,
}

impl Decoys {
    /// Draws the numbers: from the record-key secret for sets of owners, so that all members draw the
    /// same, and from the owner's own secret for lone ones. `maps` names the linking owners, in order of
    /// name, with a keyed hash of the state of each one's identity map.
    ///
    /// Every number depends on the state of all linking owners, not of the set's members alone: if the number
    /// of {A, B} were the same whether C links or not, the difference of two sessions would give the exact
    /// overlap of all three.
    pub fn draw(
        law: &DecoyLaw,
        me: &OwnerId,
        maps: &[(OwnerId, [u8; 32])],
        unit_type: UnitType,
        record_key: &[u8; 32],
        own: &[u8; 32],
    ) -> Self {
        let mut linking = unit_type.as_str().as_bytes().to_vec();
        for (owner, map) in maps {
            linking.push(0);
            linking.extend(owner.as_str().as_bytes());
            linking.push(0);
            linking.extend(map);
        }
        let label = |members: &[&(OwnerId, [u8; 32])]| {
            let mut label = linking.clone();
            for (owner, _) in members {
                label.push(1);
                label.extend(owner.as_str().as_bytes());
            }
            label
        };
        let mut matching = Vec::new();
        // Sets of owners as the bits of a number; a federation has few owners.
        for set in 0_u32..1 << maps.len().min(16) {
            let members: Vec<_> = maps
                .iter()
                .enumerate()
                .filter(|(at, _)| set >> at & 1 == 1)
                .map(|(_, member)| member)
                .collect();
            if members.len() >= 2 && members.iter().any(|(owner, _)| owner == me) {
                let count = law.count(record_key, &label(&members));
                matching.push((members.iter().map(|(owner, _)| owner.clone()).collect(), count));
            }
        }
        let mine: Vec<_> = maps.iter().filter(|(owner, _)| owner == me).collect();
        Self { matching, lone: law.count(own, &label(&mine)) }
    }
}

/// Identifiers that no one has, as raw text that a register could hold. They go through the same code as every
/// identifier of a register.
fn canaries(unit_type: UnitType) -> [String; CANARIES] {
    match unit_type.naming() {
        Naming::Foedselsnummer => canary_persons(),
        // Organisation numbers start with 8 or 9; these start with 0 and pass the control digit.
        Naming::OrganisationNumber => ["000000019".into(), " 000000027".into(), "000000035\t".into()],
        Naming::Free => ["0-kobling-canary".into(), " 1-kobling-canary".into(), "2-kobling-canary\t".into()],
    }
}

/// Makes this node's tokens of one unit type, in ascending order.
///
/// Cost: one keyed hash for each unit, and a sort.
///
/// # Errors
/// [`NodeError::TooLarge`] beyond [`ROWS_MAX`].
pub fn tokens(
    salt: &SessionSalt,
    unit_type: UnitType,
    map: &IdentityMap,
    decoys: &Decoys,
    me: &OwnerId,
) -> Result<(Vec<[u8; Pseudonym::LEN]>, Tokens), NodeError> {
    let name = unit_type.as_str();
    let hasher = salt.tokens(name);
    if map.len() as u64 > ROWS_MAX {
        return Err(NodeError::TooLarge { party: me.clone() });
    }
    let units = map.len() as usize;
    let decoy_count = decoys.matching.iter().map(|(_, count)| *count).sum::<u32>() + decoys.lone;
    let mut all: Vec<([u8; Pseudonym::LEN], Packed)> =
        Vec::with_capacity(units + CANARIES + decoy_count as usize);
    all.resize(units, ([0; Pseudonym::LEN], Packed::of(Meaning::Decoy)));
    map.fill(&mut all, |unit, identity| {
        (*hasher.token(identity).as_bytes(), Packed::of(Meaning::Unit(unit)))
    });
    for (at, raw) in canaries(unit_type).iter().enumerate() {
        let canary = Identity::parse(unit_type, raw).expect("canaries are in canonical form once trimmed");
        all.push((*hasher.token(canary.canonical()).as_bytes(), Packed::of(Meaning::Canary(at as u8))));
    }
    for (owners, count) in &decoys.matching {
        let owners: Vec<_> = owners.iter().map(OwnerId::as_str).collect();
        for index in 0..u64::from(*count) {
            all.push((*salt.matching_decoy(name, &owners, index).as_bytes(), Packed::of(Meaning::Decoy)));
        }
    }
    for index in 0..u64::from(decoys.lone) {
        all.push((*salt.lone_decoy(name, me.as_str(), index).as_bytes(), Packed::of(Meaning::Decoy)));
    }
    if all.len() as u64 > ROWS_MAX {
        return Err(NodeError::TooLarge { party: me.clone() });
    }
    // By token: what order units have in the identity map must not show. Parts are sorted side by side, and then merged.
    let by_token = |(token, _): &([u8; Pseudonym::LEN], Packed)| u128::from_be_bytes(*token);
    on_all_processors(&mut all, |_, part| part.sort_unstable_by_key(by_token));
    all.sort_by_key(by_token);
    let meanings = all.iter().map(|(_, meaning)| *meaning).collect();
    Ok((all.into_iter().map(|(token, _)| token).collect(), Tokens { meanings }))
}

impl Tokens {
    /// Takes the broker's row numbers, one for each token in the order given.
    ///
    /// # Errors
    /// [`NodeError::BadAlignment`] where their number is another, one is out of range or comes twice, or
    /// the number of rows is not a multiple of [`ROWS_MULTIPLE`] or beyond [`ROWS_MAX`].
    pub fn align(&self, rows: u64, row_numbers: &[u32]) -> Result<Alignment, NodeError> {
        let plausible = rows > 0 && rows.is_multiple_of(ROWS_MULTIPLE) && rows <= ROWS_MAX;
        if !plausible || row_numbers.len() != self.meanings.len() {
            return Err(NodeError::BadAlignment);
        }
        let mut taken = vec![false; rows as usize];
        let mut unit_of_row = vec![NO_UNIT; rows as usize];
        let mut canary_rows = [0; CANARIES];
        for (row, packed) in row_numbers.iter().zip(&self.meanings) {
            let place = taken.get_mut(*row as usize).ok_or(NodeError::BadAlignment)?;
            if std::mem::replace(place, true) {
                return Err(NodeError::BadAlignment);
            }
            match packed.meaning() {
                Meaning::Unit(unit) => unit_of_row[*row as usize] = unit,
                Meaning::Canary(at) => canary_rows[usize::from(at)] = *row,
                Meaning::Decoy => {}
            }
        }
        Ok(Alignment { rows, unit_of_row, canary_rows })
    }
}

impl Alignment {
    /// Brings a column from unit order to row order; rows without a unit here get `absent`.
    pub fn gather<T: Copy>(&self, by_unit: &[T], absent: T) -> Vec<T> {
        self.by_row(by_unit, absent).collect()
    }

    /// The same, row by row.
    pub fn by_row<T: Copy>(&self, by_unit: &[T], absent: T) -> impl ExactSizeIterator<Item = T> {
        self.unit_of_row.iter().map(move |unit| by_unit.get(*unit as usize).copied().unwrap_or(absent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aligned() -> Tokens {
        Tokens {
            meanings: [
                Meaning::Unit(1),
                Meaning::Canary(0),
                Meaning::Decoy,
                Meaning::Canary(2),
                Meaning::Unit(0),
                Meaning::Canary(1),
            ]
            .map(Packed::of)
            .to_vec(),
        }
    }

    #[test]
    fn a_packed_meaning_comes_back() {
        let canaries = (0..CANARIES as u8).map(Meaning::Canary);
        let units = [0, 1, ROWS_MAX as u32].map(Meaning::Unit);
        for meaning in canaries.chain(units).chain([Meaning::Decoy]) {
            assert_eq!(Packed::of(meaning).meaning(), meaning);
        }
    }

    #[test]
    fn columns_come_out_in_row_order() {
        let alignment = aligned().align(65_536, &[10, 2, 3, 5, 7, 6]).expect("an alignment");
        assert_eq!(alignment.canary_rows, [2, 6, 5]);
        assert_eq!([7, 10, 3].map(|row| alignment.unit_of_row[row]), [0, 1, NO_UNIT]);
        let column = alignment.gather(&['a', 'b'], '-');
        assert_eq!((column[7], column[10], column[3]), ('a', 'b', '-'));
    }

    #[test]
    fn row_numbers_that_are_no_alignment_are_refused() {
        for (rows, numbers) in [
            (65_536, &[10, 2, 3, 5, 7][..]),
            (65_536, &[10, 2, 3, 5, 7, 10]),
            (65_536, &[10, 2, 3, 5, 7, 65_536]),
            (65_535, &[10, 2, 3, 5, 7, 6]),
            (0, &[10, 2, 3, 5, 7, 6]),
            (1 << 40, &[10, 2, 3, 5, 7, 6]),
        ] {
            assert!(matches!(aligned().align(rows, numbers), Err(NodeError::BadAlignment)));
        }
    }

    #[test]
    fn canaries_of_every_unit_type_are_canonical_once_trimmed_and_distinct() {
        for unit_type in UnitType::ALL {
            let mut parsed: Vec<_> = canaries(unit_type)
                .iter()
                .map(|raw| Identity::parse(unit_type, raw).expect("canonical").canonical().to_vec())
                .collect();
            parsed.sort();
            parsed.dedup();
            assert_eq!(parsed.len(), CANARIES, "{unit_type}");
        }
    }

    #[test]
    fn a_number_changes_when_another_owner_links() {
        let law = DecoyLaw::new((1, 10), 9).expect("a law");
        let id = |text| OwnerId::new(text).expect("valid");
        let two = [(id("krg"), [2; 32]), (id("ssb"), [1; 32])];
        let three = [(id("fhi"), [3; 32]), (id("krg"), [2; 32]), (id("ssb"), [1; 32])];
        let pair = |maps: &[_], key: u8| {
            let decoys = Decoys::draw(&law, &id("ssb"), maps, UnitType::Person, &[key; 32], &[9; 32]);
            let both = vec![id("krg"), id("ssb")];
            decoys.matching.into_iter().find(|(set, _)| *set == both).expect("the pair").1
        };
        let differing = (0..32).filter(|key| pair(&two, *key) != pair(&three, *key)).count();
        assert!(differing > 16, "the numbers of a pair are drawn anew");
    }

    #[test]
    fn members_of_a_set_draw_the_same_number_and_lone_ones_differ_by_secret() {
        let law = DecoyLaw::new((1, 10), 9).expect("a law");
        let [ssb, krg, fhi] = ["ssb", "krg", "fhi"].map(|id| OwnerId::new(id).expect("valid"));
        let mut maps = vec![(ssb.clone(), [1; 32]), (krg.clone(), [2; 32]), (fhi, [3; 32])];
        maps.sort();
        let draw =
            |me: &OwnerId, own: u8| Decoys::draw(&law, me, &maps, UnitType::Person, &[7; 32], &[own; 32]);
        let (at_ssb, at_krg) = (draw(&ssb, 1), draw(&krg, 2));
        let both = |decoys: &Decoys| {
            let shared = decoys.matching.iter().filter(|(set, _)| set.contains(&ssb) && set.contains(&krg));
            shared.cloned().collect::<Vec<_>>()
        };
        assert_eq!(both(&at_ssb), both(&at_krg));
        assert_eq!(at_ssb.matching.len(), 3);
        assert!(at_ssb.lone <= law.max());
    }
}
