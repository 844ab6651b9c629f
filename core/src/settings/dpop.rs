//! Proofs of possession: algorithms, ages, origins.

use super::ConfigError;
use super::issuers::{algorithms, bounded};
use crate::config;
use crate::crypto::Algorithm;
use crate::dpop::{self, Origin};
use crate::time::Span;
use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

const MAX_AGE_SECONDS: u32 = 300;
const MAX_SKEW_SECONDS: u32 = 60;
const MAX_NONCE_SECONDS: u32 = 3_600;
const MAX_REPLAY_ENTRIES: u32 = 1_048_576;
const MAX_ORIGINS: usize = 64;

/// What a proof of possession must look like.
pub struct DpopSettings {
    /// The algorithms that it may be signed with.
    pub algorithms: Vec<Algorithm>,
    /// The same in the words of a challenge.
    pub names: Box<str>,
    /// How old it may be.
    pub max_age: Span,
    /// How far from the future it may be.
    pub clock_skew: Span,
    /// How many are remembered.
    pub replay_entries: usize,
    /// How long a nonce serves; nothing where none is asked for.
    pub nonce_life: Option<Span>,
    /// Where clients find the gateway.
    pub(crate) origins: Vec<Origin>,
}

/// Checks and prepares it.
pub(super) fn prepare(dpop: &config::Dpop) -> Result<DpopSettings, ConfigError> {
    let seconds = |field, value, least, most| bounded(field, value, least, most).map(Span::from_secs);
    if dpop.origins.len() > MAX_ORIGINS {
        return Err(ConfigError::at("origins", format!("expected at most {MAX_ORIGINS} origins")));
    }
    let origin = |(index, text): (usize, &alloc::string::String)| {
        Origin::parse(text).ok_or_else(|| {
            let message = format!("expected an origin such as `https://api.bank.example`, found `{text}`");
            ConfigError::at(format!("origins[{index}]"), message)
        })
    };
    let algorithms = algorithms(&dpop.algorithms)?;
    let entries = bounded("replay_entries", dpop.replay_entries, 32, MAX_REPLAY_ENTRIES)?;
    let nonce = seconds("nonce_seconds", dpop.nonce_seconds, 0, MAX_NONCE_SECONDS)?;
    Ok(DpopSettings {
        names: dpop::names(&algorithms).into(),
        algorithms,
        max_age: seconds("max_age_seconds", dpop.max_age_seconds, 1, MAX_AGE_SECONDS)?,
        clock_skew: seconds("clock_skew_seconds", dpop.clock_skew_seconds, 0, MAX_SKEW_SECONDS)?,
        replay_entries: usize::try_from(entries).unwrap_or(usize::MAX),
        nonce_life: (nonce > Span::ZERO).then_some(nonce),
        origins: dpop.origins.iter().enumerate().map(origin).collect::<Result<_, _>>()?,
    })
}
