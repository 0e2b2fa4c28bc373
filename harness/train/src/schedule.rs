//! The learning rate of every step.

use serde::Serialize;

/// How the learning rate moves after the warm-up. Everything is resolved to steps: an epoch has `steps_per_epoch`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// It stays.
    Constant,
    /// It is multiplied by `factor` once each of these numbers of epochs is complete.
    Steps {
        /// Complete epochs, rising.
        after_epochs: Vec<u32>,
        /// What each of them multiplies by.
        factor: f64,
    },
    /// Half a cosine wave from the peak down to `end`, reached right after the last step.
    Cosine {
        /// The rate at the end.
        end: f64,
    },
    /// A straight line from the peak down to `end`, reached right after the last step.
    Linear {
        /// The rate at the end.
        end: f64,
    },
}

/// The learning rate of a whole training.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LearningRate {
    /// The largest rate.
    pub peak: f64,
    /// What happens after the warm-up.
    pub schedule: Schedule,
    /// Epochs at the start in which the rate rises in a straight line: step `t`, from 0, of `w` has `peak (t + 1) / w`.
    pub warmup_epochs: u32,
    /// Epochs of the training.
    pub epochs: u32,
    /// Steps of an epoch.
    pub steps_per_epoch: u32,
}

impl LearningRate {
    /// The rate of a step, counted from 0 over the whole training.
    pub fn at(&self, step: u64) -> f64 {
        let per_epoch = u64::from(self.steps_per_epoch);
        let warmup = u64::from(self.warmup_epochs) * per_epoch;
        if step < warmup {
            return self.peak * (step + 1) as f64 / warmup as f64;
        }
        let rest = (u64::from(self.epochs) * per_epoch).saturating_sub(warmup).max(1);
        let progress = ((step - warmup) as f64 / rest as f64).min(1.0);
        match &self.schedule {
            Schedule::Constant => self.peak,
            Schedule::Steps { after_epochs, factor } => {
                let complete = step / per_epoch.max(1);
                let drops = after_epochs.iter().filter(|after| u64::from(**after) <= complete).count();
                (0..drops).fold(self.peak, |rate, _| rate * factor)
            }
            Schedule::Cosine { end } => end + (self.peak - end) * 0.5 * (1.0 + cos_pi(progress)),
            Schedule::Linear { end } => end + (self.peak - end) * (1.0 - progress),
        }
    }
}

/// `cos(pi x)` for `x` in `[0, 1]`: plain arithmetic, so that rates have the same bits on every machine.
///
/// Taylor's series of the sine around one half, where it ends soonest.
fn cos_pi(x: f64) -> f64 {
    let angle = (0.5 - x) * std::f64::consts::PI;
    let square = angle * angle;
    let series = (1..=12).rev().fold(1.0, |sum, n| 1.0 - square / f64::from((2 * n) * (2 * n + 1)) * sum);
    angle * series
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(schedule: Schedule, warmup_epochs: u32) -> LearningRate {
        LearningRate { peak: 0.1, schedule, warmup_epochs, epochs: 10, steps_per_epoch: 7 }
    }

    /// The factorials of 25 terms leave less than the rounding of the arithmetic.
    #[test]
    fn the_cosine_is_the_cosine() {
        for step in 0..=1000 {
            let x = f64::from(step) / 1000.0;
            assert!((cos_pi(x) - (std::f64::consts::PI * x).cos()).abs() < 4e-16, "{x}");
        }
        assert_eq!(cos_pi(0.5), 0.0);
    }

    #[test]
    fn rates_are_their_closed_forms() {
        let close = |a: f64, b: f64| (a - b).abs() < 1e-15;
        for step in 0..70_u64 {
            let t = step as f64;
            assert_eq!(rate(Schedule::Constant, 0).at(step), 0.1);
            let cosine = 0.01 + 0.09 * (1.0 + (std::f64::consts::PI * t / 70.0).cos()) / 2.0;
            assert!(close(rate(Schedule::Cosine { end: 0.01 }, 0).at(step), cosine), "{step}");
            assert!(close(rate(Schedule::Linear { end: 0.0 }, 0).at(step), 0.1 * (1.0 - t / 70.0)), "{step}");
            let drops = [0, 1, 2][usize::from(step >= 28) + usize::from(step >= 56)];
            let steps = rate(Schedule::Steps { after_epochs: vec![4, 8], factor: 0.5 }, 0).at(step);
            assert!(close(steps, 0.1 * 0.5_f64.powi(drops)), "{step}");
        }
    }

    #[test]
    fn a_warm_up_rises_to_the_peak_and_the_rest_starts_there() {
        let rate = rate(Schedule::Linear { end: 0.0 }, 2);
        for step in 0..14_u64 {
            assert!((rate.at(step) - 0.1 * (step + 1) as f64 / 14.0).abs() < 1e-15);
        }
        assert_eq!((rate.at(13), rate.at(14)), (0.1, 0.1));
        assert!((rate.at(69) - 0.1 / 56.0).abs() < 1e-15);
        assert_eq!(rate.at(70), 0.0);
    }
}
