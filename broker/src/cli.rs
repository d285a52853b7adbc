//! The broker's command line, the same under `kobling broker` and `kobling-broker`.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener as StdTcpListener};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use clap::Subcommand;
use kobling_audit::{AuditLog, summary};
use kobling_crypto::sign::SigningKey;
use kobling_model::OwnerId;
use kobling_model::record::Asker;
use kobling_proto::observe::log::Line;
use kobling_proto::transport::{Traffic, certificate_info};
use rcgen::string::Ia5String;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::audit::now_ms;
use crate::config::Config;
use crate::cosigning::contradiction;
use crate::observe::start_logging;
use crate::roster::{GrpcNodes, NodeClients};
use crate::server::{StartOptions, log_key, start};

/// What the broker's operator can do.
#[derive(Debug, Subcommand)]
pub enum BrokerCommand {
    /// Makes keys, a certificate request and a configuration file for a new broker.
    Init {
        /// The broker's name in the roster.
        #[arg(long, default_value = "broker")]
        id: String,
        /// The URI name that its certificate will carry.
        #[arg(long, default_value = "kobling://broker")]
        uri: String,
        /// Where it will listen.
        #[arg(long, default_value = "127.0.0.1:7000")]
        listen: SocketAddr,
        /// A new folder for all this.
        #[arg(long)]
        out: PathBuf,
        /// A configuration file whose other settings the new one takes over.
        #[arg(long, value_name = "FILE")]
        like: Option<PathBuf>,
    },
    /// Serves the platform until it is told to stop.
    Serve {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
        /// The folder that holds everything the broker keeps.
        #[arg(long)]
        state: PathBuf,
        /// Takes a socket that is listening already from standard input, in place of `listen`.
        #[arg(long)]
        listen_stdin: bool,
        /// Ends when the process that started this one ends, however that happens; given its PID, also where it
        /// has ended before this one looked.
        #[arg(long, value_name = "PID", num_args = 0..=1)]
        end_with_parent: Option<Option<i32>>,
    },
    /// Erases a record of the broker's audit log, for good. The broker must not run. The log tells that and why, and verifies still; what the
    /// record said is gone, for auditors too.
    Erase {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
        /// The folder that holds everything the broker keeps.
        #[arg(long)]
        state: PathBuf,
        /// The record's place in the log, from 0, as `kobling audit show` names it.
        entry: u64,
        /// Why, for the audit log: one line of 1 to 200 characters.
        #[arg(long, value_name = "TEXT", value_parser = reason)]
        reason: String,
    },
    /// Says who the broker is, which nodes answer, when its certificate expires and what was last asked.
    Status {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
        /// The folder that holds everything the broker keeps.
        #[arg(long)]
        state: PathBuf,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
}

/// Does it.
///
/// # Errors
/// What went wrong, for the operator.
pub async fn run(command: BrokerCommand) -> anyhow::Result<()> {
    match command {
        BrokerCommand::Init { id, uri, listen, out, like } => init(&id, &uri, listen, &out, like.as_deref()),
        BrokerCommand::Serve { config, state, listen_stdin, end_with_parent } => {
            if let Some(parent) = end_with_parent {
                end_with_parent_process(parent)?;
            }
            serve(&config, &state, listen_stdin).await
        }
        BrokerCommand::Erase { config, state, entry, reason } => erase(&config, &state, entry, reason),
        BrokerCommand::Status { config, state, json } => status(&config, &state, json).await,
    }
}

fn reason(text: &str) -> Result<String, &'static str> {
    match Asker::may_say(text) {
        true => Ok(text.to_owned()),
        false => Err("one line of 1 to 200 characters, without blanks around it"),
    }
}

fn erase(config: &Path, state: &Path, entry: u64, reason: String) -> anyhow::Result<()> {
    let config = Config::load(config, state)?;
    let me = config.federation.broker.id.clone();
    let mut log = AuditLog::open(&config.state_dir.join("audit"), me.clone(), log_key(&config)?)?;
    let told = log.erase(entry, reason, now_ms())?;
    println!("the record {entry} is erased; entry {} of the audit log of {me} says so", told.index);
    Ok(())
}

async fn serve(config: &Path, state: &Path, listen_stdin: bool) -> anyhow::Result<()> {
    start_logging();
    // Before anything else, so that a signal during the start is not lost.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let config = Config::load(config, state)?;
    let listener = if listen_stdin {
        socket_from_stdin().context("standard input is not a listening socket")?
    } else {
        TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("cannot listen on {}", config.listen))?
    };
    let mut broker =
        start(config, StartOptions { listener, node_clients: None, traffic: Traffic::default() }).await?;
    Line::BrokerServes.say();
    let mut couriers = std::mem::take(&mut broker.couriers);
    let signalled = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    tokio::select! {
        () = signalled => {}
        contradiction = contradiction(&mut couriers) => {
            broker.shutdown().await;
            bail!("the broker stops: {contradiction}; the guide for operators says what to do (log-older, log-differs)");
        }
        () = broker.failed() => bail!("the listening socket failed"),
    }
    Line::BrokerStops.say();
    broker.shutdown().await;
    Ok(())
}

fn socket_from_stdin() -> io::Result<TcpListener> {
    let socket = StdTcpListener::from(io::stdin().as_fd().try_clone_to_owned()?);
    // Fails where standard input is something else.
    socket.local_addr()?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket)
}

/// Has the kernel kill this process when its parent ends. Where the parent has ended before that could be asked for,
/// this process ends at once.
fn end_with_parent_process(expected: Option<i32>) -> anyhow::Result<()> {
    let parent = rustix::process::getppid();
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let now = rustix::process::getppid();
    let pid = now.map_or(0, |pid| pid.as_raw_nonzero().get());
    if parent != now || expected.is_some_and(|expected| expected != pid) {
        bail!("the process that started this one has ended");
    }
    Ok(())
}

fn init(id: &str, uri: &str, listen: SocketAddr, out: &Path, like: Option<&Path>) -> anyhow::Result<()> {
    let id = OwnerId::new(id)?;
    if out.exists() {
        bail!("{} exists already; nothing was changed", out.display());
    }
    let like = match like {
        None => (Config::EXAMPLE.to_owned(), Path::new("the example")),
        Some(path) => {
            let text = fs::read_to_string(path);
            (text.with_context(|| format!("{} cannot be read", path.display()))?, path)
        }
    };
    let (federation, own_keys) = (Path::new("federation.toml"), Path::new("keys"));
    let config = Config::init_text(&like.0, like.1, listen, federation, own_keys)?;
    let keys = out.join("keys");
    DirBuilder::new().recursive(true).mode(0o700).create(&keys)?;
    let key = rcgen::KeyPair::generate()?;
    let mut request = rcgen::CertificateParams::new(vec![format!("{id}.kobling")])?;
    request.distinguished_name.push(rcgen::DnType::CommonName, id.as_str());
    let uri_name =
        Ia5String::try_from(uri).map_err(|_| anyhow!("the URI name has characters beyond ASCII"))?;
    request.subject_alt_names.push(rcgen::SanType::URI(uri_name));
    let signing = SigningKey::generate();
    write_private(&keys.join("tls.key"), key.serialize_pem().as_bytes())?;
    write_private(&keys.join("signing.pk8"), signing.expose_pkcs8())?;
    fs::write(keys.join("tls.csr"), request.serialize_request(&key)?.pem()?)?;
    fs::write(out.join("broker.toml"), config)?;
    println!("signing_key = \"{}\"", hex::encode(signing.verifying_key().as_bytes()));
    println!(
        "Have {} signed, save the certificate as {}",
        keys.join("tls.csr").display(),
        keys.join("tls.pem").display()
    );
    println!("and the federation file as {}.", out.join("federation.toml").display());
    Ok(())
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// What `status` says.
#[derive(Serialize)]
struct Status {
    broker: String,
    federation: String,
    roster: String,
    listen: SocketAddr,
    certificate_name: String,
    certificate_expires_unix_s: i64,
    nodes: Vec<NodeStatus>,
    records: u64,
    last_question_ms: Option<u64>,
}

#[derive(Serialize)]
struct NodeStatus {
    node: String,
    answers: bool,
    ready: bool,
    same_roster: bool,
    problem: Option<String>,
}

async fn status(config: &Path, state: &Path, json: bool) -> anyhow::Result<()> {
    let config = Config::load(config, state)?;
    let certificate = certificate_info(&config.credentials.certificate_pem)?;
    let (federation, timeout) = (&config.federation, config.times.peer_timeout);
    let nodes = GrpcNodes::new(federation, &config.credentials, timeout, &Traffic::default());
    let roster = config.federation.hash();
    let asked = config.federation.nodes.iter().map(|party| async {
        let node = party.id.to_string();
        let client = nodes.node(&party.id).context("every node of the roster has a client")?;
        Ok(match client.describe().await {
            Ok(description) => NodeStatus {
                node,
                answers: true,
                ready: description.ready,
                same_roster: description.federation == roster,
                problem: None,
            },
            Err(error) => {
                let problem = Some(error.to_string());
                NodeStatus { node, answers: false, ready: false, same_roster: false, problem }
            }
        })
    });
    let nodes = futures::future::join_all(asked).await.into_iter().collect::<anyhow::Result<_>>()?;
    let folder = config.state_dir.join("audit");
    let (records, last_question_ms) = if folder.exists() {
        let log = kobling_audit::verify(&folder)?;
        (log.head().count, log.last_opened_ms())
    } else {
        (0, None)
    };
    let status = Status {
        broker: config.federation.broker.id.to_string(),
        federation: config.federation.name.clone(),
        roster: roster.to_string(),
        listen: config.listen,
        certificate_name: certificate.uri,
        certificate_expires_unix_s: certificate.not_after_unix_s,
        nodes,
        records,
        last_question_ms,
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&status)?);
    } else {
        print(&status);
    }
    Ok(())
}

fn print(status: &Status) {
    let time = |ms: Option<u64>| ms.map_or("never".to_owned(), summary::utc);
    let expires = u64::try_from(status.certificate_expires_unix_s).ok().map(|s| s.saturating_mul(1000));
    println!("{} of {}, listening on {}", status.broker, status.federation, status.listen);
    println!("roster       {}", status.roster);
    println!("certificate  {}, expires {}", status.certificate_name, time(expires));
    for node in &status.nodes {
        let state = match (&node.problem, node.same_roster, node.ready) {
            (Some(problem), ..) => problem.as_str(),
            (None, false, _) => "answers, but has pinned another roster",
            (None, true, false) => "answers, but lacks federation secrets",
            (None, true, true) => "ready",
        };
        println!("{:<12} {state}", node.node);
    }
    println!("log          {} records, last question {}", status.records, time(status.last_question_ms));
}
