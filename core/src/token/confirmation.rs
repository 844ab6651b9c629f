//! To whom a token is bound (RFC 7800 §3.1): `cnf`.

use crate::base64url;
use crate::json::{Object, Value};
use crate::reason::Reason;

/// To whom a token is bound; both may be named, and then both count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Confirmation {
    /// `jkt`: the thumbprint of the key that proofs are signed with (RFC 9449 §6.1).
    pub key: Option<[u8; 32]>,
    /// `x5t#S256`: the digest of the client certificate (RFC 8705 §3.1).
    pub certificate: Option<[u8; 32]>,
}

impl Confirmation {
    /// Reads `cnf`. Members that are not understood are ignored beside one that is; alone they bind the token in a way that
    /// cannot be checked, and that is an error.
    pub(super) fn read(claims: &Object<'_>) -> Result<Self, Reason> {
        let Some(value) = claims.get("cnf") else { return Ok(Self::default()) };
        let members = value.as_object().ok_or(Reason::TokenClaims)?;
        let mut confirmation = Self::default();
        for member in members.members() {
            let place = match &*member.name {
                "jkt" => &mut confirmation.key,
                "x5t#S256" => &mut confirmation.certificate,
                _ => continue,
            };
            *place = Some(digest(&member.value)?);
        }
        match confirmation == Self::default() {
            true => Err(Reason::BindingUnsupported),
            false => Ok(confirmation),
        }
    }

    /// How the token is bound, in a word.
    pub fn as_str(&self) -> &'static str {
        match (self.key, self.certificate) {
            (None, None) => "none",
            (Some(_), None) => "dpop",
            (None, Some(_)) => "certificate",
            (Some(_), Some(_)) => "dpop+certificate",
        }
    }
}

/// A SHA-256 digest in canonical base64url.
fn digest(value: &Value<'_>) -> Result<[u8; 32], Reason> {
    let text = value.as_str().ok_or(Reason::TokenClaims)?;
    base64url::decode_array(text.as_bytes()).map_err(|_| Reason::TokenClaims)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn read(cnf: &str) -> Result<Confirmation, Reason> {
        let document = alloc::format!(r#"{{"cnf":{cnf}}}"#);
        let value = json::parse(document.as_bytes(), &json::Limits::TOKEN).unwrap();
        Confirmation::read(value.as_object().unwrap())
    }

    #[test]
    fn what_binds_a_token_is_understood_or_refused() {
        let digest = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
        let both = alloc::format!(r#"{{"jkt":"{digest}","x5t#S256":"{digest}"}}"#);
        assert_eq!(read(&both).unwrap().as_str(), "dpop+certificate");
        assert_eq!(read(&alloc::format!(r#"{{"jkt":"{digest}"}}"#)).unwrap().as_str(), "dpop");
        for bad in ["7", "[]", "null", r#""x""#, r#"{"jkt":7}"#, r#"{"jkt":"short"}"#, r#"{"x5t#S256":null}"#]
        {
            assert_eq!(read(bad), Err(Reason::TokenClaims), "{bad}");
        }
        let padded = alloc::format!(r#"{{"jkt":"{digest}="}}"#);
        assert_eq!(read(&padded), Err(Reason::TokenClaims));
        let more = alloc::format!(r#"{{"kid":"a","jkt":"{digest}","jwk":7}}"#);
        assert_eq!(read(&more).unwrap().as_str(), "dpop");
        assert_eq!(read(&alloc::format!(r#"{{"jkt":7,"x5t#S256":"{digest}"}}"#)), Err(Reason::TokenClaims));
        for unknown in ["{}", r#"{"jwk":{}}"#, r#"{"kid":"a"}"#, r#"{"x5t":"a"}"#, r#"{"JKT":"a"}"#] {
            assert_eq!(read(unknown), Err(Reason::BindingUnsupported), "{unknown}");
        }
    }
}
