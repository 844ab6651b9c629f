//! `countersign bench`, in parts: what to measure (`case`, `plan`, `requests`), what answers (`engine`), what is found out (`measure`,
//! `costs`, `open_loop`, `counts`, `v8`, `profile`), and how it is shown (`report`, `table`, `page`, `baseline`).

pub(crate) mod baseline;
pub(crate) mod budget;
pub(crate) mod case;
pub(crate) mod clock;
pub(crate) mod costs;
pub(crate) mod counts;
pub(crate) mod engine;
pub(crate) mod measure;
pub(crate) mod open_loop;
pub(crate) mod page;
pub(crate) mod plan;
pub(crate) mod profile;
pub(crate) mod report;
pub(crate) mod requests;
pub(crate) mod run;
pub(crate) mod stats;
pub(crate) mod table;
pub(crate) mod units;
pub(crate) mod v8;
