//! Which questions are asked because somebody wrote them down: recorded requests, and the cases of tests.

use crate::failure::Failure;
use crate::literal::Question;
use crate::table::{Images, Table, of_pack};
use countersign_core::policy::Image;
use std::path::Path;
use std::rc::Rc;

/// The questions of a file: lines of JSON (`*.jsonl`), or a table.
pub(crate) fn recorded(path: &Path, image: &Rc<Image>) -> Result<Vec<(String, Question)>, Failure> {
    if path.extension().is_none_or(|extension| extension != "jsonl") {
        let table = Table::load_for(path, Rc::clone(image))?;
        return Ok(named(&table));
    }
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::at(path.display(), format!("expected a readable file: {error}")))?;
    let mut all = Vec::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let place = format!("{}:{number}:1", path.display());
        let case = serde_json::from_str(line)
            .map_err(|error| Failure::at(&place, format!("expected an object in JSON: {error}")))?;
        let question = Question::read(image, &case).map_err(|(field, message)| {
            let field = if field.is_empty() { field } else { format!("`{field}`: ") };
            Failure::at(&place, format!("{field}{message}"))
        })?;
        all.push((format!("line {number}"), question));
    }
    Ok(all)
}

fn named(table: &Table) -> Vec<(String, Question)> {
    table.questions().map(|(name, question)| (name.to_owned(), question.clone())).collect()
}

/// The questions of a pack's own tables; none where it is an image.
pub(crate) fn of_tests(pack: &Path) -> Result<Vec<(String, Question)>, Failure> {
    let mut all = Vec::new();
    if pack.is_dir() {
        let mut images = Images::new();
        for file in of_pack(pack)? {
            all.extend(named(&Table::load(&file, &mut images)?));
        }
    }
    Ok(all)
}
