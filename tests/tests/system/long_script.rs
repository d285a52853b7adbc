//! A whole script of 400 lines, as a researcher has it after some weeks, gives what the reference gives: each table byte for byte.

use kobling_proto::platform::v1::JobState;
use kobling_tests::registers::Mix;

use super::prepared;

const SCRIPT: &str = include_str!("long_script.txt");

#[test]
fn a_script_of_four_hundred_lines_gives_the_tables_of_the_reference() {
    // One population of it is cut into more than four hundred cells (rule 14).
    let (world, _registers) = prepared::world_of(Mix { people: 9600, ..Mix::of(97) });
    let ran = world.check(SCRIPT);
    assert_eq!(ran.state(), JobState::Done, "{:?}", ran.job);
    assert!(ran.tables.len() > 50, "{} tables", ran.tables.len());
    let told = ran.tables.iter().filter(|table| prepared::tells_apart(table)).count();
    assert!(told * 10 >= ran.tables.len() * 9, "{told} of {} tables say something", ran.tables.len());
    // Of the edits one touches three people, and one nobody.
    let lines: Vec<&str> =
        ran.job.warnings.iter().filter_map(|warning| SCRIPT.lines().nth(warning.line as usize - 1)).collect();
    for edit in [
        "replace kvartil = 3 if gruppe == \"r1\"",
        "keep if gruppe != \"r2\" | kjønn == \"1\" | kjønn == \"2\"",
    ] {
        assert!(lines.contains(&edit), "{lines:?}");
    }
}
