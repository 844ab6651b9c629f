//! The sample filter in Rust, on the SDK of the newest version and of one whose filters begin at `_start`. `../README.md` says
//! what it does.

#[cfg(feature = "sdk")]
use proxy_wasm as sdk;
#[cfg(feature = "old-sdk")]
use proxy_wasm_old as sdk;

mod library;

use std::time::Duration;

use sdk::hostcalls;
use sdk::traits::{Context, HttpContext, RootContext};
use sdk::types::{Action, ContextType, LogLevel, MetricType};

#[cfg(feature = "sdk")]
sdk::main! {{ begin(); }}

#[cfg(feature = "old-sdk")]
#[no_mangle]
pub extern "C" fn _start() {
    begin();
}

fn begin() {
    // Installs the hook that logs panics.
    sdk::set_log_level(LogLevel::Trace);
    sdk::set_root_context(|_| {
        Box::new(Root { words: vec!["started", "early", "enough"], ..Root::default() })
    });
}

fn log(level: LogLevel, text: &str) {
    let _ = hostcalls::log(level, text);
}

#[derive(Default)]
struct Root {
    words: Vec<&'static str>,
    greeting: String,
    metrics: Metrics,
    ticks: u32,
}

#[derive(Clone, Copy, Default)]
struct Metrics {
    requests: u32,
    open: u32,
    sizes: u32,
}

fn text(bytes: Option<Vec<u8>>) -> String {
    String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
}

fn metric(kind: MetricType, name: &str) -> u32 {
    hostcalls::define_metric(kind, name).unwrap()
}

impl Context for Root {}

impl RootContext for Root {
    fn on_vm_start(&mut self, _: usize) -> bool {
        let configuration = text(vm_configuration(self));
        log(LogLevel::Info, &format!("{} with `{configuration}`", self.words.join(" ")));
        self.set_tick_period(Duration::from_millis(20));
        true
    }

    fn on_configure(&mut self, _: usize) -> bool {
        self.greeting = text(plugin_configuration(self));
        log(LogLevel::Info, &format!("configured with `{}`", self.greeting));
        self.metrics = Metrics {
            requests: metric(MetricType::Counter, "sample.requests"),
            open: metric(MetricType::Gauge, "sample.open"),
            sizes: metric(MetricType::Histogram, "sample.sizes"),
        };
        self.greeting != "refuse"
    }

    fn on_tick(&mut self) {
        self.ticks += 1;
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream {
            path: String::new(),
            greeting: self.greeting.clone(),
            metrics: self.metrics,
            ticked: self.ticks > 0,
        }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

#[cfg(feature = "sdk")]
fn vm_configuration(root: &Root) -> Option<Vec<u8>> {
    root.get_vm_configuration()
}

#[cfg(feature = "sdk")]
fn plugin_configuration(root: &Root) -> Option<Vec<u8>> {
    root.get_plugin_configuration()
}

#[cfg(feature = "old-sdk")]
fn vm_configuration(root: &Root) -> Option<Vec<u8>> {
    root.get_configuration()
}

#[cfg(feature = "old-sdk")]
fn plugin_configuration(root: &Root) -> Option<Vec<u8>> {
    root.get_configuration()
}

/// A stream, from its headers to its log.
struct Stream {
    path: String,
    greeting: String,
    metrics: Metrics,
    ticked: bool,
}

impl Stream {
    fn reply(&self, status: u32, body: &str) -> Action {
        self.send_http_response(status, vec![], Some(body.as_bytes()));
        Action::Pause
    }

    fn call(&self, cluster: &str, path: &str) -> Action {
        let headers = vec![(":method", "GET"), (":path", path), (":authority", "helper.example")];
        match self.dispatch_http_call(cluster, headers, None, vec![], Duration::from_secs(5)) {
            Ok(_) => Action::Pause,
            Err(status) => self.reply(500, &format!("the call was refused with {}", status as u32)),
        }
    }

    /// Counts a visit in the shared data, by compare-and-swap.
    fn visit(&self, key: &str) -> u32 {
        loop {
            let (value, cas) = self.get_shared_data(key);
            let visits = text(value).parse().unwrap_or(0) + 1;
            if self.set_shared_data(key, Some(visits.to_string().as_bytes()), cas).is_ok() {
                return visits;
            }
        }
    }

    fn property(&self, path: &[&str]) -> String {
        text(self.get_property(path.to_vec()))
    }

    fn request(&mut self) -> Action {
        hostcalls::increment_metric(self.metrics.open, 1).unwrap();
        self.path = self.get_http_request_header(":path").unwrap_or_default();
        match self.path.as_str() {
            "/local" => {
                let headers = vec![("x-reply", "yes"), ("content-type", "text/x-pot")];
                self.send_http_response(418, headers, Some(b"short and stout"));
                return Action::Pause;
            }
            "/call" | "/call/404" => return self.call("helper", &self.path.replacen("/call", "/helper", 1)),
            "/call-nobody" => return self.call("nobody", "/"),
            "/shared" => return self.reply(200, &format!("seen {} times", self.visit("visits"))),
            "/ticks" => return self.reply(200, &format!("ticked {}", self.ticked)),
            "/properties" => {
                let method = self.property(&["request", "method"]);
                let (name, none) = (self.property(&["plugin_name"]), self.property(&["no", "such"]));
                return self.reply(200, &format!("{method}, {name}, {none}"));
            }
            "/log" => {
                let levels =
                    [LogLevel::Trace, LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error];
                for (number, level) in levels.into_iter().chain([LogLevel::Critical]).enumerate() {
                    log(level, &format!("level {number}"));
                }
            }
            // Where there is a system below the library.
            "/output" => {
                println!("to the standard output");
                eprintln!("to the standard error");
            }
            "/library" => return self.reply(200, &library::tried(self.get_current_time())),
            "/panic" => panic!("asked for"),
            "/body" => self.set_http_request_header("content-length", None),
            _ => {}
        }
        self.add_http_request_header("x-greeting", &self.greeting);
        self.set_http_request_header("x-replaced", Some("by the filter"));
        self.set_http_request_header("x-removed", None);
        if let Some(value) = self.get_http_request_header("x-absent") {
            self.add_http_request_header("x-found", &value);
        }
        Action::Continue
    }

    fn response(&mut self) -> Action {
        self.add_http_response_header("x-seen", &self.path);
        if self.path == "/body" {
            self.set_http_response_header("content-length", None);
        }
        Action::Continue
    }
}

impl Context for Stream {
    fn on_http_call_response(&mut self, _: u32, _: usize, size: usize, _: usize) {
        let headers = self.get_http_call_response_headers();
        let status = headers.iter().find(|(name, _)| name == ":status").map_or("", |(_, value)| value);
        if status == "200" {
            let body = text(self.get_http_call_response_body(0, size));
            self.add_http_request_header("x-helper", &body);
            self.resume_http_request();
        } else {
            self.reply(502, &format!("the helper said {status}"));
        }
    }
}

impl HttpContext for Stream {
    #[cfg(feature = "sdk")]
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        self.request()
    }

    #[cfg(feature = "old-sdk")]
    fn on_http_request_headers(&mut self, _: usize) -> Action {
        self.request()
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        if self.path != "/body" {
            return Action::Continue;
        }
        if !end {
            return Action::Pause;
        }
        hostcalls::record_metric(self.metrics.sizes, size as u64).unwrap();
        let body = text(self.get_http_request_body(0, size));
        self.set_http_request_body(0, size, format!("[{body}]").as_bytes());
        Action::Continue
    }

    #[cfg(feature = "sdk")]
    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        self.response()
    }

    #[cfg(feature = "old-sdk")]
    fn on_http_response_headers(&mut self, _: usize) -> Action {
        self.response()
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        if self.path == "/body" && end {
            let body = text(self.get_http_response_body(0, size));
            self.set_http_response_body(0, size, format!("{body}!").as_bytes());
        }
        Action::Continue
    }

    fn on_log(&mut self) {
        hostcalls::increment_metric(self.metrics.requests, 1).unwrap();
        hostcalls::increment_metric(self.metrics.open, -1).unwrap();
        let status = self.get_http_response_header(":status").unwrap_or_default();
        log(LogLevel::Info, &format!("`{}` ended with {status}", self.path));
    }
}
