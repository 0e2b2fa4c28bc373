use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Doubt about one row, as data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flag {
    /// The verdict rests on two equal highest outputs.
    Tie,
    /// Everything that the check found was rejected by the judge.
    Unconfirmed,
    /// A gradient was zero in every element.
    ZeroGradient,
    /// A gradient was NaN or infinite somewhere.
    NonFiniteGradient,
    /// A proposal left the ball, the bounds or the grid.
    OutsideBall,
    /// A proposal or its scores held a NaN.
    NotANumber,
    /// The logits of a point that a probe looked at were NaN or infinite somewhere.
    NonFiniteLogits,
    /// The search passed by an adversarial input that it did not propose.
    SilentSuccess,
    /// The search was still gaining when it ended.
    IncompleteOptimisation,
    /// The search could not move: half of its gradients or more were zero.
    StoodStill,
    /// The budget ended the search.
    OutOfBudget,
    /// A loss that needs more classes gave way to another.
    DlrSubstituted,
    /// A search without gradients breaks rows that those with gradients leave.
    BlackBoxBeatsWhiteBox,
    /// A search that another model guides breaks rows that one guided by the model itself leaves.
    TransferBeatsWhiteBox,
    /// Where every input was in reach, the attack did not reach an adversarial one.
    UnconstrainedFails,
    /// A larger ball withstood what a smaller one did not.
    NonMonotone,
    /// The same input gets different scores.
    Randomised,
    /// What is registered as logits are probabilities.
    SoftmaxOutput,
    /// The prediction changes next to the sample.
    UnstablePrediction,
}

/// What a reader should know about a [`Flag`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FlagDoc {
    /// The flag.
    pub flag: Flag,
    /// As it is written in JSON.
    pub name: &'static str,
    /// When a row gets it.
    pub raised_if: &'static str,
    /// What may be behind it.
    pub means: &'static str,
    /// What to do about it.
    pub advice: &'static str,
    /// From this share of the rows on a result with this flag is inconclusive, where it ever is: see [`Flag::inconclusive`].
    pub inconclusive_from: Option<f64>,
}

impl Flag {
    /// All flags, explained.
    pub const DOCS: &[FlagDoc] = &[
        FlagDoc {
            flag: Flag::Tie,
            name: "tie",
            raised_if: "the judge's verdict rests on two equal highest outputs",
            means: "another implementation may decide otherwise",
            advice: "look at the margins; read the row as neither progress nor regress",
            inconclusive_from: None,
        },
        FlagDoc {
            flag: Flag::Unconfirmed,
            name: "unconfirmed",
            raised_if: "the check found adversarial inputs and the judge rejected them all",
            means: "the gradient graph and the file disagree near this row",
            advice: "try more restarts before trusting `unknown`",
            inconclusive_from: Some(0.05),
        },
        FlagDoc {
            flag: Flag::ZeroGradient,
            name: "zero-gradient",
            raised_if: "a gradient was zero in every element",
            means: "the ascent stood still there, so the search may be too weak",
            advice: "try the margin loss or a random start",
            inconclusive_from: None,
        },
        FlagDoc {
            flag: Flag::NonFiniteGradient,
            name: "non-finite-gradient",
            raised_if: "a gradient was NaN or infinite somewhere",
            means: "NaN elements (L2: the row) did not move, so the search may be too weak",
            advice: "look for overflow in the model",
            inconclusive_from: Some(0.01),
        },
        FlagDoc {
            flag: Flag::OutsideBall,
            name: "outside-ball",
            raised_if: "a proposal left the ball, the bounds or the grid",
            means: "the attack is at fault; the judge did not count the proposal",
            advice: "report it as a defect of the attack",
            inconclusive_from: Some(0.01),
        },
        FlagDoc {
            flag: Flag::NotANumber,
            name: "not-a-number",
            raised_if: "a proposal or the judge's scores of it held a NaN",
            means: "the model overflows inside the ball, or the attack is at fault; the proposal was not counted",
            advice: "run the file on the row and look for overflow",
            inconclusive_from: Some(0.01),
        },
        FlagDoc {
            flag: Flag::NonFiniteLogits,
            name: "non-finite-logits",
            raised_if: "the logits of the sample, or of a point that a probe looked at, were NaN or infinite somewhere",
            means: "the point was passed over, so the value may be too small or missing",
            advice: "run the file on the row and look for overflow",
            inconclusive_from: None,
        },
        FlagDoc {
            flag: Flag::SilentSuccess,
            name: "silent-success",
            raised_if: "the gradient graph misclassified a point of the ball that the search looked at, and the search proposed nothing",
            means: "the search passes by adversarial inputs, for instance since it keeps its last point alone",
            advice: "use an attack that keeps its best point",
            inconclusive_from: Some(0.01),
        },
        FlagDoc {
            flag: Flag::IncompleteOptimisation,
            name: "incomplete-optimisation",
            raised_if: "the row withstood, and the last tenth of the search gained more than a twentieth of all the margin that it gained",
            means: "the search had not come to its end",
            advice: "give the attack more steps",
            inconclusive_from: None,
        },
        FlagDoc {
            flag: Flag::StoodStill,
            name: "stood-still",
            raised_if: "the row withstood, and half of the gradients or more were zero in every element",
            means: "gradients are masked: the row withstands because the search cannot move",
            advice: "use the margin loss, a black box, or attack the network before what hides its gradients",
            inconclusive_from: Some(0.01),
        },
        FlagDoc {
            flag: Flag::OutOfBudget,
            name: "out-of-budget",
            raised_if: "the row withstood, and the search ended because the budget was spent",
            means: "the search was cut short: it is weaker than its name says",
            advice: "raise `threat.budget`, or take a cheaper attack",
            inconclusive_from: None,
        },
        FlagDoc {
            flag: Flag::DlrSubstituted,
            name: "dlr-substituted",
            raised_if: "the model has too few classes for the difference of logits ratio",
            means: "the margin, or the untargeted ratio, was ascended in its place",
            advice: "nothing: for two classes the margin says all there is",
            inconclusive_from: None,
        },
        FlagDoc {
            flag: Flag::BlackBoxBeatsWhiteBox,
            name: "black-box-beats-white-box",
            raised_if: "a search without gradients breaks two rows more, and 0.2 % of all rows more, than those with ten gradients or more",
            means: "gradients are masked: the truth may lie well below what was found",
            advice: "attack the network before what hides its gradients",
            inconclusive_from: Some(0.0),
        },
        FlagDoc {
            flag: Flag::TransferBeatsWhiteBox,
            name: "transfer-beats-white-box",
            raised_if: "an attack that another model guides breaks two rows more, and 1 % of all rows more, than those with ten \
                        gradients or more of the model itself",
            means: "gradients are masked: the truth may lie well below what was found",
            advice: "attack the network before what hides its gradients",
            inconclusive_from: Some(0.0),
        },
        FlagDoc {
            flag: Flag::UnconstrainedFails,
            name: "unconstrained-fails",
            raised_if: "the row withstood where every input was in reach",
            means: "the attack does not work on this model, whatever it finds at small radii",
            advice: "look for masked gradients; try another loss or a black box",
            inconclusive_from: Some(0.01),
        },
        FlagDoc {
            flag: Flag::NonMonotone,
            name: "non-monotone",
            raised_if: "the row broke at a radius of the curve and withstood where every input was in reach",
            means: "the attack loses its way in large balls",
            advice: "give it more steps, or steps of another length",
            inconclusive_from: Some(0.01),
        },
        FlagDoc {
            flag: Flag::Randomised,
            name: "randomised",
            raised_if: "the file gives the same input different scores",
            means: "verdicts and gradients are those of one draw",
            advice: "use ensemble-rand, and read the result as an estimate",
            inconclusive_from: Some(0.01),
        },
        FlagDoc {
            flag: Flag::SoftmaxOutput,
            name: "softmax-output",
            raised_if: "the scores of a model that is registered with logits are at least 0 and sum to 1",
            means: "a cross-entropy takes the softmax of probabilities, whose gradient is almost flat",
            advice: "register the model with `--output-kind softmax`",
            inconclusive_from: Some(0.01),
        },
        FlagDoc {
            flag: Flag::UnstablePrediction,
            name: "unstable-prediction",
            raised_if: "the prediction changes at one of four random points within a thousandth of the width of the domain",
            means: "the sample lies on a boundary, or the model is not smooth",
            advice: "look at the margins; read the row as neither progress nor regress",
            inconclusive_from: None,
        },
    ];

    /// Which of these flags make a result inconclusive, so that what it says of robustness may be far from the truth. `flags` counts
    /// the rows of one attack or of a model, `right` those that an attack was tried on.
    pub fn inconclusive(flags: &BTreeMap<Flag, u64>, right: u64) -> Vec<Flag> {
        let is_enough = |doc: &&FlagDoc| {
            let rows = flags.get(&doc.flag).copied().unwrap_or(0) as f64;
            doc.inconclusive_from.is_some_and(|share| rows > 0.0 && rows >= share * right as f64)
        };
        Flag::DOCS.iter().filter(is_enough).map(|doc| doc.flag).collect()
    }

    /// As it is written in JSON.
    pub fn name(self) -> &'static str {
        Flag::DOCS.iter().find(|doc| doc.flag == self).map_or("unknown", |doc| doc.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enough_rows_make_a_result_inconclusive() {
        for doc in Flag::DOCS {
            let found = |rows: u64| Flag::inconclusive(&[(doc.flag, rows)].into(), 1000) == [doc.flag];
            let from = doc.inconclusive_from.map_or(1001, |share| ((share * 1000.0) as u64).max(1));
            assert_eq!(
                (found(from.saturating_sub(1)), found(from)),
                (false, doc.inconclusive_from.is_some()),
                "{}",
                doc.name
            );
            assert_eq!(doc.flag.name(), doc.name);
        }
        assert_eq!(Flag::inconclusive(&BTreeMap::new(), 0), []);
    }

    #[test]
    fn every_flag_is_explained_under_its_name_in_json() {
        for doc in Flag::DOCS {
            assert_eq!(serde_json::to_string(&doc.flag).unwrap(), format!("\"{}\"", doc.name));
        }
        let mut flags: Vec<_> = Flag::DOCS.iter().map(|doc| doc.flag).collect();
        flags.sort();
        flags.dedup();
        assert_eq!(flags.len(), Flag::DOCS.len());
        assert_eq!(flags.last().map(|last| *last as usize + 1), Some(flags.len()), "every variant has its line");
    }
}
