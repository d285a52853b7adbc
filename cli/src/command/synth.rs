//! `kobling synth`: believable datasets from metadata alone.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kobling_synth::invent::{
    Faults, InventError, MetadataError, Period, Settings, Step, Summary, Variable, invent, read_metadata,
    read_ranges,
};
use tokio::sync::watch;

use super::{print, print_json};
use crate::arguments::SynthArguments;
use crate::exit::{Exit, unusable, unusable_because};
use crate::render::progress::Progress;
use crate::render::{counted, plain, whole};
use crate::signals;

/// Makes the datasets.
///
/// # Errors
/// Where the command line, the metadata or the file of ranges cannot be used, or the folder cannot be written.
pub async fn run(arguments: SynthArguments) -> anyhow::Result<Exit> {
    let period = Period::new(arguments.from, arguments.to)
        .map_err(|error| unusable(format!("--from, --to: {error}")))?;
    let variables = match read_metadata(&arguments.metadata) {
        Ok(variables) => variables,
        Err(MetadataError::Faults(faults)) => return show_faults(&faults, arguments.json),
        Err(error @ MetadataError::Folder { .. }) => {
            return Err(unusable_because("the metadata cannot be read", error));
        }
        Err(error) => return Err(unusable(error.to_string())),
    };
    let ranges = match &arguments.ranges {
        None => BTreeMap::new(),
        Some(path) => match read_ranges(path, &variables) {
            Ok(ranges) => ranges,
            Err(faults) => return show_faults(&faults, arguments.json),
        },
    };
    let mut units = BTreeMap::new();
    for (unit_type, count) in arguments.units {
        if units.insert(unit_type, count).is_some() {
            return Err(unusable(format!("--units: {unit_type} is given twice")));
        }
    }
    let settings = Settings { people: arguments.people, seed: arguments.seed, period, units, ranges };
    let made = make(variables, settings, arguments.out, arguments.overwrite).await;
    match made {
        Ok(Made::Done(summary)) => show(&summary, arguments.json),
        Ok(Made::Signal(number)) => {
            eprintln!("kobling: {}", InventError::Interrupted);
            Ok(Exit::signal(number))
        }
        Err(InventError::Faults(faults)) => show_faults(&faults, arguments.json),
        Err(error @ InventError::Io { .. }) => Err(error.into()),
        Err(error) => Err(unusable(error.to_string())),
    }
}

enum Made {
    Done(Summary),
    Signal(u8),
}

/// Makes the data on a thread of its own, and waits for it also where a signal stops it: what is half written goes
/// away with it.
async fn make(
    variables: Vec<Variable>,
    settings: Settings,
    out: PathBuf,
    overwrite: bool,
) -> Result<Made, InventError> {
    let stopped = Arc::new(AtomicBool::new(false));
    let (told, mut heard) = watch::channel(String::new());
    let work = {
        let stopped = Arc::clone(&stopped);
        tokio::task::spawn_blocking(move || {
            let go_on = |step: Step<'_>| {
                told.send_replace(sentence(step));
                !stopped.load(Ordering::Relaxed)
            };
            invent(&variables, &settings, &out, overwrite, &go_on)
        })
    };
    tokio::pin!(work);
    let signal = signals::received();
    tokio::pin!(signal);
    let mut progress = if std::io::stderr().is_terminal() { Progress::new() } else { Progress::quiet() };
    progress.begin("Making datasets");
    let mut number = None;
    let made = loop {
        tokio::select! {
            made = &mut work => break made.expect("making data does not panic"),
            received = &mut signal, if number.is_none() => {
                number = Some(received);
                stopped.store(true, Ordering::Relaxed);
            }
            Ok(()) = heard.changed() => progress.detail(heard.borrow_and_update().clone()),
        }
    };
    match (made, number) {
        // A signal that came after the last look changes nothing.
        (Ok(summary), _) => {
            progress.done();
            Ok(Made::Done(summary))
        }
        (Err(InventError::Interrupted), Some(number)) => {
            progress.clear();
            Ok(Made::Signal(number))
        }
        (Err(error), _) => {
            progress.clear();
            Err(error)
        }
    }
}

fn sentence(step: Step<'_>) -> String {
    let percent = u64::from(step.done) * 100 / u64::from(step.units.max(1));
    format!("{} ({percent} %), {} of {}", step.dataset, step.finished + 1, step.datasets)
}

fn show(summary: &Summary, json: bool) -> anyhow::Result<Exit> {
    if json {
        print_json(summary)?;
        return Ok(Exit::DONE);
    }
    let width = summary.datasets.iter().map(|dataset| dataset.name.len()).max().unwrap_or(0);
    for dataset in &summary.datasets {
        let (units, rows) = (whole(u64::from(dataset.units)), whole(dataset.rows));
        print(&format!("{:width$}  {units} {}, {rows} rows\n", dataset.name, dataset.unit_type));
    }
    print(&format!("{} written\n", counted(summary.datasets.len(), "dataset", "datasets")));
    Ok(Exit::DONE)
}

fn show_faults(faults: &Faults, json: bool) -> anyhow::Result<Exit> {
    if json {
        print_json(faults)?;
    } else {
        for line in faults.to_string().lines() {
            eprintln!("{}", plain(line));
        }
        let total = usize::try_from(faults.total()).unwrap_or(usize::MAX);
        eprintln!("kobling: {} to mend; nothing was written", counted(total, "fault", "faults"));
    }
    Ok(Exit::USAGE)
}
