//! One question at a worker, from the broker's request to the last message, and dealing for others.
//!
//! Two orders carry the safety argument here. **Protect before open:** nothing but [`crate::protect`] opens
//! anything, and it opens after the rules have been judged on shares. **Record before answer:** the opening
//! is recorded before the first bit is opened, the outcome before anything can be fetched.
//!
//! | step | what | learnt by whom |
//! | --- | --- | --- |
//! | 1 | record the opening; refuse an attempt that was begun before | |
//! | 2 | compute the own fragment in clear; at the same time, link up with worker and dealer | |
//! | 3 | fresh keys, shape, agreement ([`kobling_crypto::attempt`]) | dealer: the shape |
//! | 4 | product, if two owners' data meet | nothing |
//! | 5 | cells and margins by sums of shares | no message |
//! | 6 | protection; one bit is opened | workers: whether a rule refuses |
//! | 7 | record the outcome | |
//! | 8 | the partial aggregate can be fetched once, by the broker | broker: a uniform share |

use std::sync::{Arc, PoisonError};

use kobling_crypto::attempt::{self, Computation, Ends};
use kobling_crypto::channel::FramedChannel;
use kobling_crypto::protocol::ProtocolError;
use kobling_crypto::protocol::engine::Engine;
use kobling_crypto::protocol::narrow_product::{self, LeftRows, OwnerShape, ProductShape};
use kobling_crypto::protocol::shared_columns::OwnerRows;
use kobling_model::federation::Roles;
use kobling_model::partial::PartialAggregate;
use kobling_model::plan::{self, Fragment, QuestionKind, Side};
use kobling_model::record::{Event, Execution, Outcome};
use kobling_model::rules::{Refusal, Rules};
use kobling_model::{AttemptId, Hash, JobId, OwnerId, SessionId};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::cells::{CellSums, Totals};
use crate::columns::{OwnColumns, own_columns};
use crate::error::{Ending, NodeError};
use crate::node::Node;
use crate::peer::{LinkName, LinkTransport, Purpose};
use crate::protect::{self, Cleared};
use crate::session::{Granted, Session};
use crate::values::Limbs;
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
    /// The population passed its floor.
    Passed,
    /// The partial aggregate with this content can be fetched.
    Ready(Hash),
    /// A rule refused.
    Refused(Refusal),
    /// It failed.
    Failed(NodeError),
}

/// Everything a worker knows before it begins.
struct Task {
    node: Arc<Node>,
    session: Arc<Session>,
    granted: Arc<Granted>,
    index: u32,
    attempt: AttemptId,
    plan: Hash,
    roles: Roles,
    side: Side,
    rules: Rules,
    ended: CancellationToken,
}

impl Node {
    /// Computes a question and reports; the outcome is recorded here before it is reported.
    pub async fn conduct(self: Arc<Self>, question: Question, progress: mpsc::Sender<Progress>) {
        let report = match self.begin(&question).await {
            Err(error) => Progress::Failed(error),
            Ok(task) => {
                let (session, attempt) = (task.session.clone(), task.attempt);
                let (index, plan, granted) = (task.index, task.plan, task.granted.clone());
                let ended = task.ended.clone();
                let closed = progress.clone();
                // A broker that no longer listens has given up: the other parties must not wait.
                let watcher = tokio::spawn(async move {
                    closed.closed().await;
                    ended.cancel();
                });
                let result = task.run(&progress).await;
                watcher.abort();
                let report = self.conclude(&session, attempt, index, plan, result).await;
                if let Progress::Passed = report {
                    granted.passed.lock().unwrap_or_else(PoisonError::into_inner).insert(index);
                }
                session.state().running.remove(&attempt);
                report
            }
        };
        // A broker that has gone away learns nothing, and aborts on its own.
        let _ = progress.send(report).await;
    }

    /// Step 1: everything that can be refused before anything is computed, then the record.
    async fn begin(self: &Arc<Self>, question: &Question) -> Result<Task, NodeError> {
        let session = self.sessions.get(question.session, &self.me)?;
        let not_granted = || NodeError::NotGranted { step: "compute" };
        let granted = session.state().granted.get(&question.job).cloned().ok_or_else(not_granted)?;
        let asked = granted.plan.questions.get(question.index as usize).ok_or_else(not_granted)?;
        let right_owner = asked.right.as_ref().map(|fragment| &fragment.owner);
        let roles = self
            .federation
            .roles(&asked.left.owner, right_owner)
            .ok_or_else(|| NodeError::NotOnTheRoster { party: self.me.clone() })?;
        let side = match &self.me {
            me if *me == roles.left => Side::Left,
            me if *me == roles.right => Side::Right,
            _ => return Err(not_granted()),
        };
        self.populations_passed(&granted, question.index)?;
        let rules = self.strictest(&question.rules)?;
        let execution = Execution {
            session: session.id,
            job: question.job,
            attempt: question.attempt,
            asked_by: session.asker.clone(),
            script: granted.script,
            plan: granted.plan.hash(),
            question: question.index,
            owners: owners_of(asked),
            releases: granted.plan.releases.clone(),
            rules: rules.clone(),
        };
        let plan = execution.plan;
        let ended = session.ended.child_token();
        {
            let mut state = session.state();
            if !state.attempts.insert(question.attempt) {
                return Err(not_granted());
            }
            state.running.insert(question.attempt, ended.clone());
        }
        // Record before answer: this comes before the first message to anybody.
        if let Err(error) = self.record(Event::Opening(Box::new(execution))).await {
            session.state().running.remove(&question.attempt);
            return Err(error);
        }
        let (index, attempt) = (question.index, question.attempt);
        Ok(Task { node: self.clone(), session, granted, index, attempt, plan, roles, side, rules, ended })
    }

    /// Rule 1 is not left to the broker: a question is computed only after every population before it in the
    /// script, of those this node is a worker for, has passed its floor here.
    fn populations_passed(&self, granted: &Granted, index: u32) -> Result<(), NodeError> {
        let passed = granted.passed.lock().unwrap_or_else(PoisonError::into_inner);
        let works_for = |question: &plan::Question| {
            let right = question.right.as_ref().map(|fragment| &fragment.owner);
            let roles = self.federation.roles(&question.left.owner, right);
            roles.is_some_and(|roles| roles.left == self.me || roles.right == self.me)
        };
        let open = granted.plan.questions.iter().zip(0..index).any(|(question, at)| {
            let population = matches!(question.kind, QuestionKind::Population { .. });
            population && works_for(question) && !passed.contains(&at)
        });
        if open { Err(NodeError::NotGranted { step: "compute" }) } else { Ok(()) }
    }

    /// The strictest of the numbers granted, which must not be looser than this owner's own.
    fn strictest(&self, granted: &[Rules]) -> Result<Rules, NodeError> {
        let refused = |reason| NodeError::Refused { party: self.me.clone(), reason };
        let rules = kobling_disclosure::rule::strictest(granted)
            .map_err(|_| refused("the owners of this question have pinned different perturbation tables"))?;
        if kobling_disclosure::rule::is_at_least_as_strict(&rules, &self.policy.rules) {
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
        result: Result<Cleared, Ending>,
    ) -> Progress {
        let outcome = match &result {
            Ok(Cleared::Passed) => Outcome::Passed,
            Ok(Cleared::Table(partial)) => Outcome::Released { content: partial.content() },
            Err(Ending::Refused(rule)) => Outcome::Refused { rule: *rule },
            Err(Ending::Failed(error)) => {
                let (party, step) = error.place();
                Outcome::Failed { party: party.unwrap_or(&self.federation.broker.id).clone(), step }
            }
        };
        let event = Event::Outcome { session: session.id, attempt, plan, question, outcome };
        // Record before answer: nothing can be fetched, and no outcome is told, until this is on disk.
        if let Err(error) = self.record(event).await {
            return Progress::Failed(error);
        }
        match result {
            Ok(Cleared::Passed) => Progress::Passed,
            Ok(Cleared::Table(partial)) => {
                let signature = self.signing_key.sign(&partial.message());
                let content = partial.content();
                let mut state = session.state();
                // An attempt that was aborted meanwhile is not handed out.
                if state.running.contains_key(&attempt) {
                    state.partials.insert(attempt, (*partial, signature));
                    Progress::Ready(content)
                } else {
                    Progress::Failed(NodeError::Aborted)
                }
            }
            Err(Ending::Refused(rule)) => Progress::Refused(rule),
            Err(Ending::Failed(error)) => Progress::Failed(error),
        }
    }

    /// Deals randomness for two workers. Says which parties, sees no data, records nothing: it opens nothing.
    ///
    /// # Errors
    /// [`NodeError::NotGranted`] where the roster does not make this node the dealer of these two; what links say.
    pub async fn deal(
        self: Arc<Self>,
        session: SessionId,
        attempt: AttemptId,
        left: OwnerId,
        right: OwnerId,
    ) -> Result<(), NodeError> {
        let session = self.sessions.get(session, &self.me)?;
        let dealer = self.federation.roles(&left, Some(&right)).map(|roles| roles.dealer);
        if dealer.as_ref() != Some(&self.me) {
            return Err(NodeError::NotGranted { step: "deal" });
        }
        let ended = session.ended.child_token();
        {
            let mut state = session.state();
            if !state.attempts.insert(attempt) {
                return Err(NodeError::NotGranted { step: "deal" });
            }
            state.running.insert(attempt, ended.clone());
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
                let (node, id) = (self.clone(), session.id);
                let work = move || node.deal_blocking(id, attempt, &left, to_left, &right, to_right);
                tokio::task::spawn_blocking(work).await.map_err(|_| self.internal("deal")).flatten()
            }
        };
        session.state().running.remove(&attempt);
        result
    }

    fn deal_blocking(
        &self,
        session: SessionId,
        attempt: AttemptId,
        left: &OwnerId,
        to_left: LinkTransport,
        right: &OwnerId,
        to_right: LinkTransport,
    ) -> Result<(), NodeError> {
        let failures = Failures::default();
        let mut left_channel = self.channel(session, attempt, left, to_left, &failures);
        let mut right_channel = self.channel(session, attempt, right, to_right, &failures);
        let ends = |peer| Ends { session: &session.0, attempt: &attempt.0, own: self.me.as_str(), peer };
        attempt::deal(
            &mut left_channel,
            ends(left.as_str()),
            &mut right_channel,
            ends(right.as_str()),
            self.ledger.as_ref(),
        )
        .map_err(|error| self.explain(&failures, &error, "deal"))
    }

    fn channel(
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
    fn explain(&self, failures: &Failures, error: &ProtocolError, step: &'static str) -> NodeError {
        match (failures.first(), error) {
            (Some((party, error)), _) => NodeError::of_channel(&party, &error),
            (None, ProtocolError::Shape { .. }) => NodeError::TooLarge { party: self.me.clone() },
            (None, _) => self.internal(step),
        }
    }
}

/// Owners whose data a question uses, in order of name.
fn owners_of(question: &plan::Question) -> Vec<OwnerId> {
    let mut owners: Vec<_> = question.owners().cloned().collect();
    owners.sort();
    owners
}

impl Task {
    fn question(&self) -> &plan::Question {
        &self.granted.plan.questions[self.index as usize]
    }

    fn other(&self) -> &OwnerId {
        match self.side {
            Side::Left => &self.roles.right,
            Side::Right => &self.roles.left,
        }
    }

    /// Steps 2 to 6.
    async fn run(self, progress: &mpsc::Sender<Progress>) -> Result<Cleared, Ending> {
        let _ = progress.send(Progress::Stage("extract")).await;
        let name = LinkName { session: self.session.id, attempt: self.attempt, purpose: Purpose::Attempt };
        let node = self.node.clone();
        let (columns, to_other, to_dealer) = tokio::try_join!(
            own_columns(&self.node, &self.session, self.question(), self.side),
            node.link(self.other(), name.clone(), self.ended.clone()),
            node.link(&self.roles.dealer, name.clone(), self.ended.clone()),
        )?;
        let (ended, progress) = (self.ended.clone(), progress.clone());
        let work = tokio::task::spawn_blocking(move || self.work(&columns, to_other, to_dealer, &progress));
        let result = work.await.map_err(|_| Ending::Failed(node.internal("compute")))?;
        match result {
            // What broke the links was the end of the attempt.
            Err(Ending::Failed(_)) if ended.is_cancelled() => Err(NodeError::Aborted.into()),
            result => result,
        }
    }

    /// The value column's form, and whose it is.
    fn value(&self) -> Option<(Side, Limbs)> {
        self.question().value().map(|column| (column.side, Limbs::of(column)))
    }

    fn shape(&self, columns: &OwnColumns) -> Result<Computation, NodeError> {
        let question = self.question();
        let product = question.right.as_ref().map(|right| {
            let owner = |side, fragment: &Fragment| {
                let values = match self.value() {
                    Some((owner, limbs)) if owner == side => limbs.bits(),
                    _ => Vec::new(),
                };
                OwnerShape { categories: fragment.categories(), values }
            };
            let (left, right) = (owner(Side::Left, &question.left), owner(Side::Right, right));
            ProductShape::new(columns.rows, left, right, Vec::new())
        });
        let protect = protect::shape(question, &self.rules).map_err(|_| self.node.internal("protect"))?;
        Ok(Computation { product, protect })
    }

    /// Steps 3 to 6. Blocking.
    fn work(
        &self,
        columns: &OwnColumns,
        to_other: LinkTransport,
        to_dealer: LinkTransport,
        progress: &mpsc::Sender<Progress>,
    ) -> Result<Cleared, Ending> {
        let (node, me) = (&self.node, self.node.me.as_str());
        let failures = Failures::default();
        let mut other = node.channel(self.session.id, self.attempt, self.other(), to_other, &failures);
        let mut dealer =
            node.channel(self.session.id, self.attempt, &self.roles.dealer, to_dealer, &failures);
        let computation = self.shape(columns)?;
        let explain = |error: ProtocolError| Ending::Failed(node.explain(&failures, &error, "compute"));
        // Step 3.
        let ends = |peer| Ends { session: &self.session.id.0, attempt: &self.attempt.0, own: me, peer };
        let ledger = node.ledger.as_ref();
        let dealer_seed =
            attempt::introduce(&mut dealer, ends(self.roles.dealer.as_str()), ledger).map_err(explain)?;
        let pair_seed =
            attempt::introduce(&mut other, ends(self.other().as_str()), ledger).map_err(explain)?;
        attempt::announce(&mut dealer, &computation).map_err(explain)?;
        attempt::agree(&mut other, &self.digest(&computation).0).map_err(explain)?;
        // Step 4.
        if computation.product.is_some() {
            let _ = progress.blocking_send(Progress::Stage("product"));
        }
        let step = attempt::product_step();
        let sums = CellSums::of(self.question());
        let OwnColumns { categories, keys, limbs: values, constants, .. } = columns;
        let product = match (&computation.product, self.side) {
            (None, _) => None,
            (Some(shape), Side::Left) => {
                let rows = LeftRows { categories, keys, values };
                Some(narrow_product::left(&step, shape, &mut other, &dealer_seed, &[], rows))
            }
            (Some(shape), Side::Right) => {
                let rows = OwnerRows { categories, values };
                let (other, dealer) = (&mut other, &mut dealer);
                Some(narrow_product::right(&step, shape, other, dealer, &dealer_seed, &mut [], rows))
            }
        };
        // Step 5.
        let shares = match (product, &columns.totals) {
            (Some(product), _) => sums.of_product(&product.map_err(explain)?, *constants),
            // What one owner counts in clear are its shares; the other worker's are zero.
            (None, Some(totals)) => sums.of_totals(totals, *constants),
            (None, None) => {
                let limbs = self.value().map(|(_, limbs)| limbs);
                let categories = self.question().left.categories();
                sums.of_totals(&Totals::zeros(categories, limbs.as_ref()), *constants)
            }
        };
        // Step 6.
        let _ = progress.blocking_send(Progress::Stage("protect"));
        let summand = node.founding.secrets().noise_key_summand(
            &node.me,
            self.other(),
            self.side == Side::Left,
            &node.federation,
        );
        let summand = summand.ok_or_else(|| NodeError::NotReady { party: node.me.clone() })?;
        let step = attempt::protect_step();
        let mut engine = match self.side {
            Side::Left => Engine::left(&step, &mut other, &dealer_seed, &pair_seed),
            Side::Right => Engine::right(&step, &mut other, &mut dealer, &dealer_seed, &pair_seed),
        }
        .map_err(explain)?;
        let cleared =
            protect::clear(&mut engine, &computation.protect, &shares, &summand).map_err(explain)?;
        drop(engine);
        attempt::part(&mut dealer).map_err(explain)?;
        attempt::part(&mut other).map_err(explain)?;
        let (sent, received) = other.transcripts();
        Ok(match cleared {
            protect::Verdict::Refused => return Err(Ending::Refused(protect::refusal(self.question()))),
            protect::Verdict::Passed => Cleared::Passed,
            protect::Verdict::Table(shares) => Cleared::Table(Box::new(PartialAggregate {
                session: self.session.id,
                attempt: self.attempt,
                plan: self.plan,
                question: self.index,
                party: node.me.clone(),
                side: self.side,
                sent: Hash(sent),
                received: Hash(received),
                shares: shares.counts,
                sums: shares.sums,
                squares: shares.squares,
            })),
        })
    }

    /// What both workers take for granted.
    fn digest(&self, computation: &Computation) -> Hash {
        let shape = format!("{computation:?}");
        Hash::of_json(&(self.plan, self.index, &self.rules, &self.roles, shape))
    }
}
