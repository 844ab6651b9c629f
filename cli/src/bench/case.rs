//! One request to measure, and the decision that is expected.

use std::rc::Rc;

use countersign_core::reason::{Layer, Reason};
use countersign_host_sim::{Disposition, HeaderMap, Request, Response};
use serde_json::json;

use crate::credentials::{PrivateKey, TokenBuilder};
use crate::engine;
use crate::failure::Failure;
use crate::scenario::Single;

/// One thing to measure.
#[derive(Clone)]
pub(crate) struct Case {
    /// Its name in reports.
    pub(crate) name: String,
    /// What is to come of it.
    pub(crate) expected: Expected,
    /// The request, without its credential.
    pub(crate) request: Prepared,
    /// What it presents.
    pub(crate) credential: Credential,
}

/// A request, ready to send, and the upstream's response to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prepared {
    /// Headers with pseudo-headers, body and properties.
    pub(crate) request: Request,
    /// What comes back where the request is forwarded; without it the stream is closed then.
    pub(crate) response: Option<Response>,
    /// The peer's SPIFFE ID, as the properties have it too.
    pub(crate) workload: Option<String>,
}

/// What is to come of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Countersign's decision: the reason of the refusal, or nothing where it is allowed.
    Decision(Option<Reason>),
    /// What becomes of it in any filter.
    Disposition(Disposition),
    /// Whatever comes is counted.
    Anything,
}

/// What a request presents.
#[derive(Clone)]
pub(crate) enum Credential {
    None,
    /// The same text each time.
    Fixed(String),
    /// A token that is good; a fresh one has a `jti` of its own.
    Token(TokenBuilder, Rc<PrivateKey>),
}

impl Expected {
    /// Whether a decision by this name is expected.
    pub(crate) fn is_met_by(&self, got: &str) -> bool {
        match self {
            Self::Anything => got != FAILED,
            expected => expected.to_string() == got,
        }
    }
}

/// A request that was allowed.
const ALLOW: &str = "allow";
/// A stream that the module did not live through.
const FAILED: &str = "failed";

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Decision(reason) => f.write_str(reason.map_or(ALLOW, Reason::code)),
            Self::Disposition(disposition) => f.write_str(&disposition_name(disposition)),
            Self::Anything => f.write_str("anything but a failure"),
        }
    }
}

/// A disposition's name in reports.
pub(crate) fn disposition_name(disposition: &Disposition) -> String {
    match disposition {
        Disposition::Forwarded => "forwarded".to_owned(),
        Disposition::Reply(status) => format!("reply {status}"),
        Disposition::Held => "held".to_owned(),
        Disposition::Failed => FAILED.to_owned(),
    }
}

/// The name of what Countersign decided.
pub(crate) fn decision_name(reason: Option<&str>) -> String {
    reason.unwrap_or(ALLOW).to_owned()
}

impl From<Single> for Case {
    /// Its request over and over: what comes of that may be something else than of the first one, so that it is counted.
    fn from(single: Single) -> Self {
        let engine::Request { headers, properties, body, trailers, .. } = single.request;
        let mut request = Request { headers, body, trailers, ..Request::default() };
        for (path, value) in properties {
            request.properties.set(&path, value);
        }
        let request = Prepared { request, response: single.response, workload: None };
        Self { name: single.name, expected: Expected::Anything, request, credential: Credential::None }
    }
}

impl Case {
    /// Whether a new token each time differs from the same one: where it is verified, and good.
    pub(crate) fn verifies_token(&self) -> bool {
        let verified = match &self.expected {
            Expected::Decision(reason) => reason.is_none_or(|reason| reason.layer() == Layer::Policy),
            Expected::Disposition(_) | Expected::Anything => false,
        };
        verified && matches!(self.credential, Credential::Token(..))
    }

    /// The request; `nonce` tells its token from others'.
    pub(crate) fn prepare(&self, nonce: u64) -> Result<Prepared, Failure> {
        let token = match &self.credential {
            Credential::None => None,
            Credential::Fixed(token) => Some(token.clone()),
            Credential::Token(token, key) => {
                Some(token.clone().claim("jti", json!(format!("bench-{nonce}"))).sign(key)?)
            }
        };
        let mut prepared = self.request.clone();
        if let Some(token) = token {
            prepared.request = prepared.request.header("authorization", format!("Bearer {token}"));
        }
        Ok(prepared)
    }
}

impl Prepared {
    /// A request of these headers from a workload.
    pub(crate) fn new(headers: &[(String, String)], workload: Option<&str>) -> Self {
        let headers = HeaderMap::from_pairs(headers.iter().map(|(name, value)| (name, value)));
        let mut request = Request { headers, ..Request::default() };
        if let Some(workload) = workload {
            request = request
                .property("connection.mtls", true)
                .property("connection.uri_san_peer_certificate", workload);
        }
        Self { request, response: None, workload: workload.map(str::to_owned) }
    }
}
