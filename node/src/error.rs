//! Why a node did not do what it was asked. Every variant names party and step, none carries an
//! identifier, a value or a count: the broker and the researcher read these texts.

use kobling_audit::cosigning::Unwitnessed;
use kobling_crypto::channel::ChannelError;
use kobling_disclosure::policy::PolicyRefusal;
use kobling_model::OwnerId;
use kobling_model::rules::Refusal;
use kobling_model::script_request::RequestFault;
use kobling_proto::common::v1::Problem;
use kobling_proto::convert::problem::{code, status};
use tonic::{Code, Status};

/// Why a node did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The other party could not be reached, or is gone.
    #[error(
        "{party} did not answer in step {step}; nothing was released, so the question may be asked again"
    )]
    Unreachable {
        /// Who.
        party: OwnerId,
        /// In which step.
        step: String,
    },
    /// The other party stopped answering.
    #[error(
        "{party} did not answer in time in step {step}; nothing was released, so the question may be asked again"
    )]
    TimedOut {
        /// Who.
        party: OwnerId,
        /// In which step.
        step: String,
    },
    /// The other party's certificate, or this node's at the other party, was not accepted.
    #[error("the connection with {party} was refused over a certificate")]
    Certificate {
        /// Who.
        party: OwnerId,
    },
    /// The other party sent what an honest party cannot send.
    #[error("{party} broke the protocol in step {step}")]
    Misbehaved {
        /// Who.
        party: OwnerId,
        /// In which step.
        step: String,
    },
    /// The name is not on this node's roster, or not let in by its operator.
    #[error("{party} is not among the peers of this node")]
    NotAPeer {
        /// The node that refuses.
        party: OwnerId,
    },
    /// The broker named a party that is on no roster.
    #[error("the node of {party} refused the session: it names a party that is not on the roster")]
    NotOnTheRoster {
        /// The node that refuses.
        party: OwnerId,
    },
    /// The two nodes have pinned different federation files.
    #[error("{party} has pinned another federation file")]
    RosterDiffers {
        /// The other node.
        party: OwnerId,
    },
    /// The two nodes hold different federation secrets.
    #[error("{party} holds other federation secrets; noise would not be the same")]
    SecretsDiffer {
        /// The other node.
        party: OwnerId,
    },
    /// The canaries of the two nodes lie in different rows.
    #[error(
        "the canaries of {party} lie in other rows: salt or canonical form of identifiers differ, so no person would match"
    )]
    Misaligned {
        /// The other node.
        party: OwnerId,
    },
    /// The row numbers of an alignment are not distinct, out of range or of the wrong number.
    #[error("the broker broke the protocol in step link: the row numbers are not an alignment")]
    BadAlignment,
    /// The node has no such session: it was never opened here, was closed, went idle, or the node restarted.
    #[error(
        "the node of {party} does not know this session: it ended, or the node was restarted; open a new one"
    )]
    UnknownSession {
        /// The node.
        party: OwnerId,
    },
    /// The broker asks for something that was not offered and granted, or not yet made.
    #[error("the broker broke the protocol in step {step}: nothing has been granted for this")]
    NotGranted {
        /// In which step.
        step: &'static str,
    },
    /// The plan derived here is another one than the broker's.
    #[error("the node of {party} derived another plan from the script than the broker")]
    PlanDiffers {
        /// The node.
        party: OwnerId,
    },
    /// The request that the platform signed, or is said to have signed, is not taken.
    #[error("the node of {party} did not take the request: {fault}")]
    Request {
        /// The node.
        party: OwnerId,
        /// Why.
        fault: RequestFault,
    },
    /// The owner's policy says no.
    #[error("the owner {party} refused: {reason}")]
    Refused {
        /// The owner.
        party: OwnerId,
        /// In words.
        reason: &'static str,
    },
    /// The owner's policy does not allow the question.
    #[error("the owner {party} does not allow this question by its policy, {refusal}")]
    NotAllowed {
        /// The owner.
        party: OwnerId,
        /// By which part of its policy.
        refusal: PolicyRefusal,
    },
    /// The owner's operator has stopped its node.
    #[error("the owner {party} has stopped its node: it answers no questions until it lets it answer again")]
    OwnerStopped {
        /// The owner.
        party: OwnerId,
    },
    /// The node's log is not cosigned as it must be.
    #[error("the node of {party} answers nothing: {unwitnessed}")]
    NotCosigned {
        /// The node.
        party: OwnerId,
        /// What is missing, and at which other party.
        unwitnessed: Unwitnessed,
    },
    /// The node lacks federation secrets.
    #[error("the node of {party} is not ready: federation secrets are missing")]
    NotReady {
        /// The node.
        party: OwnerId,
    },
    /// Registers or identity maps could not be read.
    #[error("the node of {party} could not read its registers in step {step}")]
    Registers {
        /// The node.
        party: OwnerId,
        /// In which step.
        step: &'static str,
    },
    /// What is remembered of earlier questions could not be read or written, so nothing may be computed.
    #[error(
        "the node of {party} could not use its memory of earlier questions, so nothing was computed; its operator must mend it"
    )]
    Memory {
        /// The node.
        party: OwnerId,
    },
    /// The log could not be written, so nothing may leave.
    #[error("the node of {party} could not write its log, so nothing left")]
    Log {
        /// The node.
        party: OwnerId,
    },
    /// The attempt was ended from outside.
    #[error("the attempt was ended")]
    Aborted,
    /// A message from the broker has a field that cannot be used.
    #[error("a request had no valid {field}")]
    Invalid {
        /// Which.
        field: &'static str,
    },
    /// The question is larger than the node answers.
    #[error("the node of {party} refused: the question needs more cells or rows than it computes")]
    TooLarge {
        /// The node.
        party: OwnerId,
    },
    /// A promise between parts of this program was broken; the session ends, the node lives.
    #[error("the node of {party} failed in step {step}")]
    Internal {
        /// The node.
        party: OwnerId,
        /// In which step.
        step: &'static str,
    },
}

impl NodeError {
    /// What a protocol error on the link to `party` means.
    pub fn of_channel(party: &OwnerId, error: &ChannelError) -> Self {
        let party = party.clone();
        match error {
            ChannelError::Closed { step } => Self::Unreachable { party, step: step.to_string() },
            ChannelError::TimedOut { step } => Self::TimedOut { party, step: step.to_string() },
            ChannelError::Unexpected { step } | ChannelError::Transcript { step } => {
                Self::Misbehaved { party, step: step.to_string() }
            }
            _ => Self::Misbehaved { party, step: "link".into() },
        }
    }

    /// Stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::TimedOut { .. } => "timed-out",
            Self::Certificate { .. } => "certificate",
            Self::Misbehaved { .. } | Self::BadAlignment | Self::NotGranted { .. } => "broken-protocol",
            Self::NotAPeer { .. } | Self::NotOnTheRoster { .. } => "not-on-the-roster",
            Self::RosterDiffers { .. } => "roster-differs",
            Self::SecretsDiffer { .. } => "secrets-differ",
            Self::Misaligned { .. } => "misaligned",
            Self::UnknownSession { .. } => "unknown-session",
            Self::PlanDiffers { .. } => "plan-differs",
            Self::Request { fault, .. } => fault.code(),
            Self::Refused { .. } => "refused-by-owner",
            Self::NotAllowed { refusal, .. } => refusal.code(),
            Self::OwnerStopped { .. } => code::OWNER_STOPPED,
            Self::NotCosigned { unwitnessed, .. } => unwitnessed.code(),
            Self::NotReady { .. } => "not-ready",
            Self::Registers { .. } => "registers",
            Self::Memory { .. } => "memory",
            Self::Log { .. } => "log",
            Self::Aborted => "aborted",
            Self::Invalid { .. } => "invalid-message",
            Self::TooLarge { .. } => "too-large",
            Self::Internal { .. } => "internal",
        }
    }

    /// The party and the step concerned, for records.
    pub fn place(&self) -> (Option<&OwnerId>, String) {
        match self {
            Self::Unreachable { party, step }
            | Self::TimedOut { party, step }
            | Self::Misbehaved { party, step } => (Some(party), step.clone()),
            Self::Registers { party, step } | Self::Internal { party, step } => (Some(party), (*step).into()),
            Self::NotGranted { step } => (None, (*step).into()),
            Self::Certificate { party }
            | Self::NotAPeer { party }
            | Self::NotOnTheRoster { party }
            | Self::RosterDiffers { party }
            | Self::SecretsDiffer { party }
            | Self::UnknownSession { party }
            | Self::NotReady { party } => (Some(party), "session".into()),
            Self::Misaligned { party } => (Some(party), "link".into()),
            Self::BadAlignment => (None, "link".into()),
            Self::PlanDiffers { party }
            | Self::Refused { party, .. }
            | Self::NotAllowed { party, .. }
            | Self::TooLarge { party } => (Some(party), "judge".into()),
            Self::OwnerStopped { party } => (Some(party), "stop".into()),
            Self::NotCosigned { party, .. } => (Some(party), "cosign".into()),
            Self::Request { party, .. } => (Some(party), "admit".into()),
            Self::Memory { party } => (Some(party), "remember".into()),
            Self::Log { party } => (Some(party), "record".into()),
            Self::Aborted => (None, "abort".into()),
            Self::Invalid { .. } => (None, "request".into()),
        }
    }

    /// Whether waiting a moment may help.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::NotCosigned { unwitnessed, .. } if !unwitnessed.is_final())
    }

    /// The form that travels.
    pub fn problem(&self) -> Problem {
        let (party, step) = self.place();
        Problem {
            code: self.code().into(),
            party: party.map(ToString::to_string).unwrap_or_default(),
            step,
            message: self.to_string(),
        }
    }

    fn grpc_code(&self) -> Code {
        match self {
            Self::Unreachable { .. } => Code::Unavailable,
            Self::TimedOut { .. } => Code::DeadlineExceeded,
            Self::Certificate { .. } => Code::Unauthenticated,
            Self::NotAPeer { .. }
            | Self::NotOnTheRoster { .. }
            | Self::Refused { .. }
            | Self::NotAllowed { .. } => Code::PermissionDenied,
            Self::Invalid { .. } => Code::InvalidArgument,
            Self::UnknownSession { .. } => Code::NotFound,
            Self::Aborted => Code::Aborted,
            Self::Internal { .. } | Self::Registers { .. } | Self::Memory { .. } | Self::Log { .. } => {
                Code::Internal
            }
            _ => Code::FailedPrecondition,
        }
    }
}

impl From<NodeError> for Status {
    fn from(error: NodeError) -> Self {
        status(error.grpc_code(), &error.problem())
    }
}

/// How a computation ended without a release: a rule refused, or something failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// A rule refused; recorded like a release.
    Refused(Refusal),
    /// It failed.
    Failed(NodeError),
}

impl From<NodeError> for Ending {
    fn from(error: NodeError) -> Self {
        Self::Failed(error)
    }
}
