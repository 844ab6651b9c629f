//! The choice of a route, in time that doesn't grow with the number of routes.

use super::{MAX_PARAMETERS, Segment, Template};
use crate::path::{CanonicalPath, PathText, percent_decode};
use alloc::{borrow::Cow, string::String, vec::Vec};
use core::fmt;

/// What a route answers to.
#[derive(Clone, Copy, Debug)]
pub struct RouteSpec<'a> {
    /// Methods, compared exactly, as methods are case-sensitive (RFC 9110 §9.1).
    pub methods: &'a [String],
    /// The paths.
    pub template: &'a Template,
}

/// Two routes that would answer the same request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteConflict {
    /// Index of the one.
    pub first: usize,
    /// Index of the other; the same if a route lists a method twice.
    pub second: usize,
    /// A method that both have.
    pub method: String,
}

/// Finds the route of a request.
///
/// The path decides first: segment by segment from the left, a literal beats a parameter and a parameter beats the rest. The
/// method comes second and doesn't reopen the choice, so that a more general route never takes over what a more particular one
/// doesn't allow.
#[derive(Clone, Debug)]
pub struct Router {
    nodes: Vec<Node>,
    /// Parameter names by route.
    names: Vec<Vec<String>>,
}

/// One place in the tree of templates; children by index.
#[derive(Clone, Debug, Default)]
struct Node {
    /// Sorted by text.
    literals: Vec<(String, usize)>,
    parameter: Option<usize>,
    /// Routes that end here.
    end: Vec<Endpoint>,
    /// Routes that take the rest from here.
    rest: Vec<Endpoint>,
}

#[derive(Clone, Debug)]
struct Endpoint {
    method: String,
    route: usize,
}

/// What the router has for a request.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "lives on the stack for one request, and the large variant is the usual one"
)]
pub enum RouteLookup<'r, 'p> {
    /// This route.
    Found(RouteMatch<'r, 'p>),
    /// The path has routes, the method none. The methods that have one.
    MethodNotAllowed(Vec<&'r str>),
    /// No template matches the path.
    NotFound,
}

/// A route with what its parameters hold.
#[derive(Clone, Debug)]
pub struct RouteMatch<'r, 'p> {
    /// Index of the route, as it was given to [`Router::build`].
    pub index: usize,
    /// The parameters.
    pub params: Params<'r, 'p>,
}

/// Names and values of path parameters.
#[derive(Clone, Copy, Debug)]
pub struct Params<'r, 'p> {
    names: &'r [String],
    values: Values<'p>,
}

/// Values without names yet, from left to right.
#[derive(Clone, Copy, Debug)]
struct Values<'p> {
    texts: [PathText<'p>; MAX_PARAMETERS],
    len: usize,
}

impl Router {
    /// Builds the tree. Routes are known by their index from here on.
    pub fn build(routes: &[RouteSpec<'_>]) -> Result<Self, RouteConflict> {
        let mut router =
            Self { nodes: alloc::vec![Node::default()], names: Vec::with_capacity(routes.len()) };
        for (index, route) in routes.iter().enumerate() {
            router.names.push(route.template.parameters().map(String::from).collect());
            router.add(index, route)?;
        }
        Ok(router)
    }

    /// The route for a method and a path.
    pub fn find<'r, 'p>(&'r self, method: &str, path: &CanonicalPath<'p>) -> RouteLookup<'r, 'p> {
        let mut values = Values { texts: [PathText(""); MAX_PARAMETERS], len: 0 };
        let Some(endpoints) = self.walk(0, path.rest(), &mut values) else { return RouteLookup::NotFound };
        match endpoints.iter().find(|endpoint| endpoint.method == method) {
            Some(endpoint) => {
                let names = self.names.get(endpoint.route).map_or(&[][..], Vec::as_slice);
                RouteLookup::Found(RouteMatch { index: endpoint.route, params: Params { names, values } })
            }
            None => {
                RouteLookup::MethodNotAllowed(endpoints.iter().map(|endpoint| &*endpoint.method).collect())
            }
        }
    }

    /// Finds the endpoints of the best template below `node`. Every node is visited at most once, as the tree has one way to each,
    /// and the depth is that of the longest template.
    fn walk<'p>(&self, node: usize, rest: Option<&'p str>, values: &mut Values<'p>) -> Option<&[Endpoint]> {
        let node = self.nodes.get(node)?;
        let Some(rest) = rest else { return (!node.end.is_empty()).then_some(&node.end) };
        let (segment, tail) = match rest.split_once('/') {
            Some((segment, tail)) => (segment, Some(tail)),
            None => (rest, None),
        };
        if let Some(child) = node.literal(segment)
            && let Some(found) = self.walk(child, tail, values)
        {
            return Some(found);
        }
        // The empty segment behind a slash at the end is no value.
        if segment.is_empty() {
            return None;
        }
        let before = values.len;
        if let Some(child) = node.parameter {
            values.push(segment);
            if let Some(found) = self.walk(child, tail, values) {
                return Some(found);
            }
            values.len = before;
        }
        if node.rest.is_empty() {
            return None;
        }
        values.push(rest);
        Some(&node.rest)
    }

    fn add(&mut self, index: usize, route: &RouteSpec<'_>) -> Result<(), RouteConflict> {
        let mut at = 0;
        let mut takes_rest = false;
        for segment in route.template.segments() {
            match segment {
                Segment::Literal(text) => at = self.literal_child(at, text),
                Segment::Parameter(_) => at = self.parameter_child(at),
                Segment::Rest(_) => takes_rest = true,
            }
        }
        let Some(node) = self.nodes.get_mut(at) else { return Ok(()) };
        let endpoints = if takes_rest { &mut node.rest } else { &mut node.end };
        for method in route.methods {
            if let Some(other) = endpoints.iter().find(|endpoint| endpoint.method == *method) {
                return Err(RouteConflict { first: other.route, second: index, method: method.clone() });
            }
            endpoints.push(Endpoint { method: method.clone(), route: index });
        }
        Ok(())
    }

    fn literal_child(&mut self, parent: usize, text: &str) -> usize {
        let child = self.nodes.len();
        let Some(node) = self.nodes.get_mut(parent) else { return 0 };
        match node.literals.binary_search_by(|(known, _)| known.as_str().cmp(text)) {
            Ok(found) => node.literals.get(found).map_or(0, |&(_, child)| child),
            Err(place) => {
                node.literals.insert(place, (text.into(), child));
                self.nodes.push(Node::default());
                child
            }
        }
    }

    fn parameter_child(&mut self, parent: usize) -> usize {
        let child = self.nodes.len();
        let Some(node) = self.nodes.get_mut(parent) else { return 0 };
        match node.parameter {
            Some(child) => child,
            None => {
                node.parameter = Some(child);
                self.nodes.push(Node::default());
                child
            }
        }
    }
}

impl Node {
    /// The child for a segment, which is compared decoded: `%40` and `@` are the same to whoever reads the path.
    fn literal(&self, segment: &str) -> Option<usize> {
        if self.literals.is_empty() {
            return None;
        }
        let text = percent_decode(segment)?;
        let found = self.literals.binary_search_by(|(known, _)| known.as_str().cmp(&text)).ok()?;
        self.literals.get(found).map(|&(_, child)| child)
    }
}

impl<'p> Values<'p> {
    /// Templates have at most [`MAX_PARAMETERS`], so there is always room.
    fn push(&mut self, text: &'p str) {
        if let Some(slot) = self.texts.get_mut(self.len) {
            *slot = PathText(text);
            self.len += 1;
        }
    }
}

impl<'r, 'p> Params<'r, 'p> {
    /// The value of a parameter, percent-decoded.
    pub fn get(&self, name: &str) -> Option<Cow<'p, str>> {
        self.iter().find(|(known, _)| *known == name).map(|(_, text)| text.value())
    }

    /// Names and values from left to right.
    pub fn iter(&self) -> impl Iterator<Item = (&'r str, PathText<'p>)> + use<'r, 'p> {
        let Values { texts, len } = self.values;
        self.names.iter().map(String::as_str).zip(texts.into_iter().take(len))
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.values.len == 0
    }
}

impl fmt::Display for RouteConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "routes {} and {} both answer `{}` on the same paths", self.first, self.second, self.method)
    }
}

impl core::error::Error for RouteConflict {}
