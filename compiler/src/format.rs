//! The official formatter's layout of policies and schemas.

use cedar_policy::SchemaFragment;
use cedar_policy_core::parser::parse_policyset;
use cedar_policy_formatter::{Config, policies_str_to_pretty};
use miette::Diagnostic;

use crate::{
    error::{CompileError, CompileErrors, from_diagnostic},
    source::Source,
};

/// The longest line, where it can be helped.
const LINE_WIDTH: usize = 100;

/// Lays out a file of policies. Comments stay, and the meaning is held against what it was.
///
/// # Errors
///
/// Where the policies can't be parsed, or the official formatter can't lay them out.
pub fn format_policies(source: &Source) -> Result<String, CompileErrors> {
    if let Err(errors) = parse_policyset(&source.text) {
        return Err(CompileErrors(from_diagnostic(source, &errors)));
    }
    let config = Config { line_width: LINE_WIDTH, indent_width: 2 };
    let formatted = policies_str_to_pretty(&source.text, &config)
        .map_err(|error| CompileError::whole(source, format!("can't be formatted: {error}")))?;
    kept(source, &formatted, comments)?;
    Ok(formatted)
}

/// Lays out a schema in Cedar's syntax. The official crate drops a schema's comments, so one that has any is left as it is.
///
/// # Errors
///
/// Where the schema can't be parsed.
pub fn format_schema(source: &Source) -> Result<Option<String>, CompileErrors> {
    let errors = |error: &dyn Diagnostic| CompileErrors(from_diagnostic(source, error));
    let (fragment, _) = SchemaFragment::from_cedarschema_str(&source.text).map_err(|error| errors(&error))?;
    if !comments(&source.text).is_empty() {
        return Ok(None);
    }
    let text = fragment.to_cedarschema().map_err(|error| errors(&error))?;
    Ok(Some(format!("{}\n", text.trim())))
}

/// What the official formatter does not promise: that every comment is still there, in its order.
fn kept(
    source: &Source,
    formatted: &str,
    comments: impl Fn(&str) -> Vec<String>,
) -> Result<(), CompileErrors> {
    let (before, after) = (comments(&source.text), comments(formatted));
    if before == after {
        return Ok(());
    }
    let lost = before.iter().find(|comment| !after.contains(comment));
    let message = match lost {
        Some(comment) => format!("can't be formatted without losing the comment `{comment}`"),
        None => String::from("can't be formatted without moving comments"),
    };
    Err(CompileError::whole(source, message).with_help("move the comment before its policy").into())
}

/// The comments of a text, without the space around them.
fn comments(text: &str) -> Vec<String> {
    let mut comments = Vec::new();
    for line in text.lines() {
        let mut quoted = false;
        let mut characters = line.char_indices().peekable();
        while let Some((at, letter)) = characters.next() {
            match letter {
                '\\' if quoted => {
                    characters.next();
                }
                '"' => quoted = !quoted,
                '/' if !quoted && matches!(characters.peek(), Some((_, '/'))) => {
                    comments.push(line.get(at..).unwrap_or_default().trim().to_owned());
                    break;
                }
                _ => {}
            }
        }
    }
    comments
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNTIDY: &str = "// first\npermit(principal,action,resource) // scope\nwhen{principal.url==\"https://x\"};\n\n\n// last\n";

    #[test]
    fn comments_and_meaning_stay() {
        let source = Source::new("a.cedar", UNTIDY);
        let tidy = format_policies(&source).unwrap();
        assert_eq!(comments(&tidy), ["// first", "// scope", "// last"]);
        assert!(tidy.contains("when { principal.url == \"https://x\" }"), "{tidy}");
        let again = format_policies(&Source::new("a.cedar", tidy.as_str())).unwrap();
        assert_eq!(tidy, again);
    }

    #[test]
    fn what_is_no_policy_is_an_error_with_its_place() {
        let errors =
            format_policies(&Source::new("a.cedar", "permit(principal, action resource);")).unwrap_err();
        assert!(errors.to_string().starts_with("a.cedar:1:"), "{errors}");
        let errors = format_schema(&Source::new("a.cedarschema", "entity A\nentity B;")).unwrap_err();
        assert!(errors.to_string().starts_with("a.cedarschema:"), "{errors}");
    }

    #[test]
    fn a_schema_with_comments_is_left_alone() {
        let format = |text: &str| format_schema(&Source::new("a.cedarschema", text)).unwrap();
        assert_eq!(format("// why\nentity A;"), None);
        let tidy = format("entity   A  ;entity B in[A]={\"x\" :Long};").unwrap();
        assert!(tidy.contains("entity A;\n"), "{tidy}");
        assert_eq!(format(&tidy).as_deref(), Some(tidy.as_str()));
    }
}
