//! Attacks 9 and 10: what the language lets be written.
//!
//! 10: the attacker builds vectors that tell rows apart (row number, hash of an identity, rank, a draw of its own) to invert
//! covariances with. Tries to break: rule 15. Bound: refused, each of them, and no plan is made. 9: models are not in this version.

use super::Measure;
use super::lab::Lab;
use super::rate::{Bound, Rate};

/// 9.
pub(super) fn models(_: &Lab) -> Vec<Measure> {
    vec![Measure::missing("models", Bound::Never)]
}

const IMPORTS: &str = "import ssb/KJOENN as k\nimport ssb/LONN 2021-05-01 as l\nimport krg/STED as s\n";

/// Vectors of rows, or what they could be made of.
const VECTORS: &[&str] = &[
    "generate x = _n\nsummarize x",
    "generate x = _N\nsummarize x",
    "generate x = rownumber()\nsummarize x",
    "generate x = row_number()\nsummarize x",
    "generate x = rank(l)\nsummarize x",
    "generate x = rank(PERSONID_1)\nsummarize x",
    "generate x = hash(PERSONID_1)\nsummarize x",
    "generate x = hash(l)\nsummarize x",
    "generate x = md5(l)\nsummarize x",
    "generate x = PERSONID_1\nsummarize x",
    "generate x = substr(PERSONID_1, 1, 6)\ntabulate x",
    "generate x = to_int(PERSONID_1)\nsummarize x",
    "generate x = PERSONID_1 / 2\nsummarize x",
    "generate x = length(PERSONID_1)\ntabulate x",
    "tabulate PERSONID_1",
    "summarize PERSONID_1",
    "recode PERSONID_1 (min/max = 1)\ntabulate PERSONID_1",
    "keep if PERSONID_1 == \"01010112345\"\ntabulate k",
    "drop if PERSONID_1 < \"15000000000\"\ntabulate k",
    "tabulate k if _n < 800",
    "tabulate k if PERSONID_1 != k",
    "generate x = runiform()\nsummarize x",
    "generate x = random()\nsummarize x",
    "generate x = unit_id\nsummarize x",
    "generate x = l[1]\nsummarize x",
    "sort l\ngenerate x = _n\nsummarize x",
];

/// 10.
pub(super) fn row_vectors(lab: &Lab) -> Vec<Measure> {
    let world = lab.world();
    let catalogue = world.catalogue();
    let has_plan =
        |rest: &str| kobling_script::plan(&world.script(&format!("{IMPORTS}{rest}")), &catalogue).is_ok();
    // What is refused is the vector, not the way of asking.
    assert!(
        has_plan("generate x = l / 2\nsummarize x") && has_plan("tabulate k if l < 800"),
        "an honest column is refused"
    );
    let right = VECTORS.iter().filter(|vector| has_plan(vector)).count() as u64;
    let rate = Rate::Counted { right, trials: VECTORS.len() as u64 };
    vec![Measure::new("vectors that the language takes", rate, Bound::Never)]
}
