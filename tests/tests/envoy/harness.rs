//! The harness itself: real Envoy, certificates, services and the real issuer work together.

use anyhow::Result;
use countersign_tests::bootstrap::{Bootstrap, to_cluster};
use countersign_tests::client::Client;
use countersign_tests::envoy::Envoy;
use countersign_tests::http::Request;
use countersign_tests::issuer::{Account, Issuer};
use countersign_tests::mint::SigningKey;
use countersign_tests::pki::Authority;
use countersign_tests::services::Echo;
use serde_json::json;

#[test]
fn envoy_forwards_over_mutual_tls() -> Result<()> {
    let authority = Authority::new("bank.example")?;
    let echo = Echo::start("transfers")?;
    let config = Bootstrap {
        tls: Some((authority.server("gateway.bank.example")?, authority.certificate_pem().to_owned())),
        ..Bootstrap::default()
    };
    let config = config.cluster("transfers", echo.address()).route(to_cluster("/", "transfers"));
    let envoy = Envoy::start(&config.to_json().to_string())?;
    let workload = authority.workload("spiffe://bank.example/edge")?;
    let client =
        Client::tls(envoy.listener("gateway")?, "gateway.bank.example", &authority, Some(&workload))?;
    let answer = client
        .send(&Request::new("POST", "/v1/x?y=1").header("X-Twice", "a").header("X-Twice", "b").body("hi"))?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = answer.parse()?;
    assert_eq!((&seen["path"], &seen["body"]), (&json!("/v1/x?y=1"), &json!("hi")));
    assert_eq!(echo.served(), 1);
    Ok(())
}

#[test]
fn the_issuer_signs_with_the_key_it_is_given() -> Result<()> {
    let (first, second) = (SigningKey::new("k1")?, SigningKey::new("k2")?);
    let account = Account {
        id: "app",
        subject: Some("alice"),
        claims: json!({ "tenant": "acme" }),
        lifetime: 60,
        certificate_bound: false,
    };
    let mut issuer = Issuer::start("https://api.bank.example", &[&first], &[account])?;
    for (keys, kid) in [(vec![&first], "k1"), (vec![&second, &first], "k2")] {
        issuer.rotate(&keys)?;
        let token = issuer.token("app")?;
        assert_eq!(jsonwebtoken::decode_header(&token)?.kid.as_deref(), Some(kid));
        let set = Client::plain(issuer.address()).send(&Request::get(issuer.jwks_path()))?.parse()?;
        assert_eq!(set["keys"][0]["x"], if kid == "k1" { first.jwk() } else { second.jwk() }["x"]);
    }
    Ok(())
}
