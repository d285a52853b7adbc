//! What an append costs, and a check of a long log: `cargo run --release -p kobling-audit --example log_speed -- FOLDER [ENTRIES]`.
//!
//! Appends are synced, so they measure the disk of FOLDER, which must be new.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use kobling_audit::{AuditLog, LogKey, verify};
use kobling_model::OwnerId;
use kobling_model::record::Event;

const KEY: &[u8] = include_bytes!("../golden/test-key.pk8");

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = arguments.first().ok_or("which folder?")?;
    let entries: u64 = arguments.get(1).map_or(Ok(2000), |entries| entries.parse())?;
    let party = || OwnerId::new("ssb");
    let mut log = AuditLog::open(Path::new(folder), party()?, LogKey::from_pkcs8(KEY)?)?;
    let mut each_us = Vec::new();
    for now_ms in 0..entries {
        let begun = Instant::now();
        log.append(Event::Stopped { reason: "x".repeat(400) }, now_ms)?;
        each_us.push(begun.elapsed().as_micros());
    }
    each_us.sort_unstable();
    let at = |percent: usize| each_us[(each_us.len() - 1) * percent / 100];
    println!("append: median {} us, 99 of 100 within {} us", at(50), at(99));
    drop(log);
    let begun = Instant::now();
    let count = verify(Path::new(folder))?.head().count;
    println!("verify: {count} entries in {} ms", begun.elapsed().as_millis());
    let begun = Instant::now();
    drop(AuditLog::open(Path::new(folder), party()?, LogKey::from_pkcs8(KEY)?)?);
    println!("open: {} ms", begun.elapsed().as_millis());
    Ok(())
}
