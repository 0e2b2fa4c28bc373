use crate::Cost;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What an attack may ask of the oracle for one row at one radius, all stages of an ensemble together. The search of a row ends
/// before the question that would exceed it. A gradient is one forward and one backward; the judge's forwards are not
/// counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Forwards of a row at most. Without it: as many as the attack asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub forwards: Option<u64>,
    /// Backwards of a row at most. Without it: as many as the attack asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub backwards: Option<u64>,
}

impl Budget {
    /// Whether a row that has spent this much may have one more answer, with a gradient or without.
    pub(crate) fn allows(&self, forwards: u64, backwards: u64, gradient: bool) -> bool {
        let is_left = |cap: Option<u64>, spent: u64| cap.is_none_or(|cap| spent < cap);
        is_left(self.forwards, forwards) && (!gradient || is_left(self.backwards, backwards))
    }

    /// What a search of one row costs at worst that would cost this much without a budget.
    pub fn caps(&self, cost: Cost) -> Cost {
        let least = |cap: Option<u64>, cost: u64| cap.map_or(cost, |cap| cap.min(cost));
        Cost { forwards: least(self.forwards, cost.forwards), backwards: least(self.backwards, cost.backwards), ..cost }
    }

    /// Whether it allows no answer at all, or everything.
    pub fn is_senseless(&self) -> bool {
        self.forwards == Some(0) || *self == Budget::default()
    }
}

/// `2000 forwards and 100 backwards`.
impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let caps = [(self.forwards, "forwards"), (self.backwards, "backwards")];
        let caps: Vec<String> = caps.iter().filter_map(|(cap, what)| Some(format!("{} {what}", (*cap)?))).collect();
        f.write_str(&caps.join(" and "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::laws::{Problem, settings};
    use crate::{AttackSpec, RowOutcome, Rows, Setting, run};

    #[test]
    fn no_search_of_any_attack_asks_for_more_and_what_is_left_runs_as_before() {
        let problem = Problem::mlp();
        let rows = Rows { x: problem.x.view(), labels: &problem.labels, digests: &problem.digests };
        let (mut stopped, mut broken) = (0, 0);
        for (spec, threat) in settings() {
            let outcomes = |budget| -> Vec<RowOutcome> {
                let (mut oracle, mut judge) = (Problem::mlp().network, Problem::mlp().network);
                let setting = Setting { budget, ..crate::laws::setting(&threat, false) };
                run(&spec, &rows, &setting, &mut oracle, &mut judge).expect("it runs")
            };
            let free = outcomes(Budget::default());
            for (forwards, backwards) in [(Some(3), None), (None, Some(2)), (Some(7), Some(0)), (Some(1), Some(1))] {
                let budget = Budget { forwards, backwards };
                for (outcome, free) in outcomes(budget).iter().zip(&free) {
                    let spent = Cost { forwards: outcome.forwards, backwards: outcome.backwards, ..Cost::default() };
                    assert_eq!(budget.caps(spent), spent, "{spec:?} within {budget}");
                    match outcome.out_of_budget {
                        // A minimum-norm attack goes on after it has broken a row.
                        true => stopped += 1,
                        false => assert_eq!(outcome, free, "{spec:?} within {budget}"),
                    }
                    assert!(
                        free.broken || !outcome.broken,
                        "{spec:?} within {budget}: it found what it did not find before"
                    );
                    broken += usize::from(outcome.broken);
                }
            }
            assert!(free.iter().all(|outcome| !outcome.out_of_budget));
        }
        assert!(stopped > 1000 && broken > 0, "{stopped} {broken}");
    }

    #[test]
    fn a_budget_that_every_search_keeps_changes_nothing() {
        let problem = Problem::mlp();
        let rows = Rows { x: problem.x.view(), labels: &problem.labels, digests: &problem.digests };
        for (spec, threat) in settings() {
            let Cost { forwards, backwards, .. } = AttackSpec::cost(&spec, 5);
            let outcomes = |budget| {
                let (mut oracle, mut judge) = (Problem::mlp().network, Problem::mlp().network);
                let setting = Setting { budget, ..crate::laws::setting(&threat, false) };
                run(&spec, &rows, &setting, &mut oracle, &mut judge).expect("it runs")
            };
            let whole = Budget { forwards: Some(forwards), backwards: Some(backwards) };
            assert_eq!(outcomes(whole), outcomes(Budget::default()), "{spec:?}");
        }
    }
}
