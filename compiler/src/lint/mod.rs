//! What is probably not meant: policies that are valid, and yet can't match, let too much through, or can fail.
//!
//! Every rule works on the official crate's syntax trees, and says nothing where it isn't sure.

mod certain;
mod covered;
mod errors;
mod inputs;
mod logic;
mod never;
mod optional;
mod rule;
mod subject;
#[cfg(test)]
mod tests;
mod typing;
mod unknown;
mod unused;

use std::collections::{BTreeSet, HashMap};

pub use rule::{Rule, Severity};

use crate::{
    compile::{CompileOptions, compile, parse, read_entities, read_schema},
    error::{CompileError, CompileErrors},
    pack::Pack,
};
use subject::{Subject, World, subjects};

/// What the linter is told beside the pack.
#[derive(Clone, Debug, Default)]
pub struct LintOptions {
    /// Entity types that are sensitive though the schema doesn't say so.
    pub sensitive: BTreeSet<String>,
    /// Attributes that come from what a client writes freely, as `context.name`, or `Type.name` for an entity's.
    pub unverified: BTreeSet<String>,
}

/// One finding.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// The policy it is about, if it is about one.
    pub policy: Option<String>,
    /// What is found, and where.
    pub what: CompileError,
}

/// The entity types that a pack's schema declares, by their full names.
///
/// # Errors
///
/// Where the schema can't be read.
pub fn entity_types(pack: &Pack) -> Result<Vec<String>, CompileErrors> {
    let Some(source) = &pack.schema else { return Ok(Vec::new()) };
    let (schema, _) = read_schema(source)?;
    Ok(schema.entity_types().map(ToString::to_string).collect())
}

/// Lints a pack.
///
/// # Errors
///
/// Where the pack does not compile.
pub fn lint(pack: &Pack, options: &LintOptions) -> Result<Vec<Finding>, CompileErrors> {
    compile(pack, &CompileOptions::default())?;
    let parsed = parse(pack, &CompileOptions::default())?;
    let Some(source) = &pack.schema else { return Ok(Vec::new()) };
    let (schema, _) = read_schema(source)?;
    let entities = read_entities(pack.entities.as_ref(), Some(&schema))?;
    let world = World::new(pack, source, schema.as_ref(), entities.as_ref(), options)?;
    let subjects = subjects(pack, &parsed, &world);

    let impossible = never::impossible(&parsed, &schema);
    let mut findings = Vec::new();
    for subject in &subjects {
        never::lint(subject, &world, &impossible, &mut findings);
        optional::lint(subject, &world, &mut findings);
        errors::lint(subject, &world, &mut findings);
        inputs::lint(subject, &world, &mut findings);
        unknown::lint(subject, &world, &mut findings);
        findings.extend(subject.unknown_allowed());
    }
    covered::lint(&subjects, &world, &mut findings);
    let by_id: HashMap<&str, &Subject<'_>> =
        subjects.iter().map(|subject| (subject.id.as_str(), subject)).collect();
    findings.retain(|finding: &Finding| {
        let subject = finding.policy.as_ref().and_then(|id| by_id.get(id.as_str()));
        subject.is_none_or(|subject| !subject.allows(finding.rule))
    });
    unused::lint(&subjects, &world, &mut findings);
    findings.sort_by(|a, b| {
        let key = |finding: &Finding| (finding.what.source.clone(), finding.what.span.offset(), finding.rule);
        key(a).cmp(&key(b))
    });
    findings.dedup_by(|a, b| {
        a.rule == b.rule
            && a.what.source == b.what.source
            && a.what.span == b.what.span
            && a.what.message == b.what.message
    });
    Ok(findings)
}
