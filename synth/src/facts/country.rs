//! Countries of birth: how many people, how they are educated, how many take a vaccine.

use super::Code;

/// A country of birth.
#[derive(Clone, Copy, Debug)]
pub struct Country {
    /// Statistics Norway's code.
    pub code: Code,
    /// People born there among 5.4 million, in thousands. Not used for Norway.
    pub thousands: f64,
    /// Share of adults with at least one dose against COVID-19.
    pub vaccinated: f64,
    /// How much more likely than those born in Norway its people are to have higher education.
    pub higher_education: f64,
}

const fn country(
    code: &'static str,
    nb: &'static str,
    en: &'static str,
    thousands: f64,
    vaccinated: f64,
    higher_education: f64,
) -> Country {
    Country { code: Code { code, nb, en }, thousands, vaccinated, higher_education }
}

/// Countries of birth. The first is Norway.
pub const COUNTRIES: [Country; 33] = [
    country("000", "Norge", "Norway", 0.0, 0.94, 0.0),
    country("101", "Danmark", "Denmark", 24.0, 0.88, 0.05),
    country("103", "Finland", "Finland", 7.0, 0.83, 0.04),
    country("105", "Island", "Iceland", 8.0, 0.89, 0.02),
    country("106", "Sverige", "Sweden", 48.0, 0.84, 0.08),
    country("117", "Frankrike", "France", 7.0, 0.84, 0.25),
    country("124", "Latvia", "Latvia", 12.0, 0.5, -0.05),
    country("127", "Nederland", "Netherlands", 9.0, 0.85, 0.15),
    country("131", "Polen", "Poland", 105.0, 0.47, -0.06),
    country("133", "Romania", "Romania", 17.0, 0.52, -0.02),
    country("136", "Litauen", "Lithuania", 42.0, 0.51, -0.08),
    country("139", "Storbritannia", "United Kingdom", 20.0, 0.86, 0.18),
    country("140", "Russland", "Russia", 19.0, 0.6, 0.15),
    country("143", "Tyrkia", "Turkey", 13.0, 0.75, -0.15),
    country("144", "Tyskland", "Germany", 28.0, 0.8, 0.14),
    country("148", "Ukraina", "Ukraine", 7.0, 0.62, 0.18),
    country("155", "Bosnia-Hercegovina", "Bosnia and Herzegovina", 14.0, 0.75, -0.03),
    country("161", "Kosovo", "Kosovo", 10.0, 0.74, -0.12),
    country("241", "Eritrea", "Eritrea", 24.0, 0.68, -0.2),
    country("246", "Etiopia", "Ethiopia", 10.0, 0.74, -0.12),
    country("346", "Somalia", "Somalia", 28.0, 0.56, -0.25),
    country("404", "Afghanistan", "Afghanistan", 18.0, 0.72, -0.2),
    country("424", "Sri Lanka", "Sri Lanka", 10.0, 0.93, -0.05),
    country("428", "Filippinene", "Philippines", 26.0, 0.9, 0.12),
    country("444", "India", "India", 18.0, 0.88, 0.28),
    country("452", "Irak", "Iraq", 23.0, 0.66, -0.1),
    country("456", "Iran", "Iran", 18.0, 0.8, 0.1),
    country("484", "Kina", "China", 14.0, 0.88, 0.14),
    country("534", "Pakistan", "Pakistan", 21.0, 0.77, -0.12),
    country("564", "Syria", "Syria", 32.0, 0.58, -0.12),
    country("568", "Thailand", "Thailand", 23.0, 0.91, -0.14),
    country("575", "Vietnam", "Vietnam", 14.0, 0.92, -0.1),
    country("684", "USA", "United States", 20.0, 0.85, 0.24),
];

/// Chance that someone of this age at the start of 2018 was born abroad.
pub fn share_born_abroad(age: i32) -> f64 {
    match age {
        ..0 => 0.015,
        0..10 => 0.05,
        10..20 => 0.1,
        20..30 => 0.19,
        30..45 => 0.28,
        45..60 => 0.17,
        60..75 => 0.09,
        _ => 0.05,
    }
}
