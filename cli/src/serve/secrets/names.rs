//! What names tell: of credentials, by headers, parameters and members; and the headers whose values may be shown.

use super::scrub::decoded;

/// Headers that are credentials, whatever anybody says of them.
const CREDENTIALS: [&str; 8] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "cookie2",
    "set-cookie",
    "set-cookie2",
    "dpop",
    "x-api-key",
];

/// What names of credentials hold, their separators left out.
const WORDS: [&str; 27] = [
    "authorization",
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "credential",
    "signature",
    "session",
    "sessid",
    "assertion",
    "jwt",
    "private",
    "csrf",
    "xsrf",
    "cookie",
    "bearer",
    "saml",
    "apikey",
    "accesskey",
    "signingkey",
    "encryptionkey",
    "subscriptionkey",
    "functionskey",
    "masterkey",
    "codeverifier",
];

/// Parts of names that are one of these, between separators.
const PARTS: [&str; 14] =
    ["otp", "totp", "hotp", "mfa", "pin", "pwd", "pass", "sig", "sid", "mac", "hmac", "ticket", "sso", "jws"];

/// What comes before `code` or `key` in names of things that are no secret, as most others are.
const OPEN: [&str; 24] = [
    "country",
    "language",
    "lang",
    "currency",
    "postal",
    "post",
    "zip",
    "status",
    "error",
    "response",
    "reason",
    "area",
    "region",
    "state",
    "product",
    "exit",
    "idempotency",
    "sort",
    "partition",
    "primary",
    "foreign",
    "object",
    "cache",
    "public",
];

/// Names that hold one of those words and no credential.
const HARMLESS: [&str; 10] = [
    "authage",
    "authmethods",
    "authorizationdetails",
    "authorizationuri",
    "authtime",
    "tokencached",
    "tokenendpoint",
    "tokenintrospected",
    "tokentype",
    "tokenuse",
];

/// Headers whose values are shown, once they are scrubbed.
pub(crate) const SHOWN: [&str; 100] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
    "access-control-request-headers",
    "access-control-request-method",
    "age",
    "allow",
    "alt-svc",
    "b3",
    "cache-control",
    "connection",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-range",
    "content-security-policy",
    "content-type",
    "date",
    "dnt",
    "etag",
    "expect",
    "expires",
    "forwarded",
    "grpc-accept-encoding",
    "grpc-encoding",
    "grpc-message",
    "grpc-status",
    "grpc-timeout",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "last-modified",
    "link",
    "location",
    "max-forwards",
    "origin",
    "pragma",
    "prefer",
    "priority",
    "proxy-authenticate",
    "range",
    "referer",
    "referrer-policy",
    "retry-after",
    "sec-ch-ua",
    "sec-ch-ua-mobile",
    "sec-ch-ua-platform",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "sec-fetch-user",
    "sec-gpc",
    "server",
    "server-timing",
    "strict-transport-security",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "upgrade-insecure-requests",
    "user-agent",
    "vary",
    "via",
    "www-authenticate",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-spanid",
    "x-b3-traceid",
    "x-content-type-options",
    "x-correlation-id",
    "x-envoy-external-address",
    "x-envoy-original-path",
    "x-forwarded-client-cert",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-forwarded-uri",
    "x-frame-options",
    "x-original-uri",
    "x-original-url",
    "x-real-ip",
    "x-request-id",
];

/// Whether a header of this name, in lower case, is a credential and nothing else.
pub(super) fn is_credential(header: &str) -> bool {
    CREDENTIALS.contains(&header)
}

/// Whether values of a header of this name, in lower case, are shown without anybody asking for it.
pub(super) fn is_shown(header: &str) -> bool {
    SHOWN.contains(&header)
}

/// Whether a header or a parameter of this name is a credential.
pub(super) fn is_secret(name: &str) -> bool {
    let parts = parts(&decoded(name));
    // In objects these are codes of errors, keys of whatever, and how somebody was authenticated.
    let alone = matches!(parts.as_slice(), [only] if only == "code" || only == "key");
    let joined = parts.concat();
    alone || authenticates(&joined) && !HARMLESS.contains(&joined.as_str()) || is_secret_by(&parts)
}

/// Whether an object's member of this name, such as a claim, is a credential.
pub(super) fn is_secret_member(name: &str) -> bool {
    is_secret_by(&parts(&decoded(name)))
}

fn is_secret_by(parts: &[String]) -> bool {
    let joined = parts.concat();
    if HARMLESS.contains(&joined.as_str()) {
        return false;
    }
    let closed = match parts {
        [.., before, last] => (last == "code" || last == "key") && !OPEN.contains(&before.as_str()),
        _ => false,
    };
    closed
        || WORDS.iter().any(|word| joined.contains(word))
        || parts.iter().any(|part| PARTS.contains(&part.as_str()))
}

/// Whether it is about authentication or authorisation, and not about authors or authorities.
fn authenticates(name: &str) -> bool {
    name.match_indices("auth").any(|(at, auth)| {
        let rest = name.get(at + auth.len()..).unwrap_or_default();
        !rest.starts_with("or") || rest.starts_with("oriz") || rest.starts_with("oris")
    })
}

/// The parts of a name in lower case, as its separators and capitals set them apart.
fn parts(name: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut before = ' ';
    for letter in name.chars() {
        if letter.is_ascii_alphanumeric() {
            let begins =
                !before.is_ascii_alphanumeric() || before.is_ascii_lowercase() && letter.is_ascii_uppercase();
            match parts.last_mut() {
                Some(part) if !begins => part.push(letter.to_ascii_lowercase()),
                _ => parts.push(letter.to_ascii_lowercase().into()),
            }
        }
        before = letter;
    }
    parts
}
