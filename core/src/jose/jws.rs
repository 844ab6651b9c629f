//! JWS in the compact serialization (RFC 7515 §7.1), read strictly.

use crate::{
    base64url::{self, Base64Error},
    crypto::Algorithm,
    json::{self, JsonError, Object, Value},
};
use alloc::{string::String, vec::Vec};
use core::fmt;

/// A compact JWS taken apart. The signature is not verified, so nothing in here is to be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jws<'a> {
    /// The protected header.
    pub header: Header,
    /// What was signed: header and payload as they stand in the token, with the dot between them (RFC 7515 §5.2).
    pub signing_input: &'a [u8],
    /// The payload, decoded.
    pub payload: Vec<u8>,
    /// The signature, decoded. Its length is for the verifier to judge.
    pub signature: Vec<u8>,
}

/// The members of the protected header that have a meaning here (RFC 7515 §4.1). Others are ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// `alg`
    pub algorithm: Algorithm,
    /// `kid`
    pub kid: Option<String>,
    /// `typ`, as written
    pub typ: Option<String>,
    /// `cty`, as written
    pub cty: Option<String>,
    /// Whether there are members beside `alg`, `kid`, `typ` and `cty`. They have no meaning here.
    pub has_others: bool,
}

/// Why a text is no acceptable compact JWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwsError {
    /// No `alg`.
    AlgorithmMissing,
    /// `alg` is `none`, in whatever case.
    AlgorithmNone,
    /// `alg` is an HMAC, whose key would have to be shared with the verifier.
    AlgorithmSymmetric,
    /// `alg` is a string that names nothing accepted here.
    AlgorithmUnsupported,
    /// There is a `b64` member (RFC 7797); payloads are always encoded here.
    B64,
    /// `crit` is not a list as RFC 7515 §4.1.11 wants it.
    CritMalformed,
    /// `crit` asks for an extension; none is understood.
    CritUnsupported,
    /// Nothing at all.
    Empty,
    /// Five segments: an encrypted token (RFC 7516).
    Encrypted,
    /// The header is not canonical base64url.
    HeaderEncoding(Base64Error),
    /// The header is not acceptable JSON.
    HeaderJson(JsonError),
    /// The header is JSON, but not an object.
    HeaderNotObject,
    /// A header member has the wrong type.
    HeaderType {
        /// The member.
        member: &'static str,
    },
    /// The payload is not canonical base64url.
    PayloadEncoding(Base64Error),
    /// Not three segments.
    Segments,
    /// The signature is not canonical base64url.
    SignatureEncoding(Base64Error),
    /// The signature is empty.
    SignatureMissing,
    /// Longer than the limit.
    TooLarge,
}

impl<'a> Jws<'a> {
    /// Takes a token of at most `max_bytes` bytes apart.
    ///
    /// Three segments, each canonical base64url, the header strict JSON. The header and the signature can't be empty; the
    /// payload can. The payload is not read.
    pub fn parse(token: &'a [u8], max_bytes: usize) -> Result<Self, JwsError> {
        if token.is_empty() {
            return Err(JwsError::Empty);
        }
        if token.len() > max_bytes {
            return Err(JwsError::TooLarge);
        }
        let [header, payload, signature, signing_input] = segments(token)?;

        let header = Header::parse(header, Header::read)??;

        let payload = base64url::decode(payload).map_err(JwsError::PayloadEncoding)?;
        if signature.is_empty() {
            return Err(JwsError::SignatureMissing);
        }
        let signature = base64url::decode(signature).map_err(JwsError::SignatureEncoding)?;
        Ok(Self { header, signing_input, payload, signature })
    }
}

/// Header, payload and signature as encoded, and what was signed.
pub(crate) fn segments(token: &[u8]) -> Result<[&[u8]; 4], JwsError> {
    let mut parts = token.splitn(6, |&byte| byte == b'.');
    match (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(header), Some(payload), Some(signature), None, None, None) => {
            let signed = header.len() + 1 + payload.len();
            Ok([header, payload, signature, token.get(..signed).unwrap_or_default()])
        }
        (_, _, _, _, Some(_), None) => Err(JwsError::Encrypted),
        _ => Err(JwsError::Segments),
    }
}

/// Whether a media type is `name` (RFC 7515 §4.1.9): compared without regard to case, and without its optional `application/`.
pub(crate) fn is_type(typ: &str, name: &str) -> bool {
    name.eq_ignore_ascii_case(bare_type(typ))
}

/// A media type without its optional `application/`.
pub(crate) fn bare_type(typ: &str) -> &str {
    match typ.get(..12) {
        Some(prefix) if prefix.eq_ignore_ascii_case("application/") => typ.get(12..).unwrap_or_default(),
        _ => typ,
    }
}

impl Header {
    /// Takes an encoded header apart for `read`.
    pub(crate) fn parse<T>(encoded: &[u8], read: impl FnOnce(&Object<'_>) -> T) -> Result<T, JwsError> {
        let header = base64url::decode(encoded).map_err(JwsError::HeaderEncoding)?;
        let limits = json::Limits { max_bytes: header.len(), ..json::Limits::TOKEN };
        let header = json::parse(&header, &limits).map_err(JwsError::HeaderJson)?;
        Ok(read(header.as_object().ok_or(JwsError::HeaderNotObject)?))
    }

    /// Reads the members of a protected header.
    pub fn read(object: &Object<'_>) -> Result<Self, JwsError> {
        let text = |member: &'static str| match object.get(member) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(String::from(&**text))),
            Some(_) => Err(JwsError::HeaderType { member }),
        };
        if object.contains("b64") {
            return Err(JwsError::B64);
        }
        if let Some(crit) = object.get("crit") {
            return Err(match is_well_formed_crit(crit, object) {
                true => JwsError::CritUnsupported,
                false => JwsError::CritMalformed,
            });
        }
        let known = ["alg", "kid", "typ", "cty"];
        let has_others = object.members().iter().any(|member| !known.contains(&&*member.name));
        Ok(Self {
            algorithm: algorithm(object)?,
            kid: text("kid")?,
            typ: text("typ")?,
            cty: text("cty")?,
            has_others,
        })
    }
}

fn algorithm(object: &Object<'_>) -> Result<Algorithm, JwsError> {
    let name = match object.get("alg") {
        None => return Err(JwsError::AlgorithmMissing),
        Some(value) => value.as_str().ok_or(JwsError::HeaderType { member: "alg" })?,
    };
    if let Some(algorithm) = Algorithm::from_name(name) {
        return Ok(algorithm);
    }
    Err(if name.eq_ignore_ascii_case("none") {
        JwsError::AlgorithmNone
    } else if matches!(name, "HS256" | "HS384" | "HS512") {
        JwsError::AlgorithmSymmetric
    } else {
        JwsError::AlgorithmUnsupported
    })
}

/// Not empty, only strings, each once, each present in the header and none of the standard's own (RFC 7515 §4.1.11).
fn is_well_formed_crit(crit: &Value<'_>, object: &Object<'_>) -> bool {
    const STANDARD: [&str; 11] =
        ["alg", "crit", "cty", "jku", "jwk", "kid", "typ", "x5c", "x5t", "x5t#S256", "x5u"];
    let Some(names) = crit.as_array() else {
        return false;
    };
    // More names than header members can't all be present once; this also bounds the comparisons.
    if names.is_empty() || names.len() > object.len().min(32) {
        return false;
    }
    names.iter().enumerate().all(|(i, name)| {
        name.as_str().is_some_and(|text| {
            object.contains(text)
                && !STANDARD.contains(&text)
                && !names.iter().take(i).any(|earlier| earlier == name)
        })
    })
}

impl fmt::Display for JwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlgorithmMissing => f.write_str("header has no `alg`"),
            Self::AlgorithmNone => f.write_str("`alg` is `none`"),
            Self::AlgorithmSymmetric => f.write_str("`alg` is an hmac"),
            Self::AlgorithmUnsupported => f.write_str("`alg` is not supported"),
            Self::B64 => f.write_str("`b64` is not supported"),
            Self::CritMalformed => f.write_str("`crit` is malformed"),
            Self::CritUnsupported => f.write_str("`crit` asks for an unknown extension"),
            Self::Empty => f.write_str("empty token"),
            Self::Encrypted => f.write_str("encrypted token"),
            Self::HeaderEncoding(error) => write!(f, "header: {error}"),
            Self::HeaderJson(error) => write!(f, "header: {error}"),
            Self::HeaderNotObject => f.write_str("header is not an object"),
            Self::HeaderType { member } => write!(f, "header member `{member}` has the wrong type"),
            Self::PayloadEncoding(error) => write!(f, "payload: {error}"),
            Self::Segments => f.write_str("expected three segments"),
            Self::SignatureEncoding(error) => write!(f, "signature: {error}"),
            Self::SignatureMissing => f.write_str("signature is missing"),
            Self::TooLarge => f.write_str("token beyond the size limit"),
        }
    }
}

impl core::error::Error for JwsError {}
