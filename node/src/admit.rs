//! Taking a request that the platform has signed: what stands before everything that a node does in a session.
//!
//! The broker hands on requests; it can neither make nor change one, nor have one taken twice. In order:
//!
//! 1. The signature is the platform's, by the pinned roster's key. Bytes of anybody else are not read.
//! 2. The bytes are a request, in its one form.
//! 3. This node is among those that it is addressed to, and session, asker, nodes and releases are those of the session here.
//! 4. This node's clock can be trusted, and the request is valid by it.
//! 5. It has not been taken before; that it has been now is on disk before the broker hears of it.
//!
//! A request that is not taken is recorded with the reason; nothing of it was run. What its script asks for is judged afterwards
//! ([`Node::judge`](crate::node::Node::judge)), where this owner's data or its part in computing are concerned.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use kobling_crypto::sign::VerifyingKey;
use kobling_model::record::Event;
use kobling_model::script_request::{RequestFault, ScriptRequest, SignedRequest};
use kobling_model::{Hash, JobId, SessionId};

use crate::error::NodeError;
use crate::node::Node;
use crate::session::Session;

/// A request that was taken in a session.
pub struct Admitted {
    /// Its name.
    pub request: Hash,
    /// The script, until it is offered.
    script: Option<String>,
}

impl Node {
    /// Takes a request for a job of a session, at `now_ms` by this node's clock.
    ///
    /// # Errors
    /// [`NodeError::Request`] with what is wrong with it, after that has been recorded; [`NodeError::NotGranted`] for a job that has a
    /// request.
    pub async fn admit(
        self: &Arc<Self>,
        session: SessionId,
        job: JobId,
        signed: SignedRequest,
        now_ms: u64,
    ) -> Result<(), NodeError> {
        let session = self.sessions.get(session, &self.me)?;
        if session.state().admitted.contains_key(&job) {
            return Err(NodeError::NotGranted { step: "admit" });
        }
        let (node, of) = (self.clone(), session.clone());
        let name = Hash::of(&signed.bytes);
        let taken = tokio::task::spawn_blocking(move || node.take(&of, &signed, now_ms)).await;
        let fault = match taken.map_err(|_| self.internal("admit"))? {
            Ok(request) => return self.keep_admitted(&session, job, name, request),
            Err(fault) => fault,
        };
        let refused =
            Event::RequestRefused { session: session.id, job, request: name, fault: fault.code().to_owned() };
        self.record(refused).await?;
        Err(NodeError::Request { party: self.me.clone(), fault })
    }

    /// Steps 1 to 5. Blocking.
    fn take(
        &self,
        session: &Session,
        signed: &SignedRequest,
        now_ms: u64,
    ) -> Result<ScriptRequest, RequestFault> {
        let key = platform_key(&self.federation.platform.signing_key).ok_or(RequestFault::Signature)?;
        key.verify(&signed.bytes, &signed.signature).map_err(|_| RequestFault::Signature)?;
        let request = ScriptRequest::parse(&signed.bytes)?;
        if !request.nodes.contains(&self.me) {
            return Err(RequestFault::NotAddressed);
        }
        request.fits(session.id, &session.asker, &session.members, &session.releases)?;
        self.replay.see(now_ms)?;
        request.is_valid_at(now_ms)?;
        self.replay.take(&request, now_ms)?;
        Ok(request)
    }

    fn keep_admitted(
        &self,
        session: &Session,
        job: JobId,
        name: Hash,
        request: ScriptRequest,
    ) -> Result<(), NodeError> {
        match session.state().admitted.entry(job) {
            // Two came for it at the same time: the nonce of this one is spent, and the first stands.
            Entry::Occupied(_) => Err(NodeError::NotGranted { step: "admit" }),
            Entry::Vacant(place) => {
                place.insert(Admitted { request: name, script: Some(request.script) });
                Ok(())
            }
        }
    }
}

impl Session {
    /// The request that was taken for a job.
    ///
    /// # Errors
    /// [`NodeError::NotGranted`] where none was.
    pub fn request_of(&self, job: JobId) -> Result<Hash, NodeError> {
        let state = self.state();
        let admitted = state.admitted.get(&job).ok_or(NodeError::NotGranted { step: "offer" })?;
        Ok(admitted.request)
    }

    /// The script of the request that was taken for a job. Given once: a request is offered once.
    ///
    /// # Errors
    /// [`NodeError::NotGranted`] where there is none.
    pub fn take_script(&self, job: JobId) -> Result<String, NodeError> {
        let script = self.state().admitted.get_mut(&job).and_then(|admitted| admitted.script.take());
        script.ok_or(NodeError::NotGranted { step: "offer" })
    }

    /// Checks that the platform has asked for something in this session: nothing is linked, dealt or given before. What is computed from
    /// an owner's data is for its grant.
    ///
    /// # Errors
    /// [`NodeError::NotGranted`].
    pub fn is_asked_for(&self, step: &'static str) -> Result<(), NodeError> {
        if self.state().admitted.is_empty() { Err(NodeError::NotGranted { step }) } else { Ok(()) }
    }
}

fn platform_key(hexadecimal: &str) -> Option<VerifyingKey> {
    VerifyingKey::from_bytes(&hex::decode(hexadecimal).ok()?).ok()
}
