//! Whether everyone saw the same log: a verified log, held against what other parties have cosigned of it.
//!
//! What a witness has cosigned lies in two places: beside the log, where its own party put it, and beside the witness's log, where
//! that party cannot reach it. A log with two faces, or one that was put back to an earlier state, has a face or an end that no
//! honest witness has cosigned; the second place tells also where the party has put back or left out the first.

use std::io;
use std::path::Path;

use kobling_model::OwnerId;
use kobling_model::federation::Federation;

use crate::checkpoint::{CheckpointFault, PublicKey};
use crate::cosignature::{CosignatureFault, Cosigned};
use crate::cosigning::cosigned_path;
use crate::files::Source;
use crate::tree::Head;
use crate::verify::{HeadMismatch, VerifiedLog};
use crate::witness::{contradicting_path, witnessed_path};

/// What a party has cosigned of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nothing of it is there.
    Nothing,
    /// The log has all that was cosigned, and may have gone on.
    Same(Cosigned),
    /// The party has cosigned another log, or more of it than there is.
    Differs(HeadMismatch, Cosigned),
    /// A second checkpoint that the log's key has signed contradicts the one cosigned.
    TwoFaces(Head),
    /// What is there is no cosigned checkpoint of this log by this party.
    Wrong(CosignatureFault),
}

impl Seen {
    /// What it is to the log as it was read again: a party that is writing has gone on meanwhile.
    #[must_use]
    pub fn against(self, log: &VerifiedLog) -> Self {
        match self {
            Self::Differs(_, cosigned) => Self::by(log, cosigned),
            seen => seen,
        }
    }

    fn by(log: &VerifiedLog, cosigned: Cosigned) -> Self {
        match log.reaches(&cosigned.head) {
            Ok(()) => Self::Same(cosigned),
            Err(mismatch) => Self::Differs(mismatch, cosigned),
        }
    }

    fn of(log: &VerifiedLog, witness: &PublicKey, checkpoint: &[u8]) -> Self {
        match log.key().open_cosigned(witness, checkpoint) {
            Err(fault) => Self::Wrong(fault),
            Ok(cosigned) => Self::by(log, cosigned),
        }
    }
}

/// What all other parties of the roster have cosigned of a log, as it lies beside it; in roster order.
///
/// # Errors
/// Where a file is there and cannot be read.
pub fn beside(folder: &Path, log: &VerifiedLog, roster: &Federation) -> io::Result<Vec<(OwnerId, Seen)>> {
    let others = roster.parties().filter(|party| party.id != *log.party());
    let seen = others.map(|party| {
        let wrong = Seen::Wrong(CheckpointFault::Key.into());
        let seen = match (read(folder, &cosigned_path(&party.id))?, key_of(roster, &party.id)) {
            (None, _) => Seen::Nothing,
            (Some(_), None) => wrong,
            (Some(checkpoint), Some(key)) => Seen::of(log, &key, &checkpoint),
        };
        Ok((party.id.clone(), seen))
    });
    seen.collect()
}

/// What a party has cosigned of a log, as it lies beside that party's own log, which is in `folder`.
///
/// # Errors
/// Where a file is there and cannot be read.
pub fn witnessed(
    folder: &Path,
    witness: &OwnerId,
    log: &VerifiedLog,
    roster: &Federation,
) -> io::Result<Seen> {
    if let Some(other) = read(folder, &contradicting_path(log.key()))?
        && let Ok(head) = log.key().open(&other)
    {
        return Ok(Seen::TwoFaces(head));
    }
    let kept = read(folder, &witnessed_path(log.key()))?;
    Ok(match (kept, key_of(roster, witness)) {
        (None, _) => Seen::Nothing,
        (Some(_), None) => Seen::Wrong(CheckpointFault::Key.into()),
        (Some(checkpoint), Some(key)) => Seen::of(log, &key, &checkpoint),
    })
}

fn key_of(roster: &Federation, party: &OwnerId) -> Option<PublicKey> {
    PublicKey::of_roster(party, &roster.party(party)?.signing_key)
}

fn read(folder: &Path, path: &str) -> io::Result<Option<Vec<u8>>> {
    match Source::read(folder, path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;
    use crate::fixture::{Grown, broker, federation, key, key_of, log_of, owner, peer_accepted, ssb};
    use crate::note::Note;
    use crate::{AuditLog, Witness, verify};

    fn roster() -> Federation {
        federation(&["ssb", "krg"])
    }

    /// Puts a checkpoint with a cosignature beside a log.
    fn put(folder: &Path, at: &OwnerId, checkpoint: &str, cosigner: &str, by: &OwnerId) {
        let text = Note::read(checkpoint.as_bytes()).expect("a note").text;
        let line = key_of(cosigner).cosign(by, text, 7);
        let place = folder.join(cosigned_path(at));
        fs::create_dir_all(place.parent().expect("a folder")).expect("made");
        fs::write(place, format!("{checkpoint}{line}")).expect("written");
    }

    #[test]
    fn a_log_that_went_on_is_the_same_and_one_that_was_put_back_or_forked_differs() {
        let whole = Grown::fork(0, "krg", 20);
        let krg = owner("krg");
        put(whole.path(), &krg, &whole.checkpoint(12), "krg", &krg);
        let log = verify(whole.path()).expect("valid");
        let seen = beside(whole.path(), &log, &roster()).expect("read");
        let cosigned = Cosigned { head: whole.head(12), time_s: 7 };
        assert_eq!(seen, [(broker(), Seen::Nothing), (krg.clone(), Seen::Same(cosigned))]);

        let put_back = log_of(ssb(), (0..11).map(|_| peer_accepted("krg")).collect());
        let seen = beside(whole.path(), &put_back, &roster()).expect("read");
        assert_eq!(seen[1].1, Seen::Differs(HeadMismatch::Shorter, cosigned));
        // Read again, it has what was cosigned.
        assert_eq!(seen[1].1.against(&log), Seen::Same(cosigned));
        assert_eq!(seen[1].1.against(&put_back), seen[1].1);
        let forked = log_of(ssb(), (0..30).map(|_| peer_accepted("fhi")).collect());
        let seen = beside(whole.path(), &forked, &roster()).expect("read");
        assert_eq!(seen[1].1, Seen::Differs(HeadMismatch::Differs, cosigned));
    }

    #[test]
    fn a_cosignature_by_a_stranger_by_another_party_or_under_another_log_is_wrong() {
        let whole = Grown::fork(0, "krg", 20);
        let log = verify(whole.path()).expect("valid");
        let krg = owner("krg");
        let other = key_of("krg").sign(&krg, &whole.head(12));
        for (checkpoint, cosigner, by) in [
            (whole.checkpoint(12), "stranger", &krg),
            (whole.checkpoint(12), "broker", &broker()),
            (whole.checkpoint(12), "krg", &broker()),
            (other, "krg", &krg),
        ] {
            put(whole.path(), &krg, &checkpoint, cosigner, by);
            let seen = beside(whole.path(), &log, &roster()).expect("read");
            assert!(matches!(seen[1].1, Seen::Wrong(_)), "{cosigner} as {by}: {seen:?}");
        }
    }

    #[test]
    fn what_a_witness_keeps_tells_of_a_log_whose_party_has_put_everything_back() {
        let whole = Grown::fork(10, "krg", 20);
        let (folder, krg) = (TempDir::new().expect("temporary folder"), owner("krg"));
        let own = AuditLog::open(folder.path(), krg.clone(), key_of("krg")).expect("opens");
        let witness = Witness::open(&own, key_of("krg"), &roster()).expect("opens");
        let log = verify(whole.path()).expect("valid");
        let seen = |log: &VerifiedLog| witnessed(folder.path(), &krg, log, &roster()).expect("read");
        assert_eq!(seen(&log), Seen::Nothing);
        witness.add_checkpoint(whole.request(0, 15).as_bytes(), 7);
        let cosigned = Cosigned { head: whole.head(15), time_s: 7 };
        assert_eq!(seen(&log), Seen::Same(cosigned));
        let put_back = log_of(ssb(), (0..11).map(|_| peer_accepted("krg")).collect());
        assert_eq!(seen(&put_back), Seen::Differs(HeadMismatch::Shorter, cosigned));

        let other = Grown::fork(10, "fhi", 20);
        witness.add_checkpoint(other.request(15, 15).as_bytes(), 7);
        assert_eq!(seen(&log), Seen::TwoFaces(other.head(15)));
        // A file that the party has not signed accuses nobody.
        let forged = key_of("stranger").sign(&ssb(), &other.head(15));
        let place = folder.path().join(contradicting_path(&key().public(&ssb())));
        fs::write(place, forged).expect("written");
        assert_eq!(seen(&log), Seen::Same(cosigned));
    }
}
