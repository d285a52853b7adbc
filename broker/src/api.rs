//! What the central platform may ask of the broker. Wire types stop here.
//!
//! Every call is admitted on its own: TLS has accepted the connection, and each service then asks whether the caller
//! is the platform. Nodes and strangers are told so and nothing else.

pub mod catalogue;
pub mod flight;
pub mod job;
pub mod session;

use std::sync::Arc;

use kobling_model::Hash;
use kobling_proto::common::v1 as common;
use kobling_proto::convert::problem::status;
use kobling_proto::transport::{Caller, Callers};
use tonic::{Code, Request, Status};

use crate::problem::{Problem, RunError};
use crate::request::RequestError;

/// Lets the platform in.
#[derive(Clone)]
pub struct Door(Arc<Callers>);

impl Door {
    /// Knows callers by the roster.
    pub fn new(callers: Arc<Callers>) -> Self {
        Self(callers)
    }

    /// The platform's certificate.
    fn platform<T>(&self, request: &Request<T>) -> Result<Hash, Status> {
        match self.0.identify(request).map_err(|status| *status)? {
            Caller::Platform { certificate } => Ok(certificate),
            Caller::Node(_) | Caller::Broker => {
                let message = "only the platform of this federation may ask the broker";
                let problem = Problem::of_request("not-the-platform", message);
                Err(status(Code::PermissionDenied, &to_wire(&problem)))
            }
        }
    }
}

fn to_wire(problem: &Problem) -> common::Problem {
    common::Problem {
        code: problem.code.clone(),
        party: problem.party.as_ref().map(ToString::to_string).unwrap_or_default(),
        step: problem.step.clone(),
        message: problem.message.clone(),
    }
}

impl From<RequestError> for Status {
    fn from(error: RequestError) -> Self {
        let code = match &error {
            RequestError::Invalid(_) => Code::InvalidArgument,
            RequestError::NotFound(_) => Code::NotFound,
            RequestError::Conflict(_) => Code::AlreadyExists,
            RequestError::NotNow(_) => Code::FailedPrecondition,
            RequestError::TooMuch(_) => Code::ResourceExhausted,
            RequestError::Run(error) => match error {
                RunError::Unreachable { .. } | RunError::Interrupted => Code::Unavailable,
                RunError::TimedOut { .. } => Code::DeadlineExceeded,
                RunError::Store | RunError::Unrecorded | RunError::Internal { .. } => Code::Internal,
                _ => Code::FailedPrecondition,
            },
        };
        status(code, &to_wire(&error.problem()))
    }
}
