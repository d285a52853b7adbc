//! Scripts of 400 lines that mix everything, as a researcher has them after some weeks: their plans and what is told of them.

mod support;

use std::fs;
use std::path::Path;

use kobling_script::{Cost, check, explain};
use support::{catalogue, described_plan, golden, plan_of, rendered};

const SCRIPTS: [&str; 3] = ["kreft", "livsløp", "vaksine"];

fn script(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts").join(format!("{name}.txt"));
    fs::read_to_string(path).expect("the script is there")
}

#[test]
fn a_long_script_has_the_plan_and_the_explanation_on_record() {
    for name in SCRIPTS {
        let source = script(name);
        if let Err(diagnostics) = check(&source, &catalogue()) {
            panic!("{}", rendered(&diagnostics, &source));
        }
        assert!(source.lines().count() >= 395);
        let plan = plan_of(&source);
        if name == "kreft" {
            golden("long/kreft.plan", &described_plan(&plan));
        }
        golden(&format!("long/{name}.explanation"), &explain(&plan, |_| None::<Cost>));
    }
}
