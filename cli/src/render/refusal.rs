//! What people read, and programs get, where a rule or an owner's policy says no: which rule, why it exists, what to write instead.
//!
//! The words are the model's ([`Reason`]), found by the code. A code that this program does not know leaves the broker's message as it is.

use kobling_model::rules::{Explained, Reason, Text};
use serde_json::{Value, json};

use super::plain;
use crate::arguments::Language;

/// A message in full: what happened in the first line, then why the rule exists and what to write instead.
pub fn told(code: &str, message: &str, language: Language) -> String {
    let Some(reason) = Reason::of_code(code) else { return plain(message) };
    let Explained { rule, name, what, why, instead } = reason.explained();
    let first = match (reason, language) {
        // It names the variable, the command or the dealer, and who refuses.
        (Reason::Policy(_), Language::En) => plain(message),
        (Reason::Policy(_), Language::Nb) => {
            // An owner's node says these names in English only; so what they are about comes first.
            format!("[{code}] regel {rule}, {}: {}\n  eieren: {}", name.nb, what.nb, plain(message))
        }
        (_, Language::En) => format!("[{code}] rule {rule}, {}: {}", name.en, what.en),
        (_, Language::Nb) => format!("[{code}] regel {rule}, {}: {}", name.nb, what.nb),
    };
    let [why_word, instead_word] = match language {
        Language::En => ["why", "instead"],
        Language::Nb => ["hvorfor", "i stedet"],
    };
    format!("{first}\n  {why_word}: {}\n  {instead_word}: {}", text(why, language), text(instead, language))
}

/// Adds to an object for programs the fields `rule`, `name`, `what`, `why` and `instead`, where its code is that of a refusal or warning.
pub fn explain(mut object: Value, code: &str, language: Language) -> Value {
    let Some(reason) = Reason::of_code(code) else { return object };
    let Explained { rule, name, what, why, instead } = reason.explained();
    object["rule"] = json!(rule);
    for (key, of) in [("name", name), ("what", what), ("why", why), ("instead", instead)] {
        object[key] = json!(text(of, language));
    }
    object
}

fn text(text: Text, language: Language) -> &'static str {
    match language {
        Language::En => text.en,
        Language::Nb => text.nb,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_in_three_lines_and_an_unknown_code_as_it_came() {
        assert_eq!(
            told("small-cells", "as the broker says it", Language::En),
            "[small-cells] rule 5, tables of small cells: too many cells are small\n  \
             why: where most cells have to be hidden, those that are left point at the few people in the others\n  \
             instead: use coarser categories, as with `recode`, or fewer variables in one table"
        );
        assert!(told("small-cells", "", Language::Nb).starts_with(
            "[small-cells] regel 5, tabeller med små celler: for mange celler er små\n  hvorfor: der de fleste"
        ));
        let policy = told("kept-apart", "[kept-apart, krg] krg refuses\u{1b}", Language::En);
        assert!(policy.starts_with("[kept-apart, krg] krg refuses\u{fffd}\n  why: "), "{policy}");
        let policy = told("kept-apart", "[kept-apart, krg] krg refuses\u{1b}", Language::Nb);
        let first = "[kept-apart] regel keep_apart, variabler som holdes fra hverandre: to variabler kan ikke møtes i ett spørsmål\n  \
                     eieren: [kept-apart, krg] krg refuses\u{fffd}\n  hvorfor: ";
        assert!(policy.starts_with(first), "{policy}");
        assert_eq!(told("unreachable", "krg does not answer", Language::Nb), "krg does not answer");
    }

    #[test]
    fn programs_get_a_field_for_each_part() {
        let object = explain(json!({ "code": "population-floor" }), "population-floor", Language::En);
        assert_eq!((object["rule"].as_str(), object["name"].as_str()), (Some("1"), Some("population floor")));
        for key in ["what", "why", "instead"] {
            assert!(object[key].as_str().is_some_and(|text| !text.is_empty()), "{key}");
        }
        assert_eq!(explain(json!({ "code": "failed" }), "failed", Language::En), json!({ "code": "failed" }));
    }
}
