//! Recursive descent over the tokens of one statement at a time.
//!
//! A statement that cannot be read is reported once and kept as [`Command::Broken`]; the next one starts
//! afresh. What a command's arguments look like stands in its file under `command/`; what they share,
//! names, values, options and expressions, stands here.

use kobling_model::Day;
use kobling_model::expression::BinaryOperator;

use crate::ast::{Command, Expr, ExprKind, Literal, Name, OptionUse, RegisterName, Script, Statement};
use crate::binding::is_symbol;
use crate::command;
use crate::diagnostic::{Diagnostic, Reported, Reporter, Span, text};
use crate::expand::expand;
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
    let (lines, made) = expand(source, lines, reporter);
    let mut statements = Vec::with_capacity(lines.len());
    for line in lines {
        if reporter.full() {
            break;
        }
        statements.push(parse_statement(source, &made, line, reporter));
    }
    Script { statements }
}

fn parse_statement(source: &str, made: &str, line: TokenLine, reporter: &mut Reporter<'_>) -> Statement {
    let span = line.span();
    let mut cursor = Cursor::new(source, made, &line.tokens, reporter);
    let (word, word_span) = cursor.command_word();
    let parsed = if line.broken { None } else { command::parse(&mut cursor, &word, word_span).ok() };
    let command = match parsed {
        Some(command) => command,
        None => Command::Broken { word, defines: cursor.would_define() },
    };
    Statement { line: line.line, span, text: line.text, command }
}

pub(crate) type Parse<T> = Result<T, Reported>;

/// Where we are in a statement.
pub(crate) struct Cursor<'a, 'r, 's> {
    source: &'a str,
    /// What bindings and loops made of it.
    made: &'a str,
    pub(crate) tokens: &'a [Lexeme],
    pub(crate) at: usize,
    pub(crate) nesting: usize,
    reporter: &'r mut Reporter<'s>,
}

impl<'a, 'r, 's> Cursor<'a, 'r, 's> {
    pub(crate) fn new(
        source: &'a str,
        made: &'a str,
        tokens: &'a [Lexeme],
        reporter: &'r mut Reporter<'s>,
    ) -> Self {
        Self { source, made, tokens, at: 0, nesting: 0, reporter }
    }

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
        text(self.source, self.made, span)
    }

    /// Evidence for a fault that has been reported before.
    pub(crate) fn earlier(&self) -> Reported {
        self.reporter.earlier()
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
    pub(crate) fn command_word(&mut self) -> (String, Span) {
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

    /// A name, or a text of a binding that has the form of one.
    pub(crate) fn name(&mut self, what: Expected) -> Parse<Name> {
        let span = self.here();
        if !self.at_name() {
            return Err(self.expected(what));
        }
        self.at += 1;
        let text = match self.tokens[self.at - 1].token {
            Token::Text => self.unquoted(span),
            _ => self.written_name(span),
        };
        Ok(Name { text, span })
    }

    /// A name as it stands; the day of a panel has two.
    fn written_name(&self, span: Span) -> String {
        match self.text(span) {
            "panel@date" => "date@panel".to_owned(),
            name => name.to_owned(),
        }
    }

    fn at_name(&self) -> bool {
        match self.tokens.get(self.at) {
            Some(Lexeme { token: Token::Name, .. }) => true,
            Some(Lexeme { token: Token::Text, span, bound: true }) => {
                let text = self.unquoted(*span);
                !text.contains('/') && is_symbol(&text)
            }
            _ => false,
        }
    }

    /// Names up to something else; at least one.
    pub(crate) fn names(&mut self, what: Expected) -> Parse<Vec<Name>> {
        let mut names = vec![self.name(what)?];
        while self.at_name() && !self.at_word("if") {
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

    pub(crate) fn number(&mut self, span: Span) -> Parse<f64> {
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
    pub(crate) const OR: u8 = 1;
    const AND: u8 = 2;
    const COMPARISON: u8 = 3;
    /// Of bindings only, where it joins what is not a comparison.
    pub(crate) const JOIN: u8 = 4;
    pub(crate) const SUM: u8 = 5;
    const PRODUCT: u8 = 6;

    pub(crate) fn expression(&mut self) -> Parse<Expr> {
        self.binary(Self::OR)
    }

    /// The operator that is next, if it is one that binds at least this tightly, and how tightly it does.
    pub(crate) fn operator(&mut self, lowest: u8) -> Parse<Option<(u8, BinaryOperator)>> {
        use BinaryOperator as B;
        let Some(token) = self.peek() else { return Ok(None) };
        let operator = match token {
            Token::Or => (Self::OR, B::Or),
            Token::And => (Self::AND, B::And),
            Token::Equal => (Self::COMPARISON, B::Equal),
            Token::NotEqual => (Self::COMPARISON, B::NotEqual),
            Token::Less => (Self::COMPARISON, B::Less),
            Token::LessOrEqual => (Self::COMPARISON, B::LessOrEqual),
            Token::Greater => (Self::COMPARISON, B::Greater),
            Token::GreaterOrEqual => (Self::COMPARISON, B::GreaterOrEqual),
            Token::Plus => (Self::SUM, B::Add),
            Token::Minus => (Self::SUM, B::Subtract),
            Token::Star => (Self::PRODUCT, B::Multiply),
            Token::Slash => (Self::PRODUCT, B::Divide),
            Token::Assign if lowest <= Self::COMPARISON => {
                return Err(self.report(self.here(), Problem::SingleEquals));
            }
            _ => return Ok(None),
        };
        if operator.0 < lowest {
            return Ok(None);
        }
        if matches!(token, Token::And | Token::Or) && self.peek_second() == Some(token) {
            let span = self.here().to(self.tokens[self.at + 1].span);
            let write = self.text(self.here()).to_owned();
            return Err(self.report(span, Problem::DoubledOperator { write }));
        }
        Ok(Some(operator))
    }

    fn binary(&mut self, lowest: u8) -> Parse<Expr> {
        let mut left = self.unary()?;
        while let Some((level, operator)) = self.operator(lowest)? {
            let sign = self.peek();
            self.at += 1;
            if !matches!(operator, BinaryOperator::And | BinaryOperator::Or) {
                let right = self.binary(level + 1)?;
                left = self.combine(left, right, |left, right| ExprKind::Binary(operator, left, right))?;
                continue;
            }
            // `a & b & c …` may be long; both operators are associative, so the tree may be balanced.
            let mut terms = vec![left, self.binary(level + 1)?];
            while self.peek() == sign && self.operator(level)?.is_some() {
                self.at += 1;
                terms.push(self.binary(level + 1)?);
            }
            left = self.balanced(operator, terms)?;
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
            Token::Name if text != "if" => ExprKind::Name(self.written_name(span)),
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
