//! A plain oracle: what a protected table must be, from pooled clear registers and all keys at once.
//!
//! This is what no party of the system can do, written as straight as possible so that it can be believed: read all
//! owners' files, pool rows by identity, look at one unit after the other, count, perturb, judge. It follows
//! `docs/PROTECTION.md` and the words of `kobling-model`, and shares no code with what it judges: neither
//! `kobling-crypto` nor `kobling-disclosure` nor a node's reader or query engine. Of the product it takes the
//! plan and the form of a table.

use std::collections::HashMap;
use std::fmt;

use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use kobling_model::expression::{Expression, Value};
use kobling_model::joint::{Input, Joint};
use kobling_model::plan::{
    Category, Dimension, Fragment, Place, Plan, Question, QuestionKind, Rest, Side, TableShape,
};
use kobling_model::rules::{Refusal, Rules};
use kobling_model::table::{Axis, Cell, Statistics, Summary, Table};
use kobling_model::{OwnerId, UnitType};
use ring::hmac;

mod expression;
mod memory;
mod preparation;
mod registers;
mod values;

pub use self::expression::evaluate;
use self::expression::{is_true, number};
use self::memory::Settled;
pub use self::memory::{Book, Memory};
use self::preparation::View;
pub use self::registers::{Groups, Registers};
use self::values::ValueColumn;

/// How a question must end.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The population passes its floor, or the edit is carried out.
    Passed,
    /// The edit is not carried out.
    NotCarriedOut,
    /// A rule refuses.
    Refused(Refusal),
    /// The protected table.
    Table(Table),
}

/// The secrets of a federation, all in one place.
#[derive(Clone)]
pub struct Keys {
    /// The record-key secret.
    pub record_key_secret: [u8; 32],
    /// The noise key k: the XOR of all parts.
    pub noise_key: [u8; 16],
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(hidden)")
    }
}

/// A value of a unit, or none where it is missing.
pub type Datum = Option<Value>;

/// The published perturbation table: the change of a count by row and cell key.
#[derive(Clone)]
pub struct Perturbation(Vec<Vec<i64>>);

impl Perturbation {
    /// Reads the published file.
    pub fn published() -> Self {
        Self::parse(include_str!("../../../disclosure/data/perturbation-d5-v3-js2.csv"))
    }

    /// A table that changes nothing.
    pub fn none() -> Self {
        Self(vec![vec![0; 256]])
    }

    /// Reads lines of count, key and change. A malformed table is a fault of the test.
    pub fn parse(text: &str) -> Self {
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("pcv,ckey,pvalue"), "the header of the format");
        let mut rows: Vec<Vec<i64>> = Vec::new();
        for line in lines {
            let numbers: Vec<i64> = line.split(',').map(|field| field.parse().expect("a number")).collect();
            let [count, key, change] = numbers[..] else { panic!("three fields a line") };
            if key == 0 {
                rows.push(Vec::new());
            }
            assert_eq!(
                (count + 1, key),
                (rows.len() as i64, rows.last().map_or(0, Vec::len) as i64),
                "in order"
            );
            rows.last_mut().expect("a row has begun").push(change);
        }
        assert!(!rows.is_empty() && rows.iter().all(|row| row.len() == 256), "256 keys for each count");
        Self(rows)
    }

    /// The perturbed count.
    pub fn perturbed(&self, count: u64, key: u8) -> u64 {
        let row = (count as usize).min(self.0.len() - 1);
        u64::try_from(count as i64 + self.0[row][usize::from(key)]).expect("no perturbed count is negative")
    }
}

/// What no number of a policy says: the table of rule 3, and whether rule 10 judges. [`Self::published`] is what a federation has;
/// anything else is there to show what a rule is for.
#[derive(Clone)]
pub struct Method {
    /// The perturbation table.
    pub table: Perturbation,
    /// Whether dominated cells are hidden.
    pub judges_dominance: bool,
}

impl Method {
    /// What the documents say.
    pub fn published() -> Self {
        Self { table: Perturbation::published(), judges_dominance: true }
    }
}

/// How each question of a plan must end, up to the first that is refused, or that is about an edit and ends otherwise than the
/// plan has it. Owners remember its questions.
pub fn answer(
    plan: &Plan,
    registers: &Registers,
    keys: &Keys,
    rules: &Rules,
    memory: &mut Memory,
) -> Vec<Outcome> {
    answer_with_cells(plan, registers, keys, rules, memory).into_iter().map(|(outcome, _)| outcome).collect()
}

/// As [`answer`], each with the true cells that it was made from.
pub fn answer_with_cells(
    plan: &Plan,
    registers: &Registers,
    keys: &Keys,
    rules: &Rules,
    memory: &mut Memory,
) -> Vec<(Outcome, Vec<TrueCell>)> {
    answer_by(plan, registers, keys, rules, &Method::published(), memory)
}

/// As [`answer_with_cells`], by another method than the published one.
pub fn answer_by(
    plan: &Plan,
    registers: &Registers,
    keys: &Keys,
    rules: &Rules,
    method: &Method,
    memory: &mut Memory,
) -> Vec<(Outcome, Vec<TrueCell>)> {
    let mut outcomes = Vec::new();
    let planned: HashMap<usize, bool> = plan.edits().collect();
    for (at, question) in plan.questions.iter().enumerate() {
        let (outcome, cells) = answer_question(question, registers, keys, rules, method, memory);
        let refused = matches!(outcome, Outcome::Refused(_));
        let carried_out = outcome != Outcome::NotCarriedOut;
        outcomes.push((outcome, cells));
        if refused || planned.get(&at).is_some_and(|planned| *planned != carried_out) {
            break;
        }
    }
    outcomes
}

/// True count, key sums and sums of values of one cell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrueCell {
    /// Units.
    pub count: u64,
    /// Sums of the limbs of their record keys, not reduced.
    pub keys: [u64; 3],
    /// Sum of the codes of the value column.
    pub sum: i128,
    /// Sum of their squared distances from the centre.
    pub squares: i128,
    /// What rule 10 judges: sums, each with a bound of the sum of squares.
    pub evidence: Vec<(i128, i128)>,
}

fn answer_question(
    question: &Question,
    registers: &Registers,
    keys: &Keys,
    rules: &Rules,
    method: &Method,
    memory: &mut Memory,
) -> (Outcome, Vec<TrueCell>) {
    let sides = sides(question, registers, &keys.record_key_secret);
    let settled = memory.settle(question, &sides, &method.table);
    let column = ValueColumn::of(question, &sides, &keys.record_key_secret);
    let cells = cells_of(question, &sides, &settled, &keys.record_key_secret, column.as_ref());
    let perturbed =
        cells.iter().map(|cell| method.table.perturbed(cell.count, cell_key(cell, &keys.noise_key)));
    let perturbed: Vec<u64> = perturbed.collect();
    let sums = column.as_ref().map(|column| {
        let protected =
            |(cell, perturbed): (&TrueCell, &u64)| column.protected(cell, *perturbed, method, keys, rules);
        (column, cells.iter().zip(&perturbed).map(protected).collect::<Vec<_>>())
    });
    let outcome = match &question.kind {
        QuestionKind::Population { .. } if perturbed[0] < u64::from(rules.population_units_min) => {
            Outcome::Refused(Refusal::PopulationFloor)
        }
        QuestionKind::Population { .. } => Outcome::Passed,
        QuestionKind::Edit(edit) => {
            let few = |cell: usize| perturbed[cell] < u64::from(rules.edit_units_min);
            if few(0) || edit.rest == Rest::NotFew && few(1) {
                Outcome::NotCarriedOut
            } else if edit.rest == Rest::Population && perturbed[1] < u64::from(rules.population_units_min) {
                Outcome::Refused(Refusal::PopulationFloor)
            } else {
                Outcome::Passed
            }
        }
        QuestionKind::Table(shape) => match protected_table(question, shape, &perturbed, rules) {
            Outcome::Table(table) => {
                let summary = sums.map(|(column, sums)| Summary {
                    variable: column.name().to_owned(),
                    cells: (sums.into_iter().zip(&perturbed))
                        .map(|(sums, count)| {
                            let statistics = sums.map(|sums| column.statistics(shape, *count, sums));
                            // A cell of which nothing can be said is hidden.
                            statistics.filter(|statistics| *statistics != Statistics::default())
                        })
                        .collect(),
                });
                Outcome::Table(Table { summary, ..table })
            }
            refused => refused,
        },
    };
    (outcome, cells)
}

/// True cells with margins, before any protection and without rule 13: what must be in no message of any party.
pub fn true_cells(question: &Question, registers: &Registers, record_key_secret: &[u8; 32]) -> Vec<TrueCell> {
    let sides = sides(question, registers, record_key_secret);
    let column = ValueColumn::of(question, &sides, record_key_secret);
    cells_of(question, &sides, &HashMap::new(), record_key_secret, column.as_ref())
}

/// What each owner of a question knows of units.
pub(crate) type Sides<'a> = HashMap<Side, View<'a>>;

fn sides<'a>(question: &'a Question, registers: &'a Registers, secret: &[u8; 32]) -> Sides<'a> {
    let view = |(side, fragment)| (side, View::of(fragment, registers, question.unit_type, secret));
    fragments(question).map(view).collect()
}

fn cells_of(
    question: &Question,
    sides: &Sides<'_>,
    settled: &HashMap<Side, Settled>,
    record_key_secret: &[u8; 32],
    column: Option<&ValueColumn<'_>>,
) -> Vec<TrueCell> {
    let form = Form::of(question);
    let mut cells = vec![TrueCell::default(); form.cells()];
    let identities: Vec<&str> = match settled.get(&Side::Left) {
        Some(settled) => settled.keys().map(String::as_str).collect(),
        None => sides[&Side::Left].identities().into_iter().collect(),
    };
    for identity in identities {
        let columns = sides.iter().map(|(side, view)| (*side, view.columns(identity))).collect();
        let of = |side: &Side| settled.get(side).and_then(|settled| settled.get(identity));
        let Some(place) = place(question, &columns, of) else { continue };
        let value = match column {
            None => None,
            Some(column) => match column.values(&columns) {
                // Without a value, in no cell.
                None => continue,
                values => values,
            },
        };
        let record_key = record_key(record_key_secret, question.unit_type, identity);
        for at in form.cells_of(&place) {
            cells[at].count += 1;
            if let (Some(column), Some(values)) = (column, &value) {
                column.add(&mut cells[at], values);
            }
            for (sum, limb) in cells[at].keys.iter_mut().zip(record_key) {
                *sum += u64::from(limb);
            }
        }
    }
    cells
}

/// Every owner's columns at one unit.
pub(crate) type Columns = HashMap<Side, Vec<Datum>>;

/// The category of each dimension of each owner.
type Categories = HashMap<Side, Vec<usize>>;

/// The category of each variable, in the order written, that a unit counts in; none where it does not count. `settled` is what an owner
/// that remembers has made of the unit, where it has it.
fn place<'a>(
    question: &Question,
    columns: &Columns,
    settled: impl Fn(&Side) -> Option<&'a Option<Vec<usize>>>,
) -> Option<Vec<usize>> {
    let mut all = Categories::new();
    for (side, fragment) in fragments(question) {
        let own = match settled(&side) {
            Some(settled) => settled.clone(),
            // The population has a value in the first column of its owner.
            None if side == Side::Left && columns[&side][0].is_none() => None,
            None => categories(fragment, &columns[&side]),
        };
        all.insert(side, own?);
    }
    for condition in &question.conditions {
        joint_category(question, condition, columns, &all)?;
    }
    let category = |place: Place| match place {
        Place::Own { side, dimension } => Some(all[&side][dimension]),
        Place::Joint(at) => joint_category(question, &question.joints[at], columns, &all),
    };
    match &question.kind {
        QuestionKind::Population { .. } => Some(Vec::new()),
        QuestionKind::Edit(edit) => Some(vec![category(edit.touched)?]),
        QuestionKind::Table(shape) => {
            shape.variables.iter().map(|variable| category(variable.place)).collect()
        }
    }
}

/// The category of a unit in a column that several owners' values make, from all of them at once.
fn joint_category(question: &Question, joint: &Joint, columns: &Columns, all: &Categories) -> Option<usize> {
    let of = |side: Side, expression: &Expression| evaluate(expression, &columns[&side]);
    let fragment = |side: Side| fragments(question).find(|(of, _)| *of == side).expect("the side is there").1;
    let input = |input: &Input| match input {
        Input::Dimension { side, dimension } => {
            let categories = &fragment(*side).dimensions[*dimension].categories;
            categories[all[side][*dimension]].value.clone()
        }
        Input::Sum(sum) => {
            let mut total = 0.0;
            for (side, at) in &question.sums[*sum].summands {
                let summand = &fragment(*side).numbers[*at];
                match of(*side, &summand.expression)? {
                    Value::Number(value) => total += value.clamp(summand.low as f64, summand.high as f64),
                    Value::Text(text) => panic!("a text in a sum: {text}"),
                }
            }
            number(total)
        }
    };
    let inputs: Vec<Datum> = joint.inputs.iter().map(input).collect();
    let value = evaluate(&joint.expression, &inputs);
    joint.categories.iter().position(|category| category.value == value)
}

/// The category of each dimension of a fragment; none where a filter does not hold or there is no category.
fn categories(fragment: &Fragment, values: &[Datum]) -> Option<Vec<usize>> {
    if !fragment.filters.iter().all(|filter| is_true(&evaluate(filter, values))) {
        return None;
    }
    let category = |dimension: &Dimension| {
        let value = evaluate(&dimension.expression, values);
        dimension.categories.iter().position(|category| category.value == value)
    };
    fragment.dimensions.iter().map(category).collect()
}

/// Rows, columns and margins of a question's result.
struct Form {
    sizes: Vec<usize>,
    /// A table without variables has one cell, and no margins; nor has what is no table.
    margins: bool,
}

impl Form {
    fn of(question: &Question) -> Self {
        match &question.kind {
            QuestionKind::Population { .. } => Self { sizes: Vec::new(), margins: false },
            QuestionKind::Edit(_) => Self { sizes: vec![2], margins: false },
            QuestionKind::Table(shape) => {
                let sizes: Vec<usize> =
                    axes(question, shape).iter().map(|axis| axis.categories.len()).collect();
                Self { margins: !sizes.is_empty(), sizes }
            }
        }
    }

    fn rows(&self) -> usize {
        self.sizes.first().copied().unwrap_or(1)
    }

    fn columns(&self) -> usize {
        self.sizes.iter().skip(1).product()
    }

    fn width(&self) -> usize {
        self.columns() + usize::from(self.sizes.len() > 1)
    }

    fn cells(&self) -> usize {
        if self.margins { (self.rows() + 1) * self.width() } else { self.rows() }
    }

    /// Whether a cell is no margin.
    fn is_inner(&self, cell: usize) -> bool {
        cell / self.width() < self.rows() && cell % self.width() < self.columns()
    }

    /// Every cell that a unit in these categories counts in.
    fn cells_of(&self, place: &[usize]) -> Vec<usize> {
        if !self.margins {
            return vec![place.first().copied().unwrap_or(0)];
        }
        let (row, others) = place.split_first().expect("a table has a variable");
        let column = others.iter().zip(&self.sizes[1..]).fold(0, |column, (at, size)| column * size + at);
        let mut cells = Vec::new();
        for row in [*row, self.rows()] {
            cells.push(row * self.width() + column);
            if self.sizes.len() > 1 {
                cells.push(row * self.width() + self.columns());
            }
        }
        cells
    }
}

fn axes(question: &Question, shape: &TableShape) -> Vec<Axis> {
    let axis = |variable: &kobling_model::plan::TableVariable| {
        let categories: &Vec<Category> = match variable.place {
            Place::Joint(at) => &question.joints[at].categories,
            Place::Own { side, dimension } => {
                let mut fragments = fragments(question);
                let (_, fragment) = fragments.find(|(of, _)| *of == side).expect("in a fragment");
                &fragment.dimensions[dimension].categories
            }
        };
        Axis { name: variable.name.clone(), categories: categories.clone() }
    };
    shape.variables.iter().map(axis).collect()
}

fn protected_table(question: &Question, shape: &TableShape, perturbed: &[u64], rules: &Rules) -> Outcome {
    let form = Form::of(question);
    let small = |count: u64| count >= 1 && count <= u64::from(rules.small_cell_units_max);
    let inner = || perturbed.iter().enumerate().filter(|(at, _)| form.is_inner(*at));
    let suppressed = inner().filter(|(_, count)| small(**count)).count();
    if 100 * suppressed > rules.small_cells_percent_max as usize * inner().count() {
        return Outcome::Refused(Refusal::SmallCells);
    }
    let shown = |count: &u64| if small(*count) { Cell::Suppressed } else { Cell::Count(*count) };
    Outcome::Table(Table {
        line: question.line,
        text: question.text.clone(),
        axes: axes(question, shape),
        shows: shape.shows.clone(),
        cells: perturbed.iter().map(shown).collect(),
        summary: None,
    })
}

/// Key of a cell: the first byte of AES-128 over fingerprint and column id.
pub fn cell_key(cell: &TrueCell, noise_key: &[u8; 16]) -> u8 {
    cipher(cell, b"count\0\0\0", noise_key)[0]
}

fn cipher(cell: &TrueCell, column: &[u8; 8], noise_key: &[u8; 16]) -> [u8; 16] {
    let mut block = [0; 16];
    let words = [cell.count, cell.keys[0], cell.keys[1], cell.keys[2]];
    for (at, word) in words.into_iter().enumerate() {
        let reduced = (word % 65_536) as u16;
        block[2 * at..2 * at + 2].copy_from_slice(&reduced.to_le_bytes());
    }
    block[8..].copy_from_slice(column);
    let mut block = block.into();
    Aes128::new(&(*noise_key).into()).encrypt_block(&mut block);
    block.into()
}

/// The three limbs of a unit's record key.
pub fn record_key(secret: &[u8; 32], unit_type: UnitType, identity: &str) -> [u16; 3] {
    let mut message = Vec::new();
    for part in ["kobling record key v1", unit_type.as_str(), identity] {
        message.extend((part.len() as u32).to_le_bytes());
        message.extend(part.as_bytes());
    }
    let digest = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), &message);
    let bytes = digest.as_ref();
    [0, 2, 4].map(|at| u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

/// The rules that `kobling-node init` writes: the loosest of all.
pub fn loosest_rules() -> Rules {
    let hash = "2d7a3db2adae67d47f009524643af542121d11acd68a5e7d7715bcca57ea933b";
    Rules {
        population_units_min: 1000,
        perturbation_table: kobling_model::Hash::parse(hash).expect("a hash"),
        small_cell_units_max: 4,
        small_cells_percent_max: 50,
        edit_units_min: 15,
        statistic_units_min: 15,
        two_largest_percent_max: 90,
        others_percent_of_largest_min: 10,
    }
}

/// What each owner has in a question.
fn fragments(question: &Question) -> impl Iterator<Item = (Side, &Fragment)> {
    let right = question.right.iter().map(|fragment| (Side::Right, fragment));
    let others = question.others.iter().enumerate().map(|(at, fragment)| (Side::Other(at), fragment));
    std::iter::once((Side::Left, &question.left)).chain(right).chain(others)
}

/// The owners whose data a question uses: left, then right, then others.
pub fn owners(question: &Question) -> Vec<OwnerId> {
    fragments(question).map(|(_, fragment)| fragment.owner.clone()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use kobling_model::expression::ValueType;
    use kobling_model::plan::{Show, Source, TableVariable};
    use kobling_model::preparation::Column;
    use kobling_model::{DatastoreId, Hash, VariableName};

    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    fn registers(folder: &Path, datasets: &[(&str, &str, &str, &str)]) -> Registers {
        for (name, temporality, data_type, csv) in datasets {
            let at = folder.join(name);
            std::fs::create_dir_all(&at).expect("a folder");
            let json = format!(
                r#"{{"temporalityType":"{temporality}","identifierVariables":[{{"unitType":"PERSON"}}],"measureVariables":[{{"dataType":"{data_type}"}}]}}"#
            );
            std::fs::write(at.join(format!("{name}.json")), json).expect("written");
            std::fs::write(at.join(format!("{name}.csv")), csv).expect("written");
        }
        let mut registers = Registers::default();
        registers.add(&DatastoreId::new("a").expect("valid"), folder);
        registers
    }

    fn source(variable: &str, date: Option<&str>, value_type: ValueType) -> Source {
        Source {
            datastore: DatastoreId::new("a").expect("valid"),
            version: "1.0.0".parse().expect("valid"),
            variable: VariableName::new(variable).expect("valid"),
            data: Hash::of(b""),
            date: date.map(|date| date.parse().expect("a day")),
            value_type,
        }
    }

    fn dimension(source: usize, values: &[Option<Value>]) -> Dimension {
        let category = |value: &Option<Value>| Category { value: value.clone(), label: String::new() };
        Dimension {
            name: "d".into(),
            expression: Expression::Source(source),
            categories: values.iter().map(category).collect(),
        }
    }

    fn fragment(owner: &str, sources: Vec<Source>, dimensions: Vec<Dimension>) -> Fragment {
        Fragment {
            owner: OwnerId::new(owner).expect("valid"),
            preparations: Vec::new(),
            sources: sources.into_iter().map(Column::Register).collect(),
            filters: Vec::new(),
            filters_of_question: 0,
            dimensions,
            value: None,
            numbers: Vec::new(),
        }
    }

    fn question(left: Fragment, right: Option<Fragment>, sides: &[(Side, usize)]) -> Question {
        let variable = |(side, dimension): &(Side, usize)| TableVariable {
            name: "d".into(),
            place: Place::Own { side: *side, dimension: *dimension },
        };
        let shape = TableShape {
            variables: sides.iter().map(variable).collect(),
            shows: vec![Show::Frequency],
            missing: false,
            value: None,
        };
        Question {
            line: 1,
            text: "tabulate".into(),
            kind: QuestionKind::Table(shape),
            unit_type: UnitType::Person,
            left,
            right,
            others: Vec::new(),
            sums: Vec::new(),
            joints: Vec::new(),
            conditions: Vec::new(),
            conditions_of_question: 0,
        }
    }

    fn counts(cells: &[TrueCell]) -> Vec<u64> {
        cells.iter().map(|cell| cell.count).collect()
    }

    #[test]
    fn the_file_of_the_perturbation_table_is_the_one_that_the_documents_name() {
        let bytes = include_str!("../../../disclosure/data/perturbation-d5-v3-js2.csv");
        assert_eq!(Hash::of(bytes.as_bytes()), loosest_rules().perturbation_table);
        let table = Perturbation::published();
        // Row 1: 188 keys take the unit away, then 35, 19, 9 and 5 keys add 2 to 5.
        let perturbed: BTreeSet<u64> = (0..=255).map(|key| table.perturbed(1, key)).collect();
        assert_eq!(perturbed.into_iter().collect::<Vec<_>>(), [0, 3, 4, 5, 6]);
        assert_eq!((table.perturbed(1, 187), table.perturbed(1, 188), table.perturbed(1, 255)), (0, 3, 6));
        // Row 8 serves every larger count.
        assert_eq!((table.perturbed(8, 0), table.perturbed(1_000_000, 0)), (3, 999_995));
        assert_eq!(table.perturbed(0, 255), 0);
    }

    #[test]
    fn record_keys_are_the_first_bytes_of_the_keyed_hash() {
        // Computed with Python: hmac.new(bytes(range(32)), message, "sha256").digest()[:6], "<HHH".
        let secret: [u8; 32] = std::array::from_fn(|at| at as u8);
        assert_eq!(record_key(&secret, UnitType::Person, "01815000000"), [32_174, 62_543, 19_306]);
    }

    #[test]
    fn the_cell_key_is_the_first_byte_of_the_cipher() {
        // Computed with OpenSSL: aes-128-ecb of 0300 0100 0200 ffff 636f756e74000000 under key 000102…0f.
        let cell = TrueCell { count: 65_539, keys: [1, 65_538, 65_535], ..TrueCell::default() };
        let key: [u8; 16] = std::array::from_fn(|at| at as u8);
        assert_eq!(cell_key(&cell, &key), 0xca);
    }

    #[test]
    fn units_are_pooled_by_identity_and_margins_are_sums() {
        let folder = tempfile::tempdir().expect("a folder");
        let registers = registers(
            folder.path(),
            &[
                ("SEX", "FIXED", "STRING", "1;m;;;\n 2 ;f;;;\n3;f;;;\n4;x;;;\n"),
                ("SITE", "FIXED", "LONG", "1;10;;;\n3;20;;;\n4;10;;;\n9;20;;;\n"),
            ],
        );
        let left = fragment(
            "ssb",
            vec![source("SEX", None, ValueType::Text)],
            vec![dimension(0, &[Some(text("m")), Some(text("f"))])],
        );
        let number = |value| Some(Value::Number(value));
        let right = fragment(
            "krg",
            vec![source("SITE", None, ValueType::Number)],
            vec![dimension(0, &[number(10.0), number(20.0), None])],
        );
        let ask = question(left.clone(), Some(right), &[(Side::Left, 0), (Side::Right, 0)]);
        // Rows m, f, total; columns 10, 20, missing, total. Unit 4 has no category, 9 is outside the population.
        let cells = true_cells(&ask, &registers, &[7; 32]);
        assert_eq!(counts(&cells), [1, 0, 0, 1, 0, 1, 1, 2, 1, 1, 1, 3]);
        let keys = ["1", "2", "3"].map(|id| u64::from(record_key(&[7; 32], UnitType::Person, id)[1]));
        assert_eq!(cells[11].keys[1], keys.iter().sum::<u64>());
        let third = fragment("fhi", vec![source("SEX", None, ValueType::Text)], vec![dimension(0, &[None])]);
        let mut nobody = question(left.clone(), ask.right.clone(), &[(Side::Left, 0), (Side::Other(0), 0)]);
        nobody.others.push(third.clone());
        assert_eq!(counts(&true_cells(&nobody, &registers, &[7; 32])), [0; 6]);
        nobody.others[0] = Fragment { dimensions: vec![dimension(0, &[Some(text("f"))])], ..third };
        assert_eq!(counts(&true_cells(&nobody, &registers, &[7; 32])), [0, 0, 2, 2, 2, 2]);
        let alone = question(left, None, &[(Side::Left, 0)]);
        assert_eq!(counts(&true_cells(&alone, &registers, &[7; 32])), [1, 2, 3]);
    }

    #[test]
    fn values_hold_at_the_dates_that_their_temporality_says() {
        let folder = tempfile::tempdir().expect("a folder");
        let registers = registers(
            folder.path(),
            &[
                ("STATUS", "STATUS", "LONG", "1;5;2020-01-01;2020-01-01;\n1;6;2021-01-01;2021-01-01;\n"),
                ("SUM", "ACCUMULATED", "LONG", "1;5;2020-01-01;2020-12-31;\n"),
                (
                    "STATE",
                    "EVENT",
                    "DATE",
                    "1;1970-01-02;2020-01-01;2020-06-30;\n1;1970-01-03;2020-07-01;;\n",
                ),
            ],
        );
        let value = |variable, date| {
            let value = registers.value(&source(variable, Some(date), ValueType::Number), "1");
            value.map(|value| if let Value::Number(number) = value { number } else { f64::NAN })
        };
        assert_eq!((value("STATUS", "2021-01-01"), value("STATUS", "2020-06-01")), (Some(6.0), None));
        assert_eq!((value("SUM", "2020-12-31"), value("SUM", "2021-01-01")), (Some(5.0), None));
        assert_eq!(value("STATE", "2019-12-31"), None);
        assert_eq!((value("STATE", "2020-06-30"), value("STATE", "2020-07-01")), (Some(1.0), Some(2.0)));
        assert_eq!(value("STATE", "2099-01-01"), Some(2.0));
    }

    #[test]
    fn a_table_is_suppressed_cell_by_cell_and_refused_where_too_much_is_small() {
        let values: Vec<_> = ["a", "b", "c", "d"].map(|value| Some(text(value))).to_vec();
        let left = fragment("ssb", vec![], vec![dimension(0, &values)]);
        let ask = question(left, None, &[(Side::Left, 0)]);
        let QuestionKind::Table(shape) = &ask.kind else { panic!("a table") };
        let outcome = |perturbed: [u64; 5]| protected_table(&ask, shape, &perturbed, &loosest_rules());
        let cells = |outcome| match outcome {
            Outcome::Table(table) => table.cells,
            other => panic!("{other:?}"),
        };
        let [shown, hidden] = [Cell::Count, |_| Cell::Suppressed];
        assert_eq!(cells(outcome([0, 4, 5, 3, 12])), [shown(0), hidden(4), shown(5), hidden(3), shown(12)]);
        assert_eq!(cells(outcome([0, 0, 0, 0, 4])), [shown(0), shown(0), shown(0), shown(0), hidden(4)]);
        assert_eq!(outcome([3, 4, 4, 9, 20]), Outcome::Refused(Refusal::SmallCells));
    }

    #[test]
    fn a_population_is_refused_below_its_floor_after_noise() {
        let folder = tempfile::tempdir().expect("a folder");
        let lines: String = (0..1020).map(|id| format!("{id};1;;;\n")).collect();
        let registers = registers(folder.path(), &[("V", "FIXED", "LONG", &lines)]);
        let keys = Keys { record_key_secret: [1; 32], noise_key: [2; 16] };
        let mut ask =
            question(fragment("ssb", vec![source("V", None, ValueType::Number)], vec![]), None, &[]);
        ask.kind = QuestionKind::Population { dataset: "d".into() };
        let method = Method::published();
        let outcome = |floor| {
            let rules = Rules { population_units_min: floor, ..loosest_rules() };
            answer_question(&ask, &registers, &keys, &rules, &method, &mut Memory::default()).0
        };
        assert_eq!(
            (outcome(1015), outcome(1026)),
            (Outcome::Passed, Outcome::Refused(Refusal::PopulationFloor))
        );
    }
}
