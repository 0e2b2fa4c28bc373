//! The plan as a person reads it: what will run, and what it costs at worst.

use crate::table;
use runtime::Prepared;
use suite::Plan;

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
    let header = ["model", "forwards", "backwards", "judge's forwards", "multiply-accumulates at most"];
    let rows = summary.models.iter().zip(models).map(|(model, prepared)| {
        let runs = model.total.forwards + model.total.backwards + model.total.judge_forwards;
        let macs = u128::from(runs) * u128::from(prepared.macs());
        let cells = [model.total.forwards, model.total.backwards, model.total.judge_forwards].map(|n| n.to_string());
        let [forwards, backwards, judge] = cells;
        [model.name.clone(), forwards, backwards, judge, format!("{:.1e}", macs as f64)]
    });
    text += &table::render(header, rows);
    for (model, prepared) in plan.models.iter().chain(&plan.sources).zip(models) {
        prepared.notes().iter().for_each(|note| text += &format!("\n{}: {note}", model.name));
    }
    text
}
