//! Bounds of an expression from bounds of its sources, by interval arithmetic.
//!
//! The same rules give a column's public bounds from the catalogue and its secret winsorising bounds from those of
//! the owner's registers (rule 2). They are monotonic: narrower sources never give wider results, so that
//! secret bounds lie within public ones. What a rule cannot bound has no bounds; the checker then says so.
//!
//! Source: R. E. Moore, "Interval Analysis", 1966, section 3, for the arithmetic.

use std::f64::consts::{FRAC_PI_2, PI};

use serde::{Deserialize, Serialize};

use crate::expression::{BinaryOperator, Expression, Function, Value};

/// Finite bounds that every value of a column is brought within.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// Smallest.
    pub low: f64,
    /// Largest, not below `low`.
    pub high: f64,
    /// Whether all values are whole numbers.
    pub whole: bool,
}

impl Interval {
    /// These bounds, if they are finite and in order.
    pub fn new(low: f64, high: f64, whole: bool) -> Option<Self> {
        (low.is_finite() && high.is_finite() && low <= high).then_some(Self { low, high, whole })
    }

    /// A single value.
    pub fn point(value: f64) -> Option<Self> {
        Self::new(value, value, value.fract() == 0.0)
    }

    /// The truth values.
    const TRUTH: Self = Self { low: 0.0, high: 1.0, whole: true };
    /// Sines and cosines.
    const SINE: Self = Self { low: -1.0, high: 1.0, whole: false };

    /// Bounds of `expression` where source i lies within `sources[i]`; none where a rule gives none, or the
    /// expression is a text.
    pub fn of(expression: &Expression, sources: &[Option<Self>]) -> Option<Self> {
        let of = |expression: &Expression| Self::of(expression, sources);
        match expression {
            Expression::Source(source) => sources.get(*source).copied().flatten(),
            Expression::Constant(Value::Number(number)) => Self::point(*number),
            Expression::Constant(Value::Text(_)) | Expression::Missing(_) => None,
            Expression::Negate(inner) => of(inner).and_then(|x| Self::new(-x.high, -x.low, x.whole)),
            Expression::Not(_) => Some(Self::TRUTH),
            Expression::Binary(operator, left, right) => match operator {
                BinaryOperator::Add => Self::sum(of(left)?, of(right)?),
                BinaryOperator::Subtract => Self::difference(of(left)?, of(right)?),
                BinaryOperator::Multiply => {
                    let (x, y) = (of(left)?, of(right)?);
                    Self::hull_of_products(x, [y.low, y.high], x.whole && y.whole)
                }
                BinaryOperator::Divide => {
                    let (x, y) = (of(left)?, of(right)?);
                    // A divisor that may be zero bounds nothing.
                    let apart = y.low > 0.0 || y.high < 0.0;
                    if apart { Self::hull_of_products(x, [1.0 / y.low, 1.0 / y.high], false) } else { None }
                }
                BinaryOperator::Equal
                | BinaryOperator::NotEqual
                | BinaryOperator::Less
                | BinaryOperator::LessOrEqual
                | BinaryOperator::Greater
                | BinaryOperator::GreaterOrEqual
                | BinaryOperator::And
                | BinaryOperator::Or => Some(Self::TRUTH),
            },
            Expression::Call(function, arguments) => Self::of_call(*function, arguments, sources),
            Expression::Case { arms, otherwise } => {
                // A branch that is missing adds no value.
                let branches = arms.iter().map(|(_, then)| then).chain([otherwise.as_ref()]);
                let mut hull = None;
                for branch in branches.filter(|branch| !matches!(branch, Expression::Missing(_))) {
                    hull = Some(Self::hull(hull, of(branch)?));
                }
                hull
            }
        }
    }

    fn of_call(function: Function, arguments: &[Expression], sources: &[Option<Self>]) -> Option<Self> {
        let of = |at: usize| arguments.get(at).and_then(|argument| Self::of(argument, sources));
        let monotonic =
            |map: fn(f64) -> f64, whole| of(0).and_then(|x| Self::new(map(x.low), map(x.high), whole));
        let whole = |low, high| Self::new(low, high, true);
        let each =
            || arguments.iter().map(|argument| Self::of(argument, sources)).collect::<Option<Vec<_>>>();
        match function {
            Function::Abs => of(0).and_then(|x| {
                let low = if x.low > 0.0 { x.low } else { (-x.high).max(0.0) };
                Self::new(low, x.high.abs().max(x.low.abs()), x.whole)
            }),
            Function::Ceil => monotonic(f64::ceil, true),
            Function::Floor => monotonic(f64::floor, true),
            Function::Int => monotonic(f64::trunc, true),
            Function::Round if arguments.len() == 1 => monotonic(f64::round, true),
            // To a multiple of the second argument: at most half of it away.
            Function::Round => {
                let (x, to) = (of(0)?, of(1)?);
                let off = to.high.abs().max(to.low.abs()) / 2.0;
                Self::new(x.low - off, x.high + off, x.whole && to.whole)
            }
            // Outside its domain a function is missing, so bounds are those of the part inside.
            Function::Sqrt => {
                let x = of(0)?;
                Self::new(x.low.max(0.0).sqrt(), x.high.max(0.0).sqrt(), false)
            }
            Function::Exp => monotonic(f64::exp, false),
            Function::Ln => positive(of(0)?).and_then(|x| Self::new(x.low.ln(), x.high.ln(), false)),
            Function::Log10 => positive(of(0)?).and_then(|x| Self::new(x.low.log10(), x.high.log10(), false)),
            Function::Logit => {
                let x = of(0).filter(|x| x.low > 0.0 && x.high < 1.0)?;
                let logit = |x: f64| (x / (1.0 - x)).ln();
                Self::new(logit(x.low), logit(x.high), false)
            }
            Function::Sin | Function::Cos => Some(Self::SINE),
            Function::Asin | Function::Atan => Self::new(-FRAC_PI_2, FRAC_PI_2, false),
            Function::Acos => Self::new(0.0, PI, false),
            Function::Pi => Self::point(PI),
            // n! is at most n^n.
            Function::Lnfactorial => {
                let most = of(0)?.high.max(1.0);
                Self::new(0.0, most * most.ln(), false)
            }
            // All choices of n things together are 2^n.
            Function::Comb => whole(1.0, of(0)?.high.max(0.0).exp2()),
            Function::Tan => None,
            Function::Year => monotonic(|day| (1970.0 + day / 365.2425).floor(), true)
                .and_then(|years| whole(years.low - 1.0, years.high + 1.0)),
            Function::Month => whole(1.0, 12.0),
            Function::Day => whole(1.0, 31.0),
            Function::Quarter => whole(1.0, 4.0),
            Function::Halfyear => whole(1.0, 2.0),
            Function::Dow => whole(1.0, 7.0),
            Function::Doy => whole(1.0, 366.0),
            Function::Week => whole(1.0, 53.0),
            Function::Date => {
                let days = |year: f64| (year - 1970.0) * 365.2425;
                let years = of(0)?;
                whole((days(years.low) - 2.0).floor(), (days(years.high + 1.0) + 2.0).ceil())
            }
            Function::Sysmiss | Function::StartsWith | Function::EndsWith => Some(Self::TRUTH),
            Function::RowMax | Function::RowMin | Function::RowMean | Function::RowMedian => {
                let each = each()?;
                let mut hull = each.into_iter().fold(None, |hull, x| Some(Self::hull(hull, x)))?;
                // A constant is never missing, so that it bounds the others at one end.
                let constants = arguments.iter().filter_map(|argument| match argument {
                    Expression::Constant(Value::Number(number)) => Some(*number),
                    _ => None,
                });
                match function {
                    Function::RowMin => hull.high = constants.fold(hull.high, f64::min),
                    Function::RowMax => hull.low = constants.fold(hull.low, f64::max),
                    _ => {}
                }
                let whole = matches!(function, Function::RowMax | Function::RowMin);
                Self::new(hull.low, hull.high, hull.whole && whole)
            }
            // Greatest for two numbers at the two ends, also where there are more that may be missing; a little above it for
            // what rounding adds.
            Function::RowStd => {
                let each = each()?;
                let hull = each.into_iter().fold(None, |hull, x| Some(Self::hull(hull, x)))?;
                Self::new(0.0, (hull.high - hull.low) * 0.7072, false)
            }
            Function::RowTotal => {
                // A missing one counts as zero.
                let zero = Self { low: 0.0, high: 0.0, whole: true };
                each()?.into_iter().try_fold(zero, |sum, x| Self::sum(sum, Self::hull(Some(zero), x)))
            }
            Function::RowMissing | Function::RowValid => whole(0.0, arguments.len() as f64),
            // Probabilities, and parts of a whole.
            Function::Binomial
            | Function::Binomialp
            | Function::Binomialtail
            | Function::Chi2
            | Function::Chi2tail
            | Function::F
            | Function::Ftail
            | Function::Ibeta
            | Function::Ibetatail
            | Function::Invibeta
            | Function::Invibetatail
            | Function::NF
            | Function::NFtail
            | Function::Nchi2
            | Function::Nchi2tail
            | Function::Normal
            | Function::Nt
            | Function::Nttail
            | Function::T
            | Function::Ttail => Self::new(0.0, 1.0, false),
            // A normal density is at most 1 / √(2π) = 0.3989… of its deviation, and those of t are mixtures of such.
            Function::Tden | Function::Ntden => Self::new(0.0, 0.4, false),
            Function::Normalden => match arguments.len() {
                3 => of(2).filter(|sigma| sigma.low > 0.0).and_then(|x| Self::new(0.0, 0.4 / x.low, false)),
                _ => Self::new(0.0, 0.4, false),
            },
            Function::Betaden
            | Function::Chi2den
            | Function::Fden
            | Function::InvF
            | Function::InvFtail
            | Function::Invchi2
            | Function::Invchi2tail
            | Function::InvnFtail
            | Function::Invnttail
            | Function::Invt
            | Function::Invttail
            | Function::NFden
            | Function::Nchi2den => None,
            Function::Destring => None,
            Function::Length
            | Function::Lower
            | Function::Upper
            | Function::Trim
            | Function::Ltrim
            | Function::Rtrim
            | Function::Substr
            | Function::String
            | Function::Isoformatdate
            | Function::RowConcat => None,
        }
    }

    fn sum(x: Self, y: Self) -> Option<Self> {
        Self::new(x.low + y.low, x.high + y.high, x.whole && y.whole)
    }

    fn difference(x: Self, y: Self) -> Option<Self> {
        Self::new(x.low - y.high, x.high - y.low, x.whole && y.whole)
    }

    fn hull_of_products(x: Self, factors: [f64; 2], whole: bool) -> Option<Self> {
        let products = factors.map(|factor| [x.low * factor, x.high * factor]);
        let all = products.as_flattened();
        let least = all.iter().copied().fold(f64::INFINITY, f64::min);
        let most = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        // Adding zero makes one zero of both.
        if all.iter().any(|product| product.is_nan()) {
            None
        } else {
            Self::new(least + 0.0, most + 0.0, whole)
        }
    }

    /// Bounds of the values of all expressions; one that is always missing adds nothing.
    pub fn of_all<'a>(
        expressions: impl IntoIterator<Item = &'a Expression>,
        sources: &[Option<Self>],
    ) -> Option<Self> {
        let there = |expression: &&Expression| !matches!(expression, Expression::Missing(_));
        let mut all = None;
        for expression in expressions.into_iter().filter(there) {
            all = Some(Self::hull(all, Self::of(expression, sources)?));
        }
        all
    }

    /// What holds the values of both.
    pub fn hull(so_far: Option<Self>, x: Self) -> Self {
        so_far.map_or(x, |hull| Self {
            low: hull.low.min(x.low),
            high: hull.high.max(x.high),
            whole: hull.whole && x.whole,
        })
    }

    /// The value within the bounds that is nearest to `value`.
    pub fn clamp(&self, value: f64) -> f64 {
        value.clamp(self.low, self.high)
    }
}

/// Bounds of which a logarithm exists.
fn positive(x: Interval) -> Option<Interval> {
    (x.low > 0.0).then_some(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(index: usize) -> Box<Expression> {
        Box::new(Expression::Source(index))
    }

    fn binary(operator: BinaryOperator) -> Expression {
        Expression::Binary(operator, source(0), source(1))
    }

    fn interval(low: f64, high: f64) -> Option<Interval> {
        Interval::new(low, high, true)
    }

    #[test]
    fn arithmetic_bounds_every_combination_of_values() {
        use BinaryOperator::*;
        let sources = [interval(-3.0, 2.0), interval(4.0, 5.0)];
        let of = |operator| Interval::of(&binary(operator), &sources).expect("bounded");
        assert_eq!((of(Add).low, of(Add).high), (1.0, 7.0));
        assert_eq!((of(Subtract).low, of(Subtract).high), (-8.0, -2.0));
        assert_eq!((of(Multiply).low, of(Multiply).high), (-15.0, 10.0));
        assert_eq!((of(Divide).low, of(Divide).high), (-0.75, 0.5));
        assert!(of(Add).whole && of(Multiply).whole && !of(Divide).whole);
        assert_eq!(Interval::of(&binary(Divide), &[sources[1], sources[0]]), None);
    }

    #[test]
    fn narrower_sources_never_give_wider_bounds() {
        let functions = [
            Function::Abs,
            Function::Ceil,
            Function::Floor,
            Function::Int,
            Function::Round,
            Function::Sqrt,
            Function::Exp,
            Function::Ln,
            Function::Log10,
            Function::Logit,
            Function::Lnfactorial,
            Function::Comb,
            Function::Sin,
            Function::Acos,
            Function::Year,
            Function::RowMax,
            Function::RowMin,
            Function::RowMean,
            Function::RowMedian,
            Function::RowStd,
            Function::RowTotal,
        ];
        let mut expressions: Vec<Expression> =
            functions.iter().map(|function| Expression::Call(*function, vec![*source(0)])).collect();
        use BinaryOperator::*;
        expressions.extend([Add, Subtract, Multiply, Divide].map(binary));
        expressions.push(Expression::Negate(source(0)));
        for expression in &expressions {
            for (low, high) in [(1.0, 9.0), (-7.0, 4.0), (0.5, 0.75), (-2.0, -1.0)] {
                let wide = [Interval::new(low - 0.5, high + 0.25, false), Interval::new(2.0, 4.0, true)];
                let narrow = [Interval::new(low, high, false), Interval::new(2.5, 3.0, true)];
                let (Some(wide), Some(narrow)) =
                    (Interval::of(expression, &wide), Interval::of(expression, &narrow))
                else {
                    continue;
                };
                assert!(wide.low <= narrow.low && narrow.high <= wide.high, "{expression:?} {low} {high}");
            }
        }
    }

    #[test]
    fn a_case_is_the_hull_of_its_branches_and_missing_adds_nothing() {
        let case = Expression::Case {
            arms: vec![(*source(0), Expression::Constant(Value::Number(7.5)))],
            otherwise: Box::new(Expression::Missing(crate::expression::ValueType::Number)),
        };
        assert_eq!(Interval::of(&case, &[interval(0.0, 1.0)]), Interval::new(7.5, 7.5, false));
        let nothing = Expression::Missing(crate::expression::ValueType::Number);
        assert_eq!(Interval::of(&nothing, &[]), None);
    }

    #[test]
    fn an_overflow_has_no_bounds() {
        let huge = [interval(-1e300, 1e300), interval(-1e300, 1e300)];
        assert_eq!(Interval::of(&binary(BinaryOperator::Multiply), &huge), None);
        assert_eq!(Interval::new(f64::NAN, 1.0, false), None);
    }
}
