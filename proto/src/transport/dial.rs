//! Dialling a party of the roster, with every reason for failure known at once.
//!
//! TLS is done here, not by tonic, which hides the server's certificate and the kind of a failure.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use kobling_model::OwnerId;
use kobling_model::federation::Party;
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

use super::certificate::{authorities, uri_name};
use super::traffic::{Counted, Flow};
use super::{CertificateFault, Credentials, Traffic};
use crate::limits;

/// Why a party could not be reached. Says whom, never where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialError {
    /// The party dialled.
    pub party: OwnerId,
    /// What happened.
    pub kind: DialErrorKind,
}

/// What happened on dialling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DialErrorKind {
    /// Nobody answers there, or not in our protocol.
    Unreachable,
    /// A certificate was refused: theirs by us, or ours by them ([`CertificateFault::OursRefused`]).
    CertificateRefused(CertificateFault),
    /// No answer in the time given.
    TimedOut,
}

impl std::fmt::Display for DialError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let party = &self.party;
        match self.kind {
            DialErrorKind::Unreachable => write!(f, "{party} cannot be reached"),
            DialErrorKind::TimedOut => write!(f, "{party} did not answer in time"),
            DialErrorKind::CertificateRefused(fault) => write!(f, "no connection with {party}: {fault}"),
        }
    }
}

impl Error for DialError {}

/// Connects to a party and proves on both sides who is there.
///
/// - The only root of trust is the party's own authority; the certificate must carry the DNS name
///   `<id>.kobling` and the URI name in the roster. TLS 1.3 only.
/// - In TLS 1.3 a client learns only after its handshake whether its own certificate was accepted, so the
///   server's first bytes (its HTTP/2 settings) are awaited too.
/// - `timeout` bounds all of this, on the first connection and on each that the channel makes by itself
///   after a break, with the same checks. Calls get their own deadlines from the caller.
///
/// # Errors
/// [`DialError`]. A later break shows as a status, for
/// [`problem_of`](crate::convert::problem::problem_of).
pub async fn dial(party: &Party, credentials: &Credentials, timeout: Duration) -> Result<Channel, DialError> {
    dial_counted(party, credentials, timeout, &Traffic::default()).await
}

/// As [`dial`], with the bytes of the connection, and of those that the channel makes after a break, counted in
/// `traffic`.
///
/// # Errors
/// As [`dial`].
pub async fn dial_counted(
    party: &Party,
    credentials: &Credentials,
    timeout: Duration,
    traffic: &Traffic,
) -> Result<Channel, DialError> {
    let error = |kind| DialError { party: party.id.clone(), kind };
    let refused = |fault| error(DialErrorKind::CertificateRefused(fault));
    let tls = Arc::new(client_config(party, credentials).map_err(refused)?);
    let host = format!("{}.kobling", party.id);
    let target = Arc::new(Target {
        name: ServerName::try_from(host.clone()).map_err(|_| refused(CertificateFault::OtherName))?,
        uri: party.uri.clone(),
        address: party.address,
        tls,
        timeout,
        flow: traffic.dialled(&party.id),
    });
    // The scheme is plain for tonic, since the connector below brings encrypted streams; callees see `https`.
    let uri = |scheme: &str| {
        format!("{scheme}://{host}").parse::<Uri>().map_err(|_| error(DialErrorKind::Unreachable))
    };
    let endpoint = Endpoint::from(uri("http")?)
        .origin(uri("https")?)
        .initial_stream_window_size(limits::STREAM_WINDOW_BYTES)
        .initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES)
        .http2_adaptive_window(false)
        .max_frame_size(limits::FRAME_BYTES)
        .http2_max_header_list_size(limits::MAX_HEADER_LIST_BYTES)
        .http2_keep_alive_interval(limits::KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(limits::KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true);
    let id = party.id.clone();
    let connector = service_fn(move |_: Uri| {
        let (target, id) = (target.clone(), id.clone());
        async move {
            let connected = tokio::time::timeout(target.timeout, target.connect()).await;
            connected
                .unwrap_or(Err(DialErrorKind::TimedOut))
                .map(TokioIo::new)
                .map_err(|kind| DialError { party: id, kind })
        }
    });
    endpoint.connect_with_connector(connector).await.map_err(|source| {
        let mut next: Option<&(dyn Error + 'static)> = Some(&source);
        while let Some(cause) = next {
            if let Some(found) = cause.downcast_ref::<DialError>() {
                return found.clone();
            }
            next = cause.source();
        }
        error(DialErrorKind::Unreachable)
    })
}

fn client_config(party: &Party, credentials: &Credentials) -> Result<ClientConfig, CertificateFault> {
    let mut roots = RootCertStore::empty();
    for authority in authorities(&party.authority)? {
        roots.add(authority).map_err(|_| CertificateFault::AuthorityUnreadable)?;
    }
    let (chain, key) = credentials.parse().ok_or(CertificateFault::OwnUnreadable)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider has suites of TLS 1.3")
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .map_err(|_| CertificateFault::OwnUnreadable)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

/// Whom to connect to, and how to know that it is them.
struct Target {
    name: ServerName<'static>,
    uri: String,
    address: SocketAddr,
    tls: Arc<ClientConfig>,
    timeout: Duration,
    flow: Arc<Flow>,
}

type Tcp = Counted<TcpStream>;

impl Target {
    async fn connect(&self) -> Result<BufReader<TlsStream<Tcp>>, DialErrorKind> {
        let tcp = TcpStream::connect(self.address).await.map_err(|_| DialErrorKind::Unreachable)?;
        tcp.set_nodelay(true).map_err(|_| DialErrorKind::Unreachable)?;
        let tcp = Counted::new(tcp, self.flow.clone());
        let connector = TlsConnector::from(self.tls.clone());
        let stream = connector.connect(self.name.clone(), tcp).await.map_err(|error| kind(&error))?;
        self.check_uri(&stream).map_err(DialErrorKind::CertificateRefused)?;
        // Bytes stay in the buffer for HTTP/2; an alert in their place is the refusal of our certificate.
        let mut stream = BufReader::new(stream);
        match stream.fill_buf().await {
            Ok([]) => Err(DialErrorKind::Unreachable),
            Ok(_) => Ok(stream),
            Err(error) => Err(kind(&error)),
        }
    }

    fn check_uri(&self, stream: &TlsStream<Tcp>) -> Result<(), CertificateFault> {
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let leaf = chain.first().ok_or(CertificateFault::Missing)?;
        if uri_name(leaf)? == self.uri { Ok(()) } else { Err(CertificateFault::OtherName) }
    }
}

/// What an I/O error on a TLS stream means; the cause of TLS lies within.
fn kind(error: &io::Error) -> DialErrorKind {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(fault)) => DialErrorKind::CertificateRefused(theirs(fault)),
        Some(rustls::Error::NoCertificatesPresented) => {
            DialErrorKind::CertificateRefused(CertificateFault::Missing)
        }
        Some(rustls::Error::AlertReceived(alert)) if is_about_certificates(*alert) => {
            DialErrorKind::CertificateRefused(CertificateFault::OursRefused)
        }
        _ => DialErrorKind::Unreachable,
    }
}

fn theirs(fault: &CertificateError) -> CertificateFault {
    match fault {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => CertificateFault::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            CertificateFault::NotYetValid
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            CertificateFault::OtherName
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => CertificateFault::OtherAuthority,
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            CertificateFault::WrongUse
        }
        _ => CertificateFault::Unreadable,
    }
}

fn is_about_certificates(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRequired
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError
    )
}
