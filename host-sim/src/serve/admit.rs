//! Which requests are taken up. What Envoy 1.40 refuses before any filter sees it is refused by the same status.

use http::header::{CONNECTION, HOST, HeaderValue, TRANSFER_ENCODING};
use http::{Method, Request, StatusCode, Version};

/// Methods of HTTP/1.1 that Envoy knows, in their order.
const METHODS: [&str; 34] = [
    "ACL",
    "BIND",
    "CHECKOUT",
    "CONNECT",
    "COPY",
    "DELETE",
    "GET",
    "HEAD",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MOVE",
    "MSEARCH",
    "NOTIFY",
    "OPTIONS",
    "PATCH",
    "POST",
    "PROPFIND",
    "PROPPATCH",
    "PURGE",
    "PUT",
    "REBIND",
    "REPORT",
    "SEARCH",
    "SOURCE",
    "SUBSCRIBE",
    "TRACE",
    "UNBIND",
    "UNLINK",
    "UNLOCK",
    "UNSUBSCRIBE",
];

/// What tells others who the client is, and is not to be taken away by `connection`.
const KEPT: [&[u8]; 4] = [b"host", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto"];

/// The authority that a request is for, which came over a connection of this scheme.
///
/// # Errors
/// The status that refuses it.
pub(super) fn authority<'a, B>(request: &'a Request<B>, scheme: &str) -> Result<&'a [u8], StatusCode> {
    let http1 = request.version() != Version::HTTP_2;
    let uri = request.uri();
    if http1 {
        check_http1(request)?;
        match uri.scheme_str() {
            Some("https") if scheme != "https" => return Err(StatusCode::FORBIDDEN),
            Some("http" | "https") | None => {}
            Some(_) => return Err(StatusCode::BAD_REQUEST),
        }
    }
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    let whole = path == "*" && request.method() == Method::OPTIONS;
    if !path.is_ascii() || !path.starts_with('/') && !whole {
        return Err(StatusCode::BAD_REQUEST);
    }
    let authority = one_authority(request, http1).ok_or(StatusCode::BAD_REQUEST)?;
    if authority.iter().all(|byte| may_stand_in_authority(*byte)) {
        Ok(authority)
    } else {
        Err(StatusCode::BAD_REQUEST)
    }
}

/// What HTTP/1.1 alone can say.
fn check_http1<B>(request: &Request<B>) -> Result<(), StatusCode> {
    if METHODS.binary_search(&request.method().as_str()).is_err() {
        return Err(StatusCode::BAD_REQUEST);
    }
    let mut codings = request.headers().get_all(TRANSFER_ENCODING).iter();
    let coding = codings.next().map(|coding| coding.as_bytes().trim_ascii());
    if codings.next().is_some() || coding.is_some_and(|coding| !coding.eq_ignore_ascii_case(b"chunked")) {
        return Err(StatusCode::NOT_IMPLEMENTED);
    }
    let named = named_by_connection(request.headers());
    match named.iter().any(|name| KEPT.contains(&&**name) || name.starts_with(b":")) {
        true => Err(StatusCode::BAD_REQUEST),
        false => Ok(()),
    }
}

fn one_authority<B>(request: &Request<B>, http1: bool) -> Option<&[u8]> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = hosts.next().map(HeaderValue::as_bytes);
    if hosts.next().is_some() {
        return None;
    }
    let target = request.uri().authority().map(|authority| authority.as_str());
    if !http1 {
        // Two authorities that differ are one too many (RFC 9113 §8.3.1).
        let target = target.map(str::as_bytes);
        return if host.is_some() && target.is_some() && host != target { None } else { target.or(host) };
    }
    // That of the target counts (RFC 9112 §3.2.2), without a user (RFC 9110 §4.2.4).
    match target.map(|target| target.split_once('@').map_or(target, |(_, host)| host)) {
        Some(target) => (!target.contains('@')).then_some(target.as_bytes()),
        None => host,
    }
}

/// What `connection` names beside itself: headers that are not to go on (RFC 9110 §7.6.1).
pub(super) fn named_by_connection(headers: &http::HeaderMap) -> Vec<Vec<u8>> {
    let lists = headers.get_all(CONNECTION).iter();
    lists
        .flat_map(|list| list.as_bytes().split(|byte| *byte == b','))
        .map(|name| name.trim_ascii().to_ascii_lowercase())
        .filter(|name| !name.is_empty() && name != b"close" && name != b"keep-alive")
        .collect()
}

/// Whether a byte may stand in an authority (RFC 3986 §3.2).
fn may_stand_in_authority(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:@[]".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::{METHODS, StatusCode, authority};

    fn admitted(request: http::request::Builder, scheme: &str) -> Result<String, u16> {
        let request = request.body(()).unwrap();
        let admitted = authority(&request, scheme).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        admitted.map_err(|status: StatusCode| status.as_u16())
    }

    #[test]
    fn methods_are_in_order() {
        assert!(METHODS.is_sorted());
    }

    /// Each as real Envoy has it.
    #[test]
    fn requests_are_admitted_or_refused() {
        let host = |host: &str| http::Request::get("/x").header("host", host);
        let to = |target: &str| http::Request::get(target).header("host", "a");
        for good in ["a", "", "a,b", "A.B", "[::1]:80", "a:x", "u@a"] {
            assert_eq!(admitted(host(good), "http"), Ok(good.to_owned()));
        }
        for bad in ["a/b", "a b", "a#b", "a?b", "a\\b", "a\"b"] {
            assert_eq!(admitted(host(bad), "http"), Err(400), "{bad}");
        }
        assert_eq!(admitted(host("a").header("host", "a"), "http"), Err(400));
        assert_eq!(admitted(http::Request::get("/x"), "http"), Err(400));
        for (target, expected) in [
            ("/x", Ok("a")),
            ("http://b/x", Ok("b")),
            ("http://u:p@b/x", Ok("b")),
            ("http://b", Ok("b")),
            ("https://b/x", Err(403)),
            ("ftp://b/x", Err(400)),
            ("http://b?q", Err(400)),
            ("x", Err(400)),
            ("*", Err(400)),
            ("/é", Err(400)),
        ] {
            assert_eq!(admitted(to(target), "http"), expected.map(str::to_owned), "{target}");
        }
        assert_eq!(admitted(to("https://b/x"), "https"), Ok("b".to_owned()));
        assert_eq!(admitted(to("*").method("OPTIONS"), "http"), Ok("a".to_owned()));
        for method in ["get", "FOO", "QUERY", "PRI"] {
            assert_eq!(admitted(to("/").method(method), "http"), Err(400), "{method}");
            let http2 = to("/").method(method).version(http::Version::HTTP_2);
            assert_eq!(admitted(http2, "http"), Ok("a".to_owned()), "{method}");
        }
    }

    #[test]
    fn what_one_connection_is_told_is_held_against_it() {
        let with = |name: &str, value: &str| http::Request::get("/").header("host", "a").header(name, value);
        for named in
            ["host", "close, Host", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", ":path"]
        {
            assert_eq!(admitted(with("connection", named), "http"), Err(400), "{named}");
        }
        assert_eq!(admitted(with("connection", "authorization, cookie"), "http"), Ok("a".to_owned()));
        for coding in ["identity", "gzip, chunked", "xchunked"] {
            assert_eq!(admitted(with("transfer-encoding", coding), "http"), Err(501), "{coding}");
        }
        assert_eq!(admitted(with("transfer-encoding", "Chunked"), "http"), Ok("a".to_owned()));
        let twice = with("transfer-encoding", "chunked").header("transfer-encoding", "chunked");
        assert_eq!(admitted(twice, "http"), Err(501));
    }
}
