//! As much of the protobuf wire format as arguments and results need.

/// One field: its number, and its bytes or its number. Fields of a fixed width come without either.
pub(crate) struct Field<'a> {
    pub(crate) number: u64,
    pub(crate) bytes: &'a [u8],
    pub(crate) varint: u64,
}

/// The fields of a message. `None` where it is malformed.
pub(crate) fn fields(mut message: &[u8]) -> Option<Vec<Field<'_>>> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let mut number = 0;
        let bytes = match tag & 7 {
            0 => {
                number = varint(&mut message)?;
                &[]
            }
            1 => take(&mut message, 8).map(|_| &[][..])?,
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                take(&mut message, length)?
            }
            5 => take(&mut message, 4).map(|_| &[][..])?,
            _ => return None,
        };
        if tag >> 3 == 0 {
            return None;
        }
        fields.push(Field { number: tag >> 3, bytes, varint: number });
    }
    Some(fields)
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
