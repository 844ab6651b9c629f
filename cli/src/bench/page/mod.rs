//! The report as a page: one file that loads nothing, needs no script, and follows the reader's light or dark.

mod bars;
mod compare;
mod flame;
mod latency;
mod plot;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::measure::{Mode, Series};
use super::profile::NAMES_MISSING;
use super::report::{MOST_OVERHEAD, Report, Split, machine};
use super::table::few;
use super::units::{PERCENTILES, as_float, grouped, mebibytes, percentile, rate, time};
use latency::Named;
use plot::{Scale, n, span};

const STYLE: &str = include_str!("style.css");

/// Series in one plot.
const TOGETHER: usize = plot::COLOURS;

/// The page.
pub(crate) fn html(report: &Report) -> String {
    let title = report.module.rsplit(['/', '\\']).next().unwrap_or(&report.module);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { (title) ": benchmark" }
                style { (PreEscaped(STYLE)) }
            }
            body { main {
                (head(report, title))
                (tiles(report))
                (comparison(report))
                (latencies(report))
                (open_loop(report))
                (section("Where a warm request's time goes", &format!(
                    "Medians. The guest's own code, the host calls it makes, and what the simulator does besides; the whole is to be at most {MOST_OVERHEAD} times the guest's own time."
                ), bars::split(&report.warm().collect::<Vec<_>>())))
                (costs(report))
                (counts(report))
                (v8(report))
                (profile(report))
                (table(report))
                footer {
                    "countersign " (env!("CARGO_PKG_VERSION")) " bench on " (machine())
                    ". Times are of this machine: compare within a run."
                }
            } }
        }
    };
    page.into_string()
}

fn section(title: &str, note: &str, content: Markup) -> Markup {
    html! {
        section {
            h2 { (title) }
            @if !note.is_empty() { p.note { (note) } }
            (content)
        }
    }
}

fn head(report: &Report, title: &str) -> Markup {
    html! {
        header {
            h1 { (title) }
            @if let Some(comparison) = &report.comparison {
                @let verdict = comparison.verdict();
                span class=(format!("badge {}", compare::verdict_class(verdict))) { (verdict.as_str()) }
            }
            p {
                (grouped(report.module_bytes.div_ceil(1000) as u64)) " KB, configuration "
                (grouped(report.config_bytes.div_ceil(1000) as u64)) " KB, on " (machine())
            }
        }
    }
}

fn tile(value: &str, what: &str) -> Markup {
    html! { div.tile { b { (value) } span { (what) } } }
}

/// The figures that one asks for first, of the first case.
fn tiles(report: &Report) -> Markup {
    let Some(line) = report.warm().next() else { return html! {} };
    let rare = if line.total.len() >= 10_000 { ("p99.99", 99.99) } else { ("p99", 99.0) };
    html! {
        div.tiles {
            (tile(&time(line.total.value_at_percentile(50.0)), &format!("a warm request ({}), median", line.case)))
            (tile(&time(line.total.value_at_percentile(rare.1)), &format!("the same, {}", rare.0)))
            (tile(&rate(&line.total).map_or_else(String::new, grouped), "a second, one after the other"))
            @if let Some(split) = Split::of(line) {
                (tile(&format!("{:.2}×", split.overhead), "whole to guest's own time"))
            }
            @if let Some(counts) = report.counts.first() {
                (tile(&grouped(counts.fuel.1), "fuel"))
                (tile(&few(counts.all_calls()), "host calls"))
            }
            (tile(&format!("{:.2} MiB", mebibytes(report.memory.1)), "memory of a VM at most"))
        }
    }
}

/// The first case, warm, on every engine.
fn closed_loop(report: &Report) -> impl Iterator<Item = Named<'_>> {
    let first = report.warm().next().map_or("", |line| line.case.as_str());
    let same = move |line: &&Series| line.case == first && line.mode == Mode::Warm;
    report.series.iter().filter(same).map(|line| match line.engine {
        "wasm" => (line.case.clone(), &line.total),
        engine => (format!("{}, {engine}", line.case), &line.total),
    })
}

/// What is drawn together: that, and the open loop.
fn together(report: &Report) -> Vec<Named<'_>> {
    let open = report.open_loop.iter().map(|run| (format!("open loop, {} a second", run.rate), &run.latency));
    closed_loop(report).chain(open).take(TOGETHER).collect()
}

fn latencies(report: &Report) -> Markup {
    let series = together(report);
    if series.is_empty() {
        return html! {};
    }
    let closed: Vec<Named<'_>> = closed_loop(report).collect();
    html! {
        div.pair {
            (section("Latency by percentile", "", latency::percentiles(&series)))
            (section("How often each time was met", "", latency::histogram(&closed)))
        }
    }
}

fn open_loop(report: &Report) -> Markup {
    if report.open_loop.is_empty() {
        return html! {};
    }
    let content = html! {
        div.pair {
            div { (latency::by_rate(&report.open_loop)) }
            div.scroll { table {
                tr { th { "due" } th { "achieved" } th { "" } @for (name, _) in PERCENTILES { th { (name) } } th { "max" } }
                @for run in &report.open_loop {
                    tr {
                        td { (format!("{:.0}", run.rate)) }
                        td class=(if run.kept_up() { "good" } else { "bad" }) { (format!("{:.0}", run.achieved)) }
                        td.l { "latency" }
                        @for (_, at) in PERCENTILES { td { (percentile(&run.latency, at)) } }
                        td { (time(run.latency.max())) }
                    }
                    tr {
                        td {} td {} td.l { "service" }
                        @for (_, at) in PERCENTILES { td { (percentile(&run.service, at)) } }
                        td { (time(run.service.max())) }
                    }
                }
            } }
        }
    };
    section(
        "Open loop",
        "Requests are due at a fixed rate, whether those before them were answered or not; latency counts from when a request was due.",
        content,
    )
}

fn costs(report: &Report) -> Markup {
    if report.costs.is_empty() {
        return html! {};
    }
    let floor = bars::floor(&report.costs).unwrap_or_default();
    let note = format!("Medians, with a line to the 99th percentile; the axis is logarithmic. {floor}");
    section("The four costs", &note, bars::costs(&report.costs))
}

fn counts(report: &Report) -> Markup {
    let Some(first) = report.counts.first() else { return html! {} };
    html! {
        div.pair {
            (section(&format!("Host calls of a warm request ({})", first.case), "", bars::calls(first)))
            (section("Fuel and host calls", "What does not depend on the machine.", html! {
                div.scroll { table {
                    tr { th.l { "case" } th { "fuel" } th { "least to most" } th { "host calls" } }
                    @for counts in &report.counts {
                        tr {
                            td.l { (counts.case) }
                            td { (grouped(counts.fuel.1)) }
                            td { (grouped(counts.fuel.0)) " to " (grouped(counts.fuel.2)) }
                            td { (few(counts.all_calls())) }
                        }
                    }
                } }
            }))
        }
    }
}

fn comparison(report: &Report) -> Markup {
    let Some(comparison) = &report.comparison else { return html! {} };
    let mut note = format!(
        "Factors to {} by medians of rounds, with intervals that hold the true one in 95 of 100 cases; the band is what is tolerated, {:.0}%.",
        comparison.with,
        comparison.tolerated * 100.0
    );
    if let Some(remark) = comparison.remark() {
        note.push_str(&format!(" Note: {remark}."));
    }
    section("Beside the baseline", &note, compare::forest(comparison))
}

fn v8(report: &Report) -> Markup {
    let Some(check) = &report.v8 else { return html! {} };
    let empty = time(check.empty.value_at_percentile(50.0));
    let note = format!(
        "Both decided the same on every request. Medians; V8 {} of Node {}, in a host in JavaScript, through which a filter that does nothing takes {empty}.",
        check.v8, check.node
    );
    section("The same on V8", &note, compare::engines(check))
}

fn profile(report: &Report) -> Markup {
    let Some(hot) = &report.hot else { return html! {} };
    let mut note = format!(
        "{} samples; the wider a function, the more of the time it was on the stack. Host functions are blue.",
        grouped(hot.samples)
    );
    if !hot.named {
        note.push_str(&format!(" Note: {NAMES_MISSING}."));
    }
    section("What the guest executes", &note, flame::graph(hot))
}

fn table(report: &Report) -> Markup {
    let (least, most) = span(report.series.iter().flat_map(|line| [line.total.min(), line.total.max()]));
    let x = Scale::log((least, most), (2.0, 188.0));
    let content = html! {
        div.scroll { table {
            tr {
                th.l { "case" } th.l { "state" } th.l { "engine" }
                @for (name, _) in PERCENTILES { th { (name) } }
                th { "max" } th { "count" } th.l { "from the least over the median to p99 and the most" } th.l { "decision" }
            }
            @for line in &report.series {
                tr {
                    td.l { (line.case) } td.l { (line.mode.as_str()) } td.l { (line.engine) }
                    @for (_, at) in PERCENTILES { td { (percentile(&line.total, at)) } }
                    td { (time(line.total.max())) } td { (grouped(line.total.len())) }
                    td.l { (range(line, &x)) }
                    td.l.w { (line.decision()) }
                }
            }
        } }
    };
    section("Every request", "", content)
}

fn range(line: &Series, x: &Scale) -> Markup {
    let at = |time: u64| x.at(as_float(time));
    let (least, most) = (at(line.total.min()), at(line.total.max()));
    let (median, rare) = (at(line.total.value_at_percentile(50.0)), at(line.total.value_at_percentile(99.0)));
    let class = match line.mode {
        Mode::Warm => "c0",
        Mode::New => "c2",
        Mode::Cold => "c1",
    };
    plot::picture(
        190.0,
        14.0,
        "range",
        html! {
            line.grid x1=(n(least)) x2=(n(most)) y1="7" y2="7" {}
            rect class=(format!("bar {class}")) x=(n(median)) width=(n((rare - median).max(1.5))) y="4" height="6" rx="2" {}
            circle class=(format!("dot {class}")) cx=(n(median)) cy="7" r="4" {}
        },
    )
}
