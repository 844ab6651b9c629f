//! Scenarios at another time than their own.
//!
//! Those of `policies/step-up-admin`, which decides by the day and the hour, move to the present with all that they know of. The
//! person's offset makes it noon there, and every date that the pack knows moves by as many days as lie between the day of the
//! scenarios and the one there, so that what was a working day is one, and a freeze is as far away as it was.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use countersign_core::policy::Datetime;
use serde_json::Value;

/// The day of the scenarios.
const DAY: &str = "2026-03-02";
const MINUTES_OF_DAY: i64 = 24 * 60;

/// Writes the scenarios, their configuration and their pack into an empty folder, and gives the file.
pub fn step_up_admin(folder: &Path) -> Result<PathBuf> {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?;
    let minutes = now.div_euclid(60);
    // Between -719 and 720: each is an offset that there is.
    let offset = MINUTES_OF_DAY / 2 - minutes.rem_euclid(MINUTES_OF_DAY);
    let days = (minutes + offset).div_euclid(MINUTES_OF_DAY) - Datetime::days_of(DAY).context("a date")?;
    let (from, pack) = (crate::root().join("policies/step-up-admin"), folder.join("pack"));
    fs::create_dir_all(&pack)?;
    for file in fs::read_dir(from)? {
        let file = file?.path();
        let Some(name) = file.file_name().filter(|_| file.is_file()) else { continue };
        if name == "entities.json" {
            let mut entities = serde_json::from_slice(&fs::read(&file)?)?;
            shift(&mut entities, days);
            fs::write(pack.join(name), entities.to_string())?;
        } else if file.extension().is_some_and(|end| end == "cedar" || end == "cedarschema") {
            fs::copy(&file, pack.join(name))?;
        }
    }
    let scenarios = crate::root().join("tests/scenarios");
    let configuration = fs::read_to_string(scenarios.join("step-up-admin/countersign.yaml"))?;
    let configuration = replaced(&configuration, "../../../policies/step-up-admin", "pack")?;
    fs::write(folder.join("countersign.yaml"), configuration)?;
    let mut text = fs::read_to_string(scenarios.join("step-up-admin.yaml"))?;
    let at = |seconds: i64| Datetime(seconds * 1_000).to_string();
    for (old, new) in [
        ("step-up-admin/countersign.yaml", "countersign.yaml".to_owned()),
        ("time: 2026-03-02T10:00:00Z", format!("time: \"{}\"", at(now))),
        ("utc_offset: 1h", format!("utc_offset: {offset}m")),
        ("2026-03-02T12:00:00Z", at(now + 2 * 3_600)),
    ] {
        text = replaced(&text, old, &new)?;
    }
    let file = folder.join("step-up-admin.yaml");
    fs::write(&file, text)?;
    Ok(file)
}

/// Writes the scenario files of `tests/scenarios` into an empty folder, beside all that they name, as they are at another time.
pub fn to(time: &str, folder: &Path) -> Result<Vec<PathBuf>> {
    let scenarios = folder.join("tests/scenarios");
    fs::create_dir_all(&scenarios)?;
    for name in ["examples", "policies"] {
        symlink(crate::root().join(name), folder.join(name))?;
    }
    let mut files = Vec::new();
    for from in fs::read_dir(crate::root().join("tests/scenarios"))? {
        let from = from?.path();
        let file = scenarios.join(from.file_name().unwrap_or_default());
        if from.extension().is_none_or(|end| end != "yaml") {
            symlink(&from, file)?;
            continue;
        }
        let text = fs::read_to_string(&from)?;
        let others = text.lines().filter(|line| !line.starts_with("time:")).map(|line| format!("{line}\n"));
        fs::write(&file, format!("time: {time}\n{}", others.collect::<String>()))?;
        files.push(file);
    }
    Ok(files)
}

fn replaced(text: &str, old: &str, new: &str) -> Result<String> {
    ensure!(text.matches(old).count() == 1, "expected `{old}` once");
    Ok(text.replace(old, new))
}

/// Moves every date by so many days.
fn shift(value: &mut Value, days: i64) {
    match value {
        Value::String(text) => {
            let date = text.split_at_checked(DAY.len());
            if let Some((date, rest)) = date.and_then(|(date, rest)| Some((Datetime::days_of(date)?, rest))) {
                let moved = Datetime((date + days) * MINUTES_OF_DAY * 60_000).to_string();
                *text = moved.split('T').next().unwrap_or_default().to_owned() + rest;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| shift(item, days)),
        Value::Object(members) => members.values_mut().for_each(|member| shift(member, days)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
