//! The host calls that the filter makes, with every status as a value.
//!
//! A status that nobody expected, or bytes that are not UTF-8, are never a reason to panic: in a gateway that is denial of
//! service.

use crate::abi::{
    DOWNSTREAM, HTTP_CALL_RESPONSE_BODY, HTTP_CALL_RESPONSE_HEADERS, NOT_FOUND, PLUGIN_CONFIGURATION,
    REQUEST_HEADERS, REQUEST_STREAM, REQUEST_TRAILERS,
};
pub(crate) use crate::abi::{Level, MetricKind};
use std::time::Duration;

/// A status other than `Ok` (proxy-wasm ABI, `proxy_status_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused(pub u32);

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, message: *const u8, size: usize) -> u32;
    fn proxy_get_log_level(level: *mut u32) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_set_effective_context(context: u32) -> u32;
    fn proxy_get_buffer_bytes(
        buffer: u32,
        start: usize,
        max: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_remove_header_map_value(map: u32, key: *const u8, size: usize) -> u32;
    fn proxy_add_header_map_value(
        map: u32,
        key: *const u8,
        key_size: usize,
        value: *const u8,
        size: usize,
    ) -> u32;
    fn proxy_get_property(path: *const u8, size: usize, data: *mut *mut u8, length: *mut usize) -> u32;
    fn proxy_continue_stream(stream: u32) -> u32;
    fn proxy_close_stream(stream: u32) -> u32;
    fn proxy_http_call(
        cluster: *const u8,
        cluster_size: usize,
        headers: *const u8,
        headers_size: usize,
        body: *const u8,
        body_size: usize,
        trailers: *const u8,
        trailers_size: usize,
        timeout: u32,
        token: *mut u32,
    ) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
    fn proxy_call_foreign_function(
        name: *const u8,
        name_size: usize,
        argument: *const u8,
        size: usize,
        data: *mut *mut u8,
        length: *mut usize,
    ) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        size: usize,
        data: *mut *mut u8,
        length: *mut usize,
        cas: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
        cas: u32,
    ) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, size: usize, id: *mut u32) -> u32;
    fn proxy_increment_metric(id: u32, offset: i64) -> u32;
    fn proxy_record_metric(id: u32, value: u64) -> u32;
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn random_get(data: *mut u8, size: usize) -> u32;
}

fn check(status: u32) -> Result<(), Refused> {
    if status == 0 { Ok(()) } else { Err(Refused(status)) }
}

/// Takes over a buffer that the host allocated in our memory.
fn owned(status: u32, data: *mut u8, size: usize) -> Result<Vec<u8>, Refused> {
    check(status)?;
    if data.is_null() {
        return Ok(Vec::new());
    }
    // SAFETY: the host filled `size` bytes that it got from our allocator, as a boxed slice of just that size.
    Ok(unsafe { Vec::from_raw_parts(data, size, size) })
}

/// Writes to the gateway's log.
pub(crate) fn log(level: Level, message: &str) {
    // SAFETY: the pointer and size are those of `message`. A log that fails has nowhere to be reported.
    let _ = unsafe { proxy_log(level as u32, message.as_ptr(), message.len()) };
}

/// Whether a message of this level would be written; yes where the host does not say.
pub(crate) fn logs(level: Level) -> bool {
    let mut least = 0;
    // SAFETY: `least` lives through the call.
    match check(unsafe { proxy_get_log_level(&raw mut least) }) {
        Ok(()) => least <= level as u32,
        Err(_) => true,
    }
}

/// Nanoseconds since the Unix epoch; 0 where the host has no clock, so that every token is "not yet issued".
pub(crate) fn now() -> u64 {
    let mut time = 0;
    // SAFETY: `time` lives through the call.
    match check(unsafe { proxy_get_current_time_nanoseconds(&raw mut time) }) {
        Ok(()) => time,
        Err(_) => 0,
    }
}

/// Randomness of the host.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Refused> {
    let mut bytes = [0; N];
    // SAFETY: the pointer and size are those of `bytes`.
    check(unsafe { random_get(bytes.as_mut_ptr(), N) }).map(|()| bytes)
}

/// How often the root context's tick comes.
pub(crate) fn set_tick_period(period: Duration) -> Result<(), Refused> {
    // SAFETY: no memory is passed.
    check(unsafe {
        proxy_set_tick_period_milliseconds(u32::try_from(period.as_millis()).unwrap_or(u32::MAX))
    })
}

/// Makes the following calls speak for another context.
pub(crate) fn set_effective_context(context: u32) -> Result<(), Refused> {
    // SAFETY: no memory is passed.
    check(unsafe { proxy_set_effective_context(context) })
}

/// The plugin's configuration.
pub(crate) fn plugin_configuration() -> Result<Vec<u8>, Refused> {
    buffer(PLUGIN_CONFIGURATION, usize::MAX)
}

/// The body of the answer to an HTTP call, `max` bytes of it at most.
pub(crate) fn call_response_body(max: usize) -> Result<Vec<u8>, Refused> {
    buffer(HTTP_CALL_RESPONSE_BODY, max)
}

fn buffer(kind: u32, max: usize) -> Result<Vec<u8>, Refused> {
    let (mut data, mut size) = (std::ptr::null_mut(), 0);
    // SAFETY: both out-pointers live through the call.
    let status = unsafe { proxy_get_buffer_bytes(kind, 0, max, &raw mut data, &raw mut size) };
    // An empty buffer is "not found" on some hosts.
    if status == NOT_FOUND { Ok(Vec::new()) } else { owned(status, data, size) }
}

/// The headers of the answer to an HTTP call, in the ABI's serialized form; none where the call failed.
pub(crate) fn call_response_headers() -> Result<Vec<u8>, Refused> {
    header_pairs(HTTP_CALL_RESPONSE_HEADERS)
}

/// All request headers, in the ABI's serialized form; read it with [`crate::pairs::read`].
pub(crate) fn request_headers() -> Result<Vec<u8>, Refused> {
    header_pairs(REQUEST_HEADERS)
}

/// All request trailers, in the same form.
pub(crate) fn request_trailers() -> Result<Vec<u8>, Refused> {
    header_pairs(REQUEST_TRAILERS)
}

fn header_pairs(map: u32) -> Result<Vec<u8>, Refused> {
    let (mut data, mut size) = (std::ptr::null_mut(), 0);
    // SAFETY: both out-pointers live through the call.
    let status = unsafe { proxy_get_header_map_pairs(map, &raw mut data, &raw mut size) };
    owned(status, data, size)
}

/// Removes every request header of this name.
pub(crate) fn remove_request_header(name: &[u8]) -> Result<(), Refused> {
    remove(REQUEST_HEADERS, name)
}

/// Removes every request trailer of this name.
pub(crate) fn remove_request_trailer(name: &[u8]) -> Result<(), Refused> {
    remove(REQUEST_TRAILERS, name)
}

fn remove(map: u32, name: &[u8]) -> Result<(), Refused> {
    // SAFETY: the pointer and size are those of `name`.
    check(unsafe { proxy_remove_header_map_value(map, name.as_ptr(), name.len()) })
}

/// Adds a request header.
pub(crate) fn add_request_header(name: &str, value: &str) -> Result<(), Refused> {
    // SAFETY: pointers and sizes are those of `name` and `value`.
    check(unsafe {
        proxy_add_header_map_value(REQUEST_HEADERS, name.as_ptr(), name.len(), value.as_ptr(), value.len())
    })
}

/// A property by its NUL-separated path; nothing where the host does not have it.
pub(crate) fn property(path: &str) -> Result<Option<Vec<u8>>, Refused> {
    let (mut data, mut size) = (std::ptr::null_mut(), 0);
    // SAFETY: `path` and both out-pointers live through the call.
    let status = unsafe { proxy_get_property(path.as_ptr(), path.len(), &raw mut data, &raw mut size) };
    if status == NOT_FOUND { Ok(None) } else { owned(status, data, size).map(Some) }
}

/// Lets a paused request go on.
pub(crate) fn continue_request() -> Result<(), Refused> {
    // SAFETY: no memory is passed.
    check(unsafe { proxy_continue_stream(REQUEST_STREAM) })
}

/// Breaks the request off. Where the host will not do that either, it stays paused.
pub(crate) fn close_request() {
    // SAFETY: no memory is passed.
    let closed = check(unsafe { proxy_close_stream(REQUEST_STREAM) });
    if closed.is_err() {
        // SAFETY: no memory is passed.
        let _ = unsafe { proxy_close_stream(DOWNSTREAM) };
    }
}

/// Sends a request to a cluster; gives the token that the answer comes with.
pub(crate) fn http_call(
    cluster: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    timeout: Duration,
) -> Result<u32, Refused> {
    let (headers, trailers) = (crate::pairs::write(headers), crate::pairs::write::<&str>(&[]));
    let mut token = 0;
    // SAFETY: pointers and sizes are those of the arguments, and `token` lives through the call.
    check(unsafe {
        proxy_http_call(
            cluster.as_ptr(),
            cluster.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            trailers.as_ptr(),
            trailers.len(),
            u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX),
            &raw mut token,
        )
    })
    .map(|()| token)
}

/// Answers the client in the upstream's place.
pub(crate) fn send_local_response(
    status: u16,
    details: &str,
    headers: &[(&str, String)],
    body: &[u8],
) -> Result<(), Refused> {
    let headers = crate::pairs::write(headers);
    // SAFETY: pointers and sizes are those of the arguments. -1 is "no gRPC status".
    check(unsafe {
        proxy_send_local_response(
            u32::from(status),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            -1,
        )
    })
}

/// Calls a function that the gateway lends by name.
pub(crate) fn call_foreign_function(name: &str, argument: &[u8]) -> Result<Vec<u8>, Refused> {
    let (mut data, mut length) = (std::ptr::null_mut(), 0);
    // SAFETY: `name`, `argument` and both out-pointers live through the call.
    let status = unsafe {
        proxy_call_foreign_function(
            name.as_ptr(),
            name.len(),
            argument.as_ptr(),
            argument.len(),
            &raw mut data,
            &raw mut length,
        )
    };
    owned(status, data, length)
}

/// What all workers see under a name, with the number to change it by; nothing where nobody wrote.
pub(crate) fn shared_data(name: &str) -> Result<Option<(Vec<u8>, u32)>, Refused> {
    let (mut data, mut length, mut cas) = (std::ptr::null_mut(), 0, 0);
    // SAFETY: `name` and all out-pointers live through the call.
    let status = unsafe {
        proxy_get_shared_data(name.as_ptr(), name.len(), &raw mut data, &raw mut length, &raw mut cas)
    };
    if status == NOT_FOUND { Ok(None) } else { owned(status, data, length).map(|bytes| Some((bytes, cas))) }
}

/// Writes what all workers see, where nobody has since the read that gave `cas`.
pub(crate) fn set_shared_data(name: &str, bytes: &[u8], cas: u32) -> Result<(), Refused> {
    // SAFETY: pointers and sizes are those of the arguments.
    check(unsafe { proxy_set_shared_data(name.as_ptr(), name.len(), bytes.as_ptr(), bytes.len(), cas) })
}

/// Defines a metric.
pub(crate) fn define_metric(kind: MetricKind, name: &str) -> Result<u32, Refused> {
    let mut id = 0;
    // SAFETY: `name` and `id` live through the call.
    check(unsafe { proxy_define_metric(kind as u32, name.as_ptr(), name.len(), &raw mut id) }).map(|()| id)
}

/// Adds to a counter. A metric that fails is not worth a request.
pub(crate) fn increment(id: u32, by: i64) {
    // SAFETY: no memory is passed.
    let _ = unsafe { proxy_increment_metric(id, by) };
}

/// Records a value in a histogram, or sets a gauge.
pub(crate) fn record(id: u32, value: u64) {
    // SAFETY: no memory is passed.
    let _ = unsafe { proxy_record_metric(id, value) };
}
