//! Programs of others agree about a log that this crate wrote: the original implementation of signed notes and tiles, in Go, and age.

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kobling_audit::cosigning::{Cosigning, Terms};
use kobling_audit::{AuditLog, AuditorKey, Auditors, Head, LogKey, SharedLog, Witness};
use kobling_model::federation::{Federation, Party, Platform};
use kobling_model::record::Event;
use kobling_model::{Hash, JobId, OwnerId, SessionId};
use tempfile::TempDir;

const KEY: &[u8] = include_bytes!("../golden/test-key.pk8");

/// Where Debian's `golang-golang-x-mod-dev` puts its source.
const GO_PATH: &str = "/usr/share/gocode";

fn verifier(folder: &Path) -> std::path::PathBuf {
    let program = folder.join("check");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/go/main.go");
    let mut go = Command::new("go");
    go.args(["build", "-o"]).arg(&program).arg(source);
    go.env("GO111MODULE", "off")
        .env("GOPATH", GO_PATH)
        .env("GOFLAGS", "")
        .env("GOCACHE", folder.join("cache"));
    assert!(go.status().expect("go is there").success(), "the program is built");
    program
}

#[test]
#[ignore = "needs age"]
fn another_program_opens_what_is_sealed() {
    let folder = TempDir::new().expect("temporary folder");
    let (party, key) = (OwnerId::new("ssb").expect("valid"), LogKey::from_pkcs8(KEY).expect("a key"));
    let auditors = [AuditorKey::generate(), AuditorKey::generate()];
    let sealed_to = Auditors::read(&auditors.each_ref().map(AuditorKey::public)).expect("keys");
    let mut log = AuditLog::open(folder.path(), party, key).expect("opens").sealed_to(sealed_to);
    let event = Event::RequestRefused {
        session: SessionId([1; 16]),
        job: JobId([2; 16]),
        request: Hash::of(b"request"),
        fault: "request-signature".into(),
    };
    let entry = log.append(event, 7).expect("recorded");
    let line = fs::read_to_string(folder.path().join("records/000.jsonl")).expect("a line");
    let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    let sealed = STANDARD.decode(line["sealed"].as_str().expect("sealed")).expect("base64");
    let file = folder.path().join("sealed.age");
    fs::write(&file, &sealed).expect("written");
    assert_eq!(line["leaf"]["sealed"], Hash::of(&sealed).to_string());
    for auditor in &auditors {
        let identity = folder.path().join("auditor.key");
        fs::write(&identity, auditor.text()).expect("written");
        let opened =
            Command::new("age").arg("-d").arg("-i").arg(&identity).arg(&file).output().expect("runs");
        assert!(opened.status.success(), "{}", String::from_utf8_lossy(&opened.stderr));
        let kept: serde_json::Value =
            serde_json::from_slice(&opened.stdout).expect("JSON, and blanks after it");
        assert_eq!(kept["record"], serde_json::to_value(&entry.record).expect("JSON"));
    }
}

#[test]
#[ignore = "needs go and golang-golang-x-mod-dev"]
fn the_original_implementation_checks_signature_entries_and_earlier_states() {
    let tools = TempDir::new().expect("temporary folder");
    let program = verifier(tools.path());
    let run = |folder: &Path, noted: Option<Head>| {
        let mut command = Command::new(&program);
        command.arg(folder);
        if let Some(head) = noted {
            command.arg(head.count.to_string()).arg(head.hash.to_string());
        }
        let output = command.output().expect("runs");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let folder = TempDir::new().expect("temporary folder");
    let (party, key) = (OwnerId::new("ssb").expect("valid"), LogKey::from_pkcs8(KEY).expect("a key"));
    let mut log = AuditLog::open(folder.path(), party, key).expect("opens");
    let mut noted = Vec::new();
    for size in 1..=600_u64 {
        log.append(Event::Resumed, size).expect("recorded");
        noted.push(log.head());
        if [1, 2, 255, 256, 257, 512, 513, 600].contains(&size) {
            let expected = (true, format!("ok: {}", log.head()));
            for earlier in [1, size / 2, size.saturating_sub(1), size] {
                let earlier = noted.get((earlier as usize).wrapping_sub(1)).copied();
                assert_eq!(run(folder.path(), earlier), expected);
            }
        }
    }
    let other = Head { count: 300, hash: noted[300].hash };
    assert!(!run(folder.path(), Some(other)).0, "another earlier state");
    for name in
        ["checkpoint", "key", "tile/0/001", "tile/1/000.p/2", "tile/entries/000", "tile/entries/002.p/88"]
    {
        let place = folder.path().join(name);
        let whole = fs::read(&place).expect("there");
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        fs::write(&place, flipped).expect("written");
        assert!(!run(folder.path(), None).0, "{name} is changed");
        assert!(kobling_audit::verify(folder.path()).is_err(), "{name} is changed");
        fs::write(&place, whole).expect("written");
    }
}

/// ssb with the key that every test has, and a broker and krg with keys of their own.
fn roster(keys: &[(&str, &[u8])]) -> Federation {
    let party = |(id, key): &(&str, &[u8]), port| {
        let id = OwnerId::new(*id).expect("valid");
        let key = LogKey::from_pkcs8(key).expect("a key");
        Party {
            uri: format!("kobling://{id}"),
            address: std::net::SocketAddr::from(([127, 0, 0, 1], port)),
            authority: String::new(),
            signing_key: key.public(&id).to_hex(),
            id,
        }
    };
    let platform =
        Platform { uri: "kobling://platform".into(), authority: String::new(), signing_key: "0".repeat(64) };
    let nodes = keys[1..].iter().zip(2..).map(|(key, port)| party(key, port)).collect();
    Federation { name: "test".into(), broker: party(&keys[0], 1), platform, nodes }
}

#[test]
#[ignore = "needs go and golang-golang-x-mod-dev"]
fn the_original_implementation_checks_cosignatures_and_the_proofs_that_witnesses_are_sent() {
    let tools = TempDir::new().expect("temporary folder");
    let program = verifier(tools.path());
    let random = ring::rand::SystemRandom::new();
    let fresh = || ring::signature::Ed25519KeyPair::generate_pkcs8(&random).expect("random bytes");
    let (of_broker, of_krg) = (fresh(), fresh());
    let keys = [("broker", of_broker.as_ref()), ("ssb", KEY), ("krg", of_krg.as_ref())];
    let roster = roster(&keys);
    let id = |name: &str| OwnerId::new(name).expect("valid");
    let key = |name: &str| {
        let (_, key) = keys.iter().find(|(id, _)| *id == name).expect("of the roster");
        LogKey::from_pkcs8(key).expect("a key")
    };

    let folder = TempDir::new().expect("temporary folder");
    let log = SharedLog::new(AuditLog::open(folder.path(), id("ssb"), key("ssb")).expect("opens"));
    let terms = Terms::default();
    let cosigning = Cosigning::new(log.clone(), &roster, terms).expect("of the roster");
    let beside = TempDir::new().expect("temporary folder");
    let own = AuditLog::open(beside.path(), id("krg"), key("krg")).expect("opens");
    let witness = Witness::open(&own, key("krg"), &roster).expect("opens");

    let run = |arguments: &[&str]| {
        let output = Command::new(&program).arg(folder.path()).args(arguments).output().expect("runs");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let sent = tools.path().join("request");
    let mut before = Head::empty();
    let mut written = 0;
    for size in [1_u64, 2, 3, 7, 8, 255, 256, 257, 300] {
        while written < size {
            log.append(Event::Resumed, written).expect("recorded");
            written += 1;
        }
        let now = std::time::Instant::now();
        let request = cosigning.request(&id("krg"), now).expect("read").expect("to send");
        fs::write(&sent, &request.body).expect("written");
        let sent = sent.to_str().expect("text");
        if before.count > 0 {
            assert!(run(&["request", sent, &before.hash.to_string()]).0, "{before} to {size}");
            assert!(!run(&["request", sent, &"0".repeat(64)]).0, "{size} from another state");
        }
        let answer = witness.add_checkpoint(request.body.as_bytes(), 1_795_363_200 + size);
        cosigning.take(&id("krg"), &request, answer.status(), answer.body().as_bytes());
        before = log.head().expect("a log");
        for (cosigned, name) in
            [(folder.path().join("cosigned/krg"), "ours"), (krg_keeps(beside.path()), "krg's")]
        {
            let cosigned = cosigned.to_str().expect("text");
            let told = format!("cosigned: {}\nok: {before}", 1_795_363_200 + size);
            let by = key("krg").public(&id("krg")).cosigner();
            assert_eq!(run(&["cosigned", cosigned, &by]), (true, told), "{name}, {size}");
            let stranger = key("broker").public(&id("krg")).cosigner();
            assert!(!run(&["cosigned", cosigned, &stranger]).0, "{name}, {size}, by a stranger");
        }
    }
    let place = folder.path().join("cosigned/krg");
    let whole = fs::read_to_string(&place).expect("kept");
    let by = key("krg").public(&id("krg")).cosigner();
    fs::write(&place, whole.replace("\n300\n", "\n301\n")).expect("written");
    assert!(!run(&["cosigned", place.to_str().expect("text"), &by]).0, "another size");
}

/// Where the one file lies that a witness of one log keeps.
fn krg_keeps(folder: &Path) -> std::path::PathBuf {
    let mut kept = fs::read_dir(folder.join("witnessed")).expect("a folder");
    kept.next().expect("one log").expect("an entry").path()
}
