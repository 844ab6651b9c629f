//! The figures as a picture: one panel for each kind of set, both axes logarithmic.

use std::fmt::Write;

use crate::engines::Engine;
use crate::report::Row;

const PANEL: (f64, f64) = (250.0, 240.0);
const LEFT: f64 = 60.0;
const TOP: f64 = 70.0;
const GAP: f64 = 24.0;
/// Powers of ten: policies, and nanoseconds.
const POLICIES: (f64, f64) = (0.0, 4.0);
const NANOSECONDS: (f64, f64) = (2.0, 8.0);

fn colour(engine: Engine) -> &'static str {
    match engine {
        Engine::Native => "#0b6e4f",
        Engine::Wasmtime => "#2a9d8f",
        Engine::V8 => "#8ab17d",
        Engine::V8Whole => "#b5c99a",
        Engine::Cedar => "#c1121f",
        Engine::CedarWasm => "#f4a261",
        Engine::Cedarling => "#7b2cbf",
    }
}

/// A self-contained SVG.
pub(crate) fn svg(rows: &[Row]) -> String {
    let mut families: Vec<&str> =
        rows.iter().filter(|row| row.grown).map(|row| row.family.as_str()).collect();
    families.dedup();
    #[expect(clippy::cast_precision_loss, reason = "a handful of panels")]
    let width = LEFT + families.len() as f64 * (PANEL.0 + GAP);
    let height = TOP + PANEL.1 + 60.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"22\" font-size=\"16\">Time of a decision, by number of policies</text>\n"
    );
    legend(&mut svg);
    let mut x = LEFT;
    for (at, family) in families.iter().enumerate() {
        panel(&mut svg, x, family, at == 0);
        for engine in Engine::ALL {
            line(&mut svg, x, rows.iter().filter(|row| row.grown && row.family == **family), engine);
        }
        x += PANEL.0 + GAP;
    }
    svg.push_str("</svg>\n");
    svg
}

fn legend(svg: &mut String) {
    let mut x = LEFT;
    for engine in Engine::ALL {
        let theirs = matches!(engine, Engine::Cedar | Engine::CedarWasm | Engine::Cedarling);
        let ours = if theirs { "" } else { "Countersign " };
        let name = format!("{ours}{}", engine.name());
        let _ = writeln!(
            svg,
            "<line x1=\"{x}\" y1=\"40\" x2=\"{}\" y2=\"40\" stroke=\"{}\" stroke-width=\"3\"/><text x=\"{}\" y=\"44\">{name}</text>",
            x + 22.0,
            colour(engine),
            x + 28.0
        );
        #[expect(clippy::cast_precision_loss, reason = "a short name")]
        let letters = name.len() as f64;
        x += 50.0 + 7.0 * letters;
    }
}

fn panel(svg: &mut String, x: f64, family: &str, first: bool) {
    let _ = writeln!(
        svg,
        "<rect x=\"{x}\" y=\"{TOP}\" width=\"{}\" height=\"{}\" fill=\"none\" stroke=\"#888\"/>\
         <text x=\"{}\" y=\"{}\" font-size=\"13\">{family}</text>",
        PANEL.0,
        PANEL.1,
        x + 6.0,
        TOP - 6.0
    );
    for (power, name) in (2..=8).zip(["100 ns", "1 us", "10 us", "100 us", "1 ms", "10 ms", "100 ms"]) {
        let y = vertical(f64::from(power));
        let _ =
            writeln!(svg, "<line x1=\"{x}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\" stroke=\"#ddd\"/>", x + PANEL.0);
        if first {
            let _ =
                writeln!(svg, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{name}</text>", x - 6.0, y + 4.0);
        }
    }
    for (power, name) in (0..=4).zip(["1", "10", "100", "1,000", "10,000"]) {
        let at = horizontal(x, f64::from(power));
        let _ = writeln!(
            svg,
            "<text x=\"{at}\" y=\"{}\" text-anchor=\"middle\">{name}</text>",
            TOP + PANEL.1 + 18.0
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">policies</text>",
        x + PANEL.0 / 2.0,
        TOP + PANEL.1 + 38.0
    );
}

fn line<'r>(svg: &mut String, x: f64, rows: impl Iterator<Item = &'r Row>, engine: Engine) {
    #[expect(clippy::cast_precision_loss, reason = "at most 10,000")]
    let points: Vec<(f64, f64)> = rows
        .filter(|row| !row.median(engine).is_nan())
        .map(|row| (horizontal(x, (row.size as f64).log10()), vertical(row.median(engine).log10())))
        .collect();
    let written: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let colour = colour(engine);
    let _ = writeln!(
        svg,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
        written.join(" ")
    );
    for (x, y) in points {
        let _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
    }
}

fn horizontal(x: f64, power: f64) -> f64 {
    x + 10.0 + (power - POLICIES.0) / (POLICIES.1 - POLICIES.0) * (PANEL.0 - 20.0)
}

fn vertical(power: f64) -> f64 {
    let share = (power - NANOSECONDS.0) / (NANOSECONDS.1 - NANOSECONDS.0);
    TOP + PANEL.1 * (1.0 - share.clamp(0.0, 1.0))
}
