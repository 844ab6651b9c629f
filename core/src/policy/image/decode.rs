//! Bytes to tables. Whatever passes here can be evaluated without further checks of its references.

use alloc::{string::String, vec::Vec};

use super::{
    encode::digest,
    error::{Defect, ImageError},
    format::{
        DIGEST, DIGEST_AT, FORMAT_VERSION, HEADER, LANGUAGE_VERSION, MAGIC, MAX_EXPRESSION_DEPTH,
        MAX_VALUE_DEPTH, SECTION_ENTRY, Section,
    },
    read::Reader,
    tables::{
        ActionRow, ActionScope, AttributeRow, Binary, Clause, Const, ConstId, Effect, EntityTypeRow,
        Function, Node, PolicyRow, Run, SchemaType, Scope, Span, StaticEntity, Sym, Tables, Uid, Unary, Var,
    },
    tree,
};
use crate::policy::extension::{Datetime, Decimal, Duration, IpNet};

/// Reads an image into tables, and returns its digest with them.
pub(super) fn decode(image: &[u8]) -> Result<(Tables, [u8; DIGEST]), ImageError> {
    let (digest, sections) = envelope(image)?;
    let mut tables = Tables::default();
    for (section, body) in sections {
        let mut reader = Reader::new(section, body);
        match section {
            Section::Strings => strings(&mut reader, &mut tables)?,
            Section::Types => types(&mut reader, &mut tables)?,
            Section::Uids => uids(&mut reader, &mut tables)?,
            Section::Constants => constants(&mut reader, &mut tables)?,
            Section::Entities => entities(&mut reader, &mut tables)?,
            Section::Patterns => patterns(&mut reader, &mut tables)?,
            Section::Nodes => nodes(&mut reader, &mut tables)?,
            Section::Policies => policies(&mut reader, &mut tables)?,
            Section::Index => tree::decode(&mut reader, &mut tables)?,
            Section::Schema => schema(&mut reader, &mut tables)?,
            Section::Sources => sources(&mut reader, &mut tables)?,
        }
        reader.finish()?;
    }
    Ok((tables, digest))
}

fn word<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

pub(super) type Sections<'a> = Vec<(Section, &'a [u8])>;

/// Checks everything outside the sections.
pub(super) fn envelope(image: &[u8]) -> Result<([u8; DIGEST], Sections<'_>), ImageError> {
    let found = image.len() as u64;
    let magic = image.get(..MAGIC.len().min(image.len())).unwrap_or_default();
    if magic.is_empty() || !MAGIC.starts_with(magic) {
        return Err(ImageError::NotAnImage);
    }
    let short = ImageError::Truncated { expected: HEADER as u64, found };
    let version = u16::from_le_bytes(word(image, 8).ok_or(short)?);
    if version > FORMAT_VERSION {
        return Err(ImageError::NewerFormat { found: version });
    }
    if version == 0 {
        return Err(ImageError::NotAnImage);
    }
    if version < FORMAT_VERSION {
        return Err(ImageError::OlderFormat { found: version });
    }
    let [major, minor] = word(image, 10).ok_or(short)?;
    if major != LANGUAGE_VERSION.0 || minor > LANGUAGE_VERSION.1 {
        return Err(ImageError::Language { found: (major, minor) });
    }
    let expected = u64::from(u32::from_le_bytes(word(image, 12).ok_or(short)?));
    if found < expected.max(HEADER as u64) {
        return Err(ImageError::Truncated { expected: expected.max(HEADER as u64), found });
    }
    if found > expected {
        return Err(ImageError::Trailing { expected, found });
    }
    let stored: [u8; DIGEST] = word(image, DIGEST_AT).ok_or(short)?;
    if digest(image) != stored {
        return Err(ImageError::Altered);
    }
    sections(image).map(|sections| (stored, sections)).ok_or(ImageError::SectionTable)
}

/// The sections: all of them, in order, each beginning where the one before ends.
fn sections(image: &[u8]) -> Option<Sections<'_>> {
    let number = |at: usize| Some(u32::from_le_bytes(word(image, at)?));
    if number(HEADER)? as usize != Section::ALL.len() {
        return None;
    }
    let mut start = HEADER + 4 + SECTION_ENTRY * Section::ALL.len();
    let mut sections = Vec::with_capacity(Section::ALL.len());
    for (at, section) in Section::ALL.into_iter().enumerate() {
        let entry = HEADER + 4 + SECTION_ENTRY * at;
        if number(entry)? != section.id() || number(entry + 4)? as usize != start {
            return None;
        }
        let end = start.checked_add(number(entry + 8)? as usize)?;
        sections.push((section, image.get(start..end)?));
        start = end;
    }
    (start == image.len()).then_some(sections)
}

fn strings(reader: &mut Reader<'_>, tables: &mut Tables) -> Result<(), ImageError> {
    let count = reader.count()?;
    let mut ends = Vec::with_capacity(count);
    let mut end: u32 = 0;
    for _ in 0..count {
        let length = reader.number()?;
        end = match end.checked_add(length) {
            Some(end) => end,
            None => return reader.fail(Defect::Number),
        };
        ends.push(end);
    }
    let bytes = reader.rest();
    reader.ensure(bytes.len() == end as usize, Defect::Short)?;
    let Ok(text) = core::str::from_utf8(bytes) else {
        return reader.fail(Defect::Text);
    };
    let whole = ends.iter().all(|end| text.is_char_boundary(*end as usize));
    reader.ensure(whole, Defect::Text)?;
    tables.strings.text = String::from(text);
    tables.strings.ends = ends;
    Ok(())
}

fn types(reader: &mut Reader<'_>, tables: &mut Tables) -> Result<(), ImageError> {
    reader.run(tables.strings.ends.len(), &mut tables.types)?;
    let names = || tables.types.iter().map(|ty| tables.strings.get(*ty));
    reader.ensure(names().zip(names().skip(1)).all(|(a, b)| a < b), Defect::Order)
}

fn uids(reader: &mut Reader<'_>, tables: &mut Tables) -> Result<(), ImageError> {
    let count = reader.count()?;
    let mut last: Option<(u32, &str)> = None;
    for _ in 0..count {
        let ty = reader.index(tables.types.len())?;
        let id = reader.index(tables.strings.ends.len())?;
        let name = (ty, tables.strings.get(id));
        reader.ensure(last.is_none_or(|last| last < name), Defect::Order)?;
        last = Some(name);
        tables.uids.push(Uid { ty, id, entity: None });
    }
    Ok(())
}

fn constants(reader: &mut Reader<'_>, tables: &mut Tables) -> Result<(), ImageError> {
    let count = reader.count()?;
    let mut depths: Vec<u16> = Vec::with_capacity(count);
    for at in 0..count {
        let mut depth = 1;
        let mut below = |member: ConstId| {
            depth = depth.max(depths.get(member as usize).map_or(u16::MAX, |depth| depth.saturating_add(1)));
        };
        let row = match reader.byte()? {
            0 => Const::Bool(false),
            1 => Const::Bool(true),
            2 => Const::Long(reader.signed()?),
            3 => Const::String(reader.index(tables.strings.ends.len())?),
            4 => Const::Entity(reader.index(tables.uids.len())?),
            5 => {
                let run = reader.run(at, &mut tables.constants.members)?;
                run.of(&tables.constants.members).iter().for_each(|member| below(*member));
                Const::Set(run)
            }
            6 => {
                let run = fields(reader, at, tables)?;
                run.of(&tables.constants.fields).iter().for_each(|(_, value)| below(*value));
                Const::Record(run)
            }
            7 => Const::Decimal(Decimal(reader.signed()?)),
            8 => Const::Datetime(Datetime(reader.signed()?)),
            9 => Const::Duration(Duration(reader.signed()?)),
            10 => {
                let address = reader.array()?;
                let prefix = reader.byte()?;
                reader.ensure(prefix <= 32, Defect::Number)?;
                Const::Ip(IpNet::V4(address, prefix))
            }
            11 => {
                let address = reader.array()?;
                let prefix = reader.byte()?;
                reader.ensure(prefix <= 128, Defect::Number)?;
                Const::Ip(IpNet::V6(address, prefix))
            }
            _ => return reader.fail(Defect::Tag),
        };
        reader.ensure(depth <= MAX_VALUE_DEPTH, Defect::Depth)?;
        depths.push(depth);
        tables.constants.rows.push(row);
    }
    Ok(())
}

/// Names with constants below `bound`, sorted by name.
fn fields(reader: &mut Reader<'_>, bound: usize, tables: &mut Tables) -> Result<Run, ImageError> {
    let start = tables.constants.fields.len();
    let mut last: Option<&str> = None;
    for _ in 0..reader.count()? {
        let name = reader.index(tables.strings.ends.len())?;
        let value = reader.index(bound)?;
        let text = tables.strings.get(name);
        reader.ensure(last.is_none_or(|last| last < text), Defect::Order)?;
        last = Some(text);
        tables.constants.fields.push((name, value));
    }
    reader.run_since(start, &tables.constants.fields)
}

fn entities(reader: &mut Reader<'_>, tables: &mut Tables) -> Result<(), ImageError> {
    let count = reader.count()?;
    let mut last = None;
    for at in 0..count {
        let uid = reader.index(tables.uids.len())?;
        reader.ensure(last.is_none_or(|last| last < uid), Defect::Order)?;
        last = Some(uid);
        let constants = tables.constants.rows.len();
        let attributes = fields(reader, constants, tables)?;
        let tags = fields(reader, constants, tables)?;
        let ancestors = reader.run(tables.uids.len(), &mut tables.entities.ancestors)?;
        sorted(reader, ancestors.of(&tables.entities.ancestors))?;
        tables.entities.rows.push(StaticEntity { attributes, tags, ancestors });
        if let (Some(uid), Ok(at)) = (tables.uids.get_mut(uid as usize), u32::try_from(at)) {
            uid.entity = Some(at);
        }
    }
    Ok(())
}

fn sorted(reader: &Reader<'_>, numbers: &[u32]) -> Result<(), ImageError> {
    reader.ensure(numbers.is_sorted_by(|a, b| a < b), Defect::Order)
}

fn patterns(reader: &mut Reader<'_>, tables: &mut Tables) -> Result<(), ImageError> {
    for _ in 0..reader.count()? {
        let run = reader.run(tables.strings.ends.len(), &mut tables.patterns.pieces)?;
        reader.ensure(run.len > 0, Defect::Number)?;
        tables.patterns.rows.push(run);
    }
    Ok(())
}

fn nodes(reader: &mut Reader<'_>, tables: &mut Tables) -> Result<(), ImageError> {
    let strings = tables.strings.ends.len();
    let nodes = &mut tables.nodes;
    let count = reader.count()?;
    let mut depths: Vec<u16> = Vec::with_capacity(count);
    for at in 0..count {
        let row = match reader.byte()? {
            0 => Node::Const(reader.index(tables.constants.rows.len())?),
            1 => Node::Var(Var::Principal),
            2 => Node::Var(Var::Action),
            3 => Node::Var(Var::Resource),
            4 => Node::Var(Var::Context),
            5 => Node::And(reader.run(at, &mut nodes.operands)?),
            6 => Node::Or(reader.run(at, &mut nodes.operands)?),
            7 => Node::If(reader.indices(3, at, &mut nodes.operands)?),
            8 => Node::Attr(reader.index(at)?, reader.index(strings)?),
            9 => Node::Has(reader.index(at)?, reader.index(strings)?),
            10 => Node::HasPath(reader.index(at)?, reader.run(strings, &mut nodes.names)?),
            11 => Node::Like(reader.index(at)?, reader.index(tables.patterns.rows.len())?),
            12 => Node::Is(reader.index(at)?, reader.index(tables.types.len())?),
            13 => Node::Set(reader.run(at, &mut nodes.operands)?),
            14 => {
                let names = reader.run(strings, &mut nodes.names)?;
                let texts = || names.of(&nodes.names).iter().map(|name| tables.strings.get(*name));
                reader.ensure(texts().zip(texts().skip(1)).all(|(a, b)| a < b), Defect::Order)?;
                let operands = reader.indices(names.len as usize, at, &mut nodes.operands)?;
                Node::Record(names, operands.start)
            }
            tag @ 16..32 => match unary(tag - 16) {
                Some(operator) => Node::Unary(operator, reader.index(at)?),
                None => return reader.fail(Defect::Tag),
            },
            tag @ 32..64 => match binary(tag - 32) {
                Some(operator) => Node::Binary(operator, reader.index(at)?, reader.index(at)?),
                None => return reader.fail(Defect::Tag),
            },
            tag => {
                let function = tag.checked_sub(64).and_then(|tag| Function::ALL.get(usize::from(tag)));
                let Some((function, ..)) = function else {
                    return reader.fail(Defect::Tag);
                };
                Node::Call(*function, reader.run(at, &mut nodes.operands)?)
            }
        };
        let mut depth = 1;
        let mut below = |operand: u32| {
            depth = depth.max(depths.get(operand as usize).map_or(u16::MAX, |depth| depth.saturating_add(1)));
        };
        match row {
            Node::Const(_) | Node::Var(_) => {}
            Node::Unary(_, a)
            | Node::Attr(a, _)
            | Node::Has(a, _)
            | Node::HasPath(a, _)
            | Node::Like(a, _)
            | Node::Is(a, _) => below(a),
            Node::Binary(_, a, b) => {
                below(a);
                below(b);
            }
            Node::And(run) | Node::Or(run) | Node::If(run) | Node::Set(run) | Node::Call(_, run) => {
                run.of(&nodes.operands).iter().for_each(|operand| below(*operand));
            }
            Node::Record(names, start) => {
                let operands = Run { start, len: names.len };
                operands.of(&nodes.operands).iter().for_each(|operand| below(*operand));
            }
        }
        reader.ensure(depth <= MAX_EXPRESSION_DEPTH, Defect::Depth)?;
        depths.push(depth);
        nodes.rows.push(row);
    }
    Ok(())
}

fn unary(tag: u8) -> Option<Unary> {
    [Unary::Not, Unary::Neg, Unary::IsEmpty].get(usize::from(tag)).copied()
}

fn binary(tag: u8) -> Option<Binary> {
    use Binary::{Add, Contains, ContainsAll, ContainsAny, Eq, GetTag, HasTag, In, Less, LessEq, Mul, Sub};
    let all = [Eq, Less, LessEq, Add, Sub, Mul, In, Contains, ContainsAll, ContainsAny, GetTag, HasTag];
    all.get(usize::from(tag)).copied()
}

fn scope(reader: &mut Reader<'_>, tag: u8, tables: &Tables) -> Result<Scope, ImageError> {
    let (uids, types) = (tables.uids.len(), tables.types.len());
    Ok(match tag {
        0 => Scope::Any,
        1 => Scope::Eq(reader.index(uids)?),
        2 => Scope::In(reader.index(uids)?),
        3 => Scope::Is(reader.index(types)?),
        4 => Scope::IsIn(reader.index(types)?, reader.index(uids)?),
        _ => return reader.fail(Defect::Tag),
    })
}

fn policies(reader: &mut Reader<'_>, tables: &mut Tables) -> Result<(), ImageError> {
    let strings = tables.strings.ends.len();
    for _ in 0..reader.count()? {
        let (first, second) = (reader.byte()?, reader.byte()?);
        reader.ensure(first & 0x1f == 0, Defect::Tag)?;
        let effect = if first & 0x80 == 0 { Effect::Permit } else { Effect::Forbid };
        let id = reader.index(strings)?;

        let start = tables.policies.annotations.len();
        for _ in 0..reader.count()? {
            let annotation = (reader.index(strings)?, reader.index(strings)?);
            tables.policies.annotations.push(annotation);
        }
        let annotations = reader.run_since(start, &tables.policies.annotations)?;

        let principal = scope(reader, second & 0x0f, tables)?;
        let action = match (first >> 5) & 3 {
            0 => ActionScope::Any,
            1 => ActionScope::Eq(reader.index(tables.uids.len())?),
            2 => ActionScope::In(reader.run(tables.uids.len(), &mut tables.policies.actions)?),
            _ => return reader.fail(Defect::Tag),
        };
        let resource = scope(reader, second >> 4, tables)?;

        let start = tables.policies.clauses.len();
        for _ in 0..reader.count()? {
            let node = reader.index(tables.nodes.rows.len())?;
            let (offset, len) = (reader.number()?, reader.number()?);
            tables.policies.clauses.push(Clause { node, offset, len });
        }
        let clauses = reader.run_since(start, &tables.policies.clauses)?;
        let span = Span {
            source: reader.number()?,
            line: reader.number()?,
            column: reader.number()?,
            offset: reader.number()?,
            len: reader.number()?,
        };
        let row = PolicyRow { effect, id, annotations, principal, action, resource, clauses, span };
        tables.policies.rows.push(row);
    }
    Ok(())
}

fn schema(reader: &mut Reader<'_>, tables: &mut Tables) -> Result<(), ImageError> {
    let (strings, types, uids) = (tables.strings.ends.len(), tables.types.len(), tables.uids.len());
    let schema = &mut tables.schema;
    let count = reader.count()?;
    let mut depths: Vec<u16> = Vec::with_capacity(count);
    for at in 0..count {
        let mut depth = 1;
        let mut below = |part: u32| {
            depth = depth.max(depths.get(part as usize).map_or(u16::MAX, |depth| depth.saturating_add(1)));
        };
        let row = match reader.byte()? {
            0 => SchemaType::Bool,
            1 => SchemaType::Long,
            2 => SchemaType::String,
            3 => SchemaType::Entity(reader.index(types)?),
            4 => {
                let element = reader.index(at)?;
                below(element);
                SchemaType::Set(element)
            }
            5 => {
                let start = schema.attributes.len();
                let mut last: Option<&str> = None;
                for _ in 0..reader.count()? {
                    let required = boolean(reader)?;
                    let name: Sym = reader.index(strings)?;
                    let ty = reader.index(at)?;
                    below(ty);
                    let text = tables.strings.get(name);
                    reader.ensure(last.is_none_or(|last| last < text), Defect::Order)?;
                    last = Some(text);
                    schema.attributes.push(AttributeRow { name, ty, required });
                }
                SchemaType::Record(reader.run_since(start, &schema.attributes)?)
            }
            6 => SchemaType::Decimal,
            7 => SchemaType::Datetime,
            8 => SchemaType::Duration,
            9 => SchemaType::Ip,
            _ => return reader.fail(Defect::Tag),
        };
        reader.ensure(depth <= MAX_VALUE_DEPTH, Defect::Depth)?;
        depths.push(depth);
        schema.rows.push(row);
    }
    let records = schema.rows.len();
    for _ in 0..reader.count()? {
        let row = ActionRow {
            action: reader.index(uids)?,
            principals: reader.run(types, &mut schema.types)?,
            resources: reader.run(types, &mut schema.types)?,
            context: reader.index(records)?,
        };
        reader.ensure(is_record(&schema.rows, row.context), Defect::Reference)?;
        let follows = schema.actions.last().is_none_or(|last| last.action < row.action);
        reader.ensure(follows, Defect::Order)?;
        schema.actions.push(row);
    }
    for _ in 0..reader.count()? {
        let flags = reader.byte()?;
        reader.ensure(flags < 4, Defect::Tag)?;
        let row = EntityTypeRow {
            ty: reader.index(types)?,
            shape: reader.index(records)?,
            tags: if flags & 1 == 0 { None } else { Some(reader.index(records)?) },
            choices: if flags & 2 == 0 { None } else { Some(reader.run(strings, &mut schema.choices)?) },
        };
        reader.ensure(is_record(&schema.rows, row.shape), Defect::Reference)?;
        reader.ensure(schema.entities.last().is_none_or(|last| last.ty < row.ty), Defect::Order)?;
        schema.entities.push(row);
    }
    for _ in 0..reader.count()? {
        let path: Sym = reader.index(strings)?;
        let text = tables.strings.get(path);
        let follows = schema.sensitive.last().is_none_or(|last| tables.strings.get(*last) < text);
        reader.ensure(follows, Defect::Order)?;
        schema.sensitive.push(path);
    }
    Ok(())
}

fn is_record(rows: &[SchemaType], at: u32) -> bool {
    matches!(rows.get(at as usize), Some(SchemaType::Record(_)))
}

fn boolean(reader: &mut Reader<'_>) -> Result<bool, ImageError> {
    match reader.byte()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => reader.fail(Defect::Tag),
    }
}

fn sources(reader: &mut Reader<'_>, tables: &mut Tables) -> Result<(), ImageError> {
    reader.run(tables.strings.ends.len(), &mut tables.sources)?;
    // Policies come before sources; what they refer to is checked here.
    let count = tables.sources.len();
    let known = tables.policies.rows.iter().all(|row| (row.span.source as usize) < count);
    reader.ensure(known, Defect::Reference)
}
