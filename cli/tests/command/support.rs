//! Running the command as people run it.
#![allow(dead_code, reason = "each test file uses a part of this")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The configuration that most tests run under.
pub(crate) const EXAMPLE: &str = "examples/envoy/countersign.yaml";

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A folder of this test's own, empty at first.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Runs the command in the repository's root.
pub(crate) fn countersign(arguments: &[&str]) -> Run {
    countersign_with(arguments, "")
}

/// Runs the command with something on its standard input.
pub(crate) fn countersign_with(arguments: &[&str], input: &str) -> Run {
    let mut child = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .current_dir(root())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let text = input.to_owned();
    let writer = std::thread::spawn(move || drop(stdin.write_all(text.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Run { arguments: arguments.join(" "), output }
}

/// How a run went.
pub(crate) struct Run {
    arguments: String,
    output: Output,
}

impl Run {
    /// Demands this exit code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        let have = self.output.status.code();
        assert_eq!(have, Some(code), "`{}`\n{}\n{}", self.arguments, self.out(), self.err());
        self
    }

    /// Standard output.
    pub(crate) fn out(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    /// Standard error.
    pub(crate) fn err(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    /// Each line of standard output as JSON.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.out()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    }
}

/// The time at which the test tokens are minted.
pub(crate) const NOW: i64 = 1_767_225_600;

/// A signing key with its published set.
pub(crate) struct Signer {
    file: PathBuf,
    /// The JWK Set.
    pub(crate) jwks: Value,
}

impl Signer {
    /// Makes a key.
    pub(crate) fn new(folder: &Path, kid: &str) -> Self {
        let file = folder.join(format!("{kid}.jwk"));
        let path = file.to_str().unwrap();
        countersign(&["keys", "new", "--kid", kid, "-o", path]).exits(0);
        let jwks = serde_json::from_str(&countersign(&["keys", "jwks", path]).exits(0).out()).unwrap();
        Self { file, jwks }
    }

    /// A token of alice's that the example configuration allows, with these arguments of `countersign token` besides.
    pub(crate) fn token(&self, more: &[&str]) -> String {
        let now = NOW.to_string();
        let mut arguments = vec![
            "token",
            "--key",
            self.file.to_str().unwrap(),
            "--now",
            &now,
            "--iss",
            "http://127.0.0.1:8090",
            "--sub",
            "alice",
            "--claim",
            "tenant=acme",
            "--claim",
            "region=eu",
            "--claim-json",
            "roles=[\"customer\"]",
            "--claim-json",
            "transaction={\"class\":\"wire\",\"amount\":500000}",
        ];
        if !more.contains(&"--aud") {
            arguments.extend(["--aud", "https://api.bank.example"]);
        }
        arguments.extend(more);
        countersign(&arguments).exits(0).out().trim().to_owned()
    }
}
