//! What policies are about: a fixed schema, and entities and requests that keep to it, or don't.

use serde_json::{Map, Value, json};

use super::random::Random;

/// How entities and requests are made.
pub(super) struct World {
    /// Whether there is a schema, which everything keeps to.
    pub(super) typed: bool,
    /// How often of a hundred an attribute is of another type or missing where there is none.
    noise: usize,
}

/// Attributes that `User` and `Doc` share, with their types; `?` marks those that may be absent.
const ATTRIBUTES: [(&str, &str); 14] = [
    ("dept", "String"),
    ("tenant", "String"),
    ("level", "Long"),
    ("quota", "Long?"),
    ("active", "Bool"),
    ("labels", "Set<String>"),
    ("limits", "Set<Long>?"),
    ("friends", "Set<User>"),
    ("owner", "User?"),
    ("info", "Info?"),
    ("price", "decimal"),
    ("addr", "ipaddr?"),
    ("since", "datetime"),
    ("term", "duration?"),
];

/// The users, groups and documents there are; some are named that don't exist.
pub(super) const USERS: [&str; 5] = ["u0", "u1", "u2", "u3", "gone"];
pub(super) const GROUPS: [&str; 7] = ["g0", "g1", "g2", "g3", "g4", "g5", "none"];
pub(super) const DOCS: [&str; 4] = ["d0", "d1", "d2", "lost"];
pub(super) const FOLDERS: [&str; 4] = ["f0", "f1", "f2", "f3"];
pub(super) const ACTIONS: [&str; 4] = ["read", "write", "share", "admin"];
pub(super) const REGIONS: [&str; 3] = ["eu", "us", "ap"];

/// The schema in Cedar's syntax.
pub(super) fn schema() -> String {
    let attributes: Vec<String> = ATTRIBUTES
        .iter()
        .map(|(name, ty)| match ty.strip_suffix('?') {
            Some(ty) => format!("{name}?: {ty}"),
            None => format!("{name}: {ty}"),
        })
        .collect();
    let attributes = attributes.join(", ");
    format!(
        "type Info = {{ n: Long, s?: String, \"odd name\"?: Bool, deep?: {{ n: Long, who?: User }} }};\n\
         entity Region enum [\"eu\", \"us\", \"ap\"];\n\
         entity Group in [Group] {{ level: Long }};\n\
         entity Folder in [Folder];\n\
         entity User in [Group] {{ {attributes}, home: Region }} tags String;\n\
         entity Doc in [Folder, Group] {{ {attributes}, home: Region }} tags Set<String>;\n\
         action all;\n\
         action change in [all];\n\
         action read in [all] appliesTo {{ principal: [User, Group], resource: [Doc, Folder, User], context: Ctx }};\n\
         action write, share in [change] appliesTo {{ principal: User, resource: [Doc, Folder, User], context: Ctx }};\n\
         action admin appliesTo {{ principal: [User, Group], resource: [Doc, Folder, User], context: Ctx }};\n\
         type Ctx = {{ {attributes}, home?: Region }};\n"
    )
}

impl World {
    pub(super) fn new(random: &mut Random) -> Self {
        Self { typed: random.percent(40), noise: random.pick(&[&0, &3, &10, &30]).to_owned() }
    }

    /// All entities, the actions among them where there is no schema.
    pub(super) fn entities(&self, random: &mut Random) -> Value {
        let mut entities = Vec::new();
        for group in &GROUPS[..6] {
            let mut parents = Vec::new();
            for above in &GROUPS[..6] {
                // Only upwards, so that there are no cycles.
                if above > group && random.percent(30) {
                    parents.push(uid("Group", above));
                }
            }
            let level = json!({ "level": self.long(random) });
            let level = if self.noisy(random) { json!({}) } else { level };
            entities.push(json!({ "uid": uid("Group", group), "attrs": level, "parents": parents }));
        }
        for (at, folder) in FOLDERS.iter().enumerate() {
            let parents: Vec<Value> =
                FOLDERS.get(at + 1).map(|above| uid("Folder", above)).into_iter().collect();
            entities.push(json!({ "uid": uid("Folder", folder), "attrs": {}, "parents": parents }));
        }
        for user in &USERS[..4] {
            let parents = some(random, "Group", &GROUPS[..6], 30);
            let tags = self.tags(random, |world, random| world.string(random));
            entities.push(json!({
                "uid": uid("User", user), "attrs": self.attributes(random, true), "parents": parents, "tags": tags,
            }));
        }
        for doc in &DOCS[..3] {
            let mut parents = some(random, "Folder", &FOLDERS, 30);
            parents.extend(some(random, "Group", &GROUPS[..6], 10));
            let tags = self.tags(random, |world, random| world.value(random, "Set<String>"));
            entities.push(json!({
                "uid": uid("Doc", doc), "attrs": self.attributes(random, true), "parents": parents, "tags": tags,
            }));
        }
        if !self.typed {
            for (action, above) in
                [("read", "all"), ("write", "change"), ("share", "change"), ("change", "all")]
            {
                let mut parents = vec![uid("Action", above)];
                if above == "change" {
                    parents.push(uid("Action", "all"));
                }
                entities.push(json!({ "uid": uid("Action", action), "attrs": {}, "parents": parents }));
            }
            entities.push(json!({ "uid": uid("Action", "all"), "attrs": {}, "parents": [] }));
        }
        entities.into()
    }

    /// A request.
    pub(super) fn request(&self, random: &mut Random) -> Value {
        let principal = match random.below(10) {
            0 => uid("Group", random.pick(&GROUPS)),
            _ => uid("User", random.pick(&USERS)),
        };
        let resource = match random.below(10) {
            0 => uid("Folder", random.pick(&FOLDERS)),
            1 => uid("User", random.pick(&USERS)),
            _ => uid("Doc", random.pick(&DOCS)),
        };
        let action = uid("Action", random.pick(&ACTIONS));
        let context = self.attributes(random, false);
        json!({ "principal": principal, "action": action, "resource": resource, "context": context })
    }

    fn noisy(&self, random: &mut Random) -> bool {
        !self.typed && random.percent(self.noise)
    }

    fn attributes(&self, random: &mut Random, home: bool) -> Value {
        let mut record = Map::new();
        for (name, ty) in ATTRIBUTES {
            let optional = ty.strip_suffix('?');
            let absent = optional.is_some() && random.percent(35);
            if absent || self.noisy(random) {
                continue;
            }
            let ty = if self.noisy(random) { ATTRIBUTES[random.below(ATTRIBUTES.len())].1 } else { ty };
            record.insert(name.to_owned(), self.value(random, ty.trim_end_matches('?')));
        }
        if home || random.percent(50) {
            record.insert("home".to_owned(), entity("Region", random.pick(&REGIONS)));
        }
        record.into()
    }

    fn tags(&self, random: &mut Random, value: impl Fn(&Self, &mut Random) -> Value) -> Value {
        let mut tags = Map::new();
        for key in ["k0", "k1", "k2"] {
            if random.percent(50) {
                tags.insert(key.to_owned(), value(self, random));
            }
        }
        tags.into()
    }

    fn long(&self, random: &mut Random) -> Value {
        match random.below(20) {
            0 => i64::MAX.into(),
            1 => i64::MIN.into(),
            _ => (random.below(10) as i64 - 1).into(),
        }
    }

    fn string(&self, random: &mut Random) -> Value {
        random.pick(&["a0", "a1", "a2", "a3", "a4", "a5", "", "a*"]).into()
    }

    fn value(&self, random: &mut Random, ty: &str) -> Value {
        let count = random.below(4);
        let extension = |name: &str, text: &str| json!({ "__extn": { "fn": name, "arg": text } });
        match ty {
            "Long" => self.long(random),
            "Bool" => random.percent(50).into(),
            "Set<String>" => (0..count).map(|_| self.string(random)).collect(),
            "Set<Long>" => (0..count).map(|_| self.long(random)).collect(),
            "Set<User>" => (0..count).map(|_| entity("User", random.pick(&USERS))).collect(),
            "User" => entity("User", random.pick(&USERS)),
            "decimal" => extension("decimal", random.pick(&["0.0", "1.0", "1.5", "-3.25"])),
            "ipaddr" => {
                extension("ip", random.pick(&["10.0.0.1", "10.0.0.0/8", "127.0.0.1", "::1", "fe80::/10"]))
            }
            "datetime" => {
                extension("datetime", random.pick(&["2024-01-01", "2024-06-01T12:00:00Z", "1969-12-31"]))
            }
            "duration" => extension("duration", random.pick(&["0ms", "1h", "-3d", "1d2h"])),
            "Info" => {
                let mut info = Map::new();
                info.insert("n".into(), self.long(random));
                if random.percent(60) {
                    info.insert("s".into(), self.string(random));
                }
                if random.percent(30) {
                    info.insert("odd name".into(), random.percent(50).into());
                }
                if random.percent(50) {
                    let mut deep = json!({ "n": self.long(random) });
                    if random.percent(50) {
                        deep["who"] = entity("User", random.pick(&USERS));
                    }
                    info.insert("deep".into(), deep);
                }
                info.into()
            }
            _ => self.string(random),
        }
    }
}

fn some(random: &mut Random, ty: &str, from: &[&str], percent: usize) -> Vec<Value> {
    from.iter().filter(|_| random.percent(percent)).map(|id| uid(ty, id)).collect()
}

fn uid(ty: &str, id: &str) -> Value {
    json!({ "type": ty, "id": id })
}

fn entity(ty: &str, id: &str) -> Value {
    json!({ "__entity": uid(ty, id) })
}
