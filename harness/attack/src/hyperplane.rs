//! The nearest point of a hyperplane within the input's bounds.

use crate::l1::{by_falling, spent};
use crate::{Domain, Norm};

/// The shortest move of `x` within the domain by which `w·x` grows by `gap`.
///
/// Solves `argmin ‖δ‖  s.t. w·δ = gap, lower ≤ x + δ ≤ upper`; where no δ does, that which comes nearest: every element that
/// matters at its bound. Elements with `w = 0` stand still.
///
/// Shapes: `w` and `x` `[D]`; returns `[D]`. `x` is in the domain, `w` and `gap` are finite.
/// Errors: none; exact up to the rounding of f64 sums of `D` terms in their order.
/// Source: Croce and Hein 2020, arXiv:1907.02044, section 2; L-inf and L2 are solved by Newton's method instead of sorting.
pub(crate) fn nearest_move(norm: Norm, w: &[f32], gap: f64, x: &[f32], domain: &Domain) -> Vec<f64> {
    let course = Course::new(norm, w, gap, x, domain);
    if norm == Norm::L1 {
        return course.one_by_one(gap.abs());
    }
    let time = course.time(gap.abs());
    course.0.iter().map(|element| element.side * element.reach(time)).collect()
}

/// The shortest moves of every length: each element goes its way at its own speed until it meets its bound.
///
/// For L-inf and L2 these are the moves that satisfy the conditions of optimality (Karush, Kuhn and Tucker), with the time as
/// the multiplier of the hyperplane. For L1 the elements go one by one, those that gain most for their length first.
struct Course(Vec<Element>);

struct Element {
    /// The sign of its way, 0 where it matters nothing.
    side: f64,
    /// What it gains on the way.
    weight: f64,
    speed: f64,
    room: f64,
}

impl Element {
    /// How far it has come; at speed 0 nowhere, also in the end.
    fn reach(&self, time: f64) -> f64 {
        if self.speed > 0.0 { (time * self.speed).min(self.room) } else { 0.0 }
    }
}

impl Course {
    fn new(norm: Norm, w: &[f32], gap: f64, x: &[f32], domain: &Domain) -> Course {
        let (lower, upper) = (f64::from(domain.lower), f64::from(domain.upper));
        let element = |(w, x): (&f32, &f32)| {
            let (weight, x) = (f64::from(w.abs()), f64::from(*x));
            let ahead = (*w > 0.0) == (gap > 0.0);
            let side = if weight == 0.0 {
                0.0
            } else if ahead {
                1.0
            } else {
                -1.0
            };
            let speed = match norm {
                Norm::Linf => f64::from(weight > 0.0),
                Norm::L1 | Norm::L2 => weight,
            };
            Element { side, weight, speed, room: if ahead { upper - x } else { x - lower } }
        };
        Course(w.iter().zip(x).map(element).collect())
    }

    /// The moves where the next element goes once the one before it has met its bound.
    fn one_by_one(&self, gap: f64) -> Vec<f64> {
        let order = by_falling(self.0.iter().map(|element| element.weight));
        let mut delta = vec![0.0; self.0.len()];
        for (index, gain) in spent(&order, gap, |index| self.0[index].weight * self.0[index].room) {
            let Element { side, weight, room, .. } = self.0[index];
            delta[index] = side * (gain / weight).min(room);
        }
        delta
    }

    /// When the gain reaches `gap`; infinite where it never does.
    ///
    /// The gain is concave, and linear between the times at which elements meet their bounds. Newton's method from time 0 never
    /// passes the answer, so whatever has met its bound stays there; it ends at a step on which nothing else does.
    fn time(&self, gap: f64) -> f64 {
        let (mut time, mut stopped_before) = (0.0f64, None);
        loop {
            let (mut stopped, mut gained, mut rate) = (0usize, 0.0, 0.0);
            for Element { weight, speed, room, .. } in &self.0 {
                let stops = time * speed >= *room;
                stopped += usize::from(stops);
                gained += if stops { weight * room } else { 0.0 };
                rate += if stops { 0.0 } else { weight * speed };
            }
            if stopped_before.is_some_and(|before| stopped <= before) {
                return time;
            }
            if rate == 0.0 {
                return f64::INFINITY;
            }
            stopped_before = Some(stopped);
            let next: f64 = (gap - gained) / rate;
            // Never back, whatever the roundings.
            time = next.max(time);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NORMS: [Norm; 3] = [Norm::Linf, Norm::L2, Norm::L1];

    fn dot(w: &[f32], delta: &[f64]) -> f64 {
        w.iter().zip(delta).fold(0.0, |sum, (w, delta)| sum + f64::from(*w) * delta)
    }

    /// The most that a move of this sign gains within the domain.
    fn capacity(w: &[f32], x: &[f32], domain: &Domain, sign: f64) -> f64 {
        let most = |(w, x): (&f32, &f32)| {
            let w = f64::from(*w) * sign;
            w * (f64::from(if w > 0.0 { domain.upper } else { domain.lower }) - f64::from(*x))
        };
        w.iter().zip(x).map(most).sum()
    }

    /// Where the edges of the domain cross the hyperplane: the corners of what is allowed, as moves of `x`.
    fn corners(w: &[f32], gap: f64, x: &[f32], domain: &Domain) -> Vec<Vec<f64>> {
        let bounds = [f64::from(domain.lower), f64::from(domain.upper)];
        let mut all = Vec::new();
        for (free, choice) in (0..w.len()).flat_map(|free| (0..1usize << w.len()).map(move |choice| (free, choice))) {
            let mut delta: Vec<f64> =
                x.iter().enumerate().map(|(i, x)| bounds[choice >> i & 1] - f64::from(*x)).collect();
            delta[free] = 0.0;
            delta[free] = (gap - dot(w, &delta)) / f64::from(w[free]);
            let end = f64::from(x[free]) + delta[free];
            if bounds[0] <= end && end <= bounds[1] {
                all.push(delta);
            }
        }
        all
    }

    /// Weights of all sizes with zeros among them, and samples with many elements at the bounds.
    fn problem(most: usize) -> impl Strategy<Value = (Vec<f32>, Vec<f32>, f64)> {
        let weight = prop_oneof![Just(0.0f32), -2.0f32..2.0, -1e-3f32..1e-3, (-3i8..=3).prop_map(f32::from)];
        let pixel = prop_oneof![Just(0.0f32), Just(1.0f32), 0.0f32..=1.0, Just(0.5)];
        // Beyond 1 the hyperplane misses the domain.
        (prop::collection::vec((weight, pixel), 1..most), -1.3f64..1.3).prop_map(|(elements, share)| {
            let (w, x): (Vec<f32>, Vec<f32>) = elements.into_iter().unzip();
            let gap = share * capacity(&w, &x, &Domain::PIXELS, share.signum());
            (w, x, gap * share.signum())
        })
    }

    /// Rounding of sums of `D` terms, each at most `|w|`.
    fn slack(w: &[f32]) -> f64 {
        w.iter().map(|w| f64::from(w.abs())).sum::<f64>() * w.len() as f64 * 4.0 * f64::EPSILON
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn moves_stay_in_the_domain_and_gain_what_they_can((w, x, gap) in problem(60)) {
            for norm in NORMS {
                let delta = nearest_move(norm, &w, gap, &x, &Domain::PIXELS);
                for ((w, x), delta) in w.iter().zip(&x).zip(&delta) {
                    let end = f64::from(*x) + delta;
                    prop_assert!((0.0..=1.0).contains(&end) && (*w != 0.0 || *delta == 0.0), "{end} {w} {delta}");
                }
                let most = capacity(&w, &x, &Domain::PIXELS, gap.signum());
                let wanted = if gap.abs() < most { gap } else { most * gap.signum() };
                prop_assert!((dot(&w, &delta) - wanted).abs() <= slack(&w), "{} {wanted}", dot(&w, &delta));
            }
        }

        /// A shorter move gains less, even if every element goes as far as its length and bounds allow.
        #[test]
        fn no_linf_move_is_shorter((w, x, gap) in problem(60)) {
            let least = Norm::Linf.length(nearest_move(Norm::Linf, &w, gap, &x, &Domain::PIXELS).into_iter());
            let most = |length: f64| {
                let room = |w: f32, x: f32| if (w > 0.0) == (gap > 0.0) { 1.0 - f64::from(x) } else { f64::from(x) };
                w.iter().zip(&x).map(|(w, x)| f64::from(w.abs()) * room(*w, *x).min(length)).sum::<f64>()
            };
            prop_assert!(most(least * (1.0 - 1e-9)) <= gap.abs() + slack(&w));
            let reachable = gap.abs().min(most(1.0));
            prop_assert!((most(least) - reachable).abs() <= slack(&w), "{} {reachable}", most(least));
        }

        /// A point is the projection exactly if no point that is allowed lies ahead of it; the corners are enough.
        #[test]
        fn no_l2_move_is_shorter((w, x, gap) in problem(7)) {
            let delta = nearest_move(Norm::L2, &w, gap, &x, &Domain::PIXELS);
            for corner in corners(&w, gap, &x, &Domain::PIXELS) {
                let ahead: f64 = delta.iter().zip(&corner).map(|(delta, corner)| delta * (corner - delta)).sum();
                prop_assert!(ahead >= -1e-12, "{delta:?} {corner:?}");
            }
        }

        /// The least length is that of a corner: a move with every element but one at a bound or at rest.
        #[test]
        fn no_l1_move_is_shorter((w, x, gap) in problem(7)) {
            let found = nearest_move(Norm::L1, &w, gap, &x, &Domain::PIXELS);
            prop_assume!((dot(&w, &found) - gap).abs() <= slack(&w));
            for (free, choice) in (0..w.len()).flat_map(|free| (0..3usize.pow(w.len() as u32)).map(move |c| (free, c))) {
                let at = |(i, x): (usize, &f32)| [0.0, f64::from(*x), 1.0][choice / 3usize.pow(i as u32) % 3] - f64::from(*x);
                let rest = |(i, x): (usize, &f32)| if choice / 3usize.pow(i as u32) % 3 == 1 { 0.0 } else { at((i, x)) };
                let mut delta: Vec<f64> = x.iter().enumerate().map(rest).collect();
                delta[free] = 0.0;
                delta[free] = (gap - dot(&w, &delta)) / f64::from(w[free]);
                if (0.0..=1.0).contains(&(f64::from(x[free]) + delta[free])) {
                    prop_assert!(Norm::L1.length(found.iter().copied()) <= Norm::L1.length(delta.iter().copied()) + 1e-12, "{found:?} {delta:?}");
                }
            }
        }

        /// The same by bisection on the multiplier, with every element clipped by itself.
        #[test]
        fn bisection_agrees((w, x, gap) in problem(400)) {
            let most = capacity(&w, &x, &Domain::PIXELS, gap.signum());
            prop_assume!(gap != 0.0 && gap.abs() < 0.999 * most);
            for norm in [Norm::Linf, Norm::L2] {
                let at = |multiplier: f64| -> Vec<f64> {
                    let moved = |(w, x): (&f32, &f32)| {
                        let w = f64::from(*w) * gap.signum();
                        let way = if norm == Norm::L2 { w } else if w == 0.0 { 0.0 } else { w.signum() };
                        (f64::from(*x) + multiplier * way).clamp(0.0, 1.0) - f64::from(*x)
                    };
                    w.iter().zip(&x).map(moved).collect()
                };
                let (mut low, mut high) = (0.0f64, 1e12f64);
                for _ in 0..200 {
                    let middle = if low > 0.0 { (low * high).sqrt() } else { high / 1e3 };
                    if dot(&w, &at(middle)).abs() < gap.abs() { low = middle } else { high = middle }
                }
                let (found, wanted) = (nearest_move(norm, &w, gap, &x, &Domain::PIXELS), at(high));
                let off = found.iter().zip(&wanted).fold(0.0, |most: f64, (a, b)| most.max((a - b).abs()));
                // A relative error of the gain is the same in the multiplier, over the share of the weight that still moves.
                prop_assert!(off <= 1e-7, "{norm} {off}");
            }
        }
    }

    #[test]
    fn inside_the_bounds_it_is_the_closed_form() {
        let (w, x) = ([3.0f32, -4.0, 0.0, 12.0], [0.5f32, -7.0, 2.0, 1e6]);
        let gap = 1.9;
        let linf = nearest_move(Norm::Linf, &w, gap, &x, &Domain::UNBOUNDED);
        assert_eq!(linf, [1.9 / 19.0, -1.9 / 19.0, 0.0, 1.9 / 19.0]);
        let l2 = nearest_move(Norm::L2, &w, -gap, &x, &Domain::UNBOUNDED);
        let time = 1.9 / 169.0;
        assert_eq!(l2, [-3.0 * time, 4.0 * time, 0.0, -12.0 * time]);
        assert_eq!((Norm::Linf.length(linf.iter().copied()), Norm::Linf.dual_length(&w)), (1.9 / 19.0, 19.0));
        // Four roundings.
        assert!((Norm::L2.length(l2.iter().copied()) * Norm::L2.dual_length(&w) - 1.9).abs() < 1e-15);
        assert_eq!(Norm::L2.dual_length(&w), 13.0);
        let l1 = nearest_move(Norm::L1, &w, gap, &x, &Domain::UNBOUNDED);
        assert_eq!((&l1, Norm::L1.dual_length(&w)), (&vec![0.0, 0.0, 0.0, 1.9 / 12.0], 12.0));
    }

    #[test]
    fn elements_that_meet_a_bound_leave_the_way_to_the_others() {
        let (w, x) = ([1.0f32, 1.0, 2.0], [0.5f32, 1.0, 0.9]);
        // The second has no room; the third stops at 0.1, in L2 at time 0.05, in L1 before the first moves; the first goes on.
        for (norm, gap) in NORMS.into_iter().flat_map(|norm| [(norm, 0.45), (norm, 0.7)]) {
            let room = 1.0 - f64::from(0.9f32);
            let delta = nearest_move(norm, &w, gap, &x, &Domain::PIXELS);
            assert!(delta[1] == 0.0 && delta[2] == room && (delta[0] - (gap - 2.0 * room)).abs() < 1e-15, "{delta:?}");
        }
        for norm in NORMS {
            assert_eq!(nearest_move(norm, &w, 5.0, &x, &Domain::PIXELS), [0.5, 0.0, 1.0 - f64::from(0.9f32)]);
            assert_eq!(nearest_move(norm, &w, -50.0, &x, &Domain::PIXELS), [-0.5, -1.0, -f64::from(0.9f32)]);
            assert_eq!(nearest_move(norm, &w, 0.0, &x, &Domain::PIXELS), [0.0; 3]);
            assert_eq!(nearest_move(norm, &[0.0; 3], 1.0, &x, &Domain::PIXELS), [0.0; 3]);
        }
    }
}
