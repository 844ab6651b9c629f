//! `countersign compile`: from Cedar to what the filter is given.

use crate::configuration::{Configuration, compile_pack};
use crate::console::{self, DIM, GOOD, HINT, count, say};
use crate::failure::{Exit, Failure};
use crate::findings::{self, Finding, Severity};
use crate::images;
use crate::output::TextOrJson;
use crate::paths;
use countersign_compiler::Warning;
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Compile a policy pack to an image, or a configuration to what the filter reads.
///
/// A folder is a policy pack and becomes a policy image. A file is a configuration and becomes the filter's JSON, with the image
/// of the pack that it names inside.
#[derive(clap::Args)]
pub(crate) struct Compile {
    /// A policy pack (a folder) or a configuration (YAML or JSON).
    #[arg(value_name = "PACK | CONFIG")]
    input: PathBuf,
    /// Where to write the result; `-` for standard output.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Say nothing where all is well.
    #[arg(short, long)]
    quiet: bool,
    /// How to print what came of it: on standard error where the result is on standard output.
    #[arg(long, value_enum, default_value_t)]
    format: TextOrJson,
}

impl Compile {
    /// Runs it.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        findings::told(self.format.into(), &self.input, self.compile())
    }

    fn compile(&self) -> Result<Exit, Failure> {
        paths::expect(&self.input, "a configuration (YAML or JSON) or a pack (folder)")?;
        let (bytes, image, digest, warnings) = if self.input.is_dir() {
            let compiled = compile_pack(&self.input)?;
            let image = images::decode(&self.input, &compiled.image)?;
            let policies = image.policy_count();
            (compiled.image, policies, images::digest(&image), compiled.warnings)
        } else {
            let configuration = Configuration::load(&self.input)?;
            let json = configuration.to_json()?;
            let Configuration { settings, warnings, .. } = configuration;
            (json, settings.image.policy_count(), settings.image_digest.to_string(), warnings)
        };
        write(&self.output, &bytes)?;
        match self.format {
            _ if self.quiet => {}
            TextOrJson::Text => self.summarise(bytes.len(), image, &digest, &warnings),
            TextOrJson::Json => self.tell(bytes.len(), image, &digest, &warnings)?,
        }
        Ok(Exit::Good)
    }

    /// On standard error, as the result may be on standard output.
    fn summarise(&self, size: usize, policies: usize, digest: &str, warnings: &[Warning]) {
        for warning in warnings {
            say!("{HINT}warning{HINT:#}: {warning}\n{}", findings::report(warning));
        }
        say!(
            "{GOOD}compiled{GOOD:#} {} to {} {DIM}({}, {size} bytes, image {digest}){DIM:#}",
            self.input.display(),
            self.output.display(),
            count(policies, "policy", "policies"),
        );
    }

    /// The same as data.
    fn tell(&self, size: usize, policies: usize, digest: &str, warnings: &[Warning]) -> Result<(), Failure> {
        let findings = warnings.iter().map(|warning| Finding::new(Severity::Warning, warning).data());
        let data = json!({
            "path": self.input.display().to_string(),
            "ok": true,
            "output": self.output.display().to_string(),
            "policies": policies,
            "bytes": size,
            "digest": digest,
            "findings": findings.collect::<Vec<_>>(),
        });
        if self.output == Path::new("-") {
            say!("{data}");
            return Ok(());
        }
        let mut out = console::stdout();
        writeln!(out, "{data}")?;
        Ok(out.flush()?)
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if path == Path::new("-") {
        let mut out = std::io::stdout().lock();
        out.write_all(bytes)?;
        return Ok(out.flush()?);
    }
    std::fs::write(path, bytes)
        .map_err(|error| Failure::at(path.display(), format!("expected a file that can be written: {error}")))
}
