//! The functions of the language: which can be used, with which arguments, and which not yet.

use kobling_model::expression::{Function, ValueType};

/// What an argument must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Number,
    Text,
    Any,
}

/// How a function is called.
pub(crate) struct Signature {
    pub(crate) name: &'static str,
    pub(crate) function: Function,
    /// Arguments that may be there; the last kind serves all further ones.
    pub(crate) kinds: &'static [Kind],
    /// Fewest arguments.
    pub(crate) fewest: usize,
    /// Most arguments; none: as many as one likes.
    pub(crate) most: Option<usize>,
    pub(crate) result: ValueType,
}

const N: &[Kind] = &[Kind::Number];
const T: &[Kind] = &[Kind::Text];

const fn of(
    name: &'static str,
    function: Function,
    kinds: &'static [Kind],
    count: usize,
    result: ValueType,
) -> Signature {
    Signature { name, function, kinds, fewest: count, most: Some(count), result }
}

const fn row(name: &'static str, function: Function, kinds: &'static [Kind]) -> Signature {
    Signature { name, function, kinds, fewest: 1, most: None, result: ValueType::Number }
}

/// Functions that owners compute.
pub(crate) const SIGNATURES: &[Signature] = &[
    of("abs", Function::Abs, N, 1, ValueType::Number),
    of("ceil", Function::Ceil, N, 1, ValueType::Number),
    of("floor", Function::Floor, N, 1, ValueType::Number),
    of("int", Function::Int, N, 1, ValueType::Number),
    Signature {
        name: "round",
        function: Function::Round,
        kinds: N,
        fewest: 1,
        most: Some(2),
        result: ValueType::Number,
    },
    of("sqrt", Function::Sqrt, N, 1, ValueType::Number),
    of("exp", Function::Exp, N, 1, ValueType::Number),
    of("ln", Function::Ln, N, 1, ValueType::Number),
    of("log10", Function::Log10, N, 1, ValueType::Number),
    of("year", Function::Year, N, 1, ValueType::Number),
    of("month", Function::Month, N, 1, ValueType::Number),
    of("day", Function::Day, N, 1, ValueType::Number),
    of("quarter", Function::Quarter, N, 1, ValueType::Number),
    of("halfyear", Function::Halfyear, N, 1, ValueType::Number),
    of("dow", Function::Dow, N, 1, ValueType::Number),
    of("doy", Function::Doy, N, 1, ValueType::Number),
    of("week", Function::Week, N, 1, ValueType::Number),
    of("date", Function::Date, N, 3, ValueType::Number),
    of("length", Function::Length, T, 1, ValueType::Number),
    of("lower", Function::Lower, T, 1, ValueType::Text),
    of("upper", Function::Upper, T, 1, ValueType::Text),
    of("trim", Function::Trim, T, 1, ValueType::Text),
    of("ltrim", Function::Ltrim, T, 1, ValueType::Text),
    of("rtrim", Function::Rtrim, T, 1, ValueType::Text),
    of("substr", Function::Substr, &[Kind::Text, Kind::Number], 3, ValueType::Text),
    of("startswith", Function::StartsWith, T, 2, ValueType::Number),
    of("endswith", Function::EndsWith, T, 2, ValueType::Number),
    of("string", Function::String, &[Kind::Any], 1, ValueType::Text),
    of("sysmiss", Function::Sysmiss, &[Kind::Any], 1, ValueType::Number),
    row("rowmax", Function::RowMax, N),
    row("rowmin", Function::RowMin, N),
    row("rowmean", Function::RowMean, N),
    row("rowtotal", Function::RowTotal, N),
    row("rowmissing", Function::RowMissing, &[Kind::Any]),
    row("rowvalid", Function::RowValid, &[Kind::Any]),
];

/// Functions that are written in terms of operators.
pub(crate) const DERIVED: &[&str] = &["inlist", "inrange"];

/// Functions of bindings and names.
pub(crate) const OF_BINDINGS: &[&str] = &["date_fmt", "to_int", "to_str", "to_symbol", "bind"];

/// The other functions of the language.
pub(crate) const NOT_YET: &[&str] = &[
    "isoformatdate",
    "binomial",
    "binomialp",
    "binomialtail",
    "normal",
    "normalden",
    "F",
    "Fden",
    "Ftail",
    "invF",
    "invFtail",
    "invnFtail",
    "nF",
    "nFden",
    "nFtail",
    "chi2",
    "chi2den",
    "chi2tail",
    "invchi2",
    "invchi2tail",
    "nchi2",
    "nchi2den",
    "nchi2tail",
    "betaden",
    "ibeta",
    "ibetatail",
    "invibeta",
    "invibetatail",
    "t",
    "tden",
    "ttail",
    "invt",
    "invttail",
    "nt",
    "ntden",
    "nttail",
    "invnttail",
    "acos",
    "asin",
    "atan",
    "cos",
    "sin",
    "tan",
    "lnfactorial",
    "logit",
    "comb",
    "quantile",
    "pi",
    "rowmedian",
    "rowconcat",
    "rowstd",
    "label_to_code",
    "inlabels",
    "labelcontains",
];

/// All names, for did-you-mean.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    let built = SIGNATURES.iter().map(|signature| signature.name);
    built.chain(DERIVED.iter().copied()).chain(OF_BINDINGS.iter().copied()).chain(NOT_YET.iter().copied())
}
