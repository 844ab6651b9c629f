use super::*;
use alloc::string::String;
use alloc::vec;
use proptest::prelude::*;
use std::format;

fn uris(header: &str) -> Result<Vec<Vec<String>>, XfccError> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    Ok(parse(header.as_bytes())?.iter().map(|element| element.values(Key::Uri).map(text).collect()).collect())
}

#[test]
fn elements_pairs_and_quotes_are_taken_apart() {
    for (header, expected) in [
        ("URI=a", vec![vec!["a"]]),
        ("By=x;uri=a", vec![vec!["a"]]),
        ("URI=a,URI=b", vec![vec!["a"], vec!["b"]]),
        ("URI=a , \tURI=b ", vec![vec!["a"], vec!["b"]]),
        ("URI=a;URI=b", vec![vec!["a", "b"]]),
        ("URI=\"a,b;c=d\\\"\\\\\" ,URI=e", vec![vec!["a,b;c=d\"\\"], vec!["e"]]),
        ("URI=;URI=\"\"", vec![vec![]]),
        ("Subject=\"CN=x\";URI=a", vec![vec!["a"]]),
    ] {
        assert_eq!(
            uris(header).as_deref(),
            Ok(&*expected
                .iter()
                .map(|uris| { uris.iter().map(|uri| String::from(*uri)).collect::<Vec<_>>() })
                .collect::<Vec<_>>()),
            "{header}"
        );
    }
}

#[test]
fn what_has_two_readings_is_refused() {
    for (header, error) in [
        ("", XfccError::Key),
        (" ", XfccError::Key),
        ("URI", XfccError::Key),
        ("=a", XfccError::Key),
        ("URI=a,", XfccError::Key),
        (",URI=a", XfccError::Key),
        ("URI=a,,URI=b", XfccError::Key),
        ("URI=a;", XfccError::Key),
        ("URI=a;;By=b", XfccError::Key),
        ("URI=a;By", XfccError::Key),
        ("Name=a", XfccError::UnknownKey),
        (" URI =a", XfccError::UnknownKey),
        ("URI=a; By=b", XfccError::UnknownKey),
        ("URI=a=b", XfccError::Byte),
        ("URI=a\"b\"", XfccError::Byte),
        ("URI=a\\,b", XfccError::Byte),
        ("URI=a\0", XfccError::Byte),
        ("URI=a\n", XfccError::Byte),
        ("URI=\"a\u{7f}\"", XfccError::Byte),
        ("URI=\"a\\\n\"", XfccError::Byte),
        ("URI=\"a", XfccError::Unclosed),
        ("URI=\"a\\\"", XfccError::Unclosed),
        ("URI=\"a\"b", XfccError::AfterQuotes),
        ("URI=\"a\" ;By=b", XfccError::AfterQuotes),
        ("Hash=a;hash=b", XfccError::Repeated),
        ("Cert=a;Cert=b", XfccError::Repeated),
        ("Chain=a;Chain=b", XfccError::Repeated),
        ("Subject=a;Subject=a", XfccError::Repeated),
    ] {
        assert_eq!(uris(header), Err(error), "{header:?}");
    }
    // An element of its own may have what another has.
    assert!(parse(b"Hash=a,Hash=b").is_ok());
}

#[test]
fn everything_is_bounded() {
    let elements = |count: usize| vec!["URI=a"; count].join(",");
    assert!(parse(elements(MAX_ELEMENTS).as_bytes()).is_ok());
    assert_eq!(parse(elements(MAX_ELEMENTS + 1).as_bytes()), Err(XfccError::TooLarge));
    let pairs = |count: usize| vec!["DNS=a"; count].join(";");
    assert!(parse(pairs(MAX_PAIRS).as_bytes()).is_ok());
    assert_eq!(parse(pairs(MAX_PAIRS + 1).as_bytes()), Err(XfccError::TooLarge));
    let long = |bytes: usize| format!("URI={}", "a".repeat(bytes - 4));
    assert!(parse(long(MAX_BYTES).as_bytes()).is_ok());
    assert_eq!(parse(long(MAX_BYTES + 1).as_bytes()), Err(XfccError::TooLarge));
}

#[test]
fn only_means_once() {
    let element = |header: &'static str| parse(header.as_bytes()).unwrap().remove(0);
    assert_eq!(element("URI=a;By=b").only(Key::Uri), Some(&b"a"[..]));
    assert_eq!(element("URI=a;URI=a").only(Key::Uri), None);
    assert_eq!(element("By=b").only(Key::Uri), None);
}

proptest! {
    /// Whatever values are written as Envoy writes them are read again as they were.
    #[test]
    fn what_is_written_is_read(list in prop::collection::vec(prop::collection::vec("[ -~é]{1,12}", 1..4), 1..5)) {
        let quote = |value: &String| {
            format!("URI=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
        };
        let element = |values: &Vec<String>| values.iter().map(quote).collect::<Vec<_>>().join(";");
        let header = list.iter().map(element).collect::<Vec<_>>().join(",");
        prop_assert_eq!(uris(&header), Ok(list));
    }

    #[test]
    fn any_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = parse(&bytes);
    }

    /// Texts of the format's own characters, most of them malformed.
    #[test]
    fn near_misses_are_taken(text in "(By|URI|Hash|DNS|[=;,\"\\\\ ab]){0,24}") {
        if let Ok(elements) = parse(text.as_bytes()) {
            prop_assert!(!elements.is_empty());
            for element in elements {
                for key in Key::ALL {
                    prop_assert!(element.values(key).all(|value| !value.is_empty()));
                    prop_assert!(key.repeats() || element.values(key).count() < 2);
                }
            }
        }
    }
}
