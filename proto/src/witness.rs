//! Asking a party to cosign a checkpoint, and being asked: `POST /add-checkpoint` of <https://c2sp.org/tlog-witness>, over the same
//! port and mutual TLS as everything else.
//!
//! What a request holds and an answer means is `kobling-audit`'s. Here bodies are carried: bounded, between parties of the roster.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Request, Response, StatusCode};
use axum::routing::post;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use kobling_model::federation::Party;
use tonic::service::Routes;
use tonic::transport::Channel;
use tower::ServiceExt;

use crate::limits;
use crate::observe::log::Line;
use crate::transport::{self, Caller, Callers, Credentials, Traffic};

/// Where a witness is asked.
const PATH: &str = "/add-checkpoint";

/// How often it is looked for something to send.
const INTERVAL: Duration = Duration::from_secs(1);

/// How soon a witness that has not answered is asked again; then twice as late each time, up to [`RETRY_MAX`].
const RETRY: Duration = Duration::from_millis(100);

/// How late at most.
const RETRY_MAX: Duration = Duration::from_secs(5);

/// How often it is looked whether what is waited for has come.
const SETTLING: Duration = Duration::from_millis(20);

/// How often a witness is asked at once because it names another size than before.
const SIZES_MAX: u32 = 3;

/// What a witness answers.
#[derive(Debug)]
pub struct Answered {
    /// Status of HTTP.
    pub status: u16,
    /// Type of the body.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

/// Has a party answer as witness. Every node of the roster and its broker may ask; `answer` blocks on the disk.
pub fn serve(
    routes: &mut Routes,
    callers: Arc<Callers>,
    answer: impl Fn(&[u8]) -> Answered + Clone + Send + Sync + 'static,
) {
    let asked = move |request: Request<Body>| {
        let (callers, answer) = (callers.clone(), answer.clone());
        async move { answered(request, &callers, answer).await }
    };
    let router = std::mem::take(routes.axum_router_mut());
    *routes.axum_router_mut() = router.route(PATH, post(asked));
}

async fn answered(
    request: Request<Body>,
    callers: &Callers,
    answer: impl Fn(&[u8]) -> Answered + Send + 'static,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let mut caller = tonic::Request::new(());
    *caller.extensions_mut() = parts.extensions;
    match callers.identify(&caller) {
        Ok(Caller::Node(_) | Caller::Broker) => {}
        Ok(Caller::Platform { .. }) => return status(StatusCode::FORBIDDEN),
        Err(_) => return status(StatusCode::UNAUTHORIZED),
    }
    let Ok(body) = to_bytes(body, limits::MAX_WITNESS_MESSAGE).await else {
        return status(StatusCode::PAYLOAD_TOO_LARGE);
    };
    let Ok(answered) = tokio::task::spawn_blocking(move || answer(&body)).await else {
        return status(StatusCode::INTERNAL_SERVER_ERROR);
    };
    let response = Response::builder().status(answered.status).header(CONTENT_TYPE, answered.content_type);
    let response = response.body(Body::from(answered.body));
    response.unwrap_or_else(|_| status(StatusCode::INTERNAL_SERVER_ERROR))
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Waits while `check` fails for something that may pass, as long as `patience` lasts.
///
/// # Errors
/// What `check` fails with last, or first where it cannot pass.
pub async fn settled<E>(
    patience: Duration,
    check: impl Fn() -> Result<(), E>,
    may_pass: impl Fn(&E) -> bool,
) -> Result<(), E> {
    let until = tokio::time::Instant::now() + patience;
    loop {
        match check() {
            Err(error) if may_pass(&error) && tokio::time::Instant::now() < until => {}
            checked => return checked,
        }
        tokio::time::sleep(SETTLING).await;
    }
}

/// What came of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// What was asked for.
    Done,
    /// Ask again at once.
    Again,
    /// Ask again later.
    Later,
    /// Ask no more.
    Never,
}

/// Goes to one witness, over a connection of its own that is kept.
pub struct Courier {
    /// The witness.
    pub party: Party,
    /// The sender's certificate.
    pub credentials: Credentials,
    /// How long to wait for a connection, and for an answer.
    pub patience: Duration,
    /// Counts the bytes of connections.
    pub traffic: Traffic,
}

impl Courier {
    /// Carries what there is to the witness, and its answers back, until it is dropped or need not be asked any more. `next` says what to send, `take` what came of
    /// the answer; both block on the disk.
    pub async fn run<R: Send + 'static>(
        self,
        next: impl Fn() -> Option<(R, String)> + Clone + Send + 'static,
        take: impl Fn(R, u16, &[u8]) -> Heard + Clone + Send + 'static,
    ) {
        let (mut channel, mut pause, mut said) = (None, RETRY, false);
        loop {
            let mut round = Some(Heard::Done);
            for _ in 0..SIZES_MAX {
                let next = next.clone();
                let Ok(Some((request, body))) = tokio::task::spawn_blocking(next).await else { break };
                let answer = self.post(&mut channel, body).await;
                round = match answer {
                    None => None,
                    Some((status, body)) => {
                        let take = take.clone();
                        let taken = tokio::task::spawn_blocking(move || take(request, status, &body));
                        taken.await.ok()
                    }
                };
                if round != Some(Heard::Again) {
                    break;
                }
            }
            let wait = match round {
                Some(Heard::Never) => return,
                Some(Heard::Done) => {
                    (pause, said) = (RETRY, false);
                    INTERVAL
                }
                _ => {
                    // A party that starts a moment later is nothing to speak of.
                    if pause >= RETRY_MAX && !said {
                        Line::NotCosigned.entry().party(&self.party.id).say();
                        said = true;
                    }
                    let wait = pause;
                    pause = (pause * 2).min(RETRY_MAX);
                    wait
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// Sends a body; what is answered, if anything is in time. A connection that failed is made anew the next time.
    async fn post(&self, kept: &mut Option<Channel>, body: String) -> Option<(u16, Bytes)> {
        let channel = match kept {
            Some(channel) => channel.clone(),
            None => {
                let (party, credentials) = (&self.party, &self.credentials);
                let dialled = transport::dial_counted(party, credentials, self.patience, &self.traffic);
                kept.insert(dialled.await.ok()?).clone()
            }
        };
        let answer = tokio::time::timeout(self.patience, exchange(channel, body)).await.ok().flatten();
        if answer.is_none() {
            *kept = None;
        }
        answer
    }
}

async fn exchange(channel: Channel, body: String) -> Option<(u16, Bytes)> {
    let body = tonic::body::Body::new(Full::new(Bytes::from(body)));
    let request = Request::post(PATH).header(CONTENT_TYPE, "text/plain; charset=utf-8").body(body).ok()?;
    let answer = channel.oneshot(request).await.ok()?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), limits::MAX_WITNESS_MESSAGE).collect().await.ok()?;
    Some((status, body.to_bytes()))
}
