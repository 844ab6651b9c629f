//! In what a request that passed a gateway falls short of what is expected: its messages, and what the module did meanwhile.

use super::diff;
use super::format::{BodyExpect, Expect, HeadersExpect, Metric, Range, ValueExpect};
use crate::bytes::shown;
use crate::engine::{Activity, Ended, Wire};
use countersign_host_sim::{HeaderMap, Message, MetricValue};
use serde_json::Value;

/// Whether a header's value is the file's token of a name.
pub(super) type IsToken<'a> = &'a dyn Fn(&str, &str) -> Result<bool, String>;

/// What falls short, one entry for each expectation, of several lines where there is a difference to show.
pub(super) struct Shortfalls<'a> {
    pub(super) all: Vec<String>,
    pub(super) is_token: IsToken<'a>,
}

impl<'a> Shortfalls<'a> {
    /// None yet.
    pub(super) fn new(is_token: IsToken<'a>) -> Self {
        Self { all: Vec::new(), is_token }
    }

    /// Holds what went over the wires against what is expected of it. `upstream` says whether headers that went upstream are still to be
    /// held against it.
    pub(super) fn wire(&mut self, expect: &Expect, wire: &Wire, upstream: bool) -> Result<(), String> {
        self.ended(expect, wire.ended, wire.failure.as_deref());
        if let Some(want) = &expect.upstream {
            match &wire.upstream {
                None if upstream || want.body.is_some() || want.trailers.is_some() => {
                    self.add("`upstream`: expected the request to be forwarded, it was not".to_owned());
                }
                None => {}
                Some(message) => {
                    if upstream {
                        self.headers("upstream", &want.headers, &message.headers)?;
                    }
                    self.rest("upstream", want.body.as_ref(), want.trailers.as_ref(), message)?;
                }
            }
        }
        if let Some(want) = &expect.downstream {
            match &wire.downstream {
                None => {
                    self.add("`downstream`: expected the client to get an answer, it got none".to_owned())
                }
                Some(message) => {
                    self.status("downstream.status", want.status, message.status());
                    self.headers("downstream", &want.headers, &message.headers)?;
                    self.rest("downstream", want.body.as_ref(), want.trailers.as_ref(), message)?;
                }
            }
        }
        Ok(())
    }

    /// Holds how something ended, and why a VM failed, against what is expected.
    pub(super) fn ended(&mut self, expect: &Expect, ended: Ended, failure: Option<&str>) {
        let ended = ended.name();
        if let Some(want) = expect.outcome.as_ref().filter(|want| *want != ended) {
            let why = failure.map(|failure| format!(" ({failure})")).unwrap_or_default();
            self.add(format!("`outcome`: expected `{want}`, got `{ended}`{why}"));
        }
        self.text("failure", expect.failure.as_ref(), failure.unwrap_or("none"));
    }

    /// Holds a status against the expected one.
    pub(super) fn status(&mut self, place: &str, want: Option<u16>, have: u16) {
        if let Some(want) = want.filter(|want| *want != have) {
            let have = if have == 0 { "none".to_owned() } else { have.to_string() };
            self.add(format!("`{place}`: expected {want}, got {have}"));
        }
    }

    /// Holds what the module did against what is expected of it.
    pub(super) fn activity(&mut self, expect: &Expect, activity: &Activity) -> Result<(), String> {
        if let Some(want) = &expect.calls {
            self.calls("calls", want, &activity.calls)?;
        }
        if let Some(want) = &expect.grpc_calls {
            self.calls("grpc_calls", want, &activity.grpc_calls)?;
        }
        for (name, want) in &expect.metrics {
            let have = activity.metrics.get(name);
            if !want.is_met(have) {
                self.add(format!("`metrics.{name}`: expected {want}, got {}", told(have)));
            }
        }
        let lines: Vec<String> = activity.logs.iter().map(ToString::to_string).collect();
        let found = |pattern: &String| lines.iter().find(|line| matches(&format!("*{pattern}*"), line));
        for pattern in expect.logs.present.iter().filter(|pattern| found(pattern).is_none()) {
            let all = if lines.is_empty() { "none".to_owned() } else { format!("\n{}", lines.join("\n")) };
            self.add(format!("`logs.present`: expected a line with `{pattern}`, got {all}"));
        }
        for pattern in &expect.logs.absent {
            if let Some(line) = found(pattern) {
                self.add(format!("`logs.absent`: expected no line with `{pattern}`, got `{line}`"));
            }
        }
        self.number("fuel", expect.fuel, activity.fuel);
        self.number("memory", expect.memory, activity.memory as u64);
        for (name, want) in &expect.host_calls {
            let have = activity.host_calls.get(name.as_str()).copied().unwrap_or(0);
            self.number(&format!("host_calls.{name}"), Some(*want), have);
        }
        Ok(())
    }

    /// Adds one.
    pub(super) fn add(&mut self, shortfall: String) {
        self.all.push(shortfall);
    }

    /// Holds what is so or not against what is expected.
    pub(super) fn fact(&mut self, place: &str, want: Option<bool>, have: bool) {
        if let Some(want) = want.filter(|want| *want != have) {
            self.add(format!("`{place}`: expected {want}, got {have}"));
        }
    }

    /// Holds a text against a pattern.
    pub(super) fn text(&mut self, place: &str, want: Option<&String>, have: &str) {
        if let Some(want) = want.filter(|want| !matches(want, have)) {
            self.add(format!("`{place}`: expected `{want}`, got `{have}`"));
        }
    }

    fn number(&mut self, place: &str, want: Option<Range>, have: u64) {
        if let Some(want) = want.filter(|want| !(want.min..=want.max).contains(&have)) {
            self.add(format!("`{place}`: expected {want}, got {have}"));
        }
    }

    fn rest(
        &mut self,
        place: &str,
        body: Option<&BodyExpect>,
        trailers: Option<&HeadersExpect>,
        message: &Message,
    ) -> Result<(), String> {
        if let Some(want) = body {
            self.bytes(&format!("{place}.body"), want, &message.body);
        }
        match trailers {
            None => Ok(()),
            Some(want) => self.headers(&format!("{place}.trailers"), want, &message.trailers),
        }
    }

    /// Holds bytes against what is expected of them.
    pub(super) fn bytes(&mut self, place: &str, want: &BodyExpect, have: &[u8]) {
        let text = String::from_utf8_lossy(have);
        let (good, expected, got) = match want {
            BodyExpect::Pattern(pattern) => (matches(pattern, &text), pattern.clone(), text.into_owned()),
            BodyExpect::Bytes(bytes) => (bytes == have, shown(bytes).to_string(), shown(have).to_string()),
            BodyExpect::Json(value) => {
                let read = serde_json::from_slice::<Value>(have);
                let got = read.as_ref().map_or_else(|_| text.into_owned(), |read| format!("{read:#}"));
                (read.is_ok_and(|read| read == *value), format!("{value:#}"), got)
            }
        };
        if !good {
            self.difference(place, &expected, &got);
        }
    }

    /// Shows what differs: in a line where both are one, else line by line.
    fn difference(&mut self, place: &str, expected: &str, got: &str) {
        self.add(if expected.contains('\n') || got.contains('\n') {
            format!("`{place}`: expected (-) and got (+)\n{}", diff::lines(expected, got))
        } else {
            format!("`{place}`: expected `{expected}`, got `{got}`")
        });
    }

    /// Holds headers against what is expected of them.
    pub(super) fn headers(
        &mut self,
        place: &str,
        want: &HeadersExpect,
        have: &HeaderMap,
    ) -> Result<(), String> {
        match want {
            HeadersExpect::Some(names) => {
                for (name, want) in names {
                    self.header(place, name, want, have)?;
                }
            }
            HeadersExpect::All(pairs) => {
                let pseudo = pairs.iter().any(|(name, _)| name.starts_with(b":"));
                let have: Vec<_> =
                    have.iter().filter(|(name, _)| pseudo || !name.starts_with(b":")).collect();
                let mut good = pairs.len() == have.len();
                let (mut expected, mut got) = (String::new(), String::new());
                for (index, (name, value)) in have.iter().enumerate() {
                    got.push_str(&line(name, &text(value)));
                    if let Some((wanted, want)) = pairs.get(index) {
                        let fits = wanted == name && self.fits(want, &[value])?;
                        good &= fits;
                        // What fits is written as it came, so that only what differs stands out.
                        let value = if fits { text(value) } else { want.to_string() };
                        expected.push_str(&line(wanted, &value));
                    }
                }
                for (name, want) in pairs.iter().skip(have.len()) {
                    expected.push_str(&line(name, &want.to_string()));
                }
                if !good {
                    let diff = diff::lines(&expected, &got);
                    self.add(format!("`{place}.headers`: expected (-) and got (+)\n{diff}"));
                }
            }
        }
        Ok(())
    }

    /// Holds the headers of a name against what is expected of them.
    pub(super) fn header(
        &mut self,
        place: &str,
        name: &str,
        want: &ValueExpect,
        have: &HeaderMap,
    ) -> Result<(), String> {
        let lower = name.to_ascii_lowercase();
        let values: Vec<&[u8]> = have.get_all(lower.as_bytes()).collect();
        if self.fits(want, &values)? {
            return Ok(());
        }
        let got: Vec<String> = values.iter().map(|value| text(value)).collect();
        let got = if got.is_empty() { "none".to_owned() } else { format!("`{}`", got.join(", ")) };
        let expected = match want {
            ValueExpect::Absent => "none".to_owned(),
            ValueExpect::Token(token) => format!("`Bearer` and the token `{token}`"),
            want => format!("`{want}`"),
        };
        self.add(format!("`{place}.{name}`: expected {expected}, got {got}"));
        Ok(())
    }

    fn fits(&self, want: &ValueExpect, values: &[&[u8]]) -> Result<bool, String> {
        let whole =
            || values.iter().map(|value| String::from_utf8_lossy(value)).collect::<Vec<_>>().join(", ");
        Ok(match want {
            ValueExpect::Absent => values.is_empty(),
            ValueExpect::Pattern(pattern) => !values.is_empty() && matches(pattern, &whole()),
            ValueExpect::Bytes(bytes) => values == [bytes.as_slice()],
            ValueExpect::Token(token) => (self.is_token)(&whole(), token)?,
            ValueExpect::Each(each) => {
                let mut good = each.len() == values.len();
                for (want, value) in each.iter().zip(values) {
                    good = good && self.fits(want, &[value])?;
                }
                good
            }
        })
    }
}

fn line(name: &[u8], value: &str) -> String {
    format!("{}: {value}\n", String::from_utf8_lossy(name))
}

/// A header's value to show. Of a token's signature nothing can be read, and others could use it.
pub(super) fn text(value: &[u8]) -> String {
    let text = match shown(value) {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let (scheme, token) = text.rsplit_once(' ').unwrap_or(("", &text));
    let parts: Vec<&str> = token.split('.').collect();
    match parts.as_slice() {
        [header, claims, signature] if header.starts_with("eyJ") && !signature.is_empty() => {
            let space = if scheme.is_empty() { "" } else { " " };
            format!("{scheme}{space}{header}.{claims}.…")
        }
        _ => text,
    }
}

fn told(have: Option<&(Option<MetricValue>, MetricValue)>) -> String {
    let value = |value: &MetricValue| match value {
        MetricValue::Counter(value) | MetricValue::Gauge(value) => value.to_string(),
        MetricValue::Histogram(values) => {
            format!("a histogram of {} with the sum {}", values.count, values.sum)
        }
    };
    match have {
        None => "none".to_owned(),
        Some((None, now)) => value(now),
        Some((Some(before), now)) => format!("{} (it was {})", value(now), value(before)),
    }
}

impl Metric {
    fn is_met(&self, have: Option<&(Option<MetricValue>, MetricValue)>) -> bool {
        let number = |value: &MetricValue| match value {
            MetricValue::Counter(value) | MetricValue::Gauge(value) => i128::from(*value),
            MetricValue::Histogram(values) => i128::from(values.count),
        };
        match (self, have) {
            (Self::Absent, have) => have.is_none(),
            (Self::Value(0), None) | (Self::Delta(0), None) => true,
            (_, None) => false,
            (Self::Value(want), Some((_, now))) => number(now) == i128::from(*want),
            (Self::Delta(want), Some((before, now))) => {
                number(now) - before.as_ref().map_or(0, number) == i128::from(*want)
            }
            (Self::Histogram { count, sum }, Some((_, MetricValue::Histogram(values)))) => {
                count.is_none_or(|count| count == values.count) && sum.is_none_or(|sum| sum == values.sum)
            }
            (Self::Histogram { .. }, Some(_)) => false,
        }
    }
}

/// Whether a text fits a pattern in which `*` stands for anything.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::{matches, text};

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text, fits) in [
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*c", "abbc", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "acb", false),
            ("*", "", true),
            ("ab*b", "ab", false),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn signatures_of_tokens_are_not_shown() {
        for (value, shown) in [
            ("Bearer eyJhbGciOiJFUzI1NiJ9.e30.c2ln", "Bearer eyJhbGciOiJFUzI1NiJ9.e30.…"),
            ("eyJhbGciOiJFUzI1NiJ9.e30.c2ln", "eyJhbGciOiJFUzI1NiJ9.e30.…"),
            ("a.b.c", "a.b.c"),
            ("one two", "one two"),
        ] {
            assert_eq!(text(value.as_bytes()), shown);
        }
    }
}
