//! Certificates, keys and authorities that the command names, for both sides of the gateway.

use std::path::{Path, PathBuf};

use countersign_host_sim::serve::{ClientCertificate, Tls, UpstreamTls};
use sha2::{Digest, Sha256};

use crate::failure::Failure;

/// Where they are.
#[derive(Clone, Default, clap::Args)]
pub(crate) struct TlsArgs {
    /// The gateway's certificate chain, as PEM.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key, as PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// The authorities of client certificates, as PEM. A caller without a certificate is left to the filter.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    client_ca: Option<PathBuf>,
    /// Take no connection without a client certificate.
    #[arg(long, requires = "client_ca")]
    require_client_cert: bool,
    /// The authorities of certificates of the upstream and of clusters at `https` addresses, as PEM.
    #[arg(long, value_name = "FILE")]
    upstream_ca: Option<PathBuf>,
    /// The certificate chain that is shown to those of them that ask for one, as PEM.
    #[arg(long, value_name = "FILE", requires_all = ["upstream_ca", "upstream_key"])]
    upstream_cert: Option<PathBuf>,
    /// Its private key, as PEM.
    #[arg(long, value_name = "FILE", requires = "upstream_cert")]
    upstream_key: Option<PathBuf>,
}

/// What is in them.
pub(crate) struct Certificates {
    /// For connections from clients.
    pub(crate) tls: Option<Tls>,
    /// For connections to the upstream and to clusters.
    pub(crate) upstream: Option<UpstreamTls>,
    /// Tells them from others.
    pub(crate) digest: [u8; 32],
}

impl TlsArgs {
    /// Whether connections from clients have TLS.
    pub(crate) fn serves(&self) -> bool {
        self.tls_cert.is_some()
    }

    /// Whether the upstream and clusters can be called over TLS.
    pub(crate) fn calls(&self) -> bool {
        self.upstream_ca.is_some()
    }

    /// The files.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let all = [
            &self.tls_cert,
            &self.tls_key,
            &self.client_ca,
            &self.upstream_ca,
            &self.upstream_cert,
            &self.upstream_key,
        ];
        all.into_iter().flatten().cloned().collect()
    }

    /// Reads them.
    pub(crate) fn load(&self) -> Result<Certificates, Failure> {
        let mut hash = Sha256::new();
        let mut read = |path: &Path| {
            let text = std::fs::read(path).map_err(|error| {
                Failure::at(path.display(), format!("expected a readable PEM file: {error}"))
            })?;
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(&text);
            Ok::<_, Failure>(text)
        };
        let tls = match (&self.tls_cert, &self.tls_key) {
            (Some(certificates), Some(key)) => {
                let client = match &self.client_ca {
                    Some(path) if self.require_client_cert => ClientCertificate::Required(read(path)?),
                    Some(path) => ClientCertificate::Optional(read(path)?),
                    None => ClientCertificate::None,
                };
                Some(Tls { certificates: read(certificates)?, key: read(key)?, client })
            }
            _ => None,
        };
        let upstream = match &self.upstream_ca {
            None => None,
            Some(authorities) => {
                let authorities = read(authorities)?;
                let identity = match (&self.upstream_cert, &self.upstream_key) {
                    (Some(chain), Some(key)) => Some((read(chain)?, read(key)?)),
                    _ => None,
                };
                Some(UpstreamTls { authorities, identity })
            }
        };
        Ok(Certificates { tls, upstream, digest: hash.finalize().into() })
    }
}
