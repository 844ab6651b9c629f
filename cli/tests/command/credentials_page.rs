//! The words of docs/credentials.md are true: its YAML stands in scenarios that pass, its commands print what it shows.

use crate::support::{folder, root};
use std::fs;
use std::path::Path;
use std::process::Command;

/// The page's blocks of code in this language.
fn blocks(language: &str) -> Vec<String> {
    let page = fs::read_to_string(root().join("docs/credentials.md")).unwrap();
    let fence = format!("```{language}\n");
    page.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn its_examples_are_parts_of_scenarios() {
    let folders = ["tests/scenarios", "tests/scenarios/credentials"];
    let files = folders.iter().flat_map(|folder| fs::read_dir(root().join(folder)).unwrap());
    let paths = files.map(|file| file.unwrap().path()).filter(|path| path.is_file());
    let scenarios: Vec<String> = paths.map(|path| fs::read_to_string(path).unwrap()).collect();
    let examples = blocks("yaml");
    assert!(examples.len() > 4, "the page shows {} examples", examples.len());
    for example in examples {
        assert!(scenarios.iter().any(|scenario| scenario.contains(&example)), "in no scenario:\n{example}");
    }
}

#[test]
fn its_commands_print_what_it_shows() {
    let bin = Path::new(env!("CARGO_BIN_EXE_countersign")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let mut commands = 0;
    for block in blocks("console") {
        for part in format!("\n{block}").split("\n$ ").skip(1) {
            let (command, shown) = part.split_once('\n').unwrap_or((part, ""));
            let mut sh = Command::new("sh");
            let run = sh.args(["-c", command]).current_dir(folder("credentials-page")).env("PATH", &path);
            let printed = String::from_utf8(run.output().unwrap().stdout).unwrap();
            let mut lines = printed.lines();
            for line in shown.lines().filter(|line| line.trim() != "…") {
                let (start, end) = line.split_once('…').unwrap_or((line, ""));
                let found = lines.any(|have| match line.contains('…') {
                    true => have.starts_with(start) && have.ends_with(end),
                    false => have == line,
                });
                assert!(found, "`{line}` is not in, or not in its order:\n{printed}");
            }
            commands += 1;
        }
    }
    assert!(commands > 0, "the page shows no command");
}
