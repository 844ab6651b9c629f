//! What no good host does: calls that fail, callbacks out of order, a configuration while the VM runs.

use crate::common::{builder, logged, start};
use countersign_host_sim::{FailureKind, HostCall, Outcome, Request, StartFailure};

/// Asks for the clock twice, and says what came of it.
const CLOCK: &str = r#"
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (call $say_number (call $time (i32.const 16)))
      (call $say_number (call $time (i32.const 16)))
      (i32.const 0))"#;

#[test]
fn a_host_function_fails_until_it_is_mended() {
    let mut host = start(CLOCK);
    host.fail_at(0, HostCall::proxy_get_current_time_nanoseconds, 2);
    host.fail_at(0, HostCall::proxy_get_current_time_nanoseconds, 99);
    assert!(host.run(&Request::get("/")).forwarded().is_some());
    assert_eq!(logged(&mut host), ["99", "99"]);
    assert_eq!(host.mend(0), Some(HostCall::proxy_get_current_time_nanoseconds));
    host.run(&Request::get("/"));
    assert_eq!(logged(&mut host), ["00", "00"]);
    assert_eq!(host.mend(0), None, "nothing has failed since");
}

#[test]
fn one_call_alone_fails() {
    let mut host = start(CLOCK);
    host.fail_nth(0, 3, 10);
    host.run(&Request::get("/"));
    assert_eq!(logged(&mut host), ["00", "10"]);
    assert_eq!(host.mend(0), Some(HostCall::proxy_get_current_time_nanoseconds));
    host.fail_nth(0, 5, 10);
    host.run(&Request::get("/"));
    assert_eq!((logged(&mut host), host.mend(0)), (vec!["00".to_owned(), "00".to_owned()], None));
}

#[test]
fn calls_fail_from_the_start_on() {
    let guest = r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
        (i32.eqz (call $random (i32.const 16) (i32.const 8))))"#;
    assert!(builder(guest).start().is_ok());
    for failing in [builder(guest).fail_at(HostCall::random_get, 52), builder(guest).fail_nth(1, 52)] {
        let error = failing.start().err().unwrap();
        assert!(matches!(error.reason, StartFailure::Configuration), "{error}");
    }
}

#[test]
fn any_export_can_be_called() {
    let mut host = start(
        r#"(func (export "proxy_on_tick") (param i32) (call $say_number (local.get 0)))
           (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) (local.get 1))
           (func (export "proxy_on_delete") (param i32) (unreachable))"#,
    );
    assert_eq!(host.call_export(0, "proxy_on_tick", &[42]), Ok(None));
    assert_eq!(logged(&mut host), ["42"]);
    assert_eq!(host.call_export(0, "proxy_on_request_body", &[7, 5, 0]), Ok(Some(5)));
    assert_eq!(host.call_export(0, "proxy_on_log", &[7]), Ok(None), "an export that is not there");
    let failure = host.call_export(0, "proxy_on_delete", &[7]).err().unwrap();
    assert_eq!((failure.kind, host.has_failed(0)), (FailureKind::Trap, true));
}

#[test]
fn a_running_vm_can_be_configured_again() {
    let guest = r#"
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
          (drop (call $get_buffer (i32.const 7) (i32.const 0) (local.get 1) (i32.const 16) (i32.const 20)))
          (call $say_result)
          (i32.ne (local.get 1) (i32.const 3)))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 1))"#;
    let mut host = builder(guest).plugin_config("first").start().unwrap();
    let stream = host.request(&Request::get("/"));
    host.reconfigure_in_place("second").unwrap();
    let error = host.reconfigure_in_place("bad").err().unwrap();
    assert!(matches!(error.reason, StartFailure::Configuration));
    assert_eq!(host.outcome(stream), Outcome::Paused, "its streams are open still");
    host.restart(0).unwrap();
    // The refusal's own lines went with the error.
    assert_eq!(logged(&mut host), ["second"], "the last one that was taken up");
    assert_eq!(error.logs.iter().map(|line| &*line.message).collect::<Vec<_>>(), ["first", "second", "bad"]);
}
