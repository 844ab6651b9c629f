//! Expressions of a wanted type, which now and then turn out to be of another one.

use super::random::Random;
use super::world::{ACTIONS, DOCS, FOLDERS, GROUPS, REGIONS, USERS};

/// The types that expressions are asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Bool,
    Long,
    Text,
    Entity,
    Texts,
    Entities,
    Record,
    Decimal,
    Ip,
    Datetime,
    Duration,
}

const TYPES: [Type; 11] = [
    Type::Bool,
    Type::Long,
    Type::Text,
    Type::Entity,
    Type::Texts,
    Type::Entities,
    Type::Record,
    Type::Decimal,
    Type::Ip,
    Type::Datetime,
    Type::Duration,
];

/// An object with attributes.
pub(super) fn object(random: &mut Random) -> &'static str {
    random.pick(&[
        "principal",
        "principal",
        "resource",
        "resource",
        "context",
        "context",
        "principal.owner",
        "resource.owner",
        "action",
    ])
}

/// The name of an entity.
pub(super) fn entity(random: &mut Random) -> String {
    let (ty, id): (&str, &str) = match random.below(7) {
        0 | 1 => ("User", random.pick(&USERS)),
        2 | 3 => ("Group", random.pick(&GROUPS)),
        4 => ("Doc", random.pick(&DOCS)),
        5 => ("Folder", random.pick(&FOLDERS)),
        _ => {
            return random
                .pick(&["Region::\"eu\"", "Region::\"us\"", "Action::\"all\"", "Action::\"change\""])
                .to_owned();
        }
    };
    format!("{ty}::\"{id}\"")
}

/// A constant of a type.
pub(super) fn constant(random: &mut Random, ty: Type) -> String {
    match ty {
        Type::Bool => random.pick(&["true", "false"]).to_owned(),
        Type::Long if random.percent(6) => {
            random.pick(&["9223372036854775807", "(-9223372036854775808)", "4611686018427387904"]).to_owned()
        }
        Type::Long => (random.below(10) as i64 - 1).to_string(),
        Type::Text => random
            .pick(&["\"a0\"", "\"a1\"", "\"a2\"", "\"a3\"", "\"a4\"", "\"a5\"", "\"\"", "\"a*\"", "\"é\""])
            .to_owned(),
        Type::Entity => entity(random),
        Type::Texts => list(random, Type::Text),
        Type::Entities => list(random, Type::Entity),
        Type::Record => {
            random.pick(&["{}", "{n: 1}", "{n: 1, s: \"a1\"}", "{\"odd name\": true, n: 2}"]).to_owned()
        }
        Type::Decimal => random
            .pick(&["decimal(\"1.0\")", "decimal(\"1.5\")", "decimal(\"-3.25\")", "decimal(\"x\")"])
            .to_owned(),
        Type::Ip => {
            random.pick(&["ip(\"10.0.0.1\")", "ip(\"10.0.0.0/8\")", "ip(\"::1\")", "ip(\"no\")"]).to_owned()
        }
        Type::Datetime => random
            .pick(&[
                "datetime(\"2024-01-01\")",
                "datetime(\"2024-06-01T12:00:00Z\")",
                "datetime(\"2024-13-01\")",
            ])
            .to_owned(),
        Type::Duration => {
            random.pick(&["duration(\"1h\")", "duration(\"-3d\")", "duration(\"x\")"]).to_owned()
        }
    }
}

fn list(random: &mut Random, of: Type) -> String {
    let count = random.below(4);
    let members: Vec<String> = (0..count).map(|_| constant(random, of)).collect();
    format!("[{}]", members.join(", "))
}

/// An attribute that usually holds a value of a type.
pub(super) fn attribute(random: &mut Random, ty: Type) -> String {
    let object = object(random);
    let name: &str = match ty {
        Type::Bool => "active",
        Type::Long => random.pick(&["level", "level", "quota", "info.n", "info.deep.n"]),
        Type::Text => random.pick(&["dept", "dept", "tenant", "info.s"]),
        Type::Entity => random.pick(&["owner", "home", "info.deep.who"]),
        Type::Texts => random.pick(&["labels", "limits"]),
        Type::Entities => "friends",
        Type::Record => random.pick(&["info", "info.deep"]),
        Type::Decimal => "price",
        Type::Ip => "addr",
        Type::Datetime => "since",
        Type::Duration => "term",
    };
    format!("{object}.{name}")
}

/// An expression, usually of type `ty`.
pub(super) fn expression(random: &mut Random, ty: Type, depth: usize) -> String {
    let ty = if random.percent(3) { TYPES[random.below(TYPES.len())] } else { ty };
    if depth == 0 || random.percent(15) {
        return match random.below(3) {
            0 => constant(random, ty),
            _ if ty == Type::Entity && random.percent(60) => {
                random.pick(&["principal", "resource", "action"]).to_owned()
            }
            _ => attribute(random, ty),
        };
    }
    let below = depth - 1;
    let mut sub = |ty: Type| expression(random, ty, below);
    if ty != Type::Bool {
        let (condition, then, other) = (sub(Type::Bool), sub(ty), sub(ty));
        let (longs, times) = ((sub(Type::Long), sub(Type::Long)), (sub(Type::Datetime), sub(Type::Duration)));
        return match (ty, random.below(6)) {
            (_, 0) => format!("(if {condition} then {then} else {other})"),
            (Type::Long, 1) => format!(
                "({}).{}()",
                times.1,
                random.pick(&["toDays", "toHours", "toMinutes", "toSeconds", "toMilliseconds"])
            ),
            (Type::Long, 2) => format!("(-({}))", longs.0),
            (Type::Long, _) => format!("({} {} {})", longs.0, random.pick(&["+", "-", "*"]), longs.1),
            (Type::Text, 1 | 2) => format!(
                "({}).getTag({})",
                random.pick(&["principal", "resource"]),
                random.pick(&["\"k0\"", "\"k1\"", "\"k2\"", "context.dept"])
            ),
            (Type::Texts, 1) => format!("[{then}, {other}]"),
            (Type::Datetime, 1) => format!("({}).{}()", times.0, "toDate"),
            (Type::Datetime, 2) => format!("({}).offset({})", times.0, times.1),
            (Type::Duration, 1) => format!("({}).toTime()", times.0),
            (Type::Duration, 2) => format!("({}).durationSince({then})", times.0),
            (Type::Record, 1) => format!("{{n: {}, s: {}}}", longs.0, condition),
            (_, 3) => attribute(random, ty),
            _ => constant(random, ty),
        };
    }
    boolean(random, below)
}

fn boolean(random: &mut Random, below: usize) -> String {
    let choice = random.below(24);
    let mut sub = |ty: Type| expression(random, ty, below);
    match choice {
        0 | 1 => format!("({} && {})", sub(Type::Bool), sub(Type::Bool)),
        2 | 3 => format!("({} || {})", sub(Type::Bool), sub(Type::Bool)),
        4 => format!("(!({}))", sub(Type::Bool)),
        5 => format!("(if {} then {} else {})", sub(Type::Bool), sub(Type::Bool), sub(Type::Bool)),
        6 | 7 => {
            let (a, b) = (sub(Type::Long), sub(Type::Long));
            format!("({a} {} {b})", random.pick(&["<", "<=", ">", ">=", "==", "!="]))
        }
        8 => format!("({} == {})", sub(Type::Text), sub(Type::Text)),
        9 => format!("({} != {})", sub(Type::Record), sub(Type::Record)),
        10 => format!("({} in {})", sub(Type::Entity), sub(Type::Entity)),
        11 => format!("({} in {})", sub(Type::Entity), sub(Type::Entities)),
        12 => format!("({}).contains({})", sub(Type::Texts), sub(Type::Text)),
        13 => {
            let (a, b) = (sub(Type::Texts), sub(Type::Texts));
            format!("({a}).{}({b})", random.pick(&["containsAll", "containsAny"]))
        }
        14 => format!("({}).isEmpty()", sub(Type::Texts)),
        15 => {
            let text = sub(Type::Text);
            format!("({text} like {})", random.pick(&["\"*\"", "\"a*\"", "\"*1\"", "\"a\\*\"", "\"\""]))
        }
        16 => {
            let entity = sub(Type::Entity);
            format!("({entity} is {})", random.pick(&["User", "Doc", "Group", "Region", "Nowhere"]))
        }
        17 => {
            let (entity, group) = (sub(Type::Entity), sub(Type::Entity));
            format!("({entity} is {} in {group})", random.pick(&["User", "Doc"]))
        }
        18 => {
            let what = random.pick(&[
                "owner",
                "quota",
                "info",
                "info.s",
                "info.deep.who",
                "info.\"odd name\"",
                "home",
                "nothing",
                "owner.dept",
            ]);
            let what =
                if what.contains('"') { "info has \"odd name\"".to_owned() } else { format!("has {what}") };
            match what.strip_prefix("info ") {
                Some(rest) => format!("({}.info {rest})", object(random)),
                None => format!("({} {what})", object(random)),
            }
        }
        19 => format!(
            "({}).hasTag({})",
            random.pick(&["principal", "resource", "context.owner"]),
            random.pick(&["\"k0\"", "\"k1\"", "context.dept"])
        ),
        20 => {
            let (a, b) = (sub(Type::Decimal), sub(Type::Decimal));
            format!(
                "({a}).{}({b})",
                random.pick(&["lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual"])
            )
        }
        21 => {
            let (a, b) = (sub(Type::Ip), sub(Type::Ip));
            match random.below(4) {
                0 => format!("({a}).isInRange({b})"),
                _ => format!("({a}).{}()", random.pick(&["isIpv4", "isIpv6", "isLoopback", "isMulticast"])),
            }
        }
        22 => {
            let ty = if random.percent(50) { Type::Datetime } else { Type::Duration };
            let (a, b) = (expression(random, ty, below), expression(random, ty, below));
            format!("({a} {} {b})", random.pick(&["<", "<=", ">", ">="]))
        }
        _ => format!("({}).containsAny([{}, {}])", sub(Type::Entities), sub(Type::Entity), sub(Type::Entity)),
    }
}

/// Any of the names of actions and regions, for scopes.
pub(super) fn action(random: &mut Random) -> String {
    format!("Action::\"{}\"", random.pick(&[ACTIONS[0], ACTIONS[1], ACTIONS[2], ACTIONS[3], "all", "change"]))
}

/// A region.
pub(super) fn region(random: &mut Random) -> String {
    format!("Region::\"{}\"", random.pick(&REGIONS))
}
