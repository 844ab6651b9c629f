//! The README's words are true: its commands run, its configuration is good, its policy is one of the pack's.

use crate::support::root;
use std::path::Path;
use std::process::Command;

/// The README's blocks of code in this language.
fn blocks(language: &str) -> Vec<String> {
    let page = std::fs::read_to_string(root().join("README.md")).unwrap();
    let fence = format!("```{language}\n");
    page.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn its_policy_is_one_of_the_packs() {
    let [policy] = &blocks("cedar")[..] else { panic!("expected one policy") };
    let pack = std::fs::read_to_string(root().join("policies/fraud-scoring/40-guardrails.cedar")).unwrap();
    assert!(pack.contains(policy.trim()));
}

#[test]
fn its_configuration_is_good() {
    let [configuration] = &blocks("yaml")[..] else { panic!("expected one configuration") };
    // The pack's path is relative to the file.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("readme");
    std::fs::create_dir_all(&folder).unwrap();
    let pack = root().join("policies").canonicalize().unwrap();
    let file = folder.join("countersign.yaml");
    std::fs::write(&file, configuration.replace("policies/", &format!("{}/", pack.display()))).unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_countersign")).arg("check").arg(&file).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}

#[test]
fn its_commands_decide_as_it_says() {
    let commands: Vec<String> =
        blocks("sh").into_iter().filter(|block| block.contains("countersign ")).collect();
    let script = commands.join("\n").replace("target/try", &format!("{}/try", env!("CARGO_TARGET_TMPDIR")));
    let bin = Path::new(env!("CARGO_BIN_EXE_countersign")).parent().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let sh = |script: &str| {
        let mut sh = Command::new("sh");
        sh.args(["-e", "-c", script]).current_dir(root());
        let run = sh.env("PATH", format!("{}:{path}", bin.display())).output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8(run.stdout).unwrap()
    };
    let record: serde_json::Value = serde_json::from_str(sh(&script).lines().last().unwrap()).unwrap();
    assert_eq!(record["reason"], "policy.forbidden");
    assert_eq!(record["policies"][0], "tenant-boundary");

    let explained = sh(&script.replace("countersign eval", "countersign explain"));
    let [said] = &blocks("text")[1..] else { panic!("expected the demo's table and an explanation") };
    for line in said.lines().filter(|line| *line != "…") {
        assert!(explained.contains(line), "`{line}` is not in:\n{explained}");
    }
}
