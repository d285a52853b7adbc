//! One question's way through the system, as the broker conducts it.
//!
//! 1. **Link**, if the question crosses owners and its unit type has not been linked in this session.
//! 2. **Record** that it is about to be computed. Only then is any node asked: *record before asking*, so that no
//!    node's log tells of an attempt that the broker's does not.
//! 3. **Compute**: both workers, the owners that share their columns and the dealer at the same time, under a fresh attempt.
//!    Progress is passed on. The rules run on shares at the workers; *protect before open* is theirs.
//! 4. **Combine**: both workers must tell the same ending. Two partial aggregates are fetched, checked and
//!    added.
//! 5. **Record** the outcome, with the hash of the table. *Record before answer*: only then can anybody fetch it.
//!
//! If anything fails after 2, the attempt is aborted at all parties, the failure is recorded, and nothing of
//! the question is released.

use std::pin::Pin;
use std::time::Duration;

use futures::future::{join_all, try_join};
use futures::stream::{FuturesUnordered, StreamExt};
use kobling_model::federation::{Roles, Worker};
use kobling_model::plan::{Question, QuestionKind};
use kobling_model::record::{Asker, Execution, Receipt};
use kobling_model::rules::{Refusal, Rules, Warning};
use kobling_model::table::Table;
use kobling_model::{AttemptId, Hash, OwnerId, UnitType};
use kobling_proto::observe::Step;

use crate::audit::{Opened, Recorded};
use crate::broker::Broker;
use crate::combine::{Expected, Received, combine};
use crate::deal;
use crate::job::Run;
use crate::problem::RunError;
use crate::request::random_id;
use crate::roster::{ComputeEvent, ComputeOrder, DealOrder, NodeClient};

/// How a question ended, recorded.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The population passed its floor, or the edit is carried out.
    Passed,
    /// The edit is not carried out.
    NotCarriedOut(Warning),
    /// The protected table may leave.
    Table(Recorded),
    /// A rule refused.
    Refused(Refusal),
}

/// How both workers say that a question ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Passed,
    NotCarriedOut(Warning),
    Ready { left: Hash, right: Hash },
    Refused(Refusal),
}

/// How one owner says that its part of a question ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OwnerEnding {
    Passed,
    NotCarriedOut,
    Ready(Hash),
    Refused(Refusal),
    Shared,
}

/// Stages that one owner may report of one question.
const STAGES_MAX: usize = 64;

/// Who computes a question.
pub(crate) fn roles(broker: &Broker, question: &Question) -> Result<Roles, RunError> {
    broker
        .federation
        .roles(&question.left.owner, question.right_owner())
        .ok_or(RunError::Internal { step: "roles" })
}

/// Asks one question.
///
/// # Errors
/// [`RunError`]; nothing of the question has been released.
pub(crate) async fn ask(
    run: &Run<'_>,
    index: u32,
    rules: &[Rules],
    joined: &Rules,
) -> Result<Answer, RunError> {
    let question = &run.plan.questions[index as usize];
    let roles = roles(run.broker, question)?;

    // 1.
    run.stop.check().await?;
    let rows = link(run, index, question).await?;
    run.stop.check().await?;

    // 2.
    let attempt = AttemptId(random_id()?);
    let opened = run.broker.journal.open(execution(run, index, question, attempt, joined)).await?;

    // 3, 4. From here on, every way out has an outcome on record.
    let units_max = rows.unwrap_or(kobling_proto::limits::MAX_TOKENS as u64);
    let order = ComputeOrder {
        session: run.session.id,
        job: run.job,
        attempt,
        question: index,
        rules: rules.to_vec(),
    };
    let work = async {
        let (ending, receipts) = compute(run, &order, &roles).await?;
        let table = match ending {
            Ending::Ready { left, right } => {
                let combined = fetch_and_combine(run, &order, &roles, joined, units_max, (left, right));
                let watch = run.broker.telemetry.step(Step::QuestionCombine).of(order.session);
                Some(watch.watch(combined).await?)
            }
            _ => None,
        };
        Ok((ending, table, receipts))
    };
    match run.stop.unless(work).await {
        Ok((ending, table, receipts)) => match record(run, &opened, ending, table, receipts).await {
            // Nothing of the outcome is on record, and the log takes entries.
            Err(error @ RunError::NotCosigned(_)) => failed(run, &opened, error).await,
            recorded => recorded,
        },
        Err(error) => {
            let error = abort(run, &roles, index, attempt, error).await;
            failed(run, &opened, error).await
        }
    }
}

async fn failed(run: &Run<'_>, opened: &Opened, error: RunError) -> Result<Answer, RunError> {
    run.broker.journal.fail(opened, &error, &run.broker.federation.broker.id).await;
    Err(error)
}

async fn link(run: &Run<'_>, index: u32, question: &Question) -> Result<Option<u64>, RunError> {
    if question.right.is_none() {
        return Ok(None);
    }
    let unit_type: UnitType = question.unit_type;
    if !run.session.is_linked(unit_type).await {
        run.progress.stage(index, &run.broker.federation.broker.id, "link").await?;
    }
    match run.session.rows(run.broker, unit_type).await {
        Ok(rows) => Ok(Some(rows)),
        // Half an alignment is no alignment, and nobody can say which half: the session is over.
        Err(error) => Err(RunError::SessionEnded(error.problem())),
    }
}

fn execution(
    run: &Run<'_>,
    index: u32,
    question: &Question,
    attempt: AttemptId,
    joined: &Rules,
) -> Execution {
    Execution {
        session: run.session.id,
        job: run.job,
        attempt,
        // The broker has verified the signature on the request, which says the same of who asks.
        asked_by: Asker { signed: true, ..run.session.asker.clone() },
        request: Some(run.request),
        script: run.script,
        plan: run.plan_hash,
        question: index,
        owners: question.owners().cloned().collect(),
        sharing: question.sharing().cloned().collect(),
        releases: run.plan.releases.clone(),
        variables: question.variables(),
        rules: joined.clone(),
    }
}

/// What a party's call came to: an owner's ending, or nothing for the dealer.
type Call<'a> =
    Pin<Box<dyn Future<Output = Result<(Who, Option<(OwnerEnding, Receipt)>), RunError>> + Send + 'a>>;

/// The part of a party in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Left,
    Right,
    Sharing,
    Dealer,
}

/// Has both workers compute, the others share and the dealer deal, at the same time. The first failure ends all calls.
/// Also returns where each owner recorded how its part ended, in order of party.
async fn compute(
    run: &Run<'_>,
    order: &ComputeOrder,
    roles: &Roles,
) -> Result<(Ending, Vec<Receipt>), RunError> {
    let broker = run.broker;
    let deal = DealOrder {
        session: order.session,
        attempt: order.attempt,
        left: roles.left.clone(),
        right: roles.right.clone(),
    };
    let question = &run.plan.questions[order.question as usize];
    let limit = broker.times.question;
    let dealer = async {
        if roles.dealer == broker.federation.broker.id {
            let watch = broker.telemetry.step(Step::Deal).of(order.session);
            watch.watch(deal::deal(run, order, roles)).await
        } else {
            let node = broker.node(&roles.dealer)?;
            in_time(&roles.dealer, "deal", limit, node.deal(&deal)).await
        }
    };
    let mut calls: FuturesUnordered<Call<'_>> = FuturesUnordered::new();
    let workers = [(Who::Left, &roles.left), (Who::Right, &roles.right)];
    for (who, owner) in workers.into_iter().chain(question.sharing().map(|owner| (Who::Sharing, owner))) {
        let node = broker.node(owner)?;
        calls.push(Box::pin(async move {
            let work = work(run, &*node, order);
            Ok((who, Some(in_time(owner, "compute", limit, work).await?)))
        }));
    }
    calls.push(Box::pin(async { dealer.await.map(|()| (Who::Dealer, None)) }));
    let (mut left, mut right, mut sharing_refused) = (None, None, false);
    let mut receipts = Vec::new();
    while let Some(result) = calls.next().await {
        let (who, ended) = result?;
        let ending = ended.map(|(ending, receipt)| {
            receipts.push(receipt);
            ending
        });
        match (who, ending) {
            (Who::Left, ending) => left = ending,
            (Who::Right, ending) => right = ending,
            (Who::Sharing, ending) => sharing_refused |= matches!(ending, Some(OwnerEnding::Refused(_))),
            (Who::Dealer, _) => {}
        }
    }
    let disagreement = || RunError::Disagreement { left: roles.left.clone(), right: roles.right.clone() };
    let table = matches!(question.kind, QuestionKind::Table(_));
    let edit = matches!(question.kind, QuestionKind::Edit(_));
    receipts.sort();
    let ending = match (left.ok_or_else(disagreement)?, right.ok_or_else(disagreement)?) {
        (OwnerEnding::Refused(rule), OwnerEnding::Refused(same)) if rule == same => Ok(Ending::Refused(rule)),
        // An owner that shares refuses where all do.
        _ if sharing_refused => Err(disagreement()),
        (OwnerEnding::Passed, OwnerEnding::Passed) if !table => Ok(Ending::Passed),
        (OwnerEnding::NotCarriedOut, OwnerEnding::NotCarriedOut) if edit => {
            Ok(Ending::NotCarriedOut(Warning::EditNotCarriedOut))
        }
        (OwnerEnding::Ready(left), OwnerEnding::Ready(right)) if table => Ok(Ending::Ready { left, right }),
        _ => Err(disagreement()),
    };
    Ok((ending?, receipts))
}

async fn in_time<T>(
    party: &OwnerId,
    step: &'static str,
    limit: Duration,
    call: impl Future<Output = Result<T, RunError>>,
) -> Result<T, RunError> {
    let late = || RunError::TimedOut { party: party.clone(), step };
    tokio::time::timeout(limit, call).await.map_err(|_| late())?
}

/// Follows one owner to its outcome, and to where it has recorded that. An owner shares exactly where the question has it share.
async fn work(
    run: &Run<'_>,
    node: &dyn NodeClient,
    order: &ComputeOrder,
) -> Result<(OwnerEnding, Receipt), RunError> {
    let party = node.owner();
    let misbehaved = |what| RunError::Misbehaved { party: party.clone(), step: "compute", what };
    let shares = run.plan.questions[order.question as usize].sharing().any(|owner| owner == party);
    let mut events = node.compute(order).await?;
    let (mut stages, mut receipt) = (0, None);
    while let Some(event) = events.next().await {
        let ending = match event? {
            ComputeEvent::Stage(name) => {
                stages += 1;
                if stages > STAGES_MAX {
                    return Err(misbehaved("it reported too many stages"));
                }
                run.progress.stage(order.question, party, &name).await?;
                continue;
            }
            ComputeEvent::Recorded(told) => {
                if receipt.replace(told).is_some() {
                    return Err(misbehaved("it told twice where it recorded its outcome"));
                }
                continue;
            }
            ComputeEvent::Failed(problem) => {
                return Err(RunError::reported(party.clone(), problem.tamed()));
            }
            ComputeEvent::Shared if shares => OwnerEnding::Shared,
            ComputeEvent::Shared => return Err(misbehaved("it shared its columns where it should compute")),
            // The one rule that every owner judges by itself.
            ComputeEvent::Refused(Refusal::SplitsSpent) => OwnerEnding::Refused(Refusal::SplitsSpent),
            _ if shares => return Err(misbehaved("it told an outcome that it cannot know")),
            ComputeEvent::Passed => OwnerEnding::Passed,
            ComputeEvent::NotCarriedOut => OwnerEnding::NotCarriedOut,
            ComputeEvent::Ready { content } => OwnerEnding::Ready(content),
            ComputeEvent::Refused(rule) => OwnerEnding::Refused(rule),
        };
        let unrecorded = || misbehaved("it told an outcome and not where it recorded it");
        return Ok((ending, receipt.ok_or_else(unrecorded)?));
    }
    Err(misbehaved("it ended without an outcome"))
}

async fn fetch_and_combine(
    run: &Run<'_>,
    order: &ComputeOrder,
    roles: &Roles,
    joined: &Rules,
    units_max: u64,
    announced: (Hash, Hash),
) -> Result<Table, RunError> {
    let broker = run.broker;
    run.progress.stage(order.question, &broker.federation.broker.id, "combine").await?;
    let (left, right) = (broker.node(&roles.left)?, broker.node(&roles.right)?);
    let (of_left, of_right) =
        try_join(left.partial(order.session, order.attempt), right.partial(order.session, order.attempt))
            .await?;
    let party = |id| broker.federation.node(id).ok_or(RunError::Internal { step: "roster" });
    let expected = Expected {
        session: order.session,
        attempt: order.attempt,
        request: run.request,
        plan: run.plan_hash,
        index: order.question,
        question: &run.plan.questions[order.question as usize],
        rules: joined,
        units_max,
    };
    let left = Received {
        worker: Worker::Left,
        party: party(&roles.left)?,
        announced: announced.0,
        partial: of_left,
    };
    let right = Received {
        worker: Worker::Right,
        party: party(&roles.right)?,
        announced: announced.1,
        partial: of_right,
    };
    Ok(combine(&expected, left, right)?)
}

/// Step 5. Not to be interrupted: what is on record must be what happens.
async fn record(
    run: &Run<'_>,
    opened: &Opened,
    ending: Ending,
    table: Option<Table>,
    receipts: Vec<Receipt>,
) -> Result<Answer, RunError> {
    let journal = &run.broker.journal;
    match (ending, table) {
        (Ending::Ready { .. }, Some(table)) => {
            Ok(Answer::Table(journal.release(opened, table, receipts).await?))
        }
        (Ending::Ready { .. }, None) => Err(RunError::Internal { step: "combine" }),
        (Ending::Passed, _) => journal.pass(opened, receipts).await.map(|()| Answer::Passed),
        (Ending::NotCarriedOut(rule), _) => {
            journal.not_carried_out(opened, rule, receipts).await.map(|()| Answer::NotCarriedOut(rule))
        }
        (Ending::Refused(rule), _) => {
            journal.refuse(opened, rule, receipts).await.map(|()| Answer::Refused(rule))
        }
    }
}

/// Ends an attempt at all its parties, and finds the cause of what went wrong: where a party is gone, or its owner does not let it go on, the
/// others can only report what follows from that.
async fn abort(run: &Run<'_>, roles: &Roles, index: u32, attempt: AttemptId, error: RunError) -> RunError {
    let broker = run.broker;
    let mut parties: Vec<&OwnerId> = vec![&roles.left, &roles.right, &roles.dealer];
    parties.extend(run.plan.questions[index as usize].sharing());
    parties.sort();
    parties.dedup();
    let nodes: Vec<_> = parties.into_iter().filter_map(|id| broker.clients.node(id)).collect();
    let patience = broker.farewell_patience();
    let calls = nodes.iter().map(|node| tokio::time::timeout(patience, node.abort(run.session.id, attempt)));
    let answers = join_all(calls).await;
    let at_will = matches!(error, RunError::Cancelled | RunError::Interrupted | RunError::SessionEnded(_));
    if error.is_first_hand() || at_will {
        return error;
    }
    let cause =
        answers.into_iter().filter_map(Result::ok).filter_map(Result::err).find_map(|answer| match answer {
            RunError::Unreachable { party, .. } => Some(RunError::Unreachable { party, step: "compute" }),
            denied @ RunError::Denied { .. } => Some(denied),
            _ => None,
        });
    cause.unwrap_or(error)
}
