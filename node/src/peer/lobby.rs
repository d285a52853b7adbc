//! Where links that have been dialled from outside meet the computations that wait for them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use kobling_model::OwnerId;
use tokio::sync::oneshot;

use super::{Link, LinkName};
use crate::error::NodeError;

/// Links that one peer may have waiting. More than this is no honest computation.
const PARKED_PER_PEER: usize = 64;

/// Meeting place of arrived links and those who wait for them.
#[derive(Clone, Default)]
pub struct Lobby(Arc<Mutex<HashMap<(OwnerId, LinkName), Place>>>);

enum Place {
    /// Somebody here waits for the link.
    Awaited(oneshot::Sender<Link>),
    /// The link has come first.
    Parked(Link),
}

impl Lobby {
    fn places(&self) -> MutexGuard<'_, HashMap<(OwnerId, LinkName), Place>> {
        self.0.lock().expect("no code panics while holding the lobby")
    }

    /// Brings a link that `peer` has dialled. It is dropped, which ends it, if nobody takes it in time.
    ///
    /// # Errors
    /// [`NodeError::Misbehaved`] for a second link under one name, or too many at once.
    pub fn bring(
        &self,
        peer: &OwnerId,
        name: LinkName,
        link: Link,
        patience: Duration,
    ) -> Result<(), NodeError> {
        let misbehaved = || NodeError::Misbehaved { party: peer.clone(), step: name.purpose.as_str().into() };
        let key = (peer.clone(), name.clone());
        let mut places = self.places();
        match places.remove(&key) {
            Some(Place::Awaited(taker)) => return taker.send(link).map_err(|_| misbehaved()),
            Some(parked) => {
                places.insert(key, parked);
                return Err(misbehaved());
            }
            None => {}
        }
        let waiting =
            places.iter().filter(|((from, _), place)| from == peer && matches!(place, Place::Parked(_)));
        if waiting.count() >= PARKED_PER_PEER {
            return Err(misbehaved());
        }
        places.insert(key.clone(), Place::Parked(link));
        drop(places);
        let lobby = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(patience).await;
            let mut places = lobby.places();
            if let Some(Place::Parked(_)) = places.get(&key) {
                places.remove(&key);
            }
        });
        Ok(())
    }

    /// Waits for the link of this name.
    ///
    /// # Errors
    /// [`NodeError::Unreachable`] where it does not come in time.
    pub async fn take(&self, peer: &OwnerId, name: LinkName, patience: Duration) -> Result<Link, NodeError> {
        let step = name.purpose.as_str();
        let key = (peer.clone(), name);
        let awaited = {
            let mut places = self.places();
            match places.remove(&key) {
                Some(Place::Parked(link)) => return Ok(link),
                _ => {
                    let (taker, awaited) = oneshot::channel();
                    places.insert(key.clone(), Place::Awaited(taker));
                    awaited
                }
            }
        };
        // Leaving, for whatever reason, frees the place.
        let _leave = Leave { lobby: self, key: &key };
        match tokio::time::timeout(patience, awaited).await {
            Ok(Ok(link)) => Ok(link),
            Ok(Err(_)) | Err(_) => Err(NodeError::Unreachable { party: peer.clone(), step: step.into() }),
        }
    }
}

struct Leave<'a> {
    lobby: &'a Lobby,
    key: &'a (OwnerId, LinkName),
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        let mut places = self.lobby.places();
        if let Some(Place::Awaited(_)) = places.get(self.key) {
            places.remove(self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use kobling_model::{AttemptId, SessionId};

    use super::super::Purpose;
    use super::*;

    fn name() -> LinkName {
        LinkName { session: SessionId([1; 16]), attempt: AttemptId([2; 16]), purpose: Purpose::Attempt }
    }

    #[tokio::test]
    async fn link_and_taker_meet_whoever_comes_first() {
        let lobby = Lobby::default();
        let ssb = OwnerId::new("ssb").expect("valid");
        let long = Duration::from_secs(60);
        lobby.bring(&ssb, name(), Link::new().0, long).expect("parked");
        assert!(lobby.take(&ssb, name(), long).await.is_ok());
        let (taken, brought) = tokio::join!(lobby.take(&ssb, name(), long), async {
            tokio::task::yield_now().await;
            lobby.bring(&ssb, name(), Link::new().0, long)
        });
        assert!(taken.is_ok() && brought.is_ok());
    }

    #[tokio::test]
    async fn a_second_link_under_one_name_is_refused() {
        let lobby = Lobby::default();
        let ssb = OwnerId::new("ssb").expect("valid");
        let long = Duration::from_secs(60);
        lobby.bring(&ssb, name(), Link::new().0, long).expect("parked");
        assert!(matches!(lobby.bring(&ssb, name(), Link::new().0, long), Err(NodeError::Misbehaved { .. })));
    }

    #[tokio::test]
    async fn waiting_ends_in_an_error_that_names_the_peer() {
        let lobby = Lobby::default();
        let ssb = OwnerId::new("ssb").expect("valid");
        let error = lobby.take(&ssb, name(), Duration::from_millis(20)).await.expect_err("nobody comes");
        assert_eq!(error, NodeError::Unreachable { party: ssb, step: "attempt".into() });
        assert!(lobby.places().is_empty());
    }
}
