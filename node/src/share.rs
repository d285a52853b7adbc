//! An owner's part in a question in which it is no worker: it shares its columns to the two workers.
//!
//! | step | what | learnt by whom |
//! | --- | --- | --- |
//! | 2 | compute the own fragment in clear; at the same time, link up with both workers | |
//! | 3 | a fresh seed with left; agreement with both workers on plan, rules, roles and shape | |
//! | 4 | columns, block by block, and the constants of the value column if it is this owner's: shares to right, the seed to left | right: uniform numbers; left: nothing |
//! | 5 | farewell to right, then to left, once both have everything | |
//!
//! It sees no opening and receives nothing but keys, digests and farewells. Its links and seeds are used for nothing else, so that it may
//! deal in the same attempt.
//!
//! Source: [`kobling_crypto::protocol::shared_columns`]; design §4.

use kobling_crypto::attempt;
use kobling_crypto::protocol::ProtocolError;
use kobling_crypto::protocol::shared_columns::{self, OwnerRows};
use kobling_crypto::protocol::shared_constants;
use kobling_model::plan::Side;
use tokio::sync::mpsc;

use crate::columns::OwnColumns;
use crate::conduct::{Progress, Task};
use crate::error::Ending;
use crate::peer::{LinkTransport, Purpose};
use crate::watched::Failures;

impl Task {
    /// Steps 2 to 5; `place` is this owner's among the question's others.
    ///
    /// # Errors
    /// [`Ending`].
    pub async fn share(self, place: usize, progress: &mpsc::Sender<Progress>) -> Result<(), Ending> {
        let _ = progress.send(Progress::Stage("extract")).await;
        let (columns, to_left, to_right) = tokio::try_join!(
            self.own_columns(Side::Other(place)),
            self.link(&self.roles.left, Purpose::Share),
            self.link(&self.roles.right, Purpose::Share),
        )?;
        let _ = progress.send(Progress::Stage("share")).await;
        self.blocking(move |task| task.share_blocking(place, &columns, to_left, to_right)).await
    }

    fn share_blocking(
        &self,
        place: usize,
        columns: &OwnColumns,
        to_left: LinkTransport,
        to_right: LinkTransport,
    ) -> Result<(), Ending> {
        let failures = Failures::default();
        let channel =
            |peer, transport| self.node.channel(self.session.id, self.attempt, peer, transport, &failures);
        let (left_id, right_id) = (&self.roles.left, &self.roles.right);
        let (mut left, mut right) = (channel(left_id, to_left), channel(right_id, to_right));
        let explain = |error: ProtocolError| Ending::Failed(self.node.explain(&failures, &error, "share"));
        let computation = self.computation(columns.rows)?;
        let product = computation.product.as_ref().ok_or_else(|| self.node.internal("share"))?;
        // Step 3.
        let seed = attempt::introduce(&mut left, self.ends(left_id), self.node.ledger.as_ref());
        let seed = seed.map_err(explain)?;
        let digest = self.digest(&computation).0;
        attempt::agree(&mut left, &digest).map_err(explain)?;
        attempt::agree(&mut right, &digest).map_err(explain)?;
        // Step 4.
        let step = attempt::product_step();
        let rows = OwnerRows { categories: &columns.categories, values: &columns.limbs };
        shared_columns::share(&step, product, place, &mut right, &seed, rows).map_err(explain)?;
        if self.value().is_some_and(|(side, _)| side == Side::Other(place)) {
            shared_constants::share(&step, &mut right, &seed, &columns.constants).map_err(explain)?;
        }
        // Step 5.
        attempt::part(&mut right).map_err(explain)?;
        attempt::part(&mut left).map_err(explain)
    }
}
