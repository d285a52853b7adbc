//! Educations: six-digit codes in the manner of NUS2000, whose first digit is the level.
//!
//! Level and field (the second digit) are those of NUS2000; the rest is simplified to one programme for each.

use super::Code;

/// An education.
#[derive(Clone, Copy, Debug)]
pub struct Education {
    /// The code and its titles.
    pub code: Code,
    /// Weight within its level, for men and women.
    pub weights: [f64; 2],
}

impl Education {
    /// The first digit of the code: 0 (none) to 8 (doctorate).
    pub fn level(&self) -> u8 {
        self.code.code.as_bytes()[0] - b'0'
    }
}

/// Low (levels 0 to 2), middle (3 to 5) and high (6 to 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The names say it.
pub enum Group {
    Low,
    Middle,
    High,
}

impl Group {
    /// Of a level.
    pub fn of_level(level: u8) -> Self {
        match level {
            0..=2 => Self::Low,
            3..=5 => Self::Middle,
            _ => Self::High,
        }
    }
}

const fn education(
    code: &'static str,
    nb: &'static str,
    en: &'static str,
    men: f64,
    women: f64,
) -> Education {
    Education { code: Code { code, nb, en }, weights: [men, women] }
}

/// Educations, in order of code.
pub const EDUCATIONS: [Education; 31] = [
    education("001100", "Ingen utdanning", "No education", 1.0, 1.0),
    education("101100", "Barneskole", "Primary school", 1.0, 1.0),
    education("201100", "Ungdomsskole", "Lower secondary school", 1.0, 1.0),
    education("301100", "Videregående, grunnkurs, allmennfag", "Upper secondary, basic, general", 4.0, 5.0),
    education(
        "355100",
        "Videregående, grunnkurs, tekniske fag",
        "Upper secondary, basic, technical",
        5.0,
        0.7,
    ),
    education("369100", "Videregående, grunnkurs, helsefag", "Upper secondary, basic, health", 0.7, 4.0),
    education("401100", "Videregående, studieforberedende", "Upper secondary, general", 36.0, 45.0),
    education("441100", "Videregående, handel og kontor", "Upper secondary, business", 7.0, 18.0),
    education("452100", "Fagbrev, elektrofag", "Trade certificate, electrical", 14.0, 0.6),
    education("455100", "Fagbrev, bygg og anlegg", "Trade certificate, building", 18.0, 0.6),
    education("457100", "Fagbrev, mekaniske fag", "Trade certificate, mechanics", 16.0, 0.6),
    education("469100", "Fagbrev, helse- og sosialfag", "Trade certificate, health and care", 3.0, 24.0),
    education("481100", "Fagbrev, transport", "Trade certificate, transport", 7.0, 1.0),
    education("541100", "Fagskole, økonomi og administrasjon", "Vocational college, business", 3.0, 5.0),
    education("555100", "Fagskole, tekniske fag", "Vocational college, technical", 9.0, 1.0),
    education("569100", "Fagskole, helsefag", "Vocational college, health", 0.6, 5.0),
    education("611100", "Bachelor, humanistiske fag", "Bachelor, humanities", 7.0, 9.0),
    education("621100", "Bachelor, lærerutdanning", "Bachelor, teaching", 12.0, 26.0),
    education("631100", "Bachelor, samfunnsfag", "Bachelor, social sciences", 9.0, 10.0),
    education("641100", "Bachelor, økonomi og administrasjon", "Bachelor, business", 24.0, 18.0),
    education("652100", "Bachelor, ingeniørfag", "Bachelor, engineering", 30.0, 6.0),
    education("661100", "Bachelor, sykepleie", "Bachelor, nursing", 4.0, 24.0),
    education("669100", "Bachelor, sosialfag", "Bachelor, social work", 4.0, 11.0),
    education("711100", "Master, humanistiske fag", "Master, humanities", 7.0, 12.0),
    education("731100", "Master, samfunnsfag og jus", "Master, social sciences and law", 20.0, 26.0),
    education("741100", "Master, økonomi", "Master, business", 18.0, 13.0),
    education("752100", "Master, naturvitenskap og teknologi", "Master, science and technology", 38.0, 20.0),
    education("763100", "Master, medisin", "Master, medicine", 9.0, 14.0),
    education("831100", "Doktorgrad, samfunnsfag", "Doctorate, social sciences", 3.0, 4.0),
    education("852100", "Doktorgrad, naturvitenskap", "Doctorate, science", 6.0, 3.5),
    education("863100", "Doktorgrad, medisin", "Doctorate, medicine", 3.0, 4.0),
];

/// Shares of low and high education among those born in this year: for men and women.
pub fn shares(birth_year: i32, woman: bool) -> (f64, f64) {
    let (low, high, gain_of_women) = match birth_year {
        ..1940 => (0.4, 0.15, -0.05),
        1940..1950 => (0.3, 0.24, -0.03),
        1950..1960 => (0.26, 0.28, 0.01),
        1960..1970 => (0.24, 0.34, 0.05),
        1970..1980 => (0.18, 0.42, 0.09),
        _ => (0.19, 0.46, 0.12),
    };
    let half = if woman { gain_of_women / 2.0 } else { -gain_of_women / 2.0 };
    (low - half / 2.0, high + half)
}
