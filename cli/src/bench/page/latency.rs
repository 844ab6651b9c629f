//! Latencies: by percentile, as a histogram, and by the rate of an open loop.

use hdrhistogram::Histogram;
use maud::{Markup, html};

use super::super::open_loop::OpenLoop;
use super::super::units::{PERCENTILES, as_float, grouped, time};
use super::plot::{
    Area, Scale, colour, horizontal_grid, legend, n, picture, round_time, span, time_ticks, vertical_grid,
};

/// A series with its name.
pub(super) type Named<'h> = (String, &'h Histogram<u64>);

const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 300.0;
const AREA: Area = Area { left: 62.0, top: 12.0, right: 508.0, bottom: 258.0 };
/// Bars of a histogram.
const BARS: usize = 72;
/// Points of a curve, for each power of ten.
const POINTS: f64 = 24.0;

/// Time by percentile, the rare ones as wide as the common ones.
pub(super) fn percentiles(series: &[Named<'_>]) -> Markup {
    let most = series.iter().map(|(_, times)| times.len()).max().unwrap_or(1);
    let nines = as_float(most.max(10)).log10().ceil().clamp(1.0, 6.0);
    let x = Scale::linear((0.0, nines), (AREA.left, AREA.right));
    let (least, most) = span(series.iter().flat_map(|(_, times)| [times.min(), times.max()]));
    let y = Scale::log((least * 0.9, most * 1.1), (AREA.bottom, AREA.top));
    let ticks: Vec<(f64, String)> = [
        (0.0, "0%"),
        (0.301, "50%"),
        (1.0, "90%"),
        (2.0, "99%"),
        (3.0, "99.9%"),
        (4.0, "99.99%"),
        (5.0, "99.999%"),
    ]
    .into_iter()
    .filter(|(tick, _)| *tick <= nines)
    .map(|(tick, name)| (tick, name.to_owned()))
    .collect();
    html! {
        (legend(series.iter().map(|(name, _)| name.as_str())))
        (picture(WIDTH, HEIGHT, "time by percentile", html! {
            (horizontal_grid(AREA, &y, round_time))
            (vertical_grid(AREA, &x, &ticks))
            @for (index, (name, times)) in series.iter().enumerate() {
                path class=(format!("line {}", colour(index))) d=(curve(times, nines, &x, &y)) { title { (name) } }
                @for (label, percentile) in PERCENTILES {
                    @let value = times.value_at_percentile(percentile);
                    @let at = nines_of(percentile / 100.0);
                    @if at <= reach(times, nines) {
                        circle class=(format!("dot {}", colour(index))) r="3" cx=(n(x.at(at))) cy=(n(y.at(as_float(value)))) {
                            title { (name) ": " (label) " " (time(value)) }
                        }
                    }
                }
            }
            text.axis x=(n(f64::midpoint(AREA.left, AREA.right))) y=(n(AREA.bottom + 36.0)) text-anchor="middle" { "percentile" }
        }))
    }
}

/// How many nines a share has: 0.999 has three.
fn nines_of(share: f64) -> f64 {
    -(1.0 - share).max(1e-9).log10()
}

/// How far a curve goes: up to the percentile that one of all values stands for.
fn reach(times: &Histogram<u64>, nines: f64) -> f64 {
    as_float(times.len().max(1)).log10().min(nines)
}

fn curve(times: &Histogram<u64>, nines: f64, x: &Scale, y: &Scale) -> String {
    let end = reach(times, nines);
    let mut path = String::new();
    let mut at = 0.0;
    loop {
        let here = f64::min(at, end);
        let value = times.value_at_quantile(1.0 - 10_f64.powf(-here));
        let command = if path.is_empty() { 'M' } else { 'L' };
        path.push_str(&format!("{command}{} {}", n(x.at(here)), n(y.at(as_float(value)))));
        if at >= end {
            return path;
        }
        at += 1.0 / POINTS;
    }
}

/// How often each time was met, of the first series; the others as outlines.
pub(super) fn histogram(series: &[Named<'_>]) -> Markup {
    let ends = series.iter().flat_map(|(_, times)| [times.min(), times.value_at_percentile(99.9)]);
    let (least, most) = span(ends);
    let x = Scale::log((least * 0.95, most * 1.05), (AREA.left, AREA.right));
    let bars: Vec<Vec<f64>> = series.iter().map(|(_, times)| shares(times, &x)).collect();
    let highest = bars.iter().flatten().copied().fold(0.0, f64::max);
    let y = Scale::linear((0.0, highest.max(0.001)), (AREA.bottom, AREA.top));
    #[expect(clippy::cast_precision_loss, reason = "a few dozen bars")]
    let place = |bar: usize| AREA.left + (AREA.right - AREA.left) * bar as f64 / BARS as f64;
    let outline = |shares: &[f64]| {
        let mut path = format!("M{} {}", n(AREA.left), n(AREA.bottom));
        for (bar, share) in shares.iter().enumerate() {
            path.push_str(&format!("V{}H{}", n(y.at(*share)), n(place(bar + 1))));
        }
        path + &format!("V{}", n(AREA.bottom))
    };
    html! {
        (legend(series.iter().map(|(name, _)| name.as_str())))
        (picture(WIDTH, HEIGHT, "how often each time was met", html! {
            (horizontal_grid(AREA, &y, |share| format!("{:.0}%", share * 100.0)))
            (vertical_grid(AREA, &x, &time_ticks(&x)))
            @for (index, shares) in bars.iter().enumerate() {
                path class=(format!("{} {}", if index == 0 { "filled" } else { "outline" }, colour(index)))
                    d=(outline(shares)) { title { (series[index].0) } }
            }
            @if let Some((name, times)) = series.first() {
                @let median = times.value_at_percentile(50.0);
                @let at = n(x.at(as_float(median)));
                line.mark x1=(at) x2=(at) y1=(n(AREA.top)) y2=(n(AREA.bottom)) { title { (name) ": median " (time(median)) } }
            }
            text.axis x=(n(f64::midpoint(AREA.left, AREA.right))) y=(n(AREA.bottom + 36.0)) text-anchor="middle" {
                "time of a request, up to the 99.9th percentile; the line is the median"
            }
        }))
    }
}

/// The share of values in each bar; what lies beyond the axis is in none.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a place among a few dozen bars"
)]
fn shares(times: &Histogram<u64>, x: &Scale) -> Vec<f64> {
    let mut counts = vec![0_u64; BARS];
    let last = times.value_at_percentile(99.9);
    for value in times.iter_recorded() {
        let time = value.value_iterated_to();
        let share = (x.at(as_float(time)) - AREA.left) / (AREA.right - AREA.left);
        let bar = ((share * BARS as f64) as usize).min(BARS - 1);
        if time <= last
            && let Some(count) = counts.get_mut(bar)
        {
            *count += value.count_since_last_iteration();
        }
    }
    let all = as_float(times.len().max(1));
    counts.into_iter().map(|count| as_float(count) / all).collect()
}

/// Latency under load: percentiles by the rate of the open loop.
pub(super) fn by_rate(runs: &[OpenLoop]) -> Markup {
    let (least, most) = span(
        runs.iter()
            .flat_map(|run| [run.latency.value_at_percentile(50.0), run.latency.value_at_percentile(99.99)]),
    );
    let y = Scale::log((least * 0.8, most * 1.2), (AREA.bottom, AREA.top));
    let rates = (
        runs.iter().map(|run| run.rate).fold(f64::INFINITY, f64::min),
        runs.iter().map(|run| run.rate).fold(0.0, f64::max),
    );
    let x = Scale::log((rates.0 * 0.9, rates.1 * 1.1), (AREA.left, AREA.right));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "requests a second")]
    let ticks: Vec<(f64, String)> =
        runs.iter().map(|run| (run.rate, grouped(run.rate.round() as u64))).collect();
    html! {
        (legend(PERCENTILES.iter().map(|(name, _)| *name)))
        (picture(WIDTH, HEIGHT, "latency by rate", html! {
            (horizontal_grid(AREA, &y, round_time))
            (vertical_grid(AREA, &x, &ticks))
            @for (index, (name, percentile)) in PERCENTILES.iter().enumerate() {
                @let points: Vec<(f64, u64)> = runs.iter().map(|run| (run.rate, run.latency.value_at_percentile(*percentile))).collect();
                polyline class=(format!("line {}", colour(index)))
                    points=(points.iter().map(|(rate, time)| format!("{},{}", n(x.at(*rate)), n(y.at(as_float(*time))))).collect::<Vec<_>>().join(" ")) {}
                @for (rate, value) in &points {
                    circle class=(format!("dot {}", colour(index))) r="3.5" cx=(n(x.at(*rate))) cy=(n(y.at(as_float(*value)))) {
                        title { (name) " at " (n(*rate)) " a second: " (time(*value)) }
                    }
                }
            }
            text.axis x=(n(f64::midpoint(AREA.left, AREA.right))) y=(n(AREA.bottom + 36.0)) text-anchor="middle" {
                "requests due in a second"
            }
        }))
    }
}
