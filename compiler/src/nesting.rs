//! A bound on nesting, before the official parser sees a text: it recurses, and would run out of stack.
//!
//! Images take expressions 400 deep, so that nothing useful is refused here.

/// The deepest nesting of brackets. Each takes up to 30 KB of the parser's stack.
const BRACKETS: usize = 1000;
/// The most `if`s in a row of one policy, each of which may stand in the branch of another.
const IFS: usize = 2000;

/// Where and how policies or a schema are nested too deep.
pub(crate) struct TooDeep {
    pub(crate) offset: usize,
    pub(crate) message: String,
}

/// Refuses Cedar text that is nested too deep. Texts and comments in it don't count.
pub(crate) fn check(text: &str) -> Result<(), TooDeep> {
    let bytes = text.as_bytes();
    let (mut at, mut open, mut angles, mut ifs) = (0, 0_usize, 0_usize, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = end_of_string(bytes, at),
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                at += bytes.iter().skip(at).position(|byte| *byte == b'\n').unwrap_or(bytes.len() - at);
            }
            b'(' | b'[' | b'{' => open += 1,
            b')' | b']' | b'}' => open = open.saturating_sub(1),
            // `Set<Long>`, not a comparison.
            b'<' if is_set(bytes.get(..at).unwrap_or_default()) => angles += 1,
            b'>' => angles = angles.saturating_sub(1),
            b';' => (open, angles, ifs) = (0, 0, 0),
            b'i' if is_if(bytes, at) => ifs += 1,
            _ => {}
        }
        let brackets = open + angles;
        if brackets > BRACKETS || ifs > IFS {
            let (most, what) = if brackets > BRACKETS { (BRACKETS, "brackets") } else { (IFS, "`if`s") };
            let message = format!("expected at most {most} {what} within each other, found more");
            return Err(TooDeep { offset: at, message });
        }
        at += 1;
    }
    Ok(())
}

/// The place of the quote that ends the string which begins at `at`.
fn end_of_string(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while let Some(byte) = bytes.get(end) {
        match byte {
            b'"' => return end,
            b'\\' => end += 2,
            _ => end += 1,
        }
    }
    end
}

fn is_set(before: &[u8]) -> bool {
    before.trim_ascii_end().ends_with(b"Set")
}

fn is_if(bytes: &[u8], at: usize) -> bool {
    let word = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    bytes.get(at + 1) == Some(&b'f')
        && !word(bytes.get(at + 2))
        && !word(at.checked_sub(1).and_then(|at| bytes.get(at)))
}

#[cfg(test)]
mod tests {
    use super::{BRACKETS, IFS, check};

    #[test]
    fn what_is_nested_too_deep_is_refused() {
        for (open, most) in
            [("(", BRACKETS), ("[", BRACKETS), ("{a: ", BRACKETS), ("Set<", BRACKETS), ("if ", IFS)]
        {
            assert!(check(&open.repeat(most)).is_ok(), "{open}");
            assert!(check(&open.repeat(most + 1)).is_err(), "{open}");
        }
    }

    #[test]
    fn what_only_looks_nested_is_not() {
        for harmless in ["\"((((\" ", "// ((((\n", "() ", "a < b ", "Sets < 1 ", "\"\\\"((\" ", "gif if_ "] {
            assert!(check(&harmless.repeat(3000)).is_ok(), "{harmless}");
        }
    }

    #[test]
    fn a_comparison_closes_no_bracket() {
        assert!(check(&"(1 > ".repeat(BRACKETS + 1)).is_err());
    }

    #[test]
    fn hostile_ends_are_no_trouble() {
        for text in ["\"", "\"\\", "/", "//", "i", "if", ""] {
            assert!(check(text).is_ok());
        }
    }
}
