//! Development authorities: each party has one of its own, and it signs for that party alone.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail, ensure};
use kobling_model::Day;
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
};

/// Days that a development certificate is valid.
const VALID_DAYS: i32 = 30;

/// An authority that vouches for one name.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
    uri: String,
    dns: String,
}

/// A certificate and its key, as PEM.
pub struct Issued {
    /// The certificate.
    pub certificate_pem: String,
    /// Its private key.
    pub key_pem: String,
}

impl Authority {
    /// Makes the authority of the party of this short name.
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub fn of(name: &str) -> anyhow::Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, format!("Authority of {name} (development)"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        make_valid_now(&mut params)?;
        let key = KeyPair::generate()?;
        let certificate_pem = params.self_signed(&key)?.pem();
        Ok(Self {
            issuer: Issuer::new(params, key),
            certificate_pem,
            uri: format!("kobling://{name}"),
            dns: format!("{name}.kobling"),
        })
    }

    /// The authority's own certificate, for the roster.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The URI name that it vouches for.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Signs a request of the party, as its PKI would.
    ///
    /// # Errors
    /// For a request that is malformed or asks for another name.
    pub fn sign(&self, request_pem: &str) -> anyhow::Result<String> {
        let mut request = CertificateSigningRequestParams::from_pem(request_pem)
            .context("the certificate request cannot be read")?;
        let (mut uris, mut names) = (0, 0);
        for name in &request.params.subject_alt_names {
            match name {
                SanType::URI(uri) if uri.as_str() == self.uri => uris += 1,
                SanType::DnsName(dns) if dns.as_str() == self.dns => names += 1,
                _ => bail!("the certificate request asks for another name than {}", self.uri),
            }
        }
        ensure!(
            (uris, names) == (1, 1),
            "the certificate request must ask for {} and {}",
            self.uri,
            self.dns
        );
        end_entity(&mut request.params)?;
        Ok(request.signed_by(&self.issuer)?.pem())
    }

    /// Makes a key and its certificate.
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub fn issue(&self) -> anyhow::Result<Issued> {
        let mut params = CertificateParams::new(vec![self.dns.clone()])?;
        params.subject_alt_names.push(SanType::URI(Ia5String::try_from(self.uri.as_str())?));
        end_entity(&mut params)?;
        let key = KeyPair::generate()?;
        let certificate_pem = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Issued { certificate_pem, key_pem: key.serialize_pem() })
    }
}

fn end_entity(params: &mut CertificateParams) -> anyhow::Result<()> {
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    make_valid_now(params)
}

fn make_valid_now(params: &mut CertificateParams) -> anyhow::Result<()> {
    let days =
        SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?.as_secs() / 86_400;
    let today = i32::try_from(days)?;
    let date = |days: i32| -> anyhow::Result<_> {
        let (year, month, day) = Day::from_days(days)?.civil();
        Ok(rcgen::date_time_ymd(year, u8::try_from(month)?, u8::try_from(day)?))
    };
    params.not_before = date(today - 1)?;
    params.not_after = date(today + VALID_DAYS)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_signs_for_its_own_party_alone() {
        let request = |uri: &str| {
            let mut params = CertificateParams::new(vec!["ssb.kobling".to_owned()]).expect("valid");
            params.subject_alt_names.push(SanType::URI(Ia5String::try_from(uri).expect("ASCII")));
            let key = KeyPair::generate().expect("a key");
            params.serialize_request(&key).expect("a request").pem().expect("PEM")
        };
        let authority = Authority::of("ssb").expect("an authority");
        assert!(authority.sign(&request("kobling://ssb")).is_ok());
        let error = authority.sign(&request("kobling://krg")).expect_err("another name").to_string();
        assert!(error.contains("another name than kobling://ssb"), "{error}");
    }
}
