//! A SPIFFE bundle endpoint (SPIFFE Federation §5), as small as it can be.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use serde_json::{Value, json};

use crate::http::Response;
use crate::mint::SigningKey;
use crate::pki::Authority;
use crate::server::Server;

/// A trust domain's endpoint, at `/bundle`.
pub struct BundleEndpoint {
    server: Server,
    /// What it serves, and how often it has done so.
    state: Arc<Mutex<(Value, usize)>>,
}

impl BundleEndpoint {
    /// Starts an endpoint that serves `bundle`.
    pub fn start(bundle: Value) -> Result<Self> {
        let state = Arc::new(Mutex::new((bundle, 0)));
        let shared = Arc::clone(&state);
        let server = Server::start(move |request| {
            if request.path() != "/bundle" {
                return Response::new(404).into();
            }
            let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
            state.1 += 1;
            Response::json(200, &state.0).into()
        })?;
        Ok(Self { server, state })
    }

    /// Serves another bundle from now on.
    pub fn publish(&self, bundle: Value) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = (bundle, 0);
    }

    /// How often the present bundle has been fetched.
    pub fn fetches(&self) -> usize {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }
}

/// A bundle (SPIFFE Trust Domain and Bundle §4): an authority of X.509-SVIDs, and these keys for JWT-SVIDs. It asks to be fetched
/// again after a second.
pub fn bundle(sequence: u64, authority: &Authority, keys: &[&SigningKey]) -> Value {
    let certificate: String =
        authority.certificate_pem().lines().filter(|line| !line.starts_with("-----")).collect();
    let mut entries = vec![json!({ "use": "x509-svid", "kty": "EC", "x5c": [certificate] })];
    for key in keys {
        let mut entry = key.jwk();
        entry["use"] = json!("jwt-svid");
        entries.push(entry);
    }
    json!({ "keys": entries, "spiffe_sequence": sequence, "spiffe_refresh_hint": 1 })
}
