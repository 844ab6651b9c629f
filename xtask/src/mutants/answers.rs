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
    Mutant {
        name: "live answers of opaque tokens",
        file: "core/src/gateway/opaque.rs",
        check: "if !live\n            && let Some(found)",
        without: "if let Some(found)",
        tests: OPAQUE,
    },
    Mutant {
        name: "live answers of signed tokens",
        file: "core/src/exchange/authenticate.rs",
        check: "Ok(verified) if question.live =>",
        without: "Ok(verified) if question.live && false =>",
        tests: OPAQUE,
    },
    Mutant {
        name: "live answer of another subject",
        file: "core/src/gateway/opaque.rs",
        check: "verified.token().subject.as_deref() != Some(&*other)",
        without: "false",
        tests: OPAQUE,
    },
    Mutant {
        name: "live answers are not kept",
        file: "core/src/gateway/opaque.rs",
        check: "const LIVE: &[u8] = &[1];",
        without: "const LIVE: &[u8] = &[];",
        tests: OPAQUE,
    },
];
