//! What is expected of a request or a step.

mod read;
mod schema;

use super::{ConnectionExpect, GrpcCallExpect};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// An expectation. What is not named may be anything.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct Expect {
    /// `allow` or `deny`.
    #[serde(default)]
    pub(in crate::scenario) decision: Option<String>,
    /// The layer that refused.
    #[serde(default)]
    pub(in crate::scenario) layer: Option<String>,
    /// The code of the reason.
    #[serde(default)]
    pub(in crate::scenario) reason: Option<String>,
    /// The status that the client gets.
    #[serde(default)]
    pub(in crate::scenario) status: Option<u16>,
    /// The name of the route.
    #[serde(default)]
    pub(in crate::scenario) route: Option<String>,
    /// Who asked, as policies see it.
    #[serde(default)]
    pub(in crate::scenario) principal: Option<String>,
    /// The determining policies, in any order.
    #[serde(default)]
    pub(in crate::scenario) policies: Option<Vec<String>>,
    /// The request as it went upstream: headers by name, beside `headers`, `body` and `trailers`.
    #[serde(default)]
    pub(in crate::scenario) upstream: Option<UpstreamExpect>,
    /// Headers of the refusal by name: `null` for one that must not be there, `*` in a value for anything.
    #[serde(default)]
    pub(in crate::scenario) headers: BTreeMap<String, ValueExpect>,
    /// The challenge of the refusal, in the same form.
    #[serde(default, rename = "www-authenticate")]
    pub(in crate::scenario) challenge: Option<String>,
    /// Other members of the decision record.
    #[serde(default)]
    pub(in crate::scenario) record: Map<String, Value>,
    /// What became of the request: `forwarded`, `reply`, `paused`, `incomplete`, `closed` or `failed`; of a connection `open`, `closed` or
    /// `failed`.
    #[serde(default)]
    pub(in crate::scenario) outcome: Option<String>,
    /// Why the VM failed, such as `proxy_on_request_headers: trapped*`.
    #[serde(default)]
    pub(in crate::scenario) failure: Option<String>,
    /// What the client got.
    #[serde(default)]
    pub(in crate::scenario) downstream: Option<DownstreamExpect>,
    /// The HTTP calls that were made: how many, each of them in order, or how many like this.
    #[serde(default)]
    pub(in crate::scenario) calls: Option<CallsExpect<CallExpect>>,
    /// The gRPC calls and streams that were opened, in the same form.
    #[serde(default)]
    pub(in crate::scenario) grpc_calls: Option<CallsExpect<GrpcCallExpect>>,
    /// What a connection came to.
    #[serde(default)]
    pub(in crate::scenario) connection: Option<ConnectionExpect>,
    /// Metrics by name: a value, `+2` for what was added, an object for a histogram, `null` for one that was not defined.
    #[serde(default)]
    pub(in crate::scenario) metrics: BTreeMap<String, Metric>,
    /// Lines that were logged or not, as `[level] message`.
    #[serde(default)]
    pub(in crate::scenario) logs: LogsExpect,
    /// The fuel that callbacks used.
    #[serde(default)]
    pub(in crate::scenario) fuel: Option<Range>,
    /// Bytes of the largest VM's memory.
    #[serde(default)]
    pub(in crate::scenario) memory: Option<Range>,
    /// How often host functions were called, by name.
    #[serde(default)]
    pub(in crate::scenario) host_calls: BTreeMap<String, Range>,
}

/// An expectation in short: `allow`, `deny`, the code of a reason, or an outcome; or an object.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "for the schema alone")]
pub(super) enum ExpectChoice {
    /// `allow`, `deny`, the code of a reason, or of a module other than Countersign an outcome such as `forwarded`.
    Short(String),
    /// What is expected, one by one.
    Whole(Box<Expect>),
}

/// A message that left the filter upstream.
#[derive(Debug, Default)]
pub(in crate::scenario) struct UpstreamExpect {
    /// Headers, named one by one or all of them.
    pub(in crate::scenario) headers: HeadersExpect,
    pub(in crate::scenario) body: Option<BodyExpect>,
    pub(in crate::scenario) trailers: Option<HeadersExpect>,
}

/// A message that the client got.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct DownstreamExpect {
    /// Its status.
    #[serde(default)]
    pub(in crate::scenario) status: Option<u16>,
    /// Its headers.
    #[serde(default)]
    pub(in crate::scenario) headers: HeadersExpect,
    /// Its body.
    #[serde(default)]
    pub(in crate::scenario) body: Option<BodyExpect>,
    /// Its trailers.
    #[serde(default)]
    pub(in crate::scenario) trailers: Option<HeadersExpect>,
}

/// Headers: some by name, or all of them as pairs in their order.
#[derive(Clone, Debug)]
pub(in crate::scenario) enum HeadersExpect {
    Some(BTreeMap<String, ValueExpect>),
    All(Vec<(Vec<u8>, ValueExpect)>),
}

/// What a header holds.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::scenario) enum ValueExpect {
    /// It is not there.
    Absent,
    /// A text in which `*` stands for anything.
    Pattern(String),
    /// These bytes.
    Bytes(Vec<u8>),
    /// The file's token of this name, as a bearer token.
    Token(String),
    /// One header for each of these, in this order.
    Each(Vec<ValueExpect>),
}

/// What a body holds.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::scenario) enum BodyExpect {
    /// A text in which `*` stands for anything.
    Pattern(String),
    /// These bytes.
    Bytes(Vec<u8>),
    /// This value as JSON, however it is written.
    Json(Value),
}

/// A call that was made.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct CallExpect {
    /// The cluster.
    #[serde(default)]
    pub(in crate::scenario) cluster: Option<String>,
    /// `:method`
    #[serde(default)]
    pub(in crate::scenario) method: Option<String>,
    /// `:path`, in which `*` stands for anything.
    #[serde(default)]
    pub(in crate::scenario) path: Option<String>,
    /// Headers, in the form of those upstream.
    #[serde(default)]
    pub(in crate::scenario) headers: HeadersExpect,
    /// The body.
    #[serde(default)]
    pub(in crate::scenario) body: Option<BodyExpect>,
    /// How many calls like this there are; only where this is not in a list.
    #[serde(default)]
    pub(in crate::scenario) count: Option<usize>,
}

impl CallKind for CallExpect {
    const MANY: &'static str = "CallsExpect";

    fn count(&self) -> Option<usize> {
        self.count
    }
}

/// A kind of calls that can be expected.
pub(in crate::scenario) trait CallKind {
    /// What several of them are called in the schema.
    const MANY: &'static str;

    /// How many are to be like it.
    fn count(&self) -> Option<usize>;
}

/// Calls that were made.
#[derive(Clone, Debug)]
pub(in crate::scenario) enum CallsExpect<T> {
    /// So many.
    Count(usize),
    /// These, in this order, and no others.
    Each(Vec<T>),
    /// So many like this; at least one where no number is given.
    Like(Box<T>),
}

/// What a metric must be.
#[derive(Clone, Debug)]
pub(in crate::scenario) enum Metric {
    Absent,
    Value(u64),
    Delta(i64),
    Histogram { count: Option<u64>, sum: Option<u64> },
}

/// Lines that must have been logged, and lines that must not. A pattern may stand anywhere in a line, and `*` is anything.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct LogsExpect {
    /// Each of these is in some line.
    #[serde(default)]
    pub(in crate::scenario) present: Vec<String>,
    /// None of these is in any line.
    #[serde(default)]
    pub(in crate::scenario) absent: Vec<String>,
}

/// A number: itself, or bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::scenario) struct Range {
    pub(in crate::scenario) min: u64,
    pub(in crate::scenario) max: u64,
}

impl Default for HeadersExpect {
    fn default() -> Self {
        Self::Some(BTreeMap::new())
    }
}

impl HeadersExpect {
    /// Whether it demands nothing.
    pub(in crate::scenario) fn is_empty(&self) -> bool {
        matches!(self, Self::Some(names) if names.is_empty())
    }
}
