//! The whole system in one process, an independent reference, and recorders between the parties.
//!
//! | module | what |
//! | --- | --- |
//! | [`mod@reference`] | what a protected table must be, computed from pooled clear registers |
//! | [`world`] | nodes and broker on loopback, founded as operators do it |
//! | [`tap`] | what each party sees of the others, and a hand on what passes |
//! | [`registers`], [`dice`] | small registers of invented people |
//! | [`certificates`] | good and bad ones |
//! | [`collector`] | what an operator has spans sent to |
//! | [`rogue`] | a broker that does as it likes |
//! | [`attack`] | the attack suite: what is tried, how often it succeeds, the bound |
//! | [`honest`] | ordinary questions: how far what is shown lies from the truth, and how many are refused |
//! | [`fuzz`] | what is done with bytes that nobody chose, for each decoder |
//!
//! The claims are in `tests/system/`. Tests that start processes and kill them are in `cli/tests/`.

pub mod attack;
pub mod certificates;
pub mod collector;
pub mod dice;
pub mod fuzz;
pub mod honest;
pub mod registers;
pub mod rogue;
pub mod tap;
pub mod world;

/// What a protected table must be: a crate of its own, since the benchmark judges its tables by it too.
pub use kobling_reference as reference;
