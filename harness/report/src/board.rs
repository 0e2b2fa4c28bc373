use std::cmp::Ordering;
use std::collections::BTreeMap;

use evidence::{AttackResult, Flag, ModelResult, ProbeResult, Results};

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
    /// 1 and the number of models that are significantly better on the same rows; in results of before these were compared, models
    /// with equal accuracies share a rank.
    pub(crate) rank: u64,
    /// The model.
    pub(crate) model: &'a ModelResult,
    /// One per column.
    pub(crate) attacks: Vec<Option<&'a AttackResult>>,
    /// One per column.
    pub(crate) probes: Vec<Option<&'a ProbeResult>>,
}

/// Sorts by rank, then worst-case robust accuracy, then clean accuracy, then name.
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
    let tested = |model: &ModelResult| results.ranking.as_ref().and_then(|ranking| ranking.of(&model.name));
    models.sort_by(|a, b| tested(a).cmp(&tested(b)).then_with(|| standing(a, b)).then_with(|| a.name.cmp(&b.name)));
    let mut entries: Vec<Entry> = Vec::new();
    for (index, model) in models.into_iter().enumerate() {
        let shared = entries.last().filter(|last| standing(last.model, model).is_eq()).map(|last| last.rank);
        let column = |name: &&str| model.attacks.iter().find(|attack| attack.name == *name);
        let probe = |one: &&ProbeResult| model.probes.iter().find(|probe| probe.name == one.name);
        entries.push(Entry {
            rank: tested(model).or(shared).unwrap_or(index as u64 + 1),
            model,
            attacks: attacks.iter().map(column).collect(),
            probes: probes.iter().map(probe).collect(),
        });
    }
    Board { attacks, probes, entries }
}

/// One sentence for each result that is inconclusive, without markup: the model, the check or none, and the flags by name.
pub(crate) struct Doubt<'a> {
    /// The model.
    pub(crate) model: &'a str,
    /// The attack; `None` where all that is measured on the model is in doubt.
    pub(crate) attack: Option<&'a str>,
    /// Each flag with its rows.
    pub(crate) flags: Vec<(Flag, u64)>,
}

impl Doubt<'_> {
    /// Such as `stood-still on 40 rows, unconfirmed on 9`.
    pub(crate) fn reasons(&self) -> String {
        let each = self.flags.iter().map(|(flag, rows)| format!("{} on {rows} rows", flag.name()));
        each.collect::<Vec<_>>().join(", ")
    }
}

/// What of the leaderboard is inconclusive.
pub(crate) fn doubts<'a>(board: &Board<'a>) -> Vec<Doubt<'a>> {
    let counted = |flags: &BTreeMap<Flag, u64>, of: &[Flag]| -> Vec<(Flag, u64)> {
        of.iter().map(|flag| (*flag, flags.get(flag).copied().unwrap_or(0))).collect()
    };
    let mut doubts = Vec::new();
    for entry in &board.entries {
        let model = entry.model;
        let whole = Doubt { model: &model.name, attack: None, flags: counted(&model.flags, &model.inconclusive) };
        let attacks = entry.attacks.iter().flatten().map(|attack| Doubt {
            model: &model.name,
            attack: Some(&attack.name),
            flags: counted(&attack.flags, &attack.inconclusive),
        });
        doubts.extend(std::iter::once(whole).chain(attacks).filter(|doubt| !doubt.flags.is_empty()));
    }
    doubts
}

/// Where a probe is worst: the value that at most 5 % of the rows are beyond, the one that none is beyond, and its row.
pub(crate) fn worst_end(probe: &ProbeResult) -> (Option<f64>, Option<f64>, Option<u64>) {
    match &probe.smallest {
        Some(smallest) => (Some(smallest.p5), Some(smallest.min), Some(smallest.row)),
        None => (probe.p95, probe.max, probe.max_row),
    }
}

impl<'a> Entry<'a> {
    /// What the attacks that have a column of their own found.
    pub(crate) fn columns(&self, board: &Board<'a>) -> Vec<Option<&'a AttackResult>> {
        board.columns().map(|(column, _)| self.attacks[column]).collect()
    }
}

impl<'a> Board<'a> {
    /// The attacks that have a column of their own: transfers have a table of theirs.
    pub(crate) fn columns(&self) -> impl Iterator<Item = (usize, &'a str)> {
        let is_transfer = |column: usize| {
            self.entries.iter().filter_map(|entry| entry.attacks[column]).any(|attack| attack.source.is_some())
        };
        self.attacks.iter().copied().enumerate().filter(move |(column, _)| !is_transfer(*column))
    }

    /// Whether some model was run on corrupted rows.
    pub(crate) fn has_corruptions(&self) -> bool {
        self.entries.iter().any(|entry| entry.model.corruptions.is_some())
    }

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
    use evidence::{Place, Ranking};

    fn ranks(models: Vec<ModelResult>) -> Vec<(u64, String)> {
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
    fn tested_ranks_come_first() {
        let mut results = results(vec![model("a", 800, &[("x", 300)]), model("b", 800, &[("x", 301)])]);
        let place = |model: &str, rank| Place { model: model.to_owned(), rank };
        let places = vec![place("a", 1), place("b", 1)];
        results.ranking = Some(Ranking { significance: 0.05, places, pairs: Vec::new() });
        let standing = |results: &Results| {
            board(results).entries.iter().map(|e| (e.rank, e.model.name.clone())).collect::<Vec<_>>()
        };
        assert_eq!(standing(&results), [(1, "b".to_owned()), (1, "a".to_owned())]);
        results.ranking.as_mut().unwrap().places[1].rank = 2;
        assert_eq!(standing(&results), [(1, "a".to_owned()), (2, "b".to_owned())]);
    }

    #[test]
    fn models_without_an_attack_leave_its_column_empty() {
        let results = results(vec![model("a", 800, &[("x", 300)]), model("b", 800, &[("y", 200)])]);
        let board = board(&results);
        assert_eq!(board.attacks, ["x", "y"]);
        assert!(board.entries[0].attacks[1].is_none() && board.entries[1].attacks[0].is_none());
    }
}
