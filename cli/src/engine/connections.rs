//! Connections through a gateway that really runs, with a module as a network filter.

use super::{Activity, EngineError};
use countersign_host_sim::{CloseType, ConnectionOutcome, PropertyValue};
use std::collections::BTreeMap;

/// A gateway that connections are driven through, whose time passes by itself. Connections go by their numbers.
pub(crate) trait Connections {
    /// A step begins: what it counts, it counts from here.
    fn begin(&mut self) -> Result<(), EngineError>;

    /// A client connects that shows itself as these properties say.
    fn connect(&mut self, properties: &BTreeMap<String, PropertyValue>) -> Result<usize, EngineError>;

    /// The client or the upstream sends; `end` says that it sends no more.
    fn send(
        &mut self,
        connection: usize,
        from_client: bool,
        bytes: &[u8],
        end: bool,
    ) -> Result<(), EngineError>;

    /// The client goes away, or the gateway closes the connection.
    fn close(&mut self, connection: usize, how: CloseType) -> Result<(), EngineError>;

    /// Where a connection stands, or stood when it ended. What the filter holds is not seen.
    fn outcome(&mut self, connection: usize) -> Result<ConnectionOutcome, EngineError>;

    /// What the module did since the last account.
    fn activity(&mut self) -> Result<Activity, EngineError>;

    /// What [`Connections::activity`] told last is accounted for.
    fn account(&mut self);
}
