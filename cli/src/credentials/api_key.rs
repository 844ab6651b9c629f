//! API keys: random text, and the configuration's entry for it, which holds its hash alone.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use countersign_core::api_key;
use countersign_core::crypto::digest::sha256;
use countersign_core::spiffe::SpiffeId;
use rsa::rand_core::{OsRng, RngCore};
use serde_json::{Map, Value, json};

use super::CredentialError;

/// What every key begins with, so that scanners of repositories and logs can find one that got there.
const PREFIX: &str = "csk_";

/// A new key. Its `Debug` form does not show it.
pub(crate) struct ApiKey(String);

/// What a key's entry says beside its hash.
pub(crate) struct Entry<'a> {
    /// Its name.
    pub(crate) id: &'a str,
    /// The SPIFFE ID of its workload.
    pub(crate) workload: &'a str,
    /// The principal's Cedar type.
    pub(crate) principal_type: &'a str,
    /// The principal's roles.
    pub(crate) roles: &'a [String],
    /// The principal's attributes, as `name=value`.
    pub(crate) attributes: &'a [String],
    /// When it ends.
    pub(crate) not_after: Option<&'a str>,
}

impl ApiKey {
    /// A key of 256 random bits.
    pub(crate) fn generate() -> Self {
        let mut random = [0; 32];
        OsRng.fill_bytes(&mut random);
        Self(format!("{PREFIX}{}", BASE64URL.encode(random)))
    }

    /// The key's text: the one thing that tells it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// The key's entry in `api_keys.keys`.
    pub(crate) fn entry(&self, entry: &Entry<'_>) -> Result<Value, CredentialError> {
        let wrong = |message: String| Err(CredentialError::ApiKey(message));
        if !api_key::is_id(entry.id) {
            return wrong(format!("`--id`: expected {}, found `{}`", api_key::EXPECTED_ID, entry.id));
        }
        if SpiffeId::parse(entry.workload.as_bytes()).map_or(true, |id| id.path().is_empty()) {
            return wrong(format!(
                "`--workload`: expected the SPIFFE ID of a workload, such as `spiffe://bank.example/batch`, found `{}`",
                entry.workload
            ));
        }
        let mut principal = json!({ "type": entry.principal_type, "id": entry.id });
        if entry.roles.iter().any(String::is_empty) {
            return wrong("`--role`: expected the name of a role, found nothing".into());
        }
        if !entry.roles.is_empty() {
            principal["roles"] = json!(entry.roles);
        }
        let mut attributes = Map::new();
        for attribute in entry.attributes {
            match attribute.split_once('=') {
                Some((name, value)) => attributes.insert(name.to_owned(), json!(value)),
                None => return wrong(format!("`--attribute`: expected `name=value`, found `{attribute}`")),
            };
        }
        if !attributes.is_empty() {
            principal["attributes"] = Value::Object(attributes);
        }
        let mut made = json!({
            "id": entry.id, "sha256": self.sha256(), "workload": entry.workload, "principal": principal,
        });
        if let Some(time) = entry.not_after {
            let Some(end) = api_key::time(time) else {
                return wrong(format!("`--not-after`: expected {}, found `{time}`", api_key::EXPECTED_TIME));
            };
            if end <= crate::time::now() {
                return wrong(format!("`--not-after`: expected a time to come, found `{time}`"));
            }
            made["not_after"] = json!(time);
        }
        Ok(made)
    }

    /// Its hash, as an entry holds it.
    pub(crate) fn sha256(&self) -> String {
        sha256(self.0.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({})", self.sha256())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_long_random_and_of_the_format() {
        let keys: Vec<ApiKey> = (0..100).map(|_| ApiKey::generate()).collect();
        let texts: std::collections::BTreeSet<&str> = keys.iter().map(ApiKey::reveal).collect();
        assert_eq!(texts.len(), keys.len());
        for text in texts {
            assert!(text.starts_with(PREFIX) && text.len() == 47, "{text}");
            assert!(api_key::is_well_formed(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn a_debug_form_tells_no_key() {
        let key = ApiKey::generate();
        assert!(!format!("{key:?}").contains(&key.reveal()[8..]));
    }
}
