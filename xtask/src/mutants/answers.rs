//! Checks of what issuers say of opaque tokens.

use super::{Mutant, OPAQUE};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "opaque tokens for signed ones",
        file: "core/src/token/verify.rs",
        check: "&& found.signer.is_some()",
        without: "",
        tests: OPAQUE,
    },
    Mutant {
        name: "refusals of opaque tokens",
        file: "core/src/token/verify.rs",
        check: "if is_signed(token)\n        && let",
        without: "if let",
        tests: OPAQUE,
    },
    Mutant {
        name: "inactive tokens",
        file: "core/src/token/introspected.rs",
        check: "Some(Value::Bool(false)) => return Err(Reason::TokenInactive.into()),",
        without: "Some(Value::Bool(false)) => {}",
        tests: OPAQUE,
    },
    Mutant {
        name: "audience of an answer",
        file: "core/src/token/introspected.rs",
        check: "!issuer.audiences.iter().any(|audience| claims.is_for(audience))",
        without: "false",
        tests: OPAQUE,
    },
    Mutant {
        name: "issuer of an answer",
        file: "core/src/token/introspected.rs",
        check: "claims.issuer.is_some_and(|name| name != &*issuer.name)",
        without: "false",
        tests: OPAQUE,
    },
    Mutant {
        name: "refresh tokens",
        file: "core/src/token/introspected.rs",
        check: "Some(_) | None => return Err(Reason::TokenType.into()),",
        without: "Some(_) | None => {}",
        tests: OPAQUE,
    },
    Mutant {
        name: "answers at an earlier time",
        file: "core/src/token/introspected.rs",
        check: "not_before: not_before.max(now)",
        without: "not_before",
        tests: OPAQUE,
    },
];
