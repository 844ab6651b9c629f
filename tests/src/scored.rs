//! What benchmarks of gateways have decided: *an analyst may score transfers of their own tenant*.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::client::Client;
use crate::http::Request;
use crate::mint::{self, SigningKey};
use crate::policies;

/// The method of the request.
pub const METHOD: &str = "POST";
/// Its target.
pub const TARGET: &str = "/v1/tenants/acme/transfers/t-1001/score";
/// Issuer of its token.
pub const ISSUER: &str = "https://issuer.bank.example";
/// Audience of its token.
pub const AUDIENCE: &str = "https://api.bank.example";

const SCHEMA: &str = r#"
entity Role;
entity User in [Role] { tenant: String };
entity Transfer { tenant: String };
entity Workload;
action "score" appliesTo { principal: User, resource: Transfer, context: {} };
"#;

const POLICY: &str = r#"
@id("analysts-score-own-tenant")
permit (principal in Role::"analyst", action == Action::"score", resource is Transfer)
when { principal.tenant == resource.tenant };
"#;

/// Countersign's configuration.
pub fn configuration(jwks: &Value) -> Result<Value> {
    let image = policies::image(SCHEMA, POLICY)?;
    Ok(json!({
        "version": 1,
        "issuers": [{
            "issuer": ISSUER,
            "audiences": [AUDIENCE],
            "keys": { "inline": jwks },
            "algorithms": ["ES256", "RS256"],
            "max_lifetime_seconds": 86400,
            "principal": {
                "type": "User",
                "roles": { "claim": "roles", "type": "Role" },
                "attributes": { "tenant": { "claim": "tenant" } },
            },
        }],
        "routes": [{
            "name": "score",
            "methods": [METHOD],
            "path": "/v1/tenants/{tenant}/transfers/{transfer}/score",
            "workload": "optional",
            "action": "score",
            "resource": {
                "type": "Transfer", "id": "{transfer}", "attributes": { "tenant": { "path": "tenant" } },
            },
        }],
        "policy": { "image": policies::base64(&image) },
    }))
}

/// A gateway that lets everything in is not measured: a forged token, a strange tenant and no token must fail.
pub fn refuses(client: &Client, key: &SigningKey) -> Result<()> {
    let good = key.sign(&claims(0))?;
    let forged = mint::tamper(&good, json!({ "tenant": "other" }))?;
    let foreign = key.sign(&mint::with(&claims(0), json!({ "tenant": "other" })))?;
    for (what, request, expected) in [
        ("the token", Request::new(METHOD, TARGET).bearer(&good), 200),
        ("no token", Request::new(METHOD, TARGET), 401),
        ("a forged token", Request::new(METHOD, TARGET).bearer(&forged), 401),
        ("a token of another tenant", Request::new(METHOD, TARGET).bearer(&foreign), 403),
    ] {
        let answer = client.send(&request)?;
        ensure!(
            answer.status == expected,
            "{what}: expected {expected}, got {} {}",
            answer.status,
            answer.text()
        );
    }
    Ok(())
}

/// A file with this many tokens, all different, one a line.
pub fn tokens(folder: &Path, name: &str, key: &SigningKey, count: u32) -> Result<PathBuf> {
    let file = folder.join(format!("tokens-{name}"));
    let signed = (0..count).map(|number| key.sign(&claims(number))).collect::<Result<Vec<_>>>()?;
    fs::write(&file, signed.join("\n") + "\n")?;
    Ok(file)
}

fn claims(number: u32) -> Value {
    let now = mint::now();
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "iat": now, "exp": now + 3600, "jti": format!("bench-{number}"),
        "client_id": "analyst-desk", "tenant": "acme", "roles": ["analyst", "employee"],
    })
}
