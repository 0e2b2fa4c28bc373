//! Laws over the whole table of probes, and closed forms on linear models.

mod closed_forms;
mod every_probe;

use crate::testing::Network;
use crate::*;
use attack::{Budget, Domain, Norm, Oracle, Picture, Rows, Setting, ThreatModel, argmax};
use ndarray::{Array2, Axis};
use sha2::{Digest, Sha256};

/// A network with samples.
pub(crate) struct Problem {
    pub(crate) network: Network,
    pub(crate) x: Array2<f32>,
    pub(crate) labels: Vec<usize>,
    pub(crate) digests: Vec<[u8; 32]>,
}

impl Problem {
    /// Half of the rows are classified right, by the choice of their labels.
    pub(crate) fn new(network: Network, rows: usize) -> Self {
        let mut level = 0u32;
        let x = Array2::from_shape_simple_fn((rows, network.row_len()), || {
            level = level.wrapping_mul(1_103_515_245).wrapping_add(12_346);
            // One element in four is least or largest, where the bounds bite.
            match level >> 28 {
                0..2 => 0.0,
                2..4 => 1.0,
                _ => (level >> 16 & 0xff) as f32 / 255.0,
            }
        });
        let label = |(index, row): (usize, ndarray::ArrayView1<'_, f32>)| {
            (argmax(&network.logits_of(&row.to_vec())).0 + index % 2) % network.classes()
        };
        let labels = x.rows().into_iter().enumerate().map(label).collect();
        let digests = (0..rows).map(|row| Sha256::digest([row as u8]).into()).collect();
        Problem { network, x, labels, digests }
    }

    pub(crate) fn mlp() -> Self {
        Problem::new(Network::random(&[12, 16, 5], 1), 40)
    }

    pub(crate) fn linear(classes: usize) -> Self {
        Problem::new(Network::random(&[30, classes], 5 + classes as u64), 40)
    }

    pub(crate) fn integer() -> Self {
        let network = Network { grid: Domain::PIXELS.grid, ..Network::random(&[12, 16, 5], 1) };
        Problem::new(network, 40)
    }

    pub(crate) fn all() -> [Problem; 4] {
        [Problem::mlp(), Problem::linear(2), Problem::linear(3), Problem::integer()]
    }

    pub(crate) fn probe(&mut self, spec: &ProbeSpec, threat: &ThreatModel) -> Vec<RowValue> {
        let order: Vec<usize> = (0..self.labels.len()).collect();
        self.probe_rows(spec, threat, &order)
    }

    pub(crate) fn probe_rows(&mut self, spec: &ProbeSpec, threat: &ThreatModel, order: &[usize]) -> Vec<RowValue> {
        let x = self.x.select(Axis(0), order);
        let labels: Vec<usize> = order.iter().map(|row| self.labels[*row]).collect();
        let digests: Vec<[u8; 32]> = order.iter().map(|row| self.digests[*row]).collect();
        let rows = Rows { x: x.view(), labels: &labels, digests: &digests };
        let setting = setting(threat, self.network.grid.is_some());
        run(spec, &rows, &setting, &mut self.network).unwrap_or_else(|error| panic!("{spec:?}: {error}"))
    }
}

pub(crate) fn setting(threat: &ThreatModel, grid: bool) -> Setting<'_> {
    let (domain, picture, budget) = (Domain::PIXELS, Picture::line(12), Budget::default());
    Setting { threat, domain, grid, picture, seed: 7, budget }
}

pub(crate) fn threat(norm: Norm, epsilon: &str) -> ThreatModel {
    ThreatModel { norm, epsilon: epsilon.parse().expect("valid") }
}

pub(crate) fn threats() -> [ThreatModel; 3] {
    [threat(Norm::Linf, "16/255"), threat(Norm::L2, "0.2"), threat(Norm::L1, "0.4")]
}

pub(crate) fn cases() -> impl Iterator<Item = ProbeSpec> {
    PROBES.iter().flat_map(|probe| (probe.cases)())
}

/// Every case and every preset but those that take thousands of gradients a row.
pub(crate) fn settings(threat: &ThreatModel) -> Vec<ProbeSpec> {
    let presets = PRESETS.iter().map(|preset| preset.resolve(threat).expect("it resolves"));
    cases().chain(presets).filter(|spec| spec.cost(5).backwards < 10_000).collect()
}
