//! Issuers' keys: bundles, discovery, sharing.

use super::{ADVISORIES, BUNDLES, CORE, KEYS, Mutant, WORKERS};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "stale budget for cached tokens",
        file: "core/src/token/verify.rs",
        check: "&& state.keys.get(found.issuer).is_some_and(|keys| keys.usable(now))",
        without: "",
        tests: KEYS,
    },
    Mutant {
        name: "stale budget",
        file: "core/src/keys/mod.rs",
        check: "now < held.fetched.plus(freshness.budget())",
        without: "{ let _ = (held, freshness); true }",
        tests: KEYS,
    },
    Mutant {
        name: "cool-down of unknown kids",
        file: "core/src/keys/mod.rs",
        check: "Missing::Kid => over(self.last_failure, pause) && over(self.last_unknown_kid, freshness.cooldown),",
        without: "Missing::Kid => true,",
        tests: KEYS,
    },
    Mutant {
        name: "one fetch at a time",
        file: "core/src/keys/mod.rs",
        check: "if !matches!(self.fetching, Fetching::Nobody) {\n            return None;\n        }",
        without: "",
        tests: ADVISORIES,
    },
    Mutant {
        name: "the issuer of a discovery document",
        file: "core/src/keys/discovery.rs",
        check: "if text(\"issuer\") != Some(&*self.issuer) {",
        without: "if false {",
        tests: WORKERS,
    },
    Mutant {
        name: "where discovery leads",
        file: "core/src/keys/discovery.rs",
        check: "if allowed { Ok(keys) } else { Err(DiscoveryError::ForeignKeys) }",
        without: "{ let _ = allowed; Ok(keys) }",
        tests: WORKERS,
    },
    Mutant {
        name: "the scheme that discovery leads to",
        file: "core/src/keys/source.rs",
        check: "self.scheme == other.scheme && ",
        without: "",
        tests: WORKERS,
    },
    Mutant {
        name: "discovery documents of other workers",
        file: "core/src/keys/keeper.rs",
        check: "Err(_) => return false,\n                }",
        without: "Err(_) => None,\n                }",
        tests: CORE,
    },
    Mutant {
        name: "older bundles",
        file: "core/src/keys/mod.rs",
        check: "is_some_and(|(new, held)| new < held)",
        without: "is_some_and(|(new, held)| new < held && false)",
        tests: CORE,
    },
    Mutant {
        name: "keys of a bundle for other uses",
        file: "core/src/jose/jwk.rs",
        check: "KeyUse::Signature => text(object, \"use\")?.is_none_or(|purpose| purpose == \"sig\"),",
        without: "KeyUse::Signature => { text(object, \"use\")?; true }",
        tests: BUNDLES,
    },
    Mutant {
        name: "other key sets as bundles",
        file: "core/src/jose/bundle.rs",
        check: "if foreign > 0 && foreign == entries.len() {",
        without: "if false && foreign > 0 {",
        tests: BUNDLES,
    },
    Mutant {
        name: "removed keys at the other workers",
        file: "core/src/gateway.rs",
        check: "News::Keys => self.renewed(issuer),",
        without: "News::Keys => self.wake(issuer),",
        tests: WORKERS,
    },
    Mutant {
        name: "a clock that was set back",
        file: "core/src/gateway.rs",
        check: "if back > Span::ZERO {",
        without: "if false && back > Span::ZERO {",
        tests: WORKERS,
    },
    Mutant {
        name: "leases",
        file: "core/src/keys/board.rs",
        check: "let live = now < self.until && self.until <= now.plus(longest);",
        without: "let live = now < self.until; let _ = longest;",
        tests: CORE,
    },
];
