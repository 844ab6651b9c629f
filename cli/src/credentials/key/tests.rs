use super::*;

fn all() -> Vec<PrivateKey> {
    Algorithm::ALL.into_iter().map(|algorithm| PrivateKey::generate(algorithm).unwrap()).collect()
}

#[test]
fn survives_pem_and_jwk() {
    for key in all() {
        // PEM does not say which of RSA's algorithms.
        let from_pem = PrivateKey::parse(&key.to_pem().unwrap()).unwrap();
        let from_pem = from_pem.with_algorithm(key.algorithm()).unwrap();
        let from_jwk = PrivateKey::parse(&key.private_jwk(None).to_string()).unwrap();
        for other in [from_pem, from_jwk] {
            assert_eq!(other.algorithm(), key.algorithm());
            assert_eq!(other.public_jwk(Some("k")), key.public_jwk(Some("k")));
        }
    }
}

#[test]
fn core_verifies_what_is_signed() {
    use countersign_core::crypto::{SignatureProvider, Software};
    use countersign_core::jose::{JwkSet, JwksLimits};
    for key in all() {
        let set = jwks([(&key, None)]).to_string();
        let set = JwkSet::parse(set.as_bytes(), &JwksLimits::default()).unwrap();
        let jwk = set.keys().first().unwrap();
        assert_eq!(BASE64URL.encode(jwk.thumbprint()), key.thumbprint());
        let signature = key.sign(b"input").unwrap();
        assert!(Software.verify(jwk.key(), key.algorithm(), b"input", &signature).is_ok(), "{key:?}");
        assert!(Software.verify(jwk.key(), key.algorithm(), b"other", &signature).is_err(), "{key:?}");
    }
}

#[test]
fn a_key_from_a_seed_signs_in_the_same_way_each_time() {
    for algorithm in Algorithm::ALL {
        let key = || PrivateKey::generate_from(algorithm, &mut ChaCha20Rng::from_seed([7; 32])).unwrap();
        let signature = key().sign(b"input").unwrap();
        assert_eq!(key().sign(b"input").unwrap(), signature, "{algorithm}");
        assert_ne!(key().sign(b"other").unwrap(), signature, "{algorithm}");
    }
    let read = PrivateKey::parse(&PrivateKey::generate(Algorithm::Ps256).unwrap().to_pem().unwrap()).unwrap();
    let read = read.with_algorithm(Algorithm::Ps256).unwrap();
    assert_ne!(read.sign(b"input").unwrap(), read.sign(b"input").unwrap(), "salts of the system's");
}

/// The example of RFC 7638 §3.1.
#[test]
fn thumbprint_is_that_of_the_standard() {
    use sha2::Digest;
    let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
    let members = json!({ "e": "AQAB", "kty": "RSA", "n": n }).to_string();
    assert_eq!(
        BASE64URL.encode(sha2::Sha256::digest(members)),
        "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    );
}

#[test]
fn a_public_jwk_holds_nothing_private() {
    for key in all() {
        let public = key.public_jwk(None);
        for member in ["d", "p", "q"] {
            assert!(public.get(member).is_none(), "{member}");
        }
        assert!(PrivateKey::from_jwk(&public).is_err());
        assert!(!format!("{key:?}").contains("PRIVATE"));
    }
}

#[test]
fn says_what_was_expected() {
    let error = PrivateKey::parse("-----BEGIN RSA PRIVATE KEY-----").unwrap_err().to_string();
    assert!(error.contains("PKCS #8"), "{error}");
    let error = PrivateKey::parse(r#"{"kty":"oct","k":"AA"}"#).unwrap_err().to_string();
    assert!(error.contains("`oct`"), "{error}");
    let error = algorithm("HS256").unwrap_err().to_string();
    assert!(error.contains("`HS256`"), "{error}");
}
