//! Mutual TLS on loopback: who gets in, who does not, and what is said about it.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use kobling_model::federation::{Federation, Party, Platform};
use kobling_model::{Hash, OwnerId};
use kobling_proto::common::v1::Problem;
use kobling_proto::convert::problem::problem_of;
use kobling_proto::peer::v1::peer_service_client::PeerServiceClient;
use kobling_proto::peer::v1::peer_service_server::{PeerService, PeerServiceServer};
use kobling_proto::peer::v1::{ExchangeRequest, ExchangeResponse, FetchSecretRequest, FetchSecretResponse};
use kobling_proto::transport::{
    Caller, Callers, CertificateFault, Credentials, DialError, DialErrorKind, Traffic, certificate_info,
    dial, incoming, server,
};
use prost::Message as _;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType, date_time_ymd};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, UnixTime};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Response, Status, Streaming};

const PATIENCE: Duration = Duration::from_secs(20);

/// A certificate authority.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("signs itself").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    fn issue(&self, change: impl FnOnce(&mut CertificateParams)) -> Credentials {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("signs");
        Credentials { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() }
    }
}

fn named(params: &mut CertificateParams, dns: &str, uri: &str) {
    params.subject_alt_names =
        vec![SanType::DnsName(dns.try_into().expect("ASCII")), SanType::URI(uri.try_into().expect("ASCII"))];
}

fn expired(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2001, 1, 1);
    params.not_after = date_time_ymd(2002, 1, 1);
}

fn id(name: &str) -> OwnerId {
    OwnerId::new(name).expect("valid")
}

/// A federation of ssb, krg and a broker, each with an authority of its own.
struct World {
    ssb: Authority,
    krg: Authority,
    broker: Authority,
    platform: Authority,
}

impl World {
    fn new() -> Self {
        let [ssb, krg, broker, platform] = ["ssb", "krg", "broker", "platform"].map(Authority::new);
        Self { ssb, krg, broker, platform }
    }

    fn federation(&self, ssb_address: SocketAddr) -> Federation {
        let party = |name: &str, address, authority: &Authority| Party {
            id: id(name),
            uri: format!("kobling://{name}"),
            address,
            authority: authority.pem.clone(),
            signing_key: Hash::of(name.as_bytes()).to_string(),
        };
        let elsewhere = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Federation {
            name: "test".into(),
            broker: party("broker", elsewhere(1), &self.broker),
            platform: Platform {
                uri: "kobling://platform".into(),
                authority: self.platform.pem.clone(),
                signing_key: String::new(),
            },
            nodes: vec![party("ssb", ssb_address, &self.ssb), party("krg", elsewhere(2), &self.krg)],
        }
    }

    /// Good credentials of a party.
    fn credentials(&self, name: &str) -> Credentials {
        let authority = match name {
            "ssb" => &self.ssb,
            "krg" => &self.krg,
            "broker" => &self.broker,
            _ => &self.platform,
        };
        authority.issue(|params| named(params, &format!("{name}.kobling"), &format!("kobling://{name}")))
    }

    /// Starts ssb's server with these credentials and returns it as the roster has it.
    async fn serve_ssb(&self, credentials: &Credentials) -> Served {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let federation = self.federation(address);
        let service = Introduces { callers: Callers::new(&federation).expect("a roster") };
        let authorities = [&self.ssb.pem, &self.krg.pem, &self.broker.pem, &self.platform.pem];
        let mut server = server(credentials, &authorities.map(String::as_str)).expect("a server");
        let router = server.add_service(PeerServiceServer::new(service));
        let task = tokio::spawn(async move {
            router.serve_with_incoming(incoming(listener, &Traffic::default())).await.expect("serves");
        });
        Served { party: federation.nodes[0].clone(), task }
    }
}

struct Served {
    party: Party,
    task: JoinHandle<()>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers every request with the name of the caller.
struct Introduces {
    callers: Callers,
}

#[tonic::async_trait]
impl PeerService for Introduces {
    type ExchangeStream = Pin<Box<dyn Stream<Item = Result<ExchangeResponse, Status>> + Send>>;

    async fn exchange(
        &self,
        _: Request<Streaming<ExchangeRequest>>,
    ) -> Result<Response<Self::ExchangeStream>, Status> {
        Err(Status::unimplemented("not needed here"))
    }

    async fn fetch_secret(
        &self,
        request: Request<FetchSecretRequest>,
    ) -> Result<Response<FetchSecretResponse>, Status> {
        let secret = match self.callers.identify(&request).map_err(|status| *status)? {
            Caller::Node(id) => id.to_string(),
            Caller::Broker => "the broker".into(),
            Caller::Platform { certificate } => certificate.to_string(),
        };
        Ok(Response::new(FetchSecretResponse { secret: secret.into_bytes().into() }))
    }
}

async fn introduce(channel: Channel) -> Result<String, Status> {
    let request = FetchSecretRequest { name: "record-key".into(), ..Default::default() };
    let response = PeerServiceClient::new(channel).fetch_secret(request).await?;
    Ok(String::from_utf8(response.into_inner().secret.to_vec()).expect("a name"))
}

fn fault(error: &DialError) -> CertificateFault {
    match error.kind {
        DialErrorKind::CertificateRefused(fault) => fault,
        other => panic!("expected a refused certificate, got {other:?}"),
    }
}

#[tokio::test]
async fn every_party_of_the_roster_is_known_by_its_certificate() {
    let world = World::new();
    let ssb = world.serve_ssb(&world.credentials("ssb")).await;
    let platform = world.credentials("platform");
    let fingerprint = certificate_info(&platform.certificate_pem).expect("readable").sha256.to_string();
    for (credentials, expected) in [
        (world.credentials("krg"), "krg"),
        (world.credentials("broker"), "the broker"),
        (platform, fingerprint.as_str()),
    ] {
        let channel = dial(&ssb.party, &credentials, PATIENCE).await.expect("connected");
        assert_eq!(introduce(channel).await.expect("let in"), expected);
    }
}

#[tokio::test]
async fn a_server_that_cannot_prove_to_be_the_party_dialled_is_refused_and_the_party_named() {
    let world = World::new();
    let honest = |params: &mut CertificateParams| named(params, "ssb.kobling", "kobling://ssb");
    let cases = [
        (
            world.ssb.issue(|params| named(params, "ssb.kobling", "kobling://krg")),
            CertificateFault::OtherName,
        ),
        (
            world.ssb.issue(|params| named(params, "krg.kobling", "kobling://ssb")),
            CertificateFault::OtherName,
        ),
        (world.krg.issue(honest), CertificateFault::OtherAuthority),
        (Authority::new("ssb").issue(honest), CertificateFault::OtherAuthority),
        (
            world.ssb.issue(|params| {
                honest(params);
                expired(params);
            }),
            CertificateFault::Expired,
        ),
        (
            world.ssb.issue(|params| {
                honest(params);
                params.not_before = date_time_ymd(2500, 1, 1);
                params.not_after = date_time_ymd(2501, 1, 1);
            }),
            CertificateFault::NotYetValid,
        ),
        (
            world.ssb.issue(|params| {
                honest(params);
                params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
            }),
            CertificateFault::WrongUse,
        ),
    ];
    for (credentials, expected) in cases {
        let ssb = world.serve_ssb(&credentials).await;
        let error = dial(&ssb.party, &world.credentials("krg"), PATIENCE).await.expect_err("refused");
        assert_eq!((fault(&error), error.party.as_str()), (expected, "ssb"));
        assert!(error.to_string().contains("ssb"));
    }
}

#[tokio::test]
async fn a_client_certificate_that_no_roster_authority_vouches_for_is_refused_while_dialling() {
    let world = World::new();
    let ssb = world.serve_ssb(&world.credentials("ssb")).await;
    let krg = |params: &mut CertificateParams| named(params, "krg.kobling", "kobling://krg");
    let stranger = Authority::new("krg").issue(krg);
    let old = world.krg.issue(|params| {
        krg(params);
        expired(params);
    });
    let for_servers = world.krg.issue(|params| {
        krg(params);
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    });
    for credentials in [stranger, old, for_servers] {
        let error = dial(&ssb.party, &credentials, PATIENCE).await.expect_err("refused");
        assert_eq!((fault(&error), error.party.as_str()), (CertificateFault::OursRefused, "ssb"));
        assert_eq!(error.problem("link").code, "certificate");
    }
}

#[tokio::test]
async fn a_client_without_a_certificate_reaches_no_service() {
    let world = World::new();
    let ssb = world.serve_ssb(&world.credentials("ssb")).await;
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(&world.ssb.pem))
        .domain_name("ssb.kobling");
    let endpoint = Endpoint::from_shared(format!("https://{}", ssb.party.address)).expect("an address");
    let endpoint = endpoint.tls_config(tls.clone()).expect("settings").timeout(PATIENCE);
    let status = match endpoint.connect().await {
        Ok(channel) => introduce(channel).await.expect_err("refused"),
        Err(error) => Status::from_error(Box::new(error)),
    };
    let problem = problem_of(&status, &id("ssb"), "link");
    assert_eq!(problem.party, "ssb");
    assert!(["certificate", "unreachable"].contains(&problem.code.as_str()), "{}", problem.code);

    let own = world.credentials("krg");
    let tls = tls.identity(Identity::from_pem(own.certificate_pem, own.key_pem));
    let channel =
        endpoint.tls_config(tls).expect("settings").connect().await.expect("with one, it is let in");
    assert_eq!(introduce(channel).await.expect("let in"), "krg");
}

#[tokio::test]
async fn an_authority_of_the_roster_cannot_vouch_for_another_party() {
    let world = World::new();
    let ssb = world.serve_ssb(&world.credentials("ssb")).await;
    for claimed in ["ssb", "broker", "platform"] {
        let forged = world.krg.issue(|params| named(params, "krg.kobling", &format!("kobling://{claimed}")));
        let channel = dial(&ssb.party, &forged, PATIENCE).await.expect("TLS takes any roster authority");
        let status = introduce(channel).await.expect_err("refused");
        assert_eq!(status.code(), Code::Unauthenticated);
        let problem = Problem::decode(status.details()).expect("a problem");
        assert_eq!((problem.code.as_str(), problem.party.as_str()), ("certificate", claimed));
        assert!(problem.message.contains("authority"), "{}", problem.message);
        assert!(problem.message.contains(claimed), "{}", problem.message);
    }
}

#[tokio::test]
async fn a_name_outside_the_roster_or_none_or_two_are_refused() {
    let world = World::new();
    let ssb = world.serve_ssb(&world.credentials("ssb")).await;
    let uri = |uri: &str| SanType::URI(uri.try_into().expect("ASCII"));
    let dns = || SanType::DnsName("krg.kobling".try_into().expect("ASCII"));
    let cases = [
        (vec![uri("kobling://invented")], "roster"),
        (vec![uri("KOBLING://krg")], "roster"),
        (vec![dns()], "exactly one"),
        (vec![uri("kobling://krg"), uri("kobling://broker")], "exactly one"),
        (vec![], "exactly one"),
    ];
    for (names, expected) in cases {
        let credentials = world.krg.issue(|params| params.subject_alt_names = names);
        let channel = dial(&ssb.party, &credentials, PATIENCE).await.expect("TLS takes any roster authority");
        let status = introduce(channel).await.expect_err("refused");
        assert_eq!(status.code(), Code::Unauthenticated);
        let problem = problem_of(&status, &id("ssb"), "link");
        assert_eq!(problem.code, "certificate");
        assert!(problem.message.contains(expected), "{}", problem.message);
    }
}

#[test]
fn a_certificate_that_expires_during_a_connection_is_refused_from_then_on() {
    let world = World::new();
    let callers = Callers::new(&world.federation(([127, 0, 0, 1], 9).into())).expect("a roster");
    let credentials = world.krg.issue(|params| {
        named(params, "krg.kobling", "kobling://krg");
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2030, 1, 1);
    });
    let info = certificate_info(&credentials.certificate_pem).expect("readable");
    assert_eq!((info.uri.as_str(), info.not_after_unix_s), ("kobling://krg", 1_893_456_000));
    let chain = [CertificateDer::from_pem_slice(credentials.certificate_pem.as_bytes()).expect("PEM")];
    let at = |seconds: i64| {
        let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds as u64));
        callers.identify_chain(&chain, now)
    };
    assert_eq!(at(info.not_after_unix_s), Ok(Caller::Node(id("krg"))));
    let refused = at(info.not_after_unix_s + 1).expect_err("expired");
    assert_eq!((refused.claimed.as_deref(), refused.fault), (Some("krg"), CertificateFault::Expired));
    let early = at(0).expect_err("too early");
    assert_eq!(early.fault, CertificateFault::NotYetValid);
    let nobody = callers.identify_chain(&[], UnixTime::now()).expect_err("nobody");
    assert_eq!(nobody.fault, CertificateFault::Missing);
    let noise = callers.identify_chain(&[CertificateDer::from(vec![1, 2, 3])], UnixTime::now());
    assert_eq!(noise.expect_err("noise").fault, CertificateFault::Unreadable);
}

#[tokio::test]
async fn a_party_that_is_down_or_silent_or_speaks_otherwise_is_named() {
    let world = World::new();
    let krg = world.credentials("krg");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let party = world.federation(address).nodes[0].clone();

    // Connections wait in the backlog; nobody says anything.
    let error = dial(&party, &krg, Duration::from_millis(100)).await.expect_err("silent");
    assert_eq!((error.kind, error.party.as_str()), (DialErrorKind::TimedOut, "ssb"));

    let other = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.expect("accepts");
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"220 mail.example ESMTP\r\n").await;
        }
    });
    let error = dial(&party, &krg, PATIENCE).await.expect_err("another protocol");
    assert_eq!(error.kind, DialErrorKind::Unreachable);

    other.abort();
    let _ = other.await;
    let error = dial(&party, &krg, PATIENCE).await.expect_err("down");
    assert_eq!(error.kind, DialErrorKind::Unreachable);
    assert_eq!(error.to_string(), "ssb cannot be reached");
    assert!(!error.to_string().contains(&address.port().to_string()));
}

#[tokio::test]
async fn a_party_that_goes_away_after_the_dial_is_unreachable_in_the_next_call() {
    let world = World::new();
    // A runtime of its own, since ending a server's task alone leaves its connections.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let world = Arc::new(world);
    let theirs = world.clone();
    let ssb = runtime
        .spawn(async move { theirs.serve_ssb(&theirs.credentials("ssb")).await })
        .await
        .expect("serves");
    let channel = dial(&ssb.party, &world.credentials("krg"), PATIENCE).await.expect("connected");
    assert_eq!(introduce(channel.clone()).await.expect("let in"), "krg");
    runtime.shutdown_background();
    // The first call may still find the old connection; each fails in a way that names the party.
    for _ in 0..3 {
        let status = introduce(channel.clone()).await.expect_err("gone");
        let problem = problem_of(&status, &id("ssb"), "compute");
        assert_eq!((problem.code.as_str(), problem.party.as_str()), ("unreachable", "ssb"), "{status:?}");
    }
}

#[tokio::test]
async fn a_channel_checks_the_party_again_when_it_connects_again() {
    let world = Arc::new(World::new());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let theirs = world.clone();
    let ssb = runtime
        .spawn(async move { theirs.serve_ssb(&theirs.credentials("ssb")).await })
        .await
        .expect("serves");
    let channel = dial(&ssb.party, &world.credentials("krg"), PATIENCE).await.expect("connected");
    introduce(channel.clone()).await.expect("let in");
    runtime.shutdown_background();

    // Somebody else takes the port.
    let impostor = world.krg.issue(|params| named(params, "ssb.kobling", "kobling://ssb"));
    let authorities = [world.krg.pem.as_str()];
    let federation = world.federation(ssb.party.address);
    let service = Introduces { callers: Callers::new(&federation).expect("a roster") };
    let mut server = server(&impostor, &authorities).expect("a server");
    let router = server.add_service(PeerServiceServer::new(service));
    let listener = loop {
        match TcpListener::bind(ssb.party.address).await {
            Ok(listener) => break listener,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let task = tokio::spawn(router.serve_with_incoming(incoming(listener, &Traffic::default())));
    let mut codes = Vec::new();
    for _ in 0..3 {
        let status = introduce(channel.clone()).await.expect_err("never let in");
        codes.push(problem_of(&status, &id("ssb"), "compute").code);
    }
    assert_eq!(codes.last().map(String::as_str), Some("certificate"), "{codes:?}");
    task.abort();
}

#[tokio::test]
async fn an_oversized_message_is_refused_and_the_connection_goes_on() {
    let world = World::new();
    let ssb = world.serve_ssb(&world.credentials("ssb")).await;
    let channel = dial(&ssb.party, &world.credentials("krg"), PATIENCE).await.expect("connected");
    let large = FetchSecretRequest { name: "x".repeat(5 << 20), ..Default::default() };
    let status = PeerServiceClient::new(channel.clone()).fetch_secret(large).await.expect_err("too large");
    assert_eq!(problem_of(&status, &id("ssb"), "link").code, "broken-message");
    assert_eq!(introduce(channel).await.expect("still let in"), "krg");
}

#[tokio::test]
async fn a_flood_of_headers_ends_in_an_error_and_not_in_memory() {
    let world = World::new();
    let ssb = world.serve_ssb(&world.credentials("ssb")).await;
    let channel = dial(&ssb.party, &world.credentials("krg"), PATIENCE).await.expect("connected");
    let mut request = Request::new(FetchSecretRequest::default());
    for at in 0..40 {
        let key = format!("x-{at}").parse::<tonic::metadata::MetadataKey<_>>().expect("a key");
        request.metadata_mut().insert(key, "y".repeat(1000).parse().expect("a value"));
    }
    assert!(PeerServiceClient::new(channel).fetch_secret(request).await.is_err());
    let channel = dial(&ssb.party, &world.credentials("krg"), PATIENCE).await.expect("connected");
    assert_eq!(introduce(channel).await.expect("the server goes on"), "krg");
}
