//! The order in which a type declares its fields; a schema does not keep it.

use countersign_core::config::{
    Actor, ApiKey, ApiKeys, Audit, Config, Degrade, Delegation, DiscoveredKeys, Dpop, Forward, Forwarded,
    Introspection, Issuer, KeyPrincipal, Limits, Paths, Policy, Principal, Refusal, RemoteKeys, Resource,
    Revocation, Roles, Route, StepUp, TokenCache, UpstreamToken, WorkloadTrust,
};
use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// The fields of the type whose schema has this name, in the order of their declaration; nothing for other types.
pub(super) fn fields(schema_name: &str) -> &'static [&'static str] {
    match schema_name {
        "Actor" => declared::<Actor>(),
        "ApiKey" => declared::<ApiKey>(),
        "ApiKeys" => declared::<ApiKeys>(),
        "Audit" => declared::<Audit>(),
        "Config" => declared::<Config>(),
        "Degrade" => declared::<Degrade>(),
        "Delegation" => declared::<Delegation>(),
        "DiscoveredKeys" => declared::<DiscoveredKeys>(),
        "Dpop" => declared::<Dpop>(),
        "Forward" => declared::<Forward>(),
        "Forwarded" => declared::<Forwarded>(),
        "Introspection" => declared::<Introspection>(),
        "Issuer" => declared::<Issuer>(),
        "KeyPrincipal" => declared::<KeyPrincipal>(),
        "Limits" => declared::<Limits>(),
        "Paths" => declared::<Paths>(),
        "Policy" => declared::<Policy>(),
        "Principal" => declared::<Principal>(),
        "Refusal" => declared::<Refusal>(),
        "RemoteKeys" => declared::<RemoteKeys>(),
        "Resource" => declared::<Resource>(),
        "Revocation" => declared::<Revocation>(),
        "Roles" => declared::<Roles>(),
        "Route" => declared::<Route>(),
        "StepUp" => declared::<StepUp>(),
        "TokenCache" => declared::<TokenCache>(),
        "UpstreamToken" => declared::<UpstreamToken>(),
        "WorkloadTrust" => declared::<WorkloadTrust>(),
        _ => &[],
    }
}

/// Asks a type's own reader which fields it looks for.
fn declared<T: for<'de> Deserialize<'de>>() -> &'static [&'static str] {
    let mut fields: &'static [&'static str] = &[];
    _ = T::deserialize(Probe(&mut fields));
    fields
}

struct Probe<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = serde::de::value::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Self::Error> {
        *self.0 = fields;
        Err(Self::Error::custom("only the names of the fields were asked for"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(Self::Error::custom("expected a struct"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
