//! Signatures, and who verifies them.

use super::{CORE, Mutant};

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "strict Ed25519",
        file: "core/src/crypto/provider.rs",
        check: "key.verify_strict(message, &signature)",
        without: "ed25519_dalek::Verifier::verify(&**key, message, &signature)",
        tests: CORE,
    },
    Mutant {
        name: "RSA signatures below the modulus",
        file: "core/src/crypto/key.rs",
        check: "signature.len() == self.modulus.len() && *signature < *self.modulus",
        without: "signature.len() == self.modulus.len()",
        tests: CORE,
    },
    Mutant {
        name: "salt of PSS",
        file: "core/src/crypto/provider.rs",
        check: "Pss::<Sha256>::new()",
        without: "Pss::<Sha256> { salt_len: None, ..Pss::new() }",
        tests: CORE,
    },
    Mutant {
        name: "the host's known answers",
        file: "core/src/crypto/lent.rs",
        check: "(all_refused && accepts).then_some(",
        without: "{ let _ = (all_refused, accepts); true }.then_some(",
        tests: CORE,
    },
    Mutant {
        name: "the host's known answers, accepted",
        file: "core/src/crypto/lent.rs",
        check: "(all_refused && accepts).then_some(",
        without: "{ let _ = accepts; all_refused }.then_some(",
        tests: CORE,
    },
    Mutant {
        name: "ranges before the host",
        file: "core/src/crypto/lent.rs",
        check: "if !in_range {",
        without: "if false && !in_range {",
        tests: CORE,
    },
    Mutant {
        name: "a host that failed",
        file: "core/src/crypto/lent.rs",
        check: "Err(NoAnswer) => trust.lost.set(true),",
        without: "Err(NoAnswer) => {}",
        tests: CORE,
    },
    Mutant {
        name: "the host's words",
        file: "core/src/crypto/lent.rs",
        check: "Ok(Answer::Bad(words)) if words == trust.mismatch =>",
        without: "Ok(Answer::Bad(_)) if !trust.mismatch.is_empty() =>",
        tests: CORE,
    },
    Mutant {
        name: "ECDSA by table",
        file: "core/src/crypto/fast/comb.rs",
        check: "*r == Scalar::<C>::reduce(&sum.to_affine().x())",
        without: "{ let _ = (r, sum); true }",
        tests: CORE,
    },
    Mutant {
        name: "Ed25519 by table",
        file: "core/src/crypto/fast/edwards.rs",
        check: "expected.compress().as_bytes() == signature.r_bytes()",
        without: "true",
        tests: CORE,
    },
    Mutant {
        name: "Ed25519 by table, R of low order",
        file: "core/src/crypto/fast/edwards.rs",
        check: "!expected.is_small_order() && ",
        without: "",
        tests: CORE,
    },
    Mutant {
        name: "Ed25519 by table, S below the order",
        file: "core/src/crypto/fast/edwards.rs",
        check: "Option::<Scalar>::from(Scalar::from_canonical_bytes(*signature.s_bytes()))",
        without: "Some(Scalar::from_bytes_mod_order(*signature.s_bytes()))",
        tests: CORE,
    },
    Mutant {
        name: "a table belongs to its key",
        file: "core/src/crypto/fast/mod.rs",
        check: "keys.iter_mut().find(|keyed| keyed.key.spki_der() == key.spki_der())",
        without: "keys.iter_mut().find(|keyed| keyed.key.key_type() == key.key_type())",
        tests: CORE,
    },
];
