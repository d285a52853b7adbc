//! What can be wrong with bindings and loops.

use super::{Said, did_you_mean, join, say};
use crate::limits::{LOOPS_MAX, MADE_BYTES_MAX, MADE_NAME_MAX, MADE_STATEMENTS_MAX, MADE_TEXT_MAX};

/// A fault in `let`, `for`, `$name` or `++`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The messages below say it.
#[non_exhaustive]
pub enum BindingProblem {
    Unknown { name: String, near: Vec<String>, known: Vec<String> },
    Name { name: String },
    NotAName { text: String },
    TextTooLong,
    NoValue,
    Function { name: String },
    RepeatedIterator { name: String },
    IteratorCount { names: usize, lists: usize },
    IteratorLengths { lengths: Vec<usize> },
    RangeNotWhole,
    RangeBackwards,
    TooMuchMade,
    TooManyLoops,
}

impl BindingProblem {
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "unknown-binding",
            Self::Name { .. } => "name-in-binding",
            Self::NotAName { .. } => "not-a-name",
            Self::TextTooLong => "text-too-long",
            Self::NoValue => "no-value",
            Self::Function { .. } => "function-in-binding",
            Self::RepeatedIterator { .. } => "repeated-iterator",
            Self::IteratorCount { .. } => "iterator-count",
            Self::IteratorLengths { .. } => "iterator-lengths",
            Self::RangeNotWhole => "range-not-whole",
            Self::RangeBackwards => "loop-backwards",
            Self::TooMuchMade => "too-much-made",
            Self::TooManyLoops => "too-many-loops",
        }
    }

    pub(super) fn say(&self) -> Said {
        match self {
            Self::Unknown { name, near, known } => {
                let list = join(known.iter().map(|name| format!("${name}")));
                let (advice, tip) = if known.is_empty() {
                    (format!("bind it first: let {name} = …"), format!("bind det først: let {name} = …"))
                } else {
                    did_you_mean(near, "bound here: ", "bundet her: ", &list)
                };
                say(
                    format!("nothing is bound to `${name}` here"),
                    advice,
                    format!("ingenting er bundet til `${name}` her"),
                    tip,
                )
            }
            Self::Name { name } => say(
                format!("`{name}` is a name here, with which nothing can be calculated"),
                format!(
                    "bindings never hold data; write ${name} for a binding, or calculate with `generate`"
                ),
                format!("`{name}` er et navn her, og det kan ikke regnes med"),
                format!("bindinger har aldri data; skriv ${name} for en binding, eller regn med `generate`"),
            ),
            Self::NotAName { text } => say(
                format!("`{text}` cannot be a name"),
                format!(
                    "a name begins with a letter or `_`, has letters, digits and `_`, and at most {MADE_NAME_MAX} bytes"
                ),
                format!("`{text}` kan ikke være et navn"),
                format!(
                    "et navn begynner med bokstav eller `_`, har bokstaver, sifre og `_`, og høyst {MADE_NAME_MAX} byte"
                ),
            ),
            Self::TextTooLong => say(
                format!("the text becomes longer than {MADE_TEXT_MAX} bytes"),
                "join fewer or shorter texts",
                format!("teksten blir lengre enn {MADE_TEXT_MAX} byte"),
                "sett sammen færre eller kortere tekster",
            ),
            Self::NoValue => say(
                "this has no value",
                "divide by something other than 0, name a day of the calendar, or give a whole number as a text",
                "dette har ingen verdi",
                "del på noe annet enn 0, oppgi en dag i kalenderen, eller gi et helt tall som tekst",
            ),
            Self::Function { name } => say(
                format!("the function `{name}` is not computed in bindings"),
                "use it in `generate`",
                format!("funksjonen `{name}` beregnes ikke i bindinger"),
                "bruk den i `generate`",
            ),
            Self::RepeatedIterator { name } => say(
                format!("`{name}` stands twice among the iterators"),
                "give each its own name",
                format!("`{name}` står to ganger blant iteratorene"),
                "gi hver sitt navn",
            ),
            Self::IteratorCount { names, lists } => say(
                format!("as many lists as iterators are wanted; there are {lists} for {names}"),
                "write commas between lists, and blanks between their values",
                format!("det trengs like mange lister som iteratorer; det er {lists} for {names}"),
                "skriv komma mellom listene, og mellomrom mellom verdiene",
            ),
            Self::IteratorLengths { lengths } => {
                let list = join(lengths.iter());
                say(
                    format!(
                        "iterators that run in parallel need lists of one length; these have {list} values"
                    ),
                    "make them equally long, or write `;` to put one loop inside the other",
                    format!(
                        "iteratorer som går parallelt, trenger like lange lister; disse har {list} verdier"
                    ),
                    "gjør dem like lange, eller skriv `;` for å legge den ene løkken i den andre",
                )
            }
            Self::RangeNotWhole => say(
                "a range goes from one whole number to another",
                "round its ends, or list the values",
                "et intervall går fra ett helt tall til et annet",
                "rund av endene, eller list opp verdiene",
            ),
            Self::RangeBackwards => say(
                "the range ends before it begins",
                "write the lower number first",
                "intervallet slutter før det begynner",
                "skriv det laveste tallet først",
            ),
            Self::TooMuchMade => say(
                format!(
                    "loops and bindings make more than {MADE_STATEMENTS_MAX} statements or {MADE_BYTES_MAX} bytes"
                ),
                "loop over less, or divide the script",
                format!(
                    "løkker og bindinger lager mer enn {MADE_STATEMENTS_MAX} linjer eller {MADE_BYTES_MAX} byte"
                ),
                "gå gjennom mindre, eller del opp skriptet",
            ),
            Self::TooManyLoops => say(
                format!("more than {LOOPS_MAX} loops inside one another"),
                "use fewer; iterators separated by commas run in parallel",
                format!("mer enn {LOOPS_MAX} løkker inni hverandre"),
                "bruk færre; iteratorer med komma mellom går parallelt",
            ),
        }
    }
}
