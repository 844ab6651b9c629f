//! The functions that Envoy lends by name.

use crate::common::{builder, logged, start};
use countersign_host_sim::{HostBuilder, Limits, Request, verify_signature};

const RESULT: &str = "(i32.const 16) (i32.const 20)";

/// A field of bytes of a protobuf message.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(bytes);
    out
}

/// A guest that hands its configuration to a function, and adds what comes back to the request as a header.
fn asks(function: &str) -> HostBuilder {
    builder(&format!(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
             (drop (call $get_buffer (i32.const 7) (i32.const 0) (local.get 1) (i32.const 32) (i32.const 36)))
             (i32.const 1))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (call $say_number (call $foreign @"{function}" (i32.load (i32.const 32)) (i32.load (i32.const 36)) {RESULT}))
             (drop (call $add (i32.const 0) @"x-result" (i32.load (i32.const 16)) (i32.load (i32.const 20))))
             (i32.const 0))"#
    ))
}

/// Status and result of a call.
fn ask(function: &str, argument: &[u8]) -> (String, Vec<u8>) {
    let mut host = asks(function).plugin_config(argument).start().unwrap();
    let outcome = host.run(&Request::get("/"));
    let result = outcome.forwarded().unwrap().headers.get("x-result").unwrap().to_vec();
    (logged(&mut host).remove(0), result)
}

#[test]
fn what_is_compressed_comes_back() {
    for text in [&b""[..], b"a", &[7; 5000]] {
        let (status, compressed) = ask("compress", text);
        assert_eq!((status.as_str(), compressed.first()), ("00", Some(&0x78)), "zlib's format");
        assert_eq!(ask("uncompress", &compressed), ("00".to_owned(), text.to_vec()));
    }
    let (_, mut more) = ask("compress", b"hello");
    more.extend(b"more");
    assert_eq!(
        ask("uncompress", &more),
        ("00".to_owned(), b"hello".to_vec()),
        "what follows is not looked at"
    );
    for bad in [&b""[..], b"not zlib", b"\x78\x9c\x4b"] {
        assert_eq!(ask("uncompress", bad), ("03".to_owned(), Vec::new()), "{bad:?}");
    }
}

#[test]
fn what_would_grow_beyond_a_body_is_refused() {
    let (_, bomb) = ask("compress", &vec![0; 100_000]);
    assert!(bomb.len() < 1000);
    assert_eq!(ask("uncompress", &bomb).1.len(), 100_000);
    let limits = Limits { body_bytes: 1 << 14, ..Limits::default() };
    let mut host = asks("uncompress").plugin_config(bomb).limits(limits).start().unwrap();
    host.run(&Request::get("/"));
    assert_eq!(logged(&mut host), ["10"]);
}

#[test]
fn what_is_signed_verifies() {
    for (algorithm, hash) in
        [(&rcgen::PKCS_ECDSA_P256_SHA256, "sha256"), (&rcgen::PKCS_ECDSA_P384_SHA384, "SHA384")]
    {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        for key_field in [field(2, key.serialized_der()), field(4, key.serialize_pem().as_bytes())] {
            let argument = [field(1, hash.as_bytes()), key_field, field(3, b"the text")].concat();
            let (status, answer) = ask("sign", &argument);
            assert_eq!((status.as_str(), &answer[..3]), ("00", &b"\x08\x01\x12"[..]), "{hash}");
            let signature = &answer[4..];
            let public = rcgen::PublicKeyData::subject_public_key_info(&key);
            let check = |text: &[u8]| {
                let parts =
                    [field(1, hash.as_bytes()), field(2, &public), field(3, signature), field(4, text)];
                verify_signature(&parts.concat()).unwrap()
            };
            assert_eq!(check(b"the text"), b"\x08\x01");
            assert_ne!(check(b"another"), b"\x08\x01");
        }
        let both = [field(2, key.serialized_der()), field(4, key.serialize_pem().as_bytes())].concat();
        assert_eq!(ask("sign", &both).0, "02", "one key alone is wanted");
        let (status, answer) = ask("sign", &[field(1, b"md5"), field(2, key.serialized_der())].concat());
        assert_eq!((status.as_str(), &answer[..2]), ("00", &b"\x1a\x15"[..]));
        assert_eq!(&answer[2..], b"md5 is not supported.");
    }
    for bad in [&b""[..], b"\xff"] {
        assert_eq!(ask("sign", bad).0, "02", "{bad:?}");
    }
    for key in [field(2, b"no key"), field(4, b"no key")] {
        let (status, answer) = ask("sign", &[field(1, b"sha256"), key].concat());
        assert_eq!((status.as_str(), answer.first()), ("00", Some(&0x1a)), "an error, and no signature");
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digit).collect()
}

/// `{1 result, 2 error}` of a signature of `the text`.
fn verdict(hash: &str, key: &[u8], signature: &[u8], text: &[u8]) -> Vec<u8> {
    let parts = [field(1, hash.as_bytes()), field(2, key), field(3, signature), field(4, text)];
    verify_signature(&parts.concat()).unwrap()
}

/// What a table of OpenSSL's has: of keys and signatures, what each is, of which key, and its bytes.
fn vectors(is: fn(&str) -> bool) -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let lines = include_str!("signatures.txt").lines().filter(|line| !line.starts_with('#'));
    let rows = lines.map(|line| line.split(' ').collect::<Vec<_>>()).filter(|row| is(row[0]));
    rows.map(|row| (row[0], row[1], unhex(row[2]))).collect()
}

fn public_key(name: &str) -> Vec<u8> {
    vectors(|what| what == "key").into_iter().find(|(_, of, _)| *of == name).unwrap().2
}

const GOOD: &[u8] = b"\x08\x01";

#[test]
fn every_hash_goes_with_every_key() {
    let signatures = vectors(|what| what.starts_with("sha"));
    assert_eq!(signatures.len(), 20);
    for (hash, name, mut signature) in signatures {
        let key = public_key(name);
        assert_eq!(verdict(hash, &key, &signature, b"the text"), GOOD, "{hash} {name}");
        let other = if hash == "sha1" { "sha224" } else { "sha1" };
        for (hash, text) in [(hash, &b"another"[..]), (other, b"the text")] {
            let verdict = verdict(hash, &key, &signature, text);
            assert_eq!(verdict[0], 0x12, "{hash} {name}: an error, and no result");
        }
        let last = signature.len() - 1;
        signature[last] ^= 1;
        assert_eq!(verdict(hash, &key, &signature, b"the text")[0], 0x12, "{hash} {name}");
        signature.truncate(last);
        assert_eq!(verdict(hash, &key, &signature, b"the text")[0], 0x12, "{hash} {name}");
    }
}

#[test]
fn every_hash_is_signed_with_and_alike_each_time() {
    for (_, name, private) in vectors(|what| what == "private") {
        for hash in ["sha1", "SHA224", "sha256", "sha384", "sha512"] {
            let argument = [field(1, hash.as_bytes()), field(2, &private), field(3, b"the text")].concat();
            let (status, answer) = ask("sign", &argument);
            assert_eq!((status.as_str(), &answer[..3]), ("00", &b"\x08\x01\x12"[..]), "{hash} {name}");
            // Its length takes two bytes from 128 on.
            let signature = if answer[3] < 0x80 { &answer[4..] } else { &answer[5..] };
            assert_eq!(verdict(hash, &public_key(name), signature, b"the text"), GOOD, "{hash} {name}");
            assert_eq!(ask("sign", &argument), (status, answer));
        }
    }
}

#[test]
fn filter_state_is_set_where_envoy_knows_the_object() {
    for (path, value, status) in [
        ("envoy.string", "text", "00"),
        ("envoy.network.ip", "10.0.0.1", "00"),
        ("envoy.network.ip", "nowhere", "02"),
        ("envoy.upstream.dynamic_port", "port", "02"),
        ("wasm.mine", "text", "01"),
    ] {
        let argument = [field(1, path.as_bytes()), field(2, value.as_bytes())].concat();
        assert_eq!(ask("set_envoy_filter_state", &argument).0, status, "{path} = {value}");
    }
    assert_eq!(ask("set_envoy_filter_state", b"\x0a\x7f").0, "02");
    let argument = r"\0a\0cenvoy.string\12\04text";
    let mut host = start(&format!(
        r#"(data (i32.const 4096) "{argument}")
           (func $set (result i32)
             (call $foreign @"set_envoy_filter_state" (i32.const 4096) (i32.const 20) (i32.const 0) (i32.const 0)))
           (func (export "proxy_on_configure") (param i32 i32) (result i32) (call $say_number (call $set)) (i32.const 1))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (call $say_number (call $set))
             (drop (call $get_property @"filter_state\00envoy.string" {RESULT})) (call $say_result) (i32.const 0))"#
    ));
    host.run(&Request::get("/"));
    assert_eq!(logged(&mut host), ["01", "00", "text"], "the root context has no state");
}

#[test]
fn a_declared_property_can_be_written_once_where_it_says_so() {
    let declare = |at: u32, length: u32| {
        format!(
            r#"(call $say_number (call $foreign @"declare_property" (i32.const {at}) (i32.const {length})
                                                (i32.const 0) (i32.const 0)))"#
        )
    };
    let mut host = start(&format!(
        r#"(data (i32.const 4096) "\0a\04once\10\01") (data (i32.const 4112) "\0a\04many")
           (func (export "proxy_on_configure") (param i32 i32) (result i32) {} {} {} (i32.const 1))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             {} {}
             (call $say_number (call $set_property @"once" @"1"))
             (call $say_number (call $set_property @"once" @"2"))
             (call $say_number (call $set_property @"many" @"1"))
             (call $say_number (call $set_property @"many" @"2"))
             (drop (call $get_property @"once" {RESULT})) (call $say_result)
             (drop (call $get_property @"filter_state\00wasm.many" {RESULT})) (call $say_result)
             (i32.const 0))"#,
        declare(4096, 8),
        declare(4096, 8),
        declare(4112, 6),
        declare(4096, 8),
        declare(4096, 8),
    ));
    assert_eq!(logged(&mut host), ["00", "02", "00"], "a name is declared once");
    host.run(&Request::get("/"));
    assert_eq!(
        logged(&mut host),
        ["00", "02", "00", "02", "00", "00", "1", "2"],
        "a stream's own go by themselves"
    );
}

#[test]
fn a_function_that_fails_writes_that_there_is_nothing() {
    let mut host = start(&format!(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (i32.store (i32.const 16) (i32.const 99)) (i32.store (i32.const 20) (i32.const 99))
             (call $say_number (call $foreign @"uncompress" @"bad" {RESULT}))
             (call $say_number (i32.load (i32.const 16))) (call $say_number (i32.load (i32.const 20)))
             (call $say_number (call $foreign @"clear_route_cache" @"" (i32.const 0) (i32.const 0)))
             (call $say_number (call $foreign @"absent" @"1" {RESULT}))
             (i32.const 0))"#
    ));
    host.run(&Request::get("/"));
    assert_eq!(logged(&mut host), ["03", "00", "00", "00", "01"]);
}

#[test]
fn messages_are_read_as_protobuf_reads_them() {
    let asked = |odd: &[u8]| {
        let argument = [odd, &field(1, b"md5"), &field(2, b"no key")].concat();
        ask("verify_signature", &argument)
    };
    let unsupported = ("00".to_owned(), b"\x12\x15md5 is not supported.".to_vec());
    let passed_over =
        [&b"\x7b\x7c"[..], b"\x7b\x83\x01\x84\x01\x7c", b"\x7a\x04more", b"\x79abcdefgh", b"\x08\x07"];
    for odd in passed_over {
        assert_eq!(asked(odd), unsupported, "{odd:?}");
    }
    // Groups that do not end or begin, a field of number 0, a kind that there is not.
    for bad in [&b"\x7b"[..], b"\x7c", b"\x7b\x84\x01", b"\x02\0", b"\x0f"] {
        assert_eq!(asked(bad), ("02".to_owned(), Vec::new()), "{bad:?}");
    }
    let later = [field(1, b"md5"), b"\x08\x07".to_vec(), field(2, b"no key")].concat();
    assert_eq!(ask("verify_signature", &later), unsupported, "a number in its place is passed over");
    let garbled = [field(1, b"\xff"), field(2, b"no key")].concat();
    assert_eq!(ask("verify_signature", &garbled).0, "02", "texts are UTF-8");
}
