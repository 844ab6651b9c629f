//! What `countersign serve` does beside serving: it looks after changed files, shows decisions in a page, and records requests.

pub(crate) mod admin;
pub(crate) mod clusters;
pub(crate) mod handles;
mod ledger;
mod observer;
pub(crate) mod reload;
pub(crate) mod secrets;
mod status;
pub(crate) mod tls;
mod view;

pub(crate) use ledger::Ledger;
pub(crate) use observer::{Observer, Recorder};
pub(crate) use status::{Board, Status};
pub(crate) use view::{audit, client_status};
