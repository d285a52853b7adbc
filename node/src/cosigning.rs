//! This node's log at its witnesses, and the node as witness of others' logs: `kobling-audit` says what is asked and answered,
//! [`kobling_proto::witness`] carries it.

use std::sync::Arc;
use std::time::Instant;

use kobling_audit::cosigning::{Request, Taken, Unwitnessed};
use kobling_audit::{Cosigning, Witness};
use kobling_proto::observe::log::Line;
use kobling_proto::witness::{Answered, Courier, Heard};
use tokio::task::JoinSet;

use crate::node::now_ms;

/// Answers others' requests for cosignatures.
pub fn answers(witness: Arc<Witness>) -> impl Fn(&[u8]) -> Answered + Clone + Send + Sync + 'static {
    move |body| {
        let answer = witness.add_checkpoint(body, now_ms() / 1000);
        Answered { status: answer.status(), content_type: answer.content_type(), body: answer.body() }
    }
}

/// Has one witness cosign the log whenever it has grown, until it contradicts the log, or this is dropped.
pub async fn carried(courier: Courier, cosigning: Arc<Cosigning>) -> Option<Unwitnessed> {
    let party = courier.party.id.clone();
    let next = {
        let (cosigning, party) = (cosigning.clone(), party.clone());
        // A log that cannot be read takes no entries either, and says so there.
        move || {
            let request = cosigning.request(&party, Instant::now()).ok().flatten()?;
            Some((request.clone(), request.body))
        }
    };
    let take = {
        let (cosigning, party) = (cosigning.clone(), party.clone());
        move |request: Request, status, body: &[u8]| match cosigning.take(&party, &request, status, body) {
            Taken::Cosigned => Heard::Done,
            Taken::AskAgain => Heard::Again,
            Taken::Refused => Heard::Later,
            Taken::Contradicted => Heard::Never,
        }
    };
    courier.run(next, take).await;
    Line::LogContradicted.entry().party(&party).say();
    cosigning.contradiction(&party)
}

/// Waits until one of the witnesses contradicts the log; for ever where none does.
pub async fn contradiction(couriers: &mut JoinSet<Option<Unwitnessed>>) -> Unwitnessed {
    while let Some(ended) = couriers.join_next().await {
        if let Ok(Some(contradiction)) = ended {
            return contradiction;
        }
    }
    std::future::pending().await
}
