//! A federation's folder: what lies where, and that nothing is left of it.
//!
//! ```text
//! federation.toml  platform.toml  demo.kob  auditor.key
//! platform/        tls.pem tls.key
//! registers/       <owner>/<NAME>/…
//! <owner>/         node.toml policy.toml state/
//! broker/          broker.toml federation.toml keys/ state/
//! compose/         <owner>.toml broker.toml, the settings that each began with
//! logs/            what each process said
//! ```

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use tempfile::TempDir;

use crate::exit::{unusable, unusable_because};

/// A federation's folder.
pub struct Place {
    root: PathBuf,
    temporary: Option<TempDir>,
}

impl Place {
    /// Makes the folder, temporary and named after the command or to be kept, readable by its owner alone: development keys lie in it.
    ///
    /// # Errors
    /// Where it cannot be made, or something is in it.
    pub fn create(name: &str, keep: Option<&Path>) -> anyhow::Result<Self> {
        let place = match keep {
            None => {
                let temporary = tempfile::Builder::new().prefix(&format!("kobling-{name}-")).tempdir();
                let temporary = temporary.context("a temporary folder cannot be made")?;
                Self { root: temporary.path().to_owned(), temporary: Some(temporary) }
            }
            Some(folder) => {
                let cannot = |error| unusable_because(format!("{} cannot be used", folder.display()), error);
                DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(cannot)?;
                let mut entries = fs::read_dir(folder).map_err(cannot)?;
                if entries.next().is_some() {
                    return Err(unusable(format!("{} is not empty; nothing was changed", folder.display())));
                }
                Self { root: fs::canonicalize(folder).map_err(cannot)?, temporary: None }
            }
        };
        fs::create_dir(place.root.join("logs")).context("the folder for logs cannot be made")?;
        Ok(place)
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The key of the federation's auditor.
    pub fn auditor_key(&self) -> PathBuf {
        self.root.join("auditor.key")
    }

    /// All owners' registers.
    pub fn registers(&self) -> PathBuf {
        self.root.join("registers")
    }

    /// The platform's file.
    pub fn platform(&self) -> PathBuf {
        self.root.join("platform.toml")
    }

    /// A party's folder.
    pub fn party(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// A node's configuration.
    pub fn node_config(&self, name: &str) -> PathBuf {
        self.party(name).join("node.toml")
    }

    /// A party's state.
    pub fn state(&self, name: &str) -> PathBuf {
        self.party(name).join("state")
    }

    /// A party's audit log.
    pub fn audit(&self, name: &str) -> PathBuf {
        self.state(name).join("audit")
    }

    /// What a process said.
    pub fn log(&self, name: &str) -> PathBuf {
        self.root.join("logs").join(format!("{name}.log"))
    }

    /// Removes the folder, unless it is kept.
    ///
    /// # Errors
    /// Where something stays.
    pub async fn leave(self) -> anyhow::Result<()> {
        let Some(temporary) = self.temporary else { return Ok(()) };
        let folder = temporary.keep();
        let mut tries = 0;
        loop {
            match fs::remove_dir_all(&folder) {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                // A child that was just killed may have made a file meanwhile.
                Err(_) if tries < 20 => tries += 1,
                Err(error) => {
                    return Err(error).with_context(|| format!("{} could not be removed", folder.display()));
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_something_in_it_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("mine"), "x").expect("written");
        let error = Place::create("test", Some(folder.path())).err().expect("refused");
        assert!(error.to_string().contains("is not empty"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 1);
    }
}
