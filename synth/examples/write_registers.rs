//! Writes registers: `cargo run -p kobling-synth --example write_registers -- FOLDER [PEOPLE [SEED]]`.

use std::path::Path;

use kobling_synth::{Config, write_registers};

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = arguments.first().map_or("registers", String::as_str);
    let number =
        |at: usize, other: u64| arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(other);
    let config = Config { people: u32::try_from(number(1, 200_000)).unwrap_or(u32::MAX), seed: number(2, 1) };
    let summary = write_registers(&config, Path::new(folder))?;
    println!("{} people, {} of them in the population", summary.people, summary.in_population);
    for (dataset, rows) in summary.rows {
        println!("{:32} {rows}", dataset.name());
    }
    Ok(())
}
