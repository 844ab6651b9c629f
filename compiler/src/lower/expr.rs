//! Expressions.

use cedar_policy_core::ast::{BinaryOp, Expr, ExprKind, Pattern, PatternElem, SlotEnv, UnaryOp, Var};
use countersign_core::policy::{
    Record, Value,
    image::{
        MAX_EXPRESSION_DEPTH,
        tables::{self, Binary, Function, Node, NodeId, Unary},
    },
};

use super::fold;
use crate::{
    builder::{Builder, Shape},
    convert,
    error::CompileError,
    source::Source,
};

/// An expression: a constant as long as it is one.
enum Lowered {
    Value(Value),
    Node(NodeId),
}

/// What is left of a chain of `&&` or `||`.
enum Chain {
    /// Its value.
    Certain(bool),
    Operands(Vec<NodeId>),
}

/// Lowers the expressions of one policy.
pub(super) struct Lowering<'a> {
    pub(super) builder: &'a mut Builder,
    pub(super) source: &'a Source,
    pub(super) slots: &'a SlotEnv,
    /// Where the policy stands: for expressions that have no place of their own.
    pub(super) policy: (usize, usize),
}

type Result<T> = std::result::Result<T, Box<CompileError>>;

impl Lowering<'_> {
    /// Lowers `expr`, as an expression even where it is constant.
    pub(super) fn node(&mut self, expr: &Expr) -> Result<NodeId> {
        let lowered = self.lower(expr, 0)?;
        Ok(self.place(lowered))
    }

    fn place(&mut self, lowered: Lowered) -> NodeId {
        match lowered {
            Lowered::Node(node) => node,
            Lowered::Value(value) => {
                let constant = self.builder.constant(&value);
                self.builder.node(Shape::Plain(Node::Const(constant)))
            }
        }
    }

    fn error(&self, expr: &Expr, message: String) -> Box<CompileError> {
        let (offset, len) =
            expr.source_loc().map_or(self.policy, |loc| (loc.start(), loc.end() - loc.start()));
        Box::new(CompileError::at(self.source, offset, len, message))
    }

    fn operand(&mut self, expr: &Expr, depth: u16) -> Result<NodeId> {
        let lowered = self.lower(expr, depth)?;
        Ok(self.place(lowered))
    }

    fn operands<'e>(&mut self, exprs: impl IntoIterator<Item = &'e Expr>, depth: u16) -> Result<Vec<NodeId>> {
        exprs.into_iter().map(|expr| self.operand(expr, depth)).collect()
    }

    /// The operands of `&&` or `||` that matter: none that is `neutral`, and none behind one that decides.
    fn chain(&mut self, exprs: Vec<&Expr>, neutral: bool, depth: u16) -> Result<Chain> {
        let mut operands = Vec::new();
        for expr in exprs {
            let lowered = self.lower(expr, depth)?;
            match lowered.value() {
                Some(Value::Bool(value)) if *value == neutral => {}
                Some(Value::Bool(value)) if operands.is_empty() => return Ok(Chain::Certain(*value)),
                Some(Value::Bool(_)) => {
                    operands.push(self.place(lowered));
                    break;
                }
                _ => operands.push(self.place(lowered)),
            }
        }
        // One operand alone must still be a boolean.
        Ok(if operands.is_empty() { Chain::Certain(neutral) } else { Chain::Operands(operands) })
    }

    fn lower(&mut self, expr: &Expr, depth: u16) -> Result<Lowered> {
        let deep = || format!("this expression is nested more than {MAX_EXPRESSION_DEPTH} deep");
        if depth > MAX_EXPRESSION_DEPTH {
            return Err(self.error(expr, deep()));
        }
        let below = depth + 1;
        let shape = match expr.expr_kind() {
            ExprKind::Lit(literal) => return Ok(Lowered::Value(convert::literal(literal))),
            ExprKind::Var(var) => Shape::Plain(Node::Var(match var {
                Var::Principal => tables::Var::Principal,
                Var::Action => tables::Var::Action,
                Var::Resource => tables::Var::Resource,
                Var::Context => tables::Var::Context,
            })),
            ExprKind::Slot(slot) => match self.slots.get(slot) {
                Some(uid) => return Ok(Lowered::Value(Value::Entity(convert::uid(uid)))),
                None => return Err(self.error(expr, format!("the template slot `{slot}` is not linked"))),
            },
            ExprKind::Unknown(unknown) => {
                let message = format!("`unknown(\"{}\")` is not supported: it has no value", unknown.name);
                return Err(self.error(expr, message));
            }
            ExprKind::If { test_expr, then_expr, else_expr } => {
                let test = self.lower(test_expr, below)?;
                if let Some(Value::Bool(test)) = test.value() {
                    return self.lower(if *test { then_expr } else { else_expr }, below);
                }
                let mut operands = vec![self.place(test)];
                operands.extend(self.operands([&**then_expr, &**else_expr], below)?);
                Shape::If(operands)
            }
            ExprKind::And { .. } => match self.chain(conjuncts(expr), true, below)? {
                Chain::Certain(value) => return Ok(Lowered::Value(Value::Bool(value))),
                Chain::Operands(operands) => Shape::And(operands),
            },
            ExprKind::Or { .. } => match self.chain(disjuncts(expr), false, below)? {
                Chain::Certain(value) => return Ok(Lowered::Value(Value::Bool(value))),
                Chain::Operands(operands) => Shape::Or(operands),
            },
            ExprKind::UnaryApp { op, arg } => {
                let operand = self.lower(arg, below)?;
                let operator = match op {
                    UnaryOp::Not => Unary::Not,
                    UnaryOp::Neg => Unary::Neg,
                    UnaryOp::IsEmpty => Unary::IsEmpty,
                };
                if let Some(value) = operand.value().and_then(|operand| fold::unary(operator, operand)) {
                    return Ok(Lowered::Value(value));
                }
                Shape::Plain(Node::Unary(operator, self.place(operand)))
            }
            ExprKind::BinaryApp { op, arg1, arg2 } => {
                let (left, right) = (self.lower(arg1, below)?, self.lower(arg2, below)?);
                let operator = binary(*op);
                if let (Some(left), Some(right)) = (left.value(), right.value())
                    && let Some(value) = fold::binary(operator, left, right)
                {
                    return Ok(Lowered::Value(value));
                }
                let (left, right) = (self.place(left), self.place(right));
                Shape::Plain(Node::Binary(operator, left, right))
            }
            ExprKind::ExtensionFunctionApp { fn_name, args } => {
                let name = fn_name.to_string();
                let Some(function) = Function::named(&name) else {
                    let message = format!("the function `{name}` is not supported yet");
                    return Err(self.error(expr, message));
                };
                let arguments: Vec<Lowered> =
                    args.iter().map(|argument| self.lower(argument, below)).collect::<Result<_>>()?;
                if let Some(value) = self.folded_call(&name, &arguments) {
                    return Ok(Lowered::Value(value));
                }
                let arguments: Vec<NodeId> = arguments.into_iter().map(|part| self.place(part)).collect();
                Shape::Call(function, arguments)
            }
            ExprKind::GetAttr { expr: object, attr } => {
                let object = self.lower(object, below)?;
                if let Some(Value::Record(record)) = object.value()
                    && let Some(member) = record.get(attr)
                {
                    return Ok(Lowered::Value(member.clone()));
                }
                let object = self.place(object);
                Shape::Plain(Node::Attr(object, self.builder.text(attr)))
            }
            ExprKind::HasAttr { expr: object, attr } => {
                let object = self.operand(object, below)?;
                Shape::Plain(Node::Has(object, self.builder.text(attr)))
            }
            ExprKind::ExtHasAttr { expr: object, attrs } => {
                let object = self.operand(object, below)?;
                Shape::HasPath(object, attrs.iter().map(|attr| self.builder.text(attr)).collect())
            }
            ExprKind::Like { expr: object, pattern } => {
                let object = self.operand(object, below)?;
                let pattern = self.builder.pattern(&pieces(pattern));
                Shape::Plain(Node::Like(object, pattern))
            }
            ExprKind::Is { expr: object, entity_type } => {
                let object = self.operand(object, below)?;
                Shape::Plain(Node::Is(object, self.builder.entity_type(&entity_type.to_string())))
            }
            ExprKind::Set(members) => {
                let members: Vec<Lowered> =
                    members.iter().map(|member| self.lower(member, below)).collect::<Result<_>>()?;
                if let Some(values) = members.iter().map(Lowered::value).collect::<Option<Vec<_>>>() {
                    return Ok(Lowered::Value(Value::set(values.into_iter().cloned())));
                }
                Shape::Set(members.into_iter().map(|member| self.place(member)).collect())
            }
            ExprKind::Record(members) => {
                let members: Vec<(&str, Lowered)> = members
                    .iter()
                    .map(|(name, member)| Ok((name.as_str(), self.lower(member, below)?)))
                    .collect::<Result<_>>()?;
                let values = members.iter().map(|(name, member)| Some((*name, member.value()?.clone())));
                if let Some(record) = values.collect::<Option<Record>>() {
                    return Ok(Lowered::Value(Value::Record(record)));
                }
                // The official crate keeps members sorted by name.
                let members = members
                    .into_iter()
                    .map(|(name, member)| (self.builder.text(name), self.place(member)))
                    .collect();
                Shape::Record(members)
            }
        };
        let node = self.builder.node(shape);
        if self.builder.depth(node) > MAX_EXPRESSION_DEPTH {
            return Err(self.error(expr, deep()));
        }
        Ok(Lowered::Node(node))
    }

    /// The value of a constructor of constants, where it has one.
    fn folded_call(&self, name: &str, arguments: &[Lowered]) -> Option<Value> {
        let arguments = arguments.iter().map(|part| part.value().cloned()).collect::<Option<Vec<_>>>()?;
        convert::constructed(name, &arguments)
    }
}

impl Lowered {
    fn value(&self) -> Option<&Value> {
        match self {
            Self::Value(value) => Some(value),
            Self::Node(_) => None,
        }
    }
}

/// The parts of a chain of `&&`, in order. `(a && b) && c` and `a && (b && c)` mean the same.
pub(super) fn conjuncts(expr: &Expr) -> Vec<&Expr> {
    flatten(expr, |expr| match expr.expr_kind() {
        ExprKind::And { left, right } => Some((left, right)),
        _ => None,
    })
}

fn disjuncts(expr: &Expr) -> Vec<&Expr> {
    flatten(expr, |expr| match expr.expr_kind() {
        ExprKind::Or { left, right } => Some((left, right)),
        _ => None,
    })
}

fn flatten<'e>(expr: &'e Expr, split: impl Fn(&'e Expr) -> Option<(&'e Expr, &'e Expr)>) -> Vec<&'e Expr> {
    let mut parts = Vec::new();
    let mut pending = vec![expr];
    while let Some(expr) = pending.pop() {
        match split(expr) {
            Some((left, right)) => pending.extend([right, left]),
            None => parts.push(expr),
        }
    }
    parts
}

fn binary(op: BinaryOp) -> Binary {
    match op {
        BinaryOp::Eq => Binary::Eq,
        BinaryOp::Less => Binary::Less,
        BinaryOp::LessEq => Binary::LessEq,
        BinaryOp::Add => Binary::Add,
        BinaryOp::Sub => Binary::Sub,
        BinaryOp::Mul => Binary::Mul,
        BinaryOp::In => Binary::In,
        BinaryOp::Contains => Binary::Contains,
        BinaryOp::ContainsAll => Binary::ContainsAll,
        BinaryOp::ContainsAny => Binary::ContainsAny,
        BinaryOp::GetTag => Binary::GetTag,
        BinaryOp::HasTag => Binary::HasTag,
    }
}

/// The literal pieces between the wildcards.
fn pieces(pattern: &Pattern) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for element in pattern.iter() {
        match element {
            PatternElem::Wildcard => pieces.push(String::new()),
            PatternElem::Char(c) => {
                if let Some(last) = pieces.last_mut() {
                    last.push(*c);
                }
            }
        }
    }
    pieces
}
