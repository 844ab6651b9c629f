//! Expressions.

use alloc::vec::Vec;
use core::cmp::Ordering;

use super::{
    Evaluation, Fault,
    outcome::ErrorKind,
    val::{Ent, RecordRef, SetRef, Val},
};
use crate::policy::{
    extension::{Datetime, Decimal, Duration, IpNet},
    image::{
        lookup::type_name,
        tables::{Binary, Function, Node, NodeId, Run, Unary, Var},
    },
};

type Found<'a> = Result<Val<'a>, ErrorKind>;

/// Scratch sets up to this size are sorted in place.
const SORTED_IN_PLACE: usize = 16;

impl<'a> Evaluation<'a> {
    /// A clause of a policy: it must be a boolean.
    pub(super) fn condition(&mut self, node: NodeId) -> Result<bool, Fault> {
        match self.value(node)? {
            Val::Bool(value) => Ok(value),
            _ => Err(Fault { kind: ErrorKind::Type, node }),
        }
    }

    /// The value of an expression, as it was found before or anew.
    pub(super) fn value(&mut self, node: NodeId) -> Result<Val<'a>, Fault> {
        let Some(place) = self.image.lookup().memo(node) else {
            return self.compute(node);
        };
        if let Some(found) = self.memo.get(place) {
            return found;
        }
        let found = self.compute(node);
        self.memo.keep(place, found);
        found
    }

    /// Recursion is bounded by the depth that decoding accepts.
    fn compute(&mut self, node: NodeId) -> Result<Val<'a>, Fault> {
        let at = |kind| Fault { kind, node };
        self.step().map_err(at)?;
        let image = self.image;
        let tables = image.tables();
        // Decoding checked the reference.
        let Some(row) = tables.nodes.rows.get(node as usize) else {
            return Err(at(ErrorKind::Limit));
        };
        match *row {
            Node::Const(constant) => Ok(self.constant(constant)),
            Node::Var(var) => Ok(match var {
                Var::Principal => Val::Entity(self.principal.entity),
                Var::Action => Val::Entity(self.action.entity),
                Var::Resource => Val::Entity(self.resource.entity),
                Var::Context => Val::Record(RecordRef::Request(self.request.context)),
            }),
            Node::And(run) => {
                for operand in run.of(&tables.nodes.operands) {
                    if !self.condition(*operand)? {
                        return Ok(Val::Bool(false));
                    }
                }
                Ok(Val::Bool(true))
            }
            Node::Or(run) => {
                for operand in run.of(&tables.nodes.operands) {
                    if self.condition(*operand)? {
                        return Ok(Val::Bool(true));
                    }
                }
                Ok(Val::Bool(false))
            }
            Node::If(run) => match *run.of(&tables.nodes.operands) {
                [condition, then, otherwise] => {
                    let chosen = if self.condition(condition)? { then } else { otherwise };
                    self.value(chosen)
                }
                _ => Err(at(ErrorKind::Limit)),
            },
            Node::Unary(operator, operand) => {
                let value = self.value(operand)?;
                self.unary(operator, value).map_err(at)
            }
            Node::Binary(operator, left, right) => {
                let left = self.value(left)?;
                let right = self.value(right)?;
                self.binary(operator, left, right).map_err(at)
            }
            Node::Attr(object, name) => {
                let object = self.value(object)?;
                self.member_named(object, tables.strings.get(name)).map_err(at)
            }
            Node::Has(object, name) => {
                let object = self.value(object)?;
                self.has(object, tables.strings.get(name)).map(|found| Val::Bool(found.is_some())).map_err(at)
            }
            Node::HasPath(object, names) => {
                let mut object = self.value(object)?;
                for name in names.of(&tables.nodes.names) {
                    match self.has(object, tables.strings.get(*name)).map_err(at)? {
                        Some(next) => object = next,
                        None => return Ok(Val::Bool(false)),
                    }
                }
                Ok(Val::Bool(true))
            }
            Node::Like(object, pattern) => match self.value(object)? {
                Val::String(text) => Ok(Val::Bool(self.like(text, pattern))),
                _ => Err(at(ErrorKind::Type)),
            },
            Node::Is(object, ty) => match self.value(object)? {
                Val::Entity(entity) => Ok(Val::Bool(self.name(entity).0 == type_name(tables, ty))),
                _ => Err(at(ErrorKind::Type)),
            },
            Node::Set(run) => {
                let start = self.operands(run)?;
                let len = self.sort_scratch(start, run.len).map_err(at)?;
                Ok(Val::Set(SetRef::Scratch(Run { start, len })))
            }
            Node::Record(names, start) => {
                let start = self.operands(Run { start, len: names.len })?;
                Ok(Val::Record(RecordRef::Scratch(names, start)))
            }
            Node::Call(function, run) => {
                let start = self.operands(run)?;
                let argument = |at: u32| self.scratch.get(start.saturating_add(at) as usize);
                let count = run.len;
                let (first, second) = (argument(0), argument(1).filter(|_| count > 1));
                match first.filter(|_| count == function.arity()) {
                    Some(first) => call(function, first, second).map_err(at),
                    None => Err(at(ErrorKind::Extension)),
                }
            }
        }
    }

    /// Evaluates a run of operands into the scratch space and returns where they start.
    fn operands(&mut self, run: Run) -> Result<u32, Fault> {
        let start = self.scratch.len();
        for _ in 0..run.len {
            self.scratch.push(Val::Bool(false));
        }
        let image = self.image;
        for (at, operand) in run.of(&image.tables().nodes.operands).iter().enumerate() {
            let value = self.value(*operand)?;
            self.scratch.set(start + at, value);
        }
        // Each step adds at most one run, and steps are bounded.
        Ok(u32::try_from(start).unwrap_or(u32::MAX))
    }

    /// Sorts a set in the scratch space, drops repeats and returns how many members are left.
    fn sort_scratch(&mut self, start: u32, len: u32) -> Result<u32, ErrorKind> {
        let (start, len) = (start as usize, len as usize);
        if len <= SORTED_IN_PLACE {
            for next in 1..len {
                let mut at = next;
                while at > 0 {
                    let pair = (self.scratch.get(start + at - 1), self.scratch.get(start + at));
                    let (Some(before), Some(value)) = pair else {
                        break;
                    };
                    if self.compare(before, value, 0)?.is_le() {
                        break;
                    }
                    self.scratch.set(start + at - 1, value);
                    self.scratch.set(start + at, before);
                    at -= 1;
                }
            }
        } else {
            let mut values: Vec<Val<'a>> =
                (start..start + len).filter_map(|at| self.scratch.get(at)).collect();
            let mut failed = None;
            values.sort_by(|a, b| {
                self.compare(*a, *b, 0).unwrap_or_else(|kind| {
                    failed = Some(kind);
                    Ordering::Equal
                })
            });
            if let Some(kind) = failed {
                return Err(kind);
            }
            for (at, value) in values.into_iter().enumerate() {
                self.scratch.set(start + at, value);
            }
        }
        let mut kept: usize = 0;
        for next in start..start + len {
            let Some(value) = self.scratch.get(next) else {
                break;
            };
            let repeated = match kept.checked_sub(1).and_then(|last| self.scratch.get(start + last)) {
                Some(last) => self.equal(last, value)?,
                None => false,
            };
            if !repeated {
                self.scratch.set(start + kept, value);
                kept += 1;
            }
        }
        Ok(u32::try_from(kept).unwrap_or(u32::MAX))
    }

    fn unary(&mut self, operator: Unary, value: Val<'a>) -> Found<'a> {
        match (operator, value) {
            (Unary::Not, Val::Bool(value)) => Ok(Val::Bool(!value)),
            (Unary::Neg, Val::Long(value)) => value.checked_neg().map(Val::Long).ok_or(ErrorKind::Overflow),
            (Unary::IsEmpty, Val::Set(set)) => Ok(Val::Bool(self.set_len(set) == 0)),
            (Unary::Not | Unary::Neg | Unary::IsEmpty, _) => Err(ErrorKind::Type),
        }
    }

    fn binary(&mut self, operator: Binary, left: Val<'a>, right: Val<'a>) -> Found<'a> {
        match operator {
            Binary::Eq => self.equal(left, right).map(Val::Bool),
            Binary::Less => match (left, right) {
                (Val::Long(a), Val::Long(b)) => Ok(Val::Bool(a < b)),
                (Val::Datetime(a), Val::Datetime(b)) => Ok(Val::Bool(a < b)),
                (Val::Duration(a), Val::Duration(b)) => Ok(Val::Bool(a < b)),
                _ => Err(ErrorKind::Type),
            },
            Binary::LessEq => match (left, right) {
                (Val::Long(a), Val::Long(b)) => Ok(Val::Bool(a <= b)),
                (Val::Datetime(a), Val::Datetime(b)) => Ok(Val::Bool(a <= b)),
                (Val::Duration(a), Val::Duration(b)) => Ok(Val::Bool(a <= b)),
                _ => Err(ErrorKind::Type),
            },
            Binary::Add => arithmetic(left, right, i64::checked_add),
            Binary::Sub => arithmetic(left, right, i64::checked_sub),
            Binary::Mul => arithmetic(left, right, i64::checked_mul),
            Binary::In => match (left, right) {
                (Val::Entity(entity), Val::Entity(target)) => self.lies_in(entity, target).map(Val::Bool),
                (Val::Entity(entity), Val::Set(targets)) => self.in_any(entity, targets),
                _ => Err(ErrorKind::Type),
            },
            Binary::Contains => match left {
                Val::Set(set) => self.contains(set, right).map(Val::Bool),
                _ => Err(ErrorKind::Type),
            },
            Binary::ContainsAll => match (left, right) {
                (Val::Set(set), Val::Set(wanted)) => self.contains_all(set, wanted).map(Val::Bool),
                _ => Err(ErrorKind::Type),
            },
            Binary::ContainsAny => match (left, right) {
                (Val::Set(set), Val::Set(wanted)) => self.contains_any(set, wanted).map(Val::Bool),
                _ => Err(ErrorKind::Type),
            },
            Binary::GetTag => match (left, right) {
                (Val::Entity(entity), Val::String(name)) => self.tag(entity, name),
                _ => Err(ErrorKind::Type),
            },
            Binary::HasTag => match (left, right) {
                (Val::Entity(entity), Val::String(name)) => Ok(Val::Bool(self.tag(entity, name).is_ok())),
                _ => Err(ErrorKind::Type),
            },
        }
    }

    /// `entity in target`, by the ancestors already found where they are of use.
    fn lies_in(&self, entity: Ent<'a>, target: Ent<'a>) -> Result<bool, ErrorKind> {
        let (entity, target) = (self.resolve(entity), self.resolve(target));
        if let Ent::Known(target) = target
            && let Some(ancestry) = self.party_place(entity).and_then(|party| self.ancestry_of(party))
        {
            return Ok(ancestry.contains(&target));
        }
        self.is_in(entity, |ancestor| self.same(ancestor, target))
    }

    /// `entity in [a, b, …]`: every member must be an entity, even after one that matches.
    fn in_any(&self, entity: Ent<'a>, targets: SetRef<'a>) -> Found<'a> {
        let len = self.set_len(targets);
        self.steps(len)?;
        let target = |at: usize| match self.member(targets, at) {
            Some(Val::Entity(target)) => Some(self.resolve(target)),
            _ => None,
        };
        let entity = self.resolve(entity);
        let ancestry = self.party_place(entity).and_then(|party| self.ancestry_of(party));
        let (mut found, mut told) = (false, true);
        for at in 0..len {
            match (target(at).ok_or(ErrorKind::Type)?, ancestry) {
                (Ent::Known(target), Some(ancestry)) => found = found || ancestry.contains(&target),
                _ => told = false,
            }
        }
        if found || told {
            return Ok(Val::Bool(found));
        }
        // The members are sorted.
        let among = |ancestor: Ent<'a>| {
            let (mut low, mut high) = (0, len);
            while low < high {
                let middle = low + (high - low) / 2;
                match target(middle).map(|target| self.entity_order(target, ancestor)) {
                    Some(Ordering::Less) => low = middle + 1,
                    Some(Ordering::Greater) => high = middle,
                    Some(Ordering::Equal) => return true,
                    None => return false,
                }
            }
            false
        };
        self.is_in(entity, among).map(Val::Bool)
    }

    fn member_named(&self, object: Val<'a>, name: &str) -> Found<'a> {
        match object {
            Val::Entity(entity) => self.attribute(entity, name),
            Val::Record(record) => self.field(record, name).ok_or(ErrorKind::MissingAttribute),
            _ => Err(ErrorKind::Type),
        }
    }

    fn has(&self, object: Val<'a>, name: &str) -> Result<Option<Val<'a>>, ErrorKind> {
        match object {
            Val::Entity(entity) => Ok(self.attribute(entity, name).ok()),
            Val::Record(record) => Ok(self.field(record, name)),
            _ => Err(ErrorKind::Type),
        }
    }

    /// Whether `text` matches a pattern: the first piece at its start, the last at its end, the others between
    /// them in order.
    fn like(&self, text: &str, pattern: u32) -> bool {
        let tables = self.image.tables();
        let pieces = match tables.patterns.rows.get(pattern as usize) {
            Some(run) => run.of(&tables.patterns.pieces),
            None => &[],
        };
        let piece = |sym: &u32| tables.strings.get(*sym);
        match pieces {
            [] => false,
            [only] => piece(only) == text,
            [first, between @ .., last] => {
                let Some(rest) = text.strip_prefix(piece(first)) else {
                    return false;
                };
                let Some(mut rest) = rest.strip_suffix(piece(last)) else {
                    return false;
                };
                between.iter().all(|sym| {
                    let wanted = piece(sym);
                    match rest.find(wanted).and_then(|at| rest.get(at.checked_add(wanted.len())?..)) {
                        Some(after) => {
                            rest = after;
                            true
                        }
                        None => false,
                    }
                })
            }
        }
    }
}

fn arithmetic<'a>(left: Val<'a>, right: Val<'a>, operator: fn(i64, i64) -> Option<i64>) -> Found<'a> {
    match (left, right) {
        (Val::Long(a), Val::Long(b)) => operator(a, b).map(Val::Long).ok_or(ErrorKind::Overflow),
        _ => Err(ErrorKind::Type),
    }
}

/// A function or method of the extension types; `second` is there where it takes two arguments.
fn call<'a>(function: Function, first: Val<'a>, second: Option<Val<'a>>) -> Found<'a> {
    let failed = ErrorKind::Extension;
    let text = || match first {
        Val::String(text) => Ok(text),
        _ => Err(ErrorKind::Type),
    };
    let address = |value: Option<Val<'a>>| match value {
        Some(Val::Ip(address)) => Ok(address),
        _ => Err(ErrorKind::Type),
    };
    let decimals = || match (first, second) {
        (Val::Decimal(a), Some(Val::Decimal(b))) => Ok((a, b)),
        _ => Err(ErrorKind::Type),
    };
    let time = || match first {
        Val::Datetime(time) => Ok(time),
        _ => Err(ErrorKind::Type),
    };
    let length = || match first {
        Val::Duration(length) => Ok(length),
        _ => Err(ErrorKind::Type),
    };
    Ok(match function {
        Function::Decimal => Val::Decimal(Decimal::parse(text()?).ok_or(failed)?),
        Function::Ip => Val::Ip(IpNet::parse(text()?).ok_or(failed)?),
        Function::Datetime => Val::Datetime(Datetime::parse(text()?).ok_or(failed)?),
        Function::Duration => Val::Duration(Duration::parse(text()?).ok_or(failed)?),
        Function::LessThan => decimals().map(|(a, b)| Val::Bool(a < b))?,
        Function::LessThanOrEqual => decimals().map(|(a, b)| Val::Bool(a <= b))?,
        Function::GreaterThan => decimals().map(|(a, b)| Val::Bool(a > b))?,
        Function::GreaterThanOrEqual => decimals().map(|(a, b)| Val::Bool(a >= b))?,
        Function::IsIpv4 => Val::Bool(address(Some(first))?.is_ipv4()),
        Function::IsIpv6 => Val::Bool(!address(Some(first))?.is_ipv4()),
        Function::IsLoopback => Val::Bool(address(Some(first))?.is_loopback()),
        Function::IsMulticast => Val::Bool(address(Some(first))?.is_multicast()),
        Function::IsInRange => {
            let (address, range) = (address(Some(first))?, address(second)?);
            Val::Bool(address.is_in_range(&range))
        }
        Function::Offset => match (time()?, second) {
            (time, Some(Val::Duration(length))) => Val::Datetime(time.offset(length).ok_or(failed)?),
            _ => return Err(ErrorKind::Type),
        },
        Function::DurationSince => match (time()?, second) {
            (time, Some(Val::Datetime(since))) => Val::Duration(time.duration_since(since).ok_or(failed)?),
            _ => return Err(ErrorKind::Type),
        },
        Function::ToDate => Val::Datetime(time()?.to_date().ok_or(failed)?),
        Function::ToTime => Val::Duration(time()?.to_time()),
        Function::ToMilliseconds => Val::Long(length()?.to_milliseconds()),
        Function::ToSeconds => Val::Long(length()?.to_seconds()),
        Function::ToMinutes => Val::Long(length()?.to_minutes()),
        Function::ToHours => Val::Long(length()?.to_hours()),
        Function::ToDays => Val::Long(length()?.to_days()),
    })
}
