//! Where a mistake stands.

/// The path of a field and what there is to say of it. A message may begin with the path of a field within `place`, as in
/// "`` `expect`: expected … ``", and again; that is where the mistake stands.
pub(super) fn deeper(place: &str, message: &str) -> (String, String) {
    let (mut path, mut rest) = (place.to_owned(), message);
    while let Some((inner, after)) = rest.strip_prefix('`').and_then(|rest| rest.split_once("`: "))
        && is_path(inner)
    {
        let dot = if path.is_empty() || inner.starts_with('[') { "" } else { "." };
        path = format!("{path}{dot}{inner}");
        rest = after;
    }
    (path, rest.to_owned())
}

fn is_path(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_alphanumeric() || "._-[]\"/:*|".contains(letter))
}

#[cfg(test)]
mod tests {
    use super::deeper;

    #[test]
    fn a_field_at_the_beginning_of_a_message_is_part_of_its_place() {
        for (message, path, rest) in [
            ("expected `expect`", "cases[0]", "expected `expect`"),
            ("`expect`: expected none", "cases[0].expect", "expected none"),
            (
                "`upstreams`: `a[\"/b\"][1]`: `delay`: expected a span",
                "cases[0].upstreams.a[\"/b\"][1].delay",
                "expected a span",
            ),
            ("`each[0]`: `x`: expected `${x}`: there", "cases[0].each[0].x", "expected `${x}`: there"),
            ("`/${x}`: no entry may lack `x`", "cases[0]", "`/${x}`: no entry may lack `x`"),
            ("`a b`: expected", "cases[0]", "`a b`: expected"),
        ] {
            assert_eq!(deeper("cases[0]", message), (path.to_owned(), rest.to_owned()), "{message}");
        }
        assert_eq!(deeper("", "`a`: b"), ("a".to_owned(), "b".to_owned()));
    }
}
