use crate::{
    At, Calibration, Clever, Error, FirstOrderRadius, JacobianNorm, Keep, KlGradient, KlInner, KlInstability,
    LabelFlips, Lipschitz, LogitMargin, MatrixNorm, Outputs, ProbeSpec, RatioInner, Rivals, Start,
};
use attack::{Epsilon, Norm, ThreatModel};

/// A short name for an exact setting. No preset sets epsilon.
#[derive(Debug)]
pub struct Preset {
    /// The name.
    pub name: &'static str,
    /// The setting in words.
    pub about: &'static str,
    setting: fn(&ThreatModel) -> Result<ProbeSpec, Error>,
}

/// Every preset.
pub static PRESETS: &[Preset] = &[
    Preset {
        name: "kl-instability",
        about: "The divergence at the last iterate of pgd-20: 20 steps of epsilon/4, uniform start in the ball, \
                cross-entropy. Mousavi et al. 2023.",
        setting: |threat| kl_instability(threat, KlInner::CrossEntropy, Keep::Last),
    },
    Preset {
        name: "kl-instability-max",
        about: "The largest divergence on the path of 20 steps of epsilon/4 that ascend it, uniform start in the ball.",
        setting: |threat| kl_instability(threat, KlInner::Kl, Keep::Best),
    },
    Preset {
        name: "label-flips",
        about: "The rows whose predicted class changes at the last iterate of pgd-20: 1 less perturbation stability. Wu et al. 2021.",
        setting: |threat| {
            let (step_size, start) = (threat.epsilon.divided_by(4)?, Start::Random);
            Ok(ProbeSpec::LabelFlips(LabelFlips { steps: 20, step_size, start, keep: Keep::Last }))
        },
    },
    Preset {
        name: "calibration",
        about: "Confidence less accuracy at the samples, and the expected calibration error in 15 bins. Guo et al. 2017.",
        setting: |_| Ok(ProbeSpec::Calibration(Calibration { bins: 15, at: At::Sample })),
    },
    Preset {
        name: "calibration-pgd-20",
        about: "The same at the last iterate of pgd-20.",
        setting: |threat| {
            let at = At::Pgd { steps: 20, step_size: threat.epsilon.divided_by(4)?, start: Start::Random };
            Ok(ProbeSpec::Calibration(Calibration { bins: 15, at }))
        },
    },
    Preset {
        name: "lipschitz-l1-linf",
        about: "The largest l1 change of the logits per l-inf change of the input on the path of 20 steps of epsilon/4 that ascend \
                it, start 0.001 N(0, 1) from the sample. Mousavi et al. 2023 as read by Yang et al. 2020.",
        setting: |threat| lipschitz((Norm::L1, Norm::Linf), 20, threat.epsilon.divided_by(4)?),
    },
    Preset {
        name: "lipschitz-yang",
        about: "The same ratio with the 10 steps of 0.003 of Yang et al. 2020, arXiv:2003.02460; they take the last iterate, this the \
                largest on the path.",
        setting: |_| lipschitz((Norm::L1, Norm::Linf), 10, "0.003".parse()?),
    },
    Preset {
        name: "lipschitz-l2",
        about: "The largest l2 change of the logits per l2 change of the input on the path of 20 steps of epsilon/4 that ascend it, \
                start 0.001 N(0, 1) from the sample.",
        setting: |threat| lipschitz((Norm::L2, Norm::L2), 20, threat.epsilon.divided_by(4)?),
    },
    Preset {
        name: "lipschitz-wu",
        about: "The largest l1 norm of the gradient of KL(f(x) || f(x')) over 10 steps of 0.007 of TRADES' inner loop. Wu et al. \
                2021, arXiv:2010.01279.",
        setting: |_| {
            let (step_size, start) = ("0.007".parse()?, Start::Gaussian("0.001".parse()?));
            Ok(ProbeSpec::KlGradient(KlGradient { norm: Norm::L1, steps: 10, step_size, start }))
        },
    },
    Preset {
        name: "jacobian-frobenius",
        about: "The Frobenius norm of the exact Jacobian of the logits at the sample. Hoffman et al. 2019.",
        setting: |_| Ok(ProbeSpec::JacobianNorm(JacobianNorm { norm: MatrixNorm::Frobenius })),
    },
    Preset {
        name: "jacobian-spectral",
        about: "The spectral norm of the exact Jacobian of the logits at the sample.",
        setting: |_| Ok(ProbeSpec::JacobianNorm(JacobianNorm { norm: MatrixNorm::Spectral })),
    },
    Preset {
        name: "logit-margin",
        about: "The logit of the label less the largest of the others at the sample.",
        setting: |_| Ok(ProbeSpec::LogitMargin(LogitMargin {})),
    },
    Preset {
        name: "first-order-radius",
        about: "The distance of the decision boundary if the model were linear around the sample; an estimate.",
        setting: |_| Ok(ProbeSpec::FirstOrderRadius(FirstOrderRadius {})),
    },
    Preset {
        name: "clever",
        about: "The CLEVER score of Weng et al. 2018: 500 maxima of 1,024 gradients within four times epsilon, all rivals; an \
                estimate. They take a radius of 5 in l2.",
        setting: |threat| clever(threat, 500, 1024, Rivals::All),
    },
    Preset {
        name: "clever-quick",
        about: "The same from 10 maxima of 32 gradients, against the rival with the largest logit alone.",
        setting: |threat| clever(threat, 10, 32, Rivals::Nearest),
    },
];

/// The preset of this name.
pub fn preset(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

impl Preset {
    /// The setting for this threat model, every number explicit.
    ///
    /// Errors: an epsilon that has no fourth part, or no multiple of four.
    pub fn resolve(&self, threat: &ThreatModel) -> Result<ProbeSpec, Error> {
        (self.setting)(threat)
    }
}

fn kl_instability(threat: &ThreatModel, inner: KlInner, keep: Keep) -> Result<ProbeSpec, Error> {
    let (step_size, start) = (threat.epsilon.divided_by(4)?, Start::Random);
    Ok(ProbeSpec::KlInstability(KlInstability { inner, steps: 20, step_size, start, keep }))
}

fn lipschitz((numerator, denominator): (Norm, Norm), steps: u32, step_size: Epsilon) -> Result<ProbeSpec, Error> {
    let start = Start::Gaussian("0.001".parse()?);
    let (outputs, inner, restarts) = (Outputs::Logits, RatioInner::Ratio, 1);
    Ok(ProbeSpec::Lipschitz(Lipschitz { outputs, numerator, denominator, inner, steps, step_size, start, restarts }))
}

fn clever(threat: &ThreatModel, batches: u32, samples: u32, rivals: Rivals) -> Result<ProbeSpec, Error> {
    let radius = threat.epsilon.times(4)?;
    Ok(ProbeSpec::Clever(Clever { batches, samples, radius, rivals }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::laws::threat;

    #[test]
    fn presets_are_exact_settings() {
        let json = |name: &str| {
            let spec = preset(name).expect("a preset").resolve(&threat(Norm::Linf, "8/255")).expect("it resolves");
            serde_json::to_string(&spec).expect("plain data")
        };
        assert_eq!(
            json("kl-instability"),
            r#"{"kl-instability":{"inner":"cross-entropy","steps":20,"step_size":"2/255","start":"random","keep":"last"}}"#
        );
        assert_eq!(
            json("kl-instability-max"),
            r#"{"kl-instability":{"inner":"kl","steps":20,"step_size":"2/255","start":"random","keep":"best"}}"#
        );
        assert_eq!(
            json("label-flips"),
            r#"{"label-flips":{"steps":20,"step_size":"2/255","start":"random","keep":"last"}}"#
        );
        assert_eq!(
            json("lipschitz-l1-linf"),
            r#"{"lipschitz":{"outputs":"logits","numerator":"l1","denominator":"linf","inner":"ratio","steps":20,"step_size":"2/255","start":{"gaussian":"0.001"},"restarts":1}}"#
        );
        assert_eq!(
            json("lipschitz-wu"),
            r#"{"kl-gradient":{"norm":"l1","steps":10,"step_size":"0.007","start":{"gaussian":"0.001"}}}"#
        );
        assert_eq!(
            json("calibration-pgd-20"),
            r#"{"calibration":{"bins":15,"at":{"pgd":{"steps":20,"step_size":"2/255","start":"random"}}}}"#
        );
        assert_eq!(json("clever"), r#"{"clever":{"batches":500,"samples":1024,"radius":"32/255","rivals":"all"}}"#);
        assert_eq!(json("logit-margin"), r#"{"logit-margin":{}}"#);
        assert!(preset("lipschitz").is_none());
    }
}
