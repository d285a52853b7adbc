//! Mutual TLS: a server that demands certificates, who is calling, and dialling a party of the roster.
//!
//! Every party has an authority of its own, and the roster says which. So an authority vouches for one
//! name only:
//!
//! - **Dialling** ([`dial`]): the only root is the authority of the party dialled; the certificate must carry its DNS name
//!   `<id>.kobling` and its URI name. The party's refusal of our certificate is awaited, so that it is an
//!   error of the dial and not of some later call.
//! - **Being called** ([`Callers`]): TLS admits certificates of any authority in the roster; the leaf is then
//!   checked once more against the authority of the one party whose name it carries.
//!
//! What a caller may do is decided by the service, from [`Caller`]. Bytes on the sockets are counted in [`Traffic`].

mod callers;
mod certificate;
mod dial;
mod traffic;

use std::{fmt, io};

use futures::{Stream, TryStreamExt};

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tonic::transport::server::{ServerTlsConfig, TcpIncoming};
use tonic::transport::{Certificate, Identity, Server};

pub use callers::{Caller, CallerRefused, Callers};
pub use certificate::{CertificateFault, CertificateInfo, certificate_info};
pub use dial::{DialError, DialErrorKind, dial, dial_counted};
pub use traffic::{Counted, End, Passed, Traffic};

use crate::limits;

/// A party's certificate chain and private key, as PEM.
#[derive(Clone)]
pub struct Credentials {
    /// The party's own certificate first, then those that lead to its authority, if any.
    pub certificate_pem: String,
    /// The certificate's private key.
    pub key_pem: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("key_pem", &"hidden").finish_non_exhaustive()
    }
}

/// Why a server cannot be set up. The operator must mend a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// Not a certificate and its key.
    #[error("this party's own certificate or key cannot be read, or they do not belong together")]
    Credentials,
    /// Not a certificate of an authority.
    #[error("the certificate of the authority of {of} cannot be read")]
    Authority {
        /// Whose, by its name in the roster, or which in the order given.
        of: String,
    },
}

/// A server that admits only callers with a certificate of one of `authorities` (PEM).
///
/// Windows and frames are sized for columns ([`limits`]); silent connections are asked whether they live; floods of
/// streams and resets end the connection that they come from. Set the message limits of each service
/// with `max_decoding_message_size`.
///
/// # Errors
/// [`TransportError`] for PEM that cannot be read.
pub fn server(credentials: &Credentials, authorities: &[&str]) -> Result<Server, TransportError> {
    for (at, authority) in authorities.iter().enumerate() {
        certificate::anchors(authority)
            .map_err(|_| TransportError::Authority { of: format!("number {}", at + 1) })?;
    }
    credentials.parse().ok_or(TransportError::Credentials)?;
    let tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(&credentials.certificate_pem, &credentials.key_pem))
        .client_ca_root(Certificate::from_pem(authorities.join("\n")))
        .timeout(limits::HANDSHAKE_TIMEOUT);
    let server = Server::builder()
        .tcp_nodelay(true)
        .max_frame_size(limits::FRAME_BYTES)
        .initial_stream_window_size(limits::STREAM_WINDOW_BYTES)
        .initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES)
        .http2_adaptive_window(Some(false))
        .http2_keepalive_interval(Some(limits::KEEP_ALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(limits::KEEP_ALIVE_TIMEOUT))
        .http2_max_header_list_size(limits::MAX_HEADER_LIST_BYTES)
        .max_concurrent_streams(limits::MAX_CONCURRENT_STREAMS)
        .http2_max_pending_accept_reset_streams(Some(limits::MAX_PENDING_RESETS))
        .http2_max_local_error_reset_streams(Some(limits::MAX_ERROR_RESETS));
    server.tls_config(tls).map_err(|_| TransportError::Credentials)
}

/// Connections to a listener, for `serve_with_incoming`: small messages leave at once, and ends that have
/// vanished are noticed by TCP too. Their bytes are counted in `traffic`.
pub fn incoming(
    listener: TcpListener,
    traffic: &Traffic,
) -> impl Stream<Item = io::Result<Counted<TcpStream>>> + use<> {
    let connections = TcpIncoming::from(listener);
    let connections = connections.with_nodelay(Some(true)).with_keepalive(Some(limits::KEEP_ALIVE_TIMEOUT));
    let flow = traffic.accepted();
    connections.map_ok(move |connection| Counted::new(connection, flow.clone()))
}

impl Credentials {
    fn parse(&self) -> Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
        let chain: Vec<_> =
            CertificateDer::pem_slice_iter(self.certificate_pem.as_bytes()).collect::<Result<_, _>>().ok()?;
        let key = PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes()).ok()?;
        (!chain.is_empty()).then_some((chain, key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_does_not_show_the_key() {
        let credentials =
            Credentials { certificate_pem: "certificate".into(), key_pem: "the secret key".into() };
        assert!(!format!("{credentials:?}").contains("secret"));
    }

    #[test]
    fn unreadable_files_are_named() {
        let credentials = Credentials { certificate_pem: String::new(), key_pem: String::new() };
        assert_eq!(server(&credentials, &[]).err(), Some(TransportError::Credentials));
        let of = "number 1".to_owned();
        assert_eq!(server(&credentials, &["nonsense"]).err(), Some(TransportError::Authority { of }));
    }
}
