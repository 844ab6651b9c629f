//! Why the request of a case that failed was decided as it was, as `explain` tells it.

use super::plan::{Plan, Planned};
use super::walk::{Begin, Walk};
use crate::engine::{Decision, Engine, EngineError, Native, Request, Script, Ticket, World};
use crate::explanation::{Asked, Explanation, Listener, show};
use crate::sources::Sources;
use countersign_core::settings::Settings;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// What was asked of policies, request by request.
type Heard = Rc<RefCell<Vec<Told>>>;

#[derive(Default)]
struct Told {
    request: Request,
    asked: Option<Asked>,
    decision: Option<Decision>,
}

/// The core, with someone who looks on.
struct Observed {
    native: Native,
    settings: Rc<Settings>,
    sources: Sources,
    heard: Heard,
}

impl Engine for Observed {
    fn request(&mut self, request: &Request) -> Ticket {
        let mut listener = Listener::new(&self.settings.image, &self.sources);
        let ticket = self.native.request_observed(request, &mut listener);
        let asked = listener.asked;
        self.heard.borrow_mut().push(Told { request: request.clone(), asked, decision: None });
        ticket
    }

    fn close(&mut self, ticket: Ticket) {
        self.native.close(ticket);
    }

    fn advance(&mut self, by: Duration) {
        self.native.advance(by);
    }

    fn set_cluster(&mut self, name: &str, script: &Script) {
        self.native.set_cluster(name, script);
    }

    fn decision(&mut self, ticket: Ticket) -> Result<Option<Decision>, EngineError> {
        let decision = self.native.decision(ticket)?;
        if let (Some(decision), Some(told)) = (&decision, self.heard.borrow_mut().get_mut(ticket.0)) {
            told.decision = Some(decision.clone());
        }
        Ok(decision)
    }
}

/// The explanation of the request at `at`, where it is decided.
pub(super) fn text<'w>(
    plan: &Plan,
    planned: &Planned,
    at: usize,
    world: &dyn Fn(&Begin) -> World<'w>,
    sources: &Sources,
) -> Option<String> {
    let heard = Heard::default();
    let known: RefCell<Option<Rc<Settings>>> = RefCell::new(None);
    let start = |begin: &Begin| {
        let world = world(begin);
        let settings = Rc::clone(world.settings);
        *known.borrow_mut() = Some(Rc::clone(&settings));
        let (sources, heard) = (sources.clone(), Rc::clone(&heard));
        Ok(Box::new(Observed { native: Native::start(world), settings, sources, heard }) as Box<dyn Engine>)
    };
    Walk::through(plan, planned, &start);
    let mut all = heard.borrow_mut();
    let told = (at < all.len()).then(|| all.swap_remove(at))?;
    let settings = known.borrow().clone()?;
    let explanation = Explanation::told(&settings, &plan.prefix, &told.request, &told.decision?, told.asked);
    let mut text = Vec::new();
    show(&mut text, &explanation, false).ok()?;
    Some(anstream::adapter::strip_str(&String::from_utf8_lossy(&text)).to_string())
}
