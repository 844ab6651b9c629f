//! The way through the index to the policies that can match.

use super::{
    Evaluation, Tally,
    hierarchy::Ancestry,
    val::{Ent, SetRef, Val},
};
use crate::policy::{
    image::{
        index::{Branch, Demand, Edge, Facet, Scale},
        lookup::type_named,
        tables::{NodeId, Run, UidId},
    },
    small::Inline,
};

/// What the guards of a row say.
enum Admission {
    /// The question decides.
    Ask,
    /// A policy below may be in error: each must be evaluated.
    Everything,
    /// No policy below can be satisfied or in error.
    Nothing,
}

impl<'a> Evaluation<'a> {
    /// Evaluates every policy that the tree leads to from row `at`.
    pub(super) fn walk(&mut self, mut at: u32, tally: &mut Tally) {
        let index = &self.image.tables().index;
        // Recursion is bounded by the depth that decoding accepts; rests are walked on to.
        while let Some(row) = index.rows.get(at as usize) {
            let rest = match *row {
                Branch::Leaf(run) => {
                    run.of(&index.policies).iter().for_each(|policy| self.consider(*policy, tally));
                    return;
                }
                Branch::Inner { facet, node, guards, edges, rest } => {
                    let edges = edges.of(&index.edges);
                    match self.admit(guards) {
                        Admission::Ask => self.ask(at, facet, node, edges, tally),
                        Admission::Everything => self.everything(edges, tally),
                        Admission::Nothing => {}
                    }
                    rest
                }
            };
            match rest {
                Some(next) => at = next,
                None => return,
            }
        }
    }

    fn everything(&mut self, edges: &'a [Edge], tally: &mut Tally) {
        edges.iter().for_each(|edge| self.walk(edge.child, tally));
    }

    fn admit(&mut self, guards: Run) -> Admission {
        let image = self.image;
        for guard in guards.of(&image.tables().index.guards) {
            self.scratch.truncate(0);
            let Ok(value) = self.value(guard.node) else {
                return Admission::Everything;
            };
            match (guard.demand, value) {
                (Demand::True, Val::Bool(false)) => return Admission::Nothing,
                (demand, value) if meets(demand, &value) => {}
                _ => return Admission::Everything,
            }
        }
        Admission::Ask
    }

    fn ask(&mut self, at: u32, facet: Facet, node: NodeId, edges: &'a [Edge], tally: &mut Tally) {
        self.scratch.truncate(0);
        let Ok(value) = self.value(node) else {
            return self.everything(edges, tally);
        };
        match (facet, value) {
            (Facet::Truth, Val::Bool(value)) => self.follow(at, edges, u32::from(value), tally),
            (Facet::Equal, value) => {
                let image = self.image;
                if let Some(key) = image.lookup().constant(image.tables(), &value) {
                    self.follow(at, edges, key, tally);
                }
            }
            (Facet::Same, Val::Entity(entity)) => {
                if let Ent::Known(uid) = self.resolve(entity) {
                    self.follow(at, edges, uid, tally);
                }
            }
            // Another value is no entity, which is no error.
            (Facet::Same, _) => {}
            (Facet::In, Val::Entity(entity)) => self.ask_ancestors(at, entity, edges, tally),
            (Facet::Is, Val::Entity(entity)) => {
                if let Some(ty) = self.type_of(entity) {
                    self.follow(at, edges, ty, tally);
                }
            }
            (Facet::Member | Facet::MemberEntity, Val::Set(set)) => {
                self.ask_members(at, facet, set, edges, tally);
            }
            (Facet::AtMost(scale), value) => match measure(scale, &value) {
                Some(value) => {
                    let start = edges.partition_point(|edge| edge.key < value);
                    self.everything(edges.get(start..).unwrap_or_default(), tally);
                }
                None => self.everything(edges, tally),
            },
            (Facet::AtLeast(scale), value) => match measure(scale, &value) {
                Some(value) => {
                    let end = edges.partition_point(|edge| edge.key <= value);
                    self.everything(edges.get(..end).unwrap_or_default(), tally);
                }
                None => self.everything(edges, tally),
            },
            (Facet::Band(scale), value) => match measure(scale, &value) {
                Some(value) => {
                    let place = edges.partition_point(|edge| edge.key < value);
                    if let Some(edge) = edges.get(place) {
                        self.walk(edge.child, tally);
                    }
                }
                None => self.everything(edges, tally),
            },
            (Facet::Truth | Facet::In | Facet::Is | Facet::Member | Facet::MemberEntity, _) => {
                self.everything(edges, tally);
            }
        }
    }

    fn follow(&mut self, at: u32, edges: &'a [Edge], key: u32, tally: &mut Tally) {
        if let Some(child) = self.image.lookup().child(at, edges, key) {
            self.walk(child, tally);
        }
    }

    fn ask_ancestors(&mut self, at: u32, entity: Ent<'a>, edges: &'a [Edge], tally: &mut Tally) {
        let entity = self.resolve(entity);
        let Some(party) = self.party_place(entity) else {
            let ancestry = self.ancestry(entity);
            ancestry.iter().for_each(|uid| self.follow(at, edges, uid, tally));
            return;
        };
        let Some(ancestors) = self.ancestry_of(party).map(Ancestry::len) else { return };
        if edges.len() * 2 <= ancestors {
            for edge in edges {
                let uid = UidId::try_from(edge.key).ok();
                if uid.is_some_and(|uid| self.ancestry_of(party).is_some_and(|all| all.contains(&uid))) {
                    self.walk(edge.child, tally);
                }
            }
            return;
        }
        for place in 0..ancestors {
            if let Some(uid) = self.ancestry_of(party).and_then(|all| all.get(place)) {
                self.follow(at, edges, uid, tally);
            }
        }
    }

    /// A row of the members that lead on is made first: what is below may reuse the place of the set.
    fn ask_members(&mut self, at: u32, facet: Facet, set: SetRef<'a>, edges: &'a [Edge], tally: &mut Tally) {
        let image = self.image;
        let mut children: Inline<u32, 16> = Inline::new(0);
        for place in 0..self.set_len(set) {
            let Some(member) = self.member(set, place) else {
                break;
            };
            let key: Option<UidId> = match (facet, member) {
                (Facet::MemberEntity, Val::Entity(entity)) => match self.resolve(entity) {
                    Ent::Known(uid) => Some(uid),
                    Ent::Foreign(_) | Ent::Named(_) => None,
                },
                (Facet::MemberEntity, _) => None,
                (_, member) => image.lookup().constant(image.tables(), &member),
            };
            if let Some(child) = key.and_then(|key| image.lookup().child(at, edges, key)) {
                children.push(child);
            }
        }
        children.iter().for_each(|child| self.walk(child, tally));
    }

    fn type_of(&self, entity: Ent<'a>) -> Option<u32> {
        match self.resolve(entity) {
            Ent::Known(uid) => self.image.tables().uids.get(uid as usize).map(|uid| uid.ty),
            Ent::Foreign(uid) | Ent::Named(uid) => type_named(self.image.tables(), uid.ty()),
        }
    }
}

fn measure(scale: Scale, value: &Val<'_>) -> Option<i64> {
    match (scale, value) {
        (Scale::Long, Val::Long(value)) => Some(*value),
        (Scale::Datetime, Val::Datetime(value)) => Some(value.0),
        (Scale::Duration, Val::Duration(value)) => Some(value.0),
        _ => None,
    }
}

fn meets(demand: Demand, value: &Val<'_>) -> bool {
    match demand {
        Demand::Any => true,
        Demand::Bool => matches!(value, Val::Bool(_)),
        Demand::True => matches!(value, Val::Bool(true)),
        Demand::Long => matches!(value, Val::Long(_)),
        Demand::String => matches!(value, Val::String(_)),
        Demand::Entity => matches!(value, Val::Entity(_)),
        Demand::Set => matches!(value, Val::Set(_)),
        Demand::Object => matches!(value, Val::Entity(_) | Val::Record(_)),
        Demand::Decimal => matches!(value, Val::Decimal(_)),
        Demand::Datetime => matches!(value, Val::Datetime(_)),
        Demand::Duration => matches!(value, Val::Duration(_)),
        Demand::Ip => matches!(value, Val::Ip(_)),
    }
}
