//! What is wrong with a policy, in sentences for the operator who writes it.

use std::fmt;

/// Why a node does not start with a policy. The text is for its operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Not TOML, or longer than a policy can be meant to be.
    #[error("the policy cannot be read: {0}")]
    Unreadable(String),
    /// A setting is missing.
    #[error("{setting} is missing; it protects people, so it has no default: write it into the policy")]
    Missing {
        /// Its name.
        setting: &'static str,
    },
    /// A setting would protect nobody.
    #[error("{setting} is {value}; {why}")]
    ProtectsNobody {
        /// Its name.
        setting: &'static str,
        /// What the file says.
        value: String,
        /// What it would do, and what is allowed.
        why: &'static str,
    },
    /// A setting is not written as it has to be.
    #[error("{setting} is not valid; expected {expected}")]
    Form {
        /// Its name.
        setting: &'static str,
        /// The form that would be valid.
        expected: &'static str,
    },
    /// A name that nothing has: of a setting, a command, a dataset, a variable, a node or a group.
    #[error("{place}: {name:?} is {what}")]
    Unknown {
        /// Where it stands.
        place: &'static str,
        /// The name.
        name: String,
        /// What it is not, and what there is.
        what: String,
    },
    /// Two parts of the file, or a part and itself, cannot both be meant.
    #[error("{place}: {why}")]
    Contradiction {
        /// Where it stands.
        place: &'static str,
        /// What contradicts what, and what to write.
        why: String,
    },
}

impl PolicyError {
    /// Stable code for programs and for the node's log, which repeats no text of a file.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "policy-unreadable",
            Self::Missing { .. } => "policy-missing",
            Self::ProtectsNobody { .. } => "policy-loose",
            Self::Form { .. } => "policy-form",
            Self::Unknown { .. } => "policy-unknown",
            Self::Contradiction { .. } => "policy-contradiction",
        }
    }
}

/// A fault and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Line of the file, from 1; none where something is missing.
    pub line: Option<usize>,
    /// What is wrong.
    pub error: PolicyError,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.error),
            None => self.error.fmt(f),
        }
    }
}

/// Everything that is wrong with a policy, in order of place, what is missing last. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct PolicyFaults(Vec<Fault>);

impl PolicyFaults {
    /// None where there are no faults.
    pub(super) fn of(mut faults: Vec<Fault>) -> Option<Self> {
        faults.sort_by_key(|fault| fault.line.unwrap_or(usize::MAX));
        if faults.is_empty() { None } else { Some(Self(faults)) }
    }

    /// All of them.
    pub fn all(&self) -> &[Fault] {
        &self.0
    }

    /// The first.
    pub fn first(&self) -> &Fault {
        self.0.first().expect("there is at least one fault")
    }
}

impl fmt::Display for PolicyFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.0.iter().enumerate() {
            let separator = if at == 0 { "" } else { "\n" };
            write!(f, "{separator}{fault}")?;
        }
        Ok(())
    }
}
