//! One request.

use crate::shared::Shared;
use crate::{host, pairs};
use countersign_core::exchange::{Event, Exchange, Flow};
use countersign_core::request::{Peer, RequestHead};
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;
use std::cell::RefCell;
use std::rc::Rc;

/// The context of one request.
pub(crate) struct Stream {
    id: u32,
    shared: Rc<RefCell<Shared>>,
    exchange: Rc<RefCell<Exchange>>,
}

impl Stream {
    /// A request that has not begun.
    pub(crate) fn new(id: u32, shared: Rc<RefCell<Shared>>) -> Self {
        Self { id, shared, exchange: Rc::new(RefCell::new(Exchange::new(id))) }
    }

    /// A gateway may offer what follows the headers while they are held, and takes the headers along with the first part
    /// that passes (Envoy's `allow_on_headers_stop_iteration`).
    fn pass_if_released(&self) -> Action {
        match self.exchange.try_borrow().map(|exchange| exchange.flow()) {
            Ok(Flow::Release) => Action::Continue,
            Ok(Flow::Hold | Flow::Closed) | Err(_) => Action::Pause,
        }
    }
}

impl Context for Stream {}

/// The host deletes the context of a stream that is over, however it ended.
impl Drop for Stream {
    fn drop(&mut self) {
        // An exchange that does not wait has ended already; to it the end of its stream is no news.
        if let Ok(mut shared) = self.shared.try_borrow_mut()
            && shared.held.contains_key(&self.id)
        {
            shared.drive(&self.exchange, self.id, Event::Dropped, host::now());
        }
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let flow = match self.shared.try_borrow_mut() {
            Ok(mut shared) => judge(&mut shared, &self.exchange, self.id),
            Err(_) => Flow::Closed,
        };
        match flow {
            Flow::Release => Action::Continue,
            Flow::Hold | Flow::Closed => Action::Pause,
        }
    }

    fn on_http_request_body(&mut self, _: usize, _: bool) -> Action {
        self.pass_if_released()
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        self.pass_if_released()
    }
}

fn judge(shared: &mut Shared, exchange: &Rc<RefCell<Exchange>>, id: u32) -> Flow {
    let now = host::now();
    let serialized = host::request_headers().unwrap_or_default();
    // Headers that cannot be read are no headers: the core refuses a request without a method and a path.
    let headers = pairs::read(&serialized).unwrap_or_default();
    let uri_san;
    let peer = if host::property("connection\0mtls").is_some_and(|value| value == [1]) {
        uri_san = host::property("connection\0uri_san_peer_certificate").unwrap_or_default();
        Peer::Certificate { uri_san: &uri_san }
    } else {
        Peer::Anonymous
    };
    shared.drive(exchange, id, Event::RequestHeaders(RequestHead { headers: &headers, peer }), now)
}
