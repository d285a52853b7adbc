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
//! | `attacks` | attacks 1 to 3, 20b to 23 and 25 of the catalogue of attacks fail |
//! | `attacks_across` | attacks 13, 14c and 14d |
//! | `edits` | rule 6: edits that touch few units |
//! | `policy` | an owner's policy and stop switch decide, also while questions run |
//! | `records` | nothing leaves that is not recorded first |
//! | `sessions` | many at once, and what they keep |
//! | `requests` | bad requests get a clear answer |
//! | `watching` | what is told to those who watch, and nothing else |
//! | `fuzzed` | what fuzzing has found stays found |
//! | `layering` | who may know whom, in the source |

mod across_owners;
mod attacks;
mod attacks_across;
mod attacks_on_sums;
mod edits;
mod examples;
mod fuzzed;
mod layering;
mod long_script;
mod many_owners;
mod policy;
mod prepared;
mod protected;
mod records;
mod requests;
mod rogue;
mod sessions;
mod signed;
mod views;
mod views_across;
mod watching;

use kobling_tests::registers::REQUIRE_ALL;
use kobling_tests::world::World;

/// A script over all three owners' datastores, or over the two that there are.
fn script(world: &World, rest: &str) -> String {
    let known = |line: &&str| {
        let owner = line.rsplit(' ').next().expect("an alias");
        world.federation.nodes.iter().any(|node| node.id.as_str() == owner)
    };
    let requires: Vec<&str> = REQUIRE_ALL.lines().filter(known).collect();
    format!("{}\ncreate-dataset d\n{rest}\n", requires.join("\n"))
}
