//! The grid of the data: where integer inputs move, and where a threat model may hold all inputs.

use attack::{Domain, Grid};
use graph::{InputMap, Quantize};
use registry::Dataset;
use registry::yaml::Problem;

/// How far from one step of the model a step of the data may be: more than float32 arithmetic on 256 steps errs by, less
/// than any other grid would show.
const WHOLE: f64 = 1e-3;

/// What values the rows of a data set may have, as attacks take it.
pub fn attack_domain(dataset: &Dataset) -> Domain {
    let affine = dataset.quantization.map(|stored| Grid::Affine {
        scale: stored.scale,
        zero_point: stored.zero_point,
        low: stored.low,
        high: stored.high,
    });
    let domain = dataset.domain;
    Domain { lower: domain.lower, upper: domain.upper, grid: domain.levels.map(Grid::Levels).or(affine) }
}

/// Whether a threat model may hold inputs to `k / levels`: where the samples are such points themselves.
///
/// Errors: they are floats, or on another grid.
pub(crate) fn check_levels(levels: &u32, dataset: &Dataset) -> Result<(), Problem> {
    let name = &dataset.name;
    let found = match attack_domain(dataset).grid {
        Some(Grid::Levels(own)) if own == *levels => return Ok(()),
        Some(grid) => format!("{grid}"),
        None => "floats".to_owned(),
    };
    let hint = match dataset.domain.levels {
        Some(own) => format!("`grid: {own}` holds adversarial inputs to it"),
        None => {
            "take `grid` out; only samples that are pixels of 8 bits, in `units: unit`, have such a grid".to_owned()
        }
    };
    Err(Problem::new(format!("`grid: {levels}` asks for inputs k / {levels}, and the samples of `{name}` are {found}"))
        .hint(hint))
}

/// Whether inputs move on the data's grid by themselves: they do where the file's input is integer.
///
/// The file rounds what lies between its integers, as pixels in `[-1, 1]` at a scale of 2/255 do: that is the file's own
/// business, the attacker moves on the data's grid.
///
/// Errors: the input is integer, and a step of the grid is not a step of the model, or leaves its type.
pub(crate) fn moves_on_grid(map: &InputMap, dataset: &Dataset) -> Result<bool, String> {
    let Some(quantize) = map.quantize else { return Ok(false) };
    let domain = attack_domain(dataset);
    let input = format!("{} input (scale {}, zero point {})", quantize.dtype, quantize.scale, quantize.zero_point);
    let Some(grid) = domain.grid else {
        return Err(format!("its {input} needs data on a grid, and those of `{}` are floats", dataset.name));
    };
    grid.check().map_err(|error| format!("failed to {error}"))?;
    let points: Vec<f32> = domain.grid_points().collect();
    for channel in 0..map.scale.len().max(map.offset.len()) {
        check_channel(map, quantize, channel, &points).map_err(|found| {
            format!(
                "its {input} is not on the grid of `{}` ({grid}): after `range`, `mean` and `std` {found}",
                dataset.name
            )
        })?;
    }
    Ok(true)
}

fn check_channel(map: &InputMap, quantize: Quantize, channel: usize, points: &[f32]) -> Result<(), String> {
    let factor = |factors: &[f32]| factors[if factors.len() == 1 { 0 } else { channel }];
    let (scale, offset) = (factor(&map.scale), factor(&map.offset));
    let (low, high) = quantize.dtype.int_range().ok_or("the type is not an integer type")?;
    let mut before = None;
    for point in points {
        let quantized = f64::from(point * scale + offset) / f64::from(quantize.scale) + quantize.zero_point as f64;
        if quantized < low as f64 - 0.5 - WHOLE || quantized > high as f64 + 0.5 + WHOLE {
            return Err(format!("{point} becomes {quantized:.3}, outside of {low} to {high}"));
        }
        if let Some((other, before)) = before.replace((*point, quantized))
            && ((quantized - before).abs() - 1.0).abs() >= WHOLE
        {
            return Err(format!("the neighbours {other} and {point} become {before:.3} and {quantized:.3}"));
        }
    }
    Ok(())
}
