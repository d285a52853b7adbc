//! What is looked up by value comes to the same as what is evaluated for every unit.

use kobling_model::OwnerId;
use kobling_model::expression::{BinaryOperator, Expression, Function};
use kobling_model::plan::{Category, Dimension};
use proptest::prelude::*;

use super::*;

/// Numbers, numbers, texts.
const TYPES: [ValueType; 3] = [ValueType::Number, ValueType::Number, ValueType::Text];

/// A number that lies close to the others, any number, and a text.
type Row = (f64, f64, u32);

fn some_rows() -> impl Strategy<Value = Vec<Row>> {
    let close = prop_oneof![1 => Just(f64::NAN), 6 => (-3..4_i32).prop_map(f64::from)];
    let any = prop_oneof![
        1 => Just(f64::NAN),
        3 => (-3..4_i32).prop_map(f64::from),
        1 => prop::sample::select(vec![0.5, -2.5, 1e300, -4e9, 2_147_483_648.0, 2_147_483_647.0]),
    ];
    let text = prop::sample::select(vec![0_u32, 1, 2, u32::MAX]);
    prop::collection::vec((close, any, text), 0..40)
}

fn columns(rows: &[Row]) -> Vec<Dense> {
    let distinct = ["a", "", "blåbær"].map(Box::from).to_vec();
    vec![
        Dense::Numbers(rows.iter().map(|(close, ..)| *close).collect()),
        Dense::Numbers(rows.iter().map(|(_, any, _)| *any).collect()),
        Dense::Texts { indices: rows.iter().map(|(.., text)| *text).collect(), distinct },
    ]
}

/// A number of one source or of two.
fn some_number() -> impl Strategy<Value = Expression> {
    use BinaryOperator::{Add, Divide, Equal, Greater, LessOrEqual, NotEqual, Or};
    let number = |value: f64| Expression::Constant(Value::Number(value));
    let operator = || prop::sample::select(vec![Add, Divide, Equal, Greater, LessOrEqual, NotEqual, Or]);
    let of = |source: usize| match TYPES[source] {
        ValueType::Number => Expression::Source(source),
        ValueType::Text => Expression::Call(Function::Length, vec![Expression::Source(source)]),
    };
    let alone = (0..3_usize, operator(), -3..4_i32).prop_map(move |(source, operator, with)| {
        Expression::Binary(operator, Box::new(of(source)), Box::new(number(f64::from(with))))
    });
    let both = (0..3_usize, operator(), 0..3_usize).prop_map(move |(left, operator, right)| {
        Expression::Binary(operator, Box::new(of(left)), Box::new(of(right)))
    });
    let sysmiss =
        (0..3_usize).prop_map(|source| Expression::Call(Function::Sysmiss, vec![Expression::Source(source)]));
    prop_oneof![4 => alone, 1 => both, 1 => sysmiss]
}

fn some_dimension() -> impl Strategy<Value = Dimension> {
    (some_number(), any::<bool>()).prop_map(|(expression, missing)| {
        let numbers = (-2..4).map(|value| Some(Value::Number(f64::from(value))));
        let values = numbers.chain(missing.then_some(None));
        let categories = values.map(|value| Category { value, label: String::new() }).collect();
        Dimension { name: "d".into(), expression, categories }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn categories_by_few_values_are_those_by_unit(
        rows in some_rows(),
        filters in prop::collection::vec(some_number(), 0..3),
        dimensions in prop::collection::vec(some_dimension(), 0..3),
    ) {
        let of = Fragment {
            owner: OwnerId::new("test").expect("a name"),
            preparations: Vec::new(),
            sources: Vec::new(),
            filters,
            filters_of_question: 0,
            dimensions,
            value: None,
            numbers: Vec::new(),
        };
        let (units, columns) = (rows.len(), columns(&rows));
        let program = Program::compile(&of, &TYPES).expect("compiled");
        let by_unit = ByFewValues {
            few: columns.iter().map(|_| None).collect(),
            filters: of.filters.iter().map(|_| None).collect(),
            dimensions: of.dimensions.iter().map(|_| None).collect(),
            sources: (0..columns.len()).collect(),
        };
        // Two batches, so that the second does not begin at the column's first unit.
        let categories = |by_value: &ByFewValues| {
            let mut all = vec![7; units];
            let (first, second) = all.split_at_mut(units / 3);
            for (from, categories) in [(0, first), (units / 3, second)] {
                let mut values = vec![f64::NAN; categories.len()];
                program.run(&columns, by_value, from, categories, &mut values, &mut []).expect("evaluated");
            }
            all
        };
        let by_value = program.by_value(&columns).expect("evaluated");
        prop_assert_eq!(categories(&by_value), categories(&by_unit));
    }
}

#[test]
fn numbers_are_few_where_they_are_whole_and_lie_close() {
    let rows = |numbers: &[f64]| Dense::Numbers(numbers.to_vec()).few().map(|few| few.len());
    // Those from the lowest to the highest, and a missing one.
    assert_eq!(rows(&[3.0, f64::NAN, 5.0, 3.0]), Some(4));
    assert_eq!(rows(&[7.0]), Some(2));
    assert_eq!(rows(&[0.0, 4.0, 0.0, 0.0]), None);
    assert_eq!(rows(&[0.0, 0.5, 0.0, 0.0]), None);
    assert_eq!(rows(&[2_147_483_648.0, 2_147_483_648.0]), None);
    assert_eq!(rows(&[f64::INFINITY]), None);
    assert_eq!(rows(&[f64::NAN]), None);
    assert_eq!(rows(&[]), None);
}
