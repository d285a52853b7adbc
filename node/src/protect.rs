//! The gate: the one place of the product where anything computed on shares may be opened.
//!
//! Order, kept by types: shares go in; the rules are judged on perturbed counts, still in shares
//! ([`kobling_crypto::protocol::protect`]); one bit, of an edit two, is opened between the workers, for which the record of the
//! opening is on disk already ([`crate::conduct`] writes it before the first message); only a table that the bit
//! has passed becomes a partial aggregate, and that is handed out after its outcome is recorded.

use kobling_crypto::protocol::ProtocolError;
use kobling_crypto::protocol::engine::Engine;
use kobling_crypto::protocol::lookup;
use kobling_crypto::protocol::protect::{self, CellShares, Program, ProtectShape, ReleasedShares};
use kobling_crypto::share::OpeningPermit;
use kobling_disclosure::PerturbationTable;
use kobling_model::partial::PartialAggregate;
use kobling_model::plan::{Question, QuestionKind, Rest};
use kobling_model::rules::{Refusal, Rules, Warning};
use kobling_model::table::{inner_cells, layout};

use crate::values;

/// What may leave once its outcome is recorded.
#[derive(Debug)]
pub enum Cleared {
    /// A population that passed its floor, or an edit that is carried out: nothing but that.
    Passed,
    /// An edit that is not carried out: nothing but that, by which rule.
    NotCarriedOut(Warning),
    /// This worker's share of a protected table.
    Table(Box<PartialAggregate>),
}

/// What the opened bit says.
#[derive(Debug)]
pub enum Verdict {
    /// The rules refuse. Nothing else is ever sent.
    Refused,
    /// The population passed, or the edit is carried out.
    Passed,
    /// The edit is not carried out.
    NotCarriedOut,
    /// The table passed: this worker's re-randomised shares, margins included.
    Table(ReleasedShares),
}

/// The numbers of the rules do not fit the question: another perturbation table than the published one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the perturbation table named by the rules is not known")]
pub struct UnknownTable;

/// The public shape of a question's protection under the rules in force.
///
/// # Errors
/// [`UnknownTable`].
pub fn shape(question: &Question, rules: &Rules) -> Result<ProtectShape, UnknownTable> {
    let table = PerturbationTable::known(rules.perturbation_table).ok_or(UnknownTable)?;
    let largest = table.largest_change().unsigned_abs();
    let table = lookup::PerturbationTable::new(table.lower_bounds(), largest).map_err(|_| UnknownTable)?;
    let (cells, program) = match (&question.kind, layout(question)) {
        (QuestionKind::Edit(edit), _) => {
            let units_min = rules.edit_units_min;
            let (rest_min, floor) = match edit.rest {
                Rest::NotFew => (units_min, 0),
                Rest::Population => (0, rules.population_units_min),
                Rest::Nothing => (0, 0),
            };
            (inner_cells(question), Program::Edit { units_min, rest_min, floor })
        }
        (_, None) => (1, Program::Population { floor: rules.population_units_min }),
        (_, Some(layout)) => {
            let program = Program::Table {
                small_max: rules.small_cell_units_max,
                small_percent_max: rules.small_cells_percent_max,
                counted: layout.inner().collect(),
                values: question.value().map(|column| values::shape(column, rules)),
            };
            (layout.cells(), program)
        }
    };
    Ok(ProtectShape { cells, table, column_id: ProtectShape::COUNT_COLUMN, program })
}

/// The rule that a refusal of this question stands for.
pub fn refusal(question: &Question) -> Refusal {
    match question.kind {
        QuestionKind::Population { .. } | QuestionKind::Edit(_) => Refusal::PopulationFloor,
        QuestionKind::Table(_) => Refusal::SmallCells,
    }
}

/// Protects shares of a table and opens what the rules allow. Blocking.
///
/// # Errors
/// [`ProtocolError`]; nothing was opened, or nothing but the bit.
pub fn clear(
    engine: &mut Engine<'_>,
    shape: &ProtectShape,
    cells: &CellShares,
    noise_key_summand: &[u8; 16],
) -> Result<Verdict, ProtocolError> {
    // Protect before open.
    let judged = protect::perturb(engine, shape, cells, noise_key_summand)?.judge(engine, shape)?;
    Ok(match judged.open(engine, permit())? {
        protect::Verdict::Refused => Verdict::Refused,
        protect::Verdict::Passed => Verdict::Passed,
        protect::Verdict::NotCarriedOut => Verdict::NotCarriedOut,
        protect::Verdict::TablePassed(table) => Verdict::Table(table.release(permit())),
    })
}

/// The evidence that `kobling-crypto` asks for before it opens anything.
///
/// What it stands for: [`clear`] is called from [`crate::conduct`] alone, which has recorded the opening and hands
/// nothing out before the outcome is recorded; and both calls come after the rules have been judged on shares.
fn permit() -> OpeningPermit {
    OpeningPermit::asserted()
}
