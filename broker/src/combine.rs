//! Adding two partial aggregates: the first moment at which any number exists.
//!
//! Each worker's share alone is uniform. Before they are added, everything that can be checked without
//! knowing a number is checked, in this order:
//!
//! 1. **Shape**: one share for each cell of the plan's table, margins included; a share of the sum for each where the
//!    question has a number that is summed, of the sum of squares where it wants those, and none otherwise.
//! 2. **Content**: the share is the one that the worker has recorded for this session, attempt, request, plan and
//!    question (its hash came before it), so an old share or one of another question does not pass.
//! 3. **Signature**: it is the worker's, by the key in the roster.
//! 4. **Transcripts**: what either worker says it sent to the other is what the other received. Shares of two
//!    different runs do not add up to anything.
//!
//! After the addition, a cell that the protection cannot have let through is a sign that a worker deviated, and
//! nothing is released. What sums become stands in [`crate::statistics`].

use kobling_crypto::sign::VerifyingKey;
use kobling_model::federation::{Party, Worker};
use kobling_model::partial::PartialAggregate;
use kobling_model::plan::{Question, QuestionKind, TableShape};
use kobling_model::rules::Rules;
use kobling_model::table::{self, Cell, Layout, Statistics, Summary, Table};
use kobling_model::value::ValueColumn;
use kobling_model::{AttemptId, Hash, OwnerId, SessionId};

use crate::roster::SignedPartial;
use crate::statistics::statistics;

/// Why two partial aggregates were not added up. Nothing is released, and nothing of them is kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CombineError {
    /// Not one share for each cell, or sums where there should be none.
    #[error("the partial aggregate of {party} has another shape than the plan")]
    Shape {
        /// Whose.
        party: OwnerId,
    },
    /// Not what the worker said it would be.
    #[error("the partial aggregate of {party} is not the one that {party} has recorded")]
    Content {
        /// Whose.
        party: OwnerId,
    },
    /// Not signed by the worker for this attempt.
    #[error("the partial aggregate of {party} is not signed by {party} for this question")]
    Signature {
        /// Whose.
        party: OwnerId,
    },
    /// The workers did not have the same conversation.
    #[error("{left} and {right} disagree about what they sent each other")]
    Transcripts {
        /// Left worker.
        left: OwnerId,
        /// Right worker.
        right: OwnerId,
    },
    /// A cell that cannot come out of the protection.
    #[error("the partial aggregates of {left} and {right} add up to a cell that cannot be")]
    Impossible {
        /// Left worker.
        left: OwnerId,
        /// Right worker.
        right: OwnerId,
    },
    /// The question has no table.
    #[error("a partial aggregate came for a question without a table")]
    NoTable,
}

impl CombineError {
    /// Stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Shape { .. } => "partial-shape",
            Self::Content { .. } => "partial-content",
            Self::Signature { .. } => "partial-signature",
            Self::Transcripts { .. } => "partial-transcripts",
            Self::Impossible { .. } => "impossible-cell",
            Self::NoTable => "no-table",
        }
    }

    /// The party concerned. Where the two disagree, the left one stands for both.
    pub fn party(&self) -> Option<&OwnerId> {
        match self {
            Self::Shape { party } | Self::Content { party } | Self::Signature { party } => Some(party),
            Self::Transcripts { left, .. } | Self::Impossible { left, .. } => Some(left),
            Self::NoTable => None,
        }
    }
}

/// What both partial aggregates must belong to.
pub struct Expected<'a> {
    /// The session.
    pub session: SessionId,
    /// The try.
    pub attempt: AttemptId,
    /// Hash of the request that the platform signed.
    pub request: Hash,
    /// Hash of the plan.
    pub plan: Hash,
    /// Index of the question.
    pub index: u32,
    /// The question.
    pub question: &'a Question,
    /// Rules in force.
    pub rules: &'a Rules,
    /// No cell can have more units.
    pub units_max: u64,
}

/// One worker's partial aggregate, with what it is checked against.
pub struct Received<'a> {
    /// Which of the two workers it is.
    pub worker: Worker,
    /// The worker, with its signing key.
    pub party: &'a Party,
    /// Hash that it announced.
    pub announced: Hash,
    /// What came.
    pub partial: SignedPartial,
}

/// More than any published perturbation table adds to a count.
const CHANGE_MAX: u64 = 255;

/// Checks both partial aggregates and adds them into the protected table.
///
/// # Errors
/// [`CombineError`] names whose partial aggregate does not fit.
pub fn combine(
    expected: &Expected<'_>,
    left: Received<'_>,
    right: Received<'_>,
) -> Result<Table, CombineError> {
    let QuestionKind::Table(shape) = &expected.question.kind else { return Err(CombineError::NoTable) };
    let axes = table::axes(expected.question, shape);
    let sizes: Vec<_> = axes.iter().map(|axis| axis.categories.len()).collect();
    let cells = Layout::of(&sizes).cells();
    for received in [&left, &right] {
        check(expected, received, cells)?;
    }
    let both = || (left.party.id.clone(), right.party.id.clone());
    let (of_left, of_right) = (&left.partial, &right.partial);
    if of_left.sent != of_right.received || of_right.sent != of_left.received {
        let (left, right) = both();
        return Err(CombineError::Transcripts { left, right });
    }
    let words = of_left.words.iter().zip(&of_right.words).map(|(p, q)| p.wrapping_add(*q));
    let cells: Option<Vec<Cell>> = words.map(|word| possible(expected, Cell::from_word(word))).collect();
    let impossible = || {
        let (left, right) = both();
        CombineError::Impossible { left, right }
    };
    let cells = cells.ok_or_else(impossible)?;
    let summary = match &shape.value {
        None => None,
        Some(column) => {
            let sums = added(&of_left.sums, &of_right.sums);
            let squares = added(&of_left.squares, &of_right.squares);
            let of_cells = summary(expected.rules, shape, column, &cells, &sums, &squares);
            let cells = of_cells.ok_or_else(impossible)?;
            Some(Summary { variable: column.name.clone(), cells })
        }
    };
    let (line, text) = (expected.question.line, expected.question.text.clone());
    Ok(Table { line, text, axes, shows: shape.shows.clone(), cells, summary })
}

/// Sums modulo 2¹²⁸.
fn added(left: &[u128], right: &[u128]) -> Vec<u128> {
    left.iter().zip(right).map(|(p, q)| p.wrapping_add(*q)).collect()
}

/// Statistics of every cell from its opened words; none where a worker must have deviated: a cell that is hidden in one
/// column and not in the other, or shown although its count is suppressed or too small (rule 7), or numbers that
/// cannot be.
fn summary(
    rules: &Rules,
    shape: &TableShape,
    column: &ValueColumn,
    cells: &[Cell],
    sums: &[u128],
    squares: &[u128],
) -> Option<Vec<Option<Statistics>>> {
    let of_cell = |(at, cell): (usize, &Cell)| {
        let (sum, square) = (sums[at], squares.get(at).copied());
        let hidden = sum == Statistics::SUPPRESSED_WORD;
        if square.is_some_and(|square| (square == Statistics::SUPPRESSED_WORD) != hidden) {
            return None;
        }
        match cell {
            _ if hidden => Some(None),
            Cell::Suppressed => None,
            Cell::Count(count) if *count < u64::from(rules.statistic_units_min) => None,
            Cell::Count(count) => statistics(
                &column.coding,
                column.square_shift(),
                &shape.shows,
                *count,
                sum as i128,
                square.map(|word| word as i128),
            ),
        }
    };
    cells.iter().enumerate().map(of_cell).collect()
}

fn check(expected: &Expected<'_>, received: &Received<'_>, cells: usize) -> Result<(), CombineError> {
    let party = || received.party.id.clone();
    let partial = &received.partial;
    let column = expected.question.value();
    let sums = if column.is_some() { cells } else { 0 };
    let squares = if column.is_some_and(|column| column.squares) { cells } else { 0 };
    if (partial.words.len(), partial.sums.len(), partial.squares.len()) != (cells, sums, squares) {
        return Err(CombineError::Shape { party: party() });
    }
    // The hash and the signature are over the session, attempt, request, plan and question that the broker knows of:
    // what a worker says about them does not enter.
    let aggregate = PartialAggregate {
        session: expected.session,
        attempt: expected.attempt,
        request: expected.request,
        plan: expected.plan,
        question: expected.index,
        party: party(),
        worker: received.worker,
        sent: partial.sent,
        received: partial.received,
        shares: partial.words.clone(),
        sums: partial.sums.clone(),
        squares: partial.squares.clone(),
    };
    let message = aggregate.message();
    if Hash::of(&message) != received.announced {
        return Err(CombineError::Content { party: party() });
    }
    let key = verifying_key(&received.party.signing_key);
    let valid = key.is_some_and(|key| key.verify(&message, &partial.signature).is_ok());
    if valid { Ok(()) } else { Err(CombineError::Signature { party: party() }) }
}

/// A public key as the federation file has it, in hexadecimal digits.
pub(crate) fn verifying_key(hexadecimal: &str) -> Option<VerifyingKey> {
    VerifyingKey::from_bytes(&hex::decode(hexadecimal).ok()?).ok()
}

/// A count that would have been suppressed, or that exceeds all units and noise, cannot come out.
fn possible(expected: &Expected<'_>, cell: Cell) -> Option<Cell> {
    match cell {
        Cell::Suppressed => Some(cell),
        Cell::Count(count) => {
            let small = (1..=u64::from(expected.rules.small_cell_units_max)).contains(&count);
            let large = count > expected.units_max.saturating_add(CHANGE_MAX);
            (!small && !large).then_some(cell)
        }
    }
}
