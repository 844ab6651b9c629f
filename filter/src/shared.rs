//! What the workers of the gateway share, through the host.

use crate::abi::CAS_MISMATCH;
use crate::host;
use countersign_core::shared::{Entry, NotWritten, SharedData, Unavailable};

/// A number that no host gives: with it, only what does not stand there yet is written. (0 would write in any case.)
const NEVER_GIVEN: u32 = u32::MAX;

/// The host's shared data.
pub(crate) struct Host;

impl SharedData for Host {
    fn get(&self, name: &str) -> Result<Option<Entry>, Unavailable> {
        match host::shared_data(name) {
            Ok(Some((bytes, version))) => Ok(Some(Entry { bytes, version })),
            Ok(None) => Ok(None),
            Err(_) => Err(Unavailable),
        }
    }

    fn set(&self, name: &str, bytes: &[u8], version: Option<u32>) -> Result<(), NotWritten> {
        host::set_shared_data(name, bytes, version.unwrap_or(NEVER_GIVEN)).map_err(|refused| {
            if refused.0 == CAS_MISMATCH { NotWritten::Changed } else { NotWritten::Unavailable }
        })
    }
}
