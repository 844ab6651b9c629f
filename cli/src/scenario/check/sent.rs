//! What a case sends: where to, with which credentials, and how much time passes.

use super::{Checked, among};
use crate::case::Target;
use crate::scenario::format::{
    Case, HeadersExpect, ProofChoice, RequestSpec, Step, TokenChoice, Turn, ValueExpect, check_metadata,
};
use crate::scenario::short::Short;
use crate::scenario::{request, subject};
use crate::time;
use std::path::Path;
use std::time::Duration;

/// How much time may pass in a case: a hundred years, so that no clock comes to its end.
const MOST_TIME: Duration = Duration::from_secs(36_500 * 86_400);

impl Checked<'_> {
    /// Demands that what requests have that do not say otherwise is there.
    pub(in crate::scenario) fn defaults(&self) -> Result<(), String> {
        let defaults = &self.mint.file.defaults;
        let target = Target { method: None, url: defaults.url.as_deref() };
        if defaults.url.is_some() {
            target.into_headers(Vec::new()).map_err(|bad| bad.to_string())?;
        }
        self.certificates.check(defaults.peer.as_ref()).map_err(|message| format!("`peer`: {message}"))?;
        self.token(defaults.token.as_ref()).map_err(|message| format!("`token`: {message}"))?;
        self.proof(defaults.proof.as_ref()).map_err(|message| format!("`proof`: {message}"))?;
        self.response(defaults.response.as_ref()).map_err(|message| format!("`response`: {message}"))
    }

    /// Demands that a request says where it goes.
    pub(super) fn request(&self, request: &RequestSpec) -> Result<(), String> {
        check_metadata(&request.metadata)?;
        request::headers(request, &self.mint.file.defaults).map(drop)
    }

    /// Demands that a token can be made.
    pub(super) fn token(&self, token: Option<&TokenChoice>) -> Result<(), String> {
        token.map_or(Ok(()), |token| self.mint.check(token, self.now))
    }

    /// Demands that there is a token of this name.
    pub(super) fn token_of_file(&self, name: &str) -> Result<(), String> {
        if name == "none" {
            return Err("expected one of the file's `tokens`, found `none`".to_owned());
        }
        self.token(Some(&Short::Text(name.to_owned())))
    }

    /// Demands that a proof can be made, and that its key exists.
    pub(super) fn proof(&self, proof: Option<&ProofChoice>) -> Result<(), String> {
        let name = match proof {
            None => None,
            Some(Short::Text(name)) => Some(name).filter(|name| *name != "none"),
            Some(Short::Whole(spec)) => spec.key.as_ref(),
        };
        among("a key of the file", &self.keys, name)?;
        proof.map_or(Ok(()), |proof| self.mint.check_proof(proof, self.now))
    }

    /// Demands that the tokens that headers are held against are the file's.
    pub(super) fn expected(&self, headers: &HeadersExpect) -> Result<(), String> {
        let one = |value: &ValueExpect| match value {
            ValueExpect::Token(name) => self.token_of_file(name),
            _ => Ok(()),
        };
        match headers {
            HeadersExpect::Some(named) => named
                .iter()
                .try_for_each(|(name, value)| one(value).map_err(|message| format!("`{name}`: {message}"))),
            HeadersExpect::All(pairs) => pairs.iter().try_for_each(|(_, value)| one(value)),
        }
    }

    /// Demands that the other configuration of a step can be read; whether the module takes it is what is tested.
    pub(super) fn configure(&self, step: &Step, path: &Path) -> Result<(), String> {
        let Some(configure) = &step.configure else { return Ok(()) };
        let folder = path.parent().unwrap_or(Path::new(""));
        let file = match &configure.configuration.0 {
            serde_json::Value::String(name) if self.decides && !configure.refused => Some(name.as_str()),
            _ => configure.configuration.file(),
        };
        let read = match file {
            Some(name) => subject::readable(&folder.join(name)),
            None => configure.configuration.read(folder).map(drop),
        };
        read.map_err(|message| format!("`configure.configuration`: {message}"))
    }

    /// Demands that the time that passes in a case is such, and no more than there is.
    pub(super) fn time(&self, case: &Case) -> Result<(), String> {
        let mut all = Duration::ZERO;
        let mut pass = |place: &str, text: &Option<String>| match text {
            None => Ok(()),
            Some(text) => {
                let passes = time::span(text).ok_or_else(|| {
                    format!("`{place}`: expected a span such as `250ms`, `5s` or `2d`, found `{text}`")
                })?;
                all = all.saturating_add(passes);
                match all > MOST_TIME {
                    true => Err(format!("`{place}`: expected at most 36500d in a case, found `{text}`")),
                    false => Ok(()),
                }
            }
        };
        let mut turns = |place: &str, turns: &[Turn]| {
            turns.iter().enumerate().try_for_each(|(index, turn)| {
                pass(&format!("{place}.exchange[{index}].advance"), &turn.advance)
            })
        };
        if let Some(connect) = &case.connect {
            turns("connect", &connect.exchange)?;
        }
        for (index, step) in case.steps.iter().enumerate() {
            if let Some(connect) = &step.connect {
                turns(&format!("steps[{index}].connect"), &connect.exchange)?;
            }
            if let Some(transfer) = &step.transfer {
                turns(&format!("steps[{index}].transfer"), &transfer.exchange)?;
            }
        }
        case.steps
            .iter()
            .enumerate()
            .try_for_each(|(index, step)| pass(&format!("steps[{index}].advance"), &step.advance))
    }
}
