//! Lines and fields of a data file: UTF-8, `;` between fields, no header.
//!
//! A field may stand in quotation marks, as the usual writers put it where a text holds a semicolon; a quoted
//! field ends on its own line. Memory is one line, whatever the file.

use std::borrow::Cow;
use std::io::{self, BufRead, Read};

/// No line of a dataset is longer.
pub(super) const LINE_BYTES_MAX: usize = 64 * 1024;

/// Reads a file line by line, with numbers from 1.
pub(super) struct Lines<R> {
    reader: R,
    buffer: Vec<u8>,
    number: u64,
}

/// One line, without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// Text.
    Text(&'a str),
    /// Bytes that are not UTF-8.
    NotUtf8,
    /// More than [`LINE_BYTES_MAX`].
    TooLong,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, buffer: Vec::new(), number: 0 }
    }

    /// The next line and its number, or none at the end of the file.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, Line<'_>)>> {
        self.buffer.clear();
        let limit = LINE_BYTES_MAX as u64 + 2;
        if self.reader.by_ref().take(limit).read_until(b'\n', &mut self.buffer)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        if self.buffer.last() == Some(&b'\n') {
            self.buffer.pop();
        } else if self.buffer.len() as u64 == limit {
            self.skip_line()?;
            return Ok(Some((self.number, Line::TooLong)));
        }
        if self.buffer.last() == Some(&b'\r') {
            self.buffer.pop();
        }
        let mut bytes = self.buffer.as_slice();
        if self.number == 1 {
            bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
        }
        let line = std::str::from_utf8(bytes).map_or(Line::NotUtf8, Line::Text);
        Ok(Some((self.number, line)))
    }

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let bytes = self.reader.fill_buf()?;
            if bytes.is_empty() {
                return Ok(());
            }
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let used = end.map_or(bytes.len(), |at| at + 1);
            self.reader.consume(used);
            if end.is_some() {
                return Ok(());
            }
        }
    }
}

/// Why a line is not five fields.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotFive {
    /// Another number of fields.
    Count(usize),
    /// A quoted field is not closed, or goes on after its quote.
    Quotes,
}

/// The five fields of a line.
pub(super) fn fields(line: &str) -> Result<[Cow<'_, str>; 5], NotFive> {
    let mut fields: [Cow<'_, str>; 5] = Default::default();
    let mut count = 0;
    let mut take = |field| {
        if let Some(place) = fields.get_mut(count) {
            *place = field;
        }
        count += 1;
    };
    if line.contains('"') {
        split_quoted(line, take)?;
    } else {
        // Of bytes: no other character has one that is a semicolon.
        let mut begin = 0;
        for (at, byte) in line.bytes().enumerate() {
            if byte == b';' {
                take(Cow::Borrowed(&line[begin..at]));
                begin = at + 1;
            }
        }
        take(Cow::Borrowed(&line[begin..]));
    }
    if count == 5 { Ok(fields) } else { Err(NotFive::Count(count)) }
}

fn split_quoted<'a>(line: &'a str, mut take: impl FnMut(Cow<'a, str>)) -> Result<(), NotFive> {
    let mut rest = line;
    loop {
        let after = if let Some(quoted) = rest.strip_prefix('"') {
            let (text, after) = unquote(quoted)?;
            take(Cow::Owned(text));
            after
        } else {
            let end = rest.find(';').unwrap_or(rest.len());
            take(Cow::Borrowed(&rest[..end]));
            &rest[end..]
        };
        match after.strip_prefix(';') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(()),
            None => return Err(NotFive::Quotes),
        }
    }
}

/// The text up to the closing quotation mark, where `""` stands for one, and what follows it.
fn unquote(quoted: &str) -> Result<(String, &str), NotFive> {
    let mut text = String::new();
    let mut rest = quoted;
    loop {
        let (part, after) = rest.split_once('"').ok_or(NotFive::Quotes)?;
        text.push_str(part);
        match after.strip_prefix('"') {
            Some(next) => {
                text.push('"');
                rest = next;
            }
            None => return Ok((text, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_five_fields_and_quotes_keep_semicolons() {
        assert_eq!(fields("a;b;c;d;"), Ok(["a", "b", "c", "d", ""].map(Cow::from)));
        assert_eq!(fields("a;\"b; \"\"c\"\"\";;;"), Ok(["a", "b; \"c\"", "", "", ""].map(Cow::from)));
        assert_eq!(fields("a;b;c;d"), Err(NotFive::Count(4)));
        assert_eq!(fields("a;b;c;d;;"), Err(NotFive::Count(6)));
        assert_eq!(fields(""), Err(NotFive::Count(1)));
        for bad in ["a;\"b;c;d;", "a;\"b\"x;c;d;", "\""] {
            assert_eq!(fields(bad), Err(NotFive::Quotes), "{bad}");
        }
    }

    #[test]
    fn every_line_end_and_the_end_of_the_file_end_a_line() {
        let mut lines = Lines::new("\u{feff}a\r\nb\n\nc".as_bytes());
        let mut seen = Vec::new();
        while let Some((number, Line::Text(text))) = lines.next().expect("memory") {
            seen.push((number, text.to_owned()));
        }
        let expected = [(1, "a"), (2, "b"), (3, ""), (4, "c")];
        assert_eq!(seen, expected.map(|(number, text)| (number, text.to_owned())));
    }

    #[test]
    fn bad_bytes_and_endless_lines_spoil_their_own_line_only() {
        let mut bytes = b"a\n\xff\n".to_vec();
        bytes.extend(vec![b'x'; LINE_BYTES_MAX + 1_000_000]);
        bytes.extend(b"\nb");
        let mut lines = Lines::new(bytes.as_slice());
        assert_eq!(lines.next().expect("memory"), Some((1, Line::Text("a"))));
        assert_eq!(lines.next().expect("memory"), Some((2, Line::NotUtf8)));
        assert_eq!(lines.next().expect("memory"), Some((3, Line::TooLong)));
        assert_eq!(lines.next().expect("memory"), Some((4, Line::Text("b"))));
        assert_eq!(lines.next().expect("memory"), None);
    }
}
