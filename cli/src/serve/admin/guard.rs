//! Who may see the page: whoever knows the token in its address, under a name that the gateway was given. The name is looked at because
//! a stranger's page in the same browser may have its own name point here (DNS rebinding).

use std::net::SocketAddr;

use http::{Request, StatusCode, header};
use sha2::{Digest, Sha256};

/// Random bytes of the token.
const TOKEN: usize = 24;

/// Looks at requests before anything else does.
pub(super) struct Guard {
    address: SocketAddr,
    token: String,
    hosts: Vec<String>,
}

impl Guard {
    /// A guard with a token of its own.
    pub(super) fn new(address: SocketAddr, hosts: &[String]) -> std::io::Result<Self> {
        let mut random = [0_u8; TOKEN];
        fill(&mut random)?;
        let token = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let port = address.port();
        let mut names = vec![address.to_string()];
        if address.ip().is_loopback() {
            names.extend([format!("localhost:{port}"), format!("127.0.0.1:{port}"), format!("[::1]:{port}")]);
        }
        for host in hosts {
            names.extend([host.to_ascii_lowercase(), format!("{}:{port}", host.to_ascii_lowercase())]);
        }
        Ok(Self { address, token, hosts: names })
    }

    /// The address that opens the page.
    pub(super) fn url(&self) -> String {
        format!("http://{}/{}/", self.address, self.token)
    }

    /// What a request asks for below the token.
    pub(super) fn admit<'r, B>(&self, request: &'r Request<B>) -> Result<&'r str, StatusCode> {
        let mut hosts = request.headers().get_all(header::HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
        if hosts.next().is_some() || !self.hosts.contains(&host) {
            return Err(StatusCode::MISDIRECTED_REQUEST);
        }
        let path = request.uri().path().strip_prefix('/').unwrap_or_default();
        let (token, inner) = path.split_once('/').ok_or(StatusCode::NOT_FOUND)?;
        // Digests are compared, so that how long it takes tells nothing of the token.
        if Sha256::digest(token) != Sha256::digest(&self.token) {
            return Err(StatusCode::NOT_FOUND);
        }
        Ok(inner)
    }
}

/// Whether a request that changes something comes from the page itself: no form can send JSON, and browsers say where one comes from.
pub(super) fn is_own<B>(request: &Request<B>) -> bool {
    let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let json = text("content-type")
        .is_some_and(|kind| kind.split(';').next().unwrap_or_default().trim() == "application/json");
    let site = text("sec-fetch-site").is_none_or(|site| site == "same-origin");
    let origin = text("origin").is_none_or(|origin| {
        let host = text("host").unwrap_or_default();
        origin.strip_prefix("http://").is_some_and(|origin| origin.eq_ignore_ascii_case(host))
    });
    json && site && origin
}

/// The system's randomness.
fn fill(bytes: &mut [u8]) -> std::io::Result<()> {
    use rsa::rand_core::{OsRng, RngCore};
    OsRng.try_fill_bytes(bytes).map_err(|error| std::io::Error::other(error.to_string()))
}
