//! The reference pages, and the links between all pages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::steps::Steps;

/// What `countersign reference` prints, and where it is kept. A test of the command holds one against the other.
const PAGES: [(&str, &str); 5] = [
    ("configuration", "docs/configuration.md"),
    ("schema", "docs/configuration.schema.json"),
    ("scenarios", "docs/scenario.schema.json"),
    ("reasons", "docs/reasons.md"),
    ("metrics", "docs/metrics.md"),
];

/// The repository's folders of sources.
const FOLDERS: [&str; 13] = [
    "bench-wasm",
    "cli",
    "compiler",
    "core",
    "docs",
    "examples",
    "filter",
    "fuzz",
    "host-sim",
    "policies",
    "probe",
    "tests",
    "xtask",
];

/// Writes the reference pages anew.
pub(crate) fn write() -> Result<()> {
    let mut steps = Steps::new(2);
    steps.step("building the command", || {
        process::logged(
            "build-cli",
            process::cargo().args(["build", "--release", "--package", "countersign"]),
        )?;
        Ok(String::new())
    })?;
    steps.step("writing the reference pages", || {
        let mut changed = Vec::new();
        for (page, file) in PAGES {
            let mut run = process::cargo();
            run.args(["run", "--quiet", "--release", "--package", "countersign", "--", "reference", page]);
            let done = run.output().with_context(|| format!("`{}` did not start", process::shown(&run)))?;
            if !done.status.success() {
                bail!("`{}` failed:\n{}", process::shown(&run), String::from_utf8_lossy(&done.stderr));
            }
            let file = crate::root().join(file);
            if fs::read(&file).ok().as_ref() != Some(&done.stdout) {
                fs::write(&file, &done.stdout).with_context(|| format!("writing {}", file.display()))?;
                changed.push(page);
            }
        }
        Ok(if changed.is_empty() { "no change".to_owned() } else { changed.join(", ") })
    })
}

/// Follows every link from a page to a file or a heading of the repository, and every path of one between backticks.
pub(crate) fn links_step() -> Result<String> {
    let listed = process::output(command("git").args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "*.md",
    ]))
    .context("`git ls-files` failed")?;
    let pages: Vec<PathBuf> = listed.lines().map(|page| crate::root().join(page)).collect();
    let (mut followed, mut broken) = (0, Vec::new());
    for page in pages.iter().filter(|page| page.exists()) {
        let text = fs::read_to_string(page).with_context(|| format!("reading {}", page.display()))?;
        for (line, target) in links(&text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            followed += 1;
            if !leads_somewhere(page, &target)? {
                let page = page.strip_prefix(crate::root()).unwrap_or(page);
                broken.push(format!("{}:{line}: `{target}`", page.display()));
            }
        }
        for (line, path) in paths(&text) {
            followed += 1;
            // From the root on, or beside the page.
            let beside = page.parent().unwrap_or(page).join(&path);
            if !crate::root().join(&path).exists() && !beside.exists() {
                let page = page.strip_prefix(crate::root()).unwrap_or(page);
                broken.push(format!("{}:{line}: `{path}`", page.display()));
            }
        }
    }
    if !broken.is_empty() {
        bail!("links that lead nowhere:\n  {}", broken.join("\n  "));
    }
    Ok(format!("{followed} links in {} pages", pages.len()))
}

fn leads_somewhere(page: &Path, target: &str) -> Result<bool> {
    let (file, heading) = match target.split_once('#') {
        Some((file, heading)) => (file, Some(heading)),
        None => (target, None),
    };
    let folder = page.parent().unwrap_or(page);
    let file = if file.is_empty() { page.to_path_buf() } else { folder.join(file) };
    if !file.exists() {
        return Ok(false);
    }
    match heading {
        Some(heading) if file.extension().is_some_and(|extension| extension == "md") => {
            let text = fs::read_to_string(&file)?;
            Ok(headings(&text).any(|anchor| anchor == heading))
        }
        Some(_) | None => Ok(true),
    }
}

/// Targets of `[text](target)` and of images, with their lines; none in blocks of code or between backticks.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        let plain: String = line.split('`').step_by(2).collect::<Vec<_>>().join("``");
        let mut rest = plain.as_str();
        while let Some((_, after)) = rest.split_once("](") {
            let Some((target, next)) = after.split_once(')') else { break };
            found.push((number, target.split_whitespace().next().unwrap_or_default().to_owned()));
            rest = next;
        }
    }
    found
}

/// What begins like a path of the repository and stands between backticks, with its line; what follows the file's name, as in
/// `core/src/lib.rs:7`, is left out.
fn paths(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        for span in line.split('`').skip(1).step_by(2) {
            let path = span.split([':', '#']).next().unwrap_or_default();
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/');
            let ours = path
                .split_once('/')
                .is_some_and(|(first, rest)| FOLDERS.contains(&first) && !rest.is_empty());
            if ours && path.bytes().all(plain) {
                found.push((number, path.to_owned()));
            }
        }
    }
    found
}

/// The anchors of a page's headings, as forges make them.
fn headings(text: &str) -> impl Iterator<Item = String> {
    prose(text).filter(|(_, line)| line.starts_with('#')).map(|(_, line)| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    })
}

/// The lines of a page with their numbers, without fenced blocks.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    (1..).zip(text.lines()).filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(crate::root());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_outside_code() {
        let page = "a [b](c.md#d) `[no](x)` ![e](f.svg \"g\")\n```\n[no](y)\n```\n[h](#i)\n";
        let found = links(page);
        let targets: Vec<(usize, &str)> =
            found.iter().map(|(line, target)| (*line, target.as_str())).collect();
        assert_eq!(targets, [(1, "c.md#d"), (1, "f.svg"), (5, "#i")]);
    }

    #[test]
    fn paths_are_found_between_backticks() {
        let page = "a `core/src/lib.rs:7` core/x `cli/a b` `docs/` `x/core/y`\n```\n`core/no`\n```\n`tests/t.rs::name` `core/*.rs`\n";
        let found = paths(page);
        let found: Vec<(usize, &str)> = found.iter().map(|(line, path)| (*line, path.as_str())).collect();
        assert_eq!(found, [(1, "core/src/lib.rs"), (5, "tests/t.rs")]);
    }

    #[test]
    fn the_links_of_our_own_pages_lead_somewhere() {
        links_step().unwrap();
    }

    #[test]
    fn headings_have_the_anchors_of_forges() {
        let page = "# The way of a request\n## `issuers[].keys`\n```\n# no\n```\n### What's new: 1.0\n";
        assert_eq!(
            headings(page).collect::<Vec<_>>(),
            ["the-way-of-a-request", "issuerskeys", "whats-new-10"]
        );
    }
}
