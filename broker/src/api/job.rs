//! Jobs, over the wire.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::BoxStream;
use kobling_proto::platform::v1 as wire;
use kobling_proto::platform::v1::job_service_server::JobService;
use tonic::{Request, Response, Status};

use super::session::to_the_end;
use super::{Door, to_wire};
use crate::broker::Broker;
use crate::request::{RequestError, job_id, session_id};
use crate::store::{JobEvent, JobRow, JobState, Warning};

/// The job service.
pub struct JobApi {
    /// The broker.
    pub broker: Arc<Broker>,
    /// Who may ask.
    pub door: Door,
}

#[tonic::async_trait]
impl JobService for JobApi {
    type WatchJobStream = BoxStream<'static, Result<wire::WatchJobResponse, Status>>;

    async fn submit_job(
        &self,
        request: Request<wire::SubmitJobRequest>,
    ) -> Result<Response<wire::SubmitJobResponse>, Status> {
        self.door.platform(&request)?;
        let request = request.into_inner();
        let session = session_id(&request.session)?;
        let signed = request.signed.ok_or_else(|| {
            RequestError::invalid("signed", "a script is submitted with the platform's signature")
        })?;
        let job = to_the_end(&self.broker, |broker| async move {
            broker.submit(session, &request.key, signed.into()).await
        });
        Ok(Response::new(wire::SubmitJobResponse { job: Some(job_to_wire(job.await?)) }))
    }

    async fn get_job(
        &self,
        request: Request<wire::GetJobRequest>,
    ) -> Result<Response<wire::GetJobResponse>, Status> {
        self.door.platform(&request)?;
        let job = self.broker.get_job(job_id(&request.into_inner().job)?).await?;
        Ok(Response::new(wire::GetJobResponse { job: Some(job_to_wire(job)) }))
    }

    async fn watch_job(
        &self,
        request: Request<wire::WatchJobRequest>,
    ) -> Result<Response<Self::WatchJobStream>, Status> {
        self.door.platform(&request)?;
        let request = request.into_inner();
        let events = self.broker.watch_job(job_id(&request.job)?, request.after).await?;
        let events = events.map(|event| match event {
            Ok((number, event)) => {
                let applied = match &event {
                    JobEvent::Table { applied, .. } => applied.as_deref().map(Into::into),
                    _ => None,
                };
                Ok(wire::WatchJobResponse { number, event: Some(event_to_wire(event)), applied })
            }
            Err(error) => Err(error.into()),
        });
        Ok(Response::new(events.boxed()))
    }

    async fn cancel_job(
        &self,
        request: Request<wire::CancelJobRequest>,
    ) -> Result<Response<wire::CancelJobResponse>, Status> {
        self.door.platform(&request)?;
        let id = job_id(&request.into_inner().job)?;
        let job = self.broker.cancel_job(id).await?;
        Ok(Response::new(wire::CancelJobResponse { job: Some(job_to_wire(job)) }))
    }
}

fn state_to_wire(state: JobState) -> wire::JobState {
    match state {
        JobState::Queued => wire::JobState::Queued,
        JobState::Running => wire::JobState::Running,
        JobState::Done => wire::JobState::Done,
        JobState::Rejected => wire::JobState::Rejected,
        JobState::Refused => wire::JobState::Refused,
        JobState::Failed => wire::JobState::Failed,
        JobState::Cancelled => wire::JobState::Cancelled,
    }
}

fn event_to_wire(event: JobEvent) -> wire::watch_job_response::Event {
    use wire::watch_job_response::Event;
    match event {
        JobEvent::State { state } => Event::State(state_to_wire(state).into()),
        JobEvent::Stage { question, questions, party, name } => {
            Event::Stage(wire::Stage { question, questions, party: party.to_string(), name })
        }
        JobEvent::Table { index, .. } => Event::Table(index),
        JobEvent::Warning(warning) => Event::Warning(warning_to_wire(warning)),
    }
}

fn job_to_wire(job: JobRow) -> wire::Job {
    let diagnostics = job.diagnostics.into_iter().map(|diagnostic| wire::Diagnostic {
        line: diagnostic.line,
        column: diagnostic.column,
        length: diagnostic.length,
        message: diagnostic.message,
        help: diagnostic.help,
    });
    wire::Job {
        id: job.id.to_string(),
        session: job.session.to_string(),
        state: state_to_wire(job.state).into(),
        problem: job.problem.as_ref().map(to_wire),
        diagnostics: diagnostics.collect(),
        tables: job.tables,
        plan: job.plan.map(|plan| plan.to_string()).unwrap_or_default(),
        line: job.line,
        warnings: job.warnings.into_iter().map(warning_to_wire).collect(),
    }
}

fn warning_to_wire(warning: Warning) -> wire::Warning {
    wire::Warning { line: warning.line, code: warning.code, message: warning.message }
}
