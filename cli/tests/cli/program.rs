//! Running the program, and processes that end with the tests.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A folder of a test's own, removed with it.
pub fn folder() -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix("kobling-test-")
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .expect("a folder")
}

/// The program, with nothing of the caller's surroundings that would change what it says.
pub fn kobling() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kobling"));
    command.env_remove("RUST_LOG").env_remove("KOBLING_LOG").env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// How a command ended.
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ended {
    /// Checks the exit code, and shows all that was said where it is another one.
    #[track_caller]
    pub fn with(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "\n--- standard output\n{}\n--- standard error\n{}",
            self.out,
            self.err
        );
        self
    }

    /// Checks that standard error says all this, on one line.
    #[track_caller]
    pub fn says(self, texts: &[&str]) -> Self {
        let found = self.err.lines().any(|line| texts.iter().all(|text| line.contains(text)));
        assert!(found, "no line with {texts:?} in\n{}\n--- standard output\n{}", self.err, self.out);
        self
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program speaks UTF-8");
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// Runs the program to its end.
pub fn run<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Ended {
    kobling().args(arguments).output().expect("the program runs").into()
}

/// Waits for something, at most so long.
#[track_caller]
pub fn wait_for<T>(what: &str, longest: Duration, check: impl FnMut() -> Option<T>) -> T {
    has_come(longest, check).unwrap_or_else(|| panic!("waited {longest:?} in vain for {what}"))
}

/// Waits for something, and gives it up after so long.
pub fn has_come<T>(longest: Duration, mut check: impl FnMut() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    loop {
        if let Some(found) = check() {
            return Some(found);
        }
        if begun.elapsed() >= longest {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether a process runs: one that was killed and not yet waited for does not.
pub fn is_alive(pid: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    // The name is in parentheses and may hold anything; the state follows it.
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest.chars().next());
    !matches!(state, Some(Some('Z' | 'X')) | None)
}

/// Sends a signal.
pub fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(pid.try_into().expect("a process id")).expect("not zero");
    // One that has ended already is what most callers want.
    let _ = rustix::process::kill_process(pid, signal);
}

/// A process in the background. It ends with the tests, and with its value.
pub struct Running(Child);

impl Running {
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Kills it at once, and waits until it is gone.
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Whether it has ended, and how.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().expect("a child")
    }

    /// Waits for its end, at most so long.
    #[track_caller]
    pub fn end(&mut self, longest: Duration) -> ExitStatus {
        wait_for("a process to end", longest, || self.0.try_wait().expect("a child"))
    }

    /// Its standard output, line by line as JSON.
    pub fn json_lines(&mut self) -> impl Iterator<Item = Value> + use<> {
        let out = self.0.stdout.take().expect("standard output is a pipe");
        BufReader::new(out)
            .lines()
            .map(|line| serde_json::from_str(&line.expect("UTF-8")).expect("a line of JSON"))
    }

    /// Its standard input.
    pub fn input(&mut self) -> ChildStdin {
        self.0.stdin.take().expect("standard input is a pipe")
    }

    /// Waits until its standard output has a line that begins so.
    pub fn line(&mut self, beginning: &str) {
        let out = self.0.stdout.take().expect("standard output is a pipe");
        let found = BufReader::new(out).lines().any(|line| line.expect("UTF-8").starts_with(beginning));
        assert!(found, "no line begins with {beginning:?}");
    }

    /// All of its standard output, and of its standard error.
    pub fn said(&mut self) -> (String, String) {
        let out = self.0.stdout.take().expect("standard output is a pipe");
        let out = std::thread::spawn(move || std::io::read_to_string(out).expect("UTF-8"));
        let errors = self.errors();
        (out.join().expect("read"), errors)
    }

    /// All of its standard error.
    pub fn errors(&mut self) -> String {
        let mut text = String::new();
        let err = self.0.stderr.take().expect("standard error is a pipe");
        BufReader::new(err).read_to_string(&mut text).expect("UTF-8");
        text
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts the program in the background, so that it ends when the tests do, also when they are killed.
///
/// The kernel ends a child with the *thread* that started it. Each test has a thread of its own, and a party may
/// outlive the test that first needed it, so one thread starts all of them.
pub fn start(mut command: Command) -> Running {
    type Order = (Command, Sender<std::io::Result<Child>>);
    static STARTER: OnceLock<Mutex<Sender<Order>>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (orders, queue) = channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, answer) in queue {
                // The command goes first: it may hold a socket that only the child shall have.
                let child = command.spawn();
                drop(command);
                let _ = answer.send(child);
            }
        });
        Mutex::new(orders)
    });
    let (answer, child) = channel();
    let orders = starter.lock().expect("nobody panics while holding it").clone();
    command.env("KOBLING_TEST", "1");
    orders.send((command, answer)).expect("the starter lives as long as the tests");
    Running(child.recv().expect("the starter answers").expect("the program starts"))
}

/// The program's command for a child of the tests.
pub fn background() -> Command {
    let mut command = kobling();
    command.args(["--end-with-parent", &std::process::id().to_string()]);
    command
}

/// A listening socket at an address used before, as soon as it is free, as standard input.
///
/// The kernel may have lent the port to somebody's outgoing connection in the meantime.
pub fn socket(address: SocketAddr) -> Stdio {
    let listener =
        wait_for("a port to be free again", Duration::from_secs(90), || TcpListener::bind(address).ok());
    Stdio::from(OwnedFd::from(listener))
}

/// Writes a file into a folder and returns its path.
pub fn file(folder: &Path, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, content).expect("written");
    path
}
