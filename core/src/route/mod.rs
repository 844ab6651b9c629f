//! Routes: from method and path to what is asked of a request.

mod router;
mod template;

#[cfg(test)]
mod tests;

pub use router::{Params, RouteConflict, RouteLookup, RouteMatch, RouteSpec, Router};
pub use template::{MAX_PARAMETERS, Segment, Template, TemplateError, TemplateErrorKind};
