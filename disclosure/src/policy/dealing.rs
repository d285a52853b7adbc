//! Who may deal randomness for questions about this owner's variables: `dealers` and `broker_may_deal`.
//!
//! Who deals follows from the roster alone, so that all parties know it and nobody can choose. A dealer that an owner does not allow is
//! therefore a refusal, never another dealer.

use std::collections::BTreeSet;

use kobling_model::OwnerId;

use super::document::{Document, Names, Section};
use super::fault::PolicyError;
use super::{Known, PolicyRefusal};

/// The settings' names.
pub(super) const DEALERS: &str = "dealers";
pub(super) const BROKER_MAY_DEAL: &str = "broker_may_deal";

/// Nodes that may deal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Dealers {
    /// Every node of the roster.
    All,
    /// These.
    Only(BTreeSet<OwnerId>),
}

/// Who deals in a question, as the roster has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dealer<'a> {
    /// A node.
    Node(&'a OwnerId),
    /// The broker, where there are nodes enough to do it.
    Broker(&'a OwnerId),
    /// The broker, where the federation has two nodes only: nobody else could.
    OnlyBroker,
}

impl Dealers {
    /// Takes the setting.
    pub fn take<'t>(document: &mut Document<'t>, section: &mut Section<'t>, known: &Known<'_>) -> Self {
        let Some((Names::Only(names), _)) = document.names(section, DEALERS) else { return Self::All };
        let mut nodes = BTreeSet::new();
        for name in names {
            let Ok(id) = OwnerId::new(name.text.as_str()) else {
                let expected = "names of nodes, such as \"fhi\"";
                document.fault(Some(name.line), PolicyError::Form { setting: DEALERS, expected });
                continue;
            };
            if !known.nodes.is_empty() && !known.nodes.contains(&id) {
                let nodes: Vec<&str> = known.nodes.iter().map(OwnerId::as_str).collect();
                let what = format!("no node of the federation file; there are {}", nodes.join(", "));
                let unknown = PolicyError::Unknown { place: DEALERS, name: name.text, what };
                document.fault(Some(name.line), unknown);
            }
            nodes.insert(id);
        }
        Self::Only(nodes)
    }

    /// Judges a question's dealer.
    ///
    /// # Errors
    /// [`PolicyRefusal::Dealer`].
    pub fn judge(&self, dealer: Dealer<'_>, broker_may_deal: bool) -> Result<(), PolicyRefusal> {
        let refused = |dealer: &OwnerId| Err(PolicyRefusal::Dealer { dealer: dealer.clone() });
        match (dealer, self) {
            (Dealer::OnlyBroker, _) | (Dealer::Node(_), Self::All) => Ok(()),
            (Dealer::Node(node), Self::Only(nodes)) if nodes.contains(node) => Ok(()),
            (Dealer::Broker(_), _) if broker_may_deal => Ok(()),
            (Dealer::Node(dealer) | Dealer::Broker(dealer), _) => refused(dealer),
        }
    }
}
