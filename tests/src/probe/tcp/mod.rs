//! The module as a network filter: the same connections through both gateways.

mod envoy;
mod simulator;

use super::quoted;
pub use envoy::through_envoy;
pub use simulator::through_simulator;

/// What either side does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The client sends, and the module is called for it.
    Send(&'static str),
    /// The client sends, and the module is not called for it: it has closed the connection.
    SendInVain(&'static str),
    /// The client sends no more.
    End,
    /// The upstream sends, and the module is called for it.
    Answer(&'static str),
    /// The upstream sends no more.
    AnswerEnd,
    /// The client breaks the connection off, once it has been sent something.
    BreakOff,
    /// The upstream breaks it off, once it has been sent something.
    AnswerBreakOff,
    /// Until there is a line that begins so.
    Await(&'static str),
}

/// One connection: what the module does with it, and what the others do.
#[derive(Clone, Copy, Debug)]
pub struct Session {
    /// The module's script.
    pub script: &'static str,
    /// In order.
    pub turns: &'static [Turn],
}

use Turn::{Answer, AnswerBreakOff, AnswerEnd, Await, BreakOff, End, Send, SendInVain};

const fn session(script: &'static str, turns: &'static [Turn]) -> Session {
    Session { script, turns }
}

/// Either side says something twice, and the client ends first.
const TALK: &[Turn] = &[Send("one"), Send("two"), Answer("abcdef"), Answer("ghi"), End, AnswerEnd];

/// All connections: those of one script share a VM.
pub const SESSIONS: &[Session] = &[
    session("tcp-calls", &[Send("request data"), Answer("response data"), AnswerEnd, End]),
    session("tcp-order", TALK),
    session("tcp-order", &[Send("one"), Answer("two"), AnswerEnd, End]),
    session("tcp-order", &[AnswerEnd, Send("late"), End]),
    session("tcp-order", &[End, Answer("late"), AnswerEnd]),
    session("tcp-order", &[Send("one"), Answer("two"), BreakOff]),
    session("tcp-order", &[Send("one"), Answer("two"), AnswerBreakOff]),
    session("tcp-edits", TALK),
    session("tcp-gone", TALK),
    session("tcp-other-side", TALK),
    session(
        "tcp-hold-data",
        &[Send("one"), Send("two"), Send("three"), Answer("abc"), Answer("def"), End, AnswerEnd],
    ),
    session("tcp-held", &[Send("one"), Send("two"), Answer("abc"), AnswerEnd, End]),
    session("tcp-held", &[Send("one"), End, Answer("abc"), AnswerEnd]),
    session("tcp-held-upstream", &[Send("one"), Answer("two"), Answer("three"), End, AnswerEnd]),
    session("tcp-held-upstream", &[Send("one"), Answer("two"), AnswerEnd, End]),
    session(
        "tcp-hold-connection",
        &[Await("tick get_property(\"response"), Send("one"), Answer("two"), End, AnswerEnd],
    ),
    session(
        "tcp-hold-tick",
        &[Send("one"), Await("tick get_property(\"response"), Send("two"), End, AnswerEnd],
    ),
    session(
        "tcp-hold-upstream-tick",
        &[Send("one"), Answer("two"), Await("tick get_property(\"response"), Answer("three"), End, AnswerEnd],
    ),
    session("tcp-continue-and-hold", &[Send("one"), Send("two"), End, AnswerEnd]),
    session("tcp-continue-and-pass", &[Send("one"), Send("two"), End, AnswerEnd]),
    session("tcp-continue-new-and-hold", &[Send("one"), Answer("two"), End, AnswerEnd]),
    session("tcp-continue-from-upstream", &[Send("one"), Answer("two"), Send("three"), End, AnswerEnd]),
    session("tcp-continue-late", &[Send("one"), End, AnswerEnd]),
    session("tcp-close-new", &[]),
    session("tcp-close-new-and-pass", &[]),
    session("tcp-close-data", &[Send("one"), SendInVain("two")]),
    session("tcp-close-data-and-pass", &[Send("one"), SendInVain("two")]),
    session("tcp-close-upstream-data", &[Send("one"), Answer("two")]),
    session("tcp-close-other-side", &[Send("one")]),
    session("tcp-close-downstream-at-upstream", &[Send("one"), Answer("two")]),
    session("tcp-close-http", &[Send("one"), Answer("two"), End, AnswerEnd]),
    session("tcp-close-twice", &[Send("one")]),
    session("tcp-close-tick", &[Send("one")]),
    session("tcp-close-late", &[Send("one"), End, AnswerEnd]),
    session("tcp-continue-and-close", &[Send("one")]),
    session("tcp-reply", &[Send("one"), Answer("two"), End, AnswerEnd]),
    session(
        "tcp-call",
        &[Await("http_call_response continue_stream("), Send("one"), Answer("two"), End, AnswerEnd],
    ),
    session("tcp-call-close", &[]),
    session("tcp-done-later", &[Send("one"), End, AnswerEnd, Await("tick continue_stream(")]),
];

/// The line that shows that the module was called for a turn.
fn shows(turn: Turn) -> Option<&'static str> {
    match turn {
        Send(_) | End => Some("downstream_data("),
        Answer(_) | AnswerEnd => Some("upstream_data("),
        Await(line) => Some(line),
        SendInVain(_) | BreakOff | AnswerBreakOff => None,
    }
}

/// What came to a side, if it stayed to hear it.
fn outcome(who: &str, got: Option<Vec<u8>>) -> Option<String> {
    got.map(|got| format!("{who} got {}", quoted(&got)))
}
