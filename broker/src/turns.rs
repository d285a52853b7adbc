//! Turns at computing: how many questions run at once, and whose is next.
//!
//! A question holds a turn from before its units are linked until its outcome is recorded. Where none is free, it waits: institutions are
//! served in a circle, so that one with many sessions does not hold up another, and within an institution questions in the order in
//! which they came. A session has one question at a time, so its sessions take turns as well. Whoever gives up waiting leaves the queue.
//!
//! What anybody can see of this is that a question waits longer: it tells of the load, not of the data.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use crate::broker::lock;

/// Turns at computing.
#[derive(Clone)]
pub(crate) struct Turns(Arc<Mutex<State>>);

struct State {
    free: usize,
    /// Those who wait, by institution.
    waiting: HashMap<String, VecDeque<oneshot::Sender<Turn>>>,
    /// Institutions with somebody waiting, the next one first.
    circle: VecDeque<String>,
}

/// The right to compute. Dropping it passes it on.
pub(crate) struct Turn(Turns);

impl Turns {
    /// So many at once.
    pub(crate) fn new(at_once: usize) -> Self {
        let state = State { free: at_once.max(1), waiting: HashMap::new(), circle: VecDeque::new() };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Waits for a turn. Dropping the future gives up the place in the queue.
    pub(crate) async fn take(&self, institution: &str) -> Turn {
        loop {
            let waiting = {
                let mut state = lock(&self.0);
                if state.free > 0 && state.circle.is_empty() {
                    state.free -= 1;
                    return Turn(self.clone());
                }
                let (sender, receiver) = oneshot::channel();
                if !state.waiting.contains_key(institution) {
                    state.circle.push_back(institution.to_owned());
                }
                state.waiting.entry(institution.to_owned()).or_default().push_back(sender);
                receiver
            };
            // Nobody drops a sender before it has sent, but asking again would do no harm.
            if let Ok(turn) = waiting.await {
                return turn;
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let turns = &self.0;
        loop {
            let next = {
                let mut state = lock(&turns.0);
                let Some(institution) = state.circle.pop_front() else {
                    state.free += 1;
                    return;
                };
                let queue = state.waiting.get_mut(&institution);
                let next = queue.and_then(VecDeque::pop_front);
                match state.waiting.get(&institution) {
                    Some(queue) if !queue.is_empty() => state.circle.push_back(institution),
                    _ => drop(state.waiting.remove(&institution)),
                }
                next
            };
            let Some(next) = next.filter(|next| !next.is_closed()) else { continue };
            match next.send(Turn(turns.clone())) {
                Ok(()) => return,
                // Given up at this very moment: dropping what comes back passes it on.
                Err(back) => return drop(back),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn order(at_once: usize, askers: &[&str], given_up: &[usize]) -> Vec<String> {
        let turns = Turns::new(at_once);
        let held: Vec<Turn> = futures::future::join_all((0..at_once).map(|_| turns.take("first"))).await;
        let served = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for (at, asker) in askers.iter().enumerate() {
            let (turns, served, name) = (turns.clone(), served.clone(), (*asker).to_owned());
            let task = tokio::spawn(async move {
                let _turn = turns.take(&name).await;
                served.lock().expect("no panic").push(format!("{name}{at}"));
                tokio::time::sleep(Duration::from_millis(1)).await;
            });
            tokio::time::sleep(Duration::from_millis(2)).await;
            tasks.push(task);
        }
        for at in given_up {
            tasks[*at].abort();
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
        drop(held);
        for task in tasks {
            let _ = task.await;
        }
        assert_eq!(lock(&turns.0).free, at_once, "every turn comes back");
        assert!(lock(&turns.0).waiting.is_empty() && lock(&turns.0).circle.is_empty());
        let served = served.lock().expect("no panic");
        served.clone()
    }

    #[tokio::test]
    async fn institutions_are_served_in_a_circle_and_each_in_order() {
        let served = order(1, &["a", "a", "a", "b", "c", "b"], &[]).await;
        assert_eq!(served, ["a0", "b3", "c4", "a1", "b5", "a2"]);
    }

    #[tokio::test]
    async fn who_gives_up_is_passed_over_and_no_turn_is_lost() {
        let served = order(1, &["a", "a", "b", "a"], &[0, 2]).await;
        assert_eq!(served, ["a1", "a3"]);
        assert_eq!(order(2, &["a", "b"], &[0, 1]).await, Vec::<String>::new());
    }
}
