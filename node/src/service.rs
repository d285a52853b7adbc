//! What the broker may ask of this node: wire messages in, wire messages out, nothing else.

use std::pin::Pin;
use std::sync::Arc;

use futures::Stream;
use kobling_model::catalogue::Catalogue;
use kobling_model::federation::Federation;
use kobling_model::plan::Release;
use kobling_model::record::Asker;
use kobling_model::record::Receipt;
use kobling_model::rules::Rules;
use kobling_model::{OwnerId, SessionId};
use kobling_proto::convert;
use kobling_proto::node::v1 as wire;
use kobling_proto::node::v1::compute_response::Event as WireEvent;
use kobling_proto::node::v1::node_service_server::NodeService;
use kobling_proto::observe::Step;
use kobling_proto::observe::context::{TraceContext, within};
use kobling_proto::transport::{Caller, Callers};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::conduct::{Progress, Question};
use crate::error::NodeError;
use crate::node::{Node, now_ms};
use crate::observe::Stages;

/// The control service. Admits the broker's certificate only.
pub struct Control {
    /// The node.
    pub node: Arc<Node>,
    /// Tells who calls.
    pub callers: Arc<Callers>,
}

impl Control {
    /// The request, and the span in which the broker asks.
    fn of_broker<T>(&self, request: Request<T>) -> Result<(T, Option<TraceContext>), Status> {
        only_broker(&self.callers, &request, &self.node.me)?;
        let asked_in = TraceContext::of_request(&request);
        Ok((request.into_inner(), asked_in))
    }
}

/// Refuses everybody but the broker.
///
/// # Errors
/// `PERMISSION_DENIED`, or `UNAUTHENTICATED` with what is wrong with the certificate.
pub fn only_broker<T>(callers: &Callers, request: &Request<T>, me: &OwnerId) -> Result<(), Status> {
    match callers.identify(request).map_err(|status| *status)? {
        Caller::Broker => Ok(()),
        _ => Err(NodeError::NotAPeer { party: me.clone() }.into()),
    }
}

fn invalid(error: convert::InvalidMessage) -> Status {
    NodeError::Invalid { field: error.field }.into()
}

fn owners(names: &[String], field: &'static str) -> Result<Vec<OwnerId>, Status> {
    names.iter().map(|name| convert::owner(name, field).map_err(invalid)).collect()
}

#[tonic::async_trait]
impl NodeService for Control {
    type ComputeStream = Pin<Box<dyn Stream<Item = Result<wire::ComputeResponse, Status>> + Send>>;

    async fn describe(
        &self,
        request: Request<wire::DescribeRequest>,
    ) -> Result<Response<wire::DescribeResponse>, Status> {
        self.of_broker(request)?;
        let node = &self.node;
        let missing = node.founding.missing();
        let waiting_for: Vec<_> = missing.iter().map(|name| name.to_text()).collect();
        Ok(Response::new(wire::DescribeResponse {
            owner: node.me.to_string(),
            federation: convert::hash_bytes(&node.federation.hash()),
            datastores: node.catalogue().iter().map(Into::into).collect(),
            ready: missing.is_empty(),
            waiting_for: waiting_for.join(", "),
            incarnation: bytes::Bytes::copy_from_slice(&node.incarnation),
        }))
    }

    async fn open_session(
        &self,
        request: Request<wire::OpenSessionRequest>,
    ) -> Result<Response<wire::OpenSessionResponse>, Status> {
        let (request, asked_in) = self.of_broker(request)?;
        let session = convert::session(&request.session).map_err(invalid)?;
        let linking = owners(&request.linking, "linking")?;
        let members = owners(&request.members, "members")?;
        let releases: Result<Vec<Release>, _> = request.releases.into_iter().map(TryInto::try_into).collect();
        let releases = releases.map_err(invalid)?;
        let asker: Asker =
            request.asker.ok_or(NodeError::Invalid { field: "asker" })?.try_into().map_err(invalid)?;
        check_names(&self.node.federation, &self.node.me, &linking, &members, &releases)?;
        let opened = self.node.clone().open_session(session, linking, members, releases, asker);
        self.node.telemetry.step(Step::SessionOpen).of(session).asked_by(asked_in).watch(opened).await?;
        Ok(Response::new(wire::OpenSessionResponse {}))
    }

    async fn confirm_alignment(
        &self,
        request: Request<wire::ConfirmAlignmentRequest>,
    ) -> Result<Response<wire::ConfirmAlignmentResponse>, Status> {
        let (request, asked_in) = self.of_broker(request)?;
        let session = convert::session(&request.session).map_err(invalid)?;
        let unit_type = convert::unit_type(&request.unit_type).map_err(invalid)?;
        let confirmed = self.node.confirm_alignment(session, unit_type);
        self.node.telemetry.step(Step::LinkCanaries).of(session).asked_by(asked_in).watch(confirmed).await?;
        Ok(Response::new(wire::ConfirmAlignmentResponse {}))
    }

    async fn admit(
        &self,
        request: Request<wire::AdmitRequest>,
    ) -> Result<Response<wire::AdmitResponse>, Status> {
        let (request, asked_in) = self.of_broker(request)?;
        let session = convert::session(&request.session).map_err(invalid)?;
        let job = convert::job(&request.job).map_err(invalid)?;
        let signed = request.signed.ok_or(NodeError::Invalid { field: "signed" })?.into();
        let admitted = self.node.admit(session, job, signed, now_ms());
        self.node.telemetry.step(Step::Admit).of(session).asked_by(asked_in).watch(admitted).await?;
        Ok(Response::new(wire::AdmitResponse {}))
    }

    async fn offer(
        &self,
        request: Request<wire::OfferRequest>,
    ) -> Result<Response<wire::OfferResponse>, Status> {
        let (request, asked_in) = self.of_broker(request)?;
        let session = convert::session(&request.session).map_err(invalid)?;
        let job = convert::job(&request.job).map_err(invalid)?;
        let plan = convert::hash(&request.plan, "plan").map_err(invalid)?;
        let datastores: Result<Vec<_>, _> = request.catalogue.into_iter().map(TryInto::try_into).collect();
        let catalogue = Catalogue { datastores: datastores.map_err(invalid)? };
        let node = self.node.clone();
        let judged = async {
            let script = node.sessions.get(session, &node.me)?.take_script(job)?;
            tokio::task::spawn_blocking(move || node.judge(session, job, &script, catalogue, plan))
                .await
                .map_err(|_| NodeError::Internal { party: self.node.me.clone(), step: "judge" })?
        };
        let rules =
            self.node.telemetry.step(Step::Offer).of(session).asked_by(asked_in).watch(judged).await?;
        Ok(Response::new(wire::OfferResponse { rules: Some((&rules).into()) }))
    }

    async fn revise(
        &self,
        request: Request<wire::ReviseRequest>,
    ) -> Result<Response<wire::ReviseResponse>, Status> {
        let (request, asked_in) = self.of_broker(request)?;
        let session = convert::session(&request.session).map_err(invalid)?;
        let job = convert::job(&request.job).map_err(invalid)?;
        let plan = convert::hash(&request.plan, "plan").map_err(invalid)?;
        let node = self.node.clone();
        let revised = async {
            tokio::task::spawn_blocking(move || node.revise(session, job, &request.edits, plan))
                .await
                .map_err(|_| NodeError::Internal { party: self.node.me.clone(), step: "revise" })?
        };
        self.node.telemetry.step(Step::Revise).of(session).asked_by(asked_in).watch(revised).await?;
        Ok(Response::new(wire::ReviseResponse {}))
    }

    async fn compute(
        &self,
        request: Request<wire::ComputeRequest>,
    ) -> Result<Response<Self::ComputeStream>, Status> {
        let (request, asked_in) = self.of_broker(request)?;
        let rules: Result<Vec<Rules>, _> = request.rules.into_iter().map(TryInto::try_into).collect();
        let question = Question {
            session: convert::session(&request.session).map_err(invalid)?,
            job: convert::job(&request.job).map_err(invalid)?,
            attempt: convert::attempt(&request.attempt).map_err(invalid)?,
            index: request.question,
            rules: rules.map_err(invalid)?,
        };
        let (progress, reports) = mpsc::channel(16);
        let mut stages = Stages::begin(&self.node.telemetry, question.session, asked_in);
        tokio::spawn(within(stages.context(), self.node.clone().conduct(question, progress)));
        let reports = ReceiverStream::new(reports).map(move |report| {
            stages.see(&report);
            Ok(to_wire(report))
        });
        Ok(Response::new(Box::pin(reports)))
    }

    async fn deal(
        &self,
        request: Request<wire::DealRequest>,
    ) -> Result<Response<wire::DealResponse>, Status> {
        let (request, asked_in) = self.of_broker(request)?;
        let session = convert::session(&request.session).map_err(invalid)?;
        let attempt = convert::attempt(&request.attempt).map_err(invalid)?;
        let left = convert::owner(&request.left, "left").map_err(invalid)?;
        let right = convert::owner(&request.right, "right").map_err(invalid)?;
        let dealt = self.node.clone().deal(session, attempt, left, right);
        self.node.telemetry.step(Step::Deal).of(session).asked_by(asked_in).watch(dealt).await?;
        Ok(Response::new(wire::DealResponse {}))
    }

    async fn abort(
        &self,
        request: Request<wire::AbortRequest>,
    ) -> Result<Response<wire::AbortResponse>, Status> {
        let (request, _) = self.of_broker(request)?;
        let session = convert::session(&request.session).map_err(invalid)?;
        let attempt = convert::attempt(&request.attempt).map_err(invalid)?;
        self.node.abort(session, attempt)?;
        Ok(Response::new(wire::AbortResponse {}))
    }

    async fn close_session(
        &self,
        request: Request<wire::CloseSessionRequest>,
    ) -> Result<Response<wire::CloseSessionResponse>, Status> {
        let (request, _) = self.of_broker(request)?;
        let session: SessionId = convert::session(&request.session).map_err(invalid)?;
        self.node.sessions.close(session);
        Ok(Response::new(wire::CloseSessionResponse {}))
    }
}

/// Every name must be on this node's own roster: a broker cannot invent a node and so learn the salt.
fn check_names(
    federation: &Federation,
    me: &OwnerId,
    linking: &[OwnerId],
    members: &[OwnerId],
    releases: &[Release],
) -> Result<(), NodeError> {
    let distinct = |names: &[OwnerId]| {
        let mut sorted = names.to_vec();
        sorted.sort();
        sorted.dedup();
        sorted.len() == names.len()
    };
    let known = members.iter().all(|name| federation.node(name).is_some());
    let within = linking.iter().all(|name| members.contains(name));
    let owned = releases.iter().all(|release| linking.contains(&release.owner));
    if known && within && owned && members.contains(me) && distinct(members) && distinct(linking) {
        Ok(())
    } else {
        Err(NodeError::NotOnTheRoster { party: me.clone() })
    }
}

fn to_wire(progress: Progress) -> wire::ComputeResponse {
    let event = match progress {
        Progress::Stage(name) => WireEvent::Stage(name.to_owned()),
        Progress::Recorded(Receipt { entry, leaf, .. }) => {
            WireEvent::Recorded(wire::Recorded { entry, leaf: convert::hash_bytes(&leaf) })
        }
        Progress::Passed => WireEvent::Passed(wire::Passed {}),
        Progress::NotCarriedOut => WireEvent::NotCarriedOut(wire::NotCarriedOut {}),
        Progress::Shared => WireEvent::Shared(wire::Shared {}),
        Progress::Ready(content) => WireEvent::Ready(wire::Ready { content: convert::hash_bytes(&content) }),
        Progress::Refused(rule) => WireEvent::Refused(wire::Refused { rule: rule.code().to_owned() }),
        Progress::Failed(error) => WireEvent::Failed(error.problem()),
    };
    wire::ComputeResponse { event: Some(event) }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use kobling_model::federation::{Party, Platform};

    use super::*;

    #[test]
    fn a_session_that_names_an_invented_node_is_refused() {
        let id = |text: &str| OwnerId::new(text).expect("valid");
        let party = |text: &str| Party {
            id: id(text),
            uri: format!("kobling://{text}"),
            address: SocketAddr::from(([127, 0, 0, 1], 1)),
            authority: String::new(),
            signing_key: String::new(),
        };
        let federation = Federation {
            name: "test".into(),
            broker: party("broker"),
            platform: Platform {
                uri: "kobling://platform".into(),
                authority: String::new(),
                signing_key: String::new(),
            },
            nodes: vec![party("ssb"), party("krg")],
        };
        let check = |linking: &[&str], members: &[&str]| {
            let names = |names: &[&str]| names.iter().map(|name| id(name)).collect::<Vec<_>>();
            check_names(&federation, &id("ssb"), &names(linking), &names(members), &[])
        };
        assert!(check(&["ssb", "krg"], &["ssb", "krg"]).is_ok());
        let refused = Err(NodeError::NotOnTheRoster { party: id("ssb") });
        assert_eq!(check(&["ssb", "spy"], &["ssb", "spy"]), refused);
        assert_eq!(check(&["ssb", "broker"], &["ssb", "krg", "broker"]), refused);
        assert_eq!(check(&["krg"], &["krg"]), refused);
        assert_eq!(check(&["ssb", "ssb"], &["ssb", "krg"]), refused);
        assert_eq!(check(&["ssb", "krg"], &["ssb"]), refused);
    }
}
