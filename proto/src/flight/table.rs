//! A protected table as Arrow: for Kobling's own client, and for programs that know nothing of Kobling.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::{DataType, Field as ArrowField, Schema};
use arrow_flight::FlightData;
use futures::Stream;
use kobling_model::expression::Value;
use kobling_model::plan::{Category, Show};
use kobling_model::table::{Axis, Cell, Layout, Statistics, Summary, Table, percent};
use serde::{Deserialize, Serialize};
use tonic::Status;

use super::FlightError;
use super::column::{batch_message, schema_message};
use super::strict::{self, Field, Kind};
use crate::limits::{FLIGHT_BATCH_BYTES, MAX_FLIGHT_MESSAGE, MAX_TABLE_CELLS};

/// Key of the schema metadata that describes the table: JSON with `line`, `text`, `axes`, `shows` and `value`.
pub const TABLE_METADATA: &str = "kobling.table";

const COUNT: &str = "count";
const SUPPRESSED: &str = "suppressed";

/// Most variables of a table, and most numbers shown for a cell, of which there are seven; bounds the schema.
const MAX_AXES: usize = 32;
const MAX_SHOWS: usize = 8;

/// A table as Flight messages: one row for each cell, margins included, in the order of [`Layout`].
///
/// | column | type | null where |
/// | --- | --- | --- |
/// | `<variable>.label`, for each | Utf8 | the row is a total over this variable (as in SQL's ROLLUP) |
/// | `<variable>.code`, for each | Utf8 | the same, or the category is that of missing values |
/// | `count` | UInt64 | suppressed |
/// | `suppressed` | Boolean | never |
/// | `row_percent`, `column_percent`, `cell_percent`, as the script asks | Float64 | see [`percent`] |
/// | `mean`, `standard_deviation`, `sum`, as the script asks | Float64 | hidden, or not computable |
///
/// The metadata [`TABLE_METADATA`] says what else the table is. Everything a reader of the columns needs
/// stands in them; names of variables have no dot, so no two columns have the same name.
pub fn table_batches(table: &Table) -> Vec<FlightData> {
    let described = Described::of(table);
    let fields: Vec<_> = described
        .fields()
        .into_iter()
        .map(|field| ArrowField::new(field.name, field.kind.data_type(), field.nullable))
        .collect();
    let json = serde_json::to_string(&described).expect("texts and numbers have a JSON form");
    let metadata = HashMap::from([(TABLE_METADATA.to_owned(), json)]);
    let schema = Arc::new(Schema::new_with_metadata(fields, metadata));
    let layout = Layout::of(&described.sizes());
    let rows = described.rows_in_a_batch();
    let mut messages = vec![schema_message(&schema)];
    for start in (0..table.cells.len()).step_by(rows) {
        let range = start..table.cells.len().min(start + rows);
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
        for axis in 0..described.axes.len() {
            let categories = || range.clone().map(|at| described.category(&layout, axis, at));
            let labels = categories().map(|category| category.map(|category| category.label.as_str()));
            columns.push(Arc::new(labels.collect::<StringArray>()));
            let codes = categories().map(|category| category.and_then(DescribedCategory::code));
            columns.push(Arc::new(codes.collect::<StringArray>()));
        }
        let counts = table.cells[range.clone()].iter().map(|cell| count(*cell));
        columns.push(Arc::new(counts.collect::<UInt64Array>()));
        let suppressed: Vec<bool> =
            table.cells[range.clone()].iter().map(|cell| *cell == Cell::Suppressed).collect();
        columns.push(Arc::new(BooleanArray::from(suppressed)));
        for show in described.numbers() {
            let numbers = range.clone().map(|at| match &table.summary {
                Some(summary) if show.is_of_value() => summary.shown(*show, at),
                _ => percent_shown(*show, &layout, &table.cells, at),
            });
            columns.push(Arc::new(numbers.collect::<Float64Array>()));
        }
        let batch = RecordBatch::try_new(schema.clone(), columns);
        messages.push(batch_message(&batch.expect("the columns follow the schema")));
    }
    messages
}

/// Reads a table that [`table_batches`] wrote, from a broker that is not believed.
///
/// The shape comes from the metadata; every column must say the same: labels and codes in the order of the layout,
/// a count wherever nothing is suppressed, percentages as [`percent`] computes them, finite statistics, and none where the
/// count is suppressed.
///
/// # Errors
/// [`FlightError`] names what does not fit.
pub async fn table_from_flight<S>(stream: S) -> Result<Table, FlightError>
where
    S: Stream<Item = Result<FlightData, Status>>,
{
    let mut stream = pin!(stream);
    let first = strict::next(&mut stream).await?.ok_or(FlightError::Ended { expected: "its schema" })?;
    let schema = strict::schema(&first, MAX_FLIGHT_MESSAGE)?;
    let metadata = strict::metadata(&schema, 4)?;
    let json = metadata.iter().find(|(key, _)| *key == TABLE_METADATA);
    let (_, json) = json.ok_or(FlightError::Table { what: "it is not described" })?;
    let described: Described =
        serde_json::from_str(json).map_err(|_| FlightError::Table { what: "its description" })?;
    let axes = described.checked_axes()?;
    let layout = Layout::of(&described.sizes());
    let fields = described.fields();
    strict::check_fields(&schema, &fields)?;

    let mut cells = Vec::new();
    let mut numbers: Vec<Vec<Option<f64>>> = vec![Vec::new(); described.numbers().count()];
    while let Some(message) = strict::next(&mut stream).await? {
        let batch = strict::batch(&message, &fields)?;
        if batch.rows > layout.cells() - cells.len() {
            return Err(FlightError::TooManyRows);
        }
        let (texts, others) = batch.columns.split_at(2 * axes.len());
        for (axis, columns) in texts.chunks_exact(2).enumerate() {
            for row in 0..batch.rows {
                let category = described.category(&layout, axis, cells.len() + row);
                let label = category.map(|category| category.label.as_bytes());
                let code = category.and_then(DescribedCategory::code).map(str::as_bytes);
                if columns[0].text(row)? != label || columns[1].text(row)? != code {
                    return Err(FlightError::Table { what: "a cell's categories" });
                }
            }
        }
        let counts = others[0].optional().map(|count| count.map(u64::from_le_bytes));
        for (count, suppressed) in counts.zip(others[1].flags()) {
            cells.push(match (count, suppressed) {
                (Some(count), false) => Cell::Count(count),
                (None, true) => Cell::Suppressed,
                _ => return Err(FlightError::Table { what: "a count that is suppressed as well" }),
            });
        }
        for (column, numbers) in others[2..].iter().zip(&mut numbers) {
            numbers.extend(column.optional().map(|value| value.map(f64::from_le_bytes)));
        }
    }
    if cells.len() != layout.cells() {
        return Err(FlightError::Ended { expected: "its last cell" });
    }
    let mut statistics = vec![Statistics::default(); cells.len()];
    for (show, numbers) in described.numbers().zip(&numbers) {
        if show.is_of_value() {
            read_statistic(*show, numbers, &cells, &mut statistics)?;
            continue;
        }
        let expected =
            |(at, value): (usize, &Option<f64>)| *value == percent_shown(*show, &layout, &cells, at);
        if !numbers.iter().enumerate().all(expected) {
            return Err(FlightError::Table { what: "a percentage" });
        }
    }
    let summary = described.value.map(|variable| Summary {
        variable,
        cells: statistics.into_iter().map(|cell| (cell != Statistics::default()).then_some(cell)).collect(),
    });
    Ok(Table { line: described.line, text: described.text, axes, shows: described.shows, cells, summary })
}

/// Puts one statistic of every cell where it belongs.
fn read_statistic(
    show: Show,
    numbers: &[Option<f64>],
    cells: &[Cell],
    statistics: &mut [Statistics],
) -> Result<(), FlightError> {
    for ((number, cell), statistics) in numbers.iter().zip(cells).zip(statistics) {
        let negative = show == Show::StandardDeviation && number.is_some_and(f64::is_sign_negative);
        if number.is_some_and(|number| !number.is_finite() || *cell == Cell::Suppressed) || negative {
            return Err(FlightError::Table { what: "a statistic" });
        }
        match show {
            Show::Mean => statistics.mean = *number,
            Show::StandardDeviation => statistics.standard_deviation = *number,
            Show::Sum => statistics.sum = *number,
            Show::Frequency | Show::RowPercent | Show::ColumnPercent | Show::CellPercent => {}
        }
    }
    Ok(())
}

/// A table without its cells. Values are written as text, since JSON readers differ on long fractions.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    line: u32,
    text: String,
    axes: Vec<DescribedAxis>,
    shows: Vec<Show>,
    /// Name of the number that statistics are of.
    value: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DescribedAxis {
    name: String,
    categories: Vec<DescribedCategory>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DescribedCategory {
    label: String,
    value: Option<DescribedValue>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum DescribedValue {
    /// A number in the shortest form that reads back as the same number.
    Number(String),
    Text(String),
}

impl DescribedCategory {
    /// What the code column says; none for missing values.
    fn code(&self) -> Option<&str> {
        self.value.as_ref().map(|value| match value {
            DescribedValue::Number(text) | DescribedValue::Text(text) => text.as_str(),
        })
    }
}

impl Described {
    fn of(table: &Table) -> Self {
        let category = |category: &Category| DescribedCategory {
            label: category.label.clone(),
            value: category.value.as_ref().map(|value| match value {
                Value::Number(number) => DescribedValue::Number(number.to_string()),
                Value::Text(text) => DescribedValue::Text(text.clone()),
            }),
        };
        let axis = |axis: &Axis| DescribedAxis {
            name: axis.name.clone(),
            categories: axis.categories.iter().map(category).collect(),
        };
        Self {
            line: table.line,
            text: table.text.clone(),
            axes: table.axes.iter().map(axis).collect(),
            shows: table.shows.clone(),
            value: table.summary.as_ref().map(|summary| summary.variable.clone()),
        }
    }

    /// The axes, if their layout can be computed with.
    fn checked_axes(&self) -> Result<Vec<Axis>, FlightError> {
        let wrong = |what| FlightError::Table { what };
        if self.axes.len() > MAX_AXES || self.shows.len() > MAX_SHOWS {
            return Err(wrong("its number of variables"));
        }
        if self.value.is_some() != self.shows.iter().any(|show| show.is_of_value()) {
            return Err(wrong("statistics of no number, or a number without statistics"));
        }
        // With margins each side is larger by one at most, so this bounds the cells too.
        let cells =
            self.axes.iter().try_fold(1_usize, |cells, axis| cells.checked_mul(axis.categories.len() + 1));
        if cells.is_none_or(|cells| cells > 2 * MAX_TABLE_CELLS) {
            return Err(wrong("its size"));
        }
        let category = |category: &DescribedCategory| {
            let value = match &category.value {
                None => None,
                Some(DescribedValue::Text(text)) => Some(Value::Text(text.clone())),
                Some(DescribedValue::Number(text)) => {
                    let number: f64 = text.parse().map_err(|_| wrong("a category's number"))?;
                    if !number.is_finite() || number.to_string() != *text {
                        return Err(wrong("a category's number"));
                    }
                    Some(Value::Number(number))
                }
            };
            Ok(Category { value, label: category.label.clone() })
        };
        self.axes
            .iter()
            .map(|axis| {
                let categories = axis.categories.iter().map(category).collect::<Result<_, _>>()?;
                Ok(Axis { name: axis.name.clone(), categories })
            })
            .collect()
    }

    fn sizes(&self) -> Vec<usize> {
        self.axes.iter().map(|axis| axis.categories.len()).collect()
    }

    /// What has a column of its own.
    fn numbers(&self) -> impl Iterator<Item = &Show> {
        self.shows.iter().filter(|show| column_name(**show).is_some())
    }

    fn fields(&self) -> Vec<Field> {
        let field = |name: String, kind, nullable| Field { name, kind, nullable };
        let mut fields = Vec::new();
        for axis in &self.axes {
            fields.push(field(format!("{}.label", axis.name), Kind::Utf8, true));
            fields.push(field(format!("{}.code", axis.name), Kind::Utf8, true));
        }
        fields.push(field(COUNT.into(), Kind::UInt64, true));
        fields.push(field(SUPPRESSED.into(), Kind::Boolean, false));
        for name in self.shows.iter().filter_map(|show| column_name(*show)) {
            fields.push(field(name.into(), Kind::Float64, true));
        }
        fields
    }

    /// The category of an axis in a cell; none where the cell is a total over it.
    fn category(&self, layout: &Layout, axis: usize, at: usize) -> Option<&DescribedCategory> {
        let (row, column) = (at / layout.width(), at % layout.width());
        if axis == 0 {
            return self.axes[0].categories.get(row);
        }
        if column >= layout.columns {
            return None;
        }
        let after: usize = self.axes[axis + 1..].iter().map(|axis| axis.categories.len()).product();
        let categories = &self.axes[axis].categories;
        categories.get(column / after % categories.len())
    }

    fn rows_in_a_batch(&self) -> usize {
        let texts: usize = self
            .axes
            .iter()
            .map(|axis| {
                let bytes = |category: &DescribedCategory| {
                    category.label.len() + category.code().map_or(0, str::len) + 10
                };
                axis.categories.iter().map(bytes).max().unwrap_or(10)
            })
            .sum();
        (FLIGHT_BATCH_BYTES / (texts + 16 + 9 * self.shows.len())).max(1)
    }
}

impl Kind {
    pub(super) fn data_type(self) -> DataType {
        match self {
            Self::Fixed16 => DataType::FixedSizeBinary(16),
            Self::UInt32 => DataType::UInt32,
            Self::UInt64 => DataType::UInt64,
            Self::Float64 => DataType::Float64,
            Self::Boolean => DataType::Boolean,
            Self::Utf8 => DataType::Utf8,
        }
    }
}

fn column_name(show: Show) -> Option<&'static str> {
    match show {
        Show::Frequency => None,
        Show::RowPercent => Some("row_percent"),
        Show::ColumnPercent => Some("column_percent"),
        Show::CellPercent => Some("cell_percent"),
        Show::Mean => Some("mean"),
        Show::StandardDeviation => Some("standard_deviation"),
        Show::Sum => Some("sum"),
    }
}

fn count(cell: Cell) -> Option<u64> {
    match cell {
        Cell::Count(count) => Some(count),
        Cell::Suppressed => None,
    }
}

/// What a percentage says of the cell at an index of the layout; none for frequencies, statistics and for `·`
/// ([`percent`]). A table of one variable has one column, so each of its rows is its own row total.
///
/// # Panics
/// Where there is not one cell for each of the layout.
pub fn percent_shown(show: Show, layout: &Layout, cells: &[Cell], at: usize) -> Option<f64> {
    let (row, column) = (at / layout.width(), at % layout.width());
    let last_column = layout.width() - 1;
    // A table without variables is a single cell, which is its own total.
    let last_row = if layout.totals { layout.rows } else { layout.rows - 1 };
    let total = match show {
        Show::Frequency | Show::Mean | Show::StandardDeviation | Show::Sum => return None,
        Show::RowPercent => row * layout.width() + last_column,
        Show::ColumnPercent => last_row * layout.width() + column,
        Show::CellPercent => last_row * layout.width() + last_column,
    };
    percent(cells[at], cells[total])
}
