//! How a kernel window moves over an image, and at which distances its taps find their elements.
//!
//! Results of a plane are numbered row after row, `row * pitch + column`; so are the elements that the taps read. What a
//! tap meets then lies at the same distance for all results, and where it would lie outside of the image a mask says so:
//! nothing is padded. With strides, the elements that are read (for a gradient: the results) are first split into
//! phases: phase `p` has every `stride`-th row (column) from `p` on, and the above holds for each.

use std::cell::RefCell;
use std::rc::Rc;

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
    /// How many of the input's elements belong to a phase.
    fn of_phase(&self, phase: usize) -> usize {
        self.input.saturating_sub(phase).div_ceil(self.stride)
    }

    /// The phase of the input that a tap reads, and by how much the element's number exceeds the result's.
    fn gathered(&self, tap: usize) -> (usize, isize) {
        let (from, stride) = ((tap * self.dilation) as isize - self.begin, self.stride as isize);
        (from.rem_euclid(stride) as usize, from.div_euclid(stride))
    }

    /// By how much the output's number exceeds that of the input element of a phase that a tap passes it to.
    fn scattered(&self, phase: usize, tap: usize) -> Option<isize> {
        let from = phase as isize + self.begin - (tap * self.dilation) as isize;
        (from.rem_euclid(self.stride as isize) == 0).then(|| from.div_euclid(self.stride as isize))
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

    /// Row and column of a tap.
    fn tap(&self, index: usize) -> (usize, usize) {
        (index / self.cols.kernel, index % self.cols.kernel)
    }
}

/// Every `stride`-th row and column of a plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Phase {
    pub(super) row: usize,
    pub(super) col: usize,
    pub(super) rows: usize,
    pub(super) cols: usize,
}

/// Results that are computed alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pass {
    /// Which results they are.
    pub(super) phase: Phase,
    /// Indices in the kernel of the taps that they meet.
    pub(super) taps: Vec<usize>,
    /// Of each tap, the distance from a result's number to the element in the planes of a channel.
    pub(super) distances: Vec<isize>,
    /// Of each tap, then once more for the results themselves, which lanes of each vector there are.
    pub(super) masks: Vec<u16>,
    /// Numbers from the first result to behind the last.
    pub(super) places: usize,
    /// Vectors that hold them.
    pub(super) vectors: usize,
    /// Whether every lane of every vector is there for every tap.
    pub(super) full: bool,
}

/// Everything that a loop over the taps of a window needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scheme {
    /// What is read: rows and columns of a plane, and its phases.
    pub(super) source: (usize, usize),
    pub(super) split: (usize, usize),
    pub(super) phases: Vec<Phase>,
    /// What is written: rows and columns of a plane, and by what the passes' phases are split.
    pub(super) result: (usize, usize),
    pub(super) joined: (usize, usize),
    pub(super) passes: Vec<Pass>,
    pub(super) pitch: usize,
    /// Elements of a phase as it is held.
    pub(super) plane: usize,
}

/// Which way a scheme goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Results of a convolution, from its input.
    Gather,
    /// Gradients with respect to the input of a convolution, from those of its results.
    Scatter,
}

thread_local! {
    static SCHEMES: RefCell<Vec<Kept>> = const { RefCell::new(Vec::new()) };
}

/// A scheme and what it was made for.
type Kept = (Window, usize, Way, Rc<Scheme>);

/// Schemes that a thread keeps.
const KEPT: usize = 256;
/// What a split row is written beyond its end.
const BEYOND: usize = 16;

impl Scheme {
    /// The scheme for vectors of so many lanes, 16 at most. Threads keep what they have made.
    pub(super) fn of(window: &Window, lanes: usize, way: Way) -> Rc<Self> {
        SCHEMES.with_borrow_mut(|schemes| {
            let found = schemes.iter().find(|(kept, n, to, _)| (kept, *n, *to) == (window, lanes, way));
            if let Some((.., scheme)) = found {
                return Rc::clone(scheme);
            }
            let scheme = Rc::new(match way {
                Way::Gather => Self::gather(window, lanes),
                Way::Scatter => Self::scatter(window, lanes),
            });
            if schemes.len() == KEPT {
                schemes.clear();
            }
            schemes.push((*window, lanes, way, Rc::clone(&scheme)));
            scheme
        })
    }

    fn gather(window: &Window, lanes: usize) -> Self {
        let Window { rows, cols } = window;
        let split = (rows.stride, cols.stride);
        let mut phases: Vec<Phase> = Vec::new();
        let mut taps = Vec::new();
        for index in 0..window.kernel() {
            let (row, col) = window.tap(index);
            let ((row, down), (col, right)) = (rows.gathered(row), cols.gathered(col));
            let phase = Phase { row, col, rows: rows.of_phase(row), cols: cols.of_phase(col) };
            let number = phases.iter().position(|&met| met == phase).unwrap_or_else(|| {
                phases.push(phase);
                phases.len() - 1
            });
            taps.push(Tap { index, number, down, right });
        }
        let all = Phase { row: 0, col: 0, rows: rows.output, cols: cols.output };
        let (source, result) = ((rows.input, cols.input), (rows.output, cols.output));
        Self::build(lanes, source, split, phases, result, (1, 1), vec![(all, taps)])
    }

    fn scatter(window: &Window, lanes: usize) -> Self {
        let Window { rows, cols } = window;
        let all = Phase { row: 0, col: 0, rows: rows.output, cols: cols.output };
        let mut passes = Vec::new();
        for (row, col) in (0..rows.stride).flat_map(|row| (0..cols.stride).map(move |col| (row, col))) {
            let phase = Phase { row, col, rows: rows.of_phase(row), cols: cols.of_phase(col) };
            let tap = |index: usize| {
                let (tap_row, tap_col) = window.tap(index);
                let (down, right) = (rows.scattered(row, tap_row)?, cols.scattered(col, tap_col)?);
                Some(Tap { index, number: 0, down, right })
            };
            if phase.rows * phase.cols > 0 {
                passes.push((phase, (0..window.kernel()).filter_map(tap).collect()));
            }
        }
        let (source, result) = ((rows.output, cols.output), (rows.input, cols.input));
        Self::build(lanes, source, (1, 1), vec![all], result, (rows.stride, cols.stride), passes)
    }

    fn build(
        lanes: usize,
        source: (usize, usize),
        split: (usize, usize),
        phases: Vec<Phase>,
        result: (usize, usize),
        joined: (usize, usize),
        passes: Vec<(Phase, Vec<Tap>)>,
    ) -> Self {
        let all = || phases.iter().chain(passes.iter().map(|(phase, _)| phase));
        let pitch = all().map(|phase| phase.cols).max().unwrap_or(1).max(1);
        let rows = phases.iter().map(|phase| phase.rows).max().unwrap_or(0);
        let beyond = if split == (1, 1) { 0 } else { BEYOND };
        let plane = rows * pitch + beyond;
        let passes = passes
            .into_iter()
            .map(|(phase, taps)| {
                let distance = |tap: &Tap| (tap.number * plane) as isize + tap.down * pitch as isize + tap.right;
                let places = (phase.rows - 1) * pitch + phase.cols;
                let vectors = places.div_ceil(lanes);
                let here = Tap { index: 0, number: 0, down: 0, right: 0 };
                let own = mask(lanes, vectors, pitch, &phase, &phase, &here);
                let of_taps = taps.iter().flat_map(|tap| mask(lanes, vectors, pitch, &phase, &phases[tap.number], tap));
                let masks: Vec<u16> = of_taps.chain(own).collect();
                let whole = (u32::from(u16::MAX) >> (16 - lanes)) as u16;
                Pass {
                    phase,
                    distances: taps.iter().map(distance).collect(),
                    full: masks.iter().all(|&mask| mask == whole),
                    taps: taps.iter().map(|tap| tap.index).collect(),
                    masks,
                    places,
                    vectors,
                }
            })
            .collect();
        Self { source, split, phases, result, joined, passes, pitch, plane }
    }

    /// Whether the planes are those of the source as they are.
    pub(super) fn is_direct(&self) -> bool {
        self.split == (1, 1) && self.pitch == self.source.1
    }

    /// Whether results are numbered as they lie in the result.
    pub(super) fn is_dense(&self) -> bool {
        self.joined == (1, 1) && self.pitch == self.result.1
    }

    /// Elements of the planes of a channel.
    pub(super) fn channel(&self) -> usize {
        self.phases.len() * self.plane
    }
}

struct Tap {
    index: usize,
    /// Which phase it reads.
    number: usize,
    down: isize,
    right: isize,
}

/// For each vector of results, the lanes whose element is in the image.
fn mask(lanes: usize, vectors: usize, pitch: usize, of: &Phase, source: &Phase, tap: &Tap) -> Vec<u16> {
    let is_there = |place: usize| {
        let (row, col) = (place / pitch, place % pitch);
        let (from_row, from_col) = (row as isize + tap.down, col as isize + tap.right);
        let inside = |at: isize, len: usize| usize::try_from(at).is_ok_and(|at| at < len);
        row < of.rows && col < of.cols && inside(from_row, source.rows) && inside(from_col, source.cols)
    };
    let bits =
        |vector: usize| (0..lanes).fold(0, |bits, lane| bits | u16::from(is_there(vector * lanes + lane)) << lane);
    (0..vectors).map(bits).collect()
}
