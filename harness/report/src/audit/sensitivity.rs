use evidence::{Bound, ProbeResult};

use super::Case;
use super::wording::{each_attack, each_probe};
use crate::board::worst_end;
use crate::document::{Section, Table, Text};
use crate::text::{bound_name, bounded};

pub(super) fn section(case: &Case<'_>) -> Section {
    let section = Section::new("Sensitivity")
        .paragraph("How far outputs move where inputs move a little, whether the decision changes or not.");
    let header = ["mean", "worst 5 %", "worst", "no row above (proven)"];
    let rows = each_probe(case.results()).map(|(model, probe)| {
        let (tail, worst, _) = worst_end(probe);
        let values = [probe.mean, tail, worst].map(|value| bounded(probe.bound, value));
        let upper = bounded(Bound::Upper, probe.upper);
        let names = [model.name.clone(), probe.name.clone(), kind(probe)];
        names.into_iter().chain(values).chain([upper]).map(Text::from).collect::<Vec<_>>()
    });
    let table = Table::new(&["model", "probe", "units, kind of bound"], &header).rows(rows.collect::<Vec<_>>());
    let section = match table.rows.is_empty() {
        true => section.note("No probe of sensitivity was run: Lipschitz constants, Jacobians and the like are not known."),
        false => section
            .paragraph(
                "≥ is a lower bound, found at a point: the truth may be larger. ≤ is an upper bound. ≈ is an estimate, on which no \
                 decision should rest. No sign is exact. Of margins and distances, where small is bad, the worst are the smallest.",
            )
            .table(table),
    };
    let distances = distances(case);
    match distances.rows.is_empty() {
        true => section,
        false => section
            .paragraph("Distance to the nearest adversarial input that was found, an upper bound row by row; ∞ where too few were found.")
            .table(distances),
    }
}

fn kind(probe: &ProbeResult) -> String {
    format!("{}, {}", probe.units, bound_name(probe.bound))
}

fn distances(case: &Case<'_>) -> Table {
    let rows = each_attack(case.results()).filter_map(|(model, attack)| {
        let distances = attack.distances.as_ref()?;
        let quantile = |value: Option<f64>| value.map_or("∞".to_owned(), |value| bounded(Bound::Upper, Some(value)));
        let quantiles = [distances.p25, distances.median, distances.p75].map(quantile);
        let found = format!("{} of {}", distances.found, distances.rows);
        Some([model.name.clone(), attack.name.clone()].into_iter().chain(quantiles).chain([found]).collect::<Vec<_>>())
    });
    Table::new(&["model", "attack"], &["p25", "median", "p75", "found"]).rows(rows.collect::<Vec<_>>())
}
