//! What the owner's switch and policy allow, judged wherever something begins or is about to leave.
//!
//! | gate | what is judged |
//! | --- | --- |
//! | a session opens | the switch, and whether other parties have cosigned this node's log |
//! | tokens, row numbers, canaries, a peer's link, dealing | the switch |
//! | a script is offered, and its plan derived anew | switch; every question of the plan under the policy in force |
//! | an attempt begins, before it is recorded and once it can be cancelled | switch and cosignatures; the question, if another policy is in force since |
//! | before a bit is opened | the same |
//! | before an outcome is recorded and told | the same |
//! | before a partial aggregate is handed out | the same |
//!
//! So a question under way keeps the rules it was granted with while the policy in force would grant it with these rules, and is refused at
//! its next gate where it would not. What has left before a gate is not called back.

use std::sync::{Arc, Weak};
use std::time::Instant;

use kobling_disclosure::policy::{Asked, Dealer, Policy};
use kobling_disclosure::rule::is_at_least_as_strict;
use kobling_model::AttemptId;
use kobling_model::federation::{Federation, Roles};
use kobling_model::plan::{Plan, Question};
use kobling_model::record::Asker;
use kobling_model::rules::Rules;

use crate::conduct::{Ended, Task};
use crate::error::{Ending, NodeError};
use crate::node::Node;
use crate::session::{Granted, Session};

/// Who deals, as owners' policies tell dealers apart.
pub fn dealer_of<'a>(federation: &Federation, roles: &'a Roles) -> Dealer<'a> {
    match roles.dealer == federation.broker.id {
        false => Dealer::Node(&roles.dealer),
        true if federation.nodes.len() == 2 => Dealer::OnlyBroker,
        true => Dealer::Broker(&roles.dealer),
    }
}

/// What a question under way was granted with. It keeps no session alive: one that has ended lets nothing go on.
#[derive(Clone)]
pub struct Allowance {
    session: Weak<Session>,
    granted: Arc<Granted>,
    attempt: AttemptId,
    index: u32,
    rules: Rules,
}

impl Task {
    /// What this question was granted with.
    pub fn allowance(&self) -> Allowance {
        Allowance {
            session: Arc::downgrade(&self.session),
            granted: self.granted.clone(),
            attempt: self.attempt,
            index: self.index,
            rules: self.rules.clone(),
        }
    }
}

impl Node {
    /// Nothing, unless the operator has stopped this node.
    ///
    /// # Errors
    /// [`NodeError::OwnerStopped`].
    pub fn gate(&self) -> Result<(), NodeError> {
        self.switch.check()
    }

    /// Nothing, unless other parties have not cosigned this node's log as they must have.
    ///
    /// # Errors
    /// [`NodeError::NotCosigned`].
    pub fn cosigned(&self) -> Result<(), NodeError> {
        let not_cosigned = |unwitnessed| NodeError::NotCosigned { party: self.me.clone(), unwitnessed };
        self.cosigning.check(Instant::now()).map_err(not_cosigned)
    }

    /// Judges a question under a policy.
    ///
    /// # Errors
    /// [`NodeError::NotAllowed`] with the first part of the policy that refuses.
    fn judge_question(
        &self,
        policy: &Policy,
        asker: &Asker,
        commands: &[&'static str],
        question: &Question,
    ) -> Result<(), NodeError> {
        let roles = self.federation.roles(&question.left.owner, question.right_owner());
        let roles = roles.ok_or_else(|| NodeError::NotOnTheRoster { party: self.me.clone() })?;
        let dealer = dealer_of(&self.federation, &roles);
        let asked =
            Asked { owner: &self.me, institution: &asker.institution, purpose: &asker.purpose, commands };
        match policy.judge(&asked, question, dealer).into_iter().next() {
            None => Ok(()),
            Some(refusal) => Err(NodeError::NotAllowed { party: self.me.clone(), refusal }),
        }
    }

    /// Judges all questions of a plan under a policy.
    ///
    /// # Errors
    /// [`NodeError::NotAllowed`].
    pub fn judge_plan(
        &self,
        policy: &Policy,
        asker: &Asker,
        commands: &[&'static str],
        plan: &Plan,
    ) -> Result<(), NodeError> {
        plan.questions.iter().try_for_each(|question| self.judge_question(policy, asker, commands, question))
    }

    /// Whether a question under way may go on. Where it may not, whoever ends the attempt hears why ([`Self::abort`]): other parties only
    /// see a link that breaks.
    ///
    /// # Errors
    /// [`NodeError::OwnerStopped`], [`NodeError::NotCosigned`]; where another policy is in force since,
    /// [`NodeError::NotAllowed`] and [`NodeError::Refused`].
    pub fn may_go_on(&self, allowance: &Allowance) -> Result<(), NodeError> {
        let session = allowance.session.upgrade();
        let session = session.ok_or_else(|| NodeError::UnknownSession { party: self.me.clone() })?;
        let judged = self.judge_again(&session, allowance);
        if let Err(error) = &judged {
            session.state().withheld.insert(allowance.attempt, error.clone());
        }
        judged
    }

    fn judge_again(&self, session: &Session, allowance: &Allowance) -> Result<(), NodeError> {
        self.gate()?;
        self.cosigned()?;
        let Allowance { granted, index, rules, .. } = allowance;
        let standing = self.policy.now();
        if standing.hash == granted.policy {
            return Ok(());
        }
        let question = granted.plan.questions.get(*index as usize);
        let question = question.ok_or(NodeError::NotGranted { step: "judge" })?;
        self.judge_question(&standing.policy, &session.asker, &granted.commands, question)?;
        if is_at_least_as_strict(rules, &standing.policy.rules) {
            Ok(())
        } else {
            let reason = "its policy has become stricter since the script was granted; ask again";
            Err(NodeError::Refused { party: self.me.clone(), reason })
        }
    }

    /// How a question has ended, where it still may: whatever was cut short by the operator says so.
    ///
    /// # Errors
    /// As `result`, or as [`Self::may_go_on`].
    pub fn if_it_may(&self, allowance: &Allowance, result: Result<Ended, Ending>) -> Result<Ended, Ending> {
        self.may_go_on(allowance).map_err(Ending::Failed)?;
        result
    }
}
