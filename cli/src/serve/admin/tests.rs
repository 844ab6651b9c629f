//! The page's door, over real connections, and what may be sent through it. No gateway stands behind it here: a replay that gets as far
//! is answered with 503.

use std::io::{Read, Write};
use std::net::TcpStream;

use countersign_host_sim::serve::{Ended, Exchange, Times};
use countersign_host_sim::{HeaderMap, Properties};

use super::*;
use crate::serve::Status;
use crate::serve::secrets::Secrets;

const GOOD: &str = r#"{"id":1,"method":"GET","path":"/","headers":[],"peer":null}"#;
const JSON: &str = "content-type: application/json\r\n";

struct Page {
    admin: Admin,
    ledger: Arc<Ledger>,
}

fn page() -> Page {
    let ledger = Arc::new(Ledger::new(Secrets::default()));
    let board = Arc::new(Board::new(Status::default()));
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let admin = Admin::start(address, &[], Arc::clone(&ledger), board, Weak::new()).unwrap();
    let page = Page { admin, ledger };
    page.ledger.add(Arc::new(exchange()), None);
    page
}

fn exchange() -> Exchange {
    let request = HeaderMap::from_pairs([
        (":method", "GET"),
        (":path", "/"),
        (":authority", "api.example"),
        (":scheme", "https"),
        ("authorization", "Bearer abc"),
    ]);
    Exchange {
        id: 1,
        worker: 0,
        generation: 1,
        at: 0,
        request,
        properties: Properties::new(),
        request_bytes: 0,
        body: Vec::new(),
        forwarded: None,
        response: HeaderMap::new(),
        reply: Vec::new(),
        ended: Ended::Forwarded(200),
        logs: Vec::new(),
        calls: Vec::new(),
        times: Times::default(),
    }
}

impl Page {
    /// Its address, and the path behind which everything is.
    fn parts(&self) -> (&str, &str) {
        let rest = self.admin.url().strip_prefix("http://").unwrap();
        rest.split_once('/').unwrap()
    }

    /// The answer to a request with these lines in its head, `host` among them.
    fn ask(&self, method: &str, path: &str, head: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(self.parts().0).unwrap();
        let length =
            if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        let head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n{length}{head}\r\n");
        // What is refused early may not be read to its end.
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    }

    /// The status of an answer to the page's own name.
    fn status(&self, method: &str, name: &str, more: &str, body: &str) -> String {
        let (address, token) = self.parts();
        let answer =
            self.ask(method, &format!("/{token}{name}"), &format!("host: {address}\r\n{more}"), body);
        answer.split(' ').nth(1).unwrap_or_default().to_owned()
    }
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[test]
fn nothing_is_shown_without_the_token() {
    let page = page();
    let host = format!("host: {}\r\n", page.parts().0);
    for path in ["/", "/state", "//state", &format!("/{}/state", "0".repeat(48)), "/x/decisions/1"] {
        assert_eq!(status(&page.ask("GET", path, &host, "")), "404", "{path}");
    }
    for name in ["", "state", "metrics", "decisions/1"] {
        let expected = if name == "metrics" { "503" } else { "200" };
        assert_eq!(page.status("GET", name, "", ""), expected, "{name}");
    }
}

#[test]
fn nothing_is_shown_under_another_name() {
    let page = page();
    let (address, token) = page.parts();
    let port = address.rsplit_once(':').unwrap().1;
    let path = format!("/{token}state");
    for host in [
        "host: evil.example\r\n".to_owned(),
        format!("host: evil.example:{port}\r\n"),
        "host: localhost\r\n".to_owned(),
        format!("host: {address}\r\nhost: evil.example\r\n"),
        format!("host: {address}\r\nhost: {address}\r\n"),
        String::new(),
    ] {
        assert_eq!(status(&page.ask("GET", &path, &host, "")), "421", "{host}");
    }
    for host in
        [address, &format!("localhost:{port}"), &format!("LocalHost:{port}"), &format!("[::1]:{port}")]
    {
        assert_eq!(status(&page.ask("GET", &path, &format!("host: {host}\r\n"), "")), "200", "{host}");
    }
}

#[test]
fn replays_come_from_the_page_alone() {
    let page = page();
    let own = format!("{JSON}origin: http://{}\r\nsec-fetch-site: same-origin\r\n", page.parts().0);
    for more in [
        "",
        "content-type: text/plain\r\n",
        "content-type: application/x-www-form-urlencoded\r\n",
        &format!("{JSON}origin: http://evil.example\r\n"),
        &format!("{JSON}origin: https://{}\r\n", page.parts().0),
        &format!("{JSON}origin: null\r\n"),
        &format!("{JSON}sec-fetch-site: cross-site\r\n"),
        &format!("{JSON}sec-fetch-site: same-site\r\n"),
        &format!("{JSON}sec-fetch-site: none\r\n"),
    ] {
        assert_eq!(page.status("POST", "replay", more, GOOD), "403", "{more}");
    }
    for more in [&own, JSON, "content-type: application/json; charset=utf-8\r\n"] {
        assert_eq!(page.status("POST", "replay", more, GOOD), "503", "{more}");
    }
    assert_eq!(page.status("GET", "replay", &own, ""), "404");
    assert_eq!(page.status("PUT", "replay", &own, GOOD), "405");
}

#[test]
fn a_replay_is_a_request_that_could_have_come() {
    let page = page();
    let sent = |body: &str| page.status("POST", "replay", JSON, body);
    let with = |headers: &str| sent(&GOOD.replace("\"headers\":[]", &format!("\"headers\":[{headers}]")));
    // The fifth header is the request's credential: it is sent again by its place, under its own name.
    assert_eq!(with(r#"{"name":"authorization","kept":4}"#), "503");
    assert_eq!(with(r#"{"name":"x-shown","kept":4}"#), "400");
    assert_eq!(with(r#"{"name":"authorization","kept":5}"#), "400");
    assert_eq!(with(r#"{"name":"authorization","kept":4,"value":"x"}"#), "400");
    assert_eq!(with(r#"{"name":"authorization"}"#), "400");
    assert_eq!(with(r#"{"name":"a","value":"b\r\nc: d"}"#), "400");
    assert_eq!(with(r#"{"name":"a b","value":"c"}"#), "400");
    assert_eq!(with(r#"{"name":"a","value":"b","more":1}"#), "400");
    assert_eq!(with(&vec![r#"{"name":"a","value":"b"}"#; 257].join(",")), "400");
    for path in ["x", "/a b", "/a\\nb", ""] {
        assert_eq!(sent(&GOOD.replace("\"path\":\"/\"", &format!("\"path\":\"{path}\""))), "400", "{path}");
    }
    assert_eq!(sent(&GOOD.replace("GET", "G T")), "400");
    assert_eq!(sent(&GOOD.replace("\"id\":1", "\"id\":2")), "410");
    assert_eq!(sent(&format!("{GOOD}{}", " ".repeat(BODY))), "413");
}

#[test]
fn answers_say_to_browsers_what_may_be_done_with_them() {
    let page = page();
    let (address, token) = page.parts();
    for name in ["", "state", "decisions/1", "decisions/2"] {
        let answer = page.ask("GET", &format!("/{token}{name}"), &format!("host: {address}\r\n"), "");
        let answer = answer.to_ascii_lowercase();
        for header in [
            "content-security-policy: default-src 'none';",
            "frame-ancestors 'none'",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cache-control: no-store",
            "cross-origin-resource-policy: same-origin",
        ] {
            assert!(answer.contains(header), "{name}: {header}");
        }
    }
}

#[test]
fn an_address_that_others_reach_wants_a_name() {
    let start = |address: [u8; 4], hosts: &[String]| {
        let (ledger, board) = (Arc::default(), Arc::new(Board::new(Status::default())));
        Admin::start(SocketAddr::from((address, 0)), hosts, ledger, board, Weak::new())
    };
    assert!(start([0, 0, 0, 0], &[]).is_err());
    assert!(start([127, 0, 0, 1], &[]).is_ok());
}
