//! Prints the published perturbation table as CSV, made anew:
//! `cargo run -p kobling-disclosure --example generate_table`.

use kobling_disclosure::generator::{Parameters, generate};

fn main() {
    match generate(Parameters::PUBLISHED) {
        Ok(table) => print!("{}", table.to_csv()),
        Err(error) => eprintln!("{error}"),
    }
}
