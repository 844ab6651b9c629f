//! Differences between what was expected and what came, to be read.

use similar::{ChangeTag, TextDiff};

/// Lines that are the same in both texts and stand this far from a difference are left out.
const CONTEXT: usize = 3;
/// No more lines than this are shown of one difference.
const MOST_LINES: usize = 60;

/// The difference of two texts line by line: `-` what was expected, `+` what came.
pub(super) fn lines(expected: &str, got: &str) -> String {
    let diff = TextDiff::from_lines(expected, got);
    let mut lines = Vec::new();
    for (index, group) in diff.grouped_ops(CONTEXT).iter().enumerate() {
        if index > 0 {
            lines.push(String::from("  …"));
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            lines.push(format!("{sign} {}", change.value().trim_end_matches('\n')));
        }
    }
    let more = lines.len().saturating_sub(MOST_LINES);
    lines.truncate(MOST_LINES);
    if more > 0 {
        lines.push(format!("  … and {more} more lines"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn what_differs_is_shown_with_what_is_around_it() {
        assert_eq!(lines("a\nb\nc\n", "a\nx\nc\n"), "  a\n- b\n+ x\n  c");
        let long: String = (0..40).map(|n| format!("{n}\n")).collect();
        let shown = lines(&long, &long.replace("20\n", "twenty\n"));
        assert_eq!(shown, "  17\n  18\n  19\n- 20\n+ twenty\n  21\n  22\n  23");
        let other: String = (100..200).map(|n| format!("{n}\n")).collect();
        assert!(lines(&long, &other).ends_with("  … and 80 more lines"));
    }
}
