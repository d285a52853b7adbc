//! Commands that are not the demo, one a file.

pub mod audit;
pub mod catalogue;
pub mod check;
pub mod explain;
pub mod platform_key;
pub mod registers;
pub mod run;
pub mod synth;

use std::io::Write;

/// Prints to standard output. A reader that has gone away is no error of ours.
pub fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Prints a value as JSON on a line of its own.
pub fn print_json<T: serde::Serialize>(value: &T) -> anyhow::Result<()> {
    print(&format!("{}\n", serde_json::to_string(value)?));
    Ok(())
}
