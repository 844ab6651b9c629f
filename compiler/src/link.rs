//! Links of templates, as `links.json` and cases have them.

use std::{collections::HashMap, str::FromStr};

use cedar_policy::{EntityId, EntityTypeName, EntityUid, SlotId};
use serde_json::Value;

use crate::error::chain;

/// A link: `{"template_id", "link_id", "args"}`, or `{"templateId", "newId", "values"}` as Cedar's JSON form of policy sets has it.
pub(crate) struct Link {
    /// The template's identifier.
    pub(crate) template: String,
    /// The identifier of the policy that it makes.
    pub(crate) id: String,
    /// What stands in the slots.
    pub(crate) values: HashMap<SlotId, EntityUid>,
}

/// Each member under both of its names.
const MEMBERS: [[&str; 2]; 3] = [["template_id", "templateId"], ["link_id", "newId"], ["args", "values"]];

impl Link {
    /// Reads one, or says in words what is wrong with it.
    pub(crate) fn read(link: &Value) -> Result<Self, String> {
        let Value::Object(members) = link else {
            return Err(format!(
                "expected an object with `template_id`, `link_id` and `args`, found `{link}`"
            ));
        };
        if let Some(strange) = members.keys().find(|name| !MEMBERS.as_flattened().contains(&name.as_str())) {
            return Err(format!("unknown member `{strange}`, expected `template_id`, `link_id` and `args`"));
        }
        let member = |names: [&str; 2]| match names.map(|name| members.get(name)) {
            [Some(_), Some(_)] => {
                Err(format!("expected either `{}` or `{}`, found both", names[0], names[1]))
            }
            [one, other] => Ok(one.or(other)),
        };
        let text = |names: [&str; 2]| match member(names)?.and_then(Value::as_str) {
            Some(text) => Ok(text.to_owned()),
            None => Err(format!("expected `{}` in `{link}`", names[0])),
        };
        let (template, id) = (text(MEMBERS[0])?, text(MEMBERS[1])?);
        let given = match member(MEMBERS[2])? {
            Some(Value::Object(given)) => given,
            _ => {
                return Err(format!(
                    "expected `args` in `{link}`: an object with `?principal` or `?resource`"
                ));
            }
        };
        let mut values = HashMap::new();
        for (slot, value) in given {
            let slot = match slot.as_str() {
                "?principal" => SlotId::principal(),
                "?resource" => SlotId::resource(),
                _ => {
                    return Err(format!("the slot `{slot}` of `{id}`: expected `?principal` or `?resource`"));
                }
            };
            values.insert(slot, uid(value).map_err(|message| format!("in `{id}`: {message}"))?);
        }
        Ok(Self { template, id, values })
    }
}

/// An entity's name: text such as `User::"alice"`, `{"type", "id"}`, or the same under `__entity`.
pub(crate) fn uid(value: &Value) -> Result<EntityUid, String> {
    if let Value::String(text) = value {
        return text.parse().map_err(|error| format!("`{text}` is not an entity: {}", chain(&error)));
    }
    let inner = value.get("__entity").unwrap_or(value);
    let part = |name: &str| inner.get(name).and_then(Value::as_str);
    let (Some(ty), Some(id)) = (part("type"), part("id")) else {
        return Err(format!("expected `{{\"type\", \"id\"}}`, found `{value}`"));
    };
    let ty = EntityTypeName::from_str(ty).map_err(|error| chain(&error))?;
    Ok(EntityUid::from_type_name_and_id(ty, EntityId::new(id)))
}
