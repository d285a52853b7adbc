//! Expressions over the variables of one owner, as they travel in a plan.
//!
//! A plan has no mutable columns: `generate`, `replace` and `recode` are inlined, so that every column
//! is one expression over register values. All numbers are IEEE doubles and texts are UTF-8; any
//! operand may be missing.
//!
//! # Missing values
//! - Arithmetic and functions with a missing operand are missing, and so is every result that is not a finite
//!   number (division by zero, logarithm of a negative number): an arithmetic fault is never an error
//!   that one person could cause.
//! - `==`, `<`, `<=`, `>`, `>=` with a missing operand give 0, `!=` gives 1.
//! - `&`, `|` and `!` take missing as 0; a number is true when it is not 0.
//! - `sysmiss(x)` is 1 for missing, else 0.
//! - `rowmax`, `rowmin`, `rowmean`, `rowmedian`, `rowstd` and `rowtotal` leave missing operands out. Where too few are left to say
//!   anything (none, for `rowstd` one) they are missing, `rowtotal` is 0. `rowmissing` and `rowvalid` count operands.
//!   `rowconcat` is missing where an operand is: a part of a code would pass for a whole one.

use serde::{Deserialize, Serialize};

/// A constant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// A finite number; days are numbers of days since 1970-01-01.
    Number(f64),
    /// A text.
    Text(String),
}

/// What an expression yields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueType {
    /// Numbers, days and truth values.
    Number,
    /// Texts.
    Text,
}

/// Operators of two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // The names say it.
pub enum BinaryOperator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
}

/// Functions of one owner's values. Names and meaning are the script language's, argument for argument; `docs/FUNCTIONS.md`
/// defines each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // Defined in the language's function list.
pub enum Function {
    // Numbers.
    Abs,
    Acos,
    Asin,
    Atan,
    Ceil,
    Comb,
    Cos,
    Exp,
    Floor,
    Int,
    Ln,
    Lnfactorial,
    Log10,
    Logit,
    Pi,
    Round,
    Sin,
    Sqrt,
    Tan,
    // Dates.
    Date,
    Day,
    Dow,
    Doy,
    Halfyear,
    Isoformatdate,
    Month,
    Quarter,
    Week,
    Year,
    // Texts.
    EndsWith,
    Length,
    Lower,
    Ltrim,
    Rtrim,
    StartsWith,
    String,
    Substr,
    Trim,
    Upper,
    // Several variables.
    RowConcat,
    RowMax,
    RowMean,
    RowMedian,
    RowMin,
    RowMissing,
    RowStd,
    RowTotal,
    RowValid,
    Sysmiss,
    // Distributions.
    Betaden,
    Binomial,
    Binomialp,
    Binomialtail,
    Chi2,
    Chi2den,
    Chi2tail,
    F,
    Fden,
    Ftail,
    Ibeta,
    Ibetatail,
    InvF,
    InvFtail,
    Invchi2,
    Invchi2tail,
    Invibeta,
    Invibetatail,
    InvnFtail,
    Invnttail,
    Invt,
    Invttail,
    NF,
    NFden,
    NFtail,
    Nchi2,
    Nchi2den,
    Nchi2tail,
    Normal,
    Normalden,
    Nt,
    Ntden,
    Nttail,
    T,
    Tden,
    Ttail,
    /// A text as a number: text, signs to leave out, and 1 where a comma is the decimal point. Missing where it is none.
    Destring,
}

/// A column of one owner, as a function of its register values at one unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expression {
    /// The value of the fragment's source with this index.
    Source(usize),
    /// A constant.
    Constant(Value),
    /// Missing, of a type.
    Missing(ValueType),
    /// Arithmetic negation.
    Negate(Box<Expression>),
    /// Logical negation.
    Not(Box<Expression>),
    /// Two operands.
    Binary(BinaryOperator, Box<Expression>, Box<Expression>),
    /// A function; the checker has seen to number and types of arguments.
    Call(Function, Vec<Expression>),
    /// The value of the first arm whose condition holds, else of `otherwise`.
    Case {
        /// Condition and value, in order.
        arms: Vec<(Expression, Expression)>,
        /// Where no condition holds.
        otherwise: Box<Expression>,
    },
}

impl Expression {
    /// The same expression with something in the place of each source.
    pub fn with_sources(&self, replace: &mut dyn FnMut(usize) -> Self) -> Self {
        match self {
            Self::Source(index) => replace(*index),
            Self::Constant(value) => Self::Constant(value.clone()),
            Self::Missing(value_type) => Self::Missing(*value_type),
            Self::Negate(inner) => Self::Negate(Box::new(inner.with_sources(replace))),
            Self::Not(inner) => Self::Not(Box::new(inner.with_sources(replace))),
            Self::Binary(operator, left, right) => {
                let left = left.with_sources(replace);
                Self::Binary(*operator, Box::new(left), Box::new(right.with_sources(replace)))
            }
            Self::Call(function, arguments) => Self::Call(
                *function,
                arguments.iter().map(|argument| argument.with_sources(replace)).collect(),
            ),
            Self::Case { arms, otherwise } => {
                let arms = arms.iter();
                let arms = arms
                    .map(|(when, then)| (when.with_sources(replace), then.with_sources(replace)))
                    .collect();
                Self::Case { arms, otherwise: Box::new(otherwise.with_sources(replace)) }
            }
        }
    }

    /// The same expression with `to` wherever `part` stands.
    pub fn with_part(&self, part: &Self, to: &Self) -> Self {
        if self == part {
            return to.clone();
        }
        match self {
            Self::Source(_) | Self::Constant(_) | Self::Missing(_) => self.clone(),
            Self::Negate(inner) => Self::Negate(Box::new(inner.with_part(part, to))),
            Self::Not(inner) => Self::Not(Box::new(inner.with_part(part, to))),
            Self::Binary(operator, left, right) => {
                let right = Box::new(right.with_part(part, to));
                Self::Binary(*operator, Box::new(left.with_part(part, to)), right)
            }
            Self::Call(function, arguments) => {
                Self::Call(*function, arguments.iter().map(|argument| argument.with_part(part, to)).collect())
            }
            Self::Case { arms, otherwise } => {
                let arms = arms.iter();
                let arms =
                    arms.map(|(when, then)| (when.with_part(part, to), then.with_part(part, to))).collect();
                Self::Case { arms, otherwise: Box::new(otherwise.with_part(part, to)) }
            }
        }
    }

    /// The sources that it names, each once.
    pub fn sources(&self) -> std::collections::BTreeSet<usize> {
        let mut sources = std::collections::BTreeSet::new();
        self.with_sources(&mut |index| {
            sources.insert(index);
            Self::Source(index)
        });
        sources
    }

    /// Number of nodes in the tree, as a measure of work; the checker bounds it.
    pub fn size(&self) -> usize {
        1 + match self {
            Self::Source(_) | Self::Constant(_) | Self::Missing(_) => 0,
            Self::Negate(inner) | Self::Not(inner) => inner.size(),
            Self::Binary(_, left, right) => left.size() + right.size(),
            Self::Call(_, arguments) => arguments.iter().map(Self::size).sum(),
            Self::Case { arms, otherwise } => {
                otherwise.size() + arms.iter().map(|(when, then)| when.size() + then.size()).sum::<usize>()
            }
        }
    }
}

/// The number that a text is, as [`Function::Destring`] reads it.
///
/// Blanks around it do not count; it has a sign, digits, and a point or comma; no exponent, no words such as `inf`.
pub fn number_of(text: &str, ignored: &str, decimal_comma: bool) -> Option<f64> {
    let kept = text.chars().filter(|letter| !ignored.contains(*letter));
    let point = |letter| if decimal_comma && letter == ',' { '.' } else { letter };
    let written: String = kept.map(point).collect();
    let written = written.trim();
    let plain = |letter: char| letter.is_ascii_digit() || matches!(letter, '.' | '-' | '+');
    let number: f64 = written.chars().all(plain).then(|| written.parse().ok())??;
    // Adding zero makes one zero of both.
    number.is_finite().then_some(number + 0.0)
}
