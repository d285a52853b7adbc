//! The lines below a table: which rules were applied to it, and how much is hidden.

use kobling_model::applied::{Applied, AppliedToNumber, Hidden};

use super::whole;
use crate::arguments::Language;

/// Two lines for people.
pub fn applied(applied: &Applied, language: Language) -> String {
    format!("{}\n{}\n", rules(applied, language), hidden(applied, language))
}

/// Rules in the order of their numbers.
fn rules(applied: &Applied, language: Language) -> String {
    let Applied { change_max, change_variance, small_cell_units_max, small_cells_percent_max, .. } = applied;
    let population = whole(applied.population_units_min.into());
    let mut parts = vec![match language {
        Language::En => format!("1 population of at least {population}"),
        Language::Nb => format!("1 populasjon på minst {population}"),
    }];
    if let Some(AppliedToNumber { winsorised_percent, .. }) = applied.number {
        parts.push(match language {
            Language::En => format!("2 lowest and highest {winsorised_percent} % winsorised"),
            Language::Nb => format!("2 laveste og høyeste {winsorised_percent} % winsorisert"),
        });
    }
    parts.push(match language {
        Language::En => format!("3 noise of at most {change_max}, variance {change_variance}"),
        Language::Nb => format!("3 støy på høyst {change_max}, varians {change_variance}"),
    });
    parts.push(match language {
        Language::En => format!("4 counts of 1 to {small_cell_units_max} hidden"),
        Language::Nb => format!("4 antall fra 1 til {small_cell_units_max} skjult"),
    });
    parts.push(match language {
        Language::En => format!("5 at most {small_cells_percent_max} % of cells hidden"),
        Language::Nb => format!("5 høyst {small_cells_percent_max} % av cellene skjult"),
    });
    if let Some(units) = applied.edit_units_min {
        parts.push(match language {
            Language::En => format!("6 edits of at least {units}"),
            Language::Nb => format!("6 endringer av minst {units}"),
        });
    }
    if let Some(AppliedToNumber { statistic_units_min, two_largest_percent_max, .. }) = applied.number {
        let others = applied.number.map_or(0, |number| number.others_percent_of_largest_min);
        parts.push(match language {
            Language::En => format!("7 statistics of at least {statistic_units_min}"),
            Language::Nb => format!("7 statistikk over minst {statistic_units_min}"),
        });
        parts.push(match language {
            Language::En => format!(
                "10 two largest at most {two_largest_percent_max} %, others at least {others} % of the largest"
            ),
            Language::Nb => format!(
                "10 de to største høyst {two_largest_percent_max} %, de andre minst {others} % av den største"
            ),
        });
    }
    let word = match language {
        Language::En => "Rules",
        Language::Nb => "Regler",
    };
    format!("{word}: {}.", parts.join("; "))
}

fn hidden(applied: &Applied, language: Language) -> String {
    let Hidden { cells, cells_hidden, margins, margins_hidden, statistics_hidden, margin_statistics_hidden } =
        applied.hidden;
    let [cells, cells_hidden, margins, margins_hidden] =
        [cells, cells_hidden, margins, margins_hidden].map(|number| whole(number.into()));
    let mut line = match language {
        Language::En => {
            format!("Hidden: {cells_hidden} of {cells} cells, {margins_hidden} of {margins} margins")
        }
        Language::Nb => {
            format!("Skjult: {cells_hidden} av {cells} celler, {margins_hidden} av {margins} marginer")
        }
    };
    if applied.number.is_some() {
        let [inner, margin] =
            [statistics_hidden, margin_statistics_hidden].map(|number| whole(number.into()));
        line.push_str(&match language {
            Language::En => {
                format!("; by rules 7 and 10 statistics of {inner} more cells, {margin} more margins")
            }
            Language::Nb => {
                format!("; av regel 7 og 10 statistikk for {inner} celler til, {margin} marginer til")
            }
        });
    }
    line.push('.');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(number: Option<AppliedToNumber>) -> Applied {
        Applied {
            population_units_min: 1000,
            change_max: 5,
            change_variance: 3,
            small_cell_units_max: 4,
            small_cells_percent_max: 50,
            edit_units_min: number.map(|_| 15),
            number,
            hidden: Hidden {
                cells: 24,
                cells_hidden: 3,
                margins: 11,
                margins_hidden: 1,
                ..Hidden::default()
            },
        }
    }

    #[test]
    fn a_table_of_counts_has_the_rules_of_counts() {
        assert_eq!(
            applied(&of(None), Language::En),
            "Rules: 1 population of at least 1 000; 3 noise of at most 5, variance 3; 4 counts of 1 to 4 hidden; \
             5 at most 50 % of cells hidden.\nHidden: 3 of 24 cells, 1 of 11 margins.\n"
        );
    }

    #[test]
    fn a_table_of_means_after_an_edit_has_the_others_too_in_either_language() {
        let number = AppliedToNumber {
            winsorised_percent: 1,
            statistic_units_min: 15,
            two_largest_percent_max: 90,
            others_percent_of_largest_min: 10,
        };
        let mut of = of(Some(number));
        of.hidden.statistics_hidden = 2;
        assert_eq!(
            applied(&of, Language::Nb),
            "Regler: 1 populasjon på minst 1 000; 2 laveste og høyeste 1 % winsorisert; 3 støy på høyst 5, varians 3; \
             4 antall fra 1 til 4 skjult; 5 høyst 50 % av cellene skjult; 6 endringer av minst 15; 7 statistikk over minst 15; \
             10 de to største høyst 90 %, de andre minst 10 % av den største.\n\
             Skjult: 3 av 24 celler, 1 av 11 marginer; av regel 7 og 10 statistikk for 2 celler til, 0 marginer til.\n"
        );
        assert!(
            applied(&of, Language::En)
                .contains("6 edits of at least 15; 7 statistics of at least 15; 10 two largest")
        );
    }
}
