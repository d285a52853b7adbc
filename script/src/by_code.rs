//! Columns that are made of one code list's codes, written as what each code becomes.
//!
//! Scripts that merge municipalities or put codes right do it line by line, `replace x = "5001" if x == "1601"` a hundred times. Each line repeats the column in
//! its condition, so that the expression would double. What it is can be said shorter: where a column depends on one variable with public codes, and on nothing that
//! only its owner's engine computes, each code becomes a known value.

use kobling_model::expression::{BinaryOperator, Expression, Function, Value};

use crate::check::Checker;
use crate::edit::joined;
use crate::evaluate::evaluate;
use crate::lower::Lowered;

/// Nodes up to which a column stays as it is written.
const WRITTEN_MAX: usize = 500;
/// Nesting up to which it does.
const LEVELS_MAX: usize = 50;
/// Codes beyond which it does.
const CODES_MAX: usize = 1_000;

impl Checker<'_, '_, '_> {
    /// The same, code by code, where that is shorter.
    pub(crate) fn by_code(&self, lowered: Lowered) -> Lowered {
        if lowered.size() <= WRITTEN_MAX && lowered.levels() <= LEVELS_MAX {
            return lowered;
        }
        let shorter = |lowered: &Lowered| {
            let sources = lowered.expression.sources();
            let (Some(source), 1) = (sources.first(), sources.len()) else { return None };
            let codes =
                self.known[*source].codes.as_ref().filter(|codes| codes.entries.len() <= CODES_MAX)?;
            let same_type = self.known[*source].text == lowered.is_text();
            let codes = codes.entries.iter().map(|entry| &entry.value);
            mapped(&lowered.expression, *source, codes, same_type, lowered)
        };
        match shorter(&lowered) {
            Some(expression) if expression.size() < lowered.size() => lowered.with_expression(expression),
            _ => lowered,
        }
    }
}

/// What each code becomes, and what becomes of those who have none; none where only an owner's engine could say.
fn mapped<'a>(
    expression: &Expression,
    source: usize,
    codes: impl Iterator<Item = &'a Value>,
    same_type: bool,
    lowered: &Lowered,
) -> Option<Expression> {
    let missing = || Expression::Missing(lowered.value_type);
    let constant = |value: Option<Value>| value.map_or_else(missing, Expression::Constant);
    let alone = expression.with_sources(&mut |_| Expression::Source(0));
    let at = |value: Option<&Value>| evaluate(&alone, &[value.cloned()]);
    let mut becomes: Vec<(Option<Value>, Vec<Value>)> = Vec::new();
    for code in codes {
        let value = at(Some(code))?;
        if same_type && value.as_ref() == Some(code) {
            continue;
        }
        match becomes.iter_mut().find(|(of, _)| *of == value) {
            Some((_, codes)) => codes.push(code.clone()),
            None => becomes.push((value, vec![code.clone()])),
        }
    }
    let of_source = || Box::new(Expression::Source(source));
    let mut arms = Vec::with_capacity(becomes.len() + 1);
    let of_none = at(None)?;
    if of_none.is_some() {
        arms.push((Expression::Call(Function::Sysmiss, vec![*of_source()]), constant(of_none)));
    }
    for (value, codes) in becomes {
        let is = |code: Value| {
            Expression::Binary(BinaryOperator::Equal, of_source(), Box::new(Expression::Constant(code)))
        };
        let any = joined(BinaryOperator::Or, codes.into_iter().map(is).collect());
        arms.push((any, constant(value)));
    }
    let otherwise = Box::new(if same_type { *of_source() } else { missing() });
    match arms.is_empty() {
        // A constant is for everybody; this is of a variable, whatever an edit's outcome.
        true => same_type.then_some(*otherwise),
        false => Some(Expression::Case { arms, otherwise }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CODES: [&str; 6] = ["0301", "1103", "1601", "5001", "9999", ""];

    fn text(code: &str) -> Value {
        Value::Text(code.to_owned())
    }

    /// The value where the source has one.
    fn at(expression: &Expression, value: Option<&Value>) -> Option<Option<Value>> {
        evaluate(expression, &[None, None, None, value.cloned()])
    }

    /// `replace x = to if x == from` in turn.
    fn chain(steps: &[(usize, usize)]) -> Expression {
        steps.iter().fold(Expression::Source(3), |x, (from, to)| {
            let from = Box::new(Expression::Constant(text(CODES[*from])));
            let when = Expression::Binary(BinaryOperator::Equal, Box::new(x.clone()), from);
            let then = Expression::Constant(text(CODES[*to]));
            Expression::Case { arms: vec![(when, then)], otherwise: Box::new(x) }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn code_by_code_it_is_what_it_was(steps in prop::collection::vec((0..6_usize, 0..6_usize), 1..8), number: bool) {
            let chain = chain(&steps);
            let (expression, lowered) = match number {
                false => (chain, Lowered::missing(kobling_model::expression::ValueType::Text)),
                true => {
                    let length = Expression::Call(Function::Length, vec![chain]);
                    (length, Lowered::missing(kobling_model::expression::ValueType::Number))
                }
            };
            let codes: Vec<Value> = CODES.iter().map(|code| text(code)).collect();
            let shorter = mapped(&expression, 3, codes.iter(), !number, &lowered).expect("it is computed here");
            for code in codes.iter().map(Some).chain([None]) {
                prop_assert_eq!(at(&expression, code), at(&shorter, code));
            }
            // And as anybody would read the chain.
            for code in CODES {
                let read = steps.iter().fold(code, |x, (from, to)| if x == CODES[*from] { CODES[*to] } else { x });
                let read = if number { Value::Number(read.len() as f64) } else { text(read) };
                prop_assert_eq!(at(&shorter, Some(&text(code))), Some(Some(read)));
            }
        }
    }
}
