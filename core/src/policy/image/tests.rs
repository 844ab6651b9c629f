//! The codec: what is written is read again, and everything else is refused with the right reason.

use alloc::{string::ToString, vec, vec::Vec};

use proptest::prelude::*;

use super::{
    encode::{encode, seal},
    format::{DIGEST_AT, HEADER},
    index::{Branch, Edge, Facet, Guard},
    tables::{
        ActionRow, ActionScope, AttributeRow, Binary, Clause, Const, Effect, EntityTypeRow, Function, Node,
        PolicyRow, Run, SchemaType, Scope, Span, StaticEntity, Tables, Uid, Unary, Var,
    },
    *,
};
use crate::policy::extension::{Datetime, Decimal, Duration, IpNet};

/// `Action::"read"`
pub(crate) const READ: u32 = 0;
/// `Action::"write"`
pub(crate) const WRITE: u32 = 1;
/// `Role::"staff"`
pub(crate) const STAFF: u32 = 2;
/// `User::"ann"`, in `Role::"staff"`, with `level` 7.
pub(crate) const ANN: u32 = 3;

/// Interns a text.
pub(crate) fn text(tables: &mut Tables, text: &str) -> u32 {
    tables.strings.text.push_str(text);
    tables.strings.ends.push(u32::try_from(tables.strings.text.len()).unwrap());
    u32::try_from(tables.strings.ends.len() - 1).unwrap()
}

/// Adds an expression.
pub(crate) fn node(tables: &mut Tables, node: Node) -> u32 {
    tables.nodes.rows.push(node);
    u32::try_from(tables.nodes.rows.len() - 1).unwrap()
}

/// Adds a constant and an expression for it.
pub(crate) fn constant(tables: &mut Tables, constant: Const) -> u32 {
    tables.constants.rows.push(constant);
    let id = u32::try_from(tables.constants.rows.len() - 1).unwrap();
    node(tables, Node::Const(id))
}

/// Adds a policy about anyone and anything, to the last leaf of the index.
pub(crate) fn policy(tables: &mut Tables, effect: Effect, id: &str, clauses: &[u32]) -> u32 {
    let id = text(tables, id);
    let start = u32::try_from(tables.policies.clauses.len()).unwrap();
    for node in clauses {
        tables.policies.clauses.push(Clause { node: *node, offset: 0, len: 0 });
    }
    let row = PolicyRow {
        effect,
        id,
        annotations: Run { start: u32::try_from(tables.policies.annotations.len()).unwrap(), len: 0 },
        principal: Scope::Any,
        action: ActionScope::Any,
        resource: Scope::Any,
        clauses: Run { start, len: u32::try_from(clauses.len()).unwrap() },
        span: Span { source: 0, line: 1, column: 1, offset: 0, len: 0 },
    };
    tables.policies.rows.push(row);
    let index = u32::try_from(tables.policies.rows.len() - 1).unwrap();
    match tables.index.rows.last_mut() {
        Some(Branch::Leaf(run)) => {
            tables.index.policies.push(index);
            run.len += 1;
        }
        _ => {
            let start = u32::try_from(tables.index.policies.len()).unwrap();
            tables.index.policies.push(index);
            tables.index.rows.push(Branch::Leaf(Run { start, len: 1 }));
        }
    }
    index
}

/// Three entity types, four entities and no policies.
pub(crate) fn base() -> Tables {
    let mut tables = Tables::default();
    let types: Vec<u32> = ["Action", "Role", "User"].iter().map(|name| text(&mut tables, name)).collect();
    tables.types = types;
    for (ty, id) in [(0, "read"), (0, "write"), (1, "staff"), (2, "ann")] {
        let id = text(&mut tables, id);
        tables.uids.push(Uid { ty, id, entity: None });
    }
    let level = text(&mut tables, "level");
    tables.constants.rows.push(Const::Long(7));
    tables.constants.fields.push((level, 0));
    tables.entities.ancestors.push(STAFF);
    tables.entities.rows.push(StaticEntity {
        attributes: Run { start: 0, len: 1 },
        tags: Run { start: 1, len: 0 },
        ancestors: Run { start: 0, len: 1 },
    });
    tables.uids[ANN as usize].entity = Some(0);
    let source = text(&mut tables, "a.cedar");
    tables.sources.push(source);
    tables
}

/// Every kind of row.
pub(super) fn whole() -> Tables {
    let mut tables = base();
    for row in [
        Const::Bool(false),
        Const::Bool(true),
        Const::Long(i64::MIN),
        Const::String(3),
        Const::Entity(ANN),
        Const::Decimal(Decimal(-1)),
        Const::Datetime(Datetime(i64::MAX)),
        Const::Duration(Duration(5)),
        Const::Ip(IpNet::V4([10, 0, 0, 0], 8)),
        Const::Ip(IpNet::V6([1; 16], 128)),
    ] {
        constant(&mut tables, row);
    }
    tables.constants.members.extend([1, 2]);
    constant(&mut tables, Const::Set(Run { start: 0, len: 2 }));
    // In the order in which reading collects them: constants before entities.
    tables.constants.fields.insert(0, (0, 11));
    constant(&mut tables, Const::Record(Run { start: 0, len: 1 }));
    let entity = &mut tables.entities.rows[0];
    (entity.attributes.start, entity.tags.start) = (1, 2);

    tables.patterns.pieces.extend([0, 1]);
    tables.patterns.rows.push(Run { start: 0, len: 2 });
    let principal = node(&mut tables, Node::Var(Var::Principal));
    for var in [Var::Action, Var::Resource, Var::Context] {
        node(&mut tables, Node::Var(var));
    }
    for operator in [Unary::Not, Unary::Neg, Unary::IsEmpty] {
        node(&mut tables, Node::Unary(operator, principal));
    }
    let operators = [
        Binary::Eq,
        Binary::Less,
        Binary::LessEq,
        Binary::Add,
        Binary::Sub,
        Binary::Mul,
        Binary::In,
        Binary::Contains,
        Binary::ContainsAll,
        Binary::ContainsAny,
        Binary::GetTag,
        Binary::HasTag,
    ];
    for operator in operators {
        node(&mut tables, Node::Binary(operator, principal, principal + 1));
    }
    let operands = |tables: &mut Tables, count: u32| {
        let start = u32::try_from(tables.nodes.operands.len()).unwrap();
        tables.nodes.operands.extend(principal..principal + count);
        Run { start, len: count }
    };
    let run = operands(&mut tables, 2);
    node(&mut tables, Node::And(run));
    let run = operands(&mut tables, 3);
    node(&mut tables, Node::Or(run));
    let run = operands(&mut tables, 3);
    node(&mut tables, Node::If(run));
    let run = operands(&mut tables, 0);
    node(&mut tables, Node::Set(run));
    tables.nodes.names.extend([0, 1]);
    let run = operands(&mut tables, 2);
    node(&mut tables, Node::Record(Run { start: 0, len: 2 }, run.start));
    for (function, _, arity) in Function::ALL {
        let run = operands(&mut tables, arity);
        node(&mut tables, Node::Call(function, run));
    }
    tables.nodes.names.push(0);
    node(&mut tables, Node::HasPath(principal, Run { start: 2, len: 1 }));
    for row in
        [Node::Attr(principal, 0), Node::Has(principal, 0), Node::Like(principal, 0), Node::Is(principal, 2)]
    {
        node(&mut tables, row);
    }

    policy(&mut tables, Effect::Permit, "listed", &[]);
    tables.policies.actions.extend([READ, WRITE]);
    tables.policies.rows[0].action = ActionScope::In(Run { start: 0, len: 2 });
    policy(&mut tables, Effect::Permit, "one", &[0, 1]);
    let scopes = [Scope::Any, Scope::Eq(ANN), Scope::In(STAFF), Scope::Is(2), Scope::IsIn(2, STAFF)];
    for scope in scopes {
        let index = policy(&mut tables, Effect::Forbid, "other", &[]);
        let row = &mut tables.policies.rows[index as usize];
        (row.principal, row.resource) = (scope, scope);
        row.action = ActionScope::Eq(READ);
        row.annotations = Run { start: u32::try_from(tables.policies.annotations.len()).unwrap(), len: 1 };
        tables.policies.annotations.push((0, 1));
    }
    tables.index.memo.extend([principal + 4, principal + 5]);
    ask(&mut tables, Facet::In, principal + 1, &[], &[i64::from(READ), i64::from(WRITE)], 6);

    let schema = &mut tables.schema;
    schema.rows.extend([
        SchemaType::Bool,
        SchemaType::Long,
        SchemaType::String,
        SchemaType::Entity(2),
        SchemaType::Set(3),
        SchemaType::Decimal,
        SchemaType::Datetime,
        SchemaType::Duration,
        SchemaType::Ip,
        SchemaType::Record(Run { start: 0, len: 2 }),
    ]);
    schema.attributes.extend([
        AttributeRow { name: 0, ty: 0, required: true },
        AttributeRow { name: 1, ty: 4, required: false },
    ]);
    schema.types.extend([2, 2]);
    let (principals, resources) = (Run { start: 0, len: 1 }, Run { start: 1, len: 1 });
    schema.actions.push(ActionRow { action: READ, principals, resources, context: 9 });
    schema.choices.push(4);
    let choices = Some(Run { start: 0, len: 1 });
    schema.entities.push(EntityTypeRow { ty: 1, shape: 9, tags: Some(2), choices });
    schema.entities.push(EntityTypeRow { ty: 2, shape: 9, tags: None, choices: None });
    tables
}

pub(super) fn refusal(tables: &Tables) -> ImageError {
    Image::decode(&encode(tables)).expect_err("refused")
}

pub(super) fn malformed(section: Section, defect: Defect) -> ImageError {
    ImageError::Malformed { section, defect }
}

#[test]
fn what_is_written_is_read() {
    let tables = whole();
    let bytes = encode(&tables);
    let image = Image::decode(&bytes).unwrap();
    assert_eq!(*image.tables(), tables);
    assert_eq!(Image::peek_digest(&bytes), Some(*image.digest()));
    assert_eq!(encode(image.tables()), bytes);
}

#[test]
fn an_empty_image_is_an_image() {
    assert_eq!(Image::decode(&encode(&Tables::default())).unwrap().policy_count(), 0);
}

#[test]
fn every_truncation_is_refused() {
    let bytes = encode(&whole());
    for length in 0..bytes.len() {
        let error = Image::decode(&bytes[..length]).expect_err("refused");
        if length >= HEADER {
            let (expected, found) = (bytes.len() as u64, length as u64);
            assert_eq!(error, ImageError::Truncated { expected, found });
        } else {
            assert!(matches!(error, ImageError::NotAnImage | ImageError::Truncated { .. }), "{length}");
        }
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    let bytes = encode(&whole());
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut altered = bytes.clone();
            altered[at] ^= 1 << bit;
            let error = Image::decode(&altered).expect_err("refused");
            if at >= DIGEST_AT {
                assert_eq!(error, ImageError::Altered, "byte {at}");
            }
        }
    }
}

#[test]
fn the_envelope_says_what_is_wrong() {
    let bytes = encode(&whole());
    let changed = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        seal(&mut bytes);
        Image::decode(&bytes).expect_err("refused")
    };
    assert_eq!(changed(0, b'X'), ImageError::NotAnImage);
    assert_eq!(changed(8, 3), ImageError::NewerFormat { found: 3 });
    assert_eq!(changed(8, 1), ImageError::OlderFormat { found: 1 });
    assert_eq!(changed(8, 0), ImageError::NotAnImage);
    assert_eq!(changed(10, 5), ImageError::Language { found: (5, LANGUAGE_VERSION.1) });
    assert_eq!(changed(11, 99), ImageError::Language { found: (LANGUAGE_VERSION.0, 99) });
    assert_eq!(changed(HEADER, 12), ImageError::SectionTable);
    assert_eq!(changed(HEADER + 4, 2), ImageError::SectionTable);
    assert_eq!(changed(HEADER + 8, 0), ImageError::SectionTable);

    let mut longer = bytes.clone();
    longer.push(0);
    let (expected, found) = (bytes.len() as u64, longer.len() as u64);
    assert_eq!(Image::decode(&longer).expect_err("refused"), ImageError::Trailing { expected, found });
    let newer = ImageError::NewerFormat { found: 3 }.to_string();
    assert!(newer.contains("format version 3, expected at most 2"), "{newer}");
}

#[test]
fn references_must_stay_within_their_tables() {
    let broken: [(Section, fn(&mut Tables)); 14] = [
        (Section::Types, |tables| tables.types[0] = 999),
        (Section::Uids, |tables| tables.uids[0].id = 999),
        (Section::Constants, |tables| tables.constants.rows[4] = Const::String(999)),
        (Section::Constants, |tables| tables.constants.members[0] = 11),
        (Section::Entities, |tables| tables.entities.ancestors[0] = 999),
        (Section::Patterns, |tables| tables.patterns.pieces[0] = 999),
        (Section::Nodes, |tables| tables.nodes.rows[0] = Node::Unary(Unary::Not, 0)),
        (Section::Nodes, |tables| tables.nodes.rows[0] = Node::Const(999)),
        (Section::Policies, |tables| tables.policies.clauses[0].node = 999),
        (Section::Index, |tables| tables.index.policies[0] = 999),
        (Section::Index, |tables| tables.index.memo[0] = 999),
        (Section::Index, |tables| tables.index.edges[0].key = 999),
        (Section::Schema, |tables| tables.schema.actions[0].context = 2),
        (Section::Sources, |tables| tables.sources.clear()),
    ];
    for (at, (section, breaks)) in broken.into_iter().enumerate() {
        let mut tables = whole();
        breaks(&mut tables);
        assert_eq!(refusal(&tables), malformed(section, Defect::Reference), "{at}");
    }
}

#[test]
fn tables_must_be_in_order() {
    let broken: [(Section, fn(&mut Tables)); 9] = [
        (Section::Types, |tables| tables.types.swap(0, 1)),
        (Section::Uids, |tables| tables.uids[1].id = tables.uids[0].id),
        (Section::Constants, |tables| tables.constants.members.swap(0, 1)),
        (Section::Constants, |tables| tables.constants.members[1] = 1),
        (Section::Entities, |tables| {
            tables.entities.ancestors.push(STAFF);
            tables.entities.rows[0].ancestors.len = 2;
        }),
        (Section::Nodes, |tables| tables.nodes.names.swap(0, 1)),
        (Section::Index, |tables| tables.index.policies.swap(2, 3)),
        (Section::Index, |tables| tables.index.memo.swap(0, 1)),
        (Section::Schema, |tables| tables.schema.entities.swap(0, 1)),
    ];
    for (at, (section, breaks)) in broken.into_iter().enumerate() {
        let mut tables = whole();
        breaks(&mut tables);
        assert_eq!(refusal(&tables), malformed(section, Defect::Order), "{at}");
    }
}

/// Puts all policies under one answer to a question, and the last `others` of them under its rest.
pub(crate) fn ask(tables: &mut Tables, facet: Facet, of: u32, guards: &[Guard], keys: &[i64], others: usize) {
    let policies = u32::try_from(tables.policies.rows.len()).unwrap();
    let others = u32::try_from(others).unwrap();
    let count = u32::try_from(keys.len()).unwrap();
    let index = &mut tables.index;
    let guards_run = Run { start: 0, len: u32::try_from(guards.len()).unwrap() };
    index.guards = guards.to_vec();
    index.edges = (1..).zip(keys).map(|(child, key)| Edge { key: *key, child }).collect();
    let edges = Run { start: 0, len: count };
    let rest = (others > 0).then_some(count + 1);
    index.rows = vec![Branch::Inner { facet, node: of, guards: guards_run, edges, rest }];
    index.policies.clear();
    let mut leaf = |from: u32, to: u32| {
        let start = u32::try_from(index.policies.len()).unwrap();
        index.policies.extend(from..to);
        index.rows.push(Branch::Leaf(Run { start, len: to - from }));
    };
    keys.iter().for_each(|_| leaf(0, policies - others));
    if others > 0 {
        leaf(policies - others, policies);
    }
}

#[test]
fn constants_must_be_distinct() {
    let mut tables = base();
    constant(&mut tables, Const::Long(7));
    assert_eq!(refusal(&tables), malformed(Section::Constants, Defect::Order));
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: u16| {
        let mut tables = base();
        let mut last = node(&mut tables, Node::Var(Var::Context));
        for _ in 1..depth {
            last = node(&mut tables, Node::Unary(Unary::Not, last));
        }
        tables
    };
    assert!(Image::decode(&encode(&nested(MAX_EXPRESSION_DEPTH))).is_ok());
    let deep = nested(MAX_EXPRESSION_DEPTH + 1);
    assert_eq!(refusal(&deep), malformed(Section::Nodes, Defect::Depth));

    let boxed = |depth: u16| {
        let mut tables = base();
        for at in 1..depth {
            let start = u32::try_from(tables.constants.members.len()).unwrap();
            tables.constants.members.push(u32::from(at - 1));
            tables.constants.rows.push(Const::Set(Run { start, len: 1 }));
        }
        tables
    };
    assert!(Image::decode(&encode(&boxed(MAX_VALUE_DEPTH))).is_ok());
    assert_eq!(refusal(&boxed(MAX_VALUE_DEPTH + 1)), malformed(Section::Constants, Defect::Depth));
}

#[test]
fn text_must_be_utf8() {
    let bytes = encode(&whole());
    // The first text stands after the count and the lengths.
    let at = bytes.windows(6).position(|window| window == b"Action").unwrap();
    let mut altered = bytes;
    altered[at] = 0xff;
    seal(&mut altered);
    assert_eq!(Image::decode(&altered).expect_err("refused"), malformed(Section::Strings, Defect::Text));
}

#[test]
fn comparing_constants_takes_a_bounded_time() {
    // Sets of two equal records of two equal records …: written out, 2^60 members.
    let mut tables = base();
    let (a, b) = (text(&mut tables, "a"), text(&mut tables, "b"));
    let mut last = 0;
    for _ in 0..60 {
        let start = u32::try_from(tables.constants.fields.len()).unwrap();
        tables.constants.fields.extend([(a, last), (b, last)]);
        tables.constants.rows.push(Const::Record(Run { start, len: 2 }));
        last = u32::try_from(tables.constants.rows.len() - 1).unwrap();
    }
    tables.constants.members.extend([last, last]);
    tables.constants.rows.push(Const::Set(Run { start: 0, len: 2 }));
    assert_eq!(refusal(&tables), malformed(Section::Constants, Defect::Order));
}

proptest! {
    #[test]
    fn resealed_corruption_never_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = encode(&whole());
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        seal(&mut bytes);
        if let Ok(image) = Image::decode(&bytes) {
            crate::policy::evaluate::tests::ask_everything(&image);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Image::decode(&bytes).is_err());
    }
}

#[test]
fn numbers_have_one_form() {
    // A count of 0 written in two bytes.
    let mut bytes = encode(&Tables::default());
    let mut sections = vec![0x80, 0x00];
    let start = HEADER + 4 + 12 * Section::ALL.len();
    sections.extend_from_slice(&bytes[start + 1..]);
    bytes.truncate(start);
    bytes.extend_from_slice(&sections);
    let total = u32::try_from(bytes.len()).unwrap();
    bytes[12..16].copy_from_slice(&total.to_le_bytes());
    for (at, _) in Section::ALL.iter().enumerate() {
        let entry = HEADER + 4 + 12 * at;
        let (field, by) = if at == 0 { (entry + 8, 1) } else { (entry + 4, 1) };
        bytes[field] += by;
    }
    seal(&mut bytes);
    assert_eq!(Image::decode(&bytes).expect_err("refused"), malformed(Section::Strings, Defect::Number));
}
