//! What all second parties have in common.

use super::ConfigError;
use super::issuers::bounded;
use super::keys::{MAX_TIMEOUT_MILLISECONDS, location};
use crate::party::PartySettings;
use crate::time::Span;
use alloc::format;
use alloc::string::String;

const LEAST_TIMEOUT_MILLISECONDS: u32 = 10;
const MAX_CALLS: u32 = 1_024;

/// Of what secrets are called, without what stands between the words.
const SECRETS: [&str; 8] =
    ["secret", "password", "passwd", "assertion", "apikey", "privatekey", "credential", "passphrase"];

/// How a party answers.
pub(super) struct Answers {
    /// In which form.
    pub(super) media_type: &'static str,
    /// Whether status 400 says something.
    pub(super) refuses_by_400: bool,
}

/// Whether a field of this name is likely to hold a secret, which belongs into the gateway's own store.
pub(super) fn names_secret(name: &str) -> bool {
    let name: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    SECRETS.iter().any(|word| name.contains(word))
}

/// Checks where and how a party is asked.
pub(super) fn party(
    cluster: &str,
    uri: &str,
    timeout_milliseconds: u32,
    calls: u32,
    answers: Answers,
) -> Result<PartySettings, ConfigError> {
    let timeout = bounded(
        "timeout_milliseconds",
        timeout_milliseconds,
        LEAST_TIMEOUT_MILLISECONDS,
        MAX_TIMEOUT_MILLISECONDS,
    )?;
    let calls = bounded("calls", calls, 1, MAX_CALLS)?;
    let query = uri.split_once('?').map(|(_, query)| query).unwrap_or_default();
    let mut names = query.split('&').filter_map(|field| field.split('=').next());
    if let Some(name) = names.find(|name| names_secret(name)) {
        let message =
            format!("expected no secret in the address, found `{name}`: the gateway adds it to the call");
        return Err(ConfigError::at("uri", message));
    }
    Ok(PartySettings {
        endpoint: location("uri", uri, cluster)?,
        timeout: Span::from_millis(timeout),
        calls: usize::try_from(calls).unwrap_or(1),
        media_type: answers.media_type,
        refuses_by_400: answers.refuses_by_400,
    })
}
