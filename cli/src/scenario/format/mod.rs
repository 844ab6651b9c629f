//! The format of scenario files. The types are also what its JSON Schema is made from, so that their comments are what an editor
//! shows.

mod case;
mod connection;
mod credentials;
mod expect;
mod grpc;
mod message;
mod plugin;
mod shown;
mod world;

pub(super) use case::{Case, Credentials, Fail, SendSpec, Step, Which};
pub(super) use connection::{Closer, ConnectSpec, ConnectionExpect, TransferSpec, Turn};
pub(super) use credentials::{CertificateSpec, KeySpec, ProofChoice, ProofSpec, TokenChoice, TokenSpec};
pub(super) use expect::{
    BodyExpect, CallExpect, CallKind, CallsExpect, Expect, HeadersExpect, Metric, Range, UpstreamExpect,
    ValueExpect,
};
pub(super) use grpc::{GrpcAnswerSpec, GrpcCallExpect, GrpcServices};
pub(super) use message::{Bytes, Chunks, Headers, Peer, PeerSpec, Property, RequestSpec, check_metadata};
pub(super) use plugin::{HostSpec, PluginSpec, Text};
pub(super) use world::{AnswerSpec, Publication, Service, Upstreams, When};

use super::short::Short;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A scenario file of `countersign test`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// Other files, relative to this one, that bring keys, issuers, tokens, clusters and defaults, or what runs. What stands here wins.
    #[serde(default)]
    pub(super) fixtures: Vec<String>,
    /// What runs: Countersign under a configuration, a file relative to this one or the configuration itself.
    #[serde(default)]
    #[schemars(schema_with = "text_or_object")]
    pub(super) configuration: Option<Value>,
    /// What runs: any proxy-wasm module, a file relative to this one.
    #[serde(default)]
    pub(super) module: Option<String>,
    /// What the module is started with.
    #[serde(default)]
    pub(super) plugin: PluginSpec,
    /// The gateway around it.
    #[serde(default)]
    pub(super) host: HostSpec,
    /// When every case begins: RFC 3339, or seconds since the Unix epoch; `2026-01-01T00:00:00Z` where it is absent.
    #[serde(default)]
    #[schemars(schema_with = "text_or_number")]
    pub(super) time: Option<Value>,
    /// Which engine decides under a configuration, where the command line does not say it: `native`, `wasm` or `both`.
    #[serde(default)]
    pub(super) engine: Option<String>,
    /// Signing keys by name, made for this run from its seed: an algorithm, or an object.
    #[serde(default)]
    pub(super) keys: BTreeMap<String, Short<KeySpec>>,
    /// Certificates of clients by name, made for this run from its seed, or given.
    #[serde(default)]
    pub(super) certificates: BTreeMap<String, CertificateSpec>,
    /// What issuers of the configuration publish, by issuer: names of keys, or a text as it is.
    #[serde(default)]
    pub(super) issuers: BTreeMap<String, Publication>,
    /// How the clusters answer that the module calls, by name and path.
    #[serde(default)]
    pub(super) upstreams: Upstreams,
    /// How gRPC services answer that the module calls, by cluster and method.
    #[serde(default)]
    pub(super) grpc: GrpcServices,
    /// How the service answers that requests are forwarded to, by path.
    #[serde(default)]
    pub(super) service: Service,
    /// Tokens by name.
    #[serde(default)]
    pub(super) tokens: BTreeMap<String, TokenSpec>,
    /// What a request has that does not say otherwise.
    #[serde(default)]
    pub(super) defaults: Defaults,
    /// The cases. They are read one by one once they are expanded.
    #[serde(default)]
    #[schemars(with = "Vec<Case>")]
    pub(super) cases: Option<Vec<Value>>,
}

/// What a request has that does not say otherwise.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Defaults {
    /// The method; `GET` where it is absent.
    #[serde(default)]
    pub(super) method: Option<String>,
    /// `https://host/path`, or a path.
    #[serde(default)]
    pub(super) url: Option<String>,
    /// A SPIFFE ID, `none`, or an object.
    #[serde(default)]
    pub(super) peer: Option<Peer>,
    /// A token's name, or `none`.
    #[serde(default)]
    pub(super) token: Option<TokenChoice>,
    /// A key's name, or `none`.
    #[serde(default)]
    pub(super) proof: Option<ProofChoice>,
    /// Headers of a request that names none.
    #[serde(default)]
    pub(super) headers: Option<Headers>,
    /// Properties that every request has beside its own.
    #[serde(default)]
    pub(super) properties: BTreeMap<String, Option<Property>>,
    /// What the service answers where neither the step, nor the case, nor `service` says it.
    #[serde(default)]
    pub(super) response: Option<AnswerSpec>,
}

impl File {
    /// This, with what `base` has besides.
    pub(super) fn over(mut self, base: Self) -> Self {
        if self.configuration.is_none() && self.module.is_none() {
            (self.configuration, self.module) = (base.configuration, base.module);
        }
        self.plugin = self.plugin.over(base.plugin);
        self.host = self.host.over(base.host);
        self.time = self.time.or(base.time);
        self.engine = self.engine.or(base.engine);
        self.keys = over(self.keys, base.keys);
        self.certificates = over(self.certificates, base.certificates);
        self.issuers = over(self.issuers, base.issuers);
        self.upstreams = within(self.upstreams, base.upstreams);
        self.grpc = within(self.grpc, base.grpc);
        self.service = over(self.service, base.service);
        self.tokens = over(self.tokens, base.tokens);
        self.defaults = self.defaults.over(base.defaults);
        self
    }
}

impl Defaults {
    fn over(self, base: Self) -> Self {
        Self {
            method: self.method.or(base.method),
            url: self.url.or(base.url),
            peer: self.peer.or(base.peer),
            token: self.token.or(base.token),
            proof: self.proof.or(base.proof),
            headers: self.headers.or(base.headers),
            properties: over(self.properties, base.properties),
            response: self.response.or(base.response),
        }
    }
}

/// The members of both, those of the first where both have them.
fn over<V>(first: BTreeMap<String, V>, mut base: BTreeMap<String, V>) -> BTreeMap<String, V> {
    base.extend(first);
    base
}

/// The same for what stands in each member.
fn within<V>(
    first: BTreeMap<String, BTreeMap<String, V>>,
    mut base: BTreeMap<String, BTreeMap<String, V>>,
) -> BTreeMap<String, BTreeMap<String, V>> {
    for (name, inner) in first {
        base.entry(name).or_default().extend(inner);
    }
    base
}

fn text_or_object(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": ["string", "object"] })
}

fn text_or_number(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": ["string", "number"] })
}
