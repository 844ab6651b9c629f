//! A host's own verification, used where it has proved itself.

mod protobuf;

use super::{
    Algorithm, Fast, PublicKey, SignatureError, SignatureProvider, der,
    key::Material,
    known_answers::{KnownAnswer, MESSAGE, known_answer},
};
use alloc::{borrow::Cow, string::String, vec::Vec};
use core::cell::Cell;

/// What a host is asked, in the forms that gateways take.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// `sha256`, `sha384` or `sha512`.
    pub hash: &'static str,
    /// The key as DER `SubjectPublicKeyInfo` (RFC 5280 §4.1).
    pub key: &'a [u8],
    /// An ECDSA signature as DER `ECDSA-Sig-Value` (RFC 3279 §2.2.3), one of RSASSA-PKCS1-v1_5 as it is.
    pub signature: &'a [u8],
    /// What was signed.
    pub message: &'a [u8],
}

/// What a host says of a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is good.
    Good,
    /// It is not, in the host's words.
    Bad(String),
}

/// The host gave no answer, or none that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoAnswer;

/// A host that verifies RSASSA-PKCS1-v1_5 and ECDSA for others, perhaps.
pub trait Lender {
    /// Asks it.
    ///
    /// # Errors
    /// Where there is no verdict: no such function, a failure, an answer that cannot be read.
    fn ask(&self, question: &Question<'_>) -> Result<Answer, NoAnswer>;
}

/// Verifies by a host, for algorithms in which it passed every known answer, and else by [`Fast`].
///
/// Lengths and ranges are checked here before a host is asked, whatever it checks itself. A host that once gives no answer is
/// not asked about that algorithm again.
pub struct Lent<L> {
    lender: L,
    own: Fast,
    /// By [`Algorithm::index`].
    trust: [Option<Trust>; Algorithm::ALL.len()],
    failures: Cell<u32>,
}

#[derive(Debug)]
struct Trust {
    /// How the host says that a signature is not of this message by this key.
    mismatch: String,
    lost: Cell<bool>,
}

impl<L: Lender> Lent<L> {
    /// Examines the host in these algorithms.
    pub fn examine(lender: L, algorithms: &[Algorithm]) -> Self {
        let trust = Algorithm::ALL.map(|algorithm| {
            if algorithms.contains(&algorithm) { examine(&lender, algorithm) } else { None }
        });
        Self { lender, own: Fast::new(), trust, failures: Cell::new(0) }
    }

    /// Whether the host verifies signatures of this algorithm.
    pub fn by_host(&self, algorithm: Algorithm) -> bool {
        self.trusted(algorithm).is_some()
    }

    /// Who verifies what the host does not.
    pub fn own(&self) -> &Fast {
        &self.own
    }

    /// How many questions the host left open since this was asked last.
    pub fn take_failures(&self) -> u32 {
        self.failures.take()
    }

    fn trusted(&self, algorithm: Algorithm) -> Option<&Trust> {
        self.trust.get(algorithm.index())?.as_ref().filter(|trust| !trust.lost.get())
    }
}

impl<L: Lender> SignatureProvider for Lent<L> {
    fn verify(
        &self,
        key: &PublicKey,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        if let (Some(trust), Some(hash)) = (self.trusted(algorithm), hash(algorithm)) {
            let lent = lent_form(key, algorithm, signature)?;
            match self.lender.ask(&Question { hash, key: key.spki_der(), signature: &lent, message }) {
                Ok(Answer::Good) => return Ok(()),
                Ok(Answer::Bad(words)) if words == trust.mismatch => return Err(SignatureError::Mismatch),
                // Anything else it says is not about the signature: that it can't use the key, for one.
                Ok(Answer::Bad(_)) => {}
                Err(NoAnswer) => trust.lost.set(true),
            }
            self.failures.set(self.failures.get().saturating_add(1));
        }
        self.own.verify(key, algorithm, message, signature)
    }

    fn work(&self) -> bool {
        SignatureProvider::work(&self.own)
    }
}

/// The hash that goes with an algorithm, in the hosts' spelling; `None` for algorithms that their function cannot name.
const fn hash(algorithm: Algorithm) -> Option<&'static str> {
    match algorithm {
        Algorithm::Es256 | Algorithm::Rs256 => Some("sha256"),
        Algorithm::Es384 | Algorithm::Rs384 => Some("sha384"),
        Algorithm::Es512 | Algorithm::Rs512 => Some("sha512"),
        Algorithm::EdDsa | Algorithm::Ps256 | Algorithm::Ps384 | Algorithm::Ps512 => None,
    }
}

/// The signature in the form that hosts take, its length and ranges checked: r and s within [1, n-1], an RSA signature below the
/// modulus.
#[inline(never)]
fn lent_form<'s>(
    key: &PublicKey,
    algorithm: Algorithm,
    signature: &'s [u8],
) -> Result<Cow<'s, [u8]>, SignatureError> {
    let in_range = match (algorithm, &key.material) {
        (Algorithm::Es256, Material::P256(_)) => p256::ecdsa::Signature::from_slice(signature).is_ok(),
        (Algorithm::Es384, Material::P384(_)) => p384::ecdsa::Signature::from_slice(signature).is_ok(),
        (Algorithm::Es512, Material::P521(_)) => p521::ecdsa::Signature::from_slice(signature).is_ok(),
        (Algorithm::Rs256 | Algorithm::Rs384 | Algorithm::Rs512, Material::Rsa(key)) => {
            return key.check(signature).map(|()| Cow::Borrowed(signature));
        }
        _ => return Err(SignatureError::KeyMismatch),
    };
    if !in_range {
        return Err(SignatureError::Malformed);
    }
    der::ecdsa_signature(signature).map(Cow::Owned).ok_or(SignatureError::Malformed)
}

/// Asks for what is known: good signatures must pass, and bad ones of every kind must not.
#[cold]
fn examine(lender: &impl Lender, algorithm: Algorithm) -> Option<Trust> {
    let known = known_answer(algorithm).ok()??;
    let hash = hash(algorithm)?;
    let ask = |hash, key: &PublicKey, signature: &[u8], message: &[u8]| {
        lender.ask(&Question { hash, key: key.spki_der(), signature, message })
    };
    let signature = lent_form(&known.key, algorithm, &known.signature).ok()?;
    if ask(hash, &known.key, &signature, MESSAGE) != Ok(Answer::Good) {
        return None;
    }
    let Ok(Answer::Bad(mismatch)) = ask(hash, &known.other, &signature, MESSAGE) else { return None };
    let is_mismatch = |answer| matches!(answer, Ok(Answer::Bad(words)) if words == mismatch);

    let mut message = MESSAGE.to_vec();
    *message.last_mut()? ^= 1;
    let mut all_refused = is_mismatch(ask(hash, &known.key, &signature, &message))
        && ask(hash, &known.key, &signature, b"") != Ok(Answer::Good);
    for flipped in flipped(&known) {
        let signature = lent_form(&known.key, algorithm, &flipped).ok()?;
        all_refused &= is_mismatch(ask(hash, &known.key, &signature, MESSAGE));
    }
    for malformed in malformed(&known, &signature) {
        all_refused &= ask(hash, &known.key, &malformed, MESSAGE) != Ok(Answer::Good);
    }
    let other_hash = if hash == "sha256" { "sha384" } else { "sha256" };
    all_refused &= ask(other_hash, &known.key, &signature, MESSAGE) != Ok(Answer::Good);
    // Once more, so that it does not pass who only ever accepts what comes first.
    let accepts = ask(hash, &known.key, &signature, MESSAGE) == Ok(Answer::Good);
    (all_refused && accepts).then_some(Trust { mismatch, lost: Cell::new(false) })
}

/// The signature, as JWS has it, with a bit turned over in its first half, and in its second.
fn flipped(known: &KnownAnswer) -> impl Iterator<Item = Vec<u8>> {
    let length = known.signature.len();
    [length / 2 - 1, length - 1].into_iter().map(|at| {
        let mut signature = known.signature.clone();
        if let Some(byte) = signature.get_mut(at) {
            *byte ^= 1;
        }
        signature
    })
}

/// Signatures that the checks before a host never let through, in the host's form.
fn malformed(known: &KnownAnswer, lent: &[u8]) -> Vec<Vec<u8>> {
    let length = known.signature.len();
    let (first, second) = known.signature.split_at(length / 2);
    let zero = alloc::vec![0; length / 2];
    let mut all = alloc::vec![
        Vec::new(),
        lent.get(1..).unwrap_or_default().to_vec(),
        lent.get(..lent.len() - 1).unwrap_or_default().to_vec(),
        [lent, &[0]].concat(),
        [&[0], lent].concat(),
        alloc::vec![0; length],
    ];
    if known.key.key_type() != super::KeyType::Rsa {
        // r and s that are nought: CVE-2022-21449.
        let numbers = [[&zero, second].concat(), [first, &zero].concat(), [&*zero, &*zero].concat()];
        all.extend(numbers.iter().filter_map(|numbers| der::ecdsa_signature(numbers)));
    }
    all
}

#[cfg(test)]
mod tests;
