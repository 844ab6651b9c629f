//! A request that is tried out: the filter decides on it, and it goes nowhere.

use std::rc::Rc;
use std::time::Duration;

use super::driver::Driver;
use super::handle::{Next, Side};
use super::observe::{Ended, Exchange};
use crate::outcome::Request;

/// How long the filter may hold it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sends a whole request through the newest VM. `None` while there is no VM.
pub(super) async fn run(driver: &Rc<Driver>, request: &Request) -> Option<Exchange> {
    let handle = driver.open(request, true)?;
    let decided = tokio::time::timeout(PATIENCE, async {
        loop {
            match handle.request() {
                Next::Wait => handle.moved().await,
                Next::Pass => {
                    // Where the body goes is nowhere.
                    drop(handle.passed(Side::Request));
                    match handle.finished(Side::Request) {
                        Some(_) => return Next::Pass,
                        None => handle.moved().await,
                    }
                }
                next => return next,
            }
        }
    });
    let decided = decided.await;
    let status = |head: &crate::header_map::HeaderMap| {
        head.text(":status").and_then(|status| status.parse().ok()).unwrap_or(0)
    };
    match decided {
        Ok(Next::Pass | Next::More | Next::Wait) => {
            let head = handle.head(Side::Request);
            handle.note(|trace| {
                trace.exchange.forwarded = Some(head);
                trace.exchange.ended = Ended::Forwarded(0);
            });
        }
        Ok(Next::Reply) => {
            let (head, body) = (handle.head(Side::Response), handle.passed(Side::Response));
            handle.note(|trace| trace.answered(Ended::Replied(status(&head)), &head, &body));
        }
        Ok(Next::Reset) => handle.note(|trace| trace.exchange.ended = Ended::Reset),
        Ok(Next::Failed) => handle.note(|trace| trace.exchange.ended = Ended::Failed),
        Err(_) => {
            handle.note(|trace| trace.exchange.ended = Ended::Gateway(504, "the filter did not decide"))
        }
    }
    Some(handle.close()?.finish())
}
