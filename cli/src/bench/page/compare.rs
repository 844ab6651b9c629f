//! Two beside each other: a run and its baseline, wasmtime and V8.

use maud::{Markup, html};

use super::super::baseline::{Comparison, Row};
use super::super::stats::Verdict;
use super::super::units::{as_float, time};
use super::super::v8::CrossCheck;
use super::plot::{Area, Scale, cut, legend, n, picture, span, time_ticks, vertical_grid};

const WIDTH: f64 = 1060.0;
const ROW: f64 = 22.0;
/// Figures that are drawn; the worst and the best come first.
const ROWS: usize = 40;

/// By what factor each figure differs, with its interval, and the band that is tolerated.
pub(super) fn forest(comparison: &Comparison) -> Markup {
    let mut rows: Vec<&Row> = comparison.rows.iter().collect();
    rows.sort_by(|a, b| b.factor.estimate.ln().abs().total_cmp(&a.factor.estimate.ln().abs()));
    let all = rows.len();
    rows.truncate(ROWS);
    let height = ROW * as_float(rows.len() as u64);
    let area = Area { left: 300.0, top: 6.0, right: WIDTH - 180.0, bottom: 6.0 + height };
    let tolerated = 1.0 + comparison.tolerated;
    let ends = rows.iter().flat_map(|row| [row.factor.interval.0, row.factor.interval.1]);
    let (least, most) = ends
        .fold((1.0 / tolerated, tolerated), |(least, most), end| (f64::min(least, end), f64::max(most, end)));
    // Whatever lies beyond ten times is drawn at the edge.
    let x = Scale::log(((least / 1.05).max(0.1), (most * 1.05).min(10.0)), (area.left, area.right));
    let marks = [0.1, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 4.0, 10.0];
    let ticks: Vec<(f64, String)> = marks
        .into_iter()
        .filter(|tick| (least / 1.05..=most * 1.05).contains(tick))
        .map(|tick| (tick, format!("{tick}×")))
        .collect();
    html! {
        (picture(WIDTH, area.bottom + 24.0, "beside the baseline", html! {
            @let (from, to) = (x.at(1.0 / tolerated), x.at(tolerated));
            rect.band x=(n(from)) width=(n(to - from)) y=(n(area.top)) height=(n(height)) {}
            (vertical_grid(area, &x, &ticks))
            line.mark x1=(n(x.at(1.0))) x2=(n(x.at(1.0))) y1=(n(area.top)) y2=(n(area.bottom)) {}
            @for (index, row) in rows.iter().enumerate() {
                @let middle = area.top + ROW * (as_float(index as u64) + 0.5);
                @let (class, verdict) = (verdict_class(row.verdict), row.verdict.as_str());
                text.name x=(n(area.left - 12.0)) y=(n(middle + 4.0)) text-anchor="end" { title { (row.what) } (cut(&row.what, 42)) }
                line class=(format!("interval {class}")) x1=(n(x.at(row.factor.interval.0))) x2=(n(x.at(row.factor.interval.1)))
                    y1=(n(middle)) y2=(n(middle)) {}
                circle class=(format!("point {class}")) r="4" cx=(n(x.at(row.factor.estimate))) cy=(n(middle)) {
                    title { (format!("{:.3} times, between {:.3} and {:.3}", row.factor.estimate, row.factor.interval.0, row.factor.interval.1)) }
                }
                text class=(format!("value {class}")) x=(n(area.right + 12.0)) y=(n(middle + 4.0)) {
                    (time(row.before)) " → " (time(row.now)) "  " (verdict)
                }
            }
        }))
        @if all > ROWS { p.note { "The " (ROWS) " of " (all) " figures that differ most." } }
    }
}

/// The class of a verdict's colour.
pub(super) fn verdict_class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Better => "good",
        Verdict::Same => "same",
        Verdict::Worse => "bad",
    }
}

/// Medians of requests on both engines.
pub(super) fn engines(check: &CrossCheck) -> Markup {
    let median = |times: &hdrhistogram::Histogram<u64>| times.value_at_percentile(50.0);
    let height = ROW * as_float(check.lines.len() as u64);
    let area = Area { left: 190.0, top: 6.0, right: WIDTH - 150.0, bottom: 6.0 + height };
    let ends = check.lines.iter().flat_map(|line| [median(&line.wasmtime), median(&line.v8)]);
    let (least, most) = span(ends);
    let x = Scale::log((least * 0.8, most * 1.2), (area.left, area.right));
    html! {
        (legend(["wasmtime", "V8"]))
        (picture(WIDTH, area.bottom + 24.0, "medians on wasmtime and on V8", html! {
            (vertical_grid(area, &x, &time_ticks(&x)))
            @for (index, line) in check.lines.iter().enumerate() {
                @let middle = area.top + ROW * (as_float(index as u64) + 0.5);
                @let (ours, theirs) = (median(&line.wasmtime), median(&line.v8));
                text.name x=(n(area.left - 12.0)) y=(n(middle + 4.0)) text-anchor="end" { title { (line.case) } (cut(&line.case, 26)) }
                line.interval x1=(n(x.at(as_float(ours)))) x2=(n(x.at(as_float(theirs)))) y1=(n(middle)) y2=(n(middle)) {}
                circle.dot.c0 r="5" cx=(n(x.at(as_float(ours)))) cy=(n(middle)) { title { "wasmtime " (time(ours)) } }
                circle.dot.c1 r="5" cx=(n(x.at(as_float(theirs)))) cy=(n(middle)) { title { "V8 " (time(theirs)) } }
                text.value x=(n(area.right + 12.0)) y=(n(middle + 4.0)) { (format!("{:.2} times", line.ratio())) }
            }
        }))
    }
}
