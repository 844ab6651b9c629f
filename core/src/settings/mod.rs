//! The configuration, checked as a whole and prepared for the request path.

mod api_keys;
mod degrade;
mod dpop;
mod error;
mod forward;
mod introspection;
mod issuers;
mod keys;
mod mapping;
mod parties;
mod revocation;
mod routes;
mod schema;
mod upstream_tokens;
mod workloads;

pub use degrade::DegradeSettings;
pub use dpop::DpopSettings;
pub use error::ConfigError;
pub use forward::HeaderNames;
pub use issuers::{
    DelegationSettings, IssuerSettings, PrincipalAttribute, PrincipalSettings, PrincipalSource, RoleSettings,
};
pub use keys::KeySettings;
pub use mapping::{IdPart, MappedClaim, Mapping, Source};
pub use routes::{Question, RouteSettings};

use crate::api_key::ApiKeys;
use crate::base64url;
use crate::config::{self, Config, JsonValue};
use crate::crypto::Algorithm;
use crate::introspection::IntrospectionSettings;
use crate::json;
use crate::path::PathOptions;
use crate::policy::{Image, PolicyIndex};
use crate::revocation::Wanted;
use crate::route::Router;
use crate::spiffe::SpiffeId;
use crate::step_up::Demand;
use crate::time::Span;
use crate::upstream_token::UpstreamTokenSettings;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The format version that this release reads.
pub const VERSION: u32 = 1;

const MAX_BOUND_BYTES: u32 = 65_536;
const MAX_CACHE_ENTRIES: u32 = 1_048_576;
const MAX_CACHE_BYTES: u32 = 268_435_456;
const MAX_PENDING_BYTES: u32 = 67_108_864;
const MAX_FAILURE_SECONDS: u32 = 300;

/// Everything that requests are judged by.
pub struct Settings {
    /// Trusted issuers.
    pub issuers: Vec<IssuerSettings>,
    /// What they publish about tokens that they took back.
    pub revocations: Vec<Wanted>,
    /// Every claim that a route maps, each with the type it must have; a verified token keeps them in this order.
    pub claims: Vec<MappedClaim>,
    /// Trust domains of workloads.
    pub trust_domains: Vec<Box<str>>,
    /// The Cedar entity type of a workload.
    pub workload_type: Box<str>,
    /// Proxies whose word about the caller's certificate is taken.
    pub forwarding_peers: Vec<SpiffeId>,
    /// From method and path to a place in `routes`.
    pub router: Router,
    /// Routes.
    pub routes: Vec<RouteSettings>,
    /// The longest that any of them relies on an answer about a token beyond its time.
    pub longest_introspection: Span,
    /// How paths are read.
    pub paths: PathOptions,
    /// Bounds.
    pub limits: LimitSettings,
    /// What a proof of possession must look like.
    pub dpop: DpopSettings,
    /// The cache of verified tokens.
    pub token_cache: config::TokenCache,
    /// How long a refusal is kept.
    pub failure_life: Span,
    /// What goes upstream.
    pub forward: config::Forward,
    /// Tokens for those upstream.
    pub upstream_tokens: Vec<UpstreamTokenSettings>,
    /// API keys, where they are accepted at all.
    pub api_keys: Option<ApiKeys>,
    /// Headers of the client that never go upstream, in lower case.
    pub withheld: Vec<Box<str>>,
    /// The names of the headers that carry it.
    pub header_names: HeaderNames,
    /// How refusals look.
    pub refusal: config::Refusal,
    /// What the audit line holds.
    pub audit: config::Audit,
    /// The policies.
    pub image: Image,
    /// How a user must have logged in for a policy's word to count, by the policy's index (the annotation `@step_up`).
    pub step_ups: BTreeMap<PolicyIndex, Demand>,
    /// The image's digest, as `sha256:` with 64 hex digits.
    pub image_digest: Box<str>,
}

/// Bounds on what a request may cost.
#[derive(Clone, Copy, Debug)]
pub struct LimitSettings {
    /// The largest token, in bytes.
    pub token_bytes: usize,
    /// How many requests may wait for one party at once: for keys, or for answers.
    pub pending_requests: usize,
    /// How many bytes their headers may take.
    pub pending_bytes: usize,
}

impl Settings {
    /// Reads a configuration in JSON.
    pub fn load(bytes: &[u8]) -> Result<Self, ConfigError> {
        let config: Config = json::from_slice(bytes, &json::Limits::CONFIGURATION)?;
        Self::prepare(&config)
    }

    /// Checks a configuration as a whole and prepares it.
    pub fn prepare(config: &Config) -> Result<Self, ConfigError> {
        if config.version != VERSION {
            return Err(ConfigError::at("version", format!("expected {VERSION}, found {}", config.version)));
        }
        let image = image(&config.policy).map_err(|error| error.within("policy"))?;
        let schema = schema::SchemaView::new(&image);
        let (issuers, revocations) = issuers::prepare(&config.issuers, &schema)?;
        let trust_domains = workloads::trust_domains(&config.workload)?;
        let forwarding_peers = workloads::forwarding_peers(&config.workload)?;
        let api_keys = api_keys::prepare(config, &forwarding_peers, &schema)?;
        let workload_type: Box<str> = config.workload.entity_type.0.clone().into();
        let upstream_tokens = upstream_tokens::prepare(config)?;
        let (router, routes, claims) = routes::prepare(config, &schema)?;
        let questions = routes.iter().filter_map(|route| route.question.as_ref());
        let longest_introspection = questions.map(|question| question.degrade.introspection).max();
        let longest_introspection = longest_introspection.unwrap_or_default();
        let asked = issuers.iter().filter(|issuer| issuer.introspection.is_some()).count();
        let asked = asked + upstream_tokens.len() + revocations.len();
        let fetched =
            asked + issuers.iter().filter(|issuer| matches!(issuer.keys, KeySettings::Remote { .. })).count();
        // An equal share for each source: one that is slow does not take the others' places.
        let share = |all: usize| (all / fetched.max(1)).max(1);
        let limits = LimitSettings {
            token_bytes: bounded_usize("limits.token_bytes", config.limits.token_bytes, 64, MAX_BOUND_BYTES)?,
            pending_requests: share(bounded_usize(
                "limits.pending_requests",
                config.limits.pending_requests,
                1,
                MAX_BOUND_BYTES,
            )?),
            pending_bytes: share(bounded_usize(
                "limits.pending_bytes",
                config.limits.pending_bytes,
                1_024,
                MAX_PENDING_BYTES,
            )?),
        };
        bounded_usize("token_cache.bytes", config.token_cache.bytes, 0, MAX_CACHE_BYTES)?;
        bounded_usize("token_cache.entries", config.token_cache.entries, 0, MAX_CACHE_ENTRIES)?;
        bounded_usize(
            "token_cache.failure_entries",
            config.token_cache.failure_entries,
            0,
            MAX_CACHE_ENTRIES,
        )?;
        let failure_life = issuers::bounded(
            "token_cache.failure_seconds",
            config.token_cache.failure_seconds,
            1,
            MAX_FAILURE_SECONDS,
        )?;
        let dpop = dpop::prepare(&config.dpop).map_err(|error| error.within("dpop"))?;
        let step_ups = step_ups(&image)?;
        forward::check(config, &schema)?;
        workloads::trusted_anyone(config, &routes)?;
        refusal(&config.refusal)?;
        let paths = PathOptions {
            max_bytes: bounded_usize("limits.path_bytes", config.limits.path_bytes, 16, MAX_BOUND_BYTES)?,
            allow_encoded_slash: config.paths.allow_encoded_slash,
            allow_semicolon: config.paths.allow_semicolon,
            allow_trailing_slash: config.paths.allow_trailing_slash,
            ..PathOptions::default()
        };
        let image_digest = format!("sha256:{}", hex(image.digest())).into();
        Ok(Self {
            issuers,
            revocations,
            claims,
            trust_domains,
            workload_type,
            forwarding_peers,
            upstream_tokens,
            api_keys,
            withheld: forward::withheld(config),
            router,
            longest_introspection,
            routes,
            paths,
            limits,
            dpop,
            token_cache: config.token_cache.clone(),
            failure_life: Span::from_secs(failure_life),
            header_names: HeaderNames::new(&config.forward),
            forward: config.forward.clone(),
            refusal: config.refusal.clone(),
            audit: config.audit.clone(),
            image,
            step_ups,
            image_digest,
        })
    }

    /// The algorithms that tokens and proofs may be signed with, some of them several times.
    pub fn signature_algorithms(&self) -> impl Iterator<Item = Algorithm> + '_ {
        let issuers = self.issuers.iter().flat_map(|issuer| &issuer.algorithms);
        issuers.chain(&self.dpop.algorithms).copied()
    }

    /// The issuer that is asked about opaque tokens, by its place, and where.
    pub fn introspection(&self) -> Option<(usize, &IntrospectionSettings)> {
        let asked =
            |(index, issuer): (usize, &'_ IssuerSettings)| issuer.introspection.as_ref().map(|_| index);
        let index = self.issuers.iter().enumerate().find_map(asked)?;
        Some((index, self.issuers.get(index)?.introspection.as_ref()?))
    }

    /// The issuer whose `iss` is `name`, with its place.
    pub fn issuer(&self, name: &str) -> Option<(usize, &IssuerSettings)> {
        self.issuers.iter().enumerate().find(|(_, issuer)| *issuer.name == *name)
    }
}

fn image(policy: &config::Policy) -> Result<Image, ConfigError> {
    let Some(text) = &policy.image else {
        let what = if policy.pack.is_some() { "only `pack`, which the filter cannot read" } else { "none" };
        return Err(ConfigError::at(
            "image",
            format!("expected a policy image, found {what}; run `countersign compile` on this file"),
        ));
    };
    let bytes = base64url::decode_standard(text.as_bytes()).map_err(|error| {
        ConfigError::at("image", format!("expected base64, as `countersign compile` writes it: {error}"))
    })?;
    Image::decode(&bytes).map_err(|error| {
        ConfigError::at("image", format!("expected a policy image of this release: {error}"))
    })
}

/// What the annotations `@step_up` demand.
fn step_ups(image: &Image) -> Result<BTreeMap<PolicyIndex, Demand>, ConfigError> {
    let mut demands = BTreeMap::new();
    for (index, policy) in (0..).zip(image.policies()) {
        let Some(text) = policy.annotation("step_up") else { continue };
        let demand = Demand::parse(text).map_err(|expected| {
            ConfigError::at("policy.image", format!("`@step_up` of policy `{}`: {expected}", policy.id()))
        })?;
        demands.insert(index, demand);
    }
    Ok(demands)
}

/// The realm and the type's base go into headers and documents as they are.
fn refusal(refusal: &config::Refusal) -> Result<(), ConfigError> {
    let plain =
        |text: &str| text.bytes().all(|byte| (b' '..0x7f).contains(&byte) && !matches!(byte, b'"' | b'\\'));
    if !plain(&refusal.realm) {
        return Err(ConfigError::at(
            "refusal.realm",
            "expected printable ASCII without quotes and backslashes",
        ));
    }
    if !plain(&refusal.type_base) {
        return Err(ConfigError::at("refusal.type_base", "expected the beginning of a URI"));
    }
    Ok(())
}

fn bounded_usize(field: &str, value: u32, least: u32, most: u32) -> Result<usize, ConfigError> {
    issuers::bounded(field, value, least, most).map(|value| usize::try_from(value).unwrap_or(0))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A value of the configuration as JSON text.
fn json_text(value: &JsonValue) -> String {
    fn write(value: &JsonValue, writer: &mut json::Writer) {
        match value {
            JsonValue::Bool(value) => writer.bool(*value),
            JsonValue::Integer(value) => writer.i64(*value),
            JsonValue::String(text) => writer.str(text),
            JsonValue::Array(items) => {
                writer.array(|writer| items.iter().for_each(|item| write(item, writer)))
            }
            JsonValue::Object(members) => writer.object(|writer| {
                for (name, value) in members {
                    writer.name(name);
                    write(value, writer);
                }
            }),
        };
    }
    let mut writer = json::Writer::with_capacity(1024);
    write(value, &mut writer);
    writer.finish()
}
