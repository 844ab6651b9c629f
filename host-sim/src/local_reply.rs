//! Replies that a filter, or the gateway itself, gives in an upstream's place.

use std::collections::VecDeque;

use crate::header_map::HeaderMap;
use crate::outcome::LocalReply;
use crate::stream::{End, Half, Stage, Stream};

/// Puts the filter's reply in the response's place. One that is made before any response passes the response
/// callbacks as Envoy has it; one that replaces a response does not.
pub(crate) fn reply_locally(stream: &mut Stream, reply: LocalReply) {
    if stream.local.is_some() {
        return;
    }
    if stream.response.headers_passed {
        // It is too late for another response: this one is broken off.
        stream.details = Some(details(&reply));
        stream.end = Some(End::Closed);
        return;
    }
    let replaces = stream.response.began();
    let grpc = stream.request.headers.get("content-type").is_some_and(|v| v.starts_with(b"application/grpc"));
    stream.request.waiting = VecDeque::new();
    let mut response = Half { ended: true, ..Half::default() };
    response.headers = reply_headers(&reply, grpc);
    if stream.response.live_headers {
        // The guest goes on seeing those of the response that is replaced.
        let replaced = std::mem::take(&mut stream.response.headers);
        response.sent = Some(std::mem::replace(&mut response.headers, replaced));
        response.live_headers = true;
    }
    if !reply.body.is_empty() && !grpc {
        response.arrive(reply.body.clone());
    }
    if replaces {
        response.passed = response.waiting.pop_front().unwrap_or_default();
        response.headers_passed = true;
        response.stage = Stage::Done;
    } else {
        response.stage = Stage::Headers;
    }
    stream.response = response;
    stream.local = Some(LocalReply { details: details(&reply), ..reply });
}

/// The details as gateways log them, in which there is no white space.
fn details(reply: &LocalReply) -> Vec<u8> {
    let one = |byte: &u8| if byte.is_ascii_whitespace() { b'_' } else { *byte };
    reply.details.iter().map(one).collect()
}

/// The headers of a reply as Envoy completes them.
fn reply_headers(reply: &LocalReply, grpc: bool) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let status = if grpc { 200 } else { reply.status };
    headers.append(b":status", status.to_string().as_bytes());
    if grpc {
        let code = u32::try_from(reply.grpc_status).unwrap_or_else(|_| grpc_status(reply.status));
        headers.append(b"content-type", b"application/grpc");
        headers.append(b"grpc-status", code.to_string().as_bytes());
        if !reply.body.is_empty() {
            headers.append(b"grpc-message", &percent_encoded(&reply.body));
        }
    }
    let length = reply.body.len().to_string();
    let has_body = !grpc && !reply.body.is_empty();
    for (name, value) in reply.headers.iter().filter(|(name, _)| name.first() != Some(&b':')) {
        // Nothing is said of a body that there is not.
        if !has_body && !grpc && [&b"content-length"[..], b"content-type"].contains(&name) {
            continue;
        }
        let is_length = has_body && name == b"content-length";
        headers.append(name, if is_length { length.as_bytes() } else { value });
    }
    if has_body {
        if headers.get("content-length").is_none() {
            headers.append(b"content-length", length.as_bytes());
        }
        if headers.get("content-type").is_none() {
            headers.append(b"content-type", b"text/plain");
        }
    }
    headers
}

/// The gRPC status that stands for an HTTP status, as the gRPC specification maps them.
pub(crate) fn grpc_status(http: u16) -> u32 {
    match http {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => 2,
    }
}

fn percent_encoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for byte in text {
        if (0x20..0x7f).contains(byte) && *byte != b'%' {
            out.push(*byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
    out
}

/// A reply with the headers and the body that the response callbacks left of it.
pub(crate) fn reply_as_sent(stream: &Stream, reply: &LocalReply) -> LocalReply {
    let response = &stream.response;
    let sent = response.message();
    let body = if response.is_done() { sent.body } else { reply.body.clone() };
    LocalReply { status: response.message().status(), headers: sent.headers, body, ..reply.clone() }
}

/// A request's body that is held beyond the limit is refused as a gateway does it.
pub(crate) fn request_too_large() -> LocalReply {
    by_gateway(413, "Payload Too Large", "request_payload_too_large")
}

/// The same for a response's, which is broken off where its headers have gone.
pub(crate) fn response_too_large() -> LocalReply {
    by_gateway(500, "Internal Server Error", "response_payload_too_large")
}

fn by_gateway(status: u16, body: &str, details: &str) -> LocalReply {
    let (body, details) = (body.into(), details.into());
    LocalReply { status, body, details, grpc_status: -1, ..LocalReply::default() }
}
