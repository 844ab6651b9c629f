//! Words of second parties that workers keep, and whether any worker has heard since that one no longer holds.
//!
//! Who keeps a word, that a token is active or a token that was given for it, leaves a mark in shared data. Who hears a refusal strikes the mark,
//! and who relies on the word looks whether it was struck since.
//!
//! A refusal of what nobody spoke for yet stands for as long as an answer may still be on its way that knows nothing of it. Anybody can make up
//! what is refused so, and thus it takes the room of nothing else.
//!
//! There are so many places, with so many marks each. Which place is a word's, and how it is told from others, is a digest with the workers'
//! secret. Where a place is full, a word goes unmarked that was to end soonest, but never one that was struck: its refusal counts where it is heard.

use crate::crypto::constant_time_eq;
use crate::shared::SharedData;
use crate::time::{Span, Timestamp};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// How many places there are. Gateways forget no name, so that there can't be one for each word.
const PLACES: u16 = 1_024;

/// How many marks a place has at most.
const MARKS: usize = 8;

/// The form of a place; others are not read.
const FORM: u8 = 2;

/// A digest, two times, and whether somebody spoke for it.
const RECORD_BYTES: usize = DIGEST_BYTES + 17;
const DIGEST_BYTES: usize = 16;

/// How often a write is tried against others.
const TRIES: usize = 8;

/// No word is relied on for longer; a mark that says so is of a clock that was set back.
const LONGEST: Span = Span::from_secs(86_400);

/// The mark of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    place: u16,
    digest: [u8; DIGEST_BYTES],
}

/// What stands of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Record {
    digest: [u8; DIGEST_BYTES],
    /// When it was struck.
    struck: Option<Timestamp>,
    /// Until when the word may be relied on; of a refusal alone, until when it stands.
    until: Timestamp,
    /// Whether there is a word, or a refusal alone.
    spoken: bool,
}

impl Mark {
    /// The mark of the word of which this is the keyed digest.
    pub(crate) fn of(digest: &[u8; 32]) -> Self {
        let [a, b, rest @ ..] = digest;
        let mut own = [0; DIGEST_BYTES];
        own.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        Self { place: u16::from_le_bytes([*a, *b]) % PLACES, digest: own }
    }

    /// Marks a word that may be relied on until then. What was struck stays so, and tells by its time
    /// which words it ended. False where there was no room for it.
    #[must_use]
    pub(crate) fn leave(&self, until: Timestamp, shared: &dyn SharedData, now: Timestamp) -> bool {
        let until = until.min(now.plus(LONGEST));
        self.change(shared, now, |records| {
            if let Some(own) = records.iter_mut().find(|record| self.is_of(record)) {
                own.until = own.until.max(until);
                own.spoken = true;
                // A time to come is one from before the clock was set back.
                own.struck = own.struck.filter(|struck| *struck <= now);
                return true;
            }
            let record = Record { digest: self.digest, struck: None, until, spoken: true };
            put(records, record, |other| !other.spoken || other.struck.is_none())
        })
    }

    /// A refusal was heard: whatever was asked for before counts no more. Where nobody has spoken for it, that stands for `late`, the
    /// longest time that an answer may be on its way. False where there was no room for it.
    #[must_use]
    pub(crate) fn strike(&self, late: Span, shared: &dyn SharedData, now: Timestamp) -> bool {
        self.change(shared, now, |records| {
            let until = now.plus(late);
            if let Some(own) = records.iter_mut().find(|record| self.is_of(record)) {
                own.until = own.until.max(until);
                own.struck = Some(now);
                return true;
            }
            let record = Record { digest: self.digest, struck: Some(now), until, spoken: false };
            put(records, record, |other| !other.spoken)
        })
    }

    /// Whether a worker has heard, since this was asked for, that it no longer holds.
    pub(crate) fn is_struck_since(&self, asked: Timestamp, shared: &dyn SharedData) -> bool {
        let Ok(Some(entry)) = shared.get(&self.name()) else { return false };
        let own = read(&entry.bytes).find(|record| self.is_of(record));
        own.and_then(|own| own.struck).is_some_and(|struck| asked <= struck)
    }

    fn name(&self) -> String {
        format!("countersign/marks/{}", self.place)
    }

    fn is_of(&self, record: &Record) -> bool {
        constant_time_eq(&record.digest, &self.digest)
    }

    /// Changes the place, where `change` finds room; whether it did, and whether that was written.
    fn change(
        &self,
        shared: &dyn SharedData,
        now: Timestamp,
        change: impl Fn(&mut Vec<Record>) -> bool,
    ) -> bool {
        let name = self.name();
        for _ in 0..TRIES {
            let Ok(entry) = shared.get(&name) else { return false };
            let mut records: Vec<Record> = entry.iter().flat_map(|entry| read(&entry.bytes)).collect();
            records.retain(|record| now < record.until && record.until <= now.plus(LONGEST));
            if !change(&mut records) {
                return false;
            }
            if shared.set(&name, &written(&records), entry.map(|entry| entry.version)).is_ok() {
                return true;
            }
        }
        false
    }
}

/// Adds a record; where there is no room, in the place of one that `yields`: first a refusal alone, then what ends soonest.
fn put(records: &mut Vec<Record>, record: Record, yields: impl Fn(&Record) -> bool) -> bool {
    if records.len() >= MARKS {
        let yielding = records.iter().enumerate().filter(|(_, other)| yields(other));
        let Some((first, _)) = yielding.min_by_key(|(_, other)| (other.spoken, other.until)) else {
            return false;
        };
        records.swap_remove(first);
    }
    records.push(record);
    true
}

fn written(records: &[Record]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + records.len() * RECORD_BYTES);
    out.push(FORM);
    for record in records {
        out.extend_from_slice(&record.digest);
        let struck = record.struck.map_or(i64::MIN, Timestamp::as_nanos);
        out.extend_from_slice(&struck.to_le_bytes());
        out.extend_from_slice(&record.until.as_nanos().to_le_bytes());
        out.push(u8::from(record.spoken));
    }
    out
}

/// What stands in a place; nothing where it is no place of this form.
fn read(bytes: &[u8]) -> impl Iterator<Item = Record> + '_ {
    let records = match bytes.split_first() {
        Some((&FORM, records)) if records.len() <= MARKS * RECORD_BYTES => records,
        _ => &[],
    };
    records.chunks_exact(RECORD_BYTES).filter_map(|record| {
        let (digest, times) = record.split_first_chunk()?;
        let (struck, times) = times.split_first_chunk()?;
        let (until, spoken) = times.split_first_chunk()?;
        let struck = Some(i64::from_le_bytes(*struck)).filter(|struck| *struck != i64::MIN);
        Some(Record {
            digest: *digest,
            struck: struck.map(Timestamp::from_nanos),
            until: Timestamp::from_nanos(i64::from_le_bytes(*until)),
            spoken: *spoken.first()? != 0,
        })
    })
}

#[cfg(test)]
mod tests;
