//! Sessions, over the wire.

use std::sync::Arc;

use kobling_model::record::Asker;
use kobling_proto::platform::v1 as wire;
use kobling_proto::platform::v1::session_service_server::SessionService;
use tonic::{Request, Response, Status};

use super::{Door, to_wire};
use crate::broker::Broker;
use crate::problem::RunError;
use crate::request::{RequestError, session_id};
use crate::session::OpenRequest;
use crate::store::{SessionRow, SessionState};

/// The session service.
pub struct SessionApi {
    /// The broker.
    pub broker: Arc<Broker>,
    /// Who may ask.
    pub door: Door,
}

#[tonic::async_trait]
impl SessionService for SessionApi {
    async fn open_session(
        &self,
        request: Request<wire::OpenSessionRequest>,
    ) -> Result<Response<wire::OpenSessionResponse>, Status> {
        let platform_certificate = self.door.platform(&request)?;
        let request = request.into_inner();
        let open = OpenRequest {
            key: request.key,
            asker: Asker {
                platform_certificate,
                researcher: request.researcher,
                institution: request.institution,
                purpose: request.purpose,
                signed: false,
            },
            datastores: request.datastores,
        };
        let session =
            to_the_end(&self.broker, |broker| async move { broker.open_session(open).await }).await?;
        Ok(Response::new(wire::OpenSessionResponse { session: Some(session_to_wire(session)) }))
    }

    async fn get_session(
        &self,
        request: Request<wire::GetSessionRequest>,
    ) -> Result<Response<wire::GetSessionResponse>, Status> {
        self.door.platform(&request)?;
        let id = session_id(&request.into_inner().session)?;
        let session = self.broker.get_session(id).await?;
        Ok(Response::new(wire::GetSessionResponse { session: Some(session_to_wire(session)) }))
    }

    async fn close_session(
        &self,
        request: Request<wire::CloseSessionRequest>,
    ) -> Result<Response<wire::CloseSessionResponse>, Status> {
        self.door.platform(&request)?;
        let id = session_id(&request.into_inner().session)?;
        to_the_end(&self.broker, |broker| async move { broker.close_session(id).await }).await?;
        Ok(Response::new(wire::CloseSessionResponse {}))
    }
}

/// Does something wholly, also where the client goes away meanwhile: a call that ends drops its handler, and half an opened
/// session would stay at the nodes.
pub(super) async fn to_the_end<T, F>(
    broker: &Arc<Broker>,
    work: impl FnOnce(Arc<Broker>) -> F,
) -> Result<T, RequestError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, RequestError>> + Send + 'static,
{
    let done = tokio::spawn(work(Arc::clone(broker))).await;
    done.unwrap_or(Err(RequestError::Run(RunError::Internal { step: "request" })))
}

fn session_to_wire(session: SessionRow) -> wire::Session {
    let state = match session.state {
        SessionState::Open => wire::SessionState::Open,
        SessionState::Ended => wire::SessionState::Ended,
        SessionState::Opening => wire::SessionState::Unspecified,
    };
    wire::Session {
        id: session.id.to_string(),
        state: state.into(),
        releases: session.releases.iter().map(Into::into).collect(),
        problem: session.problem.as_ref().map(to_wire),
        nodes: session.parties.iter().map(ToString::to_string).collect(),
    }
}
