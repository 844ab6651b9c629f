//! Tokens by which one acts for another, that say how the user logged in, and that are access tokens, on real Envoy with several
//! workers and in the simulator.

use anyhow::{Context as _, Result};
use countersign_tests::flow::{Issuing, World, both, verdict};
use countersign_tests::http::Request;
use countersign_tests::{mint, proof, services};
use serde_json::{Value, json};

const ACCOUNT: &str = "/tenants/acme/accounts/a-1";

/// A policy beside those of the example: whatever stands further in, it is who acts now that decides.
const OUTERMOST: &str = r#"
@id("planner-never-acts-itself")
forbid (principal == Agent::"planner", action, resource);
"#;

fn refused(status: u16, reason: &str) -> (u16, String) {
    (status, reason.to_owned())
}

fn allowed() -> (u16, String) {
    (200, String::new())
}

/// A token that the issuer would not make, of the account's claims with changes.
fn signed(world: &World, account: &str, changes: Value) -> Result<String> {
    let claims = mint::with(&world.claims(account)?, json!({ "jti": "t-1" }));
    world.key().sign(&mint::with(&claims, changes))
}

#[test]
fn the_outermost_actor_decides_and_the_chain_stays_visible() -> Result<()> {
    let world = World::start(Issuing::Provider)?;
    let config = world.credentials_configuration(OUTERMOST)?;
    // As the provider makes it: a planner has handed on to an assistant what Alice lets it do.
    let token = world.token("assistant")?;
    let acts = |chain: Value| json!({ "act": chain });
    let four = json!({ "sub": "d", "act": { "sub": "c", "act": { "sub": "b", "act": { "sub": "a" } } } });
    let refusals = [
        // The same two, the other way round.
        (403, "policy.forbidden", acts(json!({ "sub": "planner", "act": { "sub": "assistant" } }))),
        (403, "policy.not_permitted", acts(four["act"].clone())),
        (401, "delegation.depth", acts(four)),
        (401, "delegation.loop", acts(json!({ "sub": "a", "act": { "sub": "b", "act": { "sub": "a" } } }))),
        (401, "delegation.loop", acts(json!({ "sub": "assistant", "act": { "sub": "alice" } }))),
        (401, "delegation.malformed", acts(json!({ "vendor": "acme-ai" }))),
        (401, "delegation.not_allowed", json!({ "may_act": { "sub": "planner" } })),
        (403, "policy.not_permitted", json!({ "scope": "openid" })),
        (403, "policy.not_permitted", json!({ "tenant": "globex" })),
    ];
    for gateway in both(&world, &config)? {
        let (name, client) = (gateway.name(), gateway.client(world.identity("edge"))?);
        let before = world.service.served();
        // What a client says of actors is not what goes upstream.
        let forged = Request::get(ACCOUNT).bearer(&token).header("x-countersign-actors", "ceo");
        let answer = client.send(&forged)?;
        assert_eq!(verdict(&answer), allowed(), "{name}: {}", answer.text());
        let seen = answer.parse()?;
        for (header, value) in [
            ("x-countersign-principal-type", "Agent"),
            ("x-countersign-principal", "assistant"),
            ("x-countersign-subject", "alice"),
            ("x-countersign-actors", "assistant,planner"),
        ] {
            assert_eq!(services::header(&seen, header), Some(value), "{name}: {header}");
        }
        let line = gateway.audit(1)?.pop().context("an audit line")?;
        for (member, value) in [
            ("principal", json!(r#"Agent::"assistant""#)),
            ("subject", json!("alice")),
            ("actors", json!(["assistant", "planner"])),
            ("policies", json!(["agent-for-person"])),
            ("client", json!("assistant")),
        ] {
            assert_eq!(line[member], value, "{name}: {member}");
        }

        let control = json!({ "may_act": { "sub": "assistant" } });
        let control = Request::get(ACCOUNT).bearer(&signed(&world, "assistant", control)?);
        assert_eq!(verdict(&client.send(&control)?), allowed(), "{name}: the control");
        for (index, (status, reason, changes)) in refusals.iter().enumerate() {
            let request = Request::get(ACCOUNT).bearer(&signed(&world, "assistant", changes.clone())?);
            assert_eq!(verdict(&client.send(&request)?), refused(*status, reason), "{name}: {changes}");
            let line = gateway.audit(index + 3)?.pop().context("an audit line")?;
            let layer = reason.split('.').next();
            assert_eq!((line["reason"].as_str(), line["layer"].as_str()), (Some(*reason), layer), "{name}");
        }
        assert_eq!(world.service.served() - before, 2, "{name}: a refused request reached the service");
    }
    Ok(())
}

#[test]
fn an_actor_is_refused_where_nobody_may_act_for_another() -> Result<()> {
    let world = World::start(Issuing::Provider)?;
    let mut config = world.credentials_configuration("")?;
    config["issuers"][0].as_object_mut().context("an issuer")?.remove("delegation");
    for gateway in both(&world, &config)? {
        let (name, client) = (gateway.name(), gateway.client(world.identity("edge"))?);
        let send = |account: &str| -> Result<_> {
            Ok(verdict(&client.send(&Request::get(ACCOUNT).bearer(&world.token(account)?))?))
        };
        assert_eq!(send("alice")?, allowed(), "{name}: the control");
        assert_eq!(send("assistant")?, refused(401, "delegation.unsupported"), "{name}");
    }
    Ok(())
}

#[test]
fn a_route_or_a_policy_asks_for_another_login_and_takes_it() -> Result<()> {
    let world = World::start(Issuing::Provider)?;
    let config = world.credentials_configuration("")?;
    let login = |acr: &str, ago: i64| json!({ "acr": acr, "auth_time": mint::now() - ago });
    let statement = Request::get(&format!("{ACCOUNT}/statement"));
    let close = Request::new("DELETE", ACCOUNT);
    // What is asked for, logins that fall short, and one that does not.
    let by_route =
        (&statement, r#"acr_values="mfa phr", max_age="3600""#, [login("pwd", 60), login("phr", 3700)]);
    let by_policy = (&close, r#"acr_values="mfa", max_age="300""#, [login("phr", 60), login("mfa", 400)]);
    for gateway in both(&world, &config)? {
        let (name, client) = (gateway.name(), gateway.client(world.identity("edge"))?);
        let send = |request: &Request, token: &str| client.send(&request.clone().bearer(token));
        for (request, asked, short) in [&by_route, &by_policy] {
            let before = world.service.served();
            // The provider says nothing of the login.
            let mut tokens = vec![world.token("alice")?];
            for login in short {
                tokens.push(signed(&world, "alice", login.clone())?);
            }
            for token in tokens {
                let answer = send(request, &token)?;
                assert_eq!(verdict(&answer), refused(401, "policy.step_up"), "{name}: {}", answer.text());
                let challenge = answer.value("www-authenticate").context("no challenge")?;
                assert!(challenge.contains(r#"error="insufficient_user_authentication""#), "{challenge}");
                assert!(challenge.contains(asked), "{name}: `{asked}` in {challenge}");
            }
            let again = signed(&world, "alice", login("mfa", 60))?;
            let answer = send(request, &again)?;
            assert_eq!(verdict(&answer), allowed(), "{name}: {}", answer.text());
            assert_eq!(world.service.served() - before, 1, "{name}: a refused request reached the service");
            // Nobody logs in again for what would be refused all the same.
            let stranger = signed(&world, "alice", json!({ "tenant": "globex" }))?;
            let (status, reason) = verdict(&send(request, &stranger)?);
            assert!(status == 403 && reason != "policy.step_up", "{name}: {status} {reason}");
        }
    }
    Ok(())
}

#[test]
fn an_access_token_is_of_its_type_and_lacks_nothing() -> Result<()> {
    let world = World::start(Issuing::Provider)?;
    let mut config = world.credentials_configuration("")?;
    for profile in ["access_token", "jwt"] {
        config["issuers"][0]["profile"] = json!(profile);
        // What the other profile does not ask for.
        let lacking = |status: u16, reason: &str| match profile {
            "jwt" => allowed(),
            _ => refused(status, reason),
        };
        for gateway in both(&world, &config)? {
            let (name, client) = (gateway.name(), gateway.client(world.identity("edge"))?);
            let send = |token: &str| -> Result<_> {
                Ok(verdict(&client.send(&Request::get(ACCOUNT).bearer(token))?))
            };
            let of_type = |typ: Value| -> Result<String> {
                let header = json!({ "alg": "ES256", "kid": world.key().kid });
                let claims = mint::with(&world.claims("alice")?, json!({ "jti": "t-1" }));
                proof::sign(&mint::with(&header, json!({ "typ": typ })), &claims, world.key())
            };
            assert_eq!(send(&world.token("alice")?)?, allowed(), "{name}: the provider's own");
            assert_eq!(send(&signed(&world, "alice", json!({}))?)?, allowed(), "{name}: the control");
            assert_eq!(send(&of_type(json!("application/at+jwt"))?)?, allowed(), "{name}: RFC 9068 §4");
            for claim in ["client_id", "jti", "iat"] {
                let token = signed(&world, "alice", json!({ claim: null }))?;
                assert_eq!(send(&token)?, lacking(401, "token.claim.missing"), "{profile} {name}: {claim}");
            }
            assert_eq!(send(&of_type(json!("JWT"))?)?, lacking(401, "token.type"), "{profile} {name}");
            for typ in [json!("dpop+jwt"), json!("logout+jwt"), Value::Null] {
                let sent = send(&of_type(typ.clone())?)?;
                assert_eq!(sent, refused(401, "token.type"), "{profile} {name}: {typ}");
            }
        }
    }
    Ok(())
}
