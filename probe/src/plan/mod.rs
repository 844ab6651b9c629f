//! What is asked, and when: tables of probes, and scripts that say which of them a stream or a VM goes through.

mod calls;
mod data;
mod expressions;
mod foreign;
mod grpc;
mod messages;
mod outside;
mod replies;
mod statuses;
mod streams;
mod system;
mod tcp;

use crate::arg::Probe;

/// When the host calls.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    CreateRoot,
    VmStart,
    Configure,
    Tick,
    QueueReady,
    ForeignFunction,
    Create,
    RequestHeaders,
    RequestBody,
    RequestTrailers,
    ResponseHeaders,
    ResponseBody,
    ResponseTrailers,
    HttpCallResponse,
    GrpcInitialMetadata,
    GrpcMessage,
    GrpcTrailingMetadata,
    GrpcClose,
    NewConnection,
    DownstreamData,
    DownstreamClose,
    UpstreamData,
    UpstreamClose,
    Log,
    Done,
    Delete,
}

impl Phase {
    /// The name that the transcript has.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CreateRoot => "create_root",
            Self::VmStart => "vm_start",
            Self::Configure => "configure",
            Self::Tick => "tick",
            Self::QueueReady => "queue_ready",
            Self::ForeignFunction => "foreign_function",
            Self::Create => "create",
            Self::RequestHeaders => "request_headers",
            Self::RequestBody => "request_body",
            Self::RequestTrailers => "request_trailers",
            Self::ResponseHeaders => "response_headers",
            Self::ResponseBody => "response_body",
            Self::ResponseTrailers => "response_trailers",
            Self::HttpCallResponse => "http_call_response",
            Self::GrpcInitialMetadata => "grpc_initial_metadata",
            Self::GrpcMessage => "grpc_message",
            Self::GrpcTrailingMetadata => "grpc_trailing_metadata",
            Self::GrpcClose => "grpc_close",
            Self::NewConnection => "new_connection",
            Self::DownstreamData => "downstream_data",
            Self::DownstreamClose => "downstream_close",
            Self::UpstreamData => "upstream_data",
            Self::UpstreamClose => "upstream_close",
            Self::Log => "log",
            Self::Done => "done",
            Self::Delete => "delete",
        }
    }

    /// Whether it goes by the root's script. A stream's beginning does: its own is not known yet.
    pub(crate) fn is_roots(self) -> bool {
        matches!(
            self,
            Self::CreateRoot
                | Self::VmStart
                | Self::Configure
                | Self::Tick
                | Self::QueueReady
                | Self::ForeignFunction
                | Self::Create
                | Self::HttpCallResponse
                | Self::GrpcInitialMetadata
                | Self::GrpcMessage
                | Self::GrpcTrailingMetadata
                | Self::GrpcClose
        )
    }

    /// Whether the host gets an answer.
    pub(crate) fn answers(self) -> bool {
        !matches!(
            self,
            Self::CreateRoot
                | Self::Tick
                | Self::QueueReady
                | Self::ForeignFunction
                | Self::Create
                | Self::HttpCallResponse
                | Self::GrpcInitialMetadata
                | Self::GrpcMessage
                | Self::GrpcTrailingMetadata
                | Self::GrpcClose
                | Self::DownstreamClose
                | Self::UpstreamClose
                | Self::Log
                | Self::Delete
        )
    }

    /// What the host gets unless the script says otherwise: yes from what is asked whether it went well, and "go on".
    pub(crate) fn answer(self) -> u32 {
        u32::from(matches!(self, Self::VmStart | Self::Configure | Self::Done))
    }
}

/// What a stream, or a VM, goes through.
pub(crate) struct Script {
    name: &'static str,
    steps: &'static [Step],
}

/// What is asked and answered in a phase.
#[derive(Clone, Copy)]
pub(crate) struct Step {
    phase: Phase,
    /// Which time the host calls for it, counted from 1; every time where there is none.
    nth: Option<u32>,
    /// Whether everything is asked that can be asked without something happening by it.
    everything: bool,
    /// The tables that are gone through then.
    probes: &'static [&'static [Probe]],
    /// What the host gets, where it is not the usual.
    pub(crate) answer: Option<u32>,
}

/// A step that goes on afterwards.
const fn pass(phase: Phase, probes: &'static [&'static [Probe]]) -> Step {
    Step { phase, nth: None, everything: false, probes, answer: None }
}

/// A step that holds the stream.
const fn hold(phase: Phase, probes: &'static [&'static [Probe]]) -> Step {
    Step { phase, nth: None, everything: false, probes, answer: Some(1) }
}

/// A step that answers with a number of its own.
const fn tell(phase: Phase, answer: u32, probes: &'static [&'static [Probe]]) -> Step {
    Step { phase, nth: None, everything: false, probes, answer: Some(answer) }
}

/// A step that answers "no" where "yes" is usual.
const fn refuse(phase: Phase, probes: &'static [&'static [Probe]]) -> Step {
    Step { phase, nth: None, everything: false, probes, answer: Some(0) }
}

/// A step for one time alone.
const fn only(nth: u32, step: Step) -> Step {
    Step { nth: Some(nth), ..step }
}

/// A step that asks everything first.
const fn all(step: Step) -> Step {
    Step { everything: true, ..step }
}

impl Step {
    /// What is asked, in order.
    pub(crate) fn questions(&self) -> impl Iterator<Item = &'static Probe> {
        let everything: &[&[Probe]] = if self.everything { calls::EVERYTHING } else { &[] };
        let foreign: &[&[Probe]] = if self.everything { foreign::TABLES } else { &[] };
        let attributes: &[&[Probe]] = if self.everything { expressions::TABLES } else { &[] };
        everything.iter().chain(foreign).chain(attributes).chain(self.probes).copied().flatten()
    }
}

impl Script {
    /// What is to be done in a phase that the host calls for the `nth` time.
    pub(crate) fn step(&self, phase: Phase, nth: u32) -> Option<&'static Step> {
        self.steps.iter().find(|step| step.phase == phase && step.nth.is_none_or(|one| one == nth))
    }
}

/// The script of a name.
pub(crate) fn script(name: &[u8]) -> Option<&'static Script> {
    let all = [
        calls::SCRIPTS,
        expressions::SCRIPTS,
        grpc::SCRIPTS,
        outside::SCRIPTS,
        replies::SCRIPTS,
        statuses::SCRIPTS,
        streams::SCRIPTS,
        tcp::SCRIPTS,
    ];
    all.into_iter().flatten().find(|script| script.name.as_bytes() == name)
}
