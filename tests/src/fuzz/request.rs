//! Requests that the platform signs, in their canonical form.

use kobling_model::plan::Release;
use kobling_model::script_request::ScriptRequest;
use kobling_model::{OwnerId, SessionId};

use super::register::catalogue;

/// What is read has one form, and is bounded by what came.
pub fn request(input: &[u8]) -> bool {
    let Ok(request) = ScriptRequest::parse(input) else { return false };
    assert_eq!(request.bytes(), input, "one request has one form");
    assert!(request.script.len() <= ScriptRequest::SCRIPT_BYTES_MAX, "a bounded script");
    assert!(request.nodes.len() + request.releases.len() <= input.len(), "no more than came");
    if request.is_valid_at(request.issued_ms).is_ok() {
        assert!(request.is_valid_at(request.expires_ms).is_err(), "it expires");
    }
    true
}

/// A request of nothing, and one over the demo's registers.
pub fn request_seeds() -> Vec<Vec<u8>> {
    let release = |datastore: &kobling_model::catalogue::Datastore| Release {
        datastore: datastore.id.clone(),
        version: datastore.version,
        owner: datastore.owner.clone(),
    };
    let mut releases: Vec<_> = catalogue().datastores.iter().map(release).collect();
    releases.sort();
    let mut nodes: Vec<OwnerId> = releases.iter().map(|release| release.owner.clone()).collect();
    nodes.sort();
    nodes.dedup();
    let whole = ScriptRequest {
        session: SessionId([1; 16]),
        script: "require no.ssb.fdb:1 as ssb\n".to_owned(),
        researcher: "r-17".to_owned(),
        institution: "Universitetet i Oslo".to_owned(),
        purpose: "Kreft og utdanning".to_owned(),
        nodes,
        releases,
        nonce: [2; 16],
        issued_ms: 1_795_363_200_000,
        expires_ms: 1_795_366_800_000,
    };
    let nothing =
        ScriptRequest { script: String::new(), nodes: Vec::new(), releases: Vec::new(), ..whole.clone() };
    vec![whole.bytes(), nothing.bytes()]
}
