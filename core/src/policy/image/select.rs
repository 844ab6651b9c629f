//! What a policy lets the index ask: for each question, the answers without which the policy can't be satisfied
//! and can't be in error either.
//!
//! The compiler chooses among these, and a reader holds the tree against them. Scopes never fail. A condition
//! may be asked about only where those before it can't fail, which is what guards are for.

use alloc::vec::Vec;

use super::{
    index::{Demand, Facet, Guard, MAX_GUARDS, Scale},
    tables::{
        ActionScope, Binary, Const, ConstId, Function, Node, NodeId, PolicyRow, Run, Scope, Tables, Unary,
        Var,
    },
};

/// Conditions after this many are not looked at.
const MAX_CLAUSES: usize = 16;
/// A policy is under this many answers of one question at most.
const MAX_KEYS: u32 = 16;
/// Expressions looked at for the guards of one condition.
const MAX_VISITS: usize = 64;

/// One question that a policy lets the index ask.
#[derive(Clone, Copy, Debug)]
pub struct Selector {
    /// What is asked.
    pub facet: Facet,
    /// Of which expression.
    pub node: NodeId,
    /// What must hold first: a run of [`Selectors::guards`].
    pub guards: Run,
    /// The answers that keep the policy: a run of [`Selectors::keys`], sorted; of ranges the two ends.
    pub keys: Run,
}

/// The questions of all policies.
#[derive(Debug, Default)]
pub struct Selectors {
    rows: Vec<Selector>,
    guards: Vec<Guard>,
    keys: Vec<i64>,
    policies: Vec<Run>,
}

impl Selectors {
    /// Looks through all policies. A condition that is `required` becomes a guard as it stands.
    #[must_use]
    pub fn new(tables: &Tables, required: &dyn Fn(NodeId) -> bool) -> Self {
        let mut selectors = Self::default();
        let vars = Vars::find(tables);
        for row in &tables.policies.rows {
            let start = selectors.rows.len();
            selectors.add(tables, row, &vars, required);
            let run = run_since(start, selectors.rows.len());
            selectors.policies.push(run);
        }
        selectors
    }

    /// Those of the policy at `index`.
    #[must_use]
    pub fn of(&self, index: usize) -> &[Selector] {
        self.policies.get(index).map_or(&[], |run| run.of(&self.rows))
    }

    /// A selector's guards.
    #[must_use]
    pub fn guards(&self, selector: &Selector) -> &[Guard] {
        selector.guards.of(&self.guards)
    }

    /// A selector's answers.
    #[must_use]
    pub fn keys(&self, selector: &Selector) -> &[i64] {
        selector.keys.of(&self.keys)
    }

    fn add(&mut self, tables: &Tables, row: &PolicyRow, vars: &Vars, required: &dyn Fn(NodeId) -> bool) {
        let first = self.rows.len();
        let no_guards = run_since(self.guards.len(), self.guards.len());
        let start = self.guards.len();
        self.party(vars.principal, row.principal, no_guards);
        match row.action {
            ActionScope::Any => {}
            ActionScope::Eq(uid) => self.one(vars.action, Facet::Same, uid, no_guards),
            ActionScope::In(run) => {
                let at = self.keys.len();
                self.keys.extend(run.of(&tables.policies.actions).iter().copied().map(i64::from));
                self.several(vars.action, Facet::In, at, no_guards);
            }
        }
        self.party(vars.resource, row.resource, no_guards);
        for clause in row.clauses.of(&tables.policies.clauses).iter().take(MAX_CLAUSES) {
            let guards = run_since(start, self.guards.len());
            self.clause(tables, clause.node, guards, first);
            let mut known = Known { guards: &mut self.guards, start, visits: MAX_VISITS };
            let certain = if required(clause.node) {
                known.demand(Demand::True, clause.node)
            } else {
                known.certain(tables, clause.node, Demand::Bool)
            };
            if !certain || self.guards.len() - start > MAX_GUARDS {
                break;
            }
        }
    }

    fn party(&mut self, var: Option<NodeId>, scope: Scope, guards: Run) {
        match scope {
            Scope::Any => {}
            Scope::Eq(uid) => self.one(var, Facet::Same, uid, guards),
            Scope::In(uid) => self.one(var, Facet::In, uid, guards),
            Scope::Is(ty) => self.one(var, Facet::Is, ty, guards),
            Scope::IsIn(ty, uid) => {
                self.one(var, Facet::In, uid, guards);
                self.one(var, Facet::Is, ty, guards);
            }
        }
    }

    fn one(&mut self, node: Option<NodeId>, facet: Facet, key: u32, guards: Run) {
        let at = self.keys.len();
        self.keys.push(i64::from(key));
        self.several(node, facet, at, guards);
    }

    /// A selector with the keys that were added since there were `at`, or none where there are too many.
    fn several(&mut self, node: Option<NodeId>, facet: Facet, at: usize, guards: Run) {
        if let Some(keys) = self.keys.get_mut(at..) {
            keys.sort_unstable();
        }
        let mut kept = at;
        for next in at..self.keys.len() {
            let key = self.keys.get(next).copied();
            if (kept == at || self.keys.get(kept - 1).copied() != key)
                && let (Some(place), Some(key)) = (self.keys.get_mut(kept), key)
            {
                *place = key;
                kept += 1;
            }
        }
        self.keys.truncate(kept);
        let keys = run_since(at, kept);
        match node {
            Some(node) if (1..=MAX_KEYS).contains(&keys.len) => {
                self.rows.push(Selector { facet, node, guards, keys });
            }
            _ => self.keys.truncate(at),
        }
    }

    /// The selectors of a condition; `first` is where those of its policy start.
    fn clause(&mut self, tables: &Tables, node: NodeId, guards: Run, first: usize) {
        let at = self.keys.len();
        match asked(tables, node) {
            Some(Asked::Keys(facet, of)) if collect(tables, node, facet, of, &mut self.keys) => {
                self.several(Some(of), facet, at, guards);
            }
            Some(Asked::Range(scale, of, low, high)) => self.range(scale, of, (low, high), guards, first),
            Some(Asked::Keys(..)) | None => self.keys.truncate(at),
        }
        let (of, key) = match tables.nodes.rows.get(node as usize) {
            Some(Node::Unary(Unary::Not, of)) => (*of, 0),
            Some(Node::Const(_)) => return,
            _ => (node, 1),
        };
        self.one(Some(of), Facet::Truth, key, guards);
    }

    fn range(&mut self, scale: Scale, node: NodeId, (low, high): (i64, i64), guards: Run, first: usize) {
        let facet = if low == i64::MIN { Facet::AtMost(scale) } else { Facet::AtLeast(scale) };
        let other = if low == i64::MIN { Facet::AtLeast(scale) } else { Facet::AtMost(scale) };
        let earlier = self.rows.iter().skip(first).find(|row| row.facet == other && row.node == node);
        let ends = earlier.and_then(|row| match *row.keys.of(&self.keys) {
            [a, b] => Some((a.max(low), b.min(high))),
            _ => None,
        });
        let mut push = |facet, (low, high): (i64, i64)| {
            let at = self.keys.len();
            self.keys.extend([low, high]);
            let keys = run_since(at, self.keys.len());
            self.rows.push(Selector { facet, node, guards, keys });
        };
        push(facet, (low, high));
        if let Some((low, high)) = ends.filter(|(low, high)| low <= high) {
            push(Facet::Band(scale), (low, high));
        }
    }
}

fn run_since(start: usize, end: usize) -> Run {
    let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Run { start: narrow(start), len: narrow(end - start) }
}

/// Where the request's variables stand among the expressions.
struct Vars {
    principal: Option<NodeId>,
    action: Option<NodeId>,
    resource: Option<NodeId>,
}

impl Vars {
    fn find(tables: &Tables) -> Self {
        let find = |var: Var| {
            let at = tables.nodes.rows.iter().position(|row| *row == Node::Var(var))?;
            u32::try_from(at).ok()
        };
        Self { principal: find(Var::Principal), action: find(Var::Action), resource: find(Var::Resource) }
    }
}

/// What a condition asks of one expression.
enum Asked {
    /// One of several keys, to be collected.
    Keys(Facet, NodeId),
    /// That it lies within two ends.
    Range(Scale, NodeId, i64, i64),
}

/// Whether a condition asks anything but its own truth.
#[must_use]
pub fn is_selective(tables: &Tables, node: NodeId) -> bool {
    asked(tables, node).is_some()
}

fn asked(tables: &Tables, node: NodeId) -> Option<Asked> {
    let rows = &tables.nodes.rows;
    match *rows.get(node as usize)? {
        Node::Binary(Binary::Less | Binary::LessEq, ..) => range(tables, node, true),
        Node::Unary(Unary::Not, inner) => range(tables, inner, false),
        // All alternatives must ask the same as the first.
        Node::Or(run) => match asked(tables, *run.of(&tables.nodes.operands).first()?)? {
            Asked::Keys(facet, of) => Some(Asked::Keys(facet, of)),
            Asked::Range(..) => None,
        },
        Node::Is(of, _) => Some(Asked::Keys(Facet::Is, of)),
        Node::Binary(operator, left, right) => {
            let (left_const, right_const) = (constant(tables, left), constant(tables, right));
            let (facet, of) = match (operator, left_const, right_const) {
                (Binary::Eq, None, Some(value)) => (equality(tables, value, false)?, left),
                (Binary::Eq, Some(value), None) => (equality(tables, value, false)?, right),
                (Binary::In, None, Some(_)) => (Facet::In, left),
                (Binary::Contains, None, Some(value)) => (membership(equality(tables, value, false)?), left),
                (Binary::Contains, Some(value), None) => (equality(tables, value, true)?, right),
                (Binary::ContainsAny | Binary::ContainsAll, None, Some(value)) => {
                    (membership(equality(tables, value, true)?), left)
                }
                (Binary::ContainsAny, Some(value), None) => {
                    (membership(equality(tables, value, true)?), right)
                }
                _ => return None,
            };
            Some(Asked::Keys(facet, of))
        }
        _ => None,
    }
}

fn membership(facet: Facet) -> Facet {
    if facet == Facet::Same { Facet::MemberEntity } else { Facet::Member }
}

/// How a constant, or the first member of one, is asked for.
fn equality(tables: &Tables, value: ConstId, first_member: bool) -> Option<Facet> {
    let constants = &tables.constants;
    match *constants.rows.get(value as usize)? {
        Const::Set(run) if first_member => equality(tables, *run.of(&constants.members).first()?, false),
        _ if first_member => None,
        Const::Set(_) | Const::Record(_) => None,
        Const::Entity(_) => Some(Facet::Same),
        _ => Some(Facet::Equal),
    }
}

fn constant(tables: &Tables, node: NodeId) -> Option<ConstId> {
    match tables.nodes.rows.get(node as usize)? {
        Node::Const(id) => Some(*id),
        _ => None,
    }
}

/// Adds the keys of `node`, which asks `facet` of `of`; false where it doesn't quite.
fn collect(tables: &Tables, node: NodeId, facet: Facet, of: NodeId, keys: &mut Vec<i64>) -> bool {
    let Some(row) = tables.nodes.rows.get(node as usize) else {
        return false;
    };
    match *row {
        Node::Or(run) => {
            let operands = run.of(&tables.nodes.operands);
            run.len <= MAX_KEYS
                && operands.iter().all(|operand| {
                    !matches!(tables.nodes.rows.get(*operand as usize), Some(Node::Or(_)))
                        && matches!(asked(tables, *operand), Some(Asked::Keys(f, o)) if f == facet && o == of)
                        && collect(tables, *operand, facet, of, keys)
                })
        }
        Node::Is(_, ty) => {
            keys.push(i64::from(ty));
            true
        }
        Node::Binary(operator, left, right) => {
            let Some(value) = constant(tables, right).or_else(|| constant(tables, left)) else {
                return false;
            };
            // Of `containsAll` any member will do.
            let most = if operator == Binary::ContainsAll { 1 } else { MAX_KEYS };
            match tables.constants.rows.get(value as usize) {
                Some(Const::Set(run)) => {
                    let members = run.of(&tables.constants.members);
                    let most = most as usize;
                    (operator == Binary::ContainsAll || members.len() <= most)
                        && members.iter().take(most).all(|member| key(tables, *member, facet, keys))
                }
                _ => key(tables, value, facet, keys),
            }
        }
        _ => false,
    }
}

fn key(tables: &Tables, value: ConstId, facet: Facet, keys: &mut Vec<i64>) -> bool {
    let key = match (tables.constants.rows.get(value as usize), facet) {
        (Some(Const::Entity(uid)), Facet::Same | Facet::In | Facet::MemberEntity) => *uid,
        (Some(Const::Set(_) | Const::Record(_) | Const::Entity(_)) | None, _) => return false,
        (Some(_), Facet::Equal | Facet::Member) => value,
        (Some(_), _) => return false,
    };
    keys.push(i64::from(key));
    true
}

/// `a < b` and `a <= b`, with a constant on one side, or their opposites.
fn range(tables: &Tables, node: NodeId, holds: bool) -> Option<Asked> {
    let (left, right, strict) = match *tables.nodes.rows.get(node as usize)? {
        Node::Binary(Binary::Less, left, right) => (left, right, true),
        Node::Binary(Binary::LessEq, left, right) => (left, right, false),
        _ => return None,
    };
    let scaled = |node: NodeId| match *tables.constants.rows.get(constant(tables, node)? as usize)? {
        Const::Long(value) => Some((Scale::Long, value)),
        Const::Datetime(value) => Some((Scale::Datetime, value.0)),
        Const::Duration(value) => Some((Scale::Duration, value.0)),
        _ => None,
    };
    match (scaled(left), scaled(right)) {
        (None, Some((scale, end))) if constant(tables, left).is_none() => {
            // Below the end, or above it where the comparison is denied.
            let (low, high) = match (holds, strict) {
                (true, true) => (i64::MIN, end.checked_sub(1)?),
                (true, false) => (i64::MIN, end),
                (false, true) => (end, i64::MAX),
                (false, false) => (end.checked_add(1)?, i64::MAX),
            };
            one_sided(low, high).then_some(Asked::Range(scale, left, low, high))
        }
        (Some((scale, end)), None) if constant(tables, right).is_none() => {
            let (low, high) = match (holds, strict) {
                (true, true) => (end.checked_add(1)?, i64::MAX),
                (true, false) => (end, i64::MAX),
                (false, true) => (i64::MIN, end),
                (false, false) => (i64::MIN, end.checked_sub(1)?),
            };
            one_sided(low, high).then_some(Asked::Range(scale, right, low, high))
        }
        _ => None,
    }
}

/// Whether exactly one end means anything.
fn one_sided(low: i64, high: i64) -> bool {
    (low == i64::MIN) != (high == i64::MAX)
}

/// What is known of the request once the guards hold.
struct Known<'g> {
    guards: &'g mut Vec<Guard>,
    /// Where the policy's own start.
    start: usize,
    visits: usize,
}

impl Known<'_> {
    fn demand(&mut self, demand: Demand, node: NodeId) -> bool {
        let guard = Guard { demand, node };
        let known = self.guards.iter().skip(self.start).any(|have| *have == guard);
        if !known {
            self.guards.push(guard);
        }
        true
    }

    /// Adds what makes `node` evaluate to what is wanted; false where nothing can.
    fn certain(&mut self, tables: &Tables, node: NodeId, want: Demand) -> bool {
        match self.visits.checked_sub(1) {
            Some(left) => self.visits = left,
            None => return false,
        }
        let Some(row) = tables.nodes.rows.get(node as usize) else {
            return false;
        };
        let boolean = matches!(want, Demand::Any | Demand::Bool);
        match *row {
            Node::Const(id) => tables.constants.rows.get(id as usize).is_some_and(|row| suits(*row, want)),
            Node::Var(var) => matches!(
                (var, want),
                (_, Demand::Any | Demand::Object)
                    | (Var::Principal | Var::Action | Var::Resource, Demand::Entity)
            ),
            Node::Unary(Unary::Not, of) => boolean && self.certain(tables, of, Demand::Bool),
            Node::Unary(Unary::IsEmpty, of) => boolean && self.certain(tables, of, Demand::Set),
            Node::Has(of, _) => boolean && self.certain(tables, of, Demand::Object),
            Node::Like(of, _) => boolean && self.certain(tables, of, Demand::String),
            Node::Is(of, _) => boolean && self.certain(tables, of, Demand::Entity),
            Node::And(run) | Node::Or(run) => {
                let operands = run.of(&tables.nodes.operands);
                boolean && operands.iter().all(|operand| self.certain(tables, *operand, Demand::Bool))
            }
            Node::Binary(operator, left, right) => match operands(tables, operator, left, right) {
                Some((a, b)) => boolean && self.certain(tables, left, a) && self.certain(tables, right, b),
                None => self.demand(want, node),
            },
            Node::Call(function, run) => match (arguments(function), run.of(&tables.nodes.operands)) {
                (Some(kind), operands) if run.len == function.arity() => {
                    boolean && operands.iter().all(|operand| self.certain(tables, *operand, kind))
                }
                _ => self.demand(want, node),
            },
            Node::Unary(Unary::Neg, _)
            | Node::If(_)
            | Node::Attr(..)
            | Node::HasPath(..)
            | Node::Set(_)
            | Node::Record(..) => self.demand(want, node),
        }
    }
}

/// What the operands of an operator must be so that it gives a boolean for certain.
fn operands(tables: &Tables, operator: Binary, left: NodeId, right: NodeId) -> Option<(Demand, Demand)> {
    let kind = |node: NodeId| constant(tables, node).and_then(|id| tables.constants.rows.get(id as usize));
    Some(match operator {
        Binary::Eq => (Demand::Any, Demand::Any),
        Binary::Less | Binary::LessEq => {
            let ordered = match kind(left).or_else(|| kind(right))? {
                Const::Long(_) => Demand::Long,
                Const::Datetime(_) => Demand::Datetime,
                Const::Duration(_) => Demand::Duration,
                _ => return None,
            };
            (ordered, ordered)
        }
        Binary::In => match kind(right)? {
            Const::Entity(_) => (Demand::Entity, Demand::Any),
            Const::Set(run) => {
                let mut members = run.of(&tables.constants.members).iter();
                let entities = members
                    .all(|id| matches!(tables.constants.rows.get(*id as usize), Some(Const::Entity(_))));
                if !entities {
                    return None;
                }
                (Demand::Entity, Demand::Any)
            }
            _ => return None,
        },
        Binary::Contains => (Demand::Set, Demand::Any),
        Binary::ContainsAll | Binary::ContainsAny => (Demand::Set, Demand::Set),
        Binary::HasTag => (Demand::Entity, Demand::String),
        Binary::Add | Binary::Sub | Binary::Mul | Binary::GetTag => return None,
    })
}

/// What the arguments of a function must be so that it gives a boolean for certain.
fn arguments(function: Function) -> Option<Demand> {
    match function {
        Function::LessThan
        | Function::LessThanOrEqual
        | Function::GreaterThan
        | Function::GreaterThanOrEqual => Some(Demand::Decimal),
        Function::IsIpv4
        | Function::IsIpv6
        | Function::IsLoopback
        | Function::IsMulticast
        | Function::IsInRange => Some(Demand::Ip),
        _ => None,
    }
}

fn suits(value: Const, want: Demand) -> bool {
    match want {
        Demand::Any => true,
        Demand::Bool => matches!(value, Const::Bool(_)),
        Demand::True => value == Const::Bool(true),
        Demand::Long => matches!(value, Const::Long(_)),
        Demand::String => matches!(value, Const::String(_)),
        Demand::Entity => matches!(value, Const::Entity(_)),
        Demand::Set => matches!(value, Const::Set(_)),
        Demand::Object => matches!(value, Const::Entity(_) | Const::Record(_)),
        Demand::Decimal => matches!(value, Const::Decimal(_)),
        Demand::Datetime => matches!(value, Const::Datetime(_)),
        Demand::Duration => matches!(value, Const::Duration(_)),
        Demand::Ip => matches!(value, Const::Ip(_)),
    }
}
