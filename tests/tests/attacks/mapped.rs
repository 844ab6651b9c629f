//! Claims that the configuration maps: roles, attributes, scopes.

use anyhow::Result;
use countersign_tests::mint;
use countersign_tests::policies;
use countersign_tests::world::Ask;
use serde_json::{Value, json};

use crate::catalogue::Catalogue;
use crate::forge::{self, Bench, member, token};

const SCHEMA: &str = r#"
entity Role;
entity User in [Role] { tenant: String };
entity Account;
action Read appliesTo { principal: User, resource: Account, context: { scopes?: Set<String> } };
"#;

const POLICIES: &str = r#"
@id("scoped") permit(principal, action, resource)
when { context has scopes && context.scopes.contains("accounts:read") };
"#;

pub(crate) fn add(catalogue: &mut Catalogue) -> Result<()> {
    let mut bench = Bench::new()?;
    roles(catalogue, &mut bench)?;
    attributes(catalogue, &mut bench)?;
    amounts(catalogue, &mut bench)?;
    scopes(catalogue)?;
    parties(catalogue)
}

fn roles(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    let many: Vec<String> = (0..127).map(|n| format!("r{n}")).collect();
    let fits: Vec<&str> = many.iter().map(String::as_str).chain(["clerk"]).collect();
    let too_many: Vec<&str> = fits.iter().copied().chain(["more"]).collect();
    catalogue.control("mapped/roles-several", bench.claims(json!({ "roles": ["guest", "clerk"] }))?);
    catalogue.control("mapped/roles-as-many-as-may-be", bench.claims(json!({ "roles": fits }))?);
    for (id, roles, expected) in [
        ("text", json!("clerk"), "token.claims"),
        ("words", json!("guest clerk"), "token.claims"),
        ("object", json!({ "0": "clerk" }), "token.claims"),
        ("object-by-name", json!({ "clerk": true }), "token.claims"),
        ("nested", json!([["clerk"]]), "token.claims"),
        ("null-within", json!(["clerk", null]), "token.claims"),
        ("number-within", json!(["clerk", 1]), "token.claims"),
        ("too-many", json!(too_many), "token.claims"),
        ("boolean", json!(true), "token.claims"),
        ("empty", json!([]), "policy.not_permitted"),
        ("capitals", json!(["Clerk"]), "policy.not_permitted"),
        ("confusable", json!(["\u{441}lerk"]), "policy.not_permitted"),
        ("nul-behind", json!(["clerk\0"]), "policy.not_permitted"),
        ("space-behind", json!(["clerk "]), "policy.not_permitted"),
        ("list-in-a-text", json!(["guest,clerk"]), "policy.not_permitted"),
        ("cedar-text", json!(["\"} || true || Role::\"clerk"]), "policy.not_permitted"),
        ("cedar-entity", json!(["Role::\"clerk\""]), "policy.not_permitted"),
        ("wildcard", json!(["*"]), "policy.not_permitted"),
    ] {
        let found = bench.claims(json!({ "roles": roles }))?;
        catalogue.attack(format!("mapped/roles-{id}"), expected, found);
    }
    let null = bench.claim("roles", "null")?;
    catalogue.attack("mapped/roles-null", "token.claims", null);
    for (id, changes) in [
        ("missing", json!({ "roles": null })),
        ("under-a-prototype", json!({ "roles": null, "__proto__": { "roles": ["clerk"] } })),
        (
            "under-a-constructor",
            json!({ "roles": null, "constructor": { "prototype": { "roles": ["clerk"] } } }),
        ),
        ("under-another-case", json!({ "roles": null, "Roles": ["clerk"] })),
        ("under-one-role", json!({ "roles": null, "role": "clerk" })),
        ("under-groups", json!({ "roles": null, "groups": ["clerk"] })),
        ("under-a-realm", json!({ "roles": null, "realm_access": { "roles": ["clerk"] } })),
        ("under-a-pointer", json!({ "roles": null, "/roles": ["clerk"] })),
        ("under-a-space", json!({ "roles": null, "roles ": ["clerk"] })),
        ("under-a-nul", json!({ "roles": null, "roles\0": ["clerk"] })),
    ] {
        catalogue.attack(format!("mapped/roles-{id}"), "policy.not_permitted", bench.claims(changes)?);
    }
    Ok(())
}

fn attributes(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    for (id, raw, expected) in [
        ("number", "7", "token.claims"),
        ("null", "null", "token.claims"),
        ("array", r#"["acme"]"#, "token.claims"),
        ("object", r#"{"id":"acme"}"#, "token.claims"),
        ("another", "\"other\"", "policy.not_permitted"),
        ("capitals", "\"ACME\"", "policy.not_permitted"),
        ("confusable", "\"\u{430}cme\"", "policy.not_permitted"),
        ("nul-behind", "\"acme\\u0000\"", "policy.not_permitted"),
        ("wildcard", "\"*\"", "policy.not_permitted"),
        ("slash", "\"acme/accounts\"", "policy.not_permitted"),
        ("empty", "\"\"", "policy.not_permitted"),
    ] {
        catalogue.attack(format!("mapped/tenant-{id}"), expected, bench.claim("tenant", raw)?);
    }
    for (id, changes) in [
        ("missing", json!({ "tenant": null })),
        ("under-another-case", json!({ "tenant": null, "Tenant": "acme" })),
        ("under-a-prototype", json!({ "tenant": null, "__proto__": { "tenant": "acme" } })),
    ] {
        catalogue.attack(format!("mapped/tenant-{id}"), "policy.attribute", bench.claims(changes)?);
    }
    for (id, raw) in [
        ("text", "\"3\""),
        ("fraction", "3.0"),
        ("exponent", "3e0"),
        ("beyond-64-bits", "9223372036854775808"),
        ("null", "null"),
        ("boolean", "false"),
        ("array", "[3]"),
    ] {
        catalogue.attack(format!("mapped/level-{id}"), "token.claims", bench.claim("level", raw)?);
    }
    catalogue.control("mapped/level-of-64-bits", bench.claim("level", "9223372036854775807")?);
    catalogue.control("mapped/level-below-zero", bench.claim("level", "-3")?);
    Ok(())
}

/// The verdict on a payment with this text for its claim.
fn pay(bench: &mut Bench, name: &str, raw: &str) -> Result<String> {
    let claims = member(&bench.world.claims(), name, raw);
    let text = token(&bench.world.key, forge::header(json!({})).to_string(), claims)?;
    Ok(bench.ask(&Ask::new("POST", "/tenants/acme/accounts/a1").bearer(&text)))
}

fn amounts(catalogue: &mut Catalogue, bench: &mut Bench) -> Result<()> {
    catalogue.control("mapped/amount-within-the-limit", pay(bench, "payment", r#"{"amount":1000}"#)?);
    for (id, name, raw, expected) in [
        ("over-the-limit", "payment", r#"{"amount":1001}"#, "policy.not_permitted"),
        ("text", "payment", r#"{"amount":"1"}"#, "token.claims"),
        ("fraction", "payment", r#"{"amount":1.0}"#, "token.claims"),
        ("exponent", "payment", r#"{"amount":1e0}"#, "token.claims"),
        ("wraps-at-64-bits", "payment", r#"{"amount":18446744073709551617}"#, "token.claims"),
        ("null", "payment", r#"{"amount":null}"#, "token.claims"),
        ("array", "payment", r#"{"amount":[1]}"#, "token.claims"),
        ("in-an-array", "payment", r#"[{"amount":1}]"#, "token.claims"),
        ("in-a-text", "payment", r#""{\"amount\":1}""#, "token.claims"),
        ("below-null", "payment", "null", "token.claims"),
        ("missing", "payment", "{}", "policy.not_permitted"),
        ("under-another-case", "payment", r#"{"Amount":1}"#, "policy.not_permitted"),
        ("under-its-pointer", "/payment/amount", "1", "policy.not_permitted"),
        ("under-a-dotted-name", "payment.amount", "1", "policy.not_permitted"),
        ("under-a-prototype", "payment", r#"{"__proto__":{"amount":1}}"#, "policy.not_permitted"),
        ("twice", "payment", r#"{"amount":1,"amount":5000}"#, "token.malformed"),
        ("twice-by-escape", "payment", r#"{"amount":5000,"\u0061mount":1}"#, "token.malformed"),
    ] {
        catalogue.attack(format!("mapped/amount-{id}"), expected, pay(bench, name, raw)?);
    }
    Ok(())
}

fn scopes(catalogue: &mut Catalogue) -> Result<()> {
    let image = policies::base64(&policies::image(SCHEMA, POLICIES)?);
    let mut bench = Bench::configured(|config| {
        config["policy"]["image"] = image.into();
        config["forward"] = json!({});
        config["context"] = json!({});
        config["issuers"][0]["principal"]["attributes"] = json!({ "tenant": { "claim": "tenant" } });
        config["routes"] = json!([{
            "name": "read", "methods": ["GET"], "path": "/tenants/acme/accounts/{account}", "action": "Read",
            "resource": { "type": "Account", "id": "{account}" },
            "context": { "scopes": { "claim": "scope" } },
        }]);
    })?;
    let numbers = |count: usize| (0..count).map(|n| format!("s{n}")).collect::<Vec<_>>().join(" ");
    for (id, scope) in [
        ("alone", json!("accounts:read")),
        ("among-others", json!("openid accounts:read accounts:write")),
        ("as-an-array", json!(["accounts:read"])),
        ("as-many-as-may-be", json!(format!("{} accounts:read", numbers(255)))),
    ] {
        catalogue.control(format!("mapped/scope-{id}"), bench.claims(json!({ "scope": scope }))?);
    }
    for (id, scope, expected) in [
        ("missing", Value::Null, "policy.not_permitted"),
        ("empty", json!(""), "policy.not_permitted"),
        ("prefix", json!("accounts:rea"), "policy.not_permitted"),
        ("longer", json!("accounts:read:none"), "policy.not_permitted"),
        ("within-another", json!("no-accounts:read"), "policy.not_permitted"),
        ("capitals", json!("Accounts:Read"), "policy.not_permitted"),
        ("wildcard", json!("accounts:*"), "policy.not_permitted"),
        ("comma", json!("x,accounts:read"), "policy.not_permitted"),
        ("tab", json!("x\taccounts:read"), "policy.not_permitted"),
        ("line-end", json!("x\naccounts:read"), "policy.not_permitted"),
        ("no-break-space", json!("x\u{a0}accounts:read"), "policy.not_permitted"),
        ("nul", json!("accounts:read\0"), "policy.not_permitted"),
        ("words-within-an-array", json!(["x accounts:read"]), "policy.not_permitted"),
        ("two-spaces", json!("x  accounts:read"), "token.claims"),
        ("space-before", json!(" accounts:read"), "token.claims"),
        ("space-behind", json!("accounts:read "), "token.claims"),
        ("number", json!(7), "token.claims"),
        ("object", json!({ "accounts:read": true }), "token.claims"),
        ("nested-array", json!([["accounts:read"]]), "token.claims"),
        ("null-within", json!(["accounts:read", null]), "token.claims"),
        ("too-many", json!(format!("{} accounts:read", numbers(256))), "token.claims"),
    ] {
        catalogue.attack(format!("mapped/scope-{id}"), expected, bench.claims(json!({ "scope": scope }))?);
    }
    let elsewhere = mint::with(&json!({}), json!({ "scp": "accounts:read" }));
    catalogue.attack("mapped/scope-under-another-name", "policy.not_permitted", bench.claims(elsewhere)?);
    Ok(())
}

/// Resources that are the caller, with attributes that the caller chooses.
fn parties(catalogue: &mut Catalogue) -> Result<()> {
    let schema = r#"
entity Role;
entity User in [Role] { tenant: String, admin?: Bool };
entity Agent { admin?: Bool };
action Read appliesTo { principal: [User, Agent], resource: [User, Agent], context: { subject?: User } };
"#;
    let policies = r#"
permit(principal, action, resource) when { principal has admin && principal.admin };
permit(principal, action, resource) when { context has subject && context.subject has admin && context.subject.admin };
permit(principal is User, action, resource) when { principal == resource && resource.tenant == "acme" };
"#;
    let image = policies::base64(&policies::image(schema, policies)?);
    let mut bench = Bench::configured(|config| {
        config["policy"]["image"] = image.into();
        config["forward"] = json!({});
        config["context"] = json!({ "subject": { "token": "subject" } });
        config["issuers"][0]["principal"]["attributes"] =
            json!({ "tenant": { "claim": "tenant" }, "admin": { "claim": "admin" } });
        config["issuers"][0]["delegation"] = json!({ "actor": {} });
        let admin = json!({ "header": "x-admin" });
        let user = json!({ "tenant": { "path": "tenant" }, "admin": admin });
        config["routes"] = json!([
            {
                "name": "user", "methods": ["GET"], "path": "/tenants/{tenant}/users/{id}", "action": "Read",
                "resource": { "type": "User", "id": "{id}", "attributes": user },
            },
            {
                "name": "agent", "methods": ["GET"], "path": "/agents/{id}", "action": "Read",
                "resource": { "type": "Agent", "id": "{id}", "attributes": { "admin": admin } },
            },
        ]);
    })?;
    let mut verdict = |path: &str, admin: &str, claims: Value| -> Result<String> {
        let text = bench.world.key.sign(&mint::with(&bench.world.claims(), claims))?;
        let ask = Ask::new("GET", path).bearer(&text);
        Ok(bench.ask(&if admin.is_empty() { ask } else { ask.header("x-admin", admin) }))
    };
    let acting = json!({ "act": { "sub": "assistant" } });
    let (alice, bob) = ("/tenants/acme/users/alice", "/tenants/acme/users/bob");
    catalogue.control("mapped/party-itself", verdict(alice, "", json!({}))?);
    catalogue.control("mapped/party-as-its-token-says", verdict(alice, "true", json!({ "admin": true }))?);
    catalogue.control("mapped/party-and-another", verdict(bob, "false", json!({ "admin": true }))?);
    for (id, path, admin, claims, expected) in [
        ("principal-lent-by-the-resource", alice, "true", json!({}), "policy.entity_conflict"),
        ("principal-denied-by-the-resource", alice, "false", json!({}), "policy.entity_conflict"),
        ("principal-of-another-tenant", "/tenants/x/users/alice", "", json!({}), "policy.entity_conflict"),
        ("principal-escaped", "/tenants/acme/users/%61lice", "true", json!({}), "request.path.invalid"),
        ("subject-lent-by-the-resource", alice, "true", acting.clone(), "policy.entity_conflict"),
        ("actor-lent-by-the-resource", "/agents/assistant", "true", acting.clone(), "policy.entity_conflict"),
        ("resource-that-is-another", bob, "true", json!({}), "policy.not_permitted"),
        ("resource-in-capitals", "/tenants/acme/users/Alice", "true", json!({}), "policy.not_permitted"),
        ("resource-of-another-type", "/agents/alice", "true", json!({}), "policy.not_permitted"),
        ("resource-that-is-another-agent", "/agents/other", "true", acting, "policy.not_permitted"),
    ] {
        catalogue.attack(format!("mapped/{id}"), expected, verdict(path, admin, claims)?);
    }
    Ok(())
}
