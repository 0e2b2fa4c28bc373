use evidence::{Bound, ProbeResult, Results};
use tabled::builder::Builder;
use tabled::settings::formatting::AlignmentStrategy;
use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Style};

use crate::board::{Board, Doubt, board, doubts, worst_end};
use crate::text::{area, bound_name, bounded, limits, percent, plain, short};
use crate::{columns, corruptions, pareto, ranks, static_cost, transfer};

/// The leaderboard for a terminal: about 110 columns wide for three attacks and names of 20 letters.
pub fn leaderboard(results: &Results) -> String {
    let board = board(results);
    let columns = columns::columns(&board, results);
    shown(results, &board, &pareto::usual(&columns))
}

/// The same of a board in its order, with the front of these columns.
pub(crate) fn shown(results: &Results, board: &Board, front: &[&columns::Column]) -> String {
    let mut table = Builder::default();
    let attacks = board.columns().map(|(_, name)| plain(name));
    let beside = board.probes.len() <= PROBE_COLUMNS;
    let probes = board.probes.iter().filter(|_| beside);
    let probes = probes.map(|probe| format!("{}\nmean, worst 5 %\n{}", plain(&probe.name), plain(&probe.units)));
    let first = ["#".into(), "model".into(), "clean".into()];
    let costs = static_cost::wanted(results);
    let last = ["MACs", "params"].into_iter().chain(costs.iter().map(|column| column.name)).map(str::to_owned);
    let corrupted = board.has_corruptions().then(|| corruptions::COLUMN.replace(", ", "\n"));
    let header =
        first.into_iter().chain(attacks).chain(["worst case".into()]).chain(corrupted).chain(probes).chain(last);
    table.push_record(header);
    for entry in &board.entries {
        let model = entry.model;
        let columns = entry.columns(board);
        let attacks = columns.iter().map(|attack| {
            attack.map_or("–".into(), |attack| {
                with(accuracy(attack.robust_accuracy, attack.ci_low, attack.ci_high), attack.auc, true)
            })
        });
        let worst = model.worst_case.as_ref();
        let worst = worst.map_or("–".into(), |worst| {
            with(accuracy(worst.robust_accuracy, worst.ci_low, worst.ci_high), worst.auc, true)
        });
        let clean = with(accuracy(model.clean_accuracy, model.ci_low, model.ci_high), model.clean_auc, false);
        let first = [entry.rank.to_string(), plain(&model.name), clean];
        let probes = entry.probes.iter().filter(|_| beside).map(|probe| probe.map_or("–".into(), spread));
        let costs = costs.iter().map(|column| column.of(model));
        let last = [short(model.macs), short(model.parameters)].into_iter().chain(costs);
        let corrupted = board.has_corruptions().then(|| corruptions::mean(model.corruptions.as_ref()));
        table.push_record(first.into_iter().chain(attacks).chain([worst]).chain(corrupted).chain(probes).chain(last));
    }
    let mut table = table.build();
    table.with(Style::rounded()).modify(Columns::new(2..), (Alignment::right(), AlignmentStrategy::PerLine));
    let areas = if board.has_areas() { AREAS } else { "" };
    let (doubted, transfers) = (doubted(board), transfer::terminal(board).unwrap_or_default());
    let below = if beside { String::new() } else { table_of_probes(board) };
    let cost: String = costs.iter().map(|column| format!("{}: {}\n", column.name, column.about)).collect();
    let rank = results.ranking.as_ref().map(|ranking| ranks::short_about(ranking) + "\n").unwrap_or_default();
    let front = pareto::line(board, front).map(|line| plain(&line) + "\n").unwrap_or_default();
    format!(
        "{}\n{table}\n{}\n{rank}{front}{areas}{below}{doubted}{}{transfers}{cost}",
        headline(results),
        FOOTER,
        legend(board)
    )
}

/// As many probes have columns of the leaderboard; more have a table of their own, or it would be too wide to read.
const PROBE_COLUMNS: usize = 3;

/// A line for each probe of each model.
fn table_of_probes(board: &Board) -> String {
    let mut table = Builder::default();
    table.push_record(["model", "probe", "mean", "worst 5 %", "worst", "no row above", "ECE"]);
    for entry in &board.entries {
        for probe in entry.probes.iter().flatten() {
            let (tail, worst, _) = worst_end(probe);
            let values = [probe.mean, tail, worst].map(|value| bounded(probe.bound, value));
            let more = [bounded(Bound::Upper, probe.upper), bounded(Bound::Estimate, probe.ece)];
            let names = [plain(&entry.model.name), plain(&probe.name)];
            table.push_record(names.into_iter().chain(values).chain(more));
        }
    }
    let mut table = table.build();
    table.with(Style::rounded()).modify(Columns::new(2..), Alignment::right());
    format!("{table}\n")
}

/// One line for each result that should not be believed as it stands.
fn doubted(board: &Board) -> String {
    let line = |doubt: Doubt<'_>| {
        let attack = doubt.attack.map(|attack| format!(" under {}", plain(attack))).unwrap_or_default();
        format!("inconclusive: {}{attack} ({}); report.md says what that means\n", plain(doubt.model), doubt.reasons())
    };
    doubts(board).into_iter().map(line).collect()
}

/// An accuracy with the area under the ROC curve below it, where there is one.
fn with(accuracy: String, auc: Option<f64>, attacked: bool) -> String {
    auc.map_or(accuracy.clone(), |auc| format!("{accuracy}\n{}", area(auc, attacked)))
}

/// One line for the corruptions, and one for each probe.
fn legend(board: &Board) -> String {
    let line = |probe: &&ProbeResult| {
        let (name, units, bound) = (plain(&probe.name), plain(&probe.units), bound_name(probe.bound));
        format!("{name} [{units}; {bound}]: {}\n", plain(&probe.about))
    };
    let corrupted = board.has_corruptions().then(|| format!("{}: {}\n", corruptions::COLUMN, corruptions::LEGEND));
    corrupted.into_iter().chain(board.probes.iter().map(line)).collect()
}

fn spread(probe: &ProbeResult) -> String {
    let (tail, ..) = worst_end(probe);
    format!("{}\n{}", bounded(probe.bound, probe.mean), bounded(probe.bound, tail))
}

const FOOTER: &str = "Accuracy, below it the 95 % confidence interval (Clopper-Pearson). Robust accuracy counts all rows and is\n\
                      found by search: the true robust accuracy on these rows is at most this.";

const AREAS: &str = "AUC: the area under the ROC curve of the scores; under attack, of confirmed witnesses in place of their samples.\n";

fn headline(results: &Results) -> String {
    let (data, threat) = (&results.dataset, &results.threat);
    let grid = threat.grid.as_ref().map(|grid| format!(", on the grid {grid}")).unwrap_or_default();
    let budget = threat.budget.as_ref().map(|budget| format!(", {budget} a row at most")).unwrap_or_default();
    plain(&format!(
        "{}: {} {}, {} rows; {} within {} ({}){grid}{budget}",
        results.suite, data.name, data.split, data.samples, threat.norm, threat.epsilon, threat.units
    ))
}

fn accuracy(proportion: f64, low: f64, high: f64) -> String {
    format!("{} %\n{}", percent(proportion), limits(low, high))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{detectors, example, model, results, with_corruptions, with_probes};
    use evidence::Flag;

    #[test]
    fn the_leaderboard() {
        insta::assert_snapshot!(leaderboard(&example()), @r#"
        resnet8-linf: cifar10 test, 10000 rows; linf within 8/255 (pixels in 0..1)
        ╭───┬──────────────────────┬─────────────┬─────────────┬───────────┬────────────┬────────┬────────╮
        │ # │ model                │       clean │        fgsm │    pgd-20 │ worst case │   MACs │ params │
        ├───┼──────────────────────┼─────────────┼─────────────┼───────────┼────────────┼────────┼────────┤
        │ 1 │ resnet8-cifar10      │     87.19 % │     20.34 % │    0.21 % │     0.21 % │ 12.5 M │ 78.7 k │
        │   │                      │ 86.52–87.84 │ 19.55–21.14 │ 0.13–0.32 │  0.13–0.32 │        │        │
        │ 2 │ resnet8-cifar10-int8 │     87.07 % │     21.00 % │    0.17 % │     0.17 % │ 12.5 M │      – │
        │   │                      │ 86.40–87.72 │ 20.21–21.81 │ 0.10–0.27 │  0.10–0.27 │        │        │
        ╰───┴──────────────────────┴─────────────┴─────────────┴───────────┴────────────┴────────┴────────╯
        Accuracy, below it the 95 % confidence interval (Clopper-Pearson). Robust accuracy counts all rows and is
        found by search: the true robust accuracy on these rows is at most this.
        Pareto front of worst case, MACs, by point estimates: resnet8-cifar10.
        "#);
    }

    #[test]
    fn probes_stand_beside_the_attacks_with_their_bound_and_are_explained_below() {
        insta::assert_snapshot!(leaderboard(&with_probes()), @r"
        resnet8-linf: cifar10 test, 10000 rows; linf within 8/255 (pixels in 0..1)
        ╭───┬──────────────────────┬─────────────┬─────────────┬───────────┬────────────┬─────────────────┬───────────────────┬────────┬────────╮
        │ # │ model                │       clean │        fgsm │    pgd-20 │ worst case │  kl-instability │ lipschitz-l1-linf │   MACs │ params │
        │   │                      │             │             │           │            │ mean, worst 5 % │   mean, worst 5 % │        │        │
        │   │                      │             │             │           │            │            nats │   logits per unit │        │        │
        ├───┼──────────────────────┼─────────────┼─────────────┼───────────┼────────────┼─────────────────┼───────────────────┼────────┼────────┤
        │ 1 │ resnet8-cifar10      │     87.19 % │     20.34 % │    0.21 % │     0.21 % │       ≥ 0.01235 │           ≥ 71.26 │ 12.5 M │ 78.7 k │
        │   │                      │ 86.52–87.84 │ 19.55–21.14 │ 0.13–0.32 │  0.13–0.32 │       ≥ 0.03703 │           ≥ 213.8 │        │        │
        │ 2 │ resnet8-cifar10-int8 │     87.07 % │     21.00 % │    0.17 % │     0.17 % │       ≥ 0.01235 │                 – │ 12.5 M │      – │
        │   │                      │ 86.40–87.72 │ 20.21–21.81 │ 0.10–0.27 │  0.10–0.27 │       ≥ 0.03703 │                 – │        │        │
        ╰───┴──────────────────────┴─────────────┴─────────────┴───────────┴────────────┴─────────────────┴───────────────────┴────────┴────────╯
        Accuracy, below it the 95 % confidence interval (Clopper-Pearson). Robust accuracy counts all rows and is
        found by search: the true robust accuracy on these rows is at most this.
        Pareto front of worst case, MACs, by point estimates: resnet8-cifar10.
        kl-instability [nats; lower bound]: what kl-instability measures, in one line
        lipschitz-l1-linf [logits per unit; lower bound]: what lipschitz-l1-linf measures, in one line
        ");
    }

    #[test]
    fn what_is_inconclusive_says_why() {
        let mut doubtful = model("masked", 8707, &[("fgsm", 5000)]);
        doubtful.attacks[0].flags.insert(Flag::StoodStill, 4000);
        doubtful.attacks[0].inconclusive = vec![Flag::StoodStill];
        (doubtful.flags, doubtful.inconclusive) = ([(Flag::Randomised, 10_000)].into(), vec![Flag::Randomised]);
        let text = leaderboard(&results(vec![doubtful]));
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with("inconclusive")).collect();
        assert_eq!(
            lines,
            [
                "inconclusive: masked (randomised on 10000 rows); report.md says what that means",
                "inconclusive: masked under fgsm (stood-still on 4000 rows); report.md says what that means",
            ]
        );
        assert!(!leaderboard(&example()).contains("inconclusive"));
    }

    #[test]
    fn areas_stand_below_accuracies_where_there_are_any() {
        insta::assert_snapshot!(leaderboard(&detectors()), @r"
        resnet8-linf: cifar10 test, 10000 rows; linf within 8/255 (pixels in 0..1)
        ╭───┬─────────────┬─────────────┬──────────────┬──────────────┬────────┬────────╮
        │ # │ model       │       clean │       pgd-20 │   worst case │   MACs │ params │
        ├───┼─────────────┼─────────────┼──────────────┼──────────────┼────────┼────────┤
        │ 1 │ autoencoder │     80.00 % │      60.00 % │      60.00 % │ 12.5 M │ 78.7 k │
        │   │             │ 79.20–80.78 │  59.03–60.96 │  59.03–60.96 │        │        │
        │   │             │  AUC 0.9313 │ AUC ≤ 0.7204 │ AUC ≤ 0.7204 │        │        │
        │ 2 │ classifier  │     90.00 % │       0.21 % │       0.21 % │ 12.5 M │ 78.7 k │
        │   │             │ 89.40–90.58 │    0.13–0.32 │    0.13–0.32 │        │        │
        ╰───┴─────────────┴─────────────┴──────────────┴──────────────┴────────┴────────╯
        Accuracy, below it the 95 % confidence interval (Clopper-Pearson). Robust accuracy counts all rows and is
        found by search: the true robust accuracy on these rows is at most this.
        Pareto front of worst case, MACs, by point estimates: autoencoder.
        AUC: the area under the ROC curve of the scores; under attack, of confirmed witnesses in place of their samples.
        ");
    }

    #[test]
    fn corruptions_have_one_column_and_one_line() {
        let text = leaderboard(&with_corruptions());
        assert!(text.contains("corrupted") && text.contains("60.00 %"), "{text}");
        assert!(text.contains("corrupted, mean: the mean accuracy over all corruptions"), "{text}");
        assert!(!leaderboard(&example()).contains("corrupted"));
    }

    #[test]
    fn three_attacks_fit_on_a_screen() {
        let attacks = [("fgsm", 5000), ("pgd-20", 4700), ("pgd-20-trades", 4800)];
        let text = leaderboard(&results(vec![model("resnet8-cifar10-int8", 8707, &attacks)]));
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(120), "{widest:?}\n{text}");
    }

    #[test]
    fn a_hostile_name_cannot_drive_the_terminal() {
        let text = leaderboard(&results(vec![model("evil\u{1b}[2J\r", 5, &[("a\nb", 5)])]));
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    }
}
