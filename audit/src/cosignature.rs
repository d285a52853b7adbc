//! Cosignatures: another party says that a checkpoint continues all that it has seen of a log, and since when it has seen it.
//! <https://c2sp.org/tlog-cosignature>, `cosignature/v1`: Ed25519 with a time.
//!
//! A cosignature is a line in the checkpoint's note. The key is the cosigner's `signing_key` of the roster, whose other messages begin
//! with `kobling`: its partial aggregates with `kobling partial aggregate`, its own checkpoints with `kobling/`. What is signed here
//! begins with `cosignature/v1`, so none of them is another. In a note it goes by the kind 0x04, so its key hash is not that of
//! the same key for checkpoints.
//!
//! What a cosignature is worth is what its cosigner does before it signs: [`crate::witness`].

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use kobling_model::OwnerId;

use crate::checkpoint::{CHECKPOINT_BYTES_MAX, CheckpointFault, LogKey, PublicKey};
use crate::note::{Note, NoteSignature, key_hash, signature_line, signature_lines};
use crate::tree::Head;

/// The kind of key in a signed note: Ed25519 over `cosignature/v1`.
const COSIGNATURE_KIND: u8 = 0x04;

/// A checkpoint that a party has cosigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cosigned {
    /// How far the log reached.
    pub head: Head,
    /// When it was cosigned, in seconds since 1970-01-01 UTC, by the cosigner's clock.
    pub time_s: u64,
}

/// The text is no checkpoint that the log's party has signed and the cosigner cosigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CosignatureFault {
    /// It is not the log's checkpoint.
    #[error("the log {0}")]
    Checkpoint(#[from] CheckpointFault),
    /// The cosigner's signature is not there, or is not of this checkpoint.
    #[error("the checkpoint has no cosignature of this party's key")]
    NotCosigned,
}

/// What is signed.
fn message(text: &str, time_s: u64) -> Vec<u8> {
    format!("cosignature/v1\ntime {time_s}\n{text}").into_bytes()
}

impl LogKey {
    /// The line by which this key, that of `cosigner`, cosigns a checkpoint's text at a time.
    pub(crate) fn cosign(&self, cosigner: &OwnerId, text: &str, time_s: u64) -> String {
        let public = self.public(cosigner);
        let signature = self.sign_bytes(&message(text, time_s));
        let timestamped = [&time_s.to_be_bytes(), signature.as_slice()].concat();
        signature_line(&public.origin(), public.cosigner_hash(), &timestamped)
    }
}

impl PublicKey {
    fn cosigner_hash(&self) -> [u8; 4] {
        key_hash(&self.origin(), COSIGNATURE_KIND, self.key())
    }

    /// The key as cosigner in the form of a signed note: name, key hash and key, set apart by `+`.
    pub fn cosigner(&self) -> String {
        let key = BASE64.encode([&[COSIGNATURE_KIND], self.key().as_slice()].concat());
        format!("{}+{}+{key}", self.origin(), hex::encode(self.cosigner_hash()))
    }

    /// When this key has cosigned a checkpoint's text, if that is what a line says.
    fn cosigned_at(&self, text: &str, line: &NoteSignature<'_>) -> Option<u64> {
        if line.name != self.origin() || line.key_hash != self.cosigner_hash() {
            return None;
        }
        let (time_s, signature) = line.signature.split_first_chunk::<8>()?;
        let time_s = u64::from_be_bytes(*time_s);
        // The standard ends time there.
        let in_time = i64::try_from(time_s).is_ok();
        (in_time && self.verifies(&message(text, time_s), signature)).then_some(time_s)
    }

    /// The one among lines by which this key cosigns a checkpoint's text, with its line feed, and the time. Others are not looked at.
    pub(crate) fn cosignature(&self, text: &str, lines: &str) -> Option<(String, u64)> {
        let lines = signature_lines(lines)?;
        lines.iter().find_map(|line| Some((format!("{}\n", line.line), self.cosigned_at(text, line)?)))
    }

    /// Reads a checkpoint of a log that `cosigner` has cosigned. Further signatures are not looked at.
    ///
    /// # Errors
    /// [`CosignatureFault`].
    pub fn open_cosigned(
        &self,
        cosigner: &PublicKey,
        checkpoint: &[u8],
    ) -> Result<Cosigned, CosignatureFault> {
        if checkpoint.len() > CHECKPOINT_BYTES_MAX {
            return Err(CheckpointFault::Malformed.into());
        }
        let note = Note::read(checkpoint).ok_or(CheckpointFault::Malformed)?;
        let (head, _) = self.open_among(&note)?;
        let time_s = note.signatures.iter().find_map(|line| cosigner.cosigned_at(note.text, line));
        Ok(Cosigned { head, time_s: time_s.ok_or(CosignatureFault::NotCosigned)? })
    }
}

#[cfg(test)]
mod tests {
    use kobling_model::Hash;

    use super::*;
    use crate::fixture::{broker, key, key_of, ssb};

    fn head() -> Head {
        Head { count: 17, hash: Hash::of(b"root") }
    }

    fn note() -> String {
        let signed = key().sign(&ssb(), &head());
        let text = Note::read(signed.as_bytes()).expect("a note").text.to_owned();
        format!("{signed}{}", key_of("broker").cosign(&broker(), &text, 1_795_363_200))
    }

    #[test]
    fn a_cosigned_checkpoint_is_opened_by_the_keys_of_both_and_by_no_others() {
        let (log, cosigner) = (key().public(&ssb()), key_of("broker").public(&broker()));
        let cosigned = Cosigned { head: head(), time_s: 1_795_363_200 };
        assert_eq!(log.open_cosigned(&cosigner, note().as_bytes()), Ok(cosigned));
        // The checkpoint file has the party's own signature alone.
        assert_eq!(log.open(note().as_bytes()), Err(CheckpointFault::Malformed));
        let stranger = key_of("stranger").public(&broker());
        assert_eq!(log.open_cosigned(&stranger, note().as_bytes()), Err(CosignatureFault::NotCosigned));
        let same_key_of_another = key_of("broker").public(&OwnerId::new("krg").expect("valid"));
        assert_eq!(
            log.open_cosigned(&same_key_of_another, note().as_bytes()),
            Err(CosignatureFault::NotCosigned)
        );
        let another = key_of("stranger").public(&ssb());
        let fault = CosignatureFault::Checkpoint(CheckpointFault::Signature);
        assert_eq!(another.open_cosigned(&cosigner, note().as_bytes()), Err(fault));
    }

    #[test]
    fn a_cosignature_of_another_checkpoint_or_time_and_one_with_a_bit_flipped_is_none() {
        let (log, cosigner) = (key().public(&ssb()), key_of("broker").public(&broker()));
        let whole = note();
        let line_at = whole.trim_end().rfind('\n').expect("lines") + 1;
        for at in 8 * line_at..8 * whole.len() {
            let mut flipped = whole.clone().into_bytes();
            flipped[at / 8] ^= 1 << (at % 8);
            assert!(log.open_cosigned(&cosigner, &flipped).is_err(), "bit {at}");
        }
        let later = key().sign(&ssb(), &Head { count: 18, ..head() });
        let replayed = format!("{later}{}", &whole[line_at..]);
        assert_eq!(log.open_cosigned(&cosigner, replayed.as_bytes()), Err(CosignatureFault::NotCosigned));
    }

    #[test]
    fn a_cosigner_and_its_checkpoint_key_are_two_keys_of_one_name() {
        let public = key().public(&ssb());
        let (checkpoints, cosigner) = (public.to_string(), public.cosigner());
        assert!(checkpoints.starts_with("kobling/ssb+") && cosigner.starts_with("kobling/ssb+"));
        assert_ne!(checkpoints, cosigner);
        assert_ne!(public.hash(), public.cosigner_hash());
        assert_eq!(PublicKey::read(&cosigner), Err(CheckpointFault::Key), "it signs no checkpoints");
    }
}
