//! A page of Markdown as it is read in a terminal: plain, with its examples indented and its tables as columns.

use comfy_table::{ColumnConstraint, ContentArrangement, Table as Sheet, Width, presets};

/// Width of text, in characters.
const WIDTH: usize = 92;
/// Least width of a table's column.
const COLUMN_MIN: u16 = 12;

/// Shows a page, its headings bold where the terminal can.
pub fn page(markdown: &str, bold: bool) -> String {
    let mut out = Out { text: String::new(), bold };
    let (mut paragraph, mut rows, mut code) = (String::new(), Vec::new(), false);
    for line in markdown.lines() {
        let is_row = !code && line.trim_start().starts_with('|');
        if !is_row {
            out.table(&mut rows);
        }
        if line.trim_start().starts_with("```") {
            out.paragraph(&mut paragraph);
            code = !code;
            out.blank();
        } else if code {
            out.line(&format!("    {line}"));
        } else if is_row {
            out.paragraph(&mut paragraph);
            rows.push(cells(line));
        } else if line.starts_with('#') {
            out.paragraph(&mut paragraph);
            out.heading(&unmarked(line.trim_start_matches('#').trim()));
        } else if line.trim().is_empty() {
            out.paragraph(&mut paragraph);
            out.blank();
        } else {
            if line.trim_start().starts_with("- ") {
                out.paragraph(&mut paragraph);
            }
            if !paragraph.is_empty() {
                paragraph.push(' ');
            }
            paragraph.push_str(line.trim());
        }
    }
    out.paragraph(&mut paragraph);
    out.table(&mut rows);
    format!("{}\n", out.text.trim_end())
}

struct Out {
    text: String,
    bold: bool,
}

impl Out {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// An empty line, unless there is one.
    fn blank(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    fn heading(&mut self, heading: &str) {
        self.blank();
        let shown = if self.bold { format!("\u{1b}[1m{heading}\u{1b}[0m") } else { heading.to_owned() };
        self.line(&shown);
    }

    fn paragraph(&mut self, paragraph: &mut String) {
        let text = unmarked(&std::mem::take(paragraph));
        let (first, rest) = if text.starts_with("- ") { ("", "  ") } else { ("", "") };
        let mut line = first.to_owned();
        for word in text.split_whitespace() {
            let blank = usize::from(!line.trim().is_empty());
            if line.chars().count() + blank + word.chars().count() > WIDTH && blank == 1 {
                self.line(&line);
                line = rest.to_owned();
            }
            if !line.trim().is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        if !line.trim().is_empty() {
            self.line(&line);
        }
    }

    fn table(&mut self, rows: &mut Vec<Vec<String>>) {
        let rows = std::mem::take(rows);
        let Some((header, rows)) = rows.split_first() else { return };
        let mut sheet = Sheet::new();
        sheet.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        sheet.set_width(WIDTH as u16).set_header(header.clone());
        // Under the header stands a line of hyphens.
        let is_rule =
            |row: &&Vec<String>| row.iter().all(|cell| cell.chars().all(|c| matches!(c, '-' | ':')));
        for row in rows.iter().filter(|row| !is_rule(row)) {
            sheet.add_row(row.clone());
        }
        for column in sheet.column_iter_mut() {
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(COLUMN_MIN)));
        }
        let shown = sheet.trim_fmt();
        self.line(&shown);
    }
}

/// The cells of a row of a table.
pub fn cells(row: &str) -> Vec<String> {
    let row = row.trim().trim_start_matches('|').trim_end_matches('|');
    row.split('|').map(|cell| unmarked(cell.trim())).collect()
}

/// Words without marks: of links the words alone.
fn unmarked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('[') {
        let after = &rest[open + 1..];
        match after.find("](").and_then(|middle| Some((middle, middle + after[middle..].find(')')?))) {
            Some((middle, end)) => {
                out.push_str(&rest[..open]);
                out.push_str(&after[..middle]);
                rest = &after[end + 1..];
            }
            None => {
                out.push_str(&rest[..=open]);
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out.replace("**", "").replace('`', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_shown_without_its_marks() {
        let markdown = "# tabulate\n\nCounts **units** of [groups](../LANGUAGE.md#x), by\n`a` and [b].\n\n\
                        - one\n- two\n\n| option | meaning |\n| --- | --- |\n| `freq` | counts |\n\n\
                        ```kobling\nuse d\n  tabulate a # `b`\n```\nEnd.\n";
        let shown = page(markdown, false);
        let expected = "tabulate\n\nCounts units of groups, by a and [b].\n\n- one\n- two\n\n";
        assert!(shown.starts_with(expected), "{shown}");
        assert!(shown.contains("    use d\n      tabulate a # `b`\n\nEnd.\n"), "{shown}");
        let rows: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
        assert!(
            rows.contains(&vec!["option", "meaning"]) && rows.contains(&vec!["freq", "counts"]),
            "{shown}"
        );
        assert!(!shown.contains("---"), "{shown}");
        assert!(page("# a\n", true).contains("\u{1b}[1ma"));
    }

    #[test]
    fn long_paragraphs_are_wrapped() {
        let shown = page(&"word ".repeat(100), false);
        assert!(shown.lines().count() > 5 && shown.lines().all(|line| line.chars().count() <= WIDTH));
    }
}
