use super::*;
use alloc::{format, string::String, vec, vec::Vec};
use proptest::prelude::*;

fn parse(target: &str) -> Result<CanonicalPath<'_>, PathRefusal> {
    CanonicalPath::parse(target.as_bytes(), &PathOptions::default())
}

fn refusal(target: &str, options: &PathOptions) -> Option<PathRefusal> {
    CanonicalPath::parse(target.as_bytes(), options).err()
}

#[test]
fn accepted_as_they_stand() {
    for (target, path, query, values) in [
        ("/", "/", None, vec![]),
        ("/?", "/", Some(""), vec![]),
        ("/v1/tenants/acme", "/v1/tenants/acme", None, vec!["v1", "tenants", "acme"]),
        ("/a?x=1&y=/../%2e;%2F?", "/a", Some("x=1&y=/../%2e;%2F?"), vec!["a"]),
        ("/caf%C3%A9/a%20b/50%25", "/caf%C3%A9/a%20b/50%25", None, vec!["café", "a b", "50%"]),
        ("/~a.b-c_d/...", "/~a.b-c_d/...", None, vec!["~a.b-c_d", "..."]),
        ("/a:b@c!$&'()*+,=", "/a:b@c!$&'()*+,=", None, vec!["a:b@c!$&'()*+,="]),
        ("/%23%3f", "/%23%3f", None, vec!["#?"]),
        ("/.well-known/..a/a..", "/.well-known/..a/a..", None, vec![".well-known", "..a", "a.."]),
    ] {
        let parsed = parse(target).unwrap();
        assert_eq!((parsed.as_str(), parsed.query()), (path, query));
        assert_eq!(parsed.segments().map(|segment| segment.value()).collect::<Vec<_>>(), values, "{target}");
    }
}

#[test]
fn refused() {
    use PathRefusal::*;
    for (target, expected) in [
        ("", NotAbsolute),
        ("a", NotAbsolute),
        ("?a", NotAbsolute),
        ("example.org:443", NotAbsolute),
        ("*", AsteriskForm),
        ("http://example.org/a", AbsoluteForm),
        ("//", EmptySegment),
        ("//a", EmptySegment),
        ("//example.org/a", EmptySegment),
        ("/a//b", EmptySegment),
        ("/a//", EmptySegment),
        ("/a/", TrailingSlash),
        ("/a/?x", TrailingSlash),
        ("/.", DotSegment),
        ("/..", DotSegment),
        ("/a/../b", DotSegment),
        ("/a/./b", DotSegment),
        ("/a/..?x", DotSegment),
        ("/%2e%2e/b", EncodedUnreserved),
        ("/.%2E/b", EncodedUnreserved),
        ("/%61dmin", EncodedUnreserved),
        ("/admi%6E", EncodedUnreserved),
        ("/%7Ea", EncodedUnreserved),
        ("/a%2Fb", EncodedSlash),
        ("/a%2fb", EncodedSlash),
        ("/..%2Fb", EncodedSlash),
        ("/a%5Cb", EncodedSlash),
        ("/a\\b", Backslash),
        ("/\\..\\b", Backslash),
        ("/a;b", Semicolon),
        ("/a;jsessionid=1/b", Semicolon),
        ("/..;/b", Semicolon),
        ("/a%3Bb", Semicolon),
        ("/a%3bb", Semicolon),
        ("/a#b", Fragment),
        ("/a?b#c", Fragment),
        ("/#/../a", Fragment),
        ("/a%252Fb", DoubleEncoding),
        ("/a%252e%252e", DoubleEncoding),
        ("/a%25%32%66", EncodedUnreserved),
        ("/a%", InvalidEscape),
        ("/a%2", InvalidEscape),
        ("/a%2/b", InvalidEscape),
        ("/a%zz", InvalidEscape),
        ("/a%%41", InvalidEscape),
        ("/a%u0041", InvalidEscape),
        ("/a%00", Control),
        ("/a%0d%0Ab", Control),
        ("/a%7F", Control),
        ("/a%C2%85", Control),
        ("/a\0", Control),
        ("/a\tb", Control),
        ("/a\r\nb", Control),
        ("/a?b\0", Control),
        ("/a\u{7f}", Control),
        ("/a b", IllegalByte),
        ("/a?b c", IllegalByte),
        ("/caf\u{e9}", IllegalByte),
        ("/a?\u{e9}", IllegalByte),
        ("/a\"b", IllegalByte),
        ("/<a>", IllegalByte),
        ("/a|b", IllegalByte),
        ("/{a}", IllegalByte),
        ("/a^b`", IllegalByte),
        ("/[a]", IllegalByte),
        ("/%ff", NotUtf8),
        ("/%c0%af", NotUtf8),
        ("/%c0%ae%c0%ae/a", NotUtf8),
        ("/%C3", NotUtf8),
        ("/%ed%a0%80", NotUtf8),
    ] {
        assert_eq!(refusal(target, &PathOptions::default()), Some(expected), "{target}");
    }
    assert_eq!(CanonicalPath::parse(b"/a\xff", &PathOptions::default()), Err(IllegalByte));
}

#[test]
fn options_let_in_what_they_name() {
    let off = PathOptions::default();
    let slash = PathOptions { allow_encoded_slash: true, ..off.clone() };
    assert_eq!(refusal("/a%2Fb%5cc", &slash), None);
    assert_eq!(refusal("/a%2F..%2Fb", &slash), Some(PathRefusal::DotSegment));
    assert_eq!(refusal("/..%5Cb", &slash), Some(PathRefusal::DotSegment));
    assert_eq!(refusal("/a%2F%2e%2e", &slash), Some(PathRefusal::EncodedUnreserved));
    assert_eq!(refusal("/a%252Fb", &slash), Some(PathRefusal::DoubleEncoding));
    assert_eq!(refusal("/a\\b", &slash), Some(PathRefusal::Backslash));
    assert_eq!(refusal("/a;b", &slash), Some(PathRefusal::Semicolon));

    let semicolon = PathOptions { allow_semicolon: true, ..off.clone() };
    assert_eq!(refusal("/a;b=1/c%3B", &semicolon), None);
    // Servlet containers cut parameters off before they resolve dots.
    for path in
        ["/public/..;/admin", "/public/..;x=1/admin", "/public/.;/x", "/public/..%3B/admin", "/a/;x/b"]
    {
        assert_eq!(refusal(path, &semicolon), Some(PathRefusal::DotSegment), "{path}");
    }
    assert_eq!(refusal("/a%2Fb", &semicolon), Some(PathRefusal::EncodedSlash));

    let trailing = PathOptions { allow_trailing_slash: true, ..off };
    let parsed = CanonicalPath::parse(b"/a/", &trailing).unwrap();
    assert_eq!(parsed.segments().map(|segment| segment.raw()).collect::<Vec<_>>(), ["a", ""]);
    for target in ["//", "/a//", "//a/"] {
        assert_eq!(refusal(target, &trailing), Some(PathRefusal::EmptySegment), "{target}");
    }
}

#[test]
fn limits_hold() {
    let options = PathOptions { max_bytes: 10, max_segments: 3, ..PathOptions::default() };
    assert_eq!(refusal("/a/b/c", &options), None);
    assert_eq!(refusal("/a/b/c/d", &options), Some(PathRefusal::TooManySegments));
    assert_eq!(refusal("/123456789", &options), None);
    assert_eq!(refusal("/1234567890", &options), Some(PathRefusal::TooLong));
    assert_eq!(refusal("/a?12345678", &options), Some(PathRefusal::TooLong));
}

#[test]
fn query_parameters() {
    let path = parse("/a?x=1&y=a+b%26c&&z&%78%78=%C3%A9&e==&plus=%2B").unwrap();
    let all: Vec<_> = path.query_parameters().map(Result::unwrap).collect();
    let expected = [("x", "1"), ("y", "a b&c"), ("z", ""), ("xx", "é"), ("e", "="), ("plus", "+")];
    assert_eq!(all.iter().map(|(name, value)| (&**name, &**value)).collect::<Vec<_>>(), expected);
    let parameters = path.query_parameters();
    assert_eq!(parameters.get("xx").unwrap().as_deref(), Some("é"));
    assert_eq!(parameters.get("z").unwrap().as_deref(), Some(""));
    assert_eq!(parameters.get("none"), Ok(None));
    assert_eq!(parse("/a").unwrap().query_parameters().get("x"), Ok(None));

    let get = |target: &'static str| parse(target).unwrap().query_parameters().get("x");
    assert_eq!(get("/a?x=1&x=1"), Err(QueryError::Duplicate));
    assert_eq!(get("/a?x=1&%78=2"), Err(QueryError::Duplicate));
    assert_eq!(get("/a?x=%"), Err(QueryError::Encoding));
    assert_eq!(get("/a?x=%ff"), Err(QueryError::Encoding));
    assert_eq!(get("/a?%zz=1&x=1"), Err(QueryError::Encoding));
    // What isn't asked for may be anything.
    assert_eq!(get("/a?y=%&y=%&x=1").unwrap().as_deref(), Some("1"));
}

/// How a lenient server might read a path: decode until nothing changes, unify slashes, drop parameters and dot segments.
fn lenient(path: &str) -> String {
    let mut text = path.as_bytes().to_vec();
    loop {
        let decoded = decode_bytes(&text);
        if decoded == text {
            break;
        }
        text = decoded;
    }
    let text = String::from_utf8(text).unwrap().replace('\\', "/");
    let mut out: Vec<&str> = Vec::new();
    for segment in text.split('/').map(|segment| segment.split(';').next().unwrap_or("")) {
        match segment {
            "" | "." => {}
            ".." => {
                out.pop();
            }
            segment => out.push(segment),
        }
    }
    format!("/{}", out.join("/"))
}

const PIECES: &[&str] = &[
    "/", "/", "/", "a", "b", ".", "..", "%2e", "%2E", "%2f", "%2F", "%5c", "%25", "2e", "2f", "%61",
    "%C3%A9", "%20", ";", "%3b", "\\", "#", "?", " ", "\0", "%00", "%", "é", ":", "@", "%40",
];

proptest! {
    /// What is accepted without options reads the same however a server normalises.
    #[test]
    fn accepted_paths_have_one_reading(pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..10)) {
        let target = pieces.concat();
        if let Ok(path) = parse(&target) {
            let values: Vec<_> = path.segments().map(|segment| segment.value().into_owned()).collect();
            prop_assert_eq!(lenient(path.as_str()), format!("/{}", values.join("/")));
            prop_assert!(target.starts_with(path.as_str()));
        }
    }

    #[test]
    fn never_panics(bytes in any::<Vec<u8>>(), path in "/[ -~]{0,30}") {
        for target in [&bytes[..], path.as_bytes()] {
            if let Ok(path) = CanonicalPath::parse(target, &PathOptions::default()) {
                let _ = path.query_parameters().collect::<Vec<_>>();
                let _ = path.query_parameters().get("a");
            }
        }
    }
}
