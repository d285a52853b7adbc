//! Signing what is asked, as the platform does: one request for each submission, for one session.
//!
//! What the broker says of a session is checked first: the platform signs no node that is not on its roster, and no data that
//! was not asked for.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kobling_crypto::sign::SigningKey;
use kobling_model::federation::Federation;
use kobling_model::plan::Release;
use kobling_model::script_request::{ScriptRequest, SignedRequest, sorted};
use kobling_model::{DatastoreId, OwnerId, SessionId};
use kobling_proto::platform::v1 as wire;
use uuid::Uuid;

use super::Profile;

/// How long a request is valid: as long as a script may wait behind others in its session.
const LIFETIME: Duration = Duration::from_secs(12 * 3600);

/// A session that scripts can be submitted in, as it is signed for.
#[derive(Clone, Debug)]
pub struct OpenSession {
    /// Its id.
    pub id: SessionId,
    /// All its nodes, in order of name.
    nodes: Vec<OwnerId>,
    /// Exact versions pinned, in order.
    releases: Vec<Release>,
}

impl OpenSession {
    /// Takes what the broker says of a session over these datastores; none where no honest broker says that.
    pub fn of(
        session: wire::Session,
        federation: &Federation,
        datastores: &[(DatastoreId, u32)],
    ) -> Option<Self> {
        let id = SessionId::parse(&session.id).ok()?;
        let nodes: Option<Vec<_>> = session.nodes.into_iter().map(|name| OwnerId::new(name).ok()).collect();
        let releases: Option<Vec<Release>> =
            session.releases.into_iter().map(|release| release.try_into().ok()).collect();
        let (nodes, releases) = (sorted(&nodes?), sorted(&releases?));
        let on_roster = nodes.iter().all(|name| federation.node(name).is_some());
        let owned = releases.iter().all(|release| nodes.contains(&release.owner));
        let pinned: Vec<_> =
            releases.iter().map(|release| (release.datastore.clone(), release.version.major)).collect();
        let mut asked = sorted(datastores);
        asked.dedup();
        (on_roster && owned && pinned == asked).then_some(Self { id, nodes, releases })
    }

    /// Signs a script for this session, in the name of the researcher of a platform file.
    pub fn sign(&self, key: &SigningKey, profile: &Profile, script: &str) -> SignedRequest {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let issued_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        let lifetime_ms = u64::try_from(LIFETIME.as_millis()).unwrap_or(u64::MAX);
        let said = |text: &str| text.trim().to_owned();
        let request = ScriptRequest {
            session: self.id,
            script: script.to_owned(),
            researcher: said(&profile.researcher),
            institution: said(&profile.institution),
            purpose: said(&profile.purpose),
            nodes: self.nodes.clone(),
            releases: self.releases.clone(),
            // 122 random bits: no two requests of a platform meet.
            nonce: Uuid::new_v4().into_bytes(),
            issued_ms,
            expires_ms: issued_ms.saturating_add(lifetime_ms),
        };
        let bytes = request.bytes();
        let signature = key.sign(&bytes).to_vec();
        SignedRequest { bytes, signature }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use kobling_model::federation::{Party, Platform};
    use kobling_model::{Hash, Version};

    use super::*;

    fn federation() -> Federation {
        let party = |name: &str| Party {
            id: OwnerId::new(name).expect("valid"),
            uri: format!("kobling://{name}"),
            address: SocketAddr::from(([127, 0, 0, 1], 1)),
            authority: String::new(),
            signing_key: Hash::of(name.as_bytes()).to_string(),
        };
        let (uri, authority, signing_key) = ("kobling://platform".into(), String::new(), String::new());
        Federation {
            name: "test".into(),
            broker: party("broker"),
            platform: Platform { uri, authority, signing_key },
            nodes: vec![party("ssb"), party("krg")],
        }
    }

    fn told(nodes: &[&str], releases: &[(&str, u32, &str)]) -> Option<OpenSession> {
        let release = |(datastore, major, owner): &(&str, u32, &str)| {
            (&Release {
                datastore: DatastoreId::new(*datastore).expect("valid"),
                version: Version { major: *major, minor: 0, patch: 0 },
                owner: OwnerId::new(*owner).expect("valid"),
            })
                .into()
        };
        let session = wire::Session {
            id: "ab".repeat(16),
            nodes: nodes.iter().map(|node| (*node).to_owned()).collect(),
            releases: releases.iter().map(release).collect(),
            ..wire::Session::default()
        };
        let datastore = |id: &str| DatastoreId::new(id).expect("valid");
        OpenSession::of(session, &federation(), &[(datastore("no.ssb.fdb"), 1), (datastore("no.krg"), 2)])
    }

    #[test]
    fn what_was_not_asked_for_is_not_signed() {
        let both = [("no.ssb.fdb", 1, "ssb"), ("no.krg", 2, "krg")];
        assert!(told(&["ssb", "krg"], &both).is_some());
        assert!(told(&["ssb", "krg", "spy"], &both).is_none(), "a node that is on no roster");
        assert!(told(&["ssb"], &both).is_none(), "data of an owner that is no node of the session");
        assert!(told(&["ssb", "krg"], &both[..1]).is_none(), "less than was asked for");
        assert!(told(&["ssb", "krg"], &[both[0], ("no.krg", 1, "krg")]).is_none(), "another version");
        assert!(told(&["ssb", "krg"], &[both[0], both[1], ("no.tax", 1, "krg")]).is_none(), "more");
    }

    #[test]
    fn two_submissions_of_one_script_are_two_requests_by_one_key() {
        let key = SigningKey::generate();
        let profile = Profile {
            federation: "f".into(),
            certificate: "c".into(),
            key: "k".into(),
            signing_key: "s".into(),
            researcher: " r-17 ".into(),
            institution: "UiB".into(),
            purpose: "Kreft".into(),
        };
        let session =
            told(&["ssb", "krg"], &[("no.ssb.fdb", 1, "ssb"), ("no.krg", 2, "krg")]).expect("a session");
        let [one, other] = [(), ()].map(|()| session.sign(&key, &profile, "tabulate kjoenn"));
        assert_ne!(one.bytes, other.bytes);
        for signed in [one, other] {
            assert_eq!(key.verifying_key().verify(&signed.bytes, &signed.signature), Ok(()));
            let request = ScriptRequest::parse(&signed.bytes).expect("canonical");
            assert_eq!(request.researcher, "r-17");
            assert_eq!(request.is_valid_at(request.issued_ms), Ok(()));
        }
    }
}
