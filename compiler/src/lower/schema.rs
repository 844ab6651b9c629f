//! The schema, as far as requests are concerned.

use cedar_policy_core::validator::{
    ValidatorEntityTypeKind, ValidatorSchema,
    types::{Attributes, EntityKind, Type},
};
use countersign_core::policy::image::tables::{
    ActionRow, AttributeRow, EntityTypeRow, SchemaType, SchemaTypeId,
};

use crate::{
    builder::{Builder, append},
    convert,
    error::CompileError,
    source::{Source, narrow},
};

/// Adds the actions and entity types of `schema`.
pub(crate) fn schema(
    builder: &mut Builder,
    schema: &ValidatorSchema,
    source: &Source,
) -> Result<(), Box<CompileError>> {
    let mut actions: Vec<_> = schema.action_ids().collect();
    actions.sort_by_key(|action| action.name().to_string());
    for action in actions {
        let row = ActionRow {
            action: builder.uid(&convert::uid(action.name())),
            principals: types(builder, action.principals()),
            resources: types(builder, action.resources()),
            context: match action.context() {
                Some(context) => ty(builder, context, source)?,
                None => record(builder, &Attributes::with_attributes([]), source)?,
            },
        };
        builder.tables.schema.actions.push(row);
    }
    let mut entities: Vec<_> = schema.entity_types().collect();
    entities.sort_by_key(|entity| entity.name().to_string());
    for entity in entities {
        let choices = match &entity.kind {
            ValidatorEntityTypeKind::Enum(choices) => {
                let choices = choices.iter().map(|choice| builder.text(choice.as_ref())).collect();
                Some(append(&mut builder.tables.schema.choices, choices))
            }
            ValidatorEntityTypeKind::Standard(_) | ValidatorEntityTypeKind::External => None,
        };
        let row = EntityTypeRow {
            ty: builder.entity_type(&entity.name().to_string()),
            shape: record(builder, entity.attributes(), source)?,
            tags: entity.tag_type().map(|tags| ty(builder, tags, source)).transpose()?,
            choices,
        };
        builder.tables.schema.entities.push(row);
    }
    Ok(())
}

fn types<'s>(
    builder: &mut Builder,
    types: impl Iterator<Item = &'s cedar_policy_core::ast::EntityType>,
) -> countersign_core::policy::image::tables::Run {
    let mut names: Vec<String> = types.map(ToString::to_string).collect();
    names.sort();
    let types = names.iter().map(|name| builder.entity_type(name)).collect();
    append(&mut builder.tables.schema.types, types)
}

fn record(
    builder: &mut Builder,
    attributes: &Attributes,
    source: &Source,
) -> Result<SchemaTypeId, Box<CompileError>> {
    let mut rows = Vec::new();
    for (name, attribute) in attributes.iter() {
        let ty = ty(builder, &attribute.attr_type, source)?;
        rows.push(AttributeRow { name: builder.text(name), ty, required: attribute.is_required() });
    }
    let key = format!("{rows:?}");
    if let Some(known) = builder.schema_types.get(&key) {
        return Ok(*known);
    }
    let run = append(&mut builder.tables.schema.attributes, rows);
    Ok(add(builder, SchemaType::Record(run), key))
}

fn ty(builder: &mut Builder, ty: &Type, source: &Source) -> Result<SchemaTypeId, Box<CompileError>> {
    let unsupported = || Box::new(CompileError::whole(source, format!("the type `{ty}` is not supported")));
    let row = match ty {
        Type::Bool(_) => SchemaType::Bool,
        Type::Long => SchemaType::Long,
        Type::String => SchemaType::String,
        Type::Entity(EntityKind::Entity(lub)) => match lub.get_single_entity() {
            Some(name) => SchemaType::Entity(builder.entity_type(&name.to_string())),
            None => return Err(unsupported()),
        },
        Type::Set { element_type: Some(element) } => SchemaType::Set(self::ty(builder, element, source)?),
        Type::Record { attrs, .. } => return record(builder, attrs, source),
        Type::ExtensionType { name } => match name.to_string().as_str() {
            "decimal" => SchemaType::Decimal,
            "datetime" => SchemaType::Datetime,
            "duration" => SchemaType::Duration,
            "ipaddr" => SchemaType::Ip,
            _ => return Err(unsupported()),
        },
        Type::Never | Type::Entity(EntityKind::AnyEntity) | Type::Set { element_type: None } => {
            return Err(unsupported());
        }
    };
    let key = format!("{row:?}");
    let known = builder.schema_types.get(&key).copied();
    Ok(known.unwrap_or_else(|| add(builder, row, key)))
}

/// Each type is kept once, by its content.
fn add(builder: &mut Builder, row: SchemaType, key: String) -> SchemaTypeId {
    let rows = &mut builder.tables.schema.rows;
    rows.push(row);
    let id = narrow(rows.len() - 1);
    builder.schema_types.insert(key, id);
    id
}
