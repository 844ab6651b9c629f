//! Running a table.

use super::coverage::Coverage;
use super::format::{Expected, File, cases, check};
use crate::document::Document;
use crate::explanation::{Asked, near, ruling};
use crate::failure::Failure;
use crate::images;
use crate::literal::{Question, uid};
use crate::report::CaseResult;
use crate::sources::Sources;
use countersign_core::policy::{Decision, Image, Outcome, evaluate};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// A file of tables, ready to run.
pub(crate) struct Table {
    /// Its path.
    pub(crate) path: PathBuf,
    /// The pack's folder.
    pub(crate) pack: PathBuf,
    image: Rc<Image>,
    sources: Rc<Sources>,
    cases: Vec<Case>,
}

/// One case.
struct Case {
    name: String,
    place: String,
    question: Question,
    expected: Expected,
}

/// Images of packs that were compiled already.
pub(crate) type Images = BTreeMap<PathBuf, (Rc<Image>, Rc<Sources>)>;

impl Table {
    /// Reads a file, and the pack that it is about unless that is among `images`.
    pub(crate) fn load(path: &Path, images: &mut Images) -> Result<Self, Failure> {
        let document = Document::open(path)?;
        let file = if document.is_list() {
            File { cases: document.read()?, ..File::default() }
        } else {
            document.read()?
        };
        let pack = pack(path, file.pack.as_deref());
        let opened = match images.get(&pack) {
            Some(opened) => opened.clone(),
            None => {
                let (image, sources) = images::open_with_sources(&pack).map_err(|failure| {
                    if file.pack.is_none() && pack.is_dir() && !has_policies(&pack) {
                        return nowhere(&document, &pack);
                    }
                    failure.note(format!("the pack is the one that {} is about", path.display()))
                })?;
                let opened = (Rc::new(image), Rc::new(sources));
                images.insert(pack.clone(), opened.clone());
                opened
            }
        };
        Self::read(path, pack, opened, &document, &file)
    }

    /// Reads a file for another image than that of its pack.
    pub(crate) fn load_for(path: &Path, image: Rc<Image>) -> Result<Self, Failure> {
        let document = Document::open(path)?;
        let file = if document.is_list() {
            File { cases: document.read()?, ..File::default() }
        } else {
            document.read()?
        };
        Self::read(path, PathBuf::new(), (image, Rc::default()), &document, &file)
    }

    fn read(
        path: &Path,
        pack: PathBuf,
        (image, sources): (Rc<Image>, Rc<Sources>),
        document: &Document,
        file: &File,
    ) -> Result<Self, Failure> {
        let list = if document.is_list() { "" } else { "cases" };
        let mut all = Vec::new();
        for (index, entry) in file.cases.iter().enumerate() {
            let place = format!("{list}[{index}]");
            for case in cases(entry).map_err(|message| document.fault(&place, message))? {
                let case = completed(file, case);
                let name = check(&case).map_err(|message| document.fault(&place, message))?;
                let fault = |message: String| document.fault(&place, format!("`{name}`: {message}"));
                let expected = Expected::of(&case).map_err(fault)?;
                let question = Question::read(&image, &case).map_err(|(inner, message)| {
                    fault(if inner.is_empty() { message } else { format!("`{inner}`: {message}") })
                })?;
                all.push(Case { name, place: document.place(&place), question, expected });
            }
        }
        Ok(Self { path: path.to_owned(), pack, image, sources, cases: all })
    }

    /// The names of the cases.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.cases.iter().map(|case| case.name.as_str())
    }

    /// The questions of the cases, with their names.
    pub(crate) fn questions(&self) -> impl Iterator<Item = (&str, &Question)> {
        self.cases.iter().map(|case| (case.name.as_str(), &case.question))
    }

    /// An empty account of what this table's pack should have covered.
    pub(crate) fn coverage(&self) -> Coverage {
        Coverage::new(self.pack.clone(), Rc::clone(&self.image), Rc::clone(&self.sources))
    }

    /// Runs the case at `index`, and notes what it covers.
    pub(crate) fn run(&self, index: usize, coverage: &mut Coverage) -> CaseResult {
        let Some(case) = self.cases.get(index) else { unreachable!("cases are counted") };
        let found = case.question.ask(|request| {
            coverage.note(request);
            evaluate(&self.image, request)
        });
        let record = record(&self.image, &found);
        let failures = failures(&case.expected, &record);
        let near = if failures.is_empty() { Vec::new() } else { self.near(case, &found) };
        CaseResult {
            name: case.name.clone(),
            place: case.place.clone(),
            failures,
            near,
            records: vec![record],
            ..CaseResult::default()
        }
    }

    /// What was near to what a case expects.
    fn near(&self, case: &Case, found: &Outcome) -> Vec<String> {
        let asked = case.question.ask(|request| Asked::of(&self.image, &self.sources, request));
        near(&asked, found.ruling(), case.expected.reasons.as_deref().unwrap_or_default())
    }

    /// The place of a case, and its question explained.
    pub(crate) fn explained(&self, index: usize) -> Option<(&str, Outcome, Asked)> {
        let case = self.cases.get(index)?;
        let (asked, outcome) = case
            .question
            .ask(|request| (Asked::of(&self.image, &self.sources, request), evaluate(&self.image, request)));
        Some((&case.place, outcome, asked))
    }

    /// The image that is asked.
    pub(crate) fn image(&self) -> &Image {
        &self.image
    }
}

/// The folder of a file's pack: the one it names, else the one it stands in, or the one above the nearest `tests` around it.
fn pack(path: &Path, named: Option<&str>) -> PathBuf {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let around = || folder.ancestors().find(|around| around.ends_with("tests"));
    match (named, around()) {
        (Some(named), _) => folder.join(named),
        (None, Some(tests)) if !has_policies(folder) => match tests.parent() {
            Some(above) if above != Path::new("") => above.to_owned(),
            _ => PathBuf::from("."),
        },
        (None, _) => folder.to_owned(),
    }
}

/// A table stands in no pack.
fn nowhere(document: &Document, folder: &Path) -> Failure {
    let message = "expected a table in a pack, a folder with files named `*.cedar`";
    document
        .fault("", format!("{message}, found none in `{}`", folder.display()))
        .help("put the table into the pack's folder `tests`, or name the pack: `pack: FOLDER`")
}

/// Whether a folder is a pack of its own, whatever it stands in.
fn has_policies(folder: &Path) -> bool {
    let cedar = |path: PathBuf| path.extension().is_some_and(|extension| extension == "cedar");
    std::fs::read_dir(folder).is_ok_and(|inside| inside.flatten().any(|entry| cedar(entry.path())))
}

/// A case with what its file gives to all of them.
fn completed(file: &File, mut case: Map<String, Value>) -> Map<String, Value> {
    for (name, value) in &file.defaults {
        match case.get_mut(name) {
            None => {
                case.insert(name.clone(), value.clone());
            }
            Some(mine) if name == "context" => join(mine, value),
            Some(_) => {}
        }
    }
    if !file.entities.is_empty() {
        let own = case.remove("entities");
        let mut entities: Vec<Value> = own.and_then(|own| own.as_array().cloned()).unwrap_or_default();
        let name = |entity: &Value| entity.get("uid").and_then(|name| uid(name).ok());
        let names: Vec<_> = entities.iter().filter_map(name).collect();
        let shared = file.entities.iter();
        entities.extend(shared.filter(|one| name(one).is_none_or(|name| !names.contains(&name))).cloned());
        case.insert("entities".to_owned(), Value::Array(entities));
    }
    case
}

/// Adds to an object what only the other has, at every depth.
fn join(mine: &mut Value, theirs: &Value) {
    if let (Value::Object(mine), Value::Object(theirs)) = (mine, theirs) {
        for (name, value) in theirs {
            match mine.get_mut(name) {
                Some(mine) => join(mine, value),
                None => {
                    mine.insert(name.clone(), value.clone());
                }
            }
        }
    }
}

/// What was decided, as data.
fn record(image: &Image, outcome: &Outcome) -> Map<String, Value> {
    let name = |index| image.policy(index).map_or("", |policy| policy.id());
    let sorted = |mut names: Vec<&str>| {
        names.sort_unstable();
        json!(names)
    };
    let decision = if outcome.decision() == Decision::Allow { "allow" } else { "deny" };
    [
        ("decision", decision.into()),
        ("ruling", ruling(outcome.ruling()).into()),
        ("reasons", sorted(outcome.determining().iter().map(name).collect())),
        ("errors", sorted(outcome.errors().iter().map(|error| name(error.policy)).collect())),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into_iter()
    .collect()
}

fn failures(expected: &Expected, record: &Map<String, Value>) -> Vec<String> {
    let decision = if expected.allow { "allow" } else { "deny" };
    let wanted = [
        ("decision", Some(decision.into())),
        ("ruling", expected.ruling.map(Value::from)),
        ("reasons", expected.reasons.as_ref().map(|names| json!(names))),
        ("errors", Some(json!(expected.errors))),
    ];
    let differs = |(name, wanted): (&str, Option<Value>)| {
        let found = record.get(name).cloned().unwrap_or_default();
        let wanted = wanted.filter(|wanted| *wanted != found)?;
        Some(format!("{name}: expected {wanted}, found {found}"))
    };
    wanted.into_iter().filter_map(differs).collect()
}
