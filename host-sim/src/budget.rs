//! What all callbacks of a host may use up together: in one step, and in its life. It bounds what limits on one callback do not, a
//! module whose callbacks bring about further ones without end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use crate::engine::Engine;
use crate::error::{Failure, FailureKind};
use crate::limits::{Allowance, Limits};
use crate::shared::lock;

/// Callbacks that a message names.
const NAMED: usize = 3;

/// The budget of one host. Its VMs draw on it in turns, so that plain loads and stores will do.
pub(crate) struct Budget {
    engine: Engine,
    step: Account,
    case: Account,
    /// Callbacks by name, counted once a step has used up half of what it has.
    seen: Mutex<BTreeMap<&'static str, u64>>,
    counts: AtomicBool,
    spent: OnceLock<Failure>,
}

/// What is left of an allowance.
struct Account {
    name: &'static str,
    whole: Allowance,
    callbacks: AtomicU64,
    fuel: AtomicU64,
    /// The epoch that it ends at.
    until: AtomicU64,
}

/// What is left for the callback that begins.
#[derive(Clone, Copy)]
pub(crate) struct Left {
    pub(crate) fuel: u64,
    pub(crate) epochs: u64,
}

impl Left {
    /// No bound.
    pub(crate) const ALL: Self = Self { fuel: u64::MAX, epochs: u64::MAX };
}

impl Account {
    fn new(name: &'static str, whole: &Allowance) -> Self {
        let (callbacks, fuel, until) = Default::default();
        Self { name, whole: whole.clone(), callbacks, fuel, until }
    }

    fn refill(&self, engine: &Engine) {
        self.callbacks.store(self.whole.callbacks, Ordering::Relaxed);
        self.fuel.store(self.whole.fuel, Ordering::Relaxed);
        let epochs = self.whole.time.as_nanos().div_ceil(engine.epoch().as_nanos().max(1));
        let epochs = u64::try_from(epochs).unwrap_or(u64::MAX);
        self.until.store(engine.epochs().saturating_add(epochs), Ordering::Relaxed);
    }
}

impl Budget {
    pub(crate) fn new(engine: &Engine, limits: &Limits) -> Arc<Self> {
        let (step, case) = (Account::new("step", &limits.step), Account::new("case", &limits.case));
        case.refill(engine);
        step.refill(engine);
        Arc::new(Self {
            engine: engine.clone(),
            step,
            case,
            seen: Mutex::default(),
            counts: AtomicBool::new(false),
            spent: OnceLock::new(),
        })
    }

    /// A step begins.
    pub(crate) fn begin(&self) {
        self.step.refill(&self.engine);
        if self.counts.swap(false, Ordering::Relaxed) {
            lock(&self.seen).clear();
        }
    }

    /// A callback is about to be called. What is left for it, or why there is nothing.
    pub(crate) fn enter(&self, callback: &'static str) -> Result<Left, Failure> {
        if let Some(failure) = self.spent.get() {
            return Err(failure.clone());
        }
        let now = self.engine.epochs();
        let mut left = Left::ALL;
        for account in [&self.step, &self.case] {
            let callbacks = account.callbacks.load(Ordering::Relaxed);
            let fuel = account.fuel.load(Ordering::Relaxed);
            let epochs = account.until.load(Ordering::Relaxed).saturating_sub(now);
            if callbacks == 0 {
                return Err(self.spend(callback, account, What::Callbacks));
            }
            if fuel == 0 {
                return Err(self.spend(callback, account, What::Fuel));
            }
            if epochs == 0 {
                return Err(self.spend(callback, account, What::Time));
            }
            account.callbacks.store(callbacks - 1, Ordering::Relaxed);
            left = Left { fuel: left.fuel.min(fuel), epochs: left.epochs.min(epochs) };
        }
        if self.step.callbacks.load(Ordering::Relaxed) < self.step.whole.callbacks / 2 {
            self.counts.store(true, Ordering::Relaxed);
            *lock(&self.seen).entry(callback).or_default() += 1;
        }
        Ok(left)
    }

    /// Callbacks have used up fuel.
    pub(crate) fn burn(&self, fuel: u64) {
        for account in [&self.step, &self.case] {
            let left = account.fuel.load(Ordering::Relaxed);
            account.fuel.store(left.saturating_sub(fuel), Ordering::Relaxed);
        }
    }

    /// Why a callback that was stopped had no more fuel or time, where that was not its own limit but the budget's.
    pub(crate) fn explain(&self, callback: &'static str, kind: FailureKind) -> Option<Failure> {
        let now = self.engine.epochs();
        let (account, what) = [&self.step, &self.case].into_iter().find_map(|account| match kind {
            FailureKind::Fuel if account.fuel.load(Ordering::Relaxed) == 0 => Some((account, What::Fuel)),
            FailureKind::Deadline | FailureKind::TooSlow if account.until.load(Ordering::Relaxed) <= now => {
                Some((account, What::Time))
            }
            _ => None,
        })?;
        Some(self.spend(callback, account, what))
    }

    /// Why the module did not come to rest, where it did not.
    pub(crate) fn spent(&self) -> Option<&Failure> {
        self.spent.get()
    }

    fn spend(&self, callback: &'static str, account: &Account, what: What) -> Failure {
        let seen = lock(&self.seen);
        let mut names: Vec<_> = seen.iter().map(|(name, count)| (*count, *name)).collect();
        names.sort_by(|left, right| right.cmp(left));
        let mut last: Vec<String> =
            names.iter().take(NAMED).map(|(count, name)| format!("{count} of `{name}`")).collect();
        if last.is_empty() {
            last.push(format!("`{callback}`"));
        }
        let (name, whole) = (account.name, &account.whole);
        let amount = match what {
            What::Callbacks => format!("{} callbacks", whole.callbacks),
            What::Fuel => format!("{} of fuel", whole.fuel),
            What::Time => seconds(whole.time),
        };
        let failure = Failure {
            kind: match what {
                What::Time if self.engine.meters_fuel() => FailureKind::TooSlow,
                _ => FailureKind::Restless,
            },
            callback,
            message: format!("a {name} has {amount}, and there were more, the last ones {}", last.join(", ")),
        };
        self.spent.get_or_init(|| failure).clone()
    }
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}

#[derive(Clone, Copy)]
enum What {
    Callbacks,
    Fuel,
    Time,
}
