//! The signature algorithms that are accepted at all.

use alloc::string::String;
use core::fmt;

/// A JWS signature algorithm (RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864 §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// ECDSA with P-384 and SHA-384.
    Es384,
    /// ECDSA with P-521 and SHA-512.
    Es512,
    /// Ed25519.
    EdDsa,
    /// RSASSA-PSS with SHA-256, the same for MGF1, and a salt of 32 bytes.
    Ps256,
    /// RSASSA-PSS with SHA-384, the same for MGF1, and a salt of 48 bytes.
    Ps384,
    /// RSASSA-PSS with SHA-512, the same for MGF1, and a salt of 64 bytes.
    Ps512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
}

/// The kinds of key that [`Algorithm`]s need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyType {
    /// A point on Ed25519: `kty` `OKP`, `crv` `Ed25519`.
    Ed25519,
    /// A point on P-256: `kty` `EC`, `crv` `P-256`.
    P256,
    /// A point on P-384: `kty` `EC`, `crv` `P-384`.
    P384,
    /// A point on P-521: `kty` `EC`, `crv` `P-521`.
    P521,
    /// An RSA modulus and exponent: `kty` `RSA`.
    Rsa,
}

impl Algorithm {
    /// All algorithms, in the order of their names; each stands at its [`Algorithm::index`].
    pub const ALL: [Self; 10] = [
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::EdDsa,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
    ];

    /// The `alg` value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
        }
    }

    /// The algorithm with this `alg` value, which is case-sensitive (RFC 7515 §4.1.1). `Ed25519` (RFC 9864 §2.2) is another name of
    /// [`Algorithm::EdDsa`], which stands for no other curve here.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "Ed25519" => Some(Self::EdDsa),
            name => Self::ALL.into_iter().find(|algorithm| algorithm.name() == name),
        }
    }

    /// Every name, for a message that says what was expected.
    pub fn names() -> String {
        let mut names = String::new();
        for (index, algorithm) in Self::ALL.into_iter().enumerate() {
            names.push_str(match index {
                0 => "`",
                _ if index + 1 == Self::ALL.len() => "` or `",
                _ => "`, `",
            });
            names.push_str(algorithm.name());
        }
        names.push('`');
        names
    }

    /// The algorithm's place in [`Algorithm::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The kind of key it needs.
    pub const fn key_type(self) -> KeyType {
        match self {
            Self::Es256 => KeyType::P256,
            Self::Es384 => KeyType::P384,
            Self::Es512 => KeyType::P521,
            Self::EdDsa => KeyType::Ed25519,
            Self::Ps256 | Self::Ps384 | Self::Ps512 | Self::Rs256 | Self::Rs384 | Self::Rs512 => KeyType::Rsa,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
