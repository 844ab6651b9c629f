//! What a gateway tells filters of its peer's certificate.

use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::property::Properties;

/// The properties that Envoy gives a connection whose peer has shown this certificate (DER): `connection.mtls`, the digest, and of a
/// certificate that can be read the subject and the first URI and DNS name.
pub fn certificate_properties(der: &[u8]) -> Properties {
    let mut properties = Properties::new();
    properties.set("connection.mtls", true);
    let digest: String = Sha256::digest(der).iter().map(|b| format!("{b:02x}")).collect();
    properties.set("connection.sha256_peer_certificate_digest", digest);
    let Ok((_, parsed)) = X509Certificate::from_der(der) else { return properties };
    properties.set("connection.subject_peer_certificate", subject(&parsed));
    let names = parsed.subject_alternative_name().ok().flatten();
    for name in names.iter().flat_map(|n| &n.value.general_names) {
        let (path, text) = match name {
            GeneralName::URI(uri) => ("connection.uri_san_peer_certificate", *uri),
            GeneralName::DNSName(dns) => ("connection.dns_san_peer_certificate", *dns),
            _ => continue,
        };
        if properties.find(path).is_none() {
            properties.set(path, text);
        }
    }
    properties
}

/// The subject in the order and form of RFC 2253: last part first, commas between.
fn subject(certificate: &X509Certificate<'_>) -> String {
    let parts: Vec<String> = certificate
        .subject()
        .iter_attributes()
        .map(|a| {
            let name = x509_parser::objects::oid2abbrev(a.attr_type(), x509_parser::objects::oid_registry());
            let name = name.map_or_else(|_| a.attr_type().to_id_string(), str::to_owned);
            format!("{name}={}", escaped(a.as_str().unwrap_or_default()))
        })
        .collect();
    parts.into_iter().rev().collect::<Vec<_>>().join(",")
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
