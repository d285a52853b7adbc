//! How long it takes to check a script of 400 lines that mixes everything: `cargo run --release -p kobling-script --example check_speed`.
//!
//! Figures mean something in a release build only.

#[path = "../tests/support/mod.rs"]
mod support;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use support::{PRELUDE, catalogue};

/// A script of so many lines, over three owners.
fn script(lines: usize) -> String {
    let mut script = PRELUDE.to_owned();
    let mut at = 0;
    while script.lines().count() + 8 <= lines {
        writeln!(
            script,
            "generate gruppe{at} = 1 if lønn < {at}00000 | stadium == 2\nreplace gruppe{at} = 2 if lønn >= {at}00000 & kjønn == \"1\"\n\
             recode sivstand (1 = 1 ugift) (2 = 2 gift) (* = 3 annet), prefix(r{at}_)\n\
             for år, navn in 2021 : 2022, a b\nimport db/INNTEKT_WLONN date_fmt($år, 6, 30) as $navn ++ \"_{at}_\" ++ $år\nend\n\
             tabulate gruppe{at} r{at}_sivstand if stadium > 1 & doser < 3, freq rowpct missing\nsummarize a_{at}_2021 lønn if kommune == \"0301\""
        )
        .expect("writing to memory does not fail");
        at += 1;
    }
    while script.lines().count() < lines {
        script.push_str("// the rest\n");
    }
    script
}

fn main() {
    let (script, catalogue) = (script(400), catalogue());
    let mut times: Vec<Duration> = Vec::new();
    let mut questions = 0;
    for _ in 0..50 {
        let clock = Instant::now();
        let checked = kobling_script::check(&script, &catalogue);
        times.push(clock.elapsed());
        questions = checked.expect("the script is in order").plan.questions.len();
    }
    times.sort();
    let (median, slowest) = (times[times.len() / 2], times[times.len() - 1]);
    println!(
        "{} lines, {questions} questions: median {median:.1?}, slowest of 50 {slowest:.1?}",
        script.lines().count()
    );
}
