//! The log that every party keeps, and what an outsider can check about it.
//!
//! A question runs without anybody's application, so this log is the only account of who asked what of
//! whose data, and what left. Six things are done here:
//!
//! - [`log`] appends a record and returns once it is durable. *Record before answer*: whoever is about to
//!   let a bit or byte out appends first, and lets nothing out on an error.
//! - [`verify`](mod@verify) reads a log as an outsider and names the first entry that is wrong.
//! - [`reconcile`](mod@reconcile) lays the logs of several parties side by side and names what one of them hides or tells
//!   differently.
//! - [`witness`] cosigns the others' logs, [`cosigning`] has this party's own log cosigned by them, and [`agreement`] holds a log
//!   against what others have cosigned of it: whether everyone saw the same log.
//! - [`summary`] lists what was asked, for people, [`select`] what of it they want to see, [`report`] how often.
//! - [`seal`] encrypts records to the keys of auditors.
//!
//! A log is a Merkle tree in the tile format of C2SP: [`tree`] and `tile`, [`leaf`] (what is committed to, and what lies
//! beside it) and [`checkpoint`] (what is signed). For auditors with tools of their own it is in `docs/AUDITING.md`.
//! A log that was cut at its end, or written anew by its party, is whole by itself: it shows against what others have cosigned, or against a
//! [`Head`] or checkpoint that somebody noted earlier.

pub mod agreement;
pub mod build;
pub mod checkpoint;
pub mod cosignature;
pub mod cosigning;
mod files;
#[cfg(test)]
mod fixture;
pub mod leaf;
pub mod log;
mod note;
pub mod proof;
pub mod reconcile;
pub mod report;
pub mod seal;
pub mod select;
pub mod summary;
mod tile;
pub mod tree;
pub mod verify;
mod walk;
pub mod witness;

pub use checkpoint::{LogKey, PublicKey};
pub use cosigning::Cosigning;
pub use log::{AuditLog, LogError, SharedLog};
pub use reconcile::{Finding, What, reconcile};
pub use seal::{AuditorKey, Auditors};
pub use tree::Head;
pub use verify::{Entry, HeadMismatch, VerifiedLog, VerifyError, verify, verify_with};
pub use walk::{BadEntry, Fault};
pub use witness::Witness;
