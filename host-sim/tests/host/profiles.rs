//! Hosts that lack things: the same module on each.

use crate::common::{builder, load, logged, wat};
use countersign_host_sim::{
    FailureKind, HostCall, LoadError, Profile, Request, StartFailure, Support, Upstream, UpstreamReply,
};

fn on_headers(body: &str) -> String {
    format!(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) {body} (i32.const 0))"#
    )
}

/// The helper module of these tests imports what Kong does not have; this one does not.
fn small(body: &str) -> String {
    wat(body)
        .replace(r#"(import "env" "proxy_get_header_map_size" (func $map_size (param i32 i32) (result i32)))"#, "")
        .replace(r#"(import "env" "proxy_get_buffer_status" (func $buffer_status (param i32 i32 i32) (result i32)))"#, "")
}

#[test]
fn what_a_host_does_not_implement_says_so_or_traps() {
    let body = on_headers("(call $say_number (call $define_metric (i32.const 0) @\"m\" (i32.const 24)))");
    for (profile, expected) in [(Profile::Envoy, "00"), (Profile::Spec, "00"), (Profile::Gcp, "12")] {
        let mut host = builder(&body).profile(profile).start().unwrap();
        assert!(host.run(&Request::get("/")).forwarded().is_some());
        assert_eq!(logged(&mut host), [expected], "{profile}");
        assert_eq!(host.host_calls().get("proxy_define_metric"), Some(&1), "it is counted all the same");
    }
    let body = on_headers("(drop (call $close (i32.const 0)))");
    let mut host = load(&small(&body)).unwrap().host().profile(Profile::Kong).start().unwrap();
    let outcome = host.run(&Request::get("/"));
    assert_eq!(outcome.failure().map(|f| f.kind), Some(FailureKind::Unimplemented), "{outcome:?}");
    assert!(host.has_failed(0));
}

#[test]
fn what_a_host_does_not_have_is_not_loaded() {
    let error = builder("").profile(Profile::Kong).start().err().unwrap();
    let StartFailure::Load(LoadError::MissingImports(missing)) = &error.reason else { panic!("{error}") };
    assert_eq!(missing, &["`env.proxy_get_buffer_status`", "`env.proxy_get_header_map_size`"]);
    assert!(load(&small("")).unwrap().host().profile(Profile::Kong).start().is_ok());
    assert_eq!(Profile::Kong.support(HostCall::proxy_get_buffer_status), Support::Missing);
}

#[test]
fn callbacks_that_a_host_never_makes_are_not_made() {
    let body = r#"
        (func (export "proxy_on_request_trailers") (param i32 i32) (result i32) (call $say @"trailers") (i32.const 0))
        (func (export "proxy_on_new_connection") (param i32) (result i32) (call $say @"new") (i32.const 1))"#;
    for (profile, expected) in [(Profile::Envoy, vec!["trailers", "new"]), (Profile::Gcp, vec![])] {
        let mut host = builder(body).profile(profile).start().unwrap();
        let mut request = Request::post("/").body("b");
        request.trailers = Some(countersign_host_sim::HeaderMap::from_pairs([("x-t", "1")]));
        assert!(host.run(&request).forwarded().is_some());
        host.connect(&countersign_host_sim::Connect::new());
        assert_eq!(logged(&mut host), expected, "{profile}");
    }
}

#[test]
fn properties_are_those_that_a_host_has_in_the_form_it_writes() {
    let ask = |path: &str| {
        format!(
            r#"(i32.store (i32.const 20) (i32.const 0))
               (call $say_number (call $get_property @"{path}" (i32.const 16) (i32.const 20))) (call $say_result)"#
        )
    };
    let paths =
        ["connection\\00mtls", "source\\00port", "connection\\00uri_san_peer_certificate", "wasmx\\00a"];
    let body = on_headers(&format!(
        r#"(drop (call $set_property @"wasmx\00a" @"kept"))
           (call $say_number (call $set_property @"mine" @"lost")) {}"#,
        paths.map(ask).concat()
    ));
    let request = Request::get("/")
        .property("connection.mtls", true)
        .property("connection.uri_san_peer_certificate", "spiffe://bank.example/edge");
    let mut host = load(&small(&body)).unwrap().host().profile(Profile::Kong).start().unwrap();
    host.run(&request);
    assert_eq!(logged(&mut host), ["01", "00", "true", "00", "40000", "01", "", "00", "kept"]);
    let mut host = builder(&on_headers(&[ask("request\\00path"), ask("connection\\00id")].concat()))
        .profile(Profile::Gcp)
        .start()
        .unwrap();
    host.run(&Request::get("/a"));
    assert_eq!(logged(&mut host), ["00", "/a", "01", ""]);
}

#[test]
fn memory_is_what_a_host_gives() {
    let body = on_headers("(call $say_number (i32.add (memory.grow (i32.const 300)) (i32.const 1)))");
    for (profile, expected) in [(Profile::Envoy, "05"), (Profile::Gcp, "00")] {
        let mut host = builder(&body).profile(profile).start().unwrap();
        host.run(&Request::get("/"));
        assert_eq!(logged(&mut host), [expected], "{profile}");
    }
}

#[test]
fn only_envoy_lends_functions_and_makes_answers_up() {
    let (segment, headers) = crate::common::data(
        4096,
        &crate::common::pairs(&[(":method", "GET"), (":path", "/"), (":authority", "a")]),
    );
    let body = format!(
        r#"{segment}
           (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32) (call $say_number (local.get 2)))
           {}"#,
        on_headers(&format!(
            r#"(call $say_number (call $foreign @"compress" @"abc" (i32.const 16) (i32.const 20)))
               (call $say_number (call $call @"c" {headers} (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
                                              (i32.const 0) (i32.const 24)))"#
        ))
    );
    for (profile, expected) in [
        (Profile::Envoy, vec!["00", "00", "03"]),
        (Profile::Spec, vec!["01", "00", "00"]),
        (Profile::Gcp, vec!["01", "12"]),
    ] {
        let refused = Upstream::always(UpstreamReply::refused());
        let mut host = builder(&body).profile(profile).cluster("c", refused).start().unwrap();
        host.run(&Request::get("/"));
        assert_eq!(logged(&mut host), expected, "{profile}");
    }
}
