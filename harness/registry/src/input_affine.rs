use crate::dataset::PixelDomain;
use crate::dataset_manifest::DataUnits;
use crate::{ElementType, InputSpec, Layout};

/// How a row of a data set becomes a row of a model: permute the axes, then `value * scale + offset`, then quantize.
#[derive(Debug, Clone, PartialEq)]
pub struct InputAffine {
    /// Row shape of the data set.
    pub canonical: Vec<usize>,
    /// Row shape that the model wants.
    pub model: Vec<usize>,
    /// Axes of the data set in the order of the model.
    pub permutation: Vec<usize>,
    /// One for all or one per channel.
    pub scale: Vec<f32>,
    /// One for all or one per channel.
    pub offset: Vec<f32>,
    /// The axis of the data set that `scale` and `offset` run along.
    pub channel_axis: usize,
    /// For integer inputs.
    pub quantize: Option<InputQuantize>,
}

/// Step, zero point and type of an integer input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InputQuantize {
    /// Step in the units of the model.
    pub scale: f32,
    /// The integer that stands for zero.
    pub zero_point: i64,
    /// `int8` or `uint8`.
    pub dtype: ElementType,
}

impl InputAffine {
    /// The map from rows of `shape` in `layout` to what `spec` wants.
    ///
    /// Errors: the shapes cannot be matched, or only one of the two has raw units.
    pub fn new(spec: &InputSpec, shape: &[usize], layout: Layout, domain: &PixelDomain) -> Result<Self, String> {
        let raw = domain.units == DataUnits::Raw;
        if raw != spec.units.is_some() {
            let (data, model) = if raw { ("raw units", "a `range`") } else { ("the unit interval", "`units: raw`") };
            return Err(format!("the data set has {data}, the model's manifest has {model}"));
        }
        let permutation = permutation(layout, spec.layout, shape.len());
        let product = |shape: &[usize]| shape.iter().product::<usize>();
        let permuted: Vec<usize> = permutation.iter().map(|axis| shape[*axis]).collect();
        let fits = if spec.layout == Layout::Flat || layout == Layout::Flat {
            product(shape) == product(&spec.shape)
        } else {
            permuted == spec.shape
        };
        if !fits {
            return Err(format!(
                "the data set's rows are {shape:?} ({layout:?}), the model wants {:?} ({:?})",
                spec.shape, spec.layout
            ));
        }
        let [low, high] = spec.range.unwrap_or([0.0, 1.0]);
        let channels = [&spec.mean, &spec.std].iter().filter_map(|v| v.as_ref().map(Vec::len)).max().unwrap_or(1);
        let pick = |values: &Option<Vec<f64>>, channel: usize, default: f64| match values {
            Some(values) if values.len() == 1 => values[0],
            Some(values) => values[channel],
            None => default,
        };
        let (mut scale, mut offset) = (Vec::new(), Vec::new());
        for channel in 0..channels {
            let (mean, std) = (pick(&spec.mean, channel, 0.0), pick(&spec.std, channel, 1.0));
            scale.push(((high - low) / std) as f32);
            offset.push(((low - mean) / std) as f32);
        }
        let quantize = spec.scale.zip(spec.zero_point).map(|(scale, zero_point)| InputQuantize {
            scale: scale as f32,
            zero_point,
            dtype: spec.dtype,
        });
        Ok(Self {
            canonical: shape.to_vec(),
            model: spec.shape.clone(),
            permutation,
            scale,
            offset,
            channel_axis: layout.channel_axis().unwrap_or(0),
            quantize,
        })
    }
}

fn permutation(data: Layout, model: Layout, rank: usize) -> Vec<usize> {
    match (data, model) {
        (Layout::Nchw, Layout::Nhwc) => vec![1, 2, 0],
        (Layout::Nhwc, Layout::Nchw) => vec![2, 0, 1],
        _ => (0..rank).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(layout: Layout, shape: &[usize]) -> InputSpec {
        InputSpec {
            name: "x".into(),
            dtype: ElementType::Float32,
            layout,
            shape: shape.to_vec(),
            range: Some([0.0, 255.0]),
            mean: None,
            std: None,
            scale: None,
            zero_point: None,
            units: None,
        }
    }

    const UNIT: PixelDomain = PixelDomain { levels: Some(255), lower: 0.0, upper: 1.0, units: DataUnits::Unit };

    #[test]
    fn layouts_are_permuted_and_ranges_scaled() {
        let map = InputAffine::new(&spec(Layout::Nhwc, &[32, 30, 3]), &[3, 32, 30], Layout::Nchw, &UNIT).unwrap();
        assert_eq!((map.permutation, map.scale, map.offset), (vec![1, 2, 0], vec![255.0], vec![0.0]));
        let map = InputAffine::new(&spec(Layout::Nchw, &[1, 49, 10]), &[49, 10, 1], Layout::Nhwc, &UNIT).unwrap();
        assert_eq!((map.permutation, map.channel_axis), (vec![2, 0, 1], 2));
        let map = InputAffine::new(&spec(Layout::Flat, &[784]), &[1, 28, 28], Layout::Nchw, &UNIT).unwrap();
        assert_eq!((map.canonical, map.model, map.permutation), (vec![1, 28, 28], vec![784], vec![0, 1, 2]));
    }

    #[test]
    fn mean_and_std_come_after_the_range() {
        let mut spec = spec(Layout::Nchw, &[3, 2, 2]);
        spec.mean = Some(vec![51.0, 102.0, 0.0]);
        spec.std = Some(vec![0.5]);
        let map = InputAffine::new(&spec, &[3, 2, 2], Layout::Nchw, &UNIT).unwrap();
        assert_eq!(map.scale, [510.0, 510.0, 510.0]);
        assert_eq!(map.offset, [-102.0, -204.0, 0.0]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(InputAffine::new(&spec(Layout::Nchw, &[3, 32, 32]), &[1, 28, 28], Layout::Nchw, &UNIT).is_err());
        assert!(InputAffine::new(&spec(Layout::Flat, &[783]), &[1, 28, 28], Layout::Nchw, &UNIT).is_err());
        let raw = PixelDomain { units: DataUnits::Raw, ..UNIT };
        assert!(InputAffine::new(&spec(Layout::Nchw, &[1, 28, 28]), &[1, 28, 28], Layout::Nchw, &raw).is_err());
    }
}
