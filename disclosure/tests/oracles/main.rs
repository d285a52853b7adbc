//! The rules beside programs that others wrote for the same purpose: counts beside the cell-key method of the UK Office for National Statistics,
//! thresholds and dominance beside ACRO. They run where Python has these packages (`.ci/tools.txt` and `.ci/tools-acro.txt`).

mod acro;
mod cell_key;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// What a program beside this file answers to `question`, both as JSON.
fn answer(python: &str, program: &str, question: &Value) -> Value {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles").join(program);
    let mut child = (Command::new(python).arg(program))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    let mut input = child.stdin.take().expect("piped");
    input.write_all(question.to_string().as_bytes()).expect("written");
    drop(input);
    let answered = child.wait_with_output().expect("it ends");
    assert!(answered.status.success(), "the program failed");
    serde_json::from_slice(&answered.stdout).expect("JSON")
}

/// Numbers without pattern (Stafford's variant 13 of MurmurHash3's finaliser on a counter), the same in each run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}
