//! Claims about policies: what is read, what is refused and why.

use kobling_model::catalogue::Datastore;
use kobling_model::rules::Rules;
use kobling_model::{DatastoreId, OwnerId};

use super::*;
use crate::PerturbationTable;

/// The policy of a new node.
pub(crate) fn init_policy() -> Policy {
    Policy::parse(&Policy::init_text()).expect("what init writes is valid")
}

const SETTINGS: [&str; 26] = [
    "population_units_min",
    "perturbation_table",
    "small_cell_units_max",
    "small_cells_percent_max",
    "edit_units_min",
    "statistic_units_min",
    "two_largest_percent_max",
    "others_percent_of_largest_min",
    "near_population_units_max",
    "units_per_cell_min",
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
    "dealers",
    "commands",
    "decoy_epsilon",
    "decoy_delta_exponent",
];

/// What init writes, with another value of a setting.
fn text_with(setting: &str, value: &str) -> String {
    let replace = |line: &str| match line.split_once(" = ") {
        Some((name, _)) if name == setting => format!("{setting} = {value}\n"),
        _ => format!("{line}\n"),
    };
    Policy::init_text().lines().map(replace).collect()
}

fn with(setting: &str, value: &str) -> Result<Policy, PolicyError> {
    Policy::parse(&text_with(setting, value))
}

/// What init writes up to its entries, then these.
pub(crate) fn with_entries(entries: &str) -> String {
    let text = Policy::init_text();
    let (numbers, _) = text.split_once("[[allow]]").expect("init writes an entry");
    format!("{numbers}{entries}")
}

/// Entries that open everything.
const OPEN: &str =
    "[[allow]]\ndatasets = [\"*\"]\nvariables = [\"*\"]\ninstitutions = [\"*\"]\npurposes = [\"*\"]\n";

fn datastore(id: &str, variables: &[&str]) -> Datastore {
    use kobling_model::catalogue::{
        AvailableDates, DataType, Sensitivity, Temporality, ValueDomain, Variable,
    };
    let variable = |name: &&str| Variable {
        name: kobling_model::VariableName::new(*name).expect("valid"),
        title: String::new(),
        description: String::new(),
        unit_type: kobling_model::UnitType::Person,
        temporality: Temporality::Fixed,
        sensitivity: Sensitivity::PersonGeneral,
        domain: ValueDomain::Described {
            data_type: DataType::String,
            description: String::new(),
            unit: String::new(),
        },
        dates: AvailableDates::None,
        range: None,
        data: kobling_model::Hash::of(name.as_bytes()),
    };
    Datastore {
        id: DatastoreId::new(id).expect("valid"),
        owner: OwnerId::new("ssb").expect("valid"),
        version: "1.0.0".parse().expect("valid"),
        variables: variables.iter().map(variable).collect(),
    }
}

/// The faults of a text, held against a node that has `no.ssb.fdb` with KJOENN, WAGE and PENSION in a federation of three.
fn faults(text: &str) -> Vec<String> {
    let datastores = [datastore("no.ssb.fdb", &["KJOENN", "PENSION", "WAGE"])];
    let nodes = ["ssb", "krg", "fhi"].map(|name| OwnerId::new(name).expect("valid"));
    let known = Known {
        datastores: &datastores,
        nodes: &nodes,
        commands: &["require", "create-dataset", "import", "tabulate"],
        commands_needed: &["require", "create-dataset"],
    };
    match Policy::read(text, &known) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.all().iter().map(ToString::to_string).collect(),
    }
}

/// The only fault of a text.
fn only_fault(text: &str) -> String {
    let faults = faults(text);
    assert_eq!(faults.len(), 1, "{faults:#?}");
    faults.into_iter().next().expect("one")
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
    assert_eq!((policy.near_population_units_max, policy.units_per_cell_min), (9, 10));
    assert_eq!(policy.later, LaterLimits::LOOSEST);
    assert!(!policy.broker_may_deal);
    assert_eq!(policy.decoys, DecoyPrivacy { epsilon: (1, 10), delta_exponent: 9 });
    assert!((policy.decoys.epsilon() - 0.1).abs() < 1e-15 && (policy.decoys.delta() - 1e-9).abs() < 1e-20);
    assert_eq!(faults(&Policy::init_text()), [""; 0]);
}

#[test]
fn every_setting_is_explained_to_operators_and_every_rules_number_to_auditors() {
    let operators = include_str!("../../../docs/OPERATING.md");
    let auditors = include_str!("../../../docs/PROTECTION.md");
    let not_of_a_rule = ["decoy_epsilon", "decoy_delta_exponent", "broker_may_deal", "dealers", "commands"];
    for setting in SETTINGS {
        let named = format!("`{setting}`");
        assert!(operators.contains(&named) || operators.contains(&format!("\n{setting} = ")), "{setting}");
        assert!(not_of_a_rule.contains(&setting) || auditors.contains(&named), "{setting}");
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
    let without = Policy::init_text().replace("institutions = [\"*\"]\n", "");
    let line = 1 + without.lines().position(|line| line == "[[allow]]").expect("there");
    let fault = only_fault(&without);
    assert!(fault.starts_with(&format!("line {line}: institutions is missing")), "{fault}");
    let closed = only_fault(&with_entries(""));
    assert!(closed.contains("no entry [[allow]]") && closed.contains("write one"), "{closed}");
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
        ("near_population_units_max", "8"),
        ("units_per_cell_min", "9"),
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
        assert!(matches!(&error, PolicyError::ProtectsNobody { setting: named, .. } if *named == setting));
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
        ("near_population_units_max", "50"),
        ("units_per_cell_min", "1000"),
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
        assert!(policy.decoys.is_at_least_as_strict(init_policy().decoys));
        assert_eq!(policy.later.stricter(LaterLimits::LOOSEST), policy.later, "{setting}");
        let of_later = ["percentile", "model", "hexagon", "survival"];
        let is_later = of_later.iter().any(|rule| setting.starts_with(rule));
        assert_eq!(policy.later != LaterLimits::LOOSEST, is_later, "{setting}");
    }
    let [tight, loose] = [(1, 100), (1, 1)].map(|epsilon| DecoyPrivacy { epsilon, delta_exponent: 9 });
    assert!(tight.is_at_least_as_strict(loose) && !loose.is_at_least_as_strict(tight));
}

#[test]
fn unknown_names_and_wrong_types_are_refused() {
    let unknown = format!("population_min = 5\n{}", Policy::init_text());
    let error = Policy::parse(&unknown).expect_err("unknown name");
    assert!(matches!(&error, PolicyError::Unknown { name, .. } if name == "population_min"), "{error}");
    let fault = only_fault(&format!("{}colour = \"red\"\n", with_entries(OPEN)));
    assert!(fault.contains("allow: \"colour\" is no setting here; there are datasets"), "{fault}");
    assert!(matches!(with("broker_may_deal", "="), Err(PolicyError::Unreadable(_))));
    for (setting, value) in [
        ("population_units_min", "-5"),
        ("population_units_min", "\"many\""),
        ("population_units_min", "5000000000"),
        ("broker_may_deal", "1"),
        ("perturbation_table", "\"abc\""),
        ("decoy_epsilon", "\"0.1\""),
        ("decoy_epsilon", "\"0/10\""),
        ("decoy_epsilon", "\"1/0\""),
        ("decoy_delta_exponent", "16"),
        ("near_population_units_max", "51"),
        ("percentile_digits_max", "0"),
        ("hexagon_grid_max", "0"),
        ("hexagon_groups_max", "0"),
        ("model_residual_permille_min", "1001"),
        ("commands", "\"*\""),
        ("commands", "[1]"),
        ("dealers", "[\"Fhi!\"]"),
        ("datasets", "[\"KJOENN\"]"),
        ("variables", "[\"kjoenn\"]"),
    ] {
        assert!(matches!(with(setting, value), Err(PolicyError::Form { .. })), "{setting} = {value}");
    }
}

#[test]
fn all_faults_come_at_once_with_their_lines() {
    let text = text_with("population_units_min", "5");
    let text = text.replace("edit_units_min = 15", "edit_units_min = 3").replace("dealers = [\"*\"]", "");
    let line = |start: &str| 1 + text.lines().position(|line| line.starts_with(start)).expect("there");
    let faults = faults(&text);
    assert_eq!(faults.len(), 3, "{faults:#?}");
    let starts = [
        format!("line {}: population_units_min is 5;", line("population_units_min")),
        format!("line {}: edit_units_min is 3;", line("edit_units_min")),
        "dealers is missing;".to_owned(),
    ];
    for (fault, start) in faults.iter().zip(&starts) {
        assert!(fault.starts_with(start.as_str()), "{fault}");
    }
}

#[test]
fn lists_that_say_nothing_or_two_things_are_refused() {
    for (setting, value, says) in [
        ("commands", "[]", "nothing would be allowed at all"),
        ("commands", "[\"*\", \"tabulate\"]", "write either"),
        (
            "commands",
            "[\"require\", \"create-dataset\", \"tabulate\", \"tabulate\"]",
            "\"tabulate\" stands twice",
        ),
        (
            "commands",
            "[\"require\", \"create-dataset\", \"tabulat\"]",
            "\"tabulat\" is no command of the language",
        ),
        ("commands", "[\"tabulate\"]", "without require and create-dataset no script can ask anything"),
        ("dealers", "[\"sbb\"]", "\"sbb\" is no node of the federation file; there are ssb, krg, fhi"),
        ("dealers", "[\"fhi\", \"fhi\"]", "stands twice"),
        ("institutions", "[\"UiO\", \"*\"]", "\"*\" is everything"),
        ("purposes", "[]", "nothing would be allowed at all"),
        ("datasets", "[\"no.ssb.fbd\"]", "\"no.ssb.fbd\" is no dataset of this node; there are no.ssb.fdb"),
        ("variables", "[\"KJONN\"]", "\"KJONN\" is no variable of this node"),
        ("variables", "[\"no.ssb.fdb/KJONN\"]", "is no variable of this node"),
        ("variables", "[\"@income\"]", "\"@income\" is no group"),
    ] {
        let fault = only_fault(&text_with(setting, value));
        assert!(fault.starts_with("line ") && fault.contains(says), "{setting} = {value}: {fault}");
    }
}

#[test]
fn an_entry_that_adds_nothing_is_refused_since_its_writer_meant_to_narrow() {
    let narrow = OPEN.replace("institutions = [\"*\"]", "institutions = [\"UiO\"]");
    let after = only_fault(&with_entries(&format!("{OPEN}{narrow}")));
    let before = only_fault(&with_entries(&format!("{narrow}{OPEN}")));
    for fault in [after, before] {
        assert!(fault.contains("allows nothing that the one on line"), "{fault}");
        assert!(fault.contains("never narrow"), "{fault}");
    }
    let other = OPEN.replace("institutions = [\"*\"]", "institutions = [\"UiB\"]");
    assert_eq!(faults(&with_entries(&format!("{narrow}{other}"))), [""; 0]);
}

#[test]
fn groups_include_others_but_not_in_a_circle() {
    let entry = OPEN.replace("variables = [\"*\"]", "variables = [\"@income\"]");
    let sound =
        "[groups]\nincome = [\"no.ssb.fdb/WAGE\", \"@benefits\"]\nbenefits = [\"no.ssb.fdb/PENSION\"]\n";
    assert_eq!(faults(&with_entries(&format!("{entry}{sound}"))), [""; 0]);
    for (groups, says) in [
        ("a = [\"@b\"]\nb = [\"@income\"]\nincome = [\"@a\"]\n", "in a circle: a -> b -> income -> a"),
        ("income = [\"@income\"]\n", "in a circle: income -> income"),
        ("income = [\"@wages\"]\n", "\"@wages\" is no group; there are income"),
        ("income = [\"WAGE\"]\n", "groups is not valid; expected variables as"),
        ("income = []\n", "\"income\" has no members"),
        ("income = [\"no.ssb.fdb/WAGES\"]\n", "no variable of this node: no.ssb.fdb/WAGES"),
    ] {
        let fault = only_fault(&with_entries(&format!("{entry}[groups]\n{groups}")));
        assert!(fault.contains(says), "{groups}: {fault}");
    }
    let elsewhere = entry.replace("datasets = [\"*\"]", "datasets = [\"no.ssb.fdb\"]");
    let fault = only_fault(&with_entries(&format!("{elsewhere}[groups]\nincome = [\"no.krg.kreft/X\"]\n")));
    assert!(fault.contains("leave out no.krg.kreft"), "{fault}");
}

#[test]
fn what_is_kept_apart_must_be_two_and_one_of_this_node() {
    let groups = "[groups]\nincome = [\"no.ssb.fdb/WAGE\", \"no.ssb.fdb/PENSION\"]\n";
    let apart =
        |variables: &str| with_entries(&format!("{OPEN}[[keep_apart]]\nvariables = [{variables}]\n{groups}"));
    for sound in [
        "\"no.ssb.fdb/WAGE\", \"no.krg.kreft/X\"",
        "\"@income\", \"no.krg.kreft/*\", \"no.fhi.helse/Y\"",
        "\"no.ssb.fdb/WAGE\", \"no.ssb.fdb/PENSION\"",
    ] {
        assert_eq!(faults(&apart(sound)), [""; 0], "{sound}");
    }
    for (variables, says) in [
        ("\"no.ssb.fdb/WAGE\"", "at least two"),
        ("\"no.ssb.fdb/WAGE\", \"no.ssb.fdb/*\"", "cannot be kept apart from itself"),
        ("\"@income\", \"no.ssb.fdb/WAGE\"", "no.ssb.fdb/WAGE is in \"@income\" and in \"no.ssb.fdb/WAGE\""),
        ("\"no.krg.kreft/X\", \"no.fhi.helse/Y\"", "no variable of this node is among them"),
        ("\"no.ssb.fdb/WAGES\", \"no.krg.kreft/X\"", "its dataset has no no.ssb.fdb/WAGES"),
        ("\"WAGE\", \"no.krg.kreft/X\"", "keep_apart is not valid"),
    ] {
        let fault = only_fault(&apart(variables));
        assert!(fault.contains(says), "{variables}: {fault}");
    }
    let twice = format!(
        "{}[[keep_apart]]\nvariables = [\"no.krg.kreft/*\", \"no.ssb.fdb/WAGE\"]\n",
        with_entries(&format!(
            "{OPEN}[[keep_apart]]\nvariables = [\"no.ssb.fdb/WAGE\", \"no.krg.kreft/X\"]\n"
        ))
    );
    let fault = only_fault(&twice);
    assert!(fault.contains("keeps all of this apart already"), "{fault}");
}

#[test]
fn a_text_that_is_no_toml_is_refused_with_its_line_and_without_its_words() {
    let faults = faults("population_units_min = 1000\nsecret secret\n");
    assert!(faults[0].starts_with("line 2: the policy cannot be read:"), "{faults:?}");
    assert!(!faults[0].contains("secret secret"), "{faults:?}");
    let long = Policy::parse(&"#".repeat((1 << 20) + 1));
    assert!(matches!(long, Err(PolicyError::Unreadable(_))));
}

/// What `init` writes of each number: its name, and how loose it may be, as the last sentence before it says.
fn bounds_of_init() -> Vec<(String, String)> {
    let text = Policy::init_text();
    let mut said = "";
    let mut bounds = Vec::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            said = comment;
        } else if let Some((name, value)) = line.split_once(" = ")
            && value.parse::<u32>().is_ok()
            && let Some(bound) = said.trim_end_matches('.').rsplit(". ").next()
        {
            bounds.push((name.to_owned(), bound.to_lowercase()));
        }
    }
    bounds
}

#[test]
fn the_documents_say_of_each_setting_of_a_rule_how_loose_it_may_be() {
    let page = include_str!("../../../docs/PROTECTION.md");
    let table = page.split("| rule | setting in the policy | bounds |").nth(1).expect("a table");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let rows: Vec<Vec<&str>> = rows.map(|row| row.split('|').map(str::trim).collect()).collect();
    let init = bounds_of_init();
    // Decoys are linkage's, and no rule.
    for (name, _) in init.iter().filter(|(name, _)| !name.starts_with("decoy_")) {
        let has_row = rows.iter().any(|row| row[2].trim_matches('`') == name);
        assert!(has_row, "{name} has no row");
    }
    for row in &rows {
        let (setting, bound) = (row[2].trim_matches('`'), row[3]);
        if setting == "none" || setting == "perturbation_table" {
            continue;
        }
        let (_, loosest) = init.iter().find(|(name, _)| name == setting).expect(setting);
        assert_eq!(bound, loosest, "{setting}");
    }
}
