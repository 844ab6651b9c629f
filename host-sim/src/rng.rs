//! Random bytes: a seeded sequence that repeats, or the system's.

use rustls::crypto::SecureRandom;

#[derive(Clone)]
pub(crate) enum Rng {
    /// SplitMix64: not for secrets, the same on each run.
    Seeded(u64),
    System(&'static dyn SecureRandom),
}

/// Fills `out` with the first random bytes that a worker's VM gets where the host was given this seed.
pub fn first_random_bytes(seed: u64, worker: usize, out: &mut [u8]) {
    // Of a seeded sequence there is no end.
    let _ = Rng::of_worker(seed, worker).fill(out);
}

impl Rng {
    /// The sequence of one worker.
    pub(crate) fn of_worker(seed: u64, worker: usize) -> Self {
        Self::Seeded(seed.wrapping_add((worker as u64).wrapping_mul(0xd134_2543_de82_ef95)))
    }

    pub(crate) fn system() -> Self {
        Self::System(rustls::crypto::ring::default_provider().secure_random)
    }

    pub(crate) fn fill(&mut self, out: &mut [u8]) -> bool {
        match self {
            Self::Seeded(state) => {
                for chunk in out.chunks_mut(8) {
                    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                    let mut z = *state;
                    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                    let bytes = (z ^ (z >> 31)).to_le_bytes();
                    chunk.copy_from_slice(bytes.get(..chunk.len()).unwrap_or_default());
                }
                true
            }
            Self::System(random) => random.fill(out).is_ok(),
        }
    }
}
