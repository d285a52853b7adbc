//! Log lines on standard error: constant sentences, and fields from a closed list.
//!
//! Two ends hold this together. [`Entry`] is the one way to write a line, and has no method for a text; a test looks for
//! other calls in the source. [`Lines`], which prints, takes nothing on trust either: it prints the events of this module only, the
//! sentence only if it is one of [`Line`] and a constant, and a field only if its name is in [`FIELDS`] and its value has the form of that
//! field. What other crates say through `tracing` is not printed at any level.
//!
//! One line: time in UTC, level, sentence, then `name=value`.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::panic;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kobling_model::{Day, JobId, OwnerId, SessionId};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{Interest, Subscriber};
use tracing::{Event, Level, Metadata};

pub use tracing::level_filters::LevelFilter;

use super::Step;
use super::vocabulary::{Cause, code};

/// The target of our events, and of no others.
const TARGET: &str = "kobling";

/// All fields that a line can have.
pub const FIELDS: [&str; 8] = ["party", "session", "job", "step", "ms", "code", "cause", "place"];

macro_rules! lines {
    ($($(#[$doc:meta])* $variant:ident = $level:ident $text:literal,)*) => {
        /// All sentences that the log can say.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Line {
            $($(#[$doc])* $variant,)*
        }

        impl Line {
            /// All sentences.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The sentence.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            const fn level(self) -> Level {
                match self {
                    $(Self::$variant => Level::$level,)*
                }
            }
        }
    };
}

lines!(
    /// At a start.
    TornLog = WARN "the end of the audit log was torn by a crash and has been cut off",
    /// A node has started.
    NodeAnswers = INFO "the node answers",
    /// A node cannot take part yet.
    SecretsMissing = INFO "federation secrets are missing; will ask again",
    /// The operator has stopped the node.
    OwnerStops = WARN "the owner has stopped this node; it answers nothing",
    /// The operator lets it answer again.
    OwnerResumes = WARN "the owner lets this node answer again",
    /// The operator has changed the policy.
    PolicyInForce = WARN "another policy is in force",
    /// The operator wanted to change the policy.
    PolicyRefused = ERROR "the new policy cannot be used; the one before stays in force",
    /// The operator's socket.
    OperatorDeaf = ERROR "the operator's socket cannot be used; commands that need it do not reach this node",
    /// What the node remembers of earlier questions: nothing is computed without it.
    NotRemembered = ERROR "the memory of earlier questions cannot be used; no question is computed without it",
    /// The broker has started.
    BrokerServes = INFO "the broker serves",
    /// The broker was told to stop.
    BrokerStops = INFO "the broker stops",
    /// The broker's socket failed.
    BrokerDeaf = ERROR "the broker no longer listens",
    /// The broker's store.
    OldResultsKept = ERROR "old results could not be forgotten",
    /// The broker's log: nothing may leave.
    NotRecorded = ERROR "the audit log took no entry",
    /// No auditors are named.
    RecordsInClear = WARN "no auditors are named; records of questions lie in clear in the audit log",
    /// A witness is away, or does not cosign.
    NotCosigned = WARN "a party does not cosign this log; nothing is answered once its latest entries are too old",
    /// A witness knows more of this log, or another.
    LogContradicted = ERROR "a party has cosigned a later state of this log, or another log; nothing is answered",
    /// The broker's store.
    JobEndNotKept = ERROR "a job's end was not kept",
    /// The broker's store.
    SessionEndNotKept = ERROR "a session's end was not kept",
    /// The broker's store.
    StoreFailed = ERROR "the store failed",
    /// A node did what it was asked.
    Asked = DEBUG "asked",
    /// A node did not do what it was asked.
    AskedInVain = WARN "asked in vain",
    /// The collector of spans is away.
    SpansNotTaken = WARN "the collector takes no spans; they are dropped",
    /// The collector of spans is back.
    SpansTaken = INFO "the collector takes spans again",
    /// A part of the program panicked. What it said is not repeated: it may quote what it read.
    Panicked = ERROR "a part of this program failed",
);

/// A line to be written.
#[derive(Clone, Copy, Debug)]
#[must_use = "a line is written by `say`"]
pub struct Entry<'a> {
    line: Line,
    party: Option<&'a OwnerId>,
    session: Option<SessionId>,
    job: Option<JobId>,
    step: Option<Step>,
    took: Option<Duration>,
    code: Option<&'static str>,
    cause: Option<Cause>,
}

impl Line {
    /// A line without fields.
    pub fn entry<'a>(self) -> Entry<'a> {
        Entry {
            line: self,
            party: None,
            session: None,
            job: None,
            step: None,
            took: None,
            code: None,
            cause: None,
        }
    }

    /// Writes the line without fields.
    pub fn say(self) {
        self.entry().say();
    }
}

impl<'a> Entry<'a> {
    /// The party concerned.
    pub fn party(mut self, party: &'a OwnerId) -> Self {
        self.party = Some(party);
        self
    }

    /// The session concerned.
    pub fn session(mut self, session: SessionId) -> Self {
        self.session = Some(session);
        self
    }

    /// The job concerned.
    pub fn job(mut self, job: JobId) -> Self {
        self.job = Some(job);
        self
    }

    /// The step concerned, and how long it took.
    pub fn step(mut self, step: Step, took: Duration) -> Self {
        self.step = Some(step);
        self.took = Some(took);
        self
    }

    /// A problem's code. One that is not on the list, as another party might invent, becomes `other`.
    pub fn code(mut self, text: &str) -> Self {
        self.code = Some(code(text));
        self
    }

    /// Why something of the system failed.
    pub fn cause(mut self, cause: Cause) -> Self {
        self.cause = Some(cause);
        self
    }

    /// Writes the line.
    pub fn say(self) {
        let party = self.party.map(OwnerId::as_str);
        let session = self.session.map(|session| session.to_string());
        let job = self.job.map(|job| job.to_string());
        let step = self.step.map(Step::as_str);
        let ms = self.took.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        let (code, cause) = (self.code, self.cause.map(Cause::as_str));
        // The level of an event is a constant of the place that makes it.
        macro_rules! say {
            ($level:expr) => {
                tracing::event!(
                    target: TARGET,
                    $level,
                    message = self.line.as_str(),
                    party,
                    session = session.as_deref(),
                    job = job.as_deref(),
                    step,
                    ms,
                    code,
                    cause
                )
            };
        }
        match self.line.level() {
            Level::ERROR => say!(Level::ERROR),
            Level::WARN => say!(Level::WARN),
            Level::INFO => say!(Level::INFO),
            _ => say!(Level::DEBUG),
        }
    }
}

/// Prints our lines, and nothing else.
pub struct Lines {
    most: LevelFilter,
    print: Box<dyn Fn(&str) + Send + Sync>,
}

impl Lines {
    /// Hands each line up to a level to `print`, with its end.
    pub fn to(most: LevelFilter, print: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { most, print: Box::new(print) }
    }

    fn prints(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target() == TARGET && *metadata.level() <= self.most
    }
}

impl Subscriber for Lines {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.prints(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.prints(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.most)
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        if let Some(line) = fields.line {
            let level = event.metadata().level();
            (self.print)(&format!("{} {level:>5} {}{}\n", now(), line.as_str(), fields.text));
        }
    }

    // Spans are never enabled, so nothing of one ever comes here.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// What is printed of an event: a sentence of the list, and fields in their form.
#[derive(Default)]
struct Fields {
    line: Option<Line>,
    text: String,
}

impl Fields {
    fn add(&mut self, name: &str, value: &str) {
        // A string takes whatever is written to it.
        let _ = write!(self.text, " {name}={value}");
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        let word = |all: &[&str]| all.contains(&value);
        let valid = match field.name() {
            "message" => {
                self.line = Line::ALL.iter().copied().find(|line| line.as_str() == value);
                false
            }
            "party" => OwnerId::new(value).is_ok(),
            "session" | "job" => SessionId::parse(value).is_ok_and(|id| id.to_string() == value),
            "step" => Step::ALL.iter().any(|step| step.as_str() == value),
            "code" => word(&[code(value)]),
            "cause" => Cause::ALL.iter().any(|cause| cause.as_str() == value),
            "place" => is_place(value),
            _ => false,
        };
        if valid {
            self.add(field.name(), value);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "ms" {
            self.add("ms", &value.to_string());
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

/// Whether a text is a source file and a line in it.
fn is_place(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    text.split_once(".rs:").is_some_and(|(file, line)| {
        let short = file.len() <= 64 && line.len() <= 8;
        short && file.chars().all(plain) && line.chars().all(|c| c.is_ascii_digit())
    })
}

/// The time in UTC, to the millisecond.
fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (seconds, ms) = (since.as_secs(), since.subsec_millis());
    let day = i32::try_from(seconds / 86_400).ok().and_then(|days| Day::from_days(days).ok());
    let day = day.map_or_else(|| "0000-00-00".to_owned(), |day| day.to_string());
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{day}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// Writes lines to standard error: up to the level that the environment variable `KOBLING_LOG` names, or `RUST_LOG` where it
/// says nothing, else up to `otherwise`. Panics become lines too. A second call does nothing.
pub fn to_stderr(otherwise: LevelFilter) {
    let named = ["KOBLING_LOG", "RUST_LOG"].iter().find_map(|name| std::env::var(name).ok());
    let most = named.and_then(|text| level(&text)).unwrap_or(otherwise);
    // Where nobody reads, a line is lost.
    let print = |line: &str| drop(io::stderr().lock().write_all(line.as_bytes()));
    if tracing::subscriber::set_global_default(Lines::to(most, print)).is_ok() {
        panic::set_hook(Box::new(|panicked| {
            let place = panicked.location().map(|at| {
                let file = at.file().rsplit(['/', '\\']).next().unwrap_or_default();
                format!("{file}:{}", at.line())
            });
            tracing::event!(
                target: TARGET,
                Level::ERROR,
                message = Line::Panicked.as_str(),
                place = place.as_deref()
            );
        }));
    }
}

/// The level that a setting in the usual form names for this program: `info`, or `kobling=debug` among others. What it
/// says of other crates counts for nothing.
fn level(text: &str) -> Option<LevelFilter> {
    let ours = |part: &str| match part.trim().split_once('=') {
        None if part.trim().is_empty() => None,
        None => part.trim().parse().ok(),
        Some((target, level)) => target.trim().starts_with(TARGET).then(|| level.trim().parse().ok())?,
    };
    text.split(',').filter_map(ours).next_back()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What is printed while `work` runs on this thread.
    fn printed(most: LevelFilter, work: impl FnOnce()) -> String {
        let text = Arc::new(Mutex::new(String::new()));
        let taken = text.clone();
        let lines = Lines::to(most, move |line| taken.lock().expect("not poisoned").push_str(line));
        tracing::subscriber::with_default(lines, work);
        text.lock().expect("not poisoned").clone()
    }

    #[test]
    fn a_line_has_a_time_a_level_a_sentence_and_fields() {
        let ssb = OwnerId::new("ssb").expect("valid");
        let text = printed(LevelFilter::DEBUG, || {
            let entry = Line::AskedInVain.entry().party(&ssb).session(SessionId([7; 16]));
            entry.step(Step::Offer, Duration::from_millis(12)).code("plan-differs").say();
        });
        let (time, rest) = text.split_at(24);
        assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
        let fields = "party=ssb session=07070707070707070707070707070707 step=offer ms=12 code=plan-differs";
        assert_eq!(rest, format!("  WARN asked in vain {fields}\n"));
    }

    #[test]
    fn what_is_not_on_the_lists_is_not_printed_even_under_our_own_name() {
        let identity = "01819012345";
        let (answers, asked) = (Line::NodeAnswers.as_str(), Line::Asked.as_str());
        let text = printed(LevelFilter::TRACE, || {
            tracing::info!(target: TARGET, identity, party = identity, message = answers);
            tracing::info!(target: TARGET, party = "krg", step = identity, code = identity, message = answers);
            tracing::info!(target: TARGET, rows = 12345, ms = identity, session = identity, message = asked);
            // A sentence that a macro formats is none of the list, whatever it comes to.
            tracing::info!(target: TARGET, identity, "the node answers");
            tracing::info!(target: TARGET, "the person is {identity}");
            tracing::info!(target: TARGET, place = identity, message = identity);
            tracing::error!(target: "h2::codec", identity, message = answers);
            tracing::error!(target: "kobling_node", identity, message = answers);
            let span = tracing::error_span!(target: TARGET, "the node answers", identity);
            span.in_scope(|| tracing::warn!(target: TARGET, error = ?identity, message = asked));
        });
        assert!(!text.contains(identity) && !text.contains("12345"), "{text}");
        let printed: Vec<_> = text.lines().map(|line| &line[26..]).collect();
        assert_eq!(
            printed,
            ["INFO the node answers", "INFO the node answers party=krg", "INFO asked", "WARN asked"]
        );
    }

    #[test]
    fn codes_that_another_party_invents_are_not_repeated() {
        let text = printed(LevelFilter::DEBUG, || Line::AskedInVain.entry().code("01819012345").say());
        assert!(text.ends_with("asked in vain code=other\n"), "{text}");
    }

    #[test]
    fn levels_hold_and_what_is_said_of_other_crates_counts_for_nothing() {
        assert_eq!(printed(LevelFilter::INFO, || Line::Asked.say()), "");
        assert_eq!(printed(LevelFilter::OFF, || Line::NotRecorded.say()), "");
        assert_eq!(level("debug"), Some(LevelFilter::DEBUG));
        assert_eq!(level("h2=trace,info"), Some(LevelFilter::INFO));
        assert_eq!(level("info,kobling_node=debug,h2=trace"), Some(LevelFilter::DEBUG));
        assert_eq!(level("h2=trace"), None);
        assert_eq!(level(""), None);
    }
}
