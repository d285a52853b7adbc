//! Sums of a value column, as `docs/PROTECTION.md` says, from all owners' values at once.

use kobling_model::expression::{Expression, Value};
use kobling_model::interval::Interval;
use kobling_model::plan::{Question, Show, Side, TableShape};
use kobling_model::rules::Rules;
use kobling_model::table::Statistics;
use kobling_model::value::Coding;
use ring::hmac;

use crate::preparation::View;
use crate::{Columns, Datum, Keys, Method, Sides, TrueCell, cipher, evaluate, record_key};

/// A value column over all units of its owners, unfiltered.
pub(crate) struct ValueColumn<'a> {
    column: &'a kobling_model::value::ValueColumn,
    parts: Vec<Part<'a>>,
    fingerprint: [u8; 8],
    mean: i128,
    width: i128,
    square_mean: i128,
    square_width: i128,
}

/// One owner's number.
struct Part<'a> {
    side: Side,
    view: &'a View<'a>,
    expression: &'a Expression,
    bounds: Interval,
    coding: Coding,
}

/// 2 to the power of some bits.
fn two_to(bits: u32) -> i128 {
    1 << bits
}

/// Bits that a number has.
fn bits(number: i128) -> u32 {
    (128 - number.leading_zeros()).max(1)
}

impl Part<'_> {
    /// The value at a unit, not yet brought within bounds.
    fn value(&self, columns: &[Datum]) -> Option<f64> {
        match evaluate(self.expression, columns)? {
            Value::Number(number) => Some(number),
            Value::Text(text) => panic!("a text as a value: {text}"),
        }
    }

    /// The whole number that stands for a value.
    fn code(&self, value: f64) -> i128 {
        let units = (self.bounds.clamp(value) - self.coding.from.0) / self.coding.unit.0;
        (self.low() + units.round() as i128).clamp(self.low(), self.high())
    }

    fn low(&self) -> i128 {
        self.coding.low.into()
    }

    fn high(&self) -> i128 {
        self.coding.high.into()
    }

    /// The square of a distance in sevenths of the width, rounded up, times that of the width.
    fn energy(&self, distance: i128) -> i128 {
        let width = self.high() - self.low();
        ((7 * distance + width - 1) / width.max(1)).pow(2) * width.pow(2)
    }
}

impl<'a> ValueColumn<'a> {
    pub(crate) fn of(question: &'a Question, sides: &'a Sides<'a>, secret: &[u8; 32]) -> Option<Self> {
        let column = question.value()?;
        let part = |part: &kobling_model::value::ValuePart| {
            let view = &sides[&part.side];
            let expression = view.fragment.value.as_ref().expect("the value's expression is there");
            let bounds = Interval::of(expression, &view.bounds()).expect("a checked value has bounds");
            Part { side: part.side, view, expression, bounds, coding: part.coding }
        };
        let parts = column.parts.iter().map(part).collect();
        let mut whole =
            Self { column, parts, fingerprint: [0; 8], mean: 0, width: 0, square_mean: 0, square_width: 0 };
        for at in 0..whole.parts.len() {
            whole.enter_constants(at, question, secret);
        }
        Some(whole)
    }

    /// What an owner enters of its whole part.
    fn enter_constants(&mut self, at: usize, question: &Question, secret: &[u8; 32]) {
        let part = &self.parts[at];
        let [low, high] = [part.bounds.low, part.bounds.high].map(|bound| part.code(bound));
        let (mut count, mut mixed, mut sum, mut squares) = (0, 0_u64, 0, 0);
        for identity in part.view.identities() {
            let Some(value) = part.value(&part.view.columns(identity)) else { continue };
            let code = part.code(value);
            count += 1;
            sum += code;
            squares += self.own_square(at, code);
            let [a, b, c] = record_key(secret, question.unit_type, identity).map(u64::from);
            let offset = (code - part.low()) as u64;
            mixed = mixed.wrapping_add(mix(mix(a + (b << 16) + (c << 32)).wrapping_add(offset)));
        }
        let purpose: &[u8] = if self.is_joint() { b"kobling part v2" } else { b"kobling column v2" };
        let centre = i128::from(part.coding.centre);
        let numbers = [low, high, part.high(), centre].map(|code| ((code - part.low()) as u64).to_le_bytes());
        let owner = if self.is_joint() { part.view.fragment.owner.as_str() } else { "" };
        let mut message = vec![purpose, question.unit_type.as_str().as_bytes(), owner.as_bytes()];
        let mixed = mixed.to_le_bytes();
        message.push(&mixed);
        message.extend(numbers.iter().map(|number| number.as_slice()));
        let digest = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), &list(&message));
        let parts = self.parts.len() as i128;
        let square_width = self.own_square(at, low).max(self.own_square(at, high)) * parts;
        for (byte, more) in self.fingerprint.iter_mut().zip(digest.as_ref()) {
            *byte ^= more;
        }
        // The mean above the smallest code, rounded down.
        self.mean += self.parts[at].low() + (sum - count * self.parts[at].low()) / count.max(1);
        self.width += high - low;
        self.square_mean += squares / count.max(1);
        self.square_width += square_width;
    }

    pub(crate) fn name(&self) -> &str {
        &self.column.name
    }

    fn is_joint(&self) -> bool {
        self.parts.len() > 1
    }

    /// Low bits of a code that steps leave out.
    fn dropped(&self) -> u32 {
        let widest = self.parts.iter().map(|part| part.high() - part.low()).max().unwrap_or(0);
        bits(widest).saturating_sub(12)
    }

    fn steps(&self, at: usize, code: i128) -> i128 {
        (code - self.parts[at].low()) / two_to(self.dropped())
    }

    /// Whole steps to the centre of some parts together, and the code in the middle of that.
    fn centre(&self, of: &[usize]) -> (i128, i128) {
        let step = two_to(self.dropped());
        let half = of.len() as i128 * (step / 2);
        let low: i128 = of.iter().map(|at| self.parts[*at].low()).sum();
        let centre: i128 = of.iter().map(|at| i128::from(self.parts[*at].coding.centre)).sum();
        let steps = (centre - low - half).max(0) / step;
        (steps, low + half + steps * step)
    }

    /// The square of a part's code about its own centre.
    fn own_square(&self, at: usize, code: i128) -> i128 {
        let centre = i128::from(self.parts[at].coding.centre);
        if self.is_joint() {
            return (self.steps(at, code) - self.steps(at, centre)).pow(2);
        }
        let unit = self.unit();
        (((code - centre).abs() + unit / 2) / unit).pow(2)
    }

    /// What squares are in units of, squared.
    fn unit(&self) -> i128 {
        if self.is_joint() {
            return two_to(self.dropped());
        }
        let centre = i128::from(self.column.coding.centre);
        let farthest = (self.parts[0].high() - centre).max(centre - self.parts[0].low());
        // Distances keep twenty bits.
        two_to(bits(farthest).saturating_sub(20))
    }

    fn largest_square(&self) -> i128 {
        if self.is_joint() {
            let (centre, _) = self.centre(&(0..self.parts.len()).collect::<Vec<_>>());
            let most: i128 = (0..self.parts.len()).map(|at| self.steps(at, self.parts[at].high())).sum();
            return (most - centre).abs().max(centre).pow(2);
        }
        let part = &self.parts[0];
        self.own_square(0, part.low()).max(self.own_square(0, part.high()))
    }

    /// The values at a unit, not yet brought within bounds; none where one is missing.
    pub(crate) fn values(&self, columns: &Columns) -> Option<Vec<f64>> {
        self.parts.iter().map(|part| part.value(&columns[&part.side])).collect()
    }

    pub(crate) fn add(&self, cell: &mut TrueCell, values: &[f64]) {
        let codes: Vec<i128> = self.parts.iter().zip(values).map(|(part, value)| part.code(*value)).collect();
        cell.sum += codes.iter().sum::<i128>();
        let everything: Vec<usize> = (0..codes.len()).collect();
        cell.squares += if self.is_joint() {
            self.square_of_steps(&everything, &codes)
        } else {
            self.own_square(0, codes[0])
        };
        // The whole, and what is left of it when an owner takes its part away.
        let mut judged = vec![everything.clone()];
        if self.is_joint() {
            judged.extend(
                everything.iter().map(|out| everything.iter().copied().filter(|at| at != out).collect()),
            );
        }
        cell.evidence.resize(2 * judged.len(), (0, 0));
        let judged =
            judged.iter().flat_map(|of| [self.evidence(of, &codes, true), self.evidence(of, &codes, false)]);
        for ((more, squares), (sum, energy)) in judged.zip(&mut cell.evidence) {
            *sum += more;
            *energy += squares;
        }
    }

    fn square_of_steps(&self, of: &[usize], codes: &[i128]) -> i128 {
        let (centre, _) = self.centre(of);
        (of.iter().map(|at| self.steps(*at, codes[*at])).sum::<i128>() - centre).pow(2)
    }

    /// How far a number lies from the lower bound or the upper one, and its part of a bound of 49 times the sum of the squares of
    /// that; of several parts eight times that.
    fn evidence(&self, of: &[usize], codes: &[i128], is_low: bool) -> (i128, i128) {
        let bound = |at: &usize| if is_low { self.parts[*at].low() } else { self.parts[*at].high() };
        let number: i128 = of.iter().map(|at| codes[*at]).sum();
        let from: i128 = of.iter().map(bound).sum();
        let distance = (number - from).abs();
        if let [alone] = of {
            return (distance, self.parts[*alone].energy(distance));
        }
        let (_, centre) = self.centre(of);
        let step = two_to(self.dropped());
        let squares = self.square_of_steps(of, codes) * step * step;
        let squares = match step {
            1 => 8 * squares,
            _ => 9 * squares + 72 * (of.len() as i128 * (step / 2)).pow(2),
        };
        let apart = centre - from;
        (distance, 49 * (squares + 16 * apart * (number - centre) + 8 * apart * apart))
    }

    /// Perturbed sum and sum of squares of a cell; none where they are hidden.
    pub(crate) fn protected(
        &self,
        cell: &TrueCell,
        perturbed: u64,
        method: &Method,
        keys: &Keys,
        rules: &Rules,
    ) -> Option<(i128, i128)> {
        let output = cipher(cell, &self.fingerprint, &keys.noise_key);
        let e = i128::from(perturbed) - i128::from(cell.count);
        let large = |key: u8| i128::from(method.table.0.last().expect("rows")[usize::from(key)]);
        let dither = |from: usize, width: i128| {
            let mut bytes = [0; 16];
            bytes[..6].copy_from_slice(&output[from..from + 6]);
            (i128::from_le_bytes(bytes) & (two_to(bits(width)) - 1)) - two_to(bits(width) - 1)
        };
        let coding = self.column.coding;
        let sum = cell.sum
            + e * self.mean
            + large(output[0]) * self.width
            + dither(3, i128::from(coding.high) - i128::from(coding.low));
        let squares = cell.squares
            + e * self.square_mean
            + large(output[1]) * self.square_width
            + dither(9, self.largest_square());
        let kappa = rules.two_largest_percent_max.min(100 - rules.others_percent_of_largest_min);
        let factor = 16 * 49 * i128::from(kappa).pow(2) / 20_000;
        let stricter = i128::from(16 + output[2] % 8);
        let dominated = method.judges_dominance
            && cell.evidence.iter().enumerate().any(|(at, (sum, energy))| {
                let left_out = if at < 2 { 0 } else { 1 };
                let eighths = if self.parts.len() - left_out > 1 { 8 } else { 1 };
                eighths * factor * sum.pow(2) <= stricter * energy
            });
        (!dominated && perturbed >= u64::from(rules.statistic_units_min)).then_some((sum, squares))
    }

    /// What is shown of a cell.
    pub(crate) fn statistics(
        &self,
        shape: &TableShape,
        count: u64,
        (sum, squares): (i128, i128),
    ) -> Statistics {
        let coding = self.column.coding;
        let scaled = |code: f64| code * coding.unit.0;
        let three = |value: f64| format!("{value:.2e}").parse::<f64>().expect("a number");
        let shows = |show| shape.shows.contains(&show);
        let n = count as f64;
        let mean = sum as f64 / n;
        let centre = coding.centre as f64;
        let unit = self.unit() as f64;
        let variance = unit * unit * (squares as f64 / n) - (mean - centre) * (mean - centre);
        let deviation = (variance >= 0.0).then(|| (variance * n / (n - 1.0)).sqrt());
        let whole_sum = match coding.decimals {
            0.. => format!("{:.*}", coding.decimals as usize, scaled(sum as f64)).parse().expect("a number"),
            dropped => {
                let large = 10_f64.powi(-dropped);
                (scaled(sum as f64) / large).round() * large
            }
        };
        Statistics {
            mean: shows(Show::Mean).then(|| three(scaled(mean))),
            standard_deviation: deviation
                .filter(|_| shows(Show::StandardDeviation))
                .map(|deviation| three(scaled(deviation))),
            sum: shows(Show::Sum).then_some(whole_sum),
        }
    }
}

/// A list of texts and numbers, each with its length before it.
pub(crate) fn list(parts: &[&[u8]]) -> Vec<u8> {
    let mut message = Vec::new();
    for part in parts {
        message.extend((part.len() as u32).to_le_bytes());
        message.extend(*part);
    }
    message
}

/// SplitMix64's last step.
fn mix(x: u64) -> u64 {
    let mut x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use kobling_model::plan::Fragment;
    use kobling_model::value::{Summed, ValuePart};

    use super::*;

    /// A column of numbers within these bounds, about these centres.
    fn summed(bounds: &[(f64, f64, f64)]) -> kobling_model::value::ValueColumn {
        let within = |(low, high, centre): &(f64, f64, f64)| {
            (Interval::new(*low, *high, true).expect("in order"), *centre)
        };
        let Summed { coding, parts } =
            Summed::of(&bounds.iter().map(within).collect::<Vec<_>>()).expect("small enough");
        let part = |(at, coding)| ValuePart { side: Side::Other(at), coding };
        let parts = parts.into_iter().enumerate().map(part).collect();
        kobling_model::value::ValueColumn { name: "sum".into(), parts, coding, squares: true }
    }

    #[test]
    fn what_is_judged_of_several_numbers_is_never_below_their_squares_and_close_to_them() {
        let cases: [&[(f64, f64, f64)]; 4] = [
            &[(0.0, 1_300_000.0, 400_000.0), (-20_000.0, 900_000.0, 100_000.0)],
            &[(-25_000.0, 20_000.0, 3_000.0), (-20_000.0, -1_000.0, -15_000.0)],
            &[(0.0, 60.0, 20.0), (0.0, 12.0, 3.0), (-5.0, 5.0, 0.0)],
            &[(0.0, 1e9, 1e8), (0.0, 10.0, 5.0)],
        ];
        let expression = Expression::Constant(Value::Number(0.0));
        let owner = kobling_model::OwnerId::new("owner").expect("a name");
        let (preparations, sources, filters) = (vec![], vec![], vec![]);
        let (dimensions, numbers) = (vec![], vec![]);
        let fragment = Fragment {
            owner,
            preparations,
            sources,
            filters,
            filters_of_question: 0,
            dimensions,
            value: None,
            numbers,
        };
        let registers = crate::Registers::default();
        let view = View::of(&fragment, &registers, kobling_model::UnitType::Person, &[0; 32]);
        for bounds in cases {
            let summed = summed(bounds);
            let parts = summed.parts.iter().zip(bounds).map(|(part, (low, high, _))| Part {
                side: part.side,
                view: &view,
                expression: &expression,
                bounds: Interval::new(*low, *high, true).expect("in order"),
                coding: part.coding,
            });
            let column = ValueColumn {
                column: &summed,
                parts: parts.collect(),
                fingerprint: [0; 8],
                mean: 0,
                width: 0,
                square_mean: 0,
                square_width: 0,
            };
            let everything: Vec<usize> = (0..bounds.len()).collect();
            assert_eq!(column.centre(&everything).1, i128::from(summed.coding.centre));
            assert_eq!(
                (column.unit(), bits(column.largest_square())),
                (1 << summed.square_shift(), summed.square_bits())
            );
            let mut next = 1_u64;
            let mut drawn = |low: i64, high: i64| {
                next = next.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                i128::from(low + (next >> 33) as i64 % (high - low + 1))
            };
            for _ in 0..500 {
                let codes: Vec<i128> =
                    summed.parts.iter().map(|part| drawn(part.coding.low, part.coding.high)).collect();
                let distance = codes.iter().sum::<i128>() - i128::from(summed.coding.centre);
                let steps = column.square_of_steps(&everything, &codes) as f64;
                let off = (distance.abs() as f64 - steps.sqrt() * column.unit() as f64).abs();
                assert!(off <= summed.steps().farthest(bounds.len()) as f64, "{off}");
                assert!(steps as i128 <= column.largest_square());
                let without =
                    everything.iter().map(|out| everything.iter().copied().filter(|at| at != out).collect());
                for of in std::iter::once(everything.clone()).chain(without) {
                    let exact: i128 = of.iter().map(|at| codes[*at]).sum();
                    for is_low in [true, false] {
                        let bound = |at: &usize| match is_low {
                            true => i128::from(summed.parts[*at].coding.low),
                            false => i128::from(summed.parts[*at].coding.high),
                        };
                        let from: i128 = of.iter().map(bound).sum();
                        let (distance, energy) = column.evidence(&of, &codes, is_low);
                        assert_eq!(distance, (exact - from).abs());
                        let factor = if of.len() > 1 { 8 } else { 1 };
                        assert!(energy >= 49 * factor * distance * distance, "{of:?}: {energy} for {exact}");
                        // Not much above: an eighth of the squared distance from the centre, and steps; of one number sevenths.
                        let farthest = i128::from(summed.steps().farthest(of.len()));
                        let of_centre = (exact - column.centre(&of).1).pow(2);
                        let width: i128 =
                            of.iter().map(|at| column.parts[*at].high() - column.parts[*at].low()).sum();
                        let most = 8 * distance * distance + of_centre + 160 * farthest * (farthest + width);
                        assert!(of.len() == 1 || energy <= 49 * most, "{of:?}: {energy} for {exact}");
                    }
                }
            }
        }
    }
}
