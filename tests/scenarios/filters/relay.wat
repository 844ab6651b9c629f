;; A network filter that scenarios are shown on. It holds what a client sends until there is a whole line, lets no line pass that begins
;; with `!`, logs which server a client asks for, and in the end who it was, asks `bank.Ledger/Check` about each connection, and follows
;; `bank.Ledger/Watch`, to which it tells each line.
(module
  (import "env" "proxy_log" (func $proxy_log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_buffer_bytes" (func $get_buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_buffer_bytes" (func $set_buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_property" (func $get_property (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_close_stream" (func $close (param i32) (result i32)))
  (import "env" "proxy_define_metric" (func $define (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_increment_metric" (func $increment (param i32 i64) (result i32)))
  (import "env" "proxy_grpc_call"
    (func $grpc_call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_grpc_stream"
    (func $grpc_stream (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_grpc_send" (func $grpc_send (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_grpc_cancel" (func $grpc_cancel (param i32) (result i32)))

  (memory (export "memory") 4)
  ;; What host calls give: pointer at 16, length at 20. The metric's number at 24, the call's at 28, the stream's at 32.
  (data (i32.const 1024) "connection\00requested_server_name")
  (data (i32.const 1072) "lines")
  (data (i32.const 1088) "ledger")
  (data (i32.const 1104) "bank.Ledger")
  (data (i32.const 1120) "Check")
  (data (i32.const 1136) "Watch")
  (data (i32.const 1152) "refused a line")
  (data (i32.const 1168) "status")
  (data (i32.const 1184) "connection\00uri_san_peer_certificate")
  (data (i32.const 1232) "done")
  (data (i32.const 1248) ">")
  (data (i32.const 1264) "connection\00subject_peer_certificate")
  (data (i32.const 1312) "connection\00sha256_peer_certificate_digest")
  (data (i32.const 1360) "connection\00dns_san_peer_certificate")
  ;; `x-caller: relay`
  (data (i32.const 1536) "\01\00\00\00\08\00\00\00\05\00\00\00x-caller\00relay\00")

  (global $heap (mut i32) (i32.const 65536))
  (func $malloc (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (global.get $heap))
    (global.set $heap (i32.add (global.get $heap) (i32.and (i32.add (local.get $size) (i32.const 15)) (i32.const -16))))
    (local.get $at))
  (func (export "proxy_abi_version_0_2_1"))

  (func $say (param $at i32) (param $size i32)
    (drop (call $proxy_log (i32.const 2) (local.get $at) (local.get $size))))
  ;; Logs what the last host call gave.
  (func $say_given (call $say (i32.load (i32.const 16)) (i32.load (i32.const 20))))

  ;; Logs a property, where it is there.
  (func $say_property (param $at i32) (param $size i32)
    (if (i32.eqz (call $get_property (local.get $at) (local.get $size) (i32.const 16) (i32.const 20)))
      (then (call $say_given))))

  (func (export "proxy_on_configure") (param $context i32) (param $size i32) (result i32)
    (drop (call $define (i32.const 0) (i32.const 1072) (i32.const 5) (i32.const 24)))
    (drop (call $grpc_stream (i32.const 1088) (i32.const 6) (i32.const 1104) (i32.const 11) (i32.const 1136) (i32.const 5)
      (i32.const 1536) (i32.const 27) (i32.const 32)))
    (i32.const 1))

  (func (export "proxy_on_new_connection") (param $context i32) (result i32)
    (call $say_property (i32.const 1024) (i32.const 32))
    (drop (call $grpc_call (i32.const 1088) (i32.const 6) (i32.const 1104) (i32.const 11) (i32.const 1120) (i32.const 5)
      (i32.const 1536) (i32.const 27) (i32.const 1072) (i32.const 5) (i32.const 1000) (i32.const 28)))
    (i32.const 0))

  ;; Lets pass what ends with a line feed, and closes the connection on what begins with `!`.
  (func (export "proxy_on_downstream_data") (param $context i32) (param $size i32) (param $end i32) (result i32)
    (local $at i32)
    (if (i32.eqz (local.get $size)) (then (return (i32.const 0))))
    (drop (call $get_buffer (i32.const 2) (i32.const 0) (local.get $size) (i32.const 16) (i32.const 20)))
    (local.set $at (i32.load (i32.const 16)))
    (if (i32.eq (i32.load8_u (local.get $at)) (i32.const 33))
      (then
        (call $say (i32.const 1152) (i32.const 14))
        (drop (call $close (i32.const 2)))
        (return (i32.const 1))))
    (if (i32.ne
          (i32.load8_u (i32.sub (i32.add (local.get $at) (local.get $size)) (i32.const 1)))
          (i32.const 10))
      (then (return (i32.const 1))))
    (drop (call $increment (i32.load (i32.const 24)) (i64.const 1)))
    (drop (call $grpc_send (i32.load (i32.const 32)) (local.get $at) (local.get $size) (i32.const 0)))
    (i32.const 0))

  ;; Puts `>` before what the upstream sends.
  (func (export "proxy_on_upstream_data") (param $context i32) (param $size i32) (param $end i32) (result i32)
    (drop (call $set_buffer (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 1248) (i32.const 1)))
    (i32.const 0))

  ;; A client's certificate comes with the TLS handshake, which has not begun where a connection is new.
  (func (export "proxy_on_log") (param $context i32)
    (call $say_property (i32.const 1184) (i32.const 35))
    (call $say_property (i32.const 1264) (i32.const 35))
    (call $say_property (i32.const 1312) (i32.const 41))
    (call $say_property (i32.const 1360) (i32.const 35))
    (call $say (i32.const 1232) (i32.const 4)))

  (func (export "proxy_on_grpc_receive") (param $context i32) (param $token i32) (param $size i32)
    (drop (call $get_buffer (i32.const 5) (i32.const 0) (local.get $size) (i32.const 16) (i32.const 20)))
    (call $say_given))
  (func (export "proxy_on_grpc_close") (param $context i32) (param $token i32) (param $status i32)
    (i32.store8 (i32.const 1174) (i32.const 32))
    (i32.store8 (i32.const 1175) (i32.add (i32.const 65) (local.get $status)))
    (call $say (i32.const 1168) (i32.const 8)))

  ;; Gives up the stream, once it was told so by a timer.
  (func (export "proxy_on_tick") (param $context i32)
    (drop (call $grpc_cancel (i32.load (i32.const 32)))))
)
