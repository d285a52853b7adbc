//! What is done with bytes that nobody chose: a body for each decoder that faces another party.
//!
//! | target | bytes of | decoder |
//! | --- | --- | --- |
//! | `script` | a researcher | text to plan or diagnostics, and their rendering: `kobling-script` |
//! | `plan` | a file | JSON to plan: `kobling_model::plan` |
//! | `request` | the platform, by way of the broker | what is signed: `kobling_model::script_request` |
//! | `messages` | any party | protobuf to the domain's words: `kobling_proto::convert` |
//! | `ticket` | whoever calls Flight | tickets and descriptors: `kobling_proto::flight` |
//! | `columns` | a node or the broker | tokens and row numbers: `kobling_proto::flight` |
//! | `partial` | a worker | partial aggregates, and what the broker makes of two: `kobling_proto::flight`, `kobling_broker::combine` |
//! | `table` | the broker | protected tables: `kobling_proto::flight` |
//! | `frame` | a worker or dealer | frames of a link and their headers: `kobling_node::peer`, `kobling_crypto::channel` |
//! | `computation` | a worker | the shape that a dealer is told: `kobling_crypto::attempt` |
//! | `metadata`, `csv` | whoever delivers data to an owner | datasets: `kobling_node::register` |
//! | `settings` | an operator | roster, policy and a node's configuration |
//! | `audit` | a party that is audited | log lines: `kobling_audit` |
//!
//! A body panics where a promise is broken: a decoder panics, what it lets through contradicts itself, or does not come back
//! the same when it is written and read again. It returns whether the bytes were let through.
//!
//! `tests/fuzz/run` runs them under libFuzzer and keeps what it learns in `tests/fuzz/corpus/`; the test `fuzzed` shows all of
//! the corpus to the bodies again, without libFuzzer. [`Target::seeds`] are real inputs, made anew each time, so
//! that they never fall behind a format.

mod flight;
mod peer;
mod register;
mod request;
mod text;
mod wire;

use std::path::PathBuf;

pub use flight::{columns, partial, table, ticket};
pub use peer::{computation, frame};
pub use register::{csv, metadata};
pub use request::request;
pub use text::{audit, plan, script, settings};
pub use wire::messages;

/// One decoder.
pub struct Target {
    /// Its name: that of its corpus, and after `fuzz-` of its program.
    pub name: &'static str,
    /// What is done with the bytes; whether they were let through.
    pub body: fn(&[u8]) -> bool,
    /// Real inputs, which are let through.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

impl Target {
    /// Where its corpus is kept.
    pub fn corpus(&self) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(self.name)
    }
}

/// Where a target's program writes its real inputs before it begins, if anywhere.
pub const SEEDS_VARIABLE: &str = "KOBLING_FUZZ_SEEDS";

/// Makes a target's real inputs, and writes them into the folder that [`SEEDS_VARIABLE`] names, if there is one.
///
/// Its program does so itself, since nothing else can be linked from crates that were built for libFuzzer; and always, since
/// what is prepared for the seeds is prepared for the body too, and must not count as what the first input reaches.
///
/// # Panics
/// Where there is no such target, or the folder takes no file.
pub fn write_seeds(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
    let seeds = (target.seeds)();
    let Some(folder) = std::env::var_os(SEEDS_VARIABLE).map(PathBuf::from) else { return };
    for (number, seed) in seeds.iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{number}")), seed).expect("the folder takes a file");
    }
}

/// All targets.
pub const TARGETS: [Target; 14] = [
    Target { name: "script", body: script, seeds: text::script_seeds },
    Target { name: "plan", body: plan, seeds: text::plan_seeds },
    Target { name: "request", body: request, seeds: request::request_seeds },
    Target { name: "messages", body: messages, seeds: wire::message_seeds },
    Target { name: "ticket", body: ticket, seeds: flight::ticket_seeds },
    Target { name: "columns", body: columns, seeds: flight::column_seeds },
    Target { name: "partial", body: partial, seeds: flight::partial_seeds },
    Target { name: "table", body: table, seeds: flight::table_seeds },
    Target { name: "frame", body: frame, seeds: peer::frame_seeds },
    Target { name: "computation", body: computation, seeds: peer::computation_seeds },
    Target { name: "metadata", body: metadata, seeds: register::metadata_seeds },
    Target { name: "csv", body: csv, seeds: register::csv_seeds },
    Target { name: "settings", body: settings, seeds: text::settings_seeds },
    Target { name: "audit", body: audit, seeds: text::audit_seeds },
];
