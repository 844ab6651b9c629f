//! Cases and their steps.

use super::expect::ExpectChoice;
use super::{
    AnswerSpec, Chunks, ConnectSpec, GrpcServices, Headers, HostSpec, Peer, PluginSpec, ProofChoice,
    Publication, RequestSpec, Service, Text, TokenChoice, TransferSpec, Upstreams,
};
use schemars::JsonSchema;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// What a case and each of its steps have in common: they change who answers, and send a request. Serde's `flatten` would take
/// unknown members for known ones, so that the members are written out here once.
macro_rules! acting {
    ($(#[$about:meta])* $name:ident { $($first:tt)* } { $($between:tt)* } { $($last:tt)* }) => {
        $(#[$about])*
        #[derive(Debug, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub(in crate::scenario) struct $name {
            $($first)*
            /// What issuers publish from now on.
            #[serde(default)]
            pub(in crate::scenario) issuers: BTreeMap<String, Publication>,
            /// How clusters answer from now on.
            #[serde(default)]
            pub(in crate::scenario) upstreams: Upstreams,
            /// How gRPC services answer from now on.
            #[serde(default)]
            pub(in crate::scenario) grpc: GrpcServices,
            /// How the service answers from now on.
            #[serde(default)]
            pub(in crate::scenario) service: Service,
            $($between)*
            /// A request to send.
            #[serde(default)]
            pub(in crate::scenario) request: Option<RequestSpec>,
            /// A connection to open, through the module as a network filter.
            #[serde(default)]
            pub(in crate::scenario) connect: Option<ConnectSpec>,
            /// A token's name, `none`, or a token made for the request.
            #[serde(default)]
            pub(in crate::scenario) token: Option<TokenChoice>,
            /// A key's name, `none`, or a proof made for the request.
            #[serde(default)]
            pub(in crate::scenario) proof: Option<ProofChoice>,
            /// A SPIFFE ID, `none`, or an object.
            #[serde(default)]
            pub(in crate::scenario) peer: Option<Peer>,
            /// What the service answers where the request is forwarded.
            #[serde(default)]
            pub(in crate::scenario) response: Option<AnswerSpec>,
            $($last)*
            /// What must come of it.
            #[serde(default)]
            #[schemars(with = "Option<ExpectChoice>")]
            pub(in crate::scenario) expect: Option<Value>,
        }

        impl $name {
            /// What is presented with what it sends.
            pub(in crate::scenario) fn credentials(&self) -> Credentials<'_> {
                Credentials {
                    token: self.token.as_ref(),
                    proof: self.proof.as_ref(),
                    peer: self.peer.as_ref(),
                }
            }
        }
    };
}

/// What a client presents.
#[derive(Clone, Copy)]
pub(in crate::scenario) struct Credentials<'a> {
    pub(in crate::scenario) token: Option<&'a TokenChoice>,
    pub(in crate::scenario) proof: Option<&'a ProofChoice>,
    pub(in crate::scenario) peer: Option<&'a Peer>,
}

impl Credentials<'_> {
    /// These, and what `base` has besides.
    pub(in crate::scenario) fn or(self, base: Self) -> Self {
        Self {
            token: self.token.or(base.token),
            proof: self.proof.or(base.proof),
            peer: self.peer.or(base.peer),
        }
    }
}

acting! {
    /// A case: one request with what is expected, or steps. `${name}` anywhere in it stands for what `each` or `matrix` has.
    Case {
        /// Its name, by which it can be picked.
        pub(in crate::scenario) name: String,
        /// The case runs once for each of these objects, whose members stand for `${name}`.
        #[serde(default)]
        #[expect(dead_code, reason = "taken out before a case is read; here for the schema")]
        each: Option<Vec<Map<String, Value>>>,
        /// The case runs once for each combination of these lists' entries, which stand for `${name}`; but for those that `exclude`, a list
        /// of objects, names.
        #[serde(default)]
        #[expect(dead_code, reason = "taken out before a case is read; here for the schema")]
        matrix: Option<BTreeMap<String, Vec<Value>>>,
        /// Keys are not fetched before the first request.
        #[serde(default)]
        pub(in crate::scenario) cold: bool,
        /// What the module is started with in this case, in place of what the file says.
        #[serde(default)]
        pub(in crate::scenario) plugin: PluginSpec,
        /// The gateway around it in this case, in place of what the file says.
        #[serde(default)]
        pub(in crate::scenario) host: HostSpec,
    } {
        /// Steps, in place of `request` or `connect`.
        #[serde(default)]
        pub(in crate::scenario) steps: Vec<Step>,
    } {}
}

acting! {
    /// One step of a case. What it holds is done in the order of the members here.
    Step {} {
        /// Every worker gets a fresh VM with another configuration, which the module accepts or refuses.
        #[serde(default)]
        pub(in crate::scenario) configure: Option<Configure>,
        /// A worker, or `all`, gets a fresh VM.
        #[serde(default)]
        pub(in crate::scenario) restart: Option<Which>,
        /// The VM traps the next time that it calls a host function.
        #[serde(default)]
        pub(in crate::scenario) trap: Option<Trap>,
        /// A host function fails from now on, or one call alone.
        #[serde(default)]
        pub(in crate::scenario) fail: Option<Fail>,
        /// The host functions of a worker, or of `all`, work again.
        #[serde(default)]
        pub(in crate::scenario) mend: Option<Which>,
        /// Let this much time pass, such as `5s`.
        #[serde(default)]
        pub(in crate::scenario) advance: Option<String>,
        /// A worker, or `all`, has its timer ring now.
        #[serde(default)]
        pub(in crate::scenario) tick: Option<Which>,
    } {
        /// Send it without waiting; it must be held, and goes by this name. A connection stays open by it.
        #[serde(default)]
        pub(in crate::scenario) hold: Option<String>,
        /// Send more of a held request that was left `unfinished`.
        #[serde(default)]
        pub(in crate::scenario) send: Option<SendSpec>,
        /// Let more happen on a connection that was held.
        #[serde(default)]
        pub(in crate::scenario) transfer: Option<TransferSpec>,
        /// The client of the request or connection of this name goes away.
        #[serde(default)]
        pub(in crate::scenario) close: Option<String>,
        /// Let time pass until the request of this name is decided, or nothing of the connection is held; then it ends.
        #[serde(default)]
        pub(in crate::scenario) settle: Option<String>,
    }
}

impl Case {
    /// Whether it is about the start of the module alone.
    pub(in crate::scenario) fn starts(&self) -> bool {
        self.request.is_none() && self.connect.is_none() && self.steps.is_empty()
    }
}

/// Another configuration.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct Configure {
    /// As of `plugin`; under Countersign a file beside this one, or the configuration itself.
    pub(in crate::scenario) configuration: Text,
    /// Whether the module is to refuse it, and to go on with the old one.
    #[serde(default)]
    pub(in crate::scenario) refused: bool,
}

/// Where a VM is to trap.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct Trap {
    /// The host function, such as `proxy_get_property`.
    pub(in crate::scenario) call: String,
    /// Whose VM, counted from 0.
    #[serde(default)]
    pub(in crate::scenario) worker: usize,
}

/// What is to fail.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct Fail {
    /// The host function that always fails from now on.
    #[serde(default)]
    pub(in crate::scenario) call: Option<String>,
    /// The call that fails, counted from 1 from now on, whichever function that is.
    #[serde(default)]
    pub(in crate::scenario) nth: Option<u64>,
    /// The status that it returns.
    pub(in crate::scenario) status: u32,
    /// Whose VM, counted from 0.
    #[serde(default)]
    pub(in crate::scenario) worker: usize,
}

/// More of a request.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct SendSpec {
    /// The name of the held request.
    pub(in crate::scenario) to: String,
    /// More body.
    #[serde(default)]
    pub(in crate::scenario) body: Chunks,
    /// Maps of HTTP/2 metadata, which come before the body.
    #[serde(default)]
    pub(in crate::scenario) metadata: Vec<Headers>,
    /// Trailers, which end it.
    #[serde(default)]
    pub(in crate::scenario) trailers: Option<Headers>,
    /// Whether this is the last of it.
    #[serde(default)]
    pub(in crate::scenario) end: bool,
}

/// One worker, or all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::scenario) enum Which {
    /// This one, counted from 0.
    One(usize),
    /// Each of them.
    All,
}

impl Which {
    /// Their numbers, of so many.
    pub(in crate::scenario) fn of(self, workers: usize) -> std::ops::Range<usize> {
        match self {
            Self::One(worker) => worker..worker + 1,
            Self::All => 0..workers,
        }
    }
}

impl<'de> Deserialize<'de> for Which {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WhichVisitor)
    }
}

struct WhichVisitor;

impl Visitor<'_> for WhichVisitor {
    type Value = Which;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the number of a worker, counted from 0, or `all`")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Which, E> {
        usize::try_from(number).map(Which::One).map_err(|_| E::custom("expected the number of a worker"))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Which, E> {
        u64::try_from(number)
            .map_err(|_| {
                E::custom(format!("expected the number of a worker from 0 on or `all`, found {number}"))
            })
            .and_then(|n| self.visit_u64(n))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Which, E> {
        match text {
            "all" => Ok(Which::All),
            other => Err(E::custom(format!("expected the number of a worker or `all`, found `{other}`"))),
        }
    }
}

impl JsonSchema for Which {
    fn schema_name() -> Cow<'static, str> {
        "Which".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "The number of a worker, counted from 0, or `all`.",
            "anyOf": [{ "type": "integer", "minimum": 0 }, { "const": "all" }],
        })
    }
}
