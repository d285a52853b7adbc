//! One question at an owner, from the broker's request to the recorded outcome.
//!
//! Two orders carry the safety argument here. **Protect before open:** nothing but [`crate::protect`] opens
//! anything, and it opens after the rules have been judged on shares. **Record before answer:** the opening
//! is recorded before the first bit is opened, the outcome before anything can be fetched.
//!
//! | step | what | learnt by whom |
//! | --- | --- | --- |
//! | 1 | record the opening; refuse an attempt that was begun before | |
//! | 2–6 | at a worker: [`crate::work`]; at an owner that shares its columns: [`crate::share`] | |
//! | 7 | record the outcome | |
//! | 8 | a worker's partial aggregate can be fetched once, by the broker | broker: a uniform share |

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use kobling_crypto::attempt::{Computation, Ends, Product, Sharing};
use kobling_crypto::channel::FramedChannel;
use kobling_crypto::protocol::ProtocolError;
use kobling_crypto::protocol::classes::ClassShape;
use kobling_crypto::protocol::joined_product::JoinedShape;
use kobling_crypto::protocol::narrow_product::OwnerShape;
use kobling_model::federation::{Roles, Worker};
use kobling_model::plan::{self, Fragment, QuestionKind, Side};
use kobling_model::record::{Asker, Event, Execution, Outcome, Receipt};
use kobling_model::rules::{Refusal, Rules};
use kobling_model::{AttemptId, Hash, JobId, OwnerId, SessionId};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::columns::{OwnColumns, own_columns};
use crate::error::{Ending, NodeError};
use crate::gate::Allowance;
use crate::node::Node;
use crate::peer::{LinkName, LinkTransport, Purpose};
use crate::protect::{self, Cleared};
use crate::session::{Fetchable, Granted, Part, Session};
use crate::side::{OwnSide, own_side};
use crate::values::{Limbs, step_products};
use crate::watched::{Failures, Watched};

/// A request to compute a question.
pub struct Question {
    /// The session.
    pub session: SessionId,
    /// The job whose plan was granted.
    pub job: JobId,
    /// The attempt.
    pub attempt: AttemptId,
    /// Index of the question in the plan.
    pub index: u32,
    /// Numbers granted by each owner.
    pub rules: Vec<Rules>,
}

/// What is reported to the broker. The last report is an outcome.
#[derive(Debug)]
pub enum Progress {
    /// A stage has begun.
    Stage(&'static str),
    /// How it ended is recorded, there.
    Recorded(Receipt),
    /// The population passed its floor, or the edit is carried out.
    Passed,
    /// The edit is not carried out.
    NotCarriedOut,
    /// The partial aggregate with this content can be fetched.
    Ready(Hash),
    /// An owner that shares has shared its columns.
    Shared,
    /// A rule refused.
    Refused(Refusal),
    /// It failed.
    Failed(NodeError),
}

/// What an owner does in a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// It computes on shares.
    Work(Worker),
    /// It shares its columns; with its place among the question's others.
    Share(usize),
}

/// How a part of a question ended.
#[derive(Debug)]
pub enum Ended {
    /// What the gate let through, at a worker.
    Cleared(Cleared),
    /// The columns are shared.
    Shared,
}

/// Everything an owner knows before it begins.
pub struct Task {
    /// The node.
    pub node: Arc<Node>,
    /// The session.
    pub session: Arc<Session>,
    /// The plan, derived and granted here.
    pub granted: Arc<Granted>,
    /// Index of the question in the plan.
    pub index: u32,
    /// The attempt.
    pub attempt: AttemptId,
    /// Hash of the plan.
    pub plan: Hash,
    /// Who computes.
    pub roles: Roles,
    /// This owner's part.
    pub duty: Duty,
    /// The rules in force.
    pub rules: Rules,
    /// Cancelled when the attempt is over.
    pub ended: CancellationToken,
}

impl Node {
    /// Computes a question and reports; the outcome is recorded here before it is reported.
    pub async fn conduct(self: Arc<Self>, question: Question, progress: mpsc::Sender<Progress>) {
        let report = match self.begin(&question).await {
            Err(error) => Progress::Failed(error),
            Ok(task) => {
                let (session, attempt, index) = (task.session.clone(), task.attempt, task.index);
                let (plan, granted, ended) = (task.plan, task.granted.clone(), task.ended.clone());
                let allowance = task.allowance();
                let closed = progress.clone();
                // A broker that no longer listens has given up: the other parties must not wait.
                let watcher = tokio::spawn(async move {
                    closed.closed().await;
                    ended.cancel();
                });
                let result = task.run(&progress).await;
                watcher.abort();
                let result = self.if_it_may(&allowance, result);
                let (receipt, report) =
                    self.conclude(&session, attempt, index, plan, allowance, result).await;
                if let Some(receipt) = receipt {
                    let _ = progress.send(Progress::Recorded(receipt)).await;
                }
                let ended = match report {
                    Progress::Passed => Some(true),
                    Progress::NotCarriedOut => Some(false),
                    _ => None,
                };
                if let Some(ended) = ended {
                    granted.outcomes.lock().unwrap_or_else(PoisonError::into_inner).insert(index, ended);
                }
                session.state().end(attempt, Part::Compute);
                report
            }
        };
        // A broker that has gone away learns nothing, and aborts on its own.
        let _ = progress.send(report).await;
    }

    /// Step 1: everything that can be refused before anything is computed, then the record.
    async fn begin(self: &Arc<Self>, question: &Question) -> Result<Task, NodeError> {
        self.gate()?;
        let session = self.sessions.get(question.session, &self.me)?;
        let not_granted = || NodeError::NotGranted { step: "compute" };
        let granted = session.state().granted.get(&question.job).cloned().ok_or_else(not_granted)?;
        let asked = granted.plan.questions.get(question.index as usize).ok_or_else(not_granted)?;
        let roles = self
            .federation
            .roles(&asked.left.owner, asked.right_owner())
            .ok_or_else(|| NodeError::NotOnTheRoster { party: self.me.clone() })?;
        let sharing = asked.sharing().position(|owner| *owner == self.me);
        let duty = match sharing {
            _ if self.me == roles.left => Duty::Work(Worker::Left),
            _ if self.me == roles.right => Duty::Work(Worker::Right),
            Some(place) => Duty::Share(place),
            None => return Err(not_granted()),
        };
        self.is_next(&granted, question.index)?;
        // More than a product joins, or than there are names of links for: no checked script leads here.
        if asked.factors().count() + asked.sums.len() > JoinedShape::FACTORS_MAX {
            return Err(NodeError::TooLarge { party: self.me.clone() });
        }
        let rules = self.strictest(&question.rules)?;
        let execution = Execution {
            session: session.id,
            job: question.job,
            attempt: question.attempt,
            // The request that was granted says the same of who asks, and its signature was verified here.
            asked_by: Asker { signed: true, ..session.asker.clone() },
            request: Some(granted.request),
            script: granted.script,
            plan: granted.plan.hash(),
            question: question.index,
            owners: sorted(asked.owners()),
            sharing: sorted(asked.sharing()),
            releases: granted.plan.releases.clone(),
            variables: asked.variables(),
            rules: rules.clone(),
        };
        let plan = execution.plan;
        let ended = session.ended.child_token();
        if !session.state().begin(question.attempt, Part::Compute, &ended) {
            return Err(not_granted());
        }
        let (index, attempt) = (question.index, question.attempt);
        let task =
            Task { node: self.clone(), session, granted, index, attempt, plan, roles, duty, rules, ended };
        // Judged only now that a stop would end the attempt: one that came before is seen here.
        let begun = match self.may_go_on(&task.allowance()) {
            // Record before answer: this comes before the first message to anybody.
            Ok(()) => self.record(Event::Opening(Box::new(execution))).await.map(drop),
            refused => refused,
        };
        if let Err(error) = begun {
            task.session.state().end(attempt, Part::Compute);
            return Err(error);
        }
        Ok(task)
    }

    /// Rules 1 and 6 are not left to the broker: a question is computed only after every population before it in the
    /// script, of those this node is a worker for, has passed its floor here, and every edit has ended here as the
    /// plan has it. The population's owner is a worker of every question about it.
    fn is_next(&self, granted: &Granted, index: u32) -> Result<(), NodeError> {
        let outcomes = granted.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        let edits: BTreeMap<usize, bool> = granted.plan.edits().collect();
        let works_for = |question: &plan::Question| {
            let roles = self.federation.roles(&question.left.owner, question.right_owner());
            roles.is_some_and(|roles| roles.left == self.me || roles.right == self.me)
        };
        let open = granted.plan.questions.iter().zip(0..index).any(|(question, at)| {
            let wanted = match question.kind {
                QuestionKind::Population { .. } => Some(&true),
                QuestionKind::Edit(_) => edits.get(&(at as usize)),
                QuestionKind::Table(_) => None,
            };
            wanted.is_some() && works_for(question) && outcomes.get(&at) != wanted
        });
        if open { Err(NodeError::NotGranted { step: "compute" }) } else { Ok(()) }
    }

    /// The strictest of the numbers granted, which must not be looser than this owner's own.
    fn strictest(&self, granted: &[Rules]) -> Result<Rules, NodeError> {
        let refused = |reason| NodeError::Refused { party: self.me.clone(), reason };
        let rules = kobling_disclosure::rule::strictest(granted)
            .map_err(|_| refused("the owners of this question have pinned different perturbation tables"))?;
        if kobling_disclosure::rule::is_at_least_as_strict(&rules, &self.policy.now().policy.rules) {
            Ok(rules)
        } else {
            Err(refused("the rules in force are looser than this owner's"))
        }
    }

    /// Steps 7 and 8: records how it ended, and only then lets anything be fetched.
    async fn conclude(
        &self,
        session: &Session,
        attempt: AttemptId,
        question: u32,
        plan: Hash,
        allowance: Allowance,
        result: Result<Ended, Ending>,
    ) -> (Option<Receipt>, Progress) {
        let outcome = match &result {
            Ok(Ended::Cleared(Cleared::Passed)) => Outcome::Passed,
            Ok(Ended::Cleared(Cleared::NotCarriedOut(rule))) => Outcome::NotCarriedOut { rule: *rule },
            Ok(Ended::Cleared(Cleared::Table(partial))) => Outcome::Released { content: partial.content() },
            Ok(Ended::Shared) => Outcome::Shared,
            Err(Ending::Refused(rule)) => Outcome::Refused { rule: *rule },
            Err(Ending::Failed(error)) => {
                let (party, step) = error.place();
                Outcome::Failed { party: party.unwrap_or(&self.federation.broker.id).clone(), step }
            }
        };
        let receipts = Vec::new();
        let event = Event::Outcome { session: session.id, attempt, plan, question, outcome, receipts };
        // Record before answer: nothing can be fetched, and no outcome is told, until this is on disk.
        let recorded = match self.record(event).await {
            Ok(entry) => entry,
            Err(error) => return (None, Progress::Failed(error)),
        };
        let receipt = Receipt { party: self.me.clone(), entry: recorded.index, leaf: recorded.hash };
        let report = match result {
            Ok(Ended::Shared) => Progress::Shared,
            Ok(Ended::Cleared(Cleared::Passed)) => Progress::Passed,
            Ok(Ended::Cleared(Cleared::NotCarriedOut(_))) => Progress::NotCarriedOut,
            Ok(Ended::Cleared(Cleared::Table(partial))) => {
                let signature = self.signing_key.sign(&partial.message());
                let content = partial.content();
                let mut state = session.state();
                // An attempt that was aborted meanwhile is not handed out.
                if state.is_running(attempt, Part::Compute) {
                    state.partials.insert(attempt, Fetchable { partial: *partial, signature, allowance });
                    Progress::Ready(content)
                } else {
                    Progress::Failed(self.gate().err().unwrap_or(NodeError::Aborted))
                }
            }
            Err(Ending::Refused(rule)) => Progress::Refused(rule),
            Err(Ending::Failed(error)) => Progress::Failed(error),
        };
        (Some(receipt), report)
    }

    /// A watched channel over a link of an attempt.
    pub fn channel(
        &self,
        session: SessionId,
        attempt: AttemptId,
        peer: &OwnerId,
        transport: LinkTransport,
        failures: &Failures,
    ) -> Watched<LinkTransport> {
        let framed = FramedChannel::new(transport, session.0, attempt.0, self.me.as_str(), peer.as_str());
        Watched::new(framed, peer.clone(), failures.clone())
    }

    /// What a protocol error means: the party and step of the first link that failed, else ours.
    pub fn explain(&self, failures: &Failures, error: &ProtocolError, step: &'static str) -> NodeError {
        match (failures.first(), error) {
            (Some((party, error)), _) => NodeError::of_channel(&party, &error),
            (None, ProtocolError::Shape { .. }) => NodeError::TooLarge { party: self.me.clone() },
            (None, _) => self.internal(step),
        }
    }
}

/// Owners in order of name.
fn sorted<'a>(owners: impl Iterator<Item = &'a OwnerId>) -> Vec<OwnerId> {
    let mut owners: Vec<_> = owners.cloned().collect();
    owners.sort();
    owners
}

impl Task {
    /// The question.
    pub fn question(&self) -> &plan::Question {
        &self.granted.plan.questions[self.index as usize]
    }

    async fn run(self, progress: &mpsc::Sender<Progress>) -> Result<Ended, Ending> {
        match self.duty {
            Duty::Work(worker) => self.work(worker, progress).await.map(Ended::Cleared),
            Duty::Share(place) => self.share(place, progress).await.map(|()| Ended::Shared),
        }
    }

    /// This owner's own columns.
    ///
    /// # Errors
    /// As [`own_columns`].
    pub async fn own_columns(&self, side: Side) -> Result<Arc<OwnColumns>, NodeError> {
        own_columns(&self.node, &self.session, self.question(), side).await
    }

    /// This owner's side of the population; none where it has no data in the question. After [`Self::own_columns`], which may make it known.
    ///
    /// # Errors
    /// As [`own_side`].
    pub async fn own_side(&self, side: Side) -> Result<Option<OwnSide>, NodeError> {
        own_side(&self.node, &self.session, self.question(), side).await
    }

    /// A link of this attempt.
    ///
    /// # Errors
    /// As [`Node::link`].
    pub async fn link(&self, peer: &OwnerId, purpose: Purpose) -> Result<LinkTransport, NodeError> {
        let name = LinkName { session: self.session.id, attempt: self.attempt, purpose };
        self.node.link(peer, name, self.ended.clone()).await
    }

    /// Who is at the ends of a link.
    pub fn ends<'a>(&'a self, peer: &'a OwnerId) -> Ends<'a> {
        let (session, attempt) = (&self.session.id.0, &self.attempt.0);
        Ends { session, attempt, own: self.node.me.as_str(), peer: peer.as_str() }
    }

    /// Runs what blocks, apart from whoever must not wait. What broke the links of an attempt that has been ended was its end.
    ///
    /// # Errors
    /// What `work` says.
    pub async fn blocking<T: Send + 'static>(
        self: Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, Ending> + Send + 'static,
    ) -> Result<T, Ending> {
        let (node, ended) = (self.node.clone(), self.ended.clone());
        let result = tokio::task::spawn_blocking(move || work(&self)).await;
        match result.map_err(|_| Ending::Failed(node.internal("compute")))? {
            Err(Ending::Failed(_)) if ended.is_cancelled() => Err(NodeError::Aborted.into()),
            result => result,
        }
    }

    /// The public shape of the computation, all columns travelling.
    ///
    /// # Errors
    /// [`NodeError::Internal`] where the rules name an unknown perturbation table.
    pub fn computation(&self, rows: usize) -> Result<Computation, NodeError> {
        let question = self.question();
        let product = self.product(question, rows)?;
        let protect = protect::shape(question, &self.rules).map_err(|_| self.node.internal("protect"))?;
        let (of_left, of_right) = (Sharing::Travel, Sharing::Travel);
        Ok(Computation { product, of_left, of_right, protect })
    }

    /// The public shape of a question's product, if several owners' data meet in it.
    ///
    /// # Errors
    /// [`NodeError::Internal`] for a question of no checked script.
    pub fn product(&self, question: &plan::Question, rows: usize) -> Result<Option<Product>, NodeError> {
        product(question, rows).ok_or_else(|| self.node.internal("compute"))
    }

    /// What all owners of a question take for granted.
    pub fn digest(&self, computation: &Computation) -> Hash {
        let shape = format!("{computation:?}");
        Hash::of_json(&(self.granted.request, self.plan, self.index, &self.rules, &self.roles, shape))
    }
}

/// The public shape of a question's product, the inner none where one owner has all of it; none for a question of no checked script.
pub fn product(question: &plan::Question, rows: usize) -> Option<Option<Product>> {
    let shape = |(side, fragment): (Side, &Fragment)| {
        let part = question.value().and_then(|column| column.part(side));
        let values = part.map_or_else(Vec::new, |part| Limbs::of(part).bits());
        OwnerShape { categories: fragment.categories(), values }
    };
    let left = shape((Side::Left, &question.left));
    let Some(right) = &question.right else { return Some(None) };
    let others = question.factors().map(shape).collect();
    let classes = question.sums.iter().map(|sum| {
        let form = sum.form(&question.bounds(sum))?;
        let shared = sum.summands.iter().filter(|(side, _)| matches!(side, Side::Other(_)));
        Some(ClassShape::new(rows, 1, form.bits, form.borders, form.kept, shared.count()))
    });
    let classes = classes.collect::<Option<Vec<_>>>()?;
    let everyone = right.is_everyone();
    let right = shape((Side::Right, right));
    let crosses = step_products(question).into_iter().flat_map(|products| products.limbs);
    let crosses = crosses.map(|(cross, _)| cross).collect();
    Some(Some(Product::new(rows, left, right, everyone, others, classes, crosses)))
}
