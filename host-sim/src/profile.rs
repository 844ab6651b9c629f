//! Where hosts differ, one of them is copied.

/// Which gateway's behaviour is copied where they differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Envoy with proxy-wasm-cpp-host.
    #[default]
    Envoy,
    /// The specification's wording.
    Spec,
}

impl Profile {
    /// Whether `malloc` is tried before `proxy_on_memory_allocate`.
    pub(crate) fn malloc_first(self) -> bool {
        match self {
            Self::Envoy => true,
            Self::Spec => false,
        }
    }

    /// Whether `proxy_on_log` comes before `proxy_on_done`: Envoy writes access logs ahead of destroying its filters.
    pub(crate) fn log_before_done(self) -> bool {
        match self {
            Self::Envoy => true,
            Self::Spec => false,
        }
    }

    /// Whether a call that timed out or could not connect is answered by a made-up response (504, 503), as Envoy's
    /// router does, instead of by nothing.
    pub(crate) fn router_answers_for_failures(self) -> bool {
        match self {
            Self::Envoy => true,
            Self::Spec => false,
        }
    }
}
