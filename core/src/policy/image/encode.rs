//! Tables to bytes: the compiler's side of the format.

use alloc::vec::Vec;

use sha2::{Digest as _, Sha256};

use super::{
    format::{DIGEST_AT, FORMAT_VERSION, HEADER, LANGUAGE_VERSION, MAGIC, SECTION_ENTRY, Section},
    tables::{
        ActionScope, Const, Constants, Effect, Entities, Node, Nodes, Patterns, Policies, Run, Schema,
        SchemaType, Scope, Strings, Sym, Tables, Uid,
    },
    tree,
};
use crate::policy::extension::IpNet;

/// Writes `tables` as an image. They must be what decoding accepts: sorted where the tables say so.
///
/// Beyond 4 GiB the lengths no longer fit, and the image is refused by decoding.
#[must_use]
pub fn encode(tables: &Tables) -> Vec<u8> {
    let sections: Vec<Vec<u8>> = Section::ALL.iter().map(|section| body(tables, *section)).collect();
    let mut offset = HEADER + 4 + SECTION_ENTRY * sections.len();
    let total = offset + sections.iter().map(Vec::len).sum::<usize>();

    let mut image = Vec::with_capacity(total);
    image.extend_from_slice(&MAGIC);
    image.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    image.extend_from_slice(&[LANGUAGE_VERSION.0, LANGUAGE_VERSION.1]);
    image.extend_from_slice(&narrow(total).to_le_bytes());
    image.resize(HEADER, 0);
    image.extend_from_slice(&narrow(sections.len()).to_le_bytes());
    for (section, body) in Section::ALL.iter().zip(&sections) {
        image.extend_from_slice(&section.id().to_le_bytes());
        image.extend_from_slice(&narrow(offset).to_le_bytes());
        image.extend_from_slice(&narrow(body.len()).to_le_bytes());
        offset += body.len();
    }
    for body in &sections {
        image.extend_from_slice(body);
    }
    seal(&mut image);
    image
}

/// SHA-256 of everything but the place of the digest itself.
pub(crate) fn digest(image: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(image.get(..DIGEST_AT).unwrap_or_default());
    hash.update(image.get(HEADER..).unwrap_or_default());
    hash.finalize().into()
}

/// Puts the digest in its place.
pub(crate) fn seal(image: &mut [u8]) {
    let digest = digest(image);
    if let Some(place) = image.get_mut(DIGEST_AT..HEADER) {
        place.copy_from_slice(&digest);
    }
}

fn narrow(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub(super) fn number(&mut self, number: u32) {
        self.long(u64::from(number));
    }

    /// LEB128, shortest form.
    pub(super) fn long(&mut self, mut number: u64) {
        loop {
            let [low, ..] = number.to_le_bytes();
            number >>= 7;
            if number == 0 {
                self.0.push(low & 0x7f);
                return;
            }
            self.0.push(low | 0x80);
        }
    }

    pub(super) fn signed(&mut self, number: i64) {
        self.long(((number << 1) ^ (number >> 63)).cast_unsigned());
    }

    pub(super) fn count<T>(&mut self, items: &[T]) {
        self.number(narrow(items.len()));
    }

    pub(super) fn run(&mut self, run: Run, table: &[u32]) {
        let items = run.of(table);
        self.count(items);
        for item in items {
            self.number(*item);
        }
    }
}

fn body(tables: &Tables, section: Section) -> Vec<u8> {
    let mut out = Writer::default();
    match section {
        Section::Strings => strings(&mut out, &tables.strings),
        Section::Types => numbers(&mut out, &tables.types),
        Section::Uids => uids(&mut out, &tables.uids),
        Section::Constants => constants(&mut out, &tables.constants),
        Section::Entities => entities(&mut out, &tables.entities, &tables.uids, &tables.constants),
        Section::Patterns => patterns(&mut out, &tables.patterns),
        Section::Nodes => nodes(&mut out, &tables.nodes),
        Section::Policies => policies(&mut out, &tables.policies),
        Section::Index => tree::encode(&mut out, &tables.index),
        Section::Schema => schema(&mut out, &tables.schema),
        Section::Sources => numbers(&mut out, &tables.sources),
    }
    out.0
}

fn strings(out: &mut Writer, strings: &Strings) {
    out.count(&strings.ends);
    let mut start = 0;
    for end in &strings.ends {
        out.number(end.saturating_sub(start));
        start = *end;
    }
    out.0.extend_from_slice(strings.text.as_bytes());
}

fn numbers(out: &mut Writer, numbers: &[Sym]) {
    out.count(numbers);
    for number in numbers {
        out.number(*number);
    }
}

fn uids(out: &mut Writer, uids: &[Uid]) {
    out.count(uids);
    for uid in uids {
        out.number(uid.ty);
        out.number(uid.id);
    }
}

fn constants(out: &mut Writer, constants: &Constants) {
    out.count(&constants.rows);
    for row in &constants.rows {
        match row {
            Const::Bool(value) => out.byte(u8::from(*value)),
            Const::Long(value) => {
                out.byte(2);
                out.signed(*value);
            }
            Const::String(sym) => {
                out.byte(3);
                out.number(*sym);
            }
            Const::Entity(uid) => {
                out.byte(4);
                out.number(*uid);
            }
            Const::Set(run) => {
                out.byte(5);
                out.run(*run, &constants.members);
            }
            Const::Record(run) => {
                out.byte(6);
                fields(out, *run, constants);
            }
            Const::Decimal(value) => {
                out.byte(7);
                out.signed(value.0);
            }
            Const::Datetime(value) => {
                out.byte(8);
                out.signed(value.0);
            }
            Const::Duration(value) => {
                out.byte(9);
                out.signed(value.0);
            }
            Const::Ip(IpNet::V4(address, prefix)) => {
                out.byte(10);
                out.0.extend_from_slice(address);
                out.byte(*prefix);
            }
            Const::Ip(IpNet::V6(address, prefix)) => {
                out.byte(11);
                out.0.extend_from_slice(address);
                out.byte(*prefix);
            }
        }
    }
}

fn fields(out: &mut Writer, run: Run, constants: &Constants) {
    let fields = run.of(&constants.fields);
    out.count(fields);
    for (name, value) in fields {
        out.number(*name);
        out.number(*value);
    }
}

fn entities(out: &mut Writer, entities: &Entities, uids: &[Uid], constants: &Constants) {
    out.count(&entities.rows);
    for (uid, row) in uids.iter().enumerate().filter_map(|(at, uid)| Some((at, uid.entity?))) {
        let Some(row) = entities.rows.get(row as usize) else {
            continue;
        };
        out.number(narrow(uid));
        fields(out, row.attributes, constants);
        fields(out, row.tags, constants);
        out.run(row.ancestors, &entities.ancestors);
    }
}

fn patterns(out: &mut Writer, patterns: &Patterns) {
    out.count(&patterns.rows);
    for row in &patterns.rows {
        out.run(*row, &patterns.pieces);
    }
}

fn nodes(out: &mut Writer, nodes: &Nodes) {
    out.count(&nodes.rows);
    for row in &nodes.rows {
        match *row {
            Node::Const(constant) => {
                out.byte(0);
                out.number(constant);
            }
            Node::Var(var) => out.byte(1 + var as u8),
            Node::And(run) => {
                out.byte(5);
                out.run(run, &nodes.operands);
            }
            Node::Or(run) => {
                out.byte(6);
                out.run(run, &nodes.operands);
            }
            Node::If(run) => {
                out.byte(7);
                for operand in run.of(&nodes.operands) {
                    out.number(*operand);
                }
            }
            Node::Attr(object, name) => {
                out.byte(8);
                out.number(object);
                out.number(name);
            }
            Node::Has(object, name) => {
                out.byte(9);
                out.number(object);
                out.number(name);
            }
            Node::HasPath(object, run) => {
                out.byte(10);
                out.number(object);
                out.run(run, &nodes.names);
            }
            Node::Like(object, pattern) => {
                out.byte(11);
                out.number(object);
                out.number(pattern);
            }
            Node::Is(object, ty) => {
                out.byte(12);
                out.number(object);
                out.number(ty);
            }
            Node::Set(run) => {
                out.byte(13);
                out.run(run, &nodes.operands);
            }
            Node::Record(names, start) => {
                out.byte(14);
                out.run(names, &nodes.names);
                for operand in (Run { start, len: names.len }).of(&nodes.operands) {
                    out.number(*operand);
                }
            }
            Node::Unary(operator, operand) => {
                out.byte(16 + operator as u8);
                out.number(operand);
            }
            Node::Binary(operator, left, right) => {
                out.byte(32 + operator as u8);
                out.number(left);
                out.number(right);
            }
            Node::Call(function, run) => {
                out.byte(64 + function as u8);
                out.run(run, &nodes.operands);
            }
        }
    }
}

fn scope(out: &mut Writer, scope: Scope) {
    match scope {
        Scope::Any => {}
        Scope::Eq(uid) | Scope::In(uid) => out.number(uid),
        Scope::Is(ty) => out.number(ty),
        Scope::IsIn(ty, uid) => {
            out.number(ty);
            out.number(uid);
        }
    }
}

fn scope_tag(scope: Scope) -> u8 {
    match scope {
        Scope::Any => 0,
        Scope::Eq(_) => 1,
        Scope::In(_) => 2,
        Scope::Is(_) => 3,
        Scope::IsIn(..) => 4,
    }
}

fn policies(out: &mut Writer, policies: &Policies) {
    out.count(&policies.rows);
    for row in &policies.rows {
        let action = match row.action {
            ActionScope::Any => 0,
            ActionScope::Eq(_) => 1,
            ActionScope::In(_) => 2,
        };
        // Effect in bit 7, action in bits 5 and 6; principal and resource below and above in the next byte.
        out.byte(if row.effect == Effect::Forbid { 0x80 } else { 0 } | (action << 5));
        out.byte(scope_tag(row.principal) | (scope_tag(row.resource) << 4));
        out.number(row.id);
        let annotations = row.annotations.of(&policies.annotations);
        out.count(annotations);
        for (name, text) in annotations {
            out.number(*name);
            out.number(*text);
        }
        scope(out, row.principal);
        match row.action {
            ActionScope::Any => {}
            ActionScope::Eq(uid) => out.number(uid),
            ActionScope::In(run) => out.run(run, &policies.actions),
        }
        scope(out, row.resource);
        let clauses = row.clauses.of(&policies.clauses);
        out.count(clauses);
        for clause in clauses {
            out.number(clause.node);
            out.number(clause.offset);
            out.number(clause.len);
        }
        out.number(row.span.source);
        out.number(row.span.line);
        out.number(row.span.column);
        out.number(row.span.offset);
        out.number(row.span.len);
    }
}

fn schema(out: &mut Writer, schema: &Schema) {
    out.count(&schema.rows);
    for row in &schema.rows {
        match row {
            SchemaType::Bool => out.byte(0),
            SchemaType::Long => out.byte(1),
            SchemaType::String => out.byte(2),
            SchemaType::Entity(ty) => {
                out.byte(3);
                out.number(*ty);
            }
            SchemaType::Set(element) => {
                out.byte(4);
                out.number(*element);
            }
            SchemaType::Record(run) => {
                out.byte(5);
                let attributes = run.of(&schema.attributes);
                out.count(attributes);
                for attribute in attributes {
                    out.byte(u8::from(attribute.required));
                    out.number(attribute.name);
                    out.number(attribute.ty);
                }
            }
            SchemaType::Decimal => out.byte(6),
            SchemaType::Datetime => out.byte(7),
            SchemaType::Duration => out.byte(8),
            SchemaType::Ip => out.byte(9),
        }
    }
    out.count(&schema.actions);
    for row in &schema.actions {
        out.number(row.action);
        out.run(row.principals, &schema.types);
        out.run(row.resources, &schema.types);
        out.number(row.context);
    }
    out.count(&schema.entities);
    for row in &schema.entities {
        out.byte(u8::from(row.tags.is_some()) | (u8::from(row.choices.is_some()) << 1));
        out.number(row.ty);
        out.number(row.shape);
        if let Some(tags) = row.tags {
            out.number(tags);
        }
        if let Some(choices) = row.choices {
            out.run(choices, &schema.choices);
        }
    }
    out.count(&schema.sensitive);
    for path in &schema.sensitive {
        out.number(*path);
    }
}
