//! Keys, tokens and proofs of a scenario file.

use crate::scenario::short::Short;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A key: an algorithm alone, or an object.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct KeySpec {
    /// `ES256`, or another algorithm that issuers may use.
    pub(in crate::scenario) alg: String,
    /// The name that it is published under; its name here where it is absent.
    #[serde(default)]
    pub(in crate::scenario) kid: Option<String>,
}

/// A certificate of a client: a given one, or one that is made for this run from its seed.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct CertificateSpec {
    /// The certificate in PEM.
    #[serde(default)]
    pub(in crate::scenario) pem: Option<String>,
    /// A file with it, relative to this one.
    #[serde(default)]
    pub(in crate::scenario) file: Option<String>,
    /// The SPIFFE ID of one to make.
    #[serde(default)]
    pub(in crate::scenario) spiffe_id: Option<String>,
    /// DNS names and IP addresses of one to make.
    #[serde(default)]
    pub(in crate::scenario) hosts: Vec<String>,
    /// When one to make ends: `+1h`, counted from `time`, or seconds since the Unix epoch; `+1h` where it is absent.
    #[serde(default)]
    pub(in crate::scenario) expires: Option<String>,
}

/// What all JWTs have in common that a scenario makes, between members of their own.
macro_rules! signed {
    ($(#[$about:meta])* $name:ident { $($first:tt)* } { $($last:tt)* }) => {
        $(#[$about])*
        #[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
        #[serde(deny_unknown_fields)]
        pub(in crate::scenario) struct $name {
            $($first)*
            /// The key that signs it.
            #[serde(default)]
            pub(in crate::scenario) key: Option<String>,
            /// Members of the header; `null` leaves one out.
            #[serde(default)]
            pub(in crate::scenario) header: Map<String, Value>,
            /// Claims; `null` leaves one out, and times may be `+5m`, `-30s` or `now`.
            #[serde(default)]
            pub(in crate::scenario) claims: Map<String, Value>,
            /// `payload`, `signature`, `none`, `hmac` or `truncate`.
            #[serde(default)]
            pub(in crate::scenario) tamper: Option<String>,
            /// It itself, whatever it is.
            #[serde(default)]
            pub(in crate::scenario) raw: Option<String>,
            $($last)*
        }
    };
}

signed! {
    /// A token to mint.
    TokenSpec {
        /// The token of this name, changed.
        #[serde(default)]
        pub(in crate::scenario) extends: Option<String>,
    } {
        /// The key that the token is bound to (`cnf.jkt`), or the certificate (`cnf.x5t#S256`).
        #[serde(default)]
        pub(in crate::scenario) bind: Option<String>,
        /// Whether it says nothing by itself: its claims are what the issuer says that is asked about it.
        #[serde(default)]
        pub(in crate::scenario) opaque: Option<bool>,
    }
}

signed! {
    /// A proof of possession (RFC 9449), for the request that it goes with and its token.
    ProofSpec {} {
        /// Whether it holds the nonce that the gateway gave last.
        #[serde(default)]
        pub(in crate::scenario) nonce: bool,
    }
}

/// A proof of possession to make: its key alone, or an object.
pub(in crate::scenario) type ProofChoice = Short<Box<ProofSpec>>;

/// A token by name or `none`, or one made for this request.
pub(in crate::scenario) type TokenChoice = Short<Box<TokenSpec>>;
