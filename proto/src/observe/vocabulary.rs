//! All words that metrics, spans and log lines are made of. A word that is not here cannot be said.

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
        /// A script is offered and judged.
        Offer = "offer",
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
