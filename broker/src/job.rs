//! Jobs: one script in a session, from submission to its last table.
//!
//! A job that has been accepted is in the store before the client hears of it, and every change of it is in
//! the store together with the event that tells of it. Tables of questions that were answered stay, whatever
//! happens to the rest of the job; nothing of the question that failed is released.
//!
//! An edit that is not carried out changes the plan of what follows: broker and nodes derive it anew with the outcome, and
//! the job goes on at the next question. Whatever the outcomes, its questions are at the same places.

use std::future::Future;
use std::sync::Arc;

use futures::future::{join_all, try_join_all};
use futures::stream::{self, BoxStream, StreamExt};
use kobling_model::applied::Applied;
use kobling_model::plan::Plan;
use kobling_model::rules::{self, Rules};
use kobling_model::script_request::{RequestFault, ScriptRequest, SignedRequest};
use kobling_model::table::Table;
use kobling_model::{Hash, JobId, OwnerId, SessionId};
use kobling_proto::observe::Step;
use kobling_proto::observe::log::Line;
use kobling_script::Language;
use tokio::sync::watch;

use crate::audit::now_ms;
use crate::broker::{Broker, lock};
use crate::combine::verifying_key;
use crate::conduct::{self, Answer};
use crate::observe::cause_of_store;
use crate::problem::{Problem, RunError};
use crate::request::{RequestError, client_key, random_id};
use crate::roster::{AdmitOrder, JobOffer, JobRevision};
use crate::session::{End, Session};
use crate::store::{Diagnostic, Inserted, JobEnd, JobEvent, JobRow, JobState, SessionState, Store, Warning};

/// A job that waits or runs.
pub struct LiveJob {
    cancel: watch::Sender<bool>,
    /// Rung at every event. Closed when the job has ended.
    bell: watch::Sender<u64>,
}

/// A job on its way to its session's worker.
pub struct QueuedJob {
    id: JobId,
    signed: Arc<SignedRequest>,
    script: Arc<str>,
    plan: Arc<Plan>,
    live: Arc<LiveJob>,
}

/// What a running job works with.
pub(crate) struct Run<'a> {
    pub(crate) broker: &'a Broker,
    pub(crate) session: &'a Session,
    pub(crate) job: JobId,
    /// Name of the request that the platform signed.
    pub(crate) request: Hash,
    pub(crate) script: Hash,
    /// Made with the outcomes of the edits so far.
    pub(crate) plan: Arc<Plan>,
    pub(crate) plan_hash: Hash,
    pub(crate) progress: Progress,
    pub(crate) stop: Stop,
}

/// Where a job's progress goes.
#[derive(Clone)]
pub(crate) struct Progress {
    store: Store,
    job: JobId,
    questions: u32,
    live: Arc<LiveJob>,
}

impl Progress {
    /// Tells that a stage has begun.
    pub(crate) async fn stage(&self, question: u32, party: &OwnerId, name: &str) -> Result<(), RunError> {
        let event = JobEvent::Stage {
            question,
            questions: self.questions,
            party: party.clone(),
            name: name.to_owned(),
        };
        self.store.add_event(self.job, event).await?;
        self.ring();
        Ok(())
    }

    /// Tells what a rule did to the script.
    async fn warn(&self, line: u32, warning: rules::Warning) -> Result<(), RunError> {
        let (code, message) = (warning.code().to_owned(), warning.to_string());
        self.store.add_event(self.job, JobEvent::Warning(Warning { line, code, message })).await?;
        self.ring();
        Ok(())
    }

    fn ring(&self) {
        self.live.bell.send_modify(|rung| *rung = rung.wrapping_add(1));
    }
}

/// Tells when a job has to stop: at the client's wish, or with its session.
#[derive(Clone)]
pub(crate) struct Stop {
    cancelled: watch::Receiver<bool>,
    session: watch::Receiver<Option<End>>,
}

impl Stop {
    /// Runs `work` unless the job has to stop before it is done.
    pub(crate) async fn unless<T>(
        &self,
        work: impl Future<Output = Result<T, RunError>>,
    ) -> Result<T, RunError> {
        let Self { mut cancelled, mut session } = self.clone();
        let ended = async {
            match session.wait_for(Option::is_some).await.as_deref() {
                Ok(Some(end)) => end.job_error(),
                _ => RunError::Interrupted,
            }
        };
        let cancelled = async {
            // The sender lives as long as the job.
            let _ = cancelled.wait_for(|cancelled| *cancelled).await;
            RunError::Cancelled
        };
        tokio::select! {
            biased;
            error = ended => Err(error),
            error = cancelled => Err(error),
            result = work => result,
        }
    }

    /// Whether the job has to stop now.
    pub(crate) async fn check(&self) -> Result<(), RunError> {
        self.unless(async { Ok(()) }).await
    }
}

impl Broker {
    /// Takes a script that the platform has signed into a session, or returns the job submitted under the same key. A client that
    /// asks again may have signed anew: the script is what makes it the same.
    ///
    /// # Errors
    /// [`RequestError`]; a script with errors is no error here but a rejected job.
    pub async fn submit(
        &self,
        session: SessionId,
        key: &str,
        signed: SignedRequest,
    ) -> Result<JobRow, RequestError> {
        let key = client_key(key)?;
        let request = ScriptRequest::parse(&signed.bytes).map_err(RequestError::not_taken)?;
        let script_hash = Hash::of(request.script.as_bytes());
        let same = |job: JobRow| {
            if job.script == script_hash {
                Ok(job)
            } else {
                Err(RequestError::conflict(
                    "key-reused",
                    "this key has submitted another script in this session",
                ))
            }
        };
        if let Some(job) = self.store.job_by_key(session, key.clone()).await? {
            return same(job);
        }
        let open = lock(&self.sessions).get(&session).cloned();
        let Some(open) = open else { return Err(self.not_open(session).await?) };
        self.verify(&open, &request, &signed).map_err(RequestError::not_taken)?;
        // A place in the queue first: a job that is kept can then always be run.
        let place = open.queue.try_reserve().map_err(|error| match error {
            tokio::sync::mpsc::error::TrySendError::Full(()) => RequestError::TooMuch(Problem::of_request(
                "too-many-jobs",
                "too many jobs wait in this session; submit again when one has ended",
            )),
            tokio::sync::mpsc::error::TrySendError::Closed(()) => session_ended(),
        })?;

        let script: Arc<str> = request.script.into();
        let checked = {
            let (script, catalogue) = (Arc::clone(&script), Arc::clone(&open.catalogue));
            tokio::task::spawn_blocking(move || {
                let checked = kobling_script::plan(&script, &catalogue);
                checked.map_err(|diagnostics| {
                    diagnostics.iter().map(|diagnostic| shown(diagnostic, &script)).collect::<Vec<_>>()
                })
            })
            .await
            .map_err(|_| RunError::Internal { step: "check" })?
        };
        let mut job = JobRow {
            id: JobId(random_id()?),
            session,
            key,
            script: script_hash,
            plan: None,
            state: JobState::Queued,
            problem: None,
            diagnostics: Vec::new(),
            line: 0,
            tables: 0,
            warnings: Vec::new(),
        };
        let plan = match checked {
            Ok(plan) => {
                job.plan = Some(plan.hash());
                Some(plan)
            }
            Err(diagnostics) => {
                job.state = JobState::Rejected;
                job.diagnostics = diagnostics;
                None
            }
        };
        let live = Arc::new(LiveJob { cancel: watch::Sender::new(false), bell: watch::Sender::new(0) });
        if plan.is_some() {
            lock(&self.jobs).insert(job.id, Arc::clone(&live));
        }
        match self.store.insert_job(job.clone(), now_ms()).await {
            Ok(Inserted::New) => {}
            Ok(Inserted::Existing(existing)) => {
                lock(&self.jobs).remove(&job.id);
                return same(*existing);
            }
            Err(error) => {
                lock(&self.jobs).remove(&job.id);
                return Err(error.into());
            }
        }
        if let Some(plan) = plan {
            open.job_came();
            let signed = Arc::new(signed);
            place.send(QueuedJob { id: job.id, signed, script, plan: Arc::new(plan), live });
        }
        Ok(job)
    }

    /// What nodes will verify, too: here it is said early and clearly. Who has been asked before is theirs to know.
    fn verify(
        &self,
        session: &Session,
        request: &ScriptRequest,
        signed: &SignedRequest,
    ) -> Result<(), RequestFault> {
        let key = verifying_key(&self.federation.platform.signing_key).ok_or(RequestFault::Signature)?;
        key.verify(&signed.bytes, &signed.signature).map_err(|_| RequestFault::Signature)?;
        request.fits(session.id, &session.asker, &session.parties, &session.releases())?;
        request.is_valid_at(now_ms())
    }

    async fn not_open(&self, session: SessionId) -> Result<RequestError, RequestError> {
        let row = self.get_session(session).await?;
        Ok(match (row.state, row.problem) {
            (SessionState::Ended, Some(problem)) => RequestError::NotNow(problem),
            _ => session_ended(),
        })
    }

    /// A job's state, as kept.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn get_job(&self, id: JobId) -> Result<JobRow, RequestError> {
        self.store.job(id).await?.ok_or_else(RequestError::unknown_job)
    }

    /// Ends a job, and returns once nothing of it runs anywhere. A job that has ended stays as it is.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn cancel_job(&self, id: JobId) -> Result<JobRow, RequestError> {
        let live = lock(&self.jobs).get(&id).cloned();
        if let Some(live) = live {
            // A job that still waits ends at once; its worker then passes it over.
            let end = JobEnd { state: JobState::Cancelled, problem: None, line: 0 };
            live.cancel.send_replace(true);
            if self.get_job(id).await?.state == JobState::Queued
                && self.store.end_queued_job(id, end, now_ms()).await?
            {
                lock(&self.jobs).remove(&id);
                live.bell.send_modify(|rung| *rung = rung.wrapping_add(1));
            } else {
                let mut bell = live.bell.subscribe();
                drop(live);
                while lock(&self.jobs).contains_key(&id) && bell.changed().await.is_ok() {}
            }
        }
        self.get_job(id).await
    }

    /// A protected table of a job.
    ///
    /// # Errors
    /// [`RequestError`] where there is none of this index, or not yet.
    pub async fn table(&self, id: JobId, index: u32) -> Result<Table, RequestError> {
        let table = self.store.table(id, index).await?;
        table.ok_or_else(|| {
            RequestError::not_found("unknown-table", "the job has no table of this number, or not yet")
        })
    }

    /// Events of a job after number `after`, and those to come; ends with the job.
    ///
    /// # Errors
    /// [`RequestError`] where there is no such job.
    pub async fn watch_job(
        self: &Arc<Self>,
        id: JobId,
        after: u64,
    ) -> Result<BoxStream<'static, Result<(u64, JobEvent), RequestError>>, RequestError> {
        self.get_job(id).await?;
        let watch = Watch { broker: Arc::clone(self), job: id, seen: after, ended: false };
        let batches = stream::unfold(watch, |mut watch| async move {
            let batch = watch.next_batch().await?;
            Some((stream::iter(batch), watch))
        });
        Ok(batches.flatten().boxed())
    }

    /// Runs a job from its session's queue to its end.
    pub(crate) async fn run_job(&self, session: &Arc<Session>, job: QueuedJob) {
        let QueuedJob { id, signed, script, plan, live } = job;
        let progress = Progress {
            store: self.store.clone(),
            job: id,
            questions: u32::try_from(plan.questions.len()).unwrap_or(u32::MAX),
            live: Arc::clone(&live),
        };
        let mut run = Run {
            broker: self,
            session,
            job: id,
            request: Hash::of(&signed.bytes),
            script: Hash::of(script.as_bytes()),
            plan_hash: plan.hash(),
            plan,
            progress: progress.clone(),
            stop: Stop { cancelled: live.cancel.subscribe(), session: session.ending() },
        };
        let watch = self.telemetry.step(Step::Job).of(session.id);
        let end = match watch.watch(self.answer_all(&mut run, &signed, &script)).await {
            Ok(()) => JobEnd { state: JobState::Done, problem: None, line: 0 },
            Err((error, line)) => {
                if error.ends_session() {
                    self.mark_ended(session, End::Failed(error.problem())).await;
                }
                job_end(&error, line)
            }
        };
        if let Err(error) = self.store.end_job(id, end, now_ms()).await {
            Line::JobEndNotKept.entry().job(id).cause(cause_of_store(&error)).say();
        }
        lock(&self.jobs).remove(&id);
        session.job_went();
        progress.ring();
    }

    /// Hands the request to all nodes, offers the script to all workers, then asks its questions one by one. An error comes with its
    /// line.
    async fn answer_all(
        &self,
        run: &mut Run<'_>,
        signed: &Arc<SignedRequest>,
        script: &Arc<str>,
    ) -> Result<(), (RunError, u32)> {
        let whole_script = |error: RunError| (error, 0);
        run.stop.check().await.map_err(whole_script)?;
        if !self.store.job_runs(run.job).await.map_err(|error| whole_script(error.into()))? {
            return Err(whole_script(RunError::Cancelled));
        }
        run.progress.ring();
        if run.plan.questions.is_empty() {
            return Ok(());
        }
        let parties = parties(run).map_err(whole_script)?;
        let rules = run.stop.unless(offer(run, &parties, signed)).await.map_err(whole_script)?;
        let joined = strictest(&rules).ok_or(whole_script(RunError::PerturbationTables))?;
        for at in 0..run.plan.questions.len() {
            let (index, line) = (at as u32, run.plan.questions[at].line);
            let at_line = |error| (error, line);
            let turn = async { Ok(self.turns.take(&run.session.asker.institution).await) };
            let _turn = run.stop.unless(turn).await.map_err(at_line)?;
            let asked = self.telemetry.step(Step::Question).of(run.session.id);
            match asked.watch(conduct::ask(run, index, &rules, &joined)).await.map_err(at_line)? {
                Answer::Passed => {}
                Answer::NotCarriedOut(warning) => {
                    if at + 1 < run.plan.questions.len() {
                        revise(run, at, &parties, script).await.map_err(at_line)?;
                    }
                    run.progress.warn(line, warning).await.map_err(at_line)?;
                }
                Answer::Refused(refusal) => return Err(at_line(refusal.into())),
                Answer::Table(recorded) => {
                    let applied = Applied::of(recorded.table(), &joined, &run.plan, at);
                    let added = self.store.add_table(run.job, recorded, applied).await;
                    added.map_err(|error| at_line(error.into()))?;
                    run.progress.ring();
                }
            }
        }
        Ok(())
    }
}

/// Every node that is a worker in any of the script's questions or shares its columns, or may be where an edit is not
/// carried out, in roster order. No question then has other owners than it has now, but it may have a single one.
fn parties(run: &Run<'_>) -> Result<Vec<OwnerId>, RunError> {
    let broker = run.broker;
    let mut workers = Vec::new();
    for question in &run.plan.questions {
        let roles = conduct::roles(broker, question)?;
        workers.extend([roles.left, roles.right]);
        workers.extend(question.sharing().cloned());
        if run.plan.edits().next().is_some() {
            let alone = broker.federation.roles(&question.left.owner, None);
            workers.push(alone.ok_or(RunError::Internal { step: "roles" })?.right);
        }
    }
    let in_roster_order = broker.federation.nodes.iter().map(|party| party.id.clone());
    Ok(in_roster_order.filter(|id| workers.contains(id)).collect())
}

/// Hands the request to all nodes of the session. Each verifies it before it links, deals or computes anything there.
async fn admit(run: &Run<'_>, signed: &Arc<SignedRequest>) -> Result<(), RunError> {
    let order = AdmitOrder { session: run.session.id, job: run.job, signed: Arc::clone(signed) };
    let nodes = run.broker.nodes(&run.session.parties);
    // All are heard, so that what one of them records as refused is in this log, too.
    let answers = join_all(nodes.iter().map(|node| node.admit(&order))).await;
    let refused = answers.iter().find_map(|answer| match answer {
        Err(RunError::Reported { problem, .. }) if problem.step == "admit" => Some(problem.clone().tamed()),
        _ => None,
    });
    if let Some(problem) = refused {
        let journal = &run.broker.journal;
        journal.request_refused(run.session.id, run.job, run.request, problem.code).await;
    }
    answers.into_iter().collect()
}

/// Offers the script to its parties, and returns what their owners insist on, in roster order.
async fn offer(
    run: &Run<'_>,
    parties: &[OwnerId],
    signed: &Arc<SignedRequest>,
) -> Result<Vec<Rules>, RunError> {
    let broker = run.broker;
    run.session.check_parties(broker).await?;
    run.progress.stage(0, &broker.federation.broker.id, "offer").await?;
    admit(run, signed).await?;
    let offer = JobOffer {
        session: run.session.id,
        job: run.job,
        catalogue: Arc::clone(&run.session.catalogue),
        plan: run.plan_hash,
    };
    let nodes = broker.nodes(parties);
    try_join_all(nodes.iter().map(|node| node.offer(&offer))).await
}

/// Goes on with the plan that follows from an edit that is not carried out, that of the question at this place, once all
/// parties have derived the same.
async fn revise(
    run: &mut Run<'_>,
    at: usize,
    parties: &[OwnerId],
    script: &Arc<str>,
) -> Result<(), RunError> {
    let internal = || RunError::Internal { step: "revise" };
    let mut edits: Vec<bool> =
        run.plan.edits().take_while(|(of, _)| *of < at).map(|(_, carried_out)| carried_out).collect();
    edits.push(false);
    let plan = {
        let (script, catalogue) = (Arc::clone(script), Arc::clone(&run.session.catalogue));
        let edits = edits.clone();
        let derived = move || kobling_script::plan_after(&script, &catalogue, &edits);
        tokio::task::spawn_blocking(derived).await.ok().flatten().ok_or_else(internal)?
    };
    // What has been asked stays asked.
    if plan.questions.get(..=at) != run.plan.questions.get(..=at)
        || plan.questions.len() != run.plan.questions.len()
    {
        return Err(internal());
    }
    let revision = JobRevision { session: run.session.id, job: run.job, edits, plan: plan.hash() };
    let nodes = run.broker.nodes(parties);
    let told = try_join_all(nodes.iter().map(|node| node.revise(&revision)));
    run.stop.unless(async { told.await.map(|_| ()) }).await?;
    (run.plan, run.plan_hash) = (Arc::new(plan), revision.plan);
    Ok(())
}

/// Of each number the strictest; none where owners insist on different perturbation tables, or there are none.
///
/// Every node joins the same numbers in the same way; the broker needs them for its record.
fn strictest(rules: &[Rules]) -> Option<Rules> {
    let (first, others) = rules.split_first()?;
    others.iter().try_fold(first.clone(), |joined, rules| {
        (rules.perturbation_table == joined.perturbation_table).then(|| Rules {
            population_units_min: joined.population_units_min.max(rules.population_units_min),
            perturbation_table: joined.perturbation_table,
            small_cell_units_max: joined.small_cell_units_max.max(rules.small_cell_units_max),
            small_cells_percent_max: joined.small_cells_percent_max.min(rules.small_cells_percent_max),
            edit_units_min: joined.edit_units_min.max(rules.edit_units_min),
            statistic_units_min: joined.statistic_units_min.max(rules.statistic_units_min),
            two_largest_percent_max: joined.two_largest_percent_max.min(rules.two_largest_percent_max),
            others_percent_of_largest_min: joined
                .others_percent_of_largest_min
                .max(rules.others_percent_of_largest_min),
        })
    })
}

fn job_end(error: &RunError, line: u32) -> JobEnd {
    match error {
        RunError::Cancelled => JobEnd { state: JobState::Cancelled, problem: None, line: 0 },
        RunError::Refused(_) | RunError::Denied { .. } => {
            JobEnd { state: JobState::Refused, problem: Some(error.problem()), line }
        }
        _ => JobEnd { state: JobState::Failed, problem: Some(error.problem()), line },
    }
}

fn session_ended() -> RequestError {
    RequestError::NotNow(Problem::of_request("session-ended", "the session has ended; open a new one"))
}

fn shown(diagnostic: &kobling_script::Diagnostic, script: &str) -> Diagnostic {
    let place = script.get(diagnostic.span.start..diagnostic.span.end).unwrap_or_default();
    Diagnostic {
        line: diagnostic.line,
        column: diagnostic.column,
        length: u32::try_from(place.chars().count()).unwrap_or(u32::MAX),
        message: diagnostic.message(Language::English),
        help: diagnostic.advice(Language::English),
    }
}

/// Somebody watching a job.
struct Watch {
    broker: Arc<Broker>,
    job: JobId,
    seen: u64,
    ended: bool,
}

impl Watch {
    /// The next events, once there are any; none at the end.
    async fn next_batch(&mut self) -> Option<Vec<Result<(u64, JobEvent), RequestError>>> {
        while !self.ended {
            // Listening begins before reading, so that nothing falls between.
            let mut bell = lock(&self.broker.jobs).get(&self.job).map(|live| live.bell.subscribe());
            let (events, ended) = match self.broker.store.events(self.job, self.seen).await {
                Ok(Some(found)) => found,
                Ok(None) => return self.give_up(RequestError::unknown_job()),
                Err(error) => return self.give_up(error.into()),
            };
            self.ended = ended;
            if !events.is_empty() {
                let numbered = (self.seen + 1..).zip(events).collect::<Vec<_>>();
                self.seen += numbered.len() as u64;
                return Some(numbered.into_iter().map(Ok).collect());
            }
            match &mut bell {
                _ if ended => {}
                // Closed means ended: once round to read the last events.
                Some(bell) => drop(bell.changed().await),
                // Neither live nor ended: its end could not be kept.
                None => return self.give_up(RunError::Store.into()),
            }
        }
        None
    }

    fn give_up<T>(&mut self, error: RequestError) -> Option<Vec<Result<T, RequestError>>> {
        self.ended = true;
        Some(vec![Err(error)])
    }
}
