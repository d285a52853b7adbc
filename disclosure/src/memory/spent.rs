//! What populations have been cut into so far, for rule 14: names of sets, and the set of all splits that were made.
//!
//! A population is named by the sets of units that it is, not by words, so that another wording of the same finds the same name. A new version of the
//! data that changes a set makes another population; one that does not leaves name, noise and budget as they are. Splits are named by words
//! ([`super::asked`]).
//!
//! What was spent is a *set*: a split that is in it costs nothing again. So it does not matter in which order questions come, whether one is
//! asked twice, or whether a crash falls between the writing of a charge and its question.

use std::collections::{HashMap, HashSet};

use kobling_model::Hash;
use kobling_model::rules::Refusal;

use super::Sketch;
use crate::rule::splits;

/// More dimensions than any table has; one with more costs more than any budget.
const DIMENSIONS_MAX: usize = 16;

/// A name of a set of units or of something made of such sets. Equal things have equal names; without the key it says nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name([u8; Name::BYTES]);

impl Name {
    /// Bytes of a name: any two of 2⁴⁰ different sets meet with a chance of 2⁻⁴⁹.
    pub const BYTES: usize = 16;

    /// A name that was kept or told.
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// To keep it or tell it.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        self.0
    }
}

/// The key that an owner names sets with.
#[derive(Clone)]
pub struct NameKey([u8; 32]);

impl std::fmt::Debug for NameKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NameKey(hidden)")
    }
}

impl NameKey {
    /// The key of these bytes, a secret of the owner.
    pub fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// A set of units: the owner's side of a population, or a category of its own. Sketches are made with one hash.
    pub fn of_set(&self, sketch: &Sketch) -> Name {
        self.name("set", &[&sketch.to_bytes()])
    }

    /// The byte that a set's size is perturbed with, of which its name says nothing.
    pub fn size_key(&self, set: Name) -> u8 {
        self.name("size", &[&set.0]).0[0]
    }

    /// Something that is known by its words: a dimension, a condition over several owners' values, or a side of few units.
    pub fn of_words(&self, canonical: &Hash) -> Name {
        self.name("words", &[&canonical.0])
    }

    /// A population: its owners' sides and the conditions over several owners' values, in whatever order.
    pub fn of_population(&self, sides: Vec<Name>, conditions: Vec<Name>) -> Name {
        let both = [self.of_all("sides", sides), self.of_all("conditions", conditions)];
        self.name("population", &both.each_ref().map(|name| &name.0[..]))
    }

    /// A split of a draw from a population, by what was drawn: it is one of the population itself, and another for each fraction and seed.
    pub fn of_draw(&self, split: Name, drawn: &Hash) -> Name {
        self.name("drawn", &[&split.0, &drawn.0])
    }

    /// A split of the part of a population that a question's own conditions leave.
    pub fn of_part(&self, split: Name, part: &Hash) -> Name {
        self.name("part", &[&split.0, &part.0])
    }

    /// A bit that was opened of a population, by what it says: a rule and its threshold.
    pub fn of_bit(&self, says: &Hash) -> Name {
        self.name("bit", &[&says.0])
    }

    fn of_all(&self, of: &str, mut names: Vec<Name>) -> Name {
        names.sort_unstable();
        names.dedup();
        let parts: Vec<&[u8]> = names.iter().map(|name| &name.0[..]).collect();
        self.name(of, &parts)
    }

    /// The first half of SHA-256 over the key and the parts, each after its length. Half of the hash is cut off, so that nobody can go on
    /// from a name.
    fn name(&self, of: &str, parts: &[&[u8]]) -> Name {
        let mut message = self.0.to_vec();
        for part in [b"kobling name v1", of.as_bytes()].iter().chain(parts) {
            message.extend((part.len() as u64).to_le_bytes());
            message.extend_from_slice(part);
        }
        let mut name = [0; Name::BYTES];
        name.copy_from_slice(&Hash::of(&message).0[..Name::BYTES]);
        Name(name)
    }
}

/// A dimension of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dimension {
    /// Its name.
    pub name: Name,
    /// Its categories, whether anybody is in them or not.
    pub categories: u32,
}

/// A way in which a population is cut, and what it costs in cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// Its name.
    pub name: Name,
    /// What it costs.
    pub cells: u32,
}

/// All splits that a table makes: one for each non-empty subset of its dimensions, and with a value column one more for each subset, the
/// empty one too.
///
/// The count of the whole population is no split: it has one noise, whoever asks.
pub fn of_table(key: &NameKey, dimensions: &[Dimension], value: Option<Name>) -> Vec<Split> {
    let all = |subset: u32, value: Option<Name>| {
        let chosen = dimensions.iter().enumerate().filter(|(at, _)| subset >> at & 1 == 1);
        let (names, cells): (Vec<Name>, Vec<u64>) =
            chosen.map(|(_, of)| (of.name, u64::from(of.categories))).unzip();
        let cells = cells.into_iter().fold(1_u64, u64::saturating_mul);
        let value: Vec<Name> = value.into_iter().collect();
        let both = [key.of_all("dimensions", names), key.of_all("value", value)];
        let name = key.name("split", &both.each_ref().map(|name| &name.0[..]));
        Split { name, cells: splits::cost(cells) }
    };
    if dimensions.len() > DIMENSIONS_MAX {
        let names = dimensions.iter().map(|of| of.name).collect();
        return vec![Split { name: key.of_all("too many dimensions", names), cells: u32::MAX }];
    }
    let subsets = 1_u32 << dimensions.len();
    let of_value = (0..subsets).filter_map(|subset| value.map(|value| all(subset, Some(value))));
    (1..subsets).map(|subset| all(subset, None)).chain(of_value).collect()
}

/// What a question asks of one population.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Which.
    pub population: Name,
    /// Cells that it may be cut into: [`splits::budget`].
    pub budget: u64,
    /// How it is to be cut.
    pub splits: Vec<Split>,
}

/// One split of one population, as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The population.
    pub population: Name,
    /// The split.
    pub split: Split,
}

impl Charge {
    /// Bytes on disk.
    pub const BYTES: usize = 2 * Name::BYTES + 4;

    /// The form on disk: population, split, cells as a little-endian u32.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..Name::BYTES].copy_from_slice(&self.population.0);
        bytes[Name::BYTES..2 * Name::BYTES].copy_from_slice(&self.split.name.0);
        bytes[2 * Name::BYTES..].copy_from_slice(&self.split.cells.to_le_bytes());
        bytes
    }

    /// Reads the form on disk; none where it has another length, or costs less than anything does.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (population, rest) = bytes.split_first_chunk()?;
        let (name, cells) = rest.split_first_chunk()?;
        let cells = u32::from_le_bytes(cells.try_into().ok()?);
        let split = Split { name: Name(*name), cells };
        (cells >= splits::BIT_CELLS).then_some(Self { population: Name(*population), split })
    }
}

/// Everything that was spent.
#[derive(Debug, Default)]
pub struct Spent(HashMap<Name, OfPopulation>);

#[derive(Clone, Debug, Default)]
struct OfPopulation {
    splits: HashSet<Name>,
    cells: u64,
}

impl OfPopulation {
    /// False where the split was there.
    fn add(&mut self, split: Split) -> bool {
        let is_new = self.splits.insert(split.name);
        if is_new {
            self.cells = self.cells.saturating_add(split.cells.into());
        }
        is_new
    }
}

impl Spent {
    /// What a question would have to be charged for: nothing that was made before. It spends nothing.
    ///
    /// A question without new splits is answered, also where an owner has since become stricter.
    ///
    /// # Errors
    /// [`Refusal::SplitsSpent`] where they do not fit into the budget of one of the populations.
    pub fn judge(&self, asked: &[Asked]) -> Result<Vec<Charge>, Refusal> {
        let mut after: HashMap<Name, OfPopulation> = HashMap::new();
        let mut new = Vec::new();
        for Asked { population, budget, splits } in asked {
            let of = after
                .entry(*population)
                .or_insert_with(|| self.0.get(population).cloned().unwrap_or_default());
            let added = splits.iter().filter(|split| of.add(**split));
            let before = new.len();
            new.extend(added.map(|split| Charge { population: *population, split: *split }));
            if new.len() > before {
                splits::judge(*budget, of.cells)?;
            }
        }
        Ok(new)
    }

    /// Spends. A charge that was made before changes nothing.
    pub fn add(&mut self, charge: Charge) {
        self.0.entry(charge.population).or_default().add(charge.split);
    }

    /// Cells that a population was cut into.
    pub fn cells(&self, population: Name) -> u64 {
        self.0.get(&population).map_or(0, |of| of.cells)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::sketch;
    use super::*;

    fn key() -> NameKey {
        NameKey::new([7; 32])
    }

    fn name(text: &str) -> Name {
        key().of_words(&Hash::of(text.as_bytes()))
    }

    fn split(text: &str, cells: u32) -> Split {
        Split { name: name(text), cells }
    }

    fn asked(population: &str, splits: &[Split]) -> Asked {
        Asked { population: name(population), budget: 100, splits: splits.to_vec() }
    }

    /// Judges and spends.
    fn ask(spent: &mut Spent, asked: &[Asked]) -> Result<usize, Refusal> {
        let charges = spent.judge(asked)?;
        charges.iter().for_each(|charge| spent.add(*charge));
        Ok(charges.len())
    }

    #[test]
    fn names_are_those_of_sets_whatever_their_order_and_differ_with_the_key() {
        let key = key();
        let (women, men) = (key.of_set(&sketch(0..500)), key.of_set(&sketch(500..1000)));
        assert_ne!(women, men);
        assert_eq!(women, key.of_set(&sketch((0..500).rev())));
        let population = key.of_population(vec![women, men], vec![]);
        assert_eq!(population, key.of_population(vec![men, women], vec![]));
        assert_ne!(population, key.of_population(vec![women], vec![men]));
        assert_ne!(women, NameKey::new([8; 32]).of_set(&sketch(0..500)));
    }

    #[test]
    fn a_table_makes_a_split_of_each_subset_of_its_dimensions() {
        let of = |text: &str, categories| Dimension { name: name(text), categories };
        let (sex, age, county) = (of("sex", 2), of("age", 20), of("county", 15));
        let cells = |dimensions: &[Dimension], value: Option<Name>| {
            let mut cells: Vec<u32> =
                of_table(&key(), dimensions, value).iter().map(|split| split.cells).collect();
            cells.sort_unstable();
            cells
        };
        assert!(cells(&[], None).is_empty());
        assert_eq!(cells(&[], Some(name("income"))), [10]);
        assert_eq!(cells(&[sex], None), [10]);
        assert_eq!(cells(&[sex, age], None), [10, 20, 40]);
        assert_eq!(cells(&[sex, age], Some(name("income"))), [10, 10, 10, 20, 20, 40, 40]);
        assert_eq!(cells(&[sex, age, county], None), [10, 15, 20, 30, 40, 300, 600]);
        assert_eq!(cells(&[sex; 17], None), [u32::MAX]);
        // The margins of a table are those of smaller ones, and the order of its variables is none of the sets'.
        let (two, one) = (of_table(&key(), &[sex, age], None), of_table(&key(), &[age], None));
        assert!(two.contains(&one[0]));
        let turned = of_table(&key(), &[age, sex], None);
        assert!(turned.len() == 3 && turned.iter().all(|split| two.contains(split)));
    }

    #[test]
    fn what_was_made_before_is_free_and_what_does_not_fit_is_refused_whole() {
        let mut spent = Spent::default();
        assert_eq!(ask(&mut spent, &[asked("all", &[split("a", 60), split("b", 30)])]), Ok(2));
        assert_eq!(ask(&mut spent, &[asked("all", &[split("a", 60)])]), Ok(0));
        let refused = [asked("others", &[split("a", 10)]), asked("all", &[split("b", 30), split("c", 11)])];
        assert_eq!(ask(&mut spent, &refused), Err(Refusal::SplitsSpent));
        assert_eq!((spent.cells(name("all")), spent.cells(name("others"))), (90, 0));
        assert_eq!(ask(&mut spent, &[asked("all", &[split("c", 10)])]), Ok(1));
        assert_eq!(ask(&mut spent, &[asked("all", &[split("d", 1)])]), Err(Refusal::SplitsSpent));
        // A stricter owner, whose budget is smaller than what was spent, gives again what was given.
        let stricter = Asked { budget: 20, ..asked("all", &[split("a", 60), split("c", 10)]) };
        assert_eq!(ask(&mut spent, &[stricter]), Ok(0));
    }

    #[test]
    fn a_population_that_stands_twice_in_a_question_has_one_budget() {
        let mut spent = Spent::default();
        let twice = [asked("all", &[split("a", 60)]), asked("all", &[split("b", 41)])];
        assert_eq!(ask(&mut spent, &twice), Err(Refusal::SplitsSpent));
        let same = [asked("all", &[split("a", 60)]), asked("all", &[split("a", 60)])];
        assert_eq!(ask(&mut spent, &same), Ok(1));
        assert_eq!(spent.cells(name("all")), 60);
    }

    #[test]
    fn nothing_is_ever_over_budget_and_what_was_spent_depends_on_no_order() {
        for seed in 0..50_u32 {
            let draw = |at: u32, of: u32| seed.wrapping_mul(2_654_435_761).wrapping_add(at * 40_503) / 7 % of;
            let questions: Vec<Asked> = (0..40)
                .map(|at| {
                    let kind = draw(at, 9);
                    asked(&format!("p{}", draw(at + 1, 2)), &[split(&format!("s{kind}"), 10 + 5 * kind)])
                })
                .collect();
            let (mut spent, mut taken) = (Spent::default(), Vec::new());
            for question in &questions {
                if let Ok(charges) = spent.judge(std::slice::from_ref(question)) {
                    charges.iter().for_each(|charge| spent.add(*charge));
                    taken.extend(charges);
                }
            }
            let populations = ["p0", "p1"].map(name);
            assert!(populations.iter().all(|population| spent.cells(*population) <= 100), "seed {seed}");
            // Made again in any order, and some of them twice.
            let mut again = Spent::default();
            taken.iter().rev().chain(&taken).for_each(|charge| again.add(*charge));
            assert!(populations.iter().all(|of| again.cells(*of) == spent.cells(*of)), "seed {seed}");
        }
    }

    #[test]
    fn the_form_on_disk_is_read_back_and_nothing_else_is() {
        let charge = Charge { population: name("all"), split: split("a", 430) };
        let bytes = charge.to_bytes();
        assert_eq!(Charge::from_bytes(&bytes), Some(charge));
        assert_eq!(Charge::from_bytes(&bytes[1..]), None);
        assert_eq!(Charge::from_bytes(&[&bytes[..], &[0]].concat()), None);
        let free = Charge { split: split("a", 0), ..charge };
        assert_eq!(Charge::from_bytes(&free.to_bytes()), None);
        assert_eq!(Name::from_bytes(charge.population.to_bytes()), charge.population);
    }
}
