//! A guest that calls any host function with any numbers, in any callback: the host stays whole.

use std::fmt::Write;
use std::sync::OnceLock;
use std::time::Duration;

use countersign_host_sim::{
    Connect, GrpcReply, GrpcUpstream, HeaderMap, HostCall, Limits, Module, Profile, Request, Response,
    Upstream, UpstreamReply,
};
use proptest::prelude::*;

/// Numbers of a call in the guest's program: which function, and thirteen arguments.
const WORDS: usize = 14;
const CALLS: usize = 12;

/// The functions that modules of a version can import.
fn functions(old: bool) -> Vec<HostCall> {
    let version =
        if old { countersign_host_sim::AbiVersion::V0_1_0 } else { countersign_host_sim::AbiVersion::V0_2_1 };
    HostCall::ALL.iter().copied().filter(|call| call.is_in(version)).collect()
}

/// A guest whose configuration is the program that it runs in each callback: one call after another.
fn guest(old: bool) -> &'static Module {
    static GUESTS: [OnceLock<Module>; 2] = [OnceLock::new(), OnceLock::new()];
    GUESTS[usize::from(old)].get_or_init(|| {
        let (mut imports, mut switch) = (String::new(), String::new());
        for (nth, call) in functions(old).iter().enumerate() {
            let module = if call.family() == "WASI" { "wasi_snapshot_preview1" } else { "env" };
            let types = call.params().iter().map(|p| if p.ends_with("64") { "i64" } else { "i32" });
            let params = types.clone().collect::<Vec<_>>().join(" ");
            let name = call.name();
            writeln!(imports, r#"(import "{module}" "{name}" (func ${name} (param {params}) (result i32)))"#).unwrap();
            let arguments: String = types
                .enumerate()
                .map(|(at, ty)| {
                    let load = format!("(i32.load offset={} (local.get $at))", 4 * (at + 1));
                    if ty == "i64" { format!("(i64.extend_i32_s {load})") } else { load }
                })
                .collect();
            writeln!(
                switch,
                "(if (i32.eq (i32.load (local.get $at)) (i32.const {nth})) (then (drop (call ${name} {arguments}))))"
            )
            .unwrap();
        }
        let marker = if old { "0_1_0" } else { "0_2_1" };
        let configuration = if old {
            "(drop (call $proxy_get_configuration (i32.const 16) (i32.const 20)))"
        } else {
            "(drop (call $proxy_get_buffer_bytes (i32.const 7) (i32.const 0) (local.get 1) (i32.const 16) (i32.const 20)))"
        };
        let mut callbacks = String::new();
        for callback in countersign_host_sim::Callback::ALL {
            let version = if old {
                countersign_host_sim::AbiVersion::V0_1_0
            } else {
                countersign_host_sim::AbiVersion::V0_2_1
            };
            let params = vec!["i32"; callback.params_in(version)].join(" ");
            let (result, value) =
                if callback.result { ("(result i32)", "(i32.load8_u (i32.const 8193))") } else { ("", "") };
            if matches!(callback.name, "proxy_on_configure" | "proxy_on_vm_start" | "proxy_on_context_create") {
                continue;
            }
            writeln!(callbacks, r#"(func (export "{}") (param {params}) {result} (call $run) {value})"#, callback.name)
                .unwrap();
        }
        let source = format!(
            r#"(module {imports}
                 (memory (export "memory") 2)
                 (global $heap (mut i32) (i32.const 32768))
                 (func (export "proxy_abi_version_{marker}"))
                 (func (export "malloc") (param i32) (result i32)
                   ;; A ring, so that memory does not run out.
                   (global.set $heap (i32.and (i32.add (global.get $heap) (local.get 0)) (i32.const 0xffff)))
                   (i32.add (i32.const 32768) (i32.and (global.get $heap) (i32.const 0x7fff))))
                 (func $run (local $at i32)
                   (local.set $at (i32.const 8196))
                   (loop $next
                     {switch}
                     (local.set $at (i32.add (local.get $at) (i32.const {})))
                     (br_if $next (i32.lt_u (local.get $at) (i32.add (i32.const 8196) (i32.load (i32.const 8188)))))))
                 (func (export "proxy_on_configure") (param i32 i32) (result i32)
                   {configuration}
                   (memory.copy (i32.const 8192) (i32.load (i32.const 16)) (i32.load (i32.const 20)))
                   (i32.store (i32.const 8188) (i32.sub (i32.load (i32.const 20)) (i32.const 4)))
                   (call $run)
                   (i32.const 1))
                 {callbacks}
                 (data (i32.const 1024) "\02\00\00\00\05\00\00\00\03\00\00\00:path\00/a/\00")
                 (data (i32.const 1280) "cluster") (data (i32.const 1296) "envoy.string"))"#,
            4 * WORDS
        );
        crate::common::engine().load_module(source.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
    })
}

/// Arguments that mean something now and then: kinds, pointers into and out of the memory, lengths.
fn argument() -> impl Strategy<Value = u32> {
    prop_oneof![
        4 => 0_u32..10,
        3 => prop::sample::select(vec![1024, 1032, 1280, 1296, 4096, 4100, 65536, 131_064, 131_070]),
        1 => prop::sample::select(vec![u32::MAX, u32::MAX - 1, 1 << 31, i32::MAX as u32]),
        1 => any::<u32>(),
    ]
}

/// What a guest that runs this program says and does in each phase, in the words of the outcomes.
fn transcript(old: bool, profile: Profile, program: &[u8]) -> Option<Vec<String>> {
    let limits = Limits {
        host_calls: 2000,
        streams: 16,
        body_bytes: 1 << 16,
        memory_bytes: 1 << 24,
        ..Limits::default()
    };
    let started = guest(old)
        .host()
        .profile(profile)
        .plugin_config(program)
        .limits(limits)
        .workers(2)
        .cluster("cluster", Upstream::always(UpstreamReply::ok("answer")))
        .grpc_cluster("cluster", GrpcUpstream::always(GrpcReply::messages(["a", "b"])))
        .start();
    let mut host = started.ok()?;
    let mut request = Request::post("/").body("one").body("two");
    request.trailers = Some(HeaderMap::from_pairs([("x-t", "1")]));
    let mut seen = Vec::new();
    for worker in 0..2 {
        let stream = host.request_on(worker, &request);
        let connection = host.connect_on(worker, &Connect::new());
        host.downstream_data(connection, "down", false);
        host.upstream_data(connection, "up", false);
        host.advance(Duration::from_millis(3));
        host.respond(stream, Response::new(200).body("body"));
        host.upstream_data(connection, "", true);
        seen.push(format!("{:?} {:?}", host.outcome(stream), host.response(stream)));
        host.disconnect(connection);
        host.close(stream);
        seen.push(format!("{:?} {:?}", host.connection(connection), host.failure(worker)));
        assert!(host.memory_size(worker) <= 1 << 24);
    }
    for worker in 0..2 {
        if host.restart(worker).is_ok() {
            seen.push(format!("{:?}", host.run(&Request::get("/"))));
        }
    }
    seen.extend(host.take_logs().iter().map(|line| format!("{line:?}")));
    seen.push(format!("{:?} {:?} {}", host.take_calls(), host.host_calls(), host.now()));
    Some(seen)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn any_calls_leave_the_host_whole_and_say_the_same_again(
        old in any::<bool>(),
        held in any::<bool>(),
        profile in prop::sample::select(Profile::ALL.to_vec()),
        calls in prop::collection::vec((any::<u32>(), prop::collection::vec(argument(), WORDS - 1)), 1..CALLS),
    ) {
        let count = functions(old).len() as u32;
        let mut program = vec![0, u8::from(held), 0, 0];
        for (function, arguments) in &calls {
            program.extend((function % count).to_le_bytes());
            program.extend(arguments.iter().flat_map(|argument| argument.to_le_bytes()));
        }
        let first = transcript(old, profile, &program);
        prop_assert_eq!(first, transcript(old, profile, &program));
    }
}
