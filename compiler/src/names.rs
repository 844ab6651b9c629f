//! Names that are nearly the same, for "did you mean".

/// The name among `names` that `name` was probably meant to be: no more than a third of its letters differ.
pub fn nearest<'n>(name: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let near = names.into_iter().map(|known| (distance(name, known), known));
    let most = name.chars().count() / 3 + 1;
    near.filter(|(distance, _)| *distance <= most).min().map(|(_, known)| known)
}

/// How many letters must be put in, taken out or changed (Levenshtein).
pub(crate) fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.chars().enumerate() {
        let mut before = at;
        let mut left = at + 1;
        for (slot, same) in row.iter_mut().skip(1).zip(&other) {
            let here = (before + usize::from(letter != *same)).min(left + 1).min(*slot + 1);
            before = *slot;
            *slot = here;
            left = here;
        }
        if let Some(first) = row.first_mut() {
            *first = at + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_by_its_letters() {
        let names = ["Transfer", "Model", "Decision"];
        assert_eq!(nearest("Transfr", names), Some("Transfer"));
        assert_eq!(nearest("transfers", names), Some("Transfer"));
        assert_eq!(nearest("Account", names), None);
        assert_eq!((distance("", "ab"), distance("ab", ""), distance("kitten", "sitting")), (2, 2, 3));
    }
}
