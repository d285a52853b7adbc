//! What an operator wants to know: who the node is, what it has, who answers, and what was asked last.

use std::fmt;
use std::time::Duration;

use kobling_audit::summary;
use kobling_model::OwnerId;
use kobling_model::plan::Release;
use kobling_proto::transport;
use serde::Serialize;

use crate::config::Config;
use crate::founding::accepted_peers;
use crate::register::RegisterStore;
use crate::secrets::Secrets;
use crate::serve::{StartError, credentials, pinned_federation, seal_key};
use crate::state::StateDir;

/// A node's status.
#[derive(Debug, Serialize)]
pub struct Status {
    /// Whose node.
    pub owner: OwnerId,
    /// The federation's name.
    pub federation: String,
    /// Whether the node's own service answers.
    pub serving: bool,
    /// End of the certificate's validity, UTC.
    pub certificate_expires: String,
    /// Names of federation secrets still missing.
    pub missing_secrets: Vec<String>,
    /// Imported releases with their variables.
    pub releases: Vec<ReleaseStatus>,
    /// All other parties.
    pub peers: Vec<PeerStatus>,
    /// The question recorded last.
    pub last_question: Option<LastQuestion>,
}

/// An imported release.
#[derive(Debug, Serialize)]
pub struct ReleaseStatus {
    /// Which.
    #[serde(flatten)]
    pub release: Release,
    /// Names of its variables.
    pub variables: Vec<String>,
}

/// Another party.
#[derive(Debug, Serialize)]
pub struct PeerStatus {
    /// Its name.
    pub party: OwnerId,
    /// Whether the operator has let it in; the broker needs no letting in.
    pub accepted: bool,
    /// Whether it answers a connection with this node's certificate.
    pub answers: bool,
    /// Why not.
    pub reason: Option<String>,
}

/// The question recorded last.
#[derive(Debug, Serialize)]
pub struct LastQuestion {
    /// When, UTC.
    pub at: String,
    /// Researcher, as the platform asserts.
    pub researcher: String,
    /// Institution, as the platform asserts.
    pub institution: String,
    /// How it ended, where that is recorded.
    pub outcome: Option<String>,
}

/// Gathers the status. Reads the state folder and dials every party.
///
/// # Errors
/// [`StartError`] where the node would not start either.
pub async fn status(config: &Config, state: &StateDir) -> Result<Status, StartError> {
    let federation = pinned_federation(config, state)?;
    let credentials = credentials(config, &federation)?;
    let info = transport::certificate_info(&credentials.certificate_pem).map_err(StartError::Certificate)?;
    let secrets = Secrets::load(state, &seal_key(config)?)?;
    let missing = secrets.missing(&config.owner, &federation);
    let accepted = accepted_peers(state)?;
    let store = RegisterStore::open(state.root())?;
    let releases = store.catalogue().into_iter().map(|datastore| ReleaseStatus {
        release: crate::node::release_of(&datastore),
        variables: datastore.variables.iter().map(|variable| variable.name.to_string()).collect(),
    });
    let patience = config.peer_timeout.min(Duration::from_secs(5));
    let dials = federation.parties().map(|party| {
        let (accepted, credentials) = (accepted.contains(&party.id), &credentials);
        async move {
            let dialled = transport::dial(party, credentials, patience).await;
            PeerStatus {
                party: party.id.clone(),
                accepted,
                answers: dialled.is_ok(),
                reason: dialled.err().map(|error| error.to_string()),
            }
        }
    });
    let mut peers = futures::future::join_all(dials).await;
    let own = peers.iter().position(|peer| peer.party == config.owner);
    let serving = own.map(|at| peers.remove(at).answers).unwrap_or(false);
    Ok(Status {
        owner: config.owner.clone(),
        federation: federation.name,
        serving,
        certificate_expires: summary::utc(u64::try_from(info.not_after_unix_s).unwrap_or(0) * 1000),
        missing_secrets: missing.iter().map(|name| name.to_text()).collect(),
        releases: releases.collect(),
        peers,
        last_question: last_question(state),
    })
}

fn last_question(state: &StateDir) -> Option<LastQuestion> {
    let log = kobling_audit::verify(&state.audit()).ok()?;
    let question = summary::questions(&log).into_iter().next_back()?;
    let asker = &question.execution.asked_by;
    let outcome = question.ending.as_ref().and_then(|ending| {
        serde_json::to_value(ending.outcome).ok()?.get("outcome")?.as_str().map(str::to_owned)
    });
    Some(LastQuestion {
        at: summary::utc(question.opened_ms),
        researcher: asker.researcher.clone(),
        institution: asker.institution.clone(),
        outcome,
    })
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let yes = |flag: bool| if flag { "yes" } else { "no" };
        writeln!(f, "node          {} in {}", self.owner, self.federation)?;
        writeln!(f, "serving       {}", yes(self.serving))?;
        writeln!(f, "certificate   valid until {}", self.certificate_expires)?;
        match self.missing_secrets.as_slice() {
            [] => writeln!(f, "secrets       complete")?,
            missing => writeln!(f, "secrets       missing: {}", missing.join(", "))?,
        }
        for release in &self.releases {
            let Release { datastore, version, .. } = &release.release;
            writeln!(f, "register      {datastore} {version}, {} variables", release.variables.len())?;
        }
        for peer in &self.peers {
            let answers = if peer.answers { "answers" } else { "does not answer" };
            let accepted = if peer.accepted { ", let in" } else { "" };
            let reason = peer.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
            writeln!(f, "party         {} {answers}{accepted}{reason}", peer.party)?;
        }
        match &self.last_question {
            None => write!(f, "last question none"),
            Some(last) => {
                let outcome = last.outcome.as_deref().unwrap_or("not ended");
                // Texts from outside are shown escaped.
                write!(
                    f,
                    "last question {}: {:?} of {:?}, {outcome}",
                    last.at, last.researcher, last.institution
                )
            }
        }
    }
}
