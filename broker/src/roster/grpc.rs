//! The nodes of the roster over gRPC and Flight.
//!
//! Wire types stop here. What a node sends is checked before anything else sees it: names, lengths, kinds, and for
//! Flight every frame, by decoders that never hand a stranger's bytes to Arrow's own.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use arrow_flight::flight_service_client::FlightServiceClient;
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream, Stream};
use kobling_crypto::channel::{Header, StepName};
use kobling_model::federation::{Federation, Party};
use kobling_model::record::Receipt;
use kobling_model::rules::{Refusal, Rules};
use kobling_model::{AttemptId, Hash, OwnerId, SessionId, UnitType};
use kobling_proto::convert::problem::{code, problem_of};
use kobling_proto::flight::{self, v1::ticket::Content};
use kobling_proto::node::v1 as wire;
use kobling_proto::node::v1::node_service_client::NodeServiceClient;
use kobling_proto::observe::context::{Carried, carried};
use kobling_proto::peer::v1 as peer;
use kobling_proto::peer::v1::peer_service_client::PeerServiceClient;
use kobling_proto::transport::{self, Credentials, DialErrorKind, Traffic};
use kobling_proto::{convert, limits};
use tokio::sync::{Mutex, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::nodes::{
    AdmitOrder, ComputeEvent, ComputeOrder, DealOrder, Description, Incarnation, JobOffer, JobRevision,
    NodeClient, NodeClients, PeerLink, SessionOffer, SignedPartial,
};
use crate::problem::{Problem, RunError, UNKNOWN_SESSION};

/// Clients of all nodes of a roster.
pub struct GrpcNodes(HashMap<OwnerId, Arc<dyn NodeClient>>);

impl GrpcNodes {
    /// Connects lazily: a node that is down shows when it is asked. Bytes are counted in `traffic`.
    pub fn new(
        federation: &Federation,
        credentials: &Credentials,
        timeout: Duration,
        traffic: &Traffic,
    ) -> Self {
        let client = |party: &Party| {
            let node = GrpcNode {
                party: party.clone(),
                credentials: credentials.clone(),
                timeout,
                traffic: traffic.clone(),
                channel: Mutex::new(None),
            };
            (party.id.clone(), Arc::new(node) as Arc<dyn NodeClient>)
        };
        Self(federation.nodes.iter().map(client).collect())
    }
}

impl NodeClients for GrpcNodes {
    fn node(&self, id: &OwnerId) -> Option<Arc<dyn NodeClient>> {
        self.0.get(id).cloned()
    }
}

struct GrpcNode {
    party: Party,
    credentials: Credentials,
    timeout: Duration,
    traffic: Traffic,
    /// Once connected, a channel mends itself, with the same checks as the first dial.
    channel: Mutex<Option<Channel>>,
}

/// Frames that wait in one direction of a link.
const LINK_QUEUE: usize = 8;

impl GrpcNode {
    async fn channel(&self, step: &'static str) -> Result<Channel, RunError> {
        let mut channel = self.channel.lock().await;
        if let Some(channel) = &*channel {
            return Ok(channel.clone());
        }
        let party = || self.party.id.clone();
        let dialled =
            transport::dial_counted(&self.party, &self.credentials, self.timeout, &self.traffic).await;
        let dialled = dialled.map_err(|error| match error.kind {
            DialErrorKind::CertificateRefused(_) => RunError::Certificate { party: party() },
            DialErrorKind::TimedOut => RunError::TimedOut { party: party(), step },
            _ => RunError::Unreachable { party: party(), step },
        })?;
        *channel = Some(dialled.clone());
        Ok(dialled)
    }

    async fn control(&self, step: &'static str) -> Result<NodeServiceClient<Carried>, RunError> {
        Ok(NodeServiceClient::new(carried(self.channel(step).await?))
            .max_decoding_message_size(limits::MAX_CONTROL_MESSAGE)
            .max_encoding_message_size(limits::MAX_CONTROL_MESSAGE))
    }

    async fn flight(&self, step: &'static str) -> Result<FlightServiceClient<Carried>, RunError> {
        Ok(FlightServiceClient::new(carried(self.channel(step).await?))
            .max_decoding_message_size(limits::MAX_FLIGHT_MESSAGE)
            .max_encoding_message_size(limits::MAX_FLIGHT_MESSAGE))
    }

    /// One call with one answer. `patience` is in multiples of the time for one message.
    async fn call<T>(
        &self,
        step: &'static str,
        patience: u32,
        call: impl Future<Output = Result<tonic::Response<T>, Status>> + Send,
    ) -> Result<T, RunError> {
        match tokio::time::timeout(self.timeout * patience, call).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(failure(&self.party.id, step, &status)),
            Err(_) => Err(RunError::TimedOut { party: self.party.id.clone(), step }),
        }
    }

    async fn get(
        &self,
        step: &'static str,
        content: Content,
    ) -> Result<impl Stream<Item = Result<arrow_flight::FlightData, Status>> + use<>, RunError> {
        let mut client = self.flight(step).await?;
        let stream = self.call(step, 1, client.do_get(flight::ticket(content))).await?;
        Ok(each_in_time(stream, self.timeout))
    }

    fn misbehaved(&self, step: &'static str, what: &'static str) -> RunError {
        RunError::Misbehaved { party: self.party.id.clone(), step, what }
    }

    fn flight_failure(&self, step: &'static str, error: &flight::FlightError) -> RunError {
        match error {
            flight::FlightError::Stream(status) => failure(&self.party.id, step, status),
            _ => self.misbehaved(step, "a Flight message that is not the one agreed"),
        }
    }
}

/// Waits for each message as long as for an answer.
fn each_in_time<T: Send>(
    stream: tonic::Streaming<T>,
    timeout: Duration,
) -> impl Stream<Item = Result<T, Status>> {
    stream::unfold(Some(stream), move |stream| async move {
        let mut stream = stream?;
        match tokio::time::timeout(timeout, stream.next()).await {
            Ok(Some(Ok(message))) => Some((Ok(message), Some(stream))),
            Ok(Some(Err(status))) => Some((Err(status), None)),
            Ok(None) => None,
            Err(_) => Some((Err(Status::deadline_exceeded("")), None)),
        }
    })
}

/// What a failed call means. What the node itself reports comes with details; everything else the broker has
/// noticed first hand.
fn failure(party: &OwnerId, step: &'static str, status: &Status) -> RunError {
    let problem = of_wire(problem_of(status, party, step));
    let party = party.clone();
    let said = !status.details().is_empty();
    match problem.code.as_str() {
        UNKNOWN_SESSION if said => RunError::SessionLost { party },

        code::UNREACHABLE if !said => RunError::Unreachable { party, step },
        code::TIMED_OUT if !said => RunError::TimedOut { party, step },
        code::CERTIFICATE if status.code() != Code::PermissionDenied && !said => {
            RunError::Certificate { party }
        }
        code::BROKEN_MESSAGE if !said => {
            RunError::Misbehaved { party, step, what: "an answer that is not the one agreed" }
        }
        _ if said => RunError::reported(party, problem),
        _ => RunError::Reported { party, problem },
    }
}

fn of_wire(problem: kobling_proto::common::v1::Problem) -> Problem {
    Problem {
        code: problem.code,
        party: OwnerId::new(problem.party).ok(),
        step: problem.step,
        message: problem.message,
    }
    .tamed()
}

fn id_bytes(id: &[u8; 16]) -> Bytes {
    Bytes::copy_from_slice(id)
}

#[async_trait]
impl NodeClient for GrpcNode {
    fn owner(&self) -> &OwnerId {
        &self.party.id
    }

    async fn describe(&self) -> Result<Description, RunError> {
        let step = "describe";
        let ask = || async {
            let mut client = self.control(step).await?;
            self.call(step, 1, client.describe(wire::DescribeRequest {})).await
        };
        let answer = match ask().await {
            // A connection that broke while nobody looked: the second try dials anew.
            Err(RunError::Unreachable { .. }) => ask().await?,
            answer => answer?,
        };
        let malformed = || self.misbehaved(step, "a malformed description");
        let owner = convert::owner(&answer.owner, "owner").map_err(|_| malformed())?;
        if owner != self.party.id {
            return Err(self.misbehaved(step, "it goes by another name than the roster has for it"));
        }
        let datastores: Result<Vec<kobling_model::catalogue::Datastore>, _> =
            answer.datastores.into_iter().map(TryInto::try_into).collect();
        let datastores = datastores.map_err(|_| malformed())?;
        if datastores.iter().any(|datastore| datastore.owner != owner) {
            return Err(self.misbehaved(step, "it offers another owner's datastore"));
        }
        if answer.incarnation.len() > 64 {
            return Err(malformed());
        }
        Ok(Description {
            owner,
            federation: convert::hash(&answer.federation, "federation").map_err(|_| malformed())?,
            datastores,
            ready: answer.ready,
            incarnation: Incarnation(answer.incarnation.to_vec()),
        })
    }

    async fn open_session(&self, offer: &SessionOffer) -> Result<(), RunError> {
        let step = "open-session";
        let names = |ids: &[OwnerId]| ids.iter().map(ToString::to_string).collect();
        let request = wire::OpenSessionRequest {
            session: id_bytes(&offer.session.0),
            linking: names(&offer.linking),
            releases: offer.releases.iter().map(Into::into).collect(),
            asker: Some((&offer.asker).into()),
            members: names(&offer.members),
        };
        let mut client = self.control(step).await?;
        // Nodes wait for each other here. Theirs is the better error, so it is given time to come.
        self.call(step, 2, client.open_session(request)).await.map(drop)
    }

    async fn tokens(&self, session: SessionId, unit_type: UnitType) -> Result<Vec<[u8; 16]>, RunError> {
        let step = "link/tokens";
        let content = Content::Tokens(flight::v1::Tokens {
            session: id_bytes(&session.0),
            unit_type: unit_type.to_string(),
        });
        let stream = self.get(step, content).await?;
        let tokens = flight::decode_fixed16(stream, limits::MAX_TOKENS).await;
        tokens.map_err(|error| self.flight_failure(step, &error))
    }

    async fn put_rows(
        &self,
        session: SessionId,
        unit_type: UnitType,
        numbers: Vec<u32>,
        rows: u64,
    ) -> Result<(), RunError> {
        let step = "link/rows";
        let content = Content::RowNumbers(flight::v1::RowNumbers {
            session: id_bytes(&session.0),
            unit_type: unit_type.to_string(),
            rows,
        });
        let mut client = self.flight(step).await?;
        let answers = self.call(step, 3, client.do_put(flight::put_rows(content, numbers))).await?;
        let mut answers = std::pin::pin!(each_in_time(answers, self.timeout * 3));
        while let Some(answer) = answers.next().await {
            answer.map_err(|status| failure(&self.party.id, step, &status))?;
        }
        Ok(())
    }

    async fn confirm_alignment(&self, session: SessionId, unit_type: UnitType) -> Result<(), RunError> {
        let step = "link/canaries";
        let request =
            wire::ConfirmAlignmentRequest { session: id_bytes(&session.0), unit_type: unit_type.to_string() };
        let mut client = self.control(step).await?;
        self.call(step, 2, client.confirm_alignment(request)).await.map(drop)
    }

    async fn admit(&self, order: &AdmitOrder) -> Result<(), RunError> {
        let step = "admit";
        let request = wire::AdmitRequest {
            session: id_bytes(&order.session.0),
            job: id_bytes(&order.job.0),
            signed: Some((&*order.signed).into()),
        };
        let mut client = self.control(step).await?;
        self.call(step, 1, client.admit(request)).await.map(drop)
    }

    async fn offer(&self, offer: &JobOffer) -> Result<Rules, RunError> {
        let step = "offer";
        let request = wire::OfferRequest {
            session: id_bytes(&offer.session.0),
            job: id_bytes(&offer.job.0),
            catalogue: offer.catalogue.datastores.iter().map(Into::into).collect(),
            plan: convert::hash_bytes(&offer.plan),
        };
        let mut client = self.control(step).await?;
        let answer = self.call(step, 1, client.offer(request)).await?;
        let rules = answer.rules.and_then(|rules| rules.try_into().ok());
        rules.ok_or_else(|| self.misbehaved(step, "malformed rules"))
    }

    async fn revise(&self, revision: &JobRevision) -> Result<(), RunError> {
        let step = "revise";
        let request = wire::ReviseRequest {
            session: id_bytes(&revision.session.0),
            job: id_bytes(&revision.job.0),
            edits: revision.edits.clone(),
            plan: convert::hash_bytes(&revision.plan),
        };
        let mut client = self.control(step).await?;
        self.call(step, 1, client.revise(request)).await.map(|_| ())
    }

    async fn compute(
        &self,
        order: &ComputeOrder,
    ) -> Result<BoxStream<'static, Result<ComputeEvent, RunError>>, RunError> {
        let step = "compute";
        let request = wire::ComputeRequest {
            session: id_bytes(&order.session.0),
            job: id_bytes(&order.job.0),
            attempt: id_bytes(&order.attempt.0),
            question: order.question,
            rules: order.rules.iter().map(Into::into).collect(),
        };
        let mut client = self.control(step).await?;
        // The workers begin by waiting for each other; what comes of it is in the stream.
        let events = self.call(step, 2, client.compute(request)).await?;
        let party = self.party.id.clone();
        let read = move |event: Result<wire::ComputeResponse, Status>| match event {
            Ok(event) => compute_event(&party, event).ok_or_else(|| RunError::Misbehaved {
                party: party.clone(),
                step,
                what: "a malformed report",
            }),
            Err(status) => Err(failure(&party, step, &status)),
        };
        Ok(events.map(read).boxed())
    }

    async fn deal(&self, order: &DealOrder) -> Result<(), RunError> {
        let step = "deal";
        let request = wire::DealRequest {
            session: id_bytes(&order.session.0),
            attempt: id_bytes(&order.attempt.0),
            left: order.left.to_string(),
            right: order.right.to_string(),
        };
        let mut client = self.control(step).await?;
        // Takes as long as the computation: whoever conducts it bounds it.
        let dealt = client.deal(request).await;
        dealt.map(drop).map_err(|status| failure(&self.party.id, step, &status))
    }

    async fn partial(&self, session: SessionId, attempt: AttemptId) -> Result<SignedPartial, RunError> {
        let step = "partial";
        let content = Content::Partial(flight::v1::Partial {
            session: id_bytes(&session.0),
            attempt: id_bytes(&attempt.0),
        });
        let stream = self.get(step, content).await?;
        let partial = flight::decode_partial(stream, limits::MAX_PARTIAL_WORDS)
            .await
            .map_err(|error| self.flight_failure(step, &error))?;
        SignedPartial::read(partial).map_err(|what| self.misbehaved(step, what))
    }

    async fn abort(&self, session: SessionId, attempt: AttemptId) -> Result<(), RunError> {
        let step = "abort";
        let request = wire::AbortRequest { session: id_bytes(&session.0), attempt: id_bytes(&attempt.0) };
        let mut client = self.control(step).await?;
        self.call(step, 1, client.abort(request)).await.map(drop)
    }

    async fn close_session(&self, session: SessionId) -> Result<(), RunError> {
        let step = "close-session";
        let request = wire::CloseSessionRequest { session: id_bytes(&session.0) };
        let mut client = self.control(step).await?;
        self.call(step, 1, client.close_session(request)).await.map(drop)
    }

    async fn link(&self, session: SessionId, attempt: AttemptId) -> Result<PeerLink, RunError> {
        let step = "deal/link";
        let open = peer::Open {
            session: id_bytes(&session.0),
            attempt: id_bytes(&attempt.0),
            purpose: "attempt".to_owned(),
        };
        let request = |content| peer::ExchangeRequest { content: Some(content) };
        let (outgoing, to_carry) = mpsc::channel(LINK_QUEUE);
        let first = stream::once(async move { request(peer::exchange_request::Content::Open(open)) });
        let frames = ReceiverStream::new(to_carry).map(move |(header, body): (Header, Vec<u8>)| {
            let frame = peer::Frame { header: Some(header_to_wire(header)), body: Bytes::from(body) };
            request(peer::exchange_request::Content::Frame(frame))
        });
        let mut client = PeerServiceClient::new(carried(self.channel(step).await?))
            .max_decoding_message_size(limits::MAX_PEER_MESSAGE)
            .max_encoding_message_size(limits::MAX_PEER_MESSAGE);
        let answers = self.call(step, 2, client.exchange(first.chain(frames))).await?;
        let party = self.party.id.clone();
        let read = move |answer: Result<peer::ExchangeResponse, Status>| match answer {
            Ok(answer) => {
                let frame = answer.frame.unwrap_or_default();
                let header = frame.header.and_then(header_from_wire);
                let header = header.ok_or_else(|| RunError::Misbehaved {
                    party: party.clone(),
                    step,
                    what: "a malformed frame",
                })?;
                Ok((header, frame.body))
            }
            Err(status) => Err(failure(&party, step, &status)),
        };
        Ok(PeerLink { outgoing, incoming: answers.map(read).boxed() })
    }
}

fn compute_event(party: &OwnerId, event: wire::ComputeResponse) -> Option<ComputeEvent> {
    use wire::compute_response::Event;
    Some(match event.event? {
        Event::Stage(name) => {
            let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'/');
            let valid = (1..=32).contains(&name.len()) && name.bytes().all(plain);
            ComputeEvent::Stage(valid.then_some(name)?)
        }
        Event::Recorded(wire::Recorded { entry, leaf }) => {
            let leaf = Hash::from_bytes(&leaf).ok()?;
            ComputeEvent::Recorded(Receipt { party: party.clone(), entry, leaf })
        }
        Event::Passed(_) => ComputeEvent::Passed,
        Event::NotCarriedOut(_) => ComputeEvent::NotCarriedOut,
        Event::Shared(_) => ComputeEvent::Shared,
        Event::Ready(ready) => ComputeEvent::Ready { content: Hash::from_bytes(&ready.content).ok()? },
        Event::Refused(refused) => ComputeEvent::Refused(Refusal::of_code(&refused.rule)?),
        Event::Failed(problem) => ComputeEvent::Failed(of_wire(problem)),
    })
}

fn header_to_wire(header: Header) -> peer::Header {
    peer::Header {
        session: id_bytes(&header.session),
        attempt: id_bytes(&header.attempt),
        step: header.step.as_str().to_owned(),
        index: header.index,
        sender: header.sender,
        shape: header.shape,
        transcript: Bytes::copy_from_slice(&header.transcript),
    }
}

fn header_from_wire(header: peer::Header) -> Option<Header> {
    Some(Header {
        session: header.session.as_ref().try_into().ok()?,
        attempt: header.attempt.as_ref().try_into().ok()?,
        step: StepName::new(header.step).ok()?,
        index: header.index,
        sender: header.sender,
        shape: header.shape,
        transcript: header.transcript.as_ref().try_into().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use kobling_proto::convert::problem;

    use super::*;

    fn ssb() -> OwnerId {
        OwnerId::new("ssb").expect("valid")
    }

    #[test]
    fn what_a_node_reports_is_told_from_what_the_broker_notices() {
        let noticed = failure(&ssb(), "offer", &Status::unavailable("10.0.0.7 refused"));
        assert_eq!(noticed, RunError::Unreachable { party: ssb(), step: "offer" });
        assert!(noticed.is_first_hand());
        let krg = OwnerId::new("krg").expect("valid");
        let report = problem::problem(code::UNREACHABLE, &krg, "product", "krg did not answer");
        let reported = failure(&ssb(), "compute", &problem::status(Code::Unavailable, &report));
        assert!(matches!(&reported, RunError::Reported { party, .. } if *party == ssb()));
        assert_eq!(reported.problem().party, Some(krg));
        assert!(!reported.is_first_hand());
    }

    #[test]
    fn a_lost_session_and_an_owners_refusal_are_known_by_their_codes() {
        let report =
            |text| problem::status(Code::NotFound, &problem::problem(text, &ssb(), "offer", "reason"));
        let lost = failure(&ssb(), "offer", &report(UNKNOWN_SESSION));
        assert!(lost.ends_session());
        for text in code::REFUSED_BY_OWNER.iter().copied().chain([code::OWNER_STOPPED]) {
            let refused = failure(&ssb(), "offer", &report(text));
            assert!(matches!(refused, RunError::Denied { .. }) && !refused.ends_session(), "{text}");
        }
    }

    #[test]
    fn malformed_reports_are_no_reports() {
        use wire::compute_response::Event;
        let read = |event| compute_event(&ssb(), wire::ComputeResponse { event });
        assert_eq!(read(None), None);
        assert_eq!(read(Some(Event::Stage("Å\n".into()))), None);
        assert_eq!(read(Some(Event::Stage("x".repeat(33)))), None);
        assert_eq!(read(Some(Event::Ready(wire::Ready { content: Bytes::from_static(b"short") }))), None);
        let nowhere = wire::Recorded { entry: 1, leaf: Bytes::from_static(b"short") };
        assert_eq!(read(Some(Event::Recorded(nowhere))), None);
        assert_eq!(read(Some(Event::Refused(wire::Refused { rule: "because".into() }))), None);
        let floor = Event::Refused(wire::Refused { rule: "population-floor".into() });
        assert_eq!(read(Some(floor)), Some(ComputeEvent::Refused(Refusal::PopulationFloor)));
    }
}
