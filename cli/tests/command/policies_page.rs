//! The words of docs/policies.md are true: its commands print what it shows, its tables pass.

use crate::support::{countersign, folder, root};
use std::fs;
use std::process::Command;

fn page() -> String {
    fs::read_to_string(root().join("docs/policies.md")).unwrap()
}

/// The page's blocks of code in this language.
fn blocks(language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    page().split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// Holds what is shown against what is printed: whole lines in order, `…` for anything.
fn shows(shown: &str, printed: &str) {
    let mut lines = printed.lines();
    for line in shown.lines().filter(|line| *line != "…") {
        let found = match line.split_once('…') {
            None => lines.any(|have| have == line),
            Some((start, end)) => lines.any(|have| have.starts_with(start) && have.ends_with(end)),
        };
        assert!(found, "`{line}` is not in, or not in its order:\n{printed}");
    }
}

#[test]
fn its_commands_print_what_it_shows() {
    let bin = std::path::Path::new(env!("CARGO_BIN_EXE_countersign")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let scratch = folder("policies-page");
    let mut commands = 0;
    for block in blocks("console") {
        for part in format!("\n{block}").split("\n$ ").skip(1) {
            let (command, shown) = part.split_once('\n').unwrap_or((part, ""));
            let there = |text: &str| text.replace("target/", &format!("{}/", scratch.display()));
            let script = format!("{} 2>&1", there(command));
            let mut sh = Command::new("sh");
            let run = sh.args(["-c", &script]).current_dir(root()).env("PATH", &path).output().unwrap();
            shows(&there(shown), &String::from_utf8_lossy(&run.stdout));
            commands += 1;
        }
    }
    assert!(commands > 3, "the page shows {commands} commands");
}

#[test]
fn its_tables_pass() {
    let folder = folder("policies-page-tables");
    let mut tables = 0;
    for block in blocks("yaml").iter().filter(|block| block.contains("\ncases:")) {
        let file = folder.join("table.yaml");
        let pack = root().join("policies/fraud-scoring");
        fs::write(&file, format!("pack: {}\n{block}", pack.display())).unwrap();
        let out = countersign(&["test", file.to_str().unwrap()]).exits(0).out();
        assert!(out.contains("10 passed, 0 failed"), "{out}");
        tables += 1;
    }
    assert_eq!(tables, 1);
}
