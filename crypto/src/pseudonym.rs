//! Salted tokens of identities, decoys among them, record keys, and check values.
//!
//! There are about 2·10⁷ identity numbers, so a hash of one is only as secret as its key. All of these are
//! HMAC-SHA256 over the length-prefixed list of a purpose and its parts; no two purposes share a message:
//!
//! | what | key | list | kept |
//! | --- | --- | --- | --- |
//! | token | session salt | `kobling token v1`, unit type, identity | 16 bytes |
//! | matching decoy | session salt | `kobling matching decoy v1`, unit type, sorted owner ids, index (8 bytes LE) | 16 bytes |
//! | lone decoy | session salt | `kobling lone decoy v1`, unit type, owner id, index (8 bytes LE) | 16 bytes |
//! | record key | record-key secret | `kobling record key v1`, unit type, identity | 6 bytes |
//! | check value | the secret checked | `kobling check value v1`, what it is of, session | 32 bytes |
//!
//! Identities come in canonical form; that form is defined outside this crate.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::primitive::{ManyHashes, extract, keyed_hash, length_of, length_prefixed, random};

/// A unit, named by a keyed hash that is valid inside one session.
///
/// Sessions never share a salt, so the same person has unrelated pseudonyms in two sessions, and equality is
/// meaningful only within one. Whoever holds the salt can reverse a pseudonym by trying every identity number;
/// treat the bytes as personal data. For that reason `Debug` hides them and there is no `Display`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pseudonym([u8; Pseudonym::LEN]);

impl Pseudonym {
    /// Length in bytes: 128 bits keep the chance of any collision among 10⁷ people below 2⁻⁸⁰.
    pub const LEN: usize = 16;

    /// Reads one from a message.
    pub fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes that are sent and sorted.
    pub fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Debug for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pseudonym(hidden)")
    }
}

/// Contributions that do not make a salt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected one salt contribution from each linking owner")]
pub struct BadContributions;

/// A linking node's random part of a session's salt.
pub fn contribution() -> Zeroizing<[u8; 32]> {
    Zeroizing::new(random())
}

/// The key of one session's tokens: known to the linking nodes, forgotten with the session.
#[derive(ZeroizeOnDrop)]
pub struct SessionSalt([u8; 32]);

impl SessionSalt {
    /// Derives the salt from every linking owner's contribution, in order of owner id:
    /// HKDF-SHA256 with salt `kobling session salt v1`, the length-prefixed list of owner ids and contributions
    /// as secret, and the session id as info.
    ///
    /// As long as one contribution is random, the salt is.
    ///
    /// # Errors
    /// [`BadContributions`] where there is none, or two of one owner.
    pub fn derive(
        contributions: &[(String, [u8; 32])],
        session: &[u8; 16],
    ) -> Result<Self, BadContributions> {
        let mut sorted: Vec<_> = contributions.iter().collect();
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        if sorted.is_empty() || sorted.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(BadContributions);
        }
        let parts: Vec<&[u8]> =
            sorted.iter().flat_map(|(owner, part)| [owner.as_bytes(), part.as_slice()]).collect();
        let secret = Zeroizing::new(length_prefixed(&parts));
        Ok(Self(extract(b"kobling session salt v1", &secret, session)))
    }

    /// Makes the tokens of one unit type, many of them.
    pub fn tokens(&self, unit_type: &str) -> Hasher {
        Hasher::new(&self.0, &[b"kobling token v1", unit_type.as_bytes()])
    }

    /// The token of one identity.
    pub fn token(&self, unit_type: &str, identity: &[u8]) -> Pseudonym {
        self.tokens(unit_type).token(identity)
    }

    /// Decoy number `index` that each of these owners mixes in, so that it looks like a unit they share.
    pub fn matching_decoy(&self, unit_type: &str, owners: &[&str], index: u64) -> Pseudonym {
        let mut owners = owners.to_vec();
        owners.sort_unstable();
        self.decoy(b"kobling matching decoy v1", unit_type, &owners, index)
    }

    /// Decoy number `index` that this owner alone mixes in, so that it looks like a unit nobody else has.
    pub fn lone_decoy(&self, unit_type: &str, owner: &str, index: u64) -> Pseudonym {
        self.decoy(b"kobling lone decoy v1", unit_type, &[owner], index)
    }

    /// What holders of the salt compare to see that they have the same one.
    pub fn check_value(&self, session: &[u8; 16]) -> [u8; 32] {
        check_value(&self.0, "session salt", session)
    }

    fn decoy(&self, purpose: &[u8], unit_type: &str, owners: &[&str], index: u64) -> Pseudonym {
        let index = index.to_le_bytes();
        let mut parts = vec![purpose, unit_type.as_bytes()];
        parts.extend(owners.iter().map(|owner| owner.as_bytes()));
        parts.push(&index);
        first_bytes(&keyed_hash(&self.0, &parts))
    }
}

impl fmt::Debug for SessionSalt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionSalt(hidden)")
    }
}

/// The nodes' common secret behind record keys.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct RecordKeySecret([u8; 32]);

impl RecordKeySecret {
    /// Draws a new secret, once for a federation.
    pub fn generate() -> Self {
        Self(random())
    }

    /// Takes a secret from where it was kept.
    pub fn from_bytes(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// The secret itself, to seal or to send to another node.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Makes the record keys of one unit type, many of them.
    pub fn record_keys(&self, unit_type: &str) -> Hasher {
        Hasher::new(&self.0, &[b"kobling record key v1", unit_type.as_bytes()])
    }

    /// The three 16-bit limbs of one identity's record key.
    pub fn record_key(&self, unit_type: &str, identity: &[u8]) -> [u16; 3] {
        self.record_keys(unit_type).record_key(identity)
    }

    /// The fingerprint of a whole column of one unit type, or of an owner's part of one, from a sum over its units whose order says
    /// nothing and what else its noise is made with.
    pub fn column_fingerprint(
        &self,
        unit_type: &str,
        part_of: Option<&str>,
        sum: u64,
        numbers: [u64; 4],
    ) -> [u8; 8] {
        let [a, b, c, d] = numbers.map(u64::to_le_bytes);
        let sum = sum.to_le_bytes();
        let purpose: &[u8] = if part_of.is_some() { b"kobling part v2" } else { b"kobling column v2" };
        let owner = part_of.unwrap_or_default().as_bytes();
        let hash = keyed_hash(&self.0, &[purpose, unit_type.as_bytes(), owner, &sum, &a, &b, &c, &d]);
        hash[..8].try_into().expect("a hash has 32 bytes")
    }

    /// What holders of the secret compare to see that they have the same one.
    pub fn check_value(&self, session: &[u8; 16]) -> [u8; 32] {
        check_value(&self.0, "record-key secret", session)
    }
}

impl fmt::Debug for RecordKeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordKeySecret(hidden)")
    }
}

/// The keyed hash of identities under one purpose and unit type, its common beginning already hashed.
#[derive(Clone)]
pub struct Hasher {
    hashes: ManyHashes,
}

impl Hasher {
    fn new(key: &[u8; 32], beginning: &[&[u8]]) -> Self {
        Self { hashes: ManyHashes::new(key, &length_prefixed(beginning)) }
    }

    /// The token of one identity. Only for a hasher of [`SessionSalt::tokens`].
    pub fn token(&self, identity: &[u8]) -> Pseudonym {
        first_bytes(&self.hash(identity))
    }

    /// The record key of one identity: the first six bytes as three little-endian limbs. Only for a hasher of
    /// [`RecordKeySecret::record_keys`].
    pub fn record_key(&self, identity: &[u8]) -> [u16; 3] {
        let bytes = self.hash(identity);
        [0, 2, 4].map(|at| u16::from_le_bytes([bytes[at], bytes[at + 1]]))
    }

    fn hash(&self, identity: &[u8]) -> [u8; 32] {
        self.hashes.hash([&length_of(identity), identity])
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher(hidden)")
    }
}

/// A hash of a secret that its holders compare before a session: equal secrets, equal values, and a value says
/// nothing about the secret. The session keeps values of two sessions apart.
pub fn check_value(secret: &[u8], of: &str, session: &[u8; 16]) -> [u8; 32] {
    keyed_hash(secret, &[b"kobling check value v1", of.as_bytes(), session])
}

fn first_bytes(hash: &[u8]) -> Pseudonym {
    let mut bytes = [0; Pseudonym::LEN];
    bytes.copy_from_slice(&hash[..Pseudonym::LEN]);
    Pseudonym(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use ::ring::hmac;

    use super::*;

    fn contributions() -> Vec<(String, [u8; 32])> {
        vec![("krg".to_owned(), [2; 32]), ("ssb".to_owned(), [1; 32])]
    }

    fn salt() -> SessionSalt {
        SessionSalt::derive(&contributions(), &[7; 16]).expect("two owners")
    }

    #[test]
    fn a_token_is_the_documented_hash() {
        // Written out by hand, so that a second implementation can follow the table above.
        let key = hmac::Key::new(hmac::HMAC_SHA256, &salt().0);
        let mut message = Vec::new();
        for part in [&b"kobling token v1"[..], b"PERSON", b"01810112345"] {
            message.extend_from_slice(&(part.len() as u32).to_le_bytes());
            message.extend_from_slice(part);
        }
        let tag = hmac::sign(&key, &message);
        let expected = &tag.as_ref()[..16];
        assert_eq!(salt().token("PERSON", b"01810112345").as_bytes(), expected);
        assert_eq!(salt().tokens("PERSON").token(b"01810112345").as_bytes(), expected);
    }

    #[test]
    fn a_record_key_is_three_little_endian_limbs_of_the_documented_hash() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &[5; 32]);
        let mut message = Vec::new();
        for part in [&b"kobling record key v1"[..], b"PERSON", b"01810112345"] {
            message.extend_from_slice(&(part.len() as u32).to_le_bytes());
            message.extend_from_slice(part);
        }
        let tag = hmac::sign(&key, &message);
        let b = tag.as_ref();
        let expected = [
            b[0] as u16 + 256 * b[1] as u16,
            b[2] as u16 + 256 * b[3] as u16,
            b[4] as u16 + 256 * b[5] as u16,
        ];
        assert_eq!(RecordKeySecret::from_bytes([5; 32]).record_key("PERSON", b"01810112345"), expected);
    }

    #[test]
    fn the_order_of_contributions_does_not_matter_and_their_content_does() {
        let session = [7; 16];
        let mut other_order = contributions();
        other_order.reverse();
        let again = SessionSalt::derive(&other_order, &session).expect("two owners");
        assert_eq!(again.check_value(&session), salt().check_value(&session));

        let mut changed = contributions();
        changed[0].1[31] ^= 1;
        let swapped = vec![("krg".to_owned(), [1; 32]), ("ssb".to_owned(), [2; 32])];
        for other in [changed, swapped] {
            let other = SessionSalt::derive(&other, &session).expect("two owners");
            assert_ne!(other.check_value(&session), salt().check_value(&session));
        }
        let other_session = SessionSalt::derive(&contributions(), &[8; 16]).expect("two owners");
        assert_ne!(other_session.token("PERSON", b"1"), salt().token("PERSON", b"1"));
    }

    #[test]
    fn contributions_that_lack_an_owner_or_repeat_one_are_refused() {
        assert_eq!(SessionSalt::derive(&[], &[7; 16]).err(), Some(BadContributions));
        let twice = vec![("ssb".to_owned(), [1; 32]), ("ssb".to_owned(), [2; 32])];
        assert_eq!(SessionSalt::derive(&twice, &[7; 16]).err(), Some(BadContributions));
    }

    #[test]
    fn tokens_and_decoys_of_different_kinds_never_meet() {
        let salt = salt();
        let mut seen = HashSet::new();
        for index in 0..50 {
            seen.insert(salt.token("PERSON", &u64::to_le_bytes(index)));
            seen.insert(salt.token("FAMILY", &u64::to_le_bytes(index)));
            seen.insert(salt.matching_decoy("PERSON", &["ssb", "krg"], index));
            seen.insert(salt.matching_decoy("PERSON", &["ssb", "fhi"], index));
            seen.insert(salt.matching_decoy("PERSON", &["ssb"], index));
            seen.insert(salt.lone_decoy("PERSON", "ssb", index));
            seen.insert(salt.lone_decoy("PERSON", "krg", index));
        }
        assert_eq!(seen.len(), 7 * 50);
        assert_eq!(
            salt.matching_decoy("PERSON", &["ssb", "krg"], 3),
            salt.matching_decoy("PERSON", &["krg", "ssb"], 3)
        );
    }

    #[test]
    fn nothing_secret_is_printed() {
        let secret = RecordKeySecret::generate();
        let printed =
            format!("{:?} {secret:?} {:?} {:?}", salt(), salt().tokens("A"), salt().token("A", b"1"));
        assert_eq!(printed, "SessionSalt(hidden) RecordKeySecret(hidden) Hasher(hidden) Pseudonym(hidden)");
    }
}
