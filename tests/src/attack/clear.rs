//! The protection in clear, with any one rule switched off: what rates over thousands of trials are measured on.
//!
//! It is the reference's ([`crate::reference`]), which the system's tables are held against byte for byte. Rules are switched here and
//! nowhere else: no feature and no setting of the product does it.

use std::collections::{BTreeMap, BTreeSet};

use kobling_crypto::seal::SealKey;
use kobling_model::catalogue::Catalogue;
use kobling_model::plan::{Plan, Release};
use kobling_model::rules::Rules;
use kobling_model::table::Cell;
use kobling_model::value::Range;
use kobling_model::{DatastoreId, Hash, OwnerId, UnitType};
use kobling_node::register::RegisterStore;

use crate::dice::Dice;
use crate::reference::{
    Book, Keys, Memory, Method, Outcome, Perturbation, Registers, TrueCell, answer_by, cell_key,
    loosest_rules,
};
use crate::registers::{Dataset, Owner, people};
use crate::world::{Expected, expect, id};

/// A rule of the catalogue of rules that is in force today.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// 1: the floor of a population.
    PopulationFloor,
    /// 2: values are brought within the 1st and 99th percentile.
    Winsorising,
    /// 3: counts and sums carry noise.
    Noise,
    /// 4: small cells are hidden.
    SmallCells,
    /// 5: tables of small cells are refused.
    SmallTables,
    /// 6: edits that touch few are not carried out.
    FewEdits,
    /// 7: statistics of few units are hidden.
    FewUnits,
    /// 10: dominated sums are hidden.
    Dominance,
    /// 13: populations that differ by few are answered as one.
    NearPopulations,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::PopulationFloor,
        Self::Winsorising,
        Self::Noise,
        Self::SmallCells,
        Self::SmallTables,
        Self::FewEdits,
        Self::FewUnits,
        Self::Dominance,
        Self::NearPopulations,
    ];
}

/// Rules in force.
#[derive(Clone)]
pub struct Protection {
    /// Their numbers.
    pub rules: Rules,
    method: Method,
    winsorises: bool,
    remembers: bool,
}

impl Protection {
    /// What `init` writes, and the published table.
    pub fn published() -> Self {
        Self { rules: loosest_rules(), method: Method::published(), winsorises: true, remembers: true }
    }

    /// The same without one rule.
    pub fn without(rule: Rule) -> Self {
        Self::published().but_without(rule)
    }

    /// The same without one rule more.
    pub fn but_without(self, rule: Rule) -> Self {
        let mut protection = self;
        let rules = &mut protection.rules;
        match rule {
            Rule::PopulationFloor => rules.population_units_min = 0,
            Rule::Winsorising => protection.winsorises = false,
            Rule::Noise => protection.method.table = Perturbation::none(),
            Rule::SmallCells => rules.small_cell_units_max = 0,
            Rule::SmallTables => rules.small_cells_percent_max = 100,
            Rule::FewEdits => rules.edit_units_min = 0,
            Rule::FewUnits => rules.statistic_units_min = 0,
            Rule::Dominance => protection.method.judges_dominance = false,
            Rule::NearPopulations => protection.remembers = false,
        }
        protection
    }

    /// Whether rule 2 is in force.
    pub fn winsorises(&self) -> bool {
        self.winsorises
    }

    /// The perturbed count of a cell.
    pub fn count(&self, cell: &TrueCell, keys: &Keys) -> u64 {
        self.method.table.perturbed(cell.count, cell_key(cell, &keys.noise_key))
    }

    /// How likely each perturbed count is where so many are in a cell: of 256 keys each.
    pub fn law(&self, count: u64) -> BTreeMap<u64, f64> {
        let mut law = BTreeMap::new();
        for key in 0..=255 {
            *law.entry(self.method.table.perturbed(count, key)).or_default() += 1.0 / 256.0;
        }
        law
    }

    /// What a script that is the first comes to, up to a refusal.
    pub fn answers(&self, clear: &Clear, keys: &Keys, script: &str) -> Expected {
        expect(script, &clear.catalogue, |plan: &Plan| self.outcomes(clear, keys, plan))
    }

    fn outcomes(&self, clear: &Clear, keys: &Keys, plan: &Plan) -> Vec<Outcome> {
        let registers = if self.winsorises { &clear.registers } else { &clear.whole };
        let mut memory = Memory::default();
        if self.remembers {
            memory.enter(&clear.owner, UnitType::Person, self.book(clear, keys));
        }
        let answers = answer_by(plan, registers, keys, &self.rules, &self.method, &mut memory);
        answers.into_iter().map(|(outcome, _)| outcome).collect()
    }
}

impl Protection {
    fn book(&self, clear: &Clear, keys: &Keys) -> Book {
        Book {
            numbers: clear.numbers.clone(),
            // The owner's own secret is drawn when the others are.
            secret: Hash::of(&keys.record_key_secret).0.to_vec(),
            units_min: self.rules.population_units_min,
            near_max: NEAR_MAX,
        }
    }
}

/// Up to how many units populations are near, as `init` writes it.
const NEAR_MAX: u32 = 9;

/// Registers in clear, and their catalogue.
pub struct Clear {
    registers: Registers,
    whole: Registers,
    catalogue: Catalogue,
    owner: OwnerId,
    /// The owner's numbers of people.
    numbers: BTreeMap<String, u32>,
}

impl Clear {
    /// Registers of one owner, `ssb`, over [`PEOPLE`] people, changed by `change`.
    ///
    /// Everybody has a sex, a group and a wage. Three of a hundred people in a row are each of the groups r1 to r3, the others A to D in
    /// turn; wages are thousands between 100 and 900.
    pub fn of(change: impl FnOnce(&mut Owner)) -> Self {
        let mut owner = everybody();
        change(&mut owner);
        let folder = tempfile::tempdir().expect("a folder");
        let (data, state) = (folder.path().join("data"), folder.path().join("state"));
        owner.write(&data);
        std::fs::create_dir(&state).expect("a folder");
        let mut store = RegisterStore::open(&state).expect("a new store");
        let datastore = DatastoreId::new(owner.datastore).expect("a datastore");
        let version = "1.0.0".parse().expect("a version");
        let release = Release { datastore: datastore.clone(), version, owner: id(owner.id) };
        store.import(&data, &release, &SealKey::from_bytes([7; 32])).expect("right registers");
        let mut registers = Registers::default();
        registers.add(&datastore, &data);
        let catalogue = Catalogue { datastores: store.catalogue() };
        let rows = owner.datasets.iter().flat_map(|dataset| &dataset.rows);
        let people: BTreeSet<String> = rows.map(|row| row[0].clone()).collect();
        let numbers = people.into_iter().zip(0..).collect();
        let whole = registers.clone().with_whole_ranges();
        Self { whole, registers, catalogue, owner: id(owner.id), numbers }
    }

    /// The same where the catalogue publishes this range of a variable.
    pub fn publishing(mut self, variable: &str, range: Range) -> Self {
        let variables = self.catalogue.datastores.iter_mut().flat_map(|datastore| &mut datastore.variables);
        let mut named = variables.filter(|of| of.name.as_str() == variable);
        named.next().expect("the owner has it").range = Some(range);
        self
    }
}

/// Units in a population of [`Clear`].
pub const PEOPLE: usize = 1200;

/// Imports of all that [`Clear`] has: sex `k`, group `g` and wage `l`.
pub const IMPORTS: &str = "require no.ssb.fdb:1 as ssb\ncreate-dataset d\nimport ssb/KJOENN as k\nimport ssb/GRUPPE as g\nimport ssb/LONN as l\n";

/// Codes of groups: four large ones, and of three people each.
const GROUPS: &[&str] = &["A", "B", "C", "D", "r1", "r2", "r3"];

fn everybody() -> Owner {
    let mut dice = Dice::seeded(71);
    let people = people(71, PEOPLE);
    let mut dataset = |name, data_type, codes, value: &mut dyn FnMut(usize, &mut Dice) -> String| {
        let rows = people.iter().enumerate();
        let rows = rows
            .map(|(at, person)| [person.clone(), value(at, &mut dice), String::new(), String::new()])
            .collect();
        Dataset { name, temporality: "FIXED", data_type, codes, sentinels: &[], rows }
    };
    let datasets = vec![
        dataset("KJOENN", "STRING", &["1", "2"], &mut |_, dice| dice.one(&["1", "2"]).to_string()),
        dataset("GRUPPE", "STRING", GROUPS, &mut |at, _| match at {
            0..9 => GROUPS[4 + at / 3].to_owned(),
            _ => GROUPS[at % 4].to_owned(),
        }),
        dataset("LONN", "LONG", &[], &mut |_, dice| (1000 * (100 + dice.below(800))).to_string()),
    ];
    Owner { id: "ssb", datastore: "no.ssb.fdb", datasets }
}

/// A set of people of whom only the record keys matter, drawn at random.
pub fn set(dice: &mut Dice, count: u64) -> TrueCell {
    let mut cell = TrueCell::default();
    if count > 0 {
        // The sum of uniform keys is uniform, however many there are.
        add(&mut cell, random_key(dice));
        cell.count = count;
    }
    cell
}

/// The record key of somebody: uniform, since it is a keyed hash.
pub fn random_key(dice: &mut Dice) -> [u16; 3] {
    let drawn = dice.draw();
    [drawn as u16, (drawn >> 16) as u16, (drawn >> 32) as u16]
}

/// Puts a person into a set.
pub fn add(cell: &mut TrueCell, key: [u16; 3]) {
    cell.count += 1;
    for (sum, limb) in cell.keys.iter_mut().zip(key) {
        *sum += u64::from(limb);
    }
}

/// Whether a cell shows a number.
pub fn number(cell: &Cell) -> Option<u64> {
    match cell {
        Cell::Count(count) => Some(*count),
        _ => None,
    }
}

/// How often the best guess between two equally likely cases is right, from how likely each sight is in either.
pub fn best_guess<K: Ord>(one: &BTreeMap<K, f64>, other: &BTreeMap<K, f64>) -> f64 {
    let sights: std::collections::BTreeSet<&K> = one.keys().chain(other.keys()).collect();
    let of = |law: &BTreeMap<K, f64>, sight: &K| law.get(sight).copied().unwrap_or_default();
    sights.into_iter().map(|sight| of(one, sight).max(of(other, sight)) / 2.0).sum()
}
