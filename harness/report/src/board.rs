use std::cmp::Ordering;

use evidence::{AttackResult, ModelResult, ProbeResult, Results};

/// The leaderboard as data: who stands where, and which columns there are.
pub(crate) struct Board<'a> {
    /// Names of all attacks, in the order of the first model that has them.
    pub(crate) attacks: Vec<&'a str>,
    /// All probes, likewise.
    pub(crate) probes: Vec<&'a ProbeResult>,
    /// Best first.
    pub(crate) entries: Vec<Entry<'a>>,
}

/// One line of the leaderboard.
pub(crate) struct Entry<'a> {
    /// From 1; models with equal accuracies share a rank.
    pub(crate) rank: usize,
    /// The model.
    pub(crate) model: &'a ModelResult,
    /// One per column.
    pub(crate) attacks: Vec<Option<&'a AttackResult>>,
    /// One per column.
    pub(crate) probes: Vec<Option<&'a ProbeResult>>,
}

/// Sorts by worst-case robust accuracy, then clean accuracy, then name.
pub(crate) fn board(results: &Results) -> Board<'_> {
    let mut attacks: Vec<&str> = Vec::new();
    for attack in results.models.iter().flat_map(|model| &model.attacks) {
        if !attacks.contains(&attack.name.as_str()) {
            attacks.push(&attack.name);
        }
    }
    let mut probes: Vec<&ProbeResult> = Vec::new();
    for probe in results.models.iter().flat_map(|model| &model.probes) {
        if !probes.iter().any(|other| other.name == probe.name) {
            probes.push(probe);
        }
    }
    let mut models: Vec<_> = results.models.iter().collect();
    models.sort_by(|a, b| standing(a, b).then_with(|| a.name.cmp(&b.name)));
    let mut entries: Vec<Entry> = Vec::new();
    for (index, model) in models.into_iter().enumerate() {
        let shared = entries.last().filter(|last| standing(last.model, model).is_eq()).map(|last| last.rank);
        let column = |name: &&str| model.attacks.iter().find(|attack| attack.name == *name);
        let probe = |one: &&ProbeResult| model.probes.iter().find(|probe| probe.name == one.name);
        entries.push(Entry {
            rank: shared.unwrap_or(index + 1),
            model,
            attacks: attacks.iter().map(column).collect(),
            probes: probes.iter().map(probe).collect(),
        });
    }
    Board { attacks, probes, entries }
}

impl Board<'_> {
    /// Whether some model scores rows, so that there are areas under ROC curves.
    pub(crate) fn has_areas(&self) -> bool {
        self.entries.iter().any(|entry| entry.model.clean_auc.is_some())
    }
}

fn standing(a: &ModelResult, b: &ModelResult) -> Ordering {
    let worst = |model: &ModelResult| model.worst_case.as_ref().map_or(0.0, |worst| worst.robust_accuracy);
    worst(b).total_cmp(&worst(a)).then(b.clean_accuracy.total_cmp(&a.clean_accuracy))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{model, results};

    fn ranks(models: Vec<ModelResult>) -> Vec<(usize, String)> {
        let results = results(models);
        board(&results).entries.iter().map(|entry| (entry.rank, entry.model.name.clone())).collect()
    }

    #[test]
    fn worst_case_then_clean_then_name() {
        let models = vec![
            model("b", 800, &[("pgd", 300)]),
            model("a", 800, &[("pgd", 300)]),
            model("c", 900, &[("pgd", 100)]),
            model("d", 810, &[("pgd", 300)]),
        ];
        let names = ranks(models);
        let expected = [(1, "d"), (2, "a"), (2, "b"), (4, "c")].map(|(rank, name)| (rank, name.to_owned()));
        assert_eq!(names, expected);
    }

    #[test]
    fn models_without_an_attack_leave_its_column_empty() {
        let results = results(vec![model("a", 800, &[("x", 300)]), model("b", 800, &[("y", 200)])]);
        let board = board(&results);
        assert_eq!(board.attacks, ["x", "y"]);
        assert!(board.entries[0].attacks[1].is_none() && board.entries[1].attacks[0].is_none());
    }
}
