//! Node, which answers commands.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use countersign_tests::root;
use serde_json::{Value, json};

/// A running `peer.mjs`. It ends when its input does.
pub(crate) struct Node {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Node {
    /// Starts it.
    pub(crate) fn start() -> Result<Self> {
        let mut child = Command::new("node")
            // With inlined calls Node 20 can crash where it deoptimizes one that returns from wasm.
            .arg("--no-turbo-inline-js-wasm-calls")
            .arg(root().join("tests/cedar-wasm/peer.mjs"))
            .arg(root().join("target/countersign-policy.wasm"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting `node`")?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().context("no output of `node`")?);
        Ok(Self { child, input, output })
    }

    /// Sends a command and reads the answer.
    pub(crate) fn ask(&mut self, command: &Value) -> Result<Value> {
        let input = self.input.as_mut().context("no input of `node`")?;
        writeln!(input, "{command}")?;
        input.flush()?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let said: Value = serde_json::from_str(&line)
            .context("`node` ended; `npm ci` in tests/cedar-wasm installs its parts")?;
        match said["error"].as_str() {
            Some(error) => bail!("under Node: {error}"),
            None => Ok(said),
        }
    }

    /// Has it do something so often: how long that took and how many requests were allowed.
    pub(crate) fn timed(&mut self, command: &str, times: usize) -> Result<(Duration, usize)> {
        let said = self.ask(&json!({ "command": command, "times": times }))?;
        let nanoseconds = said["ns"].as_f64().context("no time")?;
        let allowed = said["allowed"].as_u64().context("no count")?;
        Ok((Duration::from_secs_f64(nanoseconds / 1e9), usize::try_from(allowed)?))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.child.wait();
    }
}
