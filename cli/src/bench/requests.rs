//! A file of requests for any module: each by itself, with the response that comes back to it and what is expected, and how the
//! clusters answer that the module calls.

use std::collections::BTreeMap;

use countersign_core::time::Timestamp;
use countersign_host_sim::{Disposition, HeaderMap, Response};
use serde::Deserialize;
use serde_json::Value;

use super::case::{Case, Credential, Expected, Prepared};
use crate::case::{BadCase, Target, bytes, header_list, peer, property};
use crate::document::Document;
use crate::engine::{Answer, Reply, Script};
use crate::failure::Failure;
use crate::time;

/// Requests in a file.
const MOST: usize = 1000;
/// The member that tells such a file from a plan of Countersign's decisions.
pub(crate) const MEMBER: &str = "requests";

/// What a file holds.
#[derive(Clone, Default)]
pub(crate) struct Requests {
    /// The requests, in the order of the file.
    pub(crate) cases: Vec<Case>,
    /// How clusters answer, by name.
    pub(crate) clusters: BTreeMap<String, Script>,
    /// What the guest's clock shows; the machine's own where the file doesn't say it.
    pub(crate) time: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    time: Option<Value>,
    #[serde(default)]
    clusters: BTreeMap<String, BTreeMap<String, OneOrMore>>,
    requests: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(ResponseItem),
    More(Vec<ResponseItem>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    name: String,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    headers: Value,
    #[serde(default)]
    peer: Option<String>,
    #[serde(default)]
    properties: BTreeMap<String, Value>,
    #[serde(default)]
    body: Value,
    #[serde(default)]
    trailers: Value,
    #[serde(default)]
    response: Option<ResponseItem>,
    #[serde(default)]
    expect: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResponseItem {
    #[serde(default = "ok")]
    status: u16,
    #[serde(default)]
    headers: Value,
    #[serde(default)]
    body: Value,
    #[serde(default)]
    trailers: Value,
}

fn ok() -> u16 {
    200
}

impl Requests {
    /// One request, where no file says what to send.
    pub(crate) fn usual() -> Self {
        let headers = [
            (":method", "GET"),
            (":scheme", "https"),
            (":authority", "localhost"),
            (":path", "/"),
            ("user-agent", "countersign-bench"),
            ("accept", "*/*"),
            ("x-request-id", "2f9c1a52-0c0e-4c1b-9d55-6a3f1f4a7b10"),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let response = Response::new(200).header("content-type", "text/plain").body("ok");
        let request = Prepared { response: Some(response), ..Prepared::new(&headers, None) };
        let case = Case {
            name: "GET /".to_owned(),
            expected: Expected::Anything,
            request,
            credential: Credential::None,
        };
        Self { cases: vec![case], ..Self::default() }
    }

    /// Reads a document.
    pub(crate) fn read(document: &Document) -> Result<Self, Failure> {
        let file: File = document.read()?;
        if file.requests.is_empty() || file.requests.len() > MOST {
            let found = file.requests.len();
            return Err(document.fault(MEMBER, format!("expected 1 to {MOST} requests, found {found}")));
        }
        let time = file.time.filter(|time| !time.is_null()).map(|time| {
            time::from_json(&time).ok_or_else(|| {
                document.fault("time", format!("expected {}, found {time}", time::EXPECTED_TIME))
            })
        });
        let mut cases: Vec<Case> = Vec::new();
        for (index, item) in file.requests.into_iter().enumerate() {
            let at = format!("{MEMBER}[{index}]");
            if cases.iter().any(|case| case.name == item.name) {
                let name = format!("{at}.name");
                return Err(document.fault(&name, format!("expected another name, `{}` is taken", item.name)));
            }
            cases.push(item.case().map_err(|bad| fault(document, &at, &bad))?);
        }
        let mut clusters = BTreeMap::new();
        for (name, paths) in file.clusters {
            let mut script = Script::default();
            // What is named comes before what is not.
            let (others, named): (Vec<_>, Vec<_>) = paths.into_iter().partition(|(path, _)| path == "*");
            for (path, answers) in named.into_iter().chain(others) {
                let at = format!("clusters[\"{name}\"][\"{path}\"]");
                let answers = match answers {
                    OneOrMore::One(answer) => vec![answer],
                    OneOrMore::More(answers) => answers,
                };
                let answers: Result<Vec<Answer>, BadCase> =
                    answers.into_iter().map(ResponseItem::answer).collect();
                let path = (path != "*").then_some(path);
                script.on(path.as_deref(), answers.map_err(|bad| fault(document, &at, &bad))?);
            }
            clusters.insert(name, script);
        }
        Ok(Self { cases, clusters, time: time.transpose()? })
    }
}

fn fault(document: &Document, at: &str, bad: &BadCase) -> Failure {
    let path = if bad.field.is_empty() { at.to_owned() } else { format!("{at}.{}", bad.field) };
    document.fault(&path, &bad.message)
}

impl Item {
    fn case(self) -> Result<Case, BadCase> {
        let target = Target { method: self.method.as_deref(), url: self.url.as_deref().or(Some("/")) };
        let mut prepared = Prepared::default();
        prepared.request.headers = target.into_headers(header_list(self.headers)?)?;
        prepared.request.body = chunks(self.body, "body")?;
        prepared.request.trailers = trailers(self.trailers)?;
        let mut properties = BTreeMap::new();
        for (path, value) in self.properties {
            if let Some(value) = property(&value, &format!("properties[\"{path}\"]"))? {
                properties.insert(path, value);
            }
        }
        if let Some(uri) = self.peer {
            peer(&mut properties, uri);
        }
        for (path, value) in properties {
            prepared.request.properties.set(&path, value);
        }
        prepared.response = self.response.map(|response| response.response("response.")).transpose()?;
        let expected = match &self.expect {
            None | Some(Value::Null) => Expected::Anything,
            Some(value) => Expected::Disposition(disposition(value)?),
        };
        Ok(Case { name: self.name, expected, request: prepared, credential: Credential::None })
    }
}

fn disposition(value: &Value) -> Result<Disposition, BadCase> {
    match (value.as_str(), value.as_u64().and_then(|status| u16::try_from(status).ok())) {
        (Some("forwarded"), _) => Ok(Disposition::Forwarded),
        (Some("held"), _) => Ok(Disposition::Held),
        (None, Some(status @ 100..=999)) => Ok(Disposition::Reply(status)),
        _ => Err(BadCase::at(
            "expect",
            format!("expected `forwarded`, `held` or the status that the filter replies, found {value}"),
        )),
    }
}

/// A body: one chunk, or a list of them.
fn chunks(value: Value, field: &str) -> Result<Vec<Vec<u8>>, BadCase> {
    match value {
        Value::Array(items) => {
            let chunk = |(index, item): (usize, &Value)| {
                let field = format!("{field}[{index}]");
                bytes(item, &field)?.ok_or_else(|| BadCase::at(field, "expected a chunk, found null"))
            };
            items.iter().enumerate().map(chunk).collect()
        }
        other => Ok(bytes(&other, field)?.into_iter().collect()),
    }
}

fn trailers(value: Value) -> Result<Option<HeaderMap>, BadCase> {
    let renamed = |bad: BadCase| BadCase { field: bad.field.replacen("headers", "trailers", 1), ..bad };
    let pairs = header_list(value).map_err(renamed)?;
    Ok((!pairs.is_empty()).then(|| HeaderMap::from_pairs(pairs)))
}

impl ResponseItem {
    fn response(self, at: &str) -> Result<Response, BadCase> {
        let within = |bad: BadCase| BadCase { field: format!("{at}{}", bad.field), ..bad };
        let mut response = Response::new(self.status);
        for (name, value) in header_list(self.headers).map_err(within)? {
            response = response.header(name, value);
        }
        response.body = chunks(self.body, "body").map_err(within)?;
        response.trailers = trailers(self.trailers).map_err(within)?;
        Ok(response)
    }

    fn answer(self) -> Result<Answer, BadCase> {
        let reply = Reply::Response(self.response("")?);
        Ok(Answer { delay: std::time::Duration::ZERO, reply })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Requests, Failure> {
        Document::parse("f", text).and_then(|document| Requests::read(&document))
    }

    #[test]
    fn reads_requests_with_their_world() {
        let requests = read(
            "
time: 2026-01-01T00:00:00Z
clusters:
  auth:
    /check: [{ status: 503 }, { headers: { x-user: alice }, body: yes }]
    \"*\": { status: 404 }
requests:
  - name: with a body
    method: POST
    url: https://api.example/v1/things?x=1
    headers: [[Accept, a], [accept, b]]
    peer: spiffe://example/edge
    properties: { route_name: things }
    body: [one, { base64: dHdv }]
    trailers: { x-sum: \"1\" }
    response: { status: 201, headers: { server: s }, body: made }
    expect: 403
  - name: plain
    expect: forwarded
",
        )
        .unwrap();
        assert!(requests.time.is_some() && requests.clusters.contains_key("auth"));
        let first = &requests.cases[0];
        assert_eq!(first.expected, Expected::Disposition(Disposition::Reply(403)));
        let Prepared { request, response, .. } = &first.request;
        assert_eq!(request.headers.text(":path").unwrap(), "/v1/things?x=1");
        assert_eq!(request.headers.get_all(b"accept").count(), 2);
        assert_eq!(request.body, [b"one".to_vec(), b"two".to_vec()]);
        assert_eq!(request.trailers.as_ref().unwrap().text("x-sum").unwrap(), "1");
        assert_eq!(response.as_ref().unwrap().headers.text(":status").unwrap(), "201");
        assert_eq!(requests.cases[1].request.request.headers.text(":method").unwrap(), "GET");
    }

    #[test]
    fn the_page_shows_a_file_that_can_be_read() {
        let page = include_str!("../../../docs/benchmarks.md");
        let (_, rest) = page.split_once("```yaml\n").unwrap();
        let (file, _) = rest.split_once("```").unwrap();
        let requests = read(file).unwrap();
        assert_eq!(requests.cases[0].expected, Expected::Disposition(Disposition::Forwarded));
    }

    #[test]
    fn faults_name_their_place() {
        for (text, start) in [
            ("requests: []", "f:1:11: `requests`: expected 1 to 1000 requests, found 0"),
            (
                "requests: [{ name: a, expect: allowed }]",
                "f:1:31: `requests[0].expect`: expected `forwarded`",
            ),
            ("requests: [{ name: a }, { name: a }]", "f:1:33: `requests[1].name`: expected another name"),
            ("requests: [{ name: a, url: x }]", "f:1:28: `requests[0].url`: expected `https://host/path`"),
            ("requests: [{ name: a, body: [null] }]", "f:1:30: `requests[0].body[0]`: expected a chunk"),
            ("requests: [{ name: a, nmae: b }]", "f:1:29: `requests[0].nmae`: unknown field"),
            ("{ requests: [{ name: a }], time: noon }", "f:1:34: `time`: expected"),
        ] {
            let fault = read(text).err().map(|failure| failure.to_string()).unwrap_or_default();
            assert!(fault.starts_with(start), "{text}: {fault}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "(requests: )?[{}\\[\\]\":,a1\\- \nname]{0,60}") {
            let _ = read(&text);
        }
    }
}
