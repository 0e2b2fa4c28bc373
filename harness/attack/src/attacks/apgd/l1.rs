//! Auto-PGD in L1. Source: Croce and Hein 2021, arXiv:2103.01208, section 3, and the authors' code for what it leaves open.

use super::{APGD, Apgd, Point};
use crate::l1::by_falling;
use crate::lanes::Row;
use crate::{Ball, moves};

/// The balls that an ascent goes through, in epsilons.
const WIDTHS: [f64; 3] = [3.0, 2.0, 1.0];

/// One of these balls, in epsilons, and the steps in it.
struct Leg {
    width: f64,
    steps: u32,
}

impl Apgd {
    /// One ascent, from balls larger than allowed into the row's own. It looks at `steps + 1` points.
    pub(super) async fn climb_l1(&self, row: &Row, target: Option<usize>, ordinal: usize) {
        let (widths, steps) = stages(self.steps);
        let mut x = row.ball.center().to_vec();
        let ball = |width: f64| row.ball.widened(width, &row.domain);
        moves::jitter(&mut x, &ball(widths[0]), row.domain.width(), &mut row.stream(APGD.name, ordinal));
        for (&width, &steps) in widths.iter().zip(&steps) {
            x = self.climb_in(row, &ball(width), x, target, Leg { width, steps }).await;
        }
        row.propose(&x, false).await;
    }

    /// The best point of an ascent in one of the balls.
    async fn climb_in(
        &self,
        row: &Row,
        ball: &Ball,
        mut x: Vec<f32>,
        target: Option<usize>,
        Leg { width, steps }: Leg,
    ) -> Vec<f32> {
        ball.clip(&mut x);
        let mut here = self.look_from(row, width, x, target).await;
        let mut best = here.clone();
        let mut pace = SparsePace::new(steps, width * row.epsilon, moved(row, &best));
        for _ in 0..steps {
            let next = advanced(&here, ball, &pace);
            here = self.look_from(row, width, next, target).await;
            if here.is_better_than(&best) {
                best = here.clone();
            }
            if pace.is_at_window() && pace.looks_back(moved(row, &best)) {
                here = best.clone();
            }
        }
        best.x
    }

    /// Looks at a point of a ball of this width; what lies out of the row's own is not for the judge.
    async fn look_from(&self, row: &Row, width: f64, x: Vec<f32>, target: Option<usize>) -> Point {
        if width == 1.0 || row.ball.contains(&x) {
            return self.look(row, x, target).await;
        }
        self.seen(row, x, target).await.0
    }
}

/// The balls and how many steps in each: three tenths, three tenths and the rest of what is left when the two points that are
/// looked at again are counted, or where that is too little all in the row's own ball.
fn stages(steps: u32) -> (Vec<f64>, Vec<u32>) {
    let left = steps.saturating_sub(2);
    if left < 3 {
        return (vec![1.0], vec![steps]);
    }
    let share = (u64::from(left) * 3).div_ceil(10) as u32;
    (WIDTHS.to_vec(), vec![share, share, left - 2 * share])
}

/// How many elements of a point differ from the sample.
fn moved(row: &Row, point: &Point) -> usize {
    point.x.iter().zip(row.ball.center()).filter(|(x, center)| x != center).count()
}

/// An equal step of the elements with the largest gradients among those that are not at their bounds, then to the ball. The authors
/// look at all elements, and get stuck where the few that they choose have no room.
fn advanced(here: &Point, ball: &Ball, pace: &SparsePace) -> Vec<f32> {
    let mut next = here.x.clone();
    let mut order = by_falling(here.gradient.iter().map(|g| f64::from(g.abs())));
    let size = |index: &usize| here.gradient[*index].abs();
    let has_room = |index: &usize| {
        let (x, g) = (here.x[*index], here.gradient[*index]);
        if g > 0.0 { x < ball.upper[*index] } else { x > ball.lower[*index] }
    };
    order.retain(has_room);
    // Equals of the last one go too.
    if let Some(&last) = order.get(pace.elements.saturating_sub(1)) {
        order.retain(|index| size(index) >= size(&last));
    }
    let part = pace.size / order.len().max(1) as f64;
    for index in order {
        next[index] = (f64::from(next[index]) + part * f64::from(here.gradient[index].signum())) as f32;
    }
    ball.clip(&mut next);
    next
}

/// How long steps are, and how many elements they move.
struct SparsePace {
    longest: f64,
    size: f64,
    elements: usize,
    /// Steps until the next look back.
    window: u32,
    taken: u32,
    /// The elements that the best point had moved at the last look back.
    moved_before: usize,
}

impl SparsePace {
    fn new(steps: u32, epsilon: f64, moved: usize) -> Self {
        let window = ((u64::from(steps) * 4 / 100) as u32).max(1);
        Self { longest: epsilon, size: epsilon, elements: share_of(moved), window, taken: 0, moved_before: moved }
    }

    /// Counts a step, and says whether it is the last of a window.
    fn is_at_window(&mut self) -> bool {
        self.taken += 1;
        self.taken.is_multiple_of(self.window)
    }

    /// Chooses by how many elements the best point has moved: less than 95 % of those before, and steps are long again, from that
    /// point; otherwise they get shorter. Says which.
    fn looks_back(&mut self, moved: usize) -> bool {
        let sparser = 100 * moved < 95 * self.moved_before;
        let size = if sparser { self.longest } else { self.size / 1.5 };
        self.size = size.max(self.longest / 10.0);
        self.elements = share_of(moved);
        self.moved_before = moved;
        sparser
    }
}

/// Two thirds of the elements that a point has moved, at least one. Rounded down: the authors round up, and so never get from two
/// elements to one.
fn share_of(moved: usize) -> usize {
    (2 * moved / 3).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ascent_looks_at_one_point_more_than_it_has_steps() {
        for steps in 1..=200 {
            let (widths, parts) = stages(steps);
            assert_eq!(parts.iter().map(|steps| steps + 1).sum::<u32>(), steps + 1, "{steps}");
            assert!(widths.len() == parts.len() && widths.last() == Some(&1.0));
        }
        assert_eq!(stages(100), (vec![3.0, 2.0, 1.0], vec![30, 30, 38]));
        assert_eq!(stages(4), (vec![1.0], vec![4]));
    }

    #[test]
    fn steps_shrink_until_the_perturbation_gets_sparser() {
        let mut pace = SparsePace::new(100, 12.0, 300);
        assert_eq!((pace.window, pace.elements, pace.size), (4, 200, 12.0));
        assert_eq!((1..=8).filter(|_| pace.is_at_window()).count(), 2);
        assert!(!pace.looks_back(285) && pace.size == 8.0 && pace.elements == 190);
        for _ in 0..9 {
            assert!(!pace.looks_back(285));
        }
        assert_eq!(pace.size, 1.2);
        assert!(pace.looks_back(270) && pace.size == 12.0 && pace.elements == 180);
        assert!(!pace.looks_back(0) || pace.elements == 1);
    }
}
