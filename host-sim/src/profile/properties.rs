//! Which properties hosts have, and how they write them.

use super::Profile;

/// How a host that writes text writes a value.
#[derive(Clone, Copy)]
enum Shape {
    Text,
    Bool,
    Number,
    /// Nanoseconds, written as seconds with milliseconds.
    Seconds,
    /// An address, written without its port.
    Host,
}

/// What `ngx_wasm_module` maps to nginx's variables, and how.
const KONG: &[(&str, Shape)] = &[
    ("request.path", Shape::Text),
    ("request.url_path", Shape::Text),
    ("request.host", Shape::Text),
    ("request.scheme", Shape::Text),
    ("request.method", Shape::Text),
    ("request.useragent", Shape::Text),
    ("request.protocol", Shape::Text),
    ("request.query", Shape::Text),
    ("request.id", Shape::Text),
    ("request.referer", Shape::Text),
    ("request.time", Shape::Seconds),
    ("request.duration", Shape::Seconds),
    ("request.size", Shape::Number),
    ("request.total_size", Shape::Number),
    ("request.headers.*", Shape::Text),
    ("response.code", Shape::Number),
    ("response.size", Shape::Number),
    ("response.total_size", Shape::Number),
    ("response.headers.*", Shape::Text),
    ("upstream.address", Shape::Host),
    ("upstream.port", Shape::Number),
    ("destination.address", Shape::Host),
    ("destination.port", Shape::Number),
    ("connection.requested_server_name", Shape::Text),
    ("connection.tls_version", Shape::Text),
    ("connection.subject_local_certificate", Shape::Text),
    ("connection.id", Shape::Number),
    ("connection.mtls", Shape::Bool),
    ("source.address", Shape::Host),
    ("source.port", Shape::Number),
    ("plugin_name", Shape::Text),
    ("plugin_root_id", Shape::Text),
    ("wasmx.*", Shape::Text),
    ("ngx.*", Shape::Text),
];

/// Those paths, for people.
const KONG_PATHS: &[&str] = &{
    let mut paths = [""; KONG.len()];
    let mut at = 0;
    while at < KONG.len() {
        paths[at] = KONG[at].0;
        at += 1;
    }
    paths
};

/// What Google's page on attributes lists for plugins and the simulator derives. Others are there where the extension forwards
/// them: in the simulator, where a test gives them.
const GCP_PATHS: &[&str] =
    &["request.method", "request.host", "request.path", "request.query", "request.scheme"];

pub(super) fn listed(profile: Profile) -> Option<&'static [&'static str]> {
    match profile {
        Profile::Envoy | Profile::Spec => None,
        Profile::Gcp => Some(GCP_PATHS),
        Profile::Kong => Some(KONG_PATHS),
    }
}

impl Profile {
    /// Whether the host has a property, its path as guests write it; `given` says that a test set it.
    pub(crate) fn offers(self, path: &[u8], given: bool) -> bool {
        match self {
            Self::Envoy | Self::Spec => true,
            Self::Gcp => given || GCP_PATHS.iter().any(|listed| is(listed, path)),
            Self::Kong => KONG_PATHS.iter().any(|listed| is(listed, path)),
        }
    }

    /// Whether a guest may set a property.
    pub(crate) fn lets_set(self, path: &[u8]) -> bool {
        self != Self::Kong || ["wasmx.*", "ngx.*"].iter().any(|prefix| is(prefix, path))
    }

    /// Whether what a guest sets may have a path of several parts.
    pub(crate) fn keeps_paths(self) -> bool {
        self == Self::Kong
    }

    /// Writes a value as the host does, where that is not as Envoy does.
    pub(crate) fn reshape(self, path: &[u8], value: &mut Vec<u8>) {
        if self != Self::Kong {
            return;
        }
        let shape = KONG.iter().find(|(listed, _)| is(listed, path)).map_or(Shape::Text, |(_, shape)| *shape);
        let number = <[u8; 8]>::try_from(value.as_slice()).map(i64::from_le_bytes);
        let text = match (shape, number) {
            (Shape::Bool, _) if value.len() == 1 => (value.as_slice() != [0]).to_string(),
            (Shape::Number, Ok(number)) => number.to_string(),
            (Shape::Seconds, Ok(nanos)) => {
                let millis = nanos / 1_000_000;
                format!("{}.{:03}", millis / 1000, millis % 1000)
            }
            (Shape::Host, _) => match value.iter().rposition(|b| *b == b':') {
                Some(port) => return value.truncate(port),
                None => return,
            },
            _ => return,
        };
        *value = text.into_bytes();
    }
}

/// Whether a path, its parts separated by zero bytes, is the listed one, its parts separated by dots; `*` stands for the rest.
fn is(listed: &str, path: &[u8]) -> bool {
    if let Some(prefix) = listed.strip_suffix('*') {
        let same = |(l, p): (u8, &u8)| l == *p || (l == b'.' && *p == 0);
        return path.len() > prefix.len() && prefix.bytes().zip(path).all(same);
    }
    listed.len() == path.len() && listed.bytes().zip(path).all(|(l, p)| l == *p || (l == b'.' && *p == 0))
}
