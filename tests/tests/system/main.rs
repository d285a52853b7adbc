//! Claims about the whole system, in one process.
//!
//! | module | claims |
//! | --- | --- |
//! | `protected` | what comes out equals the reference, byte for byte |
//! | `across_owners` | the same of columns over several owners' values |
//! | `many_owners` | the same of three owners and more |
//! | `prepared` | the same of what owners prepare of their registers |
//! | `long_script` | the same of a whole script of 400 lines |
//! | `examples` | the user documentation's examples run |
//! | `views` | what each party sees says nothing |
//! | `views_across` | the same for three owners and classes of sums |
//! | `attacks` | attacks 1 to 27 of the catalogue of attacks fail, or are known to be open |
//! | `rules_off` | without any one rule an attack succeeds |
//! | `signed` | nothing is run that the platform has not signed, and nothing twice |
//! | `honest` | ordinary questions: how far answers lie from the truth, and how many are refused |
//! | `edits` | rule 6: edits that touch few units |
//! | `memory` | rule 13: populations that differ by few |
//! | `budget` | rule 14: how many cells a population may be cut into |
//! | `policy` | an owner's policy and stop switch decide, also while questions run |
//! | `records` | nothing leaves that is not recorded first |
//! | `cosigned` | nothing is answered from a log that others have not cosigned, or know otherwise |
//! | `sessions` | many at once, and what they keep |
//! | `requests` | bad requests get a clear answer |
//! | `watching` | what is told to those who watch, and nothing else |
//! | `fuzzed` | what fuzzing has found stays found |
//! | `layering` | who may know whom, in the source |

mod across_owners;
mod attacks;
mod budget;
mod cosigned;
mod edits;
mod examples;
mod fuzzed;
mod honest;
mod layering;
mod long_script;
mod many_owners;
mod memory;
mod policy;
mod prepared;
mod protected;
mod records;
mod requests;
mod rules_off;
mod sessions;
mod signed;
mod views;
mod views_across;
mod watching;

use kobling_tests::world::World;

/// A script over all datastores of a world.
fn script(world: &World, rest: &str) -> String {
    world.script(rest)
}
