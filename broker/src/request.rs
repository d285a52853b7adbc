//! What a client may send, checked once; and what it is told where that, or the work, fails.

use kobling_model::record::Asker;
use kobling_model::script_request::RequestFault;
use kobling_model::{JobId, SessionId};
use kobling_proto::observe::log::Line;
use ring::rand::{SecureRandom, SystemRandom};

use crate::observe::cause_of_store;
use crate::problem::{Problem, RunError, UNKNOWN_SESSION};
use crate::store::StoreError;

/// Why a request was not done. The kind decides what a client does next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The request has to be written differently.
    #[error("{}", .0.message)]
    Invalid(Problem),
    /// What it names is not there.
    #[error("{}", .0.message)]
    NotFound(Problem),
    /// The key stands for another request.
    #[error("{}", .0.message)]
    Conflict(Problem),
    /// Not in this state.
    #[error("{}", .0.message)]
    NotNow(Problem),
    /// Too much at once.
    #[error("{}", .0.message)]
    TooMuch(Problem),
    /// A party failed.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl RequestError {
    /// A field has to be written differently.
    pub fn invalid(step: &'static str, message: impl Into<String>) -> Self {
        let problem = Problem::of_request("invalid-request", message);
        Self::Invalid(Problem { step: step.to_owned(), ..problem })
    }

    /// Something named is not there.
    pub fn not_found(code: &str, message: impl Into<String>) -> Self {
        Self::NotFound(Problem::of_request(code, message))
    }

    /// What the platform signed, or is said to have signed, is not taken.
    pub fn not_taken(fault: RequestFault) -> Self {
        let problem = Problem::of_request(fault.code(), format!("the request was not taken: {fault}"));
        Self::Invalid(Problem { step: "submit".to_owned(), ..problem })
    }

    /// A key stands for another request.
    pub fn conflict(code: &str, message: impl Into<String>) -> Self {
        Self::Conflict(Problem::of_request(code, message))
    }

    /// No such session.
    pub fn unknown_session() -> Self {
        Self::not_found(
            UNKNOWN_SESSION,
            "there is no such session, or it was forgotten some time after its end",
        )
    }

    /// No such job.
    pub fn unknown_job() -> Self {
        Self::not_found("unknown-job", "there is no such job, or its results are no longer kept")
    }

    /// What the client is told.
    pub fn problem(&self) -> Problem {
        match self {
            Self::Invalid(problem)
            | Self::NotFound(problem)
            | Self::Conflict(problem)
            | Self::NotNow(problem)
            | Self::TooMuch(problem) => problem.clone(),
            Self::Run(error) => error.problem(),
        }
    }
}

impl From<StoreError> for RequestError {
    fn from(error: StoreError) -> Self {
        Self::Run(error.into())
    }
}

impl From<StoreError> for RunError {
    fn from(error: StoreError) -> Self {
        Line::StoreFailed.entry().cause(cause_of_store(&error)).say();
        Self::Store
    }
}

/// A key chosen by a client.
pub(crate) fn client_key(text: &str) -> Result<String, RequestError> {
    let valid = (1..=64).contains(&text.len()) && !text.chars().any(char::is_control);
    if valid {
        Ok(text.to_owned())
    } else {
        Err(RequestError::invalid("key", "a key has 1 to 64 bytes and no control characters"))
    }
}

/// A text that the platform asserts, trimmed.
pub(crate) fn asserted(field: &'static str, text: &str) -> Result<String, RequestError> {
    let trimmed = text.trim();
    if Asker::may_say(trimmed) {
        Ok(trimmed.to_owned())
    } else {
        Err(RequestError::invalid(
            field,
            format!(
                "the {field} has 1 to {} characters, none a control character",
                Asker::TEXT_CHARACTERS_MAX
            ),
        ))
    }
}

/// A session's id as clients write it.
pub(crate) fn session_id(text: &str) -> Result<SessionId, RequestError> {
    SessionId::parse(text)
        .map_err(|_| RequestError::invalid("session", "a session is named by 32 hexadecimal digits"))
}

/// A job's id as clients write it.
pub(crate) fn job_id(text: &str) -> Result<JobId, RequestError> {
    JobId::parse(text).map_err(|_| RequestError::invalid("job", "a job is named by 32 hexadecimal digits"))
}

/// Sixteen random bytes, for an id that cannot be guessed.
pub(crate) fn random_id() -> Result<[u8; 16], RunError> {
    let mut id = [0; 16];
    SystemRandom::new().fill(&mut id).map_err(|_| RunError::Internal { step: "random" })?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_and_bounded() {
        assert_eq!(asserted("researcher", "  Kari Nordmann \n").as_deref(), Ok("Kari Nordmann"));
        for bad in ["", "   ", "a\u{7}b", "a\nb", &"x".repeat(201)] {
            assert!(matches!(asserted("researcher", bad), Err(RequestError::Invalid(_))));
        }
        for bad in ["", "a\n", &"x".repeat(65)] {
            assert!(client_key(bad).is_err());
        }
    }
}
