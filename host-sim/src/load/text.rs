//! Mistakes in WebAssembly's text form, with their places.

use crate::error::LoadError;

/// What the text's parser says: what is wrong, and behind it, or on a line below, the place.
pub(crate) fn of_text(error: &str) -> LoadError {
    let first = error.lines().next().unwrap_or_default();
    let message = first.split_once(" at <anon>:").map_or(first, |(message, _)| message).to_owned();
    match error.split_once("<anon>:").and_then(|(_, place)| numbers(place)) {
        Some((line, column)) => LoadError::Text { message, line, column },
        None => LoadError::Compile(message),
    }
}

/// Line and column at the beginning of a text.
fn numbers(place: &str) -> Option<(usize, usize)> {
    let (line, column) = place.lines().next()?.split_once(':')?;
    Some((line.parse().ok()?, column.trim_end().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        of_text(&wat::parse_str(text).unwrap_err().to_string()).to_string()
    }

    #[test]
    fn mistakes_have_a_place() {
        let near = of("(module\n  (fun))");
        assert!(near.starts_with("module does not compile: ") && !near.contains('\n'), "{near}");
        assert!(near.ends_with("at line 2, column 4"), "{near}");
        let far = of(&format!("(module {} (fun))", " ".repeat(600)));
        assert!(far.ends_with("at line 1, column 611") && !far.contains("anon"), "{far}");
    }

    #[test]
    fn what_has_no_place_is_told_all_the_same() {
        assert_eq!(of_text("no text\nat all").to_string(), "module does not compile: no text");
    }
}
