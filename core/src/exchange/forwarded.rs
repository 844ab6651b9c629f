//! Whom a proxy speaks for, by the header `x-forwarded-client-cert`.

use crate::reason::Reason;
use crate::request::hex;
use crate::spiffe::SpiffeId;
use crate::xfcc::{self, Element, Key};
use alloc::boxed::Box;

/// The certificate of a caller that a proxy has seen.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Client {
    /// Its URI name.
    pub uri: Box<[u8]>,
    /// SHA-256 of it in DER, where the proxy says it.
    pub certificate: Option<[u8; 32]>,
}

/// The client of the farthest listed proxy; nothing where every element names a listed proxy.
///
/// Each proxy appends its own client. So elements that name listed proxies are stepped over from the end back; what stands
/// before the first other one is that one's own word, and not looked at.
pub(super) fn client(header: &[u8], peers: &[SpiffeId]) -> Result<Option<Client>, Reason> {
    let elements = xfcc::parse(header).map_err(|_| Reason::TransportForwardedInvalid)?;
    match elements.iter().rev().find(|element| !names_peer(element, peers)) {
        None => Ok(None),
        Some(element) => {
            // An X.509-SVID has exactly one URI name (X.509-SVID §2).
            let uri = element.only(Key::Uri).ok_or(Reason::TransportWorkloadInvalid)?;
            let certificate = match element.only(Key::Hash) {
                Some(digits) => Some(hex(digits).ok_or(Reason::TransportForwardedInvalid)?),
                None => None,
            };
            Ok(Some(Client { uri: uri.into(), certificate }))
        }
    }
}

fn names_peer(element: &Element<'_>, peers: &[SpiffeId]) -> bool {
    element.only(Key::Uri).is_some_and(|uri| peers.iter().any(|peer| peer.as_str().as_bytes() == uri))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    const DIGITS: &str = "468ed33be74eee6556d90c0149c1309e9ba61d6425303443c0748a02dd8de688";

    fn seen(header: &str) -> Result<Option<Client>, Reason> {
        let peers = ["spiffe://bank.example/edge", "spiffe://bank.example/inner"];
        let peers = peers.map(|peer| SpiffeId::parse(peer.as_bytes()).unwrap());
        client(header.as_bytes(), &peers)
    }

    fn uri(header: &str) -> &str {
        let client = seen(header).unwrap().unwrap();
        let at = header.find(str::from_utf8(&client.uri).unwrap()).unwrap();
        &header[at..at + client.uri.len()]
    }

    #[test]
    fn the_nearest_client_that_is_no_listed_proxy_calls() {
        assert_eq!(uri("URI=a"), "a");
        assert_eq!(uri("URI=spiffe://bank.example/admin,URI=a"), "a");
        assert_eq!(uri("URI=a,URI=spiffe://bank.example/edge"), "a");
        assert_eq!(uri("URI=a,URI=spiffe://bank.example/edge,URI=spiffe://bank.example/inner"), "a");
        // Behind a stranger's element, one that names a listed proxy is the stranger's word.
        assert_eq!(uri("URI=x,URI=spiffe://bank.example/edge,URI=a"), "a");
        assert_eq!(uri("URI=spiffe://bank.example/edges"), "spiffe://bank.example/edges");
        assert_eq!(seen("URI=spiffe://bank.example/edge"), Ok(None));
        assert_eq!(seen("URI=spiffe://bank.example/inner,URI=spiffe://bank.example/edge"), Ok(None));
    }

    #[test]
    fn a_client_has_one_uri() {
        for header in [
            "By=spiffe://bank.example/edge",
            "URI=",
            "DNS=a",
            "URI=a;URI=a",
            "URI=spiffe://bank.example/edge;URI=a",
            "URI=a,By=spiffe://bank.example/edge;Hash=x",
        ] {
            assert_eq!(seen(header), Err(Reason::TransportWorkloadInvalid), "{header}");
        }
    }

    #[test]
    fn the_digest_is_that_of_the_same_element() {
        let digest = |header: &str| seen(header).map(|client| client.unwrap().certificate);
        assert_eq!(digest(&format!("Hash={DIGITS};URI=a")), Ok(hex(DIGITS.as_bytes())));
        assert!(hex(DIGITS.as_bytes()).is_some());
        assert_eq!(digest("URI=a"), Ok(None));
        assert_eq!(digest(&format!("Hash={DIGITS};URI=spiffe://bank.example/edge,URI=a")), Ok(None));
        assert_eq!(digest(&format!("URI=a,Hash={DIGITS};URI=spiffe://bank.example/edge")), Ok(None));
        for digits in ["0a", &DIGITS[1..], "x68ed33be74eee6556d90c0149c1309e9ba61d6425303443c0748a02dd8de688"]
        {
            assert_eq!(digest(&format!("Hash={digits};URI=a")), Err(Reason::TransportForwardedInvalid));
        }
        // Of what is stepped over nothing is asked.
        assert_eq!(digest("URI=a,Hash=x;URI=spiffe://bank.example/edge"), Ok(None));
    }

    #[test]
    fn a_malformed_element_spoils_the_header_wherever_it_stands() {
        for header in ["", "x,URI=a", "URI=a,x", "URI=a,", "URI=\"a", "Name=b;URI=a"] {
            assert_eq!(seen(header), Err(Reason::TransportForwardedInvalid), "{header}");
        }
    }
}
