//! A worker's root context: configuration, issuer keys, and requests that wait for them.

use crate::host::{self, Level};
use crate::shared::Shared;
use crate::stream::Stream;
use crate::telemetry::Telemetry;
use countersign_core::exchange::{Event, Flow};
use countersign_core::gateway::{Entropy, FetchAnswer, FetchId, Gateway, Notice};
use countersign_core::settings::Settings;
use countersign_core::time::Timestamp;
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// The root context.
pub(crate) struct Root {
    id: u32,
    shared: Rc<RefCell<Shared>>,
    calls: BTreeMap<u32, FetchId>,
}

impl Root {
    /// A worker that is not configured yet.
    pub(crate) fn new(id: u32) -> Self {
        Self { id, shared: Rc::default(), calls: BTreeMap::new() }
    }

    /// Begins due fetches, and wakes the requests whose wait is over.
    fn work(&mut self, shared: &mut Shared) {
        let now = host::now();
        let time = timestamp(now);
        let Some(gateway) = shared.gateway.as_mut() else { return };
        // The log level can be changed while the gateway runs; at the next tick, at the latest, we follow.
        gateway.set_audit(host::logs(Level::Info));
        gateway.tick(time);
        while let Some(fetch) = gateway.poll_fetch(time) {
            let headers = vec![
                (":method", "GET"),
                (":scheme", &*fetch.scheme),
                (":authority", &*fetch.authority),
                (":path", &*fetch.path),
                ("accept", "application/jwk-set+json, application/json"),
            ];
            let timeout = Duration::from_nanos(u64::try_from(fetch.timeout.as_nanos()).unwrap_or(0))
                .max(Duration::from_millis(1));
            match hostcalls::dispatch_http_call(&fetch.cluster, headers, None, vec![], timeout) {
                Ok(token) => {
                    self.calls.insert(token, fetch.id);
                }
                Err(status) => {
                    host::log(
                        Level::Warn,
                        &format!("cluster `{}` took no call for issuer keys: {status:?}", fetch.cluster),
                    );
                    gateway.fetch_done(fetch.id, None, time);
                }
            }
        }
        while let Some(notice) = shared.gateway.as_mut().and_then(Gateway::poll_notice) {
            match notice {
                Notice::Count(counter) => shared.telemetry.count(counter),
                Notice::Warn(message) => host::log(Level::Warn, &message),
                Notice::Wake(context) => wake(shared, context, Event::KeysSettled, now),
                Notice::TimedOut(context) => wake(shared, context, Event::Timeout, now),
            }
        }
        shared.telemetry.flush();
        let _ = host::set_effective_context(self.id);
        shared.schedule(time);
    }
}

fn wake(shared: &mut Shared, context: u32, event: Event<'_>, now: u64) {
    let Some(exchange) = shared.held.get(&context).cloned() else { return };
    // A stream the host no longer knows is gone; its `on_done` has said so, or will.
    if host::set_effective_context(context).is_err() {
        shared.held.remove(&context);
        return;
    }
    if shared.drive(&exchange, context, event, now) == Flow::Release
        && let Err(refused) = host::continue_request()
    {
        host::log(Level::Warn, &format!("a released request did not go on: status {}", refused.0));
    }
}

fn timestamp(nanos: u64) -> Timestamp {
    Timestamp::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
}

fn entropy() -> Result<Entropy, host::Refused> {
    let [a, b, c] =
        [host::random::<8>()?, host::random::<8>()?, host::random::<8>()?].map(u64::from_le_bytes);
    Ok(Entropy { decision_nonce: a, cache_key: (b, c) })
}

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, _: usize, body_size: usize, _: usize) {
        let Some(id) = self.calls.remove(&token) else { return };
        let shared = Rc::clone(&self.shared);
        let Ok(mut shared) = shared.try_borrow_mut() else { return };
        if let Some(gateway) = shared.gateway.as_mut() {
            let answer = host::call_response_status().map(|status| FetchAnswer {
                status,
                body: if body_size > gateway.max_fetch_bytes() {
                    Vec::new()
                } else {
                    host::call_response_body(body_size).unwrap_or_default()
                },
            });
            gateway.fetch_done(id, answer, timestamp(host::now()));
        }
        self.work(&mut shared);
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        let Ok(mut shared) = self.shared.try_borrow_mut() else { return false };
        let settings = match host::plugin_configuration() {
            Ok(bytes) => Settings::load(&bytes),
            Err(refused) => {
                host::log(Level::Error, &format!("configuration: the host gave none (status {})", refused.0));
                return false;
            }
        };
        let entropy = match entropy() {
            Ok(entropy) => entropy,
            Err(refused) => {
                host::log(
                    Level::Error,
                    &format!("the host gave no randomness (status {}), which the filter needs", refused.0),
                );
                return false;
            }
        };
        match settings {
            Ok(settings) => {
                let mut gateway = Gateway::new(settings, entropy);
                gateway.set_audit(host::logs(Level::Info));
                shared.gateway = Some(gateway);
                shared.telemetry = Telemetry::define();
                // Calls out are not allowed while configuring; the first tick makes them.
                shared.schedule(timestamp(host::now()));
                true
            }
            Err(error) => {
                host::log(Level::Error, &format!("configuration: {error}"));
                false
            }
        }
    }

    fn on_tick(&mut self) {
        let shared = Rc::clone(&self.shared);
        if let Ok(mut shared) = shared.try_borrow_mut() {
            self.work(&mut shared);
        }
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream::new(id, Rc::clone(&self.shared))))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}
