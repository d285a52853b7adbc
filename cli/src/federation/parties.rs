//! The parties of a federation on this machine: founded with the commands that an operator uses, and run as processes of their own.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use futures::future::try_join_all;
use kobling_audit::AuditorKey;
use kobling_model::OwnerId;
use kobling_model::federation::{Federation, Party, Platform};
use kobling_proto::observe::port::ADDRESS_FILE;
use kobling_synth::{OWNERS, OwnerRegisters};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use super::VERSION;
use super::authority::Authority;
use super::place::Place;
use super::settings;
use crate::command::platform_key;

/// The broker's name.
pub const BROKER: &str = "broker";
/// How long a party gets to end in order.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Sockets that listen already, by party: what is still to be handed over when all else is founded.
pub struct Ground(BTreeMap<String, TcpListener>);

/// A command of this program that runs to its end.
pub struct Helper {
    name: String,
    command: Command,
    log: PathBuf,
}

/// A command of this program in a process of its own.
///
/// It ends with this process, and is in a process group of its own, so that an interruption at the terminal reaches
/// this process alone, which then stops the others in order.
fn program() -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("this program cannot find itself")?);
    command.args(["--end-with-parent", &std::process::id().to_string()]);
    command.process_group(0).kill_on_drop(true).stdin(Stdio::null());
    Ok(command)
}

/// A command on behalf of `name`, whose words go to that party's log.
pub fn helper(name: &str, place: &Place) -> Helper {
    // Without a path to this program, the command fails when it is run.
    let command = program().unwrap_or_else(|_| Command::new("kobling"));
    Helper { name: name.to_owned(), command, log: place.log(name) }
}

impl Helper {
    /// Adds an argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Runs it, and returns what it wrote to standard output.
    ///
    /// # Errors
    /// Names the party and gives the last line that it said.
    pub async fn run(mut self) -> anyhow::Result<String> {
        let output = self.command.output().await.with_context(|| format!("{}: cannot be run", self.name))?;
        let mut log = log_file(&self.log)?;
        log.write_all(&output.stdout)
            .and_then(|()| log.write_all(&output.stderr))
            .context("writing a log")?;
        if !output.status.success() {
            let said =
                [&output.stderr, &output.stdout].map(|said| String::from_utf8_lossy(said).into_owned());
            let last = said.iter().find_map(|said| last_line(said));
            bail!("{}: {}", self.name, last.unwrap_or("failed without a word"));
        }
        String::from_utf8(output.stdout).with_context(|| format!("{}: said something unreadable", self.name))
    }
}

/// A node's command line.
fn node(name: &str, place: &Place) -> Helper {
    helper(name, place)
        .args([OsStr::new("node"), "--config".as_ref(), place.node_config(name).as_ref()])
        .args([OsStr::new("--state"), place.state(name).as_ref()])
}

/// Makes keys, certificates and rosters of all parties of a federation of this name.
///
/// # Errors
/// Names the party.
pub async fn found(place: &Place, federation: &str) -> anyhow::Result<Ground> {
    let names = || OWNERS.iter().map(|owner| owner.owner);
    let mut listeners = BTreeMap::new();
    let mut addresses = BTreeMap::new();
    for name in names().chain([BROKER]) {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
            .context("no port on the loopback interface")?;
        addresses.insert(name, listener.local_addr()?);
        listeners.insert(name.to_owned(), listener);
    }
    let auditor = AuditorKey::generate();
    write_private(&place.auditor_key(), &auditor.text())?;
    let auditor = auditor.public();
    let auditor = auditor.as_str();
    let inits = names().map(|name| {
        let address = addresses[name].to_string();
        async move {
            fs::create_dir(place.party(name))
                .with_context(|| format!("{name}: its folder cannot be made"))?;
            let like = put_settings(place, name, settings::node(name)?, auditor)?;
            let said = node(name, place)
                .args(["init", "--owner", name, "--listen", &address, "--like"])
                .arg(like)
                .run()
                .await?;
            party(place, name, address.parse()?, &place.state(name).join("keys"), &said)
        }
    });
    let nodes = try_join_all(inits).await?;
    let address = addresses[BROKER];
    let said = helper(BROKER, place)
        .args(["broker", "init", "--id", BROKER, "--uri", "kobling://broker"])
        .args(["--listen", &address.to_string(), "--like"])
        .arg(put_settings(place, BROKER, settings::BROKER, auditor)?)
        .arg("--out")
        .arg(place.party(BROKER))
        .run()
        .await?;
    let broker = party(place, BROKER, address, &place.party(BROKER).join("keys"), &said)?;
    let platform = platform(place)?;

    let federation = Federation { name: federation.to_owned(), broker, platform, nodes };
    let file = place.root().join("federation.toml");
    write(&file, &federation.to_toml())?;
    // Every operator pins a copy of its own.
    write(&place.party(BROKER).join("federation.toml"), &federation.to_toml())?;
    let enrolments = names().map(|name| {
        let file = &file;
        async move {
            node(name, place).arg("enrol").arg(file).run().await?;
            for peer in OWNERS.iter().map(|owner| owner.owner).filter(|peer| *peer != name) {
                node(name, place).args(["peer", "accept", peer]).run().await?;
            }
            anyhow::Ok(())
        }
    });
    try_join_all(enrolments).await?;
    Ok(Ground(listeners))
}

fn all_names() -> impl Iterator<Item = &'static str> {
    OWNERS.iter().map(|owner| owner.owner).chain([BROKER])
}

/// Has every party serve its metrics, on a port that the system chooses when it starts.
///
/// # Errors
/// Names the file that cannot be written.
pub fn open_metrics(place: &Place) -> anyhow::Result<()> {
    for name in all_names() {
        let config = match name {
            BROKER => place.party(BROKER).join("broker.toml"),
            node => place.node_config(node),
        };
        let cannot = || format!("{} cannot be written", config.display());
        let mut file = OpenOptions::new().append(true).open(&config).with_context(cannot)?;
        writeln!(file, "\n[telemetry]\nmetrics = \"127.0.0.1:0\"").with_context(cannot)?;
    }
    Ok(())
}

/// Where each party's metrics are, once it serves.
///
/// # Errors
/// Names the party that does not say.
pub fn metrics(place: &Place) -> anyhow::Result<Vec<(String, SocketAddr)>> {
    let address = |name: &str| -> anyhow::Result<_> {
        let file = place.state(name).join(ADDRESS_FILE);
        let text = fs::read_to_string(file).with_context(|| format!("{name}: its metrics are nowhere"))?;
        Ok((name.to_owned(), text.trim().parse()?))
    };
    all_names().map(address).collect()
}

/// Puts the settings that a party begins with where its operator has them: beside the folder that `init` makes.
fn put_settings(place: &Place, name: &str, text: &str, auditor: &str) -> anyhow::Result<PathBuf> {
    let mut settings: toml::Table = text.parse().with_context(|| format!("{name}: its settings"))?;
    settings.insert("auditors".to_owned(), vec![auditor].into());
    let text = toml::to_string(&settings).with_context(|| format!("{name}: its settings"))?;
    let folder = place.root().join("compose");
    fs::create_dir_all(&folder).context("the folder for settings cannot be made")?;
    let path = folder.join(format!("{name}.toml"));
    write(&path, &text)?;
    Ok(path)
}

/// A party's entry in the roster, after its authority has signed its request.
fn party(place: &Place, name: &str, address: SocketAddr, keys: &Path, said: &str) -> anyhow::Result<Party> {
    let signing_key = said
        .lines()
        .find_map(|line| line.trim().strip_prefix("signing_key = \"")?.strip_suffix('"'))
        .with_context(|| format!("{name}: init did not say its signing key"))?;
    let authority = Authority::of(name)?;
    let request = fs::read_to_string(keys.join("tls.csr"))
        .with_context(|| format!("{name}: init left no certificate request"))?;
    let certificate = authority.sign(&request).with_context(|| name.to_owned())?;
    write(&keys.join("tls.pem"), &certificate)?;
    fs::create_dir_all(place.state(name)).with_context(|| format!("{name}: its state cannot be made"))?;
    Ok(Party {
        id: OwnerId::new(name)?,
        uri: authority.uri().to_owned(),
        address,
        authority: authority.certificate_pem().to_owned(),
        signing_key: signing_key.to_owned(),
    })
}

/// The platform: its certificate, its signing key, and the file that `kobling run` takes.
fn platform(place: &Place) -> anyhow::Result<Platform> {
    let authority = Authority::of("platform")?;
    let issued = authority.issue()?;
    let folder = place.root().join("platform");
    fs::create_dir(&folder).context("the platform's folder cannot be made")?;
    write(&folder.join("tls.pem"), &issued.certificate_pem)?;
    write_private(&folder.join("tls.key"), &issued.key_pem)?;
    write(&place.platform(), settings::PLATFORM)?;
    let signing_key = platform_key::make(&folder.join("signing.pk8"))?;
    let (uri, authority) = (authority.uri().to_owned(), authority.certificate_pem().to_owned());
    Ok(Platform { uri, authority, signing_key })
}

/// Has every owner import its registers, all at once; an owner without any imports nothing.
///
/// # Errors
/// Names the owner.
pub async fn import_all(place: &Place) -> anyhow::Result<()> {
    let has = |owner: &&OwnerRegisters| place.registers().join(owner.owner).is_dir();
    let imports = OWNERS.iter().filter(has).map(|owner| {
        node(owner.owner, place)
            .arg("import")
            .arg(place.registers().join(owner.owner))
            .args(["--datastore", owner.datastore, "--version", VERSION])
            .run()
    });
    try_join_all(imports).await.map(|_| ())
}

/// Running processes, by party.
#[derive(Default)]
pub struct Parties {
    children: Vec<(String, Child)>,
}

impl Parties {
    /// Starts all nodes and the broker, each with its socket as standard input.
    ///
    /// To be called on the program's first thread: children end with the thread that started them.
    ///
    /// # Errors
    /// Names the party.
    pub fn start(&mut self, place: &Place, ground: Ground) -> anyhow::Result<()> {
        for (name, listener) in ground.0 {
            let mut command = program()?;
            if name == BROKER {
                command.args(["broker", "serve"]);
                command.arg("--config").arg(place.party(BROKER).join("broker.toml"));
                command.arg("--state").arg(place.state(BROKER)).arg("--listen-stdin");
            } else {
                command.args([OsStr::new("node"), "--config".as_ref(), place.node_config(&name).as_ref()]);
                command.arg("--state").arg(place.state(&name)).args(["serve", "--listen-stdin"]);
            }
            for variable in ["RUST_LOG", "KOBLING_LOG"] {
                if std::env::var_os(variable).is_none() {
                    command.env(variable, "info");
                }
            }
            let log = log_file(&place.log(&name))?;
            command.stdout(log.try_clone().context("a log")?).stderr(log);
            command.stdin(Stdio::from(OwnedFd::from(listener)));
            // The command holds the socket until it is dropped: afterwards only the child has it, so that nobody
            // answers for a child that has died.
            let child = command.spawn().with_context(|| format!("{name}: cannot be started"))?;
            self.children.push((name, child));
        }
        Ok(())
    }

    /// Names and process ids of those that run.
    pub fn running(&self) -> impl Iterator<Item = (&str, u32)> {
        self.children.iter().filter_map(|(name, child)| Some((name.as_str(), child.id()?)))
    }

    /// True while all run.
    ///
    /// # Errors
    /// Names the first that has ended, with the last line that it said.
    pub fn all_alive(&mut self, place: &Place) -> anyhow::Result<bool> {
        for (name, child) in &mut self.children {
            if child.try_wait().with_context(|| format!("{name}: cannot be watched"))?.is_some() {
                let said = fs::read_to_string(place.log(name)).unwrap_or_default();
                bail!("{name} has ended: {}", last_line(&said).unwrap_or("it said nothing"));
            }
        }
        Ok(true)
    }

    /// Tells of each that ends, and returns never: one that is gone is a lesson, not the end of the demo.
    pub async fn watch(&mut self) {
        loop {
            for (name, child) in &mut self.children {
                // A child that has been waited for has no id any more.
                if child.id().is_some() && matches!(child.try_wait(), Ok(Some(_))) {
                    eprintln!("The process of {name} has ended.");
                }
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// Stops all: asked first, then killed.
    pub async fn stop(&mut self) {
        for (_, child) in &self.children {
            let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
            if let Some(pid) = pid {
                // A process that has ended needs no stopping.
                let _ = kill_process(pid, Signal::TERM);
            }
        }
        let deadline = tokio::time::Instant::now() + STOP_TIMEOUT;
        for (_, child) in &mut self.children {
            if tokio::time::timeout_at(deadline, child.wait()).await.is_err() {
                let _ = child.kill().await;
            }
        }
        self.children.clear();
    }
}

fn last_line(text: &str) -> Option<&str> {
    text.lines().rev().map(str::trim).find(|line| !line.is_empty())
}

fn log_file(path: &Path) -> anyhow::Result<File> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.with_context(|| format!("{} cannot be written", path.display()))
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
}

fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("{} cannot be written", path.display()))
}
