//! Attacks 1, 2 and 3: more samples of one noise, by asking again, in other words, or with conditions that always hold.
//!
//! The attacker is a researcher who wants two different answers about one set of people. Tries to break: noise that is a function of the
//! set (rule 3). Bound: not one differs.

use kobling_model::table::Cell;

use super::Measure;
use super::lab::Lab;
use super::rate::{Bound, Rate};
use crate::world::World;

const IMPORTS: &str = "import ssb/KJOENN as k\nimport krg/STED as s\nimport ssb/BOSTED 2020-01-01 as b\nimport krg/STADIUM as t\n";

/// 1: across restarts of every party and sessions.
pub(super) fn again(lab: &Lab) -> Vec<Measure> {
    let mut world = World::of(Lab::owners()).found();
    let question = world.script(&format!("{IMPORTS}tabulate k s b, missing"));
    let first = world.check(&question).bytes();
    let asked = lab.of(12, 1000);
    let between = asked / 6;
    let mut at = 0;
    let rate = lab.rate(asked, || {
        at += 1;
        if at % between == 0 {
            match at / between % 5 {
                0 => drop(world.new_session()),
                1 => world.restart_broker(),
                2 => world.restart_node("krg"),
                3 => world.restart_node("ssb"),
                _ => world.restart_node("fhi"),
            }
        }
        world.run(&question).bytes() != first
    });
    vec![
        Measure::new("answers that differ", rate, Bound::Never)
            .noted("with restarts of every party in between"),
    ]
}

/// One set of people, in many words.
const WORDS: &[&str] = &[
    "tabulate k s if b != \"D\" & !sysmiss(b){also}",
    "tabulate k s if inlist(b, \"A\", \"B\", \"C\"){also}",
    "tabulate k s if (b == \"C\" | b == \"B\" | b == \"A\"){also}",
    "tabulate k s if b < \"D\"{also}",
    "tabulate k s if b <= \"C\" & substr(b, 1, 1) != \"D\"{also}",
    "tabulate k s if !(b == \"D\" | sysmiss(b)){also}",
    "keep if b < \"D\"{also}\ntabulate k s",
    "generate with = b != \"D\" & length(b) == 1\nkeep if with{also}\ntabulate k s",
    "recode b (\"D\" = .)\nkeep if !sysmiss(b){also}\ntabulate k s",
    // Another column of the same values.
    "generate k2 = lower(trim(k))\ngenerate s2 = upper(s)\ntabulate k2 s2 if b < \"D\"{also}",
];

/// Conditions that always hold.
const ALWAYS: &[&str] = &[
    "",
    " & 1 == 1",
    " & (k == \"1\" | k != \"1\")",
    " & (sysmiss(t) | t * 0 == 0)",
    " & (t < 3 | t >= 3 | sysmiss(t))",
];

/// How many of these tables differ from the first wording's.
fn differing(lab: &Lab, wordings: impl Iterator<Item = (&'static str, &'static str)>) -> Rate {
    let world = lab.world();
    let cells = |(words, always): (&str, &str)| -> Vec<Cell> {
        let result = world.check(&world.script(&format!("{IMPORTS}{}", words.replace("{also}", always))));
        result.tables.last().unwrap_or_else(|| panic!("{words}: {:?}", result.job)).cells.clone()
    };
    let first = cells((WORDS[3], ""));
    let mut wordings = wordings.peekable();
    let (mut right, mut trials) = (0, 0);
    while wordings.peek().is_some() && !lab.is_stopped() {
        trials += 1;
        right += u64::from(cells(wordings.next().expect("one is left")) != first);
    }
    Rate::Counted { right, trials }
}

/// 2.
pub(super) fn other_words(lab: &Lab) -> Vec<Measure> {
    let always = &ALWAYS[..lab.of(1, ALWAYS.len())];
    let wordings = WORDS.iter().flat_map(|words| always.iter().map(move |always| (*words, *always)));
    vec![Measure::new("tables that differ", differing(lab, wordings), Bound::Never)]
}

/// 3.
pub(super) fn always_true(lab: &Lab) -> Vec<Measure> {
    let wordings = ALWAYS.iter().map(|always| (WORDS[3], *always));
    vec![Measure::new("tables that differ", differing(lab, wordings), Bound::Never)]
}
