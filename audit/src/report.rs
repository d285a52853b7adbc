//! What was used by whom in a month, how often, and why questions were refused.

use std::collections::{BTreeMap, BTreeSet};

use kobling_model::OwnerId;
use kobling_model::record::{Execution, RegisterVariable};
use serde::Serialize;

use crate::select::{Ended, RuleFilter};
use crate::summary::{QuestionRow, utc};

/// What an institution has asked of an owner's data in a month, as one log tells. A question that was tried again counts again, and one over
/// several owners counts at each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// `YYYY-MM`, in UTC by the clock of the party whose log it is; of a question its opening counts.
    pub month: String,
    /// Whose data.
    pub owner: OwnerId,
    /// Who asked.
    pub institution: String,
    /// How many questions.
    pub questions: u64,
    /// How many people have asked them.
    pub researchers: usize,
    /// Questions by how they ended.
    pub endings: BTreeMap<Ended, u64>,
    /// Questions that a rule ended, by its code.
    pub rules: BTreeMap<&'static str, u64>,
    /// Questions by what they were asked for.
    pub purposes: BTreeMap<String, u64>,
    /// Questions by version of the owner's data that their script was pinned to: `DATASTORE MAJOR.MINOR.PATCH`.
    pub releases: BTreeMap<String, u64>,
    /// Questions by variable of the owner's that they read: `DATASTORE/NAME`.
    pub variables: BTreeMap<String, u64>,
}

/// The usage that questions tell of, by month, owner and institution, in order of these.
pub fn usage(rows: &[QuestionRow<'_>]) -> Vec<Usage> {
    let mut all: BTreeMap<(String, &OwnerId, &str), Vec<&QuestionRow<'_>>> = BTreeMap::new();
    for row in rows {
        let month = month_of(row.opened_ms);
        for owner in &row.execution.owners {
            let institution = row.execution.asked_by.institution.as_str();
            all.entry((month.clone(), owner, institution)).or_default().push(row);
        }
    }
    all.into_iter().map(|((month, owner, institution), rows)| of(month, owner, institution, &rows)).collect()
}

fn of(month: String, owner: &OwnerId, institution: &str, rows: &[&QuestionRow<'_>]) -> Usage {
    let outcomes = || rows.iter().map(|row| row.ending.map(|ending| ending.outcome));
    let executions = || rows.iter().map(|row| row.execution);
    let researchers: BTreeSet<&str> = executions().map(|of| of.asked_by.researcher.as_str()).collect();
    let releases = |of: &Execution| -> Vec<String> {
        let owned = of.releases.iter().filter(|release| release.owner == *owner);
        owned.map(|release| format!("{} {}", release.datastore, release.version)).collect()
    };
    let variables = |of: &Execution| -> Vec<String> {
        let owned = of.variables.iter().filter(|variable| is_of(owner, variable, of));
        owned.map(ToString::to_string).collect()
    };
    Usage {
        month,
        owner: owner.clone(),
        institution: institution.to_owned(),
        questions: rows.len() as u64,
        researchers: researchers.len(),
        endings: counts(outcomes().map(Ended::of)),
        rules: counts(outcomes().filter_map(RuleFilter::of).map(RuleFilter::code)),
        purposes: counts(executions().map(|of| of.asked_by.purpose.clone())),
        releases: counts(executions().flat_map(releases)),
        variables: counts(executions().flat_map(variables)),
    }
}

fn is_of(owner: &OwnerId, variable: &RegisterVariable, execution: &Execution) -> bool {
    execution.releases.iter().any(|of| of.owner == *owner && of.datastore == variable.datastore)
}

fn counts<T: Ord>(all: impl Iterator<Item = T>) -> BTreeMap<T, u64> {
    let mut counts = BTreeMap::new();
    all.for_each(|one| *counts.entry(one).or_default() += 1);
    counts
}

/// The year and month of a time as it is shown.
fn month_of(time_ms: u64) -> String {
    let shown = utc(time_ms);
    match shown.match_indices('-').nth(1) {
        Some((end, _)) => shown[..end].to_owned(),
        // A time that has no day.
        None => shown,
    }
}

#[cfg(test)]
mod tests {
    use kobling_model::record::Outcome;
    use kobling_model::rules::{Refusal, Warning};
    use kobling_model::{Hash, OwnerId};

    use super::*;
    use crate::fixture::{execution, owner, variable};
    use crate::summary::Ending;

    const NOVEMBER: u64 = 1_793_491_200_000;

    fn row<'a>(opened_ms: u64, execution: &'a Execution, outcome: Option<&'a Outcome>) -> QuestionRow<'a> {
        let ending = outcome.map(|outcome| Ending { recorded_at: 1, recorded_ms: opened_ms, outcome });
        QuestionRow { opened_at: 0, opened_ms, execution, ending }
    }

    fn asked(institution: &str, researcher: &str) -> Execution {
        let mut execution = execution(1);
        execution.asked_by.institution = institution.into();
        execution.asked_by.researcher = researcher.into();
        execution.asked_by.purpose = "cancer and income".into();
        execution.variables = vec![variable("no.krg", "DIAGNOSE"), variable("no.ssb.fdb", "KJOENN")];
        execution
    }

    #[test]
    fn usage_is_by_month_owner_and_institution() {
        let (bergen, oslo) = (asked("Bergen", "a"), asked("Oslo", "a"));
        let rows =
            [row(NOVEMBER - 1, &bergen, None), row(NOVEMBER, &bergen, None), row(NOVEMBER, &oslo, None)];
        let usage = usage(&rows);
        let told: Vec<(&str, &str, &str)> =
            usage.iter().map(|of| (of.month.as_str(), of.owner.as_str(), of.institution.as_str())).collect();
        let expected = [
            ("2026-10", "krg", "Bergen"),
            ("2026-10", "ssb", "Bergen"),
            ("2026-11", "krg", "Bergen"),
            ("2026-11", "krg", "Oslo"),
            ("2026-11", "ssb", "Bergen"),
            ("2026-11", "ssb", "Oslo"),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn what_was_used_how_often_and_refused_why_is_counted_of_the_owners_own_data() {
        let (one, other) = (asked("Bergen", "a"), asked("Bergen", "b"));
        let outcomes = [
            Outcome::Released { content: Hash::of(b"table") },
            Outcome::Refused { rule: Refusal::SmallCells },
            Outcome::Refused { rule: Refusal::SmallCells },
            Outcome::NotCarriedOut { rule: Warning::EditNotCarriedOut },
        ];
        let mut rows: Vec<_> = outcomes.iter().map(|outcome| row(NOVEMBER, &one, Some(outcome))).collect();
        rows.push(row(NOVEMBER, &other, None));
        let usage = usage(&rows);
        let krg: OwnerId = owner("krg");
        let of_krg = usage.iter().find(|of| of.owner == krg).expect("krg's data were used");
        assert_eq!((of_krg.questions, of_krg.researchers), (5, 2));
        let endings =
            [(Ended::Released, 1), (Ended::NotCarriedOut, 1), (Ended::Refused, 2), (Ended::NotRecorded, 1)];
        assert_eq!(of_krg.endings, endings.into());
        assert_eq!(of_krg.rules, [("small-cells", 2), ("edit-not-carried-out", 1)].into());
        assert_eq!(of_krg.purposes, [("cancer and income".to_owned(), 5)].into());
        assert_eq!(of_krg.releases, [("no.krg 54.0.1".to_owned(), 5)].into());
        assert_eq!(of_krg.variables, [("no.krg/DIAGNOSE".to_owned(), 5)].into());
    }

    #[test]
    fn a_time_without_a_day_is_a_month_of_its_own() {
        assert_eq!(month_of(u64::MAX), utc(u64::MAX));
        assert!(usage(&[]).is_empty());
    }
}
