//! What is never shown or written down: credentials, wherever they stand in a request.

use std::borrow::Cow;

use countersign_core::config::Config;

/// Headers that hold credentials, whatever their values look like.
const HEADERS: [&str; 6] =
    ["authorization", "proxy-authorization", "cookie", "set-cookie", "dpop", "x-api-key"];

/// Parts of names of headers and parameters whose values are taken for credentials.
const WORDS: [&str; 14] = [
    "token",
    "secret",
    "password",
    "passwd",
    "credential",
    "api-key",
    "api_key",
    "apikey",
    "signature",
    "session",
    "assertion",
    "jwt",
    "auth",
    "private",
];

/// Names that hold one of those words and no credential.
const HARMLESS: [&str; 4] =
    ["www-authenticate", "proxy-authenticate", "x-countersign-credential", "sec-fetch-site"];

/// Parameters of a query that hold credentials under names of their own.
const PARAMETERS: [&str; 5] = ["code", "key", "sig", "pwd", "pass"];

/// What tokens of well-known kinds begin with.
const PREFIXES: [&str; 10] =
    ["csk_", "ghp_", "gho_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "AKIA", "sk_live_", "sk-"];

/// The fewest letters of a text that may be a credential by its looks alone.
const LONG: usize = 28;

/// Tells credentials from everything else.
#[derive(Clone, Debug, Default)]
pub(crate) struct Secrets {
    /// The header of the configured API keys.
    api_key: Option<String>,
}

impl Secrets {
    /// With what a configuration says of headers.
    pub(crate) fn of(config: Option<&Config>) -> Self {
        let api_key = config.and_then(|config| config.api_keys.as_ref());
        Self { api_key: api_key.map(|keys| keys.header.to_ascii_lowercase()) }
    }

    /// What a header's value is shown as. `None` where it can be shown as it is.
    pub(crate) fn header(&self, name: &str, value: &[u8]) -> Option<String> {
        let hidden = |bytes: usize| format!("(secret, {bytes} bytes)");
        if name.starts_with(':') {
            return None;
        }
        if self.is_secret_header(name) {
            // The scheme says which kind of credential it is, and nothing of it.
            let text = std::str::from_utf8(value).unwrap_or_default();
            let scheme = text.split_once(' ').map(|(scheme, _)| scheme);
            let scheme = scheme.filter(|scheme| {
                name.ends_with("authorization")
                    && scheme.len() < 16
                    && scheme.bytes().all(|b| b.is_ascii_alphabetic())
            });
            return Some(match scheme {
                Some(scheme) => format!("{scheme} {}", hidden(value.len() - scheme.len() - 1)),
                None => hidden(value.len()),
            });
        }
        let text = String::from_utf8_lossy(value);
        match scrub(&text) {
            Cow::Owned(scrubbed) => Some(scrubbed),
            Cow::Borrowed(_) => None,
        }
    }

    /// Whether a header of this name is a credential.
    pub(crate) fn is_secret_header(&self, name: &str) -> bool {
        let known = HEADERS.contains(&name) || self.api_key.as_deref() == Some(name);
        known || !HARMLESS.contains(&name) && WORDS.iter().any(|word| name.contains(word))
    }

    /// A request target as it can be shown.
    pub(crate) fn path(&self, path: &str) -> String {
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        let mut shown = scrub(path).into_owned();
        if let Some(query) = query {
            let parameter = |pair: &str| match pair.split_once('=') {
                Some((name, value)) if is_secret_parameter(name) && !value.is_empty() => {
                    format!("{name}=(secret)")
                }
                Some((name, value)) => format!("{name}={}", scrub(value)),
                None => scrub(pair).into_owned(),
            };
            let parameters: Vec<String> = query.split('&').map(parameter).collect();
            shown.push('?');
            shown.push_str(&parameters.join("&"));
        }
        shown
    }
}

fn is_secret_parameter(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    PARAMETERS.contains(&name.as_str()) || WORDS.iter().any(|word| name.contains(word))
}

/// A text without what looks like a credential in it.
pub(crate) fn scrub(text: &str) -> Cow<'_, str> {
    let is_part =
        |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.' | '~' | '+' | '=');
    let mut scrubbed = String::new();
    let mut copied = 0;
    let mut rest = text;
    let mut at = 0;
    while let Some(start) = rest.find(is_part) {
        let piece = rest.get(start..).unwrap_or_default();
        let length = piece.find(|letter| !is_part(letter)).unwrap_or(piece.len());
        let word = piece.get(..length).unwrap_or_default();
        if looks_secret(word) {
            scrubbed.push_str(text.get(copied..at + start).unwrap_or_default());
            scrubbed.push_str("(secret)");
            copied = at + start + length;
        }
        at += start + length;
        rest = text.get(at..).unwrap_or_default();
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    scrubbed.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(scrubbed)
}

/// Whether a word is a token by its form, or as random as one.
fn looks_secret(word: &str) -> bool {
    let jwt = word.starts_with("eyJ") && word.contains('.');
    let known = PREFIXES.iter().any(|prefix| word.strip_prefix(prefix).is_some_and(|rest| rest.len() >= 12));
    jwt || known || word.len() >= LONG && is_random(word)
}

/// Letters of both cases and digits with little repetition: no word, no number, no hexadecimal digest, no UUID.
fn is_random(word: &str) -> bool {
    let has = |test: fn(&u8) -> bool| word.as_bytes().iter().any(test);
    if !has(u8::is_ascii_uppercase) || !has(u8::is_ascii_lowercase) || !has(u8::is_ascii_digit) {
        return false;
    }
    let mut counts = [0_u32; 128];
    for byte in word.bytes() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    let length = word.len() as f64;
    let entropy: f64 = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) / length)
        .map(|share| -share * share.log2())
        .sum();
    entropy >= 3.8
}

#[cfg(test)]
mod tests {
    use super::{Secrets, scrub};

    const JWT: &str = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl";

    #[test]
    fn credentials_are_told_by_their_headers() {
        let secrets = Secrets { api_key: Some(String::from("x-legacy")) };
        for (name, value, shown) in [
            ("authorization", "Bearer abcdef", "Bearer (secret, 6 bytes)"),
            ("authorization", "abcdef", "(secret, 6 bytes)"),
            ("cookie", "a=b", "(secret, 3 bytes)"),
            ("x-legacy", "k", "(secret, 1 bytes)"),
            ("x-session-id", "k", "(secret, 1 bytes)"),
            ("x-note", JWT, "(secret)"),
            ("x-note", "see csk_0123456789abcdef now", "see (secret) now"),
        ] {
            assert_eq!(secrets.header(name, value.as_bytes()).as_deref(), Some(shown), "{name}: {value}");
        }
        for (name, value) in [
            (":authority", "api.example"),
            ("accept", "application/json"),
            ("x-request-id", "2f9c1a52-0c0e-4c1b-9d55-6a3f1f4a7b10"),
            ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
            ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"),
            ("www-authenticate", "Bearer error=\"invalid_token\""),
        ] {
            assert_eq!(secrets.header(name, value.as_bytes()), None, "{name}: {value}");
        }
    }

    #[test]
    fn targets_lose_their_credentials() {
        let secrets = Secrets::default();
        for (path, shown) in [
            ("/v1/tenants/acme/transfers/t-1001/score", "/v1/tenants/acme/transfers/t-1001/score"),
            ("/cb?code=abc&state=x", "/cb?code=(secret)&state=x"),
            ("/a?access_token=1&b", "/a?access_token=(secret)&b"),
            ("/a?q=hello", "/a?q=hello"),
        ] {
            assert_eq!(secrets.path(path), shown);
        }
        assert_eq!(secrets.path(&format!("/t/{JWT}/x")), "/t/(secret)/x");
        assert_eq!(secrets.path(&format!("/t?q={JWT}")), "/t?q=(secret)");
    }

    #[test]
    fn what_is_as_random_as_a_token_is_one() {
        assert_eq!(scrub("got 9wHk2LmQx7Rt4VbNs8Jd0ZpFy3Gc6Ea1 there"), "got (secret) there");
        assert_eq!(
            scrub("https://issuer.bank.example/Some/CamelCasePath1"),
            "https://issuer.bank.example/Some/CamelCasePath1"
        );
    }

    proptest::proptest! {
        #[test]
        fn no_token_survives(before in "[ -~]{0,20}", after in "[ -~]{0,20}") {
            let text = format!("{before} {JWT} {after}");
            proptest::prop_assert!(!scrub(&text).contains("eyJzdWIiOiJhbGljZSJ9"));
        }
    }
}
