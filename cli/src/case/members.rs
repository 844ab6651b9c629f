//! The members of a JSON object as raw text: what is handed on as a document of its own is not looked into here, however
//! deep or wrong it is.

/// Names and raw values of an object's members, in order, repeats and all.
pub(super) fn members(text: &str) -> Result<Vec<(String, &str)>, String> {
    let mut reader = Reader { text, at: 0 };
    let mut members = Vec::new();
    reader.expect(b'{', "a JSON object")?;
    if !reader.take(b'}') {
        loop {
            let name = reader.string()?;
            reader.expect(b':', "`:` after a name")?;
            members.push((name, reader.value()?));
            if reader.take(b'}') {
                break;
            }
            reader.expect(b',', "`,` or `}` after a value")?;
        }
    }
    reader.space();
    if reader.at < text.len() { Err(reader.wrong("the end of the line")) } else { Ok(members) }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.byte(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        self.space();
        let there = self.byte() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, byte: u8, expected: &str) -> Result<(), String> {
        if self.take(byte) { Ok(()) } else { Err(self.wrong(expected)) }
    }

    fn wrong(&self, expected: &str) -> String {
        match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            Some(found) => {
                format!("expected {expected} at byte {}, found `{}`", self.at, found.escape_debug())
            }
            None => format!("expected {expected}, found the end"),
        }
    }

    fn string(&mut self) -> Result<String, String> {
        self.space();
        let start = self.at;
        if self.byte() != Some(b'"') {
            return Err(self.wrong("a name in quotes"));
        }
        self.skip_string()?;
        serde_json::from_str(&self.text[start..self.at])
            .map_err(|error| format!("expected a name in quotes: {error}"))
    }

    fn skip_string(&mut self) -> Result<(), String> {
        self.at += 1;
        loop {
            match self.byte() {
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
                None => return Err(self.wrong("`\"` at the end of a text")),
            }
        }
        self.at += 1;
        Ok(())
    }

    /// A value up to its end: brackets are counted, nothing else is checked.
    fn value(&mut self) -> Result<&'t str, String> {
        self.space();
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match self.byte() {
                Some(b'"') => self.skip_string()?,
                Some(b'{' | b'[') => {
                    depth += 1;
                    self.at += 1;
                }
                Some(b'}' | b']') if depth > 0 => {
                    depth -= 1;
                    self.at += 1;
                }
                Some(b',' | b'}' | b']') if depth == 0 => break,
                Some(_) => {
                    self.at += 1;
                    continue;
                }
                None => return Err(self.wrong("the end of a value")),
            }
            if depth == 0 {
                break;
            }
        }
        let value = self.text.get(start..self.at).unwrap_or_default().trim_end();
        if value.is_empty() { Err(self.wrong("a value")) } else { Ok(value) }
    }
}

#[cfg(test)]
mod tests {
    use super::members;

    #[test]
    fn values_are_cut_out_as_they_stand() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        let text = format!(r#" {{"a": 1.50 , "b\u0041":"x\"}},", "c":{deep}, "c" : {{"k":tru}} }} "#);
        let found = members(&text).unwrap();
        assert_eq!(found[0], ("a".into(), "1.50"));
        assert_eq!(found[1], ("bA".into(), r#""x\"},""#));
        assert_eq!(found[2], ("c".into(), deep.as_str()));
        assert_eq!(found[3], ("c".into(), r#"{"k":tru}"#));
        assert_eq!(members("{}").unwrap(), []);
    }

    #[test]
    fn what_is_no_object_is_an_error() {
        for text in [
            "",
            "[]",
            "{",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":1",
            "{\"a\":1,",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\":}",
            "{\"a\":1}x",
            "{\"a\":[1}",
            "{\"a\":\"x}",
            "{\"a",
            "{\"a\\",
            "1",
        ] {
            assert!(members(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn objects_are_read_as_serde_json_reads_them(
            names in proptest::collection::vec(".*", 0..6),
            values in proptest::collection::vec(".*", 6),
        ) {
            let parts: Vec<String> = names
                .iter()
                .zip(&values)
                .map(|(name, value)| format!("{} : {}", serde_json::json!(name), serde_json::json!({ "v": [value] })))
                .collect();
            let text = format!("{{ {} }}", parts.join(" , "));
            let found = members(&text).unwrap();
            proptest::prop_assert_eq!(found.len(), names.len());
            for (((name, raw), want), value) in found.iter().zip(&names).zip(&values) {
                proptest::prop_assert_eq!(name, want);
                let read: serde_json::Value = serde_json::from_str(raw).unwrap();
                proptest::prop_assert_eq!(read["v"][0].as_str(), Some(value.as_str()));
            }
        }

        #[test]
        fn nothing_makes_it_panic(text in "[{}\\[\\]\":,a\\\\ \né]{0,40}") {
            if let Ok(found) = members(&text) {
                proptest::prop_assert!(found.iter().all(|(_, raw)| text.contains(raw)));
            }
        }
    }
}
