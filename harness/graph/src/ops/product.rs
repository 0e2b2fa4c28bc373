/// Adds the matrix product `a · b` to `c`, all row-major: `a` `[m, k]`, `b` `[k, n]`, `c` `[m, n]`.
///
/// Terms are summed in the order of `k` in groups of four, whatever `m` and `n` are, so that no row of the result
/// depends on its neighbours.
pub(crate) fn add_product(m: usize, k: usize, n: usize, a: &[f64], b: &[f64], c: &mut [f64]) {
    if n == 0 || k == 0 {
        return;
    }
    // A block of four rows of `b` and one of `c` stays in the first-level cache.
    const BLOCK: usize = 512;
    for start in (0..n).step_by(BLOCK) {
        let width = BLOCK.min(n - start);
        for row in 0..m {
            let a = &a[row * k..][..k];
            let c = &mut c[row * n + start..][..width];
            let line = |at: usize| &b[at * n + start..][..width];
            let whole = k - k % 4;
            for at in (0..whole).step_by(4) {
                let (a0, a1, a2, a3) = (a[at], a[at + 1], a[at + 2], a[at + 3]);
                let (b0, b1, b2, b3) = (line(at), line(at + 1), line(at + 2), line(at + 3));
                for i in 0..width {
                    c[i] += (a0 * b0[i] + a1 * b1[i]) + (a2 * b2[i] + a3 * b3[i]);
                }
            }
            for (at, &a) in a.iter().enumerate().skip(whole) {
                c.iter_mut().zip(line(at)).for_each(|(c, b)| *c += a * b);
            }
        }
    }
}

/// The transpose of a row-major `[rows, columns]` matrix.
pub(crate) fn transposed(rows: usize, columns: usize, a: &[f64]) -> Vec<f64> {
    let mut result = Vec::with_capacity(a.len());
    for column in 0..columns {
        result.extend((0..rows).map(|row| a[row * columns + column]));
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_agree_with_the_definition() {
        for (m, k, n) in [(1, 1, 1), (3, 5, 2), (2, 8, 7), (4, 3, 600), (2, 0, 3), (0, 2, 2)] {
            let a: Vec<f64> = (0..m * k).map(|i| (i as f64).sin()).collect();
            let b: Vec<f64> = (0..k * n).map(|i| (i as f64).cos()).collect();
            let mut c = vec![1.0; m * n];
            add_product(m, k, n, &a, &b, &mut c);
            for (index, &value) in c.iter().enumerate() {
                let wanted = 1.0 + (0..k).map(|t| a[index / n * k + t] * b[t * n + index % n]).sum::<f64>();
                assert!((value - wanted).abs() < 1e-13, "{m} {k} {n}");
            }
            let twice = transposed(k, m, &transposed(m, k, &a));
            assert_eq!(twice, a);
        }
    }
}
