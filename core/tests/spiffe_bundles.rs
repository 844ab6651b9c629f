//! Trust bundles with the verdicts of the reference library, and those that we add.

mod support;

use countersign_core::jose::{Bundle, BundleError, JwkSet, JwksLimits};
use countersign_core::time::Span;
use proptest::prelude::*;
use std::fs;
use support::{Tally, load, vectors};

fn parse(text: &str) -> Result<Bundle, BundleError> {
    Bundle::parse(text.as_bytes(), &JwksLimits::default())
}

#[test]
fn go_spiffe_cases() {
    let Some(expected) = load("spiffe/bundle_expect.json") else { return };
    let mut tally = Tally::new("spiffe bundles");
    for case in expected["spiffebundle"].as_array().unwrap() {
        let name = case["file"].as_str().unwrap();
        let text = fs::read_to_string(vectors().join("spiffe/spiffebundle").join(name)).unwrap();
        let parsed = parse(&text);
        if let Ok(bundle) = &parsed {
            // The keys that the library counts, but for those of algorithms that are not ours.
            let skipped: u32 = bundle.keys.skipped().iter().map(|(_, count)| count).sum();
            let keys = bundle.keys.keys().len() as u64 + u64::from(skipped);
            assert_eq!(Some(keys), case["jwt_keys"].as_u64(), "{name}: {:?}", bundle.keys.skipped());
            assert_eq!(bundle.refresh_hint.map(Span::as_secs), case["refresh_hint"].as_i64(), "{name}");
            assert_eq!(bundle.sequence, case["sequence"].as_i64(), "{name}");
        }
        tally.case(name, case["valid"].as_bool().unwrap(), &parsed.map(drop));
    }
    tally.finish(3, 3);
}

/// The Workload API's sets of keys say nothing of a use: they are read as plain sets, and are no bundles.
#[test]
fn key_sets_without_a_use() {
    let Some(expected) = load("spiffe/bundle_expect.json") else { return };
    let mut tally = Tally::new("spiffe jwt key sets");
    for case in expected["jwtbundle"].as_array().unwrap() {
        let name = case["file"].as_str().unwrap();
        let bytes = fs::read(vectors().join("spiffe/jwtbundle").join(name)).unwrap();
        assert_eq!(
            Bundle::parse(&bytes, &JwksLimits::default()).map(drop),
            Err(BundleError::NotBundle),
            "{name}"
        );
        if case["valid"] == true {
            let set = JwkSet::parse(&bytes, &JwksLimits::default());
            let keys = set.as_ref().map(|set| set.keys().len() as u64);
            assert_eq!(keys.ok(), case["keys"].as_u64(), "{name}");
            tally.case(name, true, &set.map(drop));
        }
    }
    tally.finish(2, 0);
}

const POINT: &str = r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;

fn key(members: &str) -> String {
    format!("{{{members},{POINT}}}")
}

#[test]
fn only_keys_for_jwt_svids_count() {
    let jwt = key(r#""use":"jwt-svid","kid":"a""#);
    let x509 = key(r#""use":"x509-svid","x5c":["AA=="]"#);
    for other in [
        "\"use\":\"sig\",\"kid\":\"b\"",
        "\"use\":\"JWT-SVID\",\"kid\":\"b\"",
        "\"kid\":\"b\"",
        "\"use\":7,\"kid\":\"b\"",
    ] {
        let bundle = parse(&format!(r#"{{"keys":[{jwt},{x509},{}]}}"#, key(other))).unwrap();
        let kids: Vec<_> = bundle.keys.keys().iter().map(|key| key.kid()).collect();
        assert_eq!(kids, [Some("a")], "{other}");
        assert_eq!(bundle.x509_authorities, 1);
        // Alone it is some other document.
        assert_eq!(
            parse(&format!(r#"{{"keys":[{}]}}"#, key(other))).map(drop),
            Err(BundleError::NotBundle),
            "{other}"
        );
    }
    // Keys of a bundle are for nothing else.
    let set = JwkSet::parse(format!(r#"{{"keys":[{jwt}]}}"#).as_bytes(), &JwksLimits::default());
    assert!(set.is_err());
}

#[test]
fn a_trust_domain_may_have_no_keys_for_tokens() {
    let none = |bundle: Bundle| bundle.keys.keys().is_empty();
    assert!(none(parse(r#"{"keys":[],"spiffe_sequence":9}"#).unwrap()));
    assert!(none(parse(&format!(r#"{{"keys":[{}]}}"#, key(r#""use":"x509-svid","x5c":["AA=="]"#))).unwrap()));
}

#[test]
fn what_is_no_bundle_is_refused() {
    let jwt = key(r#""use":"jwt-svid","kid":"a""#);
    let with = |member: &str| format!(r#"{{"keys":[{jwt}],{member}}}"#);
    let cases = [
        (with(r#""spiffe_sequence":"7""#), BundleError::Number { member: "spiffe_sequence" }),
        (with(r#""spiffe_sequence":-1"#), BundleError::Number { member: "spiffe_sequence" }),
        (with(r#""spiffe_sequence":1.5"#), BundleError::Number { member: "spiffe_sequence" }),
        (with(r#""spiffe_refresh_hint":null"#), BundleError::Number { member: "spiffe_refresh_hint" }),
        (format!(r#"{{"keys":[{}]}}"#, key(r#""use":"jwt-svid""#)), BundleError::KidMissing),
        (format!(r#"{{"keys":[{}]}}"#, key(r#""use":"jwt-svid","kid":"""#)), BundleError::KidMissing),
        (format!(r#"{{"keys":[{}]}}"#, key(r#""use":"x509-svid""#)), BundleError::X509),
        (format!(r#"{{"keys":[{}]}}"#, key(r#""use":"x509-svid","x5c":[]"#)), BundleError::X509),
        (r#"{"keys":{}}"#.to_owned(), BundleError::NotSet),
        ("[]".to_owned(), BundleError::NotSet),
        (r#"{"keys":[1,"x",null]}"#.to_owned(), BundleError::NotBundle),
        (format!(r#"{{"keys":[{}]}}"#, vec!["{}"; 200].join(",")), BundleError::TooManyKeys),
    ];
    for (text, error) in cases {
        assert_eq!(parse(&text).map(drop), Err(error), "{text}");
    }
    let private = key(r#""use":"jwt-svid","kid":"a","d":"AAAA""#);
    assert!(matches!(parse(&format!(r#"{{"keys":[{private}]}}"#)), Err(BundleError::NoUsableKey(_))));
    assert!(matches!(parse(r#"{"keys":[],"keys":[]}"#), Err(BundleError::Json(_))));
    assert!(matches!(parse("<html></html>"), Err(BundleError::Json(_))));
    assert!(matches!(parse(&" ".repeat(300_000)), Err(BundleError::Json(_))));
}

proptest! {
    #[test]
    fn any_entries_are_read_or_refused(
        entries in proptest::collection::vec(
            (proptest::option::of("jwt-svid|x509-svid|sig|x"), proptest::option::of("[ab]?"), any::<bool>()), 0..6),
    ) {
        let texts: Vec<String> = entries.iter().map(|(usage, kid, chain)| {
            let usage = usage.as_ref().map_or(String::new(), |usage| format!(r#""use":"{usage}","#));
            let kid = kid.as_ref().map_or(String::new(), |kid| format!(r#""kid":"{kid}","#));
            let chain = if *chain { r#""x5c":["AA=="],"# } else { "" };
            format!("{{{usage}{kid}{chain}{POINT}}}")
        }).collect();
        if let Ok(bundle) = parse(&format!(r#"{{"keys":[{}]}}"#, texts.join(","))) {
            for key in bundle.keys.keys() {
                let kid = key.kid().unwrap_or_default();
                let meant = |(usage, named, _): &(Option<String>, Option<String>, bool)| {
                    usage.as_deref() == Some("jwt-svid") && named.as_deref() == Some(kid)
                };
                prop_assert!(entries.iter().any(meant));
            }
        }
    }
}
