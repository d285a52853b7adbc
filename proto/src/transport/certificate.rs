//! What a certificate says, and what can be wrong with one.

use kobling_model::Hash;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, TrustAnchor};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// Which check a certificate failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateFault {
    /// None was shown.
    #[error("no certificate was shown")]
    Missing,
    /// Not a certificate, or one of a form that is not understood.
    #[error("the certificate cannot be read")]
    Unreadable,
    /// Not exactly one URI name.
    #[error("the certificate does not carry exactly one URI name")]
    NoName,
    /// A name that no party has.
    #[error("the name in the certificate is not in the roster")]
    UnknownName,
    /// A name other than that of the party dialled.
    #[error("the certificate carries another name than the roster has for this party")]
    OtherName,
    /// Issued by somebody else, possibly by another party's authority.
    #[error("the certificate was not issued by the authority that the roster has for this party")]
    OtherAuthority,
    /// No longer valid.
    #[error("the certificate has expired")]
    Expired,
    /// Not valid yet.
    #[error("the certificate is not valid yet; is the clock right?")]
    NotYetValid,
    /// Issued for another use.
    #[error("the certificate was issued for another use")]
    WrongUse,
    /// The other side refused ours.
    #[error("it refused this party's certificate, which has expired or is not the one its roster expects")]
    OursRefused,
    /// Our own files.
    #[error("this party's own certificate or key cannot be read")]
    OwnUnreadable,
    /// The roster's entry.
    #[error("the authority that the roster has for this party cannot be read")]
    AuthorityUnreadable,
}

/// What a status display shows of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateInfo {
    /// The URI name that it carries.
    pub uri: String,
    /// Last second of its validity, since 1970-01-01 UTC.
    pub not_after_unix_s: i64,
    /// SHA-256 of its DER form.
    pub sha256: Hash,
}

/// Reads the first certificate of a PEM text.
///
/// # Errors
/// [`CertificateFault::Unreadable`] or [`CertificateFault::NoName`].
pub fn certificate_info(pem: &str) -> Result<CertificateInfo, CertificateFault> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| CertificateFault::Unreadable)?;
    let (_, certificate) = X509Certificate::from_der(&der).map_err(|_| CertificateFault::Unreadable)?;
    Ok(CertificateInfo {
        uri: uri_name(&der)?,
        not_after_unix_s: certificate.validity().not_after.timestamp(),
        sha256: Hash::of(&der),
    })
}

/// The one URI name of a certificate. Two would let one certificate speak for two parties.
pub(super) fn uri_name(der: &CertificateDer<'_>) -> Result<String, CertificateFault> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|_| CertificateFault::Unreadable)?;
    let names = certificate
        .subject_alternative_name()
        .map_err(|_| CertificateFault::Unreadable)?
        .ok_or(CertificateFault::NoName)?;
    let mut uris = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::URI(uri) => Some(*uri),
        _ => None,
    });
    match (uris.next(), uris.next()) {
        (Some(uri), None) => Ok(uri.to_owned()),
        _ => Err(CertificateFault::NoName),
    }
}

/// The authorities in a PEM text: at least one, all readable.
pub(super) fn authorities(pem: &str) -> Result<Vec<CertificateDer<'static>>, CertificateFault> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|_| CertificateFault::AuthorityUnreadable)?;
    if certificates.is_empty() { Err(CertificateFault::AuthorityUnreadable) } else { Ok(certificates) }
}

/// The same as roots of trust.
pub(super) fn anchors(pem: &str) -> Result<Vec<TrustAnchor<'static>>, CertificateFault> {
    let anchor = |certificate: &CertificateDer<'static>| {
        webpki::anchor_from_trusted_cert(certificate)
            .map(|anchor| anchor.to_owned())
            .map_err(|_| CertificateFault::AuthorityUnreadable)
    };
    authorities(pem)?.iter().map(anchor).collect()
}
