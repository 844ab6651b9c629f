//! Annotations of GitHub Actions: workflow commands that show a message at its line of a pull request.

/// One annotation.
#[derive(Default)]
pub(crate) struct Annotation<'a> {
    /// `error`, `warning` or `notice`.
    pub(crate) level: &'a str,
    /// A path from the root of the repository.
    pub(crate) file: &'a str,
    /// Line and column, from 1; 0 where there is no place.
    pub(crate) start: (u32, u32),
    /// Where it ends, in the same way.
    pub(crate) end: (u32, u32),
    /// A short heading.
    pub(crate) title: &'a str,
    /// The message.
    pub(crate) message: &'a str,
}

/// Writes one as a line.
pub(crate) fn annotate(annotation: &Annotation<'_>) -> String {
    let mut properties = Vec::new();
    if !annotation.file.is_empty() {
        properties.push(format!("file={}", property(annotation.file)));
        let places = [("line", annotation.start.0), ("endLine", annotation.end.0)];
        properties
            .extend(places.iter().filter(|(_, line)| *line > 0).map(|(name, line)| format!("{name}={line}")));
        // Columns mean something within one line only.
        if annotation.start.0 > 0 && annotation.start.0 == annotation.end.0 {
            properties.push(format!("col={}", annotation.start.1));
            properties.push(format!("endColumn={}", annotation.end.1));
        }
    }
    if !annotation.title.is_empty() {
        properties.push(format!("title={}", property(annotation.title)));
    }
    let space = if properties.is_empty() { "" } else { " " };
    format!("::{}{space}{}::{}", annotation.level, properties.join(","), data(annotation.message))
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_one_line_each_and_escaped() {
        let annotation = Annotation {
            level: "error",
            file: "a,b.cedar",
            start: (2, 3),
            end: (2, 9),
            title: "rule: x",
            message: "100 %\nand more",
        };
        assert_eq!(
            annotate(&annotation),
            "::error file=a%2Cb.cedar,line=2,endLine=2,col=3,endColumn=9,title=rule%3A x::100 %25%0Aand more"
        );
        assert_eq!(
            annotate(&Annotation { level: "notice", message: "m", ..Annotation::default() }),
            "::notice::m"
        );
    }
}
