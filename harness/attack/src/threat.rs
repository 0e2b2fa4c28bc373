use crate::{Ball, Epsilon, Error};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How the size of a perturbation is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Norm {
    /// The largest change of any element.
    Linf,
    /// The Euclidean length of the change.
    L2,
}

impl fmt::Display for Norm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Norm::Linf => "linf",
            Norm::L2 => "l2",
        })
    }
}

/// What the adversary may do: move the input by at most `epsilon` in `norm`, within the input's bounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThreatModel {
    /// The norm.
    pub norm: Norm,
    /// The radius, in the units of the canonical input.
    pub epsilon: Epsilon,
}

impl ThreatModel {
    /// The exact ball around one sample: the radius, rounded inward, and the bounds of the input.
    ///
    /// With `grid` the points are whole levels `k/levels` and an L-inf radius is counted in them,
    /// `floor(epsilon * levels)` around the sample's own.
    ///
    /// Errors: an element that is not finite, outside of the domain, or off the grid, by its index.
    pub fn ball(&self, x: &[f32], domain: &Domain, grid: bool) -> Result<Ball, Error> {
        Ball::around(x, self, domain, grid)
    }
}

/// The inputs that exist: bounds of each element of the canonical tensor, and the levels its data have.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Domain {
    /// The least value; may be minus infinity.
    pub lower: f32,
    /// The largest value; may be infinity.
    pub upper: f32,
    /// `Some(255)`: the data are `k / 255`.
    pub levels: Option<u32>,
}

impl Domain {
    /// Pixels: `p / 255` in `[0, 1]`.
    pub const PIXELS: Domain = Domain { lower: 0.0, upper: 1.0, levels: Some(255) };

    /// Every finite number.
    pub const UNBOUNDED: Domain = Domain { lower: f32::NEG_INFINITY, upper: f32::INFINITY, levels: None };
}
