//! What is handed in to be checked: logs, and what they are held against.

use std::fs;
use std::path::{Path, PathBuf};

use kobling_audit::checkpoint::CheckpointFault;
use kobling_audit::{AuditorKey, VerifiedLog};
use kobling_model::OwnerId;
use kobling_model::federation::Federation;

use crate::exit::{unusable, unusable_because};

/// A log, and whose it must be, where somebody said so.
pub struct Given {
    pub party: Option<OwnerId>,
    pub path: PathBuf,
}

impl Given {
    /// `PARTY=PATH` or `PATH`.
    pub fn named(text: &str) -> Self {
        match text.split_once('=') {
            Some((party, path)) if OwnerId::new(party).is_ok() => {
                Self { party: OwnerId::new(party).ok(), path: path.into() }
            }
            _ => Self { party: None, path: text.into() },
        }
    }
}

/// File of the federation in a folder of all logs.
const FEDERATION: &str = "federation.toml";

/// File of an auditor's key in a folder of all logs.
const KEY: &str = "auditor.key";

/// Where a party's log may lie below a folder of all logs: as `demo --keep` leaves it, or as somebody has put it there.
const BELOW: [&str; 3] = ["state/audit", "audit", ""];

/// What a folder of all logs holds.
pub struct Gathered {
    /// Whose logs.
    pub federation: Federation,
    /// The log of each of its parties.
    pub logs: Vec<Given>,
    /// The file of an auditor's key, where one lies there.
    pub key: Option<PathBuf>,
}

/// The logs of all parties, where one folder is given that holds them below a `federation.toml`: each in a folder of its
/// party's name. Nothing where another thing is given.
///
/// # Errors
/// For a federation file that is none, and where the log of a party is not there: what is checked would not be all.
pub fn gathered(paths: &[impl AsRef<Path>]) -> anyhow::Result<Option<Gathered>> {
    let [folder] = paths else { return Ok(None) };
    let folder = folder.as_ref();
    let file = folder.join(FEDERATION);
    if !file.is_file() {
        return Ok(None);
    }
    let federation = roster(&file)?;
    let given = federation.parties().map(|party| {
        let places = BELOW.map(|below| folder.join(party.id.as_str()).join(below));
        match places.into_iter().find(|place| place.join("checkpoint").is_file()) {
            Some(path) => Ok(Given { party: Some(party.id.clone()), path }),
            None => Err(unusable(format!("{} has no log of {}", folder.display(), party.id))),
        }
    });
    let given = given.collect::<anyhow::Result<_>>()?;
    let key = Some(folder.join(KEY)).filter(|key| key.is_file());
    Ok(Some(Gathered { federation, logs: given, key }))
}

/// What logs are held against beside themselves.
#[derive(Default)]
pub struct Held {
    /// Whose keys must have signed them.
    pub roster: Option<Federation>,
    /// Checkpoints that were kept earlier, by their files.
    noted: Vec<(PathBuf, Vec<u8>)>,
    /// What opens sealed records.
    keys: Vec<AuditorKey>,
}

impl Held {
    /// Against the keys of a federation alone.
    pub fn by(roster: Federation) -> Self {
        Self { roster: Some(roster), ..Self::default() }
    }

    /// Against a federation's keys and checkpoints that were kept, of those that are given.
    ///
    /// # Errors
    /// For files that cannot be read, or are no federation file.
    pub fn read(federation: Option<&Path>, noted: Vec<PathBuf>) -> anyhow::Result<Self> {
        let roster = federation.map(roster).transpose()?;
        let noted = noted.into_iter().map(|path| match fs::read(&path) {
            Ok(bytes) => Ok((path, bytes)),
            Err(error) => Err(unusable_because(format!("{} cannot be read", path.display()), error)),
        });
        Ok(Self { roster, noted: noted.collect::<anyhow::Result<_>>()?, keys: Vec::new() })
    }

    /// With auditors' keys, in files.
    ///
    /// # Errors
    /// For files that cannot be read, or hold no such key.
    pub fn with_keys(mut self, files: &[PathBuf]) -> anyhow::Result<Self> {
        self.add_keys(files)?;
        Ok(self)
    }

    /// Adds auditors' keys, in files.
    ///
    /// # Errors
    /// As [`Self::with_keys`].
    pub fn add_keys(&mut self, files: &[PathBuf]) -> anyhow::Result<()> {
        for path in files {
            let why = || format!("{} cannot be used as an auditor's key", path.display());
            let text = fs::read_to_string(path).map_err(|error| unusable_because(why(), error))?;
            self.keys.push(AuditorKey::read(&text).map_err(|error| unusable_because(why(), error))?);
        }
        Ok(())
    }

    /// What opens sealed records.
    pub fn keys(&self) -> &[AuditorKey] {
        &self.keys
    }

    /// What is wrong with a log that is whole in itself.
    pub fn complaint(&self, log: &VerifiedLog, party: Option<&OwnerId>) -> Option<String> {
        if let Some(party) = party
            && party != log.party()
        {
            return Some(format!("stands where that of {party} should"));
        }
        if let Some(roster) = &self.roster
            && !log.is_signed_as_in(roster)
        {
            return Some("is not signed by the key that the federation file has of its party".into());
        }
        self.noted.iter().find_map(|(path, noted)| match log.key().open(noted) {
            Err(CheckpointFault::AnotherParty) => None,
            Err(fault) => Some(format!("is not held against {}, which {fault}", path.display())),
            Ok(head) => {
                log.reaches(&head).err().map(|error| format!("does not continue {}: {error}", path.display()))
            }
        })
    }

    /// A noted checkpoint that is of none of the logs.
    pub fn unused(&self, logs: &[VerifiedLog]) -> Option<&Path> {
        let of_none =
            |noted: &[u8]| logs.iter().all(|log| log.key().open(noted) == Err(CheckpointFault::AnotherParty));
        self.noted.iter().find(|(_, noted)| of_none(noted)).map(|(path, _)| path.as_path())
    }
}

fn roster(path: &Path) -> anyhow::Result<Federation> {
    let why = || format!("{} cannot be used as a federation file", path.display());
    let text = fs::read_to_string(path).map_err(|error| unusable_because(why(), error))?;
    Federation::from_toml(&text).map_err(|error| unusable_because(why(), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_may_be_given_with_its_partys_name() {
        let named = |text| {
            let given = Given::named(text);
            (given.party, given.path)
        };
        assert_eq!(named("ssb=a/b"), (OwnerId::new("ssb").ok(), "a/b".into()));
        assert_eq!(named("a/b"), (None, "a/b".into()));
        assert_eq!(named("./x=y/b"), (None, "./x=y/b".into()));
    }
}
