//! The head of a request as a host hands it over: bytes, in order, repeats and all.

use alloc::boxed::Box;
use alloc::vec::Vec;

/// Names and values of a request's headers, pseudo-headers among them, and who is at the other end.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// Headers in order. Names may be of any case; values are bytes.
    pub headers: &'a [(&'a [u8], &'a [u8])],
    /// The peer of the connection.
    pub peer: Peer<'a>,
}

/// The other end of the connection, as the host's TLS stack says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer<'a> {
    /// No client certificate, or no TLS.
    Anonymous,
    /// A client certificate that the host has validated.
    Certificate {
        /// The certificate's URI subject alternative name; empty where it has none.
        uri_san: &'a [u8],
        /// SHA-256 of the certificate in DER, where the host says it.
        sha256: Option<[u8; 32]>,
    },
}

impl<'a> Peer<'a> {
    /// A peer with a certificate of this URI name; `digest` is its SHA-256 in 64 hexadecimal digits, as gateways write it.
    /// Anything else is no digest.
    pub fn certificate(uri_san: &'a [u8], digest: Option<&[u8]>) -> Self {
        Self::Certificate { uri_san, sha256: digest.and_then(hex) }
    }
}

/// 32 bytes of 64 hexadecimal digits.
pub(crate) fn hex(digits: &[u8]) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let (pairs, rest) = digits.as_chunks::<2>();
    if pairs.len() != bytes.len() || !rest.is_empty() {
        return None;
    }
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = value(*high)? << 4 | value(*low)?;
    }
    Some(bytes)
}

/// A security header stands more than once, or in a disguise: with `_` for `-`, which many upstreams cannot tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeated;

impl<'a> RequestHead<'a> {
    /// The value of a header that may stand once at most. `name` is in lower case.
    pub fn single(&self, name: &str) -> Result<Option<&'a [u8]>, Repeated> {
        let mut found = None;
        for (have, value) in self.headers {
            if have.len() != name.len() || !is_disguised(have, name) {
                continue;
            }
            if found.is_some() || !have.eq_ignore_ascii_case(name.as_bytes()) {
                return Err(Repeated);
            }
            found = Some(*value);
        }
        Ok(found)
    }

    /// The names of headers that begin with `prefix`, taken as a client could disguise it: in any case, and with `_` for
    /// `-`, which many upstreams cannot tell apart (CVE-2023-27487's lesson: strip every header we own).
    pub fn names_under(&self, prefix: &str) -> impl Iterator<Item = &'a [u8]> {
        self.headers
            .iter()
            .map(|(name, _)| *name)
            .filter(move |name| name.get(..prefix.len()).is_some_and(|start| is_disguised(start, prefix)))
    }

    /// The header names among `names` that stand in this head, as a client could disguise them.
    pub fn names_among(&self, names: &[impl AsRef<str>]) -> impl Iterator<Item = &'a [u8]> {
        let is_one = move |have: &[u8]| {
            names.iter().any(|name| have.len() == name.as_ref().len() && is_disguised(have, name.as_ref()))
        };
        self.headers.iter().map(|(name, _)| *name).filter(move |name| is_one(name))
    }
}

/// Whether a header's name and another of its length are one to a careless reader: whatever the case, `_` for `-`.
fn is_disguised(have: &[u8], name: &str) -> bool {
    let plain = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    have.iter().zip(name.as_bytes()).all(|(have, want)| plain(*have) == plain(*want))
}

/// A copy of a request's head, for as long as the request is held.
#[derive(Clone, Debug)]
pub struct OwnedHead {
    headers: Vec<(Bytes, Bytes)>,
    peer: Option<(Bytes, Option<[u8; 32]>)>,
}

type Bytes = Box<[u8]>;

impl OwnedHead {
    /// Copies `head`.
    pub fn new(head: &RequestHead<'_>) -> Self {
        Self {
            headers: head.headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            peer: match head.peer {
                Peer::Anonymous => None,
                Peer::Certificate { uri_san, sha256 } => Some((uri_san.into(), sha256)),
            },
        }
    }

    /// About how many bytes it takes.
    pub fn size(head: &RequestHead<'_>) -> usize {
        head.headers.iter().map(|(name, value)| name.len() + value.len() + 2 * size_of::<Bytes>()).sum()
    }

    /// Calls `use_head` with the head as it was.
    pub fn with<T>(&self, use_head: impl FnOnce(&RequestHead<'_>) -> T) -> T {
        let headers: Vec<(&[u8], &[u8])> =
            self.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let peer = match &self.peer {
            None => Peer::Anonymous,
            Some((uri_san, sha256)) => Peer::Certificate { uri_san, sha256: *sha256 },
        };
        use_head(&RequestHead { headers: &headers, peer })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn head<'a>(headers: &'a [(&'a [u8], &'a [u8])]) -> RequestHead<'a> {
        RequestHead { headers, peer: Peer::Anonymous }
    }

    #[test]
    fn a_repeated_header_is_never_the_first_of_them() {
        let headers: [(&[u8], &[u8]); 3] = [(b"authorization", b"a"), (b"x", b"y"), (b"Authorization", b"b")];
        assert_eq!(head(&headers).single("authorization"), Err(Repeated));
        assert_eq!(head(&headers).single("x"), Ok(Some(&b"y"[..])));
        assert_eq!(head(&headers).single("z"), Ok(None));
        let headers: [(&[u8], &[u8]); 2] = [(b"x-purpose", b"a"), (b"X_Purpose", b"b")];
        for headers in [&headers[..], &headers[1..]] {
            assert_eq!(head(headers).single("x-purpose"), Err(Repeated));
        }
        assert_eq!(head(&headers[..1]).single("x-purpose"), Ok(Some(&b"a"[..])));
    }

    #[test]
    fn disguised_prefixes_are_found() {
        let headers: [(&[u8], &[u8]); 5] = [
            (b"x-countersign-principal", b""),
            (b"X-Countersign-Principal", b""),
            (b"x_countersign_principal", b""),
            (b"x-countersig", b""),
            (b"ax-countersign-principal", b""),
        ];
        let found: vec::Vec<_> = head(&headers).names_under("x-countersign-").collect();
        assert_eq!(found, [headers[0].0, headers[1].0, headers[2].0]);
    }

    #[test]
    fn a_digest_is_sixty_four_hexadecimal_digits() {
        let digest = |text: &[u8]| match Peer::certificate(b"", Some(text)) {
            Peer::Certificate { sha256, .. } => sha256,
            Peer::Anonymous => None,
        };
        assert_eq!(digest(&b"0aF1".repeat(16)).map(|digest| digest[..2].to_vec()), Some(vec![0x0a, 0xf1]));
        for bad in [&b""[..], b"0a", &[b'g'; 64], &[b'0'; 63], &[b'0'; 66], b"0a:0a"] {
            assert_eq!(digest(bad), None);
        }
    }

    #[test]
    fn an_owned_head_is_the_same_head() {
        let headers: [(&[u8], &[u8]); 1] = [(b"a", b"\xff")];
        let peer = Peer::Certificate { uri_san: b"spiffe://a/b", sha256: Some([7; 32]) };
        OwnedHead::new(&RequestHead { headers: &headers, peer }).with(|head| {
            assert_eq!(head.headers, headers);
            assert_eq!(head.peer, peer);
        });
    }
}
