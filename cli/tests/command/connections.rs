//! `countersign test` on network filters and the gRPC services that they call: what fails, and what is a mistake.

use crate::support::{countersign, folder, root};
use std::fs;

/// A scenario file about the network filter of the repository's scenarios.
fn scenario(name: &str, rest: &str) -> String {
    let file = folder(name).join("one.yaml");
    let module = root().join("tests/scenarios/filters/relay.wat");
    fs::write(&file, format!("module: {}\n{rest}\n", module.display())).unwrap();
    file.to_str().unwrap().to_owned()
}

const LEDGER: &str = "grpc: { ledger: { bank.Ledger/Check: [{ messages: known }] } }";

#[test]
fn each_expectation_of_a_connection_can_fail() {
    let connect = "connect: { exchange: [{ client: \"one\\n\" }, { upstream: b }, { client: two }] }";
    for (name, expect, told) in [
        ("outcome", "closed", "`outcome`: expected `closed`, got `open`"),
        (
            "connected",
            "{ connection: { connected: false } }",
            "`connection.connected`: expected false, got true",
        ),
        ("upstream", "{ connection: { upstream: on } }", "`connection.upstream`: expected (-) and got (+)"),
        (
            "downstream",
            "{ connection: { downstream: b } }",
            "`connection.downstream`: expected `b`, got `>b`",
        ),
        (
            "held",
            "{ connection: { held_downstream: tw } }",
            "`connection.held_downstream`: expected `tw`, got `two`",
        ),
        ("held-up", "{ connection: { held_upstream: { hex: ff } } }", "`connection.held_upstream`: expected"),
        (
            "ended",
            "{ connection: { upstream_ended: true } }",
            "`connection.upstream_ended`: expected true, got false",
        ),
        (
            "ended-down",
            "{ connection: { downstream_ended: true } }",
            "`connection.downstream_ended`: expected true, got false",
        ),
        (
            "closed-by",
            "{ connection: { closed_by: filter } }",
            "`connection.closed_by`: expected `filter`, got `nobody`",
        ),
        ("failure", "{ failure: x }", "`failure`: expected `x`, got `none`"),
        ("count", "{ grpc_calls: 1 }", "call bank.Ledger/Check of `ledger`, messages: 1"),
        (
            "method",
            "{ grpc_calls: [{ method: Look }, {}] }",
            "`grpc_calls[0].method`: expected `Look`, got `Watch`",
        ),
        (
            "service",
            "{ grpc_calls: [{ service: Ledger }, {}] }",
            "`grpc_calls[0].service`: expected `Ledger`, got `bank.Ledger`",
        ),
        (
            "metadata",
            "{ grpc_calls: [{ metadata: { x-caller: me } }, {}] }",
            "`grpc_calls[0].metadata.x-caller`: expected `me`, got `relay`",
        ),
        ("messages", "{ grpc_calls: [{}, { messages: [] }] }", "`grpc_calls[1].messages`: expected 0, got 1"),
        (
            "message",
            "{ grpc_calls: [{}, { messages: [rows] }] }",
            "`grpc_calls[1].messages[0]`: expected `rows`, got `lines`",
        ),
        (
            "stream",
            "{ grpc_calls: [{ stream: false }, {}] }",
            "`grpc_calls[0].stream`: expected false, got true",
        ),
        (
            "cancelled",
            "{ grpc_calls: [{ cancelled: true }, {}] }",
            "`grpc_calls[0].cancelled`: expected true, got false",
        ),
        (
            "like",
            "{ grpc_calls: { method: Check, count: 2 } }",
            "`grpc_calls`: expected 2 like this, got 1, of all 2",
        ),
        ("log", "{ logs: { absent: [done] } }", "`logs.absent`: expected no line with `done`"),
        ("metric", "{ metrics: { lines: '+2' } }", "`metrics.lines`: expected +2 to what it was, got 1"),
    ] {
        let case = format!("{LEDGER}\ncases: [{{ name: a, {connect}, expect: {expect} }}]");
        let out = countersign(&["test", &scenario(&format!("line-{name}"), &case)]).exits(1).out();
        assert!(out.contains(told), "`{told}` in\n{out}");
        assert!(out.contains(r#"input:  {"connect":{"#) && out.contains(r#"{"client":["one\n"]}"#), "{out}");
    }
}

#[test]
fn mistakes_about_connections_and_services_name_the_place() {
    let case = |members: &str| format!("cases: [{{ name: a, {members} }}]");
    let steps = |steps: &str| format!("cases: [{{ name: a, steps: [{steps}] }}]");
    let open = "{ connect: {}, hold: l }";
    for (name, text, message) in [
        ("both", case("connect: {}, request: {}, expect: open"), "either `request` or `connect`, found both"),
        ("no-expect", case("connect: {}"), "expected `expect`"),
        (
            "two",
            case("connect: { exchange: [{ client: a, upstream: b }] }, expect: open"),
            "connect.exchange[0]`: expected one of `client`, `upstream`, `close` and `advance`",
        ),
        (
            "end",
            case("connect: { exchange: [{ close: client, end: true }] }, expect: open"),
            "exchange[0].end`: expected it beside `client` or `upstream`",
        ),
        (
            "closer",
            case("connect: { exchange: [{ close: upstream }] }, expect: open"),
            "expected `client` or `gateway`",
        ),
        (
            "span",
            case("connect: { exchange: [{ advance: soon }] }, expect: open"),
            "exchange[0].advance`: expected a span",
        ),
        ("worker", case("connect: { worker: 1 }, expect: open"), "expected a worker below 1, found 1"),
        (
            "outcome",
            case("connect: {}, expect: forwarded"),
            "expected `closed`, `failed`, `open` or `refused`, found `forwarded`",
        ),
        (
            "of-request",
            case("request: { url: / }, expect: open"),
            "`closed`, `failed` or `refused`, found `open`",
        ),
        (
            "status",
            case("connect: {}, expect: { status: 200 }"),
            "expected `outcome`, `failure`, `connection` and what the module does",
        ),
        (
            "connection",
            case("request: { url: / }, expect: { connection: { connected: true } }"),
            "expect.connection`: expected it where there is a connection",
        ),
        (
            "closed-by",
            case("connect: {}, expect: { connection: { closed_by: server } }"),
            "expect.connection.closed_by`: expected `client`, `filter` or `gateway`, found `server`",
        ),
        ("left", steps(open), "`settle: l` or `close: l` for the held connection"),
        (
            "over",
            steps("{ transfer: { over: l, exchange: [] }, expect: open }"),
            "steps[0].transfer.over`: expected the name of a held connection, found `l`",
        ),
        (
            "send",
            steps(&format!("{open}, {{ send: {{ to: l, body: a }} }}, {{ close: l, expect: open }}")),
            "steps[1].send.to`: expected the name of a held request, found `l`",
        ),
        (
            "several",
            steps("{ connect: {}, request: {}, expect: open }"),
            "expected one of `request`, `connect` and `transfer` in a step",
        ),
        (
            "method",
            "grpc: { ledger: { Check: [{}] } }\ncases: []".to_owned(),
            "grpc.ledger`: expected `SERVICE/METHOD` or `*`, found `Check`",
        ),
        (
            "no-answer",
            "grpc: { ledger: { '*': [] } }\ncases: []".to_owned(),
            "ledger[\"*\"]`: expected at least one answer, found none",
        ),
        (
            "status-17",
            case("grpc: { ledger: { a/b: [{ status: 17 }] } }, connect: {}, expect: open"),
            "grpc.ledger[\"a/b\"][0].status`: expected a number from 0 to 16, found 17",
        ),
        (
            "failure",
            steps("{ grpc: { ledger: { a/b: [{ failure: half }] } }, connect: {}, expect: open }"),
            "steps[0].grpc.ledger[\"a/b\"][0].failure`: expected `refused`, `reset` or `silence`, found `half`",
        ),
        (
            "said",
            "grpc: { ledger: { a/b: [{ failure: refused, messages: a }] } }\ncases: []".to_owned(),
            "expected nothing said where no connection can be made",
        ),
        (
            "both-ends",
            "grpc: { ledger: { a/b: [{ failure: reset, status: 1 }] } }\ncases: []".to_owned(),
            "expected either `failure` or `status` and `message`, found both",
        ),
        (
            "when",
            "upstreams: { a: { /b: [{ when: {} }] } }\ncases: []".to_owned(),
            "when`: expected `method`, `authority`, `headers` or `body`, found none",
        ),
        (
            "when-token",
            "service: { /b: [{ when: { headers: { a: { token: t } } } }] }\ncases: []".to_owned(),
            "when.headers.a`: expected a text, bytes or `null`, found a token",
        ),
    ] {
        let file = scenario(&format!("mistake-{name}"), &text);
        let run = countersign(&["test", &file]).exits(2);
        assert!(run.err().contains(message), "{name}: `{message}` in {}", run.err());
    }
}

#[test]
fn mistakes_about_certificates_name_the_place() {
    let file = |name: &str, certificates: &str, peer: &str| {
        let case = format!("cases: [{{ name: a, connect: {{}}, peer: {peer}, expect: open }}]");
        scenario(name, &format!("keys: {{ k: ES256 }}\ncertificates: {{ {certificates} }}\n{case}"))
    };
    let id = "spiffe_id: spiffe://bank.example/edge";
    for (name, certificate, message) in [
        ("none", "a: {}", "`certificates.a`: expected one of `pem`, `file`, and `spiffe_id` or `hosts`"),
        ("both", "a: { pem: x, hosts: [b] }", "`certificates.a`: expected one of `pem`, `file`"),
        ("pem", "a: { pem: x }", "`certificates.a`: expected a certificate in PEM"),
        ("file", "a: { file: none.pem }", "`certificates.a.file`: expected a readable file"),
        ("ends", "a: { pem: x, expires: +1h }", "expires`: expected it of a certificate to make"),
        ("time", &format!("a: {{ {id}, expires: soon }}"), "expires`: invalid time `soon`"),
        ("id", "a: { spiffe_id: edge }", "`certificates.a`: invalid SPIFFE ID `edge`"),
        ("host", "a: { hosts: [a b] }", "`certificates.a`: invalid host `a b`"),
        ("key", &format!("k: {{ {id} }}"), "expected another name than a key's, found `k`"),
        ("other", &format!("a: {{ {id} }}"), "expected one of the file's `certificates` (`a`), found `b`"),
    ] {
        let file = file(&format!("certificate-{name}"), certificate, "{ certificate: b }");
        let run = countersign(&["test", &file]).exits(2);
        assert!(run.err().contains(message), "{name}: `{message}` in {}", run.err());
    }
    let ended = file("certificate-ended", &format!("a: {{ {id}, expires: -1m }}"), "{ certificate: a }");
    let out = countersign(&["test", &ended]).exits(1).out();
    assert!(out.contains("and a gateway refuses the handshake"), "{out}");
}

#[test]
fn a_made_certificate_follows_from_the_seed() {
    let file = scenario(
        "certificate-seed",
        "certificates: { a: { spiffe_id: spiffe://bank.example/edge } }\ncases: [{ name: a, connect: {}, peer: { certificate: a }, expect: { logs: { present: [digest] } } }]",
    );
    let run = |seed: &str| {
        let out = countersign(&["test", &file, "--seed", seed]).exits(1).out();
        let digest = out.lines().find_map(|line| {
            let digest = line.trim().strip_prefix("[info] ")?;
            (digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()))
                .then(|| digest.to_owned())
        });
        digest.unwrap_or_else(|| panic!("no digest in {out}"))
    };
    assert_eq!(run("1"), run("1"));
    assert_ne!(run("1"), run("2"));
}

#[test]
fn countersign_itself_has_neither() {
    for (name, member) in [("connect", "connect: {}"), ("grpc", "grpc: { a: { a/b: [{}] } }, request: {}")] {
        let file = folder(&format!("neither-{name}")).join("one.yaml");
        let configuration = root().join(crate::support::EXAMPLE);
        let text = format!(
            "configuration: {}\ncases: [{{ name: a, {member}, expect: allow }}]\n",
            configuration.display()
        );
        fs::write(&file, text).unwrap();
        let run = countersign(&["test", file.to_str().unwrap()]).exits(2);
        assert!(run.err().contains("expected none beside `configuration`"), "{name}: {}", run.err());
    }
}
