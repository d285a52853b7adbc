//! The secrets of a federation that nodes share and the broker never has.
//!
//! - The **record-key secret**, known to all nodes, from which every unit's record key follows. The first
//!   node of the roster draws it.
//! - The **noise key** k, known to nobody: it is the XOR of one part for each node. Part i is drawn by the
//!   node after i in roster order and given to every node but i, so that any two nodes together can enter
//!   k into a computation on shares and none can compute it.
//! - The node's **own secret**, for decoys that match nobody.
//!
//! A node draws its parts when it is enrolled. The others it fetches from those who drew them, once both
//! operators have let each other in ([`crate::founding`]).

use std::collections::BTreeMap;

use kobling_crypto::seal::{self, SealKey};
use kobling_model::OwnerId;
use kobling_model::federation::Federation;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::random;
use crate::state::{self, StateDir, StateError};

const CONTEXT: &str = "kobling federation secrets v1";

/// A federation secret by its name on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretName {
    /// The record-key secret: 32 bytes.
    RecordKey,
    /// A node's part of the noise key: 16 bytes.
    Part(OwnerId),
}

impl SecretName {
    /// The name on the wire: `record-key` or `part/<node>`.
    pub fn to_text(&self) -> String {
        match self {
            Self::RecordKey => "record-key".into(),
            Self::Part(node) => format!("part/{node}"),
        }
    }

    /// Reads a name from the wire.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("part/") {
            Some(node) => OwnerId::new(node).ok().map(Self::Part),
            None => (text == "record-key").then_some(Self::RecordKey),
        }
    }

    /// The node that draws this secret, by the roster alone.
    pub fn drawn_by<'a>(&self, federation: &'a Federation) -> Option<&'a OwnerId> {
        match self {
            Self::RecordKey => federation.nodes.first().map(|party| &party.id),
            Self::Part(node) => federation.next_node(node).map(|party| &party.id),
        }
    }

    /// Whether `node` may hold this secret: every node of the roster, but none its own part.
    pub fn may_be_held_by(&self, node: &OwnerId, federation: &Federation) -> bool {
        let known = |id: &OwnerId| federation.node(id).is_some();
        match self {
            Self::RecordKey => known(node),
            Self::Part(of) => known(node) && known(of) && of != node,
        }
    }

    /// All secrets that `node` should hold, in roster order.
    pub fn held_by(node: &OwnerId, federation: &Federation) -> Vec<Self> {
        let parts = federation.nodes.iter().map(|party| Self::Part(party.id.clone()));
        std::iter::once(Self::RecordKey)
            .chain(parts)
            .filter(|name| name.may_be_held_by(node, federation))
            .collect()
    }

    fn length(&self) -> usize {
        match self {
            Self::RecordKey => 32,
            Self::Part(_) => 16,
        }
    }
}

/// The secrets a node holds. Nothing shows them.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct Secrets {
    own: Vec<u8>,
    #[zeroize(skip)]
    held: BTreeMap<String, HeldSecret>,
}

#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct HeldSecret(Vec<u8>);

/// A secret of the wrong length, or another one than is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a federation secret does not fit: wrong length, or not the one already held")]
pub struct SecretMismatch;

impl Secrets {
    /// Draws everything that `node` is the one to draw.
    pub fn draw(node: &OwnerId, federation: &Federation) -> Self {
        let mut secrets = Self { own: random::bytes::<32>().to_vec(), held: BTreeMap::new() };
        for name in SecretName::held_by(node, federation) {
            if name.drawn_by(federation) == Some(node) {
                let drawn = random::bytes::<32>()[..name.length()].to_vec();
                secrets.held.insert(name.to_text(), HeldSecret(drawn));
            }
        }
        secrets
    }

    /// Adds a secret that another node has given.
    ///
    /// # Errors
    /// [`SecretMismatch`] where the length is wrong or another value is held under this name: a secret
    /// never changes.
    pub fn add(&mut self, name: &SecretName, secret: Vec<u8>) -> Result<(), SecretMismatch> {
        if secret.len() != name.length() {
            return Err(SecretMismatch);
        }
        match self.held.get(&name.to_text()) {
            Some(held) if held.0 != secret => Err(SecretMismatch),
            Some(_) => Ok(()),
            None => {
                self.held.insert(name.to_text(), HeldSecret(secret));
                Ok(())
            }
        }
    }

    /// A secret's bytes, where it is held.
    pub fn get(&self, name: &SecretName) -> Option<&[u8]> {
        self.held.get(&name.to_text()).map(|held| held.0.as_slice())
    }

    /// The record-key secret.
    pub fn record_key(&self) -> Option<[u8; 32]> {
        self.get(&SecretName::RecordKey)?.try_into().ok()
    }

    /// A part of the noise key.
    pub fn part(&self, of: &OwnerId) -> Option<[u8; 16]> {
        self.get(&SecretName::Part(of.clone()))?.try_into().ok()
    }

    /// The node's own secret.
    pub fn own(&self) -> &[u8] {
        &self.own
    }

    /// What is still missing, in roster order.
    pub fn missing(&self, node: &OwnerId, federation: &Federation) -> Vec<SecretName> {
        let mut names = SecretName::held_by(node, federation);
        names.retain(|name| self.get(name).is_none());
        names
    }

    /// This worker's summand (XOR) of the noise key, in a computation with `other`.
    ///
    /// The left worker enters the part of the right one and all parts that both hold; the right worker
    /// enters the part of the left one. Each enters only what it holds, and together they enter every
    /// part once.
    pub fn noise_key_summand(
        &self,
        me: &OwnerId,
        other: &OwnerId,
        left: bool,
        federation: &Federation,
    ) -> Option<[u8; 16]> {
        let entered = federation.nodes.iter().map(|party| &party.id);
        let entered = entered.filter(|id| *id != me && (left || *id == other));
        entered.into_iter().try_fold([0; 16], |mut sum, id| {
            let part = self.part(id)?;
            sum.iter_mut().zip(part).for_each(|(sum, byte)| *sum ^= byte);
            Some(sum)
        })
    }

    /// Reads and unseals.
    ///
    /// # Errors
    /// [`StateError`]; [`StateError::NotReady`] where the node has not been enrolled.
    pub fn load(state: &StateDir, key: &SealKey) -> Result<Self, StateError> {
        let path = state.secrets();
        let sealed = state::read(&path)?.ok_or(StateError::NotReady {
            missing: "the node is not enrolled: run `enrol FEDERATION.toml`",
        })?;
        let damaged = || StateError::Damaged { path: path.clone() };
        let plain = seal::open(key, CONTEXT, &sealed).map_err(|_| damaged())?;
        serde_json::from_slice(&plain).map_err(|_| damaged())
    }

    /// Seals and writes.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn store(&self, state: &StateDir, key: &SealKey) -> Result<(), StateError> {
        let plain = zeroize::Zeroizing::new(serde_json::to_vec(self).expect("bytes and names"));
        state::replace(&state.secrets(), &seal::seal(key, CONTEXT, &plain))
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use kobling_model::federation::{Party, Platform};

    use super::*;

    fn federation(nodes: &[&str]) -> Federation {
        let party = |(port, id): (usize, &&str)| Party {
            id: OwnerId::new(*id).expect("valid"),
            uri: format!("kobling://{id}"),
            address: SocketAddr::from(([127, 0, 0, 1], port as u16 + 1)),
            authority: String::new(),
            signing_key: String::new(),
        };
        Federation {
            name: "test".into(),
            broker: party((99, &"broker")),
            platform: Platform {
                uri: "kobling://platform".into(),
                authority: String::new(),
                signing_key: String::new(),
            },
            nodes: nodes.iter().enumerate().map(party).collect(),
        }
    }

    fn founded(federation: &Federation) -> BTreeMap<OwnerId, Secrets> {
        let ids: Vec<_> = federation.nodes.iter().map(|party| party.id.clone()).collect();
        let mut all: BTreeMap<_, _> =
            ids.iter().map(|id| (id.clone(), Secrets::draw(id, federation))).collect();
        for id in &ids {
            for name in all[id].missing(id, federation) {
                let drawer = name.drawn_by(federation).expect("drawn by a node");
                let secret = all[drawer].get(&name).expect("drawn").to_vec();
                all.get_mut(id).expect("known").add(&name, secret).expect("fits");
            }
        }
        all
    }

    #[test]
    fn any_two_nodes_enter_the_same_noise_key_and_no_node_holds_all_its_parts() {
        for names in [&["ssb", "krg"][..], &["ssb", "krg", "fhi"], &["a", "b", "c", "d"]] {
            let federation = federation(names);
            let all = founded(&federation);
            let mut keys = Vec::new();
            for left in all.keys() {
                assert_eq!(all[left].part(left), None, "{left} must not hold its own part");
                for right in all.keys().filter(|right| *right != left) {
                    let a = all[left].noise_key_summand(left, right, true, &federation).expect("complete");
                    let b = all[right].noise_key_summand(right, left, false, &federation).expect("complete");
                    keys.push(std::array::from_fn::<u8, 16, _>(|at| a[at] ^ b[at]));
                }
            }
            keys.dedup();
            assert_eq!(keys.len(), 1);
        }
    }

    #[test]
    fn a_secret_that_changes_or_has_another_length_is_refused() {
        let federation = federation(&["ssb", "krg"]);
        let krg = OwnerId::new("krg").expect("valid");
        let mut secrets = Secrets::draw(&krg, &federation);
        assert_eq!(secrets.add(&SecretName::RecordKey, vec![1; 31]), Err(SecretMismatch));
        assert_eq!(secrets.add(&SecretName::RecordKey, vec![1; 32]), Ok(()));
        assert_eq!(secrets.add(&SecretName::RecordKey, vec![1; 32]), Ok(()));
        assert_eq!(secrets.add(&SecretName::RecordKey, vec![2; 32]), Err(SecretMismatch));
    }
}
