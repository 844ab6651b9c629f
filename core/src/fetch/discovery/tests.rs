use super::*;
use alloc::format;
use alloc::string::String;
use proptest::prelude::*;

const ISSUER: &str = "https://login.bank.example/realms/one";

fn discovery(jwks_authority: Option<&str>) -> Discovery {
    Discovery {
        issuer: ISSUER.into(),
        jwks_cluster: "keys".into(),
        jwks_authority: jwks_authority.map(|uri| Location::parse(uri, "").unwrap()),
        refresh: Span::from_secs(3_600),
    }
}

fn from() -> Location {
    Location::parse("https://login.bank.example/realms/one/.well-known/openid-configuration", "issuer")
        .unwrap()
}

fn document(issuer: &str, jwks_uri: &str) -> String {
    format!(
        r#"{{"issuer":"{issuer}","jwks_uri":"{jwks_uri}","id_token_signing_alg_values_supported":["none","HS256"]}}"#
    )
}

fn follow(discovery: &Discovery, document: &str) -> Result<String, DiscoveryError> {
    let keys = discovery.follow(document.as_bytes(), &from())?;
    assert_eq!(&*keys.cluster, "keys");
    Ok(format!("{}://{}{}", keys.scheme, keys.authority, keys.path))
}

#[test]
fn a_document_of_the_issuer_leads_to_its_keys() {
    for uri in [
        "https://login.bank.example/keys",
        "https://LOGIN.bank.example/keys?v=1",
        "https://login.bank.example/",
        "https://login.bank.example:443/keys",
        "https://login.bank.example:/keys",
    ] {
        assert_eq!(follow(&discovery(None), &document(ISSUER, uri)).as_deref(), Ok(uri));
    }
}

#[test]
fn another_issuer_is_not_followed() {
    let keys = "https://login.bank.example/keys";
    for issuer in [
        "https://login.bank.example/realms/two",
        "https://login.bank.example/realms/one/",
        "https://LOGIN.bank.example/realms/one",
        "https://login.bank.example:443/realms/one",
        "",
    ] {
        assert_eq!(
            follow(&discovery(None), &document(issuer, keys)),
            Err(DiscoveryError::Issuer),
            "{issuer}"
        );
    }
    let list = document(ISSUER, keys).replace(&format!("\"{ISSUER}\""), &format!("[\"{ISSUER}\"]"));
    assert_eq!(follow(&discovery(None), &list), Err(DiscoveryError::Issuer));
    assert_eq!(follow(&discovery(None), &format!(r#"{{"jwks_uri":"{keys}"}}"#)), Err(DiscoveryError::Issuer));
}

#[test]
fn keys_elsewhere_are_fetched_only_where_the_configuration_names_the_place() {
    for uri in [
        "https://evil.example/keys",
        "http://login.bank.example/keys",
        "https://login.bank.example:8443/keys",
        "https://login.bank.example:80/keys",
        "https://login.bank.example:443:443/keys",
        "https://login.bank.example:+443/keys",
        "https://login.bank.example.evil.example/keys",
        "https://xlogin.bank.example/keys",
    ] {
        assert_eq!(
            follow(&discovery(None), &document(ISSUER, uri)),
            Err(DiscoveryError::ForeignKeys),
            "{uri}"
        );
    }
    let named = discovery(Some("https://keys.bank.example"));
    assert!(follow(&named, &document(ISSUER, "https://keys.bank.example/set")).is_ok());
    assert!(follow(&named, &document(ISSUER, "https://login.bank.example/set")).is_ok());
    assert!(follow(&named, &document(ISSUER, "https://keys.bank.example:443/set")).is_ok());
    let named_by_port = discovery(Some("https://keys.bank.example:443"));
    assert!(follow(&named_by_port, &document(ISSUER, "https://keys.bank.example/set")).is_ok());
    let plain = discovery(Some("http://keys.bank.example"));
    assert!(follow(&plain, &document(ISSUER, "http://keys.bank.example:80/set")).is_ok());
    assert!(follow(&plain, &document(ISSUER, "http://keys.bank.example:443/set")).is_err());
    for uri in
        ["http://keys.bank.example/set", "https://evil.example/keys", "https://keys.bank.example:444/set"]
    {
        assert_eq!(follow(&named, &document(ISSUER, uri)), Err(DiscoveryError::ForeignKeys), "{uri}");
    }
}

#[test]
fn what_is_no_address_is_not_followed() {
    for uri in [
        "",
        "/keys",
        "login.bank.example/keys",
        "file:///etc/passwd",
        "HTTPS://login.bank.example/keys",
        "https:///keys",
        "https://login.bank.example@evil.example/keys",
        "https://user@login.bank.example/keys",
        "https://login.bank.example/keys#x",
        "https://login.bank.example\\\\@evil.example/keys",
        "https://login.bank.example/ke ys",
        "https://login.bank.example/k\\r\\nhost: evil.example",
    ] {
        assert_eq!(
            follow(&discovery(None), &document(ISSUER, uri)),
            Err(DiscoveryError::KeysMissing),
            "{uri}"
        );
    }
    let long = format!("https://login.bank.example/{}", "x".repeat(3_000));
    assert_eq!(follow(&discovery(None), &document(ISSUER, &long)), Err(DiscoveryError::KeysMissing));
}

#[test]
fn other_documents_are_not_followed() {
    assert_eq!(follow(&discovery(None), "[]"), Err(DiscoveryError::NotObject));
    assert!(matches!(follow(&discovery(None), "<html></html>"), Err(DiscoveryError::Json(_))));
    assert!(matches!(follow(&discovery(None), ""), Err(DiscoveryError::Json(_))));
    let keys = "https://login.bank.example/keys";
    let twice = format!(r#"{{"issuer":"{ISSUER}","jwks_uri":"https://evil.example/","jwks_uri":"{keys}"}}"#);
    assert!(matches!(follow(&discovery(None), &twice), Err(DiscoveryError::Json(_))));
    let huge = document(ISSUER, keys).replace("\"none\"", &format!("\"{}\"", "x".repeat(65_536)));
    assert!(matches!(follow(&discovery(None), &huge), Err(DiscoveryError::Json(_))));
}

proptest! {
    #[test]
    fn any_address_leads_to_the_issuers_own_host_or_nowhere(uri in "(https?://)?[a-z.@:/?#\\[\\]-]{0,30}(login\\.bank\\.example)?[a-z.@:/?#-]{0,30}") {
        if let Ok(keys) = discovery(None).follow(document(ISSUER, &uri).as_bytes(), &from()) {
            prop_assert!(uri.starts_with("https://login.bank.example"), "{}", uri);
            prop_assert_eq!(keys.authority.split(':').next(), Some("login.bank.example"));
            prop_assert_eq!(&*keys.scheme, "https");
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(discovery(None).follow(&bytes, &from()).is_err());
    }
}
