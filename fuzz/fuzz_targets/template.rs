#![no_main]

use countersign_core::{
    path::{CanonicalPath, PathOptions},
    route::{RouteLookup, RouteSpec, Router, Template},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<String>, &str)| {
    let (texts, target) = input;
    let templates: Vec<Template> = texts.iter().filter_map(|text| Template::parse(text).ok()).collect();
    let methods = [String::from("GET")];
    let specs: Vec<_> = templates.iter().map(|template| RouteSpec { methods: &methods, template }).collect();
    let Ok(router) = Router::build(&specs) else { return };
    let options = PathOptions { allow_trailing_slash: true, ..PathOptions::default() };
    let Ok(path) = CanonicalPath::parse(target.as_bytes(), &options) else { return };
    match router.find("GET", &path) {
        RouteLookup::Found(found) => {
            let template = &templates[found.index];
            assert_eq!(found.params.iter().count(), template.parameters().count());
            for ((name, _), expected) in found.params.iter().zip(template.parameters()) {
                assert_eq!(name, expected);
            }
        }
        RouteLookup::MethodNotAllowed(_) => panic!("every template has this method"),
        RouteLookup::NotFound => {}
    }
});
