//! A test authority and the X.509-SVIDs that it issues.

use std::net::IpAddr;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use countersign_core::spiffe::{SpiffeId, check_trust_domain};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PublicKeyData, SanType,
};
use rsa::rand_core::CryptoRngCore;
use sha2::{Digest as _, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::pem::parse_x509_pem;
use x509_parser::time::ASN1Time;

use super::{Algorithm, CredentialError, PrivateKey};

/// SHA-256 of a certificate in PEM, in base64url (RFC 8705 §3.1).
pub(crate) fn digest(path: &Path) -> Result<String, CredentialError> {
    let text = super::file::read(path)?;
    let (_, pem) = parse_x509_pem(text.as_bytes()).map_err(|error| {
        CredentialError::Certificate(format!("{}: expected a certificate in PEM: {error}", path.display()))
    })?;
    Ok(BASE64URL.encode(Sha256::digest(&pem.contents)))
}

/// A certificate authority for tests.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
    key_pem: String,
    /// The SPIFFE trust domain that it stands for, where its certificate names one.
    trust_domain: Option<String>,
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

impl<'a> Subject<'a> {
    fn name(&self) -> Option<&'a str> {
        self.spiffe_id.or(self.hosts.first().map(String::as_str))
    }

    /// Demands a name.
    fn check(&self) -> Result<(), CredentialError> {
        self.name().map(drop).ok_or_else(|| broken("a certificate needs a SPIFFE ID or a host"))
    }
}

impl Authority {
    /// A new authority with a P-256 key; `trust_domain` names it and, as its SPIFFE ID, its certificate (X.509-SVID §4.1).
    pub(crate) fn generate(trust_domain: &str) -> Result<Self, CredentialError> {
        check_trust_domain(trust_domain.as_bytes()).map_err(|error| {
            CredentialError::Certificate(format!("invalid trust domain `{trust_domain}`: {error}"))
        })?;
        Self::with_key(trust_domain, KeyPair::generate().map_err(broken)?)
    }

    /// A new authority that may issue certificates for workloads of any trust domain.
    pub(crate) fn of_any_domain() -> Result<Self, CredentialError> {
        Ok(Self { trust_domain: None, ..Self::generate("example.test")? })
    }

    fn with_key(trust_domain: &str, key: KeyPair) -> Result<Self, CredentialError> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, format!("{trust_domain} test authority"));
        params.subject_alt_names = vec![uri(&format!("spiffe://{trust_domain}"))?];
        let certificate_pem = params.self_signed(&key).map_err(broken)?.pem();
        let key_pem = key.serialize_pem();
        let trust_domain = Some(trust_domain.to_owned());
        Ok(Self { issuer: Issuer::new(params, key), certificate_pem, key_pem, trust_domain })
    }

    /// Reads an authority's certificate and private key.
    pub(crate) fn from_pem(certificate_pem: &str, key_pem: &str) -> Result<Self, CredentialError> {
        let unusable = |what: &str| {
            CredentialError::Certificate(format!("expected an authority's certificate and its key, {what}"))
        };
        let key =
            KeyPair::from_pem(key_pem).map_err(|error| unusable(&format!("the key is unusable: {error}")))?;
        let (_, pem) =
            parse_x509_pem(certificate_pem.as_bytes()).map_err(|error| unusable(&error.to_string()))?;
        let certificate = pem.parse_x509().map_err(|error| unusable(&error.to_string()))?;
        if certificate.public_key().raw != key.subject_public_key_info() {
            return Err(unusable("the key is that of another certificate"));
        }
        if !certificate.is_ca() {
            return Err(unusable("the certificate may issue no others"));
        }
        let names = certificate.subject_alternative_name().ok().flatten();
        let trust_domain = names.and_then(|names| {
            names.value.general_names.iter().find_map(|name| match name {
                GeneralName::URI(uri) => {
                    Some(SpiffeId::parse(uri.as_bytes()).ok()?.trust_domain().to_owned())
                }
                _ => None,
            })
        });
        let issuer = Issuer::from_ca_cert_pem(certificate_pem, key).map_err(broken)?;
        Ok(Self {
            issuer,
            certificate_pem: certificate_pem.to_owned(),
            key_pem: key_pem.to_owned(),
            trust_domain,
        })
    }

    /// The authority's own certificate.
    pub(crate) fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The authority's private key.
    pub(crate) fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// Demands the SPIFFE ID of a workload of this authority's own domain.
    fn check(&self, id: &str) -> Result<(), CredentialError> {
        let invalid = |why: &dyn std::fmt::Display| {
            CredentialError::Certificate(format!("invalid SPIFFE ID `{id}`: {why}"))
        };
        let parsed = SpiffeId::parse(id.as_bytes()).map_err(|error| invalid(&error))?;
        if parsed.path().is_empty() {
            return Err(invalid(&"expected a workload's, with a path, found that of the trust domain"));
        }
        match self.trust_domain.as_deref() {
            Some(domain) if domain != parsed.trust_domain() => {
                Err(invalid(&format!("expected one of the authority's trust domain `{domain}`")))
            }
            _ => Ok(()),
        }
    }

    /// Issues a certificate; with hosts it serves, and in any case it may call.
    pub(crate) fn issue(&self, subject: &Subject<'_>) -> Result<Svid, CredentialError> {
        subject.check()?;
        self.issue_client(subject)
    }

    /// Issues a certificate that may have no name at all.
    pub(crate) fn issue_client(&self, subject: &Subject<'_>) -> Result<Svid, CredentialError> {
        self.issue_for(subject, &KeyPair::generate().map_err(broken)?, None)
    }

    fn issue_for(
        &self,
        subject: &Subject<'_>,
        key: &KeyPair,
        valid: Option<(i64, i64)>,
    ) -> Result<Svid, CredentialError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        if let Some(name) = subject.name() {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        if let Some(id) = subject.spiffe_id {
            self.check(id)?;
            params.subject_alt_names.push(uri(id)?);
        }
        for host in subject.hosts {
            params.subject_alt_names.push(match host.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) if is_dns_name(host) => SanType::DnsName(host.as_str().try_into().map_err(broken)?),
                Err(_) => {
                    let message = format!("invalid host `{host}`, expected a DNS name or an IP address");
                    return Err(CredentialError::Certificate(message));
                }
            });
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        if !subject.hosts.is_empty() {
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        }
        if let Some((from, until)) = valid {
            let time = |seconds| ASN1Time::from_timestamp(seconds).map_err(broken);
            params.not_before = time(from)?.to_datetime();
            params.not_after = time(until)?.to_datetime();
        }
        let certificate = params.signed_by(key, &self.issuer).map_err(broken)?;
        Ok(Svid { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }
}

/// A certificate in PEM that follows from this randomness, by an authority of its own, for the time from and until these seconds since the
/// Unix epoch. Its keys are of Ed25519, whose signatures are the same each time.
pub(crate) fn issue_from(
    subject: &Subject<'_>,
    valid: (i64, i64),
    random: &mut impl CryptoRngCore,
) -> Result<String, CredentialError> {
    subject.check()?;
    let mut key = || {
        let pem = PrivateKey::generate_from(Algorithm::EdDsa, random)?.to_pem()?;
        KeyPair::from_pem(&pem).map_err(broken)
    };
    let id = subject.spiffe_id.and_then(|id| SpiffeId::parse(id.as_bytes()).ok());
    let trust_domain = id.as_ref().map_or("example.test", |id| id.trust_domain());
    let authority = Authority::with_key(trust_domain, key()?)?;
    Ok(authority.issue_for(subject, &key()?, Some(valid))?.certificate_pem)
}

/// A name that a certificate may carry (RFC 6125 §6.4): labels of letters, digits, `-` and `_`, the first perhaps `*`.
fn is_dns_name(host: &str) -> bool {
    let label = |label: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len())
            && label.bytes().all(plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253 && host.strip_prefix("*.").unwrap_or(host).split('.').all(label)
}

fn uri(text: &str) -> Result<SanType, CredentialError> {
    Ok(SanType::URI(text.try_into().map_err(broken)?))
}

fn broken(error: impl std::fmt::Display) -> CredentialError {
    CredentialError::Certificate(format!("cannot issue the certificate: {error}"))
}
