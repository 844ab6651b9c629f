//! The request that a case or a step sends, once the file's defaults are filled in.

use super::certificates::Certificates;
use super::format::{Defaults, Peer, PeerSpec, RequestSpec};
use super::short::Short;
use super::wire::text;
use crate::bytes::shown;
use crate::case::Target;
use crate::engine::Request;
use countersign_core::time::Timestamp;
use countersign_host_sim::HeaderMap;
use serde_json::{Map, Value, json};

/// What a request is made of.
pub(super) struct Draft<'a> {
    pub(super) spec: &'a RequestSpec,
    pub(super) peer: Option<&'a Peer>,
    pub(super) defaults: &'a Defaults,
    pub(super) certificates: &'a Certificates,
    /// When it is sent.
    pub(super) now: Timestamp,
    /// How many workers take connections in turn.
    pub(super) workers: usize,
}

impl Draft<'_> {
    /// The request without credentials.
    pub(super) fn build(&self) -> Result<Request, String> {
        let Self { spec, defaults, .. } = self;
        let mut request = Request {
            body: spec.body.0.clone(),
            trailers: spec.trailers.as_ref().map(|trailers| trailers.map()),
            metadata: spec.metadata.iter().map(|map| map.map()).collect(),
            unfinished: spec.unfinished,
            worker: spec.worker.or(spec.connection.map(|number| number % self.workers)).unwrap_or(0),
            ..Request::default()
        };
        for (path, value) in defaults.properties.iter().chain(&spec.properties) {
            match value {
                Some(value) => request.properties.insert(path.clone(), value.0.clone()),
                None => request.properties.remove(path),
            };
        }
        self.certificates.present(self.peer(), self.now, &mut request.properties)?;
        request.headers = headers(spec, defaults)?;
        Ok(request)
    }

    /// The same to be read: what the file says, defaults filled in.
    pub(super) fn shown(&self, request: &Request, token: Option<Value>, proof: Option<Value>) -> Value {
        let mut input = Map::new();
        let pairs = |headers: &HeaderMap| -> Value {
            headers.iter().map(|(name, value)| json!([shown(name), text(value)])).collect()
        };
        input.insert("headers".into(), pairs(&request.headers));
        match self.peer() {
            None => {}
            Some(Short::Text(uri)) => drop(input.insert("peer".into(), json!(uri))),
            Some(Short::Whole(peer)) => drop(input.insert("peer".into(), peer.shown())),
        }
        for (name, value) in [("token", token), ("proof", proof)] {
            if let Some(value) = value {
                input.insert(name.into(), value);
            }
        }
        let properties: Map<String, Value> = self
            .defaults
            .properties
            .iter()
            .chain(&self.spec.properties)
            .filter_map(|(path, value)| Some((path.clone(), json!(format!("{:?}", value.as_ref()?.0)))))
            .collect();
        if !properties.is_empty() {
            input.insert("properties".into(), Value::Object(properties));
        }
        if !request.body.is_empty() {
            input.insert("body".into(), request.body.iter().map(|chunk| shown(chunk)).collect());
        }
        if let Some(trailers) = &request.trailers {
            input.insert("trailers".into(), pairs(trailers));
        }
        if !request.metadata.is_empty() {
            input.insert("metadata".into(), request.metadata.iter().map(pairs).collect());
        }
        if request.worker > 0 {
            input.insert("worker".into(), json!(request.worker));
        }
        Value::Object(input)
    }

    fn peer(&self) -> Option<&Peer> {
        self.peer
            .or(self.defaults.peer.as_ref())
            .filter(|peer| !matches!(peer, Short::Text(text) if text == "none"))
    }
}

/// The headers of a request, pseudo-headers in front.
pub(super) fn headers(spec: &RequestSpec, defaults: &Defaults) -> Result<HeaderMap, String> {
    let target = Target {
        method: spec.method.as_ref().or(defaults.method.as_ref()).map(String::as_str),
        url: spec.url.as_ref().or(defaults.url.as_ref()).map(String::as_str),
    };
    let nowhere = target.url.is_none();
    let headers = spec.headers.as_ref().or(defaults.headers.as_ref());
    let headers = headers.map(|headers| headers.0.clone()).unwrap_or_default();
    target.into_headers(headers).map_err(|bad| match nowhere {
        true => format!("{bad}; `defaults.url` is that of every request that has none"),
        false => bad.to_string(),
    })
}

impl PeerSpec {
    fn shown(&self) -> Value {
        let certificate = self.certificate.iter().map(|name| ("certificate".to_owned(), json!(name)));
        let all = self.properties().map(|(path, value)| (path, json!(format!("{value:?}"))));
        Value::Object(certificate.chain(all).collect())
    }
}
