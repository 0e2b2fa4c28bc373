use evidence::Decision;

use super::Case;
use super::wording::{each_attack, share, some};
use crate::board::{board, doubts};
use crate::document::{Section, Table, Text};

pub(super) fn chapter(case: &Case<'_>) -> Section {
    let results = case.results();
    let board = board(results);
    let rows = board.entries.iter().map(|entry| {
        let model = entry.model;
        let worst = model.worst_case.as_ref();
        [
            entry.rank.to_string(),
            model.name.clone(),
            share(model.clean_accuracy, model.ci_low, model.ci_high),
            worst.map_or("–".to_owned(), |worst| share(worst.robust_accuracy, worst.ci_low, worst.ci_high)),
        ]
    });
    let header = ["clean accuracy", "robust accuracy, worst case, at most"];
    Section::new("Summary")
        .list([Some(verdict(case)), Some(proof(case)), doubt(&board), Some(signed(case)), Some(purpose(case))].into_iter().flatten().collect())
        .table(Table::new(&["rank", "model"], &header).rows(rows))
        .paragraph(
            "Accuracies with 95 % Clopper-Pearson intervals. A rank is one more than the number of models that are significantly \
             better on the same rows; where nothing was compared, it is the place. The worst case counts the rows that withstand \
             every listed attack.",
        )
}

fn verdict(case: &Case<'_>) -> Text {
    let Some(verdict) = &case.stored.verdict else {
        return Text::default().strong("No verdict").plain(": there were no gates.");
    };
    let count = |of: Decision| verdict.gates.iter().filter(|gate| gate.decision == of).count() as u64;
    let counts = [(Decision::Fail, "failed"), (Decision::Inconclusive, "inconclusive"), (Decision::Pass, "passed")];
    let counts: Vec<String> = counts.iter().map(|(of, word)| format!("{} {word}", count(*of))).collect();
    let gates = some(verdict.gates.len() as u64, "gate");
    Text::from("Verdict: ")
        .strong(super::gates::word(verdict.decision))
        .plain(format!(", of {gates} {}.", counts.join(", ")))
}

fn proof(case: &Case<'_>) -> Text {
    let certified: u64 = each_attack(case.results()).map(|(_, attack)| attack.certified).fold(0, u64::saturating_add);
    match certified {
        0 => Text::default().strong("Nothing is proven").plain(
            ": every robust accuracy is what search left unbroken, an upper bound. A stronger search may find a lower one.",
        ),
        rows => Text::from(format!(
            "Certificates cover {rows} rows, summed over models and checks; all else is what search left unbroken."
        )),
    }
}

fn doubt(board: &crate::board::Board<'_>) -> Option<Text> {
    let doubts = doubts(board).len() as u64;
    (doubts > 0).then(|| {
        Text::default()
            .strong("Inconclusive results")
            .plain(format!(": {}. The truth may lie far below those numbers; see ", some(doubts, "result")))
            .emphasis(super::indicators::TITLE)
            .plain(".")
    })
}

fn signed(case: &Case<'_>) -> Text {
    match (case.signatures.len() as u64, case.integrity) {
        (_, Some([_, ..])) => Text::default()
            .strong("The folder is not what it was")
            .plain(": files differ from its SHA256SUMS; see ")
            .emphasis(super::replay::TITLE)
            .plain("."),
        (0, _) => Text::default().strong("Not signed").plain(": who made these results is not known from the folder."),
        (several, _) => Text::from(format!(
            "There {} beside the results; whether they hold is for ",
            match several {
                1 => "is 1 signed statement".to_owned(),
                several => format!("are {several} signed statements"),
            }
        ))
        .code("tinyassay verify")
        .plain(" to say."),
    }
}

fn purpose(case: &Case<'_>) -> Text {
    match case.purpose() {
        Some(_) => Text::from("The intended use is stated in ").emphasis(super::purpose::TITLE).plain("."),
        None => Text::default()
            .strong("No intended use was stated")
            .plain(", so nothing here says that these checks fit it."),
    }
}
