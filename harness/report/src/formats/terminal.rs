use evidence::Results;
use tabled::builder::Builder;
use tabled::settings::formatting::AlignmentStrategy;
use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Style};

use crate::board::board;
use crate::text::{limits, percent, plain, short};

/// The leaderboard for a terminal: about 110 columns wide for three attacks and names of 20 letters.
pub fn leaderboard(results: &Results) -> String {
    let board = board(results);
    let mut table = Builder::default();
    let attacks = board.attacks.iter().map(|name| plain(name));
    table.push_record(["#".into(), "model".into(), "clean".into()].into_iter().chain(attacks).chain([
        "worst case".into(),
        "MACs".into(),
        "params".into(),
    ]));
    for entry in &board.entries {
        let model = entry.model;
        let attacks = entry.attacks.iter().map(|attack| {
            attack.map_or("–".into(), |attack| accuracy(attack.robust_accuracy, attack.ci_low, attack.ci_high))
        });
        let worst = model.worst_case.as_ref();
        let worst = worst.map_or("–".into(), |worst| accuracy(worst.robust_accuracy, worst.ci_low, worst.ci_high));
        let clean = accuracy(model.clean_accuracy, model.ci_low, model.ci_high);
        let first = [entry.rank.to_string(), plain(&model.name), clean];
        table.push_record(first.into_iter().chain(attacks).chain([worst, short(model.macs), short(model.parameters)]));
    }
    let mut table = table.build();
    table.with(Style::rounded()).modify(Columns::new(2..), (Alignment::right(), AlignmentStrategy::PerLine));
    format!("{}\n{table}\n{}\n", headline(results), FOOTER)
}

const FOOTER: &str = "Accuracy, below it the 95 % confidence interval (Clopper-Pearson). Robust accuracy counts all rows and is\n\
                      found by search: the true robust accuracy on these rows is at most this.";

fn headline(results: &Results) -> String {
    let (data, threat) = (&results.dataset, &results.threat);
    plain(&format!(
        "{}: {} {}, {} rows; {} within {} ({})",
        results.suite, data.name, data.split, data.samples, threat.norm, threat.epsilon, threat.units
    ))
}

fn accuracy(proportion: f64, low: f64, high: f64) -> String {
    format!("{} %\n{}", percent(proportion), limits(low, high))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{example, model, results};

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
        "#);
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
