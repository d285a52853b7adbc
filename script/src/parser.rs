//! Recursive descent over the tokens of one statement at a time.
//!
//! A statement that cannot be read is reported once and kept as [`Command::Broken`]; the next one starts
//! afresh. What a command's arguments look like stands in its file under `command/`; what they share,
//! names, values, options and expressions, stands here.

use kobling_model::Day;
use kobling_model::expression::BinaryOperator;

use crate::ast::{Command, Expr, ExprKind, Literal, Name, OptionUse, RegisterName, Script, Statement};
use crate::command;
use crate::diagnostic::{Diagnostic, Reported, Reporter, Span};
use crate::lexer::{Lexeme, Token, TokenLine, lex};
use crate::limits::{HEIGHT_MAX, NESTING_MAX};
use crate::near::nearest;
use crate::problem::{Expected, Problem};

/// Reads a script as far as it can be read, and says what cannot.
pub fn parse(source: &str) -> (Script, Vec<Diagnostic>) {
    let mut reporter = Reporter::new(source);
    let script = parse_with(source, &mut reporter);
    (script, reporter.finish())
}

pub(crate) fn parse_with(source: &str, reporter: &mut Reporter<'_>) -> Script {
    let lines = lex(source, reporter);
    let mut statements = Vec::with_capacity(lines.len());
    let mut loops: Vec<Span> = Vec::new();
    for line in &lines {
        if reporter.full() {
            break;
        }
        let statement = parse_statement(source, line, reporter);
        match statement.command {
            Command::For(_) => loops.push(statement.span),
            Command::End if loops.pop().is_none() => {
                reporter.report(statement.span, Problem::StrayEnd);
            }
            Command::Broken { ref word, .. } if word == "for" => loops.push(statement.span),
            _ => {}
        }
        statements.push(statement);
    }
    for open in loops {
        reporter.report(open, Problem::UnclosedLoop);
    }
    Script { statements }
}

fn parse_statement(source: &str, line: &TokenLine, reporter: &mut Reporter<'_>) -> Statement {
    let (first, last) = (line.tokens[0], line.tokens[line.tokens.len() - 1]);
    let span = first.span.to(last.span);
    let mut cursor = Cursor { source, tokens: &line.tokens, at: 0, nesting: 0, reporter };
    let (word, word_span) = cursor.command_word();
    let parsed = if line.broken { None } else { command::parse(&mut cursor, &word, word_span).ok() };
    let command = match parsed {
        Some(command) => command,
        None => Command::Broken { word, defines: cursor.would_define() },
    };
    Statement { line: line.line, span, text: line.text.clone(), command }
}

pub(crate) type Parse<T> = Result<T, Reported>;

/// Where we are in a statement.
pub(crate) struct Cursor<'a, 'r, 's> {
    source: &'a str,
    tokens: &'a [Lexeme],
    at: usize,
    nesting: usize,
    reporter: &'r mut Reporter<'s>,
}

impl<'a> Cursor<'a, '_, '_> {
    pub(crate) fn peek(&self) -> Option<Token> {
        self.tokens.get(self.at).map(|lexeme| lexeme.token)
    }

    pub(crate) fn peek_second(&self) -> Option<Token> {
        self.tokens.get(self.at + 1).map(|lexeme| lexeme.token)
    }

    pub(crate) fn next(&mut self) -> Option<Lexeme> {
        let lexeme = self.tokens.get(self.at).copied()?;
        self.at += 1;
        Some(lexeme)
    }

    /// The place of the next token, or the end of the statement.
    pub(crate) fn here(&self) -> Span {
        match (self.tokens.get(self.at), self.tokens.last()) {
            (Some(lexeme), _) => lexeme.span,
            (None, Some(last)) => Span { start: last.span.end, end: last.span.end },
            (None, None) => Span::default(),
        }
    }

    /// The place of the token before the next.
    pub(crate) fn behind(&self) -> Span {
        self.at.checked_sub(1).and_then(|at| self.tokens.get(at)).map_or(self.here(), |lexeme| lexeme.span)
    }

    pub(crate) fn text(&self, span: Span) -> &'a str {
        &self.source[span.start..span.end]
    }

    pub(crate) fn report(&mut self, span: Span, problem: Problem) -> Reported {
        self.reporter.report(span, problem)
    }

    pub(crate) fn expected(&mut self, what: Expected) -> Reported {
        let span = self.here();
        let found = (!span_is_empty(span)).then(|| self.text(span).to_owned());
        self.report(span, Problem::Expected { what, found })
    }

    pub(crate) fn eat(&mut self, token: Token) -> bool {
        let found = self.peek() == Some(token);
        self.at += usize::from(found);
        found
    }

    pub(crate) fn need(&mut self, token: Token, what: Expected) -> Parse<Span> {
        if self.eat(token) { Ok(self.behind()) } else { Err(self.expected(what)) }
    }

    /// Whether the next token is this word.
    pub(crate) fn at_word(&self, word: &str) -> bool {
        self.peek() == Some(Token::Name) && self.text(self.here()) == word
    }

    pub(crate) fn eat_word(&mut self, word: &str) -> bool {
        let found = self.at_word(word);
        self.at += usize::from(found);
        found
    }

    pub(crate) fn need_word(&mut self, word: &str, what: Expected) -> Parse<()> {
        if self.eat_word(word) { Ok(()) } else { Err(self.expected(what)) }
    }

    pub(crate) fn end(&mut self) -> Parse<()> {
        if self.peek().is_none() { Ok(()) } else { Err(self.expected(Expected::End)) }
    }

    /// The command's name: words joined by hyphens without blanks.
    fn command_word(&mut self) -> (String, Span) {
        let mut span = self.here();
        self.at += 1;
        while let [hyphen, word, ..] = self.tokens.get(self.at..).unwrap_or_default() {
            let joined = hyphen.token == Token::Minus
                && word.token == Token::Name
                && hyphen.span.start == span.end
                && word.span.start == hyphen.span.end;
            if !joined {
                break;
            }
            span = span.to(word.span);
            self.at += 2;
        }
        (self.text(span).to_owned(), span)
    }

    /// The column that a statement which cannot be read seems to make.
    fn would_define(&self) -> Option<String> {
        let name_at = |at: usize| {
            self.tokens
                .get(at)
                .filter(|next| next.token == Token::Name)
                .map(|next| self.text(next.span).to_owned())
        };
        if self.tokens.get(2).is_some_and(|third| matches!(third.token, Token::Assign | Token::Equal)) {
            return name_at(1);
        }
        let word = |lexeme: &Lexeme| lexeme.token == Token::Name && self.text(lexeme.span) == "as";
        if let Some(at) = self.tokens.iter().position(word) {
            return name_at(at + 1);
        }
        let slash = self.tokens.iter().position(|lexeme| lexeme.token == Token::Slash)?;
        name_at(slash + 1)
    }

    /// All tokens that touch each other from here on, but for parentheses and commas; at least one.
    pub(crate) fn run(&mut self, what: Expected) -> Parse<Span> {
        let mut span = self.here();
        let part = |token: Token| !matches!(token, Token::Open | Token::Close | Token::Comma);
        match self.next() {
            Some(first) if part(first.token) => {}
            Some(_) => {
                self.at -= 1;
                return Err(self.expected(what));
            }
            None => return Err(self.expected(what)),
        }
        while let Some(next) = self.tokens.get(self.at) {
            if next.span.start != span.end || !part(next.token) {
                break;
            }
            span = span.to(next.span);
            self.at += 1;
        }
        Ok(span)
    }

    /// A name, perhaps built from bindings.
    pub(crate) fn name(&mut self, what: Expected) -> Parse<Name> {
        let start = self.here();
        let plain = self.peek() == Some(Token::Name) && self.peek_second() != Some(Token::Join);
        if plain {
            self.at += 1;
            return Ok(Name { text: self.text(start).to_owned(), span: start, bound: false });
        }
        let built = self.peek() == Some(Token::Dollar) || self.peek_second() == Some(Token::Join);
        if !built || !matches!(self.peek(), Some(Token::Dollar | Token::Name | Token::Text | Token::Number)) {
            return Err(self.expected(what));
        }
        // A binding alone is not the start of a calculation: in `$alias/NAME` the slash divides nothing.
        let mut span = self.primary()?.span;
        while self.eat(Token::Join) {
            span = span.to(self.binary(Self::SUM)?.span);
        }
        Ok(Name { text: self.text(span).to_owned(), span, bound: true })
    }

    /// Names up to something else; at least one.
    pub(crate) fn names(&mut self, what: Expected) -> Parse<Vec<Name>> {
        let mut names = vec![self.name(what)?];
        while matches!(self.peek(), Some(Token::Name | Token::Dollar)) && !self.at_word("if") {
            names.push(self.name(what)?);
        }
        Ok(names)
    }

    /// `alias/NAME`
    pub(crate) fn register_name(&mut self) -> Parse<RegisterName> {
        let alias = self.name(Expected::RegisterVariable)?;
        if !self.eat(Token::Slash) {
            let missing_alias =
                Problem::Expected { what: Expected::RegisterVariable, found: Some(alias.text) };
            return Err(self.report(alias.span, missing_alias));
        }
        let variable = self.name(Expected::RegisterVariable)?;
        Ok(RegisterName { alias, variable })
    }

    /// A bare date.
    pub(crate) fn date(&mut self) -> Parse<(Day, Span)> {
        let span = self.run(Expected::Date)?;
        match self.text(span).parse() {
            Ok(day) => Ok((day, span)),
            Err(_) => Err(self.report(span, Problem::NotADay { text: self.text(span).to_owned() })),
        }
    }

    /// A number with or without sign, or a text in quotes.
    pub(crate) fn literal(&mut self, what: Expected) -> Parse<(Literal, Span)> {
        let start = self.here();
        let negative = self.eat(Token::Minus);
        let lexeme = match self.next() {
            Some(lexeme) => lexeme,
            None => return Err(self.expected(what)),
        };
        let span = start.to(lexeme.span);
        match lexeme.token {
            Token::Number => {
                let value = self.number(lexeme.span)?;
                Ok((Literal::Number(if negative { positive_zero(-value) } else { value }), span))
            }
            Token::Text if !negative => Ok((Literal::Text(self.unquoted(lexeme.span)), span)),
            _ => {
                self.at -= 1;
                Err(self.expected(what))
            }
        }
    }

    fn number(&mut self, span: Span) -> Parse<f64> {
        match self.text(span).parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(value),
            _ => Err(self.report(span, Problem::NumberTooLarge)),
        }
    }

    pub(crate) fn unquoted(&self, span: Span) -> String {
        self.text(Span { start: span.start + 1, end: span.end - 1 }).to_owned()
    }

    /// `if condition`, if it is there.
    pub(crate) fn condition(&mut self) -> Parse<Option<Expr>> {
        if self.eat_word("if") { self.expression().map(Some) } else { Ok(None) }
    }

    /// Options after a comma, each known to the command; then the end of the statement.
    pub(crate) fn options(&mut self, command: &str, known: &'static [&'static str]) -> Parse<Vec<OptionUse>> {
        let mut options = Vec::new();
        if !self.eat(Token::Comma) {
            self.end()?;
            return Ok(options);
        }
        let mut failed = None;
        while self.peek().is_some() {
            let span = self.here();
            if self.peek() != Some(Token::Name) {
                return Err(self.expected(Expected::Option(known)));
            }
            self.at += 1;
            let name = self.text(span).to_owned();
            let arguments = if self.eat(Token::Open) { Some(self.parenthesised()?) } else { None };
            let bare = |option: &&str| option.trim_end_matches("()") == name;
            match known.iter().find(|option| bare(option)) {
                None => {
                    let near = nearest(&name, known.iter().map(|option| option.trim_end_matches("()")));
                    let problem = Problem::UnknownOption {
                        command: command.to_owned(),
                        name: name.clone(),
                        near,
                        known,
                    };
                    failed = Some(self.report(span, problem));
                }
                Some(option) if option.ends_with("()") != arguments.is_some() => {
                    failed = Some(self.report(span, Problem::OptionForm { option }));
                }
                Some(_) => {}
            }
            options.push(OptionUse { name, span, arguments });
        }
        failed.map_or(Ok(options), Err)
    }

    /// Tokens up to the parenthesis that closes the one just eaten.
    fn parenthesised(&mut self) -> Parse<Vec<Lexeme>> {
        let (start, mut depth) = (self.at, 1);
        while let Some(lexeme) = self.next() {
            match lexeme.token {
                Token::Open => depth += 1,
                Token::Close => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Ok(self.tokens[start..self.at - 1].to_vec());
            }
        }
        Err(self.expected(Expected::Close))
    }

    /// Tokens up to `if` or a comma outside parentheses.
    pub(crate) fn arguments(&mut self) -> Vec<Lexeme> {
        let (start, mut depth) = (self.at, 0usize);
        while let Some(token) = self.peek() {
            match token {
                Token::Open => depth += 1,
                Token::Close => depth = depth.saturating_sub(1),
                Token::Comma if depth == 0 => break,
                Token::Name if depth == 0 && self.at_word("if") => break,
                _ => {}
            }
            self.at += 1;
        }
        self.tokens[start..self.at].to_vec()
    }
}

// Expressions: precedence climbing, so that a level of parentheses costs three frames.
impl Cursor<'_, '_, '_> {
    const JOIN: u8 = 0;
    const SUM: u8 = 4;

    pub(crate) fn expression(&mut self) -> Parse<Expr> {
        self.binary(Self::JOIN)
    }

    fn operator(&self) -> Option<(u8, Option<BinaryOperator>)> {
        use BinaryOperator as B;
        Some(match self.peek()? {
            Token::Join => (Self::JOIN, None),
            Token::Or => (1, Some(B::Or)),
            Token::And => (2, Some(B::And)),
            Token::Equal | Token::Assign => (3, Some(B::Equal)),
            Token::NotEqual => (3, Some(B::NotEqual)),
            Token::Less => (3, Some(B::Less)),
            Token::LessOrEqual => (3, Some(B::LessOrEqual)),
            Token::Greater => (3, Some(B::Greater)),
            Token::GreaterOrEqual => (3, Some(B::GreaterOrEqual)),
            Token::Plus => (Self::SUM, Some(B::Add)),
            Token::Minus => (Self::SUM, Some(B::Subtract)),
            Token::Star => (5, Some(B::Multiply)),
            Token::Slash => (5, Some(B::Divide)),
            _ => return None,
        })
    }

    fn binary(&mut self, lowest: u8) -> Parse<Expr> {
        let mut left = self.unary()?;
        while let Some((binding, operator)) = self.operator().filter(|(binding, _)| *binding >= lowest) {
            if self.peek() == Some(Token::Assign) {
                return Err(self.report(self.here(), Problem::SingleEquals));
            }
            self.at += 1;
            let doubled = self.tokens[self.at - 1].token;
            if matches!(doubled, Token::And | Token::Or) && self.peek() == Some(doubled) {
                let span = self.behind().to(self.here());
                let write = self.text(self.here()).to_owned();
                return Err(self.report(span, Problem::DoubledOperator { write }));
            }
            match operator {
                // `a & b & c …` may be long; both operators are associative, so the tree may be balanced.
                Some(operator @ (BinaryOperator::And | BinaryOperator::Or)) => {
                    let mut terms = vec![left, self.binary(binding + 1)?];
                    while self.peek() == Some(doubled) && self.peek_second() != Some(doubled) {
                        self.at += 1;
                        terms.push(self.binary(binding + 1)?);
                    }
                    left = self.balanced(operator, terms)?;
                }
                Some(operator) => {
                    let right = self.binary(binding + 1)?;
                    left =
                        self.combine(left, right, |left, right| ExprKind::Binary(operator, left, right))?;
                }
                None => {
                    let right = self.binary(binding + 1)?;
                    left = self.combine(left, right, ExprKind::Join)?;
                }
            }
        }
        Ok(left)
    }

    fn balanced(&mut self, operator: BinaryOperator, mut terms: Vec<Expr>) -> Parse<Expr> {
        while terms.len() > 1 {
            let mut paired = Vec::with_capacity(terms.len().div_ceil(2));
            let mut terms_left = terms.into_iter();
            while let Some(left) = terms_left.next() {
                paired.push(match terms_left.next() {
                    Some(right) => {
                        self.combine(left, right, |left, right| ExprKind::Binary(operator, left, right))?
                    }
                    None => left,
                });
            }
            terms = paired;
        }
        Ok(terms.pop().expect("there was at least one term"))
    }

    fn combine(
        &mut self,
        left: Expr,
        right: Expr,
        kind: impl FnOnce(Box<Expr>, Box<Expr>) -> ExprKind,
    ) -> Parse<Expr> {
        let (span, height) = (left.span.to(right.span), left.height.max(right.height) + 1);
        self.expr(span, height, kind(Box::new(left), Box::new(right)))
    }

    fn expr(&mut self, span: Span, height: u32, kind: ExprKind) -> Parse<Expr> {
        if height > HEIGHT_MAX {
            return Err(self.report(span, Problem::TooDeep));
        }
        Ok(Expr { span, height, kind })
    }

    fn unary(&mut self) -> Parse<Expr> {
        let start = self.here();
        if self.nesting >= NESTING_MAX {
            return Err(self.report(start, Problem::TooDeep));
        }
        self.nesting += 1;
        let parsed = match self.peek() {
            Some(Token::Minus) => self.signed(ExprKind::Negate),
            Some(Token::Not) => self.signed(ExprKind::Not),
            Some(Token::Plus) => {
                self.at += 1;
                self.unary()
            }
            _ => self.primary(),
        };
        self.nesting -= 1;
        parsed
    }

    fn signed(&mut self, kind: impl FnOnce(Box<Expr>) -> ExprKind) -> Parse<Expr> {
        let start = self.here();
        self.at += 1;
        let operand = self.unary()?;
        self.expr(start.to(operand.span), operand.height + 1, kind(Box::new(operand)))
    }

    fn primary(&mut self) -> Parse<Expr> {
        let Some(lexeme) = self.next() else { return Err(self.expected(Expected::Expression)) };
        let span = lexeme.span;
        let text = self.text(span);
        let kind = match lexeme.token {
            Token::Number => ExprKind::Number(self.number(span)?),
            Token::Text => ExprKind::Text(self.unquoted(span)),
            Token::Dot => ExprKind::Missing,
            Token::Date => match text.parse() {
                Ok(day) => ExprKind::Date(day),
                Err(_) => return Err(self.report(span, Problem::NotADay { text: text.to_owned() })),
            },
            Token::Name if self.peek() == Some(Token::Open) => return self.call(span),
            // `if` in place of a value: the value itself is not there.
            Token::Name if text != "if" => ExprKind::Name(text.to_owned()),
            Token::Dollar if self.peek() == Some(Token::Name) => {
                let name = self.here();
                self.at += 1;
                return self.expr(span.to(name), 1, ExprKind::Binding(self.text(name).to_owned()));
            }
            Token::Open => {
                let inner = self.expression()?;
                let close = self.need(Token::Close, Expected::Close)?;
                return Ok(Expr { span: span.to(close), ..inner });
            }
            _ => {
                self.at -= 1;
                return Err(self.expected(Expected::Expression));
            }
        };
        self.expr(span, 1, kind)
    }

    fn call(&mut self, function_span: Span) -> Parse<Expr> {
        let function = self.text(function_span).to_owned();
        self.at += 1;
        let mut arguments = Vec::new();
        if !self.eat(Token::Close) {
            loop {
                arguments.push(self.expression()?);
                if !self.eat(Token::Comma) {
                    break;
                }
            }
            self.need(Token::Close, Expected::CommaOrClose)?;
        }
        let height = arguments.iter().map(|argument| argument.height).max().unwrap_or(0) + 1;
        let span = function_span.to(self.behind());
        self.expr(span, height, ExprKind::Call { function, function_span, arguments })
    }
}

fn span_is_empty(span: Span) -> bool {
    span.start >= span.end
}

pub(crate) fn positive_zero(value: f64) -> f64 {
    if value == 0.0 { 0.0 } else { value }
}
