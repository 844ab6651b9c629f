//! TLS of the gateway, and what a peer's certificate says of it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::ServeError;
use super::certificate::certificate_properties;
use super::options::Endpoint;
use crate::property::Properties;
use crate::shared::lock;

/// What a client names in ALPN that wants HTTP/2 (RFC 9113 §3.2).
pub(super) const H2: &[u8] = b"h2";
/// And one that wants HTTP/1.1 (RFC 7301 §6).
pub(super) const HTTP1: &[u8] = b"http/1.1";

/// Whether clients show certificates.
#[derive(Clone, Debug)]
pub enum ClientCertificate {
    /// They are not asked for one.
    None,
    /// They may show one, and it must be issued under these roots (PEM).
    Optional(Vec<u8>),
    /// They must show one, issued under these roots (PEM).
    Required(Vec<u8>),
}

/// The gateway's certificate and key, both PEM, and what it asks of clients.
#[derive(Clone)]
pub struct Tls {
    /// The chain, the gateway's own certificate first.
    pub certificates: Vec<u8>,
    /// Its private key.
    pub key: Vec<u8>,
    /// What clients show.
    pub client: ClientCertificate,
}

/// How the gateway calls others over TLS, all PEM.
#[derive(Clone)]
pub struct UpstreamTls {
    /// The authorities of their certificates.
    pub authorities: Vec<u8>,
    /// The chain and the key that are shown to those who ask.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}

/// What TLS is done with, on both sides. It can be replaced while the gateway runs: for connections to come.
pub(super) struct Secured(Mutex<Current>);

struct Current {
    edition: u64,
    acceptor: Option<TlsAcceptor>,
    client: Option<ClientConfig>,
}

impl Secured {
    pub(super) fn new(tls: Option<&Tls>, upstream: Option<&UpstreamTls>) -> Result<Self, ServeError> {
        Ok(Self(Mutex::new(Current::new(1, tls, upstream)?)))
    }

    /// Takes others from now on. What cannot be used changes nothing.
    pub(super) fn replace(
        &self,
        tls: Option<&Tls>,
        upstream: Option<&UpstreamTls>,
    ) -> Result<(), ServeError> {
        let mut current = lock(&self.0);
        *current = Current::new(current.edition + 1, tls, upstream)?;
        Ok(())
    }

    /// Counts replacements.
    pub(super) fn edition(&self) -> u64 {
        lock(&self.0).edition
    }

    /// What connections from clients begin with; `None` where they are in the clear.
    pub(super) fn acceptor(&self) -> Option<TlsAcceptor> {
        lock(&self.0).acceptor.clone()
    }

    /// What connections to an endpoint begin with, and whom its certificate has to name.
    pub(super) fn connector(
        &self,
        endpoint: &Endpoint,
        offered: &[&[u8]],
    ) -> Option<(TlsConnector, ServerName<'static>)> {
        let mut config = lock(&self.0).client.clone()?;
        config.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
        let host = endpoint.address.rsplit_once(':')?.0;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let name = ServerName::try_from(host.to_owned()).ok()?;
        Some((TlsConnector::from(Arc::new(config)), name))
    }
}

impl Current {
    fn new(edition: u64, tls: Option<&Tls>, upstream: Option<&UpstreamTls>) -> Result<Self, ServeError> {
        let acceptor = tls.map(Tls::acceptor).transpose()?;
        let client = upstream.map(UpstreamTls::config).transpose()?;
        Ok(Self { edition, acceptor, client })
    }
}

fn bad(what: &'static str) -> impl Fn(String) -> ServeError {
    move |error| ServeError::Tls(format!("{what}: {error}"))
}

fn store(roots: &[u8], what: &'static str) -> Result<RootCertStore, ServeError> {
    let mut store = RootCertStore::empty();
    for root in certificates(roots).map_err(bad(what))? {
        store.add(root).map_err(|e| bad(what)(e.to_string()))?;
    }
    Ok(store)
}

impl UpstreamTls {
    fn config(&self) -> Result<ClientConfig, ServeError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| bad("protocol versions")(e.to_string()))?
            .with_root_certificates(store(&self.authorities, "upstream authorities")?);
        let Some((chain, key)) = &self.identity else { return Ok(config.with_no_client_auth()) };
        let chain = certificates(chain).map_err(bad("upstream certificate chain"))?;
        let key = PrivateKeyDer::from_pem_slice(key);
        let key = key.map_err(|e| bad("upstream private key")(e.to_string()))?;
        let config = config.with_client_auth_cert(chain, key);
        config.map_err(|e| bad("upstream certificate and key")(e.to_string()))
    }
}

impl Tls {
    fn acceptor(&self) -> Result<TlsAcceptor, ServeError> {
        let chain = certificates(&self.certificates).map_err(bad("certificate chain"))?;
        let key = PrivateKeyDer::from_pem_slice(&self.key);
        let key = key.map_err(|e| bad("private key")(e.to_string()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|e| bad("protocol versions")(e.to_string()))?;
        let config = match &self.client {
            ClientCertificate::None => config.with_no_client_auth(),
            ClientCertificate::Optional(roots) | ClientCertificate::Required(roots) => {
                let store = store(roots, "client roots")?;
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider);
                let verifier = match &self.client {
                    ClientCertificate::Required(_) => verifier,
                    _ => verifier.allow_unauthenticated(),
                };
                let verifier = verifier.build().map_err(|e| bad("client roots")(e.to_string()))?;
                config.with_client_cert_verifier(verifier)
            }
        };
        let config = config.with_single_cert(chain, key);
        let mut config = config.map_err(|e| bad("certificate and key")(e.to_string()))?;
        config.alpn_protocols = vec![H2.to_vec(), HTTP1.to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let list: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let list = list.map_err(|e| e.to_string())?;
    if list.is_empty() { Err("no certificate in PEM form".to_owned()) } else { Ok(list) }
}

/// The properties that every connection has.
pub(super) fn plain(id: u64, local: SocketAddr, peer: SocketAddr) -> Properties {
    let mut properties = Properties::new();
    properties.set("connection.id", id);
    properties.set("connection_id", id);
    properties.set("connection.mtls", false);
    properties.set("source.address", peer.to_string());
    properties.set("source.port", i64::from(peer.port()));
    properties.set("destination.address", local.to_string());
    properties.set("destination.port", i64::from(local.port()));
    properties
}

/// Adds the properties of a TLS connection, those of the peer's certificate among them.
pub(super) fn secured(properties: &mut Properties, tls: &ServerConnection) {
    let version = match tls.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
        _ => "",
    };
    properties.set("connection.tls_version", version);
    properties.set("connection.requested_server_name", tls.server_name().unwrap_or_default());
    let Some(certificate) = tls.peer_certificates().and_then(<[_]>::first) else { return };
    for (path, value) in certificate_properties(certificate).iter() {
        properties.set(&path, value.clone());
    }
}
