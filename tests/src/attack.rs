//! The attack suite: what is tried against the whole system, how often it succeeds, and the bound that it must keep.
//!
//! The numbers are those of the project's catalogue of attacks; `docs/ATTACKS.md` has the table of what came out, and
//! `docs/THREAT_MODEL.md` says what answers each. `cargo run --release -p kobling-tests -- attacks` runs all of them, and the test
//! `attacks` each at its small size: one story, not two.
//!
//! An attacker knows everything but the keys. Where a message, a byte or a process matters, the attack is made on a
//! [`World`]: real broker and nodes. Where a rate needs thousands of trials it is made on the protection in clear
//! ([`crate::reference`]) under fresh keys, and [`reference`](mod@reference) shows in the same run that the two give the same tables, byte for byte.
//!
//! | file | attacks |
//! | --- | --- |
//! | `reference` | 0: system and reference are one |
//! | `repeats` | 1, 2, 3: more samples of one noise |
//! | `averages` | 4, 4a, 11, 14: many splits, samples and subsets |
//! | `differences` | 5, 6, 14c: sets that differ by one person |
//! | `oracles` | 7: answers of the rules |
//! | `values` | 8: the tail of a variable |
//! | `language` | 9, 10: what can be written |
//! | `faults` | 12: errors for one person |
//! | `times` | 12: how long it takes |
//! | `dominance` | 13 |
//! | `indicators` | 14a, 14b: sums that a researcher made |
//! | `outside` | 14d, 16: what sizes and stages say |
//! | `salts` | 15: the broker's disk |
//! | `roster` | 17, 18, 20, 20d: a broker that changes what is asked |
//! | `partials` | 19, 25 |
//! | `operators` | 20a |
//! | `masks` | 20b, 20c |
//! | `alignment` | 21 |
//! | `certificates` | 22 |
//! | `bytes` | 23, 24, 26, 27: bytes that nobody chose |
//! | `rate`, `lab`, `clear` | shares and bounds; what attacks are made with |

mod alignment;
mod averages;
mod bytes;
mod certificates;
mod clear;
mod differences;
mod dominance;
mod faults;
mod indicators;
mod lab;
mod language;
mod masks;
mod operators;
mod oracles;
mod outside;
mod partials;
mod rate;
mod reference;
mod repeats;
mod roster;
mod salts;
mod times;
mod values;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use clear::{Protection, Rule};
pub use differences::{NARROW, Narrow, by_an_edit, by_two_counts, one_count};
pub use dominance::lone_earner;
pub use lab::{Lab, Size};
pub use rate::{Bound, Rate, TRIALS_MIN, Verdict};
pub use values::outlier;

use self::lab::message_of;

/// An attack of the catalogue.
#[derive(Debug)]
pub struct Attack {
    /// Its number there; 0 is not an attack but what the others rest on.
    pub number: &'static str,
    /// What is tried, in a few words.
    pub name: &'static str,
    /// Tries it.
    run: fn(&Lab) -> Vec<Measure>,
}

/// One figure of an attack.
#[derive(Clone, Debug)]
pub struct Measure {
    /// Which way of trying it.
    pub what: String,
    /// How often the attacker was right; none where what is attacked does not exist yet.
    pub rate: Option<Rate>,
    /// What it must keep, and from where the bound comes.
    pub bound: Bound,
    /// What more there is to say.
    pub note: String,
}

impl Measure {
    fn new(what: impl Into<String>, rate: Rate, bound: Bound) -> Self {
        Self { what: what.into(), rate: Some(rate), bound, note: String::new() }
    }

    fn shown(what: impl Into<String>, rate: Rate) -> Self {
        Self::new(what, rate, Bound::Shown)
    }

    fn missing(what: impl Into<String>, bound: Bound) -> Self {
        Self { what: what.into(), rate: None, bound, note: String::new() }
    }

    fn noted(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }
}

/// A bound that cannot be kept yet, and what it waits for.
pub struct Open {
    /// The attack's number.
    pub attack: &'static str,
    /// The figure.
    pub what: &'static str,
    /// The rule or mechanism that is missing.
    pub needs: &'static str,
}

/// Everything that is open. A rule that is built takes its lines from here; what is then beyond its bound is broken.
pub const OPEN: &[Open] = &[
    Open {
        attack: "4",
        what: "the person, by 10 splits of both populations",
        needs: "rule 14 (budget of splits)",
    },
    Open { attack: "4a", what: "exact count, 25 seeds", needs: "rule 14 (a sample counts as a split)" },
    Open {
        attack: "5",
        what: "two counts of fewer, without an edit",
        needs: "rule 14 (rule 13 compares no sets below the population floor)",
    },
    Open { attack: "6", what: "general tracker", needs: "rule 14 (the sets are below the population floor)" },
    Open { attack: "6", what: "double tracker", needs: "rule 14 (the sets are below the population floor)" },
    Open { attack: "9", what: "models", needs: "rule 9 (models), and models" },
    Open { attack: "11", what: "800 subsets", needs: "rule 14" },
    Open {
        attack: "14",
        what: "the person, 10 splits at each of two institutions",
        needs: "rule 14 (one budget for all)",
    },
    Open { attack: "14b", what: "exact count, 25 columns", needs: "rule 14 (a column counts as a split)" },
    Open { attack: "14c", what: "behind the other owner's filter", needs: "rule 14" },
    Open { attack: "16", what: "1 inserted, two tables", needs: "rule 14 (a version against the next)" },
    Open { attack: "25", what: "2^40 in a one-hot column", needs: "detection of a party that deviates" },
];

/// All attacks, in the order of the catalogue.
pub const ATTACKS: &[Attack] = &[
    Attack { number: "0", name: "system and reference give the same bytes", run: reference::run },
    Attack { number: "1", name: "the same question again and again", run: repeats::again },
    Attack { number: "2", name: "the same people in other words", run: repeats::other_words },
    Attack { number: "3", name: "conditions that always hold", run: repeats::always_true },
    Attack { number: "4", name: "averages over splits", run: averages::splits },
    Attack { number: "4a", name: "averages over seeds of sample", run: averages::samples },
    Attack { number: "5", name: "populations that differ by one person", run: differences::run },
    Attack { number: "6", name: "trackers", run: differences::trackers },
    Attack { number: "7", name: "answers of the rules", run: oracles::run },
    Attack { number: "8", name: "a walk up the tail", run: values::run },
    Attack { number: "9", name: "models that single somebody out", run: language::models },
    Attack { number: "10", name: "vectors of rows", run: language::row_vectors },
    Attack { number: "11", name: "reconstruction from subsets", run: averages::subsets },
    Attack { number: "12", name: "faults and times for one person", run: faults::run },
    Attack { number: "13", name: "dominance split over owners", run: dominance::run },
    Attack { number: "14", name: "two accounts", run: averages::two_accounts },
    Attack { number: "14a", name: "sums of indicators", run: indicators::one_sum },
    Attack { number: "14b", name: "many columns over one cell", run: indicators::many_columns },
    Attack {
        number: "14c",
        name: "a difference behind the other owner's filter",
        run: differences::behind_a_filter,
    },
    Attack { number: "14d", name: "progress, blocks and n", run: outside::sessions },
    Attack { number: "15", name: "identity numbers against the broker's disk", run: salts::run },
    Attack { number: "16", name: "an owner inserts people", run: outside::insertions },
    Attack { number: "17", name: "a signed question is changed", run: roster::changed },
    Attack { number: "18", name: "a signed question again", run: roster::replayed },
    Attack { number: "19", name: "old and mixed partial aggregates", run: partials::old },
    Attack { number: "20", name: "nodes asked for different populations", run: roster::different },
    Attack { number: "20a", name: "an operator with its own secrets", run: operators::run },
    Attack { number: "20b", name: "the broker as dealer", run: masks::dealer },
    Attack { number: "20c", name: "a try that is repeated", run: masks::repeated },
    Attack { number: "20d", name: "an invented node", run: roster::invented },
    Attack { number: "21", name: "salt or canonical form differs", run: alignment::run },
    Attack { number: "22", name: "certificates", run: certificates::run },
    Attack { number: "23", name: "malformed bodies", run: bytes::bodies },
    Attack { number: "24", name: "bombs, floods and resets", run: bytes::floods },
    Attack { number: "25", name: "malicious numbers in partial aggregates", run: partials::malicious },
    Attack { number: "26", name: "names with control characters and paths", run: bytes::names },
    Attack { number: "27", name: "damaged files", run: bytes::files },
];

/// A figure with its verdict.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The attack's number.
    pub number: &'static str,
    /// The attack's name.
    pub name: &'static str,
    /// The figure.
    pub measure: Measure,
    /// What became of its bound.
    pub verdict: Verdict,
    /// What it waits for, where it is open.
    pub needs: Option<&'static str>,
}

impl Attack {
    /// The attack of this number.
    pub fn numbered(number: &str) -> Option<&'static Self> {
        ATTACKS.iter().find(|attack| attack.number == number)
    }

    /// Tries it. What goes wrong with the attack itself is no proof of anything and counts as broken.
    pub fn run(&self, lab: &Lab) -> Vec<Finding> {
        let measures = catch_unwind(AssertUnwindSafe(|| (self.run)(lab))).unwrap_or_else(|panic| {
            let failed =
                Measure::new("the attack itself", Rate::Counted { right: 1, trials: 1 }, Bound::Never);
            vec![failed.noted(message_of(&*panic))]
        });
        measures.into_iter().map(|measure| self.judged(measure)).collect()
    }

    fn judged(&self, measure: Measure) -> Finding {
        let open = OPEN.iter().find(|open| open.attack == self.number && open.what == measure.what);
        let verdict = match (measure.rate, open) {
            (_, Some(_)) => Verdict::Open,
            (Some(_), None) if measure.bound == Bound::Shown => Verdict::Shown,
            (Some(rate), None) if !measure.bound.is_broken_by(rate) => Verdict::Kept,
            _ => Verdict::Broken,
        };
        let needs = open.map(|open| open.needs);
        Finding { number: self.number, name: self.name, measure, verdict, needs }
    }
}
