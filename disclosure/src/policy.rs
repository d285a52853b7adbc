//! An owner's settings: what a node will not go below, whoever asks.
//!
//! The file has no defaults: each setting protects people, so a missing one stops the start and says so. A
//! setting that would protect nobody is refused with a sentence that says why; an owner may only tighten.

use kobling_model::Hash;
use kobling_model::rules::Rules;
use serde::Deserialize;

use crate::PerturbationTable;
use crate::rule::{
    dominance, few_units, hexagons, models, percentiles, population_floor, small_cells, small_table,
    statistic_units, survival_steps,
};

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
    percentile_neighbours_min: Option<u32>,
    percentile_digits_max: Option<u32>,
    model_residual_df_min: Option<u32>,
    model_units_min: Option<u32>,
    model_constant_units_min: Option<u32>,
    model_leverage_percent_max: Option<u32>,
    model_residual_permille_min: Option<u32>,
    hexagon_grid_max: Option<u32>,
    hexagon_groups_max: Option<u32>,
    hexagon_units_min: Option<u32>,
    survival_step_units_min: Option<u32>,
    broker_may_deal: Option<bool>,
    decoy_epsilon: Option<String>,
    decoy_delta_exponent: Option<u32>,
}

/// An owner's checked settings; holding one means that the node may take part in questions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Numbers of rules 1, 3, 4, 5, 6, 7 and 10, as this owner has them.
    pub rules: Rules,
    /// Numbers of the rules on statistics that no command offers yet: they do not travel between owners, since there is nothing that they would be the rules of.
    pub later: LaterLimits,
    /// Whether the broker may deal randomness where three or more nodes are enrolled. Where there are only two, it
    /// deals in any case.
    pub broker_may_deal: bool,
    /// How well decoys hide the size of an overlap from the broker.
    pub decoys: DecoyPrivacy,
}

/// Numbers of rules 8, 9, 11 and 12, as an owner has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaterLimits {
    /// Rule 8.
    pub percentiles: percentiles::Limits,
    /// Rule 9.
    pub models: models::Limits,
    /// Rule 11.
    pub hexagons: hexagons::Limits,
    /// Rule 12.
    pub survival_steps: survival_steps::Limits,
}

impl LaterLimits {
    /// What `init` writes.
    pub const LOOSEST: Self = Self {
        percentiles: percentiles::Limits::LOOSEST,
        models: models::Limits::LOOSEST,
        hexagons: hexagons::Limits::LOOSEST,
        survival_steps: survival_steps::Limits::LOOSEST,
    };

    /// Of each number the stricter.
    pub fn stricter(self, other: Self) -> Self {
        Self {
            percentiles: self.percentiles.stricter(other.percentiles),
            models: self.models.stricter(other.models),
            hexagons: self.hexagons.stricter(other.hexagons),
            survival_steps: self.survival_steps.stricter(other.survival_steps),
        }
    }
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
            perturbation_table: table(file.perturbation_table.clone())?,
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
        let later = LaterLimits {
            percentiles: percentiles(&file)?,
            models: models(&file)?,
            hexagons: hexagons(&file)?,
            survival_steps: survival_steps(&file)?,
        };
        Ok(Self {
            rules,
            later,
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

# Rules 8, 9, 11 and 12 concern percentiles, models, hexagon plots and survival curves. No command shows these yet;
# what will is held to these numbers. Medians and quartiles that become values of a group are means of ten in any case.

# Rule 8: a percentile is the mean of at least so many neighbouring values. At least {neighbours}.
percentile_neighbours_min = {neighbours}

# Rule 8: and is shown with at most so many significant digits. From 1 to {digits}.
percentile_digits_max = {digits}

# Rule 9: a model with fewer residual degrees of freedom, by the perturbed count, is refused. At least {df}.
model_residual_df_min = {df}

# Rule 9: and one with a dummy that a smaller perturbed count of units has, or lacks. At least {model_units}.
model_units_min = {model_units}

# Rule 9: the constant is hidden where a combination of dummies has a smaller perturbed count. At least {constant}.
model_constant_units_min = {constant}

# Rule 9: a model is refused where one unit may have more of a coefficient. Whole percent, at most {leverage}.
model_leverage_percent_max = {leverage}

# Rule 9: and where it leaves less of the outcome unexplained. Whole per mille, at least {residual}.
model_residual_permille_min = {residual}

# Rule 11: hexagons across in a plot. From 1 to {grid}.
hexagon_grid_max = {grid}

# Rule 11: groups of a plot. From 1 to {groups}.
hexagon_groups_max = {groups}

# Rule 11: a hexagon with a smaller perturbed count is not shown. At least {hexagon_units}.
hexagon_units_min = {hexagon_units}

# Rule 12: steps of a survival curve are merged until so many, by their perturbed count, fail or leave. At least {step}.
survival_step_units_min = {step}

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
            neighbours = percentiles::LOOSEST_NEIGHBOURS,
            digits = percentiles::LOOSEST_DIGITS,
            df = models::LOOSEST_RESIDUAL_DF,
            model_units = models::LOOSEST_UNITS,
            constant = models::LOOSEST_CONSTANT_UNITS,
            leverage = models::LOOSEST_LEVERAGE_PERCENT,
            residual = models::LOOSEST_RESIDUAL_PERMILLE,
            grid = hexagons::LOOSEST_GRID,
            groups = hexagons::LOOSEST_GROUPS,
            hexagon_units = hexagons::LOOSEST_UNITS,
            step = survival_steps::LOOSEST,
            delta_min = Self::DELTA_EXPONENT_MIN,
            delta_max = Self::DELTA_EXPONENT_MAX,
        )
    }
}

fn percentiles(file: &PolicyFile) -> Result<percentiles::Limits, PolicyError> {
    Ok(percentiles::Limits {
        neighbours_min: at_least(
            "percentile_neighbours_min",
            file.percentile_neighbours_min,
            percentiles::LOOSEST_NEIGHBOURS,
            "a percentile of fewer than 10 neighbours is nearly what one unit has; write 10 or more",
        )?,
        digits_max: within(
            "percentile_digits_max",
            file.percentile_digits_max,
            percentiles::LOOSEST_DIGITS,
            "a percentile with more than 3 digits is what one unit has; write 3 or less",
            "a whole number from 1 to 3",
        )?,
    })
}

fn models(file: &PolicyFile) -> Result<models::Limits, PolicyError> {
    Ok(models::Limits {
        residual_df_min: at_least(
            "model_residual_df_min",
            file.model_residual_df_min,
            models::LOOSEST_RESIDUAL_DF,
            "a model with nearly as many coefficients as units says what each of them has; write 15 or more",
        )?,
        units_min: at_least(
            "model_units_min",
            file.model_units_min,
            models::LOOSEST_UNITS,
            "a coefficient of fewer than 10 true units says too much about each of them; write 15 or more",
        )?,
        constant_units_min: at_least(
            "model_constant_units_min",
            file.model_constant_units_min,
            models::LOOSEST_CONSTANT_UNITS,
            "a constant is the mean of a group, and of fewer than 5 true units says too much about each; write 10 or more",
        )?,
        leverage_percent_max: at_most(
            "model_leverage_percent_max",
            file.model_leverage_percent_max,
            models::LOOSEST_LEVERAGE_PERCENT,
            "a coefficient that one unit has much of tells what it has; write 10 or less",
        )?,
        residual_permille_min: within_from(
            "model_residual_permille_min",
            file.model_residual_permille_min,
            models::LOOSEST_RESIDUAL_PERMILLE,
            1000,
            "a model that leaves nothing unexplained says what each unit has; write 1 or more",
            "a whole number from 1 to 1000",
        )?,
    })
}

fn hexagons(file: &PolicyFile) -> Result<hexagons::Limits, PolicyError> {
    Ok(hexagons::Limits {
        grid_max: within(
            "hexagon_grid_max",
            file.hexagon_grid_max,
            hexagons::LOOSEST_GRID,
            "a grid of more than 25 hexagons across shows single units; write 25 or less",
            "a whole number from 1 to 25",
        )?,
        groups_max: within(
            "hexagon_groups_max",
            file.hexagon_groups_max,
            hexagons::LOOSEST_GROUPS,
            "a plot of more than 10 groups shows small groups one by one; write 10 or less",
            "a whole number from 1 to 10",
        )?,
        units_min: at_least(
            "hexagon_units_min",
            file.hexagon_units_min,
            hexagons::LOOSEST_UNITS,
            "a hexagon of fewer than 10 true units is a place where few are; write 15 or more",
        )?,
    })
}

fn survival_steps(file: &PolicyFile) -> Result<survival_steps::Limits, PolicyError> {
    Ok(survival_steps::Limits {
        step_units_min: at_least(
            "survival_step_units_min",
            file.survival_step_units_min,
            survival_steps::LOOSEST,
            "a step of fewer than 10 true units says when each of them failed or left; write 15 or more",
        )?,
    })
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

/// At most this, and at least 1: with 0 there would be nothing to show.
fn within(
    setting: &'static str,
    value: Option<u32>,
    most: u32,
    why: &'static str,
    expected: &'static str,
) -> Result<u32, PolicyError> {
    match at_most(setting, value, most, why)? {
        0 => Err(PolicyError::Form { setting, expected }),
        value => Ok(value),
    }
}

/// At least this, and at most what a share can be.
fn within_from(
    setting: &'static str,
    value: Option<u32>,
    least: u32,
    most: u32,
    why: &'static str,
    expected: &'static str,
) -> Result<u32, PolicyError> {
    let value = at_least(setting, value, least, why)?;
    if value > most { Err(PolicyError::Form { setting, expected }) } else { Ok(value) }
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

    const SETTINGS: [&str; 22] = [
        "population_units_min",
        "perturbation_table",
        "small_cell_units_max",
        "small_cells_percent_max",
        "edit_units_min",
        "statistic_units_min",
        "two_largest_percent_max",
        "others_percent_of_largest_min",
        "percentile_neighbours_min",
        "percentile_digits_max",
        "model_residual_df_min",
        "model_units_min",
        "model_constant_units_min",
        "model_leverage_percent_max",
        "model_residual_permille_min",
        "hexagon_grid_max",
        "hexagon_groups_max",
        "hexagon_units_min",
        "survival_step_units_min",
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
        assert_eq!(policy.later, LaterLimits::LOOSEST);
        assert!(!policy.broker_may_deal);
        assert_eq!(policy.decoys, DecoyPrivacy { epsilon: (1, 10), delta_exponent: 9 });
        assert!(
            (policy.decoys.epsilon() - 0.1).abs() < 1e-15 && (policy.decoys.delta() - 1e-9).abs() < 1e-20
        );
    }

    #[test]
    fn every_setting_is_explained_to_operators_and_every_rules_number_to_auditors() {
        let operators = include_str!("../../docs/OPERATING.md");
        let auditors = include_str!("../../docs/PROTECTION.md");
        for setting in SETTINGS {
            let named = format!("`{setting}`");
            assert!(operators.contains(&named), "{setting}");
            let of_a_rule = !setting.starts_with("decoy") && setting != "broker_may_deal";
            assert!(!of_a_rule || auditors.contains(&named), "{setting}");
        }
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
            ("percentile_neighbours_min", "9"),
            ("percentile_digits_max", "4"),
            ("model_residual_df_min", "14"),
            ("model_units_min", "14"),
            ("model_constant_units_min", "9"),
            ("model_leverage_percent_max", "11"),
            ("model_residual_permille_min", "0"),
            ("hexagon_grid_max", "26"),
            ("hexagon_groups_max", "11"),
            ("hexagon_units_min", "14"),
            ("survival_step_units_min", "14"),
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
            ("percentile_neighbours_min", "30"),
            ("percentile_digits_max", "1"),
            ("model_residual_df_min", "100"),
            ("model_units_min", "30"),
            ("model_constant_units_min", "20"),
            ("model_leverage_percent_max", "1"),
            ("model_residual_permille_min", "100"),
            ("hexagon_grid_max", "10"),
            ("hexagon_groups_max", "1"),
            ("hexagon_units_min", "30"),
            ("survival_step_units_min", "30"),
            ("decoy_epsilon", "\"1/100\""),
            ("decoy_delta_exponent", "12"),
        ] {
            let policy = with(setting, value).expect("tighter");
            assert!(crate::rule::is_at_least_as_strict(&policy.rules, &init_policy().rules));
            // Whoever is stricter, whichever is asked first.
            assert_eq!(policy.later.stricter(LaterLimits::LOOSEST), policy.later, "{setting}");
            assert_eq!(LaterLimits::LOOSEST.stricter(policy.later), policy.later, "{setting}");
            let unchanged = policy.later == LaterLimits::LOOSEST;
            let of_later = ["percentile", "model", "hexagon", "survival"];
            assert_eq!(unchanged, !of_later.iter().any(|rule| setting.starts_with(rule)), "{setting}");
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
            ("percentile_digits_max", "0"),
            ("hexagon_grid_max", "0"),
            ("hexagon_groups_max", "0"),
            ("model_residual_permille_min", "1001"),
        ] {
            assert!(matches!(with(setting, value), Err(PolicyError::Form { .. })), "{setting} = {value}");
        }
    }
}
