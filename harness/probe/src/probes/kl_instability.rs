use crate::path::{Keep, Pair, Path, Sensitivity, Start, measure};
use crate::probes::label_flips::cross_entropy;
use crate::probes::{Bound, Probe, Registered, check_path};
use crate::run::{Job, RowValue};
use crate::{Error, ProbeSpec, kl_divergence, softmax};
use attack::{Cost, Epsilon, Loss, LossHead, Oracle, ThreatModel};
use ndarray::Array2;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `KL(f(x) || f(x'))` of the class distributions at a sample and at a point of the ball, natural logarithm, in nats.
///
/// With `inner: cross-entropy` and `keep: last` the point is where projected gradient ascent of the cross-entropy ends, from
/// the random stream of the attack `pgd`: the very iterates of `pgd-20` where the steps are the same. With `inner: kl`
/// the divergence itself is ascended; `keep: best` takes its largest value on the path.
///
/// The label of a row steers cross-entropy only; rows that are classified wrong count as well.
/// Source: Mousavi, Zoljodi, Daneshtalab 2023, eq. 3; the inner maximum as in Zhang et al. 2019, arXiv:1901.08573.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KlInstability {
    /// What is ascended.
    pub inner: KlInner,
    /// Steps of the ascent, at least 1.
    #[schemars(range(min = 1))]
    pub steps: u32,
    /// The size of a step, in the norm and units of epsilon.
    pub step_size: Epsilon,
    /// Where it begins.
    pub start: Start,
    /// Which iterate counts.
    pub keep: Keep,
}

/// What the ascent of [`KlInstability`] maximises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KlInner {
    /// The cross-entropy of the right class.
    CrossEntropy,
    /// The divergence itself.
    Kl,
}

pub(crate) static KL_INSTABILITY: Registered = Registered {
    name: "kl-instability",
    about: "KL(f(x) || f(x')) of the class distributions at a sample and at a point x' of the ball that gradient ascent finds. \
            Mousavi et al. 2023 (there: perturbation instability).",
    bound: Bound::Lower,
    falls: false,
    revision: 1,
    cases,
};

fn cases() -> Vec<ProbeSpec> {
    let step_size: Epsilon = "1/100".parse().expect("a fraction");
    let plain =
        KlInstability { inner: KlInner::CrossEntropy, steps: 7, step_size, start: Start::Random, keep: Keep::Last };
    let gaussian = Start::Gaussian("0.001".parse().expect("a fraction"));
    [
        plain.clone(),
        KlInstability { keep: Keep::Best, start: Start::None, ..plain.clone() },
        KlInstability { inner: KlInner::Kl, start: Start::RandomClipped, ..plain.clone() },
        KlInstability { inner: KlInner::Kl, start: gaussian, keep: Keep::Best, ..plain },
    ]
    .map(ProbeSpec::KlInstability)
    .to_vec()
}

impl Probe for KlInstability {
    fn registered(&self) -> &'static Registered {
        &KL_INSTABILITY
    }

    fn units(&self) -> &'static str {
        "nats"
    }

    fn about(&self) -> String {
        let ascended = match self.inner {
            KlInner::CrossEntropy => "of the cross-entropy",
            KlInner::Kl => "of the divergence itself",
        };
        let which = match self.keep {
            Keep::Last => "the last of",
            Keep::Best => "the one of largest divergence among",
        };
        format!(
            "KL(f(x) || f(x')) in nats of the class distributions at a sample x and at x', {which} {} projected gradient \
             steps {ascended}; all rows count. At least this much is possible in the ball.",
            self.steps
        )
    }

    fn check(&self, threat: &ThreatModel) -> Result<(), String> {
        check_path(&self.path(), self.inner == KlInner::Kl, threat)
    }

    fn head(&self) -> Option<LossHead> {
        Some(match self.inner {
            KlInner::CrossEntropy => LossHead::CrossEntropy,
            KlInner::Kl => LossHead::Kl,
        })
    }

    fn cost(&self, _: usize) -> Cost {
        self.path().cost()
    }

    fn run(&self, job: &Job<'_>, oracle: &mut dyn Oracle) -> Result<Vec<RowValue>, Error> {
        measure(job, oracle, self)
    }
}

impl Sensitivity for KlInstability {
    fn path(&self) -> Path {
        Path {
            id: if self.inner == KlInner::CrossEntropy { "pgd" } else { KL_INSTABILITY.name },
            steps: self.steps,
            step_size: self.step_size.clone(),
            start: self.start.clone(),
            restarts: 1,
            keep: self.keep,
            looks: self.keep == Keep::Best,
        }
    }

    fn at_rest(&self) -> Option<f64> {
        Some(0.0)
    }

    fn value(&self, pair: &Pair<'_>) -> Option<f64> {
        Some(kl_divergence(pair.logits, pair.logits_adv))
    }

    fn loss(&self, pairs: &[Pair<'_>]) -> Loss {
        match self.inner {
            KlInner::CrossEntropy => cross_entropy(pairs),
            KlInner::Kl => divergence(pairs),
        }
    }
}

/// The divergence of these rows from the class distributions at their samples.
pub(crate) fn divergence(pairs: &[Pair<'_>]) -> Loss {
    let classes = pairs.first().map_or(0, |pair| pair.logits.len());
    let rows = pairs.iter().flat_map(|pair| softmax(pair.logits)).map(|p| p as f32).collect();
    Loss::kl(Array2::from_shape_vec((pairs.len(), classes), rows).expect("rows of one length"))
}
