//! `examples/envoy`: its page, typed word by word, shows what it says it shows.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use countersign_tests::envoy::Envoy;
use serde_json::Value;

/// The example's ports, which the test replaces by free ones.
const PORTS: [&str; 6] = ["8443", "9901", "8081", "8082", "8083", "8090"];

#[test]
fn the_page_works_as_written() -> Result<()> {
    let root = countersign_tests::root();
    ensure!(
        root.join("target/release/countersign").exists(),
        "the command is not built, run `cargo build --release --bin countersign`"
    );
    let copy = copied(&root, "page")?;
    let page = fs::read_to_string(copy.join("README.md"))?;
    let page = page.split_once("## Set up").context("no section `Set up`")?.1;
    let script: Vec<&str> = blocks(page, "sh").collect();
    // What is running when a command fails must not stay.
    let script = format!("set -e\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{}", script.join("\n"));
    let script = script.replace("cd examples/envoy", &format!("cd '{}'", copy.display()));
    let output =
        Command::new("bash").arg("-c").arg(script).current_dir(&root).output().context("starting `bash`")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let log = fs::read_to_string(copy.join("generated/envoy.log")).unwrap_or_default();
    let context = || format!("{said}\n{}\n{log}", String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "a command of the page failed:\n{}", context());
    // What the page shows must come up in that order.
    let mut rest = &*said;
    for line in blocks(page, "text").flat_map(str::lines) {
        let Some((_, after)) = rest.split_once(line) else {
            anyhow::bail!("`{line}` was not shown, or not in its place:\n{}", context())
        };
        rest = after;
    }
    fs::remove_dir_all(&copy)?;
    Ok(())
}

/// `introspection.yaml` goes beside `envoy.yaml` as its head says, and with the field that `countersign.yaml` has for it. What its
/// cluster does, `opaque.rs` shows.
#[test]
fn questions_about_tokens_go_to_the_cluster_that_the_example_has_for_them() -> Result<()> {
    let root = countersign_tests::root();
    let copy = copied(&root, "introspection")?;
    let file = copy.join("countersign.yaml");
    let text = fs::read_to_string(&file)?;
    let (before, block) =
        text.split_once("    # introspection:\n").context("no `introspection` to take in")?;
    let (fields, after) =
        block.split_at(block.find("    # What the issuer publishes").context("what follows it")?);
    let fields = fields.replace("    #   ", "      ");
    fs::write(&file, format!("{before}    introspection:\n{fields}{after}"))?;
    let script = format!(
        r#"set -e
        export PATH="{0}/target/release:{1}:$PATH"
        mkdir -p generated
        countersign keys ca --trust-domain bank.example --output generated
        countersign keys svid --ca generated --output generated --host localhost --name gateway
        countersign compile countersign.yaml --output generated/countersign.json
        ./deploy.py generated/countersign.json
        printf %s 'gateway:SECRET' | base64 --wrap 0 > generated/introspection.secret
        envoy --mode validate -c envoy.yaml --config-yaml "$(cat introspection.yaml)""#,
        root.display(),
        Envoy::binary()?.parent().context("Envoy's folder")?.display(),
    );
    let output = Command::new("bash").arg("-c").arg(script).current_dir(&copy).output()?;
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success() && said.contains("configuration 'envoy.yaml' OK"), "{said}");
    let read =
        |name: &str| -> Result<Value> { Ok(serde_saphyr::from_str(&fs::read_to_string(copy.join(name))?)?) };
    let (questions, written) = (read("introspection.yaml")?, read("countersign.yaml")?);
    let cluster = &questions["static_resources"]["clusters"][0]["name"];
    ensure!(written["issuers"][0]["introspection"]["cluster"] == *cluster, "{cluster}");
    fs::remove_dir_all(&copy)?;
    Ok(())
}

/// Each kind of resource is at the service that the pack's picture shows.
#[test]
fn every_route_leads_to_its_service() -> Result<()> {
    let read = |name: &str| -> Result<Value> {
        let text = fs::read_to_string(countersign_tests::root().join("examples/envoy").join(name))?;
        Ok(serde_saphyr::from_str(&text)?)
    };
    let manager = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
    let envoy = read("envoy.yaml")?;
    let routes =
        envoy.pointer(&format!("{manager}/route_config/virtual_hosts/0/routes")).context("no routes")?;
    let routes = routes.as_array().context("routes are a list")?;
    let cluster = |path: &str| {
        let leads =
            |route: &&Value| route["match"]["prefix"].as_str().is_some_and(|prefix| path.starts_with(prefix));
        routes.iter().find(leads).and_then(|route| route["route"]["cluster"].as_str())
    };
    let countersign = read("countersign.yaml")?;
    let served = countersign["routes"].as_array().context("no routes")?;
    for route in served {
        let service = match route["resource"]["type"].as_str() {
            Some("Dataset" | "FeatureSet") => "feature-store",
            Some("Model") => "fraud-model",
            Some("Transfer") | None => "orchestrator",
            Some(other) => anyhow::bail!("`{other}` is at no service that this test knows"),
        };
        let path = route["path"].as_str().context("no path")?;
        ensure!(cluster(path) == Some(service), "`{path}`: expected `{service}`, found {:?}", cluster(path));
    }
    Ok(())
}

/// The example in a folder of its own, on ports that are free.
fn copied(root: &Path, name: &str) -> Result<PathBuf> {
    let to = root.join("target/envoy").join(format!("example-{name}-{}", std::process::id()));
    fs::create_dir_all(&to)?;
    let listeners = PORTS
        .iter()
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .collect::<std::io::Result<Vec<_>>>()?;
    for entry in fs::read_dir(root.join("examples/envoy"))? {
        let from = entry?.path();
        let name = from.file_name().context("a file without a name")?.to_owned();
        if !from.is_file() {
            continue;
        }
        let mut text = fs::read_to_string(&from)?.replace("$PWD/../..", &root.display().to_string());
        text = text.replace("../..", &root.display().to_string());
        for (port, listener) in PORTS.iter().zip(&listeners) {
            text = text.replace(port, &listener.local_addr()?.port().to_string());
        }
        fs::write(to.join(&name), text)?;
        fs::set_permissions(to.join(&name), fs::metadata(&from)?.permissions())?;
    }
    Ok(to)
}

/// The fenced blocks of a language.
fn blocks<'a>(page: &'a str, language: &str) -> impl Iterator<Item = &'a str> {
    let fence = format!("```{language}\n");
    let mut rest = page;
    std::iter::from_fn(move || {
        let (_, after) = rest.split_once(&fence)?;
        let (block, after) = after.split_once("```")?;
        rest = after;
        Some(block)
    })
}
