//! Walks a script's statements with the catalogue at hand, and collects the questions they ask.
//!
//! Holds what the script has made so far: connected datastores, datasets with their columns and filters, code
//! lists. What each command does to it stands in the command's file. A statement that fails leaves a failed
//! column behind where it would have made one, so that one fault is reported once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kobling_model::catalogue::{Catalogue, Datastore};
use kobling_model::expression::{Expression, ValueType};
use kobling_model::interval::Interval;
use kobling_model::plan::{Dimension, Listing, Plan, Question, QuestionKind, Release, Source};
use kobling_model::preparation::{Preparation, Rows};
use kobling_model::{OwnerId, UnitType};

use crate::ast::{Command, Expr, Name, Script, Statement};
use crate::command::{
    COMMANDS, copies, dataset, destring, event, generate, group, import, labels, merge, other, panel, recode,
    rename, require, reshape, sample, select, summarize, tabulate,
};
use crate::diagnostic::{Reported, Reporter, Span};
use crate::domain::Domain;
use crate::edit::Edits;
use crate::fold;
use crate::joint::Known;
use crate::limits::{PLAN_NODES_MAX, QUESTIONS_MAX};
use crate::locality::{Asked, Filter, Filters, NoSides, Population, Sides, conjunction, sides};
use crate::lower::{Lowered, Lowering};
use crate::made::Made;
use crate::near::nearest;
use crate::panel::Layer;
use crate::problem::{Problem, Unprepared};

/// What the script asks, given outcomes of its first edits; of use only where nothing was reported. None where it has
/// fewer edits.
pub(crate) fn plan(
    script: &Script,
    catalogue: &Catalogue,
    edits: &[bool],
    reporter: &mut Reporter<'_>,
) -> Option<Plan> {
    let checker = walk(script, catalogue, edits, reporter);
    let mut releases: Vec<_> =
        checker.connected.values().flatten().map(|datastore| release(datastore)).collect();
    releases.sort();
    releases.dedup();
    let edits = checker.edits.into_outcomes()?;
    Some(Plan { releases, edits, questions: checker.questions, listings: checker.listings })
}

/// What the script has made when all its statements have been checked.
pub(crate) fn walk<'a, 'r, 's>(
    script: &Script,
    catalogue: &'a Catalogue,
    edits: &[bool],
    reporter: &'r mut Reporter<'s>,
) -> Checker<'a, 'r, 's> {
    let mut checker = Checker {
        catalogue,
        reporter,
        connected: BTreeMap::new(),
        datasets: BTreeMap::new(),
        active: None,
        code_lists: BTreeMap::new(),
        made: Made::default(),
        constants: Vec::new(),
        known: Vec::new(),
        questions: Vec::new(),
        edits: Edits::new(edits),
        listings: Vec::new(),
        in_layer: false,
        uncertain: false,
        spent: 0,
        joint_work: 0,
    };
    for statement in &script.statements {
        if checker.reporter.full() || checker.exhausted() {
            break;
        }
        // The fault is reported already; the next statement is checked all the same.
        let _: Result<(), Reported> = checker.statement(statement);
    }
    checker
}

fn release(datastore: &Datastore) -> Release {
    Release { datastore: datastore.id.clone(), version: datastore.version, owner: datastore.owner.clone() }
}

/// What a script has made so far.
pub(crate) struct Checker<'a, 'r, 's> {
    pub(crate) catalogue: &'a Catalogue,
    pub(crate) reporter: &'r mut Reporter<'s>,
    /// By alias; none where the `require` failed.
    pub(crate) connected: BTreeMap<String, Option<&'a Datastore>>,
    pub(crate) datasets: BTreeMap<String, Dataset>,
    pub(crate) active: Option<String>,
    /// Value as written and label, by name.
    pub(crate) code_lists: BTreeMap<String, Arc<Vec<(String, String)>>>,
    /// What columns are made of, and tables that owners prepare.
    pub(crate) made: Made,
    /// Public bounds and centre of each of its sources, where it has any.
    pub(crate) constants: Vec<Option<(Interval, f64)>>,
    /// What is public about each of them beside.
    pub(crate) known: Vec<Known>,
    questions: Vec<Question>,
    pub(crate) edits: Edits,
    pub(crate) listings: Vec<Listing>,
    /// The active dataset stands for one date of a panel.
    pub(crate) in_layer: bool,
    /// Something has been reported that may have made names: unknown ones are not blamed any more.
    pub(crate) uncertain: bool,
    /// Nodes and categories so far.
    spent: usize,
    /// What columns over several owners have taken so far.
    joint_work: usize,
}

/// A dataset of the script: never data, only what its columns are made of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dataset {
    pub(crate) unit_type: Option<UnitType>,
    pub(crate) rows: RowsAre,
    pub(crate) population: Option<Population>,
    pub(crate) filters: Vec<Filter>,
    pub(crate) columns: BTreeMap<String, Column>,
}

/// What a row of a dataset is.
#[derive(Clone, Debug, Default)]
pub(crate) enum RowsAre {
    /// A unit.
    #[default]
    Units,
    /// A spell of a unit.
    Spells(Rows),
    /// A group of units that have some values in common.
    Groups(Groups),
    /// A unit at a date. The dataset's own columns are then those of the first date, for their names.
    Panel(Vec<Layer>),
}

/// What groups are made by.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Groups {
    pub(crate) owner: OwnerId,
    /// Names of the variables that units of a group have in common.
    pub(crate) by: Vec<String>,
    /// What they are of a unit, over the script's sources; in columns of groups, these stand for the groups' own.
    pub(crate) values: Vec<Expression>,
    pub(crate) types: Vec<ValueType>,
}

/// A column by what is known about it.
#[derive(Clone, Debug)]
pub(crate) enum Column {
    /// A number or text for each unit.
    Value(Arc<ColumnValue>),
    /// A pointer to other units: in no expression and no table.
    Key(Pointer),
    /// The statement that should have made it failed.
    Failed,
}

/// A register variable that names other units.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pointer {
    pub(crate) owner: OwnerId,
    pub(crate) source: Source,
    /// What it points to.
    pub(crate) unit_type: UnitType,
}

/// A number or text for each unit.
#[derive(Clone, Debug)]
pub(crate) struct ColumnValue {
    pub(crate) lowered: Lowered,
    /// Labels given by `assign-labels`.
    pub(crate) labels: Option<Arc<Domain>>,
    /// Its values with labels; the labelled values are its categories where nothing else is known.
    pub(crate) categories: Option<Arc<Domain>>,
}

impl ColumnValue {
    pub(crate) fn new(lowered: Lowered, labels: Option<Arc<Domain>>) -> Self {
        let categories = match (&lowered.domain, &labels) {
            (Some(domain), Some(labels)) => Some(Arc::new(domain.labelled(labels))),
            (domain, labels) => domain.clone().or_else(|| labels.clone()),
        };
        Self { lowered, labels, categories }
    }
}

impl RowsAre {
    pub(crate) fn are_units(&self) -> bool {
        matches!(self, Self::Units)
    }
}

impl Dataset {
    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.get(name)
    }

    /// The same rows without columns.
    pub(crate) fn rows_only(&self) -> Self {
        let Self { unit_type, rows, population, filters, .. } = self;
        let (rows, population, filters) = (rows.clone(), population.clone(), filters.clone());
        Self { unit_type: *unit_type, rows, population, filters, columns: BTreeMap::new() }
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.keys().map(String::as_str)
    }
}

impl<'a, 's> Checker<'a, '_, 's> {
    fn statement(&mut self, statement: &Statement) -> Result<(), Reported> {
        if let Some(done) = self.of_panel(statement) {
            return done;
        }
        self.carry_out(statement)
    }

    pub(crate) fn carry_out(&mut self, statement: &Statement) -> Result<(), Reported> {
        match &statement.command {
            Command::Require(require) => require::check(self, require),
            Command::CreateDataset(name) => dataset::check_create(self, name),
            Command::Use(name) => dataset::check_use(self, name),
            Command::Import(import) => import::check(self, import, statement),
            Command::Generate(assignment) => generate::check_generate(self, assignment, statement),
            Command::Replace(assignment) => generate::check_replace(self, assignment, statement),
            Command::Recode(recode) => recode::check(self, recode, statement),
            Command::Keep(selection) => select::check_keep(self, selection, statement),
            Command::Drop(selection) => select::check_drop(self, selection, statement),
            Command::Rename { old, new } => rename::check(self, old, new),
            Command::DefineLabels(define) => labels::check_define(self, define),
            Command::AssignLabels { variable, labels } => labels::check_assign(self, variable, labels),
            Command::Collapse(grouping) => group::check_collapse(self, grouping, statement),
            Command::Aggregate(grouping) => group::check_aggregate(self, grouping, statement),
            Command::Merge(merge) => merge::check(self, merge, statement),
            Command::CloneDataset { dataset, copy } => copies::check_dataset(self, dataset, copy),
            Command::CloneUnits { dataset, copy } => copies::check_units(self, dataset, copy, statement),
            Command::RenameDataset { old, new } => copies::check_rename(self, old, new),
            Command::DeleteDataset(name) => copies::check_delete(self, name),
            Command::CloneVariables(clone) => copies::check_variables(self, clone, statement),
            Command::Destring(destring) => destring::check(self, destring, statement),
            Command::DropLabels(lists) => labels::check_drop(self, lists),
            Command::Sample(sample) => sample::check(self, sample, statement),
            Command::ImportEvent(import) => event::check(self, import, statement),
            Command::ImportPanel(import) => panel::check(self, import, statement),
            Command::ReshapeToPanel(prefixes) => reshape::check_to(self, prefixes, statement),
            Command::ReshapeFromPanel => reshape::check_from(self, statement),
            Command::ListLabels(list) => labels::check_list(self, list, statement),
            Command::Tabulate(tabulate) => tabulate::check(self, tabulate, statement),
            Command::Summarize(summarize) => summarize::check(self, summarize, statement),
            Command::Other(other) => other::check(self, other),
            Command::Broken { word, defines } => self.broken(word, defines.as_deref()),
        }
    }

    /// A statement that could not be read: what it would have made is not blamed later.
    fn broken(&mut self, word: &str, defines: Option<&str>) -> Result<(), Reported> {
        let near = nearest(word, COMMANDS.iter().map(|(name, _)| *name));
        let meant = near.first().map_or(word, String::as_str);
        match (meant, defines) {
            ("require", Some(alias)) => {
                self.connected.entry(alias.to_owned()).or_insert(None);
            }
            ("replace" | "keep" | "drop" | "assign-labels" | "tabulate" | "summarize" | "list-labels", _) => {
            }
            (meant, _) if other::only_shows(meant) => {}
            ("import-panel" | "reshape-to-panel" | "reshape-from-panel", _) => self.uncertain = true,
            (_, Some(name)) => self.fail_column(name),
            _ => self.uncertain = true,
        }
        Ok(())
    }

    pub(crate) fn report(&mut self, span: Span, problem: Problem) -> Reported {
        self.reporter.report(span, problem)
    }

    /// The name of the active dataset. Where there is none this is said once, and one is made up.
    pub(crate) fn active(&mut self, span: Span) -> Result<String, Reported> {
        if let Some(active) = &self.active {
            return Ok(active.clone());
        }
        if !self.uncertain {
            self.report(span, Problem::NoDataset);
        }
        let made_up = String::new();
        self.datasets.insert(made_up.clone(), Dataset::default());
        self.active = Some(made_up.clone());
        Ok(made_up)
    }

    /// The active dataset; there must be one by now.
    pub(crate) fn dataset(&mut self, active: &str) -> &mut Dataset {
        self.datasets.get_mut(active).expect("the active dataset exists")
    }

    /// Sees to it that the active dataset has units.
    pub(crate) fn populated(&mut self, active: &str, span: Span) -> Result<Population, Reported> {
        match &self.datasets[active].population {
            Some(population) => Ok(population.clone()),
            None if self.uncertain => Err(self.reporter.earlier()),
            None if self.datasets[active].columns.is_empty() => Err(self.report(span, Problem::NoPopulation)),
            // The first import failed, and was reported.
            None => Err(self.reporter.earlier()),
        }
    }

    pub(crate) fn lowering(&mut self, active: &str) -> Lowering<'_, '_, 's> {
        Lowering::new(&self.datasets[active], self.uncertain, self.reporter)
    }

    /// Leaves a mark where a column should have been made.
    pub(crate) fn fail_column(&mut self, name: &str) {
        if let Some(dataset) = self.active.as_ref().and_then(|active| self.datasets.get_mut(active)) {
            dataset.columns.entry(name.to_owned()).or_insert(Column::Failed);
        }
    }

    /// The place of a column among all that the script has made, with what is public about it.
    pub(crate) fn source(
        &mut self,
        column: kobling_model::preparation::Column,
        known: Known,
        constants: Option<(Interval, f64)>,
    ) -> usize {
        let (place, new) = self.made.source(&known.owner, column);
        if new {
            self.known.push(known);
            self.constants.push(constants);
        }
        place
    }

    /// Forgets what a column was, since a statement that should have changed it failed.
    pub(crate) fn spoil_column(&mut self, active: &str, name: &str) {
        if let Some(column) = self.dataset(active).columns.get_mut(name) {
            *column = Column::Failed;
        }
    }

    /// The name of a dataset that there is.
    pub(crate) fn known_dataset(&mut self, name: &Name) -> Result<String, Reported> {
        if self.datasets.contains_key(&name.text) {
            return Ok(name.text.clone());
        }
        if self.uncertain {
            return Err(self.reporter.earlier());
        }
        let near = nearest(&name.text, self.datasets.keys().map(String::as_str));
        Err(self.report(name.span, Problem::UnknownDataset { name: name.text.clone(), near }))
    }

    /// A name that the dataset does not have yet.
    pub(crate) fn new_name(&mut self, active: &str, name: &Name) -> Result<String, Reported> {
        let text = name.text.clone();
        match self.datasets[active].column(&text) {
            None => Ok(text),
            Some(Column::Failed) => Err(self.reporter.earlier()),
            Some(_) => Err(self.report(name.span, Problem::NameTaken { name: text })),
        }
    }

    /// A name that the dataset has.
    pub(crate) fn known_name(&mut self, active: &str, name: &Name) -> Result<String, Reported> {
        let text = name.text.clone();
        if self.datasets[active].column(&text).is_some() {
            return Ok(text);
        }
        if self.uncertain {
            return Err(self.reporter.earlier());
        }
        let near = nearest(&text, self.datasets[active].names());
        Err(self.report(name.span, Problem::UnknownName { name: text, near }))
    }

    /// A column with a value, with its name.
    pub(crate) fn value_column(
        &mut self,
        active: &str,
        name: &Name,
        key_problem: fn(String) -> Problem,
    ) -> Result<(String, ColumnValue), Reported> {
        let text = self.known_name(active, name)?;
        match &self.datasets[active].columns[&text] {
            Column::Value(value) => Ok((text, (**value).clone())),
            Column::Key(_) => Err(self.report(name.span, key_problem(text))),
            Column::Failed => Err(self.reporter.earlier()),
        }
    }

    /// Takes a column into the dataset, in place of one of the same name if there is one.
    pub(crate) fn put(
        &mut self,
        active: &str,
        name: String,
        value: ColumnValue,
        span: Span,
    ) -> Result<(), Reported> {
        let ColumnValue { lowered, labels, categories } = value;
        let lowered = self.by_code(lowered);
        let lowered = lowered.bounded(span, self.reporter).and_then(|lowered| {
            let values = lowered.domain.as_ref().map_or(0, |domain| domain.entries.len());
            self.spend(lowered.size() + values, span)?;
            Ok(lowered)
        });
        let (column, result) = match lowered {
            Ok(lowered) => (Column::Value(Arc::new(ColumnValue { lowered, labels, categories })), Ok(())),
            Err(reported) => (Column::Failed, Err(reported)),
        };
        self.dataset(active).columns.insert(name, column);
        result
    }

    /// Bounds the work that a whole script causes.
    pub(crate) fn spend(&mut self, nodes: usize, span: Span) -> Result<(), Reported> {
        self.spent = self.spent.saturating_add(nodes);
        if self.exhausted() { Err(self.report(span, Problem::PlanTooLarge)) } else { Ok(()) }
    }

    /// Whether the script has asked for more than it may; this has been reported.
    pub(crate) fn exhausted(&self) -> bool {
        self.spent > PLAN_NODES_MAX
    }

    /// Whether an expression yields whole numbers only, as far as is public.
    pub(crate) fn is_whole(&self, expression: &Expression) -> bool {
        let bounds: Vec<Option<Interval>> = self.known.iter().map(|known| known.bounds).collect();
        Interval::of(expression, &bounds).is_some_and(|bounds| bounds.whole)
    }

    /// The filters of `if condition`, split by owner.
    pub(crate) fn filters(&mut self, active: &str, condition: &Expr) -> Result<Vec<Filter>, Reported> {
        let terms = conjunction(condition);
        let filters: Vec<_> = terms.into_iter().map(|term| self.filter(active, term, false)).collect();
        let mut filters = filters.into_iter().collect::<Result<Vec<_>, _>>()?;
        // What holds of everybody leaves out nobody.
        filters.retain(|filter| {
            fold::constant(&filter.expression).is_none_or(|value| !fold::is_true(value.as_ref()))
        });
        Ok(filters)
    }

    /// One condition; for a drop, its negation.
    pub(crate) fn filter(&mut self, active: &str, term: &Expr, drop: bool) -> Result<Filter, Reported> {
        let mut lowered = self.lowering(active).lower_condition(term)?;
        if drop {
            lowered = lowered.not().bounded(term.span, self.reporter)?;
        }
        let size = lowered.size();
        Ok(Filter { owners: lowered.owners, expression: lowered.expression, size })
    }

    /// Asks whether the dataset, as it is now, passes the floor.
    pub(crate) fn ask_population(&mut self, active: &str, statement: &Statement) -> Result<(), Reported> {
        let kind = |_: &Sides| QuestionKind::Population { dataset: active.to_owned() };
        match &self.datasets[active].rows {
            RowsAre::Units => self.ask(active, &[], Asked::default(), kind, statement),
            // Units that have a row left.
            RowsAre::Spells(_) => {
                let word = statement.text.split_whitespace().next().unwrap_or_default().to_owned();
                let units = self.units_left(active, &word, statement.span)?;
                self.ask_of(&units, &[], Asked::default(), kind, statement)
            }
            // Each date has a population of its own.
            RowsAre::Panel(_) => {
                let mut asked = BTreeSet::new();
                let each = self.each_layer(active, |checker, _| {
                    let population = checker.datasets[active].population.as_ref();
                    match population.is_some_and(|population| asked.insert(population.source)) {
                        true => checker.ask_population(active, statement),
                        false => Ok(()),
                    }
                });
                each.map(drop)
            }
            // Nothing is shown of them, and what they are made from was asked about.
            RowsAre::Groups(_) => Ok(()),
        }
    }

    /// Adds a question over the dataset's population and filters, and `filters` of its own.
    pub(crate) fn ask(
        &mut self,
        active: &str,
        filters: &[Filter],
        asked: Asked,
        kind: impl FnOnce(&Sides) -> QuestionKind,
        statement: &Statement,
    ) -> Result<(), Reported> {
        self.populated(active, statement.span)?;
        let command = || statement.text.split_whitespace().next().unwrap_or_default().to_owned();
        let unprepared = match &self.datasets[active].rows {
            RowsAre::Units => None,
            RowsAre::Spells(_) => Some(Unprepared::OfSpells { command: command() }),
            RowsAre::Groups(_) => Some(Unprepared::OfGroups { command: command() }),
            RowsAre::Panel(_) => Some(Unprepared::OfPanel { command: command() }),
        };
        if let Some(unprepared) = unprepared {
            return Err(self.report(statement.span, Problem::Unprepared(unprepared)));
        }
        let dataset = self.datasets[active].rows_only();
        self.ask_of(&dataset, filters, asked, kind, statement)
    }

    /// The same of a dataset whose rows are units.
    pub(crate) fn ask_of(
        &mut self,
        dataset: &Dataset,
        filters: &[Filter],
        asked: Asked,
        kind: impl FnOnce(&Sides) -> QuestionKind,
        statement: &Statement,
    ) -> Result<(), Reported> {
        let population = dataset.population.clone().expect("it has been looked at");
        if self.questions.len() >= QUESTIONS_MAX {
            return Err(self.report(statement.span, Problem::PlanTooLarge));
        }
        let all = dataset.filters.iter().chain(filters);
        let of_filters: usize = all.map(|filter| filter.size).sum();
        let of_dimensions = |dimension: &Dimension| dimension.expression.size() + dimension.categories.len();
        let of_dimensions: usize =
            asked.dimensions.iter().map(|(_, dimension)| of_dimensions(dimension)).sum();
        let of_value = asked.value.iter().map(|(_, expression)| expression.size()).sum::<usize>();
        self.spend(of_filters + of_dimensions + of_value + 1, statement.span)?;
        let filters = Filters { of_dataset: &dataset.filters, of_question: filters };
        let sides = match sides(&self.known, &self.made, &population, filters, asked, &mut self.joint_work) {
            Ok(sides) => sides,
            Err(NoSides::Owners(owners)) => {
                return Err(self.report(statement.span, Problem::TooManyOwners { owners }));
            }
            Err(NoSides::Combinations(owners)) => {
                return Err(self.report(statement.span, Problem::TooManyCombinations { owners }));
            }
            Err(NoSides::NotAcross(columns, obstacle)) => {
                return Err(self.report(statement.span, Problem::NotAcross { columns, obstacle }));
            }
        };
        let fragments = std::iter::once(&sides.left).chain(&sides.right).chain(&sides.others);
        let prepared = fragments.flat_map(|fragment| &fragment.preparations).map(Preparation::size);
        self.spend(prepared.sum(), statement.span)?;
        let tables = sides.conditions.iter().chain(&sides.joints).map(|joint| joint.category_of.len());
        self.spend(tables.sum(), statement.span)?;
        let unit_type = dataset.unit_type.expect("a population has a unit type");
        self.questions.push(Question {
            line: statement.line,
            text: statement.text.clone(),
            kind: kind(&sides),
            unit_type,
            left: sides.left,
            right: sides.right,
            others: sides.others,
            sums: sides.sums,
            joints: sides.joints,
            conditions: sides.conditions,
            conditions_of_question: sides.conditions_of_question,
        });
        Ok(())
    }
}
