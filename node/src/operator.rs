//! What an operator's commands say to the node that serves, and what it answers.
//!
//! They meet at a socket in the state folder, which the operator alone can reach. One line of JSON goes each way. Nothing about a
//! question, a register or a person is said there.

pub mod acts;
pub mod commands;
pub mod socket;

use std::path::Path;
use std::time::Duration;

use kobling_model::Hash;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use crate::switch::Stop;

/// What is asked of the serving node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case")]
pub enum Order {
    /// Answer nothing from now on, and end what runs.
    Stop {
        /// Why, for the audit log.
        reason: String,
    },
    /// Answer again.
    Resume,
    /// Put the policy in force that is in the file now.
    Reload,
    /// Erase a record of the audit log.
    Erase {
        /// Its place in the log, from 0.
        entry: u64,
        /// Why, for the audit log.
        reason: String,
    },
    /// Say which policy is in force, and whether the node is stopped.
    State,
}

/// What the serving node answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// The node is stopped, and nothing runs.
    Stopped {
        /// Why the audit log does not tell of it; none where it does.
        unrecorded: Option<String>,
        /// Why the stop ends with this process; none where it is on disk.
        unwritten: Option<String>,
    },
    /// The node answers again, and the audit log tells of it.
    Resumed,
    /// The node was not stopped.
    NotStopped,
    /// The node is stopped still.
    NotResumed {
        /// Why.
        why: String,
    },
    /// Another policy is in force, and the audit log tells of it.
    Reloaded {
        /// Hash of its file.
        policy: Hash,
        /// Hash of the file before.
        before: Hash,
        /// Whether all sessions have ended, since their decoys were drawn under looser numbers.
        sessions_ended: bool,
    },
    /// The file says what is in force already.
    Unchanged {
        /// Hash of the file.
        policy: Hash,
    },
    /// The policy from before is in force still.
    NotReloaded {
        /// Everything that is wrong with the new one, a line each; or why it could not be recorded.
        why: String,
    },
    /// The record is erased, and the audit log tells of it.
    Erased {
        /// Place of the entry that tells.
        told_at: u64,
    },
    /// The record was not erased.
    NotErased {
        /// Why.
        why: String,
    },
    /// What there is.
    State {
        /// Hash of the policy in force.
        policy: Hash,
        /// The stop, if the node is stopped.
        stop: Option<Stop>,
    },
    /// Not an order.
    NotUnderstood,
}

/// Why an order did not reach a node.
#[derive(Debug, thiserror::Error)]
pub enum Unheard {
    /// No node serves from this state folder.
    #[error("the node does not serve")]
    NotServing,
    /// A node may serve, but has not answered.
    #[error("the node that serves has not answered on its operator's socket: {0}")]
    NoAnswer(String),
}

/// Longest order or answer, in bytes.
const LINE_MAX: u64 = 64 * 1024;

/// How long an operator's command waits for the node. Stopping waits for a disk.
const PATIENCE: Duration = Duration::from_secs(30);

/// Gives an order to the node that serves from this state folder.
///
/// # Errors
/// [`Unheard`].
pub async fn ask(socket: &Path, order: &Order) -> Result<Answer, Unheard> {
    let asked = async {
        let stream = socket::connect(socket).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused => Unheard::NotServing,
            _ => Unheard::NoAnswer(error.to_string()),
        })?;
        let failed = |error: std::io::Error| Unheard::NoAnswer(error.to_string());
        let (from, mut to) = stream.into_split();
        write_line(&mut to, order).await.map_err(failed)?;
        let answer = read_line(from).await.map_err(failed)?;
        answer.ok_or_else(|| Unheard::NoAnswer("what it answered cannot be read".to_owned()))
    };
    let late = |_| Unheard::NoAnswer("it has taken too long".to_owned());
    tokio::time::timeout(PATIENCE, asked).await.map_err(late)?
}

async fn write_line(
    to: &mut (impl AsyncWriteExt + Unpin),
    what: &impl Serialize,
) -> Result<(), std::io::Error> {
    let mut line = serde_json::to_vec(what).expect("orders and answers have a JSON form");
    line.push(b'\n');
    to.write_all(&line).await?;
    to.flush().await
}

/// One line; none where it is not what is expected.
async fn read_line<T: for<'a> Deserialize<'a>>(
    from: impl tokio::io::AsyncRead + Unpin,
) -> Result<Option<T>, std::io::Error> {
    let mut line = String::new();
    BufReader::new(from.take(LINE_MAX)).read_line(&mut line).await?;
    Ok(serde_json::from_str(&line).ok())
}

/// Hears one order and answers it with `act`.
///
/// # Errors
/// What the socket says.
async fn hear<F: Future<Output = Answer>>(
    stream: UnixStream,
    act: impl FnOnce(Order) -> F,
) -> Result<(), std::io::Error> {
    let (from, mut to) = stream.into_split();
    let answer = match read_line(from).await? {
        Some(order) => act(order).await,
        None => Answer::NotUnderstood,
    };
    write_line(&mut to, &answer).await
}
