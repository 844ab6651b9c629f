//! Connections that real clients can make.

use super::{MAKES_UP, MOVES};
use crate::scenario::format::{Case, ConnectSpec, File, Peer, Property, Turn};
use crate::scenario::short::Short;
use crate::time;
use countersign_host_sim::PropertyValue;
use std::collections::BTreeMap;
use std::time::Duration;

/// For so long, in all, a gateway that really runs is waited for where time passes on a connection.
const WAITS: Duration = Duration::from_secs(2);

/// The version of TLS that real clients speak.
const VERSION: &[u8] = b"TLSv1.3";

/// The property by which a client of TLS asks for a server.
const SERVER_NAME: &str = "connection.requested_server_name";

/// Why the connections of a case say nothing to a gateway that really runs, if they do not.
pub(super) fn unfit(case: &Case, file: &File) -> Option<&'static str> {
    let transfers = case.steps.iter().filter_map(|step| step.transfer.as_ref());
    let turns = connects(case).flat_map(|connect| &connect.exchange);
    let turns = turns.chain(transfers.flat_map(|transfer| &transfer.exchange));
    let passes = |turn: &Turn| turn.advance.as_deref().and_then(time::span).unwrap_or_default();
    if turns.map(passes).sum::<Duration>() > WAITS {
        return Some(MOVES);
    }
    let told = |(path, value): (&String, &Option<Property>)| {
        value.as_ref().is_none_or(|value| is_told_by_tls(path, &value.0))
    };
    if !properties(case, file).all(told) {
        return Some(MAKES_UP);
    }
    peers(case, file).find_map(|peer| of_peer(peer, file))
}

/// Why nobody can show himself so to a gateway that really runs, if that is so.
fn of_peer(peer: &Peer, file: &File) -> Option<&'static str> {
    let Short::Whole(peer) = peer else { return None };
    let certificate = peer.certificate.as_ref().and_then(|name| file.certificates.get(name));
    if certificate.is_some_and(|spec| spec.pem.is_some() || spec.file.is_some()) {
        return Some("it shows a certificate without its private key");
    }
    let made_up = peer.properties().any(|(path, value)| !is_told_by_tls(&path, &value));
    made_up.then_some(MAKES_UP)
}

/// Whether a real client of TLS can have a gateway tell this of its connection.
fn is_told_by_tls(path: &str, value: &PropertyValue) -> bool {
    match (path, value) {
        ("connection.mtls", PropertyValue::Bool(_)) => true,
        (
            SERVER_NAME | "connection.uri_san_peer_certificate" | "connection.dns_san_peer_certificate",
            PropertyValue::Bytes(_),
        ) => true,
        ("connection.tls_version", PropertyValue::Bytes(version)) => version == VERSION,
        _ => false,
    }
}

/// The servers that the connections of a case ask for.
pub(super) fn server_names(case: &Case, file: &File) -> Vec<String> {
    let of_properties =
        properties(case, file).filter_map(|(path, value)| Some((path.clone(), value.as_ref()?.0.clone())));
    let of_peers = peers(case, file).filter_map(|peer| match peer {
        Short::Whole(peer) => Some(peer.properties()),
        Short::Text(_) => None,
    });
    let all = of_properties.chain(of_peers.flatten()).filter(|(path, _)| path == SERVER_NAME);
    let text = |(_, value)| match value {
        PropertyValue::Bytes(bytes) => String::from_utf8(bytes).ok(),
        _ => None,
    };
    all.filter_map(text).collect()
}

fn connects(case: &Case) -> impl Iterator<Item = &ConnectSpec> {
    case.connect.iter().chain(case.steps.iter().filter_map(|step| step.connect.as_ref()))
}

fn properties<'a>(
    case: &'a Case,
    file: &'a File,
) -> impl Iterator<Item = (&'a String, &'a Option<Property>)> {
    let all: [&BTreeMap<String, Option<Property>>; 1] = [&file.defaults.properties];
    all.into_iter().chain(connects(case).map(|connect| &connect.properties)).flatten()
}

fn peers<'a>(case: &'a Case, file: &'a File) -> impl Iterator<Item = &'a Peer> {
    let own = case.peer.iter().chain(case.steps.iter().filter_map(|step| step.peer.as_ref()));
    own.chain(&file.defaults.peer)
}
