//! What all rates rest on that are measured in clear: in this very run, the system and the reference give the same tables, byte for byte,
//! and refuse and warn alike.

use super::Measure;
use super::lab::Lab;
use super::rate::Bound;

const IMPORTS: &str = "\
import ssb/KJOENN as k
import ssb/BOSTED 2020-01-01 as b
import ssb/SJELDEN as g
import ssb/LONN 2021-05-01 as l
import krg/STED as s
import krg/STADIUM as t
";

/// Questions of every kind that an attack asks in clear: refusals by rules 1 and 5, cells hidden by 4, statistics by 7 and 10, edits by 6.
const QUESTIONS: &[&str] = &[
    "tabulate k s",
    "tabulate g k, missing",
    "tabulate k b, summarize(l) mean std sum",
    "drop if g == \"r1\"\ntabulate k s",
    "keep if g == \"r1\"\ntabulate k",
    "tabulate g",
    "tabulate g, summarize(l) mean",
    "replace l = 0 if k == \"1\"\nsummarize l t",
    "generate far = l > 800000 & t > 2\ntabulate far s",
    "sample 0.9 4711\ntabulate k s",
];

/// 0.
pub(super) fn run(lab: &Lab) -> Vec<Measure> {
    let world = lab.world();
    let mut questions = QUESTIONS.iter().cycle();
    let rate = lab.rate(lab.of(1, 20) * QUESTIONS.len() as u64, || {
        let rest = questions.next().expect("a cycle");
        let script = world.script(&format!("{IMPORTS}{rest}"));
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.check(&script))).is_err()
    });
    vec![Measure::new("tables, refusals and warnings that differ", rate, Bound::Never)]
}
