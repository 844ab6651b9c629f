//! `countersign serve`: changed files, the page's door, recordings; and `countersign replay` of what was recorded.

use std::fs;
use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

use crate::support::{countersign, folder, root};

/// The command, serving until it is dropped.
pub(crate) struct Serving {
    child: Child,
    said: Lines<BufReader<ChildStderr>>,
    pub(crate) address: String,
    page: String,
}

impl Serving {
    fn start(config: &Path, more: &[&str]) -> Self {
        Self::run("--config", config, more, Stdio::null())
    }

    pub(crate) fn run(what: &str, file: &Path, more: &[&str], out: Stdio) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.current_dir(root()).args(["serve", "--listen", "127.0.0.1:0", what]).arg(file);
        command.args(["--upstream", &format!("http://{}", upstream())]).args(more);
        let mut child = command.stdout(out).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut find = |before: &str| find(&mut said, before);
        let address = find("listening on http://");
        let page =
            if more.contains(&"--no-admin") { String::new() } else { find("decisions are shown at http://") };
        Self { child, said, address, page }
    }

    pub(crate) fn says(&mut self, before: &str) -> String {
        find(&mut self.said, before)
    }

    fn ask(&self, more: &str) -> String {
        http(
            &self.address,
            &format!("GET /v1/things/1 HTTP/1.1\r\nhost: api.example\r\nconnection: close\r\n{more}\r\n"),
        )
    }

    /// Ends it well.
    fn end(mut self) {
        let told = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(told.success() && self.child.wait().unwrap().success());
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn find(said: &mut Lines<BufReader<ChildStderr>>, before: &str) -> String {
    let mut all = String::new();
    loop {
        let line = said.next().unwrap_or_else(|| panic!("expected `{before}`, found:\n{all}")).unwrap();
        if let Some((_, rest)) = line.split_once(before) {
            return rest.to_owned();
        }
        all.push_str(&line);
        all.push('\n');
    }
}

/// Answers everything with 200, until the tests end.
fn upstream() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut lines = BufReader::new(&stream).lines();
                while let Some(Ok(line)) = lines.next() {
                    if line.is_empty()
                        && (&stream).write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").is_err()
                    {
                        break;
                    }
                }
            });
        }
    });
    address
}

pub(crate) fn http(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// A small configuration whose issuer signs with a key of the test's, and a token of it.
fn world(name: &str) -> (PathBuf, PathBuf, String) {
    let folder = folder(name);
    let key = folder.join("key.pem");
    let key_text = key.to_str().unwrap();
    countersign(&["keys", "new", "--kid", "k1", "--output", key_text]).exits(0);
    let jwks = countersign(&["keys", "jwks", &format!("k1={key_text}")]).exits(0).out();
    let pack = folder.join("pack");
    fs::create_dir(&pack).unwrap();
    fs::write(
        pack.join("main.cedarschema"),
        "entity User; entity Thing; action Read appliesTo { principal: User, resource: Thing };",
    )
    .unwrap();
    fs::write(pack.join("main.cedar"), POLICY).unwrap();
    let config = folder.join("config.yaml");
    let text = format!(
        "version: 1\nissuers:\n  - issuer: https://id.example\n    audiences: [api]\n    keys: {{ inline: {} }}\n\
         routes:\n  - name: thing\n    methods: [GET]\n    path: /v1/things/{{thing}}\n    action: Read\n    workload: optional\n    \
         resource: {{ type: Thing, id: \"{{thing}}\" }}\npolicy: {{ pack: pack }}\n",
        jwks.trim()
    );
    fs::write(&config, text).unwrap();
    let token = countersign(&[
        "token",
        "--key",
        key_text,
        "--kid",
        "k1",
        "--sub",
        "alice",
        "--iss",
        "https://id.example",
        "--aud",
        "api",
    ]);
    let token = token.exits(0).out().trim().to_owned();
    (folder, config, token)
}

const POLICY: &str = "@id(\"read\") permit (principal, action, resource);\n";
const CLOSED: &str = "@id(\"closed\") @reason(\"closed today\") forbid (principal, action, resource);\n";

#[test]
fn changed_files_are_taken_up_and_bad_ones_are_told() {
    let (folder, config, token) = world("serve-reload");
    let mut serving = Serving::start(&config, &[]);
    let bearer = format!("authorization: Bearer {token}\r\n");
    assert!(serving.ask(&bearer).starts_with("HTTP/1.1 200"));

    fs::write(folder.join("pack/main.cedar"), CLOSED).unwrap();
    assert!(serving.says("reloaded ").starts_with("generation 2"));
    assert!(serving.ask(&bearer).contains("policy.forbidden"));

    // What does not compile is told by its place, and changes nothing.
    fs::write(folder.join("pack/main.cedar"), "permit (principal, action;").unwrap();
    assert!(serving.says("error: ").contains("main.cedar"));
    assert!(serving.says("generation 2").contains("stays"));
    assert!(serving.ask(&bearer).contains("policy.forbidden"));

    let text = fs::read_to_string(&config).unwrap();
    fs::write(folder.join("pack/main.cedar"), POLICY).unwrap();
    assert!(serving.says("reloaded ").starts_with("generation 3"));
    fs::write(&config, text.replace("audiences: [api]", "audiences: [other]")).unwrap();
    assert!(serving.says("reloaded ").starts_with("generation 4"));
    assert!(serving.ask(&bearer).contains("token.audience"));
    serving.end();
}

#[cfg(unix)]
#[test]
fn a_signal_reloads_where_nothing_is_watched() {
    let (folder, config, token) = world("serve-signal");
    let mut serving = Serving::start(&config, &["--no-watch", "--no-admin"]);
    fs::write(folder.join("pack/main.cedar"), CLOSED).unwrap();
    Command::new("kill").args(["-HUP", &serving.child.id().to_string()]).status().unwrap();
    assert!(serving.says("reloaded ").starts_with("generation 2"));
    assert!(serving.ask(&format!("authorization: Bearer {token}\r\n")).contains("policy.forbidden"));
}

#[test]
fn the_page_opens_to_who_knows_its_address_alone() {
    let (_, config, _) = world("serve-page");
    let serving = Serving::start(&config, &[]);
    let (address, path) = serving.page.split_once('/').unwrap();
    let ask = |method: &str, path: &str, host: &str, more: &str| {
        let request = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{more}\r\n");
        let answer = http(address, &request);
        (answer.split(' ').nth(1).unwrap().to_owned(), answer)
    };
    let inside = |name: &str| format!("/{path}{name}");
    let (status, page) = ask("GET", &inside(""), address, "");
    assert_eq!(status, "200");
    let page = page.to_ascii_lowercase();
    for header in [
        "content-security-policy: default-src 'none'; script-src 'sha256-",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
        "cache-control: no-store",
    ] {
        assert!(page.contains(header), "{header}");
    }
    assert!(!page.contains("http://") && !page.contains("https://"), "the page loads nothing from elsewhere");
    assert_eq!(ask("GET", &inside("state"), address, "").0, "200");
    // Without the token, with another, and under a name that a stranger's page has point here.
    assert_eq!(ask("GET", "/", address, "").0, "404");
    assert_eq!(ask("GET", &format!("/{}/", "0".repeat(48)), address, "").0, "404");
    assert_eq!(ask("GET", &inside("state"), "evil.example", "").0, "421");
    assert_eq!(ask("GET", &inside("state"), "evil.example:80", "").0, "421");
    // A form of a stranger's page cannot send JSON, and a script of its may not.
    let replay = "{\"id\":1,\"method\":\"GET\",\"path\":\"/\",\"headers\":[],\"peer\":null}";
    let send = |more: &str| {
        let request = format!(
            "POST {} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n{more}\r\n{replay}",
            inside("replay"),
            replay.len()
        );
        http(address, &request).split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!(send("content-type: text/plain\r\n"), "403");
    assert_eq!(send("content-type: application/json\r\norigin: http://evil.example\r\n"), "403");
    assert_eq!(send("content-type: application/json\r\nsec-fetch-site: cross-site\r\n"), "403");
    // There is no decision 1 yet.
    assert_eq!(send("content-type: application/json\r\n"), "410");

    let refused = countersign(&[
        "serve",
        "--config",
        config.to_str().unwrap(),
        "--upstream",
        "http://127.0.0.1:1",
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "0.0.0.0:0",
    ]);
    assert!(refused.exits(2).err().contains("expected a loopback address"));
}

#[test]
fn what_was_recorded_is_replayed_without_its_credentials() {
    let (folder, config, token) = world("serve-record");
    let recording = folder.join("requests.jsonl");
    let record = ["--no-admin", "--record", recording.to_str().unwrap(), "--show-header", "x-note"];
    let serving = Serving::start(&config, &record);
    let bearer = format!("authorization: Bearer {token}\r\n");
    assert!(
        serving
            .ask(&format!("{bearer}cookie: id=very-secret\r\nx-note: kept\r\nx-other: very-secret\r\n"))
            .starts_with("HTTP/1.1 200")
    );
    assert!(serving.ask("").contains("token.missing"));
    let (said, signature) = token.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { "B" } else { "A" };
    let spoilt = format!("{said}.{other}{}", &signature[1..]);
    assert!(serving.ask(&format!("authorization: Bearer {spoilt}\r\n")).contains("token.signature"));
    serving.end();

    let text = fs::read_to_string(&recording).unwrap();
    assert_eq!(text.lines().count(), 4, "{text}");
    let claims = token.split('.').nth(1).unwrap();
    for secret in [token.as_str(), claims, token.rsplit('.').next().unwrap(), "very-secret"] {
        assert!(!text.contains(secret), "{text}");
    }
    assert!(text.contains("\"x-note\",\"kept\"") && text.contains("\"sub\":\"alice\""), "{text}");

    let file = recording.to_str().unwrap();
    let config = config.to_str().unwrap();
    let same = countersign(&["replay", file, "--config", config, "--fail-on-change"]).exits(0);
    assert!(same.out().contains("3 requests: 3 the same"), "{}", same.out());
    let level = countersign(&["replay", file, "--config", config, "--log-level", "debug"]).exits(2).err();
    assert!(level.contains("`--log-level`: expected none beside `--config`"), "{level}");

    let other = folder.join("other");
    fs::create_dir(&other).unwrap();
    fs::copy(folder.join("pack/main.cedarschema"), other.join("main.cedarschema")).unwrap();
    fs::write(other.join("main.cedar"), CLOSED).unwrap();
    let replay = ["replay", file, "--config", config, "--pack", other.to_str().unwrap()];
    let changed = countersign(&replay).exits(0).out();
    assert!(
        changed.contains("allow → deny") && changed.contains("3 requests: 2 the same, 1 allow → deny"),
        "{changed}"
    );
    let told = countersign(&[&replay[..], &["--format", "json", "--fail-on-change"]].concat()).exits(1).out();
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["totals"]["allow → deny"], 1);
    assert_eq!(told["changes"][0]["members"]["reason"]["now"], "policy.forbidden");
    let junit =
        countersign(&[&replay[..], &["--format", "junit", "--fail-on-change"]].concat()).exits(1).out();
    assert!(junit.contains("tests=\"3\" failures=\"1\""), "{junit}");

    // The audit lines alone are a recording that lacks much, and says so.
    let lines: Vec<String> = text
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()?.get("decision").cloned())
        .map(|mut audit| {
            audit.as_object_mut().unwrap().remove("countersign");
            format!(
                "[info] wasm log: {{\"countersign\":\"audit\",{}\n",
                audit.to_string().strip_prefix('{').unwrap()
            )
        })
        .collect();
    let log = folder.join("envoy.log");
    fs::write(&log, format!("[info] starting\n{}", lines.concat())).unwrap();
    let from_log = countersign(&["replay", log.to_str().unwrap(), "--config", config]).exits(0);
    assert!(
        from_log.out().contains("2 the same") && from_log.err().contains("known by audit lines alone"),
        "{}{}",
        from_log.out(),
        from_log.err()
    );

    let bad = folder.join("bad.jsonl");
    fs::write(
        &bad,
        format!("{}\n{{\"countersign\":\"request\",\"id\":\"x\"}}\n", text.lines().next().unwrap()),
    )
    .unwrap();
    let refused = countersign(&["replay", bad.to_str().unwrap(), "--config", config]).exits(2);
    assert!(refused.err().contains("bad.jsonl:2:"), "{}", refused.err());
}

#[test]
fn a_damaged_recording_is_refused_and_a_cut_one_is_used() {
    let (folder, config, token) = world("serve-damaged");
    let recording = folder.join("requests.jsonl");
    let serving = Serving::start(&config, &["--no-admin", "--record", recording.to_str().unwrap()]);
    for _ in 0..2 {
        serving.ask(&format!("authorization: Bearer {token}\r\n"));
    }
    serving.end();
    let text = fs::read_to_string(&recording).unwrap();
    let [head, first, second] = text.lines().collect::<Vec<_>>().try_into().unwrap();
    let half = &second[..second.len() / 2];
    let replay = |text: &str| {
        fs::write(&recording, text).unwrap();
        countersign(&["replay", recording.to_str().unwrap(), "--config", config.to_str().unwrap()])
    };
    for (text, line) in [
        (format!("{head}\n{{bad\n{first}\n"), 2),
        (format!("{head}\n{first}\nsomething else\n"), 3),
        (format!("{head}\n{half}\n{first}\n"), 2),
        (format!("{head}\n{half}"), 2),
    ] {
        let refused = replay(&text).exits(2).err();
        assert!(refused.contains(&format!("requests.jsonl:{line}: ")), "{refused}");
    }
    for cut in [half, "{\"countersi", "{"] {
        let used = replay(&format!("{head}\n{first}\n{cut}")).exits(0);
        assert!(used.out().contains("1 request: 1 the same"), "{}", used.out());
        let said = used.err();
        assert!(
            said.contains("warning") && said.contains("requests.jsonl:3: ") && said.contains("cut short"),
            "{said}"
        );
    }
    assert!(!replay(&text).exits(0).err().contains("warning"));
}

#[test]
fn secrets_are_neither_recorded_nor_shown_and_the_rest_is_replayed() {
    let (folder, config, token) = world("serve-secrets");
    let recording = folder.join("requests.jsonl");
    let serving = Serving::start(&config, &["--record", recording.to_str().unwrap()]);
    let signature = token.rsplit('.').next().unwrap();
    let (dots, twice) = (token.replace('.', "%2E"), token.replace('.', "%252E"));
    let targets = [
        format!("/v1/things/{token}"),
        format!("/v1/things/{token}/x"),
        String::from("/v1/things/1;jsessionid=hunter2"),
        format!("/v1/things/1?q={token}&q={dots}&q={twice}"),
        String::from(
            "/v1/things/1?%73ig=hunter2&otp=hunter2&user%5Bpassword%5D=hunter2&next=%2Fcb%3Fcode%3Dhunter2",
        ),
        format!("/v1/things/1?{dots}=1&token%3Dhunter2"),
    ];
    let heads = [
        String::from(
            "referer: https://a/b?access_token=hunter2&code=hunter2\r\nx-original-uri: /cb?code=hunter2\r\n",
        ),
        String::from("x-original-url: /x?api_key=hunter2\r\nforwarded: for=192.0.2.1;token=hunter2\r\n"),
        format!("link: <https://a/b?sig=hunter2>; rel=next\r\nuser-agent: {token}\r\n"),
        String::from("ocp-apim-subscription-key: hunter2\r\nx-functions-key: hunter2\r\nx-csrf: hunter2\r\n"),
        String::from("x-otp: hunter2\r\nx-pass: hunter2\r\ncookie2: hunter2\r\nx-anything: hunter2\r\n"),
    ];
    let send = |target: &str, head: &str| {
        let request = format!(
            "GET {target} HTTP/1.1\r\nhost: api.example\r\nconnection: close\r\nauthorization: Bearer {token}\r\n{head}\r\n"
        );
        assert!(http(&serving.address, &request).starts_with("HTTP/1.1 "));
    };
    targets.iter().for_each(|target| send(target, "accept: text/plain\r\n"));
    heads.iter().for_each(|head| send("/v1/things/1", head));

    let (address, path) = serving.page.split_once('/').unwrap();
    let count = targets.len() + heads.len();
    let mut page = String::new();
    for id in 1..=count {
        let request =
            format!("GET /{path}decisions/{id} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        // A decision is shown a moment after its request was answered.
        let shown =
            (0..1000).map(|_| http(address, &request)).find(|answer| answer.starts_with("HTTP/1.1 200"));
        page.push_str(&shown.unwrap());
    }
    serving.end();
    let text = fs::read_to_string(&recording).unwrap();
    assert_eq!(text.lines().count(), count + 1, "{text}");
    for text in [&text, &page] {
        assert!(!text.contains(signature) && !text.contains("hunter2"), "{text}");
        assert!(text.contains("/v1/things/(secret)") && text.contains("text/plain"), "{text}");
    }
    let file = recording.to_str().unwrap();
    let same =
        countersign(&["replay", file, "--config", config.to_str().unwrap(), "--fail-on-change"]).exits(0);
    assert!(same.out().contains(&format!("{count} requests: {count} the same")), "{}", same.out());
}

/// Logs text that is no audit line of Countersign's, with what moves a cursor in it.
const FORGER: &str = r#"(module
    (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 64) "{\22countersign\22:\22audit\22,\22decision\22:\22allow\22}\0d\0aerror: \1b[2Jforged")
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "malloc") (param i32) (result i32) (i32.const 4096))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (drop (call $log (i32.const 2) (i32.const 64) (i32.const 42)))
        (drop (call $log (i32.const 2) (i32.const 64) (i32.const 61)))
        (i32.const 0)))"#;

#[test]
fn another_module_writes_no_audit_lines_and_one_line_at_a_time() {
    let folder = folder("serve-forger");
    let module = folder.join("forger.wat");
    fs::write(&module, FORGER).unwrap();
    let mut serving = Serving::run("--module", &module, &["--no-admin"], Stdio::piped());
    assert!(serving.ask("").starts_with("HTTP/1.1 200"));
    assert_eq!(serving.says("filter [info] "), "{\"countersign\":\"audit\",\"decision\":\"allow\"}");
    let line = serving.says("filter [info] ");
    assert!(line.ends_with("}\\r\\nerror: \\u{1b}[2Jforged"), "{line}");
    let mut out = serving.child.stdout.take().unwrap();
    serving.end();
    let mut written = String::new();
    out.read_to_string(&mut written).unwrap();
    assert_eq!(written, "");
}

#[test]
fn what_does_not_start_is_told_with_its_file() {
    let folder = folder("serve-broken");
    let module = folder.join("broken.wat");
    let serve = || {
        let path = module.to_str().unwrap();
        let run = countersign(&[
            "serve",
            "--module",
            path,
            "--upstream",
            "http://127.0.0.1:1",
            "--listen",
            "127.0.0.1:0",
        ]);
        run.exits(2).err()
    };
    let missing = serve();
    assert!(
        missing.contains("broken.wat: expected a proxy-wasm module") && !missing.contains("xtask"),
        "{missing}"
    );
    fs::write(&module, "(module\n  (fun))").unwrap();
    let text = serve();
    assert!(text.contains("broken.wat:2:4: ") && !text.contains("anon"), "{text}");
    let refuses = FORGER.replace(
        "(func (export \"malloc\")",
        "(func (export \"proxy_on_configure\") (param i32 i32) (result i32) (i32.const 0)) (func (export \"malloc\")",
    );
    fs::write(&module, refuses).unwrap();
    assert!(serve().contains("broken.wat: module refused its configuration"), "{}", serve());
}

#[test]
fn a_filter_that_fails_is_recorded_with_what_the_client_got() {
    let folder = folder("serve-trap");
    let (module, recording) = (folder.join("trap.wat"), folder.join("requests.jsonl"));
    let call = "(drop (call $log (i32.const 2) (i32.const 64) (i32.const 42)))";
    fs::write(&module, FORGER.replace(call, "unreachable")).unwrap();
    let record = ["--no-admin", "--record", recording.to_str().unwrap()];
    let mut serving = Serving::run("--module", &module, &record, Stdio::null());
    assert!(serving.ask("").starts_with("HTTP/1.1 503"));
    let told = serving.says("filter [critical] the VM failed: ");
    assert!(told.starts_with("proxy_on_request_headers: trapped: "), "{told}");
    serving.end();
    let text = fs::read_to_string(&recording).unwrap();
    assert!(text.contains("\"outcome\":\"failed\",\"status\":503"), "{text}");
}
