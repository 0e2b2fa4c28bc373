use std::fmt::Write;

use evidence::{
    AttackResult, Bound, Flag, FlagDoc, GateVerdict as Verdict, ModelResult, ProbeResult, Results, ThreatFacts,
};

use crate::board::{Board, Doubt, board, doubts, worst_end};
use crate::static_cost::Column;
use crate::text::{area, bound_name, bounded, limits, markdown, percent, plain, quoted, short, table};
use crate::{
    Figure, checks, classes, columns, compare, corruptions, gates, pareto, plan_table, ranks, robustness, static_cost,
    transfer,
};

/// `report.md`: the sections in the order in which a reviewer asks.
pub(super) fn render(results: &Results, training: Option<&Figure>, verdict: Option<&Verdict>) -> String {
    let board = board(results);
    let mut sections = vec![
        title(results),
        format!(
            "## Leaderboard\n\n{}\n\n{}{}",
            leaderboard(&board, &static_cost::wanted(results)),
            below(results, &board, &[]),
            doubted(&board)
        ),
        format!(
            "## How to read it\n\n{HOW_TO_READ}{}{}{}",
            if board.has_areas() { AREAS } else { "" },
            how_to_read_corruptions(&board),
            how_to_read_probes(&board)
        ),
    ];
    sections.extend(ranks::section(&board, results).map(|text| format!("## Ranks\n\n{text}")));
    sections.extend(classes::section(&board).map(|text| format!("## Classes\n\n{text}")));
    if let Some(verdict) = verdict {
        sections.insert(1, format!("## Gates\n\n{}", gates::section(verdict)));
    }
    if !board.probes.is_empty() {
        sections.push(format!("## Probes\n\n{}", probes(&board)));
    }
    sections.extend(corruptions::section(&board).map(|text| format!("## Common corruptions\n\n{text}")));
    let compared = [
        ("Published", compare::published(results)),
        ("How the measures go together", compare::analysis(results)),
        ("Training", training.map(|_| format!("![Measures over epochs]({})\n\n{}", Figure::FILE, Figure::ABOUT))),
    ];
    for (title, text) in compared {
        sections.extend(text.map(|text| format!("## {title}\n\n{text}")));
    }
    sections
        .extend([format!("## Cost\n\n{COST}\n\n{}", costs(results)), format!("## Verdicts\n\n{}", verdicts(&board))]);
    sections.extend(stages(&board).map(|text| format!("## Ensembles\n\n{STAGES}\n\n{text}")));
    sections.extend(transfer::section(&board).map(|text| format!("## Transfer\n\n{text}")));
    sections.extend(robustness::section(&board).map(|text| format!("## Robustness curves\n\n{text}")));
    sections.extend(distances(&board).map(|text| format!("## Distances\n\n{DISTANCES}\n\n{text}")));
    sections.extend([
        format!("## Search and judge\n\n{SEARCH}\n\n{}", search(&board)),
        format!("## Flags\n\n{}", flags(&board)),
        format!("## Checks\n\n{}", checks::section(results)),
        format!("## Models\n\n{}", models(results)),
        format!("## Plan\n\nEvery number that decided the run.\n\n{}", plan(results)),
        format!("## Runtime\n\n{}", runtime(results)),
        format!("## How to run it again\n\n{}", again(results)),
    ]);
    sections.join("\n\n") + "\n"
}

const HOW_TO_READ: &str = "\
- **Clean** is the accuracy of the registered file, unmodified.
- An attack's column is the *empirical* robust accuracy: rows that are classified correctly and for which the search \
found no adversarial input inside the ball, out of all rows. A search can miss, so it is an **upper bound** on the \
true robust accuracy on these rows; it proves nothing.
- **Worst case** counts the rows that withstand every listed attack; it is an upper bound too.
- Intervals are 95 % Clopper-Pearson confidence intervals for the population that the rows were drawn from. Models \
whose intervals overlap may still differ: they were evaluated on the same rows.";

const AREAS: &str = "
- **AUC** is the area under the ROC curve of a detector's scores, whatever the threshold: the share of pairs of an anomalous \
and a normal row in which the anomalous one scores higher, equal scores counted half. Under an attack each row that it broke has \
the score of its confirmed witness, every other row that of its sample. An attack ends once a row is on the wrong side of \
the threshold, and leaves alone what is there already, so that is an **upper bound** on the area that an attacker can leave.";

const SEARCH: &str = "\
An attack only proposes. The judge, which is the registered file, checks that a proposal is inside the ball, runs it, \
and confirms or rejects it. *Ties* are verdicts \
that rest on two equal highest outputs. Forwards and backwards are counted in rows.";

const STAGES: &str = "\
The attacks of an ensemble run one after the other, each on the rows that those before it left unbroken, and each from the \
sample. *Broken* are the rows that an attack broke and none before it; *robust* is what is left, an upper bound.";

const DISTANCES: &str = "\
Of the nearest adversarial inputs that the judge saw, in the norm of the threat model, inside the ball or not. Each is an upper \
bound: there may be a nearer one. Quantiles are over the rows that are right before any attack; ∞ where too few were found.";

const COST: &str = "\
Of one inference. **MACs** are multiply-accumulates of convolutions and dense layers: no bias, no batch normalisation, no \
pooling; in the convention of *torchprofile* each output of an average pool is one more. **Params** are the elements of all \
initializers, running statistics included; *without batch norm* they are those that are left once every BatchNormalization of \
the file is removed. One that was folded into a convolution is not in the file: the bias that it left counts.";

const PROBES: &str = "\
How the values spread over the rows. *Worst 5 %* is their 95th percentile (nearest rank) and *worst* the largest, which *row* has, by \
its index in the data set; of margins and distances, where small is bad, the 5th percentile and the smallest. ≥ is a lower bound: the \
largest value in the ball is at least this; ≤ an upper bound; ≈ an estimate, which no gate may rest on; no sign is exact. *Measured* are \
the rows that have a value. Numbers are rounded to the nearest.";

const UPPER: &str = " *No row above* is a proven Lipschitz constant of the whole network in the same norms, a product of layer norms: every \
value is at most this, in the ball and beyond, but for the float32 rounding of the value itself.";

const ECE: &str = " *ECE* is the expected calibration error.";

fn how_to_read_corruptions(board: &Board) -> String {
    match board.has_corruptions() {
        true => format!("\n- **{}**: {}.", corruptions::COLUMN, corruptions::LEGEND),
        false => String::new(),
    }
}

fn how_to_read_probes(board: &Board) -> String {
    let line = |probe: &&ProbeResult| {
        let (name, units, about) = (markdown(&probe.name), markdown(&probe.units), markdown(&probe.about));
        format!("\n- **{name}** (mean over the rows, {units}, {}): {about}", bound_name(probe.bound))
    };
    board.probes.iter().map(line).collect()
}

fn probes(board: &Board) -> String {
    let has_upper = each_probe(board).any(|(_, probe)| probe.upper.is_some());
    let has_ece = each_probe(board).any(|(_, probe)| probe.ece.is_some());
    let rows = each_probe(board).map(|(model, probe)| {
        let (tail, worst, row) = worst_end(probe);
        let values = [probe.mean, tail, worst].map(|value| bounded(probe.bound, value));
        let names = [model.name.clone(), probe.name.clone()];
        let counts = [
            row.map_or("–".into(), |row| row.to_string()),
            format!("{} of {}", probe.measured, probe.total),
            probe.units.clone(),
            probe.forwards.to_string(),
            probe.backwards.to_string(),
        ];
        let extra = [(has_upper, bounded(Bound::Upper, probe.upper)), (has_ece, bounded(Bound::Estimate, probe.ece))];
        let extra = extra.into_iter().filter_map(|(shown, value)| shown.then_some(value));
        names.into_iter().chain(values).chain(extra).chain(counts).collect()
    });
    let mut header = vec!["model", "probe", "mean", "worst 5 %", "worst"];
    header.extend(has_upper.then_some("no row above"));
    header.extend(has_ece.then_some("ECE"));
    header.extend(["row", "measured", "units", "forwards", "backwards"]);
    let notes = [(has_upper, UPPER), (has_ece, ECE)].into_iter().filter_map(|(shown, note)| shown.then_some(note));
    format!("{PROBES}{}\n\n{}", notes.collect::<String>(), table(&header, rows))
}

fn each_probe<'a>(board: &'a Board<'a>) -> impl Iterator<Item = (&'a ModelResult, &'a ProbeResult)> {
    let entries = board.entries.iter();
    entries.flat_map(|entry| entry.probes.iter().flatten().map(|probe| (entry.model, *probe)))
}

/// What a threat model with a grid or a budget adds.
fn held_to(threat: &ThreatFacts) -> String {
    let grid = threat.grid.as_ref().map(|grid| {
        let grid = markdown(grid);
        format!(", and only to inputs whose every element is {grid}; models that take floats are held to this grid too")
    });
    let budget = threat.budget.as_ref().map(|budget| {
        let budget = markdown(budget);
        format!(". An attack may spend {budget} on a row at one radius, the judge's forwards not counted")
    });
    [grid, budget].map(Option::unwrap_or_default).concat()
}

fn title(results: &Results) -> String {
    format!("# Robustness of the models in {}\n\n{}", markdown(&results.suite), threat_and_data(results))
}

/// What an attacker may do, and on which rows that was tried.
pub(crate) fn threat_and_data(results: &Results) -> String {
    let (data, threat) = (&results.dataset, &results.threat);
    let mut text = String::new();
    let _ = write!(
        text,
        "**Threat model.** An attacker who knows the model may change every input by at most {} in the {} norm ({}), \
         inside the input's own bounds{}.\n\n",
        markdown(&threat.epsilon),
        norm(&threat.norm),
        markdown(&threat.units),
        held_to(threat)
    );
    let _ = write!(
        text,
        "**Data.** {} rows of {} ({} split): {}. Digest `{}`.",
        data.samples,
        markdown(&data.name),
        markdown(&data.split),
        markdown(&data.selection),
        data.digest
    );
    if let Some(licence) = &data.licence {
        let _ = write!(text, " Licence: {}.", markdown(licence));
    }
    text
}

fn norm(name: &str) -> String {
    match name {
        "linf" => "L∞".into(),
        "l1" => "L1".into(),
        "l2" => "L2".into(),
        other => markdown(other),
    }
}

/// The table, best first.
pub(crate) fn leaderboard(board: &Board, costs: &[&Column]) -> String {
    let mut header = vec!["#", "model", "clean"];
    header.extend(board.columns().map(|(_, name)| name));
    header.push("worst case");
    header.extend(board.has_corruptions().then_some(corruptions::COLUMN));
    let probes: Vec<String> = board.probes.iter().map(|probe| format!("{} ({})", probe.name, probe.units)).collect();
    header.extend(probes.iter().map(String::as_str));
    header.extend(["MACs", "params"]);
    header.extend(costs.iter().map(|column| column.name));
    let rows = board.entries.iter().map(|entry| {
        let model = entry.model;
        let mut row = vec![entry.rank.to_string(), model.name.clone()];
        let with = |accuracy: String, auc: Option<f64>, attacked| match auc {
            Some(auc) => format!("{accuracy}, {}", area(auc, attacked)),
            None => accuracy,
        };
        row.push(with(accuracy(model.clean_accuracy, model.ci_low, model.ci_high), model.clean_auc, false));
        row.extend(entry.columns(board).iter().map(|attack| match attack {
            Some(attack) => with(accuracy(attack.robust_accuracy, attack.ci_low, attack.ci_high), attack.auc, true),
            None => "–".into(),
        }));
        row.push(match &model.worst_case {
            Some(worst) => with(accuracy(worst.robust_accuracy, worst.ci_low, worst.ci_high), worst.auc, true),
            None => "–".into(),
        });
        row.extend(board.has_corruptions().then(|| corruptions::mean(model.corruptions.as_ref())));
        row.extend(entry.probes.iter().map(|probe| match probe {
            Some(probe) => bounded(probe.bound, probe.mean),
            None => "–".into(),
        }));
        row.extend([short(model.macs), short(model.parameters)]);
        row.extend(costs.iter().map(|column| column.of(model)));
        row
    });
    table(&header, rows)
}

/// What stands below a leaderboard: what ranks are, and who is on the front of these columns, or of the usual ones.
pub(crate) fn below(results: &Results, board: &Board, front: &[&columns::Column]) -> String {
    let rank = match &results.ranking {
        Some(ranking) => ranks::short_about(ranking),
        None => "Rank: the order of worst-case robust accuracy, then clean accuracy; nothing was tested.".to_owned(),
    };
    let columns = columns::columns(board, results);
    let front = if front.is_empty() { pareto::usual(&columns) } else { front.to_vec() };
    let line = pareto::line(board, &front);
    [Some(rank), line].into_iter().flatten().map(|line| markdown(&line)).collect::<Vec<_>>().join("\n\n")
}

/// The table of counts, and that of bytes where they are known.
fn costs(results: &Results) -> String {
    let tables = [Some(counts(results)), static_cost::section(results)];
    tables.into_iter().flatten().collect::<Vec<_>>().join("\n\n")
}

fn counts(results: &Results) -> String {
    let rows = results.models.iter().map(|model| {
        let counts = [model.macs, model.macs_torchprofile, model.parameters, model.params_without_bn];
        let counts = counts.map(|count| count.map_or("–".into(), |count| count.to_string()));
        std::iter::once(model.name.clone()).chain(counts).collect()
    });
    table(&["model", "MACs", "MACs (torchprofile)", "params", "params without batch norm"], rows)
}

fn verdicts(board: &Board) -> String {
    let share = |count: u64, total: u64| format!("{count} ({} %)", percent(count as f64 / total.max(1) as f64));
    let rows = each_attack(board).map(|(model, attack)| {
        let total = attack.total;
        let counts = [attack.wrong, attack.attacked, attack.certified, attack.unknown].map(|count| share(count, total));
        [model.name.clone(), attack.name.clone()].into_iter().chain(counts).chain([total.to_string()]).collect()
    });
    table(&["model", "attack", "wrong", "attacked", "certified", "unknown", "total"], rows)
}

/// What each attack of the ensembles added, if there are any.
fn stages(board: &Board) -> Option<String> {
    let rows: Vec<Vec<String>> = each_attack(board)
        .flat_map(|(model, attack)| attack.stages.iter().map(move |stage| (model, attack, stage)))
        .map(|(model, attack, stage)| {
            let robust = format!("{} ({} %)", stage.robust, percent(stage.robust_accuracy));
            vec![model.name.clone(), attack.name.clone(), stage.name.clone(), stage.attacked.to_string(), robust]
        })
        .collect();
    (!rows.is_empty()).then(|| table(&["model", "ensemble", "attack", "broken", "robust"], rows.into_iter()))
}

/// How far the nearest adversarial inputs are, if any attack looked for them.
fn distances(board: &Board) -> Option<String> {
    let rows: Vec<Vec<String>> = each_attack(board)
        .filter_map(|(model, attack)| Some((model, attack, attack.distances.as_ref()?)))
        .map(|(model, attack, distances)| {
            let quantile =
                |value: Option<f64>| value.map_or("∞".to_owned(), |value| bounded(Bound::Upper, Some(value)));
            let quantiles = [distances.p25, distances.median, distances.p75].map(quantile);
            let found = format!("{} of {}", distances.found, distances.rows);
            let names = [model.name.clone(), attack.name.clone()];
            names.into_iter().chain(quantiles).chain([found]).collect()
        })
        .collect();
    (!rows.is_empty()).then(|| table(&["model", "attack", "p25", "median", "p75", "found"], rows.into_iter()))
}

fn search(board: &Board) -> String {
    let rows = each_attack(board).map(|(model, attack)| {
        let counts = [
            attack.found,
            attack.confirmed,
            attack.rejected,
            attack.ties,
            attack.forwards,
            attack.backwards,
            attack.judge_forwards,
        ];
        let names = [model.name.clone(), attack.name.clone()];
        names.into_iter().chain(counts.iter().map(u64::to_string)).collect()
    });
    let header =
        ["model", "attack", "found", "confirmed", "rejected", "ties", "forwards", "backwards", "judge forwards"];
    table(&header, rows)
}

/// What of the leaderboard should not be believed as it stands.
pub(crate) fn doubted(board: &Board) -> String {
    let line = |doubt: Doubt<'_>| {
        let attack = doubt.attack.map(|attack| format!(" under {}", markdown(attack))).unwrap_or_default();
        format!("\n- **Inconclusive**: {}{attack}: {}", markdown(doubt.model), doubt.reasons())
    };
    let lines: String = doubts(board).into_iter().map(line).collect();
    if lines.is_empty() {
        lines
    } else {
        format!("\n{lines}\n\nThe truth may lie far below these numbers; see [Flags](#flags).")
    }
}

/// Every flag that was raised, and what to think of it.
pub(crate) fn flags(board: &Board) -> String {
    let raised = |doc: &FlagDoc| {
        let clean = board.entries.iter().filter_map(|entry| {
            let count = entry.model.flags.get(&doc.flag)?;
            Some(format!("{count} rows of {}", markdown(&entry.model.name)))
        });
        let rows = each_attack(board).filter_map(|(model, attack)| {
            let count = attack.flags.get(&doc.flag)?;
            Some(format!("{count} rows of {} under {}", markdown(&model.name), markdown(&attack.name)))
        });
        let probed = each_probe(board).filter_map(|(model, probe)| {
            let count = probe.flags.get(&doc.flag)?;
            Some(format!("{count} rows of {} under {}", markdown(&model.name), markdown(&probe.name)))
        });
        let rows: Vec<_> = clean.chain(rows).chain(probed).collect();
        let FlagDoc { name, raised_if, means, advice, .. } = doc;
        let rows = (!rows.is_empty()).then(|| rows.join("; "))?;
        Some(format!("- **{name}**: {rows}. Raised if {raised_if}. Means: {means}. Do: {advice}."))
    };
    let lines: Vec<_> = Flag::DOCS.iter().filter_map(raised).collect();
    match lines.is_empty() {
        true => "None raised.".into(),
        false => lines.join("\n"),
    }
}

fn each_attack<'a>(board: &'a Board<'a>) -> impl Iterator<Item = (&'a ModelResult, &'a AttackResult)> {
    let entries = board.entries.iter();
    entries.flat_map(|entry| entry.attacks.iter().flatten().map(|attack| (entry.model, *attack)))
}

fn models(results: &Results) -> String {
    let describe = |model: &ModelResult| {
        let mut text = format!("### {}\n\n", markdown(&model.name));
        let _ = writeln!(text, "- digest `{}`", model.digest);
        let (correct, total, ties) = (model.correct, model.total, model.ties);
        let _ = writeln!(
            text,
            "- {correct} of {total} rows correct; predictions that rest on a tie between outputs: {ties}"
        );
        model.notes.iter().for_each(|note| {
            let _ = writeln!(text, "- note: {}", markdown(note));
        });
        text.trim_end().to_owned()
    };
    match results.models.is_empty() {
        true => "None.".into(),
        false => results.models.iter().map(describe).collect::<Vec<_>>().join("\n\n"),
    }
}

fn plan(results: &Results) -> String {
    // Published numbers stand in a table of their own and decide nothing.
    let deciding = results.plan.iter().filter(|(name, _)| *name != "published");
    let deciding = deciding.map(|(name, value)| (name.clone(), value.clone())).collect();
    let lines = plan_table::lines(&deciding).into_iter().map(|(path, value)| vec![path, value]);
    table(&["setting", "value"], lines)
}

fn runtime(results: &Results) -> String {
    let runtime = &results.runtime;
    let lines = [
        ("Tinyassay", &results.tinyassay),
        ("execution provider", &runtime.provider),
        ("ONNX Runtime", &runtime.onnxruntime),
        ("library SHA-256", &runtime.library_sha256),
        ("instruction set", &runtime.instruction_set),
        ("optimisation", &runtime.optimisation),
    ];
    table(&["what", "value"], lines.map(|(name, value)| vec![name.to_owned(), value.clone()]).into_iter())
}

fn again(results: &Results) -> String {
    format!(
        "With Tinyassay {} and the file of suite `{}`, here called `{}.yaml`:\n\n```sh\ntinyassay run {} --samples {} \
         --out again\n```\n\nThe plan's digest is `{}`. On the same runtime identity `again/results.json` equals `results.json` byte for \
         byte; blocks in `evidence/` are reused when the run is given `--cache` with that folder. `sha256sum -c \
         SHA256SUMS` checks the files of this folder.",
        markdown(&results.tinyassay),
        markdown(&results.suite),
        plain(&results.suite),
        quoted(&plain(&format!("{}.yaml", results.suite))),
        results.dataset.samples,
        results.plan_digest
    )
}

fn accuracy(proportion: f64, low: f64, high: f64) -> String {
    format!("{} % ({})", percent(proportion), limits(low, high))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{detectors, example, model, results, with_probes};
    use evidence::{Distances, StageResult};

    fn render(results: &Results, training: Option<&Figure>) -> String {
        super::render(results, training, None)
    }

    #[test]
    fn the_report() {
        insta::assert_snapshot!(render(&example(), None), @r#"
        # Robustness of the models in resnet8-linf

        **Threat model.** An attacker who knows the model may change every input by at most 8/255 in the L∞ norm (pixels in 0..1), inside the input's own bounds.

        **Data.** 10000 rows of cifar10 (test split): the first 10000 by index. Digest `3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7`. Licence: MIT.

        ## Leaderboard

        | # | model                | clean                 | fgsm                  | pgd-20             | worst case         | MACs   | params |
        |---|----------------------|-----------------------|-----------------------|--------------------|--------------------|--------|--------|
        | 1 | resnet8-cifar10      | 87.19 % (86.52–87.84) | 20.34 % (19.55–21.14) | 0.21 % (0.13–0.32) | 0.21 % (0.13–0.32) | 12.5 M | 78.7 k |
        | 2 | resnet8-cifar10-int8 | 87.07 % (86.40–87.72) | 21.00 % (20.21–21.81) | 0.17 % (0.10–0.27) | 0.17 % (0.10–0.27) | 12.5 M | –      |

        Rank: the order of worst-case robust accuracy, then clean accuracy; nothing was tested.

        Pareto front of worst case, MACs, by point estimates: resnet8-cifar10.

        ## How to read it

        - **Clean** is the accuracy of the registered file, unmodified.
        - An attack's column is the *empirical* robust accuracy: rows that are classified correctly and for which the search found no adversarial input inside the ball, out of all rows. A search can miss, so it is an **upper bound** on the true robust accuracy on these rows; it proves nothing.
        - **Worst case** counts the rows that withstand every listed attack; it is an upper bound too.
        - Intervals are 95 % Clopper-Pearson confidence intervals for the population that the rows were drawn from. Models whose intervals overlap may still differ: they were evaluated on the same rows.

        ## Cost

        Of one inference. **MACs** are multiply-accumulates of convolutions and dense layers: no bias, no batch normalisation, no pooling; in the convention of *torchprofile* each output of an average pool is one more. **Params** are the elements of all initializers, running statistics included; *without batch norm* they are those that are left once every BatchNormalization of the file is removed. One that was folded into a convolution is not in the file: the bias that it left counts.

        | model                | MACs     | MACs (torchprofile) | params | params without batch norm |
        |----------------------|----------|---------------------|--------|---------------------------|
        | resnet8-cifar10-int8 | 12501632 | 12501696            | –      | 77706                     |
        | resnet8-cifar10      | 12501632 | 12501696            | 78666  | 77706                     |

        ## Verdicts

        | model                | attack | wrong          | attacked       | certified  | unknown        | total |
        |----------------------|--------|----------------|----------------|------------|----------------|-------|
        | resnet8-cifar10      | fgsm   | 1281 (12.81 %) | 6685 (66.85 %) | 0 (0.00 %) | 2034 (20.34 %) | 10000 |
        | resnet8-cifar10      | pgd-20 | 1281 (12.81 %) | 8698 (86.98 %) | 0 (0.00 %) | 21 (0.21 %)    | 10000 |
        | resnet8-cifar10-int8 | fgsm   | 1293 (12.93 %) | 6607 (66.07 %) | 0 (0.00 %) | 2100 (21.00 %) | 10000 |
        | resnet8-cifar10-int8 | pgd-20 | 1293 (12.93 %) | 8690 (86.90 %) | 0 (0.00 %) | 17 (0.17 %)    | 10000 |

        ## Search and judge

        An attack only proposes. The judge, which is the registered file, checks that a proposal is inside the ball, runs it, and confirms or rejects it. *Ties* are verdicts that rest on two equal highest outputs. Forwards and backwards are counted in rows.

        | model                | attack | found | confirmed | rejected | ties | forwards | backwards | judge forwards |
        |----------------------|--------|-------|-----------|----------|------|----------|-----------|----------------|
        | resnet8-cifar10      | fgsm   | 6697  | 6685      | 12       | 3    | 174380   | 174380    | 8719           |
        | resnet8-cifar10      | pgd-20 | 8710  | 8698      | 12       | 3    | 174380   | 174380    | 8719           |
        | resnet8-cifar10-int8 | fgsm   | 6619  | 6607      | 12       | 3    | 174140   | 174140    | 8707           |
        | resnet8-cifar10-int8 | pgd-20 | 8702  | 8690      | 12       | 3    | 174140   | 174140    | 8707           |

        ## Flags

        - **tie**: 3 rows of resnet8-cifar10 under fgsm; 3 rows of resnet8-cifar10 under pgd-20; 3 rows of resnet8-cifar10-int8 under fgsm; 3 rows of resnet8-cifar10-int8 under pgd-20. Raised if the judge's verdict rests on two equal highest outputs. Means: another implementation may decide otherwise. Do: look at the margins; read the row as neither progress nor regress.
        - **unconfirmed**: 2 rows of resnet8-cifar10 under fgsm; 2 rows of resnet8-cifar10 under pgd-20; 2 rows of resnet8-cifar10-int8 under fgsm; 2 rows of resnet8-cifar10-int8 under pgd-20. Raised if the check found adversarial inputs and the judge rejected them all. Means: the gradient graph and the file disagree near this row. Do: try more restarts before trusting `unknown`.

        ## Checks

        | check  | kind   | revision | parameters                |
        |--------|--------|----------|---------------------------|
        | fgsm   | attack | 1        | step_size 2/255; steps 20 |
        | pgd-20 | attack | 1        | step_size 2/255; steps 20 |

        ## Models

        ### resnet8-cifar10-int8

        - digest `251c4d47ebc8b55ffc29e12f8e0f10a09a2c8c88266da99c20d9f9d43282c765`
        - 8707 of 10000 rows correct; predictions that rest on a tie between outputs: 1
        - note: the softmax ending was cut: gradients are those of the logits

        ### resnet8-cifar10

        - digest `2b42bddaf85258fb46bc63884af5c5f34e3bc4465ca32197a07eea2027be79b0`
        - 8719 of 10000 rows correct; predictions that rest on a tie between outputs: 1

        ## Plan

        Every number that decided the run.

        | setting         | value  |
        |-----------------|--------|
        | attacks.0.name  | fgsm   |
        | attacks.1.name  | pgd-20 |
        | attacks.1.steps | 20     |
        | seed            | 0      |

        ## Runtime

        | what               | value                                                            |
        |--------------------|------------------------------------------------------------------|
        | Tinyassay          | 0.1.0                                                            |
        | execution provider | cpu                                                              |
        | ONNX Runtime       | 1.31.1                                                           |
        | library SHA-256    | fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3 |
        | instruction set    | avx2                                                             |
        | optimisation       | all                                                              |

        ## How to run it again

        With Tinyassay 0.1.0 and the file of suite `resnet8-linf`, here called `resnet8-linf.yaml`:

        ```sh
        tinyassay run resnet8-linf.yaml --samples 10000 --out again
        ```

        The plan's digest is `64879f7d6b960a01909762d911a32d4582c20010c5641ee90278b644a9e3b525`. On the same runtime identity `again/results.json` equals `results.json` byte for byte; blocks in `evidence/` are reused when the run is given `--cache` with that folder. `sha256sum -c SHA256SUMS` checks the files of this folder.
        "#);
    }

    #[test]
    fn probes_have_columns_a_section_and_a_line_each() {
        let (with, without) = (render(&with_probes(), None), render(&example(), None));
        let new: String = with.lines().filter(|line| !without.contains(line)).map(|line| format!("{line}\n")).collect();
        insta::assert_snapshot!(new, @r"
        | # | model                | clean                 | fgsm                  | pgd-20             | worst case         | kl-instability (nats) | lipschitz-l1-linf (logits per unit) | MACs   | params |
        |---|----------------------|-----------------------|-----------------------|--------------------|--------------------|-----------------------|-------------------------------------|--------|--------|
        | 1 | resnet8-cifar10      | 87.19 % (86.52–87.84) | 20.34 % (19.55–21.14) | 0.21 % (0.13–0.32) | 0.21 % (0.13–0.32) | ≥ 0.01235             | ≥ 71.26                             | 12.5 M | 78.7 k |
        | 2 | resnet8-cifar10-int8 | 87.07 % (86.40–87.72) | 21.00 % (20.21–21.81) | 0.17 % (0.10–0.27) | 0.17 % (0.10–0.27) | ≥ 0.01235             | –                                   | 12.5 M | –      |
        - **kl-instability** (mean over the rows, nats, lower bound): what kl-instability measures, in one line
        - **lipschitz-l1-linf** (mean over the rows, logits per unit, lower bound): what lipschitz-l1-linf measures, in one line
        ## Probes
        How the values spread over the rows. *Worst 5 %* is their 95th percentile (nearest rank) and *worst* the largest, which *row* has, by its index in the data set; of margins and distances, where small is bad, the 5th percentile and the smallest. ≥ is a lower bound: the largest value in the ball is at least this; ≤ an upper bound; ≈ an estimate, which no gate may rest on; no sign is exact. *Measured* are the rows that have a value. Numbers are rounded to the nearest.
        | model                | probe             | mean      | worst 5 % | worst    | row  | measured      | units           | forwards | backwards |
        |----------------------|-------------------|-----------|-----------|----------|------|---------------|-----------------|----------|-----------|
        | resnet8-cifar10      | kl-instability    | ≥ 0.01235 | ≥ 0.03703 | ≥ 0.1235 | 4711 | 9999 of 10000 | nats            | 220000   | 200000    |
        | resnet8-cifar10      | lipschitz-l1-linf | ≥ 71.26   | ≥ 213.8   | ≥ 712.6  | 4711 | 9999 of 10000 | logits per unit | 220000   | 200000    |
        | resnet8-cifar10-int8 | kl-instability    | ≥ 0.01235 | ≥ 0.03703 | ≥ 0.1235 | 4711 | 9999 of 10000 | nats            | 220000   | 200000    |
        | resnet8-cifar10-int8 | lipschitz-l1-linf | –         | –         | –        | –    | 0 of 10000    | logits per unit | 220000   | 200000    |
        - **zero-gradient**: 5 rows of resnet8-cifar10 under kl-instability; 5 rows of resnet8-cifar10 under lipschitz-l1-linf; 5 rows of resnet8-cifar10-int8 under kl-instability; 5 rows of resnet8-cifar10-int8 under lipschitz-l1-linf. Raised if a gradient was zero in every element. Means: the ascent stood still there, so the search may be too weak. Do: try the margin loss or a random start.
        | check             | kind                    | revision | parameters                |
        |-------------------|-------------------------|----------|---------------------------|
        | fgsm              | attack                  | 1        | step_size 2/255; steps 20 |
        | pgd-20            | attack                  | 1        | step_size 2/255; steps 20 |
        | kl-instability    | probe kl-instability    | 1        | steps 20                  |
        | lipschitz-l1-linf | probe lipschitz-l1-linf | 1        | steps 20                  |
        ");
    }

    #[test]
    fn ensembles_and_distances_have_sections_where_there_are_any() {
        let without = render(&example(), None);
        let mut both = example();
        let attack = &mut both.models[0].attacks[1];
        let stage = |name: &str, attacked, robust| StageResult {
            name: name.into(),
            attacked,
            robust,
            robust_accuracy: robust as f64 / 10_000.0,
        };
        attack.stages = vec![stage("apgd-ce", 8000, 719), stage("square", 0, 719)];
        attack.distances =
            Some(Distances { rows: 8719, found: 6000, p25: Some(0.0125), median: Some(0.03), p75: None });
        let with = render(&both, None);
        let new: String = with.lines().filter(|line| !without.contains(line)).map(|line| format!("{line}\n")).collect();
        insta::assert_snapshot!(new, @r"
        ## Ensembles
        The attacks of an ensemble run one after the other, each on the rows that those before it left unbroken, and each from the sample. *Broken* are the rows that an attack broke and none before it; *robust* is what is left, an upper bound.
        | model                | ensemble | attack  | broken | robust       |
        |----------------------|----------|---------|--------|--------------|
        | resnet8-cifar10-int8 | pgd-20   | apgd-ce | 8000   | 719 (7.19 %) |
        | resnet8-cifar10-int8 | pgd-20   | square  | 0      | 719 (7.19 %) |
        ## Distances
        Of the nearest adversarial inputs that the judge saw, in the norm of the threat model, inside the ball or not. Each is an upper bound: there may be a nearer one. Quantiles are over the rows that are right before any attack; ∞ where too few were found.
        | model                | attack | p25       | median    | p75 | found        |
        |----------------------|--------|-----------|-----------|-----|--------------|
        | resnet8-cifar10-int8 | pgd-20 | ≤ 0.01250 | ≤ 0.03000 | ∞   | 6000 of 8719 |
        ");
    }

    #[test]
    fn areas_stand_beside_accuracies_and_are_explained_where_there_are_any() {
        let text = render(&detectors(), None);
        let row = text.lines().find(|line| line.contains("| autoencoder |")).unwrap();
        insta::assert_snapshot!(row, @"| 1 | autoencoder | 80.00 % (79.20–80.78), AUC 0.9313 | 60.00 % (59.03–60.96), AUC ≤ 0.7204 | 60.00 % (59.03–60.96), AUC ≤ 0.7204 | 12.5 M | 78.7 k |");
        assert!(text.contains("- **AUC** is the area") && !render(&example(), None).contains("AUC"), "{text}");
        assert_eq!(text.lines().filter(|line| line.contains("| classifier ") && line.contains("AUC")).count(), 0);
    }

    #[test]
    fn a_name_cannot_add_a_column() {
        let text = render(&results(vec![model("a|b", 5, &[("x", 3)])]), None);
        let row = text.lines().find(|line| line.contains("a\\|b")).unwrap();
        assert_eq!(row.replace("\\|", "").matches('|').count(), 8, "{row}");
    }
}
