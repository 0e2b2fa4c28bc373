//! Do gradients hide the truth? A search without them that breaks more than one with them says so.
//!
//! Source: Croce and Hein 2020, arXiv:2003.01690, whose code warns where Square lowers robust accuracy by more than 0.2 %.

use crate::{AttackFacts, AttackResult, Flag, StageResult};

/// With fewer gradients for a row an attack is no measure for a black box of thousands of queries.
const FEWEST_GRADIENTS: u64 = 10;
/// How many rows have to fall to the black box alone, and which share of all rows.
const FEWEST_ROWS: u64 = 2;
const SHARE: f64 = 0.002;
/// The same share for transfers: between twins both searches are equally strong, and one leads by chance.
const TRANSFER_SHARE: f64 = 0.01;

/// What a search is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Gradients in plenty, to go as far up as the ball allows.
    WhiteBox,
    /// No gradient.
    BlackBox,
    /// What another model gives.
    Transfer,
    /// One step, an ensemble, or a search for what is nearest: neither.
    Other,
}

impl Access {
    pub(crate) fn of(facts: &AttackFacts) -> Self {
        match facts.gradients[..] {
            _ if facts.source.is_some() => Access::Transfer,
            [0] => Access::BlackBox,
            [gradients] if gradients >= FEWEST_GRADIENTS && !facts.minimises => Access::WhiteBox,
            _ => Access::Other,
        }
    }
}

fn is_significant(rows: u64, share: f64, total: u64) -> bool {
    rows >= FEWEST_ROWS && rows as f64 > share * total as f64
}

/// The rows that an ensemble's black boxes broke after stages with gradients had left them, if they are many.
///
/// `None` for a transfer: none of its stages has the model's own gradients, so that nothing of them can be masked.
pub(crate) fn black_box_stages(facts: &AttackFacts, stages: &[StageResult], total: u64) -> Option<u64> {
    if facts.source.is_some() {
        return None;
    }
    let white = facts.gradients.iter().position(|gradients| *gradients >= FEWEST_GRADIENTS)?;
    let later = facts.gradients.iter().zip(stages).skip(white + 1);
    let rows = later.filter(|(gradients, _)| **gradients == 0).map(|(_, stage)| stage.attacked).sum();
    is_significant(rows, SHARE, total).then_some(rows)
}

/// Flags the attacks with gradients if what has none of the model's own breaks more rows than the best of them.
pub(crate) fn compare(attacks: &mut [AttackResult], access: &[Access]) {
    let least = |wanted: Access, attacks: &[AttackResult]| {
        let robust = attacks.iter().zip(access).filter(|(_, access)| **access == wanted);
        robust.map(|(attack, _)| attack.robust).min()
    };
    let rivals = [
        (Access::BlackBox, Flag::BlackBoxBeatsWhiteBox, SHARE),
        (Access::Transfer, Flag::TransferBeatsWhiteBox, TRANSFER_SHARE),
    ];
    for (rival, flag, share) in rivals {
        let (Some(best), Some(other)) = (least(Access::WhiteBox, attacks), least(rival, attacks)) else { continue };
        for (attack, _) in attacks.iter_mut().zip(access).filter(|(_, access)| **access == Access::WhiteBox) {
            if is_significant(best.saturating_sub(other), share, attack.total) {
                attack.flags.insert(flag, attack.robust - other);
                attack.inconclusive = Flag::inconclusive(&attack.flags, attack.total - attack.wrong);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn facts(gradients: &[u64], minimises: bool) -> AttackFacts {
        let name = "a".to_owned();
        let stages = gradients.iter().map(u64::to_string).collect();
        let gradients = gradients.to_vec();
        let (parameters, curve, source) = (BTreeMap::new(), Vec::new(), None);
        AttackFacts { name, revision: 1, parameters, stages, source, minimises, gradients, substituted: false, curve }
    }

    #[test]
    fn what_a_search_is_given() {
        use Access::*;
        let table =
            [(&[0][..], false, BlackBox), (&[20], false, WhiteBox), (&[1], false, Other), (&[450], true, Other)];
        for (gradients, minimises, expected) in table {
            assert_eq!(Access::of(&facts(gradients, minimises)), expected, "{gradients:?}");
        }
        assert_eq!(Access::of(&facts(&[100, 0], false)), Other);
    }

    #[test]
    fn rows_that_fall_to_a_black_box_alone_count_after_gradients_only() {
        let rows = |gradients: &[u64], attacked: &[u64], total| {
            let stage =
                |attacked: &u64| StageResult { name: "s".into(), attacked: *attacked, robust: 0, robust_accuracy: 0.0 };
            let stages: Vec<_> = attacked.iter().map(stage).collect();
            black_box_stages(&facts(gradients, false), &stages, total)
        };
        assert_eq!(rows(&[100, 0], &[50, 3], 1000), Some(3));
        assert_eq!(rows(&[100, 0], &[50, 2], 1000), None);
        assert_eq!((rows(&[100, 0], &[50, 1], 100), rows(&[100, 0], &[50, 2], 100)), (None, Some(2)));
        assert_eq!((rows(&[0, 100], &[50, 3], 100), rows(&[1, 0], &[50, 3], 100)), (None, None));
        assert_eq!(rows(&[100, 0, 20, 0], &[50, 3, 9, 4], 1000), Some(7));
    }

    #[test]
    fn stages_that_another_model_guides_say_nothing_of_gradients() {
        let transfer = AttackFacts { source: Some("twin".into()), ..facts(&[100, 0], false) };
        let stage = |attacked| StageResult { name: "s".into(), attacked, robust: 0, robust_accuracy: 0.0 };
        assert_eq!(black_box_stages(&transfer, &[stage(50), stage(30)], 100), None);
        assert_eq!(Access::of(&transfer), Access::Transfer);
    }
}
