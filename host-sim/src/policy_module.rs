//! A policy evaluator in WebAssembly: a module without imports that takes an image and requests and gives answers.
//!
//! It needs no gateway, and so no [`Host`](crate::Host). What goes in and out are bytes; their forms are the module's own.

use std::time::{Duration, Instant};

use wasmtime::{
    Instance, Memory, Store, StoreLimits, StoreLimitsBuilder, TypedFunc, WasmParams, WasmResults,
};

use crate::engine::{EPOCH, Engine};

/// Returned by the module where something went wrong.
const FAULT: u32 = u32::MAX;
/// Bytes of memory a module may use.
const MEMORY: usize = 1 << 30;
/// How long one call may take.
const DEADLINE: Duration = Duration::from_secs(120);

/// Why a policy module has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyModuleError {
    /// It does not compile, or can't be instantiated.
    #[error("the policy module can't be used: {0}")]
    Module(String),
    /// It trapped, took too long, or broke its own rules.
    #[error("the policy module failed: {0}")]
    Trap(String),
    /// It refused what it was given.
    #[error("{0}")]
    Refused(String),
}

/// What the module answers to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyAnswer {
    /// Whether it is allowed.
    pub allow: bool,
    /// The gateway's ruling: 0 forbidden, 1 a `forbid` errored, 2 not permitted, 3 permitted.
    pub ruling: u32,
    /// Indices of the policies that determined this.
    pub determining: Vec<u32>,
    /// Indices of the policies that errored, with the kind of error.
    pub errors: Vec<(u32, u32)>,
}

/// An instance of the module, with the image and the requests that it was given.
pub struct PolicyModule {
    store: Store<StoreLimits>,
    memory: Memory,
    input: TypedFunc<u32, u32>,
    load: TypedFunc<(), u32>,
    request: TypedFunc<(), u32>,
    forget: TypedFunc<(), ()>,
    evaluate: TypedFunc<u32, u32>,
    answer: TypedFunc<(), u32>,
    repeat: TypedFunc<u32, u32>,
    output: TypedFunc<(), u32>,
    output_length: TypedFunc<(), u32>,
}

impl PolicyModule {
    /// Compiles `wasm`, or takes it from the engine's cache, and starts it.
    ///
    /// # Errors
    /// Where it is not such a module.
    pub fn start(engine: &Engine, wasm: &[u8]) -> Result<Self, PolicyModuleError> {
        let unusable = |error: wasmtime::Error| PolicyModuleError::Module(format!("{error:#}"));
        let module = wasmtime::Module::new(engine.wasmtime(), wasm).map_err(unusable)?;
        let limits = StoreLimitsBuilder::new().memory_size(MEMORY).instances(1).memories(1).build();
        let mut store = Store::new(engine.wasmtime(), limits);
        store.limiter(|limits| limits);
        store.set_epoch_deadline(ticks());
        if engine.meters_fuel() {
            store.set_fuel(u64::MAX).map_err(unusable)?;
        }
        let instance = Instance::new(&mut store, &module, &[]).map_err(unusable)?;
        let memory = instance
            .get_memory(&mut store, "memory")
            .ok_or_else(|| PolicyModuleError::Module("expected an export `memory`, found none".into()))?;
        Ok(Self {
            input: export(&instance, &mut store, "input")?,
            load: export(&instance, &mut store, "load")?,
            request: export(&instance, &mut store, "request")?,
            forget: export(&instance, &mut store, "forget")?,
            evaluate: export(&instance, &mut store, "evaluate")?,
            answer: export(&instance, &mut store, "answer")?,
            repeat: export(&instance, &mut store, "repeat")?,
            output: export(&instance, &mut store, "output")?,
            output_length: export(&instance, &mut store, "output_length")?,
            memory,
            store,
        })
    }

    /// Gives it the policy image; it forgets all requests.
    ///
    /// # Errors
    /// Where the image is refused.
    pub fn load(&mut self, image: &[u8]) -> Result<(), PolicyModuleError> {
        self.give(image)?;
        let load = self.load.clone();
        self.call(&load, ()).and_then(|code| self.unless_fault(code)).map(drop)
    }

    /// Gives it a request to keep, and returns the request's number.
    ///
    /// # Errors
    /// Where the request is refused.
    pub fn keep(&mut self, request: &[u8]) -> Result<u32, PolicyModuleError> {
        self.give(request)?;
        let request = self.request.clone();
        self.call(&request, ()).and_then(|code| self.unless_fault(code))
    }

    /// Has it forget the requests that it keeps.
    ///
    /// # Errors
    /// Where it traps.
    pub fn forget(&mut self) -> Result<(), PolicyModuleError> {
        let forget = self.forget.clone();
        self.call(&forget, ())
    }

    /// Its answer to a request that it keeps.
    ///
    /// # Errors
    /// Where there is no image or no such request.
    pub fn evaluate(&mut self, number: u32) -> Result<PolicyAnswer, PolicyModuleError> {
        let evaluate = self.evaluate.clone();
        self.call(&evaluate, number).and_then(|code| self.unless_fault(code))?;
        self.told()
    }

    /// Its answer to `request`.
    ///
    /// # Errors
    /// Where there is no image, or the request is refused.
    pub fn answer(&mut self, request: &[u8]) -> Result<PolicyAnswer, PolicyModuleError> {
        self.give(request)?;
        let answer = self.answer.clone();
        self.call(&answer, ()).and_then(|code| self.unless_fault(code))?;
        self.told()
    }

    /// Has it answer the requests that it keeps in turn, `times` in all: how many were allowed, and how long that took.
    ///
    /// # Errors
    /// Where there is no image or no request.
    pub fn repeat(&mut self, times: u32) -> Result<(u32, Duration), PolicyModuleError> {
        let repeat = self.repeat.clone();
        let since = Instant::now();
        let allowed = self.call(&repeat, times)?;
        let took = since.elapsed();
        Ok((self.unless_fault(allowed)?, took))
    }

    /// Bytes of its memory.
    pub fn memory_bytes(&self) -> usize {
        self.memory.data_size(&self.store)
    }

    fn give(&mut self, bytes: &[u8]) -> Result<(), PolicyModuleError> {
        let too_long = || PolicyModuleError::Refused(format!("{} bytes are more than it takes", bytes.len()));
        let length = u32::try_from(bytes.len()).map_err(|_| too_long())?;
        let input = self.input.clone();
        let at = self.call(&input, length)?;
        if at == 0 {
            return Err(too_long());
        }
        self.memory
            .write(&mut self.store, at as usize, bytes)
            .map_err(|_| PolicyModuleError::Trap("its input lies outside its memory".into()))
    }

    fn call<P: WasmParams, R: WasmResults>(
        &mut self,
        function: &TypedFunc<P, R>,
        parameters: P,
    ) -> Result<R, PolicyModuleError> {
        self.store.set_epoch_deadline(ticks());
        function
            .call(&mut self.store, parameters)
            .map_err(|error| PolicyModuleError::Trap(format!("{:#}", error.root_cause())))
    }

    fn unless_fault(&mut self, code: u32) -> Result<u32, PolicyModuleError> {
        if code != FAULT {
            return Ok(code);
        }
        let said = self.said()?;
        Err(PolicyModuleError::Refused(String::from_utf8_lossy(&said).into_owned()))
    }

    fn said(&mut self) -> Result<Vec<u8>, PolicyModuleError> {
        let (output, length) = (self.output.clone(), self.output_length.clone());
        let at = self.call(&output, ())? as usize;
        let length = self.call(&length, ())? as usize;
        let data = self.memory.data(&self.store);
        let said = at.checked_add(length).and_then(|end| data.get(at..end));
        said.map(<[u8]>::to_vec)
            .ok_or_else(|| PolicyModuleError::Trap("its output lies outside its memory".into()))
    }

    fn told(&mut self) -> Result<PolicyAnswer, PolicyModuleError> {
        let said = self.said()?;
        let (numbers, _) = said.as_chunks::<4>();
        let mut numbers = numbers.iter().map(|number| u32::from_le_bytes(*number));
        let answer = read(&mut numbers);
        answer.ok_or_else(|| PolicyModuleError::Trap("its answer is cut short".into()))
    }
}

fn read(numbers: &mut impl Iterator<Item = u32>) -> Option<PolicyAnswer> {
    let (allow, ruling) = (numbers.next()? == 1, numbers.next()?);
    let mut determining = Vec::new();
    for _ in 0..numbers.next()? {
        determining.push(numbers.next()?);
    }
    let mut errors = Vec::new();
    for _ in 0..numbers.next()? {
        errors.push((numbers.next()?, numbers.next()?));
    }
    Some(PolicyAnswer { allow, ruling, determining, errors })
}

fn export<P: WasmParams, R: WasmResults>(
    instance: &Instance,
    store: &mut Store<StoreLimits>,
    name: &str,
) -> Result<TypedFunc<P, R>, PolicyModuleError> {
    instance
        .get_typed_func(store, &format!("countersign_policy_{name}"))
        .map_err(|error| PolicyModuleError::Module(format!("{error:#}")))
}

/// The deadline, as the engine counts.
fn ticks() -> u64 {
    u64::try_from(DEADLINE.as_millis() / EPOCH.as_millis()).unwrap_or(u64::MAX)
}
