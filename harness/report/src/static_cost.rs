//! Flash and the memory of activations, known before anything runs.

use evidence::{ModelResult, Results, StaticCost};
use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Style};

use crate::text::{plain, table};

/// One number of a model.
struct Column {
    name: &'static str,
    /// What it says, in one line.
    about: &'static str,
    cell: fn(&StaticCost) -> String,
}

const COLUMNS: &[Column] = &[
    Column {
        name: "file, bytes",
        about: "all parameters in the types that the file has them in",
        cell: |cost| cost.weight_bytes.to_string(),
    },
    Column {
        name: "int8, bytes",
        about: "one for each weight and four for each bias, batch norm folded; of a quantized file as it has them",
        cell: |cost| cost.int8_bytes.to_string(),
    },
    Column {
        name: "flash",
        about: "estimate of what a device keeps: these bytes and eight for each output channel, or the file's scales; no code",
        cell: |cost| format!("≈ {}", cost.flash_bytes),
    },
    Column {
        name: "activations",
        about: "bytes alive at the peak, one for each element, with the layers in the file's order; an allocator may need more",
        cell: |cost| cost.activations.file_order_bytes.to_string(),
    },
    Column {
        name: "best order",
        about: "the same in the best order that was found: = where it is proven that no order is better, otherwise ≤",
        cell: |cost| {
            let sign = if cost.activations.best_is_optimal { "=" } else { "≤" };
            format!("{sign} {}", cost.activations.best_order_bytes)
        },
    },
    Column {
        name: "lower bound",
        about: "what one layer needs in any order: its own inputs and outputs",
        cell: |cost| format!("≥ {}", cost.activations.lower_bound_bytes),
    },
];

fn header() -> impl Iterator<Item = &'static str> {
    ["model"].into_iter().chain(COLUMNS.iter().map(|column| column.name))
}

fn cells(model: &ModelResult) -> impl Iterator<Item = String> + '_ {
    COLUMNS.iter().map(|column| model.cost.as_ref().map_or("–".to_owned(), column.cell))
}

fn is_known(results: &Results) -> bool {
    results.models.iter().any(|model| model.cost.is_some())
}

/// The table of the report and what its columns say; `None` for results that know nothing of it.
pub(crate) fn section(results: &Results) -> Option<String> {
    let rows = results.models.iter().map(|model| [model.name.clone()].into_iter().chain(cells(model)).collect());
    let legend: String = COLUMNS.iter().map(|column| format!("- **{}**: {}\n", column.name, column.about)).collect();
    is_known(results).then(|| format!("{}\n\n{}", table(&header().collect::<Vec<_>>(), rows), legend.trim_end()))
}

/// The same for a terminal.
pub(crate) fn terminal(results: &Results) -> Option<String> {
    let mut rows = Builder::default();
    rows.push_record(header());
    for model in &results.models {
        rows.push_record([plain(&model.name)].into_iter().chain(cells(model)));
    }
    let mut rows = rows.build();
    rows.with(Style::rounded()).modify(Columns::new(1..), Alignment::right());
    let legend: String = COLUMNS.iter().map(|column| format!("{}: {}\n", column.name, column.about)).collect();
    is_known(results).then(|| format!("\nCost\n{rows}\n{legend}"))
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
    fn the_terminal_has_the_same() {
        let text = terminal(&with_static_cost()).unwrap();
        insta::assert_snapshot!(text, @r"

        Cost
        ╭──────────────────────┬─────────────┬─────────────┬─────────┬─────────────┬────────────┬─────────────╮
        │ model                │ file, bytes │ int8, bytes │   flash │ activations │ best order │ lower bound │
        ├──────────────────────┼─────────────┼─────────────┼─────────┼─────────────┼────────────┼─────────────┤
        │ resnet8-cifar10-int8 │           – │           – │       – │           – │          – │           – │
        │ resnet8-cifar10      │      312744 │       78744 │ ≈ 81512 │       49152 │    ≤ 32768 │     ≥ 32000 │
        ╰──────────────────────┴─────────────┴─────────────┴─────────┴─────────────┴────────────┴─────────────╯
        file, bytes: all parameters in the types that the file has them in
        int8, bytes: one for each weight and four for each bias, batch norm folded; of a quantized file as it has them
        flash: estimate of what a device keeps: these bytes and eight for each output channel, or the file's scales; no code
        activations: bytes alive at the peak, one for each element, with the layers in the file's order; an allocator may need more
        best order: the same in the best order that was found: = where it is proven that no order is better, otherwise ≤
        lower bound: what one layer needs in any order: its own inputs and outputs
        ");
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(130), "{widest:?}");
    }

    #[test]
    fn older_results_have_none() {
        assert_eq!((section(&example()), terminal(&example())), (None, None));
    }
}
