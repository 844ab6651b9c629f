//! Connections through a network filter: what passes each way, what the filter holds, how they end.

mod connection;
mod host;
mod worker;

pub(crate) use connection::Connection;
pub use connection::{CloseType, Connect, ConnectionOutcome, ConnectionState};
pub use host::ConnectionId;
pub(crate) use host::Connections;
