//! The calls that a module made, against those that are expected of it.

use super::format::{CallExpect, CallKind, CallsExpect, GrpcCallExpect, When};
use super::wire::Shortfalls;
use countersign_host_sim::{GrpcCall, HeaderMap, HttpCall};

/// A call that was made, of a kind that can be expected by `W`.
pub(super) trait Made<W> {
    /// It in one line.
    fn line(&self) -> String;

    /// Holds it against what is expected of it.
    fn hold(&self, place: &str, want: &W, short: &mut Shortfalls<'_>) -> Result<(), String>;
}

impl Shortfalls<'_> {
    /// Holds the calls that were made against those that are expected.
    pub(super) fn calls<W: CallKind, M: Made<W>>(
        &mut self,
        name: &str,
        want: &CallsExpect<W>,
        have: &[M],
    ) -> Result<(), String> {
        let made = || {
            let calls: Vec<String> = have.iter().map(Made::line).collect();
            if calls.is_empty() {
                "none".to_owned()
            } else {
                format!("{}\n{}", calls.len(), calls.join("\n"))
            }
        };
        match want {
            CallsExpect::Count(count) if *count == have.len() => {}
            CallsExpect::Count(count) => self.add(format!("`{name}`: expected {count}, got {}", made())),
            CallsExpect::Each(each) => {
                if each.len() != have.len() {
                    self.add(format!("`{name}`: expected {}, got {}", each.len(), made()));
                }
                for (index, (want, have)) in each.iter().zip(have).enumerate() {
                    have.hold(&format!("{name}[{index}]"), want, self)?;
                }
            }
            CallsExpect::Like(want) => {
                let mut like = 0;
                for call in have {
                    let mut apart = Shortfalls::new(self.is_token);
                    call.hold("", want, &mut apart)?;
                    like += usize::from(apart.all.is_empty());
                }
                let good = want.count().map_or(like > 0, |count| count == like);
                if !good {
                    let count =
                        want.count().map_or_else(|| "at least one".to_owned(), |count| count.to_string());
                    self.add(format!("`{name}`: expected {count} like this, got {like}, of all {}", made()));
                }
            }
        }
        Ok(())
    }
}

impl Made<CallExpect> for HttpCall {
    fn line(&self) -> String {
        let method = self.headers.text(":method").unwrap_or_default();
        format!("{method} {} of `{}`", self.path(), self.cluster())
    }

    fn hold(&self, place: &str, want: &CallExpect, short: &mut Shortfalls<'_>) -> Result<(), String> {
        let method = self.headers.text(":method").unwrap_or_default();
        short.text(&format!("{place}.cluster"), want.cluster.as_ref(), &self.cluster());
        short.text(&format!("{place}.method"), want.method.as_ref(), &method);
        short.text(&format!("{place}.path"), want.path.as_ref(), &self.path());
        short.headers(place, &want.headers, &self.headers)?;
        if let Some(body) = &want.body {
            short.bytes(&format!("{place}.body"), body, &self.body);
        }
        Ok(())
    }
}

impl Made<GrpcCallExpect> for GrpcCall {
    fn line(&self) -> String {
        let kind = if self.stream { "stream" } else { "call" };
        let cluster = String::from_utf8_lossy(&self.cluster);
        format!("{kind} {} of `{cluster}`, messages: {}", self.path(), self.messages.len())
    }

    fn hold(&self, place: &str, want: &GrpcCallExpect, short: &mut Shortfalls<'_>) -> Result<(), String> {
        let cluster = String::from_utf8_lossy(&self.cluster);
        short.text(&format!("{place}.cluster"), want.cluster.as_ref(), &cluster);
        short.text(&format!("{place}.service"), want.service.as_ref(), &self.service);
        short.text(&format!("{place}.method"), want.method.as_ref(), &self.method);
        short.fact(&format!("{place}.stream"), want.stream, self.stream);
        short.fact(&format!("{place}.ended"), want.ended, self.ended);
        short.fact(&format!("{place}.cancelled"), want.cancelled, self.cancelled);
        short.headers(&format!("{place}.metadata"), &want.metadata, &self.metadata)?;
        if let Some(messages) = &want.messages {
            if messages.len() != self.messages.len() {
                let (want, have) = (messages.len(), self.messages.len());
                short.add(format!("`{place}.messages`: expected {want}, got {have}"));
            }
            for (index, (want, have)) in messages.iter().zip(&self.messages).enumerate() {
                short.bytes(&format!("{place}.messages[{index}]"), want, have);
            }
        }
        Ok(())
    }
}

impl When {
    /// Whether a request is like this.
    pub(super) fn is_met(&self, headers: &HeaderMap, body: &[u8]) -> bool {
        let no_token = |_: &str, _: &str| Ok(false);
        let mut short = Shortfalls::new(&no_token);
        for (name, want) in [(":method", &self.method), (":authority", &self.authority)] {
            short.text(name, want.as_ref(), &headers.text(name).unwrap_or_default());
        }
        let names = self.headers.iter();
        let all_told =
            names.map(|(name, want)| short.header("", name, want, headers)).all(|told| told.is_ok());
        if let Some(want) = &self.body {
            short.bytes("", want, body);
        }
        all_told && short.all.is_empty()
    }
}
