//! All words that metrics, spans and log lines are made of. A word that is not here cannot be said.

use std::io;

/// A list of words: an enum, its text, and all of it.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// All words of this list.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }
    };
}

words!(
    /// A step of a party's work. The same step has the same name at the broker, which asks, and at the node, which does it.
    Step {
        /// A node says who it is.
        Describe = "describe",
        /// A session is opened: at the broker all of it, at a node its part.
        SessionOpen = "session.open",
        /// A session is closed.
        SessionClose = "session.close",
        /// A script, from its first question to its last table.
        Job = "job",
        /// A signed request is verified.
        Admit = "admit",
        /// A script is offered and judged.
        Offer = "offer",
        /// An edit of a script is not carried out: its plan is derived anew.
        Revise = "revise",
        /// Units of one type are linked, once in a session.
        Link = "link",
        /// Tokens are made and sent.
        LinkTokens = "link.tokens",
        /// Row numbers are sent and taken.
        LinkAlign = "link.align",
        /// Canaries are compared.
        LinkCanaries = "link.canaries",
        /// One question, from its opening record to its outcome.
        Question = "question",
        /// A worker's part of a question.
        QuestionCompute = "question.compute",
        /// Of it: the own fragment in clear.
        QuestionExtract = "question.extract",
        /// Of it, at an owner that is no worker: its columns become shares.
        QuestionShare = "question.share",
        /// Of it: products on shares.
        QuestionProduct = "question.product",
        /// Of it: the rules on shares, the opening, the record of the outcome.
        QuestionProtect = "question.protect",
        /// A partial aggregate is fetched.
        QuestionFetch = "question.fetch",
        /// Partial aggregates are fetched and added up.
        QuestionCombine = "question.combine",
        /// Randomness is dealt.
        Deal = "deal",
        /// A link to a peer is made.
        PeerLink = "peer.link",
        /// A link that a peer has dialled is taken in.
        PeerAccept = "peer.accept",
        /// An attempt is ended.
        Abort = "abort",
    }
);

words!(
    /// How a step ended.
    Outcome {
        /// It did what it is for.
        Ok = "ok",
        /// A rule or an owner said no.
        Refused = "refused",
        /// It failed.
        Failed = "failed",
        /// It was given up from outside before its end.
        Abandoned = "abandoned",
    }
);

words!(
    /// Why something of the system under this program failed.
    Cause {
        /// No room is left.
        DiskFull = "disk-full",
        /// The operator has not allowed it.
        Permission = "permission",
        /// A file is gone.
        Missing = "missing",
        /// Somebody else has it.
        InUse = "in-use",
        /// It is not what this program wrote.
        Damaged = "damaged",
        /// The disk or the network failed.
        Device = "device",
        /// Another reason.
        Other = "other",
    }
);

impl Cause {
    /// The cause of a failed input or output.
    pub fn of_io(kind: io::ErrorKind) -> Self {
        use io::ErrorKind;
        match kind {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Self::DiskFull,
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Self::Permission,
            ErrorKind::NotFound => Self::Missing,
            ErrorKind::AddrInUse | ErrorKind::ResourceBusy => Self::InUse,
            ErrorKind::InvalidData | ErrorKind::UnexpectedEof => Self::Damaged,
            _ => Self::Device,
        }
    }
}

/// All codes of problems, of nodes, of the broker and of the rules.
pub const CODES: &[&str] = &[
    "aborted",
    "broken-message",
    "broken-protocol",
    "cancelled",
    "certificate",
    "command-not-allowed",
    "dealer-not-allowed",
    "disagreement",
    "failed",
    "impossible-cell",
    "internal",
    "interrupted",
    "invalid-message",
    "kept-apart",
    "log",
    "log-differs",
    "log-older",
    "memory",
    "misaligned",
    "misbehaved",
    "no-table",
    "not-cosigned",
    "not-found",
    "not-on-the-roster",
    "not-open",
    "not-ready",
    "other",
    "other-roster",
    "overloaded",
    "owner-stopped",
    "partial-content",
    "partial-shape",
    "partial-signature",
    "partial-transcripts",
    "perturbation-tables",
    "plan-differs",
    "policy-contradiction",
    "policy-form",
    "policy-loose",
    "policy-missing",
    "policy-unknown",
    "policy-unreadable",
    "population-floor",
    "refused-by-node",
    "refused-by-owner",
    "registers",
    "reported",
    "restarted",
    "roster-differs",
    "secrets-differ",
    "session-lost",
    "small-cells",
    "splits-spent",
    "store",
    "timed-out",
    "token-order",
    "token-twice",
    "too-large",
    "too-many-units",
    "unknown-session",
    "unreachable",
    "unrecorded",
];

/// A problem's code, if it is one of [`CODES`]; else `other`.
pub fn code(text: &str) -> &'static str {
    CODES.iter().find(|code| **code == text).copied().unwrap_or("other")
}

words!(
    /// What kind of party it is that is watched.
    Role {
        /// A data owner's node.
        Node = "kobling-node",
        /// The broker.
        Broker = "kobling-broker",
    }
);

words!(
    /// What a span says beside its step and its times.
    Attribute {
        /// The session, by its id.
        Session = "kobling.session",
        /// The other party of the step; in a resource, the party itself.
        Party = "kobling.party",
        /// The order of magnitude of a public number of rows.
        SizeClass = "kobling.size_class",
        /// In a resource: the kind of party.
        Service = "service.name",
    }
);

words!(
    /// The power of ten below or at a public number, such as the rows of an alignment.
    SizeClass {
        /// 1 to 9, and 0.
        Ones = "10^0",
        /// 10 to 99.
        Tens = "10^1",
        /// 100 to 999.
        Hundreds = "10^2",
        /// 1000 to 9999.
        Thousands = "10^3",
        /// Up to 99 999.
        TenThousands = "10^4",
        /// Up to 999 999.
        HundredThousands = "10^5",
        /// Up to 9 999 999.
        Millions = "10^6",
        /// All beyond.
        TenMillions = "10^7",
    }
);

impl SizeClass {
    /// The class of a number. The number must be public.
    pub fn of_public(number: u64) -> Self {
        let power = number.checked_ilog10().unwrap_or(0) as usize;
        Self::ALL[power.min(Self::ALL.len() - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_the_power_of_ten_below() {
        let of = |number| SizeClass::of_public(number).as_str();
        assert_eq!([0, 1, 9].map(of), ["10^0"; 3]);
        assert_eq!([65_536, 99_999, 100_000].map(of), ["10^4", "10^4", "10^5"]);
        assert_eq!([10_000_000, u64::MAX].map(of), ["10^7"; 2]);
    }
}
