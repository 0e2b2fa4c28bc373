//! Laws over the whole table of attacks, and closed forms: for linear models the worst case is known exactly.

mod closed_forms;
mod every_attack;
mod honesty;
mod inner;
mod transfer;

use crate::attacks::ATTACKS;
use crate::testing::Network;
use crate::*;
use ndarray::{Array2, ArrayView2, Axis};
use sha2::{Digest, Sha256};

/// A network with samples that it classifies right, by definition of their labels.
pub(crate) struct Problem {
    pub(crate) network: Network,
    pub(crate) domain: Domain,
    /// Whether inputs are on the domain's grid, as the network or the threat model has it.
    pub(crate) grid: bool,
    /// Whether the oracle is put behind a rounding to the grid.
    pub(crate) rounds: bool,
    pub(crate) x: Array2<f32>,
    pub(crate) labels: Vec<usize>,
    pub(crate) digests: Vec<[u8; 32]>,
}

impl Problem {
    pub(crate) fn new(network: Network, rows: usize, seed: u8) -> Self {
        Problem::over(Domain::PIXELS, network, rows, seed)
    }

    /// Samples of a domain that has 256 points.
    fn over(domain: Domain, mut network: Network, rows: usize, seed: u8) -> Self {
        let points: Vec<f32> = domain.grid_points().collect();
        assert_eq!(points.len(), 256);
        let mut level = 0u32;
        let x = Array2::from_shape_simple_fn((rows, network.row_len()), || {
            level = level.wrapping_mul(1_103_515_245).wrapping_add(12_345 + u32::from(seed));
            // One element in four is least or largest, where the bounds bite.
            match level >> 28 {
                0..2 => domain.lower,
                2..4 => domain.upper,
                _ => points[level as usize >> 16 & 0xff],
            }
        });
        let scores = network.predict(x.view()).expect("honest");
        let labels = scores.rows().into_iter().map(|row| argmax(&row.to_vec()).0).collect();
        let digests = (0..rows).map(|row| Sha256::digest([row as u8, seed]).into()).collect();
        Problem { grid: network.grid.is_some(), rounds: false, network, domain, x, labels, digests }
    }

    pub(crate) fn mlp() -> Self {
        Problem::new(Network::random(&[12, 16, 5], 1), 40, 1)
    }

    pub(crate) fn linear(classes: usize, rows: usize) -> Self {
        Problem::new(Network::random(&[30, classes], 5 + classes as u64), rows, 2)
    }

    pub(crate) fn integer() -> Self {
        let network = Network { grid: Domain::PIXELS.grid, ..Network::random(&[12, 16, 5], 1) };
        Problem::new(network, 40, 1)
    }

    /// A network of floats, whose adversary is held to the grid.
    pub(crate) fn held_to_grid() -> Self {
        Problem { grid: true, rounds: true, ..Problem::mlp() }
    }

    /// Integers in units of their own, about as wide as pixels.
    pub(crate) fn raw() -> Self {
        let scale = 0.005_847_029;
        let grid = Some(Grid::Affine { scale, zero_point: 83, low: -128, high: 127 });
        let domain = Domain { lower: -211.0 * scale, upper: 44.0 * scale, grid };
        Problem::over(domain, Network { grid, ..Network::random(&[12, 16, 5], 1) }, 40, 1)
    }

    pub(crate) fn select(&self, rows: &[usize]) -> (Array2<f32>, Vec<usize>, Vec<[u8; 32]>) {
        let labels = rows.iter().map(|row| self.labels[*row]).collect();
        (self.x.select(Axis(0), rows), labels, rows.iter().map(|row| self.digests[*row]).collect())
    }

    pub(crate) fn attack(&mut self, spec: &AttackSpec, threat: &ThreatModel) -> Vec<RowOutcome> {
        let order: Vec<usize> = (0..self.labels.len()).collect();
        self.attack_rows(spec, threat, &order)
    }

    pub(crate) fn attack_rows(&mut self, spec: &AttackSpec, threat: &ThreatModel, order: &[usize]) -> Vec<RowOutcome> {
        let (x, labels, digests) = self.select(order);
        let rows = Rows { x: x.view(), labels: &labels, digests: &digests };
        let layers = self.network.layers.clone();
        let mut judge = Network { layers, micro_batch: 0, grid: self.network.grid };
        let picture = Picture::line(x.ncols());
        let setting = Setting { domain: self.domain, picture, ..setting(threat, self.grid) };
        let outcomes = match self.rounds {
            true => run(spec, &rows, &setting, &mut OnGrid::new(&mut self.network, self.domain), &mut judge),
            false => run(spec, &rows, &setting, &mut self.network, &mut judge),
        };
        outcomes.unwrap_or_else(|error| panic!("{spec:?}: {error}"))
    }

    pub(crate) fn ball(&self, row: usize, threat: &ThreatModel) -> Ball {
        let x = self.x.row(row).to_vec();
        threat.ball(&x, &self.domain, self.grid).expect("a ball")
    }

    /// The exact worst case of a linear model against the best rival.
    pub(crate) fn worst_margin(&self, row: usize, threat: &ThreatModel) -> f64 {
        let (weights, bias) = &self.network.layers[0];
        let (label, ball) = (self.labels[row], self.ball(row, threat));
        let rivals = (0..bias.len()).filter(|class| *class != label);
        let worst = rivals.map(|rival| {
            let pairs = weights.row(label).into_iter().zip(weights.row(rival));
            let w: Vec<f64> = pairs.map(|(own, other)| f64::from(*own) - f64::from(*other)).collect();
            linear_worst_margin(&w, f64::from(bias[label]) - f64::from(bias[rival]), &ball)
        });
        worst.fold(f64::INFINITY, f64::min)
    }
}

pub(crate) fn setting(threat: &ThreatModel, grid: bool) -> Setting<'_> {
    Setting { threat, domain: Domain::PIXELS, grid, picture: Picture::line(12), seed: 7, budget: Budget::default() }
}

pub(crate) fn threat(norm: Norm, epsilon: &str) -> ThreatModel {
    ThreatModel { norm, epsilon: epsilon.parse().expect("valid") }
}

pub(crate) fn cases() -> impl Iterator<Item = AttackSpec> {
    ATTACKS.iter().flat_map(|attack| (attack.cases)())
}

/// Every norm at a radius that breaks some rows of the networks here and leaves others.
pub(crate) fn threats() -> [ThreatModel; 3] {
    [threat(Norm::Linf, "16/255"), threat(Norm::L2, "0.2"), threat(Norm::L1, "0.4")]
}

/// Every case in every norm that it has, at the radius of [`threats`].
pub(crate) fn settings() -> impl Iterator<Item = (AttackSpec, ThreatModel)> {
    cases()
        .flat_map(|spec| threats().map(|threat| (spec.clone(), threat)))
        .filter(|(spec, threat)| spec.check(threat).is_ok())
}

/// A threat model of this radius in the first norm that the attack has.
pub(crate) fn threat_for(spec: &AttackSpec, epsilon: &str) -> ThreatModel {
    let threats = threats().map(|threat| ThreatModel { epsilon: epsilon.parse().expect("valid"), ..threat });
    threats.into_iter().find(|threat| spec.check(threat).is_ok()).expect("a norm that it has")
}

/// A predictor with the same scores for every row.
pub(crate) struct Fixed(pub(crate) Vec<f32>);

impl Predictor for Fixed {
    fn predict(&mut self, x: ArrayView2<'_, f32>) -> Result<Array2<f32>, OracleError> {
        Ok(Array2::from_shape_fn((x.nrows(), self.0.len()), |(_, class)| self.0[class]))
    }
}
