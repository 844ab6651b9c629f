//! gRPC: services that answer, and calls that a module makes.

use super::expect::CallKind;
use super::{BodyExpect, Chunks, Headers, HeadersExpect};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// By cluster (or target) and method (`SERVICE/METHOD`; `*` is every other one), the answers in sequence, the last one for ever.
pub(in crate::scenario) type GrpcServices = BTreeMap<String, BTreeMap<String, Vec<GrpcAnswerSpec>>>;

/// One answer of a gRPC service: initial metadata, messages, trailing metadata, and a status.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct GrpcAnswerSpec {
    /// Metadata that comes first, in the form of headers.
    #[serde(default)]
    pub(in crate::scenario) initial: Headers,
    /// The messages: bytes, or a list of them. A call, which gets one, gets the last.
    #[serde(default)]
    pub(in crate::scenario) messages: Chunks,
    /// Whether each message answers one of the module's, and the status its end.
    #[serde(default)]
    pub(in crate::scenario) in_turn: bool,
    /// Metadata that comes last, in the form of headers.
    #[serde(default)]
    pub(in crate::scenario) trailing: Headers,
    /// gRPC's status, from 0 to 16; 0 where it is absent.
    #[serde(default)]
    pub(in crate::scenario) status: Option<u32>,
    /// What is said beside the status.
    #[serde(default)]
    pub(in crate::scenario) message: Option<String>,
    /// In place of a status: `refused` (no connection), `reset` (it breaks after the messages), or `silence` (it stays open).
    #[serde(default)]
    pub(in crate::scenario) failure: Option<String>,
    /// How long it takes, such as `200ms`.
    #[serde(default)]
    pub(in crate::scenario) delay: Option<String>,
    /// How long it takes from one message to the next, and to the status.
    #[serde(default)]
    pub(in crate::scenario) pause: Option<String>,
}

/// A gRPC call or stream that was opened.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct GrpcCallExpect {
    /// The cluster, or the target.
    #[serde(default)]
    pub(in crate::scenario) cluster: Option<String>,
    /// The service's full name, in which `*` stands for anything.
    #[serde(default)]
    pub(in crate::scenario) service: Option<String>,
    /// The method's name.
    #[serde(default)]
    pub(in crate::scenario) method: Option<String>,
    /// Metadata, in the form of headers upstream.
    #[serde(default)]
    pub(in crate::scenario) metadata: HeadersExpect,
    /// Each message that was sent, in order.
    #[serde(default)]
    pub(in crate::scenario) messages: Option<Vec<BodyExpect>>,
    /// Whether it is a stream.
    #[serde(default)]
    pub(in crate::scenario) stream: Option<bool>,
    /// Whether the module ended its side.
    #[serde(default)]
    pub(in crate::scenario) ended: Option<bool>,
    /// Whether the module cancelled it.
    #[serde(default)]
    pub(in crate::scenario) cancelled: Option<bool>,
    /// How many calls like this there are; only where this is not in a list.
    #[serde(default)]
    pub(in crate::scenario) count: Option<usize>,
}

impl CallKind for GrpcCallExpect {
    const MANY: &'static str = "GrpcCallsExpect";

    fn count(&self) -> Option<usize> {
        self.count
    }
}
