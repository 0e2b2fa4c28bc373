//! Convolutions with their true padding, stride, dilation and groups.

use super::change::{Norms, rounding, times, up};
use super::rules::{Effect, Site};
use super::spectral::spectral_norm;
use super::symbol::{self, Tap};
use crate::ops::window::{self, Axis};
use crate::ops::{Conv, Transpose};
use std::collections::BTreeSet;

/// The sizes of a convolution with finite constant weights `[filters, depth, rows · columns]`.
#[derive(Debug, Clone)]
pub(super) struct Kernel<'a> {
    pub(super) filters: usize,
    /// Input channels of a group.
    pub(super) depth: usize,
    pub(super) group: usize,
    pub(super) axes: [Axis; 2],
    pub(super) weights: &'a [f64],
}

impl<'a> Kernel<'a> {
    /// The convolution of a Conv, or that whose adjoint a ConvTranspose is.
    ///
    /// Errors: the weights are not constant, or not finite; the data are.
    pub(super) fn of(site: &Site<'a>) -> Result<Self, String> {
        if !site.varies(0) || site.varies(1) || site.varies(2) {
            return Err("its weights depend on the graph's input: no Lipschitz constant".to_owned());
        }
        let (attrs, x, w) = (site.call.attrs, site.call.shape(0)?, site.call.shape(1)?);
        let weights = site.constant(1)?;
        let (filters, channels, group, axes) = if site.node.op().name == "ConvTranspose" {
            let Transpose { channels, filters, group, axes, .. } = Transpose::read(attrs, x, w)?;
            (channels, filters, group, axes)
        } else {
            let Conv { channels, filters, group, axes, .. } = Conv::read(attrs, x, w)?;
            (filters, channels, group, axes)
        };
        if filters == 0 || channels == 0 {
            return Err("it has no channels".to_owned());
        }
        let (rows, columns) = window::plane(&axes);
        Ok(Self { filters, depth: channels / group, group, axes: [rows, columns], weights })
    }

    pub(super) fn taps(&self) -> usize {
        self.axes[0].kernel * self.axes[1].kernel
    }

    /// The weights of one filter and channel.
    fn window(&self, filter: usize, channel: usize) -> &[f64] {
        &self.weights[(filter * self.depth + channel) * self.taps()..][..self.taps()]
    }

    /// Filters of a group.
    pub(super) fn width(&self) -> usize {
        self.filters / self.group
    }

    /// Upper bounds on the norms of the whole map.
    pub(super) fn norms(&self) -> Norms {
        let (seen, seeing) = (self.axes.map(|axis| seen(&axis)), self.axes.map(|axis| seeing(&axis)));
        let by_filter =
            |filter: usize, f: fn(f64) -> f64| self.sums((0..self.depth).map(|c| self.window(filter, c)), f);
        let by_channel = |channel: usize, f: fn(f64) -> f64| {
            let (group, channel) = (channel / self.depth, channel % self.depth);
            self.sums((0..self.width()).map(|filter| self.window(group * self.width() + filter, channel)), f)
        };
        let (filters, channels) = (0..self.filters, 0..self.depth * self.group);
        let over = |list: &[Vec<f64>], sets: &[BTreeSet<Vec<usize>>; 2]| {
            let sums = list.iter().map(|sums| self.largest(sums, sets));
            sums.fold(0.0, f64::max) * (1.0 + rounding((self.depth + self.width()) * self.taps()))
        };
        let of_filters = |f| over(&filters.clone().map(|filter| by_filter(filter, f)).collect::<Vec<_>>(), &seen);
        let of_channels =
            |f| over(&channels.clone().map(|channel| by_channel(channel, f)).collect::<Vec<_>>(), &seeing);
        let square = |x: f64| x * x + if x == 0.0 { 0.0 } else { f64::MIN_POSITIVE };
        let (l1, linf) = (of_channels(f64::abs), of_filters(f64::abs));
        let schur = up(times(l1, linf).sqrt());
        Norms {
            l1,
            l2: schur.min(self.spectral(&seen)),
            linf,
            l1_l2: up(of_channels(square).sqrt()),
            l2_linf: up(of_filters(square).sqrt()),
            l1_linf: self.weights.iter().fold(0.0, |largest: f64, w| largest.max(w.abs())),
            linf_l1: f64::INFINITY,
        }
    }

    /// For each tap a sum over windows.
    fn sums<'b>(&self, windows: impl Iterator<Item = &'b [f64]>, f: fn(f64) -> f64) -> Vec<f64> {
        let mut sums = vec![0.0; self.taps()];
        windows.for_each(|window| sums.iter_mut().zip(window).for_each(|(sum, w)| *sum += f(*w)));
        sums
    }

    /// The largest sum over the taps of one set of rows and one of columns.
    fn largest(&self, sums: &[f64], sets: &[BTreeSet<Vec<usize>>; 2]) -> f64 {
        let columns = self.axes[1].kernel;
        let mut largest = 0.0_f64;
        for rows in &sets[0] {
            let line: Vec<f64> =
                (0..columns).map(|column| rows.iter().map(|row| sums[row * columns + column]).sum()).collect();
            for set in &sets[1] {
                largest = largest.max(set.iter().map(|column| line[*column]).sum());
            }
        }
        largest
    }

    /// An upper bound on the spectral norm, of the group where it is largest.
    fn spectral(&self, seen: &[BTreeSet<Vec<usize>>; 2]) -> f64 {
        let live = [0, 1].map(|axis| seen[axis].iter().flatten().copied().collect::<BTreeSet<usize>>());
        let places: Vec<(usize, usize)> =
            live[0].iter().flat_map(|row| live[1].iter().map(move |column| (*row, *column))).collect();
        let single = self.axes.iter().all(|axis| axis.output == 1);
        let norm = |group: usize| {
            let filters = group * self.width()..(group + 1) * self.width();
            let columns = self.axes[1].kernel;
            if single {
                // One window: the taps that it has inside the input are a dense layer.
                let row = |filter: usize| (0..self.depth).map(move |channel| self.window(filter, channel));
                let weights =
                    filters.flat_map(row).flat_map(|window| places.iter().map(|(r, c)| window[r * columns + c]));
                return spectral_norm(self.width(), self.depth * places.len(), &weights.collect::<Vec<_>>());
            }
            let tap = |&(row, column): &(usize, usize)| Tap {
                row,
                column,
                weights: filters
                    .clone()
                    .flat_map(|filter| {
                        (0..self.depth).map(move |channel| self.window(filter, channel)[row * columns + column])
                    })
                    .collect(),
            };
            let taps: Vec<Tap> = places.iter().map(tap).collect();
            symbol::norm(&self.axes, self.width(), self.depth, &taps)
        };
        (0..self.group).map(norm).fold(0.0, f64::max)
    }
}

/// The sets of taps that windows have inside the input.
fn seen(axis: &Axis) -> BTreeSet<Vec<usize>> {
    let ranges: BTreeSet<(usize, usize)> =
        (0..axis.output).map(|window| axis.taps(window)).map(|taps| (taps.start, taps.end)).collect();
    ranges.into_iter().map(|(start, end)| (start..end).collect()).collect()
}

/// The sets of taps under which elements of the input come.
fn seeing(axis: &Axis) -> BTreeSet<Vec<usize>> {
    let under = |at: usize, tap: usize| {
        let from = (at + axis.begin).checked_sub(tap * axis.dilation)?;
        (from.is_multiple_of(axis.stride) && from / axis.stride < axis.output).then_some(tap)
    };
    (0..axis.input).map(|at| (0..axis.kernel).filter_map(|tap| under(at, tap)).collect()).collect()
}

/// Conv.
pub(super) fn conv(site: &Site<'_>) -> Result<Vec<Effect>, String> {
    Ok(vec![Effect::first(Kernel::of(site)?.norms())])
}

/// ConvTranspose.
pub(super) fn conv_transpose(site: &Site<'_>) -> Result<Vec<Effect>, String> {
    Ok(vec![Effect::first(Kernel::of(site)?.norms().transposed())])
}
