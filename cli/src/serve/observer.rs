//! Takes exchanges from the workers, and hands them to the page and the recording on a thread of its own.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use countersign_host_sim::serve::{Exchange, ExchangeSink};

use super::ledger::Ledger;

/// Exchanges that may wait. Beyond, the page misses some, and a recording has the workers wait.
const WAITING: usize = 4096;

/// Something that is told of every exchange.
pub(crate) trait Recorder: Send {
    /// Writes it down.
    fn record(&mut self, exchange: &Exchange);
}

/// The thread that takes exchanges.
pub(crate) struct Observer {
    thread: Option<JoinHandle<()>>,
}

impl Observer {
    /// Starts it; what the gateway is given. It ends when that is dropped.
    pub(crate) fn start(
        ledger: Option<Arc<Ledger>>,
        mut recorder: Option<Box<dyn Recorder>>,
    ) -> std::io::Result<(Self, ExchangeSink)> {
        let (sender, exchanges) = sync_channel::<Exchange>(WAITING);
        let all = recorder.is_some();
        let run = move || {
            for exchange in exchanges {
                if let Some(recorder) = &mut recorder {
                    recorder.record(&exchange);
                }
                if let Some(ledger) = &ledger {
                    ledger.add(exchange, None);
                }
            }
        };
        let thread = std::thread::Builder::new().name("observer".into()).spawn(run)?;
        let sink: ExchangeSink = Arc::new(move |exchange| send(&sender, exchange, all));
        Ok((Self { thread: Some(thread) }, sink))
    }

    /// Waits until all that was handed over is written.
    pub(crate) fn end(mut self) {
        // A thread that panicked has said so itself.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn send(sender: &SyncSender<Exchange>, exchange: Exchange, all: bool) {
    match sender.try_send(exchange) {
        Err(TrySendError::Full(exchange)) if all => drop(sender.send(exchange)),
        // The page may miss one; the audit line was written all the same.
        Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
    }
}
