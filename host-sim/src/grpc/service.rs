//! How a guest names the service to call: Envoy's `GrpcService` message, or a cluster's name.

use crate::protobuf::{Value, fields, text};

/// Where a call goes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// A cluster (`envoy_grpc.cluster_name`).
    Cluster(Vec<u8>),
    /// A target that gRPC's own client connects to (`google_grpc.target_uri`).
    Target(Vec<u8>),
    /// A message that names neither.
    None,
}

const ENVOY_GRPC: u64 = 1;
const GOOGLE_GRPC: u64 = 2;

/// Reads a `envoy.config.core.v3.GrpcService`. `None` where it is no such message: Envoy then takes it for a cluster's name.
pub(crate) fn service(bytes: &[u8]) -> Option<Service> {
    let mut found = Service::None;
    for field in fields(bytes)? {
        // Of a `oneof` the last one counts.
        match (field.number, field.value) {
            (ENVOY_GRPC, Value::Bytes(message)) => found = Service::Cluster(first_text(message)?),
            (GOOGLE_GRPC, Value::Bytes(message)) => found = Service::Target(first_text(message)?),
            _ => {}
        }
    }
    Some(found)
}

/// The first field of a message, a text: both messages begin with where to call.
fn first_text(message: &[u8]) -> Option<Vec<u8>> {
    let mut found = "";
    for field in fields(message)? {
        if let (1, Value::Bytes(bytes)) = (field.number, field.value) {
            found = text(bytes)?;
        }
    }
    Some(found.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::{Service, service};

    proptest::proptest! {
        #[test]
        fn any_bytes_are_a_service_or_none(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..60)) {
            if let Some(Service::Cluster(name) | Service::Target(name)) = service(&bytes) {
                proptest::prop_assert!(std::str::from_utf8(&name).is_ok() && name.len() < bytes.len());
            }
        }
    }

    #[test]
    fn a_service_is_a_cluster_or_a_target() {
        assert_eq!(service(b"\x0a\x06\x0a\x04auth"), Some(Service::Cluster(b"auth".to_vec())));
        let timeout = b"\x0a\x06\x0a\x04auth\x1a\x02\x08\x05";
        assert_eq!(service(timeout), Some(Service::Cluster(b"auth".to_vec())));
        assert_eq!(service(b"\x12\x07\x0a\x05[::1]"), Some(Service::Target(b"[::1]".to_vec())));
        assert_eq!(service(b""), Some(Service::None));
        for bad in [&b"grpc-cluster"[..], b"\x0a\x7fshort", b"\x0a\x04\x0a\x02\xff\xfe"] {
            assert_eq!(service(bad), None, "{bad:?}");
        }
    }
}
