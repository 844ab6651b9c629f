//! What the module keeps between calls.

use std::fmt::Display;

use countersign_core::policy::{
    Decision, ErrorKind, Image, Outcome, Ruling, evaluate,
    wire::{MAX_REQUEST, OwnedRequest},
};

use crate::FAULT;

/// The most bytes of input: an image.
const MAX_INPUT: usize = 64 * 1024 * 1024;
/// The most requests that are kept, and the most bytes that they came in.
const MAX_REQUESTS: usize = 4096;
const MAX_KEPT: usize = 4 * MAX_REQUEST;

/// An image, requests, and what goes in and out.
pub struct Session {
    input: Vec<u8>,
    output: Vec<u8>,
    image: Option<Image>,
    requests: Vec<OwnedRequest>,
    kept: usize,
}

impl Default for Session {
    fn default() -> Self {
        Self::new()
    }
}

impl Session {
    /// One without an image.
    #[must_use]
    pub const fn new() -> Self {
        Self { input: Vec::new(), output: Vec::new(), image: None, requests: Vec::new(), kept: 0 }
    }

    /// Room for as many bytes; none where there are too many.
    pub fn input(&mut self, length: usize) -> Option<&mut [u8]> {
        self.input.clear();
        if length > MAX_INPUT || self.input.try_reserve_exact(length).is_err() {
            return None;
        }
        self.input.resize(length, 0);
        Some(&mut self.input)
    }

    /// What the last call has to say.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        &self.output
    }

    /// Decodes the input as an image. An image that is refused leaves none behind.
    pub fn load(&mut self) -> u32 {
        self.forget();
        self.image = None;
        // Taken whole, so that an image's bytes don't stay beside what was decoded from them.
        match Image::decode(&std::mem::take(&mut self.input)) {
            Ok(image) => {
                self.image = Some(image);
                self.output.clear();
                0
            }
            Err(error) => self.fault(error),
        }
    }

    /// Keeps the input as a request and returns its number.
    pub fn request(&mut self) -> u32 {
        let Ok(number) = u32::try_from(self.requests.len()) else { return FAULT };
        let kept = self.kept + self.input.len();
        if self.requests.len() >= MAX_REQUESTS || kept > MAX_KEPT {
            return self.fault(format_args!(
                "expected at most {MAX_REQUESTS} requests of {MAX_KEPT} bytes in all, found more"
            ));
        }
        match OwnedRequest::decode(&self.input) {
            Ok(request) => {
                self.requests.push(request);
                self.kept = kept;
                self.output.clear();
                number
            }
            Err(error) => self.fault(error),
        }
    }

    /// Forgets all requests.
    pub fn forget(&mut self) {
        self.requests.clear();
        self.kept = 0;
        self.output.clear();
    }

    /// Answers the request `number`. The output is: 1 for allow or 0; the gateway's ruling (0 forbidden, 1 a `forbid`
    /// errored, 2 not permitted, 3 permitted); how many policies determined that, and each one's index; how many
    /// errored, and for each its index and kind.
    pub fn evaluate(&mut self, number: u32) -> u32 {
        let (Some(image), Some(request)) = (&self.image, self.requests.get(number as usize)) else {
            return self.fault(format_args!("expected an image and a request {number}, found none"));
        };
        let outcome = request.ask(|request| evaluate(image, request));
        self.tell(&outcome)
    }

    /// Answers the request in the input.
    pub fn answer(&mut self) -> u32 {
        let Some(image) = &self.image else {
            return self.fault("expected an image, found none");
        };
        match OwnedRequest::decode(&self.input) {
            Ok(request) => {
                let outcome = request.ask(|request| evaluate(image, request));
                self.tell(&outcome)
            }
            Err(error) => self.fault(error),
        }
    }

    /// Answers the kept requests in turn and counts what is allowed.
    pub fn repeat(&mut self, times: u32) -> u32 {
        let Some(image) = &self.image else {
            return self.fault("expected an image, found none");
        };
        if self.requests.is_empty() {
            return self.fault("expected a request, found none");
        }
        let mut allowed = 0;
        for request in self.requests.iter().cycle().take(times as usize) {
            let outcome = request.ask(|request| evaluate(image, request));
            allowed += u32::from(outcome.decision() == Decision::Allow);
        }
        allowed
    }

    fn tell(&mut self, outcome: &Outcome) -> u32 {
        let allow = u32::from(outcome.decision() == Decision::Allow);
        let ruling = match outcome.ruling() {
            Ruling::Forbidden => 0,
            Ruling::ForbidErrored => 1,
            Ruling::NotPermitted => 2,
            Ruling::Permitted => 3,
        };
        self.output.clear();
        self.number(allow);
        self.number(ruling);
        self.number(outcome.determining().len() as u32);
        for policy in outcome.determining().iter() {
            self.number(policy);
        }
        self.number(outcome.errors().len() as u32);
        for error in outcome.errors().iter() {
            self.number(error.policy);
            self.number(kind(error.kind));
        }
        allow
    }

    fn number(&mut self, number: u32) {
        self.output.extend_from_slice(&number.to_le_bytes());
    }

    fn fault(&mut self, what: impl Display) -> u32 {
        self.output.clear();
        self.output.extend_from_slice(what.to_string().as_bytes());
        FAULT
    }
}

/// The number of a kind of error.
fn kind(kind: ErrorKind) -> u32 {
    match kind {
        ErrorKind::Extension => 0,
        ErrorKind::Limit => 1,
        ErrorKind::MissingAttribute => 2,
        ErrorKind::MissingEntity => 3,
        ErrorKind::MissingTag => 4,
        ErrorKind::Overflow => 5,
        ErrorKind::Type => 6,
    }
}
