//! TLS of the gateway, and what a peer's certificate says of it.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use tokio_rustls::TlsAcceptor;

use super::ServeError;
use super::certificate::certificate_properties;
use crate::property::Properties;

/// What a client names in ALPN that wants HTTP/2 (RFC 9113 §3.2).
pub(super) const H2: &[u8] = b"h2";

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

impl Tls {
    pub(super) fn acceptor(&self) -> Result<TlsAcceptor, ServeError> {
        let bad = |what: &str, error: &dyn std::fmt::Display| ServeError::Tls(format!("{what}: {error}"));
        let chain = certificates(&self.certificates).map_err(|e| bad("certificate chain", &e))?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|e| bad("private key", &e))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|e| bad("protocol versions", &e))?;
        let config = match &self.client {
            ClientCertificate::None => config.with_no_client_auth(),
            ClientCertificate::Optional(roots) | ClientCertificate::Required(roots) => {
                let mut store = RootCertStore::empty();
                for root in certificates(roots).map_err(|e| bad("client roots", &e))? {
                    store.add(root).map_err(|e| bad("client roots", &e))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider);
                let verifier = match &self.client {
                    ClientCertificate::Required(_) => verifier,
                    _ => verifier.allow_unauthenticated(),
                };
                config.with_client_cert_verifier(verifier.build().map_err(|e| bad("client roots", &e))?)
            }
        };
        let mut config = config.with_single_cert(chain, key).map_err(|e| bad("certificate and key", &e))?;
        config.alpn_protocols = vec![H2.to_vec(), b"http/1.1".to_vec()];
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
