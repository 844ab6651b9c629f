//! The image's schema, as the configuration needs it: in owned types, read once.

use crate::attribute::{AttributeType, Field};
use crate::policy::image::lookup::type_name;
use crate::policy::schema::{Action, Shape, Type};
use crate::policy::{EntityUid, Image};
use alloc::boxed::Box;
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

    /// Whether the image holds entities of this type, with their attributes.
    pub(super) fn describes(&self, name: &str) -> bool {
        let tables = self.image.tables();
        tables.uids.iter().any(|uid| uid.entity.is_some() && type_name(tables, uid.ty) == name)
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
