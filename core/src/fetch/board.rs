//! What the workers of a gateway tell each other about one document, so that one of them fetches for all.
//!
//! Two entries of shared data: the status, which is small and looked at often, and the document itself. Their names hold a
//! digest of what the document is and how one gets to it, so that two sources never meet. Nothing in them is believed further than an answer from the
//! network is: times are bounded, and documents are read by the same readers.

use super::keeper::AHEAD;
use super::{Brought, Source};
use crate::time::{Span, Timestamp};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The forms of both entries; others are not read.
const FORM: u8 = 2;

/// What a document's entry may hold beside the document: the one that led to it, and lengths.
const MAX_BESIDE_BYTES: usize = 128 * 1024;

/// The names of both entries.
pub(super) struct Names {
    pub(super) status: String,
    pub(super) document: String,
}

impl Names {
    /// For the source of this name.
    pub(super) fn of(source: &str) -> Self {
        Self {
            status: format!("countersign.keys.{source}.status"),
            document: format!("countersign.keys.{source}.document"),
        }
    }
}

/// Who fetches, and how it went so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    /// Counts the fetches that have ended.
    pub(super) round: u64,
    /// The round that brought the document; 0 while there is none.
    pub(super) good: u64,
    /// The worker that fetches; 0 where none does.
    pub(super) holder: u64,
    /// Until when nobody else does.
    pub(super) until: Timestamp,
    /// Failures in a row.
    pub(super) failures: u32,
    /// When the last of them was.
    pub(super) failed: Timestamp,
    /// When what the document lacked last set off a fetch.
    pub(super) part: Timestamp,
}

impl Status {
    /// Until when somebody else than `me` fetches. A lease that ends later than any can is of a clock that was set back since, and
    /// none.
    pub(super) fn led_by_other(&self, me: u64, longest: Span, now: Timestamp) -> Option<Timestamp> {
        let live = now < self.until && self.until <= now.plus(longest).plus(AHEAD);
        (live && self.holder != 0 && self.holder != me).then_some(self.until)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        out.push(FORM);
        for number in [self.round, self.good, self.holder, u64::from(self.failures)] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for time in [self.until, self.failed, self.part] {
            out.extend_from_slice(&time.as_nanos().to_le_bytes());
        }
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut from = Reader::new(bytes)?;
        let status = Self {
            round: from.number()?,
            good: from.number()?,
            holder: from.number()?,
            failures: u32::try_from(from.number()?).ok()?,
            until: from.time()?,
            failed: from.time()?,
            part: from.time()?,
        };
        from.0.is_empty().then_some(status)
    }
}

/// What a fetch brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shared<'a> {
    /// How.
    pub(super) brought: Brought,
    /// The discovery document that led to it, with the time when that was fetched.
    pub(super) discovery: Option<(Timestamp, &'a [u8])>,
    /// The document.
    pub(super) document: &'a [u8],
}

impl<'a> Shared<'a> {
    /// Nothing where it is too large to be shared.
    pub(super) fn encode(&self, source: &Source) -> Option<Vec<u8>> {
        let (discovered, discovery) = self.discovery.unwrap_or_default();
        let mut out = Vec::with_capacity(56 + discovery.len() + self.document.len());
        out.push(FORM);
        let Brought { asked, took, said } = self.brought;
        let said = said.map_or(-1, Span::as_nanos);
        for number in [asked.as_nanos(), took.as_nanos(), said, discovered.as_nanos()] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for part in [discovery, self.document] {
            out.extend_from_slice(&u64::try_from(part.len()).ok()?.to_le_bytes());
            out.extend_from_slice(part);
        }
        (out.len() <= largest(source)).then_some(out)
    }

    pub(super) fn decode(bytes: &'a [u8], source: &Source) -> Option<Self> {
        if bytes.len() > largest(source) {
            return None;
        }
        let mut from = Reader::new(bytes)?;
        let (asked, took, said) = (from.time()?, from.span()?, from.span()?);
        let discovered = from.time()?;
        let (discovery, document) = (from.part()?, from.part()?);
        from.0.is_empty().then_some(Self {
            brought: Brought { asked, took, said: Some(said).filter(|said| *said >= Span::ZERO) },
            discovery: (!discovery.is_empty()).then_some((discovered, discovery)),
            document,
        })
    }
}

fn largest(source: &Source) -> usize {
    source.max_bytes.saturating_add(MAX_BESIDE_BYTES)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Option<Self> {
        let (form, rest) = bytes.split_first()?;
        (*form == FORM).then_some(Self(rest))
    }

    fn number(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*number))
    }

    fn time(&mut self) -> Option<Timestamp> {
        self.number().map(|number| Timestamp::from_nanos(number.cast_signed()))
    }

    fn span(&mut self) -> Option<Span> {
        self.number().map(|number| Span::from_nanos(number.cast_signed()))
    }

    fn part(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (part, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::keeper::tests::source;
    use proptest::prelude::*;

    fn status() -> Status {
        Status {
            round: 7,
            good: 6,
            holder: 9,
            until: Timestamp::from_secs(100),
            failures: 1,
            failed: Timestamp::from_secs(50),
            part: Timestamp::from_secs(40),
        }
    }

    #[test]
    fn what_is_written_is_read_and_every_cut_and_surplus_is_not() {
        let written = status().encode();
        assert_eq!(Status::decode(&written), Some(status()));
        let shared = Shared {
            brought: Brought {
                asked: Timestamp::from_secs(5),
                took: Span::from_millis(40),
                said: Some(Span::from_secs(3)),
            },
            discovery: Some((Timestamp::from_secs(4), b"{}")),
            document: b"{\"keys\":[]}",
        };
        let document = shared.encode(&source()).unwrap();
        assert_eq!(Shared::decode(&document, &source()), Some(shared.clone()));
        let brought = Brought { said: None, ..shared.brought };
        let bare = Shared { brought, discovery: None, ..shared };
        assert_eq!(Shared::decode(&bare.encode(&source()).unwrap(), &source()), Some(bare));
        for cut in 0..written.len() {
            assert_eq!(Status::decode(&written[..cut]), None, "{cut}");
        }
        for cut in 0..document.len() {
            assert_eq!(Shared::decode(&document[..cut], &source()), None, "{cut}");
        }
        assert_eq!(Status::decode(&[&*written, &[0]].concat()), None);
        assert_eq!(Shared::decode(&[&*document, &[0]].concat(), &source()), None);
        assert_eq!(Status::decode(&[&[FORM + 1], &written[1..]].concat()), None);
    }

    #[test]
    fn a_lease_is_anothers_while_it_lasts() {
        let longest = Span::from_secs(10);
        let until = |me, now| status().led_by_other(me, longest, Timestamp::from_secs(now));
        assert_eq!(until(1, 99), Some(Timestamp::from_secs(100)));
        assert_eq!(until(9, 99), None, "our own");
        assert_eq!(until(1, 100), None, "over");
        assert_eq!(until(1, 50), None, "longer than a lease can be: the clock was set back");
        assert_eq!(until(1, 88), None, "the same");
        assert_eq!(
            until(1, 89),
            Some(Timestamp::from_secs(100)),
            "taken a moment ago by who read the clock later"
        );
        let free = Status { holder: 0, ..status() };
        assert_eq!(free.led_by_other(1, longest, Timestamp::from_secs(99)), None);
    }

    #[test]
    fn what_is_too_large_is_not_shared() {
        let document = alloc::vec![b' '; largest(&source())];
        let brought = Brought { asked: Timestamp::default(), took: Span::ZERO, said: None };
        let shared = Shared { brought, discovery: None, document: &document };
        assert_eq!(shared.encode(&source()), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let marked = [&[FORM], &*bytes].concat();
            for bytes in [&bytes, &marked] {
                if let Some(status) = Status::decode(bytes) {
                    prop_assert_eq!(&status.encode(), bytes);
                }
                if let Some(shared) = Shared::decode(bytes, &source()) {
                    prop_assert!(shared.document.len() < bytes.len());
                }
            }
        }
    }
}
