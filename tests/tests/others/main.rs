//! Beside what others say: Cedar, other token libraries, published vectors.

mod conformance;
mod differential;
mod differential_credentials;
mod vectors_credentials;
mod vectors_revocation;
