//! The roster: who belongs to a federation, where they answer and which keys they have.
//!
//! Every party is given this file by its own operator and pins it. Names outside it do not exist: a node
//! takes salt contributions, dealing, plans and connections only from its own roster.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::{Hash, OwnerId};

/// A checked federation file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Federation {
    /// The federation's name, shown to people.
    pub name: String,
    /// The centre.
    pub broker: Party,
    /// The platform's certificate authority and name: who may use the broker's API.
    pub platform: Platform,
    /// Nodes in roster order. The order decides who deals and who is second worker; it is part of
    /// the federation's identity.
    #[serde(rename = "node")]
    pub nodes: Vec<Party>,
}

/// A node or the broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Party {
    /// Short name.
    pub id: OwnerId,
    /// The URI name that its certificates carry, such as `kobling://ssb`.
    pub uri: String,
    /// Where it listens. Its certificates also carry the DNS name `<id>.kobling`, which is what a dialler checks.
    pub address: SocketAddr,
    /// PEM of the authority that issues its certificates: each party has its own.
    pub authority: String,
    /// Ed25519 public key, hexadecimal, that it signs partial aggregates and its audit log with.
    pub signing_key: String,
}

/// Who may use the broker's API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Platform {
    /// The URI name that its client certificate carries.
    pub uri: String,
    /// PEM of the authority that issues it.
    pub authority: String,
    /// Ed25519 public key, hexadecimal, that it signs requests with: nodes take no script without.
    pub signing_key: String,
}

/// Why a federation file is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFederation {
    /// Not TOML, an unknown or missing key, or a malformed value. The text says where.
    #[error("the federation file cannot be read: {0}")]
    Syntax(String),
    /// Fewer than two nodes.
    #[error("a federation has at least two nodes: with one there is nobody to compute with")]
    TooFewNodes,
    /// Two parties have the same name, URI, address or signing key.
    #[error("two parties have the same {what}")]
    NotDistinct {
        /// What coincides.
        what: &'static str,
    },
    /// A signing key is not 32 hexadecimal bytes.
    #[error("the signing key of {party} is not 64 hexadecimal digits")]
    SigningKey {
        /// Whose.
        party: OwnerId,
    },
    /// The platform's signing key is not 32 hexadecimal bytes.
    #[error("the signing key of the platform is not 64 hexadecimal digits")]
    PlatformSigningKey,
}

impl Federation {
    /// Reads and checks a federation file.
    ///
    /// # Errors
    /// [`InvalidFederation`] names what to mend.
    pub fn from_toml(text: &str) -> Result<Self, InvalidFederation> {
        let federation: Self =
            toml::from_str(text).map_err(|error| InvalidFederation::Syntax(error.to_string()))?;
        federation.check()?;
        Ok(federation)
    }

    /// Writes the file.
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).expect("a federation has only text and addresses")
    }

    fn check(&self) -> Result<(), InvalidFederation> {
        if self.nodes.len() < 2 {
            return Err(InvalidFederation::TooFewNodes);
        }
        let distinct = |what: &'static str, texts: Vec<String>| {
            let unique: BTreeSet<_> = texts.iter().collect();
            if unique.len() == texts.len() { Ok(()) } else { Err(InvalidFederation::NotDistinct { what }) }
        };
        let each = |of: fn(&Party) -> String| self.parties().map(of).collect::<Vec<_>>();
        distinct("name", each(|party| party.id.to_string()))?;
        let mut uris = each(|party| party.uri.clone());
        uris.push(self.platform.uri.clone());
        distinct("URI name", uris)?;
        distinct("address", each(|party| party.address.to_string()))?;
        let mut keys = each(|party| party.signing_key.to_ascii_lowercase());
        keys.push(self.platform.signing_key.to_ascii_lowercase());
        distinct("signing key", keys)?;
        if Hash::parse(&self.platform.signing_key).is_err() {
            return Err(InvalidFederation::PlatformSigningKey);
        }
        for party in self.parties() {
            if Hash::parse(&party.signing_key).is_err() {
                return Err(InvalidFederation::SigningKey { party: party.id.clone() });
            }
        }
        Ok(())
    }

    /// Broker, then nodes in roster order.
    pub fn parties(&self) -> impl Iterator<Item = &Party> {
        std::iter::once(&self.broker).chain(&self.nodes)
    }

    /// The node of this name.
    pub fn node(&self, id: &OwnerId) -> Option<&Party> {
        self.nodes.iter().find(|party| party.id == *id)
    }

    /// The node or broker of this name.
    pub fn party(&self, id: &OwnerId) -> Option<&Party> {
        self.parties().find(|party| party.id == *id)
    }

    /// The node after `id` in roster order, the first after the last.
    pub fn next_node(&self, id: &OwnerId) -> Option<&Party> {
        let at = self.nodes.iter().position(|party| party.id == *id)?;
        self.nodes.get((at + 1) % self.nodes.len())
    }

    /// Hash of the roster, which all parties must share.
    pub fn hash(&self) -> Hash {
        Hash::of_json(self)
    }

    /// Who computes a question: follows from roster alone, never from who answers.
    ///
    /// The left worker is the population's owner. The right worker is the question's second owner, or the
    /// next node of the roster where it has none. The dealer is the first node after the left worker that
    /// is not a worker, or the broker where there is none (a federation of two nodes).
    ///
    /// Returns none where an owner is not a node of the federation, or both are the same.
    pub fn roles(&self, left: &OwnerId, right: Option<&OwnerId>) -> Option<Roles> {
        let at = self.nodes.iter().position(|party| party.id == *left)?;
        let after = || self.nodes[at + 1..].iter().chain(&self.nodes[..at]).map(|party| &party.id);
        let right = match right {
            Some(right) => after().find(|id| *id == right)?,
            None => after().next()?,
        };
        let dealer = after().find(|id| *id != right).unwrap_or(&self.broker.id);
        Some(Roles { left: left.clone(), right: right.clone(), dealer: dealer.clone() })
    }
}

/// One of the two parties that compute on shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Worker {
    /// The population's owner.
    Left,
    /// The other one.
    Right,
}

/// The three parties of a computation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roles {
    /// Worker that carries the population and the record keys.
    pub left: OwnerId,
    /// The other worker.
    pub right: OwnerId,
    /// Deals randomness, sees no data.
    pub dealer: OwnerId,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(id: &str, port: u16) -> Party {
        Party {
            id: OwnerId::new(id).expect("valid"),
            uri: format!("kobling://{id}"),
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            authority: String::new(),
            signing_key: Hash::of(id.as_bytes()).to_string(),
        }
    }

    fn federation(nodes: &[&str]) -> Federation {
        Federation {
            name: "test".into(),
            broker: party("broker", 1),
            platform: Platform {
                uri: "kobling://platform".into(),
                authority: String::new(),
                signing_key: Hash::of(b"platform").to_string(),
            },
            nodes: nodes.iter().zip(2..).map(|(id, port)| party(id, port)).collect(),
        }
    }

    fn roles(federation: &Federation, left: &str, right: Option<&str>) -> [String; 3] {
        let id = |text| OwnerId::new(text).expect("valid");
        let roles = federation.roles(&id(left), right.map(id).as_ref()).expect("roles");
        [roles.left, roles.right, roles.dealer].map(String::from)
    }

    #[test]
    fn the_third_node_deals_and_the_broker_only_where_there_are_two() {
        let three = federation(&["ssb", "krg", "fhi"]);
        assert_eq!(roles(&three, "ssb", Some("krg")), ["ssb", "krg", "fhi"]);
        assert_eq!(roles(&three, "krg", Some("ssb")), ["krg", "ssb", "fhi"]);
        assert_eq!(roles(&three, "fhi", None), ["fhi", "ssb", "krg"]);
        let two = federation(&["ssb", "krg"]);
        assert_eq!(roles(&two, "ssb", None), ["ssb", "krg", "broker"]);
    }

    #[test]
    fn an_unknown_key_or_a_doubled_name_is_refused() {
        let text = federation(&["ssb", "krg"]).to_toml();
        assert!(Federation::from_toml(&text).is_ok());
        let unknown = format!("colour = \"red\"\n{text}");
        assert!(matches!(Federation::from_toml(&unknown), Err(InvalidFederation::Syntax(_))));
        let doubled = federation(&["ssb", "ssb"]).to_toml();
        assert_eq!(Federation::from_toml(&doubled), Err(InvalidFederation::NotDistinct { what: "name" }));
        let with_key = |key: String| {
            let mut federation = federation(&["ssb", "krg"]);
            federation.platform.signing_key = key;
            Federation::from_toml(&federation.to_toml())
        };
        assert_eq!(with_key("abc".into()), Err(InvalidFederation::PlatformSigningKey));
        // Whoever holds the broker's key must not be able to sign in the platform's place.
        let brokers = Hash::of(b"broker").to_string().to_ascii_uppercase();
        assert_eq!(with_key(brokers), Err(InvalidFederation::NotDistinct { what: "signing key" }));
        let alone = federation(&["ssb"]).to_toml();
        assert_eq!(Federation::from_toml(&alone), Err(InvalidFederation::TooFewNodes));
    }
}
