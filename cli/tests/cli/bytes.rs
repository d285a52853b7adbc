//! What a table costs on the sockets of four processes, beside what the protocol says it costs.

use std::fs;
use std::path::Path;

use crate::federation::federation;
use crate::program::file;

/// Men and women.
const LEFT: u64 = 2;
/// Sites of cancer in the code list.
const RIGHT: u64 = 22;
/// 20 000 people and the decoys, rounded up.
const ROWS: u64 = 65_536;

fn script(tables: usize) -> String {
    // Conditions that all hold, each on both sides: what is the same would travel once.
    let table = |at| format!("tabulate sex site if sex != \"x{at}\" & site != \"x{at}\"\n");
    format!(
        "require no.ssb.fdb:1 as ssb\nrequire no.krg.kreft:1 as krg\ncreate-dataset d\n\
         import ssb/BEFOLKNING_KJOENN as sex\nimport krg/KRG_LOKALISASJON as site\n{}",
        (0..tables).map(table).collect::<String>()
    )
}

/// Bytes that the loopback interface has carried: each once, headers of TCP and IP included.
fn carried() -> u64 {
    let devices = fs::read_to_string("/proc/net/dev").expect("Linux counts what its interfaces carry");
    let loopback = devices.lines().find_map(|line| line.trim().strip_prefix("lo:")).expect("a loopback");
    loopback.split_whitespace().next().expect("a count").parse().expect("a number")
}

/// Bodies of one more table, by PROTOCOL.md, section 13.
fn by_the_formulas() -> u64 {
    let (cells, stretches) = (LEFT * RIGHT, ROWS / 16_384);
    let columns = ROWS * (8 * LEFT + 2 * RIGHT);
    // Corrections and the two workers' bits of every stretch; key sums; wraps in two rings.
    let lifting = cells * (stretches * 3 * 2 + 3 * 2 + 2 + 3 * 16);
    let shown = (LEFT + 1) * (RIGHT + 1);
    let wires = shown.div_ceil(64);
    let protection = 2 * (111_016 * wires + 8 * shown + 23_680) + 58_280 * wires + 4 * shown + 11_840;
    columns + lifting + protection
}

#[test]
#[ignore = "needs a loopback interface that nothing else uses meanwhile"]
fn one_more_table_moves_what_the_formulas_say_over_the_sockets() {
    let federation = federation();
    let home = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let moved = |tables: usize| {
        let script = file(home, &format!("bytes-{tables}.kob"), script(tables));
        let before = carried();
        federation.run(&script).with(0);
        carried() - before
    };
    // The first run links as the others do; what differs is tables alone.
    let (few, many) = (moved(1), moved(5));
    let (a_table, formulas) = ((many - few) / 4, by_the_formulas());
    println!("a table of {LEFT} × {RIGHT}: {a_table} bytes on the sockets, {formulas} in bodies");
    assert!(a_table >= formulas, "{a_table} bytes cannot carry bodies of {formulas}");
    // Headers of messages, TLS, HTTP/2, TCP and IP, records of the broker's calls: a tenth at most.
    assert!(a_table * 10 <= formulas * 11, "{a_table} bytes for bodies of {formulas}");
}
