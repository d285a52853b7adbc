//! The benchmark: that it measures a right answer, and says what later bounds are read from. How fast it is, is no test.

use serde_json::Value;

use crate::program::{folder, run};

#[test]
fn a_case_is_measured_over_four_processes_and_its_tables_are_the_references() {
    let ended = run(["bench", "--case", "linked-table", "--people", "20000", "--overlap", "0.5", "--json"]);
    let ended = ended.with(0);
    let report: Value = serde_json::from_str(ended.out.trim()).expect("JSON, and nothing else");
    let names =
        |value: &Value| -> Vec<String> { value.as_object().expect("fields").keys().cloned().collect() };
    let mut fields = [
        "case",
        "people",
        "linked",
        "stages",
        "parties",
        "bytes_per_row",
        "pooled_clear_cpu_s",
        "ratio_to_pooled",
    ];
    fields.sort_unstable();
    let mut found = names(&report);
    found.sort_unstable();
    assert_eq!(found, fields);
    assert_eq!(
        (&report["case"], &report["people"], &report["linked"]),
        (&"linked-table".into(), &20_000.into(), &10_000.into())
    );

    let stages = report["stages"].as_array().expect("stages");
    for name in ["link", "table", "further-table", "protection", "pooled", "check"] {
        let stage = stages.iter().find(|stage| stage["name"] == name);
        let wall = stage.and_then(|stage| stage["wall_s"].as_f64()).expect("a stage with its seconds");
        assert!(wall >= 0.0, "{name}");
    }
    let parties = report["parties"].as_array().expect("parties");
    let mut of: Vec<&str> = parties.iter().filter_map(|party| party["name"].as_str()).collect();
    of.sort_unstable();
    assert_eq!(of, ["broker", "fhi", "krg", "ssb"]);
    for party in parties {
        let mut found = names(party);
        found.sort_unstable();
        assert_eq!(found, ["cpu_s", "name", "peak_rss_mb", "received_bytes", "sent_bytes"]);
    }
    let bytes = |name: &str, field: &str| -> u64 {
        let party = parties.iter().find(|party| party["name"] == name).expect("a party");
        party[field].as_u64().expect("bytes")
    };
    // Rows are rounded up to 65 536. Of a row, left sends 160 bytes and right 40, and each 7 for the lift; the dealer 2.
    // Protection and headers are a fixed amount more, a fifth at this size.
    let rows = 65_536;
    let about = |bytes: u64, a_row: u64| (a_row * rows..(a_row * rows) * 5 / 4 + (1 << 20)).contains(&bytes);
    assert!(about(bytes("ssb", "sent_bytes"), 160 + 7));
    assert!(about(bytes("ssb", "received_bytes"), 40 + 7));
    assert!(about(bytes("krg", "received_bytes"), 160 + 7 + 2));
    let a_row = report["bytes_per_row"].as_f64().expect("a number") * 20_000.0;
    assert!(about(a_row as u64, 216), "{a_row}");
}

#[test]
fn cases_over_three_owners_are_measured_and_take_less_than_two_kilobytes_a_row() {
    for case in ["three-owners", "survival-time"] {
        let ended = run(["bench", "--case", case, "--people", "60000", "--overlap", "1", "--json"]).with(0);
        let report: Value = serde_json::from_str(ended.out.trim()).expect("JSON, and nothing else");
        assert_eq!((&report["case"], &report["pooled_clear_cpu_s"]), (&case.into(), &Value::Null));
        // Rows are rounded up to 65 536.
        let a_row = report["bytes_per_row"].as_f64().expect("a number") * 60_000.0 / 65_536.0;
        assert!((200.0..2048.0).contains(&a_row), "{case}: {a_row}");
    }
}

#[test]
fn what_the_protection_of_a_thousand_cells_costs_is_told_apart() {
    let ended =
        run(["bench", "--case", "protection", "--people", "60000", "--overlap", "1", "--json"]).with(0);
    let report: Value = serde_json::from_str(ended.out.trim()).expect("JSON, and nothing else");
    let stages = report["stages"].as_array().expect("stages");
    let stage = stages.iter().find(|stage| stage["name"] == "protection").expect("its stage");
    let sent = |name: &str| {
        let parties = stage["parties"].as_array().expect("parties");
        let party = parties.iter().find(|party| party["name"] == name).expect("a party");
        party["sent_bytes"].as_u64().expect("bytes")
    };
    // 1111 cells with their margins, some four kilobytes each in both directions, however many people there are.
    for worker in ["ssb", "krg"] {
        assert!((1 << 20..8 << 20).contains(&sent(worker)), "{worker}: {}", sent(worker));
    }
}

#[test]
fn a_question_over_one_owner_is_measured_beside_the_same_by_one_engine_that_counts_the_same() {
    // That the clear engine's counts are the reference's, and the tables what it makes of them, the command checks itself.
    let ended = run(["bench", "--case", "single-owner", "--people", "20000", "--json"]).with(0);
    let report: Value = serde_json::from_str(ended.out.trim()).expect("JSON, and nothing else");
    assert_eq!((&report["case"], &report["people"]), (&"single-owner".into(), &20_000.into()));
    let single = &report["single"];
    let seconds = |value: &Value| value.as_f64().expect("a number");
    assert!(seconds(&single["direct_cold_cpu_s"]) > 0.0);
    assert!(seconds(&single["direct_warm_cpu_s"]) >= 0.0);
    let runs = single["runs"].as_array().expect("runs");
    let names: Vec<_> = runs.iter().filter_map(|run| run["name"].as_str()).collect();
    assert_eq!(names, ["cold", "new-session", "same-session"]);
    let stages = report["stages"].as_array().expect("stages");
    for run in runs {
        assert!((0.0..=seconds(&run["cpu_s"])).contains(&seconds(&run["protection_cpu_s"])));
        let stage = stages.iter().find(|stage| stage["name"] == run["name"]).expect("a stage of this name");
        let parties = stage["parties"].as_array().expect("parties");
        let all: f64 = parties.iter().map(|party| seconds(&party["cpu_s"])).sum();
        assert!((all - seconds(&run["cpu_s"])).abs() < 1e-6);
    }
}

#[test]
fn figures_that_make_no_case_are_refused() {
    for arguments in [["--people", "19999"], ["--people", "many"], ["--people", "6000001"]] {
        run(["bench"].into_iter().chain(arguments)).with(64);
    }
    run(["bench", "--people", "20000", "--overlap", "1.5"]).with(64).says(&["between 0.01 and 1"]);
    run(["bench", "--people", "20000", "--overlap", "NaN"]).with(64);
    run(["bench", "--people", "20000", "--case", "nothing"]).with(64).says(&["nothing"]);
    run(["bench"]).with(64);
    let full = folder();
    std::fs::write(full.path().join("mine"), "x").expect("written");
    let keep = full.path().to_str().expect("UTF-8");
    run(["bench", "--people", "20000", "--keep", keep]).with(64).says(&["is not empty"]);
}
