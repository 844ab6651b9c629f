//! What goes upstream with an allowed request: the verified identity, in headers that no client can forge.

use super::Permit;
use super::admit::Admitted;
use super::effect::HeaderEdits;
use super::identify::Principal;
use crate::decision::DecisionIdText;
use crate::policy::Value;
use crate::request::RequestHead;
use crate::settings::Settings;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

/// The edits for a permitted request.
pub(super) fn edits(
    permit: &Permit,
    admitted: &Admitted<'_>,
    id: &DecisionIdText,
    settings: &Settings,
) -> HeaderEdits {
    let mut edits = HeaderEdits { remove: ours(admitted.head, settings), add: Vec::with_capacity(8) };
    // Only a token that was verified goes upstream, and on public routes nobody looked at it.
    let verified = permit.identified().is_some_and(|identified| identified.principal.verified().is_some());
    if !(settings.forward.authorization && verified) && admitted.head.single("authorization") != Ok(None) {
        edits.remove.push((*b"authorization").into());
    }
    let names = &settings.header_names;
    let mut add = |name: &Rc<str>, value: String| edits.add.push((Rc::clone(name), value));
    add(&names.decision_id, String::from(id.as_str()));
    let Some(identified) = permit.identified() else { return edits };
    let principal = identified.principal.entity();
    add(&names.principal_type, escape(principal.uid.ty()));
    add(&names.principal, escape(principal.uid.id()));
    if let Some(verified) = identified.principal.verified() {
        let token = verified.token();
        if let Some(issuer) = settings.issuers.get(token.issuer) {
            add(&names.issuer, escape(&issuer.name));
        }
        if let Some(subject) = &token.subject {
            add(&names.subject, escape(subject));
        }
    }
    if let Some(verified) = identified.principal.verified()
        && !verified.token().actors.is_empty()
    {
        // Between two ids stands a comma, which no id can hold.
        let ids = verified.token().actors.iter().map(|id| escape(id).replace(',', "%2C"));
        add(&names.actors, ids.collect::<Vec<_>>().join(","));
    }
    if let Principal::ApiKey(_) = identified.principal {
        add(&names.credential, String::from("api-key"));
    }
    if let Some(workload) = &admitted.workload {
        add(&names.workload, escape(workload.as_str()));
    }
    for (attribute, name) in &names.attributes {
        let text = match principal.attributes.get(attribute) {
            Some(Value::String(text)) => escape(text),
            Some(Value::Long(number)) => format!("{number}"),
            Some(Value::Bool(value)) => format!("{value}"),
            Some(
                Value::Entity(_)
                | Value::Set(_)
                | Value::Record(_)
                | Value::Decimal(_)
                | Value::Datetime(_)
                | Value::Duration(_)
                | Value::Ip(_),
            )
            | None => continue,
        };
        add(name, text);
    }
    edits
}

/// The headers of the client that do not go upstream. One name once: the host removes every header of it.
fn ours(head: &RequestHead<'_>, settings: &Settings) -> Vec<alloc::boxed::Box<[u8]>> {
    let mut names: Vec<alloc::boxed::Box<[u8]>> = Vec::new();
    for name in unwanted(head, settings) {
        if !names.iter().any(|known| **known == *name) {
            names.push(name.into());
        }
    }
    names
}

/// Names of headers that a client sent under a name of ours, or that are not for those upstream, in whatever disguise.
fn unwanted<'a>(head: &RequestHead<'a>, settings: &Settings) -> impl Iterator<Item = &'a [u8]> {
    head.names_under(&settings.forward.prefix).chain(head.names_among(&settings.withheld))
}

/// Names of trailers that do not go upstream: some servers read trailers as headers, and nobody verified what stands there.
pub fn unwanted_trailers<'a>(
    trailers: &RequestHead<'a>,
    settings: &Settings,
) -> impl Iterator<Item = &'a [u8]> {
    unwanted(trailers, settings).chain(trailers.names_among(&["authorization"]))
}

/// Text as a header value: visible ASCII as it is, all else and `%` percent-encoded from UTF-8, so that no value can end the
/// header or be read in two ways.
fn escape(text: &str) -> String {
    if text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'%') {
        return String::from(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn values_are_visible_ascii_and_unambiguous() {
        assert_eq!(escape("alice@bank.example"), "alice@bank.example");
        assert_eq!(escape("a\r\nx: y"), "a%0D%0Ax:%20y");
        assert_eq!(escape("100%"), "100%25");
        assert_eq!(escape("Zoë"), "Zo%C3%AB");
    }
}
