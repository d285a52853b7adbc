//! What an operator wants to know: who the node is, what it has, who answers, and what was asked last.

use std::fmt;
use std::time::Duration;

use kobling_audit::summary;
use kobling_model::plan::Release;
use kobling_model::{Hash, OwnerId};
use kobling_proto::transport;
use serde::Serialize;

use crate::config::Config;
use crate::founding::accepted_peers;
use crate::operator::{Answer, Order, ask};
use crate::register::RegisterStore;
use crate::secrets::Secrets;
use crate::serve::{StartError, credentials, pinned_federation, seal_key};
use crate::standing::{Against, Standing};
use crate::state::StateDir;
use crate::switch::{Stop, Switch};

/// A node's status.
#[derive(Debug, Serialize)]
pub struct Status {
    /// Whose node.
    pub owner: OwnerId,
    /// The federation's name.
    pub federation: String,
    /// Whether the node's own service answers.
    pub serving: bool,
    /// Why the operator has stopped the node, if it is stopped.
    pub stopped: Option<Stop>,
    /// The owner's policy.
    pub policy: PolicyStatus,
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

/// The owner's policy.
#[derive(Debug, Serialize)]
pub struct PolicyStatus {
    /// Hash of the policy in force; none where the node does not serve, or does not say.
    pub in_force: Option<Hash>,
    /// Hash of the policy file, where it could be put in force.
    pub file: Option<Hash>,
    /// What is wrong with the file, where it could not.
    pub problem: Option<String>,
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
    /// Who asked, and how it ended; none where the record is sealed to auditors.
    #[serde(flatten)]
    pub said: Option<Said>,
}

/// What the record of a question says.
#[derive(Debug, Serialize)]
pub struct Said {
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
    let datastores = store.catalogue();
    let releases = datastores.iter().map(|datastore| ReleaseStatus {
        release: crate::node::release_of(datastore),
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
    let against = Against::node(&datastores, Some(&federation));
    let (file, problem) = match Standing::read(&config.policy, &against) {
        Ok(standing) => (Some(standing.hash), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let in_force = match ask(&state.operator(), &Order::State).await {
        Ok(Answer::State { policy, .. }) => Some(policy),
        _ => None,
    };
    Ok(Status {
        owner: config.owner.clone(),
        federation: federation.name,
        serving,
        stopped: Switch::new(config.owner.clone(), state).stop()?,
        policy: PolicyStatus { in_force, file, problem },
        certificate_expires: summary::utc(u64::try_from(info.not_after_unix_s).unwrap_or(0) * 1000),
        missing_secrets: missing.iter().map(|name| name.to_text()).collect(),
        releases: releases.collect(),
        peers,
        last_question: last_question(state),
    })
}

fn last_question(state: &StateDir) -> Option<LastQuestion> {
    let log = kobling_audit::verify(&state.audit()).ok()?;
    let opened_ms = log.last_opened_ms()?;
    let question = summary::questions(log.entries()).into_iter().next_back();
    let said = question.filter(|question| question.opened_ms == opened_ms).map(|question| {
        let asker = &question.execution.asked_by;
        let outcome = question.ending.as_ref().and_then(|ending| {
            serde_json::to_value(ending.outcome).ok()?.get("outcome")?.as_str().map(str::to_owned)
        });
        Said { researcher: asker.researcher.clone(), institution: asker.institution.clone(), outcome }
    });
    Some(LastQuestion { at: summary::utc(opened_ms), said })
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let yes = |flag: bool| if flag { "yes" } else { "no" };
        writeln!(f, "node          {} in {}", self.owner, self.federation)?;
        writeln!(f, "serving       {}", yes(self.serving))?;
        if let Some(stop) = &self.stopped {
            writeln!(f, "stopped       since {}: {:?}", summary::utc(stop.since_ms), stop.reason)?;
        }
        let PolicyStatus { in_force, file, problem } = &self.policy;
        if let Some(hash) = in_force {
            writeln!(f, "policy        {hash} in force")?;
        }
        match (file, problem) {
            (Some(hash), _) if in_force.is_none_or(|in_force| in_force != *hash) => {
                let until = if self.serving { "reload" } else { "start" };
                writeln!(f, "policy        {hash} in the file, in force after the next {until}")?;
            }
            (None, Some(problem)) => writeln!(f, "policy        the file cannot be put in force: {problem}")?,
            _ => {}
        }
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
            Some(LastQuestion { at, said: None }) => {
                write!(f, "last question {at}, whose record is sealed to the auditors")
            }
            Some(LastQuestion { at, said: Some(said) }) => {
                let outcome = said.outcome.as_deref().unwrap_or("not ended");
                // Texts from outside are shown escaped.
                write!(f, "last question {at}: {:?} of {:?}, {outcome}", said.researcher, said.institution)
            }
        }
    }
}
