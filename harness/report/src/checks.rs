//! What every check did: its parameters and the revision of its algorithm.

use std::collections::BTreeMap;

use evidence::{ModelResult, Results};
use serde_json::Value;

use crate::plan_table;
use crate::text::table;

/// The head of the table.
pub(crate) const HEADER: [&str; 4] = ["check", "kind", "revision", "parameters"];

/// The section of a report.
pub(crate) fn section(results: &Results) -> String {
    table(&HEADER, lines(&results.models).into_iter().map(|line| line.to_vec()))
}

/// A line for each attack, probe and corruption, each once.
pub(crate) fn lines(models: &[ModelResult]) -> Vec<[String; 4]> {
    let line = |name: &str, kind: String, revision: u32, parameters: String| {
        [name.to_owned(), kind, revision.to_string(), parameters]
    };
    let attacks = models.iter().flat_map(|model| &model.attacks).map(|attack| {
        let guide = attack.source.as_ref().map(|source| format!(", guided by {source}")).unwrap_or_default();
        line(&attack.name, format!("attack{guide}"), attack.revision, stated(&attack.parameters))
    });
    let probes = models.iter().flat_map(|model| &model.probes);
    let probes = probes
        .map(|probe| line(&probe.name, format!("probe {}", probe.probe), probe.revision, stated(&probe.parameters)));
    let corruptions = models.iter().flat_map(|model| &model.corruptions).flat_map(|all| &all.corruptions).map(|one| {
        let severities: Vec<String> = one.severities.iter().map(|at| at.severity.to_string()).collect();
        line(&one.name, "corruption".to_owned(), one.revision, format!("severities {}", severities.join(", ")))
    });
    let mut lines: Vec<[String; 4]> = Vec::new();
    for line in attacks.chain(probes).chain(corruptions) {
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

/// `steps 20; step_size 2/255`.
fn stated(parameters: &BTreeMap<String, Value>) -> String {
    let lines = plan_table::lines(parameters);
    let each = lines.iter().map(|(path, value)| format!("{path} {value}"));
    let text = each.collect::<Vec<_>>().join("; ");
    if text.is_empty() { "none".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{example, with_corruptions, with_probes};

    #[test]
    fn every_check_has_one_line() {
        insta::assert_snapshot!(section(&with_probes()), @r##"
| check             | kind                    | revision | parameters                |
|-------------------|-------------------------|----------|---------------------------|
| fgsm              | attack                  | 1        | step_size 2/255; steps 20 |
| pgd-20            | attack                  | 1        | step_size 2/255; steps 20 |
| kl-instability    | probe kl-instability    | 1        | steps 20                  |
| lipschitz-l1-linf | probe lipschitz-l1-linf | 1        | steps 20                  |
"##);
        let kinds: Vec<String> = lines(&with_corruptions().models).into_iter().map(|line| line[1].clone()).collect();
        assert_eq!(kinds, ["attack", "attack", "corruption", "corruption"]);
    }

    #[test]
    fn other_parameters_are_another_line() {
        let mut results = example();
        results.models[1].attacks[0].parameters.insert("steps".into(), 40.into());
        assert_eq!(lines(&results.models).len(), 3);
    }
}
