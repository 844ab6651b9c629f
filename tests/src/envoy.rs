//! A running Envoy: started on ports that the system gives, asked through its admin port, ended on drop.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::client::Client;
use crate::http::{Request, Response};

/// How long Envoy may take to start; compiling a module is part of it.
const START: Duration = Duration::from_secs(60);
/// How long something may take to show up in the log.
const LOG: Duration = Duration::from_secs(10);

/// A running Envoy.
pub struct Envoy {
    child: Child,
    admin: SocketAddr,
    log: PathBuf,
}

impl Envoy {
    /// The binary: the one that `ENVOY` names, else the one that `cargo xtask setup` fetched.
    pub fn binary() -> Result<PathBuf> {
        if let Some(named) = std::env::var_os("ENVOY") {
            return Ok(PathBuf::from(named));
        }
        let fetched = crate::root().join("target/tools/envoy");
        ensure!(fetched.exists(), "there is no {}, run `cargo xtask setup`", fetched.display());
        Ok(fetched)
    }

    /// The filter's module.
    pub fn module() -> Result<PathBuf> {
        let built = crate::root().join("target/countersign.wasm");
        ensure!(built.exists(), "there is no {}, run `cargo xtask build-filter`", built.display());
        Ok(built)
    }

    /// Starts Envoy with this configuration and waits until it serves.
    pub fn start(configuration: &str) -> Result<Self> {
        Self::start_with(configuration, &mut Command::new(Self::binary()?))
    }

    /// Starts Envoy through `command`, which may be a wrapper around the binary, and may name a log level.
    pub fn start_with(configuration: &str, command: &mut Command) -> Result<Self> {
        Self::start_workers(configuration, command, 1)
    }

    /// The same, with so many worker threads.
    pub fn start_workers(configuration: &str, command: &mut Command, workers: usize) -> Result<Self> {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, Ordering::SeqCst);
        let folder = crate::root().join("target/envoy").join(format!("{}-{number}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let (file, log, admin) = (folder.join("envoy.yaml"), folder.join("envoy.log"), folder.join("admin"));
        let _ = fs::remove_file(&admin);
        fs::write(&file, configuration)?;
        let output = File::create(&log)?;
        command.arg("--config-path").arg(&file).arg("--admin-address-path").arg(&admin);
        command.args(["--disable-hot-restart", "--concurrency", &workers.to_string()]);
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().context("starting Envoy")?;
        let mut envoy = Self { child, admin: ([127, 0, 0, 1], 0).into(), log };
        let since = Instant::now();
        while !envoy.is_ready(&admin) {
            if let Some(status) = envoy.child.try_wait()? {
                bail!("Envoy ended with {status}:\n{}", envoy.log_tail());
            }
            ensure!(since.elapsed() < START, "Envoy was not ready in {START:?}:\n{}", envoy.log_tail());
            thread::sleep(Duration::from_millis(20));
        }
        Ok(envoy)
    }

    /// Has Envoy look at a configuration without serving. Whether it takes it, and what it logs.
    pub fn validate(configuration: &str) -> Result<(bool, String)> {
        static VALIDATED: AtomicUsize = AtomicUsize::new(0);
        let number = VALIDATED.fetch_add(1, Ordering::SeqCst);
        let folder = crate::root().join("target/envoy").join(format!("{}-v{number}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let file = folder.join("envoy.yaml");
        fs::write(&file, configuration)?;
        let mut command = Command::new(Self::binary()?);
        command.args(["--mode", "validate", "--disable-hot-restart", "--log-level", "info", "--config-path"]);
        let output = command.arg(&file).output().context("starting Envoy")?;
        fs::remove_dir_all(&folder)?;
        let log = [output.stdout, output.stderr].concat();
        Ok((output.status.success(), String::from_utf8_lossy(&log).into_owned()))
    }

    fn is_ready(&mut self, address: &Path) -> bool {
        if let Some(address) = fs::read_to_string(address).ok().and_then(|text| text.trim().parse().ok()) {
            self.admin = address;
        }
        self.admin.port() != 0 && self.admin_get("/ready").is_ok_and(|answer| answer.status == 200)
    }

    /// Where a listener of this name listens.
    pub fn listener(&self, name: &str) -> Result<SocketAddr> {
        let listeners = self.admin_get("/listeners?format=json")?.parse()?;
        let all = listeners["listener_statuses"].as_array().context("no listeners")?;
        let found = all.iter().find(|listener| listener["name"] == name);
        let found = found.with_context(|| format!("no listener `{name}` in {listeners}"))?;
        let socket = &found["local_address"]["socket_address"];
        let host = socket["address"].as_str().context("no address")?;
        Ok(format!("{host}:{}", socket["port_value"]).parse()?)
    }

    /// Asks the admin port.
    pub fn admin_get(&self, target: &str) -> Result<Response> {
        Client::plain(self.admin).send(&Request::get(target))
    }

    /// A counter's or gauge's value; 0 where it has not been made yet.
    pub fn stat(&self, name: &str) -> Result<u64> {
        let stats = self.admin_get("/stats?format=json")?.parse()?;
        let all = stats["stats"].as_array().context("no stats")?;
        let found = all.iter().find(|stat| stat["name"] == name);
        Ok(found.and_then(|stat| stat["value"].as_u64()).unwrap_or(0))
    }

    /// Everything logged so far.
    pub fn log(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// The file of its log.
    pub(crate) fn log_file(&self) -> &Path {
        &self.log
    }

    /// What was logged from a place on, in bytes.
    pub fn log_from(&self, start: u64) -> Result<String> {
        let mut file = File::open(&self.log)?;
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The decisions logged so far, one for each request that has ended.
    pub fn audit(&self) -> Vec<Value> {
        let log = self.log();
        let records = log
            .lines()
            .filter_map(|line| line.find(r#"{"countersign":"audit""#).map(|at| line.split_at(at).1));
        records.filter_map(|record| serde_json::from_str(record).ok()).collect()
    }

    /// The decisions logged, waited for until there are `count`: a line may come after the answer.
    pub fn audit_lines(&self, count: usize) -> Result<Vec<Value>> {
        let since = Instant::now();
        loop {
            let records = self.audit();
            if records.len() >= count {
                return Ok(records);
            }
            ensure!(
                since.elapsed() < LOG,
                "expected {count} audit lines, found {}, in:\n{}",
                records.len(),
                self.log_tail()
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Has it end in good order. Everything that it logged.
    pub fn quit(&mut self) -> Result<String> {
        // The answer may be lost with the process.
        let _ = Client::plain(self.admin).send(&Request::new("POST", "/quitquitquit"));
        let since = Instant::now();
        while !self.has_ended()? {
            ensure!(since.elapsed() < START, "Envoy did not end in {START:?}:\n{}", self.log_tail());
            thread::sleep(Duration::from_millis(20));
        }
        Ok(self.log())
    }

    /// Whether the process is over.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// The process, for measuring.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines.get(lines.len().saturating_sub(30)..).unwrap_or_default().join("\n")
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // A test that fails leaves its configuration and log behind.
        if !thread::panicking()
            && let Some(folder) = self.log.parent()
        {
            let _ = fs::remove_dir_all(folder);
        }
    }
}
