//! Takes exchanges from the workers: the page's go straight into the ledger, a recording is written on a thread of its own.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;

use countersign_host_sim::serve::{Exchange, ExchangeSink};

use super::ledger::Ledger;

/// Exchanges that may wait to be written down. Beyond, the workers wait.
const WAITING: usize = 4096;

/// Something that is told of every exchange.
pub(crate) trait Recorder: Send {
    /// Writes it down.
    fn record(&mut self, exchange: &Exchange);
}

/// The thread that writes exchanges down, where any is.
pub(crate) struct Observer {
    thread: Option<JoinHandle<()>>,
}

impl Observer {
    /// Starts it; what the gateway is given. It ends when that is dropped.
    pub(crate) fn start(
        ledger: Option<Arc<Ledger>>,
        recorder: Option<Box<dyn Recorder>>,
    ) -> std::io::Result<(Self, ExchangeSink)> {
        let Some(mut recorder) = recorder else {
            let sink: ExchangeSink = Arc::new(move |exchange| {
                if let Some(ledger) = &ledger {
                    ledger.add(Arc::new(exchange), None);
                }
            });
            return Ok((Self { thread: None }, sink));
        };
        let (sender, exchanges) = sync_channel::<Arc<Exchange>>(WAITING);
        let run = move || exchanges.into_iter().for_each(|exchange| recorder.record(&exchange));
        let thread = std::thread::Builder::new().name("recorder".into()).spawn(run)?;
        let sink: ExchangeSink = Arc::new(move |exchange| {
            let exchange = Arc::new(exchange);
            if let Some(ledger) = &ledger {
                ledger.add(Arc::clone(&exchange), None);
            }
            // Only a thread that panicked takes no more, and it has said so itself.
            let _ = sender.send(exchange);
        });
        Ok((Self { thread: Some(thread) }, sink))
    }

    /// Waits until all that was handed over is written.
    pub(crate) fn end(mut self) {
        // A thread that panicked has said so itself.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
