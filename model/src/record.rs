//! What a node or the broker writes down before anything leaves.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::plan::Release;
use crate::rules::{Refusal, Rules, Warning};
use crate::{AttemptId, DatastoreId, Hash, JobId, OwnerId, SessionId, VariableName};

/// One entry of a party's audit log, without the tree that `kobling-audit` commits to it with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Whose log.
    pub party: OwnerId,
    /// When it was written, in milliseconds since 1970-01-01 UTC, by the party's own clock.
    pub written_ms: u64,
    /// What happened.
    pub event: Event,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The operator pinned a federation file.
    Enrolled {
        /// Hash of the file.
        federation: Hash,
    },
    /// The operator let a peer in.
    PeerAccepted {
        /// The peer.
        peer: OwnerId,
    },
    /// The operator imported a release.
    Imported {
        /// What was imported.
        release: Release,
        /// Hash of its manifest.
        manifest: Hash,
    },
    /// The party's program began to serve: what follows is its doing, until it starts again.
    Started {
        /// Its version.
        software: String,
        /// SHA-256 of the program file; none where the system does not show it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        build: Option<Hash>,
        /// Hash of the settings file.
        settings: Hash,
    },
    /// It ended in order. Where this is missing before a start, it did not.
    Ended,
    /// A policy came into force: at a start with another file than before, or while the node served.
    PolicyInForce {
        /// Hash of the file.
        policy: Hash,
        /// Hash of the file before it; none at the first start.
        before: Option<Hash>,
    },
    /// The operator stopped the node: from here on it answers nothing.
    Stopped {
        /// Why, in the operator's words.
        reason: String,
    },
    /// The operator lets a stopped node answer again.
    Resumed,
    /// The operator has said that the clock, which is behind a time it has shown before, is right now.
    ClockTrusted {
        /// The latest time that it had shown, in milliseconds since 1970-01-01 UTC.
        shown_ms: u64,
    },
    /// A record of this log is erased: from here on only its leaf is there.
    Erased {
        /// Which, by its place in the log.
        entry: u64,
        /// Why, in the operator's words.
        reason: String,
    },
    /// A request to run a script was not taken, and nothing of it was run.
    RequestRefused {
        /// The session it came in.
        session: SessionId,
        /// The job it came for.
        job: JobId,
        /// Hash of its bytes, as they came.
        request: Hash,
        /// Why, by the code of [`crate::script_request::RequestFault`].
        fault: String,
    },
    /// A question is about to be computed; what it may open is decided after this record.
    Opening(Box<Execution>),
    /// A question has ended; what leaves is hashed here, before it leaves.
    Outcome {
        /// Which execution.
        session: SessionId,
        /// Which try.
        attempt: AttemptId,
        /// Plan of the job.
        plan: Hash,
        /// Index of the question in the plan.
        question: u32,
        /// How it ended.
        outcome: Outcome,
        /// At the broker, where a node's answer was taken: where each of these nodes recorded it, in order of party.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        receipts: Vec<Receipt>,
    },
}

/// Where a node has recorded how a question ended there: its answer carries that.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Receipt {
    /// The node.
    pub party: OwnerId,
    /// Place in its log, from 0.
    pub entry: u64,
    /// Hash of its leaf there.
    pub leaf: Hash,
}

/// Everything an auditor needs to know about a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execution {
    /// Session it ran in.
    pub session: SessionId,
    /// Job it belongs to.
    pub job: JobId,
    /// Which try.
    pub attempt: AttemptId,
    /// Who asked.
    pub asked_by: Asker,
    /// Hash of the request that the platform signed. None in records of before requests were signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Hash>,
    /// Hash of the script's text.
    pub script: Hash,
    /// Hash of the plan.
    pub plan: Hash,
    /// Index of the question in the plan.
    pub question: u32,
    /// Owners whose data it uses.
    pub owners: Vec<OwnerId>,
    /// Those of them that share their columns to the two workers and see no opening.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sharing: Vec<OwnerId>,
    /// Exact versions of the data.
    pub releases: Vec<Release>,
    /// Register variables that it reads, of all owners, in order. None in records of before they were named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<RegisterVariable>,
    /// Numbers of the rules in force.
    pub rules: Rules,
}

/// A variable of a datastore, of whatever version and date.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RegisterVariable {
    /// The datastore.
    pub datastore: DatastoreId,
    /// The variable.
    pub variable: VariableName,
}

impl fmt::Display for RegisterVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.datastore, self.variable)
    }
}

/// Who asked: what the platform's certificate proves to the broker, and what the platform says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asker {
    /// SHA-256 of the platform's client certificate (DER).
    pub platform_certificate: Hash,
    /// The researcher, as the platform asserts.
    pub researcher: String,
    /// The institution, as the platform asserts.
    pub institution: String,
    /// What the answers are wanted for, as the platform asserts. Empty in records from before purposes were told.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub purpose: String,
    /// Whether the party whose record this is has verified the platform's signature on researcher, institution and purpose.
    pub signed: bool,
}

impl Asker {
    /// Longest researcher, institution and purpose, in characters: each is written into every log.
    pub const TEXT_CHARACTERS_MAX: usize = 200;

    /// Whether a text may stand for a researcher, an institution or a purpose: 1 to [`Self::TEXT_CHARACTERS_MAX`] characters, none of
    /// them a control character, and no blanks around it, so that one text is written in one way.
    pub fn may_say(text: &str) -> bool {
        let characters = text.chars().take(Self::TEXT_CHARACTERS_MAX + 1).count();
        (1..=Self::TEXT_CHARACTERS_MAX).contains(&characters)
            && text == text.trim()
            && !text.chars().any(char::is_control)
    }
}

/// How a question ended at a party.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// A node's share of a protected table, or the broker's protected table, leaves.
    Released {
        /// Hash of what leaves.
        content: Hash,
    },
    /// A population passed its floor, or an edit is carried out; nothing but that leaves.
    Passed,
    /// An edit is not carried out; nothing but that leaves, and the script goes on.
    NotCarriedOut {
        /// By which rule.
        rule: Warning,
    },
    /// An owner has shared its columns to the two workers. How the question ended is theirs to record.
    Shared,
    /// A rule refused.
    Refused {
        /// Which.
        rule: Refusal,
    },
    /// It failed, and nothing was released.
    Failed {
        /// Party named in the error.
        party: OwnerId,
        /// Step named in the error.
        step: String,
    },
}
