//! No proof twice (RFC 9449 §11.1), whichever worker sees it: a bounded table in what the workers share.
//!
//! A proof falls into one of many small shards by its digest, in the same way whatever the configuration says, since a reload
//! and a second plugin look into the same table. A shard is rewritten whole, and only if nobody else did since it was read. Living
//! records are never dropped: where a shard is full, the proof is refused. Dropped ones leave behind how young the youngest of them
//! was: what is no younger is refused from then on, so that neither a clock that is set back nor a longer age brings it back.

use crate::crypto::digest::Sha256;
use crate::reason::Reason;
use crate::shared::{NotWritten, SharedData, Unavailable};
use crate::time::{Span, Timestamp};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// How many shards there are: as many as a byte can name. It must not depend on the configuration.
pub(super) const SHARDS: usize = 256;

/// The least that a shard has room for.
const LEAST_ROOM: usize = 4;

/// One key has this part of a shard's room at most, so that no holder of a token shuts out the others.
const KEYS_TO_FILL: usize = 4;

/// How often a write is tried again where other workers write the same shard.
const ATTEMPTS: usize = 16;

/// Four bytes at the head of a shard: proofs issued before this second are not taken any more.
const HEAD: usize = 4;

/// Eight bytes of the proof's digest, eight of its key's, four of the second in which it was issued.
pub(super) const RECORD: usize = 20;

/// A proof that is good.
pub(super) struct Proof<'a> {
    /// The thumbprint of its key.
    pub(super) key: &'a [u8; 32],
    /// `jti`.
    pub(super) id: &'a str,
    /// `iat`.
    pub(super) issued_at: Timestamp,
}

/// How much is remembered.
pub(super) struct Memory {
    /// So many proofs, if they fall evenly.
    pub(super) entries: usize,
    /// For so long after they were issued.
    pub(super) max_age: Span,
}

impl Memory {
    /// How many records a shard has room for: twice its share, so that one seldom fills before the others.
    fn room(&self) -> usize {
        (self.entries / (SHARDS / 2)).max(LEAST_ROOM)
    }
}

/// A shard that a proof was noted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Noted {
    /// Which.
    pub(super) shard: u8,
    /// How many living proofs it has.
    pub(super) living: usize,
}

/// A proof as a shard has it.
struct Record {
    mark: [u8; 8],
    key: [u8; 8],
    /// Rounded down.
    issued: u32,
}

/// Notes that a proof was used, and refuses one that was.
pub(super) fn note(
    proof: &Proof<'_>,
    memory: &Memory,
    shared: &dyn SharedData,
    now: Timestamp,
) -> Result<Noted, Reason> {
    let (number, record) = place(proof).ok_or(Reason::SystemInternal)?;
    let name = name(number);
    for _ in 0..ATTEMPTS {
        let entry = shared.get(&name).map_err(|Unavailable| Reason::SystemSharedData)?;
        let (shard, version) = entry.map_or((Vec::new(), None), |entry| (entry.bytes, Some(entry.version)));
        let shard = with(&shard, &record, memory, now)?;
        let living = shard.len().saturating_sub(HEAD) / RECORD;
        match shared.set(&name, &shard, version) {
            Ok(()) => return Ok(Noted { shard: number, living }),
            Err(NotWritten::Changed) => {}
            Err(NotWritten::Unavailable) => return Err(Reason::SystemSharedData),
        }
    }
    Err(Reason::LimitDpop)
}

/// How many living proofs a shard has; nothing where that can't be seen.
pub(super) fn living(shard: u8, memory: &Memory, shared: &dyn SharedData, now: Timestamp) -> Option<usize> {
    let entry = shared.get(&name(shard)).ok()?;
    let bytes = entry.map(|entry| entry.bytes).unwrap_or_default();
    let (records, _) = bytes.get(HEAD..).unwrap_or_default().as_chunks::<RECORD>();
    let oldest = seconds(now.minus(memory.max_age));
    Some(records.iter().filter(|bytes| Record::read(bytes).issued >= oldest).count())
}

fn name(shard: u8) -> String {
    format!("countersign/dpop/proofs/{shard}")
}

/// The number of a proof's shard, and its record.
fn place(proof: &Proof<'_>) -> Option<(u8, Record)> {
    let mut digest = Sha256::new();
    digest.update_framed(proof.key).update_framed(proof.id.as_bytes());
    let digest = digest.finish();
    let shard = *digest.last()?;
    let record = Record {
        mark: *digest.first_chunk()?,
        key: *proof.key.first_chunk()?,
        issued: seconds(proof.issued_at),
    };
    Some((shard, record))
}

/// A shard with its living records and one more.
fn with(shard: &[u8], new: &Record, memory: &Memory, now: Timestamp) -> Result<Vec<u8>, Reason> {
    let (head, records) = match shard {
        [] => ([0; HEAD], shard),
        _ => shard.split_first_chunk().map(|(head, rest)| (*head, rest)).ok_or(Reason::SystemSharedData)?,
    };
    let (records, rest) = records.as_chunks::<RECORD>();
    if !rest.is_empty() {
        return Err(Reason::SystemSharedData);
    }
    let mut floor = u32::from_be_bytes(head);
    // Proofs issued in a second before this one are too old, whatever the part of the second.
    let oldest = seconds(now.minus(memory.max_age));
    let mut kept = Vec::with_capacity(HEAD + (records.len() + 1) * RECORD);
    kept.extend_from_slice(&[0; HEAD]);
    let mut of_key = 0;
    for bytes in records {
        let record = Record::read(bytes);
        if record.issued < oldest {
            floor = floor.max(record.issued.saturating_add(1));
            continue;
        }
        if record.mark == new.mark {
            return Err(Reason::BindingDpopReplayed);
        }
        of_key += usize::from(record.key == new.key);
        kept.extend_from_slice(bytes);
    }
    if new.issued < floor {
        return Err(Reason::BindingDpopTime);
    }
    let room = memory.room();
    if kept.len() >= HEAD + room * RECORD {
        return Err(Reason::LimitDpop);
    }
    if of_key >= room / KEYS_TO_FILL {
        return Err(Reason::LimitDpop);
    }
    new.write(&mut kept);
    if let Some(head) = kept.first_chunk_mut() {
        *head = floor.to_be_bytes();
    }
    Ok(kept)
}

impl Record {
    fn read(bytes: &[u8; RECORD]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t] = *bytes;
        Self {
            mark: [a, b, c, d, e, f, g, h],
            key: [i, j, k, l, m, n, o, p],
            issued: u32::from_be_bytes([q, r, s, t]),
        }
    }

    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.mark);
        to.extend_from_slice(&self.key);
        to.extend_from_slice(&self.issued.to_be_bytes());
    }
}

/// Whole seconds since 1970, as many as can be written.
fn seconds(time: Timestamp) -> u32 {
    u32::try_from(time.as_secs().max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
