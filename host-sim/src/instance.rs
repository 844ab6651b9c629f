//! A running VM: its store, its exports, and the one way to call into it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::{
    Instance as WasmInstance, Memory, Store, ThrownException, Trap, TypedFunc, Val, WasmParams, WasmResults,
};

use crate::abi::{Callback, HostTrap};
use crate::budget::{Budget, Left};
use crate::clock::nanos;
use crate::engine::EPOCH;
use crate::error::{Failure, FailureKind, LoadError, StartFailure};
use crate::module::{AbiVersion, Module};
use crate::sampling::{Sampling, at_tick};
use crate::vm::{Scope, Vm};

/// Callbacks of headers: ABI 0.1.0 does not say whether the stream ends.
pub(crate) enum OnHeaders {
    Old(TypedFunc<(u32, u32), u32>),
    New(TypedFunc<(u32, u32, u32), u32>),
}

/// Context, token, and how many headers, bytes of body and trailers the answer has.
type OnCallResponse = TypedFunc<(u32, u32, u32, u32, u32), ()>;

/// The callbacks that a module exports.
pub(crate) struct Exports {
    pub(crate) context_create: Option<TypedFunc<(u32, u32), ()>>,
    pub(crate) vm_start: Option<TypedFunc<(u32, u32), u32>>,
    pub(crate) configure: Option<TypedFunc<(u32, u32), u32>>,
    pub(crate) tick: Option<TypedFunc<u32, ()>>,
    pub(crate) queue_ready: Option<TypedFunc<(u32, u32), ()>>,
    pub(crate) done: Option<TypedFunc<u32, u32>>,
    pub(crate) log: Option<TypedFunc<u32, ()>>,
    pub(crate) delete: Option<TypedFunc<u32, ()>>,
    pub(crate) request_headers: Option<OnHeaders>,
    pub(crate) request_body: Option<TypedFunc<(u32, u32, u32), u32>>,
    pub(crate) request_trailers: Option<TypedFunc<(u32, u32), u32>>,
    pub(crate) request_metadata: Option<TypedFunc<(u32, u32), u32>>,
    pub(crate) response_headers: Option<OnHeaders>,
    pub(crate) response_body: Option<TypedFunc<(u32, u32, u32), u32>>,
    pub(crate) response_trailers: Option<TypedFunc<(u32, u32), u32>>,
    pub(crate) response_metadata: Option<TypedFunc<(u32, u32), u32>>,
    pub(crate) http_call_response: Option<OnCallResponse>,
    pub(crate) new_connection: Option<TypedFunc<u32, u32>>,
    pub(crate) downstream_data: Option<TypedFunc<(u32, u32, u32), u32>>,
    pub(crate) upstream_data: Option<TypedFunc<(u32, u32, u32), u32>>,
    pub(crate) downstream_connection_close: Option<TypedFunc<(u32, u32), ()>>,
    pub(crate) upstream_connection_close: Option<TypedFunc<(u32, u32), ()>>,
    pub(crate) grpc_receive_initial_metadata: Option<TypedFunc<(u32, u32, u32), ()>>,
    pub(crate) grpc_receive: Option<TypedFunc<(u32, u32, u32), ()>>,
    pub(crate) grpc_receive_trailing_metadata: Option<TypedFunc<(u32, u32, u32), ()>>,
    pub(crate) grpc_close: Option<TypedFunc<(u32, u32, u32), ()>>,
}

pub(crate) struct Instance {
    pub(crate) store: Store<Vm>,
    pub(crate) exports: Exports,
    wasm: WasmInstance,
    memory: Memory,
    failure: Option<Failure>,
    meters_fuel: bool,
    /// What its callbacks draw on together with those of other VMs.
    pub(crate) budget: Option<Arc<Budget>>,
    /// Fuel that the guest's own instructions used.
    pub(crate) fuel_used: u64,
    /// Callbacks called so far.
    pub(crate) callbacks: u64,
    /// Time spent in guest callbacks, host calls included, while it is measured.
    pub(crate) callback_time: Option<Duration>,
}

impl Instance {
    /// Instantiates a module and runs its start functions.
    pub(crate) fn start(module: &Module, vm: Vm) -> Result<Self, (StartFailure, Box<Vm>)> {
        let mut store = Store::new(module.engine().wasmtime(), vm);
        store.limiter(|vm| vm);
        store.data_mut().meters_fuel = module.engine().meters_fuel();
        if let Some(recorder) = module.engine().recorder() {
            store.data_mut().sampling = Some(Sampling::new(Arc::clone(recorder)));
            store.epoch_deadline_callback(at_tick);
        }
        let started = start(module, &mut store);
        match started {
            Ok((wasm, memory, exports)) => {
                let meters_fuel = module.engine().meters_fuel();
                let mut instance = Self {
                    store,
                    exports,
                    wasm,
                    memory,
                    failure: None,
                    meters_fuel,
                    budget: None,
                    fuel_used: 0,
                    callbacks: 0,
                    callback_time: None,
                };
                instance.vm_mut().scope = Scope::Full;
                Ok(instance)
            }
            Err(failure) => Err((failure, Box::new(store.into_data()))),
        }
    }

    pub(crate) fn vm(&self) -> &Vm {
        self.store.data()
    }

    pub(crate) fn vm_mut(&mut self) -> &mut Vm {
        self.store.data_mut()
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// Why it failed, where it did.
    pub(crate) fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// Bytes of linear memory now.
    pub(crate) fn memory_size(&self) -> usize {
        self.memory.data_size(&self.store)
    }

    /// Calls an export, if there is one, for a context.
    pub(crate) fn call<P: WasmParams, R: WasmResults>(
        &mut self,
        name: &'static str,
        context: u32,
        export: impl FnOnce(&Exports) -> Option<&TypedFunc<P, R>>,
        params: P,
    ) -> Result<Option<R>, Failure> {
        let left = self.admit(name)?;
        let Some(function) = export(&self.exports) else { return Ok(None) };
        let fuel = arm(&mut self.store, left);
        let vm = self.store.data_mut();
        vm.current = context;
        vm.effective = 0;
        if let Some(sampling) = &mut vm.sampling {
            sampling.call(name);
        }
        self.callbacks += 1;
        let started = self.callback_time.map(|_| Instant::now());
        let result = function.call(&mut self.store, params);
        if let (Some(started), Some(total)) = (started, self.callback_time.as_mut()) {
            *total += started.elapsed();
        }
        let vm = self.store.data_mut();
        vm.current = 0;
        vm.effective = 0;
        self.account(fuel);
        result.map(Some).map_err(|error| self.fail(name, &error))
    }

    /// What is left for a callback, unless the VM has failed or there is nothing left, of which it fails.
    fn admit(&mut self, name: &'static str) -> Result<Left, Failure> {
        if self.has_failed() {
            return Err(Failure { kind: FailureKind::Earlier, callback: name, message: String::new() });
        }
        let Some(budget) = &self.budget else { return Ok(Left::ALL) };
        budget.enter(name).inspect_err(|failure| self.failure = Some(failure.clone()))
    }

    /// Accounts for what a callback used of the fuel that it was given.
    fn account(&mut self, given: u64) {
        if self.meters_fuel {
            let used = given.saturating_sub(self.store.get_fuel().unwrap_or(0));
            self.fuel_used += used.saturating_sub(self.store.data().host_fuel);
            if let Some(budget) = &self.budget {
                budget.burn(used);
            }
        }
    }

    /// Calls any export with any numbers, its first result being what it gives back.
    pub(crate) fn call_any(&mut self, name: &'static str, params: &[u32]) -> Result<Option<u32>, Failure> {
        let left = self.admit(name)?;
        let Some(function) = self.wasm.get_func(&mut self.store, name) else { return Ok(None) };
        let fuel = arm(&mut self.store, left);
        let vm = self.store.data_mut();
        (vm.current, vm.effective) = (params.first().copied().unwrap_or(0), 0);
        let params: Vec<Val> = params.iter().map(|number| Val::I32(number.cast_signed())).collect();
        let mut results = vec![Val::I32(0); function.ty(&self.store).results().len()];
        let called = function.call(&mut self.store, &params, &mut results);
        let vm = self.store.data_mut();
        (vm.current, vm.effective) = (0, 0);
        self.account(fuel);
        match called {
            Ok(()) => Ok(results.first().and_then(Val::i32).map(i32::cast_unsigned)),
            Err(error) => Err(self.fail(name, &error)),
        }
    }

    fn fail(&mut self, callback: &'static str, error: &wasmtime::Error) -> Failure {
        let failure = failure(callback, error, self.meters_fuel);
        let of_all = self.budget.as_ref().and_then(|budget| budget.explain(callback, failure.kind));
        let failure = of_all.unwrap_or(failure);
        self.failure = Some(failure.clone());
        failure
    }

    /// Calls a callback of headers in the form that the module exports.
    pub(crate) fn call_headers(
        &mut self,
        name: &'static str,
        context: u32,
        export: impl Fn(&Exports) -> Option<&OnHeaders>,
        count: u32,
        end: bool,
    ) -> Result<Option<u32>, Failure> {
        match export(&self.exports) {
            None => Ok(None),
            Some(OnHeaders::New(_)) => {
                self.call(name, context, |e| new(export(e)), (context, count, u32::from(end)))
            }
            Some(OnHeaders::Old(_)) => self.call(name, context, |e| old(export(e)), (context, count)),
        }
    }
}

fn new(export: Option<&OnHeaders>) -> Option<&TypedFunc<(u32, u32, u32), u32>> {
    match export? {
        OnHeaders::New(function) => Some(function),
        OnHeaders::Old(_) => None,
    }
}

fn old(export: Option<&OnHeaders>) -> Option<&TypedFunc<(u32, u32), u32>> {
    match export? {
        OnHeaders::Old(function) => Some(function),
        OnHeaders::New(_) => None,
    }
}

/// The farthest deadline, in epochs: it is added to those that have passed.
const FAR: u64 = 1 << 60;

/// Gives the next callback its time, fuel and host calls, of what is left. How much fuel that is.
fn arm(store: &mut Store<Vm>, left: Left) -> u64 {
    let vm = store.data_mut();
    let limits = &vm.plugin.limits;
    let meters_fuel = vm.meters_fuel;
    let epoch = vm.sampling.as_ref().map_or(EPOCH, Sampling::interval);
    // Where fuel is metered, time does not decide unless the machine is much too slow.
    let most =
        if meters_fuel { limits.step.time.max(limits.callback_deadline) } else { limits.callback_deadline };
    let mut deadline = nanos(most).div_ceil(nanos(epoch)).min(left.epochs).saturating_add(1);
    let fuel = limits.callback_fuel.min(left.fuel);
    vm.calls_left = limits.host_calls;
    vm.sent_bytes = 0;
    vm.host_fuel = 0;
    if let Some(sampling) = &mut vm.sampling {
        sampling.arm(deadline);
        deadline = 1;
    }
    store.set_epoch_deadline(deadline.min(FAR));
    if meters_fuel {
        // Only fails where fuel is not metered.
        let _ = store.set_fuel(fuel);
    }
    fuel
}

fn start(module: &Module, store: &mut Store<Vm>) -> Result<(WasmInstance, Memory, Exports), StartFailure> {
    let metered = module.engine().meters_fuel();
    arm(store, Left::ALL);
    let (instance, memory) = module.instantiate(store).map_err(|e| failure("start", &e, metered))?;
    let names = if store.data().plugin.profile.malloc_first() {
        ["malloc", "proxy_on_memory_allocate"]
    } else {
        ["proxy_on_memory_allocate", "malloc"]
    };
    let mut allocator = None;
    for name in names {
        if allocator.is_none() {
            allocator = typed(instance, store, name)?;
        }
    }
    let vm = store.data_mut();
    vm.memory = Some(memory);
    vm.allocator = allocator;
    vm.scope = Scope::Start;
    let initialize: Option<TypedFunc<(), ()>> = typed(instance, store, "_initialize")?;
    if let Some(initialize) = initialize {
        arm(store, Left::ALL);
        initialize.call(&mut *store, ()).map_err(|e| failure("_initialize", &e, metered))?;
        let main: Option<TypedFunc<(u32, u32), u32>> = typed(instance, store, "main")?;
        if let Some(main) = main {
            arm(store, Left::ALL);
            main.call(&mut *store, (0, 0)).map_err(|e| failure("main", &e, metered))?;
        }
    } else {
        let start: Option<TypedFunc<(), ()>> = typed(instance, store, "_start")?;
        if let Some(start) = start {
            arm(store, Left::ALL);
            start.call(&mut *store, ()).map_err(|e| failure("_start", &e, metered))?;
        }
    }
    Ok((instance, memory, exports(instance, store)?))
}

fn exports(instance: WasmInstance, store: &mut Store<Vm>) -> Result<Exports, LoadError> {
    Ok(Exports {
        context_create: callback(instance, store, "proxy_on_context_create")?,
        vm_start: callback(instance, store, "proxy_on_vm_start")?,
        configure: callback(instance, store, "proxy_on_configure")?,
        tick: callback(instance, store, "proxy_on_tick")?,
        queue_ready: callback(instance, store, "proxy_on_queue_ready")?,
        done: callback(instance, store, "proxy_on_done")?,
        log: callback(instance, store, "proxy_on_log")?,
        delete: callback(instance, store, "proxy_on_delete")?,
        request_headers: headers(instance, store, "proxy_on_request_headers")?,
        request_body: callback(instance, store, "proxy_on_request_body")?,
        request_trailers: callback(instance, store, "proxy_on_request_trailers")?,
        request_metadata: callback(instance, store, "proxy_on_request_metadata")?,
        response_headers: headers(instance, store, "proxy_on_response_headers")?,
        response_body: callback(instance, store, "proxy_on_response_body")?,
        response_trailers: callback(instance, store, "proxy_on_response_trailers")?,
        response_metadata: callback(instance, store, "proxy_on_response_metadata")?,
        http_call_response: callback(instance, store, "proxy_on_http_call_response")?,
        new_connection: callback(instance, store, "proxy_on_new_connection")?,
        downstream_data: callback(instance, store, "proxy_on_downstream_data")?,
        upstream_data: callback(instance, store, "proxy_on_upstream_data")?,
        downstream_connection_close: callback(instance, store, "proxy_on_downstream_connection_close")?,
        upstream_connection_close: callback(instance, store, "proxy_on_upstream_connection_close")?,
        grpc_receive_initial_metadata: callback(instance, store, "proxy_on_grpc_receive_initial_metadata")?,
        grpc_receive: callback(instance, store, "proxy_on_grpc_receive")?,
        grpc_receive_trailing_metadata: callback(instance, store, "proxy_on_grpc_receive_trailing_metadata")?,
        grpc_close: callback(instance, store, "proxy_on_grpc_close")?,
    })
}

/// A callback, where the host makes it.
fn callback<P: WasmParams, R: WasmResults>(
    instance: WasmInstance,
    store: &mut Store<Vm>,
    name: &str,
) -> Result<Option<TypedFunc<P, R>>, LoadError> {
    let profile = store.data().plugin.profile;
    match Callback::named(name) {
        Some(callback) if !profile.makes(callback) => Ok(None),
        _ => typed(instance, store, name),
    }
}

fn headers(
    instance: WasmInstance,
    store: &mut Store<Vm>,
    name: &str,
) -> Result<Option<OnHeaders>, LoadError> {
    if store.data().abi == AbiVersion::V0_1_0 {
        return Ok(typed(instance, store, name)?.map(OnHeaders::Old));
    }
    Ok(typed(instance, store, name)?.map(OnHeaders::New))
}

fn typed<P: WasmParams, R: WasmResults>(
    instance: WasmInstance,
    store: &mut Store<Vm>,
    name: &str,
) -> Result<Option<TypedFunc<P, R>>, LoadError> {
    let Some(function) = instance.get_func(&mut *store, name) else { return Ok(None) };
    let typed = function.typed(&*store);
    typed.map(Some).map_err(|e| LoadError::Signature(format!("export `{name}`: {e:#}")))
}

fn failure(callback: &'static str, error: &wasmtime::Error, metered: bool) -> Failure {
    let (kind, message) = if let Some(trap) = error.downcast_ref::<HostTrap>() {
        (trap.kind, trap.function.clone())
    } else if let Some(trap) = error.downcast_ref::<Trap>() {
        match trap {
            Trap::Interrupt if metered => (FailureKind::TooSlow, String::new()),
            Trap::Interrupt => (FailureKind::Deadline, String::new()),
            Trap::OutOfFuel => (FailureKind::Fuel, String::new()),
            other => (FailureKind::Trap, other.to_string()),
        }
    } else if error.is::<ThrownException>() {
        (FailureKind::Trap, "an exception that nothing caught".to_owned())
    } else {
        (FailureKind::Trap, format!("{error:#}"))
    };
    Failure { kind, callback, message }
}
