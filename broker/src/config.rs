//! The broker's settings, parsed once from the one configuration file named on the command line.

use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kobling_audit::Auditors;
use kobling_audit::cosigning::Terms;
use kobling_audit::seal::NotAnAuditor;
use kobling_model::Hash;
use kobling_model::federation::Federation;
use kobling_proto::observe::settings::{TelemetryFile, TelemetryRefused, TelemetrySettings};
use kobling_proto::transport::Credentials;
use serde::{Deserialize, Serialize};

/// What the file says. Private: the rest of the broker sees [`Config`].
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    listen: SocketAddr,
    federation: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
    signing_key: PathBuf,
    peer_timeout_ms: u64,
    session_idle_minutes: u64,
    result_hours: u64,
    questions_at_once: u64,
    sessions_max: u64,
    sessions_per_institution_max: u64,
    cosignature_age_max_s: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cosignatures_min: Option<u64>,
    auditors: Vec<String>,
    /// A table, so it stands last.
    #[serde(skip_serializing_if = "Option::is_none")]
    telemetry: Option<TelemetryFile>,
}

/// The broker's settings, already checked; holding one means that the broker can start.
#[derive(Clone)]
pub struct Config {
    /// Where it listens, if no listening socket is handed to it.
    pub listen: SocketAddr,
    /// The roster that its operator has pinned.
    pub federation: Federation,
    /// Its certificate chain and key.
    pub credentials: Credentials,
    /// Its signing key in PKCS#8 form, which signs its audit log.
    pub signing_key: PathBuf,
    /// The folder that holds everything the broker keeps.
    pub state_dir: PathBuf,
    /// Bounds in time.
    pub times: Times,
    /// Bounds in number.
    pub limits: Limits,
    /// When the broker stops answering for want of cosignatures of its log.
    pub cosigning: Terms,
    /// Hash of the file.
    pub hash: Hash,
    /// To whom records of questions are sealed. None: they lie in clear.
    pub auditors: Option<Auditors>,
    /// What is told to those who watch. Nothing, unless the file says so.
    pub telemetry: TelemetrySettings,
}

/// Bounds in number. None is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Questions that are computed at the same time; others wait for a turn.
    pub questions_at_once: usize,
    /// Sessions open at the same time.
    pub sessions: usize,
    /// Of them, of one institution.
    pub sessions_per_institution: usize,
}

/// Bounds in time. None is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// How long to wait for one answer of a node.
    pub peer_timeout: Duration,
    /// After how long without a job a session ends.
    pub session_idle: Duration,
    /// How long jobs and their tables are kept.
    pub result: Duration,
    /// How long one question may take in all.
    pub question: Duration,
}

impl Times {
    /// Longest that a question may take: beyond this somebody hangs who still keeps the connection alive.
    pub const QUESTION_MAX: Duration = Duration::from_secs(3600);
}

/// Why settings are refused. Texts are for the operator.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not TOML, an unknown or missing key, or a value of the wrong type.
    #[error("{}: {message}", path.display())]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// Where and what.
        message: String,
    },
    /// A setting that the broker cannot work with.
    #[error("{}: {setting} {reason}", path.display())]
    Setting {
        /// Which file.
        path: PathBuf,
        /// Its name.
        setting: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl Config {
    /// Reads and checks a configuration file and what it points at. Relative paths are relative to the
    /// file's folder.
    ///
    /// # Errors
    /// [`ConfigError`] names the file and the setting.
    pub fn load(path: &Path, state_dir: &Path) -> Result<Self, ConfigError> {
        let text = read_text(path)?;
        let file = parse(&text, path)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let roster = folder.join(&file.federation);
        let federation = Federation::from_toml(&read_text(&roster)?)
            .map_err(|error| ConfigError::Syntax { path: roster, message: error.to_string() })?;
        let credentials = Credentials {
            certificate_pem: read_text(&folder.join(&file.certificate))?,
            key_pem: read_text(&folder.join(&file.key))?,
        };
        let signing_key = folder.join(&file.signing_key);
        let times = Times {
            peer_timeout: Duration::from_millis(file.peer_timeout_ms),
            session_idle: Duration::from_secs(60 * file.session_idle_minutes),
            result: Duration::from_secs(3600 * file.result_hours),
            question: Times::QUESTION_MAX,
        };
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let limits = Limits {
            questions_at_once: size(file.questions_at_once),
            sessions: size(file.sessions_max),
            sessions_per_institution: size(file.sessions_per_institution_max),
        };
        let cosigning = terms(&file, path)?;
        let auditors = auditors(&file, path)?;
        let telemetry = telemetry(file.telemetry, path)?;
        let state_dir = state_dir.to_owned();
        Ok(Self {
            listen: file.listen,
            federation,
            credentials,
            signing_key,
            state_dir,
            times,
            limits,
            cosigning,
            hash: Hash::of(text.as_bytes()),
            auditors,
            telemetry,
        })
    }

    /// The configuration file that `init` begins with where it is given none.
    pub const EXAMPLE: &str = include_str!("../../compose/broker.toml");

    /// The text of a new broker's configuration file, with keys in the folder `keys`: the settings of the file `like`, with
    /// address and paths set anew. `path` is what errors call that file.
    ///
    /// # Errors
    /// [`ConfigError`] where `like` is not a broker's configuration file.
    pub fn init_text(
        like: &str,
        path: &Path,
        listen: SocketAddr,
        federation: &Path,
        keys: &Path,
    ) -> Result<String, ConfigError> {
        let file = ConfigFile {
            listen,
            federation: federation.to_owned(),
            certificate: keys.join("tls.pem"),
            key: keys.join("tls.key"),
            signing_key: keys.join("signing.pk8"),
            ..parse(like, path)?
        };
        toml::to_string_pretty(&file)
            .map_err(|error| ConfigError::Syntax { path: path.to_owned(), message: error.to_string() })
    }
}

/// Checks the text of a configuration file by itself, without what it points at; where the broker would listen. `path` is
/// what errors call it.
///
/// # Errors
/// [`ConfigError`] names the setting.
pub fn check(text: &str, path: &Path) -> Result<SocketAddr, ConfigError> {
    let file = parse(text, path)?;
    terms(&file, path)?;
    auditors(&file, path)?;
    telemetry(file.telemetry, path)?;
    Ok(file.listen)
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("listen", &self.listen)
            .field("federation", &self.federation.name)
            .field("state_dir", &self.state_dir)
            .field("times", &self.times)
            .finish_non_exhaustive()
    }
}

fn read_text(path: &Path) -> Result<String, ConfigError> {
    fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })
}

fn parse(text: &str, path: &Path) -> Result<ConfigFile, ConfigError> {
    let file: ConfigFile = toml::from_str(text)
        .map_err(|error| ConfigError::Syntax { path: path.to_owned(), message: error.to_string() })?;
    let bounds = [
        ("peer_timeout_ms", file.peer_timeout_ms, 3_600_000, "is 0; no message could ever arrive in time"),
        ("session_idle_minutes", file.session_idle_minutes, 24 * 60, "is 0; a session would end at once"),
        ("result_hours", file.result_hours, 24 * 366, "is 0; no result could ever be fetched"),
    ];
    let refuse = |setting, reason| Err(ConfigError::Setting { path: path.to_owned(), setting, reason });
    let numbers = [
        ("questions_at_once", file.questions_at_once, "is 0; no question could ever be computed"),
        ("sessions_max", file.sessions_max, "is 0; no session could ever be opened"),
        (
            "sessions_per_institution_max",
            file.sessions_per_institution_max,
            "is 0; no institution could open a session",
        ),
    ];
    for (setting, value, zero) in numbers {
        if value == 0 {
            return refuse(setting, zero);
        }
        if value > 10_000 {
            return refuse(setting, "is more than can be meant: at most 10000");
        }
    }
    for (setting, value, most, zero) in bounds {
        if value == 0 {
            return refuse(setting, zero);
        }
        if value > most {
            return refuse(setting, "is longer than can be meant: at most an hour, a day and a year");
        }
    }
    Ok(file)
}

fn terms(file: &ConfigFile, path: &Path) -> Result<Terms, ConfigError> {
    let refused = |(setting, reason)| ConfigError::Setting { path: path.to_owned(), setting, reason };
    Terms::read(file.cosignatures_min, file.cosignature_age_max_s).map_err(refused)
}

fn auditors(file: &ConfigFile, path: &Path) -> Result<Option<Auditors>, ConfigError> {
    Auditors::read(&file.auditors).map_err(|NotAnAuditor| ConfigError::Setting {
        path: path.to_owned(),
        setting: "auditors",
        reason: "has a text that is not a public key of an auditor, which begins with age1",
    })
}

fn telemetry(file: Option<TelemetryFile>, path: &Path) -> Result<TelemetrySettings, ConfigError> {
    file.unwrap_or_default().check().map_err(|TelemetryRefused { setting, reason }| ConfigError::Setting {
        path: path.to_owned(),
        setting,
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> String {
        let listen = SocketAddr::from(([127, 0, 0, 1], 7000));
        let (like, federation, keys) =
            (Path::new("example"), Path::new("federation.toml"), Path::new("keys"));
        Config::init_text(Config::EXAMPLE, like, listen, federation, keys).expect("the example is valid")
    }

    fn error(text: &str) -> String {
        parse(text, Path::new("broker.toml")).err().expect("refused").to_string()
    }

    #[test]
    fn what_init_writes_is_accepted() {
        let file = parse(&text(), Path::new("broker.toml")).expect("valid");
        assert_eq!(file.certificate, Path::new("keys/tls.pem"));
    }

    #[test]
    fn a_new_file_keeps_the_settings_of_the_one_it_is_like() {
        let like = Config::EXAMPLE.replace("result_hours = 24", "result_hours = 7");
        let listen = SocketAddr::from(([127, 0, 0, 1], 1));
        let init =
            |like: &str| Config::init_text(like, Path::new("x"), listen, Path::new("f"), Path::new("k"));
        let text = init(&like).expect("valid");
        assert_eq!(parse(&text, Path::new("y")).expect("valid").result_hours, 7);
        assert_eq!(check(&text, Path::new("y")).expect("valid"), listen);
        assert!(init("colour = 1").expect_err("no settings").to_string().contains("colour"));
    }

    #[test]
    fn an_unknown_or_missing_key_is_named() {
        assert!(error(&format!("colour = 1\n{}", text())).contains("colour"));
        for key in ["key", "signing_key"] {
            let setting = format!("{key} = ");
            let kept = |line: &&str| !line.starts_with(&setting);
            let without: String = text().lines().filter(kept).map(|line| format!("{line}\n")).collect();
            assert!(error(&without).contains(&format!("`{key}`")), "{}", error(&without));
        }
    }

    #[test]
    fn nobody_watches_unless_the_table_says_so_and_an_unknown_key_in_it_is_refused() {
        let path = Path::new("broker.toml");
        let read = |text: &str| parse(text, path).and_then(|file| telemetry(file.telemetry, path));
        assert_eq!(read(&text()).expect("valid"), TelemetrySettings::default());
        let with = |line: &str| read(&format!("{}\n[telemetry]\n{line}\n", text()));
        let on = with("metrics = \"127.0.0.1:0\"").expect("valid");
        assert_eq!(on.metrics, Some(SocketAddr::from(([127, 0, 0, 1], 0))));
        for (line, says) in [
            ("colour = 1", "unknown field `colour`"),
            ("metrics = 9464", "metrics"),
            ("metrics = \"8.8.8.8:9464\"", "telemetry.metrics can be read by whoever reaches it"),
        ] {
            let error = with(line).expect_err(line).to_string();
            assert!(error.contains(says), "{line}: {error}");
        }
    }

    #[test]
    fn times_that_cannot_be_meant_are_refused_with_a_reason() {
        let zero = text().replace("peer_timeout_ms = 20000", "peer_timeout_ms = 0");
        assert!(error(&zero).contains("peer_timeout_ms is 0; no message"));
        let none = text().replace("sessions_max = 64", "sessions_max = 0");
        assert!(error(&none).contains("sessions_max is 0; no session"));
        let many = text().replace("questions_at_once = 2", "questions_at_once = 99999");
        assert!(error(&many).contains("questions_at_once is more"));
        let long = text().replace("result_hours = 24", "result_hours = 99999999999");
        assert!(error(&long).contains("result_hours is longer"));
    }
}
