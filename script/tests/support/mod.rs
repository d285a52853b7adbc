//! A small catalogue of two owners and more, a readable form of plans, and golden files.
//!
//! `UPDATE_GOLDEN=1 cargo test -p kobling-script` writes the files anew, to be reviewed as a diff.
#![allow(dead_code)] // Every test file uses a part.

pub mod writer;

use std::fmt::Write as _;
use std::path::Path;

use kobling_model::catalogue::{
    AvailableDates, Catalogue, Code, DataType, Datastore, Sensitivity, Sentinel, Temporality, ValueDomain,
    Variable,
};
use kobling_model::expression::{BinaryOperator, Expression, Value};
use kobling_model::plan::{Edit, Fragment, Place, Plan, QuestionKind, Side, Source};
use kobling_model::preparation::{By, Column, Key, Preparation, Rows};
use kobling_model::value::{Coding, Range};
use kobling_model::{DatastoreId, Day, Hash, OwnerId, UnitType, VariableName};
use kobling_script::limits::{DIAGNOSTICS_MAX, MADE_STATEMENTS_MAX};
use kobling_script::{Language, check, explain, parser, required_datastores, syntax, written_out};

pub fn day(text: &str) -> Day {
    text.parse().expect("a valid day")
}

fn code(code: &str, title: &str, from: &str, until: Option<&str>) -> Code {
    Code { code: code.into(), title: title.into(), valid_from: day(from), valid_until: until.map(day) }
}

fn codes(data_type: DataType, list: &[(&str, &str)]) -> ValueDomain {
    let codes = list.iter().map(|(value, title)| code(value, title, "1900-01-01", None)).collect();
    ValueDomain::Codes { data_type, codes, sentinels: Vec::new() }
}

fn described(data_type: DataType, unit: &str) -> ValueDomain {
    ValueDomain::Described { data_type, description: "measured".into(), unit: unit.into() }
}

fn variable(
    name: &str,
    unit_type: UnitType,
    temporality: Temporality,
    domain: ValueDomain,
    dates: AvailableDates,
) -> Variable {
    Variable {
        name: VariableName::new(name).expect("a valid name"),
        title: name.into(),
        description: String::new(),
        unit_type,
        temporality,
        sensitivity: Sensitivity::PersonGeneral,
        domain,
        dates,
        range: None,
        data: Hash::of(name.as_bytes()),
    }
}

/// The variable with public constants.
fn ranged(variable: Variable, low: f64, high: f64, centre: f64) -> Variable {
    Variable { range: Some(Range { low, high, centre }), ..variable }
}

fn datastore(id: &str, owner: &str, version: &str, variables: Vec<Variable>) -> Datastore {
    Datastore {
        id: DatastoreId::new(id).expect("a valid name"),
        owner: OwnerId::new(owner).expect("a valid name"),
        version: version.parse().expect("a valid version"),
        variables,
    }
}

/// Three owners' releases, as the demo has them in small.
pub fn catalogue() -> Catalogue {
    use Temporality::{Accumulated, Event, Fixed, Status};
    use UnitType::{Jobb, KrgKrefttilfelle, Person};
    let sex = codes(DataType::String, &[("1", "Mann"), ("2", "Kvinne")]);
    let municipalities = ValueDomain::Codes {
        data_type: DataType::String,
        codes: vec![
            code("0301", "Oslo", "1838-01-01", None),
            code("1103", "Stavanger", "1838-01-01", None),
            code("1601", "Trondheim", "1838-01-01", Some("2017-12-31")),
            code("5001", "Trondheim", "2018-01-01", None),
        ],
        sentinels: vec![Sentinel { code: "9999".into(), title: "Uoppgitt".into() }],
    };
    let education = codes(
        DataType::String,
        &[
            ("201199", "Grunnskole"),
            ("301199", "Videregående"),
            ("641199", "Bachelor"),
            ("741199", "Master"),
            ("999999", "Uoppgitt"),
        ],
    );
    let civil = ValueDomain::Codes {
        data_type: DataType::Long,
        codes: vec![
            code("10", "Separert", "1990-01-01", None),
            code("2", "Gift", "1990-01-01", None),
            code("1", "Ugift", "1990-01-01", None),
        ],
        sentinels: vec![Sentinel { code: "0".into(), title: "Uoppgitt".into() }],
    };
    let years = [2019, 2020, 2021, 2022, 2023];
    let first_of_january = |year| Day::from_civil(year, 1, 1).expect("a day");
    let january = AvailableDates::Days { days: years.map(first_of_january).to_vec() };
    let whole_year = |year| (first_of_january(year), Day::from_civil(year, 12, 31).expect("a day"));
    let incomes = AvailableDates::Periods { periods: [2020, 2021, 2022].map(whole_year).to_vec() };
    let range = |first, last| AvailableDates::Range { first: day(first), last: day(last) };
    let ssb = vec![
        ranged(
            variable(
                "BEFOLKNING_DOEDS_DATO",
                Person,
                Fixed,
                described(DataType::Date, ""),
                AvailableDates::None,
            ),
            3600.0,
            20_000.0,
            10_000.0,
        ),
        variable("BEFOLKNING_KJOENN", Person, Fixed, sex, AvailableDates::None),
        variable("BEFOLKNING_KOMMNR_FORMELL", Person, Status, municipalities, january),
        variable(
            "BEFOLKNING_MOR_FNR",
            Person,
            Fixed,
            ValueDomain::Pointer { unit_type: Person },
            AvailableDates::None,
        ),
        ranged(
            variable("INNTEKT_WLONN", Person, Accumulated, described(DataType::Long, "NOK"), incomes),
            0.0,
            1_500_000.0,
            400_000.0,
        ),
        variable("JOBB_LONN", Jobb, Fixed, described(DataType::Long, "NOK"), AvailableDates::None),
        variable("NUDB_BU", Person, Event, education, range("1970-10-01", "2023-10-01")),
        variable("SIVSTANDFDT_SIVSTAND", Person, Event, civil, range("1980-01-01", "2023-12-31")),
    ];
    let sites = codes(
        DataType::String,
        &[("C34", "Lunge"), ("C43", "Melanom"), ("C50", "Bryst"), ("C61", "Prostata")],
    );
    let of_case = codes(
        DataType::String,
        &[("C34", "Lunge"), ("C43", "Melanom"), ("C50", "Bryst"), ("C61", "Prostata")],
    );
    let krg = vec![
        variable("KRG_DIAGNOSEDATO", Person, Fixed, described(DataType::Date, ""), AvailableDates::None),
        variable("KRG_LOKALISASJON", Person, Fixed, sites, AvailableDates::None),
        variable(
            "KRG_STADIUM",
            Person,
            Fixed,
            codes(DataType::Long, &[("1", "I"), ("2", "II"), ("3", "III"), ("4", "IV")]),
            AvailableDates::None,
        ),
        variable("KRG_TILFELLE_LOKALISASJON", KrgKrefttilfelle, Fixed, of_case, AvailableDates::None),
        variable(
            "KRG_TILFELLE_PERSON",
            KrgKrefttilfelle,
            Fixed,
            ValueDomain::Pointer { unit_type: Person },
            AvailableDates::None,
        ),
    ];
    let fhi = vec![variable(
        "VAKSINE_DOSER",
        Person,
        Event,
        codes(DataType::Long, &[("0", "Ingen"), ("1", "Én"), ("2", "To"), ("3", "Tre")]),
        range("2020-12-27", "2023-06-30"),
    )];
    Catalogue {
        datastores: vec![
            datastore("no.fhi.helse", "fhi", "1.0.0", fhi),
            datastore("no.krg.kreft", "krg", "2.3.0", krg),
            datastore("no.ssb.fdb", "ssb", "53.0.0", Vec::new()),
            datastore("no.ssb.fdb", "ssb", "54.0.0", Vec::new()),
            datastore("no.ssb.fdb", "ssb", "54.1.0", ssb),
        ],
    }
}

/// What the demo's registers offer, as a test of the whole system keeps it.
pub fn demo_catalogue() -> Catalogue {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/demo.json");
    let text = std::fs::read_to_string(path).expect("the demo's catalogue is on record");
    serde_json::from_str(&text).expect("a catalogue")
}

/// Both catalogues in one: their majors differ, but for one datastore, whose variables are put together.
pub fn whole_catalogue() -> Catalogue {
    let mut whole = catalogue();
    for datastore in demo_catalogue().datastores {
        let same = |of: &&mut Datastore| (&of.id, of.version) == (&datastore.id, datastore.version);
        match whole.datastores.iter_mut().find(same) {
            Some(of) => of.variables.extend(datastore.variables),
            None => whole.datastores.push(datastore),
        }
    }
    whole.datastores.sort_by(|a, b| (&a.id, a.version).cmp(&(&b.id, b.version)));
    for datastore in &mut whole.datastores {
        datastore.variables.sort_by(|a, b| a.name.cmp(&b.name));
    }
    whole
}

/// Connects all owners under the names `db`, `kreft` and `fhi`, and makes a dataset of two of them.
pub const PRELUDE: &str = "\
require no.ssb.fdb:54 as db
require no.krg.kreft:2 as kreft
require no.fhi.helse:1 as fhi
create-dataset d
import db/BEFOLKNING_KJOENN as kjønn
import db/BEFOLKNING_KOMMNR_FORMELL 2023-01-01 as kommune
import db/INNTEKT_WLONN 2022-06-30 as lønn
import db/SIVSTANDFDT_SIVSTAND 2023-01-01 as sivstand
import kreft/KRG_LOKALISASJON as lokalisasjon
import kreft/KRG_STADIUM as stadium
import fhi/VAKSINE_DOSER 2022-01-01 as doser
";

/// The plan of a script that must be in order.
pub fn plan_of(source: &str) -> Plan {
    match kobling_script::check(source, &catalogue()) {
        Ok(checked) => checked.plan,
        Err(diagnostics) => panic!("{}", rendered(&diagnostics, source)),
    }
}

/// The plan of what follows [`PRELUDE`].
pub fn plan_after_prelude(rest: &str) -> Plan {
    plan_of(&format!("{PRELUDE}{rest}\n"))
}

/// Codes of the diagnostics of what follows [`PRELUDE`], in order of place.
pub fn codes_after_prelude(rest: &str) -> Vec<&'static str> {
    match kobling_script::check(&format!("{PRELUDE}{rest}\n"), &catalogue()) {
        Ok(_) => Vec::new(),
        Err(diagnostics) => diagnostics.iter().map(kobling_script::Diagnostic::code).collect(),
    }
}

pub fn rendered(diagnostics: &[kobling_script::Diagnostic], source: &str) -> String {
    kobling_script::render(diagnostics, source, "script", kobling_script::Language::English, false)
}

/// A plan as a person can review it.
pub fn described_plan(plan: &Plan) -> String {
    let mut out = String::new();
    for release in &plan.releases {
        writeln!(out, "release {} {} of {}", release.datastore, release.version, release.owner)
            .expect("memory");
    }
    for listing in &plan.listings {
        writeln!(out, "\nline {}: labels of {}", listing.line, listing.name).expect("memory");
        for (value, label) in &listing.labels {
            writeln!(out, "  {value} {label}").expect("memory");
        }
    }
    for question in &plan.questions {
        writeln!(out, "\nline {}: {}", question.line, question.text).expect("memory");
        match &question.kind {
            QuestionKind::Population { dataset } => {
                writeln!(out, "  population of {dataset}: {}", question.unit_type).expect("memory");
            }
            QuestionKind::Edit(edit) => {
                let Edit { dataset, touched, rest } = edit;
                writeln!(
                    out,
                    "  edit of {dataset}: {} touched ({}), rest {rest:?}",
                    question.unit_type,
                    written_place(*touched)
                )
                .expect("memory");
            }
            QuestionKind::Table(shape) => {
                let variables: Vec<_> = (shape.variables.iter())
                    .map(|variable| format!("{} ({})", variable.name, written_place(variable.place)))
                    .collect();
                let missing = if shape.missing { " missing" } else { "" };
                writeln!(out, "  table: {} show {:?}{missing}", variables.join(", "), shape.shows)
                    .expect("memory");
                if let Some(value) = &shape.value {
                    let squares = if value.squares { " with squares" } else { "" };
                    let Coding { decimals, low, high, centre, .. } = value.coding;
                    let sides: Vec<String> =
                        value.parts.iter().map(|part| format!("{:?}", part.side)).collect();
                    writeln!(
                        out,
                        "  value: {} ({}) {low}..{high} about {centre}, {decimals} decimals{squares}",
                        value.name,
                        sides.join(" + ")
                    )
                    .expect("memory");
                }
            }
        }
        for (side, fragment) in question.fragments() {
            let side = match side {
                Side::Left => "left",
                Side::Right => "right",
                Side::Other(_) => "other",
            };
            describe_fragment(&mut out, side, fragment);
        }
        for (at, sum) in question.sums.iter().enumerate() {
            let missing = if sum.missing { " missing" } else { "" };
            writeln!(out, "  sum {at} of {:?}: {} classes{missing}", sum.summands, sum.classes.len())
                .expect("memory");
        }
        for (what, joint) in (question.joints.iter().map(|joint| ("joint", joint)))
            .chain(question.conditions.iter().map(|joint| ("condition", joint)))
        {
            writeln!(out, "  {what} {} = {} of {:?}", joint.name, written(&joint.expression), joint.inputs)
                .expect("memory");
        }
    }
    out
}

fn written_place(place: Place) -> String {
    match place {
        Place::Own { side, dimension } => format!("{side:?} {dimension}"),
        Place::Joint(at) => format!("Joint {at}"),
    }
}

fn describe_fragment(out: &mut String, side: &str, fragment: &Fragment) {
    writeln!(out, "  {side} {}", fragment.owner).expect("memory");
    for (at, preparation) in fragment.preparations.iter().enumerate() {
        describe_preparation(out, at, preparation);
    }
    describe_sources(out, "    ", &fragment.sources);
    for filter in &fragment.filters {
        writeln!(out, "    where {}", written(filter)).expect("memory");
    }
    for dimension in &fragment.dimensions {
        writeln!(out, "    {} = {}", dimension.name, written(&dimension.expression)).expect("memory");
        for category in &dimension.categories {
            let value = category.value.as_ref().map_or("missing".to_owned(), written_value);
            writeln!(out, "      {value}: {}", category.label).expect("memory");
        }
    }
    if let Some(value) = &fragment.value {
        writeln!(out, "    sum of {}", written(value)).expect("memory");
    }
}

fn named(source: &Source) -> String {
    source.date.map_or(source.variable.to_string(), |date| format!("{} at {date}", source.variable))
}

fn list(values: &[Expression]) -> String {
    values.iter().map(written).collect::<Vec<_>>().join(", ")
}

fn describe_sources(out: &mut String, margin: &str, sources: &[Column]) {
    for (at, column) in sources.iter().enumerate() {
        let what = match column {
            Column::Register(source) => named(source),
            Column::Pointer(source) => format!("whether {}", named(source)),
            Column::Either(of) => format!("either of {}", of.len()),
            Column::Spell { variable, part } => format!("{part:?} of {}", named(variable)),
            Column::Prepared { preparation, measure, key, .. } => {
                let key = match key {
                    Key::Unit => "own unit".to_owned(),
                    Key::Pointer(source) => named(source),
                    Key::Values(values) => list(values),
                };
                format!("table {preparation} column {measure} by {key}")
            }
        };
        writeln!(out, "{margin}${at} = {what} {:?}", column.value_type()).expect("memory");
    }
}

fn describe_preparation(out: &mut String, at: usize, preparation: &Preparation) {
    let rows = match &preparation.rows {
        Rows::Units(unit_type) => unit_type.to_string(),
        Rows::Spells { variable, first, last, .. } => format!("{} from {first} to {last}", named(variable)),
    };
    let by = |by: &By| match by {
        By::Unit => "own unit".to_owned(),
        By::Pointer { pointer, unit_type } => format!("{} to {unit_type}", named(pointer)),
        By::Values(values) => list(values),
    };
    writeln!(out, "    table {at} of {rows} by {}", by(&preparation.by)).expect("memory");
    describe_sources(out, "      ", &preparation.sources);
    for filter in &preparation.filters {
        writeln!(out, "      where {}", written(filter)).expect("memory");
    }
    for measure in &preparation.measures {
        writeln!(out, "      {:?} of {}", measure.statistic, written(&measure.value)).expect("memory");
    }
    for layer in &preparation.layers {
        let values = list(&layer.values);
        writeln!(out, "      and of ${} by {}: {values}", layer.presence, by(&layer.by)).expect("memory");
        for filter in &layer.filters {
            writeln!(out, "        where {}", written(filter)).expect("memory");
        }
    }
}

fn written_value(value: &Value) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        Value::Text(text) => format!("{text:?}"),
    }
}

pub fn written(expression: &Expression) -> String {
    match expression {
        Expression::Source(index) => format!("${index}"),
        Expression::Constant(value) => written_value(value),
        Expression::Missing(value_type) => format!("missing {value_type:?}"),
        Expression::Negate(inner) => format!("-{}", written(inner)),
        Expression::Not(inner) => format!("!{}", written(inner)),
        Expression::Binary(operator, left, right) => {
            let sign = match operator {
                BinaryOperator::Add => "+",
                BinaryOperator::Subtract => "-",
                BinaryOperator::Multiply => "*",
                BinaryOperator::Divide => "/",
                BinaryOperator::Equal => "==",
                BinaryOperator::NotEqual => "!=",
                BinaryOperator::Less => "<",
                BinaryOperator::LessOrEqual => "<=",
                BinaryOperator::Greater => ">",
                BinaryOperator::GreaterOrEqual => ">=",
                BinaryOperator::And => "&",
                BinaryOperator::Or => "|",
            };
            format!("({} {sign} {})", written(left), written(right))
        }
        Expression::Call(function, arguments) => {
            let arguments: Vec<_> = arguments.iter().map(written).collect();
            format!("{function:?}({})", arguments.join(", "))
        }
        Expression::Case { arms, otherwise } => {
            let arms: Vec<_> =
                arms.iter().map(|(when, then)| format!("{} => {}", written(when), written(then))).collect();
            format!("case {{ {}, else {} }}", arms.join(", "), written(otherwise))
        }
    }
}

/// Compares with `tests/golden/<name>.txt`.
pub fn golden(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder can be made");
        std::fs::write(&path, found).expect("the golden file can be written");
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(wanted == found, "{} differs; found:\n{found}", path.display());
}

/// All that is promised of any text.
pub fn keeps_its_promises(source: &str, catalogue: &Catalogue) {
    let (script, diagnostics) = parser::parse(source);
    assert!(diagnostics.len() <= DIAGNOSTICS_MAX);
    assert!(script.statements.len() <= source.lines().count() + MADE_STATEMENTS_MAX, "work is bounded");
    assert!(written_out(source).len() <= 4 * (1 << 20) + source.len(), "so is space");
    assert!(syntax(source).len() <= DIAGNOSTICS_MAX);
    let _ = required_datastores(source);
    match check(source, catalogue) {
        Ok(checked) => {
            assert_eq!(Ok(&checked), check(source, catalogue).as_ref());
            assert!(explain(&checked.plan, |_| None).len() < 1 << 24);
        }
        Err(diagnostics) => {
            assert!((1..=DIAGNOSTICS_MAX).contains(&diagnostics.len()));
            for one in &diagnostics {
                assert!(source.get(one.span.start..one.span.end).is_some(), "a place in the text: {one:?}");
                let line = source.split('\n').nth(one.line as usize - 1).expect("a line of the text");
                assert!((one.column as usize - 1) <= line.chars().count(), "a column of the line: {one:?}");
                let (last, column) = one.end(source);
                assert!((last, column) >= (one.line, one.column));
                for language in [Language::English, Language::Norwegian] {
                    let said = one.message(language) + &one.advice(language);
                    assert!(!said.is_empty() && !said.contains(char::is_control));
                    assert!(said.len() < 4 * source.len() + 4_000, "{}", said.len());
                }
            }
        }
    }
}
