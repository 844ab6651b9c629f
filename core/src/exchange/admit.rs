//! The first stage: which route the request takes, and which workload it comes from.

use super::forwarded;
use crate::authority;
use crate::config::Requirement;
use crate::path::CanonicalPath;
use crate::reason::Reason;
use crate::request::{Peer, RequestHead};
use crate::route::{Params, RouteLookup};
use crate::settings::{RouteSettings, Settings};
use crate::spiffe::SpiffeId;
use crate::xfcc;
use alloc::borrow::Cow;

/// A request whose path is canonical, whose route is known, and whose workload, if it has one, is trusted.
pub(super) struct Admitted<'a> {
    pub head: &'a RequestHead<'a>,
    pub method: &'a str,
    pub host: Cow<'a, str>,
    pub port: Option<u16>,
    pub path: CanonicalPath<'a>,
    pub params: Params<'a, 'a>,
    pub route: &'a RouteSettings,
    pub workload: Option<SpiffeId>,
    /// SHA-256 of the caller's certificate in DER, where the host or the forwarding proxy says it; nothing on a public route.
    pub certificate: Option<[u8; 32]>,
    /// Whether a listed proxy speaks for the workload.
    pub forwarded: bool,
}

/// The request line as far as it could be read: for the audit line, whatever comes of it.
#[derive(Default)]
pub(super) struct Seen<'a> {
    pub method: Option<&'a [u8]>,
    pub path: Option<&'a [u8]>,
    pub peer: Option<&'a [u8]>,
    pub route: Option<&'a str>,
}

/// Admits a request; `seen` gets what was read on the way.
pub(super) fn admit<'a>(
    head: &'a RequestHead<'a>,
    settings: &'a Settings,
    seen: &mut Seen<'a>,
) -> Result<Admitted<'a>, Reason> {
    if let Peer::Certificate { uri_san, .. } = head.peer {
        seen.peer = Some(uri_san);
    }
    let once = |name| head.single(name).map_err(|_| Reason::RequestHeaderDuplicate);
    let (method, target) = (once(":method")?, once(":path")?);
    seen.method = method;
    seen.path = target.map(|target| target.split(|byte| *byte == b'?').next().unwrap_or_default());
    let method = text(method)?;
    let path = CanonicalPath::parse(target.ok_or(Reason::RequestHeaderInvalid)?, &settings.paths)
        .map_err(|_| Reason::RequestPathInvalid)?;
    let host = match (once(":authority")?, once("host")?) {
        (Some(authority), Some(host)) if !authority.eq_ignore_ascii_case(host) => {
            return Err(Reason::RequestHeaderDuplicate);
        }
        (Some(host), _) | (None, Some(host)) => text(Some(host))?,
        (None, None) => return Err(Reason::RequestHeaderInvalid),
    };
    let (host, port) = authority::canonical(host).ok_or(Reason::RequestHeaderInvalid)?;
    let found = match settings.router.find(method, &path) {
        RouteLookup::Found(found) => found,
        RouteLookup::MethodNotAllowed(_) => return Err(Reason::RequestMethodUnmatched),
        RouteLookup::NotFound => return Err(Reason::RequestRouteUnmatched),
    };
    let route = settings.routes.get(found.index).ok_or(Reason::SystemInternal)?;
    seen.route = Some(&route.name);
    let Caller { workload, certificate, forwarded } = caller(head, route, settings)?;
    let params = found.params;
    Ok(Admitted { head, method, host, port, path, params, route, workload, certificate, forwarded })
}

fn text(value: Option<&[u8]>) -> Result<&str, Reason> {
    match value.map(core::str::from_utf8) {
        Some(Ok(text)) if !text.is_empty() => Ok(text),
        Some(_) | None => Err(Reason::RequestHeaderInvalid),
    }
}

/// The workload that calls, with the digest of its certificate.
#[derive(Default)]
struct Caller {
    workload: Option<SpiffeId>,
    certificate: Option<[u8; 32]>,
    forwarded: bool,
}

/// Who calls: the peer, or the one that it speaks for where it is a listed proxy. A certificate that is there must be good,
/// also where none is demanded; a public route asks for none and looks at none.
fn caller(head: &RequestHead<'_>, route: &RouteSettings, settings: &Settings) -> Result<Caller, Reason> {
    if route.question.is_none() {
        return Ok(Caller::default());
    }
    match head.peer {
        Peer::Anonymous => nobody(route.workload, Reason::TransportWorkloadMissing),
        Peer::Certificate { uri_san, sha256 } => {
            let peer = workload(uri_san, settings)?;
            // From anyone else the header is a client's, and not looked at.
            if settings.forwarding_peers.contains(&peer) {
                return forwarded(head, route.workload, settings);
            }
            Ok(Caller { workload: Some(peer), certificate: sha256, forwarded: false })
        }
    }
}

/// Nobody calls, where that may be.
fn nobody(demanded: Requirement, missing: Reason) -> Result<Caller, Reason> {
    match demanded {
        Requirement::Optional => Ok(Caller::default()),
        Requirement::Required => Err(missing),
    }
}

/// Who calls through a listed proxy.
fn forwarded(head: &RequestHead<'_>, demanded: Requirement, settings: &Settings) -> Result<Caller, Reason> {
    let header = head.single(xfcc::NAME).map_err(|_| Reason::RequestHeaderDuplicate)?;
    let Some(header) = header else { return nobody(demanded, Reason::TransportForwardedMissing) };
    match forwarded::client(header, &settings.forwarding_peers)? {
        None => nobody(demanded, Reason::TransportForwardedMissing),
        Some(client) => Ok(Caller {
            workload: Some(workload(&client.uri, settings)?),
            certificate: client.certificate,
            forwarded: true,
        }),
    }
}

/// The workload of this URI name: of a trusted domain.
fn workload(uri_san: &[u8], settings: &Settings) -> Result<SpiffeId, Reason> {
    let id = SpiffeId::parse(uri_san).map_err(|_| Reason::TransportWorkloadInvalid)?;
    // A trust domain alone names no workload (X.509-SVID §2).
    if id.path().is_empty() {
        return Err(Reason::TransportWorkloadInvalid);
    }
    let trusted = settings.trust_domains.iter().any(|domain| **domain == *id.trust_domain());
    if trusted { Ok(id) } else { Err(Reason::TransportWorkloadUntrusted) }
}
