//! The Test Anything Protocol, version 14: a line for each case, and what is wrong as a block of YAML.

use super::Suite;
use serde_json::Value;
use std::fmt::Write as _;

/// Writes suites as one stream of numbered cases.
pub(crate) fn tap(suites: &[Suite]) -> String {
    let count = suites.iter().map(|suite| suite.cases.len()).sum::<usize>();
    let mut text = format!("TAP version 14\n1..{count}\n");
    let cases = suites.iter().flat_map(|suite| suite.cases.iter().map(move |case| (&suite.name, case)));
    for (index, (suite, case)) in cases.enumerate() {
        let not = if case.failure.is_some() { "not " } else { "" };
        let (number, name) = (index + 1, description(&format!("{suite}: {}", case.name)));
        _ = writeln!(text, "{not}ok {number} - {name}");
        let failure = case.failure.iter();
        let mut told: Vec<(&str, &str)> =
            failure.flat_map(|(short, long)| [("message", &**short), ("details", &**long)]).collect();
        if !case.output.is_empty() {
            told.push(("output", &case.output));
        }
        if told.is_empty() {
            continue;
        }
        text.push_str("  ---\n");
        for (name, value) in told {
            // JSON's strings are YAML's, and stand in one line.
            _ = writeln!(text, "  {name}: {}", Value::from(value));
        }
        text.push_str("  ...\n");
    }
    text
}

/// A case's name as a description, in one line: a `#` would begin a directive.
fn description(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for letter in name.chars() {
        match letter {
            '\\' | '#' => text.extend(['\\', letter]),
            letter if letter.is_control() => text.push('\u{fffd}'),
            letter => text.push(letter),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Case;

    #[test]
    fn names_are_no_directives_and_text_is_no_line() {
        let suite = Suite {
            name: String::from("a.yaml"),
            cases: vec![
                Case::new("fine # SKIP\nok 9", None),
                Case::new("bad", Some((String::from("x: 1"), String::from("one\n...\ntwo")))),
                Case { output: String::from("said"), ..Case::new("told", None) },
            ],
        };
        assert_eq!(
            tap(&[suite]),
            "TAP version 14\n1..3\nok 1 - a.yaml: fine \\# SKIP\u{fffd}ok 9\nnot ok 2 - a.yaml: bad\n  ---\n  \
             message: \"x: 1\"\n  details: \"one\\n...\\ntwo\"\n  ...\nok 3 - a.yaml: told\n  ---\n  output: \"said\"\n  ...\n"
        );
    }
}
