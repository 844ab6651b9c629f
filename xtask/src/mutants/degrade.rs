//! Routes that do without, and those that don't.

use super::{DEGRADE, Mutant};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "how long an old word serves",
        file: "core/src/gateway/opaque.rs",
        check: "held.filter(|held| silent && now < held.fresh_until.plus(question.degrade.introspection))",
        without: "held.filter(|_| silent)",
        tests: DEGRADE,
    },
    Mutant {
        name: "an old word only for silence",
        file: "core/src/gateway/opaque.rs",
        check: "let silent = matches!(reason, Reason::SystemIntrospectionUnavailable | Reason::LimitPending);",
        without: "let silent = { let _ = reason; true };",
        tests: DEGRADE,
    },
    Mutant {
        name: "a new word ends the old one",
        file: "core/src/gateway/opaque.rs",
        check: "self.cache.remove(token);\n                    self.strike(",
        without: "self.strike(",
        tests: DEGRADE,
    },
    Mutant {
        name: "fresh words and old ones",
        file: "core/src/gateway/opaque.rs",
        check: "held.as_ref().filter(|held| now < held.fresh_until)",
        without: "held.as_ref()",
        tests: DEGRADE,
    },
    Mutant {
        name: "an old word where there is no room, on strict routes",
        file: "core/src/gateway/opaque.rs",
        check: "return or_old(held, Reason::LimitPending);",
        without: "return held.map(token::by_old_word).ok_or(Refusal::Because(Reason::LimitPending));",
        tests: DEGRADE,
    },
    Mutant {
        name: "old lists on strict routes",
        file: "core/src/gateway/revoked.rs",
        check: "if document.usable_within(longer, now)",
        without: "if { let _ = longer; document.edition() > 0 }",
        tests: DEGRADE,
    },
    Mutant {
        name: "strict routes",
        file: "core/src/settings/degrade.rs",
        check: "(Profile::Strict | Profile::Public, Some(_)) =>",
        without: "(Profile::Strict, Some(degrade)) => degrade,\n        (Profile::Public, Some(_)) =>",
        tests: DEGRADE,
    },
    Mutant {
        name: "live routes",
        file: "core/src/settings/degrade.rs",
        check: "if route.live",
        without: "if false",
        tests: DEGRADE,
    },
];
