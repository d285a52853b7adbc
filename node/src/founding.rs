//! Letting peers in, and giving each node the federation secrets it should hold.
//!
//! A secret is given once, directly, by the node that drew it, to a node of the same roster that both
//! operators have let in. The broker has no part in it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use kobling_crypto::seal::SealKey;
use kobling_model::federation::Federation;
use kobling_model::{Hash, OwnerId};
use kobling_proto::peer::v1::FetchSecretRequest;

use crate::error::NodeError;
use crate::peer::grpc::GrpcConnector;
use crate::secrets::{SecretName, Secrets};
use crate::state::{self, StateDir, StateError};

/// Whom the operator has let in, and the secrets held so far.
pub struct Founding {
    me: OwnerId,
    federation: Arc<Federation>,
    state: StateDir,
    seal_key: SealKey,
    secrets: Mutex<Secrets>,
}

/// Peers let in, as the state folder has them.
///
/// # Errors
/// [`StateError`].
pub fn accepted_peers(state: &StateDir) -> Result<BTreeSet<OwnerId>, StateError> {
    let path = state.peers();
    match state::read(&path)? {
        None => Ok(BTreeSet::new()),
        Some(bytes) => serde_json::from_slice(&bytes).map_err(|_| StateError::Damaged { path }),
    }
}

/// Lets a peer in. A running node notices by itself.
///
/// # Errors
/// [`StateError`].
pub fn accept_peer(state: &StateDir, peer: &OwnerId) -> Result<(), StateError> {
    let mut peers = accepted_peers(state)?;
    peers.insert(peer.clone());
    let text = serde_json::to_vec_pretty(&peers).expect("names are texts");
    state::replace(&state.peers(), &text)
}

impl Founding {
    /// Loads what the node holds so far.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn load(
        me: OwnerId,
        federation: Arc<Federation>,
        state: StateDir,
        seal_key: SealKey,
    ) -> Result<Self, StateError> {
        let secrets = Mutex::new(Secrets::load(&state, &seal_key)?);
        Ok(Self { me, federation, state, seal_key, secrets })
    }

    /// Whether the operator has let this peer in. An unreadable list lets nobody in.
    pub fn is_accepted(&self, peer: &OwnerId) -> bool {
        self.federation.node(peer).is_some()
            && accepted_peers(&self.state).is_ok_and(|peers| peers.contains(peer))
    }

    /// What the node holds now.
    pub fn secrets(&self) -> Secrets {
        self.secrets.lock().expect("no code panics while holding the secrets").clone()
    }

    /// Names of secrets still missing, in roster order.
    pub fn missing(&self) -> Vec<SecretName> {
        self.secrets().missing(&self.me, &self.federation)
    }

    /// Gives a secret to a peer that should hold it.
    ///
    /// # Errors
    /// [`NodeError::RosterDiffers`] for another roster, [`NodeError::NotAPeer`] where the peer must not
    /// have it or this node did not draw it: a node never gets its own part of the noise key.
    pub fn give(&self, peer: &OwnerId, name: &str, federation: &[u8]) -> Result<Vec<u8>, NodeError> {
        if Hash::from_bytes(federation).ok() != Some(self.federation.hash()) {
            return Err(NodeError::RosterDiffers { party: self.me.clone() });
        }
        let refused = || NodeError::NotAPeer { party: self.me.clone() };
        let name = SecretName::parse(name).ok_or_else(refused)?;
        let drawn_here = name.drawn_by(&self.federation) == Some(&self.me);
        if !drawn_here || !name.may_be_held_by(peer, &self.federation) {
            return Err(refused());
        }
        self.secrets().get(&name).map(<[u8]>::to_vec).ok_or_else(refused)
    }

    /// Fetches what is missing from those who drew it and have been let in. Returns whether all is there.
    ///
    /// # Errors
    /// The first [`NodeError`]; what was fetched before it is kept.
    pub async fn fetch_missing(&self, connector: &GrpcConnector) -> Result<bool, NodeError> {
        for name in self.missing() {
            let Some(drawer) = name.drawn_by(&self.federation) else { continue };
            if !self.is_accepted(drawer) {
                continue;
            }
            let failed = || NodeError::Unreachable { party: drawer.clone(), step: "founding".into() };
            let mut client = connector.dial(drawer, "founding").await?;
            let request = FetchSecretRequest {
                name: name.to_text(),
                federation: Bytes::copy_from_slice(&self.federation.hash().0),
            };
            let answer = tokio::time::timeout(connector.patience, client.fetch_secret(request)).await;
            let answer = answer.map_err(|_| failed())?.map_err(|status| match status.code() {
                tonic::Code::PermissionDenied => NodeError::NotAPeer { party: drawer.clone() },
                tonic::Code::FailedPrecondition => NodeError::RosterDiffers { party: drawer.clone() },
                tonic::Code::Unauthenticated => NodeError::Certificate { party: drawer.clone() },
                _ => failed(),
            })?;
            self.keep(&name, answer.into_inner().secret.to_vec(), drawer)?;
        }
        Ok(self.missing().is_empty())
    }

    fn keep(&self, name: &SecretName, secret: Vec<u8>, from: &OwnerId) -> Result<(), NodeError> {
        let mut secrets = self.secrets.lock().expect("no code panics while holding the secrets");
        let mut with = secrets.clone();
        with.add(name, secret).map_err(|_| NodeError::SecretsDiffer { party: from.clone() })?;
        // Durable before use: noise must be the same after a restart.
        with.store(&self.state, &self.seal_key)
            .map_err(|_| NodeError::Internal { party: self.me.clone(), step: "founding" })?;
        *secrets = with;
        Ok(())
    }
}
