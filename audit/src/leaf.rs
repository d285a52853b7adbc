//! What a log commits to, and what lies beside it.
//!
//! A *leaf* tells whose log it is in, when it was written and which kind of event it is, and commits to the whole record:
//!
//! ```text
//! {"party":"ssb","written_ms":N,"event":"opening","commitment":"<64 hex>"}
//! ```
//!
//! The commitment is SHA-256 of the text `kobling audit record v1`, a line feed, 32 random bytes (the salt) and the record's
//! JSON. Whoever has the leaf and not the salt learns nothing of the record, also if few records are possible.
//!
//! The record and its salt stand in a *line* beside the tree. Erasing a record replaces its line by the leaf:
//!
//! ```text
//! {"salt":"<64 hex>","record":{…}}
//! {"erased":{"party":"ssb", …}}
//! ```
//!
//! Where a party names auditors, the lines of some events are sealed to these ([`crate::seal`]). Such a line has the leaf in clear, and the
//! leaf a further field `sealed`, the SHA-256 of the sealed bytes, which stand in base64:
//!
//! ```text
//! {"leaf":{"party":"ssb", … ,"sealed":"<64 hex>"},"sealed":"<base64>"}
//! ```
//!
//! There is one way to write a leaf or a line: fields in this order, no blanks, lower-case hexadecimal, characters beyond ASCII
//! unescaped. What says the same in other bytes is refused, so that every byte counts.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use kobling_model::record::{Event, Record};
use kobling_model::{Hash, OwnerId};
use serde::{Deserialize, Serialize};

use crate::seal::{AuditorKey, Auditors, open};

/// Longest line of a record, in bytes, the line break included.
pub const RECORD_BYTES_MAX: usize = 1 << 20;

/// The name of the event that opens a question.
pub(crate) const OPENING: &str = "opening";

/// What the tree is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leaf {
    /// Whose log.
    pub party: OwnerId,
    /// When it was written, in milliseconds since 1970-01-01 UTC, by the party's own clock.
    pub written_ms: u64,
    /// What kind of event, by its name in the record.
    pub event: String,
    /// Hash of the salt and the record.
    pub commitment: Hash,
    /// Hash of the sealed line, where it is sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<Hash>,
}

impl Leaf {
    /// The leaf of a record under a salt.
    pub fn of(salt: &Hash, record: &Record) -> Self {
        let json = canonical(record);
        let commitment = Hash::of(&[b"kobling audit record v1\n", salt.0.as_slice(), &json].concat());
        Self {
            party: record.party.clone(),
            written_ms: record.written_ms,
            event: kind(&record.event).to_owned(),
            commitment,
            sealed: None,
        }
    }

    /// Its bytes in the tree.
    pub fn bytes(&self) -> Vec<u8> {
        canonical(self)
    }

    /// Reads a leaf, which has to be in the one form.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let leaf: Self = serde_json::from_slice(bytes).ok()?;
        (leaf.bytes() == bytes).then_some(leaf)
    }
}

/// A line of the records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Line {
    /// A record that is there.
    Kept(Kept),
    /// What an erased record leaves.
    Erased(Erased),
    /// A record that auditors can read.
    Sealed(Sealed),
}

/// A record with its salt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// 32 random bytes.
    pub salt: Hash,
    /// What happened.
    pub record: Record,
}

/// What an erased record leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erased {
    /// Its leaf.
    pub erased: Leaf,
}

/// A record that auditors can read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    /// Its leaf, which cannot be told from what is sealed.
    pub leaf: Leaf,
    /// The sealed line, in base64.
    sealed: String,
}

impl Sealed {
    /// Seals a record to auditors.
    ///
    /// # Errors
    /// Where the operating system gives no random bytes.
    pub(crate) fn of(kept: &Kept, auditors: &Auditors) -> io::Result<Self> {
        let sealed = auditors.seal(&canonical(kept))?;
        let leaf = Leaf { sealed: Some(Hash::of(&sealed)), ..Leaf::of(&kept.salt, &kept.record) };
        Ok(Self { leaf, sealed: BASE64.encode(sealed) })
    }

    fn is_whole(&self) -> bool {
        let sealed = BASE64.decode(&self.sealed);
        sealed.is_ok_and(|sealed| self.leaf.sealed == Some(Hash::of(&sealed)))
    }

    /// The record: nothing where none of the keys opens it, and an error where it is not what the leaf commits to.
    pub(crate) fn open(&self, keys: &[AuditorKey]) -> Result<Option<Kept>, AnotherRecord> {
        if keys.is_empty() {
            return Ok(None);
        }
        let sealed = BASE64.decode(&self.sealed).map_err(|_| AnotherRecord)?;
        let Some(line) = open(keys, &sealed) else { return Ok(None) };
        let kept: Kept = serde_json::from_slice(&line).map_err(|_| AnotherRecord)?;
        let leaf = Leaf { sealed: self.leaf.sealed, ..Leaf::of(&kept.salt, &kept.record) };
        if leaf == self.leaf && canonical(&kept) == line { Ok(Some(kept)) } else { Err(AnotherRecord) }
    }
}

/// What is sealed is not what its leaf commits to.
#[derive(Debug)]
pub(crate) struct AnotherRecord;

impl Line {
    /// Its bytes, with the line break.
    pub fn bytes(&self) -> Vec<u8> {
        let mut line = canonical(self);
        line.push(b'\n');
        line
    }

    /// Reads a line with its line break, which has to be in the one form.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let line: Self = serde_json::from_slice(bytes).ok()?;
        let whole = match &line {
            Self::Sealed(sealed) => sealed.is_whole(),
            Self::Kept(_) | Self::Erased(_) => true,
        };
        (whole && line.bytes() == bytes).then_some(line)
    }

    /// The leaf that it has in the tree.
    pub fn leaf(&self) -> Leaf {
        match self {
            Self::Kept(Kept { salt, record }) => Leaf::of(salt, record),
            Self::Erased(Erased { erased }) => erased.clone(),
            Self::Sealed(Sealed { leaf, .. }) => leaf.clone(),
        }
    }
}

fn canonical<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("records have string keys and no floating-point numbers")
}

/// Whether the records of an event are sealed where a party names auditors: those of questions and requests are. What the operator did
/// is for everybody who verifies the tree.
pub(crate) fn is_sealed(event: &Event) -> bool {
    match event {
        Event::RequestRefused { .. } | Event::Opening(_) | Event::Outcome { .. } => true,
        Event::Enrolled { .. }
        | Event::PeerAccepted { .. }
        | Event::Imported { .. }
        | Event::PolicyInForce { .. }
        | Event::Stopped { .. }
        | Event::Resumed
        | Event::ClockTrusted { .. }
        | Event::Started { .. }
        | Event::Ended
        | Event::Erased { .. } => false,
    }
}

/// The event's name in a record's JSON.
fn kind(event: &Event) -> &'static str {
    match event {
        Event::Enrolled { .. } => "enrolled",
        Event::PeerAccepted { .. } => "peer-accepted",
        Event::Imported { .. } => "imported",
        Event::PolicyInForce { .. } => "policy-in-force",
        Event::Stopped { .. } => "stopped",
        Event::Resumed => "resumed",
        Event::ClockTrusted { .. } => "clock-trusted",
        Event::Started { .. } => "started",
        Event::Ended => "ended",
        Event::RequestRefused { .. } => "request-refused",
        Event::Opening(_) => OPENING,
        Event::Outcome { .. } => "outcome",
        Event::Erased { .. } => "erased",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{golden_events, ssb};

    fn lines() -> Vec<Line> {
        let records = golden_events().into_iter().map(|event| Record { party: ssb(), written_ms: 1, event });
        records.map(|record| Line::Kept(Kept { salt: Hash::of(b"salt"), record })).collect()
    }

    #[test]
    fn a_line_and_its_leaf_are_read_as_they_are_written_and_in_no_other_form() {
        for line in lines() {
            let erased = Line::Erased(Erased { erased: line.leaf() });
            assert_eq!(erased.leaf(), line.leaf());
            for line in [line, erased] {
                assert_eq!(Line::read(&line.bytes()), Some(line.clone()));
                assert_eq!(Leaf::read(&line.leaf().bytes()), Some(line.leaf()));
                let text = String::from_utf8(line.bytes()).expect("text");
                for other in [
                    text.replacen(':', ": ", 1),
                    text.replacen("{", "{\"note\":1,", 1),
                    text.replacen("\":\"", "\":\"\\u0061", 1).replacen("\\u0061", "\\u0020", 1),
                    text.replace('\n', "\r\n"),
                    format!("\n{text}"),
                ] {
                    assert_eq!(Line::read(other.as_bytes()), None, "{other}");
                }
            }
        }
    }

    #[test]
    fn a_sealed_line_is_opened_by_its_auditors_and_is_what_its_leaf_commits_to() {
        let key = AuditorKey::generate();
        let auditors = Auditors::read(&[key.public()]).expect("a key").expect("one");
        for line in lines() {
            let Line::Kept(kept) = &line else { panic!("kept") };
            let sealed = Sealed::of(kept, &auditors).expect("sealed");
            let in_log = Line::Sealed(sealed.clone());
            assert_eq!(Line::read(&in_log.bytes()), Some(in_log.clone()));
            assert_eq!(Leaf::read(&in_log.leaf().bytes()), Some(in_log.leaf()));
            assert_eq!(in_log.leaf().commitment, line.leaf().commitment);
            assert!(sealed.open(&[]).expect("nothing wrong").is_none());
            assert!(sealed.open(&[AuditorKey::generate()]).expect("nothing wrong").is_none());
            let keys = [AuditorKey::read(&key.text()).expect("a key")];
            assert_eq!(sealed.open(&keys).expect("nothing wrong").as_ref(), Some(kept));
            // Another sealed record in its place: to whoever has no key by its hash, to whoever has one by the commitment.
            let other = Kept { salt: Hash::of(b"other"), record: kept.record.clone() };
            let other = Sealed::of(&other, &auditors).expect("sealed");
            let swapped = Sealed { leaf: sealed.leaf.clone(), sealed: other.sealed.clone() };
            assert_eq!(Line::read(&Line::Sealed(swapped).bytes()), None);
            let hash = other.leaf.sealed;
            let forged = Sealed { leaf: Leaf { sealed: hash, ..sealed.leaf }, sealed: other.sealed };
            assert!(Line::read(&Line::Sealed(forged.clone()).bytes()).is_some());
            assert!(forged.open(&keys).is_err());
        }
    }

    #[test]
    fn the_clear_name_of_an_event_is_that_in_its_record() {
        for line in lines() {
            let Line::Kept(Kept { record, .. }) = &line else { panic!("kept") };
            let json = serde_json::to_value(&record.event).expect("JSON");
            assert_eq!(json["event"].as_str(), Some(line.leaf().event.as_str()));
        }
    }

    #[test]
    fn the_same_record_under_another_salt_is_another_commitment() {
        let record = Record { party: ssb(), written_ms: 1, event: Event::Resumed };
        let [one, other] = [b"1", b"2"].map(|salt| Leaf::of(&Hash::of(salt), &record).commitment);
        assert_ne!(one, other);
    }
}
