use std::fmt::Write;

use super::{Choice, asked, check, present, sorted};
use crate::board::Board;
use crate::columns::columns;
use crate::formats::markdown::{below, doubted, flags, leaderboard, threat_and_data};
use crate::merge::{Merged, Origin};
use crate::text::{markdown, plain, table};
use crate::{Error, checks, classes, pareto, ranks};

const ABOUT: &str = "\
Reports that ask the same question stand on one board: the same rows of the same bytes, the same threat model, the same attacks with the \
same parameters, the same seed. Boards that ask different questions are not to be compared. An attack's column is the *empirical* robust \
accuracy, found by search: an **upper bound** on the true robust accuracy on these rows, with its 95 % Clopper-Pearson interval.";

/// Every board, one below the other.
pub(super) fn render(merged: &[Merged], choice: &Choice) -> Result<String, Error> {
    check(merged, choice)?;
    let mut sections = vec![format!("# Leaderboard\n\n{ABOUT}")];
    for one in merged {
        sections.push(section(one, choice)?);
    }
    Ok(sections.join("\n\n") + "\n")
}

fn section(merged: &Merged, choice: &Choice) -> Result<String, Error> {
    let results = &merged.results;
    let board = sorted(results, choice);
    let columns = columns(&board, results);
    let front = pareto::chosen(&columns, &present(&columns, choice))?;
    let mut parts = vec![
        format!("## {}\n\n{}", markdown(&asked(results)), threat_and_data(results)),
        // Costs are listed by suites, which are several here.
        leaderboard(&board, &[]),
        below(results, &board, &front) + &doubted(&board),
    ];
    parts.extend(ranks::section(&board, results).map(|text| format!("### Ranks\n\n{text}")));
    parts.extend(classes::section(&board).map(|text| format!("### Classes\n\n{text}")));
    parts.push(format!("### Checks\n\n{}", checks::section(results)));
    parts.push(format!("### Flags\n\n{}", flags(&board)));
    parts.push(format!("### Models\n\n{}", models(&board)));
    parts.push(format!("### Reports\n\n{}", reports(merged)));
    Ok(parts.join("\n\n"))
}

fn models(board: &Board) -> String {
    let rows = board.entries.iter().map(|entry| vec![entry.model.name.clone(), entry.model.digest.to_string()]);
    table(&["model", "digest"], rows)
}

/// What the board is made of, and what computed it.
fn reports(merged: &Merged) -> String {
    let mut text = String::new();
    for Origin { name, link, suite, plan, tinyassay } in &merged.reports {
        let name = match link {
            // A path of ours; brackets and blanks would end the link.
            Some(link) => format!("[{}](<{}>)", markdown(name), plain(link).replace(['<', '>'], "")),
            None => markdown(name),
        };
        let _ = writeln!(text, "- {name}: suite {}, plan `{plan}`, Tinyassay {}", markdown(suite), markdown(tinyassay));
    }
    for runtime in &merged.runtimes {
        let _ = writeln!(
            text,
            "- computed by ONNX Runtime {} ({}, {}, optimisation {})",
            markdown(&runtime.onnxruntime),
            markdown(&runtime.provider),
            markdown(&runtime.instruction_set),
            markdown(&runtime.optimisation)
        );
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::tests::two;
    use super::*;

    #[test]
    fn a_board_for_each_question() {
        insta::assert_snapshot!(render(&two(), &Choice::default()).unwrap(), @r##"
# Leaderboard

Reports that ask the same question stand on one board: the same rows of the same bytes, the same threat model, the same attacks with the same parameters, the same seed. Boards that ask different questions are not to be compared. An attack's column is the *empirical* robust accuracy, found by search: an **upper bound** on the true robust accuracy on these rows, with its 95 % Clopper-Pearson interval.

## cifar10 test, 200 rows; linf within 8/255

**Threat model.** An attacker who knows the model may change every input by at most 8/255 in the L∞ norm (pixels in 0..1), inside the input's own bounds.

**Data.** 200 rows of cifar10 (test split): the first 200 by index. Digest `3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7`. Licence: MIT.

| # | model  | clean                 | pgd-20                | worst case            | MACs   | params |
|---|--------|-----------------------|-----------------------|-----------------------|--------|--------|
| 1 | strong | 95.00 % (91.00–97.58) | 55.00 % (47.82–62.02) | 55.00 % (47.82–62.02) | 12.5 M | 78.7 k |
| 1 | middle | 95.00 % (91.00–97.58) | 45.00 % (37.98–52.18) | 45.00 % (37.98–52.18) | 20.0 M | 78.7 k |
| 3 | weak   | 95.00 % (91.00–97.58) | 15.00 % (10.35–20.72) | 15.00 % (10.35–20.72) | 1.0 M  | 78.7 k |

Rank: 1 and the number of models that are significantly better on the same rows (McNemar's exact test, Holm-corrected at 5 %).

Pareto front of worst case, MACs, by point estimates: strong, weak.

### Ranks

A model's rank is 1 and the number of models that are significantly better: of the rows that only one of the two withstands (or without attacks, gets right), so many more are the other's that chance would seldom do it. That is McNemar's exact test, two-sided, on the same rows, with Holm's correction for all 3 pairs at 5 %. The pairs say which two can be told apart; two that cannot need not be equal. A pair counts the attacks that both faced: one that a model guides is not tried on it. The difference is in percentage points of all rows, with Tango's 95 % score interval of that pair alone, which need not agree with the corrected test.

| model  | against | only the first | only the second | difference | 95 %             | p        | p (Holm) | better |
|--------|---------|----------------|-----------------|------------|------------------|----------|----------|--------|
| strong | middle  | 60             | 40              | +10.00     | +0.20 to +19.61  | 0.0569   | 0.0569   | –      |
| strong | weak    | 80             | 0               | +40.00     | +33.46 to +46.92 | ≤ 0.0001 | ≤ 0.0001 | strong |
| middle | weak    | 90             | 30              | +30.00     | +19.76 to +39.53 | ≤ 0.0001 | ≤ 0.0001 | middle |

### Classes

Of the rows of each class, in percent: those that the model gets right, and behind the slash those that withstand every listed attack, an upper bound. The worst of each model stands first: a mean over classes can hide it. Classes have fewer rows than the whole, so their numbers are less certain; the worst one is the worst of several, and so too pessimistic a guess for new rows.

| class | rows | strong         | middle         | weak           |
|-------|------|----------------|----------------|----------------|
| worst |      | 90.00 / 40.00  | 90.00 / 20.00  | 90.00 / 0.00   |
| cat   | 100  | 90.00 / 40.00  | 90.00 / 20.00  | 90.00 / 0.00   |
| dog   | 100  | 100.00 / 70.00 | 100.00 / 70.00 | 100.00 / 30.00 |

### Checks

| check  | kind   | revision | parameters                |
|--------|--------|----------|---------------------------|
| pgd-20 | attack | 1        | step_size 2/255; steps 20 |

### Flags

- **tie**: 3 rows of strong under pgd-20; 3 rows of middle under pgd-20; 3 rows of weak under pgd-20. Raised if the judge's verdict rests on two equal highest outputs. Means: another implementation may decide otherwise. Do: look at the margins; read the row as neither progress nor regress.
- **unconfirmed**: 2 rows of strong under pgd-20; 2 rows of middle under pgd-20; 2 rows of weak under pgd-20. Raised if the check found adversarial inputs and the judge rejected them all. Means: the gradient graph and the file disagree near this row. Do: try more restarts before trusting `unknown`.

### Models

| model  | digest                                                           |
|--------|------------------------------------------------------------------|
| strong | eda15ce4834ac303532bc6973df5ff8a5deb75d7dfceb9fc2cdf1bb450a01cf5 |
| middle | a4888af4e46c129c695ee32775a8c233f113c82e7cd4e6fd3cbb1fda5659f36a |
| weak   | 481ba4019c9d2710c3386537382592c093ef02bf5b056c30237b3d92b0e19a1d |

### Reports

- [animals](<animals/report.md>): suite resnet8-linf, plan `64879f7d6b960a01909762d911a32d4582c20010c5641ee90278b644a9e3b525`, Tinyassay 0.1.0
- computed by ONNX Runtime 1.31.1 (cpu, avx2, optimisation all)

## cifar10 test, 10000 rows; linf within 8/255

**Threat model.** An attacker who knows the model may change every input by at most 8/255 in the L∞ norm (pixels in 0..1), inside the input's own bounds.

**Data.** 10000 rows of cifar10 (test split): the first 10000 by index. Digest `3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7`. Licence: MIT.

| # | model                | clean                 | fgsm                  | pgd-20             | worst case         | kl-instability (nats) | lipschitz-l1-linf (logits per unit) | MACs   | params |
|---|----------------------|-----------------------|-----------------------|--------------------|--------------------|-----------------------|-------------------------------------|--------|--------|
| 1 | resnet8-cifar10      | 87.19 % (86.52–87.84) | 20.34 % (19.55–21.14) | 0.21 % (0.13–0.32) | 0.21 % (0.13–0.32) | ≥ 0.01235             | ≥ 71.26                             | 12.5 M | 78.7 k |
| 2 | resnet8-cifar10-int8 | 87.07 % (86.40–87.72) | 21.00 % (20.21–21.81) | 0.17 % (0.10–0.27) | 0.17 % (0.10–0.27) | ≥ 0.01235             | –                                   | 12.5 M | –      |

Rank: the order of worst-case robust accuracy, then clean accuracy; nothing was tested.

Pareto front of worst case, MACs, by point estimates: resnet8-cifar10.

### Checks

| check             | kind                    | revision | parameters                |
|-------------------|-------------------------|----------|---------------------------|
| fgsm              | attack                  | 1        | step_size 2/255; steps 20 |
| pgd-20            | attack                  | 1        | step_size 2/255; steps 20 |
| kl-instability    | probe kl-instability    | 1        | steps 20                  |
| lipschitz-l1-linf | probe lipschitz-l1-linf | 1        | steps 20                  |

### Flags

- **tie**: 3 rows of resnet8-cifar10 under fgsm; 3 rows of resnet8-cifar10 under pgd-20; 3 rows of resnet8-cifar10-int8 under fgsm; 3 rows of resnet8-cifar10-int8 under pgd-20. Raised if the judge's verdict rests on two equal highest outputs. Means: another implementation may decide otherwise. Do: look at the margins; read the row as neither progress nor regress.
- **unconfirmed**: 2 rows of resnet8-cifar10 under fgsm; 2 rows of resnet8-cifar10 under pgd-20; 2 rows of resnet8-cifar10-int8 under fgsm; 2 rows of resnet8-cifar10-int8 under pgd-20. Raised if the check found adversarial inputs and the judge rejected them all. Means: the gradient graph and the file disagree near this row. Do: try more restarts before trusting `unknown`.
- **zero-gradient**: 5 rows of resnet8-cifar10 under kl-instability; 5 rows of resnet8-cifar10 under lipschitz-l1-linf; 5 rows of resnet8-cifar10-int8 under kl-instability; 5 rows of resnet8-cifar10-int8 under lipschitz-l1-linf. Raised if a gradient was zero in every element. Means: the ascent stood still there, so the search may be too weak. Do: try the margin loss or a random start.

### Models

| model                | digest                                                           |
|----------------------|------------------------------------------------------------------|
| resnet8-cifar10      | 2b42bddaf85258fb46bc63884af5c5f34e3bc4465ca32197a07eea2027be79b0 |
| resnet8-cifar10-int8 | 251c4d47ebc8b55ffc29e12f8e0f10a09a2c8c88266da99c20d9f9d43282c765 |

### Reports

- resnet: suite resnet8-linf, plan `64879f7d6b960a01909762d911a32d4582c20010c5641ee90278b644a9e3b525`, Tinyassay 0.1.0
- [resnet-probes](<resnet-probes/report.md>): suite resnet8-linf, plan `64879f7d6b960a01909762d911a32d4582c20010c5641ee90278b644a9e3b525`, Tinyassay 0.1.0
- computed by ONNX Runtime 1.31.1 (cpu, avx2, optimisation all)
"##);
    }
}
