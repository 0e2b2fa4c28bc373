//! Flash and the memory of activations, known before anything runs.

use evidence::{ModelResult, Results, StaticCost};
use serde_json::Value;

use crate::text::table;

/// One number of a model.
pub(crate) struct Column {
    pub(crate) name: &'static str,
    /// Its name in suites, where one can ask for it.
    listed: Option<&'static str>,
    /// What it says, in one line.
    pub(crate) about: &'static str,
    cell: fn(&StaticCost) -> String,
}

pub(crate) const COLUMNS: &[Column] = &[
    Column {
        name: "file, bytes",
        listed: Some("weight-bytes"),
        about: "all parameters in the types that the file has them in",
        cell: |cost| cost.weight_bytes.to_string(),
    },
    Column {
        name: "int8, bytes",
        listed: Some("int8-bytes"),
        about: "one for each weight and four for each bias, batch norm folded; of a quantized file as it has them",
        cell: |cost| cost.int8_bytes.to_string(),
    },
    Column {
        name: "flash",
        listed: Some("flash"),
        about: "estimate of what a device keeps: these bytes and eight for each output channel, or the file's scales; no code",
        cell: |cost| format!("≈ {}", cost.flash_bytes),
    },
    Column {
        name: "activations",
        listed: Some("peak-memory"),
        about: "bytes alive at the peak, one for each element, with the layers in the file's order; an allocator may need more",
        cell: |cost| cost.activations.file_order_bytes.to_string(),
    },
    Column {
        name: "best order",
        listed: None,
        about: "the same in the best order that was found: = where it is proven that no order is better, otherwise ≤",
        cell: |cost| {
            let sign = if cost.activations.best_is_optimal { "=" } else { "≤" };
            format!("{sign} {}", cost.activations.best_order_bytes)
        },
    },
    Column {
        name: "lower bound",
        listed: None,
        about: "what one layer needs in any order: its own inputs and outputs",
        cell: |cost| format!("≥ {}", cost.activations.lower_bound_bytes),
    },
];

fn header() -> impl Iterator<Item = &'static str> {
    ["model"].into_iter().chain(COLUMNS.iter().map(|column| column.name))
}

fn cells(model: &ModelResult) -> impl Iterator<Item = String> + '_ {
    COLUMNS.iter().map(|column| column.of(model))
}

pub(crate) fn is_known(results: &Results) -> bool {
    results.models.iter().any(|model| model.cost.is_some())
}

/// The table of the report and what its columns say; `None` for results that know nothing of it.
pub(crate) fn section(results: &Results) -> Option<String> {
    let rows = results.models.iter().map(|model| [model.name.clone()].into_iter().chain(cells(model)).collect());
    let legend: String = COLUMNS.iter().map(|column| format!("- **{}**: {}\n", column.name, column.about)).collect();
    is_known(results).then(|| format!("{}\n\n{}", table(&header().collect::<Vec<_>>(), rows), legend.trim_end()))
}

/// The columns that the leaderboard has of these, as the suite's `cost` lists them. MACs and params are always there.
pub(crate) fn wanted(results: &Results) -> Vec<&'static Column> {
    let listed = results.plan.get("cost").and_then(|cost| cost.get("static")?.as_array());
    let listed = listed.into_iter().flatten().filter_map(Value::as_str);
    listed.filter_map(|name| COLUMNS.iter().find(|column| column.listed == Some(name))).collect()
}

impl Column {
    /// The model's number.
    pub(crate) fn of(&self, model: &ModelResult) -> String {
        model.cost.as_ref().map_or("–".to_owned(), self.cell)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{example, with_static_cost};

    #[test]
    fn the_table_explains_every_column() {
        insta::assert_snapshot!(section(&with_static_cost()).unwrap(), @r"
        | model                | file, bytes | int8, bytes | flash   | activations | best order | lower bound |
        |----------------------|-------------|-------------|---------|-------------|------------|-------------|
        | resnet8-cifar10-int8 | –           | –           | –       | –           | –          | –           |
        | resnet8-cifar10      | 312744      | 78744       | ≈ 81512 | 49152       | ≤ 32768    | ≥ 32000     |

        - **file, bytes**: all parameters in the types that the file has them in
        - **int8, bytes**: one for each weight and four for each bias, batch norm folded; of a quantized file as it has them
        - **flash**: estimate of what a device keeps: these bytes and eight for each output channel, or the file's scales; no code
        - **activations**: bytes alive at the peak, one for each element, with the layers in the file's order; an allocator may need more
        - **best order**: the same in the best order that was found: = where it is proven that no order is better, otherwise ≤
        - **lower bound**: what one layer needs in any order: its own inputs and outputs
        ");
    }

    #[test]
    fn the_leaderboard_has_what_the_suite_lists() {
        let mut results = with_static_cost();
        assert!(wanted(&results).is_empty());
        let listed = serde_json::json!({ "static": ["peak-memory", "macs", "flash"] });
        results.plan.insert("cost".into(), listed);
        let names: Vec<&str> = wanted(&results).iter().map(|column| column.name).collect();
        assert_eq!(names, ["activations", "flash"]);
        for format in crate::FORMATS.iter().filter(|format| format.file == Some("report.md")) {
            let text = (format.render)(&results, crate::Beside::default()).unwrap();
            assert!(text.contains("| MACs   | params | activations | flash   |"), "{text}");
        }
        let text = crate::leaderboard(&results);
        assert!(text.contains("│ activations │   flash │") && text.contains("\nactivations: bytes alive"), "{text}");
    }

    #[test]
    fn older_results_have_none() {
        assert_eq!(section(&example()), None);
    }
}
