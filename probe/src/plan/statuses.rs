//! Answers other than "go on" and "hold", which SDKs have names for: 2, 3 and 4, and those that nobody has one for.

use super::calls::{END_TICK, LET_GO, START_TICK};
use super::streams::{AS_STREAM, CONTINUE_RESPONSE, LOOK};
use super::{Phase, Script, hold, only, pass, tell};

/// Headers of the request are answered so, and let go by a tick where they are held.
macro_rules! headers {
    ($name:literal, $answer:literal) => {
        Script {
            name: $name,
            steps: &[
                tell(Phase::RequestHeaders, $answer, &[LOOK, START_TICK]),
                only(1, pass(Phase::Tick, &[END_TICK, LET_GO])),
                pass(Phase::RequestBody, &[LOOK]),
                pass(Phase::RequestTrailers, &[LOOK]),
            ],
        }
    };
}

/// The same of the response.
macro_rules! response_headers {
    ($name:literal, $answer:literal) => {
        Script {
            name: $name,
            steps: &[
                tell(Phase::ResponseHeaders, $answer, &[LOOK, START_TICK]),
                only(1, pass(Phase::Tick, &[END_TICK, AS_STREAM, CONTINUE_RESPONSE])),
                // What it sees of headers that were let go is asked elsewhere.
                pass(Phase::ResponseBody, &[]),
                pass(Phase::ResponseTrailers, &[]),
            ],
        }
    };
}

/// Pieces of both bodies are answered so, the first and the second, and what follows goes on.
macro_rules! bodies {
    ($name:literal, $first:expr, $second:expr) => {
        Script {
            name: $name,
            steps: &[
                only(1, tell(Phase::RequestBody, $first, &[LOOK])),
                only(2, tell(Phase::RequestBody, $second, &[LOOK])),
                pass(Phase::RequestBody, &[LOOK]),
                pass(Phase::RequestTrailers, &[LOOK]),
                only(1, tell(Phase::ResponseBody, $first, &[LOOK])),
                only(2, tell(Phase::ResponseBody, $second, &[LOOK])),
                pass(Phase::ResponseBody, &[LOOK]),
                pass(Phase::ResponseTrailers, &[LOOK]),
            ],
        }
    };
}

pub(super) const SCRIPTS: &[Script] = &[
    // These go on.
    Script {
        name: "headers-2",
        steps: &[
            tell(Phase::RequestHeaders, 2, &[LOOK]),
            pass(Phase::RequestBody, &[LOOK]),
            pass(Phase::RequestTrailers, &[LOOK]),
            tell(Phase::ResponseHeaders, 2, &[LOOK]),
            pass(Phase::ResponseBody, &[LOOK]),
            pass(Phase::ResponseTrailers, &[LOOK]),
        ],
    },
    headers!("headers-3", 3),
    headers!("headers-4", 4),
    headers!("headers-9", 9),
    response_headers!("response-headers-3", 3),
    response_headers!("response-headers-9", 9),
    bodies!("body-2", 2, 2),
    bodies!("body-3", 3, 3),
    bodies!("body-9", 9, 0),
    bodies!("body-2-then-1", 2, 1),
    bodies!("body-1-then-2", 1, 2),
    bodies!("body-1-then-3", 1, 3),
    bodies!("body-3-then-1", 3, 1),
    Script {
        name: "trailers-2",
        steps: &[
            hold(Phase::RequestBody, &[LOOK]),
            tell(Phase::RequestTrailers, 2, &[LOOK, START_TICK]),
            only(1, pass(Phase::Tick, &[END_TICK, LET_GO])),
        ],
    },
];
