//! A collector of spans, as an operator has one: OTLP's trace service over gRPC, which keeps whatever it is sent.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tokio::runtime::Runtime;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// A collector on loopback.
pub struct Collector {
    address: SocketAddr,
    received: Received,
    _runtime: Runtime,
}

/// A message and the metadata that came with it.
#[derive(Clone, Debug)]
pub struct Message {
    /// Names and values.
    pub metadata: Vec<(String, String)>,
    /// What was said.
    pub request: ExportTraceServiceRequest,
}

#[derive(Clone, Default)]
struct Received(Arc<Mutex<Vec<Message>>>);

impl Collector {
    /// Starts to listen.
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("bound");
        let received = Received::default();
        let service = TraceServiceServer::new(received.clone());
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
            let server = Server::builder().add_service(service);
            server.serve_with_incoming(TcpIncoming::from(listener)).await.expect("serves");
        });
        Self { address, received, _runtime: runtime }
    }

    /// What a configuration file calls it.
    pub fn uri(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All that has come so far.
    pub fn messages(&self) -> Vec<Message> {
        self.received.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[tonic::async_trait]
impl TraceService for Received {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let headers = request.metadata().clone().into_headers();
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let metadata =
            headers.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect();
        let message = Message { metadata, request: request.into_inner() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(message);
        Ok(Response::new(ExportTraceServiceResponse { partial_success: None }))
    }
}
