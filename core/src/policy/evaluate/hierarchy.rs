//! Who is in whom, and what is known of an entity: the image's static entities joined with the request's.

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
    value::Entity,
};

/// Entities of the image that something is or lies in.
pub(super) type Ancestry = Inline<UidId, 24>;
/// Which of the request's entities were visited.
type Visited = Inline<bool, 16>;
/// Entities whose ancestors are still to be found.
type Pending<'a> = Inline<Ent<'a>, 16>;

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

    /// What the request brings of a resolved entity.
    fn brought(&self, entity: Ent<'a>) -> impl Iterator<Item = &'a Entity> + '_ {
        let entities = self.request.entities.iter().zip(self.brought.iter());
        entities.filter(move |(_, name)| self.same(*name, entity)).map(|(brought, _)| *brought)
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

    /// The entities of the image that `entity` is or lies in.
    pub(super) fn ancestry(&self, entity: Ent<'a>) -> Ancestry {
        let mut found = Ancestry::new(0);
        self.climb(entity, &mut |ancestor| {
            if let Ent::Known(uid) = ancestor {
                found.push(uid);
            }
            false
        });
        found.sort_dedup_by_key(|uid| *uid);
        found
    }

    /// `entity in target`
    pub(super) fn is_in(&self, entity: Ent<'a>, target: Ent<'a>) -> bool {
        let target = self.resolve(target);
        self.climb(entity, &mut |ancestor| self.same(ancestor, target))
    }

    /// Calls `found` for `entity` and its ancestors, until it returns true. Each of the request's entities is
    /// climbed through once, so that cycles end.
    fn climb(&self, entity: Ent<'a>, found: &mut impl FnMut(Ent<'a>) -> bool) -> bool {
        let tables = self.image.tables();
        let mut visited = Visited::new(false);
        self.request.entities.iter().for_each(|_| visited.push(false));
        let mut pending = Pending::new(entity);
        pending.push(entity);
        while let Some(entity) = pending.pop() {
            let entity = self.resolve(entity);
            if found(entity) {
                return true;
            }
            let ancestors = match self.stored(entity) {
                Some(stored) => stored.ancestors.of(&tables.entities.ancestors),
                None => &[],
            };
            if ancestors.iter().any(|ancestor| found(Ent::Known(*ancestor))) {
                return true;
            }
            for (at, (brought, name)) in self.request.entities.iter().zip(self.brought.iter()).enumerate() {
                let reached = visited.get(at) == Some(false)
                    && (self.same(entity, name)
                        || matches!(name, Ent::Known(uid) if ancestors.binary_search(&uid).is_ok()));
                if reached {
                    visited.set(at, true);
                    brought.parents.iter().for_each(|parent| pending.push(Ent::Named(parent)));
                }
            }
        }
        false
    }
}
