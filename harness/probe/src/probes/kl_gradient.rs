use crate::path::{Keep, Pair, Path, Sensitivity, Start, measure};
use crate::probes::kl_instability::divergence;
use crate::probes::{Bound, Probe, Registered, check_path};
use crate::run::{Job, RowValue};
use crate::{Error, ProbeSpec};
use attack::{Cost, Epsilon, Loss, LossHead, Norm, Oracle, ThreatModel};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The largest length of the gradient of `KL(f(x) || f(x'))` by `x'` over the iterates of an ascent of that divergence: the local
/// Lipschitz constant of the divergence by Wu et al.
///
/// With `norm: l1` it bounds the slope per unit of l-inf change of the input. The start counts, the last iterate does not: it
/// has no gradient in TRADES' inner loop either.
///
/// A row where the sample is the only point of the ball has no value.
/// Source: Wu et al. 2021, arXiv:2010.01279, as their code has it: 10 steps of TRADES' inner loop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KlGradient {
    /// How the gradient is measured.
    pub norm: Norm,
    /// Steps of the ascent, at least 1.
    #[schemars(range(min = 1))]
    pub steps: u32,
    /// The size of a step, in the norm and units of epsilon.
    pub step_size: Epsilon,
    /// Where it begins; not at the sample, where the divergence is flat.
    pub start: Start,
}

pub(crate) static KL_GRADIENT: Registered = Registered {
    name: "kl-gradient",
    about: "The largest gradient of KL(f(x) || f(x')) by x' on the way of an ascent: the local Lipschitz constant of Wu et al. \
            2021, arXiv:2010.01279.",
    bound: Bound::Lower,
    falls: false,
    revision: 1,
    cases,
};

fn cases() -> Vec<ProbeSpec> {
    let step_size: Epsilon = "1/100".parse().expect("a fraction");
    let plain = KlGradient { norm: Norm::L1, steps: 7, step_size, start: Start::Random };
    let gaussian = Start::Gaussian("0.001".parse().expect("a fraction"));
    let squares = KlGradient { norm: Norm::L2, start: gaussian, ..plain.clone() };
    [plain, squares].map(ProbeSpec::KlGradient).to_vec()
}

impl Probe for KlGradient {
    fn registered(&self) -> &'static Registered {
        &KL_GRADIENT
    }

    fn units(&self) -> &'static str {
        "nats per unit"
    }

    fn about(&self) -> String {
        format!(
            "the largest {} norm of the gradient of KL(f(x) || f(x')) by x' over the start and {} projected gradient steps but \
             the last; all rows count. The local Lipschitz constant of the divergence is at least this.",
            self.norm, self.steps
        )
    }

    fn check(&self, threat: &ThreatModel) -> Result<(), String> {
        check_path(&self.path(), true, threat)
    }

    fn head(&self) -> Option<LossHead> {
        Some(LossHead::Kl)
    }

    fn cost(&self, _: usize) -> Cost {
        self.path().cost()
    }

    fn run(&self, job: &Job<'_>, oracle: &mut dyn Oracle) -> Result<Vec<RowValue>, Error> {
        measure(job, oracle, self)
    }
}

impl Sensitivity for KlGradient {
    fn path(&self) -> Path {
        Path {
            id: KL_GRADIENT.name,
            steps: self.steps,
            step_size: self.step_size.clone(),
            start: self.start.clone(),
            restarts: 1,
            keep: Keep::Best,
            looks: false,
        }
    }

    fn at_rest(&self) -> Option<f64> {
        None
    }

    fn value(&self, _: &Pair<'_>) -> Option<f64> {
        None
    }

    fn slope(&self, gradient: &[f32]) -> Option<f64> {
        Some(self.norm.length(gradient.iter().map(|g| f64::from(*g))))
    }

    fn loss(&self, pairs: &[Pair<'_>]) -> Loss {
        divergence(pairs)
    }
}
