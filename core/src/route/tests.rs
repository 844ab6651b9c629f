use super::*;
use crate::path::{CanonicalPath, PathOptions, PathRefusal};
use alloc::{
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};
use proptest::prelude::*;

fn kind(text: &str) -> TemplateErrorKind {
    Template::parse(text).unwrap_err().kind
}

fn router(routes: &[(&str, &str)]) -> Result<Router, RouteConflict> {
    let routes: Vec<(Vec<String>, Template)> = routes
        .iter()
        .map(|(methods, text)| {
            (methods.split(' ').map(String::from).collect(), Template::parse(text).unwrap())
        })
        .collect();
    let specs: Vec<_> = routes.iter().map(|(methods, template)| RouteSpec { methods, template }).collect();
    Router::build(&specs)
}

/// The route and its parameters as text.
fn found(router: &Router, method: &str, target: &str) -> String {
    let options =
        PathOptions { allow_trailing_slash: true, allow_encoded_slash: true, ..PathOptions::default() };
    let path = CanonicalPath::parse(target.as_bytes(), &options).unwrap();
    match router.find(method, &path) {
        RouteLookup::Found(found) => {
            let params: Vec<String> =
                found.params.iter().map(|(name, text)| format!(" {name}={}", text.value())).collect();
            for (name, text) in found.params.iter() {
                assert_eq!(found.params.get(name), Some(text.value()));
            }
            assert_eq!(found.params.is_empty(), params.is_empty());
            format!("{}{}", found.index, params.concat())
        }
        RouteLookup::MethodNotAllowed(methods) => format!("allow {}", methods.join(" ")),
        RouteLookup::NotFound => "none".to_string(),
    }
}

#[test]
fn templates() {
    let template = Template::parse("/v1/tenants/{tenant}/caf%C3%A9/{file...}").unwrap();
    let literal = |text: &str| Segment::Literal(text.into());
    assert_eq!(
        template.segments(),
        [
            literal("v1"),
            literal("tenants"),
            Segment::Parameter("tenant".into()),
            literal("café"),
            Segment::Rest("file".into())
        ]
    );
    assert_eq!(template.parameters().collect::<Vec<_>>(), ["tenant", "file"]);
    assert!(Template::parse("/").unwrap().segments().is_empty());
    assert_eq!(Template::parse("/a/").unwrap().segments(), [literal("a"), literal("")]);
    assert!(Template::parse("/v1/x:cancel/{_a1}").is_ok());
}

#[test]
fn template_errors() {
    use TemplateErrorKind::*;
    for (text, expected) in [
        ("", NotAbsolute),
        ("a", NotAbsolute),
        ("//a", Literal(PathRefusal::EmptySegment)),
        ("//", Literal(PathRefusal::EmptySegment)),
        ("/a//b", Literal(PathRefusal::EmptySegment)),
        ("/a/../b", Literal(PathRefusal::DotSegment)),
        ("/a b", Literal(PathRefusal::IllegalByte)),
        ("/a?x", Literal(PathRefusal::IllegalByte)),
        ("/%61", Literal(PathRefusal::EncodedUnreserved)),
        ("/é", Literal(PathRefusal::IllegalByte)),
        ("/{a}/{a}", DuplicateName),
        ("/{}", InvalidName),
        ("/{...}", InvalidName),
        ("/{1a}", InvalidName),
        ("/{a-b}", InvalidName),
        ("/{a....}", InvalidName),
        ("/x{a}", PartialParameter),
        ("/{a}x", PartialParameter),
        ("/{a}{b}", PartialParameter),
        ("/{a", PartialParameter),
        ("/a}", PartialParameter),
        ("/{{a}}", PartialParameter),
        ("/{a...}/b", RestNotLast),
        ("/{a...}/", RestNotLast),
        ("/*", Wildcard),
        ("/a*", Wildcard),
        ("/:id", Wildcard),
    ] {
        assert_eq!(kind(text), expected, "{text}");
    }
    assert_eq!(Template::parse("/ab/{c}/d{").unwrap_err().offset, 8);
    let many = |n: usize| (0..n).map(|i| format!("/{{p{i}}}")).collect::<String>();
    assert!(Template::parse(&many(16)).is_ok());
    assert_eq!(kind(&many(17)), TooManyParameters);
    assert_eq!(kind(&"/a".repeat(65)), TooManySegments);
}

#[test]
fn choice() {
    let router = router(&[
        ("GET", "/"),
        ("GET POST", "/v1/transfers"),
        ("GET", "/v1/transfers/{id}"),
        ("GET", "/v1/transfers/summary"),
        ("DELETE", "/v1/transfers/{transfer}"),
        ("GET", "/v1/{kind}/{id}/raw"),
        ("GET", "/files/{path...}"),
        ("GET", "/files/{name}/meta"),
        ("GET", "/files/"),
        ("GET", "/a@b"),
    ])
    .unwrap();
    for (method, target, expected) in [
        ("GET", "/", "0"),
        ("POST", "/v1/transfers", "1"),
        ("PUT", "/v1/transfers", "allow GET POST"),
        ("get", "/v1/transfers", "allow GET POST"),
        ("GET", "/v1/transfers?x=1", "1"),
        ("GET", "/v1/transfers/", "none"),
        ("GET", "/v1/transfers/7", "2 id=7"),
        ("DELETE", "/v1/transfers/7", "4 transfer=7"),
        ("GET", "/v1/transfers/caf%C3%A9%20x", "2 id=café x"),
        ("GET", "/v1/transfers/a%2Fb", "2 id=a/b"),
        // A literal is preferred, and a method that it lacks doesn't reopen the choice.
        ("GET", "/v1/transfers/summary", "3"),
        ("DELETE", "/v1/transfers/summary", "allow GET"),
        // A way that leads nowhere does.
        ("GET", "/v1/transfers/summary/raw", "5 kind=transfers id=summary"),
        ("GET", "/v1/transfers/7/raw", "5 kind=transfers id=7"),
        ("GET", "/files/a", "6 path=a"),
        ("GET", "/files/a/b%20c/d", "6 path=a/b c/d"),
        ("GET", "/files/a/meta", "7 name=a"),
        ("GET", "/files/a/metal", "6 path=a/metal"),
        ("GET", "/files/", "8"),
        ("GET", "/files/a/", "6 path=a/"),
        ("GET", "/files", "none"),
        ("GET", "/a@b", "9"),
        ("GET", "/a%40b", "9"),
        ("GET", "/A@b", "none"),
        ("GET", "/v1", "none"),
        ("GET", "/v2/transfers", "none"),
    ] {
        assert_eq!(found(&router, method, target), expected, "{method} {target}");
    }
}

#[test]
fn conflicts() {
    let conflict = |routes: &[(&str, &str)]| router(routes).err().map(|c| (c.first, c.second, c.method));
    let get = |first, second| Some((first, second, "GET".to_string()));
    assert_eq!(conflict(&[("GET", "/a"), ("POST", "/a")]), None);
    assert_eq!(conflict(&[("GET", "/a/{x}"), ("GET", "/a/{y...}"), ("GET", "/a/b"), ("GET", "/a/")]), None);
    assert_eq!(conflict(&[("GET", "/a"), ("POST GET", "/a")]), get(0, 1));
    assert_eq!(conflict(&[("GET", "/a/{x}/b"), ("GET", "/c"), ("GET", "/a/{y}/b")]), get(0, 2));
    assert_eq!(conflict(&[("GET", "/{x...}"), ("GET", "/{y...}")]), get(0, 1));
    assert_eq!(conflict(&[("GET", "/a@b"), ("GET", "/a%40b")]), get(0, 1));
    assert_eq!(conflict(&[("GET GET", "/a")]), get(0, 0));
}

/// The rule without the tree: of all templates that match, the one whose segments are preferred from left to right.
fn slow(templates: &[Template], target: &[&str]) -> Option<usize> {
    let rank = |template: &Template| -> Option<Vec<u8>> {
        let mut ranks = vec![];
        let mut segments = template.segments().iter();
        for (i, value) in target.iter().enumerate() {
            match segments.next()? {
                Segment::Literal(text) if text == value => ranks.push(0),
                Segment::Literal(_) => return None,
                Segment::Parameter(_) => ranks.push(1),
                Segment::Rest(_) => {
                    ranks.extend(vec![2; target.len() - i]);
                    return Some(ranks);
                }
            }
        }
        segments.next().is_none().then_some(ranks)
    };
    let ranked = templates.iter().enumerate().filter_map(|(i, template)| Some((rank(template)?, i)));
    ranked.min().map(|(_, i)| i)
}

proptest! {
    #[test]
    fn agrees_with_the_rule(
        templates in proptest::collection::vec(("(/(a|b|\\{P\\})){1,4}", any::<bool>()), 1..12),
        target in proptest::collection::vec(proptest::sample::select(vec!["a", "b", "c"]), 1..6),
    ) {
        let mut router_templates: Vec<Template> = vec![];
        for (text, rest) in templates {
            let mut count = 0;
            let mut text: String = text.split("{P}").map(|piece| { count += 1; format!("{piece}{{p{count}}}") }).collect();
            text.truncate(text.len() - format!("{{p{count}}}").len());
            if rest {
                text.push_str("/{rest...}");
            }
            router_templates.push(Template::parse(&text).unwrap());
        }
        let methods = [String::from("GET")];
        // Keep the first of those that mean the same.
        let mut kept: Vec<Template> = vec![];
        for template in router_templates {
            kept.push(template);
            let specs: Vec<_> = kept.iter().map(|template| RouteSpec { methods: &methods, template }).collect();
            if Router::build(&specs).is_err() {
                kept.pop();
            }
        }
        let specs: Vec<_> = kept.iter().map(|template| RouteSpec { methods: &methods, template }).collect();
        let router = Router::build(&specs).unwrap();
        let text = format!("/{}", target.join("/"));
        let path = CanonicalPath::parse(text.as_bytes(), &PathOptions::default()).unwrap();
        let index = match router.find("GET", &path) {
            RouteLookup::Found(found) => Some(found.index),
            RouteLookup::MethodNotAllowed(_) => None,
            RouteLookup::NotFound => None,
        };
        prop_assert_eq!(index, slow(&kept, &target), "{} {:?}", text, kept);
    }

    #[test]
    fn templates_never_panic(text in "(/|[a-c%:*.{}]|\\{[a-c.]{0,5}\\}){0,12}") {
        if let Ok(template) = Template::parse(&text) {
            prop_assert_eq!(template.as_str(), text);
        }
    }
}
