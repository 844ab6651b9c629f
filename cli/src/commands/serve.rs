//! `countersign serve`: a local gateway that runs the filter.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use countersign_host_sim::serve::{
    ClientLimits, Endpoint, ExchangeSink, Gateway, GatewayOptions, Protocol, ServeError,
};
use countersign_host_sim::{LogLevel, LogLine};
use serde_json::{Map, Value};

use crate::STACK;
use crate::console::{self, BAD, GOOD, HINT, say};
use crate::engine::AUDIT;
use crate::failure::{Exit, Failure};
use crate::plugin::{Plugin, PluginArgs};
use crate::recording::Writer;
use crate::serve::admin::Admin;
use crate::serve::clusters::{cluster, clusters, origin};
use crate::serve::reload::{Reloader, Trigger};
use crate::serve::secrets::Secrets;
use crate::serve::tls::{Certificates, TlsArgs};
use crate::serve::{Board, Ledger, Observer, Recorder, Status, handles};

/// How long requests under way may take to end when the gateway stops.
const GRACE: Duration = Duration::from_secs(5);

/// Serve the filter, or any proxy-wasm module, as a local HTTP gateway, for development.
///
/// Clients may speak HTTP/1.1 or HTTP/2. Audit lines go to standard output, everything else that the filter logs to standard
/// error, which also names the page that shows decisions as they come. Changed files are taken up at once, and on SIGHUP; what
/// does not run leaves what does. Ctrl-C ends it once requests under way are answered.
#[derive(clap::Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    plugin: PluginArgs,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where allowed requests go, such as `http://127.0.0.1:9000`. Over `https` the two agree on HTTP/2 or HTTP/1.1.
    #[arg(long, value_name = "URL", value_parser = origin)]
    upstream: Endpoint,
    /// Speak HTTP/2 with the upstream: in the clear without asking it first, over TLS and else not at all.
    #[arg(long)]
    upstream_http2: bool,
    /// Where a cluster is that the filter calls, such as `issuer=http://127.0.0.1:8090`. One that is not named here is
    /// at the address in the configuration's `uri`.
    #[arg(long, value_name = "NAME=URL", value_parser = cluster)]
    cluster: Vec<(String, Endpoint)>,
    #[command(flatten)]
    tls: TlsArgs,
    /// How many workers there are, each with a VM of its own.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    workers: u8,
    /// Write every request down, without its credentials, for `countersign replay`. A file that is there is replaced.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Show the values of this header on the page, and record them, beside those of well-known headers that hold no
    /// credentials. What looks like a credential in them is left out all the same.
    #[arg(long, value_name = "NAME")]
    show_header: Vec<String>,
    /// Take up changed files on SIGHUP alone.
    #[arg(long)]
    no_watch: bool,
    /// Where to serve the page that shows decisions as they come; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0", help_heading = "Page")]
    admin: SocketAddr,
    /// A name by which the page is reached beside those of loopback addresses; `--admin` may then be an address that others reach.
    #[arg(long, value_name = "NAME", help_heading = "Page")]
    admin_host: Vec<String>,
    /// Serve no page.
    #[arg(long, conflicts_with_all = ["admin", "admin_host"], help_heading = "Page")]
    no_admin: bool,
}

impl Serve {
    /// Runs it.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let plugin = self.plugin.load()?;
        let clusters = match &plugin.config {
            Some(config) => clusters(&self.cluster, config, self.tls.calls())?,
            None => self.cluster.iter().cloned().collect(),
        };
        self.check_tls()?;
        let certificates = self.tls.load()?;
        let ledger = Arc::new(Ledger::new(Secrets::new(plugin.config.as_ref(), &self.show_header)));
        let observer = self.observer(&plugin, &ledger)?;
        let digest = certificates.digest;
        let mut options = self.options(&clusters, certificates, plugin.config.is_some());
        options.observe = observer.as_ref().map(|(_, sink)| Arc::clone(sink));
        let host = plugin.host.clone().workers(usize::from(self.workers));
        let gateway = Gateway::start(host, options).map_err(|error| match error {
            ServeError::Start(error) => Failure::at(plugin.module.name(), error),
            other => Failure::usage(other.to_string()),
        })?;
        let gateway = Arc::new(gateway);
        let scheme = if self.tls.serves() { "https" } else { "http" };
        let address = format!("{scheme}://{}", gateway.address());
        let board = Arc::new(Board::new(Status {
            address: address.clone(),
            upstream: url(&self.upstream),
            digest: plugin.digest.clone(),
            generation: gateway.generation(),
            ..Status::default()
        }));
        let admin = match self.no_admin {
            true => None,
            false => {
                let (ledger, board) = (Arc::clone(&ledger), Arc::clone(&board));
                let admin =
                    Admin::start(self.admin, &self.admin_host, ledger, board, Arc::downgrade(&gateway))?;
                Some(admin)
            }
        };
        let unheard = |error| Failure::usage(format!("cannot wait for signals: {error}"));
        let signals = Signals::new().map_err(unheard)?;
        say!("{GOOD}listening{GOOD:#} on {address}");
        for (name, endpoint) in &clusters {
            say!("  cluster `{name}` is at {}", endpoint.address);
        }
        if let Some(admin) = &admin {
            say!("  decisions are shown at {}", admin.url());
        }
        let triggers = self.look_after(&plugin, digest, &gateway, &board, &ledger)?;
        signals.wait(&triggers).map_err(unheard)?;
        say!("{HINT}stopping{HINT:#}");
        // Whoever looks after changes may have ended already.
        let _ = triggers.send(Trigger::Ended);
        drop(admin);
        // A change that is just being taken up ends the gateway when it is done.
        if let Some(gateway) = Arc::into_inner(gateway) {
            gateway.stop(GRACE);
        }
        if let Some((observer, sink)) = observer {
            drop(sink);
            observer.end();
        }
        Ok(Exit::Good)
    }

    /// Who is told of exchanges, where anybody is: the page, the recording.
    fn observer(
        &self,
        plugin: &Plugin,
        ledger: &Arc<Ledger>,
    ) -> Result<Option<(Observer, ExchangeSink)>, Failure> {
        let record = |path: &PathBuf| Writer::create(path, &plugin.digest, Arc::clone(ledger));
        let writer = self.record.as_ref().map(record).transpose()?;
        if self.no_admin && writer.is_none() {
            return Ok(None);
        }
        let page = (!self.no_admin).then(|| Arc::clone(ledger));
        let recorder = writer.map(|writer| Box::new(writer) as Box<dyn Recorder>);
        let started = Observer::start(page, recorder);
        started.map(Some).map_err(|error| Failure::usage(format!("no thread to observe on: {error}")))
    }

    /// What is called over TLS needs authorities to trust.
    fn check_tls(&self) -> Result<(), Failure> {
        let mut named = self.cluster.iter().map(|(name, endpoint)| (format!("--cluster {name}="), endpoint));
        let upstream = self.upstream.tls.then(|| ("--upstream ".to_owned(), &self.upstream));
        match upstream.or_else(|| named.find(|(_, endpoint)| endpoint.tls)) {
            Some((option, endpoint)) if !self.tls.calls() => Err(Failure::usage(format!(
                "`{option}{}`: expected `--upstream-ca FILE` beside an `https` address",
                url(endpoint)
            ))),
            _ => Ok(()),
        }
    }

    fn options(
        &self,
        clusters: &BTreeMap<String, Endpoint>,
        certificates: Certificates,
        audited: bool,
    ) -> GatewayOptions {
        let mut options = GatewayOptions::new(self.upstream.clone()).log(move |line| log(line, audited));
        options.listen = self.listen;
        options.limits = ClientLimits::default().within(handles::take_all());
        options.clusters.clone_from(clusters);
        options.tls = certificates.tls;
        options.upstream_tls = certificates.upstream;
        if self.upstream_http2 {
            options.upstream_protocol = Protocol::Http2;
        }
        options
    }

    /// Has a thread take up changes; what to tell it by.
    fn look_after(
        &self,
        plugin: &Plugin,
        certificates: [u8; 32],
        gateway: &Arc<Gateway>,
        board: &Arc<Board>,
        ledger: &Arc<Ledger>,
    ) -> Result<Sender<Trigger>, Failure> {
        let (triggers, taken) = channel();
        let mut reloader = Reloader {
            plugin: self.plugin.clone(),
            tls: self.tls.clone(),
            certificates,
            named: self.cluster.clone(),
            gateway: Arc::downgrade(gateway),
            board: Arc::clone(board),
            ledger: Arc::clone(ledger),
            watches: !self.no_watch,
        };
        let (files, noticed) = ([plugin.files.clone(), self.tls.files()].concat(), triggers.clone());
        let run = move || reloader.run(files, &taken, noticed);
        // Policies are compiled there, for which the usual stack is too small.
        let thread = std::thread::Builder::new().name("reload".into()).stack_size(STACK).spawn(run);
        thread.map_err(|error| Failure::usage(format!("no thread to reload on: {error}")))?;
        Ok(triggers)
    }
}

fn url(endpoint: &Endpoint) -> String {
    format!("{}://{}", if endpoint.tls { "https" } else { "http" }, endpoint.address)
}

/// Audit lines are for programs, all else is for people. Only Countersign's own filter writes audit lines.
fn log(line: &LogLine, audited: bool) {
    if audited && line.level == LogLevel::Info && is_audit(&line.message) {
        let mut out = std::io::stdout().lock();
        // No one is left to be told where standard output is gone.
        let _ = writeln!(out, "{}", console::shown(&line.message)).and_then(|()| out.flush());
    } else if line.level >= LogLevel::Warn {
        say!("{BAD}filter{BAD:#} {line}");
    } else {
        say!("filter {line}");
    }
}

/// Whether a message is one audit line: a JSON object on a line of its own.
fn is_audit(message: &str) -> bool {
    let one = message.starts_with(AUDIT) && !message.contains(['\n', '\r']);
    one && serde_json::from_str::<Map<String, Value>>(message)
        .is_ok_and(|audit| audit["countersign"] == "audit")
}

/// Ctrl-C, being told to end, and being told to reload: heard from the start on, so that none comes too early.
struct Signals {
    runtime: tokio::runtime::Runtime,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    reload: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let entered = runtime.enter();
            let interrupt = signal(SignalKind::interrupt())?;
            let terminate = signal(SignalKind::terminate())?;
            let reload = signal(SignalKind::hangup())?;
            drop(entered);
            Ok(Self { runtime, interrupt, terminate, reload })
        }
        #[cfg(not(unix))]
        Ok(Self { runtime })
    }

    /// Waits until it is to end. Being told to reload is passed on.
    #[cfg(unix)]
    fn wait(self, triggers: &Sender<Trigger>) -> std::io::Result<()> {
        let Self { runtime, mut interrupt, mut terminate, mut reload } = self;
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => return Ok(()),
                    _ = terminate.recv() => return Ok(()),
                    _ = reload.recv() => {
                        // Whoever takes changes up ends later than this.
                        let _ = triggers.send(Trigger::Asked);
                    }
                }
            }
        })
    }

    /// Waits until it is to end.
    #[cfg(not(unix))]
    fn wait(self, _: &Sender<Trigger>) -> std::io::Result<()> {
        self.runtime.block_on(tokio::signal::ctrl_c())
    }
}
