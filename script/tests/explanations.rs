//! What `kobling explain` says of a plan.

mod support;

use kobling_script::{Cost, explain};
use support::{PRELUDE, golden, plan_of};

const SCRIPTS: &[(&str, &str)] = &[
    (
        "one_owner",
        "require no.ssb.fdb:54 as db\ncreate-dataset d\nimport db/BEFOLKNING_KJOENN as kjønn\n\
         for år in 2021 2022\nimport db/INNTEKT_WLONN date_fmt($år, 6, 30) as lønn ++ $år\nend\n\
         generate økt = lønn2022 > lønn2021 * 1.05\nkeep if lønn2021 > 0 & kjønn == \"2\"\ntabulate økt, rowpct\n",
    ),
    (
        "two_owners",
        "require no.ssb.fdb:54 as db\nrequire no.krg.kreft:2 as kreft\ncreate-dataset d\n\
         import db/BEFOLKNING_KJOENN as kjønn\nimport db/INNTEKT_WLONN 2022-06-30 as lønn\nimport kreft/KRG_LOKALISASJON as sted\n\
         import kreft/KRG_STADIUM as stadium\nkeep if kjønn == \"2\" | stadium > 2\n\
         generate rest = lønn - 1000 * stadium\ntabulate sted kjønn, freq summarize(rest) mean std\nsummarize lønn\n",
    ),
    (
        "three_owners",
        "generate sum = lønn / 500000 >= 1 | stadium + doser >= 4\ntabulate kommune doser if sum, missing\n\
      generate til = stadium + doser\nrecode til (min/3 = 1) (4/max = 2)\ntabulate til sivstand\n",
    ),
];

#[test]
fn a_plan_is_explained_as_on_record() {
    for (name, script) in SCRIPTS {
        let script =
            if *name == "three_owners" { format!("{PRELUDE}{script}") } else { (*script).to_owned() };
        let plan = plan_of(&script);
        let cost = |question: &kobling_model::plan::Question| {
            let joined = !question.sums.is_empty();
            question.right.as_ref().map(|_| Cost { joined, bytes_per_row: 100.0 })
        };
        golden(&format!("explanation/{name}"), &format!("{script}\n{}", explain(&plan, cost)));
    }
}
