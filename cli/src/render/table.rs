//! A protected table as people read it.

use comfy_table::{Cell as Shown, CellAlignment, ContentArrangement, Table as Sheet, presets};
use kobling_model::plan::{Category, Show};
use kobling_model::table::{Axis, Cell, Layout, Table, percent};

use super::{plain, whole};
use crate::arguments::Language;

/// What stands for a suppressed cell.
const SUPPRESSED: &str = "·";

/// Shows a table with its statement above and what its numbers are below.
pub fn table(table: &Table, language: Language) -> String {
    let words = Words::of(language);
    let sizes: Vec<_> = table.axes.iter().map(|axis| axis.categories.len()).collect();
    let layout = Layout::of(&sizes);
    let mut sheet = Sheet::new();
    sheet.load_preset(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Disabled);
    sheet.set_header(header(table, &layout, words));
    for row in 0..=layout.rows {
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
    let shows: Vec<_> = table.shows.iter().map(|show| words.show(*show)).collect();
    let mut notes = format!("{}: {}. {}", words.each_cell, shows.join(", "), words.noise);
    if table.cells.contains(&Cell::Suppressed) {
        notes.push_str(words.suppressed);
    }
    format!("{statement}\n{}\n{notes}\n", sheet.trim_fmt())
}

fn header(table: &Table, layout: &Layout, words: &Words) -> Vec<Shown> {
    let names: Vec<_> = table.axes.iter().map(|axis| plain(&axis.name)).collect();
    let corner = match names.split_first() {
        Some((first, rest)) if !rest.is_empty() => format!("{first} \\ {}", rest.join(" / ")),
        Some((first, _)) => first.clone(),
        None => String::new(),
    };
    let mut header = vec![Shown::new(corner)];
    if layout.row_totals {
        header.extend(composites(&table.axes[1..]).into_iter().map(Shown::new));
        header.push(Shown::new(words.total));
    } else {
        header.push(Shown::new(words.count));
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
    let total = match show {
        Show::Frequency => {
            return match cell {
                Cell::Count(count) => whole(count),
                Cell::Suppressed => SUPPRESSED.to_owned(),
            };
        }
        // A table of one variable has a single column, so that each row is its own total.
        Show::RowPercent => at(row, layout.width() - 1),
        Show::ColumnPercent => at(layout.rows, column),
        Show::CellPercent => at(layout.rows, layout.width() - 1),
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
    shows: [&'static str; 4],
}

impl Words {
    fn of(language: Language) -> &'static Self {
        match language {
            Language::En => &Self {
                line: "Line",
                total: "Total",
                count: "Number",
                each_cell: "In each cell",
                noise: "Counts carry noise: 0 can stand for 1 or 2, and totals need not add up.",
                suppressed: " · is too small to be shown.",
                shows: ["number", "% of row", "% of column", "% of all"],
            },
            Language::Nb => &Self {
                line: "Linje",
                total: "I alt",
                count: "Antall",
                each_cell: "I hver celle",
                noise: "Antall er tilført støy: 0 kan stå for 1 eller 2, og summer går ikke alltid opp.",
                suppressed: " · er for lite til å vises.",
                shows: ["antall", "% av rad", "% av kolonne", "% av alle"],
            },
        }
    }

    fn show(&self, show: Show) -> &'static str {
        self.shows[match show {
            Show::Frequency => 0,
            Show::RowPercent => 1,
            Show::ColumnPercent => 2,
            Show::CellPercent => 3,
        }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        };
        let shown = table(&given, Language::En);
        assert!(shown.contains("25.0 %") && shown.contains("75.0 %") && shown.contains("100.0 %"), "{shown}");
        assert!(!shown.contains('\u{1b}'));
        assert!(!shown.contains("too small"));
    }

    #[test]
    fn columns_of_several_variables_are_named_by_all_of_them() {
        let axes = [axis("a", &["1", "2"]), axis("b", &["x", "y"])];
        assert_eq!(composites(&axes), ["1\nx", "1\ny", "2\nx", "2\ny"]);
    }
}
