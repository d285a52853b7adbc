//! What a researcher is told where a rule or an owner's policy says no: which rule, what happened, why the rule exists, and what to write
//! instead. In two languages, and never with anything of the data in it.

use std::fmt;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};

use super::{Refusal, Warning};

/// A text in the languages that researchers are spoken to in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text {
    /// English.
    pub en: &'static str,
    /// Norwegian bokmål.
    pub nb: &'static str,
}

/// A refusal, or an edit that was not carried out, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The rule: its number, or the entry of the owner's policy.
    pub rule: &'static str,
    /// What the rule is called.
    pub name: Text,
    /// What happened.
    pub what: Text,
    /// Why the rule exists, in one sentence.
    pub why: Text,
    /// What to write instead.
    pub instead: Text,
}

impl fmt::Display for Explained {
    /// All of it in one line of English, for programs that show a message as it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, name, what, why, instead } = self;
        write!(f, "rule {rule}, {}: {}; {}; {}", name.en, what.en, why.en, instead.en)
    }
}

/// An entry of an owner's policy that may refuse a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
pub enum PolicyRule {
    /// `[[allow]]`: which variables are open to whom, for what.
    #[serde(rename = "not-open")]
    Allow,
    /// `[[keep_apart]]`: which variables may not meet.
    #[serde(rename = "kept-apart")]
    KeepApart,
    /// `commands`: which commands may be used.
    #[serde(rename = "command-not-allowed")]
    Commands,
    /// `dealers`: who may deal.
    #[serde(rename = "dealer-not-allowed")]
    Dealers,
}

/// Who says no, by the code of what a researcher is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A rule that refuses a question.
    Refused(Refusal),
    /// A rule that keeps an edit from being carried out.
    Warned(Warning),
    /// An owner's policy.
    Policy(PolicyRule),
}

impl Reason {
    /// The reason that a code stands for; none for codes of failures and other problems.
    pub fn of_code(code: &str) -> Option<Self> {
        let refused = read(code).map(Self::Refused);
        refused.or_else(|| read(code).map(Self::Warned)).or_else(|| read(code).map(Self::Policy))
    }

    /// In words.
    pub fn explained(self) -> Explained {
        match self {
            Self::Refused(refusal) => refusal.explained(),
            Self::Warned(warning) => warning.explained(),
            Self::Policy(rule) => rule.explained(),
        }
    }
}

/// Names of variants are their codes.
fn read<'de, T: Deserialize<'de>>(code: &'de str) -> Option<T> {
    let code: StrDeserializer<'de, Error> = code.into_deserializer();
    T::deserialize(code).ok()
}

impl Refusal {
    /// The refusal of this code.
    pub fn of_code(code: &str) -> Option<Self> {
        read(code)
    }

    /// In words.
    pub fn explained(self) -> Explained {
        match self {
            Self::PopulationFloor => Explained {
                rule: "1",
                name: Text { en: "population floor", nb: "minste populasjon" },
                what: Text { en: "the population is too small", nb: "populasjonen er for liten" },
                why: Text {
                    en: "tables of a small group would say much of each person in it",
                    nb: "tabeller over en liten gruppe ville si mye om hver person i den",
                },
                instead: Text {
                    en: "widen the condition of `keep` or `drop`, import a larger population first, or put the condition to the table: \
                         `tabulate … if …`",
                    nb: "utvid betingelsen i `keep` eller `drop`, importer en større populasjon først, eller sett betingelsen på \
                         tabellen: `tabulate … if …`",
                },
            },
            Self::SmallCells => Explained {
                rule: "5",
                name: Text { en: "tables of small cells", nb: "tabeller med små celler" },
                what: Text { en: "too many cells are small", nb: "for mange celler er små" },
                why: Text {
                    en: "where most cells have to be hidden, those that are left point at the few people in the others",
                    nb: "der de fleste cellene må skjules, peker de som står igjen ut de få personene i de andre",
                },
                instead: Text {
                    en: "use coarser categories, as with `recode`, or fewer variables in one table",
                    nb: "bruk grovere kategorier, for eksempel med `recode`, eller færre variabler i én tabell",
                },
            },
            Self::SplitsSpent => Explained {
                rule: "14",
                name: Text { en: "budget of cells", nb: "budsjett av celler" },
                what: Text {
                    en: "the population has been cut into as many cells as its size allows",
                    nb: "populasjonen er delt i så mange celler som størrelsen tillater",
                },
                why: Text {
                    en: "enough tables of the same people, put together, would say what each of them has",
                    nb: "nok tabeller over de samme personene ville til sammen si hva hver av dem har",
                },
                instead: Text {
                    en: "ask for tables that were made before, use coarser categories, or a larger population",
                    nb: "spør om tabeller som er laget før, bruk grovere kategorier eller en større populasjon",
                },
            },
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.code(), self.explained())
    }
}

impl std::error::Error for Refusal {}

impl Warning {
    /// In words.
    pub fn explained(self) -> Explained {
        match self {
            Self::EditNotCarriedOut => Explained {
                rule: "6",
                name: Text { en: "edits of few units", nb: "endringer av få enheter" },
                what: Text {
                    en: "the edit touches very few units or none, or leaves very few or none out, and was not carried out; the \
                         script went on without it, and a column that it should have made is missing for everybody",
                    nb: "endringen gjelder svært få enheter eller ingen, eller utelater svært få eller ingen, og ble ikke utført; \
                         skriptet fortsatte uten den, og en kolonne som den skulle lage, mangler for alle",
                },
                why: Text {
                    en: "a table before and one after an edit of few would tell of those few",
                    nb: "en tabell før og en etter en endring av få ville fortelle om disse få",
                },
                instead: Text {
                    en: "write a wider condition, a value for everybody without one, or ranges of `recode` from `min` to `max`",
                    nb: "skriv en videre betingelse, en verdi for alle uten betingelse, eller intervaller i `recode` fra `min` til `max`",
                },
            },
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.code(), self.explained())
    }
}

impl std::error::Error for Warning {}

impl PolicyRule {
    /// In words. What happened names the variable, the command or the dealer in the message itself.
    pub fn explained(self) -> Explained {
        match self {
            Self::Allow => Explained {
                rule: "allow",
                name: Text { en: "open variables", nb: "åpne variabler" },
                what: Text {
                    en: "a variable is not open to you for this purpose",
                    nb: "en variabel er ikke åpen for deg til dette formålet",
                },
                why: Text {
                    en: "each owner decides who may use which of its variables, and for what",
                    nb: "hver eier bestemmer hvem som kan bruke hvilke av dens variabler, og til hva",
                },
                instead: Text {
                    en: "leave the variable out, or ask the owner to open it",
                    nb: "utelat variabelen, eller be eieren om å åpne den",
                },
            },
            Self::KeepApart => Explained {
                rule: "keep_apart",
                name: Text { en: "variables kept apart", nb: "variabler som holdes fra hverandre" },
                what: Text {
                    en: "two variables may not meet in one question",
                    nb: "to variabler kan ikke møtes i ett spørsmål",
                },
                why: Text {
                    en: "together these variables would say more of people than the owner allows",
                    nb: "sammen ville disse variablene si mer om folk enn eieren tillater",
                },
                instead: Text {
                    en: "ask about them in questions of their own, from datasets that have one of them each",
                    nb: "spør om dem hver for seg, fra datasett som har én av dem hver",
                },
            },
            Self::Commands => Explained {
                rule: "commands",
                name: Text { en: "allowed commands", nb: "tillatte kommandoer" },
                what: Text {
                    en: "a command may not be used with variables of this owner",
                    nb: "en kommando kan ikke brukes med denne eierens variabler",
                },
                why: Text {
                    en: "each owner decides what may be done with its variables",
                    nb: "hver eier bestemmer hva som kan gjøres med dens variabler",
                },
                instead: Text {
                    en: "do without the command, or ask the owner to allow it",
                    nb: "klar deg uten kommandoen, eller be eieren om å tillate den",
                },
            },
            Self::Dealers => Explained {
                rule: "dealers",
                name: Text { en: "allowed dealers", nb: "tillatte utdelere" },
                what: Text {
                    en: "the party that would have to deal in this question may not",
                    nb: "parten som måtte dele ut i dette spørsmålet, har ikke lov til det",
                },
                why: Text {
                    en: "each owner decides which parties it relies on in a computation with others",
                    nb: "hver eier bestemmer hvilke parter den stoler på i en beregning med andre",
                },
                instead: Text {
                    en: "use other owners' variables with this owner's, since who deals follows from whose variables meet",
                    nb: "bruk andre eieres variabler sammen med denne eierens, for hvem som deler ut, følger av hvis variabler som møtes",
                },
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODES: [&str; 8] = [
        "population-floor",
        "small-cells",
        "splits-spent",
        "edit-not-carried-out",
        "not-open",
        "kept-apart",
        "command-not-allowed",
        "dealer-not-allowed",
    ];

    #[test]
    fn a_code_leads_to_the_rule_that_has_it() {
        for code in CODES {
            match Reason::of_code(code).expect("a reason") {
                Reason::Refused(refusal) => {
                    assert_eq!((refusal.code(), Refusal::of_code(code)), (code, Some(refusal)));
                }
                Reason::Warned(warning) => assert_eq!(warning.code(), code),
                Reason::Policy(_) => assert_eq!(Refusal::of_code(code), None),
            }
        }
        for other in ["", "unreachable", "PopulationFloor"] {
            assert_eq!(Reason::of_code(other), None);
        }
    }

    #[test]
    fn every_text_is_there_in_both_languages_and_short_enough_to_be_sent() {
        for code in CODES {
            let explained = Reason::of_code(code).expect("a reason").explained();
            let Explained { name, what, why, instead, .. } = explained;
            for text in [name, what, why, instead] {
                assert!(!text.en.is_empty() && !text.nb.is_empty() && text.en != text.nb, "{code}: {text:?}");
                let shows_a_number = |text: &str| text.bytes().any(|byte| byte.is_ascii_digit());
                assert!(!shows_a_number(text.en) && !shows_a_number(text.nb), "{code}: {text:?}");
            }
            assert!(explained.to_string().len() < 500, "{code}: {}", explained.to_string().len());
        }
    }
}
