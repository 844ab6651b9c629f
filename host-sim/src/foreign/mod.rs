//! Functions that gateways lend to modules by name.

mod protobuf;
mod verify_signature;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::profile::Profile;
use crate::status::Status;
use crate::vm::ForeignFunction;

pub use verify_signature::verify_signature;

/// How a gateway lends its verification of signatures, `verify_signature`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lending {
    /// As the profile's gateway does.
    #[default]
    AsProfile,
    /// Not at all.
    Absent,
    /// As one that calls every signature good.
    AcceptsAll,
    /// As one that calls every signature bad.
    RefusesAll,
    /// As one that is broken.
    Fails,
    /// As one whose answers cannot be read.
    Garbles,
}

/// The functions that a gateway of this profile lends.
pub(crate) fn lent(profile: Profile, lending: Lending) -> BTreeMap<Vec<u8>, ForeignFunction> {
    let mut functions: BTreeMap<Vec<u8>, ForeignFunction> = BTreeMap::new();
    let verify: Option<ForeignFunction> = match (lending, profile) {
        (Lending::AsProfile, Profile::Envoy) => Some(Arc::new(verify_signature)),
        (Lending::AsProfile, Profile::Spec) | (Lending::Absent, _) => None,
        (Lending::AcceptsAll, _) => Some(Arc::new(|_| Ok(verify_signature::result(Ok(()))))),
        (Lending::RefusesAll, _) => Some(Arc::new(|_| Ok(verify_signature::refusal()))),
        (Lending::Fails, _) => Some(Arc::new(|_| Err(Status::InternalFailure))),
        (Lending::Garbles, _) => Some(Arc::new(|_| Ok(b"\xff\xff".to_vec()))),
    };
    functions.extend(verify.map(|verify| (b"verify_signature".to_vec(), verify)));
    match profile {
        Profile::Envoy => {
            // Routes are not simulated, so there is no cache to clear.
            functions.insert(b"clear_route_cache".to_vec(), Arc::new(|_| Ok(Vec::new())));
        }
        Profile::Spec => {}
    }
    functions
}
