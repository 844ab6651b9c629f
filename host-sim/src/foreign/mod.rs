//! Functions that gateways lend to modules by name.

mod attributes;
mod compress;
mod expression;
mod filter_state;
mod hash;
mod sign;
mod verify_signature;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::profile::Profile;
use crate::status::Status;
use crate::vm::{ForeignFunction, Vm};

pub(crate) use expression::Expressions;
pub(crate) use filter_state::{Declared, Object};
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

/// The functions that a gateway of this profile lends, as far as they need nothing but their argument.
pub(crate) fn lent(profile: Profile, lending: Lending) -> BTreeMap<Vec<u8>, ForeignFunction> {
    let mut functions: BTreeMap<Vec<u8>, ForeignFunction> = BTreeMap::new();
    let lends = profile.foreign_functions().contains(&"verify_signature");
    let verify: Option<ForeignFunction> = match lending {
        Lending::AsProfile if lends => Some(Arc::new(verify_signature)),
        Lending::AsProfile | Lending::Absent => None,
        Lending::AcceptsAll => Some(Arc::new(|_| Ok(verify_signature::result(Ok(()))))),
        Lending::RefusesAll => Some(Arc::new(|_| Ok(verify_signature::refusal()))),
        Lending::Fails => Some(Arc::new(|_| Err(Status::InternalFailure))),
        Lending::Garbles => Some(Arc::new(|_| Ok(b"\xff\xff".to_vec()))),
    };
    functions.extend(verify.map(|verify| (b"verify_signature".to_vec(), verify)));
    functions
}

/// Bytes of a hash function's name, which comes back in what is said of one that is not known.
const HASH_NAME: usize = 256;

/// Refuses a name that no hash function has.
fn hash_name(name: &[u8]) -> Result<(), Status> {
    if name.len() <= HASH_NAME { Ok(()) } else { Err(Status::BadArgument) }
}

/// A function of the gateway's that needs more than its argument: the limits, or the stream it is called in. `None` is no result, where an
/// empty one has memory of its own.
type BuiltIn = fn(&mut Vm, &[u8]) -> Result<Option<Vec<u8>>, Status>;

/// The gateway's own function of a name, where its profile lends it.
pub(crate) fn built_in(profile: Profile, name: &[u8]) -> Option<BuiltIn> {
    if !profile.foreign_functions().iter().any(|lent| lent.as_bytes() == name) {
        return None;
    }
    match name {
        // Routes are not simulated, so there is no cache to clear.
        b"clear_route_cache" => Some(|_, _| Ok(None)),
        b"compress" => Some(compress::compress),
        b"declare_property" => Some(filter_state::declare_property),
        b"expr_create" => Some(expression::create),
        b"expr_delete" => Some(expression::delete),
        b"expr_evaluate" => Some(expression::evaluate),
        b"set_envoy_filter_state" => Some(filter_state::set_envoy_filter_state),
        b"sign" => Some(|_, arguments| sign::sign(arguments).map(Some)),
        b"uncompress" => Some(compress::uncompress),
        _ => None,
    }
}
