//! Expressions of a plan as DataFusion expressions, with the meaning that `model::expression` gives them.
//!
//! All columns are Float64 or Utf8, and every number in them is finite and not minus zero: sources are read so, and
//! whatever could make another number goes through [`functions::finite`]. On such numbers DataFusion's comparison,
//! which is the total order of IEEE 754, is the usual one.
//!
//! A truth value is the number 1 or 0. Comparisons become `CASE WHEN … THEN 1 ELSE 0`, where a null
//! condition takes the other branch; that is exactly what missing operands ask for.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::expr::Case;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{BinaryExpr, Operator};
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use datafusion::prelude::{Expr, lit};
use datafusion::scalar::ScalarValue;
use kobling_model::expression::{BinaryOperator, Expression, Value, ValueType};

use super::{CategoryLookup, ExtractError, functions, wrong};

/// Expressions nested deeper are refused; a checked script's are not half as deep. The engine recurses into them,
/// and for every batch writes out the arguments of each function as a name that nobody reads.
pub(super) const DEPTH_MAX: usize = 256;
/// Expressions with more nodes are refused; a checked script's have a fifth of it.
const NODES_MAX: usize = 50_000;

/// A fragment's filters and dimensions, ready to run over batches.
pub(super) struct Program {
    pub(super) schema: SchemaRef,
    pub(super) filters: Vec<Compiled>,
    pub(super) dimensions: Vec<(Compiled, CategoryLookup)>,
    pub(super) value: Option<Compiled>,
    /// Whole numbers with their bounds.
    pub(super) numbers: Vec<(Compiled, i64, i64)>,
}

/// One expression, ready to run over batches.
pub(super) struct Compiled {
    expression: Arc<dyn PhysicalExpr>,
    /// The sources that it names, ascending.
    pub(super) sources: Vec<usize>,
}

impl Compiled {
    /// The one source that it names, if it is one.
    pub(super) fn alone(&self) -> Option<usize> {
        match self.sources[..] {
            [source] => Some(source),
            _ => None,
        }
    }

    /// The values of an expression of numbers.
    pub(super) fn numbers(&self, batch: &RecordBatch) -> Result<Float64Array, ExtractError> {
        self.values::<Float64Array>(batch)
    }

    /// The values of an expression of either.
    pub(super) fn array(&self, batch: &RecordBatch) -> Result<ArrayRef, ExtractError> {
        let values = self.expression.evaluate(batch).and_then(|value| value.into_array(batch.num_rows()));
        values.map_err(|_| ExtractError::Failed)
    }

    /// The values of an expression of texts.
    pub(super) fn texts(&self, batch: &RecordBatch) -> Result<StringArray, ExtractError> {
        self.values::<StringArray>(batch)
    }

    fn values<A: Array + Clone + 'static>(&self, batch: &RecordBatch) -> Result<A, ExtractError> {
        let values = self.array(batch)?;
        values.as_any().downcast_ref::<A>().cloned().ok_or(ExtractError::Failed)
    }
}

/// Compiles expressions over sources of given types.
pub(super) struct Compiler<'a> {
    types: &'a [ValueType],
    schema: SchemaRef,
    engine_schema: DFSchema,
    properties: ExecutionProps,
}

impl<'a> Compiler<'a> {
    pub(super) fn new(types: &'a [ValueType]) -> Result<Self, ExtractError> {
        let fields = types.iter().enumerate().map(|(source, value_type)| {
            let data_type = match value_type {
                ValueType::Number => DataType::Float64,
                ValueType::Text => DataType::Utf8,
            };
            Field::new(source_name(source), data_type, true)
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let engine_schema = DFSchema::try_from(schema.as_ref().clone()).map_err(|_| ExtractError::Failed)?;
        let mut properties = ExecutionProps::new();
        properties.config_options = Some(Arc::default());
        Ok(Self { types, schema, engine_schema, properties })
    }

    pub(super) fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// Compiles an expression and says what it yields.
    pub(super) fn compile(&self, expression: &Expression) -> Result<(Compiled, ValueType), ExtractError> {
        let mut nodes = 0;
        let (translated, value_type) = self.translate(expression, 0, &mut nodes)?;
        // Without simplification or coercion: the translation already has the exact types and meaning.
        let context = PhysicalPlanningContext::default();
        let expression = create_physical_expr(&translated, &self.engine_schema, &self.properties, &context)
            .map_err(|_| ExtractError::Expression { what: "the engine does not take it" })?;
        let named = translated.column_refs();
        let sources = (0..self.types.len())
            .filter(|at| named.iter().any(|column| column.name == source_name(*at)))
            .collect();
        Ok((Compiled { expression, sources }, value_type))
    }

    fn translate(
        &self,
        expression: &Expression,
        depth: usize,
        nodes: &mut usize,
    ) -> Result<(Expr, ValueType), ExtractError> {
        *nodes += 1;
        if depth > DEPTH_MAX || *nodes > NODES_MAX {
            return Err(wrong("it is too large"));
        }
        let mut inner = |inner: &Expression| self.translate(inner, depth + 1, nodes);
        match expression {
            Expression::Source(source) => {
                let value_type = self.types.get(*source).ok_or(wrong("there is no such source"))?;
                Ok((Expr::Column(Column::from_name(source_name(*source))), *value_type))
            }
            Expression::Constant(Value::Number(constant)) if constant.is_finite() => {
                Ok((number(*constant + 0.0), ValueType::Number))
            }
            Expression::Constant(Value::Number(_)) => Err(wrong("a constant is not finite")),
            Expression::Constant(Value::Text(text)) => Ok((lit(text.clone()), ValueType::Text)),
            Expression::Missing(ValueType::Number) => {
                Ok((lit(ScalarValue::Float64(None)), ValueType::Number))
            }
            Expression::Missing(ValueType::Text) => Ok((lit(ScalarValue::Utf8(None)), ValueType::Text)),
            Expression::Negate(operand) => {
                let operand = as_number(inner(operand)?)?;
                Ok((functions::finite(Expr::Negative(Box::new(operand))), ValueType::Number))
            }
            Expression::Not(operand) => {
                let operand = as_truth(inner(operand)?)?;
                Ok((choose(operand, number(0.0), number(1.0)), ValueType::Number))
            }
            Expression::Binary(operator, left, right) => {
                let (left, right) = (inner(left)?, inner(right)?);
                Ok((binary(*operator, left, right)?, ValueType::Number))
            }
            Expression::Call(function, arguments) => {
                let arguments = arguments.iter().map(inner).collect::<Result<Vec<_>, _>>()?;
                let (arguments, types): (Vec<_>, Vec<_>) = arguments.into_iter().unzip();
                let yields = functions::yields(*function, &types)
                    .ok_or(wrong("a function has arguments that it does not take"))?;
                Ok((functions::call(*function, yields, arguments), yields))
            }
            Expression::Case { arms, otherwise } => {
                let (otherwise, yields) = inner(otherwise)?;
                let mut when_then = Vec::with_capacity(arms.len());
                for (when, then) in arms {
                    let when = as_truth(inner(when)?)?;
                    let (then, value_type) = inner(then)?;
                    if value_type != yields {
                        return Err(wrong("branches are of different types"));
                    }
                    when_then.push((Box::new(when), Box::new(then)));
                }
                if when_then.is_empty() {
                    return Ok((otherwise, yields));
                }
                Ok((Expr::Case(Case::new(None, when_then, Some(Box::new(otherwise)))), yields))
            }
        }
    }
}

fn binary(
    operator: BinaryOperator,
    left: (Expr, ValueType),
    right: (Expr, ValueType),
) -> Result<Expr, ExtractError> {
    use BinaryOperator::*;
    let arithmetic =
        |operator, left, right| Ok(functions::finite(apply(as_number(left)?, operator, as_number(right)?)));
    match operator {
        Add => arithmetic(Operator::Plus, left, right),
        Subtract => arithmetic(Operator::Minus, left, right),
        Multiply => arithmetic(Operator::Multiply, left, right),
        Divide => arithmetic(Operator::Divide, left, right),
        And | Or => {
            let operator = if operator == And { Operator::And } else { Operator::Or };
            let holds = apply(as_truth(left)?, operator, as_truth(right)?);
            Ok(choose(holds, number(1.0), number(0.0)))
        }
        _ if left.1 != right.1 => Err(wrong("a number is compared with a text")),
        // Missing is different from everything.
        NotEqual => Ok(choose(apply(left.0, Operator::Eq, right.0), number(0.0), number(1.0))),
        Equal | Less | LessOrEqual | Greater | GreaterOrEqual => {
            let operator = match operator {
                Equal => Operator::Eq,
                Less => Operator::Lt,
                LessOrEqual => Operator::LtEq,
                Greater => Operator::Gt,
                _ => Operator::GtEq,
            };
            Ok(choose(apply(left.0, operator, right.0), number(1.0), number(0.0)))
        }
    }
}

fn source_name(source: usize) -> String {
    format!("s{source}")
}

fn number(value: f64) -> Expr {
    lit(value)
}

fn apply(left: Expr, operator: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), operator, Box::new(right)))
}

/// `yes` where the condition holds, `no` where it does not or is null.
fn choose(condition: Expr, yes: Expr, no: Expr) -> Expr {
    Expr::Case(Case::new(None, vec![(Box::new(condition), Box::new(yes))], Some(Box::new(no))))
}

fn as_number((expression, value_type): (Expr, ValueType)) -> Result<Expr, ExtractError> {
    match value_type {
        ValueType::Number => Ok(expression),
        ValueType::Text => Err(wrong("a text in arithmetic")),
    }
}

/// A condition that is true, false or, where the number is missing, null.
fn as_truth(typed: (Expr, ValueType)) -> Result<Expr, ExtractError> {
    Ok(apply(as_number(typed)?, Operator::NotEq, number(0.0)))
}
