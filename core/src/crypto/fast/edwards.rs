//! Ed25519 by tables of multiples of the generator and of the negated key.

use super::digits::{digits, windows};
use alloc::vec::Vec;
use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::Identity as _;
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha512};

/// Multiples of a point in each window.
const MULTIPLES: usize = 32;

/// How many digits a scalar has: the group's order is below 2^253.
const WINDOWS: usize = windows(253, MULTIPLES);

/// Multiples of a point, window by window, as `Comb` has them.
pub(super) struct Table {
    points: Vec<EdwardsPoint>,
    base: EdwardsPoint,
}

impl Table {
    /// Bytes of a whole table.
    pub(super) const BYTES: usize = WINDOWS * MULTIPLES * size_of::<EdwardsPoint>();

    /// An empty table for the generator.
    pub(super) fn generator() -> Self {
        Self { points: Vec::new(), base: ED25519_BASEPOINT_POINT }
    }

    /// An empty table for the negated key.
    pub(super) fn negated(key: &VerifyingKey) -> Self {
        Self { points: Vec::new(), base: -key.to_edwards() }
    }

    /// Whether every window is there.
    pub(super) fn is_whole(&self) -> bool {
        self.points.len() == WINDOWS * MULTIPLES
    }

    /// Builds the next window.
    #[inline(never)]
    pub(super) fn build_window(&mut self) {
        if self.is_whole() {
            return;
        }
        if self.points.is_empty() {
            self.points.reserve_exact(WINDOWS * MULTIPLES);
        }
        let mut multiple = self.base;
        self.points.push(multiple);
        for _ in 1..MULTIPLES {
            multiple += self.base;
            self.points.push(multiple);
        }
        self.base = multiple + multiple;
    }

    #[inline]
    fn add(&self, sum: &mut EdwardsPoint, window: usize, digit: i8) {
        let Some(index) = usize::from(digit.unsigned_abs()).checked_sub(1) else { return };
        // Every digit has its multiple: the table is whole.
        let Some(point) = self.points.get(window * MULTIPLES + index) else { return };
        if digit < 0 { *sum -= point } else { *sum += point }
    }
}

/// Verifies as `VerifyingKey::verify_strict` does (RFC 8032 §5.1.7, and stricter): S below the group's order, R canonical and not
/// of low order, R = S·B - k·A without the cofactor. That the key is not of low order was held when it was made.
///
/// R is never decoded: equal to the encoding of a point, it is canonical and stands for that very point.
#[inline(never)]
pub(super) fn verify(
    generator: &Table,
    negated_key: &Table,
    key: &VerifyingKey,
    message: &[u8],
    signature: &Signature,
) -> bool {
    if !(generator.is_whole() && negated_key.is_whole()) {
        return false;
    }
    let Some(s) = Option::<Scalar>::from(Scalar::from_canonical_bytes(*signature.s_bytes())) else {
        return false;
    };
    let mut hash = Sha512::new();
    hash.update(signature.r_bytes());
    hash.update(key.as_bytes());
    hash.update(message);
    let k = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
    let (s, k) = (s.to_bytes(), k.to_bytes());
    let digits = |scalar: [u8; 32]| digits(scalar.into_iter(), MULTIPLES, WINDOWS);
    let mut expected = EdwardsPoint::identity();
    for (window, (s, k)) in digits(s).into_iter().zip(digits(k)).take(WINDOWS).enumerate() {
        generator.add(&mut expected, window, s);
        negated_key.add(&mut expected, window, k);
    }
    !expected.is_small_order() && expected.compress().as_bytes() == signature.r_bytes()
}
