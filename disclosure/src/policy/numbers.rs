//! Settings that are numbers: those of the rules, and how well decoys hide an overlap.
//!
//! Each number of a rule is a row of its own: what it is called, how loose it may be, why not looser, and what a new node's file says
//! of it. A further one is a constant here, a line in [`RULES`] and a line in [`rules`].

use kobling_model::Hash;
use kobling_model::rules::Rules;

use super::DecoyPrivacy;
use super::document::{Document, Section};
use super::fault::PolicyError;
use crate::PerturbationTable;
use crate::rule::{
    dominance, few_units, near_populations, population_floor, small_cells, small_table, statistic_units,
};

/// How loose a number may be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bound {
    AtLeast(u32),
    AtMost(u32),
    /// At most this, and at least 1.
    To(u32),
    /// From the first, which is the loosest, to the second.
    Within(u32, u32),
}

impl Bound {
    fn loosest(self) -> u32 {
        match self {
            Self::AtLeast(loosest) | Self::AtMost(loosest) | Self::To(loosest) | Self::Within(loosest, _) => {
                loosest
            }
        }
    }

    fn admits(self, value: u32) -> bool {
        match self {
            Self::AtLeast(least) | Self::Within(least, _) => value >= least,
            Self::AtMost(most) | Self::To(most) => value <= most,
        }
    }

    /// The form to ask for where a number is strict and means nothing.
    fn beyond(self, value: u32) -> Option<&'static str> {
        match self {
            Self::To(_) if value == 0 => Some("a whole number from 1"),
            Self::Within(_, most) if value > most => Some("a whole number that is not so large"),
            _ => None,
        }
    }
}

/// A number of a rule, as it stands in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number {
    pub(super) name: &'static str,
    pub(super) bound: Bound,
    /// Why a looser one is refused, and what to write.
    pub(super) why: &'static str,
    /// What a new node's file says of it; how loose it may be is added.
    pub(super) about: &'static str,
}

const POPULATION_UNITS_MIN: Number = Number {
    name: "population_units_min",
    bound: Bound::AtLeast(population_floor::LOOSEST),
    why: "a population of fewer than 1000 units says too much about each of them; write 1000 or more",
    about: "Rule 1: a dataset with a smaller perturbed count is refused.",
};

const SMALL_CELL_UNITS_MAX: Number = Number {
    name: "small_cell_units_max",
    bound: Bound::AtLeast(small_cells::LOOSEST),
    why: "a cell of 4 or fewer units identifies its members; write 4 or more",
    about: "Rule 4: cells with a perturbed count from 1 to this are suppressed.",
};

const SMALL_CELLS_PERCENT_MAX: Number = Number {
    name: "small_cells_percent_max",
    bound: Bound::AtMost(small_table::LOOSEST),
    why: "a table most of whose cells are small is a list of people; write 50 or less",
    about: "Rule 5: a table with a larger share of suppressed cells is refused. Whole percent.",
};

const EDIT_UNITS_MIN: Number = Number {
    name: "edit_units_min",
    bound: Bound::AtLeast(few_units::LOOSEST),
    why: "an edit of fewer than 10 true units tells of each of them; write 15 or more",
    about: "Rule 6: an edit that touches, or leaves out, a smaller perturbed count is not carried out.",
};

const STATISTIC_UNITS_MIN: Number = Number {
    name: "statistic_units_min",
    bound: Bound::AtLeast(statistic_units::LOOSEST),
    why: "a mean of fewer than 10 true units says too much about each of them; write 15 or more",
    about: "Rule 7: means, deviations and sums of a cell with a smaller perturbed count are hidden.",
};

const TWO_LARGEST_PERCENT_MAX: Number = Number {
    name: "two_largest_percent_max",
    bound: Bound::AtMost(dominance::LOOSEST_TWO_LARGEST),
    why: "a sum that two units nearly make up tells each of them what the other has; write 90 or less",
    about: "Rule 10: sums are hidden where the two largest contributors have more of the cell. Whole percent.",
};

const OTHERS_PERCENT_OF_LARGEST_MIN: Number = Number {
    name: "others_percent_of_largest_min",
    bound: Bound::AtLeast(dominance::LOOSEST_OTHERS),
    why: "a sum that one unit nearly makes up tells what it has; write 10 or more",
    about: "Rule 10: and where the others have less than this of what the largest has. Whole percent.",
};

/// All numbers of rules, in the order in which a new node's file has them.
const RULES: [&Number; 7] = [
    &POPULATION_UNITS_MIN,
    &SMALL_CELL_UNITS_MAX,
    &SMALL_CELLS_PERCENT_MAX,
    &EDIT_UNITS_MIN,
    &STATISTIC_UNITS_MIN,
    &TWO_LARGEST_PERCENT_MAX,
    &OTHERS_PERCENT_OF_LARGEST_MIN,
];

/// Not among [`RULES`]: each owner judges its own side by its own number, so it does not travel.
const NEAR_POPULATION_UNITS_MAX: Number = Number {
    name: "near_population_units_max",
    bound: Bound::Within(near_populations::LOOSEST, near_populations::TIGHTEST),
    why: "somebody who knows all others of two populations that differ by 9 or fewer units learns of the last; write 9 or more",
    about: "Rule 13: a population that differs from an earlier one by at most so many units, perturbed, is answered as that one.",
};

const TABLE: &str = "perturbation_table";
const EPSILON: &str = "decoy_epsilon";
const DELTA_EXPONENT: &str = "decoy_delta_exponent";
/// Smallest decoy exponent: a δ of one in a million.
const DELTA_EXPONENT_MIN: u32 = 6;
/// Beyond this, δ is smaller than what the decoys' 64-bit draws can resolve.
const DELTA_EXPONENT_MAX: u32 = 15;

/// Names of all settings that are read here.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    RULES.iter().chain([&&NEAR_POPULATION_UNITS_MAX]).map(|number| number.name).chain([
        TABLE,
        EPSILON,
        DELTA_EXPONENT,
    ])
}

/// Takes the numbers of the rules. Where one is at fault another stands in its place, and the document's faults say so.
pub(super) fn rules<'t>(document: &mut Document<'t>, section: &mut Section<'t>) -> Rules {
    let perturbation_table = table(document, section);
    let mut take = |number: Number| number.take(document, section);
    Rules {
        population_units_min: take(POPULATION_UNITS_MIN),
        perturbation_table,
        small_cell_units_max: take(SMALL_CELL_UNITS_MAX),
        small_cells_percent_max: take(SMALL_CELLS_PERCENT_MAX),
        edit_units_min: take(EDIT_UNITS_MIN),
        statistic_units_min: take(STATISTIC_UNITS_MIN),
        two_largest_percent_max: take(TWO_LARGEST_PERCENT_MAX),
        others_percent_of_largest_min: take(OTHERS_PERCENT_OF_LARGEST_MIN),
    }
}

/// Takes the number of rule 13; as [`rules`].
pub(super) fn near_population_units_max<'t>(document: &mut Document<'t>, section: &mut Section<'t>) -> u32 {
    NEAR_POPULATION_UNITS_MAX.take(document, section)
}

/// Takes the numbers of the decoys; as [`rules`].
pub(super) fn decoys<'t>(document: &mut Document<'t>, section: &mut Section<'t>) -> DecoyPrivacy {
    DecoyPrivacy { epsilon: epsilon(document, section), delta_exponent: delta_exponent(document, section) }
}

impl Number {
    pub(super) fn take<'t>(self, document: &mut Document<'t>, section: &mut Section<'t>) -> u32 {
        let Some((value, line)) = document.number(section, self.name) else { return self.bound.loosest() };
        if !self.bound.admits(value) {
            let (setting, value, why) = (self.name, value.to_string(), self.why);
            document.fault(Some(line), PolicyError::ProtectsNobody { setting, value, why });
        } else if let Some(expected) = self.bound.beyond(value) {
            document.fault(Some(line), PolicyError::Form { setting: self.name, expected });
        }
        value
    }

    /// What a new node's file says.
    pub(super) fn text(&self) -> String {
        let Self { name, bound, about, .. } = self;
        let loosest = bound.loosest();
        let bound = match bound {
            Bound::AtLeast(least) => format!("At least {least}"),
            Bound::AtMost(most) => format!("At most {most}"),
            Bound::To(most) => format!("From 1 to {most}"),
            Bound::Within(least, most) => format!("From {least} to {most}"),
        };
        format!("# {about} {bound}.\n{name} = {loosest}\n\n")
    }
}

fn table<'t>(document: &mut Document<'t>, section: &mut Section<'t>) -> Hash {
    let published = PerturbationTable::published().hash();
    let Some(text) = document.text(section, TABLE) else { return published };
    let Ok(hash) = Hash::parse(&text.text) else {
        let expected = "the 64 hexadecimal digits of the table's SHA-256";
        document.fault(Some(text.line), PolicyError::Form { setting: TABLE, expected });
        return published;
    };
    if PerturbationTable::known(hash).is_none() {
        let why = "this program has no such table, and a count without noise gives single people away; \
                   write the hash of the table that `init` writes";
        let value = text.text;
        document.fault(Some(text.line), PolicyError::ProtectsNobody { setting: TABLE, value, why });
    }
    hash
}

fn epsilon<'t>(document: &mut Document<'t>, section: &mut Section<'t>) -> (u32, u32) {
    let strictest = (1, 1_000_000);
    let Some(text) = document.text(section, EPSILON) else { return strictest };
    let part = |text: &str| text.trim().parse::<u32>().ok().filter(|part| (1..=1_000_000).contains(part));
    let parts = text.text.split_once('/').and_then(|(a, b)| part(a).zip(part(b)));
    let Some((numerator, denominator)) = parts else {
        let expected = "a ratio of two whole numbers from 1 to 1000000, such as \"1/10\"";
        document.fault(Some(text.line), PolicyError::Form { setting: EPSILON, expected });
        return strictest;
    };
    if numerator > denominator {
        let why = "with an epsilon above 1 the decoys hide nobody from the broker; write 1/1 or less";
        let (setting, value) = (EPSILON, text.text);
        document.fault(Some(text.line), PolicyError::ProtectsNobody { setting, value, why });
    }
    (numerator, denominator)
}

fn delta_exponent<'t>(document: &mut Document<'t>, section: &mut Section<'t>) -> u32 {
    let setting = DELTA_EXPONENT;
    let Some((value, line)) = document.number(section, setting) else { return DELTA_EXPONENT_MAX };
    if value < DELTA_EXPONENT_MIN {
        let why =
            "with a delta above one in a million the decoys fail for somebody in a nation; write 6 or more";
        let value = value.to_string();
        document.fault(Some(line), PolicyError::ProtectsNobody { setting, value, why });
    }
    if value > DELTA_EXPONENT_MAX {
        let expected = "a whole number from 6 to 15";
        document.fault(Some(line), PolicyError::Form { setting, expected });
    }
    value
}

/// What a new node's file says: the least strict numbers of rules that are allowed.
pub(super) fn rules_text() -> String {
    let table = PerturbationTable::published().hash();
    let table = format!(
        "# Rule 3: the perturbation table, by the SHA-256 of its CSV. The same for the whole federation.\n\
         {TABLE} = \"{table}\"\n\n"
    );
    let (first, others) = RULES.split_at(1);
    let text = |number: &&Number| number.text();
    first
        .iter()
        .map(text)
        .chain([table])
        .chain(others.iter().map(text))
        .chain([NEAR_POPULATION_UNITS_MAX.text()])
        .collect()
}

/// What a new node's file says of decoys.
pub(super) fn decoys_text() -> String {
    format!(
        "\
# How well decoys hide the size of an overlap from the broker: smaller is better and costs more decoys.
# A ratio, at most 1/1.
{EPSILON} = \"1/10\"

# The chance that the decoys fail to hide is 10 to the power of minus this. From {DELTA_EXPONENT_MIN} to {DELTA_EXPONENT_MAX}.
{DELTA_EXPONENT} = 9

"
    )
}
