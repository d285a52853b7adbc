//! A party as witness of the others' logs: it cosigns a checkpoint that continues all that it has seen of a log, and no other.
//! <https://c2sp.org/tlog-witness>.
//!
//! A request names the size that the witness cosigned last, proves that the new checkpoint continues that state, and has the
//! checkpoint:
//!
//! ```text
//! old 17
//! <hash in base64>                    as many as the proof has
//!
//! kobling/ssb
//! 23
//! <root in base64>
//!
//! — kobling/ssb <key hash and signature in base64>
//! ```
//!
//! | order | what | answer where it fails |
//! | --- | --- | --- |
//! | 1 | the request is in form | 400 |
//! | 2 | the log is that of another party of the roster | 404 |
//! | 3 | the party's key has signed the checkpoint | 403 |
//! | 4 | the old size is not beyond the new | 400 |
//! | 5 | the old size is the one cosigned last | 409 and that size |
//! | 6 | where both sizes are the same, so are the roots | 409 and that size |
//! | 7 | the proof proves | 422 |
//! | 8 | **the checkpoint is on disk** | 500, and nothing is cosigned until the log is opened anew |
//! | 9 | the cosignature leaves | |
//!
//! 5 to 9 happen for one request at a time, so that two requests cannot make two answers. Nothing of the log's entries is seen. Who
//! brings a request does not matter: the signatures say the rest, so one party may pass on another's.
//!
//! What has been cosigned lies beside the witness's own log, as `witnessed/PARTY+KEY`, for auditors to hold against that party's log.

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use kobling_model::federation::Federation;
use kobling_model::{Hash, OwnerId};

use crate::checkpoint::{CHECKPOINT_BYTES_MAX, CheckpointFault, LogKey, PublicKey};
use crate::files::{Folder, Source, Watch};
use crate::log::{AuditLog, LogError};
use crate::note::Note;
use crate::proof::{PROOF_HASHES_MAX, is_continuation};
use crate::tree::Head;

/// Longest request, in bytes.
pub const REQUEST_BYTES_MAX: usize = 32 + 45 * PROOF_HASHES_MAX + CHECKPOINT_BYTES_MAX;

/// What a witness answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The checkpoint is cosigned: the line that does it, with its line feed.
    Cosigned(String),
    /// The request is not in form.
    Malformed,
    /// The log is not one of another party of the roster.
    UnknownLog,
    /// The checkpoint is not signed by the key that the roster has of the log's party.
    UnknownKey,
    /// The size cosigned last is another, or it is the same and the root is another.
    Conflict {
        /// The size cosigned last.
        size: u64,
    },
    /// The checkpoint is not shown to continue the one cosigned last.
    Unproven,
    /// What has been cosigned could not be kept.
    Failed,
}

impl Answer {
    /// The type of a body that has a size.
    pub const SIZE_TYPE: &str = "text/x.tlog.size";

    /// Status of HTTP.
    pub fn status(&self) -> u16 {
        match self {
            Self::Cosigned(_) => 200,
            Self::Malformed => 400,
            Self::UnknownKey => 403,
            Self::UnknownLog => 404,
            Self::Conflict { .. } => 409,
            Self::Unproven => 422,
            Self::Failed => 500,
        }
    }

    /// Type of the body.
    pub fn content_type(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => Self::SIZE_TYPE,
            _ => "text/plain; charset=utf-8",
        }
    }

    /// The body.
    pub fn body(&self) -> String {
        match self {
            Self::Cosigned(line) => line.clone(),
            Self::Conflict { size } => format!("{size}\n"),
            _ => String::new(),
        }
    }

    /// Reads an answer, of which cosignatures are not verified here. None where it is not one of these.
    pub fn read(status: u16, body: &[u8]) -> Option<Self> {
        let text = || std::str::from_utf8(body).ok();
        Some(match status {
            200 => Self::Cosigned(text()?.to_owned()),
            400 => Self::Malformed,
            403 => Self::UnknownKey,
            404 => Self::UnknownLog,
            409 => Self::Conflict { size: decimal(text()?.strip_suffix('\n')?)? },
            422 => Self::Unproven,
            500 => Self::Failed,
            _ => return None,
        })
    }
}

/// Writes a request.
pub fn request(old: u64, proof: &[Hash], checkpoint: &str) -> String {
    let proof: String = proof.iter().map(|hash| format!("{}\n", BASE64.encode(hash.0))).collect();
    format!("old {old}\n{proof}\n{checkpoint}")
}

/// A request that is in form.
struct Request<'a> {
    old: u64,
    proof: Vec<Hash>,
    note: Note<'a>,
}

impl<'a> Request<'a> {
    fn read(body: &'a [u8]) -> Option<Self> {
        if body.len() > REQUEST_BYTES_MAX {
            return None;
        }
        let (before, checkpoint) = std::str::from_utf8(body).ok()?.split_once("\n\n")?;
        let mut lines = before.split('\n');
        let old = decimal(lines.next()?.strip_prefix("old ")?)?;
        let hash = |line: &str| Hash::from_bytes(&BASE64.decode(line).ok()?).ok();
        let proof = lines.map(hash).collect::<Option<Vec<Hash>>>()?;
        let note = Note::read(checkpoint.as_bytes())?;
        let within = proof.len() <= PROOF_HASHES_MAX && checkpoint.len() <= CHECKPOINT_BYTES_MAX;
        within.then_some(Self { old, proof, note })
    }
}

/// A number in the one form in which it is written: decimal digits, no leading zeroes.
fn decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// What a party has cosigned of the others' logs.
pub struct Witness {
    me: OwnerId,
    key: LogKey,
    logs: Vec<PublicKey>,
    seen: Mutex<Seen>,
}

/// Changed and written under one lock.
struct Seen {
    folder: Folder,
    /// The largest head cosigned of each log.
    heads: BTreeMap<OwnerId, Head>,
    /// A write has failed: what is on disk is unknown.
    poisoned: bool,
}

impl Witness {
    /// A party's witness of all other logs of the roster; what it has cosigned lies beside its own log, which this process alone
    /// writes.
    ///
    /// # Errors
    /// [`LogError::Unusable`]; [`LogError::Witnessed`] where what was cosigned earlier is not as it was kept: a witness that has forgotten
    /// could cosign another log.
    pub fn open(log: &AuditLog, key: LogKey, roster: &Federation) -> Result<Self, LogError> {
        Self::open_with(log, key, roster, Box::new(|_| Ok(())))
    }

    pub(crate) fn open_with(
        log: &AuditLog,
        key: LogKey,
        roster: &Federation,
        watch: Watch,
    ) -> Result<Self, LogError> {
        let (me, path) = (log.party().clone(), log.path().to_owned());
        let own = key.public(&me);
        let others = roster.parties().filter(|party| party.id != me);
        let logs = others.filter_map(|party| PublicKey::of_roster(&party.id, &party.signing_key));
        let logs: Vec<PublicKey> = logs.collect();
        let mut heads = BTreeMap::new();
        for log in &logs {
            let name = witnessed_path(log);
            let bytes = match Source::read(path.as_path(), &name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                read => read.map_err(|source| LogError::Unusable { path: path.join(&name), source })?,
            };
            let cosigned = log.open_cosigned(&own, &bytes);
            let cosigned = cosigned.map_err(|_| LogError::Witnessed { path: path.join(&name) })?;
            heads.insert(log.party().clone(), cosigned.head);
        }
        let seen = Seen { folder: Folder { path, watch }, heads, poisoned: false };
        Ok(Self { me, key, logs, seen: Mutex::new(seen) })
    }

    /// Answers a request at a time, in seconds since 1970-01-01 UTC. Blocks on the disk.
    pub fn add_checkpoint(&self, body: &[u8], now_s: u64) -> Answer {
        // 1.
        let Some(request) = Request::read(body) else { return Answer::Malformed };
        // 2.
        let origin = request.note.text.split('\n').next().unwrap_or_default();
        let Some(log) = self.logs.iter().find(|log| log.origin() == origin) else {
            return Answer::UnknownLog;
        };
        // 3.
        let (head, signed) = match log.open_among(&request.note) {
            Ok(opened) => opened,
            Err(CheckpointFault::Signature) => return Answer::UnknownKey,
            Err(_) => return Answer::Malformed,
        };
        // 4.
        if request.old > head.count {
            return Answer::Malformed;
        }
        let Ok(mut seen) = self.seen.lock() else { return Answer::Failed };
        if seen.poisoned {
            return Answer::Failed;
        }
        let last = seen.heads.get(log.party()).copied();
        let size = last.map_or(0, |last| last.count);
        // 5.
        if request.old != size {
            return Answer::Conflict { size };
        }
        let last = last.unwrap_or_else(Head::empty);
        // 6.
        if last.count == head.count && last != head {
            seen.keep_contradiction(log, &format!("{}\n{signed}\n", request.note.text));
            return Answer::Conflict { size };
        }
        // 7.
        if !is_continuation(&last, &head, &request.proof) {
            return Answer::Unproven;
        }
        let line = self.key.cosign(&self.me, request.note.text, now_s);
        // 8. A checkpoint that is cosigned again is there already.
        if seen.heads.get(log.party()) != Some(&head) {
            let checkpoint = format!("{}\n{signed}\n{line}", request.note.text);
            seen.poisoned = true;
            if seen.folder.put_durably(&witnessed_path(log), checkpoint.as_bytes()).is_err() {
                return Answer::Failed;
            }
            seen.poisoned = false;
            seen.heads.insert(log.party().clone(), head);
        }
        // 9.
        Answer::Cosigned(line)
    }
}

impl Seen {
    /// Keeps a signed checkpoint that contradicts the one cosigned: together they prove that the log has two faces. The first is
    /// enough. That it cannot be kept changes no answer.
    fn keep_contradiction(&mut self, log: &PublicKey, checkpoint: &str) {
        let path = contradicting_path(log);
        if Source::read(self.folder.path.as_path(), &path).is_err() {
            let _ = self.folder.put(&path, checkpoint.as_bytes());
        }
    }
}

/// Where a witness keeps what it has cosigned of a log. The key is in the name: under another one another log is begun.
pub(crate) fn witnessed_path(log: &PublicKey) -> String {
    format!("witnessed/{}+{}", log.party(), hex::encode(log.hash()))
}

/// Where a witness keeps a checkpoint that contradicts it.
pub(crate) fn contradicting_path(log: &PublicKey) -> String {
    format!("{}.contradicts", witnessed_path(log))
}

#[cfg(test)]
mod tests;
