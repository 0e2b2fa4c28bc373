use crate::{
    Apgd, AttackSpec, BoundaryWalk, CwL2, CwLinf, Deepfool, Directions, Ensemble, Epsilon, Error, Fab, Fgsm,
    HopSkipJump, Keep, LossKind, MiFgsm, Noise, NoiseKind, Norm, Pgd, Spsa, Square, Start, Targets, ThreatModel,
    Update,
};

/// A short name for an exact setting. No preset sets epsilon.
#[derive(Debug)]
pub struct Preset {
    /// The name.
    pub name: &'static str,
    /// The setting in words.
    pub about: &'static str,
    setting: fn(&ThreatModel) -> Result<AttackSpec, Error>,
}

/// Every preset.
pub static PRESETS: &[Preset] = &[
    Preset {
        name: "apgd-ce",
        about: "Auto-PGD of 100 steps up the cross-entropy, once; in L1 five times.",
        setting: |threat| Ok(apgd_ce(threat)),
    },
    Preset {
        name: "apgd-dlr",
        about: "Auto-PGD of 100 steps up the difference of logits ratio, once.",
        setting: |_| Ok(apgd(LossKind::Dlr, 0, 1)),
    },
    Preset {
        name: "apgd-t",
        about: "Auto-PGD of 100 steps up the targeted ratio, to each of the nine likeliest rivals; in L1 of the five.",
        setting: |threat| Ok(apgd_t(threat)),
    },
    Preset {
        name: "boundary",
        about: "Brendel, Rauber and Bethge's nearest misclassified input in L2 by the predicted class alone: a walk of at most \
                20,000 steps, 23,000 queries, with Foolbox's lengths. Foolbox walks 25,000 steps.",
        setting: |_| {
            let [spherical_step, source_step, convergence] = decimals(["0.01", "0.01", "1e-7"])?;
            Ok(AttackSpec::Boundary(BoundaryWalk {
                steps: 20_000,
                spherical_step,
                source_step,
                convergence,
                starts: 1000,
            }))
        },
    },
    Preset {
        name: "cw-l2",
        about: "Carlini and Wagner's nearest misclassified input in L2: 9 descents of at most 1,000 steps of Adam at 0.01, c \
                from 0.01.",
        setting: |_| {
            let [learning_rate, c, confidence] = decimals(["0.01", "0.01", "0"])?;
            Ok(AttackSpec::CwL2(CwL2 { steps: 1000, searches: 9, learning_rate, c, confidence }))
        },
    },
    Preset {
        name: "cw-linf",
        about: "Carlini and Wagner's nearest misclassified input in L-inf: at most 60 descents of at most 200 steps of Adam at \
                0.02, c from 0.01.",
        setting: |_| {
            let [learning_rate, c, confidence] = decimals(["0.02", "0.01", "0"])?;
            Ok(AttackSpec::CwLinf(CwLinf { steps: 200, searches: 60, learning_rate, c, confidence }))
        },
    },
    Preset {
        name: "cw-pgd",
        about: "20 steps of epsilon/4 up the margin from a uniform start, best iterate: what papers call CW under L-inf. \
                Carlini and Wagner's own attack is another.",
        setting: |threat| {
            let pgd = pgd_20(threat.epsilon.divided_by(4)?, Start::Random, Keep::Best);
            Ok(AttackSpec::Pgd(Pgd { loss: LossKind::Margin, ..pgd }))
        },
    },
    Preset {
        name: "deepfool",
        about: "DeepFool of at most 50 steps to the nearest of nine rivals' boundaries, 2 % beyond: the nearest misclassified \
                input that it finds.",
        setting: |_| Ok(AttackSpec::Deepfool(Deepfool { steps: 50, candidates: 10, overshoot: "0.02".parse()? })),
    },
    Preset {
        name: "ensemble-fast",
        about: "For every change: Auto-PGD of 50 steps up the cross-entropy, then up the targeted ratio to the three likeliest \
                rivals. Without FAB, Square and six of the rivals of ensemble-standard.",
        setting: |_| {
            let apgd = |loss, targets| Apgd { steps: 50, loss, targets, restarts: 1, eot: 1 };
            Ok(ensemble(
                [(LossKind::CrossEntropy, 0), (LossKind::Dlr, 3)].map(|(loss, n)| AttackSpec::Apgd(apgd(loss, n))),
            ))
        },
    },
    Preset {
        name: "ensemble-int8",
        about: "For files of integers: ensemble-standard without FAB, whose nearest points between the steps of the grid round \
                away. Square sees the file's own integers. Beside it stands a transfer from the float twin.",
        setting: |threat| Ok(ensemble([apgd_ce(threat), apgd_t(threat), square()?])),
    },
    Preset {
        name: "ensemble-plus",
        about: "Five restarts of apgd-ce, apgd-dlr and fab, then square, apgd-t and fab-t. AutoAttack's `plus`.",
        setting: |_| {
            let (ce, dlr) = (apgd(LossKind::CrossEntropy, 0, 5), apgd(LossKind::Dlr, 0, 5));
            Ok(ensemble([ce, dlr, fab(0, 5), square()?, apgd(LossKind::Dlr, 9, 1), fab(9, 1)]))
        },
    },
    Preset {
        name: "ensemble-rand",
        about: "Auto-PGD up the cross-entropy, then up the difference of logits ratio, with gradients averaged over 20 draws, \
                for models that draw random numbers. AutoAttack's `rand`.",
        setting: |_| {
            let apgd = |loss| AttackSpec::Apgd(Apgd { steps: 100, loss, targets: 0, restarts: 1, eot: 20 });
            Ok(ensemble([LossKind::CrossEntropy, LossKind::Dlr].map(apgd)))
        },
    },
    Preset {
        name: "ensemble-standard",
        about: "apgd-ce, apgd-t, fab-t, square, each on what is left. AutoAttack's `standard`, in L1 with its five restarts of \
                apgd-ce and five rivals of apgd-t: Croce and Hein 2020, arXiv:2003.01690, and 2021, arXiv:2103.01208.",
        setting: |threat| Ok(ensemble([apgd_ce(threat), apgd_t(threat), fab(9, 1), square()?])),
    },
    Preset {
        name: "fab",
        about: "FAB of 100 steps, each across the nearest of the boundaries to all rivals, once.",
        setting: |_| Ok(fab(0, 1)),
    },
    Preset {
        name: "fab-t",
        about: "FAB of 100 steps across the boundary to each of the nine likeliest rivals, once.",
        setting: |_| Ok(fab(9, 1)),
    },
    Preset {
        name: "fgsm",
        about: "One step of epsilon from the sample, cross-entropy.",
        setting: |_| Ok(AttackSpec::Fgsm(Fgsm { loss: LossKind::CrossEntropy, targets: Targets::None })),
    },
    Preset {
        name: "gaussian-noise",
        about: "100 nearly normal draws, clipped to the ball: a baseline.",
        setting: |_| Ok(AttackSpec::Noise(Noise { kind: NoiseKind::Gaussian, draws: 100 })),
    },
    Preset {
        name: "hop-skip-jump",
        about: "Chen, Jordan and Wainwright's nearest misclassified input by the predicted class alone: 40 steps and at most \
                10,000 points nearby in each, from 100, as in the authors' code; 20,300 queries at most.",
        setting: |_| {
            let (steps, initial_queries, max_queries, starts) = (40, 100, 10_000, 1000);
            let gamma = "1".parse()?;
            Ok(AttackSpec::HopSkipJump(HopSkipJump { steps, initial_queries, max_queries, gamma, starts }))
        },
    },
    Preset {
        name: "mi-fgsm",
        about: "10 steps of epsilon/10 with momentum that does not fade, from the sample, cross-entropy. Dong et al. 2018, \
                arXiv:1710.06081.",
        setting: |threat| {
            let (step_size, decay) = (threat.epsilon.divided_by(10)?, "1".parse()?);
            let (loss, targets) = (LossKind::CrossEntropy, Targets::None);
            Ok(AttackSpec::MiFgsm(MiFgsm { steps: 10, step_size, decay, loss, targets }))
        },
    },
    Preset {
        name: "nes",
        about: "200 steps of 0.01 with gradients from 25 pairs of Gaussian points at deviation 0.001: NES with the numbers of Ilyas \
                et al. 2018, arXiv:1804.08598, untargeted, without momentum; 10,200 queries.",
        setting: |_| {
            let (directions, update) = (Directions::Gaussian, Update::Steepest);
            let [delta, step_size] = decimals(["0.001", "0.01"])?;
            Ok(AttackSpec::Spsa(Spsa { steps: 200, pairs: 25, directions, delta, update, step_size, restarts: 1 }))
        },
    },
    Preset {
        name: "pgd-20",
        about: "20 steps of epsilon/4, uniform start in the ball, cross-entropy, best iterate.",
        setting: |threat| Ok(AttackSpec::Pgd(pgd_20(threat.epsilon.divided_by(4)?, Start::Random, Keep::Best))),
    },
    Preset {
        name: "pgd-20-trades",
        about: "20 steps of 0.003, uniform start clipped to the bounds, cross-entropy, last iterate; \
                L-inf with epsilon 0.031 only. Zhang et al. 2019, arXiv:1901.08573.",
        setting: |threat| {
            let expected: Epsilon = "0.031".parse()?;
            if threat.norm != Norm::Linf || threat.epsilon != expected {
                let ThreatModel { norm, epsilon } = threat;
                let reason = format!("it is defined for linf and epsilon 0.031; found {norm} and {epsilon}");
                return Err(Error::Spec { attack: "pgd-20-trades", reason });
            }
            Ok(AttackSpec::Pgd(pgd_20("0.003".parse()?, Start::RandomClipped, Keep::Last)))
        },
    },
    Preset {
        name: "spsa",
        about: "100 steps of Adam at 0.01 with gradients from 64 pairs of points 0.01 away: SPSA as in CleverHans, 12,900 queries. \
                Uesato et al. 2018, arXiv:1802.05666, take up to 8,192 points a step. L-inf only.",
        setting: |_| {
            let (directions, update) = (Directions::Rademacher, Update::Adam);
            let [delta, step_size] = decimals(["0.01", "0.01"])?;
            Ok(AttackSpec::Spsa(Spsa { steps: 100, pairs: 64, directions, delta, update, step_size, restarts: 1 }))
        },
    },
    Preset {
        name: "square",
        about: "Square of 5,000 queries, the first windows over four fifths of the picture, once.",
        setting: |_| square(),
    },
    Preset {
        name: "uniform-noise",
        about: "100 uniform draws from the ball: a baseline.",
        setting: |_| Ok(AttackSpec::Noise(Noise { kind: NoiseKind::Uniform, draws: 100 })),
    },
];

/// The preset of this name.
pub fn preset(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

impl Preset {
    /// The setting for this threat model, every number explicit.
    ///
    /// Errors: the preset is not defined for it.
    pub fn resolve(&self, threat: &ThreatModel) -> Result<AttackSpec, Error> {
        (self.setting)(threat)
    }
}

fn apgd(loss: LossKind, targets: u32, restarts: u32) -> AttackSpec {
    AttackSpec::Apgd(Apgd { steps: 100, loss, targets, restarts, eot: 1 })
}

/// AutoAttack's first stage, by its rule for the norm.
fn apgd_ce(threat: &ThreatModel) -> AttackSpec {
    apgd(LossKind::CrossEntropy, 0, if threat.norm == Norm::L1 { 5 } else { 1 })
}

/// AutoAttack's second stage, by its rule for the norm.
fn apgd_t(threat: &ThreatModel) -> AttackSpec {
    apgd(LossKind::Dlr, if threat.norm == Norm::L1 { 5 } else { 9 }, 1)
}

fn fab(targets: u32, restarts: u32) -> AttackSpec {
    AttackSpec::Fab(Fab { steps: 100, targets, restarts })
}

fn square() -> Result<AttackSpec, Error> {
    Ok(AttackSpec::Square(Square { queries: 5000, p_init: "0.8".parse()?, restarts: 1 }))
}

fn ensemble<const N: usize>(stages: [AttackSpec; N]) -> AttackSpec {
    AttackSpec::Ensemble(Ensemble { stages: stages.to_vec() })
}

fn decimals<const N: usize>(texts: [&str; N]) -> Result<[Epsilon; N], Error> {
    let parsed: Vec<Epsilon> = texts.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
    Ok(std::array::from_fn(|index| parsed[index].clone()))
}

fn pgd_20(step_size: Epsilon, start: Start, keep: Keep) -> Pgd {
    let (loss, targets) = (LossKind::CrossEntropy, Targets::None);
    Pgd { steps: 20, step_size, start, restarts: 1, loss, targets, keep }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::laws::threat;

    #[test]
    fn presets_are_exact_settings() {
        let json = |name: &str, epsilon: &str| {
            let spec = preset(name).expect("a preset").resolve(&threat(Norm::Linf, epsilon)).expect("it resolves");
            serde_json::to_string(&spec).expect("plain data")
        };
        assert_eq!(json("fgsm", "8/255"), r#"{"fgsm":{"loss":"cross-entropy","targets":"none"}}"#);
        assert_eq!(
            json("pgd-20", "8/255"),
            r#"{"pgd":{"steps":20,"step_size":"2/255","start":"random","restarts":1,"loss":"cross-entropy","targets":"none","keep":"best"}}"#
        );
        assert_eq!(
            json("pgd-20-trades", "31/1000"),
            r#"{"pgd":{"steps":20,"step_size":"0.003","start":"random-clipped","restarts":1,"loss":"cross-entropy","targets":"none","keep":"last"}}"#
        );
        let trades = preset("pgd-20-trades").expect("a preset");
        for (norm, epsilon) in [(Norm::Linf, "8/255"), (Norm::Linf, "0.0310001"), (Norm::L2, "0.031")] {
            let message = trades.resolve(&threat(norm, epsilon)).expect_err("refused").to_string();
            let expected = format!("it is defined for linf and epsilon 0.031; found {norm} and {epsilon}");
            assert_eq!(message, format!("set up `pgd-20-trades`: {expected}"));
        }
        assert!(preset("pgd-21").is_none());
        let standard = preset("ensemble-standard").expect("a preset");
        let stages = |norm| {
            let spec = standard.resolve(&threat(norm, "1")).expect("it resolves");
            let names = spec.stage_names(&threat(norm, "1"));
            let AttackSpec::Ensemble(Ensemble { stages }) = spec else { panic!("{spec:?}") };
            let [AttackSpec::Apgd(ce), AttackSpec::Apgd(targeted), ..] = &stages[..] else { panic!("{stages:?}") };
            (names, ce.restarts, targeted.targets)
        };
        let names = ["apgd-ce", "apgd-t", "fab-t", "square"].map(str::to_owned).to_vec();
        for (norm, restarts, targets) in [(Norm::Linf, 1, 9), (Norm::L2, 1, 9), (Norm::L1, 5, 5)] {
            assert_eq!(stages(norm), (names.clone(), restarts, targets), "{norm}");
        }
    }
}
