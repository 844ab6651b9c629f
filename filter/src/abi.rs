//! The numbers of the proxy-wasm ABI that the filter uses. A test holds them against the official SDK's.

/// Log levels of the ABI that the filter uses.
#[derive(Clone, Copy)]
pub(crate) enum Level {
    /// Audit lines.
    Info = 2,
    /// Something to look into.
    Warn = 3,
    /// A configuration that is refused.
    Error = 4,
    /// A fault of ours.
    Critical = 5,
}

/// Kinds of metrics of the ABI.
#[derive(Clone, Copy)]
pub(crate) enum MetricKind {
    /// Only grows.
    Counter = 0,
    /// Goes up and down.
    Gauge = 1,
    /// A distribution.
    Histogram = 2,
}

/// Header map of the request (`proxy_header_map_type_t`).
pub(crate) const REQUEST_HEADERS: u32 = 0;
/// Header map of the request's trailers.
pub(crate) const REQUEST_TRAILERS: u32 = 1;
/// Buffer of the configuration (`proxy_buffer_type_t`).
pub(crate) const PLUGIN_CONFIGURATION: u32 = 7;
/// Header map of an answer to a call.
pub(crate) const HTTP_CALL_RESPONSE_HEADERS: u32 = 6;
/// Buffer of an answer to a call.
pub(crate) const HTTP_CALL_RESPONSE_BODY: u32 = 4;
/// The request's way (`proxy_stream_type_t`).
pub(crate) const REQUEST_STREAM: u32 = 0;
/// The client's connection.
pub(crate) const DOWNSTREAM: u32 = 2;
/// Status: there is none.
pub(crate) const NOT_FOUND: u32 = 1;

/// Status: another worker wrote first.
pub(crate) const CAS_MISMATCH: u32 = 8;

/// What the host is to do with a part of a request (proxy-wasm ABI, `proxy_action_t`).
#[derive(Clone, Copy)]
pub(crate) enum Action {
    /// Let it pass.
    Continue = 0,
    /// Keep it.
    Pause = 1,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proxy_wasm::types;

    #[test]
    fn the_numbers_are_those_of_the_sdk() {
        for (ours, theirs) in [
            (Level::Info as u32, types::LogLevel::Info as u32),
            (Level::Warn as u32, types::LogLevel::Warn as u32),
            (Level::Error as u32, types::LogLevel::Error as u32),
            (Level::Critical as u32, types::LogLevel::Critical as u32),
            (MetricKind::Counter as u32, types::MetricType::Counter as u32),
            (MetricKind::Gauge as u32, types::MetricType::Gauge as u32),
            (MetricKind::Histogram as u32, types::MetricType::Histogram as u32),
            (REQUEST_HEADERS, types::MapType::HttpRequestHeaders as u32),
            (REQUEST_TRAILERS, types::MapType::HttpRequestTrailers as u32),
            (HTTP_CALL_RESPONSE_HEADERS, types::MapType::HttpCallResponseHeaders as u32),
            (HTTP_CALL_RESPONSE_BODY, types::BufferType::HttpCallResponseBody as u32),
            (PLUGIN_CONFIGURATION, types::BufferType::PluginConfiguration as u32),
            (REQUEST_STREAM, types::StreamType::HttpRequest as u32),
            (DOWNSTREAM, types::StreamType::Downstream as u32),
            (NOT_FOUND, types::Status::NotFound as u32),
            (CAS_MISMATCH, types::Status::CasMismatch as u32),
            (Action::Continue as u32, types::Action::Continue as u32),
            (Action::Pause as u32, types::Action::Pause as u32),
        ] {
            assert_eq!(ours, theirs);
        }
    }
}
