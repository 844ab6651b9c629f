//! Words of second parties that workers keep, and whether any worker has heard since that one no longer holds.
//!
//! Who keeps a word, that a token is active or a token that was given for it, leaves a mark in shared data. Who hears a refusal strikes the mark,
//! and who relies on the word looks whether it was struck since. Only what is marked is struck: what nobody ever spoke for, and so what
//! anybody can make up, takes no room.
//!
//! There are so many places, with so many marks each. Which place is a word's, and how it is told from others, is a digest with the workers'
//! secret. Where a place is full, a word goes unmarked that was to end soonest: its refusal counts where it is heard.

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
const FORM: u8 = 1;

/// A digest and two times.
const RECORD_BYTES: usize = DIGEST_BYTES + 16;
const DIGEST_BYTES: usize = 16;

/// How often a write is tried against others.
const TRIES: usize = 4;

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
    /// Until when the word may be relied on.
    until: Timestamp,
}

impl Mark {
    /// The mark of the word of which this is the keyed digest.
    pub(crate) fn of(digest: &[u8; 32]) -> Self {
        let [a, b, rest @ ..] = digest;
        let mut own = [0; DIGEST_BYTES];
        own.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        Self { place: u16::from_le_bytes([*a, *b]) % PLACES, digest: own }
    }

    /// Marks a word that was asked for at `asked`, and may be relied on until then. What was struck since stays so.
    pub(crate) fn leave(&self, asked: Timestamp, until: Timestamp, shared: &dyn SharedData, now: Timestamp) {
        let until = until.min(now.plus(LONGEST));
        self.change(shared, |records| {
            records.retain(|record| now < record.until && record.until <= now.plus(LONGEST));
            if let Some(own) = records.iter_mut().find(|record| self.is_of(record)) {
                own.until = own.until.max(until);
                own.struck = own.struck.filter(|struck| asked < *struck && *struck <= now);
                return true;
            }
            if records.len() >= MARKS
                && let Some(first) = soonest(records)
            {
                records.swap_remove(first);
            }
            records.push(Record { digest: self.digest, struck: None, until });
            true
        });
    }

    /// A refusal was heard: whatever was said before counts no more.
    pub(crate) fn strike(&self, shared: &dyn SharedData, now: Timestamp) {
        self.change(shared, |records| {
            let own = records.iter_mut().find(|record| self.is_of(record));
            own.is_some_and(|own| {
                own.struck = Some(now);
                true
            })
        });
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

    /// Changes the place, where there is something to change.
    fn change(&self, shared: &dyn SharedData, change: impl Fn(&mut Vec<Record>) -> bool) {
        let name = self.name();
        for _ in 0..TRIES {
            let Ok(entry) = shared.get(&name) else { return };
            let mut records: Vec<Record> = entry.iter().flat_map(|entry| read(&entry.bytes)).collect();
            if !change(&mut records) {
                return;
            }
            if shared.set(&name, &written(&records), entry.map(|entry| entry.version)).is_ok() {
                return;
            }
        }
    }
}

/// Whose room is taken: a mark that was not struck, and of those the one that ends soonest.
fn soonest(records: &[Record]) -> Option<usize> {
    let order = |(_, record): &(usize, &Record)| (record.struck.is_some(), record.until);
    records.iter().enumerate().min_by_key(order).map(|(index, _)| index)
}

fn written(records: &[Record]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + records.len() * RECORD_BYTES);
    out.push(FORM);
    for record in records {
        out.extend_from_slice(&record.digest);
        let struck = record.struck.map_or(i64::MIN, Timestamp::as_nanos);
        out.extend_from_slice(&struck.to_le_bytes());
        out.extend_from_slice(&record.until.as_nanos().to_le_bytes());
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
        let (struck, until) = times.split_first_chunk()?;
        let struck = Some(i64::from_le_bytes(*struck)).filter(|struck| *struck != i64::MIN);
        Some(Record {
            digest: *digest,
            struck: struck.map(Timestamp::from_nanos),
            until: Timestamp::from_nanos(i64::from_le_bytes(*until.first_chunk()?)),
        })
    })
}

#[cfg(test)]
mod tests;
