//! Multiples of a fixed point on a NIST curve, and ECDSA verification by them.
//!
//! Everything here is public (RFC 7515 signatures, keys, messages), so that variable time tells nobody anything. Points are
//! added by the curve crates' complete formulas, which have no exceptional cases.

use super::digits::{MOST, digits, windows};
use alloc::vec::Vec;
use core::ops::{AddAssign, Neg};
use p256::elliptic_curve::ops::{Invert as _, Reduce as _};
use p256::elliptic_curve::point::AffineCoordinates as _;
use p256::elliptic_curve::{
    AffinePoint, BatchNormalize, CurveArithmetic, CurveGroup as _, FieldBytes, Group as _, NonZeroScalar,
    PrimeField as _, ProjectivePoint, Scalar,
};

/// A curve that has combs.
pub(super) trait Curve: CurveArithmetic<ProjectivePoint: AddAssign<Self::Multiple>> {
    /// Bits of the group's order.
    const BITS: usize;
    /// Multiples of a point in each window, a power of two.
    const MULTIPLES: usize;
    /// The form in which multiples are kept.
    type Multiple: Copy + Neg<Output = Self::Multiple>;

    /// One window's multiples, in that form.
    fn keep(multiples: &[ProjectivePoint<Self>], kept: &mut Vec<Self::Multiple>);
}

// Affine points are added a little sooner and take less room, for more code. That is worth it for the curve that most tokens
// are signed on; the others keep points as they come.
impl Curve for p256::NistP256 {
    const BITS: usize = 256;
    const MULTIPLES: usize = 64;
    type Multiple = AffinePoint<Self>;

    fn keep(multiples: &[ProjectivePoint<Self>], kept: &mut Vec<Self::Multiple>) {
        // One inversion for each chunk.
        for chunk in multiples.as_chunks::<32>().0 {
            kept.extend(<ProjectivePoint<Self> as BatchNormalize<_>>::batch_normalize(chunk));
        }
    }
}

impl Curve for p384::NistP384 {
    const BITS: usize = 384;
    const MULTIPLES: usize = 32;
    type Multiple = ProjectivePoint<Self>;

    fn keep(multiples: &[ProjectivePoint<Self>], kept: &mut Vec<Self::Multiple>) {
        kept.extend_from_slice(multiples);
    }
}

impl Curve for p521::NistP521 {
    const BITS: usize = 521;
    const MULTIPLES: usize = 32;
    type Multiple = ProjectivePoint<Self>;

    fn keep(multiples: &[ProjectivePoint<Self>], kept: &mut Vec<Self::Multiple>) {
        kept.extend_from_slice(multiples);
    }
}

/// Of a point P and w bits a window, for each window i, the multiples 1·2^(wi)·P to 2^(w-1)·2^(wi)·P: digits are signed, and the
/// negative of a point costs next to nothing. Built window by window.
pub(super) struct Comb<C: Curve> {
    points: Vec<C::Multiple>,
    /// 2^(wi)·P of the window to come.
    base: ProjectivePoint<C>,
}

impl<C: Curve> Comb<C> {
    /// How many digits a scalar has.
    const WINDOWS: usize = windows(C::BITS, C::MULTIPLES);

    /// Points of a whole table.
    const POINTS: usize = Self::WINDOWS * C::MULTIPLES;

    /// Bytes of a whole table.
    pub(super) const BYTES: usize = Self::POINTS * size_of::<C::Multiple>();

    /// A table of which nothing is built yet.
    pub(super) fn new(point: ProjectivePoint<C>) -> Self {
        Self { points: Vec::new(), base: point }
    }

    /// The same for the curve's generator.
    pub(super) fn generator() -> Self {
        Self::new(ProjectivePoint::<C>::generator())
    }

    /// Whether every window is there.
    pub(super) fn is_whole(&self) -> bool {
        self.points.len() == Self::POINTS
    }

    /// Builds the next window.
    #[inline(never)]
    pub(super) fn build_window(&mut self) {
        if self.is_whole() {
            return;
        }
        if self.points.is_empty() {
            self.points.reserve_exact(Self::POINTS);
        }
        let mut multiple = self.base;
        let mut multiples = Vec::with_capacity(C::MULTIPLES);
        multiples.push(multiple);
        while multiples.len() < C::MULTIPLES {
            multiple = self.base + multiple;
            multiples.push(multiple);
        }
        C::keep(&multiples, &mut self.points);
        self.base = multiple + multiple;
    }

    /// Verifies an ECDSA signature (FIPS 186-5 §6.4.2) of a digest no longer than the group's order by this table of the key and
    /// that of the generator: r ≡ x(z/s·G + r/s·Q). That r and s are within [1, n-1] (step 1), their types say. Tables that are not
    /// whole verify nothing.
    #[inline(never)]
    pub(super) fn verify(
        &self,
        generator: &Self,
        digest: &[u8],
        (r, s): (NonZeroScalar<C>, NonZeroScalar<C>),
    ) -> bool {
        if !(generator.is_whole() && self.is_whole()) {
            return false;
        }
        let s_inverse = *s.invert_vartime();
        let mut z = FieldBytes::<C>::default();
        let Some(start) = z.len().checked_sub(digest.len()) else { return false };
        z.iter_mut().skip(start).zip(digest).for_each(|(to, from)| *to = *from);
        let u1 = Self::digits(Scalar::<C>::reduce(&z) * s_inverse);
        let u2 = Self::digits(*r * s_inverse);
        let mut sum = ProjectivePoint::<C>::identity();
        for (window, (u1, u2)) in u1.into_iter().zip(u2).take(Self::WINDOWS).enumerate() {
            generator.add(&mut sum, window, u1);
            self.add(&mut sum, window, u2);
        }
        // The neutral element has an x of 0 here, which is no r.
        *r == Scalar::<C>::reduce(&sum.to_affine().x())
    }

    /// Adds this digit of the window's multiples to `sum`.
    #[inline]
    fn add(&self, sum: &mut ProjectivePoint<C>, window: usize, digit: i8) {
        let Some(index) = usize::from(digit.unsigned_abs()).checked_sub(1) else { return };
        // Every digit has its multiple: the table is whole.
        let Some(point) = self.points.get(window * C::MULTIPLES + index) else { return };
        *sum += if digit < 0 { -*point } else { *point };
    }

    /// A scalar's digits, the lowest first.
    fn digits(scalar: Scalar<C>) -> [i8; MOST] {
        digits(scalar.to_repr().iter().rev().copied(), C::MULTIPLES, Self::WINDOWS)
    }
}
