//! A test authority and the X.509-SVIDs that it issues.

use std::net::IpAddr;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

use super::CredentialError;

/// A certificate authority for tests.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
    key_pem: String,
}

/// A certificate with its private key, both as PEM.
#[derive(Clone)]
pub(crate) struct Svid {
    /// The certificate.
    pub(crate) certificate_pem: String,
    /// The private key, PKCS #8.
    pub(crate) key_pem: String,
}

/// What a certificate is for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subject<'a> {
    /// The workload's SPIFFE ID, the one URI among the names (X.509-SVID §2).
    pub(crate) spiffe_id: Option<&'a str>,
    /// Names of the server: DNS names and IP addresses.
    pub(crate) hosts: &'a [String],
}

impl Authority {
    /// A new authority with a P-256 key; `trust_domain` names it and, as its SPIFFE ID, its certificate (X.509-SVID §4.1).
    pub(crate) fn generate(trust_domain: &str) -> Result<Self, CredentialError> {
        let key = KeyPair::generate().map_err(broken)?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, format!("{trust_domain} test authority"));
        params.subject_alt_names = vec![uri(&format!("spiffe://{trust_domain}"))?];
        let certificate_pem = params.self_signed(&key).map_err(broken)?.pem();
        let key_pem = key.serialize_pem();
        Ok(Self { issuer: Issuer::new(params, key), certificate_pem, key_pem })
    }

    /// Reads an authority's certificate and private key.
    pub(crate) fn from_pem(certificate_pem: &str, key_pem: &str) -> Result<Self, CredentialError> {
        let key = KeyPair::from_pem(key_pem).map_err(broken)?;
        let issuer = Issuer::from_ca_cert_pem(certificate_pem, key).map_err(broken)?;
        Ok(Self { issuer, certificate_pem: certificate_pem.to_owned(), key_pem: key_pem.to_owned() })
    }

    /// The authority's own certificate.
    pub(crate) fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The authority's private key.
    pub(crate) fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// Issues a certificate; with hosts it serves, and in any case it may call.
    pub(crate) fn issue(&self, subject: &Subject<'_>) -> Result<Svid, CredentialError> {
        let mut params = CertificateParams::default();
        let name = subject.spiffe_id.or(subject.hosts.first().map(String::as_str));
        let name = name.ok_or_else(|| broken("a certificate needs a SPIFFE ID or a host"))?;
        params.distinguished_name.push(DnType::CommonName, name);
        if let Some(id) = subject.spiffe_id {
            countersign_core::spiffe::SpiffeId::parse(id.as_bytes()).map_err(|error| {
                CredentialError::Certificate(format!("invalid SPIFFE ID `{id}`: {error}"))
            })?;
            params.subject_alt_names.push(uri(id)?);
        }
        for host in subject.hosts {
            params.subject_alt_names.push(match host.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(host.as_str().try_into().map_err(broken)?),
            });
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        if !subject.hosts.is_empty() {
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        }
        let key = KeyPair::generate().map_err(broken)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(broken)?;
        Ok(Svid { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }
}

fn uri(text: &str) -> Result<SanType, CredentialError> {
    Ok(SanType::URI(text.try_into().map_err(broken)?))
}

fn broken(error: impl std::fmt::Display) -> CredentialError {
    CredentialError::Certificate(format!("cannot issue the certificate: {error}"))
}
