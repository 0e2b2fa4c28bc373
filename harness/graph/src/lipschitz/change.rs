//! How far a value can move when the input moves by one, in three norms, and what a layer makes of it.

use super::Norm;

/// Upper bounds on how far a value moves, in each norm, while the input moves by 1 in the norm of the input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Change {
    l1: f64,
    l2: f64,
    linf: f64,
}

impl Change {
    /// Of what does not depend on the input.
    pub(super) const NONE: Self = Self { l1: 0.0, l2: 0.0, linf: 0.0 };

    /// Of the input itself, with this many elements.
    pub(super) fn of_input(norm: Norm, count: usize) -> Self {
        let far = f64::INFINITY;
        let change = match norm {
            Norm::L1 => Self { l1: 1.0, l2: far, linf: far },
            Norm::L2 => Self { l1: far, l2: 1.0, linf: far },
            Norm::Linf => Self { l1: far, l2: far, linf: 1.0 },
        };
        change.of(count)
    }

    /// The bound in one norm.
    pub(super) fn in_norm(self, norm: Norm) -> f64 {
        match norm {
            Norm::L1 => self.l1,
            Norm::L2 => self.l2,
            Norm::Linf => self.linf,
        }
    }

    /// Of the sum of two values.
    pub(super) fn plus(self, other: Self) -> Self {
        let sum = |a: f64, b: f64| up(a + b);
        Self { l1: sum(self.l1, other.l1), l2: sum(self.l2, other.l2), linf: sum(self.linf, other.linf) }
    }

    /// Of a value made of the elements of both.
    pub(super) fn beside(self, other: Self) -> Self {
        let l2 = up((self.l2 * self.l2 + other.l2 * other.l2).sqrt());
        Self { l1: up(self.l1 + other.l1), l2, linf: self.linf.max(other.linf) }
    }

    /// What each norm of a value with this many elements says about the others.
    pub(super) fn of(self, count: usize) -> Self {
        let root = up((count as f64).sqrt());
        let l2 = self.l2.min(self.l1).min(times(root, self.linf));
        let l2 = l2.min(up(times(self.l1, self.linf).sqrt()));
        let linf = self.linf.min(l2);
        Self { l1: self.l1.min(times(root, l2)), l2, linf }
    }
}

/// Upper bounds on the norms of a linear map, or on the Lipschitz constants of another function: `l1_l2` is from changes
/// measured in l1 to changes measured in l2. Infinite where nothing is known that the others do not say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Norms {
    /// For a matrix its largest sum of a column, of absolute values.
    pub(super) l1: f64,
    /// For a matrix its largest singular value.
    pub(super) l2: f64,
    /// For a matrix its largest sum of a row, of absolute values.
    pub(super) linf: f64,
    /// For a matrix its largest column, in l2.
    pub(super) l1_l2: f64,
    /// For a matrix its largest row, in l2.
    pub(super) l2_linf: f64,
    /// For a matrix its largest element.
    pub(super) l1_linf: f64,
    /// For a matrix no more than the sum of all its elements, of absolute values.
    pub(super) linf_l1: f64,
}

impl Norms {
    /// With nothing known between different norms.
    pub(super) fn new(l1: f64, l2: f64, linf: f64) -> Self {
        let far = f64::INFINITY;
        Self { l1, l2, linf, l1_l2: far, l2_linf: far, l1_linf: far, linf_l1: far }
    }

    /// Of a function of each element on its own, with this Lipschitz constant.
    pub(super) fn same(constant: f64) -> Self {
        Self::new(constant, constant, constant)
    }

    /// Nothing is known.
    pub(super) fn unknown() -> Self {
        Self::same(f64::INFINITY)
    }

    /// Of copying every element this many times at most.
    pub(super) fn copies(count: f64) -> Self {
        Self::new(count, up(count.sqrt()), 1.0)
    }

    /// Of the transposed matrix.
    pub(super) fn transposed(self) -> Self {
        let Self { l1, linf, l1_l2, l2_linf, .. } = self;
        Self { l1: linf, linf: l1, l1_l2: l2_linf, l2_linf: l1_l2, ..self }
    }

    /// Of another function after this one that has this Lipschitz constant for each element.
    pub(super) fn scaled(self, by: f64) -> Self {
        Self {
            l1: times(self.l1, by),
            l2: times(self.l2, by),
            linf: times(self.linf, by),
            l1_l2: times(self.l1_l2, by),
            l2_linf: times(self.l2_linf, by),
            l1_linf: times(self.l1_linf, by),
            linf_l1: times(self.linf_l1, by),
        }
    }

    /// What becomes of a change.
    pub(super) fn apply(&self, x: Change) -> Change {
        let least = |bounds: [f64; 3]| bounds.into_iter().fold(f64::INFINITY, f64::min);
        Change {
            l1: least([times(self.l1, x.l1), times(self.linf_l1, x.linf), f64::INFINITY]),
            l2: least([times(self.l2, x.l2), times(self.l1_l2, x.l1), f64::INFINITY]),
            linf: least([times(self.linf, x.linf), times(self.l2_linf, x.l2), times(self.l1_linf, x.l1)]),
        }
    }
}

/// A number that is above everything which a few operations may have rounded to `x`.
pub(super) fn up(x: f64) -> f64 {
    x * (1.0 + 8.0 * f64::EPSILON)
}

/// The product of two bounds, rounded upward; 0 where one is 0, even if the other is infinite.
pub(super) fn times(a: f64, b: f64) -> f64 {
    // What is added is there for products too small to be rounded relatively.
    if a == 0.0 || b == 0.0 { 0.0 } else { up(a * b) + f64::MIN_POSITIVE }
}

/// How far a sum of `n` products may be rounded, relative to the sum of their absolute values: four times the classical
/// `n u / (1 - n u)`, so that a few more operations are in it.
pub(super) fn rounding(n: usize) -> f64 {
    (n + 8) as f64 * 2.0 * f64::EPSILON
}

#[cfg(test)]
impl Change {
    /// Of a difference with these lengths in l1, l2 and l∞.
    pub(super) fn measured([l1, l2, linf]: [f64; 3]) -> Self {
        Self { l1: up(l1), l2: up(l2), linf }
    }
}
