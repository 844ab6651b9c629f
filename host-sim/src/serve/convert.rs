//! Between the messages of the HTTP library and the header maps that filters see.

use http::{HeaderName, HeaderValue, StatusCode, Version};
use hyper::body::Incoming;

use super::admit;
use crate::header_map::HeaderMap;

/// Headers that concern one connection alone (RFC 9110 §7.6.1).
const HOP_BY_HOP: [&[u8]; 7] = [
    b"connection",
    b"keep-alive",
    b"proxy-connection",
    b"proxy-authenticate",
    b"te",
    b"transfer-encoding",
    b"upgrade",
];

/// Whether a header is one of those.
pub(super) fn is_hop_by_hop(name: &[u8]) -> bool {
    HOP_BY_HOP.contains(&name)
}

/// The request's head as the filter sees it.
///
/// # Errors
/// The status that refuses one that is not taken up.
pub(super) fn request_head(request: &http::Request<Incoming>, scheme: &str) -> Result<HeaderMap, StatusCode> {
    let authority = admit::authority(request, scheme)?;
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let mut head = HeaderMap::new();
    head.append(b":method", request.method().as_str().as_bytes());
    head.append(b":path", path.as_bytes());
    head.append(b":authority", authority);
    head.append(b":scheme", scheme.as_bytes());
    let named = admit::named_by_connection(request.headers());
    for (name, value) in request.headers() {
        let text = name.as_str().as_bytes();
        // What `te` says of trailers is for the whole way (RFC 9113 §8.2.2).
        let trailers =
            name == http::header::TE && value == "trailers" && request.version() == Version::HTTP_2;
        // The HTTP library has told the client to go on.
        let answered = name == http::header::EXPECT;
        let dropped = answered || is_hop_by_hop(text) && !trailers || named.iter().any(|named| named == text);
        if name != http::header::HOST && !dropped {
            head.append(text, value.as_bytes());
        }
    }
    head.set(b"x-forwarded-proto", scheme.as_bytes());
    Ok(head)
}

/// The head of an upstream's response as the filter sees it.
pub(super) fn response_head(response: &http::Response<Incoming>) -> HeaderMap {
    let mut head = HeaderMap::from_pairs([(":status", response.status().as_str())]);
    for (name, value) in response.headers() {
        if !is_hop_by_hop(name.as_str().as_bytes()) {
            head.append(name.as_str().as_bytes(), value.as_bytes());
        }
    }
    head
}

/// A head for the upstream of this address, without a body. `None` where it is none that HTTP allows.
pub(super) fn to_request(head: &HeaderMap, address: &str, http2: bool) -> Option<http::Request<()>> {
    let text = |name: &str| std::str::from_utf8(head.get(name)?).ok();
    let method = head.get(":method").unwrap_or(b"GET");
    let path = std::str::from_utf8(head.get(":path").unwrap_or(b"/")).ok()?;
    let mut request = http::Request::builder().method(method);
    if http2 {
        let authority = text(":authority").unwrap_or(address);
        let scheme = text(":scheme").unwrap_or("http");
        let uri = http::Uri::builder().scheme(scheme).authority(authority).path_and_query(path);
        request = request.version(Version::HTTP_2).uri(uri.build().ok()?);
    } else {
        request = request
            .uri(path)
            .header(http::header::HOST, head.get(":authority").unwrap_or(address.as_bytes()));
    }
    let headers = request.headers_mut()?;
    for (name, value) in head.iter() {
        let own = name.first() == Some(&b':') || name == b"content-length" || name == b"host";
        let trailers = http2 && name == b"te" && value == b"trailers";
        if !own && (!is_hop_by_hop(name) || trailers) {
            headers.append(HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?);
        }
    }
    request.body(()).ok()
}

/// A head for the client, without a body. `with_length` keeps what it says of the body's length. `None` where it is none that
/// HTTP allows.
pub(super) fn to_response(head: &HeaderMap, with_length: bool) -> Option<http::Response<()>> {
    let mut response = http::Response::builder();
    if let Some(status) = head.get(":status") {
        response = response.status(status);
    }
    let headers = response.headers_mut()?;
    for (name, value) in head.iter() {
        let own = name.first() == Some(&b':') || name == b"content-length" && !with_length;
        if !own && !is_hop_by_hop(name) {
            headers.append(HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?);
        }
    }
    response.body(()).ok()
}

/// Trailers of the library's as the filter sees them.
pub(super) fn trailers_in(trailers: &http::HeaderMap) -> HeaderMap {
    trailers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
}

/// Trailers as they go on; those that HTTP does not allow are left out.
pub(super) fn trailers_out(trailers: &HeaderMap) -> http::HeaderMap {
    let mut out = http::HeaderMap::new();
    for (name, value) in trailers.iter() {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            out.append(name, value);
        }
    }
    out
}

/// What a head declares the body's length to be.
pub(super) fn content_length(head: &HeaderMap) -> Option<u64> {
    std::str::from_utf8(head.get("content-length")?).ok()?.parse().ok()
}
