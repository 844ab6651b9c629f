//! The way from texts to an image.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use cedar_policy::{Entities, Policy, PolicyId, PolicySet, Schema, Template, ValidationMode, Validator};
use cedar_policy_core::ast;
use countersign_core::policy::Image;
use countersign_core::step_up::Demand;

use crate::{
    builder::Builder,
    convert,
    declarations::Declarations,
    error::{CompileError, CompileErrors, Warning, chain, from_diagnostic},
    link::Link,
    lower,
    marks::Marks,
    nesting,
    pack::Pack,
    source::{Source, narrow},
};

/// How to compile.
#[derive(Clone, Copy, Debug)]
pub struct CompileOptions {
    /// Whether policies must pass strict validation against the schema, as they should: without it, a policy
    /// may ask for what no request has.
    pub validate: bool,
    /// Whether `@id("…")` names a policy. Else they are `policy0` onwards.
    pub id_annotations: bool,
}

impl Default for CompileOptions {
    fn default() -> Self {
        Self { validate: true, id_annotations: true }
    }
}

/// An image, and what was noticed on the way.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The image.
    pub image: Vec<u8>,
    /// Its SHA-256 digest, as the image itself and decisions carry it.
    pub digest: [u8; 32],
    /// What the validator found that is no error.
    pub warnings: Vec<Warning>,
    /// What the policies stand in, by the numbers of the image's source map.
    pub sources: Vec<Source>,
}

/// Compiles `pack`.
///
/// # Errors
///
/// Everything that is wrong with the first stage that fails: parsing, schema and entities, validation,
/// lowering.
pub fn compile(pack: &Pack, options: &CompileOptions) -> Result<Compiled, CompileErrors> {
    let parsed = parse(pack, options)?;
    let schema = pack.schema.as_ref().map(read_schema).transpose()?;
    let mut warnings = parsed.unlinked.clone();
    warnings.extend(schema.iter().flat_map(|(_, warnings)| warnings.clone()));
    if options.validate {
        let Some((schema, _)) = &schema else {
            let error = CompileError::general("no schema, expected one to validate the policies against")
                .with_help("add a file named `*.cedarschema`");
            return Err(error.into());
        };
        warnings.extend(validate(&parsed, pack, schema)?);
    }
    let entities = read_entities(pack.entities.as_ref(), schema.as_ref().map(|(schema, _)| schema))?;
    let image = lower_all(&parsed, pack, schema.as_ref(), &entities)?;
    let digest = check(&image)?;
    Ok(Compiled { image, digest, warnings, sources: pack.policies.clone() })
}

/// Policies as the official crate reads them, under their final names.
pub(crate) struct Parsed {
    pub(crate) set: PolicySet,
    /// Static policies as they stand in the sources, then linked ones; each with the number of its source.
    pub(crate) policies: Vec<(PolicyId, usize)>,
    sources: HashMap<PolicyId, usize>,
    /// A warning for each template that nothing links.
    unlinked: Vec<Warning>,
}

/// What stands at one place of a source.
enum Item {
    Policy(Policy),
    Template(Template),
}

pub(crate) fn parse(pack: &Pack, options: &CompileOptions) -> Result<Parsed, CompileErrors> {
    let mut errors = Vec::new();
    let mut items = Vec::new();
    for (number, source) in pack.policies.iter().enumerate() {
        if let Err(deep) = nesting::check(&source.text) {
            errors.push(CompileError::at(source, deep.offset, 1, deep.message));
            continue;
        }
        match source.text.parse::<PolicySet>() {
            Ok(set) => items.extend(in_order(&set).into_iter().map(|item| (number, item))),
            Err(error) => errors.extend(from_diagnostic(source, &error)),
        }
    }
    if !errors.is_empty() {
        return Err(CompileErrors(errors));
    }

    let mut parsed =
        Parsed { set: PolicySet::new(), policies: Vec::new(), sources: HashMap::new(), unlinked: Vec::new() };
    let mut templates = Vec::new();
    for (position, (number, item)) in items.into_iter().enumerate() {
        let (annotated, step_up, loc) = match &item {
            Item::Policy(policy) => {
                let ast: &ast::Policy = policy.as_ref();
                (policy.annotation("id"), policy.annotation("step_up"), ast.loc().cloned())
            }
            Item::Template(template) => {
                let ast: &ast::Template = template.as_ref();
                (template.annotation("id"), template.annotation("step_up"), ast.loc().cloned())
            }
        };
        let (offset, len) = loc.map_or((0, 0), |loc| (loc.start(), loc.end() - loc.start()));
        let Some(source) = pack.policies.get(number) else { continue };
        if let Some(Err(expected)) = step_up.map(Demand::parse) {
            errors.push(CompileError::at(
                source,
                offset,
                len,
                format!("the policy's `@step_up`: {expected}"),
            ));
            continue;
        }
        let id = match annotated.filter(|_| options.id_annotations) {
            Some("") => {
                errors.push(CompileError::at(source, offset, len, "the policy's `@id` is empty"));
                continue;
            }
            Some(id) => id.to_owned(),
            None => format!("policy{position}"),
        };
        let id = PolicyId::new(id);
        if parsed.sources.insert(id.clone(), number).is_some() {
            errors.push(
                CompileError::at(source, offset, len, format!("a second policy has the id `{id}`")).of(&id),
            );
            continue;
        }
        let added = match item {
            Item::Policy(policy) => {
                parsed.policies.push((id.clone(), number));
                parsed.set.add(policy.new_id(id))
            }
            Item::Template(template) => {
                templates.push((id.clone(), number, offset, len));
                parsed.set.add_template(template.new_id(id))
            }
        };
        if let Err(error) = added {
            errors.push(CompileError::at(source, offset, len, chain(&error)));
        }
    }
    let linked = match &pack.links {
        Some(links) => link(&mut parsed, links, &mut errors),
        None => HashSet::new(),
    };
    for (id, number, offset, len) in templates.iter().filter(|(id, ..)| !linked.contains(id)) {
        if let Some(source) = pack.policies.get(*number) {
            let message = format!("the template `{id}` is not linked and has no effect");
            parsed.unlinked.push(CompileError::at(source, *offset, *len, message).of(id));
        }
    }
    if errors.is_empty() { Ok(parsed) } else { Err(CompileErrors(errors)) }
}

/// The policies and templates of one source, as they stand in it.
fn in_order(set: &PolicySet) -> Vec<Item> {
    let start = |loc: Option<&cedar_policy_core::parser::Loc>| loc.map_or(0, |loc| loc.start());
    let policies = set.policies().map(|policy| {
        let ast: &ast::Policy = policy.as_ref();
        (start(ast.loc()), Item::Policy(policy.clone()))
    });
    let templates = set.templates().map(|template| {
        let ast: &ast::Template = template.as_ref();
        (start(ast.loc()), Item::Template(template.clone()))
    });
    let mut items: Vec<(usize, Item)> = policies.chain(templates).collect();
    items.sort_by_key(|(start, _)| *start);
    items.into_iter().map(|(_, item)| item).collect()
}

/// Links templates and returns which ones.
fn link(parsed: &mut Parsed, source: &Source, errors: &mut Vec<CompileError>) -> HashSet<PolicyId> {
    let mut linked = HashSet::new();
    let links: Vec<serde_json::Value> = match serde_json::from_str(&source.text) {
        Ok(links) => links,
        Err(error) => {
            let expected = "expected a list of links in JSON";
            errors.push(CompileError::json(source, expected, &error));
            return linked;
        }
    };
    for (at, link) in links.iter().enumerate() {
        let Link { template, id, values } = match Link::read(link) {
            Ok(link) => link,
            Err(message) => {
                errors.push(CompileError::whole(source, format!("`[{at}]`: {message}")));
                continue;
            }
        };
        let (template, id) = (PolicyId::new(template), PolicyId::new(id));
        match parsed.set.link(template.clone(), id.clone(), values) {
            Ok(()) => {
                let number = parsed.sources.get(&template).copied().unwrap_or(0);
                parsed.policies.push((id, number));
                linked.insert(template);
            }
            Err(error) => {
                errors.push(CompileError::whole(source, format!("link `{id}`: {}", chain(&error))).of(&id));
            }
        }
    }
    linked
}

pub(crate) fn read_schema(source: &Source) -> Result<(Schema, Vec<Warning>), CompileErrors> {
    Declarations::read(source)?;
    if source.name.ends_with(".json") {
        let schema = Schema::from_json_str(&source.text);
        return schema.map(|schema| (schema, Vec::new())).map_err(|error| located(source, &error));
    }
    match Schema::from_cedarschema_str(&source.text) {
        Ok((schema, warnings)) => {
            let warnings = warnings.flat_map(|warning| from_diagnostic(source, &warning)).collect();
            Ok((schema, warnings))
        }
        Err(error) => Err(located(source, &error)),
    }
}

fn located(source: &Source, error: &dyn miette::Diagnostic) -> CompileErrors {
    CompileErrors(from_diagnostic(source, error))
}

fn validate(parsed: &Parsed, pack: &Pack, schema: &Schema) -> Result<Vec<Warning>, CompileErrors> {
    let result = Validator::new(schema.clone()).validate(&parsed.set, ValidationMode::Strict);
    let located = |id: &PolicyId, diagnostic: &dyn miette::Diagnostic| {
        let source = parsed.sources.get(id).and_then(|number| pack.policies.get(*number));
        let mut errors = match source {
            Some(source) => from_diagnostic(source, diagnostic),
            None => vec![CompileError::general(diagnostic.to_string())],
        };
        for error in &mut errors {
            error.policy = Some(id.to_string());
            // The official text begins with the policy's name; say it once and alike.
            let prefix = format!("for policy `{id}`, ");
            if let Some(rest) = error.message.strip_prefix(&prefix) {
                error.message = format!("policy `{id}`: {rest}");
            }
        }
        errors
    };
    let errors: Vec<CompileError> =
        result.validation_errors().flat_map(|error| located(error.policy_id(), error)).collect();
    if !errors.is_empty() {
        return Err(CompileErrors(errors));
    }
    Ok(result.validation_warnings().flat_map(|warning| located(warning.policy_id(), warning)).collect())
}

/// Static entities; the schema's actions are among them.
pub(crate) fn read_entities(
    source: Option<&Source>,
    schema: Option<&Schema>,
) -> Result<Entities, CompileErrors> {
    let none = Source::new("", "[]");
    let source = source.unwrap_or(&none);
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&source.text) {
        return Err(CompileError::json(source, "expected a list of entities in JSON", &error).into());
    }
    Entities::from_json_str(&source.text, schema)
        .map_err(|error| CompileError::whole(source, chain(&error)).into())
}

/// Compiles what the official crate has already read, without validating it: for evaluating given cases.
///
/// The official crate's schema has lost its annotations: `annotations` is its source.
///
/// # Errors
///
/// Where something can't be lowered.
pub fn compile_set(
    set: &PolicySet,
    schema: Option<&Schema>,
    annotations: Option<&Source>,
    entities: &Entities,
) -> Result<Compiled, CompileErrors> {
    let mut parsed =
        Parsed { set: set.clone(), policies: Vec::new(), sources: HashMap::new(), unlinked: Vec::new() };
    let source = annotations.cloned().unwrap_or_else(|| Source::new("schema", ""));
    let mut pack = Pack { schema: Some(source), ..Pack::default() };
    for policy in set.policies() {
        let ast: &ast::Policy = policy.as_ref();
        let text = ast.loc().map_or_else(|| "".into(), |loc| loc.src.clone());
        let known = pack.policies.iter().position(|source| std::sync::Arc::ptr_eq(&source.text, &text));
        let number = known.unwrap_or_else(|| {
            pack.policies.push(Source::new(format!("policies-{}", pack.policies.len()), text));
            pack.policies.len() - 1
        });
        parsed.policies.push((policy.id().clone(), number));
    }
    let schema = schema.map(|schema| (schema.clone(), Vec::new()));
    let image = lower_all(&parsed, &pack, schema.as_ref(), entities)?;
    let digest = check(&image)?;
    Ok(Compiled { image, digest, warnings: Vec::new(), sources: pack.policies })
}

fn lower_all(
    parsed: &Parsed,
    pack: &Pack,
    schema: Option<&(Schema, Vec<Warning>)>,
    entities: &Entities,
) -> Result<Vec<u8>, CompileErrors> {
    let mut builder = Builder::default();
    for source in &pack.policies {
        // Without its folder: the same pack is the same image wherever it is compiled.
        let file = Path::new(&source.name).file_name().map(|name| name.to_string_lossy().into_owned());
        let name = builder.text(&file.unwrap_or_default());
        builder.tables.sources.push(name);
    }
    let mut errors = Vec::new();
    let set: &ast::PolicySet = parsed.set.as_ref();
    for (id, number) in &parsed.policies {
        let id: &ast::PolicyID = id.as_ref();
        let (Some(policy), Some(source)) = (set.get(id), pack.policies.get(*number)) else { continue };
        if let Err(error) = lower::policy(&mut builder, policy, source, narrow(*number)) {
            errors.push(*error);
        }
    }
    if let (Some((schema, _)), Some(source)) = (schema, &pack.schema) {
        if let Err(error) = lower::schema(&mut builder, schema.as_ref(), source) {
            errors.push(*error);
        }
        let sensitive = Marks::read(source)?;
        builder.tables.schema.sensitive =
            sensitive.sensitive_paths().map(|path| builder.text(path)).collect();
    }
    let core: &cedar_policy_core::entities::Entities = entities.as_ref();
    let mut sorted: Vec<&ast::Entity> = core.iter().collect();
    sorted.sort_by_key(|entity| entity.uid().to_string());
    for entity in sorted {
        match convert::entity(entity) {
            Some(entity) => builder.static_entity(&entity),
            None => errors.push(CompileError::general(format!(
                "the entity `{}` has an attribute without a value",
                entity.uid()
            ))),
        }
    }
    if errors.is_empty() { Ok(builder.finish()) } else { Err(CompileErrors(errors)) }
}

/// The image as the gateway will see it: what can't be decoded must not be written.
fn check(image: &[u8]) -> Result<[u8; 32], CompileErrors> {
    match Image::decode(image) {
        Ok(image) => Ok(*image.digest()),
        Err(error) => Err(CompileError::general(format!("the compiled image is not usable: {error}")).into()),
    }
}
