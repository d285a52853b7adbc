//! From a written expression to one over register values: names are replaced by what they stand for.
//!
//! What is known about the result, its type, its owners and its possible values, is worked out on the way.

use std::collections::BTreeMap;
use std::sync::Arc;

use kobling_model::OwnerId;
use kobling_model::expression::{BinaryOperator, Expression, Function, Value, ValueType};

use crate::ast::{Expr, ExprKind};
use crate::check::{Column, Dataset};
use crate::diagnostic::{Reported, Reporter, Span};
use crate::domain::{Domain, shown};
use crate::evaluate::called;
use crate::fold;
use crate::function::{DERIVED, Kind, OF_ALL_UNITS, OF_LABELS, SIGNATURES, Signature, names};
use crate::limits::{
    EXPRESSION_LEVELS_MAX, EXPRESSION_NODES_MAX, OPERATOR_COMBINATIONS_MAX, SIDE_CATEGORIES_MAX,
};
use crate::locality::Filter;
use crate::near::nearest;
use crate::problem::{Problem, Unprepared};

/// Whose columns an expression uses, with one column of each for messages. Constants have no owner.
pub(crate) type Owners = BTreeMap<OwnerId, String>;

/// An expression over register values and what is known about it.
#[derive(Clone, Debug)]
pub(crate) struct Lowered {
    pub(crate) expression: Expression,
    pub(crate) value_type: ValueType,
    pub(crate) owners: Owners,
    /// The values that it can have, where that is public.
    pub(crate) domain: Option<Arc<Domain>>,
    size: usize,
    levels: usize,
    /// Whether an edit has a part in it, so that its form follows from an outcome.
    of_outcome: bool,
}

/// Nesting that one node adds in the JSON form.
const BINARY_LEVELS: usize = 2;
const CALL_LEVELS: usize = 3;
const CASE_LEVELS: usize = 4;

impl Lowered {
    pub(crate) fn constant(value: Value) -> Self {
        let value_type = match value {
            Value::Number(_) => ValueType::Number,
            Value::Text(_) => ValueType::Text,
        };
        let domain = Some(Arc::new(Domain::of_values([value.clone()])));
        let expression = Expression::Constant(value);
        Self { expression, value_type, owners: Owners::new(), domain, size: 1, levels: 1, of_outcome: false }
    }

    pub(crate) fn missing(value_type: ValueType) -> Self {
        let domain = Some(Arc::new(Domain::default()));
        let expression = Expression::Missing(value_type);
        Self { expression, value_type, owners: Owners::new(), domain, size: 1, levels: 1, of_outcome: false }
    }

    pub(crate) fn truth(holds: bool) -> Self {
        Self::constant(Value::Number(f64::from(u8::from(holds))))
    }

    /// A column that is a register variable.
    pub(crate) fn source(
        index: usize,
        value_type: ValueType,
        owner: OwnerId,
        name: String,
        domain: Option<Arc<Domain>>,
    ) -> Self {
        let expression = Expression::Source(index);
        Self {
            expression,
            value_type,
            owners: Owners::from([(owner, name)]),
            domain,
            size: 1,
            levels: 1,
            of_outcome: false,
        }
    }

    /// A condition as a truth value.
    pub(crate) fn of_filter(filter: &Filter) -> Self {
        Self {
            expression: filter.expression.clone(),
            value_type: ValueType::Number,
            owners: filter.owners.clone(),
            domain: None,
            size: filter.size,
            levels: levels_of(&filter.expression),
            of_outcome: false,
        }
    }

    /// A truth value as a condition.
    pub(crate) fn into_filter(self) -> Filter {
        Filter { size: self.size, owners: self.owners, expression: self.expression }
    }

    /// The same over other sources of the same owner, by place.
    pub(crate) fn with_sources(self, places: &BTreeMap<usize, usize>) -> Self {
        let place = |index| Expression::Source(places.get(&index).copied().unwrap_or(index));
        Self { expression: self.expression.with_sources(&mut { place }), ..self }
    }

    /// The same as another expression says it.
    pub(crate) fn with_expression(self, expression: Expression) -> Self {
        Self { size: expression.size(), levels: levels_of(&expression), expression, ..self }
    }

    /// The same, of which an edit has decided.
    pub(crate) fn by_outcome(self) -> Self {
        Self { of_outcome: true, ..self }
    }

    pub(crate) fn is_of_outcome(&self) -> bool {
        self.of_outcome
    }

    pub(crate) fn with_domain(self, domain: Option<Arc<Domain>>) -> Self {
        Self { domain, ..self }
    }

    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Nesting of its JSON form.
    pub(crate) fn levels(&self) -> usize {
        self.levels
    }

    pub(crate) fn is_text(&self) -> bool {
        self.value_type == ValueType::Text
    }

    pub(crate) fn binary(operator: BinaryOperator, left: Self, right: Self) -> Self {
        let folded = match (fold::constant(&left.expression), fold::constant(&right.expression)) {
            (Some(left), Some(right)) => Some(fold::binary(operator, left.as_ref(), right.as_ref())),
            _ => None,
        };
        if let Some(value) = folded {
            return value.map_or(Self::missing(ValueType::Number), Self::constant);
        }
        use BinaryOperator as B;
        let decided = |by: bool| {
            let of = |side: &Self| fold::constant(&side.expression);
            [&left, &right].into_iter().filter_map(of).any(|value| fold::is_true(value.as_ref()) == by)
        };
        // One side alone decides.
        match operator {
            B::And if decided(false) => return Self::truth(false),
            B::Or if decided(true) => return Self::truth(true),
            _ => {}
        }
        let arithmetic = matches!(operator, B::Add | B::Subtract | B::Multiply | B::Divide);
        let domain = if arithmetic { made(operator, &left, &right) } else { Some(Domain::range(0, 1)) };
        let mut owners = left.owners;
        owners.extend(right.owners);
        Self {
            expression: Expression::Binary(operator, Box::new(left.expression), Box::new(right.expression)),
            value_type: ValueType::Number,
            owners,
            domain: domain.map(Arc::new),
            size: left.size.saturating_add(right.size).saturating_add(1),
            levels: left.levels.max(right.levels) + BINARY_LEVELS,
            of_outcome: left.of_outcome || right.of_outcome,
        }
    }

    /// `operator` over all terms, as a balanced tree.
    pub(crate) fn all(operator: BinaryOperator, mut terms: Vec<Self>) -> Option<Self> {
        while terms.len() > 1 {
            let mut paired = Vec::with_capacity(terms.len().div_ceil(2));
            let mut rest = terms.into_iter();
            while let Some(left) = rest.next() {
                paired.push(match rest.next() {
                    Some(right) => Self::binary(operator, left, right),
                    None => left,
                });
            }
            terms = paired;
        }
        terms.pop()
    }

    /// The values that it can have, where these are known; a variable may be missing too.
    fn values(&self) -> Option<Vec<Option<Value>>> {
        if let Some(constant) = fold::constant(&self.expression) {
            return Some(vec![constant]);
        }
        let values = self.domain.as_ref()?.entries.iter().map(|entry| Some(entry.value.clone()));
        Some(values.chain([None]).collect())
    }

    pub(crate) fn not(self) -> Self {
        if let Some(value) = fold::constant(&self.expression) {
            return Self::truth(!fold::is_true(value.as_ref()));
        }
        Self {
            expression: Expression::Not(Box::new(self.expression)),
            value_type: ValueType::Number,
            domain: Some(Arc::new(Domain::range(0, 1))),
            size: self.size.saturating_add(1),
            levels: self.levels + 1,
            of_outcome: self.of_outcome,
            owners: self.owners,
        }
    }

    /// `sysmiss(x)`
    pub(crate) fn sysmiss(self) -> Self {
        Self::call(Function::Sysmiss, ValueType::Number, vec![self])
    }

    fn negate(self) -> Self {
        match fold::constant(&self.expression) {
            Some(Some(Value::Number(x))) => {
                fold::number(-x).map_or(Self::missing(ValueType::Number), Self::constant)
            }
            Some(_) => Self::missing(ValueType::Number),
            None => Self {
                domain: made(BinaryOperator::Subtract, &Self::constant(Value::Number(0.0)), &self)
                    .map(Arc::new),
                expression: Expression::Negate(Box::new(self.expression)),
                value_type: ValueType::Number,
                size: self.size.saturating_add(1),
                levels: self.levels + 1,
                of_outcome: self.of_outcome,
                owners: self.owners,
            },
        }
    }

    pub(crate) fn call(function: Function, result: ValueType, arguments: Vec<Self>) -> Self {
        let constants: Option<Vec<_>> =
            arguments.iter().map(|argument| fold::constant(&argument.expression)).collect();
        if let Some(value) = constants.and_then(|constants| fold::call(function, &constants)) {
            return value.map_or(Self::missing(result), Self::constant);
        }
        let domain = image(function, &arguments).map(Arc::new);
        let size = arguments.iter().fold(1usize, |size, argument| size.saturating_add(argument.size));
        let levels = arguments.iter().map(|argument| argument.levels).max().unwrap_or(0) + CALL_LEVELS;
        let of_outcome = arguments.iter().any(|argument| argument.of_outcome);
        let (mut owners, mut expressions) = (Owners::new(), Vec::with_capacity(arguments.len()));
        for argument in arguments {
            owners.extend(argument.owners);
            expressions.push(argument.expression);
        }
        let expression = Expression::Call(function, expressions);
        Self { expression, value_type: result, owners, domain, size, levels, of_outcome }
    }

    /// The first arm whose condition holds, else `otherwise`, with the domain given.
    ///
    /// All values must have one type. Constant conditions are decided here, and the arms of an `otherwise`
    /// that is a case itself are taken over, so that chains of `replace` stay flat.
    ///
    /// An edit that is not carried out leaves the same with conditions that never hold, so that all that is known of the
    /// result, beside its owners, stays.
    pub(crate) fn case(
        carried_out: bool,
        arms: Vec<(Self, Self)>,
        otherwise: Self,
        domain: Option<Arc<Domain>>,
    ) -> Self {
        let value_type = otherwise.value_type;
        let (mut size, mut owners, mut open) = (1usize, Owners::new(), Vec::new());
        let parts = arms.iter().flat_map(|(when, then)| [when, then]).chain([&otherwise]);
        let of_outcome = parts.into_iter().any(|part| part.of_outcome);
        let mut last = otherwise;
        for (when, then) in arms {
            match fold::constant(&when.expression) {
                Some(value) if fold::is_true(value.as_ref()) => {
                    last = then;
                    break;
                }
                Some(_) => {}
                None => {
                    // Not folded: a case stays a case.
                    let when = if carried_out { when } else { Self::truth(false) };
                    size = size.saturating_add(when.size).saturating_add(then.size);
                    owners.extend(when.owners);
                    owners.extend(then.owners);
                    open.push((when.expression, then.expression));
                }
            }
        }
        if open.is_empty() {
            return Self { domain, of_outcome, ..last };
        }
        size = size.saturating_add(last.size);
        owners.extend(last.owners);
        let expression = match last.expression {
            Expression::Case { arms, otherwise } => {
                open.extend(arms);
                Expression::Case { arms: open, otherwise }
            }
            last => Expression::Case { arms: open, otherwise: Box::new(last) },
        };
        let levels = levels_of(&expression);
        Self { expression, value_type, owners, domain, size, levels, of_outcome }
    }

    /// Keeps what an owner must compute, and what a reader of the plan must read, within bounds.
    pub(crate) fn bounded(self, span: Span, reporter: &mut Reporter<'_>) -> Result<Self, Reported> {
        if self.size > EXPRESSION_NODES_MAX || self.levels > EXPRESSION_LEVELS_MAX {
            return Err(reporter.report(span, Problem::ExpressionTooLarge));
        }
        Ok(self)
    }
}

/// Nesting of an expression's JSON form.
pub(crate) fn levels_of(expression: &Expression) -> usize {
    match expression {
        Expression::Source(_) | Expression::Constant(_) | Expression::Missing(_) => 1,
        Expression::Negate(inner) | Expression::Not(inner) => levels_of(inner) + 1,
        Expression::Binary(_, left, right) => levels_of(left).max(levels_of(right)) + BINARY_LEVELS,
        Expression::Call(_, arguments) => arguments.iter().map(levels_of).max().unwrap_or(0) + CALL_LEVELS,
        Expression::Case { arms, otherwise } => {
            let arms = arms.iter().map(|(when, then)| levels_of(when).max(levels_of(then)));
            arms.max().unwrap_or(0).max(levels_of(otherwise)) + CASE_LEVELS
        }
    }
}

/// The values that a function can have: a small fixed range, or what it makes of a finite domain.
fn image(function: Function, arguments: &[Lowered]) -> Option<Domain> {
    use Function as F;
    let fixed = match function {
        F::Sysmiss | F::StartsWith | F::EndsWith => Some((0, 1)),
        F::Halfyear => Some((1, 2)),
        F::Quarter => Some((1, 4)),
        F::Dow => Some((1, 7)),
        F::Month => Some((1, 12)),
        F::Day => Some((1, 31)),
        F::Week => Some((1, 53)),
        F::RowMissing | F::RowValid => Some((0, crate::diagnostic::number(arguments.len().min(1000)))),
        _ => None,
    };
    if let Some((first, last)) = fixed {
        return Some(Domain::range(first, last));
    }
    let mut combinations: Vec<Vec<Option<Value>>> = vec![Vec::new()];
    for argument in arguments {
        let values = argument.values()?;
        // Several variables make products.
        if combinations.len() > 1 && combinations.len().saturating_mul(values.len()) > SIDE_CATEGORIES_MAX {
            return None;
        }
        let with = |so_far: &Vec<Option<Value>>| {
            let so_far = so_far.clone();
            values.clone().into_iter().map(move |value| [&so_far[..], &[value]].concat())
        };
        combinations = combinations.iter().flat_map(with).collect();
    }
    let mut values = Vec::new();
    for combination in combinations {
        values.extend(called(function, &combination)?);
    }
    Some(Domain::of_values(values))
}

/// The values that arithmetic makes of two finite domains.
fn made(operator: BinaryOperator, left: &Lowered, right: &Lowered) -> Option<Domain> {
    let (left, right) = (left.values()?, right.values()?);
    if left.len().saturating_mul(right.len()) > OPERATOR_COMBINATIONS_MAX {
        return None;
    }
    let of = |left: &Option<Value>| {
        let made: Vec<_> =
            right.iter().filter_map(|right| fold::binary(operator, left.as_ref(), right.as_ref())).collect();
        made
    };
    Some(Domain::of_values(left.iter().flat_map(of)))
}

mod labels;

/// Lowers expressions over the columns of one dataset.
pub(crate) struct Lowering<'a, 'r, 's> {
    pub(crate) dataset: &'a Dataset,
    /// Something before has failed that may have made columns: unknown names are not blamed.
    pub(crate) uncertain: bool,
    pub(crate) reporter: &'r mut Reporter<'s>,
    /// Nodes that names have brought in so far.
    inlined: usize,
}

impl<'a, 'r, 's> Lowering<'a, 'r, 's> {
    pub(crate) fn new(dataset: &'a Dataset, uncertain: bool, reporter: &'r mut Reporter<'s>) -> Self {
        Self { dataset, uncertain, reporter, inlined: 0 }
    }

    /// An expression that gives each unit a value.
    ///
    /// Both operands of an operator are looked at before the first fault ends the work, so that all faults
    /// are reported.
    pub(crate) fn lower(&mut self, expr: &Expr) -> Result<Lowered, Reported> {
        let lowered = self.lower_kind(expr)?;
        lowered.bounded(expr.span, self.reporter)
    }

    /// A value to be given to a variable: the one place where `.` may stand.
    pub(crate) fn lower_value(&mut self, expr: &Expr, wanted: ValueType) -> Result<Lowered, Reported> {
        match expr.kind {
            ExprKind::Missing => Ok(Lowered::missing(wanted)),
            _ => self.lower(expr),
        }
    }

    /// A number that is a truth value.
    pub(crate) fn lower_condition(&mut self, expr: &Expr) -> Result<Lowered, Reported> {
        let lowered = self.lower(expr)?;
        self.need_truth(&lowered, expr.span)?;
        Ok(lowered)
    }

    fn report(&mut self, span: Span, problem: Problem) -> Reported {
        self.reporter.report(span, problem)
    }

    fn need_truth(&mut self, lowered: &Lowered, span: Span) -> Result<(), Reported> {
        if lowered.is_text() { Err(self.report(span, Problem::TextInLogic)) } else { Ok(()) }
    }

    fn need_number(&mut self, lowered: &Lowered, span: Span) -> Result<(), Reported> {
        if lowered.is_text() { Err(self.report(span, Problem::TextInArithmetic)) } else { Ok(()) }
    }

    fn lower_kind(&mut self, expr: &Expr) -> Result<Lowered, Reported> {
        match &expr.kind {
            ExprKind::Number(number) => Ok(Lowered::constant(Value::Number(*number))),
            ExprKind::Text(text) => Ok(Lowered::constant(Value::Text(text.clone()))),
            ExprKind::Missing => Err(self.report(expr.span, Problem::MissingCompared)),
            ExprKind::Date(day) => Err(self.report(expr.span, Problem::DateInExpression { day: *day })),
            ExprKind::Name(name) => self.column(name, expr.span),
            ExprKind::Negate(inner) => {
                let lowered = self.lower(inner)?;
                self.need_number(&lowered, inner.span)?;
                Ok(lowered.negate())
            }
            ExprKind::Not(inner) => self.lower_condition(inner).map(Lowered::not),
            ExprKind::Binary(operator, left, right) => self.operation(*operator, left, right),
            ExprKind::Call { function, function_span, arguments } => {
                self.function(function, *function_span, arguments, expr.span)
            }
        }
    }

    /// What a name stands for.
    fn column(&mut self, name: &str, span: Span) -> Result<Lowered, Reported> {
        match self.dataset.column(name) {
            Some(Column::Value(value)) => {
                self.inlined = self.inlined.saturating_add(value.lowered.size());
                if self.inlined > EXPRESSION_NODES_MAX {
                    return Err(self.report(span, Problem::ExpressionTooLarge));
                }
                // The name that the script uses now is the one to name in messages.
                let owners = value.lowered.owners.keys().map(|owner| (owner.clone(), name.to_owned()));
                let owners = owners.collect();
                Ok(Lowered { owners, domain: value.categories.clone(), ..value.lowered.clone() })
            }
            Some(Column::Key(_)) => {
                Err(self.report(span, Problem::KeyInExpression { name: name.to_owned() }))
            }
            Some(Column::Failed) => Err(self.reporter.earlier()),
            None if self.uncertain => Err(self.reporter.earlier()),
            None => {
                let near = nearest(name, self.dataset.names());
                Err(self.report(span, Problem::UnknownName { name: name.to_owned(), near }))
            }
        }
    }

    fn operation(
        &mut self,
        operator: BinaryOperator,
        left: &Expr,
        right: &Expr,
    ) -> Result<Lowered, Reported> {
        use BinaryOperator as B;
        let lowered = (self.lower(left), self.lower(right));
        let (l, r) = (lowered.0?, lowered.1?);
        match operator {
            B::And | B::Or => {
                self.need_truth(&l, left.span)?;
                self.need_truth(&r, right.span)?;
            }
            B::Add | B::Subtract | B::Multiply | B::Divide => {
                self.need_number(&l, left.span)?;
                self.need_number(&r, right.span)?;
            }
            _ if l.value_type != r.value_type => {
                let (number, span) = if l.is_text() { (&r, right.span) } else { (&l, left.span) };
                return Err(self.text_with_number(number, span));
            }
            _ => {}
        }
        Ok(Lowered::binary(operator, l, r))
    }

    fn text_with_number(&mut self, number: &Lowered, span: Span) -> Reported {
        let number = fold::constant(&number.expression).flatten().map(|value| shown(&value));
        self.report(span, Problem::TextWithNumber { number })
    }

    fn function(
        &mut self,
        name: &str,
        name_span: Span,
        arguments: &[Expr],
        span: Span,
    ) -> Result<Lowered, Reported> {
        let lowered: Vec<_> = if OF_LABELS.contains(&name) {
            return self.of_labels(name, arguments, span);
        } else if OF_ALL_UNITS.contains(&name) {
            return Err(self.report(name_span, Problem::Unprepared(Unprepared::QuantileInside)));
        } else {
            arguments.iter().map(|argument| self.lower(argument)).collect()
        };
        let signature = SIGNATURES.iter().find(|signature| signature.name == name);
        if signature.is_none() && !DERIVED.contains(&name) {
            let near = nearest(name, names());
            return Err(self.report(name_span, Problem::UnknownFunction { name: name.to_owned(), near }));
        }
        let lowered = lowered.into_iter().collect::<Result<Vec<_>, _>>()?;
        match signature {
            Some(signature) => self.called(signature, lowered, arguments, span),
            None if name == "inlist" => self.inlist(lowered, arguments, span),
            None => self.inrange(lowered, arguments, span),
        }
    }

    fn called(
        &mut self,
        signature: &Signature,
        lowered: Vec<Lowered>,
        arguments: &[Expr],
        span: Span,
    ) -> Result<Lowered, Reported> {
        self.count(signature.name, signature.fewest, signature.most, lowered.len(), span)?;
        for (at, (value, argument)) in lowered.iter().zip(arguments).enumerate() {
            let kind = signature.kinds[at.min(signature.kinds.len() - 1)];
            let fits = match kind {
                Kind::Number => !value.is_text(),
                Kind::Text => value.is_text(),
                Kind::Any => true,
            };
            if !fits {
                let function = signature.name.to_owned();
                let wants_text = kind == Kind::Text;
                return Err(self.report(argument.span, Problem::ArgumentType { function, wants_text }));
            }
        }
        match &lowered[..] {
            // A text is its own text.
            [text] if signature.function == Function::String && text.is_text() => Ok(text.clone()),
            _ => Ok(Lowered::call(signature.function, signature.result, lowered)),
        }
    }

    fn count(
        &mut self,
        function: &str,
        fewest: usize,
        most: Option<usize>,
        given: usize,
        span: Span,
    ) -> Result<(), Reported> {
        if given >= fewest && most.is_none_or(|most| given <= most) {
            return Ok(());
        }
        let function = function.to_owned();
        Err(self.report(span, Problem::ArgumentCount { function, fewest, most, given }))
    }

    /// `inlist(x, a, b)` is `x == a | x == b`.
    fn inlist(&mut self, lowered: Vec<Lowered>, arguments: &[Expr], span: Span) -> Result<Lowered, Reported> {
        self.count("inlist", 2, None, lowered.len(), span)?;
        self.same_types(&lowered, arguments)?;
        let (x, values) = lowered.split_first().expect("at least two arguments");
        self.among(x, values, span)
    }

    /// Whether `x` is one of the values.
    fn among(&mut self, x: &Lowered, values: &[Lowered], span: Span) -> Result<Lowered, Reported> {
        if x.size.saturating_mul(values.len()) > EXPRESSION_NODES_MAX {
            return Err(self.report(span, Problem::ExpressionTooLarge));
        }
        let equal = |value: &Lowered| Lowered::binary(BinaryOperator::Equal, x.clone(), value.clone());
        let any = Lowered::all(BinaryOperator::Or, values.iter().map(equal).collect());
        Ok(any.unwrap_or_else(|| Lowered::truth(false)))
    }

    /// `inrange(x, a, b)` is `x >= a & x <= b`.
    fn inrange(
        &mut self,
        lowered: Vec<Lowered>,
        arguments: &[Expr],
        span: Span,
    ) -> Result<Lowered, Reported> {
        self.count("inrange", 3, Some(3), lowered.len(), span)?;
        self.same_types(&lowered, arguments)?;
        let above = Lowered::binary(BinaryOperator::GreaterOrEqual, lowered[0].clone(), lowered[1].clone());
        let below = Lowered::binary(BinaryOperator::LessOrEqual, lowered[0].clone(), lowered[2].clone());
        Ok(Lowered::binary(BinaryOperator::And, above, below))
    }

    fn same_types(&mut self, lowered: &[Lowered], arguments: &[Expr]) -> Result<(), Reported> {
        let differs = |value: &Lowered| value.value_type != lowered[0].value_type;
        match lowered.iter().position(differs) {
            Some(at) if lowered[0].is_text() => Err(self.text_with_number(&lowered[at], arguments[at].span)),
            Some(at) => Err(self.report(arguments[at].span, Problem::TextWithNumber { number: None })),
            None => Ok(()),
        }
    }
}
