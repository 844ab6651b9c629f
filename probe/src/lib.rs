//! A proxy-wasm module that asks its host questions: it calls host functions in every phase, with good and bad arguments, and writes down
//! what it got. Run in a gateway and in the simulator, it shows where the two differ.
//!
//! What is asked is data: [`plan`] has the tables. A line of the transcript is one of
//!
//! ```text
//! request_headers(2, 7, 0)                                         the host called
//! request_headers get_header_map_value(0, ":path") -> 0 "/"        the host was called, with this status and these results
//! request_headers = 1                                              what the host got back
//! ```
//!
//! Bytes stand in quotes, with `\xNN` for what is not printable ASCII; `-` is a result that was not written.

mod arg;
mod callbacks;
mod host;
mod plan;
mod text;
mod vm;
