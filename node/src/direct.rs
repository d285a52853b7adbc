//! What a table of one owner costs where DataFusion reads that owner's data files and nothing is protected: the benchmark's
//! yardstick for a question over one owner.
//!
//! It is the query of `cli/scripts/single-owner.kob` as one would write it over these files: columns joined by unit,
//! filtered, grouped and counted, with the engine's own settings. No node ever does this, and nothing that serves calls it. It stands
//! here since this crate alone knows DataFusion.

use std::path::PathBuf;

use arrow::array::{AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type, Int64Type};
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::when;
use datafusion::prelude::{DataFrame, Expr, JoinType, ParquetReadOptions, SessionContext, col, lit};
use datafusion::scalar::ScalarValue;
use kobling_model::Day;
use serde::{Deserialize, Serialize};

/// The day on which an education must hold.
const EDUCATION_ON: &str = "2012-10-01";
/// A day within the period of the wages.
const WAGES_ON: &str = "2020-06-30";
/// Wages must be above this.
const WAGE: i64 = 100_000;
/// The year that ages are counted to.
const YEAR: i64 = 2020;
/// The oldest of each group of ages but the last.
const AGES: [i64; 3] = [34, 49, 66];

/// A group that people are in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectCell {
    /// Code of the education.
    pub education: String,
    /// Code of the sex.
    pub sex: String,
    /// Number of the group of ages, from 1.
    pub age: u32,
    /// People.
    pub count: u64,
}

/// Data files of a node, each with unit, value, start and stop.
#[derive(Clone, Debug)]
pub struct Direct {
    /// Of sexes.
    pub sex: PathBuf,
    /// Of years and months of birth.
    pub birth: PathBuf,
    /// Of educations.
    pub education: PathBuf,
    /// Of wages.
    pub wages: PathBuf,
}

impl Direct {
    /// People with a wage of more than 100 000 by education, sex and group of ages.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn table(&self) -> anyhow::Result<Vec<DirectCell>> {
        let context = SessionContext::new();
        let on = |day: &str| -> anyhow::Result<Expr> {
            let day: Day = day.parse()?;
            let day = || lit(ScalarValue::Date32(Some(day.days())));
            let goes_on = col("stop").is_null().or(col("stop").gt_eq(day()));
            Ok(col("start").lt_eq(day()).and(goes_on))
        };
        let read = async |file: &PathBuf, holds: Option<Expr>, name: &str| -> anyhow::Result<DataFrame> {
            let file = file.display().to_string();
            let mut frame = context.read_parquet(file, ParquetReadOptions::default()).await?;
            if let Some(holds) = holds {
                frame = frame.filter(holds)?;
            }
            Ok(frame.select(vec![col("unit").alias(format!("{name}_unit")), col("value").alias(name)])?)
        };
        let mut people = read(&self.sex, None, "sex").await?;
        for (file, on_day, name) in [
            (&self.birth, None, "birth"),
            (&self.education, Some(on(EDUCATION_ON)?), "education"),
            (&self.wages, Some(on(WAGES_ON)?), "wage"),
        ] {
            let other = read(file, on_day, name).await?;
            let unit = format!("{name}_unit");
            people = people.join(other, JoinType::Left, &["sex_unit"], &[&unit], None)?;
        }
        let age = || lit(YEAR) - col("birth") / lit(100_i64);
        let group = when(age().lt_eq(lit(AGES[0])), lit(1_i32))
            .when(age().lt_eq(lit(AGES[1])), lit(2_i32))
            .when(age().lt_eq(lit(AGES[2])), lit(3_i32))
            .otherwise(lit(4_i32))?;
        let there = col("education").is_not_null().and(col("birth").is_not_null());
        let grouped = people
            .filter(col("wage").gt(lit(WAGE)).and(there))?
            .select(vec![col("education"), col("sex"), group.alias("age")])?
            .aggregate(vec![col("education"), col("sex"), col("age")], vec![count(lit(1)).alias("count")])?
            .sort(["education", "sex", "age"].map(|name| col(name).sort(true, false)).to_vec())?;
        let mut cells = Vec::new();
        for batch in grouped.collect().await? {
            let texts = |at: usize| -> anyhow::Result<StringArray> {
                Ok(cast(batch.column(at), &DataType::Utf8)?.as_string::<i32>().clone())
            };
            let (education, sex) = (texts(0)?, texts(1)?);
            let ages = batch.column(2).as_primitive::<Int32Type>();
            let counts = batch.column(3).as_primitive::<Int64Type>();
            cells.extend((0..batch.num_rows()).map(|row| DirectCell {
                education: education.value(row).to_owned(),
                sex: sex.value(row).to_owned(),
                age: ages.value(row).unsigned_abs(),
                count: counts.value(row).unsigned_abs(),
            }));
        }
        Ok(cells)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::register::testing::World;

    #[tokio::test]
    async fn people_are_counted_by_what_holds_on_the_day() {
        let mut world = World::new();
        let texts =
            [(0, "1", "", ""), (1, "2", "", ""), (2, "2", "", ""), (3, "1", "", ""), (4, "1", "", "")];
        world.dataset("SEX", "FIXED", "STRING", &texts);
        let births =
            [(0, "198601", "", ""), (1, "198512", "", ""), (2, "195301", "", ""), (4, "199901", "", "")];
        world.dataset("BIRTH", "FIXED", "LONG", &births);
        let educations = [
            (0, "3", "2000-01-01", "2012-10-01"),
            (0, "7", "2012-10-02", ""),
            (1, "3", "2012-10-01", ""),
            (2, "6", "2010-01-01", ""),
            (3, "6", "2010-01-01", ""),
            (4, "6", "2013-01-01", ""),
        ];
        world.dataset("EDUCATION", "EVENT", "STRING", &educations);
        let (first, last) = ("2020-01-01", "2020-12-31");
        let wages = [
            (0, "100001", first, last),
            (1, "500000", first, last),
            (2, "100001", first, last),
            (3, "500000", first, last),
            (4, "500000", first, last),
        ];
        world.dataset("WAGES", "ACCUMULATED", "LONG", &wages);
        world.import("1.0.0").expect("imported");
        let folder = world.state().join("registers/no.test.db/1.0.0");
        let file = |name: &str| folder.join(name).with_extension("parquet");
        let direct = Direct {
            sex: file("SEX"),
            birth: file("BIRTH"),
            education: file("EDUCATION"),
            wages: file("WAGES"),
        };
        let cell = |education: &str, sex: &str, age| DirectCell {
            education: education.to_owned(),
            sex: sex.to_owned(),
            age,
            count: 1,
        };
        // The last two have no birth, and no education on the day.
        let cells = [cell("3", "1", 1), cell("3", "2", 2), cell("6", "2", 4)];
        assert_eq!(direct.table().await.expect("a table"), cells);
    }
}
