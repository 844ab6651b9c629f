//! The official formatter's layout of policies and schemas.

use cedar_policy::SchemaFragment;
use cedar_policy_core::{ast, parser::parse_policyset};
use cedar_policy_formatter::{Config, policies_str_to_pretty};
use miette::Diagnostic;

use crate::{
    error::{CompileError, CompileErrors, from_diagnostic},
    nesting,
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
    shallow(source)?;
    let set =
        parse_policyset(&source.text).map_err(|errors| CompileErrors(from_diagnostic(source, &errors)))?;
    let config = Config { line_width: LINE_WIDTH, indent_width: 2 };
    let mut formatted = String::new();
    for piece in one_by_one(&source.text, &set) {
        let piece = policies_str_to_pretty(piece, &config)
            .map_err(|error| CompileError::whole(source, format!("can't be formatted: {error}")))?;
        if !formatted.is_empty() {
            formatted.push('\n');
        }
        formatted.push_str(&piece);
    }
    kept(source, &formatted, comments)?;
    Ok(formatted)
}

/// The official parser recurses, and so does the formatter.
fn shallow(source: &Source) -> Result<(), CompileErrors> {
    nesting::check(&source.text).map_err(|deep| CompileError::at(source, deep.offset, 1, deep.message).into())
}

/// The text, cut behind each policy's last line: the official formatter's time grows with the square of its text.
fn one_by_one<'t>(text: &'t str, set: &ast::PolicySet) -> Vec<&'t str> {
    let mut ends: Vec<usize> =
        set.all_templates().filter_map(|policy| policy.loc()).map(|loc| loc.end()).collect();
    ends.sort_unstable();
    // What stands behind the last policy goes with it.
    ends.pop();
    let (mut pieces, mut start) = (Vec::new(), 0);
    for end in ends {
        let Some(rest) = text.get(end..) else { continue };
        let line = rest.find('\n').map_or(rest, |at| rest.get(..=at).unwrap_or(rest));
        let (blank, comment) = line.find("//").and_then(|at| line.split_at_checked(at)).unwrap_or((line, ""));
        // A comment on the policy's last line is about it, unless another policy starts there.
        let end = if blank.trim().is_empty() && !comment.is_empty() { end + line.len() } else { end };
        pieces.extend(text.get(start..end));
        start = end;
    }
    pieces.extend(text.get(start..));
    pieces
}

/// Lays out a schema in Cedar's syntax. The official crate drops a schema's comments, so one that has any is left as it is.
///
/// # Errors
///
/// Where the schema can't be parsed.
pub fn format_schema(source: &Source) -> Result<Option<String>, CompileErrors> {
    shallow(source)?;
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
    fn a_file_cut_into_its_policies_looks_as_a_whole_one() {
        let text = "// a\n@id(\"a\")permit(principal,action,resource);// end of a\n// b\n\npermit(principal==?principal,action,resource)\n\
                    when{\"; // no comment\"==\"\"}; permit(principal,action,resource);forbid(principal,action,resource); \n //e\n\n//f\n";
        let source = Source::new("a.cedar", text);
        let set = parse_policyset(text).unwrap();
        assert_eq!(one_by_one(text, &set).len(), 4);
        assert_eq!(one_by_one(text, &set).concat(), text);
        let config = Config { line_width: LINE_WIDTH, indent_width: 2 };
        let whole = policies_str_to_pretty(text, &config).unwrap();
        assert_eq!(format_policies(&source).unwrap(), whole);
        assert_eq!(format_policies(&Source::new("a.cedar", "// nothing\n")).unwrap(), "\n// nothing\n");
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
    fn what_is_nested_too_deep_is_an_error() {
        let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        let policy = format!("permit(principal, action, resource) when {{ {} }};", deep("(", ")"));
        let errors = format_policies(&Source::new("a.cedar", policy)).unwrap_err();
        assert!(errors.to_string().contains("brackets within each other"), "{errors}");
        let schema = format!("entity A {{ x: {} }};", deep("Set<", ">"));
        assert!(format_schema(&Source::new("a.cedarschema", schema)).is_err());
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
