//! Lays the logs of several parties side by side and names what does not fit.
//!
//! What must hold, for every attempt at a question:
//!
//! 1. In each log, the opening stands before the outcome, and each of them once.
//! 2. What the broker answered (released, passed or refused) every owner named in the broker's opening has
//!    opened and ended in the same way; an owner that the opening names as sharing, and no other, by having shared.
//! 3. Where two parties have opened the same attempt, they say the same about it: session, job, asker,
//!    signed request, script, plan, question, owners, who of them shares, releases, variables, rules.
//! 4. No node has opened what the broker has not, nor refused a request that the broker does not tell of.
//! 5. Where the broker answered, it names for every owner the entry in which that owner recorded its part, and the leaf there is the
//!    one it names: a log that was written anew after the answer has another.
//!
//! **Failed attempts** release nothing, so they may be missing at a party that they never reached, and may have no
//! outcome where a party was stopped. 1, 3 and 4 hold for them as well. For 4 the broker records its opening before it
//! asks any node.
//!
//! A node that works on a question without owning data in it (second worker, dealer) need not have recorded
//! it; if it has, 1, 3, 4 and 5 hold, and its outcome, if any, is the broker's.
//!
//! The hashes of what left are not compared across parties: a node hashes its share, the broker the table.
//! Clocks are not compared either. Findings name parties, attempts and fields, never what a field says.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use kobling_model::record::{Event, Execution, Outcome, Receipt};
use kobling_model::rules::Refusal;
use kobling_model::{AttemptId, Hash, JobId, OwnerId, SessionId};
use serde::Serialize;

use crate::verify::VerifiedLog;

/// Something that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "finding", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Finding {
    /// A party took part, but its log was not handed in: nothing is known about its side.
    LogMissing {
        /// Whose.
        party: OwnerId,
    },
    /// The log handed in for a party is that of another.
    LogOfAnotherParty {
        /// For whom it was handed in.
        party: OwnerId,
    },
    /// The broker answered a question on an owner's data that the owner did not record.
    MissingAtNode {
        /// The owner.
        party: OwnerId,
        /// The attempt.
        attempt: AttemptId,
    },
    /// The broker answered, and an owner has recorded no outcome: something left it unrecorded, or the
    /// answer is not what it claims to be.
    OutcomeMissingAtNode {
        /// The owner.
        party: OwnerId,
        /// The attempt.
        attempt: AttemptId,
    },
    /// A node took part in something that the broker did not record.
    NodeExecutedWithoutBroker {
        /// The node.
        party: OwnerId,
        /// The attempt.
        attempt: AttemptId,
    },
    /// A node tells something about an attempt that the broker tells differently, or that the party's
    /// own opening tells differently.
    Mismatch {
        /// The party whose log was compared.
        party: OwnerId,
        /// The attempt.
        attempt: AttemptId,
        /// Which of the facts.
        what: What,
    },
    /// An outcome with no opening of the same attempt before it in the same log.
    OutcomeWithoutOpening {
        /// Whose log.
        party: OwnerId,
        /// The attempt.
        attempt: AttemptId,
    },
    /// An attempt was opened or ended more than once in one log.
    Repeated {
        /// Whose log.
        party: OwnerId,
        /// The attempt.
        attempt: AttemptId,
    },
    /// A node did not take a request, and the broker does not tell of it. A broker that stopped at that moment leaves this, and so
    /// does one that made the request up, changed it or sent it twice.
    RefusedAtNodeOnly {
        /// The node.
        party: OwnerId,
        /// The job that the request came for.
        job: JobId,
    },
    /// Both computing owners recorded that their parts left, and the broker records no answer. A broker that stopped at
    /// that moment leaves this, and so does one that hides what it added up.
    EndedAtNodesOnly {
        /// The attempt.
        attempt: AttemptId,
    },
}

impl Finding {
    /// Whether a crash or a lost connection, without any fault of a party, can leave this behind. An auditor
    /// then asks for the reason; every other finding is a breach of what the system promises.
    pub fn may_be_a_crash(&self) -> bool {
        matches!(self, Self::EndedAtNodesOnly { .. } | Self::RefusedAtNodeOnly { .. })
    }
}

/// A fact about an attempt on which parties must agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // The names are those of the record.
pub enum What {
    Session,
    Job,
    Asker,
    Request,
    Script,
    Plan,
    Question,
    Owners,
    Sharing,
    Releases,
    Variables,
    Rules,
    Outcome,
    Receipt,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Session => "the session",
            Self::Job => "the job",
            Self::Asker => "who asked",
            Self::Request => "the signed request",
            Self::Script => "the script",
            Self::Plan => "the plan",
            Self::Question => "the question's place in the plan",
            Self::Owners => "the owners",
            Self::Sharing => "who shares columns",
            Self::Releases => "the versions of the data",
            Self::Variables => "the variables",
            Self::Rules => "the rules",
            Self::Outcome => "how it ended",
            Self::Receipt => "where its end is recorded",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LogMissing { party } => write!(f, "the log of {party} is missing"),
            Self::LogOfAnotherParty { party } => {
                write!(f, "the log handed in for {party} is that of another party")
            }
            Self::MissingAtNode { party, attempt } => {
                write!(f, "attempt {attempt}: answered by the broker, not recorded at {party}")
            }
            Self::OutcomeMissingAtNode { party, attempt } => {
                write!(f, "attempt {attempt}: answered by the broker, no outcome recorded at {party}")
            }
            Self::NodeExecutedWithoutBroker { party, attempt } => {
                write!(f, "attempt {attempt}: recorded at {party}, not recorded at the broker")
            }
            Self::Mismatch { party, attempt, what } => {
                write!(f, "attempt {attempt}: {party} tells {what} differently")
            }
            Self::OutcomeWithoutOpening { party, attempt } => {
                write!(f, "attempt {attempt}: an outcome at {party} without an opening before it")
            }
            Self::Repeated { party, attempt } => {
                write!(f, "attempt {attempt}: opened or ended more than once at {party}")
            }
            Self::RefusedAtNodeOnly { party, job } => {
                write!(f, "job {job}: its request was refused at {party}, which the broker does not tell")
            }
            Self::EndedAtNodesOnly { attempt } => {
                write!(f, "attempt {attempt}: ended at its workers, without an answer at the broker")
            }
        }
    }
}

/// Compares the logs of `broker` and of nodes, each under the name of the party it was handed in for.
///
/// No findings means: over these entries of these logs, everything in the module's list holds. In order of
/// kind, then party, then attempt.
pub fn reconcile(broker: &OwnerId, logs: &BTreeMap<OwnerId, VerifiedLog>) -> Vec<Finding> {
    let mut findings = BTreeSet::new();
    let mut accounts = BTreeMap::new();
    for (party, log) in logs {
        if log.party() != party {
            findings.insert(Finding::LogOfAnotherParty { party: party.clone() });
        }
        accounts.insert(party, Account::of(party, log, &mut findings));
    }
    // An owner that any log names has a side of its own, which must not be taken for agreement.
    for execution in accounts.values().flat_map(|account| account.openings.values()) {
        for party in execution.owners.iter().filter(|owner| !logs.contains_key(*owner)) {
            findings.insert(Finding::LogMissing { party: party.clone() });
        }
    }
    let Some(centre) = accounts.remove(broker) else {
        findings.insert(Finding::LogMissing { party: broker.clone() });
        return findings.into_iter().collect();
    };
    for (party, node) in &accounts {
        for (attempt, execution) in &node.openings {
            match centre.openings.get(attempt) {
                Some(broker_execution) => findings.extend(differences(party, broker_execution, execution)),
                None => {
                    let party = OwnerId::clone(party);
                    findings.insert(Finding::NodeExecutedWithoutBroker { party, attempt: *attempt });
                }
            }
        }
    }
    for (party, node) in &accounts {
        for (_, job, _) in node.refused.difference(&centre.refused) {
            findings.insert(Finding::RefusedAtNodeOnly { party: OwnerId::clone(party), job: *job });
        }
    }
    for (attempt, execution) in &centre.openings {
        match centre.answer(attempt) {
            Some(answer) => {
                judge_answered(execution, answer.outcome, &accounts, &mut findings);
                judge_receipts(execution, answer.receipts, &accounts, logs, &mut findings);
            }
            None => judge_unanswered(execution, &accounts, &mut findings),
        }
    }
    findings.into_iter().collect()
}

/// What one log says about each attempt, in a form that can be laid beside another.
struct Account<'a> {
    openings: BTreeMap<AttemptId, &'a Execution>,
    outcomes: BTreeMap<AttemptId, Told<'a>>,
    /// Requests that were not taken.
    refused: BTreeSet<(SessionId, JobId, Hash)>,
}

/// How an attempt ended by one log.
struct Told<'a> {
    outcome: &'a Outcome,
    /// Where nodes recorded it, by the broker's log.
    receipts: &'a [Receipt],
    /// Where this is recorded itself.
    entry: u64,
    leaf: Hash,
}

impl<'a> Account<'a> {
    /// Reads a log in order, and reports what is wrong with that log by itself (rule 1). Of what is
    /// repeated, the last goes on to be compared.
    fn of(party: &OwnerId, log: &'a VerifiedLog, findings: &mut BTreeSet<Finding>) -> Self {
        let mut account =
            Self { openings: BTreeMap::new(), outcomes: BTreeMap::new(), refused: BTreeSet::new() };
        for entry in log.entries() {
            match &entry.record.event {
                Event::Opening(execution) => {
                    let attempt = execution.attempt;
                    if account.openings.insert(attempt, execution).is_some() {
                        findings.insert(Finding::Repeated { party: party.clone(), attempt });
                    }
                }
                Event::Outcome { session, attempt, plan, question, outcome, receipts } => {
                    let attempt = *attempt;
                    match account.openings.get(&attempt) {
                        None => {
                            findings.insert(Finding::OutcomeWithoutOpening { party: party.clone(), attempt });
                        }
                        Some(execution) => {
                            let facts = [
                                (What::Session, execution.session == *session),
                                (What::Plan, execution.plan == *plan),
                                (What::Question, execution.question == *question),
                            ];
                            findings.extend(mismatches(party, attempt, facts));
                        }
                    }
                    let told = Told { outcome, receipts, entry: entry.index, leaf: entry.hash };
                    if account.outcomes.insert(attempt, told).is_some() {
                        findings.insert(Finding::Repeated { party: party.clone(), attempt });
                    }
                }
                Event::RequestRefused { session, job, request, .. } => {
                    account.refused.insert((*session, *job, *request));
                }
                Event::Enrolled { .. }
                | Event::PeerAccepted { .. }
                | Event::Imported { .. }
                | Event::PolicyInForce { .. }
                | Event::Stopped { .. }
                | Event::Resumed
                | Event::ClockTrusted { .. }
                | Event::Started { .. }
                | Event::Ended
                | Event::Erased { .. } => {}
            }
        }
        account
    }

    /// The outcome, if it is one with which something left.
    fn answer(&self, attempt: &AttemptId) -> Option<&Told<'a>> {
        self.outcomes.get(attempt).filter(|told| match told.outcome {
            Outcome::Released { .. }
            | Outcome::Passed
            | Outcome::NotCarriedOut { .. }
            | Outcome::Refused { .. }
            | Outcome::Shared => true,
            Outcome::Failed { .. } => false,
        })
    }
}

/// Rule 2, and the outcomes of nodes that took part without owning data.
fn judge_answered(
    execution: &Execution,
    answer: &Outcome,
    nodes: &BTreeMap<&OwnerId, Account<'_>>,
    findings: &mut BTreeSet<Finding>,
) {
    let attempt = execution.attempt;
    for (party, node) in nodes {
        let party = OwnerId::clone(party);
        let is_owner = execution.owners.contains(&party);
        let shares = execution.sharing.contains(&party);
        match (node.openings.contains_key(&attempt), node.outcomes.get(&attempt)) {
            (false, _) if is_owner => {
                findings.insert(Finding::MissingAtNode { party, attempt });
            }
            (true, None) if is_owner => {
                findings.insert(Finding::OutcomeMissingAtNode { party, attempt });
            }
            (_, Some(told)) if !same_ending(answer, told.outcome, shares) => {
                findings.insert(Finding::Mismatch { party, attempt, what: What::Outcome });
            }
            _ => {}
        }
    }
}

/// Rule 5. An owner that has recorded no outcome is a finding already.
fn judge_receipts(
    execution: &Execution,
    receipts: &[Receipt],
    nodes: &BTreeMap<&OwnerId, Account<'_>>,
    logs: &BTreeMap<OwnerId, VerifiedLog>,
    findings: &mut BTreeSet<Finding>,
) {
    let attempt = execution.attempt;
    let mut differs = |party: &OwnerId| {
        findings.insert(Finding::Mismatch { party: party.clone(), attempt, what: What::Receipt });
    };
    for receipt in receipts {
        // Also of an entry whose record is erased the leaf is there.
        let log = logs.get(&receipt.party);
        if log.is_some_and(|log| log.leaf(receipt.entry) != Some(receipt.leaf)) {
            differs(&receipt.party);
        }
    }
    for owner in &execution.owners {
        let told = nodes.get(owner).and_then(|node| node.outcomes.get(&attempt));
        let named = |told: &Told<'_>| {
            let is_it = |receipt: &Receipt| (receipt.entry, receipt.leaf) == (told.entry, told.leaf);
            receipts.iter().any(|receipt| receipt.party == *owner && is_it(receipt))
        };
        if told.is_some_and(|told| !named(told)) {
            differs(owner);
        }
    }
}

/// The broker failed or stopped: only if every owner let its part go is there something to ask about.
fn judge_unanswered(
    execution: &Execution,
    nodes: &BTreeMap<&OwnerId, Account<'_>>,
    findings: &mut BTreeSet<Finding>,
) {
    let attempt = execution.attempt;
    let left = |owner| nodes.get(owner).is_some_and(|node| node.answer(&attempt).is_some());
    // What leaves is the two workers'; owners that share have nothing to let go.
    let mut workers = execution.owners.iter().filter(|owner| !execution.sharing.contains(owner)).peekable();
    if workers.peek().is_some() && workers.all(left) {
        findings.insert(Finding::EndedAtNodesOnly { attempt });
    }
}

fn same_ending(broker: &Outcome, node: &Outcome, shares: bool) -> bool {
    match (broker, node) {
        // The one rule that every owner judges by itself, before anything is shared.
        (Outcome::Refused { rule: Refusal::SplitsSpent }, _) => broker == node,
        (_, Outcome::Shared) => shares,
        _ if shares => false,
        (Outcome::Released { .. }, Outcome::Released { .. }) | (Outcome::Passed, Outcome::Passed) => true,
        (Outcome::Refused { rule }, Outcome::Refused { rule: at_node }) => rule == at_node,
        (Outcome::NotCarriedOut { rule }, Outcome::NotCarriedOut { rule: at_node }) => rule == at_node,
        _ => false,
    }
}

/// Rule 3. Owners and releases are sets: their order says nothing.
fn differences(party: &OwnerId, broker: &Execution, node: &Execution) -> impl Iterator<Item = Finding> {
    fn set<T: Ord>(items: &[T]) -> BTreeSet<&T> {
        items.iter().collect()
    }
    let facts = [
        (What::Session, broker.session == node.session),
        (What::Job, broker.job == node.job),
        (What::Asker, broker.asked_by == node.asked_by),
        (What::Request, broker.request == node.request),
        (What::Script, broker.script == node.script),
        (What::Plan, broker.plan == node.plan),
        (What::Question, broker.question == node.question),
        (What::Owners, set(&broker.owners) == set(&node.owners)),
        (What::Sharing, set(&broker.sharing) == set(&node.sharing)),
        (What::Releases, set(&broker.releases) == set(&node.releases)),
        (What::Variables, set(&broker.variables) == set(&node.variables)),
        (What::Rules, broker.rules == node.rules),
    ];
    mismatches(party, broker.attempt, facts)
}

fn mismatches<const N: usize>(
    party: &OwnerId,
    attempt: AttemptId,
    facts: [(What, bool); N],
) -> impl Iterator<Item = Finding> {
    let differing = facts.into_iter().filter(|(_, equal)| !equal);
    differing.map(move |(what, _)| Finding::Mismatch { party: party.clone(), attempt, what })
}

#[cfg(test)]
mod tests {
    use kobling_model::rules::Warning;
    use kobling_model::{Hash, JobId, SessionId};

    use super::*;
    use crate::fixture::{
        attempt, broker, execution, log_of, opening, outcome, owner, release, ssb, variable,
    };

    fn released(content: &str) -> Outcome {
        Outcome::Released { content: Hash::of(content.as_bytes()) }
    }

    fn failed() -> Outcome {
        Outcome::Failed { party: owner("krg"), step: "share".into() }
    }

    fn both(execution: &Execution, ending: Outcome) -> Vec<Event> {
        vec![opening(execution), outcome(execution, ending)]
    }

    /// Findings over logs of these events, the broker's with the receipts that these nodes give.
    fn findings(logs: &[(&str, Vec<Event>)]) -> Vec<Finding> {
        reconcile(&broker(), &with_receipts(logs))
    }

    fn with_receipts(logs: &[(&str, Vec<Event>)]) -> BTreeMap<OwnerId, VerifiedLog> {
        let mut verified = BTreeMap::new();
        for (id, events) in logs.iter().filter(|(id, _)| *id != "broker") {
            verified.insert(owner(id), log_of(owner(id), events.clone()));
        }
        for (id, events) in logs.iter().filter(|(id, _)| *id == "broker") {
            let events = events.iter().cloned().map(|event| receipted(event, &verified)).collect();
            verified.insert(owner(id), log_of(owner(id), events));
        }
        verified
    }

    /// An event of the broker's, with the receipts of nodes that have recorded the same attempt's end.
    fn receipted(mut event: Event, nodes: &BTreeMap<OwnerId, VerifiedLog>) -> Event {
        let Event::Outcome { attempt: ended, outcome, receipts, .. } = &mut event else { return event };
        if matches!(outcome, Outcome::Failed { .. }) {
            return event;
        }
        for (party, log) in nodes {
            let is_it = |event: &Event| matches!(event, Event::Outcome { attempt, .. } if attempt == ended);
            let last = log.entries().iter().rfind(|entry| is_it(&entry.record.event));
            receipts.extend(last.map(|entry| Receipt {
                party: party.clone(),
                entry: entry.index,
                leaf: entry.hash,
            }));
        }
        event
    }

    /// One released question: the broker's, ssb's and krg's events.
    fn honest() -> [(&'static str, Vec<Event>); 3] {
        let question = execution(1);
        [
            ("broker", both(&question, released("table"))),
            ("ssb", both(&question, released("share 0"))),
            ("krg", both(&question, released("share 1"))),
        ]
    }

    #[test]
    fn honest_logs_agree_whatever_the_outcome() {
        assert_eq!(findings(&honest()), []);
        let not_carried_out = Outcome::NotCarriedOut { rule: Warning::EditNotCarriedOut };
        let refused = Outcome::Refused { rule: Refusal::SmallCells };
        for ending in [Outcome::Passed, not_carried_out, refused, failed()] {
            let logs = ["broker", "ssb", "krg"].map(|id| (id, both(&execution(1), ending.clone())));
            assert_eq!(findings(&logs), []);
        }
    }

    #[test]
    fn a_node_that_writes_its_log_anew_after_the_answer_is_found_and_so_is_a_receipt_that_is_not_given() {
        let found = |id| Finding::Mismatch { party: owner(id), attempt: attempt(1), what: What::Receipt };
        let mut logs = with_receipts(&honest());
        // Another share, so another leaf in its place.
        let another = both(&execution(1), released("another share"));
        logs.insert(owner("krg"), log_of(owner("krg"), another));
        assert_eq!(reconcile(&broker(), &logs), [found("krg")]);
        // The same events, one place on.
        let [_, _, (_, events)] = honest();
        let moved = [vec![Event::Resumed], events].concat();
        logs.insert(owner("krg"), log_of(owner("krg"), moved));
        assert_eq!(reconcile(&broker(), &logs), [found("krg")]);

        // A broker that names one owner's record and not the other's.
        let [(_, events), ..] = honest();
        let mut logs = with_receipts(&honest());
        let nodes = logs.iter().filter(|(id, _)| **id == owner("ssb"));
        let nodes = nodes.map(|(id, log)| (id.clone(), log.clone())).collect();
        let events = events.into_iter().map(|event| receipted(event, &nodes)).collect();
        logs.insert(broker(), log_of(broker(), events));
        assert_eq!(reconcile(&broker(), &logs), [found("krg")]);
    }

    #[test]
    fn an_execution_that_a_node_hides_is_found() {
        let mut logs = honest();
        logs[2].1.clear();
        assert_eq!(findings(&logs), [Finding::MissingAtNode { party: owner("krg"), attempt: attempt(1) }]);
    }

    #[test]
    fn a_question_that_the_broker_hides_is_found() {
        let mut logs = honest();
        logs[0].1.clear();
        let hidden = |id| Finding::NodeExecutedWithoutBroker { party: owner(id), attempt: attempt(1) };
        assert_eq!(findings(&logs), [hidden("krg"), hidden("ssb")]);
    }

    #[test]
    fn a_request_that_a_node_refused_is_found_where_the_broker_does_not_tell_of_it() {
        let refused = |request: &[u8]| Event::RequestRefused {
            session: SessionId([0xa0; 16]),
            job: JobId([0xb0; 16]),
            request: Hash::of(request),
            fault: "request-signature".into(),
        };
        let logs = |at_broker: Vec<Event>| [("broker", at_broker), ("krg", vec![refused(b"changed")])];
        assert_eq!(findings(&logs(vec![refused(b"changed")])), []);
        let found = Finding::RefusedAtNodeOnly { party: owner("krg"), job: JobId([0xb0; 16]) };
        assert!(found.may_be_a_crash());
        assert_eq!(findings(&logs(vec![])), std::slice::from_ref(&found));
        assert_eq!(findings(&logs(vec![refused(b"as it was signed")])), [found]);
    }

    #[test]
    fn an_answer_without_an_owners_outcome_is_found() {
        let mut logs = honest();
        logs[1].1.pop();
        assert_eq!(findings(&logs), [Finding::OutcomeMissingAtNode { party: ssb(), attempt: attempt(1) }]);
    }

    #[test]
    fn a_fact_that_a_node_tells_differently_is_named() {
        type Change = fn(&mut Execution);
        let changes: [(What, Change); 12] = [
            (What::Session, |question| question.session = SessionId([9; 16])),
            (What::Job, |question| question.job = JobId([9; 16])),
            (What::Asker, |question| question.asked_by.researcher = "another".into()),
            (What::Request, |question| question.request = Some(Hash::of(b"another request"))),
            (What::Script, |question| question.script = Hash::of(b"another")),
            (What::Plan, |question| question.plan = Hash::of(b"another")),
            (What::Question, |question| question.question = 9),
            (What::Owners, |question| question.owners.push(owner("fhi"))),
            (What::Sharing, |question| question.sharing.push(owner("krg"))),
            (What::Releases, |question| question.releases[0] = release("no.ssb.other", "ssb")),
            (What::Variables, |question| question.variables.push(variable("no.krg", "DIAGNOSE"))),
            (What::Rules, |question| question.rules.small_cell_units_max = 3),
        ];
        for (what, change) in changes {
            let mut other = execution(1);
            change(&mut other);
            let mut logs = honest().to_vec();
            logs[1].1 = both(&other, released("share 0"));
            logs.push(("fhi", vec![]));
            assert_eq!(findings(&logs), [Finding::Mismatch { party: ssb(), attempt: attempt(1), what }]);
        }
    }

    #[test]
    fn the_order_of_owners_and_releases_is_no_difference() {
        let mut other = execution(1);
        other.owners.reverse();
        other.releases.reverse();
        let mut logs = honest();
        logs[1].1 = both(&other, released("share 0"));
        assert_eq!(findings(&logs), []);
    }

    #[test]
    fn an_outcome_that_differs_from_the_brokers_is_found() {
        let question = execution(1);
        let refused = |rule| Outcome::Refused { rule };
        let pairs = [
            (released("table"), failed()),
            (released("table"), Outcome::Passed),
            (Outcome::Passed, released("share")),
            (Outcome::Passed, Outcome::NotCarriedOut { rule: Warning::EditNotCarriedOut }),
            (refused(Refusal::SmallCells), refused(Refusal::PopulationFloor)),
        ];
        for (at_broker, at_ssb) in pairs {
            let logs = [
                ("broker", both(&question, at_broker.clone())),
                ("ssb", both(&question, at_ssb)),
                ("krg", both(&question, at_broker)),
            ];
            let what = What::Outcome;
            assert_eq!(findings(&logs), [Finding::Mismatch { party: ssb(), attempt: attempt(1), what }]);
        }
    }

    #[test]
    fn an_owner_that_shares_has_shared_and_no_other_says_so() {
        let mut question = execution(1);
        question.owners.push(owner("fhi"));
        question.sharing.push(owner("fhi"));
        let with_fhi = |at_fhi: Vec<Event>, at_krg| {
            findings(&[
                ("broker", both(&question, released("table"))),
                ("ssb", both(&question, released("share 0"))),
                ("krg", both(&question, at_krg)),
                ("fhi", at_fhi),
            ])
        };
        let shared = both(&question, Outcome::Shared);
        assert_eq!(with_fhi(shared.clone(), released("share 1")), []);
        let attempt = attempt(1);
        let differs = |party| Finding::Mismatch { party: owner(party), attempt, what: What::Outcome };
        assert_eq!(with_fhi(shared, Outcome::Shared), [differs("krg")]);
        assert_eq!(with_fhi(both(&question, released("share")), released("share 1")), [differs("fhi")]);
        assert_eq!(with_fhi(both(&question, failed()), released("share 1")), [differs("fhi")]);
        let missing = Finding::MissingAtNode { party: owner("fhi"), attempt };
        assert_eq!(with_fhi(vec![], released("share 1")), [missing]);
        // Where a budget is spent, nobody shares, and all say so.
        let spent = || both(&question, Outcome::Refused { rule: Refusal::SplitsSpent });
        let where_spent =
            |at_fhi| findings(&[("broker", spent()), ("ssb", spent()), ("krg", spent()), ("fhi", at_fhi)]);
        assert_eq!(where_spent(spent()), []);
        assert_eq!(where_spent(both(&question, Outcome::Shared)), [differs("fhi")]);
        let floor = both(&question, Outcome::Refused { rule: Refusal::PopulationFloor });
        assert_eq!(where_spent(floor), [differs("fhi")]);
    }

    #[test]
    fn a_part_that_left_both_workers_is_asked_about_whatever_an_owner_that_shares_says() {
        let mut question = execution(1);
        question.owners.push(owner("fhi"));
        question.sharing.push(owner("fhi"));
        for at_fhi in
            [vec![], vec![opening(&question)], both(&question, failed()), both(&question, Outcome::Shared)]
        {
            let found = findings(&[
                ("broker", both(&question, failed())),
                ("ssb", both(&question, released("share 0"))),
                ("krg", both(&question, released("share 1"))),
                ("fhi", at_fhi),
            ]);
            assert_eq!(found, [Finding::EndedAtNodesOnly { attempt: attempt(1) }]);
        }
    }

    #[test]
    fn an_outcome_before_or_without_its_opening_is_found_in_any_log() {
        for at in 0..3 {
            let mut logs = honest();
            logs[at].1.reverse();
            let party = owner(logs[at].0);
            assert_eq!(findings(&logs), [Finding::OutcomeWithoutOpening { party, attempt: attempt(1) }]);
        }
        let logs = [("broker", vec![]), ("ssb", vec![outcome(&execution(1), Outcome::Passed)])];
        assert_eq!(findings(&logs), [Finding::OutcomeWithoutOpening { party: ssb(), attempt: attempt(1) }]);
    }

    #[test]
    fn an_outcome_that_contradicts_its_own_opening_is_found() {
        let mut other = execution(1);
        other.plan = Hash::of(b"another");
        let mut logs = honest();
        logs[2].1[1] = outcome(&other, released("share 1"));
        let (party, attempt, what) = (owner("krg"), attempt(1), What::Plan);
        assert_eq!(findings(&logs), [Finding::Mismatch { party, attempt, what }]);
    }

    #[test]
    fn an_attempt_that_runs_twice_is_found() {
        let mut logs = honest();
        let again = logs[1].1.clone();
        logs[1].1.extend(again);
        assert_eq!(findings(&logs), [Finding::Repeated { party: ssb(), attempt: attempt(1) }]);
    }

    #[test]
    fn a_failed_attempt_may_be_missing_or_unfinished_at_a_node() {
        let question = execution(1);
        for at_broker in [both(&question, failed()), vec![opening(&question)]] {
            for at_ssb in [vec![], vec![opening(&question)], both(&question, failed())] {
                let logs = [
                    ("broker", at_broker.clone()),
                    ("ssb", at_ssb),
                    ("krg", both(&question, released("share 1"))),
                ];
                assert_eq!(findings(&logs), []);
            }
        }
    }

    #[test]
    fn parts_that_left_every_owner_without_an_answer_are_asked_about() {
        for at_broker in [both(&execution(1), failed()), vec![opening(&execution(1))]] {
            let mut logs = honest();
            logs[0].1 = at_broker;
            let found = findings(&logs);
            assert_eq!(found, [Finding::EndedAtNodesOnly { attempt: attempt(1) }]);
            assert!(found[0].may_be_a_crash());
        }
    }

    #[test]
    fn a_worker_without_data_need_not_log_but_may_not_contradict() {
        let question = execution(1);
        let with_fhi = |events| {
            let mut logs = honest().to_vec();
            logs.push(("fhi", events));
            findings(&logs)
        };
        assert_eq!(with_fhi(vec![]), []);
        assert_eq!(with_fhi(vec![opening(&question)]), []);
        assert_eq!(with_fhi(both(&question, released("share"))), []);
        let (party, attempt, what) = (owner("fhi"), attempt(1), What::Outcome);
        assert_eq!(with_fhi(both(&question, failed())), [Finding::Mismatch { party, attempt, what }]);
    }

    #[test]
    fn a_log_that_is_missing_or_swapped_is_never_taken_for_agreement() {
        let logs = honest();
        assert_eq!(findings(&logs[..2]), [Finding::LogMissing { party: owner("krg") }]);
        assert_eq!(findings(&logs[1..]), [Finding::LogMissing { party: broker() }]);
        let mut swapped = with_receipts(&logs);
        swapped.insert(owner("krg"), log_of(ssb(), logs[1].1.clone()));
        let another = Finding::Mismatch { party: owner("krg"), attempt: attempt(1), what: What::Receipt };
        assert_eq!(
            reconcile(&broker(), &swapped),
            [Finding::LogOfAnotherParty { party: owner("krg") }, another]
        );
    }
}
