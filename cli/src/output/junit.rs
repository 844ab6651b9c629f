//! JUnit's XML, as the common readers of it understand it.

use std::fmt::Write as _;

/// What belongs to one file.
pub(crate) struct Suite {
    /// Its name, a path.
    pub(crate) name: String,
    /// Its cases.
    pub(crate) cases: Vec<Case>,
}

/// One case.
pub(crate) struct Case {
    /// Its name.
    pub(crate) name: String,
    /// What is wrong, in short and at length.
    pub(crate) failure: Option<(String, String)>,
    /// What else there is to say.
    pub(crate) output: String,
}

impl Case {
    /// One that passes or fails.
    pub(crate) fn new(name: impl Into<String>, failure: Option<(String, String)>) -> Self {
        Self { name: name.into(), failure, output: String::new() }
    }
}

/// Writes suites.
pub(crate) fn junit(suites: &[Suite]) -> String {
    let failed = |suite: &Suite| suite.cases.iter().filter(|case| case.failure.is_some()).count();
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"{}\" failures=\"{}\">\n",
        suites.iter().map(|suite| suite.cases.len()).sum::<usize>(),
        suites.iter().map(failed).sum::<usize>(),
    );
    for suite in suites {
        let name = escape(&suite.name);
        let (tests, failures) = (suite.cases.len(), failed(suite));
        _ = writeln!(xml, "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\">");
        for case in &suite.cases {
            _ = write!(xml, "    <testcase classname=\"{name}\" name=\"{}\"", escape(&case.name));
            if case.failure.is_none() && case.output.is_empty() {
                xml.push_str("/>\n");
                continue;
            }
            xml.push('>');
            if let Some((message, text)) = &case.failure {
                _ = write!(xml, "<failure message=\"{}\">{}</failure>", escape(message), escape(text));
            }
            if !case.output.is_empty() {
                _ = write!(xml, "<system-out>{}</system-out>", escape(&case.output));
            }
            xml.push_str("</testcase>\n");
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

/// Text for XML 1.0: marks escaped, characters that it cannot hold replaced.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(letter),
            letter if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => {
                escaped.push('\u{fffd}')
            }
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_cannot_hold_is_escaped() {
        let case = |name: &str, failure| Case { name: name.to_owned(), failure, output: String::new() };
        let suite = Suite {
            name: String::from("a&b.yaml"),
            cases: vec![
                case("\"fine\"", None),
                case("bad", Some((String::from("x < 1"), String::from("a\u{1b}[0m\n<b>")))),
            ],
        };
        let xml = junit(&[suite]);
        assert!(xml.contains("<testsuites tests=\"2\" failures=\"1\">"), "{xml}");
        assert!(xml.contains("<testsuite name=\"a&amp;b.yaml\" tests=\"2\" failures=\"1\">"), "{xml}");
        assert!(xml.contains("name=\"&quot;fine&quot;\"/>"), "{xml}");
        assert!(xml.contains("<failure message=\"x &lt; 1\">a\u{fffd}[0m\n&lt;b&gt;</failure>"), "{xml}");
    }
}
