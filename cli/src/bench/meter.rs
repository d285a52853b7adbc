//! What processes cost: the kernel's account of each, and the bytes that each counted on its sockets.
//!
//! Processor time comes in ticks of a hundredth of a second. Memory is the resident set; its peak is the kernel's, set
//! back when measuring begins.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Serialize;

use crate::federation::parties::{BROKER, Parties};

/// How long a party may take to say what it counted.
const PATIENCE: Duration = Duration::from_secs(5);
/// Ticks of processor time in a second, as Linux reports them everywhere.
const TICKS: f64 = 100.0;

/// Processes under watch.
pub struct Meter(Vec<Watched>);

struct Watched {
    name: String,
    pid: u32,
    metrics: SocketAddr,
    /// Resident when measuring began, in bytes.
    resident: std::cell::Cell<u64>,
}

/// All parties' account at a time, in their order.
pub struct Reading(Vec<Account>);

#[derive(Clone, Copy)]
struct Account {
    cpu_s: f64,
    peak: u64,
    traffic: Traffic,
}

/// Bytes on a party's sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Traffic {
    sent: u64,
    received: u64,
    /// Of these, on connections that it dialled.
    dialled_received: u64,
}

/// What a party spent.
#[derive(Clone, Debug, Serialize)]
pub struct Usage {
    /// Its name.
    pub name: String,
    /// Processor seconds, of all its threads and the kernel for it.
    pub cpu_s: f64,
    /// Peak of resident memory since measuring began, less what serving held before, in millions of bytes.
    pub peak_rss_mb: f64,
    /// Bytes written to sockets, TLS and all.
    pub sent_bytes: u64,
    /// Bytes read from sockets.
    pub received_bytes: u64,
}

impl Meter {
    /// Watches running parties, each with the address of its metrics.
    ///
    /// # Errors
    /// Where one has no metrics or no process.
    pub fn new(parties: &Parties, metrics: &[(String, SocketAddr)]) -> anyhow::Result<Self> {
        let watched = parties.running().map(|(name, pid)| {
            let found = metrics.iter().find(|(of, _)| of == name);
            let (_, metrics) = found.with_context(|| format!("{name} has no metrics"))?;
            Ok(Watched { name: name.to_owned(), pid, metrics: *metrics, resident: Default::default() })
        });
        watched.collect::<anyhow::Result<_>>().map(Self)
    }

    /// Takes what each holds now as what serving holds, and sets the peaks back to it.
    ///
    /// # Errors
    /// Names the party whose process does not let us.
    pub fn settle(&self) -> anyhow::Result<()> {
        for party in &self.0 {
            let gone = || format!("{}: its process cannot be read", party.name);
            fs::write(format!("/proc/{}/clear_refs", party.pid), "5").with_context(gone)?;
            party.resident.set(status_bytes(party.pid, "VmRSS:").with_context(gone)?);
        }
        Ok(())
    }

    /// Everybody's account now.
    ///
    /// # Errors
    /// Names the party that cannot be read.
    pub fn read(&self) -> anyhow::Result<Reading> {
        let account = |party: &Watched| {
            let account = || -> anyhow::Result<Account> {
                Ok(Account {
                    cpu_s: cpu_seconds(party.pid)?,
                    peak: status_bytes(party.pid, "VmHWM:")?,
                    traffic: traffic(party.metrics)?,
                })
            };
            account().with_context(|| format!("{}: its account cannot be read", party.name))
        };
        self.0.iter().map(account).collect::<anyhow::Result<_>>().map(Reading)
    }

    /// What each party spent between two readings.
    pub fn between(&self, from: &Reading, to: &Reading) -> Vec<Usage> {
        let spent = |((party, from), to): ((&Watched, &Account), &Account)| Usage {
            name: party.name.clone(),
            cpu_s: to.cpu_s - from.cpu_s,
            peak_rss_mb: to.peak.saturating_sub(party.resident.get()) as f64 / 1e6,
            sent_bytes: to.traffic.sent - from.traffic.sent,
            received_bytes: to.traffic.received - from.traffic.received,
        };
        self.0.iter().zip(&from.0).zip(&to.0).map(spent).collect()
    }

    /// Bytes that nodes sent each other: all that nodes sent, less what the broker, which dials all nodes, received of them.
    pub fn between_nodes(&self, from: &Reading, to: &Reading) -> u64 {
        let sum = |is_broker: bool, bytes: &dyn Fn(&Traffic) -> u64| -> u64 {
            let parties = self.0.iter().zip(from.0.iter().zip(&to.0));
            let of_kind = parties.filter(|(party, _)| (party.name == BROKER) == is_broker);
            of_kind.map(|(_, (from, to))| bytes(&to.traffic) - bytes(&from.traffic)).sum()
        };
        sum(false, &|traffic| traffic.sent).saturating_sub(sum(true, &|traffic| traffic.dialled_received))
    }
}

/// Processor seconds of a process: all threads, those that have ended too, and the kernel's on its behalf.
///
/// # Errors
/// Where there is no such process.
pub fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("no such process")?;
    // The name, in parentheses, may hold anything; fields 14 and 15 are user and system time.
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace());
    let ticks: Option<f64> = fields.and_then(|fields| {
        let times: Vec<f64> = fields.skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
        (times.len() == 2).then(|| times.iter().sum())
    });
    Ok(ticks.context("an unknown form of /proc")? / TICKS)
}

fn status_bytes(pid: u32, field: &str) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("no such process")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(1024 * kilobytes.context("an unknown form of /proc")?)
}

fn traffic(metrics: SocketAddr) -> anyhow::Result<Traffic> {
    let mut stream = TcpStream::connect_timeout(&metrics, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    if !answer.starts_with("HTTP/1.1 200") {
        bail!("its metrics are not there");
    }
    parse_traffic(&answer).context("its metrics do not count bytes")
}

fn parse_traffic(text: &str) -> Option<Traffic> {
    let mut traffic = Traffic::default();
    let mut found = false;
    for line in text.lines() {
        let Some(rest) = line.strip_prefix("kobling_socket_bytes_total{") else { continue };
        let (labels, value) = rest.rsplit_once('}')?;
        let bytes = value.trim().parse::<f64>().ok()? as u64;
        found = true;
        let dialled = if labels.contains("end=\"dialled\"") { bytes } else { 0 };
        if labels.contains("direction=\"sent\"") {
            traffic.sent += bytes;
        } else {
            traffic.received += bytes;
            traffic.dialled_received += dialled;
        }
    }
    found.then_some(traffic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_added_over_connections() {
        let text = "# TYPE kobling_socket_bytes counter\n\
            kobling_socket_bytes_total{direction=\"sent\",end=\"dialled\",party=\"krg\"} 5\n\
            kobling_socket_bytes_total{direction=\"sent\",end=\"accepted\"} 7\n\
            kobling_socket_bytes_total{direction=\"received\",end=\"dialled\",party=\"krg\"} 11\n\
            kobling_sessions_open 1\n";
        let traffic = parse_traffic(text).expect("counted");
        assert_eq!(traffic.sent, 12);
        assert_eq!((traffic.received, traffic.dialled_received), (11, 11));
        assert_eq!(parse_traffic("kobling_sessions_open 1\n"), None);
    }

    #[test]
    fn this_process_has_an_account() {
        let begun = cpu_seconds(std::process::id()).expect("Linux");
        let mut sum = 0_u64;
        while cpu_seconds(std::process::id()).expect("Linux") < begun + 0.05 {
            sum = sum.wrapping_add(1);
        }
        assert!(sum > 0 && status_bytes(std::process::id(), "VmHWM:").expect("Linux") > 1 << 20);
    }
}
