//! Form bodies (`application/x-www-form-urlencoded`).

use alloc::vec::Vec;
use core::fmt::{self, Debug, Formatter};

/// The body of a form. It may hold a credential: printed for people, it is its length.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Form(Vec<u8>);

impl Form {
    /// A form without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one field more. All but letters, digits, `*`, `-`, `.` and `_` is percent-encoded (RFC 6749, appendix B).
    #[must_use]
    pub fn with(mut self, name: &str, value: &[u8]) -> Self {
        if !self.0.is_empty() {
            self.0.push(b'&');
        }
        self.put(name.as_bytes());
        self.0.push(b'=');
        self.put(value);
        self
    }

    /// What goes over the wire.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn put(&mut self, text: &[u8]) {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or_default();
        for byte in text {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => self.0.push(*byte),
                b' ' => self.0.push(b'+'),
                byte => self.0.extend([b'%', digit(byte >> 4), digit(byte & 15)]),
            }
        }
    }
}

impl Debug for Form {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Form({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn what_could_end_a_field_is_encoded() {
        let form = Form::new().with("token", b"a+b/c==&x=y%~\xff").with("client id", b"1 2");
        assert_eq!(form.as_bytes(), b"token=a%2Bb%2Fc%3D%3D%26x%3Dy%25%7E%FF&client+id=1+2");
        assert_eq!(format!("{form:?}"), format!("Form({} bytes)", form.as_bytes().len()));
    }
}
