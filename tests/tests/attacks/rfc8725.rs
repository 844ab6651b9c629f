//! RFC 8725, clause by clause: which attacks and controls show what is done. `docs/rfc8725.md` tells it in words.

use anyhow::{Context as _, Result, ensure};

use crate::catalogue::Catalogue;

/// A clause, and the catalogue's entries that show it.
pub(crate) type Clause = (&'static str, &'static [&'static str]);

/// The threats of section 2, and the practices of section 3.
pub(crate) const CLAUSES: [Clause; 21] = [
    (
        "2.1",
        &[
            "header/alg-none-unsigned",
            "header/alg-none-mixed-case-signed",
            "header/hmac-with-pem",
            "token/signature-missing",
            "signature/es256-zeros",
        ],
    ),
    ("2.2", &["header/hmac-with-kid", "header/alg-hmac-in-the-configuration", "key/oct-with-its-hmac"]),
    ("2.3", &["token/jwe", "token/nested-jwt", "token/nested-jwt-as-json"]),
    ("2.4", &["token/jwe", "token/jwe-direct"]),
    (
        "2.5",
        &["token/jwe", "header/epk-of-the-attacker", "key/ec-alg-for-agreement", "key/ed25519-of-x25519"],
    ),
    (
        "2.6",
        &[
            "token/json-utf-16",
            "token/json-bom",
            "token/json-duplicate-before",
            "token/json-duplicate-by-escape",
            "token/json-escaped-name",
        ],
    ),
    ("2.7", &["claim/aud-others", "claim/aud-missing", "signature/by-our-key-for-another-issuer"]),
    (
        "2.8",
        &[
            "header/id-token",
            "header/typ-logout-token",
            "header/typ-security-event",
            "dpop/proof-signed-by-the-issuer",
            "dpop/token-as-its-own-proof",
        ],
    ),
    (
        "2.9",
        &[
            "header/kid-sql",
            "header/kid-path-traversal",
            "header/jku-of-the-attacker",
            "advisory/CVE-2026-32301-address-of-keys-in-a-claim",
        ],
    ),
    (
        "3.1",
        &[
            "header/alg-es256-by-its-key",
            "header/alg-es384-by-its-key",
            "header/alg-es384-with-a-key-for-es256",
            "header/alg-that-the-configuration-leaves-out",
            "signature/ps256-with-a-key-for-rs256",
        ],
    ),
    (
        "3.2",
        &[
            "signature/es256",
            "signature/ed25519",
            "signature/ps256",
            "header/alg-none-in-the-configuration",
            "header/alg-rsa1-5-signed",
            "signature/rs256-cube-root",
        ],
    ),
    (
        "3.3",
        &[
            "signature/changed-subject",
            "signature/by-a-stranger",
            "token/nested-jwt",
            "dpop/holders-key-and-thiefs-signature",
        ],
    ),
    (
        "3.4",
        &[
            "key/ec-off-the-curve",
            "key/ec-at-infinity",
            "key/ed25519-identity",
            "signature/es256-r-zero",
            "signature/es256-s-is-n",
            "signature/rs256-and-n",
        ],
    ),
    (
        "3.5",
        &[
            "key/rsa-2048",
            "key/rsa-1024",
            "key/rsa-exponent-one",
            "key/inline-secret",
            "dpop/rs256-of-1024-bits",
        ],
    ),
    ("3.6", &["header/zip-deflated-payload", "header/zip-critical"]),
    ("3.7", &["claim/sub-unicode", "token/json-utf-16", "token/json-not-utf-8", "token/json-overlong-utf-8"]),
    (
        "3.8",
        &[
            "claim/iss-missing",
            "claim/iss-slash-behind",
            "signature/by-the-namesake-of-another-issuer",
            "signature/by-a-namesake-for-its-issuer",
            "claim/sub-missing",
            "svid/sub-of-another-domain",
        ],
    ),
    (
        "3.9",
        &[
            "claim/aud-one",
            "claim/aud-last-of-sixty-four",
            "claim/aud-missing",
            "claim/aud-prefix",
            "claim/aud-others",
        ],
    ),
    (
        "3.10",
        &[
            "header/kid-sql",
            "header/kid-shell",
            "header/jku-at-the-issuer-of-the-attacker",
            "header/x5u-of-the-attacker",
            "header/jwk-of-the-attacker",
            "header/keys-brought-along-are-not-looked-at",
        ],
    ),
    (
        "3.11",
        &[
            "header/typ-at-jwt",
            "header/typ-with-its-prefix",
            "header/typ-missing",
            "header/typ-dpop",
            "access-token/typ-jwt",
        ],
    ),
    (
        "3.12",
        &[
            "header/id-token-where-types-are-told",
            "access-token/typ-jwt",
            "svid/typ-of-an-access-token",
            "dpop/typ-of-a-token",
            "dpop/proof-with-the-claims-of-a-token",
        ],
    ),
];

/// What is wrong with the clauses: names that are not in the catalogue, clauses that show no attack.
pub(crate) fn faults(catalogue: &Catalogue) -> Vec<String> {
    let mut faults = Vec::new();
    for (clause, ids) in CLAUSES {
        for id in ids {
            if catalogue.find(id).is_none() {
                faults.push(format!("§{clause}: `{id}` is not in the catalogue"));
            }
        }
        if !ids.iter().any(|id| catalogue.find(id).is_some_and(|entry| entry.attack)) {
            faults.push(format!("§{clause}: no attack shows it"));
        }
    }
    faults
}

/// The clauses that the page tells, with the names in its last column.
pub(crate) fn told() -> Result<Vec<(String, Vec<String>)>> {
    let path = countersign_tests::root().join("docs/rfc8725.md");
    let page = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let mut rows = Vec::new();
    for line in page.lines().filter(|line| line.starts_with("| [")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [clause, _, _, names] = cells.as_slice() else {
            ensure!(false, "expected four cells, found `{line}`");
            continue;
        };
        let clause = clause.trim_start_matches('[').split(']').next().unwrap_or_default();
        let names = names.split(',').map(|name| name.trim().trim_matches('`').to_owned()).collect();
        rows.push((clause.to_owned(), names));
    }
    Ok(rows)
}
