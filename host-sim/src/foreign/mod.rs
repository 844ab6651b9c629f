//! Functions that gateways lend to modules by name.

mod protobuf;
mod verify_signature;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::profile::Profile;
use crate::vm::ForeignFunction;

/// The functions that a gateway of this profile lends.
pub(crate) fn lent(profile: Profile) -> BTreeMap<Vec<u8>, ForeignFunction> {
    let mut functions: BTreeMap<Vec<u8>, ForeignFunction> = BTreeMap::new();
    match profile {
        Profile::Envoy => {
            functions.insert(b"verify_signature".to_vec(), Arc::new(verify_signature::verify_signature));
            // Routes are not simulated, so there is no cache to clear.
            functions.insert(b"clear_route_cache".to_vec(), Arc::new(|_| Ok(Vec::new())));
        }
        Profile::Spec => {}
    }
    functions
}
