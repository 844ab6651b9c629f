//! Questions about header maps, buffers and properties.

use super::system::NOWHERE;
use crate::arg::Arg::*;
use crate::arg::Probe;
use crate::host::Call::*;

/// What every map says to one who only reads.
macro_rules! map {
    ($map:literal) => {
        [
            Probe(proxy_get_header_map_pairs, &[Number($map), OutPairs]),
            Probe(proxy_get_header_map_size, &[Number($map), OutNumber]),
            Probe(proxy_get_header_map_value, &[Number($map), Bytes(b":path"), OutBytes]),
            Probe(proxy_get_header_map_value, &[Number($map), Bytes(b":status"), OutBytes]),
            Probe(proxy_get_header_map_value, &[Number($map), Bytes(b"x-twice"), OutBytes]),
            Probe(proxy_get_header_map_value, &[Number($map), Bytes(b"x-empty"), OutBytes]),
            Probe(proxy_get_header_map_value, &[Number($map), Bytes(b"x-trailer"), OutBytes]),
            Probe(proxy_get_header_map_value, &[Number($map), Bytes(b"x-absent"), OutBytes]),
        ]
    };
}

/// Reading the request's headers, a map that there is in some phases.
pub(super) const REQUEST_MAP: &[Probe] = &map!(0);
pub(super) const REQUEST_TRAILER_MAP: &[Probe] = &map!(1);
pub(super) const RESPONSE_MAP: &[Probe] = &map!(2);
pub(super) const RESPONSE_TRAILER_MAP: &[Probe] = &map!(3);
pub(super) const GRPC_INITIAL_MAP: &[Probe] = &map!(4);
pub(super) const GRPC_TRAILING_MAP: &[Probe] = &map!(5);
pub(super) const CALL_MAP: &[Probe] = &map!(6);
pub(super) const CALL_TRAILER_MAP: &[Probe] = &map!(7);
/// A number that no map has.
pub(super) const NO_MAP: &[Probe] = &map!(8);

/// Odd names and bad places, of every function of maps.
pub(super) const MAPS: &[Probe] = &[
    Probe(proxy_get_header_map_value, &[Number(0), Bytes(b""), OutBytes]),
    Probe(proxy_get_header_map_value, &[Number(0), Bytes(b"X-TWICE"), OutBytes]),
    Probe(proxy_get_header_map_value, &[Number(0), Bytes(b"x twice"), OutBytes]),
    Probe(proxy_get_header_map_value, &[Number(0), Bytes(b"x-twice\0"), OutBytes]),
    Probe(proxy_get_header_map_value, &[Number(0), Bytes(b"\xff\xfe"), OutBytes]),
    Probe(proxy_get_header_map_value, &[Number(0), Bytes(b":authority"), OutBytes]),
    Probe(proxy_get_header_map_value, &[Number(0), Bytes(b"host"), OutBytes]),
    Probe(proxy_get_header_map_value, &[Number(0), Times(b'n', 70_000), OutBytes]),
    Probe(proxy_get_header_map_value, &[Number(0), At(NOWHERE, 4), OutBytes]),
    Probe(proxy_get_header_map_value, &[Number(9), At(NOWHERE, 4), OutBytes]),
    Probe(proxy_get_header_map_value, &[Number(0), Bytes(b"x-twice"), OutAt(NOWHERE), OutNumber]),
    Probe(proxy_get_header_map_value, &[Number(0), Bytes(b"x-twice"), OutHidden("place"), OutAt(NOWHERE)]),
    Probe(proxy_get_header_map_value, &[Number(0), Bytes(b"x-absent"), OutAt(NOWHERE), OutNumber]),
    Probe(proxy_get_header_map_value, &[Number(u32::MAX), Bytes(b"x"), OutBytes]),
    Probe(proxy_get_header_map_pairs, &[Number(0), OutAt(NOWHERE), OutNumber]),
    Probe(proxy_get_header_map_pairs, &[Number(9), OutAt(NOWHERE), OutNumber]),
    Probe(proxy_get_header_map_pairs, &[Number(5), OutAt(NOWHERE), OutNumber]),
    Probe(proxy_get_header_map_pairs, &[Number(u32::MAX), OutPairs]),
    Probe(proxy_get_header_map_size, &[Number(0), OutAt(NOWHERE)]),
    Probe(proxy_get_header_map_size, &[Number(u32::MAX), OutNumber]),
    Probe(proxy_add_header_map_value, &[Number(0), At(NOWHERE, 4), Bytes(b"v")]),
    Probe(proxy_add_header_map_value, &[Number(0), Bytes(b"x-bad"), At(NOWHERE, 4)]),
    Probe(proxy_add_header_map_value, &[Number(8), Bytes(b"x-bad"), Bytes(b"v")]),
    Probe(proxy_add_header_map_value, &[Number(8), At(NOWHERE, 4), Bytes(b"v")]),
    Probe(proxy_replace_header_map_value, &[Number(0), At(NOWHERE, 4), Bytes(b"v")]),
    Probe(proxy_replace_header_map_value, &[Number(0), Bytes(b"x-bad"), At(NOWHERE, 4)]),
    Probe(proxy_replace_header_map_value, &[Number(8), Bytes(b"x-bad"), Bytes(b"v")]),
    Probe(proxy_remove_header_map_value, &[Number(0), At(NOWHERE, 4)]),
    Probe(proxy_remove_header_map_value, &[Number(8), Bytes(b"x-bad")]),
    Probe(proxy_set_header_map_pairs, &[Number(0), At(NOWHERE, 4)]),
    Probe(proxy_set_header_map_pairs, &[Number(8), Pairs(&[])]),
];

/// Changes of every map, which stay where there is one to change.
macro_rules! edits {
    ($map:literal) => {
        [
            Probe(proxy_add_header_map_value, &[Number($map), Bytes(b"x-added"), Bytes(b"1")]),
            Probe(proxy_add_header_map_value, &[Number($map), Bytes(b"X-Added"), Bytes(b"2")]),
            Probe(proxy_add_header_map_value, &[Number($map), Bytes(b"x-gone"), Bytes(b"3")]),
            Probe(proxy_replace_header_map_value, &[Number($map), Bytes(b"x-replaced"), Bytes(b"4")]),
            Probe(proxy_replace_header_map_value, &[Number($map), Bytes(b"X-Replaced"), Bytes(b"5")]),
            Probe(proxy_replace_header_map_value, &[Number($map), Bytes(b"x-twice"), Bytes(b"once")]),
            Probe(proxy_replace_header_map_value, &[Number($map), Bytes(b"x-blank"), Bytes(b"")]),
            Probe(proxy_remove_header_map_value, &[Number($map), Bytes(b"X-Gone")]),
            Probe(proxy_remove_header_map_value, &[Number($map), Bytes(b"x-never")]),
            Probe(proxy_remove_header_map_value, &[Number($map), Bytes(b"")]),
            Probe(proxy_get_header_map_size, &[Number($map), OutNumber]),
            Probe(proxy_get_header_map_pairs, &[Number($map), OutPairs]),
        ]
    };
}

pub(super) const REQUEST_EDITS: &[Probe] = &edits!(0);
pub(super) const REQUEST_TRAILER_EDITS: &[Probe] = &edits!(1);
pub(super) const RESPONSE_EDITS: &[Probe] = &edits!(2);
pub(super) const RESPONSE_TRAILER_EDITS: &[Probe] = &edits!(3);
/// What can't be changed in any phase.
pub(super) const OTHER_EDITS: &[Probe] = &[
    Probe(proxy_add_header_map_value, &[Number(4), Bytes(b"x"), Bytes(b"1")]),
    Probe(proxy_add_header_map_value, &[Number(5), Bytes(b"x"), Bytes(b"1")]),
    Probe(proxy_add_header_map_value, &[Number(6), Bytes(b"x"), Bytes(b"1")]),
    Probe(proxy_add_header_map_value, &[Number(7), Bytes(b"x"), Bytes(b"1")]),
    Probe(proxy_replace_header_map_value, &[Number(6), Bytes(b"x"), Bytes(b"1")]),
    Probe(proxy_remove_header_map_value, &[Number(6), Bytes(b"x")]),
    Probe(proxy_set_header_map_pairs, &[Number(6), Pairs(&[(b"x", b"1")])]),
    Probe(proxy_set_header_map_pairs, &[Number(4), Pairs(&[(b"x", b"1")])]),
];

/// Reading a buffer, and writing where it must not be written.
macro_rules! buffer {
    ($buffer:literal) => {
        [
            Probe(proxy_get_buffer_status, &[Number($buffer), OutNumber, OutNumber]),
            Probe(proxy_get_buffer_bytes, &[Number($buffer), Number(0), Number(0), OutBytes]),
            Probe(proxy_get_buffer_bytes, &[Number($buffer), Number(0), Number(3), OutBytes]),
            Probe(proxy_get_buffer_bytes, &[Number($buffer), Number(2), Number(3), OutBytes]),
            Probe(proxy_get_buffer_bytes, &[Number($buffer), Number(0), Number(4096), OutBytes]),
            Probe(proxy_get_buffer_bytes, &[Number($buffer), Number(0), Number(u32::MAX), OutBytes]),
            Probe(proxy_get_buffer_bytes, &[Number($buffer), Number(1), Number(u32::MAX), OutBytes]),
            Probe(
                proxy_get_buffer_bytes,
                &[Number($buffer), Number(0), Number(3), OutAt(NOWHERE), OutNumber],
            ),
            Probe(
                proxy_get_buffer_bytes,
                &[Number($buffer), Number(0), Number(3), OutHidden("place"), OutAt(NOWHERE)],
            ),
            Probe(
                proxy_get_buffer_bytes,
                &[Number($buffer), Number(0), Number(0), OutAt(NOWHERE), OutAt(NOWHERE)],
            ),
            Probe(proxy_get_buffer_status, &[Number($buffer), OutAt(NOWHERE), OutNumber]),
            Probe(proxy_get_buffer_status, &[Number($buffer), OutNumber, OutAt(NOWHERE)]),
            Probe(proxy_set_buffer_bytes, &[Number($buffer), Number(0), Number(0), At(NOWHERE, 4)]),
        ]
    };
}

pub(super) const REQUEST_BODY: &[Probe] = &buffer!(0);
pub(super) const RESPONSE_BODY: &[Probe] = &buffer!(1);
pub(super) const DOWNSTREAM_DATA: &[Probe] = &buffer!(2);
pub(super) const UPSTREAM_DATA: &[Probe] = &buffer!(3);
pub(super) const CALL_BODY: &[Probe] = &buffer!(4);
pub(super) const GRPC_MESSAGE: &[Probe] = &buffer!(5);
pub(super) const VM_CONFIGURATION: &[Probe] = &buffer!(6);
pub(super) const PLUGIN_CONFIGURATION: &[Probe] = &buffer!(7);
pub(super) const CALL_DATA: &[Probe] = &buffer!(8);
/// A number that no buffer has.
pub(super) const NO_BUFFER: &[Probe] = &buffer!(9);

/// Starts beyond a buffer's end, and writes to what is only read.
pub(super) const BUFFERS: &[Probe] = &[
    Probe(proxy_get_buffer_bytes, &[Number(u32::MAX), Number(0), Number(1), OutBytes]),
    Probe(proxy_get_buffer_status, &[Number(u32::MAX), OutNumber, OutNumber]),
    Probe(proxy_set_buffer_bytes, &[Number(u32::MAX), Number(0), Number(1), Bytes(b"x")]),
    Probe(proxy_set_buffer_bytes, &[Number(2), Number(0), Number(0), Bytes(b"x")]),
    Probe(proxy_set_buffer_bytes, &[Number(3), Number(0), Number(0), Bytes(b"x")]),
    Probe(proxy_set_buffer_bytes, &[Number(4), Number(0), Number(0), Bytes(b"x")]),
    Probe(proxy_set_buffer_bytes, &[Number(5), Number(0), Number(0), Bytes(b"x")]),
    Probe(proxy_set_buffer_bytes, &[Number(6), Number(0), Number(0), Bytes(b"x")]),
    Probe(proxy_set_buffer_bytes, &[Number(7), Number(0), Number(0), Bytes(b"x")]),
    Probe(proxy_set_buffer_bytes, &[Number(8), Number(0), Number(0), Bytes(b"x")]),
];

/// Properties that there are, are not, and are set.
pub(super) const PROPERTIES: &[Probe] = &[
    Probe(proxy_get_property, &[Bytes(b"request\0path"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"request\0path\0"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"request\0url_path"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"request\0query"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"request\0host"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"request\0scheme"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"request\0method"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"request\0referer"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"request\0useragent"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"request\0id"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"request\0protocol"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"request\0time"), OutScratch(4), OutNumber]),
    Probe(proxy_get_property, &[Bytes(b"request\0duration"), OutScratch(4), OutNumber]),
    Probe(proxy_get_property, &[Bytes(b"request\0size"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"request\0total_size"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"request\0headers\0x-twice"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"request\0headers\0X-Twice"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"request\0headers\0x-empty"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"request\0headers\0x-absent"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"request\0headers\0:path"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"request\0headers\0"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"request\0headers"), OutPairs]),
    Probe(proxy_get_property, &[Bytes(b"request\0absent"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"request\0path\0deeper"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"request"), OutPairs]),
    Probe(proxy_get_property, &[Bytes(b"request\0\0path"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"request.path"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"response\0headers"), OutPairs]),
    Probe(proxy_get_property, &[Bytes(b"response\0trailers"), OutPairs]),
    Probe(proxy_get_property, &[Bytes(b"response"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"connection"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"source"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"destination"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"upstream"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"filter_state"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"upstream_filter_state"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"metadata\0filter_metadata"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"upstream\0locality"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"upstream\0request_attempt_count"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"response\0code"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"response\0code_details"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"response\0flags"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"response\0grpc_status"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"response\0size"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"response\0total_size"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"response\0headers\0x-twice"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"response\0headers\0:status"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"response\0trailers\0x-trailer"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"response\0backend_latency"), OutScratch(4), OutNumber]),
    Probe(proxy_get_property, &[Bytes(b"response\0absent"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"connection\0mtls"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"connection\0id"), OutScratch(4), OutNumber]),
    Probe(proxy_get_property, &[Bytes(b"connection\0requested_server_name"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"connection\0tls_version"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"connection\0subject_peer_certificate"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"connection\0uri_san_peer_certificate"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"connection\0dns_san_peer_certificate"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"connection\0sha256_peer_certificate_digest"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"connection\0termination_details"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"connection\0transport_failure_reason"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"connection\0absent"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"connection_id"), OutScratch(4), OutNumber]),
    Probe(proxy_get_property, &[Bytes(b"source\0address"), OutScratch(4), OutNumber]),
    Probe(proxy_get_property, &[Bytes(b"source\0port"), OutScratch(4), OutNumber]),
    Probe(proxy_get_property, &[Bytes(b"destination\0address"), OutScratch(4), OutNumber]),
    Probe(proxy_get_property, &[Bytes(b"destination\0port"), OutScratch(4), OutNumber]),
    Probe(proxy_get_property, &[Bytes(b"upstream\0address"), OutScratch(4), OutNumber]),
    Probe(proxy_get_property, &[Bytes(b"upstream\0port"), OutScratch(4), OutNumber]),
    Probe(proxy_get_property, &[Bytes(b"upstream\0local_address"), OutScratch(4), OutNumber]),
    Probe(proxy_get_property, &[Bytes(b"upstream\0transport_failure_reason"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"upstream\0tls_version"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"metadata"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"metadata\0filter_metadata\0absent"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"filter_state\0absent"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"upstream_filter_state\0absent"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"node\0id"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"node\0cluster"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"node\0absent"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"node\0metadata\0zone"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"listener_direction"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"listener_metadata"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"cluster_name"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"cluster_metadata"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"route_name"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"route_metadata"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"upstream_host_metadata"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"xds\0cluster_name"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"xds\0cluster_metadata"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"xds\0route_name"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"xds\0virtual_host_name"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"xds\0listener_direction"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"xds\0listener_metadata"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"xds\0filter_chain_name"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"xds\0node\0id"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"plugin_name"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"plugin_root_id"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"plugin_vm_id"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"plugin_name\0deeper"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b""), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"\0"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"absent"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"\xff\xfe"), OutBytes]),
    Probe(proxy_get_property, &[Times(b'p', 70_000), OutBytes]),
    Probe(proxy_get_property, &[At(NOWHERE, 4), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"plugin_name"), OutAt(NOWHERE), OutNumber]),
    Probe(proxy_get_property, &[Bytes(b"plugin_name"), OutHidden("place"), OutAt(NOWHERE)]),
    Probe(proxy_get_property, &[Bytes(b"absent"), OutAt(NOWHERE), OutNumber]),
    Probe(proxy_set_property, &[Bytes(b"mine"), Bytes(b"one")]),
    Probe(proxy_get_property, &[Bytes(b"mine"), OutBytes]),
    Probe(proxy_set_property, &[Bytes(b"mine"), Bytes(b"two")]),
    Probe(proxy_get_property, &[Bytes(b"mine"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"mine\0"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"mine\0deeper"), OutBytes]),
    Probe(proxy_get_property, &[Bytes(b"filter_state\0wasm.mine"), OutBytes]),
    Probe(proxy_set_property, &[Bytes(b"mine\0deeper"), Bytes(b"three")]),
    Probe(proxy_get_property, &[Bytes(b"mine\0deeper"), OutBytes]),
    Probe(proxy_set_property, &[Bytes(b"blank"), Bytes(b"")]),
    Probe(proxy_get_property, &[Bytes(b"blank"), OutBytes]),
    Probe(proxy_set_property, &[Bytes(b""), Bytes(b"nameless")]),
    Probe(proxy_get_property, &[Bytes(b""), OutBytes]),
    Probe(proxy_set_property, &[Bytes(b"plugin_name"), Bytes(b"forged")]),
    Probe(proxy_get_property, &[Bytes(b"plugin_name"), OutBytes]),
    Probe(proxy_set_property, &[Bytes(b"request\0path"), Bytes(b"/forged")]),
    Probe(proxy_get_property, &[Bytes(b"request\0path"), OutBytes]),
    Probe(proxy_set_property, &[At(NOWHERE, 4), Bytes(b"v")]),
    Probe(proxy_set_property, &[Bytes(b"mine"), At(NOWHERE, 4)]),
];
