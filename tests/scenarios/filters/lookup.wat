;; A filter that scenarios are shown on: it answers `/teapot`, looks users up for requests with `x-lookup`, counts and logs.
(module
  (import "env" "proxy_log" (func $proxy_log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_buffer_bytes" (func $get_buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_value" (func $get (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_property" (func $get_property (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_send_local_response"
    (func $reply (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_http_call"
    (func $call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_effective_context" (func $effective (param i32) (result i32)))
  (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
  (import "env" "proxy_define_metric" (func $define (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_increment_metric" (func $increment (param i32 i64) (result i32)))

  (memory (export "memory") 4)
  ;; What host calls give: pointer at 16, length at 20. The metric's number at 24, the call's at 28, the waiting stream at 32.
  (data (i32.const 1024) "x-lookup")
  (data (i32.const 1040) "x-user")
  (data (i32.const 1056) "lookups")
  (data (i32.const 1072) "users")
  (data (i32.const 1088) "x-filter")
  (data (i32.const 1104) ":path")
  (data (i32.const 1120) "/teapot")
  (data (i32.const 1136) "short and stout")
  (data (i32.const 1152) "refused: no configuration")
  (data (i32.const 1184) "looking up")
  (data (i32.const 1200) "nobody answered")
  (data (i32.const 1216) "connection\00mtls")
  (data (i32.const 1248) "x-mtls")
  (data (i32.const 1264) "ticked")
  (data (i32.const 1280) "the request's metadata: 0")
  (data (i32.const 1312) "the response's metadata: 0")
  ;; `:method: GET`, `:path: /who`, `:authority: users`
  (data (i32.const 1536)
    "\03\00\00\00\07\00\00\00\03\00\00\00\05\00\00\00\04\00\00\00\0a\00\00\00\05\00\00\00"
    ":method\00GET\00:path\00/who\00:authority\00users\00")

  (global $heap (mut i32) (i32.const 65536))
  (func $malloc (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (local $at i32)
    ;; Nothing is needed for long: behind the last piece comes the first again.
    (if (i32.gt_u (i32.add (global.get $heap) (local.get $size)) (i32.const 262000))
      (then (global.set $heap (i32.const 65536))))
    (local.set $at (global.get $heap))
    (global.set $heap (i32.add (global.get $heap) (i32.and (i32.add (local.get $size) (i32.const 15)) (i32.const -16))))
    (local.get $at))
  (func (export "proxy_abi_version_0_2_1"))

  (func $say (param $level i32) (param $at i32) (param $size i32)
    (drop (call $proxy_log (local.get $level) (local.get $at) (local.get $size))))

  ;; Whether the last value is `/teapot`.
  (func $is_teapot (result i32)
    (local $i i32)
    (if (i32.ne (i32.load (i32.const 20)) (i32.const 7)) (then (return (i32.const 0))))
    (loop $next
      (if (i32.ne
            (i32.load8_u (i32.add (i32.load (i32.const 16)) (local.get $i)))
            (i32.load8_u (i32.add (i32.const 1120) (local.get $i))))
        (then (return (i32.const 0))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 7))))
    (i32.const 1))

  (func (export "proxy_on_configure") (param $context i32) (param $size i32) (result i32)
    (if (i32.eqz (local.get $size))
      (then (call $say (i32.const 4) (i32.const 1152) (i32.const 25)) (return (i32.const 0))))
    (drop (call $define (i32.const 0) (i32.const 1056) (i32.const 7) (i32.const 24)))
    (drop (call $get_buffer (i32.const 7) (i32.const 0) (local.get $size) (i32.const 16) (i32.const 20)))
    (call $say (i32.const 2) (i32.load (i32.const 16)) (i32.load (i32.const 20)))
    (i32.const 1))

  (func (export "proxy_on_tick") (param $context i32)
    (call $say (i32.const 2) (i32.const 1264) (i32.const 6)))

  (func (export "proxy_on_request_headers") (param $context i32) (param $count i32) (param $end i32) (result i32)
    (drop (call $get (i32.const 0) (i32.const 1104) (i32.const 5) (i32.const 16) (i32.const 20)))
    (if (call $is_teapot)
      (then
        (drop (call $reply (i32.const 418) (i32.const 0) (i32.const 0) (i32.const 1136) (i32.const 15)
          (i32.const 0) (i32.const 0) (i32.const -1)))
        (return (i32.const 1))))
    (if (i32.eqz (call $get_property (i32.const 1216) (i32.const 15) (i32.const 16) (i32.const 20)))
      (then
        (if (i32.load8_u (i32.load (i32.const 16)))
          (then (drop (call $add (i32.const 0) (i32.const 1248) (i32.const 6) (i32.const 1024) (i32.const 1)))))))
    (drop (call $add (i32.const 0) (i32.const 1088) (i32.const 8) (i32.const 1072) (i32.const 5)))
    (if (call $get (i32.const 0) (i32.const 1024) (i32.const 8) (i32.const 16) (i32.const 20))
      (then (return (i32.const 0))))
    (call $say (i32.const 2) (i32.const 1184) (i32.const 10))
    (drop (call $increment (i32.load (i32.const 24)) (i64.const 1)))
    (i32.store (i32.const 32) (local.get $context))
    (drop (call $call (i32.const 1072) (i32.const 5) (i32.const 1536) (i32.const 68)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 28)))
    (i32.const 1))

  (func (export "proxy_on_http_call_response")
    (param $context i32) (param $token i32) (param $headers i32) (param $body i32) (param $trailers i32)
    (local $at i32) (local $size i32)
    (if (i32.eqz (local.get $headers))
      (then (call $say (i32.const 3) (i32.const 1200) (i32.const 15)))
      (else
        (if (local.get $body)
          (then
            (drop (call $get_buffer (i32.const 4) (i32.const 0) (local.get $body) (i32.const 16) (i32.const 20)))
            (local.set $at (i32.load (i32.const 16)))
            (local.set $size (i32.load (i32.const 20)))))))
    (drop (call $effective (i32.load (i32.const 32))))
    (if (local.get $size)
      (then (drop (call $add (i32.const 0) (i32.const 1040) (i32.const 6) (local.get $at) (local.get $size)))))
    (drop (call $continue (i32.const 0))))

  (func (export "proxy_on_response_headers") (param $context i32) (param $count i32) (param $end i32) (result i32)
    (drop (call $add (i32.const 2) (i32.const 1088) (i32.const 8) (i32.const 1072) (i32.const 5)))
    (i32.const 0))

  ;; How many names a map has, of which there are less than ten.
  (func (export "proxy_on_request_metadata") (param $context i32) (param $count i32) (result i32)
    (i32.store8 (i32.const 1304) (i32.add (i32.const 48) (local.get $count)))
    (call $say (i32.const 2) (i32.const 1280) (i32.const 25))
    (i32.const 0))
  (func (export "proxy_on_response_metadata") (param $context i32) (param $count i32) (result i32)
    (i32.store8 (i32.const 1337) (i32.add (i32.const 48) (local.get $count)))
    (call $say (i32.const 2) (i32.const 1312) (i32.const 26))
    (i32.const 0))
)
