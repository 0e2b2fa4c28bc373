use crate::{Error, Keep, KlInner, KlInstability, LipschitzL1Linf, ProbeSpec, RatioInner, Start};
use attack::ThreatModel;

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
        name: "lipschitz-l1-linf",
        about: "The largest ratio on the path of 20 steps of epsilon/4 that ascend it, start 0.001 N(0, 1) from the \
                sample. Mousavi et al. 2023 as read by Yang et al. 2020, arXiv:2003.02460.",
        setting: |threat| {
            let (step_size, start) = (threat.epsilon.divided_by(4)?, Start::Gaussian("0.001".parse()?));
            Ok(ProbeSpec::LipschitzL1Linf(LipschitzL1Linf { inner: RatioInner::Ratio, steps: 20, step_size, start }))
        },
    },
];

/// The preset of this name.
pub fn preset(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

impl Preset {
    /// The setting for this threat model, every number explicit.
    ///
    /// Errors: an epsilon that has no fourth part.
    pub fn resolve(&self, threat: &ThreatModel) -> Result<ProbeSpec, Error> {
        (self.setting)(threat)
    }
}

fn kl_instability(threat: &ThreatModel, inner: KlInner, keep: Keep) -> Result<ProbeSpec, Error> {
    let (step_size, start) = (threat.epsilon.divided_by(4)?, Start::Random);
    Ok(ProbeSpec::KlInstability(KlInstability { inner, steps: 20, step_size, start, keep }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::laws::threat;
    use attack::Norm;

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
            json("lipschitz-l1-linf"),
            r#"{"lipschitz-l1-linf":{"inner":"ratio","steps":20,"step_size":"2/255","start":{"gaussian":"0.001"}}}"#
        );
        assert!(preset("clever").is_none());
    }
}
