//! The syntax tree: what is written, before anything is looked up.
//!
//! Bindings and loops are carried out before it is made. Places lie in the script or, where a statement was written anew
//! for a binding's values, in the text so made, which follows the script; diagnostics always stand in the script.

use kobling_model::expression::BinaryOperator;
use kobling_model::{DatastoreId, Day};

use crate::diagnostic::Span;
use crate::lexer::Lexeme;

/// A script's statements in order, those that cannot be read included.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Script {
    /// In order of place.
    pub statements: Vec<Statement>,
}

/// One command with all that belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// Line where it starts, from 1.
    pub line: u32,
    /// First to last token.
    pub span: Span,
    /// As written, joined to one line, without comments.
    pub text: String,
    /// Its parts.
    pub command: Command,
}

/// A statement's parts.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // Named as in the language; each form is described in its file under `command/`.
pub enum Command {
    Require(Require),
    CreateDataset(Name),
    Use(Name),
    Import(Import),
    Generate(Assignment),
    Replace(Assignment),
    Recode(Recode),
    Keep(Selection),
    Drop(Selection),
    Rename {
        old: Name,
        new: Name,
    },
    DefineLabels(DefineLabels),
    AssignLabels {
        variable: Name,
        labels: Name,
    },
    Collapse(Grouping),
    Aggregate(Grouping),
    Merge(Merge),
    CloneDataset {
        dataset: Name,
        copy: Name,
    },
    CloneUnits {
        dataset: Name,
        copy: Name,
    },
    RenameDataset {
        old: Name,
        new: Name,
    },
    DeleteDataset(Name),
    CloneVariables(CloneVariables),
    Destring(Destring),
    DropLabels(Vec<Name>),
    Sample(Sample),
    ImportEvent(ImportEvent),
    ImportPanel(ImportPanel),
    ReshapeToPanel(Vec<Name>),
    ReshapeFromPanel,
    ListLabels(ListLabels),
    Tabulate(Tabulate),
    Summarize(Summarize),
    /// A form of the language that is read but not carried out yet.
    Other(Other),
    /// Could not be read; a diagnostic says why.
    Broken {
        /// The command word, as far as there is one.
        word: String,
        /// A column that it would have made, so that later uses of it are not blamed.
        defines: Option<String>,
    },
}

/// A name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The text.
    pub text: String,
    /// Its place.
    pub span: Span,
}

/// `require datastore:major as alias`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Require {
    /// Which datastore.
    pub datastore: DatastoreId,
    /// Which major version.
    pub major: u32,
    /// Place of datastore and version.
    pub span: Span,
    /// The script's name for it.
    pub alias: Name,
}

/// `alias/NAME`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterName {
    /// The datastore's name in the script.
    pub alias: Name,
    /// The variable.
    pub variable: Name,
}

/// `import alias/NAME [date] [as name] [, options]`
#[derive(Clone, Debug, PartialEq)]
pub struct Import {
    /// What is imported.
    pub register: RegisterName,
    /// The date, if one is given.
    pub date: Option<(Day, Span)>,
    /// The column's name, if not the variable's own.
    pub name: Option<Name>,
    /// As written.
    pub options: Vec<OptionUse>,
}

/// `import-panel alias/NAME … date … [as name …]`
#[derive(Clone, Debug, PartialEq)]
pub struct ImportPanel {
    /// What is imported at each date.
    pub registers: Vec<RegisterName>,
    /// The dates, as written.
    pub dates: Vec<(Day, Span)>,
    /// The columns' names, if they are not the variables' own.
    pub names: Vec<Name>,
}

/// `list-labels list` or `list-labels alias/NAME [date]`
#[derive(Clone, Debug, PartialEq)]
pub enum ListLabels {
    /// A code list of the script.
    List(Name),
    /// A register variable's codes, at a date.
    Register {
        /// The variable.
        register: RegisterName,
        /// Codes used then; all without.
        date: Option<(Day, Span)>,
    },
}

/// `name = value [if condition]`
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// The column.
    pub target: Name,
    /// Its new value.
    pub value: Expr,
    /// For which units.
    pub condition: Option<Expr>,
}

/// `var-list` or `if condition`
#[derive(Clone, Debug, PartialEq)]
pub enum Selection {
    /// Columns.
    Variables(Vec<Name>),
    /// Units.
    Units(Expr),
}

/// `recode var-list (rule) … [if] [, options]`
#[derive(Clone, Debug, PartialEq)]
pub struct Recode {
    /// Which columns.
    pub variables: Vec<Name>,
    /// The first that matches wins.
    pub rules: Vec<RecodeRule>,
    /// For which units.
    pub condition: Option<Expr>,
    /// As written.
    pub options: Vec<OptionUse>,
}

/// `(values = target "label" missing)`
#[derive(Clone, Debug, PartialEq)]
pub struct RecodeRule {
    /// Its place.
    pub span: Span,
    /// Any of these matches.
    pub matches: Vec<(RecodeMatch, Span)>,
    /// The new value; none is missing.
    pub target: Option<Literal>,
    /// Place of the target.
    pub target_span: Span,
    /// Label of the new value.
    pub label: Option<String>,
    /// The new value says why there is no value, and stands last.
    pub missing: bool,
}

/// What a recode rule matches.
#[derive(Clone, Debug, PartialEq)]
pub enum RecodeMatch {
    /// One value.
    Value(Literal),
    /// From and to, both included; none for `min` and `max`.
    Range(Option<f64>, Option<f64>),
    /// Every value that is not missing.
    Nonmissing,
    /// Missing.
    Missing,
    /// Everything, missing too.
    Rest,
}

/// A constant.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// A finite number.
    Number(f64),
    /// A text.
    Text(String),
}

/// `define-labels list value label …`
#[derive(Clone, Debug, PartialEq)]
pub struct DefineLabels {
    /// The code list's name.
    pub name: Name,
    /// Value as written, its place, label.
    pub labels: Vec<(String, Span, String)>,
}

/// `tabulate var-list [if] [, options]`
#[derive(Clone, Debug, PartialEq)]
pub struct Tabulate {
    /// Rows first.
    pub variables: Vec<Name>,
    /// For which units.
    pub condition: Option<Expr>,
    /// As written.
    pub options: Vec<OptionUse>,
}

/// `summarize var-list [if] [, options]`
#[derive(Clone, Debug, PartialEq)]
pub struct Summarize {
    /// One question for each.
    pub variables: Vec<Name>,
    /// For which units.
    pub condition: Option<Expr>,
    /// As written.
    pub options: Vec<OptionUse>,
}

/// `collapse (statistic) variable [-> name] … [, by(…)]`, and the same of `aggregate`
#[derive(Clone, Debug, PartialEq)]
pub struct Grouping {
    /// What is measured.
    pub measures: Vec<GroupMeasure>,
    /// As written.
    pub options: Vec<OptionUse>,
}

/// `(statistic) variable [-> name]`
#[derive(Clone, Debug, PartialEq)]
pub struct GroupMeasure {
    /// The word in parentheses.
    pub statistic: String,
    /// Its place.
    pub statistic_span: Span,
    /// Of what.
    pub variable: Name,
    /// The new name.
    pub name: Option<Name>,
}

/// `merge var-list into dataset [on variable]`
#[derive(Clone, Debug, PartialEq)]
pub struct Merge {
    /// Columns of the active dataset.
    pub variables: Vec<Name>,
    /// The dataset that gets them.
    pub dataset: Name,
    /// Its key.
    pub on: Vec<Name>,
}

/// `clone-variables variable [-> copy] … [, prefix() suffix()]`
#[derive(Clone, Debug, PartialEq)]
pub struct CloneVariables {
    /// Each with the name of its copy, where one is given.
    pub variables: Vec<(Name, Option<Name>)>,
    /// As written.
    pub options: Vec<OptionUse>,
}

/// `destring var-list [, options]`
#[derive(Clone, Debug, PartialEq)]
pub struct Destring {
    /// Which texts.
    pub variables: Vec<Name>,
    /// As written.
    pub options: Vec<OptionUse>,
}

/// `sample count¦fraction seed`
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// How many, or which part.
    pub size: (Literal, Span),
    /// What the draw follows from.
    pub seed: (Literal, Span),
}

/// `import-event alias/NAME day to day [as name]`
#[derive(Clone, Debug, PartialEq)]
pub struct ImportEvent {
    /// What is imported.
    pub register: RegisterName,
    /// First and last day, with their places.
    pub period: [(Day, Span); 2],
    /// The column's name, if not the variable's own.
    pub name: Option<Name>,
    /// As written.
    pub options: Vec<OptionUse>,
}

/// A form that is not carried out yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Other {
    /// The command's name.
    pub word: String,
    /// Place of the name.
    pub word_span: Span,
    /// Between the command and `if` or the comma.
    pub arguments: Arguments,
    /// For which units.
    pub condition: Option<Expr>,
    /// As written.
    pub options: Vec<OptionUse>,
}

/// What stands between a command and `if` or the comma.
#[derive(Clone, Debug, PartialEq)]
pub enum Arguments {
    /// Not interpreted.
    Tokens(Vec<Lexeme>),
    /// Words and texts, of commands of the session.
    Words(Vec<String>),
    /// `alias/NAME …`
    Registers(Vec<RegisterName>),
    /// `[(statistic)] var-list`
    Variables {
        /// In parentheses before them.
        statistic: Option<Name>,
        /// In order.
        variables: Vec<Name>,
    },
    /// A model.
    Model(Box<Model>),
}

/// `var-name var-list [(var-list = var-list)] var-list [by var-name …]`
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The kind of regression that `coefplot` draws.
    pub regression: Option<Name>,
    /// What is explained; for survival the event and the time.
    pub responses: Vec<Name>,
    /// By what.
    pub terms: Vec<Term>,
    /// Endogenous variables and their instruments.
    pub instruments: Option<(Vec<Term>, Vec<Term>)>,
    /// Groups.
    pub by: Vec<Name>,
}

/// `x`, `i.x`, `c.x`, or several joined by `#` and `##`.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// One, or those that are crossed.
    pub factors: Vec<Factor>,
    /// Whether what stands before the factor of this number, from 1, is `##`: effects of each side too.
    pub full: Vec<bool>,
}

/// A variable of a term.
#[derive(Clone, Debug, PartialEq)]
pub struct Factor {
    /// Its name.
    pub variable: Name,
    /// As `i.` or `c.` say; where neither stands, by the variable.
    pub categorical: Option<bool>,
}

/// One option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionUse {
    /// Its name.
    pub name: String,
    /// Place of the name.
    pub span: Span,
    /// What stands in its parentheses.
    pub arguments: Option<Vec<Lexeme>>,
}

/// An expression as written.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// Its place.
    pub span: Span,
    /// Height of the tree, bounded by the parser.
    pub height: u32,
    /// What it is.
    pub kind: ExprKind,
}

/// Kinds of expression.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // The names say it.
pub enum ExprKind {
    Number(f64),
    Text(String),
    /// `.`
    Missing,
    /// A bare date: allowed in imports only.
    Date(Day),
    Name(String),
    Negate(Box<Expr>),
    Not(Box<Expr>),
    Binary(BinaryOperator, Box<Expr>, Box<Expr>),
    Call {
        function: String,
        function_span: Span,
        arguments: Vec<Expr>,
    },
}
