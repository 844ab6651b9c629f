//! A module, what it is started with, and the gateway around it.

use super::Property;
use super::message::BytesVisitor;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

/// What a module is started with.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct PluginSpec {
    /// What the plugin is configured by: a text, bytes, a file, or an object that becomes JSON.
    #[serde(default)]
    pub(in crate::scenario) configuration: Option<Text>,
    /// What its VM is configured by, in the same form.
    #[serde(default)]
    pub(in crate::scenario) vm_configuration: Option<Text>,
    /// The property `plugin_name`.
    #[serde(default)]
    pub(in crate::scenario) name: Option<String>,
    /// The property `plugin_root_id`, by which some modules choose among their filters.
    #[serde(default)]
    pub(in crate::scenario) root_id: Option<String>,
    /// The property `plugin_vm_id`.
    #[serde(default)]
    pub(in crate::scenario) vm_id: Option<String>,
    /// Variables of its environment.
    #[serde(default)]
    pub(in crate::scenario) environment: BTreeMap<String, String>,
    /// The lowest level that it logs: `trace`, `debug`, `info`, `warn`, `error` or `critical`; `info` where it is absent.
    #[serde(default)]
    pub(in crate::scenario) log_level: Option<String>,
}

/// The gateway around a module.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct HostSpec {
    /// The gateway to copy where they differ, such as `envoy` or `spec`.
    #[serde(default)]
    pub(in crate::scenario) profile: Option<String>,
    /// How many workers there are, each with a VM of its own; 1 where it is absent.
    #[serde(default)]
    pub(in crate::scenario) workers: Option<usize>,
    /// Where randomness and the file's keys start from; 0 where it is absent.
    #[serde(default)]
    pub(in crate::scenario) seed: Option<u64>,
    /// What becomes of streams whose VM failed: `closed`, `open` or `reload`, as Envoy's `failure_policy`.
    #[serde(default)]
    pub(in crate::scenario) fail_policy: Option<String>,
    /// Envoy's setting of this name.
    #[serde(default)]
    pub(in crate::scenario) allow_on_headers_stop_iteration: Option<bool>,
    /// Properties of every stream and of the root context, by path.
    #[serde(default)]
    pub(in crate::scenario) properties: BTreeMap<String, Option<Property>>,
    /// What a VM may use up.
    #[serde(default)]
    pub(in crate::scenario) limits: LimitsSpec,
}

/// What a VM may use up before the host stops it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct LimitsSpec {
    /// Bytes of linear memory.
    #[serde(default)]
    pub(in crate::scenario) memory_bytes: Option<usize>,
    /// Fuel of one callback.
    #[serde(default)]
    pub(in crate::scenario) callback_fuel: Option<u64>,
    /// Host calls in one callback.
    #[serde(default)]
    pub(in crate::scenario) host_calls: Option<u32>,
    /// Bytes of a header map; a bigger one reads as empty.
    #[serde(default)]
    pub(in crate::scenario) header_bytes: Option<usize>,
    /// Pairs of a header map; more reads as empty.
    #[serde(default)]
    pub(in crate::scenario) header_pairs: Option<usize>,
    /// Bytes of a buffered body.
    #[serde(default)]
    pub(in crate::scenario) body_bytes: Option<usize>,
    /// Bytes of shared data, and of each shared queue.
    #[serde(default)]
    pub(in crate::scenario) shared_bytes: Option<usize>,
    /// HTTP calls under way at once.
    #[serde(default)]
    pub(in crate::scenario) http_calls: Option<usize>,
    /// Streams open at once.
    #[serde(default)]
    pub(in crate::scenario) streams: Option<usize>,
    /// Callbacks that one request, response or `advance` may bring about.
    #[serde(default)]
    pub(in crate::scenario) step_callbacks: Option<u64>,
    /// Their fuel.
    #[serde(default)]
    pub(in crate::scenario) step_fuel: Option<u64>,
    /// Callbacks of a whole case.
    #[serde(default)]
    pub(in crate::scenario) case_callbacks: Option<u64>,
    /// Their fuel.
    #[serde(default)]
    pub(in crate::scenario) case_fuel: Option<u64>,
}

impl PluginSpec {
    /// This, with what `base` has besides.
    pub(in crate::scenario) fn over(self, base: Self) -> Self {
        Self {
            configuration: self.configuration.or(base.configuration),
            vm_configuration: self.vm_configuration.or(base.vm_configuration),
            name: self.name.or(base.name),
            root_id: self.root_id.or(base.root_id),
            vm_id: self.vm_id.or(base.vm_id),
            environment: super::over(self.environment, base.environment),
            log_level: self.log_level.or(base.log_level),
        }
    }

    /// What the plugin is configured by, and its VM; files are relative to `folder`, and an error comes with the field's name.
    pub(in crate::scenario) fn configurations(
        &self,
        folder: &Path,
    ) -> Result<(Vec<u8>, Vec<u8>), (&'static str, String)> {
        let read = |name: &'static str, text: &Option<Text>| {
            let bytes = text.as_ref().map(|text| text.read(folder)).transpose();
            bytes.map(Option::unwrap_or_default).map_err(|message| (name, message))
        };
        Ok((read("configuration", &self.configuration)?, read("vm_configuration", &self.vm_configuration)?))
    }

    /// The properties `plugin_name`, `plugin_root_id` and `plugin_vm_id`; empty where they are absent.
    pub(in crate::scenario) fn names(&self) -> [String; 3] {
        [&self.name, &self.root_id, &self.vm_id].map(|name| name.clone().unwrap_or_default())
    }

    /// Whether it says anything.
    pub(in crate::scenario) fn is_empty(&self) -> bool {
        let Self { configuration, vm_configuration, name, root_id, vm_id, environment, log_level } = self;
        configuration.is_none()
            && vm_configuration.is_none()
            && [name, root_id, vm_id, log_level].into_iter().all(Option::is_none)
            && environment.is_empty()
    }
}

impl HostSpec {
    /// Whether it says anything.
    pub(in crate::scenario) fn is_empty(&self) -> bool {
        let Self { profile, workers, seed, fail_policy, allow_on_headers_stop_iteration, properties, limits } =
            self;
        [profile, fail_policy].into_iter().all(Option::is_none)
            && (workers, seed, allow_on_headers_stop_iteration) == (&None, &None, &None)
            && properties.is_empty()
            && *limits == LimitsSpec::default()
    }

    /// This, with what `base` has besides.
    pub(in crate::scenario) fn over(self, base: Self) -> Self {
        let (ours, theirs) = (self.limits, base.limits);
        Self {
            profile: self.profile.or(base.profile),
            workers: self.workers.or(base.workers),
            seed: self.seed.or(base.seed),
            fail_policy: self.fail_policy.or(base.fail_policy),
            allow_on_headers_stop_iteration: self
                .allow_on_headers_stop_iteration
                .or(base.allow_on_headers_stop_iteration),
            properties: super::over(self.properties, base.properties),
            limits: LimitsSpec {
                memory_bytes: ours.memory_bytes.or(theirs.memory_bytes),
                callback_fuel: ours.callback_fuel.or(theirs.callback_fuel),
                host_calls: ours.host_calls.or(theirs.host_calls),
                header_bytes: ours.header_bytes.or(theirs.header_bytes),
                header_pairs: ours.header_pairs.or(theirs.header_pairs),
                body_bytes: ours.body_bytes.or(theirs.body_bytes),
                shared_bytes: ours.shared_bytes.or(theirs.shared_bytes),
                http_calls: ours.http_calls.or(theirs.http_calls),
                streams: ours.streams.or(theirs.streams),
                step_callbacks: ours.step_callbacks.or(theirs.step_callbacks),
                step_fuel: ours.step_fuel.or(theirs.step_fuel),
                case_callbacks: ours.case_callbacks.or(theirs.case_callbacks),
                case_fuel: ours.case_fuel.or(theirs.case_fuel),
            },
        }
    }
}

/// A text, bytes, `{file: PATH}`, or an object that becomes JSON.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub(in crate::scenario) struct Text(pub(in crate::scenario) Value);

impl Text {
    /// Its file, where it names one.
    pub(in crate::scenario) fn file(&self) -> Option<&str> {
        let members = self.0.as_object().filter(|members| members.len() == 1)?;
        members.get("file")?.as_str()
    }

    /// Makes a file that it names relative to `folder`.
    pub(in crate::scenario) fn within(&mut self, folder: &Path) {
        if let Some(file) = self.file() {
            let path = folder.join(file);
            // What is absolute stays what it is, whatever folder it is looked for in.
            let path = std::path::absolute(&path).unwrap_or(path);
            self.0 = serde_json::json!({ "file": path.display().to_string() });
        }
    }

    /// Its bytes; a file is relative to `folder`.
    pub(in crate::scenario) fn read(&self, folder: &Path) -> Result<Vec<u8>, String> {
        if let Some(file) = self.file() {
            let path = folder.join(file);
            crate::inputs::note(&path);
            return std::fs::read(&path)
                .map_err(|error| format!("expected a readable file `{}`: {error}", path.display()));
        }
        match &self.0 {
            Value::String(text) => Ok(text.clone().into_bytes()),
            Value::Object(members)
                if members.len() == 1 && (members.contains_key("base64") || members.contains_key("hex")) =>
            {
                use serde::Deserializer as _;
                self.0.clone().deserialize_any(BytesVisitor).map_err(|error| error.to_string())
            }
            Value::Null => Ok(Vec::new()),
            other => Ok(other.to_string().into_bytes()),
        }
    }
}

impl JsonSchema for Text {
    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A text, bytes as `{base64: …}` or `{hex: …}`, `{file: PATH}`, or an object that becomes JSON.",
            "type": ["string", "object", "array"],
        })
    }
}
