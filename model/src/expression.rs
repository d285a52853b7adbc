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
