#![no_main]

use countersign_core::keys::{Discovery, Location};
use countersign_core::time::Span;
use countersign_fuzz::accepted;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let place = |uri| Location::parse(uri, "issuer").expect("an address");
    let from = place("https://a.example/.well-known/openid-configuration");
    let discovery = |jwks_authority| Discovery {
        issuer: "https://a.example".into(),
        jwks_cluster: "keys".into(),
        jwks_authority,
        refresh: Span::from_secs(60),
    };
    if let Ok(keys) = discovery(None).follow(bytes, &from) {
        accepted();
        assert_eq!(place_of(&keys), "https://a.example");
        assert!(keys.path.starts_with('/') && keys.path.bytes().all(|byte| byte.is_ascii_graphic()));
        assert!(&*keys.cluster == "keys");
    }
    if let Ok(keys) = discovery(Some(place("http://b.example:1"))).follow(bytes, &from) {
        accepted();
        assert!(["https://a.example", "http://b.example:1"].contains(&&*place_of(&keys)));
    }
});

/// Scheme and authority; the port goes where it is the scheme's own.
fn place_of(keys: &Location) -> String {
    let place = format!("{}://{}", keys.scheme, keys.authority.to_ascii_lowercase());
    place.strip_suffix(":443").filter(|_| &*keys.scheme == "https").map_or(place.clone(), str::to_owned)
}
