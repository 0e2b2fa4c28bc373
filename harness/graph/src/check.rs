//! Is this gradient right? Central differences in f64 for the rules, a second executor for the kernels.

use crate::{DType, Error, GradientGraph, Graph, Head, Interpreter, Program, Tensor};

/// Step sizes of the central differences, in units of the inputs' range. A row counts with the first step at which it
/// shows no kink: small steps cross fewer kinks, large ones round less.
const STEPS: [f64; 4] = [1e-5, 1e-6, 1e-4, 1e-7];

/// Above this relative difference of the one-sided slopes, curvature taken off, a row is at a kink of the network, where
/// no derivative exists, or its loss rounds too much to tell. Half of the error allowed, so that what passes can't hide
/// it.
const KINK: f64 = 5e-7;

/// Rounding of a loss in f64, relative to the largest logit or loss: ten units of 2^-52, for the sums of a network.
const ROUNDING: f64 = 2e-15;

/// Below this share of its typical size, the root of the sum of the squares of its terms, a directional derivative cancels
/// out, and what float32 constants round by shows as a large relative error. Such a row is skipped.
const CANCELLING: f64 = 0.05;

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

/// Gradients held against central differences of the f64 interpreter.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct DirectionalCheck {
    /// Rows whose directional derivative was compared.
    pub rows: usize,
    /// Rows that were not: at a kink of the network, cancelling, or too flat to tell from rounding, at every step size.
    pub skipped: usize,
    /// Largest relative error of a directional derivative.
    pub error: f64,
}

/// Gradients of an executor held against those of the f64 interpreter.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ExecutorCheck {
    /// Per row, the relative L2 distance between the two gradients, in ascending order.
    pub errors: Vec<f64>,
}

impl ExecutorCheck {
    /// The median of the errors; 0 where there are none.
    pub fn median(&self) -> f64 {
        self.errors.get(self.errors.len() / 2).copied().unwrap_or(0.0)
    }

    /// The share of rows whose error is at most `limit`.
    pub fn share_within(&self, limit: f64) -> f64 {
        let within = self.errors.iter().filter(|error| **error <= limit).count();
        within as f64 / self.errors.len().max(1) as f64
    }
}

/// Weights for a head: random for [`Head::Linear`], the one-hot of a random class for [`Head::Margin`], that of the least
/// likely class for [`Head::CrossEntropy`], whose loss is flat where the class is near certain, for [`Head::Kl`] a random
/// distribution that gives the likeliest class 0. [`Head::Dlr`] starts from the likeliest class, and
/// [`Head::DlrTargeted`] goes from there to the least likely.
///
/// Shapes: `x` as the classifier takes it; returns `[N, K]`.
/// Errors: the interpreter refuses the classifier or the input.
pub fn head_weights(classifier: &Graph, head: Head, x: &Tensor, random: &mut Splitmix) -> Result<Tensor, Error> {
    let logits = Interpreter.run(classifier, std::slice::from_ref(x))?.remove(0);
    let (shape, logits) = (logits.shape().to_vec(), logits.to_f64());
    if head == Head::Linear {
        return Ok(random.tensor(&shape, -1.0, 1.0));
    }
    let classes = shape[1];
    let mut weights = vec![0.0; logits.len()];
    for (row, logits) in weights.chunks_mut(classes).zip(logits.chunks(classes)) {
        let least = (0..classes).min_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap_or(0);
        let likeliest = (0..classes).max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap_or(0);
        let any = (random.next_u64() % classes as u64) as usize;
        match head {
            Head::Kl => row.copy_from_slice(&distribution(logits, random)),
            Head::CrossEntropy => row[least] = 1.0,
            Head::Margin | Head::Linear => row[any] = 1.0,
            Head::Dlr => row[likeliest] = 1.0,
            Head::DlrTargeted => (row[least], row[likeliest]) = (1.0, -1.0),
        }
    }
    Ok(Tensor::f32(&shape, weights))
}

/// A random distribution over all classes but the likeliest.
fn distribution(logits: &[f64], random: &mut Splitmix) -> Vec<f64> {
    let likeliest = (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b]));
    let draws = random.tensor(&[logits.len()], 0.125, 1.0).to_f64().into_iter().enumerate();
    let shares: Vec<f64> = draws.map(|(class, draw)| if Some(class) == likeliest { 0.0 } else { draw }).collect();
    let total: f64 = shares.iter().sum();
    shares.into_iter().map(|share| share / total).collect()
}

/// Compares the gradient of an executor with that of the f64 interpreter, row by row.
///
/// `program` is the compiled gradient graph. Shapes: `x` `[N, …]`, `weights` `[N, K]`.
/// Errors: the executor or the interpreter fails.
pub fn compare_executor(
    check: &mut ExecutorCheck,
    built: &GradientGraph,
    program: &mut dyn Program,
    x: &Tensor,
    weights: &Tensor,
) -> Result<(), Error> {
    let inputs = [x.clone(), weights.clone()];
    let found = program.run(&inputs)?.remove(2).to_f64();
    let exact = Interpreter.run(&built.graph, &inputs)?.remove(2).to_f64();
    let row_len = exact.len() / built.rows.max(1);
    for (found, exact) in found.chunks(row_len).zip(exact.chunks(row_len)) {
        let distance: f64 = found.iter().zip(exact).map(|(f, e)| (f - e).powi(2)).sum::<f64>().sqrt();
        let length = exact.iter().map(|e| e * e).sum::<f64>().sqrt();
        let error = if distance == 0.0 { 0.0 } else { distance / length };
        check.errors.push(if error.is_nan() { f64::INFINITY } else { error });
    }
    check.errors.sort_by(f64::total_cmp);
    Ok(())
}

/// Compares the gradient in f64 with central differences along one random direction a row.
///
/// Shapes: `x` `[N, …]`, `weights` `[N, K]`. Units: `range` is the span of the inputs, which the steps are relative to.
/// Errors: the interpreter fails.
pub fn compare_differences(
    check: &mut DirectionalCheck,
    built: &GradientGraph,
    x: &Tensor,
    weights: &Tensor,
    range: [f64; 2],
    random: &mut Splitmix,
) -> Result<(), Error> {
    let mut forward = built.graph.clone();
    forward.set_outputs(built.graph.outputs()[..2].to_vec());
    let (forward, _) = forward.pruned();
    let direction = random.tensor(x.shape(), -1.0, 1.0).to_f64();
    let (base, row_len) = (x.to_f64(), x.len() / built.rows.max(1));
    let run_at = |step: f64| -> Result<Vec<Vec<f64>>, Error> {
        let moved = base.iter().zip(&direction).map(|(x, d)| x + step * d).collect();
        let outputs = Interpreter.run(&forward, &[Tensor::float(DType::F32, x.shape(), moved), weights.clone()])?;
        Ok(outputs.iter().map(Tensor::to_f64).collect())
    };
    let exact = Interpreter.run(&built.graph, &[x.clone(), weights.clone()])?.remove(2).to_f64();
    let products: Vec<f64> = exact.iter().zip(&direction).map(|(g, d)| g * d).collect();
    let slopes: Vec<f64> = products.chunks(row_len).map(|products| products.iter().sum()).collect();
    let typical: Vec<f64> =
        products.chunks(row_len).map(|products| products.iter().map(|p| p * p).sum::<f64>().sqrt()).collect();
    let [logits, here] = run_at(0.0)?.try_into().expect("two outputs were asked for");
    let rounding: Vec<f64> = (logits.chunks(built.classes).zip(&here))
        .map(|(logits, loss)| ROUNDING * logits.iter().fold(loss.abs(), |most, logit| most.max(logit.abs())))
        .collect();
    let mut open: Vec<usize> = (0..built.rows).collect();
    for step in STEPS.map(|step| step * (range[1] - range[0])) {
        if open.is_empty() {
            break;
        }
        let sides = [step, step / 2.0, step / 4.0].map(|step| {
            Ok::<_, Error>(Sides {
                step,
                after: run_at(step)?.remove(1),
                before: run_at(-step)?.remove(1),
                here: &here,
            })
        });
        let [wide, middle, narrow] = sides;
        let sides = [wide?, middle?, narrow?];
        open.retain(|&row| {
            let slope = sides[0].slope(row);
            let size = slope.abs().max(slopes[row].abs());
            if size < CANCELLING * typical[row] {
                return true;
            }
            let flat = size == 0.0;
            // Curvature bends in proportion to the step; a kink does not, but for one place that the next pair sees.
            let kinked = |pair: &[Sides<'_>]| (pair[0].bend(row) - 2.0 * pair[1].bend(row)).abs() > KINK * size;
            if !flat && rounding[row] / step > KINK * size || sides.windows(2).any(kinked) {
                return true;
            }
            let error = if flat { 0.0 } else { (slope - slopes[row]).abs() / size };
            check.error = check.error.max(if error.is_nan() { f64::INFINITY } else { error });
            check.rows += 1;
            false
        });
    }
    check.skipped += open.len();
    Ok(())
}

/// Losses a step before, at and a step after each row's input.
struct Sides<'a> {
    step: f64,
    after: Vec<f64>,
    before: Vec<f64>,
    here: &'a [f64],
}

impl Sides<'_> {
    /// The central difference.
    fn slope(&self, row: usize) -> f64 {
        (self.after[row] - self.before[row]) / (2.0 * self.step)
    }

    /// The difference of the one-sided slopes: the second difference times the step.
    fn bend(&self, row: usize) -> f64 {
        ((self.after[row] - self.here[row]) - (self.here[row] - self.before[row])) / self.step
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Attrs, ValueType, gradient_graph};

    const ROWS: usize = 6;

    /// Two dense layers with a Relu between them.
    fn network() -> Graph {
        let mut random = Splitmix::new(3);
        let mut graph = Graph::new("network");
        let mut x = graph.input("x", ValueType::new(DType::F32, [ROWS, 5]));
        for shape in [[5, 8], [8, 4]] {
            let w = graph.constant("w", random.tensor(&shape, -1.0, 1.0));
            x = graph.add("MatMul", &[x, w], Attrs::new()).unwrap();
            if shape[1] == 8 {
                x = graph.add("Relu", &[x], Attrs::new()).unwrap();
            }
        }
        graph.set_outputs(vec![x]);
        graph
    }

    /// The gradient graph with its gradient multiplied by `factor`.
    fn built(head: Head, factor: f64) -> GradientGraph {
        let mut built = gradient_graph(&network(), head).unwrap();
        let [logits, loss, gradient] = *built.graph.outputs() else { panic!("three outputs") };
        let factor = built.graph.scalar(DType::F32, factor);
        let gradient = built.graph.add("Mul", &[gradient, factor], Attrs::new()).unwrap();
        built.graph.set_outputs(vec![logits, loss, gradient]);
        built
    }

    fn directional(head: Head, factor: f64) -> DirectionalCheck {
        let mut random = Splitmix::new(5);
        let x = random.tensor(&[ROWS, 5], -1.0, 1.0);
        let weights = head_weights(&network(), head, &x, &mut random).unwrap();
        let mut check = DirectionalCheck::default();
        compare_differences(&mut check, &built(head, factor), &x, &weights, [-1.0, 1.0], &mut random).unwrap();
        check
    }

    #[test]
    fn right_gradients_pass_and_wrong_ones_are_caught() {
        for head in Head::ALL {
            let right = directional(*head, 1.0);
            assert!(right.rows >= ROWS - 1 && right.error < 1e-7, "{head:?}: {right:?}");
            let wrong = directional(*head, 1.0009765625);
            assert!((5e-4..2e-3).contains(&wrong.error), "{head:?}: {wrong:?}");
            let lost = directional(*head, 0.0);
            assert!(lost.error > 0.99, "{head:?}: {lost:?}");
        }
    }

    /// The two halves of the direction's derivative cancel but for a millionth: rounding would pass for an error.
    #[test]
    fn a_direction_that_cancels_out_is_skipped() {
        let mut graph = Graph::new("cancelling");
        let x = graph.input("x", ValueType::new(DType::F32, [1, 2]));
        let mut random = Splitmix::new(1);
        let direction = random.tensor(&[1, 2], -1.0, 1.0).to_f64();
        let w = Tensor::f32(&[2, 2], [direction[1], 0.0, -direction[0] * 1.000001, 0.0]);
        let w = graph.constant("w", w);
        let y = graph.add("MatMul", &[x, w], Attrs::new()).unwrap();
        graph.set_outputs(vec![y]);
        let mut built = gradient_graph(&graph, Head::Linear).unwrap();
        let [logits, loss, gradient] = *built.graph.outputs() else { panic!("three outputs") };
        let nudged = built.graph.constant("nudged", Tensor::f32(&[1, 2], [1.0 + 1e-7, 1.0 - 1e-7]));
        let gradient = built.graph.add("Mul", &[gradient, nudged], Attrs::new()).unwrap();
        built.graph.set_outputs(vec![logits, loss, gradient]);
        let weights = Tensor::f32(&[1, 2], [1.0, 0.0]);
        let mut check = DirectionalCheck::default();
        let x = Tensor::f32(&[1, 2], [0.5, 0.25]);
        compare_differences(&mut check, &built, &x, &weights, [0.0, 1.0], &mut Splitmix::new(1)).unwrap();
        assert_eq!((check.rows, check.skipped, check.error), (0, 1, 0.0));
    }

    #[test]
    fn a_row_at_a_kink_is_skipped() {
        let mut graph = Graph::new("kink");
        let x = graph.input("x", ValueType::new(DType::F32, [2, 2]));
        let y = graph.add("Relu", &[x], Attrs::new()).unwrap();
        graph.set_outputs(vec![y]);
        let built = gradient_graph(&graph, Head::Linear).unwrap();
        let x = Tensor::f32(&[2, 2], [0.0, 0.0, 1.0, -1.0]);
        let weights = Tensor::f32(&[2, 2], [1.0; 4]);
        let mut check = DirectionalCheck::default();
        compare_differences(&mut check, &built, &x, &weights, [0.0, 1.0], &mut Splitmix::new(1)).unwrap();
        assert_eq!((check.rows, check.skipped), (1, 1));
        assert!(check.error < 1e-9, "{check:?}");
    }

    /// A program whose gradient of every second row is off by a thousandth.
    struct Wrong(Graph);

    impl Program for Wrong {
        fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, Error> {
            let mut outputs = Interpreter.run(&self.0, inputs)?;
            let gradient = outputs[2].to_f64();
            let off = gradient.iter().enumerate().map(|(i, g)| if i / 5 % 2 == 0 { g * 1.001 } else { *g });
            outputs[2] = Tensor::f32(&[ROWS, 5], off);
            Ok(outputs)
        }
    }

    #[test]
    fn an_executor_is_told_by_its_rows() {
        let mut random = Splitmix::new(7);
        let x = random.tensor(&[ROWS, 5], -1.0, 1.0);
        let weights = head_weights(&network(), Head::Linear, &x, &mut random).unwrap();
        let mut check = ExecutorCheck::default();
        let built = built(Head::Linear, 1.0);
        compare_executor(&mut check, &built, &mut built.graph.clone(), &x, &weights).unwrap();
        assert_eq!((check.median(), check.share_within(0.0)), (0.0, 1.0));
        compare_executor(&mut check, &built, &mut Wrong(built.graph.clone()), &x, &weights).unwrap();
        assert_eq!((check.errors.len(), check.share_within(1e-9)), (2 * ROWS, 0.75));
        assert!((9.9e-4..1.1e-3).contains(check.errors.last().unwrap()));
    }
}
