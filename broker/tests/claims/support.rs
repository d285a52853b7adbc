//! A federation of nodes that live in memory and do as they are told, for tests of the broker alone.
//!
//! Nodes answer with shares of a table that the test knows. What they are asked, and what the broker records,
//! goes into one list in the order in which it happened.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use kobling_audit::cosigning::Unwitnessed;
use kobling_broker::audit::{NotRecorded, Recorder};
use kobling_broker::broker::{Broker, Parts};
use kobling_broker::config::{Limits, Times};
use kobling_broker::problem::{Problem, RunError};
use kobling_broker::request::RequestError;
use kobling_broker::roster::{
    AdmitOrder, ComputeEvent, ComputeOrder, DealOrder, Description, Incarnation, JobOffer, JobRevision,
    NodeClient, NodeClients, PeerLink, SessionOffer, SignedPartial,
};
use kobling_broker::session::OpenRequest;
use kobling_broker::store::{JobEvent, JobRow, JobState, SessionRow, Store};
use kobling_crypto::sign::SigningKey;
use kobling_model::catalogue::{
    AvailableDates, Code, DataType, Datastore, Sensitivity, Temporality, ValueDomain, Variable,
};
use kobling_model::federation::{Federation, Party, Platform, Worker};
use kobling_model::partial::PartialAggregate;
use kobling_model::plan::{Plan, QuestionKind};
use kobling_model::record::{Asker, Event, Outcome, Receipt};
use kobling_model::rules::{Refusal, Rules};
use kobling_model::script_request::{ScriptRequest, SignedRequest, sorted};
use kobling_model::table::{Cell, layout};
use kobling_model::{
    AttemptId, DatastoreId, Day, Hash, JobId, OwnerId, SessionId, UnitType, VariableName, Version,
};
use tokio::sync::Notify;

/// A script over SSB's data alone.
pub const ONE_OWNER: &str = "\
require no.ssb.fdb:1 as fdb
create-dataset people
import fdb/KJOENN as kjoenn
tabulate kjoenn
";

/// A script over two owners' data.
pub const TWO_OWNERS: &str = "\
require no.ssb.fdb:1 as fdb
require no.krg.kreft:1 as krg
create-dataset people
import fdb/KJOENN as kjoenn
import krg/STADIUM as stadium
tabulate kjoenn stadium
";

/// A script that asks for sums and squares of krg's number over ssb's categories.
pub const SUMS: &str = "\
require no.ssb.fdb:1 as fdb
require no.krg.kreft:1 as krg
create-dataset people
import fdb/KJOENN as kjoenn
import krg/STADIUM as stadium
generate number = length(stadium) + 1
recode number (2 = 1) (* = 1001)
tabulate kjoenn, freq summarize(number) mean std sum
";

/// What a test may have go wrong.
#[derive(Clone, Default)]
pub struct Faults {
    /// This node's tokens have one twice.
    pub token_twice: Option<OwnerId>,
    /// This node says other transcripts than it saw.
    pub other_transcript: Option<OwnerId>,
    /// The word that all cells come out as, in place of the world's count.
    pub word: Option<u32>,
    /// The sum that all cells come out as, in place of the world's.
    pub sum: Option<u128>,
    /// The sum of squares, likewise.
    pub square: Option<u128>,
    /// This node leaves out the squares.
    pub no_squares: Option<OwnerId>,
    /// This node has sums of a table without a number.
    pub needless_sums: Option<OwnerId>,
    /// This node announces another content than it sends.
    pub other_content: Option<OwnerId>,
    /// This node signs with another key.
    pub other_key: Option<OwnerId>,
    /// This node leaves out a cell.
    pub missing_cell: Option<OwnerId>,
    /// This node's computation ends so.
    pub ending: Option<(OwnerId, ComputeEvent)>,
    /// Computing fails from this question on.
    pub fails_from: Option<u32>,
    /// Both workers refuse.
    pub refused: Option<Refusal>,
    /// Edits at these places of the plan are not carried out.
    pub not_carried_out: Vec<u32>,
    /// This node tells other outcomes of edits.
    pub other_outcome: Option<OwnerId>,
    /// This node does not tell where it has recorded how a question ended.
    pub says_not_where: Option<OwnerId>,
    /// Workers never end until the gate opens.
    pub hang: bool,
    /// This node says that it has taken the request before.
    pub replayed: Option<OwnerId>,
    /// This node cannot be reached at all.
    pub down: Option<OwnerId>,
    /// This node has been started anew.
    pub restarted: Option<OwnerId>,
    /// The recorder takes no event of which this says so.
    pub unrecorded: Option<fn(&Event) -> bool>,
    /// Why other parties have not cosigned the broker's log once it has so many entries, if they have not.
    pub unwitnessed: Option<(usize, Unwitnessed)>,
}

/// Everything the nodes share with the test.
pub struct World {
    pub federation: Federation,
    pub faults: Mutex<Faults>,
    /// What happened, in order.
    pub happened: Mutex<Vec<String>>,
    pub records: Mutex<Vec<Event>>,
    /// Rows that each node was given.
    pub rows: Mutex<HashMap<OwnerId, (u64, Vec<u32>)>>,
    /// Rung when a worker has begun to compute.
    pub computing: Notify,
    keys: HashMap<OwnerId, SigningKey>,
    plans: Mutex<HashMap<JobId, Plan>>,
    /// Requests handed over: their names and scripts.
    admitted: Mutex<HashMap<JobId, (Hash, String)>>,
    offers: Mutex<HashMap<JobId, JobOffer>>,
    attempts: Mutex<HashMap<AttemptId, ComputeOrder>>,
}

/// What every cell of every table comes out as.
pub const COUNT: u32 = 1234;
/// What the sum of codes, and that of their squares, in every cell of every table with a number comes out as.
/// Of 1 234 numbers from 1 to 1001, of mean 500: in codes, of which there are (2²¹ − 2)/1000 to one.
pub const SUM: u128 = 617_000 * 2_097_150 / 1000;
/// Their squared distances from 501, 250 001 on average.
pub const SQUARE: u128 = 1234 * 250_001 * (2_097_150 * 2_097_150) / 1_000_000;

pub fn owner(id: &str) -> OwnerId {
    OwnerId::new(id).expect("valid")
}

pub fn rules() -> Rules {
    Rules {
        population_units_min: 1000,
        perturbation_table: Hash::of(b"table"),
        small_cell_units_max: 4,
        small_cells_percent_max: 50,
        edit_units_min: 15,
        statistic_units_min: 15,
        two_largest_percent_max: 90,
        others_percent_of_largest_min: 10,
    }
}

fn datastore(id: &str, owner_id: &str, variable: &str, version: Version) -> Datastore {
    let code = |code: &str| Code {
        code: code.into(),
        title: format!("title of {code}"),
        valid_from: Day::from_days(0).expect("a day"),
        valid_until: None,
    };
    Datastore {
        id: DatastoreId::new(id).expect("valid"),
        owner: owner(owner_id),
        version,
        variables: vec![Variable {
            name: VariableName::new(variable).expect("valid"),
            title: "A title".into(),
            description: String::new(),
            unit_type: UnitType::Person,
            temporality: Temporality::Fixed,
            sensitivity: Sensitivity::PersonGeneral,
            domain: ValueDomain::Codes {
                data_type: DataType::String,
                codes: vec![code("1"), code("2")],
                sentinels: Vec::new(),
            },
            dates: AvailableDates::None,
            range: None,
            data: Hash::of(variable.as_bytes()),
        }],
    }
}

impl World {
    pub fn new() -> Arc<Self> {
        Self::over(|_| {})
    }

    /// A world whose roster has been changed.
    pub fn over(change: impl FnOnce(&mut Federation)) -> Arc<Self> {
        let ids = ["broker", "ssb", "krg", "fhi"];
        let keys: HashMap<_, _> = ids.iter().map(|id| (owner(id), SigningKey::generate())).collect();
        let party = |(id, port): (&str, u16)| Party {
            id: owner(id),
            uri: format!("kobling://{id}"),
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            authority: String::new(),
            signing_key: hex::encode(keys[&owner(id)].verifying_key().as_bytes()),
        };
        let mut federation = Federation {
            name: "test".into(),
            broker: party(("broker", 1)),
            platform: Platform {
                uri: "kobling://platform".into(),
                authority: String::new(),
                signing_key: hex::encode(PLATFORM.verifying_key().as_bytes()),
            },
            nodes: vec![party(("ssb", 2)), party(("krg", 3)), party(("fhi", 4))],
        };
        change(&mut federation);
        Arc::new(Self {
            federation,
            faults: Mutex::default(),
            happened: Mutex::default(),
            records: Mutex::default(),
            rows: Mutex::default(),
            computing: Notify::new(),
            keys,
            plans: Mutex::default(),
            admitted: Mutex::default(),
            offers: Mutex::default(),
            attempts: Mutex::default(),
        })
    }

    pub fn with(faults: Faults) -> Arc<Self> {
        let world = Self::new();
        *world.faults.lock().expect("lock") = faults;
        world
    }

    pub fn faults(&self) -> Faults {
        self.faults.lock().expect("lock").clone()
    }

    /// The key with which a node signs partial aggregates, and its log.
    pub fn key(&self, node: &OwnerId) -> &SigningKey {
        &self.keys[node]
    }

    pub fn happened(&self) -> Vec<String> {
        self.happened.lock().expect("lock").clone()
    }

    pub fn outcomes(&self) -> Vec<Outcome> {
        let records = self.records.lock().expect("lock");
        let outcome = |event: &Event| match event {
            Event::Outcome { outcome, .. } => Some(outcome.clone()),
            _ => None,
        };
        records.iter().filter_map(outcome).collect()
    }

    fn say(&self, what: String) {
        self.happened.lock().expect("lock").push(what);
    }

    pub async fn broker(self: &Arc<Self>) -> Arc<Broker> {
        self.broker_over(Store::in_memory().expect("opens")).await
    }

    pub async fn broker_over(self: &Arc<Self>, store: Store) -> Arc<Broker> {
        let times = Times {
            peer_timeout: Duration::from_secs(5),
            session_idle: Duration::from_secs(900),
            result: Duration::from_secs(3600),
            question: Duration::from_secs(60),
        };
        Broker::start(Parts {
            federation: self.federation.clone(),
            clients: Arc::new(Nodes(self.clone())),
            store,
            recorder: Arc::new(ListRecorder(self.clone())),
            times,
            limits: Limits { questions_at_once: 2, sessions: 6, sessions_per_institution: 4 },
            telemetry: kobling_proto::observe::Telemetry::default(),
        })
        .await
        .expect("starts")
    }
}

pub fn open_request(key: &str) -> OpenRequest {
    OpenRequest {
        key: key.into(),
        asker: Asker {
            platform_certificate: Hash::of(b"certificate"),
            researcher: " Kari ".into(),
            institution: "UiB".into(),
            purpose: " Kreft og utdanning".into(),
            signed: false,
        },
        datastores: vec!["no.ssb.fdb:1".into(), "no.krg.kreft:1".into()],
    }
}

pub async fn open(broker: &Arc<Broker>) -> SessionRow {
    broker.open_session(open_request("session")).await.expect("opens")
}

/// What the platform signs with.
pub static PLATFORM: LazyLock<SigningKey> = LazyLock::new(SigningKey::generate);

static NONCE: AtomicU64 = AtomicU64::new(0);

/// What the platform would sign for a script in a session.
pub async fn request(broker: &Arc<Broker>, session: SessionId, script: &str) -> ScriptRequest {
    let nonce = u128::from(NONCE.fetch_add(1, Ordering::Relaxed)).to_le_bytes();
    let issued_ms = kobling_broker::audit::now_ms();
    let mut request = ScriptRequest {
        session,
        script: script.to_owned(),
        researcher: "Kari".into(),
        institution: "UiB".into(),
        purpose: "Kreft og utdanning".into(),
        nodes: Vec::new(),
        releases: Vec::new(),
        nonce,
        issued_ms,
        expires_ms: issued_ms + 3_600_000,
    };
    if let Ok(row) = broker.get_session(session).await {
        request.researcher = row.key.researcher;
        request.institution = row.key.institution;
        (request.nodes, request.releases) = (sorted(&row.parties), sorted(&row.releases));
    }
    request
}

/// A request as it is signed with a key.
pub fn signed(request: &ScriptRequest, key: &SigningKey) -> SignedRequest {
    let bytes = request.bytes();
    SignedRequest { signature: key.sign(&bytes).to_vec(), bytes }
}

/// Submits a script as the platform does.
pub async fn submit(
    broker: &Arc<Broker>,
    session: SessionId,
    key: &str,
    script: &str,
) -> Result<JobRow, RequestError> {
    let request = request(broker, session, script).await;
    broker.submit(session, key, signed(&request, &PLATFORM)).await
}

/// Waits for a job's end through its events, and returns both.
pub async fn finished(broker: &Arc<Broker>, job: JobId) -> (JobRow, Vec<JobEvent>) {
    let events = broker.watch_job(job, 0).await.expect("known");
    let events: Vec<_> = events.map(|event| event.expect("an event").1).collect().await;
    (broker.get_job(job).await.expect("known"), events)
}

/// Runs a script to its end.
pub async fn run(broker: &Arc<Broker>, script: &str) -> (JobRow, Vec<JobEvent>) {
    let session = open(broker).await;
    let job = submit(broker, session.id, "job", script).await.expect("accepted");
    finished(broker, job.id).await
}

pub fn problem_code(job: &JobRow) -> &str {
    job.problem.as_ref().map_or("", |problem| problem.code.as_str())
}

pub fn is_state(event: &JobEvent, wanted: JobState) -> bool {
    matches!(event, JobEvent::State { state } if *state == wanted)
}

struct ListRecorder(Arc<World>);

impl Recorder for ListRecorder {
    fn record(&self, event: Event) -> Result<(), NotRecorded> {
        if self.0.faults().unrecorded.is_some_and(|refuses| refuses(&event)) {
            return Err(NotRecorded);
        }
        let text = match &event {
            Event::Opening(_) => "record opening".to_owned(),
            Event::Outcome { outcome, .. } => {
                let name = format!("{outcome:?}");
                format!("record {}", name.split([' ', '{']).next().unwrap_or_default().to_lowercase())
            }
            _ => "record".to_owned(),
        };
        self.0.say(text);
        self.0.records.lock().expect("lock").push(event);
        Ok(())
    }

    fn cosigned(&self) -> Result<(), Unwitnessed> {
        match &self.0.faults().unwitnessed {
            Some((from, missing)) if self.0.records.lock().expect("lock").len() >= *from => {
                Err(missing.clone())
            }
            _ => Ok(()),
        }
    }
}

/// The nodes, as a broker reaches them.
pub struct Nodes(pub Arc<World>);

impl NodeClients for Nodes {
    fn node(&self, id: &OwnerId) -> Option<Arc<dyn NodeClient>> {
        let known = self.0.federation.node(id).is_some();
        known.then(|| Arc::new(Node { me: id.clone(), world: self.0.clone() }) as Arc<dyn NodeClient>)
    }
}

struct Node {
    me: OwnerId,
    world: Arc<World>,
}

impl Node {
    /// Notes what is asked, and fails where the node is down.
    fn asked(&self, step: &'static str) -> Result<Faults, RunError> {
        let faults = self.world.faults();
        if faults.down.as_ref() == Some(&self.me) {
            return Err(RunError::Unreachable { party: self.me.clone(), step });
        }
        self.world.say(format!("{step} {}", self.me));
        Ok(faults)
    }

    fn is(&self, party: &Option<OwnerId>) -> bool {
        party.as_ref() == Some(&self.me)
    }

    /// This node's share of the table that the world has for an attempt.
    fn share(&self, order: &ComputeOrder) -> PartialAggregate {
        let plans = self.world.plans.lock().expect("lock");
        let plan = &plans[&order.job];
        let question = &plan.questions[order.question as usize];
        let roles = self.world.federation.roles(&question.left.owner, question.right_owner()).expect("roles");
        let worker = if roles.left == self.me { Worker::Left } else { Worker::Right };
        let faults = self.world.faults();
        let word = faults.word.unwrap_or(COUNT);
        let cells = layout(question).expect("a table").cells() - usize::from(self.is(&faults.missing_cell));
        // Left's share is a hash of the attempt, right's is what is missing.
        let shares = (0..cells as u32).map(|cell| {
            let random = Hash::of(&[&order.attempt.0[..], &cell.to_le_bytes()].concat());
            let mask = u32::from_le_bytes(random.0[..4].try_into().expect("four bytes"));
            if worker == Worker::Left { mask } else { word.wrapping_sub(mask) }
        });
        let [to_right, to_left] =
            [b"right", b"left!"].map(|to| Hash::of(&[&order.attempt.0[..], to].concat()));
        let (mut sent, received) =
            if worker == Worker::Left { (to_right, to_left) } else { (to_left, to_right) };
        if self.is(&faults.other_transcript) {
            sent = Hash::of(b"another conversation");
        }
        let wide = |word: u128, name: &[u8]| -> Vec<u128> {
            let share = |cell: u32| {
                let random = Hash::of(&[&order.attempt.0[..], name, &cell.to_le_bytes()].concat());
                let mask = u128::from_le_bytes(random.0[..16].try_into().expect("sixteen bytes"));
                if worker == Worker::Left { mask } else { word.wrapping_sub(mask) }
            };
            (0..cells as u32).map(share).collect()
        };
        let column = question.value();
        let sums = column.is_some() || self.is(&faults.needless_sums);
        let squares = column.is_some_and(|column| column.squares) && !self.is(&faults.no_squares);
        PartialAggregate {
            session: order.session,
            attempt: order.attempt,
            request: self.world.admitted.lock().expect("lock")[&order.job].0,
            plan: plan.hash(),
            question: order.question,
            party: self.me.clone(),
            worker,
            sent,
            received,
            shares: shares.collect(),
            sums: if sums { wide(faults.sum.unwrap_or(SUM), b"sum") } else { Vec::new() },
            squares: if squares { wide(faults.square.unwrap_or(SQUARE), b"square") } else { Vec::new() },
        }
    }

    fn ending(&self, order: &ComputeOrder) -> ComputeEvent {
        let faults = self.world.faults();
        if let Some((_, ending)) = faults.ending.filter(|(party, _)| *party == self.me) {
            return ending;
        }
        if faults.fails_from.is_some_and(|first| order.question >= first) {
            return ComputeEvent::Failed(reported("registers"));
        }
        if let Some(refusal) = faults.refused {
            return ComputeEvent::Refused(refusal);
        }
        if faults.not_carried_out.contains(&order.question) && !self.is(&faults.other_outcome) {
            return ComputeEvent::NotCarriedOut;
        }
        let table = {
            let plans = self.world.plans.lock().expect("lock");
            matches!(plans[&order.job].questions[order.question as usize].kind, QuestionKind::Table(_))
        };
        if !table {
            return ComputeEvent::Passed;
        }
        let content =
            if self.is(&faults.other_content) { Hash::of(b"other") } else { self.share(order).content() };
        ComputeEvent::Ready { content }
    }
}

#[async_trait]
impl NodeClient for Node {
    fn owner(&self) -> &OwnerId {
        &self.me
    }

    async fn describe(&self) -> Result<Description, RunError> {
        let faults = self.asked("describe")?;
        let version = |minor| Version { major: 1, minor, patch: 0 };
        let datastores = match self.me.as_str() {
            "ssb" => vec![
                datastore("no.ssb.fdb", "ssb", "KJOENN", version(0)),
                datastore("no.ssb.fdb", "ssb", "KJOENN", version(2)),
                datastore("no.ssb.fdb", "ssb", "KJOENN", version(1)),
            ],
            "krg" => vec![datastore("no.krg.kreft", "krg", "STADIUM", version(0))],
            _ => Vec::new(),
        };
        Ok(Description {
            owner: self.me.clone(),
            federation: self.world.federation.hash(),
            datastores,
            ready: true,
            incarnation: Incarnation(vec![u8::from(self.is(&faults.restarted))]),
        })
    }

    async fn open_session(&self, offer: &SessionOffer) -> Result<(), RunError> {
        self.asked("open-session")?;
        assert_eq!(offer.asker.researcher, "Kari", "names are trimmed");
        assert_eq!(offer.asker.purpose, "Kreft og utdanning", "and purposes");
        assert!(offer.members.contains(&self.me));
        Ok(())
    }

    async fn tokens(&self, _session: SessionId, _unit_type: UnitType) -> Result<Vec<[u8; 16]>, RunError> {
        let faults = self.asked("tokens")?;
        let mut tokens: Vec<[u8; 16]> = match self.me.as_str() {
            "ssb" => (0..100_u128).map(u128::to_be_bytes).collect(),
            _ => (50..120_u128).map(u128::to_be_bytes).collect(),
        };
        if self.is(&faults.token_twice) {
            tokens[1] = tokens[0];
        }
        Ok(tokens)
    }

    async fn put_rows(
        &self,
        _session: SessionId,
        _unit_type: UnitType,
        numbers: Vec<u32>,
        rows: u64,
    ) -> Result<(), RunError> {
        self.asked("rows")?;
        self.world.rows.lock().expect("lock").insert(self.me.clone(), (rows, numbers));
        Ok(())
    }

    async fn confirm_alignment(&self, _session: SessionId, _unit_type: UnitType) -> Result<(), RunError> {
        self.asked("confirm").map(drop)
    }

    async fn admit(&self, order: &AdmitOrder) -> Result<(), RunError> {
        let faults = self.asked("admit")?;
        if self.is(&faults.replayed) {
            let problem = Problem { step: "admit".into(), ..reported("request-replayed") };
            return Err(RunError::Reported { party: self.me.clone(), problem });
        }
        let key = PLATFORM.verifying_key();
        assert_eq!(key.verify(&order.signed.bytes, &order.signed.signature), Ok(()), "as it was signed");
        let request = ScriptRequest::parse(&order.signed.bytes).expect("canonical");
        let name = request.hash();
        self.world.admitted.lock().expect("lock").insert(order.job, (name, request.script));
        Ok(())
    }

    async fn offer(&self, offer: &JobOffer) -> Result<Rules, RunError> {
        self.asked("offer")?;
        let script = self.world.admitted.lock().expect("lock")[&offer.job].1.clone();
        let plan = kobling_script::plan(&script, &offer.catalogue).expect("a valid script");
        assert_eq!(plan.hash(), offer.plan, "every node derives the same plan");
        self.world.plans.lock().expect("lock").insert(offer.job, plan);
        self.world.offers.lock().expect("lock").insert(offer.job, offer.clone());
        Ok(rules())
    }

    async fn revise(&self, revision: &JobRevision) -> Result<(), RunError> {
        self.asked("revise")?;
        let offer = self.world.offers.lock().expect("lock")[&revision.job].clone();
        let script = self.world.admitted.lock().expect("lock")[&offer.job].1.clone();
        let plan = kobling_script::plan_after(&script, &offer.catalogue, &revision.edits);
        let plan = plan.expect("as many edits");
        assert_eq!(plan.hash(), revision.plan, "every node derives the same plan");
        self.world.plans.lock().expect("lock").insert(revision.job, plan);
        Ok(())
    }

    async fn compute(
        &self,
        order: &ComputeOrder,
    ) -> Result<BoxStream<'static, Result<ComputeEvent, RunError>>, RunError> {
        let faults = self.asked("compute")?;
        self.world.attempts.lock().expect("lock").insert(order.attempt, order.clone());
        self.world.computing.notify_one();
        let begun = stream::iter([Ok(ComputeEvent::Stage("extract".into()))]);
        if faults.hang {
            return Ok(begun.chain(stream::pending()).boxed());
        }
        let recorded =
            Receipt { party: self.me.clone(), entry: 7, leaf: Hash::of(self.me.as_str().as_bytes()) };
        let ended = [ComputeEvent::Recorded(recorded), self.ending(order)];
        let silent = self.is(&faults.says_not_where);
        Ok(begun.chain(stream::iter(ended.into_iter().skip(usize::from(silent)).map(Ok))).boxed())
    }

    async fn deal(&self, _order: &DealOrder) -> Result<(), RunError> {
        self.asked("deal").map(drop)
    }

    async fn partial(&self, _session: SessionId, attempt: AttemptId) -> Result<SignedPartial, RunError> {
        let faults = self.asked("partial")?;
        let order = self.world.attempts.lock().expect("lock")[&attempt].clone();
        let partial = self.share(&order);
        let key = if self.is(&faults.other_key) { owner("fhi") } else { self.me.clone() };
        let signature = self.world.keys[&key].sign(&partial.message()).to_vec();
        Ok(SignedPartial {
            words: partial.shares,
            sums: partial.sums,
            squares: partial.squares,
            signature,
            sent: partial.sent,
            received: partial.received,
        })
    }

    async fn abort(&self, _session: SessionId, _attempt: AttemptId) -> Result<(), RunError> {
        self.asked("abort").map(drop)
    }

    async fn close_session(&self, _session: SessionId) -> Result<(), RunError> {
        self.asked("close").map(drop)
    }

    async fn link(&self, _session: SessionId, _attempt: AttemptId) -> Result<PeerLink, RunError> {
        Err(RunError::Internal { step: "these nodes are three, so the broker never deals" })
    }
}

/// A problem as nodes report one.
pub fn reported(code: &str) -> Problem {
    Problem { code: code.into(), party: None, step: "compute".into(), message: "it did not work".into() }
}

pub fn count(cell: &Cell) -> Option<u64> {
    match cell {
        Cell::Count(count) => Some(*count),
        Cell::Suppressed => None,
    }
}
