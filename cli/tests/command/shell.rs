//! What makes the command at home in a shell: completions, manual pages, watching.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::support::{countersign, folder, root};

/// Longer than any run takes: only a test that fails waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn every_shell_gets_its_completions() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = countersign(&["completions", shell]).exits(0).out();
        assert!(script.contains("completions") && script.contains("coverage-min"), "{shell}: {script}");
    }
    assert!(countersign(&["completions", "cmd"]).exits(2).err().contains("possible values: bash"));
}

#[test]
fn every_command_has_a_manual_page() {
    assert!(countersign(&["manual"]).exits(0).out().contains(".TH countersign 1"));
    let pages = folder("manual");
    countersign(&["manual", "--output", pages.to_str().unwrap()]).exits(0);
    let help = countersign(&["--help"]).exits(0).out();
    let commands = help.lines().skip_while(|line| !line.starts_with("Commands:")).skip(1);
    let commands: Vec<&str> = commands
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert!(commands.len() > 15, "{commands:?}");
    for name in commands {
        assert!(pages.join(format!("countersign-{name}.1")).is_file(), "`{name}` has a page");
    }
    let file = pages.join("countersign.1");
    let failed = countersign(&["manual", "--output", file.to_str().unwrap()]).exits(2).err();
    assert!(failed.contains("expected a folder to write to"), "{failed}");
}

/// A command that watches, and the lines that it writes to either output.
struct Watching {
    child: Child,
    lines: Receiver<String>,
}

impl Watching {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_countersign"))
            .current_dir(root())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let other = sender.clone();
        std::thread::spawn(move || {
            BufReader::new(out).lines().try_for_each(|line| sender.send(line.unwrap()))
        });
        std::thread::spawn(move || {
            BufReader::new(err).lines().try_for_each(|line| other.send(line.unwrap()))
        });
        Self { child, lines }
    }

    /// Lets it write until each of these was part of a line.
    #[track_caller]
    fn says(&self, parts: &[&str]) {
        let mut missing = parts.to_vec();
        let mut said = Vec::new();
        while !missing.is_empty() {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("expected {missing:?}, it said {said:#?}"));
            missing.retain(|part| !line.contains(part));
            said.push(line);
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const HEALTH: &str = "version: 1
issuers: []
routes: [{ name: health, methods: [GET], path: /healthz, profile: public }]
policy: { pack: pack }
";

const SCENARIOS: &str = "configuration: countersign.yaml
cases: [{ name: health, request: { url: /healthz }, expect: allow }]
";

/// A folder with scenarios, a configuration and a pack.
fn project(name: &str) -> std::path::PathBuf {
    let folder = folder(name);
    let pack = folder.join("pack");
    fs::create_dir(&pack).unwrap();
    fs::write(
        pack.join("all.cedarschema"),
        "entity User; action Read appliesTo { principal: User, resource: User };",
    )
    .unwrap();
    fs::write(pack.join("all.cedar"), "permit (principal, action, resource) when { principal == resource };")
        .unwrap();
    fs::write(folder.join("countersign.yaml"), HEALTH).unwrap();
    fs::write(folder.join("scenarios.yaml"), SCENARIOS).unwrap();
    folder
}

#[test]
fn a_watched_suite_runs_again_for_all_that_it_reads() {
    let folder = project("watch-test");
    let file = folder.join("scenarios.yaml");
    let watching = Watching::start(&["test", "--watch", "--engine", "native", file.to_str().unwrap()]);
    watching.says(&["1 passed, 0 failed", "watching 3 paths"]);

    // The scenarios themselves, by an editor that puts a new file in the old one's place.
    let next = folder.join("next");
    fs::write(&next, SCENARIOS.replace("expect: allow", "expect: deny")).unwrap();
    fs::rename(&next, &file).unwrap();
    watching.says(&["changed", "0 passed, 1 failed", "watching"]);

    // The configuration: what is wrong is told, and ends nothing.
    fs::write(folder.join("countersign.yaml"), "version: 2").unwrap();
    watching.says(&["changed", "countersign.yaml", "error", "watching"]);
    fs::write(folder.join("countersign.yaml"), HEALTH).unwrap();
    watching.says(&["changed", "0 passed, 1 failed", "watching"]);

    // A new file in the pack.
    fs::write(folder.join("pack/more.cedar"), "permit (principal, action, resource) wen;").unwrap();
    watching.says(&["more.cedar", "error", "watching"]);
}

#[test]
fn what_the_command_reads_itself_sets_nothing_off() {
    let folder = project("watch-check");
    let pack = folder.join("pack");
    let watching = Watching::start(&["check", "--watch", pack.to_str().unwrap()]);
    watching.says(&["ok", "watching 1 path"]);
    fs::read_to_string(pack.join("all.cedar")).unwrap();
    fs::write(folder.join("beside.txt"), "beside the pack").unwrap();
    // The next thing that it says is about the change that counts.
    fs::write(pack.join("all.cedar"), "permit (principal, action, resource) when { true };").unwrap();
    let lines: Vec<String> = (0..2).map(|_| watching.lines.recv_timeout(PATIENCE).unwrap()).collect();
    assert!(lines[1].contains("changed") && lines[1].contains("all.cedar"), "{lines:?}");
    watching.says(&["ok", "watching"]);
}
