//! Which known word a misspelt one most likely stands for.

/// The known word that is nearest to `word`, if one is near enough to be what was meant: at most a third of its letters differ.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = |candidate: &&str| distance(word, candidate) <= (candidate.chars().count() / 3).max(1);
    known.into_iter().filter(near).min_by_key(|candidate| distance(word, candidate))
}

/// `did you mean ...?` when a known word is near, else the list of all of them.
pub fn suggestion(word: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("known here: {}", list(known)),
    }
}

/// Words in backquotes, separated by commas.
pub fn list<S: AsRef<str>>(words: &[S]) -> String {
    words.iter().map(|w| format!("`{}`", w.as_ref())).collect::<Vec<_>>().join(", ")
}

/// How many insertions, deletions, replacements or swaps of neighbours turn one word into the other, case aside.
///
/// Words longer than 64 letters are further from everything than any known word is long.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(65).flat_map(char::to_lowercase).collect();
    let b: Vec<char> = b.chars().take(65).flat_map(char::to_lowercase).collect();
    if a.len() > 64 {
        return usize::MAX;
    }
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_understood_and_nonsense_is_not() {
        let known = ["steps", "step_size", "restarts"];
        assert_eq!(nearest("stepz", known), Some("steps"));
        assert_eq!(nearest("setps", known), Some("steps"));
        assert_eq!(nearest("Restarts", known), Some("restarts"));
        assert_eq!(nearest("banana", known), None);
        assert_eq!(nearest(&"s".repeat(1 << 20), known), None);
        assert_eq!(suggestion("banana", &known), "known here: `steps`, `step_size`, `restarts`");
    }
}
