//! What fragments mean, over small registers and against a plain evaluator.

use std::fs;

use kobling_model::expression::{BinaryOperator, Expression, Function};
use kobling_model::plan::Category;
use kobling_model::{DatastoreId, OwnerId};
use proptest::prelude::*;

use super::*;
use crate::register::testing::World;

mod functions;

fn day(text: &str) -> Day {
    text.parse().expect("a day")
}

fn source(world: &World, variable: &str, date: Option<&str>, value_type: ValueType) -> Source {
    let catalogue = world.store.catalogue();
    let datastore = catalogue.last().expect("imported");
    let variable = VariableName::new(variable).expect("a name");
    Source {
        datastore: datastore.id.clone(),
        version: datastore.version,
        data: datastore.variable(&variable).expect("imported").data,
        variable,
        date: date.map(day),
        value_type,
    }
}

fn category(value: Option<Value>) -> Category {
    Category { value, label: String::new() }
}

fn numbers(values: &[f64]) -> Vec<Category> {
    values.iter().map(|value| category(Some(Value::Number(*value)))).collect()
}

fn dimension(expression: Expression, categories: Vec<Category>) -> Dimension {
    Dimension { name: "d".into(), expression, categories }
}

fn fragment(sources: Vec<Source>, filters: Vec<Expression>, dimensions: Vec<Dimension>) -> Fragment {
    Fragment {
        owner: OwnerId::new("test").expect("a name"),
        preparations: Vec::new(),
        sources: sources.into_iter().map(Column::Register).collect(),
        filters,
        filters_of_question: 0,
        dimensions,
        value: None,
        numbers: Vec::new(),
    }
}

/// So many units of each type, with keys that are their numbers.
pub(super) struct SoMany(pub(super) u32);

impl UnitBook for SoMany {
    fn count(&self, _: UnitType) -> u32 {
        self.0
    }

    fn keys(&self, _: UnitType) -> Arc<Vec<[u16; 3]>> {
        Arc::new((0..self.0).map(|unit| [unit as u16, (unit >> 16) as u16, 7]).collect())
    }
}

fn people(units: u32) -> Arc<dyn UnitBook> {
    Arc::new(SoMany(units))
}

fn number(value: f64) -> Expression {
    Expression::Constant(Value::Number(value))
}

fn binary(operator: BinaryOperator, left: Expression, right: Expression) -> Expression {
    Expression::Binary(operator, Box::new(left), Box::new(right))
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

impl World {
    fn evaluate(&self, fragment: &Fragment, population: bool, units: u32) -> Result<Vec<u32>, ExtractError> {
        let store = RegisterStore::open(self.state())?;
        wait(Extractor::new(Arc::new(store)).evaluate(
            fragment,
            population,
            UnitType::Person,
            people(units),
            None,
        ))
        .map(|extracted| extracted.partition.into_cells())
    }

    /// The values of one variable at a date, as a dimension with the categories 1, 2, 3 and missing.
    fn values(&self, variable: &str, date: Option<&str>, units: u32) -> Vec<u32> {
        let mut categories = numbers(&[1.0, 2.0, 3.0]);
        categories.push(category(None));
        let source = source(self, variable, date, ValueType::Number);
        let of = fragment(vec![source], vec![], vec![dimension(Expression::Source(0), categories)]);
        self.evaluate(&of, false, units).expect("evaluated")
    }
}

#[test]
fn each_temporality_holds_on_its_own_days() {
    let mut world = World::new();
    world.dataset("F", "FIXED", "LONG", &[(0, "1", "", ""), (2, "3", "", "")]);
    world.dataset(
        "S",
        "STATUS",
        "LONG",
        &[
            (0, "1", "2020-01-01", "2020-01-01"),
            (0, "2", "2021-01-01", "2021-01-01"),
            (1, "3", "2021-01-01", "2021-01-01"),
        ],
    );
    world.dataset(
        "A",
        "ACCUMULATED",
        "LONG",
        &[
            (0, "1", "2020-01-01", "2020-12-31"),
            (0, "2", "2021-01-01", "2021-12-31"),
            (1, "3", "2020-07-01", "2020-12-31"),
        ],
    );
    world.dataset(
        "E",
        "EVENT",
        "LONG",
        &[
            (0, "1", "2019-01-01", "2020-06-30"),
            (0, "2", "2020-07-01", ""),
            (1, "3", "2020-06-30", "2020-06-30"),
        ],
    );
    world.import("1.0.0").expect("imported");
    // Unit numbers are given in order of dataset name: A has people 0 and 1, F brings person 2.
    const MISSING: u32 = 3;
    assert_eq!(world.values("F", None, 3), [0, MISSING, 2]);
    assert_eq!(world.values("S", Some("2020-01-01"), 3), [0, MISSING, MISSING]);
    assert_eq!(world.values("S", Some("2021-01-01"), 3), [1, 2, MISSING]);
    assert_eq!(world.values("A", Some("2020-01-01"), 3), [0, MISSING, MISSING]);
    assert_eq!(world.values("A", Some("2020-12-31"), 3), [0, 2, MISSING]);
    assert_eq!(world.values("A", Some("2021-05-17"), 3), [1, MISSING, MISSING]);
    assert_eq!(world.values("E", Some("2019-01-01"), 3), [0, MISSING, MISSING]);
    assert_eq!(world.values("E", Some("2020-06-30"), 3), [0, 2, MISSING]);
    assert_eq!(world.values("E", Some("2020-07-01"), 3), [1, MISSING, MISSING]);
}

#[test]
fn a_date_that_the_variable_does_not_have_is_refused() {
    let mut world = World::new();
    world.dataset("F", "FIXED", "LONG", &[(0, "1", "", "")]);
    world.dataset("S", "STATUS", "LONG", &[(0, "1", "2020-01-01", "2020-01-01")]);
    world.dataset("A", "ACCUMULATED", "LONG", &[(0, "1", "2020-01-01", "2020-12-31")]);
    world.dataset("E", "EVENT", "LONG", &[(0, "1", "2020-01-01", "2020-12-31")]);
    world.import("1.0.0").expect("imported");
    for (variable, date) in [
        ("F", Some("2020-01-01")),
        ("S", None),
        ("S", Some("2020-01-02")),
        ("A", Some("2021-01-01")),
        ("E", None),
        ("E", Some("2019-12-31")),
        ("E", Some("2021-01-01")),
    ] {
        let of = fragment(vec![source(&world, variable, date, ValueType::Number)], vec![], vec![]);
        assert!(
            matches!(world.evaluate(&of, true, 1), Err(ExtractError::Date { .. })),
            "{variable} {date:?}"
        );
    }
}

#[test]
fn a_unit_counts_where_it_is_in_the_population_and_passes_and_has_a_category() {
    let mut world = World::new();
    world.dataset("A_POP", "FIXED", "LONG", &[(0, "1", "", ""), (1, "2", "", ""), (2, "1", "", "")]);
    world.dataset("TEXT", "FIXED", "STRING", &[(0, "x", "", ""), (2, "z", "", ""), (3, "y", "", "")]);
    world.import("1.0.0").expect("imported");
    let sources =
        vec![source(&world, "A_POP", None, ValueType::Number), source(&world, "TEXT", None, ValueType::Text)];
    let text = |text: &str| category(Some(Value::Text(text.into())));
    let dimensions = || {
        vec![
            dimension(Expression::Source(0), [numbers(&[1.0, 2.0]), vec![category(None)]].concat()),
            dimension(Expression::Source(1), vec![text("x"), text("y"), category(None)]),
        ]
    };
    let all = fragment(sources.clone(), vec![], dimensions());
    // Person 0: (1, x); 1: (2, missing); 2: (1, z), in no category; 3: outside the population, or (missing, y).
    assert_eq!(world.evaluate(&all, true, 4).expect("evaluated"), [0, 5, NO_CELL, NO_CELL]);
    assert_eq!(world.evaluate(&all, false, 4).expect("evaluated"), [0, 5, NO_CELL, 7]);

    let is_x = binary(
        BinaryOperator::NotEqual,
        Expression::Source(1),
        Expression::Constant(Value::Text("x".into())),
    );
    let filtered = fragment(sources.clone(), vec![is_x], dimensions());
    assert_eq!(world.evaluate(&filtered, true, 4).expect("evaluated"), [NO_CELL, 5, NO_CELL, NO_CELL]);

    // No dimensions: one cell.
    let counted = fragment(sources, vec![Expression::Source(0)], vec![]);
    assert_eq!(world.evaluate(&counted, true, 4).expect("evaluated"), [0, 0, 0, NO_CELL]);
}

#[test]
fn absent_units_are_units_without_any_value() {
    let mut world = World::new();
    world.dataset("X", "FIXED", "LONG", &[(0, "1", "", "")]);
    world.import("1.0.0").expect("imported");
    let extractor = Extractor::new(Arc::new(RegisterStore::open(world.state()).expect("opened")));
    let source = source(&world, "X", None, ValueType::Number);
    let absent = |filters, categories| {
        let dimensions = vec![dimension(Expression::Source(0), categories)];
        let absent = wait(extractor.absent_unit(&fragment(vec![source.clone()], filters, dimensions), None));
        Some(absent.expect("evaluated").category).filter(|category| *category != NO_CELL)
    };
    let with_missing = || [numbers(&[1.0]), vec![category(None)]].concat();
    assert_eq!(absent(vec![], numbers(&[1.0])), None);
    assert_eq!(absent(vec![], with_missing()), Some(1));
    assert_eq!(absent(vec![Expression::Source(0)], with_missing()), None);
    let not_one = binary(BinaryOperator::NotEqual, Expression::Source(0), number(1.0));
    assert_eq!(absent(vec![not_one], with_missing()), Some(1));
}

#[test]
fn what_no_checked_script_leads_to_is_refused() {
    let mut world = World::new();
    world.dataset("X", "FIXED", "LONG", &[(0, "1", "", "")]);
    world.dataset("MOR", "FIXED", "-> PERSON", &[(0, &crate::register::testing::person(1), "", "")]);
    world.import("1.0.0").expect("imported");
    let good = source(&world, "X", None, ValueType::Number);
    let with = |change: &dyn Fn(&mut Source)| {
        let mut source = good.clone();
        change(&mut source);
        world.evaluate(&fragment(vec![source], vec![], vec![]), true, 2).expect_err("refused")
    };
    let other = || VariableName::new("OTHER").expect("a name");
    assert!(matches!(with(&|s| s.variable = other()), ExtractError::NoSuchVariable { .. }));
    assert!(matches!(with(&|s| s.version.major = 9), ExtractError::NoSuchVariable { .. }));
    let elsewhere = DatastoreId::new("no.other").expect("a name");
    assert!(matches!(with(&|s| s.datastore = elsewhere.clone()), ExtractError::NoSuchVariable { .. }));
    assert!(matches!(with(&|s| s.data.0[0] ^= 1), ExtractError::OtherData { .. }));
    assert!(matches!(with(&|s| s.value_type = ValueType::Text), ExtractError::ValueType { .. }));
    let pointer = source(&world, "MOR", None, ValueType::Number);
    let of = fragment(vec![pointer], vec![], vec![]);
    assert!(matches!(world.evaluate(&of, true, 2), Err(ExtractError::ValueType { .. })));
    let nothing = fragment(vec![], vec![], vec![]);
    assert!(matches!(world.evaluate(&nothing, true, 2), Err(ExtractError::NoPopulation)));
    assert_eq!(world.evaluate(&nothing, false, 2).expect("evaluated"), [0, 0]);

    let bad_expressions = [
        Expression::Source(1),
        Expression::Constant(Value::Number(f64::NAN)),
        Expression::Constant(Value::Text("x".into())),
        Expression::Call(Function::Abs, vec![]),
        Expression::Call(Function::Abs, vec![Expression::Missing(ValueType::Text)]),
        binary(BinaryOperator::Add, Expression::Missing(ValueType::Text), number(1.0)),
        binary(BinaryOperator::Equal, Expression::Missing(ValueType::Text), number(1.0)),
        Expression::Case {
            arms: vec![(number(1.0), Expression::Missing(ValueType::Text))],
            otherwise: Box::new(number(1.0)),
        },
    ];
    for bad in bad_expressions {
        let of = fragment(vec![good.clone()], vec![bad.clone()], vec![]);
        assert!(matches!(world.evaluate(&of, true, 2), Err(ExtractError::Expression { .. })), "{bad:?}");
    }
    let wide = dimension(number(0.0), numbers(&[0.0; 3000]));
    let of = fragment(vec![good], vec![], vec![wide.clone(), wide.clone(), wide]);
    assert!(matches!(world.evaluate(&of, true, 2), Err(ExtractError::TooManyCategories)));
}

#[test]
fn expressions_may_be_deep_and_not_endless() {
    let deep = |depth: usize| {
        (0..depth).fold(number(0.0), |inner, _| binary(BinaryOperator::Add, inner, number(1.0)))
    };
    let category_of = |depth: usize| {
        let dimension = dimension(deep(depth), numbers(&[depth as f64]));
        wait(on_own_thread(move |_| {
            let program = Program::compile(&fragment(vec![], vec![], vec![dimension]), &[])?;
            let mut category = [NO_CELL];
            program.run(&[], &program.by_value(&[])?, 0, &mut category, &mut [f64::NAN], &mut [])?;
            Ok(category[0])
        }))
    };
    assert_eq!(category_of(expression::DEPTH_MAX - 1).expect("evaluated"), 0);
    assert!(matches!(category_of(expression::DEPTH_MAX + 1), Err(ExtractError::Expression { .. })));
}

#[test]
fn a_data_file_changed_after_opening_is_noticed_before_it_is_read() {
    let mut world = World::new();
    world.dataset("X", "FIXED", "LONG", &[(0, "1", "", "")]);
    world.import("1.0.0").expect("imported");
    let of = fragment(vec![source(&world, "X", None, ValueType::Number)], vec![], vec![]);
    let extractor = Extractor::new(Arc::new(RegisterStore::open(world.state()).expect("opened")));
    let path = world.state().join("registers/no.test.db/1.0.0/X.parquet");
    let good = fs::read(&path).expect("there");
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    for bad in [flipped, good[..good.len() / 2].to_vec()] {
        fs::write(&path, bad).expect("written");
        let error =
            wait(extractor.evaluate(&of, true, UnitType::Person, people(1), None)).err().expect("damaged");
        assert_eq!(error.to_string(), "no.test.db 1.0.0: the file X is damaged or missing");
        fs::write(&path, &good).expect("written");
        assert_eq!(
            wait(extractor.evaluate(&of, true, UnitType::Person, people(1), None))
                .expect("whole")
                .partition
                .into_cells(),
            [0]
        );
    }
}

#[test]
fn no_parquet_file_however_malformed_ends_more_than_the_question() {
    let mut world = World::new();
    let rows: Vec<_> = (0..40).map(|unit| (unit, ["a", "b", "c"][unit as usize % 3], "", "")).collect();
    world.dataset("X", "FIXED", "STRING", &rows);
    world.import("1.0.0").expect("imported");
    let registers = world.store.registers_folder();
    let path = registers.join("no.test.db/1.0.0/X.parquet");
    let good = fs::read(&path).expect("there");
    let read = |bytes: &[u8]| {
        fs::write(&path, bytes).expect("written");
        let registers = registers.clone();
        wait(on_own_thread(move |stop| {
            let read = Read {
                variable: VariableName::new("X").expect("a name"),
                kind: Kind::Text,
                file: "no.test.db/1.0.0/X.parquet".into(),
                moment: Moment::Always,
            };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let reader = Reader::open(&registers)?;
            runtime.expect("a runtime").block_on(reader.read(&read, 0, 40, 40, stop)).map(|_| ())
        }))
    };
    read(&good).expect("readable");
    for length in (0..good.len()).step_by(97) {
        assert!(read(&good[..length]).is_err(), "{length} bytes are a register");
    }
    // Past the manifest's hash anything may happen to a value, and nothing to the node.
    let mut wrong = 0;
    for at in (0..good.len()).step_by(11) {
        let mut changed = good.clone();
        changed[at] ^= 0x55;
        wrong += u32::from(read(&changed).is_err());
    }
    assert!(wrong > 0, "no change was noticed at all");
}

#[test]
fn a_range_of_units_is_read_like_all_of_them() {
    let mut world = World::new();
    let values: Vec<_> = (0..30).map(|unit| unit.to_string()).collect();
    let rows: Vec<_> = (0..30).map(|unit| (unit, values[unit as usize].as_str(), "", "")).collect();
    world.dataset("X", "FIXED", "DOUBLE", &rows);
    world.import("1.0.0").expect("imported");
    let read = |first, count, units| {
        let registers = world.store.registers_folder();
        wait(on_own_thread(move |stop| {
            let read = Read {
                variable: VariableName::new("X").expect("a name"),
                kind: Kind::Number,
                file: "no.test.db/1.0.0/X.parquet".into(),
                moment: Moment::Always,
            };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let reader = Reader::open(&registers)?;
            runtime.expect("a runtime").block_on(reader.read(&read, first, count, units, stop))
        }))
    };
    let numbers = |dense| match dense {
        Dense::Numbers(numbers) => numbers,
        Dense::Texts { .. } | Dense::Units(_) => panic!("numbers"),
    };
    assert_eq!(numbers(read(7, 5, 30).expect("read")), [7.0, 8.0, 9.0, 10.0, 11.0]);
    assert_eq!(numbers(read(28, 2, 30).expect("read")), [28.0, 29.0]);
    // A smaller identity map than the register's: some unit numbers mean nobody.
    assert!(matches!(read(0, 29, 29), Err(ExtractError::Damaged { .. })));
}

#[test]
fn a_question_that_nobody_waits_for_ends() {
    let mut world = World::new();
    world.dataset("X", "FIXED", "LONG", &[(0, "1", "", "")]);
    world.import("1.0.0").expect("imported");
    let of = fragment(vec![source(&world, "X", None, ValueType::Number)], vec![], vec![]);
    let work = Work::prepare(&world.store, of, UnitType::Person, None).expect("prepared");
    assert!(work.run(true, &SoMany(1), &AtomicBool::new(false)).is_ok());
    assert!(matches!(work.run(true, &SoMany(1), &AtomicBool::new(true)), Err(ExtractError::Failed)));
    let stopped = Arc::new(AtomicBool::new(false));
    let (started, begun) = std::sync::mpsc::channel();
    let (ended, end) = std::sync::mpsc::channel();
    let seen = stopped.clone();
    wait(async {
        let waiting = on_own_thread(move |stop| {
            started.send(()).expect("the test waits");
            while proceed(stop).is_ok() {
                thread::yield_now();
            }
            seen.store(true, Ordering::Relaxed);
            ended.send(()).expect("the test waits");
            Ok(())
        });
        let mut waiting = Box::pin(waiting);
        assert!(futures::poll!(&mut waiting).is_pending());
        begun.recv().expect("it runs");
        drop(waiting);
    });
    end.recv().expect("it ends");
    assert!(stopped.load(Ordering::Relaxed));
}

/// A value as the plain evaluator has it.
#[derive(Clone, Debug, PartialEq)]
enum Plain {
    Missing,
    Number(f64),
    Text(String),
}

/// Evaluates expressions over rows with the product's code.
fn evaluate(expression: &Expression, types: &[ValueType], rows: &[Vec<Plain>]) -> Vec<Plain> {
    let compiler = expression::Compiler::new(types).expect("types");
    let (compiled, value_type) = compiler.compile(expression).expect("well-typed");
    let columns: Vec<_> = types
        .iter()
        .enumerate()
        .map(|(at, value_type)| match value_type {
            ValueType::Number => Dense::Numbers(
                rows.iter().map(|row| if let Plain::Number(x) = row[at] { x } else { f64::NAN }).collect(),
            ),
            ValueType::Text => {
                let mut distinct = Vec::new();
                let indices = rows.iter().map(|row| {
                    let Plain::Text(text) = &row[at] else { return u32::MAX };
                    distinct.push(text.as_str().into());
                    distinct.len() as u32 - 1
                });
                Dense::Texts { indices: indices.collect(), distinct }
            }
        })
        .collect();
    let batch =
        columns::batch(&compiler.schema(), &columns, &compiled.sources, 0, rows.len()).expect("a batch");
    match value_type {
        ValueType::Number => {
            let values = compiled.numbers(&batch).expect("evaluated");
            values.iter().map(|value| value.map_or(Plain::Missing, Plain::Number)).collect()
        }
        ValueType::Text => {
            let values = compiled.texts(&batch).expect("evaluated");
            values.iter().map(|value| value.map_or(Plain::Missing, |text| Plain::Text(text.into()))).collect()
        }
    }
}

fn call(function: Function, arguments: &[Plain]) -> Plain {
    let types: Vec<_> = arguments
        .iter()
        .map(|argument| if matches!(argument, Plain::Text(_)) { ValueType::Text } else { ValueType::Number })
        .collect();
    let sources = (0..arguments.len()).map(Expression::Source).collect();
    evaluate(&Expression::Call(function, sources), &types, &[arguments.to_vec()]).remove(0)
}

#[test]
fn functions_have_the_languages_meaning() {
    use Function::*;
    let cases: &[(Function, &[f64], Option<f64>)] = &[
        (Abs, &[-2.5], Some(2.5)),
        (Ceil, &[-17.3], Some(-17.0)),
        (Floor, &[-8.6], Some(-9.0)),
        (Int, &[-8.6], Some(-8.0)),
        (Round, &[2.5], Some(3.0)),
        (Round, &[-2.5], Some(-3.0)),
        (Round, &[17.0, 5.0], Some(15.0)),
        (Round, &[17.5, 5.0], Some(20.0)),
        (Round, &[-17.5, 5.0], Some(-20.0)),
        (Round, &[17.5, -5.0], Some(20.0)),
        (Round, &[1.25, 0.5], Some(1.5)),
        (Round, &[1.0, 0.0], None),
        (Sqrt, &[9.0], Some(3.0)),
        (Sqrt, &[-1.0], None),
        (Ln, &[0.0], None),
        (Ln, &[1.0], Some(0.0)),
        (Log10, &[1000.0], Some(3.0)),
        (Exp, &[0.0], Some(1.0)),
        (Exp, &[1000.0], None),
        // Published with the language.
        (Date, &[2015.0, 12.0, 31.0], Some(16_800.0)),
        (Date, &[1967.0, 5.0, 27.0], Some(-950.0)),
        (Dow, &[0.0], Some(4.0)),
        (Date, &[2023.0, 2.0, 29.0], None),
        (Date, &[2023.5, 2.0, 1.0], None),
        (Date, &[2023.0, -2.0, 1.0], None),
        (Year, &[-950.0], Some(1967.0)),
        (Month, &[-950.0], Some(5.0)),
        (Day, &[-950.0], Some(27.0)),
        (Day, &[-949.5], Some(27.0)),
        (Quarter, &[16_800.0], Some(4.0)),
        (Halfyear, &[16_800.0], Some(2.0)),
        (Halfyear, &[-950.0], Some(1.0)),
        (Doy, &[16_800.0], Some(365.0)),
        (Doy, &[0.0], Some(1.0)),
        (Year, &[1e12], None),
        (Year, &[-1e300], None),
        // ISO 8601: 2005-01-01 is in week 53, 2008-12-30 in week 1, 2016-01-04 in week 1, 2020-12-31 in week 53.
        (Week, &[12_784.0], Some(53.0)),
        (Comb, &[49.0, 6.0], Some(13_983_816.0)),
        (Comb, &[6.0, 49.0], None),
        (Lnfactorial, &[0.0], Some(0.0)),
        (Lnfactorial, &[1.0], Some(0.0)),
        (Lnfactorial, &[2.5], None),
        (Logit, &[0.5], Some(0.0)),
        (Logit, &[1.0], None),
        (Asin, &[2.0], None),
        (RowMedian, &[4.0, f64::NAN, 1.0, 2.0], Some(2.0)),
        (RowMedian, &[4.0, 1.0], Some(2.5)),
        (RowMedian, &[f64::NAN], None),
        (RowStd, &[1.0, f64::NAN, 3.0, 5.0], Some(2.0)),
        (RowStd, &[1.0, f64::NAN], None),
        (Week, &[14_243.0], Some(1.0)),
        (Week, &[16_804.0], Some(1.0)),
        (Week, &[18_627.0], Some(53.0)),
        (RowMax, &[1.0, f64::NAN, 3.0], Some(3.0)),
        (RowMin, &[1.0, f64::NAN, 3.0], Some(1.0)),
        (RowMean, &[1.0, f64::NAN, 3.0], Some(2.0)),
        (RowTotal, &[1.0, f64::NAN, 3.0], Some(4.0)),
        (RowMissing, &[1.0, f64::NAN, 3.0], Some(1.0)),
        (RowValid, &[1.0, f64::NAN, 3.0], Some(2.0)),
        (RowMax, &[f64::NAN], None),
        (RowMean, &[f64::NAN], None),
        (RowTotal, &[f64::NAN], Some(0.0)),
        (Sysmiss, &[f64::NAN], Some(1.0)),
        (Sysmiss, &[0.0], Some(0.0)),
        (Abs, &[f64::NAN], None),
        (Year, &[f64::NAN], None),
    ];
    for (function, arguments, expected) in cases {
        let plain = |value: f64| if value.is_nan() { Plain::Missing } else { Plain::Number(value) };
        let arguments: Vec<_> = arguments.iter().copied().map(plain).collect();
        let expected = expected.map_or(Plain::Missing, Plain::Number);
        assert_eq!(call(*function, &arguments), expected, "{function:?} {arguments:?}");
    }
}

#[test]
fn text_functions_count_characters() {
    use Function::*;
    let text = |text: &str| Plain::Text(text.into());
    let cases: &[(Function, &[Plain], Plain)] = &[
        (Length, &[text("blåbær")], Plain::Number(6.0)),
        (Upper, &[text("blåbær")], text("BLÅBÆR")),
        (Lower, &[text("BLÅBÆR")], text("blåbær")),
        (Trim, &[text(" a b ")], text("a b")),
        (Ltrim, &[text(" a b ")], text("a b ")),
        (Rtrim, &[text(" a b ")], text(" a b")),
        (Substr, &[text("blåbær"), Plain::Number(3.0), Plain::Number(2.0)], text("åb")),
        (Substr, &[text("blåbær"), Plain::Number(-3.0), Plain::Number(2.0)], text("bæ")),
        (Substr, &[text("blåbær"), Plain::Number(4.0)], text("bær")),
        (Substr, &[text("blåbær"), Plain::Number(4.0), Plain::Number(1e300)], text("bær")),
        (Substr, &[text("blåbær"), Plain::Number(0.0), Plain::Number(2.0)], text("")),
        (Substr, &[text("blåbær"), Plain::Number(7.0), Plain::Number(2.0)], text("")),
        (Substr, &[text("blåbær"), Plain::Number(-7.0), Plain::Number(2.0)], text("")),
        (Substr, &[text("blåbær"), Plain::Number(1.0), Plain::Number(-1.0)], text("")),
        (Substr, &[text("blåbær"), Plain::Missing, Plain::Number(2.0)], Plain::Missing),
        (StartsWith, &[text("blåbær"), text("blå")], Plain::Number(1.0)),
        (EndsWith, &[text("blåbær"), text("blå")], Plain::Number(0.0)),
        (String, &[Plain::Number(301.0)], text("301")),
        (String, &[Plain::Number(-0.5)], text("-0.5")),
        (String, &[text("x")], text("x")),
        (String, &[Plain::Missing], Plain::Missing),
        (RowValid, &[text("x"), Plain::Missing], Plain::Number(1.0)),
        (RowConcat, &[text("blå"), Plain::Number(2.5), text("")], text("blå2.5")),
        (RowConcat, &[text("blå"), Plain::Missing], Plain::Missing),
        (Isoformatdate, &[Plain::Number(-949.5)], text("1967-05-27")),
        (Isoformatdate, &[Plain::Number(1e12)], Plain::Missing),
    ];
    for (function, arguments, expected) in cases {
        assert_eq!(call(*function, arguments), *expected, "{function:?} {arguments:?}");
    }
}

/// The meaning of `model::expression`, written down a second time without columns or an engine.
fn plainly(expression: &Expression, row: &[Plain]) -> Plain {
    use BinaryOperator::*;
    use Plain::{Missing, Number, Text};
    let finite = |number: f64| if number.is_finite() { Number(number + 0.0) } else { Missing };
    let truth = |holds: bool| Number(f64::from(u8::from(holds)));
    let is_true = |value: Plain| matches!(value, Number(number) if number != 0.0);
    match expression {
        Expression::Source(source) => row[*source].clone(),
        Expression::Constant(Value::Number(number)) => Number(*number + 0.0),
        Expression::Constant(Value::Text(text)) => Text(text.clone()),
        Expression::Missing(_) => Missing,
        Expression::Negate(inner) => match plainly(inner, row) {
            Number(number) => finite(-number),
            _ => Missing,
        },
        Expression::Not(inner) => truth(!is_true(plainly(inner, row))),
        Expression::Binary(operator, left, right) => {
            let (left, right) = (plainly(left, row), plainly(right, row));
            let order = match (&left, &right) {
                (Number(left), Number(right)) => left.partial_cmp(right),
                (Text(left), Text(right)) => Some(left.as_bytes().cmp(right.as_bytes())),
                _ => None,
            };
            match (operator, left, right) {
                (Add, Number(left), Number(right)) => finite(left + right),
                (Subtract, Number(left), Number(right)) => finite(left - right),
                (Multiply, Number(left), Number(right)) => finite(left * right),
                (Divide, Number(left), Number(right)) => finite(left / right),
                (Add | Subtract | Multiply | Divide, ..) => Missing,
                (And, left, right) => truth(is_true(left) && is_true(right)),
                (Or, left, right) => truth(is_true(left) || is_true(right)),
                (Equal, ..) => truth(order.is_some_and(std::cmp::Ordering::is_eq)),
                (NotEqual, ..) => truth(!order.is_some_and(std::cmp::Ordering::is_eq)),
                (Less, ..) => truth(order.is_some_and(std::cmp::Ordering::is_lt)),
                (LessOrEqual, ..) => truth(order.is_some_and(std::cmp::Ordering::is_le)),
                (Greater, ..) => truth(order.is_some_and(std::cmp::Ordering::is_gt)),
                (GreaterOrEqual, ..) => truth(order.is_some_and(std::cmp::Ordering::is_ge)),
            }
        }
        Expression::Call(function, arguments) => {
            let arguments: Vec<_> = arguments.iter().map(|argument| plainly(argument, row)).collect();
            match (function, arguments.as_slice()) {
                (Function::Sysmiss, [value]) => truth(*value == Missing),
                (Function::RowTotal, values) => finite(
                    values.iter().map(|value| if let Number(number) = value { *number } else { 0.0 }).sum(),
                ),
                (_, values) if values.contains(&Missing) => Missing,
                (Function::Floor, [Number(number)]) => finite(number.floor()),
                (Function::Sqrt, [Number(number)]) => finite(number.sqrt()),
                (Function::Length, [Text(text)]) => Number(text.chars().count() as f64),
                (Function::Upper, [Text(text)]) => Text(text.to_uppercase()),
                (Function::Substr, [Text(text), Number(from), Number(length)]) => {
                    let letters: Vec<char> = text.chars().collect();
                    let start =
                        if *from > 0.0 { *from as i64 - 1 } else { letters.len() as i64 + *from as i64 };
                    let inside = *from as i64 != 0 && start >= 0;
                    let taken = (0..letters.len() as i64)
                        .filter(|at| inside && *at >= start && ((*at - start) as f64) < length.trunc());
                    Text(taken.map(|at| letters[at as usize]).collect())
                }
                (Function::String, [Number(number)]) => Text(number.to_string()),
                other => panic!("the generator does not make {other:?}"),
            }
        }
        Expression::Case { arms, otherwise } => {
            let arm = arms.iter().find(|(when, _)| is_true(plainly(when, row)));
            plainly(arm.map_or(otherwise, |(_, then)| then), row)
        }
    }
}

const TYPES: [ValueType; 4] = [ValueType::Number, ValueType::Number, ValueType::Text, ValueType::Text];

fn some_number() -> impl Strategy<Value = f64> {
    prop_oneof![
        prop::sample::select(vec![0.0, -0.0, 1.0, -1.0, 2.0, 3.5, 1e-300, 1e300, -1e300, f64::MAX]),
        -5.0..5.0f64,
    ]
}

fn some_text() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["", "a", "b", "ab", "å", "blåbær", " x "]).prop_map(str::to_owned)
}

fn some_row() -> impl Strategy<Value = Vec<Plain>> {
    // Sources are read without a minus zero.
    let number = || {
        prop_oneof![
            1 => Just(Plain::Missing),
            4 => some_number().prop_map(|number| Plain::Number(number + 0.0)),
        ]
    };
    let text = || prop_oneof![1 => Just(Plain::Missing), 4 => some_text().prop_map(Plain::Text)];
    (number(), number(), text(), text()).prop_map(|(a, b, c, d)| vec![a, b, c, d])
}

fn some_expression(depth: u32, value_type: ValueType) -> BoxedStrategy<Expression> {
    use BinaryOperator::*;
    use ValueType::{Number, Text};
    let leaf = match value_type {
        Number => prop_oneof![
            (0..2usize).prop_map(Expression::Source),
            some_number().prop_map(|number| Expression::Constant(Value::Number(number))),
            Just(Expression::Missing(Number)),
        ]
        .boxed(),
        Text => prop_oneof![
            (2..4usize).prop_map(Expression::Source),
            some_text().prop_map(|text| Expression::Constant(Value::Text(text))),
            Just(Expression::Missing(Text)),
        ]
        .boxed(),
    };
    if depth == 0 {
        return leaf;
    }
    let of = move |value_type| some_expression(depth - 1, value_type);
    let boxed = |value_type| of(value_type).prop_map(Box::new);
    let called = |function, arguments: Vec<BoxedStrategy<Expression>>| {
        arguments.prop_map(move |arguments| Expression::Call(function, arguments))
    };
    let case = (prop::collection::vec((of(Number), of(value_type)), 0..3), boxed(value_type))
        .prop_map(|(arms, otherwise)| Expression::Case { arms, otherwise });
    match value_type {
        Number => {
            let joins = vec![
                Add,
                Subtract,
                Multiply,
                Divide,
                And,
                Or,
                Equal,
                NotEqual,
                Less,
                LessOrEqual,
                Greater,
                GreaterOrEqual,
            ];
            let compares = vec![Equal, NotEqual, Less, LessOrEqual, Greater, GreaterOrEqual];
            prop_oneof![
                2 => leaf,
                4 => (prop::sample::select(joins), boxed(Number), boxed(Number))
                    .prop_map(|(operator, left, right)| Expression::Binary(operator, left, right)),
                2 => (prop::sample::select(compares), boxed(Text), boxed(Text))
                    .prop_map(|(operator, left, right)| Expression::Binary(operator, left, right)),
                1 => boxed(Number).prop_map(Expression::Negate),
                1 => boxed(Number).prop_map(Expression::Not),
                2 => case,
                1 => called(Function::Sysmiss, vec![of(Number)]),
                1 => called(Function::Sysmiss, vec![of(Text)]),
                1 => called(Function::RowTotal, vec![of(Number), of(Number)]),
                1 => called(Function::Floor, vec![of(Number)]),
                1 => called(Function::Sqrt, vec![of(Number)]),
                1 => called(Function::Length, vec![of(Text)]),
            ]
            .boxed()
        }
        Text => prop_oneof![
            2 => leaf,
            2 => case,
            1 => called(Function::Upper, vec![of(Text)]),
            1 => called(Function::Substr, vec![of(Text), of(Number), of(Number)]),
            1 => called(Function::String, vec![of(Number)]),
        ]
        .boxed(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn expressions_mean_what_the_model_says(
        expression in prop_oneof![
            3 => some_expression(4, ValueType::Number),
            1 => some_expression(4, ValueType::Text),
        ],
        rows in prop::collection::vec(some_row(), 1..6),
    ) {
        let expected: Vec<_> = rows.iter().map(|row| plainly(&expression, row)).collect();
        let found = evaluate(&expression, &TYPES, &rows);
        prop_assert_eq!(&found, &expected);
        for value in found {
            prop_assert!(!matches!(value, Plain::Number(number) if number.to_bits() == (-0.0f64).to_bits()));
        }
    }
}
