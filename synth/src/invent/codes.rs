//! Draws from a code list: only codes that are valid, some more often than others, and depending on age, sex and standing.

use kobling_model::Day;

use super::metadata::Code;
use super::units::Unit;
use crate::chance::{Draws, Key};

/// Largest table of weights, in entries; larger code lists do not depend on who has the code.
const ENTRIES_MAX: usize = 4 << 20;
/// Words in the title of a code that nobody under 18 has.
const ADULTS: [&str; 25] = [
    "gift",
    "married",
    "skilt",
    "divorced",
    "enke",
    "enkemann",
    "widowed",
    "widow",
    "separert",
    "separated",
    "partner",
    "samboer",
    "samboere",
    "cohabitant",
    "høyere",
    "higher",
    "universitet",
    "university",
    "bachelor",
    "master",
    "doktor",
    "doctorate",
    "fagskole",
    "pensjonist",
    "retired",
];
/// Ages, from, that codes depend on.
const AGES: [i32; 4] = [18, 30, 50, 67];
/// Standings that codes depend on: below, around and above the middle.
const STANDINGS: [f64; 2] = [-0.5, 0.5];
const STRATA: usize = (AGES.len() + 1) * 2 * (STANDINGS.len() + 1);

/// The share of rows that have a sentinel, where there are any.
pub(super) const SENTINEL_SHARE: f64 = 0.01;

/// A code list as it is drawn from.
pub(super) struct CodeList {
    codes: Vec<Code>,
    sentinels: Vec<String>,
    /// Stretches of days on which the same codes are valid, ascending: the first day, and which codes.
    stretches: Vec<Stretch>,
    /// For a variable of sexes, the codes of a man and a woman.
    sexes: Option<[usize; 2]>,
    strata: usize,
}

struct Stretch {
    from: Day,
    codes: Vec<u32>,
    /// Running sums of weights, one run of all codes for each stratum.
    sums: Vec<f32>,
}

/// What was drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drawn {
    /// A code, by its place in the list.
    Code(usize),
    /// A sentinel.
    Sentinel(usize),
}

impl CodeList {
    pub(super) fn new(codes: &[Code], sentinels: &[String], key: Key) -> Self {
        let mut days: Vec<Day> = codes.iter().map(|code| code.from).collect();
        days.extend(
            codes.iter().filter_map(|code| code.until).filter_map(|day| Day::from_days(day.days() + 1).ok()),
        );
        days.sort_unstable();
        days.dedup();
        let valid = |day: Day| {
            codes.iter().zip(0_u32..).filter(move |(code, _)| is_valid(code, day)).map(|(_, at)| at)
        };
        let mut stretches: Vec<Stretch> = days
            .into_iter()
            .map(|from| Stretch { from, codes: valid(from).collect(), sums: Vec::new() })
            .collect();
        let entries: usize = stretches.iter().map(|stretch| stretch.codes.len()).sum();
        let strata = if entries * STRATA <= ENTRIES_MAX { STRATA } else { 1 };
        for stretch in &mut stretches {
            stretch.weigh(codes, strata, key);
        }
        Self { sexes: sexes(codes), codes: codes.to_vec(), sentinels: sentinels.to_vec(), stretches, strata }
    }

    /// Whether the list tells men and women apart.
    pub(super) fn is_of_sexes(&self) -> bool {
        self.sexes.is_some()
    }

    /// The text of what was drawn.
    pub(super) fn text(&self, drawn: Drawn) -> &str {
        match drawn {
            Drawn::Code(at) => &self.codes[at].code,
            Drawn::Sentinel(at) => &self.sentinels[at],
        }
    }

    /// The last day on which a row may have what was drawn; none where there is none.
    pub(super) fn until(&self, drawn: Drawn) -> Option<Day> {
        match drawn {
            Drawn::Code(at) => self.codes[at].until,
            Drawn::Sentinel(_) => None,
        }
    }

    /// Whether a row of these days may have what was drawn.
    pub(super) fn may_stand(&self, drawn: Drawn, from: Day, to: Day) -> bool {
        match drawn {
            Drawn::Code(at) => is_valid(&self.codes[at], from) && is_valid(&self.codes[at], to),
            Drawn::Sentinel(_) => true,
        }
    }

    /// Whether some code is valid on both days.
    pub(super) fn any_on(&self, from: Day, to: Day) -> bool {
        self.codes.iter().any(|code| is_valid(code, from) && is_valid(code, to))
    }

    /// The first day, from `day` on, on which a code is valid.
    pub(super) fn next_valid(&self, day: Day) -> Option<Day> {
        if self.any_on(day, day) {
            return Some(day);
        }
        self.codes.iter().map(|code| code.from).filter(|from| *from > day).min()
    }

    /// Draws a code for a row of these days, or now and then a sentinel; none where no code is valid on both.
    ///
    /// `other_than` is a code that is drawn only if there is no other.
    pub(super) fn draw(
        &self,
        unit: &Unit,
        from: Day,
        to: Day,
        other_than: Option<Drawn>,
        draws: &mut Draws,
    ) -> Option<Drawn> {
        if !self.sentinels.is_empty() && draws.chance(SENTINEL_SHARE) {
            return Some(Drawn::Sentinel(draws.below(self.sentinels.len() as u64) as usize));
        }
        self.draw_code(unit, from, to, other_than, draws)
    }

    fn draw_code(
        &self,
        unit: &Unit,
        from: Day,
        to: Day,
        other_than: Option<Drawn>,
        draws: &mut Draws,
    ) -> Option<Drawn> {
        let sex =
            self.sexes.zip(unit.traits).map(|(sexes, traits)| Drawn::Code(sexes[usize::from(traits.woman)]));
        if let Some(sex) = sex.filter(|sex| self.may_stand(*sex, from, to)) {
            return Some(sex);
        }
        let at = self.stretches.partition_point(|stretch| stretch.from <= from).checked_sub(1)?;
        let stretch = &self.stretches[at];
        let sums = stretch.sums(if self.strata == 1 { 0 } else { stratum(unit, from) })?;
        let total = sums[sums.len() - 1];
        let mut fits = None;
        for _ in 0..8 {
            let wanted = draws.unit() as f32 * total;
            let index = sums.partition_point(|sum| *sum <= wanted).min(sums.len() - 1);
            let code = Drawn::Code(stretch.codes[index] as usize);
            if self.may_stand(code, from, to) {
                fits = Some(code);
                if fits != other_than {
                    return fits;
                }
            }
        }
        // Codes that end before the row does, or nearly always the same one: the first that will do.
        let all = stretch.codes.iter().map(|code| Drawn::Code(*code as usize));
        let mut standing = all.filter(|code| self.may_stand(*code, from, to));
        fits.or_else(|| standing.next())
    }

    /// Draws for a row without dates: a code that is valid at the end of the period if there is one, else any.
    pub(super) fn draw_undated(&self, unit: &Unit, end: Day, draws: &mut Draws) -> Option<Drawn> {
        let last = || {
            self.stretches.iter().rev().find(|stretch| !stretch.codes.is_empty()).map(|stretch| stretch.from)
        };
        let day = if self.any_on(end, end) { end } else { last()? };
        self.draw(unit, day, day, None, draws)
    }
}

impl Stretch {
    fn weigh(&mut self, codes: &[Code], strata: usize, key: Key) {
        for stratum in 0..strata {
            let mut sum = 0.0;
            for at in &self.codes {
                sum += weight(
                    &codes[*at as usize],
                    *at as usize,
                    codes.len(),
                    (strata > 1).then_some(stratum),
                    key,
                );
                self.sums.push(sum as f32);
            }
        }
    }

    fn sums(&self, stratum: usize) -> Option<&[f32]> {
        let width = self.codes.len();
        self.sums.get(stratum * width..(stratum + 1) * width).filter(|sums| !sums.is_empty())
    }
}

/// How often a code is drawn. The key is the code's text, so that a code keeps its weight when it gets a new period.
fn weight(code: &Code, at: usize, of: usize, stratum: Option<usize>, key: Key) -> f64 {
    let mut draws = key.of(&code.code).draws();
    let base = 0.8 * draws.normal();
    let Some(stratum) = stratum else { return base.exp() };
    let (age, sex, standing) = (stratum / 6, stratum / 3 % 2, stratum % 3);
    if age == 0 && words(&code.title).any(|word| ADULTS.contains(&word)) {
        return 0.0;
    }
    // In most code lists the order means something: where the list rises with age or standing, it does so throughout.
    let rank = if of > 1 { at as f64 / (of - 1) as f64 - 0.5 } else { 0.0 };
    let mut list = key.of("slopes").draws();
    let (by_age, by_sex, by_standing) = (list.normal(), list.normal(), list.normal());
    let tilt = rank * (0.8 * by_age * (age as f64 - 2.0) / 2.0 + 0.6 * by_standing * (standing as f64 - 1.0))
        + 0.2 * draws.normal() * (age as f64 - 2.0) / 2.0
        + 0.25 * (draws.normal() + rank * by_sex) * (sex as f64 - 0.5);
    (base + tilt).exp()
}

fn stratum(unit: &Unit, day: Day) -> usize {
    let standing = STANDINGS.iter().filter(|bound| unit.standing > **bound).count();
    let (age, woman) = match unit.traits {
        Some(traits) => {
            let age = (day.days() - traits.born.days()).div_euclid(365);
            (AGES.iter().filter(|from| age >= **from).count(), traits.woman)
        }
        None => (2, false),
    };
    age * 6 + usize::from(woman) * 3 + standing
}

fn is_valid(code: &Code, day: Day) -> bool {
    code.from <= day && code.until.is_none_or(|until| day <= until)
}

fn words(title: &str) -> impl Iterator<Item = &str> {
    title.split(|c: char| !c.is_alphanumeric())
}

/// The codes of a man and a woman, if that is what the list tells apart.
fn sexes(codes: &[Code]) -> Option<[usize; 2]> {
    let of = |names: &[&str]| {
        let mut found =
            (0..codes.len()).filter(|at| words(&codes[*at].title).any(|word| names.contains(&word)));
        found.next().filter(|_| found.next().is_none())
    };
    let short = codes.len() <= 4;
    let both = [
        of(&["mann", "menn", "gutt", "man", "male"])?,
        of(&["kvinne", "kvinner", "jente", "woman", "female"])?,
    ];
    (short && both[0] != both[1]).then_some(both)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invent::people::Traits;

    fn code(code: &str, title: &str, from: &str, until: Option<&str>) -> Code {
        let day = |text: &str| text.parse::<Day>().expect("day");
        Code { code: code.into(), title: title.into(), from: day(from), until: until.map(day) }
    }

    fn unit(woman: bool, born: &str, standing: f64) -> Unit {
        let day = |text: &str| text.parse::<Day>().expect("day");
        let traits = Some(Traits { born: day(born), woman, died: None, standing });
        Unit {
            number: 1,
            traits,
            standing,
            first: day("2010-01-01"),
            last: day("2023-12-31"),
            always: false,
            happens: false,
        }
    }

    #[test]
    fn a_code_is_drawn_only_where_it_is_valid_on_both_days() {
        let codes = [
            code("a", "gammel", "2000-01-01", Some("2014-12-31")),
            code("b", "ny", "2015-01-01", None),
            code("c", "alltid", "2000-01-01", None),
        ];
        let list = CodeList::new(&codes, &[], Key::seeded(1));
        let mut draws = Key::seeded(2).draws();
        let unit = unit(true, "1980-01-01", 0.0);
        let day = |text: &str| text.parse::<Day>().expect("day");
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..500 {
            for (from, to) in
                [("2014-12-31", "2014-12-31"), ("2015-01-01", "2020-01-01"), ("2014-06-01", "2015-06-01")]
            {
                let drawn = list.draw(&unit, day(from), day(to), None, &mut draws).expect("c always fits");
                assert!(list.may_stand(drawn, day(from), day(to)));
                seen.insert((from, list.text(drawn).to_owned()));
            }
        }
        assert_eq!(seen.len(), 5, "{seen:?}");
        assert_eq!(list.draw(&unit, day("1999-01-01"), day("1999-01-01"), None, &mut draws), None);
        assert_eq!(list.next_valid(day("1999-01-01")), Some(day("2000-01-01")));
    }

    #[test]
    fn sexes_are_those_of_the_people() {
        let codes =
            [code("1", "mann male", "1900-01-01", None), code("2", "kvinne female", "1900-01-01", None)];
        let list = CodeList::new(&codes, &[], Key::seeded(1));
        let mut draws = Key::seeded(2).draws();
        let day = "2020-01-01".parse().expect("day");
        for woman in [false, true] {
            let drawn = list.draw(&unit(woman, "1980-01-01", 0.0), day, day, None, &mut draws);
            assert_eq!(drawn, Some(Drawn::Code(usize::from(woman))));
        }
    }

    #[test]
    fn codes_depend_on_age_and_standing_so_that_tables_are_worth_reading() {
        let codes: Vec<Code> = (1..=5).map(|n| code(&n.to_string(), "nivå", "1900-01-01", None)).collect();
        let day = "2020-01-01".parse().expect("day");
        let differs = (0..20).filter(|seed| {
            let list = CodeList::new(&codes, &[], Key::seeded(*seed));
            let share = |born: &str| {
                let mut draws = Key::seeded(9).draws();
                let unit = unit(true, born, 0.0);
                let low = |drawn| matches!(drawn, Some(Drawn::Code(0 | 1)));
                (0..2000).filter(|_| low(list.draw(&unit, day, day, None, &mut draws))).count()
            };
            share("1940-01-01").abs_diff(share("2000-01-01")) > 200
        });
        assert!(differs.count() >= 8, "most variables depend on age");
    }
}
