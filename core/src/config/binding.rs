//! Tokens that only their holder can use.

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A way in which a token is bound to its holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Binding {
    /// To a key that the holder proves with each request (RFC 9449).
    Dpop,
    /// To the client certificate of the connection (RFC 8705 §3).
    Certificate,
}

/// What a proof of possession must look like (RFC 9449). A token with `cnf.jkt` always needs one, whatever the route demands.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Dpop {
    /// Signature algorithms of proofs, of those that issuers may use.
    pub algorithms: Vec<String>,
    /// How old a proof may be, by its `iat`, in seconds; at most 300.
    pub max_age_seconds: u32,
    /// How far the client's clock may be ahead of the gateway's, in seconds; at most 60.
    pub clock_skew_seconds: u32,
    /// How many proofs the gateway's workers remember together, so that none is used twice. Each takes about 20 bytes; at most twice
    /// as many, and never less than 1,024, have room. Where more are in use at once, or more than a quarter of them by one key,
    /// further ones are refused: `limit.dpop`.
    pub replay_entries: u32,
    /// How long a nonce of the gateway may be used, in seconds; up to 3,600, and 0 asks for none (RFC 9449 §9).
    pub nonce_seconds: u32,
    /// Origins under which clients know the gateway, such as `https://api.bank.example`: `htu` must begin with the one whose host is the
    /// request's. A host that is none of theirs, such as an internal name behind a load balancer, is taken for the one that is listed,
    /// and refused where several are. Where none is listed, `htu` must begin with scheme and host of the request; the host is then the
    /// client's word, so that the gateway's virtual hosts must say which there are.
    pub origins: Vec<String>,
}

impl Default for Dpop {
    fn default() -> Self {
        Self {
            algorithms: ["ES256", "EdDSA", "RS256"].map(String::from).to_vec(),
            max_age_seconds: 60,
            clock_skew_seconds: 5,
            replay_entries: 131_072,
            nonce_seconds: 0,
            origins: Vec::new(),
        }
    }
}
