use super::known_answers::{MESSAGE, known_answer};
use super::*;
use crate::base64url;
use alloc::vec::Vec;

/// The generator of P-256.
const GX: [u8; 32] = hex(b"6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296");
const GY: [u8; 32] = hex(b"4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5");
/// The order of P-256.
const N: [u8; 32] = hex(b"ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
/// The prime of P-256.
const P: [u8; 32] = hex(b"ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");

const fn hex(text: &[u8; 64]) -> [u8; 32] {
    const fn digit(byte: u8) -> u8 {
        if byte <= b'9' { byte - b'0' } else { byte - b'a' + 10 }
    }
    let mut out = [0; 32];
    let mut i = 0;
    while i < 32 {
        out[i] = digit(text[2 * i]) << 4 | digit(text[2 * i + 1]);
        i += 1;
    }
    out
}

#[test]
fn names() {
    for algorithm in Algorithm::ALL {
        assert_eq!(Algorithm::from_name(algorithm.name()), Some(algorithm));
    }
    for name in ["none", "HS256", "HS384", "HS512", "ES256K", "ES521", "es256", "RS1", ""] {
        assert_eq!(Algorithm::from_name(name), None, "{name}");
    }
    assert!(Algorithm::names().starts_with("`ES256`, `ES384`"));
    assert!(Algorithm::names().ends_with("`RS384` or `RS512`"));
    for (index, algorithm) in Algorithm::ALL.into_iter().enumerate() {
        assert_eq!(algorithm.index(), index);
    }
}

/// CVE-2022-21449: r and s are held within [1, n-1] before anything is computed with them.
#[test]
fn ecdsa_ranges() {
    let key = PublicKey::p256(&GX, &GY).unwrap();
    let one = {
        let mut one = [0; 32];
        one[31] = 1;
        one
    };
    let below_n = {
        let mut n = N;
        n[31] -= 1;
        n
    };
    let verify =
        |r: &[u8; 32], s: &[u8; 32]| Software.verify(&key, Algorithm::Es256, b"message", &[*r, *s].concat());
    for (r, s) in [
        (&[0; 32], &[0; 32]),
        (&[0; 32], &one),
        (&one, &[0; 32]),
        (&N, &one),
        (&one, &N),
        (&[0xff; 32], &one),
        (&one, &[0xff; 32]),
    ] {
        assert_eq!(verify(r, s), Err(SignatureError::Malformed), "{r:?} {s:?}");
    }
    for (r, s) in [(&one, &one), (&below_n, &below_n)] {
        assert_eq!(verify(r, s), Err(SignatureError::Mismatch));
    }
}

/// The orders of P-384 and P-521: of the two, P-521's has spare bits at the top, which must be zero.
#[test]
fn ecdsa_ranges_of_larger_curves() {
    const N384: &str =
        "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973";
    const N521: &str = "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409";
    let bytes = |text: &str| -> Vec<u8> {
        text.as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    };
    for (algorithm, order) in [(Algorithm::Es384, bytes(N384)), (Algorithm::Es512, bytes(N521))] {
        let known = known_answer(algorithm).unwrap().unwrap();
        let size = order.len();
        let number = |last: u8| [alloc::vec![0; size - 1], alloc::vec![last]].concat();
        let mut below = order.clone();
        below[size - 1] -= 1;
        let high = alloc::vec![0xff; size];
        let verify = |r: &[u8], s: &[u8]| Software.verify(&known.key, algorithm, MESSAGE, &[r, s].concat());
        for bad in [&number(0), &order, &high] {
            assert_eq!(verify(bad, &number(1)), Err(SignatureError::Malformed), "{algorithm} {bad:?}");
            assert_eq!(verify(&number(1), bad), Err(SignatureError::Malformed), "{algorithm} {bad:?}");
        }
        assert_eq!(verify(&number(1), &number(1)), Err(SignatureError::Mismatch));
        assert_eq!(verify(&below, &below), Err(SignatureError::Mismatch));
        // A byte less or more on either side is another length, though the number be the same.
        let (r, s) = known.signature.split_at(size);
        assert_eq!(verify(r, s), Ok(()));
        assert_eq!(verify(&[&[0], r].concat(), &[&[0], s].concat()), Err(SignatureError::Malformed));
        assert_eq!(verify(&r[1..], &s[1..]), Err(SignatureError::Malformed));
    }
}

#[test]
fn known_answers() {
    for algorithm in Algorithm::ALL {
        let Some(known) = known_answer(algorithm).unwrap() else { continue };
        let verify =
            |key, message: &[u8], signature: &[u8]| Software.verify(key, algorithm, message, signature);
        assert_eq!(verify(&known.key, MESSAGE, &known.signature), Ok(()), "{algorithm}");
        assert_eq!(
            verify(&known.other, MESSAGE, &known.signature),
            Err(SignatureError::Mismatch),
            "{algorithm}"
        );
        assert_eq!(
            verify(&known.key, b"test", &known.signature),
            Err(SignatureError::Mismatch),
            "{algorithm}"
        );
        for at in (0..known.signature.len()).step_by(5) {
            let mut signature = known.signature.clone();
            signature[at] ^= 1 << (at % 8);
            assert!(verify(&known.key, MESSAGE, &signature).is_err(), "{algorithm} {at}");
        }
        for others in Algorithm::ALL.into_iter().filter(|other| *other != algorithm) {
            assert!(Software.verify(&known.key, others, MESSAGE, &known.signature).is_err(), "{others}");
        }
    }
}

/// RFC 7518 §3.5: the salt is as long as the digest, and MGF1's hash is the same.
#[test]
fn pss() {
    const PS256: &str = "IiPojX_1WUz-eZFCSuojGlWW_3c_TCCBGi6XsbgC6WjjWQL27kL5EKhWEIIbuEI3uiO9oNJZX_FB80xHbLEYVwlm4Y02HY1vxrYTg_fiWn6Y1QDINtWcYiFGO2HdSxRwSzsCPeRI0uK-m84rM9BfTVSacVy11RZmt0B7GKPsFCCptwczjnZk-c3StnHUME7D7jji5PqIzuvBFEFFFfMfVQSr2xHQnVLmKKDg67xKLWmAv9J5GuNNGW_B_wStRweEpmjmGTZuHiTz8ZCK6zsIY82bM_LBZltUWmXhbsNoQWNUbXSd4cCbHSemUP2Qno2X6N7WDNwgKmQzy5DITuCRUg";
    const PS384: &str = "dA2CgcLSyXJ19TIN8y9HzlbAVHzxnapGJHBQXeJ-SLM7_49abP5W_r2NQGxV6UdfooHQ7nnuSNQ__gtXS9c30HsG4XMoWqe-lZPrcAo7B4RTsVKRIEQkDNS0s0bCGNeW9BR9SHfrfyiIxYh8iNdC4pL5wMl763ZduUKGr3lUoL48tig2XhVa0R3eoa7v2lz8idYoubIVpAfQ5eaST06zOWCxATxMMS-4O5LeqYc3mYkk0RJW3Y8MULZTJLmMcNrvaSJDHbNZtpn_WFge64GCQV3rxp0EgaQZolr47WLigAVSta9vS1L3DhyDfRHEVyFhNg9K7Sy5RuzyXrBaqd9lqA";
    const PS512: &str = "iioDjqBIMYexbGA_cdw1_yRAMAlOxnhAMMfjBdgBDrFbHirdn2xbg2-V8isnByjfygGfxoRzY_rraz6oEdol7vFvACxmzZxKAccg0lX9lSzWjLq9dD613JgtshCMHGujtr08lSZWkd6HaJsveLowG1zm-7sf5T4aZY2j-iBv9B2-v5orQiasQUltZTSvBLXrduUYM3MVr6H0RMV_k-7d9q8EMzkb8dWNZsx-q_5LgNppgQ-BnV2s_rxTXSJDp9_lTwNI5ypccUw-hD02NXOwgdbtrXt2cgG_Av5HoL-vUjxrZdTlfg9lI8PVopIe1xl4KHWBTwn-Mvs80xVrAIrveg";
    const PS256_SALT0: &str = "WBYYebAHFhSGNrEIn5x86j3HlKBYTRq5gB2Hvhtf1CFri-ZzO64DHAgLOHIRkoYCIQcP2WHU0wwHdMcZL9vCMqmcNLhcvdvZdq00el-pXw3caqaIrdwEqfznC1y-SOqvF6rMV7aKA5ZgoJwW8eqDcDoRTtndCo0cCm7CQsteXWO15PMIsSpYaM660apZo36A5dfZ4mTqVIOCO4xgpuqJ33IWh3F0kg7c7VZYxTtlOb1ZlfRZ9c9y3PjKVpVg4iwXwTjDP8sNXCnfZPqXW3geUAONREUeSCUDfrKLKfxMvswBJGZANtMp3lcqbHHbNxFQFBrjnKfhvbwexnzi8K4JaQ";
    const PS256_MGF512: &str = "Mm2ilh4b-x51neDMoZh8fTfFmMInaCOdixMlncRCb4sBIrq5GlrqP6E_oqwi2XYO2Mqy0AcpP6_cS_bEhA7l5pK8jBz63rLxrbDVtit0baz6hFiPxQUs1m1SpRx2vO3Pe4XqExkeiMPSHrZd8wbZApiG9DbtHcGbA6sx5jbqOLzRivewvVrLqHEy7F2pmvCr-wBbOl4zEMDsX-y7HbK6XHQRNa_d40BXrUb1wEfkoPQLLd8_xCifG3WLvhg0Wy5RbpSEHH6RhnWlnNKpFx4wROxlF15CFVYJPK55PmllRJAAPt6EaXST0BwfK_lPUie1wFwbbeWC4IPfsCNL4NcRTg";
    let key = known_answer(Algorithm::Rs256).unwrap().unwrap().key;
    let verify = |algorithm, text: &str| {
        Software.verify(&key, algorithm, MESSAGE, &base64url::decode(text.as_bytes()).unwrap())
    };
    for (algorithm, good) in [(Algorithm::Ps256, PS256), (Algorithm::Ps384, PS384), (Algorithm::Ps512, PS512)]
    {
        assert_eq!(verify(algorithm, good), Ok(()), "{algorithm}");
        for other in Algorithm::ALL.into_iter().filter(|other| *other != algorithm) {
            assert!(verify(other, good).is_err(), "{other} for {algorithm}");
        }
    }
    assert_eq!(verify(Algorithm::Ps256, PS256_SALT0), Err(SignatureError::Mismatch));
    assert_eq!(verify(Algorithm::Ps256, PS256_MGF512), Err(SignatureError::Mismatch));
}

/// A signature is a number below the modulus: the same plus the modulus verifies by the equation, and is refused.
#[test]
fn rsa_representatives() {
    let known = known_answer(Algorithm::Rs256).unwrap().unwrap();
    let spki = known.key.spki_der();
    let modulus = &spki[spki.len() - 5 - 256..spki.len() - 5];
    for algorithm in
        [Algorithm::Rs256, Algorithm::Rs384, Algorithm::Rs512, Algorithm::Ps256, Algorithm::Ps512]
    {
        let verify = |signature: &[u8]| Software.verify(&known.key, algorithm, MESSAGE, signature);
        for bad in [modulus, &[0xff; 256], &[], &known.signature[1..], &[&[0], &known.signature[..]].concat()]
        {
            assert_eq!(verify(bad), Err(SignatureError::Malformed), "{algorithm} {}", bad.len());
        }
        for bad in [&[0; 256][..], &[&[0; 255][..], &[1]].concat()] {
            assert_eq!(verify(bad), Err(SignatureError::Mismatch), "{algorithm}");
        }
    }
}

#[test]
fn p256_points() {
    assert!(PublicKey::p256(&GX, &GY).is_ok());
    assert!(PublicKey::p256(&[0; 32], &[0; 32]).is_err());
    assert!(PublicKey::p256(&P, &GY).is_err());
    assert!(PublicKey::p256(&GX, &P).is_err());
    assert!(PublicKey::p256(&GY, &GX).is_err());
    assert!(PublicKey::p256(&[0xff; 32], &[0xff; 32]).is_err());
}

#[test]
fn ed25519_points() {
    /// y of the eight points of low order, and the spellings of them that aren't canonical.
    const LOW: [&[u8; 64]; 8] = [
        b"0100000000000000000000000000000000000000000000000000000000000000",
        b"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        b"0000000000000000000000000000000000000000000000000000000000000000",
        b"0000000000000000000000000000000000000000000000000000000000000080",
        b"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        b"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        b"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        b"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    ];
    for text in LOW {
        assert_eq!(PublicKey::ed25519(&hex(text)).unwrap_err(), KeyError::LowOrder, "{text:?}");
    }
    for text in [
        b"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        b"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        b"0100000000000000000000000000000000000000000000000000000000000080",
    ] {
        assert!(PublicKey::ed25519(&hex(text)).is_err(), "{text:?}");
    }
    // y = 2 belongs to no point.
    let mut two = [0; 32];
    two[0] = 2;
    assert_eq!(PublicKey::ed25519(&two).unwrap_err(), KeyError::NotOnCurve);
    // y = p + 3 is y = 3 in disguise, which is a point of full order.
    let mut three = [0; 32];
    three[0] = 3;
    assert!(PublicKey::ed25519(&three).is_ok());
    let mut disguised = [0xff; 32];
    disguised[0] = 0xf0;
    disguised[31] = 0x7f;
    assert_eq!(PublicKey::ed25519(&disguised).unwrap_err(), KeyError::NotCanonical);
}

/// A signature whose R is the neutral element satisfies the equation, yet holds no commitment; one whose S is raised by
/// the group's order is a second spelling. Both are refused (RFC 8032 §5.1.7), where the honest one passes.
#[test]
fn ed25519_is_strict() {
    let key = hex(b"385250fde0a9d18ba5912b58e4e9938b5c421125259a054b6e7c6d008c48e82a");
    let key = PublicKey::ed25519(&key).unwrap();
    let verify = |r: &[u8; 64], s: &[u8; 64]| {
        Software.verify(&key, Algorithm::EdDsa, b"message", &[hex(r), hex(s)].concat())
    };
    let honest = b"7767a3242dc9b58bbc68488c1265cc6cc5f26c6f3c88a5d55e901b0734dca572";
    let neutral = b"0100000000000000000000000000000000000000000000000000000000000000";
    assert_eq!(verify(honest, b"5a68fe754dc007457b6975f0cbedb43d6020e3767753dcd235bc09a953424307"), Ok(()));
    for (r, s) in [
        (honest, b"473cf4d267231a9d51066d93aae793526020e3767753dcd235bc09a953424317"),
        (neutral, b"89c15d47025773127aaae5ca7f3775b9071d71166eea0c720b2feacc6bfe8407"),
    ] {
        assert_eq!(verify(r, s), Err(SignatureError::Mismatch));
    }
}

#[test]
fn rsa_sizes() {
    let modulus = |bits: usize| {
        let mut n = alloc::vec![0u8; bits.div_ceil(8)];
        n[0] = 1 << ((bits - 1) % 8);
        *n.last_mut().unwrap() |= 1;
        n
    };
    let rsa = |n: &[u8], e: &[u8]| PublicKey::rsa(n, e).err();
    assert_eq!(rsa(&modulus(2048), &[1, 0, 1]), None);
    assert_eq!(rsa(&modulus(2049), &[1, 0, 1]), None);
    assert_eq!(rsa(&modulus(4096), &[3]), None);
    assert_eq!(rsa(&modulus(4096), &[1, 0xff, 0xff, 0xff, 0xff]), None);
    assert_eq!(rsa(&modulus(4096), &[2, 0, 0, 0, 1]), Some(KeyError::ExponentOutOfRange));
    assert_eq!(rsa(&modulus(2047), &[1, 0, 1]), Some(KeyError::ModulusTooSmall));
    assert_eq!(rsa(&modulus(1024), &[1, 0, 1]), Some(KeyError::ModulusTooSmall));
    assert_eq!(rsa(&modulus(4097), &[1, 0, 1]), Some(KeyError::ModulusTooLarge));
    assert_eq!(rsa(&[], &[1, 0, 1]), Some(KeyError::ModulusTooSmall));
    let mut even = modulus(2048);
    *even.last_mut().unwrap() &= !1;
    assert_eq!(rsa(&even, &[1, 0, 1]), Some(KeyError::ModulusEven));
    for e in [&[1][..], &[2], &[4], &[]] {
        assert_eq!(rsa(&modulus(2048), e), Some(KeyError::ExponentOutOfRange), "{e:?}");
    }
    assert_eq!(rsa(&modulus(2048), &[0, 3]), Some(KeyError::NotCanonical));
    assert_eq!(rsa(&[&[0], &modulus(2048)[..]].concat(), &[3]), Some(KeyError::NotCanonical));
}

#[test]
fn der_forms() {
    let spki = PublicKey::p256(&GX, &GY).unwrap().spki_der().to_vec();
    assert_eq!(spki.len(), 91);
    assert_eq!(spki[..2], [0x30, 89]);
    assert_eq!(spki[23..27], [0x03, 66, 0, 4]);
    assert_eq!(spki[27..59], GX);
    for (algorithm, length) in [(Algorithm::Es384, 120), (Algorithm::Es512, 158), (Algorithm::Rs256, 294)] {
        let key = known_answer(algorithm).unwrap().unwrap().key;
        assert_eq!(key.spki_der().len(), length);
    }

    // Lengths grow, numbers stay positive.
    let mut n = alloc::vec![0u8; 256];
    n[0] = 0x80;
    n[255] = 1;
    let spki = PublicKey::rsa(&n, &[1, 0, 1]).unwrap().spki_der().to_vec();
    assert_eq!(spki.len(), 294);
    assert_eq!(spki[..4], [0x30, 0x82, 0x01, 0x22]);
    assert_eq!(spki[289..], [0x02, 3, 1, 0, 1]);

    let signature: Vec<u8> = [[0; 32], [0x80; 32]].concat();
    let der = der::ecdsa_signature(&signature).unwrap();
    assert_eq!(der[..8], [0x30, 38, 0x02, 1, 0, 0x02, 33, 0]);
    assert_eq!(der::ecdsa_signature(&[]), None);
    assert_eq!(der::ecdsa_signature(&[1; 63]), None);
    // P-521's are long enough for a length of two bytes.
    let der = der::ecdsa_signature(&[0x7f; 132]).unwrap();
    assert_eq!(der[..5], [0x30, 0x81, 136, 0x02, 66]);
}

#[test]
fn digests() {
    let abc = hex(b"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(digest::sha256(b"abc"), abc);
    let mut pieces = digest::Sha256::new();
    pieces.update(b"a").update(b"bc");
    assert_eq!(pieces.finish(), abc);
    let framed = |pieces: &[&[u8]]| {
        let mut digest = digest::Sha256::new();
        for piece in pieces {
            digest.update_framed(piece);
        }
        digest.finish()
    };
    assert_ne!(framed(&[b"ab", b"c"]), framed(&[b"a", b"bc"]));
    assert_ne!(framed(&[b"abc"]), framed(&[b"abc", b""]));
}

#[test]
fn comparison() {
    assert!(constant_time_eq(b"abc", b"abc"));
    assert!(!constant_time_eq(b"abc", b"abd"));
    assert!(!constant_time_eq(b"abc", b"abcd"));
    assert!(constant_time_eq(b"", b""));
}
