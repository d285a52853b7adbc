//! Checkpoints: a log's head, signed by its party. <https://c2sp.org/tlog-checkpoint>, in a note of
//! <https://c2sp.org/signed-note> with one Ed25519 signature.
//!
//! ```text
//! kobling/ssb
//! 17
//! <root in base64>
//!
//! — kobling/ssb <key hash and signature in base64>
//! ```
//!
//! The key is the party's `signing_key` of the roster, which also signs what a worker hands to the broker. Those messages begin
//! with `kobling partial aggregate`, so none of them is a checkpoint. It also cosigns others' checkpoints, under a kind of its own:
//! [`crate::cosignature`].

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use kobling_model::{Hash, OwnerId};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::note::{Note, NoteSignature, key_hash, signature_line};
use crate::tree::Head;

/// The kind of key in a signed note: Ed25519.
const ED25519_KIND: u8 = 0x01;

/// Longest checkpoint that is read, in bytes.
pub(crate) const CHECKPOINT_BYTES_MAX: usize = 4096;

/// The text is no checkpoint of this key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointFault {
    /// Not a key in the form of a signed note.
    #[error("has no key in the form in which keys are written")]
    Key,
    /// Not a checkpoint, or not in the one form in which one is written.
    #[error("has a checkpoint that is not in the form in which checkpoints are written")]
    Malformed,
    /// It is of the log of another party.
    #[error("has the checkpoint of another party's log")]
    AnotherParty,
    /// The signature is not that of the key.
    #[error("has a checkpoint whose signature is not that of the party's key")]
    Signature,
}

/// A party's key for its log. `Debug` hides it.
pub struct LogKey {
    pair: Ed25519KeyPair,
}

/// The bytes are not a private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("these bytes are not an Ed25519 key")]
pub struct NotAKey;

impl LogKey {
    /// Reads a key in PKCS#8 form (version 2, with the public part).
    ///
    /// # Errors
    /// [`NotAKey`].
    pub fn from_pkcs8(document: &[u8]) -> Result<Self, NotAKey> {
        Ok(Self { pair: Ed25519KeyPair::from_pkcs8(document).map_err(|_| NotAKey)? })
    }

    /// A key that tests share.
    #[cfg(test)]
    pub(crate) fn of_seed(seed: &[u8; 32]) -> Self {
        Self { pair: Ed25519KeyPair::from_seed_unchecked(seed).expect("32 bytes are a seed") }
    }

    /// The public part, as the key of `party`.
    pub fn public(&self, party: &OwnerId) -> PublicKey {
        let key = self.pair.public_key().as_ref().try_into().expect("an Ed25519 key has 32 bytes");
        PublicKey { party: party.clone(), key }
    }

    /// Signs the head of the party's log.
    pub fn sign(&self, party: &OwnerId, head: &Head) -> String {
        let body = body(party, head);
        let signature = self.sign_bytes(body.as_bytes());
        format!("{body}\n{}", signature_line(&origin(party), self.public(party).hash(), &signature))
    }

    pub(crate) fn sign_bytes(&self, message: &[u8]) -> [u8; 64] {
        self.pair.sign(message).as_ref().try_into().expect("an Ed25519 signature has 64 bytes")
    }
}

impl fmt::Debug for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogKey(hidden)")
    }
}

/// The key that a party's checkpoints are checked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    party: OwnerId,
    key: [u8; 32],
}

impl PublicKey {
    /// The key of `party` as the roster has it: 64 hexadecimal digits.
    pub fn of_roster(party: &OwnerId, signing_key: &str) -> Option<Self> {
        Some(Self { party: party.clone(), key: Hash::parse(signing_key).ok()?.0 })
    }

    /// Whose key it says it is.
    pub fn party(&self) -> &OwnerId {
        &self.party
    }

    /// The 32 bytes as hexadecimal digits, as the roster has them.
    pub fn to_hex(&self) -> String {
        Hash(self.key).to_string()
    }

    /// Reads the form of a signed note: name, key hash and key, set apart by `+`.
    ///
    /// # Errors
    /// [`CheckpointFault::Key`].
    pub fn read(text: &str) -> Result<Self, CheckpointFault> {
        let read = || {
            let mut parts = text.strip_suffix('\n').unwrap_or(text).splitn(3, '+');
            let party = parts.next()?.strip_prefix(ORIGIN)?;
            let (_hash, key) = (parts.next()?, BASE64.decode(parts.next()?).ok()?);
            let (kind, key) = key.split_first()?;
            (*kind == ED25519_KIND).then_some(())?;
            Some(Self { party: OwnerId::new(party).ok()?, key: key.try_into().ok()? })
        };
        let key = read().ok_or(CheckpointFault::Key)?;
        // Also compares the key hash.
        if key.to_string() == text.strip_suffix('\n').unwrap_or(text) {
            Ok(key)
        } else {
            Err(CheckpointFault::Key)
        }
    }

    /// Name of the party's log, and of its keys.
    pub(crate) fn origin(&self) -> String {
        origin(&self.party)
    }

    pub(crate) fn key(&self) -> &[u8; 32] {
        &self.key
    }

    /// Which key this is, among those of its name.
    pub(crate) fn hash(&self) -> [u8; 4] {
        key_hash(&self.origin(), ED25519_KIND, &self.key)
    }

    /// The head in a checkpoint that this key has signed, and nobody else.
    ///
    /// # Errors
    /// [`CheckpointFault`].
    pub fn open(&self, checkpoint: &[u8]) -> Result<Head, CheckpointFault> {
        let note = Note::read(checkpoint).ok_or(CheckpointFault::Malformed)?;
        let head = self.head(note.text)?;
        match &note.signatures[..] {
            [signature] if signature.name != self.origin() => Err(CheckpointFault::Malformed),
            [signature] if self.has_signed(note.text, signature) => Ok(head),
            [_] => Err(CheckpointFault::Signature),
            _ => Err(CheckpointFault::Malformed),
        }
    }

    /// The head in a checkpoint that this key has signed, whoever else has; and the line by which it has.
    pub(crate) fn open_among<'a>(&self, note: &Note<'a>) -> Result<(Head, &'a str), CheckpointFault> {
        let head = self.head(note.text)?;
        let own = note.signatures.iter().find(|signature| self.has_signed(note.text, signature));
        own.map(|own| (head, own.line)).ok_or(CheckpointFault::Signature)
    }

    /// The head that a checkpoint of the party's log tells of, whoever has signed it.
    fn head(&self, text: &str) -> Result<Head, CheckpointFault> {
        let malformed = CheckpointFault::Malformed;
        let lines: Vec<&str> = text.split('\n').collect();
        let [named, count, root, ""] = lines[..] else { return Err(malformed) };
        if named != self.origin() {
            let other = named.strip_prefix(ORIGIN).is_some_and(|party| OwnerId::new(party).is_ok());
            return Err(if other { CheckpointFault::AnotherParty } else { malformed });
        }
        let root = BASE64.decode(root).map_err(|_| malformed)?;
        let hash = Hash::from_bytes(&root).map_err(|_| malformed)?;
        let head = Head { count: count.parse().map_err(|_| malformed)?, hash };
        if text == body(&self.party, &head) { Ok(head) } else { Err(malformed) }
    }

    fn has_signed(&self, text: &str, signature: &NoteSignature<'_>) -> bool {
        let named = signature.name == self.origin() && signature.key_hash == self.hash();
        named && self.verifies(text.as_bytes(), &signature.signature)
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.key).verify(message, signature).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = BASE64.encode([&[ED25519_KIND], self.key.as_slice()].concat());
        write!(f, "{}+{}+{key}", origin(&self.party), hex::encode(self.hash()))
    }
}

const ORIGIN: &str = "kobling/";

/// Name of a party's log, and of its key.
fn origin(party: &OwnerId) -> String {
    format!("{ORIGIN}{party}")
}

/// What is signed.
fn body(party: &OwnerId, head: &Head) -> String {
    format!("{}\n{}\n{}\n", origin(party), head.count, BASE64.encode(head.hash.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{broker, key, owner, ssb};

    fn head() -> Head {
        Head { count: 17, hash: Hash::of(b"root") }
    }

    #[test]
    fn a_checkpoint_is_opened_by_its_key_and_by_no_other() {
        let signed = key().sign(&ssb(), &head());
        let public = key().public(&ssb());
        assert_eq!(public.open(signed.as_bytes()), Ok(head()));
        assert_eq!(PublicKey::read(&format!("{public}\n")), Ok(public.clone()));
        assert_eq!(PublicKey::of_roster(&ssb(), &public.to_hex()), Some(public));
        let other = PublicKey::of_roster(&ssb(), &Hash::of(b"another").to_string()).expect("a key");
        assert_eq!(other.open(signed.as_bytes()), Err(CheckpointFault::Signature));
        let of_broker = key().public(&broker());
        assert_eq!(of_broker.open(signed.as_bytes()), Err(CheckpointFault::AnotherParty));
    }

    #[test]
    fn a_checkpoint_or_key_with_any_bit_flipped_is_refused() {
        let signed = key().sign(&ssb(), &head());
        let public = key().public(&ssb());
        for at in 0..8 * signed.len() {
            let mut flipped = signed.clone().into_bytes();
            flipped[at / 8] ^= 1 << (at % 8);
            assert!(public.open(&flipped).is_err(), "bit {at}");
        }
        let text = public.to_string();
        for at in 0..8 * text.len() {
            let mut flipped = text.clone().into_bytes();
            flipped[at / 8] ^= 1 << (at % 8);
            let read = String::from_utf8(flipped).ok().and_then(|text| PublicKey::read(&text).ok());
            assert_eq!(read, None, "bit {at}");
        }
        assert!(public.open(&[signed.as_bytes(), b"\n"].concat()).is_err());
        assert!(public.open(b"").is_err());
    }

    #[test]
    fn a_key_in_the_form_of_the_standard_is_named_after_its_party() {
        let of = PublicKey::of_roster(&owner("krg"), &Hash::of(b"x").to_string()).expect("a key");
        assert!(of.to_string().starts_with("kobling/krg+"));
    }
}
