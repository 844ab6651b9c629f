//! The certificates of a scenario file's clients, and what a gateway tells of those who show them.

use super::format::{CertificateSpec, Peer};
use super::short::Short;
use crate::case;
use crate::credentials::{pki, resolve_time};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use countersign_core::crypto::digest::sha256;
use countersign_core::time::Timestamp;
use countersign_host_sim::PropertyValue;
use countersign_host_sim::serve::certificate_properties;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use std::collections::BTreeMap;
use std::path::Path;
use x509_parser::pem::parse_x509_pem;

/// How long a made certificate is valid that does not say it.
const USUAL_LIFETIME: &str = "+1h";

/// Certificates by name.
#[derive(Default)]
pub(super) struct Certificates(BTreeMap<String, Certificate>);

/// A certificate.
struct Certificate {
    /// What a gateway tells of a connection whose client has shown it.
    properties: Vec<(String, PropertyValue)>,
    /// SHA-256 of it in base64url (RFC 8705 §3.1).
    thumbprint: String,
    /// From when until when it is valid, in seconds since the Unix epoch.
    valid: (i64, i64),
}

impl Certificates {
    /// Reads those that are given, in files relative to `folder`, and makes the others, from the seed and their name; an error comes with
    /// the field's path.
    pub(super) fn read(
        specs: &BTreeMap<String, CertificateSpec>,
        folder: &Path,
        seed: u64,
        start: Timestamp,
    ) -> Result<Self, (String, String)> {
        let one = |(name, spec): (&String, &CertificateSpec)| {
            let of_name = [b"countersign scenario certificate", &seed.to_le_bytes()[..], name.as_bytes()];
            let mut random = ChaCha20Rng::from_seed(sha256(&of_name.concat()));
            let read = spec.pem(folder, start, &mut random).and_then(|pem| Certificate::from_pem(&pem));
            Ok((name.clone(), read.map_err(|message| (format!("certificates.{name}"), message))?))
        };
        specs.iter().map(one).collect::<Result<_, _>>().map(Self)
    }

    /// Puts what a gateway tells of a client at `now` into the properties of its connection.
    pub(super) fn present(
        &self,
        peer: Option<&Peer>,
        now: Timestamp,
        properties: &mut BTreeMap<String, PropertyValue>,
    ) -> Result<(), String> {
        match peer {
            None => {}
            Some(Short::Text(text)) if text == "none" => {}
            Some(Short::Text(uri)) => case::peer(properties, uri.as_str()),
            Some(Short::Whole(peer)) => {
                if let Some(name) = &peer.certificate {
                    let certificate =
                        self.get(name).map_err(|message| format!("`peer.certificate`: {message}"))?;
                    certificate.check(name, now)?;
                    properties.extend(certificate.properties.iter().cloned());
                }
                properties.extend(peer.properties());
            }
        }
        Ok(())
    }

    /// The thumbprint of a certificate, as tokens are bound to it; nothing where no certificate has this name.
    pub(super) fn thumbprint(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|certificate| certificate.thumbprint.as_str())
    }

    fn get(&self, name: &str) -> Result<&Certificate, String> {
        self.0.get(name).ok_or_else(|| {
            let names: Vec<String> = self.0.keys().map(|name| format!("`{name}`")).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            format!("expected one of the file's `certificates` ({names}), found `{name}`")
        })
    }

    /// Demands that a client's certificate is there.
    pub(super) fn check(&self, peer: Option<&Peer>) -> Result<(), String> {
        match peer {
            Some(Short::Whole(peer)) => match &peer.certificate {
                Some(name) => self.get(name).map(drop).map_err(|message| format!("`certificate`: {message}")),
                None => Ok(()),
            },
            Some(Short::Text(_)) | None => Ok(()),
        }
    }
}

impl Certificate {
    fn from_pem(text: &str) -> Result<Self, String> {
        let expected = |error: &dyn std::fmt::Display| format!("expected a certificate in PEM: {error}");
        let (_, pem) = parse_x509_pem(text.as_bytes()).map_err(|error| expected(&error))?;
        let certificate = pem.parse_x509().map_err(|error| expected(&error))?;
        let validity = certificate.validity();
        let properties = certificate_properties(&pem.contents);
        Ok(Self {
            properties: properties.iter().map(|(path, value)| (path, value.clone())).collect(),
            thumbprint: BASE64URL.encode(sha256(&pem.contents)),
            valid: (validity.not_before.timestamp(), validity.not_after.timestamp()),
        })
    }

    /// Demands that it is valid: a gateway that shows a filter a client's certificate has verified it.
    fn check(&self, name: &str, now: Timestamp) -> Result<(), String> {
        let (from, until) = self.valid;
        if (from..=until).contains(&now.as_secs()) {
            return Ok(());
        }
        let show = |seconds| crate::time::show(Timestamp::from_secs(seconds));
        Err(format!(
            "`peer.certificate`: expected one that is valid at {}, `{name}` is from {} until {}, and a gateway refuses the handshake",
            show(now.as_secs()),
            show(from),
            show(until)
        ))
    }
}

impl CertificateSpec {
    fn pem(&self, folder: &Path, start: Timestamp, random: &mut ChaCha20Rng) -> Result<String, String> {
        let made = self.spiffe_id.is_some() || !self.hosts.is_empty();
        if usize::from(made) + usize::from(self.pem.is_some()) + usize::from(self.file.is_some()) != 1 {
            return Err("expected one of `pem`, `file`, and `spiffe_id` or `hosts`".to_owned());
        }
        if self.expires.is_some() && !made {
            return Err(
                "`expires`: expected it of a certificate to make, the given one says it itself".to_owned()
            );
        }
        if let Some(pem) = &self.pem {
            return Ok(pem.clone());
        }
        if let Some(file) = &self.file {
            let path = folder.join(file);
            crate::inputs::note(&path);
            return std::fs::read_to_string(&path)
                .map_err(|error| format!("`file`: expected a readable file `{}`: {error}", path.display()));
        }
        let (from, text) = (start.as_secs(), self.expires.as_deref().unwrap_or(USUAL_LIFETIME));
        let until = resolve_time(text, from).map_err(|error| format!("`expires`: {error}"))?;
        let subject = pki::Subject { spiffe_id: self.spiffe_id.as_deref(), hosts: &self.hosts };
        // It may have ended by now, so that it began still earlier.
        let valid = (from.min(until) - 60, until);
        pki::issue_from(&subject, valid, random).map_err(|error| error.to_string())
    }
}
