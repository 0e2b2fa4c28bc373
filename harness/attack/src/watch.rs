//! What a search was shown of its row: whether it passed by a misclassified point, and whether it had come to an end.

use crate::{argmax, margin};

/// Watches the oracle's answers in the ball.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Whether an answer in the ball misclassified the row.
    saw_success: bool,
    /// By how much a rival led in the answers in the ball where it led by more than in all before, each with the number of the answer.
    records: Vec<(u64, f64)>,
}

/// Where a point is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Sample,
    /// Elsewhere in the ball.
    Inside,
    Outside,
}

/// With fewer answers a tenth of them says nothing.
const FEWEST_ANSWERS: u64 = 10;
/// The share of all that was gained which the last tenth may gain.
const LATE_SHARE: f64 = 0.05;

impl Watch {
    /// Looks at the logits of the answer with this number, from 1; `place` says where its point is, and is asked only where that
    /// matters. The sample itself is no success: the judge has it right.
    pub(crate) fn see(&mut self, answer: u64, logits: &[f32], label: usize, place: impl FnOnce() -> Place) {
        let Some(gained) = margin(logits, label).map(|margin| -margin) else { return };
        let is_record = self.records.last().is_none_or(|(_, best)| gained > *best);
        let is_success = !self.saw_success && argmax(logits).0 != label;
        if !is_record && !is_success {
            return;
        }
        let place = place();
        if is_record && place != Place::Outside {
            self.records.push((answer, gained));
        }
        self.saw_success |= is_success && place == Place::Inside;
    }

    /// Whether the oracle showed it a misclassified point of the ball.
    pub(crate) fn saw_success(&self) -> bool {
        self.saw_success
    }

    /// Whether the last tenth of so many answers gained more than a twentieth of all that was gained.
    pub(crate) fn was_still_gaining(&self, answers: u64) -> bool {
        let (Some((_, first)), Some((_, last))) = (self.records.first(), self.records.last()) else { return false };
        let early = self.records.iter().rev().find(|(answer, _)| *answer <= answers - answers / 10);
        let late = early.map_or(0.0, |(_, margin)| last - margin);
        answers >= FEWEST_ANSWERS && late > LATE_SHARE * (last - first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(margins: impl IntoIterator<Item = f32>) -> (Watch, u64) {
        let mut watch = Watch::default();
        let mut answers = 0;
        for margin in margins {
            answers += 1;
            watch.see(answers, &[margin, 0.0], 1, || Place::Inside);
        }
        (watch, answers)
    }

    #[test]
    fn a_search_that_has_come_to_its_end_is_not_still_gaining() {
        let table: [(Vec<f32>, bool); 7] = [
            // Twenty steps of the same length, the last two of which are a tenth.
            ((0..20).map(|step| step as f32 - 30.0).collect(), true),
            ((0..20).map(|step| step.min(17) as f32 - 30.0).collect(), false),
            ((0..20).map(|step| -0.5_f32.powi(step)).collect(), false),
            ((0..9).map(|step| step as f32 - 30.0).collect(), false),
            (vec![-1.0; 30], false),
            (Vec::new(), false),
            (vec![f32::NAN; 30], false),
        ];
        for (margins, expected) in table {
            let (watch, answers) = watch(margins.clone());
            assert_eq!(watch.was_still_gaining(answers), expected, "{margins:?}");
        }
    }

    fn shown(logits: &[f32], label: usize) -> Watch {
        let mut watch = Watch::default();
        watch.see(1, logits, label, || Place::Inside);
        watch
    }

    #[test]
    fn success_counts_in_the_ball_and_beside_the_sample_only() {
        let mut watch = Watch::default();
        watch.see(1, &[1.0, 0.0], 1, || Place::Outside);
        assert!(!watch.saw_success());
        watch.see(2, &[0.5, 0.0], 1, || Place::Sample);
        assert!(!watch.saw_success());
        watch.see(3, &[0.5, 0.0], 1, || Place::Inside);
        assert!(watch.saw_success());
        // Equal logits are the first class's.
        assert!(shown(&[0.0, 0.0], 1).saw_success() && !shown(&[0.0, 0.0], 0).saw_success());
    }
}
