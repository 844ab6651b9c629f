//! Tokens that were taken back, as requests meet them.

use super::{Mutant, REVOCATION};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "revocation of cached tokens too",
        file: "core/src/exchange/authenticate.rs",
        check: "let beyond = gateway.check_revocation(token, verified.token(), waited, longer, now)?;",
        without: "let _ = waited;\n                let beyond = !verified.cached() && gateway.check_revocation(token, verified.token(), waited, longer, now)?;",
        tests: REVOCATION,
    },
    Mutant {
        name: "statuses",
        file: "core/src/gateway/revoked.rs",
        check: "if let Some(reason) = list.objects_to(status.index)",
        without: "if let Some(reason) = list.objects_to(status.index).filter(|_| false)",
        tests: REVOCATION,
    },
    Mutant {
        name: "the feed",
        file: "core/src/gateway/revoked.rs",
        check: "if feed.revokes(&Identifiers::of(token))",
        without: "if false && feed.revokes(&Identifiers::of(token))",
        tests: REVOCATION,
    },
    Mutant {
        name: "each edition of the feed",
        file: "core/src/gateway/revoked.rs",
        check: "if token.looked_up.get() != feed.edition()",
        without: "if token.looked_up.get() == 0",
        tests: REVOCATION,
    },
    Mutant {
        name: "budget of revocation documents",
        file: "core/src/gateway/revoked.rs",
        check: "document.usable_within(Span::ZERO, now))\n    }",
        without: "{ let _ = now; document.edition() > 0 })\n    }",
        tests: REVOCATION,
    },
    Mutant {
        name: "end of revocation documents",
        file: "core/src/revocation/document.rs",
        check: "self.expires.is_none_or(|expires| now < expires.plus(longer))",
        without: "true",
        tests: REVOCATION,
    },
    Mutant {
        name: "older status lists",
        file: "core/src/revocation/document.rs",
        check: "held_list.is_some_and(|held| list.issued() < held)",
        without: "held_list.is_none() && false",
        tests: REVOCATION,
    },
    Mutant {
        name: "suspension",
        file: "core/src/revocation/document.rs",
        check: "Some(Reason::RevocationSuspended)",
        without: "None",
        tests: REVOCATION,
    },
    Mutant {
        name: "other statuses",
        file: "core/src/revocation/document.rs",
        check: "Some(Status::Other(_)) | None => Some(Reason::RevocationStatusUnknown)",
        without: "Some(Status::Other(_)) | None => None",
        tests: REVOCATION,
    },
    Mutant {
        name: "statuses that are demanded",
        file: "core/src/token/assemble.rs",
        check: "let demanded = revocation.status_required && is_signed;",
        without: "let demanded = false && is_signed;",
        tests: REVOCATION,
    },
    Mutant {
        name: "lists that are configured",
        file: "core/src/token/assemble.rs",
        check: "settings.revocations.get(*list).is_some_and(|wanted| wanted.uri == reference.uri)",
        without: "{ let _ = list; true }",
        tests: REVOCATION,
    },
    Mutant {
        name: "statuses that can be read",
        file: "core/src/token/assemble.rs",
        check: "reference.map_err(|_| Reason::RevocationStatusMalformed)?.flatten()",
        without: "reference.ok().flatten().flatten()",
        tests: REVOCATION,
    },
    Mutant {
        name: "refusals by revocation are not for ever",
        file: "core/src/gateway/revoked.rs",
        check: "self.failures.retain(|failure| failure.issuer != wanted.issuer);",
        without: "let _ = wanted;",
        tests: REVOCATION,
    },
];
