//! As much of the protobuf wire format as arguments and results need.

/// One field.
pub(crate) struct Field<'a> {
    pub(crate) number: u64,
    pub(crate) value: Value<'a>,
}

/// What a field holds. A reader passes over a field that holds something else than it should, as over one that it does not know.
#[derive(Clone, Copy)]
pub(crate) enum Value<'a> {
    Bytes(&'a [u8]),
    Number(u64),
    /// A fixed width, or a group.
    Other,
}

/// Groups in groups, at most.
const DEPTH: usize = 100;

/// The fields of a message. `None` where it is malformed.
pub(crate) fn fields(mut message: &[u8]) -> Option<Vec<Field<'_>>> {
    let mut fields = Vec::new();
    // The groups that are open: what stands in them is passed over.
    let mut groups = Vec::new();
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let number = tag >> 3;
        if number == 0 {
            return None;
        }
        let value = match tag & 7 {
            0 => Value::Number(varint(&mut message)?),
            1 => take(&mut message, 8).map(|_| Value::Other)?,
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                Value::Bytes(take(&mut message, length)?)
            }
            3 if groups.len() < DEPTH => {
                groups.push(number);
                continue;
            }
            4 if groups.pop() == Some(number) => Value::Other,
            5 => take(&mut message, 4).map(|_| Value::Other)?,
            _ => return None,
        };
        if groups.is_empty() {
            fields.push(Field { number, value });
        }
    }
    groups.is_empty().then_some(fields)
}

/// A text of a message. What is not UTF-8 makes the message malformed.
pub(crate) fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
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
