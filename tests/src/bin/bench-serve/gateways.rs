//! What is compared: Envoy with one worker, and `countersign serve` with one, with its page and without. All write an audit line for
//! each request to a file.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use countersign_tests::bootstrap::{Bootstrap, countersign, to_cluster};
use countersign_tests::envoy::Envoy;
use countersign_tests::load::GATEWAY_CORE;

/// Which gateway.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Envoy.
    Envoy,
    /// `serve` as it is.
    Page,
    /// `serve --no-admin`.
    NoPage,
}

impl Kind {
    /// All, Envoy first.
    pub(crate) const ALL: [Self; 3] = [Self::Envoy, Self::Page, Self::NoPage];

    /// What it is, in words.
    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::Envoy => "Envoy, --concurrency 1",
            Self::Page => "serve",
            Self::NoPage => "serve --no-admin",
        }
    }
}

/// A gateway that runs on its core until it is dropped.
pub(crate) struct Gateway {
    kind: Kind,
    process: Process,
    address: SocketAddr,
}

enum Process {
    Envoy(Envoy),
    Serve(Child),
}

impl Gateway {
    /// Starts it in front of `upstream`.
    pub(crate) fn start(
        kind: Kind,
        serve: &Path,
        configuration: &str,
        upstream: SocketAddr,
        folder: &Path,
    ) -> Result<Self> {
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", GATEWAY_CORE]);
        if kind == Kind::Envoy {
            let filter = countersign(&Envoy::module()?.to_string_lossy(), configuration);
            let bootstrap = Bootstrap::default().filter(filter).cluster("upstream", upstream);
            let bootstrap = bootstrap.route(to_cluster("/", "upstream")).to_json().to_string();
            command.arg(Envoy::binary()?).args(["--log-level", "info"]);
            let envoy = Envoy::start_with(&bootstrap, &mut command)?;
            let address = envoy.listener("gateway")?;
            return Ok(Self { kind, process: Process::Envoy(envoy), address });
        }
        let file = folder.join("serve.json");
        fs::write(&file, configuration)?;
        command.arg(serve).args(["serve", "--listen", "127.0.0.1:0", "--workers", "1", "--config"]).arg(file);
        command.arg("--upstream").arg(format!("http://{upstream}"));
        if kind == Kind::NoPage {
            command.arg("--no-admin");
        }
        let audit = File::create(folder.join("serve.log"))?;
        let mut child = command.stdin(Stdio::null()).stdout(audit).stderr(Stdio::piped()).spawn()?;
        let said = child.stderr.take().context("no standard error")?;
        // It ends with this from here on.
        let mut gateway =
            Self { kind, process: Process::Serve(child), address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let mut lines = BufReader::new(said).lines();
        let listening = lines.by_ref().map_while(Result::ok).find_map(|line| {
            line.split_once("listening on http://").and_then(|(_, address)| address.parse().ok())
        });
        gateway.address = listening.context("the command ended at once")?;
        // What it says later is read, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(gateway)
    }

    /// Which it is.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        match &self.process {
            Process::Envoy(envoy) => envoy.pid(),
            Process::Serve(child) => child.id(),
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Process::Serve(child) = &mut self.process {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
