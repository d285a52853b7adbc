//! Small registers of invented people, in the dataset format.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use kobling_model::Day;
use kobling_model::identity::{Identity, is_canary, with_control_digits};
use kobling_model::unit::UnitType;
use serde_json::{Value, json};

use crate::dice::Dice;

/// An owner with its registers.
#[derive(Clone, Debug)]
pub struct Owner {
    /// Its name in the roster.
    pub id: &'static str,
    /// Its datastore.
    pub datastore: &'static str,
    /// Its variables, all about persons.
    pub datasets: Vec<Dataset>,
}

/// A register variable with its rows.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Its name.
    pub name: &'static str,
    /// FIXED, STATUS, ACCUMULATED or EVENT.
    pub temporality: &'static str,
    /// STRING, LONG, DOUBLE or DATE.
    pub data_type: &'static str,
    /// Codes as they stand in the data; none: anything of the type.
    pub codes: &'static [&'static str],
    /// Codes for "unknown" and the like.
    pub sentinels: &'static [&'static str],
    /// Rows: identity, value, start, stop.
    pub rows: Vec<[String; 4]>,
}

impl Owner {
    /// Writes all datasets as folders in `folder`.
    pub fn write(&self, folder: &Path) {
        for dataset in &self.datasets {
            let at = folder.join(dataset.name);
            fs::create_dir_all(&at).expect("a folder");
            let json = serde_json::to_string_pretty(&dataset.metadata()).expect("JSON");
            fs::write(at.join(format!("{}.json", dataset.name)), json).expect("written");
            let mut csv = String::new();
            for [identity, value, start, stop] in &dataset.rows {
                writeln!(csv, "{identity};{value};{start};{stop};").expect("memory");
            }
            fs::write(at.join(format!("{}.csv", dataset.name)), csv).expect("written");
        }
    }

    /// The dataset of this name.
    pub fn dataset(&mut self, name: &str) -> &mut Dataset {
        self.datasets.iter_mut().find(|dataset| dataset.name == name).expect("the owner has it")
    }
}

impl Dataset {
    fn metadata(&self) -> Value {
        let text = |value: &str| json!([{"languageCode": "nb", "value": value}]);
        let code = |code: &&str| match self.data_type {
            "LONG" => json!(code.parse::<i64>().expect("a whole number")),
            _ => json!(code),
        };
        let domain = if self.codes.is_empty() {
            json!({"description": text("Anything")})
        } else {
            let item = |of: &&str| json!({"code": code(of), "categoryTitle": text(&format!("Title of {of}")), "validFrom": "1900-01-01"});
            let sentinel = |of: &&str| json!({"code": code(of), "categoryTitle": text("Unknown")});
            let mut domain = json!({"codeList": self.codes.iter().map(item).collect::<Vec<_>>()});
            if !self.sentinels.is_empty() {
                domain["sentinelAndMissingValues"] = self.sentinels.iter().map(sentinel).collect();
            }
            domain
        };
        json!({
            "temporalityType": self.temporality,
            "sensitivityLevel": "PERSON_GENERAL",
            "populationDescription": text("Invented people"),
            "subjectFields": [text("Invention")],
            "dataRevision": {"description": text("First")},
            "identifierVariables": [{"unitType": "PERSON"}],
            "measureVariables": [{
                "name": text(self.name),
                "description": text(self.name),
                "dataType": self.data_type,
                "valueDomain": domain,
            }],
        })
    }
}

/// Identity numbers of test people (month + 80), all different, in an order that `seed` decides.
pub fn people(seed: u64, count: usize) -> Vec<String> {
    let mut dice = Dice::seeded(seed ^ 0x7065_6f70_6c65);
    let mut people = std::collections::BTreeSet::new();
    let mut in_order = Vec::new();
    while in_order.len() < count {
        let [day, month, year] = [1 + dice.below(28), 81 + dice.below(12), dice.below(100)];
        let individual = dice.below(1000);
        let digits = [
            day / 10,
            day % 10,
            month / 10,
            month % 10,
            year / 10,
            year % 10,
            individual / 100,
            individual / 10 % 10,
            individual % 10,
        ];
        let Some(number) = with_control_digits(digits.map(|digit| digit as u32)) else { continue };
        let identity = Identity::parse(UnitType::Person, &number).expect("control digits fit");
        if !is_canary(&identity) && people.insert(number.clone()) {
            in_order.push(number);
        }
    }
    in_order
}

/// How the standard registers come out.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    /// Decides every value.
    pub seed: u64,
    /// People whom the first owner has.
    pub people: usize,
    /// Of a hundred of them, how many the second owner has too. The third has others, drawn the same way.
    pub overlap: usize,
    /// People whom only the second owner has.
    pub strangers: usize,
    /// Of a hundred values, how many are missing.
    pub missing: usize,
}

impl Mix {
    /// A middling mix.
    pub fn of(seed: u64) -> Self {
        Self { seed, people: 7200, overlap: 60, strangers: 200, missing: 10 }
    }
}

const NO_CODES: &[&str] = &[];

/// Three owners in roster order, with one variable of each kind.
pub fn standard(mix: Mix) -> Vec<Owner> {
    let Mix { seed, people: count, overlap, strangers, missing } = mix;
    let mut dice = Dice::seeded(seed);
    let everybody = people(seed, count + strangers);
    let (first, others) = everybody.split_at(count);
    let mut shared = |percent: usize| -> Vec<String> {
        first.iter().filter(|_| dice.percent(percent)).chain(others).cloned().collect()
    };
    let (second, third) = (shared(overlap), shared(overlap));
    let mut draw = Draw { dice, missing };
    let ssb = vec![
        draw.fixed("KJOENN", "STRING", &["1", "2"], first, 0, |dice| dice.one(&["1", "1", "2"]).to_string()),
        draw.status("BOSTED", &["A", "B", "C", "D"], first),
        draw.event("SIVSTAND", &["1", "2", "3"], &["9"], first),
        draw.accumulated("LONN", first),
        draw.fixed("FODT", "DATE", NO_CODES, first, missing, |dice| {
            Day::from_days(-10_000 + dice.below(20_000) as i32).expect("a day").to_string()
        }),
        draw.groups_of_three("SJELDEN", first),
    ];
    let krg = vec![
        draw.fixed("STED", "STRING", &["C18", "C34", "C50"], &second, 0, |dice| {
            dice.one(&["C18", "C34", "C34", "C50", "C50", "C50"]).to_string()
        }),
        draw.fixed("STADIUM", "LONG", &["1", "2", "3", "4"], &second, missing, |dice| {
            (1 + dice.below(4)).to_string()
        }),
        draw.fixed("DIAGNOSE", "DATE", NO_CODES, &second, missing, |dice| {
            Day::from_days(15_000 + dice.below(3000) as i32).expect("a day").to_string()
        }),
    ];
    let fhi = vec![
        draw.event("DOSER", &["1", "2", "3"], &[], &third),
        draw.fixed("VEKT", "DOUBLE", NO_CODES, &third, missing, |dice| format!("{}.5", 40 + dice.below(80))),
    ];
    vec![
        Owner { id: "ssb", datastore: "no.ssb.fdb", datasets: ssb },
        Owner { id: "krg", datastore: "no.krg.kreft", datasets: krg },
        Owner { id: "fhi", datastore: "no.fhi.helse", datasets: fhi },
    ]
}

/// Connects all three owners' datastores.
pub const REQUIRE_ALL: &str =
    "require no.ssb.fdb:1 as ssb\nrequire no.krg.kreft:1 as krg\nrequire no.fhi.helse:1 as fhi\n";

struct Draw {
    dice: Dice,
    missing: usize,
}

impl Draw {
    fn fixed(
        &mut self,
        name: &'static str,
        data_type: &'static str,
        codes: &'static [&'static str],
        people: &[String],
        missing: usize,
        value: impl Fn(&mut Dice) -> String,
    ) -> Dataset {
        let mut rows = Vec::new();
        for person in people {
            if !self.dice.percent(missing) {
                rows.push([person.clone(), value(&mut self.dice), String::new(), String::new()]);
            }
        }
        Dataset { name, temporality: "FIXED", data_type, codes, sentinels: NO_CODES, rows }
    }

    /// A dozen groups of three people, for cells that must be suppressed; everybody else is in none of them.
    fn groups_of_three(&self, name: &'static str, people: &[String]) -> Dataset {
        let codes = &["nei", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12"];
        let group = |at: usize| codes.get(1 + at / 3).unwrap_or(&codes[0]).to_string();
        let row = |(at, person): (usize, &String)| [person.clone(), group(at), String::new(), String::new()];
        let rows = people.iter().enumerate().map(row).collect();
        Dataset { name, temporality: "FIXED", data_type: "STRING", codes, sentinels: NO_CODES, rows }
    }

    fn status(&mut self, name: &'static str, codes: &'static [&'static str], people: &[String]) -> Dataset {
        let mut rows = Vec::new();
        for person in people {
            for day in ["2020-01-01", "2021-01-01"] {
                if !self.dice.percent(self.missing) {
                    let value = self.dice.one(codes).to_string();
                    rows.push([person.clone(), value, day.to_owned(), day.to_owned()]);
                }
            }
        }
        Dataset { name, temporality: "STATUS", data_type: "STRING", codes, sentinels: NO_CODES, rows }
    }

    fn accumulated(&mut self, name: &'static str, people: &[String]) -> Dataset {
        let mut rows = Vec::new();
        for person in people {
            for year in [2020, 2021] {
                if !self.dice.percent(self.missing) {
                    let value = (1000 * self.dice.below(900)).to_string();
                    rows.push([person.clone(), value, format!("{year}-01-01"), format!("{year}-12-31")]);
                }
            }
        }
        Dataset {
            name,
            temporality: "ACCUMULATED",
            data_type: "LONG",
            codes: NO_CODES,
            sentinels: NO_CODES,
            rows,
        }
    }

    fn event(
        &mut self,
        name: &'static str,
        codes: &'static [&'static str],
        sentinels: &'static [&'static str],
        people: &[String],
    ) -> Dataset {
        let mut rows = Vec::new();
        let all: Vec<&str> = codes.iter().chain(sentinels).copied().collect();
        for person in people {
            let mut day = 16_000 + self.dice.below(2000) as i32;
            let spells = self.dice.below(4);
            for spell in 0..spells {
                let until = day + self.dice.below(900) as i32;
                let open = spell + 1 == spells && self.dice.percent(70);
                let text = |days| Day::from_days(days).expect("a day").to_string();
                let stop = if open { String::new() } else { text(until) };
                rows.push([person.clone(), self.dice.one(&all).to_string(), text(day), stop]);
                // Gaps of some days, and none at all.
                day = until + 1 + self.dice.below(3) as i32 * 50;
            }
        }
        Dataset { name, temporality: "EVENT", data_type: "LONG", codes, sentinels, rows }
    }
}
