//! Ridge regression in closed form: the normal equations by a Cholesky factorisation.
//!
//! Sums of pixels are integers and exact; everything after them is f64 in one fixed order on one thread. So the weights
//! are the same on every machine.

/// Width of a block of columns: a block of rows of this width stays in the first cache.
const BLOCK: usize = 64;

/// Exact sums over the pictures of a training set.
pub(crate) struct Sums {
    pictures: usize,
    pixels: usize,
    by_pixel: Vec<i64>,
    /// Lower triangle of the sums of products of two pixels, row by row.
    products: Vec<i32>,
    columns: Vec<i16>,
}

/// A linear model on pixels in [0, 1]: `logits = weights · x + bias`, `weights` `[outputs, pixels]`.
pub(crate) struct Linear {
    pub(crate) weights: Vec<f64>,
    pub(crate) bias: Vec<f64>,
}

/// A factor of the penalised covariance of pixels.
pub(crate) struct Factor<'a> {
    sums: &'a Sums,
    lower: Vec<f64>,
}

impl Sums {
    /// The sums over `pictures`, row after row of `pixels` bytes. There may be at most 33000 rows.
    pub(crate) fn new(rows: &[u8], pixels: usize) -> Self {
        let pictures = rows.len() / pixels;
        let mut columns = vec![0i16; rows.len()];
        for (row, picture) in rows.chunks_exact(pixels).enumerate() {
            picture.iter().enumerate().for_each(|(pixel, value)| columns[pixel * pictures + row] = i16::from(*value));
        }
        let column = |pixel: usize| &columns[pixel * pictures..(pixel + 1) * pictures];
        let by_pixel = (0..pixels).map(|pixel| column(pixel).iter().map(|value| i64::from(*value)).sum()).collect();
        let mut products = vec![0; pixels * pixels];
        for first in (0..pixels).step_by(BLOCK / 2) {
            for j in 0..pixels {
                for i in first.max(j)..(first + BLOCK / 2).min(pixels) {
                    products[i * pixels + j] = integer_dot(column(i), column(j));
                }
            }
        }
        Self { pictures, pixels, by_pixel, products, columns }
    }

    /// Factors the covariance of pixels in [0, 1], summed over pictures, with `penalty` on its diagonal.
    pub(crate) fn factor(&self, penalty: f64) -> Factor<'_> {
        let n = self.pixels;
        let unit = self.pictures as f64 * 255.0 * 255.0;
        let mut matrix = vec![0.0; n * n];
        for (i, j) in (0..n).flat_map(|i| (0..=i).map(move |j| (i, j))) {
            let product = self.pictures as i64 * i64::from(self.products[i * n + j]);
            matrix[i * n + j] = (product - self.by_pixel[i] * self.by_pixel[j]) as f64 / unit;
        }
        (0..n).for_each(|i| matrix[i * n + i] += penalty);
        cholesky(&mut matrix, n);
        Factor { sums: self, lower: matrix }
    }
}

impl Factor<'_> {
    /// The model that regresses 1 for the right output and -1 for the others.
    pub(crate) fn solve(&self, labels: &[usize], outputs: usize) -> Linear {
        let sums = self.sums;
        let count = sums.pictures as f64;
        let mut model = Linear { weights: Vec::new(), bias: Vec::new() };
        for output in 0..outputs {
            let targets: Vec<i16> = labels.iter().map(|label| if *label == output { 1 } else { -1 }).collect();
            let total: i64 = targets.iter().map(|target| i64::from(*target)).sum();
            let covariance = |pixel: usize| {
                let column = &sums.columns[pixel * sums.pictures..(pixel + 1) * sums.pictures];
                let product = sums.pictures as i64 * i64::from(integer_dot(column, &targets));
                (product - sums.by_pixel[pixel] * total) as f64 / (count * 255.0)
            };
            let mut weights: Vec<f64> = (0..sums.pixels).map(covariance).collect();
            substitute(&self.lower, sums.pixels, &mut weights);
            let means = sums.by_pixel.iter().map(|sum| *sum as f64 / (count * 255.0));
            let at_mean: f64 = weights.iter().zip(means).map(|(weight, mean)| weight * mean).sum();
            model.bias.push(total as f64 / count - at_mean);
            model.weights.extend(weights);
        }
        model
    }
}

fn integer_dot(a: &[i16], b: &[i16]) -> i32 {
    a.iter().zip(b).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum()
}

/// A dot product in eight running sums, so that it fills vector registers in an order that is fixed here.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a_blocks, b_blocks) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a_blocks.remainder().iter().zip(b_blocks.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_blocks.zip(b_blocks) {
        (0..8).for_each(|lane| sums[lane] += a[lane] * b[lane]);
    }
    sums.iter().sum::<f64>() + rest
}

/// Replaces the lower triangle of a positive definite matrix by its Cholesky factor, a block of columns at a time.
fn cholesky(matrix: &mut [f64], n: usize) {
    for start in (0..n).step_by(BLOCK) {
        let end = (start + BLOCK).min(n);
        for i in start..n {
            for j in start..end.min(i + 1) {
                let (above, below) = matrix.split_at_mut(i * n);
                let done = start..j;
                if i == j {
                    let row = &mut below[..n];
                    row[j] = (row[j] - dot(&row[done.clone()], &row[done])).sqrt();
                } else {
                    let pivot = &above[j * n..(j + 1) * n];
                    below[j] = (below[j] - dot(&below[done.clone()], &pivot[done])) / pivot[j];
                }
            }
        }
        let panel: Vec<f64> = (end..n).flat_map(|i| matrix[i * n + start..i * n + end].to_vec()).collect();
        let width = end - start;
        let rows: Vec<&[f64]> = panel.chunks_exact(width).collect();
        for first in (0..rows.len()).step_by(BLOCK) {
            for j in 0..rows.len() {
                for i in first.max(j)..(first + BLOCK).min(rows.len()) {
                    matrix[(end + i) * n + end + j] -= dot(rows[i], rows[j]);
                }
            }
        }
    }
}

/// Solves `L Lᵀ x = b` in place.
fn substitute(lower: &[f64], n: usize, b: &mut [f64]) {
    for i in 0..n {
        let row = &lower[i * n..(i + 1) * n];
        b[i] = (b[i] - dot(&row[..i], &b[..i])) / row[i];
    }
    for i in (0..n).rev() {
        let row = &lower[i * n..(i + 1) * n];
        b[i] /= row[i];
        let solved = b[i];
        b[..i].iter_mut().zip(row).for_each(|(b, l)| *b -= l * solved);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The normal equations hold: covariance · weights + penalty · weights = covariance with the targets.
    #[test]
    fn the_solution_solves_the_normal_equations() {
        const PIXELS: usize = 150;
        const PICTURES: usize = 200;
        let mut state = 1u64;
        let mut byte = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 56) as u8
        };
        let rows: Vec<u8> = (0..PIXELS * PICTURES).map(|_| byte()).collect();
        let labels: Vec<usize> = (0..PICTURES).map(|_| usize::from(byte()) % 3).collect();
        let sums = Sums::new(&rows, PIXELS);
        let model = sums.factor(0.5).solve(&labels, 3);
        let x = |row: usize, pixel: usize| f64::from(rows[row * PIXELS + pixel]) / 255.0;
        for output in 0..3 {
            let weights = &model.weights[output * PIXELS..(output + 1) * PIXELS];
            let residual = |row: usize| {
                let score: f64 =
                    (0..PIXELS).map(|pixel| weights[pixel] * x(row, pixel)).sum::<f64>() + model.bias[output];
                score - if labels[row] == output { 1.0 } else { -1.0 }
            };
            let residuals: Vec<f64> = (0..PICTURES).map(residual).collect();
            let limit = 1e-9; // The condition number is below 1e4 and f64 has 16 digits.
            assert!(residuals.iter().sum::<f64>().abs() < limit);
            for (pixel, weight) in weights.iter().enumerate() {
                let gradient: f64 = (0..PICTURES).map(|row| residuals[row] * x(row, pixel)).sum();
                assert!((gradient + 0.5 * weight).abs() < limit, "{output} {pixel}");
            }
        }
    }
}
