//! `countersign keys` and `countersign token`, as people run them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

/// A folder of this test's own, empty at first.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("credentials").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn countersign(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_countersign")).current_dir(folder).args(arguments).output().unwrap()
}

/// What a run that must be good prints.
fn good(folder: &Path, arguments: &[&str]) -> String {
    let output = countersign(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What a run that must fail with 2 says.
fn bad(folder: &Path, arguments: &[&str]) -> String {
    let output = countersign(folder, arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_token_verifies_under_the_published_set() {
    for algorithm in ["ES256", "EdDSA", "RS256"] {
        let folder = folder(&format!("verify-{algorithm}"));
        good(&folder, &["keys", "new", "--alg", algorithm, "-o", "key.pem"]);
        let set = parsed(&good(&folder, &["keys", "jwks", "key.pem"]));
        let token = good(&folder, &["token", "--key", "key.pem", "--sub", "alice", "--aud", "a"]);
        let token = token.trim();
        let header = jsonwebtoken::decode_header(token).unwrap();
        let set: jsonwebtoken::jwk::JwkSet = serde_json::from_value(set).unwrap();
        let jwk = set.find(&header.kid.unwrap()).unwrap();
        let mut validation = jsonwebtoken::Validation::new(header.alg);
        validation.set_audience(&["a"]);
        let key = jsonwebtoken::DecodingKey::from_jwk(jwk).unwrap();
        let claims = jsonwebtoken::decode::<Value>(token, &key, &validation).unwrap().claims;
        assert_eq!(claims["sub"], "alice", "{algorithm}");
    }
}

#[test]
fn a_token_says_what_it_is_told() {
    let folder = folder("claims");
    good(&folder, &["keys", "new", "--kid", "k1", "-o", "key.json"]);
    let token = good(
        &folder,
        &[
            "token",
            "--key",
            "key.json",
            "--now",
            "1000",
            "--exp",
            "+5m",
            "--nbf",
            "-30s",
            "--iss",
            "https://i",
            "--aud",
            "a",
            "--aud",
            "b",
            "--claim",
            "role=customer",
            "--claim-json",
            r#"transaction={"class":"wire","amount":1250000}"#,
            "--header",
            "x5t=abc",
        ],
    );
    let decoded = parsed(&good(&folder, &["token", "--decode", token.trim()]));
    assert_eq!(decoded["header"], json!({ "alg": "ES256", "kid": "k1", "typ": "at+jwt", "x5t": "abc" }));
    assert_eq!(
        decoded["claims"],
        json!({
            "iss": "https://i", "aud": ["a", "b"], "iat": 1000, "exp": 1300, "nbf": 970, "role": "customer",
            "transaction": { "class": "wire", "amount": 1_250_000 },
        })
    );
}

#[test]
fn an_unsigned_token_is_unsigned() {
    let folder = folder("unsigned");
    good(&folder, &["keys", "new", "-o", "key.pem"]);
    let token =
        good(&folder, &["token", "--key", "key.pem", "--forge", "none", "--exp", "never", "--typ", ""]);
    assert!(token.trim().ends_with('.'));
    let decoded = parsed(&good(&folder, &["token", "--decode", token.trim()]));
    assert_eq!(decoded["header"]["alg"], "none");
    assert!(decoded["header"].get("typ").is_none() && decoded["claims"].get("exp").is_none());
}

#[cfg(unix)]
#[test]
fn private_keys_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder("modes");
    good(&folder, &["keys", "new", "-o", "key.pem"]);
    good(&folder, &["keys", "ca", "--trust-domain", "bank.example", "-o", "ca"]);
    good(
        &folder,
        &["keys", "svid", "--spiffe-id", "spiffe://bank.example/edge", "--ca", "ca", "-o", "certs"],
    );
    for private in ["key.pem", "ca/ca-key.pem", "certs/edge-key.pem"] {
        let mode = fs::metadata(folder.join(private)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{private}");
    }
}

#[test]
fn nothing_is_written_over_unless_forced() {
    let folder = folder("force");
    good(&folder, &["keys", "new", "-o", "key.pem"]);
    let first = fs::read_to_string(folder.join("key.pem")).unwrap();
    let said = bad(&folder, &["keys", "new", "-o", "key.pem"]);
    assert!(said.contains("--force"), "{said}");
    assert_eq!(fs::read_to_string(folder.join("key.pem")).unwrap(), first);
    good(&folder, &["keys", "new", "-o", "key.pem", "--force"]);
    assert_ne!(fs::read_to_string(folder.join("key.pem")).unwrap(), first);
}

#[test]
fn certificates_carry_the_names_asked_for() {
    let folder = folder("names");
    good(&folder, &["keys", "ca", "--trust-domain", "bank.example", "-o", "ca"]);
    let id = "spiffe://bank.example/gateway";
    good(
        &folder,
        &[
            "keys",
            "svid",
            "--spiffe-id",
            id,
            "--host",
            "localhost",
            "--host",
            "127.0.0.1",
            "--ca",
            "ca",
            "-o",
            ".",
        ],
    );
    let pem = fs::read(folder.join("gateway.pem")).unwrap();
    let (_, pem) = x509_parser::pem::parse_x509_pem(&pem).unwrap();
    let certificate = pem.parse_x509().unwrap();
    let names = certificate.subject_alternative_name().unwrap().unwrap();
    let names: Vec<String> = names.value.general_names.iter().map(ToString::to_string).collect();
    assert!(names.iter().any(|name| name.contains(id)), "{names:?}");
    assert!(names.iter().any(|name| name.contains("localhost")), "{names:?}");
    assert_eq!(names.len(), 3, "{names:?}");

    let said = bad(&folder, &["keys", "svid", "--spiffe-id", "spiffe://Bank/x", "--ca", "ca", "-o", "."]);
    assert!(said.contains("SPIFFE ID"), "{said}");
}

#[test]
fn a_certificate_says_nothing_that_its_authority_may_not() {
    let folder = folder("domains");
    good(&folder, &["keys", "ca", "--trust-domain", "bank.example", "-o", "ca"]);
    let svid = |id: &str| bad(&folder, &["keys", "svid", "--spiffe-id", id, "--ca", "ca", "-o", "out"]);
    assert!(svid("spiffe://other.example/x").contains("trust domain `bank.example`"));
    assert!(svid("spiffe://bank.example").contains("with a path"));
    for domain in ["BAD domain", "", "Bank.example", "bank.example/x"] {
        let said = bad(&folder, &["keys", "ca", "--trust-domain", domain, "-o", "other"]);
        assert!(said.contains("invalid trust domain"), "{domain}: {said}");
    }
    for host in ["bad host", "", "a..b", "-a", "a/b"] {
        let said = bad(&folder, &["keys", "svid", &format!("--host={host}"), "--ca", "ca", "-o", "out"]);
        assert!(said.contains("invalid host"), "{host}: {said}");
    }
    let outside = ["keys", "svid", "--host", "localhost", "--name", "../x", "--ca", "ca", "-o", "out"];
    assert!(bad(&folder, &outside).contains("`--name`"));
    assert!(!folder.join("out").exists() && !folder.join("other").exists());
    good(
        &folder,
        &[
            "keys",
            "svid",
            "--host",
            "*.bank.example",
            "--host",
            "::1",
            "--name",
            "g",
            "--ca",
            "ca",
            "-o",
            "out",
        ],
    );
}

#[test]
fn a_key_and_its_certificate_are_written_together_or_not_at_all() {
    let folder = folder("pairs");
    good(&folder, &["keys", "ca", "--trust-domain", "bank.example", "-o", "ca"]);
    good(&folder, &["keys", "ca", "--trust-domain", "bank.example", "-o", "other"]);
    fs::remove_file(folder.join("ca/ca-key.pem")).unwrap();
    let said = bad(&folder, &["keys", "ca", "--trust-domain", "bank.example", "-o", "ca"]);
    assert!(said.contains("ca.pem: expected no such file yet"), "{said}");
    assert!(!folder.join("ca/ca-key.pem").exists());
    // The key of another authority issues nothing in this one's name.
    fs::copy(folder.join("other/ca-key.pem"), folder.join("ca/ca-key.pem")).unwrap();
    let said = bad(&folder, &["keys", "svid", "--host", "localhost", "--ca", "ca", "-o", "."]);
    assert!(said.contains("the key is that of another certificate"), "{said}");
    // Nor does a certificate that is no authority's.
    good(&folder, &["keys", "svid", "--host", "localhost", "--name", "ca", "--ca", "other", "-o", "leaf"]);
    let said = bad(&folder, &["keys", "svid", "--host", "localhost", "--ca", "leaf", "-o", "."]);
    assert!(said.contains("may issue no others"), "{said}");
    let said = bad(&folder, &["keys", "new", "-o", "ca"]);
    assert!(said.contains("ca: expected a file's name, found a folder"), "{said}");
}

#[test]
fn a_proof_takes_its_token_from_a_file() {
    let folder = folder("proof-file");
    good(&folder, &["keys", "new", "-o", "key.pem"]);
    fs::write(folder.join("token"), "a.b.c\n").unwrap();
    let claims = |token: &str| {
        let made = ["proof", "--key", "key.pem", "--token", token, "--url", "HTTPS://a.example:8443/x?y#z"];
        parsed(&good(&folder, &["token", "--decode", good(&folder, &made).trim()]))["claims"].clone()
    };
    let (written, read) = (claims("a.b.c"), claims("@token"));
    assert_eq!(written["ath"], read["ath"]);
    assert_eq!(read["htu"], "HTTPS://a.example:8443/x");
}

#[test]
fn mistakes_are_explained() {
    let folder = folder("mistakes");
    good(&folder, &["keys", "new", "-o", "key.pem"]);
    fs::write(folder.join("other.pem"), "-----BEGIN RSA PRIVATE KEY-----\n").unwrap();
    fs::write(folder.join("empty"), "\n").unwrap();
    for (arguments, expected) in [
        (vec!["token", "--key", "missing.pem"], "missing.pem"),
        (vec!["token", "--key", "other.pem"], "PKCS #8"),
        (vec!["token", "--key", "key.pem", "--exp", "soon"], "`soon`"),
        (vec!["token", "--key", "key.pem", "--claim-json", "a={"], "claim `a`"),
        (vec!["token", "--decode", "nonsense"], "three parts"),
        (vec!["keys", "new", "--alg", "HS256", "-o", "x.pem"], "HS256"),
        (
            vec!["proof", "--key", "key.pem", "--token", "", "--url", "https://a"],
            "`--token `: expected a token",
        ),
        (
            vec!["proof", "--key", "key.pem", "--token", "@empty", "--url", "https://a"],
            "`--token @empty`: expected a token",
        ),
        (
            vec!["proof", "--key", "key.pem", "--token", "@none", "--url", "https://a"],
            "`--token @none`: expected a readable file",
        ),
        (
            vec!["proof", "--key", "key.pem", "--token", "t", "--url", "/payments"],
            "`--url`: expected an address",
        ),
        (
            vec!["proof", "--key", "key.pem", "--token", "t", "--url", "ftp://a/"],
            "`--url`: expected an address",
        ),
        (
            vec!["proof", "--key", "key.pem", "--token", "t", "--url", "https:///a"],
            "`--url`: expected an address",
        ),
    ] {
        let said = bad(&folder, &arguments);
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
}

#[test]
fn an_api_key_is_shown_once_with_an_entry_that_takes_it() {
    use countersign_core::crypto::digest::sha256;
    let folder = folder("api-key");
    let arguments = [
        "keys",
        "api-key",
        "--id",
        "reports",
        "--workload",
        "spiffe://bank.example/edge",
        "--role",
        "analyst",
        "--attribute",
        "tenant=acme",
        "--attribute",
        "region=eu",
        "--not-after",
        "2199-01-01T00:00:00Z",
    ];
    let made = parsed(&good(&folder, &[&arguments[..], &["--format", "json"]].concat()));
    let key = made["key"].as_str().unwrap();
    let digest: String = sha256(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        made["entry"],
        json!({
            "id": "reports", "sha256": digest, "workload": "spiffe://bank.example/edge",
            "not_after": "2199-01-01T00:00:00Z",
            "principal": {
                "type": "User", "id": "reports", "roles": ["analyst"],
                "attributes": { "region": "eu", "tenant": "acme" },
            },
        })
    );
    // As text it can be pasted below `keys:`, and no two keys are alike.
    let text = good(&folder, &arguments);
    let (shown, entry) = text.split_once("\n\n").unwrap();
    let shown = shown.lines().last().unwrap();
    assert!(shown.starts_with("csk_") && shown != key, "{text}");
    assert_eq!(text.matches(shown).count(), 1);
    let entries: Value = serde_saphyr::from_str(entry).unwrap();
    assert_eq!(entries[0]["id"], "reports");
    let digest: String = sha256(shown.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(entries[0]["sha256"], digest.as_str());

    for (option, value, expected) in [
        ("--id", "a b", "`--id`: expected"),
        ("--workload", "spiffe://bank.example", "`--workload`: expected"),
        ("--not-after", "tomorrow", "`--not-after`: expected"),
        ("--not-after", "2020-01-01T00:00:00Z", "`--not-after`: expected a time to come"),
        ("--role", "", "`--role`: expected"),
        ("--attribute", "tenant", "`--attribute`: expected"),
    ] {
        let mut changed = arguments.to_vec();
        match changed.iter().position(|argument| *argument == option) {
            Some(at) => changed[at + 1] = value,
            None => changed.extend([option, value]),
        }
        assert!(bad(&folder, &changed).contains(expected), "{option}");
    }
}
