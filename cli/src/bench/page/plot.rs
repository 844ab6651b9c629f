//! Axes, scales and marks that the page's plots share. Plots are SVG without scripts; colours come from the page's style, so that
//! they follow the reader's light or dark.

use maud::{Markup, html};

use super::super::units::{as_float, time};

/// Colours of series, by the style's classes.
pub(super) const COLOURS: usize = 6;

/// A mapping of values to places.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    from: (f64, f64),
    to: (f64, f64),
    log: bool,
}

impl Scale {
    /// Values from `from.0` to `from.1` at places from `to.0` to `to.1`.
    pub(super) fn linear(from: (f64, f64), to: (f64, f64)) -> Self {
        let from = if from.1 > from.0 { from } else { (from.0, from.0 + 1.0) };
        Self { from, to, log: false }
    }

    /// The same by the values' logarithms, from and to powers of ten or their halves.
    pub(super) fn log(from: (f64, f64), to: (f64, f64)) -> Self {
        let (least, most) = (from.0.max(1e-9), from.1.max(from.0).max(1e-9));
        let (least, most) = (least.log10(), most.log10());
        let most = if most - least < 0.2 { least + 0.2 } else { most };
        Self { from: (least, most), to, log: true }
    }

    /// Where a value is.
    pub(super) fn at(&self, value: f64) -> f64 {
        let value = if self.log { value.max(1e-9).log10() } else { value };
        let share = ((value - self.from.0) / (self.from.1 - self.from.0)).clamp(0.0, 1.0);
        self.to.0 + share * (self.to.1 - self.to.0)
    }

    /// Values to mark: of a logarithmic scale powers of ten, with 2 and 5 times these where there are few; of a linear one about four.
    pub(super) fn ticks(&self) -> Vec<f64> {
        if self.log { self.log_ticks() } else { self.linear_ticks() }
    }

    fn log_ticks(&self) -> Vec<f64> {
        let decades = self.from.1 - self.from.0;
        let steps: &[f64] = match decades {
            _ if decades > 3.0 => &[1.0],
            _ if decades > 0.8 => &[1.0, 2.0, 5.0],
            _ => &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0],
        };
        let mut ticks = Vec::new();
        let mut power = self.from.0.floor();
        while power <= self.from.1 {
            for step in steps {
                let tick = step * 10_f64.powf(power);
                if (self.from.0 - 1e-9..=self.from.1 + 1e-9).contains(&tick.log10()) {
                    ticks.push(tick);
                }
            }
            power += 1.0;
        }
        ticks
    }

    fn linear_ticks(&self) -> Vec<f64> {
        let span = self.from.1 - self.from.0;
        let rough = span / 4.0;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|step| step * power).into_iter().find(|step| *step >= rough);
        let step = step.unwrap_or(span);
        let mut ticks = Vec::new();
        let mut tick = (self.from.0 / step).ceil() * step;
        while tick <= self.from.1 + step * 1e-6 {
            ticks.push(tick);
            tick += step;
        }
        ticks
    }
}

/// The area of a plot within its picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

/// A picture of this size, that a reader who sees none is told about in words.
pub(super) fn picture(width: f64, height: f64, words: &str, content: Markup) -> Markup {
    html! {
        svg viewBox=(format!("0 0 {width} {height}")) role="img" aria-label=(words) { (content) }
    }
}

/// Lines across the plot at values of the vertical axis, with their names.
pub(super) fn horizontal_grid(area: Area, scale: &Scale, name: impl Fn(f64) -> String) -> Markup {
    html! {
        @for tick in scale.ticks() {
            @let y = n(scale.at(tick));
            line.grid x1=(n(area.left)) x2=(n(area.right)) y1=(y) y2=(y) {}
            text x=(n(area.left - 8.0)) y=(n(scale.at(tick) + 4.0)) text-anchor="end" { (name(tick)) }
        }
    }
}

/// Lines down the plot at these values of the horizontal axis, with their names.
pub(super) fn vertical_grid(area: Area, scale: &Scale, ticks: &[(f64, String)]) -> Markup {
    html! {
        @for (tick, name) in ticks {
            @let x = n(scale.at(*tick));
            line.grid x1=(x) x2=(x) y1=(n(area.top)) y2=(n(area.bottom)) {}
            text x=(x) y=(n(area.bottom + 17.0)) text-anchor="middle" { (name) }
        }
    }
}

/// Values of a logarithmic axis of times, with their names.
pub(super) fn time_ticks(scale: &Scale) -> Vec<(f64, String)> {
    scale.ticks().into_iter().map(|tick| (tick, round_time(tick))).collect()
}

/// A round time such as `20 µs`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a tick of at most minutes in nanoseconds"
)]
pub(super) fn round_time(nanos: f64) -> String {
    let text = time(nanos.round() as u64);
    match text.split_once(' ') {
        Some((number, unit)) if number.contains('.') => {
            format!("{} {unit}", number.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => text,
    }
}

/// The names of series beside their colours.
pub(super) fn legend<'n>(names: impl IntoIterator<Item = &'n str>) -> Markup {
    html! {
        p.legend {
            @for (index, name) in names.into_iter().enumerate() {
                span { i class=(format!("swatch {}", colour(index))) {} (name) }
            }
        }
    }
}

/// The class of a series' colour.
pub(super) fn colour(index: usize) -> String {
    format!("c{}", index % COLOURS)
}

/// A number as pictures have it.
pub(super) fn n(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}

/// A name that fits a column of so many letters.
pub(super) fn cut(name: &str, letters: usize) -> String {
    if name.chars().count() <= letters {
        return name.to_owned();
    }
    name.chars().take(letters.saturating_sub(1)).chain(['…']).collect()
}

/// The least and the most of some times.
pub(super) fn span(times: impl IntoIterator<Item = u64>) -> (f64, f64) {
    let (mut least, mut most) = (u64::MAX, 1);
    for time in times {
        (least, most) = (least.min(time.max(1)), most.max(time));
    }
    (as_float(least.min(most)), as_float(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_reach_from_end_to_end() {
        let scale = Scale::log((100.0, 100_000.0), (0.0, 300.0));
        assert_eq!([n(scale.at(100.0)), n(scale.at(1_000.0)), n(scale.at(1e9))], ["0", "100", "300"]);
        let ticks: Vec<String> = time_ticks(&scale).into_iter().map(|(_, name)| name).collect();
        assert_eq!(
            ticks,
            ["100 ns", "200 ns", "500 ns", "1 µs", "2 µs", "5 µs", "10 µs", "20 µs", "50 µs", "100 µs"]
        );
        let scale = Scale::linear((0.0, 10.0), (0.0, 100.0));
        assert_eq!(scale.ticks(), [0.0, 5.0, 10.0]);
        // Nothing to span is no reason to fail.
        assert!(Scale::linear((1.0, 1.0), (0.0, 1.0)).at(1.0).is_finite());
        assert!(Scale::log((5.0, 5.0), (0.0, 1.0)).at(5.0).is_finite());
    }

    #[test]
    fn long_names_are_cut() {
        assert_eq!([cut("short", 9), cut("a long name", 6)], ["short", "a lon…"]);
    }
}
