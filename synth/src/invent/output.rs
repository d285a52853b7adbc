//! Datasets as files: whole under their final names, or not there at all.
//!
//! Everything is written into a hidden folder beside the final ones, which goes away with the run. Only when
//! all datasets are finished are they renamed into place, so an interruption before that leaves nothing, and one during
//! it leaves whole datasets.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use kobling_model::UnitType;
use serde::Serialize;

use super::Settings;
use super::fault::{Fault, Faults};
use super::metadata::Variable;
use super::people::{PEOPLE_MAX, People, TooManyPeople};
use super::rows::{Lines, Maker};
use super::units::{Units, UnusableCount};
use crate::chance::Key;

/// So many bytes are written at once.
const BLOCK: usize = 1 << 18;
/// So many units are made between two looks at whether to go on.
const STRIDE: u32 = 4096;

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// In order of names.
    pub datasets: Vec<DatasetSummary>,
}

/// What was made of one variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DatasetSummary {
    /// Its name.
    pub name: String,
    /// What its rows are about.
    pub unit_type: UnitType,
    /// Units of that type that there are.
    pub units: u32,
    /// Its rows.
    pub rows: u64,
}

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// The dataset under way.
    pub dataset: &'a str,
    /// Datasets that are finished.
    pub finished: usize,
    /// All datasets.
    pub datasets: usize,
    /// Units of this dataset that are finished.
    pub done: u32,
    /// All units of it.
    pub units: u32,
}

/// Why no data was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InventError {
    /// What the metadata and the settings ask for together cannot be.
    #[error("{0}")]
    Faults(Faults),
    /// More people than there can be at all.
    #[error("expected 1 to {PEOPLE_MAX} people")]
    People,
    /// More people than the period has numbers for.
    #[error(transparent)]
    TooMany(#[from] TooManyPeople),
    /// Units of a type.
    #[error(transparent)]
    Count(#[from] UnusableCount),
    /// Something is there already, and nobody said that it may go.
    #[error("{} is there already{}; nothing was written", first.display(), and_more(*further))]
    Exists {
        /// The first one.
        first: PathBuf,
        /// How many more.
        further: usize,
    },
    /// So few units have no row of a variable.
    #[error(
        "{dataset} would have no rows: there are too few units for it, or all are missing; nothing was written"
    )]
    NoRows {
        /// Which dataset.
        dataset: String,
    },
    /// The run was told to stop.
    #[error("interrupted; nothing was written")]
    Interrupted,
    /// The file system.
    #[error("{} cannot be written", path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

fn and_more(further: usize) -> String {
    if further == 0 { String::new() } else { format!(", and {further} more") }
}

/// Makes data for all variables and writes `<out>/<NAME>/<NAME>.csv` and `.json`.
///
/// `watch` is told how far the run is, every few milliseconds, and says whether it goes on. With `overwrite`, files of these
/// names are replaced; other files stay.
///
/// # Errors
/// [`InventError`]; then nothing is under its final name that was not there before, unless the file system fails
/// while finished datasets are put in place.
pub fn invent(
    variables: &[Variable],
    settings: &Settings,
    out: &Path,
    overwrite: bool,
    watch: &dyn Fn(Step<'_>) -> bool,
) -> Result<Summary, InventError> {
    let (units, seed) = units(settings)?;
    let makers = makers(variables, settings, &units, seed)?;
    if !overwrite {
        refuse_existing(variables, out)?;
    }
    fs::create_dir_all(out).map_err(at(out))?;
    let hidden = tempfile::Builder::new().prefix(".kobling-synth-").tempdir_in(out).map_err(at(out))?;
    let mut datasets = Vec::with_capacity(makers.len());
    for (finished, (variable, maker)) in variables.iter().zip(&makers).enumerate() {
        let go_on = |done| {
            let name = variable.name.as_str();
            watch(Step { dataset: name, finished, datasets: makers.len(), done, units: maker.places() })
        };
        let rows = write(variable, maker, hidden.path(), go_on)?;
        datasets.push(DatasetSummary {
            name: variable.name.to_string(),
            unit_type: variable.unit_type,
            units: maker.places(),
            rows,
        });
    }
    for variable in variables {
        put_in_place(variable.name.as_str(), hidden.path(), out)?;
    }
    Ok(Summary { datasets })
}

fn units(settings: &Settings) -> Result<(Units, Key), InventError> {
    if !(1..=PEOPLE_MAX).contains(&settings.people) {
        return Err(InventError::People);
    }
    let seed = Key::seeded(settings.seed);
    let people = People::new(seed, settings.people, settings.period)?;
    Ok((Units::new(seed, people, settings.period, &settings.units)?, seed))
}

fn makers<'a>(
    variables: &[Variable],
    settings: &Settings,
    units: &'a Units,
    seed: Key,
) -> Result<Vec<Maker<'a>>, InventError> {
    let mut faults = Faults::default();
    let mut makers = Vec::with_capacity(variables.len());
    for variable in variables {
        let range = settings.ranges.get(variable.name.as_str()).copied().unwrap_or_default();
        match Maker::new(variable, &range, units, seed) {
            Ok(maker) => makers.push(maker),
            Err((field, kind)) => {
                faults.add(Fault {
                    file: variable.file.clone(),
                    line: None,
                    field: Some(field.to_owned()),
                    kind,
                });
            }
        }
    }
    if faults.total() == 0 { Ok(makers) } else { Err(InventError::Faults(faults)) }
}

fn refuse_existing(variables: &[Variable], out: &Path) -> Result<(), InventError> {
    let there = variables.iter().map(|variable| out.join(variable.name.as_str()));
    let mut there = there.filter(|path| path.symlink_metadata().is_ok());
    match there.next() {
        None => Ok(()),
        Some(first) => Err(InventError::Exists { first, further: there.count() }),
    }
}

/// Writes one dataset into `folder` and returns its number of rows.
fn write(
    variable: &Variable,
    maker: &Maker<'_>,
    folder: &Path,
    go_on: impl Fn(u32) -> bool,
) -> Result<u64, InventError> {
    let name = variable.name.as_str();
    let folder = folder.join(name);
    fs::create_dir(&folder).map_err(at(&folder))?;
    let json = folder.join(format!("{name}.json"));
    fs::write(&json, &variable.json).map_err(at(&json))?;
    let csv = folder.join(format!("{name}.csv"));
    let mut file = File::create_new(&csv).map_err(at(&csv))?;
    let mut lines = Lines::new();
    for place in 0..maker.places() {
        if place % STRIDE == 0 && !go_on(place) {
            return Err(InventError::Interrupted);
        }
        maker.make(place, &mut lines);
        if lines.bytes.len() >= BLOCK {
            file.write_all(&lines.bytes).map_err(at(&csv))?;
            lines.bytes.clear();
        }
    }
    file.write_all(&lines.bytes).map_err(at(&csv))?;
    // Renamed before it is on disk, a file could be empty under its final name after a loss of power.
    file.sync_all().map_err(at(&csv))?;
    if lines.rows == 0 {
        return Err(InventError::NoRows { dataset: name.to_owned() });
    }
    Ok(lines.rows)
}

fn put_in_place(name: &str, hidden: &Path, out: &Path) -> Result<(), InventError> {
    let (from, to) = (hidden.join(name), out.join(name));
    if to.symlink_metadata().is_err() {
        return fs::rename(&from, &to).map_err(at(&to));
    }
    for extension in ["json", "csv"] {
        let file = format!("{name}.{extension}");
        let to = to.join(&file);
        fs::rename(from.join(&file), &to).map_err(at(&to))?;
    }
    Ok(())
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> InventError {
    let path = path.to_owned();
    move |source| InventError::Io { path, source }
}
