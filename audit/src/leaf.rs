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
//! There is one way to write a leaf or a line: fields in this order, no blanks, lower-case hexadecimal, characters beyond ASCII
//! unescaped. What says the same in other bytes is refused, so that every byte counts.

use kobling_model::record::{Event, Record};
use kobling_model::{Hash, OwnerId};
use serde::{Deserialize, Serialize};

/// Longest line of a record, in bytes, the line break included.
pub const RECORD_BYTES_MAX: usize = 1 << 20;

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
        (line.bytes() == bytes).then_some(line)
    }

    /// The leaf that it has in the tree.
    pub fn leaf(&self) -> Leaf {
        match self {
            Self::Kept(Kept { salt, record }) => Leaf::of(salt, record),
            Self::Erased(Erased { erased }) => erased.clone(),
        }
    }
}

fn canonical<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("records have string keys and no floating-point numbers")
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
        Event::RequestRefused { .. } => "request-refused",
        Event::Opening(_) => "opening",
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
