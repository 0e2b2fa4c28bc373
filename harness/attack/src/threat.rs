use crate::{Ball, Balls, Epsilon, Error, Grid};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How the size of a perturbation is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Norm {
    /// The largest change of any element.
    Linf,
    /// The Euclidean length of the change.
    L2,
    /// The sum of the changes of all elements.
    L1,
}

impl Norm {
    /// The length of a vector in this norm, summed in f64 in the order of its elements.
    pub fn length(self, elements: impl Iterator<Item = f64>) -> f64 {
        match self {
            Norm::Linf => elements.fold(0.0, |most, element| element.abs().max(most)),
            Norm::L2 => elements.fold(0.0, |sum, element| sum + element * element).sqrt(),
            Norm::L1 => elements.fold(0.0, |sum, element| sum + element.abs()),
        }
    }

    /// The norm of `w` that bounds what a move gains by its length in this one: `|w·δ| ≤ ‖w‖ ‖δ‖`, with equality for some `δ`.
    pub fn dual(self) -> Norm {
        match self {
            Norm::Linf => Norm::L1,
            Norm::L2 => Norm::L2,
            Norm::L1 => Norm::Linf,
        }
    }

    /// The length of a gradient in the dual norm.
    pub fn dual_length(self, w: &[f32]) -> f64 {
        self.dual().length(w.iter().map(|w| f64::from(*w)))
    }
}

impl fmt::Display for Norm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Norm::Linf => "linf",
            Norm::L2 => "l2",
            Norm::L1 => "l1",
        })
    }
}

/// What the adversary may do: move the input by at most `epsilon` in `norm`, within the input's bounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Threat")]
pub struct ThreatModel {
    /// The norm.
    pub norm: Norm,
    /// The radius, in the units of the canonical input.
    pub epsilon: Epsilon,
}

impl ThreatModel {
    /// The exact ball around one sample: the radius, rounded inward, and the bounds of the input.
    ///
    /// With `grid` the points are those of the domain's grid and distances are counted in its steps, so that an L-inf
    /// ball reaches `floor(epsilon / step)` steps to either side of the sample.
    ///
    /// Errors: an element that is not finite, outside of the domain, or off the grid, by its index.
    pub fn ball(&self, x: &[f32], domain: &Domain, grid: bool) -> Result<Ball, Error> {
        Balls::new(self, domain, grid)?.around(x)
    }
}

impl ThreatModel {
    /// Why an attack that is defined for L-inf and L2 cannot run here, if it cannot.
    pub(crate) fn refuses_l1(&self) -> Option<String> {
        (self.norm == Norm::L1).then(|| "it is defined for linf and l2; the threat model is in l1".to_owned())
    }
}

/// The inputs that exist: bounds of each element of the canonical tensor, and the grid that its data are on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Domain {
    /// The least value; may be minus infinity.
    pub lower: f32,
    /// The largest value; may be infinity.
    pub upper: f32,
    /// The values of data that are stored as integers.
    pub grid: Option<Grid>,
}

impl Domain {
    /// Pixels: `p / 255` in `[0, 1]`.
    pub const PIXELS: Domain = Domain { lower: 0.0, upper: 1.0, grid: Some(Grid::Levels(255)) };

    /// Every finite number.
    pub const UNBOUNDED: Domain = Domain { lower: f32::NEG_INFINITY, upper: f32::INFINITY, grid: None };

    /// Whether these are inputs: finite, within the bounds, and with `grid` points of the grid.
    pub(crate) fn contains(&self, x: &[f32], grid: bool) -> bool {
        let on_grid = |x: f32| !grid || self.grid.is_some_and(|grid| grid.step_of(x).is_some());
        x.iter().all(|x| x.is_finite() && self.lower <= *x && *x <= self.upper && on_grid(*x))
    }

    /// Moves `x` to the nearest input. What is not a number stays so.
    pub(crate) fn project(&self, x: &mut [f32], grid: bool) {
        let extent = self.grid.filter(|_| grid).map(|grid| (grid, grid.extent(self)));
        for x in x.iter_mut().filter(|x| !x.is_nan()) {
            *x = x.clamp(self.lower, self.upper);
            if let Some((grid, (least, largest))) = extent {
                *x = grid.value((grid.nearest(*x) as i64).clamp(least, largest));
            }
        }
    }

    /// How far it reaches, 1 where it has no end.
    pub(crate) fn width(&self) -> f64 {
        let width = f64::from(self.upper) - f64::from(self.lower);
        if width.is_finite() { width } else { 1.0 }
    }

    /// The points of the grid within the bounds, in order: none where there is no grid or its points run together.
    pub fn grid_points(&self) -> impl Iterator<Item = f32> + use<> {
        let grid = self.grid.filter(|grid| grid.check().is_ok());
        let (least, largest) = grid.map_or((1, 0), |grid| grid.extent(self));
        (least..=largest).filter_map(move |step| grid.map(|grid| grid.value(step) + 0.0))
    }
}
