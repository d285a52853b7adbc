//! An operator's commands that work whether or not the node serves.
//!
//! They come first to the node that serves, which holds the log. Where none serves, they hold the log themselves, as other acts do.

use std::time::{Duration, Instant};

use kobling_audit::log::{AuditLog, LogError};
use kobling_model::record::Event;

use super::{Answer, Order, Unheard, ask};
use crate::config::Config;
use crate::node::now_ms;
use crate::operate::log_key;
use crate::serve::StartError;
use crate::state::{StateDir, StateError};
use crate::switch::{Stop, Switch};

/// How a stop went. The node is stopped in any case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopping {
    /// The stop from before, where the node was stopped already.
    pub already: Option<Stop>,
    /// Why the audit log does not tell of it yet; none where it does.
    pub unrecorded: Option<String>,
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The reason of an act is part of the log.
    #[error("the reason has to be one line of 1 to {} characters, for the audit log", REASON_CHARACTERS_MAX)]
    Reason,
    /// The stop could not be put on disk, and no serving node has taken it.
    #[error("THE NODE IS NOT STOPPED: {0}; end the process that serves")]
    NotStopped(StateError),
    /// The state folder.
    #[error(transparent)]
    State(#[from] StateError),
    /// The log.
    #[error("the audit log: {0}")]
    Log(#[from] LogError),
    /// The key that signs the log.
    #[error(transparent)]
    Key(#[from] StartError),
    /// The serving node has not answered.
    #[error(transparent)]
    Unheard(#[from] Unheard),
    /// The node is stopped still.
    #[error("the node is stopped still: {0}")]
    NotResumed(String),
    /// The record is there still.
    #[error("nothing was erased: {0}")]
    NotErased(String),
    /// The serving node answered something else than what was asked.
    #[error("the node that serves is of another version than this program")]
    OtherVersion,
}

/// Longest reason of an act.
pub const REASON_CHARACTERS_MAX: usize = 200;

/// How long to try again while another process holds the log: a node that is starting will listen soon, and another command ends.
const PATIENCE: Duration = Duration::from_secs(10);

/// Stops a node: on disk before anything else, then at the serving process, and in the audit log.
///
/// # Errors
/// [`CommandError::Reason`] and [`CommandError::NotStopped`]. That the log does not tell of it is no error: the node is stopped.
pub async fn stop(config: &Config, state: &StateDir, reason: &str) -> Result<Stopping, CommandError> {
    checked(reason)?;
    let switch = Switch::new(config.owner.clone(), state);
    let already = switch.stop().unwrap_or_default();
    let written = switch.raise(reason, now_ms());
    let order = Order::Stop { reason: reason.to_owned() };
    let record = |log: &mut AuditLog| {
        let reason = switch.stop()?.map_or_else(|| reason.to_owned(), |stop| stop.reason);
        log.append(Event::Stopped { reason }, now_ms())?;
        Ok(())
    };
    let known = || switch.stop().is_ok_and(|stop| stop.is_some_and(|stop| stop.recorded));
    let told = reach(config, state, &order, |log| if known() { Ok(()) } else { record(log) }).await;
    let unrecorded = match (told, written) {
        (Ok(Some(Answer::Stopped { unrecorded, .. })), _) => unrecorded,
        (Ok(Some(_)), Ok(_)) => Some(CommandError::OtherVersion.to_string()),
        (Ok(None), Ok(stop)) => {
            switch.note_record(&stop)?;
            None
        }
        (Err(error), Ok(_)) => Some(error.to_string()),
        (_, Err(error)) => return Err(CommandError::NotStopped(error)),
    };
    Ok(Stopping { already, unrecorded })
}

/// Lets a stopped node answer again, and says whether it was stopped. Recorded first.
///
/// # Errors
/// [`CommandError`]; the node is stopped still.
pub async fn resume(config: &Config, state: &StateDir) -> Result<bool, CommandError> {
    let switch = Switch::new(config.owner.clone(), state);
    let offline = |log: &mut AuditLog| {
        if switch.check().is_ok() {
            return Ok(false);
        }
        log.append(Event::Resumed, now_ms())?;
        switch.lower()?;
        Ok(true)
    };
    let mut was_stopped = false;
    let told = reach(config, state, &Order::Resume, |log| offline(log).map(|was| was_stopped = was)).await?;
    match told {
        None => Ok(was_stopped),
        Some(Answer::Resumed) => Ok(true),
        Some(Answer::NotStopped) => Ok(false),
        Some(Answer::NotResumed { why }) => Err(CommandError::NotResumed(why)),
        Some(_) => Err(CommandError::OtherVersion),
    }
}

/// Erases a record of the audit log, which stays as it is but for that. Returns the place of the entry that tells of it.
///
/// # Errors
/// [`CommandError`]; where the log could not be written it may tell of an erasure that is made up for at the next start.
pub async fn erase(config: &Config, state: &StateDir, entry: u64, reason: &str) -> Result<u64, CommandError> {
    checked(reason)?;
    let order = Order::Erase { entry, reason: reason.to_owned() };
    let mut told_at = None;
    let offline = |log: &mut AuditLog| {
        told_at = Some(log.erase(entry, reason.to_owned(), now_ms())?.index);
        Ok(())
    };
    match (reach(config, state, &order, offline).await?, told_at) {
        (Some(Answer::Erased { told_at }), _) | (None, Some(told_at)) => Ok(told_at),
        (Some(Answer::NotErased { why }), _) => Err(CommandError::NotErased(why)),
        _ => Err(CommandError::OtherVersion),
    }
}

/// One line that is not too long.
fn checked(reason: &str) -> Result<(), CommandError> {
    let characters = reason.chars().count();
    let is_one_line = !reason.chars().any(char::is_control);
    match (1..=REASON_CHARACTERS_MAX).contains(&characters) && is_one_line {
        true => Ok(()),
        false => Err(CommandError::Reason),
    }
}

/// Gives an order to the serving node, or carries it out with the log where none serves; the answer, where a node gave one.
async fn reach(
    config: &Config,
    state: &StateDir,
    order: &Order,
    offline: impl FnOnce(&mut AuditLog) -> Result<(), CommandError>,
) -> Result<Option<Answer>, CommandError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask(&state.operator(), order).await {
            Ok(answer) => return Ok(Some(answer)),
            Err(Unheard::NotServing) => {}
            Err(error) => return Err(error.into()),
        }
        match AuditLog::open(&state.audit(), config.owner.clone(), log_key(config)?) {
            Ok(mut log) => return offline(&mut log).map(|()| None),
            // A node that starts, or another command.
            Err(LogError::InUse { .. }) if Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::path::Path;

    use kobling_model::OwnerId;

    use super::*;
    use crate::operate;

    /// A node that does not serve.
    fn node(folder: &Path) -> (Config, StateDir) {
        let (config, state) = (folder.join("node.toml"), StateDir::new(folder.join("state")));
        let owner = OwnerId::new("ssb").expect("valid");
        operate::init(&config, &state, &owner, SocketAddr::from(([127, 0, 0, 1], 1))).expect("made");
        (Config::load(&config).expect("valid"), state)
    }

    fn events(state: &StateDir) -> Vec<Event> {
        let log = kobling_audit::verify(&state.audit()).expect("a log");
        log.entries().iter().map(|entry| entry.record.event.clone()).collect()
    }

    #[tokio::test]
    async fn a_node_that_does_not_serve_is_stopped_and_resumed_in_its_log() {
        let folder = tempfile::tempdir().expect("a folder");
        let (config, state) = node(folder.path());
        assert!(!resume(&config, &state).await.expect("asked"), "it was not stopped");
        let stopping = stop(&config, &state, "a leak").await.expect("stopped");
        assert_eq!(stopping, Stopping { already: None, unrecorded: None });
        let again = stop(&config, &state, "another").await.expect("stopped");
        assert_eq!(again.already.map(|stop| stop.reason), Some("a leak".to_owned()));
        assert_eq!(events(&state), [Event::Stopped { reason: "a leak".into() }]);
        assert!(resume(&config, &state).await.expect("resumed"));
        assert_eq!(events(&state), [Event::Stopped { reason: "a leak".into() }, Event::Resumed]);
        for reason in ["", "two\nlines", &"x".repeat(201)] {
            assert!(matches!(stop(&config, &state, reason).await, Err(CommandError::Reason)));
        }
        assert_eq!(Switch::new(config.owner.clone(), &state).check(), Ok(()));
    }

    #[tokio::test]
    async fn a_record_is_erased_and_the_log_tells_why_and_verifies() {
        let folder = tempfile::tempdir().expect("a folder");
        let (config, state) = node(folder.path());
        stop(&config, &state, "somebody's name").await.expect("stopped");
        resume(&config, &state).await.expect("resumed");
        assert_eq!(erase(&config, &state, 0, "it named somebody").await.expect("erased"), 2);
        let told = Event::Erased { entry: 0, reason: "it named somebody".into() };
        assert_eq!(events(&state), [Event::Resumed, told]);
        // Not again, not what tells of it, not what is not there; and not without a reason.
        for entry in [0, 2, 9] {
            let refused = erase(&config, &state, entry, "again").await;
            assert!(matches!(refused, Err(CommandError::Log(LogError::NotErasable { .. }))), "{refused:?}");
        }
        assert!(matches!(erase(&config, &state, 1, "two\nlines").await, Err(CommandError::Reason)));
        assert_eq!(events(&state).len(), 2);
    }

    #[tokio::test]
    async fn a_stop_that_cannot_be_recorded_holds_and_says_so_and_a_resume_does_not_happen() {
        let folder = tempfile::tempdir().expect("a folder");
        let (config, state) = node(folder.path());
        std::fs::write(state.audit().join("checkpoint"), "{}\n").expect("written");
        let stopping = stop(&config, &state, "a leak").await.expect("stopped");
        assert!(stopping.unrecorded.is_some_and(|why| why.contains("audit log")));
        let switch = Switch::new(config.owner.clone(), &state);
        assert!(switch.check().is_err());
        assert!(matches!(resume(&config, &state).await, Err(CommandError::Log(_))));
        assert!(switch.check().is_err());
        assert_eq!(switch.stop().expect("readable").map(|stop| stop.recorded), Some(false));
    }
}
