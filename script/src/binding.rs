//! Values of the script itself: what `let` and loops bind, and the expressions that make them.
//!
//! They are constants. Nothing of a register comes in: a bare word is a name and stands for itself. Arithmetic binds tighter
//! than `++`, which writes its sides one after the other; where one of them is a name the result is a name, else a text.

use std::collections::BTreeMap;

use kobling_model::Day;
use kobling_model::expression::{BinaryOperator, Value};
use logos::Logos;

use crate::diagnostic::{Reported, Span};
use crate::fold;
use crate::function::{DERIVED, Kind, OF_ALL_UNITS, OF_BINDINGS, SIGNATURES, names};
use crate::lexer::Token;
use crate::limits::{MADE_NAME_MAX, MADE_TEXT_MAX, NESTING_MAX};
use crate::near::nearest;
use crate::parser::{Cursor, Parse, positive_zero};
use crate::problem::{BindingProblem, Expected, Problem, Unprepared};

/// A value of the script.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Bound {
    /// A finite number.
    Number(f64),
    /// A text, which stands in quotes where it is used.
    Text(String),
    /// A day, as imports take it.
    Date(Day),
    /// A name, or a register's name before a slash and a variable's behind it.
    Symbol(String),
}

impl Bound {
    /// As `++` writes it.
    pub(crate) fn written(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) | Self::Symbol(text) => text.clone(),
            Self::Date(day) => day.to_string(),
        }
    }

    /// As a value of an expression; names are none.
    fn value(&self) -> Option<Value> {
        match self {
            Self::Number(number) => Some(Value::Number(*number)),
            Self::Text(text) => Some(Value::Text(text.clone())),
            Self::Date(day) => Some(Value::Number(f64::from(day.days()))),
            Self::Symbol(_) => None,
        }
    }
}

/// What is bound at a point of the script; none where the statement that should have bound it failed.
pub(crate) type Bindings = BTreeMap<String, Option<Bound>>;

/// Computes binding expressions from where a cursor stands.
pub(crate) struct Evaluator<'e, 'a, 'r, 's> {
    pub(crate) cursor: Cursor<'a, 'r, 's>,
    pub(crate) bindings: &'e Bindings,
}

/// A value and its place.
type Placed = (Bound, Span);

impl Evaluator<'_, '_, '_, '_> {
    /// A whole expression.
    pub(crate) fn expression(&mut self) -> Parse<Placed> {
        self.binary(Cursor::OR)
    }

    /// What stands in for one name or value of a statement: one value, perhaps with others joined to it.
    ///
    /// The first is not the start of a calculation: in `db/lønn ++ $i` the slash divides nothing.
    pub(crate) fn chain(&mut self) -> Parse<Placed> {
        let mut left = self.primary()?;
        while self.cursor.eat(Token::Join) {
            let right = self.binary(Cursor::SUM)?;
            left = self.joined(left, right)?;
        }
        Ok(left)
    }

    /// A calculation that stands in for one value; with division only where a slash cannot mean anything else.
    pub(crate) fn calculation(&mut self, with_products: bool) -> Parse<Placed> {
        if with_products {
            return self.binary(Cursor::SUM);
        }
        let mut left = self.primary()?;
        while let (Some(Token::Plus | Token::Minus), Some((_, operator))) =
            (self.cursor.peek(), self.cursor.operator(Cursor::SUM)?)
        {
            let (before, sign) = (self.cursor.behind(), self.cursor.here());
            self.cursor.next();
            if before.end == sign.start || sign.end == self.cursor.here().start {
                // A sign, not an operator: the next value begins.
                self.cursor.at -= 1;
                break;
            }
            let right = self.primary()?;
            left = self.operation(operator, left, right)?;
        }
        Ok(left)
    }

    fn binary(&mut self, lowest: u8) -> Parse<Placed> {
        let mut left = self.unary()?;
        loop {
            if self.cursor.peek() == Some(Token::Join) && lowest <= Cursor::JOIN {
                self.cursor.next();
                let right = self.binary(Cursor::SUM)?;
                left = self.joined(left, right)?;
                continue;
            }
            let Some((level, operator)) = self.cursor.operator(lowest)? else {
                return Ok(left);
            };
            self.cursor.next();
            let right = self.binary(level + 1)?;
            left = self.operation(operator, left, right)?;
        }
    }

    fn unary(&mut self) -> Parse<Placed> {
        let start = self.cursor.here();
        if self.cursor.nesting >= NESTING_MAX {
            return Err(self.cursor.report(start, Problem::TooDeep));
        }
        self.cursor.nesting += 1;
        let parsed = match self.cursor.peek() {
            Some(Token::Minus | Token::Plus) => self.signed(),
            Some(Token::Not) => self.negated(),
            _ => self.primary(),
        };
        self.cursor.nesting -= 1;
        parsed
    }

    fn signed(&mut self) -> Parse<Placed> {
        let start = self.cursor.here();
        let minus = self.cursor.eat(Token::Minus) || !self.cursor.eat(Token::Plus);
        let (value, span) = self.unary()?;
        let number = self.number(&value, span)?;
        let number = if minus { positive_zero(-number) } else { number };
        Ok((Bound::Number(number), start.to(span)))
    }

    fn negated(&mut self) -> Parse<Placed> {
        let start = self.cursor.here();
        self.cursor.next();
        let (value, span) = self.unary()?;
        let number = self.number(&value, span)?;
        Ok((Bound::Number(f64::from(u8::from(number == 0.0))), start.to(span)))
    }

    fn primary(&mut self) -> Parse<Placed> {
        let span = self.cursor.here();
        let text = self.cursor.text(span);
        let bound = match (self.cursor.peek(), self.cursor.peek_second()) {
            (Some(Token::Dollar), Some(Token::Name)) => {
                self.cursor.next();
                let name = self.cursor.here();
                let value = self.look_up(self.cursor.text(name), span.to(name))?;
                self.cursor.next();
                return Ok((value, span.to(name)));
            }
            (Some(Token::Name), Some(Token::Open)) => return self.call(),
            (Some(Token::Number), _) => Bound::Number(self.cursor.number(span)?),
            (Some(Token::Text), _) => Bound::Text(self.cursor.unquoted(span)),
            (Some(Token::Date), _) => match text.parse() {
                Ok(day) => Bound::Date(day),
                Err(_) => return Err(self.cursor.report(span, Problem::NotADay { text: text.to_owned() })),
            },
            (Some(Token::Name), _) if text != "if" => Bound::Symbol(crate::expand::normal(text)),
            (Some(Token::Open), _) => {
                self.cursor.next();
                let (inner, _) = self.expression()?;
                let close = self.cursor.need(Token::Close, Expected::Close)?;
                return Ok((inner, span.to(close)));
            }
            _ => return Err(self.cursor.expected(Expected::Expression)),
        };
        self.cursor.next();
        Ok((bound, span))
    }

    fn look_up(&mut self, name: &str, span: Span) -> Parse<Bound> {
        let name = crate::expand::normal(name);
        match self.bindings.get(&name) {
            Some(Some(value)) => Ok(value.clone()),
            // Reported where it should have been bound.
            Some(None) => Err(self.cursor.earlier()),
            None => {
                let near = nearest(&name, self.bindings.keys().map(String::as_str));
                let names = self.bindings.keys().take(10).cloned().collect();
                let problem = BindingProblem::Unknown { name, near, known: names };
                Err(self.cursor.report(span, Problem::Binding(problem)))
            }
        }
    }

    fn call(&mut self) -> Parse<Placed> {
        let function_span = self.cursor.here();
        let function = self.cursor.text(function_span);
        self.cursor.next();
        self.cursor.next();
        let mut arguments = Vec::new();
        if !self.cursor.eat(Token::Close) {
            loop {
                arguments.push(self.expression()?);
                if !self.cursor.eat(Token::Comma) {
                    break;
                }
            }
            self.cursor.need(Token::Close, Expected::CommaOrClose)?;
        }
        let span = function_span.to(self.cursor.behind());
        let bound = if OF_BINDINGS.contains(&function) {
            self.own(function, span, &arguments)?
        } else {
            self.ordinary(function, function_span, span, &arguments)?
        };
        Ok((bound, span))
    }

    /// The functions that bindings have for themselves.
    fn own(&mut self, function: &str, span: Span, arguments: &[Placed]) -> Parse<Bound> {
        let most = if function == "date_fmt" { 3 } else { 1 };
        self.count(function, span, 1, Some(most), arguments.len())?;
        let (first, first_span) = &arguments[0];
        match function {
            "date_fmt" => {
                let mut parts = [1.0, 1.0, 1.0];
                for (part, (value, span)) in parts.iter_mut().zip(arguments) {
                    *part = self.number(value, *span)?;
                }
                let [year, month, day] = parts;
                match fold::whole(year).zip(unsigned(month).zip(unsigned(day))) {
                    Some((year, (month, day))) => match Day::from_civil(year, month, day) {
                        Ok(day) => Ok(Bound::Date(day)),
                        Err(_) => self.no_value(span),
                    },
                    None => self.no_value(span),
                }
            }
            "to_int" => match first {
                Bound::Number(number) => Ok(Bound::Number(positive_zero(number.trunc()))),
                Bound::Text(text) | Bound::Symbol(text) => match text.trim().parse::<i32>() {
                    Ok(number) => Ok(Bound::Number(f64::from(number))),
                    Err(_) => self.no_value(span),
                },
                Bound::Date(day) => Ok(Bound::Number(f64::from(day.days()))),
            },
            "to_str" => Ok(Bound::Text(first.written())),
            "to_symbol" => self.symbol(first.written(), *first_span),
            // `bind(name)` looks up a binding whose name was made.
            _ => self.look_up(&first.written(), *first_span),
        }
    }

    /// A function of the language, of constants.
    fn ordinary(
        &mut self,
        function: &str,
        function_span: Span,
        span: Span,
        arguments: &[Placed],
    ) -> Parse<Bound> {
        let name = function.to_owned();
        let Some(signature) = SIGNATURES.iter().find(|signature| signature.name == function) else {
            let problem = if OF_ALL_UNITS.contains(&function) {
                Problem::Unprepared(Unprepared::QuantileInside)
            } else if DERIVED.contains(&function) {
                Problem::Binding(BindingProblem::Function { name })
            } else {
                let near = nearest(function, names());
                Problem::UnknownFunction { name, near }
            };
            return Err(self.cursor.report(function_span, problem));
        };
        self.count(function, span, signature.fewest, signature.most, arguments.len())?;
        let mut values = Vec::with_capacity(arguments.len());
        for (at, (argument, argument_span)) in arguments.iter().enumerate() {
            let value = self.value(argument, *argument_span)?;
            let kind = signature.kinds.get(at).or(signature.kinds.last());
            let is_text = matches!(value, Value::Text(_));
            let fits = match kind {
                Some(Kind::Number) => !is_text,
                Some(Kind::Text) => is_text,
                _ => true,
            };
            if !fits {
                let problem = Problem::ArgumentType { function: name, wants_text: !is_text };
                return Err(self.cursor.report(*argument_span, problem));
            }
            values.push(Some(value));
        }
        match fold::call(signature.function, &values) {
            Some(value) => self.bound(value, span),
            None => {
                Err(self.cursor.report(function_span, Problem::Binding(BindingProblem::Function { name })))
            }
        }
    }

    fn count(
        &mut self,
        function: &str,
        span: Span,
        fewest: usize,
        most: Option<usize>,
        given: usize,
    ) -> Parse<()> {
        if given >= fewest && most.is_none_or(|most| given <= most) {
            return Ok(());
        }
        let problem = Problem::ArgumentCount { function: function.to_owned(), fewest, most, given };
        Err(self.cursor.report(span, problem))
    }

    fn operation(&mut self, operator: BinaryOperator, left: Placed, right: Placed) -> Parse<Placed> {
        use BinaryOperator as B;
        let (l, r) = (self.value(&left.0, left.1)?, self.value(&right.0, right.1)?);
        let is_text = |value: &Value| matches!(value, Value::Text(_));
        let text = if is_text(&l) { Some(left.1) } else { is_text(&r).then_some(right.1) };
        let problem = match operator {
            B::Add | B::Subtract | B::Multiply | B::Divide => Problem::TextInArithmetic,
            B::And | B::Or => Problem::TextInLogic,
            _ => Problem::TextWithNumber { number: None },
        };
        let comparison = matches!(problem, Problem::TextWithNumber { .. });
        match text {
            Some(span) if !comparison || is_text(&l) != is_text(&r) => {
                return Err(self.cursor.report(span, problem));
            }
            _ => {}
        }
        let span = left.1.to(right.1);
        let value = self.bound(fold::binary(operator, Some(&l), Some(&r)), span)?;
        Ok((value, span))
    }

    fn joined(&mut self, left: Placed, right: Placed) -> Parse<Placed> {
        let span = left.1.to(right.1);
        let text = left.0.written() + &right.0.written();
        if text.len() > MADE_TEXT_MAX {
            return Err(self.cursor.report(span, Problem::Binding(BindingProblem::TextTooLong)));
        }
        let named = matches!(left.0, Bound::Symbol(_)) || matches!(right.0, Bound::Symbol(_));
        let value = if named { self.symbol(text, span)? } else { Bound::Text(text) };
        Ok((value, span))
    }

    /// The text as a name, which it must have the form of.
    fn symbol(&mut self, text: String, span: Span) -> Parse<Bound> {
        let text = crate::expand::normal(&text);
        if text.len() <= MADE_NAME_MAX && is_symbol(&text) {
            return Ok(Bound::Symbol(text));
        }
        let text = text.chars().take(MADE_NAME_MAX).collect();
        Err(self.cursor.report(span, Problem::Binding(BindingProblem::NotAName { text })))
    }

    fn value(&mut self, bound: &Bound, span: Span) -> Parse<Value> {
        match (bound.value(), bound) {
            (None, Bound::Symbol(name)) => {
                let name = name.clone();
                Err(self.cursor.report(span, Problem::Binding(BindingProblem::Name { name })))
            }
            (None, _) => self.no_value(span),
            (Some(value), _) => Ok(value),
        }
    }

    /// As a number, which it must be.
    pub(crate) fn number(&mut self, bound: &Bound, span: Span) -> Parse<f64> {
        match self.value(bound, span)? {
            Value::Number(number) => Ok(number),
            Value::Text(_) => Err(self.cursor.report(span, Problem::TextInArithmetic)),
        }
    }

    fn bound(&mut self, value: Option<Value>, span: Span) -> Parse<Bound> {
        match value {
            Some(Value::Number(number)) if number.is_finite() => Ok(Bound::Number(number)),
            Some(Value::Text(text)) if text.len() <= MADE_TEXT_MAX => Ok(Bound::Text(text)),
            Some(Value::Text(_)) => {
                Err(self.cursor.report(span, Problem::Binding(BindingProblem::TextTooLong)))
            }
            _ => self.no_value(span),
        }
    }

    fn no_value<T>(&mut self, span: Span) -> Result<T, Reported> {
        Err(self.cursor.report(span, Problem::Binding(BindingProblem::NoValue)))
    }
}

fn unsigned(number: f64) -> Option<u32> {
    fold::whole(number).and_then(|number| u32::try_from(number).ok())
}

/// Whether a text has the form of a name, or of `alias/NAME`.
pub(crate) fn is_symbol(text: &str) -> bool {
    let mut tokens = Token::lexer(text).spanned();
    let mut end = 0;
    loop {
        match tokens.next() {
            Some((Ok(Token::Name), range)) if range.start == end => end = range.end,
            _ => return false,
        }
        match tokens.next() {
            None => return end == text.len(),
            Some((Ok(Token::Slash), range)) if range.start == end => end = range.end,
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_register_variables_are_symbols_and_nothing_else_is() {
        for text in ["lønn", "db/INNTEKT", "START@x", "_a1"] {
            assert!(is_symbol(text), "{text}");
        }
        for text in ["", "2020", "a b", "a/", "/a", "a-b", " a", "a//b", "\"a\"", "a\n"] {
            assert!(!is_symbol(text), "{text:?}");
        }
    }
}
