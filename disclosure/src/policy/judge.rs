//! An owner's judgement of one question: pure, over the plan that the node has derived itself.

use std::fmt;

use kobling_model::plan::{Question, Source};
use kobling_model::rules::PolicyRule;
use kobling_model::{DatastoreId, OwnerId, VariableName};

use super::{Dealer, NotOpen, Policy};

/// Who asks, and how, as far as a policy judges it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The owner that judges.
    pub owner: &'a OwnerId,
    /// The asker's institution, as asserted.
    pub institution: &'a str,
    /// What the asker says it is for.
    pub purpose: &'a str,
    /// Commands that the script uses.
    pub commands: &'a [&'static str],
}

/// A register variable, by its full name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterVariable {
    datastore: DatastoreId,
    variable: VariableName,
}

impl RegisterVariable {
    pub(super) fn of(source: &Source) -> Self {
        Self { datastore: source.datastore.clone(), variable: source.variable.clone() }
    }
}

impl fmt::Display for RegisterVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.datastore, self.variable)
    }
}

/// Why an owner's policy refuses a question. The texts are read by researchers, and say nothing of data: they follow from the script, the
/// asker and the policy alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyRefusal {
    /// No entry `[[allow]]` opens the variable.
    #[error("allow: {variable} is not open {}; leave it out, or ask the owner", because.as_str())]
    NotOpen {
        /// Which.
        variable: RegisterVariable,
        /// To whom not.
        because: NotOpen,
    },
    /// An entry `[[keep_apart]]` has both.
    #[error(
        "keep_apart: {one} and {other} may not meet in one question; ask about them in questions of their own"
    )]
    KeptApart {
        /// One variable.
        one: RegisterVariable,
        /// One on another side.
        other: RegisterVariable,
    },
    /// The command is not among `commands`.
    #[error(
        "commands: {command} may not be used with variables of this owner; do without it, or ask the owner"
    )]
    Command {
        /// Which.
        command: &'static str,
    },
    /// The dealer is not among `dealers`, or is the broker where `broker_may_deal` says no.
    #[error(
        "dealers: {dealer} would have to deal in this question, and the owner does not allow that; use other owners' variables with it"
    )]
    Dealer {
        /// Who deals.
        dealer: OwnerId,
    },
}

impl PolicyRefusal {
    /// The entry of the policy that refuses; it has the words that a researcher is told.
    pub fn reason(&self) -> PolicyRule {
        match self {
            Self::NotOpen { .. } => PolicyRule::Allow,
            Self::KeptApart { .. } => PolicyRule::KeepApart,
            Self::Command { .. } => PolicyRule::Commands,
            Self::Dealer { .. } => PolicyRule::Dealers,
        }
    }

    /// The part of the policy that refuses, as the file calls it.
    pub fn rule(&self) -> &'static str {
        self.reason().explained().rule
    }

    /// Stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotOpen { .. } => "not-open",
            Self::KeptApart { .. } => "kept-apart",
            Self::Command { .. } => "command-not-allowed",
            Self::Dealer { .. } => "dealer-not-allowed",
        }
    }
}

impl NotOpen {
    /// Said of a variable.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ToAnybody => "to anybody",
            Self::ToTheInstitution => "to your institution",
            Self::ForThePurpose => "to your institution for this purpose",
        }
    }
}

impl Policy {
    /// Judges a question: everything that refuses it, in the order of the rules; empty where it may be answered.
    ///
    /// A question without a fragment of this owner uses nothing of its and is not judged. `dealer` is who deals in it.
    pub fn judge(&self, asked: &Asked<'_>, question: &Question, dealer: Dealer<'_>) -> Vec<PolicyRefusal> {
        if !question.owners().any(|owner| owner == asked.owner) {
            return Vec::new();
        }
        let used: Vec<&Source> =
            question.fragments().flat_map(|(_, fragment)| fragment.registers()).collect();
        let own = question.fragments().filter(|(_, fragment)| fragment.owner == *asked.owner);
        let mut own: Vec<&Source> = own.flat_map(|(_, fragment)| fragment.registers()).collect();
        let name = |source: &Source| (source.datastore.clone(), source.variable.clone());
        own.sort_by_key(|source| name(source));
        own.dedup_by_key(|source| name(source));
        let opened = own.iter().map(|source| self.access.judge(source, asked.institution, asked.purpose));
        let rest = [
            self.keep_apart.judge(&used),
            self.commands.judge(asked.commands),
            self.dealers.judge(dealer, self.broker_may_deal),
        ];
        opened.chain(rest).filter_map(Result::err).collect()
    }
}

#[cfg(test)]
mod tests {
    use kobling_model::expression::ValueType;
    use kobling_model::plan::{Fragment, QuestionKind};
    use kobling_model::preparation::{By, Column, Key, Preparation, Rows};
    use kobling_model::{Hash, UnitType};

    use super::super::tests::with_entries;
    use super::*;

    fn id(name: &str) -> OwnerId {
        OwnerId::new(name).expect("valid")
    }

    /// `OWNER/NAME`: a variable of that owner's only datastore.
    fn source(name: &str) -> (OwnerId, Source) {
        let (owner, variable) = name.split_once('/').expect("an owner");
        let source = Source {
            datastore: DatastoreId::new(format!("no.{owner}.db")).expect("valid"),
            version: "1.0.0".parse().expect("valid"),
            variable: VariableName::new(variable).expect("valid"),
            data: Hash::of(b"data"),
            date: None,
            value_type: ValueType::Text,
        };
        (id(owner), source)
    }

    fn fragment(owner: OwnerId, sources: Vec<Column>) -> Fragment {
        Fragment {
            owner,
            preparations: Vec::new(),
            sources,
            filters: Vec::new(),
            filters_of_question: 0,
            dimensions: Vec::new(),
            value: None,
            numbers: Vec::new(),
        }
    }

    /// The floor of a population with these variables: the first one's owner's, then one fragment for each other.
    fn question(names: &[&str]) -> Question {
        let mut fragments = names.iter().map(|name| {
            let (owner, source) = source(name);
            fragment(owner, vec![Column::Register(source)])
        });
        Question {
            line: 1,
            text: String::new(),
            kind: QuestionKind::Population { dataset: "d".into() },
            unit_type: UnitType::Person,
            left: fragments.next().expect("a population"),
            right: fragments.next(),
            others: fragments.collect(),
            sums: Vec::new(),
            joints: Vec::new(),
            conditions: Vec::new(),
            conditions_of_question: 0,
        }
    }

    fn policy(entries: &str) -> Policy {
        Policy::parse(&with_entries(entries)).expect("a policy")
    }

    /// Codes of what ssb's policy refuses, asked by an institution for a purpose with `tabulate`, dealt by fhi.
    fn refused(
        policy: &Policy,
        (institution, purpose): (&str, &str),
        question: &Question,
    ) -> Vec<&'static str> {
        let (owner, fhi) = (id("ssb"), id("fhi"));
        let asked = Asked { owner: &owner, institution, purpose, commands: &["tabulate"] };
        policy.judge(&asked, question, Dealer::Node(&fhi)).iter().map(PolicyRefusal::code).collect()
    }

    const OPEN: &str =
        "[[allow]]\ndatasets = [\"*\"]\nvariables = [\"*\"]\ninstitutions = [\"*\"]\npurposes = [\"*\"]\n";

    #[test]
    fn entries_add_up_and_what_none_opens_is_refused_with_what_does_not_fit() {
        let policy = policy(
            "[[allow]]\ndatasets = [\"no.ssb.db\"]\nvariables = [\"SEX\"]\ninstitutions = [\"*\"]\npurposes = [\"*\"]\n\
             [[allow]]\ndatasets = [\"*\"]\nvariables = [\"@money\"]\ninstitutions = [\"UiO\"]\npurposes = [\"Research\"]\n\
             [groups]\nmoney = [\"no.ssb.db/WAGE\", \"@more\"]\nmore = [\"no.ssb.db/PENSION\"]\n",
        );
        let wages = question(&["ssb/SEX", "ssb/PENSION"]);
        assert_eq!(refused(&policy, ("UiB", ""), &question(&["ssb/SEX"])), [""; 0]);
        assert_eq!(refused(&policy, ("UiO", "Research"), &wages), [""; 0]);
        // Whole and as written.
        for asker in [("uio", "Research"), ("UiO", "Research "), ("UiO", "")] {
            assert_eq!(refused(&policy, asker, &wages), ["not-open"], "{asker:?}");
        }
        let says = |asker: (&str, &str), names: &[&str]| {
            let owner = id("ssb");
            let (institution, purpose) = asker;
            let asked = Asked { owner: &owner, institution, purpose, commands: &[] };
            let refusals = policy.judge(&asked, &question(names), Dealer::OnlyBroker);
            refusals.first().expect("a refusal").to_string()
        };
        assert!(says(("UiB", "Research"), &["ssb/WAGE"]).contains("not open to your institution;"));
        assert!(says(("UiO", "Art"), &["ssb/WAGE"]).contains("to your institution for this purpose;"));
        assert!(
            says(("UiO", "Research"), &["ssb/BIRTH"]).contains("no.ssb.db/BIRTH is not open to anybody;")
        );
    }

    #[test]
    fn another_owners_variables_are_not_this_owners_to_open_but_may_be_kept_apart() {
        let narrow = OPEN.replace("variables = [\"*\"]", "variables = [\"SEX\"]");
        assert_eq!(refused(&policy(&narrow), ("", ""), &question(&["ssb/SEX", "krg/SITE"])), [""; 0]);
        let apart = policy(&format!(
            "{OPEN}[[keep_apart]]\nvariables = [\"@own\", \"no.krg.db/*\", \"no.fhi.db/DOSE\"]\n\
             [groups]\nown = [\"no.ssb.db/WAGE\", \"no.ssb.db/PENSION\"]\n"
        ));
        for (names, codes) in [
            (&["ssb/SEX", "krg/SITE"][..], &[][..]),
            (&["ssb/WAGE", "ssb/PENSION"], &[]),
            (&["ssb/WAGE", "krg/SITE"], &["kept-apart"]),
            (&["ssb/SEX", "ssb/PENSION", "fhi/DOSE"], &["kept-apart"]),
            // Two others' in a question that this owner takes part in.
            (&["krg/SITE", "fhi/DOSE", "ssb/SEX"], &["kept-apart"]),
            (&["krg/SITE", "fhi/WEIGHT", "ssb/SEX"], &[]),
            // A question that uses nothing of this owner is not its to judge.
            (&["krg/SITE", "fhi/DOSE"], &[]),
        ] {
            assert_eq!(refused(&apart, ("", ""), &question(names)), codes, "{names:?}");
        }
    }

    #[test]
    fn what_is_prepared_from_and_pointed_to_is_used() {
        let apart = format!("{OPEN}[[keep_apart]]\nvariables = [\"no.ssb.db/FATHER\", \"no.krg.db/*\"]\n");
        let narrow = OPEN.replace("variables = [\"*\"]", "variables = [\"SEX\", \"KIN\"]");
        let (_, father) = source("ssb/FATHER");
        let key = Key::Pointer(father.clone());
        let (preparation, measure, value_type) = (0, 0, ValueType::Number);
        let followed = Column::Prepared { preparation, measure, key, value_type };
        let by = By::Pointer { pointer: father.clone(), unit_type: UnitType::Person };
        let grouped = Preparation {
            rows: Rows::Units(UnitType::Person),
            sources: Vec::new(),
            filters: Vec::new(),
            by,
            measures: Vec::new(),
            layers: Vec::new(),
        };
        let mut by_key = question(&["ssb/SEX", "krg/SITE"]);
        by_key.left.sources.push(followed);
        let mut by_group = question(&["ssb/SEX", "krg/SITE"]);
        by_group.left.preparations.push(grouped);
        let mut by_value = question(&["ssb/SEX", "krg/SITE"]);
        by_value.left.sources.push(Column::Either(vec![Column::Pointer(father)]));
        for question in [by_key, by_group, by_value] {
            assert_eq!(refused(&policy(&apart), ("", ""), &question), ["kept-apart"]);
            assert_eq!(refused(&policy(&narrow), ("", ""), &question), ["not-open"]);
        }
    }

    #[test]
    fn commands_and_dealers_are_those_that_the_owner_names() {
        let text = |line: &str, with: &str| with_entries(OPEN).replace(line, with);
        let question = question(&["ssb/SEX"]);
        let commands = Policy::parse(&text("commands = [\"*\"]", "commands = [\"import\"]")).expect("valid");
        assert_eq!(refused(&commands, ("", ""), &question), ["command-not-allowed"]);
        let krg_deals = Policy::parse(&text("dealers = [\"*\"]", "dealers = [\"krg\"]")).expect("valid");
        assert_eq!(refused(&krg_deals, ("", ""), &question), ["dealer-not-allowed"]);
        let broker_too = Policy::parse(&text("broker_may_deal = false", "broker_may_deal = true"));
        let broker_too = broker_too.expect("valid");
        let (owner, krg, broker) = (id("ssb"), id("krg"), id("broker"));
        let asked = Asked { owner: &owner, institution: "", purpose: "", commands: &[] };
        for (policy, dealer, allowed) in [
            (&krg_deals, Dealer::Node(&krg), true),
            (&krg_deals, Dealer::Broker(&broker), false),
            (&krg_deals, Dealer::OnlyBroker, true),
            (&broker_too, Dealer::Broker(&broker), true),
        ] {
            assert_eq!(policy.judge(&asked, &question, dealer).is_empty(), allowed, "{dealer:?}");
        }
    }
}
