//! As much of the protobuf wire format as arguments and results need.

/// One field: its number, and its bytes or its number. Fields of a fixed width come without either.
pub(crate) struct Field<'a> {
    pub(crate) number: u64,
    pub(crate) bytes: &'a [u8],
    pub(crate) varint: u64,
}

/// The fields of a message, one after the other: a message may have more of them than there is room for. `None` where it is
/// malformed.
pub(crate) fn fields(message: &[u8]) -> Option<Fields<'_>> {
    let mut all = Fields { rest: message };
    while !all.rest.is_empty() {
        field(&mut all.rest)?;
    }
    Some(Fields { rest: message })
}

/// The fields of a message that is well formed.
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        field(&mut self.rest)
    }
}

/// Takes the first field. `None` at the end, and where it is malformed.
fn field<'a>(message: &mut &'a [u8]) -> Option<Field<'a>> {
    let tag = varint(message)?;
    let mut number = 0;
    let bytes: &'a [u8] = match tag & 7 {
        0 => {
            number = varint(message)?;
            &[]
        }
        1 => take(message, 8).map(|_| &[][..])?,
        2 => {
            let length = usize::try_from(varint(message)?).ok()?;
            take(message, length)?
        }
        5 => take(message, 4).map(|_| &[][..])?,
        _ => return None,
    };
    (tag >> 3 != 0).then_some(Field { number: tag >> 3, bytes, varint: number })
}

/// Appends a field of bytes; an empty one is left out, as proto3 has it.
pub(crate) fn put_bytes(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    out.push(number << 3 | 2);
    let mut length = bytes.len();
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(bytes);
}

/// Appends a boolean; false is left out.
pub(crate) fn put_bool(out: &mut Vec<u8>, number: u8, value: bool) {
    if value {
        out.extend_from_slice(&[number << 3, 1]);
    }
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *take(message, 1)?.first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn take<'a>(message: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = message.split_at_checked(length)?;
    *message = rest;
    Some(taken)
}
