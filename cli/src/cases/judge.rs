//! What the engines answer to the requests of a case.

use crate::decider::Engines;
use crate::engine::policy_module;
use crate::failure::Failure;
use crate::sources::Sources;
use countersign_compiler::cases::{Answer, Case, CaseRequest, answer};
use countersign_core::policy::Image;
use countersign_core::policy::wire::OwnedRequest;
use countersign_host_sim::PolicyModule;
use std::path::Path;

/// The engines, with the case at hand.
pub(crate) struct Judge {
    engines: Engines,
    module: Option<PolicyModule>,
}

/// A case that the engines have loaded.
pub(crate) struct Loaded {
    pub(crate) case: Case,
    pub(crate) image: Image,
    pub(crate) sources: Sources,
}

/// An answer, and that of the module where it is another one.
pub(crate) struct Judged {
    pub(crate) answer: Answer,
    pub(crate) module: Option<Answer>,
}

impl Judge {
    /// The engines that are wanted.
    pub(crate) fn new(engines: Engines, module: Option<&Path>) -> Result<Self, Failure> {
        let module = engines.need_module().then(|| policy_module(module)).transpose()?;
        Ok(Self { engines, module })
    }

    /// Compiles a case and hands it to the engines; or says what is wrong with it.
    pub(crate) fn load(&mut self, case: Case) -> Result<Loaded, String> {
        let compiled = case.compile().map_err(|errors| format!("`policy`: {errors}"))?;
        if let Some(module) = &mut self.module {
            module.load(&compiled.image).map_err(|error| error.to_string())?;
        }
        let image = Image::decode(&compiled.image).map_err(|error| error.to_string())?;
        Ok(Loaded { case, image, sources: Sources::new(compiled.sources) })
    }

    /// Asks the engines.
    pub(crate) fn ask(&mut self, loaded: &Loaded, request: &CaseRequest) -> Result<Judged, String> {
        let image = &loaded.image;
        let request = owned(request)?;
        let module = match &mut self.module {
            Some(module) => {
                let told = module.answer(&request.encode()).map_err(|error| error.to_string())?;
                let errors = told.errors.iter().map(|(policy, _)| *policy);
                Some(Answer::of_indices(image, told.allow, told.determining.iter().copied(), errors))
            }
            None => None,
        };
        Ok(match (self.engines, module) {
            (Engines::Wasm, Some(answer)) => Judged { answer, module: None },
            (_, module) => {
                let answer = answer::ours(image, &request);
                let module = module.filter(|module| *module != answer);
                Judged { answer, module }
            }
        })
    }
}

/// The request as the evaluator takes it; its entities are in the image.
pub(crate) fn owned(request: &CaseRequest) -> Result<OwnedRequest, String> {
    answer::owned(&request.request, Vec::new())
        .ok_or_else(|| "expected values, found something unknown".to_owned())
}
