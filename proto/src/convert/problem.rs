//! Why something did not happen, as a gRPC status and back.
//!
//! A status of ours carries its [`Problem`] in the details. A status of another origin (a library, a proxy, a
//! broken peer) becomes a problem with one of the fixed sentences below: its own text is never repeated, since
//! nobody knows what it quotes and a researcher may read it.

use std::error::Error;

use kobling_model::OwnerId;
use prost::Message;
use tonic::{Code, Status};

use crate::common::v1::Problem;
use crate::limits::MAX_PROBLEM_CHARACTERS;
use crate::transport::{DialError, DialErrorKind};

/// Stable codes of problems that this crate makes.
pub mod code {
    /// The party does not answer, or the connection broke.
    pub const UNREACHABLE: &str = "unreachable";
    /// The party has not answered in time.
    pub const TIMED_OUT: &str = "timed-out";
    /// A certificate was refused, by us or by the party.
    pub const CERTIFICATE: &str = "certificate";
    /// The party does not allow it.
    pub const REFUSED_BY_NODE: &str = "refused-by-node";
    /// A message was not what an honest party sends or takes.
    pub const BROKEN_MESSAGE: &str = "broken-message";
    /// The session, job or result is not there, or no longer.
    pub const NOT_FOUND: &str = "not-found";
    /// The party has too much to do, or the message is too large.
    pub const OVERLOADED: &str = "overloaded";
    /// The party failed for a reason of its own.
    pub const FAILED: &str = "failed";
    /// The operator has stopped the party: it answers nothing.
    pub const OWNER_STOPPED: &str = "owner-stopped";
    /// An owner's own settings or policy say no: the codes of all such refusals.
    pub const REFUSED_BY_OWNER: &[&str] =
        &["refused-by-owner", "not-open", "kept-apart", "command-not-allowed", "dealer-not-allowed"];
}

/// A status that carries the problem, for programs in its details and for people in its message.
pub fn status(code: Code, problem: &Problem) -> Status {
    Status::with_details(code, problem.message.clone(), problem.encode_to_vec().into())
}

/// A problem that names party and step.
pub fn problem(code: &str, party: &OwnerId, step: &str, message: impl Into<String>) -> Problem {
    Problem { code: code.into(), party: party.to_string(), step: step.into(), message: message.into() }
}

/// The problem that a failed call to `party` stands for.
///
/// A problem in the details is taken over if it has the form of one; party and step are filled in where it
/// names none. Everything else becomes a fixed sentence.
pub fn problem_of(status: &Status, party: &OwnerId, step: &str) -> Problem {
    if let Some(mut problem) = carried(status) {
        if problem.party.is_empty() {
            problem.party = party.to_string();
        }
        if problem.step.is_empty() {
            problem.step = step.into();
        }
        return problem;
    }
    let (code, sentence) = match Cause::of(status) {
        Some(Cause::Dial(error)) => return error.problem(step),
        Some(Cause::Tls) => CERTIFICATE,
        Some(Cause::Timeout) => TIMED_OUT,
        Some(Cause::Transport) if status.code() != Code::DeadlineExceeded => UNREACHABLE,
        Some(Cause::Transport) | None => by_code(status.code()),
    };
    problem(code, party, step, format!("{party} {sentence}"))
}

const UNREACHABLE: (&str, &str) = (code::UNREACHABLE, "does not answer; try again later");
const TIMED_OUT: (&str, &str) = (code::TIMED_OUT, "has not answered in time; try again later");
const CERTIFICATE: (&str, &str) =
    (code::CERTIFICATE, "and this party do not accept each other's certificates; the operators must mend it");

fn by_code(code: Code) -> (&'static str, &'static str) {
    match code {
        Code::Unavailable | Code::Cancelled => UNREACHABLE,
        Code::DeadlineExceeded => TIMED_OUT,
        Code::Unauthenticated => CERTIFICATE,
        Code::PermissionDenied | Code::FailedPrecondition | Code::Aborted => {
            (code::REFUSED_BY_NODE, "does not allow this")
        }
        Code::NotFound | Code::AlreadyExists => {
            (code::NOT_FOUND, "does not know what was asked for, or no longer")
        }
        Code::ResourceExhausted => (code::OVERLOADED, "has too much to do, or was sent too much"),
        Code::InvalidArgument | Code::OutOfRange | Code::DataLoss | Code::Unimplemented | Code::Internal => {
            (code::BROKEN_MESSAGE, "and this party do not understand each other; their versions may differ")
        }
        Code::Ok | Code::Unknown => (code::FAILED, "failed; its operator finds the reason in its own log"),
    }
}

/// A problem in the details that has the form of one.
fn carried(status: &Status) -> Option<Problem> {
    if status.details().is_empty() {
        return None;
    }
    let problem = Problem::decode(status.details()).ok()?;
    let code = !problem.code.is_empty() && problem.code.len() <= 40 && problem.code.bytes().all(is_code_byte);
    let party = problem.party.is_empty() || OwnerId::new(problem.party.as_str()).is_ok();
    let step =
        problem.step.len() <= 60 && problem.step.bytes().all(|byte| is_code_byte(byte) || byte == b'/');
    let message = problem.message.chars().count() <= MAX_PROBLEM_CHARACTERS
        && !problem.message.chars().any(char::is_control);
    (code && party && step && message).then_some(problem)
}

fn is_code_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}

/// What lies beneath a status that was made on this side of the wire.
enum Cause<'a> {
    Dial(&'a DialError),
    Tls,
    Timeout,
    Transport,
}

impl<'a> Cause<'a> {
    /// None for a status that came over the wire: those have no source.
    fn of(status: &'a Status) -> Option<Self> {
        let mut found = None;
        let mut next = status.source();
        while let Some(error) = next {
            if let Some(error) = error.downcast_ref::<DialError>() {
                return Some(Self::Dial(error));
            }
            if error.is::<tonic::TimeoutExpired>() {
                return Some(Self::Timeout);
            }
            if is_tls(error) {
                return Some(Self::Tls);
            }
            found = Some(Self::Transport);
            next = error.source();
        }
        found
    }
}

fn is_tls(error: &(dyn Error + 'static)) -> bool {
    if error.is::<rustls::Error>() {
        return true;
    }
    // An I/O error hides its cause from `source`.
    error
        .downcast_ref::<std::io::Error>()
        .and_then(std::io::Error::get_ref)
        .is_some_and(|inner| inner.is::<rustls::Error>())
}

impl DialError {
    /// The problem that this error stands for.
    pub fn problem(&self, step: &str) -> Problem {
        let code = match self.kind {
            DialErrorKind::Unreachable => code::UNREACHABLE,
            DialErrorKind::CertificateRefused(_) => code::CERTIFICATE,
            DialErrorKind::TimedOut => code::TIMED_OUT,
        };
        problem(code, &self.party, step, self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ssb() -> OwnerId {
        OwnerId::new("ssb").expect("valid")
    }

    fn ours() -> Problem {
        problem("population-floor", &ssb(), "compute/protect", "rule 1: the population is too small")
    }

    #[test]
    fn a_problem_survives_the_status() {
        let status = status(Code::FailedPrecondition, &ours());
        let krg = OwnerId::new("krg").expect("valid");
        assert_eq!(problem_of(&status, &krg, "offer"), ours());
        assert_eq!(status.message(), ours().message);
    }

    #[test]
    fn party_and_step_are_filled_in_where_a_problem_names_none() {
        let bare = Problem { party: String::new(), step: String::new(), ..ours() };
        let filled = problem_of(&status(Code::Internal, &bare), &ssb(), "link");
        assert_eq!((filled.party.as_str(), filled.step.as_str()), ("ssb", "link"));
    }

    #[test]
    fn every_foreign_status_becomes_a_fixed_sentence_that_names_party_and_step() {
        let expected = [
            (Code::Ok, "failed"),
            (Code::Cancelled, "unreachable"),
            (Code::Unknown, "failed"),
            (Code::InvalidArgument, "broken-message"),
            (Code::DeadlineExceeded, "timed-out"),
            (Code::NotFound, "not-found"),
            (Code::AlreadyExists, "not-found"),
            (Code::PermissionDenied, "refused-by-node"),
            (Code::ResourceExhausted, "overloaded"),
            (Code::FailedPrecondition, "refused-by-node"),
            (Code::Aborted, "refused-by-node"),
            (Code::OutOfRange, "broken-message"),
            (Code::Unimplemented, "broken-message"),
            (Code::Internal, "broken-message"),
            (Code::Unavailable, "unreachable"),
            (Code::DataLoss, "broken-message"),
            (Code::Unauthenticated, "certificate"),
        ];
        for (code, expected) in expected {
            let problem = problem_of(&Status::new(code, "01017012345 at 10.0.0.7"), &ssb(), "link");
            assert_eq!((problem.code.as_str(), problem.party.as_str()), (expected, "ssb"), "{code:?}");
            assert_eq!(problem.step, "link");
            assert!(!problem.message.contains(|c: char| c.is_ascii_digit()), "{}", problem.message);
        }
    }

    #[test]
    fn details_that_are_no_problem_of_ours_are_not_repeated() {
        let forged = [
            Problem { code: "Bad Code".into(), ..ours() },
            Problem { party: "../x".into(), ..ours() },
            Problem { step: "a b".into(), ..ours() },
            Problem { message: "line\nbreak".into(), ..ours() },
            Problem { message: "x".repeat(MAX_PROBLEM_CHARACTERS + 1), ..ours() },
        ];
        for forged in forged {
            let problem = problem_of(&status(Code::Internal, &forged), &ssb(), "offer");
            assert_eq!(problem.code, "broken-message");
        }
        let noise = Status::with_details(Code::Unavailable, "", vec![0xff; 9].into());
        assert_eq!(problem_of(&noise, &ssb(), "offer").code, "unreachable");
    }

    #[test]
    fn a_failed_dial_keeps_its_kind() {
        let error = DialError { party: ssb(), kind: DialErrorKind::TimedOut };
        let status = Status::from_error(Box::new(error));
        let problem = problem_of(&status, &OwnerId::new("krg").expect("valid"), "link");
        assert_eq!((problem.code.as_str(), problem.party.as_str()), ("timed-out", "ssb"));
    }
}
