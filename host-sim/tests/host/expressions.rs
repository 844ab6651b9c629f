//! Expressions of CEL, which Envoy lends functions for: what they speak of, and what they may take.

use crate::common::{builder, logged, wat};
use countersign_host_sim::{Engine, Host, HostBuilder, Limits, Profile, Request};

/// A guest that makes an expression of its configuration, and says its status and its value's, which it adds to the request.
const ASKS: &str = r#"
  (func (export "proxy_on_configure") (param i32 i32) (result i32)
    (drop (call $get_buffer (i32.const 7) (i32.const 0) (local.get 1) (i32.const 32) (i32.const 36)))
    (i32.const 1))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (drop (call $set_property @"own" @"mine"))
    (call $say_number (call $foreign @"expr_create" (i32.load (i32.const 32)) (i32.load (i32.const 36))
      (i32.const 40) (i32.const 44)))
    (call $say_number (call $foreign @"expr_evaluate" (i32.load (i32.const 40)) (i32.const 4)
      (i32.const 16) (i32.const 20)))
    (drop (call $add (i32.const 0) @"x-result" (i32.load (i32.const 16)) (i32.load (i32.const 20))))
    (i32.const 0))"#;

fn value(builder: HostBuilder, text: &str) -> (Vec<String>, Vec<u8>) {
    let mut host = builder.property("xds.route_name", "the route").plugin_config(text).start().unwrap();
    let outcome = host.run(&Request::get("/a?b=c").header("x-a", "1").header("x-a", "2"));
    let result = outcome.forwarded().unwrap().headers.get("x-result").unwrap().to_vec();
    (logged(&mut host), result)
}

fn of(text: &str) -> Vec<u8> {
    let (said, result) = value(builder(ASKS), text);
    assert_eq!(said, ["00", "00"], "`{text}`");
    result
}

#[test]
fn expressions_speak_of_the_request() {
    assert_eq!(of("request.path"), b"/a?b=c");
    assert_eq!(of("request.headers['x-a'] + request.method"), b"1,2GET");
    assert_eq!(of("request.url_path.startsWith('/a') && !connection.mtls"), [1]);
    assert_eq!(of("own"), b"mine");
    assert_eq!(of("own == b'mine' && filter_state['wasm.own'] == own"), [1]);
    assert_eq!(of("xds.route_name"), b"the route");
    assert_eq!(of("plugin_root_id"), b"");
    assert_eq!(of("source.port"), 40_000_i64.to_le_bytes());
    assert_eq!(of("request.time - duration('1s') < request.time"), [1]);
    for absent in ["request.absent", "absent", "response.code", "request.headers['x-b']"] {
        assert_eq!(value(builder(ASKS), absent).0, ["00", "10"], "`{absent}`");
    }
    assert_eq!(value(builder(ASKS), "null").0, ["00", "03"]);
    assert_eq!(value(builder(ASKS), "1 +").0[0], "02");
}

#[test]
fn other_hosts_lend_none() {
    for profile in [Profile::Gcp, Profile::Spec] {
        assert_eq!(value(builder(ASKS).profile(profile), "1").0, ["01", "01"], "{profile}");
    }
}

/// A guest that makes expressions of its configuration until it can't, takes the first away and makes one more. It says the last statuses, and
/// how many there were.
const KEEPS: &str = r#"
  (func (export "proxy_on_configure") (param i32 i32) (result i32)
    (local $count i32) (local $status i32)
    (drop (call $get_buffer (i32.const 7) (i32.const 0) (local.get 1) (i32.const 32) (i32.const 36)))
    (block $full (loop $more
      (local.set $status (call $make))
      (br_if $full (local.get $status))
      (local.set $count (i32.add (local.get $count) (i32.const 1)))
      (br_if $more (i32.lt_u (local.get $count) (i32.const 90)))))
    (call $say_number (local.get $status))
    (call $say_number (local.get $count))
    (drop (call $foreign @"expr_delete" @"\00\00\00\00" (i32.const 0) (i32.const 0)))
    (call $say_number (call $make))
    (i32.const 1))
  (func $make (result i32)
    (call $foreign @"expr_create" (i32.load (i32.const 32)) (i32.load (i32.const 36)) (i32.const 40) (i32.const 44)))"#;

#[test]
fn what_is_kept_is_bounded() {
    let kept = |text: String, bytes: usize| {
        let limits = Limits { expression_bytes: bytes, ..Limits::default() };
        logged(&mut builder(KEEPS).limits(limits).plugin_config(text).start().unwrap())
    };
    assert_eq!(kept("1".to_owned(), 1_000), ["10", "15", "00"], "each takes 64 bytes");
    assert_eq!(kept(format!("'{}'", "a".repeat(198)), 1_000), ["10", "05", "00"]);
    assert_eq!(kept("1".to_owned(), 1 << 20)[1], "90");
}

#[test]
fn what_evaluating_takes_is_bounded() {
    let text = "[1, 2, 3].map(x, [1, 2, 3].map(y, y))";
    assert_eq!(value(builder(ASKS), text).0, ["00", "00"]);
    let limits = Limits { expression_work: 20, ..Limits::default() };
    assert_eq!(value(builder(ASKS).limits(limits), text).0, ["00", "10"]);
    // Small to keep, and endless once it's written.
    let doubled = format!("[1]{}", ".map(x, [x, x])".repeat(28));
    assert_eq!(value(builder(ASKS), &doubled).0, ["00", "10"]);
}

#[test]
fn evaluating_takes_fuel() {
    let metered = Engine::builder().cache_dir(None).fuel(true).build().unwrap();
    let module = metered.load_module(wat(ASKS).as_bytes()).unwrap();
    let goes_on = |text: &str| {
        let limits = Limits { callback_fuel: 1_000_000, ..Limits::default() };
        let mut host: Host = module.host().limits(limits).plugin_config(text).start().unwrap();
        host.run(&Request::get("/")).forwarded().is_some()
    };
    assert!(goes_on("1"));
    let hundred = format!("[{}1]", "1,".repeat(99));
    assert!(!goes_on(&format!("{hundred}.map(x, {hundred}.size() + {hundred}.size())")));
}
