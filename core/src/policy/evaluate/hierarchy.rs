//! Who is in whom, and what is known of an entity: the image's static entities joined with the request's.

use alloc::vec::Vec;

use super::{
    Evaluation,
    outcome::ErrorKind,
    val::{Ent, RecordRef, Val},
};
use crate::policy::{
    image::{
        lookup::type_name,
        tables::{StaticEntity, UidId},
    },
    small::Inline,
    value::{Entity, EntityUid},
};

/// Entities of the image that something is or lies in.
pub(super) type Ancestry = Inline<UidId, 24>;
/// Some of the request's entities, a bit each.
type Marks = Inline<u64, 4>;
/// In the place of an entity that the image does not name.
const FOREIGN: UidId = UidId::MAX;

/// What to do after an entity on the way up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Climb on through it.
    On,
    /// It was climbed through before.
    Back,
    /// The search is over.
    Stop,
}

impl<'a> Evaluation<'a> {
    pub(crate) fn known_name(&self, uid: UidId) -> (&'a str, &'a str) {
        let tables = self.image.tables();
        match tables.uids.get(uid as usize) {
            Some(uid) => (type_name(tables, uid.ty), tables.strings.get(uid.id)),
            None => ("", ""),
        }
    }

    /// `entity`, by its place in the image where it has one.
    pub(super) fn resolve(&self, entity: Ent<'a>) -> Ent<'a> {
        match entity {
            Ent::Known(_) | Ent::Foreign(_) => entity,
            Ent::Named(uid) => match self.image.lookup().uid(self.image.tables(), uid.ty(), uid.id()) {
                Some(known) => Ent::Known(known),
                None => Ent::Foreign(uid),
            },
        }
    }

    /// What the image holds of a resolved entity.
    fn stored(&self, entity: Ent<'a>) -> Option<&'a StaticEntity> {
        let tables = self.image.tables();
        match entity {
            Ent::Known(uid) => tables.entities.rows.get(tables.uids.get(uid as usize)?.entity? as usize),
            Ent::Foreign(_) | Ent::Named(_) => None,
        }
    }

    /// Looks up the names of the request's entities, once.
    pub(super) fn resolve_brought(&mut self) {
        for entity in self.request.entities {
            self.brought.push(match self.resolve(Ent::Named(&entity.uid)) {
                Ent::Known(uid) => uid,
                Ent::Foreign(_) | Ent::Named(_) => FOREIGN,
            });
        }
    }

    /// `uid` by its place in the image; without looking it up again where it is that of an entity brought.
    pub(super) fn resolve_party(&self, uid: &'a EntityUid) -> Ent<'a> {
        let brought = self.request.entities.iter().zip(self.brought.iter());
        match brought.into_iter().find(|(entity, _)| core::ptr::eq(&raw const entity.uid, uid)) {
            Some((_, FOREIGN)) => Ent::Foreign(uid),
            Some((_, known)) => Ent::Known(known),
            None => self.resolve(Ent::Named(uid)),
        }
    }

    /// What the request brings of a resolved entity.
    fn brought(&self, entity: Ent<'a>) -> impl Iterator<Item = &'a Entity> + '_ {
        let entities = self.request.entities.iter().zip(self.brought.iter());
        entities.filter(move |(brought, name)| is(brought, *name, entity)).map(|(brought, _)| *brought)
    }

    /// What the image says a resolved entity lies in.
    fn ancestors(&self, entity: Ent<'a>) -> &'a [UidId] {
        let image = self.image;
        self.stored(entity).map_or(&[], |stored| stored.ancestors.of(&image.tables().entities.ancestors))
    }

    /// The value of an attribute, or why there is none.
    pub(super) fn attribute(&self, entity: Ent<'a>, name: &str) -> Result<Val<'a>, ErrorKind> {
        let entity = self.resolve(entity);
        let mut exists = false;
        for brought in self.brought(entity) {
            exists = true;
            if let Some(value) = brought.attributes.get(name) {
                return Ok(Val::of(value));
            }
        }
        match self.stored(entity) {
            Some(stored) => {
                let found = self.field(RecordRef::Image(stored.attributes), name);
                found.ok_or(ErrorKind::MissingAttribute)
            }
            None if exists => Err(ErrorKind::MissingAttribute),
            None => Err(ErrorKind::MissingEntity),
        }
    }

    /// The value of a tag, or why there is none.
    pub(super) fn tag(&self, entity: Ent<'a>, name: &str) -> Result<Val<'a>, ErrorKind> {
        let entity = self.resolve(entity);
        let mut exists = false;
        for brought in self.brought(entity) {
            exists = true;
            if let Some(value) = brought.tags.get(name) {
                return Ok(Val::of(value));
            }
        }
        match self.stored(entity) {
            Some(stored) => self.field(RecordRef::Image(stored.tags), name).ok_or(ErrorKind::MissingTag),
            None if exists => Err(ErrorKind::MissingTag),
            None => Err(ErrorKind::MissingEntity),
        }
    }

    /// Which of the request's parties a resolved entity is.
    pub(super) fn party_place(&self, entity: Ent<'a>) -> Option<usize> {
        [&self.principal, &self.action, &self.resource].iter().position(|party| {
            match (party.entity, entity) {
                (Ent::Known(a), Ent::Known(b)) => a == b,
                (Ent::Foreign(a), Ent::Foreign(b)) => core::ptr::eq(a, b),
                _ => false,
            }
        })
    }

    /// The ancestry of the party at a place that [`Self::party_place`] gave.
    pub(super) fn ancestry_of(&self, party: usize) -> Option<&Ancestry> {
        [&self.principal, &self.action, &self.resource].get(party).map(|party| &party.ancestry)
    }

    /// The entities of the image that `entity` is or lies in.
    pub(super) fn ancestry(&self, entity: Ent<'a>) -> Ancestry {
        let mut found = Ancestry::new(0);
        self.climb(self.resolve(entity), &mut |ancestor| {
            let Ent::Known(uid) = ancestor else { return Step::On };
            // A long list is rid of repeats once, below, rather than at each step.
            if !found.spills() && found.contains(&uid) {
                return Step::Back;
            }
            found.push(uid);
            Step::On
        });
        if found.spills() {
            found.sort_dedup_by_key(|uid| *uid);
        }
        found
    }

    /// Whether `entity` is, or lies in, what `is` tells of resolved entities.
    pub(super) fn is_in(&self, entity: Ent<'a>, is: impl Fn(Ent<'a>) -> bool) -> Result<bool, ErrorKind> {
        // Each entity that is reached is held against all that the request brings.
        let cost = 1 + self.request.entities.len() / 8;
        let mut failed = None;
        let found = self.climb(self.resolve(entity), &mut |ancestor| {
            failed = self.steps(cost).err();
            if failed.is_some() || is(ancestor) { Step::Stop } else { Step::On }
        });
        match failed {
            Some(kind) => Err(kind),
            None => Ok(found),
        }
    }

    /// What an entity lies in, each once: at most `most` of it. For explanations; it allocates.
    pub(super) fn climbed(&self, entity: Ent<'a>, most: usize) -> Vec<Ent<'a>> {
        let entity = self.resolve(entity);
        let mut found: Vec<Ent<'a>> = Vec::new();
        self.climb(entity, &mut |ancestor| {
            if self.same(ancestor, entity) || found.iter().any(|have| self.same(*have, ancestor)) {
                return Step::On;
            }
            found.push(ancestor);
            if found.len() < most { Step::On } else { Step::Stop }
        });
        found
    }

    /// Shows `visit` an entity, which is resolved, and its ancestors, and tells whether it said to stop. Each of the request's
    /// entities is climbed through once, so that cycles end.
    fn climb(&self, entity: Ent<'a>, visit: &mut impl FnMut(Ent<'a>) -> Step) -> bool {
        let entities = self.request.entities;
        let words = entities.len().div_ceil(64);
        let (mut pending, mut done) = (Marks::new(0), Marks::new(0));
        (0..words).for_each(|_| {
            pending.push(0);
            done.push(0);
        });
        if self.reach(entity, visit, &mut pending) {
            return true;
        }
        let mut word = 0;
        while word < words {
            let before = done.get(word).unwrap_or(u64::MAX);
            let open = pending.get(word).unwrap_or(0) & !before;
            if open == 0 {
                word += 1;
                continue;
            }
            let bit = open.trailing_zeros();
            done.set(word, before | 1 << bit);
            let Some(brought) = entities.get(word * 64 + bit as usize) else { break };
            for parent in &brought.parents {
                if self.reach(self.resolve(Ent::Named(parent)), visit, &mut pending) {
                    return true;
                }
            }
            // One of its parents may stand further in front.
            word = 0;
        }
        false
    }

    /// Shows `visit` a resolved entity with what the image says it lies in, and marks what the request brings of them.
    fn reach(&self, entity: Ent<'a>, visit: &mut impl FnMut(Ent<'a>) -> Step, pending: &mut Marks) -> bool {
        match visit(entity) {
            Step::On => {}
            Step::Back => return false,
            Step::Stop => return true,
        }
        let ancestors = self.ancestors(entity);
        if ancestors.iter().any(|ancestor| visit(Ent::Known(*ancestor)) == Step::Stop) {
            return true;
        }
        for (at, (brought, name)) in self.request.entities.iter().zip(self.brought.iter()).enumerate() {
            if reaches(entity, ancestors, brought, name) {
                let word = at / 64;
                pending.set(word, pending.get(word).unwrap_or(0) | 1 << (at % 64));
            }
        }
        false
    }
}

/// Whether an entity of the request, found in the image as `name`, is `entity` or one of its `ancestors`.
fn reaches(entity: Ent<'_>, ancestors: &[UidId], brought: &Entity, name: UidId) -> bool {
    is(brought, name, entity) || (!ancestors.is_empty() && ancestors.binary_search(&name).is_ok())
}

/// Whether an entity of the request, found in the image as `name`, is the resolved `entity`.
fn is(brought: &Entity, name: UidId, entity: Ent<'_>) -> bool {
    match entity {
        Ent::Known(uid) => name == uid,
        Ent::Foreign(uid) | Ent::Named(uid) => {
            name == FOREIGN && (core::ptr::eq(&raw const brought.uid, uid) || brought.uid == *uid)
        }
    }
}
