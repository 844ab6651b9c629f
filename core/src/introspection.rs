//! Asking an issuer about its opaque tokens (RFC 7662).

use crate::call::Form;
use crate::party::PartySettings;
use crate::time::Span;
use alloc::boxed::Box;

/// An issuer's introspection endpoint.
#[derive(Clone, Debug)]
pub struct IntrospectionSettings {
    /// Where and how it is asked.
    pub party: PartySettings,
    /// `client_id`, where the issuer wants it in the form.
    pub client_id: Option<Box<str>>,
    /// To whom an answer must be signed, where it must be (RFC 9701).
    pub signed_for: Option<Box<str>>,
    /// How long the answer that a token is active serves.
    pub active: Span,
    /// How long a refusal serves.
    pub inactive: Span,
}

impl IntrospectionSettings {
    /// The question about a token (RFC 7662 §2.1).
    pub(crate) fn question(&self, token: &[u8]) -> Form {
        let form = Form::new().with("token", token).with("token_type_hint", b"access_token");
        match &self.client_id {
            Some(client) => form.with("client_id", client.as_bytes()),
            None => form,
        }
    }
}
