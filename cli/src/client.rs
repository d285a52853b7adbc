//! The platform's side of the broker's API: catalogue, sessions, jobs, tables.
//!
//! Wire types stay in here. What goes wrong is a [`ClientError`] that names a party where one is concerned.

mod request;
mod watch;

use std::path::{Path, PathBuf};
use std::time::Duration;

use arrow_flight::flight_service_client::FlightServiceClient;
use kobling_crypto::sign::SigningKey;
use kobling_model::applied::{Applied, Hidden};
use kobling_model::catalogue::{Catalogue, Datastore};
use kobling_model::federation::{Federation, Party};
use kobling_model::rules::Refusal;
use kobling_model::table::Table;
use kobling_model::{DatastoreId, JobId};
use kobling_proto::common::v1::Problem;
use kobling_proto::convert::problem::{code, problem, problem_of};
use kobling_proto::flight::v1::{Result as ResultTicket, ticket::Content};
use kobling_proto::flight::{table_from_flight, ticket};
use kobling_proto::limits::{MAX_CONTROL_MESSAGE, MAX_FLIGHT_MESSAGE};
use kobling_proto::platform::v1 as wire;
use kobling_proto::platform::v1::catalogue_service_client::CatalogueServiceClient;
use kobling_proto::platform::v1::job_service_client::JobServiceClient;
use kobling_proto::platform::v1::session_service_client::SessionServiceClient;
use kobling_proto::transport::{Credentials, dial};
use serde::{Deserialize, Serialize};
use tonic::transport::Channel;
use tonic::{Request, Status};
use zeroize::Zeroizing;

use crate::exit::{Exit, unusable_because};
pub use request::OpenSession;
pub use watch::Watch;

/// How long to wait for a connection.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an ordinary call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// How long opening a session may take: nodes agree on keys.
const OPEN_TIMEOUT: Duration = Duration::from_secs(300);

/// A platform file: who asks, and whom.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The federation file. Paths are relative to the platform file's folder.
    pub federation: PathBuf,
    /// PEM file of the platform's certificate.
    pub certificate: PathBuf,
    /// PEM file of the certificate's private key.
    pub key: PathBuf,
    /// File of the private key that requests are signed with: Ed25519, PKCS#8, as `kobling platform-key` makes it.
    pub signing_key: PathBuf,
    /// The researcher, as the platform asserts.
    pub researcher: String,
    /// The institution, as the platform asserts.
    pub institution: String,
    /// What the answers are wanted for, as the platform asserts.
    pub purpose: String,
}

/// What did not happen, and why.
#[derive(Clone, Debug, PartialEq, Serialize, thiserror::Error)]
#[error("{}{message}", self.place())]
pub struct ClientError {
    /// Stable code.
    pub code: String,
    /// Party concerned; may be empty.
    pub party: String,
    /// Step in which it happened; may be empty.
    pub step: String,
    /// What happened and what to do.
    pub message: String,
}

impl ClientError {
    /// How the program ends over it.
    pub fn exit(&self) -> Exit {
        match self.code.as_str() {
            text if Refusal::of_code(text).is_some() => Exit::REFUSED,
            code::REFUSED_BY_NODE | code::OWNER_STOPPED => Exit::REFUSED,
            text if code::REFUSED_BY_OWNER.contains(&text) => Exit::REFUSED,
            "invalid-request" => Exit::USAGE,
            _ => Exit::FAILED,
        }
    }

    fn place(&self) -> String {
        // A refusal says its code itself, and concerns no party.
        if self.message.starts_with('[') {
            return String::new();
        }
        match (self.party.as_str(), self.step.as_str()) {
            ("", "") => String::new(),
            ("", step) => format!("[{}, step {step}] ", self.code),
            (party, "") => format!("[{}, {party}] ", self.code),
            (party, step) => format!("[{}, {party}, step {step}] ", self.code),
        }
    }
}

impl From<Problem> for ClientError {
    fn from(problem: Problem) -> Self {
        let Problem { code, party, step, message } = problem;
        Self { code, party, step, message }
    }
}

/// A job's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobState {
    /// Accepted, waiting.
    Queued,
    /// Being computed.
    Running,
    /// All tables are ready.
    Done,
    /// The script has errors.
    Rejected,
    /// A rule or an owner refused.
    Refused,
    /// A party failed.
    Failed,
    /// Cancelled.
    Cancelled,
}

/// What happens to a job.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum JobEvent {
    /// It has a new state.
    State {
        /// Which.
        state: JobState,
    },
    /// A stage has begun.
    Stage {
        /// Index of the question.
        question: u32,
        /// Number of questions.
        questions: u32,
        /// Party that reports.
        party: String,
        /// Name of the stage.
        stage: String,
    },
    /// A table is ready to be fetched.
    Ready {
        /// Its index.
        index: u32,
        /// What was done to it; it stands with the table itself.
        #[serde(skip)]
        applied: Option<Box<Applied>>,
    },
    /// A rule did something to the script, which goes on.
    Warning(Warning),
}

/// What a rule did to a script that goes on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Warning {
    /// Line of the script, from 1.
    pub line: u32,
    /// Stable code.
    pub code: String,
    /// The rule, what it did and what to write instead.
    pub message: String,
}

impl From<wire::Warning> for Warning {
    fn from(warning: wire::Warning) -> Self {
        let wire::Warning { line, code, message } = warning;
        Self { line, code, message }
    }
}

/// A job as the broker has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// Its state.
    pub state: JobState,
    /// Why it was refused or failed.
    pub problem: Option<ClientError>,
    /// What the broker says is wrong with the script: line, column and message.
    pub diagnostics: Vec<(u32, u32, String)>,
    /// Tables ready.
    pub tables: u32,
    /// What rules did to the script.
    pub warnings: Vec<Warning>,
    /// Line of the script that was refused or failed; 0 where none.
    pub line: u32,
}

/// A connection to the broker, in the name of a researcher.
pub struct Client {
    federation: Federation,
    channel: Channel,
    profile: Profile,
    signing_key: SigningKey,
}

impl Client {
    /// Reads a platform file and connects to the broker that it leads to.
    ///
    /// # Errors
    /// For files that cannot be used, and [`ClientError`] where there is no connection.
    pub async fn connect(path: &Path) -> anyhow::Result<Self> {
        let profile = Profile::load(path)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let read = |file: &Path| {
            let file = folder.join(file);
            std::fs::read_to_string(&file)
                .map_err(|error| unusable_because(format!("{} cannot be read", file.display()), error))
        };
        let federation = Federation::from_toml(&read(&profile.federation)?)
            .map_err(|error| unusable_because(profile.federation.display().to_string(), error))?;
        let credentials =
            Credentials { certificate_pem: read(&profile.certificate)?, key_pem: read(&profile.key)? };
        let signing_key = signing_key(&folder.join(&profile.signing_key))?;
        let channel = dial(&federation.broker, &credentials, DIAL_TIMEOUT)
            .await
            .map_err(|error| ClientError::from(error.problem("connect")))?;
        Ok(Self { federation, channel, profile, signing_key })
    }

    /// Asks for another purpose than the platform file's, if one is given.
    #[must_use]
    pub fn with_purpose(mut self, purpose: Option<String>) -> Self {
        self.profile.purpose = purpose.unwrap_or(self.profile.purpose);
        self
    }

    /// The federation that the platform file names.
    pub fn federation(&self) -> &Federation {
        &self.federation
    }

    /// All releases without variables, and what keeps other nodes' from being shown.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn datastores(&self) -> Result<(Vec<Datastore>, Vec<ClientError>), ClientError> {
        let answer = self.catalogue().list_datastores(in_time(wire::ListDatastoresRequest {})).await;
        let answer = answer.map_err(|status| self.failed(&status, "catalogue"))?.into_inner();
        let missing = answer.missing.into_iter().map(ClientError::from).collect();
        Ok((self.read_datastores(answer.datastores)?, missing))
    }

    /// Variables of one or all datastores, without code lists.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn variables(&self, datastore: Option<&str>) -> Result<Vec<Datastore>, ClientError> {
        let request =
            wire::ListVariablesRequest { datastore: datastore.map(str::to_owned).unwrap_or_default() };
        let answer = self.catalogue().list_variables(in_time(request)).await;
        let answer = answer.map_err(|status| self.failed(&status, "catalogue"))?.into_inner();
        self.read_datastores(answer.datastores)
    }

    /// Variables that contain all words, without code lists.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn search(&self, words: &str) -> Result<Vec<Datastore>, ClientError> {
        let request = wire::SearchVariablesRequest { words: words.to_owned() };
        let answer = self.catalogue().search_variables(in_time(request)).await;
        let answer = answer.map_err(|status| self.failed(&status, "catalogue"))?.into_inner();
        self.read_datastores(answer.datastores)
    }

    /// A release with one variable, code lists and dates. Major version 0 is the newest.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn describe(
        &self,
        datastore: &str,
        major: u32,
        variable: &str,
    ) -> Result<Datastore, ClientError> {
        let request = wire::DescribeVariableRequest {
            datastore: datastore.to_owned(),
            major,
            variable: variable.to_owned(),
        };
        let answer = self.catalogue().describe_variable(in_time(request)).await;
        let answer = answer.map_err(|status| self.failed(&status, "catalogue"))?.into_inner();
        let datastore = answer.datastore.ok_or_else(|| self.broken("catalogue"))?;
        datastore.try_into().map_err(|_| self.broken("catalogue"))
    }

    /// What a script needs of the catalogue to be checked here as it is at the broker: the newest release of each
    /// datastore that it requires, with the code lists of the variables that it mentions.
    ///
    /// # Errors
    /// [`ClientError`], also where a node that may have what is required does not answer.
    pub async fn catalogue_for(
        &self,
        script: &str,
        required: &[(DatastoreId, u32)],
    ) -> Result<Catalogue, ClientError> {
        let mut catalogue = self.listed(required).await?;
        // Names that bindings make stand nowhere in the script itself.
        let written = kobling_script::written_out(script);
        self.describe_all(&mut catalogue, required, |_, name| written.contains(name)).await?;
        Ok(catalogue)
    }

    /// The newest release of each datastore, without code lists.
    ///
    /// # Errors
    /// [`ClientError`], also where a node that may have what is required does not answer.
    pub async fn listed(&self, required: &[(DatastoreId, u32)]) -> Result<Catalogue, ClientError> {
        let (releases, mut missing) = self.datastores().await?;
        let has = |id: &DatastoreId, major: u32| {
            releases.iter().any(|release| release.id == *id && release.version.major == major)
        };
        if !required.iter().all(|(id, major)| has(id, *major)) && !missing.is_empty() {
            return Err(missing.remove(0));
        }
        Ok(Catalogue { datastores: self.variables(None).await? })
    }

    /// Fetches the code lists of chosen variables of required datastores.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn describe_all(
        &self,
        catalogue: &mut Catalogue,
        required: &[(DatastoreId, u32)],
        mut chosen: impl FnMut(&DatastoreId, &str) -> bool,
    ) -> Result<(), ClientError> {
        for datastore in &mut catalogue.datastores {
            let (id, major) = (datastore.id.clone(), datastore.version.major);
            if !required.iter().any(|(wanted, version)| *wanted == id && *version == major) {
                continue;
            }
            for variable in &mut datastore.variables {
                if chosen(&id, variable.name.as_str()) {
                    let release = self.describe(id.as_str(), major, variable.name.as_str()).await?;
                    let full = release.variable(&variable.name).ok_or_else(|| self.broken("catalogue"))?;
                    *variable = full.clone();
                }
            }
        }
        Ok(())
    }

    /// Opens a session over datastores, or returns the one opened under the same key.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn open_session(
        &self,
        key: &str,
        datastores: &[(DatastoreId, u32)],
    ) -> Result<OpenSession, ClientError> {
        let request = wire::OpenSessionRequest {
            key: key.to_owned(),
            researcher: self.profile.researcher.clone(),
            institution: self.profile.institution.clone(),
            purpose: self.profile.purpose.clone(),
            datastores: datastores.iter().map(|(id, major)| format!("{id}:{major}")).collect(),
        };
        let mut request = Request::new(request);
        request.set_timeout(OPEN_TIMEOUT);
        let answer = self.sessions().open_session(request).await;
        let answer = answer.map_err(|status| self.failed(&status, "open-session"))?.into_inner();
        let session = answer.session.and_then(|told| OpenSession::of(told, &self.federation, datastores));
        session.ok_or_else(|| self.broken("open-session"))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn close_session(&self, session: &OpenSession) -> Result<(), ClientError> {
        let request = in_time(wire::CloseSessionRequest { session: session.id.to_string() });
        let answer = self.sessions().close_session(request).await;
        answer.map(|_| ()).map_err(|status| self.failed(&status, "close-session"))
    }

    /// Signs a script and submits it; a repeat under the same key returns the same job.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn submit(&self, session: &OpenSession, key: &str, script: &str) -> Result<Job, ClientError> {
        let signed = session.sign(&self.signing_key, &self.profile, script);
        let request = wire::SubmitJobRequest {
            session: session.id.to_string(),
            key: key.to_owned(),
            signed: Some((&signed).into()),
        };
        let answer = self.jobs().submit_job(in_time(request)).await;
        self.read_job(answer.map_err(|status| self.failed(&status, "submit"))?.into_inner().job)
    }

    /// A job as it is now.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn job(&self, job: &str) -> Result<Job, ClientError> {
        let answer = self.jobs().get_job(in_time(wire::GetJobRequest { job: job.to_owned() })).await;
        self.read_job(answer.map_err(|status| self.failed(&status, "job"))?.into_inner().job)
    }

    /// Cancels a job, and returns once nothing of it runs.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn cancel(&self, job: &str) -> Result<Job, ClientError> {
        let answer = self.jobs().cancel_job(in_time(wire::CancelJobRequest { job: job.to_owned() })).await;
        self.read_job(answer.map_err(|status| self.failed(&status, "cancel"))?.into_inner().job)
    }

    /// Follows a job to its end. A broken stream is taken up where it broke.
    pub fn watch(&self, job: &str) -> Watch<'_> {
        Watch::new(self, job)
    }

    /// Fetches a protected table.
    ///
    /// # Errors
    /// [`ClientError`], also for a table that contradicts itself.
    pub async fn table(&self, job: &str, index: u32) -> Result<Table, ClientError> {
        let id = JobId::parse(job).map_err(|_| self.broken("result"))?;
        let content = Content::Result(ResultTicket { job: id.0.to_vec().into(), table: index });
        let mut client =
            FlightServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_FLIGHT_MESSAGE);
        let answer = client.do_get(in_time(ticket(content))).await;
        let stream = answer.map_err(|status| self.failed(&status, "result"))?.into_inner();
        let table = table_from_flight(stream).await;
        table.map_err(|error| error.problem(&self.broker().id, "result").into())
    }

    /// Fetches a protected table of which the broker has told what was done to it.
    ///
    /// # Errors
    /// [`ClientError`], also where the table hides more or less than was told.
    pub async fn table_as_told(
        &self,
        job: &str,
        index: u32,
        told: Option<&Applied>,
    ) -> Result<Table, ClientError> {
        let table = self.table(job, index).await?;
        if told.is_some_and(|told| told.hidden != Hidden::of(&table)) {
            return Err(self.broken("result"));
        }
        Ok(table)
    }

    fn broker(&self) -> &Party {
        &self.federation.broker
    }

    fn catalogue(&self) -> CatalogueServiceClient<Channel> {
        CatalogueServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_CONTROL_MESSAGE)
    }

    fn sessions(&self) -> SessionServiceClient<Channel> {
        SessionServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_CONTROL_MESSAGE)
    }

    fn jobs(&self) -> JobServiceClient<Channel> {
        JobServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_CONTROL_MESSAGE)
    }

    fn failed(&self, status: &Status, step: &str) -> ClientError {
        problem_of(status, &self.broker().id, step).into()
    }

    fn broken(&self, step: &str) -> ClientError {
        let broker = &self.broker().id;
        problem(
            code::BROKEN_MESSAGE,
            broker,
            step,
            format!("{broker} sent what an honest party does not send"),
        )
        .into()
    }

    fn read_datastores(
        &self,
        datastores: Vec<kobling_proto::catalogue::v1::Datastore>,
    ) -> Result<Vec<Datastore>, ClientError> {
        let read = datastores.into_iter().map(Datastore::try_from).collect::<Result<_, _>>();
        read.map_err(|_| self.broken("catalogue"))
    }

    fn read_job(&self, job: Option<wire::Job>) -> Result<Job, ClientError> {
        let job = job.ok_or_else(|| self.broken("job"))?;
        let state = self.read_state(job.state())?;
        let diagnostic = |diagnostic: wire::Diagnostic| {
            let wire::Diagnostic { line, column, message, help, .. } = diagnostic;
            (line, column, if help.is_empty() { message } else { format!("{message} ({help})") })
        };
        Ok(Job {
            id: job.id,
            state,
            problem: job.problem.map(ClientError::from),
            diagnostics: job.diagnostics.into_iter().map(diagnostic).collect(),
            tables: job.tables,
            warnings: job.warnings.into_iter().map(Warning::from).collect(),
            line: job.line,
        })
    }

    fn read_state(&self, state: wire::JobState) -> Result<JobState, ClientError> {
        Ok(match state {
            wire::JobState::Unspecified => return Err(self.broken("job")),
            wire::JobState::Queued => JobState::Queued,
            wire::JobState::Running => JobState::Running,
            wire::JobState::Done => JobState::Done,
            wire::JobState::Rejected => JobState::Rejected,
            wire::JobState::Refused => JobState::Refused,
            wire::JobState::Failed => JobState::Failed,
            wire::JobState::Cancelled => JobState::Cancelled,
        })
    }

    fn read_event(&self, message: wire::WatchJobResponse) -> Result<JobEvent, ClientError> {
        use wire::watch_job_response::Event;
        Ok(match message.event.ok_or_else(|| self.broken("watch"))? {
            Event::State(state) => {
                let state = wire::JobState::try_from(state).map_err(|_| self.broken("watch"))?;
                JobEvent::State { state: self.read_state(state)? }
            }
            Event::Stage(stage) => JobEvent::Stage {
                question: stage.question,
                questions: stage.questions,
                party: stage.party,
                stage: stage.name,
            },
            Event::Table(index) => {
                let applied = message.applied.map(Applied::try_from).transpose();
                JobEvent::Ready { index, applied: applied.map_err(|_| self.broken("watch"))?.map(Box::new) }
            }
            Event::Warning(warning) => JobEvent::Warning(warning.into()),
        })
    }
}

impl Profile {
    /// Reads a platform file.
    ///
    /// # Errors
    /// Names the file and what to mend.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            unusable_because(format!("the platform file {} cannot be read", path.display()), error)
        })?;
        toml::from_str(&text).map_err(|error| unusable_because(path.display().to_string(), error))
    }
}

/// Reads the key that requests are signed with.
fn signing_key(path: &Path) -> anyhow::Result<SigningKey> {
    let unusable =
        |error: anyhow::Error| unusable_because(format!("{} cannot be read", path.display()), error);
    let bytes = Zeroizing::new(std::fs::read(path).map_err(|error| unusable(error.into()))?);
    SigningKey::from_pkcs8(&bytes).map_err(|error| unusable(error.into()))
}

fn in_time<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(CALL_TIMEOUT);
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_of_a_platform_file_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("platform.toml");
        std::fs::write(&path, "colour = \"red\"\n").expect("written");
        let error = Profile::load(&path).expect_err("unknown key");
        assert!(crate::exit::sentence(&error).contains("colour"), "{error:?}");
        assert_eq!(crate::exit::of(&error), Exit::USAGE);
    }

    #[test]
    fn an_error_names_party_and_step_and_decides_the_exit_code() {
        let error = |code: &str| ClientError {
            code: code.into(),
            party: "krg".into(),
            step: "compute".into(),
            message: "krg does not answer".into(),
        };
        assert_eq!(error("unreachable").to_string(), "[unreachable, krg, step compute] krg does not answer");
        assert_eq!(error("unreachable").exit(), Exit::FAILED);
        assert_eq!(error("small-cells").exit(), Exit::REFUSED);
    }
}
