//! Dealing randomness for two workers.
//!
//! The dealer sees keys, two copies of a public shape and farewells, and sends masked corrections
//! ([`kobling_crypto::attempt`]). It records nothing: it opens nothing. A node that deals may own columns that it
//! shares in the same attempt ([`crate::share`]): it does that apart from this, over links and with seeds of its own.

use std::sync::Arc;

use kobling_crypto::attempt::{self, Ends};
use kobling_model::{AttemptId, OwnerId, SessionId};

use crate::error::NodeError;
use crate::node::Node;
use crate::peer::{LinkName, LinkTransport, Purpose};
use crate::session::{Part, Session};
use crate::watched::Failures;

impl Node {
    /// Deals randomness for two workers.
    ///
    /// # Errors
    /// [`NodeError::NotGranted`] where the roster does not make this node the dealer of these two; [`NodeError::OwnerStopped`]; what
    /// links say.
    pub async fn deal(
        self: Arc<Self>,
        session: SessionId,
        attempt: AttemptId,
        left: OwnerId,
        right: OwnerId,
    ) -> Result<(), NodeError> {
        self.gate()?;
        let session = self.sessions.get(session, &self.me)?;
        let dealer = self.federation.roles(&left, Some(&right)).map(|roles| roles.dealer);
        if dealer.as_ref() != Some(&self.me) {
            return Err(NodeError::NotGranted { step: "deal" });
        }
        session.is_asked_for("deal")?;
        let ended = session.ended.child_token();
        if !session.state().begin(attempt, Part::Deal, &ended) {
            return Err(NodeError::NotGranted { step: "deal" });
        }
        // Only now that a stop would end it: one that came before is seen here.
        if let Err(stopped) = self.gate() {
            session.state().end(attempt, Part::Deal);
            return Err(stopped);
        }
        // Cancels when the broker drops the request, too.
        let _guard = ended.clone().drop_guard();
        let name = LinkName { session: session.id, attempt, purpose: Purpose::Attempt };
        let links = tokio::try_join!(
            self.link(&left, name.clone(), ended.clone()),
            self.link(&right, name, ended.clone())
        );
        let result = match links {
            Err(error) => Err(error),
            Ok((to_left, to_right)) => {
                let (node, of) = (self.clone(), session.clone());
                let work = move || node.deal_blocking(&of, attempt, &left, to_left, &right, to_right);
                tokio::task::spawn_blocking(work).await.map_err(|_| self.internal("deal")).flatten()
            }
        };
        session.state().end(attempt, Part::Deal);
        self.gate()?;
        result
    }

    fn deal_blocking(
        &self,
        session: &Session,
        attempt: AttemptId,
        left: &OwnerId,
        to_left: LinkTransport,
        right: &OwnerId,
        to_right: LinkTransport,
    ) -> Result<(), NodeError> {
        let failures = Failures::default();
        let mut left_channel = self.channel(session.id, attempt, left, to_left, &failures);
        let mut right_channel = self.channel(session.id, attempt, right, to_right, &failures);
        let ends = |peer| Ends { session: &session.id.0, attempt: &attempt.0, own: self.me.as_str(), peer };
        attempt::deal(
            &mut left_channel,
            ends(left.as_str()),
            &mut right_channel,
            ends(right.as_str()),
            &mut session.once.dealt.clone(),
            self.ledger.as_ref(),
        )
        .map_err(|error| self.explain(&failures, &error, "deal"))
    }
}
