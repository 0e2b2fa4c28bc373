//! Is this gradient right? Central differences in f64 for the rules, a second executor for the kernels.

use crate::{DType, Error, Executor, GradientGraph, Graph, Head, Interpreter, Program, Tensor, gradient_graph};

/// Step sizes of the central differences, in units of the inputs' range. A row counts with the first step at which it
/// shows no kink: small steps cross fewer kinks, large ones round less.
const STEPS: [f64; 4] = [1e-5, 1e-6, 1e-4, 1e-7];

/// Above this relative difference of the one-sided slopes, curvature taken off, a row is at a kink of the network, where
/// no derivative exists, or its loss rounds too much to tell. Half of the error allowed, so that what passes can't hide
/// it.
const KINK: f64 = 5e-7;

/// Random numbers that are the same everywhere: splitmix64. The caller chooses the seed.
#[derive(Debug, Clone)]
pub struct Splitmix(u64);

impl Splitmix {
    /// A stream.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in `[low, high)`.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * ((self.next_u64() >> 11) as f64 / (1u64 << 53) as f64)
    }

    /// A float32 tensor, uniform in `[low, high)`; every element is a float32.
    pub fn tensor(&mut self, shape: &[usize], low: f64, high: f64) -> Tensor {
        let count = shape.iter().product();
        Tensor::f32(shape, (0..count).map(|_| f64::from(self.uniform(low, high) as f32)).collect::<Vec<_>>())
    }
}

/// What a comparison of one head's gradient found.
#[derive(Debug, Clone, PartialEq)]
pub struct GradientCheck {
    /// The loss head.
    pub head: Head,
    /// Rows whose directional derivative was compared with the central difference.
    pub rows: usize,
    /// Rows at a kink of the network at every step size: not compared.
    pub kinks: usize,
    /// Largest relative error of a directional derivative, in f64.
    pub directional_error: f64,
    /// Per row, the relative L2 distance between the executor's gradient and the f64 gradient, in ascending order.
    pub executor_errors: Vec<f64>,
}

impl GradientCheck {
    /// The median of [`GradientCheck::executor_errors`].
    pub fn median_executor_error(&self) -> f64 {
        self.executor_errors.get(self.executor_errors.len() / 2).copied().unwrap_or(0.0)
    }

    /// The share of rows whose executor error is at most `limit`.
    pub fn share_within(&self, limit: f64) -> f64 {
        let within = self.executor_errors.iter().filter(|error| **error <= limit).count();
        within as f64 / self.executor_errors.len().max(1) as f64
    }
}

/// Compares the gradient of a classifier with central differences of the f64 interpreter, along one random direction a
/// row, and the executor's f32 gradient with the f64 gradient.
///
/// Shapes: `classifier` takes `[N, …]` and returns logits `[N, K]`; `batches` batches of `N` random rows, uniform in
/// `range`, are used. The weights of the head are random for [`Head::Linear`] and the one-hot of a random class else.
/// Errors: the classifier can't be differentiated, or the executor fails.
pub fn check_gradient(
    classifier: &Graph,
    head: Head,
    executor: &dyn Executor,
    range: [f64; 2],
    batches: usize,
    seed: u64,
) -> Result<GradientCheck, Error> {
    let built = gradient_graph(classifier, head)?;
    let mut program = executor.compile(&built.graph)?;
    let mut random = Splitmix::new(seed);
    let mut check =
        GradientCheck { head, rows: 0, kinks: 0, directional_error: 0.0, executor_errors: Vec::with_capacity(batches) };
    for _ in 0..batches {
        let x = random.tensor(&built.input().shape.clone(), range[0], range[1]);
        let weights = random_weights(&built, head, &mut random);
        let exact = Interpreter.run(&built.graph, &[x.clone(), weights.clone()])?.remove(2);
        compare_executor(&mut check, program.as_mut(), &exact, &x, &weights, built.rows)?;
        compare_differences(&mut check, &built, &exact, &x, &weights, range, &mut random)?;
    }
    check.executor_errors.sort_by(f64::total_cmp);
    Ok(check)
}

fn random_weights(built: &GradientGraph, head: Head, random: &mut Splitmix) -> Tensor {
    let (rows, classes) = (built.rows, built.classes);
    if head == Head::Linear {
        return random.tensor(&[rows, classes], -1.0, 1.0);
    }
    let mut weights = vec![0.0; rows * classes];
    for row in weights.chunks_mut(classes) {
        row[(random.next_u64() % classes as u64) as usize] = 1.0;
    }
    Tensor::f32(&[rows, classes], weights)
}

fn compare_executor(
    check: &mut GradientCheck,
    program: &mut dyn Program,
    exact: &Tensor,
    x: &Tensor,
    weights: &Tensor,
    rows: usize,
) -> Result<(), Error> {
    let found = program.run(&[x.clone(), weights.clone()])?.remove(2).to_f64();
    let exact = exact.to_f64();
    let row_len = exact.len() / rows.max(1);
    for (found, exact) in found.chunks(row_len).zip(exact.chunks(row_len)) {
        let distance: f64 = found.iter().zip(exact).map(|(f, e)| (f - e).powi(2)).sum::<f64>().sqrt();
        let length = exact.iter().map(|e| e * e).sum::<f64>().sqrt();
        let zero = distance == 0.0 && length == 0.0;
        check.executor_errors.push(if zero { 0.0 } else { distance / length });
    }
    Ok(())
}

fn compare_differences(
    check: &mut GradientCheck,
    built: &GradientGraph,
    exact: &Tensor,
    x: &Tensor,
    weights: &Tensor,
    range: [f64; 2],
    random: &mut Splitmix,
) -> Result<(), Error> {
    let mut forward = built.graph.clone();
    forward.set_outputs(vec![built.graph.outputs()[1]]);
    let (forward, _) = forward.pruned();
    let direction = random.tensor(x.shape(), -1.0, 1.0).to_f64();
    let base = x.to_f64();
    let row_len = base.len() / built.rows.max(1);
    let loss_at = |step: f64| -> Result<Vec<f64>, Error> {
        let moved = base.iter().zip(&direction).map(|(x, d)| x + step * d).collect();
        let moved = Tensor::float(DType::F32, x.shape(), moved);
        Ok(Interpreter.run(&forward, &[moved, weights.clone()])?.remove(0).to_f64())
    };
    let slopes: Vec<f64> = exact
        .to_f64()
        .chunks(row_len)
        .zip(direction.chunks(row_len))
        .map(|(g, d)| g.iter().zip(d).map(|(g, d)| g * d).sum())
        .collect();
    let here = loss_at(0.0)?;
    let mut open: Vec<usize> = (0..built.rows).collect();
    for step in STEPS.map(|step| step * (range[1] - range[0])) {
        if open.is_empty() {
            break;
        }
        let mut sides = Vec::new();
        for part in [step, step / 2.0, step / 4.0] {
            sides.push((part, loss_at(part)?, loss_at(-part)?));
        }
        open.retain(|&row| {
            let slope = (sides[0].1[row] - sides[0].2[row]) / (2.0 * step);
            let bend = |(part, after, before): &(f64, Vec<f64>, Vec<f64>)| {
                ((after[row] - here[row]) - (here[row] - before[row])) / part
            };
            // Curvature bends in proportion to the step; a kink does not, but for one place that the next pair sees.
            let size = slope.abs().max(slopes[row].abs());
            let kinked = |pair: &[_]| (bend(&pair[0]) - 2.0 * bend(&pair[1])).abs() > KINK * size;
            let rounding = f64::EPSILON * here[row].abs() / step;
            let flat = size == 0.0;
            if !flat && rounding > KINK * size || sides.windows(2).any(kinked) {
                return true;
            }
            let error = if flat { 0.0 } else { (slope - slopes[row]).abs() / size };
            check.directional_error = check.directional_error.max(if error.is_nan() { f64::INFINITY } else { error });
            check.rows += 1;
            false
        });
    }
    check.kinks += open.len();
    Ok(())
}
