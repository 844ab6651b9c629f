//! The sample services behind the gateway, and a source of issuer keys that can fail in every way.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use crate::http::{Fields, Request, Response};
use crate::server::{Answer, Server};

/// A service that answers every request with 200 and what it got, as JSON:
/// `{"service", "method", "path", "headers": [[name, value], ...], "body", "trailers": [[name, value], ...]}`.
pub struct Echo(Server);

impl Echo {
    /// Starts a service that calls itself `name`.
    pub fn start(name: &str) -> Result<Self> {
        let name = name.to_owned();
        Ok(Self(Server::start(move |request| Response::json(200, &described(&name, request)).into())?))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// How many requests reached it.
    pub fn served(&self) -> usize {
        self.0.served()
    }
}

fn described(service: &str, request: &Request) -> Value {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let fields = |fields: &Fields| -> Vec<Value> {
        fields.iter().map(|(name, value)| json!([name.to_lowercase(), text(value)])).collect()
    };
    json!({
        "service": service,
        "method": request.method,
        "path": request.target,
        "headers": fields(&request.headers),
        "body": text(&request.body),
        "trailers": fields(&request.trailers),
    })
}

/// The first value of a header that a service says it got.
pub fn header<'a>(seen: &'a Value, name: &str) -> Option<&'a str> {
    let headers = seen["headers"].as_array()?;
    headers.iter().find(|pair| pair[0] == name).and_then(|pair| pair[1].as_str())
}

/// How a source of keys answers.
#[derive(Clone, Debug)]
pub enum KeyMode {
    /// With the document.
    Serve,
    /// With the document, late.
    Delay(Duration),
    /// With an error status.
    Status(u16),
    /// With text that is no key set.
    Garbage,
    /// With a closed connection.
    HangUp,
    /// With a page for people, and status 200.
    Page,
    /// With more than any document may hold, in chunks, so that no length says so.
    Huge,
    /// With half of the document, and then a closed connection.
    Half,
}

/// A JWKS endpoint, at `/jwks`.
pub struct KeyServer {
    server: Server,
    state: Arc<Mutex<(Value, KeyMode)>>,
}

impl KeyServer {
    /// Starts an endpoint that serves `jwks`.
    pub fn start(jwks: Value) -> Result<Self> {
        let state = Arc::new(Mutex::new((jwks, KeyMode::Serve)));
        let shared = Arc::clone(&state);
        let server = Server::start(move |request| {
            let (jwks, mode) = shared.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if request.path() != "/jwks" {
                return Response::new(404).into();
            }
            match mode {
                KeyMode::Serve => Response::json(200, &jwks).into(),
                KeyMode::Delay(time) => {
                    thread::sleep(time);
                    Response::json(200, &jwks).into()
                }
                KeyMode::Status(status) => Response::new(status).into(),
                KeyMode::Garbage => Response::json(200, &json!("not a key set")).into(),
                KeyMode::HangUp => Answer::HangUp,
                KeyMode::Page => page().into(),
                KeyMode::Huge => Answer::Raw(huge(&jwks)),
                KeyMode::Half => Answer::Raw(half(&jwks)),
            }
        })?;
        Ok(Self { server, state })
    }

    /// Serves another document from now on.
    pub fn rotate(&self, jwks: Value) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0 = jwks;
    }

    /// Answers in another way from now on.
    pub fn mode(&self, mode: KeyMode) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1 = mode;
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// How many fetches it has seen.
    pub fn fetches(&self) -> usize {
        self.server.served()
    }
}

fn page() -> Response {
    let mut page = Response::new(200).header("content-type", "text/html; charset=utf-8");
    page.body = b"<!doctype html><title>Sign in</title>".to_vec();
    page
}

/// A good set with a member of 2 MiB before its keys.
fn huge(jwks: &Value) -> Vec<u8> {
    let body = jwks.to_string().replacen('{', &format!("{{\"padding\":\"{}\",", "x".repeat(2 << 20)), 1);
    let mut out =
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for chunk in body.as_bytes().chunks(16_384) {
        out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}

fn half(jwks: &Value) -> Vec<u8> {
    let body = jwks.to_string();
    let (first, _) = body.split_at(body.len() / 2);
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), first.as_bytes()].concat()
}
