//! What answers: issuers, clusters, and the service that requests go to.

use super::{BodyExpect, Chunks, Headers, ValueExpect};
use crate::scenario::revocation::{RevocationsSpec, StatusListSpec};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// By cluster and path, the answers in sequence.
pub(in crate::scenario) type Upstreams = BTreeMap<String, Service>;

/// By path (`*` is every other one), the answers in sequence, the last one for ever.
pub(in crate::scenario) type Service = BTreeMap<String, Vec<AnswerSpec>>;

/// What an issuer's key source holds.
#[derive(Clone, Debug)]
pub(in crate::scenario) enum Publication {
    /// The public halves of these keys.
    Keys(Vec<String>),
    /// Text, whatever it is.
    Raw(String),
}

/// One answer of a cluster or of the service.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct AnswerSpec {
    /// A JWK Set of these keys' public halves.
    #[serde(default)]
    pub(in crate::scenario) keys: Option<Vec<String>>,
    /// The body, whole or as a list of the chunks that it comes in.
    #[serde(default)]
    pub(in crate::scenario) body: Option<Chunks>,
    /// What a token service answers that gives the file's token of this name.
    #[serde(default)]
    pub(in crate::scenario) token: Option<String>,
    /// The Token Status List that the configuration has fetched from there.
    #[serde(default)]
    pub(in crate::scenario) status_list: Option<StatusListSpec>,
    /// The revocation feed that the configuration has fetched from there.
    #[serde(default)]
    pub(in crate::scenario) revocations: Option<RevocationsSpec>,
    /// Which requests of the path it answers; each one that no answer with `when` is for, where it is absent.
    #[serde(default)]
    pub(in crate::scenario) when: Option<When>,
    /// The status; 200 where it is absent.
    #[serde(default)]
    pub(in crate::scenario) status: Option<u16>,
    /// Headers, such as `cache-control: max-age=60`.
    #[serde(default)]
    pub(in crate::scenario) headers: Headers,
    /// Trailers, in the form of headers.
    #[serde(default)]
    pub(in crate::scenario) trailers: Option<Headers>,
    /// Maps of HTTP/2 metadata, each in the form of headers, that the service sends after its headers. Answers to calls leave it out.
    #[serde(default)]
    pub(in crate::scenario) metadata: Vec<Headers>,
    /// `refused` (no connection), `reset` (it breaks), `half` (it breaks after what else stands here was sent), or `silence`.
    #[serde(default)]
    pub(in crate::scenario) failure: Option<String>,
    /// How long it takes, such as `200ms`.
    #[serde(default)]
    pub(in crate::scenario) delay: Option<String>,
}

/// What a request is like. Answers of a path for requests that are alike come in a sequence of their own.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct When {
    /// `:method`, in which `*` stands for anything.
    #[serde(default)]
    pub(in crate::scenario) method: Option<String>,
    /// `:authority`, in the same form.
    #[serde(default)]
    pub(in crate::scenario) authority: Option<String>,
    /// Headers by name, in the form of those that are expected upstream.
    #[serde(default)]
    pub(in crate::scenario) headers: BTreeMap<String, ValueExpect>,
    /// The body, in the form of one that is expected.
    #[serde(default)]
    pub(in crate::scenario) body: Option<BodyExpect>,
}

impl JsonSchema for Publication {
    fn schema_name() -> Cow<'static, str> {
        "Publication".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Names of keys whose public halves are published, or a text as it is.",
            "anyOf": [{ "type": "array", "items": { "type": "string" } }, { "type": "string" }],
        })
    }
}
