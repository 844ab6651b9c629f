#![no_main]

use countersign_core::path::{CanonicalPath, PathOptions};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (flags, target) = input;
    let options = PathOptions {
        allow_encoded_slash: flags & 1 != 0,
        allow_semicolon: flags & 2 != 0,
        allow_trailing_slash: flags & 4 != 0,
        ..PathOptions::default()
    };
    let Ok(path) = CanonicalPath::parse(target, &options) else { return };
    let whole = match path.query() {
        Some(query) => format!("{}?{query}", path.as_str()),
        None => path.as_str().to_owned(),
    };
    assert_eq!(whole.as_bytes(), target);
    let segments: Vec<_> = path.segments().collect();
    let raw: Vec<_> = segments.iter().map(|segment| segment.raw()).collect();
    assert_eq!(format!("/{}", raw.join("/")), path.as_str());
    for (i, segment) in segments.iter().enumerate() {
        let value = segment.value();
        assert!(!value.chars().any(char::is_control));
        let steps = |piece: &str| matches!(piece.split(';').next(), Some("." | ".."));
        assert!(!value.split(['/', '\\']).any(steps));
        assert!(options.allow_encoded_slash || !value.contains(['/', '\\']));
        assert!(options.allow_semicolon || !value.contains(';'));
        assert!(!value.is_empty() || options.allow_trailing_slash && i + 1 == segments.len());
        // Decoding again changes nothing.
        assert!(
            !value
                .as_bytes()
                .windows(3)
                .any(|w| w[0] == b'%' && w[1].is_ascii_hexdigit() && w[2].is_ascii_hexdigit())
        );
    }
    for parameter in path.query_parameters().flatten() {
        let _ = path.query_parameters().get(&parameter.0);
    }
});
