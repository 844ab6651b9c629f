//! A request that is sent through the filter again, with a change.

use std::sync::{Arc, Weak};

use countersign_host_sim::serve::Gateway;
use countersign_host_sim::{HeaderMap, Request};
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use crate::serve::ledger::{Ledger, Original};

/// Headers that a change may have.
const HEADERS: usize = 256;

/// A request as somebody changed it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    /// The decision that it is a change of.
    id: u64,
    method: String,
    path: String,
    headers: Vec<Header>,
    /// The URI in the client's certificate; none means no certificate.
    peer: Option<String>,
}

/// A header with its value, or with the value that one of the request's headers has, by its place.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    name: String,
    #[serde(default)]
    value: Option<String>,
    #[serde(default)]
    kept: Option<usize>,
}

/// Sends it; what became of it, as the page shows it.
pub(super) fn run(
    change: &Change,
    ledger: &Ledger,
    gateway: &Weak<Gateway>,
) -> Result<Value, (StatusCode, String)> {
    let wrong = |why: String| (StatusCode::BAD_REQUEST, why);
    let gone = || (StatusCode::GONE, String::from("the request is no longer kept with its credentials"));
    let Original { exchange: original, secrets } = ledger.original(change.id).ok_or_else(gone)?;
    if change.headers.len() > HEADERS {
        return Err(wrong(format!("expected at most {HEADERS} headers, found {}", change.headers.len())));
    }
    if change.method.is_empty() || !change.method.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong(format!("expected a method such as `GET`, found `{}`", change.method)));
    }
    let shown = original.request.text(":path").unwrap_or_default();
    let kept_path = secrets.path(&shown) == change.path;
    let path = if kept_path { shown } else { change.path.clone() };
    if !path.starts_with('/') || path.bytes().any(|byte| byte.is_ascii_control() || byte == b' ') {
        return Err(wrong(format!("expected a path that begins with `/`, found `{}`", change.path)));
    }

    let mut headers = HeaderMap::new();
    headers.append(b":method", change.method.as_bytes());
    headers.append(b":path", path.as_bytes());
    for name in [":authority", ":scheme"] {
        headers.append(name.as_bytes(), original.request.get(name).unwrap_or_default());
    }
    let old: Vec<(&[u8], &[u8])> = original.request.iter().collect();
    for (index, header) in change.headers.iter().enumerate() {
        let name = http::HeaderName::from_bytes(header.name.as_bytes())
            .map_err(|_| wrong(format!("header {}: expected a name, found `{}`", index + 1, header.name)))?;
        let value = match (&header.value, header.kept) {
            (Some(value), None) => value.as_bytes(),
            // The value goes with its name: under another it might be shown.
            (None, Some(kept)) => match old.get(kept) {
                Some((old_name, value)) if *old_name == name.as_str().as_bytes() => *value,
                _ => return Err(wrong(format!("header {}: `{name}` has no value that is kept", index + 1))),
            },
            _ => return Err(wrong(format!("header {}: expected either `value` or `kept`", index + 1))),
        };
        if http::HeaderValue::from_bytes(value).is_err() {
            return Err(wrong(format!("header {}: expected a value without control characters", index + 1)));
        }
        headers.append(name.as_str().as_bytes(), value);
    }

    let mut properties = original.properties.clone();
    if crate::serve::view::peer(&properties) != change.peer {
        for path in PEER {
            properties.remove(path);
        }
        properties.set("connection.mtls", change.peer.is_some());
        if let Some(peer) = &change.peer {
            properties.set("connection.uri_san_peer_certificate", peer.as_str());
        }
    }
    let stopped =
        || (StatusCode::SERVICE_UNAVAILABLE, String::from("the gateway has no filter to send it to"));
    let gateway = gateway.upgrade().ok_or_else(stopped)?;
    let body = if original.body.is_empty() { Vec::new() } else { vec![original.body.clone()] };
    let request = Request { headers, properties, body, ..Request::default() };
    let exchange = Arc::new(gateway.try_out(request).ok_or_else(stopped)?);
    let shown =
        Original { exchange: Arc::clone(&exchange), secrets: ledger.secrets() }.shown(Some(change.id));
    ledger.add(exchange, Some(change.id));
    Ok(shown.detail)
}

/// What is said of a peer's certificate.
const PEER: [&str; 5] = [
    "connection.mtls",
    "connection.uri_san_peer_certificate",
    "connection.dns_san_peer_certificate",
    "connection.subject_peer_certificate",
    "connection.sha256_peer_certificate_digest",
];
