//! The command `countersign`, as people run it, and the pages that say how.

mod any_module;
mod author;
mod bench;
mod bench_v8;
mod cases;
mod check;
mod connections;
mod credentials;
mod credentials_page;
mod eval;
mod explanations;
mod handles;
mod inspect_module;
mod json_page;
mod lint_diff;
mod mistakes;
mod policies_page;
mod readme;
mod reference;
mod scenarios;
mod scenarios_page;
mod serving;
mod serving_options;
mod shell;
mod support;
