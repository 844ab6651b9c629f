//! The schema in an image: what an action's context and an entity type's attributes look like.
//!
//! The gateway reads it when its configuration is loaded, to check what it maps from claims and headers, and
//! for each request, to turn texts into values of the right type.

use alloc::{
    format,
    string::{String, ToString},
};
use core::fmt;

use super::{
    image::{
        Image,
        lookup::{type_name, type_named},
        tables::{ActionRow, AttributeRow, EntityTypeRow, Run, SchemaType, SchemaTypeId, Sym, TypeId},
    },
    value::{Entity, EntityUid, Record, Request, Value},
};

impl Image {
    /// The schema that the policies were validated against.
    #[must_use]
    pub fn schema(&self) -> Schema<'_> {
        Schema { image: self }
    }
}

/// The schema of an image.
#[derive(Clone, Copy)]
pub struct Schema<'i> {
    image: &'i Image,
}

impl<'i> Schema<'i> {
    /// Whether the image was compiled without a schema.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let schema = &self.image.tables().schema;
        schema.actions.is_empty() && schema.entities.is_empty()
    }

    /// Whether `path` (`User.address.zip`, `context.card`), or something that holds it, is annotated as sensitive.
    #[must_use]
    pub fn is_sensitive(&self, path: &str) -> bool {
        let tables = self.image.tables();
        let marked = |path: &str| {
            tables.schema.sensitive.binary_search_by(|have| tables.strings.get(*have).cmp(path)).is_ok()
        };
        let holders = path.match_indices('.').filter_map(|(at, _)| path.get(..at));
        holders.chain([path]).any(marked)
    }

    /// Whether `path` is sensitive, or holds something that is: a record with such a member, told whole, would tell it.
    #[must_use]
    pub fn tells_sensitive(&self, path: &str) -> bool {
        let tables = self.image.tables();
        let below = |have: &u32| is_below(tables.strings.get(*have), path);
        self.is_sensitive(path) || tables.schema.sensitive.iter().any(below)
    }

    /// The declaration of an action.
    #[must_use]
    pub fn action(&self, action: &EntityUid) -> Option<Action<'i>> {
        let tables = self.image.tables();
        let uid = self.image.lookup().uid(tables, action.ty(), action.id())?;
        let at = tables.schema.actions.binary_search_by_key(&uid, |row| row.action).ok()?;
        tables.schema.actions.get(at).map(|row| Action { image: self.image, row })
    }

    /// All actions.
    pub fn actions(&self) -> impl Iterator<Item = Action<'i>> + use<'i> {
        let image = self.image;
        image.tables().schema.actions.iter().map(move |row| Action { image, row })
    }

    /// The declaration of an entity type, by its full name.
    #[must_use]
    pub fn entity_type(&self, name: &str) -> Option<EntityType<'i>> {
        let tables = self.image.tables();
        let ty = type_named(tables, name)?;
        let at = tables.schema.entities.binary_search_by_key(&ty, |row| row.ty).ok()?;
        tables.schema.entities.get(at).map(|row| EntityType { image: self.image, row })
    }

    /// All entity types, by name.
    pub fn entity_types(&self) -> impl Iterator<Item = EntityType<'i>> + use<'i> {
        let image = self.image;
        image.tables().schema.entities.iter().map(move |row| EntityType { image, row })
    }

    /// Checks a request: the action's types of principal and resource, the context, and the attributes of the
    /// entities that come with it.
    ///
    /// # Errors
    ///
    /// The first thing that the schema does not allow.
    pub fn check(&self, request: &Request<'_>) -> Result<(), Mismatch> {
        let Some(action) = self.action(request.action) else {
            return Err(Mismatch::new("action", "an action of the schema", &request.action.to_string()));
        };
        if !action.principal_types().any(|ty| ty == request.principal.ty()) {
            return Err(Mismatch::new("principal", "a type that the action allows", request.principal.ty()));
        }
        if !action.resource_types().any(|ty| ty == request.resource.ty()) {
            return Err(Mismatch::new("resource", "a type that the action allows", request.resource.ty()));
        }
        action.context().check(request.context).map_err(|mismatch| mismatch.within("context"))?;
        request.entities.iter().try_for_each(|entity| self.check_entity(entity))
    }

    /// Checks one entity: its type and identifier, attributes and tags. An attribute that the image holds for
    /// the entity need not be given again.
    ///
    /// # Errors
    ///
    /// The first thing that the schema does not allow.
    pub fn check_entity(&self, entity: &Entity) -> Result<(), Mismatch> {
        let place = entity.uid.ty();
        let Some(ty) = self.entity_type(place) else {
            return Err(Mismatch::new(place, "an entity type of the schema", &entity.uid.to_string()));
        };
        if ty.choices().is_some_and(|mut choices| choices.all(|choice| choice != entity.uid.id())) {
            return Err(Mismatch::new(place, "an identifier that the schema lists", entity.uid.id()));
        }
        let stored = self.stored(&entity.uid);
        let elsewhere = |name: &str| stored.is_some_and(|fields| self.named(fields, name));
        let shape = ty.shape();
        shape.check_with(&entity.attributes, elsewhere).map_err(|mismatch| mismatch.within(place))?;
        match ty.tags() {
            None if entity.tags.is_empty() => Ok(()),
            None => Err(Mismatch::new(place, "no tags", "tags")),
            Some(ty) => entity.tags.iter().try_for_each(|(name, value)| {
                ty.check(value).map_err(|mismatch| mismatch.within(name).within(place))
            }),
        }
    }
}

impl<'i> Schema<'i> {
    /// The attributes that the image holds for an entity.
    fn stored(&self, uid: &EntityUid) -> Option<&'i [(Sym, u32)]> {
        let tables = self.image.tables();
        let known = self.image.lookup().uid(tables, uid.ty(), uid.id())?;
        let row = tables.uids.get(known as usize)?.entity?;
        let row = tables.entities.rows.get(row as usize)?;
        Some(row.attributes.of(&tables.constants.fields))
    }

    fn named(&self, fields: &[(Sym, u32)], name: &str) -> bool {
        fields.iter().any(|(field, _)| self.image.tables().strings.get(*field) == name)
    }
}

/// An action's declaration.
#[derive(Clone, Copy)]
pub struct Action<'i> {
    image: &'i Image,
    row: &'i ActionRow,
}

impl<'i> Action<'i> {
    /// Its identifier, without the type.
    #[must_use]
    pub fn id(&self) -> &'i str {
        let tables = self.image.tables();
        tables.uids.get(self.row.action as usize).map_or("", |uid| tables.strings.get(uid.id))
    }

    /// Its type: `Action`, with namespaces.
    #[must_use]
    pub fn ty(&self) -> &'i str {
        let tables = self.image.tables();
        tables.uids.get(self.row.action as usize).map_or("", |uid| type_name(tables, uid.ty))
    }

    /// The types that a principal may have.
    pub fn principal_types(&self) -> impl Iterator<Item = &'i str> + use<'i> {
        names(self.image, self.row.principals)
    }

    /// The types that a resource may have.
    pub fn resource_types(&self) -> impl Iterator<Item = &'i str> + use<'i> {
        names(self.image, self.row.resources)
    }

    /// What the context looks like.
    #[must_use]
    pub fn context(&self) -> Shape<'i> {
        shape(self.image, self.row.context)
    }
}

/// Whether `path` names something within `holder`.
pub(crate) fn is_below(path: &str, holder: &str) -> bool {
    path.strip_prefix(holder).is_some_and(|rest| rest.starts_with('.'))
}

fn names(image: &Image, run: Run) -> impl Iterator<Item = &str> {
    let types: &[TypeId] = run.of(&image.tables().schema.types);
    types.iter().map(|ty| type_name(image.tables(), *ty))
}

fn shape(image: &Image, record: SchemaTypeId) -> Shape<'_> {
    let run = match image.tables().schema.rows.get(record as usize) {
        Some(SchemaType::Record(run)) => *run,
        // Decoding checked that it is a record.
        _ => Run::default(),
    };
    Shape { image, run }
}

/// An entity type's declaration.
#[derive(Clone, Copy)]
pub struct EntityType<'i> {
    image: &'i Image,
    row: &'i EntityTypeRow,
}

impl<'i> EntityType<'i> {
    /// Its full name.
    #[must_use]
    pub fn name(&self) -> &'i str {
        type_name(self.image.tables(), self.row.ty)
    }

    /// Its attributes.
    #[must_use]
    pub fn shape(&self) -> Shape<'i> {
        shape(self.image, self.row.shape)
    }

    /// The type of its tags, if it may have any.
    #[must_use]
    pub fn tags(&self) -> Option<Type<'i>> {
        self.row.tags.map(|ty| Type::of(self.image, ty))
    }

    /// The only identifiers there are, where the type is an enumeration.
    #[must_use]
    pub fn choices(&self) -> Option<impl Iterator<Item = &'i str> + use<'i>> {
        let tables = self.image.tables();
        let run = self.row.choices?;
        let choices: &'i [Sym] = run.of(&tables.schema.choices);
        Some(choices.iter().map(|choice| tables.strings.get(*choice)))
    }
}

/// The attributes of a record or an entity type.
#[derive(Clone, Copy)]
pub struct Shape<'i> {
    image: &'i Image,
    run: Run,
}

impl<'i> Shape<'i> {
    fn rows(&self) -> &'i [AttributeRow] {
        self.run.of(&self.image.tables().schema.attributes)
    }

    /// All attributes, by name.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute<'i>> + use<'i> {
        let image = self.image;
        self.rows().iter().map(move |row| Attribute { image, row })
    }

    /// The attribute called `name`.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<Attribute<'i>> {
        let strings = &self.image.tables().strings;
        let rows = self.rows();
        let at = rows.binary_search_by(|row| strings.get(row.name).cmp(name)).ok()?;
        rows.get(at).map(|row| Attribute { image: self.image, row })
    }

    /// Checks that `record` has every required attribute, no unknown one, and values of the declared types.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, with its place.
    pub fn check(&self, record: &Record) -> Result<(), Mismatch> {
        self.check_with(record, |_| false)
    }

    /// As [`Self::check`], where some attributes may be given `elsewhere`.
    fn check_with(&self, record: &Record, elsewhere: impl Fn(&str) -> bool) -> Result<(), Mismatch> {
        for (name, value) in record.iter() {
            match self.attribute(name) {
                Some(attribute) => {
                    attribute.ty().check(value).map_err(|mismatch| mismatch.within(name))?;
                }
                None => return Err(Mismatch::new(name, "no such attribute", kind(value))),
            }
        }
        let absent = |attribute: &Attribute<'_>| {
            let name = attribute.name();
            attribute.required() && record.get(name).is_none() && !elsewhere(name)
        };
        match self.attributes().find(absent) {
            Some(missing) => Err(Mismatch::new(missing.name(), &missing.ty().to_string(), "nothing")),
            None => Ok(()),
        }
    }
}

/// An attribute's declaration.
#[derive(Clone, Copy)]
pub struct Attribute<'i> {
    image: &'i Image,
    row: &'i AttributeRow,
}

impl<'i> Attribute<'i> {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'i str {
        self.image.tables().strings.get(self.row.name)
    }

    /// Whether it may not be absent.
    #[must_use]
    pub fn required(&self) -> bool {
        self.row.required
    }

    /// Its type.
    #[must_use]
    pub fn ty(&self) -> Type<'i> {
        Type::of(self.image, self.row.ty)
    }
}

/// A type of the schema.
#[derive(Clone, Copy)]
pub enum Type<'i> {
    /// `Bool`
    Bool,
    /// `Long`
    Long,
    /// `String`
    String,
    /// An entity of the type of this name.
    Entity(&'i str),
    /// A set.
    Set(Element<'i>),
    /// A record.
    Record(Shape<'i>),
    /// `decimal`
    Decimal,
    /// `datetime`
    Datetime,
    /// `duration`
    Duration,
    /// `ipaddr`
    Ip,
}

/// The type of a set's members.
#[derive(Clone, Copy)]
pub struct Element<'i> {
    image: &'i Image,
    ty: SchemaTypeId,
}

impl<'i> Element<'i> {
    /// The type.
    #[must_use]
    pub fn ty(&self) -> Type<'i> {
        Type::of(self.image, self.ty)
    }
}

impl<'i> Type<'i> {
    fn of(image: &'i Image, ty: SchemaTypeId) -> Self {
        let tables = image.tables();
        match tables.schema.rows.get(ty as usize).copied() {
            Some(SchemaType::Bool) => Self::Bool,
            Some(SchemaType::Long) => Self::Long,
            // Decoding checked the reference.
            Some(SchemaType::String) | None => Self::String,
            Some(SchemaType::Entity(ty)) => Self::Entity(type_name(tables, ty)),
            Some(SchemaType::Set(ty)) => Self::Set(Element { image, ty }),
            Some(SchemaType::Record(run)) => Self::Record(Shape { image, run }),
            Some(SchemaType::Decimal) => Self::Decimal,
            Some(SchemaType::Datetime) => Self::Datetime,
            Some(SchemaType::Duration) => Self::Duration,
            Some(SchemaType::Ip) => Self::Ip,
        }
    }

    /// Checks that `value` is of this type.
    ///
    /// # Errors
    ///
    /// What is wrong, with its place inside of sets and records.
    pub fn check(&self, value: &Value) -> Result<(), Mismatch> {
        match (self, value) {
            (Self::Bool, Value::Bool(_))
            | (Self::Long, Value::Long(_))
            | (Self::String, Value::String(_))
            | (Self::Decimal, Value::Decimal(_))
            | (Self::Datetime, Value::Datetime(_))
            | (Self::Duration, Value::Duration(_))
            | (Self::Ip, Value::Ip(_)) => Ok(()),
            (Self::Entity(ty), Value::Entity(uid)) if uid.ty() == *ty => Ok(()),
            (Self::Set(element), Value::Set(set)) => {
                let ty = element.ty();
                set.members().iter().try_for_each(|member| ty.check(member))
            }
            (Self::Record(shape), Value::Record(record)) => shape.check(record),
            _ => Err(Mismatch::new("", &self.to_string(), kind(value))),
        }
    }
}

/// What stands for an entity's tags in a path: `User.getTag()`.
pub const TAGS: &str = "getTag()";

/// How deep types are told, and how many attributes of a record: types may name each other many times over.
const TOLD: (usize, usize) = (3, 16);

impl fmt::Display for Type<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tell(f, 0)
    }
}

impl Type<'_> {
    fn tell(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("Bool"),
            Self::Long => f.write_str("Long"),
            Self::String => f.write_str("String"),
            Self::Entity(ty) => f.write_str(ty),
            Self::Set(_) if depth > TOLD.0 => f.write_str("Set<…>"),
            Self::Set(element) => {
                f.write_str("Set<")?;
                element.ty().tell(f, depth + 1)?;
                f.write_str(">")
            }
            Self::Record(_) if depth > TOLD.0 => f.write_str("{…}"),
            Self::Record(shape) => {
                f.write_str("{")?;
                for (at, attribute) in shape.attributes().enumerate() {
                    if at >= TOLD.1 {
                        f.write_str(", …")?;
                        break;
                    }
                    let (comma, optional) =
                        (if at > 0 { ", " } else { "" }, if attribute.required() { "" } else { "?" });
                    write!(f, "{comma}{}{optional}: ", attribute.name())?;
                    attribute.ty().tell(f, depth + 1)?;
                }
                f.write_str("}")
            }
            Self::Decimal => f.write_str("decimal"),
            Self::Datetime => f.write_str("datetime"),
            Self::Duration => f.write_str("duration"),
            Self::Ip => f.write_str("ipaddr"),
        }
    }
}

fn kind(value: &Value) -> &str {
    match value {
        Value::Bool(_) => "Bool",
        Value::Long(_) => "Long",
        Value::String(_) => "String",
        Value::Entity(uid) => uid.ty(),
        Value::Set(_) => "a set",
        Value::Record(_) => "a record",
        Value::Decimal(_) => "decimal",
        Value::Datetime(_) => "datetime",
        Value::Duration(_) => "duration",
        Value::Ip(_) => "ipaddr",
    }
}

/// Something that the schema doesn't allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Where, as a path of names.
    pub place: String,
    /// What the schema expects there.
    pub expected: String,
    /// What kind of thing is there; never a value.
    pub found: String,
}

impl Mismatch {
    fn new(place: &str, expected: &str, found: &str) -> Self {
        Self { place: place.into(), expected: expected.into(), found: found.into() }
    }

    fn within(mut self, outer: &str) -> Self {
        self.place = match self.place.as_str() {
            "" => outer.to_string(),
            place => format!("{outer}.{place}"),
        };
        self
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: expected {}, found {}", self.place, self.expected, self.found)
    }
}

impl core::error::Error for Mismatch {}
