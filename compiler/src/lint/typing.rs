//! Which types the objects of attribute accesses have, as far as the schema says.

use cedar_policy_core::{
    ast::{BinaryOp, Expr, ExprKind, Var},
    validator::types::{AttributeType, EntityKind, Type},
};

use super::subject::{Subject, World};

/// An object that has attributes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    /// An entity of this type.
    Entity(String),
    /// A record, by its path: `context`, `context.transaction`, `User.address`.
    Record(String),
}

impl Owner {
    /// The path of one of its attributes.
    pub(super) fn path(&self, attribute: &str) -> String {
        match self {
            Self::Entity(name) | Self::Record(name) => format!("{name}.{attribute}"),
        }
    }
}

/// An object's type and what it is called.
#[derive(Clone)]
struct Typed {
    owner: Owner,
    ty: Type,
}

/// What `object` may be.
pub(super) fn owners(subject: &Subject<'_>, world: &World<'_>, object: &Expr) -> Vec<Owner> {
    typed(subject, world, object).into_iter().map(|typed| typed.owner).collect()
}

/// The declarations that an access to `attribute` of `object` may mean.
pub(super) fn declared(
    subject: &Subject<'_>,
    world: &World<'_>,
    object: &Expr,
    attribute: &str,
) -> Vec<(Owner, AttributeType)> {
    typed(subject, world, object)
        .into_iter()
        .filter_map(|typed| {
            let found = match &typed.ty {
                Type::Record { attrs, .. } => attrs.get_attr(attribute).cloned(),
                _ => match &typed.owner {
                    Owner::Entity(name) => world
                        .schema
                        .entity_types()
                        .find(|ty| ty.name().to_string() == *name)
                        .and_then(|ty| ty.attr(attribute).cloned()),
                    Owner::Record(_) => None,
                },
            };
            found.map(|found| (typed.owner, found))
        })
        .collect()
}

fn typed(subject: &Subject<'_>, world: &World<'_>, expr: &Expr) -> Vec<Typed> {
    let entities = |types: std::collections::BTreeSet<String>| {
        types.into_iter().map(|name| Typed { owner: Owner::Entity(name), ty: Type::Never }).collect()
    };
    match expr.expr_kind() {
        ExprKind::Var(Var::Principal) => entities(subject.principal_types()),
        ExprKind::Var(Var::Resource) => entities(subject.resource_types()),
        ExprKind::Var(Var::Context) => subject
            .contexts()
            .map(|ty| Typed { owner: Owner::Record("context".to_owned()), ty: ty.clone() })
            .collect(),
        ExprKind::GetAttr { expr: object, attr } => declared(subject, world, object, attr)
            .into_iter()
            .filter_map(|(owner, attribute)| value(&owner.path(attr), &attribute.attr_type))
            .collect(),
        ExprKind::BinaryApp { op: BinaryOp::GetTag, arg1, .. } => typed(subject, world, arg1)
            .into_iter()
            .filter_map(|object| match &object.owner {
                Owner::Entity(name) => {
                    let ty = world.schema.entity_types().find(|ty| ty.name().to_string() == *name)?;
                    value(&format!("{name}.tags"), ty.tag_type()?)
                }
                Owner::Record(_) => None,
            })
            .collect(),
        ExprKind::If { then_expr, else_expr, .. } => {
            let mut both = typed(subject, world, then_expr);
            both.extend(typed(subject, world, else_expr));
            both
        }
        _ => Vec::new(),
    }
}

fn value(path: &str, ty: &Type) -> Option<Typed> {
    let owner = match ty {
        Type::Entity(EntityKind::Entity(lub)) => Owner::Entity(lub.get_single_entity()?.to_string()),
        Type::Record { .. } => Owner::Record(path.to_owned()),
        _ => return None,
    };
    Some(Typed { owner, ty: ty.clone() })
}

/// Every expression in `expr`, itself among them.
pub(super) fn within(expr: &Expr) -> impl Iterator<Item = &Expr> {
    expr.subexpressions()
}
