//! Equality and order of values, by content, wherever they are kept.

use core::cmp::Ordering;

use super::{
    Evaluation,
    outcome::ErrorKind,
    val::{Ent, RecordRef, SetRef, Val},
};
use crate::policy::image::{
    Image, MAX_EXPRESSION_DEPTH, MAX_VALUE_DEPTH,
    tables::{Const, Run},
};

/// Beyond what constants and expressions may nest together.
const DEEPEST: u16 = MAX_VALUE_DEPTH + MAX_EXPRESSION_DEPTH;

impl<'a> Evaluation<'a> {
    pub(crate) fn equal(&mut self, a: Val<'a>, b: Val<'a>) -> Result<bool, ErrorKind> {
        match (a, b) {
            (Val::Bool(a), Val::Bool(b)) => Ok(a == b),
            (Val::Long(a), Val::Long(b)) => Ok(a == b),
            (Val::String(a), Val::String(b)) => Ok(a == b),
            (Val::Entity(a), Val::Entity(b)) => Ok(self.same(a, b)),
            _ => Ok(self.compare(a, b, 0)? == Ordering::Equal),
        }
    }

    pub(crate) fn same(&self, a: Ent<'a>, b: Ent<'a>) -> bool {
        match (a, b) {
            (Ent::Known(a), Ent::Known(b)) => a == b,
            (Ent::Known(_), Ent::Foreign(_)) | (Ent::Foreign(_), Ent::Known(_)) => false,
            (Ent::Foreign(a) | Ent::Named(a), Ent::Foreign(b) | Ent::Named(b)) => {
                core::ptr::eq(a, b) || a == b
            }
            (Ent::Known(known), Ent::Named(uid)) | (Ent::Named(uid), Ent::Known(known)) => {
                self.known_name(known) == (uid.ty(), uid.id())
            }
        }
    }

    /// The order of `Value`, whatever each side is kept in.
    pub(crate) fn compare(&mut self, a: Val<'a>, b: Val<'a>, depth: u16) -> Result<Ordering, ErrorKind> {
        self.step()?;
        if depth > DEEPEST {
            return Err(ErrorKind::Limit);
        }
        Ok(match (a, b) {
            (Val::Bool(a), Val::Bool(b)) => a.cmp(&b),
            (Val::Long(a), Val::Long(b)) => a.cmp(&b),
            (Val::String(a), Val::String(b)) => a.cmp(b),
            // The table of names is sorted.
            (Val::Entity(Ent::Known(a)), Val::Entity(Ent::Known(b))) => a.cmp(&b),
            (Val::Entity(a), Val::Entity(b)) => self.name(a).cmp(&self.name(b)),
            (Val::Set(a), Val::Set(b)) => self.compare_sets(a, b, depth)?,
            (Val::Record(a), Val::Record(b)) => self.compare_records(a, b, depth)?,
            (Val::Decimal(a), Val::Decimal(b)) => a.cmp(&b),
            (Val::Datetime(a), Val::Datetime(b)) => a.cmp(&b),
            (Val::Duration(a), Val::Duration(b)) => a.cmp(&b),
            (Val::Ip(a), Val::Ip(b)) => a.cmp(&b),
            (a, b) => a.rank().cmp(&b.rank()),
        })
    }

    fn compare_sets(&mut self, a: SetRef<'a>, b: SetRef<'a>, depth: u16) -> Result<Ordering, ErrorKind> {
        let mut at = 0;
        loop {
            match (self.member(a, at), self.member(b, at)) {
                (Some(left), Some(right)) => {
                    let order = self.compare(left, right, depth + 1)?;
                    if order != Ordering::Equal {
                        return Ok(order);
                    }
                }
                (left, right) => return Ok(left.is_some().cmp(&right.is_some())),
            }
            at += 1;
        }
    }

    fn compare_records(
        &mut self,
        a: RecordRef<'a>,
        b: RecordRef<'a>,
        depth: u16,
    ) -> Result<Ordering, ErrorKind> {
        let mut at = 0;
        loop {
            match (self.field_at(a, at), self.field_at(b, at)) {
                (Some((left_name, left)), Some((right_name, right))) => {
                    let order = match left_name.cmp(right_name) {
                        Ordering::Equal => self.compare(left, right, depth + 1)?,
                        order => order,
                    };
                    if order != Ordering::Equal {
                        return Ok(order);
                    }
                }
                (left, right) => return Ok(left.is_some().cmp(&right.is_some())),
            }
            at += 1;
        }
    }

    pub(crate) fn contains(&mut self, set: SetRef<'a>, wanted: Val<'a>) -> Result<bool, ErrorKind> {
        let (mut low, mut high) = (0, self.set_len(set));
        while low < high {
            let middle = low + (high - low) / 2;
            let Some(member) = self.member(set, middle) else {
                break;
            };
            match self.compare(member, wanted, 0)? {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return Ok(true),
            }
        }
        Ok(false)
    }

    pub(crate) fn contains_all(&mut self, set: SetRef<'a>, wanted: SetRef<'a>) -> Result<bool, ErrorKind> {
        let (len, few) = (self.set_len(set), self.set_len(wanted));
        if few > len {
            return Ok(false);
        }
        if !is_short(few, len) {
            return Ok(self.common(set, wanted, few)? == few);
        }
        for at in 0..self.set_len(wanted) {
            let Some(member) = self.member(wanted, at) else {
                break;
            };
            if !self.contains(set, member)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(crate) fn contains_any(&mut self, a: SetRef<'a>, b: SetRef<'a>) -> Result<bool, ErrorKind> {
        let (few, many) = if self.set_len(a) <= self.set_len(b) { (a, b) } else { (b, a) };
        if !is_short(self.set_len(few), self.set_len(many)) {
            return Ok(self.common(a, b, 1)? > 0);
        }
        for at in 0..self.set_len(few) {
            let Some(member) = self.member(few, at) else {
                break;
            };
            if self.contains(many, member)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// How many members two sets have in common, counted up to `most`: both are sorted.
    fn common(&mut self, a: SetRef<'a>, b: SetRef<'a>, most: usize) -> Result<usize, ErrorKind> {
        let (mut at, mut other, mut found) = (0, 0, 0);
        while found < most {
            let (Some(left), Some(right)) = (self.member(a, at), self.member(b, other)) else { break };
            let order = self.compare(left, right, 0)?;
            found += usize::from(order.is_eq());
            at += usize::from(order.is_le());
            other += usize::from(order.is_ge());
        }
        Ok(found)
    }

    /// The order of two resolved entities, as that of values.
    pub(super) fn entity_order(&self, a: Ent<'a>, b: Ent<'a>) -> Ordering {
        match (a, b) {
            (Ent::Known(a), Ent::Known(b)) => a.cmp(&b),
            (a, b) => self.name(a).cmp(&self.name(b)),
        }
    }
}

/// Whether looking `few` members up among `many` takes fewer steps than going through both.
fn is_short(few: usize, many: usize) -> bool {
    let search = usize::BITS - many.leading_zeros();
    few.saturating_mul(search as usize) < many
}

/// Whether the members of every constant set are sorted and distinct, found within a bounded number of steps.
pub(crate) fn constants_in_order(image: &Image) -> bool {
    let constants = &image.tables().constants;
    let empty = crate::policy::Record::new();
    let nobody = crate::policy::EntityUid::new("", "");
    let request = crate::policy::Request {
        principal: &nobody,
        action: &nobody,
        resource: &nobody,
        context: &empty,
        entities: &[],
    };
    let mut evaluation = Evaluation::new(image, &request);
    evaluation.allow_steps(constants.members.len().saturating_mul(64).saturating_add(1 << 20));
    let mut sorted = |run: Run| {
        let members = run.of(&constants.members);
        members.iter().zip(members.iter().skip(1)).all(|(a, b)| {
            let (a, b) = (evaluation.constant(*a), evaluation.constant(*b));
            evaluation.compare(a, b, 0) == Ok(Ordering::Less)
        })
    };
    constants.rows.iter().all(|row| match row {
        Const::Set(run) => sorted(*run),
        _ => true,
    })
}
