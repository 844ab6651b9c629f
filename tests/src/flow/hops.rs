//! Gateways on the way of a scored transfer, each of which has the token exchanged for the next hop: the orchestrator's for the model, and
//! the model's for the feature store. What arrives at a hop is for it alone, from the one workload that it names.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::gateway::EnvoyGateway;
use super::opaque::filter;
use super::world::{AUDIENCE, ISSUER_HOST, World};
use crate::bootstrap::{Bootstrap, UpstreamTls};
use crate::issuer::{FEATURES, GATEWAY, MODEL};
use crate::mint;
use crate::policies;

/// The cluster that tokens come from.
const CLUSTER: &str = "introspection";

const SCHEMA: &str = "
entity User { tenant: String };
entity Workload;
entity Model;
entity FeatureSet;
type Call = { workload?: Workload, purpose?: String };
action InvokeModel appliesTo { principal: [User, Workload], resource: Model, context: Call };
action ReadFeatures appliesTo { principal: [Workload], resource: FeatureSet, context: Call };
";

const POLICIES: &str = r#"
@id("orchestrator-scores-for-people")
permit (principal is User, action == Action::"InvokeModel", resource)
when { context has workload && context.workload == Workload::"spiffe://bank.example/orchestrator" };

@id("orchestrator-invokes-the-model")
permit (principal == Workload::"spiffe://bank.example/orchestrator", action == Action::"InvokeModel", resource)
when { context has purpose && context.purpose == "fraud-scoring" };

@id("model-goes-on-for-scoring")
permit (principal == Workload::"spiffe://bank.example/orchestrator", action == Action::"ReadFeatures", resource)
when { context has workload && context.workload == Workload::"spiffe://bank.example/fraud-model" }
when { context has purpose && context.purpose == "fraud-scoring" };

@id("model-reads-features")
permit (principal == Workload::"spiffe://bank.example/fraud-model", action == Action::"ReadFeatures", resource)
when { context has purpose && context.purpose == "feature-lookup" };
"#;

/// What the orchestrator's gateway asks for.
pub fn for_model() -> Value {
    json!({
        "name": "model", "grant": "token_exchange", "cluster": CLUSTER, "client_id": "gateway-certificate",
        "audiences": [MODEL], "scopes": ["score:invoke"], "parameters": { "purpose": "fraud-scoring" },
        "actor": "workload",
    })
}

/// What the model's gateway asks for.
pub fn for_features() -> Value {
    json!({
        "name": "features", "grant": "token_exchange", "cluster": CLUSTER, "client_id": "gateway-certificate",
        "audiences": [FEATURES], "scopes": ["features:read"], "parameters": { "purpose": "feature-lookup" },
        "actor": "workload",
    })
}

/// The orchestrator's gateway: people's tokens, of which the model gets a narrower one.
pub fn orchestrator(world: &World, token: Value) -> Result<Value> {
    configuration(world, AUDIENCE, false, &[invoke()], Some(token))
}

/// The model's gateway for what comes in: tokens for the model, from the workload that acts.
pub fn model_in(world: &World) -> Result<Value> {
    configuration(world, MODEL, true, &[invoke()], None)
}

/// The same for what the model asks of others, with the token that it was called with: by its certificate, since that token names
/// who called it.
pub fn model_out(world: &World, token: Value) -> Result<Value> {
    let mut config = configuration(world, MODEL, true, &[read()], Some(token))?;
    config["issuers"][0]["workload_claim"] = Value::Null;
    Ok(config)
}

/// The feature store's gateway.
pub fn features_in(world: &World) -> Result<Value> {
    configuration(world, FEATURES, true, &[read()], None)
}

fn invoke() -> Value {
    json!({
        "name": "invoke", "methods": ["POST"], "path": "/internal/models/{model}/invocations", "action": "InvokeModel",
        "resource": { "type": "Model", "id": "{model}" },
    })
}

fn read() -> Value {
    json!({
        "name": "read", "methods": ["GET"], "path": "/internal/features/{set}", "action": "ReadFeatures",
        "resource": { "type": "FeatureSet", "id": "{set}" },
    })
}

fn configuration(
    world: &World,
    audience: &str,
    delegated: bool,
    routes: &[Value],
    token: Option<Value>,
) -> Result<Value> {
    let issuer = world.issuer();
    let mut config = json!({
        "version": 1,
        "issuers": [{
            "issuer": issuer, "audiences": [audience], "algorithms": ["ES256"],
            "keys": { "remote": { "cluster": "issuer", "uri": format!("{issuer}/jwks"), "cooldown_seconds": 1 } },
            "principal": { "attributes": { "tenant": { "claim": "tenant" } } },
        }],
        "workload": { "trust_domains": ["bank.example"] },
        "context": { "workload": { "workload": "entity" }, "purpose": { "claim": "purpose" } },
        "routes": routes,
        "policy": { "image": policies::base64(&policies::image(SCHEMA, POLICIES)?) },
        "forward": { "authorization": true },
    });
    if delegated {
        config["issuers"][0]["delegation"] =
            json!({ "actor": { "type": "Workload", "id": "sub" }, "max_depth": 3, "required": true });
        config["issuers"][0]["workload_claim"] = json!("/act/sub");
    }
    if let Some(token) = token {
        config["upstream_tokens"] = json!([mint::with(&token, json!({ "uri": format!("{issuer}/token") }))]);
        config["routes"][0]["upstream_token"] = token["name"].clone();
    }
    Ok(config)
}

/// Real Envoy under this configuration, in front of the next gateway, to which it proves itself as `workload`, or of the service. To
/// the provider it proves itself by a certificate (RFC 8705 §2.1).
pub fn gateway(
    world: &World,
    configuration: &Value,
    next: Option<(&EnvoyGateway, &str)>,
) -> Result<EnvoyGateway> {
    let mut bootstrap = filter(configuration)?;
    if let Some((next, workload)) = next {
        let identity = world.identity(workload).context("no such workload")?;
        bootstrap = EnvoyGateway::before(bootstrap, next, identity);
    }
    let secure = world.provider()?.secure_address().context("the provider does not listen over TLS")?;
    let tls = UpstreamTls {
        identity: world.authority.workload(GATEWAY)?,
        authority: world.authority.certificate_pem().to_owned(),
        host: ISSUER_HOST.to_owned(),
    };
    bootstrap = bootstrap.cluster(CLUSTER, secure);
    bootstrap.upstream_tls.push((CLUSTER.to_owned(), tls));
    EnvoyGateway::start_bootstrap(world, Bootstrap { ..bootstrap }, 1)
}
