//! The words of docs/credentials.md are true: its YAML stands in scenarios that pass, its commands print what it shows. So does the YAML
//! of packs that rest on what tokens say.

use crate::support::{folder, root};
use std::fs;
use std::path::Path;
use std::process::Command;

const PAGE: &str = "docs/credentials.md";

/// A page's blocks of code in this language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let page = fs::read_to_string(root().join(page)).unwrap();
    let fence = format!("```{language}\n");
    page.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn its_examples_are_parts_of_scenarios() {
    let mut scenarios = Vec::new();
    let mut folders = vec![root().join("tests/scenarios")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => scenarios.push(fs::read_to_string(path).unwrap()),
            }
        }
    }
    for (page, least) in
        [(PAGE, 5), ("policies/agent-tools/README.md", 1), ("policies/step-up-admin/README.md", 1)]
    {
        let examples = blocks(page, "yaml");
        assert!(examples.len() >= least, "{page} shows {} examples", examples.len());
        for example in examples {
            let stands = scenarios.iter().any(|scenario| scenario.contains(&example));
            assert!(stands, "in no scenario, of {page}:\n{example}");
        }
    }
}

#[test]
fn its_commands_print_what_it_shows() {
    let bin = Path::new(env!("CARGO_BIN_EXE_countersign")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let scratch = folder("credentials-page");
    let there = |text: &str| text.replace("target/", &format!("{}/", scratch.display()));
    let (mut commands, mut shown_lines) = (0, 0);
    for block in blocks(PAGE, "console") {
        let (mut script, mut shown) = (Vec::new(), Vec::new());
        for line in block.lines() {
            match line.strip_prefix("$ ") {
                Some(command) => script.push(there(command)),
                None => shown.push(line),
            }
        }
        commands += script.len();
        // One shell for a block, which ends at the first command that fails.
        let mut sh = Command::new("sh");
        let run = sh.args(["-e", "-c", &script.join("\n")]).current_dir(root()).env("PATH", &path);
        let run = run.output().unwrap();
        let printed = String::from_utf8(run.stdout).unwrap();
        assert!(run.status.success(), "{script:#?}\n{printed}\n{}", String::from_utf8_lossy(&run.stderr));
        let mut lines = printed.lines();
        for line in shown.into_iter().filter(|line| line.trim() != "…") {
            let (start, end) = line.split_once('…').unwrap_or((line, ""));
            let found = lines.any(|have| match line.contains('…') {
                true => have.starts_with(start) && have.ends_with(end),
                false => have == line,
            });
            assert!(found, "`{line}` is not in, or not in its order:\n{printed}");
            shown_lines += 1;
        }
    }
    assert!(commands > 5 && shown_lines > 5, "the page shows {commands} commands, and {shown_lines} lines");
}
