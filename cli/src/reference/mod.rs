//! Reference pages made from the types: no second copy of a field, a reason or a metric exists.

pub(crate) mod configuration;
pub(crate) mod metrics;
pub(crate) mod reasons;

/// Text for a cell of a Markdown table: one line, no bar that ends the cell.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
