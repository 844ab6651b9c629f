//! Cedar's published tests and corpora: for every request the decision, determining policies and errors that are recorded and that the
//! official crate gives, natively and in WebAssembly, with the entities in the image and brought along.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use countersign_tests::conformance::{Tally, policy_module};
use serde_json::{Value, json};

/// A file or folder of the published material; `None` with a word where it is not there.
fn material(name: &str) -> Option<PathBuf> {
    let folder = match std::env::var_os("COUNTERSIGN_VECTORS") {
        Some(folder) => PathBuf::from(folder),
        None => countersign_tests::root().join("../shared/vectors"),
    };
    let path = folder.join(name);
    if !path.exists() {
        println!("{name}: skipped, the test material is not there");
    }
    path.exists().then_some(path)
}

fn run(name: &str, least: usize, cases: impl IntoIterator<Item = (String, Value)>) {
    let mut module = policy_module().expect("the policy module");
    let mut tally = Tally::default();
    for (id, case) in cases {
        tally.run(&id, &case, Some(&mut module));
    }
    println!("{}", tally.summary(name));
    assert!(tally.faults.is_empty(), "{}\n{}", tally.summary(name), tally.details());
    assert!(tally.requests >= least, "{}\n{}", tally.summary(name), tally.details());
    assert_eq!(tally.requests, tally.in_wasm);
}

/// The lines of a JSONL file, unpacked where its name ends in `.gz`.
fn lines(path: &Path) -> Vec<(String, Value)> {
    let text = if path.extension().is_some_and(|extension| extension == "gz") {
        let output = Command::new("gzip").arg("-dc").arg(path).output().expect("gzip runs");
        assert!(output.status.success(), "gzip: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    } else {
        std::fs::read_to_string(path).expect("readable")
    };
    let cases = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    // What the official crate itself doubted is no yardstick.
    let cases = cases.filter(|case| case["oracle_bad"].as_u64().is_none_or(|bad| bad == 0));
    cases.map(|case| (case["id"].to_string(), case)).collect()
}

#[test]
fn handwritten() {
    let Some(path) = material("cedar-handwritten/authz.jsonl") else { return };
    run("cedar-handwritten", 188, lines(&path));
}

#[test]
fn generated() {
    let Some(path) = material("cedar-generated/A.jsonl.gz") else { return };
    run("cedar-generated", 7500, lines(&path));
}

#[test]
fn corpus_2025_03_28() {
    let Some(path) = material("cedar-corpora/2025-03-28_909e810.nontrivial.jsonl.gz") else { return };
    run("cedar-corpora 2025-03-28, nontrivial", 6025, lines(&path));
}

#[test]
fn corpus_4_8() {
    let Some(path) = material("cedar-corpora/v4.8_8b1b449.nontrivial.jsonl.gz") else { return };
    run("cedar-corpora 4.8, nontrivial", 5947, lines(&path));
}

#[test]
fn corpus_2025_03_28_whole() {
    let Some(path) = material("cedar-corpora/corpus-tests_2025-03-28_909e810.tar.gz") else { return };
    run("cedar-corpora 2025-03-28, whole", 40_000, archive(&path));
}

#[test]
fn corpus_4_8_whole() {
    let Some(path) = material("cedar-corpora/corpus-tests_v4.8_8b1b449.tar.gz") else { return };
    run("cedar-corpora 4.8, whole", 40_000, archive(&path));
}

/// The cases of a packed corpus: files of the same name with policies, schema, entities and requests.
fn archive(path: &Path) -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(path.file_stem().expect("a name"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    let mut tar = Command::new("tar");
    tar.arg("-xzf").arg(path).arg("-C").arg(&folder).args(["--strip-components", "1"]);
    assert!(tar.status().expect("tar runs").success());
    let names = std::fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut names: Vec<PathBuf> = names
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .filter(|path| !path.to_string_lossy().ends_with(".entities.json"))
        .collect();
    names.sort();
    let cases = names.iter().map(|path| {
        let beside = |ending: &str| text(&path.with_extension(ending));
        let test: Value = serde_json::from_str(&text(path)).expect("JSON");
        (
            path.display().to_string(),
            whole(&test, beside("cedar"), beside("cedarschema"), &beside("entities.json")),
        )
    });
    cases.collect()
}

fn text(path: &Path) -> String {
    let mut text = String::new();
    let file = std::fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text));
    file.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text
}

fn whole(test: &Value, policy: String, schema: String, entities: &str) -> Value {
    let entities: Value = serde_json::from_str(entities).expect("JSON");
    json!({ "policy": policy, "schema": schema, "entities": entities, "requests": test["requests"] })
}

#[test]
fn integration_tests() {
    let Some(root) = material("cedar-integration-tests") else { return };
    let mut cases = Vec::new();
    collect(&root, &root.join("tests"), &mut cases);
    run("cedar-integration-tests", 74, cases);
}

fn collect(root: &Path, folder: &Path, cases: &mut Vec<(String, Value)>) {
    let mut entries: Vec<_> =
        std::fs::read_dir(folder).expect("folder").map(|e| e.expect("entry").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(root, &path, cases);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            let test: Value = serde_json::from_str(&text(&path)).expect("JSON");
            let file = |name: &str| text(&root.join(test[name].as_str().expect("path")));
            cases.push((
                path.display().to_string(),
                whole(&test, file("policies"), file("schema"), &file("entities")),
            ));
        }
    }
}
