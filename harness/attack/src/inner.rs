//! Gradient ascent inside something else, a training step or a probe: no judge, no verdict, and every row goes all the way.

use crate::moves::{self, Step};
use crate::{Ball, Error, Loss, Oracle, Start};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, s};
use rand_chacha::ChaCha8Rng;
use std::ops::Range;

/// Where an inner ascent begins. Every start is clipped to the ball.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum InnerStart {
    /// As an attack does.
    Attack(Start),
    /// At the sample, moved by a nearly normal draw of this deviation in each element, in the units of epsilon.
    Gaussian(f64),
}

/// The setting of an inner ascent.
///
/// TRADES is 10 steps from [`InnerStart::Gaussian`] 0.001, FGSM-RS one step from a random start.
/// Source: Madry et al. 2018, arXiv:1706.06083; Zhang et al. 2019, arXiv:1901.08573; Wong et al. 2020, arXiv:2001.03994.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Inner {
    /// How many steps; 0 is the start itself.
    pub steps: u32,
    /// The length of a step, in the norm and units of epsilon. It may be more than epsilon: every step ends in the ball.
    pub step_size: f64,
    /// The radius of the balls, which random starts are drawn from.
    pub epsilon: f64,
    /// Where it begins.
    pub start: InnerStart,
}

/// Where some rows are before a step.
#[derive(Debug, Clone)]
pub struct Iterate<'a> {
    /// Which of the rows given these are.
    pub rows: Range<usize>,
    /// 0 at the start.
    pub step: u32,
    /// The points, `[n, D]`. They are in the ball; for a model with integer inputs they are not on the grid.
    pub x: ArrayView2<'a, f32>,
}

/// Gives the directions `[n, D]` in which the rows of an iterate ascend, such as the gradients of a loss.
pub type Uphill<'a> = dyn FnMut(&mut dyn Oracle, &Iterate<'_>) -> Result<Array2<f32>, Error> + 'a;

impl Inner {
    /// The points where the rows begin, `[N, D]`; `stream` gives the random numbers of a row.
    ///
    /// Errors: [`Error::Shape`] when the balls differ in length.
    pub fn starts(&self, balls: &[Ball], stream: &mut dyn FnMut(usize) -> ChaCha8Rng) -> Result<Array2<f32>, Error> {
        let row_len = balls.first().map_or(0, |ball| ball.center().len());
        let mut starts = Vec::with_capacity(balls.len() * row_len);
        for (row, ball) in balls.iter().enumerate() {
            let mut x = ball.center().to_vec();
            match self.start {
                InnerStart::Attack(Start::None) => {}
                InnerStart::Attack(start) => moves::scatter(&mut x, ball, start, self.epsilon, &mut stream(row)),
                InnerStart::Gaussian(sigma) => moves::jitter(&mut x, ball, sigma, &mut stream(row)),
            }
            starts.append(&mut x);
        }
        Array2::from_shape_vec((balls.len(), row_len), starts)
            .map_err(|_| Error::Shape("balls of different lengths".into()))
    }

    /// Ascends a loss from `x` `[N, D]` and returns the points reached, on the grid where the balls have one.
    ///
    /// `loss` gives that of some of the rows. What a row reaches does not depend on the others.
    /// Errors: as [`Inner::follow`].
    pub fn ascend(
        &self,
        oracle: &mut dyn Oracle,
        balls: &[Ball],
        x: Array2<f32>,
        loss: &mut dyn FnMut(&Range<usize>) -> Loss,
    ) -> Result<Array2<f32>, Error> {
        self.follow(oracle, balls, x, &mut |oracle, iterate| {
            Ok(oracle.gradient(iterate.x, &loss(&iterate.rows))?.gradient)
        })
    }

    /// As [`Inner::ascend`] in any direction: `uphill` sees every iterate but the last, which is returned.
    ///
    /// Rows are taken a micro-batch at a time, each through all steps.
    /// Errors: [`Error::Shape`] when balls, `x`, directions or the oracle do not fit together; those of `uphill`.
    pub fn follow(
        &self,
        oracle: &mut dyn Oracle,
        balls: &[Ball],
        mut x: Array2<f32>,
        uphill: &mut Uphill<'_>,
    ) -> Result<Array2<f32>, Error> {
        let expected = (balls.len(), oracle.row_len());
        if x.dim() != expected || balls.iter().any(|ball| ball.center().len() != expected.1) {
            return Err(Error::Shape(format!("an ascent of {:?} elements in balls of {expected:?}", x.dim())));
        }
        let size = oracle.micro_batch().max(1);
        for first in (0..balls.len()).step_by(size) {
            let rows = first..balls.len().min(first + size);
            let mut chunk = x.slice_mut(s![rows.clone(), ..]);
            for step in 0..self.steps {
                let iterate = Iterate { rows: rows.clone(), step, x: chunk.view() };
                let directions = uphill(oracle, &iterate)?;
                if directions.dim() != chunk.dim() {
                    let (found, wanted) = (directions.dim(), chunk.dim());
                    return Err(Error::Shape(format!("directions of {found:?} elements for rows of {wanted:?}")));
                }
                self.advance(&mut chunk, &balls[rows.clone()], directions);
            }
        }
        for (mut row, ball) in x.rows_mut().into_iter().zip(balls) {
            ball.project(row.as_slice_mut().expect("standard layout"));
        }
        Ok(x)
    }

    fn advance(&self, x: &mut ArrayViewMut2<'_, f32>, balls: &[Ball], directions: Array2<f32>) {
        let directions = directions.as_standard_layout();
        for ((mut x, ball), direction) in x.rows_mut().into_iter().zip(balls).zip(directions.axis_iter(Axis(0))) {
            let x = x.as_slice_mut().expect("standard layout");
            moves::step(x, ball, &direction.to_vec(), Step::Size(self.step_size), self.epsilon);
        }
    }
}
