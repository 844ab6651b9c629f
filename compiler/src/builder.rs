//! Collects the tables of an image: interns texts, names, constants and expressions, and at the end brings
//! everything into the order that the format asks for.

use std::collections::{BTreeMap, HashMap};

use countersign_core::policy::{
    Entity, EntityUid, Value, encode,
    image::tables::{
        ActionScope, Const, ConstId, Node, NodeId, PolicyRow, Run, SchemaType, SchemaTypeId, Scope,
        StaticEntity, Sym, Tables, TypeId, Uid, UidId, Var,
    },
};

use crate::{index::index, source::narrow};

#[derive(Default)]
pub(crate) struct Builder {
    pub(crate) tables: Tables,
    texts: HashMap<String, Sym>,
    types: HashMap<String, TypeId>,
    uids: HashMap<EntityUid, UidId>,
    constants: BTreeMap<Value, ConstId>,
    patterns: HashMap<Vec<Sym>, u32>,
    nodes: HashMap<NodeKey, NodeId>,
    depths: Vec<u16>,
    /// The schema's types by their content.
    pub(crate) schema_types: HashMap<String, SchemaTypeId>,
}

/// An expression by its content, so that equal ones are kept once.
#[derive(PartialEq, Eq, Hash)]
struct NodeKey(String);

impl Builder {
    pub(crate) fn text(&mut self, text: &str) -> Sym {
        if let Some(sym) = self.texts.get(text) {
            return *sym;
        }
        let strings = &mut self.tables.strings;
        strings.text.push_str(text);
        let sym = narrow(strings.ends.len());
        strings.ends.push(narrow(strings.text.len()));
        self.texts.insert(text.to_owned(), sym);
        sym
    }

    pub(crate) fn entity_type(&mut self, name: &str) -> TypeId {
        if let Some(ty) = self.types.get(name) {
            return *ty;
        }
        let sym = self.text(name);
        let ty = narrow(self.tables.types.len());
        self.tables.types.push(sym);
        self.types.insert(name.to_owned(), ty);
        ty
    }

    pub(crate) fn uid(&mut self, name: &EntityUid) -> UidId {
        if let Some(uid) = self.uids.get(name) {
            return *uid;
        }
        let (ty, id) = (self.entity_type(name.ty()), self.text(name.id()));
        let uid = narrow(self.tables.uids.len());
        self.tables.uids.push(Uid { ty, id, entity: None });
        self.uids.insert(name.clone(), uid);
        uid
    }

    pub(crate) fn constant(&mut self, value: &Value) -> ConstId {
        if let Some(id) = self.constants.get(value) {
            return *id;
        }
        let row = match value {
            Value::Bool(value) => Const::Bool(*value),
            Value::Long(value) => Const::Long(*value),
            Value::String(text) => Const::String(self.text(text)),
            Value::Entity(name) => Const::Entity(self.uid(name)),
            Value::Set(set) => {
                let members: Vec<ConstId> =
                    set.members().iter().map(|member| self.constant(member)).collect();
                Const::Set(append(&mut self.tables.constants.members, members))
            }
            Value::Record(record) => Const::Record(self.fields(record.iter())),
            Value::Decimal(value) => Const::Decimal(*value),
            Value::Datetime(value) => Const::Datetime(*value),
            Value::Duration(value) => Const::Duration(*value),
            Value::Ip(value) => Const::Ip(*value),
        };
        let id = narrow(self.tables.constants.rows.len());
        self.tables.constants.rows.push(row);
        self.constants.insert(value.clone(), id);
        id
    }

    fn fields<'v>(&mut self, members: impl Iterator<Item = (&'v str, &'v Value)>) -> Run {
        let fields: Vec<(Sym, ConstId)> =
            members.map(|(name, value)| (self.text(name), self.constant(value))).collect();
        append(&mut self.tables.constants.fields, fields)
    }

    /// A static entity, whose parents are all its ancestors.
    pub(crate) fn static_entity(&mut self, entity: &Entity) {
        let uid = self.uid(&entity.uid);
        let attributes = self.fields(entity.attributes.iter());
        let tags = self.fields(entity.tags.iter());
        let ancestors: Vec<UidId> = entity.parents.iter().map(|parent| self.uid(parent)).collect();
        let ancestors = append(&mut self.tables.entities.ancestors, ancestors);
        let row = narrow(self.tables.entities.rows.len());
        self.tables.entities.rows.push(StaticEntity { attributes, tags, ancestors });
        if let Some(uid) = self.tables.uids.get_mut(uid as usize) {
            uid.entity = Some(row);
        }
    }

    /// A pattern by its literal pieces.
    pub(crate) fn pattern(&mut self, pieces: &[String]) -> u32 {
        let pieces: Vec<Sym> = pieces.iter().map(|piece| self.text(piece)).collect();
        if let Some(pattern) = self.patterns.get(&pieces) {
            return *pattern;
        }
        let run = append(&mut self.tables.patterns.pieces, pieces.clone());
        let pattern = narrow(self.tables.patterns.rows.len());
        self.tables.patterns.rows.push(run);
        self.patterns.insert(pieces, pattern);
        pattern
    }

    /// An expression with operands, none of them deeper than what it returns beside.
    pub(crate) fn node(&mut self, shape: Shape) -> NodeId {
        let key = NodeKey(format!("{shape:?}"));
        if let Some(node) = self.nodes.get(&key) {
            return *node;
        }
        let depth = shape.operands().iter().filter_map(|operand| self.depths.get(*operand as usize)).max();
        self.depths.push(depth.map_or(1, |depth| depth.saturating_add(1)));
        let nodes = &mut self.tables.nodes;
        let row = match shape {
            Shape::Plain(node) => node,
            Shape::And(operands) => Node::And(append(&mut nodes.operands, operands)),
            Shape::Or(operands) => Node::Or(append(&mut nodes.operands, operands)),
            Shape::If(operands) => Node::If(append(&mut nodes.operands, operands)),
            Shape::Set(operands) => Node::Set(append(&mut nodes.operands, operands)),
            Shape::Call(function, operands) => Node::Call(function, append(&mut nodes.operands, operands)),
            Shape::HasPath(object, names) => Node::HasPath(object, append(&mut nodes.names, names)),
            Shape::Record(members) => {
                let (names, operands): (Vec<Sym>, Vec<NodeId>) = members.into_iter().unzip();
                let operands = append(&mut nodes.operands, operands);
                Node::Record(append(&mut nodes.names, names), operands.start)
            }
        };
        let id = narrow(nodes.rows.len());
        nodes.rows.push(row);
        self.nodes.insert(key, id);
        id
    }

    /// How deep an expression is nested.
    pub(crate) fn depth(&self, node: NodeId) -> u16 {
        self.depths.get(node as usize).copied().unwrap_or(0)
    }

    /// Sorts, indexes and writes the image.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.sort_types();
        self.sort_uids();
        self.tables.schema.actions.sort_by_key(|row| row.action);
        self.tables.schema.entities.sort_by_key(|row| row.ty);
        // The index asks about them.
        for var in [Var::Principal, Var::Action, Var::Resource] {
            self.node(Shape::Plain(Node::Var(var)));
        }
        index(&mut self.tables);
        encode(&self.tables)
    }

    fn sort_types(&mut self) {
        let tables = &mut self.tables;
        let order = order(tables.types.len(), |at| tables.strings.get(tables.types[at]).to_owned());
        tables.types = order.iter().map(|old| tables.types[*old]).collect();
        let new = inverse(&order);
        let renumber = |ty: &mut TypeId| *ty = new[*ty as usize];
        tables.uids.iter_mut().for_each(|uid| renumber(&mut uid.ty));
        for node in &mut tables.nodes.rows {
            if let Node::Is(_, ty) = node {
                renumber(ty);
            }
        }
        for PolicyRow { principal, resource, .. } in &mut tables.policies.rows {
            for scope in [principal, resource] {
                if let Scope::Is(ty) | Scope::IsIn(ty, _) = scope {
                    renumber(ty);
                }
            }
        }
        for row in &mut tables.schema.rows {
            if let SchemaType::Entity(ty) = row {
                renumber(ty);
            }
        }
        tables.schema.types.iter_mut().for_each(renumber);
        tables.schema.entities.iter_mut().for_each(|row| renumber(&mut row.ty));
    }

    /// After the types.
    fn sort_uids(&mut self) {
        let tables = &mut self.tables;
        let order = order(tables.uids.len(), |at| {
            let uid = tables.uids[at];
            (uid.ty, tables.strings.get(uid.id).to_owned())
        });
        tables.uids = order.iter().map(|old| tables.uids[*old]).collect();
        let new = inverse(&order);
        let renumber = |uid: &mut UidId| *uid = new[*uid as usize];
        for constant in &mut tables.constants.rows {
            if let Const::Entity(uid) = constant {
                renumber(uid);
            }
        }
        tables.entities.ancestors.iter_mut().for_each(renumber);
        for row in &tables.entities.rows {
            let run = row.ancestors;
            tables.entities.ancestors[run.start as usize..(run.start + run.len) as usize].sort_unstable();
        }
        for PolicyRow { principal, action, resource, .. } in &mut tables.policies.rows {
            for scope in [principal, resource] {
                if let Scope::Eq(uid) | Scope::In(uid) | Scope::IsIn(_, uid) = scope {
                    renumber(uid);
                }
            }
            if let ActionScope::Eq(uid) = action {
                renumber(uid);
            }
        }
        tables.policies.actions.iter_mut().for_each(renumber);
        tables.schema.actions.iter_mut().for_each(|row| renumber(&mut row.action));
        // The format numbers static entities in the order of their names.
        let mut rows = Vec::with_capacity(tables.entities.rows.len());
        for uid in &mut tables.uids {
            if let Some(old) = uid.entity {
                uid.entity = Some(narrow(rows.len()));
                rows.push(tables.entities.rows[old as usize]);
            }
        }
        tables.entities.rows = rows;
    }
}

/// An expression before its operands have a place in the tables.
#[derive(Debug)]
pub(crate) enum Shape {
    Plain(Node),
    And(Vec<NodeId>),
    Or(Vec<NodeId>),
    If(Vec<NodeId>),
    Set(Vec<NodeId>),
    Record(Vec<(Sym, NodeId)>),
    HasPath(NodeId, Vec<Sym>),
    Call(countersign_core::policy::image::tables::Function, Vec<NodeId>),
}

impl Shape {
    fn operands(&self) -> Vec<NodeId> {
        match self {
            Self::Plain(node) => match *node {
                Node::Unary(_, a)
                | Node::Attr(a, _)
                | Node::Has(a, _)
                | Node::Like(a, _)
                | Node::Is(a, _) => {
                    vec![a]
                }
                Node::Binary(_, a, b) => vec![a, b],
                _ => Vec::new(),
            },
            Self::And(operands)
            | Self::Or(operands)
            | Self::If(operands)
            | Self::Set(operands)
            | Self::Call(_, operands) => operands.clone(),
            Self::Record(members) => members.iter().map(|(_, operand)| *operand).collect(),
            Self::HasPath(object, _) => vec![*object],
        }
    }
}

pub(crate) fn append<T>(table: &mut Vec<T>, items: Vec<T>) -> Run {
    let start = narrow(table.len());
    let len = narrow(items.len());
    table.extend(items);
    Run { start, len }
}

/// Old positions in the new order.
fn order<K: Ord>(len: usize, key: impl Fn(usize) -> K) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    order.sort_by_cached_key(|at| key(*at));
    order
}

/// New positions by old ones.
fn inverse(order: &[usize]) -> Vec<u32> {
    let mut new = vec![0; order.len()];
    for (at, old) in order.iter().enumerate() {
        new[*old] = narrow(at);
    }
    new
}
