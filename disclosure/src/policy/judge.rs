//! An owner's judgement of one question: pure, over the plan that the node has derived itself.

use std::fmt;

use kobling_model::plan::{Question, Source};
use kobling_model::{DatastoreId, OwnerId, VariableName};

use super::{Dealer, NotOpen, Policy};

/// Who asks, and how, as far as a policy judges it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The owner that judges.
    pub owner: &'a OwnerId,
    /// The asker's institution, as asserted.
    pub institution: &'a str,
    /// What the asker says it is for.
    pub purpose: &'a str,
    /// Commands that the script uses.
    pub commands: &'a [&'static str],
}

/// A register variable, by its full name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterVariable {
    datastore: DatastoreId,
    variable: VariableName,
}

impl RegisterVariable {
    pub(super) fn of(source: &Source) -> Self {
        Self { datastore: source.datastore.clone(), variable: source.variable.clone() }
    }
}

impl fmt::Display for RegisterVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.datastore, self.variable)
    }
}

/// Why an owner's policy refuses a question. The texts are read by researchers, and say nothing of data: they follow from the script, the
/// asker and the policy alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyRefusal {
    /// No entry `[[allow]]` opens the variable.
    #[error("allow: {variable} is not open {}; leave it out, or ask the owner", because.as_str())]
    NotOpen {
        /// Which.
        variable: RegisterVariable,
        /// To whom not.
        because: NotOpen,
    },
    /// An entry `[[keep_apart]]` has both.
    #[error(
        "keep_apart: {one} and {other} may not meet in one question; ask about them in questions of their own"
    )]
    KeptApart {
        /// One variable.
        one: RegisterVariable,
        /// One on another side.
        other: RegisterVariable,
    },
    /// The command is not among `commands`.
    #[error(
        "commands: {command} may not be used with variables of this owner; do without it, or ask the owner"
    )]
    Command {
        /// Which.
        command: &'static str,
    },
    /// The dealer is not among `dealers`, or is the broker where `broker_may_deal` says no.
    #[error(
        "dealers: {dealer} would have to deal in this question, and the owner does not allow that; use other owners' variables with it"
    )]
    Dealer {
        /// Who deals.
        dealer: OwnerId,
    },
}

impl PolicyRefusal {
    /// The part of the policy that refuses, as the file calls it.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::NotOpen { .. } => "allow",
            Self::KeptApart { .. } => "keep_apart",
            Self::Command { .. } => "commands",
            Self::Dealer { .. } => "dealers",
        }
    }

    /// Stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotOpen { .. } => "not-open",
            Self::KeptApart { .. } => "kept-apart",
            Self::Command { .. } => "command-not-allowed",
            Self::Dealer { .. } => "dealer-not-allowed",
        }
    }
}

impl NotOpen {
    /// Said of a variable.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ToAnybody => "to anybody",
            Self::ToTheInstitution => "to your institution",
            Self::ForThePurpose => "to your institution for this purpose",
        }
    }
}

impl Policy {
    /// Judges a question: everything that refuses it, in the order of the rules; empty where it may be answered.
    ///
    /// A question without a fragment of this owner uses nothing of its and is not judged. `dealer` is who deals in it.
    pub fn judge(&self, asked: &Asked<'_>, question: &Question, dealer: Dealer<'_>) -> Vec<PolicyRefusal> {
        if !question.owners().any(|owner| owner == asked.owner) {
            return Vec::new();
        }
        let used: Vec<&Source> =
            question.fragments().flat_map(|(_, fragment)| fragment.registers()).collect();
        let own = question.fragments().filter(|(_, fragment)| fragment.owner == *asked.owner);
        let mut own: Vec<&Source> = own.flat_map(|(_, fragment)| fragment.registers()).collect();
        let name = |source: &Source| (source.datastore.clone(), source.variable.clone());
        own.sort_by_key(|source| name(source));
        own.dedup_by_key(|source| name(source));
        let opened = own.iter().map(|source| self.access.judge(source, asked.institution, asked.purpose));
        let rest = [
            self.keep_apart.judge(&used),
            self.commands.judge(asked.commands),
            self.dealers.judge(dealer, self.broker_may_deal),
        ];
        opened.chain(rest).filter_map(Result::err).collect()
    }
}
