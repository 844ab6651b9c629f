use proptest::prelude::*;
use rcgen::{
    KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PublicKeyData, SigningKey,
};

use super::{Status, put_bytes, verify_signature};

const GOOD: &[u8] = &[0x08, 1];

fn arguments(hash: &str, key: &[u8], signature: &[u8], text: &[u8], pem: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, bytes) in [(1, hash.as_bytes()), (2, key), (3, signature), (4, text), (5, pem.as_bytes())] {
        put_bytes(&mut out, number, bytes);
    }
    out
}

#[test]
fn good_signatures_are_good_and_bad_ones_are_an_answer_not_an_error() {
    for (algorithm, hash) in [(&PKCS_ECDSA_P256_SHA256, "sha256"), (&PKCS_ECDSA_P384_SHA384, "SHA384")] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let signature = key.sign(b"text").unwrap();
        let spki = key.subject_public_key_info();
        assert_eq!(verify_signature(&arguments(hash, &spki, &signature, b"text", "")).unwrap(), GOOD);
        let pem = key.public_key_pem();
        assert_eq!(verify_signature(&arguments(hash, b"", &signature, b"text", &pem)).unwrap(), GOOD);
        for other in [
            arguments(hash, &spki, &signature, b"texT", ""),
            arguments(hash, &spki, &signature[1..], b"text", ""),
            arguments("sha3", &spki, &signature, b"text", ""),
            arguments("sha512", &spki, &signature, b"text", ""),
        ] {
            let result = verify_signature(&other).unwrap();
            assert_eq!(result.first(), Some(&0x12), "an error alone: {result:?}");
        }
        let other = arguments(hash, &spki[1..], &signature, b"text", "");
        assert_eq!(verify_signature(&other).unwrap().first(), Some(&0x12), "no key is an answer too");
        assert_eq!(
            verify_signature(&arguments(hash, b"", &signature, b"text", "")),
            Err(Status::BadArgument)
        );
    }
}

#[test]
fn ed25519_is_refused_as_envoy_refuses_it() {
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let signature = key.sign(b"text").unwrap();
    let arguments = arguments("sha256", &key.subject_public_key_info(), &signature, b"text", "");
    assert_ne!(verify_signature(&arguments).unwrap(), GOOD);
}

#[test]
fn malformed_arguments_are_a_bad_argument() {
    assert!(verify_signature(&[0xff]).is_err());
    assert!(verify_signature(&[0x0a, 5, 1]).is_err());
    let no_key = arguments("sha256", b"", b"signature", b"text", "");
    let two_keys = arguments("sha256", b"key", b"signature", b"text", "key");
    assert!(verify_signature(&no_key).is_err() && verify_signature(&two_keys).is_err());
}

proptest! {
    #[test]
    fn any_arguments_have_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..100), key in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = verify_signature(&bytes);
        prop_assert!(verify_signature(&arguments("sha256", &key, &bytes, b"", "")).ok().as_deref() != Some(GOOD));
    }
}
