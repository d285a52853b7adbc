//! Which numbers may become public, and in what form: what an owner's statistician audits.
//!
//! Three things, none of which touches data: the perturbation table that says how much noise a count gets
//! ([`perturb`], made by [`generator`]), the owner's settings ([`policy`]) and the rules that those settings
//! put numbers to ([`rule`]). The protocol on shares asks this crate for thresholds and bounds and evaluates
//! them without seeing a count; nothing here ever holds a true count of people. The rules in words, with
//! every number, are in `docs/PROTECTION.md`.

pub mod cleared;
pub mod generator;
pub mod memory;
pub mod perturb;
pub mod policy;
pub mod rule;

pub use perturb::PerturbationTable;
pub use policy::Policy;
