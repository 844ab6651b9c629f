//! Which claim a configuration means: a member's name, or a JSON Pointer (RFC 6901).

use crate::json::{Object, Value};
use alloc::string::String;
use alloc::vec::Vec;

/// A claim's place. A name that does not start with `/` is a top-level member, whatever characters it holds, so that
/// `https://bank.example/tenant` needs no escape.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClaimPath(Vec<String>);

/// On the way to a claim stands something that is no object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnObject;

/// How deep a pointer may go.
const MAX_DEPTH: usize = 8;

impl ClaimPath {
    /// Reads a name or a pointer; the error says what was expected.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let Some(pointer) = text.strip_prefix('/') else {
            return if text.is_empty() {
                Err("a claim's name or a JSON Pointer")
            } else {
                Ok(Self(alloc::vec![text.into()]))
            };
        };
        let mut steps = Vec::new();
        for step in pointer.split('/') {
            if steps.len() == MAX_DEPTH {
                return Err("a JSON Pointer of at most 8 steps");
            }
            let mut unescaped = String::with_capacity(step.len());
            let mut characters = step.chars();
            while let Some(character) = characters.next() {
                unescaped.push(match (character, character == '~') {
                    (_, true) => match characters.next() {
                        Some('0') => '~',
                        Some('1') => '/',
                        _ => return Err("a JSON Pointer, in which `~` is followed by `0` or `1`"),
                    },
                    (plain, false) => plain,
                });
            }
            steps.push(unescaped);
        }
        Ok(Self(steps))
    }

    /// The top-level member that it starts from.
    pub fn member(&self) -> &str {
        self.0.first().map_or("", |name| name)
    }

    /// The claim's value, where there is one. Pointers go through objects only: an array's order carries no meaning here.
    ///
    /// # Errors
    ///
    /// Where something on the way is there and is no object: a claim of the wrong type is not an absent one
    /// (CVE-2026-25537's lesson).
    pub fn find<'v, 'a>(&self, claims: &'v Object<'a>) -> Result<Option<&'v Value<'a>>, NotAnObject> {
        let Some((first, rest)) = self.0.split_first() else { return Ok(None) };
        let Some(mut value) = claims.get(first) else { return Ok(None) };
        for step in rest {
            match value.as_object().ok_or(NotAnObject)?.get(step) {
                Some(member) => value = member,
                None => return Ok(None),
            }
        }
        Ok(Some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;
    use proptest::prelude::*;

    fn find(path: &str, document: &str) -> Option<i64> {
        let value = json::parse(document.as_bytes(), &json::Limits::TOKEN).unwrap();
        ClaimPath::parse(path).unwrap().find(value.as_object().unwrap()).unwrap()?.as_i64()
    }

    #[test]
    fn what_is_no_object_has_no_members_and_is_not_absent() {
        let value = json::parse(br#"{"a":"text","b":[{"c":1}],"d":null}"#, &json::Limits::TOKEN).unwrap();
        for path in ["/a/x", "/b/0", "/b/c", "/d/x"] {
            let found = ClaimPath::parse(path).unwrap().find(value.as_object().unwrap());
            assert_eq!(found, Err(NotAnObject), "{path}");
        }
    }

    #[test]
    fn names_and_pointers_find_what_they_name() {
        assert_eq!(find("a", r#"{"a":1}"#), Some(1));
        assert_eq!(find("a/b", r#"{"a/b":1,"a":{"b":2}}"#), Some(1));
        assert_eq!(find("/a/b", r#"{"a/b":1,"a":{"b":2}}"#), Some(2));
        assert_eq!(find("/a~1b", r#"{"a/b":1}"#), Some(1));
        assert_eq!(find("/m~0n", r#"{"m~n":1}"#), Some(1));
        assert_eq!(find("/a/b/c", r#"{"a":{"d":1}}"#), None);
    }

    #[test]
    fn bad_pointers_are_refused() {
        for bad in ["", "/~", "/~2", "/a/b/c/d/e/f/g/h/i"] {
            assert!(ClaimPath::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn an_escaped_name_finds_its_member(name in ".{1,12}") {
            let mut writer = json::Writer::with_capacity(64);
            writer.object(|object| { object.name(&name).i64(7); });
            let document = writer.finish();
            let pointer = alloc::format!("/{}", name.replace('~', "~0").replace('/', "~1"));
            prop_assert_eq!(find(&pointer, &document), Some(7));
        }

        #[test]
        fn any_text_is_a_path_or_refused(text in "[/~01a]{0,24}") {
            let deep = text.starts_with('/') && text.split('/').count() > 9;
            let path = ClaimPath::parse(&text);
            prop_assert!(!deep || path.is_err());
            if path.is_ok() {
                prop_assert_eq!(find(&text, "{}"), None);
            }
        }
    }
}
