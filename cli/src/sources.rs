//! What policies stand in, where it is at hand: an image holds places in it, and no text.

use countersign_compiler::{Place, Source};
use countersign_core::policy::{Policy, Span};

/// The texts that an image was compiled from, by the numbers of its source map; none where there is only the image.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources(Vec<Source>);

/// A part of a policy as its author wrote it.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    /// In one line, without comments.
    pub(crate) text: String,
    /// Where it begins.
    pub(crate) place: Place,
}

impl Sources {
    /// Of an image that was just compiled.
    pub(crate) fn new(sources: Vec<Source>) -> Self {
        Self(sources)
    }

    /// What stands at a place of a policy's source; nothing where the place is empty.
    pub(crate) fn written(&self, policy: Policy<'_>, offset: u32, len: u32) -> Option<Written> {
        let Span { source, .. } = policy.span();
        let source = self.0.get(source as usize)?;
        let start = offset as usize;
        let text = source.text.get(start..start.checked_add(len as usize)?)?;
        (len > 0).then(|| Written { text: one_line(text), place: source.place(start) })
    }
}

/// Cedar in one line: comments left out, and every run of blanks outside of texts is one.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    let mut quoted = false;
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if quoted => {
                line.push(letter);
                line.extend(letters.next());
            }
            '"' => {
                quoted = !quoted;
                line.push(letter);
            }
            '/' if !quoted && letters.peek() == Some(&'/') => {
                while letters.next_if(|letter| *letter != '\n').is_some() {}
            }
            blank if blank.is_whitespace() && !quoted => {
                if !line.ends_with(' ') {
                    line.push(' ');
                }
            }
            _ => line.push(letter),
        }
    }
    line.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn cedar_fits_on_one_line() {
        let written = "unless {\n    context.uri == \"spiffe://a  b\\\"//\" // why\n    || true\n}";
        assert_eq!(one_line(written), "unless { context.uri == \"spiffe://a  b\\\"//\" || true }");
    }
}
