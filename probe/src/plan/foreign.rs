//! Questions to the functions that gateways lend by name. Another function is another table, named in [`TABLES`].

use super::system::NOWHERE;
use crate::arg::Arg::*;
use crate::arg::Field::{self, Data, File, Given, Raw, Varint};
use crate::arg::Probe;
use crate::host::Call::{proxy_call_foreign_function, proxy_get_property, proxy_set_property};

/// All of them.
pub(super) const TABLES: &[&[Probe]] = &[
    UNKNOWN,
    VERIFY,
    VERIFY_KEYS,
    SIGN,
    COMPRESS,
    UNCOMPRESS,
    STATE,
    STATE_VALUES,
    ROUTES,
    DECLARE,
    DECLARED,
];

/// A question with a message as its argument, or with bytes.
macro_rules! ask {
    ($name:literal, [$($field:expr),* $(,)?]) => {
        Probe(proxy_call_foreign_function, &[Bytes($name), Message(&[$($field),*]), OutBytes])
    };
    ($name:literal, $bytes:expr) => {
        Probe(proxy_call_foreign_function, &[Bytes($name), $bytes, OutBytes])
    };
}

/// Names that no function has, and places that are none.
const UNKNOWN: &[Probe] = &[
    ask!(b"absent", Bytes(b"")),
    ask!(b"", Bytes(b"")),
    ask!(b"Verify_Signature", Bytes(b"")),
    ask!(b"verify_signature\0", Bytes(b"")),
    ask!(b" compress", Bytes(b"")),
    ask!(b"\xff\xfe", Bytes(b"")),
    ask!(b"absent", Times(b'a', 200_000)),
    Probe(proxy_call_foreign_function, &[Times(b'n', 70_000), Bytes(b""), OutBytes]),
    Probe(proxy_call_foreign_function, &[Bytes(b"absent"), Bytes(b""), OutAt(NOWHERE), OutAt(NOWHERE)]),
    Probe(proxy_call_foreign_function, &[At(NOWHERE, 4), Bytes(b""), OutBytes]),
    Probe(proxy_call_foreign_function, &[Bytes(b"verify_signature"), At(NOWHERE, 4), OutBytes]),
    Probe(proxy_call_foreign_function, &[Bytes(b"verify_signature"), Bytes(b""), OutAt(0), OutAt(0)]),
    Probe(proxy_call_foreign_function, &[Bytes(b"compress"), Bytes(b"c"), OutAt(0), OutAt(0)]),
    Probe(proxy_call_foreign_function, &[Bytes(b"compress"), Bytes(b"c"), OutAt(NOWHERE), OutNumber]),
    Probe(
        proxy_call_foreign_function,
        &[Bytes(b"compress"), Bytes(b"c"), OutHidden("place"), OutAt(NOWHERE)],
    ),
    Probe(proxy_call_foreign_function, &[Bytes(b"compress"), Bytes(b"c"), OutHidden("place"), OutAt(0)]),
    Probe(proxy_call_foreign_function, &[Bytes(b"compress"), Bytes(b"c"), OutAt(0), OutScratch(4)]),
];

/// A field that is a file of `keys`.
macro_rules! file {
    ($number:literal, $file:literal) => {
        File($number, $file, include_bytes!(concat!("../../keys/", $file)))
    };
}

const TEXT: &[u8] = b"text";

/// `verify_signature {1 hash_function, 2 public_key, 3 signature, 4 text, 5 public_key_pem}`, by a hash and a DER key.
macro_rules! verify {
    ($hash:literal, $key:literal, $signature:literal, $text:expr) => {
        ask!(b"verify_signature", [Data(1, $hash), file!(2, $key), file!(3, $signature), Data(4, $text)])
    };
}

/// Signatures that are good, bad, or of another kind.
const VERIFY: &[Probe] = &[
    verify!(b"sha256", "p256.public.der", "p256.sha256.signature", TEXT),
    verify!(b"SHA256", "p256.public.der", "p256.sha256.signature", TEXT),
    verify!(b"sha256", "p256.public.der", "p256.sha256.signature", b"texts"),
    verify!(b"sha384", "p256.public.der", "p256.sha256.signature", TEXT),
    verify!(b"sha512", "p256.public.der", "p256.sha512.signature", TEXT),
    verify!(b"sha384", "p384.public.der", "p384.sha384.signature", TEXT),
    verify!(b"sha256", "p384.public.der", "p384.sha256.signature", TEXT),
    verify!(b"sha512", "p521.public.der", "p521.sha512.signature", TEXT),
    verify!(b"sha224", "p224.public.der", "p224.sha224.signature", TEXT),
    verify!(b"sha256", "p224.public.der", "p224.sha256.signature", TEXT),
    verify!(b"sha256", "p224.public.der", "p224.sha224.signature", TEXT),
    verify!(b"sha256", "p224.public.der", "p256.sha256.signature", TEXT),
    verify!(b"sha256", "rsa.public.der", "rsa.sha256.signature", TEXT),
    verify!(b"sha512", "rsa.public.der", "rsa.sha512.signature", TEXT),
    verify!(b"sha1", "rsa.public.der", "rsa.sha1.signature", TEXT),
    verify!(b"sha224", "rsa.public.der", "rsa.sha256.signature", TEXT),
    verify!(b"sha256", "rsa.public.der", "p256.sha256.signature", TEXT),
    verify!(b"sha256", "p256.public.der", "rsa.sha256.signature", TEXT),
    verify!(b"sha512", "ed25519.public.der", "ed25519.signature", TEXT),
    verify!(b"", "ed25519.public.der", "ed25519.signature", TEXT),
    verify!(b"", "p256.public.der", "p256.sha256.signature", TEXT),
    verify!(b"md5", "p256.public.der", "p256.sha256.signature", TEXT),
    verify!(b"sha-256", "p256.public.der", "p256.sha256.signature", TEXT),
    verify!(b"\xff", "p256.public.der", "p256.sha256.signature", TEXT),
    verify!(b"sha256", "p256.private.der", "p256.sha256.signature", TEXT),
    ask!(b"verify_signature", [Data(1, b"sha256"), file!(2, "p256.public.der"), Data(4, TEXT)]),
    ask!(
        b"verify_signature",
        [Data(1, b"sha256"), file!(2, "p256.public.der"), Data(3, b"short"), Data(4, TEXT)]
    ),
    ask!(
        b"verify_signature",
        [Data(1, b"sha256"), file!(2, "p256.public.der"), Field::Times(3, b's', 100_000), Data(4, TEXT)]
    ),
    ask!(
        b"verify_signature",
        [Data(1, b"sha256"), file!(2, "rsa.public.der"), Field::Times(3, b's', 256), Data(4, TEXT)]
    ),
    ask!(
        b"verify_signature",
        [
            Data(1, b"sha256"),
            file!(2, "p256.public.der"),
            file!(3, "p256.sha256.signature"),
            Field::Times(4, b't', 500_000)
        ]
    ),
    ask!(b"verify_signature", [Field::Times(1, b'h', 100), file!(2, "p256.public.der")]),
];

/// Keys that are missing, none, or in the other form; and messages that are odd.
const VERIFY_KEYS: &[Probe] = &[
    ask!(b"verify_signature", Bytes(b"")),
    ask!(b"verify_signature", Bytes(b"\xff")),
    ask!(b"verify_signature", Bytes(b"\x0a\x7fsha256")),
    ask!(b"verify_signature", Times(b'\n', 100_000)),
    ask!(b"verify_signature", [Data(1, b"sha256")]),
    ask!(b"verify_signature", [Data(1, b"sha256"), Data(2, b"no key")]),
    ask!(b"verify_signature", [Data(1, b"sha256"), Data(2, b"\x30\x00")]),
    ask!(b"verify_signature", [Data(1, b"sha256"), Field::Times(2, b'0', 100_000)]),
    ask!(b"verify_signature", [Data(1, b"md5"), Data(2, b"no key")]),
    ask!(b"verify_signature", [Data(1, b"sha256"), file!(2, "p256.public.der"), file!(5, "p256.public.pem")]),
    ask!(
        b"verify_signature",
        [Data(1, b"sha256"), file!(5, "p256.public.pem"), file!(3, "p256.sha256.signature"), Data(4, TEXT)]
    ),
    ask!(
        b"verify_signature",
        [Data(1, b"sha256"), file!(5, "p256.public.der"), file!(3, "p256.sha256.signature"), Data(4, TEXT)]
    ),
    ask!(
        b"verify_signature",
        [Data(1, b"sha256"), file!(5, "p256.private.pem"), file!(3, "p256.sha256.signature"), Data(4, TEXT)]
    ),
    ask!(b"verify_signature", [Data(1, b"sha256"), Data(5, b"-----BEGIN PUBLIC KEY-----\n")]),
    ask!(b"verify_signature", [Data(1, b"sha256"), file!(2, "p256.public.pem")]),
    // The last of a field counts; unknown fields and those of another type do not.
    ask!(
        b"verify_signature",
        [
            Data(1, b"md5"),
            Data(1, b"sha256"),
            file!(2, "p256.public.der"),
            file!(3, "p256.sha256.signature"),
            Data(4, TEXT)
        ]
    ),
    ask!(
        b"verify_signature",
        [
            Data(1, b"sha256"),
            Varint(1, 7),
            file!(2, "p256.public.der"),
            file!(3, "p256.sha256.signature"),
            Data(4, TEXT),
            Data(15, b"more")
        ]
    ),
    // Groups, a field of number 0, a number that is too long, fixed widths.
    ask!(b"verify_signature", [Raw(b"\x7b\x7c"), Data(1, b"md5"), file!(2, "p256.public.der")]),
    ask!(b"verify_signature", [Raw(b"\x7b"), Data(1, b"md5"), file!(2, "p256.public.der")]),
    ask!(b"verify_signature", [Raw(b"\x02\x00"), Data(1, b"md5"), file!(2, "p256.public.der")]),
    ask!(
        b"verify_signature",
        [
            Raw(b"\x78\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
            Data(1, b"md5"),
            file!(2, "p256.public.der")
        ]
    ),
    ask!(b"verify_signature", [Raw(b"\x79abcdefgh\x7dabcd"), Data(1, b"md5"), file!(2, "p256.public.der")]),
    ask!(b"verify_signature", [Raw(b"\x0f"), Data(1, b"md5"), file!(2, "p256.public.der")]),
];

/// `sign {1 hash_function, 2 private_key, 3 text, 4 private_key_pem}`: a signature with a random number in it by its beginning alone.
macro_rules! sign {
    ($hash:literal, $key:literal, $out:expr) => {
        Probe(
            proxy_call_foreign_function,
            &[Bytes(b"sign"), Message(&[Data(1, $hash), file!(2, $key), Data(3, TEXT)]), $out],
        )
    };
}

const SIGN: &[Probe] = &[
    sign!(b"sha256", "rsa.private.der", OutBytes),
    sign!(b"SHA512", "rsa.private.der", OutBytes),
    sign!(b"sha1", "rsa.private.der", OutBytes),
    sign!(b"sha224", "rsa.private.der", OutBytes),
    sign!(b"sha224", "p224.private.der", OutStart(1)),
    sign!(b"sha256", "p224.private.der", OutStart(1)),
    sign!(b"sha1", "p224.private.der", OutStart(1)),
    sign!(b"sha256", "p256.private.der", OutStart(3)),
    sign!(b"sha512", "p256.private.der", OutStart(3)),
    sign!(b"sha384", "p384.private.der", OutStart(3)),
    sign!(b"sha256", "p384.private.der", OutStart(3)),
    sign!(b"sha512", "p521.private.der", OutStart(3)),
    sign!(b"sha512", "ed25519.private.der", OutBytes),
    sign!(b"", "p256.private.der", OutBytes),
    sign!(b"md5", "p256.private.der", OutBytes),
    sign!(b"\xff", "p256.private.der", OutBytes),
    sign!(b"sha256", "p256.public.der", OutBytes),
    sign!(b"sha256", "p256.sec1.der", OutStart(3)),
    sign!(b"sha256", "rsa.pkcs1.der", OutStart(3)),
    Probe(
        proxy_call_foreign_function,
        &[
            Bytes(b"sign"),
            Message(&[Data(1, b"sha256"), file!(4, "p256.private.pem"), Data(3, TEXT)]),
            OutStart(3),
        ],
    ),
    ask!(b"sign", [Data(1, b"sha256"), file!(2, "p256.private.der"), file!(4, "p256.private.pem")]),
    ask!(b"sign", [Data(1, b"sha256"), file!(4, "p256.public.pem"), Data(3, TEXT)]),
    ask!(b"sign", [Data(1, b"sha256"), Data(4, b"no key"), Data(3, TEXT)]),
    ask!(b"sign", [Data(1, b"sha256"), Data(2, b"no key"), Data(3, TEXT)]),
    ask!(b"sign", [Data(1, b"sha256"), Data(3, TEXT)]),
    ask!(b"sign", [Data(1, b"sha256"), file!(2, "rsa.private.der"), Field::Times(3, b't', 500_000)]),
    ask!(b"sign", Bytes(b"")),
    ask!(b"sign", Bytes(b"\xff")),
];

/// Compresses, and has what came uncompressed: the bytes between may be others.
macro_rules! there_and_back {
    ($argument:expr) => {
        [
            Probe(proxy_call_foreign_function, &[Bytes(b"compress"), $argument, OutKeptBytes("compressed")]),
            Probe(
                proxy_call_foreign_function,
                &[Bytes(b"uncompress"), Message(&[Given("compressed")]), OutBytes],
            ),
        ]
    };
}

const BACK: &[[Probe; 2]] = &[
    there_and_back!(Bytes(b"")),
    there_and_back!(Bytes(b"a")),
    there_and_back!(Bytes(b"\0\xff text text text")),
    there_and_back!(Times(b'a', 1_000_000)),
];

const COMPRESS: &[Probe] = BACK.as_flattened();

/// What is no compressed form.
const UNCOMPRESS: &[Probe] = &[
    ask!(b"uncompress", Bytes(b"")),
    ask!(b"uncompress", Bytes(b"no zlib")),
    ask!(b"uncompress", Bytes(b"\x78\x9c")),
    ask!(b"uncompress", Bytes(b"\x78\x9c\x03\0\0\0\0\x01")),
    ask!(b"uncompress", Bytes(b"\x78\x9c\x03\0\0\0\0\x01 and more")),
    ask!(b"uncompress", Bytes(b"\x78\x9c\x4b\x04\0\0\x62\0\x62")),
    ask!(b"uncompress", Bytes(b"\x78\x9c\x4b\x04\0\0\x62\0\x63")),
    ask!(b"uncompress", Bytes(b"\x78\x9c\x4b\x04\0\0\x62")),
    // Raw, gzip, and a preset dictionary.
    ask!(b"uncompress", Bytes(b"\x4b\x04\0")),
    ask!(b"uncompress", Bytes(b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\x04\0\x43\xbe\xb7\xe8\x01\0\0\0")),
    ask!(b"uncompress", Bytes(b"\x78\xbb\0\0\0\x01\x4b\x04\0\0\x62\0\x62")),
    ask!(b"uncompress", Times(b'x', 100_000)),
];

/// `set_envoy_filter_state {1 path, 2 value, 3 span}`.
macro_rules! state {
    ($path:expr, $value:expr, $span:literal) => {
        ask!(b"set_envoy_filter_state", [Data(1, $path), Data(2, $value), Varint(3, $span)])
    };
}

const STATE: &[Probe] = &[
    ask!(b"set_envoy_filter_state", Bytes(b"")),
    ask!(b"set_envoy_filter_state", Bytes(b"\xff")),
    state!(b"", b"value", 0),
    state!(b"absent", b"value", 0),
    state!(b"\xff", b"value", 0),
    state!(b"envoy.string", b"\xff", 0),
    state!(b"envoy.string", b"one", 0),
    Probe(proxy_get_property, &[Bytes(b"filter_state\0envoy.string"), OutBytes]),
    state!(b"envoy.string", b"two", 0),
    Probe(proxy_get_property, &[Bytes(b"filter_state\0envoy.string"), OutBytes]),
    state!(b"envoy.string", b"", 0),
    Probe(proxy_get_property, &[Bytes(b"filter_state\0envoy.string"), OutBytes]),
    state!(b"envoy.hashable_string", b"of the request", 1),
    state!(b"envoy.network.upstream_server_name", b"of.the.connection", 2),
    state!(b"envoy.network.upstream_server_name", b"of.the.filter.chain", 0),
    Probe(proxy_get_property, &[Bytes(b"filter_state\0envoy.network.upstream_server_name"), OutBytes]),
    state!(b"envoy.ratelimit.hits_addend", b"3", 9),
    ask!(b"set_envoy_filter_state", [Data(1, b"envoy.string"), Field::Times(2, b'v', 200_000)]),
];

/// Values that Envoy makes objects of, and that it does not.
const STATE_VALUES: &[Probe] = &[
    state!(b"envoy.network.ip", b"10.0.0.1", 0),
    state!(b"envoy.network.ip", b"::1", 0),
    state!(b"envoy.network.ip", b"10.0.0.1:80", 0),
    state!(b"envoy.network.ip", b"", 0),
    state!(b"envoy.network.application_protocols", b"h2,http/1.1", 0),
    state!(b"envoy.network.application_protocols", b"", 0),
    state!(b"envoy.network.upstream_subject_alt_names", b"a.example,b.example", 0),
    state!(b"envoy.ratelimit.hits_addend", b"", 0),
    state!(b"envoy.ratelimit.hits_addend", b"-1", 0),
    state!(b"envoy.ratelimit.hits_addend", b"many", 0),
    state!(b"envoy.tcp_proxy.disable_tunneling", b"true", 0),
    state!(b"envoy.tcp_proxy.disable_tunneling", b"perhaps", 0),
    state!(b"envoy.tcp_proxy.per_connection_idle_timeout_ms", b"60000", 0),
    state!(b"envoy.tcp_proxy.per_connection_idle_timeout_ms", b"long", 0),
    state!(b"envoy.upstream.dynamic_host", b"a.example", 0),
    state!(b"envoy.upstream.dynamic_port", b"80", 0),
    state!(b"envoy.upstream.dynamic_port", b"70000", 0),
    state!(b"envoy.upstream.dynamic_port", b"port", 0),
    state!(b"envoy.filters.listener.original_dst.local_ip", b"10.0.0.1:80", 0),
    state!(b"envoy.filters.listener.original_dst.local_ip", b"10.0.0.1", 0),
    state!(b"envoy.network.transport_socket.original_dst_address", b"10.0.0.1:80", 0),
    state!(b"envoy.network.transport_socket.original_dst_address", b"[::1]:80", 0),
    state!(b"envoy.network.transport_socket.original_dst_address", b"nowhere", 0),
];

const ROUTES: &[Probe] = &[
    ask!(b"clear_route_cache", Bytes(b"")),
    ask!(b"clear_route_cache", Bytes(b"\xff")),
    ask!(b"clear_route_cache", Times(b'a', 200_000)),
    Probe(proxy_get_property, &[Bytes(b"xds\0route_name"), OutBytes]),
];

/// `declare_property {1 name, 2 readonly, 3 type, 4 schema, 5 span}`.
const DECLARE: &[Probe] = &[
    ask!(b"declare_property", Bytes(b"")),
    ask!(b"declare_property", Bytes(b"")),
    ask!(b"declare_property", Bytes(b"\xff")),
    ask!(b"declare_property", [Data(1, b"\xff")]),
    ask!(b"declare_property", [Data(1, b"fixed"), Varint(2, 1)]),
    ask!(b"declare_property", [Data(1, b"fixed"), Varint(2, 0)]),
    ask!(b"declare_property", [Data(1, b"words"), Varint(3, 1)]),
    ask!(b"declare_property", [Data(1, b"flat"), Varint(3, 2), Data(4, b"no schema")]),
    ask!(
        b"declare_property",
        [Data(1, b"message"), Varint(3, 3), Data(4, b"type.googleapis.com/google.protobuf.Empty")]
    ),
    ask!(b"declare_property", [Data(1, b"odd"), Varint(3, 99), Varint(5, 99)]),
    ask!(b"declare_property", [Data(1, b"lasting"), Varint(5, 2)]),
    ask!(b"declare_property", [Data(1, b"request-long"), Varint(5, 1)]),
    ask!(b"declare_property", [Field::Times(1, b'd', 70_000)]),
];

/// Setting what was declared, twice.
macro_rules! set_twice {
    ($name:literal) => {
        [
            Probe(proxy_set_property, &[Bytes($name), Bytes(b"one")]),
            Probe(proxy_get_property, &[Bytes($name), OutBytes]),
            Probe(proxy_set_property, &[Bytes($name), Bytes(b"\xfftwo")]),
            Probe(proxy_get_property, &[Bytes($name), OutBytes]),
        ]
    };
}

const DECLARED_EACH: &[[Probe; 4]] = &[
    set_twice!(b"fixed"),
    set_twice!(b"words"),
    set_twice!(b"flat"),
    set_twice!(b"message"),
    set_twice!(b"odd"),
    set_twice!(b"lasting"),
    set_twice!(b"request-long"),
];
const DECLARED: &[Probe] = DECLARED_EACH.as_flattened();
