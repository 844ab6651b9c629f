//! Connections through a module as a network filter.

use super::{BodyExpect, Chunks, Property};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A connection to open.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct ConnectSpec {
    /// Properties by path, such as `connection.requested_server_name`.
    #[serde(default)]
    pub(in crate::scenario) properties: BTreeMap<String, Option<Property>>,
    /// The worker that takes it, counted from 0.
    #[serde(default)]
    pub(in crate::scenario) worker: usize,
    /// What happens on it, one after another.
    #[serde(default)]
    pub(in crate::scenario) exchange: Vec<Turn>,
}

/// More that happens on a connection that was held.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct TransferSpec {
    /// The name of the connection.
    pub(in crate::scenario) over: String,
    /// What happens on it, one after another.
    pub(in crate::scenario) exchange: Vec<Turn>,
}

/// One thing that happens on a connection: a side sends, one closes it, or time passes.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct Turn {
    /// The client sends: bytes, whole or as a list of the chunks that they come in.
    #[serde(default)]
    pub(in crate::scenario) client: Option<Chunks>,
    /// The upstream sends, in the same form.
    #[serde(default)]
    pub(in crate::scenario) upstream: Option<Chunks>,
    /// Whether the side that sends ends with it.
    #[serde(default)]
    pub(in crate::scenario) end: bool,
    /// Who closes the connection.
    #[serde(default)]
    pub(in crate::scenario) close: Option<Closer>,
    /// So much time passes, such as `5ms`.
    #[serde(default)]
    pub(in crate::scenario) advance: Option<String>,
}

/// Who closes a connection on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::scenario) enum Closer {
    /// The client goes away.
    Client,
    /// The gateway closes it.
    Gateway,
}

/// What a connection must have come to.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct ConnectionExpect {
    /// Whether the gateway connected to the upstream.
    #[serde(default)]
    pub(in crate::scenario) connected: Option<bool>,
    /// The bytes that reached the upstream.
    #[serde(default)]
    pub(in crate::scenario) upstream: Option<BodyExpect>,
    /// Whether the client's end reached the upstream.
    #[serde(default)]
    pub(in crate::scenario) upstream_ended: Option<bool>,
    /// The bytes that reached the client.
    #[serde(default)]
    pub(in crate::scenario) downstream: Option<BodyExpect>,
    /// Whether the upstream's end reached the client.
    #[serde(default)]
    pub(in crate::scenario) downstream_ended: Option<bool>,
    /// Bytes of the client's that the filter holds.
    #[serde(default)]
    pub(in crate::scenario) held_downstream: Option<BodyExpect>,
    /// Bytes of the upstream's that the filter holds.
    #[serde(default)]
    pub(in crate::scenario) held_upstream: Option<BodyExpect>,
    /// Who closed it: `client`, `filter` or `gateway`.
    #[serde(default)]
    pub(in crate::scenario) closed_by: Option<String>,
}
