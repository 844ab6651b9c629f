//! One request.

use crate::host::{self, Level};
use crate::pairs;
use crate::root::Root;
use crate::vm::Action;
use countersign_core::exchange::{Event, Exchange, Flow, unwanted_trailers};
use countersign_core::request::{Peer, RequestHead};
use countersign_core::settings::Settings;

/// The context of one request.
pub(crate) struct Stream {
    root: u32,
    exchange: Exchange,
}

impl Stream {
    /// A request that has not begun.
    pub(crate) fn new(context: u32, root: u32) -> Self {
        Self { root, exchange: Exchange::new(context) }
    }

    /// The root context that it belongs to.
    pub(crate) fn root(&self) -> u32 {
        self.root
    }

    /// What becomes of it for now.
    pub(crate) fn flow(&self) -> Flow {
        self.exchange.flow()
    }

    /// Hands an event to its exchange; the host's calls must speak for it.
    pub(crate) fn event(&mut self, root: &mut Root, event: Event<'_>, now: u64) -> Flow {
        root.drive(&mut self.exchange, event, now)
    }

    /// Judges the request by its headers.
    pub(crate) fn headers(&mut self, root: &mut Root) -> Flow {
        let now = host::now();
        let serialized = host::request_headers().unwrap_or_default();
        // Headers that cannot be read are no headers: the core refuses a request without a method and a path.
        let headers = pairs::read(&serialized).unwrap_or_default();
        let certificate = certificate();
        let peer = certificate
            .as_ref()
            .map_or(Peer::Anonymous, |(uri_san, digest)| Peer::certificate(uri_san, digest.as_deref()));
        self.event(root, Event::RequestHeaders(RequestHead { headers: &headers, peer }), now)
    }

    /// Cleans the trailers, which then do as the request does, and breaks the request off where that cannot be done.
    pub(crate) fn trailers(&self, settings: Option<&Settings>, count: usize) -> Action {
        let cleaned = match settings {
            Some(settings) => clean_trailers(settings, count),
            None => Err(host::Refused(0)),
        };
        match cleaned {
            Ok(()) => self.flow().into(),
            Err(refused) => {
                host::log(
                    Level::Warn,
                    &format!(
                        "trailers could not be read or changed (status {}), the request is broken off",
                        refused.0
                    ),
                );
                host::close_request();
                Action::Pause
            }
        }
    }

    /// The stream is over. To an exchange that has ended that is no news.
    pub(crate) fn dropped(&mut self, root: &mut Root) {
        if self.flow() == Flow::Hold {
            self.event(root, Event::Dropped, host::now());
        }
    }
}

/// URI name and digest of the peer's certificate, if it presented one. A host that fails to say has presented one without
/// either, which no route with a question accepts.
fn certificate() -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let property = |path| host::property(path).ok().flatten();
    match host::property("connection\0mtls") {
        Ok(Some(mtls)) if mtls == [1] => Some((
            property("connection\0uri_san_peer_certificate").unwrap_or_default(),
            property("connection\0sha256_peer_certificate_digest"),
        )),
        Ok(_) => None,
        Err(_) => Some((Vec::new(), None)),
    }
}

/// Some servers read trailers as headers: none may carry an identity or a credential that nobody verified, or what the
/// configuration keeps from going upstream.
fn clean_trailers(settings: &Settings, count: usize) -> Result<(), host::Refused> {
    let serialized = host::request_trailers()?;
    let trailers = pairs::read(&serialized).unwrap_or_default();
    // A host that cuts off what is too much for it gives none at all.
    if trailers.len() < count {
        return Err(host::Refused(0));
    }
    let trailers = RequestHead { headers: &trailers, peer: Peer::Anonymous };
    for name in unwanted_trailers(&trailers, settings) {
        host::remove_request_trailer(name)?;
    }
    Ok(())
}
