//! What Envoy's log tells of connections: those that it made, with the calls that they were made for, and how clients' ended.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use countersign_host_sim::{CloseType, LogLevel};

/// The components that tell it, and how much.
pub(super) const LEVELS: &str = "connection:debug,router:debug";

/// What a line of the access log is to hold of a connection: its number, who the client was, and why Envoy closed it.
pub(super) const ENDED: &str =
    "ended %CONNECTION_ID% %DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_LOCAL_CLOSE_REASON%\n";

/// A connection that Envoy tried to make for a call.
#[derive(Default)]
pub(super) struct Attempt {
    /// The thread that did.
    pub(super) thread: u32,
    pub(super) is_refused: bool,
    /// The call's path, and its headers.
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    number: String,
}

/// The connections that were tried to an address, in order.
pub(super) fn attempts(log: &str, to: SocketAddr) -> Vec<Attempt> {
    let to = to.to_string();
    let (mut attempts, mut calls) = (Vec::<Attempt>::new(), BTreeMap::<u32, Attempt>::new());
    let mut headers_of = None;
    for line in whole(log).lines() {
        if let Some(thread) = headers_of
            && let Some((name, value)) = line.split_once("', '")
            && let (Some(name), Some(value)) = (name.strip_prefix('\''), value.strip_suffix('\''))
        {
            let call = calls.entry(thread).or_default();
            call.headers.push((name.to_owned(), value.to_owned()));
            continue;
        }
        headers_of = None;
        let Some(thread) = field(line, 1).and_then(|thread| thread.parse().ok()) else { continue };
        if let Some((_, path)) = line.split_once("match for URL '") {
            let path = path.trim_end_matches('\'').trim_start_matches('/').to_owned();
            calls.insert(thread, Attempt { path, ..Attempt::default() });
        } else if line.ends_with("router decoding headers:") {
            headers_of = Some(thread);
        } else if line.ends_with(&format!("] connecting to {to}")) {
            let call = calls.remove(&thread).unwrap_or_default();
            attempts.push(Attempt { thread, number: number(line), ..call });
        } else if line.contains("connect error: ") {
            let number = number(line);
            let refused = attempts.iter_mut().filter(|attempt| attempt.number == number);
            refused.for_each(|attempt| attempt.is_refused = true);
        }
    }
    attempts
}

/// How the connection of a client ended, by whom, and whether it was the filter; nothing where it is open.
pub(super) fn ended(log: &str, client: SocketAddr) -> Option<(CloseType, bool)> {
    let client = client.to_string();
    let told = whole(log).lines().filter_map(|line| line.strip_prefix("ended "));
    let (id, reason) = told
        .filter_map(|line| {
            let mut parts = line.splitn(3, ' ');
            let (id, who) = (parts.next()?, parts.next()?);
            (who == client).then(|| (id, parts.next().unwrap_or_default()))
        })
        .next_back()?;
    let of_it = |line: &&str| line.contains("closing socket: ") && number(line) == id;
    let how = whole(log).lines().find(of_it)?;
    let how = if how.ends_with(": 0") { CloseType::Remote } else { CloseType::Local };
    Some((how, reason.starts_with("wasm_")))
}

/// What the module logged: `[time][thread][level][wasm] [source] wasm log WHO: MESSAGE`. The main thread's VMs, which Envoy tries a
/// module in and keeps, are left out: they take no requests.
pub(super) fn logged(log: &str, main: Option<u32>) -> Vec<(LogLevel, String)> {
    let line = |line: &str| {
        let (head, rest) = line.split_once("wasm log")?;
        let (_, message) = rest.split_once(": ")?;
        let thread: Option<u32> = field(head, 1).and_then(|thread| thread.parse().ok());
        let counts = main.is_none() || thread != main;
        Some((level(field(head, 2)?)?, message.to_owned())).filter(|_| counts)
    };
    log.lines().filter_map(line).collect()
}

/// A log up to the line that is being written.
pub(super) fn whole(log: &str) -> &str {
    log.rfind('\n').and_then(|end| log.get(..=end)).unwrap_or_default()
}

/// What stands in the pair of brackets of this number, from the start of a line.
fn field(line: &str, number: usize) -> Option<&str> {
    line.strip_prefix('[')?.split("][").nth(number)?.split(']').next()
}

/// The number of the connection that a line is about.
fn number(line: &str) -> String {
    let after = line.split_once("\"ConnectionId\":\"").map_or("", |(_, rest)| rest);
    after.split('"').next().unwrap_or_default().to_owned()
}

fn level(name: &str) -> Option<LogLevel> {
    Some(match name {
        "trace" => LogLevel::Trace,
        "debug" => LogLevel::Debug,
        "info" => LogLevel::Info,
        "warning" => LogLevel::Warn,
        "error" => LogLevel::Error,
        "critical" => LogLevel::Critical,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{attempts, ended, logged};
    use countersign_host_sim::{CloseType, LogLevel};

    const LOG: &str = r#"[2026-11-29 22:53:35.131][8][debug][router] [r.cc:600] [Tags: "ConnectionId":"0","StreamId":"5"] cluster 'ledger' match for URL '/bank.Ledger/Watch'
[2026-11-29 22:53:35.131][8][debug][router] [r.cc:894] [Tags: "ConnectionId":"0","StreamId":"5"] router decoding headers:
':path', '/bank.Ledger/Watch'
'x-caller', 'relay'

[2026-11-29 22:53:35.132][8][debug][connection] [c.cc:1177] [Tags: "ConnectionId":"1"] connecting to 127.0.0.1:48965
[2026-11-29 22:53:35.132][9][debug][connection] [c.cc:1177] [Tags: "ConnectionId":"2"] connecting to 127.0.0.1:4896
[2026-11-29 22:53:35.134][8][debug][connection] [c.cc:880] [Tags: "ConnectionId":"1"] delayed connect error: Connection refused
[2026-11-29 22:53:36.264][9][debug][connection] [c.cc:358] [Tags: "ConnectionId":"7"] closing socket: 1
[2026-11-29 22:53:36.678][9][debug][connection] [c.cc:358] [Tags: "ConnectionId":"10"] closing socket: 0
ended 7 127.0.0.1:54414 wasm_downstream_close
ended 10 127.0.0.1:54428 -
[2026-11-29 22:53:36.264][8][info][wasm] [w.cc:1151] wasm log: tried
[2026-11-29 22:53:36.264][9][warning][wasm] [w.cc:1151] wasm log a b c: done: it is
[2026-11-29 22:53:36.264][9][info][wasm] [w.cc:1151] wasm log: half"#;

    #[test]
    fn a_log_tells_of_connections() {
        let made = attempts(LOG, ([127, 0, 0, 1], 48965).into());
        let [one] = made.as_slice() else { panic!("{} attempts", made.len()) };
        assert_eq!((one.thread, one.is_refused, &*one.path), (8, true, "bank.Ledger/Watch"));
        assert_eq!(one.headers.last(), Some(&("x-caller".to_owned(), "relay".to_owned())));
        for (port, how) in
            [(54414, Some((CloseType::Local, true))), (54428, Some((CloseType::Remote, false))), (5442, None)]
        {
            assert_eq!(ended(LOG, ([127, 0, 0, 1], port).into()), how);
        }
        assert_eq!(logged(super::whole(LOG), Some(8)), [(LogLevel::Warn, "done: it is".to_owned())]);
        assert_eq!(logged(LOG, None).len(), 3);
    }
}
