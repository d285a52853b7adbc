//! Development authorities and certificates, good and bad ones.

use kobling_proto::transport::Credentials;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, IsCa, Issuer, KeyPair,
    SanType, date_time_ymd,
};

/// A certificate authority, one for each party.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    /// Makes the authority of the party of this name.
    pub fn of(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, format!("authority of {name}"));
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("signs itself").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Its own certificate, for the roster.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Signs a request as it stands.
    pub fn sign(&self, request_pem: &str) -> String {
        let request = CertificateSigningRequestParams::from_pem(request_pem).expect("a request");
        request.signed_by(&self.issuer).expect("signs").pem()
    }

    /// Signs a request with a validity that has ended.
    pub fn sign_expired(&self, request_pem: &str) -> String {
        let mut request = CertificateSigningRequestParams::from_pem(request_pem).expect("a request");
        expired(&mut request.params);
        request.signed_by(&self.issuer).expect("signs").pem()
    }

    /// A key and a certificate with the names of `name`.
    pub fn issue(&self, name: &str) -> Credentials {
        self.issue_with(name, |_| ())
    }

    /// The same, but expired.
    pub fn issue_expired(&self, name: &str) -> Credentials {
        self.issue_with(name, expired)
    }

    fn issue_with(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Credentials {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        let dns = format!("{name}.kobling");
        let uri = format!("kobling://{name}");
        params.subject_alt_names = vec![
            SanType::DnsName(dns.try_into().expect("ASCII")),
            SanType::URI(uri.try_into().expect("ASCII")),
        ];
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("signs");
        Credentials { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() }
    }
}

fn expired(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2001, 1, 1);
    params.not_after = date_time_ymd(2002, 1, 1);
}
