//! The one federation that the tests of faults share: founded by the demo, then run process by process.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use kobling_model::federation::Federation as Roster;
use serde_json::Value;

use crate::program::{Ended, Running, background, file, has_come, kobling, run, socket, start, wait_for};

/// All parties, in the order in which they are started.
pub const PARTIES: [&str; 4] = ["ssb", "krg", "fhi", "broker"];

/// A script of a single question over one owner.
pub const SHORT: &str = "\
require no.ssb.fdb:1 as ssb
create-dataset d
import ssb/BEFOLKNING_KJOENN as sex
tabulate sex
";

/// A script of many questions over two owners, with the third as dealer.
pub fn long() -> String {
    let mut script = "\
require no.ssb.fdb:1 as ssb
require no.krg.kreft:1 as krg
create-dataset d
import ssb/BEFOLKNING_KJOENN as sex
import krg/KRG_STADIUM as stage
recode stage (nonmissing = \"yes\" Cancer) (missing = \"no\" None)
"
    .to_owned();
    for _ in 0..12 {
        script.push_str("tabulate sex stage\n");
    }
    script
}

/// The same over three owners: fhi shares a condition and a number, and deals.
pub fn long_over_three() -> String {
    let mut script = "\
require no.ssb.fdb:1 as ssb
require no.krg.kreft:1 as krg
require no.fhi.helse:1 as fhi
create-dataset d
import ssb/BEFOLKNING_KJOENN as sex
import krg/KRG_DIAGNOSEDATO as diagnosis
import fhi/SYSVAK_COVID19_DOSE 2021-12-31 as doses
generate late = diagnosis > date(2015, 1, 1) | !sysmiss(doses)
"
    .to_owned();
    for _ in 0..12 {
        script.push_str("tabulate late sex\n");
    }
    script
}

/// Four processes and their folder.
pub struct Federation {
    folder: PathBuf,
    roster: Roster,
    running: BTreeMap<&'static str, Running>,
}

/// The shared federation, with all parties running and ready. Tests take turns.
pub fn federation() -> MutexGuard<'static, Federation> {
    static SHARED: OnceLock<Mutex<Federation>> = OnceLock::new();
    let shared = SHARED.get_or_init(|| Mutex::new(Federation::found()));
    // A test that failed has left parties in any state; what is down is started again.
    let mut federation = shared.lock().unwrap_or_else(|poisoned| {
        shared.clear_poison();
        poisoned.into_inner()
    });
    federation.start_all();
    federation
}

impl Federation {
    fn found() -> Self {
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("federation");
        // What an earlier run of the tests has left. Cargo runs one at a time in a target folder.
        let _ = fs::remove_dir_all(&home);
        fs::create_dir_all(&home).expect("a folder");
        let folder = home.join("demo");
        let script = file(&home, "short.kob", SHORT);
        let demo = ["demo", "--people", "20000", "--script"].map(Into::into);
        let rest = [script.into_os_string(), "--keep".into(), folder.clone().into_os_string()];
        run(demo.into_iter().chain(rest)).with(0);
        let roster = fs::read_to_string(folder.join("federation.toml")).expect("a federation file");
        let roster = Roster::from_toml(&roster).expect("valid");
        Self { folder, roster, running: BTreeMap::new() }
    }

    /// The folder that the demo has made.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A party's state.
    pub fn state(&self, party: &str) -> PathBuf {
        self.folder.join(party).join("state")
    }

    /// A party's configuration.
    pub fn config(&self, party: &str) -> PathBuf {
        let name = if party == "broker" { "broker.toml" } else { "node.toml" };
        self.folder.join(party).join(name)
    }

    /// The platform's file.
    pub fn platform(&self) -> PathBuf {
        self.folder.join("platform.toml")
    }

    fn address(&self, party: &str) -> SocketAddr {
        self.roster.parties().find(|entry| entry.id.as_str() == party).expect("a party").address
    }

    /// The key that opens the records of all logs.
    pub fn auditor_key(&self) -> PathBuf {
        self.folder.join("auditor.key")
    }

    /// Starts a party, on the address that the roster has for it.
    pub fn start(&mut self, party: &'static str) {
        let mut command = background();
        if party == "broker" {
            command.args(["broker", "serve", "--config"]).arg(self.config(party));
            command.arg("--state").arg(self.state(party)).arg("--listen-stdin");
        } else {
            command.args(["node", "--config"]).arg(self.config(party));
            command.arg("--state").arg(self.state(party)).args(["serve", "--listen-stdin"]);
        }
        let log = self.folder.join("logs").join(format!("{party}.log"));
        let log = OpenOptions::new().append(true).create(true).open(log).expect("a log");
        command.env("RUST_LOG", "info").env("KOBLING_LOG", "info");
        command.stdout(log.try_clone().expect("a log")).stderr(log).stdin(socket(self.address(party)));
        self.running.insert(party, start(command));
    }

    /// Starts whoever is down, and waits until a script can be run.
    pub fn start_all(&mut self) {
        for party in PARTIES {
            if self.running.get_mut(party).is_none_or(|running| running.ended().is_some()) {
                self.start(party);
            }
        }
        let folder = self.folder.clone();
        let script = file(&folder, "ready.kob", SHORT);
        let log = |party: &str| fs::read_to_string(folder.join("logs").join(format!("{party}.log")));
        wait_for("the federation to be ready", Duration::from_secs(120), || {
            for party in PARTIES {
                let ended = self.running.get_mut(party).expect("started").ended();
                assert!(ended.is_none(), "{party} has ended:\n{}", log(party).unwrap_or_default());
            }
            (self.run(&script).code == Some(0)).then_some(())
        });
    }

    /// Kills a party, as `kill -9` does.
    pub fn kill(&mut self, party: &str) {
        self.running.get_mut(party).expect("started").kill();
    }

    /// A party's process.
    pub fn pid(&self, party: &str) -> u32 {
        self.running.get(party).expect("started").pid()
    }

    /// The end of a party's process, if it comes in time.
    pub fn end_of(&mut self, party: &str) -> std::process::ExitStatus {
        self.running.get_mut(party).expect("started").end(Duration::from_secs(60))
    }

    /// What a party's process has said.
    pub fn log(&self, party: &str) -> String {
        fs::read_to_string(self.folder.join("logs").join(format!("{party}.log"))).expect("a log")
    }

    /// Runs a script from a file.
    pub fn run(&self, script: &Path) -> Ended {
        kobling()
            .arg("run")
            .arg(script)
            .arg("--platform")
            .arg(self.platform())
            .output()
            .expect("the program runs")
            .into()
    }

    /// Starts a script that tells its events as JSON.
    pub fn begin(&self, script: &Path) -> Running {
        let mut command = background();
        command.arg("run").arg(script).arg("--platform").arg(self.platform()).arg("--json");
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        start(command)
    }

    /// Entries of a party's audit log.
    pub fn records(&self, party: &str) -> Vec<Value> {
        let log = self.state(party).join("audit").into_os_string();
        let key = self.auditor_key().into_os_string();
        let shown = run(["audit".into(), "show".into(), log, "--json".into(), "--key".into(), key]).with(0);
        shown.out.lines().map(|line| serde_json::from_str(line).expect("an entry")).collect()
    }

    /// Lays all logs side by side: they fit together, but for what a question that was cut short may leave behind.
    /// Every test here shares these logs, and some of them cut questions short; one may be ending still, hence the
    /// wait. Logs must be whole: call it when all parties have started again.
    pub fn logs_fit(&self) {
        let logs = PARTIES.map(|party| self.state(party).join("audit").into_os_string());
        let key = ["--key".into(), self.auditor_key().into_os_string()];
        let mut findings = Vec::new();
        let fit = has_come(Duration::from_secs(20), || {
            let command = ["audit", "reconcile", "--json", "--broker", "broker"].map(Into::into);
            let ended = run(command.into_iter().chain(key.clone()).chain(logs.clone()));
            findings = serde_json::from_str::<Vec<Value>>(&ended.out).expect("a list of findings");
            findings.iter().all(|finding| finding["finding"] == "ended-at-nodes-only").then_some(())
        });
        assert!(fit.is_some(), "logs do not fit together: {findings:?}");
    }

    /// All files below a party's state, but those that grow with every question: its log, and what the broker
    /// keeps of jobs.
    pub fn files(&self, party: &str) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut folders = vec![self.state(party)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path == self.state(party).join("audit") {
                    continue;
                }
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.push(path);
                }
            }
        }
        files.retain(|file| {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            !name.ends_with("-wal") && !name.ends_with("-shm")
        });
        files.sort();
        files
    }
}
