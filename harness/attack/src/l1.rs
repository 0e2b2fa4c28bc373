//! The geometry of L1, where a length is a sum: the nearest point of a ball within bounds, and what gains most for a length.

/// Shortens moves as little as it takes to fit a radius.
///
/// Solves `argmin ‖z − moves‖₂  s.t. 0 ≤ z ≤ rooms, Σ z ≤ radius`: every move shorter by the same amount, but never below 0 nor
/// above its room. Clipping to the rooms after a projection that ignores them is something else.
///
/// Shapes: `moves` and `rooms` `[D]`, not negative; returns `[D]`.
/// Errors: none; exact up to the rounding of f64 sums of `D` terms, and never longer than the radius by more than that.
/// Source: Croce and Hein 2021, arXiv:2103.01208, proposition 2.1.
pub(crate) fn shortened(moves: &[f64], rooms: &[f64], radius: f64) -> Vec<f64> {
    let rooms: Vec<f64> = rooms.iter().map(|room| room.min(radius)).collect();
    // What lies farther out than this comes back to the same point, and differences of larger numbers would lose digits.
    let moves: Vec<f64> = moves.iter().zip(&rooms).map(|(length, room)| length.min(room + 1e9 * radius)).collect();
    let cut = cut(&moves, &rooms, radius);
    let mut z: Vec<f64> = moves.iter().zip(&rooms).map(|(length, room)| (length - cut).clamp(0.0, *room)).collect();
    let sum: f64 = z.iter().fold(0.0, |sum, z| sum + z);
    if sum > radius {
        z.iter_mut().for_each(|z| *z *= radius / sum);
    }
    z
}

/// The least amount by which every move has to be shorter.
///
/// The sum falls with the amount, and linearly between the amounts at which a move first gets shorter than its room or
/// comes to nothing.
fn cut(moves: &[f64], rooms: &[f64], radius: f64) -> f64 {
    let (mut sum, mut falling, mut at) = (0.0, 0.0, 0.0);
    let mut bends: Vec<(f64, f64)> = Vec::with_capacity(2 * moves.len());
    for (length, room) in moves.iter().zip(rooms).filter(|(length, room)| **length > 0.0 && **room > 0.0) {
        sum += length.min(*room);
        match length > room {
            true => bends.push((length - room, 1.0)),
            false => falling += 1.0,
        }
        bends.push((*length, -1.0));
    }
    bends.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    if sum <= radius {
        return 0.0;
    }
    for (bend, change) in bends {
        let next = sum - falling * (bend - at);
        if next <= radius {
            return at + (sum - radius) / falling;
        }
        (sum, at, falling) = (next, bend, falling + change);
    }
    at
}

/// The elements that have a weight, by falling weight, equals in their order. What is not a number has none.
pub(crate) fn by_falling(weights: impl Iterator<Item = f64>) -> Vec<usize> {
    let mut order: Vec<(f64, usize)> =
        weights.enumerate().filter(|(_, weight)| *weight > 0.0).map(|(index, weight)| (weight, index)).collect();
    order.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    order.into_iter().map(|(_, index)| index).collect()
}

/// Gives each element of an order its room while the length lasts: which elements move, and how far.
pub(crate) fn spent(
    order: &[usize],
    mut length: f64,
    room: impl Fn(usize) -> f64,
) -> impl Iterator<Item = (usize, f64)> {
    order.iter().map_while(move |&index| {
        let part = room(index).min(length);
        let some = length > 0.0;
        length -= part;
        some.then_some((index, part))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The nearest among all points whose elements are at 0, at their room, or shorter by one common amount.
    fn by_force(moves: &[f64], rooms: &[f64], radius: f64) -> Vec<f64> {
        let clipped: Vec<f64> = moves.iter().zip(rooms).map(|(length, room)| length.min(*room)).collect();
        if clipped.iter().sum::<f64>() <= radius {
            return clipped;
        }
        let mut best: Option<(f64, Vec<f64>)> = None;
        for choice in 0..3usize.pow(moves.len() as u32) {
            let kind = |index: usize| choice / 3usize.pow(index as u32) % 3;
            let all = || 0..moves.len();
            let free: Vec<usize> = all().filter(|index| kind(*index) == 2).collect();
            let fixed: f64 = all().filter(|index| kind(*index) == 1).map(|index| rooms[index]).sum();
            let over = free.iter().map(|index| moves[*index]).sum::<f64>() + fixed - radius;
            let common = if free.is_empty() { 0.0 } else { over / free.len() as f64 };
            let point = |index: usize| [0.0, rooms[index], moves[index] - common][kind(index)];
            let z: Vec<f64> = all().map(point).collect();
            let within = z.iter().zip(rooms).all(|(z, room)| (-1e-12..=room + 1e-12).contains(z));
            if within && z.iter().sum::<f64>() <= radius + 1e-9 {
                let square: f64 = z.iter().zip(moves).map(|(z, length)| (z - length).powi(2)).sum();
                if best.as_ref().is_none_or(|(least, _)| square < *least) {
                    best = Some((square, z));
                }
            }
        }
        best.expect("the origin is there").1
    }

    fn length() -> impl Strategy<Value = f64> {
        prop_oneof![Just(0.0), 0.0..1.0f64, 0.0..1e-3f64, Just(0.5), (0u8..4).prop_map(f64::from)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn nothing_that_fits_is_nearer(
            elements in prop::collection::vec((length(), length()), 1..7),
            radius in prop_oneof![0.0..3.0f64, Just(0.5), Just(1e-3)],
        ) {
            let (moves, rooms): (Vec<f64>, Vec<f64>) = elements.into_iter().unzip();
            let (found, wanted) = (shortened(&moves, &rooms, radius), by_force(&moves, &rooms, radius));
            for (found, wanted) in found.iter().zip(&wanted) {
                // The sums have up to 7 terms below 4.
                prop_assert!((found - wanted).abs() < 1e-9, "{moves:?} {rooms:?} {radius}: {found} {wanted}");
            }
        }

        /// Far more elements: the same amount off everything that has neither gone nor its whole room.
        #[test]
        fn every_move_is_shorter_by_the_same(
            elements in prop::collection::vec((length(), length()), 1..400),
            share in 0.0..1.0f64,
        ) {
            let (moves, rooms): (Vec<f64>, Vec<f64>) = elements.into_iter().unzip();
            let radius = share * moves.iter().zip(&rooms).map(|(length, room)| length.min(*room)).sum::<f64>();
            let z = shortened(&moves, &rooms, radius);
            let sum: f64 = z.iter().sum();
            prop_assert!(sum <= radius * (1.0 + 1e-12) && sum >= radius * (1.0 - 1e-9), "{sum} {radius}");
            let all = || moves.iter().zip(&rooms).zip(&z);
            let free = all().filter(|((_, room), z)| **z > 1e-9 && **z < **room - 1e-9);
            let cuts: Vec<f64> = free.map(|((length, _), z)| length - z).collect();
            let (least, most) = cuts.iter().fold((9.0f64, 0.0f64), |(l, m), cut| (l.min(*cut), m.max(*cut)));
            prop_assert!(cuts.is_empty() || most - least < 1e-9, "{least} to {most}");
            for ((length, room), z) in all().filter(|_| !cuts.is_empty()) {
                let can_move = *room > 1e-9;
                prop_assert!(!can_move || *z > 1e-9 || *length <= most + 1e-9, "{length} {room} {z}");
                prop_assert!(!can_move || *z < room - 1e-9 || length - room >= least - 1e-9, "{length} {room} {z}");
            }
        }
    }

    #[test]
    fn moves_without_end_come_back_too() {
        for (moves, rooms) in [([1e300, 1e300], [0.4, 3.0]), ([f64::INFINITY, 5.0], [0.4, 3.0])] {
            let z = shortened(&moves, &rooms, 1.0);
            assert!(z[0] <= 0.4 && z.iter().sum::<f64>() <= 1.0 && z.iter().sum::<f64>() > 0.39, "{z:?}");
        }
        assert_eq!(shortened(&[3.0, 1.0], &[9.0, 9.0], 0.0), [0.0, 0.0]);
    }

    #[test]
    fn length_goes_to_the_largest_weights() {
        let order = by_falling([0.5, f64::NAN, 2.0, 0.0, 0.5, f64::INFINITY].into_iter());
        assert_eq!(order, [5, 2, 0, 4]);
        let moved: Vec<(usize, f64)> = spent(&order, 1.0, |index| if index == 0 { 9.0 } else { 0.25 }).collect();
        assert_eq!(moved, [(5, 0.25), (2, 0.25), (0, 0.5)]);
        assert_eq!(spent(&order, 0.0, |_| 1.0).count(), 0);
    }
}
