//! Attack 12: an expression that goes wrong for one person only.
//!
//! The attacker writes a division by zero, an overflow or a function outside its domain that fires only if the victim has a value, where the
//! column that comes of it decides nothing. Tries to break: that arithmetic has no errors that depend on data. Bound: status, bytes,
//! warnings, stages and the shape of every message are the same whether it fires or not.
//!
//! The same of what is refused, or not carried out, whatever the victim's value: status, problem, warnings and messages are the same whether
//! he is among the few or nobody is.
//!
//! How long it takes is in `times`.

use std::collections::BTreeMap;

use kobling_proto::common::v1::Problem;

use super::lab::Lab;
use super::rate::Bound;
use super::{Measure, times};
use crate::world::World;

/// 12.
pub(super) fn run(lab: &Lab) -> Vec<Measure> {
    let mut measures = vec![errors(lab), refusals(lab)];
    measures.extend(times::run(lab));
    measures
}

/// Expressions that go wrong where the wage `l` is V, and only there: all other wages are whole thousands.
const FAULTS: &[&str] = &[
    "1 / (l - V)",
    "l % (l - V)",
    "ln(abs(l - V))",
    "sqrt(abs(l - V) - 1)",
    "exp(1000000 / (0.0001 + abs(l - V)))",
    "(l == V) * 10 ** 400",
    "1 / (abs(l - V) > 0)",
    "acos(1 + (l == V))",
    "substr(\"abc\", 1 / (l - V), 1)",
    "quarter((l == V) * 100000000000000)",
];

const VICTIMS_WAGE: u32 = 777;
const NOBODYS_WAGE: u32 = 778;

/// What a researcher, and whoever sees the messages, sees of an answer.
#[derive(PartialEq)]
struct Seen {
    state: i32,
    problem: Problem,
    line: u32,
    warnings: Vec<(u32, String)>,
    bytes: String,
    stages: BTreeMap<String, Vec<String>>,
    messages: BTreeMap<(String, String, String), usize>,
}

/// A world in which one person has the victim's wage, and nobody has the other.
fn world() -> World {
    let mut owners = Lab::owners();
    owners[0].dataset("LONN").rows[1][1] = VICTIMS_WAGE.to_string();
    World::of(owners).found()
}

/// Runs a script, where V stands for this wage, in a session of its own.
fn see(world: &World, script: &str, wage: u32) -> Seen {
    let script = script.replace('V', &wage.to_string());
    world.new_session();
    world.tap.forget();
    let result = world.run(&world.script(&format!(
        "import ssb/KJOENN as k\nimport ssb/LONN 2021-05-01 as l\nimport krg/STED as s\n{script}"
    )));
    let warnings = result.job.warnings.iter().map(|warning| (warning.line, warning.message.clone()));
    Seen {
        state: result.state() as i32,
        problem: result.problem(),
        line: result.job.line,
        warnings: warnings.collect(),
        bytes: result.bytes(),
        stages: super::outside::stages(&result),
        messages: super::outside::messages(world),
    }
}

/// What is refused, or not carried out, with the victim and without.
const REFUSED: &[&str] = &[
    "keep if l == V\ntabulate k",
    "keep if l == V & s == \"C50\"\ntabulate k",
    "drop if l == V\ntabulate k",
    "generate x = 1 if l == V\ntabulate x k if k != k",
    "replace k = \"2\" if l == V\nkeep if l == V\ntabulate k",
];

fn refusals(lab: &Lab) -> Measure {
    let world = world();
    let mut scripts = REFUSED.iter();
    let rate = lab.rate(REFUSED.len() as u64, || {
        let script = scripts.next().expect("one is left");
        let [is_there, is_not] = [VICTIMS_WAGE, NOBODYS_WAGE].map(|wage| see(&world, script, wage));
        assert!(
            !is_there.problem.code.is_empty() || !is_there.warnings.is_empty(),
            "neither refused nor warned of: {script}"
        );
        is_there != is_not
    });
    Measure::new("status, problem, warnings, messages of what is refused", rate, Bound::Never)
}

fn errors(lab: &Lab) -> Measure {
    let world = world();
    let see = |fault: &str, wage: u32| {
        see(&world, &format!("generate x = {fault}\ntabulate k s if sysmiss(x) | !sysmiss(x)"), wage)
    };
    let mut faults = FAULTS.iter();
    let mut taken = 0;
    let rate = lab.rate(FAULTS.len() as u64, || {
        let fault = faults.next().expect("one is left");
        let [fires, rests] = [VICTIMS_WAGE, NOBODYS_WAGE].map(|wage| see(fault, wage));
        taken += usize::from(rests.bytes.len() > 2);
        fires != rests
    });
    assert!(
        lab.is_stopped() || taken >= FAULTS.len() / 2,
        "most faults are not even taken by the language: {taken}"
    );
    Measure::new("status, bytes, stages, messages", rate, Bound::Never)
        .noted(format!("{taken} of {} faults can be written", FAULTS.len()))
}
