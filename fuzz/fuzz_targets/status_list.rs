//! Status lists: whole ones, payloads, packed statuses, and statuses as they are before they are packed. What unpacks them lets every
//! checksum pass in a fuzzer; unit tests hold that.

#![no_main]

use countersign_core::base64url;
use countersign_core::revocation::{Status, StatusList, StatusListError};
use countersign_core::time::Timestamp;
use countersign_fuzz::{NOW, ORIGIN, accepted, token, with_keys};
use libfuzzer_sys::fuzz_target;

/// The largest list, in bytes.
const LIMIT: usize = 1 << 16;

fn read(token: &[u8]) -> Result<StatusList, StatusListError> {
    with_keys(|keys| StatusList::read(token, &ORIGIN, keys, LIMIT, Timestamp::from_secs(NOW)))
}

fn signed(payload: &[u8]) -> Vec<u8> {
    token(r#"{"alg":"ES256","kid":"k","typ":"statuslist+jwt"}"#, payload).into_bytes()
}

fn packed(bits: u8, zlib: &[u8]) -> Vec<u8> {
    let lst = base64url::encode(zlib);
    let payload =
        format!(r#"{{"sub":"{}","iat":{NOW},"status_list":{{"bits":{bits},"lst":"{lst}"}}}}"#, ORIGIN.uri);
    signed(payload.as_bytes())
}

/// A zlib stream of one stored block (RFC 1950 §2.2, RFC 1951 §3.2.4).
fn stored(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("one block");
    let (mut a, mut b) = (1u32, 0u32);
    for byte in bytes {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    let [low, high] = length.to_le_bytes();
    [&[0x78, 0x01, 1, low, high, !low, !high], bytes, &(b << 16 | a).to_be_bytes()].concat()
}

fuzz_target!(|input: &[u8]| {
    let Some((kind, rest)) = input.split_first() else { return };
    let found = match kind % 4 {
        0 => read(rest),
        1 => read(&signed(rest)),
        2 => read(&packed(2, rest)),
        _ => {
            let Some((bits, statuses)) = rest.split_first() else { return };
            let bits = 1 << (bits % 4);
            let statuses = statuses.get(..statuses.len().min(1_000)).unwrap_or_default();
            let list = read(&packed(bits, &stored(statuses))).expect("a good list");
            assert_eq!((list.bits(), list.len()), (bits, statuses.len() as u64 * 8 / u64::from(bits)));
            for index in 0..list.len() as usize {
                let bit = |at: usize| statuses[at / 8] >> (at % 8) & 1;
                let value = (0..usize::from(bits))
                    .fold(0, |value, i| value | bit(index * usize::from(bits) + i) << i);
                let expected = match value {
                    0 => Status::Valid,
                    1 => Status::Invalid,
                    2 => Status::Suspended,
                    other => Status::Other(other),
                };
                assert_eq!(list.status(index as u32), Some(expected));
            }
            Ok(list)
        }
    };
    let Ok(list) = found else { return };
    accepted();
    assert!(list.bytes() <= LIMIT + 256, "beyond the limit");
    assert!(list.ttl().is_none_or(|ttl| ttl.as_nanos() > 0));
    let length = list.len() as u32;
    assert_eq!(list.status(length), None);
    assert_eq!(list.status(u32::MAX), None);
    assert_eq!(length.checked_sub(1).map(|last| list.status(last).is_some()), (length > 0).then_some(true));
});
