//! Following a job: its events in order, each once, also where the stream of them breaks.

use std::time::Duration;

use kobling_proto::platform::v1 as wire;
use tonic::{Status, Streaming};

use super::{Client, ClientError, JobEvent};

/// How often a broken stream of events is taken up again before the broker is given up.
const RESUMES_MAX: u32 = 3;

/// A job that is being followed.
pub struct Watch<'a> {
    client: &'a Client,
    job: String,
    seen: u64,
    /// How often the stream has been taken up since it last said something.
    resumes: u32,
    events: Option<Streaming<wire::WatchJobResponse>>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(client: &'a Client, job: &str) -> Self {
        Self { client, job: job.to_owned(), seen: 0, resumes: 0, events: None }
    }

    /// What happens next; none when the job has ended.
    ///
    /// # Errors
    /// [`ClientError`] where the broker is gone.
    pub async fn next(&mut self) -> Result<Option<JobEvent>, ClientError> {
        loop {
            let broke = match self.message().await {
                Ok(None) => return Ok(None),
                Ok(Some(message)) => {
                    if message.number != self.seen + 1 {
                        return Err(self.client.broken("watch"));
                    }
                    self.seen = message.number;
                    self.resumes = 0;
                    return self.client.read_event(message).map(Some);
                }
                Err(status) => status,
            };
            self.events = None;
            self.resumes += 1;
            if self.resumes > RESUMES_MAX {
                return Err(self.client.failed(&broke, "watch"));
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    async fn message(&mut self) -> Result<Option<wire::WatchJobResponse>, Status> {
        let events = match &mut self.events {
            Some(events) => events,
            none => {
                let request = wire::WatchJobRequest { job: self.job.clone(), after: self.seen };
                none.insert(self.client.jobs().watch_job(request).await?.into_inner())
            }
        };
        events.message().await
    }
}
