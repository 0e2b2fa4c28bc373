use super::Call;
use super::axes::bounded;
use crate::Attrs;
use std::ops::Range;

/// One spatial axis of a sliding window: how outputs of a convolution or pooling see the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Axis {
    /// Length of the input.
    pub(crate) input: usize,
    /// Taps of the window.
    pub(crate) kernel: usize,
    /// Distance between windows.
    pub(crate) stride: usize,
    /// Distance between taps.
    pub(crate) dilation: usize,
    /// Padding before the first element.
    pub(crate) begin: usize,
    /// Padding after the last element.
    pub(super) end: usize,
    /// Number of windows.
    pub(crate) output: usize,
}

impl Axis {
    /// The input element under one tap of one window; `None` in the padding.
    #[cfg(test)]
    fn at(&self, window: usize, tap: usize) -> Option<usize> {
        (window * self.stride + tap * self.dilation).checked_sub(self.begin).filter(|&at| at < self.input)
    }

    /// The taps of one window that lie before this many elements, counted with the padding.
    pub(super) fn taps_before(&self, window: usize, end: usize) -> usize {
        end.saturating_sub(window * self.stride).div_ceil(self.dilation).min(self.kernel)
    }

    /// The taps of one window that lie inside the input.
    pub(crate) fn taps(&self, window: usize) -> Range<usize> {
        self.taps_before(window, self.begin)..self.taps_before(window, self.begin + self.input)
    }

    /// What an average over one window divides by: its taps inside the input, or inside the padding too.
    pub(crate) fn counted(&self, window: usize, padded: bool) -> usize {
        let padded = padded.then(|| self.taps_before(window, self.begin + self.input + self.end));
        padded.unwrap_or_else(|| self.taps(window).len())
    }

    /// The input elements under one window.
    pub(crate) fn covered(&self, window: usize) -> impl Iterator<Item = usize> + '_ {
        self.taps(window).map(move |tap| window * self.stride + tap * self.dilation - self.begin)
    }

    /// The length of the dilated window.
    pub(super) fn span(&self) -> usize {
        self.dilation * (self.kernel - 1) + 1
    }

    /// The windows, as a half-open range, for which a tap lies inside the input.
    fn inside(&self, tap: usize) -> (usize, usize) {
        let offset = tap * self.dilation;
        let from = self.begin.saturating_sub(offset).div_ceil(self.stride);
        let to = (self.begin + self.input).saturating_sub(offset).div_ceil(self.stride);
        (from.min(self.output), to.min(self.output))
    }
}

/// How the size of the output is rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rounding {
    /// Only whole windows.
    Floor,
    /// Also a last window that starts inside the input or its first padding.
    Ceil,
}

/// Reads `strides`, `dilations`, `pads` and `auto_pad` for a window of `kernel` taps over `input` elements per axis.
///
/// Errors: an attribute has the wrong length, a size is not positive, `auto_pad` SAME meets a dilation (which ONNX
/// Runtime refuses or does otherwise than the specification), or no window fits.
pub(super) fn read(attrs: &Attrs, input: &[usize], kernel: &[usize], rounding: Rounding) -> Result<Vec<Axis>, String> {
    let rank = input.len();
    if !(1..=2).contains(&rank) {
        return Err(format!("has {rank} spatial axes, only 1 and 2 are supported"));
    }
    if kernel.len() != rank {
        return Err(format!("the window has {} axes, the input {rank}", kernel.len()));
    }
    let strides = sizes(attrs, "strides", 1, rank, 1)?;
    let dilations = sizes(attrs, "dilations", 1, rank, 1)?;
    let pads = sizes(attrs, "pads", 0, 2 * rank, 0)?;
    let auto = attrs.get_text("auto_pad", "NOTSET")?;
    if auto != "NOTSET" && pads.iter().any(|&pad| pad > 0) {
        return Err(format!("has both auto_pad {auto} and pads {pads:?}"));
    }
    (0..rank)
        .map(|i| {
            let (begin, end) = (pads[i], pads[rank + i]);
            let (stride, dilation) = (strides[i], dilations[i]);
            let axis = Axis { input: input[i], kernel: kernel[i], stride, dilation, begin, end, output: 0 };
            resolve(axis, auto, rounding)
        })
        .collect()
}

fn resolve(mut axis: Axis, auto: &str, rounding: Rounding) -> Result<Axis, String> {
    if axis.kernel == 0 {
        return Err("the window is empty".to_owned());
    }
    match auto {
        "NOTSET" | "VALID" => (),
        "SAME_UPPER" | "SAME_LOWER" => {
            if axis.dilation != 1 {
                return Err(format!("auto_pad {auto} with dilation {} is not supported", axis.dilation));
            }
            let wanted = axis.input.div_ceil(axis.stride).saturating_sub(1) * axis.stride + axis.kernel;
            let total = wanted.saturating_sub(axis.input);
            axis.begin = if auto == "SAME_UPPER" { total / 2 } else { total.div_ceil(2) };
            axis.end = total - axis.begin;
        }
        other => return Err(format!("auto_pad is `{other}`, allowed are NOTSET, SAME_UPPER, SAME_LOWER and VALID")),
    }
    let padded = axis.begin + axis.input + axis.end;
    bounded(vec![padded])?;
    let Some(room) = padded.checked_sub(axis.span()) else {
        return Err(format!("a window of {} does not fit into {padded} elements", axis.span()));
    };
    axis.output = 1 + match rounding {
        Rounding::Floor => room / axis.stride,
        // A window that would start in the end padding is left out: <https://github.com/onnx/onnx/pull/5741>.
        Rounding::Ceil => {
            let last = room.div_ceil(axis.stride);
            if last * axis.stride >= axis.input + axis.begin { last.saturating_sub(1) } else { last }
        }
    };
    Ok(axis)
}

/// The window's size from `kernel_shape`.
///
/// Errors: the attribute is missing or has another length than `rank`.
pub(super) fn kernel_shape(attrs: &Attrs, rank: usize) -> Result<Vec<usize>, String> {
    if attrs.get("kernel_shape").is_none() {
        return Err("attribute `kernel_shape` is missing".to_owned());
    }
    sizes(attrs, "kernel_shape", 0, rank, 1)
}

/// The windows of a pooling: its only input is `[N, C, …]`.
///
/// Errors: as [`read`], windows that see no element, or a window so large that its weights in the gradient, one for each
/// channel and tap, would not be a value.
pub(crate) fn pooling(call: &Call<'_>) -> Result<Vec<Axis>, String> {
    let spatial = call.shape(0)?.get(2..).ok_or("input 0 must be [N, C, …]")?;
    let kernel = kernel_shape(call.attrs, spatial.len())?;
    let ceil = call.attrs.get_int("ceil_mode", 0)? != 0;
    let axes = read(call.attrs, spatial, &kernel, if ceil { Rounding::Ceil } else { Rounding::Floor })?;
    let channels = call.shape(0)?[1];
    bounded([channels].into_iter().chain(kernel).collect())?;
    for axis in &axes {
        if axis.begin.max(axis.end) >= axis.kernel {
            return Err(format!(
                "pads {} and {} must be less than the window of {}",
                axis.begin, axis.end, axis.kernel
            ));
        }
        // Windows that start inside the input see an element, and so do those before it that cannot step over it.
        let early = if axis.dilation > axis.input { axis.begin.div_ceil(axis.stride) } else { 0 };
        let early = 0..axis.output.min(early);
        if early.chain([axis.output - 1]).any(|window| axis.taps(window).is_empty()) {
            return Err("a window lies in the padding alone".to_owned());
        }
    }
    Ok(axes)
}

/// A list attribute as sizes of at least `least`; all `default` where it is absent.
///
/// Errors: another length than `len`, or an element out of range.
pub(super) fn sizes(attrs: &Attrs, name: &str, default: usize, len: usize, least: i64) -> Result<Vec<usize>, String> {
    let Some(values) = attrs.get_ints(name)? else { return Ok(vec![default; len]) };
    if values.len() != len {
        return Err(format!("attribute `{name}` must have {len} elements, found {values:?}"));
    }
    let size = |&value: &i64| {
        let allowed = least..=i64::from(i32::MAX);
        let error = || format!("attribute `{name}` must be at least {least}, found {values:?}");
        if allowed.contains(&value) { Ok(value as usize) } else { Err(error()) }
    };
    values.iter().map(size).collect()
}

/// `pads` as ONNX writes them: all begins, then all ends.
pub(super) fn pads(axes: &[Axis]) -> Vec<i64> {
    axes.iter().map(|axis| axis.begin as i64).chain(axes.iter().map(|axis| axis.end as i64)).collect()
}

/// One number of each axis, as an attribute's value.
pub(super) fn each(axes: &[Axis], number: impl Fn(&Axis) -> usize) -> Vec<i64> {
    axes.iter().map(|axis| number(axis) as i64).collect()
}

/// Two axes whatever the rank: one axis becomes the columns of a single row.
pub(crate) fn plane(axes: &[Axis]) -> (Axis, Axis) {
    match axes {
        [row, column] => (*row, *column),
        _ => {
            let row = Axis { input: 1, kernel: 1, stride: 1, dilation: 1, begin: 0, end: 0, output: 1 };
            (row, axes[0])
        }
    }
}

/// Visits the runs of a channel's windows: for each tap and each row of windows the part that lies inside the input.
///
/// `visit(tap, first output, first input, count)`: `count` outputs from the first on see the inputs from the first on,
/// in steps of the column stride.
pub(super) fn runs(axes: &[Axis], mut visit: impl FnMut(usize, usize, usize, usize)) {
    let (rows, columns) = plane(axes);
    for tap in 0..rows.kernel * columns.kernel {
        let (tap_row, tap_column) = (tap / columns.kernel, tap % columns.kernel);
        let (from, to) = columns.inside(tap_column);
        let (from_row, to_row) = rows.inside(tap_row);
        if from >= to {
            continue;
        }
        let first = from * columns.stride + tap_column * columns.dilation - columns.begin;
        for row in from_row..to_row {
            let input_row = row * rows.stride + tap_row * rows.dilation - rows.begin;
            visit(tap, row * columns.output + from, input_row * columns.input + first, to - from);
        }
    }
}

/// Lays the windows of `channels` channels out as columns: `[channels · taps, windows]`, zero in the padding.
pub(crate) fn unfold(axes: &[Axis], channels: usize, x: &[f64]) -> Vec<f64> {
    let (pixels, windows, taps) = volumes(axes);
    let stride = plane(axes).1.stride;
    let mut columns = vec![0.0; channels * taps * windows];
    for channel in 0..channels {
        let x = &x[channel * pixels..][..pixels];
        let columns = &mut columns[channel * taps * windows..][..taps * windows];
        runs(axes, |tap, output, input, count| {
            let to = &mut columns[tap * windows + output..][..count];
            if stride == 1 {
                to.copy_from_slice(&x[input..][..count]);
            } else {
                to.iter_mut().zip(x[input..].iter().step_by(stride)).for_each(|(to, from)| *to = *from);
            }
        });
    }
    columns
}

/// The adjoint of [`unfold`]: adds every column's element back to the input element that it came from.
pub(crate) fn fold(axes: &[Axis], channels: usize, columns: &[f64], x: &mut [f64]) {
    let (pixels, windows, taps) = volumes(axes);
    let stride = plane(axes).1.stride;
    for channel in 0..channels {
        let x = &mut x[channel * pixels..][..pixels];
        let columns = &columns[channel * taps * windows..][..taps * windows];
        runs(axes, |tap, output, input, count| {
            let from = &columns[tap * windows + output..][..count];
            x[input..].iter_mut().step_by(stride).zip(from).for_each(|(to, from)| *to += *from);
        });
    }
}

/// Elements of the input, windows and taps of one channel.
pub(crate) fn volumes(axes: &[Axis]) -> (usize, usize, usize) {
    let product = |number: fn(&Axis) -> usize| axes.iter().map(number).product();
    (product(|axis| axis.input), product(|axis| axis.output), product(|axis| axis.kernel))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DType, Graph, ValueType};

    fn axis(attrs: Attrs, input: usize, kernel: usize, rounding: Rounding) -> Result<(usize, usize, usize), String> {
        read(&attrs, &[input], &[kernel], rounding).map(|axes| (axes[0].begin, axes[0].end, axes[0].output))
    }

    #[test]
    fn sizes_and_pads_follow_the_specification() {
        let same = |mode, stride| Attrs::new().text("auto_pad", mode).ints("strides", [stride]);
        let floor = Rounding::Floor;
        assert_eq!(axis(same("SAME_UPPER", 2), 32, 3, floor), Ok((0, 1, 16)));
        assert_eq!(axis(same("SAME_LOWER", 2), 32, 3, floor), Ok((1, 0, 16)));
        assert_eq!(axis(same("SAME_UPPER", 3), 5, 1, floor), Ok((0, 0, 2)));
        assert_eq!(axis(same("VALID", 2), 5, 2, floor), Ok((0, 0, 2)));
        let pool = |stride, begin, end| Attrs::new().ints("strides", [stride]).ints("pads", [begin, end]);
        assert_eq!(axis(pool(2, 0, 0), 5, 2, Rounding::Ceil), Ok((0, 0, 3)));
        assert_eq!(axis(pool(2, 1, 1), 4, 3, Rounding::Ceil), Ok((1, 1, 3)));
        assert_eq!(axis(pool(3, 1, 1), 5, 2, Rounding::Ceil), Ok((1, 1, 2)), "the third window starts in the padding");
    }

    #[test]
    fn bad_windows_are_errors() {
        let floor = Rounding::Floor;
        for (attrs, input, kernel) in [
            (Attrs::new().ints("strides", [0]), 5, 3),
            (Attrs::new().ints("strides", [1, 1]), 5, 3),
            (Attrs::new().ints("dilations", [-1]), 5, 3),
            (Attrs::new().ints("pads", [-1, 0]), 5, 3),
            (Attrs::new().ints("pads", [i64::MAX, i64::MAX]), 5, 3),
            (Attrs::new().text("auto_pad", "SAME"), 5, 3),
            (Attrs::new().text("auto_pad", "SAME_UPPER").ints("dilations", [2]), 5, 3),
            (Attrs::new().text("auto_pad", "SAME_UPPER").ints("pads", [1, 1]), 5, 3),
            (Attrs::new(), 2, 3),
            (Attrs::new(), 2, 0),
        ] {
            assert!(axis(attrs.clone(), input, kernel, floor).is_err(), "{attrs:?} {input} {kernel}");
        }
        assert!(read(&Attrs::new(), &[4, 4, 4], &[1, 1, 1], floor).is_err());
    }

    #[test]
    fn huge_windows_are_refused_at_once() {
        let pool = |op: &str, kernel: &[i64], pads: &[i64], strides: &[i64], size: &[usize]| {
            let mut graph = Graph::new("test");
            let x = graph.input("x", ValueType::new(DType::F32, [&[1, 1], size].concat()));
            let lists = [("kernel_shape", kernel), ("pads", pads), ("strides", strides)];
            let attrs = lists.into_iter().fold(Attrs::new(), |attrs, (name, list)| attrs.ints(name, list.to_vec()));
            graph.add(op, &[x], attrs).map(|y| graph.shape(y).to_vec())
        };
        for op in ["MaxPool", "AveragePool"] {
            let huge = i64::from(i32::MAX);
            assert!(pool(op, &[huge], &[huge - 1, huge - 1], &[1], &[1]).is_err());
            assert!(pool(op, &[1 << 27; 2], &[1 << 26; 4], &[1; 2], &[1; 2]).is_err());
            assert!(pool(op, &[1 << 29], &[1 << 28, 1 << 28], &[huge], &[1]).is_err());
            let wide = 1 << 26;
            assert_eq!(pool(op, &[wide], &[wide - 1, wide - 1], &[1], &[1]).unwrap(), [1, 1, 1 << 26]);
        }
    }

    #[test]
    fn taps_inside_agree_with_the_definition() {
        for (stride, dilation, begin) in [(1, 1, 0), (2, 1, 3), (1, 3, 4), (3, 2, 5), (2, 4, 1)] {
            let axis = Axis { input: 5, kernel: 4, stride, dilation, begin, end: 6, output: 6 };
            for window in 0..axis.output {
                let inside: Vec<usize> = (0..axis.kernel).filter_map(|tap| axis.at(window, tap)).collect();
                assert_eq!(axis.covered(window).collect::<Vec<_>>(), inside, "{axis:?} {window}");
                assert_eq!(axis.taps(window).is_empty(), inside.is_empty(), "{axis:?} {window}");
            }
        }
    }

    #[test]
    fn unfold_agrees_with_the_definition_and_fold_is_its_adjoint() {
        let attrs = Attrs::new().ints("strides", [2, 1]).ints("dilations", [1, 2]).ints("pads", [1, 3, 0, 2]);
        let axes = read(&attrs, &[5, 4], &[3, 2], Rounding::Floor).unwrap();
        let (pixels, windows, taps) = volumes(&axes);
        let x: Vec<f64> = (0..2 * pixels).map(|i| (i as f64 * 0.7).sin()).collect();
        let columns = unfold(&axes, 2, &x);
        let (rows, cols) = plane(&axes);
        for (index, &value) in columns.iter().enumerate() {
            let (window, tap, channel) = (index % windows, index / windows % taps, index / windows / taps);
            let row = rows.at(window / cols.output, tap / cols.kernel);
            let column = cols.at(window % cols.output, tap % cols.kernel);
            let wanted = row.zip(column).map_or(0.0, |(row, column)| x[channel * pixels + row * cols.input + column]);
            assert_eq!(value, wanted);
        }
        let y: Vec<f64> = (0..columns.len()).map(|i| (i as f64 * 1.3).cos()).collect();
        let mut back = vec![0.0; x.len()];
        fold(&axes, 2, &y, &mut back);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        assert!((dot(&columns, &y) - dot(&x, &back)).abs() < 1e-12);
    }
}
