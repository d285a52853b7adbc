//! What an append costs, and a check of a long log: `cargo run --release -p kobling-audit --example log_speed -- FOLDER [ENTRIES]`.
//! Once with records in clear, once sealed to two auditors.
//!
//! Appends are synced, so they measure the disk of FOLDER, which must be new.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Instant;

use kobling_audit::{AuditLog, AuditorKey, Auditors, LogKey, verify, verify_with};
use kobling_model::record::Event;
use kobling_model::{Hash, JobId, OwnerId, SessionId};

const KEY: &[u8] = include_bytes!("../golden/test-key.pk8");

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = Path::new(arguments.first().ok_or("which folder?")?);
    let entries: u64 = arguments.get(1).map_or(Ok(2000), |entries| entries.parse())?;
    fs::create_dir(folder)?;
    println!("in clear");
    measure(&folder.join("clear"), entries, &[])?;
    println!("sealed to two auditors");
    measure(&folder.join("sealed"), entries, &[AuditorKey::generate(), AuditorKey::generate()])
}

fn measure(folder: &Path, entries: u64, keys: &[AuditorKey]) -> Result<(), Box<dyn Error>> {
    let open = || -> Result<AuditLog, Box<dyn Error>> {
        Ok(AuditLog::open(folder, OwnerId::new("ssb")?, LogKey::from_pkcs8(KEY)?)?)
    };
    let public: Vec<String> = keys.iter().map(AuditorKey::public).collect();
    let mut log = open()?.sealed_to(Auditors::read(&public)?);
    let mut each_us = Vec::new();
    for now_ms in 0..entries {
        // About as long as the opening of a question.
        let event = Event::RequestRefused {
            session: SessionId([1; 16]),
            job: JobId([2; 16]),
            request: Hash::of(b"request"),
            fault: "x".repeat(700),
        };
        let begun = Instant::now();
        log.append(event, now_ms)?;
        each_us.push(begun.elapsed().as_micros());
    }
    each_us.sort_unstable();
    let at = |percent: usize| each_us[(each_us.len() - 1) * percent / 100];
    println!("  append: median {} us, 99 of 100 within {} us", at(50), at(99));
    drop(log);
    let begun = Instant::now();
    let count = verify(folder)?.head().count;
    println!("  verify: {count} entries in {} ms", begun.elapsed().as_millis());
    if !keys.is_empty() {
        let begun = Instant::now();
        let unread = verify_with(folder, keys)?.unread();
        println!("  verify and open: {unread} not opened, {} ms", begun.elapsed().as_millis());
    }
    let begun = Instant::now();
    drop(open()?);
    println!("  open: {} ms", begun.elapsed().as_millis());
    Ok(())
}
