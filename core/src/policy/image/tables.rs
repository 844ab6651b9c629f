//! The content of an image as plain tables: what the compiler fills, the codec carries and the evaluator reads.

use alloc::{string::String, vec::Vec};

use super::index::Index;
use crate::policy::extension::{Datetime, Decimal, Duration, IpNet};

/// Index of a text.
pub type Sym = u32;
/// Index of an entity type.
pub type TypeId = u32;
/// Index of an entity name.
pub type UidId = u32;
/// Index of a constant.
pub type ConstId = u32;
/// Index of an expression.
pub type NodeId = u32;
/// Index of a policy, in the order of the sources.
pub type PolicyIndex = u32;
/// Index of a type in the schema.
pub type SchemaTypeId = u32;

/// A run of entries in a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// The first entry.
    pub start: u32,
    /// How many there are.
    pub len: u32,
}

impl Run {
    pub(crate) fn of<T>(self, table: &[T]) -> &[T] {
        let start = self.start as usize;
        table.get(start..start.saturating_add(self.len as usize)).unwrap_or(&[])
    }
}

/// Interned texts, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strings {
    /// All texts.
    pub text: String,
    /// Where each ends.
    pub ends: Vec<u32>,
}

impl Strings {
    /// The text of `sym`; empty where there is none, which decoding rules out.
    #[must_use]
    pub fn get(&self, sym: Sym) -> &str {
        let at = sym as usize;
        let start = match at.checked_sub(1) {
            None => 0,
            Some(before) => self.ends.get(before).copied().unwrap_or(0),
        };
        let end = self.ends.get(at).copied().unwrap_or(0);
        self.text.get(start as usize..end as usize).unwrap_or("")
    }
}

/// An entity name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uid {
    /// Its type.
    pub ty: TypeId,
    /// Its identifier.
    pub id: Sym,
    /// Its row among the static entities, or none.
    pub entity: Option<u32>,
}

/// A constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Const {
    /// A boolean.
    Bool(bool),
    /// An integer.
    Long(i64),
    /// A text.
    String(Sym),
    /// An entity.
    Entity(UidId),
    /// A set: a run of `members`, sorted and distinct.
    Set(Run),
    /// A record: a run of `fields`, sorted by name.
    Record(Run),
    /// A `decimal`.
    Decimal(Decimal),
    /// A `datetime`.
    Datetime(Datetime),
    /// A `duration`.
    Duration(Duration),
    /// An `ipaddr`.
    Ip(IpNet),
}

/// Constants with what their sets and records hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Constants {
    /// The constants; members come before what holds them.
    pub rows: Vec<Const>,
    /// Members of sets.
    pub members: Vec<ConstId>,
    /// Members of records.
    pub fields: Vec<(Sym, ConstId)>,
}

/// A static entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaticEntity {
    /// Attributes: a run of `Constants::fields`.
    pub attributes: Run,
    /// Tags: a run of `Constants::fields`.
    pub tags: Run,
    /// All ancestors: a run of `Entities::ancestors`, sorted.
    pub ancestors: Run,
}

/// Static entities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entities {
    /// One row for each.
    pub rows: Vec<StaticEntity>,
    /// Transitive ancestors.
    pub ancestors: Vec<UidId>,
}

/// Patterns of `like`: the literal pieces between wildcards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patterns {
    /// Runs of `pieces`; one piece more than there are wildcards.
    pub rows: Vec<Run>,
    /// The pieces.
    pub pieces: Vec<Sym>,
}

/// A variable of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Var {
    /// `principal`
    Principal,
    /// `action`
    Action,
    /// `resource`
    Resource,
    /// `context`
    Context,
}

/// Operators with one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unary {
    /// `!`
    Not,
    /// `-`
    Neg,
    /// `.isEmpty()`
    IsEmpty,
}

/// Operators with two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    /// `==`
    Eq,
    /// `<`
    Less,
    /// `<=`
    LessEq,
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `in`
    In,
    /// `.contains()`
    Contains,
    /// `.containsAll()`
    ContainsAll,
    /// `.containsAny()`
    ContainsAny,
    /// `.getTag()`
    GetTag,
    /// `.hasTag()`
    HasTag,
}

/// Functions and methods of the extension types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// `decimal("…")`
    Decimal,
    /// `ip("…")`
    Ip,
    /// `datetime("…")`
    Datetime,
    /// `duration("…")`
    Duration,
    /// `.lessThan()` of decimals
    LessThan,
    /// `.lessThanOrEqual()` of decimals
    LessThanOrEqual,
    /// `.greaterThan()` of decimals
    GreaterThan,
    /// `.greaterThanOrEqual()` of decimals
    GreaterThanOrEqual,
    /// `.isIpv4()`
    IsIpv4,
    /// `.isIpv6()`
    IsIpv6,
    /// `.isLoopback()`
    IsLoopback,
    /// `.isMulticast()`
    IsMulticast,
    /// `.isInRange()`
    IsInRange,
    /// `.offset()`
    Offset,
    /// `.durationSince()`
    DurationSince,
    /// `.toDate()`
    ToDate,
    /// `.toTime()`
    ToTime,
    /// `.toMilliseconds()`
    ToMilliseconds,
    /// `.toSeconds()`
    ToSeconds,
    /// `.toMinutes()`
    ToMinutes,
    /// `.toHours()`
    ToHours,
    /// `.toDays()`
    ToDays,
}

impl Function {
    /// Each with its name in Cedar and its number of arguments.
    pub const ALL: [(Self, &'static str, u32); 22] = [
        (Self::Decimal, "decimal", 1),
        (Self::Ip, "ip", 1),
        (Self::Datetime, "datetime", 1),
        (Self::Duration, "duration", 1),
        (Self::LessThan, "lessThan", 2),
        (Self::LessThanOrEqual, "lessThanOrEqual", 2),
        (Self::GreaterThan, "greaterThan", 2),
        (Self::GreaterThanOrEqual, "greaterThanOrEqual", 2),
        (Self::IsIpv4, "isIpv4", 1),
        (Self::IsIpv6, "isIpv6", 1),
        (Self::IsLoopback, "isLoopback", 1),
        (Self::IsMulticast, "isMulticast", 1),
        (Self::IsInRange, "isInRange", 2),
        (Self::Offset, "offset", 2),
        (Self::DurationSince, "durationSince", 2),
        (Self::ToDate, "toDate", 1),
        (Self::ToTime, "toTime", 1),
        (Self::ToMilliseconds, "toMilliseconds", 1),
        (Self::ToSeconds, "toSeconds", 1),
        (Self::ToMinutes, "toMinutes", 1),
        (Self::ToHours, "toHours", 1),
        (Self::ToDays, "toDays", 1),
    ];

    /// The function of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, have, _)| *have == name).map(|(function, ..)| *function)
    }

    /// Its name in Cedar.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.get(self as usize).map_or("", |(_, name, _)| name)
    }

    /// How many arguments it takes, the object of a method among them.
    #[must_use]
    pub fn arity(self) -> u32 {
        Self::ALL.get(self as usize).map_or(0, |(_, _, arity)| *arity)
    }
}

/// An expression. Operands always have lower indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// A constant.
    Const(ConstId),
    /// A variable.
    Var(Var),
    /// An operator with one operand.
    Unary(Unary, NodeId),
    /// An operator with two operands.
    Binary(Binary, NodeId, NodeId),
    /// `&&` of a run of `operands`.
    And(Run),
    /// `||` of a run of `operands`.
    Or(Run),
    /// `if`: condition, then, else, as a run of three `operands`.
    If(Run),
    /// Attribute access.
    Attr(NodeId, Sym),
    /// `has` with one name.
    Has(NodeId, Sym),
    /// `has a.b.c`: a run of `names`.
    HasPath(NodeId, Run),
    /// `like`: index of a pattern.
    Like(NodeId, u32),
    /// `is`
    Is(NodeId, TypeId),
    /// A set of a run of `operands`.
    Set(Run),
    /// A record of a run of `names` and an equally long run of `operands` that starts at the given place.
    Record(Run, u32),
    /// A function of a run of `operands`.
    Call(Function, Run),
}

/// Expressions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nodes {
    /// The expressions.
    pub rows: Vec<Node>,
    /// Operands of those that take several.
    pub operands: Vec<NodeId>,
    /// Names in records and `has` chains.
    pub names: Vec<Sym>,
}

/// What a policy does when it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// `permit`
    Permit,
    /// `forbid`
    Forbid,
}

/// A scope's demand on the principal or the resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// None.
    Any,
    /// `== uid`
    Eq(UidId),
    /// `in uid`
    In(UidId),
    /// `is type`
    Is(TypeId),
    /// `is type in uid`
    IsIn(TypeId, UidId),
}

/// A scope's demand on the action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionScope {
    /// None.
    Any,
    /// `== uid`
    Eq(UidId),
    /// `in uid` or `in [uid, …]`: a run of `Policies::actions`.
    In(Run),
}

/// Where something stands in the sources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Index of the source.
    pub source: u32,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Offset in bytes.
    pub offset: u32,
    /// Length in bytes.
    pub len: u32,
}

/// One conjunct of a policy's conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clause {
    /// What must be true.
    pub node: NodeId,
    /// Where it starts, in bytes from the start of its policy.
    pub offset: u32,
    /// How many bytes it has; 0 where it isn't in the sources.
    pub len: u32,
}

/// A policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyRow {
    /// Permit or forbid.
    pub effect: Effect,
    /// Its identifier.
    pub id: Sym,
    /// A run of `Policies::annotations`.
    pub annotations: Run,
    /// The principal it is about.
    pub principal: Scope,
    /// The actions it is about.
    pub action: ActionScope,
    /// The resource it is about.
    pub resource: Scope,
    /// Conditions, all of which must hold: a run of `Policies::clauses`.
    pub clauses: Run,
    /// Where it stands.
    pub span: Span,
}

/// Policies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policies {
    /// One row for each.
    pub rows: Vec<PolicyRow>,
    /// Names and texts of annotations.
    pub annotations: Vec<(Sym, Sym)>,
    /// Actions of `in` lists.
    pub actions: Vec<UidId>,
    /// Conjuncts of conditions.
    pub clauses: Vec<Clause>,
}

/// A type of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaType {
    /// `Bool`
    Bool,
    /// `Long`
    Long,
    /// `String`
    String,
    /// An entity type.
    Entity(TypeId),
    /// `Set<…>`
    Set(SchemaTypeId),
    /// A record: a run of `Schema::attributes`.
    Record(Run),
    /// `decimal`
    Decimal,
    /// `datetime`
    Datetime,
    /// `duration`
    Duration,
    /// `ipaddr`
    Ip,
}

/// An attribute's declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttributeRow {
    /// Its name.
    pub name: Sym,
    /// Its type.
    pub ty: SchemaTypeId,
    /// Whether it may not be absent.
    pub required: bool,
}

/// An action's declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActionRow {
    /// Its name.
    pub action: UidId,
    /// Types of principals: a run of `Schema::types`.
    pub principals: Run,
    /// Types of resources: a run of `Schema::types`.
    pub resources: Run,
    /// The context: a record type.
    pub context: SchemaTypeId,
}

/// An entity type's declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntityTypeRow {
    /// Its name.
    pub ty: TypeId,
    /// Its attributes: a record type.
    pub shape: SchemaTypeId,
    /// The type of its tags, if it may have any.
    pub tags: Option<SchemaTypeId>,
    /// The only identifiers it may have, where it is an enumeration: a run of `Schema::choices`.
    pub choices: Option<Run>,
}

/// The schema, as far as requests are concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    /// Types; parts come before wholes.
    pub rows: Vec<SchemaType>,
    /// Attributes of records, sorted by name within each.
    pub attributes: Vec<AttributeRow>,
    /// Types of principals and resources.
    pub types: Vec<TypeId>,
    /// Identifiers of enumerations.
    pub choices: Vec<Sym>,
    /// Actions, sorted.
    pub actions: Vec<ActionRow>,
    /// Entity types, sorted.
    pub entities: Vec<EntityTypeRow>,
    /// What is sensitive, sorted: `User`, `User.ssn`, `context.card`.
    pub sensitive: Vec<Sym>,
}

/// Everything in an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// Texts.
    pub strings: Strings,
    /// Entity types.
    pub types: Vec<Sym>,
    /// Entity names.
    pub uids: Vec<Uid>,
    /// Constants.
    pub constants: Constants,
    /// Static entities.
    pub entities: Entities,
    /// Patterns.
    pub patterns: Patterns,
    /// Expressions.
    pub nodes: Nodes,
    /// Policies.
    pub policies: Policies,
    /// The tree that leads to the policies.
    pub index: Index,
    /// The schema.
    pub schema: Schema,
    /// Names of source files.
    pub sources: Vec<Sym>,
}
