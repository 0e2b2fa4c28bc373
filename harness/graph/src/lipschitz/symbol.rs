//! The spectral norm of a convolution from above, by its symbol.
//!
//! With zero padding a convolution is a part of the one on the infinite grid, whose norm is the largest spectral norm of its
//! symbol `W(ω) = Σ_k W_k e^{iωk}`. A stride makes the input's phases channels. Between the points of a grid of frequencies a
//! trigonometric polynomial of degree d is above its largest value there by no more than `1 / cos(πd/N)` for each axis.
//!
//! Sources: Sedghi et al. 2019, arXiv:1805.10408; Ehlich and Zeller 1964, "Schwankung von Polynomen zwischen
//! Gitterpunkten"; Pfister and Bresler 2018, arXiv:1807.09194.

use super::change::{rounding, times, up};
use super::roots::roots_of_unity;
use super::spectral::{eigenvalues_below, excess, frobenius, largest_eigenvalue, spectral_norm};
use crate::ops::product::{add_product, transposed};
use crate::ops::window::Axis;
use std::collections::{BTreeMap, BTreeSet};

/// Multiplications that the frequencies of one convolution may take.
const MOST_WORK: usize = 4_000_000_000;
/// The margin of a limit above the eigenvalue that gave it, so that slightly larger ones do not need a new one.
const SLACK: f64 = 1.0 + 5e-4;

/// One tap of a kernel: its place and its weights `[filters, depth]`.
#[derive(Debug, Clone)]
pub(super) struct Tap {
    pub(super) row: usize,
    pub(super) column: usize,
    pub(super) weights: Vec<f64>,
}

/// An upper bound on the spectral norm of a convolution of one group with these axes.
pub(super) fn norm(axes: &[Axis; 2], filters: usize, depth: usize, taps: &[Tap]) -> f64 {
    let lines =
        [Line::new(&axes[0], taps.iter().map(|tap| tap.row)), Line::new(&axes[1], taps.iter().map(|tap| tap.column))];
    let taps: Vec<Placed<'_>> = taps
        .iter()
        .map(|tap| {
            let ((first, row), (second, column)) = (lines[0].place(tap.row), lines[1].place(tap.column));
            Placed { phase: [first, second], shift: [row, column], weights: &tap.weights }
        })
        .collect();
    let phases: Vec<[usize; 2]> = taps.iter().map(|tap| tap.phase).collect::<BTreeSet<_>>().into_iter().collect();
    // The taps of a phase add up, and phases are different inputs.
    let of_phase = |phase: &[usize; 2]| {
        let taps = taps.iter().filter(|tap| tap.phase == *phase);
        taps.fold(0.0, |sum, tap| up(sum + spectral_norm(filters, depth, tap.weights)))
    };
    let by_taps = phases.iter().map(of_phase).fold(0.0, |sum: f64, norm| up((sum * sum + norm * norm).sqrt()));
    let products =
        taps.len().saturating_mul(taps.len()).saturating_mul(filters * depth * filters.min(depth * phases.len()));
    // One tap is a matrix, whose norm this is already.
    if taps.len() == 1 || products > MOST_WORK {
        return by_taps;
    }
    let gram = Gram::new(filters, depth, &taps, &phases);
    by_taps.min(gram.largest(&lines).unwrap_or(f64::INFINITY))
}

/// The taps of one axis on the grid of outputs: tap `k` sees the input at `stride · shift + phase`.
#[derive(Debug)]
struct Line {
    stride: usize,
    dilation: usize,
    /// What all shifts are multiples of, from the first on.
    step: usize,
    first: usize,
    /// From the first shift to the last, in steps.
    span: usize,
}

impl Line {
    fn new(axis: &Axis, taps: impl Iterator<Item = usize>) -> Self {
        let shifts: BTreeSet<usize> = taps.map(|tap| tap * axis.dilation / axis.stride).collect();
        let (first, last) = (shifts.first().copied().unwrap_or(0), shifts.last().copied().unwrap_or(0));
        let step = shifts.iter().fold(0, |step, shift| greatest_common_divisor(step, shift - first)).max(1);
        Self { stride: axis.stride, dilation: axis.dilation, step, first, span: (last - first) / step }
    }

    /// Phase and shift.
    fn place(&self, tap: usize) -> (usize, i64) {
        let at = tap * self.dilation;
        (at % self.stride, ((at / self.stride - self.first) / self.step) as i64)
    }

    /// The degree of the symbol, once its frequencies are centred.
    fn degree(&self) -> usize {
        self.span.div_ceil(2)
    }

    /// Points of the grid, for this many at each degree.
    fn points(&self, density: usize) -> usize {
        (self.degree() * density).max(1)
    }

    /// By how much the symbol may be larger between the points.
    fn between(&self, density: usize) -> f64 {
        match self.degree() {
            0 => 1.0,
            degree => (1.0 + 1e-14) / roots_of_unity(2 * degree * density)[degree].0,
        }
    }
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// A tap that knows its phase and shift on each axis.
#[derive(Debug)]
struct Placed<'a> {
    phase: [usize; 2],
    shift: [i64; 2],
    weights: &'a [f64],
}

/// `W(ω) W(ω)*` or `W(ω)* W(ω)`, whichever is smaller: `C_0 + Σ_d (C_d e^{iωd} + C_dᵀ e^{-iωd})` over half of the shifts d.
#[derive(Debug)]
struct Gram {
    side: usize,
    constant: Vec<f64>,
    waves: Vec<Wave>,
    /// How far rounding may have moved its eigenvalues at any frequency.
    lost: f64,
}

/// `C_d + C_dᵀ` and `C_d - C_dᵀ`.
#[derive(Debug)]
struct Wave {
    shift: [i64; 2],
    even: Vec<f64>,
    odd: Vec<f64>,
}

impl Gram {
    fn new(filters: usize, depth: usize, taps: &[Placed<'_>], phases: &[[usize; 2]]) -> Self {
        let by_filter = filters <= depth * phases.len();
        let side = if by_filter { filters } else { depth * phases.len() };
        let flipped: Vec<Vec<f64>> = taps.iter().map(|tap| transposed(filters, depth, tap.weights)).collect();
        let mut terms: BTreeMap<[i64; 2], Vec<f64>> = BTreeMap::new();
        let index = |phase: &[usize; 2]| phases.iter().position(|known| known == phase).unwrap_or(0);
        for (a, a_flipped) in taps.iter().zip(&flipped) {
            for (b, b_flipped) in taps.iter().zip(&flipped) {
                let shift = if by_filter {
                    [0, 1].map(|i| a.shift[i] - b.shift[i])
                } else {
                    [0, 1].map(|i| b.shift[i] - a.shift[i])
                };
                if shift < [0, 0] || by_filter && a.phase != b.phase {
                    continue;
                }
                let term = terms.entry(shift).or_insert_with(|| vec![0.0; side * side]);
                if by_filter {
                    add_product(filters, depth, filters, a.weights, b_flipped, term);
                    continue;
                }
                let mut block = vec![0.0; depth * depth];
                add_product(depth, filters, depth, a_flipped, b.weights, &mut block);
                let corner = index(&a.phase) * depth * side + index(&b.phase) * depth;
                for (row, line) in block.chunks(depth).enumerate() {
                    term[corner + row * side..].iter_mut().zip(line).for_each(|(x, y)| *x += y);
                }
            }
        }
        let constant = terms.remove(&[0, 0]).unwrap_or_else(|| vec![0.0; side * side]);
        let wave = |(shift, term): ([i64; 2], Vec<f64>)| {
            let mirrored = transposed(side, side, &term);
            let even = term.iter().zip(&mirrored).map(|(x, y)| x + y).collect();
            let odd = term.iter().zip(&mirrored).map(|(x, y)| x - y).collect();
            Wave { shift, even, odd }
        };
        let sum = taps.iter().fold(0.0, |sum, tap| up(sum + frobenius(tap.weights)));
        // Each element is a sum of products over channels and pairs of taps; the roots of unity are good to 2^-50.
        let terms_of_each = filters.max(depth) + taps.len() * taps.len() + 64;
        let lost = times(rounding(terms_of_each), times(sum, sum)) + (side * terms_of_each) as f64 * f64::MIN_POSITIVE;
        Self { side, constant, waves: terms.into_iter().map(wave).collect(), lost }
    }

    /// An upper bound on the root of the largest eigenvalue over all frequencies; `None` where that would take too long or
    /// leaves the range of numbers.
    fn largest(&self, lines: &[Line; 2]) -> Option<f64> {
        let side = if self.is_real() { self.side } else { 2 * self.side };
        let work_at = (side * side * side / 6).saturating_add(2 * self.waves.len() * self.side * self.side);
        let frequencies = |density: usize| lines[0].points(density).saturating_mul(lines[1].points(density) / 2 + 1);
        let density =
            [32, 16, 8].into_iter().find(|&density| frequencies(density).saturating_mul(work_at) <= MOST_WORK)?;
        let points = [0, 1].map(|axis| lines[axis].points(density));
        let roots = points.map(|points| if points == 1 { vec![(1.0, 0.0)] } else { roots_of_unity(points) });
        let (mut limit, mut matrix, mut work) = (0.0_f64, Vec::new(), Vec::new());
        // A coarse grid first, so that the limit is near its end before most frequencies come. Conjugates are left out.
        for step in [4, 1] {
            for row in (0..points[0]).step_by(step) {
                for column in (0..=points[1] / 2).step_by(step) {
                    self.at(&roots, [row, column], side, &mut matrix);
                    if side > 1 && eigenvalues_below(limit, side, &matrix, &mut work) {
                        continue;
                    }
                    let eigenvalue = largest_eigenvalue(side, matrix.clone());
                    if !eigenvalue.is_finite() {
                        return None;
                    }
                    limit = limit.max(if side > 1 { eigenvalue * SLACK } else { eigenvalue });
                }
            }
        }
        let eigenvalue = up(limit * (1.0 + excess(side)) + self.lost);
        let between = times(lines[0].between(density), lines[1].between(density));
        Some(times(up(eigenvalue.sqrt()), between))
    }

    /// Whether it has no imaginary part at any frequency.
    fn is_real(&self) -> bool {
        self.side == 1 || self.waves.is_empty()
    }

    /// The matrix at one frequency: itself where it is real, else `[[P, -Q], [Q, P]]` for `P + iQ`, which is symmetric and
    /// has the same eigenvalues.
    fn at(&self, roots: &[Vec<(f64, f64)>; 2], point: [usize; 2], side: usize, matrix: &mut Vec<f64>) {
        let mut real = self.constant.clone();
        let mut imaginary = vec![0.0; if side > self.side { real.len() } else { 0 }];
        for wave in &self.waves {
            let root = |axis: usize| {
                let count = roots[axis].len() as i64;
                roots[axis][(point[axis] as i64 * wave.shift[axis]).rem_euclid(count) as usize]
            };
            let ((cos, sin), (cos_2, sin_2)) = (root(0), root(1));
            let (cos, sin) = (cos * cos_2 - sin * sin_2, cos * sin_2 + sin * cos_2);
            real.iter_mut().zip(&wave.even).for_each(|(x, y)| *x += cos * y);
            imaginary.iter_mut().zip(&wave.odd).for_each(|(x, y)| *x += sin * y);
        }
        if side == self.side {
            *matrix = real;
            return;
        }
        matrix.clear();
        for (real, imaginary) in real.chunks(self.side).zip(imaginary.chunks(self.side)) {
            matrix.extend(real);
            matrix.extend(imaginary.iter().map(|x| -x));
        }
        for (real, imaginary) in real.chunks(self.side).zip(imaginary.chunks(self.side)) {
            matrix.extend(imaginary);
            matrix.extend(real);
        }
    }
}
