//! The original implementation of signed notes and tiles, in Go, agrees about a log that this crate wrote.

use std::fs;
use std::path::Path;
use std::process::Command;

use kobling_audit::{AuditLog, Head, LogKey};
use kobling_model::OwnerId;
use kobling_model::record::Event;
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
