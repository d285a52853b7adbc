//! Columns between broker and node: tokens out, row numbers in, partial aggregates out. Nothing else is offered.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use arrow_flight::flight_service_server::FlightService;
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo, HandshakeRequest,
    HandshakeResponse, PollInfo, PutResult, SchemaResult, Ticket,
};
use futures::Stream;
use kobling_model::partial::PartialAggregate;
use kobling_proto::flight::v1::ticket::Content;
use kobling_proto::flight::{self, FlightError};
use kobling_proto::observe::Step;
use kobling_proto::observe::context::TraceContext;
use kobling_proto::transport::Callers;
use kobling_proto::{convert, limits};
use tonic::{Request, Response, Status, Streaming};

use crate::error::NodeError;
use crate::node::Node;
use crate::service::only_broker;
use crate::session::Fetchable;

/// The Flight service. Admits the broker's certificate only.
pub struct Columns {
    /// The node.
    pub node: Arc<Node>,
    /// Tells who calls.
    pub callers: Arc<Callers>,
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send + 'static>>;

fn invalid(field: &'static str) -> Status {
    NodeError::Invalid { field }.into()
}

fn not_offered<T>() -> Result<T, Status> {
    Err(Status::unimplemented("a node offers tokens, row numbers and partial aggregates only"))
}

impl Columns {
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Node) -> Result<T, NodeError> + Send + 'static,
    ) -> Result<T, Status> {
        let node = self.node.clone();
        let done = tokio::task::spawn_blocking(move || work(&node)).await;
        Ok(done.map_err(|_| self.node.internal("link"))??)
    }
}

#[tonic::async_trait]
impl FlightService for Columns {
    type HandshakeStream = Answers<HandshakeResponse>;
    type ListFlightsStream = Answers<FlightInfo>;
    type DoGetStream = Answers<FlightData>;
    type DoPutStream = Answers<PutResult>;
    type DoActionStream = Answers<arrow_flight::Result>;
    type ListActionsStream = Answers<ActionType>;
    type DoExchangeStream = Answers<FlightData>;

    async fn do_get(&self, request: Request<Ticket>) -> Result<Response<Self::DoGetStream>, Status> {
        only_broker(&self.callers, &request, &self.node.me)?;
        let asked_in = TraceContext::of_request(&request);
        let ticket = flight::read_ticket(request.get_ref()).map_err(|_| invalid("ticket"))?;
        match ticket {
            Content::Tokens(asked) => {
                let session = convert::session(&asked.session).map_err(|error| invalid(error.field))?;
                let unit_type = convert::unit_type(&asked.unit_type).map_err(|error| invalid(error.field))?;
                let tokens = self.blocking(move |node| node.tokens(session, unit_type));
                let span = self.node.telemetry.step(Step::LinkTokens).of(session).asked_by(asked_in);
                let tokens = span.watch(tokens).await?;
                Ok(Response::new(Box::pin(flight::tokens_stream(tokens))))
            }
            Content::Partial(asked) => {
                let session = convert::session(&asked.session).map_err(|error| invalid(error.field))?;
                let attempt = convert::attempt(&asked.attempt).map_err(|error| invalid(error.field))?;
                let session = self.node.sessions.get(session, &self.node.me)?;
                // Handed out once: its outcome was recorded before it was put here.
                self.node.gate()?;
                let fetched = session.state().partials.remove(&attempt);
                let fetched = fetched.ok_or(NodeError::NotGranted { step: "combine" })?;
                self.node.may_go_on(&fetched.allowance)?;
                let Fetchable { partial, signature, .. } = fetched;
                let metadata = BTreeMap::from([
                    ("signature".to_owned(), hex::encode(signature)),
                    ("transcript.sent".to_owned(), partial.sent.to_string()),
                    ("transcript.received".to_owned(), partial.received.to_string()),
                ]);
                let PartialAggregate { shares, sums, squares, .. } = partial;
                let partial = flight::Partial { values: shares, sums, squares, metadata };
                Ok(Response::new(Box::pin(flight::partial_stream(partial))))
            }
            _ => not_offered(),
        }
    }

    async fn do_put(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoPutStream>, Status> {
        only_broker(&self.callers, &request, &self.node.me)?;
        let asked_in = TraceContext::of_request(&request);
        let me = &self.node.me;
        let broken = |error: FlightError| {
            convert::problem::status(
                tonic::Code::InvalidArgument,
                &error.problem(&self.node.federation.broker.id, "link"),
            )
        };
        let (content, stream) = flight::read_put(request.into_inner()).await.map_err(broken)?;
        let Content::RowNumbers(put) = content else { return not_offered() };
        let session = convert::session(&put.session).map_err(|error| invalid(error.field))?;
        let unit_type = convert::unit_type(&put.unit_type).map_err(|error| invalid(error.field))?;
        self.node.sessions.get(session, me)?;
        let rows = flight::decode_u32(stream, limits::MAX_TOKENS).await.map_err(broken)?;
        let aligned = self.blocking(move |node| node.align(session, unit_type, put.rows, &rows));
        let span = self.node.telemetry.step(Step::LinkAlign).of(session).asked_by(asked_in);
        span.public_rows(put.rows).watch(aligned).await?;
        Ok(Response::new(Box::pin(futures::stream::empty())))
    }

    async fn handshake(
        &self,
        _: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Self::HandshakeStream>, Status> {
        not_offered()
    }

    async fn list_flights(&self, _: Request<Criteria>) -> Result<Response<Self::ListFlightsStream>, Status> {
        not_offered()
    }

    async fn get_flight_info(&self, _: Request<FlightDescriptor>) -> Result<Response<FlightInfo>, Status> {
        not_offered()
    }

    async fn poll_flight_info(&self, _: Request<FlightDescriptor>) -> Result<Response<PollInfo>, Status> {
        not_offered()
    }

    async fn get_schema(&self, _: Request<FlightDescriptor>) -> Result<Response<SchemaResult>, Status> {
        not_offered()
    }

    async fn do_action(&self, _: Request<Action>) -> Result<Response<Self::DoActionStream>, Status> {
        not_offered()
    }

    async fn list_actions(&self, _: Request<Empty>) -> Result<Response<Self::ListActionsStream>, Status> {
        not_offered()
    }

    async fn do_exchange(
        &self,
        _: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoExchangeStream>, Status> {
        not_offered()
    }
}
