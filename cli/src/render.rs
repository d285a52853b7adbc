//! What people see: tables, catalogues, logs.

pub mod applied;
pub mod audit;
pub mod catalogue;
pub mod page;
pub mod progress;
pub mod refusal;
pub mod table;

/// A text from outside with nothing in it that steers a terminal or turns the direction of text.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect()
}

fn steers(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        )
}

/// A whole number with blanks between thousands.
pub fn whole(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// A number with blanks between thousands and no exponent, its decimals after `point`.
pub fn grouped(number: f64, point: char) -> String {
    let digits = number.abs().to_string();
    let (before, after) = digits.split_once('.').map_or((digits.as_str(), None), |(b, a)| (b, Some(a)));
    let mut out = String::with_capacity(digits.len() * 4 / 3 + 1);
    if number < 0.0 {
        out.push('-');
    }
    for (at, digit) in before.char_indices() {
        if at > 0 && (before.len() - at).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    if let Some(after) = after {
        out.push(point);
        out.push_str(after);
    }
    out
}

/// `1 table`, `2 tables`.
pub fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{} {}", whole(number as u64), if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_from_outside_cannot_steer_the_terminal() {
        assert_eq!(plain("å\u{1b}[2J\r\n\u{202e}b"), "å\u{fffd}[2J\u{fffd}\u{fffd}\u{fffd}b");
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([0, 999, 1000, 1_234_567].map(whole), ["0", "999", "1 000", "1 234 567"]);
        let numbers = [0.0, -0.0123, 1000.0, -1_234_567.25, 5e14];
        let shown = ["0", "-0,0123", "1 000", "-1 234 567,25", "500 000 000 000 000"];
        assert_eq!(numbers.map(|number| grouped(number, ',')), shown);
    }
}
