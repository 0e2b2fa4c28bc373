//! Roots of unity by basic arithmetic, which gives the same bits on every platform.

use std::f64::consts::PI;

/// `(cos, sin)` of `2π j / count` for all `j`, each within 4 units of 2^-53.
///
/// `count` is a multiple of 8, so that every angle is one of the first eighth turned or mirrored.
pub(super) fn roots_of_unity(count: usize) -> Vec<(f64, f64)> {
    let quarter = count / 4;
    let first = |j: usize| {
        // Angles above an eighth are mirrored: the series below gets none that is large.
        let (near, mirrored) = if 2 * j <= quarter { (j, false) } else { (quarter - j, true) };
        let (cos, sin) = small(2.0 * PI * near as f64 / count as f64);
        if mirrored { (sin, cos) } else { (cos, sin) }
    };
    let turned = |j: usize| {
        let (cos, sin) = first(j % quarter);
        match j / quarter {
            0 => (cos, sin),
            1 => (-sin, cos),
            2 => (-cos, -sin),
            _ => (sin, -cos),
        }
    };
    (0..count).map(turned).collect()
}

/// `(cos, sin)` of an angle up to `π/4`, by Taylor's series: the first terms left out are below 2^-60.
fn small(angle: f64) -> (f64, f64) {
    let square = angle * angle;
    let series = |first: u32| {
        (0..9).rev().fold(1.0, |sum, n| {
            let at = f64::from(first + 2 * n);
            1.0 - sum * square / (at * (at + 1.0))
        })
    };
    (series(1), angle * series(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_the_platforms_to_the_last_digits() {
        for count in [8, 16, 24, 40, 64, 256] {
            for (j, (cos, sin)) in roots_of_unity(count).into_iter().enumerate() {
                let angle = 2.0 * PI * j as f64 / count as f64;
                // The platform's angle is rounded: up to 2π by 2^-51.
                assert!((cos - angle.cos()).abs() < 1e-15 && (sin - angle.sin()).abs() < 1e-15, "{count} {j}");
            }
        }
        assert_eq!(roots_of_unity(8)[2], (0.0, 1.0));
    }
}
