//! Why something did not happen, in the two forms that matter: what to do next, and what a person is told.
//!
//! [`RunError`] has a variant for each different thing that can go wrong on a question's way. [`Problem`] is
//! what is kept and sent: it names a party and a step, never an identifier, a value or a count.

use std::fmt;

use kobling_audit::cosigning::Unwitnessed;
use kobling_model::OwnerId;
use kobling_model::rules::Refusal;
use kobling_proto::convert::problem::code;
use serde::{Deserialize, Serialize};

use crate::combine::CombineError;

/// What a researcher is told, and what is kept of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Stable code for programs.
    pub code: String,
    /// Party concerned.
    pub party: Option<OwnerId>,
    /// Step in which it happened; may be empty.
    pub step: String,
    /// What happened and what to do.
    pub message: String,
}

impl Problem {
    /// A problem that concerns the request itself, not a party.
    pub fn of_request(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), party: None, step: String::new(), message: message.into() }
    }

    /// Brings a problem that another party reports to a form that is safe to show: bounded, one line, and
    /// with a code and step in the usual form.
    pub fn tamed(self) -> Self {
        let name = |text: String, bytes_max: usize, otherwise: &str| {
            let plain =
                |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'/' | b'.');
            let fits = text.len() <= bytes_max && text.bytes().all(plain);
            if fits { text } else { otherwise.to_owned() }
        };
        let message =
            self.message.chars().filter(|c| !hidden(*c)).take(Self::MESSAGE_CHARACTERS_MAX).collect();
        let code = name(self.code, 64, "reported");
        let code = if code.is_empty() { "reported".to_owned() } else { code };
        Self { code, party: self.party, step: name(self.step, 64, ""), message }
    }

    /// Longest message taken from another party.
    const MESSAGE_CHARACTERS_MAX: usize = 500;
}

/// Characters that steer a terminal or turn the direction of text.
fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.code, self.message)
    }
}

/// Why a session was not opened, or a question ended without a release.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A node did not answer. Nothing was opened, so the question may be asked again.
    #[error("{party} does not answer (step {step})")]
    Unreachable {
        /// Which node.
        party: OwnerId,
        /// In which step.
        step: &'static str,
    },
    /// A node answers, but not in time.
    #[error("{party} did not answer in time (step {step})")]
    TimedOut {
        /// Which node.
        party: OwnerId,
        /// In which step.
        step: &'static str,
    },
    /// A certificate does not fit the roster.
    #[error("the certificate of {party} does not fit the roster, or {party} does not accept this broker's")]
    Certificate {
        /// Which node.
        party: OwnerId,
    },
    /// A node sent something that an honest node cannot send.
    #[error("{party} broke the protocol in step {step}: {what}")]
    Misbehaved {
        /// Which node.
        party: OwnerId,
        /// In which step.
        step: &'static str,
        /// What it sent, without its content.
        what: &'static str,
    },
    /// A node says what went wrong, possibly with another party.
    #[error("{} reports: {}", party, problem.message)]
    Reported {
        /// The node that reports.
        party: OwnerId,
        /// What it reports.
        problem: Problem,
    },
    /// An owner does not take part. Asking the same again cannot help, unless its node was stopped and answers again.
    #[error("{} refuses: {}", party, problem.message)]
    Denied {
        /// The owner.
        party: OwnerId,
        /// Its reason.
        problem: Problem,
    },
    /// A node lacks federation secrets.
    #[error("{party} is not ready: it lacks federation secrets that its operator has to fetch")]
    NotReady {
        /// Which node.
        party: OwnerId,
    },
    /// A node has pinned another roster than the broker.
    #[error("{party} has pinned another federation file than the broker; the operators have to agree on one")]
    OtherRoster {
        /// Which node.
        party: OwnerId,
    },
    /// A node has been started anew since the session was opened, so its salt is gone.
    #[error("{party} has restarted since the session was opened; open a new session")]
    Restarted {
        /// Which node.
        party: OwnerId,
    },
    /// A node no longer knows the session.
    #[error("{party} no longer knows the session; open a new session")]
    SessionLost {
        /// Which node.
        party: OwnerId,
    },
    /// An owner gave the same token twice.
    #[error("{party} gave a token twice; units of one owner must be distinct")]
    TokenTwice {
        /// The owner.
        party: OwnerId,
    },
    /// An owner's tokens are not in ascending order, which could say something about them.
    #[error("{party} gave tokens out of order")]
    TokenOrder {
        /// The owner.
        party: OwnerId,
    },
    /// More units than an alignment can have.
    #[error("the owners together have more units than can be linked")]
    TooManyUnits,
    /// Partial aggregates do not fit.
    #[error(transparent)]
    Combine(#[from] CombineError),
    /// The two workers tell different endings.
    #[error("{left} and {right} disagree about how the question ended")]
    Disagreement {
        /// Left worker.
        left: OwnerId,
        /// Right worker.
        right: OwnerId,
    },
    /// Owners insist on different perturbation tables.
    #[error("the owners insist on different perturbation tables; their operators have to agree on one")]
    PerturbationTables,
    /// The broker's audit log is not cosigned as it must be.
    #[error("the broker answers nothing: {0}")]
    NotCosigned(#[from] Unwitnessed),
    /// The broker's audit log did not take a record, so nothing may leave.
    #[error("the broker could not record the question, so nothing was released")]
    Unrecorded,
    /// The broker's store failed.
    #[error("the broker's store failed")]
    Store,
    /// The broker itself failed; what it computes is in doubt, so nothing leaves.
    #[error("the broker failed in step {step}")]
    Internal {
        /// In which step.
        step: &'static str,
    },
    /// A rule refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The client cancelled the job or closed the session.
    #[error("cancelled")]
    Cancelled,
    /// The broker is stopping.
    #[error("the broker was stopped while the job was waiting or running; submit it again in a new session")]
    Interrupted,
    /// The session has ended under the job.
    #[error("{}", .0.message)]
    SessionEnded(Problem),
}

impl RunError {
    /// What a node says went wrong: its owner does not take part, or something else.
    pub fn reported(party: OwnerId, problem: Problem) -> Self {
        let code = problem.code.as_str();
        if code == code::OWNER_STOPPED || code::REFUSED_BY_OWNER.contains(&code) {
            Self::Denied { party, problem }
        } else {
            Self::Reported { party, problem }
        }
    }

    /// What a researcher is told.
    pub fn problem(&self) -> Problem {
        let message = self.to_string();
        let of = |code: &str, party: Option<&OwnerId>, step: &str| Problem {
            code: code.to_owned(),
            party: party.cloned(),
            step: step.to_owned(),
            message: message.clone(),
        };
        match self {
            Self::Unreachable { party, step } => of("unreachable", Some(party), step),
            Self::TimedOut { party, step } => of("timed-out", Some(party), step),
            Self::Certificate { party } => of("certificate", Some(party), "connect"),
            Self::Misbehaved { party, step, .. } => of("misbehaved", Some(party), step),
            Self::Reported { party, problem } | Self::Denied { party, problem } => {
                let mut problem = problem.clone().tamed();
                problem.party.get_or_insert_with(|| party.clone());
                problem
            }
            Self::NotReady { party } => of("not-ready", Some(party), "open-session"),
            Self::OtherRoster { party } => of("other-roster", Some(party), "open-session"),
            Self::Restarted { party } => of("restarted", Some(party), "describe"),
            Self::SessionLost { party } => of("session-lost", Some(party), ""),
            Self::TokenTwice { party } => of("token-twice", Some(party), "link"),
            Self::TokenOrder { party } => of("token-order", Some(party), "link"),
            Self::TooManyUnits => of("too-many-units", None, "link"),
            Self::Combine(error) => of(error.code(), error.party(), "combine"),
            Self::Disagreement { left, .. } => of("disagreement", Some(left), "combine"),
            Self::PerturbationTables => of("perturbation-tables", None, "offer"),
            Self::NotCosigned(unwitnessed) => of(unwitnessed.code(), Some(unwitnessed.witness()), "cosign"),
            Self::Unrecorded => of("unrecorded", None, "record"),
            Self::Store => of("store", None, "store"),
            Self::Internal { step } => of("internal", None, step),
            Self::Refused(refusal) => of(refusal.code(), None, "protect"),
            Self::Cancelled => of("cancelled", None, ""),
            Self::Interrupted => of("interrupted", None, ""),
            Self::SessionEnded(problem) => problem.clone(),
        }
    }

    /// The party to name in the record of a failed question.
    pub fn party(&self) -> Option<OwnerId> {
        self.problem().party
    }

    /// Whether the session cannot go on: what its parties share is lost or in doubt.
    pub fn ends_session(&self) -> bool {
        let lost = |problem: &Problem| problem.code == UNKNOWN_SESSION;
        match self {
            Self::Restarted { .. } | Self::SessionLost { .. } | Self::TokenTwice { .. } => true,
            Self::TokenOrder { .. } | Self::TooManyUnits | Self::SessionEnded(_) => true,
            Self::Reported { problem, .. } | Self::Denied { problem, .. } => lost(problem),
            _ => false,
        }
    }

    /// Whether the broker itself noticed that the party is gone. Of several errors of one question this is
    /// the cause: others report what follows from it.
    pub fn is_first_hand(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Certificate { .. })
    }
}

/// Code with which a node says that it does not know a session.
pub const UNKNOWN_SESSION: &str = "unknown-session";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_party_reports_is_bounded_and_cannot_steer_a_terminal() {
        let wild = Problem {
            code: "Ünknown\n".into(),
            party: None,
            step: "x".repeat(65),
            message: format!("a\u{1b}[2J\r\n\u{202e}b{}", "x".repeat(10_000)),
        };
        let error = RunError::Reported { party: OwnerId::new("ssb").expect("valid"), problem: wild };
        let problem = error.problem();
        assert_eq!(problem.code, "reported");
        assert_eq!(problem.step, "");
        assert_eq!(problem.party.expect("named").as_str(), "ssb");
        assert!(problem.message.starts_with("a[2Jbxxx") && problem.message.chars().count() == 500);
    }
}
