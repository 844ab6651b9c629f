//! What a host calls, by the names of the ABI.

use crate::plan::Phase;
use crate::vm;

#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    vm::read_environment();
    vm::trap("initialize");
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    vm::trap("allocate");
    vm::allocate(size)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(context: u32, root: u32) {
    let phase = if root == 0 { Phase::CreateRoot } else { Phase::Create };
    vm::called(phase, context, &[root]);
}

/// A callback of each phase that passes numbers on, and its result where it has one.
macro_rules! callbacks {
    ($($phase:ident $name:ident($($arg:ident),*) $(-> $result:ident)?;)*) => {
        $(
            #[unsafe(no_mangle)]
            extern "C" fn $name(context: u32 $(, $arg: u32)*) $(-> $result)? {
                let _answer = vm::called(Phase::$phase, context, &[$($arg),*]);
                $(_answer as $result)?
            }
        )*
    };
}

callbacks! {
    VmStart proxy_on_vm_start(size) -> u32;
    Configure proxy_on_configure(size) -> u32;
    Tick proxy_on_tick();
    QueueReady proxy_on_queue_ready(token);
    ForeignFunction proxy_on_foreign_function(function, size);
    RequestHeaders proxy_on_request_headers(count, end) -> u32;
    RequestBody proxy_on_request_body(size, end) -> u32;
    RequestTrailers proxy_on_request_trailers(count) -> u32;
    ResponseHeaders proxy_on_response_headers(count, end) -> u32;
    ResponseBody proxy_on_response_body(size, end) -> u32;
    ResponseTrailers proxy_on_response_trailers(count) -> u32;
    HttpCallResponse proxy_on_http_call_response(token, headers, size, trailers);
    GrpcInitialMetadata proxy_on_grpc_receive_initial_metadata(token, count);
    GrpcMessage proxy_on_grpc_receive(token, size);
    GrpcTrailingMetadata proxy_on_grpc_receive_trailing_metadata(token, count);
    GrpcClose proxy_on_grpc_close(token, status);
    NewConnection proxy_on_new_connection() -> u32;
    DownstreamData proxy_on_downstream_data(size, end) -> u32;
    DownstreamClose proxy_on_downstream_connection_close(by);
    UpstreamData proxy_on_upstream_data(size, end) -> u32;
    UpstreamClose proxy_on_upstream_connection_close(by);
    Log proxy_on_log();
    Done proxy_on_done() -> u32;
    Delete proxy_on_delete();
}
