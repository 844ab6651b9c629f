//! Several workers of one gateway in memory, which share data as a host's workers do.

use std::rc::Rc;

use anyhow::{Context as _, Result};
use countersign_core::gateway::{Call, Entropy, Gateway};
use countersign_core::settings::Settings;
use countersign_core::shared::{Alone, Entry, NotWritten, SharedData, Unavailable};
use serde_json::Value;

use crate::mint::SigningKey;
use crate::world::World;

/// Workers with the same configuration, on the same clock.
pub struct Workers {
    /// The issuer's key at the start.
    pub key: SigningKey,
    /// Each a world of its own.
    pub all: Vec<World>,
    shared: Rc<Alone>,
    change: fn(&mut Value),
    born: u64,
}

impl Workers {
    /// So many workers whose keys are fetched, with a changed configuration.
    pub fn configured(count: usize, change: fn(&mut Value)) -> Result<Self> {
        let key = SigningKey::new("k1")?;
        let mut workers = Self { key, all: Vec::new(), shared: Rc::default(), change, born: 0 };
        for _ in 0..count {
            let worker = workers.newborn()?;
            workers.all.push(worker);
        }
        Ok(workers)
    }

    /// A worker that begins now, in the place of the one at `index`, which has gone with all that it knew.
    pub fn restart(&mut self, index: usize) -> Result<()> {
        let mut worker = self.newborn()?;
        let gone = self.all.get_mut(index).context("no such worker")?;
        worker.set_now(gone.now());
        *gone = worker;
        Ok(())
    }

    fn newborn(&mut self) -> Result<World> {
        self.born += 1;
        let mut world = World::with_key(self.key.clone(), self.change)?;
        let entropy = Entropy { decision_nonce: self.born, cache_key: (2, 3), secret: [4; 32] };
        let mut gateway = Gateway::new(Rc::<Settings>::clone(world.gateway.settings()), entropy);
        gateway.set_shared(Rc::clone(&self.shared) as _);
        world.gateway = gateway;
        Ok(world)
    }

    /// What they share.
    pub fn shared(&self) -> Rc<Alone> {
        Rc::clone(&self.shared)
    }

    /// Lets time pass for all.
    pub fn advance(&mut self, secs: i64) {
        self.all.iter_mut().for_each(|world| world.advance(secs));
    }

    /// Every worker ticks and says what it wants to fetch, with its place.
    pub fn fetches(&mut self) -> Vec<(usize, Call)> {
        let mut fetches = Vec::new();
        for (index, world) in self.all.iter_mut().enumerate() {
            world.tick();
            fetches.extend(world.fetch().map(|fetch| (index, fetch)));
        }
        fetches
    }

    /// Answers whatever is to be fetched now with these keys; how many fetches there were.
    pub fn serve(&mut self, keys: &[&SigningKey]) -> usize {
        let fetches = self.fetches();
        for (index, fetch) in &fetches {
            if let Some(world) = self.all.get_mut(*index) {
                world.publish(fetch, keys);
            }
        }
        self.all.iter_mut().for_each(|world| drop(world.tick()));
        fetches.len()
    }
}

/// Shared data in which a refusal that one worker hears can't be told to the others.
pub struct Unmarked(pub Rc<Alone>);

impl SharedData for Unmarked {
    fn get(&self, name: &str) -> Result<Option<Entry>, Unavailable> {
        self.0.get(name)
    }

    fn set(&self, name: &str, bytes: &[u8], version: Option<u32>) -> Result<(), NotWritten> {
        if name.contains("/marks/") { Err(NotWritten::Changed) } else { self.0.set(name, bytes, version) }
    }
}
