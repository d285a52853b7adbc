//! Attack 22: wrong name in a certificate, expired, of another authority, none.
//!
//! Tries to break: mutual TLS, in which each authority vouches for one name. Bound: nobody is let in, and who it was is named.

use kobling_proto::convert::problem::problem_of as problem_of_status;
use kobling_proto::node::v1::DescribeRequest;
use kobling_proto::node::v1::node_service_client::NodeServiceClient;
use kobling_proto::platform::v1::ListDatastoresRequest;
use kobling_proto::platform::v1::catalogue_service_client::CatalogueServiceClient;
use kobling_proto::transport::{self, CertificateFault, Credentials, DialErrorKind};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

use super::Measure;
use super::lab::{IMPORTS, Lab};
use crate::certificates::Authority;
use crate::registers::{Mix, standard};
use crate::rogue::problem_of;
use crate::world::{World, id};

/// 22.
pub(super) fn run(lab: &Lab) -> Vec<Measure> {
    vec![
        lab.claims(
            "another's name, authority or time",
            &[a_caller_that_is_not_the_one_it_must_be_is_refused_and_the_party_named],
        ),
        lab.claims("no certificate", &[nobody_gets_in_without_a_certificate]),
        lab.claims("a node with a wrong one", &[a_node_whose_certificate_is_wrong_is_refused_and_named]),
    ]
}

fn a_caller_that_is_not_the_one_it_must_be_is_refused_and_the_party_named() {
    let world = World::seeded(40);
    let stranger = Authority::of("stranger");
    // At a node's port, as somebody who is not the broker. Nodes know no authority of the platform at all.
    for (caller, code) in [("krg", "not-on-the-roster"), ("platform", "certificate")] {
        let credentials = world.authority(caller).issue(caller);
        let problem = problem_of(world.wait(world.as_broker_with("ssb", &credentials).describe()));
        assert_eq!((problem.code.as_str(), problem.party), (code, Some(id("ssb"))), "{caller}");
    }
    // With the broker's name, from krg's authority, expired, from a stranger.
    for credentials in [
        world.authority("krg").issue("broker"),
        world.authority("broker").issue_expired("broker"),
        stranger.issue("broker"),
    ] {
        let problem = problem_of(world.wait(world.as_broker_with("ssb", &credentials).describe()));
        assert_eq!(problem.code, "certificate", "{problem:?}");
        assert!(problem.party.is_some(), "{problem:?}");
    }
    // At the broker's port, as somebody who is not the platform.
    let dial = |credentials: &Credentials| {
        let party = &world.federation.broker;
        world.wait(async {
            let channel = transport::dial(party, credentials, std::time::Duration::from_secs(10)).await?;
            Ok::<_, transport::DialError>(
                CatalogueServiceClient::new(channel)
                    .list_datastores(ListDatastoresRequest {})
                    .await
                    .map(drop),
            )
        })
    };
    assert!(matches!(dial(&world.authority("platform").issue("platform")), Ok(Ok(()))));
    for credentials in [
        world.authority("ssb").issue("ssb"),
        world.authority("ssb").issue("platform"),
        world.authority("platform").issue_expired("platform"),
        stranger.issue("platform"),
        world.authority("platform").issue("somebody"),
    ] {
        match dial(&credentials) {
            Err(error) => {
                let refused = DialErrorKind::CertificateRefused(CertificateFault::OursRefused);
                assert_eq!((error.party, error.kind), (id("broker"), refused));
            }
            Ok(Err(status)) => {
                let expected = [tonic::Code::Unauthenticated, tonic::Code::PermissionDenied];
                assert!(expected.contains(&status.code()), "{status:?}");
            }
            Ok(Ok(())) => panic!("it was let in"),
        }
    }
}

fn nobody_gets_in_without_a_certificate() {
    let world = World::seeded(41);
    for name in ["ssb", "broker"] {
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(world.authority(name).pem()))
            .domain_name(format!("{name}.kobling"));
        let endpoint = Endpoint::from_shared(format!("https://{}", world.address(name))).expect("an address");
        let endpoint = endpoint.tls_config(tls).expect("settings");
        let answered = world.wait(async {
            let channel = endpoint.connect().await.map_err(|_| ())?;
            let node = NodeServiceClient::new(channel.clone()).describe(DescribeRequest {}).await;
            let broker = CatalogueServiceClient::new(channel).list_datastores(ListDatastoresRequest {}).await;
            if node.is_ok() || broker.is_ok() { Ok(()) } else { Err(()) }
        });
        assert_eq!(answered, Err(()), "{name} answers to nobody");
    }
    world.check(&world.script(&format!("{IMPORTS}tabulate k s")));
}

fn a_node_whose_certificate_is_wrong_is_refused_and_named() {
    let mut world = World::of(standard(Mix::of(42))).patience(std::time::Duration::from_secs(6)).found();
    let question = world.script(&format!("{IMPORTS}tabulate k s"));
    world.check(&question);
    type Make = fn(&World, &str) -> String;
    let wrong: [Make; 2] = [
        |world, request| world.authority("krg").sign_expired(request),
        |world, request| world.authority("ssb").sign(request),
    ];
    for make in wrong {
        world.replace_certificate("krg", make);
        let refused = world.open_session().expect_err("refused");
        let problem = problem_of_status(&refused, &id("broker"), "open-session");
        assert_eq!((problem.code.as_str(), problem.party.as_str()), ("certificate", "krg"), "{problem:?}");
    }
    world.replace_certificate("krg", |world, request| world.authority("krg").sign(request));
    world.restart_broker();
    world.check(&question);
}
