//! The log that every party keeps, and what an outsider can check about it.
//!
//! A question runs without anybody's application, so this log is the only account of who asked what of
//! whose data, and what left. Four things are done here:
//!
//! - [`log`] appends a record and returns once it is durable. *Record before answer*: whoever is about to
//!   let a bit or byte out appends first, and lets nothing out on an error.
//! - [`verify`](mod@verify) reads a log as an outsider and names the first entry that is wrong.
//! - [`reconcile`](mod@reconcile) lays the logs of several parties side by side and names what one of them hides or tells
//!   differently.
//! - [`summary`] lists what was asked, for people.
//!
//! The file format is in [`chain`], and for auditors with tools of their own in `docs/AUDITING.md`.
//! Absent so far: a Merkle tree, signed checkpoints and cosignatures. Without them a log that was cut at
//! its end, or rewritten from some entry on, shows only against a [`Head`] that somebody noted earlier.

pub mod chain;
#[cfg(test)]
mod fixture;
pub mod log;
pub mod reconcile;
pub mod summary;
pub mod verify;

pub use chain::{BadEntry, Entry, Fault, Head};
pub use log::{AuditLog, LogError, SharedLog};
pub use reconcile::{Finding, What, reconcile};
pub use verify::{HeadMismatch, VerifiedLog, VerifyError, verify};
