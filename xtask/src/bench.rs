//! `bench envoy`: Countersign beside Envoy's own filters.

use anyhow::{Result, bail};

use crate::setup;

/// To come with the filter.
pub(crate) fn envoy(_: &[String]) -> Result<()> {
    setup::wrk()?;
    bail!("`bench envoy` needs the filter, which is not there yet")
}
