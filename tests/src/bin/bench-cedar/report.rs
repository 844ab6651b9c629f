//! The figures, what is asked of them, and whether it is met.

use std::fs;

use anyhow::Result;
use serde_json::{Value, json};

use crate::engines::{Engine, Facts};
use crate::plot;

/// What was measured of a set.
pub(crate) struct Row {
    pub(crate) family: String,
    pub(crate) size: usize,
    pub(crate) grown: bool,
    /// Nanoseconds a decision, by engine.
    pub(crate) medians: Vec<f64>,
    pub(crate) facts: Facts,
}

impl Row {
    pub(crate) fn median(&self, engine: Engine) -> f64 {
        let at = Engine::ALL.iter().position(|one| *one == engine);
        at.and_then(|at| self.medians.get(at)).copied().unwrap_or(f64::NAN)
    }

    fn ratio(&self, slow: Engine, fast: Engine) -> f64 {
        self.median(slow) / self.median(fast)
    }
}

/// One demand, held against its worst figure.
struct Verdict {
    what: String,
    asked: String,
    found: String,
    met: bool,
}

/// The middle one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Prints the tables and writes `target/bench/cedar.{json,svg}`.
pub(crate) fn write(rows: &[Row], versions: &Value, quick: bool) -> Result<()> {
    println!(
        "\ntime of a decision (medians of interleaved bursts; ratios to our native figure, and cedar-wasm's to ours in V8)\n"
    );
    print!("{:<20}{:>9}", "set", "policies");
    Engine::ALL.iter().for_each(|engine| print!("{:>15}", engine.name()));
    println!("{:>12}{:>11}{:>9}{:>12}", "cedar-p. x", "wasmtime x", "V8 x", "c.-wasm x");
    for row in rows {
        print!("{:<20}{:>9}", row.family, row.size);
        row.medians.iter().for_each(|median| print!("{:>15}", time(*median)));
        println!(
            "{:>12.1}{:>11.2}{:>9.2}{:>12.1}",
            row.ratio(Engine::Cedar, Engine::Native),
            row.ratio(Engine::Wasmtime, Engine::Native),
            row.ratio(Engine::V8, Engine::Native),
            row.ratio(Engine::CedarWasm, Engine::V8),
        );
    }
    println!(
        "\n{:<20}{:>9}{:>13}{:>14}{:>14}{:>13}{:>15}{:>13}{:>13}",
        "set",
        "policies",
        "compile",
        "image bytes",
        "bytes/policy",
        "load native",
        "load wasmtime",
        "load V8",
        "allocations"
    );
    for row in rows {
        let facts = &row.facts;
        println!(
            "{:<20}{:>9}{:>13}{:>14}{:>14.0}{:>13}{:>15}{:>13}{:>13}",
            row.family,
            row.size,
            time(facts.compile.as_secs_f64() * 1e9),
            facts.image_bytes,
            per_policy(row),
            time(facts.load_native.as_secs_f64() * 1e9),
            time(facts.load_wasmtime.as_secs_f64() * 1e9),
            time(facts.load_v8.as_secs_f64() * 1e9),
            facts.allocations
        );
    }
    let verdicts = verdicts(rows);
    println!("\nwhat is asked, held against the worst figure\n");
    for verdict in &verdicts {
        let mark = if verdict.met { "met    " } else { "NOT MET" };
        println!("{mark}  {:<62}{:<20}{}", verdict.what, verdict.asked, verdict.found);
    }
    println!("\nnotes");
    println!(
        "  cedar-policy: requests, policies and entities prepared; only `is_authorized` is timed, as `evaluate` is of ours"
    );
    println!(
        "  cedar-wasm {}: policies prepared (`statefulIsAuthorized`); request and entities come as objects, as its interface has it",
        versions["cedar"].as_str().unwrap_or("?")
    );
    println!(
        "  V8: Node {}, prepared requests in a loop inside the module, as in wasmtime; a whole call copies, decodes and answers",
        versions["node"].as_str().unwrap_or("?")
    );
    println!(
        "  cedarling {}: its WebAssembly build under Node, unsigned requests, no log; only sets whose entities lie in no other",
        versions["cedarling"].as_str().unwrap_or("?")
    );
    if quick {
        println!("  a quick run: few and short bursts");
    }
    let folder = countersign_tests::root().join("target/bench");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("cedar.json"), serde_json::to_string_pretty(&data(rows, &verdicts, versions))?)?;
    fs::write(folder.join("cedar.svg"), plot::svg(rows))?;
    println!("\nwritten to target/bench/cedar.json and target/bench/cedar.svg");
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "bytes and counts")]
fn per_policy(row: &Row) -> f64 {
    row.facts.image_bytes as f64 / row.size as f64
}

fn verdicts(rows: &[Row]) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    let grown = |size: usize| rows.iter().filter(move |row| row.grown && row.size == size);
    let mut hold = |what: &str, at_least: bool, limit: f64, unit: &str, figures: Vec<(String, f64)>| {
        let order = |a: &&(String, f64), b: &&(String, f64)| a.1.total_cmp(&b.1);
        let worst = if at_least { figures.iter().min_by(order) } else { figures.iter().max_by(order) };
        let Some((set, worst)) = worst else { return };
        let (sign, met) = if at_least { (">=", *worst >= limit) } else { ("<=", *worst <= limit) };
        verdicts.push(Verdict {
            what: what.to_owned(),
            asked: format!("{sign} {limit} {unit}"),
            found: format!("{worst:.2} {unit} ({set})"),
            met,
        });
    };
    let named = |row: &Row, figure: f64| (format!("{} of {}", row.family, row.size), figure);
    for (size, times) in [(10, 15.0), (1_000, 500.0), (10_000, 5_000.0)] {
        let figures = grown(size).map(|row| named(row, row.ratio(Engine::Cedar, Engine::Native))).collect();
        hold(&format!("native against cedar-policy at {size} policies"), true, times, "times", figures);
    }
    let growth = grown(10_000).filter_map(|large| {
        let small = grown(10).find(|small| small.family == large.family)?;
        Some(named(large, large.median(Engine::Native) / small.median(Engine::Native)))
    });
    hold("native at 10,000 policies against 10", false, 2.0, "times", growth.collect());
    for engine in [Engine::Wasmtime, Engine::V8] {
        let figures = rows.iter().map(|row| named(row, row.ratio(engine, Engine::Native))).collect();
        hold(&format!("{} against native", engine.name()), false, 2.5, "times", figures);
    }
    for engine in [Engine::Wasmtime, Engine::V8, Engine::V8Whole] {
        let figures = grown(10).map(|row| named(row, row.ratio(Engine::CedarWasm, engine))).collect();
        hold(&format!("{} against cedar-wasm at 10 policies", engine.name()), true, 15.0, "times", figures);
    }
    #[expect(clippy::cast_precision_loss, reason = "a small count")]
    let figures = rows.iter().map(|row| named(row, row.facts.allocations as f64)).collect();
    hold("allocations on an allow", false, 0.0, "", figures);
    let compile = grown(10_000).map(|row| named(row, row.facts.compile.as_secs_f64())).collect();
    hold("compiling 10,000 policies", false, 10.0, "s", compile);
    let load = grown(10_000)
        .map(|row| named(row, row.facts.load_wasmtime.max(row.facts.load_v8).as_secs_f64() * 1e3));
    hold("loading that image in wasm", false, 20.0, "ms", load.collect());
    hold(
        "the image at 10,000 policies",
        false,
        200.0,
        "bytes/policy",
        grown(10_000).map(|row| named(row, per_policy(row))).collect(),
    );
    verdicts
}

fn data(rows: &[Row], verdicts: &[Verdict], versions: &Value) -> Value {
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| {
            let times =
                Engine::ALL.iter().map(|engine| (engine.name().to_owned(), json!(row.median(*engine))));
            json!({
                "set": row.family, "policies": row.size,
                "nanoseconds": times.collect::<serde_json::Map<_, _>>(),
                "compile_seconds": row.facts.compile.as_secs_f64(),
                "image_bytes": row.facts.image_bytes,
                "load_seconds": {
                    "native": row.facts.load_native.as_secs_f64(),
                    "wasmtime": row.facts.load_wasmtime.as_secs_f64(),
                    "V8": row.facts.load_v8.as_secs_f64(),
                },
                "allocations_on_an_allow": row.facts.allocations,
            })
        })
        .collect();
    let verdicts: Vec<Value> = verdicts
        .iter()
        .map(|verdict| json!({ "what": verdict.what, "asked": verdict.asked, "found": verdict.found, "met": verdict.met }))
        .collect();
    json!({ "versions": versions, "sets": rows, "asked": verdicts })
}

/// Nanoseconds in a unit that reads well.
fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        ns if ns.is_nan() => "-".to_owned(),
        ns if ns < 1e3 => format!("{ns:.0} ns"),
        ns if ns < 1e6 => format!("{:.2} us", ns / 1e3),
        ns if ns < 1e9 => format!("{:.2} ms", ns / 1e6),
        ns => format!("{:.2} s", ns / 1e9),
    }
}
