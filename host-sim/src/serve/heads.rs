//! The heads of HTTP/1.1 requests on their way in, for what the HTTP library settles by itself and Envoy refuses: a target's fragment, a
//! body's length that is said twice, or beside chunks. Such a head is made unreadable where it is, and the library answers 400.

/// What the library takes nowhere in a head.
const REFUSED: u8 = 0x01;

/// Bytes of the longest name and the longest value that matter.
const NAME: usize = 32;
const VALUE: usize = 64;

/// Looks at all that a client sends. It only has to tell heads from bodies where the library reads on.
#[derive(Default)]
pub(super) struct Heads {
    place: Place,
    name: Vec<u8>,
    value: Vec<u8>,
    /// What the head says of its body.
    length: Option<u64>,
    chunked: Option<bool>,
}

/// Where in a message the next byte is.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    /// Before the request line.
    #[default]
    Before,
    /// In the request line; whether behind the method.
    Line(bool),
    /// At the beginning of a line.
    Field,
    Name,
    Value(Framing),
    /// In so many bytes of a body, and whether of a chunk's.
    Body(u64, bool),
    /// In a chunk's size, and whether behind its digits.
    Size(u64, bool),
    /// Behind the last chunk, where hyper takes a line's end for one only as CR and LF.
    Trailer(Trailer),
}

/// Where in trailers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trailer {
    /// At the beginning of a line.
    Begin,
    /// Behind the CR of an empty line.
    End,
    /// In a line.
    Line,
    /// Behind a line's CR.
    LineEnd,
}

/// What a field says of its message's body.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length,
    Coding,
    Nothing,
}

impl Heads {
    /// Looks at the next bytes of a connection.
    pub(super) fn look(&mut self, bytes: &mut [u8]) {
        let (mut at, count) = (0, bytes.len());
        while let Some(byte) = bytes.get_mut(at) {
            let Place::Body(left, chunk) = self.place else {
                self.step(byte);
                at += 1;
                continue;
            };
            let passed = usize::try_from(left).unwrap_or(usize::MAX).min(count - at);
            at += passed;
            self.place = match left - passed as u64 {
                0 if chunk => Place::Size(0, false),
                0 => Place::Before,
                left => Place::Body(left, chunk),
            };
        }
    }

    fn step(&mut self, byte: &mut u8) {
        self.place = match (self.place, *byte) {
            // Empty lines before a request are passed over.
            (Place::Before, b'\r' | b'\n') => Place::Before,
            (Place::Before, _) => {
                *self = Self::default();
                Place::Line(false)
            }
            (Place::Line(_), b' ') => Place::Line(true),
            (Place::Line(true), b'#') => refuse(byte, Place::Line(true)),
            (Place::Line(_) | Place::Name, b'\n') => Place::Field,
            (Place::Line(target), _) => Place::Line(target),
            (Place::Field, b'\r') => Place::Field,
            (Place::Field, b'\n') => self.body(),
            (Place::Field, first) => {
                self.name = vec![first.to_ascii_lowercase()];
                Place::Name
            }
            (Place::Name, b':') => self.field(byte),
            (Place::Name, next) => {
                if self.name.len() < NAME {
                    self.name.push(next.to_ascii_lowercase());
                }
                Place::Name
            }
            (Place::Value(framing), b'\n') => self.said(framing),
            (Place::Value(Framing::Nothing), _) => Place::Value(Framing::Nothing),
            (Place::Value(framing), next) => {
                self.value.push(next);
                if self.value.len() > VALUE {
                    refuse(byte, Place::Value(framing))
                } else {
                    Place::Value(framing)
                }
            }
            (Place::Size(size, _), b'\n') => match size {
                0 => Place::Trailer(Trailer::Begin),
                // The end of a chunk's line is counted with it.
                size => Place::Body(size.saturating_add(2), true),
            },
            (Place::Size(size, false), digit) => match char::from(digit).to_digit(16) {
                Some(digit) => Place::Size(size.saturating_mul(16).saturating_add(u64::from(digit)), false),
                None => Place::Size(size, true),
            },
            (Place::Size(size, true), _) => Place::Size(size, true),
            (Place::Trailer(Trailer::Begin), b'\r') => Place::Trailer(Trailer::End),
            (Place::Trailer(Trailer::End), b'\n') => Place::Before,
            (Place::Trailer(Trailer::Line), b'\r') => Place::Trailer(Trailer::LineEnd),
            (Place::Trailer(Trailer::LineEnd), b'\n') => Place::Trailer(Trailer::Begin),
            (Place::Trailer(_), _) => Place::Trailer(Trailer::Line),
            (Place::Body(..), _) => self.place,
        };
    }

    /// Behind a field's name.
    fn field(&mut self, byte: &mut u8) -> Place {
        self.value.clear();
        let framing = match &*self.name {
            b"content-length" => Framing::Length,
            b"transfer-encoding" => Framing::Coding,
            _ => return Place::Value(Framing::Nothing),
        };
        let doubtful = self.length.is_some() || framing == Framing::Length && self.chunked.is_some();
        if doubtful { refuse(byte, Place::Value(framing)) } else { Place::Value(framing) }
    }

    /// Behind a field's value.
    fn said(&mut self, framing: Framing) -> Place {
        let value = self.value.trim_ascii();
        match framing {
            // The library refuses what is no number.
            Framing::Length => {
                self.length =
                    std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok()).or(Some(0));
            }
            Framing::Coding => {
                let last = value.rsplit(|byte| *byte == b',').next().unwrap_or_default();
                self.chunked = Some(last.trim_ascii().eq_ignore_ascii_case(b"chunked"));
            }
            Framing::Nothing => {}
        }
        Place::Field
    }

    /// Behind a head.
    fn body(&self) -> Place {
        match (self.chunked, self.length) {
            (Some(true), _) => Place::Size(0, false),
            (_, Some(length)) if length > 0 => Place::Body(length, false),
            _ => Place::Before,
        }
    }
}

fn refuse(byte: &mut u8, place: Place) -> Place {
    *byte = REFUSED;
    place
}

#[cfg(test)]
mod tests {
    use super::{Heads, REFUSED};

    /// What the library is given of bytes that come in pieces of this size.
    fn given(sent: &str, piece: usize) -> Vec<u8> {
        let (mut heads, mut bytes) = (Heads::default(), sent.as_bytes().to_vec());
        bytes.chunks_mut(piece).for_each(|piece| heads.look(piece));
        bytes
    }

    fn refuses(sent: &str) -> bool {
        let refused = |piece| given(sent, piece).contains(&REFUSED);
        assert_eq!(refused(1), refused(4096), "{sent}");
        assert_eq!(refused(7), refused(4096), "{sent}");
        refused(1)
    }

    const BODY: &str = "GET /x#f HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\n";

    #[test]
    fn fragments_and_doubtful_lengths_are_refused() {
        for head in [
            "GET /x#f HTTP/1.1\r\n\r\n",
            "GET http://a#f HTTP/1.1\r\n\r\n",
            "GET /x HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET #f HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 1\r\nA: b\r\ncontent-length: 1\r\n\r\n",
            "POST / HTTP/1.1\ncontent-length: 0\ntransfer-encoding: chunked\n\n",
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 1\r\n\r\n",
        ] {
            assert!(refuses(head), "{head}");
        }
        assert!(refuses(&format!(
            "POST / HTTP/1.1\r\ntransfer-encoding: {},chunked\r\n\r\n",
            "x".repeat(60)
        )));
    }

    #[test]
    fn what_is_no_head_is_left_alone() {
        let long = BODY.len();
        for sent in [
            format!("POST / HTTP/1.1\r\ncontent-length: {long}\r\n\r\n{BODY}"),
            format!(
                "POST / HTTP/1.1\r\ntransfer-encoding: gzip, Chunked\r\n\r\n{long:x};a=#\r\n{BODY}\r\n0\r\na: #\r\n\r\n"
            ),
            "G#T /x HTTP/1.1\r\nreferer: /a#b\r\n\r\n".to_owned(),
            // hyper goes on with trailers behind a bare LF.
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: y\n\nPOST / HTTP/1.1\nContent-Length: 1000\n\n\r\n\r\n".to_owned(),
        ] {
            assert!(!refuses(&sent), "{sent}");
            assert!(refuses(&format!("{sent}{BODY}")), "{sent}");
        }
    }
}
