use crate::path::{Keep, Pair, Path, Sensitivity, Start, measure};
use crate::probes::label_flips::cross_entropy;
use crate::probes::{Bound, Probe, Registered, check_path};
use crate::run::{Job, RowValue};
use crate::{Error, ProbeSpec, softmax};
use attack::{Cost, Epsilon, Loss, LossHead, Norm, Oracle, ThreatModel, argmax};
use ndarray::Array2;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The empirical local Lipschitz constant `max ‖f(x') - f(x)‖ / ‖x' - x‖` over the iterates of an ascent, with both norms and what
/// `f` is by name.
///
/// `inner: ratio` ascends the ratio itself, as LIP and PROARD do: the gradient of the numerator, less the ratio times that of the
/// denominator; where either is a largest element, elements that share it share the gradient. The start and every iterate of
/// every restart count, not only the last, and nothing is added to the denominator (LIP adds 1e-6 to each difference). Logits are
/// float32: what their rounding adds to the ratio is about `K max|z| 2^-23 / ‖x' - x‖`; an iterate whose change is there,
/// but less than ten times `K max|z| 2^-23`, has no value.
///
/// On the grid of an integer input a small start may round to the sample; from there the ascent leaves along the
/// subgradient that lowers the largest logit and raises the others.
///
/// A row where the sample is the only point of the ball has no value.
/// Source: Yang et al. 2020, arXiv:2003.02460, `lolip/utils.py` (l1 over l-inf, logits); Mousavi, Zoljodi, Daneshtalab 2023,
/// eq. 4, which names no norms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lipschitz {
    /// What `f` gives.
    pub outputs: Outputs,
    /// The norm of the change of `f`.
    pub numerator: Norm,
    /// The norm of the change of the input.
    pub denominator: Norm,
    /// What is ascended.
    pub inner: RatioInner,
    /// Steps of each ascent, at least 1.
    #[schemars(range(min = 1))]
    pub steps: u32,
    /// The size of a step, in the norm and units of epsilon.
    pub step_size: Epsilon,
    /// Where each begins.
    pub start: Start,
    /// Ascents from different random points, at least 1.
    #[schemars(range(min = 1))]
    pub restarts: u32,
}

/// What of a model a ratio is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outputs {
    /// The values in front of the softmax.
    Logits,
    /// The class distribution.
    Probabilities,
}

/// What the ascent of [`Lipschitz`] maximises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RatioInner {
    /// The ratio itself.
    Ratio,
    /// Its numerator alone.
    Difference,
    /// The cross-entropy of the right class: the path is that of the attack `pgd`.
    CrossEntropy,
}

pub(crate) static LIPSCHITZ: Registered = Registered {
    name: "lipschitz",
    about: "The empirical local Lipschitz constant: the largest change of the outputs over the change of the input, in named norms, \
            over all iterates of an ascent. Yang et al. 2020, arXiv:2003.02460; Mousavi et al. 2023.",
    bound: Bound::Lower,
    falls: false,
    revision: 1,
    cases,
};

fn cases() -> Vec<ProbeSpec> {
    let step_size: Epsilon = "1/100".parse().expect("a fraction");
    let start = Start::Gaussian("0.001".parse().expect("a fraction"));
    let plain = Lipschitz {
        outputs: Outputs::Logits,
        numerator: Norm::L1,
        denominator: Norm::Linf,
        inner: RatioInner::Ratio,
        steps: 7,
        step_size,
        start,
        restarts: 1,
    };
    let probabilities = Outputs::Probabilities;
    [
        plain.clone(),
        Lipschitz { numerator: Norm::L2, denominator: Norm::L2, restarts: 2, ..plain.clone() },
        Lipschitz { numerator: Norm::Linf, denominator: Norm::L1, outputs: probabilities, ..plain.clone() },
        Lipschitz { inner: RatioInner::Difference, start: Start::Random, ..plain.clone() },
        Lipschitz { inner: RatioInner::CrossEntropy, start: Start::None, ..plain },
    ]
    .map(ProbeSpec::Lipschitz)
    .to_vec()
}

/// How many times what rounding can make of a change of the logits a change has to be.
const TRUSTED: f64 = 10.0;

impl Outputs {
    fn of(self, logits: &[f32]) -> Vec<f64> {
        match self {
            Outputs::Logits => logits.iter().map(|z| f64::from(*z)).collect(),
            Outputs::Probabilities => softmax(logits),
        }
    }
}

impl Probe for Lipschitz {
    fn registered(&self) -> &'static Registered {
        &LIPSCHITZ
    }

    fn units(&self) -> &'static str {
        match self.outputs {
            Outputs::Logits => "logits per unit",
            Outputs::Probabilities => "probability per unit",
        }
    }

    fn about(&self) -> String {
        let outputs = match self.outputs {
            Outputs::Logits => "the logits",
            Outputs::Probabilities => "the class probabilities",
        };
        let ascended = match self.inner {
            RatioInner::Ratio => "the ratio itself".to_owned(),
            RatioInner::Difference => format!("the change of {outputs}"),
            RatioInner::CrossEntropy => "the cross-entropy".to_owned(),
        };
        let restarts =
            if self.restarts > 1 { format!(" from each of {} starts", self.restarts) } else { String::new() };
        format!(
            "the largest {} change of {outputs} per unit of {} change of the input, over the start and {} projected gradient \
             steps of {ascended}{restarts}; all rows count. The local Lipschitz constant is at least this.",
            self.numerator, self.denominator, self.steps
        )
    }

    fn check(&self, threat: &ThreatModel) -> Result<(), String> {
        if threat.epsilon.is_zero() {
            return Err("epsilon is 0, and a ratio needs two points".to_owned());
        }
        check_path(&self.path(), false, threat)
    }

    fn head(&self) -> Option<LossHead> {
        Some(match self.inner {
            RatioInner::Ratio | RatioInner::Difference => LossHead::Linear,
            RatioInner::CrossEntropy => LossHead::CrossEntropy,
        })
    }

    fn cost(&self, _: usize) -> Cost {
        self.path().cost()
    }

    fn bounded_by(&self) -> Option<(Norm, Norm)> {
        (self.outputs == Outputs::Logits).then_some((self.denominator, self.numerator))
    }

    fn run(&self, job: &Job<'_>, oracle: &mut dyn Oracle) -> Result<Vec<RowValue>, Error> {
        measure(job, oracle, self)
    }
}

impl Sensitivity for Lipschitz {
    fn path(&self) -> Path {
        Path {
            id: if self.inner == RatioInner::CrossEntropy { "pgd" } else { LIPSCHITZ.name },
            steps: self.steps,
            step_size: self.step_size.clone(),
            start: self.start.clone(),
            restarts: self.restarts,
            keep: Keep::Best,
            looks: true,
        }
    }

    fn at_rest(&self) -> Option<f64> {
        None
    }

    fn value(&self, pair: &Pair<'_>) -> Option<f64> {
        let run = self.run_of(pair);
        let rise = self.numerator.length(self.change(pair).into_iter());
        // Where most of the change may be rounding, as next to the sample, the ratio is no lower bound of anything.
        let largest = pair.logits.iter().chain(pair.logits_adv).fold(0.0f32, |most, z| most.max(z.abs()));
        let rounding = pair.logits.len() as f64 * f64::from(largest) * f64::from(f32::EPSILON);
        (run > 0.0 && (rise == 0.0 || rounding * TRUSTED <= rise)).then_some(rise / run)
    }

    fn loss(&self, pairs: &[Pair<'_>]) -> Loss {
        if self.inner == RatioInner::CrossEntropy {
            return cross_entropy(pairs);
        }
        let classes = pairs.first().map_or(0, |pair| pair.logits.len());
        let weights = pairs.iter().flat_map(|pair| self.weights(pair)).map(|w| w as f32).collect();
        Loss::linear(Array2::from_shape_vec((pairs.len(), classes), weights).expect("rows of one length"))
    }

    /// The gradient of the ratio, times its denominator.
    fn bend(&self, pair: &Pair<'_>, gradient: &mut [f32]) {
        let run = self.run_of(pair);
        if self.inner != RatioInner::Ratio || run == 0.0 {
            return;
        }
        let ratio = self.numerator.length(self.change(pair).into_iter()) / run;
        let deltas: Vec<f64> = deltas(pair).collect();
        for (g, slope) in gradient.iter_mut().zip(subgradient(self.denominator, &deltas)) {
            *g = (f64::from(*g) - ratio * slope) as f32;
        }
    }
}

impl Lipschitz {
    /// How the outputs change.
    fn change(&self, pair: &Pair<'_>) -> Vec<f64> {
        let (adv, clean) = (self.outputs.of(pair.logits_adv), self.outputs.of(pair.logits));
        adv.iter().zip(clean).map(|(adv, clean)| adv - clean).collect()
    }

    fn run_of(&self, pair: &Pair<'_>) -> f64 {
        self.denominator.length(deltas(pair))
    }

    /// A subgradient of the numerator by the logits at `x'`. Where nothing has changed it is that of a change which lowers the
    /// largest logit and raises the others.
    fn weights(&self, pair: &Pair<'_>) -> Vec<f64> {
        let mut change = self.change(pair);
        if change.iter().all(|change| *change == 0.0) {
            let (largest, _) = argmax(pair.logits);
            change = (0..change.len()).map(|class| if class == largest { -1.0 } else { 1.0 }).collect();
        }
        let slopes = subgradient(self.numerator, &change);
        match self.outputs {
            Outputs::Logits => slopes,
            Outputs::Probabilities => {
                let p = softmax(pair.logits_adv);
                let mean: f64 = p.iter().zip(&slopes).map(|(p, slope)| p * slope).sum();
                p.iter().zip(slopes).map(|(p, slope)| p * (slope - mean)).collect()
            }
        }
    }
}

/// A subgradient of a norm; for l-inf shared evenly by the elements that are largest.
fn subgradient(norm: Norm, v: &[f64]) -> Vec<f64> {
    let length = norm.length(v.iter().copied());
    let sign = |v: f64| if v == 0.0 { 0.0 } else { v.signum() };
    match norm {
        _ if length == 0.0 => vec![0.0; v.len()],
        Norm::L1 => v.iter().map(|v| sign(*v)).collect(),
        Norm::L2 => v.iter().map(|v| v / length).collect(),
        Norm::Linf => {
            let share = 1.0 / v.iter().filter(|v| v.abs() == length).count() as f64;
            v.iter().map(|v| if v.abs() == length { share * sign(*v) } else { 0.0 }).collect()
        }
    }
}

fn deltas(pair: &Pair<'_>) -> impl Iterator<Item = f64> {
    pair.x_adv.iter().zip(pair.x).map(|(adv, x)| f64::from(*adv) - f64::from(*x))
}
