//! `countersign bench`, in parts: what to measure, who decides, the rounds, the figures.

pub(crate) mod engine;
pub(crate) mod measure;
pub(crate) mod plan;
pub(crate) mod report;
