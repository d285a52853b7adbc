//! The state folder of a node: what lies where, and files that are whole or not there at all.
//!
//! ```text
//! keys/        tls.key tls.csr tls.pem signing.pk8 seal.key   (readable by the operator alone)
//! federation.toml          the pinned roster
//! peers.json               peers the operator has let in
//! secrets.sealed           federation secrets and the node's own secret
//! identity/                sealed identity maps, one for each unit type
//! registers/               imported releases
//! replay                   requests taken, so that none is taken twice
//! memory/                  sealed: populations that something was released about
//! audit/                   the node's log
//! policy.json              hash of the policy that the log names last
//! stop.json                there while the operator has stopped the node
//! operator.sock            while the node serves: where its operator's commands reach it
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The folder that holds everything a node keeps.
#[derive(Clone, Debug)]
pub struct StateDir(PathBuf);

/// The state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A file or folder could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something is there already that would be lost.
    #[error("{path} exists already; nothing was changed")]
    Exists {
        /// Which.
        path: PathBuf,
    },
    /// A step that must come first has not been taken.
    #[error("{missing}")]
    NotReady {
        /// What to do first.
        missing: &'static str,
    },
    /// A file of the state folder has been damaged or belongs to another node.
    #[error("{path} is damaged, or sealed with another key")]
    Damaged {
        /// Which.
        path: PathBuf,
    },
}

impl StateDir {
    /// Names the folder; creates nothing.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self(root.into())
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// Keys.
    pub fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    /// The pinned roster.
    pub fn federation(&self) -> PathBuf {
        self.0.join("federation.toml")
    }

    /// Peers the operator has let in.
    pub fn peers(&self) -> PathBuf {
        self.0.join("peers.json")
    }

    /// Sealed secrets.
    pub fn secrets(&self) -> PathBuf {
        self.0.join("secrets.sealed")
    }

    /// What sessions keep beyond their memory, sealed under a key that dies with the process.
    pub fn kept(&self) -> PathBuf {
        self.0.join("kept")
    }

    /// There while the operator has stopped the node.
    pub fn stop(&self) -> PathBuf {
        self.0.join("stop.json")
    }

    /// Socket on which a serving node listens for its operator.
    pub fn operator(&self) -> PathBuf {
        self.0.join("operator.sock")
    }

    /// The policy that the log names last.
    pub fn policy(&self) -> PathBuf {
        self.0.join("policy.json")
    }

    /// Requests taken.
    pub fn replay(&self) -> PathBuf {
        self.0.join("replay")
    }

    /// Populations that something was released about.
    pub fn memory(&self) -> PathBuf {
        self.0.join("memory")
    }

    /// The node's log.
    pub fn audit(&self) -> PathBuf {
        self.0.join("audit")
    }

    /// Creates the folder and its subfolders, readable by the operator alone.
    ///
    /// # Errors
    /// [`StateError::Io`].
    pub fn create(&self) -> Result<(), StateError> {
        for folder in [self.0.clone(), self.keys(), self.0.join("identity"), self.audit()] {
            create_private_dir(&folder)?;
        }
        Ok(())
    }
}

fn create_private_dir(path: &Path) -> Result<(), StateError> {
    use std::os::unix::fs::DirBuilderExt;
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| StateError::Io { path: path.to_owned(), source })
}

/// Reads a file whole; none where there is no such file.
///
/// # Errors
/// [`StateError::Io`] for everything but absence.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, StateError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StateError::Io { path: path.to_owned(), source }),
    }
}

/// Replaces a file so that after a crash it is wholly the old or wholly the new one.
///
/// The new content is written beside it and synced, renamed over it, and the folder is synced, in this
/// order: a rename that reached the disk before the content would leave an empty file. Readable by the
/// operator alone.
///
/// # Errors
/// [`StateError::Io`]; the old file is then untouched.
pub fn replace(path: &Path, content: &[u8]) -> Result<(), StateError> {
    let io = |source| StateError::Io { path: path.to_owned(), source };
    let folder = path.parent().expect("a file in the state folder has a parent");
    let temporary = path.with_extension("tmp");
    let write = || -> io::Result<()> {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(io)
}

/// Creates a file that must not exist yet.
///
/// # Errors
/// [`StateError::Exists`] where it does, [`StateError::Io`].
pub fn create(path: &Path, content: &[u8]) -> Result<(), StateError> {
    if path.exists() {
        return Err(StateError::Exists { path: path.to_owned() });
    }
    replace(path, content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_never_created_over_another() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("peers.json");
        assert_eq!(read(&path).expect("readable"), None);
        create(&path, b"one").expect("created");
        assert!(matches!(create(&path, b"two"), Err(StateError::Exists { .. })));
        replace(&path, b"three").expect("replaced");
        assert_eq!(read(&path).expect("readable").as_deref(), Some(&b"three"[..]));
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 1, "no temporary file is left");
    }
}
