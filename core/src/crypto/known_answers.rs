//! Signatures whose verdict is known: those that a host must accept before it is trusted with an algorithm.
//!
//! ECDSA: RFC 6979 appendix A.2.5 to A.2.7, message "sample". RSA: the key of RFC 7520 §3.4, the same message.

use super::{Algorithm, KeyError, PublicKey};
use alloc::vec::Vec;

/// What all the signatures here are of.
pub(super) const MESSAGE: &[u8] = b"sample";

/// A signature of [`MESSAGE`] that is good.
pub(super) struct KnownAnswer {
    /// Whose it is.
    pub(super) key: PublicKey,
    /// A key of the same size whose it is not.
    pub(super) other: PublicKey,
    /// As a JWS carries it.
    pub(super) signature: Vec<u8>,
}

/// The known answer of an algorithm; `None` for those that no host verifies.
#[cold]
pub(super) fn known_answer(algorithm: Algorithm) -> Result<Option<KnownAnswer>, KeyError> {
    let answer = |key, other, signature: &[&[u8]]| KnownAnswer { key, other, signature: signature.concat() };
    let rsa = |signature: &[u8]| -> Result<KnownAnswer, KeyError> {
        Ok(answer(PublicKey::rsa(&RSA_N, &RSA_E)?, PublicKey::rsa(&other_modulus(), &RSA_E)?, &[signature]))
    };
    Ok(Some(match algorithm {
        Algorithm::Es256 => answer(
            PublicKey::p256(&P256_X, &P256_Y)?,
            PublicKey::p256(&P256_GX, &P256_GY)?,
            &[&P256_R, &P256_S],
        ),
        Algorithm::Es384 => answer(
            PublicKey::p384(&P384_X, &P384_Y)?,
            PublicKey::p384(&P384_GX, &P384_GY)?,
            &[&P384_R, &P384_S],
        ),
        Algorithm::Es512 => answer(
            PublicKey::p521(&P521_X, &P521_Y)?,
            PublicKey::p521(&P521_GX, &P521_GY)?,
            &[&P521_R, &P521_S],
        ),
        Algorithm::Rs256 => rsa(&RS256)?,
        Algorithm::Rs384 => rsa(&RS384)?,
        Algorithm::Rs512 => rsa(&RS512)?,
        Algorithm::EdDsa | Algorithm::Ps256 | Algorithm::Ps384 | Algorithm::Ps512 => return Ok(None),
    }))
}

/// Odd and as large, which is all that a public modulus shows.
fn other_modulus() -> [u8; 256] {
    let mut modulus = RSA_N;
    if let Some(byte) = modulus.get_mut(100) {
        *byte ^= 1;
    }
    modulus
}

#[expect(clippy::indexing_slicing, reason = "evaluated while compiling")]
const fn hex<const N: usize>(text: &[u8]) -> [u8; N] {
    const fn digit(byte: u8) -> u8 {
        if byte <= b'9' { byte - b'0' } else { byte - b'a' + 10 }
    }
    assert!(text.len() == 2 * N);
    let mut out = [0; N];
    let mut i = 0;
    while i < N {
        out[i] = digit(text[2 * i]) << 4 | digit(text[2 * i + 1]);
        i += 1;
    }
    out
}

const P256_X: [u8; 32] = hex(b"60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6");
const P256_Y: [u8; 32] = hex(b"7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299");
const P256_GX: [u8; 32] = hex(b"6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296");
const P256_GY: [u8; 32] = hex(b"4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5");
const P256_R: [u8; 32] = hex(b"efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716");
const P256_S: [u8; 32] = hex(b"f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8");

const P384_X: [u8; 48] =
    hex(b"ec3a4e415b4e19a4568618029f427fa5da9a8bc4ae92e02e06aae5286b300c64def8f0ea9055866064a254515480bc13");
const P384_Y: [u8; 48] =
    hex(b"8015d9b72d7d57244ea8ef9ac0c621896708a59367f9dfb9f54ca84b3f1c9db1288b231c3ae0d4fe7344fd2533264720");
const P384_GX: [u8; 48] =
    hex(b"aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7");
const P384_GY: [u8; 48] =
    hex(b"3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f");
const P384_R: [u8; 48] =
    hex(b"94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c81a648152e44acf96e36dd1e80fabe46");
const P384_S: [u8; 48] =
    hex(b"99ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94fa329c145786e679e7b82c71a38628ac8");

const P521_X: [u8; 66] =
    hex(b"01894550d0785932e00eaa23b694f213f8c3121f86dc97a04e5a7167db4e5bcd371123d46e45db6b5d5370a7f20fb633\
      155d38ffa16d2bd761dcac474b9a2f5023a4");
const P521_Y: [u8; 66] =
    hex(b"00493101c962cd4d2fddf782285e64584139c2f91b47f87ff82354d6630f746a28a0db25741b5b34a828008b22acc23f\
      924faafbd4d33f81ea66956dfeaa2bfdfcf5");
const P521_GX: [u8; 66] =
    hex(b"00c6858e06b70404e9cd9e3ecb662395b4429c648139053fb521f828af606b4d3dbaa14b5e77efe75928fe1dc127a2ff\
      a8de3348b3c1856a429bf97e7e31c2e5bd66");
const P521_GY: [u8; 66] =
    hex(b"011839296a789a3bc0045c8a5fb42c7d1bd998f54449579b446817afbd17273e662c97ee72995ef42640c550b9013fad\
      0761353c7086a272c24088be94769fd16650");
const P521_R: [u8; 66] =
    hex(b"00c328fafcbd79dd77850370c46325d987cb525569fb63c5d3bc53950e6d4c5f174e25a1ee9017b5d450606add152b53\
      4931d7d4e8455cc91f9b15bf05ec36e377fa");
const P521_S: [u8; 66] =
    hex(b"00617cce7cf5064806c467f678d3b4080d6f1cc50af26ca209417308281b68af282623eaa63e5b5c0723d8b8c37ff077\
      7b1a20f8ccb1dccc43997f1ee0e44da4a67a");

const RSA_N: [u8; 256] =
    hex(b"9f810fb4038273d02591e4073f31d2b6001b82cedb4d92f050165d47cfcab8a3c41cb778ac7553793f8ef975768d1a23\
      74d8712564c3bcd77b9ea434544899407cff0099920a931a24c4414852ab29bdb0a95c0653f36c60e60bf90b6258dda5\
      6f37047ba5c2d1d029af9c9d40bac7aa41c78a0dd1068add699e808fea011ea1441d8a4f7bb4e97be39f55f1ddd44e9c\
      4ba335159703d4d34b603e65147a4f23d6d3c0996c75edee846a82d190ae10783c961cf0387aed2106d2d0555b6fd937\
      fad5535387e0ff72ffbe78941402b0b822ea2a74b6058c1dabf9b34a76cb63b87faa2c6847b8e2837fff91186e6b1c14\
      911cf989a89092a81ce601ddacd3f9cf");
const RSA_E: [u8; 3] = [1, 0, 1];
const RS256: [u8; 256] =
    hex(b"5da99a9d1fb6f53d8187763c1bbdb88338497c957000b0cb071394b13cd62835ae28d3c1b318a2e6e5f1d6da6204506e\
      291148e30d1771aece1e657b88fc74a552a6540f3cfe4e1c5a66a18918fe02e4312bf700210c1d1463a3d9e7a07b4bd6\
      b32212b5a507111d9fb89d398d4936cf1da0d6f3226961f4f94818d5418c07e1db78a66152b4b0a28605c332fd30bdc4\
      ecb048d712885b72a654afc14f8ed63a45860fa5675e567f79a36bc46a716027695b0c23dc7d947f4d194b00868d6f30\
      62e126a354119afb04e67b7e487f270047328289d62cca5d98a58ad019288301d7f7192164b8afe814c775c1128c998a\
      6483a35cb1c58efd5f84952c34977268");
const RS384: [u8; 256] =
    hex(b"16d08fdcbefa20970d51c84c4dd2f3226b6c10dc618632ac285db21526dc3d9eb9417daa0de28322996e9a7f61cb2701\
      95d7ddd57e1a3c564c118ffbd079b464d503825d3a0148d1527150ad57f69458df9ab9c0402cfb07f7a59a764f1338c7\
      7e5e3297ccd910e2f37c0e810bd6086ed028e65ff2f23c36d064b9ea13c3efda284f87008c648d192f602ebd5a735995\
      746c2ca53a6a6fa8bee90fc038f090011d17ce850e4d3dca5e9325ac73da2d353be83dc97836c4d843cdf14cdf6cde5a\
      7149756e1294220ff73aa24cd5e38561b9b46fea7a652766763773a850e2065024be108938b7417db51b46640c4ac87c\
      cf614d4d779ea4705c157d8fde560f2a");
const RS512: [u8; 256] =
    hex(b"731cb5a3a58891dbd31d11f9122ed4761202bff97294b2104dcbfbf51292770d35f31190d54d8c9183327de229e4c28a\
      bcdba08dfc66aff1f5ce5e08bac646d1b3c2ea8d6e037a8712b8f327dae29a7d90f78aaaa31b9f8f330ec1c1369bff83\
      5645a4e90252bd99f132f7856abda931e7c1c900e10629d47a00b59475abc78b0ba6f0deeb4fcd1c3768b88c3a8c2161\
      9039317f7f0706b3ac2053e8971778cbb89531794043fa9a04c70147b6c3c5d44238d92f8f638f537c10abdba3d41d48\
      556537e254a4ccbec123152d4d6eb7cac10c56851a5c67158b859a666667c84b873fab0bf551475e6ccbdb46d1151257\
      8e96fadca24758e135389fa3cb7ee4ee");
