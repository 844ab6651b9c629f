//! A blocking HTTP client that opens a connection for each request, in the clear or with mutual TLS.

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::http::{Request, Response};
use crate::pki::{Authority, Identity};

/// How long an answer may take before the test that waits for it fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where and how to connect.
#[derive(Clone)]
pub struct Client {
    address: SocketAddr,
    host: String,
    tls: Option<Arc<ClientConfig>>,
}

impl Client {
    /// Connects in the clear.
    pub fn plain(address: SocketAddr) -> Self {
        Self { address, host: address.to_string(), tls: None }
    }

    /// Connects with TLS, trusting `authority` for the server named `host`, and presenting `identity`.
    pub fn tls(
        address: SocketAddr,
        host: &str,
        authority: &Authority,
        identity: Option<&Identity>,
    ) -> Result<Self> {
        let mut config = tls_config(authority.certificate_pem(), identity)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { address, host: host.to_owned(), tls: Some(Arc::new(config)) })
    }

    /// Sends a request and waits for the answer.
    pub fn send(&self, request: &Request) -> Result<Response> {
        let mut stream = self.connect()?;
        let answer = request.write(&mut stream, &self.host).map_err(anyhow::Error::from);
        let answer = answer.and_then(|()| Response::read(&mut BufReader::new(stream), &request.method));
        answer.with_context(|| format!("{} {}", request.method, request.target))
    }

    /// Sends a request and goes away after this time, answered or not.
    pub fn abandon(&self, request: &Request, after: Duration) -> Result<()> {
        let mut stream = self.connect()?;
        request.write(&mut stream, &self.host)?;
        std::thread::sleep(after);
        Ok(())
    }

    fn connect(&self) -> Result<Box<dyn Stream>> {
        let socket = TcpStream::connect_timeout(&self.address, PATIENCE)
            .with_context(|| format!("connecting to {}", self.address))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_nodelay(true)?;
        Ok(match &self.tls {
            None => Box::new(socket),
            Some(config) => {
                let name = ServerName::try_from(self.host.clone())?;
                Box::new(StreamOwned::new(ClientConnection::new(Arc::clone(config), name)?, socket))
            }
        })
    }
}

/// What a client of TLS goes by that trusts an authority, and presents `identity`.
pub(crate) fn tls_config(authority_pem: &str, identity: Option<&Identity>) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority_pem.as_bytes())?)?;
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    Ok(match identity {
        None => config.with_no_client_auth(),
        Some(identity) => {
            let chain = CertificateDer::pem_slice_iter(identity.certificate_pem.as_bytes());
            let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes())?;
            config.with_client_auth_cert(chain.collect::<Result<_, _>>()?, key)?
        }
    })
}

/// A connection, with or without TLS.
trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}
