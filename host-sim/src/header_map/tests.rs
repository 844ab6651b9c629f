use proptest::prelude::*;

use super::HeaderMap;

#[test]
fn keeps_order_and_duplicates_and_folds_names() {
    let map = HeaderMap::from_pairs([("X-A", "1"), (":path", "/"), ("x-a", "2"), (":method", "GET")]);
    let names: Vec<_> = map.iter().map(|(n, _)| String::from_utf8_lossy(n).into_owned()).collect();
    assert_eq!(names, [":path", ":method", "x-a", "x-a"]);
    assert_eq!(map.get("X-a"), Some(&b"1"[..]));
    assert_eq!(map.get_all(b"x-a").count(), 2);
}

#[test]
fn set_replaces_every_value_of_the_name() {
    let mut map = HeaderMap::from_pairs([("a", "1"), ("b", "2"), ("a", "3")]);
    map.set(b"A", b"4");
    assert_eq!(map, HeaderMap::from_pairs([("b", "2"), ("a", "4")]));
    assert_eq!(map.remove(b"a"), 1);
    assert_eq!(map.len(), 1);
}

#[test]
fn serialization_round_trips_bytes_that_are_not_utf8() {
    let map = HeaderMap::from_pairs([(&b"a"[..], &b"\xff\x00\xfe"[..]), (&b""[..], &b""[..])]);
    let mut bytes = Vec::new();
    map.serialize_into(&mut bytes);
    assert_eq!(HeaderMap::deserialize(&bytes), Some(map));
}

#[test]
fn lengths_that_do_not_add_up_are_refused() {
    let mut bytes = Vec::new();
    HeaderMap::from_pairs([("name", "value")]).serialize_into(&mut bytes);
    for cut in 0..bytes.len() {
        assert_eq!(HeaderMap::deserialize(&bytes[..cut]), None, "cut at {cut}");
    }
    for at in 0..12 {
        let mut bent = bytes.clone();
        bent[at] = 0xff;
        assert_eq!(HeaderMap::deserialize(&bent), None, "bent at {at}");
    }
}

#[test]
fn rewriting_for_ever_does_not_grow_the_buffer() {
    let mut map = HeaderMap::from_pairs([("a", "1")]);
    for _ in 0..10_000 {
        map.set(b"b", &[b'x'; 100]);
    }
    assert_eq!(map.len(), 2);
    assert!(map.bytes.len() < 20_000, "{}", map.bytes.len());
}

proptest! {
    #[test]
    fn any_bytes_read_as_pairs_or_not_at_all(bytes in prop::collection::vec(any::<u8>(), 0..200), count in 0_u32..6) {
        let mut counted = count.to_le_bytes().to_vec();
        counted.extend(bytes);
        if let Some(map) = HeaderMap::deserialize(&counted) {
            let mut again = Vec::new();
            map.serialize_into(&mut again);
            prop_assert_eq!(HeaderMap::deserialize(&again), Some(map));
        }
    }

    #[test]
    fn edits_agree_with_a_plain_list(edits in prop::collection::vec((0_u8..3, 0_u8..4, any::<u8>()), 0..60)) {
        let mut map = HeaderMap::new();
        let mut list: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        for (what, name, value) in edits {
            let (name, value) = (vec![b'a' + name], vec![value]);
            if what > 0 {
                list.retain(|(n, _)| what == 1 || *n != name);
            } else {
                list.retain(|(n, _)| *n != name);
            }
            match what {
                0 => { map.remove(&name); }
                1 => { map.append(&name, &value); list.push((name, value)); }
                _ => { map.set(&name, &value); list.push((name, value)); }
            }
        }
        prop_assert_eq!(map.to_pairs(), list);
    }
}

#[test]
fn headers_that_are_known_by_heart_hold_one_value() {
    let mut map =
        HeaderMap::from_pairs([(":path", "/"), ("accept", "a"), ("user-agent", "one"), ("x-a", "1")]);
    for (name, value) in [("User-Agent", "two"), ("x-a", "2"), (":path", "/b"), ("via", "me")] {
        map.add(name.as_bytes(), value.as_bytes());
    }
    let expected = HeaderMap::from_pairs([
        (":path", "/,/b"),
        ("accept", "a"),
        ("user-agent", "one,two"),
        ("x-a", "1"),
        ("x-a", "2"),
        ("via", "me"),
    ]);
    assert_eq!(map, expected);
}

#[test]
fn pairs_end_with_zero_bytes_and_nothing_else() {
    let good = b"\x01\0\0\0\x01\0\0\0\x01\0\0\0n\0v\0";
    assert_eq!(HeaderMap::deserialize(good), Some(HeaderMap::from_pairs([("n", "v")])));
    assert_eq!(HeaderMap::deserialize(&[&good[..], b"more"].concat()), None);
    assert_eq!(HeaderMap::deserialize(b"\x01\0\0\0\x01\0\0\0\x01\0\0\0nxvx"), None);
}
