//! Scalars in signed digits.

/// The most digits that a scalar has.
pub(super) const MOST: usize = 88;

/// The windows of a scalar of so many bits, where each has 2^(w-1) multiples: the last one has a spare bit, so that nothing is
/// carried out of it.
pub(super) const fn windows(bits: usize, multiples: usize) -> usize {
    assert!(multiples.is_power_of_two() && multiples <= 64, "a digit is a byte");
    let windows = bits / width(multiples) + 1;
    assert!(windows <= MOST, "digits have their place");
    windows
}

/// So many digits of a little-endian scalar to the base of 2^w, from 1 - 2^(w-1) to 2^(w-1), the lowest first; then zeros.
/// `multiples` is 2^(w-1).
pub(super) fn digits(
    little_endian: impl Iterator<Item = u8>,
    multiples: usize,
    windows: usize,
) -> [i8; MOST] {
    let width = width(multiples);
    let mut digits = [0; MOST];
    let (mut bytes, mut bits, mut held, mut carry) = (little_endian, 0_usize, 0, 0);
    for digit in digits.iter_mut().take(windows) {
        if held < width {
            bits |= usize::from(bytes.next().unwrap_or(0)) << held;
            held += 8;
        }
        let value = (bits & (2 * multiples - 1)) + carry;
        bits >>= width;
        held -= width;
        carry = usize::from(value > multiples);
        *digit = (value as isize - (carry << width) as isize) as i8;
    }
    digits
}

const fn width(multiples: usize) -> usize {
    multiples.ilog2() as usize + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn digits_are_the_number(number: u128, multiples in 2_u32..7) {
            let multiples = 1_usize << (multiples - 1);
            let number = number >> 8;
            let windows = windows(120, multiples);
            let digits = digits(number.to_le_bytes().into_iter(), multiples, windows);
            prop_assert!(digits.iter().skip(windows).all(|&digit| digit == 0));
            let back = digits.iter().take(windows).rev().fold(0_i128, |sum, &digit| sum * 2 * multiples as i128 + i128::from(digit));
            prop_assert_eq!(back, number as i128);
            let range = 1 - multiples as i128..=multiples as i128;
            prop_assert!(digits.iter().all(|&digit| range.contains(&i128::from(digit))));
        }
    }
}
