//! Bars: the four costs, the parts of a request, host calls.

use maud::{Markup, html};

use super::super::costs::{Cost, CostTimes, FILTER, NOTHING};
use super::super::counts::Counts;
use super::super::measure::Series;
use super::super::report::{MOST_OVERHEAD, Split};
use super::super::table::{few, short};
use super::super::units::{as_float, time};
use super::plot::{Area, Scale, cut, legend, n, picture, round_time, span, time_ticks, vertical_grid};

const WIDTH: f64 = 1060.0;
const ROW: f64 = 24.0;

/// The four costs beside those of a filter that does nothing: from the median to the 99th percentile.
pub(super) fn costs(costs: &[CostTimes]) -> Markup {
    let filters: Vec<&str> = costs.iter().fold(Vec::new(), |mut names, line| {
        if !names.contains(&line.filter) {
            names.push(line.filter);
        }
        names
    });
    let rows = as_float(filters.len() as u64);
    let group = rows * 16.0 + 18.0;
    let area = Area { left: 190.0, top: 8.0, right: WIDTH - 90.0, bottom: 8.0 + group * 4.0 };
    let (least, most) = span(
        costs
            .iter()
            .flat_map(|line| [line.times.value_at_percentile(50.0), line.times.value_at_percentile(99.0)]),
    );
    let x = Scale::log((least / 3.0, most * 1.2), (area.left, area.right));
    let mut y = area.top;
    let mut place = || {
        let here = y;
        y += group;
        here
    };
    html! {
        (legend(filters.iter().copied()))
        (picture(WIDTH, area.bottom + 24.0, "the four costs", html! {
            (vertical_grid(area, &x, &time_ticks(&x)))
            @for cost in Cost::ALL {
                @let top = place();
                text.name x=(n(area.left - 12.0)) y=(n(top + group / 2.0 + 1.0)) text-anchor="end" { (cost.as_str()) }
                @for (index, filter) in filters.iter().enumerate() {
                    @if let Some(line) = costs.iter().find(|line| line.cost == cost && line.filter == *filter) {
                        @let middle = top + 9.0 + 16.0 * as_float(index as u64) + 8.0;
                        @let (median, rare) = (line.times.value_at_percentile(50.0), line.times.value_at_percentile(99.0));
                        @let (from, to) = (x.at(as_float(median)), x.at(as_float(rare)));
                        rect class=(format!("bar c{index}")) x=(n(area.left)) y=(n(middle - 6.0)) height="12" rx="2"
                            width=(n((from - area.left).max(1.0))) {
                            title { (filter) ", " (cost.as_str()) ": median " (time(median)) ", p99 " (time(rare)) }
                        }
                        line.whisker x1=(n(from)) x2=(n(to)) y1=(n(middle)) y2=(n(middle)) {}
                        line.whisker x1=(n(to)) x2=(n(to)) y1=(n(middle - 4.0)) y2=(n(middle + 4.0)) {}
                        text.value x=(n(to + 6.0)) y=(n(middle + 4.0)) { (time(median)) }
                    }
                }
            }
        }))
    }
}

/// What the host's own share of each cost is, in a sentence; nothing where costs were not measured.
pub(super) fn floor(costs: &[CostTimes]) -> Option<String> {
    let median = |filter: &str| {
        let line = costs.iter().find(|line| line.filter == filter && line.cost == Cost::Request)?;
        Some(line.times.value_at_percentile(50.0))
    };
    let (filter, nothing) = (median(FILTER)?, median(NOTHING)?);
    Some(format!(
        "A request takes {}, and {} through a filter that does nothing, which is the simulator's own cost.",
        time(filter),
        time(nothing)
    ))
}

/// Where a warm request's time goes.
pub(super) fn split(lines: &[&Series]) -> Markup {
    let splits: Vec<(&str, Split)> =
        lines.iter().filter_map(|line| Split::of(line).map(|split| (line.case.as_str(), split))).collect();
    let whole = |split: &Split| as_float(split.guest + split.host_calls + split.simulator);
    let most = splits.iter().map(|(_, split)| whole(split)).fold(1.0, f64::max);
    let height = ROW * as_float(splits.len() as u64);
    let area = Area { left: 190.0, top: 4.0, right: WIDTH - 150.0, bottom: 4.0 + height };
    let x = Scale::linear((0.0, most), (area.left, area.right));
    let ticks: Vec<(f64, String)> = x.ticks().into_iter().map(|tick| (tick, round_time(tick))).collect();
    html! {
        (legend(["guest", "host calls", "simulator"]))
        (picture(WIDTH, area.bottom + 24.0, "where a warm request's time goes", html! {
            (vertical_grid(area, &x, &ticks))
            @for (row, (name, split)) in splits.iter().enumerate() {
                @let top = area.top + ROW * as_float(row as u64);
                text.name x=(n(area.left - 12.0)) y=(n(top + 16.0)) text-anchor="end" { title { (name) } (cut(name, 26)) }
                @let parts = [("guest", 0, split.guest), ("host calls", split.guest, split.host_calls),
                    ("simulator", split.guest + split.host_calls, split.simulator)];
                @for (index, (part, from, length)) in parts.into_iter().enumerate() {
                    @let (start, end) = (x.at(as_float(from)), x.at(as_float(from + length)));
                    rect class=(format!("bar c{index}")) x=(n(start)) y=(n(top + 4.0)) height="16" width=(n((end - start).max(0.5))) {
                        title { (name) ": " (part) " " (time(length)) }
                    }
                }
                text class=(if split.overhead > MOST_OVERHEAD { "value bad" } else { "value" })
                    x=(n(x.at(whole(split)) + 8.0)) y=(n(top + 16.0)) {
                    (format!("{:.2} times the guest's own", split.overhead))
                }
            }
        }))
    }
}

/// Host calls of a request by name.
pub(super) fn calls(counts: &Counts) -> Markup {
    let mut calls: Vec<(&str, f64)> =
        counts.calls.iter().map(|(name, count)| (short(name), *count)).collect();
    calls.sort_by(|a, b| b.1.total_cmp(&a.1));
    let most = calls.iter().map(|(_, count)| *count).fold(1.0, f64::max);
    let width = 520.0;
    let area = Area {
        left: 190.0,
        top: 4.0,
        right: width - 50.0,
        bottom: 4.0 + 20.0 * as_float(calls.len() as u64),
    };
    let x = Scale::linear((0.0, most), (area.left, area.right));
    html! {
        (picture(width, area.bottom + 8.0, "host calls of a request", html! {
            @for (row, (name, count)) in calls.iter().enumerate() {
                @let top = area.top + 20.0 * as_float(row as u64);
                text.name x=(n(area.left - 12.0)) y=(n(top + 14.0)) text-anchor="end" { (cut(name, 28)) }
                rect.bar.c1 x=(n(area.left)) y=(n(top + 4.0)) height="12" rx="2" width=(n((x.at(*count) - area.left).max(1.0))) {}
                text.value x=(n(x.at(*count) + 6.0)) y=(n(top + 14.0)) { (few(*count)) }
            }
        }))
    }
}
