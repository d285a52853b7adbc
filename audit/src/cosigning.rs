//! A party's own log at its witnesses: what is sent to each, what its answer means, and whether the party may answer questions.
//!
//! Every other party of the roster is a witness ([`crate::witness`]). For each of them whoever drives this asks [`Cosigning::request`],
//! carries the request, and tells the answer to [`Cosigning::take`]; it does so at a start and whenever the log has grown. Nothing
//! waits for a cosignature but the party's first answer.
//!
//! A party may answer while enough witnesses ([`Terms::cosignatures_min`]) have been heard since its start and are not behind: a
//! witness is behind when an entry that it has not cosigned is older than [`Terms::age_max`]. A log that nothing is added to stays as
//! it is, and is not cosigned again.
//!
//! **A log that is older than what a witness has cosigned, or another one, is found at the first request:** the witness has a size
//! beyond it, or a root that no proof leads from. From then on the party answers nothing ([`Unwitnessed::Older`],
//! [`Unwitnessed::Another`]), whatever other witnesses say: a disk that was restored from a backup has lost what others have seen.
//!
//! What a witness has cosigned last lies beside the log, as `cosigned/PARTY`: the checkpoint with its signatures by both.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kobling_model::OwnerId;
use kobling_model::federation::Federation;

use crate::checkpoint::PublicKey;
use crate::files::Folder;
use crate::log::{LogError, SharedLog};
use crate::note::Note;
use crate::proof::prove_continuation;
use crate::tree::Head;
use crate::witness::{self, Answer};

/// When a party stops answering for want of cosignatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How many witnesses must have cosigned; all of them where none, which is also the most.
    pub cosignatures_min: Option<usize>,
    /// How old an entry may be that a witness has not cosigned.
    pub age_max: Duration,
}

impl Terms {
    /// How old an entry may be in the configuration that a party begins with.
    pub const AGE_MAX_DEFAULT: Duration = Duration::from_secs(300);

    /// Reads the settings `cosignatures_min`, which may be left out, and `cosignature_age_max_s`.
    ///
    /// # Errors
    /// The setting that cannot be meant, and why.
    pub fn read(cosignatures_min: Option<u64>, age_max_s: u64) -> Result<Self, (&'static str, &'static str)> {
        let cosignatures_min = match cosignatures_min {
            Some(0) => {
                return Err((
                    "cosignatures_min",
                    "is 0; a log that nobody else has seen could be shown in two versions",
                ));
            }
            min => min.map(|min| usize::try_from(min).unwrap_or(usize::MAX)),
        };
        let age_max = match age_max_s {
            0 => return Err(("cosignature_age_max_s", "is 0; no cosignature could come in time")),
            s if s > 24 * 3600 => {
                return Err(("cosignature_age_max_s", "is longer than can be meant: at most a day"));
            }
            s => Duration::from_secs(s),
        };
        Ok(Self { cosignatures_min, age_max })
    }
}

impl Default for Terms {
    fn default() -> Self {
        Self { cosignatures_min: None, age_max: Self::AGE_MAX_DEFAULT }
    }
}

/// A log that cannot be cosigned as the terms want it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TermsError {
    /// The roster does not have the party.
    #[error("{0} is not a party of the roster")]
    NotOnTheRoster(OwnerId),
    /// A key of the roster cannot be read.
    #[error("the signing key that the roster has of {0} cannot be used")]
    Key(OwnerId),
    /// There are not so many witnesses.
    #[error("cosignatures_min is more than the roster has other parties")]
    TooMany,
}

/// Why a party may not answer. Names the witness whose cosignature is missing, or that knows better.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwitnessed {
    /// The witness has not been heard since the start, so nobody knows that this log is the latest.
    #[error("{witness} has not yet confirmed that this log is the one it knows")]
    NotYet {
        /// The witness.
        witness: OwnerId,
    },
    /// The witness has not cosigned what was recorded a while ago.
    #[error("{witness} has not cosigned the latest entries of this log in time")]
    Late {
        /// The witness.
        witness: OwnerId,
    },
    /// The witness has cosigned more than there is.
    #[error("this log is older than what {witness} has cosigned: entries are gone")]
    Older {
        /// The witness.
        witness: OwnerId,
    },
    /// The witness has cosigned other entries.
    #[error("this log is another than the one that {witness} has cosigned")]
    Another {
        /// The witness.
        witness: OwnerId,
    },
}

impl Unwitnessed {
    /// Whether it stays so until the operator puts the log in order.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Older { .. } | Self::Another { .. })
    }

    /// The witness that it is about.
    pub fn witness(&self) -> &OwnerId {
        match self {
            Self::NotYet { witness }
            | Self::Late { witness }
            | Self::Older { witness }
            | Self::Another { witness } => witness,
        }
    }

    /// Stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotYet { .. } | Self::Late { .. } => "not-cosigned",
            Self::Older { .. } => "log-older",
            Self::Another { .. } => "log-differs",
        }
    }
}

/// A request that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The log takes no entries.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Its tiles cannot be read.
    #[error("tiles of the audit log cannot be read")]
    Tiles(#[from] io::Error),
}

/// What is sent to a witness.
#[derive(Clone, Debug)]
pub struct Request {
    /// The body.
    pub body: String,
    old: u64,
    head: Head,
    checkpoint: String,
    read: Instant,
}

/// What an answer comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Cosigned.
    Cosigned,
    /// The witness has cosigned another size before: ask again at once.
    AskAgain,
    /// Not cosigned this time: ask again later.
    Refused,
    /// The witness shows that the log is older than it was, or another.
    Contradicted,
}

/// What is known of a witness.
#[derive(Clone, Debug)]
struct Standing {
    key: PublicKey,
    /// The size that it has cosigned last, as far as is known. It is asked where it is not.
    size: u64,
    /// Whether it has cosigned since the start.
    heard: bool,
    /// Since when at the latest there are entries that it has not cosigned.
    behind_since: Option<Instant>,
    contradicts: Option<Unwitnessed>,
}

/// A party's log, as its witnesses see it.
pub struct Cosigning {
    log: SharedLog,
    terms: Terms,
    /// In roster order.
    order: Vec<OwnerId>,
    standings: Mutex<BTreeMap<OwnerId, Standing>>,
}

impl Cosigning {
    /// The log of a party of the roster, with all its other parties as witnesses, none of them heard.
    ///
    /// # Errors
    /// [`TermsError`].
    pub fn new(log: SharedLog, roster: &Federation, terms: Terms) -> Result<Self, TermsError> {
        let me = log.party();
        if roster.party(me).is_none() {
            return Err(TermsError::NotOnTheRoster(me.clone()));
        }
        let mut standings = BTreeMap::new();
        let mut order = Vec::new();
        for party in roster.parties().filter(|party| party.id != *me) {
            let key = PublicKey::of_roster(&party.id, &party.signing_key);
            let key = key.ok_or_else(|| TermsError::Key(party.id.clone()))?;
            let standing = Standing { key, size: 0, heard: false, behind_since: None, contradicts: None };
            standings.insert(party.id.clone(), standing);
            order.push(party.id.clone());
        }
        if terms.cosignatures_min.is_some_and(|min| min > order.len()) {
            return Err(TermsError::TooMany);
        }
        Ok(Self { log, terms, order, standings: Mutex::new(standings) })
    }

    /// The witnesses, in roster order.
    pub fn witnesses(&self) -> &[OwnerId] {
        &self.order
    }

    fn standings(&self) -> MutexGuard<'_, BTreeMap<OwnerId, Standing>> {
        // Each change is a few assignments, none of which can be left half done.
        self.standings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What to send to a witness; nothing where it has cosigned all there is. Reads tiles: blocks on the disk.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn request(&self, witness: &OwnerId, now: Instant) -> Result<Option<Request>, RequestError> {
        let (head, checkpoint) = self.log.checkpoint()?;
        let old = {
            let mut standings = self.standings();
            let Some(standing) = standings.get_mut(witness) else { return Ok(None) };
            if standing.contradicts.is_some() || standing.heard && standing.size == head.count {
                return Ok(None);
            }
            standing.see(head.count, now);
            standing.size
        };
        let proof = prove_continuation(self.log.path(), old, head.count)?;
        let body = witness::request(old, &proof, &checkpoint);
        Ok(Some(Request { body, old, head, checkpoint, read: now }))
    }

    /// Takes a witness's answer to a request, by its status and body. Blocks on the disk.
    pub fn take(&self, witness: &OwnerId, request: &Request, status: u16, body: &[u8]) -> Taken {
        let head = &request.head;
        let mut standings = self.standings();
        let Some(standing) = standings.get_mut(witness) else { return Taken::Refused };
        let text = || Some(Note::read(request.checkpoint.as_bytes())?.text);
        match Answer::read(status, body) {
            Some(Answer::Cosigned(lines)) => {
                // Whatever else the answer has is not looked at. A cosignature of an earlier checkpoint is none of this one.
                let cosignature = text().and_then(|text| standing.key.cosignature(text, &lines));
                let Some((line, _)) = cosignature else { return Taken::Refused };
                standing.heard = true;
                standing.size = head.count;
                standing.behind_since = None;
                if self.log.size() > head.count {
                    standing.behind_since = Some(request.read);
                }
                drop(standings);
                self.keep(witness, &format!("{}{line}", request.checkpoint));
                Taken::Cosigned
            }
            Some(Answer::Conflict { size }) if size > head.count => {
                standing.contradicts = Some(Unwitnessed::Older { witness: witness.clone() });
                Taken::Contradicted
            }
            // The size that was named is the one cosigned last, and the new one: the root is another.
            Some(Answer::Conflict { size }) if size == request.old && size == head.count => {
                standing.contradicts = Some(Unwitnessed::Another { witness: witness.clone() });
                Taken::Contradicted
            }
            Some(Answer::Conflict { size }) if size != request.old => {
                standing.size = size;
                Taken::AskAgain
            }
            Some(Answer::Unproven) => {
                standing.contradicts = Some(Unwitnessed::Another { witness: witness.clone() });
                Taken::Contradicted
            }
            _ => Taken::Refused,
        }
    }

    /// Puts a cosigned checkpoint beside the log, for auditors. Nothing here depends on it, so a disk that does not take it is not heard of.
    fn keep(&self, witness: &OwnerId, checkpoint: &str) {
        let mut folder = Folder { path: self.log.path().to_owned(), watch: Box::new(|_| Ok(())) };
        let _ = folder.put_whole(&cosigned_path(witness), checkpoint.as_bytes());
    }

    /// How a witness contradicts this log, if it does.
    pub fn contradiction(&self, witness: &OwnerId) -> Option<Unwitnessed> {
        self.standings().get(witness)?.contradicts.clone()
    }

    /// Whether the party may answer. Waits for nobody.
    ///
    /// # Errors
    /// [`Unwitnessed`], of the first witness in roster order that is missing; one that contradicts comes first.
    pub fn check(&self, now: Instant) -> Result<(), Unwitnessed> {
        let size = self.log.size();
        let mut standings = self.standings();
        let (mut cosignatures, mut missing) = (0, None);
        for witness in &self.order {
            let Some(standing) = standings.get_mut(witness) else { continue };
            if let Some(contradicts) = &standing.contradicts {
                return Err(contradicts.clone());
            }
            standing.see(size, now);
            let witness = witness.clone();
            match standing.behind_since {
                _ if !standing.heard => drop(missing.get_or_insert(Unwitnessed::NotYet { witness })),
                Some(since) if now.saturating_duration_since(since) > self.terms.age_max => {
                    missing.get_or_insert(Unwitnessed::Late { witness });
                }
                _ => cosignatures += 1,
            }
        }
        let needed = self.terms.cosignatures_min.unwrap_or(self.order.len());
        match missing {
            Some(missing) if cosignatures < needed => Err(missing),
            _ => Ok(()),
        }
    }
}

impl Standing {
    /// Notes that there are entries which the witness has not cosigned.
    fn see(&mut self, size: u64, now: Instant) {
        if size > self.size {
            self.behind_since.get_or_insert(now);
        }
    }
}

/// Where the checkpoint lies that a witness has cosigned last.
pub(crate) fn cosigned_path(witness: &OwnerId) -> String {
    format!("cosigned/{witness}")
}

#[cfg(test)]
mod tests;
