use serde::{Deserialize, Serialize};

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
}

/// What a reader should know about a [`Flag`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
        },
        FlagDoc {
            flag: Flag::Unconfirmed,
            name: "unconfirmed",
            raised_if: "the check found adversarial inputs and the judge rejected them all",
            means: "the gradient graph and the file disagree near this row",
            advice: "try more restarts before trusting `unknown`",
        },
        FlagDoc {
            flag: Flag::ZeroGradient,
            name: "zero-gradient",
            raised_if: "a gradient was zero in every element",
            means: "the ascent stood still there, so the search may be too weak",
            advice: "try the margin loss or a random start",
        },
        FlagDoc {
            flag: Flag::NonFiniteGradient,
            name: "non-finite-gradient",
            raised_if: "a gradient was NaN or infinite somewhere",
            means: "NaN elements (L2: the row) did not move, so the search may be too weak",
            advice: "look for overflow in the model",
        },
        FlagDoc {
            flag: Flag::OutsideBall,
            name: "outside-ball",
            raised_if: "a proposal left the ball, the bounds or the grid",
            means: "the attack is at fault; the judge did not count the proposal",
            advice: "report it as a defect of the attack",
        },
        FlagDoc {
            flag: Flag::NotANumber,
            name: "not-a-number",
            raised_if: "a proposal or the judge's scores of it held a NaN",
            means: "the model overflows inside the ball, or the attack is at fault; the proposal was not counted",
            advice: "run the file on the row and look for overflow",
        },
        FlagDoc {
            flag: Flag::NonFiniteLogits,
            name: "non-finite-logits",
            raised_if: "the logits of the sample, or of a point that a probe looked at, were NaN or infinite somewhere",
            means: "the point was passed over, so the value may be too small or missing",
            advice: "run the file on the row and look for overflow",
        },
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

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
