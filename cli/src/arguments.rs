//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use kobling_audit::select::{Ended, Filter, RuleFilter, VariableFilter};
use kobling_audit::summary::from_utc;
use kobling_model::unit::NotAUnitType;
use kobling_model::{Day, OwnerId, UnitType};
use kobling_synth::invent::PEOPLE_MAX;

use crate::command::audit::Format;

const EXITS: &str = "\
Exit codes: 0 done, 1 the script has errors (or a log does not fit), 2 a disclosure rule or an owner refused,
3 a party failed, 64 the command line or a file has to be written differently, 130 interrupted.

Set KOBLING_LOG (for instance KOBLING_LOG=info) for the log of a node or a broker on standard error.";

/// Statistics over registers of several owners, without anybody handing over a row.
#[derive(Debug, Parser)]
#[command(name = "kobling", version, after_help = EXITS)]
pub struct Arguments {
    /// Ends this process when the process of this id, its parent, ends.
    #[arg(long, hide = true, value_name = "PID")]
    pub end_with_parent: Option<u32>,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a federation of three owners and a broker on this machine, ask it a question, and check the records.
    ///
    /// Registers are of people who do not exist. Three nodes and a broker run as processes of their own, speak
    /// mutual TLS over loopback, and end with the demo.
    Demo(DemoArguments),
    /// Measure what a question costs, over real processes: time, memory and bytes of each party.
    ///
    /// Registers are of people who do not exist. The table is held against a plain reference, and the same join and
    /// group-by is done by one engine in clear. Figures mean something in a release build only.
    Bench(BenchArguments),
    /// The single-owner case by DataFusion alone, with what it cost this process: what `bench` compares with.
    #[command(hide = true)]
    BenchDirect(DirectArguments),
    /// Run a script and show its tables.
    Run(RunArguments),
    /// Type a script line by line, with completion and history, and keep its datasets.
    ///
    /// A line that makes or changes a dataset is checked and kept; a statistic is asked at once. What is wrong, refused or interrupted
    /// leaves the datasets as they were. Without a terminal, lines are read from standard input, and the exit code is 1 if one failed.
    Shell(ShellArguments),
    /// Check scripts without running them: names, types and dates against the catalogue, or with --syntax the text alone.
    Check(CheckArguments),
    /// Show what a script would ask, of whom, under which rules, and roughly what it costs, without running it.
    Explain(ExplainArguments),
    /// Look up what there is to ask about.
    Catalogue(CatalogueArguments),
    /// Check and read audit logs.
    Audit(AuditArguments),
    /// Write registers of people who do not exist, in the dataset format.
    Registers(RegistersArguments),
    /// Make believable datasets from metadata alone.
    ///
    /// For each NAME.json (or NAME/NAME.json) of a folder, NAME/NAME.csv and NAME/NAME.json in the dataset format: codes where
    /// they are valid, numbers in plausible ranges, units that fit each other. No real distribution is behind them,
    /// and nobody in them exists.
    Synth(SynthArguments),
    /// Make the key that a platform signs requests with, and show the line that belongs into the federation file.
    PlatformKey(PlatformKeyArguments),
    /// What an owner runs: keys, registers, the node itself.
    Node(kobling_node::cli::NodeArgs),
    /// What the centre runs.
    #[command(subcommand)]
    Broker(kobling_broker::cli::BrokerCommand),
}

#[derive(Debug, Args)]
pub struct DemoArguments {
    /// People in the population register, from 2000 to 6000000.
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(2_000..=6_000_000))]
    pub people: u32,
    /// Equal seeds make equal people.
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// Keep everything in this folder, which must not exist or be empty. Without it, nothing stays.
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// Stay up after the script, until interrupted.
    #[arg(long)]
    pub serve: bool,
    /// The script to run, in place of the one built in.
    #[arg(long, value_name = "FILE")]
    pub script: Option<PathBuf>,
    /// Write process ids and paths as JSON to this file once the demo serves.
    #[arg(long, value_name = "FILE", hide = true, requires = "serve")]
    pub ready_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct BenchArguments {
    /// What is asked.
    #[arg(long, value_enum, default_value_t = BenchCase::LinkedTable)]
    pub case: BenchCase,
    /// People in the population register, from 20000 to 6000000.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(20_000..=6_000_000))]
    pub people: u32,
    /// The part of them whom the other owner has too, from 0.01 to 1; not for a single owner.
    #[arg(long, value_name = "PART", default_value_t = 0.8, value_parser = overlap)]
    pub overlap: f64,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Keep everything in this folder, which must not exist or be empty. Without it, nothing stays.
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

/// What a benchmark asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BenchCase {
    /// Education (10) at one owner by cancer site (20) at another: count and mean wage.
    LinkedTable,
    /// Education (10) by cancer site (20) by doses (3), each at an owner of its own: count and mean wage.
    ThreeOwners,
    /// Months from diagnosis to death (61 classes), dates at two owners, by education (10) at a third.
    SurvivalTime,
    /// Education (10) by sex (2) by age group (4) of those with a wage, all at one owner; the same by DataFusion on the same files.
    SingleOwner,
    /// Education (10) and band of wages (5) by cancer site (20): a thousand cells, count and mean wage, for what protection takes.
    Protection,
}

/// Data files of a node, as the benchmark's own process is told them.
#[derive(Debug, Args)]
pub struct DirectArguments {
    /// Of sexes.
    #[arg(long, value_name = "FILE")]
    pub sex: PathBuf,
    /// Of years and months of birth.
    #[arg(long, value_name = "FILE")]
    pub birth: PathBuf,
    /// Of educations.
    #[arg(long, value_name = "FILE")]
    pub education: PathBuf,
    /// Of wages.
    #[arg(long, value_name = "FILE")]
    pub wages: PathBuf,
}

/// The language that people are spoken to in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Norwegian bokmål.
    Nb,
}

#[derive(Debug, Args)]
pub struct PlatformArguments {
    /// The platform's file: federation, certificate, keys, researcher, institution and purpose.
    #[arg(long, global = true, value_name = "FILE", default_value = "platform.toml")]
    pub platform: PathBuf,
}

#[derive(Debug, Args)]
pub struct PlatformKeyArguments {
    /// Where the key goes; `signing_key` of the platform's file names it. There must be no such file.
    pub file: PathBuf,
}

#[derive(Debug, Args)]
pub struct RunArguments {
    /// The script.
    pub file: PathBuf,
    #[command(flatten)]
    pub platform: PlatformArguments,
    /// What the answers are wanted for, in place of the purpose in the platform's file.
    #[arg(long, value_name = "TEXT")]
    pub purpose: Option<String>,
    /// Language of messages.
    #[arg(long, value_enum, default_value_t)]
    pub lang: Language,
    /// Print events, tables and problems as JSON, one a line.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ShellArguments {
    #[command(flatten)]
    pub platform: PlatformArguments,
    /// What the answers are wanted for, in place of the purpose in the platform's file.
    #[arg(long, value_name = "TEXT")]
    pub purpose: Option<String>,
    /// Language of messages.
    #[arg(long, value_enum, default_value_t)]
    pub lang: Language,
    /// Remember what is typed in this file, in place of kobling/history in the user's state folder. Nobody else can read it.
    #[arg(long, value_name = "FILE", conflicts_with = "no_history")]
    pub history: Option<PathBuf>,
    /// Remember nothing.
    #[arg(long)]
    pub no_history: bool,
}

/// Exit codes: 0 nothing is wrong; 1 a script has an error, or without `--syntax` asks for what is not available yet; 64 a file cannot be
/// read as a script, whatever is wrong with the others.
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// The scripts.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Check only what can be seen in the scripts themselves, asking nobody. What is not available yet is then no error.
    #[arg(long)]
    pub syntax: bool,
    /// The platform's file, for names, types and dates.
    #[arg(long, value_name = "FILE", required_unless_present = "syntax", conflicts_with = "syntax")]
    pub platform: Option<PathBuf>,
    /// Language of messages.
    #[arg(long, value_enum, default_value_t)]
    pub lang: Language,
    /// Print each diagnostic as JSON on a line of its own.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ExplainArguments {
    /// The script.
    pub file: PathBuf,
    #[command(flatten)]
    pub platform: PlatformArguments,
    /// Language of what is wrong with the script.
    #[arg(long, value_enum, default_value_t)]
    pub lang: Language,
    /// Print the plan as JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct CatalogueArguments {
    #[command(flatten)]
    pub platform: PlatformArguments,
    /// Print JSON.
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: CatalogueCommand,
}

#[derive(Debug, Subcommand)]
pub enum CatalogueCommand {
    /// All datastores, or the variables of one.
    List {
        /// A datastore, such as no.ssb.fdb.
        datastore: Option<String>,
    },
    /// Variables whose name, texts or code titles contain all words.
    Search {
        /// What to look for.
        #[arg(required = true)]
        words: Vec<String>,
    },
    /// One variable with its codes and dates.
    Show {
        /// The variable, as DATASTORE/NAME or DATASTORE:MAJOR/NAME.
        variable: String,
    },
}

#[derive(Debug, Args)]
pub struct AuditArguments {
    #[command(subcommand)]
    pub command: AuditCommand,
}

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Check logs: the tree, its signature, every record, and that what other parties have cosigned is this log.
    Verify {
        /// The folders of logs; or one folder with a federation.toml and a folder for each party.
        #[arg(required = true)]
        logs: Vec<PathBuf>,
        /// The federation file, whose keys the logs must be signed by.
        #[arg(long, value_name = "FILE")]
        federation: Option<PathBuf>,
        /// A checkpoint that was kept earlier, which its party's log must continue. May be given many times.
        #[arg(long, value_name = "CHECKPOINT")]
        noted: Vec<PathBuf>,
        #[command(flatten)]
        keys: KeyArguments,
        /// Print logs as JSON, one a line.
        #[arg(long)]
        json: bool,
    },
    /// List questions, one a line: when, by whom, of whose data and which variables, and how each ended.
    List {
        /// The folders of logs; or one folder with a federation.toml and a folder for each party.
        #[arg(required = true)]
        logs: Vec<PathBuf>,
        #[command(flatten)]
        filter: FilterArguments,
        #[command(flatten)]
        keys: KeyArguments,
        /// Print questions as JSON, one a line.
        #[arg(long)]
        json: bool,
    },
    /// Tell what was used of each owner in each month, by institution: how often, for what, and why questions were refused.
    Report {
        /// The log. The broker's tells of all owners.
        log: PathBuf,
        #[command(flatten)]
        filter: FilterArguments,
        #[command(flatten)]
        keys: KeyArguments,
        /// Print JSON, a line for each month, owner and institution.
        #[arg(long)]
        json: bool,
    },
    /// Show all that a log tells: what its operator did, requests that were not taken, and every question in full.
    ///
    /// With a filter other than of time, the questions that fit it.
    Show {
        /// The log.
        log: PathBuf,
        #[command(flatten)]
        filter: FilterArguments,
        #[command(flatten)]
        keys: KeyArguments,
        /// Print entries as JSON, one a line.
        #[arg(long)]
        json: bool,
    },
    /// Lay logs of several parties side by side and name what does not fit.
    Reconcile {
        /// Which party is the broker, where no federation.toml says it.
        #[arg(long, value_name = "NAME", value_parser = party)]
        broker: Option<OwnerId>,
        /// Logs, each as PATH or PARTY=PATH; or one folder with a federation.toml and a folder for each party.
        #[arg(required = true)]
        logs: Vec<String>,
        #[command(flatten)]
        keys: KeyArguments,
        /// Print findings as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write what logs tell in a form for other programs: every entry as JSON, one a line, or questions as a table (CSV).
    Export {
        /// The folders of logs; or one folder with a federation.toml and a folder for each party.
        #[arg(required = true)]
        logs: Vec<PathBuf>,
        #[command(flatten)]
        filter: FilterArguments,
        #[command(flatten)]
        keys: KeyArguments,
        /// In which form.
        #[arg(long, value_enum)]
        format: Format,
        /// The file to write, which must not be there; standard output where none is given.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Make an auditor's key. The public part, which is printed, goes into the parties' settings (`auditors`); the file opens the records that they write from
    /// then on.
    Key {
        /// The file to write, which must not be there.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// With what sealed records are opened.
#[derive(Debug, Args)]
pub struct KeyArguments {
    /// A file with an auditor's key, which opens sealed records. May be given many times. The file auditor.key in a folder of all logs need not be given.
    #[arg(long = "key", value_name = "FILE")]
    pub keys: Vec<PathBuf>,
}

/// Which questions. All that is given must hold.
#[derive(Debug, Args)]
pub struct FilterArguments {
    /// Opened at this time or later, in UTC: YYYY-MM-DD, or "YYYY-MM-DD hh:mm:ss".
    #[arg(long, value_name = "TIME", value_parser = time_ms)]
    pub since: Option<u64>,
    /// Opened before this time.
    #[arg(long, value_name = "TIME", value_parser = time_ms)]
    pub before: Option<u64>,
    /// Asked by this researcher, as the platform names people.
    #[arg(long, value_name = "NAME")]
    pub researcher: Option<String>,
    /// Asked by somebody of this institution.
    #[arg(long, value_name = "NAME")]
    pub institution: Option<String>,
    /// Asked for this purpose.
    #[arg(long, value_name = "TEXT")]
    pub purpose: Option<String>,
    /// Asked of this owner's data.
    #[arg(long, value_name = "NAME", value_parser = party)]
    pub owner: Option<OwnerId>,
    /// Asked of this variable: NAME or DATASTORE/NAME.
    #[arg(long, value_name = "VARIABLE")]
    pub variable: Option<VariableFilter>,
    /// Ended by this rule, by its code: population-floor, small-cells, splits-spent or edit-not-carried-out.
    #[arg(long, value_name = "CODE")]
    pub rule: Option<RuleFilter>,
    /// Ended so: released, passed, not-carried-out, shared, refused, failed or not-recorded.
    #[arg(long, value_name = "ENDING")]
    pub outcome: Option<Ended>,
}

impl From<FilterArguments> for Filter {
    fn from(given: FilterArguments) -> Self {
        Self {
            since_ms: given.since,
            before_ms: given.before,
            researcher: given.researcher,
            institution: given.institution,
            purpose: given.purpose,
            owner: given.owner,
            variable: given.variable,
            rule: given.rule,
            ended: given.outcome,
        }
    }
}

#[derive(Debug, Args)]
pub struct RegistersArguments {
    /// People in the population register.
    #[arg(long, value_name = "N")]
    pub people: u32,
    /// Equal seeds make equal people.
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// Where to write: one folder for each owner.
    pub folder: PathBuf,
}

#[derive(Debug, Args)]
pub struct SynthArguments {
    /// The folder of metadata files.
    #[arg(value_name = "METADATA_DIR")]
    pub metadata: PathBuf,
    /// Where to write: one folder for each dataset.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// People, from 1 to 10000000. Other units are in proportion.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(PEOPLE_MAX)))]
    pub people: u32,
    /// Equal seeds make equal data.
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// So many units of a type, in place of the usual number; may be given several times.
    #[arg(long, value_name = "TYPE=N", value_parser = units)]
    pub units: Vec<(UnitType, u32)>,
    /// First day of the period that the data is about.
    #[arg(long, value_name = "DAY", default_value = "2010-01-01")]
    pub from: Day,
    /// Last day of it.
    #[arg(long, value_name = "DAY", default_value = "2023-12-31")]
    pub to: Day,
    /// What is known of values: a TOML or JSON file with low, high, mean and missing for variables.
    #[arg(long, value_name = "FILE")]
    pub ranges: Option<PathBuf>,
    /// Replace datasets that are there already.
    #[arg(long)]
    pub overwrite: bool,
    /// Print what was made, or what is wrong, as JSON.
    #[arg(long)]
    pub json: bool,
}

fn units(text: &str) -> Result<(UnitType, u32), String> {
    let (unit_type, count) = text.split_once('=').ok_or("expected TYPE=N, such as JOBB=5000")?;
    let unit_type = unit_type.parse().map_err(|error: NotAUnitType| error.to_string())?;
    let count = count.parse().map_err(|_| "expected a whole number after the =".to_owned())?;
    Ok((unit_type, count))
}

fn overlap(text: &str) -> Result<f64, String> {
    let part: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.01..=1.0).contains(&part) { Ok(part) } else { Err("not between 0.01 and 1".to_owned()) }
}

fn time_ms(text: &str) -> Result<u64, &'static str> {
    from_utc(text).ok_or("a time is YYYY-MM-DD or \"YYYY-MM-DD hh:mm:ss\", in UTC, from 1970 on")
}

fn party(text: &str) -> Result<OwnerId, String> {
    OwnerId::new(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
