//! Transcripts of Envoy 1.40: the same guest, driven in the same way, says the same here.

use crate::common::{logged, start};
use countersign_host_sim::{Connect, ConnectionId, Host};

/// A network filter that says what it gets, and holds what has less than 6 bytes.
const FILTER: &str = r#"
    (func $buffer (param i32)
      (call $say_number (call $buffer_status (local.get 0) (i32.const 16) (i32.const 20)))
      (call $say_number (i32.load (i32.const 16))))
    (func $property (param i32 i32)
      (call $say_number (call $get_property (local.get 0) (local.get 1) (i32.const 16) (i32.const 20))))
    (func (export "proxy_on_new_connection") (param i32) (result i32)
      (call $say @"new") (call $buffer (i32.const 2)) (call $buffer (i32.const 3))
      (call $say_number (call $continue (i32.const 0)))
      (call $say_number (call $continue (i32.const 3)))
      (call $say_number (call $continue (i32.const 4)))
      (call $say_number (call $get (i32.const 0) @":path" (i32.const 16) (i32.const 20)))
      (call $property @"source\00address") (call $property @"connection\00mtls") (call $property @"connection\00id")
      (call $property @"connection_id") (call $property @"request\00path") (call $property @"request\00protocol")
      (call $say_number (call $set_property @"my" @"x"))
      (call $property @"my")
      (i32.const 0))
    (func $data (param i32 i32) (result i32)
      (call $say_number (local.get 0)) (call $say_number (local.get 1))
      (call $buffer (i32.const 2)) (call $buffer (i32.const 3))
      (i32.and (i32.lt_u (local.get 0) (i32.const 6)) (i32.eqz (local.get 1))))
    (func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32)
      (call $say @"down") (call $data (local.get 1) (local.get 2)))
    (func (export "proxy_on_upstream_data") (param i32 i32 i32) (result i32)
      (call $say @"up") (call $data (local.get 1) (local.get 2)))
    (func (export "proxy_on_downstream_connection_close") (param i32 i32)
      (call $say @"downstream closed") (call $say_number (local.get 1)))
    (func (export "proxy_on_upstream_connection_close") (param i32 i32)
      (call $say @"upstream closed") (call $say_number (local.get 1)))
    (func (export "proxy_on_done") (param i32) (result i32) (call $say @"done") (i32.const 1))
    (func (export "proxy_on_log") (param i32) (call $say @"log"))
    (func (export "proxy_on_delete") (param i32) (call $say @"delete"))"#;

#[track_caller]
fn says(drive: impl FnOnce(&mut Host, ConnectionId), transcript: &str) {
    let mut host = start(FILTER);
    let connection = host.connect(&Connect::new());
    let new = "new 00 00 00 00 00 12 02 02 00 00 00 00 01 01 00 00";
    assert_eq!(logged(&mut host).join(" "), new);
    drive(&mut host, connection);
    assert_eq!(logged(&mut host).join(" "), transcript);
}

#[test]
fn the_upstream_ends_and_then_the_client() {
    says(
        |host, connection| {
            host.downstream_data(connection, "one", false);
            host.downstream_data(connection, "two", false);
            host.upstream_data(connection, "abc", false);
            host.upstream_data(connection, "def", false);
            host.upstream_data(connection, "", true);
            host.downstream_data(connection, "", true);
        },
        "down 03 00 00 03 00 00 down 06 00 00 06 00 00 up 03 00 00 00 00 03 up 06 00 00 00 00 06 \
         up 00 01 00 00 00 00 upstream closed 00 down 00 01 00 00 00 00 downstream closed 02 done log delete",
    );
}

#[test]
fn the_client_ends_and_then_the_upstream() {
    says(
        |host, connection| {
            host.downstream_data(connection, "onetwo", false);
            host.downstream_data(connection, "", true);
            host.upstream_data(connection, "", true);
        },
        "down 06 00 00 06 00 00 down 00 01 00 00 00 00 up 00 01 00 00 00 00 upstream closed 00 downstream closed 01 done log delete",
    );
}

#[test]
fn the_upstream_answers_and_goes() {
    says(
        |host, connection| {
            host.downstream_data(connection, "onetwo", false);
            host.upstream_data(connection, "bye bye", false);
            host.upstream_data(connection, "", true);
            host.downstream_data(connection, "", true);
        },
        "down 06 00 00 06 00 00 up 07 00 00 00 00 07 up 00 01 00 00 00 00 upstream closed 00 \
         down 00 01 00 00 00 00 downstream closed 02 done log delete",
    );
}
