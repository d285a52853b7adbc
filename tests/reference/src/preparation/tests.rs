//! Prepared tables against a few lines of their own for each case, over drawn registers.

use std::collections::BTreeMap;

use kobling_model::expression::{BinaryOperator, ValueType};
use kobling_model::{Day, Hash, OwnerId, VariableName};

use super::large::LARGE;
use super::*;

mod large;

const SECRET: [u8; 32] = [3; 32];
const PEOPLE: u64 = 70;

/// A linear congruential generator.
struct Drawn(u64);

impl Drawn {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// The lines of each dataset: name, unit type, temporality, data type or what it points to, and rows.
#[derive(Default)]
struct Files(Vec<(&'static str, &'static str, &'static str, &'static str, Vec<String>)>);

impl Files {
    fn add(&mut self, name: &'static str, of: [&'static str; 3], rows: impl Iterator<Item = String>) {
        self.0.push((name, of[0], of[1], of[2], rows.collect()));
    }

    fn read(&self) -> Registers {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, unit_type, temporality, measure, rows) in &self.0 {
            let at = folder.path().join(name);
            std::fs::create_dir_all(&at).expect("a folder");
            let measure = match measure.strip_prefix("-> ") {
                Some(unit_type) => serde_json::json!({ "unitType": unit_type }),
                None => serde_json::json!({ "dataType": measure }),
            };
            let json = serde_json::json!({
                "temporalityType": temporality,
                "identifierVariables": [{ "unitType": unit_type }],
                "measureVariables": [measure],
            });
            std::fs::write(at.join(format!("{name}.json")), json.to_string()).expect("written");
            std::fs::write(at.join(format!("{name}.csv")), rows.join("\n")).expect("written");
        }
        let mut registers = Registers::default();
        registers.add(&datastore(), folder.path());
        registers
    }
}

/// People with a wage, a town, perhaps a mother, and jobs; cases with perhaps a stage, and perhaps a person.
#[derive(Default)]
struct World {
    wage: BTreeMap<u64, i64>,
    town: BTreeMap<u64, String>,
    mother: BTreeMap<u64, u64>,
    /// Person, code, first and last day.
    jobs: Vec<(u64, i64, i64, Option<i64>)>,
    stage: BTreeMap<u64, i64>,
    person: BTreeMap<u64, u64>,
}

const PERSON: &str = "PERSON";
const CASE: &str = "KRG_KREFTTILFELLE";

impl World {
    fn drawn(seed: u64) -> Self {
        let (mut draw, mut world) = (Drawn(seed), Self::default());
        for person in 0..PEOPLE {
            if draw.below(10) > 0 {
                world.wage.insert(person, draw.below(1000) as i64 - 100);
            }
            if draw.below(10) > 0 {
                // Towns of very different size.
                let town = draw.below(4) * draw.below(4);
                world.town.insert(person, format!("{town:02}"));
            }
            if draw.below(3) > 0 {
                // Some mothers are known by nothing else.
                world.mother.insert(person, draw.below(PEOPLE + 20));
            }
            let mut day = 0;
            for _ in 0..draw.below(4) {
                let first = day + 1 + draw.below(400) as i64;
                let last = first + draw.below(300) as i64;
                world.jobs.push((person, draw.below(9) as i64, first, Some(last)));
                day = last;
            }
            if draw.below(2) > 0 {
                world.jobs.push((person, 9, day + 1, None));
            }
        }
        for case in 0..120 {
            if draw.below(5) > 0 {
                world.stage.insert(case, draw.below(5) as i64);
            }
            if draw.below(8) > 0 {
                world.person.insert(case, draw.below(PEOPLE));
            }
        }
        world
    }

    fn registers(&self) -> Registers {
        fn rows<'a, T: ToString>(of: &'a BTreeMap<u64, T>) -> impl Iterator<Item = String> + 'a {
            of.iter().map(|(unit, value)| format!("{};{};;;", name(*unit), value.to_string()))
        }
        fn named<'a>(of: &'a BTreeMap<u64, u64>) -> impl Iterator<Item = String> + 'a {
            of.iter().map(|(unit, value)| format!("{};{};;;", name(*unit), name(*value)))
        }
        let day = |day: i64| Day::from_days(day as i32).expect("a day").to_string();
        let job = |(unit, code, first, last): &(u64, i64, i64, Option<i64>)| {
            format!("{};{code};{};{};", name(*unit), day(*first), last.map(day).unwrap_or_default())
        };
        let mut files = Files::default();
        files.add("WAGE", [PERSON, "FIXED", "LONG"], rows(&self.wage));
        files.add("TOWN", [PERSON, "FIXED", "STRING"], rows(&self.town));
        files.add("MOTHER", [PERSON, "FIXED", "-> PERSON"], named(&self.mother));
        files.add("JOB", [PERSON, "EVENT", "LONG"], self.jobs.iter().map(job));
        files.add("STAGE", [CASE, "FIXED", "LONG"], rows(&self.stage));
        files.add("CASE", [CASE, "FIXED", "-> PERSON"], named(&self.person));
        files.read()
    }

    fn people(&self) -> impl Iterator<Item = u64> {
        0..PEOPLE + 20
    }
}

/// Persons and cases have the same names, so that nothing depends on their being different.
fn name(unit: u64) -> String {
    format!("{unit:03}")
}

fn datastore() -> DatastoreId {
    DatastoreId::new("a").expect("valid")
}

fn source(variable: &str, value_type: ValueType) -> Source {
    Source {
        datastore: datastore(),
        version: "1.0.0".parse().expect("valid"),
        variable: VariableName::new(variable).expect("valid"),
        data: Hash::of(b""),
        date: None,
        value_type,
    }
}

fn number_of(variable: &str) -> Source {
    source(variable, ValueType::Number)
}

fn read(variable: &str) -> Column {
    Column::Register(number_of(variable))
}

fn town() -> Column {
    Column::Register(source("TOWN", ValueType::Text))
}

fn column(at: usize) -> Expression {
    Expression::Source(at)
}

fn constant(value: f64) -> Expression {
    Expression::Constant(Value::Number(value))
}

fn above(at: usize, limit: f64) -> Expression {
    Expression::Binary(BinaryOperator::Greater, Box::new(column(at)), Box::new(constant(limit)))
}

fn measure(statistic: Statistic, value: Expression) -> Measure {
    Measure { statistic, value, value_type: ValueType::Number, of_codes: false }
}

fn prepared(measure: usize, key: Key) -> Column {
    Column::Prepared { preparation: 0, measure, key, value_type: ValueType::Number }
}

fn fragment(preparations: Vec<Preparation>, sources: Vec<Column>) -> Fragment {
    Fragment {
        owner: OwnerId::new("ssb").expect("valid"),
        preparations,
        sources,
        filters: vec![],
        filters_of_question: 0,
        dimensions: vec![],
        value: None,
        numbers: vec![],
    }
}

/// The columns of people by number.
fn people(world: &World, fragment: &Fragment) -> BTreeMap<u64, Vec<Option<f64>>> {
    let registers = world.registers();
    let view = View::of(fragment, &registers, UnitType::Person, &SECRET);
    let number = |datum: Datum| match datum? {
        Value::Number(number) => Some(number),
        Value::Text(_) => None,
    };
    let of = |person: u64| view.columns(&name(person)).into_iter().map(number).collect();
    world.people().map(|person| (person, of(person))).collect()
}

fn is_near(found: Option<f64>, expected: Option<f64>) -> bool {
    match (found, expected) {
        (Some(found), Some(expected)) => (found - expected).abs() <= 1e-9 * expected.abs().max(1.0),
        (found, expected) => found == expected,
    }
}

/// A plain account of a few statistics of a small group.
fn plainly(statistic: Statistic, of: &[i64]) -> Option<f64> {
    let n = of.len() as i64;
    let sum: i64 = of.iter().sum();
    match statistic {
        Statistic::Count => Some(n as f64),
        Statistic::Sum => Some(sum as f64),
        _ if n == 0 => None,
        Statistic::Mean => Some(sum as f64 / n as f64),
        Statistic::Min => of.iter().min().map(|least| *least as f64),
        Statistic::Max => of.iter().max().map(|most| *most as f64),
        Statistic::Median => {
            let mut of = of.to_vec();
            of.sort();
            let (low, high) = (of[(of.len() - 1) / 2], of[of.len() / 2]);
            Some((low + high) as f64 / 2.0)
        }
        Statistic::StandardDeviation if n == 1 => None,
        // From all pairs of differences.
        Statistic::StandardDeviation => {
            let pairs: i64 = of.iter().flat_map(|a| of.iter().map(move |b| (a - b) * (a - b))).sum();
            Some((pairs as f64 / (2 * n * (n - 1)) as f64).sqrt())
        }
        other => panic!("not told here: {other:?}"),
    }
}

const TOLD: [Statistic; 7] = [
    Statistic::Count,
    Statistic::Sum,
    Statistic::Mean,
    Statistic::Min,
    Statistic::Max,
    Statistic::Median,
    Statistic::StandardDeviation,
];

#[test]
fn cases_of_a_person_are_counted_and_summed_at_that_person() {
    let mut large = 0;
    for seed in 0..20 {
        let world = World::drawn(seed);
        let preparation = Preparation {
            rows: Rows::Units(UnitType::KrgKrefttilfelle),
            sources: vec![Column::Pointer(number_of("CASE")), read("STAGE")],
            filters: vec![Expression::Not(Box::new(above(1, 3.0)))],
            by: By::Pointer { pointer: number_of("CASE"), unit_type: UnitType::Person },
            measures: TOLD.map(|statistic| measure(statistic, column(1))).to_vec(),
            layers: Vec::new(),
        };
        let columns = (0..TOLD.len()).map(|at| prepared(at, Key::Unit)).collect();
        for (person, found) in people(&world, &fragment(vec![preparation], columns)) {
            let cases = world.person.iter().filter(|(_, of)| **of == person).map(|(case, _)| case);
            let kept: Vec<_> =
                cases.map(|case| world.stage.get(case)).filter(|stage| *stage != Some(&4)).collect();
            let stages: Vec<i64> = kept.iter().copied().flatten().copied().collect();
            for (statistic, found) in TOLD.into_iter().zip(found) {
                match kept.len() {
                    // Nobody's cases: no group.
                    0 => assert_eq!(found, None),
                    1..LARGE => {
                        assert!(is_near(found, plainly(statistic, &stages)), "{statistic:?} {found:?}")
                    }
                    _ if statistic == Statistic::Count => {
                        large += 1;
                        let off = found.expect("counted") - stages.len() as f64;
                        assert!(off.abs() <= 6.0 && off.fract() == 0.0, "{found:?}");
                    }
                    _ => {}
                }
            }
        }
    }
    assert!(large > 0, "no group was large");
}

#[test]
fn a_pointer_leads_to_what_is_known_of_whom_it_names() {
    for seed in 0..20 {
        let world = World::drawn(seed);
        let wages = Preparation {
            rows: Rows::Units(UnitType::Person),
            sources: vec![read("WAGE")],
            filters: vec![above(0, 200.0)],
            by: By::Unit,
            measures: vec![measure(Statistic::Value, column(0))],
            layers: Vec::new(),
        };
        let sources = vec![
            prepared(0, Key::Pointer(number_of("MOTHER"))),
            Column::Pointer(number_of("MOTHER")),
            Column::Either(vec![Column::Pointer(number_of("MOTHER")), prepared(0, Key::Unit)]),
            prepared(0, Key::Unit),
        ];
        for (person, found) in people(&world, &fragment(vec![wages], sources)) {
            let high = |of: u64| world.wage.get(&of).filter(|wage| **wage > 200).map(|wage| *wage as f64);
            let mother = world.mother.get(&person);
            let has = mother.map(|_| 1.0);
            let either = has.or(high(person)).map(|_| 1.0);
            assert_eq!(found, [mother.and_then(|mother| high(*mother)), has, either, high(person)]);
        }
    }
}

#[test]
fn children_lead_to_their_mothers_and_those_are_known_by_being_named() {
    let world = World::drawn(7);
    let children = Preparation {
        rows: Rows::Units(UnitType::Person),
        sources: vec![Column::Pointer(number_of("MOTHER"))],
        filters: vec![],
        by: By::Pointer { pointer: number_of("MOTHER"), unit_type: UnitType::Person },
        measures: vec![measure(Statistic::Count, constant(1.0))],
        layers: Vec::new(),
    };
    let fragment = fragment(vec![children], vec![prepared(0, Key::Unit)]);
    let registers = world.registers();
    let view = View::of(&fragment, &registers, UnitType::Person, &SECRET);
    let found = view.identities().into_iter().filter(|person| view.columns(person)[0].is_some()).count();
    let mothers: BTreeSet<u64> = world.mother.values().copied().collect();
    assert!(mothers.iter().any(|mother| *mother >= PEOPLE), "one is named only");
    assert_eq!(found, mothers.len());
}

#[test]
fn spells_with_a_day_in_the_period_are_rows_of_their_person() {
    let [first, last] = [200, 700];
    for seed in 0..20 {
        let world = World::drawn(seed);
        let variable = number_of("JOB");
        let part = |part| Column::Spell { variable: variable.clone(), part };
        let length = Expression::Binary(BinaryOperator::Subtract, Box::new(column(2)), Box::new(column(1)));
        let spells = Preparation {
            rows: Rows::Spells {
                variable: variable.clone(),
                unit_type: UnitType::Person,
                first: Day::from_days(first).expect("a day"),
                last: Day::from_days(last).expect("a day"),
            },
            sources: vec![
                part(SpellPart::Value),
                part(SpellPart::Start),
                part(SpellPart::Stop),
                read("WAGE"),
            ],
            filters: vec![above(3, 0.0)],
            by: By::Unit,
            measures: vec![
                measure(Statistic::Count, constant(1.0)),
                measure(Statistic::Max, column(0)),
                measure(Statistic::Sum, length),
            ],
            layers: Vec::new(),
        };
        let columns = (0..3).map(|at| prepared(at, Key::Unit)).collect();
        for (person, found) in people(&world, &fragment(vec![spells], columns)) {
            let has_wage = world.wage.get(&person).is_some_and(|wage| *wage > 0);
            // Which of the days of the period the spell has, one by one.
            let within = |(of, _, start, stop): &&(u64, i64, i64, Option<i64>)| {
                let holds = |day: i64| *start <= day && stop.is_none_or(|stop| day <= stop);
                has_wage && *of == person && (first..=last).any(|day| holds(day.into()))
            };
            let spells: Vec<_> = world.jobs.iter().filter(within).collect();
            let lengths = spells.iter().filter_map(|(_, _, start, stop)| stop.map(|stop| stop - start));
            let expected = [
                spells.len() as f64,
                spells.iter().map(|(_, code, ..)| *code).max().unwrap_or_default() as f64,
                lengths.sum::<i64>() as f64,
            ];
            // One person's spells are never blurred, however many.
            let expected = expected.map(|value| (!spells.is_empty()).then_some(value));
            assert_eq!(found, expected, "{person}");
        }
    }
}

#[test]
fn a_table_can_be_made_of_columns_of_one_before_it() {
    for seed in 0..10 {
        let world = World::drawn(seed);
        let cases = Preparation {
            rows: Rows::Units(UnitType::KrgKrefttilfelle),
            sources: vec![read("STAGE")],
            filters: vec![],
            by: By::Pointer { pointer: number_of("CASE"), unit_type: UnitType::Person },
            measures: vec![measure(Statistic::Max, column(0))],
            layers: Vec::new(),
        };
        let worst = |of: u64| {
            let cases = world.person.iter().filter(|(_, person)| **person == of);
            let stages: Vec<i64> = cases.filter_map(|(case, _)| world.stage.get(case)).copied().collect();
            (1..LARGE).contains(&stages.len()).then(|| stages.into_iter().max()).flatten()
        };
        let many = |of: u64| {
            world
                .person
                .iter()
                .filter(|(case, person)| **person == of && world.stage.contains_key(case))
                .count()
        };
        let mothers = Preparation {
            rows: Rows::Units(UnitType::Person),
            sources: vec![prepared(0, Key::Unit)],
            filters: vec![above(0, 1.0)],
            by: By::Unit,
            measures: vec![measure(Statistic::Value, column(0))],
            layers: Vec::new(),
        };
        let of_mother = Column::Prepared {
            preparation: 1,
            measure: 0,
            key: Key::Pointer(number_of("MOTHER")),
            value_type: ValueType::Number,
        };
        for (person, found) in people(&world, &fragment(vec![cases, mothers], vec![of_mother])) {
            let Some(mother) = world.mother.get(&person) else {
                assert_eq!(found, [None]);
                continue;
            };
            if many(*mother) < LARGE {
                let expected = worst(*mother).filter(|stage| *stage > 1).map(|stage| stage as f64);
                assert_eq!(found, [expected]);
            }
        }
    }
}

#[test]
fn whole_tables_are_cut_into_parts_drawn_from_and_counted_in_percent() {
    let world = World::drawn(5);
    let all = |size, seed| measure(Statistic::Drawn { size, seed }, constant(1.0));
    let half = SampleSize::Chance(1 << 31);
    let preparation = Preparation {
        rows: Rows::Units(UnitType::Person),
        sources: vec![read("WAGE")],
        filters: vec![],
        by: By::Unit,
        measures: vec![
            measure(Statistic::Quantile { parts: 4 }, column(0)),
            measure(Statistic::Percent, column(0)),
            all(SampleSize::Units(20), 1),
            all(half, 1),
            all(half, 2),
        ],
        layers: Vec::new(),
    };
    let columns = (0..5).map(|at| prepared(at, Key::Unit)).collect();
    let found = people(&world, &fragment(vec![preparation], columns));
    let with_wage = || world.wage.iter().map(|(person, wage)| (*wage, &found[person]));
    assert!(found.iter().all(|(person, found)| found[0].is_some() == world.wage.contains_key(person)));
    let mut by_wage: Vec<_> = with_wage().map(|(wage, found)| (wage, found[0].expect("there"))).collect();
    by_wage.sort_by_key(|(wage, _)| *wage);
    assert!(by_wage.is_sorted_by_key(|(_, part)| *part), "parts follow values");
    for part in 0..4 {
        let size = by_wage.iter().filter(|(_, of)| *of == f64::from(part)).count();
        assert!(size.abs_diff(by_wage.len() / 4) <= 6, "{size}");
    }
    let percent: f64 = with_wage().map(|(_, found)| found[1].expect("there")).sum();
    assert!((percent - 100.0).abs() < 1e-9);
    let sample = |at: usize| {
        let drawn = found.iter().filter(|(_, found)| found[at] == Some(1.0));
        drawn.map(|(person, _)| *person).collect::<Vec<_>>()
    };
    assert_eq!(sample(2).len(), 20);
    assert!((15..50).contains(&sample(3).len()) && sample(3) != sample(4));
    let hash = |person: u64| {
        let limbs = record_key(&SECRET, UnitType::Person, &name(person));
        let key = limbs.map(u16::to_le_bytes).concat();
        let message = [&b"sample\x01\0\0\0\x80\x01\0\0\0\0\0\0\0"[..], &key].concat();
        // Below a half where the highest bit of the little-endian number is not set.
        Hash::of(&message).0[7] < 0x80
    };
    assert_eq!(sample(3), world.wage.keys().copied().filter(|person| hash(*person)).collect::<Vec<_>>());
}

#[test]
fn small_statistics_are_those_of_the_textbook() {
    let of = |statistic, values: &[f64]| of_numbers(statistic, values, &[]);
    // 1, 2, 4, 9: quartiles at 1.75 and 2.5 places above the first.
    assert_eq!(of(Statistic::InterquartileRange, &[1.0, 2.0, 4.0, 9.0]), Some(5.25 - 1.75));
    assert_eq!(of(Statistic::StandardErrorOfMean, &[2.0, 4.0]), Some(2.0_f64.sqrt() / 2.0_f64.sqrt()));
    assert_eq!(of(Statistic::StandardErrorOfShare, &[0.0, 0.0, 0.0, 1.0]), Some(0.1875_f64.sqrt() / 2.0));
    // Half of the pairs' mean difference by the mean: |1 − 3| in two of four pairs, by 2.
    assert_eq!(of(Statistic::Gini, &[1.0, 3.0]), Some(0.25));
    assert_eq!((of(Statistic::Gini, &[-1.0, 1.0]), of(Statistic::Gini, &[])), (None, None));
}

#[test]
fn bounds_follow_those_of_what_is_measured() {
    let world = World::drawn(1);
    let preparation = Preparation {
        rows: Rows::Units(UnitType::KrgKrefttilfelle),
        sources: vec![read("STAGE")],
        filters: vec![],
        by: By::Pointer { pointer: number_of("CASE"), unit_type: UnitType::Person },
        measures: vec![
            measure(Statistic::Max, column(0)),
            measure(Statistic::Percent, column(0)),
            measure(Statistic::StandardErrorOfMean, column(0)),
        ],
        layers: Vec::new(),
    };
    let sources =
        (0..3).map(|at| prepared(at, Key::Unit)).chain([Column::Pointer(number_of("MOTHER"))]).collect();
    let fragment = fragment(vec![preparation], sources);
    let registers = world.registers();
    let view = View::of(&fragment, &registers, UnitType::Person, &SECRET);
    let bounds: Vec<_> = view.bounds().into_iter().flatten().map(|of| (of.low, of.high)).collect();
    assert_eq!(bounds, [(0.0, 4.0), (0.0, 100.0), (0.0, 2.0), (1.0, 1.0)]);
}
