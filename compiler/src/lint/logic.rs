//! Conditions as trees of `all` and `any`, with negations at the leaves, and what can be said of several leaves together.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy_core::ast::{BinaryOp, Expr, ExprKind, UnaryOp};
use countersign_core::policy::Value;

use crate::convert;

/// How deep alternatives are tried when a contradiction is looked for.
const DEEPEST: usize = 4;

/// A condition.
#[derive(Clone, Debug)]
pub(super) enum Tree<'e> {
    All(Vec<Tree<'e>>),
    Any(Vec<Tree<'e>>),
    Leaf(Leaf<'e>),
}

/// What is neither `&&`, `||`, `!` nor `if`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaf<'e> {
    pub(super) expr: &'e Expr,
    pub(super) negated: bool,
    /// Whether it is negated together with what stands beside it, as both sides of `!(a && b)`.
    pub(super) spread: bool,
}

impl<'e> Tree<'e> {
    pub(super) fn of(expr: &'e Expr) -> Self {
        Self::build(expr, false, false)
    }

    /// The opposite of a condition.
    pub(super) fn opposite(expr: &'e Expr) -> Self {
        Self::build(expr, true, false)
    }

    fn build(expr: &'e Expr, negated: bool, spread: bool) -> Self {
        let both = |left, right| {
            let spread = negated;
            vec![Self::build(left, negated, spread), Self::build(right, negated, spread)]
        };
        if let Some((inner, value)) = compared(expr) {
            return Self::build(inner, negated == value, spread);
        }
        match expr.expr_kind() {
            ExprKind::And { left, right } if negated => Self::any(both(left, right)),
            ExprKind::And { left, right } => Self::all(both(left, right)),
            ExprKind::Or { left, right } if negated => Self::all(both(left, right)),
            ExprKind::Or { left, right } => Self::any(both(left, right)),
            ExprKind::UnaryApp { op: UnaryOp::Not, arg } => Self::build(arg, !negated, false),
            ExprKind::If { test_expr, then_expr, else_expr } => Self::any(vec![
                Self::all(vec![
                    Self::build(test_expr, false, false),
                    Self::build(then_expr, negated, spread),
                ]),
                Self::all(vec![Self::build(test_expr, true, false), Self::build(else_expr, negated, spread)]),
            ]),
            _ => Self::Leaf(Leaf { expr, negated, spread }),
        }
    }

    fn all(parts: Vec<Self>) -> Self {
        let flat = parts.into_iter().flat_map(|part| match part {
            Self::All(inner) => inner,
            other => vec![other],
        });
        Self::All(flat.collect())
    }

    fn any(parts: Vec<Self>) -> Self {
        let flat = parts.into_iter().flat_map(|part| match part {
            Self::Any(inner) => inner,
            other => vec![other],
        });
        Self::Any(flat.collect())
    }

    /// What must all hold.
    pub(super) fn conjuncts(&self) -> &[Self] {
        match self {
            Self::All(parts) => parts,
            one => std::slice::from_ref(one),
        }
    }

    /// The expression and the value that it must have, where this is a leaf that says so.
    pub(super) fn demanded(&self) -> Option<(String, Value)> {
        let Self::Leaf(leaf) = self else { return None };
        match test(*leaf)? {
            (text, Test::Only(mut values)) if values.len() == 1 => {
                values.pop_first().map(|value| (text, value))
            }
            _ => None,
        }
    }

    /// Every leaf.
    pub(super) fn leaves(&self) -> Vec<Leaf<'e>> {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::leaves).collect(),
            Self::Leaf(leaf) => vec![*leaf],
        }
    }

    /// Whether it may hold, where `may` says so of leaves.
    pub(super) fn may(&self, may: &dyn Fn(Leaf<'e>) -> bool) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.may(may)),
            Self::Any(parts) => parts.iter().any(|part| part.may(may)),
            Self::Leaf(leaf) => may(*leaf),
        }
    }

    /// It without leaves of which `truth` says that they always hold or never do; or whether all of it does.
    pub(super) fn settled(self, truth: &dyn Fn(&Expr) -> Option<bool>) -> Result<Self, bool> {
        let open = |parts: Vec<Self>, deciding: bool| {
            let mut open = Vec::new();
            for part in parts {
                match part.settled(truth) {
                    Err(value) if value == deciding => return Err(deciding),
                    Err(_) => {}
                    Ok(part) => open.push(part),
                }
            }
            if open.is_empty() { Err(!deciding) } else { Ok(open) }
        };
        match self {
            Self::All(parts) => open(parts, false).map(Self::All),
            Self::Any(parts) => open(parts, true).map(Self::Any),
            Self::Leaf(leaf) => match truth(leaf.expr) {
                Some(value) => Err(value != leaf.negated),
                None => Ok(self),
            },
        }
    }

    /// It in words that are the same for equal conditions.
    pub(super) fn key(&self) -> String {
        let list = |parts: &[Self], name: &str| {
            let mut keys: Vec<String> = parts.iter().map(Self::key).collect();
            keys.sort();
            format!("{name}({})", keys.join(", "))
        };
        match self {
            Self::All(parts) => list(parts, "all"),
            Self::Any(parts) => list(parts, "any"),
            Self::Leaf(leaf) => format!("{}{}", if leaf.negated { "!" } else { "" }, leaf.expr),
        }
    }
}

/// A condition that is compared with a boolean, and that boolean.
fn compared(expr: &Expr) -> Option<(&Expr, bool)> {
    let ExprKind::BinaryApp { op: BinaryOp::Eq, arg1, arg2 } = expr.expr_kind() else { return None };
    let (inner, value) = match (constant(arg1), constant(arg2)) {
        (None, Some(Value::Bool(value))) => (arg1, value),
        (Some(Value::Bool(value)), None) => (arg2, value),
        _ => return None,
    };
    // An attribute and its value are left as they are.
    match inner.expr_kind() {
        ExprKind::And { .. }
        | ExprKind::Or { .. }
        | ExprKind::If { .. }
        | ExprKind::UnaryApp { op: UnaryOp::Not, .. }
        | ExprKind::HasAttr { .. }
        | ExprKind::ExtHasAttr { .. }
        | ExprKind::Like { .. }
        | ExprKind::Is { .. } => Some((inner, value)),
        ExprKind::BinaryApp { op, .. } if !matches!(op, BinaryOp::GetTag) => Some((inner, value)),
        _ => None,
    }
}

/// What is known of expressions, by their text.
#[derive(Clone, Default)]
pub(super) struct Facts {
    /// Leaves and whether they hold.
    holds: BTreeMap<String, bool>,
    about: BTreeMap<String, About>,
}

/// What is known of one expression's value.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct About {
    /// The only values it may have.
    only: Option<BTreeSet<Value>>,
    /// Values that it hasn't.
    not: BTreeSet<Value>,
    least: Option<i64>,
    most: Option<i64>,
}

impl About {
    fn empty(&self) -> bool {
        if let (Some(least), Some(most)) = (self.least, self.most)
            && least > most
        {
            return true;
        }
        self.only.as_ref().is_some_and(|only| !only.iter().any(|value| self.admits(value)))
    }

    fn admits(&self, value: &Value) -> bool {
        let number = number(value);
        !self.not.contains(value)
            && number.is_none_or(|number| {
                self.least.is_none_or(|least| least <= number) && self.most.is_none_or(|most| number <= most)
            })
    }

    /// Whether whatever this admits, `wider` admits too.
    fn implies(&self, wider: &Self) -> bool {
        if let Some(only) = &self.only {
            return only.iter().filter(|value| self.admits(value)).all(|value| {
                wider.admits(value) && wider.only.as_ref().is_none_or(|only| only.contains(value))
            });
        }
        wider.only.is_none()
            && wider.not.iter().all(|value| !self.admits(value))
            && wider.least.is_none_or(|least| self.least.is_some_and(|mine| mine >= least))
            && wider.most.is_none_or(|most| self.most.is_some_and(|mine| mine <= most))
    }
}

/// What stands between two facts that can't both hold.
pub(super) type Contradiction = String;

impl Facts {
    /// Adds a fact about an expression that has this text.
    pub(super) fn only(&mut self, text: &str, value: Value) {
        let about = self.about.entry(text.to_owned()).or_default();
        about.only = Some(BTreeSet::from([value]));
    }

    /// Adds a condition, or finds that it can't hold with what is known.
    pub(super) fn add(&mut self, tree: &Tree<'_>, depth: usize) -> Result<(), Contradiction> {
        match tree {
            Tree::All(parts) => {
                // What is plain first, so that alternatives are held against all of it.
                let (any, plain): (Vec<_>, Vec<_>) =
                    parts.iter().partition(|part| matches!(part, Tree::Any(_)));
                plain.into_iter().chain(any).try_for_each(|part| self.add(part, depth))
            }
            Tree::Any(parts) => {
                if let Some((text, values)) = alternatives(parts) {
                    return self.restrict(&text, |about| meet(about, &values));
                }
                if depth >= DEEPEST {
                    return Ok(());
                }
                let mut last = None;
                for part in parts {
                    match self.clone().add(part, depth + 1) {
                        Ok(()) => return Ok(()),
                        Err(contradiction) => last = Some(contradiction),
                    }
                }
                last.map_or(Ok(()), Err)
            }
            Tree::Leaf(leaf) => self.leaf(*leaf),
        }
    }

    fn leaf(&mut self, leaf: Leaf<'_>) -> Result<(), Contradiction> {
        if let Some(value) = constant_truth(leaf.expr) {
            let truth = value != leaf.negated;
            return if truth { Ok(()) } else { Err(format!("`{}` is always {value}", leaf.expr)) };
        }
        let text = leaf.expr.to_string();
        if self.holds.insert(text.clone(), !leaf.negated).is_some_and(|held| held == leaf.negated) {
            return Err(format!("`{text}` would have to be both true and false"));
        }
        match test(leaf) {
            Some((text, Test::Only(values))) => self.restrict(&text, |about| meet(about, &values)),
            Some((text, Test::Not(value))) => self.restrict(&text, |about| {
                about.not.insert(value);
            }),
            Some((text, Test::Least(number))) => self.restrict(&text, |about| {
                about.least = Some(about.least.map_or(number, |least| least.max(number)));
            }),
            Some((text, Test::Most(number))) => self.restrict(&text, |about| {
                about.most = Some(about.most.map_or(number, |most| most.min(number)));
            }),
            None => Ok(()),
        }
    }

    fn restrict(&mut self, text: &str, with: impl FnOnce(&mut About)) -> Result<(), Contradiction> {
        let about = self.about.entry(text.to_owned()).or_default();
        with(about);
        if about.empty() { Err(format!("no value of `{text}` meets all conditions on it")) } else { Ok(()) }
    }

    /// The values that expressions are known to be limited to.
    pub(super) fn limits(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.about
            .iter()
            .flat_map(|(text, about)| about.only.iter().flatten().map(move |value| (text.as_str(), value)))
    }

    /// Whether a condition can't fail where these facts hold: all that it asks was asked for them.
    fn settle(&self, tree: &Tree<'_>) -> bool {
        match tree {
            Tree::All(parts) | Tree::Any(parts) => parts.iter().all(|part| self.settle(part)),
            Tree::Leaf(leaf) => {
                constant_truth(leaf.expr).is_some()
                    || self.holds.contains_key(&leaf.expr.to_string())
                    || test(*leaf).is_some_and(|(text, _)| self.about.contains_key(&text))
            }
        }
    }

    /// Whether these facts make a condition true.
    pub(super) fn imply(&self, tree: &Tree<'_>) -> bool {
        match tree {
            Tree::All(parts) => parts.iter().all(|part| self.imply(part)),
            Tree::Any(parts) => {
                for part in parts {
                    if self.imply(part) {
                        return true;
                    }
                    // What stands behind it is not asked where it fails.
                    if !self.settle(part) {
                        break;
                    }
                }
                let Some((text, values)) = alternatives(parts) else { return false };
                let wider = About { only: Some(values), ..About::default() };
                self.about.get(&text).is_some_and(|about| about.implies(&wider))
            }
            Tree::Leaf(leaf) => {
                if constant_truth(leaf.expr) == Some(!leaf.negated) {
                    return true;
                }
                if self.holds.get(&leaf.expr.to_string()) == Some(&!leaf.negated) {
                    return true;
                }
                let Some((text, test)) = test(*leaf) else { return false };
                let mut wider = About::default();
                match test {
                    Test::Only(values) => wider.only = Some(values),
                    Test::Not(value) => {
                        wider.not.insert(value);
                    }
                    Test::Least(number) => wider.least = Some(number),
                    Test::Most(number) => wider.most = Some(number),
                }
                self.about.get(&text).is_some_and(|about| about.implies(&wider))
            }
        }
    }
}

fn meet(about: &mut About, values: &BTreeSet<Value>) {
    about.only = Some(match &about.only {
        None => values.clone(),
        Some(only) => only.intersection(values).cloned().collect(),
    });
}

/// What a leaf says of one expression's value.
enum Test {
    Only(BTreeSet<Value>),
    Not(Value),
    Least(i64),
    Most(i64),
}

/// Values that alternatives leave to one and the same expression.
fn alternatives(parts: &[Tree<'_>]) -> Option<(String, BTreeSet<Value>)> {
    let mut found: Option<(String, BTreeSet<Value>)> = None;
    for part in parts {
        let Tree::Leaf(leaf) = part else { return None };
        let Some((text, Test::Only(values))) = test(*leaf) else { return None };
        match &mut found {
            None => found = Some((text, values)),
            Some((have, all)) if *have == text => all.extend(values),
            Some(_) => return None,
        }
    }
    found
}

fn test(leaf: Leaf<'_>) -> Option<(String, Test)> {
    let ExprKind::BinaryApp { op, arg1, arg2 } = leaf.expr.expr_kind() else { return None };
    let (left, right) = (constant(arg1), constant(arg2));
    Some(match (op, leaf.negated, left, right) {
        (BinaryOp::Eq, false, None, Some(value)) => (arg1.to_string(), Test::Only(BTreeSet::from([value]))),
        (BinaryOp::Eq, false, Some(value), None) => (arg2.to_string(), Test::Only(BTreeSet::from([value]))),
        (BinaryOp::Eq, true, None, Some(value)) => (arg1.to_string(), Test::Not(value)),
        (BinaryOp::Eq, true, Some(value), None) => (arg2.to_string(), Test::Not(value)),
        (BinaryOp::Contains, false, Some(Value::Set(set)), None) => {
            (arg2.to_string(), Test::Only(set.members().iter().cloned().collect()))
        }
        (BinaryOp::Less, negated, None, Some(value)) => {
            let number = number(&value)?;
            let bound = if negated { Test::Least(number) } else { Test::Most(number.checked_sub(1)?) };
            (arg1.to_string(), bound)
        }
        (BinaryOp::LessEq, negated, None, Some(value)) => {
            let number = number(&value)?;
            let bound = if negated { Test::Least(number.checked_add(1)?) } else { Test::Most(number) };
            (arg1.to_string(), bound)
        }
        (BinaryOp::Less, negated, Some(value), None) => {
            let number = number(&value)?;
            let bound = if negated { Test::Most(number) } else { Test::Least(number.checked_add(1)?) };
            (arg2.to_string(), bound)
        }
        (BinaryOp::LessEq, negated, Some(value), None) => {
            let number = number(&value)?;
            let bound = if negated { Test::Most(number.checked_sub(1)?) } else { Test::Least(number) };
            (arg2.to_string(), bound)
        }
        _ => return None,
    })
}

/// A whole number that orders values of its kind: integers, and milliseconds.
fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Long(number) => Some(*number),
        Value::Datetime(time) => Some(time.0),
        Value::Duration(length) => Some(length.0),
        _ => None,
    }
}

/// The value of a constant expression.
pub(super) fn constant(expr: &Expr) -> Option<Value> {
    match expr.expr_kind() {
        ExprKind::Lit(literal) => Some(convert::literal(literal)),
        ExprKind::Set(members) => Some(Value::set(members.iter().map(constant).collect::<Option<Vec<_>>>()?)),
        ExprKind::UnaryApp { op: UnaryOp::Neg, arg } => match constant(arg)? {
            Value::Long(number) => number.checked_neg().map(Value::Long),
            _ => None,
        },
        ExprKind::ExtensionFunctionApp { fn_name, args } => {
            let arguments = args.iter().map(constant).collect::<Option<Vec<_>>>()?;
            convert::constructed(&fn_name.to_string(), &arguments)
        }
        _ => None,
    }
}

/// Whether a leaf is true or false whatever is asked.
pub(super) fn constant_truth(expr: &Expr) -> Option<bool> {
    if let Some(Value::Bool(value)) = constant(expr) {
        return Some(value);
    }
    let ExprKind::BinaryApp { op, arg1, arg2 } = expr.expr_kind() else { return None };
    if matches!(op, BinaryOp::Eq | BinaryOp::In | BinaryOp::LessEq) && arg1.eq_shape(arg2) {
        return Some(true);
    }
    let (left, right) = (constant(arg1)?, constant(arg2)?);
    match (op, number(&left), number(&right)) {
        (BinaryOp::Eq, _, _) => Some(left == right),
        (BinaryOp::Less, Some(left), Some(right)) => Some(left < right),
        (BinaryOp::LessEq, Some(left), Some(right)) => Some(left <= right),
        (BinaryOp::Contains, _, _) => match left {
            Value::Set(set) => Some(set.members().contains(&right)),
            _ => None,
        },
        _ => None,
    }
}
