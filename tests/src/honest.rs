//! Use for honest work: sixty ordinary questions, how far what is shown lies from the truth, and how many are refused.
//!
//! The questions are those of `tests/honest/questions.txt`; `docs/USEFULNESS.md` has what came out.
//! `cargo run -p kobling-tests -- honest` founds a federation of three owners with the demo's registers, runs all questions through
//! broker and nodes, and computes the truth from the pooled clear registers with the reference ([`crate::reference`]).
//!
//! The truth is without rules: no noise, nothing hidden, every edit carried out, no value winsorised, and what `collapse` and `aggregate` measure of a
//! group as it is. What is done to such a measure before it becomes a value is taken apart in [`Federation::steps`].

mod distance;
mod groups;
mod report;

use std::path::Path;

use kobling_model::catalogue::Catalogue;
use kobling_model::rules::Rules;
use kobling_model::table::{Layout, Table};
use kobling_proto::platform::v1::JobState;
use kobling_synth::{Config, OWNERS, write_registers};

pub use distance::{Distance, Figures};
pub use groups::Step;
pub use report::{document, line, step, summary};

use crate::reference::{
    Groups, Keys, Memory, Method, Outcome, Perturbation, Registers, TrueCell, answer_by, loosest_rules,
};
use crate::registers::Owner;
use crate::world::World;

/// Largest share of the questions that may be refused, in percent.
pub const REFUSED_PERCENT_MAX: usize = 5;

/// A question of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// What it asks, in a few words.
    pub name: &'static str,
    /// The script after `require` and `create-dataset`.
    pub script: &'static str,
}

impl Question {
    /// Whether it makes values of what is measured of groups.
    pub fn measures_groups(&self) -> bool {
        self.script.lines().any(|line| line.starts_with("aggregate") || line.starts_with("collapse"))
            || self.script.contains("quantile(")
    }
}

/// All questions, in the order of the list.
pub fn questions() -> Vec<Question> {
    let list = include_str!("../honest/questions.txt");
    let sections = list.split("\n== ").skip(1);
    let question = |section: &'static str| {
        let (name, script) = section.split_once('\n').expect("a question has a script");
        Question { name, script: script.trim_end() }
    };
    sections.map(question).collect()
}

/// Why a question was not answered as it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Code of the rule.
    pub code: String,
    /// What the researcher is told.
    pub message: String,
}

/// What came of a question.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The question.
    pub question: Question,
    /// Its tables, in order, up to one that was refused.
    pub tables: Vec<Figures>,
    /// Why not all of it was answered as asked: a rule refused, or an edit was not carried out.
    pub refused: Option<Refused>,
}

/// A federation of three owners with the demo's registers.
pub struct Federation {
    world: World,
    registers: Registers,
    /// With ranges of all values.
    whole: Catalogue,
    keys: Keys,
}

impl Federation {
    /// Writes the registers of so many people who do not exist and founds the federation.
    ///
    /// # Panics
    /// Where the number of people is not one that can be made ([`Config::PEOPLE_MAX`]).
    pub fn of(people: u32, seed: u64) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        write_registers(&Config { people, seed }, folder.path()).expect("registers of so many people");
        let owners = OWNERS.iter().map(|owner| Owner {
            id: owner.owner,
            datastore: owner.datastore,
            datasets: Vec::new(),
        });
        let founding = OWNERS.iter().fold(World::of(owners.collect()), |founding, owner| {
            founding.registers_in(owner.owner, &folder.path().join(owner.owner))
        });
        let world = founding.found();
        let registers = world.registers();
        let whole = with_whole_ranges(world.catalogue(), folder.path());
        let keys = world.keys();
        Self { world, registers, whole, keys }
    }

    /// Asks a question as a researcher does, and compares what is shown with the truth.
    ///
    /// # Panics
    /// Where the script has errors, or a party fails: the list is of questions that can be asked.
    pub fn ask(&self, question: Question) -> Answer {
        let script = self.world.script(question.script);
        let result = self.world.run(&script);
        let refused = match result.state() {
            JobState::Done => result.job.warnings.first().map(|warning| (&warning.code, &warning.message)),
            JobState::Refused => result.job.problem.as_ref().map(|problem| (&problem.code, &problem.message)),
            state => panic!("{}: {state:?} {:?}", question.name, result.job),
        };
        let refused =
            refused.map(|(code, message)| Refused { code: code.to_owned(), message: message.to_owned() });
        let truths = self.without_rules(&script, Groups::Exact, true);
        assert!(result.tables.len() <= truths.len(), "{}: more tables than asked for", question.name);
        let tables = result.tables.iter().zip(&truths);
        let tables = tables.map(|(shown, (truth, cells))| Figures::of(shown, truth, cells)).collect();
        Answer { question, tables, refused }
    }

    /// Each table without any rule, with its cells' true counts and the units of their sums: with so much done to what is measured of large groups, and
    /// with ranges of all values or with the winsorised ones.
    fn without_rules(&self, script: &str, groups: Groups, is_whole: bool) -> Vec<(Table, Vec<True>)> {
        let registers = self.registers.clone().with_groups(groups);
        let (registers, catalogue) = match is_whole {
            true => (registers.with_whole_ranges(), self.whole.clone()),
            false => (registers, self.world.catalogue()),
        };
        let plan = kobling_script::plan(script, &catalogue).expect("the broker has planned it");
        let method = Method { table: Perturbation::none(), judges_dominance: false };
        let answers = answer_by(&plan, &registers, &self.keys, &no_rules(), &method, &mut Memory::default());
        let tables = answers.into_iter().zip(&plan.questions).filter_map(|((outcome, cells), question)| {
            let Outcome::Table(table) = outcome else { return None };
            let kobling_model::plan::QuestionKind::Table(shape) = &question.kind else { return None };
            let unit = shape.value.as_ref().map(|value| value.coding.unit.0);
            Some((table, cells.iter().map(|cell| True::of(cell, unit)).collect()))
        });
        tables.collect()
    }
}

/// The truth about a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct True {
    /// Units.
    pub count: u64,
    /// Sum of their values, where the table has a number.
    pub sum: Option<f64>,
}

impl True {
    fn of(cell: &TrueCell, unit: Option<f64>) -> Self {
        Self { count: cell.count, sum: unit.map(|unit| cell.sum as f64 * unit) }
    }
}

/// Numbers of rules that refuse and hide nothing.
fn no_rules() -> Rules {
    Rules {
        population_units_min: 0,
        small_cell_units_max: 0,
        small_cells_percent_max: 100,
        edit_units_min: 0,
        statistic_units_min: 0,
        ..loosest_rules()
    }
}

/// The catalogue as it would be if each range reached from the least to the largest value that there is, so that a plan made with it
/// brings no value nearer to the others. `registers` has a folder for each owner.
fn with_whole_ranges(mut catalogue: Catalogue, registers: &Path) -> Catalogue {
    for datastore in &mut catalogue.datastores {
        let owner = OWNERS.iter().find(|owner| owner.datastore == datastore.id.as_str());
        let folder = registers.join(owner.expect("one of the three").owner);
        for variable in &mut datastore.variables {
            let Some(range) = &mut variable.range else { continue };
            let name = variable.name.as_str();
            let file = folder.join(name).join(name).with_extension("csv");
            let text = std::fs::read_to_string(file).expect("a dataset's file");
            // Days stand in the file as dates; no question asks for a mean of them.
            let values = text.lines().filter_map(|line| line.split(';').nth(1)?.parse::<f64>().ok());
            for value in values {
                range.low = range.low.min(value);
                range.high = range.high.max(value);
            }
        }
    }
    catalogue
}

/// Cells of a table without margins, by place.
fn inner(table: &Table) -> Vec<bool> {
    let sizes: Vec<usize> = table.axes.iter().map(|axis| axis.categories.len()).collect();
    let layout = Layout::of(&sizes);
    let mut is_inner = vec![false; layout.cells()];
    layout.inner().for_each(|at| is_inner[at] = true);
    is_inner
}
