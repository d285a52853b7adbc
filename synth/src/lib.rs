//! Believable registers of people who do not exist, in the dataset format: for the demo, benchmarks and tests.
//!
//! Three owners' registers are made from one seed: Statistics Norway's (`no.ssb.fdb`), the Cancer Registry's
//! (`no.krg.kreft`) and the Institute of Public Health's (`no.fhi.helse`). Marginals are near Norway's, and what
//! one owner knows depends on what another knows (lung cancer on education, vaccination on country of birth), so
//! that a table over two owners is worth reading. One program gives the same bytes for the same [`Config`], always;
//! builds for other machines may differ where their logarithms differ in the last bit.
//!
//! Everybody is a test person: the month of the identity number is raised by 80, which no living person's ever
//! is. Nobody is a canary of the linkage (see `kobling_model::identity`).
//!
//! Reading order: [`population`] draws people from the tables of facts ([`facts`]), `derived` gives them jobs and stays
//! in hospital, and `kin` makes them families; [`dataset`] says what each register variable is; [`write`](mod@write)
//! turns people into files. [`linked`] makes the benchmark's registers.
//! Apart from these, [`invent`](mod@invent) makes data for whatever metadata it is given.

mod chance;
pub mod dataset;
mod derived;
mod draw;
pub mod facts;
pub mod invent;
mod kin;
pub mod linked;
mod number;
pub mod population;
pub mod write;

pub use dataset::{Dataset, OWNERS, OwnerRegisters};
pub use population::{Config, Person, Population, UnusableConfig};
pub use write::{Summary, write_registers};
