//! Gateways that ask the OpenID provider about opaque tokens. The provider wants a secret of them, which the filter never sees:
//! `examples/envoy/introspection.yaml` has Envoy add it.

use std::fs;

use anyhow::{Context, Result};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::gateway::{EnvoyGateway, Gateway, SimulatorGateway, WORKERS};
use super::world::{AUDIENCE, ISSUER_HOST, World};
use crate::bootstrap::{Bootstrap, UpstreamTls, countersign};
use crate::envoy::Envoy;
use crate::issuer::{GATEWAY, GATEWAY_SECRET, INTROSPECTION};
use crate::mint;

/// The cluster that questions go to.
const CLUSTER: &str = "introspection";

/// An opaque token of the provider.
pub fn token(world: &World, account: &str) -> Result<String> {
    world.provider()?.opaque_token(account, AUDIENCE)
}

/// The world's configuration, whose issuer is asked as `introspection` says, with opaque tokens wherever tokens are accepted.
pub fn configuration(world: &World, introspection: Value) -> Result<Value> {
    let mut configuration = world.configuration()?;
    let uri = format!("{}{INTROSPECTION}", configuration["issuers"][0]["issuer"].as_str().context("issuer")?);
    let asked = mint::with(&json!({ "cluster": CLUSTER, "uri": uri }), introspection);
    configuration["issuers"][0]["introspection"] = asked;
    for route in configuration["routes"].as_array_mut().context("routes")? {
        if route["profile"] != "public" && route["principal"] != "workload" {
            route["credentials"] = json!(["token", "opaque_token"]);
        }
    }
    Ok(configuration)
}

/// Real Envoy with several workers, and the simulator, each of which gives questions the provider's secret.
pub fn both(world: &World, configuration: &Value) -> Result<[Box<dyn Gateway>; 2]> {
    with_secret(world, configuration, GATEWAY_SECRET)
}

/// The same with another secret.
pub fn with_secret(world: &World, configuration: &Value, secret: &str) -> Result<[Box<dyn Gateway>; 2]> {
    let credential = BASE64_STANDARD.encode(format!("gateway:{}", secret.replace(' ', "+")));
    let simulator = SimulatorGateway::start_options(world, configuration, |options| {
        options.cluster(CLUSTER, world.issuer_address().to_string()).cluster_header(
            CLUSTER,
            "authorization",
            &format!("Basic {credential}"),
        )
    });
    Ok([Box::new(envoy(world, configuration, &credential)?), Box::new(simulator?)])
}

/// Envoy with the cluster of `examples/envoy/introspection.yaml`, for this provider and this secret.
fn envoy(world: &World, configuration: &Value, credential: &str) -> Result<EnvoyGateway> {
    let example = fs::read_to_string(crate::root().join("examples/envoy/introspection.yaml"))?;
    let mut example: Value = serde_saphyr::from_str(&example)?;
    let resources = &mut example["static_resources"];
    let endpoint =
        "/clusters/0/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/port_value";
    *resources.pointer_mut(endpoint).context("no port")? = json!(world.issuer_address().port());
    let secret = resources.pointer_mut("/secrets/0/generic_secret/secret").context("no secret")?;
    *secret = json!({ "inline_string": credential });
    let written = |name: &str| resources[name].as_array().cloned().with_context(|| format!("no `{name}`"));
    let bootstrap =
        Bootstrap { written: written("clusters")?, secrets: written("secrets")?, ..filter(configuration)? };
    EnvoyGateway::start_bootstrap(world, bootstrap, WORKERS)
}

/// Envoy that proves itself by a certificate for this SPIFFE ID (RFC 8705 §2.1).
pub fn with_certificate(world: World, configuration: &Value, uri: &str) -> Result<(World, EnvoyGateway)> {
    let tls = UpstreamTls {
        identity: world.authority.workload(uri)?,
        authority: world.authority.certificate_pem().to_owned(),
        host: ISSUER_HOST.to_owned(),
    };
    let secure = world.provider()?.secure_address().context("the provider does not listen over TLS")?;
    let world = world.with_cluster(CLUSTER, secure);
    let bootstrap = Bootstrap { upstream_tls: vec![(CLUSTER.to_owned(), tls)], ..filter(configuration)? };
    let envoy = EnvoyGateway::start_bootstrap(&world, bootstrap, WORKERS)?;
    Ok((world, envoy))
}

/// The certificate that the provider knows the gateway by.
pub const CERTIFICATE: &str = GATEWAY;

pub(super) fn filter(configuration: &Value) -> Result<Bootstrap> {
    let module = Envoy::module()?;
    Ok(Bootstrap::default().filter(countersign(&module.to_string_lossy(), &configuration.to_string())))
}
