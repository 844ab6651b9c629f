//! Every host function of ABI 0.2.1 and every function of WASI that gateways have, by the names of the imports.

macro_rules! imports {
    ($($module:literal { $($name:ident($($arg:ident: $ty:ident),*);)* })*) => {
        $(
            #[link(wasm_import_module = $module)]
            unsafe extern "C" { $(fn $name($($arg: $ty),*) -> u32;)* }
        )*

        /// A host function.
        #[allow(non_camel_case_types)]
        #[derive(Clone, Copy)]
        pub(crate) enum Call { $($($name,)*)* proc_exit }

        impl Call {
            /// Every function.
            pub(crate) const ALL: &'static [Self] = &[$($(Self::$name,)*)* Self::proc_exit];

            /// Its name, as it is imported.
            pub(crate) fn name(self) -> &'static str {
                match self { $($(Self::$name => stringify!($name),)*)* Self::proc_exit => "proc_exit" }
            }

            /// Calls it. Numbers that are missing are zero. Gives its status.
            pub(crate) fn invoke(self, numbers: &[u64]) -> u32 {
                let mut next = numbers.iter().copied();
                match self {
                    $($(
                        Self::$name => {
                            $(let $arg = next.next().unwrap_or(0) as $ty;)*
                            // SAFETY: asking for what the host does with any number is what this module is for. What it is told to
                            // write to is memory of ours that nothing else refers to, or not ours.
                            unsafe { $name($($arg),*) }
                        }
                    )*)*
                    Self::proc_exit => {
                        // SAFETY: no memory is passed.
                        unsafe { proc_exit(next.next().unwrap_or(0) as u32) };
                        0
                    }
                }
            }
        }
    };
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn proc_exit(code: u32);
}

imports! {
    "env" {
        proxy_log(level: u32, data: u32, size: u32);
        proxy_get_log_level(level: u32);
        proxy_get_status(code: u32, data: u32, size: u32);
        proxy_get_current_time_nanoseconds(time: u32);
        proxy_set_tick_period_milliseconds(period: u32);
        proxy_set_effective_context(context: u32);
        proxy_done();
        proxy_continue_stream(kind: u32);
        proxy_close_stream(kind: u32);
        proxy_send_local_response(
            status: u32, details: u32, details_size: u32, body: u32, body_size: u32, headers: u32, headers_size: u32,
            grpc_status: u32
        );
        proxy_get_buffer_bytes(kind: u32, start: u32, length: u32, data: u32, size: u32);
        proxy_set_buffer_bytes(kind: u32, start: u32, length: u32, data: u32, size: u32);
        proxy_get_buffer_status(kind: u32, length: u32, flags: u32);
        proxy_get_header_map_value(map: u32, key: u32, key_size: u32, data: u32, size: u32);
        proxy_add_header_map_value(map: u32, key: u32, key_size: u32, value: u32, value_size: u32);
        proxy_replace_header_map_value(map: u32, key: u32, key_size: u32, value: u32, value_size: u32);
        proxy_remove_header_map_value(map: u32, key: u32, key_size: u32);
        proxy_get_header_map_pairs(map: u32, data: u32, size: u32);
        proxy_set_header_map_pairs(map: u32, data: u32, size: u32);
        proxy_get_header_map_size(map: u32, size: u32);
        proxy_get_property(path: u32, path_size: u32, data: u32, size: u32);
        proxy_set_property(path: u32, path_size: u32, value: u32, value_size: u32);
        proxy_http_call(
            cluster: u32, cluster_size: u32, headers: u32, headers_size: u32, body: u32, body_size: u32, trailers: u32,
            trailers_size: u32, timeout: u32, token: u32
        );
        proxy_grpc_call(
            service: u32, service_size: u32, name: u32, name_size: u32, method: u32, method_size: u32, metadata: u32,
            metadata_size: u32, message: u32, message_size: u32, timeout: u32, token: u32
        );
        proxy_grpc_stream(
            service: u32, service_size: u32, name: u32, name_size: u32, method: u32, method_size: u32, metadata: u32,
            metadata_size: u32, token: u32
        );
        proxy_grpc_send(token: u32, message: u32, message_size: u32, end: u32);
        proxy_grpc_cancel(token: u32);
        proxy_grpc_close(token: u32);
        proxy_get_shared_data(key: u32, key_size: u32, data: u32, size: u32, cas: u32);
        proxy_set_shared_data(key: u32, key_size: u32, value: u32, value_size: u32, cas: u32);
        proxy_register_shared_queue(name: u32, name_size: u32, token: u32);
        proxy_resolve_shared_queue(vm: u32, vm_size: u32, name: u32, name_size: u32, token: u32);
        proxy_enqueue_shared_queue(token: u32, value: u32, value_size: u32);
        proxy_dequeue_shared_queue(token: u32, data: u32, size: u32);
        proxy_define_metric(kind: u32, name: u32, name_size: u32, id: u32);
        proxy_increment_metric(id: u32, offset: i64);
        proxy_record_metric(id: u32, value: u64);
        proxy_get_metric(id: u32, value: u32);
        proxy_call_foreign_function(name: u32, name_size: u32, argument: u32, argument_size: u32, data: u32, size: u32);
    }
    "wasi_snapshot_preview1" {
        fd_write(fd: u32, vectors: u32, count: u32, written: u32);
        fd_read(fd: u32, vectors: u32, count: u32, read: u32);
        fd_seek(fd: u32, offset: i64, whence: u32, to: u32);
        fd_close(fd: u32);
        fd_fdstat_get(fd: u32, stat: u32);
        fd_fdstat_set_flags(fd: u32, flags: u32);
        fd_prestat_get(fd: u32, stat: u32);
        fd_prestat_dir_name(fd: u32, path: u32, size: u32);
        path_open(
            fd: u32, dir_flags: u32, path: u32, path_size: u32, o_flags: u32, base: u64, inheriting: u64, fd_flags: u32,
            opened: u32
        );
        path_filestat_get(fd: u32, flags: u32, path: u32, path_size: u32, stat: u32);
        sched_yield();
        poll_oneoff(subscriptions: u32, events: u32, count: u32, happened: u32);
        environ_get(pointers: u32, text: u32);
        environ_sizes_get(count: u32, size: u32);
        args_get(pointers: u32, text: u32);
        args_sizes_get(count: u32, size: u32);
        clock_time_get(clock: u32, precision: u64, time: u32);
        random_get(data: u32, size: u32);
    }
}
