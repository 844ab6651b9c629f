//! Why verdicts differ: every difference is one of these, or a fault.

use super::draft::Place::{self, Claims, Header, Signature, Token};
use super::verdicts::Library;

/// A kind of differences.
#[derive(Debug)]
pub struct Rule {
    /// What it is about.
    pub name: &'static str,
    /// Our reasons for refusing what others accept; empty where we accept what others refuse.
    pub ours: &'static [&'static str],
    /// Whose verdict differs.
    pub theirs: &'static [Library],
    /// What was changed about the token, one of them at least.
    pub changes: &'static [(Place, &'static str)],
    /// Why ours is right.
    pub because: &'static str,
}

impl Rule {
    /// Whether it explains this difference.
    pub(super) fn explains(
        &self,
        library: Library,
        ours: &Result<(), &'static str>,
        changes: &[(Place, &'static str)],
    ) -> bool {
        let verdict = match ours {
            Ok(()) => self.ours.is_empty(),
            Err(reason) => self.ours.contains(reason),
        };
        verdict
            && self.theirs.contains(&library)
            && changes.iter().any(|change| self.changes.contains(change))
    }
}

const ALL: &[Library] = &[Library::JsonWebToken, Library::Jose];
const JSON_WEB_TOKEN: &[Library] = &[Library::JsonWebToken];
const JOSE: &[Library] = &[Library::Jose];

/// What we refuse and others accept, then what we accept and others refuse. The first that fits explains a difference.
pub const RULES: &[Rule] = &[
    Rule {
        name: "a member given twice",
        ours: &["token.malformed"],
        theirs: ALL,
        changes: &[
            (Header, "duplicate"),
            (Header, "duplicate-first-differs"),
            (Header, "duplicate-last-differs"),
            (Claims, "duplicate"),
            (Claims, "duplicate-first-differs"),
            (Claims, "duplicate-last-differs"),
        ],
        because: "names must be unique in headers (RFC 7515 §4), and may be demanded to be in claims (RFC 7519 §4): two readers seldom agree on which one counts",
    },
    Rule {
        name: "spare bits of base64url that are not zero",
        ours: &["token.malformed"],
        theirs: JOSE,
        changes: &[
            (Header, "spare-bits"),
            (Claims, "spare-bits"),
            (Signature, "spare-bits"),
            // The signature's last one.
            (Token, "character"),
        ],
        because: "decoders may refuse them (RFC 4648 §3.5): a token has one spelling",
    },
    Rule {
        name: "white space within or around base64url",
        ours: &["token.malformed"],
        theirs: JOSE,
        changes: &[
            (Header, "white-space-in-base64"),
            (Claims, "white-space-in-base64"),
            (Signature, "white-space-in-base64"),
            (Token, "white-space-around"),
        ],
        because: "there is none (RFC 7515 §2)",
    },
    Rule {
        name: "padding of base64url",
        ours: &["token.malformed"],
        theirs: JOSE,
        changes: &[(Header, "padding"), (Claims, "padding"), (Signature, "padding")],
        because: "it is omitted (RFC 7515 §2)",
    },
    Rule {
        name: "a byte order mark",
        ours: &["token.malformed"],
        theirs: JOSE,
        changes: &[(Header, "byte-order-mark"), (Claims, "byte-order-mark")],
        because: "senders must not add one, and parsers may refuse it (RFC 8259 §8.1)",
    },
    Rule {
        name: "half of a surrogate pair",
        ours: &["token.malformed"],
        theirs: JOSE,
        changes: &[(Claims, "lone-surrogate")],
        because: "it is no character, and readers differ on what to make of it (RFC 8259 §8.2)",
    },
    Rule {
        name: "deep or many values",
        ours: &["token.malformed"],
        theirs: ALL,
        changes: &[(Claims, "nested-deeply"), (Claims, "many-values")],
        because: "depth and number are bounded, as they may be (RFC 8259 §9)",
    },
    Rule {
        name: "`typ` is missing or another",
        ours: &["token.type"],
        theirs: ALL,
        changes: &[(Header, "typ"), (Header, "typ-absent"), (Header, "member-renamed"), (Header, "bit")],
        because: "kinds of tokens are told apart by their explicit type (RFC 8725 §3.11)",
    },
    Rule {
        name: "`typ` or `kid` is no string",
        ours: &["token.malformed"],
        theirs: ALL,
        changes: &[(Header, "typ-of-wrong-type"), (Header, "kid-of-wrong-type")],
        because: "they are strings (RFC 7515 §4.1.4, §4.1.9)",
    },
    Rule {
        name: "`crit`",
        ours: &["token.critical", "token.malformed"],
        theirs: JSON_WEB_TOKEN,
        changes: &[(Header, "crit")],
        because: "what is critical and not understood makes a token invalid, and so does a malformed list (RFC 7515 §4.1.11)",
    },
    Rule {
        name: "`b64`",
        ours: &["token.critical"],
        theirs: ALL,
        changes: &[(Header, "b64"), (Header, "crit")],
        because: "it must be critical (RFC 7797 §6), and unencoded payloads are not for JWTs (§7)",
    },
    Rule {
        name: "a long life",
        ours: &["token.lifetime"],
        theirs: ALL,
        changes: &[
            (Claims, "exp-far"),
            (Claims, "exp-huge"),
            (Claims, "iat-old"),
            (Claims, "iat-huge"),
            (Claims, "bit"),
        ],
        because: "`max_lifetime_seconds` bounds what a stolen token is worth",
    },
    Rule {
        name: "issued in the future",
        ours: &["token.issued_in_future"],
        theirs: ALL,
        changes: &[(Claims, "iat-future"), (Claims, "bit")],
        because: "an issuer whose clock is off, or a token made ahead: its age can't be told (RFC 7519 §4.1.6)",
    },
    Rule {
        name: "a registered claim of another type",
        ours: &["token.claims"],
        theirs: ALL,
        changes: &[
            (Claims, "aud-list-with-no-strings"),
            (Claims, "iat-of-wrong-type"),
            (Claims, "iss-list"),
            (Claims, "registered-claim-of-wrong-type"),
            (Claims, "sub-of-wrong-type"),
        ],
        because: "their types are given (RFC 7519 §4.1, RFC 8693 §4.3, OpenID Connect Core §2)",
    },
    Rule {
        name: "a date beyond the year 9999, or as far in the past",
        ours: &["token.claims"],
        theirs: ALL,
        changes: &[(Claims, "exp-huge"), (Claims, "iat-huge"), (Claims, "nbf-negative")],
        because: "it is a mistake or an attack; RFC 7519 §2 counts seconds of the calendar",
    },
    Rule {
        name: "`cnf` that is malformed or not understood",
        ours: &["binding.unsupported", "token.claims"],
        theirs: ALL,
        changes: &[(Claims, "cnf")],
        because: "it could be what binds the token to its holder, which is demanded here (RFC 7800 §3.1)",
    },
    Rule {
        name: "`act`, with no delegation configured",
        ours: &["delegation.unsupported"],
        theirs: ALL,
        changes: &[(Claims, "act")],
        because: "the caller is not the subject (RFC 8693 §4.1), so that passing over it would confuse them",
    },
    Rule {
        name: "no subject",
        ours: &["token.subject.missing"],
        theirs: ALL,
        changes: &[(Claims, "sub-absent"), (Claims, "bit")],
        because: "policies are asked about a principal",
    },
    Rule {
        name: "accepted: `nbf` before 1970",
        ours: &[],
        theirs: JSON_WEB_TOKEN,
        changes: &[(Claims, "nbf-negative")],
        because: "a NumericDate is a number, of either sign (RFC 7519 §2)",
    },
    Rule {
        name: "accepted: `Ed25519` for `EdDSA`",
        ours: &[],
        theirs: ALL,
        changes: &[(Header, "alg-ed25519")],
        because: "it is the name of the same algorithm that says which curve (RFC 9864 §2.2), as the key does already",
    },
    Rule {
        name: "accepted: a number beyond binary64 in another claim",
        ours: &[],
        theirs: JSON_WEB_TOKEN,
        changes: &[(Claims, "other-claim")],
        because: "the grammar allows it (RFC 8259 §6), and claims that are not understood are ignored (RFC 7519 §4)",
    },
    Rule {
        name: "accepted: `jku`, `jwk`, `x5c`, `x5t` or `x5u` of another type",
        ours: &[],
        theirs: JSON_WEB_TOKEN,
        changes: &[(Header, "key-inside-of-wrong-type")],
        because: "keys never come from a token, so that they are ignored like any member not understood (RFC 7515 §4)",
    },
];
