//! Streams: holding, continuing, bodies, replies of the filter's own.

use crate::common::{builder, data, logged, pairs, start};
use countersign_host_sim::{Outcome, Request, Response, ResponseOutcome};

/// Replies with a status, a body and a header, and goes on as if nothing had happened.
fn reply(status: u16, after: &str) -> String {
    let (segment, headers) = data(4096, &pairs(&[("x-why", "because")]));
    format!(
        r#"{segment}
           (func $deny (result i32)
             (call $reply (i32.const {status}) @"details" @"no" {headers} (i32.const -1)))
           {after}"#
    )
}

#[test]
fn a_reply_takes_the_place_of_the_request_and_passes_the_response_callbacks() {
    let mut host = start(&reply(
        403,
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (call $say_number (call $deny)) (i32.const 0))
           (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
             (call $say @"body") (i32.const 0))
           (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
             (drop (call $add (i32.const 2) @"x-seen" @"yes")) (i32.const 0))"#,
    ));
    let outcome = host.run(&Request::post("/").body("payload"));
    let reply = outcome.reply().unwrap_or_else(|| panic!("{outcome:?}"));
    assert_eq!((reply.status, &*reply.body, &*reply.details), (403, &b"no"[..], &b"details"[..]));
    for (name, value) in
        [("x-why", "because"), ("x-seen", "yes"), ("content-type", "text/plain"), ("content-length", "2")]
    {
        assert_eq!(reply.headers.text(name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(logged(&mut host), ["00"], "the body is not offered");
}

#[test]
fn a_reply_to_grpc_is_a_grpc_status() {
    let body = r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (drop (call $deny)) (i32.const 1))"#;
    let mut host = start(&reply(401, body));
    let outcome = host.run(&Request::post("/").header("content-type", "application/grpc"));
    let reply = outcome.reply().unwrap();
    assert_eq!(reply.status, 200);
    assert_eq!(reply.headers.text("grpc-status").as_deref(), Some("16"));
    assert_eq!(reply.headers.text("grpc-message").as_deref(), Some("no"));
    assert!(reply.body.is_empty());
}

#[test]
fn a_reply_can_replace_a_response() {
    let body = r#"(func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
        (drop (call $deny)) (i32.const 0))"#;
    let mut host = start(&reply(502, body));
    let (request, response) = host.exchange(&Request::get("/"), Response::new(200).body("secret"));
    assert!(request.forwarded().is_some());
    let ResponseOutcome::Reply(reply) = response else { panic!("{response:?}") };
    assert_eq!((reply.status, &*reply.body), (502, &b"no"[..]));
}

#[test]
fn only_the_first_reply_counts() {
    let body = r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (drop (call $deny))
        (drop (call $reply (i32.const 200) @"" @"yes" (i32.const 0) (i32.const 0) (i32.const -1)))
        (i32.const 0))"#;
    let mut host = start(&reply(403, body));
    assert_eq!(host.run(&Request::get("/")).reply().unwrap().status, 403);
}

#[test]
fn chunks_are_held_together_until_the_filter_lets_go() {
    let mut host = start(
        r#"(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
             (call $say_number (local.get 1))
             (if (i32.eqz (local.get 2)) (then (return (i32.const 1))))
             (drop (call $get_buffer (i32.const 0) (i32.const 0) (local.get 1) (i32.const 16) (i32.const 20)))
             (call $say_result)
             (call $say_number (call $set_buffer (i32.const 0) (i32.const 0) (local.get 1) @"new"))
             (i32.const 0))"#,
    );
    let stream = host.request(&Request::post("/").body("one").body("two").unfinished());
    assert_eq!(host.outcome(stream), Outcome::Paused);
    host.send_body(stream, "three", true);
    let outcome = host.outcome(stream);
    assert_eq!(outcome.forwarded().unwrap().body, b"new");
    assert_eq!(logged(&mut host), ["03", "06", "11", "onetwothree", "00"]);
}

#[test]
fn holding_at_headers_holds_body_and_trailers_too() {
    let mut host = start(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
             (drop (call $tick_period (i32.const 10))) (i32.const 1))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (call $say_number (local.get 2)) (i32.const 1))
           (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) (call $say @"body") (i32.const 0))
           (func (export "proxy_on_request_trailers") (param i32 i32) (result i32)
             (call $say_number (local.get 1)) (i32.const 0))
           (func (export "proxy_on_tick") (param i32)
             (call $say_number (call $effective (i32.const 9)))
             (call $say_number (call $effective (i32.const 2)))
             (call $say_number (call $continue (i32.const 0)))
             (call $say_number (call $continue (i32.const 4)))
             (drop (call $tick_period (i32.const 0))))"#,
    );
    let mut request = Request::post("/").body("x");
    request.trailers = Some([("t", "1")].into_iter().collect());
    let stream = host.request(&request);
    assert_eq!(host.outcome(stream), Outcome::Paused);
    assert_eq!(logged(&mut host), ["00"]);
    host.advance(std::time::Duration::from_millis(10));
    assert_eq!(logged(&mut host), ["02", "00", "00", "02", "body", "01"]);
    assert_eq!(host.outcome(stream).forwarded().unwrap().trailers.len(), 1);
}

#[test]
fn headers_may_stop_alone_and_go_with_the_first_part_that_passes() {
    let guest = |on_body: u32| {
        let guest = format!(
            r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 1))
               (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
                 (call $say_number (call $add (i32.const 0) @"x-late" @"yes"))
                 (i32.const {on_body}))"#
        );
        builder(&guest).allow_on_headers_stop_iteration(true).start().unwrap()
    };
    let mut passing = guest(0);
    assert_eq!(passing.run(&Request::get("/")), Outcome::Paused, "nothing follows the headers");
    let outcome = passing.run(&Request::post("/").body("payload"));
    let message = outcome.forwarded().unwrap();
    assert_eq!((&*message.body, message.headers.text("x-late")), (&b"payload"[..], Some("yes".to_owned())));
    let mut holding = guest(1);
    assert_eq!(holding.run(&Request::post("/").body("payload")), Outcome::Paused);
    assert_eq!(logged(&mut holding), ["00"], "the body is offered, and the headers can still be changed");
    let mut without = builder(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 1))"#,
    );
    without = without.allow_on_headers_stop_iteration(true);
    let mut without = without.start().unwrap();
    assert!(without.run(&Request::post("/").body("payload")).forwarded().is_some(), "as Envoy has it");
}

#[test]
fn a_client_that_goes_away_ends_the_stream() {
    let mut host = start(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 1))
           (func (export "proxy_on_delete") (param i32) (call $say @"gone"))"#,
    );
    let stream = host.request(&Request::get("/"));
    host.close(stream);
    host.close(stream);
    assert_eq!(logged(&mut host), ["gone"]);
    assert_eq!(host.outcome(stream), Outcome::Paused);
}

#[test]
fn a_closed_stream_has_no_answer() {
    let body = r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (call $say_number (call $close (i32.const 0))) (call $say_number (call $close (i32.const 4))) (i32.const 1))"#;
    let mut host = start(body);
    assert_eq!(host.run(&Request::get("/")), Outcome::Closed);
    assert_eq!(logged(&mut host), ["00", "02"]);
}

#[test]
fn bodies_are_written_at_their_front_and_at_their_end() {
    let mut host = start(
        r#"(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
             (call $say_number (call $set_buffer (i32.const 0) (i32.const 0) (i32.const 0) @"<"))
             (call $say_number (call $set_buffer (i32.const 0) (i32.const 9) (i32.const 0) @">"))
             (call $say_number (call $set_buffer (i32.const 0) (i32.const 1) (i32.const 1) @"!"))
             (call $say_number (call $set_buffer (i32.const 0) (i32.const 0) (i32.const 2) @"<!"))
             (call $say_number (call $set_buffer (i32.const 7) (i32.const 0) (i32.const 0) @"!"))
             (call $say_number (call $get_buffer (i32.const 0) (i32.const 50) (i32.const 1) (i32.const 16) (i32.const 20)))
             (call $say_number (call $get_buffer (i32.const 0) (i32.const 1) (i32.const -1) (i32.const 16) (i32.const 20)))
             (call $say_number (call $get_buffer (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16) (i32.const 20)))
             (call $say_number (call $get_buffer (i32.const 9) (i32.const 0) (i32.const 1) (i32.const 16) (i32.const 20)))
             (call $say_number (call $buffer_status (i32.const 0) (i32.const 16) (i32.const 20)))
             (call $say_number (i32.load (i32.const 16)))
             (i32.const 0))"#,
    );
    let outcome = host.run(&Request::post("/").body("body"));
    assert_eq!(outcome.forwarded().unwrap().body, b"<!ody>");
    assert_eq!(logged(&mut host), ["00", "00", "02", "00", "01", "00", "00", "00", "02", "00", "06"]);
}

#[test]
fn properties_are_given_or_derived() {
    let ask = |path: &str| {
        format!(
            "(call $say_number (call $get_property @\"{path}\" (i32.const 16) (i32.const 20))) (call $say_result)"
        )
    };
    let asks: String = ["request\\00path", "request\\00url_path", "request\\00headers\\00x-a", "plugin_name"]
        .map(ask)
        .concat();
    let mut host = crate::common::builder(&format!(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             {asks}
             (call $say_number (call $get_property @"connection\00mtls" (i32.const 16) (i32.const 20)))
             (call $say_number (i32.load8_u (i32.load (i32.const 16))))
             (call $say_number (i32.load (i32.const 20)))
             (call $say_number (call $get_property @"connection\00none" (i32.const 16) (i32.const 20)))
             (call $say_number (call $get_property @"my_state" (i32.const 16) (i32.const 20)))
             (call $say_number (call $set_property @"my_state" @"kept"))
             (call $say_number (call $get_property @"my_state" (i32.const 16) (i32.const 20)))
             (call $say_result)
             (i32.const 0))"#
    ))
    .names("filter", "root", "vm")
    .start()
    .unwrap();
    let request =
        Request::get("/a?b=c").header("x-a", "1").header("x-a", "2").property("connection.mtls", true);
    host.run(&request);
    let expected = [
        "00", "/a?b=c", "00", "/a", "00", "1,2", "00", "filter", "00", "01", "01", "01", "01", "00", "00",
        "kept",
    ];
    assert_eq!(logged(&mut host), expected);
}

#[test]
fn trailers_can_be_added_with_the_last_piece_of_a_body() {
    let mut host = start(
        r#"(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
             (call $say_number (call $add (i32.const 1) @"x-sum" @"1"))
             (i32.const 0))"#,
    );
    let stream = host.request(&Request::post("/").body("one").unfinished());
    host.send_body(stream, "two", true);
    assert_eq!(host.outcome(stream).forwarded().unwrap().trailers.text("x-sum").as_deref(), Some("1"));
    assert_eq!(logged(&mut host), ["02", "00"], "more may come after the first");
}

#[test]
fn a_reply_comes_too_late_for_a_response_that_has_begun() {
    let mut host = start(&reply(
        403,
        r#"(func (export "proxy_on_response_body") (param i32 i32 i32) (result i32) (call $deny) drop (i32.const 1))"#,
    ));
    let (request, response) = host.exchange(&Request::get("/"), Response::new(200).body("begun"));
    assert!(request.forwarded().is_some());
    assert_eq!(response, ResponseOutcome::None, "it is broken off");
}

#[test]
fn what_goes_on_by_itself_and_holds_has_sent_its_headers_alone() {
    let body = r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (drop (call $continue (i32.const 0))) (i32.const 1))"#;
    let mut host = start(body);
    assert!(host.run(&Request::get("/")).forwarded().is_some(), "there is nothing else");
    assert_eq!(host.run(&Request::post("/").body("payload")), Outcome::Paused);
}

#[test]
fn the_request_stays_readable_after_a_reply() {
    let after = r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (drop (call $deny)) (i32.const 0))
        (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
          (call $say_number (call $get (i32.const 0) @":path" (i32.const 16) (i32.const 20)))
          (call $say_result) (i32.const 0))"#;
    let mut host = start(&reply(403, after));
    host.run(&Request::get("/there"));
    assert_eq!(logged(&mut host), ["00", "/there"]);
}
