//! Everything that can be wrong with a script, and how it is said in English and Norwegian.

mod preparation;

use kobling_model::value::Coding;
use kobling_model::{Day, OwnerId, UnitType};

pub use self::preparation::Unprepared;
use crate::joint::Obstacle;
use crate::limits::{
    EXPRESSION_NODES_MAX, QUESTION_OWNERS_MAX, SCRIPT_BYTES_MAX, SIDE_CATEGORIES_MAX, TABLE_CELLS_MAX,
};

mod binding;

pub use binding::BindingProblem;

/// The language that people are spoken to in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Norwegian bokmål.
    Norwegian,
}

/// What keeps a script from running. Carries names and constants of the script and public metadata only.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // The messages below say it.
#[non_exhaustive]
pub enum Problem {
    // Reading.
    ScriptTooLong,
    UnexpectedCharacter { character: char },
    UnseenCharacter { character: char },
    UnterminatedText,
    StrayContinuation,
    UnclosedTextblock,
    StrayEndblock,
    UnclosedLoop,
    StrayEnd,
    NumberTooLarge,
    TooDeep,
    Expected { what: Expected, found: Option<String> },
    UnknownWord { what: Expected, word: String, near: Vec<String> },
    SingleEquals,
    DoubledOperator { write: String },
    NotADay { text: String },
    UnknownCommand { word: String, near: Vec<String> },
    UnknownOption { command: String, name: String, near: Vec<String>, known: &'static [&'static str] },
    OptionForm { option: &'static str },
    NotYet { feature: Feature },
    Binding(BindingProblem),

    // Names.
    InvalidDatastore { text: String },
    UnknownDatastore { text: String, near: Vec<String> },
    UnknownVersion { datastore: String, major: u32, available: Vec<u32> },
    AliasTaken { name: String },
    UnknownAlias { name: String, known: Vec<String> },
    NoDataset,
    DatasetTaken { name: String },
    UnknownDataset { name: String, near: Vec<String> },
    UnknownVariable { alias: String, name: String, near: Vec<String> },
    UnknownName { name: String, near: Vec<String> },
    NameTaken { name: String },
    UnknownLabels { name: String, near: Vec<String> },
    NoCodes { name: String },
    UnknownFunction { name: String, near: Vec<String> },
    NoLabels { function: String },
    UnknownLabel { label: String, near: Vec<String>, part: bool },
    SharedLabel { label: String, codes: Vec<String> },
    NotALabel { function: String },

    // Imports.
    NoPopulation,
    DateGiven { variable: String },
    DateNeeded { variable: String, examples: Vec<Day> },
    WrongDate { variable: String, date: Day, nearest: Vec<Day> },
    UnitTypeDiffers { variable: String, unit_type: UnitType, dataset: UnitType },

    // Types.
    TextInArithmetic,
    TextInLogic,
    TextWithNumber { number: Option<String> },
    ArgumentCount { function: String, fewest: usize, most: Option<usize>, given: usize },
    ArgumentType { function: String, wants_text: bool },
    MissingCompared,
    DateInExpression { day: Day },
    TypeChanges { name: String, is_text: bool },
    ExpressionTooLarge,
    PlanTooLarge,

    // Recoding and labels.
    RangeBackwards,
    TargetsMixed,
    RecodeRest { name: String },
    RecodeNames { variables: usize, given: usize },
    TooManyVariables { option: &'static str },
    LabelType { name: String, value: String },

    // Owners.
    MixedOwners { columns: Vec<(String, OwnerId)> },
    NotAcross { columns: Vec<(String, OwnerId)>, obstacle: Obstacle },
    TooManyOwners { owners: Vec<OwnerId> },
    TooManyCombinations { owners: Vec<OwnerId> },
    KeyInExpression { name: String },
    KeyInTable { name: String },

    // Tables.
    NeedsCategories { name: String },
    NoCategories { name: String },
    TooManyCells { cells: usize },
    TooManyCategories { owner: OwnerId, categories: usize },

    // Numbers that are summed.
    StatisticOfNothing { option: String },
    TextSummarized { name: String },
    NoBounds { name: String },
    BoundsTooLarge { name: String, bound: f64 },

    // Datasets from others.
    Unprepared(Unprepared),
}

/// What the grammar wants at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The messages below say it.
pub enum Expected {
    Command,
    Variable,
    NewName,
    DatasetName,
    LabelsName,
    RegisterVariable,
    Datastore,
    Expression,
    Open,
    Close,
    CommaOrClose,
    Assign,
    As,
    In,
    End,
    Option(&'static [&'static str]),
    Date,
    Value,
    Label,
    Rule,
    RuleValue,
    RuleTarget,
    Range,
    By,
    Word,
    Statistic(&'static [&'static str]),
    Regression(&'static [&'static str]),
    Into,
    To,
}

/// A part of the language that is not carried out yet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The messages below say it.
pub enum Feature {
    Command(String),
    /// Of the session that a script is typed in.
    Session(String),
    Option {
        command: String,
        option: String,
    },
}

/// Commands that are carried out, as shown to people.
pub(crate) const AVAILABLE: &str = "require, create-dataset, use, clone-dataset, clone-units, rename-dataset, delete-dataset, \
                         import, import-event, import-panel, generate, replace, recode, destring, keep, drop, sample, \
                         rename, clone-variables, collapse, aggregate, merge, reshape-to-panel, reshape-from-panel, \
                         define-labels, assign-labels, drop-labels, list-labels, tabulate, summarize";

/// Message and advice, in English and in Norwegian.
struct Said {
    english: (String, String),
    norwegian: (String, String),
}

fn say(
    english: impl Into<String>,
    advice: impl Into<String>,
    norwegian: impl Into<String>,
    tip: impl Into<String>,
) -> Said {
    Said { english: (english.into(), advice.into()), norwegian: (norwegian.into(), tip.into()) }
}

impl Problem {
    /// What is wrong.
    pub fn message(&self, language: Language) -> String {
        match language {
            Language::English => self.say().english.0,
            Language::Norwegian => self.say().norwegian.0,
        }
    }

    /// What to write instead; may be empty.
    pub fn advice(&self, language: Language) -> String {
        match language {
            Language::English => self.say().english.1,
            Language::Norwegian => self.say().norwegian.1,
        }
    }

    /// Whether the script is right, but asks for what is not available yet.
    pub fn is_not_yet(&self) -> bool {
        matches!(self, Self::NotYet { .. })
    }

    /// Words that may be meant in place of the one at fault.
    pub fn suggestions(&self) -> Vec<String> {
        match self {
            Self::UnknownWord { near, .. }
            | Self::UnknownCommand { near, .. }
            | Self::UnknownOption { near, .. }
            | Self::UnknownDatastore { near, .. }
            | Self::UnknownDataset { near, .. }
            | Self::UnknownVariable { near, .. }
            | Self::UnknownName { near, .. }
            | Self::UnknownLabels { near, .. }
            | Self::UnknownFunction { near, .. }
            | Self::Binding(BindingProblem::Unknown { near, .. }) => near.clone(),
            Self::UnknownAlias { known, .. } => known.clone(),
            Self::DateNeeded { examples: days, .. } | Self::WrongDate { nearest: days, .. } => {
                days.iter().map(Day::to_string).collect()
            }
            Self::SingleEquals => vec!["==".to_owned()],
            Self::DoubledOperator { write } => vec![write.clone()],
            _ => Vec::new(),
        }
    }

    /// A stable name for the kind of problem.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ScriptTooLong => "script-too-long",
            Self::UnexpectedCharacter { .. } => "unexpected-character",
            Self::UnseenCharacter { .. } => "unseen-character",
            Self::UnterminatedText => "unterminated-text",
            Self::StrayContinuation => "stray-continuation",
            Self::UnclosedTextblock => "unclosed-textblock",
            Self::StrayEndblock => "stray-endblock",
            Self::UnclosedLoop => "unclosed-loop",
            Self::StrayEnd => "stray-end",
            Self::NumberTooLarge => "number-too-large",
            Self::TooDeep => "too-deep",
            Self::Expected { .. } => "expected",
            Self::UnknownWord { .. } => "unknown-word",
            Self::SingleEquals => "single-equals",
            Self::DoubledOperator { .. } => "doubled-operator",
            Self::NotADay { .. } => "not-a-day",
            Self::UnknownCommand { .. } => "unknown-command",
            Self::UnknownOption { .. } => "unknown-option",
            Self::OptionForm { .. } => "option-form",
            Self::NotYet { .. } => "not-available-yet",
            Self::Binding(problem) => problem.code(),
            Self::InvalidDatastore { .. } => "invalid-datastore",
            Self::UnknownDatastore { .. } => "unknown-datastore",
            Self::UnknownVersion { .. } => "unknown-version",
            Self::AliasTaken { .. } => "alias-taken",
            Self::UnknownAlias { .. } => "unknown-alias",
            Self::NoDataset => "no-dataset",
            Self::DatasetTaken { .. } => "dataset-taken",
            Self::UnknownDataset { .. } => "unknown-dataset",
            Self::UnknownVariable { .. } => "unknown-variable",
            Self::UnknownName { .. } => "unknown-name",
            Self::NameTaken { .. } => "name-taken",
            Self::UnknownLabels { .. } => "unknown-labels",
            Self::NoCodes { .. } => "no-codes",
            Self::UnknownFunction { .. } => "unknown-function",
            Self::NoLabels { .. } => "no-labels",
            Self::UnknownLabel { .. } => "unknown-label",
            Self::SharedLabel { .. } => "shared-label",
            Self::NotALabel { .. } => "not-a-label",
            Self::NoPopulation => "no-population",
            Self::DateGiven { .. } => "date-given",
            Self::DateNeeded { .. } => "date-needed",
            Self::WrongDate { .. } => "wrong-date",
            Self::UnitTypeDiffers { .. } => "unit-type-differs",
            Self::TextInArithmetic => "text-in-arithmetic",
            Self::TextInLogic => "text-in-logic",
            Self::TextWithNumber { .. } => "text-with-number",
            Self::ArgumentCount { .. } => "argument-count",
            Self::ArgumentType { .. } => "argument-type",
            Self::MissingCompared => "missing-compared",
            Self::DateInExpression { .. } => "date-in-expression",
            Self::TypeChanges { .. } => "type-changes",
            Self::ExpressionTooLarge => "expression-too-large",
            Self::PlanTooLarge => "plan-too-large",
            Self::RangeBackwards => "range-backwards",
            Self::TargetsMixed => "targets-mixed",
            Self::RecodeRest { .. } => "recode-rest",
            Self::RecodeNames { .. } => "recode-names",
            Self::TooManyVariables { .. } => "too-many-variables",
            Self::LabelType { .. } => "label-type",
            Self::MixedOwners { .. } => "mixed-owners",
            Self::NotAcross { .. } => "not-across-owners",
            Self::TooManyOwners { .. } => "too-many-owners",
            Self::TooManyCombinations { .. } => "too-many-combinations",
            Self::KeyInExpression { .. } => "key-in-expression",
            Self::KeyInTable { .. } => "key-in-table",
            Self::NeedsCategories { .. } => "needs-categories",
            Self::NoCategories { .. } => "no-categories",
            Self::TooManyCells { .. } => "too-many-cells",
            Self::TooManyCategories { .. } => "too-many-categories",
            Self::StatisticOfNothing { .. } => "statistic-of-nothing",
            Self::TextSummarized { .. } => "text-summarized",
            Self::NoBounds { .. } => "no-bounds",
            Self::Unprepared(unprepared) => unprepared.code(),
            Self::BoundsTooLarge { .. } => "bounds-too-large",
        }
    }

    /// One arm a problem, so that the compiler sees to it that every problem can be said.
    fn say(&self) -> Said {
        match self {
            Self::ScriptTooLong => {
                let most = SCRIPT_BYTES_MAX;
                say(
                    format!("the script is longer than {most} bytes"),
                    "divide it into several scripts",
                    format!("skriptet er lengre enn {most} byte"),
                    "del det opp i flere skript",
                )
            }
            Self::UnexpectedCharacter { character } => {
                let instead = match character {
                    '“' | '”' | '„' | '«' | '»' => "\"",
                    '‘' | '’' | '´' | '`' => "'",
                    '–' | '—' | '−' => "-",
                    '≠' => "!=",
                    '≤' => "<=",
                    '≥' => ">=",
                    '^' => "*",
                    '{' | '[' => "(",
                    '}' | ']' => ")",
                    _ => "",
                };
                let shown = character.escape_debug();
                let advice = |write: &str, remove: &str| {
                    if instead.is_empty() { remove.to_owned() } else { format!("{write} {instead}") }
                };
                say(
                    format!("the character `{shown}` means nothing here"),
                    advice("write", "remove it, or put the text in quotes"),
                    format!("tegnet `{shown}` betyr ingenting her"),
                    advice("skriv", "fjern det, eller sett teksten i anførselstegn"),
                )
            }
            Self::UnseenCharacter { character } => {
                let code = u32::from(*character);
                say(
                    format!(
                        "the character U+{code:04X} is not seen, or changes how the text around it is seen"
                    ),
                    "remove it; it often comes along when text is copied from a web page or a document",
                    format!("tegnet U+{code:04X} synes ikke, eller endrer hvordan teksten rundt det ser ut"),
                    "fjern det; det følger ofte med når tekst kopieres fra en nettside eller et dokument",
                )
            }
            Self::UnterminatedText => say(
                "the text has no closing quote",
                "end it with the quote that it began with, on the same line",
                "teksten mangler avsluttende anførselstegn",
                "avslutt den med samme slags anførselstegn, på samme linje",
            ),
            Self::StrayContinuation => say(
                "`\\` continues a line only where it is the last on it",
                "remove it, or break the line after it",
                "`\\` fortsetter linjen bare når det står sist på den",
                "fjern det, eller bryt linjen etter det",
            ),
            Self::UnclosedTextblock => say(
                "this textblock is never closed",
                "write `endblock` on a line of its own after it",
                "denne textblock-en avsluttes aldri",
                "skriv `endblock` på en egen linje etter den",
            ),
            Self::StrayEndblock => say(
                "`endblock` without a `textblock` before it",
                "remove it, or begin the block with `textblock`",
                "`endblock` uten `textblock` foran",
                "fjern den, eller begynn blokken med `textblock`",
            ),
            Self::UnclosedLoop => say(
                "this loop is never closed",
                "write `end` on a line of its own after it",
                "denne løkken avsluttes aldri",
                "skriv `end` på en egen linje etter den",
            ),
            Self::StrayEnd => {
                say("`end` without a `for` before it", "remove it", "`end` uten `for` foran", "fjern den")
            }
            Self::NumberTooLarge => say(
                "the number is too large",
                "write a number below 1e308",
                "tallet er for stort",
                "skriv et tall under 1e308",
            ),
            Self::TooDeep => say(
                "the expression is nested too deeply",
                "make parts of it into columns of their own with `generate`, or use inlist, inrange or rowtotal",
                "uttrykket er nøstet for dypt",
                "lag deler av det som egne kolonner med `generate`, eller bruk inlist, inrange eller rowtotal",
            ),
            Self::Expected { what, found } => {
                let (english, norwegian) = what.say();
                let (there, der) = match found {
                    Some(found) => (format!("found `{found}`"), format!("fant `{found}`")),
                    None => ("the statement ends here".into(), "linjen slutter her".into()),
                };
                say(format!("expected {english}"), there, format!("ventet {norwegian}"), der)
            }
            Self::UnknownWord { what, word, near } => {
                let (english, norwegian) = what.say();
                let (advice, tip) = did_you_mean(near, "expected ", "ventet ", "");
                let of = |said: String, list: String| if near.is_empty() { said + &list } else { said };
                say(
                    format!("`{word}` is not known here"),
                    of(advice, english),
                    format!("`{word}` er ikke kjent her"),
                    of(tip, norwegian),
                )
            }
            Self::SingleEquals => say(
                "`=` gives a value; it does not compare",
                "write `==`",
                "`=` gir en verdi; det sammenligner ikke",
                "skriv `==`",
            ),
            Self::DoubledOperator { write } => say(
                format!("`{write}{write}` is not an operator"),
                format!("write `{write}`"),
                format!("`{write}{write}` er ikke en operator"),
                format!("skriv `{write}`"),
            ),
            Self::NotADay { text } => say(
                format!("`{text}` is not a day of the calendar"),
                "write a date as YYYY-MM-DD, such as 2023-01-01",
                format!("`{text}` er ikke en dag i kalenderen"),
                "skriv datoen som ÅÅÅÅ-MM-DD, for eksempel 2023-01-01",
            ),
            Self::UnknownCommand { word, near } => {
                let (advice, tip) = did_you_mean(near, "available now: ", "tilgjengelig nå: ", AVAILABLE);
                say(
                    format!("there is no command `{word}`"),
                    advice,
                    format!("kommandoen `{word}` finnes ikke"),
                    tip,
                )
            }
            Self::UnknownOption { command, name, near, known } => {
                let list = known.join(" ");
                let (advice, tip) = if known.is_empty() {
                    (format!("`{command}` has no options"), format!("`{command}` har ingen opsjoner"))
                } else {
                    did_you_mean(near, "its options: ", "opsjonene er: ", &list)
                };
                say(
                    format!("`{command}` has no option `{name}`"),
                    advice,
                    format!("`{command}` har ingen opsjon `{name}`"),
                    tip,
                )
            }
            Self::OptionForm { option } => {
                let name = option.trim_end_matches("()");
                if option.ends_with("()") {
                    say(
                        format!("the option `{name}` needs an argument"),
                        format!("write it in parentheses: {name}(…)"),
                        format!("opsjonen `{name}` trenger et argument"),
                        format!("skriv det i parentes: {name}(…)"),
                    )
                } else {
                    say(
                        format!("the option `{name}` takes no argument"),
                        "remove the parentheses",
                        format!("opsjonen `{name}` tar ikke noe argument"),
                        "fjern parentesen",
                    )
                }
            }
            Self::NotYet { feature: Feature::Session(name) } => say(
                format!("`{name}` is a command of the shell, and stands in no script that is run"),
                "leave it out, or type it in `kobling shell`",
                format!("`{name}` er en kommando i skallet, og står ikke i skript som kjøres"),
                "utelat den, eller skriv den i `kobling shell`",
            ),
            Self::NotYet { feature } => {
                let (what, what_nb) = match feature {
                    Feature::Command(name) | Feature::Session(name) => {
                        (format!("the command `{name}`"), format!("kommandoen `{name}`"))
                    }
                    Feature::Option { command, option } => (
                        format!("the option `{option}` of `{command}`"),
                        format!("opsjonen `{option}` til `{command}`"),
                    ),
                };
                let (advice, tip) = match feature {
                    Feature::Command(_) => {
                        (format!("available now: {AVAILABLE}"), format!("tilgjengelig nå: {AVAILABLE}"))
                    }
                    _ => ("leave it out".to_owned(), "utelat den".to_owned()),
                };
                say(
                    format!("{what}: part of the language, but not available yet"),
                    advice,
                    format!("{what_nb}: del av språket, men ikke tilgjengelig ennå"),
                    tip,
                )
            }
            Self::Binding(problem) => problem.say(),
            Self::InvalidDatastore { text } => say(
                format!("`{text}` does not name a datastore and its version"),
                "write the name, a colon and the major version, such as no.ssb.fdb:54",
                format!("`{text}` navngir ikke et datalager med versjon"),
                "skriv navnet, kolon og hovedversjonen, for eksempel no.ssb.fdb:54",
            ),
            Self::UnknownDatastore { text, near } => {
                let (advice, tip) = did_you_mean(near, "", "", "");
                say(
                    format!("no owner of this federation offers the datastore `{text}`"),
                    advice,
                    format!("ingen eier i denne føderasjonen tilbyr datalageret `{text}`"),
                    tip,
                )
            }
            Self::UnknownVersion { datastore, major, available } => {
                let list = join(available.iter().map(|version| format!("{datastore}:{version}")));
                say(
                    format!("`{datastore}` has no version {major}"),
                    format!("available: {list}"),
                    format!("`{datastore}` har ingen versjon {major}"),
                    format!("tilgjengelig: {list}"),
                )
            }
            Self::AliasTaken { name } => say(
                format!("`{name}` already stands for a datastore"),
                "choose another name after `as`",
                format!("`{name}` står allerede for et datalager"),
                "velg et annet navn etter `as`",
            ),
            Self::UnknownAlias { name, known } => {
                let (advice, tip) = if known.is_empty() {
                    let example = format!("require no.ssb.fdb:54 as {name}");
                    (format!("connect one first: {example}"), format!("koble til et først: {example}"))
                } else {
                    (
                        format!("connected: {}", join(known.iter())),
                        format!("tilkoblet: {}", join(known.iter())),
                    )
                };
                say(
                    format!("no datastore is connected as `{name}`"),
                    advice,
                    format!("intet datalager er tilkoblet som `{name}`"),
                    tip,
                )
            }
            Self::NoDataset => say(
                "there is no dataset yet",
                "write `create-dataset name` before this line",
                "det finnes ikke noe datasett ennå",
                "skriv `create-dataset navn` før denne linjen",
            ),
            Self::DatasetTaken { name } => say(
                format!("there is already a dataset `{name}`"),
                format!("choose another name, or go on with it: use {name}"),
                format!("datasettet `{name}` finnes allerede"),
                format!("velg et annet navn, eller fortsett med det: use {name}"),
            ),
            Self::UnknownDataset { name, near } => {
                let new = format!("create-dataset {name}");
                let (advice, tip) = did_you_mean(near, "make it with: ", "lag det med: ", &new);
                say(
                    format!("there is no dataset `{name}`"),
                    advice,
                    format!("datasettet `{name}` finnes ikke"),
                    tip,
                )
            }
            Self::UnknownVariable { alias, name, near } => {
                let (advice, tip) = did_you_mean(near, "", "", "");
                say(
                    format!("`{alias}` has no variable `{name}`"),
                    advice,
                    format!("`{alias}` har ingen variabel `{name}`"),
                    tip,
                )
            }
            Self::UnknownName { name, near } => {
                let (advice, tip) =
                    did_you_mean(near, "import or generate it first", "importer eller lag den først", "");
                say(
                    format!("the dataset has no variable `{name}`"),
                    advice,
                    format!("datasettet har ingen variabel `{name}`"),
                    tip,
                )
            }
            Self::NameTaken { name } => say(
                format!("the dataset already has a variable `{name}`"),
                "choose another name, or change the variable with `replace`",
                format!("datasettet har allerede en variabel `{name}`"),
                "velg et annet navn, eller endre variabelen med `replace`",
            ),
            Self::NoCodes { name } => say(
                format!("`{name}` has no code list"),
                "its values are numbers or texts of their own; name a variable with codes",
                format!("`{name}` har ingen kodeliste"),
                "verdiene er tall eller tekster i seg selv; oppgi en variabel med koder",
            ),
            Self::UnknownLabels { name, near } => {
                let (advice, tip) =
                    did_you_mean(near, "make it first with ", "lag den først med ", "`define-labels`");
                say(
                    format!("there is no code list `{name}`"),
                    advice,
                    format!("kodelisten `{name}` finnes ikke"),
                    tip,
                )
            }
            Self::NoLabels { function } => say(
                format!("`{function}` wants a variable whose values have labels"),
                "use a variable with a code list, or give it labels with `assign-labels`",
                format!("`{function}` vil ha en variabel der verdiene har navn"),
                "bruk en variabel med kodeliste, eller gi den navn med `assign-labels`",
            ),
            Self::UnknownLabel { label, near, part } => {
                let (advice, tip) =
                    did_you_mean(near, "see the variable's labels", "se variabelens navn", "");
                let (is, er) = match part {
                    true => ("no label of this variable contains", "ingen av variabelens navn inneholder"),
                    false => {
                        ("no value of this variable has the label", "ingen av variabelens verdier heter")
                    }
                };
                say(format!("{is} `{label}`"), advice, format!("{er} `{label}`"), tip)
            }
            Self::SharedLabel { label, codes } => {
                let codes = join(codes.iter());
                say(
                    format!("the values {codes} all have the label `{label}`"),
                    "test for any of them with inlabels(x, label), or write the value itself",
                    format!("verdiene {codes} heter alle `{label}`"),
                    "spør etter alle med inlabels(x, navn), eller skriv selve verdien",
                )
            }
            Self::NotALabel { function } => say(
                format!("`{function}` wants a label here, as a text in quotes"),
                format!("write it out, such as: {function}(x, 'Oslo')"),
                format!("`{function}` vil ha et navn her, som tekst i anførselstegn"),
                format!("skriv det ut, for eksempel: {function}(x, 'Oslo')"),
            ),
            Self::UnknownFunction { name, near } => {
                let (advice, tip) = did_you_mean(near, "", "", "");
                say(
                    format!("there is no function `{name}`"),
                    advice,
                    format!("funksjonen `{name}` finnes ikke"),
                    tip,
                )
            }
            Self::NoPopulation => say(
                "the dataset is empty",
                "import a variable first: the first import says which units the dataset has",
                "datasettet er tomt",
                "importer en variabel først: den første importen bestemmer hvilke enheter datasettet har",
            ),
            Self::DateGiven { variable } => say(
                format!("`{variable}` does not change over time and takes no date"),
                "remove the date",
                format!("`{variable}` endrer seg ikke over tid og tar ingen dato"),
                "fjern datoen",
            ),
            Self::DateNeeded { variable, examples } => {
                let list = join(examples.iter());
                say(
                    format!("`{variable}` changes over time and needs a date"),
                    format!("write one after the name, for instance: {list}"),
                    format!("`{variable}` endrer seg over tid og trenger en dato"),
                    format!("skriv den etter navnet, for eksempel: {list}"),
                )
            }
            Self::WrongDate { variable, date, nearest } => {
                let list = join(nearest.iter());
                let (advice, tip) = if nearest.is_empty() {
                    (
                        "it has no values for any date".to_owned(),
                        "den har ingen verdier for noen dato".to_owned(),
                    )
                } else {
                    (format!("nearest valid dates: {list}"), format!("nærmeste gyldige datoer: {list}"))
                };
                say(
                    format!("`{variable}` has no values for {date}"),
                    advice,
                    format!("`{variable}` har ingen verdier for {date}"),
                    tip,
                )
            }
            Self::Unprepared(unprepared) => unprepared.say(),
            Self::UnitTypeDiffers { variable, unit_type, dataset } => say(
                format!("`{variable}` is about units of type {unit_type}, the dataset about {dataset}"),
                "a dataset has one unit type: make another dataset with `create-dataset`",
                format!("`{variable}` gjelder enheter av typen {unit_type}, datasettet {dataset}"),
                "et datasett har én enhetstype: lag et nytt datasett med `create-dataset`",
            ),
            Self::TextInArithmetic => say(
                "one cannot calculate with a text",
                "make it a number first: recode its values to numbers (`destring` will do it when it is available)",
                "man kan ikke regne med en tekst",
                "gjør den til tall først: omkod verdiene til tall (`destring` kan brukes når den blir tilgjengelig)",
            ),
            Self::TextInLogic => say(
                "a text is neither true nor false",
                "compare it with something, such as x == \"1\"",
                "en tekst er verken sann eller usann",
                "sammenlign den med noe, for eksempel x == \"1\"",
            ),
            Self::TextWithNumber { number } => {
                let (advice, tip) = match number {
                    Some(number) => (
                        format!("write the value in quotes: \"{number}\""),
                        format!("skriv verdien i anførselstegn: \"{number}\""),
                    ),
                    None => (
                        "compare text with text, number with number".to_owned(),
                        "sammenlign tekst med tekst, tall med tall".to_owned(),
                    ),
                };
                say("a text is compared with a number", advice, "en tekst sammenlignes med et tall", tip)
            }
            Self::ArgumentCount { function, fewest, most, given } => {
                let wants = match most {
                    Some(most) if most == fewest => format!("{fewest}"),
                    Some(most) => format!("{fewest}–{most}"),
                    None => format!("{fewest}+"),
                };
                say(
                    format!("`{function}` takes {wants} argument(s)"),
                    format!("here it has {given}"),
                    format!("`{function}` tar {wants} argument(er)"),
                    format!("her har den {given}"),
                )
            }
            Self::ArgumentType { function, wants_text } => {
                let (what, what_nb) =
                    if *wants_text { ("a text", "en tekst") } else { ("a number", "et tall") };
                say(
                    format!("`{function}` wants {what} here"),
                    if *wants_text {
                        "numbers become text with string(x)"
                    } else {
                        "give it a numeric variable"
                    },
                    format!("`{function}` vil ha {what_nb} her"),
                    if *wants_text { "tall blir tekst med string(x)" } else { "gi den en numerisk variabel" },
                )
            }
            Self::MissingCompared => say(
                "`.` is missing: it may be given to a variable, not compared or calculated with",
                "test for missing with sysmiss(x)",
                "`.` er manglende verdi: den kan gis til en variabel, ikke sammenlignes eller regnes med",
                "test for manglende verdi med sysmiss(x)",
            ),
            Self::DateInExpression { day } => {
                let (year, month, date) = day.civil();
                let instead = format!("date({year}, {month}, {date})");
                say(
                    "a bare date can stand in an import only",
                    format!("write {instead}"),
                    "en dato uten funksjon kan bare stå i en import",
                    format!("skriv {instead}"),
                )
            }
            Self::TypeChanges { name, is_text } => {
                let (en_is, en_new, nb_is, nb_new) = if *is_text {
                    ("a text", "a number", "en tekst", "et tall")
                } else {
                    ("a number", "a text", "et tall", "en tekst")
                };
                say(
                    format!("`{name}` is {en_is} and cannot be given {en_new}"),
                    "make a new variable with `generate`, or change all values with `recode`",
                    format!("`{name}` er {nb_is} og kan ikke få {nb_new}"),
                    "lag en ny variabel med `generate`, eller endre alle verdiene med `recode`",
                )
            }
            Self::ExpressionTooLarge => say(
                format!(
                    "with all that its variables are made from, this is more than {EXPRESSION_NODES_MAX} operations or too deep"
                ),
                "use fewer `generate` and `replace` in a chain; one `recode` often does the work of many",
                format!(
                    "med alt variablene er laget av, er dette mer enn {EXPRESSION_NODES_MAX} operasjoner eller for dypt"
                ),
                "bruk færre `generate` og `replace` etter hverandre; én `recode` gjør ofte jobben til mange",
            ),
            Self::PlanTooLarge => say(
                "the script as a whole asks for too much",
                "divide it into several scripts",
                "skriptet som helhet ber om for mye",
                "del det opp i flere skript",
            ),
            Self::RangeBackwards => say(
                "the range ends before it begins",
                "write the smaller value first, such as 1/7",
                "intervallet slutter før det begynner",
                "skriv den minste verdien først, for eksempel 1/7",
            ),
            Self::TargetsMixed => say(
                "some new values are numbers, others texts",
                "give all rules numbers, or all of them texts",
                "noen av de nye verdiene er tall, andre tekst",
                "gi alle reglene tall, eller alle tekst",
            ),
            Self::RecodeRest { name } => say(
                format!(
                    "values of `{name}` that no rule matches would keep another type than the new values"
                ),
                "add a rule for the rest, such as (* = .)",
                format!(
                    "verdier av `{name}` som ingen regel treffer, ville beholdt en annen type enn de nye verdiene"
                ),
                "legg til en regel for resten, for eksempel (* = .)",
            ),
            Self::RecodeNames { variables, given } => say(
                format!("generate() names {given} new variables for {variables} recoded ones"),
                "give one new name for each variable",
                format!("generate() navngir {given} nye variabler for {variables} omkodede"),
                "gi ett nytt navn for hver variabel",
            ),
            Self::TooManyVariables { option } => say(
                format!("`{option}` takes one name"),
                "write a single name in the parentheses",
                format!("`{option}` tar ett navn"),
                "skriv ett enkelt navn i parentesen",
            ),
            Self::LabelType { name, value } => say(
                format!("`{name}` is numeric, but the code list has the value `{value}`"),
                "use a code list with numbers",
                format!("`{name}` er numerisk, men kodelisten har verdien `{value}`"),
                "bruk en kodeliste med tall",
            ),
            Self::MixedOwners { columns } => {
                let (list, liste) =
                    (belonging(columns, "belongs to", " and "), belonging(columns, "tilhører", " og "));
                say(
                    format!(
                        "{list}: this is no sum of each owner's numbers, and nobody holds all values of a unit, so a sum or mean of it cannot be computed"
                    ),
                    "summarize sums and differences of owners' numbers, such as `x + y` or `(x - y) / 30`, or one owner's variable, in groups or under a condition of the others'",
                    format!(
                        "{liste}: dette er ingen sum av hver eiers tall, og ingen har alle verdiene for en enhet, så sum eller gjennomsnitt av det kan ikke beregnes"
                    ),
                    "bruk summer og differanser av eiernes tall, som `x + y` eller `(x - y) / 30`, eller én eiers variabel, i grupper eller under en betingelse om de andres",
                )
            }
            Self::NotAcross { columns, obstacle } => {
                let (list, liste) =
                    (belonging(columns, "belongs to", " and "), belonging(columns, "tilhører", " og "));
                let (why, advice, hvorfor, tip) = across(*obstacle);
                say(format!("{list}: {why}"), advice, format!("{liste}: {hvorfor}"), tip)
            }
            Self::TooManyOwners { owners } => {
                let list = join(owners.iter());
                say(
                    format!(
                        "this question involves {} owners ({list}); {QUESTION_OWNERS_MAX} is the most",
                        owners.len()
                    ),
                    "the owner of the first import is always one; make a dataset that involves fewer others",
                    format!(
                        "dette spørsmålet berører {} eiere ({list}); {QUESTION_OWNERS_MAX} er det meste",
                        owners.len()
                    ),
                    "eieren av den første importen er alltid med; lag et datasett som berører færre andre",
                )
            }
            Self::TooManyCombinations { owners } => {
                let list = join(owners.iter());
                say(
                    format!(
                        "this table has too many combinations of categories over {} owners ({list})",
                        owners.len()
                    ),
                    "use coarser categories, or make tables over fewer of the owners at a time",
                    format!(
                        "denne tabellen har for mange kombinasjoner av kategorier over {} eiere ({list})",
                        owners.len()
                    ),
                    "bruk grovere kategorier, eller lag tabeller over færre av eierne om gangen",
                )
            }
            Self::KeyInExpression { name } => say(
                format!("`{name}` points to other units and cannot be used in an expression (rule 15)"),
                "keys can be used in by() and on only",
                format!("`{name}` peker på andre enheter og kan ikke brukes i et uttrykk (regel 15)"),
                "nøkler kan bare brukes i by() og on",
            ),
            Self::KeyInTable { name } => say(
                format!("`{name}` points to other units and cannot be tabulated (rule 15)"),
                "keys can be used in by() and on only",
                format!("`{name}` peker på andre enheter og kan ikke tabuleres (regel 15)"),
                "nøkler kan bare brukes i by() og on",
            ),
            Self::NeedsCategories { name } => say(
                format!("`{name}` has no categories: a table's categories never come from the data"),
                format!(
                    "group it with recode, such as: recode {name} (min/17 = 1 \"under 18\") (18/max = 2 \"18 or over\"); or \
                     name its values with define-labels and assign-labels"
                ),
                format!("`{name}` har ingen kategorier: en tabells kategorier kommer aldri fra dataene"),
                format!(
                    "grupper den med recode, for eksempel: recode {name} (min/17 = 1 \"under 18\") (18/max = 2 \"18 eller \
                     mer\"); eller gi verdiene navn med define-labels og assign-labels"
                ),
            ),
            Self::NoCategories { name } => say(
                format!("`{name}` has an empty list of categories"),
                "it has no codes at the date of the import, or is always missing",
                format!("`{name}` har en tom kategoriliste"),
                "den har ingen koder på importdatoen, eller mangler alltid verdi",
            ),
            Self::TooManyCells { cells } => say(
                format!("the table would have {cells} cells; {TABLE_CELLS_MAX} is the most"),
                "use fewer variables, or coarser categories by recode",
                format!("tabellen ville fått {cells} celler; {TABLE_CELLS_MAX} er det meste"),
                "bruk færre variabler, eller grovere kategorier med recode",
            ),
            Self::TooManyCategories { owner, categories } => say(
                format!(
                    "the variables of {owner} would have {categories} combinations; {SIDE_CATEGORIES_MAX} is the most for \
                     one owner"
                ),
                "use fewer of them, or coarser categories by recode",
                format!(
                    "variablene til {owner} ville fått {categories} kombinasjoner; {SIDE_CATEGORIES_MAX} er det meste for \
                     én eier"
                ),
                "bruk færre av dem, eller grovere kategorier med recode",
            ),
            Self::StatisticOfNothing { option } => say(
                format!("`{option}` says something of a number, and none is named"),
                format!("name it: summarize(variable) {option}"),
                format!("`{option}` sier noe om et tall, og ingen variabel er nevnt"),
                format!("nevn den: summarize(variabel) {option}"),
            ),
            Self::TextSummarized { name } => say(
                format!("`{name}` is a text: it has no sum and no mean"),
                "name a numeric variable; recode makes numbers of texts",
                format!("`{name}` er en tekst: den har verken sum eller gjennomsnitt"),
                "nevn en numerisk variabel; recode gjør tekst til tall",
            ),
            Self::NoBounds { name } => say(
                format!("nothing public says how small or large `{name}` can be, and sums need that"),
                "divide by a constant rather than by a variable, such as x / 1000, and take ln and log10 of what is above zero",
                format!(
                    "ingenting offentlig sier hvor liten eller stor `{name}` kan være, og summer trenger det"
                ),
                "del på en konstant i stedet for en variabel, for eksempel x / 1000, og ta ln og log10 av det som er over null",
            ),
            Self::BoundsTooLarge { name, bound } => {
                let most = Coding::BOUND_MAX;
                say(
                    format!("`{name}` can be as large as {bound:.2e}; sums go up to {most:e}"),
                    format!("make it smaller: generate millions = {name} / 1000000"),
                    format!("`{name}` kan bli så stor som {bound:.2e}; summer går opp til {most:e}"),
                    format!("gjør den mindre: generate millioner = {name} / 1000000"),
                )
            }
        }
    }
}

impl Expected {
    fn say(self) -> (String, String) {
        let (english, norwegian) = match self {
            Self::Command => ("a command", "en kommando"),
            Self::Variable => ("a variable's name", "navnet på en variabel"),
            Self::NewName => ("a new name (letters, digits and _)", "et nytt navn (bokstaver, sifre og _)"),
            Self::DatasetName => ("a dataset's name", "navnet på et datasett"),
            Self::LabelsName => ("a code list's name", "navnet på en kodeliste"),
            Self::RegisterVariable => {
                ("a register variable, written alias/NAME", "en registervariabel, skrevet alias/NAVN")
            }
            Self::Datastore => (
                "a datastore and its version, such as no.ssb.fdb:54",
                "et datalager med versjon, for eksempel no.ssb.fdb:54",
            ),
            Self::Expression => (
                "a value: a name, number, text or expression",
                "en verdi: et navn, et tall, en tekst eller et uttrykk",
            ),
            Self::Open => ("`(`", "`(`"),
            Self::Close => ("`)`", "`)`"),
            Self::CommaOrClose => ("`,` or `)`", "`,` eller `)`"),
            Self::Assign => ("`=`", "`=`"),
            Self::As => ("`as` and a name", "`as` og et navn"),
            Self::In => ("`in`", "`in`"),
            Self::End => ("the end of the statement", "slutten av linjen"),
            Self::Option([]) => (
                "the end of the statement: this command has no options",
                "slutten av linjen: denne kommandoen har ingen opsjoner",
            ),
            Self::Option(known) => {
                let list = known.join(" ");
                return (format!("an option, one of: {list}"), format!("en opsjon, en av: {list}"));
            }
            Self::Date => ("a date, written YYYY-MM-DD", "en dato, skrevet ÅÅÅÅ-MM-DD"),
            Self::Value => {
                ("a value: a number or a text in quotes", "en verdi: et tall eller en tekst i anførselstegn")
            }
            Self::Label => {
                ("a label: a word or a text in quotes", "en etikett: et ord eller en tekst i anførselstegn")
            }
            Self::Rule => {
                ("a rule in parentheses, such as (1/7 = 0)", "en regel i parentes, for eksempel (1/7 = 0)")
            }
            Self::RuleValue => (
                "what the rule matches: values, a range such as 1/7, nonmissing, missing or *",
                "det regelen treffer: verdier, et intervall som 1/7, nonmissing, missing eller *",
            ),
            Self::RuleTarget => (
                "the new value: a number, a text in quotes or `.`",
                "den nye verdien: et tall, en tekst i anførselstegn eller `.`",
            ),
            Self::By => ("`by` and the variable of the groups", "`by` og variabelen for gruppene"),
            Self::Word => ("a name", "et navn"),
            Self::Statistic(known) => {
                let list = known.join(" ");
                return (
                    format!("a statistic in parentheses, one of: {list}"),
                    format!("et statistisk mål i parentes, ett av: {list}"),
                );
            }
            Self::Regression(known) => {
                let list = known.join(" ");
                return (
                    format!("a kind of regression, one of: {list}"),
                    format!("en type regresjon, en av: {list}"),
                );
            }
            Self::Into => ("`into` and a dataset", "`into` og et datasett"),
            Self::To => ("`to` and a date", "`to` og en dato"),
            Self::Range => (
                "the other end of the range: a number, min or max",
                "den andre enden av intervallet: et tall, min eller max",
            ),
        };
        (english.to_owned(), norwegian.to_owned())
    }
}

/// "`a` belongs to ssb and `b` belongs to krg".
fn belonging(columns: &[(String, OwnerId)], to: &str, and: &str) -> String {
    let parts: Vec<_> = columns.iter().map(|(name, owner)| format!("`{name}` {to} {owner}")).collect();
    match columns.split_first() {
        // A column made of several owners' has one name.
        Some(((name, _), rest)) if rest.iter().all(|(other, _)| other == name) => {
            let owners: Vec<_> = columns.iter().map(|(_, owner)| owner.to_string()).collect();
            format!("`{name}` {to} {}", owners.join(and))
        }
        _ => parts.join(and),
    }
}

/// Why a column over several owners cannot be computed, and what would work; in English, then in Norwegian.
fn across(obstacle: Obstacle) -> (&'static str, &'static str, &'static str, &'static str) {
    match obstacle {
        Obstacle::Text => (
            "a text that can be many things cannot be compared with another owner's value",
            "make a number or a code of it first, such as: generate c50 = startswith(site, \"C50\")",
            "en tekst som kan være mye forskjellig, kan ikke sammenlignes med en annen eiers verdi",
            "lag et tall eller en kode av den først, for eksempel: generate c50 = startswith(sted, \"C50\")",
        ),
        Obstacle::NotWhole => (
            "numbers of several owners are added and compared as whole numbers",
            "round first, such as: generate whole = round(x)",
            "tall fra flere eiere legges sammen og sammenlignes som hele tall",
            "rund av først, for eksempel: generate hele = round(x)",
        ),
        Obstacle::Unbounded => (
            "a number that meets another owner's needs public bounds, less than a thousand million apart",
            "use a variable with published bounds, or recode it into groups first",
            "et tall som møter en annen eiers, trenger offentlige grenser med mindre enn tusen millioner mellom seg",
            "bruk en variabel med publiserte grenser, eller omkod den til grupper først",
        ),
        Obstacle::Classes => (
            "this has too many different values to be told apart",
            "recode it into fewer groups, such as: recode x (min/-1 = 0) (0/11 = 1) (12/max = 2)",
            "dette har for mange ulike verdier til at de kan skilles",
            "omkod det til færre grupper, for eksempel: recode x (min/-1 = 0) (0/11 = 1) (12/max = 2)",
        ),
        Obstacle::Combinations => (
            "this joins too many values of the owners",
            "recode each owner's variable into fewer groups first",
            "dette kobler for mange av eiernes verdier",
            "omkod hver eiers variabel til færre grupper først",
        ),
        Obstacle::Operation => (
            "nobody holds both values of a unit, and this cannot be computed on shares",
            "sums, differences, comparisons, rowmax() and rowmin() can, and what is made of few values of each owner",
            "ingen har begge verdiene for en enhet, og dette kan ikke beregnes på andeler",
            "summer, differanser, sammenligninger, rowmax() og rowmin() kan det, og det som lages av få verdier hos hver eier",
        ),
    }
}

fn join<T: std::fmt::Display>(parts: impl Iterator<Item = T>) -> String {
    parts.map(|part| part.to_string()).collect::<Vec<_>>().join(", ")
}

/// The near names if there are any, else what the caller says.
fn did_you_mean(near: &[String], english: &str, norwegian: &str, rest: &str) -> (String, String) {
    if near.is_empty() {
        return (format!("{english}{rest}"), format!("{norwegian}{rest}"));
    }
    let quoted: Vec<_> = near.iter().map(|name| format!("`{name}`")).collect();
    (format!("did you mean {}?", quoted.join(" or ")), format!("mente du {}?", quoted.join(" eller ")))
}
