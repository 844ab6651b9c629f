//! Node, which answers commands.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use super::super::case::Prepared;
use super::outcome;
use crate::failure::Failure;

/// The host in JavaScript.
const HOST: &str = concat!(
    include_str!("stream.js"),
    include_str!("host.js"),
    include_str!("calls.js"),
    include_str!("peer.js")
);

/// A running host. It ends when its input does.
pub(super) struct Node {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Node {
    /// Starts it: the `node` of the path, or what `NODE` names.
    pub(super) fn start() -> Result<Self, Failure> {
        let program = std::env::var_os("NODE").unwrap_or_else(|| "node".into());
        let wrong = |error: &dyn std::fmt::Display| {
            Failure::usage(format!("`{}`: expected Node 20 or later: {error}", program.display()))
                .help("install Node, or name it by the variable `NODE`; without `--v8` it is not needed")
        };
        let mut child = Command::new(&program)
            // With inlined calls Node 20 can crash where it deoptimizes one that returns from wasm.
            .args(["--no-turbo-inline-js-wasm-calls", "--input-type=module", "--eval", HOST])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| wrong(&error))?;
        let input = child.stdin.take();
        let output = child.stdout.take().ok_or_else(|| wrong(&"it has no output"))?;
        Ok(Self { child, input, output: BufReader::new(output) })
    }

    /// Sends a command and reads the answer.
    pub(super) fn ask(&mut self, command: &Value) -> Result<Value, Failure> {
        let gone = |error: &dyn std::fmt::Display| Failure::finding(format!("Node ended: {error}"));
        let input = self.input.as_mut().ok_or_else(|| gone(&"it has no input"))?;
        writeln!(input, "{command}").and_then(|()| input.flush()).map_err(|error| gone(&error))?;
        let mut line = String::new();
        self.output.read_line(&mut line).map_err(|error| gone(&error))?;
        let said: Value = serde_json::from_str(&line).map_err(|error| gone(&error))?;
        match said["error"].as_str() {
            Some(error) => Err(Failure::finding(format!("the module on V8: {error}"))
                .help("the host under Node has what requests use of the ABI, and no gRPC")),
            None => Ok(said),
        }
    }

    /// Has a request run so often: the nanoseconds of each time.
    pub(super) fn time(&mut self, name: &str, request: &Prepared, times: u32) -> Result<Vec<u64>, Failure> {
        let request = outcome::request(request);
        let said =
            self.ask(&json!({ "command": "time", "name": name, "request": request, "times": times }))?;
        Ok(said["times"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.input = None;
        // Whatever it still does is of no use to anybody.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
