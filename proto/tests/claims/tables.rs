//! Protected tables on their way to a client that does not believe the broker.

use arrow_flight::FlightData;
use futures::executor::block_on;
use futures::stream;
use kobling_model::expression::Value;
use kobling_model::plan::{Category, Show};
use kobling_model::table::{Axis, Cell, Layout, Statistics, Summary, Table};
use kobling_proto::flight::{FlightError, TABLE_METADATA, percent_shown, table_batches, table_from_flight};
use proptest::prelude::*;

fn category(value: Option<Value>, label: &str) -> Category {
    Category { value, label: label.into() }
}

fn sex() -> Axis {
    let category = |code: &str, label| category(Some(Value::Text(code.into())), label);
    Axis { name: "kjønn".into(), categories: vec![category("1", "Mann"), category("2", "Kvinne")] }
}

fn stage() -> Axis {
    let number = |number, label| category(Some(Value::Number(number)), label);
    Axis {
        name: "stadium".into(),
        categories: vec![
            number(0.1 + 0.2, "tidlig"),
            number(-1e300, "sen | \"sitert\"\n"),
            category(None, "ukjent"),
        ],
    }
}

const ALL: [Show; 4] = [Show::Frequency, Show::RowPercent, Show::ColumnPercent, Show::CellPercent];

fn table(axes: Vec<Axis>, shows: &[Show]) -> Table {
    let sizes: Vec<usize> = axes.iter().map(|axis| axis.categories.len()).collect();
    let cell = |at: usize| if at % 5 == 3 { Cell::Suppressed } else { Cell::Count(at as u64 * 37) };
    let cells = (0..Layout::of(&sizes).cells()).map(cell).collect();
    let text = "tabulate kjønn stadium".into();
    Table { line: 7, text, axes, shows: shows.to_vec(), cells, summary: None }
}

const STATISTICS: [Show; 4] = [Show::Mean, Show::Frequency, Show::StandardDeviation, Show::Sum];

/// A table that says something of a number, hidden in every third cell and where the count is suppressed.
fn summarized(axes: Vec<Axis>, shows: &[Show]) -> Table {
    let mut table = table(axes, shows);
    let shown = |show, number| shows.contains(&show).then_some(number);
    let cells = table.cells.iter().enumerate().map(|(at, cell)| {
        let number = at as f64 - 2.5;
        let statistics = Statistics {
            mean: shown(Show::Mean, number * 1e6),
            standard_deviation: shown(Show::StandardDeviation, number.abs()),
            sum: shown(Show::Sum, -number / 3.0),
        };
        (*cell != Cell::Suppressed && at % 3 != 1).then_some(statistics)
    });
    table.summary = Some(Summary { variable: "lønn".into(), cells: cells.collect() });
    table
}

fn read(messages: Vec<FlightData>) -> Result<Table, FlightError> {
    block_on(table_from_flight(stream::iter(messages.into_iter().map(Ok))))
}

#[test]
fn tables_of_one_two_and_three_variables_survive_the_way() {
    for axes in [vec![sex()], vec![sex(), stage()], vec![stage(), sex(), stage()]] {
        for shows in [&ALL[..1], &ALL[..], &ALL[2..]] {
            let table = table(axes.clone(), shows);
            assert_eq!(read(table_batches(&table)).expect("the table"), table);
        }
    }
}

#[test]
fn statistics_survive_the_way_and_a_table_without_variables_is_one_row() {
    for axes in [vec![], vec![sex()], vec![stage(), sex()]] {
        for shows in [&STATISTICS[..], &STATISTICS[..1], &STATISTICS[2..]] {
            let table = summarized(axes.clone(), shows);
            assert_eq!(read(table_batches(&table)).expect("the table"), table);
        }
    }
    let messages = table_batches(&summarized(vec![], &STATISTICS));
    let batches = arrow_flight::utils::flight_data_to_batches(&messages).expect("Arrow reads it");
    let names: Vec<_> = batches[0].schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["count", "suppressed", "mean", "standard_deviation", "sum"]);
    assert_eq!(batches[0].num_rows(), 1);
    // The one cell is its own total in every direction.
    let whole = table(vec![], &ALL);
    assert_eq!(read(table_batches(&whole)).expect("the table"), whole);
}

#[test]
fn statistics_that_cannot_be_are_refused() {
    let changed = |change: fn(&mut Statistics), at: usize| {
        let mut table = summarized(vec![sex()], &STATISTICS);
        table.cells = [20, 30, 50].map(Cell::Count).to_vec();
        let mut statistics = Statistics { mean: Some(1.0), standard_deviation: Some(2.0), sum: Some(20.0) };
        let summary = table.summary.as_mut().expect("there");
        summary.cells = vec![Some(statistics); 3];
        change(&mut statistics);
        summary.cells[at] = Some(statistics);
        read(table_batches(&table))
    };
    assert!(changed(|_| {}, 0).is_ok());
    let cases: [fn(&mut Statistics); 4] = [
        |statistics| statistics.mean = Some(f64::NAN),
        |statistics| statistics.sum = Some(f64::INFINITY),
        |statistics| statistics.standard_deviation = Some(-1.0),
        |statistics| statistics.standard_deviation = Some(f64::NEG_INFINITY),
    ];
    for (at, case) in cases.into_iter().enumerate() {
        let refused = changed(case, at % 3);
        assert!(matches!(refused, Err(FlightError::Table { what: "a statistic" })), "case {at}");
    }
    let mut table = summarized(vec![sex()], &STATISTICS);
    table.cells[0] = Cell::Suppressed;
    assert!(table.summary.as_ref().is_some_and(|summary| summary.cells[0].is_some()));
    assert!(matches!(read(table_batches(&table)), Err(FlightError::Table { what: "a statistic" })));
}

#[test]
fn a_table_larger_than_a_message_survives_the_way() {
    let label = "x".repeat(500);
    let categories = (0..1500).map(|code| category(Some(Value::Number(f64::from(code))), &label)).collect();
    let table = table(vec![Axis { name: "kommune".into(), categories }, sex()], &ALL);
    let messages = table_batches(&table);
    assert!(messages.len() > 2);
    assert!(messages[1..].iter().all(|message| message.data_body.len() < 2 << 20));
    assert_eq!(read(messages).expect("the table"), table);
}

#[test]
fn other_programs_read_labels_codes_and_counts_with_arrow_alone() {
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::{Float64Type, UInt64Type};
    let table = table(vec![sex(), stage()], &ALL);
    let batches =
        arrow_flight::utils::flight_data_to_batches(&table_batches(&table)).expect("Arrow reads it");
    let batch = &batches[0];
    let names: Vec<_> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(
        names,
        [
            "kjønn.label",
            "kjønn.code",
            "stadium.label",
            "stadium.code",
            "count",
            "suppressed",
            "row_percent",
            "column_percent",
            "cell_percent"
        ]
    );
    assert_eq!(batch.num_rows(), 12);
    let text = |column: usize, row| batch.column(column).as_string::<i32>().value(row).to_owned();
    assert_eq!((text(0, 4), text(1, 4), text(2, 4)), ("Kvinne".into(), "2".into(), "tidlig".into()));
    assert_eq!(text(3, 4), "0.30000000000000004");
    // The category of missing values has a label and no code; a total has neither.
    assert_eq!((text(2, 2).as_str(), batch.column(3).is_null(2)), ("ukjent", true));
    assert!(batch.column(0).is_null(8) && batch.column(2).is_null(11));
    assert_eq!(batch.column(4).as_primitive::<UInt64Type>().value(4), 4 * 37);
    assert!(batch.column(4).is_null(3) && batch.column(5).as_boolean().value(3));
    let share = batch.column(8).as_primitive::<Float64Type>().value(1);
    assert_eq!(Some(share), percent_shown(Show::CellPercent, &Layout::of(&[2, 3]), &table.cells, 1));
}

#[test]
fn percentages_are_of_the_row_the_column_and_the_whole() {
    let counts = [10, 30, 40, 20, 40, 60, 30, 70, 100].map(Cell::Count);
    let layout = Layout::of(&[2, 2]);
    let shown = |show, at| percent_shown(show, &layout, &counts, at);
    assert_eq!(shown(Show::Frequency, 0), None);
    assert_eq!(shown(Show::RowPercent, 0), Some(25.0));
    assert_eq!(shown(Show::ColumnPercent, 0), Some(33.3));
    assert_eq!(shown(Show::CellPercent, 0), Some(10.0));
    assert_eq!(shown(Show::RowPercent, 2), Some(100.0));
    assert_eq!(shown(Show::ColumnPercent, 7), Some(100.0));
    let one = [1, 3, 4].map(Cell::Count);
    let layout = Layout::of(&[2]);
    assert_eq!(percent_shown(Show::RowPercent, &layout, &one, 0), Some(100.0));
    assert_eq!(percent_shown(Show::ColumnPercent, &layout, &one, 0), Some(25.0));
}

#[test]
fn a_table_whose_columns_contradict_its_description_is_refused() {
    let honest = table_batches(&table(vec![sex(), stage()], &ALL));
    let mut other_axis = sex();
    other_axis.categories.reverse();
    let reversed = table_batches(&table(vec![other_axis, stage()], &ALL));
    let refused = read(vec![honest[0].clone(), reversed[1].clone()]);
    assert!(matches!(refused, Err(FlightError::Table { what: "a cell's categories" })));

    let fewer = table_batches(&table(vec![sex(), stage()], &ALL[..2]));
    let refused = read(vec![honest[0].clone(), fewer[1].clone()]);
    assert!(matches!(refused, Err(FlightError::Batch { .. })));

    assert!(matches!(read(vec![honest[0].clone()]), Err(FlightError::Ended { .. })));
    let twice = vec![honest[0].clone(), honest[1].clone(), honest[1].clone()];
    assert!(matches!(read(twice), Err(FlightError::TooManyRows)));
}

#[test]
fn a_percentage_that_is_not_that_of_its_counts_is_refused() {
    let mut table = table(vec![sex()], &ALL);
    table.cells = [1, 2, 3].map(Cell::Count).to_vec();
    let mut messages = table_batches(&table);
    let mut body = messages[1].data_body.to_vec();
    let honest = 33.3_f64.to_le_bytes();
    let at = body.windows(8).position(|bytes| bytes == honest).expect("a third is shown");
    body[at..at + 8].copy_from_slice(&33.4_f64.to_le_bytes());
    messages[1].data_body = body.into();
    assert!(matches!(read(messages), Err(FlightError::Table { what: "a percentage" })));
}

#[test]
fn a_description_that_cannot_be_computed_with_is_refused() {
    use arrow::datatypes::Schema;
    use arrow_flight::SchemaAsIpc;
    use arrow_ipc::writer::IpcWriteOptions;
    let described = |json: &str| -> FlightData {
        let metadata = [(TABLE_METADATA.to_owned(), json.to_owned())].into();
        let schema = Schema::new_with_metadata(Vec::<arrow::datatypes::Field>::new(), metadata);
        SchemaAsIpc::new(&schema, &IpcWriteOptions::default()).into()
    };
    let category = r#"{"label":"a","value":null}"#;
    let axis = |size: usize| format!(r#"{{"name":"a","categories":[{}]}}"#, vec![category; size].join(","));
    let table =
        |axes: Vec<String>| format!(r#"{{"line":1,"text":"","axes":[{}],"shows":[]}}"#, axes.join(","));
    let number = |number: &str| {
        let value = format!(r#"{{"label":"a","value":{{"number":"{number}"}}}}"#);
        table(vec![format!(r#"{{"name":"a","categories":[{value}]}}"#)])
    };
    for json in [
        String::new(),
        "{}".into(),
        "[".repeat(10_000),
        table(vec![axis(1)]).replace("[]", r#"["mean"]"#),
        table(vec![axis(1)]).replace(r#""shows":[]"#, r#""shows":[],"value":"x""#),
        table(vec![axis(1)]).replace(r#""shows":[]"#, r#""shows":["median"],"value":"x""#),
        table(vec![axis(1); 40]),
        table(vec![axis(1000); 8]),
        table(vec![axis(3000), axis(3000)]),
        number("NaN"),
        number("1e999"),
        number("01"),
        number("x"),
        table(vec![axis(1)]).replace("line", "linje"),
    ] {
        assert!(matches!(read(vec![described(&json)]), Err(FlightError::Table { .. })), "{json:.60}");
    }
    for axes in [vec![], vec![axis(1)]] {
        let fitting = read(vec![described(&table(axes))]);
        assert!(matches!(fitting, Err(FlightError::Schema { .. })), "the description fits, the columns lack");
    }
    assert!(matches!(read(vec![]), Err(FlightError::Ended { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn flipped_bits_never_panic_and_change_counts_alone(
        in_header in any::<bool>(),
        message in 0_usize..2,
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..8), 1..4),
    ) {
        let honest = table(vec![sex(), stage()], &[Show::Frequency]);
        let mut messages = table_batches(&honest);
        let message = &mut messages[message];
        let part = if in_header { &mut message.data_header } else { &mut message.data_body };
        let mut bytes = part.to_vec();
        for (at, bit) in &flips {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
        }
        *part = bytes.into();
        // A flip in the description may give another table, but one that agrees with itself.
        if let Ok(read) = read(messages) {
            prop_assert_eq!(read.cells.len(), honest.cells.len());
            if !in_header {
                prop_assert_eq!(read.axes, honest.axes);
            }
        }
    }

    #[test]
    fn counts_of_any_size_survive_the_way(counts in prop::collection::vec(prop::option::of(any::<u64>()), 12)) {
        let mut table = table(vec![sex(), stage()], &ALL);
        table.cells = counts.into_iter().map(|count| count.map_or(Cell::Suppressed, Cell::Count)).collect();
        prop_assert_eq!(read(table_batches(&table)).expect("the table"), table);
    }
}
