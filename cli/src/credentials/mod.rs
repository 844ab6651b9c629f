//! Test credentials: signing keys, tokens good and hostile, and X.509-SVIDs from a test authority.
//!
//! Nothing here is for production keys; [`key::PrivateKey`] and [`token::TokenBuilder`] mint what scenarios,
//! benchmarks and examples present to the gateway.

pub(crate) mod api_key;
pub(crate) mod file;
pub(crate) mod key;
pub(crate) mod lifetime;
pub(crate) mod pki;
pub(crate) mod proof;
pub(crate) mod token;

pub(crate) use file::read_key;
pub(crate) use key::{Algorithm, PrivateKey, algorithm, jwks};
pub(crate) use lifetime::resolve_time;
pub(crate) use proof::ProofBuilder;
pub(crate) use token::{Forgery, TokenBuilder};

/// Why a credential could not be made or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialError {
    /// The algorithm's name is none of those that Countersign verifies.
    #[error("unknown algorithm `{0}`, expected {names}", names = key::Algorithm::names())]
    Algorithm(String),
    /// The entry of an API key is not what it should be.
    #[error("{0}")]
    ApiKey(String),
    /// The text holds no private key of a supported kind.
    #[error("{0}")]
    Key(String),
    /// A point in time is not in one of the accepted forms.
    #[error(
        "invalid time `{0}`, expected `now`, an offset such as `+5m` or `-30s`, or seconds since the epoch"
    )]
    Time(String),
    /// The token could not be put together.
    #[error("{0}")]
    Token(String),
    /// A file could not be read or written.
    #[error("{0}")]
    File(String),
    /// The certificate could not be issued or read.
    #[error("{0}")]
    Certificate(String),
}
