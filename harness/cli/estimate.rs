//! How long a plan takes at most, from a few runs of each model on this machine.

use crate::engine::matrix;
use anyhow::Result;
use attack::{Cost, Loss, LossHead, Oracle, OracleError, Predictor};
use ndarray::{Array2, ArrayView2};
use runtime::Prepared;
use std::time::Instant;
use suite::Plan;

/// Runs of each kind, of which the fastest counts; the first opens a session.
const RUNS: usize = 3;

/// Seconds that a row takes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Pace {
    logits: f64,
    gradient: f64,
    judge: f64,
}

impl Pace {
    /// On the first rows of the data; `head` is a loss whose gradient the plan asks for, if it does.
    fn of(prepared: &Prepared, plan: &Plan, head: Option<LossHead>) -> Result<Pace> {
        let rows: Vec<usize> =
            plan.slices.iter().flat_map(|slice| slice.rows.iter()).take(prepared.micro_batch()).collect();
        let x = matrix(&plan.data.rows_at(&rows)?, &plan.data)?;
        let (x, classes): (ArrayView2<'_, f32>, usize) = (x.view(), prepared.spec().classes);
        let (mut oracle, mut judge) = (prepared.attack_oracle()?, prepared.predictor()?);
        let logits = seconds(x.nrows(), || oracle.logits(x))?;
        let gradient = match head {
            Some(head) => {
                let loss = Loss { head, weights: Array2::from_elem((x.nrows(), classes), 1.0 / classes as f32) };
                seconds(x.nrows(), || oracle.gradient(x, &loss))?
            }
            None => 0.0,
        };
        Ok(Pace { logits, gradient, judge: seconds(x.nrows(), || judge.predict(x))? })
    }

    /// What so many answers of the oracle take.
    fn oracle(self, cost: Cost) -> f64 {
        cost.forwards.saturating_sub(cost.backwards) as f64 * self.logits + cost.backwards as f64 * self.gradient
    }
}

/// Seconds of one of so many rows.
fn seconds<T>(rows: usize, mut run: impl FnMut() -> Result<T, OracleError>) -> Result<f64> {
    let mut fastest = f64::INFINITY;
    for _ in 0..RUNS {
        let start = Instant::now();
        run()?;
        fastest = fastest.min(start.elapsed().as_secs_f64());
    }
    Ok(fastest / rows.max(1) as f64)
}

/// A line that says how long the plan takes at most with so many workers. `models` are those of the plan and then its sources.
///
/// Errors: a model fails.
pub(crate) fn line(plan: &Plan, models: &[Prepared], workers: usize) -> Result<String> {
    let named = || plan.models.iter().chain(&plan.sources);
    let paces: Vec<Pace> = (named().zip(models))
        .map(|(model, prepared)| Pace::of(prepared, plan, plan.heads(model.output.classes).first().copied()))
        .collect::<Result<_>>()?;
    let pace = |name: &str| {
        named().zip(&paces).find(|(model, _)| model.name == name).map_or(Pace::default(), |(_, pace)| *pace)
    };
    let mut seconds = 0.0;
    for model in &plan.summary().models {
        let own = pace(&model.name);
        let guides = plan.attacks_on(&model.name).map(|attack| attack.source.as_deref().map_or(own, pace));
        seconds += model.attacks.iter().zip(guides).map(|(cost, guide)| guide.oracle(*cost)).sum::<f64>();
        seconds += model.probes.iter().map(|cost| own.oracle(*cost)).sum::<f64>();
        seconds += model.total.judge_forwards as f64 * own.judge;
    }
    let time = in_words(seconds / workers.max(1) as f64);
    Ok(format!(
        "time at most: about {time} on {workers} workers at the present speed of this machine; rows that break early take less"
    ))
}

fn in_words(seconds: f64) -> String {
    match seconds {
        _ if seconds < 90.0 => format!("{} s", seconds.ceil()),
        _ if seconds < 5400.0 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gradient_takes_its_own_time_and_no_forward_beside_it() {
        let pace = Pace { logits: 1.0, gradient: 10.0, judge: 100.0 };
        assert_eq!(pace.oracle(Cost { forwards: 7, backwards: 2, judge_forwards: 3 }), 25.0);
        assert_eq!(pace.oracle(Cost::default()), 0.0);
    }

    #[test]
    fn times_are_said_in_words() {
        let table =
            [(0.0, "0 s"), (0.2, "1 s"), (89.0, "89 s"), (91.0, "2 min"), (5399.0, "90 min"), (5400.0, "1.5 h")];
        for (seconds, words) in table {
            assert_eq!(in_words(seconds), words);
        }
    }
}
