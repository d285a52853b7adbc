//! The owner's policy as it stands: read whole and held against registers and roster, or not at all.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use kobling_crypto::decoys::DecoyLaw;
use kobling_disclosure::policy::{Known, Policy};
use kobling_model::catalogue::Datastore;
use kobling_model::federation::Federation;
use kobling_model::{Hash, OwnerId};

use crate::config::{ConfigError, read_text};

/// What a policy's names are held against at this node.
#[derive(Clone, Debug, Default)]
pub struct Against {
    datastores: Vec<Datastore>,
    nodes: Vec<OwnerId>,
    commands: Vec<&'static str>,
}

/// Commands without which no script can ask anything.
const COMMANDS_NEEDED: &[&str] = &["require", "create-dataset"];

impl Against {
    /// What can be known without a node: the language.
    pub fn language() -> Self {
        Self { commands: kobling_script::commands::all().collect(), ..Self::default() }
    }

    /// With a node's registers and roster.
    pub fn node(datastores: &[Datastore], federation: Option<&Federation>) -> Self {
        let nodes = federation.into_iter().flat_map(|federation| &federation.nodes);
        let nodes = nodes.map(|party| party.id.clone()).collect();
        Self { datastores: datastores.to_vec(), nodes, ..Self::language() }
    }

    fn known(&self) -> Known<'_> {
        Known {
            datastores: &self.datastores,
            nodes: &self.nodes,
            commands: &self.commands,
            commands_needed: COMMANDS_NEEDED,
        }
    }
}

/// A policy that can stand, and the hash of its file.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The policy.
    pub policy: Policy,
    /// SHA-256 of the file, as `sha256sum` gives it.
    pub hash: Hash,
}

impl Standing {
    /// Reads and checks a policy file.
    ///
    /// # Errors
    /// [`ConfigError`] with everything that is wrong with it.
    pub fn read(path: &Path, against: &Against) -> Result<Self, ConfigError> {
        let text = read_text(path)?;
        let policy = Policy::read(&text, &against.known())
            .map_err(|faults| ConfigError::Policy { path: path.to_owned(), faults })?;
        DecoyLaw::new(policy.decoys.epsilon, policy.decoys.delta_exponent).map_err(|_| {
            let message = "decoy_epsilon and decoy_delta_exponent make no usable law".to_owned();
            ConfigError::Syntax { path: path.to_owned(), message }
        })?;
        Ok(Self { policy, hash: Hash::of(text.as_bytes()) })
    }
}

/// The policy in force, which may be replaced while the node serves.
#[derive(Debug)]
pub struct InForce {
    file: PathBuf,
    against: Against,
    standing: RwLock<Arc<Standing>>,
}

impl InForce {
    /// Puts the file's policy in force.
    ///
    /// # Errors
    /// As [`Standing::read`].
    pub fn start(file: PathBuf, against: Against) -> Result<Self, ConfigError> {
        let standing = RwLock::new(Arc::new(Standing::read(&file, &against)?));
        Ok(Self { file, against, standing })
    }

    /// The policy in force now. Whoever judges with it does all of one judgement with the one it got.
    pub fn now(&self) -> Arc<Standing> {
        self.standing.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the file says now; nothing changes by that.
    ///
    /// # Errors
    /// As [`Standing::read`].
    pub fn read_again(&self) -> Result<Standing, ConfigError> {
        Standing::read(&self.file, &self.against)
    }

    /// Puts another policy in force.
    pub fn put(&self, standing: Standing) {
        *self.standing.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(standing);
    }
}
