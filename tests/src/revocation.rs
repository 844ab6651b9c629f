//! What an issuer publishes about tokens that it took back, signed by a key of the tests.

use anyhow::Result;
pub use countersign_cli::revocation::{Feed, StatusList, status};
use serde_json::Value;

use crate::mint::SigningKey;

/// A document that an issuer signs.
pub trait Publish {
    /// The document, issued then.
    fn sign(&self, key: &SigningKey, issued: i64) -> Result<String>;
}

impl Publish for StatusList {
    fn sign(&self, key: &SigningKey, issued: i64) -> Result<String> {
        key.sign_typed(Self::TYPE, &key.kid, &Value::Object(self.claims(issued)))
    }
}

impl Publish for Feed {
    fn sign(&self, key: &SigningKey, issued: i64) -> Result<String> {
        key.sign_typed(Self::TYPE, &key.kid, &Value::Object(self.claims(issued)))
    }
}
