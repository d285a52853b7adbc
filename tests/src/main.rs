//! The attack suite as a command: what is tried, how often it succeeds with its interval, the bound it must keep; and ordinary
//! questions: how far what is shown lies from the truth, and how many are refused.
//!
//! Exit codes: 0 every bound holds that is not open, 1 one is broken, 64 the command line has to be written differently, 130 interrupted.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use clap::{Parser, Subcommand};
use kobling_tests::attack::{ATTACKS, Attack, Bound, Finding, Lab, Rate, Size, Verdict};
use kobling_tests::honest;
use serde_json::json;

const USAGE: u8 = 64;
const INTERRUPTED: u8 = 130;

#[derive(Debug, Parser)]
#[command(name = "kobling-tests", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Attack the whole system and print each attack's success rate, its 95 % interval, and the bound that it must keep.
    ///
    /// Exit codes: 0 every bound holds that is not open, 1 one is broken, 64 the command line is wrong, 130 interrupted.
    Attacks {
        /// As many trials as are published, in place of as many as run with every change.
        #[arg(long)]
        full: bool,
        /// One JSON document on standard output.
        #[arg(long)]
        json: bool,
        /// Only the attacks of these numbers, such as 5,14c.
        #[arg(long, value_delimiter = ',', value_name = "NUMBERS", value_parser = number)]
        only: Vec<&'static Attack>,
        /// Say which attacks there are, and try none.
        #[arg(long)]
        list: bool,
        /// Decides what the attacker tries.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Ask sixty ordinary questions and print how far each answer lies from the truth, and which are refused.
    ///
    /// Exit codes: 0 at most 5 % are refused, 1 more are, 64 the command line is wrong, 130 interrupted.
    Honest {
        /// People in the registers.
        #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1000..=1_000_000))]
        people: u32,
        /// Decides who the people are.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// One JSON document on standard output.
        #[arg(long)]
        json: bool,
        /// Of the questions that measure groups, and of these alone, also what each step of the blur adds.
        #[arg(long, conflicts_with = "json")]
        groups: bool,
    },
}

fn number(text: &str) -> Result<&'static Attack, String> {
    let numbers = || ATTACKS.iter().map(|attack| attack.number).collect::<Vec<_>>().join(", ");
    Attack::numbered(text.trim())
        .ok_or_else(|| format!("there is no attack {text:?}; there are {}", numbers()))
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are errors to the parser, but not to people.
            let exit = if error.use_stderr() { USAGE } else { 0 };
            let _ = error.print();
            return exit.into();
        }
    };
    match arguments.command {
        Command::Attacks { full, json, only, list, seed } => attacks(full, json, &only, list, seed),
        Command::Honest { people, seed, json, groups } => ordinary(people, seed, json, groups),
    }
}

/// A flag that Ctrl-C sets.
fn stopping() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    if let Err(error) = stop_at_interrupt(stop.clone()) {
        eprintln!("kobling-tests: cannot listen for Ctrl-C: {error}");
    }
    stop
}

/// Asks the ordinary questions.
fn ordinary(people: u32, seed: u64, json: bool, groups: bool) -> ExitCode {
    let stop = stopping();
    let begun = Instant::now();
    let federation = honest::Federation::of(people, seed);
    let mut answers = Vec::new();
    for (at, question) in honest::questions().into_iter().enumerate() {
        if stop.load(Ordering::Relaxed) {
            eprintln!("interrupted");
            return INTERRUPTED.into();
        }
        if groups && !question.measures_groups() {
            continue;
        }
        let answer = federation.ask(question);
        if !json {
            println!("{}", honest::line(at + 1, &answer));
        }
        if groups {
            federation.steps(question).iter().for_each(|step| println!("{}", honest::step(step)));
        }
        answers.push(answer);
    }
    match json {
        true => println!("{:#}", honest::document(&answers, people, seed)),
        false => println!("\n{}; {} s", honest::summary(&answers), begun.elapsed().as_secs()),
    }
    let refused = answers.iter().filter(|answer| answer.refused.is_some()).count();
    if 100 * refused <= honest::REFUSED_PERCENT_MAX * answers.len() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Tries the attacks.
fn attacks(full: bool, json: bool, only: &[&'static Attack], list: bool, seed: u64) -> ExitCode {
    if list {
        ATTACKS.iter().for_each(|attack| println!("{:<4} {}", attack.number, attack.name));
        return ExitCode::SUCCESS;
    }
    let stop = stopping();
    let size = if full { Size::Full } else { Size::Small };
    let lab = Lab::new(size, seed, stop);
    let chosen =
        ATTACKS.iter().filter(|attack| only.is_empty() || only.iter().any(|of| of.number == attack.number));
    let mut findings = Vec::new();
    let begun = Instant::now();
    for attack in chosen {
        let found = attack.run(&lab);
        if lab.is_stopped() {
            // What was cut short says nothing.
            break;
        }
        if !json {
            found.iter().for_each(|finding| println!("{}", line(finding)));
        }
        findings.extend(found);
    }
    let broken = findings.iter().filter(|finding| finding.verdict == Verdict::Broken).count();
    match json {
        true => println!("{}", document(&findings, full, seed)),
        false => summary(&findings, begun.elapsed().as_secs()),
    }
    match (lab.is_stopped(), broken) {
        (true, _) => {
            eprintln!("interrupted");
            INTERRUPTED.into()
        }
        (false, 0) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Sets `stop` at the first Ctrl-C, so that worlds end in order and leave no files; the second ends the process.
fn stop_at_interrupt(stop: Arc<AtomicBool>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            while tokio::signal::ctrl_c().await.is_ok() {
                if stop.swap(true, Ordering::Relaxed) {
                    std::process::exit(INTERRUPTED.into());
                }
                eprintln!("ending after the step that runs; again to end at once");
            }
        });
    });
    Ok(())
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn rate(rate: Option<Rate>) -> String {
    match rate {
        None => "not measured".to_owned(),
        Some(Rate::Exact(share)) => format!("{} exact", percent(share)),
        Some(rate @ Rate::Counted { right, trials }) => {
            let (low, high) = rate.interval();
            format!("{} [{:.1}, {:.1}] {right}/{trials}", percent(rate.share()), 100.0 * low, 100.0 * high)
        }
    }
}

fn bound(bound: Bound) -> String {
    match bound {
        Bound::Never => "never".to_owned(),
        Bound::AtMost(share) => format!("at most {}", percent(share)),
        Bound::Shown => "-".to_owned(),
    }
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Kept => "kept",
        Verdict::Broken => "BROKEN",
        Verdict::Open => "open",
        Verdict::Shown => "-",
    }
}

fn line(finding: &Finding) -> String {
    let Finding { number, name, measure, .. } = finding;
    let what = format!("{name}: {}", measure.what);
    let mut line = format!(
        "{number:<4} {what:<78} {:<34} {:<16} {}",
        rate(measure.rate),
        bound(measure.bound),
        verdict(finding.verdict)
    );
    if !measure.note.is_empty() {
        line.push_str(&format!("  ({})", measure.note));
    }
    line
}

fn summary(findings: &[Finding], seconds: u64) {
    let of = |verdict| findings.iter().filter(move |finding| finding.verdict == verdict);
    let open: Vec<_> = of(Verdict::Open).collect();
    if !open.is_empty() {
        println!("\nOpen: these bounds are not kept, or not measured, until what they need is built");
        for finding in open {
            let needs = finding.needs.unwrap_or_default();
            println!("{:<4} {}: {} needs {needs}", finding.number, finding.name, finding.measure.what);
        }
    }
    let [kept, open, broken] =
        [Verdict::Kept, Verdict::Open, Verdict::Broken].map(|verdict| of(verdict).count());
    println!("\n{kept} kept, {open} open, {broken} broken; {seconds} s");
}

fn document(findings: &[Finding], full: bool, seed: u64) -> String {
    let measures: Vec<_> = findings.iter().map(measure).collect();
    let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    let document = json!({
        "size": if full { "full" } else { "small" },
        "seed": seed,
        "kept": count(Verdict::Kept),
        "open": count(Verdict::Open),
        "broken": count(Verdict::Broken),
        "measures": measures,
    });
    format!("{document:#}")
}

fn measure(finding: &Finding) -> serde_json::Value {
    let measure = &finding.measure;
    let (right, trials) = match measure.rate {
        Some(Rate::Counted { right, trials }) => (Some(right), Some(trials)),
        _ => (None, None),
    };
    let interval = measure.rate.map(Rate::interval);
    json!({
        "attack": finding.number,
        "name": finding.name,
        "what": measure.what,
        "right": right,
        "trials": trials,
        "rate": measure.rate.map(Rate::share),
        "interval_95": interval.map(|(low, high)| [low, high]),
        "bound": measure.bound.share(),
        "verdict": finding.verdict,
        "needs": finding.needs,
        "note": measure.note,
    })
}
