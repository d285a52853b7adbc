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
const ANY: &[Kind] = &[Kind::Any];

/// A number of so many numbers.
const fn number(name: &'static str, function: Function, count: usize) -> Signature {
    Signature { name, function, kinds: N, fewest: count, most: Some(count), result: ValueType::Number }
}

/// A text of a text.
const fn text(name: &'static str, function: Function) -> Signature {
    Signature { name, function, kinds: T, fewest: 1, most: Some(1), result: ValueType::Text }
}

const fn row(name: &'static str, function: Function, kinds: &'static [Kind]) -> Signature {
    Signature { name, function, kinds, fewest: 1, most: None, result: ValueType::Number }
}

impl Signature {
    const fn of(self, kinds: &'static [Kind], result: ValueType) -> Self {
        Self { kinds, result, ..self }
    }

    const fn to(self, most: usize) -> Self {
        Self { most: Some(most), ..self }
    }
}

/// Functions that owners compute.
pub(crate) const SIGNATURES: &[Signature] = &[
    number("abs", Function::Abs, 1),
    number("acos", Function::Acos, 1),
    number("asin", Function::Asin, 1),
    number("atan", Function::Atan, 1),
    number("ceil", Function::Ceil, 1),
    number("comb", Function::Comb, 2),
    number("cos", Function::Cos, 1),
    number("exp", Function::Exp, 1),
    number("floor", Function::Floor, 1),
    number("int", Function::Int, 1),
    number("ln", Function::Ln, 1),
    number("lnfactorial", Function::Lnfactorial, 1),
    number("log10", Function::Log10, 1),
    number("logit", Function::Logit, 1),
    number("pi", Function::Pi, 0),
    number("round", Function::Round, 1).to(2),
    number("sin", Function::Sin, 1),
    number("sqrt", Function::Sqrt, 1),
    number("tan", Function::Tan, 1),
    number("date", Function::Date, 3),
    number("day", Function::Day, 1),
    number("dow", Function::Dow, 1),
    number("doy", Function::Doy, 1),
    number("halfyear", Function::Halfyear, 1),
    number("isoformatdate", Function::Isoformatdate, 1).of(N, ValueType::Text),
    number("month", Function::Month, 1),
    number("quarter", Function::Quarter, 1),
    number("week", Function::Week, 1),
    number("year", Function::Year, 1),
    number("endswith", Function::EndsWith, 2).of(T, ValueType::Number),
    number("length", Function::Length, 1).of(T, ValueType::Number),
    text("lower", Function::Lower),
    text("ltrim", Function::Ltrim),
    text("rtrim", Function::Rtrim),
    number("startswith", Function::StartsWith, 2).of(T, ValueType::Number),
    number("string", Function::String, 1).of(ANY, ValueType::Text),
    number("substr", Function::Substr, 3).of(&[Kind::Text, Kind::Number], ValueType::Text),
    text("trim", Function::Trim),
    text("upper", Function::Upper),
    row("rowconcat", Function::RowConcat, ANY).of(ANY, ValueType::Text),
    row("rowmax", Function::RowMax, N),
    row("rowmean", Function::RowMean, N),
    row("rowmedian", Function::RowMedian, N),
    row("rowmin", Function::RowMin, N),
    row("rowmissing", Function::RowMissing, ANY),
    row("rowstd", Function::RowStd, N),
    row("rowtotal", Function::RowTotal, N),
    row("rowvalid", Function::RowValid, ANY),
    number("sysmiss", Function::Sysmiss, 1).of(ANY, ValueType::Number),
    number("betaden", Function::Betaden, 3),
    number("binomial", Function::Binomial, 3),
    number("binomialp", Function::Binomialp, 3),
    number("binomialtail", Function::Binomialtail, 3),
    number("chi2", Function::Chi2, 2),
    number("chi2den", Function::Chi2den, 2),
    number("chi2tail", Function::Chi2tail, 2),
    number("F", Function::F, 3).to(4),
    number("Fden", Function::Fden, 3),
    number("Ftail", Function::Ftail, 3).to(4),
    number("ibeta", Function::Ibeta, 3),
    number("ibetatail", Function::Ibetatail, 3),
    number("invF", Function::InvF, 3),
    number("invFtail", Function::InvFtail, 3),
    number("invchi2", Function::Invchi2, 2),
    number("invchi2tail", Function::Invchi2tail, 2),
    number("invibeta", Function::Invibeta, 3),
    number("invibetatail", Function::Invibetatail, 3),
    number("invnFtail", Function::InvnFtail, 4),
    number("invnttail", Function::Invnttail, 3),
    number("invt", Function::Invt, 2),
    number("invttail", Function::Invttail, 2),
    number("nF", Function::NF, 4),
    number("nFden", Function::NFden, 4),
    number("nFtail", Function::NFtail, 4),
    number("nchi2", Function::Nchi2, 3),
    number("nchi2den", Function::Nchi2den, 3),
    number("nchi2tail", Function::Nchi2tail, 3),
    number("normal", Function::Normal, 1),
    number("normalden", Function::Normalden, 1).to(3),
    number("nt", Function::Nt, 3),
    number("ntden", Function::Ntden, 2).to(3),
    number("nttail", Function::Nttail, 3),
    number("t", Function::T, 2),
    number("tden", Function::Tden, 2),
    number("ttail", Function::Ttail, 2),
];

/// Functions that are written in terms of operators.
pub(crate) const DERIVED: &[&str] = &["inlist", "inrange"];

/// Functions of labels, which become comparisons with codes: owners never see a label.
pub(crate) const OF_LABELS: &[&str] = &["label_to_code", "inlabels", "labelcontains"];

/// Functions of bindings and names.
pub(crate) const OF_BINDINGS: &[&str] = &["date_fmt", "to_int", "to_str", "to_symbol", "bind"];

/// Functions that compare a unit with all others: the whole value of `generate` and `replace`, and nowhere else.
pub(crate) const OF_ALL_UNITS: &[&str] = &["quantile"];

/// All names, for did-you-mean.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    let built = SIGNATURES.iter().map(|signature| signature.name);
    built
        .chain(DERIVED.iter().copied())
        .chain(OF_LABELS.iter().copied())
        .chain(OF_BINDINGS.iter().copied())
        .chain(OF_ALL_UNITS.iter().copied())
}
