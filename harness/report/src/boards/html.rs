use super::{Choice, asked, check, present, sorted};
use crate::Error;
use crate::columns::columns;
use crate::formats::html::{Section, Shown, page, parts};
use crate::merge::Merged;

const ABOUT: &str = "Models that were asked the same question stand on one board: the same rows of the same bytes, the same threat model, the \
                     same attacks with the same parameters, the same seed. Boards are not to be compared with each other.";

/// One page with every board.
pub(super) fn render(merged: &[Merged], choice: &Choice) -> Result<String, Error> {
    check(merged, choice)?;
    let mut sections = Vec::new();
    for (index, one) in merged.iter().enumerate() {
        let suffix = if index == 0 { String::new() } else { format!("-{}", index + 1) };
        let board = sorted(&one.results, choice);
        let front = present(&columns(&board, &one.results), choice);
        let shown = Shown::new(&one.results, &board, &suffix, &front)?.with_sort(choice.sort.as_deref());
        let mut of_board = shown.sections();
        of_board.push(Section::new(
            &format!("checks{suffix}"),
            "Checks and their parameters",
            parts::checks(&one.results.models),
        ));
        of_board.push(Section::new(&format!("flags{suffix}"), "Flags", parts::flags(&board)));
        of_board.push(Section::new(&format!("models{suffix}"), "Models and digests", parts::origins(one, &board)));
        if let Some(first) = of_board.first_mut() {
            first.body = parts::threat(&one.results) + &first.body;
            if merged.len() > 1 {
                first.title = asked(&one.results);
            }
        }
        sections.extend(of_board);
    }
    let lead = format!("<p class=\"lead\">{ABOUT}</p>");
    Ok(page("Leaderboard", &lead, &sections))
}

#[cfg(test)]
mod tests {
    use super::super::tests::two;
    use super::*;

    #[test]
    fn boards_do_not_share_anchors() {
        let text = render(&two(), &Choice::default()).unwrap();
        let ids: Vec<&str> = text.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        let unique: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len(), "{ids:?}");
        assert_eq!(text.matches("class=\"board\"").count(), 2);
        for link in text.split(" href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            assert!(ids.contains(&link), "{link}");
        }
    }
}
