//! The stop switch: whether the operator has stopped this node.
//!
//! What decides is a file in the state folder, so that a stop survives restarts and holds whether or not the node serves. It is looked at
//! before everything that leaves or begins ([`crate::gate`] says where), and is there before anybody is told of it. Where it cannot be
//! looked at, the node is stopped.

use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use kobling_model::OwnerId;
use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::state::{self, StateDir, StateError};

/// The switch of a node.
#[derive(Debug)]
pub struct Switch {
    me: OwnerId,
    file: PathBuf,
    /// Set where the file could not be written: the stop then holds as long as the process.
    held: AtomicBool,
}

/// A stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Why, in the operator's words.
    pub reason: String,
    /// Since when, in milliseconds since 1970-01-01 UTC.
    pub since_ms: u64,
    /// Whether the audit log tells of it.
    pub recorded: bool,
}

impl Switch {
    /// The switch of a state folder.
    pub fn new(me: OwnerId, state: &StateDir) -> Self {
        Self { me, file: state.stop(), held: AtomicBool::new(false) }
    }

    /// Nothing, unless the node is stopped.
    ///
    /// # Errors
    /// [`NodeError::OwnerStopped`].
    pub fn check(&self) -> Result<(), NodeError> {
        let down = !self.held.load(Ordering::SeqCst) && matches!(self.file.try_exists(), Ok(false));
        if down { Ok(()) } else { Err(NodeError::OwnerStopped { party: self.me.clone() }) }
    }

    /// The stop, if there is one. A file that somebody has made by hand is one without a reason.
    ///
    /// # Errors
    /// [`StateError::Io`] where the file cannot be read; the node is stopped then.
    pub fn stop(&self) -> Result<Option<Stop>, StateError> {
        let nameless = || Stop { reason: String::new(), since_ms: 0, recorded: false };
        let file = state::read(&self.file)?;
        Ok(file.map(|bytes| serde_json::from_slice(&bytes).unwrap_or_else(|_| nameless())))
    }

    /// Stops the node: on disk when this returns. A stop that is there already stays as it is.
    ///
    /// # Errors
    /// [`StateError::Io`]; the stop then holds as long as this process.
    pub fn raise(&self, reason: &str, now_ms: u64) -> Result<Stop, StateError> {
        self.held.store(true, Ordering::SeqCst);
        let stop = match self.stop()? {
            Some(stop) => stop,
            None => {
                let stop = Stop { reason: reason.to_owned(), since_ms: now_ms, recorded: false };
                self.write(&stop)?;
                stop
            }
        };
        self.held.store(false, Ordering::SeqCst);
        Ok(stop)
    }

    /// Notes that the audit log tells of the stop.
    ///
    /// # Errors
    /// [`StateError::Io`]; it is then recorded once more at the next start.
    pub fn note_record(&self, stop: &Stop) -> Result<(), StateError> {
        self.write(&Stop { recorded: true, ..stop.clone() })
    }

    /// Lets the node answer again.
    ///
    /// # Errors
    /// [`StateError::Io`]; the node may be stopped still.
    pub fn lower(&self) -> Result<(), StateError> {
        let io = |source| StateError::Io { path: self.file.clone(), source };
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
            _ => {}
        }
        // A removal that a crash undoes leaves the node stopped, which is the safe side; but the operator was told otherwise.
        let folder = self.file.parent().expect("a file in the state folder has a parent");
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)?;
        self.held.store(false, Ordering::SeqCst);
        Ok(())
    }

    fn write(&self, stop: &Stop) -> Result<(), StateError> {
        state::replace(&self.file, &serde_json::to_vec(stop).expect("a stop has a JSON form"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_survives_and_keeps_its_first_reason_until_it_is_lowered() {
        let folder = tempfile::tempdir().expect("a folder");
        let me = OwnerId::new("ssb").expect("valid");
        let switch = Switch::new(me.clone(), &StateDir::new(folder.path()));
        assert_eq!(switch.check(), Ok(()));
        let stop = switch.raise("a leak", 7).expect("stopped");
        assert_eq!(stop, Stop { reason: "a leak".into(), since_ms: 7, recorded: false });
        let again = Switch::new(me.clone(), &StateDir::new(folder.path()));
        assert_eq!(again.check(), Err(NodeError::OwnerStopped { party: me }));
        assert_eq!(again.raise("another", 8).expect("stopped").reason, "a leak");
        again.note_record(&stop).expect("noted");
        assert!(switch.stop().expect("readable").is_some_and(|stop| stop.recorded));
        switch.lower().expect("lowered");
        assert_eq!(again.check(), Ok(()));
        switch.lower().expect("lowering twice is lowering once");
    }

    #[test]
    fn a_file_made_by_hand_and_one_that_cannot_be_looked_at_stop_the_node() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = StateDir::new(folder.path());
        let switch = Switch::new(OwnerId::new("ssb").expect("valid"), &state);
        fs::write(state.stop(), "now!").expect("written");
        assert!(switch.check().is_err());
        assert_eq!(switch.stop().expect("readable").map(|stop| stop.recorded), Some(false));
        // A state folder that is a file cannot be looked into.
        let file = folder.path().join("file");
        fs::write(&file, "").expect("written");
        let lost = Switch::new(OwnerId::new("ssb").expect("valid"), &StateDir::new(&file));
        assert!(lost.check().is_err());
        assert!(lost.raise("a leak", 1).is_err() && lost.check().is_err());
    }
}
