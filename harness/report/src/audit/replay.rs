use super::Case;
use crate::document::{Section, Text};
use crate::text::quoted;

pub(super) const TITLE: &str = "How to replay and verify";

pub(super) fn chapter(case: &Case<'_>) -> Section {
    Section::new(TITLE).section(replay(case)).section(verify(case)).section(signatures(case))
}

fn replay(case: &Case<'_>) -> Section {
    let results = case.results();
    let (suite, note) = match &case.stored.suite {
        Some(_) => (format!("{}/suite.yaml", case.folder), None),
        None => (
            "SUITE.yaml".to_owned(),
            Some("The suite's file is not in the folder: SUITE.yaml stands for the file with the digest of the plan."),
        ),
    };
    let run = format!("tinyassay run {} --samples {} --out again", quoted(&suite), results.dataset.samples);
    let compare = format!("cmp again/results.json {}", quoted(&format!("{}/results.json", case.folder)));
    let section = Section::new("Replay")
        .paragraph(
            Text::from("With Tinyassay ")
                .code(results.tinyassay.clone())
                .plain(", the registered models and the data set in place, and on the same runtime identity, this gives the same bytes:"),
        )
        .commands(vec![run, compare])
        .paragraph(
            Text::from("The plan that the first command prints has the digest ")
                .code(results.plan_digest.to_string())
                .plain(". On another runtime identity rows near a boundary may differ; which ones is what verification lists."),
        );
    let relative =
        "A suite names models of the registry in models/. One that names them by path has to stand where it stood.";
    let section = section.paragraph(relative);
    match note {
        Some(note) => section.note(note),
        None => section,
    }
}

fn verify(case: &Case<'_>) -> Section {
    let folder = quoted(case.folder);
    let section = Section::new("Verification")
        .commands(vec![format!("(cd {folder} && sha256sum -c SHA256SUMS)"), format!("tinyassay verify {folder}")]);
    let section = section.paragraph(
        "The first checks that the files are those of the list. The second holds models, data, suite and evidence against their digests, \
         works out the results from the evidence again, and says what it checked and what it did not.",
    );
    match case.integrity {
        None => section.note("The folder has no SHA256SUMS, or one that cannot be read: nothing says that its files are those of the run."),
        Some([]) => section.paragraph("When this document was made, every file of the folder had the digest of its list."),
        Some(differences) => section
            .note("When this document was made, the folder differed from its list:")
            .list(differences.iter().map(|line| Text::from(line.clone())).collect()),
    }
}

fn signatures(case: &Case<'_>) -> Section {
    let section = Section::new("Signatures");
    if case.signatures.is_empty() {
        return section.paragraph(
            Text::default()
                .strong("Not signed")
                .plain(". The digests show that files belong together, not who made them: whoever can change the files can change the list."),
        );
    }
    section
        .paragraph("These signed statements are in the folder. This document does not say whether they hold: that takes the public key.")
        .list(case.signatures.iter().map(|name| Text::default().code(name.clone())).collect())
        .commands(vec![format!("tinyassay verify {} --key PUBLIC_KEY", quoted(case.folder))])
}

/// A word for a shell.
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_one_word_to_a_shell() {
        let cases = [
            ("reports/a", "reports/a"),
            ("a b", "'a b'"),
            ("it's; rm", "'it'\\''s; rm'"),
            ("", "''"),
            ("$(x)", "'$(x)'"),
        ];
        for (word, expected) in cases {
            assert_eq!(quoted(word), expected);
        }
    }
}
