//! What an operator does to a node that is not running: make it, enrol it, let peers in, import registers.
//!
//! Every act but the first is recorded in the node's log: enrolling and letting in before they take effect, an
//! import once its manifest exists. The log is held by a running node, so these acts ask for it to be stopped
//! first.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use kobling_audit::LogKey;
use kobling_audit::log::AuditLog;
use kobling_crypto::seal::SealKey;
use kobling_crypto::sign::SigningKey;
use kobling_disclosure::policy::Policy;
use kobling_model::federation::Federation;
use kobling_model::plan::Release;
use kobling_model::record::Event;
use kobling_model::{DatastoreId, OwnerId, VariableName};
use rcgen::{CertificateParams, DnType, KeyPair, SanType, string::Ia5String};

use crate::config::Config;
use crate::founding::accept_peer;
use crate::node::now_ms;
use crate::register::{Bumped, DraftItem, ImportError, ImportReport, RegisterStore, ReleaseError};
use crate::replay::ReplayStore;
use crate::secrets::Secrets;
use crate::serve::{StartError, pinned_federation, seal_key};
use crate::state::{self, StateDir, StateError};

/// What a new node has to tell the federation.
#[derive(Debug)]
pub struct Made {
    /// Ed25519 public key, hexadecimal, for the federation file.
    pub signing_key: String,
    /// PEM file for the owner's certificate authority to sign.
    pub certificate_request: PathBuf,
    /// Where the certificate belongs.
    pub certificate: PathBuf,
}

/// Why an operator's act was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum OperateError {
    /// The node's settings or state.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The state folder.
    #[error(transparent)]
    State(#[from] StateError),
    /// Keys could not be made.
    #[error("no certificate request could be made for the name {0}")]
    CertificateRequest(OwnerId),
    /// The node is enrolled with another federation file. Nothing was changed.
    #[error("the node is enrolled already, with another federation file")]
    EnrolledOtherwise,
    /// The name is no node of the roster, or this node itself.
    #[error("{0} is not another node of the pinned federation file")]
    NotAPeer(OwnerId),
    /// The import.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// A step towards a release.
    #[error(transparent)]
    Release(#[from] ReleaseError),
    /// The log.
    #[error("the audit log: {0}; is the node running?")]
    Log(#[from] kobling_audit::log::LogError),
}

/// Makes keys, a certificate request, a policy, a configuration file and empty state.
///
/// # Errors
/// [`OperateError`]; an existing file is never touched.
pub fn init(
    config: &Path,
    state: &StateDir,
    owner: &OwnerId,
    listen: SocketAddr,
) -> Result<Made, OperateError> {
    init_like(Config::EXAMPLE, Path::new("the example"), config, state, owner, listen)
}

/// [`init`], with the settings of another configuration file, which errors call `path`.
///
/// # Errors
/// As [`init`], and where `like` is not a configuration file; then nothing has been made.
pub fn init_like(
    like: &str,
    path: &Path,
    config: &Path,
    state: &StateDir,
    owner: &OwnerId,
    listen: SocketAddr,
) -> Result<Made, OperateError> {
    // Before anything is made: what it names is set anew below.
    Config::parse(like, path, Path::new("")).map_err(StartError::from)?;
    let policy = config.with_file_name("policy.toml");
    for path in [config, &policy] {
        if path.exists() {
            return Err(StateError::Exists { path: path.to_owned() }.into());
        }
    }
    let keys = state.keys();
    if keys.join("seal.key").exists() {
        return Err(StateError::Exists { path: keys.join("seal.key") }.into());
    }
    state.create()?;
    let folder = config.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        let io = |source| StateError::Io { path: folder.to_owned(), source };
        fs::create_dir_all(folder).map_err(io)?;
    }
    let (key_pem, request_pem) =
        certificate_request(owner).ok_or_else(|| OperateError::CertificateRequest(owner.clone()))?;
    let signing = SigningKey::generate();
    state::create(&keys.join("tls.key"), key_pem.as_bytes())?;
    state::create(&keys.join("tls.csr"), request_pem.as_bytes())?;
    state::create(&keys.join("signing.pk8"), signing.expose_pkcs8())?;
    state::create(&keys.join("seal.key"), SealKey::generate().expose())?;
    state::create(&policy, Policy::init_text().as_bytes())?;
    let io = |source| StateError::Io { path: keys.clone(), source };
    let absolute = fs::canonicalize(&keys).map_err(io)?;
    let text = Config::init_text(like, path, owner, listen, &absolute, Path::new("policy.toml"))
        .map_err(StartError::from)?;
    // Last: a configuration file that is there means that everything it names is there.
    state::create(config, text.as_bytes())?;
    Ok(Made {
        signing_key: hex::encode(signing.verifying_key().as_bytes()),
        certificate_request: keys.join("tls.csr"),
        certificate: keys.join("tls.pem"),
    })
}

/// A fresh TLS key and a request for a certificate with the node's names, both as PEM.
fn certificate_request(owner: &OwnerId) -> Option<(String, String)> {
    let key = KeyPair::generate().ok()?;
    let mut params = CertificateParams::new(vec![format!("{owner}.kobling")]).ok()?;
    params.distinguished_name.push(DnType::CommonName, owner.as_str());
    let uri = Ia5String::try_from(format!("kobling://{owner}")).ok()?;
    params.subject_alt_names.push(SanType::URI(uri));
    let request = params.serialize_request(&key).ok()?;
    Some((key.serialize_pem(), request.pem().ok()?))
}

fn open_log(config: &Config, state: &StateDir) -> Result<AuditLog, OperateError> {
    Ok(AuditLog::open(&state.audit(), config.owner.clone(), log_key(config)?)?)
}

/// The node's signing key, as that of its log.
pub(crate) fn log_key(config: &Config) -> Result<LogKey, StartError> {
    let file = state::read(&config.signing_key)?;
    let key = file.and_then(|bytes| LogKey::from_pkcs8(&bytes).ok());
    key.ok_or_else(|| StartError::Key(config.signing_key.clone()))
}

/// Pins a federation file, and draws the federation secrets that this node is the one to draw.
///
/// Enrolling again with the same file changes nothing.
///
/// # Errors
/// [`OperateError::EnrolledOtherwise`] for another file.
pub fn enrol(config: &Config, state: &StateDir, file: &Path) -> Result<Federation, OperateError> {
    let io = |source| StateError::Io { path: file.to_owned(), source };
    let text = fs::read_to_string(file).map_err(io)?;
    let federation = Federation::from_toml(&text).map_err(StartError::from)?;
    if federation.node(&config.owner).is_none() {
        return Err(StartError::NotOnTheRoster(config.owner.clone()).into());
    }
    let key = seal_key(config)?;
    let mut log = open_log(config, state)?;
    match state::read(&state.federation())? {
        Some(pinned) if pinned == text.as_bytes() => return Ok(federation),
        Some(_) => return Err(OperateError::EnrolledOtherwise),
        None => {}
    }
    log.append(Event::Enrolled { federation: federation.hash() }, now_ms())?;
    // Secrets first: a pinned file without them would look enrolled after a crash.
    if state::read(&state.secrets())?.is_none() {
        Secrets::draw(&config.owner, &federation).store(state, &key)?;
    }
    state::replace(&state.federation(), text.as_bytes())?;
    Ok(federation)
}

/// Lets a node of the roster in: this node then connects with it and gives it the secrets it should hold.
///
/// # Errors
/// [`OperateError::NotAPeer`].
pub fn accept(config: &Config, state: &StateDir, peer: &OwnerId) -> Result<(), OperateError> {
    let federation = pinned_federation(config, state)?;
    if *peer == config.owner || federation.node(peer).is_none() {
        return Err(OperateError::NotAPeer(peer.clone()));
    }
    let mut log = open_log(config, state)?;
    log.append(Event::PeerAccepted { peer: peer.clone() }, now_ms())?;
    Ok(accept_peer(state, peer)?)
}

/// Says that the clock, which is behind a time it has shown, is right now. Whether it was behind; nothing is changed where it is
/// not.
///
/// # Errors
/// [`OperateError`], also where the platform's signatures say that the clock is wrong.
pub fn trust_clock(config: &Config, state: &StateDir) -> Result<bool, OperateError> {
    let mut log = open_log(config, state)?;
    let now_ms = now_ms();
    let Some(shown_ms) = ReplayStore::shown_before(&state.replay(), now_ms)? else { return Ok(false) };
    log.append(Event::ClockTrusted { shown_ms }, now_ms)?;
    ReplayStore::trust_clock(&state.replay(), now_ms)?;
    Ok(true)
}

/// Imports a release: all dataset folders in `folder`.
///
/// # Errors
/// [`OperateError::Import`] with everything that is wrong with the datasets; nothing is imported then.
pub fn import(
    config: &Config,
    state: &StateDir,
    folder: &Path,
    release: &Release,
) -> Result<ImportReport, OperateError> {
    let key = seal_key(config)?;
    let mut log = open_log(config, state)?;
    let mut store = open_store(state)?;
    let imported = store.import(folder, release, &key);
    record_releases(&store, state, &mut log)?;
    Ok(imported?)
}

/// Imports all dataset folders in `folder` into the draft of a datastore. Nothing that researchers see changes, and nothing
/// is recorded.
///
/// # Errors
/// [`OperateError::Import`] with everything that is wrong with the datasets; the draft is then as before.
pub fn import_draft(
    config: &Config,
    state: &StateDir,
    folder: &Path,
    datastore: &DatastoreId,
) -> Result<ImportReport, OperateError> {
    let key = seal_key(config)?;
    // A serving node holds its log: identity maps do not change under it.
    let _log = open_log(config, state)?;
    Ok(open_store(state)?.import_draft(folder, datastore, &config.owner, &key)?)
}

/// The items of a datastore's draft.
///
/// # Errors
/// [`OperateError::Release`].
pub fn draft(state: &StateDir, datastore: &DatastoreId) -> Result<Vec<DraftItem>, OperateError> {
    Ok(open_store(state)?.draft(datastore)?)
}

/// A step of items of a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Drafts will be released.
    Pending,
    /// Released variables will be removed.
    PendingDelete,
    /// One step back.
    Withdraw,
}

/// Takes a step with items of a datastore's draft.
///
/// # Errors
/// [`OperateError::Release`]; no item is then another than before.
pub fn step(
    config: &Config,
    state: &StateDir,
    datastore: &DatastoreId,
    step: Step,
    names: &[VariableName],
) -> Result<Vec<DraftItem>, OperateError> {
    let _log = open_log(config, state)?;
    let mut store = open_store(state)?;
    match step {
        Step::Pending => store.make_pending(datastore, names)?,
        Step::PendingDelete => store.make_pending_delete(datastore, names)?,
        Step::Withdraw => store.withdraw(datastore, names)?,
    }
    Ok(store.draft(datastore)?)
}

/// Releases what is pending, under the version that follows from it, and records the release.
///
/// # Errors
/// [`OperateError::Release`]; nothing was released then.
pub fn bump(config: &Config, state: &StateDir, datastore: &DatastoreId) -> Result<Bumped, OperateError> {
    let mut log = open_log(config, state)?;
    let mut store = open_store(state)?;
    let bumped = store.bump(datastore);
    record_releases(&store, state, &mut log)?;
    Ok(bumped?)
}

fn open_store(state: &StateDir) -> Result<RegisterStore, OperateError> {
    Ok(RegisterStore::open(state.root()).map_err(StartError::from)?)
}

/// Records the releases that are there and have no record: the one just made, and one that a crash left without.
fn record_releases(store: &RegisterStore, state: &StateDir, log: &mut AuditLog) -> Result<(), OperateError> {
    let recorded = kobling_audit::verify(&state.audit());
    for datastore in store.catalogue() {
        let manifest = store.release_manifest_hash(&datastore.id, datastore.version);
        let event = Event::Imported {
            release: crate::node::release_of(&datastore),
            manifest: manifest.expect("a release has a manifest"),
        };
        let known =
            recorded.as_ref().is_ok_and(|log| log.entries().iter().any(|entry| entry.record.event == event));
        if !known {
            log.append(event, now_ms())?;
        }
    }
    Ok(())
}
