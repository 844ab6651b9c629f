//! No proof twice (RFC 9449 §11.1), whichever worker sees it: a bounded table in what the workers share.
//!
//! A proof falls into one of many small shards by its digest. A shard is a list of records, rewritten whole and only if nobody
//! else did since it was read. Living records are never dropped: where a shard is full, the proof is refused.

use crate::crypto::digest::Sha256;
use crate::reason::Reason;
use crate::shared::{NotWritten, SharedData, Unavailable};
use crate::time::Timestamp;
use alloc::format;
use alloc::vec::Vec;

/// How many records a shard has room for: twice its share, so that one seldom fills before the others.
const SHARD_ROOM: usize = 64;

/// Eight bytes of digest, four of the second in which the proof ends.
const RECORD: usize = 12;

/// How often a write is tried again where other workers write the same shard.
const ATTEMPTS: usize = 16;

/// A proof that is good.
pub(super) struct Proof<'a> {
    /// The thumbprint of its key.
    pub(super) key: &'a [u8; 32],
    /// `jti`.
    pub(super) id: &'a str,
    /// When it is too old to be used.
    pub(super) end: Timestamp,
}

/// Notes that a proof was used, and refuses one that was.
pub(super) fn note(
    proof: &Proof<'_>,
    entries: usize,
    shared: &dyn SharedData,
    now: Timestamp,
) -> Result<(), Reason> {
    let mut digest = Sha256::new();
    digest.update_framed(proof.key).update_framed(proof.id.as_bytes());
    let digest = digest.finish();
    let (Some(mark), Some(place)) = (digest.first_chunk::<8>(), digest.last_chunk::<4>()) else {
        return Err(Reason::SystemInternal);
    };
    let shards = u32::try_from((entries / (SHARD_ROOM / 2)).max(1)).unwrap_or(u32::MAX);
    let name = format!("countersign/dpop/used/{}", u32::from_be_bytes(*place) % shards);
    // The second after its end: rounding never makes it forgotten early.
    let end = u32::try_from(proof.end.as_secs().saturating_add(1)).unwrap_or(u32::MAX);
    let second = u32::try_from(now.as_secs()).unwrap_or(u32::MAX);
    for _ in 0..ATTEMPTS {
        let entry = shared.get(&name).map_err(|Unavailable| Reason::SystemSharedData)?;
        let (records, version) = entry.map_or((Vec::new(), None), |entry| (entry.bytes, Some(entry.version)));
        let records = with(&records, *mark, end, second)?;
        match shared.set(&name, &records, version) {
            Ok(()) => return Ok(()),
            Err(NotWritten::Changed) => {}
            Err(NotWritten::Unavailable) => return Err(Reason::SystemSharedData),
        }
    }
    Err(Reason::LimitDpop)
}

/// The living records and one more.
fn with(records: &[u8], mark: [u8; 8], end: u32, now: u32) -> Result<Vec<u8>, Reason> {
    let (records, rest) = records.as_chunks::<RECORD>();
    if !rest.is_empty() {
        return Err(Reason::SystemSharedData);
    }
    let mut kept = Vec::with_capacity((records.len() + 1) * RECORD);
    for record in records {
        let (have, until) = record.split_at(8);
        let until = until.first_chunk().map_or(u32::MAX, |until| u32::from_be_bytes(*until));
        if until <= now {
            continue;
        }
        if have == mark {
            return Err(Reason::BindingDpopReplayed);
        }
        kept.extend_from_slice(record);
    }
    if kept.len() >= SHARD_ROOM * RECORD {
        return Err(Reason::LimitDpop);
    }
    kept.extend_from_slice(&mark);
    kept.extend_from_slice(&end.to_be_bytes());
    Ok(kept)
}
