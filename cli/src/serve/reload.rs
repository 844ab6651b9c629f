//! Changed files are taken up while the gateway runs; what cannot run leaves what does.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Weak};
use std::time::Duration;

use countersign_host_sim::serve::{Endpoint, Gateway};

use super::Ledger;
use super::clusters::clusters;
use super::status::Board;
use super::tls::TlsArgs;
use crate::changes::Changes;
use crate::console::{GOOD, HINT, say};
use crate::failure::Failure;
use crate::plugin::PluginArgs;

/// How often files are looked at where nothing is noticed.
const EVERY: Duration = Duration::from_secs(1);

/// What has a look at files taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trigger {
    /// Something may have changed.
    Noticed,
    /// Somebody asks for it.
    Asked,
    /// The gateway ends.
    Ended,
}

/// Looks after what a gateway runs.
pub(crate) struct Reloader {
    /// What runs.
    pub(crate) plugin: PluginArgs,
    /// What TLS is done with.
    pub(crate) tls: TlsArgs,
    /// What tells the certificates that are in use from others.
    pub(crate) certificates: [u8; 32],
    /// The clusters that were named.
    pub(crate) named: Vec<(String, Endpoint)>,
    /// The gateway, until it ends.
    pub(crate) gateway: Weak<Gateway>,
    /// Where the outcome is told.
    pub(crate) board: Arc<Board>,
    /// Who is shown it.
    pub(crate) ledger: Arc<Ledger>,
    /// Whether files are watched, or reloads only asked for.
    pub(crate) watches: bool,
}

impl Reloader {
    /// Takes up changes of these files until it is told to end.
    pub(crate) fn run(
        &mut self,
        files: Vec<std::path::PathBuf>,
        triggers: &Receiver<Trigger>,
        noticed: Sender<Trigger>,
    ) {
        let notice = move || {
            // Nobody to tell is nobody to look.
            let _ = noticed.send(Trigger::Noticed);
        };
        let mut changes = self.watches.then(|| Changes::new(files, notice));
        loop {
            let asked = match triggers.recv_timeout(EVERY) {
                Ok(Trigger::Ended) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(Trigger::Asked) => true,
                Ok(Trigger::Noticed) | Err(RecvTimeoutError::Timeout) => false,
            };
            let changed = changes.as_mut().is_some_and(|changes| !changes.take().is_empty());
            if !asked && !changed {
                continue;
            }
            let renewed = self.renew();
            let mut failed = None;
            if let Err(failure) = &renewed {
                failure.print();
                say!("  {HINT}the certificates stay{HINT:#}");
                failed = Some(failure.told());
            }
            match self.reload(asked && matches!(renewed, Ok(false))) {
                Ok(files) => {
                    if let Some(changes) = &mut changes {
                        changes.follow([files, self.tls.files()].concat());
                    }
                }
                Err(failure) => {
                    failure.print();
                    let generation = self.board.status().generation;
                    say!("  {HINT}generation {generation} stays{HINT:#}");
                    failed = Some(failure.told());
                }
            }
            if failed.is_some() {
                self.board.failed(failed);
            }
            self.ledger.tell_state(&self.board.data());
        }
    }

    /// Takes other certificates up, where there are any.
    fn renew(&mut self) -> Result<bool, Failure> {
        let certificates = self.tls.load()?;
        if certificates.digest == self.certificates {
            return Ok(false);
        }
        let Some(gateway) = self.gateway.upgrade() else { return Ok(false) };
        gateway
            .reload_tls(certificates.tls.as_ref(), certificates.upstream.as_ref())
            .map_err(|error| Failure::usage(error.to_string()))?;
        self.certificates = certificates.digest;
        say!("{GOOD}reloaded{GOOD:#} certificates");
        Ok(true)
    }

    /// Reads, checks and tries what is there now; the files that it was read from.
    fn reload(&self, asked: bool) -> Result<Vec<std::path::PathBuf>, Failure> {
        let plugin = self.plugin.load()?;
        let named: BTreeMap<String, Endpoint> = match &plugin.config {
            Some(config) => clusters(&self.named, config, self.tls.calls())?,
            None => self.named.iter().cloned().collect(),
        };
        let status = self.board.status();
        if plugin.digest == status.digest {
            self.board.failed(None);
            if asked || status.error.is_some() {
                say!("{HINT}nothing has changed{HINT:#}");
            }
            return Ok(plugin.files);
        }
        let Some(gateway) = self.gateway.upgrade() else { return Ok(plugin.files) };
        let generation =
            gateway.reload(plugin.host, &named).map_err(|error| Failure::at(plugin.module.name(), error))?;
        self.ledger.mask_with(self.ledger.secrets().under(plugin.config.as_ref()));
        self.board.runs(generation, &plugin.digest);
        say!(
            "{GOOD}reloaded{GOOD:#} generation {generation}, {}",
            plugin.digest.get(..16).unwrap_or_default()
        );
        Ok(plugin.files)
    }
}
