//! An owner's settings: what a node will not go below, whoever asks.
//!
//! The file has no defaults: each setting protects people, so a missing one stops the start and says so. A
//! setting that would protect nobody is refused with a sentence that says why; an owner may only tighten.

use kobling_model::Hash;
use kobling_model::rules::Rules;
use serde::Deserialize;

use crate::PerturbationTable;
use crate::rule::{dominance, few_units, population_floor, small_cells, small_table, statistic_units};

/// What the file says. Private: the rest of the node sees [`Policy`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    population_units_min: Option<u32>,
    perturbation_table: Option<String>,
    small_cell_units_max: Option<u32>,
    small_cells_percent_max: Option<u32>,
    edit_units_min: Option<u32>,
    statistic_units_min: Option<u32>,
    two_largest_percent_max: Option<u32>,
    others_percent_of_largest_min: Option<u32>,
    broker_may_deal: Option<bool>,
    decoy_epsilon: Option<String>,
    decoy_delta_exponent: Option<u32>,
}

/// An owner's checked settings; holding one means that the node may take part in questions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Numbers of rules 1, 3, 4, 5, 6, 7 and 10, as this owner has them.
    pub rules: Rules,
    /// Whether the broker may deal randomness where three or more nodes are enrolled. Where there are only two, it
    /// deals in any case.
    pub broker_may_deal: bool,
    /// How well decoys hide the size of an overlap from the broker.
    pub decoys: DecoyPrivacy,
}

/// ε and δ of the numbers of decoys (design §3): what the broker sees of an overlap is (ε, δ)-differentially
/// private for one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecoyPrivacy {
    /// ε as a ratio, numerator and denominator, so that all nodes compute with exactly the same number.
    pub epsilon: (u32, u32),
    /// δ is 10 to the power of minus this.
    pub delta_exponent: u32,
}

impl DecoyPrivacy {
    /// ε as a number.
    pub fn epsilon(self) -> f64 {
        f64::from(self.epsilon.0) / f64::from(self.epsilon.1)
    }

    /// δ as a number.
    pub fn delta(self) -> f64 {
        10_f64.powi(-(self.delta_exponent as i32))
    }
}

/// Why a node does not start with a policy. The text is for its operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Not TOML, an unknown name, or a value of the wrong type.
    #[error("the policy cannot be read: {0}")]
    Unreadable(String),
    /// A setting is missing.
    #[error("{setting} is missing; it protects people, so it has no default: write it into the policy")]
    Missing {
        /// Its name.
        setting: &'static str,
    },
    /// A setting would protect nobody.
    #[error("{setting} is {value}; {why}")]
    ProtectsNobody {
        /// Its name.
        setting: &'static str,
        /// What the file says.
        value: String,
        /// What it would do, and what is allowed.
        why: &'static str,
    },
    /// A setting is not written as it has to be.
    #[error("{setting} is not valid; expected {expected}")]
    Form {
        /// Its name.
        setting: &'static str,
        /// The form that would be valid.
        expected: &'static str,
    },
}

impl Policy {
    /// Smallest decoy exponent: a δ of one in a million.
    const DELTA_EXPONENT_MIN: u32 = 6;
    /// Beyond this, δ is smaller than what the decoys' 64-bit draws can resolve.
    const DELTA_EXPONENT_MAX: u32 = 15;

    /// Reads and checks the text of a policy file.
    ///
    /// # Errors
    /// [`PolicyError`], a sentence about the first setting that is missing or does not do.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let file: PolicyFile = toml::from_str(text).map_err(|error| {
            // The message alone: toml's full text repeats the line of the file.
            PolicyError::Unreadable(error.message().to_owned())
        })?;
        let rules = Rules {
            population_units_min: at_least(
                "population_units_min",
                file.population_units_min,
                population_floor::LOOSEST,
                "a population of fewer than 1000 units says too much about each of them; write 1000 or more",
            )?,
            perturbation_table: table(file.perturbation_table)?,
            small_cell_units_max: at_least(
                "small_cell_units_max",
                file.small_cell_units_max,
                small_cells::LOOSEST,
                "a cell of 4 or fewer units identifies its members; write 4 or more",
            )?,
            small_cells_percent_max: at_most(
                "small_cells_percent_max",
                file.small_cells_percent_max,
                small_table::LOOSEST,
                "a table most of whose cells are small is a list of people; write 50 or less",
            )?,
            edit_units_min: at_least(
                "edit_units_min",
                file.edit_units_min,
                few_units::LOOSEST,
                "an edit of fewer than 10 true units tells of each of them; write 15 or more",
            )?,
            statistic_units_min: at_least(
                "statistic_units_min",
                file.statistic_units_min,
                statistic_units::LOOSEST,
                "a mean of fewer than 10 true units says too much about each of them; write 15 or more",
            )?,
            two_largest_percent_max: at_most(
                "two_largest_percent_max",
                file.two_largest_percent_max,
                dominance::LOOSEST_TWO_LARGEST,
                "a sum that two units nearly make up tells each of them what the other has; write 90 or less",
            )?,
            others_percent_of_largest_min: at_least(
                "others_percent_of_largest_min",
                file.others_percent_of_largest_min,
                dominance::LOOSEST_OTHERS,
                "a sum that one unit nearly makes up tells what it has; write 10 or more",
            )?,
        };
        Ok(Self {
            rules,
            broker_may_deal: required("broker_may_deal", file.broker_may_deal)?,
            decoys: DecoyPrivacy {
                epsilon: epsilon(file.decoy_epsilon)?,
                delta_exponent: delta_exponent(file.decoy_delta_exponent)?,
            },
        })
    }

    /// What `init` writes into a new node's policy: the least strict settings allowed, each explained.
    pub fn init_text() -> String {
        let table = PerturbationTable::published().hash();
        format!(
            "\
# What this node will not go below, whoever asks. You may tighten every number; the strictest of all
# owners in a question applies. Nothing here has a default: a missing setting stops the start.

# Rule 1: a dataset with a smaller perturbed count is refused. At least {floor}.
population_units_min = {floor}

# Rule 3: the perturbation table, by the SHA-256 of its CSV. The same for the whole federation.
perturbation_table = \"{table}\"

# Rule 4: cells with a perturbed count from 1 to this are suppressed. At least {small}.
small_cell_units_max = {small}

# Rule 5: a table with a larger share of suppressed cells is refused. Whole percent, at most {percent}.
small_cells_percent_max = {percent}

# Rule 6: an edit that touches, or leaves out, a smaller perturbed count is not carried out. At least {edit}.
edit_units_min = {edit}

# Rule 7: means, deviations and sums of a cell with a smaller perturbed count are hidden. At least {statistic}.
statistic_units_min = {statistic}

# Rule 10: sums are hidden where the two largest contributors have more of the cell. Whole percent, at most {two}.
two_largest_percent_max = {two}

# Rule 10: and where the others have less than this of what the largest has. Whole percent, at least {others}.
others_percent_of_largest_min = {others}

# Whether the broker may deal randomness although there are nodes enough to do it. A broker that
# deals knows the masks of the question, so it then must see nothing of the workers' traffic.
broker_may_deal = false

# How well decoys hide the size of an overlap from the broker: smaller is better and costs more decoys.
# A ratio, at most 1/1.
decoy_epsilon = \"1/10\"

# The chance that the decoys fail to hide is 10 to the power of minus this. From {delta_min} to {delta_max}.
decoy_delta_exponent = 9
",
            floor = population_floor::LOOSEST,
            small = small_cells::LOOSEST,
            percent = small_table::LOOSEST,
            edit = few_units::LOOSEST,
            statistic = statistic_units::LOOSEST,
            two = dominance::LOOSEST_TWO_LARGEST,
            others = dominance::LOOSEST_OTHERS,
            delta_min = Self::DELTA_EXPONENT_MIN,
            delta_max = Self::DELTA_EXPONENT_MAX,
        )
    }
}

fn required<T>(setting: &'static str, value: Option<T>) -> Result<T, PolicyError> {
    value.ok_or(PolicyError::Missing { setting })
}

fn at_least(
    setting: &'static str,
    value: Option<u32>,
    least: u32,
    why: &'static str,
) -> Result<u32, PolicyError> {
    let value = required(setting, value)?;
    if value >= least {
        Ok(value)
    } else {
        Err(PolicyError::ProtectsNobody { setting, value: value.to_string(), why })
    }
}

fn at_most(
    setting: &'static str,
    value: Option<u32>,
    most: u32,
    why: &'static str,
) -> Result<u32, PolicyError> {
    let value = required(setting, value)?;
    if value <= most {
        Ok(value)
    } else {
        Err(PolicyError::ProtectsNobody { setting, value: value.to_string(), why })
    }
}

fn table(value: Option<String>) -> Result<Hash, PolicyError> {
    let setting = "perturbation_table";
    let text = required(setting, value)?;
    let expected = "the 64 hexadecimal digits of the table's SHA-256";
    let hash = Hash::parse(&text).map_err(|_| PolicyError::Form { setting, expected })?;
    match PerturbationTable::known(hash) {
        Some(_) => Ok(hash),
        None => Err(PolicyError::ProtectsNobody {
            setting,
            value: text,
            why: "this program has no such table, and a count without noise gives single people away; \
                  write the hash of the table that `init` writes",
        }),
    }
}

fn epsilon(value: Option<String>) -> Result<(u32, u32), PolicyError> {
    let setting = "decoy_epsilon";
    let text = required(setting, value)?;
    let form = PolicyError::Form {
        setting,
        expected: "a ratio of two whole numbers from 1 to 1000000, such as \"1/10\"",
    };
    let parts = text.split_once('/').map(|(a, b)| (a.trim().parse::<u32>(), b.trim().parse::<u32>()));
    let Some((Ok(numerator), Ok(denominator))) = parts else { return Err(form) };
    if !(1..=1_000_000).contains(&numerator) || !(1..=1_000_000).contains(&denominator) {
        return Err(form);
    }
    if numerator > denominator {
        let why = "with an epsilon above 1 the decoys hide nobody from the broker; write 1/1 or less";
        return Err(PolicyError::ProtectsNobody { setting, value: text, why });
    }
    Ok((numerator, denominator))
}

fn delta_exponent(value: Option<u32>) -> Result<u32, PolicyError> {
    let setting = "decoy_delta_exponent";
    let why = "with a delta above one in a million the decoys fail for somebody in a nation; write 6 or more";
    let value = at_least(setting, value, Policy::DELTA_EXPONENT_MIN, why)?;
    if value > Policy::DELTA_EXPONENT_MAX {
        return Err(PolicyError::Form { setting, expected: "a whole number from 6 to 15" });
    }
    Ok(value)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The policy of a new node.
    pub(crate) fn init_policy() -> Policy {
        Policy::parse(&Policy::init_text()).expect("what init writes is valid")
    }

    const SETTINGS: [&str; 11] = [
        "population_units_min",
        "perturbation_table",
        "small_cell_units_max",
        "small_cells_percent_max",
        "edit_units_min",
        "statistic_units_min",
        "two_largest_percent_max",
        "others_percent_of_largest_min",
        "broker_may_deal",
        "decoy_epsilon",
        "decoy_delta_exponent",
    ];

    fn with(setting: &str, value: &str) -> Result<Policy, PolicyError> {
        let replace = |line: &str| match line.split_once(" = ") {
            Some((name, _)) if name == setting => format!("{setting} = {value}\n"),
            _ => format!("{line}\n"),
        };
        Policy::parse(&Policy::init_text().lines().map(replace).collect::<String>())
    }

    #[test]
    fn what_init_writes_are_the_numbers_of_the_rules() {
        let policy = init_policy();
        assert_eq!(
            policy.rules,
            Rules {
                population_units_min: 1000,
                perturbation_table: PerturbationTable::published().hash(),
                small_cell_units_max: 4,
                small_cells_percent_max: 50,
                edit_units_min: 15,
                statistic_units_min: 15,
                two_largest_percent_max: 90,
                others_percent_of_largest_min: 10,
            }
        );
        assert!(!policy.broker_may_deal);
        assert_eq!(policy.decoys, DecoyPrivacy { epsilon: (1, 10), delta_exponent: 9 });
        assert!(
            (policy.decoys.epsilon() - 0.1).abs() < 1e-15 && (policy.decoys.delta() - 1e-9).abs() < 1e-20
        );
    }

    #[test]
    fn a_missing_setting_stops_the_start_and_is_named() {
        for setting in SETTINGS {
            let text: String = (Policy::init_text().lines())
                .filter(|line| !line.starts_with(&format!("{setting} =")))
                .map(|line| format!("{line}\n"))
                .collect();
            assert_eq!(Policy::parse(&text), Err(PolicyError::Missing { setting }));
        }
    }

    #[test]
    fn a_setting_that_protects_nobody_is_refused_with_the_reason() {
        let other_table = format!("\"{}\"", "0".repeat(64));
        for (setting, value) in [
            ("population_units_min", "999"),
            ("population_units_min", "0"),
            ("small_cell_units_max", "3"),
            ("small_cells_percent_max", "51"),
            ("edit_units_min", "14"),
            ("statistic_units_min", "14"),
            ("two_largest_percent_max", "91"),
            ("others_percent_of_largest_min", "9"),
            ("perturbation_table", other_table.as_str()),
            ("decoy_epsilon", "\"3/2\""),
            ("decoy_delta_exponent", "5"),
        ] {
            let error = with(setting, value).expect_err("loose");
            assert!(
                matches!(&error, PolicyError::ProtectsNobody { setting: named, .. } if *named == setting)
            );
            assert!(error.to_string().contains(" is ") && error.to_string().contains("; write "));
        }
    }

    #[test]
    fn tightening_is_always_allowed() {
        for (setting, value) in [
            ("population_units_min", "5000"),
            ("small_cell_units_max", "9"),
            ("small_cells_percent_max", "0"),
            ("edit_units_min", "40"),
            ("statistic_units_min", "30"),
            ("two_largest_percent_max", "0"),
            ("others_percent_of_largest_min", "50"),
            ("decoy_epsilon", "\"1/100\""),
            ("decoy_delta_exponent", "12"),
        ] {
            let policy = with(setting, value).expect("tighter");
            assert!(crate::rule::is_at_least_as_strict(&policy.rules, &init_policy().rules));
        }
    }

    #[test]
    fn unknown_names_and_wrong_types_are_refused() {
        let unknown = format!("{}population_min = 5\n", Policy::init_text());
        let error = Policy::parse(&unknown).expect_err("unknown name");
        assert!(matches!(&error, PolicyError::Unreadable(text) if text.contains("population_min")));
        for (setting, value) in [
            ("population_units_min", "-5"),
            ("population_units_min", "\"many\""),
            ("population_units_min", "5000000000"),
            ("broker_may_deal", "1"),
            ("broker_may_deal", "="),
        ] {
            assert!(matches!(with(setting, value), Err(PolicyError::Unreadable(_))), "{setting} = {value}");
        }
        for (setting, value) in [
            ("perturbation_table", "\"abc\""),
            ("decoy_epsilon", "\"0.1\""),
            ("decoy_epsilon", "\"0/10\""),
            ("decoy_epsilon", "\"1/0\""),
            ("decoy_delta_exponent", "16"),
        ] {
            assert!(matches!(with(setting, value), Err(PolicyError::Form { .. })), "{setting} = {value}");
        }
    }
}
