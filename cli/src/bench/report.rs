//! What a benchmark says, for people and for programs.

use std::fmt::Write;

use serde::Serialize;

use super::meter::Usage;
use crate::render::whole;

/// What a case cost.
#[derive(Serialize)]
pub struct Report {
    /// Its name.
    pub case: &'static str,
    /// People in the population register.
    pub people: u32,
    /// Those of them whom the second owner has.
    pub linked: u32,
    /// One after the other; `protection` is a part of `table`.
    pub stages: Vec<Stage>,
    /// From the opening of the session until the first table: all that a cold question costs.
    pub parties: Vec<Usage>,
    /// Bytes that nodes sent each other for the first table, after linkage, for each of the people.
    pub bytes_per_row: f64,
    /// Processor seconds of the same join and group-by by one engine, pooled and in clear; where that is measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pooled_clear_cpu_s: Option<f64>,
    /// All parties' processor seconds for those of the pooled engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio_to_pooled: Option<f64>,
    /// Of a case over one owner: what it is held against.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub single: Option<Single>,
}

/// A question over one owner, and the same by DataFusion on that owner's data files.
#[derive(Serialize)]
pub struct Single {
    /// Ways to ask, from cold to kept.
    pub runs: Vec<SingleRun>,
    /// Processor seconds of DataFusion in a process of its own, all of it, from its start to its first table.
    pub direct_cold_cpu_s: f64,
    /// The same, for the table once more in that process.
    pub direct_warm_cpu_s: f64,
}

/// One way to ask it.
#[derive(Serialize)]
pub struct SingleRun {
    /// Its name: also that of its stage.
    pub name: &'static str,
    /// Processor seconds of all parties.
    pub cpu_s: f64,
    /// Those of them that protection takes: from the first worker's protection of each question until what follows.
    pub protection_cpu_s: f64,
    /// The rest, for those of DataFusion: its first table for a cold question, the second for the others.
    pub ratio: f64,
}

/// A part of a case.
#[derive(Serialize)]
pub struct Stage {
    /// Its name.
    pub name: &'static str,
    /// Seconds on the clock.
    pub wall_s: f64,
    /// What it cost each party, where it is a part of the question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parties: Option<Vec<Usage>>,
}

impl Report {
    /// For people.
    pub fn text(&self) -> String {
        let mut out = format!("{}: {} people", self.case, whole(self.people.into()));
        match self.single {
            Some(_) => out.push_str(" at one owner\n\n"),
            None => {
                let linked = whole(self.linked.into());
                writeln!(out, ", {linked} of them at the second owner\n").expect("a string takes it");
            }
        }
        let mut line = |text: std::fmt::Arguments<'_>| {
            writeln!(out, "{text}").expect("writing to memory does not fail");
        };
        line(format_args!("{:<16}{:>9}   processor seconds, MB sent", "stage", "wall s"));
        for stage in &self.stages {
            let spent = stage.parties.iter().flatten().map(|party| {
                format!("{} {:.2}, {:.1}", party.name, party.cpu_s, party.sent_bytes as f64 / 1e6)
            });
            let spent: Vec<_> = spent.collect();
            line(format_args!("{:<16}{:>9.2}   {}", stage.name, stage.wall_s, spent.join("   ")));
        }
        line(format_args!(
            "\n{:<16}{:>9}{:>13}{:>13}{:>13}",
            "cold question", "CPU s", "peak MB", "sent MB", "received MB"
        ));
        for party in &self.parties {
            let [sent, received] = [party.sent_bytes, party.received_bytes].map(|bytes| bytes as f64 / 1e6);
            line(format_args!(
                "{:<16}{:>9.2}{:>13.1}{:>13.1}{:>13.1}",
                party.name, party.cpu_s, party.peak_rss_mb, sent, received
            ));
        }
        match &self.single {
            None => {
                line(format_args!(
                    "\nbetween nodes, after linkage: {:.1} bytes a person",
                    self.bytes_per_row
                ));
            }
            Some(single) => {
                line(format_args!("\n{:<16}{:>9}{:>13}{:>13}", "question", "CPU s", "protection", "ratio"));
                for run in &single.runs {
                    line(format_args!(
                        "{:<16}{:>9.2}{:>13.2}{:>13.2}",
                        run.name, run.cpu_s, run.protection_cpu_s, run.ratio
                    ));
                }
                line(format_args!(
                    "the same by DataFusion on the same files: {:.2} CPU s, then {:.2}; ratios are without protection",
                    single.direct_cold_cpu_s, single.direct_warm_cpu_s
                ));
            }
        }
        if let Some((clear, ratio)) = self.pooled_clear_cpu_s.zip(self.ratio_to_pooled) {
            line(format_args!(
                "the same join and group-by pooled in clear: {clear:.2} CPU s; ratio {ratio:.1}"
            ));
        }
        line(format_args!("all tables are what the reference says"));
        out
    }
}
