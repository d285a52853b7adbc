//! Who is who at this node: identity number to unit number, for each unit type, sealed at rest.
//!
//! Unit numbers are dense: the first unit ever imported is 0. They never change and are never given twice, so that
//! registers hold unit numbers only, and a stolen register file names nobody. This is the one place where an
//! identity and a number meet; nothing here can be printed.
//!
//! # File
//! `identity/<UNIT_TYPE>.map` is sealed under the state key with the unit type as context. Inside: the
//! magic bytes, the number of units, then the identities in order of unit number.
//! A new version is written beside the old one, synced and renamed over it: after a crash either the old
//! map or the new one is there, and the new one only adds to the old.
//!
//! # Memory
//! Identity numbers of a fixed count of digits take 8 bytes; with the hash table over them a nation of
//! 5.5 million takes about 110 MB, and as much again for a moment while it is sealed or opened.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use kobling_crypto::seal::{self, SealKey};
use kobling_model::identity::Identity;
use kobling_model::unit::Naming;
use kobling_model::{Hash, UnitType};
use ring::digest;
use zeroize::{Zeroize, Zeroizing};

use crate::processors::on_all_processors;

const MAGIC: &[u8; 8] = b"kblgmap1";
/// The largest number is kept to say "no unit".
const UNITS_MAX: usize = u32::MAX as usize - 1;
const EMPTY: u32 = u32::MAX;

/// Why an identity map cannot be read or written. Never says anything about its content.
#[derive(Debug, thiserror::Error)]
pub enum IdentityMapError {
    /// The file system.
    #[error("the identity map of {unit_type} cannot be read or written")]
    Io {
        /// Which map.
        unit_type: UnitType,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The seal does not open: another key, another map's file, or changed bytes.
    #[error("the identity map of {unit_type} is damaged or sealed under another key")]
    Sealed {
        /// Which map.
        unit_type: UnitType,
    },
    /// The seal opens and the content is not a map: written by another version of this program.
    #[error("the identity map of {unit_type} is in an unknown format")]
    Format {
        /// Which map.
        unit_type: UnitType,
    },
    /// The map knows fewer units than a register that was imported with it: an old copy.
    #[error("the identity map of {unit_type} is older than the registers")]
    Behind {
        /// Which map.
        unit_type: UnitType,
    },
}

/// A unit type has used all its unit numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are no unit numbers left for {unit_type}")]
pub struct TooManyUnits {
    /// Which.
    pub unit_type: UnitType,
}

/// Identity number to unit number, for one unit type. Has no `Debug`: the content names people.
pub struct IdentityMap {
    unit_type: UnitType,
    entries: Entries,
    index: Index,
    /// The unit looked up last: files tend to name units in the order of their numbers.
    last: u32,
}

/// Identities in order of unit number.
enum Entries {
    /// Of a fixed count of digits, as numbers.
    Digits { count: usize, numbers: Vec<u64> },
    /// Anything else: one text after the other, and where each ends.
    Texts { bytes: Vec<u8>, ends: Vec<u64> },
}

/// A hash table of unit numbers: open addressing with linear steps, at most two thirds full.
struct Index {
    slots: Vec<u32>,
    /// Random, so that no file can be written to collide.
    keys: [u64; 2],
}

/// An identity as its entry is compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Key<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl IdentityMap {
    /// A map without units.
    pub fn empty(unit_type: UnitType) -> Self {
        let digits = |count| Entries::Digits { count, numbers: Vec::new() };
        let entries = match unit_type.naming() {
            Naming::Foedselsnummer => digits(11),
            Naming::OrganisationNumber => digits(9),
            Naming::Free => Entries::Texts { bytes: Vec::new(), ends: Vec::new() },
        };
        Self { unit_type, entries, index: Index::empty(), last: 0 }
    }

    /// Reads the map of a unit type from a state folder; empty where nothing was ever imported.
    ///
    /// # Errors
    /// [`IdentityMapError`]; a file that is there and does not open is never taken for an empty map.
    pub fn load(state: &Path, unit_type: UnitType, key: &SealKey) -> Result<Self, IdentityMapError> {
        let sealed = match fs::read(path(state, unit_type)) {
            Ok(sealed) => sealed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::empty(unit_type)),
            Err(source) => return Err(IdentityMapError::Io { unit_type, source }),
        };
        let plain = seal::open(key, &context(unit_type), &sealed)
            .map_err(|_| IdentityMapError::Sealed { unit_type })?;
        Self::decode(unit_type, &plain).ok_or(IdentityMapError::Format { unit_type })
    }

    /// Writes the map to a state folder, sealed and synced.
    ///
    /// # Errors
    /// [`IdentityMapError::Io`]; the old map is then still there.
    pub fn save(&self, state: &Path, key: &SealKey) -> Result<(), IdentityMapError> {
        let plain = Zeroizing::new(self.encode());
        let sealed = seal::seal(key, &context(self.unit_type), &plain);
        write(state, self.unit_type, &sealed)
            .map_err(|source| IdentityMapError::Io { unit_type: self.unit_type, source })
    }

    /// The unit type of all units here.
    pub fn unit_type(&self) -> UnitType {
        self.unit_type
    }

    /// Number of units: one more than the last unit number.
    pub fn len(&self) -> u32 {
        self.entries.len() as u32
    }

    /// Whether there are no units.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The unit number of an identity, a new one if it has none.
    ///
    /// # Errors
    /// [`TooManyUnits`] where there is no number left.
    pub fn get_or_insert(&mut self, identity: &Identity) -> Result<u32, TooManyUnits> {
        self.get_or_insert_canonical(identity.canonical())
    }

    /// The same for the canonical bytes of an identity of this unit type.
    fn get_or_insert_canonical(&mut self, canonical: &[u8]) -> Result<u32, TooManyUnits> {
        let key = self.entries.key_of(canonical);
        // The next row is mostly about the same unit or the next one, which then lies in the cache.
        for near in [self.last, self.last.wrapping_add(1)] {
            if (near as usize) < self.entries.len() && self.entries.key(near as usize) == key {
                self.last = near;
                return Ok(near);
            }
        }
        let unit = match self.index.find(&self.entries, key) {
            Some(unit) => unit,
            None if self.entries.len() >= UNITS_MAX => {
                return Err(TooManyUnits { unit_type: self.unit_type });
            }
            None => {
                let unit = self.entries.len() as u32;
                self.entries.push(key);
                self.index.insert(&self.entries, unit);
                unit
            }
        };
        self.last = unit;
        Ok(unit)
    }

    /// Fills the place of every unit with what `make` makes of its unit number and canonical identity, on as many threads as there are
    /// processors. There must be a place for each unit.
    ///
    /// The bytes are lent for one step only, so that a caller does not keep a list of people by accident.
    pub fn fill<T: Send>(&self, places: &mut [T], make: impl Fn(u32, &[u8]) -> T + Sync) {
        debug_assert_eq!(places.len(), self.entries.len());
        on_all_processors(places, |first, places| {
            let mut digits = [0; DIGITS_MAX];
            for (unit, place) in (first..).zip(places) {
                *place = make(unit as u32, self.entries.canonical(unit, &mut digits));
            }
            digits.zeroize();
        });
    }

    /// SHA-256 over the sorted identities: the same for the same set of units, however imported.
    ///
    /// Whoever holds it can test a guess of the whole set, so it is used keyed only and never leaves the node.
    pub fn state(&self) -> Hash {
        let mut order: Vec<u32> = (0..self.len()).collect();
        match &self.entries {
            Entries::Digits { numbers, .. } => order.sort_unstable_by_key(|unit| numbers[*unit as usize]),
            Entries::Texts { .. } => {
                let bytes = |unit: u32| self.entries.text(unit as usize);
                order.sort_unstable_by(|one, other| bytes(*one).cmp(bytes(*other)));
            }
        }
        let mut digest = digest::Context::new(&digest::SHA256);
        let mut digits = [0; DIGITS_MAX];
        for unit in order {
            let canonical = self.entries.canonical(unit as usize, &mut digits);
            digest.update(&(canonical.len() as u32).to_le_bytes());
            digest.update(canonical);
        }
        Hash::from_bytes(digest.finish().as_ref()).expect("SHA-256 has 32 bytes")
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 + self.entries.encoded_bytes());
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&u64::from(self.len()).to_le_bytes());
        match &self.entries {
            Entries::Digits { numbers, .. } => {
                numbers.iter().for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
            }
            Entries::Texts { bytes, ends } => {
                ends.iter().for_each(|end| out.extend_from_slice(&end.to_le_bytes()));
                out.extend_from_slice(bytes);
            }
        }
        out
    }

    /// `None` for anything that [`Self::encode`] does not write.
    fn decode(unit_type: UnitType, plain: &[u8]) -> Option<Self> {
        let rest = plain.strip_prefix(MAGIC)?;
        let (count, rest) = rest.split_first_chunk::<8>()?;
        let count = usize::try_from(u64::from_le_bytes(*count)).ok()?;
        let (words, rest) = rest.split_at_checked(count.checked_mul(8)?)?;
        let words = words.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word));
        let mut map = Self::empty(unit_type);
        match &mut map.entries {
            Entries::Digits { count, numbers } => {
                let limit = 10u64.pow(*count as u32);
                numbers.extend(words);
                if !rest.is_empty() || numbers.iter().any(|number| *number >= limit) {
                    return None;
                }
            }
            Entries::Texts { bytes, ends } => {
                ends.extend(words);
                bytes.extend_from_slice(rest);
                let whole = ends.last().copied().unwrap_or(0) == bytes.len() as u64;
                if !whole || !ends.is_sorted() {
                    return None;
                }
            }
        }
        let mut texts = (0..map.entries.len()).map(|unit| map.entries.text(unit));
        if count > UNITS_MAX || texts.any(|text| std::str::from_utf8(text).is_err()) {
            return None;
        }
        map.index.rebuild(&map.entries, count);
        Some(map)
    }
}

impl Drop for IdentityMap {
    fn drop(&mut self) {
        match &mut self.entries {
            Entries::Digits { numbers, .. } => numbers.zeroize(),
            Entries::Texts { bytes, .. } => bytes.zeroize(),
        }
    }
}

const DIGITS_MAX: usize = 11;

impl Entries {
    fn len(&self) -> usize {
        match self {
            Self::Digits { numbers, .. } => numbers.len(),
            Self::Texts { ends, .. } => ends.len(),
        }
    }

    fn encoded_bytes(&self) -> usize {
        match self {
            Self::Digits { numbers, .. } => numbers.len() * 8,
            Self::Texts { bytes, ends } => ends.len() * 8 + bytes.len(),
        }
    }

    fn key_of<'a>(&self, canonical: &'a [u8]) -> Key<'a> {
        match self {
            Self::Digits { .. } => Key::Number(number_of(canonical)),
            Self::Texts { .. } => Key::Bytes(canonical),
        }
    }

    fn key(&self, unit: usize) -> Key<'_> {
        match self {
            Self::Digits { numbers, .. } => Key::Number(numbers[unit]),
            Self::Texts { .. } => Key::Bytes(self.text(unit)),
        }
    }

    fn text(&self, unit: usize) -> &[u8] {
        match self {
            Self::Digits { .. } => &[],
            Self::Texts { bytes, ends } => {
                let start = unit.checked_sub(1).map_or(0, |before| ends[before]);
                &bytes[start as usize..ends[unit] as usize]
            }
        }
    }

    fn push(&mut self, key: Key<'_>) {
        match (self, key) {
            (Self::Digits { numbers, .. }, Key::Number(number)) => numbers.push(number),
            (Self::Texts { bytes, ends }, Key::Bytes(text)) => {
                bytes.extend_from_slice(text);
                ends.push(bytes.len() as u64);
            }
            _ => unreachable!("a key is made by the entries it is pushed on"),
        }
    }

    /// The canonical form, written into `digits` where it is not stored as it is.
    fn canonical<'a>(&'a self, unit: usize, digits: &'a mut [u8; DIGITS_MAX]) -> &'a [u8] {
        match self {
            Self::Digits { count, numbers } => {
                let mut rest = numbers[unit];
                for digit in digits[..*count].iter_mut().rev() {
                    *digit = b'0' + (rest % 10) as u8;
                    rest /= 10;
                }
                &digits[..*count]
            }
            Self::Texts { .. } => self.text(unit),
        }
    }
}

/// The canonical form has digits only, so this is exact.
fn number_of(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}

impl Index {
    fn empty() -> Self {
        let random = RandomState::new();
        Self { slots: Vec::new(), keys: [random.hash_one(0), random.hash_one(1)] }
    }

    /// Multiply and fold, keyed: an import looks up every row's identity.
    fn hash(&self, key: Key<'_>) -> usize {
        let fold = |one: u64, other: u64| {
            let product = u128::from(one) * u128::from(other | 1);
            product as u64 ^ (product >> 64) as u64
        };
        let [first, second] = self.keys;
        let hash = match key {
            Key::Number(number) => fold(number ^ first, second),
            Key::Bytes(bytes) => {
                let (words, rest) = bytes.as_chunks::<8>();
                let mut last = [0; 8];
                last[..rest.len()].copy_from_slice(rest);
                let words = words.iter().chain([&last]).map(|word| u64::from_le_bytes(*word));
                words.fold(first ^ bytes.len() as u64, |hash, word| fold(hash ^ word, second))
            }
        };
        hash as usize
    }

    fn find(&self, entries: &Entries, key: Key<'_>) -> Option<u32> {
        // The number of slots is a power of two.
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = self.hash(key) & mask;
        loop {
            match self.slots[at] {
                EMPTY => return None,
                unit if entries.key(unit as usize) == key => return Some(unit),
                _ => at = (at + 1) & mask,
            }
        }
    }

    /// Adds a unit that `entries` already has and the index has not.
    fn insert(&mut self, entries: &Entries, unit: u32) {
        if (unit as usize + 1) * 3 > self.slots.len() * 2 {
            self.rebuild(entries, unit as usize + 1);
        } else {
            self.place(entries, unit);
        }
    }

    fn rebuild(&mut self, entries: &Entries, units: usize) {
        let slots = (units * 3 / 2 + 1).next_power_of_two().max(16);
        // The old ones first: both at once would be half as much memory again.
        self.slots = Vec::new();
        self.slots = vec![EMPTY; slots];
        (0..units as u32).for_each(|unit| self.place(entries, unit));
    }

    fn place(&mut self, entries: &Entries, unit: u32) {
        let mask = self.slots.len() - 1;
        let mut at = self.hash(entries.key(unit as usize)) & mask;
        while self.slots[at] != EMPTY {
            at = (at + 1) & mask;
        }
        self.slots[at] = unit;
    }
}

/// Distinct texts, numbered as they come: the values of a variable.
pub(crate) struct Texts {
    entries: Entries,
    index: Index,
}

impl Texts {
    pub(crate) fn empty() -> Self {
        let entries = Entries::Texts { bytes: Vec::new(), ends: Vec::new() };
        Self { entries, index: Index::empty() }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn find(&self, text: &str) -> Option<u32> {
        self.index.find(&self.entries, Key::Bytes(text.as_bytes()))
    }

    /// The number of a text, a new one if it has none. `None` where there is no number left.
    pub(crate) fn number(&mut self, text: &str) -> Option<u32> {
        if let Some(number) = self.find(text) {
            return Some(number);
        }
        // Numbers are keys of an Arrow dictionary, which are signed.
        let number = u32::try_from(self.len()).ok().filter(|number| *number < i32::MAX as u32)?;
        self.entries.push(Key::Bytes(text.as_bytes()));
        self.index.insert(&self.entries, number);
        Some(number)
    }

    pub(crate) fn text(&self, number: u32) -> &str {
        std::str::from_utf8(self.entries.text(number as usize)).expect("texts go in whole")
    }
}

/// The maps that an import works on, by unit type.
#[derive(Default)]
pub(crate) struct IdentityMaps {
    /// In the order of [`UnitType::ALL`], which is that of the discriminants; those missing are empty.
    maps: [Option<IdentityMap>; UnitType::ALL.len()],
}

impl IdentityMaps {
    /// All maps that a state folder has.
    pub(crate) fn load(state: &Path, key: &SealKey) -> Result<Self, IdentityMapError> {
        let mut maps = Self::default();
        for unit_type in UnitType::ALL {
            maps.maps[unit_type as usize] = Some(IdentityMap::load(state, unit_type, key)?);
        }
        Ok(maps)
    }

    /// The unit number of canonical bytes of an identity of this unit type.
    pub(crate) fn get_or_insert(
        &mut self,
        unit_type: UnitType,
        canonical: &str,
    ) -> Result<u32, TooManyUnits> {
        let map = self.maps[unit_type as usize].get_or_insert_with(|| IdentityMap::empty(unit_type));
        map.get_or_insert_canonical(canonical.as_bytes())
    }

    /// Number of units of each type that has any.
    pub(crate) fn units(&self) -> BTreeMap<UnitType, u32> {
        let maps = self.maps.iter().flatten().filter(|map| !map.is_empty());
        maps.map(|map| (map.unit_type, map.len())).collect()
    }

    /// Writes the maps that have units.
    pub(crate) fn save(&self, state: &Path, key: &SealKey) -> Result<(), IdentityMapError> {
        let maps = self.maps.iter().flatten().filter(|map| !map.is_empty());
        maps.into_iter().try_for_each(|map| map.save(state, key))
    }
}

/// Bytes that all identity maps of a state folder take.
pub(crate) fn stored_bytes(state: &Path) -> u64 {
    let bytes = |unit_type| fs::metadata(path(state, unit_type)).map_or(0, |file| file.len());
    UnitType::ALL.into_iter().map(bytes).sum()
}

fn folder(state: &Path) -> PathBuf {
    state.join("identity")
}

fn path(state: &Path, unit_type: UnitType) -> PathBuf {
    folder(state).join(format!("{unit_type}.map"))
}

fn context(unit_type: UnitType) -> String {
    format!("kobling identity map v1 {unit_type}")
}

fn write(state: &Path, unit_type: UnitType, sealed: &[u8]) -> io::Result<()> {
    let folder = folder(state);
    fs::create_dir_all(&folder)?;
    let new = folder.join(format!("{unit_type}.map.new"));
    let mut file = File::create(&new)?;
    file.write_all(sealed)?;
    file.sync_all()?;
    // A crash before this line leaves the old map, after it the new one.
    fs::rename(&new, path(state, unit_type))?;
    File::open(&folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::register::testing::{person, seal_key};

    fn identity(unit_type: UnitType, text: &str) -> Identity {
        Identity::parse(unit_type, text).expect("valid")
    }

    fn contents(map: &IdentityMap) -> Vec<(u32, String)> {
        let mut all = Vec::new();
        all.resize(map.len() as usize, (0, String::new()));
        map.fill(&mut all, |unit, bytes| (unit, String::from_utf8(bytes.to_vec()).expect("text")));
        all
    }

    #[test]
    fn a_unit_keeps_its_number_through_growth_sealing_and_reopening() {
        let folder = tempfile::tempdir().expect("a folder");
        let key = seal_key(1);
        let people: Vec<_> = (0..500).map(person).collect();
        let mut map = IdentityMap::load(folder.path(), UnitType::Person, &key).expect("empty");
        for (number, text) in people.iter().enumerate() {
            assert_eq!(map.get_or_insert(&identity(UnitType::Person, text)), Ok(number as u32));
        }
        map.save(folder.path(), &key).expect("saved");
        let mut again = IdentityMap::load(folder.path(), UnitType::Person, &key).expect("loaded");
        assert_eq!(again.len(), 500);
        for (number, text) in people.iter().enumerate().rev() {
            assert_eq!(again.get_or_insert(&identity(UnitType::Person, text)), Ok(number as u32));
        }
        let expected: Vec<_> = people.into_iter().enumerate().map(|(at, text)| (at as u32, text)).collect();
        assert_eq!(contents(&again), expected);
    }

    #[test]
    fn leading_zeros_and_free_texts_come_back_as_they_were() {
        let folder = tempfile::tempdir().expect("a folder");
        let key = seal_key(1);
        for (unit_type, texts) in [
            (UnitType::Foretak, vec!["000000000", "123456785"]),
            (UnitType::Kommune, vec!["0301", "å", "301", "03"]),
        ] {
            let mut map = IdentityMap::empty(unit_type);
            for text in &texts {
                map.get_or_insert(&identity(unit_type, text)).expect("numbers left");
            }
            map.save(folder.path(), &key).expect("saved");
            let again = IdentityMap::load(folder.path(), unit_type, &key).expect("loaded");
            let found: Vec<_> = contents(&again).into_iter().map(|(_, text)| text).collect();
            assert_eq!(found, texts);
        }
    }

    #[test]
    fn the_file_names_nobody_and_opens_under_its_own_key_and_name_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut map = IdentityMap::empty(UnitType::Kommune);
        map.get_or_insert(&identity(UnitType::Kommune, "Kautokeino")).expect("numbers left");
        map.save(folder.path(), &seal_key(1)).expect("saved");
        let file = path(folder.path(), UnitType::Kommune);
        let sealed = fs::read(&file).expect("written");
        assert!(!sealed.windows(10).any(|window| window == b"Kautokeino"));

        let load = |unit_type, key| IdentityMap::load(folder.path(), unit_type, &seal_key(key)).err();
        assert!(matches!(load(UnitType::Kommune, 2), Some(IdentityMapError::Sealed { .. })));
        fs::copy(&file, path(folder.path(), UnitType::Kurs)).expect("copied");
        assert!(matches!(load(UnitType::Kurs, 1), Some(IdentityMapError::Sealed { .. })));
        for length in 0..sealed.len() {
            fs::write(&file, &sealed[..length]).expect("written");
            assert!(load(UnitType::Kommune, 1).is_some(), "{length} bytes of the map opened");
        }
    }

    #[test]
    fn no_bytes_make_the_decoder_panic_or_take_half_a_map() {
        let mut map = IdentityMap::empty(UnitType::Kurs);
        for text in ["a", "bc", "def"] {
            map.get_or_insert(&identity(UnitType::Kurs, text)).expect("numbers left");
        }
        let plain = map.encode();
        for length in 0..plain.len() {
            assert!(IdentityMap::decode(UnitType::Kurs, &plain[..length]).is_none());
        }
        assert!(IdentityMap::decode(UnitType::Person, &plain).is_none());
        for at in 0..plain.len() {
            let mut changed = plain.clone();
            changed[at] ^= 0x80;
            if let Some(map) = IdentityMap::decode(UnitType::Kurs, &changed) {
                assert_eq!(contents(&map).len(), 3);
            }
        }
    }

    #[test]
    fn the_state_depends_on_the_set_and_not_on_the_order() {
        for (unit_type, texts) in [
            (UnitType::Person, (0..20).map(person).collect::<Vec<_>>()),
            (UnitType::Kommune, vec!["0301".to_owned(), "4601".to_owned(), "03014".to_owned()]),
        ] {
            let of = |texts: &mut dyn Iterator<Item = &String>| {
                let mut map = IdentityMap::empty(unit_type);
                texts.for_each(|text| {
                    map.get_or_insert(&identity(unit_type, text)).expect("numbers left");
                });
                map.state()
            };
            assert_eq!(of(&mut texts.iter()), of(&mut texts.iter().rev()));
            assert_ne!(of(&mut texts.iter()), of(&mut texts.iter().skip(1)));
        }
    }
}
