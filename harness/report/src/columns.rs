//! Every number of a leaderboard as a column that can be sorted by, filtered, drawn and written for machines.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use evidence::{AttackResult, Bound, ClassResult, ModelResult, ProbeResult, Results};

use crate::board::{Board, worst_end};
use crate::text::{bound_name, bounded, number, percent, short};
use crate::{corruptions, ranks};

/// What a column's numbers are.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Unit {
    /// A place, from 1.
    Rank,
    /// A proportion in `[0, 1]`, shown in percent.
    Share,
    /// How many.
    Count,
    /// How many bytes.
    Bytes,
    /// Anything else, in these units.
    Of(String),
}

/// Which end of a column is the good one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    /// Large numbers are good.
    Higher,
    /// Small numbers are good.
    Lower,
}

/// One number of every model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    /// What `--sort` and `--pareto` call it; unique.
    pub(crate) id: String,
    /// What stands above it.
    pub(crate) title: String,
    /// What it says, in a sentence or two without markup.
    pub(crate) about: String,
    /// What its numbers are.
    pub(crate) unit: Unit,
    /// Which end is the good one.
    pub(crate) better: Better,
    /// Whether the page leaves it out until it is asked for.
    pub(crate) is_minor: bool,
    /// One per model, in the order of the board.
    pub(crate) values: Vec<Value>,
}

/// A model's number, if it has one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Value {
    /// The number.
    pub(crate) number: Option<f64>,
    /// Its 95 % confidence limits.
    pub(crate) interval: Option<(f64, f64)>,
    /// What it says about the truth.
    pub(crate) bound: Bound,
    /// What stands below it, such as the class that an accuracy is of.
    pub(crate) note: Option<String>,
    /// Whether a flag makes it inconclusive.
    pub(crate) is_doubted: bool,
}

impl Value {
    fn of(number: Option<f64>, bound: Bound) -> Self {
        Self { number, interval: None, bound, note: None, is_doubted: false }
    }

    fn none() -> Self {
        Self::of(None, Bound::Exact)
    }
}

impl Column {
    /// The number as text, with the sign that says which bound it is where that is not plain from the column.
    pub(crate) fn text(&self, value: &Value) -> String {
        let Some(number) = value.number else { return "–".into() };
        match &self.unit {
            Unit::Rank => format!("{number}"),
            Unit::Share => format!("{} %", percent(number)),
            Unit::Count | Unit::Bytes => match value.bound {
                Bound::Exact => short(Some(number as u64)),
                Bound::Upper => format!("≤ {}", short(Some(number as u64))),
                Bound::Lower => format!("≥ {}", short(Some(number as u64))),
                Bound::Estimate => format!("≈ {}", short(Some(number as u64))),
            },
            Unit::Of(_) => bounded(value.bound, Some(number)),
        }
    }

    /// The units as a word: `share`, `count`, `bytes`, `nats`.
    pub(crate) fn unit_name(&self) -> &str {
        match &self.unit {
            Unit::Rank => "rank",
            Unit::Share => "share",
            Unit::Count => "count",
            Unit::Bytes => "bytes",
            Unit::Of(units) => units,
        }
    }

    /// The order of two of its values: the better one first, models without a number last.
    pub(crate) fn standing(&self, a: &Value, b: &Value) -> Ordering {
        match (a.number, b.number) {
            (Some(a), Some(b)) if self.better == Better::Higher => b.total_cmp(&a),
            (Some(a), Some(b)) => a.total_cmp(&b),
            (a, b) => b.is_some().cmp(&a.is_some()),
        }
    }

    /// Whether some model has a number.
    fn is_known(&self) -> bool {
        self.values.iter().any(|value| value.number.is_some())
    }
}

/// All columns that some model has a number in.
pub(crate) fn columns(board: &Board, results: &Results) -> Vec<Column> {
    let column = |id: &str, title: &str, about: String, unit: Unit, better: Better, values: Vec<Value>| Column {
        id: id.to_owned(),
        title: title.to_owned(),
        about,
        unit,
        better,
        is_minor: false,
        values,
    };
    let each = |value: &dyn Fn(&ModelResult) -> Value| -> Vec<Value> {
        board.entries.iter().map(|entry| value(entry.model)).collect()
    };
    let ranks = board.entries.iter().map(|entry| Value::of(Some(entry.rank as f64), Bound::Exact)).collect();
    let mut columns = vec![
        column("rank", "rank", rank_about(results), Unit::Rank, Better::Lower, ranks),
        column("clean", "clean", CLEAN.to_owned(), Unit::Share, Better::Higher, each(&clean)),
    ];
    for (index, name) in board.columns() {
        let values = board
            .entries
            .iter()
            .map(|entry| entry.attacks[index].map_or(Value::none(), |attack| attacked(entry.model, attack)))
            .collect();
        columns.push(column(name, name, format!("{ATTACK} `{name}`. {UPPER}"), Unit::Share, Better::Higher, values));
    }
    columns.push(column(
        "worst-case",
        "worst case",
        format!("{WORST} {UPPER}"),
        Unit::Share,
        Better::Higher,
        each(&worst),
    ));
    let area = |auc: Option<f64>, bound| Value::of(auc, bound);
    columns.extend([
        column(
            "clean-auc",
            "clean AUC",
            AREA.to_owned(),
            Unit::Of("area".into()),
            Better::Higher,
            each(&|model| area(model.clean_auc, Bound::Exact)),
        ),
        column(
            "worst-auc",
            "worst AUC",
            format!("{AREA} {ATTACKED_AREA}"),
            Unit::Of("area".into()),
            Better::Higher,
            each(&|model| area(model.worst_case.as_ref().and_then(|worst| worst.auc), Bound::Upper)),
        ),
        column(
            "worst-class",
            "worst class",
            WORST_CLASS.to_owned(),
            Unit::Share,
            Better::Higher,
            each(&|model| worst_class(model, |class| Some(class.correct), Bound::Exact)),
        ),
        column(
            "worst-class-robust",
            "worst class, robust",
            format!("{WORST_CLASS_ROBUST} {UPPER}"),
            Unit::Share,
            Better::Higher,
            each(&|model| worst_class(model, |class| class.robust, Bound::Upper)),
        ),
        column(
            "corrupted",
            corruptions::COLUMN,
            format!("Common corruptions: {}.", corruptions::LEGEND),
            Unit::Share,
            Better::Higher,
            each(&|model| Value::of(model.corruptions.as_ref().map(|all| all.mean_accuracy), Bound::Exact)),
        ),
    ]);
    for (index, probe) in board.probes.iter().enumerate() {
        let about = format!(
            "{} Mean over the rows, in {}: {} of the mean of the largest values in the ball. Below it the worst 5 %.",
            probe.about,
            probe.units,
            article(bound_name(probe.bound))
        );
        let better = if probe.smallest.is_some() { Better::Higher } else { Better::Lower };
        let values = board.entries.iter().map(|entry| entry.probes[index].map_or(Value::none(), probed)).collect();
        columns.push(column(&probe.name, &probe.name, about, Unit::Of(probe.units.clone()), better, values));
    }
    for cost in COSTS {
        let value = |model: &ModelResult| {
            (cost.of)(model).map_or(Value::none(), |(number, bound)| Value::of(Some(number as f64), bound))
        };
        let column = column(cost.id, cost.title, cost.about.to_owned(), cost.unit.clone(), Better::Lower, each(&value));
        columns.push(Column { is_minor: cost.is_minor, ..column });
    }
    columns.retain(Column::is_known);
    name_apart(&mut columns);
    columns
}

const CLEAN: &str = "Accuracy of the registered file on the rows as they are, by the judge.";
const ATTACK: &str = "Empirical robust accuracy: rows that are right and for which this search found no adversarial input, out of all \
                      rows. The search is";
const WORST: &str = "Rows that are right and withstand every listed attack, out of all rows.";
const UPPER: &str = "An upper bound: a search can miss.";
const AREA: &str = "The area under the ROC curve of a detector's scores, whatever the threshold.";
const ATTACKED_AREA: &str = "Each row has the worst score of its sample and its confirmed witnesses. An upper bound.";
const WORST_CLASS: &str = "Accuracy on the rows of the class that the model does worst on; the class stands below. Another draw of rows may \
                           have another worst class, so there is no interval.";
const WORST_CLASS_ROBUST: &str = "Rows that withstand every listed attack, of the class that has the smallest share of them; the class stands \
                                  below.";

fn rank_about(results: &Results) -> String {
    match &results.ranking {
        Some(ranking) => format!(
            "1 and the number of models that are significantly better on the same rows: McNemar's exact test, corrected by Holm for {}, \
             at {} %.",
            ranks::corrected_for(ranking),
            number(100.0 * ranking.significance).trim_end_matches(".000")
        ),
        None => "The order of worst-case robust accuracy, then clean accuracy. Nothing was tested: these results do not say which rows a \
                 model gets."
            .to_owned(),
    }
}

fn article(name: &str) -> String {
    match name {
        "exact" => "exact, no bound".to_owned(),
        "estimate" | "upper bound" => format!("an {name}"),
        _ => format!("a {name}"),
    }
}

fn clean(model: &ModelResult) -> Value {
    let interval = Some((model.ci_low, model.ci_high));
    Value {
        interval,
        is_doubted: !model.inconclusive.is_empty(),
        ..Value::of(Some(model.clean_accuracy), Bound::Exact)
    }
}

fn attacked(model: &ModelResult, attack: &AttackResult) -> Value {
    let interval = Some((attack.ci_low, attack.ci_high));
    Value {
        interval,
        is_doubted: !model.inconclusive.is_empty() || !attack.inconclusive.is_empty(),
        ..Value::of(Some(attack.robust_accuracy), attack.bound)
    }
}

/// In doubt where every attack that it rests on is.
fn worst(model: &ModelResult) -> Value {
    let Some(worst) = &model.worst_case else { return Value::none() };
    let least = model.attacks.iter().map(|attack| attack.robust).min();
    let mut deciding = model.attacks.iter().filter(|attack| Some(attack.robust) == least);
    let is_doubted = !model.inconclusive.is_empty() || deciding.all(|attack| !attack.inconclusive.is_empty());
    let interval = Some((worst.ci_low, worst.ci_high));
    Value { interval, is_doubted, ..Value::of(Some(worst.robust_accuracy), worst.bound) }
}

fn worst_class(model: &ModelResult, of: impl Fn(&ClassResult) -> Option<u64>, bound: Bound) -> Value {
    let shares = model.classes.iter().filter_map(|class| {
        (class.total > 0).then_some(())?;
        Some((of(class)? as f64 / class.total as f64, class))
    });
    match shares.min_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((share, class)) => Value { note: Some(class_name(class)), ..Value::of(Some(share), bound) },
        None => Value::none(),
    }
}

/// The class, or the number of the output where no class of the data set is right there.
pub(crate) fn class_name(class: &ClassResult) -> String {
    if class.name.is_empty() { format!("output {}", class.output) } else { class.name.clone() }
}

fn probed(probe: &ProbeResult) -> Value {
    let (tail, ..) = worst_end(probe);
    let note = tail.map(|tail| format!("worst 5 % {}", number(tail)));
    Value { note, ..Value::of(probe.mean, probe.bound) }
}

/// A static cost.
struct Cost {
    id: &'static str,
    title: &'static str,
    about: &'static str,
    unit: Unit,
    is_minor: bool,
    of: fn(&ModelResult) -> Option<(u64, Bound)>,
}

const COSTS: &[Cost] = &[
    Cost {
        id: "macs",
        title: "MACs",
        about: "Multiply-accumulates of one inference: convolutions and dense layers.",
        unit: Unit::Count,
        is_minor: false,
        of: |model| Some((model.macs?, Bound::Exact)),
    },
    Cost {
        id: "macs-torchprofile",
        title: "MACs (torchprofile)",
        about: "The same and one for each element that an average pool or a mean gives.",
        unit: Unit::Count,
        is_minor: true,
        of: |model| Some((model.macs_torchprofile?, Bound::Exact)),
    },
    Cost {
        id: "params",
        title: "params",
        about: "Elements of all initializers.",
        unit: Unit::Count,
        is_minor: false,
        of: |model| Some((model.parameters?, Bound::Exact)),
    },
    Cost {
        id: "params-without-bn",
        title: "params without batch norm",
        about: "Those that are left once every BatchNormalization of the file is removed.",
        unit: Unit::Count,
        is_minor: true,
        of: |model| Some((model.params_without_bn?, Bound::Exact)),
    },
    Cost {
        id: "weight-bytes",
        title: "file weights",
        about: "Bytes of all parameters in the types that the file has them in.",
        unit: Unit::Bytes,
        is_minor: true,
        of: |model| Some((model.cost.as_ref()?.weight_bytes, Bound::Exact)),
    },
    Cost {
        id: "int8-bytes",
        title: "int8 weights",
        about: "Bytes: one for each weight and four for each bias, batch norm folded; of a quantized file as it has them.",
        unit: Unit::Bytes,
        is_minor: true,
        of: |model| Some((model.cost.as_ref()?.int8_bytes, Bound::Exact)),
    },
    Cost {
        id: "flash-bytes",
        title: "flash",
        about: "Estimate of the bytes that a device keeps: int8 weights and eight for each output channel, or the file's scales; no code.",
        unit: Unit::Bytes,
        is_minor: true,
        of: |model| Some((model.cost.as_ref()?.flash_bytes, Bound::Estimate)),
    },
    Cost {
        id: "peak-memory-bytes",
        title: "peak memory",
        about: "Bytes of activations alive at the peak, one for each element, with the layers in the file's order; an allocator may need more.",
        unit: Unit::Bytes,
        is_minor: false,
        of: |model| Some((model.cost.as_ref()?.activations.file_order_bytes, Bound::Exact)),
    },
    Cost {
        id: "best-order-bytes",
        title: "peak memory, best order",
        about: "The same in the best order that was found.",
        unit: Unit::Bytes,
        is_minor: true,
        of: |model| {
            let activations = &model.cost.as_ref()?.activations;
            let bound = if activations.best_is_optimal { Bound::Exact } else { Bound::Upper };
            Some((activations.best_order_bytes, bound))
        },
    },
];

/// An attack may have the name of a probe or of a column of ours: later ones get a number.
fn name_apart(columns: &mut [Column]) {
    let mut taken = BTreeSet::new();
    for column in columns {
        let stem = column.id.clone();
        let mut count = 1;
        while !taken.insert(column.id.clone()) {
            count += 1;
            column.id = format!("{stem}-{count}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::board;
    use crate::sample::{
        compared, detectors, example, model, ranked, results, with_corruptions, with_probes, with_static_cost,
    };

    #[test]
    fn every_column_is_explained_has_a_name_of_its_own_and_a_value_for_every_model() {
        let all = [example(), ranked(), with_probes(), with_static_cost(), with_corruptions(), detectors(), compared()];
        for results in all {
            let board = board(&results);
            let columns = columns(&board, &results);
            let ids: BTreeSet<&str> = columns.iter().map(|column| column.id.as_str()).collect();
            assert_eq!(ids.len(), columns.len());
            for column in &columns {
                assert!(column.about.ends_with('.') && column.is_known(), "{}", column.id);
                assert_eq!(column.values.len(), results.models.len(), "{}", column.id);
            }
        }
    }

    #[test]
    fn names_that_are_taken_get_a_number() {
        let results = results(vec![model("a", 5, &[("clean", 4), ("clean-2", 3), ("macs", 2)])]);
        let board = board(&results);
        let ids: Vec<String> = columns(&board, &results).into_iter().map(|column| column.id).collect();
        assert_eq!(&ids[..5], ["rank", "clean", "clean-2", "clean-2-2", "macs"]);
        assert!(ids.contains(&"macs-2".to_owned()), "{ids:?}");
    }

    #[test]
    fn the_best_comes_first_and_what_is_missing_last() {
        let results = with_static_cost();
        let board = board(&results);
        let columns = columns(&board, &results);
        for column in columns {
            let mut values = column.values.clone();
            values.sort_by(|a, b| column.standing(a, b));
            let numbers: Vec<Option<f64>> = values.iter().map(|value| value.number).collect();
            let known: Vec<f64> = numbers.iter().copied().flatten().collect();
            assert!(numbers[..known.len()].iter().all(Option::is_some), "{}", column.id);
            let falls = known.windows(2).all(|pair| pair[0] >= pair[1]);
            let rises = known.windows(2).all(|pair| pair[0] <= pair[1]);
            assert!(if column.better == Better::Higher { falls } else { rises }, "{}", column.id);
        }
    }

    #[test]
    fn the_worst_class_is_named() {
        let results = ranked();
        let board = board(&results);
        let columns = columns(&board, &results);
        let worst = columns.iter().find(|column| column.id == "worst-class-robust").unwrap();
        let texts: Vec<(String, Option<&str>)> =
            worst.values.iter().map(|value| (worst.text(value), value.note.as_deref())).collect();
        assert_eq!(
            texts,
            [("40.00 %".into(), Some("cat")), ("20.00 %".into(), Some("cat")), ("0.00 %".into(), Some("cat"))]
        );
    }
}
