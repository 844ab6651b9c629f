//! Setting a host up.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::abi::HostCall;
use crate::clock::Clock;
use crate::error::StartError;
use crate::fail_policy::FailPolicy;
use crate::fault::Faults;
use crate::foreign::{self, Lending};
use crate::grpc::GrpcUpstream;
use crate::host::Host;
use crate::limits::Limits;
use crate::log::LogLevel;
use crate::module::Module;
use crate::profile::Profile;
use crate::property::{Properties, PropertyValue};
use crate::rng::Rng;
use crate::shared::Shared;
use crate::upstream::Upstream;
use crate::vm::{ForeignFunction, Plugin};

/// What a host is to be: the plugin's settings and the world around it.
#[derive(Clone)]
pub struct HostBuilder {
    pub(crate) module: Module,
    pub(crate) name: String,
    pub(crate) root_id: String,
    pub(crate) vm_id: String,
    pub(crate) configuration: Vec<u8>,
    pub(crate) vm_configuration: Vec<u8>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) log_level: LogLevel,
    pub(crate) upstreams: BTreeMap<Vec<u8>, Upstream>,
    pub(crate) grpc_upstreams: BTreeMap<Vec<u8>, GrpcUpstream>,
    pub(crate) properties: Properties,
    pub(crate) foreign: BTreeMap<Vec<u8>, ForeignFunction>,
    pub(crate) lending: Lending,
    pub(crate) profile: Profile,
    pub(crate) headers_stop_alone: bool,
    pub(crate) fail_policy: FailPolicy,
    pub(crate) faults: Faults,
    pub(crate) limits: Limits,
    pub(crate) clock: Clock,
    pub(crate) rng: Rng,
    pub(crate) workers: usize,
    pub(crate) shared: Option<Arc<Shared>>,
    pub(crate) first_worker: usize,
}

impl HostBuilder {
    pub(crate) fn new(module: Module) -> Self {
        Self {
            module,
            name: String::new(),
            root_id: String::new(),
            vm_id: String::new(),
            configuration: Vec::new(),
            vm_configuration: Vec::new(),
            environment: Vec::new(),
            log_level: LogLevel::Info,
            upstreams: BTreeMap::new(),
            grpc_upstreams: BTreeMap::new(),
            properties: Properties::new(),
            foreign: BTreeMap::new(),
            lending: Lending::default(),
            profile: Profile::default(),
            headers_stop_alone: false,
            fail_policy: FailPolicy::default(),
            faults: Faults::default(),
            limits: Limits::default(),
            clock: Clock::at_secs(0),
            rng: Rng::Seeded(0),
            workers: 1,
            shared: None,
            first_worker: 0,
        }
    }

    /// Another module in the same world.
    pub fn module(mut self, module: &Module) -> Self {
        self.module = module.clone();
        self
    }

    /// The plugin's configuration, handed to `proxy_on_configure`.
    pub fn plugin_config(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.configuration = bytes.into();
        self
    }

    /// The VM's configuration, handed to `proxy_on_vm_start`.
    pub fn vm_config(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.vm_configuration = bytes.into();
        self
    }

    /// The properties `plugin_name`, `plugin_root_id` and `plugin_vm_id`.
    pub fn names(mut self, plugin: &str, root_id: &str, vm_id: &str) -> Self {
        self.name = plugin.to_owned();
        self.root_id = root_id.to_owned();
        self.vm_id = vm_id.to_owned();
        self
    }

    /// An environment variable of the guest.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The lowest level that is logged; `Info` unless set.
    pub fn log_level(mut self, level: LogLevel) -> Self {
        self.log_level = level;
        self
    }

    /// The clock that guests see; one that stands at the Unix epoch unless set.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// A clock that stands at this time, in seconds since the Unix epoch, until the host is advanced.
    pub fn clock_at(self, unix_seconds: u64) -> Self {
        self.clock(Clock::at_secs(unix_seconds))
    }

    /// Where the random bytes of guests start from; 0 unless set.
    pub fn seed(mut self, seed: u64) -> Self {
        self.rng = Rng::Seeded(seed);
        self
    }

    /// Random bytes of the system's in place of a seeded sequence.
    pub fn system_randomness(mut self) -> Self {
        self.rng = Rng::system();
        self
    }

    /// A cluster that guests can call, and how it answers.
    pub fn cluster(mut self, name: &str, upstream: Upstream) -> Self {
        self.upstreams.insert(name.as_bytes().to_vec(), upstream);
        self
    }

    /// A cluster of gRPC services, or a target of gRPC's own client, that guests can call, and how it answers.
    pub fn grpc_cluster(mut self, name: &str, upstream: GrpcUpstream) -> Self {
        self.grpc_upstreams.insert(name.as_bytes().to_vec(), upstream);
        self
    }

    /// A property of every stream and of the root context, its path written with dots.
    pub fn property(mut self, path: &str, value: impl Into<PropertyValue>) -> Self {
        self.properties.set(path, value);
        self
    }

    /// A function that guests can call by name, beside those that the profile's gateway lends.
    pub fn foreign_function(mut self, name: &str, function: ForeignFunction) -> Self {
        self.foreign.insert(name.as_bytes().to_vec(), function);
        self
    }

    /// How the gateway lends its verification of signatures; as the profile's does unless set.
    pub fn lending(mut self, lending: Lending) -> Self {
        self.lending = lending;
        self
    }

    /// Which gateway to copy where they differ.
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// Envoy's plugin setting of this name, false unless set: whether a filter that pauses at headers is still offered body
    /// and trailers. The first of them that it lets pass takes the headers along.
    pub fn allow_on_headers_stop_iteration(mut self, allow: bool) -> Self {
        self.headers_stop_alone = allow;
        self
    }

    /// What becomes of the streams of a VM that failed; [`FailPolicy::Closed`] unless set.
    pub fn fail_policy(mut self, policy: FailPolicy) -> Self {
        self.fail_policy = policy;
        self
    }

    /// As [`Host::fail_at`], for every VM from its start on.
    pub fn fail_at(mut self, call: HostCall, status: u32) -> Self {
        self.faults.always(call, status);
        self
    }

    /// As [`Host::fail_nth`], for every VM from its start on.
    pub fn fail_nth(mut self, n: u64, status: u32) -> Self {
        self.faults.nth(n, status);
        self
    }

    /// What a VM may use up.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How many VMs there are, as a gateway has one for each worker thread; 1 unless set.
    pub fn workers(mut self, count: usize) -> Self {
        self.workers = count.max(1);
        self
    }

    /// Puts the host beside another one, as two plugins in one gateway: they share data, queues and metrics. What a guest of the
    /// one puts into a queue of the other's wakes that one's guest at the next step of its host.
    pub fn beside(mut self, other: &Host) -> Self {
        self.shared = Some(Arc::clone(&other.shared));
        self
    }

    /// Starts and configures the VMs.
    ///
    /// # Errors
    /// Where the module traps or refuses its configuration; with the lines it logged.
    pub fn start(self) -> Result<Host, StartError> {
        Host::new(self)
    }

    pub(crate) fn plugin(&self) -> Arc<Plugin> {
        Arc::new(Plugin {
            name: self.name.clone(),
            root_id: self.root_id.clone(),
            vm_id: self.vm_id.clone(),
            first_worker: self.first_worker,
            configuration: self.configuration.clone(),
            vm_configuration: self.vm_configuration.clone(),
            environment: self.environment.clone(),
            log_level: self.log_level,
            clusters: self.upstreams.keys().chain(self.grpc_upstreams.keys()).cloned().collect(),
            properties: self.properties.clone(),
            foreign: foreign::lent(self.profile, self.lending)
                .into_iter()
                .chain(self.foreign.clone())
                .collect(),
            profile: self.profile,
            headers_stop_alone: self.headers_stop_alone,
            fail_policy: self.fail_policy,
            faults: self.faults.clone(),
            limits: Limits {
                memory_bytes: self.limits.memory_bytes.min(self.profile.memory_bytes()),
                ..self.limits.clone()
            },
        })
    }

    /// The random bytes of one worker: its own sequence.
    pub(crate) fn rng(&self, worker: usize) -> Rng {
        match &self.rng {
            Rng::Seeded(seed) => Rng::of_worker(*seed, worker),
            Rng::System(random) => Rng::System(*random),
        }
    }
}
