//! Many cases at once, on as many threads as there are to be, with the results in the order of the files.

use super::plan::Plan;
use super::run::Runner;
use crate::decider::Engines;
use crate::report::CaseResult;
use countersign_host_sim::Module;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many cases are worth a bar.
const WORTH_A_BAR: usize = 100;

/// Cases to run.
pub(crate) struct Batch<'p> {
    jobs: usize,
    parts: Vec<Part<'p>>,
}

/// Cases of one file.
struct Part<'p> {
    file: usize,
    plan: &'p Plan,
    engines: Engines,
    chosen: Vec<usize>,
    again: String,
}

impl<'p> Batch<'p> {
    /// An empty one that runs so many cases at once.
    pub(crate) fn new(jobs: usize) -> Self {
        Self { jobs, parts: Vec::new() }
    }

    /// Adds cases of a plan, which belong to the file of this number.
    pub(crate) fn add(
        &mut self,
        file: usize,
        plan: &'p Plan,
        engines: Engines,
        chosen: Vec<usize>,
        again: String,
    ) {
        self.parts.push(Part { file, plan, engines, chosen, again });
    }

    /// Runs them: the results of each file, in the order of its cases. `filter` is Countersign's module.
    pub(crate) fn run(self, filter: Option<&Module>) -> Vec<(usize, Vec<CaseResult>)> {
        let all: Vec<(usize, usize)> = self
            .parts
            .iter()
            .enumerate()
            .flat_map(|(part, cases)| cases.chosen.iter().map(move |index| (part, *index)))
            .collect();
        let next = AtomicUsize::new(0);
        let threads = self.jobs.clamp(1, all.len().max(1));
        let progress = progress(all.len());
        let work = || self.work(&all, &next, filter, &progress);
        let mut done: BTreeMap<usize, CaseResult> = BTreeMap::new();
        std::thread::scope(|scope| {
            let started: Vec<_> = (0..threads)
                .filter_map(|_| {
                    std::thread::Builder::new().stack_size(crate::STACK).spawn_scoped(scope, work).ok()
                })
                .collect();
            if started.is_empty() {
                done.extend(work());
            }
            for thread in started {
                match thread.join() {
                    Ok(results) => done.extend(results),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
        });
        progress.finish_and_clear();
        let mut results: Vec<(usize, Vec<CaseResult>)> =
            self.parts.iter().map(|part| (part.file, Vec::new())).collect();
        for ((part, _), result) in all.into_iter().zip(done.into_values()) {
            if let Some((_, cases)) = results.get_mut(part) {
                cases.push(result);
            }
        }
        results
    }

    /// Takes one case after another until there are no more.
    fn work(
        &self,
        all: &[(usize, usize)],
        next: &AtomicUsize,
        filter: Option<&Module>,
        progress: &ProgressBar,
    ) -> Vec<(usize, CaseResult)> {
        let mut runners: BTreeMap<usize, Runner<'_>> = BTreeMap::new();
        let mut results = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some((number, index)) = all.get(at) else { return results };
            let Some(part) = self.parts.get(*number) else { return results };
            let runner =
                runners.entry(*number).or_insert_with(|| Runner::new(part.plan, part.engines, filter));
            results.push((at, runner.run(*index, &part.again)));
            progress.inc(1);
        }
    }
}

/// A bar on standard error, where that is a terminal and there is enough to wait for.
fn progress(cases: usize) -> ProgressBar {
    if cases < WORTH_A_BAR {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(cases as u64);
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} cases");
    style.map_or_else(|_| bar.clone(), |style| bar.clone().with_style(style))
}
