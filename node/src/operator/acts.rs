//! An operator's acts on a node that serves. They come one at a time, and each is in the audit log before the operator hears that it is
//! done.

use std::sync::Arc;
use std::time::Duration;

use kobling_audit::{Entry, LogError, SharedLog};
use kobling_model::Hash;
use kobling_model::record::Event;
use kobling_proto::observe::log::Line;
use tokio_util::sync::CancellationToken;

use super::{Answer, Order};
use crate::node::{Node, now_ms};
use crate::state::{self, StateDir, StateError};

/// How soon a stop is noticed that was put on disk without an order.
const WATCH: Duration = Duration::from_secs(1);

/// Hash of the policy that the log names last; none where it names none.
///
/// # Errors
/// [`StateError`].
pub fn recorded_policy(state: &StateDir) -> Result<Option<Hash>, StateError> {
    let path = state.policy();
    match state::read(&path)? {
        None => Ok(None),
        Some(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|_| StateError::Damaged { path }),
    }
}

/// Notes that the log names a policy. A crash before this has the policy recorded once more.
///
/// # Errors
/// [`StateError`].
pub fn note_recorded_policy(state: &StateDir, policy: Hash) -> Result<(), StateError> {
    state::replace(&state.policy(), &serde_json::to_vec(&policy).expect("a hash has a JSON form"))
}

impl Node {
    /// Carries out an order.
    pub async fn carry_out(self: &Arc<Self>, order: Order) -> Answer {
        match order {
            Order::Stop { reason } => self.stop(&reason).await,
            Order::Resume => self.resume().await,
            Order::Reload => self.reload().await,
            Order::Erase { entry, reason } => self.erase(entry, reason).await,
            Order::State => {
                Answer::State { policy: self.policy.now().hash, stop: self.switch.stop().unwrap_or_default() }
            }
        }
    }

    /// Stops the node: 1. on disk, so that every gate is shut from here on; 2. everything that runs is ended; 3. recorded.
    ///
    /// Whatever fails, the node is stopped when this returns.
    pub async fn stop(&self, reason: &str) -> Answer {
        let _turn = self.acts.lock().await;
        self.stop_in_turn(reason).await
    }

    async fn stop_in_turn(&self, reason: &str) -> Answer {
        let raised = self.switch.raise(reason, now_ms());
        self.sessions.abort_all();
        Line::OwnerStops.entry().party(&self.me).say();
        let reason = raised.as_ref().map_or(reason, |stop| stop.reason.as_str());
        let recorded = raised.as_ref().is_ok_and(|stop| stop.recorded);
        let unrecorded = match recorded {
            true => None,
            false => self.record_act(Event::Stopped { reason: reason.to_owned() }).await.err(),
        };
        if let (Ok(stop), None) = (&raised, &unrecorded) {
            // Where this fails it is recorded once more at the next start.
            let _ = self.switch.note_record(stop);
        }
        Answer::Stopped { unrecorded, unwritten: raised.err().map(|error| error.to_string()) }
    }

    /// Lets the node answer again: recorded first.
    pub async fn resume(&self) -> Answer {
        let _turn = self.acts.lock().await;
        if self.gate().is_ok() {
            return Answer::NotStopped;
        }
        if let Err(why) = self.record_act(Event::Resumed).await {
            return Answer::NotResumed { why };
        }
        if let Err(error) = self.switch.lower() {
            return Answer::NotResumed { why: error.to_string() };
        }
        Line::OwnerResumes.entry().party(&self.me).say();
        Answer::Resumed
    }

    /// Puts the file's policy in force: recorded first. A policy that cannot stand changes nothing.
    ///
    /// Sessions whose decoys were drawn under looser numbers end.
    pub async fn reload(&self) -> Answer {
        let _turn = self.acts.lock().await;
        let new = match self.policy.read_again() {
            Ok(new) => new,
            Err(error) => {
                Line::PolicyRefused.entry().party(&self.me).code(error.code()).say();
                return Answer::NotReloaded { why: error.to_string() };
            }
        };
        let old = self.policy.now();
        let (policy, before) = (new.hash, old.hash);
        if policy == before {
            return Answer::Unchanged { policy };
        }
        if let Err(why) = self.record_act(Event::PolicyInForce { policy, before: Some(before) }).await {
            Line::PolicyRefused.entry().party(&self.me).code("log").say();
            return Answer::NotReloaded { why };
        }
        let sessions_ended = !old.policy.decoys.is_at_least_as_strict(new.policy.decoys);
        self.policy.put(new);
        if sessions_ended {
            self.sessions.close_all();
        }
        // Where this fails the policy is recorded once more at the next start.
        let _ = note_recorded_policy(&self.state, policy);
        Line::PolicyInForce.entry().party(&self.me).say();
        Answer::Reloaded { policy, before, sessions_ended }
    }

    /// Erases a record of the log: told first.
    async fn erase(&self, entry: u64, reason: String) -> Answer {
        let _turn = self.acts.lock().await;
        match self.with_log(move |log| log.erase(entry, reason, now_ms())).await {
            Ok(told) => Answer::Erased { told_at: told.index },
            Err(why) => Answer::NotErased { why },
        }
    }

    /// Writes an act to the log; an error is for the operator.
    async fn record_act(&self, event: Event) -> Result<(), String> {
        self.with_log(move |log| log.append(event, now_ms())).await.map(drop)
    }

    async fn with_log(
        &self,
        act: impl FnOnce(&SharedLog) -> Result<Entry, LogError> + Send + 'static,
    ) -> Result<Entry, String> {
        let log = self.log.clone();
        match tokio::task::spawn_blocking(move || act(&log)).await {
            Ok(done) => done.map_err(|error| error.to_string()),
            Err(_) => Err("the audit log failed".to_owned()),
        }
    }

    /// Ends what runs, and records, where a stop was put on disk without an order to this process.
    pub async fn watch_switch(self: Arc<Self>, stop: CancellationToken) {
        let mut clock = tokio::time::interval(WATCH);
        let mut seen = false;
        loop {
            tokio::select! {
                _ = clock.tick() => {}
                () = stop.cancelled() => return,
            }
            let _turn = self.acts.lock().await;
            let stopped = self.gate().is_err();
            let known = self.switch.stop().is_ok_and(|stop| stop.is_some_and(|stop| stop.recorded));
            if stopped && !seen && !known {
                self.stop_in_turn("").await;
            }
            seen = stopped;
        }
    }
}
