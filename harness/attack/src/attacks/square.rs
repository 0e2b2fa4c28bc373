use crate::attacks::{Attack, Registered};
use crate::lanes::{Row, Search};
use crate::seeds::{below, sign};
use crate::{AttackSpec, Cost, Epsilon, Error, Norm, Picture, ThreatModel};
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::rc::Rc;

/// Square: a random search by logits alone. Each query changes the perturbation in one window of the picture, in a line in one
/// interval, and keeps what lowers the margin of the right class.
///
/// L-inf: stripes of the bounds at first, then windows whose channels go to one of their bounds. L2: tiles at first, then
/// what two windows have of the perturbation is put into one of them. L1: the same with sums for lengths, each point then moved
/// to the nearest one of the ball. Where a draw would change nothing it is drawn again,
/// which the authors' code does not; its windows never reach the last row and column, ours do.
/// Source: Andriushchenko et al. 2020, arXiv:1912.00049; windows shrink as in arXiv:2003.01690.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Square {
    /// How many points each search looks at, the first one included; at least 1.
    #[schemars(range(min = 1))]
    pub queries: u32,
    /// The share of the picture that the first windows cover, above 0 and at most 1. It halves after 10, 50, 200, 500, 1000,
    /// 2000, 4000, 6000 and 8000 windows.
    pub p_init: Epsilon,
    /// How often it begins anew, at least 1.
    #[schemars(range(min = 1))]
    pub restarts: u32,
}

pub(crate) static SQUARE: Registered = Registered {
    name: "square",
    about: "Random search by logits in windows that shrink. Andriushchenko et al. 2020, arXiv:1912.00049.",
    revision: 1,
    cases: || {
        let p_init: Epsilon = "0.8".parse().expect("a decimal");
        let plain = Square { queries: 60, p_init, restarts: 1 };
        let small = Square { p_init: "1/10".parse().expect("a fraction"), restarts: 2, queries: 20 };
        vec![AttackSpec::Square(plain), AttackSpec::Square(small)]
    },
};

/// After how many windows the share halves.
const HALVES: [u32; 9] = [10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000];
/// How often a window that changes nothing is drawn again.
const DRAWS: usize = 16;

/// The extents of a window, and where it lies.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Window {
    y: usize,
    x: usize,
    height: usize,
    width: usize,
}

impl Window {
    /// The elements of one channel within it, row by row.
    fn elements(self, picture: Picture, channel: usize) -> impl Iterator<Item = usize> {
        let rows = self.y..self.y + self.height;
        rows.flat_map(move |y| (self.x..self.x + self.width).map(move |x| picture.index(channel, y, x)))
    }

    fn contains(self, y: usize, x: usize) -> bool {
        (self.y..self.y + self.height).contains(&y) && (self.x..self.x + self.width).contains(&x)
    }

    /// The same window somewhere in the picture, each place as likely.
    fn anywhere(self, picture: Picture, rng: &mut ChaCha8Rng) -> Window {
        let y = below(rng, picture.height - self.height + 1);
        let x = below(rng, picture.width - self.width + 1);
        Window { y, x, ..self }
    }
}

impl Square {
    /// The share of the picture that a window covers, by how many there were before.
    fn share(&self, windows: u32) -> f64 {
        let halves = HALVES.iter().filter(|after| windows > **after).count();
        self.p_init.to_f64() / f64::from(1u32 << halves)
    }

    /// The extents of such a window: of a picture a square of that area, as far as it fits, of a line an interval.
    fn window(&self, picture: Picture, norm: Norm, windows: u32) -> Window {
        let share = self.share(windows);
        let side = match picture.height {
            1 => share * picture.width as f64,
            _ => (share * (picture.height * picture.width) as f64).sqrt(),
        };
        let side = match norm {
            Norm::Linf => (side.round() as usize).max(1),
            // Odd, so that it has a middle.
            Norm::L1 | Norm::L2 => (side.round() as usize).max(3) | 1,
        };
        Window { y: 0, x: 0, height: side.min(picture.height), width: side.min(picture.width) }
    }

    async fn search(&self, row: &Row) {
        for restart in 0..self.restarts as usize {
            let mut rng = row.stream(SQUARE.name, restart);
            let mut best = begin(row, &mut rng);
            let mut least = look(row, &best).await;
            for query in 1..self.queries {
                let window = self.window(row.picture, row.ball.norm(), query - 1);
                let next = changed(row, &best, window, &mut rng);
                let margin = look(row, &next).await;
                if margin < least || margin <= 0.0 {
                    (best, least) = (next, margin);
                }
            }
        }
    }
}

/// Looks at a point, puts it before the judge if it is misclassified, and returns the margin of the right class, infinite
/// where it is not a number.
async fn look(row: &Row, x: &[f32]) -> f32 {
    let logits = row.logits(x).await;
    if row.is_broken_by(&logits) {
        row.propose(x, true).await;
    }
    let rivals = logits.iter().enumerate().filter(|(class, _)| *class != row.label);
    let margin = logits[row.label] - rivals.fold(f32::NEG_INFINITY, |most, (_, logit)| most.max(*logit));
    if margin.is_nan() || logits.iter().any(|logit| logit.is_nan()) { f32::INFINITY } else { margin }
}

/// Where a search begins.
fn begin(row: &Row, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let Picture { channels, height, width, .. } = row.picture;
    let mut x = row.ball.center().to_vec();
    match row.ball.norm() {
        Norm::Linf => {
            for (channel, column) in (0..channels).flat_map(|channel| (0..width).map(move |x| (channel, x))) {
                let up = sign(rng) > 0.0;
                for y in 0..height {
                    let at = row.picture.index(channel, y, column);
                    x[at] = if up { row.ball.upper[at] } else { row.ball.lower[at] };
                }
            }
        }
        Norm::L1 | Norm::L2 => {
            let tile = Window { y: 0, x: 0, height: (height / 5).max(1), width: (width / 5).max(1) };
            let (rows, columns) = (height / tile.height, width / tile.width);
            let (top, left) = ((height - rows * tile.height) / 2, (width - columns * tile.width) / 2);
            let mut delta = vec![0.0; x.len()];
            for (i, j) in (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))) {
                let window = Window { y: top + i * tile.height, x: left + j * tile.width, ..tile };
                let shape = opposed(window.height, window.width, rng);
                for channel in 0..channels {
                    let sign = sign(rng);
                    window.elements(row.picture, channel).zip(&shape).for_each(|(at, part)| delta[at] += sign * part);
                }
            }
            if row.ball.norm() == Norm::L1 {
                // Only the ends that reach far out are left of it in the ball.
                delta.iter_mut().for_each(|part| *part *= row.domain.width());
            }
            stretch(row, &delta, &mut x);
        }
    }
    x
}

/// A point that differs from `best` in a window.
fn changed(row: &Row, best: &[f32], window: Window, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let mut next = best.to_vec();
    for _ in 0..DRAWS {
        match row.ball.norm() {
            Norm::Linf => {
                let window = window.anywhere(row.picture, rng);
                for channel in 0..row.picture.channels {
                    let bounds = if sign(rng) > 0.0 { &row.ball.upper } else { &row.ball.lower };
                    window.elements(row.picture, channel).for_each(|at| next[at] = bounds[at]);
                }
            }
            Norm::L1 | Norm::L2 => {
                let [kept, emptied] = [(); 2].map(|()| window.anywhere(row.picture, rng));
                let delta = gathered(row, best, kept, emptied, rng);
                stretch(row, &delta, &mut next);
            }
        }
        if next != best {
            break;
        }
    }
    next
}

/// The perturbation of `best` with what two windows have of it put into the first.
fn gathered(row: &Row, best: &[f32], kept: Window, emptied: Window, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let picture = row.picture;
    let mut delta: Vec<f64> =
        best.iter().zip(row.ball.center()).map(|(x, center)| f64::from(*x) - f64::from(*center)).collect();
    let length = Length(row.ball.norm());
    let added = |sum: f64, part: f64| sum + length.of(part);
    let missing = length.of(row.epsilon) - delta.iter().copied().fold(0.0, added);
    let shape = opposed(kept.height, kept.width, rng);
    for channel in 0..picture.channels {
        let own: Vec<f64> = kept.elements(picture, channel).map(|at| delta[at]).collect();
        let other = (emptied.y..emptied.y + emptied.height)
            .flat_map(|y| (emptied.x..emptied.x + emptied.width).map(move |x| (y, x)))
            .filter(|(y, x)| !kept.contains(*y, *x))
            .map(|(y, x)| delta[picture.index(channel, y, x)]);
        let mass = own.iter().copied().fold(0.0, added);
        let both = other.fold(mass, added);
        let sign = sign(rng);
        let new: Vec<f64> =
            own.iter().zip(&shape).map(|(own, part)| sign * part + own / (1e-12 + length.root(mass))).collect();
        let long = length.root(new.iter().copied().fold(0.0, added));
        let size = length.root(missing.max(0.0) / picture.channels as f64 + both) / (1e-12 + long);
        let size = if length.0 == Norm::L1 { size * picture.channels as f64 } else { size };
        emptied.elements(picture, channel).for_each(|at| delta[at] = 0.0);
        kept.elements(picture, channel).zip(new).for_each(|(at, new)| delta[at] = size * new);
    }
    delta
}

/// How the parts of a perturbation add up to its length: in L2 as squares.
#[derive(Clone, Copy)]
struct Length(Norm);

impl Length {
    fn of(self, part: f64) -> f64 {
        if self.0 == Norm::L1 { part.abs() } else { part * part }
    }

    fn root(self, sum: f64) -> f64 {
        if self.0 == Norm::L1 { sum } else { sum.sqrt() }
    }
}

/// Puts into `x` the point of the ball in the direction `delta`, epsilon away but for the input's bounds; in L1 the nearest point
/// to that at the end of `delta`.
fn stretch(row: &Row, delta: &[f64], x: &mut [f32]) {
    let length = delta.iter().fold(0.0, |sum, part| sum + part * part).sqrt();
    let scale = if row.ball.norm() == Norm::L1 { 1.0 } else { row.epsilon / (length + 1e-12) };
    for (x, (center, part)) in x.iter_mut().zip(row.ball.center().iter().zip(delta)) {
        *x = (f64::from(*center) + scale * part) as f32;
    }
    row.ball.clip(x);
}

/// A shape of length 1: a hill in one half of a window and a hollow in the other, side by side or one above the other.
fn opposed(height: usize, width: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let side_by_side = sign(rng) > 0.0 || height == 1;
    let (first, second) = match side_by_side {
        true => (hill(height, width / 2), hill(height, width - width / 2)),
        false => (hill(height / 2, width), hill(height - height / 2, width)),
    };
    let part = |y: usize, x: usize| match side_by_side {
        true if x < width / 2 => first[y * (width / 2) + x],
        true => -second[y * (width - width / 2) + x - width / 2],
        false if y < height / 2 => first[y * width + x],
        false => -second[(y - height / 2) * width + x],
    };
    normalised((0..height).flat_map(|y| (0..width).map(move |x| (y, x))).map(|(y, x)| part(y, x)).collect())
}

/// A shape of length 1 that is highest in the middle: rectangles about it, each one larger, of heights 1, 1/4, 1/9, ...
fn hill(height: usize, width: usize) -> Vec<f64> {
    let mut shape = vec![0.0; height * width];
    for ring in 0..(height / 2 + 1).max(width / 2 + 1) {
        let extent = |middle: usize, end: usize| middle.saturating_sub(ring)..(middle + ring + 1).min(end);
        for y in extent(height / 2, height) {
            for x in extent(width / 2, width) {
                shape[y * width + x] += 1.0 / ((ring + 1) * (ring + 1)) as f64;
            }
        }
    }
    normalised(shape)
}

fn normalised(mut shape: Vec<f64>) -> Vec<f64> {
    let length = shape.iter().fold(0.0, |sum, part| sum + part * part).sqrt();
    if length > 0.0 {
        shape.iter_mut().for_each(|part| *part /= length);
    }
    shape
}

impl Attack for Square {
    fn registered(&self) -> &'static Registered {
        &SQUARE
    }

    fn check(&self, _: &ThreatModel) -> Result<(), Error> {
        let share = self.p_init.to_f64();
        let reason = if self.queries == 0 {
            "`queries` is 0; expected at least 1"
        } else if self.restarts == 0 {
            "`restarts` is 0; expected at least 1"
        } else if !(share > 0.0 && share <= 1.0) {
            "`p_init` is a share; expected more than 0 and at most 1"
        } else {
            return Ok(());
        };
        Err(Error::Spec { attack: SQUARE.name, reason: reason.to_owned() })
    }

    fn cost(&self, _: usize) -> Cost {
        let queries = u64::from(self.queries) * u64::from(self.restarts);
        Cost { forwards: queries, backwards: 0, judge_forwards: queries }
    }

    fn search<'a>(&'a self, row: Rc<Row>) -> Search<'a> {
        Box::pin(async move { self.search(&row).await })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::laws::{Problem, setting, threat};
    use crate::seeds::stream;
    use crate::testing::Network;
    use crate::{RowOutcome, Rows, Setting, run};
    use ndarray::Axis;

    fn square() -> Square {
        Square { queries: 5000, p_init: "0.8".parse().expect("a decimal"), restarts: 1 }
    }

    fn rng() -> ChaCha8Rng {
        stream(1, "test", &[0; 32], 0)
    }

    #[test]
    fn windows_shrink_when_the_authors_do() {
        let picture = Picture::new(&[3, 32, 32], false);
        let side = |norm, windows| square().window(picture, norm, windows).width;
        // round(sqrt(0.8 * 1024 / 2^k)), on either side of each change.
        let sides = [29, 20, 14, 10, 7, 5, 4, 3, 2, 1];
        for (index, after) in HALVES.into_iter().enumerate() {
            assert_eq!((side(Norm::Linf, after), side(Norm::Linf, after + 1)), (sides[index], sides[index + 1]));
        }
        let odd = [29, 21, 15, 11, 7, 5, 5, 3, 3, 3];
        let l2 = [0, 11, 51, 201, 501, 1001, 2001, 4001, 6001, 8001].map(|windows| side(Norm::L2, windows));
        assert_eq!(l2, odd);
    }

    #[test]
    fn windows_fit_lines_and_oblong_pictures() {
        let extents = |picture, windows| {
            let Window { height, width, .. } = square().window(picture, Norm::Linf, windows);
            (height, width)
        };
        assert_eq!(extents(Picture::new(&[1, 49, 10], false), 0), (20, 10));
        assert_eq!(extents(Picture::new(&[1, 49, 10], false), 300), (7, 7));
        assert_eq!((extents(Picture::line(40), 0), extents(Picture::line(40), 9999)), ((1, 32), (1, 1)));
        assert_eq!(extents(Picture::new(&[2, 1], false), 0), (1, 1));
    }

    #[test]
    fn windows_lie_everywhere_and_nowhere_else() {
        let (picture, mut rng) = (Picture::new(&[2, 4, 6], false), rng());
        let window = Window { y: 0, x: 0, height: 3, width: 2 };
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..1000 {
            let Window { y, x, .. } = window.anywhere(picture, &mut rng);
            seen.insert((y, x));
            assert_eq!(window.elements(picture, 1).count(), 6);
        }
        assert_eq!(seen.len(), 2 * 5);
    }

    /// With one window of a single element at a time every bound of a linear model can be reached.
    #[test]
    fn linear_models_fall_where_they_must_and_nowhere_else() {
        let mut problem = Problem::linear(2, 100);
        for epsilon in ["8/255", "0.05"] {
            let threat = threat(Norm::Linf, epsilon);
            let spec = AttackSpec::Square(Square { queries: 1000, ..square() });
            let outcomes = problem.attack(&spec, &threat);
            let exact: Vec<f64> = (0..100).map(|row| problem.worst_margin(row, &threat)).collect();
            let fallen = |outcome: &&RowOutcome| outcome.broken;
            assert!(outcomes.iter().zip(&exact).all(|(outcome, exact)| !outcome.broken || *exact < 2e-6));
            let (found, most) = (outcomes.iter().filter(fallen).count(), exact.iter().filter(|m| **m < -2e-6).count());
            assert!(10 < most && most < 100 && found * 10 >= most * 9, "{epsilon}: {found} of {most}");
        }
    }

    /// The same picture with its channels first and last, through a network that knows.
    #[test]
    fn the_layout_changes_nothing() {
        let threat = threat(Norm::Linf, "8/255");
        let [first, last] =
            [false, true].map(|channels_last| Picture { channels: 2, height: 3, width: 5, channels_last });
        let mut order = vec![0; first.len()];
        for (c, y, x) in (0..2).flat_map(|c| (0..3).flat_map(move |y| (0..5).map(move |x| (c, y, x)))) {
            order[last.index(c, y, x)] = first.index(c, y, x);
        }
        let Problem { network, x, labels, digests, .. } = Problem::linear(3, 60);
        // Sixteenths, so that sums are exact in any order.
        let weights = network.layers[0].0.mapv(|w| (w * 16.0).round() / 16.0);
        let outcomes = |picture, order: &[usize]| {
            let (x, weights) = (x.select(Axis(1), order), weights.select(Axis(1), order));
            let [mut oracle, mut judge] =
                [(); 2].map(|()| Network::linear(weights.clone(), network.layers[0].1.clone()));
            let rows = Rows { x: x.view(), labels: &labels, digests: &digests };
            let setting = Setting { picture, ..setting(&threat, false) };
            run(&AttackSpec::Square(Square { queries: 40, ..square() }), &rows, &setting, &mut oracle, &mut judge)
                .expect("it runs")
        };
        let straight: Vec<usize> = (0..first.len()).collect();
        let (one, other) = (outcomes(first, &straight), outcomes(last, &order));
        assert!(one.iter().any(|row| row.broken && row.forwards > 1) && one.iter().any(|row| !row.broken));
        for (one, other) in one.iter().zip(&other) {
            let moved = one.witness.as_ref().map(|x| order.iter().map(|at| x[*at]).collect::<Vec<f32>>());
            assert_eq!((one.forwards, moved), (other.forwards, other.witness.clone()));
        }
    }

    #[test]
    fn shapes_have_length_one_and_two_opposed_halves() {
        // Worked out by hand from the authors' definition: 1 in the middle, then 1/4 for the square around it.
        let by_hand = [0.25, 0.25, 0.25, 0.25, 1.25, 0.25, 0.25, 0.25, 0.25];
        let length = (8.0 * 0.0625 + 1.5625f64).sqrt();
        assert!(hill(3, 3).iter().zip(by_hand).all(|(found, wanted)| (found - wanted / length).abs() < 1e-15));
        let mut rng = rng();
        for (height, width) in [(1, 1), (1, 7), (7, 7), (2, 5), (6, 6)] {
            for _ in 0..4 {
                let shape = opposed(height, width, &mut rng);
                let length: f64 = shape.iter().map(|part| part * part).sum();
                assert!((length - 1.0).abs() < 1e-12, "{height}x{width}");
                assert_eq!(shape.len() > 1, shape.iter().any(|part| *part > 0.0));
                assert!(shape.iter().any(|part| *part < 0.0));
            }
        }
    }
}
