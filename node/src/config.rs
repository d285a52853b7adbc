//! A node's settings, parsed once from the one configuration file named on the command line.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kobling_audit::Auditors;
use kobling_audit::cosigning::Terms;
use kobling_disclosure::policy::{Policy, PolicyFaults};
use kobling_model::{Hash, OwnerId};
use kobling_proto::observe::settings::{TelemetryFile, TelemetrySettings};
use serde::{Deserialize, Serialize};

use crate::standing::{Against, Standing};

/// What the file says. Private: the rest of the node sees [`Config`].
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    owner: String,
    listen: SocketAddr,
    certificate: PathBuf,
    key: PathBuf,
    signing_key: PathBuf,
    seal_key: PathBuf,
    policy: PathBuf,
    peer_timeout_ms: u64,
    session_idle_minutes: u64,
    sessions_memory_mb: u64,
    cosignature_age_max_s: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cosignatures_min: Option<u64>,
    auditors: Vec<String>,
    /// A table, so it stands last.
    #[serde(skip_serializing_if = "Option::is_none")]
    telemetry: Option<TelemetryFile>,
}

/// A node's settings, already checked; holding one means the node can start.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who this node belongs to.
    pub owner: OwnerId,
    /// Where it listens, if no listening socket is handed to it.
    pub listen: SocketAddr,
    /// PEM file of its certificate chain.
    pub certificate: PathBuf,
    /// PEM file of the certificate's private key.
    pub key: PathBuf,
    /// PKCS #8 file of the Ed25519 key that signs partial aggregates.
    pub signing_key: PathBuf,
    /// File with the 32 bytes that seal identity maps and federation secrets at rest.
    pub seal_key: PathBuf,
    /// The owner's policy file.
    pub policy: PathBuf,
    /// How long to wait for one message from another party. Not zero.
    pub peer_timeout: Duration,
    /// After how long without a question a session is forgotten. Not zero.
    pub session_idle: Duration,
    /// Bytes of memory for what all sessions keep between questions; the rest goes to disk, sealed.
    pub sessions_memory: usize,
    /// When the node stops answering for want of cosignatures of its log.
    pub cosigning: Terms,
    /// Hash of the file.
    pub hash: Hash,
    /// To whom records of questions are sealed. None: they lie in clear.
    pub auditors: Option<Auditors>,
    /// What is told to those who watch. Nothing, unless the file says so.
    pub telemetry: TelemetrySettings,
}

/// Why settings are refused. Texts are for the operator.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("{path} cannot be read: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not TOML, an unknown or missing key, or a value of the wrong type.
    #[error("{path}: {message}")]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// Where and what.
        message: String,
    },
    /// The owner's policy.
    #[error("{}", of_file(path, faults))]
    Policy {
        /// Which file.
        path: PathBuf,
        /// Everything that is wrong with it.
        faults: PolicyFaults,
    },
    /// A setting that the node cannot work with.
    #[error("{path}: {setting} {reason}")]
    Setting {
        /// Which file.
        path: PathBuf,
        /// Its name.
        setting: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl ConfigError {
    /// Stable code, for the node's log.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Policy { faults, .. } => faults.first().error.code(),
            Self::Read { .. } | Self::Syntax { .. } | Self::Setting { .. } => "policy-unreadable",
        }
    }
}

/// Faults, each on a line of its own that names the file.
fn of_file(path: &Path, faults: &PolicyFaults) -> String {
    let lines = faults.all().iter().map(|fault| format!("{}: {fault}", path.display()));
    lines.collect::<Vec<_>>().join("\n")
}

/// Reads a text file, naming it where that fails.
pub(crate) fn read_text(path: &Path) -> Result<String, ConfigError> {
    fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })
}

impl Config {
    /// Reads and checks a configuration file. Relative paths in it are relative to the file's folder.
    ///
    /// # Errors
    /// [`ConfigError`] names the file and the setting.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = read_text(path)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        Self::parse(&text, path, folder)
    }

    /// Checks the text of a configuration file. `path` is what errors call it, `folder` what relative paths are relative to.
    ///
    /// # Errors
    /// [`ConfigError`] names the setting.
    pub fn parse(text: &str, path: &Path, folder: &Path) -> Result<Self, ConfigError> {
        let file: ConfigFile = toml::from_str(text)
            .map_err(|error| ConfigError::Syntax { path: path.to_owned(), message: error.to_string() })?;
        let refuse = |setting, reason: &str| ConfigError::Setting {
            path: path.to_owned(),
            setting,
            reason: reason.to_owned(),
        };
        let owner =
            OwnerId::new(file.owner).map_err(|error| refuse("owner", &format!("is invalid: {error}")))?;
        let bounds = [
            (
                "peer_timeout_ms",
                file.peer_timeout_ms,
                3_600_000,
                "is 0; no message could ever arrive in time",
            ),
            (
                "session_idle_minutes",
                file.session_idle_minutes,
                24 * 60,
                "is 0; a session would end before its first question",
            ),
        ];
        for (setting, value, most, zero) in bounds {
            if value == 0 {
                return Err(refuse(setting, zero));
            }
            if value > most {
                return Err(refuse(setting, "is longer than can be meant: at most an hour and a day"));
            }
        }
        let too_much = || refuse("sessions_memory_mb", "is more than can be meant: at most 1000000");
        let megabytes = Some(file.sessions_memory_mb).filter(|megabytes| *megabytes <= 1_000_000);
        let sessions_memory = megabytes.and_then(|megabytes| usize::try_from(megabytes * 1_000_000).ok());
        let sessions_memory = sessions_memory.ok_or_else(too_much)?;
        let cosigning = Terms::read(file.cosignatures_min, file.cosignature_age_max_s);
        let cosigning = cosigning.map_err(|(setting, reason)| refuse(setting, reason))?;
        let auditors = Auditors::read(&file.auditors);
        let auditors = auditors.map_err(|error| refuse("auditors", &format!("has a text that {error}")))?;
        let telemetry = file.telemetry.unwrap_or_default().check();
        let telemetry = telemetry.map_err(|refused| refuse(refused.setting, refused.reason))?;
        Ok(Self {
            owner,
            listen: file.listen,
            certificate: folder.join(file.certificate),
            key: folder.join(file.key),
            signing_key: folder.join(file.signing_key),
            seal_key: folder.join(file.seal_key),
            policy: folder.join(file.policy),
            peer_timeout: Duration::from_millis(file.peer_timeout_ms),
            session_idle: Duration::from_secs(60 * file.session_idle_minutes),
            sessions_memory,
            cosigning,
            hash: Hash::of(text.as_bytes()),
            auditors,
            telemetry,
        })
    }

    /// The configuration file that `init` begins with where it is given none.
    pub const EXAMPLE: &str = include_str!("../../compose/node-ssb.toml");

    /// The text of a new node's configuration file: the settings of the file `like`, with owner, address and paths set anew.
    /// `path` is what errors call that file.
    ///
    /// # Errors
    /// [`ConfigError`] where `like` is not a node's configuration file.
    pub fn init_text(
        like: &str,
        path: &Path,
        owner: &OwnerId,
        listen: SocketAddr,
        keys: &Path,
        policy: &Path,
    ) -> Result<String, ConfigError> {
        Self::parse(like, path, Path::new(""))?;
        let wrong = |message: String| ConfigError::Syntax { path: path.to_owned(), message };
        let like: ConfigFile = toml::from_str(like).map_err(|error| wrong(error.to_string()))?;
        let file = ConfigFile {
            owner: owner.to_string(),
            listen,
            certificate: keys.join("tls.pem"),
            key: keys.join("tls.key"),
            signing_key: keys.join("signing.pk8"),
            seal_key: keys.join("seal.key"),
            policy: policy.to_owned(),
            ..like
        };
        toml::to_string_pretty(&file).map_err(|error| wrong(error.to_string()))
    }

    /// Reads and checks the owner's policy by itself, without the node's registers and roster.
    ///
    /// # Errors
    /// [`ConfigError`] with the sentences that the policy is refused with.
    pub fn policy(&self) -> Result<Policy, ConfigError> {
        Ok(Standing::read(&self.policy, &Against::language())?.policy)
    }
}

#[cfg(test)]
mod tests {
    use kobling_audit::AuditorKey;

    use super::*;

    fn text() -> String {
        let owner = OwnerId::new("ssb").expect("valid");
        let listen = SocketAddr::from(([127, 0, 0, 1], 7001));
        let (like, keys, policy) = (Path::new("example"), Path::new("keys"), Path::new("policy.toml"));
        Config::init_text(Config::EXAMPLE, like, &owner, listen, keys, policy).expect("the example is valid")
    }

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, Path::new("node.toml"), Path::new("/etc/kobling"))
    }

    #[test]
    fn what_init_writes_is_accepted_and_paths_are_relative_to_the_file() {
        let config = parse(&text()).expect("a fresh file is valid");
        assert_eq!(config.policy, Path::new("/etc/kobling/policy.toml"));
    }

    #[test]
    fn an_unknown_key_is_refused_by_its_name() {
        let error = parse(&format!("colour = 1\n{}", text())).expect_err("unknown key");
        assert!(error.to_string().contains("colour"), "{error}");
    }

    #[test]
    fn a_missing_setting_is_named() {
        let without: String = text()
            .lines()
            .filter(|line| !line.starts_with("policy"))
            .map(|line| format!("{line}\n"))
            .collect();
        assert!(parse(&without).expect_err("missing").to_string().contains("policy"));
    }

    #[test]
    fn nobody_watches_unless_the_table_says_so_and_an_unknown_key_in_it_is_refused() {
        assert_eq!(parse(&text()).expect("valid").telemetry, TelemetrySettings::default());
        let with = |line: &str| parse(&format!("{}\n[telemetry]\n{line}\n", text()));
        let config = with("metrics = \"127.0.0.1:9464\"").expect("valid");
        assert_eq!(config.telemetry.metrics, Some(SocketAddr::from(([127, 0, 0, 1], 9464))));
        for (line, says) in [
            ("colour = 1", "unknown field `colour`"),
            ("metrics = \"somewhere\"", "metrics"),
            ("metrics = \"0.0.0.0:9464\"", "telemetry.metrics can be read by whoever reaches it"),
        ] {
            let error = with(line).expect_err(line).to_string();
            assert!(error.contains(says), "{line}: {error}");
        }
    }

    #[test]
    fn times_that_cannot_be_meant_are_refused_with_a_reason() {
        let zero = text().replace("peer_timeout_ms = 20000", "peer_timeout_ms = 0");
        assert!(parse(&zero).expect_err("zero").to_string().contains("no message could ever arrive"));
        // So many minutes are more seconds than there are numbers for.
        let long = format!("session_idle_minutes = {}", i64::MAX);
        let many = text().replace("sessions_memory_mb = 1000", "sessions_memory_mb = 1000001");
        assert!(parse(&many).expect_err("many").to_string().contains("sessions_memory_mb is more"));
        assert_eq!(parse(&text()).expect("valid").sessions_memory, 1_000_000_000);
        let long = text().replace("session_idle_minutes = 15", &long);
        assert!(parse(&long).expect_err("long").to_string().contains("session_idle_minutes is longer"));
    }

    #[test]
    fn a_log_that_nobody_else_has_seen_cannot_be_asked_for() {
        let set = |line: &str| text().replace("cosignature_age_max_s = 300", line);
        let error = |line: &str| parse(&set(line)).expect_err(line).to_string();
        assert!(error("cosignature_age_max_s = 0").contains("no cosignature could come in time"));
        assert!(error("cosignature_age_max_s = 100000").contains("at most a day"));
        let none = error("cosignature_age_max_s = 9\ncosignatures_min = 0");
        assert!(none.contains("cosignatures_min is 0; a log that nobody else has seen"), "{none}");
        let config = parse(&set("cosignature_age_max_s = 9\ncosignatures_min = 2")).expect("valid");
        let terms = Terms { cosignatures_min: Some(2), age_max: Duration::from_secs(9) };
        assert_eq!(config.cosigning, terms);
        assert_eq!(parse(&text()).expect("valid").cosigning, Terms::default());
    }

    #[test]
    fn auditors_are_named_by_their_public_keys() {
        let set = |keys: &str| text().replace("auditors = []", &format!("auditors = [{keys}]"));
        let key = AuditorKey::generate();
        let config = parse(&set(&format!("{:?}", key.public()))).expect("valid");
        assert_eq!(Ok(config.auditors), Auditors::read(&[key.public()]));
        assert_eq!(parse(&text()).expect("valid").auditors, None);
        let error = parse(&set("\"somebody\"")).expect_err("no key").to_string();
        assert!(error.contains("auditors has a text that is not a public key of an auditor"), "{error}");
    }

    #[test]
    fn a_new_file_keeps_the_settings_of_the_one_it_is_like() {
        let like = Config::EXAMPLE.replace("session_idle_minutes = 15", "session_idle_minutes = 7");
        let (owner, listen) = (OwnerId::new("krg").expect("valid"), SocketAddr::from(([127, 0, 0, 1], 1)));
        let init = |like: &str| {
            Config::init_text(like, Path::new("x"), &owner, listen, Path::new("keys"), Path::new("p"))
        };
        let config = parse(&init(&like).expect("valid")).expect("valid");
        assert_eq!((config.owner.as_str(), config.listen), ("krg", listen));
        assert_eq!(config.session_idle, Duration::from_secs(7 * 60));
        assert!(init("colour = 1").expect_err("no settings").to_string().contains("colour"));
    }
}
