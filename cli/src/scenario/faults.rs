//! What goes wrong on purpose: host functions by name, and whose VM it is.

use super::format::{Case, Step, Which};
use countersign_host_sim::HostCall;

/// The host function of a name.
pub(super) fn host_call(name: &str) -> Result<HostCall, String> {
    HostCall::ALL.iter().copied().find(|call| call.name() == name).ok_or_else(|| {
        format!("expected the name of a host function such as `proxy_get_property`, found `{name}`")
    })
}

/// Demands that a step's faults name host functions and workers that there are.
pub(super) fn check(step: &Step, workers: usize) -> Result<(), String> {
    let one = |place: &str, worker: usize| match worker < workers {
        true => Ok(()),
        false => Err(format!("`{place}`: expected a worker below {workers}, found {worker}")),
    };
    let which = |place: &str, which: Option<Which>| match which {
        Some(Which::One(worker)) => one(place, worker),
        Some(Which::All) | None => Ok(()),
    };
    which("restart", step.restart)?;
    which("mend", step.mend)?;
    which("tick", step.tick)?;
    if let Some(trap) = &step.trap {
        host_call(&trap.call).map_err(|message| format!("`trap.call`: {message}"))?;
        one("trap.worker", trap.worker)?;
    }
    if let Some(fail) = &step.fail {
        match (&fail.call, fail.nth) {
            (Some(name), None) => {
                host_call(name).map_err(|message| format!("`fail.call`: {message}"))?;
            }
            (None, Some(1..)) => {}
            _ => return Err("`fail`: expected either `call`, or `nth` from 1 on".to_owned()),
        }
        one("fail.worker", fail.worker)?;
    }
    if let Some(request) = &step.request {
        one("request.worker", request.worker.unwrap_or(0))?;
    }
    if let Some(connect) = &step.connect {
        one("connect.worker", connect.worker)?;
    }
    Ok(())
}

/// Why a case needs a simulated gateway around the module, if it does: the core alone has nothing of the kind.
pub(super) fn needs_gateway(case: &Case, workers: usize) -> Option<&'static str> {
    if workers > 1 {
        return Some("several workers");
    }
    let open = |step: &Step| step.request.as_ref().is_some_and(|request| request.unfinished);
    let of_step = |step: &Step| {
        let given = [
            ("`configure`", step.configure.is_some()),
            ("`restart`", step.restart.is_some()),
            ("`trap`", step.trap.is_some()),
            ("`fail`", step.fail.is_some()),
            ("`mend`", step.mend.is_some()),
            ("`tick`", step.tick.is_some()),
            ("`send`", step.send.is_some()),
            ("an unfinished request", open(step)),
        ];
        given.into_iter().find(|(_, given)| *given).map(|(name, _)| name)
    };
    case.steps.iter().find_map(of_step)
}
