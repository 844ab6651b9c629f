use super::*;
use alloc::{format, string::ToString, vec::Vec};
use proptest::prelude::*;

#[test]
fn accepted() {
    for (text, domain, path) in [
        ("spiffe://example.org", "example.org", ""),
        ("spiffe://example.org/a", "example.org", "/a"),
        ("spiffe://a_b-c.1/Ns/prod/.../sa-1_x", "a_b-c.1", "/Ns/prod/.../sa-1_x"),
    ] {
        let id = SpiffeId::parse(text.as_bytes()).unwrap();
        assert_eq!((id.as_str(), id.trust_domain(), id.path()), (text, domain, path));
        assert_eq!(id.to_string(), text);
    }
}

#[test]
fn refused() {
    for (text, expected) in [
        ("", SpiffeError::Empty),
        ("spiffe:/", SpiffeError::Scheme),
        ("spiffe:example.org", SpiffeError::Scheme),
        ("SPIFFE://example.org", SpiffeError::Scheme),
        ("Spiffe://example.org/a", SpiffeError::Scheme),
        ("https://example.org/a", SpiffeError::Scheme),
        (" spiffe://example.org", SpiffeError::Scheme),
        ("spiffe://", SpiffeError::TrustDomainMissing),
        ("spiffe:///path", SpiffeError::TrustDomainMissing),
        ("spiffe://Example.org", SpiffeError::TrustDomainByte),
        ("spiffe://user@example.org", SpiffeError::TrustDomainByte),
        ("spiffe://example.org:443/a", SpiffeError::TrustDomainByte),
        ("spiffe://example.org?q", SpiffeError::TrustDomainByte),
        ("spiffe://example.org\0", SpiffeError::TrustDomainByte),
        ("spiffe://example.org\0.evil.example/a", SpiffeError::TrustDomainByte),
        ("spiffe://ex%61mple.org", SpiffeError::TrustDomainByte),
        ("spiffe://exämple.org", SpiffeError::TrustDomainByte),
        ("spiffe://example.org/", SpiffeError::TrailingSlash),
        ("spiffe://example.org/a/", SpiffeError::TrailingSlash),
        ("spiffe://example.org//a", SpiffeError::EmptySegment),
        ("spiffe://example.org/a//b", SpiffeError::EmptySegment),
        ("spiffe://example.org/./a", SpiffeError::DotSegment),
        ("spiffe://example.org/a/..", SpiffeError::DotSegment),
        ("spiffe://example.org/a?q=1", SpiffeError::PathByte),
        ("spiffe://example.org/a#f", SpiffeError::PathByte),
        ("spiffe://example.org/%61", SpiffeError::PathByte),
        ("spiffe://example.org/a b", SpiffeError::PathByte),
        ("spiffe://example.org/a\0", SpiffeError::PathByte),
        ("spiffe://example.org/ä", SpiffeError::PathByte),
        ("spiffe://example.org/a,b", SpiffeError::PathByte),
    ] {
        assert_eq!(SpiffeId::parse(text.as_bytes()), Err(expected), "{text}");
    }
    assert_eq!(SpiffeId::parse(b"spiffe://example.org/\xff"), Err(SpiffeError::PathByte));
}

#[test]
fn lengths() {
    let domain = |n: usize| format!("spiffe://{}/a", "d".repeat(n));
    assert!(SpiffeId::parse(domain(255).as_bytes()).is_ok());
    assert_eq!(SpiffeId::parse(domain(256).as_bytes()), Err(SpiffeError::TrustDomainTooLong));
    let id = |n: usize| format!("spiffe://d/{}", "a".repeat(n - 11));
    assert!(SpiffeId::parse(id(2048).as_bytes()).is_ok());
    assert_eq!(SpiffeId::parse(id(2049).as_bytes()), Err(SpiffeError::TooLong));
}

proptest! {
    #[test]
    fn parts_make_the_whole(bytes in proptest::collection::vec(proptest::sample::select(b"aZ9.-_/%:@? \0".to_vec()), 0..12)) {
        let text: Vec<u8> = [SCHEME.as_bytes(), &bytes].concat();
        if let Ok(id) = SpiffeId::parse(&text) {
            let whole = format!("spiffe://{}{}", id.trust_domain(), id.path());
            prop_assert_eq!(id.as_str(), &whole);
            prop_assert!(!whole.contains("//a") || id.path().split('/').skip(1).all(|segment| !segment.is_empty()));
            prop_assert!(!whole.contains('%') && !whole.ends_with('/'));
        }
    }

    #[test]
    fn never_panics(bytes in any::<Vec<u8>>()) {
        let _ = SpiffeId::parse(&bytes);
    }
}
