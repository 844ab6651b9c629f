//! The image's schema, as the configuration needs it: in owned types, read once.

use super::ConfigError;
use crate::attribute::{AttributeType, Field};
use crate::policy::image::lookup::type_name;
use crate::policy::schema::{Action, Shape, Type};
use crate::policy::{EntityUid, Image};
use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

/// What the schema says about requests.
pub(super) struct SchemaView<'i> {
    image: &'i Image,
}

/// An action's declaration.
pub(super) struct ActionView {
    /// Its full name.
    pub uid: EntityUid,
    /// Types of principals that it applies to.
    pub principals: Vec<Box<str>>,
    /// Types of resources that it applies to.
    pub resources: Vec<Box<str>>,
    /// Members of its context.
    pub context: Vec<Field>,
}

impl<'i> SchemaView<'i> {
    pub(super) fn new(image: &'i Image) -> Self {
        Self { image }
    }

    /// The one action with this id, in whatever namespace.
    pub(super) fn action(&self, id: &str) -> Option<ActionView> {
        let mut found = self.image.schema().actions().filter(|action| action.id() == id);
        match (found.next(), found.next()) {
            (Some(action), None) => Some(view(&action)),
            _ => None,
        }
    }

    /// The members of an action's context; nothing where the schema does not know the action.
    pub(super) fn context(&self, action: &EntityUid) -> Option<Vec<Field>> {
        self.image.schema().action(action).map(|action| fields(action.context()))
    }

    /// Every action with this id, in full.
    pub(super) fn actions_named(&self, id: &str) -> Vec<EntityUid> {
        let found = self.image.schema().actions().filter(|action| action.id() == id);
        found.map(|action| EntityUid::new(action.ty(), action.id())).collect()
    }

    /// The attributes that an entity type declares; nothing where the schema does not know it.
    pub(super) fn entity_shape(&self, name: &str) -> Option<Vec<Field>> {
        self.image.schema().entity_type(name).map(|entity| fields(entity.shape()))
    }

    /// The same, where a configuration at `place` names the type, which then must be declared.
    pub(super) fn declared(&self, place: &str, name: &str) -> Result<Vec<Field>, ConfigError> {
        self.entity_shape(name).ok_or_else(|| {
            let message = format!("expected an entity type that the schema declares, found `{name}`");
            ConfigError::at(place, message)
        })
    }

    /// Whether the image holds entities of this type, with their attributes.
    pub(super) fn describes(&self, name: &str) -> bool {
        let tables = self.image.tables();
        tables.uids.iter().any(|uid| uid.entity.is_some() && type_name(tables, uid.ty) == name)
    }
}

/// The attribute `name` of the entity type `ty`, which must be declared where a configuration at `place` gives it a value.
pub(super) fn attribute<'f>(
    shape: &'f [Field],
    ty: &str,
    name: &str,
    place: &str,
) -> Result<&'f Field, ConfigError> {
    shape.iter().find(|field| *field.name == *name).ok_or_else(|| {
        ConfigError::at(place, format!("expected an attribute that the schema declares for `{ty}`"))
    })
}

/// Demands what the schema requires of the entity type `ty`: `what` is given for each attribute, a value or a source of it.
pub(super) fn complete(
    shape: &[Field],
    ty: &str,
    what: &str,
    given: impl Fn(&str) -> bool,
) -> Result<(), ConfigError> {
    match shape.iter().find(|field| field.required && !given(&field.name)) {
        None => Ok(()),
        Some(missing) => {
            let message =
                format!("expected a {what} for `{}`, which the schema requires of `{ty}`", missing.name);
            Err(ConfigError::at("attributes", message))
        }
    }
}

fn view(action: &Action<'_>) -> ActionView {
    ActionView {
        uid: EntityUid::new(action.ty(), action.id()),
        principals: action.principal_types().map(Into::into).collect(),
        resources: action.resource_types().map(Into::into).collect(),
        context: fields(action.context()),
    }
}

fn fields(shape: Shape<'_>) -> Vec<Field> {
    let field = |attribute: crate::policy::schema::Attribute<'_>| Field {
        name: attribute.name().into(),
        ty: owned(&attribute.ty()),
        required: attribute.required(),
    };
    shape.attributes().map(field).collect()
}

/// Recursive over the schema's types, whose parts come before wholes, so that the depth is bounded by the image's decoder.
fn owned(ty: &Type<'_>) -> AttributeType {
    match ty {
        Type::Bool => AttributeType::Bool,
        Type::Long => AttributeType::Long,
        Type::String => AttributeType::String,
        Type::Entity(name) => AttributeType::Entity((*name).into()),
        Type::Set(element) => AttributeType::Set(Box::new(owned(&element.ty()))),
        Type::Record(shape) => AttributeType::Record(fields(*shape)),
        Type::Decimal => AttributeType::Decimal,
        Type::Datetime => AttributeType::Datetime,
        Type::Duration => AttributeType::Duration,
        Type::Ip => AttributeType::Ip,
    }
}
