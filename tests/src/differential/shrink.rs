//! Making a case that shows a difference as small as it still shows it.

use serde_json::Value;

/// The case with as few requests, policies, links and entities as still satisfy `shows`.
pub fn shrink(case: &Value, shows: impl Fn(&Value) -> bool) -> Value {
    let mut small = split(case);
    if !shows(&small) {
        small = case.clone();
    }
    let lists: [&[&str]; 5] = [
        &["requests"],
        &["policy_parts", "static"],
        &["links"],
        &["policy_parts", "templates"],
        &["entities"],
    ];
    loop {
        let before = small.to_string().len();
        for path in lists {
            small = without(small, path, &shows);
        }
        if small.to_string().len() == before {
            return small;
        }
    }
}

/// The case with its policies apart, so that one can be left out without renaming the others.
fn split(case: &Value) -> Value {
    let Some(text) = case["policy"].as_str() else { return case.clone() };
    let mut apart = case.clone();
    let policies =
        text.lines().enumerate().map(|(at, line)| Value::from(vec![format!("policy{at}"), line.to_owned()]));
    apart["policy_parts"] = serde_json::json!({ "static": policies.collect::<Vec<_>>() });
    if let Some(members) = apart.as_object_mut() {
        members.remove("policy");
    }
    apart
}

fn list<'v>(case: &'v mut Value, path: &[&str]) -> Option<&'v mut Vec<Value>> {
    path.iter().try_fold(case, |value, name| value.get_mut(name))?.as_array_mut()
}

fn without(mut case: Value, path: &[&str], shows: &impl Fn(&Value) -> bool) -> Value {
    let mut at = 0;
    // From large pieces to single ones.
    let mut piece = list(&mut case, path).map_or(0, |list| list.len()).div_ceil(2);
    while piece > 0 {
        while at < list(&mut case, path).map_or(0, |list| list.len()) {
            let mut less = case.clone();
            if let Some(list) = list(&mut less, path) {
                list.drain(at..(at + piece).min(list.len()));
            }
            if shows(&less) { case = less } else { at += piece }
        }
        at = 0;
        piece /= 2;
    }
    case
}
