//! Which of a log's entries an auditor wants to see.
//!
//! Reads what the record says in clear and nothing else: a question whose record is erased fits no filter but that of time.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use kobling_model::AttemptId;
use kobling_model::OwnerId;
use kobling_model::record::{Event, Outcome, RegisterVariable};
use kobling_model::rules::{Refusal, Warning};
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};
use serde::{Deserialize, Serialize};

use crate::summary::{QuestionRow, questions};
use crate::verify::Entry;

/// What must hold of an entry. Of what is not given, anything may. Texts are compared whole, letter by letter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Recorded at this time or later, by the party's own clock, in milliseconds since 1970-01-01 UTC. Of a question its opening counts.
    pub since_ms: Option<u64>,
    /// Recorded before this time.
    pub before_ms: Option<u64>,
    /// Asked by this researcher.
    pub researcher: Option<String>,
    /// Asked by somebody of this institution.
    pub institution: Option<String>,
    /// Asked for this purpose.
    pub purpose: Option<String>,
    /// Asked of this owner's data, of others' too or not.
    pub owner: Option<OwnerId>,
    /// Asked of this variable.
    pub variable: Option<VariableFilter>,
    /// Ended by this rule.
    pub rule: Option<RuleFilter>,
    /// Ended so.
    pub ended: Option<Ended>,
}

/// A variable's name, of any datastore or of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariableFilter {
    datastore: Option<String>,
    name: String,
}

/// A rule that ended questions, by its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleFilter {
    /// Nothing was released.
    Refusal(Refusal),
    /// An edit was not carried out.
    Warning(Warning),
}

/// How a question ended at the party whose log it is, as [`Outcome`] names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// [`Outcome::Released`].
    Released,
    /// [`Outcome::Passed`].
    Passed,
    /// [`Outcome::NotCarriedOut`].
    NotCarriedOut,
    /// [`Outcome::Shared`].
    Shared,
    /// [`Outcome::Refused`].
    Refused,
    /// [`Outcome::Failed`].
    Failed,
    /// No outcome is recorded.
    NotRecorded,
}

/// The text says nothing that could be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterFault {
    /// No rule has this code.
    #[error("no rule that ends a question has this code")]
    NoRule,
    /// No question ends so.
    #[error(
        "no question ends so: released, passed, not-carried-out, shared, refused, failed or not-recorded"
    )]
    NoEnding,
    /// Neither a name nor one after a datastore's.
    #[error("a variable is NAME or DATASTORE/NAME")]
    NoVariable,
}

impl FromStr for VariableFilter {
    type Err = FilterFault;

    fn from_str(text: &str) -> Result<Self, FilterFault> {
        let (datastore, name) = text.split_once('/').map_or((None, text), |(of, name)| (Some(of), name));
        if name.is_empty() || name.contains('/') || datastore == Some("") {
            return Err(FilterFault::NoVariable);
        }
        Ok(Self { datastore: datastore.map(ToOwned::to_owned), name: name.to_owned() })
    }
}

impl VariableFilter {
    fn is(&self, variable: &RegisterVariable) -> bool {
        let of_datastore =
            self.datastore.as_ref().is_none_or(|datastore| variable.datastore.as_str() == datastore);
        of_datastore && variable.variable.as_str() == self.name
    }
}

impl FromStr for RuleFilter {
    type Err = FilterFault;

    fn from_str(text: &str) -> Result<Self, FilterFault> {
        let refusal = named(text).map(Self::Refusal);
        refusal.or_else(|| named(text).map(Self::Warning)).ok_or(FilterFault::NoRule)
    }
}

impl FromStr for Ended {
    type Err = FilterFault;

    fn from_str(text: &str) -> Result<Self, FilterFault> {
        named(text).ok_or(FilterFault::NoEnding)
    }
}

/// The variant that is written so in records.
fn named<'de, T: Deserialize<'de>>(text: &'de str) -> Option<T> {
    let text: StrDeserializer<'de, Error> = text.into_deserializer();
    T::deserialize(text).ok()
}

impl Ended {
    /// How a question with this outcome ended.
    pub fn of(outcome: Option<&Outcome>) -> Self {
        match outcome {
            Some(Outcome::Released { .. }) => Self::Released,
            Some(Outcome::Passed) => Self::Passed,
            Some(Outcome::NotCarriedOut { .. }) => Self::NotCarriedOut,
            Some(Outcome::Shared) => Self::Shared,
            Some(Outcome::Refused { .. }) => Self::Refused,
            Some(Outcome::Failed { .. }) => Self::Failed,
            None => Self::NotRecorded,
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Released => "released",
            Self::Passed => "passed",
            Self::NotCarriedOut => "not carried out",
            Self::Shared => "shared",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::NotRecorded => "not recorded",
        })
    }
}

impl RuleFilter {
    /// The rule's code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Refusal(rule) => rule.code(),
            Self::Warning(rule) => rule.code(),
        }
    }

    /// The rule that ended a question with this outcome, if one did.
    pub fn of(outcome: Option<&Outcome>) -> Option<Self> {
        match outcome? {
            Outcome::Refused { rule } => Some(Self::Refusal(*rule)),
            Outcome::NotCarriedOut { rule } => Some(Self::Warning(*rule)),
            Outcome::Released { .. } | Outcome::Passed | Outcome::Shared | Outcome::Failed { .. } => None,
        }
    }
}

impl Filter {
    /// Whether a question is wanted.
    pub fn takes(&self, row: &QuestionRow<'_>) -> bool {
        let (execution, asker) = (row.execution, &row.execution.asked_by);
        let outcome = row.ending.as_ref().map(|ending| ending.outcome);
        let is = |wanted: &Option<String>, text: &str| wanted.as_ref().is_none_or(|wanted| wanted == text);
        self.takes_time(row.opened_ms)
            && is(&self.researcher, &asker.researcher)
            && is(&self.institution, &asker.institution)
            && is(&self.purpose, &asker.purpose)
            && self.owner.as_ref().is_none_or(|owner| execution.owners.contains(owner))
            && self.variable.as_ref().is_none_or(|wanted| execution.variables.iter().any(|of| wanted.is(of)))
            && self.rule.is_none_or(|rule| RuleFilter::of(outcome) == Some(rule))
            && self.ended.is_none_or(|ended| Ended::of(outcome) == ended)
    }

    /// The entries that are wanted, in order: opening and outcome of each question that is, and what is not of a question where nothing
    /// but a time is asked for.
    pub fn entries<'a>(&self, entries: &'a [Entry]) -> Vec<&'a Entry> {
        let rows = questions(entries);
        let wanted: BTreeSet<AttemptId> =
            rows.iter().filter(|row| self.takes(row)).map(|row| row.execution.attempt).collect();
        let opened: BTreeSet<AttemptId> = rows.iter().map(|row| row.execution.attempt).collect();
        let takes_others = self.is_of_time_only();
        let takes = |entry: &&Entry| match &entry.record.event {
            Event::Opening(execution) => wanted.contains(&execution.attempt),
            Event::Outcome { attempt, .. } if opened.contains(attempt) => wanted.contains(attempt),
            _ => takes_others && self.takes_time(entry.record.written_ms),
        };
        entries.iter().filter(takes).collect()
    }

    fn takes_time(&self, time_ms: u64) -> bool {
        self.since_ms.is_none_or(|since| time_ms >= since)
            && self.before_ms.is_none_or(|before| time_ms < before)
    }

    fn is_of_time_only(&self) -> bool {
        *self == Self { since_ms: self.since_ms, before_ms: self.before_ms, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use kobling_model::Hash;

    use super::*;
    use crate::fixture::{execution, failed, log_of, opening, outcome, owner, peer_accepted, ssb, variable};
    use crate::verify::VerifiedLog;

    /// A minute apart: an operator's act, five questions that end in different ways, one that does not end.
    fn log() -> VerifiedLog {
        let released = Outcome::Released { content: Hash::of(b"share") };
        let refused = Outcome::Refused { rule: Refusal::SmallCells };
        let endings = [Outcome::Passed, released, refused, Outcome::Shared];
        let edit = Outcome::NotCarriedOut { rule: Warning::EditNotCarriedOut };
        let mut events = vec![peer_accepted("krg")];
        for (number, ending) in (1..).zip(endings.into_iter().chain([edit])) {
            let mut execution = execution(number);
            execution.asked_by.researcher = format!("researcher {number}");
            execution.variables = vec![variable("no.krg", "DIAGNOSE"), variable("no.ssb.fdb", "KJOENN")];
            events.extend([opening(&execution), outcome(&execution, ending)]);
        }
        let mut last = execution(6);
        last.owners = vec![owner("fhi")];
        last.asked_by.institution = "FHI".into();
        last.asked_by.purpose = "vaccines".into();
        events.push(opening(&last));
        log_of(ssb(), events)
    }

    fn indices(filter: &Filter) -> Vec<u64> {
        let log = log();
        filter.entries(log.entries()).iter().map(|entry| entry.index).collect()
    }

    #[test]
    fn everything_is_wanted_where_nothing_is_asked_for() {
        assert_eq!(indices(&Filter::default()), (0..12).collect::<Vec<_>>());
    }

    #[test]
    fn a_question_is_wanted_with_opening_and_outcome_where_all_that_is_asked_for_holds() {
        let text = |text: &str| Some(text.to_owned());
        let none = Filter::default;
        let filters = [
            (Filter { researcher: text("researcher 2"), ..none() }, vec![3, 4]),
            (Filter { researcher: text("Researcher 2"), ..none() }, vec![]),
            (Filter { institution: text("FHI"), ..none() }, vec![11]),
            (Filter { purpose: text("vaccines"), ..none() }, vec![11]),
            (Filter { owner: Some(owner("fhi")), ..none() }, vec![11]),
            (Filter { owner: Some(owner("krg")), ended: Some(Ended::Passed), ..none() }, vec![1, 2]),
            (Filter { owner: Some(owner("fhi")), ended: Some(Ended::Passed), ..none() }, vec![]),
        ];
        for (filter, expected) in filters {
            assert_eq!(indices(&filter), expected, "{filter:?}");
        }
    }

    #[test]
    fn endings_and_rules_are_asked_for_by_the_words_of_the_record() {
        let all = [
            ("passed", vec![1, 2]),
            ("released", vec![3, 4]),
            ("refused", vec![5, 6]),
            ("shared", vec![7, 8]),
            ("not-carried-out", vec![9, 10]),
            ("not-recorded", vec![11]),
            ("failed", vec![]),
        ];
        for (text, expected) in all {
            assert_eq!(
                indices(&Filter { ended: text.parse().ok(), ..Filter::default() }),
                expected,
                "{text}"
            );
        }
        for (text, expected) in [("small-cells", vec![5, 6]), ("edit-not-carried-out", vec![9, 10])] {
            let rule = text.parse::<RuleFilter>().expect("a rule");
            assert_eq!(indices(&Filter { rule: Some(rule), ..Filter::default() }), expected);
        }
        for rule in [Refusal::PopulationFloor, Refusal::SmallCells, Refusal::SplitsSpent] {
            assert_eq!(rule.code().parse(), Ok(RuleFilter::Refusal(rule)));
        }
        assert_eq!("Refused".parse::<Ended>(), Err(FilterFault::NoEnding));
        assert_eq!("refused".parse::<RuleFilter>(), Err(FilterFault::NoRule));
    }

    #[test]
    fn variables_are_asked_for_by_name_of_any_datastore_or_of_one() {
        let of =
            |text: &str| Filter { variable: Some(text.parse().expect("a variable")), ..Filter::default() };
        let all: Vec<u64> = (1..11).collect();
        assert_eq!((indices(&of("DIAGNOSE")), indices(&of("no.krg/DIAGNOSE"))), (all.clone(), all));
        assert_eq!((indices(&of("no.ssb.fdb/DIAGNOSE")), indices(&of("DIAG"))), (vec![], vec![]));
        for text in ["", "/", "a/", "/a", "a/b/c"] {
            assert_eq!(text.parse::<VariableFilter>(), Err(FilterFault::NoVariable));
        }
    }

    #[test]
    fn a_time_is_of_all_entries_and_of_a_question_its_opening_counts() {
        let log = log();
        let at = |index: usize| Some(log.entries()[index].record.written_ms);
        let times = |since_ms, before_ms| indices(&Filter { since_ms, before_ms, ..Filter::default() });
        assert_eq!(times(None, at(1)), [0]);
        // The outcome of a question comes after the time.
        assert_eq!(times(at(1), at(2)), [1, 2]);
        assert_eq!(times(at(2), at(4)), [3, 4]);
        assert_eq!(times(at(11), None), [11]);
    }

    #[test]
    fn an_outcome_without_opening_is_no_question_and_not_lost() {
        let log = log_of(ssb(), vec![failed("share")]);
        assert_eq!(Filter::default().entries(log.entries()).len(), 1);
        let refused = Filter { ended: Some(Ended::Failed), ..Filter::default() };
        assert!(refused.entries(log.entries()).is_empty());
    }
}
