use super::*;
use crate::credentials::Algorithm;

fn key() -> PrivateKey {
    PrivateKey::generate(Algorithm::Es256).unwrap()
}

fn token() -> TokenBuilder {
    TokenBuilder::new().kid("k1").claim("sub", json!("alice")).claim("exp", json!("+5m"))
}

#[test]
fn signs_what_jsonwebtoken_verifies() {
    // It does not know ES512.
    for algorithm in Algorithm::ALL.into_iter().filter(|algorithm| *algorithm != Algorithm::Es512) {
        let key = PrivateKey::generate(algorithm).unwrap();
        let token = token().at(4_000_000_000).unwrap().sign(&key).unwrap();
        let jwk = serde_json::from_value(key.public_jwk(None)).unwrap();
        let decoding = jsonwebtoken::DecodingKey::from_jwk(&jwk).unwrap();
        let header = jsonwebtoken::decode_header(&token).unwrap();
        let read =
            jsonwebtoken::decode::<Value>(&token, &decoding, &jsonwebtoken::Validation::new(header.alg));
        assert_eq!(read.unwrap().claims, json!({ "sub": "alice", "exp": 4_000_000_300_i64 }), "{algorithm}");
    }
}

#[test]
fn null_leaves_a_member_out() {
    let token = token().header("typ", Value::Null).claim("sub", Value::Null).sign(&key()).unwrap();
    let (header, claims) = decode(&token).unwrap();
    assert_eq!(header, json!({ "alg": "ES256", "kid": "k1" }));
    assert_eq!(claims, json!({ "exp": "+5m" }));
}

#[test]
fn each_forgery_differs_where_it_says() {
    let key = key();
    let changes = Map::from_iter([("sub".to_owned(), json!("mallory"))]);
    let (header, claims) = decode(&token().forge(&key, &Forgery::Payload(changes)).unwrap()).unwrap();
    assert_eq!((&header["alg"], &claims["sub"]), (&json!("ES256"), &json!("mallory")));

    let unsigned = token().forge(&key, &Forgery::Unsigned).unwrap();
    assert!(unsigned.ends_with('.'));
    assert_eq!(decode(&unsigned).unwrap().0["alg"], "none");

    assert_eq!(decode(&token().forge(&key, &Forgery::Confused).unwrap()).unwrap().0["alg"], "HS256");
    assert_eq!(token().forge(&key, &Forgery::Truncated).unwrap().matches('.').count(), 1);

    let broken = token().forge(&key, &Forgery::Signature).unwrap();
    let jwk = serde_json::from_value(key.public_jwk(None)).unwrap();
    let decoding = jsonwebtoken::DecodingKey::from_jwk(&jwk).unwrap();
    let (input, signature) = broken.rsplit_once('.').unwrap();
    let verified =
        jsonwebtoken::crypto::verify(signature, input.as_bytes(), &decoding, jsonwebtoken::Algorithm::ES256);
    assert!(!verified.unwrap());
}
