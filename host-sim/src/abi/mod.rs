//! The host functions, one file for each family, and the table that names them all.

mod buffers;
mod callbacks;
mod charge;
mod emscripten;
mod foreign;
mod grpc;
mod guest;
mod headers;
mod http_call;
mod log;
mod metrics;
mod properties;
mod shared_data;
mod stream;
mod wasi;
mod wasi_files;

use std::time::Instant;

use wasmtime::{Caller, Linker, ValType};

use crate::error::FailureKind;
use crate::module::AbiVersion;
use crate::profile::Support;
use crate::sampling;
use crate::status::Status;
use crate::vm::{Scope, Vm};

pub use callbacks::Callback;
pub(crate) use guest::{Guest, slice, slice_mut};
pub(crate) use properties::{joined_pairs, look_up};

/// How a host function ends when it does not end well.
pub(crate) enum Abort {
    /// A status for the guest.
    Status(Status),
    /// A WASI error number for the guest.
    Errno(u32),
    /// The end of the VM.
    Trap(wasmtime::Error),
}

impl From<Status> for Abort {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

pub(crate) type Result<T = ()> = std::result::Result<T, Abort>;

/// Why a host call traps, for the failure that is reported.
#[derive(Debug, thiserror::Error)]
#[error("{function}")]
pub(crate) struct HostTrap {
    pub(crate) kind: FailureKind,
    pub(crate) function: String,
}

/// What every host call goes through: is it allowed, is it counted, what does the guest get back.
fn enter(
    mut caller: Caller<'_, Vm>,
    call: HostCall,
    told: u64,
    run: impl FnOnce(&mut Guest<'_>) -> Result,
) -> wasmtime::Result<u32> {
    let vm = caller.data_mut();
    if let Some(counter) = vm.counts.get_mut(call as usize) {
        *counter += 1;
    }
    if let Some(kind) = refusal(vm, call) {
        return Err(trap(kind, call.name()));
    }
    if let Some(status) = vm.faults.of(call) {
        return Ok(status);
    }
    if !vm.plugin.profile.is_whole() {
        match vm.plugin.profile.support(call) {
            Support::Works => {}
            Support::Unimplemented => return Ok(Status::Unimplemented as u32),
            Support::Traps | Support::Missing => return Err(trap(FailureKind::Unimplemented, call.name())),
        }
    }
    let started = vm.host_time.map(|_| Instant::now());
    let Some(memory) = vm.memory else { return Ok(Status::InvalidMemoryAccess as u32) };
    let mut guest = Guest::new(caller, memory, told);
    let result = run(&mut guest);
    if let (Some(started), Some(total)) = (started, guest.vm().host_time.as_mut()) {
        *total += started.elapsed();
    }
    if guest.vm().meters_fuel {
        charge::charge(&mut guest, call)?;
    }
    if guest.vm().sampling.is_some() {
        sampling::after_host_call(guest.store(), call);
    }
    match result {
        Ok(()) => Ok(Status::Ok as u32),
        Err(Abort::Status(status)) => Ok(status as u32),
        Err(Abort::Errno(errno)) => Ok(errno),
        Err(Abort::Trap(error)) => Err(error),
    }
}

fn refusal(vm: &mut Vm, call: HostCall) -> Option<FailureKind> {
    if vm.trap_at == Some(call) {
        vm.trap_at = None;
        return Some(FailureKind::Injected);
    }
    refused_here(vm, call.allowed_at())
}

/// Whether what is allowed from this scope on is not, now, or not any more in this callback.
fn refused_here(vm: &mut Vm, from: Scope) -> Option<FailureKind> {
    let allowed = match vm.scope {
        Scope::Full => true,
        Scope::Start => from != Scope::Full,
        Scope::Allocate => from == Scope::Allocate,
        Scope::Instantiate => false,
    };
    if !allowed {
        return Some(FailureKind::Restricted);
    }
    match vm.calls_left.checked_sub(1) {
        Some(left) => vm.calls_left = left,
        None => return Some(FailureKind::HostCalls),
    }
    None
}

fn trap(kind: FailureKind, function: &str) -> wasmtime::Error {
    wasmtime::Error::new(HostTrap { kind, function: format!("`{function}`") })
}

/// The end of the VM, where a function that is no [`HostCall`] may not be called.
fn check_plain(caller: &mut Caller<'_, Vm>, name: &str, from: Scope) -> wasmtime::Result<()> {
    match refused_here(caller.data_mut(), from) {
        Some(kind) => Err(trap(kind, name)),
        None => Ok(()),
    }
}

macro_rules! host_functions {
    ($($scope:ident $abi:ident [$($module:literal)+] $name:ident($($arg:ident: $ty:ty),*) => $run:path;)*) => {
        /// A host function, by the name that modules import it under.
        #[allow(non_camel_case_types, missing_docs)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum HostCall { $($name,)* }

        impl HostCall {
            /// Every host function.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
            pub(crate) const COUNT: usize = Self::ALL.len();

            /// The name it is imported under.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// The narrowest scope in which it may be called.
            fn allowed_at(self) -> Scope {
                match self { $(Self::$name => Scope::$scope,)* }
            }

            fn abi(self) -> AbiRange {
                match self { $(Self::$name => AbiRange::$abi,)* }
            }

            fn modules(self) -> &'static [&'static str] {
                match self { $(Self::$name => &[$($module,)+],)* }
            }

            /// Its parameters' types, as the ABI has them: `u32`, `i32`, `u64` or `i64`. Its result is an `i32`.
            pub fn params(self) -> &'static [&'static str] {
                match self { $(Self::$name => &[$(stringify!($ty),)*],)* }
            }

            /// What it is about: the file that it stands in.
            fn file(self) -> &'static str {
                match self { $(Self::$name => stringify!($run),)* }
            }
        }

        /// Gives the linker every host function.
        pub(crate) fn link(linker: &mut Linker<Vm>) -> wasmtime::Result<()> {
            $(
                for module in HostCall::$name.modules() {
                    linker.func_wrap(module, stringify!($name), |caller: Caller<'_, Vm>, $($arg: $ty),*| {
                        let told = 0 $(+ charge::told(stringify!($arg), $arg))*;
                        enter(caller, HostCall::$name, told, |guest| $run(guest, $($arg),*))
                    })?;
                }
            )*
            for module in WASI {
                linker.func_wrap(module, "proc_exit", wasi::proc_exit)?;
            }
            linker.func_wrap("env", "emscripten_notify_memory_growth", emscripten::notify_memory_growth)?;
            linker.func_wrap("env", "pthread_equal", emscripten::pthread_equal)?;
            Ok(())
        }
    };
}

impl HostCall {
    /// The host function of a name, as it is imported from a module such as `env`.
    pub fn named(module: &str, name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|call| call.name() == name && call.modules().contains(&module))
    }

    /// Whether modules of this version have it.
    pub fn is_in(self, abi: AbiVersion) -> bool {
        self.abi().has(abi)
    }

    /// What it is about, for people.
    pub fn family(self) -> &'static str {
        match self.file().split([' ', ':']).next().unwrap_or_default() {
            "buffers" => "buffers",
            "foreign" => "foreign functions",
            "grpc" => "gRPC",
            "headers" => "headers",
            "http_call" => "HTTP calls",
            "log" => "log, status and time",
            "metrics" => "metrics",
            "properties" => "properties",
            "shared_data" => "shared data and queues",
            "stream" => "streams and contexts",
            _ => "WASI",
        }
    }
}

/// Which versions of the ABI have a function.
#[derive(Clone, Copy)]
enum AbiRange {
    All,
    Old,
    Since20,
    Since21,
}

impl AbiRange {
    fn has(self, abi: AbiVersion) -> bool {
        match self {
            Self::All => true,
            Self::Old => abi == AbiVersion::V0_1_0,
            Self::Since20 => abi >= AbiVersion::V0_2_0,
            Self::Since21 => abi >= AbiVersion::V0_2_1,
        }
    }
}

const WASI: [&str; 2] = ["wasi_snapshot_preview1", "wasi_unstable"];

/// What is imported as a function without being a host call that is counted: its parameters, and whether it has a result.
const PLAIN: [(&str, &str, usize, bool); 4] = [
    (WASI[0], "proc_exit", 1, false),
    (WASI[1], "proc_exit", 1, false),
    ("env", "emscripten_notify_memory_growth", 1, false),
    ("env", "pthread_equal", 2, true),
];

/// The type of the host function of this name, for modules of this version: the types of its parameters and of its result.
pub(crate) fn signature(
    module: &str,
    name: &str,
    abi: AbiVersion,
) -> Option<(Vec<ValType>, Option<ValType>)> {
    let plain = PLAIN.iter().find(|(from, plain, ..)| (*from, *plain) == (module, name));
    if let Some((_, _, params, result)) = plain {
        return Some((vec![ValType::I32; *params], result.then_some(ValType::I32)));
    }
    let call = HostCall::named(module, name).filter(|call| call.is_in(abi))?;
    let params = call.params().iter().map(|ty| if ty.ends_with("64") { ValType::I64 } else { ValType::I32 });
    Some((params.collect(), Some(ValType::I32)))
}

host_functions! {
    Allocate All ["env"] proxy_log(level: u32, data: u32, size: u32) => log::log;
    Full Since21 ["env"] proxy_get_log_level(level_at: u32) => log::get_log_level;
    Full All ["env"] proxy_get_status(code_at: u32, data_at: u32, size_at: u32) => log::get_status;
    Full All ["env"] proxy_get_current_time_nanoseconds(time_at: u32) => log::get_current_time_nanoseconds;
    Full All ["env"] proxy_set_tick_period_milliseconds(period: u32) => stream::set_tick_period_milliseconds;
    Full All ["env"] proxy_set_effective_context(context: u32) => stream::set_effective_context;
    Full All ["env"] proxy_done() => stream::done;
    Full Since20 ["env"] proxy_continue_stream(kind: u32) => stream::continue_stream;
    Full Since20 ["env"] proxy_close_stream(kind: u32) => stream::close_stream;
    Full Old ["env"] proxy_continue_request() => stream::continue_request;
    Full Old ["env"] proxy_continue_response() => stream::continue_response;
    Full Old ["env"] proxy_clear_route_cache() => stream::clear_route_cache;
    Full Old ["env"] proxy_get_configuration(data_at: u32, size_at: u32) => buffers::get_configuration;
    Full All ["env"] proxy_send_local_response(
        status: u32, details: u32, details_size: u32, body: u32, body_size: u32, headers: u32, headers_size: u32,
        grpc_status: i32
    ) => stream::send_local_response;
    Full All ["env"] proxy_get_buffer_bytes(kind: u32, start: u32, length: u32, data_at: u32, size_at: u32)
        => buffers::get_buffer_bytes;
    Full All ["env"] proxy_set_buffer_bytes(kind: u32, start: u32, length: u32, data: u32, size: u32)
        => buffers::set_buffer_bytes;
    Full All ["env"] proxy_get_buffer_status(kind: u32, length_at: u32, flags_at: u32) => buffers::get_buffer_status;
    Full All ["env"] proxy_get_header_map_value(map: u32, key: u32, key_size: u32, data_at: u32, size_at: u32)
        => headers::get_header_map_value;
    Full All ["env"] proxy_add_header_map_value(map: u32, key: u32, key_size: u32, value: u32, value_size: u32)
        => headers::add_header_map_value;
    Full All ["env"] proxy_replace_header_map_value(map: u32, key: u32, key_size: u32, value: u32, value_size: u32)
        => headers::replace_header_map_value;
    Full All ["env"] proxy_remove_header_map_value(map: u32, key: u32, key_size: u32)
        => headers::remove_header_map_value;
    Full All ["env"] proxy_get_header_map_pairs(map: u32, data_at: u32, size_at: u32) => headers::get_header_map_pairs;
    Full All ["env"] proxy_set_header_map_pairs(map: u32, data: u32, size: u32) => headers::set_header_map_pairs;
    Full All ["env"] proxy_get_header_map_size(map: u32, size_at: u32) => headers::get_header_map_size;
    Full All ["env"] proxy_get_property(path: u32, path_size: u32, data_at: u32, size_at: u32)
        => properties::get_property;
    Full All ["env"] proxy_set_property(path: u32, path_size: u32, value: u32, value_size: u32)
        => properties::set_property;
    Full All ["env"] proxy_http_call(
        cluster: u32, cluster_size: u32, headers: u32, headers_size: u32, body: u32, body_size: u32, trailers: u32,
        trailers_size: u32, timeout: u32, token_at: u32
    ) => http_call::http_call;
    Full All ["env"] proxy_grpc_call(
        service: u32, service_size: u32, name: u32, name_size: u32, method: u32, method_size: u32, metadata: u32,
        metadata_size: u32, message: u32, message_size: u32, timeout: u32, token_at: u32
    ) => grpc::grpc_call;
    Full All ["env"] proxy_grpc_stream(
        service: u32, service_size: u32, name: u32, name_size: u32, method: u32, method_size: u32, metadata: u32,
        metadata_size: u32, token_at: u32
    ) => grpc::grpc_stream;
    Full All ["env"] proxy_grpc_send(token: u32, message: u32, message_size: u32, end: u32) => grpc::grpc_send;
    Full All ["env"] proxy_grpc_cancel(token: u32) => grpc::grpc_cancel;
    Full All ["env"] proxy_grpc_close(token: u32) => grpc::grpc_close;
    Full All ["env"] proxy_get_shared_data(key: u32, key_size: u32, data_at: u32, size_at: u32, cas_at: u32)
        => shared_data::get_shared_data;
    Full All ["env"] proxy_set_shared_data(key: u32, key_size: u32, value: u32, value_size: u32, cas: u32)
        => shared_data::set_shared_data;
    Full All ["env"] proxy_register_shared_queue(name: u32, name_size: u32, token_at: u32)
        => shared_data::register_shared_queue;
    Full All ["env"] proxy_resolve_shared_queue(vm: u32, vm_size: u32, name: u32, name_size: u32, token_at: u32)
        => shared_data::resolve_shared_queue;
    Full All ["env"] proxy_enqueue_shared_queue(token: u32, value: u32, value_size: u32)
        => shared_data::enqueue_shared_queue;
    Full All ["env"] proxy_dequeue_shared_queue(token: u32, data_at: u32, size_at: u32)
        => shared_data::dequeue_shared_queue;
    Full All ["env"] proxy_define_metric(kind: u32, name: u32, name_size: u32, id_at: u32) => metrics::define_metric;
    Full All ["env"] proxy_increment_metric(id: u32, offset: i64) => metrics::increment_metric;
    Full All ["env"] proxy_record_metric(id: u32, value: u64) => metrics::record_metric;
    Full All ["env"] proxy_get_metric(id: u32, value_at: u32) => metrics::get_metric;
    Full All ["env"] proxy_call_foreign_function(
        name: u32, name_size: u32, argument: u32, argument_size: u32, data_at: u32, size_at: u32
    ) => foreign::call_foreign_function;
    Allocate All ["wasi_snapshot_preview1" "wasi_unstable"]
        fd_write(fd: u32, vectors: u32, vectors_len: u32, written_at: u32) => wasi_files::fd_write;
    Allocate All ["wasi_snapshot_preview1" "wasi_unstable"]
        clock_time_get(clock: u32, _precision: u64, time_at: u32) => wasi::clock_time_get;
    Allocate All ["wasi_snapshot_preview1" "wasi_unstable"]
        poll_oneoff(_in: u32, _out: u32, _n: u32, events_at: u32) => wasi::poll_oneoff;
    Start All ["wasi_snapshot_preview1" "wasi_unstable"]
        clock_res_get(clock: u32, resolution_at: u32) => wasi::clock_res_get;
    Start All ["wasi_snapshot_preview1" "wasi_unstable"]
        random_get(at: u32, len: u32) => wasi::random_get;
    Start All ["wasi_snapshot_preview1" "wasi_unstable"]
        environ_get(pointers_at: u32, text_at: u32) => wasi::environ_get;
    Start All ["wasi_snapshot_preview1" "wasi_unstable"]
        environ_sizes_get(count_at: u32, size_at: u32) => wasi::environ_sizes_get;
    Start All ["wasi_snapshot_preview1" "wasi_unstable"]
        args_get(_pointers_at: u32, _text_at: u32) => wasi::args_get;
    Start All ["wasi_snapshot_preview1" "wasi_unstable"]
        args_sizes_get(count_at: u32, size_at: u32) => wasi::args_sizes_get;
    Full All ["wasi_snapshot_preview1" "wasi_unstable"]
        sched_yield() => wasi::sched_yield;
    Start All ["wasi_snapshot_preview1" "wasi_unstable"]
        sock_accept(_fd: u32, _flags: u32, fd_at: u32) => wasi::sock_accept;
    Start All ["wasi_snapshot_preview1" "wasi_unstable"]
        sock_recv(_fd: u32, _in: u32, _in_len: u32, _flags: u32, read_at: u32, flags_at: u32) => wasi::sock_recv;
    Start All ["wasi_snapshot_preview1" "wasi_unstable"]
        sock_send(_fd: u32, _out: u32, _out_len: u32, _flags: u32, written_at: u32) => wasi::sock_send;
    Start All ["wasi_snapshot_preview1" "wasi_unstable"]
        sock_shutdown(_fd: u32, _how: u32) => wasi::sock_shutdown;
    Full All ["wasi_snapshot_preview1" "wasi_unstable"]
        fd_close(_fd: u32) => wasi_files::fd_close;
    Full All ["wasi_snapshot_preview1" "wasi_unstable"]
        fd_read(_fd: u32, _vectors: u32, _vectors_len: u32, _read_at: u32) => wasi_files::fd_read;
    Full All ["wasi_snapshot_preview1" "wasi_unstable"]
        fd_seek(_fd: u32, _offset: i64, _whence: u32, _to_at: u32) => wasi_files::fd_seek;
    Start All ["wasi_snapshot_preview1" "wasi_unstable"]
        fd_advise(_fd: u32, _offset: i64, _len: i64, _advice: u32) => wasi_files::fd_advise;
    Start All ["wasi_snapshot_preview1" "wasi_unstable"]
        fd_allocate(fd: u32, _offset: i64, _len: i64) => wasi_files::fd_allocate;
    Start All ["wasi_snapshot_preview1" "wasi_unstable"]
        fd_datasync(fd: u32) => wasi_files::fd_datasync;
    Start All ["wasi_snapshot_preview1" "wasi_unstable"]
        fd_fdstat_get(fd: u32, stat_at: u32) => wasi_files::fd_fdstat_get;
    Start All ["wasi_snapshot_preview1" "wasi_unstable"]
        fd_fdstat_set_flags(_fd: u32, _flags: u32) => wasi_files::fd_fdstat_set_flags;
    Start All ["wasi_snapshot_preview1" "wasi_unstable"]
        fd_fdstat_set_rights(fd: u32, _base: i64, _inheriting: i64) => wasi_files::fd_fdstat_set_rights;
    Start All ["wasi_snapshot_preview1" "wasi_unstable"]
        fd_filestat_get(_fd: u32, _stat_at: u32) => wasi_files::fd_filestat_get;
    Start All ["wasi_snapshot_preview1" "wasi_unstable"]
        fd_filestat_set_size(fd: u32, _size: i64) => wasi_files::fd_filestat_set_size;
    Start All ["wasi_snapshot_preview1" "wasi_unstable"]
        fd_filestat_set_times(fd: u32, _accessed: i64, _modified: i64, _flags: u32)
        => wasi_files::fd_filestat_set_times;
    Start All ["wasi_snapshot_preview1" "wasi_unstable"]
        fd_pread(_fd: u32, _vectors: u32, _vectors_len: u32, _offset: i64, _read_at: u32) => wasi_files::fd_pread;
    Start All ["wasi_snapshot_preview1" "wasi_unstable"]
        fd_prestat_get(_fd: u32, _stat_at: u32) => wasi_files::fd_prestat_get;
    Start All ["wasi_snapshot_preview1" "wasi_unstable"]
        fd_prestat_dir_name(_fd: u32, _path: u32, _path_len: u32) => wasi_files::fd_prestat_dir_name;
    Start All ["wasi_snapshot_preview1" "wasi_unstable"]
        fd_pwrite(fd: u32, vectors: u32, vectors_len: u32, _offset: i64, written_at: u32) => wasi_files::fd_pwrite;
    Start All ["wasi_snapshot_preview1" "wasi_unstable"]
        fd_readdir(_fd: u32, _at: u32, _len: u32, _cookie: i64, used_at: u32) => wasi_files::fd_readdir;
    Start All ["wasi_snapshot_preview1" "wasi_unstable"]
        fd_renumber(fd: u32, _to: u32) => wasi_files::fd_renumber;
    Start All ["wasi_snapshot_preview1" "wasi_unstable"]
        fd_sync(fd: u32) => wasi_files::fd_sync;
    Start All ["wasi_snapshot_preview1" "wasi_unstable"]
        fd_tell(fd: u32, offset_at: u32) => wasi_files::fd_tell;
    Full All ["wasi_snapshot_preview1" "wasi_unstable"]
        path_open(
            _fd: u32, _dir: u32, _path: u32, _len: u32, _o: u32, _base: i64, _inheriting: i64, _flags: u32, _fd_at: u32
        )
        => wasi_files::path_open;
    Start All ["wasi_snapshot_preview1" "wasi_unstable"]
        path_create_directory(_fd: u32, _path: u32, _len: u32) => wasi_files::path_create_directory;
    Start All ["wasi_snapshot_preview1" "wasi_unstable"]
        path_filestat_get(_fd: u32, _flags: u32, _path: u32, _len: u32, _stat_at: u32) => wasi_files::path_filestat_get;
    Start All ["wasi_snapshot_preview1" "wasi_unstable"]
        path_filestat_set_times(_fd: u32, _flags: u32, _path: u32, _len: u32, _accessed: i64, _modified: i64, _set: u32)
        => wasi_files::path_filestat_set_times;
    Start All ["wasi_snapshot_preview1" "wasi_unstable"]
        path_link(_a: u32, _b: u32, _c: u32, _d: u32, _e: u32, _f: u32) => wasi_files::path_link;
    Start All ["wasi_snapshot_preview1" "wasi_unstable"]
        path_readlink(_fd: u32, _path: u32, _len: u32, _at: u32, _most: u32, used_at: u32) => wasi_files::path_readlink;
    Start All ["wasi_snapshot_preview1" "wasi_unstable"]
        path_remove_directory(_fd: u32, _path: u32, _len: u32) => wasi_files::path_remove_directory;
    Start All ["wasi_snapshot_preview1" "wasi_unstable"]
        path_rename(_fd: u32, _path: u32, _len: u32, _to: u32, _to_path: u32, _to_len: u32) => wasi_files::path_rename;
    Start All ["wasi_snapshot_preview1" "wasi_unstable"]
        path_symlink(_a: u32, _b: u32, _c: u32, _d: u32) => wasi_files::path_symlink;
    Start All ["wasi_snapshot_preview1" "wasi_unstable"]
        path_unlink_file(_fd: u32, _path: u32, _len: u32) => wasi_files::path_unlink_file;
}
