//! How a kernel window moves over an image, and how the planes of an image lie in scratch memory so that every step of
//! a convolution reads consecutive elements.
//!
//! A plane is split by the stride into phases: phase `p` holds every `stride`-th row (column) from `p` on, padding
//! included. Then one tap of the kernel meets, for all results of the plane, elements at one fixed distance: rows of
//! results and of all phases have the same length, the pitch, so that a result is found at `row * pitch + column` and
//! what the tap meets at the same place plus the tap's offset. The columns of a row behind the last result (the gap) give
//! results that nobody reads. Zeros at the end of a row are the zeros at the start of the next where both are padding.

/// One spatial axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Axis {
    pub(super) input: usize,
    pub(super) output: usize,
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) dilation: usize,
    /// Padding before the first element; may be negative.
    pub(super) begin: isize,
}

impl Axis {
    /// A tap as whole strides and what is left.
    fn split(&self, tap: usize) -> (usize, usize) {
        ((tap * self.dilation) / self.stride, (tap * self.dilation) % self.stride)
    }

    /// The phases that some tap meets, ascending.
    fn phases(&self) -> Vec<usize> {
        let met = |phase: &usize| (0..self.kernel).any(|tap| self.split(tap).1 == *phase);
        (0..self.stride).filter(met).collect()
    }

    fn longest(&self) -> usize {
        (0..self.kernel).map(|tap| self.split(tap).0).max().unwrap_or(0)
    }

    /// For a phase of the input, its first place counted in strides, and how many there are.
    fn places(&self, phase: usize) -> (isize, usize) {
        let stride = self.stride as isize;
        let first = (self.begin - phase as isize).div_euclid(stride)
            + isize::from((self.begin - phase as isize).rem_euclid(stride) != 0);
        let end = self.input as isize + self.begin - phase as isize;
        let last = (end - 1).div_euclid(stride);
        (first, usize::try_from(last - first + 1).unwrap_or(0))
    }
}

/// A window over two axes; over one, the rows are a single one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) rows: Axis,
    pub(super) cols: Axis,
}

impl Window {
    pub(super) fn input(&self) -> usize {
        self.rows.input * self.cols.input
    }

    pub(super) fn output(&self) -> usize {
        self.rows.output * self.cols.output
    }

    pub(super) fn kernel(&self) -> usize {
        self.rows.kernel * self.cols.kernel
    }
}

/// Elements `start`, `start + step`, … of an axis of `len`; what is outside is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Walk {
    start: isize,
    step: usize,
    len: usize,
}

impl Walk {
    /// How many of the first `count` places lie before the axis, and how many on it.
    fn inside(&self, count: usize) -> (usize, usize) {
        let step = self.step as isize;
        let ceil = |value: isize| usize::try_from((value + step - 1).div_euclid(step)).unwrap_or(0);
        let before = ceil(-self.start).min(count);
        let until = ceil(self.len as isize - self.start).min(count);
        (before, until.saturating_sub(before))
    }
}

/// The results of one phase: which taps they meet at which offsets, and where in the result's plane they belong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pass {
    /// Index of the tap in the kernel, offset in the planes of a channel.
    pub(super) taps: Vec<(usize, usize)>,
    pub(super) rows: usize,
    pub(super) cols: usize,
    row_start: usize,
    col_start: usize,
    row_step: usize,
    col_step: usize,
}

/// The layout of the planes of a channel and the passes that read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scheme {
    phases: Vec<(Walk, Walk)>,
    rows: usize,
    pub(super) pitch: usize,
    /// Elements of a channel: all phases.
    pub(super) plane: usize,
    /// Elements that must follow the last plane and be zero.
    pub(super) slack: usize,
    pub(super) passes: Vec<Pass>,
    /// Length of a row of the result's plane.
    width: usize,
}

/// What a vector reads or writes beyond the last element that is needed.
const BEYOND: usize = 64;

impl Scheme {
    /// Results of a convolution, from its input.
    pub(super) fn gather(window: &Window) -> Self {
        let Window { rows, cols } = window;
        let walk = |axis: &Axis, phase: &usize| Walk {
            start: *phase as isize - axis.begin,
            step: axis.stride,
            len: axis.input,
        };
        let (row_phases, col_phases) = (rows.phases(), cols.phases());
        let phases: Vec<(Walk, Walk)> = row_phases
            .iter()
            .flat_map(|row| col_phases.iter().map(move |col| (walk(rows, row), walk(cols, col))))
            .collect();
        let full = cols.output + cols.longest();
        let mut scheme = Self::layout(phases, rows.output + rows.longest(), full, cols.output, cols.output);
        let place = |phases: &[usize], phase: usize| phases.iter().position(|&met| met == phase).unwrap_or(0);
        let tap = |index: usize| {
            let ((down, row), (right, col)) = (rows.split(index / cols.kernel), cols.split(index % cols.kernel));
            let phase = place(&row_phases, row) * col_phases.len() + place(&col_phases, col);
            (index, (phase * scheme.rows + down) * scheme.pitch + right)
        };
        scheme.passes = vec![Pass {
            taps: (0..window.kernel()).map(tap).collect(),
            rows: rows.output,
            cols: cols.output,
            row_start: 0,
            col_start: 0,
            row_step: 1,
            col_step: 1,
        }];
        scheme
    }

    /// Gradients with respect to the input of a convolution, from those of its results.
    pub(super) fn scatter(window: &Window) -> Self {
        let Window { rows, cols } = window;
        let range = |axis: &Axis| {
            let places: Vec<_> =
                (0..axis.stride).map(|phase| axis.places(phase)).filter(|&(_, count)| count > 0).collect();
            let low = places.iter().map(|&(first, _)| first).min().unwrap_or(0) - axis.longest() as isize;
            let high = places.iter().map(|&(first, count)| first + count as isize).max().unwrap_or(0);
            (low, (high - low) as usize, places.iter().map(|&(_, count)| count).max().unwrap_or(0))
        };
        let ((row_low, row_count, _), (col_low, col_count, widest)) = (range(rows), range(cols));
        let walk = |axis: &Axis, low| Walk { start: low, step: 1, len: axis.output };
        let phases = vec![(walk(rows, row_low), walk(cols, col_low))];
        let mut scheme = Self::layout(phases, row_count, col_count, widest, cols.input);
        for (row, col) in (0..rows.stride).flat_map(|row| (0..cols.stride).map(move |col| (row, col))) {
            let ((row_first, row_places), (col_first, col_places)) = (rows.places(row), cols.places(col));
            if row_places * col_places == 0 {
                continue;
            }
            let tap = |index: usize| {
                let ((up, row_of), (left, col_of)) = (rows.split(index / cols.kernel), cols.split(index % cols.kernel));
                let down = (row_first - row_low) as usize - up;
                let right = (col_first - col_low) as usize - left;
                ((row_of, col_of) == (row, col)).then_some((index, down * scheme.pitch + right))
            };
            scheme.passes.push(Pass {
                taps: (0..window.kernel()).filter_map(tap).collect(),
                rows: row_places,
                cols: col_places,
                row_start: (row_first * rows.stride as isize + row as isize - rows.begin) as usize,
                col_start: (col_first * cols.stride as isize + col as isize - cols.begin) as usize,
                row_step: rows.stride,
                col_step: cols.stride,
            });
        }
        scheme
    }

    /// `full` places in a row, of which the results need `least`.
    fn layout(phases: Vec<(Walk, Walk)>, rows: usize, full: usize, least: usize, width: usize) -> Self {
        let shared = |(_, cols): &(Walk, Walk)| {
            let (before, on) = cols.inside(full);
            before.min(full - before - on)
        };
        let pitch = (full - phases.iter().map(shared).min().unwrap_or(0)).max(least);
        let plane = phases.len() * rows * pitch;
        Self { phases, rows, pitch, plane, slack: full + BEYOND, passes: Vec::new(), width }
    }

    /// Writes the planes of one channel.
    pub(super) fn fill(&self, source: &[f32], planes: &mut [f32]) {
        if self.is_identity() {
            planes[..source.len()].copy_from_slice(source);
            return;
        }
        for (plane, (rows, cols)) in planes[..self.plane].chunks_exact_mut(self.rows * self.pitch).zip(&self.phases) {
            let (above, present) = rows.inside(self.rows);
            plane[..above * self.pitch].fill(0.0);
            plane[(above + present) * self.pitch..].fill(0.0);
            let (before, on) = cols.inside(self.pitch);
            for (index, row) in plane.chunks_exact_mut(self.pitch).enumerate().skip(above).take(present) {
                let at = rows.start + (index * rows.step) as isize;
                let first = cols.start + (before * cols.step) as isize;
                let from = &source[at as usize * cols.len + first as usize..];
                row[..before].fill(0.0);
                row[before + on..].fill(0.0);
                let to = &mut row[before..before + on];
                match cols.step {
                    1 => to.copy_from_slice(&from[..on]),
                    2 => spread::<2>(from, to),
                    step => to.iter_mut().zip(from.iter().step_by(step)).for_each(|(to, from)| *to = *from),
                }
            }
        }
    }

    /// Whether the planes are the source as it is: nothing is padded, split or left out.
    pub(super) fn is_identity(&self) -> bool {
        match self.phases.as_slice() {
            [(rows, cols)] => {
                let whole = |walk: &Walk, count| walk.start == 0 && walk.step == 1 && walk.len == count;
                whole(rows, self.rows) && whole(cols, self.pitch)
            }
            _ => false,
        }
    }
}

impl Pass {
    /// Places from the first result to behind the last, gaps included.
    pub(super) fn places(&self, scheme: &Scheme) -> usize {
        (self.rows - 1) * scheme.pitch + self.cols
    }

    /// Whether results lie in the result's plane as they do in the places.
    pub(super) fn is_dense(&self, scheme: &Scheme) -> bool {
        (self.row_step, self.col_step) == (1, 1) && self.cols == scheme.pitch && scheme.width == self.cols
    }

    /// Whether a row of results is a row of the result's plane.
    pub(super) fn is_whole(&self, scheme: &Scheme) -> bool {
        (self.row_step, self.col_step, self.row_start, self.col_start) == (1, 1, 0, 0) && scheme.width == self.cols
    }

    /// Puts the results of all places into the result's plane.
    pub(super) fn write(&self, scheme: &Scheme, places: &[f32], plane: &mut [f32]) {
        for row in 0..self.rows {
            let from = &places[row * scheme.pitch..][..self.cols];
            let to = &mut plane[(self.row_start + row * self.row_step) * scheme.width + self.col_start..];
            match self.col_step {
                1 => to[..self.cols].copy_from_slice(from),
                step => to.iter_mut().step_by(step).zip(from).for_each(|(to, from)| *to = *from),
            }
        }
    }

    /// The inverse of [`write`](Self::write), with zeros in the gaps and behind the last place.
    pub(super) fn read(&self, scheme: &Scheme, plane: &[f32], places: &mut [f32]) {
        for (row, to) in places.chunks_mut(scheme.pitch).enumerate() {
            if row >= self.rows {
                to.fill(0.0);
                continue;
            }
            let from = &plane[row * scheme.width..][..self.cols];
            to[..self.cols].copy_from_slice(from);
            to[self.cols..].fill(0.0);
        }
    }
}

fn spread<const STEP: usize>(from: &[f32], to: &mut [f32]) {
    for (to, from) in to.iter_mut().zip(from.chunks(STEP)) {
        *to = from[0];
    }
}
