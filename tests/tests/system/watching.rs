//! Watching: what metrics tell, and that nothing else gets out.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::sync::{Mutex, OnceLock, PoisonError};

use kobling_proto::observe::export::SCOPE;
use kobling_proto::observe::log::{FIELDS, Line, Lines};
use kobling_proto::observe::metrics::{LABELS, METRICS};
use kobling_proto::observe::vocabulary::{Attribute, CODES, Role, SizeClass};
use kobling_proto::observe::{Outcome, Step};
use kobling_proto::platform::v1 as wire;
use kobling_proto::platform::v1::job_service_client::JobServiceClient;
use kobling_tests::collector::Collector;
use kobling_tests::registers::{Mix, standard};
use kobling_tests::world::World;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message as _;
use tracing::level_filters::LevelFilter;

use super::script;

const PARTIES: [&str; 4] = ["broker", "ssb", "krg", "fhi"];
const TABLE: &str = "import ssb/KJOENN as k\nimport krg/STED as s\ntabulate k s";

fn watched(seed: u64) -> World {
    World::of(standard(Mix::of(seed))).watched().found()
}

/// One number of a page.
#[derive(Clone, Debug)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Sample {
    fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str)
    }
}

/// Reads a page strictly: a line that is neither a comment nor a number is an error.
fn samples(page: &str) -> Vec<Sample> {
    let read = |line: &str| {
        let (series, value) = line.rsplit_once(' ')?;
        let (name, labels) = match series.strip_suffix('}') {
            None => (series, ""),
            Some(series) => series.split_once('{')?,
        };
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=')?;
            Some((name.to_owned(), value.strip_prefix('"')?.strip_suffix('"')?.to_owned()))
        };
        let labels = labels.split(',').filter(|text| !text.is_empty());
        let labels = labels.map(pair).collect::<Option<BTreeMap<_, _>>>()?;
        Some(Sample { name: name.to_owned(), labels, value: value.parse().ok()? })
    };
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| read(line).unwrap_or_else(|| panic!("not a number of a page: {line}"))).collect()
}

/// Bytes in one direction over connections that `end` and `party` pick.
fn bytes(page: &[Sample], direction: &str, end: &str, party: Option<&str>) -> f64 {
    let of = |sample: &&Sample| {
        sample.name == "kobling_socket_bytes_total"
            && sample.label("direction") == Some(direction)
            && sample.label("end") == Some(end)
            && (party.is_none() || sample.label("party") == party)
    };
    page.iter().filter(of).map(|sample| sample.value).sum()
}

#[test]
fn what_one_party_sends_another_receives() {
    let world = watched(71);
    world.check(&script(&world, TABLE));
    let pages: BTreeMap<_, _> = PARTIES.map(|party| (party, samples(&world.metrics(party)))).into();
    for node in &PARTIES[1..] {
        let dialled = |direction| {
            let of = |page: &Vec<Sample>| bytes(page, direction, "dialled", Some(*node));
            pages.values().map(of).sum::<f64>()
        };
        let accepted = |direction| bytes(&pages[node], direction, "accepted", None);
        // Whoever leaves a connection does not read the other end's last words, and one more may be under way.
        for (sent, received) in
            [(dialled("sent"), accepted("received")), (accepted("sent"), dialled("received"))]
        {
            assert!(
                sent > 10_000.0 && received <= sent && received > 0.99 * sent,
                "{node}: {sent} {received}"
            );
        }
    }
    // The platform dials the broker, and its table comes back.
    assert!(bytes(&pages["broker"], "sent", "accepted", None) > 1_000.0);
}

#[test]
fn steps_are_counted_at_every_party_by_how_they_ended_and_every_word_is_from_the_lists() {
    let world = watched(72);
    world.check(&script(&world, TABLE));
    let steps: Vec<_> = Step::ALL.iter().map(|step| step.as_str()).collect();
    let outcomes: Vec<_> = Outcome::ALL.iter().map(|outcome| outcome.as_str()).collect();
    for party in PARTIES {
        let page = samples(&world.metrics(party));
        for sample in &page {
            let base =
                ["_bucket", "_sum", "_count"].iter().find_map(|ending| sample.name.strip_suffix(ending));
            let known = |name: &str| METRICS.iter().any(|(known, ..)| *known == name);
            assert!(known(&sample.name) || base.is_some_and(known), "{}", sample.name);
            for (label, value) in &sample.labels {
                assert!(LABELS.contains(&label.as_str()), "{label}");
                let value = value.as_str();
                let known = match label.as_str() {
                    "step" => steps.contains(&value),
                    "outcome" => outcomes.contains(&value),
                    "party" => PARTIES.contains(&value),
                    "direction" => ["sent", "received"].contains(&value),
                    "end" => ["accepted", "dialled"].contains(&value),
                    _ => value == "+Inf" || value.parse::<f64>().is_ok(),
                };
                assert!(known, "{label}={value}");
            }
        }
        let count = |step: Step| {
            let of = |sample: &&Sample| {
                sample.name == "kobling_step_seconds_count"
                    && sample.label("step") == Some(step.as_str())
                    && sample.label("outcome") == Some("ok")
            };
            page.iter().filter(of).map(|sample| sample.value).sum::<f64>()
        };
        let expected: &[(Step, f64)] = match party {
            "broker" => &[(Step::Job, 1.0), (Step::Link, 1.0), (Step::LinkTokens, 3.0)],
            "fhi" => &[(Step::LinkTokens, 1.0), (Step::QuestionExtract, 0.0)],
            _ => &[(Step::LinkTokens, 1.0), (Step::LinkAlign, 1.0), (Step::LinkCanaries, 1.0)],
        };
        for (step, times) in expected {
            assert_eq!(count(*step), *times, "{party} {step:?}");
        }
        match party {
            "ssb" | "krg" => {
                let whole = count(Step::QuestionCompute);
                assert!(whole >= 1.0 && count(Step::QuestionExtract) == whole);
                assert!(count(Step::QuestionProduct) >= 1.0 && count(Step::QuestionProtect) == whole);
            }
            "fhi" => assert!(count(Step::Deal) >= 1.0),
            _ => assert!(count(Step::Question) >= 1.0 && count(Step::QuestionCombine) == 1.0),
        }
        let open = page.iter().find(|sample| sample.name == "kobling_sessions_open").expect("a gauge");
        assert_eq!(open.value, 1.0, "{party}");
    }
}

#[test]
fn nothing_is_served_unless_it_is_asked_for() {
    let world = World::of_two(73);
    for party in ["broker", "ssb", "krg"] {
        let file = world.state_folder(party).join(kobling_proto::observe::port::ADDRESS_FILE);
        assert!(!file.exists(), "{party}");
    }
}

/// All lines of the log of this process, whichever test they come from.
static LOG: Mutex<String> = Mutex::new(String::new());

/// Keeps the log from now on, at the finest level.
fn keep_log() {
    static KEPT: OnceLock<()> = OnceLock::new();
    KEPT.get_or_init(|| {
        let lines = Lines::to(LevelFilter::TRACE, |line| {
            LOG.lock().unwrap_or_else(PoisonError::into_inner).push_str(line);
        });
        tracing::subscriber::set_global_default(lines).expect("nobody else listens");
    });
}

fn log() -> String {
    LOG.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// A span that a collector has, with the party that sent it.
#[derive(Clone, Debug)]
struct Sent {
    by: String,
    span: Span,
}

fn text(value: Option<&AnyValue>) -> Result<&str, String> {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => Ok(text),
        other => Err(format!("a value that is no text: {other:?}")),
    }
}

/// An attribute by its list, its place and the form of its value.
fn attribute(pair: &KeyValue, in_resource: bool) -> Result<(Attribute, &str), String> {
    let known = Attribute::ALL.iter().find(|known| known.as_str() == pair.key);
    let known = *known.ok_or_else(|| format!("the attribute {}", pair.key))?;
    let value = text(pair.value.as_ref())?;
    let hexadecimal = |c: char| c.is_ascii_digit() || matches!(c, 'a'..='f');
    let valid = match known {
        Attribute::Session => !in_resource && value.len() == 32 && value.chars().all(hexadecimal),
        Attribute::Party => PARTIES.contains(&value),
        Attribute::SizeClass => !in_resource && SizeClass::ALL.iter().any(|class| class.as_str() == value),
        Attribute::Service => in_resource && Role::ALL.iter().any(|role| role.as_str() == value),
        _ => false,
    };
    let plain = pair.key_strindex == 0;
    (valid && plain).then_some((known, value)).ok_or_else(|| format!("{}={value}", pair.key))
}

/// Reads a message, every field of it: whatever is not on the lists is an error. A field that a later version of the
/// format adds does not compile here until somebody has looked at it.
fn read(request: &ExportTraceServiceRequest) -> Result<Vec<Sent>, String> {
    let mut all = Vec::new();
    for resource_spans in &request.resource_spans {
        let ResourceSpans { resource, scope_spans, schema_url } = resource_spans;
        let resource = resource.as_ref().ok_or("no resource")?;
        let Resource { attributes, dropped_attributes_count, entity_refs } = resource;
        if !schema_url.is_empty() || *dropped_attributes_count != 0 || !entity_refs.is_empty() {
            return Err("more in a resource".into());
        }
        let attributes: Vec<_> =
            attributes.iter().map(|pair| attribute(pair, true)).collect::<Result<_, _>>()?;
        let by = attributes.iter().find(|(name, _)| *name == Attribute::Party).ok_or("nobody's spans")?.1;
        for ScopeSpans { scope, spans, schema_url } in scope_spans {
            let scope = scope.as_ref().ok_or("no scope")?;
            let InstrumentationScope { name, version, attributes, dropped_attributes_count } = scope;
            let bare = version.is_empty() && attributes.is_empty() && *dropped_attributes_count == 0;
            if name != SCOPE || !bare || !schema_url.is_empty() {
                return Err(format!("the scope {scope:?}"));
            }
            for span in spans {
                check(span)?;
                all.push(Sent { by: by.to_owned(), span: span.clone() });
            }
        }
    }
    Ok(all)
}

fn check(span: &Span) -> Result<(), String> {
    let Span {
        trace_id,
        span_id,
        parent_span_id,
        trace_state,
        flags,
        name,
        kind,
        start_time_unix_nano,
        end_time_unix_nano,
        attributes,
        dropped_attributes_count,
        events,
        dropped_events_count,
        links,
        dropped_links_count,
        status,
    } = span;
    if !Step::ALL.iter().any(|step| step.as_str() == name) {
        return Err(format!("the name {name}"));
    }
    let ids = trace_id.len() == 16 && span_id.len() == 8 && matches!(parent_span_id.len(), 0 | 8);
    // Sampled; and whether the parent is another party's.
    let plain_flags = [0x101, 0x301, 0x1].contains(flags);
    if !ids || !trace_state.is_empty() || !plain_flags || SpanKind::try_from(*kind).is_err() {
        return Err(format!("the ids of {name}: {flags:x} {trace_state}"));
    }
    if start_time_unix_nano % 1_000_000 != 0 || end_time_unix_nano % 1_000_000 != 0 {
        return Err(format!("a time of {name} that is finer than a millisecond"));
    }
    if !events.is_empty() || !links.is_empty() {
        return Err(format!("an event or a link of {name}"));
    }
    if [*dropped_attributes_count, *dropped_events_count, *dropped_links_count] != [0; 3] {
        return Err(format!("something dropped of {name}"));
    }
    if status.as_ref().is_some_and(|status| !status.message.is_empty()) {
        return Err(format!("a message of {name}"));
    }
    attributes.iter().try_for_each(|pair| attribute(pair, false).map(drop))
}

/// All spans that have come, checked.
fn sent(collector: &Collector) -> Vec<Sent> {
    let read = |message: kobling_tests::collector::Message| {
        // What gRPC itself says, and the name and version of the exporter.
        for (name, _) in &message.metadata {
            let known = ["te", "content-type", "user-agent", "grpc-timeout"].contains(&name.as_str());
            assert!(known, "{:?}", message.metadata);
        }
        read(&message.request).unwrap_or_else(|found| panic!("{found} was sent"))
    };
    collector.messages().into_iter().flat_map(read).collect()
}

/// Spans of one trace.
fn of_trace(all: &[Sent], trace: &[u8]) -> Vec<Sent> {
    all.iter().filter(|sent| sent.span.trace_id == trace).cloned().collect()
}

fn roots<'a>(all: &'a [Sent], name: &'a str) -> impl Iterator<Item = &'a Sent> {
    all.iter().filter(move |sent| sent.span.name == name && sent.span.parent_span_id.is_empty())
}

/// Whatever a test world knows that nobody who watches may hear of.
fn secrets(world: &World) -> Vec<String> {
    let mut all = world.identities();
    for (owner, variable) in [("ssb", "KJOENN"), ("krg", "STED")] {
        all.extend(world.column(owner, variable));
        all.push(variable.to_owned());
    }
    all.extend(
        ["tabulate", "import", "Kari Nordmann", "A university", "no.ssb", "no.krg"].map(str::to_owned),
    );
    // A code of one digit is in every number.
    all.retain(|secret| secret.len() >= 4);
    all.sort();
    all.dedup();
    assert!(all.len() > 500, "the world has people");
    all
}

fn assert_silent(secrets: &[String], place: &str, said: &str) {
    for secret in secrets {
        assert!(!said.contains(secret.as_str()), "{place} says {secret}");
    }
}

#[test]
fn one_trace_goes_over_all_parties_and_nothing_but_the_lists_gets_out() {
    keep_log();
    let collector = Collector::start();
    let mut world = World::of(standard(Mix::of(74))).watched().collected_at(&collector.uri()).found();
    let secrets = secrets(&world);
    let identity = world.identities().swap_remove(0);
    // Somebody forgets himself: a span and an event under our own name, in the middle of it all.
    let leaky = tracing::error_span!(target: "kobling", "job", identity, rows = 4711);
    let entered = leaky.enter();
    tracing::error!(target: "kobling", identity, message = Line::NodeAnswers.as_str());
    tracing::error!(target: "kobling", "the person is {identity}");
    // A question that is answered, one that a rule refuses, and one that fails.
    let question = script(&world, TABLE);
    world.check(&question);
    let refused = script(&world, "import ssb/KJOENN as k\nkeep if k == '1' & k == '2'\ntabulate k");
    assert_eq!(world.run(&refused).state(), wire::JobState::Refused);
    let metrics_before = PARTIES.map(|party| world.metrics(party)).concat();
    let krg_page = world.metrics("krg");
    world.stop_node("krg");
    assert_eq!(world.run(&question).state(), wire::JobState::Failed);
    drop(entered);

    // The answered job's trace, once all of it has come.
    let whole = |trace: &[Sent]| {
        let ids: BTreeSet<_> = trace.iter().map(|sent| sent.span.span_id.clone()).collect();
        let has =
            |sent: &Sent| sent.span.parent_span_id.is_empty() || ids.contains(&sent.span.parent_span_id);
        trace.iter().all(has)
    };
    let told =
        [("ssb", "question.product"), ("krg", "question.compute"), ("fhi", "deal"), ("ssb", "peer.accept")];
    let complete = |trace: &Vec<Sent>| {
        let has =
            |(by, name): &(&str, &str)| trace.iter().any(|sent| sent.by == *by && sent.span.name == *name);
        trace.iter().any(|sent| sent.span.name == "question.combine") && told.iter().all(has) && whole(trace)
    };
    let find = || {
        let all = sent(&collector);
        let mut traces = roots(&all, "job").map(|root| of_trace(&all, &root.span.trace_id));
        traces.find(complete)
    };
    assert!(world.soon(|| find().is_some()), "{:?}", sent(&collector));
    let trace = find().expect("found a moment ago");
    assert_eq!(parties(&trace), BTreeSet::from(PARTIES.map(str::to_owned)));
    let by_id: BTreeMap<_, _> = trace.iter().map(|sent| (sent.span.span_id.clone(), sent)).collect();
    let below = |name: &str, by: &str| {
        let of = |sent: &&Sent| sent.span.name == name && sent.by == by;
        let found = trace.iter().find(of).unwrap_or_else(|| panic!("{by} has no {name}"));
        let parent = by_id[&found.span.parent_span_id];
        (parent.by.clone(), parent.span.name.clone())
    };
    let is = |by: &str, name: &str| (by.to_owned(), name.to_owned());
    assert_eq!(below("link", "broker"), is("broker", "question"));
    for node in ["ssb", "krg", "fhi"] {
        assert_eq!(below("link.tokens", node), is("broker", "link.tokens"));
        assert_eq!(below("link.align", node), is("broker", "link.align"));
    }
    assert_eq!(below("question.product", "ssb"), is("ssb", "question.compute"));
    assert_eq!(below("question.compute", "krg"), is("broker", "question.compute"));
    assert_eq!(below("deal", "fhi"), is("broker", "deal"));
    // From node to node the trace goes on over the link itself: krg dials ssb, since its name sorts first.
    assert_eq!(below("peer.accept", "ssb").1, "peer.link");
    assert!(["krg", "fhi"].contains(&below("peer.accept", "ssb").0.as_str()));
    // Row numbers are a multiple of 65 536, and told as a power of ten.
    let align = trace.iter().find(|sent| sent.span.name == "link.align").expect("linked");
    let size = align.span.attributes.iter().find(|pair| pair.key == "kobling.size_class");
    assert_eq!(text(size.expect("a size").value.as_ref()), Ok("10^4"));

    // The failed job's trace says that it failed, and not why.
    let failed = || {
        let all = sent(&collector);
        let failed = |root: &&Sent| root.span.status.as_ref().is_some_and(|status| status.code == 2);
        roots(&all, "job").any(|root| failed(&root))
    };
    assert!(world.soon(failed), "the failed job is not told of");

    // Nothing else got out, by any of the three ways.
    for message in collector.messages() {
        assert_silent(&secrets, "the collector", &String::from_utf8_lossy(&message.request.encode_to_vec()));
        assert_silent(&secrets, "a message's metadata", &format!("{:?}", message.metadata));
    }
    assert!(krg_page.contains("kobling_step_seconds"));
    assert_silent(&secrets, "a page", &metrics_before);
    let log = log();
    assert_silent(&secrets, "the log", &log);
    assert!(!log.contains("4711") && log.contains("asked in vain"), "{log}");
    for line in log.lines() {
        check_line(line).unwrap_or_else(|found| panic!("{found}: {line}"));
    }
}

fn parties(trace: &[Sent]) -> BTreeSet<String> {
    trace.iter().map(|sent| sent.by.clone()).collect()
}

/// Reads a line of the log: time, level, a sentence of the list, fields of the list.
fn check_line(line: &str) -> Result<(), String> {
    let rest = line.get(24..).ok_or("a line without a time")?.trim_start();
    let (level, rest) = rest.split_once(' ').ok_or("a line without a level")?;
    if !["ERROR", "WARN", "INFO", "DEBUG"].contains(&level) {
        return Err(format!("the level {level}"));
    }
    let sentence = Line::ALL.iter().map(|line| line.as_str()).filter(|sentence| rest.starts_with(sentence));
    let sentence = sentence.max_by_key(|sentence| sentence.len()).ok_or("another sentence")?;
    for field in rest[sentence.len()..].split_whitespace() {
        let (name, value) = field.split_once('=').ok_or_else(|| field.to_owned())?;
        let hexadecimal = |value: &str| value.len() == 32 && value.chars().all(|c| c.is_ascii_hexdigit());
        let valid = FIELDS.contains(&name)
            && match name {
                "session" | "job" => hexadecimal(value),
                "ms" => value.parse::<u64>().is_ok(),
                "step" => Step::ALL.iter().any(|step| step.as_str() == value),
                "code" => CODES.contains(&value),
                _ => value.len() <= 32 && value.chars().all(|c| c.is_ascii_lowercase() || c == '-'),
            };
        if !valid {
            return Err(format!("the field {field}"));
        }
    }
    Ok(())
}

#[test]
fn the_checks_themselves_find_whatever_leaks() {
    let pair = |key: &str, value: &str| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(Value::StringValue(value.to_owned())) }),
        key_strindex: 0,
    };
    let span = Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        flags: 0x101,
        name: "link.tokens".to_owned(),
        kind: SpanKind::Internal.into(),
        attributes: vec![pair("kobling.party", "krg")],
        ..Span::default()
    };
    let message = |span: Span, of: KeyValue, scope: &str| ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource {
                attributes: vec![pair("kobling.party", "ssb"), of],
                ..Resource::default()
            }),
            scope_spans: vec![ScopeSpans {
                scope: Some(InstrumentationScope {
                    name: scope.to_owned(),
                    ..InstrumentationScope::default()
                }),
                spans: vec![span],
                schema_url: String::new(),
            }],
            schema_url: String::new(),
        }],
    };
    let service = || pair("service.name", "kobling-node");
    assert_eq!(read(&message(span.clone(), service(), SCOPE)).expect("all on the lists").len(), 1);
    let leaks: [fn(&mut Span); 9] = [
        |span| span.name = "SELECT".into(),
        |span| span.attributes[0].key = "identity".into(),
        |span| span.attributes[0].value = Some(AnyValue { value: Some(Value::IntValue(12)) }),
        |span| {
            span.attributes[0].value =
                Some(AnyValue { value: Some(Value::StringValue("01819012345".into())) })
        },
        |span| span.events.push(Event { name: "rows".into(), ..Event::default() }),
        |span| span.links.push(Link::default()),
        |span| span.status = Some(Status { message: "no such value".into(), code: 2 }),
        |span| span.trace_state = "vendor=rows".into(),
        |span| span.start_time_unix_nano = 1,
    ];
    for (at, leak) in leaks.iter().enumerate() {
        let mut leaky = span.clone();
        leak(&mut leaky);
        assert!(read(&message(leaky, service(), SCOPE)).is_err(), "leak {at} is not found");
    }
    assert!(read(&message(span.clone(), pair("host.name", "tax-17"), SCOPE)).is_err());
    assert!(read(&message(span, service(), "h2")).is_err());
    let line = "2026-11-22T10:00:00.000Z  WARN asked in vain";
    assert_eq!(check_line(&format!("{line} party=krg step=offer ms=12 code=log")), Ok(()));
    for leak in
        ["identity=01819012345", "code=01819012345", "rows=12", "step=12", "party=01819012345", "and more"]
    {
        assert!(check_line(&format!("{line} {leak}")).is_err(), "{leak}");
    }
    assert!(check_line("2026-11-22T10:00:00.000Z  INFO read 12 rows").is_err());
}

#[test]
fn the_platform_cannot_choose_a_trace() {
    let collector = Collector::start();
    let world = World::of(standard(Mix::of(75))).collected_at(&collector.uri()).found();
    let session = world.new_session();
    let signed = world.sign(&world.request(&session, &script(&world, TABLE)));
    let request = wire::SubmitJobRequest { session, key: world.fresh_key(), signed: Some((&signed).into()) };
    let mut request = tonic::Request::new(request);
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    request.metadata_mut().insert("traceparent", parent.parse().expect("a header's value"));
    let mut client = JobServiceClient::new(world.platform());
    let job = world.wait(client.submit_job(request)).expect("submitted").into_inner().job.expect("a job");
    assert_eq!(world.follow(&job).state(), wire::JobState::Done);
    assert!(world.soon(|| roots(&sent(&collector), "job").count() == 1));
    let all = sent(&collector);
    assert!(!all.iter().any(|sent| sent.span.trace_id.starts_with(&[0x4b, 0xf9, 0x2f])));
}

#[test]
fn a_collector_that_is_away_or_silent_changes_nothing() {
    // Nobody listens here; and here somebody does who never says a word.
    let away = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    for address in [away, silent.local_addr().expect("bound")] {
        let world =
            World::of(standard(Mix::of(76))).watched().collected_at(&format!("http://{address}")).found();
        world.check(&script(&world, TABLE));
        let dropped = || {
            let page = samples(&world.metrics("ssb"));
            page.iter().any(|sample| sample.name == "kobling_spans_dropped_total" && sample.value > 0.0)
        };
        assert!(world.soon(dropped), "spans are given up");
        world.check(&script(&world, TABLE));
    }
}

#[test]
fn no_party_is_in_a_trace_unless_a_collector_is_named() {
    let world = World::of_two(77);
    world.check(&script(&world, TABLE));
    for node in ["ssb", "krg"] {
        assert_eq!(world.node(node).node.telemetry.step(Step::Deal).context(), None);
    }
}
