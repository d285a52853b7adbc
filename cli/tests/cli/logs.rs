//! Audit logs as an outsider checks them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use kobling_audit::{AuditLog, LogKey};
use kobling_model::OwnerId;
use kobling_model::record::Event;
use serde_json::Value;

use crate::federation::{PARTIES, SHORT, federation};
use crate::program::{file, folder, run, wait_for};

#[test]
fn logs_of_all_parties_are_whole_fit_together_and_are_shown_to_people() {
    let federation = federation();
    for party in PARTIES {
        let log = federation.state(party).join("audit");
        let verified = run([Path::new("audit"), Path::new("verify"), &log]).with(0);
        assert!(verified.out.contains(&format!("log of {party}")), "{}", verified.out);
    }
    federation.logs_fit();
    let log = federation.state("ssb").join("audit");
    let show =
        |more: &[&Path]| run([&[Path::new("audit"), Path::new("show"), &log], more].concat()).with(0).out;
    let shown = show(&[Path::new("--key"), &federation.auditor_key()]);
    for expected in [
        "imported no.ssb.fdb 1.0.0",
        "asked by \"A researcher\"",
        "(signed)",
        "for \"Trying Kobling",
        "request ",
        "released",
    ] {
        assert!(shown.contains(expected), "no {expected:?} in\n{shown}");
    }

    // To anybody else: what the operator did, and how much there is beside that.
    let unopened = show(&[]);
    assert!(unopened.contains("imported no.ssb.fdb 1.0.0"), "{unopened}");
    assert!(unopened.contains("further records are sealed"), "{unopened}");
    assert!(!unopened.contains("A researcher"), "{unopened}");
    let records = fs::read_to_string(log.join("records/000.jsonl")).expect("records");
    assert!(
        !records.contains("A researcher") && records.contains("\"sealed\""),
        "somebody's name lies in clear"
    );
    for command in ["list", "report"] {
        let told = run([Path::new("audit"), Path::new(command), &log]).with(64);
        told.says(&["records of the log of ssb are sealed", "--key"]);
    }
    let home = folder();
    let stranger = home.path().join("stranger.key");
    let [audit, key, out, with] = ["audit", "key", "--out", "--key"].map(Path::new);
    let made = run([audit, key, out, &stranger]).with(0).out;
    assert!(made.starts_with("age1"), "{made}");
    run([audit, key, out, &stranger]).with(64).says(&["cannot be written"]);
    run([audit, Path::new("list"), &log, with, &stranger]).with(64).says(&["are sealed"]);
    run([audit, Path::new("list"), &log, with, &log.join("key")]).with(64).says(&["holds no auditor's key"]);
}

#[test]
fn a_tampered_log_is_refused_with_the_entry_that_is_wrong() {
    let federation = federation();
    let home = folder();
    let copy = home.path().join("audit");
    copy_log(&federation.state("ssb").join("audit"), &copy);
    let verify = || run([Path::new("audit"), Path::new("verify"), &copy]);
    verify().with(0);
    let records = copy.join("records/000.jsonl");
    let original = fs::read_to_string(&records).expect("a log");

    // Another letter in what is sealed of the first question.
    let at = original.find(r#""event":"opening""#).expect("somebody asked");
    let at = at + original[at..].find(r#"},"sealed":""#).expect("it is sealed") + 100;
    let mut forged = original.clone();
    let other = if &original[at..=at] == "A" { "B" } else { "A" };
    forged.replace_range(at..=at, other);
    let entry = original[..at].lines().count() - 1;
    fs::write(&records, &forged).expect("written");
    verify().with(1).says(&[&format!("entry {entry} ")]);

    // An entry taken out.
    let without: String =
        original.lines().enumerate().filter(|(at, _)| *at != 2).map(|(_, l)| format!("{l}\n")).collect();
    fs::write(&records, without).expect("written");
    verify().with(1).says(&["entry 2 "]);

    // A checkpoint of another party's log.
    fs::write(&records, &original).expect("written");
    fs::copy(federation.state("krg").join("audit/checkpoint"), copy.join("checkpoint")).expect("copied");
    verify().with(1).says(&["another party's log"]);
}

#[test]
fn a_log_is_held_against_the_keys_of_the_federation_and_checkpoints_that_were_kept() {
    let federation = federation();
    let home = folder();
    let roster = federation.folder().join("federation.toml");
    let copy = home.path().join("audit");
    copy_log(&federation.state("ssb").join("audit"), &copy);
    let noted = home.path().join("noted");
    fs::copy(copy.join("checkpoint"), &noted).expect("copied");
    let verify = |log: &Path, federation: &Path, noted: &Path| {
        let [verify, keys, kept] = ["verify", "--federation", "--noted"].map(Path::new);
        run([Path::new("audit"), verify, keys, federation, kept, noted, log])
    };
    let verified = verify(&copy, &roster, &noted).with(0).out;
    assert!(verified.contains("as the federation file has it"), "{verified}");

    // The party's log continues what was kept of it. Another party's was not compared with it.
    let party = federation.state("ssb").join("audit");
    verify(&party, &roster, &noted).with(0);
    verify(&federation.state("krg").join("audit"), &roster, &noted)
        .with(64)
        .says(&["is a checkpoint of none of these logs"]);

    // A log begun anew under the same key.
    let anew = home.path().join("anew");
    let key = fs::read(federation.state("ssb").join("keys/signing.pk8")).expect("a key");
    let key = LogKey::from_pkcs8(&key).expect("a key");
    let mut log = AuditLog::open(&anew, OwnerId::new("ssb").expect("valid"), key).expect("opens");
    verify(&anew, &roster, &noted).with(1).says(&["does not continue", "entries are gone"]);
    let count = kobling_audit::verify(&copy).expect("whole").head().count;
    for now_ms in 0..count {
        log.append(Event::Resumed, now_ms).expect("recorded");
    }
    verify(&anew, &roster, &noted).with(1).says(&["does not continue", "other entries"]);

    // A log that is whole under a key of somebody else.
    let foreign = fs::read(federation.state("krg").join("keys/signing.pk8")).expect("a key");
    let foreign = LogKey::from_pkcs8(&foreign).expect("a key");
    let forged = home.path().join("forged");
    drop(AuditLog::open(&forged, OwnerId::new("ssb").expect("valid"), foreign).expect("opens"));
    verify(&forged, &roster, &noted).with(1).says(&["not signed by the key that the federation file has"]);
    verify(&copy, &noted, &noted).with(64).says(&["cannot be used as a federation file"]);
}

#[test]
fn a_log_that_others_have_cosigned_cannot_be_cut_or_written_anew_unseen() {
    let federation = federation();
    let home = folder();
    let verify = |folder: &Path, json: bool| {
        let [audit, verify, as_json] = ["audit", "verify", "--json"].map(Path::new);
        let json = json.then_some(as_json);
        run([audit, verify, folder].into_iter().chain(json))
    };
    // Within seconds every party cosigns what the others have.
    let cosigned = |party: &str| {
        let out = verify(federation.folder(), true).with(0).out;
        let logs: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let log = logs.iter().find(|log| log["party"] == party).expect("the log").clone();
        let some = |by: &Value| by["entries"].as_u64().is_some_and(|entries| entries > 0);
        log["key_is_pinned"] == true && log["cosigned"].as_array().expect("witnesses").iter().all(some)
    };
    let all = || PARTIES.iter().all(|party| cosigned(party)).then_some(());
    wait_for("cosignatures of all logs", Duration::from_secs(60), all);
    let told = verify(federation.folder(), false).with(0).out;
    assert!(told.contains("cosigned by krg at "), "{told}");

    let all = home.path().join("all");
    fs::create_dir(&all).expect("made");
    fs::copy(federation.folder().join("federation.toml"), all.join("federation.toml")).expect("copied");
    // Other questions may be asked meanwhile: a witness's copy may be later than that of the log.
    let copied = || {
        for party in PARTIES {
            let _ = fs::remove_dir_all(all.join(party));
            copy_log(&federation.state(party).join("audit"), &all.join(party));
        }
        (verify(&all, false).code == Some(0)).then_some(())
    };
    wait_for("copies that fit", Duration::from_secs(60), copied);
    // ssb writes its log anew, under its own key.
    let count = kobling_audit::verify(&all.join("ssb")).expect("whole").head().count;
    fs::remove_dir_all(all.join("ssb")).expect("removed");
    let key = fs::read(federation.state("ssb").join("keys/signing.pk8")).expect("a key");
    let key = LogKey::from_pkcs8(&key).expect("a key");
    let mut log = AuditLog::open(&all.join("ssb"), OwnerId::new("ssb").expect("valid"), key).expect("opens");
    verify(&all, false).with(1).says(&["the log of ssb has fewer entries than broker cosigned at"]);
    for now_ms in 0..count {
        log.append(Event::Resumed, now_ms).expect("recorded");
    }
    let other = verify(&all, true).with(1).out;
    let problem = "has other entries than the one that broker has cosigned";
    assert!(other.lines().any(|line| line.contains(problem)), "{other}");
}

#[test]
fn a_node_whose_log_was_put_back_ends_with_a_sentence_and_goes_on_with_the_right_one() {
    let mut federation = federation();
    let home = folder();
    let (earlier, later) = (home.path().join("earlier"), home.path().join("later"));
    let audit = federation.state("krg").join("audit");
    copy_log(&audit, &earlier);
    // krg is second worker, and records the question.
    let script = file(home.path(), "short.kob", SHORT);
    federation.run(&script).with(0);
    wait_for("ssb to cosign krg's log", Duration::from_secs(60), || {
        let out =
            run([Path::new("audit"), Path::new("verify"), federation.folder(), Path::new("--json")]).out;
        let mut logs = out.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let krg = logs.find(|log| log["party"] == "krg").expect("krg's log");
        let by_ssb = krg["cosigned"].as_array().expect("witnesses").iter().find(|by| by["party"] == "ssb");
        (by_ssb.expect("ssb")["entries"] == krg["entries"]).then_some(())
    });
    federation.kill("krg");
    federation.end_of("krg");
    let replace = |by: &Path| {
        fs::remove_dir_all(&audit).expect("removed");
        copy_log(by, &audit);
    };
    copy_log(&audit, &later);
    replace(&earlier);
    federation.start("krg");
    let ended = federation.end_of("krg");
    let said = federation.log("krg");
    replace(&later);
    assert_eq!(ended.code(), Some(3), "{said}");
    assert!(said.contains("the node stops: this log is older than what"), "{said}");
    federation.start_all();
    federation.logs_fit();
}

#[test]
fn the_logs_of_a_whole_federation_are_checked_from_one_folder() {
    let federation = federation();
    let home = folder();
    let all = home.path().join("all");
    fs::create_dir(&all).expect("made");
    for file in ["federation.toml", "auditor.key"] {
        fs::copy(federation.folder().join(file), all.join(file)).expect("copied");
    }
    let verify = |folder: &Path| run([Path::new("audit"), Path::new("verify"), folder]);
    let reconcile = |folder: &Path| run([Path::new("audit"), Path::new("reconcile"), folder]);

    // As `demo --keep` leaves them, with the parties running.
    let verified = verify(federation.folder()).with(0).out;
    assert!(PARTIES.iter().all(|party| verified.contains(&format!("log of {party}, "))), "{verified}");
    federation.logs_fit();
    let fits = reconcile(federation.folder()).out;
    assert!(!fits.is_empty() && !fits.contains("breach"), "{fits}");

    // As somebody has put copies together: not all yet.
    for party in ["ssb", "krg", "broker"] {
        copy_log(&federation.state(party).join("audit"), &all.join(party));
    }
    verify(&all).with(64).says(&["has no log of fhi"]);
    reconcile(&all).with(64).says(&["has no log of fhi"]);
    // That of another party in its place.
    copy_log(&federation.state("krg").join("audit"), &all.join("fhi/audit"));
    verify(&all).with(1).says(&["the log of krg stands where that of fhi should"]);
    assert!(reconcile(&all).with(1).out.contains("fhi"));
}

#[test]
fn questions_are_listed_by_who_asked_what_and_how_it_ended() {
    let federation = federation();
    let log = federation.state("ssb").join("audit");
    let list = |filters: &[&str]| {
        let (with, key) = (Path::new("--key"), federation.auditor_key());
        let command = [Path::new("audit"), Path::new("list"), &log, with, &key];
        let command = command.map(|part| part.as_os_str().to_owned());
        run(command.into_iter().chain(filters.iter().map(Into::into)))
    };
    let questions = |filters: &[&str]| -> Vec<Value> {
        let listed = list(&[filters, &["--json"]].concat()).with(0).out;
        listed.lines().map(|line| serde_json::from_str(line).expect("a question")).collect()
    };

    // Other tests ask meanwhile: what is listed of a filter fits it, and what fits was there before.
    let all = questions(&["--outcome", "released"]);
    let one = &all[0];
    let (asker, execution) = (&one["execution"]["asked_by"], &one["execution"]);
    let text = |of: &Value| of.as_str().expect("a text").to_owned();
    let variable = text(&execution["variables"][0]["variable"]);
    let named = format!("{}/{variable}", text(&execution["variables"][0]["datastore"]));
    let owner = text(&execution["owners"][0]);
    let filters = [
        ("--researcher", text(&asker["researcher"])),
        ("--institution", text(&asker["institution"])),
        ("--purpose", text(&asker["purpose"])),
        ("--owner", owner),
        ("--variable", variable),
        ("--variable", named),
        ("--since", "2020-01-01".to_owned()),
        ("--before", "9999-12-31 23:59:59".to_owned()),
    ];
    for (option, given) in &filters {
        assert!(questions(&[option, given, "--outcome", "released"]).contains(one), "{option} {given}");
    }
    assert!(all.iter().all(|question| question["ending"]["outcome"]["outcome"] == "released"));
    for filter in [
        ["--researcher", "Nobody"],
        ["--owner", "nobody"],
        ["--variable", "NOTHING"],
        ["--before", "2020-01-01"],
    ] {
        assert_eq!(questions(&filter), Vec::<Value>::new());
        assert!(list(&filter).with(0).out.contains("No question found."));
    }
    let shown = list(&["--outcome", "released"]).with(0).out;
    assert!(shown.contains(&filters[0].1) && shown.contains(&filters[5].1), "{shown}");

    // The log of each party that took part tells of a question that was released.
    let command = [Path::new("audit"), Path::new("list"), federation.folder(), Path::new("--json")];
    let everywhere = run(command).with(0).out;
    let told = everywhere.lines().map(|line| serde_json::from_str::<Value>(line).expect("a question"));
    let attempt = &execution["attempt"];
    let told: Vec<_> =
        told.filter(|of| of["execution"]["attempt"] == *attempt).map(|of| text(&of["party"])).collect();
    let owners = execution["owners"].as_array().expect("owners").iter().map(text);
    for party in owners.chain(["broker".to_owned()]) {
        assert_eq!(told.iter().filter(|of| **of == party).count(), 1, "{party} of {told:?}");
    }
}

#[test]
fn what_logs_tell_is_exported_for_other_programs() {
    let federation = federation();
    let home = folder();
    let export = |more: &[&str]| {
        let command = ["audit", "export", "--outcome", "released"].map(Into::into);
        let folder = federation.folder().as_os_str().to_owned();
        run(command.into_iter().chain([folder]).chain(more.iter().map(Into::into)))
    };
    let table = export(&["--format", "csv"]).with(0).out;
    let mut lines = table.lines();
    let heading: Vec<&str> = lines.next().expect("a heading").split(',').collect();
    let column = |name: &str| heading.iter().position(|column| *column == name).expect(name);
    let first: Vec<&str> = lines.next().expect("a question").split(',').collect();
    assert_eq!(first.len(), heading.len());
    assert_eq!(first[column("ended")], "released");
    assert_eq!(first[column("researcher")], "A researcher");
    assert_eq!((first[column("content")].len(), first[column("signed")]), (64, "true"));

    let records = export(&["--format", "jsonl"]).with(0).out;
    let records: Vec<Value> = records.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let opened = records.iter().filter(|entry| entry["record"]["event"]["event"] == "opening").count();
    assert_eq!(opened, table.lines().count() - 1, "the same questions");

    // Into a file that is not there yet, for its owner alone.
    let file = home.path().join("questions.csv");
    let to = file.to_str().expect("a path");
    assert!(export(&["--format", "csv", "--out", to]).with(0).out.is_empty());
    assert_eq!(fs::read_to_string(&file).expect("written"), table);
    assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
    export(&["--format", "csv", "--out", to]).with(64).says(&["cannot be written"]);
    assert_eq!(fs::read_to_string(&file).expect("still there"), table);
}

#[test]
fn what_was_used_is_reported_by_month_owner_and_institution() {
    let federation = federation();
    let log = federation.state("broker").join("audit");
    let report = |more: &[&str]| {
        let (with, key) = (Path::new("--key"), federation.auditor_key());
        let command = [Path::new("audit"), Path::new("report"), &log, with, &key];
        let command = command.map(|part| part.as_os_str().to_owned());
        run(command.into_iter().chain(more.iter().map(Into::into))).with(0).out
    };
    let released = report(&["--outcome", "released", "--owner", "ssb", "--json"]);
    let lines: Vec<Value> = released.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let of_ssb = lines.iter().find(|of| of["owner"] == "ssb").expect("ssb's data were used");
    assert_eq!(of_ssb["endings"], serde_json::json!({ "released": of_ssb["questions"] }));
    assert_eq!(of_ssb["rules"], serde_json::json!({}));
    let of_ssbs = |name: &str| name.starts_with("no.ssb");
    let variables = of_ssb["variables"].as_object().expect("counts");
    assert!(!variables.is_empty() && variables.keys().all(|name| of_ssbs(name)), "{variables:?}");

    let shown = report(&["--outcome", "released"]);
    let institution = of_ssb["institution"].as_str().expect("a text");
    let month = of_ssb["month"].as_str().expect("a text");
    let head = format!("{month}, data of ssb, for \"{institution}\"");
    assert!(shown.contains(&head), "no {head} in\n{shown}");
    assert!(report(&["--researcher", "Nobody"]).contains("No question found."));
}

#[test]
fn an_operator_erases_a_record_and_the_log_tells_of_it_and_verifies() {
    let federation = federation();
    let place = |event: &str| {
        let records = federation.records("fhi");
        let entry = records.iter().rev().find(|entry| entry["record"]["event"]["event"] == event);
        entry.and_then(|entry| entry["index"].as_u64()).expect("it is there")
    };
    let (config, state) = (federation.config("fhi"), federation.state("fhi"));
    let erase = |entry: u64, reason: &str| {
        let of_node = ["node".into(), "--config".into(), config.clone().into_os_string(), "--state".into()];
        let rest = ["erase", &entry.to_string(), "--reason", reason].map(Into::into);
        run(of_node.into_iter().chain([state.clone().into_os_string()]).chain(rest))
    };
    // The node serves meanwhile.
    let entry = place("peer-accepted");
    erase(entry, "two\nlines").with(3).says(&["one line"]);
    let erased = erase(entry, "kept long enough").with(0).out;
    assert!(erased.contains(&format!("the record {entry} is erased")), "{erased}");
    erase(entry, "again").with(3).says(&["no record that can be erased"]);
    erase(place("erased"), "again").with(3).says(&["no record that can be erased"]);
    let log = state.join("audit");
    run([Path::new("audit"), Path::new("verify"), &log]).with(0);
    let shown = run([Path::new("audit"), Path::new("show"), &log]).with(0).out;
    assert!(shown.contains(&format!("erased the record {entry}: \"kept long enough\"")), "{shown}");
    federation.logs_fit();

    // The broker's, in a copy of its folder, which no broker uses.
    let home = folder();
    let copy = home.path().join("audit");
    copy_log(&federation.state("broker").join("audit"), &copy);
    let (config, reason) = (federation.config("broker"), Path::new("it named somebody"));
    let erase = |entry: &str| {
        let command = [Path::new("broker"), Path::new("erase"), Path::new("--config"), &config];
        let rest = [Path::new("--state"), home.path(), Path::new(entry), Path::new("--reason"), reason];
        run(command.into_iter().chain(rest))
    };
    assert!(erase("0").with(0).out.contains("the record 0 is erased"));
    erase("999999999").with(3).says(&["no record that can be erased"]);
    run([Path::new("audit"), Path::new("verify"), &copy]).with(0);
    // Where it runs, its process has the log.
    let (state, entry) = (federation.state("broker"), Path::new("0"));
    let held = [Path::new("--state"), &state, entry, Path::new("--reason"), reason];
    let command = [Path::new("broker"), Path::new("erase"), Path::new("--config"), &config];
    run(command.into_iter().chain(held)).with(3).says(&["another process is writing this log"]);
}

#[test]
fn filters_that_say_nothing_are_refused_and_nothing_is_listed_of_a_log_that_is_not_whole() {
    let federation = federation();
    let home = folder();
    let copy = home.path().join("audit");
    copy_log(&federation.state("ssb").join("audit"), &copy);
    for (option, given, says) in [
        ("--since", "yesterday", "YYYY-MM-DD"),
        ("--rule", "small", "no rule"),
        ("--outcome", "gone", "not-recorded"),
        ("--variable", "a/", "DATASTORE/NAME"),
    ] {
        let command = [Path::new("audit"), Path::new("list"), &copy, Path::new(option), Path::new(given)];
        run(command).with(64).says(&[says]);
    }
    let records = copy.join("records/000.jsonl");
    let forged = fs::read_to_string(&records).expect("a log").replacen("\"salt\":\"", "\"salt\":\"0", 1);
    fs::write(&records, forged).expect("written");
    let listed = run([Path::new("audit"), Path::new("list"), &copy]).with(1);
    assert!(listed.out.is_empty(), "{}", listed.out);
}

#[test]
fn a_question_that_the_brokers_log_does_not_tell_of_is_found() {
    let federation = federation();
    let home = folder();
    // A broker's log in which nothing ever happened, signed by its key.
    let empty = home.path().join("audit");
    let key = fs::read(federation.folder().join("broker/keys/signing.pk8")).expect("a key");
    let key = LogKey::from_pkcs8(&key).expect("a key");
    drop(AuditLog::open(&empty, OwnerId::new("broker").expect("valid"), key).expect("opens"));
    let ssb = federation.state("ssb").join("audit");
    let reconciled = run([
        Path::new("audit"),
        Path::new("reconcile"),
        Path::new("--broker"),
        Path::new("broker"),
        Path::new("--key"),
        &federation.auditor_key(),
        &empty,
        &ssb,
    ])
    .with(1);
    assert!(reconciled.out.contains("not recorded at the broker"), "{}", reconciled.out);
}

/// How often a log is copied whose party is writing.
const COPIES: usize = 200;

/// Copies a log. Its party may be writing, so a copy that is of no one moment is made again.
fn copy_log(from: &Path, to: &Path) {
    let mut last = None;
    for _ in 0..COPIES {
        fs::create_dir_all(to).expect("made");
        copy_folders(from, to);
        match kobling_audit::verify(to) {
            Ok(_) => return,
            Err(error) => last = Some(error),
        }
        fs::remove_dir_all(to).expect("removed");
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("no copy of {} is of one moment: {last:?}", from.display());
}

/// Copies a folder; a tile that is replaced meanwhile by a wider one is left out.
fn copy_folders(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder") {
        let (from, to) = match entry {
            Ok(entry) => (entry.path(), to.join(entry.file_name())),
            Err(_) => continue,
        };
        if from.is_dir() {
            fs::create_dir_all(&to).expect("made");
            copy_folders(&from, &to);
        } else {
            let _ = fs::copy(&from, &to);
        }
    }
}
