//! The tables make sense.

use super::{Profile, Support};
use crate::abi::{Callback, HostCall};

#[test]
fn names_are_known() {
    for profile in Profile::ALL {
        let table = profile.table();
        for name in table.silent {
            assert!(Callback::named(name).is_some(), "{profile}: `{name}`");
        }
        for call in HostCall::ALL {
            let lists = [table.missing, table.trapping, table.unimplemented];
            let listed = lists.iter().filter(|list| list.contains(call)).count();
            assert!(listed < 2, "{profile}: `{}` stands in {listed} lists", call.name());
        }
    }
    assert!(HostCall::ALL.iter().all(|call| Profile::Envoy.support(*call) == Support::Works));
}

#[test]
fn kong_writes_text() {
    let shaped = |path: &[u8], value: &[u8]| {
        let mut value = value.to_vec();
        Profile::Kong.reshape(path, &mut value);
        String::from_utf8(value).unwrap()
    };
    assert_eq!(shaped(b"connection\0mtls", &[1]), "true");
    assert_eq!(shaped(b"connection\0mtls", &[0]), "false");
    assert_eq!(shaped(b"source\0port", &40_000_i64.to_le_bytes()), "40000");
    assert_eq!(shaped(b"source\0address", b"127.0.0.1:40000"), "127.0.0.1");
    assert_eq!(shaped(b"request\0time", &1_700_000_000_123_456_789_i64.to_le_bytes()), "1700000000.123");
    assert_eq!(shaped(b"request\0path", b"/a"), "/a");
    assert!(Profile::Kong.offers(b"request\0headers\0x-a", false));
    assert!(!Profile::Kong.offers(b"request\0headers\0", false));
    assert!(!Profile::Kong.offers(b"connection\0uri_san_peer_certificate", true));
    assert!(Profile::Kong.lets_set(b"wasmx\0a") && !Profile::Kong.lets_set(b"a"));
    assert!(!Profile::Gcp.offers(b"connection\0id", false) && Profile::Gcp.offers(b"connection\0id", true));
}
