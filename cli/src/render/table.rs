//! A protected table as people read it.

use comfy_table::{Cell as Shown, CellAlignment, ContentArrangement, Table as Sheet, presets};
use kobling_model::plan::{Category, Listing, Show};
use kobling_model::table::{Axis, Cell, Layout, Statistics, Table, percent};

use super::applied::applied;
use super::{grouped, plain, whole};
use crate::arguments::Language;
use crate::job::Released;

/// What stands for a suppressed cell.
const SUPPRESSED: &str = "·";

/// Shows a table, and below it which rules were applied and how much is hidden.
pub fn released(released: &Released, language: Language) -> String {
    let mut shown = table(&released.table, language);
    if let Some(of) = &released.applied {
        shown.push_str(&applied(of, language));
    }
    shown
}

/// Shows a table with its statement above and what its numbers are below.
pub fn table(table: &Table, language: Language) -> String {
    let words = Words::of(language);
    let sizes: Vec<_> = table.axes.iter().map(|axis| axis.categories.len()).collect();
    let layout = Layout::of(&sizes);
    let mut sheet = Sheet::new();
    sheet.load_preset(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Disabled);
    sheet.set_header(header(table, &layout, words));
    if table.axes.is_empty() {
        sheet.add_row(single_row(table, &layout, language));
    }
    let rows = if table.axes.is_empty() { 0 } else { layout.rows + 1 };
    for row in 0..rows {
        let label = match table.axes.first().and_then(|axis| axis.categories.get(row)) {
            Some(category) => plain(&category.label),
            None => words.total.to_owned(),
        };
        let cells = (0..layout.width()).map(|column| {
            let numbers: Vec<_> =
                table.shows.iter().map(|show| number(table, &layout, *show, row, column, language)).collect();
            Shown::new(numbers.join("\n")).set_alignment(CellAlignment::Right)
        });
        sheet.add_row(std::iter::once(Shown::new(label)).chain(cells));
    }
    let statement = format!("{} {}: {}", words.line, table.line, plain(&table.text));
    let mut notes = String::new();
    if !table.axes.is_empty() {
        let shows: Vec<_> = table.shows.iter().map(|show| words.show_of(*show, table)).collect();
        notes = format!("{}: {}. ", words.each_cell, shows.join(", "));
    }
    notes.push_str(words.noise);
    if let Some(summary) = &table.summary {
        notes.push_str(words.winsorised);
        // Where the count is shown and what it counts is said nothing of.
        let hidden = |(cell, statistics): (&Cell, &Option<Statistics>)| {
            *cell != Cell::Suppressed && statistics.is_none()
        };
        if table.cells.iter().zip(&summary.cells).any(hidden) {
            notes.push_str(words.hidden);
        }
        // Where noise brought the variance below zero; no rule hides it, so it is not among what is counted as hidden.
        let lacks_deviation = |statistics: &Statistics| statistics.standard_deviation.is_none();
        if table.shows.contains(&Show::StandardDeviation)
            && summary.cells.iter().flatten().any(lacks_deviation)
        {
            notes.push_str(words.no_deviation);
        }
    }
    if table.cells.contains(&Cell::Suppressed) {
        notes.push_str(words.suppressed);
    }
    format!("{statement}\n{}\n{notes}\n", sheet.trim_fmt())
}

/// Values with their labels, as `list-labels` shows them.
pub fn listing(listing: &Listing, language: Language) -> String {
    let mut sheet = Sheet::new();
    sheet.load_preset(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Disabled);
    sheet.set_header(match language {
        Language::En => ["Value", "Label"],
        Language::Nb => ["Verdi", "Etikett"],
    });
    for (value, label) in &listing.labels {
        sheet.add_row([plain(value), plain(label)]);
    }
    let line = Words::of(language).line;
    format!("{line} {}: list-labels {}\n{}\n", listing.line, plain(&listing.name), sheet.trim_fmt())
}

/// The one row of a table without variables: the number's name, and each thing shown in a column of its own.
fn single_row(table: &Table, layout: &Layout, language: Language) -> Vec<Shown> {
    let name = table.summary.as_ref().map_or(String::new(), |summary| plain(&summary.variable));
    let shown =
        table.shows.iter().map(|show| right(Shown::new(number(table, layout, *show, 0, 0, language))));
    std::iter::once(Shown::new(name)).chain(shown).collect()
}

fn header(table: &Table, layout: &Layout, words: &Words) -> Vec<Shown> {
    let names: Vec<_> = table.axes.iter().map(|axis| plain(&axis.name)).collect();
    let corner = match names.split_first() {
        Some((first, rest)) if !rest.is_empty() => format!("{first} \\ {}", rest.join(" / ")),
        Some((first, _)) => first.clone(),
        None => String::new(),
    };
    let mut header = vec![Shown::new(corner)];
    if table.axes.is_empty() {
        header.extend(table.shows.iter().map(|show| Shown::new(words.show(*show))));
    } else if layout.row_totals {
        header.extend(composites(&table.axes[1..]).into_iter().map(Shown::new));
        header.push(Shown::new(words.total));
    } else {
        let number = table.summary.as_ref().map(|summary| plain(&summary.variable));
        header.push(Shown::new(number.unwrap_or_else(|| words.count.to_owned())));
    }
    header.into_iter().enumerate().map(|(at, cell)| if at > 0 { right(cell) } else { cell }).collect()
}

fn right(cell: Shown) -> Shown {
    cell.set_alignment(CellAlignment::Right)
}

/// Labels of all combinations, the first axis slowest.
fn composites(axes: &[Axis]) -> Vec<String> {
    axes.iter().fold(vec![String::new()], |before, axis| {
        let with = |label: &Category| plain(&label.label);
        let joined = |left: &String, right: String| {
            if left.is_empty() { right } else { format!("{left}\n{right}") }
        };
        before.iter().flat_map(|left| axis.categories.iter().map(move |c| joined(left, with(c)))).collect()
    })
}

fn number(
    table: &Table,
    layout: &Layout,
    show: Show,
    row: usize,
    column: usize,
    language: Language,
) -> String {
    let at = |row: usize, column: usize| {
        table.cells.get(row * layout.width() + column).copied().unwrap_or(Cell::Suppressed)
    };
    let cell = at(row, column);
    let last_row = if layout.totals { layout.rows } else { layout.rows - 1 };
    let total = match show {
        Show::Frequency => {
            return match cell {
                Cell::Count(count) => whole(count),
                Cell::Suppressed => SUPPRESSED.to_owned(),
            };
        }
        Show::Mean | Show::StandardDeviation | Show::Sum => {
            let place = row * layout.width() + column;
            let statistic = table.summary.as_ref().and_then(|summary| summary.shown(show, place));
            let point = if language == Language::Nb { ',' } else { '.' };
            return statistic.map_or(SUPPRESSED.to_owned(), |statistic| grouped(statistic, point));
        }
        // A table of one variable has a single column, so that each row is its own total.
        Show::RowPercent => at(row, layout.width() - 1),
        Show::ColumnPercent => at(last_row, column),
        Show::CellPercent => at(last_row, layout.width() - 1),
    };
    match percent(cell, total) {
        None => SUPPRESSED.to_owned(),
        Some(percent) => match language {
            Language::En => format!("{percent:.1} %"),
            Language::Nb => format!("{percent:.1} %").replace('.', ","),
        },
    }
}

struct Words {
    line: &'static str,
    total: &'static str,
    count: &'static str,
    each_cell: &'static str,
    noise: &'static str,
    suppressed: &'static str,
    winsorised: &'static str,
    hidden: &'static str,
    no_deviation: &'static str,
    of: &'static str,
    shows: [&'static str; 7],
}

impl Words {
    fn of(language: Language) -> &'static Self {
        match language {
            Language::En => &Self {
                line: "Line",
                total: "Total",
                count: "Number",
                each_cell: "In each cell",
                noise: "Counts carry noise: 0 can stand for 1 to 5, and totals need not add up.",
                suppressed: " · is too small to be shown.",
                winsorised: " Values are winsorised: the lowest and the highest percent are brought to the nearest of the \
                             others. Sums carry noise, and means and deviations are made from them.",
                hidden: " · beside a number rests on too few units, or mostly on one or two.",
                no_deviation: " · in place of a deviation: the noise is larger than it.",
                of: "of",
                shows: ["number", "% of row", "% of column", "% of all", "mean", "standard deviation", "sum"],
            },
            Language::Nb => &Self {
                line: "Linje",
                total: "I alt",
                count: "Antall",
                each_cell: "I hver celle",
                noise: "Antall er tilført støy: 0 kan stå for 1 til 5, og summer går ikke alltid opp.",
                suppressed: " · er for lite til å vises.",
                winsorised: " Verdiene er winsorisert: den laveste og den høyeste prosenten er ført inn til nærmeste av de \
                             andre. Summer er tilført støy, og gjennomsnitt og avvik er laget av dem.",
                hidden: " · ved siden av et antall hviler på for få enheter, eller mest på én eller to.",
                no_deviation: " · i stedet for et avvik: støyen er større enn avviket.",
                of: "av",
                shows: [
                    "antall",
                    "% av rad",
                    "% av kolonne",
                    "% av alle",
                    "gjennomsnitt",
                    "standardavvik",
                    "sum",
                ],
            },
        }
    }

    fn show(&self, show: Show) -> &'static str {
        self.shows[match show {
            Show::Frequency => 0,
            Show::RowPercent => 1,
            Show::ColumnPercent => 2,
            Show::CellPercent => 3,
            Show::Mean => 4,
            Show::StandardDeviation => 5,
            Show::Sum => 6,
        }]
    }

    /// A statistic with the number's name.
    fn show_of(&self, show: Show, table: &Table) -> String {
        match &table.summary {
            Some(summary) if show.is_of_value() => {
                format!("{} {} {}", self.show(show), self.of, plain(&summary.variable))
            }
            _ => self.show(show).to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kobling_model::table::Summary;

    fn axis(name: &str, labels: &[&str]) -> Axis {
        let categories =
            labels.iter().map(|label| Category { value: None, label: (*label).to_owned() }).collect();
        Axis { name: name.into(), categories }
    }

    fn count(count: u64) -> Cell {
        Cell::Count(count)
    }

    #[test]
    fn a_table_over_two_variables_shows_counts_percentages_and_dots() {
        let given = Table {
            line: 7,
            text: "tabulate sex site, freq rowpct".into(),
            axes: vec![axis("sex", &["men", "women"]), axis("site", &["lung", "breast"])],
            shows: vec![Show::Frequency, Show::RowPercent],
            cells: vec![
                count(1500),
                Cell::Suppressed,
                count(1500),
                count(1400),
                count(2100),
                count(3501),
                count(2900),
                count(2100),
                count(5000),
            ],
            summary: None,
        };
        let shown = table(&given, Language::En);
        // Widths are the table's own business: compare without blanks.
        let squeezed = shown.split_whitespace().collect::<String>();
        for row in ["│sex\\site┆lung┆breast┆Total│", "│men┆1500┆·┆1500│", "│┆100.0%┆·┆100.0%│"]
        {
            assert!(squeezed.contains(row), "{row} is not in\n{shown}");
        }
        assert!(shown.contains("40.0 %") && shown.contains("60.0 %"), "{shown}");
        assert!(shown.contains("In each cell: number, % of row."), "{shown}");
        assert!(shown.contains("· is too small"), "{shown}");
        let norwegian = table(&given, Language::Nb);
        assert!(norwegian.contains("40,0 %") && norwegian.contains("I alt"), "{norwegian}");
    }

    #[test]
    fn a_table_of_one_variable_has_one_column_and_labels_cannot_steer_the_terminal() {
        let given = Table {
            line: 1,
            text: "tabulate sex, colpct".into(),
            axes: vec![axis("sex", &["men\u{1b}[2J", "women"])],
            shows: vec![Show::ColumnPercent],
            cells: vec![count(25), count(75), count(100)],
            summary: None,
        };
        let shown = table(&given, Language::En);
        assert!(shown.contains("25.0 %") && shown.contains("75.0 %") && shown.contains("100.0 %"), "{shown}");
        assert!(!shown.contains('\u{1b}'));
        assert!(!shown.contains("too small"));
    }

    fn summary(cells: Vec<Option<Statistics>>) -> Option<Summary> {
        Some(Summary { variable: "wage".into(), cells })
    }

    #[test]
    fn statistics_stand_below_counts_and_what_is_hidden_is_a_dot() {
        let of = |mean| Some(Statistics { mean: Some(mean), sum: Some(mean * 4.0), ..Statistics::default() });
        let given = Table {
            line: 3,
            text: "tabulate sex site, freq summarize(wage) mean sum".into(),
            axes: vec![axis("sex", &["men", "women"]), axis("site", &["lung"])],
            shows: vec![Show::Frequency, Show::Mean, Show::Sum],
            cells: vec![count(1500), count(1500), count(20), count(20), Cell::Suppressed, count(1520)],
            summary: summary(vec![of(523_000.5), of(523_000.5), None, None, None, of(-0.25)]),
        };
        let shown = table(&given, Language::En);
        let squeezed = shown.split_whitespace().collect::<String>();
        for row in
            ["│men┆1500┆1500│", "│┆523000.5┆523000.5│", "│┆2092002┆2092002│", "│women┆20┆20│", "│┆·┆-0.25│"]
        {
            assert!(squeezed.contains(row), "{row} is not in\n{shown}");
        }
        assert!(shown.contains("523 000.5") && shown.contains("2 092 002"), "{shown}");
        assert!(shown.contains("In each cell: number, mean of wage, sum of wage."), "{shown}");
        assert!(shown.contains("winsorised") && shown.contains("rests on too few units"), "{shown}");
        let norwegian = table(&given, Language::Nb);
        assert!(norwegian.contains("523 000,5") && norwegian.contains("gjennomsnitt av wage"), "{norwegian}");
    }

    #[test]
    fn a_deviation_of_which_noise_leaves_nothing_is_a_dot_that_is_explained() {
        let of = |standard_deviation| {
            Some(Statistics { mean: Some(412_000.0), standard_deviation, ..Statistics::default() })
        };
        let mut given = Table {
            line: 3,
            text: "tabulate sex, summarize(wage) mean std".into(),
            axes: vec![axis("sex", &["men", "women"])],
            shows: vec![Show::Mean, Show::StandardDeviation],
            cells: vec![count(20), count(1500), count(1520)],
            summary: summary(vec![of(None), of(Some(98_300.0)), of(Some(98_300.0))]),
        };
        let said = ["in place of a deviation: the noise", "i stedet for et avvik: støyen"];
        for (language, said) in [Language::En, Language::Nb].into_iter().zip(said) {
            assert!(table(&given, language).contains(said), "{}", table(&given, language));
        }
        given.shows = vec![Show::Mean];
        assert!(!table(&given, Language::En).contains(said[0]));
    }

    #[test]
    fn a_table_without_variables_is_one_row_with_a_column_for_each_number() {
        let statistics = Statistics { mean: Some(412_000.0), standard_deviation: Some(98_300.0), sum: None };
        let given = Table {
            line: 9,
            text: "summarize wage".into(),
            axes: Vec::new(),
            shows: vec![Show::Frequency, Show::Mean, Show::StandardDeviation],
            cells: vec![count(12_345)],
            summary: summary(vec![Some(statistics)]),
        };
        let shown = table(&given, Language::En);
        let squeezed = shown.split_whitespace().collect::<String>();
        for row in ["│┆number┆mean┆standarddeviation│", "│wage┆12345┆412000┆98300│"] {
            assert!(squeezed.contains(row), "{row} is not in\n{shown}");
        }
        assert!(!shown.contains("In each cell") && !shown.contains("Total"), "{shown}");
    }

    #[test]
    fn columns_of_several_variables_are_named_by_all_of_them() {
        let axes = [axis("a", &["1", "2"]), axis("b", &["x", "y"])];
        assert_eq!(composites(&axes), ["1\nx", "1\ny", "2\nx", "2\ny"]);
    }
}
