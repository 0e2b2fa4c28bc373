//! The plan as a person reads it: what will run, and what it costs at worst.

use crate::table;
use runtime::Prepared;
use suite::{ModelSummary, Plan, PlannedCost, PlannedLatency};

/// The plan with its cost estimate. Rows that break early cost less. `models` are those of the plan and then its sources.
pub(crate) fn render(plan: &Plan, models: &[Prepared]) -> String {
    let summary = plan.summary();
    let mut text = format!(
        "plan {} ({})\n  data    {}\n  threat  {}\n",
        summary.suite,
        plan.digest(),
        summary.data,
        summary.threat
    );
    for (kind, entries) in [("attack", &summary.attacks), ("probe ", &summary.probes)] {
        for entry in entries {
            let numbers: Vec<String> = entry.parameters.iter().map(|(name, value)| format!("{name} {value}")).collect();
            text += &format!("  {kind}  {}: {} with {}\n", entry.name, entry.id, numbers.join(", "));
        }
    }
    for (name, numbers) in &summary.corruptions {
        text += &format!("  corruption  {name}: {numbers}\n");
    }
    text += &plan.cost.as_ref().map(|wanted| cost(wanted, plan.models.len())).unwrap_or_default();
    for gate in &plan.gates {
        text += &format!("  gate    {gate}, of {}\n", gate.models.join(", "));
    }
    let header = ["model", "forwards", "backwards", "judge's forwards", "multiply-accumulates at most"];
    let all = || plan.models.iter().chain(&plan.sources).zip(models);
    let macs_of = |name: &str| all().find(|(model, _)| model.name == name).map_or(0, |(_, prepared)| prepared.macs());
    let rows = summary.models.iter().map(|model| {
        let guides = plan.attacks_on(&model.name).map(|attack| attack.source.as_deref().unwrap_or(&model.name));
        let macs = multiply_accumulates(model, guides.map(macs_of), macs_of(&model.name));
        let cells = [model.total.forwards, model.total.backwards, model.total.judge_forwards].map(|n| n.to_string());
        let [forwards, backwards, judge] = cells;
        [model.name.clone(), forwards, backwards, judge, format!("{:.1e}", macs as f64)]
    });
    text += &table::render(header, rows);
    for (model, prepared) in all() {
        prepared.notes().iter().for_each(|note| text += &format!("\n{}: {note}", model.name));
    }
    text
}

/// What the plan wants to know about cost, and how long measuring takes at least with so many models.
fn cost(wanted: &PlannedCost, models: usize) -> String {
    let columns: Vec<&str> = wanted.columns.iter().map(|column| column.name()).collect();
    let mut text = if columns.is_empty() { String::new() } else { format!("  cost    {}\n", columns.join(", ")) };
    for latency in &wanted.latency {
        let PlannedLatency { name, windows, seconds, iterations, warm_ups, threads, batch, reference } = latency;
        let reference = reference.as_ref().map(|reference| format!(", reference {reference}")).unwrap_or_default();
        text += &format!(
            "  cost    {name}: latency with windows {windows}, seconds {seconds}, iterations {iterations}, warm_ups {warm_ups}, \
             threads {threads}, batch {batch}{reference}; at least {} s in all\n",
            latency.least_seconds(models)
        );
    }
    text
}

/// What the checks of a model cost: the forwards and backwards of each attack on the model that guides it, all else on itself.
/// `guides` has the multiply-accumulates of a run of the guide of each attack, `own` those of the model.
fn multiply_accumulates(model: &ModelSummary, guides: impl Iterator<Item = u64>, own: u64) -> u128 {
    let guided = model.attacks.iter().zip(guides);
    let runs = |cost: &attack::Cost| u128::from(cost.forwards) + u128::from(cost.backwards);
    let attacks: u128 = guided.map(|(cost, macs)| runs(cost) * u128::from(macs)).sum();
    let probes: u128 = model.probes.iter().map(runs).sum();
    attacks + (probes + u128::from(model.total.judge_forwards)) * u128::from(own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use attack::Cost;

    fn summary(attacks: &[Cost], probes: &[Cost]) -> ModelSummary {
        let total =
            attacks.iter().chain(probes).copied().fold(Cost { judge_forwards: 5, ..Cost::default() }, Cost::plus);
        ModelSummary { name: "m".into(), attacks: attacks.to_vec(), probes: probes.to_vec(), total }
    }

    #[test]
    fn what_another_model_guides_costs_as_much_as_that_model() {
        let attack = Cost { forwards: 20, backwards: 10, judge_forwards: 3 };
        let probe = Cost { forwards: 2, backwards: 2, judge_forwards: 0 };
        let model = summary(&[attack, attack], &[probe]);
        let total = model.total;
        let all = u128::from(total.forwards + total.backwards + total.judge_forwards);
        assert_eq!(
            multiply_accumulates(&model, [7, 7].into_iter(), 7),
            all * 7,
            "without a transfer it is one product"
        );
        assert_eq!(multiply_accumulates(&model, [7, 1000].into_iter(), 7), all * 7 + 30 * (1000 - 7));
    }
}
