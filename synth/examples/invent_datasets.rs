//! Makes datasets from metadata, for measurements without the rest of the program:
//! `cargo run -p kobling-synth --example invent_datasets -- METADATA_DIR OUT PEOPLE [SEED]`.

use std::collections::BTreeMap;
use std::path::Path;

use kobling_synth::invent::{Period, Settings, invent, read_metadata};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [metadata, out, people, rest @ ..] = arguments.as_slice() else {
        return Err("expected METADATA_DIR OUT PEOPLE [SEED]".into());
    };
    let seed = rest.first().map_or(Ok(1), |seed| seed.parse())?;
    let settings = Settings {
        people: people.parse()?,
        seed,
        period: Period::default(),
        units: BTreeMap::new(),
        ranges: BTreeMap::new(),
    };
    let summary = invent(&read_metadata(Path::new(metadata))?, &settings, Path::new(out), false, &|_| true)?;
    for dataset in summary.datasets {
        println!("{:32} {} rows", dataset.name, dataset.rows);
    }
    Ok(())
}
