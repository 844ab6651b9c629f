//! What all second parties have in common.

use super::ConfigError;
use super::issuers::bounded;
use super::keys::{MAX_TIMEOUT_MILLISECONDS, location};
use crate::party::PartySettings;
use crate::time::Span;

const LEAST_TIMEOUT_MILLISECONDS: u32 = 10;
const MAX_CALLS: u32 = 1_024;

/// How a party answers.
pub(super) struct Answers {
    /// In which form.
    pub(super) media_type: &'static str,
    /// Whether status 400 says something.
    pub(super) refuses_by_400: bool,
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
    Ok(PartySettings {
        endpoint: location("uri", uri, cluster)?,
        timeout: Span::from_millis(timeout),
        calls: usize::try_from(calls).unwrap_or(1),
        media_type: answers.media_type,
        refuses_by_400: answers.refuses_by_400,
    })
}
