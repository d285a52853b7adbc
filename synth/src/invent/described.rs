//! Values that are described and not listed: what kind they are, told from what the metadata says, and draws of them.
//!
//! Words are looked for in the unit of measurement first (unless it is one unit per another), then in the type of measurement, the variable's names and the
//! descriptions; the first that is known decides ([`KINDS`]). Where nothing is known, a LONG is from 0 to 1000 and
//! a DOUBLE from 0 to 100, small values being the usual ones; a DATE is in the period; a STRING is one of 200 texts.

use std::io::Write;

use kobling_model::Day;
use kobling_model::catalogue::DataType;

use super::fault::FaultKind;
use super::metadata::Words;
use super::period::Period;
use super::ranges::Range;
use super::units::Unit;
use crate::chance::{Draws, Key};
use crate::write::Value;

/// Distinct texts of a described STRING.
const TEXTS: u64 = 200;

/// Numbers from `low` to `high` around `mean`. Skewed ones have a long tail upwards.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Numbers {
    low: f64,
    high: f64,
    mean: f64,
    skewed: bool,
    /// Whether only adults have it.
    adults: bool,
}

const fn even(low: f64, high: f64, mean: f64) -> Kind {
    Kind::Numbers(Numbers { low, high, mean, skewed: false, adults: false })
}

const fn skewed(low: f64, high: f64, mean: f64) -> Kind {
    Kind::Numbers(Numbers { low, high, mean, skewed: true, adults: false })
}

/// What a described value is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Numbers(Numbers),
    /// Age in years on the row's day.
    Age,
    /// A year.
    Year,
    /// The day of birth, or its year, or year and month.
    Birth(Form),
    /// A day in the period.
    Date,
    /// The day of death, of those who die.
    Death(Form),
    /// A postal code.
    Postal,
    /// A text that stands for others.
    Text,
}

/// How a day is written.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    Day,
    YearMonth,
    Year,
}

/// Words and what they say of numbers. A word of four letters and more also stands for those that begin with it, one of six
/// and more for those that end in it, as Norwegian compounds do.
const KINDS: &[(&[&str], Kind)] = &[
    (
        &[
            "kr",
            "kroner",
            "krone",
            "nok",
            "eur",
            "euro",
            "currency",
            "valuta",
            "beløp",
            "beloep",
            "amount",
            "inntekt",
            "inntekter",
            "income",
            "lønn",
            "loenn",
            "wage",
            "wages",
            "salary",
            "wlonn",
            "formue",
            "wealth",
            "gjeld",
            "debt",
            "skatt",
        ],
        Kind::Numbers(Numbers { low: 0.0, high: 8_000_000.0, mean: 420_000.0, skewed: true, adults: true }),
    ),
    (&["prosent", "percent", "percentage", "pct", "%"], even(0.0, 100.0, 40.0)),
    (&["promille"], even(0.0, 1000.0, 100.0)),
    (&["alder", "age"], Kind::Age),
    (&["årstall", "aarstall", "yyyy"], Kind::Year),
    (&["kilometer", "kilometre", "km"], skewed(0.0, 90_000.0, 12_000.0)),
    (&["bmi", "kroppsmasseindeks"], even(14.0, 55.0, 26.0)),
    (&["kilo", "kilogram", "kg"], even(30.0, 160.0, 76.0)),
    (&["gram", "grams", "g"], even(400.0, 6_000.0, 3_500.0)),
    (&["centimeter", "cm", "høyde", "height"], even(45.0, 205.0, 170.0)),
    (&["kvadratmeter", "kvm", "m2", "m²", "boligareal"], skewed(12.0, 500.0, 105.0)),
    (&["timer", "time", "hour", "hours"], even(0.0, 60.0, 32.0)),
    (&["minutt", "minutter", "minute", "minutes"], skewed(0.0, 600.0, 45.0)),
    (&["dag", "dager", "døgn", "day", "days", "liggetid"], skewed(0.0, 365.0, 9.0)),
    (&["uke", "uker", "week", "weeks"], skewed(0.0, 52.0, 12.0)),
    (&["måned", "måneder", "month", "months"], skewed(0.0, 240.0, 30.0)),
    (&["år", "years", "year"], skewed(0.0, 60.0, 9.0)),
    (&["barn", "children", "søsken", "siblings"], skewed(0.0, 10.0, 1.8)),
    (&["poeng", "points", "score"], even(0.0, 100.0, 52.0)),
    (&["karakter", "grade"], even(1.0, 6.0, 4.1)),
    (&["mmhg", "blodtrykk"], even(60.0, 220.0, 128.0)),
    (&["ansatte", "employees"], skewed(1.0, 20_000.0, 14.0)),
    (&["antall", "number", "count", "stk"], skewed(0.0, 40.0, 2.5)),
    (&["andel", "share", "rate"], even(0.0, 1.0, 0.4)),
];

const BIRTH: &[&str] = &[
    "fødsel",
    "fødsels",
    "foedsel",
    "foedsels",
    "fodsels",
    "født",
    "fødselsdato",
    "birth",
    "born",
    "fødselsår",
];
const DEATH: &[&str] = &["død", "døds", "doed", "doeds", "dods", "dødsdato", "death", "died"];

/// How the values of one described variable are drawn.
pub(super) struct Described {
    data_type: DataType,
    kind: Kind,
    period: Period,
    key: Key,
    /// How much the value follows age, standing and sex.
    slopes: [f64; 3],
    decimals: usize,
}

impl Described {
    pub(super) fn new(
        data_type: DataType,
        words: &Words,
        range: &Range,
        period: Period,
        key: Key,
    ) -> Result<Self, FaultKind> {
        let kind = given(kind(data_type, words), data_type, range)?;
        let mut draws = key.of("slopes").draws();
        let slopes = [0.35 * draws.normal(), 0.45 + 0.15 * draws.normal(), 0.2 * draws.normal()];
        let width = if let Kind::Numbers(numbers) = kind { numbers.high - numbers.low } else { 1.0 };
        let decimals = (3.0 - width.max(1e-9).log10()).ceil().clamp(1.0, 9.0) as usize;
        Ok(Self { data_type, kind, period, key, slopes, decimals })
    }

    /// Whether the values are days of birth, in any form.
    pub(super) fn is_of_birth(&self) -> bool {
        matches!(self.kind, Kind::Birth(_))
    }

    /// Appends the value of a row of these days; false where the unit has none then.
    pub(super) fn append(&self, unit: &Unit, to: Day, draws: &mut Draws, line: &mut Vec<u8>) -> bool {
        match self.kind {
            Kind::Numbers(numbers) => return self.number(numbers, unit, to, draws, line),
            Kind::Age => {
                let years = |traits: super::people::Traits| {
                    (to.days() - traits.born.days()).div_euclid(365).clamp(0, 105)
                };
                let years = unit.traits.map_or_else(|| draws.between(0, 40), years);
                write(line, format_args!("{years}"));
            }
            Kind::Year => {
                let first = unit.first.civil().0.min(to.civil().0);
                let year = draws.between(first, to.civil().0);
                write(line, format_args!("{year}"));
            }
            Kind::Birth(form) => {
                let born = unit.traits.map_or(self.period.from, |traits| traits.born);
                form.append(born, line);
            }
            Kind::Death(form) => match unit.traits.and_then(|traits| traits.died) {
                Some(died) => form.append(died, line),
                // Somebody has to have the variable.
                None if unit.always => form.append(unit.last, line),
                None => return false,
            },
            Kind::Date => {
                let first = unit.first.min(to);
                // What happens has its days within two weeks; for all else any day of the unit's will do.
                let last =
                    if unit.happens { first.days().saturating_add(14).min(to.days()) } else { to.days() };
                let day = draws.between(first.days(), last);
                Day::from_days(day).expect("within the period").append_to(line);
            }
            Kind::Postal => write(line, format_args!("{:04}", draws.between(150, 9990))),
            Kind::Text => {
                // Some texts are usual and most are not.
                let common = draws.unit().powi(2) * TEXTS as f64;
                write(line, format_args!("tekst {:03}", common as u64 + 1));
            }
        }
        true
    }

    fn number(&self, numbers: Numbers, unit: &Unit, to: Day, draws: &mut Draws, line: &mut Vec<u8>) -> bool {
        let age = unit.traits.map(|traits| f64::from(to.days() - traits.born.days()) / 365.25);
        if numbers.adults && age.is_some_and(|age| age < 17.0) && !unit.always {
            return false;
        }
        let [by_age, by_standing, by_sex] = self.slopes;
        // The unit's own part is the same in all its rows.
        let own = self.key.at(u64::from(unit.number)).draws().normal();
        let by_age = if numbers.adults {
            // What is earned rises until fifty and falls after.
            age.map_or(0.0, |age| 0.5 - ((age - 50.0) / 28.0).powi(2))
        } else {
            by_age * age.map_or(0.0, |age| (age - 45.0) / 25.0)
        };
        let by_sex = by_sex * unit.traits.map_or(0.0, |traits| if traits.woman { 1.0 } else { -1.0 });
        let score = by_age + by_standing * unit.standing + by_sex + 0.6 * own + 0.3 * draws.normal();
        let (low, high) = (numbers.low, numbers.high);
        let value = if numbers.skewed {
            low + (numbers.mean - low) * (0.75 * score - 0.28).exp()
        } else {
            let room = (numbers.mean - low).min(high - numbers.mean);
            numbers.mean + score * if room > 0.0 { room / 2.5 } else { (high - low) / 6.0 }
        };
        // What falls outside is spread over the range: at the bounds there would be peaks.
        let inside = |value: f64| (low..=high).contains(&value);
        let value = if inside(value) {
            value
        } else {
            low + (high - low) * draws.unit().powi(if numbers.skewed { 3 } else { 1 })
        };
        match self.data_type {
            DataType::Double => {
                let rounded = format!("{value:.*}", self.decimals);
                match rounded.parse::<f64>() {
                    Ok(number) if inside(number) => write(line, format_args!("{}", number + 0.0)),
                    _ => write(line, format_args!("{}", value.clamp(low, high) + 0.0)),
                }
            }
            _ => {
                let whole = value.round().clamp(low.ceil(), high.floor());
                write(line, format_args!("{}", whole as i64));
            }
        }
        true
    }
}

impl Form {
    fn append(self, day: Day, line: &mut Vec<u8>) {
        let (year, month, _) = day.civil();
        match self {
            Self::Day => day.append_to(line),
            Self::YearMonth => write(line, format_args!("{year:04}{month:02}")),
            Self::Year => write(line, format_args!("{year:04}")),
        }
    }
}

fn write(line: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    line.write_fmt(text).expect("memory takes it");
}

/// The kind that the words speak of.
fn kind(data_type: DataType, words: &Words) -> Kind {
    let named = |list: &[&str]| says(&words.name, list);
    match data_type {
        DataType::Date if named(BIRTH) => Kind::Birth(Form::Day),
        DataType::Date if named(DEATH) => Kind::Death(Form::Day),
        DataType::Date => Kind::Date,
        DataType::String => {
            if named(&["postnummer", "postnr", "postal"]) {
                Kind::Postal
            } else {
                Kind::Text
            }
        }
        DataType::Long | DataType::Double => {
            let mut all = [&words.unit, &words.measurement, &words.name, &words.description];
            // Of one unit over another, neither says how large the values are.
            if words.unit.contains('/') || says(&words.unit, &["per", "pr"]) {
                all.rotate_left(1);
            }
            let months = ["yyyymm", "åååmm", "ååååmm", "yearmonth"].contains(&words.format.as_str())
                || says(&words.name, &["mnd", "måned", "month"]);
            let form = if months { Form::YearMonth } else { Form::Year };
            let is_time = data_type == DataType::Long && words.unit.is_empty();
            if is_time && named(BIRTH) && !says(&words.name, &["vekt", "weight", "lengde", "length"]) {
                return Kind::Birth(form);
            }
            if is_time && named(DEATH) {
                return Kind::Death(form);
            }
            if words.format == "yyyy" {
                return Kind::Year;
            }
            let known =
                |text: &String| KINDS.iter().find(|(list, _)| says(text, list)).map(|(_, kind)| *kind);
            let other = if data_type == DataType::Long {
                skewed(0.0, 1000.0, 100.0)
            } else {
                skewed(0.0, 100.0, 20.0)
            };
            all.into_iter().find_map(known).unwrap_or(other)
        }
    }
}

fn says(text: &str, list: &[&str]) -> bool {
    let words = || text.split(|c: char| !c.is_alphanumeric() && c != '%').filter(|word| !word.is_empty());
    list.iter().any(|known| {
        let letters = known.chars().count();
        words().any(|word| {
            word == *known
                || (letters >= 4 && word.starts_with(known))
                || (letters >= 6 && word.ends_with(known))
        })
    })
}

/// The kind with the bounds that were given for it.
fn given(kind: Kind, data_type: DataType, range: &Range) -> Result<Kind, FaultKind> {
    if range.low.is_none() && range.high.is_none() && range.mean.is_none() {
        return Ok(kind);
    }
    let usual = match kind {
        Kind::Numbers(numbers) => numbers,
        _ => Numbers { low: 0.0, high: 100.0, mean: 40.0, skewed: false, adults: false },
    };
    // A bound that is given moves the others out of its way.
    let low = range.low.unwrap_or_else(|| usual.low.min(range.high.or(range.mean).unwrap_or(usual.low)));
    let largest = range.mean.map_or(low, |mean| mean.max(low));
    let high = range.high.unwrap_or_else(|| {
        if usual.high > largest { usual.high } else { largest + (largest - low).max(1.0) }
    });
    let middle = if usual.skewed { low + (high - low) * 0.15 } else { (low + high) / 2.0 };
    let mean = range.mean.unwrap_or(if (low..=high).contains(&usual.mean) { usual.mean } else { middle });
    if data_type == DataType::Long && low.ceil() > high.floor() {
        return Err(FaultKind::NoWholeNumber);
    }
    Ok(Kind::Numbers(Numbers { low, high, mean, ..usual }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(name: &str, unit: &str) -> Words {
        Words { name: name.to_owned(), unit: unit.to_owned(), ..Words::default() }
    }

    #[test]
    fn kinds_are_told_from_units_and_names() {
        let kind = |data_type, name, unit| super::kind(data_type, &words(name, unit));
        let mean = |kind| if let Kind::Numbers(numbers) = kind { numbers.mean } else { f64::NAN };
        assert_eq!(mean(kind(DataType::Long, "inntekt_wlonn", "norske kroner")), 420_000.0);
        assert_eq!(mean(kind(DataType::Long, "lønnsinntekt", "")), 420_000.0);
        assert_eq!(mean(kind(DataType::Double, "mfr_fodselsvekt fødselsvekt", "gram")), 3_500.0);
        assert_eq!(mean(kind(DataType::Long, "kjørelengde", "kilometer")), 12_000.0);
        assert_eq!(mean(kind(DataType::Double, "kroppsmasseindeks", "kilogram per kvadratmeter")), 26.0);
        assert_eq!(kind(DataType::Long, "alder ved diagnose", ""), Kind::Age);
        assert_eq!(kind(DataType::Long, "befolkning_foedsels_aar_mnd", ""), Kind::Birth(Form::YearMonth));
        assert_eq!(kind(DataType::Long, "fødselsår", ""), Kind::Birth(Form::Year));
        assert_eq!(kind(DataType::Date, "befolkning_doeds_dato", ""), Kind::Death(Form::Day));
        assert_eq!(mean(kind(DataType::Long, "noe helt annet", "")), 100.0);
    }

    fn unit(number: u32) -> Unit {
        let period = Period::default();
        Unit {
            number,
            traits: None,
            standing: 0.0,
            first: period.from,
            last: period.to,
            always: false,
            happens: false,
        }
    }

    fn values(data_type: DataType, range: Range) -> Vec<f64> {
        let period = Period::default();
        let described =
            Described::new(data_type, &words("x", ""), &range, period, Key::seeded(5)).expect("a fine range");
        let value = |n: u32| {
            let mut line = Vec::new();
            let mut draws = Key::seeded(8).at(u64::from(n)).draws();
            assert!(described.append(&unit(n), period.to, &mut draws, &mut line));
            String::from_utf8(line).expect("text").parse::<f64>().expect("a number")
        };
        (0..5000).map(value).collect()
    }

    #[test]
    fn numbers_keep_within_the_bounds_that_are_given() {
        for (low, high) in [(0.0, 0.001), (-5.0, -4.0), (1.0, 1.0), (-1e15, 1e15), (0.5, 1.5)] {
            for data_type in [DataType::Long, DataType::Double] {
                let range = Range { low: Some(low), high: Some(high), ..Range::default() };
                for value in values(data_type, range) {
                    assert!((low..=high).contains(&value), "{value} in {low}..={high}");
                }
            }
        }
        let none = Range { low: Some(0.2), high: Some(0.7), ..Range::default() };
        let refused =
            Described::new(DataType::Long, &words("x", ""), &none, Period::default(), Key::seeded(1));
        assert_eq!(refused.err(), Some(FaultKind::NoWholeNumber));
    }

    #[test]
    fn the_mean_is_roughly_the_one_given() {
        for (low, high, mean) in [(0.0, 1000.0, 300.0), (50.0, 100.0, 80.0), (0.0, 1e6, 5e4)] {
            let range = Range { low: Some(low), high: Some(high), mean: Some(mean), missing: None };
            let values = values(DataType::Double, range);
            let found = values.iter().sum::<f64>() / values.len() as f64;
            assert!((found - mean).abs() < 0.25 * (mean - low), "{found} for {mean}");
        }
    }
}
