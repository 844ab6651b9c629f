//! How a user must have logged in, and what a client is told that falls short (RFC 9470).

use crate::config;
use crate::settings::ConfigError;
use crate::time::{Span, Timestamp};
use crate::token::VerifiedToken;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The longest time since a login that can be demanded: a year. The shortest is a second: no login is as old as none.
const MAX_AGE_SECONDS: u32 = 86_400 * 366;

/// How many values of `acr` a demand may name.
const MAX_ACR: usize = 16;

/// How a user must have logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    acr: Vec<Box<str>>,
    max_age: Option<Span>,
}

/// Why something is no demand.
enum Fault {
    /// It demands nothing.
    Empty,
    /// It names too many values of `acr`.
    Many,
    /// The value of `acr` at this place cannot stand in a challenge.
    Acr(usize),
    /// The age is out of its bounds.
    Age,
}

impl Demand {
    /// Checks a demand of the configuration.
    pub fn new(config: &config::StepUp) -> Result<Self, ConfigError> {
        let acr = config.acr.iter().map(|acr| Box::from(&**acr)).collect();
        Self::of(acr, config.max_age_seconds).map_err(|fault| match fault {
            Fault::Empty => ConfigError::at("", "expected `acr`, `max_age_seconds`, or both"),
            Fault::Many => ConfigError::at(
                "acr",
                format!("expected at most {MAX_ACR} values, found {}", config.acr.len()),
            ),
            Fault::Acr(at) => {
                let found = config.acr.get(at).map(String::as_str).unwrap_or_default();
                let message = format!("expected visible ASCII without spaces and quotes, found `{found}`");
                ConfigError::at(format!("acr[{at}]"), message)
            }
            Fault::Age => {
                let found = config.max_age_seconds.unwrap_or_default();
                let message = format!("expected a number from 1 to {MAX_AGE_SECONDS}, found {found}");
                ConfigError::at("max_age_seconds", message)
            }
        })
    }

    /// Reads the text of a policy's annotation `@step_up`: words between single spaces, each `acr=VALUE` or `max_age=SECONDS`;
    /// the error says what was expected.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const EXPECTED: &str =
            "expected words such as `acr=mfa` and one `max_age=300`, between single spaces";
        let (mut acr, mut max_age) = (Vec::new(), None);
        for word in text.split(' ') {
            match word.split_once('=') {
                Some(("acr", value)) => acr.push(value.into()),
                Some(("max_age", seconds)) if max_age.is_none() && !seconds.starts_with('+') => {
                    max_age = Some(seconds.parse().map_err(|_| EXPECTED)?);
                }
                Some(_) | None => return Err(EXPECTED),
            }
        }
        Self::of(acr, max_age).map_err(|fault| match fault {
            Fault::Empty => EXPECTED,
            Fault::Many => "expected at most 16 values of `acr`",
            Fault::Acr(_) => "expected values of `acr` of visible ASCII without quotes",
            Fault::Age => "expected a `max_age` from 1 second to a year of 31622400",
        })
    }

    fn of(acr: Vec<Box<str>>, max_age: Option<u32>) -> Result<Self, Fault> {
        if acr.is_empty() && max_age.is_none() {
            return Err(Fault::Empty);
        }
        if acr.len() > MAX_ACR {
            return Err(Fault::Many);
        }
        // They go into a quoted string of a header, with spaces between them (RFC 9470 §3).
        let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
        if let Some(at) = acr.iter().position(|acr| acr.is_empty() || !acr.bytes().all(plain)) {
            return Err(Fault::Acr(at));
        }
        if max_age.is_some_and(|seconds| !(1..=MAX_AGE_SECONDS).contains(&seconds)) {
            return Err(Fault::Age);
        }
        Ok(Self { acr, max_age: max_age.map(|seconds| Span::from_secs(seconds.into())) })
    }

    /// Whether a token's login satisfies it. Without a token, or without the claims, nothing does; nor does a login of the future,
    /// but for the issuer's clock skew.
    pub fn satisfied(&self, token: Option<&VerifiedToken>, clock_skew: Span, now: Timestamp) -> bool {
        let Some(token) = token else { return false };
        let strong = self.acr.is_empty()
            || token.acr.as_ref().is_some_and(|have| self.acr.iter().any(|acr| acr == have));
        let fresh = self
            .max_age
            .is_none_or(|max_age| token.login_age(clock_skew, now).is_some_and(|age| age <= max_age));
        strong && fresh
    }

    /// The parameters of the challenge (RFC 9470 §3).
    pub fn parameters(&self) -> String {
        let mut text = String::new();
        if !self.acr.is_empty() {
            text.push_str(&format!(", acr_values=\"{}\"", self.acr.join(" ")));
        }
        if let Some(max_age) = self.max_age {
            text.push_str(&format!(", max_age=\"{}\"", max_age.as_secs()));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_demanded_fits_into_a_header(text in "(acr=|max_age=|[ -~\\PC]){0,6}") {
            if let Ok(demand) = Demand::parse(&text) {
                let parameters = demand.parameters();
                prop_assert!(parameters.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{parameters}");
                prop_assert_eq!(parameters.matches('"').count() % 2, 0);
                prop_assert!(!parameters.is_empty() && !parameters.contains('\\'));
            }
        }
    }

    #[test]
    fn an_annotation_is_words() {
        let demand = Demand::parse("acr=mfa acr=urn:x:phr max_age=300").unwrap();
        assert_eq!(demand.parameters(), r#", acr_values="mfa urn:x:phr", max_age="300""#);
        assert_eq!(Demand::parse("max_age=1").unwrap().parameters(), r#", max_age="1""#);
        for bad in [
            "",
            " ",
            "acr",
            "acr=",
            "mfa",
            "acr=mfa  max_age=1",
            "max_age=1 max_age=1",
            "max_age=-1",
            "max_age=+1",
            "max_age=",
            "max_age=0",
            "max_age=99999999",
            "acr=a\"b",
            "acr=\u{e9}",
            "ACR=mfa",
        ] {
            assert!(Demand::parse(bad).is_err(), "{bad}");
        }
        assert!(Demand::parse(&["acr=a"; 17].join(" ")).is_err());
    }
}
