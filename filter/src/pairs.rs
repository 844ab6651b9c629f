//! The ABI's serialized form of header maps: a count, the sizes, then names and values, each ended by NUL.

/// A header map that is not in the ABI's form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// A name and a value.
pub(crate) type Pair<'a> = (&'a [u8], &'a [u8]);

/// Reads a serialized map; names and values borrow from it. No bytes at all are an empty map.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<Pair<'_>>, Malformed> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let (count, mut sizes) = number(bytes)?;
    let mut texts = sizes.get(count.checked_mul(8).ok_or(Malformed)?..).ok_or(Malformed)?;
    let mut pairs = Vec::with_capacity(count);
    for _ in 0..count {
        let (name_size, rest) = number(sizes)?;
        let (value_size, rest) = number(rest)?;
        sizes = rest;
        let (name, rest) = text(texts, name_size)?;
        let (value, rest) = text(rest, value_size)?;
        texts = rest;
        pairs.push((name, value));
    }
    if texts.is_empty() { Ok(pairs) } else { Err(Malformed) }
}

/// Writes a map in the ABI's form.
pub(crate) fn write<V: AsRef<str>>(pairs: &[(&str, V)]) -> Vec<u8> {
    let texts: usize = pairs.iter().map(|(name, value)| name.len() + value.as_ref().len() + 2).sum();
    let mut bytes = Vec::with_capacity(4 + pairs.len() * 8 + texts);
    put(&mut bytes, pairs.len());
    for (name, value) in pairs {
        put(&mut bytes, name.len());
        put(&mut bytes, value.as_ref().len());
    }
    for (name, value) in pairs {
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(value.as_ref().as_bytes());
        bytes.push(0);
    }
    bytes
}

fn put(bytes: &mut Vec<u8>, number: usize) {
    bytes.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
}

fn number(bytes: &[u8]) -> Result<(usize, &[u8]), Malformed> {
    let (number, rest) = bytes.split_first_chunk::<4>().ok_or(Malformed)?;
    let number = usize::try_from(u32::from_le_bytes(*number)).map_err(|_| Malformed)?;
    Ok((number, rest))
}

fn text(bytes: &[u8], size: usize) -> Result<(&[u8], &[u8]), Malformed> {
    let (text, rest) = bytes.split_at_checked(size).ok_or(Malformed)?;
    match rest.split_first() {
        Some((0, rest)) => Ok((text, rest)),
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_is_read() {
        let pairs = [("a", String::from("1")), ("", String::new()), ("a", String::from("2\0"))];
        let bytes = write(&pairs);
        let read = read(&bytes).unwrap();
        assert_eq!(read, [(&b"a"[..], &b"1"[..]), (b"", b""), (b"a", b"2\0")]);
    }

    #[test]
    fn every_cut_and_every_surplus_is_malformed() {
        let bytes = write(&[("name", String::from("value")), ("n", String::from("v"))]);
        for cut in 1..bytes.len() {
            assert_eq!(read(&bytes[..cut]), Err(Malformed), "{cut}");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert_eq!(read(&longer), Err(Malformed));
        assert_eq!(read(&[0xff; 64]), Err(Malformed));
        assert_eq!(read(&[]), Ok(Vec::new()));
    }

    proptest! {
        #[test]
        fn any_pairs_written_are_read(pairs in vec((".{0,20}", ".{0,40}"), 0..20)) {
            let named: Vec<(&str, String)> =
                pairs.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
            let bytes = write(&named);
            let expected: Vec<Pair<'_>> =
                pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
            prop_assert_eq!(read(&bytes), Ok(expected));
        }

        #[test]
        fn bytes_of_any_kind_are_read_or_refused(bytes in vec(any::<u8>(), 0..200), count in 0_u32..8) {
            let _ = read(&bytes);
            let mut likely = count.to_le_bytes().to_vec();
            likely.extend(bytes.iter().map(|byte| byte % 4));
            let _ = read(&likely);
        }
    }
}
