//! What the same table costs where one engine holds everybody's rows in clear: the benchmark's yardstick.
//!
//! No node ever does this with its registers, and nothing that serves calls it: it reads files of people who do not
//! exist, written by the benchmark itself. It stands here since this crate alone knows DataFusion.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{Float64Type, Int64Type};
use datafusion::functions_aggregate::expr_fn::{avg, count};
use datafusion::prelude::{JoinType, ParquetReadOptions, SessionContext, col, lit};
use parquet::arrow::ArrowWriter;

/// Rows that are written at once.
const BATCH_ROWS: usize = 1 << 16;

/// Two categories, and the number and the mean of those in both.
#[derive(Clone, Debug, PartialEq)]
pub struct PooledCell {
    /// The population owner's category.
    pub left: String,
    /// The other owner's category.
    pub right: String,
    /// People.
    pub count: u64,
    /// Mean of their values.
    pub mean: f64,
}

/// Three pooled registers as Parquet files: identity (a 64-bit number, the cheapest there is to join on) and value.
pub struct Pooled {
    left: PathBuf,
    right: PathBuf,
    values: PathBuf,
}

impl Pooled {
    /// Copies the rows of three CSV files of the dataset format into Parquet files in `folder`: the population's categories,
    /// the other owner's categories, and the population's values.
    ///
    /// # Errors
    /// For a file that cannot be read or written.
    pub fn write(left: &Path, right: &Path, values: &Path, folder: &Path) -> anyhow::Result<Self> {
        let copy = |csv: &Path, name: &str, column: &dyn Fn(&[String]) -> anyhow::Result<ArrayRef>| {
            let file = folder.join(name).with_extension("parquet");
            write_parquet(csv, &file, column).map(|()| file)
        };
        let texts = |values: &[String]| Ok(Arc::new(StringArray::from_iter_values(values)) as ArrayRef);
        let numbers = |values: &[String]| {
            let values: Vec<i64> = values.iter().map(|value| value.parse()).collect::<Result<_, _>>()?;
            Ok(Arc::new(Int64Array::from(values)) as ArrayRef)
        };
        Ok(Self {
            left: copy(left, "left", &texts)?,
            right: copy(right, "right", &texts)?,
            values: copy(values, "values", &numbers)?,
        })
    }

    /// Joins the three by identity, groups by both categories, and gives count and mean of each, in order.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn table(&self) -> anyhow::Result<Vec<PooledCell>> {
        let context = SessionContext::new();
        let read = async |file: &Path, names: [&str; 2]| -> anyhow::Result<_> {
            let frame =
                context.read_parquet(file.display().to_string(), ParquetReadOptions::default()).await?;
            Ok(frame.select(vec![col("id").alias(names[0]), col("value").alias(names[1])])?)
        };
        let left = read(&self.left, ["left_id", "left"]).await?;
        let right = read(&self.right, ["right_id", "right"]).await?;
        let values = read(&self.values, ["values_id", "number"]).await?;
        let joined = left.join(right, JoinType::Inner, &["left_id"], &["right_id"], None)?.join(
            values,
            JoinType::Inner,
            &["left_id"],
            &["values_id"],
            None,
        )?;
        let grouped = joined
            .aggregate(
                vec![col("left"), col("right")],
                vec![count(lit(1)).alias("count"), avg(col("number")).alias("mean")],
            )?
            .sort(vec![col("left").sort(true, false), col("right").sort(true, false)])?;
        let mut cells = Vec::new();
        for batch in grouped.collect().await? {
            let texts = |at: usize| -> anyhow::Result<StringArray> {
                let column = arrow::compute::cast(batch.column(at), &arrow::datatypes::DataType::Utf8)?;
                Ok(column.as_string::<i32>().clone())
            };
            let (left, right) = (texts(0)?, texts(1)?);
            let counts = batch.column(2).as_primitive::<Int64Type>();
            let means = batch.column(3).as_primitive::<Float64Type>();
            cells.extend((0..batch.num_rows()).map(|row| PooledCell {
                left: left.value(row).to_owned(),
                right: right.value(row).to_owned(),
                count: counts.value(row).unsigned_abs(),
                mean: means.value(row),
            }));
        }
        Ok(cells)
    }
}

fn write_parquet(
    csv: &Path,
    file: &Path,
    column: &dyn Fn(&[String]) -> anyhow::Result<ArrayRef>,
) -> anyhow::Result<()> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).delimiter(b';').from_path(csv)?;
    let mut writer: Option<ArrowWriter<File>> = None;
    let mut rows = reader.records();
    loop {
        let (mut ids, mut values) = (Vec::with_capacity(BATCH_ROWS), Vec::with_capacity(BATCH_ROWS));
        for row in rows.by_ref().take(BATCH_ROWS) {
            let row = row?;
            ids.push(row.get(0).unwrap_or_default().parse::<i64>()?);
            values.push(row.get(1).unwrap_or_default().to_owned());
        }
        if ids.is_empty() && writer.is_some() {
            break;
        }
        let ids: ArrayRef = Arc::new(Int64Array::from(ids));
        let batch = RecordBatch::try_from_iter([("id", ids), ("value", column(&values)?)])?;
        let writer = match &mut writer {
            Some(writer) => writer,
            none => none.insert(ArrowWriter::try_new(File::create(file)?, batch.schema(), None)?),
        };
        writer.write(&batch)?;
    }
    if let Some(writer) = writer {
        writer.close()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn rows_are_joined_by_identity_and_grouped_by_both_categories() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("written");
            path
        };
        let left = file("left.csv", "1;a;;;\n2;b;;;\n3;a;;;\n4;a;;;\n");
        let right = file("right.csv", "4;x;;;\n1;x;;;\n2;y;;;\n9;x;;;\n");
        let values = file("values.csv", "1;10;;;\n2;7;;;\n3;1;;;\n4;20;;;\n");
        let pooled = Pooled::write(&left, &right, &values, folder.path()).expect("written");
        let cell = |left: &str, right: &str, count, mean| PooledCell {
            left: left.to_owned(),
            right: right.to_owned(),
            count,
            mean,
        };
        let cells = pooled.table().await.expect("a table");
        assert_eq!(cells, [cell("a", "x", 2, 15.0), cell("b", "y", 1, 7.0)]);
        let none = file("none.csv", "");
        let pooled = Pooled::write(&left, &none, &values, folder.path()).expect("written");
        assert_eq!(pooled.table().await.expect("a table"), []);
    }
}
