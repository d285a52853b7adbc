//! Protected tables, over Flight. Nothing else can be fetched here, and nothing can be put.

use std::sync::Arc;

use arrow_flight::flight_service_server::FlightService;
use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo, HandshakeRequest,
    HandshakeResponse, PollInfo, PutResult, SchemaResult, Ticket,
};
use futures::stream::{self, BoxStream, StreamExt};
use kobling_model::JobId;
use kobling_proto::flight::{self, v1::ticket::Content};
use tonic::{Code, Request, Response, Status, Streaming};

use super::{Door, to_wire};
use crate::broker::Broker;
use crate::problem::Problem;
use crate::request::RequestError;

/// The Flight service.
pub struct FlightApi {
    /// The broker.
    pub broker: Arc<Broker>,
    /// Who may ask.
    pub door: Door,
}

impl FlightApi {
    fn nothing<T, R>(&self, request: &Request<R>) -> Result<Response<T>, Status> {
        self.door.platform(request)?;
        let problem =
            Problem::of_request("unimplemented", "the broker only answers DoGet, for protected tables");
        Err(kobling_proto::convert::problem::status(Code::Unimplemented, &to_wire(&problem)))
    }
}

#[tonic::async_trait]
impl FlightService for FlightApi {
    type HandshakeStream = BoxStream<'static, Result<HandshakeResponse, Status>>;
    type ListFlightsStream = BoxStream<'static, Result<FlightInfo, Status>>;
    type DoGetStream = BoxStream<'static, Result<FlightData, Status>>;
    type DoPutStream = BoxStream<'static, Result<PutResult, Status>>;
    type DoExchangeStream = BoxStream<'static, Result<FlightData, Status>>;
    type DoActionStream = BoxStream<'static, Result<arrow_flight::Result, Status>>;
    type ListActionsStream = BoxStream<'static, Result<ActionType, Status>>;

    async fn do_get(&self, request: Request<Ticket>) -> Result<Response<Self::DoGetStream>, Status> {
        self.door.platform(&request)?;
        let malformed = || RequestError::invalid("ticket", "the ticket is not that of a result");
        let content = flight::read_ticket(request.get_ref()).map_err(|_| malformed())?;
        let Content::Result(result) = content else { return Err(malformed().into()) };
        let job = JobId::from_bytes(&result.job).map_err(|_| malformed())?;
        self.broker.get_job(job).await?;
        let table = self.broker.table(job, result.table).await?;
        let batches = flight::table_batches(&table);
        Ok(Response::new(stream::iter(batches.into_iter().map(Ok)).boxed()))
    }

    async fn handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Self::HandshakeStream>, Status> {
        self.nothing(&request)
    }

    async fn list_flights(
        &self,
        request: Request<Criteria>,
    ) -> Result<Response<Self::ListFlightsStream>, Status> {
        self.nothing(&request)
    }

    async fn get_flight_info(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.nothing(&request)
    }

    async fn poll_flight_info(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<PollInfo>, Status> {
        self.nothing(&request)
    }

    async fn get_schema(&self, request: Request<FlightDescriptor>) -> Result<Response<SchemaResult>, Status> {
        self.nothing(&request)
    }

    async fn do_put(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoPutStream>, Status> {
        self.nothing(&request)
    }

    async fn do_exchange(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoExchangeStream>, Status> {
        self.nothing(&request)
    }

    async fn do_action(&self, request: Request<Action>) -> Result<Response<Self::DoActionStream>, Status> {
        self.nothing(&request)
    }

    async fn list_actions(
        &self,
        request: Request<Empty>,
    ) -> Result<Response<Self::ListActionsStream>, Status> {
        self.nothing(&request)
    }
}
