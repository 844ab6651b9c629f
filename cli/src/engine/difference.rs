//! In what two values differ, field by field.

use serde_json::Value;
use std::fmt::Write;

/// One line for each difference between the values of two sides; empty where they are equal.
pub(crate) fn differences(left: (&str, &Value), right: (&str, &Value)) -> String {
    let mut lines = String::new();
    compare("", left, right, &mut lines);
    lines
}

fn compare(path: &str, left: (&str, &Value), right: (&str, &Value), lines: &mut String) {
    match (left.1, right.1) {
        (Value::Object(ours), Value::Object(theirs)) => {
            let mut names: Vec<&String> = ours.keys().chain(theirs.keys()).collect();
            names.sort_unstable();
            names.dedup();
            for name in names {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                let side = |members: &serde_json::Map<String, Value>| members.get(name).cloned();
                match (side(ours), side(theirs)) {
                    (Some(ours), Some(theirs)) => compare(&path, (left.0, &ours), (right.0, &theirs), lines),
                    (Some(ours), None) => only(&path, left.0, &ours, lines),
                    (None, Some(theirs)) => only(&path, right.0, &theirs, lines),
                    (None, None) => {}
                }
            }
        }
        (ours, theirs) if ours == theirs => {}
        (ours, theirs) => {
            _ = writeln!(lines, "`{path}`: {} has {ours}, {} has {theirs}", left.0, right.0);
        }
    }
}

fn only(path: &str, side: &str, value: &Value, lines: &mut String) {
    _ = writeln!(lines, "`{path}`: only {side} has it: {value}");
}

#[cfg(test)]
mod tests {
    use super::differences;
    use serde_json::json;

    #[test]
    fn each_difference_is_one_line() {
        let left = json!({"a": 1, "b": {"c": [1], "d": 2}, "e": 5});
        let right = json!({"a": 1, "b": {"c": [2], "d": 2}, "f": 6});
        assert_eq!(differences(("l", &left), ("r", &left)), "");
        assert_eq!(
            differences(("l", &left), ("r", &right)),
            "`b.c`: l has [1], r has [2]\n`e`: only l has it: 5\n`f`: only r has it: 6\n"
        );
    }
}
