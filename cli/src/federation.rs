//! A federation on this machine for as long as a command runs: what the demo and the benchmark stand on.
//!
//! [`settings`] has what each party begins with, [`place`] says what lies where, [`authority`] signs development certificates, [`parties`] founds everything with
//! the commands that an operator uses and runs each party as a process of its own.

mod authority;
pub mod parties;
pub mod place;
mod settings;

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use kobling_model::DatastoreId;
use kobling_synth::OwnerRegisters;
use uuid::Uuid;

use crate::client::{Client, ClientError};
use crate::exit::Exit;
use crate::render::progress::Progress;
use crate::signals;
use parties::Parties;
use place::Place;

/// The version that registers are imported as.
pub const VERSION: &str = "1.0.0";
/// Its major number.
const MAJOR: u32 = 1;
/// How long the parties may take to start and to give each other their secrets.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// Does what a command does with a federation of its own: makes the folder, and afterwards, however it ends, stops the
/// parties and removes what is not to be kept. A signal ends it in order.
///
/// # Errors
/// Those of `work`, and where the folder cannot be made or removed.
pub async fn while_it_lasts(
    name: &str,
    keep: Option<&Path>,
    mut progress: Progress,
    work: impl AsyncFnOnce(&Place, &mut Parties, &mut Progress) -> anyhow::Result<Exit>,
) -> anyhow::Result<Exit> {
    let place = Place::create(name, keep)?;
    let mut parties = Parties::default();
    let ended = tokio::select! {
        ended = work(&place, &mut parties, &mut progress) => ended,
        signal = signals::received() => Ok(Exit::signal(signal)),
    };
    progress.clear();
    parties.stop().await;
    let left = place.leave().await;
    let exit = ended?;
    left?;
    Ok(exit)
}

/// Waits until all parties answer and hold their secrets: until a session over
/// `owners` can be opened.
///
/// # Errors
/// Names the party that keeps it from being ready.
pub async fn ready(
    place: &Place,
    parties: &mut Parties,
    owners: &[&OwnerRegisters],
) -> anyhow::Result<Client> {
    let all: Vec<(DatastoreId, u32)> = owners
        .iter()
        .map(|owner| DatastoreId::new(owner.datastore).map(|id| (id, MAJOR)))
        .collect::<Result<_, _>>()?;
    let attempt = async || -> anyhow::Result<Client> {
        let client = Client::connect(&place.platform()).await?;
        let session = client.open_session(&Uuid::new_v4().to_string(), &all).await?;
        client.close_session(&session).await?;
        Ok(client)
    };
    let begun = tokio::time::Instant::now();
    loop {
        match attempt().await {
            Ok(client) => return Ok(client),
            // Whoever has ended will not answer.
            Err(error) if parties.all_alive(place)? => {
                let passing = error.downcast_ref::<ClientError>().is_some_and(is_passing);
                if !passing || begun.elapsed() > START_TIMEOUT {
                    return Err(error).context("the federation did not get ready");
                }
            }
            Err(error) => return Err(error),
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}

/// Whether an error may go away by itself while parties are starting.
fn is_passing(error: &ClientError) -> bool {
    matches!(error.code.as_str(), "unreachable" | "timed-out" | "not-ready" | "not-cosigned")
}
