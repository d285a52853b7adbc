//! Who is calling: from a client certificate to a party of the roster.

use kobling_model::federation::Federation;
use kobling_model::{Hash, OwnerId};
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use tonic::{Code, Request, Status};
use webpki::{EndEntityCert, KeyUsage};

use super::certificate::{anchors, uri_name};
use super::{CertificateFault, TransportError};
use crate::common::v1::Problem;
use crate::convert::problem;

/// A caller whose certificate has been checked against the authority of the party it claims to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// A node of the roster.
    Node(OwnerId),
    /// The roster's broker.
    Broker,
    /// The central platform.
    Platform {
        /// SHA-256 of its certificate (DER), which goes into every record.
        certificate: Hash,
    },
}

/// All who may call, from the pinned roster.
#[derive(Debug, Clone)]
pub struct Callers {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    uri: String,
    name: String,
    who: Who,
    anchors: Vec<TrustAnchor<'static>>,
}

#[derive(Debug, Clone)]
enum Who {
    Node(OwnerId),
    Broker,
    Platform,
}

/// Why a caller was not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a call was refused: {fault}")]
pub struct CallerRefused {
    /// Whom the certificate names, if that is somebody in the roster. Nothing is proven.
    pub claimed: Option<String>,
    /// Which check failed.
    pub fault: CertificateFault,
}

impl Callers {
    /// Takes names and authorities from the roster.
    ///
    /// # Errors
    /// [`TransportError::Authority`] names the party whose authority cannot be read.
    pub fn new(federation: &Federation) -> Result<Self, TransportError> {
        let entry = |uri: &str, name: &str, who: Who, authority: &str| {
            let anchors =
                anchors(authority).map_err(|_| TransportError::Authority { of: name.to_owned() })?;
            Ok(Entry { uri: uri.to_owned(), name: name.to_owned(), who, anchors })
        };
        let broker = &federation.broker;
        let platform = &federation.platform;
        let mut entries = vec![
            entry(&broker.uri, broker.id.as_str(), Who::Broker, &broker.authority)?,
            entry(&platform.uri, "platform", Who::Platform, &platform.authority)?,
        ];
        for node in &federation.nodes {
            entries.push(entry(&node.uri, node.id.as_str(), Who::Node(node.id.clone()), &node.authority)?);
        }
        Ok(Self { entries })
    }

    /// Who sends this request.
    ///
    /// # Errors
    /// `Unauthenticated`, with a problem that says which check failed and names the party claimed to be.
    pub fn identify<T>(&self, request: &Request<T>) -> Result<Caller, Box<Status>> {
        let chain = request.peer_certs();
        let chain = chain.as_deref().map_or(&[][..], Vec::as_slice);
        self.identify_chain(chain, UnixTime::now()).map_err(|refused| Box::new(refused.status()))
    }

    /// Whose certificate chain this is, at a time.
    ///
    /// 1. The leaf's URI name finds the party in the roster; so far it is a claim.
    /// 2. The leaf must chain to that party's own authority: the handshake has accepted any authority of
    ///    the roster, and one party's must not be able to vouch for another.
    /// 3. It must be valid now, since a connection may outlive its certificate.
    ///
    /// # Errors
    /// [`CallerRefused`].
    pub fn identify_chain(
        &self,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<Caller, CallerRefused> {
        let nobody = |fault| CallerRefused { claimed: None, fault };
        let (leaf, intermediates) = chain.split_first().ok_or(nobody(CertificateFault::Missing))?;
        let uri = uri_name(leaf).map_err(nobody)?;
        let entry = self
            .entries
            .iter()
            .find(|entry| entry.uri == uri)
            .ok_or(nobody(CertificateFault::UnknownName))?;
        verify(leaf, intermediates, &entry.anchors, now)
            .map_err(|fault| CallerRefused { claimed: Some(entry.name.clone()), fault })?;
        Ok(match &entry.who {
            Who::Node(id) => Caller::Node(id.clone()),
            Who::Broker => Caller::Broker,
            Who::Platform => Caller::Platform { certificate: Hash::of(leaf) },
        })
    }
}

fn verify(
    leaf: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    anchors: &[TrustAnchor<'_>],
    now: UnixTime,
) -> Result<(), CertificateFault> {
    let certificate = EndEntityCert::try_from(leaf).map_err(|_| CertificateFault::Unreadable)?;
    let usage = KeyUsage::client_auth();
    certificate
        .verify_for_usage(webpki::ALL_VERIFICATION_ALGS, anchors, intermediates, now, usage, None, None)
        .map(|_| ())
        .map_err(|error| match error {
            webpki::Error::CertExpired { .. } => CertificateFault::Expired,
            webpki::Error::CertNotValidYet { .. } => CertificateFault::NotYetValid,
            webpki::Error::RequiredEkuNotFoundContext(_) => CertificateFault::WrongUse,
            // An authority of the same subject but another key fails on the signature.
            _ => CertificateFault::OtherAuthority,
        })
}

impl CallerRefused {
    /// The answer to the caller.
    pub fn status(&self) -> Status {
        let message = match &self.claimed {
            Some(claimed) => format!("a call in the name of {claimed} was refused: {}", self.fault),
            None => self.to_string(),
        };
        let problem = Problem {
            code: problem::code::CERTIFICATE.into(),
            party: self.claimed.clone().unwrap_or_default(),
            step: "connect".into(),
            message,
        };
        problem::status(Code::Unauthenticated, &problem)
    }
}
