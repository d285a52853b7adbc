//! Identity numbers and their canonical form, defined once for import, linkage and record keys.
//!
//! Nothing is ever derived from an identity number: from 2032 sex and century can no longer be read
//! from it, and every date in Kobling comes from a register.

use std::fmt;

use crate::unit::{Naming, UnitType};

/// An identifier in canonical form: personal data, shown by nothing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity(String);

/// Why a text is not an identifier of its unit type. Never carries the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIdentity {
    /// Nothing is left after trimming.
    #[error("the identifier is empty")]
    Empty,
    /// Not the number of digits that the unit type has.
    #[error("expected {digits} digits")]
    Digits {
        /// Digits expected.
        digits: usize,
    },
    /// The first six digits of a fødselsnummer are not a day of birth in any of its forms.
    #[error("the first six digits are not a day of birth, nor that of a D-, H- or test number")]
    BirthDay,
    /// A control digit does not fit.
    #[error("the control digits do not fit")]
    Control,
    /// A free identifier is too long or holds control characters.
    #[error("expected at most 64 visible characters")]
    Text,
}

impl Identity {
    /// Brings `raw` to canonical form: surrounding white space trimmed, digits and leading zeros kept.
    ///
    /// - Fødselsnummer: 11 digits; ordinary, D- (day + 40), H- (month + 40) and test numbers
    ///   (month + 80, or + 65 as the tax authority's synthetic people have) are accepted; both control
    ///   digits are checked, the first with the remainders 0 to 3 that are allowed from 2032
    ///   (Skatteetaten, "Nytt fødselsnummer fra 2032").
    /// - Organisation numbers: 9 digits with the modulus-11 control digit.
    /// - Everything else: 1 to 64 visible characters.
    ///
    /// # Errors
    /// [`InvalidIdentity`] says what does not fit, without the text.
    pub fn parse(unit_type: UnitType, raw: &str) -> Result<Self, InvalidIdentity> {
        Self::canonical_of(unit_type, raw).map(|text| Self(text.to_owned()))
    }

    /// The canonical form of `raw`, as [`Self::parse`] has it, without a copy: an import looks at every row's.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn canonical_of(unit_type: UnitType, raw: &str) -> Result<&str, InvalidIdentity> {
        let text = trimmed(raw);
        if text.is_empty() {
            return Err(InvalidIdentity::Empty);
        }
        match unit_type.naming() {
            Naming::Foedselsnummer => check_foedselsnummer(text)?,
            Naming::OrganisationNumber => check_organisation_number(text)?,
            Naming::Free if text.chars().count() > 64 || text.chars().any(char::is_control) => {
                return Err(InvalidIdentity::Text);
            }
            Naming::Free => {}
        }
        Ok(text)
    }

    /// The canonical bytes, for keyed hashing and the sealed identity map only.
    pub fn canonical(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(hidden)")
    }
}

/// Without surrounding white space; most texts have none, which is soon seen.
pub fn trimmed(text: &str) -> &str {
    match text.as_bytes() {
        [b'!'..=b'~', .., b'!'..=b'~'] | [b'!'..=b'~'] => text,
        _ => text.trim(),
    }
}

const FIRST_CONTROL: [u32; 9] = [3, 7, 6, 1, 8, 9, 4, 5, 2];
const SECOND_CONTROL: [u32; 10] = [5, 4, 3, 2, 7, 6, 5, 4, 3, 2];

fn digits<const N: usize>(text: &str) -> Result<[u32; N], InvalidIdentity> {
    let bytes = text.as_bytes();
    if bytes.len() != N || !bytes.iter().all(u8::is_ascii_digit) {
        return Err(InvalidIdentity::Digits { digits: N });
    }
    Ok(std::array::from_fn(|at| u32::from(bytes[at] - b'0')))
}

fn weighted(digits: &[u32], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum()
}

fn check_foedselsnummer(text: &str) -> Result<(), InvalidIdentity> {
    let digits: [u32; 11] = digits(text)?;
    let day = digits[0] * 10 + digits[1];
    let month = digits[2] * 10 + digits[3];
    let day = if day > 40 { day - 40 } else { day };
    let month = match month {
        81..=92 => month - 80,
        66..=77 => month - 65,
        41..=52 => month - 40,
        other => other,
    };
    // The century is unknown, so 29 February is accepted in every year.
    let length = match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    if !(1..=length).contains(&day) {
        return Err(InvalidIdentity::BirthDay);
    }
    let first = (weighted(&digits, &FIRST_CONTROL) + digits[9]) % 11;
    let second = (weighted(&digits, &SECOND_CONTROL) + digits[10]) % 11;
    if first > 3 || second != 0 { Err(InvalidIdentity::Control) } else { Ok(()) }
}

fn check_organisation_number(text: &str) -> Result<(), InvalidIdentity> {
    let digits: [u32; 9] = digits(text)?;
    let sum = weighted(&digits, &[3, 2, 7, 6, 5, 4, 3, 2, 1]);
    if sum.is_multiple_of(11) { Ok(()) } else { Err(InvalidIdentity::Control) }
}

/// Completes nine digits to a fødselsnummer, where both control digits exist.
///
/// Used by `kobling-synth` to make test people and by tests; the caller sees to it that the month
/// carries the + 80 of test people.
pub fn with_control_digits(nine: [u32; 9]) -> Option<String> {
    let first = (11 - weighted(&nine, &FIRST_CONTROL) % 11) % 11;
    let mut ten = [0; 10];
    ten[..9].copy_from_slice(&nine);
    ten[9] = first;
    let second = (11 - weighted(&ten, &SECOND_CONTROL) % 11) % 11;
    if first == 10 || second == 10 {
        return None;
    }
    let all = ten.into_iter().chain([second]);
    Some(all.map(|digit| char::from_digit(digit, 10).expect("a digit")).collect())
}

/// Raw texts of the persons that nobody is: canaries, which show that all nodes bring identifiers to the same
/// canonical form (design §3). No import accepts them, and no test person is given them.
///
/// One has a leading zero, one has blanks around it, one is a D-number with other white space. The last two are D-number
/// and test number at once (day + 40 and month + 80), a form that no authority issues; the first is the test
/// person of the last individual number of 1 December 99.
pub fn canary_persons() -> [String; 3] {
    let last = |[a, b, c, d, e, f]: [u32; 6]| {
        (0..1000)
            .rev()
            .find_map(|n| with_control_digits([a, b, c, d, e, f, n / 100, n / 10 % 10, n % 10]))
            .expect("some individual number has control digits")
    };
    [
        last([0, 1, 9, 2, 9, 9]),
        format!("  {} ", last([7, 1, 9, 2, 9, 9])),
        format!("\t{}", last([4, 2, 8, 5, 0, 0])),
    ]
}

/// Whether an identity is kept for canaries.
pub fn is_canary(identity: &Identity) -> bool {
    is_canary_number(identity.canonical())
}

/// Whether canonical bytes are those of an identity that is kept for canaries.
pub fn is_canary_number(bytes: &[u8]) -> bool {
    let in_form = bytes.len() == 11 && bytes.iter().all(u8::is_ascii_digit);
    let two_forms = in_form && bytes[0] >= b'4' && bytes[2] >= b'8';
    two_forms
        || (bytes.starts_with(b"019299")
            && canary_persons().iter().any(|canary| canary.trim().as_bytes() == bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test_number(birth: [u32; 6], from: u32) -> String {
        let [a, b, c, d, e, f] = birth;
        (from..1000)
            .find_map(|n| with_control_digits([a, b, c, d, e, f, n / 100, n / 10 % 10, n % 10]))
            .expect("some individual number has control digits")
    }

    #[test]
    fn leading_zeros_and_blanks_do_not_change_who_is_meant() {
        let number = test_number([0, 1, 8, 1, 0, 0], 0);
        let plain = Identity::parse(UnitType::Person, &number).expect("valid");
        let spaced = Identity::parse(UnitType::Person, &format!("  {number}\t")).expect("valid");
        assert_eq!(plain, spaced);
        assert_eq!(plain.canonical().len(), 11);
        assert_eq!(format!("{plain:?}"), "Identity(hidden)");
    }

    #[test]
    fn d_numbers_and_test_numbers_are_accepted_and_impossible_days_are_not() {
        for birth in [[4, 1, 8, 2, 0, 5], [0, 1, 8, 2, 0, 5], [2, 9, 8, 2, 0, 1], [3, 1, 9, 2, 9, 9]] {
            assert!(Identity::parse(UnitType::Person, &test_number(birth, 0)).is_ok());
        }
        for birth in [[3, 0, 8, 2, 0, 5], [0, 0, 8, 1, 0, 5], [3, 1, 8, 4, 0, 1], [0, 1, 9, 3, 0, 1]] {
            assert_eq!(
                Identity::parse(UnitType::Person, &test_number(birth, 0)),
                Err(InvalidIdentity::BirthDay)
            );
        }
    }

    #[test]
    fn one_changed_digit_is_noticed() {
        let number = test_number([1, 5, 8, 6, 5, 0], 0);
        for at in 6..11 {
            let mut bytes = number.clone().into_bytes();
            bytes[at] = if bytes[at] == b'9' { b'0' } else { bytes[at] + 1 };
            let changed = String::from_utf8(bytes).expect("digits");
            // The first control digit may leave 0 to 3, so only the second one catches every change.
            assert_eq!(Identity::parse(UnitType::Person, &changed), Err(InvalidIdentity::Control));
        }
    }

    #[test]
    fn the_control_remainders_of_2032_are_accepted() {
        // Raise the first control digit by one, and refit the second.
        let found = (0..1000u32).find_map(|n| {
            let nine = [1, 2, 8, 3, 3, 3, n / 100, n / 10 % 10, n % 10];
            let plain = (11 - weighted(&nine, &FIRST_CONTROL) % 11) % 11;
            let mut ten = [0; 10];
            ten[..9].copy_from_slice(&nine);
            ten[9] = plain + 1;
            let second = (11 - weighted(&ten, &SECOND_CONTROL) % 11) % 11;
            (plain < 9 && second < 10).then(|| {
                ten.iter()
                    .chain([&second])
                    .map(|d| char::from_digit(*d, 10).expect("digit"))
                    .collect::<String>()
            })
        });
        assert!(Identity::parse(UnitType::Person, &found.expect("exists")).is_ok());
    }

    #[test]
    fn organisation_numbers_have_nine_digits_and_a_control_digit() {
        assert!(Identity::parse(UnitType::Foretak, "123456785").is_ok());
        assert_eq!(Identity::parse(UnitType::Foretak, "123456786"), Err(InvalidIdentity::Control));
        assert_eq!(
            Identity::parse(UnitType::Foretak, "12345678"),
            Err(InvalidIdentity::Digits { digits: 9 })
        );
    }

    #[test]
    fn canaries_are_told_from_people() {
        for raw in canary_persons() {
            let canary = Identity::parse(UnitType::Person, &raw).expect("canonical");
            assert!(is_canary(&canary));
        }
        assert!(canary_persons()[0].starts_with('0'));
        let person = Identity::parse(UnitType::Person, &test_number([0, 1, 8, 1, 0, 0], 0)).expect("valid");
        assert!(!is_canary(&person));
    }
}
